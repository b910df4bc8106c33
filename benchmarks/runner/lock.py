"""Lock of a run folder: one process at a time computes in it, and a killed one lets go."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .folder import RunFolderError

__all__ = ["alone_in"]

_LOCK = "run.lock"


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Work alone in a run folder.

    Raises
    ------
    RunFolderError
        If another process works in it.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder, alone_in(Path(folder)):
    ...     with alone_in(Path(folder)):
    ...         pass
    Traceback (most recent call last):
    seqaudit.benchmarks.runner.folder.RunFolderError: ... is being worked in by another process; wait until it has ended
    """
    # An empty database, which SQLite locks on every system; the lock ends with its process.
    lock = sqlite3.connect(folder / _LOCK, timeout=0.0, isolation_level=None)
    try:
        try:
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise OSError(f"{folder / _LOCK}: {error}") from None
            raise RunFolderError(f"{folder} is being worked in by another process; wait until it has ended") from None
        yield
    finally:
        lock.close()
