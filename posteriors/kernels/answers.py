"""Compiled sums over votes for the models whose items have an answer: what the votes say when it is 0 and when it is 1.

In one draw rater j has a skill S_j and a lean L_j, and item i an ease e_i. A vote on it is right with log-odds

    e_i S_j + L_j  where the answer is 1,    e_i S_j - L_j  where it is 0.

All of it is made of f(x) = log(1 + e^x), which the mathematical library would spend most of the time on. f(-t) is read
off a table of cubic pieces that have its values and slopes at multiples of h = 1/32 up to 32: their error is at most
h^4 max |f4| / 384 = 3.1e-10, f4 being the fourth derivative. Past 32 it is 0, to 1.3e-14.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

_CELLS, _RANGE = 32.0, 32.0


def _pieces():
    """Coefficients of the cubic pieces of log(1 + e^-t)."""
    t = np.arange(_CELLS * _RANGE + 1) / _CELLS
    f, slope = np.log1p(np.exp(-t)), -1.0 / (1.0 + np.exp(t)) / _CELLS
    rise, g0, g1 = np.diff(f), slope[:-1], slope[1:]
    return np.stack([f[:-1], g0, 3.0 * rise - 2.0 * g0 - g1, g0 + g1 - 2.0 * rise], axis=1)


_CUBIC = _pieces()


@njit(cache=True, nogil=True)
def softplus(x):
    """Return log(1 + e^x), minus the log-probability of a wrong vote of log-odds x; to 1e-9."""
    t = abs(x)
    top = max(x, 0.0)
    if not t < _RANGE:
        return top
    k = int(t * _CELLS)
    r = t * _CELLS - k
    return top + (_CUBIC[k, 0] + r * (_CUBIC[k, 1] + r * (_CUBIC[k, 2] + r * _CUBIC[k, 3])))


@njit(cache=True, nogil=True)
def log_sum(x, y):
    """Return log(e^x + e^y); to 1e-9."""
    return max(x, y) + softplus(-abs(x - y))


@njit(cache=True, nogil=True)
def vote_logs(ease, skill, lean, label):
    """Log-probability of a vote where the answer is 0, and where it is 1."""
    right0 = ease * skill - lean
    right1 = ease * skill + lean
    return (1 - label) * right0 - softplus(right0), label * right1 - softplus(right1)


@njit(cache=True, nogil=True)
def answer_logs(item, rater, label, skill, lean, ease, log0, log1):
    """Add the log-probability of each item's votes, given its answer, to ``log0`` and ``log1``, shape (S, N).

    ``skill`` and ``lean`` have shape (S, J), ``ease`` has shape (S, N).
    """
    for s in range(skill.shape[0]):
        for v in range(item.size):
            i = item[v]
            j = rater[v]
            no, yes = vote_logs(ease[s, i], skill[s, j], lean[s, j], label[v])
            log0[s, i] += no
            log1[s, i] += yes


@njit(cache=True, nogil=True)
def vote_given_others(item, rater, label, skill, lean, ease, log0, log1, out):
    """Fill ``out``, shape (S, V), with each vote's log-probability given the other votes on its item.

    ``log0`` and ``log1`` hold log P(answer, votes on the item).
    """
    for s in range(skill.shape[0]):
        for v in range(item.size):
            i = item[v]
            j = rater[v]
            no, yes = vote_logs(ease[s, i], skill[s, j], lean[s, j], label[v])
            out[s, v] = log_sum(log0[s, i], log1[s, i]) - log_sum(log0[s, i] - no, log1[s, i] - yes)


@njit(cache=True, nogil=True)
def heard(mean, sd, nodes, weights, out):
    """Fill ``out`` with E logistic(X), X ~ Normal(mean, sd^2), elementwise, by a Gauss-Hermite rule."""
    for k in range(mean.size):
        total = 0.0
        for g in range(nodes.size):
            total += weights[g] / (1.0 + math.exp(-(mean[k] + sd[k] * nodes[g])))
        out[k] = total
