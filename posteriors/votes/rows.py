"""Rows of votes: the label set that they make, and every fault in them.

A row names an item and a rater and gives a label, and may give the rater's group and the item's known answer. Rows come
from a file, as text, or from a data frame, as values. All faulty rows are counted, and the first ten are named.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import compress, count
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..foundation.arrays import Floats, Ints
from ..foundation.messages import MOST_LINES, listed, shown
from .label_set import LabelSet, offsets
from .mapping import DROPPED, HALF, VoteMapping, cell_text

__all__ = ["NAME_RULE", "Parsers", "RowFaults", "codes", "label_set_of"]

NAME_RULE = "a name that is not blank"
_BLANK_GOLD = DROPPED
# Labels that the remark on rows left out names.
_MOST_LABELS = 3

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

    ``label`` returns -1 for a row that is left out, ``gold`` for a blank cell.
    """

    name: Parse
    label: Parse
    gold: Parse


def codes(
    cells: Sequence[Any],
    column: str,
    parse: Parse,
    allowed: str | Callable[[Sequence[Any]], str],
    faults: RowFaults,
    item: Sequence[Any] | None = None,
) -> tuple[NDArray[np.int32], list[Any]]:
    """Number a column's distinct cells by first appearance, and parse each once.

    Parameters
    ----------
    cells : sequence
    column : str
        Name of the column in messages.
    parse : callable
        Value of a cell, or None for a fault.
    allowed : str or callable
        Description of the allowed values, or what gives it for the distinct cells; it is called if there is a fault.
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
    keys: Sequence[Hashable] = [x if _is_hashable(x) else _Unhashable(repr(x)) for x in cells]
    code = dict(zip(dict.fromkeys(keys), count(), strict=False))
    values = list(map(parse, code))
    number = np.fromiter(map(code.__getitem__, keys), np.int32, len(keys))
    bad = np.array([value is None for value in values], dtype=np.bool_)
    if bad.any():
        rule = allowed if isinstance(allowed, str) else allowed(list(code))

        def what(row: int) -> tuple[str, int | None, str]:
            whose = "" if item is None else f" of item {shown(item[row])}"
            return f"{column}{whose} is {shown(cells[row])}", None, rule

        faults.add(np.flatnonzero(bad[number]), what)
    return number, values


@dataclass(frozen=True)
class _Unhashable:
    """Stands for a cell that is no name and no label, such as a list."""

    text: str


def _is_hashable(cell: Any) -> bool:
    try:
        return hash(cell) is not None
    except TypeError:
        return False


def _names(
    cells: Sequence[Any],
    column: str,
    parse: Parse,
    allowed: str,
    faults: RowFaults,
    item: Sequence[Any] | None = None,
) -> tuple[NDArray[np.int32], list[Any]]:
    """``codes`` of a column of names; two cells that differ, such as 7 and "7", have two names."""
    number, names = codes(cells, column, parse, allowed, faults, item)
    first: dict[Any, int] = {}
    for code, name in enumerate(names):
        if name is not None and first.setdefault(name, code) != code:
            before = int(np.argmax(number == first[name]))
            told = f"{column} is {shown(cells[int(np.argmax(number == code))])}, and {shown(cells[before])}"
            faults.add(np.flatnonzero(number == code), _always((told, before, "names that differ as text")))
    return number, names


def _always(what: tuple[str, int | None, str]) -> Callable[[int], tuple[str, int | None, str]]:
    return lambda row: what


def label_set_of(
    columns: Mapping[str, Sequence[Any]], parsers: Parsers, faults: RowFaults, mapping: VoteMapping
) -> LabelSet | None:
    """Label set of rows, or None where there are faults.

    Parameters
    ----------
    columns : mapping of str to sequence
        Cells of ``item``, ``rater`` and ``label``, and of ``group`` and ``gold`` where there are such columns.
    parsers : Parsers
    faults : RowFaults
        Receives every fault.
    mapping : VoteMapping
        Votes that labels stand for, in place of ``parsers``, and which of repeated votes counts.

    Returns
    -------
    LabelSet or None
        Its remarks tell of rows that are left out.
    """
    if mapping.labels is not None:
        parsers = replace(parsers, label=mapping.vote, gold=mapping.gold)
    cells = columns["item"]
    item, items = _names(cells, "item", parsers.name, NAME_RULE, faults)
    rater, raters = _names(columns["rater"], "rater", parsers.name, NAME_RULE, faults, cells)
    label, values = codes(columns["label"], "label", parsers.label, mapping.rule, faults, cells)
    groups: list[str] = []
    group = gold = None
    if "group" in columns:
        rule = f"{NAME_RULE}, or no column 'group'"
        group, groups = _names(columns["group"], "group", parsers.name, rule, faults, cells)
    order = np.argsort(item, kind="stable")
    start = offsets(np.bincount(item, minlength=len(items)))
    keep, remarks = _one_vote_per_rater(columns, item.astype(np.int64) * len(raters) + rater, faults, mapping.repeated)
    if "gold" in columns:
        gold = _gold(columns, parsers.gold, item, order[start[:-1]], faults, mapping)
    if faults.count:
        return None
    votes = np.array(values, np.int8)[label]
    ties = np.flatnonzero(keep & (votes == HALF))
    if ties.size:
        votes[ties] = _halved([items[k] for k in item[ties]], [raters[k] for k in rater[ties]])
        odd = np.count_nonzero(votes[ties] == DROPPED)
        remarks.append(f"{ties.size} ties: {(ties.size - odd) // 2} wins, as many losses, {odd} odd ones left out")
        keep[ties[votes[ties] == DROPPED]] = False
    left_out = keep & (votes == DROPPED)
    if left_out.any():
        named = listed(dict.fromkeys(map(cell_text, compress(columns["label"], left_out))), _MOST_LABELS)
        remarks.append(f"{np.count_nonzero(left_out)} of {len(votes)} rows left out, labelled {named}")
    keep &= ~left_out
    if not keep.any():
        faults.add(np.array([0]), lambda row: ("every row is left out, from this one on", None, "one vote or more"))
        return None
    order = order[keep[order]]
    made = LabelSet(
        items=tuple(items),
        labels=votes[order],
        rater=rater[order],
        raters=tuple(raters),
        start=offsets(np.bincount(item[order], minlength=len(items))),
        group=None if group is None else group[order],
        groups=tuple(groups),
        gold=gold,
        remarks=tuple(remarks),
    )
    # What only rows that are left out name does not count; the others keep their order in all rows.
    return made if keep.all() else made.subset(made.counts > 0)


def _halved(items: Sequence[str], raters: Sequence[str]) -> NDArray[np.int8]:
    """Votes of ties: on each item as many wins as losses, in turns of the raters, and an odd one left out.

    The order of the rows does not matter. Items differ in whether a win or a loss comes first.

    Examples
    --------
    >>> _halved(["a", "b", "a", "a", "b"], ["eve", "ann", "bob", "ann", "bob"])
    array([-1,  0,  0,  1,  1], dtype=int8)
    """
    votes = np.full(len(items), DROPPED, np.int8)
    on_item: dict[str, list[int]] = {}
    for k in sorted(range(len(items)), key=lambda k: (items[k], raters[k])):
        on_item.setdefault(items[k], []).append(k)
    for number, ties in enumerate(ties for ties in on_item.values() if len(ties) > 1):
        for turn, k in enumerate(ties[: len(ties) // 2 * 2]):
            votes[k] = (number + turn + 1) % 2
    return votes


def _one_vote_per_rater(
    columns: Mapping[str, Sequence[Any]], pair: Ints, faults: RowFaults, repeated: str
) -> tuple[NDArray[np.bool_], list[str]]:
    """Rows whose votes count if raters label items several times, and remarks on the others."""
    order = np.argsort(pair, kind="stable")
    same = pair[order[1:]] == pair[order[:-1]]
    again = np.sort(order[1:][same])
    keep = np.ones(len(pair), np.bool_)
    if not again.size:
        return keep, []

    def told(row: int) -> str:
        return f"rater {shown(columns['rater'][row])} has already labelled item {shown(columns['item'][row])}"

    if repeated == "refuse":
        allowed = "one label per rater and item, unless repeated=first or repeated=last says which counts"
        faults.add(again, lambda row: (told(row), int(np.argmax(pair == pair[row])), allowed))
        return keep, []
    keep[again if repeated == "first" else order[:-1][same]] = False
    first = int(again[0])
    which = f"{shown(columns['rater'][first])} on {shown(columns['item'][first])}"
    rows = "1 row repeats" if again.size == 1 else f"{again.size} rows repeat"
    return keep, [f"{rows} a rater on an item, such as {which}: the {repeated} vote counts"]


def _gold(
    columns: Mapping[str, Sequence[Any]],
    parse: Parse,
    item: NDArray[np.int32],
    first_row: Ints,
    faults: RowFaults,
    mapping: VoteMapping,
) -> Floats:
    cells, items = columns["gold"], columns["item"]
    code, values = codes(cells, "gold", parse, lambda found: _gold_rule(mapping, found), faults, items)
    gold = np.array([_BLANK_GOLD if value is None else value for value in values], np.int8)[code]
    per_item = gold[first_row]

    def what(row: int) -> tuple[str, int | None, str]:
        before = int(first_row[item[row]])
        told = f"gold of item {shown(items[row])} is {shown(cells[row])} but {shown(cells[before])}"
        return told, before, "one gold per item"

    differs = np.flatnonzero(gold != per_item[item])
    if faults.rows:
        # What a faulty row lacks contradicts nothing.
        differs = differs[~np.isin(first_row[item[differs]], list(faults.rows))]
    if differs.size:
        faults.add(differs, what)
    return np.where(per_item == _BLANK_GOLD, np.nan, per_item)


def _gold_rule(mapping: VoteMapping, cells: Sequence[Any]) -> str:
    return "0, 1 or blank" if mapping.labels is None else f"blank, or {mapping.rule(cells)}"
