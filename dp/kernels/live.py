"""Compiled sweep over the live part of the lattice: plain arrays in, plain arrays out.

``first`` and ``size`` describe the axes, as in ``exact.live.Axes``. Block c of a layer begins at ``begin[c]`` of its
values; ``after`` holds the values of the layer with one more label.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .simd import move_row, raise_last, raise_one, raise_row, raise_run

_FAST = {"contract", "nnan", "nsz"}


class LiveLayer(NamedTuple):
    """Blocks of a layer, C of them, of N items each, and their axes.

    Attributes
    ----------
    composition : ndarray of int64, shape (C, N)
        Labels of each item.
    begin : ndarray of int64, shape (C + 1,)
        Offsets of the blocks among the layer's values.
    block : ndarray of int64, shape (C, N)
        Number of the block with one more label of an item in the next layer, or -1.
    begin_after : ndarray of int64
        Offsets of the blocks of the next layer among its values.
    first, size : ndarray of int64, shape (N, cap + 1)
        First live wins and positions of each axis.
    lost, won : ndarray of int64, shape (N, cap + 1, cap + 1)
        Position that a loss and a win lead to, from each position of each axis; see ``moves``.
    """

    composition: NDArray[np.int64]
    begin: NDArray[np.int64]
    block: NDArray[np.int64]
    begin_after: NDArray[np.int64]
    first: NDArray[np.int64]
    size: NDArray[np.int64]
    lost: NDArray[np.int64]
    won: NDArray[np.int64]


@njit(cache=True, nogil=True)
def clamp(q, size):
    """Position within an axis: beyond its ends lie dead states, and its ends are dead ones then."""
    return min(max(q, 0), size - 1)


@njit(cache=True, nogil=True)
def states(m, here, labels, suffix, size):
    """States of layer m, whose compositions have the suffixes ``here``, on axes of these sizes."""
    out = 0
    for s in range(here.size):
        if here[s]:
            block = size[0, m - labels[s]]
            for i in range(suffix.shape[1]):
                block *= size[i + 1, suffix[s, i]]
            out += block
    return out


@njit(cache=True, nogil=True)
def begins(composition, size, out):
    """Offsets of the blocks of a layer, and the end of the last one."""
    out[0] = 0
    for c in range(composition.shape[0]):
        block = 1
        for i in range(composition.shape[1]):
            block *= size[i, composition[c, i]]
        out[c + 1] = out[c] + block


@njit(cache=True, nogil=True)
def moves(first, size, lost, won):
    """Positions that a loss and a win of each item lead to, from each position with n labels to those with n + 1."""
    for i in range(size.shape[0]):
        for n in range(size.shape[1] - 1):
            shift = first[i, n] - first[i, n + 1]
            for q in range(size[i, n]):
                lost[i, n, q] = clamp(q + shift, size[i, n + 1])
                won[i, n, q] = clamp(q + shift + 1, size[i, n + 1])


@njit(cache=True, nogil=True)
def turn(q, axes, size, n):
    """Next positions along the first axes of a block; the last of these runs fastest."""
    for j in range(axes - 1, -1, -1):
        q[j] += 1
        if q[j] < size[j, n[j]]:
            break
        q[j] = 0


@njit(cache=True, nogil=True)
def row_of(i, n, first, size, lost, won, mean, gain):
    """Positions after a loss and a win of item i, its chances and its gains, along its axis in a block."""
    labels = n[i]
    begin, length = first[i, labels], size[i, labels]
    return (
        lost[i, labels, :length],
        won[i, labels, :length],
        mean[i, labels, begin : begin + length],
        gain[i, labels, begin : begin + length],
    )


@njit(cache=True, nogil=True, fastmath=_FAST)
def raise_pair(i, n, at, outer, run, one, two, first, size, lost, won, mean, gain, after, out, fresh):
    """Raise a block to the values of labelling items i and i + 1, of n labels; ``run`` states share their positions."""
    length, row = size[i, n[i]], size[i + 1, n[i + 1]]
    plane = row * run
    plane_after = size[i + 1, n[i + 1] + 1] * run
    lost_i, won_i, chance_i, rise_i = row_of(i, n, first, size, lost, won, mean, gain)
    lost_j, won_j, chance_j, rise_j = row_of(i + 1, n, first, size, lost, won, mean, gain)
    for _ in range(outer):
        for q in range(length):
            down, up = one + lost_i[q] * plane, one + won_i[q] * plane
            m, g = chance_i[q], rise_i[q]
            for r in range(row):
                low, high = two + lost_j[r] * run, two + won_j[r] * run
                p, h = chance_j[r], rise_j[r]
                raise_run(out, at, after, down, up, m, g, low, high, p, h, run, fresh)
                at += run
                down += run
                up += run
            two += plane_after
        one += size[i, n[i] + 1] * plane


@njit(cache=True, nogil=True, fastmath=_FAST)
def optimal_live(first_block, last_block, layer, mean, gain, after, out):
    """U(n, w) = max_i gain_i + mu_i U(n + e_i, w + e_i) + (1 - mu_i) U(n + e_i, w) over live positions.

    It is computed item by item over each block, in runs of states that share the positions of items 0..i, as in
    ``optimal`` on the dense lattice, except that the runs after a loss and after a win are looked up. Rows along the
    last axis are short, so the last two items are handled together. ``after`` holds the values of the next layer.
    """
    composition, begin, block, begin_after, first, size, lost, won = layer
    items = composition.shape[1]
    z = items - 1
    y = max(z - 1, 0)
    source = np.empty(items, dtype=np.int64)
    for c in range(first_block, last_block):
        for i in range(items):
            source[i] = begin_after[block[c, i]] if block[c, i] >= 0 else -1
        run = begin[c + 1] - begin[c]
        outer = 1
        fresh = True
        i = 0
        while i < y:
            length = size[i, composition[c, i]]
            run //= length
            if i + 1 < y and source[i] >= 0 and source[i + 1] >= 0:
                run //= size[i + 1, composition[c, i + 1]]
                raise_pair(
                    i,
                    composition[c],
                    begin[c],
                    outer,
                    run,
                    source[i],
                    source[i + 1],
                    first,
                    size,
                    lost,
                    won,
                    mean,
                    gain,
                    after,
                    out,
                    fresh,
                )
                outer *= length * size[i + 1, composition[c, i + 1]]
                fresh = False
                i += 2
                continue
            if source[i] >= 0:
                lost_i, won_i, chance_i, rise_i = row_of(i, composition[c], first, size, lost, won, mean, gain)
                src = source[i]
                dst = begin[c]
                for _ in range(outer):
                    for q in range(length):
                        m = chance_i[q]
                        g = rise_i[q]
                        a = src + lost_i[q] * run
                        b = src + won_i[q] * run
                        raise_one(out, dst, after, a, b, m, g, run, fresh)
                        dst += run
                    src += size[i, composition[c, i] + 1] * run
                fresh = False
            outer *= length
            i += 1
        length = size[z, composition[c, z]]
        middle = run // length
        has_y = items > 1 and source[y] >= 0
        has_z = source[z] >= 0
        if fresh and has_y == has_z:
            out[begin[c] : begin[c + 1]] = -np.inf if has_y else 0.0
        lost_y, won_y, chance_y, rise_y = row_of(y, composition[c], first, size, lost, won, mean, gain)
        _, _, odds, lift = row_of(z, composition[c], first, size, lost, won, mean, gain)
        y_src = source[y]
        z_src = source[z]
        y_plane = size[y, composition[c, y] + 1] * length if has_y else 0
        z_row = size[z, composition[c, z] + 1] if has_z else 0
        shift = first[z, composition[c, z]] - first[z, composition[c, z] + 1] if has_z else 0
        dst = begin[c]
        for _ in range(outer):
            for q in range(middle):
                if has_y and has_z:
                    d = y_src + lost_y[q] * length
                    u = y_src + won_y[q] * length
                    raise_row(out, dst, after, d, u, chance_y[q], rise_y[q], z_src, shift, z_row, odds, lift, length, 0)
                elif has_y:
                    d = y_src + lost_y[q] * length
                    u = y_src + won_y[q] * length
                    raise_one(out, dst, after, d, u, chance_y[q], rise_y[q], length, fresh)
                elif has_z:
                    raise_last(out, dst, after, z_src, shift, z_row, odds, lift, length, fresh)
                z_src += z_row
                dst += length
            y_src += y_plane


@njit(cache=True, nogil=True)
def mark_live(first_block, last_block, layer, mean, gain, after, value, scale, tie, mask):
    """Set bit i of a state's row of ``mask`` where labelling item i attains ``value`` within ``tie`` of its size."""
    composition, begin, block, begin_after, first, size, lost, won = layer
    items = composition.shape[1]
    # Stride of axis j in the block with one more label of item i.
    step = np.empty((items, items), dtype=np.int64)
    q = np.zeros(items, dtype=np.int64)
    for c in range(first_block, last_block):
        n = composition[c]
        for i in range(items):
            if block[c, i] >= 0:
                stride = 1
                for j in range(items - 1, -1, -1):
                    step[i, j] = stride
                    stride *= size[j, n[j] + (1 if i == j else 0)]
        q[:] = 0
        for k in range(begin[c], begin[c + 1]):
            mask[k] = 0
            level = value[k] - tie * max(abs(value[k]), scale)
            for i in range(items):
                if block[c, i] < 0:
                    continue
                at = begin_after[block[c, i]]
                for j in range(items):
                    if j != i:
                        at += q[j] * step[i, j]
                down = after[at + lost[i, n[i], q[i]] * step[i, i]]
                up = after[at + won[i, n[i], q[i]] * step[i, i]]
                w = first[i, n[i]] + q[i]
                if down + mean[i, n[i], w] * (up - down) + gain[i, n[i], w] >= level:
                    mask[k, i // 8] |= np.uint8(1 << (i % 8))
            turn(q, items, size, n)


@njit(cache=True, nogil=True)
def widen(
    first_block,
    last_block,
    composition,
    begin,
    begin_wide,
    first,
    size,
    first_wide,
    size_wide,
    values,
    out,
):
    """Move blocks to wider ranges; wins that were left out take the value of the nearest dead ones."""
    items = composition.shape[1]
    z = items - 1
    y = max(z - 1, 0)
    width = first.shape[1] + 1
    q = np.zeros(items, dtype=np.int64)
    moved = np.empty((items, width), dtype=np.int64)
    for c in range(first_block, last_block):
        n = composition[c]
        row = size[z, n[z]]
        stride = row
        for j in range(z - 1, -1, -1):
            for k in range(size_wide[j, n[j]]):
                moved[j, k] = stride * clamp(first_wide[j, n[j]] + k - first[j, n[j]], size[j, n[j]])
            stride *= size[j, n[j]]
        shift = first_wide[z, n[z]] - first[z, n[z]]
        length = size_wide[z, n[z]]
        if z == 0:
            move_row(out, begin_wide[c], values, begin[c], shift, row, length)
            continue
        q[:] = 0
        rows = size_wide[y, n[y]]
        for plane in range(begin_wide[c], begin_wide[c + 1], rows * length):
            source = begin[c]
            for j in range(y):
                source += moved[j, q[j]]
            at = plane
            for k in range(rows):
                move_row(out, at, values, source + moved[y, k], shift, row, length)
                at += length
            turn(q, y, size_wide, n)


@njit(cache=True, nogil=True)
def places(block, counts, wins, begin, first, size, out):
    """Place of each state (counts, wins), arrays of shape (S, N), in its layer; ``block[s]`` is its block."""
    items = counts.shape[1]
    for s in range(counts.shape[0]):
        at = 0
        for j in range(items):
            n = counts[s, j]
            at = at * size[j, n] + clamp(wins[s, j] - first[j, n], size[j, n])
        out[s] = begin[block[s]] + at
