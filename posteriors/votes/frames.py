"""Label sets from data frames and back: a row for each vote, with the columns of a label file and of an items file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..foundation.arrays import Floats
from ..foundation.messages import lines_of, listed, shown
from ..foundation.names import meant_by, nearest_name
from ..foundation.number_arrays import number_array
from ..foundation.refusals import vote_or_none
from .columns import name_in_cell
from .label_set import LabelSet
from .mapping import VOTE_COLUMNS, VoteMapping
from .near_names import name_remarks
from .rows import Parsers, RowFaults, label_set_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["frame_of_labels", "labels_of_frame"]

_REQUIRED = ("item", "rater", "label")
_OPTIONAL = ("group", "gold")
# Columns of items, by the field of a label set that holds them.
_NUMBERS = {"logp_win": "logp_win", "logp_lose": "logp_lose", "log_ratio": "c", "threshold": "threshold"}
_NUMBERS |= {"weight": "weight"}
_SOURCE = "data frame"


def labels_of_frame(
    frame: pd.DataFrame, columns: Mapping[str, str] | None, labels: Mapping[Any, Any] | None, repeated: str
) -> LabelSet:
    """Label set of a data frame; see ``LabelSet.from_frame``."""
    every = (*VOTE_COLUMNS, *_NUMBERS.values(), "slice")
    mapping = VoteMapping.of(columns, labels, repeated, every)
    header = [str(column) for column in frame.columns]
    taken = set(mapping.columns.values())
    names = {x: mapping.column(x) for x in every if x in mapping.columns or x not in taken}
    for field, column in names.items():
        if column not in header and (field in _REQUIRED or field in mapping.columns):
            near = nearest_name(column, header)
            hint = f" (is it {shown(near)}?)" if near else ""
            use = "" if column == field else f" for {field}"
            raise ValueError(f"{_SOURCE}: no column {shown(column)}{use}{hint}; columns found: {listed(header)}")
    names = {field: column for field, column in names.items() if column in header}
    for column in names.values():
        if header.count(column) > 1:
            raise ValueError(f"{_SOURCE}: column {shown(column)} occurs {header.count(column)} times; allowed: once")
    if not len(frame):
        raise ValueError(f"{_SOURCE}: no rows; allowed: one row or more")
    faults = RowFaults()
    cells = {field: _cells(frame.iloc[:, header.index(column)]) for field, column in names.items()}
    votes = label_set_of(
        {field: cells[field] for field in VOTE_COLUMNS if field in cells},
        Parsers(name_in_cell, _vote, _gold),
        faults,
        mapping,
    )
    if votes is None:
        told = faults.lines(lambda rows: {row: f"row {row}" for row in rows}, _SOURCE)
        raise ValueError("\n".join(lines_of(told, count=faults.count)))
    first = _first_rows(cells["item"])
    rows = {name_in_cell(cell): row for cell, row in first.items()}
    kept = [rows[item] for item in votes.items]
    found: dict[str, Any] = {}
    for field, column in _NUMBERS.items():
        if column in cells:
            found[field] = _of_items(column, number_array(column, cells[column]), cells["item"], first, kept)
    if "slice" in cells:
        slices = np.array([name_in_cell(cell) or "" for cell in cells["slice"]], dtype=object)
        found["slice"] = tuple(_of_items("slice", slices, cells["item"], first, kept).tolist())
    if {"logp_win", "logp_lose"} <= found.keys() and "log_ratio" not in found:
        found["log_ratio"] = found["logp_lose"] - found["logp_win"]
    unused = [column for column in header if column not in names.values()]
    remarks = [f"{_SOURCE}: {remark}" for remark in votes.remarks]
    remarks += [
        f"{_SOURCE}: column {shown(near)} is not used; is it {wanted!r}?"
        for wanted in (*_OPTIONAL, *_NUMBERS.values(), "slice")
        if wanted not in names and (near := meant_by(wanted, unused)) is not None
    ]
    kinds = {"items": votes.items, "raters": votes.raters, "groups": votes.groups}
    remarks += [remark for kind, told in kinds.items() for remark in name_remarks(kind, told)]
    return replace(votes, **found, remarks=tuple(remarks))


def frame_of_labels(labels: LabelSet) -> pd.DataFrame:
    """Data frame of a label set; see ``LabelSet.to_frame``."""
    import pandas as pd

    item = np.repeat(np.arange(labels.n_items), labels.counts)
    columns: dict[str, Any] = {
        "item": [labels.items[i] for i in item.tolist()],
        "rater": [labels.raters[r] for r in labels.rater.tolist()],
        "label": labels.labels.astype(np.int64),
    }
    if labels.group is not None:
        columns["group"] = [labels.groups[g] for g in labels.group.tolist()]
    for field, column in ({"gold": "gold"} | _NUMBERS).items():
        values: Floats | None = getattr(labels, field)
        if values is not None:
            columns[column] = values[item]
    if labels.slice is not None:
        columns["slice"] = [labels.slice[i] for i in item.tolist()]
    return pd.DataFrame(columns)


def _cells(column: pd.Series) -> list[Any]:
    """Values of a column as plain objects, with None for each missing one."""
    return [None if gap else cell for cell, gap in zip(column.astype(object), column.isna(), strict=True)]


def _vote(cell: Any) -> int | None:
    # Columns that were read as text hold "0" and "1".
    return int(cell) if cell in ("0", "1") else vote_or_none(cell)


def _gold(cell: Any) -> int | None:
    return -1 if cell is None or cell == "" else _vote(cell)


def _first_rows(cells: Sequence[Any]) -> dict[Any, int]:
    """Number of the first row of each item, in order of first appearance."""
    first: dict[Any, int] = {}
    for row, cell in enumerate(cells):
        first.setdefault(cell, row)
    return first


def _of_items(
    column: str, values: NDArray[Any], items: Sequence[Any], first: dict[Any, int], kept: Sequence[int]
) -> NDArray[Any]:
    """Value of each item in its row of ``kept``; it must be the same in all rows of an item."""
    expected = values[[first[item] for item in items]]
    for row in np.flatnonzero(values != expected).tolist():
        before = first[items[row]]
        raise ValueError(
            f"{_SOURCE}, row {row}: {column} of item {shown(items[row])} is {shown(values[row])} but "
            f"{shown(values[before])} on row {before}; allowed: one {column} per item"
        )
    return values[kept]
