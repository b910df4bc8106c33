r"""Smallest number of raters whose removal changes the decisions on a given share of the weight.

Finding the smallest number is a covering problem; lower and upper bounds on it are computed.

*Above*, by greedy removal. Let m_i be the number of votes for item i's decision (its 1s if it is "learnable", else its
0s) that must be removed, with all others kept, before the decision flips; p rises with every 1 and falls with every 0,
so m_i is well defined. One rule removes next the rater whose removal flips most weight, and among equals the one who
raises

    sum_i v_i / (1 + m_i)          (v_i if the item has flipped, 0 if nothing can flip it)

most; the other rule uses that sum alone. The shorter of the two sequences is an upper bound, and its raters are named.

*Below*, by counting. An item that flips has lost at least m_i votes for its decision, whatever else was removed. So,
with c_r = sum of v_i / m_i over rater r's votes for the decisions, a set S of raters flips at most the weight sum_{r in
S} c_r. The smallest number of largest c_r whose sum reaches the share is therefore a lower bound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...dp.problem.problem import Problem
from ...posteriors.foundation.arrays import Bools, Floats, Ints
from ...posteriors.foundation.kinds import checked
from ...posteriors.foundation.refusals import number
from ...posteriors.foundation.tolerances import ROUNDING
from ...posteriors.votes.label_set import LabelSet
from .removal import Standing

__all__ = ["FewestRaters", "fewest_raters"]


@dataclass(frozen=True)
class FewestRaters:
    """Bounds on the smallest number of raters whose removal flips a share of the weight.

    The number lies from ``lower`` to ``upper``, both included, if neither is None.

    Attributes
    ----------
    share : float
        Share of the weight.
    lower : int or None
        Fewer raters are not enough; None if all raters together are proved not to be enough.
    upper : int or None
        This number of raters is enough, found by greedy removal; None if greedy removal did not reach the share.
    raters : tuple of str
        Raters of ``upper``, in the order of their removal; if it is None, all that greedy removal removed.
    reached : float
        Share that the removal of these raters flips; if ``upper`` is None, the largest share on the way.
    """

    share: float
    lower: int | None
    upper: int | None
    raters: tuple[str, ...]
    reached: float


@checked
def fewest_raters(
    labels: LabelSet, problem: Problem, shares: Sequence[float] = (0.01, 0.05, 0.1)
) -> list[FewestRaters]:
    """Bounds on the smallest number of raters whose removal flips given shares of the weight.

    Parameters
    ----------
    labels : LabelSet
    problem : Problem
        From ``problem_of_labels``.
    shares : sequence of float
        Each above 0 and at most 1.

    Returns
    -------
    list of FewestRaters

    Raises
    ------
    ValueError
        For a share of 0 or less, or above 1.

    Examples
    --------
    >>> from seqaudit import LabelSet, problem_of_labels
    >>> votes = LabelSet(items=("a", "b"), labels=np.array([1, 1, 1], np.int8), rater=np.array([0, 1, 0], np.int32),
    ...                  raters=("ann", "bob"), start=np.array([0, 2, 3]))
    >>> found = fewest_raters(votes, problem_of_labels(votes, 3), [0.5, 1.0])
    >>> [(x.lower, x.upper, x.raters) for x in found]
    [(1, 1, ('ann',)), (2, 2, ('ann', 'bob'))]
    """
    for share in shares:
        number("share", share, lambda x: 0 < x <= 1, "above 0 and at most 1")
    standing = Standing.of(labels, problem)
    total = float(problem.weight.sum())
    ways = [_greedy(standing, max(shares, default=0.0) * total, flips_first) for flips_first in (True, False)]
    most = np.cumsum(np.sort(_costs(standing))[::-1])
    found = []
    for share in shares:
        # A share that is reached exactly, up to rounding, counts as reached.
        wanted = share * total - ROUNDING * total
        enough = np.flatnonzero(most >= wanted)
        met = [(int(np.argmax(way[1] >= wanted)) + 1, k) for k, way in enumerate(ways) if way[1].max() >= wanted]
        upper, k = min(met) if met else (None, int(np.argmax([flipped.max() for _, flipped in ways])))
        order, flipped = ways[k]
        found.append(
            FewestRaters(
                share=float(share),
                lower=int(enough[0]) + 1 if enough.size else None,
                upper=upper,
                raters=tuple(labels.raters[r] for r in order[:upper]),
                reached=float(flipped.max() if upper is None else flipped[upper - 1]) / total,
            )
        )
    return found


def _needed(standing: Standing, item: Ints, n: Ints, w: Ints) -> Floats:
    """Votes for each item's original decision to remove until it flips; 0 if it has flipped, infinite if never."""
    for_it = standing.decided[item]

    def flipped(m: Ints) -> Bools:
        p = standing.tails(item, n - m, np.where(for_it, w - m, w))
        return np.asarray(standing.problem.utility.decide(p) != for_it)

    most = np.where(for_it, w, n - w)
    low, high = np.full(len(item), -1), most.copy()
    possible = flipped(most)
    while np.any(high - low > 1):
        # Between "not flipped" at low and "flipped" at high.
        middle = (low + high) // 2
        yes = flipped(np.maximum(middle, 0))
        low, high = np.where(yes, low, middle), np.where(yes, middle, high)
        high = np.maximum(high, low + 1)
    return np.where(possible, high.astype(np.float64), np.inf)


def _costs(standing: Standing) -> Floats:
    """Upper bound on the weight that each rater can flip, c_r."""
    labels = standing.labels
    needed = _needed(standing, np.arange(labels.n_items), labels.counts, labels.wins)
    for_it = (standing.label == 1) == standing.decided[standing.item]
    part = np.where(for_it, standing.problem.weight[standing.item] / needed[standing.item], 0.0)
    return np.bincount(labels.rater, weights=part, minlength=len(labels.raters))


def _greedy(standing: Standing, wanted: float, flips_first: bool) -> tuple[Ints, Floats]:
    """Raters in the order of their removal, and the flipped weight after each."""
    labels, v = standing.labels, standing.problem.weight
    n, w = labels.counts.copy(), labels.wins.copy()
    item, label, rater = standing.item, standing.label, labels.rater.astype(np.int64)
    by_rater = np.argsort(rater, kind="stable")
    begin = np.concatenate(([0], np.cumsum(np.bincount(rater, minlength=len(labels.raters)))))
    everything = np.arange(labels.n_items)
    # Votes needed now, without one vote 0, and without one vote 1.
    needed = np.empty((labels.n_items, 3))

    def refresh(which: Ints) -> None:
        needed[which, 2] = _needed(standing, which, n[which], w[which])
        for y in (0, 1):
            has = which[(w[which] if y else n[which] - w[which]) > 0]
            needed[has, y] = _needed(standing, has, n[has] - 1, w[has] - y)

    needed[:] = np.inf
    refresh(everything)
    left = np.ones(len(labels.raters), dtype=bool)
    order, flipped = [], []
    while left.any():
        gone = needed == 0
        change = v[:, None] * (gone[:, :2].astype(np.float64) - gone[:, 2:])
        nearer = v[:, None] * (1.0 / (1.0 + needed[:, :2]) - 1.0 / (1.0 + needed[:, 2:]))
        flips, progress = (
            np.bincount(rater, weights=x[item, label], minlength=len(labels.raters)) for x in (change, nearer)
        )
        score = np.where(left, flips if flips_first else progress, -np.inf)
        best = np.flatnonzero(score >= score.max() - ROUNDING * v.sum())
        chosen = int(best[np.argmax(progress[best])])
        votes = by_rater[begin[chosen] : begin[chosen + 1]]
        n[item[votes]] -= 1
        w[item[votes]] -= label[votes]
        left[chosen] = False
        refresh(item[votes])
        order.append(chosen)
        flipped.append(float(v[needed[:, 2] == 0].sum()))
        if flipped[-1] >= wanted - ROUNDING * v.sum():
            break
    return np.array(order), np.array(flipped)
