"""Backward induction for two uncapped items at unit costs, several layers in one pass over memory."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from ...posteriors.foundation.arrays import Floats
from ...posteriors.foundation.progress import Progress
from ..kernels import dense as _kernels
from ..machine.workers import cores, run
from ..problem.tables import Tables
from .lattice import Lattice
from .sweep import PIECE, WORTH_SHARING

__all__ = ["sweep_two"]

# Layers swept in one pass: their slots should stay in the second-level cache.
_DEEP = 8


def _wave(
    pace: int, first: int, last: int, where: tuple[Any, ...], halo: int, tables: tuple[Any, ...], stop: threading.Event
) -> None:
    """Sweep one thread's part of some layers, in pieces."""
    end = last + where[1] - 1
    for begin in range(first, end, pace):
        if not stop.is_set():
            _kernels.wave_of_two(begin, min(begin + pace, end), first, last, *where, halo, *tables)  # type: ignore[call-arg]


def sweep_two(
    lattice: Lattice, tables: Tables, dtype: np.dtype, threads: int | None = None, progress: Progress | None = None
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
    _kernels.optimal_last(0, len(layer.slot), layer.composition, base[layer.slot], layer.after, gain, values)
    total, done = lattice.states, sum(lattice.layer_states[top:])
    with ThreadPoolExecutor(count) as pool:
        top -= 1
        while top >= 0:
            if progress:
                progress(done, total)
            states = lattice.layer_states[top]
            # Layer 0 is swept separately: the outcomes of each first label are read before they are overwritten.
            levels = max(1, min(deep, top))
            if top == 0:
                for i, at in enumerate(base[:2]):
                    lost, won = values[at : at + 2]
                    first_choice[i] = lost + tables.mean[i, 0, 0] * (won - lost) + tables.gain[i, 0, 0]
            before = np.cumsum((top - np.arange(top + 1) + 1) * np.arange(1, top + 2))
            cuts = [0, top + 1]
            if count > 1 and states > WORTH_SHARING and top > 4 * levels * count:
                inner = np.searchsorted(before, np.linspace(0, states, count + 1)[1:-1])
                cuts = [0, *(int(c) for c in inner), top + 1]
            halo = [0, *(int(base[-1]) + t * deep * room for t in range(len(cuts) - 2))]
            pace = max(1, PIECE // (levels * room))
            where = (top, levels, base)
            values_of = (mean, gain, values)
            jobs = [
                partial(_wave, pace, f, u, where, h, values_of) for (f, u), h in zip(pairwise(cuts), halo, strict=True)
            ]
            run(pool, jobs)
            for cut, h in zip(cuts[1:-1], halo[1:], strict=True):
                _kernels.mend_of_two(cut, top, levels, base, h, mean, gain, values)
            done += sum(lattice.layer_states[top - levels + 1 : top + 1])
            top -= levels
    if progress:
        progress(total, total)
    return float(values[0]), first_choice
