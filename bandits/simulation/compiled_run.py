"""Compiled run of an index policy over many items, whose time for one label hardly grows with their number.

A policy whose index of an item depends on that item alone needs only the score of the item just labelled. Here scores
are kept in a tournament (see ``kernels.run``), and compiled code gets labels and looks scores up. The choices are those
of ``Board``, which serves every policy and every constraint. Labels are drawn from rates, or recorded votes (see
``PlainLabels``). Scores come from one of three sources:

- *variance-reduction* with Beta beliefs by its closed form, from D = t^a (1-t)^b / B(a, b), which one label multiplies;
- *gittins* with Beta beliefs and a utility with one kink, where items are many, from tables (see ``gittins_tables``);
- any other index policy from *windows*: scores of the states up to a fixed number of labels ahead, which the
  policy's own formula gives for many items at once.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from ...dp.bounds.lagrangian_relaxation import beliefs_at_kink, one_kink
from ...dp.evaluation.asking import ask_index, ask_scale
from ...dp.problem.budget import with_slack
from ...dp.problem.problem import Problem
from ...dp.problem.states import known_states
from ...posteriors.beliefs import tails
from ...posteriors.foundation.arrays import Floats, Ints
from ...posteriors.foundation.messages import named
from ..kernels import run as _kernels
from ..policies.gittins import Gittins
from ..policies.variance_reduction import VarianceReduction
from ..policy import IndexPolicy, Policy
from .gittins_tables import AHEAD, ROWS, IndexBook, book_of

__all__ = ["PlainLabels", "PlainSource", "Run", "can_run", "pays", "run_policy", "tabled"]

Observe = Callable[[int, Ints, Ints], None]

# States in all windows together: a window is small for many items, and large for few.
_WINDOW_STATES = 4_000_000
_LEAST_ROWS, _MOST_ROWS = 6, 24
_NOTHING = np.empty(0)
# Number of items from which on Gittins indices come from tables.
TABLED = 200


class PlainLabels(NamedTuple):
    """Labels of one replication as the compiled run gets them.

    Attributes
    ----------
    source : ndarray, shape (N,)
        Chance that a label of each item is a win; with ``votes``, the place of the item's first vote among them.
    votes : ndarray of int8
        Recorded votes of all items, one item after another; empty where labels are drawn.
    """

    source: Floats
    votes: NDArray[np.int8]


class PlainSource(Protocol):
    """Source of labels that gives them as plain arrays."""

    def plain(self, row: int) -> PlainLabels:
        """Labels of a replication."""


def can_run(problem: Problem, policy: Policy) -> bool:
    """True if a policy can run on a problem this way: by its index alone, with no quota and no batches."""
    return isinstance(policy, IndexPolicy) and not policy.uses_remaining and not problem.quota and problem.batch == 1


class Run:
    """State of one replication; ``replications`` that begin in it share its first windows."""

    def __init__(
        self,
        problem: Problem,
        policy: IndexPolicy,
        labels: PlainLabels,
        key: NDArray[np.uint64],
        replications: int = _MOST_ROWS,
    ) -> None:
        self.problem, self.policy, self.key = problem, policy, key
        self.replications = replications
        self.lock = Lock()
        size = problem.size
        self.scale = ask_scale(policy, problem)
        groups = 1 << max(0, (-(-size // 8) - 1)).bit_length()
        self.scores = _aligned(groups, 8).reshape(-1)
        self.scores[:] = -np.inf
        self.tree = _aligned(2 * groups, 2).view(np.int64)
        self.row = _aligned(size, 8)
        self.row[:, _kernels.SOURCE], self.votes = labels
        self.row[:, _kernels.CAP] = problem.cap
        self.row[:, _kernels.FACTOR] = problem.weight / problem.cost
        self.base = np.zeros((size, 2), dtype=np.int64)
        self.rows = 0
        self.window = np.empty((0, 0))
        self.belief, self.settings = np.empty((0, 4)), np.zeros(5)
        self.begin, self.value = np.empty((0, 2), dtype=np.int32), np.empty(0, dtype=np.float32)
        self.at = np.array([0, 0, 0, -1], dtype=np.int64)
        self.money = np.array([with_slack(problem.budget)])
        self.waiting = np.empty(size, dtype=np.int64)
        self.cost = _NOTHING if problem.unit_costs else problem.cost.copy()
        self.dear = np.argsort(-problem.cost, kind="stable") if self.cost.size else np.empty(0, dtype=np.int64)
        if _closed(problem, policy):
            assert isinstance(problem.prior, np.ndarray)
            self.rule = _kernels.CLOSED
            a, b = problem.prior.T
            self.row[:, _kernels.FREE] = problem.threshold
            self.row[:, _kernels.HAND] = np.exp(tails.log_step(a, b, problem.threshold))
            self.row[:, _kernels.X], self.row[:, _kernels.Y] = a, b
        else:
            book = book_of(problem) if tabled(problem, policy) else None
            if book is not None:
                self._open(book)
            else:
                self._take_windows()
        self._score(np.arange(size))
        bad = np.flatnonzero(~np.isfinite(self.scores[:size]) & (problem.cap > 0))
        if bad.size:
            found = self.scores[bad[0]]
            what = f"{named(policy.name)}: score of {named(problem.name[bad[0]])}"
            raise ValueError(f"{what} is {found}; it must be finite")
        _kernels.build(self.scores, self.tree, self.scale)

    def _score(self, items: Ints) -> None:
        """Score some items at their present states."""
        _kernels.score_items(self._scoring(), items, self.scores)

    def _scoring(self) -> _kernels.Scoring:
        """The kernel's record of how items are scored."""
        tables = self.rows, self.begin, self.value
        return _kernels.Scoring(self.rule, self.row, *tables, self.belief, self.settings, self.window)

    def _begin(self, items: Ints) -> None:
        """Count labels and wins of some items from their present states on."""
        won, lost = self.row[items, _kernels.X], self.row[items, _kernels.Y]
        self.base[items] += np.stack([won + lost, won], axis=1).astype(np.int64)
        self.row[items, _kernels.X] = self.row[items, _kernels.Y] = 0.0

    def _open(self, book: IndexBook) -> None:
        """Score items from the tables of a book."""
        self.rule, self.rows = _kernels.TABLES, ROWS
        self.row[:, _kernels.HAND], self.row[:, _kernels.FREE] = book.table, book.between
        # Stored at half their width, since the time for a label is spent waiting for them.
        tables = book.tables
        self.begin = np.column_stack([np.append(tables.first, 0), tables.begin]).astype(np.int32)
        self.value = tables.value.astype(np.float32)
        problem = self.problem
        assert book.kink is not None
        self.belief = np.column_stack(beliefs_at_kink(problem, slice(None)))
        self.settings = np.array([*book.kink, AHEAD, 0.0, book.floor])

    def _take_windows(self) -> None:
        """Score items from windows that begin at their present states."""
        size = self.problem.size
        self.rule = _kernels.WINDOW
        # Few replications do not reach so many states as windows have that are worth it for many.
        most = min(_MOST_ROWS, 4 * self.replications)
        rows = int(np.clip(np.sqrt(2.0 * _WINDOW_STATES / size), _LEAST_ROWS, max(_LEAST_ROWS, most)))
        # States beyond the largest cap are never reached. Kernels take an even number of rows.
        self.rows = min(rows // 2, int(self.problem.cap.max()) // 2 + 1) * 2
        self.window = np.empty((size, self.rows * (self.rows + 1) // 2))
        self._begin_windows(np.arange(size))

    def _begin_windows(self, items: Ints) -> None:
        """Make the windows of some items, from their present states on."""
        self._begin(items)
        if items.size:
            step = max(1, _WINDOW_STATES // self.window.shape[1])
            for k in range(0, len(items), step):
                part = items[k : k + step]
                self.window[part] = self._ahead(part, self.base[part])

    def _ahead(self, items: Ints, base: Ints) -> Floats:
        """Scores of the states up to ``rows`` - 1 labels ahead, shape (items, states)."""
        more, won = np.tril_indices(self.rows)
        cap = self.problem.cap[items]
        # States beyond the cap are never reached, and a formula need not hold there.
        labels = np.minimum(base[:, :1] + more, cap[:, None])
        wins = np.minimum(base[:, 1:] + won, labels)
        which = np.broadcast_to(items[:, None], labels.shape)
        states = known_states(self.problem, which, labels.astype(np.float64), wins.astype(np.float64))
        # Replications may run in threads, and a policy need not be thread-safe.
        with self.lock:
            return ask_index(self.policy, states)

    def until(self, labels: int) -> None:
        """Continue until ``labels`` labels are bought, or no more can be bought."""
        while True:
            why = _kernels.run(
                self._scoring(),
                _kernels.Tournament(self.scores, self.tree, self.scale),
                _kernels.Budget(self.cost, self.dear, self.money),
                self.votes,
                self.policy.ties == "first",
                self.key,
                labels,
                self.at,
                self.waiting,
            )
            if why == _kernels.SPENT:
                return
            items = self.waiting[: self.at[2]].copy()
            # Scoring again brings back items that are too expensive, until they are taken out again.
            self.at[1:] = 0, 0, -1
            if why == _kernels.ALL_ZERO:
                # All scores that are left are below the floor of the tables.
                self._take_windows()
                self._score(np.arange(self.problem.size))
                _kernels.build(self.scores, self.tree, self.scale)
                continue
            self._begin_windows(items)
            self._score(items)
            _kernels.place_items(self.scores, self.tree, items, self.scale)

    @property
    def counts(self) -> tuple[Ints, Ints]:
        """Labels and wins of each item, shape (N,)."""
        labels = self.row[:, _kernels.LABELLED].astype(np.int64)
        if self.rule == _kernels.CLOSED:
            assert isinstance(self.problem.prior, np.ndarray)
            return labels, np.rint(self.row[:, _kernels.X] - self.problem.prior[:, 0]).astype(np.int64)
        return labels, self.base[:, 1] + self.row[:, _kernels.X].astype(np.int64)

    def with_labels(self, labels: PlainLabels, key: NDArray[np.uint64]) -> Run:
        """Copy of this start for another replication."""
        one = copy.copy(self)
        for name in ("row", "base", "window", "scores", "tree", "at", "money", "waiting", "settings"):
            setattr(one, name, _aligned_copy(getattr(self, name)))
        one.row[:, _kernels.SOURCE], one.votes = labels
        one.key = key
        return one


def run_policy(
    problem: Problem,
    policy: IndexPolicy,
    source: PlainSource,
    keys: NDArray[np.uint64],
    *,
    stops: Sequence[int] = (),
    observe: Observe | None = None,
    threads: int = 1,
) -> tuple[Ints, Ints]:
    """Spend the budget in each of R replications.

    Parameters
    ----------
    problem, policy
        For which ``can_run`` holds.
    source : PlainSource
        Labels of R replications.
    keys : ndarray of uint64, shape (R, 2)
        Philox keys of the replications.
    stops : sequence of int
        Numbers of labels after each of which ``observe`` is called.
    observe : callable, optional
        Called as ``observe(labels, counts, wins)``, with arrays of shape (R, N).
    threads : int
        Number of replications that run in parallel; the results do not depend on it.

    Returns
    -------
    counts, wins : ndarray of int, shape (R, N)
        Labels and wins of each item at the end.
    """
    policy.require(problem)
    start = Run(problem, policy, source.plain(0), keys[0], len(keys))
    marks = sorted({s for s in stops if s <= problem.labels}) if observe else []
    shape = (len(keys), problem.size)
    # At half their width, since all of them are held until the last replication ends.
    seen = np.empty((len(marks), 2, *shape), dtype=np.int32)
    ends = np.empty((2, *shape), dtype=np.int64)

    def replicate(r: int) -> None:
        one = start.with_labels(source.plain(r), keys[r])
        for k, stop in enumerate(marks):
            one.until(stop)
            seen[k, :, r] = one.counts
        one.until(problem.labels)
        ends[:, r] = one.counts

    if threads > 1:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(replicate, range(len(keys))))
    else:
        for r in range(len(keys)):
            replicate(r)
    for stop, found in zip(marks, seen, strict=True):
        assert observe is not None
        observe(stop, *found.astype(np.int64))
    return ends[0], ends[1]


def pays(problem: Problem, policy: Policy, replications: int) -> bool:
    """True if a policy should run this way: where it determines the index, or is faster than label by label.

    The choices are the same either way, except for Gittins indices from tables: for these, the answer must not depend
    on the number of replications.
    """
    if not can_run(problem, policy):
        return False
    if tabled(problem, policy):
        return True
    closed = _closed(problem, policy)
    # Approximate seconds on a machine of 2020; only the point where they cross matters.
    labels = problem.labels
    together = labels * (6e-5 + 1.5e-9 * problem.size * replications)
    alone = replications * (3e-4 + 1e-6 * problem.size + labels * (4e-7 if closed else 1e-5))
    return alone < together


def _closed(problem: Problem, policy: Policy) -> bool:
    """True if scores come from the closed form; a subclass may define another index."""
    if type(policy) is not VarianceReduction or not isinstance(problem.prior, np.ndarray):
        return False
    return not problem.sharp.any()


def tabled(problem: Problem, policy: Policy) -> bool:
    """True if scores come from tables of the Gittins index, which look at least ``AHEAD`` labels ahead."""
    if type(policy) is not Gittins or not Gittins.most <= policy.most <= AHEAD:
        return False
    return problem.size >= TABLED and one_kink(problem) is not None


def _aligned(rows: int, columns: int) -> Floats:
    """Zeros whose rows begin on cache lines."""
    raw = np.zeros(rows * columns + 8)
    skip = (-raw.ctypes.data % 64) // 8
    return raw[skip : skip + rows * columns].reshape(rows, columns)


def _aligned_copy(array: NDArray[Any]) -> NDArray[Any]:
    out = _aligned(1, array.size).reshape(-1).view(array.dtype).reshape(array.shape)
    out[:] = array
    return out
