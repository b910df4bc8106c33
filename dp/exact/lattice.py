"""The lattice of label counts: blocks, layers, and the storage of their values.

A state is (n, w): labels and wins of every item. States with the same composition n = (n_1..n_N) form a *block* of
prod(n_i + 1) values, one for each win vector, stored with the last item's wins contiguous. Blocks whose labels sum to
m form *layer* m. One label leads from layer m to layer m + 1.

A sweep holds a single layer in memory. Compositions that differ only in the first item's labels share a *slot*, large
enough for the largest block of them that is stored. In layer m a slot holds one composition at most, since the other
counts s = (n_2..n_N), the *suffix*, leave n_1 = m - sum(s). When layer m replaces layer m + 1, the block n takes the
place of n + e_1, which no other block needs except those of smaller suffixes n - e_i + e_1: all values that block n
needs lie in its own slot or in slots of larger suffixes. So blocks are overwritten in lexicographic order of their
suffixes, and nothing is overwritten too early.

With costs, caps and quotas the lattice holds the compositions that the budget affords and from which all quotas can
still be met. For N items, a budget of K at unit costs and no caps there are C(K + 2N, 2N) states in all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ...posteriors.foundation.arrays import Bools, Floats, Ints
from ...posteriors.foundation.kinds import checked
from ...posteriors.foundation.memory import require_memory, too_large
from ...posteriors.foundation.number_arrays import numbers, whole_array
from ...posteriors.foundation.refusals import nonnegative, refused, same_length, whole
from ..kernels import lattice as _kernels
from ..machine.workers import cores
from ..problem.budget import Quota, least_cost, quotas_met, with_slack
from ..problem.problem import Problem

__all__ = ["BYTES", "Lattice", "Layer"]

BYTES = 8
# Enumerating more suffixes than this takes seconds before anything is known; their blocks do not fit anyway.
_MOST_SUFFIXES = 200_000_000
# Sums of large integers that take some seconds.
_MOST_SUMS = 30_000_000


@dataclass(frozen=True)
class Layer:
    """Blocks of one layer, in order.

    ``composition`` (C, N); ``slot`` (C,), the suffix's number; ``after`` (C, N), the slot of the block with one more
    label of each item, and ``block`` (C, N), its number in the next layer, both -1 where that label is not available.
    """

    composition: Ints
    slot: Ints
    after: Ints
    block: Ints

    @cached_property
    def size(self) -> Ints:
        """States of each block."""
        return np.diff(self.begin)

    @cached_property
    def begin(self) -> Ints:
        """Offset of each block when all are laid end to end, and their total size, shape (C + 1,)."""
        out = np.empty(len(self.slot) + 1, dtype=np.int64)
        _kernels.begins(self.composition, out)
        return out

    @property
    def states(self) -> int:
        """States in this layer."""
        return int(self.begin[-1])


class Lattice:
    """Lattice of label counts of a problem: its counts of states, slots and layers.

    Parameters
    ----------
    cap : ndarray of int, shape (N,)
        Largest number of labels of each item.
    depth : int
        Largest number of labels in all.
    cost : ndarray, shape (N,), optional
        Price of a label of each item; default 1.
    budget : float, optional
        Largest total cost; default ``depth``.
    quota : sequence of (items, labels)
        Least number of labels of each slice.

    Examples
    --------
    >>> lattice = Lattice(np.array([2, 2]), depth=2)
    >>> lattice.states, lattice.layer_states
    (15, [1, 4, 10])
    >>> lattice.layer(1).composition
    array([[1, 0],
           [0, 1]])
    """

    def __init__(
        self, cap: Ints, depth: int, cost: Floats | None = None, budget: float | None = None, quota: Quota = ()
    ) -> None:
        self.depth = whole("depth", depth)
        self.cap = np.minimum(whole_array("cap", cap), self.depth)
        if self.cap.ndim != 1 or not self.cap.size:
            raise refused("cap", cap, "be a list of the caps of one or more items")
        self.cost = np.ones(len(self.cap))
        if cost is not None:
            self.cost = np.array(numbers("cost", cost, lambda x: x > 0, "positive"))
            same_length(cap=self.cap, cost=self.cost)
        self.limit = with_slack(self.depth if budget is None else nonnegative("budget", budget))
        self.quota = tuple(_slice(f"quota[{k}]", pair, len(self.cap)) for k, pair in enumerate(quota))
        self.plain = bool(np.all(self.cost == 1.0)) and not quota
        if quota and not np.all(self.cost == 1.0):
            # An integer programme found the depth, and its tolerance may have made it too large.
            found = next((m for m in range(self.depth, -1, -1) if self.holds(m).any()), 0)
            if found < self.depth:
                self.__init__(cap, found, cost, budget, quota)  # type: ignore[misc]

    @classmethod
    @checked
    def of(cls, problem: Problem) -> Lattice:
        """Lattice of a problem.

        Parameters
        ----------
        problem : Problem
            Its caps, costs, budget and quotas define the lattice.

        Returns
        -------
        Lattice
        """
        return cls(problem.cap, problem.labels, problem.cost, problem.budget, problem.quota)

    # Ints ---------------------------------------------------------------------------------------------------------

    def _layer_sizes(self, per_item: int) -> list[int]:
        return _layer_sizes(self.cap, self.depth, per_item)

    def _fewest_suffixes(self) -> int:
        """Number of suffixes, or a lower bound on it, without listing them."""
        part = self if self.plain else self._unit_part()
        return sum(_layer_sizes(part.cap[1:], part.depth, 0))

    @cached_property
    def layer_states(self) -> list[int]:
        """States in each layer, as exact Python integers."""
        if self.plain:
            return self._layer_sizes(1)
        return [self._states_in(m) for m in range(self.depth + 1)]

    def _states_in(self, m: int) -> int:
        rows = np.flatnonzero(self.holds(m))
        return int(((m - self.labels[rows] + 1) * self.plane[rows]).sum())

    @cached_property
    def layer_blocks(self) -> list[int]:
        """Compositions in each layer, as exact Python integers."""
        if self.plain:
            return self._layer_sizes(0)
        return [int(self.holds(m).sum()) for m in range(self.depth + 1)]

    @cached_property
    def states(self) -> int:
        """States in all."""
        return sum(self.layer_states)

    @property
    def least_states(self) -> int:
        """Lower bound on ``states`` that takes no counting: the states of one item alone; with quotas 1."""
        most = 0 if self.quota else int(self.cap.max())
        return (most + 1) * (most + 2) // 2

    # Slots ----------------------------------------------------------------------------------------------------------

    @cached_property
    def suffix(self) -> Ints:
        """Label counts of all items except the first, in lexicographic order, shape (P, N - 1)."""
        fewest = self._fewest_suffixes()
        require_memory(24.0 * len(self.cap) * fewest, fewest)
        cap, cost = self.cap[1:].copy(), self.cost[1:].copy()
        nothing = np.empty((0, len(cap)), dtype=np.int64)
        count = _kernels.suffixes(cap, cost, self.limit, self.depth, _MOST_SUFFIXES, nothing)
        require_memory(24.0 * len(self.cap) * count, count)
        out = np.empty((count, len(cap)), dtype=np.int64)
        _kernels.suffixes(cap, cost, self.limit, self.depth, count, out)
        return out

    @cached_property
    def labels(self) -> Ints:
        """Labels in each suffix, shape (P,)."""
        return np.asarray(self.suffix.sum(axis=1))

    @cached_property
    def plane(self) -> Ints:
        """Number of states of each suffix for fixed wins of the first item, shape (P,)."""
        return np.asarray(np.prod(self.suffix + 1, axis=1))

    @cached_property
    def first(self) -> Ints:
        """Largest number of labels of the first item beside each suffix, shape (P,)."""
        spent = self.suffix @ self.cost[1:]
        affordable = np.floor((self.limit - spent) / self.cost[0]).astype(np.int64)
        return np.asarray(np.minimum(np.minimum(self.cap[0], self.depth - self.labels), affordable))

    @cached_property
    def base(self) -> Ints:
        """Offset of each slot, and their total size, shape (P + 1,); the last layer has advantage 0 and no storage."""
        most = np.minimum(self.first, self.depth - 1 - self.labels)
        base = np.zeros(len(self.plane) + 1, dtype=np.int64)
        np.cumsum((most + 1) * self.plane, out=base[1:])
        return base

    @cached_property
    def raised(self) -> Ints:
        """Number of the suffix with one more label of each item except the first, -1 where there is none."""
        out = np.empty(self.suffix.shape, dtype=np.int64)
        _kernels.raised(self.suffix, out)
        return out

    @cached_property
    def _held(self) -> list[Bools]:
        """Mask of the suffixes whose compositions may be visited, for each layer and an empty one after the last."""
        out = [np.zeros(len(self.labels), dtype=bool)]
        for m in range(self.depth, -1, -1):
            affordable = (self.labels <= m) & (m - self.labels <= self.first)
            if self.quota:
                # Compositions that meet all quotas, and those that lead to one that does.
                counts = np.column_stack([m - self.labels, self.suffix])
                following = np.append(out[-1], False)
                affordable &= self.free(counts) | following[:-1] | following[self.raised].any(axis=1)
            out.append(affordable)
        return out[::-1]

    def free(self, composition: Ints) -> Bools:
        """Mask of the compositions in which all quotas are met, so that buying may stop.

        Parameters
        ----------
        composition : ndarray of int, shape (C, N)
            Labels of each item.

        Returns
        -------
        ndarray of bool, shape (C,)
            False where a quota asks for further labels.
        """
        return quotas_met(composition, self.quota)

    def holds(self, m: int) -> Bools:
        """Mask of the suffixes that layer m has a composition with.

        Parameters
        ----------
        m : int
            Number of labels bought.

        Returns
        -------
        ndarray of bool, shape (P,)
        """
        return self._held[min(m, self.depth + 1)]

    def layer(self, m: int) -> Layer:
        """Blocks of the layer of states with m labels bought.

        Parameters
        ----------
        m : int
            At most ``depth``.

        Returns
        -------
        Layer
        """
        here, there = self.holds(m), self.holds(m + 1)
        blocks, items = int(np.count_nonzero(here)), len(self.cap)
        composition, after, block = np.empty((3, blocks, items), dtype=np.int64)
        slot = np.empty(blocks, dtype=np.int64)
        _kernels.layer(m, here, there, self.labels, self.suffix, self.raised, composition, slot, after, block)
        return Layer(composition, slot, after, block)

    def slots_of(self, compositions: Ints) -> Ints:
        """Slot of each composition.

        Parameters
        ----------
        compositions : ndarray of int, shape (S, N)
            Labels of each item.

        Returns
        -------
        ndarray of int, shape (S,)
            Numbers of the slots, -1 where the lattice has no such suffix.
        """
        out = np.empty(len(compositions), dtype=np.int64)
        # A copy, since the kernel would be compiled again for a read-only array.
        _kernels.find_all(self.suffix, np.array(compositions[:, 1:], dtype=np.int64, order="C"), out)
        return out

    # Memory ---------------------------------------------------------------------------------------------------------

    def bytes_needed(self, itemsize: int = BYTES, threads: int | None = None) -> int:
        """Peak memory of a sweep that keeps no policy: slots, spare slots, indices of two layers, and items' tables.

        Parameters
        ----------
        itemsize : int
            Bytes of a stored value.
        threads : int, optional
            Default: all cores.

        Returns
        -------
        int
            Bytes.
        """
        items, suffixes = len(self.cap), len(self.labels)
        threads = cores(threads)
        values = itemsize * (int(self.base[-1]) + (threads - 1) * self.widest_slice)
        # Suffixes and their successors, and per layer the compositions, slots, successors, sources and sizes.
        index = suffixes * (16 * (items - 1) + 32 + self.depth + 2) + 8 * (6 * items + 4) * max(self.layer_blocks)
        if self.quota:
            index += suffixes * 8 * items
        return values + index + self.table_bytes()

    def table_bytes(self) -> int:
        """Memory of the items' tables and an index's tables, with what making them takes and Python's objects.

        Returns
        -------
        int
            Bytes.
        """
        items, width = len(self.cap), int(self.cap.max()) + 1
        return BYTES * width * width * (13 * items + 4) + 8 * items * items + 2000 * items + 200_000

    @cached_property
    def widest_slice(self) -> int:
        """Largest number of values in the slots that share the second item's labels."""
        if len(self.cap) == 1:
            return 0
        first = np.searchsorted(self.suffix[:, 0], np.arange(int(self.cap[1]) + 2))
        return int(np.diff(self.base[first]).max())

    def _unit_part(self) -> Lattice:
        """Part of this lattice without costs and quotas: labels at the highest price, the quotas' cost set aside."""
        reserved = least_cost(self.quota, self.cost, self.cap) if self.quota else 0.0
        labels = int(max(self.limit - reserved, 0.0) // self.cost.max())
        return Lattice(self.cap, min(labels, self.depth, int(self.cap.sum())))

    def require(self, itemsize: int = BYTES) -> None:
        """Raise ``ProblemTooLarge`` unless a sweep fits in memory; nothing is allocated.

        Parameters
        ----------
        itemsize : int
            Bytes of a stored value.
        """
        self.require_countable()
        require_memory(self.bytes_needed(itemsize), self.states)

    def require_countable(self) -> None:
        """Raise ``ProblemTooLarge`` where lower bounds that are cheap to compute exceed the memory.

        Exact counts take about N K additions of large integers. Where these are many, one of the following is large:
        the items' tables, the compositions of one label, or the widest layer of the first few items and labels.
        """
        items = len(self.cap)
        usable = self.cap[self.cap > 0]
        width = int(self.cap.max()) + 1
        tables = max(BYTES * 2 * items * width**2, 16 * items * len(usable))
        if not len(usable):
            require_memory(tables, 1)
            return
        if not self.plain:
            # Layers are enumerated one by one where labels differ in cost, and there may be 10**9.
            require_memory(self.table_bytes(), self.least_states)
            self._unit_part().require_countable()
            return
        for count in (2, 4, 8, 16, 32):
            part = Lattice(usable[:count], min(self.depth, int(usable[:count].sum()), 1000))
            require_memory(BYTES * max(part.layer_states) / 4, part.states)
            if count >= len(usable):
                break
        require_memory(tables, part.states)
        blocks = max(self.layer_blocks)
        require_memory(24.0 * items * blocks, self.states)


def _layer_sizes(caps: Ints, depth: int, per_item: int) -> list[int]:
    """Coefficients of prod_i sum_{n <= cap_i} (n + 1)^per_item x^n, in exact integers."""
    if depth * max(len(caps), 1) > _MOST_SUMS:
        raise too_large("counting its states", f"{len(caps):,} items and {depth:,} labels", "give fewer of them")
    sizes = [1] + [0] * depth
    for cap in caps[caps > 0].tolist():
        # (1-x)^-2 and (1-x)^-1 as running sums; caps subtract the shifted remainder of the series.
        shifted = [0] * (cap + 1) + sizes
        if per_item:
            sizes = [s - (cap + 2) * shifted[m] + (cap + 1) * (shifted[m - 1] if m else 0) for m, s in enumerate(sizes)]
        else:
            sizes = [s - shifted[m] for m, s in enumerate(sizes)]
        for _ in range(per_item + 1):
            for m in range(1, depth + 1):
                sizes[m] += sizes[m - 1]
    return sizes


def _slice(field: str, pair: Any, size: int) -> tuple[tuple[int, ...], int]:
    """Quota as a tuple of item numbers and its labels."""
    if not isinstance(pair, Sequence) or isinstance(pair, str) or len(pair) != 2:
        raise refused(field, pair, "be a pair of items and labels")
    items, labels = pair
    return tuple(whole_array(f"{field} items", items, 0, size - 1).tolist()), whole(f"{field} labels", labels)
