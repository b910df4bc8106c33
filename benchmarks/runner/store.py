"""The store of a run: one SQLite database with a row for every finished cell of the work.

A row is there whole or not at all, also when the process is killed or the disk is full; several processes may write in
one store. A cell is found by its key, the digest of everything that determines its result, and is passed on only if it
is as it was written.
"""

from __future__ import annotations

import errno
import math
import os
import re
import sqlite3
import stat
import time
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple

from ...dp.machine.seal import digest
from ...posteriors.foundation.messages import shown

__all__ = ["Cell", "Store", "StoreError", "stores_closed"]

# "saud" in the header tells stores from the databases of other programs.
_APPLICATION, _FORM = 0x73617564, 1
_SECONDS_TO_WAIT = 60.0
_TABLE = """
CREATE TABLE cells (
    key TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    inputs TEXT NOT NULL,
    seed TEXT,
    status TEXT NOT NULL,
    form TEXT NOT NULL,
    result BLOB NOT NULL,
    sha256 TEXT NOT NULL,
    versions TEXT NOT NULL,
    seconds REAL
)
"""
_COLUMNS = ("name", "inputs", "form", "result", "seed", "status", "versions", "seconds")
_ALL = ("key", "sha256", *_COLUMNS)
_WRITTEN = f"INSERT OR REPLACE INTO cells ({', '.join(_ALL)}) VALUES ({', '.join(f':{x}' for x in _ALL)})"
_READ = f"SELECT rowid, {', '.join(_ALL)} FROM cells"
_FIRST = -(1 << 63)
_NEXT = f"{_READ} WHERE rowid > ? ORDER BY rowid LIMIT ?"
# Damaged text makes a row another one than was written, and no fault of all rows.
_DAMAGED_TEXT = partial(str, encoding="utf-8", errors="replace")
# Types that the columns of a row have: a seed and seconds may be missing.
_TYPES = {
    (str, str, str, bytes, seed, str, str, seconds) for seed in (str, type(None)) for seconds in (float, type(None))
}
_AT_A_TIME = 1000
_HEADER = 100
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT)
_OF_THE_SYSTEM = {
    sqlite3.SQLITE_FULL: errno.ENOSPC,
    sqlite3.SQLITE_READONLY: errno.EACCES,
    sqlite3.SQLITE_CANTOPEN: errno.EACCES,
    sqlite3.SQLITE_PERM: errno.EACCES,
    sqlite3.SQLITE_IOERR: errno.EIO,
    sqlite3.SQLITE_NOMEM: errno.ENOMEM,
}


# Stores that may be open: what an error holds is not let go of at once.
_open: weakref.WeakSet[Store] = weakref.WeakSet()


@contextmanager
def stores_closed() -> Iterator[None]:
    """Close the stores that are opened meanwhile, so that each is one file."""
    before = set(_open)
    try:
        yield
    finally:
        for store in set(_open) - before:
            store.close()


class StoreError(ValueError):
    """Error for a file that is no store, or not one that this version can read."""


class Cell(NamedTuple):
    """One part of a run that has ended.

    Attributes
    ----------
    name : str
        What the part is called in tables, reports and progress.
    inputs : str
        Everything that determines the result, as JSON.
    form : str
        Format of the result, as the suffix of a file of it.
    result : bytes
        That of the part, or what was said when it failed.
    seed : str or None
        Seed of its random numbers, if it has any.
    status : str
        ``done`` or ``failed``.
    versions : str
        Versions of the libraries that computed it, as JSON.
    seconds : float or None
        Time that it took, where it was measured.
    """

    name: str
    inputs: str
    form: str
    result: bytes
    seed: str | None = None
    status: str = "done"
    versions: str = "{}"
    seconds: float | None = None

    @property
    def key(self) -> str:
        """Digest of the inputs."""
        return digest(self.inputs.encode())

    @property
    def sha256(self) -> str:
        """Digest of the result and of what it is said to be: results that were exchanged are not as they were."""
        return _digest_of(*self)


def _digest_of(
    name: str,
    inputs: str,
    form: str,
    result: bytes,
    seed: str | None,
    status: str,
    versions: str,
    seconds: float | None,
) -> str:
    # As Python shows a tuple of them; written out it takes half the time, and a store may have a million rows.
    shown_all = f"({name!a}, {inputs!a}, {_shown(seed, status, form, versions)}, {seconds!a})"
    return digest(shown_all.encode() + result)


@lru_cache(maxsize=16)
def _shown(seed: str | None, status: str, form: str, versions: str) -> str:
    """Text of what most rows have alike."""
    return f"{seed!a}, {status!a}, {form!a}, {versions!a}"


def _checked(row: tuple[Any, ...]) -> tuple[Cell | None, bool]:
    """Cell of a row if it is as it was written, and whether it is not."""
    values = row[3:]
    if tuple(map(type, values)) not in _TYPES:
        return None, True
    same = digest(values[1].encode()) == row[1] and _digest_of(*values) == row[2]
    return (Cell._make(values), False) if same else (None, True)


def _reading(place: Path) -> str:
    """Mode in which SQLite opens a file to be read, so that the file stays as it is."""
    if place.with_name(f"{place.name}-wal").exists():
        # Of a run that goes on, or of one that was killed: who might write would take over what it left.
        return "mode=ro"
    # SQLite keeps files beside it meanwhile, and removes them again; where it may not, nobody else is writing either.
    return "mode=rw" if os.access(place.parent, os.W_OK) else "immutable=1"


class Store:
    """Store in a file, which is made if it is not there.

    Parameters
    ----------
    path : path
    changing : bool
        Open it to write in it too. Without, it must be there, and stays as it is, also where the folder of the file
        cannot be written.

    Raises
    ------
    StoreError
        If the file is something else, is damaged, or was written by a version with another form of stores.
    OSError
        If it cannot be read or written.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     store = Store(Path(folder, "run.sqlite"))
    ...     cell = Cell("kg", '{"budget": 8}', ".json", b"[1.5]")
    ...     store.write(cell)
    ...     found, changed = store.read(cell.key)
    ...     store.close()
    >>> found.result, changed
    (b'[1.5]', False)
    """

    def __init__(self, path: Path, *, changing: bool = True) -> None:
        self.path = path
        self._require_file()
        # Of a relative path, SQLite may take a beginning such as "file:" for that of an address.
        place = Path(os.path.abspath(path))  # noqa: PTH100
        address = str(place) if changing else f"{place.as_uri()}?{_reading(place)}"
        with self._faults():
            # No transactions but those of single statements, and of the making of the table.
            self._connection = sqlite3.connect(
                address, timeout=_SECONDS_TO_WAIT, isolation_level=None, uri=not changing
            )
            self._connection.text_factory = _DAMAGED_TEXT
        self.close = weakref.finalize(self, self._connection.close)
        _open.add(self)
        try:
            with self._faults():
                if changing:
                    self._make_or_check_patiently()
                elif self._is_new():
                    raise StoreError(f"{path} holds nothing")
        except BaseException:
            self.close()
            raise

    def read(self, key: str) -> tuple[Cell | None, bool]:
        """Cell with a key, None if there is none; and whether there is one that is not as it was written."""
        with self._faults():
            row = self._connection.execute(f"{_READ} WHERE key = ?", (key,)).fetchone()
        return (None, False) if row is None else _checked(row)

    def cells(self) -> Iterator[tuple[str, Cell | None]]:
        """Yield the keys of all cells in the order in which they were finished, and each cell if it is as written."""
        for row in self._rows():
            yield row[1], _checked(row)[0]

    def write(self, cell: Cell) -> None:
        """Write a cell, in place of an earlier one with its key.

        Raises
        ------
        ValueError
            For seconds that are not a finite float, which would not be read as they were written.
        """
        if cell.seconds is not None and not (isinstance(cell.seconds, float) and math.isfinite(cell.seconds)):
            raise ValueError(f"seconds of cell {shown(cell.name)} is {shown(cell.seconds)}; it must be a finite float")
        values = {column: getattr(cell, column) for column in _ALL}
        with self._faults():
            self._connection.execute(_WRITTEN, values)

    def write_all(self, cells: Sequence[Cell]) -> None:
        """Write some cells at once: all of them or none."""
        with self._faults():
            self._connection.execute("BEGIN IMMEDIATE")
        try:
            for cell in cells:
                self.write(cell)
        except BaseException:
            with self._faults():
                self._connection.execute("ROLLBACK")
            raise
        with self._faults():
            self._connection.execute("COMMIT")

    def done(self) -> tuple[set[str], int]:
        """Keys of the cells that did not fail; cells that are not as they were written are removed, and counted."""
        found: set[str] = set()
        changed: list[tuple[Any, ...]] = []
        for row in self._rows():
            cell, is_changed = _checked(row)
            if is_changed:
                changed.append(row[:1])
            elif cell is not None and cell.status == "done":
                found.add(row[1])
        with self._faults():
            self._connection.executemany("DELETE FROM cells WHERE rowid = ?", changed)
        return found, len(changed)

    def _rows(self) -> Iterator[tuple[Any, ...]]:
        """Yield all rows in their order, each behind its number."""
        last = _FIRST
        with self._faults():
            # What others write meanwhile is not seen.
            self._connection.execute("BEGIN")
        try:
            while True:
                with self._faults():
                    some = self._after(last)
                if not some:
                    return
                yield from some
                last = some[-1][0]
        finally:
            if self.close.alive:
                with self._faults():
                    self._connection.execute("COMMIT")

    def _after(self, number: int) -> list[tuple[Any, ...]]:
        ask = partial(self._connection.execute, _NEXT, (number, _AT_A_TIME))
        # Whole text is read in a third of the time.
        self._connection.text_factory = str
        try:
            return ask().fetchall()
        except sqlite3.OperationalError as error:
            if not str(error).startswith("Could not decode"):
                raise
        finally:
            self._connection.text_factory = _DAMAGED_TEXT
        return ask().fetchall()

    def named(self, name: str) -> Cell:
        """Cell of a name.

        Raises
        ------
        KeyError
            If there is none, or it is not as it was written.
        """
        with self._faults():
            row = self._connection.execute("SELECT key FROM cells WHERE name = ?", (name,)).fetchone()
        cell = None if row is None else self.read(row[0])[0]
        if cell is None:
            raise KeyError(name)
        return cell

    def keys(self, called: str) -> list[tuple[str, str]]:
        """Keys and names of the cells of a name; if there are none, of those whose keys begin with these digits."""
        select = "SELECT key, name FROM cells WHERE"
        with self._faults():
            found = self._connection.execute(f"{select} name = ?", (called,)).fetchall()
            if not found and re.fullmatch(r"[0-9a-fA-F]{4,64}", called):
                found = self._connection.execute(f"{select} key GLOB ? || '*'", (called.lower(),)).fetchall()
        return found

    def forget(self, name: str) -> None:
        """Remove the cells of a name, so that they are computed again."""
        with self._faults():
            self._connection.execute("DELETE FROM cells WHERE name = ?", (name,))

    def names(self) -> list[str]:
        """Names of the finished cells, in the order in which they were finished."""
        with self._faults():
            return [name for (name,) in self._connection.execute("SELECT name FROM cells ORDER BY rowid")]

    def _make_or_check_patiently(self) -> None:
        end = time.monotonic() + _SECONDS_TO_WAIT
        while True:
            try:
                self._make_or_check()
            except sqlite3.OperationalError as error:
                # SQLite itself does not wait while another process begins or ends the log beside the file.
                if error.sqlite_errorcode & 0xFF not in _BUSY or time.monotonic() > end:
                    raise
                time.sleep(0.01)
            else:
                return

    def _make_or_check(self) -> None:
        ask = self._connection.execute
        # A file of something else stays as it is. One that is being made is seen before or after it.
        ask("BEGIN")
        try:
            self._is_new()
        finally:
            ask("ROLLBACK")
        # Readers and a writer do not wait for each other; a loss of power can cost the last cells, never the others.
        ask("PRAGMA journal_mode = WAL")
        ask("PRAGMA synchronous = NORMAL")
        ask("BEGIN IMMEDIATE")
        try:
            if self._is_new():
                ask(_TABLE)
                ask(f"PRAGMA application_id = {_APPLICATION}")
                ask(f"PRAGMA user_version = {_FORM}")
        except BaseException:
            ask("ROLLBACK")
            raise
        ask("COMMIT")

    def _is_new(self) -> bool:
        """True for an empty file, False for a store; anything else is refused."""
        ask = self._connection.execute
        (application,), (form,) = (ask(f"PRAGMA {x}").fetchone() for x in ("application_id", "user_version"))
        (tables,) = ask("SELECT count(*) FROM sqlite_master").fetchone()
        if (application, form, tables) == (0, 0, 0):
            return True
        if application != _APPLICATION:
            raise StoreError(f"{self.path} is a database of another program; give another folder")
        if form != _FORM:
            raise StoreError(
                f"{self.path} has form {form}, and this version of seqaudit reads form {_FORM}; finish the run "
                "with the version that began it, or give another folder"
            )
        return False

    def _require_file(self) -> None:
        """Require that the store and the files that SQLite keeps beside it are plain files, or not there."""
        for suffix in ("", "-wal", "-shm", "-journal"):
            path = Path(f"{self.path}{suffix}")
            if os.path.lexists(path) and not stat.S_ISREG(path.lstat().st_mode):
                raise StoreError(f"{path} is not a plain file, so the run cannot be taken up; remove it")
        # Of so short a file SQLite would think that it is empty.
        if self.path.exists() and 0 < self.path.stat().st_size < _HEADER:
            raise StoreError(f"{self.path}: not a store; remove it, and what it held is computed again")

    @contextmanager
    def _faults(self) -> Iterator[None]:
        """Faults of SQLite as those of the system, or of the file."""
        try:
            yield
        except sqlite3.ProgrammingError as error:
            raise StoreError(f"{self.path}: {error}") from None
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
            if code in _BUSY:
                raise StoreError(f"{self.path} is being written by another process; wait until it has ended") from None
            if code in _OF_THE_SYSTEM:
                number = _OF_THE_SYSTEM[code] if self.path.parent.is_dir() else errno.ENOENT
                raise OSError(number, os.strerror(number), str(self.path)) from None
            found = "not a store" if code == sqlite3.SQLITE_NOTADB else "damaged" if code in _DAMAGED else str(error)
            raise StoreError(f"{self.path}: {found}; remove it, and what it held is computed again") from None
