"""Compiled expectation over the next labels, from many states side by side: plain arrays in, plain arrays out."""

from __future__ import annotations

import numpy as np
from numba import njit

from ...dp.kernels.policy import advance, strides


@njit(cache=True, nogil=True)
def expectimax(layers, composition, after, begin, mean, gain, usable, leaf, out):
    """Advantage of labelling each candidate now and the best ones after it, for R rows.

    Blocks of label counts beyond the present state lie layer after layer, ``layers[m]..layers[m + 1]`` those of m
    labels; block c holds the states ``begin[c]..begin[c + 1]``, and ``after[c, i]`` is the block with one more label of
    candidate i. ``mean`` and ``gain`` (R, M, depth, depth) are the candidates' tables from here on, ``usable`` (R, C,
    M) says what can be labelled in each block before the last layer, and ``leaf`` (R, states of the last layer) what
    the last states are worth. Where nothing can be labelled a state is worth zero. Unusable candidates get -inf.
    """
    items = composition.shape[1]
    depth = layers.size - 2
    values = np.empty(begin[-1])
    w = np.zeros(items, dtype=np.int64)
    step = np.zeros((items, items), dtype=np.int64)
    last = begin[layers[depth]]
    for r in range(mean.shape[0]):
        for k in range(leaf.shape[1]):
            values[last + k] = leaf[r, k]
        for c in range(layers[depth] - 1, -1, -1):
            n = composition[c]
            w[:] = 0
            for i in range(items):
                strides(n, i, step[i])
            for k in range(begin[c], begin[c + 1]):
                best = -np.inf
                for i in range(items):
                    if usable[r, c, i]:
                        at = begin[after[c, i]]
                        for j in range(items):
                            at += w[j] * step[i, j]
                        lost = values[at]
                        m = mean[r, i, n[i], w[i]]
                        value = gain[r, i, n[i], w[i]] + lost + m * (values[at + step[i, i]] - lost)
                        best = max(best, value)
                        if c == 0:
                            out[r, i] = value
                    elif c == 0:
                        out[r, i] = -np.inf
                values[k] = best if best > -np.inf else 0.0
                advance(w, n)
