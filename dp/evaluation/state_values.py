r"""Values of a policy in every state: the advantage of continuing with the policy from there.

The sweep of ``evaluate`` keeps one layer. Here all layers are kept, at eight bytes for each state, so that the
advantage of continuing with policy pi can be looked up:

    U_pi(n, w) = sum_i pi_i(n, w) Q_pi(n, w, i),
    Q_pi(n, w, i) = d_i(n_i, w_i) + mu_i U_pi(n + e_i, w + e_i) + (1 - mu_i) U_pi(n + e_i, w),

an advantage over buying no further label, as in ``sweep``. Labelling the item of largest Q_pi once and continuing with
pi is never worse than pi, in any state; nor is doing so in every state (policy improvement: Howard 1960).
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from ...posteriors.foundation.arrays import Bools, Floats, Ints
from ...posteriors.foundation.memory import require_memory
from ...posteriors.foundation.progress import Progress
from ..exact.lattice import BYTES, Lattice, Layer
from ..kernels import policy as _kernels
from ..machine.workers import cores, run
from ..problem.given_states import state_arrays
from ..problem.problem import Problem
from ..problem.tables import tables_of
from .choices import Choices, IndexChoices, check_policy, choices_of, runs_of_blocks

__all__ = ["PolicyValues", "values_bytes"]


def values_bytes(lattice: Lattice) -> float:
    """Peak memory in bytes of computing a policy's values."""
    items = len(lattice.cap)
    return BYTES * (lattice.states + 2.0 * sum(lattice.layer_blocks)) + (
        lattice.bytes_needed() + BYTES * (3 * items + 1) * max(lattice.layer_states)
    )


class PolicyValues:
    """Advantages of continuing with a policy, in every state of a small problem.

    Parameters
    ----------
    problem : Problem
    policy : index policy or joint policy
        As for ``evaluate``.
    threads, progress
        As for ``solve``.

    Attributes
    ----------
    states : int
        Number of states.

    Raises
    ------
    ProblemTooLarge
        If the values do not fit in memory.

    Examples
    --------
    >>> import seqaudit as sa
    >>> problem = sa.Problem([0.5, 0.7], budget=4)
    >>> values = PolicyValues(problem, sa.KnowledgeGradient())
    >>> start = np.zeros((1, 2), dtype=np.int64)
    >>> round(float(values.at(start, start)[0]), 6)
    0.395575
    >>> values.of_labels(start, start, np.array([[True, True]])).round(6)
    array([[0.395575, 0.395575]])
    """

    def __init__(
        self, problem: Problem, policy: Any, *, threads: int | None = None, progress: Progress | None = None
    ) -> None:
        check_policy(problem, policy)
        lattice = Lattice.of(problem)
        lattice.require_countable()
        require_memory(values_bytes(lattice), lattice.states)
        self._problem, self.lattice, self.states = problem, lattice, lattice.states
        self._tables = tables_of(problem)
        self._base = np.cumsum([0, *lattice.layer_states], dtype=np.int64)
        self._values = np.zeros(int(self._base[-1]))
        last = lattice.layer(lattice.depth)
        # For each layer, the slots of its blocks and the offsets of their values; the last layer comes first.
        self._blocks = [(last.slot, self._base[lattice.depth] + last.begin)]
        choices, count, done = choices_of(problem, policy), cores(threads), last.states
        with ThreadPoolExecutor(count) as pool:
            for m in range(lattice.depth - 1, -1, -1):
                if progress:
                    progress(done, lattice.states)
                layer = lattice.layer(m)
                shares = np.searchsorted(layer.begin, np.linspace(0, layer.states, count + 1)[1:-1])
                cuts = np.unique([0, *shares.tolist(), len(layer.slot)]).tolist()
                run(pool, [partial(self._fill, choices, m, layer, a, b) for a, b in pairwise(cuts)])
                self._blocks.append((layer.slot, self._base[m] + layer.begin))
                done += layer.states
        self._blocks.reverse()
        if progress:
            progress(lattice.states, lattice.states)

    def _fill(self, choices: Choices, m: int, layer: Layer, first: int, last: int, stop: threading.Event) -> None:
        """Compute the values of some blocks of layer m from those of layer m + 1."""
        _, begin = self._blocks[-1]
        source = np.where(layer.block >= 0, begin[layer.block], np.int64(-1))
        where = (layer.composition, self._base[m] + layer.begin[:-1], source, self._tables.mean, self._tables.gain)
        for a, b in runs_of_blocks(layer.size, first, last):
            if stop.is_set():
                return
            if isinstance(choices, IndexChoices):
                index, which = choices.tables(layer)
                _kernels.follow_index(a, b, *where, index, which, choices.scale, choices.average, self._values)
            else:
                rows = layer.begin - layer.begin[a]
                chance = np.zeros((int(rows[b]), len(self.lattice.cap)))
                choices.chances(layer, a, b, rows, chance)
                _kernels.mix(a, b, *where, rows, chance, self._values)

    def at(self, counts: Ints, wins: Ints) -> Floats:
        """Advantage of continuing with the policy in S states, shape (S,); ``counts`` and ``wins`` of shape (S, N).

        States may have different numbers of labels. A state outside the lattice, which the budget does not afford or
        from which quotas cannot be met, raises a ``ValueError``.
        """
        counts, wins = state_arrays(self._problem, counts, wins)
        labels = counts.sum(axis=1)
        slots = self.lattice.slots_of(counts)
        out = np.empty(len(counts))
        for m in np.unique(labels):
            rows = np.flatnonzero(labels == m)
            known, begin = self._blocks[m] if m <= self.lattice.depth else (np.empty(0, dtype=np.int64),) * 2
            block = np.searchsorted(known, slots[rows])
            held = (block < len(known)) & (slots[rows] >= 0)
            held[held] = known[block[held]] == slots[rows][held]
            if not held.all():
                state = counts[rows[np.argmin(held)]].tolist()
                raise ValueError(f"labels {state} are outside the problem: its budget, caps or quotas rule them out")
            place = np.zeros(len(rows), dtype=np.int64)
            for i in range(counts.shape[1]):
                place = place * (counts[rows, i] + 1) + wins[rows, i]
            out[rows] = self._values[begin[block] + place]
        return out

    def of_labels(self, counts: Ints, wins: Ints, usable: Bools) -> Floats:
        """Advantage of labelling each item and then continuing with the policy, (S, N); -inf for unavailable items."""
        counts, wins = state_arrays(self._problem, counts, wins)
        out = np.full(counts.shape, -np.inf)
        for i in range(counts.shape[1]):
            rows = np.flatnonzero(usable[:, i])
            if not rows.size:
                continue
            n, w = counts[rows].copy(), wins[rows].copy()
            mean = self._tables.mean[i, n[:, i], w[:, i]]
            gain = self._tables.gain[i, n[:, i], w[:, i]]
            n[:, i] += 1
            lost = self.at(n, w)
            w[:, i] += 1
            out[rows, i] = gain + lost + mean * (self.at(n, w) - lost)
        return out
