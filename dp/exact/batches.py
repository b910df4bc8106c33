r"""Exact optimum when labels are bought in batches.

A batch d = (d_1..d_N) is chosen as a whole, and its outcomes X are seen once it is bought:

    V(n, w) = max_d  E[ V(n + d, w + X) | n, w ],

over the batches of B labels that can be bought one after another, or of fewer where no further label is available, and
over buying nothing more where all quotas are met.
B = 1 is sequential; with B = K all labels are allocated at once. V_sequential - V_B is the *price of batching*.

The distribution of X is known. Expectations over the labels of a batch are taken one label at a time, since

    E[f(w + X)] for d + e_i  =  mu_i(n_i, w_i) E[f for d | a win] + (1 - mu_i(n_i, w_i)) E[f for d | a loss],

and in terms of U = V - G each label adds its item's gain, as in ``sweep``. The expectations are taken from the block n'
in which a batch ends down to the block n in which it begins.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ...posteriors.foundation.arrays import Bools, Floats, Ints
from ...posteriors.foundation.memory import require_memory
from ...posteriors.foundation.progress import Progress
from ..kernels.dense import TIE
from ..problem.problem import Problem
from ..problem.tables import Tables
from .lattice import Lattice

__all__ = ["BatchPolicy", "solve_batches"]

Composition = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class BatchPolicy:
    """Optimal batches at the start and, with a kept policy, in every state in which a batch begins."""

    choices: dict[Composition, tuple[list[Composition], Bools]]

    def batches(self, counts: Ints, wins: Ints) -> Ints:
        """All optimal batches in a state, one row of labels for each, shape (ties, N)."""
        found = self.choices.get(tuple(counts.tolist()))
        if found is None:
            more = " or the policy was not kept: call solve(problem, keep_policy=True)" if counts.any() else ""
            raise ValueError(f"after {counts.tolist()} labels no batch begins,{more or ' nothing can be bought'}")
        batches, best = found
        return np.array(batches, dtype=np.int64)[best[(slice(None), *wins.tolist())]]


class _Graph:
    """Compositions as tuples, with their successors."""

    def __init__(self, lattice: Lattice) -> None:
        self.known = set()
        self.layers: list[list[Composition]] = []
        for m in range(lattice.depth + 1):
            layer = [tuple(row) for row in lattice.layer(m).composition.tolist()]
            self.layers.append(layer)
            self.known.update(layer)

    def available(self, n: Composition) -> Iterator[int]:
        """Items that can be labelled."""
        for i in range(len(n)):
            if (*n[:i], n[i] + 1, *n[i + 1 :]) in self.known:
                yield i

    def ends(self, n: Composition, batch: int) -> list[Composition]:
        """Compositions at which a batch that begins at ``n`` can end."""
        frontier, ends = {n}, []
        for _ in range(batch):
            grown = set()
            for x in frontier:
                following = [(*x[:i], x[i] + 1, *x[i + 1 :]) for i in self.available(x)]
                grown.update(following)
                if not following:
                    ends.append(x)
            frontier = grown
        return sorted(ends + list(frontier))


def solve_batches(
    problem: Problem,
    lattice: Lattice,
    tables: Tables,
    keep_policy: bool,
    scale: float,
    dtype: np.dtype,
    progress: Progress | None,
) -> tuple[float, BatchPolicy, int, int]:
    """Advantage at the start, the policy, the number of states in which batches begin or end, and the memory."""
    batch, items = problem.batch, problem.size
    require_memory(lattice.bytes_needed(), lattice.states)
    sizes = lattice.layer_states
    begins = range(0, lattice.depth + 1, batch)
    # Values where batches begin or end, the blocks within a batch, and a byte for each batch of a kept policy.
    held = sum(sizes) if lattice.quota or not problem.unit_costs else sum(sizes[m] for m in (*begins, lattice.depth))
    needed = 8 * held + 1000 * sum(lattice.layer_blocks)
    require_memory(needed, held)
    graph = _Graph(lattice)
    mean, gain = tables.cast(dtype)
    values: dict[Composition, Floats] = {}
    choices: dict[Composition, tuple[list[Composition], Bools]] = {}
    done = 0
    for m in reversed(begins):
        if progress:
            progress(done, held)
        for n in graph.layers[m]:
            ends = [end for end in graph.ends(n, batch) if end != n]
            shape = tuple(x + 1 for x in n)
            if not ends:
                values[n] = np.zeros(shape, dtype)
                continue
            marks = keep_policy or m == 0
            worth = []
            best = np.full(shape, -np.inf, dtype)
            for end in ends:
                start = values.get(end)
                value = np.zeros(tuple(x + 1 for x in end), dtype) if start is None else start
                for i in range(items):
                    for labels in range(end[i] - 1, n[i] - 1, -1):
                        value = _one_label(value, i, mean[i, labels], gain[i, labels])
                np.maximum(best, value, out=best)
                if marks:
                    worth.append(value)
            if problem.may_stop and lattice.free(np.array([n]))[0]:
                np.maximum(best, 0.0, out=best)
            values[n] = best
            if marks:
                level = best - TIE * np.maximum(np.abs(best), scale)
                batches = [tuple(y - x for x, y in zip(n, end, strict=True)) for end in ends]
                choices[n] = (batches, np.array(worth) >= level)
            done += best.size
    if progress:
        progress(held, held)
    return float(values[(0,) * items].flat[0]), BatchPolicy(choices), held, needed


def _one_label(value: Floats, axis: int, chance: Floats, gain: Floats) -> Floats:
    """Expectation over one label of an item; the item's axis becomes shorter by one."""
    size = value.shape[axis] - 1
    lost = np.take(value, range(size), axis)
    won = np.take(value, range(1, size + 1), axis)
    shape = [1] * value.ndim
    shape[axis] = size
    return np.asarray(lost + chance[:size].reshape(shape) * (won - lost) + gain[:size].reshape(shape))
