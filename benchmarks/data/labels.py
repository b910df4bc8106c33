"""Label files: each rater's votes on each item, read once and checked completely.

A *label file* is a tidy table, as CSV or JSON Lines (plain, or compressed and named ``.gz``), with one row per vote:

========  ========  ==========================================================================================
column              meaning
========  ========  ==========================================================================================
item      required  name of the item (any text that is not blank)
rater     required  name of the rater, valid across the whole file; one vote per rater and item
label     required  0 or 1 (also written 0.0, 1.0, False or True)
group     optional  a group the rater belongs to, for this vote; blank is an error
gold      optional  the item's known answer, 0 or 1, the same in all rows of the item; blank where unknown
========  ========  ==========================================================================================

An *items file* has one row per item: ``item`` and exactly one description of the item's threshold, either ``logp_win``
and ``logp_lose`` (log-probabilities that the reference model gives to the side that label 1 stands for, and to the
other side), or their log-ratio ``c = logp_lose - logp_win``, or the ``threshold`` itself. ``weight`` and ``slice`` are
optional. Both kinds of file may have further columns, which are ignored.

Faulty rows raise a `LabelFileError`. It names the file, the line, the value and what is allowed for the first ten, and
counts the others. A data frame is read as the file that holds the same rows.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ...posteriors.foundation.arrays import Floats
from ...posteriors.foundation.kinds import checked
from ...posteriors.foundation.refusals import number_of_text
from ...posteriors.thresholds import LARGEST_LOG
from ...posteriors.votes.label_set import LabelSet
from ...posteriors.votes.mapping import VoteMapping
from ...posteriors.votes.near_names import name_remarks
from ...posteriors.votes.rows import NAME_RULE, Parsers, label_set_of
from .csv_table import HEADER, Table, Wanted, listed, near_misses, nearest, read_table, show, table_of_frame
from .text_form import TextForm

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LabelFile", "read_labels"]

# Spellings of booleans by Python, by JSON and by spreadsheets.
_CASES = (str, str.lower, str.upper)
_BINARY = {"0": 0, "1": 1, "0.0": 0, "1.0": 1} | {form(str(x)): int(x) for x in (False, True) for form in _CASES}

# Descriptions of an item's threshold, the most informative first: each determines the next one.
_KINDS = (("logp_win", "logp_lose"), ("c",), ("threshold",))
_LOGP_RULE = (lambda x: x <= LARGEST_LOG, "a finite log-probability, at most 0")
_OPTIONAL = ("group", "gold")
_HINT = "; columns, as in item=Input.id, says which of them to use"
_NUMBER_RULES: dict[str, tuple[Callable[[float], bool], str]] = {
    "logp_win": _LOGP_RULE,
    "logp_lose": _LOGP_RULE,
    "c": (lambda x: True, "a finite number"),
    "threshold": (lambda x: 0.0 < x < 1.0, "a number between 0 and 1, both excluded"),
    "weight": (lambda x: x > 0.0, "a finite number greater than 0"),
}


@checked
def read_labels(
    path: str | os.PathLike[str] | pd.DataFrame,
    items: str | os.PathLike[str] | pd.DataFrame | None = None,
    *,
    strict: bool = False,
    columns: Mapping[str, str] | None = None,
    labels: Mapping[Any, Any] | None = None,
    repeated: str = "refuse",
    separator: str | None = None,
    encoding: str | None = None,
) -> LabelSet:
    r"""Read a label file and, if given, the items file that belongs to it.

    Both are delimited text with a header, or JSON Lines, plain or compressed (name ending in ``.gz``); the module's
    docstring lists their columns. Names are taken as they stand, surrounding spaces included. Blank lines are skipped.
    Separators other than commas and encodings other than UTF-8 are found where there is no doubt, with a remark.

    Parameters
    ----------
    path : str, path or DataFrame
        Label file: columns ``item``, ``rater``, ``label``, optionally ``group`` and ``gold``.
    items : str, path or DataFrame, optional
        Items file: column ``item`` and one of (``logp_win``, ``logp_lose``), ``c``, ``threshold``; optionally
        ``weight`` and ``slice``. A log-probability that exceeds 0 by rounding (1e-9 at most) is read as 0.
    strict : bool, default False
        Raise if an item has labels but no row in the items file, instead of leaving it out.
    columns : mapping of str to str, optional
        Columns of the label file that have other names: ``{"item": "Input.id", "rater": "WorkerId"}``.
    labels : mapping, optional
        0, 1, "half" or "drop" for each label: ``{"A": 1, "B": 0, "tie": "half"}``. Rows of "drop" are left out. Of
        those of "half" on an item, half are wins and half are losses, and an odd one is left out. Column ``gold`` is
        read alike, and is unknown where it is neither 0 nor 1.
    repeated : {"refuse", "first", "last"}, default "refuse"
        The vote that counts if a rater labels an item several times.
    separator : str, optional
        What separates the fields of the label file: "comma", "semicolon", "tab", "bar", or the sign itself.
    encoding : str, optional
        Encoding of the label file, by one of Python's names, and of an items file that is not UTF-8.

    Returns
    -------
    LabelSet
        Votes on the N items that have labels and, if an items file is given, a row in it. Items are in order of first
        appearance in the label file, votes within an item in file order. Items found in one of the two files only are
        left out and counted in ``dropped`` and ``unlabelled``.

    Raises
    ------
    ValueError
        For a mapping that contradicts itself, or a separator, an encoding or a choice that is not known.
    LabelFileError
        If a file cannot be read, has no rows, lacks a column or holds a value that is not allowed; if a rater labels an
        item twice; if an item's gold is not constant (blank counts as a value) or it has two rows in the items file; if
        no item remains; if `strict` and an item with labels has no row in the items file.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from seqaudit.benchmarks.data.labels import read_labels
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "votes.csv")
    ...     _ = path.write_text("item,rater,label\na,ann,1\nb,ann,1\na,bob,0\n")
    ...     votes = read_labels(path)
    >>> votes.items, votes.counts, votes.rate
    (('a', 'b'), array([2, 1]), array([0.5, 1. ]))

    """
    return LabelFile.read(path, columns, labels, repeated, separator, encoding).with_items(items, strict=strict)


@dataclass(frozen=True, eq=False)
class LabelFile:
    """A label file that was read, for use with one items file after another.

    Attributes
    ----------
    votes : LabelSet
        All votes.
    """

    votes: LabelSet
    _table: Table
    _encoding: str | None

    @classmethod
    def read(
        cls,
        path: str | os.PathLike[str] | pd.DataFrame,
        columns: Mapping[str, str] | None = None,
        labels: Mapping[Any, Any] | None = None,
        repeated: str = "refuse",
        separator: str | None = None,
        encoding: str | None = None,
    ) -> LabelFile:
        """Read a label file; see ``read_labels``."""
        mapping = VoteMapping.of(columns, labels, repeated)
        form = TextForm.of(separator, encoding)
        if not isinstance(path, (str, os.PathLike)) and form != TextForm():
            raise ValueError("separator and encoding are those of a file; labels in a data frame have none")
        table = _table(path, Wanted(("item", "rater", "label"), _OPTIONAL, mapping.columns, _HINT), form)
        votes = _votes(table, mapping)
        # A fault of what is joined names a row by its item.
        return cls(votes, replace(table, columns={"item": table.columns["item"]}), form.encoding)

    def with_items(
        self, items: str | os.PathLike[str] | pd.DataFrame | None = None, *, strict: bool = False
    ) -> LabelSet:
        """Votes with what an items file, if given, tells of the items; see ``read_labels``."""
        votes = self.votes
        if items is not None:
            votes = _join(self._table, votes, _read_items(items, self._encoding), strict)
        names = {"items": votes.items, "raters": votes.raters, "groups": votes.groups}
        told = [remark for kind, given in names.items() for remark in name_remarks(kind, given)]
        return replace(votes, remarks=(*votes.remarks, *told))


def _table(source: str | os.PathLike[str] | pd.DataFrame, wanted: Wanted, form: TextForm) -> Table:
    if isinstance(source, (str, os.PathLike)):
        return read_table(source, wanted, form)
    return table_of_frame(source, wanted)


def _votes(table: Table, mapping: VoteMapping) -> LabelSet:
    votes = label_set_of(table.columns, _PARSERS, table.faults, mapping)
    table.raise_faults()
    assert votes is not None
    remarks = [f"{table.path}: {remark}" for remark in (*table.remarks, *votes.remarks)]
    return replace(
        votes,
        source=(table.path,),
        digests=(table.digest,),
        remarks=(*remarks, *near_misses(table, _OPTIONAL)),
    )


@dataclass(frozen=True)
class _Items:
    """An items file: the row of each name, and the columns in row order."""

    path: str
    row: dict[str, int]
    numbers: dict[str, Floats]
    slices: list[str] | None
    digest: str
    remarks: list[str]


def _read_items(source: str | os.PathLike[str] | pd.DataFrame, encoding: str | None) -> _Items:
    table = _table(source, Wanted(("item",), (*_NUMBER_RULES, "slice")), TextForm(otherwise=encoding))
    _require_one_kind(table)
    cells = table.columns["item"]
    table.codes("item", _name, NAME_RULE)
    row = {name: k for k, name in reversed(list(enumerate(cells)))}
    again = np.flatnonzero(np.fromiter(map(row.__getitem__, cells), np.int64, len(cells)) != np.arange(len(cells)))
    if again.size:
        table.faults.add(
            again, lambda k: (f"item {show(cells[k])} has a row already", row[cells[k]], "one row per item")
        )
    read = {}
    for column in (name for name in _NUMBER_RULES if name in table.columns):
        test, allowed = _NUMBER_RULES[column]
        read[column] = table.codes(column, partial(_number, test), partial(_with_point, allowed), cells)
    if "slice" in table.columns:
        table.codes("slice", _name, f"{NAME_RULE}, or no column 'slice'", cells)
    table.raise_faults()
    numbers = {column: np.array(values)[code] for column, (code, values) in read.items()}
    if "logp_win" in numbers:
        numbers |= {column: np.minimum(numbers[column], 0.0) for column in ("logp_win", "logp_lose")}
        numbers["c"] = numbers["logp_lose"] - numbers["logp_win"]
    remarks = [f"{table.path}: {remark}" for remark in table.remarks]
    remarks += near_misses(table, (*_NUMBER_RULES, "slice"))
    return _Items(table.path, row, numbers, table.columns.get("slice"), table.digest, remarks)


def _require_one_kind(table: Table) -> None:
    present = [column for kind in _KINDS for column in kind if column in table.columns]
    if not present:
        wanted = [column for kind in _KINDS for column in kind]
        raise table.fault(
            HEADER,
            f"no column says where the thresholds lie{nearest(wanted, table.header)}; columns found: "
            f"{listed(table.header)}; needed: logp_win and logp_lose, or c, or threshold",
        )
    complete = next((kind for kind in _KINDS if set(kind) <= set(present)), None)
    if complete is None:
        (missing,) = {"logp_win", "logp_lose"} - set(present)
        raise table.missing(missing, missing)
    surplus = [column for column in present if column not in complete]
    if surplus:
        raise table.fault(
            HEADER,
            f"columns {listed(present)} give the thresholds in more than one way; allowed: one way: keep "
            f"{listed(complete)} and remove {listed(surplus)}",
        )


def _join(table: Table, votes: LabelSet, items: _Items, strict: bool) -> LabelSet:
    row = np.array([items.row.get(name, -1) for name in votes.items])
    known = row >= 0
    dropped = votes.n_items - int(np.count_nonzero(known))
    if dropped == votes.n_items or (strict and dropped):
        name = votes.items[int(np.argmin(known))]
        allowed = "none when strict" if strict else f"at most {votes.n_items - 1}"
        raise table.fault(
            table.columns["item"].index(name),
            f"item {show(name)} has no row in {items.path}; without a row: {dropped} of {votes.n_items} items; "
            f"allowed: {allowed}",
        )
    row = row[known]

    def column(name: str) -> Floats | None:
        return items.numbers[name][row] if name in items.numbers else None

    return replace(
        votes.subset(known),
        logp_win=column("logp_win"),
        logp_lose=column("logp_lose"),
        log_ratio=column("c"),
        threshold=column("threshold"),
        weight=column("weight"),
        slice=None if items.slices is None else tuple(items.slices[k] for k in row),
        source=(table.path, items.path),
        digests=(table.digest, items.digest),
        dropped=dropped,
        unlabelled=len(items.row) - len(row),
        remarks=(*votes.remarks, *items.remarks),
    )


def _name(text: str) -> str | None:
    return text if text.strip() else None


def _number(test: Callable[[float], bool], text: str) -> float | None:
    value = number_of_text(text)
    return value if value is not None and math.isfinite(value) and test(value) else None


def _with_point(allowed: str, cells: Sequence[str]) -> str:
    """Words for allowed numbers; spreadsheets in many languages write a comma in place of the point."""
    return allowed + (", with a decimal point" if any("," in cell for cell in cells) else "")


_PARSERS = Parsers(_name, _BINARY.get, (_BINARY | {"": -1}).get)
