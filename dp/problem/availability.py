r"""Which items can be bought next: caps, the budget, and quotas that must still be met.

At labels n, slice q of the items lacks u_q = max(0, least_q - its labels), and m_i = cap_i - n_i more labels of item i
can be had. The *reserve* is what the cheapest way to meet all quotas costs,

    R(u, m) = min { sum_i kappa_i x_i  :  sum_{i in q} x_i >= u_q for every q,  0 <= x_i <= m_i,  x whole }.

Item i is available when m_i >= 1 and the budget affords n, one more label of i, and the reserve after it. That label
and the reserve after it cost at least R(u, m), since together they meet all quotas, and at most kappa_i + R(u, m).

Where no item is in two slices, R is a sum over slices, each of which takes its cheapest labels. A label of item i in
slice q then takes the place of the dearest of them, unless it is among them itself:

    kappa_i + R after = R + max(kappa_i - kappa of the dearest, 0),        the dearest being 0 where nothing is lacking.

Where slices overlap, items that are in the same slices are of one *kind*, and R is a minimum over the number of labels
of each kind (``cheapest_cover``). Of two items of a kind, with a label of each to be had, the cheaper one is available
where the other is: in a way to go on that begins with the dearer one, the cheaper one can take its place or precede it.
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
    """Caps, budget and quotas of a problem, ready to be asked.

    Parameters
    ----------
    problem : Problem

    Examples
    --------
    Two units are left, and item 2 still needs its label:

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
        """Whether each item can be bought at each row of labels, shape (R, N)."""
        if not self._tangles or len(bought) < 2:
            return self._items(bought)
        # A cover is dear to find, and replications come to the same labels.
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
        """What one row of labels costs."""
        return float(self.cost @ bought)

    def labels(self, bought: Ints) -> int:
        """Most labels that can be bought after one row of labels."""
        if not self.items(bought[None, :]).any():
            return 0
        return max(1, further_labels(bought, self.cost, self.cap, self.budget, self.quota))


@lru_cache(maxsize=8)
def availability_of(problem: Problem) -> Availability:
    """Availability of a problem, kept for the last few problems."""
    return Availability(problem)


class _Tangle:
    """Slices that share items, with each other or along a chain of them."""

    def __init__(self, quota: Sequence[tuple[tuple[int, ...], int]], cost: Floats, cap: Ints) -> None:
        self.cost, self.cap = cost, cap
        self.items = [np.array(items) for items, _ in quota]
        self.least = [least for _, least in quota]
        kinds: dict[tuple[int, ...], list[int]] = {}
        for i in sorted({i for items, _ in quota for i in items}, key=lambda i: float(cost[i])):
            kinds.setdefault(tuple(q for q, (items, _) in enumerate(quota) if i in items), []).append(i)
        # Those that count for many quotas first: at the end little is left to choose.
        self.kinds = [(k, np.array(kinds[k])) for k in sorted(kinds, key=lambda k: (-len(k), k))]

    def reserve(self, labels: Ints) -> float:
        """Cheapest way to meet the quotas after these labels."""
        unmet = tuple(
            max(0, least - int(labels[items].sum())) for items, least in zip(self.items, self.least, strict=True)
        )
        if not any(unmet):
            return 0.0
        return cheapest_cover(unmet, tuple((k, self._prices(labels, k, members, unmet)) for k, members in self.kinds))

    def _prices(self, labels: Ints, kind: tuple[int, ...], members: Ints, unmet: Sequence[int]) -> tuple[float, ...]:
        """Costs of as many labels of a kind as can be of use, cheapest first."""
        most = max(unmet[q] for q in kind)
        room = np.clip(self.cap[members] - labels[members], 0, most)
        few = members[: int(np.searchsorted(np.cumsum(room), most)) + 1]
        return tuple(np.repeat(self.cost[few], room[: len(few)])[:most].tolist())

    def complete(self, labels: Ints, free: float, known: Bools) -> None:
        """Mark the items that cost more than is free, but that a quota needs."""
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
