"""Mode of the field of items' log-odds and raters' offsets and skills, by Newton's method.

The field is one array: x_1 .. x_N of the items, o_1 .. o_J of the raters, log d_1 .. log d_J where the model has
skills, and the items' mean m. With eta = d_j x_i + o_j and W = P (1 - P), Newton's method uses the Fisher information

    items h_i = sum W d^2 + 1/sd_x^2,   item and rater  (W d, W d^2 x),   raters  [[W, W d x], [W d x, W d^2 x^2]],

which is block diagonal on either side. Items are eliminated; what is left for the raters and m is the dense Schur
complement S, under the constraints of ``sum_to_zero``.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .sum_to_zero import plus_log_determinant, solve_constrained

# Expected gain of a step of Newton's method, in log density, after which there is no other.
_ENOUGH = 0.01
_STEPS = 60


class Votes(NamedTuple):
    """Votes sorted by item.

    Attributes
    ----------
    begin : ndarray of int64, shape (N + 1,)
        Votes on item i are begin[i] .. begin[i + 1] - 1.
    rater, label : ndarray of int64, shape (V,)
    raters : int
        Number of raters, J.
    skilled : bool
        Whether raters have skills besides offsets.
    """

    begin: NDArray[np.int64]
    rater: NDArray[np.int64]
    label: NDArray[np.int64]
    raters: int
    skilled: bool


@njit(cache=True, nogil=True)
def unpack(field, votes):
    """Offsets and skills of the raters."""
    items, raters, skilled = votes.begin.size - 1, votes.raters, votes.skilled
    offset = field[items : items + raters]
    if skilled:
        return offset, np.exp(field[items + raters : items + 2 * raters])
    return offset, np.ones(raters)


@njit(cache=True, nogil=True)
def log_joint(field, sd, mean_scale, votes):
    """Log density of votes and field, up to a constant; ``sd`` are those of items, offsets and log-skills."""
    begin, rater, label, raters, skilled = votes
    items = begin.size - 1
    offset, skill = unpack(field, votes)
    mean = field[-1]
    total = -0.5 * (mean / mean_scale) ** 2 - items * math.log(sd[0])
    for i in range(items):
        total -= 0.5 * ((field[i] - mean) / sd[0]) ** 2
        for v in range(begin[i], begin[i + 1]):
            eta = skill[rater[v]] * field[i] + offset[rater[v]]
            # log(1 + exp(-|eta|)), and |eta| more where the vote is the less probable one.
            total -= math.log1p(math.exp(-abs(eta))) + (abs(eta) if (eta > 0) != (label[v] == 1) else 0.0)
    for k in range(2 if skilled else 1):
        total -= (raters - 1) * math.log(sd[1 + k])
        for j in range(raters):
            total -= 0.5 * (field[items + k * raters + j] / sd[1 + k]) ** 2
    return total


@njit(cache=True, nogil=True)
def system(field, sd, mean_scale, votes, schur, right, precision, slope, cross):
    """Fill Newton's equations: Schur complement and right side of the raters, and each item's own row.

    ``precision`` and ``slope`` are the items' h and gradient, ``cross`` [vote, 0 or 1] the entries of an item's row
    that belong to the vote's rater.
    """
    begin, rater, label, raters, skilled = votes
    items = begin.size - 1
    last = right.size - 1
    offset, skill = unpack(field, votes)
    schur[:] = 0.0
    right[:] = 0.0
    mean = field[-1]
    inverse = 1.0 / (sd[0] * sd[0])
    longest = 0
    for i in range(items):
        longest = max(longest, begin[i + 1] - begin[i])
    where = np.empty(2 * longest + 1, np.int64)
    value = np.empty(2 * longest + 1)
    for k in range(2 if skilled else 1):
        for j in range(raters):
            at = k * raters + j
            schur[at, at] = 1.0 / (sd[1 + k] * sd[1 + k])
            right[at] = -field[items + at] * schur[at, at]
    schur[last, last] = items * inverse + 1.0 / (mean_scale * mean_scale)
    right[last] = -mean / (mean_scale * mean_scale)
    for i in range(items):
        x = field[i]
        h = inverse
        g = -(x - mean) * inverse
        right[last] -= g
        size = 0
        for v in range(begin[i], begin[i + 1]):
            j = rater[v]
            d = skill[j]
            p = 1.0 / (1.0 + math.exp(-(d * x + offset[j])))
            w = p * (1.0 - p)
            left = label[v] - p
            h += w * d * d
            g += left * d
            schur[j, j] += w
            right[j] += left
            cross[v, 0] = w * d
            where[size] = j
            value[size] = cross[v, 0]
            size += 1
            if skilled:
                schur[raters + j, j] += w * d * x
                schur[raters + j, raters + j] += w * d * d * x * x
                right[raters + j] += left * d * x
                cross[v, 1] = w * d * d * x
                where[size] = raters + j
                value[size] = cross[v, 1]
                size += 1
        where[size] = last
        value[size] = -inverse
        size += 1
        for r in range(size):
            share = value[r] / h
            right[where[r]] -= share * g
            for c in range(size):
                if where[c] <= where[r]:
                    schur[where[r], where[c]] -= share * value[c]
        precision[i] = h
        slope[i] = g


@njit(cache=True, nogil=True)
def item_change(i, votes, inverse, cross, change):
    """Product of an item's row with a change of the raters' side."""
    begin, rater, _, raters, skilled = votes
    total = -inverse * change[-1]
    for v in range(begin[i], begin[i + 1]):
        total += cross[v, 0] * change[rater[v]]
        if skilled:
            total += cross[v, 1] * change[raters + rater[v]]
    return total


@njit(cache=True, nogil=True)
def find_mode(field, sd, mean_scale, votes, precision, cross):
    """Move ``field`` to the mode; L and the constraints there, the log density and the log-determinant."""
    items = votes.begin.size - 1
    n = field.size - items
    kinds = 2 if votes.skilled else 1
    schur = np.empty((n, n))
    right = np.empty(n)
    slope = np.empty(items)
    step = np.empty(field.size)
    here = log_joint(field, sd, mean_scale, votes)
    for _ in range(_STEPS):
        system(field, sd, mean_scale, votes, schur, right, precision, slope, cross)
        change = step[items:]
        lower, along, variance = solve_constrained(schur, right, votes.raters, kinds, change)
        gain = (right * change).sum()
        for i in range(items):
            pull = item_change(i, votes, 1.0 / (sd[0] * sd[0]), cross, change)
            step[i] = (slope[i] - pull) / precision[i]
            gain += slope[i] * slope[i] / precision[i]
        size = 1.0
        there = log_joint(field + step, sd, mean_scale, votes)
        while not there > here and size > 1e-6:
            size *= 0.5
            there = log_joint(field + size * step, sd, mean_scale, votes)
        if not there > here:
            break
        field += size * step
        here = there
        if gain < _ENOUGH:
            break
    logdet = plus_log_determinant(np.log(variance).sum() + np.log(precision).sum(), lower)
    return lower, along, variance, here, logdet
