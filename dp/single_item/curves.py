r"""Value curve of an item: its expected gain from n labels as a function of n, and the curve's concave majorant.

With d(n, w) the gain of one more label (see ``sweep``) and P_n(w) the probability of w wins in n labels,

    g(n) - g(0) = sum_{m < n} sum_w P_m(w) d(m, w)

is the expected gain of the first n labels. It is computed forward over the number of wins, as a sum of gains, so that a
label that changes nothing adds exactly zero. Labels have *diminishing returns* if g is concave. The largest distance of
g below its concave majorant, the least concave curve above it, is its *concavity defect*.

Identical items share one curve. Distinct items are computed many at a time: a hundred thousand of twenty labels take
seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy

from ...posteriors.beliefs.sharp import lossy, lossy_rows
from ...posteriors.foundation.arrays import Floats, Ints
from ...posteriors.foundation.memory import how_many_fit, require_memory
from ..kernels import curves as _kernels
from ..machine.workers import cores, each
from ..problem.identical import classes
from ..problem.problem import Problem
from ..problem.states import states_of_item
from ..problem.tables import ZERO_GAIN, gains, net_of_price

__all__ = ["Curves", "curves_of", "gain_tables", "of_each_class"]

Work = Callable[[Ints, Ints, Floats, Floats], None]

# Entries of one table that are computed at a time.
_ENTRIES = 1 << 17
# Tables in memory at a time for each thread: means, tails, jumps, payoffs, gains, and intermediate results.
_TABLES = 12


@dataclass(frozen=True)
class Curves:
    """Expected gains of 0, 1, .. labels, one curve for each class of identical items.

    Attributes
    ----------
    curve : list of ndarray
        Expected gain after 0, 1, .. labels, for each class.
    corner : list of ndarray of int
        Numbers of labels at which the concave majorant bends, ends included, for each class.
    defect : ndarray, shape (classes,)
        Concavity defect of each class.
    first : ndarray of int, shape (classes,)
        First item of each class.
    kind : ndarray of int, shape (N,)
        Class of each item.
    cost : ndarray, shape (N,)
        Price of a label of each item.
    """

    curve: list[Floats]
    corner: list[Ints]
    defect: Floats
    first: Ints
    kind: Ints
    cost: Floats

    def of(self, i: int) -> Floats:
        """Curve of an item."""
        return self.curve[int(self.kind[i])]

    def total(self, counts: Ints) -> float:
        """Expected gain of an allocation, labels of each item of shape (N,)."""
        return float(sum(self.of(i)[n] for i, n in enumerate(counts.tolist())))


def curves_of(problem: Problem, threads: int | None = None, also: Work | None = None) -> Curves:
    """Curves of all items of a problem.

    Parameters
    ----------
    problem : Problem
    threads : int, optional
        Default: all cores. The curves do not depend on it.
    also : callable, optional
        Further work on the same tables, called as in ``of_each_class``.

    Returns
    -------
    Curves

    Raises
    ------
    ProblemTooLarge
        If tables and curves do not fit in memory.

    Examples
    --------
    >>> found = curves_of(Problem([0.5, 0.5], budget=4))
    >>> found.of(1), found.corner[0], float(found.defect[0])
    (array([0.    , 0.25  , 0.25  , 0.3125, 0.3125]), array([0, 1, 3, 4]), 0.03125)
    """
    kind = classes(problem)
    first = np.unique(kind, return_index=True)[1]
    curve: list[Floats] = [np.zeros(1)] * len(first)
    corner: list[Ints] = [np.zeros(1, dtype=np.int64)] * len(first)
    defect = np.zeros(len(first))

    def measure(items: Ints, which: Ints, mean: Floats, gain: Floats) -> None:
        width = mean.shape[1] + 1
        g, bends = np.empty((len(which), width)), np.empty((len(which), width), dtype=np.int64)
        count, distance = np.empty(len(which), dtype=np.int64), np.empty(len(which))
        _kernels.curves(mean, gain, g, bends, count, distance)
        defect[which] = distance
        for j, k in enumerate(which.tolist()):
            curve[k], corner[k] = g[j], bends[j, : count[j]].copy()
        if also is not None:
            also(items, which, mean, gain)

    of_each_class(problem, first, measure, threads)
    return Curves(curve, corner, defect, first, kind, problem.cost)


def of_each_class(problem: Problem, first: Ints, work: Work, threads: int | None = None) -> None:
    """Call ``work(items, which, mean, gain)`` on groups of classes of equal cap, from several threads.

    Parameters
    ----------
    problem : Problem
    first : ndarray of int, shape (classes,)
        First item of each class. Classes whose cap is 0 are left out.
    work : callable
        Takes the first items of the classes, the numbers of the classes, and their means and gains, arrays of shape
        (classes, cap, cap), indexed [class, labels, wins].
    threads : int, optional
        Default: all cores. The results do not depend on it.

    Raises
    ------
    ProblemTooLarge
        If the tables and a curve for each class do not fit in memory; raised before any work.
    """
    cap = problem.cap[first]
    parts = []
    for labels in np.unique(cap[cap > 0]).tolist():
        same = np.flatnonzero(cap == labels)
        size = max(1, _ENTRIES // (labels + 1) ** 2)
        parts += [same[k : k + size] for k in range(0, len(same), size)]
    table = 8.0 * _TABLES * max((len(part) * (float(cap[part[0]]) + 1.0) ** 2 for part in parts), default=1.0)
    kept = 24.0 * float((cap + 8.0).sum())
    what = f"tables of {len(first)} different items"
    require_memory(table + kept, float((cap + 1.0) @ (cap + 2.0)) / 2, what=what, instead="take smaller caps")
    count = max(1, min(cores(threads), len(parts), how_many_fit(table, kept)))

    def one(which: Ints) -> None:
        work(first[which], which, *gain_tables(problem, first[which]))

    if count > 1 or (len(cap) and (int(cap.max()) + 1) ** 2 > _ENTRIES):
        each(one, parts, count)
    else:
        for which in parts:
            one(which)


def _lossy(problem: Problem, items: Ints) -> bool:
    """True if the tables of an item need more care than those of ordinary Beta beliefs."""
    assert isinstance(problem.prior, np.ndarray)
    a, b = problem.prior[items].T
    labels = int(problem.cap[items[0]])
    extreme = lossy(a, b, labels, problem.threshold[items], problem.stated_log_odds[items])
    return bool(extreme.any() or lossy_rows(b, labels).any())


def gain_tables(problem: Problem, items: Ints) -> tuple[Floats, Floats]:
    """Means and net gains of items of equal cap, (items, cap, cap), [item, labels, wins]; zero where wins > labels.

    Examples
    --------
    >>> mean, gain = gain_tables(Problem([0.5], budget=2), np.array([0]))
    >>> mean[0].round(4), gain[0]
    (array([[0.5   , 0.    ],
           [0.3333, 0.6667]]), array([[0.25, 0.  ],
           [0.  , 0.  ]]))
    """
    # The scale of the item itself: the gains that count as zero must not depend on other items.
    largest = float(np.abs(problem.utility(np.linspace(0.0, 1.0, 1001))).max())
    weight, reward = (x[items][:, None, None] for x in (problem.weight, problem.reward))
    zero = ZERO_GAIN * (weight * largest + np.abs(reward) * problem.cap[items][:, None, None])
    if not isinstance(problem.prior, np.ndarray) or _lossy(problem, items):
        found = [states_of_item(problem, int(i)) for i in items]
        mean, payoff = np.stack([x.mean for x in found]), np.stack([x.payoff for x in found])
    else:
        width = int(problem.cap[items[0]]) + 1
        a, b = problem.prior[items].T.copy()
        t = problem.threshold[items].copy()
        mean, tail = np.zeros((2, len(items), width, width))
        column = scipy.special.betaincc(a[:, None], b[:, None] + np.arange(width), t[:, None])
        _kernels.beta_tables(a, b, t, column, mean, tail, np.zeros((width, width)))
        payoff = weight * problem.utility(tail) + reward * np.arange(width)
    return mean[:, :-1, :-1].copy(), net_of_price(gains(mean, payoff, zero), problem, items)
