"""Compiled loops of the model of drifting rates: plain arrays in, plain arrays out.

Logits lie on a regular grid. ``Outlook`` holds the chances of the outcomes from each vote on.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray


class Outlook(NamedTuple):
    """Chances of the outcomes from each vote on, given the logit at that vote.

    Attributes
    ----------
    start : ndarray of int64, shape (N + 1,)
        Votes on item i are start[i] .. start[i + 1] - 1.
    after : ndarray, shape (V, G)
        after[v, g] is, up to a factor, the chance of the outcomes of vote v and of all later votes on its item given
        the logit grid[g] at vote v.
    scale : ndarray, shape (V,)
        Logs of these factors.
    low : float
        First logit of the grid.
    per : float
        Cells of the grid for each unit of the logit.
    """

    start: NDArray[np.int64]
    after: NDArray[np.float64]
    scale: NDArray[np.float64]
    low: float
    per: float


@njit(cache=True, nogil=True)
def step_kernel(step, width):
    """Chances of moving by -r, ..., r cells in a Normal step, with its exact variance for any width of the cells."""
    ratio = step / width
    if ratio < 0.6:
        moving = 0.5 * ratio * ratio
        return np.array([moving, 1.0 - 2.0 * moving, moving])
    reach = math.ceil(4.0 * ratio)
    kernel = np.empty(2 * reach + 1)
    for k in range(kernel.size):
        kernel[k] = math.exp(-0.5 * ((k - reach) / ratio) ** 2)
    return kernel / kernel.sum()


@njit(cache=True, nogil=True)
def look_back(outlook, label, rate, kernel):
    """Fill the outlook, from each item's last vote to its first; rate[g] = sigma(grid[g])."""
    start, after, scale, _, _ = outlook
    cells = rate.size
    reach = kernel.size // 2
    for i in range(start.size - 1):
        last = start[i + 1] - 1
        for v in range(last, start[i] - 1, -1):
            top = 0.0
            for g in range(cells):
                chance = rate[g] if label[v] == 1 else 1.0 - rate[g]
                if v < last:
                    total = 0.0
                    low, high = g - reach, g + reach
                    if low >= 0 and high < cells:
                        for k in range(kernel.size):
                            total += kernel[k] * after[v + 1, low + k]
                    else:
                        # A walk that leaves the grid stays at its end, where the rate is 0 or 1 to three digits.
                        for k in range(kernel.size):
                            total += kernel[k] * after[v + 1, min(max(low + k, 0), cells - 1)]
                    chance *= total
                after[v, g] = chance
                top = max(top, chance)
            for g in range(cells):
                after[v, g] /= top
            scale[v] = math.log(top) + (scale[v + 1] if v < last else 0.0)


@njit(cache=True, nogil=True)
def read(row, x, low, per):
    """Value of a row of the grid at logit x, by linear interpolation; the grid has ``per`` cells for each logit."""
    place = (x - low) * per
    if place <= 0.0:
        return row[0]
    if place >= row.size - 1:
        return row[row.size - 1]
    g = int(place)
    part = place - g
    return (1.0 - part) * row[g] + part * row[g + 1]


@njit(cache=True, nogil=True)
def log_likelihood(outlook, mean, sd, nodes, weights):
    """Log-chance of all outcomes given the distribution of the items' first logits."""
    start, after, scale, low, per = outlook
    total = 0.0
    for i in range(start.size - 1):
        row = after[start[i]]
        here = 0.0
        for q in range(nodes.size):
            here += weights[q] * read(row, mean + sd * nodes[q], low, per)
        total += math.log(here) + scale[start[i]]
    return total


@njit(cache=True, nogil=True)
def climb(outlook, scales, nodes, weights, rounds, at):
    """Move (mean, sd) in ``at`` towards the mode of (mean, log sd) by expectation and maximisation."""
    start, after, _, low, per = outlook
    items = start.size - 1
    for _ in range(rounds):
        mean, sd = at[0], at[1]
        first = second = 0.0
        for i in range(items):
            row = after[start[i]]
            total = one = two = 0.0
            for q in range(nodes.size):
                chance = weights[q] * read(row, mean + sd * nodes[q], low, per)
                total += chance
                one += chance * nodes[q]
                two += chance * nodes[q] ** 2
            first += one / total
            second += two / total
        # Sums of x and of x^2 around the present mean, in expectation.
        first, second = sd * first, sd * sd * second
        precision = items / (sd * sd)
        shift = (first / (sd * sd) - mean / scales[0] ** 2) / (precision + 1.0 / scales[0] ** 2)
        spread = second - 2.0 * shift * first + items * shift * shift
        # sd^2 = u solves u^2 / scale^2 + (N - 1) u - spread = 0.
        b = items - 1.0
        at[0] = mean + shift
        at[1] = math.sqrt(2.0 * spread / (b + math.sqrt(b * b + 4.0 * spread / scales[1] ** 2)))


@njit(cache=True, nogil=True)
def pick(u, weights, total):
    """Index whose cell the share u of the total falls into, and where in the cell, from 0 to 1."""
    left = u * total
    for k in range(weights.size - 1):
        if left < weights[k]:
            return k, left / weights[k]
        left -= weights[k]
    last = weights.size - 1
    return last, min(max(left / weights[last], 0.0), 1.0) if weights[last] > 0.0 else 0.5


@njit(cache=True, nogil=True)
def log_density(outlook, mean, log_sd, scales, nodes, weights):
    """Log-density of (mean, log sd) and the outcomes, up to a constant."""
    sd = math.exp(log_sd)
    prior = -0.5 * (mean / scales[0]) ** 2 - 0.5 * (sd / scales[1]) ** 2 + log_sd
    return prior + log_likelihood(outlook, mean, sd, nodes, weights)


@njit(cache=True, nogil=True)
def explore(outlook, scales, nodes, weights, steps, rounds, mode, axes, logs):
    """Log-density of (mean, log sd) at ``mode + axes @ (steps[j], steps[k])``, in the coordinates of its curvature.

    ``mode`` holds (mean, log sd) to start from.
    """
    at = np.array([mode[0], math.exp(mode[1])])
    climb(outlook, scales, nodes, weights, rounds, at)
    mode[0], mode[1] = at[0], math.log(at[1])
    e = 1e-2
    values = np.empty((3, 3))
    for j in range(3):
        for k in range(3):
            mean, log_sd = mode[0] + (j - 1) * e, mode[1] + (k - 1) * e
            values[j, k] = log_density(outlook, mean, log_sd, scales, nodes, weights)
    one = (2.0 * values[1, 1] - values[0, 1] - values[2, 1]) / (e * e)
    two = (2.0 * values[1, 1] - values[1, 0] - values[1, 2]) / (e * e)
    both = (values[0, 2] + values[2, 0] - values[0, 0] - values[2, 2]) / (4.0 * e * e)
    # With almost no variation between items, log sd converges slowly to its mode and has not reached it yet.
    two = max(two, 2.0)
    one = max(one, 1.5 * both * both / two, 1.0 / scales[0] ** 2)
    root = math.sqrt(one)
    rest = math.sqrt(two - both * both / one)
    # Inverse of the transposed Cholesky factor.
    axes[0, 0], axes[0, 1] = 1.0 / root, -both / (one * rest)
    axes[1, 0], axes[1, 1] = 0.0, 1.0 / rest
    for j in range(steps.size):
        for k in range(steps.size):
            mean = mode[0] + axes[0, 0] * steps[j] + axes[0, 1] * steps[k]
            log_sd = mode[1] + axes[1, 1] * steps[k]
            logs[j, k] = log_density(outlook, mean, log_sd, scales, nodes, weights)


@njit(cache=True, nogil=True)
def draw_step(u, row, x, by, low, per, nodes, weights, chances):
    """Draw z with density proportional to phi(z) row(x + by z), cell by cell."""
    total = 0.0
    for q in range(nodes.size):
        chances[q] = weights[q] * read(row, x + by * nodes[q], low, per)
        total += chances[q]
    q, within = pick(u, chances, total)
    return nodes[q] + (nodes[1] - nodes[0]) * (within - 0.5)


@njit(cache=True, nogil=True)
def draw_path(outlook, numbers, nodes, weights, fine, masses, uniform, first, walk):
    """Draw each item's first logit and its later steps, in standard deviations, given the outcomes.

    numbers = (mean, sd, step); nodes are for the first logit, ``fine`` for steps; uniform holds a number for each vote.
    """
    start, after, _, low, per = outlook
    mean, sd, step = numbers[0], numbers[1], numbers[2]
    chances, leaps = np.empty(nodes.size), np.empty(fine.size)
    for i in range(start.size - 1):
        x = mean
        for v in range(start[i], start[i + 1]):
            if v == start[i]:
                first[i] = draw_step(uniform[v], after[v], x, sd, low, per, nodes, weights, chances)
                x += sd * first[i]
            else:
                walk[v] = draw_step(uniform[v], after[v], x, step, low, per, fine, masses, leaps)
                x += step * walk[v]
