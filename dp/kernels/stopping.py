"""Compiled single-item stopping problems: plain arrays in, plain arrays out.

``mean[n, w]`` is the chance that the next label is a win and ``gain[n, w]`` the expected rise of the payoff by it.
"""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def go_on(mean, gain, cost, discount, worth, spent):
    """Worth F of one more label at the start when each costs ``cost``, stopping at will later, and labels it buys.

    W = max(0, F), F = gain - cost + discount (mu W+ + (1 - mu) W-). ``worth`` and ``spent`` hold W and the discounted
    labels still bought in each state of the last row + 1, and are overwritten. Ties stop, so labels are the fewest
    that an optimal rule buys, and minus their number is a subgradient of F in the cost.
    """
    for n in range(mean.shape[0] - 1, -1, -1):
        for w in range(n + 1):
            m = mean[n, w]
            value = gain[n, w] - cost + discount * (worth[w] + m * (worth[w + 1] - worth[w]))
            labels = 1.0 + discount * (spent[w] + m * (spent[w + 1] - spent[w]))
            if n == 0:
                return value, labels
            if value > 0.0:
                worth[w] = value
                spent[w] = labels
            else:
                worth[w] = 0.0
                spent[w] = 0.0
    return 0.0, 0.0


@njit(cache=True, nogil=True)
def next_hinge(price, weight, lose, lose_end, win, win_end, down, up):
    """Price and weight of the next hinge of those after a loss and after a win, prices falling; where both then stand.

    ``down`` and ``up`` are the shares of a loss and of a win.
    """
    if win >= win_end or (lose < lose_end and price[lose] >= price[win]):
        return price[lose], down * weight[lose], lose + 1, win
    return price[win], up * weight[win], lose, win + 1


@njit(cache=True, nogil=True)
def mix_hinges(mean, gain, cost, discount, begin, price, weight, new_begin, new_price, new_weight):
    """Hinges of one row of states from those of the next row; the first hinge of each state is its index.

    State w's hinges stand at begin[w]..begin[w + 1], prices falling. ``mean`` and ``gain`` are of the row; the new
    arrays must have room for all old hinges twice and one more for each state. Returns nothing; see ``stopping``.
    """
    at = 0
    for w in range(mean.size):
        new_begin[w] = at
        lose, lose_end = begin[w], begin[w + 1]
        win, win_end = begin[w + 1], begin[w + 2]
        up = discount * mean[w]
        down = discount * (1.0 - mean[w])
        total = gain[w]
        slope = cost
        head = -1
        while lose < lose_end or win < win_end:
            x, q, lose, win = next_hinge(price, weight, lose, lose_end, win, win_end, down, up)
            if head < 0:
                if total < x * slope:
                    total += q * x
                    slope += q
                    continue
                head = at
                new_price[at] = total / slope
                new_weight[at] = slope
                at += 1
            if new_price[at - 1] == x:
                new_weight[at - 1] += q
            elif q > 0.0:
                new_price[at] = x
                new_weight[at] = q
                at += 1
        if head < 0:
            new_price[at] = total / slope
            new_weight[at] = slope
            at += 1
    new_begin[mean.size] = at


@njit(cache=True, nogil=True)
def fewest_that_pay(mean, gain, most, adaptive, level, out):
    """Fewest further labels, up to ``most``, with which an item is worth more than ``level``; 0 where none are.

    ``gain`` is net of what a label costs. With ``adaptive``, buying may stop at any of these labels; otherwise all are
    bought. ``out[n, w]`` covers every state of the item but those after its last label.
    """
    cap = gain.shape[0]
    worth = np.zeros((cap + 1, cap + 1))
    for m in range(1, most + 1):
        # Row n + 1 still holds the worth of one label fewer.
        for n in range(cap - m + 1):
            for w in range(n + 1):
                value = gain[n, w] + worth[n + 1, w] + mean[n, w] * (worth[n + 1, w + 1] - worth[n + 1, w])
                if value > level and out[n, w] == 0:
                    out[n, w] = m
                worth[n, w] = max(value, 0.0) if adaptive else value
