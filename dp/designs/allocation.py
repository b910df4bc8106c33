r"""One-shot allocation: the number of labels of each item when all are bought before any is seen.

With g_i(n) the expected payoff of item i after n labels,

    maximise  sum_i g_i(n_i)    over    sum_i kappa_i n_i <= K,   0 <= n_i <= cap_i,   quotas,

a multiple-choice knapsack. Every price lambda for a unit of cost gives an upper bound (Everett 1963),

    D(lambda) = lambda K + sum_i max_n [g_i(n) - lambda kappa_i n]  >=  value of every allocation,

and at the best price D is the optimum with each g_i replaced by its *concave majorant*. Greedy choice by gain per unit
of cost along the majorants attains it if no piece has to be cut, and always if the g_i are concave, labels cost the
same and no quota binds (Fox 1966). Otherwise an optimal allocation has D - sum_i g_i(n_i) = sum_i loss_i + lambda
(K - cost), with loss_i = max_n [g_i(n) - lambda kappa_i n] - [g_i(n_i) - lambda kappa_i n_i] >= 0. So it contains no n
whose loss alone exceeds the difference between D and the greedy allocation. Dynamic programming over the budget chooses
among the few that remain (Sinha and Zoltners 1979). Quotas, and costs without a common unit, are solved by
mixed-integer programming.

``curves`` computes g_i and its concave majorant.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import scipy

from ...posteriors.foundation.arrays import Floats, Ints
from ...posteriors.foundation.kinds import checked
from ...posteriors.foundation.memory import require_memory
from ...posteriors.foundation.notebook import html_table
from ...posteriors.foundation.records import EqualByContents
from ..kernels import allocation as _kernels
from ..machine.workers import heard
from ..problem.budget import common_unit, with_slack
from ..problem.problem import Problem
from ..single_item.curves import Curves, curves_of

__all__ = ["Allocation", "allocate"]


# Values within this share of their sum's size count as equal.
_TIE = 1e-13
# Unit of values in programmes, as a share of the largest gain: HiGHS ignores differences below 1e-6.
_UNIT = 1e-5


@dataclass(frozen=True, eq=False)
class Allocation(EqualByContents):
    """Optimal one-shot allocation, with the bounds that prove its quality.

    Attributes
    ----------
    counts : ndarray of int, shape (N,)
        Number of labels of each item.
    value : float
        Expected payoff of the allocation.
    prior_value : float
        Expected payoff of buying no label.
    price : float
        Shadow price of a unit of cost: slope of the value in the budget, along the concave majorants.
    quota_prices : tuple of float
        Shadow price of each quota: gain from a quota of one label less, in the same sense.
    upper : float
        Upper bound on the value of every one-shot allocation, from these prices.
    kkt_residual : float
        Largest loss of an item: the net gain at these prices of its best number of labels minus that of its ``counts``.
        Zero if the Karush-Kuhn-Tucker conditions hold.
    defect : ndarray, shape (N,)
        Concavity defect of each item: largest distance of its expected payoff below its concave majorant.
    method : {"greedy", "knapsack", "programme"}
        Method that proved the allocation optimal.
    """

    counts: Ints
    value: float
    prior_value: float
    price: float
    quota_prices: tuple[float, ...]
    upper: float
    kkt_residual: float
    defect: Floats
    method: str

    def __repr__(self) -> str:
        labels, items = int(self.counts.sum()), np.count_nonzero(self.counts)
        return f"Allocation({labels} labels of {items} items, value {self.value:.6g}, none above {self.upper:.6g})"

    def _repr_html_(self) -> str:
        import pandas as pd

        bought = np.flatnonzero(self.counts)
        columns = {"item": bought, "labels": self.counts[bought], "defect": self.defect[bought]}
        return html_table(self.__repr__(), pd.DataFrame(columns))


@checked
def allocate(problem: Problem) -> Allocation:
    """Optimal allocation of the budget when all labels are bought at once.

    Part of the budget may be left, where further labels are worth nothing or do harm.

    Parameters
    ----------
    problem : Problem
        Its batch size is ignored.

    Returns
    -------
    Allocation

    Raises
    ------
    ProblemTooLarge
        If the items' tables, the table of the knapsack, or the programme do not fit in memory.
    ValueError
        If costs have no common unit and the budget is within a millionth of a sum of them, which the solver cannot
        distinguish.

    Examples
    --------
    >>> found = allocate(Problem([0.5, 0.7], budget=4))
    >>> found.counts, round(found.value, 6), found.method
    (array([1, 3]), 1.57995, 'knapsack')
    """
    curves = curves_of(problem)
    limit = float(problem.budget) if problem.unit_costs else with_slack(problem.budget)
    scale = problem.size * problem.payoff_scale
    if problem.quota:
        price, quota_prices, counts = _programme(problem, curves, limit)
        method = "programme"
    else:
        quota_prices = ()
        price, counts = _greedy(curves, limit)
        method = "greedy"
    spread = _losses(problem, curves, price, quota_prices)
    upper = price * limit + sum(float(spread[k][0]) for k in curves.kind)
    upper -= sum(x * least for x, (_, least) in zip(quota_prices, problem.quota, strict=True))
    if not problem.quota and upper - curves.total(counts) > _TIE * scale:
        units = common_unit(problem.cost, limit)
        if units is None:
            _, _, counts = _programme(problem, curves, limit)
            method = "programme"
        else:
            counts = _knapsack(curves, spread, *units, upper - curves.total(counts) + _TIE * scale)
            method = "knapsack"
    residual = max(float(spread[k][1][n]) for k, n in zip(curves.kind, counts.tolist(), strict=True))
    prior = problem.prior_value
    value = prior + curves.total(counts)
    return Allocation(
        counts,
        value,
        prior,
        price,
        quota_prices,
        max(prior + upper, value),
        residual,
        curves.defect[curves.kind],
        method,
    )


def _greedy(curves: Curves, limit: float) -> tuple[float, Ints]:
    """Best price, and the labels bought along the majorants, steepest pieces first, as long as they fit."""
    item, start, end, slope = [], [], [], []
    pieces = [
        [(a, b, (curve[b] - curve[a]) / (b - a)) for a, b in pairwise(bends.tolist())]
        for curve, bends in zip(curves.curve, curves.corner, strict=True)
    ]
    for i, k in enumerate(curves.kind.tolist()):
        for a, b, rise in pieces[k]:
            if rise > 0:
                item.append(i)
                start.append(a)
                end.append(b)
                slope.append(rise / curves.cost[i])
    counts = np.zeros(len(curves.kind), dtype=np.int64)
    if not item:
        return 0.0, counts
    order = np.lexsort((np.array(start), np.array(item), -np.array(slope)))
    paid = np.cumsum([(end[s] - start[s]) * curves.cost[item[s]] for s in order])
    fit = int(np.searchsorted(paid, limit, side="right"))
    price = float(slope[order[fit]]) if fit < len(order) else 0.0
    for s in order[:fit]:
        counts[item[s]] = end[s]
    left = limit - (float(paid[fit - 1]) if fit else 0.0)
    for s in order[fit:]:
        # A later piece of an item is bought only after its earlier pieces.
        piece = (end[s] - start[s]) * curves.cost[item[s]]
        if counts[item[s]] == start[s] and piece <= left:
            counts[item[s]] = end[s]
            left -= piece
    return price, counts


def _losses(
    problem: Problem, curves: Curves, price: float, quota_prices: tuple[float, ...]
) -> list[tuple[float, Floats]]:
    """For each class, the best net gain at these prices, and the loss against it of every number of labels."""
    out = []
    for i, curve in zip(curves.first.tolist(), curves.curve, strict=True):
        each = price * curves.cost[i]
        each -= sum(x for x, (items, _) in zip(quota_prices, problem.quota, strict=True) if i in items)
        net = curve - each * np.arange(len(curve))
        out.append((float(net.max()), net.max() - net))
    return out


def _knapsack(curves: Curves, spread: list[tuple[float, Floats]], size: Ints, capacity: int, allowed: float) -> Ints:
    """Optimal counts among those whose losses do not exceed ``allowed``."""
    options = [np.flatnonzero(loss <= allowed) for _, loss in spread]
    begin = np.concatenate([[0], np.cumsum([len(options[k]) for k in curves.kind])]).astype(np.int64)
    capacity = min(capacity, int(sum(int(options[k][-1]) * s for k, s in zip(curves.kind, size.tolist(), strict=True))))
    needed = 8.0 * (len(size) + 3.0) * (capacity + 1.0) + 24.0 * float(begin[-1])
    require_memory(needed, what=f"the best allocation of {capacity} units of cost", instead="take a smaller budget")
    labels = np.concatenate([options[k] for k in curves.kind])
    cost = np.concatenate([options[k] * s for k, s in zip(curves.kind, size.tolist(), strict=True)])
    value = np.concatenate([curves.curve[k][options[k]] for k in curves.kind])
    best = np.empty(capacity + 1)
    taken = np.full((len(size), capacity + 1), -1, dtype=np.int64)
    heard(lambda: _kernels.knapsack(begin, cost, value, best, taken))
    k = int(np.argmax(best))
    counts = np.zeros(len(size), dtype=np.int64)
    for i in range(len(size) - 1, -1, -1):
        option = taken[i, k]
        counts[i] = labels[option]
        k -= int(cost[option])
    return counts


def _programme(problem: Problem, curves: Curves, limit: float) -> tuple[float, tuple[float, ...], Ints]:
    """Prices of the budget and of quotas, and optimal counts; a 0-1 variable for each number of labels of each item."""
    most = np.array([len(curves.of(i)) - 1 for i in range(problem.size)])
    item = np.repeat(np.arange(problem.size), most)
    labels = np.concatenate([np.arange(1, k + 1) for k in most]) if most.sum() else np.empty(0, dtype=np.int64)
    if not len(item):
        return 0.0, (0.0,) * len(problem.quota), np.zeros(problem.size, dtype=np.int64)
    gain = np.concatenate([curves.of(i)[1:] for i in range(problem.size)])
    needed = 400.0 * len(item) * (2 + len(problem.quota))
    require_memory(needed, what=f"an integer programme of {len(item)} variables", instead="take smaller caps")
    scale = _UNIT * max(float(np.abs(gain).max()), 1e-300)
    columns = np.arange(len(item))
    once = scipy.sparse.coo_array((np.ones(len(item)), (item, columns)), shape=(problem.size, len(item)))
    # In units of the smallest cost, as the programme's tolerances are absolute.
    unit = float(curves.cost.min())
    rows: list[Any] = [scipy.sparse.coo_array((labels * curves.cost[item] / unit)[None, :])]
    for items, _ in problem.quota:
        rows.append(scipy.sparse.coo_array((-labels * np.isin(item, items))[None, :].astype(float)))
    matrix = scipy.sparse.vstack([*rows, once]).tocsr()
    upper = np.concatenate([[limit / unit], [-float(least) for _, least in problem.quota], np.ones(problem.size)])
    # Both are HiGHS.
    relaxed = heard(
        lambda: scipy.optimize.linprog(-gain / scale, A_ub=matrix, b_ub=upper, bounds=(0, 1), method="highs")
    )
    answer = heard(
        lambda: scipy.optimize.milp(
            -gain / scale,
            constraints=scipy.optimize.LinearConstraint(matrix, ub=upper),
            integrality=np.ones(len(item), dtype=np.int64),
            bounds=scipy.optimize.Bounds(0, 1),
            options={"mip_rel_gap": 0.0},
        )
    )
    if not (relaxed.success and answer.success):
        raise ValueError(f"the programme of the allocation could not be solved: {answer.message}")
    counts = np.zeros(problem.size, dtype=np.int64)
    chosen = answer.x > 0.5
    counts[item[chosen]] = labels[chosen]
    # HiGHS lets constraints be violated by a millionth, which costs without a common unit may do.
    if counts @ curves.cost > limit or any(counts[list(items)].sum() < least for items, least in problem.quota):
        raise ValueError(
            "the allocation exceeds the budget by less than the solver's tolerance; change the budget a little"
        )
    duals = -relaxed.ineqlin.marginals * scale
    return (
        max(float(duals[0]) / unit, 0.0),
        tuple(max(float(x), 0.0) for x in duals[1 : 1 + len(problem.quota)]),
        counts,
    )
