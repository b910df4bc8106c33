"""Nested Laplace approximation of items whose log-odds differ by group.

The field is one array: x_1 .. x_N of the items, their deviations u_11 .. u_NG, the groups' effects e_1 .. e_G, and the
items' mean m. Item i has won[i, g] of cast[i, g] votes in group g, with log-odds z = x_i + e_g + u_ig. With
P = sigma(z) and W = cast P (1 - P), deviations are eliminated first: what is left for x and e has weights

    W - W^2 / (W + 1/q^2) = W / (1 + q^2 W),    q the standard deviation of deviations,

then items, each with precision h = 1/s^2 + the sum of these weights; what is left for (e, m) is a matrix of order
G + 1. The effects sum to zero, as in ``sum_to_zero``.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from .sum_to_zero import constrain, plus_log_determinant, solve_constrained, solve_upper

_STEPS, _ENOUGH = 60, 0.01
# Points of an item's integral; of a deviation's, Gauss-Hermite nodes and weights times exp(z^2 / 2).
_ACROSS = 15
_NODES = np.polynomial.hermite_e.hermegauss(7)[0]
_WEIGHTS = np.polynomial.hermite_e.hermegauss(7)[1] * np.exp(0.5 * _NODES**2)


@njit(cache=True, nogil=True)
def log_votes(z, cast, won):
    """Log-probability of the votes of a cell, up to a constant."""
    if cast == 0.0:
        return 0.0
    softplus = max(z, 0.0) + math.log1p(math.exp(-abs(z)))
    return won * z - cast * softplus


@njit(cache=True, nogil=True)
def log_joint(field, sd, mean_scale, cast, won):
    """Log density of votes and field, up to a constant; ``sd`` are those of items, effects and deviations."""
    items, groups = cast.shape
    effect, mean = field[items + items * groups : -1], field[-1]
    total = -0.5 * (mean / mean_scale) ** 2 - items * math.log(sd[0])
    total -= (groups - 1) * math.log(sd[1]) + items * groups * math.log(sd[2])
    for g in range(groups):
        total -= 0.5 * (effect[g] / sd[1]) ** 2
    for i in range(items):
        total -= 0.5 * ((field[i] - mean) / sd[0]) ** 2
        for g in range(groups):
            u = field[items + i * groups + g]
            total += log_votes(field[i] + effect[g] + u, cast[i, g], won[i, g]) - 0.5 * (u / sd[2]) ** 2
    return total


@njit(cache=True, nogil=True)
def system(field, sd, mean_scale, cast, won, schur, right, precision, slope, weight, bend, push):
    """Fill Newton's equations: of (e, m), of items (precision, slope, weight) and of deviations (bend, push)."""
    items, groups = cast.shape
    effect, mean = field[items + items * groups : -1], field[-1]
    inverse, narrow = 1.0 / (sd[0] * sd[0]), 1.0 / (sd[2] * sd[2])
    schur[:] = 0.0
    for g in range(groups):
        schur[g, g] = 1.0 / (sd[1] * sd[1])
        right[g] = -effect[g] * schur[g, g]
    schur[groups, groups] = items * inverse + 1.0 / (mean_scale * mean_scale)
    right[groups] = -mean / (mean_scale * mean_scale)
    row = np.empty(groups + 1)
    row[groups] = -inverse
    for i in range(items):
        h, s = inverse, -(field[i] - mean) * inverse
        right[groups] -= s
        for g in range(groups):
            u = field[items + i * groups + g]
            p = 1.0 / (1.0 + math.exp(-(field[i] + effect[g] + u)))
            w = cast[i, g] * p * (1.0 - p)
            left = won[i, g] - cast[i, g] * p
            bend[i, g] = w + narrow
            push[i, g] = left - u * narrow
            weight[i, g] = w * narrow / bend[i, g]
            left -= w * push[i, g] / bend[i, g]
            h += weight[i, g]
            s += left
            schur[g, g] += weight[i, g]
            right[g] += left
            row[g] = weight[i, g]
        for r in range(groups + 1):
            right[r] -= row[r] * s / h
            for c in range(r + 1):
                schur[r, c] -= row[r] * row[c] / h
        precision[i], slope[i] = h, s


@njit(cache=True, nogil=True)
def find_mode(field, sd, mean_scale, cast, won, precision, weight, bend):
    """Move ``field`` to the mode; the Cholesky factor there, the constraint, the log density and log-determinant."""
    items, groups = cast.shape
    inverse, narrow = 1.0 / (sd[0] * sd[0]), 1.0 / (sd[2] * sd[2])
    schur = np.empty((groups + 1, groups + 1))
    right = np.empty(groups + 1)
    slope = np.empty(items)
    push = np.empty((items, groups))
    step = np.empty(field.size)
    here = log_joint(field, sd, mean_scale, cast, won)
    for _ in range(_STEPS):
        system(field, sd, mean_scale, cast, won, schur, right, precision, slope, weight, bend, push)
        change = step[items + items * groups :]
        lower, along, variance = solve_constrained(schur, right, groups, 1, change)
        gain = (right * change).sum()
        for i in range(items):
            pull = -inverse * change[groups]
            for g in range(groups):
                pull += weight[i, g] * change[g]
            step[i] = (slope[i] - pull) / precision[i]
            gain += slope[i] * slope[i] / precision[i]
            for g in range(groups):
                w = bend[i, g] - narrow
                step[items + i * groups + g] = (push[i, g] - w * (step[i] + change[g])) / bend[i, g]
                gain += push[i, g] * push[i, g] / bend[i, g]
        size = 1.0
        there = log_joint(field + step, sd, mean_scale, cast, won)
        while not there > here and size > 1e-6:
            size *= 0.5
            there = log_joint(field + size * step, sd, mean_scale, cast, won)
        if not there > here:
            break
        field += size * step
        here = there
        if gain < _ENOUGH:
            break
    logdet = np.log(variance).sum() + np.log(precision).sum() + np.log(bend).sum()
    return lower, along, variance, here, plus_log_determinant(logdet, lower)


@njit(cache=True, nogil=True)
def correction(field, precision, bend, sd, cast, won):
    """Sum over items of log(integral over x and its deviations / Laplace's value for it), effects at the mode."""
    items, groups = cast.shape
    effect, mean = field[items + items * groups : -1], field[-1]
    narrow = 1.0 / (sd[2] * sd[2])
    total = 0.0
    for i in range(items):
        reach = 4.5 / math.sqrt(precision[i])
        step = 2.0 * reach / (_ACROSS - 1)
        whole = 0.0
        for k in range(_ACROSS):
            x = field[i] - reach + k * step
            logs = -0.5 * ((x - mean) / sd[0]) ** 2 + 0.5 * ((field[i] - mean) / sd[0]) ** 2
            for g in range(groups):
                u = field[items + i * groups + g]
                top = log_votes(field[i] + effect[g] + u, cast[i, g], won[i, g]) - 0.5 * (u / sd[2]) ** 2
                width = 1.0 / math.sqrt(bend[i, g])
                middle = u - (1.0 - narrow / bend[i, g]) * (x - field[i])
                part = 0.0
                for b in range(_NODES.size):
                    v = middle + width * _NODES[b]
                    value = log_votes(x + effect[g] + v, cast[i, g], won[i, g]) - 0.5 * (v / sd[2]) ** 2
                    part += _WEIGHTS[b] * math.exp(value - top)
                logs += math.log(part / math.sqrt(2.0 * math.pi))
            whole += math.exp(logs)
        total += math.log(whole * step) + 0.5 * math.log(precision[i] / (2.0 * math.pi))
    return total


@njit(cache=True, nogil=True)
def marginals(points, mean_scale, cast, won, exact, fields, out):
    """Fill ``out`` with log marginal likelihoods at points of standard deviations, and ``fields`` with the modes.

    Each row of ``fields`` is where the search starts. ``exact``: with the correction of the items' integrals.
    """
    items, groups = cast.shape
    precision = np.empty(items)
    weight, bend = np.empty((items, groups)), np.empty((items, groups))
    for k in range(out.size):
        _, _, _, top, logdet = find_mode(fields[k], points[k], mean_scale, cast, won, precision, weight, bend)
        out[k] = top - 0.5 * logdet
        if exact:
            out[k] += correction(fields[k], precision, bend, points[k], cast, won)


@njit(cache=True, nogil=True)
def log_block(x, deviation, effect, mean, sd, cast, won):
    """Log density of an item's votes, log-odds and deviations, up to a constant."""
    total = -0.5 * ((x - mean) / sd[0]) ** 2
    for g in range(deviation.size):
        total += log_votes(x + effect[g] + deviation[g], cast[g], won[g]) - 0.5 * (deviation[g] / sd[2]) ** 2
    return total


@njit(cache=True, nogil=True)
def sample(point, mean_scale, cast, won, field, normal, blocks, uniform, out):
    """Fill ``out`` [draw, entry of the field] at one point of standard deviations.

    (e, m) come from the Gaussian at the mode, by ``normal`` [draw, G + 1]. Each item's block (x, u) starts at the
    Gaussian given these, and is then moved toward its exact density by steps of Metropolis and Hastings with the same
    Gaussian for proposal: ``blocks`` [draw, item, step, 1 + G] and ``uniform`` [draw, item, step].
    """
    items, groups = cast.shape
    first = items + items * groups
    precision = np.empty(items)
    weight, bend = np.empty((items, groups)), np.empty((items, groups))
    lower, along, variance, _, _ = find_mode(field, point, mean_scale, cast, won, precision, weight, bend)
    inverse, narrow = 1.0 / (point[0] * point[0]), 1.0 / (point[2] * point[2])
    deviation = np.empty(groups)
    for s in range(normal.shape[0]):
        change = normal[s].copy()
        solve_upper(lower, change)
        constrain(change, along, variance, groups)
        out[s, first:] = field[first:] + change
        effect, mean = out[s, first:-1], out[s, -1]
        for i in range(items):
            pull = -inverse * change[groups]
            for g in range(groups):
                pull += weight[i, g] * change[g]
            kept = -np.inf
            for k in range(blocks.shape[2]):
                z = blocks[s, i, k]
                shift = z[0] / math.sqrt(precision[i]) - pull / precision[i]
                x = field[i] + shift
                proposed = 0.5 * z[0] * z[0]
                for g in range(groups):
                    middle = field[items + i * groups + g] - (1.0 - narrow / bend[i, g]) * (shift + change[g])
                    deviation[g] = middle + z[1 + g] / math.sqrt(bend[i, g])
                    proposed += 0.5 * z[1 + g] * z[1 + g]
                # Log of the importance weight; the first is always taken.
                proposed += log_block(x, deviation, effect, mean, point, cast[i], won[i])
                if k == 0 or math.log(uniform[s, i, k]) < proposed - kept:
                    kept = proposed
                    out[s, i] = x
                    out[s, items + i * groups : items + (i + 1) * groups] = deviation
