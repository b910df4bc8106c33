"""Compiled forward walk under the prior: plain arrays in, plain arrays out."""

from __future__ import annotations

import numpy as np
from numba import njit

from ..dp._kernels_policy import advance, strides


@njit(cache=True, nogil=True)
def spread_prior(composition, after, begin, chance, mean, probability, after_begin, out):
    """Push the probability of each state to its successors; item i's label is a win with probability mean[i, n, w].

    Arrays are those of ``dp._kernels_policy.spread``, but for ``mean`` of shape (N, width, width).
    """
    items = composition.shape[1]
    w = np.zeros(items, dtype=np.int64)
    step = np.zeros((items, items), dtype=np.int64)
    for c in range(composition.shape[0]):
        n = composition[c]
        size = 1
        w[:] = 0
        for i in range(items):
            size *= n[i] + 1
            strides(n, i, step[i])
        for k in range(begin[c], begin[c] + size):
            if probability[k] > 0.0:
                for i in range(items):
                    p = chance[k, i] * probability[k]
                    if p > 0.0:
                        at = after_begin[after[c, i]]
                        for j in range(items):
                            at += w[j] * step[i, j]
                        won = p * mean[i, n[i], w[i]]
                        out[at] += p - won
                        out[at + step[i, i]] += won
            advance(w, n)
