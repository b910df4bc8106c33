"""Backward induction for two uncapped items at unit costs, several layers in one pass over memory.

With live ranges (see ``live``), each layer is computed within its own ranges. Values keep the places that they have on
the dense lattice, so that a layer overwrites the one before. A state beyond the ranges has the value of the nearest
dead state, and it is set to that where the layer before will read it.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from ...posteriors.foundation.arrays import Floats, Ints
from ...posteriors.foundation.progress import Progress
from ..kernels import dense as _kernels
from ..kernels import live_ranges as _kernels_ranges
from ..machine.workers import cores, run
from ..problem.tables import Tables
from .lattice import BYTES, Lattice
from .live import Ranges
from .sweep import PIECE, WORTH_SHARING

__all__ = ["LivePair", "pairs_up", "sweep_two"]

# Layers swept in one pass: their slots should stay in the second-level cache.
_DEEP = 8


def pairs_up(lattice: Lattice, *, may_stop: bool) -> bool:
    """True for a lattice that ``sweep_two`` serves."""
    items, depth = len(lattice.cap), lattice.depth
    return items == 2 and depth > 1 and not may_stop and lattice.plain and bool(np.all(lattice.cap == depth))


@dataclass(frozen=True)
class LivePair:
    """Live parts of the layers of two uncapped items at unit costs.

    Attributes
    ----------
    lattice : Lattice
    bounds : ndarray of int64, shape (4, 2, width, width), indexed [bound, item, labels, labels left]
        First and final wins that are computed: the live ones, and one dead state at each end where there are any. Then
        the first and final wins that the layer before reads.
    layer_states : list of int
        States that are computed in each layer.
    """

    lattice: Lattice
    bounds: Ints
    layer_states: list[int]

    @classmethod
    def of(cls, lattice: Lattice, ranges: Ranges) -> LivePair:
        """Parts of the layers with these ranges."""
        # Read from a state with n labels and r left: by one with n and r + 1, when the other item is labelled, and by
        # one with n - 1 and r + 1, for a loss and a win.
        bounds = np.empty((4, *ranges.low.shape), dtype=np.int64)
        _kernels_ranges.pair_bounds(ranges.low, ranges.high, bounds)
        layer_states = np.zeros(lattice.depth + 1, dtype=np.int64)
        _kernels_ranges.pair_states(bounds, layer_states)
        return cls(lattice, bounds, layer_states.tolist())

    @property
    def states(self) -> int:
        """Number of states that are computed."""
        return sum(self.layer_states)

    def bytes_needed(self, itemsize: int = BYTES, threads: int | None = None) -> int:
        """Peak memory of a sweep: values on the dense lattice, the ranges and what is made of them."""
        return self.lattice.bytes_needed(itemsize, threads) + 2 * self.bounds.nbytes


def _wave(
    pace: int, first: int, last: int, where: tuple[Any, ...], halo: int, tables: tuple[Any, ...], stop: threading.Event
) -> None:
    """Sweep one thread's part of some layers, in pieces."""
    end = last + where[1] - 1
    for begin in range(first, end, pace):
        if not stop.is_set():
            _kernels.wave_of_two(begin, min(begin + pace, end), first, last, *where, halo, *tables)  # type: ignore[call-arg]


def sweep_two(
    lattice: Lattice,
    tables: Tables,
    dtype: np.dtype,
    threads: int | None = None,
    progress: Progress | None = None,
    live: LivePair | None = None,
) -> tuple[float, Floats]:
    """Advantage at the start, and that of labelling each item there, for two uncapped items at unit costs."""
    count = cores(threads)
    mean, gain = tables.cast(dtype)
    deep, first_choice = _DEEP, np.empty(2)
    room = lattice.widest_slice
    base = lattice.base
    values = np.empty(int(base[-1]) + (count - 1) * deep * room, dtype)
    top = lattice.depth - 1
    layer = lattice.layer(top)
    for (n, s), slot in zip(layer.composition, layer.slot, strict=True):
        # Nothing follows the last label, so it is worth the larger gain.
        block = values[base[slot] : base[slot] + (n + 1) * (s + 1)].reshape(n + 1, s + 1)
        np.maximum(gain[0, n, : n + 1, None], gain[1, s, : s + 1], out=block)
    layer_states = lattice.layer_states if live is None else live.layer_states
    bounds = np.empty((4, 2, 0, 0), dtype=np.int64) if live is None else live.bounds
    total, done = sum(layer_states), sum(layer_states[top:])
    with ThreadPoolExecutor(count) as pool:
        top -= 1
        while top >= 0:
            if progress:
                progress(done, total)
            # Layer 0 is swept separately: the outcomes of each first label are read before they are overwritten.
            levels = max(1, min(deep, top))
            if top == 0:
                for i, at in enumerate(base[:2]):
                    lost, won = values[at : at + 2]
                    first_choice[i] = lost + tables.mean[i, 0, 0] * (won - lost) + tables.gain[i, 0, 0]
            slots = np.arange(top + 1)
            if live is None:
                before = np.cumsum((top - slots + 1) * (slots + 1))
            else:
                first, final = bounds[:2, :, :, lattice.depth - top]
                before = np.cumsum((final - first + 1)[0, top - slots] * (final - first + 1)[1, slots])
            cuts = [0, top + 1]
            if count > 1 and before[-1] > WORTH_SHARING and top > 4 * levels * count:
                inner = np.searchsorted(before, np.linspace(0, before[-1], count + 1)[1:-1])
                cuts = [0, *(int(c) for c in inner), top + 1]
            halo = [0, *(int(base[-1]) + t * deep * room for t in range(len(cuts) - 2))]
            pace = max(1, PIECE // (levels * room))
            where = (top, levels, base, lattice.depth, bounds)
            values_of = (mean, gain, values)
            jobs = [
                partial(_wave, pace, f, u, where, h, values_of) for (f, u), h in zip(pairwise(cuts), halo, strict=True)
            ]
            run(pool, jobs)
            for cut, h in zip(cuts[1:-1], halo[1:], strict=True):
                _kernels.mend_of_two(cut, *where, h, mean, gain, values)
            done += sum(layer_states[top - levels + 1 : top + 1])
            top -= levels
    if progress:
        progress(total, total)
    return float(values[0]), first_choice
