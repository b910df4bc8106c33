"""Compiled accounts of simulated runs against the relaxed problem: see ``certify``."""

from __future__ import annotations

import numpy as np
from numba import njit

from ...dp.kernels.relaxed import follow_kink, go_on_along, largest_gain, longer, rows_needed, truth_at_the_end
from .choosing import LABELS, uniform


@njit(cache=True, nogil=True)
def worth_at(begin, kept, rows, n, w):
    """Worth of going on in a state, from the rows that were kept."""
    if n >= rows:
        return 0.0
    j = w - begin[n, 0]
    if j < 0 or begin[n, 1] + j >= begin[n, 2]:
        return 0.0
    return kept[begin[n, 1] + j]


@njit(cache=True, nogil=True)
def account(item, a, b, t, p, kink, slope, cap, lam, most, labels, rate, keys, worth, spent, credit):
    """Relax items at a price and go through their labels in each replication; everything for a unit weight.

    ``labels[i, r]`` are drawn anew as in the simulation. ``worth`` and ``spent`` are those of ``relax_item``.
    ``credit[i, r]`` is the part of the item's gain in replication r that is no luck: the worth at the start, less what
    every label that the relaxed problem would not buy loses, less the worth of going on that is left at the end.
    """
    last_below, gain = np.empty(64, dtype=np.int64), np.empty(64)
    row_worth, row_labels = np.zeros(66), np.zeros(66)
    begin, kept = np.empty((1, 3), dtype=np.int64), np.empty(1024)
    for i in range(a.size):
        keep = 0
        for r in range(labels.shape[1]):
            keep = max(keep, labels[i, r])
        q = t[i] * (1.0 - t[i])
        rows = rows_needed(a[i] + b[i], q, slope, lam[i], min(cap[i], most))
        far = max(rows, keep)
        last_below, gain = longer(last_below, far + 1), longer(gain, far + 1)
        if row_worth.size < far + 2:
            row_worth, row_labels = np.zeros(2 * far + 2), np.zeros(2 * far + 2)
        if begin.shape[0] < keep + 1:
            begin = np.empty((2 * keep + 2, 3), dtype=np.int64)
        ends = rows == most and rows < cap[i] and largest_gain(a[i] + b[i] + rows, q, slope) > lam[i]
        p_end, d_end = follow_kink(a[i], b[i], t[i], p[i], kink, slope, rows, last_below, gain)
        wins = max(last_below[rows], 0)
        if far > rows:
            follow_kink(a[i], b[i], t[i], p[i], kink, slope, far, last_below, gain)
        while True:
            first, last = 0, -1
            if ends:
                first, last = truth_at_the_end(
                    a[i], b[i], t[i], p_end, d_end, wins, kink, slope, rows, lam[i], row_worth, row_labels
                )
            found, count = go_on_along(
                a[i], b[i], rows, last_below, gain, lam[i], first, last, row_worth, row_labels, keep, begin, kept
            )
            if found >= 0.0:
                break
            # The worths kept take more room; the band is gone through once more, from zeros.
            kept = np.empty(2 * np.int64(count))
            row_worth[0], row_labels[0] = 0.0, 0.0
        row_worth[0], row_labels[0] = 0.0, 0.0
        worth[i], spent[i] = found, count
        for r in range(labels.shape[1]):
            w = 0
            total = found
            here = found
            for n in range(labels[i, r]):
                mean = (a[i] + w) / (a[i] + b[i] + n)
                lose, win = worth_at(begin, kept, keep + 1, n + 1, w), worth_at(begin, kept, keep + 1, n + 1, w + 1)
                total += lose + mean * (win - lose) - here
                if w == last_below[n + 1]:
                    total += gain[n]
                if uniform(n, item[i], LABELS, keys[r, 0], keys[r, 1]) < rate[i, r]:
                    w += 1
                    here = win
                else:
                    here = lose
            credit[i, r] = total - here


@njit(cache=True, nogil=True)
def account_table(item, mean, gain, lam, labels, rate, keys, credit):
    """Account for one item from tables of its states; worth and labels at the start. ``lam`` is for a unit cost."""
    size = mean.shape[0]
    worth, count = np.zeros((size + 1, size + 1)), np.zeros((size + 1, size + 1))
    for n in range(size - 1, -1, -1):
        for w in range(n + 1):
            m = mean[n, w]
            value = gain[n, w] - lam + worth[n + 1, w] + m * (worth[n + 1, w + 1] - worth[n + 1, w])
            if value > 0.0:
                worth[n, w] = value
                count[n, w] = 1.0 + count[n + 1, w] + m * (count[n + 1, w + 1] - count[n + 1, w])
    for r in range(labels.size):
        w = 0
        total = worth[0, 0]
        for n in range(labels[r]):
            m = mean[n, w]
            total += gain[n, w] + worth[n + 1, w] + m * (worth[n + 1, w + 1] - worth[n + 1, w]) - worth[n, w]
            if uniform(n, item, LABELS, keys[r, 0], keys[r, 1]) < rate[r]:
                w += 1
        credit[r] = total - worth[labels[r], w]
    return worth[0, 0], count[0, 0]
