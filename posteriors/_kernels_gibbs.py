"""Compiled Gibbs sampler of the models whose items have an answer.

State: the logits u[0, j] and u[1, j] of rater j's sensitivity and specificity, Normal around h[0] + h[1] and
h[0] - h[1] with standard deviations h[2] and h[3]; difficulties d[i], Normal(0, h[4]^2); the answer rate; the answers.
With one ``coin`` h[1] = 0 and both logits are the same; without ``hard`` all difficulties are 0. One sweep updates

1. each h[k] while the raters' (u - mean) / sd, or d / sd, stay as they are, the answers summed out,
2. each difficulty, the item's answer summed out, and then all answers,
3. the answer rate, and the sign of everything at once,
4. each rater's logits given the answers: without difficulties these have two counts for sufficient statistics,
5. each h[k] given the logits.

Steps 1 and 5 move the population in both of its parametrisations (Yu and Meng 2011): one of the two is fast whatever
the data. Summing answers out before they are drawn anew leaves the posterior alone (van Dyk and Park 2008). Moves are
random walks, reflected at zero where a mean must be positive, on the logarithm for standard deviations; steps
are tuned in the first ``warm`` sweeps to an acceptance of .44 and kept from then on.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from ._kernels_answers import log_sum, softplus, vote_logs


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
    """Fill ``new`` with h and its k-th number moved; return the log ratio of the priors, Jacobian included."""
    new[:] = h
    if k >= 2:
        move = step * rng.standard_normal()
        new[k] = h[k] * math.exp(move)
        if coins == 1 and k == 2:
            new[3] = new[2]
    else:
        move = 0.0
        new[k] = h[k] + step * rng.standard_normal()
        if k == 0:
            new[0] = abs(new[0])
    return move + 0.5 * (h[k] * h[k] - new[k] * new[k]) / (scale[k] * scale[k])


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
def gibbs(item, rater, label, start, by_rater, rater_start, coins, hard, scale, answer_ab, warm, thin, rng, out):
    """Fill ``out`` = (h (S, 5), rate (S,), u (S, 2, J), d (S, N)) with every ``thin``-th sweep after ``warm`` ones."""
    kept_h, kept_rate, kept_u, kept_d = out
    draws = kept_rate.size
    items = start.size - 1
    raters = rater_start.size - 1
    h = np.array([1.0, 0.0, 0.5, 0.5, 0.5])
    new = h.copy()
    u = np.ones((2, raters))
    moved = u.copy()
    d = np.zeros(items)
    ease = np.ones(items)
    eased = ease.copy()
    rate = 0.5
    answer = np.zeros(items, dtype=np.int64)
    cost = np.empty((2, raters))
    logs = np.empty((2, items))
    others = np.empty((2, items))
    counts = np.empty((raters, 2, 2))
    steps = np.full((2, 5), 0.5)
    hard_step = 1.0
    kinds = 5 if hard else 4
    for sweep in range(warm + draws * thin):
        # The population, raters and items keeping their places in it; answers summed out.
        now = evidence(item, rater, label, u, ease, hard, rate, cost, logs)
        for k in range(kinds):
            if coins == 1 and (k == 1 or k == 3):
                continue
            prior = proposed(h, k, scale, steps[0, k], coins, rng, new)
            eased[:] = ease
            if k == 4:
                moved[:] = u
                for i in range(items):
                    eased[i] = math.exp(-d[i] * new[4] / h[4])
            else:
                for c in range(2):
                    sign = 1.0 - 2.0 * c
                    for j in range(raters):
                        place = (u[c, j] - h[0] - sign * h[1]) / h[2 + c]
                        moved[c, j] = new[0] + sign * new[1] + new[2 + c] * place
            then = evidence(item, rater, label, moved, eased, hard, rate, cost, others)
            accepted = math.log(1.0 - rng.random()) < then - now + prior
            if accepted:
                if k == 4:
                    d *= new[4] / h[4]
                now = then
                h[:] = new
                u[:] = moved
                ease[:] = eased
                logs[:] = others
            if sweep < warm:
                steps[0, k] = tuned(steps[0, k], accepted, sweep)
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
                if math.log(1.0 - rng.random()) < ratio + 0.5 * (d[i] * d[i] - at * at) / (h[4] * h[4]):
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
        rate = min(max(rng.beta(answer_ab[0] + yes, answer_ab[1] + items - yes), 1e-300), 1.0 - 1e-16)
        # All answers under the other name.
        ratio = (answer_ab[0] - answer_ab[1]) * (math.log1p(-rate) - math.log(rate))
        for c in range(2):
            if c < coins:
                mean = h[0] + (1.0 - 2.0 * c) * h[1]
                for j in range(raters):
                    x = u[c, j] - mean
                    y = -u[1 - c, j] - mean
                    ratio += 0.5 * (x * x - y * y) / (h[2 + c] * h[2 + c])
        if math.log(1.0 - rng.random()) < ratio:
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
            votes = by_rater[rater_start[j] : rater_start[j + 1]]
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
                    before = rater_log(votes, item, label, answer, ease, u[0, j], u[1, j])
                else:
                    before = right * x - size * softplus(x)
                for _ in range(2):
                    y = x + walk * rng.standard_normal()
                    if hard:
                        a = y if c == 0 else u[0, j]
                        b = y if c == 1 or coins == 1 else u[1, j]
                        after = rater_log(votes, item, label, answer, ease, a, b)
                    else:
                        after = right * y - size * softplus(y)
                    ratio = after - before + 0.5 * precision * ((x - mean) ** 2 - (y - mean) ** 2)
                    if math.log(1.0 - rng.random()) < ratio:
                        x = y
                        before = after
                        u[c, j] = x
                        if coins == 1:
                            u[1, j] = x
        # The population, given the raters and items.
        for k in range(kinds):
            if coins == 1 and (k == 1 or k == 3):
                continue
            for _ in range(2):
                ratio = proposed(h, k, scale, steps[1, k], coins, rng, new)
                if k == 4:
                    for i in range(items):
                        ratio += 0.5 * d[i] * d[i] * (1.0 / (h[4] * h[4]) - 1.0 / (new[4] * new[4]))
                    ratio -= items * math.log(new[4] / h[4])
                else:
                    for c in range(coins):
                        if k >= 2 and k != 2 + c:
                            continue
                        sign = 1.0 - 2.0 * c
                        for j in range(raters):
                            x = (u[c, j] - h[0] - sign * h[1]) / h[2 + c]
                            y = (u[c, j] - new[0] - sign * new[1]) / new[2 + c]
                            ratio += 0.5 * (x * x - y * y)
                        ratio -= raters * math.log(new[2 + c] / h[2 + c])
                accepted = math.log(1.0 - rng.random()) < ratio
                if accepted:
                    h[:] = new
                if sweep < warm:
                    steps[1, k] = tuned(steps[1, k], accepted, sweep)
        kept = sweep - warm + 1
        if kept > 0 and kept % thin == 0:
            s = kept // thin - 1
            kept_h[s] = h
            kept_rate[s] = rate
            kept_u[s] = u
            kept_d[s] = d
