"""Compiled items at a fixed price, where the belief is Beta and h is linear but for one kink.

Everything is for a unit weight: ``lam`` is the price of a label over the item's weight. With h(p) = S max(0, p - c) and
something linear, a label gains something only where it may carry p over c. Tails rise with the wins, so that is one
state in each row (see ``relaxed``), and the states where going on is worth something form a thin band along these.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from ...posteriors.kernels.beliefs import log_step_scalar


@njit(cache=True, nogil=True)
def largest_gain(s, q, slope):
    """Upper bound on the gain of one label in every state with a + b >= s; q = t (1 - t). It falls with s."""
    near = q * min(2.0, math.exp(min(1.0 / 3.0 / s / q, 1.0)))
    return slope * math.exp(1.0 / (12.0 * s)) * math.sqrt(max(near, 4.0 / 3.0 / s) / (2.0 * math.pi * s))


@njit(cache=True, nogil=True)
def rows_needed(s, q, slope, lam, most):
    """Rows before the first from which on no label gains more than it costs; ``most`` where there are more."""
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
def follow_kink(a, b, t, p, kink, slope, rows, last_below, gain):
    """Go along the states whose tail is next to the kink, row by row.

    ``last_below[n]``, n = 0..rows, is the largest number of wins w with tail(n, w) < c, or -1. ``gain[n]``, n < rows,
    is what a label gains in the one state of row n where it gains anything, that of w = last_below[n + 1], and zero
    where there is no such state. Returns the tail and D in the state of the last row with max(last_below, 0) wins.
    """
    x, y, w = a, b, 0
    d = math.exp(log_step_scalar(a, b, t))
    odds, over_miss = t / (1.0 - t), 1.0 / (1.0 - t)
    n = 0
    while True:
        if d < 1e-280:
            # Far from the kink D may be too small for products; on the way there it grows.
            d = math.exp(log_step_scalar(x, y, t))
        if p < kink:
            while w < n:
                # Reciprocals first: what waits for d is then multiplied only.
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
                # Where a tail lies on the kink a label gains nothing, and rounding must not say otherwise.
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
def truth_at_the_end(a, b, t, p, d, wins, kink, slope, rows, lam, worth, labels):
    """Bound what more labels are worth after ``rows`` of them, from the state of ``wins`` outwards; first and last.

    See ``relaxed`` for the two bounds, of which the smaller one is taken in each state.
    """
    odds = t / (1.0 - t)
    s = a + b + rows
    most = largest_gain(s, t * (1.0 - t), slope)
    share = 1.0 - lam / most
    variance = math.exp(1.0 / (6.0 * s)) / (2.0 * math.pi * s)
    # At no price labels are bought for ever, and no number of them bounds what they gain.
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
def go_on_along(a, b, rows, last_below, gain, lam, first, last, worth, labels, keep, begin, kept):
    """Backward induction within the band; worth and labels bought at the start.

    ``worth`` and ``labels`` hold the last row, which is zero but for first..last (empty where last < first), and are
    overwritten. The worths of rows 0..keep are left in ``kept``: those of row n, from ``begin[n, 0]`` wins on, stand at
    ``begin[n, 1]``, .., ``begin[n, 2]`` - 1. Where ``kept`` is too short the answer is (-1, the room it takes).
    """
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
        seed = 0 <= k <= n and gain[n] > lam
        low, high = first - 1, last
        if last < first:
            low, high = (k, k) if seed else (0, -1)
        elif seed:
            low, high = min(low, k), max(high, k)
        low, high = max(low, 0), min(high, n)
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
def relax_item(a, b, t, p, kink, slope, cap, lam, last_below, gain, worth, labels, keep, begin, kept):
    """Worth and expected labels of an item at a price, from zeroed ``worth`` and ``labels``, which are left zeroed.

    Where labels beyond the arrays' length may be worth their price the worth is an upper bound: see
    ``truth_at_the_end``.
    """
    q = t * (1.0 - t)
    rows = rows_needed(a + b, q, slope, lam, min(cap, gain.size))
    p_end, d_end = follow_kink(a, b, t, p, kink, slope, rows, last_below, gain)
    first, last = 0, -1
    if rows == gain.size and rows < cap and largest_gain(a + b + rows, q, slope) > lam:
        wins = max(last_below[rows], 0)
        first, last = truth_at_the_end(a, b, t, p_end, d_end, wins, kink, slope, rows, lam, worth, labels)
    found = go_on_along(a, b, rows, last_below, gain, lam, first, last, worth, labels, keep, begin, kept)
    worth[0], labels[0] = 0.0, 0.0
    return found


@njit(cache=True, nogil=True)
def relax_items(a, b, t, p, kink, slope, cap, lam, room, worth, labels):
    """Worth and expected labels of many items, each at its own price for a unit weight."""
    rows = 0
    for i in range(a.size):
        rows = max(rows, rows_needed(a[i] + b[i], t[i] * (1.0 - t[i]), slope, lam[i], min(cap[i], room)))
    last_below, gain = np.empty(rows + 1, dtype=np.int64), np.empty(rows)
    row_worth, row_labels = np.zeros(rows + 2), np.zeros(rows + 2)
    begin, kept = np.empty((1, 3), dtype=np.int64), np.empty(1)
    for i in range(a.size):
        worth[i], labels[i] = relax_item(
            a[i],
            b[i],
            t[i],
            p[i],
            kink,
            slope,
            cap[i],
            lam[i],
            last_below,
            gain,
            row_worth,
            row_labels,
            -1,
            begin,
            kept,
        )


@njit(cache=True, nogil=True)
def longer(array, size):
    """Return an array of at least this size that begins like the given one."""
    if array.size >= size:
        return array
    out = np.empty(max(size, 2 * array.size), dtype=array.dtype)
    out[: array.size] = array
    return out


@njit(cache=True, nogil=True)
def band_index(a, b, t, p, kink, slope, floor, depth, rows, merge, first, count, value):
    """Index of the states of an item where it is above ``floor``, for a unit weight and unit cost.

    At most ``depth`` labels are looked at. Row n < ``rows`` has its index from ``first[n]`` wins on, in ``count[n]``
    states, zero between them where it is not above the floor. The indices are returned one after the other, those of
    the last row first, in ``value`` or a longer array, with their number. Hinges as in ``stopping``; those below the
    floor change no index above it, and are left out. Hinges within a share ``merge`` of each other, but for the first,
    become one of the same weight and moment.
    """
    most = rows_needed(a + b, t * (1.0 - t), slope, floor, depth)
    last_below, gain = np.empty(most + 1, dtype=np.int64), np.empty(max(most, 1))
    follow_kink(a, b, t, p, kink, slope, most, last_below, gain)
    price, weight, new_price, new_weight = np.empty(64), np.empty(64), np.empty(64), np.empty(64)
    begin, new_begin = np.zeros(16, dtype=np.int64), np.zeros(16, dtype=np.int64)
    first[:rows] = 0
    count[:rows] = 0
    low, high = 0, -1
    total = 0
    for n in range(most - 1, -1, -1):
        k = last_below[n + 1]
        seed = 0 <= k <= n and gain[n] > floor
        start, stop = low - 1, high
        if high < low:
            start, stop = (k, k) if seed else (0, -1)
        elif seed:
            start, stop = min(start, k), max(stop, k)
        start, stop = max(start, 0), min(stop, n)
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
                if win >= win_end or (lose < lose_end and price[lose] >= price[win]):
                    x, q = price[lose], down * weight[lose]
                    lose += 1
                else:
                    x, q = price[win], up * weight[win]
                    win += 1
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
        one, total = band_index(
            a[i],
            b[i],
            t[i],
            p[i],
            kink,
            slope,
            floor[i],
            depth[i],
            rows,
            merge,
            first[i * rows : (i + 1) * rows],
            count,
            one,
        )
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
def index_ahead(a, b, t, p, kink, slope, ahead, floor, guess, close, last_below, gain, worth, labels, begin, kept):
    """Index of one state, looking ``ahead`` labels ahead, for a unit weight and unit cost; zero if not above ``floor``.

    Newton's method of ``stopping``, from ``guess`` if that is below the index, else from ``floor``. It ends with a step
    of less than a millionth; by then the rule is almost always the best one, and the index exact. ``worth`` and
    ``labels`` are zero, and are left so.
    """
    follow_kink(a, b, t, p, kink, slope, ahead, last_below, gain)
    price = max(floor, guess)
    # As variables: a literal would be another type, and compile the function once more.
    none, empty = np.int64(0), np.int64(-1)
    while True:
        found, count = go_on_along(a, b, ahead, last_below, gain, price, none, empty, worth, labels, empty, begin, kept)
        worth[0], labels[0] = 0.0, 0.0
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
    last_below, gain = np.empty(ahead + 1, dtype=np.int64), np.empty(ahead)
    worth, labels = np.zeros(ahead + 2), np.zeros(ahead + 2)
    begin, kept = np.empty((1, 3), dtype=np.int64), np.empty(1)
    for i in range(a.size):
        out[i] = index_ahead(
            a[i], b[i], t[i], p[i], kink, slope, ahead, 0.0, 0.0, 4e-16, last_below, gain, worth, labels, begin, kept
        )
