r"""Backward induction over the lattice, one layer in memory.

Write G(n, w) = sum_i g_i(n_i, w_i) for the payoff if no further label were bought, with g_i = v_i h(p_i) + r_i w_i,
and V = G + U. A label of item i changes only g_i in G, so Bellman's equation for the *advantage* U of continuing is

    U(n, w) = 0                                                                            if no label is available,
    U(n, w) = max_i  d_i(n_i, w_i) + mu_i U(n + e_i, w + e_i) + (1 - mu_i) U(n + e_i, w)    otherwise,

    d_i(n, w) = mu_i g_i(n + 1, w + 1) + (1 - mu_i) g_i(n + 1, w) - g_i(n, w),

the *gain* of one label. Unlike the recursion for V, this one needs no payoffs of the last layer, which for many items
holds the largest share of all states. It also shows which items no longer matter: those with zero gains from here on.

Running rewards need no further term. Without discounting, a reward paid at once and one paid at the end are worth the
same, so r_i for each win is part of the payoff.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise

import numpy as np

from ...posteriors.foundation.arrays import Floats, Ints
from ...posteriors.foundation.progress import Progress
from ..kernels import lattice as _kernels_lattice
from ..machine.workers import cores, run
from .lattice import Lattice, Layer

__all__ = ["PIECE", "WORTH_SHARING", "divide", "pieces", "sweep"]

Step = Callable[[int, int, int, Layer, Ints, Ints, Floats], None]

# A layer with fewer states is swept by one thread, since sharing it would take longer.
WORTH_SHARING = 40_000
# Beginning a row of the last item's wins takes as long as this many states.
_ROW = 6.0
# An interruption is noticed between pieces of this many states, which take about a tenth of a second.
PIECE = 20_000_000


def pieces(begin: Ints, first: int, last: int) -> list[tuple[int, int]]:
    """Runs of blocks first..last with about ``PIECE`` states each; block c has states begin[c]..begin[c + 1]."""
    count = int(begin[last] - begin[first]) // PIECE + 1
    cuts = [first, last]
    if count > 1:
        cuts[1:1] = np.searchsorted(begin, np.linspace(begin[first], begin[last], count + 1)[1:-1]).tolist()
    return list(pairwise(cuts))


def sweep(
    lattice: Lattice, step: Step, dtype: np.dtype, threads: int | None = None, progress: Progress | None = None
) -> float:
    """Advantage at the start: ``step(m, first, last, layer, target, source, values)`` overwrites blocks of layer m.

    Blocks of a layer are independent, so threads cannot change the answer. Each thread takes the slots of a range of
    labels of the second item. The last slots of a thread read the old values of the next thread's first slots. So the
    new values of those first slots go to a *spare* place; in the next layer they move back to their slots.
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
    """First block of each thread's share, except the first thread's.

    Rows along the last item's axis hold ``length[labels]`` states. A block may take longer than a share; then some
    shares are empty.
    """
    if count == 1 or begin[-1] < WORTH_SHARING:
        return []
    work = np.empty(len(begin))
    _kernels_lattice.work(begin, composition, length, _ROW, work)
    blocks = np.searchsorted(work, work[-1] * np.arange(1, count) / count)
    return [int(c) for c in np.minimum(blocks, len(composition) - 1)]


def _shares(layer: Layer, count: int) -> list[int]:
    """Labels of the second item at which each thread's blocks begin, except the first thread's."""
    if layer.composition.shape[1] == 1:
        return []
    second = layer.composition[:, 1]
    length = np.arange(1, int(layer.composition[:, -1].max()) + 2)
    found = divide(layer.begin, layer.composition, length, count)
    return [int(k) for k in np.unique(second[found]) if k > second[0]]
