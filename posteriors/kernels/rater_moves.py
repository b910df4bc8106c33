"""Moves of items, offsets and log-skills toward their exact posterior: steps of Metropolis, draw by draw.

With eta_v = d_j x_i + o_j the log-odds of vote v, and d = exp(l), one pass over a draw proposes

1. for each rater j and another one k, that o_j gains what o_k loses, and the same for l: the sums stay at zero,
2. for items, offsets and log-skills, that all of them and their standard deviation tau are stretched by one factor
   exp(c), the items about their mean. Effects in units of tau stay, so that the ratio is that of the likelihoods, times
   the ratio of half-normal priors of log tau,
3. for each item, a change of x.

Steps are normal; those of 1 and 3 have widths from the prior and the number of votes, which the moved entries do not
change, and those of 2 are long and short in turn.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

# About p (1 - p) of a vote.
_INFORMATION = 0.15


@njit(cache=True, nogil=True)
def log_vote(eta, label):
    """Log-probability of a vote with log-odds eta."""
    return label * eta - max(eta, 0.0) - math.log1p(math.exp(-abs(eta)))


@njit(cache=True, nogil=True)
def stretched(kind, x, mean, offset, log_skill, factor, begin, rater, label, eta, skill):
    """Fill ``eta`` and ``skill`` after items (0), offsets (1) or log-skills (2) are stretched; the log-likelihood."""
    by = factor if kind == 0 else 1.0
    wider = factor if kind == 1 else 1.0
    sharper = factor if kind == 2 else 1.0
    for j in range(skill.size):
        skill[j] = math.exp(sharper * log_skill[j])
    total = 0.0
    for i in range(x.size):
        at = mean + by * (x[i] - mean)
        for v in range(begin[i], begin[i + 1]):
            j = rater[v]
            eta[v] = skill[j] * at + wider * offset[j]
            total += log_vote(eta[v], label[v])
    return total


@njit(cache=True, nogil=True)
def exchange(j, sign, kind, change, x, offset, log_skill, votes, item, label, eta, new):
    """Fill ``new`` for a rater's votes after a change of offset (1) or log-skill (2); the gain in log-probability."""
    skill = math.exp(log_skill[j] + (sign * change if kind == 2 else 0.0))
    shift = offset[j] + (sign * change if kind == 1 else 0.0)
    gain = 0.0
    for v in votes:
        new[v] = skill * x[item[v]] + shift
        gain += log_vote(new[v], label[v]) - log_vote(eta[v], label[v])
    return gain


@njit(cache=True, nogil=True)
def move(begin, item, rater, label, by_rater, rater_start, scale, width, rng, mean, sd, field):
    """One pass over each draw: ``field`` [draw, items, offsets, log-skills, ...] and ``sd`` [draw, 3] are moved."""
    items = begin.size - 1
    raters = rater_start.size - 1
    eta, new = np.empty(label.size), np.empty(label.size)
    skill, wider = np.empty(raters), np.empty(raters)
    for s in range(mean.size):
        x = field[s, :items]
        offset = field[s, items : items + raters]
        log_skill = field[s, items + raters : items + 2 * raters]
        effects = field[s, items : items + 2 * raters]
        tau = sd[s]
        now = stretched(0, x, mean[s], offset, log_skill, 1.0, begin, rater, label, eta, skill)
        for kind in range(3):
            c = width * rng.standard_normal()
            factor = math.exp(c)
            then = stretched(kind, x, mean[s], offset, log_skill, factor, begin, rater, label, new, wider)
            ratio = then - now + c + 0.5 * (tau[kind] / scale[kind]) ** 2 * (1.0 - factor * factor)
            if -rng.standard_exponential() < ratio:
                now = then
                tau[kind] *= factor
                eta[:] = new
                skill[:] = wider
                if kind == 0:
                    for i in range(items):
                        x[i] = mean[s] + factor * (x[i] - mean[s])
                else:
                    effects[(kind - 1) * raters : kind * raters] *= factor
        for kind in range(1, 3):
            for j in range(raters):
                k = (j + 1 + rng.integers(0, raters - 1)) % raters
                mine = by_rater[rater_start[j] : rater_start[j + 1]]
                other = by_rater[rater_start[k] : rater_start[k + 1]]
                precision = 2.0 / (tau[kind] * tau[kind])
                if kind == 1:
                    precision += _INFORMATION * (mine.size + other.size)
                else:
                    for v in mine:
                        precision += _INFORMATION * x[item[v]] ** 2
                    for v in other:
                        precision += _INFORMATION * x[item[v]] ** 2
                change = 2.4 * rng.standard_normal() / math.sqrt(precision)
                ratio = exchange(j, 1.0, kind, change, x, offset, log_skill, mine, item, label, eta, new)
                ratio += exchange(k, -1.0, kind, change, x, offset, log_skill, other, item, label, eta, new)
                a = effects[(kind - 1) * raters + j]
                b = effects[(kind - 1) * raters + k]
                ratio -= change * (a - b + change) / (tau[kind] * tau[kind])
                if -rng.standard_exponential() < ratio:
                    effects[(kind - 1) * raters + j] = a + change
                    effects[(kind - 1) * raters + k] = b - change
                    for v in mine:
                        eta[v] = new[v]
                    for v in other:
                        eta[v] = new[v]
                    if kind == 2:
                        skill[j] = math.exp(log_skill[j])
                        skill[k] = math.exp(log_skill[k])
        narrow = 1.0 / (tau[0] * tau[0])
        for i in range(items):
            precision = narrow
            for v in range(begin[i], begin[i + 1]):
                precision += _INFORMATION * skill[rater[v]] ** 2
            change = 2.4 * rng.standard_normal() / math.sqrt(precision)
            ratio = -0.5 * narrow * change * (2.0 * (x[i] - mean[s]) + change)
            for v in range(begin[i], begin[i + 1]):
                then = eta[v] + skill[rater[v]] * change
                ratio += log_vote(then, label[v]) - log_vote(eta[v], label[v])
            if -rng.standard_exponential() < ratio:
                x[i] += change
