"""Processes that end when the process that started them does, however that ends."""

from __future__ import annotations

import os
import signal
import threading
import time
from functools import cache

__all__ = ["ENDING_SIGNALS", "end_children", "end_with"]

# SIGTERM is how a system stops a program, SIGHUP a terminal that is closed, SIGBREAK the same on Windows.
ENDING_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)
)

# Seconds between two looks at the parent.
_PAUSE = 0.5


@cache
def end_with(parent: int) -> None:
    """Let this process and its children end soon after its parent, even if that is killed; nothing on a second call.

    Parameters
    ----------
    parent : int
        Process identifier of the parent.
    """
    threading.Thread(target=_watch, args=(parent,), name="parent watch", daemon=True).start()


def end_children() -> None:
    """Ask all processes that this one has started, and those that they have started, to end."""
    import psutil

    try:
        children = psutil.Process().children(recursive=True)
    except (OSError, psutil.Error):
        return
    for child in children:
        try:
            child.terminate()
        except (OSError, psutil.Error):
            continue


def _watch(parent: int) -> None:
    import psutil

    try:
        process = psutil.Process(parent)
        # Elsewhere than on Windows the children of a process that has ended get another parent.
        while process.is_running() and (os.name == "nt" or os.getppid() == parent):
            time.sleep(_PAUSE)
    except psutil.Error:
        pass
    end_children()
    os._exit(1)
