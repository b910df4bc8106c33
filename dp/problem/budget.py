"""Affordability: the labels that a budget buys, and the cost of meeting quotas.

Labels n are affordable when sum_i kappa_i n_i <= K. Costs are real numbers, and ten labels at 0.1 must be affordable
with a budget of 1, so sums up to K (1 + 1e-9) count as affordable.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cache, lru_cache
from itertools import accumulate
from math import gcd, lcm
from typing import Any

import numpy as np
import scipy

from ...posteriors.foundation.arrays import Bools, Floats, Ints
from ...posteriors.foundation.tolerances import ROUNDING

__all__ = [
    "Quota",
    "cheapest_cover",
    "common_unit",
    "entangled",
    "further_labels",
    "least_cost",
    "most_labels",
    "most_of_each",
    "quotas_met",
    "unmet_quota",
    "with_slack",
]

Quota = tuple[tuple[tuple[int, ...], int], ...]

_SLACK = 1e-9
# Costs have a common unit where they are whole multiples of 1 / k for some whole k up to this.
_PARTS = 1000


def quotas_met(bought: Ints, quota: Quota) -> Bools:
    """Mask of the rows of labels, shape (R, N), by which all quotas are met.

    Examples
    --------
    >>> quotas_met(np.array([[1, 0], [0, 2]]), [((1,), 2)])
    array([False,  True])
    """
    met = np.ones(len(bought), dtype=bool)
    for items, least in quota:
        met &= bought[:, list(items)].sum(axis=1) >= least
    return met


def with_slack(budget: float) -> float:
    """Largest sum of costs that counts as affordable."""
    return budget * (1.0 + _SLACK)


def common_unit(cost: Floats, limit: float) -> tuple[Ints, int] | None:
    """Costs, shape (N,), and budget as whole numbers of a common unit; None where there is no common unit."""
    prices, which = np.unique(cost, return_inverse=True)
    parts = [Fraction(x).limit_denominator(_PARTS) for x in prices.tolist()]
    share = lcm(*(part.denominator for part in parts))
    if share > _PARTS or any(abs(float(part) / x - 1.0) > ROUNDING for part, x in zip(parts, prices, strict=True)):
        return None
    sizes = [int(part * share) for part in parts]
    unit = gcd(*sizes)
    if max(sizes) // unit > np.iinfo(np.int64).max:
        return None
    size = np.array([x // unit for x in sizes], dtype=np.int64)[which.reshape(-1)]
    # The limit includes the slack, so sums that differ from the budget by rounding still fit.
    return size, int(np.floor(limit * share)) // unit


def most_labels(cost: Floats, cap: Ints, budget: float, quota: Quota = ()) -> int:
    """Largest number of labels that can be bought: first those that quotas ask for, then the cheapest."""
    if np.all(cost == 1.0):
        return min(int(budget), int(cap.sum()))
    counts = (
        _cheapest(quota, cost, cap) if _disjoint(quota) else _programme(-np.ones(len(cost)), quota, cap, cost, budget)
    )
    if counts is None:
        return 0
    rest = with_slack(budget) - float(counts @ cost)
    for i in np.argsort(cost, kind="stable"):
        taken = min(int(cap[i] - counts[i]), int(rest // cost[i]))
        rest -= taken * cost[i]
        counts[i] += taken
        if counts[i] < cap[i]:
            break
    return int(counts.sum())


def further_labels(bought: Ints, cost: Floats, cap: Ints, budget: float, quota: Quota = ()) -> int:
    """Largest number of further labels after those bought, shape (N,), from which the quotas can still be met."""
    spent = float(bought @ cost)
    # The slack is a share of the whole budget. Whole numbers need none, and division would round them.
    left = budget - spent if np.all(cost == 1.0) else (with_slack(budget) - spent) / (1.0 + _SLACK)
    unmet = tuple((items, max(0, labels - int(bought[list(items)].sum()))) for items, labels in quota)
    return max(0, most_labels(cost, cap - bought, left, unmet))


def unmet_quota(quota: Quota, cost: Floats, cap: Ints, budget: float) -> list[str]:
    """Reasons why the quotas cannot be met, as sentences; an empty list means that they can be met."""
    faults = [
        f"quota {k}: its items need {labels} labels; their caps and the budget allow {int(cap[list(items)].sum())}"
        for k, (items, labels) in enumerate(quota, start=1)
        if labels > int(cap[list(items)].sum())
    ]
    if not faults and quota:
        least = least_cost(quota, cost, cap)
        if least > with_slack(budget):
            faults.append(f"quota: meeting all of them costs at least {least:g}, the budget is {budget:g}")
    return faults


def least_cost(quota: Quota, cost: Floats, cap: Ints) -> float:
    """Least cost of meeting all quotas; infinite where they cannot be met."""
    counts = _cheapest(quota, cost, cap) if _disjoint(quota) else _programme(cost / cost.max(), quota, cap)
    return float("inf") if counts is None else float(counts @ cost)


def most_of_each(quota: Quota, cost: Floats, cap: Ints, budget: float) -> Ints:
    """Largest number of labels that each item can get if all quotas are met in the end, shape (N,).

    Examples
    --------
    >>> most_of_each((((1,), 2),), np.ones(2), np.array([3, 3]), 3)
    array([1, 3])
    """

    def possible(i: int, labels: int) -> bool:
        """True if quotas can be met after this number of labels of an item; then also after any smaller number."""
        unmet = tuple((items, max(0, least - labels * (i in items))) for items, least in quota)
        left = cap.copy()
        left[i] -= labels
        return labels * float(cost[i]) + least_cost(unmet, cost, left) <= with_slack(budget)

    known: dict[tuple[Any, ...], int] = {}
    member = np.array([[i in items for items, _ in quota] for i in range(len(cap))])
    most = np.zeros_like(cap)
    for i in range(len(cap)):
        kind = float(cost[i]), int(cap[i]), member[i].tobytes()
        if kind not in known:
            low, high = 0, int(cap[i])
            while low < high:
                middle = (low + high + 1) // 2
                low, high = (middle, high) if possible(i, middle) else (low, middle - 1)
            known[kind] = low
        most[i] = known[kind]
    return most


def entangled(quota: Quota) -> list[list[int]]:
    """Groups of quotas, by their numbers: quotas in different groups share no item."""
    groups: list[tuple[set[int], list[int]]] = []
    for q, (items, _) in enumerate(quota):
        touched = [group for group in groups if not group[0].isdisjoint(items)]
        groups = [group for group in groups if group[0].isdisjoint(items)]
        members = set(items).union(*(items for items, _ in touched))
        groups.append((members, sorted([q, *(k for _, numbers in touched for k in numbers)])))
    return sorted(numbers for _, numbers in groups)


@lru_cache(maxsize=512)
def cheapest_cover(unmet: tuple[int, ...], kinds: tuple[tuple[tuple[int, ...], tuple[float, ...]], ...]) -> float:
    """Least cost of meeting overlapping quotas, exact; infinite where they cannot be met.

    ``unmet`` holds the labels that each quota lacks. A kind of items is (numbers of the quotas that its labels count
    for, costs of its labels, cheapest first). The search tries every number of labels of each kind in turn; the last
    kind that counts for a quota must meet it. The work grows with the product of the labels that the quotas of one
    group lack; for two quotas, with their sum.
    """
    last = {q: k for k, (quotas, _) in enumerate(kinds) for q in quotas}
    totals = [tuple(accumulate(prices, initial=0.0)) for _, prices in kinds]

    @cache
    def least(k: int, unmet: tuple[int, ...]) -> float:
        if not any(unmet):
            return 0.0
        if k == len(kinds):
            return float("inf")
        quotas, total = kinds[k][0], totals[k]
        fewest = max((unmet[q] for q in quotas if last[q] == k), default=0)
        best = float("inf")
        for taken in range(fewest, min(max(unmet[q] for q in quotas), len(total) - 1) + 1):
            if total[taken] >= best:
                break
            rest = tuple(max(u - taken, 0) if q in quotas else u for q, u in enumerate(unmet))
            best = min(best, total[taken] + least(k + 1, rest))
        return best

    return least(0, unmet)


def _disjoint(quota: Quota) -> bool:
    chosen = [i for items, _ in quota for i in items]
    return len(set(chosen)) == len(chosen)


def _cheapest(quota: Quota, cost: Floats, cap: Ints) -> Ints:
    """Labels that meet quotas of disjoint slices, the cheapest of each slice first."""
    counts = np.zeros(len(cost), dtype=np.int64)
    for items, labels in quota:
        rest = labels
        for i in sorted(items, key=lambda i: float(cost[i])):
            counts[i] = min(rest, int(cap[i]))
            rest -= int(counts[i])
    return counts


def _programme(
    objective: Floats, quota: Quota, cap: Ints, cost: Floats | None = None, budget: float = np.inf
) -> Ints | None:
    """Labels of least ``objective`` that meet all quotas within caps and budget; None where no labels do."""
    chosen = [i for items, _ in quota for i in items]
    rows = np.repeat(np.arange(len(quota)), [len(items) for items, _ in quota])
    matrix = scipy.sparse.coo_array((np.ones(len(chosen)), (rows, chosen)), shape=(len(quota), len(cap))).tocsr()
    constraints = [
        scipy.optimize.LinearConstraint(matrix, lb=np.array([labels for _, labels in quota], dtype=np.float64))
    ]
    if cost is not None:
        constraints.append(scipy.optimize.LinearConstraint(cost[None, :] / budget, ub=1.0))
    # scipy.optimize.milp is HiGHS.
    answer = scipy.optimize.milp(
        objective,
        constraints=constraints,
        integrality=np.ones(len(cap), dtype=np.int64),
        bounds=scipy.optimize.Bounds(0, cap.astype(float)),
        options={"mip_rel_gap": 0.0},
    )
    return np.rint(answer.x).astype(np.int64) if answer.success else None
