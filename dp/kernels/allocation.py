"""Compiled parts of one-shot allocation: plain arrays in, plain arrays out."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def knapsack(begin, size, value, best, taken):
    """Multiple-choice knapsack: one option of each item, of most value in all for every capacity 0..len(best) - 1.

    Options begin[i]..begin[i + 1] - 1 are those of item i. ``taken[i, k]`` is the option taken of item i where
    items 0..i share capacity k, or -1 where they do not fit; of equal values the first option is taken.
    """
    best[:] = 0.0
    before = np.empty_like(best)
    for i in range(begin.size - 1):
        before[:] = best
        best[:] = -np.inf
        for option in range(begin[i], begin[i + 1]):
            for k in range(size[option], best.size):
                total = before[k - size[option]] + value[option]
                if total > best[k]:
                    best[k] = total
                    taken[i, k] = option
