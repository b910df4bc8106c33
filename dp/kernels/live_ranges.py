"""Compiled search for the live part of the lattice: plain arrays in, plain arrays out.

``low`` and ``high`` are those of ``exact.live.Ranges``, and ``bounds`` is that of ``exact.two_items.LivePair``.
"""

from __future__ import annotations

from numba import njit


@njit(cache=True, nogil=True)
def ranges(gain, zero, low, high):
    """First and last live wins of each row of labels, for each number of labels left; low > high where there are none.

    Gains of at most ``zero`` in absolute value count as zero.
    """
    low[:] = low.shape[1]
    high[:] = -1
    for i in range(gain.shape[0]):
        for n in range(gain.shape[1] - 1, -1, -1):
            first, final = gain.shape[1], -1
            for w in range(n + 1):
                if abs(gain[i, n, w]) > zero:
                    first = min(first, w)
                    final = w
            low[i, n, 0] = n + 1
            for r in range(1, gain.shape[1] - n):
                high[i, n, r] = min(max(final, high[i, n + 1, r - 1]), n)
                low[i, n, r] = n + 1 if high[i, n, r] < 0 else max(min(first, low[i, n + 1, r - 1] - 1), 0)


@njit(cache=True, nogil=True)
def pair_bounds(low, high, bounds):
    """``exact.two_items.LivePair.bounds`` of live ranges."""
    width = low.shape[1]
    for i in range(low.shape[0]):
        for n in range(width - 1, -1, -1):
            for r in range(width):
                dead = low[i, n, r] > high[i, n, r]
                bounds[0, i, n, r] = 0 if dead else max(low[i, n, r] - 1, 0)
                bounds[1, i, n, r] = 0 if dead else min(high[i, n, r] + 1, n)
        for n in range(width):
            for r in range(width):
                first, final = bounds[0, i, n, r], bounds[1, i, n, r]
                if r + 1 < width and n + r < width - 1:
                    first, final = min(first, bounds[0, i, n, r + 1]), max(final, bounds[1, i, n, r + 1])
                if r + 1 < width and n > 0:
                    first = min(first, bounds[0, i, n - 1, r + 1])
                    final = max(final, bounds[1, i, n - 1, r + 1] + 1)
                bounds[2, i, n, r], bounds[3, i, n, r] = first, final


@njit(cache=True, nogil=True)
def pair_states(bounds, out):
    """Live states of two items in each layer."""
    depth = bounds.shape[2] - 1
    for m in range(depth + 1):
        for s in range(m + 1):
            one = bounds[1, 0, m - s, depth - m] - bounds[0, 0, m - s, depth - m] + 1
            out[m] += one * (bounds[1, 1, s, depth - m] - bounds[0, 1, s, depth - m] + 1)
