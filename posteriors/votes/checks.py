"""Validation of votes before a model of raters is fitted to them, and of thresholds and parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..foundation.arrays import Floats
from ..foundation.messages import shown
from ..foundation.number_arrays import number_array, read_numbers, require_order_of
from ..foundation.refusals import probabilities
from .label_set import LabelSet

__all__ = [
    "checked_parameter",
    "checked_thresholds",
    "require_groups",
    "require_one_vote",
    "require_rater_ids",
    "require_raters",
    "require_votes",
]


def require_votes(model: str, labels: LabelSet) -> None:
    """Raise an error for a label set without items, or with an item without votes."""
    if not labels.n_items:
        raise ValueError(f"{model}: there are no items; at least one is needed")
    empty = np.flatnonzero(labels.counts == 0)
    if empty.size:
        raise ValueError(f"{model}: item {shown(labels.items[empty[0]])} has no labels; leave it out, or label it")


def require_raters(model: str, labels: LabelSet) -> None:
    """Raise an error if there is a single rater, or if no rater has labelled more than one item."""
    if len(labels.raters) == 1:
        raise ValueError(f"{model}: rater {shown(labels.raters[0])} is the only one; at least two are needed")
    if np.bincount(labels.rater).max() == 1:
        raise ValueError(
            f"{model}: no rater has labelled more than one item, so nothing can be learned about raters; votes need "
            "the ids of their raters, or use partial-pooling"
        )


def require_rater_ids(what: str, labels: LabelSet) -> None:
    """Raise an error if the votes cannot distinguish raters: a single rater, or a separate rater for every vote."""
    if len(labels.raters) == 1:
        raise ValueError(f"{what}: rater {shown(labels.raters[0])} is the only one; at least two are needed")
    if np.bincount(labels.rater, minlength=1).max() <= 1:
        raise ValueError(
            f"{what}: every vote has a separate rater, so votes cannot be attributed to raters; the column 'rater' "
            "must hold ids that stay the same from item to item"
        )


def require_one_vote(labels: LabelSet) -> None:
    """Raise an error if a rater has more than one vote on an item."""
    pair = np.repeat(np.arange(labels.n_items), labels.counts) * len(labels.raters) + labels.rater
    seen, times = np.unique(pair, return_counts=True)
    if times.max(initial=1) > 1:
        i, r = divmod(int(seen[times.argmax()]), len(labels.raters))
        raise ValueError(
            f"rater {shown(labels.raters[r])} has {times.max()} votes on item {shown(labels.items[i])}; allowed: one"
        )


def require_groups(model: str, labels: LabelSet) -> None:
    """Raise an error for votes without groups, or of a single group."""
    if labels.group is None:
        raise ValueError(f"{model}: the votes have no groups; a column 'group' of at least two is needed")
    if len(labels.groups) == 1:
        raise ValueError(f"{model}: all votes are of group {shown(labels.groups[0])}; at least two groups are needed")


def checked_thresholds(labels: LabelSet, threshold: ArrayLike) -> Floats:
    """Thresholds of the items, shape (N,), from one for all items or one for each.

    Raises
    ------
    ValueError
        For any other shape, and for thresholds that are not strictly between 0 and 1.
    """
    require_order_of(labels.items, 0, threshold=threshold)
    bar = number_array("threshold", threshold)
    if bar.shape not in ((), (labels.n_items,)):
        raise ValueError(f"threshold has shape {bar.shape}; it must be a number, or have shape ({labels.n_items},)")
    probabilities("threshold", bar)
    return np.broadcast_to(bar, labels.n_items)


def checked_parameter(
    name: str,
    value: Any,
    coords: Sequence[Sequence[str]],
    limits: tuple[float, float] | None,
    *,
    whole: bool,
    by_item: bool,
) -> Any:
    """Value of a given parameter, as a number or an array of its shape; a number is used for all entries.

    Parameters
    ----------
    name : str
    value : array_like
    coords : sequence of sequences of str
        Names along each dimension of the parameter; none for a number.
    limits : tuple of float, optional
        Smallest and largest allowed value, both included unless infinite. Without limits, values such as log-odds may
        be infinite.
    whole : bool
        True if values must be whole numbers.
    by_item : bool
        True if one value per item is allowed although the shape has more dimensions.

    Returns
    -------
    float, int or ndarray

    Raises
    ------
    ValueError
        For values that are not numbers, for any other shape, and for values outside the limits.
    """
    shape = tuple(map(len, coords))
    for labels in coords[:1]:
        require_order_of(labels, 0, **{name: value})
    read, bad = read_numbers(value)
    if bad and read.ndim == 0:
        raise ValueError(f"{name} is {bad[0][1]}; it must be {_shapes(shape, by_item)}")
    found = number_array(name, value)
    if found.shape not in ((), shape) and not (by_item and found.shape == shape[:1]):
        raise ValueError(f"{name} has shape {found.shape}; it must be {_shapes(shape, by_item)}")
    if limits is None and np.isnan(found).any():
        raise ValueError(f"{name} has nan; it must be numbers")
    if limits is not None:
        low, high = limits
        for x in found[~((found >= low) & (found <= high) & np.isfinite(found))].reshape(-1)[:1]:
            most = f"at most {high:g}" if high < np.inf else "finite"
            raise ValueError(
                f"{name} has {x:g}; it must be {most if low == -np.inf else f'at least {low:g} and {most}'}"
            )
    if whole:
        for x in found[found != np.floor(found)].reshape(-1)[:1]:
            raise ValueError(f"{name} has {x:g}; it must be whole numbers")
        found = found.astype(np.int64)
    if not shape:
        return found.item()
    return found if found.shape == shape[:1] else np.array(np.broadcast_to(found, shape))


def _shapes(shape: tuple[int, ...], by_item: bool) -> str:
    """Allowed shapes of a parameter, in words."""
    if not shape:
        return "a number"
    return " or ".join(["a number", *([f"of shape {shape[:1]}"] if by_item else []), f"of shape {shape}"])
