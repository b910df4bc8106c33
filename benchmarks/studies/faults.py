"""Faults of study files: what is wrong, and the entries in whose lines it may stand."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ...posteriors.foundation.messages import first_line, shown
from ...posteriors.foundation.names import unknown_key

__all__ = ["REFUSALS", "Fault", "entry_lines", "faults_of", "line_of", "places_of", "require_known"]

# Refusals by what the parts of a study are made of.
REFUSALS = (ValueError, TypeError, OSError, MemoryError)
_HEAD = re.compile(r"\s*+(\[\[?)\s*+([\w.]++)\s*+\]")
_ENTRY = re.compile(r"\s*+([\w-]++)\s*+=")


class Fault(ValueError):
    """Fault of an entry of a study.

    Attributes
    ----------
    places : tuple
        Table and key of the entry, and then of what it stands in.
    """

    def __init__(self, message: str, *places: tuple[str, str]) -> None:
        super().__init__(message)
        self.places = places


def entry_lines(text: str) -> dict[tuple[str, str], int]:
    r"""Lines of the entries of a study, by table and key, and of the tables, with an empty key.

    Examples
    --------
    >>> entry_lines("seed = 3\n[[problem]]\n[problem.cross]\nbeta = [1]")
    {('', 'seed'): 1, ('problem 1', ''): 2, ('problem 1.cross', ''): 3, ('problem 1.cross', 'beta'): 4}
    """
    found: dict[tuple[str, str], int] = {}
    table, problems = "", 0
    for number, line in enumerate(text.split("\n"), start=1):
        if head := _HEAD.match(line):
            table = head[2]
            if table == "problem":
                problems += 1
            if table.partition(".")[0] == "problem":
                table = f"problem {problems}{table.removeprefix('problem')}"
            found.setdefault((table, ""), number)
        elif entry := _ENTRY.match(line):
            found.setdefault((table, entry[1]), number)
    return found


def line_of(places: Iterable[tuple[str, str]], lines: Mapping[tuple[str, str], int]) -> int | None:
    """Line of the first of some places that a study has, or else of what they stand in; None if there is none.

    Examples
    --------
    >>> line_of([("problem 1.cross", "beta")], {("problem 1", "name"): 3, ("problem 1", "cross"): 7})
    7
    """
    given = list(places)
    for table, _ in list(given):
        while table:
            given.append((table, ""))
            table, _, key = table.rpartition(".")
            given.append((table, key))
    return next((lines[at] for at in given if at in lines), None)


@contextmanager
def faults_of(*places: tuple[str, str], told: str = "") -> Iterator[None]:
    """Refusals as faults of an entry."""
    try:
        yield
    except Fault:
        raise
    except REFUSALS as error:
        said = first_line(error)
        raise Fault(f"{told}: {said}" if told else said, *places) from None


def require_known(fields: Mapping[str, Any], allowed: Iterable[str], table: str, kind: str = "a key") -> None:
    """Require that all keys of a table are allowed."""
    for key in fields:
        if not isinstance(key, str):
            raise Fault(f"{shown(key)} is {kind} that is no text", *places_of(table, ""))
        if key not in allowed:
            raise Fault(unknown_key(key, allowed, kind), *places_of(table, key))


def places_of(table: str, key: str) -> list[tuple[str, str]]:
    """Places in which an entry of a table may stand: as a key, as a table of its own, and the table itself.

    Examples
    --------
    >>> places_of("problem 1", "cross")
    [('problem 1', 'cross'), ('problem 1.cross', ''), ('problem 1', '')]
    """
    return [(table, key), (f"{table}.{key}" if table else key, ""), (table, "")]
