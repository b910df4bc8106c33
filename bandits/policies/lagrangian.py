"""The Lagrangian policy: labels are compared at the dual price of the budget, solved for in every state."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np

from ...dp.problem.budget import with_slack
from ...dp.problem.problem import Problem
from ...posteriors.foundation.arrays import Bools, Floats, Ints
from ...posteriors.foundation.refusals import whole
from ..kernels import ahead as _kernels
from ..policy import JointPolicy, even_over_best
from ..state_cache import Memory, state_keys
from .ahead import affordable, item_tables, require_tables

__all__ = ["Lagrangian", "hinges_of"]

Pool = tuple[Ints, Floats, Floats, Floats, Floats, Floats]

# When hinges take more bytes than this, all are dropped before the next group of (row, item) pairs.
_MOST_BYTES = 200_000_000
_PAIRS_AT_ONCE = 10_000
_BYTES_A_HINGE = 24
_FIRST_ROOM = 1024


class Hinges:
    """Hinges of the states that were asked for, laid end to end; see ``kernels.ahead.advantage_hinges``."""

    def __init__(self, problem: Problem, most: int) -> None:
        self.problem, self.tables, self.most = problem, item_tables(problem), most
        self._lock = threading.Lock()
        self._prices = np.zeros(0)
        self._forget()

    def _forget(self) -> None:
        # New arrays, since another thread may still read the old ones.
        self._known = Memory()
        self._begin = np.zeros(_FIRST_ROOM + 1, dtype=np.int64)
        self._index, self._free = np.empty(_FIRST_ROOM), np.empty(_FIRST_ROOM)
        self._x, self._total, self._slope = (np.empty(_FIRST_ROOM) for _ in range(3))

    def scores(self, counts: Ints, wins: Ints) -> tuple[Floats, Floats]:
        """Scores (R, N) and dual prices (R,)."""
        problem = self.problem
        left = problem.budget - counts @ problem.cost
        # The last prices are good starting values, and serve as no more than that.
        guess = self._prices
        out, prices = np.empty(counts.shape), guess.copy() if len(guess) == len(counts) else np.zeros(len(counts))
        # A copy, since the kernel would be compiled again for a read-only array.
        cost = np.array(problem.cost)
        room = left + (with_slack(problem.budget) - problem.budget)
        step = max(1, _PAIRS_AT_ONCE // problem.size)
        for a in range(0, len(counts), step):
            rows = slice(a, a + step)
            which, pool = self._of(counts[rows], wins[rows], left[rows])
            _kernels.lagrangian_scores(which, *pool, cost, room[rows], prices[rows], out[rows])
        self._prices = prices.copy()
        return out, prices

    def worth(self, counts: Ints, wins: Ints, items: Ints, prices: Floats) -> Floats:
        """Sum over ``items`` of W_i in one state, rows of shape (1, N), at each price of a unit of cost."""
        left = self.problem.budget - counts @ self.problem.cost
        which, (begin, x, total, slope, index, _) = self._of(counts, wins, left)
        out = np.empty(len(prices))
        _kernels.worth_at(which[0, items], begin, x, total, slope, index, prices, out)
        return out

    def _of(self, counts: Ints, wins: Ints, left: Floats) -> tuple[Ints, Pool]:
        """Number of the state of each item, -1 where no label can be bought, and the hinges of all states."""
        items = np.broadcast_to(np.arange(self.problem.size), counts.shape)
        ahead = np.minimum(affordable(self.problem, items, counts, left[:, None]), self.most)
        kind = self.tables.kind[items]
        keys = state_keys(kind, counts, wins, ahead, self.most).reshape(-1)
        with self._lock:
            if _BYTES_A_HINGE * self._begin[self._known.used] > _MOST_BYTES:
                self._forget()
            found = self._known.answers(keys, (kind, counts, wins, ahead), self._work_out)
            pool = self._begin, self._x, self._total, self._slope, self._index, self._free
        which = np.where(keys == _kernels.EMPTY, -1, found.astype(np.int64))
        return which.reshape(counts.shape), pool

    def _work_out(self, keys: Ints, kind: Ints, labels: Ints, wins: Ints, ahead: Ints) -> None:
        known = self._known.used
        self._index, self._free = (_with_room(x, known, len(keys)) for x in (self._index, self._free))
        self._begin = _with_room(self._begin, known + 1, len(keys))
        for j, (k, n, w, more) in enumerate(np.stack([kind, labels, wins, ahead], axis=1).tolist(), start=known):
            tables = self.tables.of(k, n + more)
            *hinges, index, free = _kernels.advantage_hinges(*tables, n, w, more, float(self.tables.cost[k]))
            begin, size = int(self._begin[j]), len(hinges[0])
            self._x, self._total, self._slope = (
                _with_room(x, begin, size) for x in (self._x, self._total, self._slope)
            )
            for held, new in zip((self._x, self._total, self._slope), hinges, strict=True):
                held[begin : begin + size] = new
            self._begin[j + 1], self._index[j], self._free[j] = begin + size, index, free
        self._known.enter(keys, np.arange(known, known + len(keys), dtype=np.float64))


def _with_room[Array: (Ints, Floats)](held: Array, used: int, more: int) -> Array:
    """The array itself, or a copy of its used part in an array of at least twice the size."""
    if used + more <= len(held):
        return held
    out = np.zeros(2 * (used + more), dtype=held.dtype)
    out[:used] = held[:used]
    return out


@lru_cache(maxsize=4)
def hinges_of(problem: Problem, most: int) -> Hinges:
    """Hinges of a problem, kept for the last few of them."""
    return Hinges(problem, most)


@dataclass(frozen=True)
class Lagrangian(JointPolicy):
    """Label the item with the largest gain net of the dual price of the budget left.

    Rule: let W_i(lambda) be the worth of the option to buy labels of item i at price lambda per unit of cost, stopping
    at any time, within its cap and the budget left. With K' the budget left, lambda* >= 0 is the least price that
    minimises lambda K' + sum_i W_i(lambda), the Lagrangian bound of the remaining problem. The score is the worth of
    one label of the item at lambda*, continuing optimally at that price, divided by its cost. It is positive for the
    items that the relaxed problem buys, zero for those at the margin, and negative for the others. Source: Hawkins
    (2003); Brown and Smith (2020), "Index policies and performance bounds for dynamic selection problems". Departures:
    Brown and Smith set a price for each period, fill it with several items, and draw those at the margin by the mixture
    that keeps to the budget in expectation. Here there is one budget, labels are bought one at a time, the price is
    solved for again after each label, and ties are drawn uniformly. The look-ahead is at most ``most`` labels of an
    item. Quotas are ignored.

    Parameters
    ----------
    most : int
        Largest number of labels of an item to look ahead.

    Raises
    ------
    ValueError
        For ``most`` below 1.

    Examples
    --------
    >>> import numpy as np
    >>> import seqaudit as sa
    >>> problem, policy, none = sa.Problem([0.5, 0.7], budget=4), sa.Lagrangian(), np.zeros((1, 2), dtype=int)
    >>> policy.prices(problem, none, none).round(6).tolist()
    [0.046875]
    >>> gain = sa.upper_bound(problem).value - problem.prior_value
    >>> round(float(policy.bounds(problem, none, none)[0] - gain), 9)
    0.0
    """

    most: int = 32
    name: ClassVar[str] = "lagrangian"

    def __post_init__(self) -> None:
        super().__post_init__()
        whole(f"{self.name}: most", self.most, least=1)

    def prices(self, problem: Problem, counts: Ints, wins: Ints) -> Floats:
        """Dual price lambda* of a unit of cost in each state.

        Parameters
        ----------
        problem : Problem
        counts, wins : ndarray of int, shape (R, N)
            Labels and wins of each item in R states.

        Returns
        -------
        ndarray, shape (R,)
        """
        return hinges_of(problem, int(self.most)).scores(counts, wins)[1]

    def scores(self, problem: Problem, counts: Ints, wins: Ints) -> Floats:
        """Worth of one label of every item at the dual price, per unit of cost, shape (R, N)."""
        return hinges_of(problem, int(self.most)).scores(counts, wins)[0]

    def bounds(self, problem: Problem, counts: Ints, wins: Ints) -> Floats:
        """Lagrangian bound on the gain from the budget left, at each state's dual price.

        It is valid where at most ``most`` further labels of an item can be bought.

        Parameters
        ----------
        problem, counts, wins
            As for ``prices``.

        Returns
        -------
        ndarray, shape (R,)
            In units of payoff.
        """
        scores, prices = hinges_of(problem, int(self.most)).scores(counts, wins)
        left = np.maximum(problem.budget - counts @ problem.cost, 0.0)
        return np.asarray(prices * left + np.maximum(scores * problem.cost, 0.0).sum(axis=1))

    def action_probabilities(self, problem: Problem, counts: Ints, wins: Ints, usable: Bools) -> Floats:
        """Probabilities, equal over the usable items of largest score, or one for the first; shape (S, N)."""
        return even_over_best(self.scores(problem, counts, wins), usable, self.index_scale(problem), self.ties)

    def index_scale(self, problem: Problem) -> float:
        """Largest payoff of an item, divided by the least cost of a label."""
        return problem.payoff_scale / float(problem.cost.min())

    def require(self, problem: Problem) -> None:
        """Raise ``ProblemTooLarge`` where the tables of all items do not fit in memory."""
        require_tables(problem, self.name, min(int(self.most), int(problem.cap.max())))
