r"""Exact optimum with identical items: states that differ only in the order of such items are visited once.

Items are identical if they share belief, threshold, weight, cost, reward, cap and quotas. Then U does not change when
two of them swap their states, so it is enough to know how many of them are in each state. In a composition, items of
one class with the same number n of labels form a *group*; their wins are a multiset of positions. Positions are an
item's live wins (see ``live``) in order, preceded by one representative of all its dead wins where it has any. (One is
enough here, since this engine does not rely on long runs of states.) With c items and L positions there are
C(L + c - 1, c) multisets t_1 <= .. <= t_c, numbered by the combinatorial number system

    rank(t) = sum_k C(t_k + k - 1, k),

which depends neither on L nor, for the first elements, on the last. A block is the product of its groups' multisets. A
label of an item removes one element from its group's multiset and adds one, after a win or a loss, to the multiset of
the group with n + 1 labels. Tables of these moves are made once for each kind of group.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from ...posteriors.foundation.arrays import Bools, Floats, Ints
from ...posteriors.foundation.memory import require_memory
from ...posteriors.foundation.progress import Progress
from ..kernels import lattice as _kernels_lattice
from ..kernels import symmetric as _kernels
from ..kernels.dense import stop_where_better
from ..machine.workers import cores, run
from ..problem.budget import quotas_met
from ..problem.identical import classes
from ..problem.problem import Problem
from ..problem.tables import Tables
from .lattice import BYTES, Lattice
from .live import Ranges, labels_left
from .sweep import pieces

__all__ = ["SymmetricLattice", "require_listable", "sweep_symmetric"]


_WORTH_SHARING = 2_000


@dataclass(frozen=True)
class SymmetricLayer:
    """Blocks of one layer.

    ``composition`` (C, N), sorted within each class; ``left`` (C, N) labels that each item can still get; ``after``
    (C, N) number of the block with one more label of the first item of a group, -1 for other items and where that label
    is not available; ``leader`` (C, N) true for the first item of a group; ``count`` (C, N) items in the group that it
    leads; ``axis`` (C, N) multisets of that group, 1 for other items; ``begin`` (C + 1,) offsets of the blocks.
    """

    composition: Ints
    left: Ints
    after: Ints
    leader: Bools
    count: Ints
    axis: Ints
    begin: Ints

    @property
    def states(self) -> int:
        """States in this layer."""
        return int(self.begin[-1])


def require_listable(problem: Problem, lattice: Lattice) -> None:
    """Raise ``ProblemTooLarge`` if listing the compositions of the largest class alone takes too much memory."""
    _, first, count = np.unique(classes(problem), return_index=True, return_counts=True)
    largest = int(np.argmax(count))
    labels = min(lattice.depth, int(lattice.cap[first[largest]]), 2000)
    # Partitions of the labels into at most as many parts as the class has items, or 50: a lower bound.
    ways = np.zeros(labels + 1)
    ways[0] = 1.0
    for part in range(1, min(int(count[largest]), 50) + 1):
        for m in range(part, labels + 1):
            ways[m] += ways[m - part]
    require_memory(6.0 * BYTES * problem.size * float(ways[-1]), float(ways[-1]))


class SymmetricLattice:
    """Lattice of a problem in which states that differ by a permutation of identical items are one state.

    Parameters
    ----------
    lattice : Lattice
    ranges : Ranges
    kind : ndarray of int, shape (N,)
        Class of each item.
    """

    def __init__(self, lattice: Lattice, ranges: Ranges, kind: Ints) -> None:
        # Items of a class are put next to each other; the order of the classes does not matter.
        self.order = np.argsort(kind, kind="stable")
        self.kind = kind[self.order]
        self.cap, self.cost = lattice.cap[self.order], lattice.cost[self.order]
        self.limit, self.depth = lattice.limit, lattice.depth
        self.ranges = Ranges(ranges.low[self.order], ranges.high[self.order])
        place = np.argsort(self.order)
        self.quota = tuple((tuple(int(place[i]) for i in items), k) for items, k in lattice.quota)
        self.layers = self._layers()
        self.states = sum(layer.states for layer in self.layers)
        self.actions = float(
            np.mean([float(x) for x in ((layer.after >= 0).sum(axis=1).mean() for layer in self.layers[:-1])] or [1.0])
        )

    @classmethod
    def of(cls, problem: Problem, lattice: Lattice, ranges: Ranges) -> SymmetricLattice:
        """Lattice of a problem."""
        return cls(lattice, ranges, classes(problem))

    def _layers(self) -> list[SymmetricLayer]:
        """All layers, grown label by label and restricted to compositions from which all quotas can be met."""
        items = len(self.cap)
        found = [np.zeros((1, items), dtype=np.int64)]
        taken = 0
        for _ in range(self.depth):
            grown = [np.empty((0, items), dtype=np.int64)]
            leader = self._leaders(found[-1])
            require_memory(3.0 * BYTES * items * int(leader.sum()), len(found[-1]))
            for i in np.flatnonzero(leader.any(axis=0)):
                some = found[-1][leader[:, i] & (found[-1][:, i] < self.cap[i])].copy()
                some[:, i] += 1
                grown.append(some[some @ self.cost <= self.limit])
            found.append(_unique_rows(np.concatenate(grown)))
            taken += found[-1].nbytes
            require_memory(6.0 * taken, len(found[-1]))
            if not self.quota:
                axis = self._group_axes(found[-1], self.depth - len(found) + 1)[-1]
                states = float(np.prod(axis.astype(float), axis=1).sum())
                require_memory(BYTES * states, states)
        kept: list[Ints] = []
        following = np.empty((0, items), dtype=np.int64)
        for composition in reversed(found):
            if self.quota:
                met = quotas_met(composition, self.quota) | (self._after(composition, following) >= 0).any(axis=1)
                composition = composition[met]
            kept.append(composition)
            following = composition
        kept = kept[::-1]
        # Without quotas nothing is removed, but with unequal costs the last layers may be empty.
        return [self._layer(m, kept[m], kept[m + 1] if m < self.depth else kept[m][:0]) for m in range(len(kept))]

    def _leaders(self, composition: Ints) -> Bools:
        """Mask of the leaders, (C, N): the first item of each class with each number of labels."""
        out = np.ones(composition.shape, dtype=bool)
        out[:, 1:] = (self.kind[1:] != self.kind[:-1]) | (composition[:, 1:] != composition[:, :-1])
        return out

    def _after(self, composition: Ints, following: Ints) -> Ints:
        out = np.full(composition.shape, -1, dtype=np.int64)
        leader = self._leaders(composition)
        for i in np.flatnonzero(leader.any(axis=0)):
            rows = np.flatnonzero(leader[:, i])
            grown = composition[rows].copy()
            grown[:, i] += 1
            out[rows, i] = _find_rows(following, grown)
        return out

    def _group_axes(self, composition: Ints, most: int) -> tuple[Bools, Ints, Ints, Ints]:
        """Leaders of groups, labels left, and the numbers of members and of multisets of the groups they lead."""
        leader = self._leaders(composition)
        left = labels_left(composition, self.cap, self.cost, self.limit, most)
        last = np.ones_like(leader)
        last[:, :-1] = leader[:, 1:]
        places = np.arange(composition.shape[1])
        end = np.minimum.accumulate(np.where(last, places, composition.shape[1])[:, ::-1], axis=1)[:, ::-1]
        count = np.where(leader, end - places + 1, 0)
        size = _positions(self.ranges, places, composition, left)
        axis = np.where(leader, _multisets(size, count), 1)
        return leader, left, count, axis

    def _layer(self, m: int, composition: Ints, following: Ints) -> SymmetricLayer:
        leader, left, count, axis = self._group_axes(composition, self.depth - m)
        begin = np.zeros(len(composition) + 1, dtype=np.int64)
        require_memory(BYTES * float(np.prod(axis.astype(float), axis=1).sum()), len(composition))
        np.cumsum(np.prod(axis, axis=1), out=begin[1:])
        return SymmetricLayer(composition, left, self._after(composition, following), leader, count, axis, begin)

    def bytes_needed(self, itemsize: int = BYTES) -> int:
        """Peak memory of a sweep in bytes: two layers of values, and the indices of all layers."""
        sizes = [layer.states for layer in self.layers]
        values = itemsize * max(x + y for x, y in zip(sizes, [*sizes[1:], 0], strict=True))
        index = 8 * 6 * sum(layer.composition.size for layer in self.layers)
        return values + index + 16 * self.ranges.low.size + 32 * self.ranges.low.size


def sweep_symmetric(
    symmetric: SymmetricLattice,
    tables: Tables,
    dtype: np.dtype,
    threads: int | None,
    progress: Progress | None,
    *,
    may_stop: bool = False,
) -> tuple[float, Floats]:
    """Advantage at the start, and that of labelling each item there (-inf where it cannot be labelled).

    With ``may_stop``, buying no further label is among the choices.
    """
    count, depth = cores(threads), symmetric.depth
    mean, gain = (x[symmetric.order] for x in tables.cast(dtype))
    layers = symmetric.layers
    total, done = symmetric.states, layers[depth].states
    room = [max((layer.states for layer in layers[k::2]), default=1) for k in (0, 1)]
    buffer = [np.zeros(size, dtype) for size in room]
    items = len(symmetric.cap)
    first_choice = np.full(items, -np.inf)
    moves = _Moves(symmetric)
    with ThreadPoolExecutor(count) as pool:
        for m in range(depth - 1, -1, -1):
            if progress:
                progress(done, total)
            layer, following = layers[m], layers[m + 1]
            out, after = buffer[m % 2], buffer[(m + 1) % 2]
            plan = moves.of(layer, following)
            blocks = len(layer.composition)
            shares = 4 * count if layer.states > _WORTH_SHARING else 1
            cuts = np.searchsorted(layer.begin, np.linspace(0, layer.states, shares + 1))
            cuts[0], cuts[-1] = 0, blocks

            here = _kernels.Blocks(layer.composition, layer.axis, layer.begin)
            where = (here, plan, mean, gain, after, out)
            work = partial(_work, 8 * layer.begin, where)
            run(pool, [partial(work, int(f), int(u)) for f, u in pairwise(cuts) if f < u])
            if may_stop:
                free = quotas_met(layer.composition, symmetric.quota)
                stop_where_better(0, blocks, free, layer.begin[:-1], np.diff(layer.begin), out)
            if m == 0:
                for i in np.flatnonzero(layer.after[0] >= 0):
                    b = layer.after[0, i]
                    lost, won = after[
                        following.begin[b] + _outcomes(symmetric.ranges, int(i), int(following.left[b, i]))
                    ]
                    value = lost + mean[i, 0, 0] * (won - lost) + gain[i, 0, 0]
                    first_choice[symmetric.order[symmetric.kind == symmetric.kind[i]]] = value
            done += layer.states
    if progress:
        progress(total, total)
    return float(buffer[0][0]), first_choice


def _work(begin: Ints, where: tuple[Any, ...], first: int, last: int, stop: threading.Event) -> None:
    for a, b in pieces(begin, first, last):
        if not stop.is_set():
            _kernels.optimal_symmetric(a, b, *where)


def _find_rows(rows: Ints, wanted: Ints) -> Ints:
    """Position of each vector among lexicographically ordered rows, -1 where it is not among them."""
    out = np.empty(len(wanted), dtype=np.int64)
    _kernels_lattice.find_all(np.ascontiguousarray(rows), np.array(wanted, order="C"), out)
    return out


def _positions(ranges: Ranges, item: Ints, labels: Ints, left: Ints) -> Ints:
    """Number of positions of items: the live wins, and one more where there are dead wins."""
    live = np.maximum(ranges.high[item, labels, left] - ranges.low[item, labels, left] + 1, 0)
    return np.asarray(np.where(live <= labels, live + 1, live))


def _outcomes(ranges: Ranges, i: int, left: int) -> Ints:
    """Positions that the first label of item ``i`` leads to: after a loss and after a win."""
    first, spare, size = _kernels.axis(ranges.low, ranges.high, i, 1, left)
    return np.array([_kernels.place(first, spare, size, w) for w in (0, 1)])


def _multisets(size: Ints, count: Ints) -> Ints:
    """Numbers of multisets, C(size + count - 1, count), elementwise; cut off at 2^62, which fits in no memory."""
    all_, fewer = size + count - 1, np.minimum(count, size - 1)
    out = np.ones(size.shape)
    for k in range(1, int(fewer.max()) + 1):
        # C(all, k) from C(all, k - 1): the product is divisible by k.
        out = np.where(fewer >= k, out * (all_ - k + 1) / k, out)
    return np.rint(np.minimum(out, 2.0**62)).astype(np.int64)


def _unique_rows(rows: Ints) -> Ints:
    """Distinct rows of nonnegative whole numbers, in lexicographic order."""
    words = [np.zeros(len(rows), dtype=np.int64)]
    used = 0
    for column, most in zip(rows.T, rows.max(axis=0).tolist(), strict=True):
        bits = int(most).bit_length()
        if used + bits > 62:
            words.append(np.zeros(len(rows), dtype=np.int64))
            used = 0
        words[-1] = (words[-1] << bits) | column
        used += bits
    order = np.lexsort(words[::-1])
    new = np.zeros(len(rows), dtype=bool)
    new[0] = True
    for word in words:
        new[1:] |= np.diff(word[order]) != 0
    return rows[order[new]]


class _Moves:
    """Tables of the effect of a label on groups, made once for each kind of group and layer."""

    def __init__(self, symmetric: SymmetricLattice) -> None:
        self.symmetric = symmetric
        # The first item of each class represents all.
        self.speaker = np.searchsorted(symmetric.kind, symmetric.kind)

    def of(self, layer: SymmetricLayer, following: SymmetricLayer) -> _kernels.Actions:
        """Groups that can be labelled in the blocks of a layer, and the states that the labels lead to."""
        composition, left = layer.composition, layer.left
        group = self._groups(layer)
        block, item = np.nonzero(layer.after >= 0)
        # A contiguous copy: for a column of a larger array the kernel would be compiled once more.
        item = np.ascontiguousarray(item)
        source_block = layer.after[block, item]
        action_begin = np.searchsorted(block, np.arange(len(composition) + 1))
        steps = np.ones_like(following.axis)
        steps[:, :-1] = np.cumprod(following.axis[:, :0:-1], axis=1)[:, ::-1]
        # One row for each action; one column for each group of its block.
        leaders = group[block]
        real = leaders >= 0
        at = np.maximum(leaders, 0)
        rows = np.arange(len(block))[:, None]
        n = composition[block, item]
        same = self.symmetric.kind[at] == self.symmetric.kind[item][:, None]
        is_left = real & (leaders == item[:, None])
        is_joined = real & same & (composition[block[:, None], at] == n[:, None] + 1)
        stays = real & ~is_left & ~is_joined
        leaving, joining = np.argmax(is_left, axis=1), np.where(is_joined.any(axis=1), np.argmax(is_joined, axis=1), -1)
        raised = np.where(joining >= 0, leaders[rows[:, 0], np.maximum(joining, 0)], item)
        count = layer.count[block, item]
        rest = np.minimum(item + 1, composition.shape[1] - 1)
        left_rest = np.where(count > 1, following.left[source_block, rest], 0)
        left_raised = following.left[source_block, raised]
        speaker = self.speaker
        tables: list[Ints] = []
        taken = 0

        def place_all(keys: Ints, make: Callable[[tuple[int, ...]], Ints]) -> Ints:
            """Offset of each key's table; one table is made for each distinct key."""
            nonlocal taken
            kinds, which = np.unique(keys, axis=0, return_inverse=True)
            starts = np.empty(len(kinds), dtype=np.int64)
            for k, key in enumerate(kinds.tolist()):
                tables.append(make(tuple(key)))
                starts[k] = taken
                taken += len(tables[-1])
            return starts[which.reshape(-1)]

        low, high = self.symmetric.ranges.low, self.symmetric.ranges.high
        sizes = partial(_positions, self.symmetric.ranges)

        def make_leave(key: tuple[int, ...]) -> Ints:
            i, labels, now, then, up, members = key
            size = int(sizes(i, labels, now))  # type: ignore[arg-type]
            many = _kernels.choose(size + members - 1, members)
            out = np.empty(3 * size + many + 1 + 2 * many * min(members, size), dtype=np.int64)
            return out[: _kernels.leave(low, high, i, labels, now, then, up, members, many, out)]

        def make_join(key: tuple[int, ...]) -> Ints:
            i, labels, now, then, members = key
            shape = (
                _kernels.choose(int(sizes(i, labels, now)) + members - 1, members) if members else 1,  # type: ignore[arg-type]
                int(sizes(i, labels, then)),  # type: ignore[arg-type]
            )
            out = np.empty(shape, dtype=np.int64)
            _kernels.join(low, high, i, labels, now, then, members, out)
            return out.reshape(-1)

        def make_stay(key: tuple[int, ...]) -> Ints:
            i, labels, now, then, members = key
            out = np.empty(_kernels.choose(int(sizes(i, labels, now)) + members - 1, members), dtype=np.int64)  # type: ignore[arg-type]
            _kernels.stay(low, high, i, labels, now, then, members, out)
            return out

        leave_at = place_all(
            np.column_stack([speaker[item], n, left[block, item], left_rest, left_raised, count]), make_leave
        )
        joined = np.where(joining >= 0, layer.count[block, raised], 0)
        left_joined = np.where(joining >= 0, left[block, raised], left_raised)
        join_at = place_all(np.column_stack([speaker[item], n + 1, left_joined, left_raised, joined]), make_join)
        who, column = np.nonzero(stays)
        j = leaders[who, column]
        stay_at, stay_step = np.zeros(leaders.shape, dtype=np.int64), np.zeros(leaders.shape, dtype=np.int64)
        b = block[who]
        stay_at[who, column] = place_all(
            np.column_stack(
                [speaker[j], composition[b, j], left[b, j], following.left[source_block[who], j], layer.count[b, j]]
            ),
            make_stay,
        )
        stay_step[who, column] = steps[source_block[who], j]
        return _kernels.Actions(
            group,
            action_begin,
            item,
            following.begin[source_block],
            leaving,
            leave_at,
            np.where(count > 1, steps[source_block, rest], 0),
            sizes(item, n, left[block, item]),
            joining,
            join_at,
            steps[source_block, raised],
            sizes(item, n + 1, left_raised),
            stay_at,
            stay_step,
            np.concatenate(tables) if tables else np.empty(0, dtype=np.int64),
        )

    def _groups(self, layer: SymmetricLayer) -> Ints:
        """Leaders of each block's groups, padded with -1."""
        block, item = np.nonzero(layer.leader)
        position = np.cumsum(layer.leader, axis=1)[block, item] - 1
        group = np.full((len(layer.composition), int(position.max()) + 1), -1, dtype=np.int64)
        group[block, position] = item
        return group
