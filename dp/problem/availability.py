r"""Availability: the items that can be labelled next under caps, the budget, and quotas that must still be met.

At labels n, slice q of the items lacks u_q = max(0, least_q - its labels), and m_i = cap_i - n_i more labels of item i
are left. The *reserve* is the least cost of meeting all quotas,

    R(u, m) = min { sum_i kappa_i x_i  :  sum_{i in q} x_i >= u_q for every q,  0 <= x_i <= m_i,  x whole }.

Item i is available when m_i >= 1 and the budget affords n, one more label of i, and the reserve after it. That label
and the reserve after it cost at least R(u, m), since together they meet all quotas, and at most kappa_i + R(u, m).

Where no item is in two slices, R is a sum over slices, each of which takes its cheapest labels. A label of item i in
slice q then replaces the most expensive of them, unless it is among them itself. With kappa_max the cost of that one,
and 0 where the slice lacks nothing,

    kappa_i + R after = R + max(kappa_i - kappa_max, 0).

Where slices overlap, items that are in the same slices are of one *kind*, and R is a minimum over the number of labels
of each kind (``cheapest_cover``). If two items of a kind are below their caps and the more expensive one is available,
so is the cheaper one: in any sequence of labels that begins with the more expensive item, the cheaper one can replace
it or come first.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from ...posteriors.foundation.arrays import Bools, Floats, Ints
from ..kernels import availability as _kernels
from .budget import cheapest_cover, entangled, further_labels, with_slack
from .problem import Problem

__all__ = ["Availability", "availability_of"]


class Availability:
    """Rules of a problem's caps, budget and quotas: the items available at given labels.

    Parameters
    ----------
    problem : Problem

    Examples
    --------
    Two units of the budget are left, and item 2 still needs its label:

    >>> rules = Availability(Problem([0.5, 0.5], budget=4, cost=[1, 2], quota=[([1], 1)]))
    >>> rules.items(np.array([[2, 0]]))
    array([[False,  True]])
    """

    def __init__(self, problem: Problem) -> None:
        self.cost, self.cap, self.budget, self.quota = problem.cost, problem.cap, problem.budget, problem.quota
        self.limit = with_slack(problem.budget)
        self._group = np.full(problem.size, -1, dtype=np.int64)
        self._tangles: list[_Tangle] = []
        alone: list[tuple[Ints, int]] = []
        for part in entangled(problem.quota):
            if len(part) > 1:
                self._tangles.append(_Tangle([problem.quota[q] for q in part], problem.cost, problem.cap))
            else:
                items, least = problem.quota[part[0]]
                self._group[list(items)] = len(alone)
                alone.append((np.array(items)[np.argsort(problem.cost[list(items)], kind="stable")], least))
        self._least = np.array([least for _, least in alone], dtype=np.int64)
        self._member = np.concatenate([np.empty(0, dtype=np.int64), *(items for items, _ in alone)])
        self._begin = np.cumsum([0, *(len(items) for items, _ in alone)], dtype=np.int64)

    def items(self, bought: Ints) -> Bools:
        """Mask of the items available at each row of labels; both of shape (R, N)."""
        if not self._tangles or len(bought) < 2:
            return self._items(bought)
        # A cover is slow to find, and many replications have the same labels.
        rows, row = np.unique(bought, axis=0, return_inverse=True)
        return self._items(rows)[row]

    def _items(self, bought: Ints) -> Bools:
        out = np.empty(bought.shape, dtype=np.bool_)
        left = np.empty(len(bought))
        reserved = np.zeros(len(bought))
        for tangle in self._tangles:
            reserved += [tangle.reserve(labels) for labels in bought]
        slices = (self._group, self._least, self._member, self._begin)
        rows = np.require(bought, np.int64, ["C", "W"])
        _kernels.available(rows, self.cost, self.cap, self.limit, reserved, *slices, left, out)
        for tangle in self._tangles:
            for labels, free, known in zip(bought, left, out, strict=True):
                if free >= 0:
                    tangle.complete(labels, float(free), known)
        return out

    def spent(self, bought: Ints) -> float:
        """Cost of one row of labels, shape (N,)."""
        return float(self.cost @ bought)

    def labels(self, bought: Ints) -> int:
        """Largest number of labels that can still be bought after one row of labels, shape (N,)."""
        if not self.items(bought[None, :]).any():
            return 0
        return max(1, further_labels(bought, self.cost, self.cap, self.budget, self.quota))


@lru_cache(maxsize=8)
def availability_of(problem: Problem) -> Availability:
    """Availability of a problem, cached for the last few problems."""
    return Availability(problem)


class _Tangle:
    """Slices that share items, directly or through a chain of slices."""

    def __init__(self, quota: Sequence[tuple[tuple[int, ...], int]], cost: Floats, cap: Ints) -> None:
        self.cost, self.cap = cost, cap
        self.items = [np.array(items) for items, _ in quota]
        self.least = [least for _, least in quota]
        kinds: dict[tuple[int, ...], list[int]] = {}
        for i in sorted({i for items, _ in quota for i in items}, key=lambda i: float(cost[i])):
            kinds.setdefault(tuple(q for q, (items, _) in enumerate(quota) if i in items), []).append(i)
        # Kinds that count for many quotas come first: little is left to choose at the end.
        self.kinds = [(k, np.array(kinds[k])) for k in sorted(kinds, key=lambda k: (-len(k), k))]

    def reserve(self, labels: Ints) -> float:
        """Least cost of meeting the quotas after these labels."""
        unmet = tuple(
            max(0, least - int(labels[items].sum())) for items, least in zip(self.items, self.least, strict=True)
        )
        if not any(unmet):
            return 0.0
        return cheapest_cover(unmet, tuple((k, self._prices(labels, k, members, unmet)) for k, members in self.kinds))

    def _prices(self, labels: Ints, kind: tuple[int, ...], members: Ints, unmet: Sequence[int]) -> tuple[float, ...]:
        """Costs of the labels of a kind that can help to meet the quotas, cheapest first."""
        most = max(unmet[q] for q in kind)
        room = np.clip(self.cap[members] - labels[members], 0, most)
        few = members[: int(np.searchsorted(np.cumsum(room), most)) + 1]
        return tuple(np.repeat(self.cost[few], room[: len(few)])[:most].tolist())

    def complete(self, labels: Ints, free: float, known: Bools) -> None:
        """Mark the items that cost more than ``free``, the money that no quota needs, but that a quota asks for."""
        reserve = self.reserve(labels)
        if reserve == 0:
            return

        def too_dear(i: int) -> bool:
            after = labels.copy()
            after[i] += 1
            return float(self.cost[i]) + self.reserve(after) - reserve > free

        for _, members in self.kinds:
            open_ones = members[(labels[members] < self.cap[members]) & ~known[members]]
            known[open_ones[: bisect_left(open_ones, True, key=too_dear)]] = True
