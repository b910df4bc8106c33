"""Compiled tree search over beliefs: plain arrays in, plain arrays out.

A state of the tree has a *place* in each candidate's triangle: the entry of j labels and x wins since the root stands
at j (j + 1) / 2 + x. States that several orders of labels lead to are one node, found by a hash of the places. All
values are advantages: gains from labels that are still to be bought. ``twin[i]`` is the last candidate before i that is
alike and begins in the same state, or NONE: of twins in equal places one stands for all.
"""

from __future__ import annotations

import numpy as np
from numba import njit

NONE = -1
_30, _27, _31, _40 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(40)
_ODD, _M1, _M2 = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


@njit(cache=True, nogil=True)
def item_tables(mean, gain, n, w, depth, cost, prices, mean_out, gain_out, worth_out, least_out):
    """Tables of one candidate from n labels and w wins on, of at most ``depth`` labels.

    worth_out[place, k] = W(j, x; prices[k]) = max(0, gain - price cost + E W), zero after ``depth`` labels. least_out
    is the same with a minimum in place of the maximum and no price: the least that any further labels can gain.
    """
    row = depth * (depth + 1) // 2
    worth_out[row : row + depth + 1] = 0.0
    least_out[row : row + depth + 1] = 0.0
    for j in range(depth - 1, -1, -1):
        row = j * (j + 1) // 2
        below = row + j + 1
        source = (n + j) * (n + j + 1) // 2 + w
        for x in range(j + 1):
            m, g = mean[source + x], gain[source + x]
            mean_out[row + x], gain_out[row + x] = m, g
            for k in range(prices.size):
                lose, win = worth_out[below + x, k], worth_out[below + x + 1, k]
                worth_out[row + x, k] = max(0.0, g - prices[k] * cost + lose + m * (win - lose))
            lose, win = least_out[below + x], least_out[below + x + 1]
            least_out[row + x] = min(0.0, g + lose + m * (win - lose))


@njit(cache=True, nogil=True)
def item_key(i, place):
    """Contribution of an item's place to a state's key, by the finaliser of SplitMix64."""
    x = (np.uint64(i) << _40) + np.uint64(place) + _ODD
    x = (x ^ (x >> _30)) * _M1
    x = (x ^ (x >> _27)) * _M2
    return x ^ (x >> _31)


@njit(cache=True, nogil=True)
def hash_room(nodes):
    """Size of a hash table of at least twice as many entries: a power of two."""
    size = 4
    while size < 2 * nodes:
        size *= 2
    return size


@njit(cache=True, nogil=True)
def look_up(table, key, place, wanted, s, item, to):
    """Node that equals node s except for ``item``, which is at ``to``, or the free entry where it belongs.

    Returns (node or NONE, entry). Keys may collide; places are compared.
    """
    mask = np.uint64(table.size - 1)
    entry = wanted & mask
    while table[entry] != NONE:
        c = np.int64(table[entry])
        if key[c] == wanted and place[c, item] == to:
            same = True
            for i in range(place.shape[1]):
                if i != item and place[c, i] != place[s, i]:
                    same = False
            if same:
                return c, entry
        entry = (entry + np.uint64(1)) & mask
    return np.int64(NONE), entry


@njit(cache=True, nogil=True)
def stands_for_all(place, s, i, twin):
    """True if no earlier twin of a candidate is in the same place."""
    other = twin[i]
    while other != NONE:
        if place[s, other] == place[s, i]:
            return False
        other = twin[other]
    return True


@njit(cache=True, nogil=True)
def take_best(item_high, item_low, s, upper, lower, best):
    """Bounds of a node from those of its items, and the item of largest upper bound."""
    top, least, first = -np.inf, -np.inf, 0
    for i in range(item_high.shape[1]):
        if item_high[s, i] > top:
            top, first = item_high[s, i], i
        least = max(least, item_low[s, i])
    upper[s], lower[s], best[s] = top, least, first


@njit(cache=True, nogil=True)
def search_bounds(
    mean,
    gain,
    worth,
    least,
    depth,
    cost,
    twin,
    first,
    left,
    prices,
    outside,
    outside_cost,
    simulations,
    exploration,
    tolerance,
    exact,
    upper_out,
    lower_out,
    visits_out,
):
    """Search on bounds, see ``tree_search``.

    ``first`` says which candidates may be labelled at the root, one of those that are alike there.
    ``outside`` is what the items that are no candidates add to the bound at each price, ``outside_cost`` the price of
    the cheapest of them. Unless ``exact``, the search ends as soon as one item is better than all others. Returns the
    nodes made, and upper less lower bound at the root before and after the search.
    """
    items, count = mean.shape[0], prices.size
    room = simulations + 1
    place, used = np.zeros((room, items), dtype=np.int32), np.zeros((room, items), dtype=np.int32)
    child, visits = np.full((room, items, 2), NONE, dtype=np.int32), np.zeros((room, items), dtype=np.int32)
    key, money = np.empty(room, dtype=np.uint64), np.empty(room)
    bound, floor = np.empty((room, count)), np.empty(room)
    upper, lower, best = np.empty(room), np.empty(room), np.zeros(room, dtype=np.int32)
    high, low = np.empty((room, items, 2)), np.empty((room, items, 2))
    item_high, item_low = np.empty((room, items)), np.empty((room, items))
    table = np.full(hash_room(room), NONE, dtype=np.int32)
    path = np.empty((depth.sum() + 1, 2), dtype=np.int64)

    cheapest = min(outside_cost, cost.min())
    money[0] = left
    floor[0] = least[:, 0].sum()
    for k in range(count):
        bound[0, k] = outside[k] + prices[k] * left + worth[:, 0, k].sum()
    key[0] = np.uint64(0)
    for i in range(items):
        key[0] += item_key(np.int64(i), np.int64(0))
    table[key[0] & np.uint64(table.size - 1)] = 0
    nodes, fresh, length, done = 1, np.int64(0), 0, 0
    before = 0.0
    while True:
        s = fresh
        if s != NONE:
            # Bounds of both outcomes of every item, without separate nodes.
            upper[s], lower[s] = bound[s].min(), floor[s]
            for i in range(items):
                item_high[s, i] = item_low[s, i] = -np.inf
                rest = money[s] - cost[i]
                if used[s, i] >= depth[i] or rest < 0.0 or (s == 0 and not first[i]):
                    continue
                if s > 0 and not stands_for_all(place, s, i, twin):
                    continue
                at = np.int64(place[s, i])
                for o in range(2):
                    to = at + used[s, i] + 1 + o
                    most = np.inf
                    for k in range(count):
                        most = min(most, bound[s, k] - prices[k] * cost[i] + (worth[i, to, k] - worth[i, at, k]))
                    over = rest < cheapest
                    high[s, i, o] = 0.0 if over else most
                    low[s, i, o] = 0.0 if over else floor[s] + (least[i, to] - least[i, at])
                m, g = mean[i, at], gain[i, at]
                item_high[s, i] = g + high[s, i, 0] + m * (high[s, i, 1] - high[s, i, 0])
                item_low[s, i] = g + low[s, i, 0] + m * (low[s, i, 1] - low[s, i, 0])
            if item_high[s].max() > -np.inf:
                take_best(item_high, item_low, s, upper, lower, best)
            elif outside_cost == np.inf:
                upper[s] = lower[s] = 0.0
            fresh = np.int64(NONE)
        for t in range(length - 1, -1, -1):
            s, i = path[t, 0], path[t, 1]
            changed = False
            for o in range(2):
                c = child[s, i, o]
                if c != NONE and (high[s, i, o] != upper[c] or low[s, i, o] != lower[c]):
                    high[s, i, o], low[s, i, o], changed = upper[c], lower[c], True
            if changed:
                m, g = mean[i, place[s, i]], gain[i, place[s, i]]
                item_high[s, i] = g + high[s, i, 0] + m * (high[s, i, 1] - high[s, i, 0])
                item_low[s, i] = g + low[s, i, 0] + m * (low[s, i, 1] - low[s, i, 0])
                take_best(item_high, item_low, s, upper, lower, best)
        spread = upper[0] - lower[0]
        if done == 0:
            before = spread
        if done == simulations or spread <= tolerance:
            break
        if not exact:
            rivals = 0
            for i in range(items):
                if item_high[0, i] >= lower[0] - tolerance:
                    rivals += 1
            if rivals == 1:
                break
        done += 1
        s, length = np.int64(0), 0
        while True:
            chosen = np.int64(best[s])
            if s == 0:
                best_score = -np.inf
                for i in range(items):
                    # The search leaves an item whose bounds meet, or whose upper bound is below another's lower one.
                    if item_high[0, i] - item_low[0, i] > tolerance and item_high[0, i] >= lower[0]:
                        bonus = exploration * spread * np.sqrt(np.float64(done)) / (items * (1.0 + visits[0, i]))
                        if item_high[0, i] + bonus > best_score:
                            best_score = item_high[0, i] + bonus
                            chosen = np.int64(i)
            if item_high[s, chosen] == -np.inf:
                break
            visits[s, chosen] += 1
            at = np.int64(place[s, chosen])
            m = mean[chosen, at]
            win = m * (high[s, chosen, 1] - low[s, chosen, 1])
            o = 1 if win > (1.0 - m) * (high[s, chosen, 0] - low[s, chosen, 0]) else 0
            path[length, 0], path[length, 1] = s, chosen
            length += 1
            c = np.int64(child[s, chosen, o])
            if c != NONE:
                if upper[c] - lower[c] <= tolerance:
                    break
                s = c
                continue
            to = at + used[s, chosen] + 1 + o
            wanted = key[s] - item_key(np.int64(chosen), at) + item_key(np.int64(chosen), to)
            c, entry = look_up(table, key, place, wanted, s, np.int64(chosen), to)
            known = c != NONE
            if not known:
                c = np.int64(nodes)
                fresh = np.int64(c)
                nodes += 1
                table[entry] = c
                key[c], money[c] = wanted, money[s] - cost[chosen]
                place[c], used[c] = place[s], used[s]
                place[c, chosen] = to
                used[c, chosen] += 1
                for k in range(count):
                    bound[c, k] = bound[s, k] - prices[k] * cost[chosen] + (worth[chosen, to, k] - worth[chosen, at, k])
                floor[c] = floor[s] + (least[chosen, to] - least[chosen, at])
            child[s, chosen, o] = c
            if not known or upper[c] - lower[c] <= tolerance:
                break
            s = c
    upper_out[:], lower_out[:], visits_out[:] = item_high[0], item_low[0], visits[0]
    return nodes, before, spread
