"""Compiled probabilities of a sampling rule: which of independent two-point numbers is the largest."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ...dp.kernels.dense import TIE


class Recalled(NamedTuple):
    """Intermediate results of some rows, used again where what they were computed from is the same.

    One label changes one item, so that a row is almost the same at the next question. Row r takes place r modulo the
    number of places.

    Attributes
    ----------
    value : ndarray, shape (places, 2 N)
        Numbers of the items.
    order : ndarray of int64, shape (places, 2 N)
        Their order, largest first.
    state : ndarray, shape (places, N, 2)
        Chances that an item lies below a level, and on it.
    logs : ndarray, shape (places, N, nodes)
        Logarithm of its factor at each node.
    """

    value: NDArray[np.float64]
    order: NDArray[np.int64]
    state: NDArray[np.float64]
    logs: NDArray[np.float64]


@njit(cache=True, nogil=True)
def in_order(value, old, order):
    """Bring ``order`` up to date with the numbers, of which ``old`` holds those that it was made for."""
    same = True
    for k in range(value.size):
        same &= value[k] == old[k]
    if not same:
        order[:] = np.argsort(-value)
        old[:] = value


# Divisors are positive; a check of each would keep the loops from running several items at a time.
@njit(cache=True, nogil=True, error_model="numpy")
def share_level(member, below, on, log_others, nodes, weights, state, logs, out):
    """Add to ``out`` the chances with which the items on a level win it; ``log_others`` is that of all others."""
    log_all = np.full(nodes.size, log_others)
    b, q, won = np.empty(member.size), np.empty(member.size), np.empty(member.size)
    for x in range(member.size):
        i = member[x]
        b[x], q[x], won[x] = below[i], on[i], out[i]
        if state[i, 0] != below[i] or state[i, 1] != on[i]:
            state[i, 0], state[i, 1] = below[i], on[i]
            for g in range(nodes.size):
                logs[i, g] = np.log(below[i] + on[i] * nodes[g])
        for g in range(nodes.size):
            log_all[g] += logs[i, g]
    for g in range(nodes.size):
        weight, s, product = weights[g], nodes[g], np.exp(log_all[g])
        for x in range(member.size):
            won[x] += weight * q[x] * product / (b[x] + q[x] * s)
    for x in range(member.size):
        out[member[x]] = won[x]


@njit(cache=True, nogil=True)
def largest_of_two_point(high, low, chance, usable, nodes, weights, recalled, out):
    """Probability that each usable item has the largest number in its row, given that this is positive.

    Item i's number is ``high`` with probability ``chance`` and ``low`` (at most as large) otherwise. Numbers within
    1e-12 of each other tie, and ties are broken evenly: with F_j the chance that item j lies below a level and q_j
    that it lies on it, item i on the level wins with probability q_i int_0^1 prod_{j != i} (F_j + q_j s) ds, since
    int s^k ds = 1 / (k + 1). The integrand is a polynomial, and ``nodes`` and ``weights`` are a Gauss rule on [0, 1].
    A row in which no number can be positive is shared out evenly.
    """
    items = high.shape[1]
    value = np.empty(2 * items)
    below = np.empty(items)
    on = np.empty(items)
    member = np.empty(items, dtype=np.int64)
    for r in range(high.shape[0]):
        count = 0
        for i in range(items):
            out[r, i] = 0.0
            below[i] = 1.0
            on[i] = 0.0
            count += usable[r, i]
            value[2 * i] = high[r, i] if usable[r, i] and chance[r, i] > 0.0 else -1.0
            value[2 * i + 1] = low[r, i] if usable[r, i] and chance[r, i] < 1.0 else -1.0
        place = r % recalled.value.shape[0]
        order = recalled.order[place]
        in_order(value, recalled.value[place], order)
        # Logarithm of the probability that no number lies above the present level.
        log_rest = 0.0
        k = 0
        while k < 2 * items and value[order[k]] > 0.0 and log_rest > -np.inf:
            level = value[order[k]] * (1.0 - TIE)
            size = 0
            log_others = log_rest
            while k < 2 * items and value[order[k]] >= level and value[order[k]] > 0.0:
                i = order[k] // 2
                q = chance[r, i] if order[k] % 2 == 0 else 1.0 - chance[r, i]
                if on[i] == 0.0:
                    member[size] = i
                    size += 1
                    log_others -= np.log(below[i])
                on[i] += q
                k += 1
            for x in range(size):
                i = member[x]
                # What is left below is the other number's chance, or nothing.
                below[i] = 0.0 if on[i] == 1.0 or below[i] < 1.0 else 1.0 - on[i]
            if size == 1:
                out[r, member[0]] += on[member[0]] * np.exp(log_others)
            elif size > 1:
                state, logs = recalled.state[place], recalled.logs[place]
                share_level(member[:size], below, on, log_others, nodes, weights, state, logs, out[r])
            log_rest = log_others
            for x in range(size):
                i = member[x]
                log_rest += np.log(below[i]) if below[i] > 0.0 else -np.inf
                on[i] = 0.0
        total = 0.0
        for i in range(items):
            total += out[r, i]
        for i in range(items):
            if total > 0.0:
                out[r, i] /= total
            else:
                out[r, i] = 1.0 / count if usable[r, i] else 0.0


@njit(cache=True, nogil=True)
def top_two(chance, leader, out):
    """Probability of each item where the leader is played with probability ``leader`` and else a challenger."""
    items = chance.shape[1]
    for r in range(chance.shape[0]):
        share = 0.0
        total = 0.0
        first = 0
        for i in range(items):
            total += chance[r, i]
            if chance[r, i] > chance[r, first]:
                first = i
        # Without the largest, so that a leader that is nearly certain leaves no difference of nearly equal numbers.
        others = 0.0
        for i in range(items):
            if i != first:
                others += chance[r, i]
        for i in range(items):
            out[r, i] = chance[r, i]
        if others > 0.0:
            of_first = chance[r, first] / others
            for i in range(items):
                if i != first:
                    share += chance[r, i] / (total - chance[r, i])
            for i in range(items):
                rest = share
                if i != first:
                    rest = of_first + (share - chance[r, i] / (total - chance[r, i]))
                out[r, i] = chance[r, i] * (leader + (1.0 - leader) * rest)
