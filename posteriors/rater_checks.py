"""What votes must have for a model of raters to be fitted to them."""

from __future__ import annotations

import numpy as np

from .label_set import LabelSet

__all__ = ["require_groups", "require_one_vote", "require_rater_ids", "require_raters", "require_votes"]


def require_votes(model: str, labels: LabelSet) -> None:
    """Refuse label sets without items, and items without votes."""
    if not labels.n_items:
        raise ValueError(f"{model}: there are no items; at least one is needed")
    empty = np.flatnonzero(labels.counts == 0)
    if empty.size:
        raise ValueError(f"{model}: item {labels.items[empty[0]]!r} has no labels; leave it out, or label it")


def require_raters(model: str, labels: LabelSet) -> None:
    """Refuse votes of a single rater, and votes that all have a rater of their own."""
    if len(labels.raters) == 1:
        raise ValueError(f"{model}: rater {labels.raters[0]!r} is the only one; at least two are needed")
    if np.bincount(labels.rater).max() == 1:
        raise ValueError(
            f"{model}: no rater has labelled more than one item, so nothing can be learned about raters; votes need "
            "the ids of their raters, or use partial-pooling"
        )


def require_rater_ids(what: str, labels: LabelSet) -> None:
    """Refuse what looks at who voted where nobody could tell: a single rater, or a rater for every vote."""
    if len(labels.raters) == 1:
        raise ValueError(f"{what}: rater {labels.raters[0]!r} is the only one; at least two are needed")
    if np.bincount(labels.rater, minlength=1).max() <= 1:
        raise ValueError(
            f"{what}: every vote is by a rater of its own, so it cannot be said who is behind what; the column 'rater' "
            "must hold ids that stay the same from item to item"
        )


def require_one_vote(labels: LabelSet) -> None:
    """Refuse more than one vote of a rater on an item."""
    pair = np.repeat(np.arange(labels.n_items), labels.counts) * len(labels.raters) + labels.rater
    seen, times = np.unique(pair, return_counts=True)
    if times.max(initial=1) > 1:
        i, r = divmod(int(seen[times.argmax()]), len(labels.raters))
        raise ValueError(
            f"rater {labels.raters[r]!r} has {times.max()} votes on item {labels.items[i]!r}; allowed: one"
        )


def require_groups(model: str, labels: LabelSet) -> None:
    """Refuse votes without groups, and votes of a single group."""
    if labels.group is None:
        raise ValueError(f"{model}: the votes have no groups; a column 'group' of at least two is needed")
    if len(labels.groups) == 1:
        raise ValueError(f"{model}: all votes are of group {labels.groups[0]!r}; at least two groups are needed")
