"""The root of a tree search: candidates, their tables, and the prices of the relaxed problem around one state."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ...dp.kernels.dense import TIE
from ...dp.problem.budget import with_slack
from ...dp.problem.problem import Problem
from ...posteriors.foundation.arrays import Bools, Floats, Ints
from ...posteriors.foundation.messages import shown
from ..kernels import tree as _kernels
from ..policies.ahead import affordable, item_tables
from ..policies.lagrangian import hinges_of

__all__ = ["AT_ROOT", "Root", "root_of", "rounding"]


# Prices of the grid, as multiples of the root's dual price.
_GRID = np.array([0.0, 0.25, 0.5, 0.75, 1.0, 1.4, 2.0, 4.0])
AT_ROOT = 4


@lru_cache(maxsize=8)
def rounding(problem: Problem) -> float:
    """Largest difference between payoffs that counts as zero."""
    return TIE * problem.payoff_scale


@dataclass(frozen=True)
class Root:
    """One state prepared for a tree search; arrays are over its C candidates.

    Attributes
    ----------
    items : ndarray of int, shape (C,)
        The candidates, in item order.
    outside : ndarray of int
        Other items of which labels can be bought.
    twins : ndarray of int, shape (N,)
        Class of each item. Items of one class are identical and have the same labels and wins.
    last_twin : ndarray of int
        Previous candidate of the same class, or NONE.
    first : ndarray of bool
        Candidates that can be labelled now, one of each class.
    ahead : ndarray of int
        Number of labels to look ahead for each candidate.
    cost, score : ndarray
        Cost of a label, and its worth at the dual price.
    money : float
        Budget left, with its slack.
    prices : ndarray, shape (P,)
        The grid; entry ``AT_ROOT`` is the dual price.
    mean, gain, least, worth : ndarray
        Tables over (candidate, place), and price for ``worth``; see ``kernels.tree.item_tables``.
    """

    items: Ints
    twins: Ints
    last_twin: Ints
    ahead: Ints
    cost: Floats
    first: Bools
    money: float
    prices: Floats
    score: Floats
    outside: Ints
    mean: Floats
    gain: Floats
    worth: Floats
    least: Floats

    def spread(self, given: Floats, otherwise: float) -> Floats:
        """Number of each item: that of the candidate representing its class, or ``otherwise`` where there is none."""
        of_twins = np.full(int(self.twins.max()) + 1, otherwise)
        of_twins[self.twins[self.items[self.first]]] = given[self.first]
        return of_twins[self.twins]


def root_of(problem: Problem, counts: Ints, wins: Ints, usable: Bools, candidates: int, most: int) -> Root:
    """Candidates of one state, with their tables."""
    hinges = hinges_of(problem, most)
    scores, dual = hinges.scores(counts[None, :], wins[None, :])
    everything = np.arange(problem.size)
    left = problem.budget - float((counts * problem.cost).sum())
    money = left + (with_slack(problem.budget) - problem.budget)
    ahead = np.minimum(affordable(problem, everything, counts, np.full(problem.size, left)), most)
    order = np.lexsort((-scores[0], ~usable))
    order = order[ahead[order] > 0]
    if not order.size:
        raise ValueError(f"after {shown(counts.tolist())} labels nothing is left to choose: no label can be bought")
    items = np.sort(order[:candidates])
    outside = order[candidates:]
    tables = item_tables(problem)
    twins = np.unique((tables.kind << 35) + counts * (counts + 1) // 2 + wins, return_inverse=True)[1]
    last_twin = np.full(len(items), _kernels.NONE, dtype=np.int64)
    seen: dict[int, int] = {}
    for c, twin in enumerate(twins[items].tolist()):
        last_twin[c] = seen.get(twin, _kernels.NONE)
        seen[twin] = c
    # At the root only usable items count, one of each class of twins.
    first = np.zeros(len(items), dtype=np.bool_)
    open_now = np.flatnonzero(usable[items])
    first[open_now[np.unique(twins[items[open_now]], return_index=True)[1]]] = True
    price = float(dual[0])
    if price <= 0.0:
        # The budget does not bind in expectation: take prices of about the gain from a label.
        price = max(float((scores[0, items] / ahead[items]).max()), rounding(problem))
    prices = price * _GRID
    width = int(ahead[items].max()) + 1
    mean, gain, least = np.zeros((3, len(items), width * (width + 1) // 2))
    worth = np.zeros((*mean.shape, len(prices)))
    for c, i in enumerate(items):
        n, deep = int(counts[i]), int(ahead[i])
        triangles = tables.of(int(tables.kind[i]), n + deep)
        kappa = float(problem.cost[i])
        _kernels.item_tables(*triangles, n, int(wins[i]), deep, kappa, prices, mean[c], gain[c], worth[c], least[c])
    return Root(
        items,
        twins,
        last_twin,
        ahead[items],
        problem.cost[items],
        first,
        float(money),
        prices,
        scores[0, items] * problem.cost[items],
        outside,
        mean,
        gain,
        worth,
        least,
    )
