"""Compiled look-ahead over one item, and the dual price of a budget: plain arrays in, plain arrays out.

``mean`` and ``gain`` are the lower triangles of an item's tables [labels, wins], row after row: the entry of n labels
and w wins stands at n (n + 1) / 2 + w. A state with ``ahead`` more labels looks at rows n, .., n + ahead - 1.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from ...dp.kernels.stopping import mix_hinges

EMPTY = -1
# Newton's method ends after a few steps; this number is never needed.
_STEPS = 200
_ROUNDS = 2000


@njit(cache=True, nogil=True)
def best_ratio(mean, gain, n, w, ahead, cost, chance):
    """Largest ratio of expected gain to cost of m labels that are all bought, over m = 1..ahead.

    chance[x] is the probability of x wins among the labels bought so far, and the gain of m labels is the sum of the
    expected gains of the first, the second, and so on.
    """
    total = 0.0
    best = -np.inf
    chance[0] = 1.0
    for j in range(ahead):
        row = (n + j) * (n + j + 1) // 2 + w
        for x in range(j + 1):
            total += chance[x] * gain[row + x]
        best = max(best, total / ((j + 1) * cost))
        chance[j + 1] = 0.0
        for x in range(j, -1, -1):
            won = chance[x] * mean[row + x]
            chance[x + 1] += won
            chance[x] -= won
    return best


@njit(cache=True, nogil=True)
def advantage(mean, gain, n, w, ahead, price, worth, spent):
    """Worth of one more label at ``price`` each, stopping optimally later, and the expected number of labels bought."""
    for x in range(ahead + 1):
        worth[x] = 0.0
        spent[x] = 0.0
    for j in range(ahead - 1, -1, -1):
        row = (n + j) * (n + j + 1) // 2 + w
        for x in range(j + 1):
            m = mean[row + x]
            value = gain[row + x] - price + worth[x] + m * (worth[x + 1] - worth[x])
            labels = 1.0 + spent[x] + m * (spent[x + 1] - spent[x])
            go = value > 0.0 or j == 0
            worth[x] = value if go else 0.0
            spent[x] = labels if go else 0.0
    return worth[0], spent[0]


@njit(cache=True, nogil=True)
def fixed_look_ahead(mean, gain, labels, wins, ahead, cost, out):
    """``best_ratio`` of some states of one item."""
    chance = np.empty(ahead.max() + 1)
    for s in range(out.size):
        out[s] = best_ratio(mean, gain, labels[s], wins[s], ahead[s], cost, chance)


@njit(cache=True, nogil=True)
def stopping_index(mean, gain, labels, wins, ahead, cost, out):
    """Price of a unit of cost at which one more label is worth nothing, for some states of one item.

    Newton's method from below (Dinkelbach 1967): the next price is the ratio of gain to cost of the best rule at the
    present one.
    """
    worth = np.empty(ahead.max() + 1)
    spent = np.empty(ahead.max() + 1)
    for s in range(out.size):
        price = best_ratio(mean, gain, labels[s], wins[s], ahead[s], cost, worth)
        for _ in range(_STEPS):
            value, bought = advantage(mean, gain, labels[s], wins[s], ahead[s], price * cost, worth, spent)
            better = price + value / (bought * cost)
            # Rounding may make the price alternate in its last digit.
            if not better > price + 4e-16 * abs(price):
                break
            price = better
        out[s] = price


@njit(cache=True, nogil=True)
def place(keys, key):
    """Position of a key in a hash table, or the empty place where it belongs; the size is a power of two."""
    mask = keys.size - 1
    # The finaliser of SplitMix64: every bit of the key moves every bit of the place.
    mixed = np.uint64(key)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    at = np.int64(mixed ^ (mixed >> np.uint64(31))) & mask
    while keys[at] != EMPTY and keys[at] != key:
        at = (at + 1) & mask
    return at


@njit(cache=True, nogil=True)
def find(keys, values, wanted, out):
    """Value of each key, NaN where there is none; EMPTY has the value zero."""
    for s in range(wanted.size):
        if wanted[s] == EMPTY:
            out[s] = 0.0
        else:
            at = place(keys, wanted[s])
            out[s] = values[at] if keys[at] == wanted[s] else np.nan


@njit(cache=True, nogil=True)
def enter(keys, values, new_keys, new_values):
    """Enter keys with their values; EMPTY is passed over."""
    for s in range(new_keys.size):
        if new_keys[s] != EMPTY:
            at = place(keys, new_keys[s])
            keys[at] = new_keys[s]
            values[at] = new_values[s]


@njit(cache=True, nogil=True)
def above(x, low, high, price):
    """Number of x above a price, known to lie from ``low`` to ``high``; the x decrease."""
    while low < high:
        middle = (low + high) // 2
        if x[middle] > price:
            low = middle + 1
        else:
            high = middle
    return low


@njit(cache=True, nogil=True)
def advantage_hinges(mean, gain, n, w, ahead, cost):
    """Worth F of one more label as a function of the price lambda of a unit of cost, and where F is zero.

    Returns x, A, B, the index, and the expected cost of the labels bought at a price of zero. F = A[j] - B[j] lambda,
    where j is the number of x above lambda. The x decrease, and the last of them is minus infinity.
    """
    begin = np.zeros(ahead + 2, dtype=np.int64)
    price = np.empty(0)
    weight = np.empty(0)
    for j in range(ahead - 1, 0, -1):
        row = (n + j) * (n + j + 1) // 2 + w
        room = 2 * begin[j + 2] + j + 1
        new_begin = np.empty(j + 2, dtype=np.int64)
        new_price = np.empty(room)
        new_weight = np.empty(room)
        here = mean[row : row + j + 1]
        rise = gain[row : row + j + 1]
        mix_hinges(here, rise, cost, 1.0, begin, price, weight, new_begin, new_price, new_weight)
        begin, price, weight = new_begin, new_price, new_weight
    at = n * (n + 1) // 2 + w
    m = mean[at]
    lose, lose_end = begin[0], begin[1]
    win, win_end = begin[1], begin[2]
    x = np.empty(win_end - lose + 1)
    total = np.empty(x.size)
    slope = np.empty(x.size)
    total[0] = gain[at]
    slope[0] = cost
    size = 0
    while lose < lose_end or win < win_end:
        if win >= win_end or (lose < lose_end and price[lose] >= price[win]):
            y, q = price[lose], (1.0 - m) * weight[lose]
            lose += 1
        else:
            y, q = price[win], m * weight[win]
            win += 1
        if size == 0 or x[size - 1] != y:
            x[size] = y
            total[size + 1] = total[size]
            slope[size + 1] = slope[size]
            size += 1
        total[size] += q * y
        slope[size] += q
    x[size] = -np.inf
    head = 0
    while total[head] < x[head] * slope[head]:
        head += 1
    index = total[head] / slope[head]
    free = slope[above(x, np.int64(0), size, 0.0)] if index > 0.0 else 0.0
    return x[: size + 1], total[: size + 1], slope[: size + 1], index, free


@njit(cache=True, nogil=True)
def dual_price(which, begin, x, slope, index, free, budget, hint, low, high, middle):
    """Least price at which the items' best rules spend at most ``budget`` in expectation, stopping when indifferent.

    Item i has the hinges of state which[i], none where that is negative, and spends ``free`` at a price of zero.
    Spending is a decreasing step function of the price. The search keeps ``left``, a price at which spending is too
    high, and ``right``, a step at which it is not. It alternates interpolation and bisection until no step lies between
    them. ``hint`` saves iterations and does not change the result; ``low`` and ``high`` end as bounds on each item's
    number of x above the price.
    """
    items = which.size
    spent = 0.0
    right = 0.0
    for i in range(items):
        low[i] = 0
        high[i] = 0
        if which[i] >= 0:
            high[i] = begin[which[i] + 1] - begin[which[i]] - 1
            spent += free[which[i]]
            right = max(right, index[which[i]])
    if spent <= budget:
        return 0.0
    left = 0.0
    too_much, enough = spent, 0.0
    # Between ``left`` and ``right`` most items neither start nor stop buying. What they spend is kept, and only the
    # others, the first ``alive`` of ``open_items``, are looked at.
    open_items = np.arange(items)
    alive = items
    spends = np.zeros(items)
    for k in range(_ROUNDS):
        price = 0.5 * (left + right)
        if k < 2 and hint > 0.0:
            price = hint * (0.99 if k == 0 else 1.01)
        elif k % 2 == 0:
            share = (too_much - budget) / (too_much - enough)
            price = left + min(max(share, 0.001), 0.999) * (right - left)
        if not left < price < right:
            price = 0.5 * (left + right)
            if not left < price < right:
                break
        next_step, last_step = right, left
        for j in range(alive):
            i = open_items[j]
            s = which[i]
            if s < 0:
                continue
            b = begin[s]
            c = above(x[b : begin[s + 1]], low[i], high[i], price)
            middle[i] = c
            if index[s] > price:
                spends[i] = slope[b + c]
                next_step = min(next_step, index[s])
                if c > 0 and x[b + c - 1] < index[s]:
                    next_step = min(next_step, x[b + c - 1])
                last_step = max(last_step, x[b + c])
            else:
                spends[i] = 0.0
                last_step = max(last_step, index[s])
        # In the order of the items, so that the sum does not depend on which of them are looked at.
        spent = 0.0
        for i in range(items):
            spent += spends[i]
        enough_left = spent <= budget
        if enough_left:
            # Spending does not change from the last step to here.
            right, enough = last_step, spent
        else:
            if next_step >= right:
                break
            left, too_much = price, spent
        kept = 0
        for j in range(alive):
            i = open_items[j]
            s = which[i]
            if s < 0:
                continue
            if enough_left:
                low[i] = middle[i]
            else:
                high[i] = middle[i]
            if low[i] < high[i] or left < index[s] <= right:
                open_items[kept] = i
                kept += 1
        alive = kept
    return right


@njit(cache=True, nogil=True)
def lagrangian_scores(which, begin, x, total, slope, index, free, cost, budget, prices, out):
    """Worth of one label of each item over its cost, at each row's own dual price.

    ``prices`` holds a guess of each row's price, or zero, and is overwritten.
    """
    low = np.empty(which.shape[1], dtype=np.int64)
    high = np.empty(which.shape[1], dtype=np.int64)
    middle = np.zeros(which.shape[1], dtype=np.int64)
    for r in range(which.shape[0]):
        price = dual_price(which[r], begin, x, slope, index, free, budget[r], prices[r], low, high, middle)
        prices[r] = price
        for i in range(which.shape[1]):
            s = which[r, i]
            out[r, i] = 0.0
            if s >= 0:
                b = begin[s]
                c = above(x[b : begin[s + 1]], low[i], high[i], price)
                out[r, i] = (total[b + c] - slope[b + c] * price) / cost[i]


@njit(cache=True, nogil=True)
def worth_at(which, begin, x, total, slope, index, prices, out):
    """Sum over some states of the worth of the option to buy labels, at each price."""
    for k in range(prices.size):
        out[k] = 0.0
        for s in which:
            if s >= 0 and index[s] > prices[k]:
                b = begin[s]
                c = above(x[b : begin[s + 1]], np.int64(0), begin[s + 1] - b - 1, prices[k])
                out[k] += max(0.0, total[b + c] - slope[b + c] * prices[k])
