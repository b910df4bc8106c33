"""Compiled tree search by simulated runs: plain arrays in, plain arrays out.

Places, keys and twins are those of ``tree``. Returns are losses: what the label that is chosen is worth less
than the best one in the relaxed problem, and at the end the worth of what could not be bought, all at one price.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from .choosing import uniform
from .tree import NONE, hash_room, item_key, look_up, stands_for_all

_RUNS = np.uint64(5)


@njit(cache=True, nogil=True)
def index_table(mean, gain, worth, depth, cost, prices, at, index_out, loss_out):
    """Price at which a label is worth nothing, between the prices of the grid, and its loss at prices[at].

    The price is found by a straight line between neighbours. The loss is min(0, gain - price cost + E W).
    """
    for j in range(depth):
        row = j * (j + 1) // 2
        below = row + j + 1
        for x in range(j + 1):
            before, found = 0.0, False
            for k in range(prices.size):
                lose, win = worth[below + x, k], worth[below + x + 1, k]
                value = gain[row + x] - prices[k] * cost + lose + mean[row + x] * (win - lose)
                if k == at:
                    loss_out[row + x] = min(0.0, value)
                if not found and value <= 0.0:
                    found = True
                    index_out[row + x] = value / cost
                    if k > 0:
                        step = prices[k] - prices[k - 1]
                        index_out[row + x] = prices[k - 1] + step * before / (before - value)
                before = value
            if not found:
                index_out[row + x] = prices[-1] + before / cost


@njit(cache=True, nogil=True)
def run_on(place, used, money, mean, index, loss, worth, depth, cost, at, price, outside, k0, k1, number):
    """Losses of a simulated run of the index policy, from a state that it overwrites to the end of the budget."""
    total = 0.0
    while True:
        best, top = NONE, -np.inf
        for i in range(place.size):
            if cost[i] <= money and used[i] < depth[i] and index[i, place[i]] > top:
                best, top = i, index[i, place[i]]
        if best == NONE or (outside and top <= price):
            break
        total += loss[best, place[best]]
        drawn = uniform(number, (np.int64(best) << 32) + used[best], _RUNS, k0, k1)
        place[best] += used[best] + 1 + (1 if drawn < mean[best, place[best]] else 0)
        used[best] += 1
        money -= cost[best]
    if not outside:
        total -= price * money
    for i in range(place.size):
        total -= worth[i, place[i], at]
    return total


@njit(cache=True, nogil=True)
def search_runs(
    mean,
    worth,
    index,
    loss,
    depth,
    cost,
    twin,
    first,
    left,
    at_price,
    price,
    outside,
    simulations,
    exploration,
    k0,
    k1,
    mean_out,
    visits_out,
):
    """Search on simulated runs, see ``tree_search``: mean returns less the bound at the root, and visits.

    ``first`` says which candidates may be labelled at the root, one of those that are alike there.
    ``outside`` says that there are items which are no candidates: they take what is left at ``price``. Returns the
    nodes made.
    """
    items = mean.shape[0]
    room = simulations + 1
    place, used = np.zeros((room, items), dtype=np.int32), np.zeros((room, items), dtype=np.int32)
    child = np.full((room, items, 2), NONE, dtype=np.int32)
    visits, wins, total = np.zeros((room, items)), np.zeros((room, items)), np.zeros((room, items))
    key, money = np.empty(room, dtype=np.uint64), np.empty(room)
    table = np.full(hash_room(room), NONE, dtype=np.int32)
    path = np.empty((depth.sum() + 1, 2), dtype=np.int64)
    run_place, run_used = np.empty(items, dtype=np.int64), np.empty(items, dtype=np.int64)

    money[0] = left
    key[0] = np.uint64(0)
    for i in range(items):
        key[0] += item_key(np.int64(i), np.int64(0))
    table[key[0] & np.uint64(table.size - 1)] = 0
    nodes = 1
    centre = squares = 0.0
    for number in range(simulations):
        spread = np.sqrt(squares / number) if number > 0 else 0.0
        s, length = np.int64(0), 0
        while True:
            chosen, best_score = NONE, -np.inf
            sum_of_index = 0.0
            for i in range(items):
                if used[s, i] < depth[i]:
                    sum_of_index += max(0.0, index[i, place[s, i]])
            asked = visits[s].sum()
            for i in range(items):
                if used[s, i] >= depth[i] or cost[i] > money[s] or (s == 0 and not first[i]):
                    continue
                if s > 0 and not stands_for_all(place, s, i, twin):
                    continue
                # Half even, half by the index. What was not tried yet is taken to lose nothing later.
                here = index[i, place[s, i]]
                prior = 0.5 / items + (0.5 * max(0.0, here) / sum_of_index if sum_of_index > 0.0 else 0.5 / items)
                value = total[s, i] / visits[s, i] if visits[s, i] > 0 else loss[i, place[s, i]]
                score = value + exploration * spread * prior * items * np.sqrt(asked + 1.0) / (1.0 + visits[s, i])
                if score > best_score:
                    chosen, best_score = i, score
            fresh = chosen == NONE
            c = s
            if not fresh:
                at = np.int64(place[s, chosen])
                # Wins and losses in the proportion of their chances, as even as can be.
                o = 1 if mean[chosen, at] * (visits[s, chosen] + 1.0) - wins[s, chosen] >= 0.5 else 0
                visits[s, chosen] += 1.0
                wins[s, chosen] += o
                path[length, 0], path[length, 1] = s, chosen
                length += 1
                c = np.int64(child[s, chosen, o])
                if c == NONE:
                    to = at + used[s, chosen] + 1 + o
                    wanted = key[s] - item_key(np.int64(chosen), at) + item_key(np.int64(chosen), to)
                    c, entry = look_up(table, key, place, wanted, s, np.int64(chosen), to)
                    if c == NONE:
                        fresh = True
                        c = np.int64(nodes)
                        nodes += 1
                        table[entry] = c
                        key[c], money[c] = wanted, money[s] - cost[chosen]
                        place[c], used[c] = place[s], used[s]
                        place[c, chosen] = to
                        used[c, chosen] += 1
                    child[s, chosen, o] = c
            s = c
            if fresh:
                run_place[:], run_used[:] = place[s], used[s]
                tables = mean, index, loss, worth, depth, cost
                value = run_on(
                    run_place, run_used, money[s], *tables, at_price, price, outside, k0, k1, np.int64(number)
                )
                break
        for t in range(length - 1, -1, -1):
            s, i = path[t]
            value += loss[i, place[s, i]]
            total[s, i] += value
        # Welford's update: the spread of the returns is the unit of exploration.
        apart = value - centre
        centre += apart / (number + 1)
        squares += apart * (value - centre)
    for i in range(items):
        mean_out[i] = total[0, i] / visits[0, i] if visits[0, i] > 0 else -np.inf
        visits_out[i] = np.int64(visits[0, i])
    return nodes
