"""Votes in an order that their names determine, so that findings do not depend on the order of rows in a file.

Searches break ties by position, and random numbers are dealt out by position: in another order of the same votes, both
find something else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ...posteriors.foundation.arrays import Ints
from ...posteriors.votes.label_set import LabelSet, offsets

__all__ = ["canonical"]

_OF_ITEMS = ("gold", "logp_win", "logp_lose", "log_ratio", "threshold", "weight")


def canonical(labels: LabelSet, *, within: bool = True) -> LabelSet:
    """The same votes with items, raters and groups sorted by name.

    Parameters
    ----------
    labels : LabelSet
    within : bool
        True to sort the votes on each item by rater too; False to keep their order, where it means something.

    Returns
    -------
    LabelSet

    Examples
    --------
    >>> votes = LabelSet(items=("b", "a"), labels=np.array([1, 0, 1], np.int8), rater=np.array([0, 1, 0], np.int32),
    ...                  raters=("bob", "ann"), start=np.array([0, 2, 3]))
    >>> found = canonical(votes)
    >>> found.items, found.raters, found.labels.tolist(), found.rater.tolist()
    (('a', 'b'), ('ann', 'bob'), [1, 0, 1], [1, 0, 1])
    """
    items, raters, groups = (_sorted(names) for names in (labels.items, labels.raters, labels.groups))
    item = _places(items)[np.repeat(np.arange(labels.n_items), labels.counts)]
    rater = _places(raters)[labels.rater]
    order = np.lexsort((labels.labels, rater, item)) if within else np.argsort(item, kind="stable")
    moved: dict[str, Any] = {
        name: getattr(labels, name)[items] for name in _OF_ITEMS if getattr(labels, name) is not None
    }
    if labels.slice is not None:
        moved["slice"] = tuple(labels.slice[k] for k in items)
    if labels.group is not None:
        moved["group"] = _places(groups)[labels.group][order].astype(np.int32)
        moved["groups"] = tuple(labels.groups[k] for k in groups)
    return replace(
        labels,
        items=tuple(labels.items[k] for k in items),
        raters=tuple(labels.raters[k] for k in raters),
        labels=labels.labels[order],
        rater=rater[order].astype(np.int32),
        start=offsets(labels.counts[items]),
        **moved,
    )


def _sorted(names: Sequence[str]) -> Ints:
    return np.array(sorted(range(len(names)), key=names.__getitem__), dtype=np.int64)


def _places(order: Ints) -> Ints:
    """Where each name comes in the sorted order."""
    places = np.empty(len(order), dtype=np.int64)
    places[order] = np.arange(len(order))
    return places
