"""Printed results of a command, kept in its run folder as plain text."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import TextIO

from ..runner.finished import FinishedRun
from ..runner.folder import RunFolder

__all__ = ["REPORT", "report"]

REPORT = "report.txt"
# Sequences by which a table is made bold on a terminal; names have none, since they are printed escaped.
_STYLE = re.compile(r"\x1b\[[0-9;]*m")


class _Held(io.StringIO):
    """Text that is meant for another stream."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream

    def isatty(self) -> bool:
        """True if the text is meant for a terminal."""
        return self._stream.isatty()


@contextmanager
def report(folder: RunFolder | FinishedRun | None, holds: str, *, silent: bool) -> Iterator[None]:
    """Print tables and notes, and keep them in the run folder, whose path and contents are printed last.

    Parameters
    ----------
    folder : RunFolder, FinishedRun or None
        None to keep nothing.
    holds : str
        Contents of the folder.
    silent : bool
        True to keep the text and print nothing, for commands that print JSON.
    """
    with redirect_stdout(_Held(sys.stdout)) as held:
        yield
    text = held.getvalue()
    if folder is not None:
        # Before anything is printed: a disk may be full.
        lines = _STYLE.sub("", text).splitlines()
        folder.write(REPORT, "".join(f"{line.rstrip()}\n" for line in lines))
    if not silent:
        print(text, end="")
        if folder is not None:
            print(f"{holds}: {folder.path}")
