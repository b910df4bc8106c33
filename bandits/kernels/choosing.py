"""Compiled inner loops of simulation: counter-based random numbers and the choice among scores.

Random numbers come from Philox4x64-10 (Salmon, Moraes, Dror and Shaw 2011, "Parallel random numbers: as easy as 1, 2,
3"), the generator behind ``numpy.random.Philox``: a bijection of a 256-bit counter under a 128-bit key. Label j of
item i in a replication is a function of that replication's key and of (i, j) alone, so two policies that label the
same item see the same labels, in whatever order they ask, on however many workers.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from ...dp.kernels.dense import TIE

_LOW = np.uint64(0xFFFFFFFF)
_32 = np.uint64(32)
_M0, _M1 = np.uint64(0xD2E7470EE14C6C93), np.uint64(0xCA5A826395121157)
_W0, _W1 = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBB67AE8584CAA73B)
LABELS, TIES = np.uint64(1), np.uint64(2)


@njit(cache=True, nogil=True)
def high_product(x, y):
    """Upper 64 bits of a 64 by 64 bit product."""
    x0, x1, y0, y1 = x & _LOW, x >> _32, y & _LOW, y >> _32
    middle = x1 * y0 + ((x0 * y0) >> _32)
    other = x0 * y1 + (middle & _LOW)
    return x1 * y1 + (middle >> _32) + (other >> _32)


@njit(cache=True, nogil=True)
def philox(c0, c1, c2, c3, k0, k1):
    """First output word of Philox4x64-10."""
    for _ in range(10):
        h0, l0 = high_product(_M0, c0), _M0 * c0
        h1, l1 = high_product(_M1, c2), _M1 * c2
        c0, c1, c2, c3 = h1 ^ c1 ^ k0, l1, h0 ^ c3 ^ k1, l0
        k0 += _W0
        k1 += _W1
    return c0


@njit(cache=True, nogil=True)
def uniform(c0, c1, stream, k0, k1):
    """Number in [0, 1) with 53 random bits."""
    word = philox(np.uint64(c0), np.uint64(c1), stream, np.uint64(0), k0, k1)
    return np.float64(word >> np.uint64(11)) * (1.0 / 9007199254740992.0)


@njit(cache=True, nogil=True)
def draw_labels(rows, items, counts, rate, keys, out):
    """Label number ``counts`` of ``items`` in each of ``rows``: a win with the item's rate."""
    for k in range(rows.size):
        r, i = rows[k], items[k]
        out[k] = uniform(counts[k], i, LABELS, keys[r, 0], keys[r, 1]) < rate[r, i]


@njit(cache=True, nogil=True)
def draw_predicted(rows, items, counts, mean, keys, out):
    """Label number ``counts`` of ``items`` in each of ``rows``: a win with the chance that the belief gives it."""
    for k in range(rows.size):
        r, i = rows[k], items[k]
        out[k] = uniform(counts[k], i, LABELS, keys[r, 0], keys[r, 1]) < mean[k]


@njit(cache=True, nogil=True)
def choose(scores, usable, scale, first, step, keys, out):
    """Item of largest score among the usable ones in each row, ties broken at random or by order; -1 where none is."""
    for r in range(scores.shape[0]):
        best = -np.inf
        for i in range(scores.shape[1]):
            if usable[r, i] and scores[r, i] > best:
                best = scores[r, i]
        level = best - TIE * max(abs(best), scale)
        tied = 0
        out[r] = -1
        for i in range(scores.shape[1]):
            if usable[r, i] and scores[r, i] >= level:
                tied += 1
                if tied == 1:
                    out[r] = i
        if tied > 1 and not first:
            pick = int(uniform(step, np.int64(0), TIES, keys[r, 0], keys[r, 1]) * tied)
            for i in range(scores.shape[1]):
                if usable[r, i] and scores[r, i] >= level:
                    if pick == 0:
                        out[r] = i
                        break
                    pick -= 1


@njit(cache=True, nogil=True)
def draw_items(chances, step, rows, keys, out):
    """Item drawn with the given probabilities in each of ``rows``; the last with any where rounding leaves none."""
    for k in range(rows.size):
        total = 0.0
        for i in range(chances.shape[1]):
            total += chances[k, i]
        r = rows[k]
        left = uniform(step, np.int64(0), TIES, keys[r, 0], keys[r, 1]) * total
        for i in range(chances.shape[1]):
            if chances[k, i] > 0.0:
                out[r] = i
                left -= chances[k, i]
                if left < 0.0:
                    break
