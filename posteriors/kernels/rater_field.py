"""Nested Laplace approximation of models with an item's log-odds and a rater's offset and skill.

Field and mode are those of ``rater_mode``. At given standard deviations the marginal likelihood is Laplace's, corrected
by the integrals over each item and each rater; draws take the raters' side from the Gaussian at the mode, and then each
item from its own density.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from .rater_mode import Votes, find_mode, item_change, unpack
from .sum_to_zero import constrain, solve_lower, solve_upper

# Nodes of an integral over an item, and of an item's density to draw from.
_COARSE, _FINE = 19, 31
# Gauss-Hermite nodes for a rater's side, and weights times exp(z^2 / 2).
_NODES = np.polynomial.hermite_e.hermegauss(7)[0]
_WEIGHTS = np.polynomial.hermite_e.hermegauss(7)[1] * np.exp(0.5 * _NODES**2) / math.sqrt(2.0 * math.pi)


@njit(cache=True, nogil=True)
def log_item(x, first, last, mean, sd, rater, label, offset, skill):
    """Log density of an item's votes and log-odds x, its slope and minus its curvature."""
    value = -0.5 * ((x - mean) / sd) ** 2
    slope = -(x - mean) / (sd * sd)
    curvature = 1.0 / (sd * sd)
    for v in range(first, last):
        d = skill[rater[v]]
        eta = d * x + offset[rater[v]]
        e = math.exp(-abs(eta))
        p = 1.0 / (1.0 + e) if eta > 0 else e / (1.0 + e)
        value -= math.log1p(e) + (abs(eta) if (eta > 0) != (label[v] == 1) else 0.0)
        slope += (label[v] - p) * d
        curvature += p * (1.0 - p) * d * d
    return value, slope, curvature


@njit(cache=True, nogil=True)
def ladder(x, first, last, mean, sd, rater, label, offset, skill, logs):
    """Fill ``logs`` with an item's log density at equal steps around its mode; the lowest point and the step.

    From one step to the next, exp(-eta) of a vote is multiplied by a constant.
    """
    _, slope, curvature = log_item(x, first, last, mean, sd, rater, label, offset, skill)
    # A step as long as the prior is wide cannot be meant.
    x += max(-sd, min(sd, slope / curvature))
    top, slope, curvature = log_item(x, first, last, mean, sd, rater, label, offset, skill)
    low = x - 4.5 / math.sqrt(curvature)
    while log_item(low, first, last, mean, sd, rater, label, offset, skill)[0] > top - 9.0:
        low -= 0.3 * (x - low)
    high = x + 4.5 / math.sqrt(curvature)
    while log_item(high, first, last, mean, sd, rater, label, offset, skill)[0] > top - 9.0:
        high += 0.3 * (high - x)
    nodes = logs.size
    step = (high - low) / (nodes - 1)
    product = np.ones(nodes)
    for k in range(nodes):
        logs[k] = -0.5 * ((low + k * step - mean) / sd) ** 2
    since = 0
    for v in range(first, last):
        sign = -1.0 if label[v] == 1 else 1.0
        d = skill[rater[v]]
        start = sign * (d * low + offset[rater[v]])
        rise = sign * d * step
        if abs(start) + nodes * abs(rise) > 80.0:
            # Eight such factors, or a single one, could overflow.
            for k in range(nodes):
                eta = start + k * rise
                logs[k] -= math.log1p(math.exp(-abs(eta))) + max(eta, 0.0)
            continue
        odds = math.exp(start)
        ratio = math.exp(rise)
        for k in range(nodes):
            product[k] *= 1.0 + odds
            odds *= ratio
        since += 1
        # Before the product can overflow.
        if since == 8:
            since = 0
            for k in range(nodes):
                logs[k] -= math.log(product[k])
                product[k] = 1.0
    if since:
        for k in range(nodes):
            logs[k] -= math.log(product[k])
    return low, step


@njit(cache=True, nogil=True)
def correction(field, precision, sd, votes):
    """Sum over items of log(integral of the item's density / its Laplace approximation), raters at the mode."""
    begin, rater, label, _, _ = votes
    items = begin.size - 1
    offset, skill = unpack(field, votes)
    logs = np.empty(_COARSE)
    total = 0.0
    for i in range(items):
        args = (begin[i], begin[i + 1], field[-1], sd[0], rater, label, offset, skill)
        top = log_item(field[i], *args)[0]
        _, step = ladder(field[i], *args, logs)
        whole = 0.0
        for k in range(_COARSE):
            whole += math.exp(logs[k] - top)
        total += math.log(whole * step) + 0.5 * math.log(precision[i] / (2.0 * math.pi))
    return total


@njit(cache=True, nogil=True)
def rater_correction(field, sd, votes):
    """Sum over raters of log(integral of the rater's density / its Laplace approximation), items at the mode.

    The slope at the mode is taken out of the density: it is what holds the sum of all raters at zero.
    """
    begin, rater, label, raters, skilled = votes
    items = begin.size - 1
    offset, skill = unpack(field, votes)
    size = _NODES.size
    across = size if skilled else 1
    # Per rater: the Fisher information, [[a, b], [b, c]], and the slopes of the votes.
    shape = np.zeros((raters, 5))
    shape[:, 0] = 1.0 / (sd[1] * sd[1])
    shape[:, 2] = 1.0 / (sd[2] * sd[2]) if skilled else 1.0
    for i in range(items):
        for v in range(begin[i], begin[i + 1]):
            j = rater[v]
            along = skill[j] * field[i]
            p = 1.0 / (1.0 + math.exp(-(along + offset[j])))
            w = p * (1.0 - p)
            shape[j, 0] += w
            shape[j, 3] += label[v] - p
            if skilled:
                shape[j, 1] += w * along
                shape[j, 2] += w * along * along
                shape[j, 4] += (label[v] - p) * along
    logs = np.zeros((raters, size * across))
    moves = np.zeros((raters, size * across, 2))
    for j in range(raters):
        # z = L' move, with L L' the information.
        first = math.sqrt(shape[j, 0])
        second = shape[j, 1] / first
        third = math.sqrt(shape[j, 2] - second * second)
        for a in range(size):
            for b in range(across):
                high = _NODES[b] / third if skilled else 0.0
                low = (_NODES[a] - second * high) / first
                at = a * across + b
                moves[j, at, 0] = low
                moves[j, at, 1] = math.exp(high) * skill[j]
                logs[j, at] = -0.5 * (low / sd[1]) ** 2 - low * shape[j, 3]
                if skilled:
                    logs[j, at] -= 0.5 * (high / sd[2]) ** 2 + high * shape[j, 4]
    for i in range(items):
        for v in range(begin[i], begin[i + 1]):
            j = rater[v]
            sign = -1.0 if label[v] == 1 else 1.0
            eta = sign * (skill[j] * field[i] + offset[j])
            before = math.log1p(math.exp(-abs(eta))) + max(eta, 0.0)
            for at in range(size * across):
                eta = sign * (moves[j, at, 1] * field[i] + offset[j] + moves[j, at, 0])
                logs[j, at] -= math.log1p(math.exp(-abs(eta))) + max(eta, 0.0) - before
    total = 0.0
    for j in range(raters):
        whole = 0.0
        for a in range(size):
            for b in range(across):
                weight = _WEIGHTS[a] * _WEIGHTS[b] if skilled else _WEIGHTS[a]
                whole += weight * math.exp(logs[j, a * across + b])
        total += math.log(whole)
    return total


@njit(cache=True, nogil=True)
def shift(field, sd, mean_scale, votes, out):
    """Slope of the density of the raters' side at ``field``, the items being integrated out."""
    begin, rater, label, raters, skilled = votes
    items = begin.size - 1
    offset, skill = unpack(field, votes)
    mean = field[-1]
    logs = np.empty(_COARSE)
    for k in range(2 if skilled else 1):
        for j in range(raters):
            at = k * raters + j
            out[at] = -field[items + at] / (sd[1 + k] * sd[1 + k])
    out[-1] = -mean / (mean_scale * mean_scale)
    for i in range(items):
        low, step = ladder(field[i], begin[i], begin[i + 1], mean, sd[0], rater, label, offset, skill, logs)
        top = logs.max()
        whole = 0.0
        expected = 0.0
        for k in range(_COARSE):
            logs[k] = math.exp(logs[k] - top)
            whole += logs[k]
            expected += logs[k] * (low + k * step)
        out[-1] += (expected / whole - mean) / (sd[0] * sd[0])
        for v in range(begin[i], begin[i + 1]):
            j = rater[v]
            left = 0.0
            along = 0.0
            for k in range(_COARSE):
                x = low + k * step
                share = logs[k] * (label[v] - 1.0 / (1.0 + math.exp(-(skill[j] * x + offset[j]))))
                left += share
                along += share * x
            out[j] += left / whole
            if skilled:
                out[raters + j] += along * skill[j] / whole


@njit(cache=True, nogil=True)
def marginals(points, mean_scale, begin, rater, label, raters, skilled, exact, fields, out):
    """Fill ``out`` with the log marginal likelihood at each point of standard deviations, and ``fields`` with modes.

    Each row of ``fields`` is where the search starts; after it, the mode. ``exact``: with both corrections.
    """
    votes = Votes(begin, rater, label, raters, skilled)
    items = begin.size - 1
    precision = np.empty(items)
    cross = np.empty((label.size, 2))
    for k in range(out.size):
        sd = points[k]
        _, _, _, top, logdet = find_mode(fields[k], sd, mean_scale, votes, precision, cross)
        out[k] = top - 0.5 * logdet
        if exact:
            out[k] += correction(fields[k], precision, sd, votes)
            out[k] += rater_correction(fields[k], sd, votes)


@njit(cache=True, nogil=True)
def sample(point, mean_scale, begin, rater, label, raters, skilled, field, normal, uniform, out):
    """Fill ``out`` [draw, entry of the field] at one point of standard deviations.

    The raters' side comes from the Gaussian at the mode, by ``normal``, moved by one step of Newton's method toward the
    mode of its own density, without the items; then each item from its density given that side, by inversion of
    ``uniform``.
    """
    votes = Votes(begin, rater, label, raters, skilled)
    items = begin.size - 1
    precision = np.empty(items)
    cross = np.empty((label.size, 2))
    lower, along, variance, _, _ = find_mode(field, point, mean_scale, votes, precision, cross)
    logs = np.empty(_FINE)
    move = np.empty(field.size - items)
    shift(field, point, mean_scale, votes, move)
    solve_lower(lower, move)
    solve_upper(lower, move)
    constrain(move, along, variance, raters)
    inverse = 1.0 / (point[0] * point[0])
    for s in range(normal.shape[0]):
        change = normal[s].copy()
        solve_upper(lower, change)
        constrain(change, along, variance, raters)
        change += move
        out[s, items:] = field[items:] + change
        offset, skill = unpack(out[s], votes)
        for i in range(items):
            x = field[i] - item_change(i, votes, inverse, cross, change) / precision[i]
            x = max(field[i] - 2.0 * point[0], min(field[i] + 2.0 * point[0], x))
            item = (begin[i], begin[i + 1], out[s, -1], point[0], rater, label, offset, skill)
            low, step = ladder(x, *item, logs)
            out[s, i] = low + step * invert(logs, uniform[s, i])


@njit(cache=True, nogil=True)
def invert(logs, u):
    """Quantile u, in steps from the first node, of the density that is linear between the exponents of ``logs``."""
    top = logs.max()
    total = 0.0
    for k in range(logs.size):
        logs[k] = math.exp(logs[k] - top)
        if k:
            total += 0.5 * (logs[k - 1] + logs[k])
    left = u * total
    for k in range(1, logs.size):
        panel = 0.5 * (logs[k - 1] + logs[k])
        if left <= panel or k == logs.size - 1:
            a = logs[k - 1]
            slope = logs[k] - a
            # a y + slope y^2 / 2 = left, by the formula that does not cancel.
            root = math.sqrt(max(0.0, a * a + 2.0 * slope * left))
            return k - 1 + min(1.0, 2.0 * left / (a + root)) if a + root > 0.0 else float(k - 1)
        left -= panel
    return 0.0
