r"""Backward induction over the lattice, one layer in memory.

Write G(n, w) = sum_i g_i(n_i, w_i) for the payoff if no further label were bought, with g_i = v_i h(p_i) + r_i w_i,
and V = G + U. A label of item i changes G by g_i alone, so Bellman's equation for the *advantage* U of going on is

    U(n, w) = 0                                                                            where no label can be had,
    U(n, w) = max_i  d_i(n_i, w_i) + mu_i U(n + e_i, w + e_i) + (1 - mu_i) U(n + e_i, w)    otherwise,

    d_i(n, w) = mu_i g_i(n + 1, w + 1) + (1 - mu_i) g_i(n + 1, w) - g_i(n, w),

the *gain* of one label. Against the recursion for V this needs no payoffs of the last layer, which for many items is
the largest share of all states, and shows what does not matter: an item whose gains are zero from here on.

Running rewards need nothing more. A reward paid at once and one paid at the end are worth the same without
discounting, so r_i for each win is part of the payoff.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _kernels, _kernels_lattice
from .lattice import Lattice, Layer
from .problem import Problem
from .states import states_of_item

__all__ = ["ZERO_GAIN", "Progress", "Tables", "cores", "gains", "run", "sweep", "sweep_two", "tables_of"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Progress = Callable[[int, int], None]
Step = Callable[[int, int, int, Layer, Ints, Ints, Floats], None]

# A gain below this share of the largest payoff counts as zero: it is rounding, or too small to be added to a payoff.
ZERO_GAIN = 2e-15
# Below this many states a layer is swept by one thread: handing it out would take longer.
_WORTH_SHARING = 40_000
# Beginning a row of the last item's wins takes as long as this many states.
_ROW = 6.0
# An interruption is noticed between pieces of this many states, which take about a tenth of a second.
_PIECE = 20_000_000
# Layers of two items that are worked on together: their slots should stay in the second-level cache.
_DEEP = 8


@dataclass(frozen=True)
class Tables:
    """Means, gains and payoffs of all items, arrays of shape (N, width, width) indexed [item, labels, wins]."""

    mean: Floats
    gain: Floats
    payoff: Floats

    def cast(self, dtype: np.dtype) -> tuple[Floats, Floats]:
        """Means and gains in a kernel's number type."""
        return self.mean.astype(dtype, copy=False), self.gain.astype(dtype, copy=False)


def tables_of(
    problem: Problem, means: Sequence[Floats] | None = None, payoffs: Sequence[Floats] | None = None
) -> Tables:
    """Tables of a problem, or with other means and payoffs of its items, square tables [labels, wins]."""
    if means is None or payoffs is None:
        states = [states_of_item(problem, i) for i in range(problem.size)]
        means, payoffs = [x.mean for x in states], [x.payoff for x in states]
    width = int(problem.cap.max()) + 1
    mean, gain, payoff = np.zeros((3, problem.size, width, width))
    for i, (m, g) in enumerate(zip(means, payoffs, strict=True)):
        cap = len(m) - 1
        inside = np.tri(cap + 1, dtype=bool)
        mean[i, : cap + 1, : cap + 1] = np.where(inside, m, 0.0)
        payoff[i, : cap + 1, : cap + 1] = np.where(inside, g, 0.0)
        gain[i, :cap, :cap] = gains(mean[i, : cap + 1, : cap + 1], payoff[i, : cap + 1, : cap + 1])
    return Tables(mean, gain, payoff)


def gains(mean: Floats, payoff: Floats, zero: float | Floats = 0.0) -> Floats:
    """Gain of each label but the last, from square tables [.., labels, wins]; zero where wins > labels.

    Gains of at most ``zero`` in absolute value count as zero.
    """
    now, chance = payoff[..., :-1, :-1], mean[..., :-1, :-1]
    rise = chance * (payoff[..., 1:, 1:] - now) + (1.0 - chance) * (payoff[..., 1:, :-1] - now)
    return np.where(np.tri(now.shape[-1], dtype=bool) & (np.abs(rise) > zero), rise, 0.0)


def cores(threads: int | None) -> int:
    """Threads to use."""
    if threads is not None and (isinstance(threads, bool) or threads < 1):
        raise ValueError(f"threads is {threads!r}; it must be at least 1")
    return threads or len(os.sched_getaffinity(0))


def run(pool: ThreadPoolExecutor, jobs: Sequence[Callable[[threading.Event], None]]) -> None:
    """Run jobs side by side; when one fails, or the user interrupts, the others stop at their next piece."""
    stop = threading.Event()
    # The first job is this thread's own: a thread that sleeps meanwhile has to be woken twice.
    futures: list[Future[None]] = [pool.submit(job, stop) for job in jobs[1:]]
    try:
        jobs[0](stop)
        for future in futures:
            future.result()
    except BaseException:
        stop.set()
        raise


def pieces(begin: Ints, first: int, last: int) -> list[tuple[int, int]]:
    """Cut blocks first..last into runs of about ``_PIECE`` states; block c's states are begin[c]..begin[c + 1]."""
    count = int(begin[last] - begin[first]) // _PIECE + 1
    cuts = [first, last]
    if count > 1:
        cuts[1:1] = np.searchsorted(begin, np.linspace(begin[first], begin[last], count + 1)[1:-1]).tolist()
    return list(pairwise(cuts))


def sweep(
    lattice: Lattice,
    step: Step,
    dtype: np.dtype,
    threads: int | None = None,
    progress: Progress | None = None,
) -> float:
    """Advantage at the start: ``step(m, first, last, layer, target, source, values)`` overwrites blocks of layer m.

    Blocks of a layer are independent, so threads cannot change the answer. Each takes the slots of a range of labels
    of the second item. A thread's last slots need the first ones of the next thread's as they were: the layer's values
    of those go to a *spare* place and stay there, and with the next layer they come home.
    """
    count = cores(threads)
    zeros = _largest_block(lattice)
    spare = [int(lattice.base[-1]) + t * lattice.widest_slice for t in range(count)]
    values = np.empty(spare[-1] + zeros, dtype)
    values[spare[-1] :] = 0.0
    place, guests = lattice.base[:-1].copy(), list[int]()
    total, done = lattice.states, lattice.layer_states[lattice.depth]
    with ThreadPoolExecutor(count) as pool:
        for m in range(lattice.depth - 1, -1, -1):
            if progress:
                progress(done, total)
            layer = lattice.layer(m)
            # Blocks of the last layer are worth zero, wherever they are read.
            source = np.where(layer.after >= 0, spare[-1] if m == lattice.depth - 1 else place[layer.after], -1)
            away = bool(guests)
            guests = guests or _shares(layer, count)
            for labels, room in zip(guests, spare, strict=False):
                a, b = np.searchsorted(lattice.suffix[:, 0], [labels, labels + 1])
                home = lattice.base[a:b]
                place[a:b] = home if away else home - home[0] + room
            target = place[layer.slot]

            def job(f: int, u: int, stop: threading.Event) -> None:
                for a, b in pieces(layer.begin, f, u):  # noqa: B023
                    if not stop.is_set():
                        step(m, a, b, layer, target, source, values)  # noqa: B023

            cuts = [0, *(int(np.searchsorted(layer.composition[:, 1], k)) for k in guests), len(layer.slot)]
            run(pool, [partial(job, f, u) for f, u in pairwise(cuts) if f < u])
            guests = [] if away else guests
            done += layer.states
    if progress:
        progress(total, total)
    return float(values[0])


def _largest_block(lattice: Lattice) -> int:
    last = np.flatnonzero(lattice.holds(lattice.depth))
    return int(((lattice.depth - lattice.labels[last] + 1) * lattice.plane[last]).max())


def divide(begin: Ints, composition: Ints, length: Ints, count: int) -> list[int]:
    """Blocks at which threads' shares begin, but for the first; rows of the last item hold ``length[labels]`` states.

    A block may take longer than a share: then some are empty.
    """
    if count == 1 or begin[-1] < _WORTH_SHARING:
        return []
    work = np.empty(len(begin))
    _kernels_lattice.work(begin, composition, length, _ROW, work)
    blocks = np.searchsorted(work, work[-1] * np.arange(1, count) / count)
    return [int(c) for c in np.minimum(blocks, len(composition) - 1)]


def _shares(layer: Layer, count: int) -> list[int]:
    """Labels of the second item with which each thread's blocks begin, but for the first thread's."""
    if layer.composition.shape[1] == 1:
        return []
    second = layer.composition[:, 1]
    length = np.arange(1, int(layer.composition[:, -1].max()) + 2)
    found = divide(layer.begin, layer.composition, length, count)
    return [int(k) for k in np.unique(second[found]) if k > second[0]]


def _wave(
    pace: int, first: int, last: int, where: tuple[Any, ...], halo: int, tables: tuple[Any, ...], stop: threading.Event
) -> None:
    """One thread's part of some layers, in pieces."""
    end = last + where[1] - 1
    for begin in range(first, end, pace):
        if not stop.is_set():
            _kernels.wave_of_two(begin, min(begin + pace, end), first, last, *where, halo, *tables)  # type: ignore[call-arg]


def sweep_two(
    lattice: Lattice, tables: Tables, dtype: np.dtype, threads: int | None = None, progress: Progress | None = None
) -> tuple[float, Floats]:
    """``sweep`` for the optimum of two uncapped items at unit costs, several layers in one pass over memory.

    Returns the advantage at the start and that of labelling each item there.
    """
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
            # The start is left to itself: what each first label leads to is read off before it is overwritten.
            levels = max(1, min(deep, top))
            if top == 0:
                for i, at in enumerate(base[:2]):
                    lost, won = values[at : at + 2]
                    first_choice[i] = lost + tables.mean[i, 0, 0] * (won - lost) + tables.gain[i, 0, 0]
            before = np.cumsum((top - np.arange(top + 1) + 1) * np.arange(1, top + 2))
            cuts = [0, top + 1]
            if count > 1 and states > _WORTH_SHARING and top > 4 * levels * count:
                inner = np.searchsorted(before, np.linspace(0, states, count + 1)[1:-1])
                cuts = [0, *(int(c) for c in inner), top + 1]
            halo = [0, *(int(base[-1]) + t * deep * room for t in range(len(cuts) - 2))]
            pace = max(1, _PIECE // (levels * room))
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
