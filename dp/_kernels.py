"""Compiled sweeps over the lattice: plain arrays in, plain arrays out.

Every sweep handles blocks ``first..last`` of one layer, so that threads can share a layer, and releases the
interpreter lock. Arguments that describe a layer are those of ``lattice.Layer``; ``after`` is the layer one label on.
``mean[i, n, w]`` is the probability that item i's next label is a win.
"""

from __future__ import annotations

import numpy as np
from numba import njit

TIE = 1e-12
_FAST = {"contract", "nnan", "nsz"}


@njit(cache=True, nogil=True)
def compositions(total, cap, out):
    """Fill ``out`` with all ways to split ``total`` labels within ``cap``, in lexicographic order."""
    items = cap.size
    room = np.zeros(items + 1, dtype=np.int64)
    for i in range(items - 1, -1, -1):
        room[i] = room[i + 1] + cap[i]
    n = np.zeros(items, dtype=np.int64)
    rest = total
    for i in range(items):
        n[i] = max(0, rest - room[i + 1])
        rest -= n[i]
    for row in range(out.shape[0]):
        out[row] = n
        # Next in order: raise the rightmost item that can grow at the expense of those behind it.
        rest = 0
        for i in range(items - 1, -1, -1):
            if rest > 0 and n[i] < cap[i]:
                n[i] += 1
                rest -= 1
                for j in range(i + 1, items):
                    n[j] = max(0, rest - room[j + 1])
                    rest -= n[j]
                break
            rest += n[i]


@njit(cache=True, nogil=True)
def rank(n, cumulative):
    """Lexicographic position of a composition: at each item, count those with a smaller entry there."""
    rest = 0
    for i in range(n.size):
        rest += n[i]
    position = 0
    for i in range(n.size - 1):
        position += cumulative[i + 1, rest]
        if n[i] <= rest:
            position -= cumulative[i + 1, rest - n[i]]
        rest -= n[i]
    return position


@njit(cache=True, nogil=True)
def successors(composition, cap, cumulative, out):
    """Block number, one layer on, after one more label of each item; left alone where the cap is reached."""
    for row in range(composition.shape[0]):
        n = composition[row].copy()
        for i in range(n.size):
            if n[i] < cap[i]:
                n[i] += 1
                out[row, i] = rank(n, cumulative)
                n[i] -= 1


@njit(cache=True, nogil=True)
def advance(w, n):
    """Next win vector of a block, the last item's wins running fastest."""
    for j in range(w.size - 1, -1, -1):
        if w[j] < n[j]:
            w[j] += 1
            return
        w[j] = 0


@njit(cache=True, nogil=True, fastmath=_FAST)
def terminal(first, last, composition, offset, payoff, out):
    """Values of the last layer: the sum of the items' payoffs, added item by item in runs (see ``optimal``)."""
    items = composition.shape[1]
    for c in range(first, last):
        out[offset[c] : offset[c + 1]] = 0.0
        run = offset[c + 1] - offset[c]
        outer = 1
        for i in range(items):
            length = composition[c, i] + 1
            run //= length
            paid = payoff[i, length - 1]
            dst = offset[c]
            for _ in range(outer):
                if i == items - 1:
                    for k in range(length):
                        out[np.uint64(dst + k)] += paid[np.uint64(k)]
                    dst += length
                else:
                    for w in range(length):
                        x = paid[w]
                        for k in range(run):
                            out[np.uint64(dst + k)] += x
                        dst += run
            outer *= length


@njit(cache=True, nogil=True)
def strides(n, grown, out):
    """Strides of the block n + e_grown (of n itself for grown = -1)."""
    step = 1
    for j in range(n.size - 1, -1, -1):
        out[j] = step
        step *= n[j] + (2 if j == grown else 1)


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


@njit(cache=True, nogil=True, fastmath=_FAST)
def optimal(first, last, composition, offset, successor, after_offset, after, mean, out):
    """V(n, w) = max_i mu_i V(n + e_i, w + e_i) + (1 - mu_i) V(n + e_i, w), item by item over each block.

    With T = prod_{j > i} (n_j + 1), the states of a block that share w_0..w_i form a *run* of T neighbours. Their
    successors by a loss of item i are neighbours too, and those by a win are the next T. So each item takes one pass
    over the block, in runs along which mu_i is constant; for the last item, T = 1, in rows along which it varies.
    """
    items = composition.shape[1]
    for c in range(first, last):
        run = offset[c + 1] - offset[c]
        outer = 1
        fresh = True
        for i in range(items):
            length = composition[c, i] + 1
            run //= length
            if successor[c, i] >= 0:
                chance = mean[i, length - 1]
                src, dst = after_offset[successor[c, i]], offset[c]
                # Unsigned positions: with signed ones Numba looks for negative indices, and nothing vectorises.
                for _ in range(outer):
                    if i == items - 1:
                        for k in range(length):
                            down = after[np.uint64(src + k)]
                            value = down + chance[np.uint64(k)] * (after[np.uint64(src + k + 1)] - down)
                            best = value if fresh else out[np.uint64(dst + k)]
                            out[np.uint64(dst + k)] = value if value > best else best
                        src += length + 1
                        dst += length
                    else:
                        for w in range(length):
                            m = chance[w]
                            for k in range(run):
                                down = after[np.uint64(src + k)]
                                value = down + m * (after[np.uint64(src + run + k)] - down)
                                best = value if fresh else out[np.uint64(dst + k)]
                                out[np.uint64(dst + k)] = value if value > best else best
                            src += run
                            dst += run
                        # The successor's block has one more run here, for wins that the block cannot have.
                        src += run
                fresh = False
            outer *= length


@njit(cache=True, nogil=True, fastmath=_FAST)
def optimal_of_two(first, last, composition, offset, successor, after_offset, after, mean, out):
    """The recursion of ``optimal`` for two items, both rows taken in one vectorised pass."""
    for c in range(first, last):
        if successor[c, 0] < 0 or successor[c, 1] < 0:
            optimal(c, c + 1, composition, offset, successor, after_offset, after, mean, out)
            continue
        length = composition[c, 1] + 1
        mu = mean[1, composition[c, 1], :length]
        at, here, ahead = offset[c], after_offset[successor[c, 0]], after_offset[successor[c, 1]]
        for w in range(composition[c, 0] + 1):
            m = mean[0, composition[c, 0], w]
            row = out[at : at + length]
            last_item = after[ahead : ahead + length + 1]
            down = after[here : here + length]
            up = after[here + length : here + 2 * length]
            for k in range(length):
                x = last_item[k] + mu[k] * (last_item[k + 1] - last_item[k])
                y = down[k] + m * (up[k] - down[k])
                row[k] = x if x > y else y
            at += length
            here += length
            ahead += length + 1


@njit(cache=True, nogil=True)
def label_value(i, n, w, block, step, after, mean):
    """mu_i V(n + e_i, w + e_i) + (1 - mu_i) V(n + e_i, w), given where the block n + e_i begins."""
    at = block
    for j in range(w.size):
        at += w[j] * step[i, j]
    return after[at] + mean[i, n[i], w[i]] * (after[at + step[i, i]] - after[at])


@njit(cache=True, nogil=True)
def mark_optimal(first, last, composition, offset, successor, after_offset, after, mean, scale, value, mask):
    """Set bit i of ``mask`` where labelling item i reaches V(n, w), within rounding of values of size ``scale``."""
    items = composition.shape[1]
    w = np.zeros(items, dtype=np.int64)
    step = np.zeros((items, items), dtype=np.int64)
    for c in range(first, last):
        n = composition[c]
        w[:] = 0
        for i in range(items):
            strides(n, i, step[i])
        for k in range(offset[c], offset[c + 1]):
            bits = np.uint64(0)
            level = value[k] - TIE * max(abs(value[k]), scale)
            for i in range(items):
                if (
                    successor[c, i] >= 0
                    and label_value(i, n, w, after_offset[successor[c, i]], step, after, mean) >= level
                ):
                    bits |= np.uint64(1) << np.uint64(i)
            mask[k] = bits
            advance(w, n)


@njit(cache=True, nogil=True)
def follow_index(first, last, composition, offset, successor, after_offset, after, mean, index, scale, average, out):
    """Value of labelling the item of largest index; ties averaged, or given to the first item.

    Along a row only the last item's index changes, so the others are ranked once a row. ``leader`` is their largest
    index, and ``tied`` lists those that tie with it; where the last item is level with them, or so little ahead that
    it may tie with some, the whole choice is made afresh.
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
        length = n[z] + 1
        rows = (offset[c + 1] - offset[c]) // length
        w[:] = 0
        for i in range(items):
            if successor[c, i] >= 0:
                strides(n, i, step[i])
                loss[i] = after_offset[successor[c, i]]
                win[i] = loss[i] + step[i, i]
        has_last = successor[c, z] >= 0
        at = offset[c]
        for _ in range(rows):
            leader = -np.inf
            for i in range(z):
                if successor[c, i] >= 0:
                    leader = max(leader, index[i, n[i], w[i]])
            size = 0
            level = leader - TIE * max(abs(leader), scale)
            for i in range(z):
                if successor[c, i] >= 0 and index[i, n[i], w[i]] >= level and (average or size == 0):
                    tied[size] = i
                    size += 1
            for k in range(length):
                last_index = index[z, n[z], k] if has_last else -np.inf
                room = TIE * max(abs(last_index), scale)
                if has_last and last_index - room > leader:
                    down = after[loss[z] + k]
                    out[at + k] = down + mean[z, n[z], k] * (after[loss[z] + k + 1] - down)
                elif last_index < level:
                    total = 0.0
                    for j in range(size):
                        i = tied[j]
                        down = after[loss[i] + k]
                        total += down + mean[i, n[i], w[i]] * (after[win[i] + k] - down)
                    out[at + k] = total / size
                else:
                    best = max(leader, last_index)
                    bar = best - TIE * max(abs(best), scale)
                    total = 0.0
                    count = 0
                    for i in range(items):
                        v = k if i == z else w[i]
                        if successor[c, i] >= 0 and index[i, n[i], v] >= bar and (average or count == 0):
                            down = after[loss[i] + k]
                            total += down + mean[i, n[i], v] * (after[win[i] + k] - down)
                            count += 1
                    out[at + k] = total / count
            at += length
            turn(z, n, w, step, loss, win)


@njit(cache=True, nogil=True)
def follow_mask(first, last, composition, offset, successor, after_offset, after, mean, mask, average, out):
    """Value of labelling an item whose bit is set in ``mask``: averaged over them, or the first."""
    items = composition.shape[1]
    w = np.zeros(items, dtype=np.int64)
    step = np.zeros((items, items), dtype=np.int64)
    for c in range(first, last):
        n = composition[c]
        w[:] = 0
        for i in range(items):
            strides(n, i, step[i])
        for k in range(offset[c], offset[c + 1]):
            total = 0.0
            tied = 0
            for i in range(items):
                if mask[k] & (np.uint64(1) << np.uint64(i)):
                    total += label_value(i, n, w, after_offset[successor[c, i]], step, after, mean)
                    tied += 1
                    if not average:
                        break
            out[k] = total / tied
            advance(w, n)


@njit(cache=True, nogil=True)
def stopping(mean, payoff, depth, price, value, labels):
    """Single-item stopping: V = max(h, -price + mu V+ + (1-mu) V-); value and expected labels at the root.

    ``value`` and ``labels`` are scratch rows of length depth + 1. Ties stop, so the labels are the fewest that an
    optimal rule buys, and minus their number is a subgradient of the root value in the price.
    """
    for w in range(depth + 1):
        value[w] = payoff[depth, w]
        labels[w] = 0.0
    for n in range(depth - 1, -1, -1):
        for w in range(n + 1):
            m = mean[n, w]
            go = value[w] + m * (value[w + 1] - value[w]) - price
            stop = payoff[n, w]
            if go > stop:
                labels[w] = 1.0 + labels[w] + m * (labels[w + 1] - labels[w])
                value[w] = go
            else:
                labels[w] = 0.0
                value[w] = stop
    return value[0], labels[0]
