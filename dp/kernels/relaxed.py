"""Compiled items at a fixed price, for Beta beliefs and a utility h that is linear except at one kink.

All items have weight 1: ``lam`` is the price of a label divided by the item's weight. With h(p) = S max(0, p - c) plus
a linear function, a label gains something only where it may move p across c. Tails rise with the wins, so that is one
state in each row (see ``lagrangian_relaxation``). The states in which continuing is worth something form a thin band
along these.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ...posteriors.kernels.beliefs import log_step_scalar


class Kinked(NamedTuple):
    """Item of unit weight whose payoff has one kink.

    Attributes
    ----------
    a, b : float
        Parameters of its Beta belief.
    t : float
        Threshold of the rate.
    p : float
        Tail at Beta(a, b).
    kink, slope : float
        c and S.
    """

    a: float
    b: float
    t: float
    p: float
    kink: float
    slope: float


class Room(NamedTuple):
    """Room to work in for an item of at most n rows.

    Attributes
    ----------
    last_below : ndarray of int64, shape (n + 1,)
    gain : ndarray, shape (n,)
        The states next to the kink, see ``follow_kink``.
    worth, labels : ndarray, shape (n + 2,)
        Worth of going on and labels bought in the states of one row; zero between calls.
    begin : ndarray of int64, shape (rows, 3)
    kept : ndarray
        Worths that are kept, see ``go_on_along``.
    """

    last_below: NDArray[np.int64]
    gain: NDArray[np.float64]
    worth: NDArray[np.float64]
    labels: NDArray[np.float64]
    begin: NDArray[np.int64]
    kept: NDArray[np.float64]


@njit(cache=True, nogil=True)
def largest_gain(s, q, slope):
    """Upper bound on the gain of one label in every state with a + b >= s; q = t (1 - t). It falls with s."""
    near = q * min(2.0, math.exp(min(1.0 / 3.0 / s / q, 1.0)))
    return slope * math.exp(1.0 / (12.0 * s)) * math.sqrt(max(near, 4.0 / 3.0 / s) / (2.0 * math.pi * s))


@njit(cache=True, nogil=True)
def rows_needed(s, q, slope, lam, most):
    """Number of rows before the first from which on no label gains more than it costs, at most ``most``."""
    if largest_gain(s + most, q, slope) > lam:
        return most
    low, high = -1, most
    while high - low > 1:
        middle = (low + high) // 2
        if largest_gain(s + middle, q, slope) > lam:
            low = middle
        else:
            high = middle
    return high


@njit(cache=True, nogil=True)
def follow_kink(item, rows, last_below, gain):
    """Follow the states whose tail is next to the kink, row by row.

    ``last_below[n]``, n = 0..rows, is the largest number of wins w with tail(n, w) < c, or -1. ``gain[n]``, n < rows,
    is the gain of a label in the only state of row n where it is not zero, that of w = last_below[n + 1], and zero if
    there is no such state. Returns the tail and D in the state of the last row with max(last_below, 0) wins.
    """
    a, b, t, p, kink, slope = item
    x, y, w = a, b, 0
    d = math.exp(log_step_scalar(a, b, t))
    odds, over_miss = t / (1.0 - t), 1.0 / (1.0 - t)
    n = 0
    while True:
        if d < 1e-280:
            # Far from the kink D may be too small for products; it grows towards the kink.
            d = math.exp(log_step_scalar(x, y, t))
        if p < kink:
            while w < n:
                # Reciprocals first, so that only multiplications wait for d.
                inverse = 1.0 / x
                above = p + d * (inverse * over_miss)
                if above >= kink:
                    break
                d *= odds * (y - 1.0) * inverse
                p = above
                x += 1.0
                y -= 1.0
                w += 1
        else:
            while p >= kink and w > 0:
                d *= (x - 1.0) / (odds * y)
                x -= 1.0
                y += 1.0
                w -= 1
                p -= d * (over_miss / x)
        k = w if p < kink else -1
        last_below[n] = k
        if n > 0:
            gain[n - 1] = 0.0
            if 0 <= k < n:
                above = p + d * (over_miss / x)
                mean = (a + k) / (a + b + (n - 1))
                now = p + mean * (above - p)
                found = mean * (above - kink) - max(0.0, now - kink)
                # If a tail lies on the kink, a label gains nothing, and rounding must not make it a gain.
                if found > 1e-14:
                    gain[n - 1] = slope * found
        if n == rows:
            return p, d
        s = x + y
        if x < s * t:
            inverse = 1.0 / x
            p += d * inverse
            d *= t * s * inverse
            x += 1.0
            w += 1
        else:
            inverse = 1.0 / y
            p -= d * inverse
            d *= (1.0 - t) * s * inverse
            y += 1.0
        n += 1


@njit(cache=True, nogil=True)
def truth_at_the_end(item, p, d, wins, rows, lam, worth, labels):
    """Bound the worth of labels after row ``rows``, from the state of ``wins`` outwards; returns first and last wins.

    ``p`` and ``d`` are the tail and D in that state. The bound in each state is the smaller of the two bounds in
    ``lagrangian_relaxation``.
    """
    a, b, t, _, kink, slope = item
    odds = t / (1.0 - t)
    s = a + b + rows
    most = largest_gain(s, t * (1.0 - t), slope)
    share = 1.0 - lam / most
    variance = math.exp(1.0 / (6.0 * s)) / (2.0 * math.pi * s)
    # At price 0 labels are bought for ever, and no number of them bounds their gain.
    spread = slope * slope * variance / (16.0 * lam) if lam > 0.0 else math.inf
    first, last = wins, wins
    for down in range(2):
        x, y, w, tail, step = a + wins, b + (rows - wins), wins, p, d
        while True:
            truth = slope * min((1.0 - kink) * tail, kink * (1.0 - tail))
            if truth * share < 1e-18:
                break
            worth[w] = min(truth * share, spread)
            labels[w] = truth / most if truth * share < spread else spread / lam
            if down:
                first = w
                if w == 0:
                    break
                step *= (x - 1.0) / (odds * y)
                x -= 1.0
                y += 1.0
                w -= 1
                tail = max(0.0, tail - step / (x * (1.0 - t)))
            else:
                last = w
                if w == rows:
                    break
                tail = min(1.0, tail + step / (x * (1.0 - t)))
                step *= odds * (y - 1.0) / x
                x += 1.0
                y -= 1.0
                w += 1
    return first, last


@njit(cache=True, nogil=True)
def band(n, k, seed, first, last):
    """First and last wins in row n from which a label may lead to first..last, or, with a ``seed``, that are k.

    Empty, with the last before the first, where there are none.
    """
    low, high = first - 1, last
    if last < first:
        low, high = (k, k) if seed else (0, -1)
    elif seed:
        low, high = min(low, k), max(high, k)
    return max(low, 0), min(high, n)


@njit(cache=True, nogil=True)
def go_on_along(item, rows, lam, first, last, keep, room):
    """Backward induction within the band; worth and labels bought at the start.

    In ``room``, ``worth`` and ``labels`` hold the last row, which is zero except in first..last (empty if last <
    first), and are overwritten. The worths of rows 0..keep are left in ``kept``: those of row n, from ``begin[n, 0]``
    wins on, are at ``begin[n, 1]``, .., ``begin[n, 2]`` - 1. If ``kept`` is too short the answer is (-1, the size that
    it needs).
    """
    a, b = item.a, item.b
    last_below, gain, worth, labels, begin, kept = room
    stored = 0
    if keep >= rows:
        for n in range(rows, keep + 1):
            begin[n, 0], begin[n, 1], begin[n, 2] = 0, 0, 0
        begin[rows, 0], begin[rows, 2] = first, max(last - first + 1, 0)
        for w in range(first, last + 1):
            if stored < kept.size:
                kept[stored] = worth[w]
            stored += 1
    for n in range(rows - 1, -1, -1):
        k = last_below[n + 1]
        low, high = band(n, k, 0 <= k <= n and gain[n] > lam, first, last)
        over_size = 1.0 / (a + b + n)
        new_first, new_last = high + 1, -1
        for w in range(low, high + 1):
            mean = (a + w) * over_size
            value = worth[w] + mean * (worth[w + 1] - worth[w]) - lam
            count = 1.0 + labels[w] + mean * (labels[w + 1] - labels[w])
            if w == k:
                value += gain[n]
            if value > 0.0:
                worth[w], labels[w] = value, count
                new_first, new_last = min(new_first, w), w
            else:
                worth[w], labels[w] = 0.0, 0.0
        for w in range(max(high + 1, first), last + 1):
            worth[w], labels[w] = 0.0, 0.0
        first, last = new_first, new_last
        if n <= keep:
            begin[n, 0], begin[n, 1] = first, stored
            for w in range(first, last + 1):
                if stored < kept.size:
                    kept[stored] = worth[w]
                stored += 1
            begin[n, 2] = stored
    if stored > kept.size:
        return -1.0, float(stored)
    return worth[0], labels[0]


@njit(cache=True, nogil=True)
def relax_item(item, cap, lam, room):
    """Worth and expected labels of an item at a price; ``worth`` and ``labels`` of the room are zero, and left so.

    Where labels beyond the arrays' length may be worth their price the worth is an upper bound: see
    ``truth_at_the_end``.
    """
    most = room.gain.size
    s, q = item.a + item.b, item.t * (1.0 - item.t)
    rows = rows_needed(s, q, item.slope, lam, min(cap, most))
    p_end, d_end = follow_kink(item, rows, room.last_below, room.gain)
    first, last = 0, -1
    if rows == most and rows < cap and largest_gain(s + rows, q, item.slope) > lam:
        wins = max(room.last_below[rows], 0)
        first, last = truth_at_the_end(item, p_end, d_end, wins, rows, lam, room.worth, room.labels)
    found = go_on_along(item, rows, lam, first, last, -1, room)
    room.worth[0], room.labels[0] = 0.0, 0.0
    return found


@njit(cache=True, nogil=True)
def relax_items(a, b, t, p, kink, slope, cap, lam, most, worth, labels):
    """Worth and expected labels of many items, each at its own price for a unit weight; of at most ``most`` rows."""
    rows = 0
    for i in range(a.size):
        rows = max(rows, rows_needed(a[i] + b[i], t[i] * (1.0 - t[i]), slope, lam[i], min(cap[i], most)))
    room = room_for(rows)
    for i in range(a.size):
        item = Kinked(a[i], b[i], t[i], p[i], kink, slope)
        worth[i], labels[i] = relax_item(item, cap[i], lam[i], room)


@njit(cache=True, nogil=True)
def room_for(rows):
    """Room for an item of this number of rows, none of whose worths are kept."""
    last_below, gain = np.empty(rows + 1, dtype=np.int64), np.empty(rows)
    worth, labels = np.zeros(rows + 2), np.zeros(rows + 2)
    return Room(last_below, gain, worth, labels, np.empty((1, 3), dtype=np.int64), np.empty(1))


@njit(cache=True, nogil=True)
def longer(array, size):
    """Return an array of at least this size that begins like the given one."""
    if array.size >= size:
        return array
    out = np.empty(max(size, 2 * array.size), dtype=array.dtype)
    out[: array.size] = array
    return out
