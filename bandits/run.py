"""A run of an index policy over many items: what one label costs does not grow with their number.

A policy whose index of an item depends on that item alone needs only the score of the item just labelled. Here scores
are kept in a tournament (see ``_kernels_run``), labels are drawn and scores looked up in compiled code, and all of it
gives the same choices as ``Board``, which serves every policy and every constraint:

- *variance-reduction* with Beta beliefs by its closed form, from D = t^a (1-t)^b / B(a, b), which one label multiplies;
- a policy with index tables (``IndexPolicy.tables``) by looking them up;
- any other index policy from *windows*: scores of the states up to so many labels ahead, which the policy's own formula
  gives for many items at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from ..dp.budget import with_slack
from ..dp.problem import Problem
from ..dp.states import states_at
from ..posteriors import tails
from . import _kernels_run as _kernels
from .policy import IndexPolicy, Policy
from .variance_reduction import VarianceReduction

__all__ = ["can_run", "run_policy"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Observe = Callable[[int, Ints, Ints], None]

# States that a window holds are few for many items, and many for few.
_WINDOW_STATES = 4_000_000
_LEAST_ROWS, _MOST_ROWS = 6, 24
_NOTHING = np.empty(0)


def can_run(problem: Problem, policy: Policy) -> bool:
    """Whether a policy can run on a problem this way: by its index alone, with no quota and no batches."""
    return isinstance(policy, IndexPolicy) and not policy.uses_remaining and not problem.quota and problem.batch == 1


class _Run:
    """State of one replication."""

    def __init__(self, problem: Problem, policy: IndexPolicy, rate: Floats, key: NDArray[np.uint64]) -> None:
        self.problem, self.policy, self.key = problem, policy, key
        size = problem.size
        self.scale = float(policy.index_scale(problem))
        groups = 1 << max(0, (-(-size // 8) - 1)).bit_length()
        self.scores = _aligned(groups, 8).reshape(-1)
        self.scores[:] = -np.inf
        self.tree = _aligned(2 * groups, 2).view(np.int64)
        self.row = _aligned(size, 8)
        self.row[:, _kernels.RATE] = rate
        self.row[:, _kernels.CAP] = problem.cap
        self.row[:, _kernels.FACTOR] = problem.weight / problem.cost
        self.base = np.zeros((size, 2), dtype=np.int64)
        self.rows = 0
        self.window = np.empty((0, 0))
        self.first, self.begin, self.value = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64), np.empty(0)
        self.at = np.array([0, 0, 0, -1], dtype=np.int64)
        self.money = np.array([with_slack(problem.budget)])
        self.waiting = np.empty(size, dtype=np.int64)
        self.cost = _NOTHING if problem.unit_costs else problem.cost.copy()
        self.dear = np.argsort(-problem.cost, kind="stable") if self.cost.size else np.empty(0, dtype=np.int64)
        if isinstance(policy, VarianceReduction) and isinstance(problem.prior, np.ndarray):
            self.rule = _kernels.CLOSED
            a, b = problem.prior.T
            self.row[:, _kernels.FREE] = problem.threshold
            self.row[:, _kernels.HAND] = np.exp(tails.log_step(a, b, problem.threshold))
            self.row[:, _kernels.X], self.row[:, _kernels.Y] = a, b
        else:
            self.rule = _kernels.WINDOW
            self.rows = int(np.clip(np.sqrt(2.0 * _WINDOW_STATES / size), _LEAST_ROWS, _MOST_ROWS)) // 2 * 2
            self.window = np.empty((size, self.rows * (self.rows + 1) // 2))
        self.refill(np.arange(size))
        _kernels.build(self.scores, self.tree, self.scale)

    def refill(self, items: Ints) -> None:
        """Begin the windows of some items anew where they stand, and score the items."""
        if self.rule == _kernels.WINDOW:
            row = self.row[items]
            here = self.base[items] + np.stack([row[:, _kernels.X] + row[:, _kernels.Y], row[:, _kernels.X]], axis=1)
            self.base[items] = here
            self.row[items, _kernels.X] = self.row[items, _kernels.Y] = 0.0
            step = max(1, _WINDOW_STATES // self.window.shape[1])
            for k in range(0, len(items), step):
                part = items[k : k + step]
                self.window[part] = self._ahead(part, self.base[part])
        _kernels.score_items(
            self.rule, items, self.row, self.rows, self.first, self.begin, self.value, self.window, self.scores
        )

    def _ahead(self, items: Ints, base: Ints) -> Floats:
        """Scores of the states up to ``rows`` - 1 labels ahead, shape (items, states)."""
        more, won = np.tril_indices(self.rows)
        cap = self.problem.cap[items]
        # States beyond the cap are never reached; a formula need not be good for them.
        labels = np.minimum(base[:, :1] + more, cap[:, None])
        wins = np.minimum(base[:, 1:] + won, labels)
        which = np.broadcast_to(items[:, None], labels.shape)
        states = states_at(self.problem, which, labels.astype(np.float64), wins.astype(np.float64))
        found = np.broadcast_to(np.asarray(self.policy.index(states), dtype=np.float64), labels.shape)
        bad = np.flatnonzero(~np.isfinite(found))
        if bad.size:
            name = self.problem.name[int(which.flat[bad[0]])]
            raise ValueError(f"{self.policy.name}: score of {name} is {found.flat[bad[0]]}; it must be finite")
        return found

    def until(self, labels: int) -> None:
        """Go on until so many labels are bought, or no more can be."""
        while (
            _kernels.run(
                self.rule,
                self.row,
                self.cost,
                self.dear,
                self.rows,
                self.first,
                self.begin,
                self.value,
                self.window,
                self.scores,
                self.tree,
                self.scale,
                self.policy.ties == "first",
                self.key,
                labels,
                self.money,
                self.at,
                self.waiting,
            )
            != _kernels.SPENT
        ):
            items = self.waiting[: self.at[2]].copy()
            self.at[2:] = 0, -1
            self.refill(items)
            _kernels.place_items(self.scores, self.tree, items, self.scale)

    @property
    def counts(self) -> tuple[Ints, Ints]:
        """Labels and wins of each item, shape (N,)."""
        labels = self.row[:, _kernels.LABELLED].astype(np.int64)
        if self.rule == _kernels.CLOSED:
            assert isinstance(self.problem.prior, np.ndarray)
            return labels, np.rint(self.row[:, _kernels.X] - self.problem.prior[:, 0]).astype(np.int64)
        return labels, self.base[:, 1] + self.row[:, _kernels.X].astype(np.int64)


def run_policy(
    problem: Problem,
    policy: IndexPolicy,
    rate: Floats,
    keys: NDArray[np.uint64],
    *,
    stops: Sequence[int] = (),
    observe: Observe | None = None,
) -> tuple[Ints, Ints]:
    """Spend the budget in each of R replications; labels and wins of each item, shape (R, N).

    Parameters
    ----------
    problem, policy
        For which ``can_run`` holds.
    rate : ndarray, shape (R, N)
        Chance that a label is a win.
    keys : ndarray of uint64, shape (R, 2)
    stops : sequence of int
        After each of these numbers of labels ``observe(labels, counts, wins)`` is called with arrays of shape (R, N).
    """
    runs = [_Run(problem, policy, r, k) for r, k in zip(rate, keys, strict=True)]
    for stop in sorted({s for s in stops if s <= problem.labels}) if observe else ():
        for one in runs:
            one.until(stop)
        assert observe is not None
        observe(stop, *_stack(runs))
    for one in runs:
        one.until(problem.labels)
    return _stack(runs)


def _stack(runs: list[_Run]) -> tuple[Ints, Ints]:
    counts, wins = zip(*(one.counts for one in runs), strict=True)
    return np.stack(counts), np.stack(wins)


def _aligned(rows: int, columns: int) -> Floats:
    """Zeros whose rows begin on cache lines."""
    raw = np.zeros(rows * columns + 8)
    skip = (-raw.ctypes.data % 64) // 8
    return raw[skip : skip + rows * columns].reshape(rows, columns)
