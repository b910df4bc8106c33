"""Rows of votes: the label set that they make, and every fault in them.

A row names an item and a rater and gives a label, and may give the rater's group and the item's known answer. Rows come
from a file, as text, or from a data frame, as values. All faulty rows are counted, and the first ten are named.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..foundation.arrays import Floats, Ints
from ..foundation.messages import MOST_LINES, shown
from .label_set import LabelSet, offsets

__all__ = ["NAME_RULE", "Parsers", "RowFaults", "codes", "label_set_of"]

NAME_RULE = "a name that is not blank"
_BLANK_GOLD = -1

Parse = Callable[[Any], Any]
# Names of rows, such as "line 3", by their numbers.
Places = Callable[[Sequence[int]], Mapping[int, str]]


@dataclass
class RowFaults:
    """Faults of rows: how many there are, and the texts of the first of them.

    Attributes
    ----------
    count : int
        Number of faults.
    rows : set of int
        Faulty rows, which later checks pass over.
    NAMED : int
        Number of faults that are named.
    """

    NAMED: ClassVar[int] = MOST_LINES

    count: int = 0
    rows: set[int] = field(default_factory=set)
    _found: list[tuple[int, str, int | None, str]] = field(default_factory=list)

    def add(self, rows: Ints, what: Callable[[int], tuple[str, int | None, str]]) -> None:
        """Add a fault for each row that has none yet.

        Parameters
        ----------
        rows : ndarray of int
        what : callable
            Of a row: what is wrong, the number of an earlier row that it contradicts or None, and what is allowed.
        """
        new = [row for row in rows.tolist() if row not in self.rows]
        self.count += len(new)
        self.rows.update(new)
        self._found += [(row, *what(row)) for row in new[: self.NAMED]]

    def lines(self, places: Places, source: str) -> list[str]:
        """Sentences on the first faults, in the order of the rows."""
        first = sorted(self._found, key=lambda fault: fault[0])[: self.NAMED]
        at = places([k for row, _, before, _ in first for k in (row, before) if k is not None])
        told = []
        for row, what, before, allowed in first:
            earlier = "" if before is None else f" on {at[before]}"
            told.append(f"{source}, {at[row]}: {what}{earlier}; allowed: {allowed}")
        return told


@dataclass(frozen=True)
class Parsers:
    """Readings of one cell of each column; each returns None for a cell that it does not allow.

    ``gold`` returns -1 for a blank cell.
    """

    name: Parse
    label: Parse
    gold: Parse


def codes(
    cells: Sequence[Any], column: str, parse: Parse, allowed: str, faults: RowFaults, item: Sequence[Any] | None = None
) -> tuple[NDArray[np.int32], list[Any]]:
    """Number a column's distinct cells by first appearance, and parse each once.

    Parameters
    ----------
    cells : sequence
    column : str
        Name of the column in messages.
    parse : callable
        Value of a cell, or None for a fault.
    allowed : str
        Description of the allowed values.
    faults : RowFaults
        Receives a fault for each row whose cell has no value.
    item : sequence, optional
        The items of the rows, which messages name.

    Returns
    -------
    code : ndarray of int32, shape (rows,)
    values : list
        Value of each code; None for a fault.
    """
    keys: Sequence[Hashable] = [x if isinstance(x, Hashable) else repr(x) for x in cells]
    code = dict(zip(dict.fromkeys(keys), count(), strict=False))
    values = list(map(parse, code))
    number = np.fromiter(map(code.__getitem__, keys), np.int32, len(keys))
    bad = np.array([value is None for value in values], dtype=np.bool_)
    if bad.any():

        def what(row: int) -> tuple[str, int | None, str]:
            whose = "" if item is None else f" of item {shown(item[row])}"
            return f"{column}{whose} is {shown(cells[row])}", None, allowed

        faults.add(np.flatnonzero(bad[number]), what)
    return number, values


def label_set_of(columns: Mapping[str, Sequence[Any]], parsers: Parsers, faults: RowFaults) -> LabelSet | None:
    """Label set of rows, or None where there are faults.

    Parameters
    ----------
    columns : mapping of str to sequence
        Cells of ``item``, ``rater`` and ``label``, and of ``group`` and ``gold`` where there are such columns.
    parsers : Parsers
    faults : RowFaults
        Receives every fault.

    Returns
    -------
    LabelSet or None
    """
    cells = columns["item"]
    item, items = codes(cells, "item", parsers.name, NAME_RULE, faults)
    rater, raters = codes(columns["rater"], "rater", parsers.name, NAME_RULE, faults, cells)
    label, values = codes(columns["label"], "label", parsers.label, "0 or 1", faults, cells)
    groups: list[str] = []
    group = gold = None
    if "group" in columns:
        rule = f"{NAME_RULE}, or no column 'group'"
        group, groups = codes(columns["group"], "group", parsers.name, rule, faults, cells)
    order = np.argsort(item, kind="stable")
    start = offsets(np.bincount(item, minlength=len(items)))
    _require_one_vote_per_rater(cells, columns["rater"], item, rater, len(raters), faults)
    if "gold" in columns:
        gold = _gold(columns, parsers.gold, item, order[start[:-1]], faults)
    if faults.count:
        return None
    return LabelSet(
        items=tuple(items),
        labels=np.array(values, np.int8)[label][order],
        rater=rater[order],
        raters=tuple(raters),
        start=start,
        group=None if group is None else group[order],
        groups=tuple(groups),
        gold=gold,
    )


def _require_one_vote_per_rater(
    items: Sequence[Any],
    raters: Sequence[Any],
    item: NDArray[np.int32],
    rater: NDArray[np.int32],
    count_of_raters: int,
    faults: RowFaults,
) -> None:
    pair = item.astype(np.int64) * count_of_raters + rater
    order = np.argsort(pair, kind="stable")
    repeated = np.sort(order[1:][pair[order[1:]] == pair[order[:-1]]])

    def what(row: int) -> tuple[str, int | None, str]:
        told = f"rater {shown(raters[row])} has already labelled item {shown(items[row])}"
        return told, int(np.argmax(pair == pair[row])), "one label per rater and item"

    if repeated.size:
        faults.add(repeated, what)


def _gold(
    columns: Mapping[str, Sequence[Any]], parse: Parse, item: NDArray[np.int32], first_row: Ints, faults: RowFaults
) -> Floats:
    cells, items = columns["gold"], columns["item"]
    code, values = codes(cells, "gold", parse, "0, 1 or blank", faults, items)
    gold = np.array([_BLANK_GOLD if value is None else value for value in values], np.int8)[code]
    per_item = gold[first_row]

    def what(row: int) -> tuple[str, int | None, str]:
        before = int(first_row[item[row]])
        told = f"gold of item {shown(items[row])} is {shown(cells[row])} but {shown(cells[before])}"
        return told, before, "one gold per item"

    differs = np.flatnonzero(gold != per_item[item])
    if differs.size:
        faults.add(differs, what)
    return np.where(per_item == _BLANK_GOLD, np.nan, per_item)
