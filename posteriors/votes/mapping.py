"""Mappings of votes from other tools: the column of each field, the votes that labels stand for, and repeated votes.

A label stands for 0 or 1, or its row is left out, or it is half a win. Votes are 0 or 1, so two ties on an item are one
win and one loss, and an odd tie is left out: a win and a loss in its place would count it twice, and a draw between the
two would invent an answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..foundation.kinds import require_type
from ..foundation.messages import listed, plain, shown
from ..foundation.names import nearest_name, unknown_name
from ..foundation.refusals import is_number, one_of, vote_or_none, whole_or_none

__all__ = ["DROPPED", "HALF", "REPEATED", "VOTE_COLUMNS", "VoteMapping", "cell_text"]

# Vote of a row that is left out.
DROPPED = -1
# Vote of a tie that is half a win.
HALF = -2
REPEATED = ("refuse", "first", "last")
VOTE_COLUMNS = ("item", "rater", "label", "group", "gold")
_REQUIRED = ("item", "rater", "label")
_WORDS = {"drop": DROPPED, "half": HALF}
_FOUND = 5


@dataclass(frozen=True)
class VoteMapping:
    """Fields and votes of a table whose columns and labels have other names.

    Attributes
    ----------
    columns : dict of str to str
        Name in the table, by the name of the field: "item", "rater", "label". Fields that are not named have their own.
    labels : dict of str to int, or None
        Vote that each label stands for: 0, 1, -1 for rows that are left out, or -2 for half a win. None for labels that
        are votes already.
    repeated : {"refuse", "first", "last"}
        The vote that counts if a rater labels an item several times.

    Examples
    --------
    >>> found = VoteMapping.of({"rater": "WorkerId"}, {"A": 1, "B": 0, "tie": "drop"})
    >>> found.column("rater"), found.column("item"), found.labels
    ('WorkerId', 'item', {'A': 1, 'B': 0, 'tie': -1})
    """

    columns: dict[str, str]
    labels: dict[str, int] | None = None
    repeated: str = "refuse"

    @classmethod
    def of(
        cls,
        columns: Mapping[str, str] | None = None,
        labels: Mapping[Any, Any] | None = None,
        repeated: str = "refuse",
        known: Sequence[str] = VOTE_COLUMNS,
    ) -> VoteMapping:
        """Mapping as users give it.

        Parameters
        ----------
        columns : mapping of str to str, optional
        labels : mapping, optional
            From labels to 0, 1, "half" or "drop"; numbers and booleans are labels too.
        repeated : {"refuse", "first", "last"}
        known : sequence of str
            Fields that may be named.

        Returns
        -------
        VoteMapping

        Raises
        ------
        ValueError
            For a field that is not known, a column given for two fields, a label that stands for anything else, and
            labels of which none stands for 0, or none for 1.
        """
        one_of("repeated", repeated, REPEATED)
        return cls(_columns({} if columns is None else columns, known), _labels(labels), repeated)

    def column(self, field: str) -> str:
        """Name that a field has in the table."""
        return self.columns.get(field, field)

    def vote(self, cell: Any) -> int | None:
        """Vote of a cell: 0, 1, ``DROPPED`` or ``HALF``; None for a label that is not mapped.

        A whole number that is written as 2.0 is the label 2, unless there is a label 2.0.
        """
        if self.labels is None:
            return None
        text = cell_text(cell)
        whole = text.removesuffix(".0")
        return self.labels.get(text, self.labels.get(whole) if whole.isdecimal() else None)

    def gold(self, cell: Any) -> int | None:
        """Known answer of a cell: 0, 1, or -1 where it is blank or a label that is neither."""
        vote = DROPPED if cell is None or cell == "" else self.vote(cell)
        return DROPPED if vote == HALF else vote

    def rule(self, cells: Iterable[Any]) -> str:
        """Words for the labels that are allowed in a column of these cells."""
        if self.labels is None:
            words = [text for text in _distinct(cells) if text.strip() and not is_number(text)]
            return "0 or 1" + (f", or labels that map {listed(words, _FOUND)} to them" if words else "")
        found = _distinct(cells)
        other = next((text for text in found if self.vote(text) is None), None)
        near = None if other is None else nearest_name(other, self.labels)
        hint = "" if near is None else f" (is {shown(other)} meant to be {shown(near)}?)"
        return f"{listed(self.labels, _FOUND)}, as mapped; in the column: {listed(found, _FOUND)}{hint}"

    def record(self) -> dict[str, Any]:
        """Statements that differ from a plain table, for the record of a run."""
        words = {vote: word for word, vote in _WORDS.items()}
        votes = None if self.labels is None else {k: words.get(v, v) for k, v in self.labels.items()}
        given = {"columns": self.columns or None, "labels": votes}
        out: dict[str, Any] = {key: dict(sorted(x.items())) for key, x in given.items() if x is not None}
        return out if self.repeated == REPEATED[0] else out | {"repeated": self.repeated}


def cell_text(cell: Any) -> str:
    """Text by which a label is named in a mapping.

    Examples
    --------
    >>> [cell_text(x) for x in ("tie", 1.0, 2, True, None, float("nan"))]
    ['tie', '1', '2', 'True', '', '']
    """
    if cell is None or _is_gap(cell):
        return ""
    whole = whole_or_none(cell, floats=True)
    return str(plain(cell) if whole is None else whole)


def _is_gap(cell: Any) -> bool:
    """True for nan, and for what pandas has in place of a missing value: none of them equals itself."""
    try:
        return bool(cell != cell)
    except (TypeError, ValueError):
        # Nor is it known whether one of pandas does.
        return type(cell).__name__ == "NAType"


def _columns(given: Mapping[str, str], known: Sequence[str]) -> dict[str, str]:
    require_type("columns", given, Mapping, "a mapping from fields to columns")
    for field, column in given.items():
        if field not in known:
            raise ValueError(unknown_name("columns: {name} is no field; allowed: {known}{hint}", field, known))
        require_type(f"columns: {field}", column, str, "the name of a column")
    names: dict[str, str] = {}
    # Required fields that are not named have their own names; an optional one gives way to a statement.
    for field in (*given, *(x for x in _REQUIRED if x not in given)):
        column = given.get(field, field)
        if column in names:
            raise ValueError(
                f"columns: column {shown(column)} is both {names[column]} and {field}; allowed: one field a column"
            )
        names[column] = field
    return {field: column for field, column in given.items() if field != column}


def _labels(given: Mapping[Any, Any] | None) -> dict[str, int] | None:
    if given is None:
        return None
    require_type("labels", given, Mapping, "a mapping from labels to 0, 1, 'half' or 'drop'")
    out: dict[str, int] = {}
    for label, meaning in given.items():
        text = cell_text(label)
        if text in out:
            raise ValueError(f"labels: {shown(text)} is given twice; allowed: once")
        vote = _WORDS.get(meaning) if isinstance(meaning, str) else vote_or_none(meaning)
        if vote is None:
            raise ValueError(f"labels: {shown(text)} stands for {shown(meaning)}; allowed: 0, 1, half or drop")
        out[text] = vote
    for vote in (0, 1):
        if vote not in out.values():
            raise ValueError(f"labels: no label stands for {vote}; allowed: one or more each for 0 and for 1")
    return out


def _distinct(cells: Iterable[Any]) -> list[str]:
    return list(dict.fromkeys(map(cell_text, cells)))
