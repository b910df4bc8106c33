"""Compiled sweeps over the lattice, in place: plain arrays in, plain arrays out.

Every sweep handles blocks ``first..last`` of one layer, so that threads can share a layer, and releases the
interpreter lock. ``values`` holds the layer one label on, and block by block becomes the layer itself (see
``lattice``): ``target[c]`` is where block c goes, ``source[c, i]`` where the block with one more label of item i is,
or -1 where that label cannot be had. ``mean[i, n, w]`` is the probability that item i's next label is a win and
``gain[i, n, w]`` the expected rise of its present payoff by that label.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from .simd import raise_last, raise_one, raise_row, raise_run

TIE = 1e-12
# Values are finite, so NaN and signed zeros need no care; sums stay in the order written.
_FAST = {"contract", "nnan", "nsz"}


@njit(cache=True, nogil=True, fastmath=_FAST)
def raise_first(values, at, source, run, chance, rise):
    """Value of labelling the first item, in runs along which nothing about it changes."""
    for w in range(chance.size):
        m, g = chance[w], rise[w]
        row = values[at : at + run]
        if at == source:
            # Said apart, as a loop that cannot know it would not be vectorised.
            up = values[at + run : at + 2 * run]
            for k in range(run):
                row[k] = row[k] + m * (up[k] - row[k]) + g
        else:
            down = values[source : source + run]
            up = values[source + run : source + 2 * run]
            for k in range(run):
                row[k] = down[k] + m * (up[k] - down[k]) + g
        at += run
        source += run


@njit(cache=True, nogil=True, fastmath=_FAST)
def optimal(first, last, composition, target, source, mean, gain, values):
    """U(n, w) = max_i gain_i + mu_i U(n + e_i, w + e_i) + (1 - mu_i) U(n + e_i, w), item by item over each block.

    With T = prod_{j > i} (n_j + 1), the states of a block that share w_0..w_i form a *run* of T neighbours. Their
    successors by a loss of item i are neighbours too, and those by a win are the next T. So each item takes one pass
    over the block, in runs along which mu_i and gain_i are constant; for the last item, T = 1, in rows along which
    they vary. Item 0 goes first: its successors lie where the block itself goes.
    """
    items = composition.shape[1]
    for c in range(first, last):
        size = 1
        for i in range(items):
            size *= composition[c, i] + 1
        outer = composition[c, 0] + 1
        run = size // outer
        src = source[c, 0]
        fresh = src < 0
        if not fresh:
            raise_first(values, target[c], src, run, mean[0, outer - 1, :outer], gain[0, outer - 1, :outer])
        for i in range(1, items):
            length = composition[c, i] + 1
            run //= length
            src = source[c, i]
            dst = target[c]
            if src >= 0:
                chance, rise = mean[i, length - 1, :length], gain[i, length - 1, :length]
                for _ in range(outer):
                    if i == items - 1:
                        raise_last(values, dst, values, src, 0, length + 1, chance, rise, length, fresh)
                        src += length + 1
                        dst += length
                    else:
                        for w in range(length):
                            raise_one(values, dst, values, src, src + run, chance[w], rise[w], run, fresh)
                            src += run
                            dst += run
                        # The successor's block has one more run here, for wins that the block cannot have.
                        src += run
                fresh = False
            outer *= length
        if fresh:
            values[target[c] : target[c] + outer] = 0.0


@njit(cache=True, nogil=True)
def stop_where_better(first, last, free, start, size, values):
    """Let U be at least 0, the advantage of buying no further label, in the blocks that are ``free`` to stop.

    Block c has ``size[c]`` states from ``start[c]`` on.
    """
    for c in range(first, last):
        if free[c]:
            for k in range(start[c], start[c] + size[c]):
                values[k] = max(values[k], 0.0)


@njit(cache=True, nogil=True, fastmath=_FAST)
def optimal_in_pairs(first, last, composition, target, source, mean, gain, values):
    """The recursion of ``optimal`` where every item can be labelled, two items in one pass over runs.

    An odd first item goes alone.
    """
    items = composition.shape[1]
    odd = items % 2
    for c in range(first, last):
        whole = True
        for i in range(items):
            whole = whole and source[c, i] >= 0
        if not whole:
            optimal(c, c + 1, composition, target, source, mean, gain, values)
            continue
        run = 1
        for i in range(items):
            run *= composition[c, i] + 1
        outer = 1
        if odd == 1:
            outer = composition[c, 0] + 1
            run //= outer
            chance, rise = mean[0, outer - 1, :outer], gain[0, outer - 1, :outer]
            raise_first(values, target[c], source[c, 0], run, chance, rise)
        for i in range(odd, items - 2, 2):
            n, o = composition[c, i], composition[c, i + 1]
            run //= (n + 1) * (o + 1)
            step = (o + 1) * run
            dst = target[c]
            one, two = source[c, i], source[c, i + 1]
            for _ in range(outer):
                for w in range(n + 1):
                    m, g = mean[i, n, w], gain[i, n, w]
                    for x in range(o + 1):
                        p, h = mean[i + 1, o, x], gain[i + 1, o, x]
                        raise_run(values, dst, values, one, one + step, m, g, two, two + run, p, h, run, i == 0)
                        dst += run
                        one += run
                        two += run
                    two += run
                one += step
            outer *= (n + 1) * (o + 1)
        i = items - 2
        n, length = composition[c, i], composition[c, i + 1] + 1
        chance = mean[i + 1, length - 1]
        rise = gain[i + 1, length - 1]
        dst = target[c]
        one, two = source[c, i], source[c, i + 1]
        for _ in range(outer):
            for w in range(n + 1):
                m, g = mean[i, n, w], gain[i, n, w]
                raise_row(
                    values, dst, values, one, one + length, m, g, two, 0, length + 1, chance, rise, length, i == 0
                )
                dst += length
                one += length
                two += length + 1
            one += length


@njit(cache=True, nogil=True, fastmath=_FAST)
def block_of_two(n, length, at, ahead, mean, gain, values):
    """One block of two items; ``ahead`` is where the block with one more label of the second item is."""
    chance, rise = mean[1, length - 1, :length], gain[1, length - 1, :length]
    for w in range(n + 1):
        m, g = mean[0, n, w], gain[0, n, w]
        row = values[at : at + length]
        up = values[at + length : at + 2 * length]
        other = values[ahead : ahead + length + 1]
        for k in range(length):
            x = other[k] + chance[k] * (other[k + 1] - other[k]) + rise[k]
            y = row[k] + m * (up[k] - row[k]) + g
            row[k] = x if x > y else y
        at += length
        ahead += length + 1


@njit(cache=True, nogil=True, fastmath=_FAST)
def live_block_of_two(n, length, left, at, ahead, live, mean, gain, values):
    """The live part of ``block_of_two`` with ``left`` labels left; beyond it, each state read later is set to its end.

    ``live`` is that of ``exact.two_items.LivePair``.
    """
    s = length - 1
    first, final = live[0, 0, n, left], live[1, 0, n, left]
    begin, end = live[0, 1, s, left], live[1, 1, s, left] + 1
    low, high = live[2, 1, s, left], live[3, 1, s, left] + 1
    chance, rise = mean[1, s, begin:end], gain[1, s, begin:end]
    live_row = end - begin
    for w in range(first, final + 1):
        m, g = mean[0, n, w], gain[0, n, w]
        place = at + w * length
        row = place + begin
        other = ahead + w * (length + 1) + begin
        raise_row(values, row, values, row, row + length, m, g, other, 0, live_row + 1, chance, rise, live_row, 1)
        for k in range(low, begin):
            values[np.uint64(place + k)] = values[np.uint64(row)]
        for k in range(end, high):
            values[np.uint64(place + k)] = values[np.uint64(place + end - 1)]
    for w in range(live[2, 0, n, left], first):
        for k in range(low, high):
            values[at + w * length + k] = values[at + first * length + k]
    for w in range(final + 1, live[3, 0, n, left] + 1):
        for k in range(low, high):
            values[at + w * length + k] = values[at + final * length + k]


@njit(cache=True, nogil=True, fastmath=_FAST)
def wave_of_two(begin, end, first, last, top, deep, base, depth, live, halo, mean, gain, values):
    """Layers top, top - 1, .., top - deep + 1 of two uncapped items, for slots first..last, in one pass.

    Slot s of layer m needs slots s and s + 1 of layer m + 1, so layer m - 1 can follow one slot behind layer m, and
    ``deep`` layers are worked on while their slots are in the cache. Where another chunk follows, layer top - j stops
    at slot last - 1 - j, the last that needs nothing from that chunk: ``mend_of_two`` does the rest, with slot
    ``first`` of that chunk as it was before each layer, which is kept at ``halo``. The wave's front, the slot of layer
    top, goes from ``begin`` to ``end``; in all it must go from ``first`` to last + deep - 1. Where ``live`` is not
    empty, only live states are computed.
    """
    more = last <= top
    room = base[first + 1] - base[first]
    for front in range(begin, end):
        for j in range(deep):
            s = front - j
            if s < first or s >= last or s > top - j or (more and s >= last - 1 - j):
                continue
            if s == first and first > 0:
                at = halo + j * room
                values[at : at + room] = values[base[s] : base[s] + room]
            n = top - j - s
            if live.size:
                live_block_of_two(n, s + 1, depth - top + j, base[s], base[s + 1], live, mean, gain, values)
            else:
                block_of_two(n, s + 1, base[s], base[s + 1], mean, gain, values)


@njit(cache=True, nogil=True, fastmath=_FAST)
def mend_of_two(last, top, deep, base, depth, live, halo, mean, gain, values):
    """The slots before ``last`` that ``wave_of_two`` left out; ``halo`` belongs to the chunk that begins there."""
    room = base[last + 1] - base[last]
    for j in range(deep):
        for s in range(last - 1 - j, last):
            ahead = base[s + 1] if s + 1 < last else halo + j * room
            n = top - j - s
            if live.size:
                live_block_of_two(n, s + 1, depth - top + j, base[s], ahead, live, mean, gain, values)
            else:
                block_of_two(n, s + 1, base[s], ahead, mean, gain, values)
