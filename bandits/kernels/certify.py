"""Compiled accounts of simulated runs against the relaxed problem: see ``certify``."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ...dp.kernels.relaxed import (
    Kinked,
    Room,
    follow_kink,
    go_on_along,
    largest_gain,
    longer,
    rows_needed,
    truth_at_the_end,
)
from .choosing import LABELS, uniform


class Items(NamedTuple):
    """Items, n of them, each of unit weight, whose payoffs have their kink in one place.

    Attributes
    ----------
    number : ndarray of int64, shape (n,)
        Numbers that they have in the problem.
    a, b : ndarray, shape (n,)
        Parameters of their Beta beliefs.
    t, p : ndarray, shape (n,)
        Thresholds, and tails of the beliefs.
    cap : ndarray of int64, shape (n,)
    lam : ndarray, shape (n,)
        Price of a label over the item's weight.
    kink, slope : float
        c and S of ``lagrangian_relaxation``.
    """

    number: NDArray[np.int64]
    a: NDArray[np.float64]
    b: NDArray[np.float64]
    t: NDArray[np.float64]
    p: NDArray[np.float64]
    cap: NDArray[np.int64]
    lam: NDArray[np.float64]
    kink: float
    slope: float


class Replications(NamedTuple):
    """Simulated runs, R of them.

    Attributes
    ----------
    labels : ndarray of int64, shape (n, R)
        Labels that each item got.
    rate : ndarray, shape (n, R)
        Chances that a label is a win.
    keys : ndarray of uint64, shape (R, 2)
        Keys that the labels are drawn from.
    """

    labels: NDArray[np.int64]
    rate: NDArray[np.float64]
    keys: NDArray[np.uint64]


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
def account(items, runs, most, worth, spent, credit):
    """Relax items at a price and go through their labels in each replication; everything for a unit weight.

    Labels are drawn anew as in the simulation. ``worth`` and ``spent``, shape (n,), are those of ``relax_item`` with at
    most ``most`` rows.
    ``credit[i, r]`` is the part of the item's gain in replication r that is no luck: the worth at the start, less what
    every label that the relaxed problem would not buy loses, less the worth of going on that is left at the end.
    """
    number, a, b, t, p, cap, lam, kink, slope = items
    labels, rate, keys = runs
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
        item = Kinked(a[i], b[i], t[i], p[i], kink, slope)
        p_end, d_end = follow_kink(item, rows, last_below, gain)
        wins = max(last_below[rows], 0)
        if far > rows:
            follow_kink(item, far, last_below, gain)
        while True:
            first, last = 0, -1
            if ends:
                first, last = truth_at_the_end(item, p_end, d_end, wins, rows, lam[i], row_worth, row_labels)
            room = Room(last_below, gain, row_worth, row_labels, begin, kept)
            found, count = go_on_along(item, rows, lam[i], first, last, keep, room)
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
                if uniform(n, number[i], LABELS, keys[r, 0], keys[r, 1]) < rate[i, r]:
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
