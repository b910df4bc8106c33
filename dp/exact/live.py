r"""Exact optimum on the live part of the lattice.

An item is *dead* in state (n, w) with r labels left if its gains are zero there and in every state that r labels can
lead to. Under a decision utility, this means that no further labels can change its decision. Then the advantage U no
longer depends on w, and one dead state can represent all. The *live range* of each row is the smallest interval lo..hi
of wins that holds all live states. Its ends follow from those for one label less, since (n, w) is live if its own gain
is not zero or if (n + 1, w) or (n + 1, w + 1) is live:

    lo(n, r) = min(first gain of row n, lo(n + 1, r - 1) - 1),     hi(n, r) = max(last gain of row n, hi(n + 1, r - 1)).

A gain below 2e-15 of the largest payoff counts as zero. Under a decision utility it is the rounding error of a zero
difference; under a smooth utility it is a true gain too small to change a payoff. So K labels change the value by less
than 2 K 1e-15 payoffs, or twice that where gains can be negative.

Positions along an item's axis are the live wins in order, and one dead state at each end where there are any. If the
ranges changed in every layer, every axis of every block would shift with every label. So they are fixed for an *epoch*
of layers, at those of its first layer. Then blocks of neighbouring layers have equal axes for all items that are not
labelled, and long runs of states have neighbouring successors, as on the dense lattice. Between epochs the values are
moved to the wider ranges. Two layers are held in memory.
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

from ...posteriors.foundation.arrays import Bytes, Floats, Ints
from ...posteriors.foundation.progress import Progress
from ..kernels import live as _kernels
from ..kernels import live_ranges as _kernels_ranges
from ..kernels.dense import TIE, stop_where_better
from ..machine.workers import cores, run
from ..problem.tables import ZERO_GAIN, Tables
from .lattice import BYTES, Lattice, Layer
from .sweep import divide, pieces

__all__ = ["Axes", "LiveLattice", "Ranges", "labels_left", "sweep_live"]


# Relative difference that counts as a tie in single precision: sixteen units of rounding.
_SINGLE_TIE = 1e-6
# Layers with R labels left share the ranges of R + R / 4, which are a few positions wider and seldom change.
_EPOCH = 4


@dataclass(frozen=True)
class Ranges:
    """Live wins: ``low`` and ``high`` of shape (N, width, width), indexed [item, labels, labels left].

    Where no state is live, low > high.
    """

    low: Ints
    high: Ints

    @classmethod
    def of(cls, tables: Tables, scale: float) -> Ranges:
        """Ranges of the items with these gains; ``scale`` is the largest payoff."""
        low, high = np.empty((2, *tables.gain.shape), dtype=np.int64)
        _kernels_ranges.ranges(tables.gain, ZERO_GAIN * scale, low, high)
        return cls(low, high)

    @classmethod
    def whole(cls, items: int, width: int) -> Ranges:
        """Ranges without any reduction: all wins of every row are live."""
        n = np.broadcast_to(np.arange(width)[None, :, None], (items, width, width))
        return cls(np.zeros((items, width, width), dtype=np.int64), np.array(n, dtype=np.int64))


def labels_left(composition: Ints, cap: Ints, cost: Floats, limit: float, most: int) -> Ints:
    """Upper bound on the labels that each item can still get, shape (C, N); at most ``most``."""
    left = np.minimum(cap - composition, most)
    if not np.all(cost == 1.0):
        rest = limit - composition @ cost
        left = np.minimum(left, np.floor(rest[:, None] / cost + 1e-9).astype(np.int64))
    return np.asarray(np.maximum(left, 0))


@dataclass(frozen=True)
class Axes:
    """Axes of one epoch, arrays of shape (N, width) indexed [item, labels].

    Positions 0, .., ``size`` - 1 are ``first``, ``first`` + 1, .. wins.
    """

    first: Ints
    size: Ints


class LiveLattice:
    """A lattice with its live ranges.

    Parameters
    ----------
    lattice : Lattice
    ranges : Ranges
    reach : list of int, optional
        Number of labels left whose ranges each layer uses; default: epochs of a quarter of the labels left.
    """

    def __init__(self, lattice: Lattice, ranges: Ranges, reach: list[int] | None = None) -> None:
        self.lattice, self.ranges = lattice, ranges
        self.reach = _epochs(lattice.depth) if reach is None else reach
        self._axes: dict[int, Axes] = {}
        self.layer_states = [self._states(m, self.reach[m]) for m in range(lattice.depth + 1)]
        self.states = sum(self.layer_states)

    def axes(self, reach: int) -> Axes:
        """Axes for ``reach`` labels left."""
        found = self._axes.get(reach)
        if found is None:
            items, width, _ = self.ranges.low.shape
            item, labels = np.arange(items)[:, None], np.arange(width)[None, :]
            left = np.clip(self.lattice.cap[:, None] - labels, 0, reach)
            low, high = self.ranges.low[item, labels, left], self.ranges.high[item, labels, left]
            # One dead state at each end represents those beyond it; where all are dead, the first represents all.
            first = np.where(low > high, 0, np.maximum(low - 1, 0))
            found = self._axes[reach] = Axes(first, np.where(low > high, 1, np.minimum(high + 1, labels) - first + 1))
        return found

    def _states(self, m: int, reach: int) -> int:
        lattice = self.lattice
        return int(_kernels.states(m, lattice.holds(m), lattice.labels, lattice.suffix, self.axes(reach).size))

    def begins(self, layer: Layer, reach: int) -> Ints:
        """Offset of each block, and the total size, shape (C + 1,)."""
        out = np.empty(len(layer.slot) + 1, dtype=np.int64)
        _kernels.begins(layer.composition, self.axes(reach).size, out)
        return out

    @property
    def room(self) -> int:
        """States of the largest layer, under the ranges of its epoch or of the epoch before."""
        widened = [self._states(m + 1, r) for m, r in enumerate(self.reach[:-1]) if r != self.reach[m + 1]]
        return max([*self.layer_states, *widened])

    def bytes_needed(self, itemsize: int = BYTES) -> int:
        """Peak memory of a sweep: two layers with their indices, the ranges, the items' tables."""
        items = len(self.lattice.cap)
        index = 8 * (9 * items + 4) * max(self.lattice.layer_blocks) + 8 * len(self.lattice.labels) * (2 * items + 4)
        return 2 * itemsize * self.room + index + 32 * self.ranges.low.size + self.lattice.table_bytes()


def _epochs(depth: int) -> list[int]:
    """Number of labels left whose ranges each layer uses."""
    reach = [0] * (depth + 1)
    left = 1
    while left <= depth:
        longest = min(left + max(left // _EPOCH, 3) - 1, depth)
        for r in range(left, longest + 1):
            reach[depth - r] = longest
        left = longest + 1
    return reach


def sweep_live(
    live: LiveLattice,
    tables: Tables,
    dtype: np.dtype,
    threads: int | None = None,
    progress: Progress | None = None,
    masks: list[Bytes] | None = None,
    scale: float = 0.0,
    *,
    may_stop: bool = False,
) -> tuple[float, Floats]:
    """Advantage at the start, and that of labelling each item there (-inf where it cannot be labelled).

    With ``may_stop``, buying no further label is among the choices. ``masks`` holds an array of rows for each layer
    except the last. The items that attain the maximum, within the rounding of payoffs of size ``scale``, are marked in
    it: bit i for item i.
    """
    count, lattice = cores(threads), live.lattice
    depth = lattice.depth
    mean, gain = tables.cast(dtype)
    tie = TIE if dtype == np.float64 else _SINGLE_TIE
    total, done = live.states, live.layer_states[depth]
    room = live.room
    after, out = np.zeros(room, dtype), np.zeros(room, dtype)
    following = lattice.layer(depth)
    reach = live.reach[depth]
    begin_after = live.begins(following, reach)
    axes = live.axes(reach)
    steps = np.zeros((2, *mean.shape[:2], mean.shape[1]), dtype=np.int64)
    _kernels.moves(*_both(axes), *steps)
    first_choice = np.full(len(lattice.cap), -np.inf)
    with ThreadPoolExecutor(count) as pool:

        def share(begin: Ints, composition: Ints, axes: Axes, work: Callable[[int, int], None]) -> None:
            def job(f: int, u: int, stop: threading.Event) -> None:
                for a, b in pieces(begin, f, u):
                    if not stop.is_set():
                        work(a, b)

            shares = [0, *divide(begin, composition, axes.size[-1], count), len(composition)]
            run(pool, [partial(job, f, u) for f, u in pairwise(shares) if f < u])

        for m in range(depth - 1, -1, -1):
            if progress:
                progress(done, total)
            if live.reach[m] != reach:
                narrow, wide = live.axes(reach), live.axes(live.reach[m])
                begin_wide = live.begins(following, live.reach[m])
                move: tuple[Any, ...] = (
                    following.composition,
                    begin_after,
                    begin_wide,
                    *_both(narrow),
                    *_both(wide),
                    after,
                    out,
                )
                share(begin_wide, following.composition, wide, lambda a, b, move=move: _kernels.widen(a, b, *move))  # type: ignore[misc]
                after, out, begin_after, reach = out, after, begin_wide, live.reach[m]
                axes = wide
                _kernels.moves(*_both(axes), *steps)
            layer = lattice.layer(m)
            begin = live.begins(layer, reach)
            here = _kernels.LiveLayer(layer.composition, begin, layer.block, begin_after, *_both(axes), *steps)
            where = (here, mean, gain, after, out)
            share(begin, layer.composition, axes, lambda a, b, where=where: _kernels.optimal_live(a, b, *where))  # type: ignore[misc]
            if may_stop:
                ends = lattice.free(layer.composition), begin[:-1], np.diff(begin), out
                share(begin, layer.composition, axes, lambda a, b, ends=ends: stop_where_better(a, b, *ends))  # type: ignore[misc]
            if masks is not None:
                marks = (*where, scale, tie, masks[m])
                share(begin, layer.composition, axes, lambda a, b, marks=marks: _kernels.mark_live(a, b, *marks))  # type: ignore[misc]
            if m == 0:
                for i in np.flatnonzero(layer.block[0] >= 0):
                    # Only item i has labels, so its axis alone has more than one position.
                    where_to = np.clip(np.arange(2) - axes.first[i, 1], 0, axes.size[i, 1] - 1)
                    lost, won = after[begin_after[layer.block[0, i]] + where_to]
                    first_choice[i] = lost + mean[i, 0, 0] * (won - lost) + gain[i, 0, 0]
            done += live.layer_states[m]
            following, begin_after = layer, begin
            after, out = out, after
    if progress:
        progress(total, total)
    return float(after[0]), first_choice


def _both(axes: Axes) -> tuple[Ints, Ints]:
    return axes.first, axes.size
