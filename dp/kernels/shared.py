"""Compiled sweeps of problems with a shared parameter: plain arrays in, plain arrays out.

The states of layer m, in which m labels are bought, are stored block by block: block c, of labels n = composition[c],
begins at begin[c] and has prod(n_i + 1) values, one for each vector w of wins, the last query's wins contiguous.
``block[c, i]`` is the number of the block with one more label of query i in the next layer, which begins at
``following[block[c, i]]``, or -1 where that label cannot be bought. All values are those of ``solve``: times the
probability of the answers in the order in which they came, times 2^m.
"""

from __future__ import annotations

import numpy as np
from numba import njit

TIE = 1e-12


@njit(cache=True, nogil=True)
def weights(first, last, composition, begin, prior, won, lost, out):
    """Write weights of the parameter's points in the states first..last of a layer, shape (last - first, points).

    ``won[i, w]`` are the points' chances of w wins of query i in a row, times 2^w; ``lost[i, l]`` those of l losses.
    """
    queries, points = composition.shape[1], prior.size
    wins = np.empty(queries, dtype=np.int64)
    stem = np.empty(points)
    c = np.searchsorted(begin, first, side="right") - 1
    k = first
    while k < last:
        while k >= begin[c + 1]:
            c += 1
        rest = k - begin[c]
        for i in range(queries - 1, -1, -1):
            length = composition[c, i] + 1
            wins[i] = rest % length
            rest //= length
        stem[:] = prior
        for i in range(queries - 1):
            w = wins[i]
            n = composition[c, i]
            for g in range(points):
                stem[g] *= won[i, w, g] * lost[i, n - w, g]
        n = composition[c, queries - 1]
        for w in range(wins[queries - 1], n + 1):
            if k == last:
                break
            for g in range(points):
                out[k - first, g] = stem[g] * won[queries - 1, w, g] * lost[queries - 1, n - w, g]
            k += 1


@njit(cache=True, nogil=True)
def places(first, last, composition, begin, counts, wins):
    """Write labels and wins of the states first..last of a layer, shape (last - first, queries) each."""
    queries = composition.shape[1]
    c = np.searchsorted(begin, first, side="right") - 1
    for k in range(first, last):
        while k >= begin[c + 1]:
            c += 1
        rest = k - begin[c]
        for i in range(queries - 1, -1, -1):
            length = composition[c, i] + 1
            counts[k - first, i] = length - 1
            wins[k - first, i] = rest % length
            rest //= length


@njit(cache=True, nogil=True)
def masses(first, last, composition, block, begin, following, later, values):
    """Mass of the states of blocks first..last that have a successor: half of what its answers have together."""
    queries = composition.shape[1]
    for c in range(first, last):
        for i in range(queries):
            if block[c, i] >= 0:
                outer, length, run = _shape(composition[c], i)
                dst, src = begin[c], following[block[c, i]]
                for _ in range(outer):
                    for _ in range(length):
                        for r in range(run):
                            values[dst + r] = 0.5 * (later[src + r] + later[src + run + r])
                        dst += run
                        src += run
                    src += run
                break


@njit(cache=True, nogil=True)
def _shape(labels, i):
    """Runs in which the states of a block lie along query i: how many, wins in each, and states between two wins."""
    outer, run = 1, 1
    for j in range(i):
        outer *= labels[j] + 1
    for j in range(i + 1, labels.size):
        run *= labels[j] + 1
    return outer, labels[i] + 1, run


@njit(cache=True, nogil=True)
def best(first, last, composition, block, begin, following, later, fee, mass, values):
    """V = max(V, max_i of the mean over query i's answers, less its fee), for the states of blocks first..last.

    ``values`` holds what stopping is worth, or minus infinity; ``mass`` is empty where all fees are 0.
    """
    queries = composition.shape[1]
    for c in range(first, last):
        for i in range(queries):
            if block[c, i] < 0:
                continue
            outer, length, run = _shape(composition[c], i)
            dst, src = begin[c], following[block[c, i]]
            price = fee[i]
            for _ in range(outer):
                for _ in range(length):
                    if mass.size == 0:
                        for r in range(run):
                            values[dst + r] = max(values[dst + r], 0.5 * (later[src + r] + later[src + run + r]))
                    else:
                        for r in range(run):
                            worth = 0.5 * (later[src + r] + later[src + run + r]) - price * mass[dst + r]
                            values[dst + r] = max(values[dst + r], worth)
                    dst += run
                    src += run
                src += run


@njit(cache=True, nogil=True)
def mark(first, last, composition, block, begin, following, later, fee, mass, scale, values, marks):
    """Set bit i % 8 of byte i // 8 of the mark of each state where a label of query i is worth as much as ``values``.

    Worths within rounding are equal: 1e-12 of their size, or of ``scale`` times the mass.
    """
    queries = composition.shape[1]
    for c in range(first, last):
        for i in range(queries):
            if block[c, i] < 0:
                continue
            outer, length, run = _shape(composition[c], i)
            dst, src = begin[c], following[block[c, i]]
            byte, bit = i // 8, np.uint8(1 << (i % 8))
            for _ in range(outer):
                for _ in range(length):
                    for r in range(run):
                        k = dst + r
                        worth = 0.5 * (later[src + r] + later[src + run + r]) - fee[i] * mass[k]
                        if worth >= values[k] - TIE * max(abs(values[k]), scale * mass[k]):
                            marks[k, byte] |= bit
                    dst += run
                    src += run
                src += run


@njit(cache=True, nogil=True)
def mixed(first, counts, wins, composition, begin, block, following, later, chance, fee, mass, values):
    """Add to ``values`` the mean over the queries' answers, less the fees, by the chances of a rule.

    ``counts``, ``wins``, ``chance`` (states, queries) and ``values``, ``mass`` are of the states from ``first`` on.
    """
    states, queries = counts.shape
    c = np.searchsorted(begin, first, side="right") - 1
    for k in range(states):
        while first + k >= begin[c + 1]:
            c += 1
        for i in range(queries):
            p = chance[k, i]
            if p == 0.0:
                continue
            at, run = 0, 1
            for j in range(queries):
                at = at * (counts[k, j] + 1 + (j == i)) + wins[k, j]
            for j in range(i + 1, queries):
                run *= counts[k, j] + 1
            at += following[block[c, i]]
            values[k] += p * (0.5 * (later[at] + later[at + run]) - fee[i] * mass[k])
