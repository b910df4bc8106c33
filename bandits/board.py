"""The board: labels and wins so far, and the policy's scores, kept up to date label by label.

Simulation, replay and the ask/tell session all choose and record through this class, so that a policy means the same
in each. R independent replications stand side by side. For an index policy one label changes one score, and only that
one is computed again; policies that look at the budget left, and other policies, score the whole state.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from joblib import cpu_count
from numpy.typing import NDArray

from ..dp.lattice import available_memory
from ..dp.problem import Problem
from ..dp.states import states_at
from . import _kernels
from .policy import IndexPolicy, Policy

__all__ = ["Board", "replication_keys", "workers"]

Ints = NDArray[np.int64]
Seed = int | np.random.SeedSequence | np.random.Generator


# A seed and its key, as Python objects: 384 bytes by tracemalloc, and some for the results.
_BYTES_A_REPLICATION = 500


def replication_keys(seed: Seed, replications: int) -> tuple[list[np.random.SeedSequence], NDArray[np.uint64]]:
    """Independent seed and Philox key (R, 2) of each replication; the r-th is the same for any number of them.

    A ``SeedSequence`` is copied before it spawns, so that the same one gives the same answer twice; a ``Generator``
    is a stream, and moves on.
    """
    if replications * _BYTES_A_REPLICATION > available_memory():
        raise ValueError(
            f"replications is {replications}; {available_memory() // _BYTES_A_REPLICATION} fit in the memory available"
        )
    if isinstance(seed, np.random.Generator):
        seed = int(seed.integers(2**63))
    if isinstance(seed, (int, np.integer)) and seed < 0:
        raise ValueError(f"seed is {seed}; it must not be negative")
    if isinstance(seed, (int, np.integer)):
        root = np.random.SeedSequence(int(seed))
    elif not isinstance(seed, np.random.SeedSequence):
        raise ValueError(f"seed is {seed!r}; it must be a whole number, a SeedSequence or a Generator")
    else:
        root = np.random.SeedSequence(entropy=seed.entropy, spawn_key=seed.spawn_key, pool_size=seed.pool_size)
    children = root.spawn(replications)
    return children, np.array([c.generate_state(2, np.uint64) for c in children]).reshape(replications, 2)


def workers(n_jobs: int, tasks: int) -> int:
    """Worker processes to start: never more than there is work for."""
    if isinstance(n_jobs, bool) or not isinstance(n_jobs, (int, np.integer)) or not (n_jobs == -1 or n_jobs >= 1):
        raise ValueError(f"the number of workers is {n_jobs!r}; allowed: 1 and more, or -1 for one on each core")
    return max(1, min(cpu_count() if n_jobs == -1 else int(n_jobs), tasks))


class Board:
    """State of R replications of one policy on one problem.

    Parameters
    ----------
    problem : Problem
    policy : Policy
    keys : ndarray of uint64, shape (R, 2)
        Philox keys that break ties.
    """

    def __init__(self, problem: Problem, policy: Policy, keys: NDArray[np.uint64]) -> None:
        self.problem, self.policy, self.keys = problem, policy, keys
        shape = (len(keys), problem.size)
        self.counts = np.zeros(shape, dtype=np.int64)
        self.wins = np.zeros(shape, dtype=np.int64)
        self._usable = np.broadcast_to(problem.cap > 0, shape).copy()
        self._scale = float(policy.index_scale(problem))
        self._out = np.empty(len(keys), dtype=np.int64)
        self._scores: NDArray[np.float64] | None = None
        if isinstance(policy, IndexPolicy) and not policy.uses_remaining:
            self._scores = np.repeat(self._all_scores(self.counts[:1], self.wins[:1]), len(keys), axis=0)

    def choose(self, step: int, usable: NDArray[np.bool_] | None = None) -> Ints:
        """Next item of each replication, shape (R,); -1 where nothing can be labelled.

        ``step`` numbers the choice, for the random number that breaks a tie. ``usable`` narrows the items further.
        """
        scores = self._scores
        if scores is None:
            scores = self._all_scores(self.counts, self.wins)
        allowed = self._usable if usable is None else self._usable & usable
        first = self.policy.ties == "first"
        _kernels.choose(scores, allowed, self._scale, first, step, self.keys, self._out)
        return self._out.copy()

    def record(self, rows: Ints, items: Ints, labels: NDArray[Any]) -> None:
        """Enter one label in each of ``rows``; a row may occur once."""
        self.counts[rows, items] += 1
        self.wins[rows, items] += labels.astype(np.int64)
        n = self.counts[rows, items]
        self._usable[rows, items] = n < self.problem.cap[items]
        if self._scores is not None and isinstance(self.policy, IndexPolicy):
            states = states_at(self.problem, items, n.astype(np.float64), self.wins[rows, items].astype(np.float64))
            fresh = np.broadcast_to(np.asarray(self.policy.index(states), dtype=np.float64), rows.shape)
            self._refuse_nan(fresh, items)
            self._scores[rows, items] = fresh

    def _all_scores(self, counts: Ints, wins: Ints) -> NDArray[np.float64]:
        # Writeable too: for an array that is not, such as a broadcast row, the kernel would be compiled once more.
        scores = np.require(self.policy.scores(self.problem, counts, wins), np.float64, ["C", "W"])
        if scores.shape != counts.shape:
            raise ValueError(f"{self.policy.name}: scores have shape {scores.shape}; it must be {counts.shape}")
        self._refuse_nan(scores, np.arange(self.problem.size))
        return scores

    def _refuse_nan(self, scores: NDArray[np.float64], items: Ints) -> None:
        bad = np.flatnonzero(~np.isfinite(scores))
        if bad.size:
            name = self.problem.name[int(np.broadcast_to(items, scores.shape).flat[bad[0]])]
            raise ValueError(f"{self.policy.name}: score of {name} is {scores.flat[bad[0]]}; it must be finite")
