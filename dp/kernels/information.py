"""Compiled information relaxation: plain arrays in, plain arrays out."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def shortfalls(mean, gain, cost, idle, worth):
    """Tables of an item whose labels cost ``cost`` each: W, and W - F, what is lost by a label bought in a state.

    ``mean``, ``gain`` and ``idle`` have shape (k, k), ``worth`` (k + 1, k + 1); see ``stopping`` for W and F.
    """
    k = mean.shape[0]
    for w in range(k + 1):
        worth[k, w] = 0.0
    for n in range(k - 1, -1, -1):
        for w in range(n + 1):
            m = mean[n, w]
            value = gain[n, w] - cost + worth[n + 1, w] + m * (worth[n + 1, w + 1] - worth[n + 1, w])
            worth[n, w] = max(value, 0.0)
            idle[n, w] = max(-value, 0.0)


@njit(cache=True, nogil=True)
def walk(mean, uniform, wins):
    """Wins after 0, 1, .. labels of each path; uniform (S, k), wins (S, k + 1)."""
    for s in range(uniform.shape[0]):
        w = 0
        wins[s, 0] = 0
        for n in range(uniform.shape[1]):
            if uniform[s, n] < mean[n, w]:
                w += 1
            wins[s, n + 1] = w


@njit(cache=True, nogil=True)
def add_item(idle, worth, wins, size, most, best):
    """One item more: ``best[s, k]`` is the least loss on path s of all items so far when k units are spent.

    A label takes ``size`` units, and the items before took ``most`` at most. With l(n) what n labels lose on a path,
    best becomes min over n of best[s, k - size n] + l(n).
    """
    paths, labels = wins.shape
    capacity = best.shape[1] - 1
    before = np.empty(capacity + 1)
    for s in range(paths):
        before[:] = best[s]
        best[s, :] = np.inf
        bought = 0.0
        for n in range(labels):
            start = n * size
            if start > capacity:
                break
            loss = bought + worth[n, wins[s, n]]
            after = best[s, start:]
            # Written so that it is vectorised.
            for k in range(min(most, capacity - start) + 1):
                total = before[k] + loss
                after[k] = total if total < after[k] else after[k]
            if n < labels - 1:
                bought += idle[n, wins[s, n]]
