"""Compiled indices of items whose payoff has one kink: tables along a band of states, and one state at a time.

The index of a state is the price at which another label is worth nothing, for a unit weight and unit cost.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from ...posteriors.kernels.beliefs import log_step_scalar
from .relaxed import Kinked, band, follow_kink, go_on_along, longer, room_for, rows_needed
from .stopping import next_hinge


@njit(cache=True, nogil=True)
def band_index(item, floor, depth, rows, merge, first, count, value):
    """Index of the states of an item where it is above ``floor``, for a unit weight and unit cost.

    At most ``depth`` labels are looked at. Row n < ``rows`` has its index from ``first[n]`` wins on, in ``count[n]``
    states, zero between them where it is not above the floor. The indices are returned one after the other, those of
    the last row first, in ``value`` or a longer array, with their number. Hinges as in ``stopping``; those below the
    floor change no index above it, and are left out. Hinges within a share ``merge`` of each other, but for the first,
    become one of the same weight and moment.
    """
    a, b, t = item.a, item.b, item.t
    most = rows_needed(a + b, t * (1.0 - t), item.slope, floor, depth)
    last_below, gain = np.empty(most + 1, dtype=np.int64), np.empty(max(most, 1))
    follow_kink(item, most, last_below, gain)
    price, weight, new_price, new_weight = np.empty(64), np.empty(64), np.empty(64), np.empty(64)
    begin, new_begin = np.zeros(16, dtype=np.int64), np.zeros(16, dtype=np.int64)
    first[:rows] = 0
    count[:rows] = 0
    low, high = 0, -1
    total = 0
    for n in range(most - 1, -1, -1):
        k = last_below[n + 1]
        start, stop = band(n, k, 0 <= k <= n and gain[n] > floor, low, high)
        if stop < start:
            low, high = 0, -1
            continue
        held = begin[high - low + 1] if high >= low else 0
        if new_price.size < 2 * held + stop - start + 2:
            new_price = np.empty(2 * (2 * held + stop - start + 2))
            new_weight = np.empty(new_price.size)
        new_begin = longer(new_begin, stop - start + 3)
        over_size = 1.0 / (a + b + n)
        at = 0
        new_low, new_high = stop + 1, -1
        for w in range(start, stop + 1):
            new_begin[w - start] = at
            lose, lose_end, win, win_end = 0, 0, 0, 0
            if low <= w <= high:
                lose, lose_end = begin[w - low], begin[w - low + 1]
            if low <= w + 1 <= high:
                win, win_end = begin[w + 1 - low], begin[w + 2 - low]
            up = (a + w) * over_size
            down = 1.0 - up
            worth = gain[n] if w == k else 0.0
            labels = 1.0
            found = False
            while lose < lose_end or win < win_end:
                x, q, lose, win = next_hinge(price, weight, lose, lose_end, win, win_end, down, up)
                if not found:
                    if worth < x * labels:
                        worth += q * x
                        labels += q
                        continue
                    found = True
                    if worth <= floor * labels:
                        break
                    new_price[at], new_weight[at] = worth / labels, labels
                    at += 1
                if new_price[at - 1] == x:
                    new_weight[at - 1] += q
                elif at > new_begin[w - start] + 1 and new_price[at - 1] - x < merge * x:
                    both = new_weight[at - 1] + q
                    new_price[at - 1] += (x - new_price[at - 1]) * (q / both)
                    new_weight[at - 1] = both
                else:
                    new_price[at], new_weight[at] = x, q
                    at += 1
            if not found and worth > floor * labels:
                new_price[at], new_weight[at] = worth / labels, labels
                at += 1
            if at > new_begin[w - start]:
                new_low, new_high = min(new_low, w), w
        new_begin[stop - start + 1] = at
        low, high = 0, -1
        if new_high >= 0:
            low, high = new_low, new_high
            begin = longer(begin, high - low + 2)
            for w in range(low, high + 2):
                begin[w - low] = new_begin[w - start]
        price, new_price = new_price, price
        weight, new_weight = new_weight, weight
        if n < rows and high >= low:
            first[n], count[n] = low, high - low + 1
            value = longer(value, total + count[n])
            for w in range(high, low - 1, -1):
                here, there = begin[w - low], begin[w - low + 1]
                value[total] = price[here] if there > here else 0.0
                total += 1
    return value, total


@njit(cache=True, nogil=True)
def band_indices(a, b, t, p, kink, slope, floor, depth, rows, merge, first, begin):
    """Tables of many items, in order: row n of item i stands in ``value[begin[i rows + n]]``, .., from ``first`` on."""
    value, one = np.empty(1024), np.empty(1024)
    count = np.empty(rows, dtype=np.int64)
    at = 0
    for i in range(a.size):
        item, starts = Kinked(a[i], b[i], t[i], p[i], kink, slope), first[i * rows : (i + 1) * rows]
        one, total = band_index(item, floor[i], depth[i], rows, merge, starts, count, one)
        value = longer(value, at + total)
        for k in range(total):
            value[at + k] = one[total - 1 - k]
        for n in range(rows):
            begin[i * rows + n] = at
            at += count[n]
    begin[a.size * rows] = at
    return value[:at].copy()


@njit(cache=True, nogil=True)
def tail_after(a, b, t, p, wins, losses):
    """Tail at Beta(a + wins, b + losses) from the tail p at Beta(a, b), by single labels in about equal shares."""
    d = math.exp(log_step_scalar(a, b, t))
    x, y = a, b
    won, lost = 0, 0
    while won < wins or lost < losses:
        s = x + y
        if (won * losses <= lost * wins and won < wins) or lost >= losses:
            p += d / x
            d *= t * s / x
            x += 1.0
            won += 1
        else:
            p -= d / y
            d *= (1.0 - t) * s / y
            y += 1.0
            lost += 1
    return min(1.0, max(0.0, p))


@njit(cache=True, nogil=True)
def index_ahead(item, ahead, floor, guess, close, room):
    """Index of one state, looking ``ahead`` labels ahead, for a unit weight and unit cost; zero if not above ``floor``.

    Newton's method of ``stopping``, from ``guess`` if that is below the index, else from ``floor``. It ends with a step
    of less than the share ``close``; by then the rule is almost always the best one, and the index exact. ``worth`` and
    ``labels`` of the room are zero, and are left so.
    """
    follow_kink(item, ahead, room.last_below, room.gain)
    price = max(floor, guess)
    # As variables: a literal would be another type, and compile the function once more.
    none, empty = np.int64(0), np.int64(-1)
    while True:
        found, count = go_on_along(item, ahead, price, none, empty, empty, room)
        room.worth[0], room.labels[0] = 0.0, 0.0
        if found <= 0.0:
            if price == guess and guess > floor:
                # Once: the way up from the floor may end at this very number.
                price, guess = floor, 0.0
                continue
            return price if price > floor else 0.0
        better = price + found / count
        if not better > price * (1.0 + close):
            return better
        price = better


@njit(cache=True, nogil=True)
def indices_ahead(a, b, t, p, kink, slope, ahead, out):
    """Index of many states, looking ``ahead`` labels ahead, for a unit weight and unit cost."""
    room = room_for(ahead)
    for i in range(a.size):
        out[i] = index_ahead(Kinked(a[i], b[i], t[i], p[i], kink, slope), ahead, 0.0, 0.0, 4e-16, room)
