"""Questions to a fresh process, whose memory and threads are its own.

A module that answers one reads the question as JSON from its standard input, and writes the answer to its standard
output, when it is run by its name.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from ...dp.machine.parent import end_with

__all__ = ["answer_apart", "ask_apart", "question"]

# Numbers of threads of the libraries of linear algebra.
_THREADS = tuple(f"{x}_NUM_THREADS" for x in ("OPENBLAS", "OMP", "MKL", "VECLIB_MAXIMUM"))


def ask_apart(
    module: str, request: Any, *, patience: float | None = None, threads: int | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a module in a fresh process with a question.

    Parameters
    ----------
    module : str
        Its name.
    request : object
        What JSON holds.
    patience : float, optional
        Seconds after which the process is ended.
    threads : int, optional
        Threads of linear algebra; default: as in this process.

    Returns
    -------
    subprocess.CompletedProcess

    Raises
    ------
    subprocess.TimeoutExpired
    """
    # -P: the working folder is not searched for modules, as it is not for the installed command.
    return subprocess.run(
        [sys.executable, "-P", "-m", module],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        check=False,
        timeout=patience,
        env=None if threads is None else os.environ | dict.fromkeys(_THREADS, str(threads)),
    )


def answer_apart(module: str, request: Any, what: str, *, threads: int | None = None) -> dict[str, Any]:
    """Answer of a module in a fresh process.

    Parameters
    ----------
    module, request
        See ``ask_apart``.
    what : str
        Name of what is measured, for the message.
    threads
        See ``ask_apart``.

    Returns
    -------
    dict

    Raises
    ------
    RuntimeError
        If the process fails.
    """
    done = ask_apart(module, request, threads=threads)
    if done.returncode:
        raise RuntimeError(f"{what}: {done.stderr.strip()}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def question() -> Any:
    """Question to this process, which ends with the one that asks."""
    end_with(os.getppid())
    return json.load(sys.stdin)
