"""The lattice of label counts, cut into layers and dense blocks.

A state is (n, w): labels and wins of every item. States with the same composition n = (n_1..n_N) form a *block* of
prod(n_i + 1) values, one for each win vector, stored with the last item's wins contiguous. Blocks whose labels sum to
m form *layer* m. One label leads from layer m to layer m + 1, so a sweep needs two layers at a time.

Within a layer compositions stand in lexicographic order. With C_i(r) the number of ways to give at most r labels to
items i..N-1 within their caps, the rank of a composition is a sum of N differences of such counts, so a successor's
block is found without a search. For N items, K labels and no caps there are C(K + 2N, 2N) states in all.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from . import _kernels
from .problem import Problem

__all__ = ["Lattice", "ProblemTooLarge", "available_memory"]

Ints = NDArray[np.int64]
BYTES = 8


class ProblemTooLarge(ValueError):
    """The lattice does not fit in memory; the message says by how much and what to call instead."""


def available_memory() -> int:
    """Bytes that can be taken without swapping: what the system reports, within any control-group limit."""
    free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        for line in meminfo.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                free = int(line.split()[1]) * 1024
    limit, used = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")
    if limit.exists() and used.exists() and limit.read_text().strip().isdigit():
        free = min(free, int(limit.read_text()) - int(used.read_text()))
    return max(free, 0)


@dataclass(frozen=True)
class Layer:
    """One layer: ``composition`` (C, N), ``offset`` (C + 1,) of each block, ``successor`` (C, N), -1 where capped."""

    composition: Ints
    offset: Ints
    successor: Ints

    @property
    def states(self) -> int:
        """Values in this layer."""
        return int(self.offset[-1])


class Lattice:
    """Counts, sizes and layers of a problem's lattice.

    Parameters
    ----------
    cap : ndarray of int, shape (N,)
        Labels that can be had for each item.
    depth : int
        Labels that will be bought.
    """

    def __init__(self, cap: Ints, depth: int) -> None:
        self.cap = np.minimum(cap, depth).astype(np.int64)
        self.depth = depth

    @classmethod
    def of(cls, problem: Problem) -> Lattice:
        """Lattice of a problem."""
        return cls(problem.cap, problem.labels)

    def _layer_sizes(self, per_item: int) -> list[int]:
        """Coefficients of prod_i sum_{n <= cap_i} (n + 1)^per_item x^n, in exact integers."""
        sizes = [1] + [0] * self.depth
        for cap in self.cap[self.cap > 0].tolist():
            # (1-x)^-2 and (1-x)^-1 as running sums; caps subtract the shifted remainder of the series.
            if per_item:
                shifted = [0] * (cap + 1) + sizes
                sizes = [
                    s - (cap + 2) * shifted[m] + (cap + 1) * (shifted[m - 1] if m else 0) for m, s in enumerate(sizes)
                ]
            else:
                shifted = [0] * (cap + 1) + sizes
                sizes = [s - shifted[m] for m, s in enumerate(sizes)]
            for _ in range(per_item + 1):
                for m in range(1, self.depth + 1):
                    sizes[m] += sizes[m - 1]
        return sizes

    @cached_property
    def layer_states(self) -> list[int]:
        """States in each layer, as exact Python integers."""
        return self._layer_sizes(1)

    @cached_property
    def layer_blocks(self) -> list[int]:
        """Compositions in each layer, as exact Python integers."""
        return self._layer_sizes(0)

    @property
    def states(self) -> int:
        """States in all."""
        return sum(self.layer_states)

    def bytes_needed(self, bytes_kept: int = 0) -> int:
        """Peak memory of a sweep: two adjacent layers with their indices, the items' tables, the policy if kept."""
        items = len(self.cap)
        width = int(self.cap.max()) + 1
        states, blocks = self.layer_states, self.layer_blocks
        # Both buffers live through the whole sweep, so the widest values may meet the widest indices.
        values = BYTES * (max(states[::2]) + max(states[1::2], default=0))
        index = 8 * (2 * items + 2) * max(x + y for x, y in zip(blocks, [*blocks[1:], 0], strict=True))
        kept = bytes_kept * self.states + (8 * sum(blocks) if bytes_kept else 0)
        # Index, mean, payoff and belief tables while they are built, and the last item's working arrays.
        tables = BYTES * width * width * (7 * items + 4)
        # The kernels' strides in each thread, the rank counts of the composition order, and Python's own objects.
        small = 8 * items * items * (os.cpu_count() or 1) + 8 * (items + 1) * (self.depth + 2) + 2000 * items + 200_000
        return values + index + kept + tables + small

    def require(self, bytes_kept: int = 0) -> None:
        """Raise ``ProblemTooLarge`` unless a sweep fits in memory; nothing is allocated."""
        available = available_memory()
        states, needed = self._at_least(available)
        if needed <= available:
            states, needed = self.states, self.bytes_needed(bytes_kept)
        if needed > available:
            raise ProblemTooLarge(
                f"problem too large for an exact solution: at least {states:.3g} states and {_size(needed)} of "
                f"memory are needed, {_size(available)} are available; use simulate for a policy's value and "
                "upper_bound for what the optimum cannot exceed"
            )

    def _at_least(self, available: int) -> tuple[int, int]:
        """Cheap lower bounds on states and bytes.

        Exact counts take about N K additions of large integers. Where these are many, one of the following is large:
        the items' tables, the compositions of one label, or the widest layer of the first few items and labels.
        """
        items = len(self.cap)
        usable = self.cap[self.cap > 0]
        needed = max(BYTES * 2 * items * (int(self.cap.max()) + 1) ** 2, 16 * items * len(usable))
        for count in (2, 4, 8, 16, 32):
            part = Lattice(usable[:count], min(self.depth, int(usable[:count].sum()), 1000))
            widest = BYTES * max(part.layer_states)
            if count >= len(usable) or widest > available:
                break
        return part.states, max(needed, widest)

    @cached_property
    def _cumulative(self) -> Ints:
        """C[i, r]: ways to give at most r labels to items i.. within their caps."""
        items = len(self.cap)
        exact = np.zeros((items + 1, self.depth + 1), dtype=np.int64)
        exact[items, 0] = 1
        for i in range(items - 1, -1, -1):
            running = np.cumsum(exact[i + 1])
            exact[i] = running
            cap = int(self.cap[i])
            exact[i, cap + 1 :] -= running[: max(self.depth - cap, 0)]
        return np.cumsum(exact, axis=1)

    def layer(self, m: int) -> Layer:
        """Compositions of m labels with their block offsets and successors."""
        composition = np.empty((self.layer_blocks[m], len(self.cap)), dtype=np.int64)
        _kernels.compositions(m, self.cap, composition)
        offset = np.zeros(len(composition) + 1, dtype=np.int64)
        np.cumsum(np.prod(composition + 1, axis=1), out=offset[1:])
        successor = np.full(composition.shape, -1, dtype=np.int64)
        if m < self.depth:
            _kernels.successors(composition, self.cap, self._cumulative, successor)
        return Layer(composition, offset, successor)

    def rank(self, composition: Ints) -> int:
        """Position of a composition in its layer."""
        return int(_kernels.rank(np.ascontiguousarray(composition, dtype=np.int64), self._cumulative))


def _size(count: int) -> str:
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB", "PiB"):
        if value < 1024:
            return f"{value:.3g} {unit}"
        value /= 1024
    return f"{value:.3g} EiB"
