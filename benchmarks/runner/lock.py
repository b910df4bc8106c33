"""Lock of a run folder: one process at a time computes in it, and a killed one lets go."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .folder import RunFolderError

__all__ = ["alone_in", "is_worked_in"]

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


def is_worked_in(folder: Path) -> bool:
    """True if a process works in a run folder now; nothing in it is changed.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as name:
    ...     folder = Path(name)
    ...     before = is_worked_in(folder)
    ...     with alone_in(folder):
    ...         print(before, is_worked_in(folder))
    False True
    """
    place = folder / _LOCK
    if not place.exists():
        return False
    lock = sqlite3.connect(f"{place.absolute().as_uri()}?mode=ro", uri=True, timeout=0.0)
    try:
        lock.execute("SELECT count(*) FROM sqlite_master")
    except sqlite3.DatabaseError as error:
        return error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
    finally:
        lock.close()
    return False
