"""Compiled sweep over states of identical items up to their order: plain arrays in, plain arrays out.

Multisets t_1 <= .. <= t_c of positions are numbered by rank(t) = sum_k C(t_k + k - 1, k). ``low`` and ``high`` are the
live ranges, and ``left`` the labels that an item can still get.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

_FAST = {"contract", "nnan", "nsz"}


class Blocks(NamedTuple):
    """Blocks of a layer, C of them, of N items each; a group is the items of a class with equally many labels.

    Attributes
    ----------
    composition : ndarray of int64, shape (C, N)
        Labels of each item.
    size : ndarray of int64, shape (C, N)
        Multisets of the group that an item leads.
    begin : ndarray of int64, shape (C + 1,)
        Offsets of the blocks among the layer's values.
    """

    composition: NDArray[np.int64]
    size: NDArray[np.int64]
    begin: NDArray[np.int64]


class Actions(NamedTuple):
    """Groups that can be labelled, A of them in all blocks of a layer, each with up to G groups.

    An element leaves one group and joins another; the other groups of the block stay. A group is given by its place in
    the block's list, and its changes by a table at some offset in ``flat``; see ``leave``, ``join`` and ``stay``. A
    step is a stride in the block of the next layer.

    Attributes
    ----------
    group : ndarray of int64, shape (C, G)
        Leaders of each block's groups, then -1.
    begin : ndarray of int64, shape (C + 1,)
        Actions of block c are begin[c] .. begin[c + 1] - 1.
    item : ndarray of int64, shape (A,)
        Leader of the group.
    source : ndarray of int64, shape (A,)
        Offset of the block of the next layer.
    leaving, leave_at, leave_step : ndarray of int64, shape (A,)
        Group that the element leaves, its table and step.
    positions : ndarray of int64, shape (A,)
        Positions along the axis of that group.
    joining, join_at, join_step : ndarray of int64, shape (A,)
        Group that the element joins, -1 where that is new, its table and step.
    join_width : ndarray of int64, shape (A,)
        Positions along the axis of that group.
    stay_at, stay_step : ndarray of int64, shape (A, G)
        Tables and steps of the groups that stay; the step is 0 for the others.
    flat : ndarray of int64
    """

    group: NDArray[np.int64]
    begin: NDArray[np.int64]
    item: NDArray[np.int64]
    source: NDArray[np.int64]
    leaving: NDArray[np.int64]
    leave_at: NDArray[np.int64]
    leave_step: NDArray[np.int64]
    positions: NDArray[np.int64]
    joining: NDArray[np.int64]
    join_at: NDArray[np.int64]
    join_step: NDArray[np.int64]
    join_width: NDArray[np.int64]
    stay_at: NDArray[np.int64]
    stay_step: NDArray[np.int64]
    flat: NDArray[np.int64]


@njit(cache=True, nogil=True)
def axis(low, high, i, n, left):
    """Positions along an axis: (first live wins, 1 if a representative precedes them or 0, number of positions)."""
    first = low[i, n, left]
    live = max(high[i, n, left] - first + 1, 0)
    spare = 1 if live <= n else 0
    return first, spare, live + spare


@njit(cache=True, nogil=True)
def wins_at(first, spare, size, q):
    """Wins at a position; for the representative, dead wins next to the live ones."""
    if spare == 1 and q == 0:
        return first - 1 if first > 0 else size - 1
    return first + q - spare


@njit(cache=True, nogil=True)
def place(first, spare, size, w):
    """Position of a number of wins, that of the representative for dead wins."""
    q = w - first
    return q + spare if 0 <= q < size - spare else 0


@njit(cache=True, nogil=True)
def moved_to(before, after, q):
    """Position on the axis ``after`` of position q of the axis ``before``; see ``axis``."""
    first, spare, size = after
    return place(first, spare, size, wins_at(before[0], before[1], before[2], q))


@njit(cache=True, nogil=True)
def choose(n, k):
    """Binomial coefficient."""
    out = 1
    for j in range(1, k + 1):
        out = out * (n - k + j) // j
    return out


@njit(cache=True, nogil=True)
def rank(elements, count):
    """Number of a multiset, whose elements are put in order first."""
    for k in range(1, count):
        x = elements[k]
        j = k - 1
        while j >= 0 and elements[j] > x:
            elements[j + 1] = elements[j]
            j -= 1
        elements[j + 1] = x
    out = 0
    for k in range(count):
        out += choose(elements[k] + k, k + 1)
    return out


@njit(cache=True, nogil=True)
def advance(elements, count):
    """Next multiset in the order of their numbers."""
    k = 0
    while k < count - 1 and elements[k] == elements[k + 1]:
        k += 1
    if count > 0:
        elements[k] += 1
        elements[:k] = 0


@njit(cache=True, nogil=True)
def stay(low, high, i, n, left, left_after, count, out):
    """Number of each multiset of a group that is not labelled, among those of the next layer."""
    before, after = axis(low, high, i, n, left), axis(low, high, i, n, left_after)
    elements = np.zeros(count + 1, dtype=np.int64)
    moved = np.zeros(count + 1, dtype=np.int64)
    for q in range(out.size):
        for k in range(count):
            moved[k] = moved_to(before, after, elements[k])
        out[q] = rank(moved, count)
        advance(elements, count)


@njit(cache=True, nogil=True)
def join(low, high, i, n, left, left_after, count, out):
    """Number of each multiset of a group with one more element, for every new element: shape (multisets, positions)."""
    before, after = axis(low, high, i, n, left), axis(low, high, i, n, left_after)
    elements = np.zeros(count + 1, dtype=np.int64)
    moved = np.zeros(count + 1, dtype=np.int64)
    for q in range(out.shape[0]):
        for new in range(out.shape[1]):
            for k in range(count):
                moved[k] = moved_to(before, after, elements[k])
            moved[count] = new
            out[q, new] = rank(moved, count + 1)
        advance(elements, count)


@njit(cache=True, nogil=True)
def leave(low, high, i, n, left, left_after, left_raised, count, multisets, out):
    """Write the changes of a group when one of its items is labelled, as one run of integers; returns its length.

    For each position: wins there, position after a loss, position after a win, in the group with one label more. For
    each multiset, and one more: where its entries begin. For each different element of each multiset: its position,
    and the number of the multiset of the others.
    """
    before, after = axis(low, high, i, n, left), axis(low, high, i, n, left_after)
    first, spare, size = before
    first_raised, spare_raised, size_raised = axis(low, high, i, n + 1, left_raised)
    for q in range(size):
        w = wins_at(first, spare, size, q)
        out[3 * q] = w
        out[3 * q + 1] = place(first_raised, spare_raised, size_raised, w)
        out[3 * q + 2] = place(first_raised, spare_raised, size_raised, w + 1)
    begins = 3 * size
    at = begins + multisets + 1
    elements = np.zeros(count + 1, dtype=np.int64)
    others = np.zeros(count + 1, dtype=np.int64)
    for q in range(multisets):
        out[begins + q] = at
        for s in range(count):
            if s > 0 and elements[s] == elements[s - 1]:
                continue
            size_others = 0
            for k in range(count):
                if k != s:
                    others[size_others] = moved_to(before, after, elements[k])
                    size_others += 1
            out[at] = elements[s]
            out[at + 1] = rank(others, count - 1)
            at += 2
        advance(elements, count)
    out[begins + multisets] = at
    return at


@njit(cache=True, nogil=True, fastmath=_FAST)
def optimal_symmetric(first, last, blocks, act, mean, gain, after, out):
    """U = max over groups and their different elements of gain + mu U(after a win) + (1 - mu) U(after a loss).

    ``act`` are the actions of the layer, ``first`` and ``last`` the blocks that are swept.
    """
    composition, size, begin = blocks
    group, action_begin, item, source, leaving, leave_at, leave_step, positions = act[:8]
    joining, join_at, join_step, join_width, stay_at, stay_step, flat = act[8:]
    groups = group.shape[1]
    most = 1
    for c in range(first, last):
        most = max(most, action_begin[c + 1] - action_begin[c])
    q = np.zeros(groups, dtype=np.int64)
    place_of = np.zeros((groups + 1, most), dtype=np.int64)
    for c in range(first, last):
        used = 0
        while used < groups and group[c, used] >= 0:
            used += 1
        a0 = action_begin[c]
        actions = action_begin[c + 1] - a0
        if actions == 0:
            out[begin[c] : begin[c + 1]] = 0.0
            continue
        q[:] = 0
        changed = 0
        for a in range(actions):
            place_of[0, a] = source[a0 + a]
        for k in range(begin[c], begin[c + 1]):
            for j in range(changed, used):
                for a in range(actions):
                    step = stay_step[a0 + a, j]
                    moved = flat[stay_at[a0 + a, j] + q[j]] * step if step > 0 else 0
                    place_of[j + 1, a] = place_of[j, a] + moved
            best = -np.inf
            for a in range(actions):
                x = a0 + a
                i = item[x]
                n = composition[c, i]
                at = place_of[used, a]
                row = join_at[x]
                if joining[x] >= 0:
                    row += q[joining[x]] * join_width[x]
                table = leave_at[x]
                begins = table + 3 * positions[x] + q[leaving[x]]
                for e in range(table + flat[begins], table + flat[begins + 1], 2):
                    t = table + 3 * flat[e]
                    rest = at + flat[e + 1] * leave_step[x]
                    w = flat[t]
                    down = after[rest + flat[row + flat[t + 1]] * join_step[x]]
                    up = after[rest + flat[row + flat[t + 2]] * join_step[x]]
                    value = down + mean[i, n, w] * (up - down) + gain[i, n, w]
                    if value > best:
                        best = value
            out[k] = best
            changed = used - 1
            while changed >= 0:
                q[changed] += 1
                if q[changed] < size[c, group[c, changed]]:
                    break
                q[changed] = 0
                changed -= 1
