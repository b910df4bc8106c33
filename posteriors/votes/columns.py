"""Validation of a label set's columns: names, votes, and numbers of items."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Set
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..foundation.kinds import is_ordered
from ..foundation.messages import listed, shown
from ..foundation.number_arrays import number_array, require_one_order, whole_array
from ..foundation.refusals import every, vote_or_none, whole, whole_or_none
from ..thresholds import LARGEST_LOG

__all__ = ["checked_columns", "item_name", "name_in_cell", "pool_votes"]
_NUMBERS = ("gold", "logp_win", "logp_lose", "log_ratio", "threshold", "weight")


def item_name(item: Any) -> str:
    """Name of an item: text that is not blank, or the decimal form of a whole number."""
    if isinstance(item, str) and item.strip():
        return str(item)
    number = whole_or_none(item)
    if number is None:
        raise ValueError(f"the name of an item is {shown(item)}; it must be text that is not blank, or a whole number")
    return str(number)


def name_in_cell(cell: Any) -> str | None:
    """Name that a cell of a data frame holds: text that is not blank, or a whole number; None for anything else.

    A column of whole numbers one of which is missing holds numbers such as 11.0.

    Examples
    --------
    >>> [name_in_cell(x) for x in ("ann", 11, 11.0, " ", 1.5, True, None)]
    ['ann', '11', '11', None, None, None, None]
    """
    if isinstance(cell, str):
        return cell if cell.strip() else None
    number = whole_or_none(cell, floats=True)
    return None if number is None else str(number)


def pool_votes(item: Any, votes: Any) -> NDArray[np.int8]:
    """Votes on an item, one or more, each 0 or 1."""
    if not isinstance(votes, Iterable) or isinstance(votes, (str, bytes, Mapping, Set)):
        raise ValueError(f"votes on item {shown(item)} are {shown(votes)}; they must be a list of 0 and 1")
    given = list(votes)
    found = [vote_or_none(vote) for vote in given]
    if not found:
        raise ValueError(f"item {shown(item)} has no votes; allowed: one or more")
    if None in found:
        k = found.index(None)
        raise ValueError(f"vote {k + 1} on item {shown(item)} is {shown(given[k])}; allowed: 0 or 1")
    return np.array(found, dtype=np.int8)


def checked_columns(columns: dict[str, Any]) -> dict[str, Any]:
    """Columns of a label set in their types, by name; ``ValueError`` for columns that do not fit together."""
    found: dict[str, Any] = {key: names_of(key, columns[key]) for key in ("items", "raters", "groups")}
    labels = whole_array("labels", columns["labels"], 0, 1)
    start = whole_array("start", columns["start"])
    size = len(found["items"])
    if start.shape != (size + 1,) or labels.ndim != 1:
        raise ValueError(
            f"start has shape {start.shape} and labels {labels.shape}; they must be ({size + 1},) and (V,)"
        )
    if start[0] != 0 or start[-1] != len(labels) or (np.diff(start) < 0).any():
        raise ValueError(f"start must rise from 0 to the number of labels, {len(labels)}")
    found |= {"labels": labels.astype(np.int8), "start": start}
    for key in ("rater", "group"):
        if columns[key] is not None:
            code = whole_array(key, columns[key], 0, len(found[f"{key}s"]) - 1)
            if code.shape != labels.shape:
                raise ValueError(f"{key} has shape {code.shape}; it must be that of labels, {labels.shape}")
            found[key] = code.astype(np.int32)
    require_one_order(items=found["items"], **{key: columns[key] for key in _NUMBERS})
    for key in _NUMBERS:
        if columns[key] is not None:
            values = number_array(key, columns[key])
            if values.shape != (size,):
                raise ValueError(f"{key} has shape {values.shape}; it must be ({size},), one for each item")
            _require_values(key, values)
            found[key] = values
    _require_one_threshold(found)
    if columns["slice"] is not None:
        found["slice"] = names_of("slice", columns["slice"])
        if len(found["slice"]) != size:
            raise ValueError(f"slice has {len(found['slice'])} entries; it must have one for each of the {size} items")
    # What a label set holds cannot be changed behind its back.
    for value in found.values():
        if isinstance(value, np.ndarray):
            value.setflags(write=False)
    return found | {key: whole(key, columns[key]) for key in ("dropped", "unlabelled")}


def _require_values(key: str, values: NDArray[np.float64]) -> None:
    """Raise for values that a label file could not give either."""
    if key == "gold":
        every(key, values, np.isnan(values) | (values == 0.0) | (values == 1.0), "0 or 1, or nan where it is not known")
    elif key == "weight":
        every(key, values, np.isfinite(values) & (values >= 0.0), "finite and at least 0")
    elif key == "threshold":
        every(key, values, (values > 0.0) & (values < 1.0), "between 0 and 1, both excluded")
    elif key == "log_ratio":
        every(key, values, np.isfinite(values), "finite")
    else:
        every(key, values, np.isfinite(values) & (values <= LARGEST_LOG), "a finite log-probability, at most 0")


def _require_one_threshold(found: Mapping[str, Any]) -> None:
    """Raise for thresholds that are stated in ways that need not agree."""
    given = [key for key in ("logp_win", "logp_lose", "log_ratio", "threshold") if key in found]
    if ("logp_win" in given) != ("logp_lose" in given):
        raise ValueError(f"{given[0]} is given alone; log-probabilities go together, logp_win and logp_lose")
    if "threshold" in given and len(given) > 1:
        raise ValueError(f"{listed(given)} give the thresholds in more than one way; keep one of them")
    if "logp_win" in given and "log_ratio" in given:
        wanted = found["logp_lose"] - found["logp_win"]
        for k in np.flatnonzero(~np.isclose(found["log_ratio"], wanted, rtol=1e-9, atol=1e-9)):
            raise ValueError(
                f"log_ratio[{k}] is {found['log_ratio'][k]:.9g}, but logp_lose - logp_win is {wanted[k]:.9g}; "
                "they must be equal, or one of them left out"
            )


def names_of(field: str, names: Any) -> tuple[str, ...]:
    """Names as a tuple of strings; those of items are not blank, and each is there once."""
    given = tuple(names) if is_ordered(names) else None
    if given is None or not all(isinstance(name, str) for name in given):
        raise ValueError(f"{field} is {shown(names)}; it must be a list of strings")
    if field == "items" and not all(name.strip() for name in given):
        raise ValueError(f"{field} is {shown(names)}; its names must not be blank")
    if field == "items" and len(set(given)) < len(given):
        twice, times = Counter(given).most_common(1)[0]
        raise ValueError(f"item {shown(twice)} occurs {times} times; names must be unique")
    return given
