"""The store of a run, read and changed beside the package, as a user or a fault of the disk might."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

__all__ = ["change_part", "forget_part", "part_names", "stored_part", "stored_parts"]


def part_names(folder: str | Path) -> set[str]:
    """Names of the parts in the store of a run folder."""
    return set(stored_parts(folder))


def stored_parts(folder: str | Path) -> dict[str, bytes]:
    """Results of all parts by their names."""
    with closing(sqlite3.connect(Path(folder, "run.sqlite"))) as store:
        return dict(store.execute("SELECT name, result FROM cells"))


def stored_part(folder: str | Path, part: str) -> bytes:
    """Result of a part."""
    return stored_parts(folder)[part]


def change_part(folder: str | Path, part: str, /, **columns: object) -> None:
    """Change columns of a part."""
    with closing(sqlite3.connect(Path(folder, "run.sqlite"))) as store, store:
        for column, value in columns.items():
            assert store.execute(f"UPDATE cells SET {column} = ? WHERE name = ?", (value, part)).rowcount == 1


def forget_part(folder: str | Path, part: str) -> None:
    """Remove a part."""
    with closing(sqlite3.connect(Path(folder, "run.sqlite"))) as store, store:
        assert store.execute("DELETE FROM cells WHERE name = ?", (part,)).rowcount == 1
