"""Compiled tables and value curves of items: plain arrays in, plain arrays out."""

from __future__ import annotations

import numpy as np
from numba import njit

from ...posteriors.kernels.beliefs import tables


@njit(cache=True, nogil=True)
def beta_tables(a, b, threshold, first_column, mean, tail, jump):
    """Fill tables [item, labels, wins] of means and tails of Beta items.

    ``first_column[i, n]`` is the tail after n losses; ``jump`` is scratch space for one item's jumps.
    """
    for i in range(a.size):
        tables(a[i], b[i], threshold[i], first_column[i], mean[i], tail[i], jump)


@njit(cache=True, nogil=True)
def expected_gains(mean, gain, out):
    """Expected gain of the first n labels, n = 0..k, from tables of shape (k, k): a walk over the wins so far."""
    chance = np.zeros(mean.shape[0] + 1)
    chance[0] = 1.0
    out[0] = 0.0
    for n in range(mean.shape[0]):
        total = 0.0
        for w in range(n, -1, -1):
            total += chance[w] * gain[n, w]
            chance[w + 1] += chance[w] * mean[n, w]
            chance[w] *= 1.0 - mean[n, w]
        out[n + 1] = out[n] + total


@njit(cache=True, nogil=True)
def majorant(curve, corner):
    """Write the labels at which the concave majorant bends to ``corner``; return their number and its distance."""
    count = 0
    for n in range(curve.size):
        while count > 1:
            a, b = corner[count - 2], corner[count - 1]
            if (curve[b] - curve[a]) * (n - a) > (curve[n] - curve[a]) * (b - a):
                break
            count -= 1
        corner[count] = n
        count += 1
    distance = 0.0
    for j in range(count - 1):
        a, b = corner[j], corner[j + 1]
        slope = (curve[b] - curve[a]) / (b - a)
        for n in range(a + 1, b):
            distance = max(distance, slope * (n - a) + curve[a] - curve[n])
    return count, distance


@njit(cache=True, nogil=True)
def curves(mean, gain, curve, corner, corners, distance):
    """``expected_gains`` and ``majorant`` of items stacked along the first axis."""
    for i in range(mean.shape[0]):
        expected_gains(mean[i], gain[i], curve[i])
        corners[i], distance[i] = majorant(curve[i], corner[i])
