"""Compiled Gibbs sampler of the models whose items have an answer.

State: the logits u[0, j] and u[1, j] of rater j's sensitivity and specificity, Normal around h[0] + h[1] and
h[0] - h[1] with standard deviations h[2] and h[3]; difficulties d[i], Normal(0, h[4]^2); the answer rate; the answers.
With one ``coin`` h[1] = 0 and both logits are the same; without ``hard`` all difficulties are 0. One sweep updates

1. the means and standard deviations while the raters' (u - mean) / sd, or d / sd, stay as they are, and the answer
   rate, alone and with h[1] in exchange (more answers of 1 explain the same votes as more lean towards 1), the answers
   summed out,
2. each difficulty, the item's answer summed out, and then all answers,
3. the answer rate, and the sign of everything at once,
4. each rater's logits given the answers: without difficulties these have two counts for sufficient statistics,
5. the means and standard deviations given the logits and the difficulties.

Steps 1 and 5 move the population in both of its parametrisations (Yu and Meng 2011): one of the two is fast whatever
the data. Summing answers out before they are drawn anew leaves the posterior alone (van Dyk and Park 2008). Moves are
random walks, on the logarithm for standard deviations; their steps are tuned in the first ``warm`` sweeps to an
acceptance of .44 and kept from then on.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .answers import log_sum, softplus, vote_logs

# Lean given up for one logit of the answer rate.
_EXCHANGE = 0.3
_LIMIT = 1e-12


class Votes(NamedTuple):
    """Votes, sorted by item, and where those of each rater are.

    Attributes
    ----------
    item, rater, label : ndarray of int64, shape (V,)
    start : ndarray of int64, shape (N + 1,)
        Votes on item i are start[i] .. start[i + 1] - 1.
    by_rater : ndarray of int64, shape (V,)
        Votes in the order of raters.
    rater_start : ndarray of int64, shape (J + 1,)
        Where each rater's votes begin in ``by_rater``.
    """

    item: NDArray[np.int64]
    rater: NDArray[np.int64]
    label: NDArray[np.int64]
    start: NDArray[np.int64]
    by_rater: NDArray[np.int64]
    rater_start: NDArray[np.int64]


class Prior(NamedTuple):
    """Model and its prior.

    Attributes
    ----------
    coins : int
        1 where a rater's sensitivity and specificity are the same, else 2.
    hard : bool
        Whether items have difficulties.
    scale : ndarray, shape (5,)
        Scales of the priors of h.
    answer_ab : ndarray, shape (2,)
        Beta parameters of the answer rate.
    """

    coins: int
    hard: bool
    scale: NDArray[np.float64]
    answer_ab: NDArray[np.float64]


@njit(cache=True, nogil=True)
def evidence(item, rater, label, u, ease, hard, rate, cost, logs):
    """Fill ``logs`` with log P(answer, votes) of each item and answer; return log P(votes). ``cost`` is workspace."""
    logs[0, :] = math.log1p(-rate)
    logs[1, :] = math.log(rate)
    if hard:
        for v in range(item.size):
            i = item[v]
            j = rater[v]
            no, yes = vote_logs(ease[i], 0.5 * (u[0, j] + u[1, j]), 0.5 * (u[0, j] - u[1, j]), label[v])
            logs[0, i] += no
            logs[1, i] += yes
    else:
        for j in range(u.shape[1]):
            cost[0, j] = softplus(u[0, j])
            cost[1, j] = softplus(u[1, j]) if u[1, j] != u[0, j] else cost[0, j]
        for v in range(item.size):
            j = rater[v]
            logs[0, item[v]] += (1 - label[v]) * u[1, j] - cost[1, j]
            logs[1, item[v]] += label[v] * u[0, j] - cost[0, j]
    total = 0.0
    for i in range(logs.shape[1]):
        total += log_sum(logs[0, i], logs[1, i])
    return total


@njit(cache=True, nogil=True)
def proposed(h, k, scale, step, coins, rng, new):
    """Fill ``new`` with h after its k-th move; return the log ratio of the priors, Jacobian included.

    Moves 0 and 1 are of the means of u[0] and u[1]; with one coin, move 0 is of both.
    """
    new[:] = h
    move = step * rng.standard_normal()
    if k >= 2:
        new[k] = h[k] * math.exp(move)
        if coins == 1 and k == 2:
            new[3] = new[2]
        return move + 0.5 * (h[k] * h[k] - new[k] * new[k]) / (scale[k] * scale[k])
    new[0] = h[0] + move
    if coins == 2:
        new[1] = h[1] + (move if k == 0 else -move)
    if new[0] <= 0.0:
        return -math.inf
    ratio = 0.5 * (h[0] * h[0] - new[0] * new[0]) / (scale[0] * scale[0])
    return ratio + 0.5 * (h[1] * h[1] - new[1] * new[1]) / (scale[1] * scale[1])


@njit(cache=True, nogil=True)
def tuned(step, accepted, sweep):
    """Step size after one proposal (Robbins and Monro 1951)."""
    return step * math.exp((accepted - 0.44) * 2.0 / math.sqrt(sweep + 4.0))


@njit(cache=True, nogil=True)
def rater_log(votes, item, label, answer, ease, a, b):
    """Log-probability of one rater's votes given the answers, with difficulties."""
    skill = 0.5 * (a + b)
    lean = 0.5 * (a - b)
    total = 0.0
    for v in votes:
        i = item[v]
        right = ease[i] * skill + (lean if answer[i] else -lean)
        total += (right if label[v] == answer[i] else 0.0) - softplus(right)
    return total


@njit(cache=True, nogil=True)
def spread_log(sums, size, mean, sd):
    """Log density, up to a constant, of normal numbers of which the sum and the sum of squares are given."""
    return -0.5 * (sums[1] - mean * (2.0 * sums[0] - size * mean)) / (sd * sd) - size * math.log(sd)


@njit(cache=True, nogil=True)
def gibbs(votes, prior, begin, warm, thin, rng, out):
    """Fill ``out`` = (h (S, 5), rate (S,), u (S, 2, J), d (S, N)) with every ``thin``-th sweep after ``warm`` ones.

    ``begin`` = (h (5,), u (2, J), rate) is where the chain starts, with all difficulties 0.
    """
    item, rater, label, start, by_rater, rater_start = votes
    coins, hard, scale, answer_ab = prior
    kept_h, kept_rate, kept_u, kept_d = out
    draws = kept_rate.size
    items = start.size - 1
    raters = rater_start.size - 1
    h = begin[0].copy()
    new = h.copy()
    u = begin[1].copy()
    moved = u.copy()
    d = np.zeros(items)
    ease = np.ones(items)
    eased = ease.copy()
    rate = begin[2]
    answer = np.zeros(items, dtype=np.int64)
    cost = np.empty((2, raters))
    logs = np.empty((2, items))
    others = np.empty((2, items))
    counts = np.empty((raters, 2, 2))
    sums = np.zeros((3, 2))
    steps = np.full((2, 7), 0.5)
    hard_step = 1.0
    kinds = 5 if hard else 4
    for sweep in range(warm + draws * thin):
        # The population, raters and items keeping their places in it; answers summed out.
        now = evidence(item, rater, label, u, ease, hard, rate, cost, logs)
        for k in range(7):
            if (coins == 1 and (k == 1 or k == 3 or k == 6)) or (not hard and k == 4):
                continue
            turned = rate
            if k < 5:
                log_prior = proposed(h, k, scale, steps[0, k], coins, rng, new)
            else:
                new[:] = h
                move = steps[0, k] * rng.standard_normal()
                turned = min(max(1.0 / (1.0 + math.exp(-move) * (1.0 - rate) / rate), _LIMIT), 1.0 - _LIMIT)
                log_prior = answer_ab[0] * math.log(turned / rate) + answer_ab[1] * math.log(
                    (1.0 - turned) / (1.0 - rate)
                )
                if k == 6:
                    new[1] -= _EXCHANGE * move
                    log_prior += 0.5 * (h[1] * h[1] - new[1] * new[1]) / (scale[1] * scale[1])
            if k == 5:
                then = 0.0
                for i in range(items):
                    others[0, i] = logs[0, i] + math.log((1.0 - turned) / (1.0 - rate))
                    others[1, i] = logs[1, i] + math.log(turned / rate)
                    then += log_sum(others[0, i], others[1, i])
            elif log_prior > -math.inf:
                moved[:] = u
                eased[:] = ease
                if k == 4:
                    for i in range(items):
                        eased[i] = math.exp(-d[i] * new[4] / h[4])
                for c in range(2):
                    mean = h[0] + (1.0 - 2.0 * c) * h[1]
                    other = new[0] + (1.0 - 2.0 * c) * new[1]
                    wider = new[2 + c] / h[2 + c]
                    for j in range(raters):
                        moved[c, j] = other + wider * (u[c, j] - mean)
                then = evidence(item, rater, label, moved, eased, hard, turned, cost, others)
            else:
                then = now
            accepted = -rng.standard_exponential() < then - now + log_prior
            if accepted:
                if k == 4:
                    d *= new[4] / h[4]
                now = then
                rate = turned
                h[:] = new
                logs[:] = others
                if k != 5:
                    u[:] = moved
                    ease[:] = eased
            if sweep < warm:
                steps[0, k] = tuned(steps[0, k], 1.0 if accepted else 0.0, sweep)
        # Difficulties, each with its item's answer summed out.
        if hard:
            share = 0.0
            for i in range(items):
                size = start[i + 1] - start[i]
                at = d[i] + hard_step * rng.standard_normal() / math.sqrt(1.0 / (h[4] * h[4]) + 0.2 * size)
                at_ease = math.exp(-at)
                no = math.log1p(-rate)
                yes = math.log(rate)
                for v in range(start[i], start[i + 1]):
                    j = rater[v]
                    x, y = vote_logs(at_ease, 0.5 * (u[0, j] + u[1, j]), 0.5 * (u[0, j] - u[1, j]), label[v])
                    no += x
                    yes += y
                ratio = log_sum(no, yes) - log_sum(logs[0, i], logs[1, i])
                if -rng.standard_exponential() < ratio + 0.5 * (d[i] * d[i] - at * at) / (h[4] * h[4]):
                    d[i] = at
                    ease[i] = at_ease
                    logs[0, i] = no
                    logs[1, i] = yes
                    share += 1.0 / items
            if sweep < warm:
                hard_step = tuned(hard_step, share, sweep)
        # Answers, and how often they are 1.
        yes = 0
        for i in range(items):
            answer[i] = rng.random() * (1.0 + math.exp(min(logs[0, i] - logs[1, i], 700.0))) < 1.0
            yes += answer[i]
        rate = min(max(rng.beta(answer_ab[0] + yes, answer_ab[1] + items - yes), _LIMIT), 1.0 - _LIMIT)
        # All answers under the other name.
        ratio = (answer_ab[0] - answer_ab[1]) * (math.log1p(-rate) - math.log(rate))
        for c in range(2):
            if c < coins:
                mean = h[0] + (1.0 - 2.0 * c) * h[1]
                for j in range(raters):
                    x = u[c, j] - mean
                    y = -u[1 - c, j] - mean
                    ratio += 0.5 * (x * x - y * y) / (h[2 + c] * h[2 + c])
        if -rng.standard_exponential() < ratio:
            rate = 1.0 - rate
            for i in range(items):
                answer[i] = 1 - answer[i]
            for j in range(raters):
                x = u[0, j]
                u[0, j] = -u[1, j]
                u[1, j] = -x
        # Raters.
        counts[:] = 0.0
        for v in range(item.size):
            z = answer[item[v]]
            counts[rater[v], 1 - z, 0] += 1.0
            counts[rater[v], 1 - z, 1] += label[v] == z
        for j in range(raters):
            mine = by_rater[rater_start[j] : rater_start[j + 1]]
            for c in range(coins):
                mean = h[0] + (1.0 - 2.0 * c) * h[1]
                size = counts[j, c, 0]
                right = counts[j, c, 1]
                if coins == 1:
                    size += counts[j, 1, 0]
                    right += counts[j, 1, 1]
                precision = 1.0 / (h[2 + c] * h[2 + c])
                walk = 2.4 / math.sqrt(precision + 0.15 * size)
                x = u[c, j]
                if hard:
                    before = rater_log(mine, item, label, answer, ease, u[0, j], u[1, j])
                else:
                    before = right * x - size * softplus(x)
                for _ in range(2):
                    y = x + walk * rng.standard_normal()
                    if hard:
                        a = y if c == 0 else u[0, j]
                        b = y if c == 1 or coins == 1 else u[1, j]
                        after = rater_log(mine, item, label, answer, ease, a, b)
                    else:
                        after = right * y - size * softplus(y)
                    ratio = after - before + 0.5 * precision * ((x - mean) ** 2 - (y - mean) ** 2)
                    if -rng.standard_exponential() < ratio:
                        x = y
                        before = after
                        u[c, j] = x
                        if coins == 1:
                            u[1, j] = x
        # The population, given the raters and items.
        for c in range(2):
            sums[c, 0] = u[c].sum()
            sums[c, 1] = (u[c] * u[c]).sum()
        sums[2, 1] = (d * d).sum()
        for k in range(kinds):
            if coins == 1 and (k == 1 or k == 3):
                continue
            for _ in range(2):
                ratio = proposed(h, k, scale, steps[1, k], coins, rng, new)
                if k == 4:
                    ratio += spread_log(sums[2], items, 0.0, new[4]) - spread_log(sums[2], items, 0.0, h[4])
                else:
                    for c in range(coins):
                        if k < 2 or k == 2 + c:
                            sign = 1.0 - 2.0 * c
                            ratio += spread_log(sums[c], raters, new[0] + sign * new[1], new[2 + c])
                            ratio -= spread_log(sums[c], raters, h[0] + sign * h[1], h[2 + c])
                accepted = -rng.standard_exponential() < ratio
                if accepted:
                    h[:] = new
                if sweep < warm:
                    steps[1, k] = tuned(steps[1, k], 1.0 if accepted else 0.0, sweep)
        kept = sweep - warm + 1
        if kept > 0 and kept % thin == 0:
            s = kept // thin - 1
            kept_h[s] = h
            kept_rate[s] = rate
            kept_u[s] = u
            kept_d[s] = d
