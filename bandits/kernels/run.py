"""Compiled run of an index policy: decide, label and update in logarithmic time for a label.

Scores stand in a *tournament*. Its leaves are groups of eight items, whose scores share a cache line; an inner node has
the larger score of its two children and a word that names the winning group (upper 32 bits) and counts the items tied
with it (lower 31 bits; the bit above says that their scores differ by rounding). One label changes the nodes above one
leaf. Winners are unpredictable, so nodes are compared without branches, by masks over the bits of their scores.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ...dp.kernels.dense import TIE
from ...dp.kernels.kinked_index import index_ahead, tail_after
from ...dp.kernels.relaxed import Kinked, Room
from ...posteriors.kernels.beliefs import log_step_scalar
from .choosing import LABELS, TIES, uniform

# Scoring of an item after a label: by the closed form of variance reduction, by tables of its index, or by a window of
# scores computed ahead.
CLOSED, TABLES, WINDOW = 0, 1, 2
# Reasons for a run to stop: the budget is spent; an item has left its table or window; no score is above zero.
SPENT, LEFT, ALL_ZERO = 0, 1, 2
# Columns of an item's row, which fills one cache line. Under CLOSED, X and Y are the parameters of its Beta belief;
# else the wins and losses since its table or window began. FREE is the threshold or the place between two tables, HAND
# is D or the number of the first table. SOURCE is the chance of a win where labels are drawn, and the place of the
# item's first vote where they are recorded.
FREE, FACTOR, SOURCE, HAND, X, Y, LABELLED, CAP = range(8)
_COUNT, _MIXED = np.int64(0x7FFFFFFF), np.int64(0x80000000)


class Scoring(NamedTuple):
    """Scoring of n items: the rule, and the data that it reads.

    Attributes
    ----------
    rule : int
        CLOSED, TABLES or WINDOW.
    row : ndarray, shape (n, 8)
        Data that change with the labels of an item, see the columns above.
    rows : int
        Rows of an item's table or window.
    begin : ndarray of int32, shape (tables * rows + 1, 2)
    value : ndarray of float32
        Tables of the index, see ``look_up``.
    belief : ndarray, shape (n, 4)
        Beta parameters, threshold and tail at the start.
    settings : ndarray, shape (5,)
        Kink, slope, labels looked ahead, and floors of the index; see ``score_ahead``.
    window : ndarray, shape (n, states)
        Scores computed ahead, over the triangle of labels and wins.
    """

    rule: int
    row: NDArray[np.float64]
    rows: int
    begin: NDArray[np.int32]
    value: NDArray[np.float32]
    belief: NDArray[np.float64]
    settings: NDArray[np.float64]
    window: NDArray[np.float64]


class Tournament(NamedTuple):
    """Scores and the tree over them.

    Attributes
    ----------
    scores : ndarray
        Eight places for each leaf; minus infinity where there is no item.
    tree : ndarray of int64, shape (nodes, 2)
        Bits of the best score, and the word of each node.
    scale : float
        Size of the terms whose rounding errors scores carry.
    """

    scores: NDArray[np.float64]
    tree: NDArray[np.int64]
    scale: float


class Budget(NamedTuple):
    """Costs and money.

    Attributes
    ----------
    cost : ndarray, shape (n,)
        Cost of a label; empty where every label costs 1.
    dear : ndarray of int64
        Items by decreasing cost.
    money : ndarray, shape (1,)
        Budget left; updated as labels are bought.
    """

    cost: NDArray[np.float64]
    dear: NDArray[np.int64]
    money: NDArray[np.float64]


@njit(cache=True, nogil=True)
def larger(x, y):
    """Return the larger of two numbers, without a branch."""
    p, q = np.float64(x).view(np.int64), np.float64(y).view(np.int64)
    return np.int64(p ^ ((p ^ q) & -np.int64(y > x))).view(np.float64)


@njit(cache=True, nogil=True)
def place(scores, tree, item, score, scale):
    """Give an item another score; minus infinity takes it out."""
    scores[item] = score
    group = item >> 3
    at = group << 3
    m = larger(
        larger(larger(scores[at], scores[at + 1]), larger(scores[at + 2], scores[at + 3])),
        larger(larger(scores[at + 4], scores[at + 5]), larger(scores[at + 6], scores[at + 7])),
    )
    level = m - TIE * max(abs(m), scale)
    tied, equal = np.int64(0), np.int64(0)
    for j in range(8):
        tied += np.int64(scores[at + j] >= level)
        equal += np.int64(scores[at + j] == m)
    if m == -np.inf:
        tied = equal = np.int64(0)
    if tied != equal:
        tied |= _MIXED
    node = (tree.shape[0] >> 1) + group
    best, word = np.float64(m).view(np.int64), (np.int64(group) << 32) + tied
    tree[node, 0], tree[node, 1] = best, word
    while node > 1:
        other, other_word = tree[node ^ 1, 0], tree[node ^ 1, 1]
        swap = -np.int64(np.int64(other).view(np.float64) > np.int64(best).view(np.float64))
        both, both_words = best ^ other, word ^ other_word
        best ^= both & swap
        top, low = np.int64(best).view(np.float64), np.int64(best ^ both).view(np.float64)
        word ^= both_words & swap
        near = -np.int64(low >= top - TIE * max(abs(top), scale))
        other_word = (word ^ both_words) & near
        word = (word + (other_word & _COUNT)) | (other_word & _MIXED) | ((-np.int64(both != 0)) & _MIXED & near)
        node >>= 1
        tree[node, 0], tree[node, 1] = best, word


@njit(cache=True, nogil=True)
def place_items(scores, tree, items, scale):
    """Bring the tournament up to date with the scores of some items."""
    for k in range(items.size):
        place(scores, tree, items[k], scores[items[k]], scale)


@njit(cache=True, nogil=True)
def build(scores, tree, scale):
    """Tournament over all scores; ``scores`` has eight places for each leaf."""
    tree[:, 0] = np.float64(-np.inf).view(np.int64)
    tree[:, 1] = 0
    for i in range(0, scores.size, 8):
        place(scores, tree, i, scores[i], scale)


@njit(cache=True, nogil=True)
def best_score(tree):
    """Best score of all."""
    return np.int64(tree[1, 0]).view(np.float64)


@njit(cache=True, nogil=True)
def search(scores, tree, pick, scale):
    """Find the tied item number ``pick``, from 0 and in their order, or where that is -1 the number of tied items.

    A node counts the items tied with its own best score, which may be below the best of all. Counts of nodes whose
    scores differ are therefore not used; such nodes are few.
    """
    groups = tree.shape[0] >> 1
    top = best_score(tree)
    level = top - TIE * max(abs(top), scale)
    stack = np.empty(64, dtype=np.int64)
    stack[0] = 1
    size = 1
    seen = np.int64(0)
    while size > 0:
        size -= 1
        node = stack[size]
        if np.int64(tree[node, 0]).view(np.float64) < level:
            continue
        here = tree[node, 1] & _COUNT
        if node < groups:
            if tree[node, 1] & _MIXED == 0 and (pick < 0 or pick >= seen + here):
                seen += here
            else:
                stack[size], stack[size + 1] = 2 * node + 1, 2 * node
                size += 2
            continue
        for item in range((node - groups) << 3, ((node - groups) << 3) + 8):
            if scores[item] >= level:
                if seen == pick:
                    return item
                seen += 1
    return seen


@njit(cache=True, nogil=True)
def look_up(begin, value, at, wins):
    """Index in row ``at`` of the tables; zero outside the band that it has."""
    j = wins - begin[at, 0]
    if j < 0 or begin[at, 1] + j >= begin[at + 1, 1]:
        return 0.0
    return np.float64(value[begin[at, 1] + j])


@njit(cache=True, nogil=True)
def closed_score(row, i):
    """Variance reduction v D^2 / (a b), for one unit of cost."""
    return row[i, FACTOR] * row[i, HAND] * row[i, HAND] / (row[i, X] * row[i, Y])


@njit(cache=True, nogil=True)
def score_ahead(row, i, belief, settings, guess, room, places):
    """Gittins index of an item beyond its table, for one unit of cost; see ``index_ahead``."""
    kink, slope, ahead, floor = settings[0], settings[1], np.int64(settings[2]), settings[4]
    a, b, t = belief[i, 0], belief[i, 1], belief[i, 2]
    wins, losses = np.int64(row[i, X]), np.int64(row[i, Y])
    p = tail_after(a, b, t, belief[i, 3], wins, losses)
    factor = row[i, FACTOR]
    item = Kinked(a + wins, b + losses, t, p, kink, slope)
    here = Room(places[0], room[0], room[1], room[2], places[1:].reshape(-1, 3), room[3])
    return factor * index_ahead(item, ahead, floor / factor, guess / factor, 1e-6, here)


@njit(cache=True, nogil=True)
def score_of(scoring, i, guess, room, places):
    """Score of an item from its row; ``guess`` is perhaps a little below it."""
    rule, row, rows, begin, value, belief, settings, window = scoring
    if rule == CLOSED:
        return closed_score(row, i)
    wins, labels = np.int64(row[i, X]), np.int64(row[i, X] + row[i, Y])
    if rule == WINDOW:
        return window[i, labels * (labels + 1) // 2 + wins]
    if labels >= rows:
        return score_ahead(row, i, belief, settings, guess, room, places)
    table = np.int64(row[i, HAND])
    score = look_up(begin, value, table * rows + labels, wins)
    if row[i, FREE] > 0.0:
        score += row[i, FREE] * (look_up(begin, value, (table + 1) * rows + labels, wins) - score)
    return row[i, FACTOR] * score


@njit(cache=True, nogil=True)
def score_items(scoring, items, scores):
    """Scores of some items; minus infinity where the cap is reached."""
    row, settings = scoring.row, scoring.settings
    room, places = np.zeros((4, np.int64(settings[2]) + 2)), np.zeros((4, np.int64(settings[2]) + 2), dtype=np.int64)
    for k in range(items.size):
        i = items[k]
        done = row[i, LABELLED] >= row[i, CAP]
        scores[i] = -np.inf if done else score_of(scoring, i, 0.0, room, places)


@njit(cache=True, nogil=True)
def run(scoring, tournament, budget, votes, in_order, key, until, at, waiting):
    """Label until ``until`` labels are bought or the budget is spent; returns the reason for stopping.

    ``votes`` holds the recorded labels of all items, one item after another; where it is empty, labels are drawn.
    ``in_order``: of tied items the first is labelled. ``at`` is updated and holds the number of labels bought, the
    number of items of ``dear`` that are too expensive by now, the number of items in ``waiting``, and the item whose
    path in the tree is out of date, or -1. ``waiting`` lists items that have used half of their windows: refilling
    these together with the one that has used all of its window makes stops rare.
    """
    rule, row, rows, _, _, _, settings, _ = scoring
    scores, tree, scale = tournament
    cost, dear, money = budget
    step, gone, queue, loose = at[0], at[1], at[2], at[3]
    left = money[0]
    k0, k1 = key[0], key[1]
    room, places = np.zeros((4, np.int64(settings[2]) + 2)), np.zeros((4, np.int64(settings[2]) + 2), dtype=np.int64)
    answer = SPENT
    while step < until:
        while gone < dear.size and cost[dear[gone]] > left:
            if loose >= 0:
                place(scores, tree, loose, scores[loose], scale)
                loose = -1
            place(scores, tree, dear[gone], -np.inf, scale)
            gone += 1
        tied = tree[1, 1] & (_COUNT | _MIXED)
        if tied == 0:
            break
        if tied > _COUNT:
            tied = search(scores, tree, np.int64(-1), scale)
        if rule == TABLES and best_score(tree) <= 0.0:
            answer = ALL_ZERO
            break
        pick = np.int64(0)
        if tied > 1 and not in_order:
            pick = np.int64(uniform(step, np.int64(0), TIES, k0, k1) * tied)
        if tied == 1:
            # Without a call, in almost all cases.
            i = (tree[1, 1] >> 32) << 3
            top = best_score(tree)
            while scores[i] < top:
                i += 1
        else:
            i = search(scores, tree, pick, scale)
        n = np.int64(row[i, LABELLED])
        x, y = row[i, X], row[i, Y]
        if votes.size:
            won = votes[np.int64(row[i, SOURCE]) + n] != 0
        else:
            won = uniform(n, i, LABELS, k0, k1) < row[i, SOURCE]
        if won:
            if rule == CLOSED:
                row[i, HAND] *= row[i, FREE] * (x + y) / x
            row[i, X] = x + 1.0
        else:
            if rule == CLOSED:
                row[i, HAND] *= (1.0 - row[i, FREE]) * (x + y) / y
            row[i, Y] = y + 1.0
        row[i, LABELLED] = n + 1.0
        step += 1
        if cost.size:
            left -= cost[i]
        if n + 1.0 >= row[i, CAP]:
            place(scores, tree, i, -np.inf, scale)
            loose = -1
            continue
        if rule == CLOSED:
            if row[i, HAND] < 1e-150:
                # Below this a product of factors may have lost D by underflow; its square is negligible.
                row[i, HAND] = math.exp(log_step_scalar(row[i, X], row[i, Y], row[i, FREE]))
        elif rule == WINDOW:
            labels = np.int64(row[i, X] + row[i, Y])
            if 2 * labels == rows:
                waiting[queue] = i
                queue += 1
            elif labels == rows:
                answer = LEFT
                break
        if rule == CLOSED:
            score = closed_score(row, i)
        else:
            score = score_of(scoring, i, 0.5 * scores[i], room, places)
        if score - TIE * max(abs(score), scale) > best_score(tree):
            # It stays ahead of all others, so the nodes below the root can wait.
            scores[i] = score
            tree[1, 0], tree[1, 1] = np.float64(score).view(np.int64), ((i >> 3) << 32) + 1
            loose = i
        else:
            place(scores, tree, i, score, scale)
            loose = -1
    at[0], at[1], at[2], at[3] = step, gone, queue, loose
    money[0] = left
    return answer
