"""Compiled enumeration of label counts: plain arrays in, plain arrays out."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def suffixes(cap, cost, limit, most, stop, out):
    """Fill ``out`` with all count vectors within ``cap``, of at most ``most`` labels and cost ``limit``, in order.

    The order is lexicographic. Returns the number of vectors, or ``stop`` if there are at least ``stop``; with an
    ``out`` of no rows they are only counted.
    """
    size = cap.size
    n = np.zeros(size, dtype=np.int64)
    labels = 0
    count = 0
    while count < stop:
        if out.shape[0] > 0:
            out[count] = n
        count += 1
        i = size - 1
        while i >= 0:
            if labels < most and n[i] < cap[i]:
                n[i] += 1
                # Summed afresh, from the first item on: a running sum would drift.
                spent = 0.0
                for j in range(size):
                    spent += cost[j] * n[j]
                if spent <= limit:
                    labels += 1
                    break
                n[i] -= 1
            labels -= n[i]
            n[i] = 0
            i -= 1
        if i < 0:
            return count
    return count


@njit(cache=True, nogil=True)
def find(rows, wanted):
    """Position of a vector among lexicographically ordered rows, or -1."""
    low = 0
    high = rows.shape[0]
    while low < high:
        middle = (low + high) // 2
        less = False
        for j in range(wanted.size):
            if rows[middle, j] != wanted[j]:
                less = rows[middle, j] < wanted[j]
                break
        if less:
            low = middle + 1
        else:
            high = middle
    if low == rows.shape[0]:
        return -1
    for j in range(wanted.size):
        if rows[low, j] != wanted[j]:
            return -1
    return low


@njit(cache=True, nogil=True)
def find_all(rows, wanted, out):
    """``find`` for many vectors."""
    for k in range(wanted.shape[0]):
        out[k] = find(rows, wanted[k])


@njit(cache=True, nogil=True)
def raised(rows, out):
    """Position of each row with one more in each place, -1 where there is none."""
    total = rows.sum(axis=1)
    most = total.max() if total.size else 0
    for j in range(rows.shape[1]):
        # Raised vectors are in the same order, so one walk along the rows meets them all.
        at = 0
        for r in range(rows.shape[0]):
            out[r, j] = -1
            # No row has more labels than this: a walk would only cost time.
            if total[r] == most:
                continue
            while at < rows.shape[0]:
                differs = 0
                for k in range(rows.shape[1]):
                    wanted = rows[r, k] + (1 if k == j else 0)
                    if rows[at, k] != wanted:
                        differs = -1 if rows[at, k] < wanted else 1
                        break
                if differs >= 0:
                    if differs == 0:
                        out[r, j] = at
                    break
                at += 1


@njit(cache=True, nogil=True)
def begins(composition, out):
    """Offsets of blocks of prod(n_i + 1) states when they are laid end to end, and the end of the last one."""
    out[0] = 0
    for c in range(composition.shape[0]):
        states = 1
        for i in range(composition.shape[1]):
            states *= composition[c, i] + 1
        out[c + 1] = out[c] + states


@njit(cache=True, nogil=True)
def work(begin, composition, length, row, out):
    """Time up to each block's beginning, in states, where beginning a row takes as long as ``row`` states.

    Rows along the last item's axis hold ``length[n]`` states where it has n labels.
    """
    out[0] = 0.0
    for c in range(composition.shape[0]):
        states = begin[c + 1] - begin[c]
        out[c + 1] = out[c] + states + row * (states / length[composition[c, composition.shape[1] - 1]])


@njit(cache=True, nogil=True)
def layer(m, here, there, labels, rows, raised, composition, slot, after, block):
    """Blocks of layer m: those of the suffixes ``here``; ``there`` are the suffixes of the next layer."""
    number = np.empty(there.size, dtype=np.int64)
    count = 0
    for s in range(there.size):
        number[s] = count
        count += there[s]
    c = 0
    for s in range(here.size):
        if not here[s]:
            continue
        slot[c] = s
        composition[c, 0] = m - labels[s]
        for i in range(rows.shape[1] + 1):
            if i > 0:
                composition[c, i] = rows[s, i - 1]
            to = raised[s, i - 1] if i > 0 else s
            known = to >= 0 and there[to]
            after[c, i] = to if known else -1
            block[c, i] = number[to] if known else -1
        c += 1
