"""Signals that ask a command to end: each acts as Ctrl-C does, wherever the command is at work."""

from __future__ import annotations

import _thread
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from types import FrameType
from typing import NoReturn

from ...dp.machine.parent import ENDING_SIGNALS, end_children, end_with

__all__ = ["INTERRUPTED", "heed_signals", "no_longer_interrupt", "status_of_interruption"]

# Exit status of typer after Ctrl-C.
INTERRUPTED = 130
# Seconds after which an interruption that was lost is made again.
_SOON = 0.02
# Seconds from a signal to the end of a process that is busy in compiled code, which does not hear it.
_PATIENCE = 6.0

_heeded: list[int] = []
_received: list[int] = []


def heed_signals() -> None:
    """Let each signal that asks for an end raise KeyboardInterrupt, and end the process if nothing comes of it.

    Signals that the process was started to ignore, as ``nohup`` does, stay ignored. Processes that this one forks end
    with it and take the signals as usual.
    """
    for number in ENDING_SIGNALS:
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, _interrupt)
            _heeded.append(int(number))
    sys.unraisablehook = partial(_not_raised, sys.unraisablehook)
    # The number of a signal is written here at once, even if Python's own handler has to wait for compiled code.
    heard, told = socket.socketpair()
    told.setblocking(False)
    signal.set_wakeup_fd(told.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=_see_to_it, args=(heard, told, _heeded), name="signal watch", daemon=True).start()
    if hasattr(os, "register_at_fork"):
        parent = os.getpid()

        def apart() -> None:
            signal.set_wakeup_fd(-1)
            for number in _heeded:
                signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
            if os.getppid() == parent:
                end_with(parent)

        os.register_at_fork(after_in_child=apart)


def no_longer_interrupt() -> None:
    """Let the process end as it is about to: a signal that comes now only sees to it that it does."""
    for number in _heeded:
        signal.signal(number, lambda *_: None)


def status_of_interruption() -> int:
    """Exit status of an interrupted command: 128 and the number of the signal, as shells have it."""
    return 128 + _received[0] if _received else INTERRUPTED


def _interrupt(number: int, _: FrameType | None) -> NoReturn:
    _received.append(number)
    raise KeyboardInterrupt


def _not_raised(usual: Callable[[sys.UnraisableHookArgs], object], fault: sys.UnraisableHookArgs) -> None:
    """Interrupt again where compiled code called back into Python and could not hand the interruption on.

    After an interruption nothing else is told: what it left half-done, such as a file, may fail when it is thrown away.
    """
    if not _received:
        usual(fault)
    elif issubclass(fault.exc_type, KeyboardInterrupt):
        again = threading.Timer(_SOON, _signal_main_thread, (_received[0],))
        again.daemon = True
        again.start()


def _signal_main_thread(number: int) -> None:
    main = threading.main_thread().ident
    if main is not None and hasattr(signal, "pthread_kill"):
        # Unlike the other way, this also ends a wait.
        signal.pthread_kill(main, number)
    else:
        _thread.interrupt_main(signal.Signals(number))


def _see_to_it(heard: socket.socket, told: socket.socket, heeded: list[int]) -> None:
    """End the process some seconds after a signal, if it has not ended by then; ``told`` is kept open."""
    while (number := heard.recv(1)[0]) not in heeded:
        pass
    time.sleep(_PATIENCE)
    with suppress(OSError, ValueError):
        print("seqaudit: interrupted", file=sys.stderr, flush=True)
    end_children()
    os._exit(128 + number)
