"""Compiled walks over the lattice under a policy's choices: plain arrays in, plain arrays out.

Arrays are those of ``dense``; ``chance[k, i]`` is the probability of labelling item i in state k of a layer whose
blocks begin at ``begin``.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from .dense import TIE


@njit(cache=True, nogil=True)
def strides(n, grown, out):
    """Strides of the block n + e_grown (of n itself for grown = -1)."""
    step = 1
    for j in range(n.size - 1, -1, -1):
        out[j] = step
        step *= n[j] + (2 if j == grown else 1)


@njit(cache=True, nogil=True)
def states(n):
    """Number of states of the block n."""
    size = 1
    for j in range(n.size):
        size *= n[j] + 1
    return size


@njit(cache=True, nogil=True)
def enter(n, w, step):
    """Put ``w`` at the first state of a block and ``step[i]`` to the strides of n + e_i; the number of states."""
    w[:] = 0
    for i in range(n.size):
        strides(n, i, step[i])
    return states(n)


@njit(cache=True, nogil=True)
def offset(w, step, i):
    """Place of the wins ``w`` in the block of successor i."""
    at = 0
    for j in range(w.size):
        at += w[j] * step[i, j]
    return at


@njit(cache=True, nogil=True)
def turn(z, n, w, step, loss, win):
    """Next row of a block: advance the wins of items 0..z-1; each successor's offsets follow by its own strides."""
    for j in range(z - 1, -1, -1):
        if w[j] < n[j]:
            w[j] += 1
            for i in range(z + 1):
                loss[i] += step[i, j]
                win[i] += step[i, j]
            return
        for i in range(z + 1):
            loss[i] -= w[j] * step[i, j]
            win[i] -= w[j] * step[i, j]
        w[j] = 0


@njit(cache=True, nogil=True)
def follow_index(first, last, composition, target, source, mean, gain, index, which, scale, average, values):
    """Value of labelling the item of largest index; ties averaged, or given to the first item.

    ``index[which[c]]`` are the indices that hold in block c. Along a row only the last item's index changes, so the
    others are ranked once a row. ``leader`` is their largest index, and ``tied`` lists those that tie with it; where
    the last item is level with them, or so little ahead that it may tie with some, the choice is made afresh.
    """
    items = composition.shape[1]
    z = items - 1
    w = np.zeros(items, dtype=np.int64)
    loss = np.zeros(items, dtype=np.int64)
    win = np.zeros(items, dtype=np.int64)
    tied = np.zeros(items, dtype=np.int64)
    step = np.zeros((items, items), dtype=np.int64)
    for c in range(first, last):
        n = composition[c]
        score = index[which[c]]
        length = n[z] + 1
        rows = 1
        usable = False
        w[:] = 0
        for i in range(items):
            if i < z:
                rows *= n[i] + 1
            if source[c, i] >= 0:
                usable = True
                strides(n, i, step[i])
                loss[i] = source[c, i]
                win[i] = loss[i] + step[i, i]
        at = target[c]
        if not usable:
            values[at : at + rows * length] = 0.0
            continue
        has_last = source[c, z] >= 0
        for _ in range(rows):
            leader = -np.inf
            for i in range(z):
                if source[c, i] >= 0:
                    leader = max(leader, score[i, n[i], w[i]])
            size = 0
            level = leader - TIE * max(abs(leader), scale)
            for i in range(z):
                if source[c, i] >= 0 and score[i, n[i], w[i]] >= level and (average or size == 0):
                    tied[size] = i
                    size += 1
            for k in range(length):
                last_index = score[z, n[z], k] if has_last else -np.inf
                room = TIE * max(abs(last_index), scale)
                if has_last and last_index - room > leader:
                    down = values[loss[z] + k]
                    values[at + k] = down + mean[z, n[z], k] * (values[loss[z] + k + 1] - down) + gain[z, n[z], k]
                elif last_index < level:
                    total = 0.0
                    for j in range(size):
                        i = tied[j]
                        down = values[loss[i] + k]
                        total += down + mean[i, n[i], w[i]] * (values[win[i] + k] - down) + gain[i, n[i], w[i]]
                    values[at + k] = total / size
                else:
                    best = max(leader, last_index)
                    bar = best - TIE * max(abs(best), scale)
                    total = 0.0
                    count = 0
                    for i in range(items):
                        v = k if i == z else w[i]
                        if source[c, i] >= 0 and score[i, n[i], v] >= bar and (average or count == 0):
                            down = values[loss[i] + k]
                            total += down + mean[i, n[i], v] * (values[win[i] + k] - down) + gain[i, n[i], v]
                            count += 1
                    values[at + k] = total / count
            at += length
            turn(z, n, w, step, loss, win)


@njit(cache=True, nogil=True)
def mix(first, last, composition, target, source, mean, gain, begin, chance, values):
    """Value of labelling item i with probability ``chance[k, i]`` in state k, counted from ``begin[c]`` in block c.

    A successor that does not exist has chance zero.
    """
    items = composition.shape[1]
    w = np.zeros(items, dtype=np.int64)
    step = np.zeros((items, items), dtype=np.int64)
    for c in range(first, last):
        n = composition[c]
        size = enter(n, w, step)
        for k in range(size):
            total = 0.0
            for i in range(items):
                p = chance[begin[c] + k, i]
                if p > 0.0:
                    at = source[c, i] + offset(w, step, i)
                    down = values[at]
                    m = mean[i, n[i], w[i]]
                    total += p * (down + m * (values[at + step[i, i]] - down) + gain[i, n[i], w[i]])
            values[target[c] + k] = total
            advance(w, n)


@njit(cache=True, nogil=True)
def choose_index(first, last, composition, after, index, which, scale, average, begin, chance):
    """Probabilities of labelling each item under an index policy, state by state; ``after`` < 0 is unavailable."""
    items = composition.shape[1]
    w = np.zeros(items, dtype=np.int64)
    for c in range(first, last):
        n = composition[c]
        score = index[which[c]]
        w[:] = 0
        size = states(n)
        for k in range(begin[c], begin[c] + size):
            best = -np.inf
            for i in range(items):
                if after[c, i] >= 0:
                    best = max(best, score[i, n[i], w[i]])
            bar = best - TIE * max(abs(best), scale)
            count = 0
            for i in range(items):
                chance[k, i] = 0.0
                if after[c, i] >= 0 and score[i, n[i], w[i]] >= bar and (average or count == 0):
                    chance[k, i] = 1.0
                    count += 1
            for i in range(items):
                chance[k, i] /= max(count, 1)
            advance(w, n)


@njit(cache=True, nogil=True)
def spread(composition, after, begin, chance, rate, probability, after_begin, out):
    """Push the probability of each state to its successors; item i's label is a win with probability ``rate[i]``.

    ``after[c, i]`` numbers the block with one more label of item i, which begins at ``after_begin[after[c, i]]``.
    """
    items = composition.shape[1]
    w = np.zeros(items, dtype=np.int64)
    step = np.zeros((items, items), dtype=np.int64)
    for c in range(composition.shape[0]):
        n = composition[c]
        size = enter(n, w, step)
        for k in range(begin[c], begin[c] + size):
            if probability[k] > 0.0:
                for i in range(items):
                    p = chance[k, i] * probability[k]
                    if p > 0.0:
                        at = after_begin[after[c, i]] + offset(w, step, i)
                        out[at] += p * (1.0 - rate[i])
                        out[at + step[i, i]] += p * rate[i]
            advance(w, n)


@njit(cache=True, nogil=True)
def carry(first, last, composition, after, begin, chance, mean, probability, after_begin, asked, out):
    """Push the probability of each state of blocks first..last to its successors; add up the labels in ``asked``.

    ``chance[k - begin[first], i]`` is that of labelling item i in state k; ``asked[i, n, w]`` takes in the labels of
    item i that are bought after n labels and w wins of it.
    """
    items = composition.shape[1]
    w = np.zeros(items, dtype=np.int64)
    step = np.zeros((items, items), dtype=np.int64)
    for c in range(first, last):
        n = composition[c]
        size = enter(n, w, step)
        for k in range(begin[c], begin[c] + size):
            if probability[k] > 0.0:
                for i in range(items):
                    p = chance[k - begin[first], i] * probability[k]
                    if p > 0.0:
                        at = after_begin[after[c, i]] + offset(w, step, i)
                        asked[i, n[i], w[i]] += p
                        won = p * mean[i, n[i], w[i]]
                        out[at] += p - won
                        out[at + step[i, i]] += won
            advance(w, n)


@njit(cache=True, nogil=True)
def collect(composition, begin, chance, probability, joint, total):
    """Add the states in which nothing more is labelled to the items' ``joint`` laws and that of all wins.

    ``chance[k, i]`` is the probability of labelling item i in state k; nothing more is labelled where all are zero.
    """
    items = composition.shape[1]
    w = np.zeros(items, dtype=np.int64)
    for c in range(composition.shape[0]):
        n = composition[c]
        w[:] = 0
        size = states(n)
        for k in range(begin[c], begin[c] + size):
            p = probability[k]
            if p > 0.0 and not chance[k].any():
                wins = 0
                for i in range(items):
                    joint[i, n[i], w[i]] += p
                    wins += w[i]
                total[wins] += p
            advance(w, n)


@njit(cache=True, nogil=True)
def list_wins(composition, out):
    """Win vectors of all states of some blocks, in order, one row each."""
    w = np.zeros(composition.shape[1], dtype=np.int64)
    row = 0
    for c in range(composition.shape[0]):
        n = composition[c]
        w[:] = 0
        size = states(n)
        for _ in range(size):
            out[row] = w
            row += 1
            advance(w, n)


@njit(cache=True, nogil=True)
def advance(w, n):
    """Next win vector of a block, the last item's wins running fastest."""
    for j in range(w.size - 1, -1, -1):
        if w[j] < n[j]:
            w[j] += 1
            return
        w[j] = 0
