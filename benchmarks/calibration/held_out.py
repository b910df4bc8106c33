"""Votes held out from a fit, and their chances under a fitted model.

A random share of each item's votes is held out; every item and every group keeps at least one. The chance of a held-out
vote uses everything that the model says of its rater and its time. If a rater has no kept vote, nothing is known of
that rater, and the chance is that of a new rater. The same holds for all held-out votes if a model has parameters of
single votes, such as a drift model: held-out votes have none of these and count as votes of today.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ...posteriors.foundation.arrays import Bools, Floats, Ints
from ...posteriors.foundation.refusals import probability
from ...posteriors.raters.fit import RaterFit
from ...posteriors.votes.checks import require_votes
from ...posteriors.votes.design import Design
from ...posteriors.votes.label_set import LabelSet, offsets

__all__ = ["HeldOut", "hold_out", "predicted"]


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Votes split into kept and held-out ones.

    Attributes
    ----------
    kept : LabelSet
        Votes for the fit, on the same N items.
    design : Design
        All votes, with the raters and groups of ``kept``.
    held : ndarray of int64, shape (H,)
        Held-out votes: indices into ``design``.
    known : ndarray of bool, shape (H,)
        True if the rater of a held-out vote has a kept vote.
    label : ndarray of int64, shape (H,)
        Outcomes of held-out votes.
    """

    kept: LabelSet
    design: Design
    held: Ints
    known: Bools
    label: Ints

    @property
    def item(self) -> Ints:
        """Item of each held-out vote, in increasing order."""
        return self.design.item[self.held]


def hold_out(labels: LabelSet, share: float, seed: int) -> HeldOut:
    """Hold out a share of each item's votes.

    Parameters
    ----------
    labels : LabelSet
    share : float
        Share strictly between 0 and 1; the nearest whole number of votes is held out.
    seed : int

    Returns
    -------
    HeldOut

    Raises
    ------
    ValueError
        For a share outside its range, and if no item has enough votes to hold one out.

    Examples
    --------
    >>> votes = LabelSet.from_pools({"a": [1, 0, 1, 1], "b": [0]})
    >>> parts = hold_out(votes, 0.5, seed=7)
    >>> parts.kept.counts, parts.item
    (array([2, 1]), array([0, 0]))
    """
    probability("share", share)
    require_votes("held-out votes", labels)
    rng = np.random.default_rng(seed)
    number = np.minimum(np.floor(share * labels.counts + 0.5).astype(np.int64), labels.counts - 1)
    held = np.zeros(labels.n_labels, dtype=np.bool_)
    for start, size, many in zip(labels.start[:-1].tolist(), labels.counts.tolist(), number.tolist(), strict=True):
        held[start + rng.permutation(size)[:many]] = True
    if labels.group is not None:
        for g in range(len(labels.groups)):
            mine = np.flatnonzero(labels.group == g)
            if held[mine].all():
                held[mine[0]] = False
    if not held.any():
        raise ValueError(_none_held(labels, share))
    used, rater = np.unique(labels.rater[~held], return_inverse=True)
    kept = replace(
        labels,
        labels=labels.labels[~held],
        rater=rater.astype(np.int32),
        raters=tuple(labels.raters[k] for k in used),
        start=offsets(labels.counts - np.add.reduceat(held, labels.start[:-1]).astype(np.int64)),
        group=None if labels.group is None else labels.group[~held],
    )
    at = np.full(len(labels.raters), -1, dtype=np.int64)
    at[used] = np.arange(len(used))
    of_vote = at[labels.rater]
    whole = replace(Design.of(labels), rater=np.maximum(of_vote, 0), raters=kept.raters)
    where = np.flatnonzero(held)
    return HeldOut(kept, whole, where, of_vote[where] >= 0, labels.labels[where].astype(np.int64))


def _none_held(labels: LabelSet, share: float) -> str:
    """Fault of votes of which none can be held out, by its cause."""
    most = int(labels.counts.max())
    if most == 1:
        return "every item has a single vote, so none can be held out; votes need items with two votes or more"
    if int(np.floor(share * most + 0.5)) == 0:
        least = np.ceil(100 * 0.5 / most) / 100
        return (
            f"share is {share}, and no item has more than {most} votes; give at least {least:g} to hold one of them out"
        )
    return "every vote that could be held out is the only one of its group; votes need groups of two votes or more"


def predicted(fit: RaterFit, parts: HeldOut, draws: int) -> Floats:
    """Chance that each held-out vote is 1 under each of S <= ``draws`` draws, shape (S, H)."""
    kept = fit.thinned(draws)
    size, model, held = len(kept["rate"]), fit.model, parts.held
    known = parts.known & (not any("vote" in dims for dims in model.dims.values()))
    found = np.empty((size, len(held)))
    if known.any():
        for s in range(size):
            found[s] = model.chances({name: x[s] for name, x in kept.items()}, parts.design)[held]
    if not known.all():
        fresh = model.channel(kept, kept["rate"])
        group = parts.design.group
        of_vote = fresh[:, parts.item] if fresh.ndim == 2 or group is None else fresh[:, parts.item, group[held]]
        found = np.where(known, found, of_vote)
    return found
