"""Compiled loops of the model of contaminated raters: plain arrays in, plain arrays out.

Kinds are coded 0 honest, 1 random, 2 inverted, 3 colluding. Votes are counted as [item, label]: ``own`` counts those
that depend on the item's rate (honest votes unchanged, inverted ones with the opposite label), ``script`` those of
colluders. ``T[w, l]`` is the log of the expectation of p^w (1-p)^l over a prior of p.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

_LOG_HALF = math.log(0.5)
# Lower bound of sums whose terms may all underflow.
_TINY = 1e-300


class Votes(NamedTuple):
    """Votes, sorted by rater.

    Attributes
    ----------
    start : ndarray of int64, shape (J + 1,)
        Votes of rater j are start[j] .. start[j + 1] - 1.
    item, label : ndarray of int64, shape (V,)
    """

    start: NDArray[np.int64]
    item: NDArray[np.int64]
    label: NDArray[np.int64]


class Prior(NamedTuple):
    """Kinds of the model and the priors of the hyperparameters.

    Attributes
    ----------
    allowed : ndarray of bool, shape (4,)
        True for the codes of the model's kinds.
    scales : ndarray, shape (3,)
        mean_sd, item_sd_scale and script_scale.
    concentration : float
        Dirichlet parameter of the dishonest kinds' shares.
    log_shares : ndarray, shape (3, cells)
        Logs of the prior of the share, of the share and of 1 - share on a grid of cells.
    scripts : ndarray, shape (M + 1, M + 1)
        T of the scripts' prior, M being the most votes on an item.
    """

    allowed: NDArray[np.bool_]
    scales: NDArray[np.float64]
    concentration: float
    log_shares: NDArray[np.float64]
    scripts: NDArray[np.float64]


class ChainDraws(NamedTuple):
    """Output arrays for S kept draws.

    Attributes
    ----------
    numbers : ndarray, shape (S, 3)
        share, item_mean and item_sd.
    kind_share : ndarray, shape (S, 3)
    item_logit, script : ndarray, shape (S, N)
    """

    numbers: NDArray[np.float64]
    kind_share: NDArray[np.float64]
    item_logit: NDArray[np.float64]
    script: NDArray[np.float64]


@njit(cache=True, nogil=True)
def log_sigmoid(x):
    """Log of 1 / (1 + exp(-x))."""
    if x > 0.0:
        return -math.log1p(math.exp(-x))
    return x - math.log1p(math.exp(x))


@njit(cache=True, nogil=True)
def kind_chances(x, script, codes, item, rater, label, out):
    """Replace the logs of the kinds' weights in ``out`` (draws, raters, kinds) by P(kind | parameters, votes)."""
    draws, items = x.shape
    raters, kinds = out.shape[1], out.shape[2]
    log_chance = np.empty((items, 2, 4))
    for s in range(draws):
        for i in range(items):
            for y in range(2):
                side = 2.0 * y - 1.0
                log_chance[i, y, 0] = log_sigmoid(side * x[s, i])
                log_chance[i, y, 1] = _LOG_HALF
                log_chance[i, y, 2] = log_sigmoid(-side * x[s, i])
                log_chance[i, y, 3] = log_sigmoid(side * script[s, i])
        for v in range(item.size):
            for k in range(kinds):
                out[s, rater[v], k] += log_chance[item[v], label[v], codes[k]]
        for j in range(raters):
            to_chances(out[s, j])


@njit(cache=True, nogil=True)
def to_chances(logs):
    """Exponentiate and normalise, in place."""
    top = logs[0]
    for k in range(1, logs.size):
        top = max(top, logs[k])
    total = 0.0
    for k in range(logs.size):
        logs[k] = math.exp(logs[k] - top)
        total += logs[k]
    for k in range(logs.size):
        logs[k] /= total


@njit(cache=True, nogil=True)
def pick(rng, chance):
    """Index drawn with the given chances."""
    u = rng.random()
    for k in range(chance.size - 1):
        u -= chance[k]
        if u < 0.0:
            return k
    return chance.size - 1


@njit(cache=True, nogil=True)
def fill_table(mean, sd, nodes, weights, table):
    """Fill T[w, l] for p = sigma(Normal(mean, sd^2)), by the trapezoid rule over standard Normal nodes."""
    size = table.shape[0]
    table[:] = 0.0
    for q in range(nodes.size):
        z = mean + sd * nodes[q]
        # Beyond this the exponential is no number: infinite in compiled code, refused elsewhere.
        p = 1.0 / (1.0 + math.exp(-z)) if z > -709.7 else 0.0
        row = weights[q]
        for w in range(size):
            term = row
            for k in range(size - w):
                table[w, k] += term
                term *= 1.0 - p
            row *= p
    for w in range(size):
        for k in range(size - w):
            table[w, k] = math.log(max(table[w, k], _TINY))


@njit(cache=True, nogil=True)
def total_of(table, counts):
    """Sum of T over items; counts[i] are the votes for 0 and for 1."""
    total = 0.0
    for i in range(counts.shape[0]):
        total += table[counts[i, 1], counts[i, 0]]
    return total


@njit(cache=True, nogil=True)
def count_votes(kind, votes, own, script):
    """Fill ``own`` and ``script`` from the kinds of all raters."""
    start, item, label = votes
    own[:] = 0
    script[:] = 0
    for j in range(kind.size):
        for v in range(start[j], start[j + 1]):
            if kind[j] == 0:
                own[item[v], label[v]] += 1
            elif kind[j] == 2:
                own[item[v], 1 - label[v]] += 1
            elif kind[j] == 3:
                script[item[v], label[v]] += 1


@njit(cache=True, nogil=True)
def gain_of(first, last, item, label, turned, counts, table):
    """Change of the sum of T from a rater's votes, unchanged or inverted; ``counts`` is restored afterwards."""
    gain = 0.0
    # Votes are added one by one, so that several votes on the same item are counted correctly.
    for v in range(first, last):
        i, y = item[v], label[v] ^ turned
        gain -= table[counts[i, 1], counts[i, 0]]
        counts[i, y] += 1
        gain += table[counts[i, 1], counts[i, 0]]
    for v in range(first, last):
        counts[item[v], label[v] ^ turned] -= 1
    return gain


@njit(cache=True, nogil=True)
def draw_kinds(rng, kind, log_weight, votes, own, script, rates, scripts):
    """Draw each rater's kind anew, given the others' kinds; rates and scripts are summed out."""
    start, item, label = votes
    logs = np.empty(4)
    for j in range(kind.size):
        first, last = start[j], start[j + 1]
        for v in range(first, last):
            i, y = item[v], label[v]
            if kind[j] == 0:
                own[i, y] -= 1
            elif kind[j] == 2:
                own[i, 1 - y] -= 1
            elif kind[j] == 3:
                script[i, y] -= 1
        logs[:] = log_weight
        logs[1] += (last - first) * _LOG_HALF
        logs[0] += gain_of(first, last, item, label, np.int64(0), own, rates)
        logs[2] += gain_of(first, last, item, label, np.int64(1), own, rates)
        logs[3] += gain_of(first, last, item, label, np.int64(0), script, scripts)
        to_chances(logs)
        kind[j] = pick(rng, logs)
        for v in range(first, last):
            i, y = item[v], label[v]
            if kind[j] == 0:
                own[i, y] += 1
            elif kind[j] == 2:
                own[i, 1 - y] += 1
            elif kind[j] == 3:
                script[i, y] += 1


@njit(cache=True, nogil=True)
def exchange(rng, kind, other, log_weight, votes, own, script, rates, scripts):
    """Propose to exchange the honest raters and those of kind ``other``; True if the proposal is accepted."""
    swapped = kind.copy()
    change = 0
    for j in range(kind.size):
        if kind[j] == 0:
            swapped[j] = other
            change += 1
        elif kind[j] == other:
            swapped[j] = 0
            change -= 1
    own_then, script_then = np.empty_like(own), np.empty_like(script)
    count_votes(swapped, votes, own_then, script_then)
    gain = change * (log_weight[other] - log_weight[0])
    gain += total_of(rates, own_then) + total_of(scripts, script_then)
    gain -= total_of(rates, own) + total_of(scripts, script)
    if math.log(1.0 - rng.random()) >= gain:
        return False
    kind[:] = swapped
    own[:] = own_then
    script[:] = script_then
    return True


@njit(cache=True, nogil=True)
def draw_share(rng, dishonest, honest, log_shares, logs):
    """Draw the share of dishonest raters from a grid of cells; rows are the logs of prior, share and 1 - share."""
    cells = logs.size
    for g in range(cells):
        logs[g] = log_shares[0, g] + dishonest * log_shares[1, g] + honest * log_shares[2, g]
    to_chances(logs)
    return 0.5 * (pick(rng, logs) + rng.random()) / cells


@njit(cache=True, nogil=True)
def log_prior_of(mean, sd, mean_sd, item_sd_scale):
    """Log-density of (item_mean, log item_sd)."""
    return -0.5 * (mean / mean_sd) ** 2 - 0.5 * (sd / item_sd_scale) ** 2 + math.log(sd)


@njit(cache=True, nogil=True)
def log_likelihoods(mean, sd, nodes, out):
    """Fill rows 0 and 1 with the log-chances of a vote for 0 and for 1 at each node."""
    for q in range(nodes.size):
        x = mean + sd * nodes[q]
        out[0, q] = log_sigmoid(-x)
        out[1, q] = log_sigmoid(x)


@njit(cache=True, nogil=True)
def draw_on_grid(rng, counts, nodes, log_weights, log_votes, logs):
    """Draw z with density proportional to phi(z) p^counts[1] (1-p)^counts[0], cell by cell."""
    for q in range(nodes.size):
        logs[q] = log_weights[q] + counts[0] * log_votes[0, q] + counts[1] * log_votes[1, q]
    to_chances(logs)
    width = nodes[1] - nodes[0]
    return nodes[pick(rng, logs)] + width * (rng.random() - 0.5)


@njit(cache=True, nogil=True)
def run_chain(rng, votes, prior, begin, nodes, log_weights, burn, thin, draws):
    """Run the chain over kinds and hyperparameters; each kept draw is completed by the items' rates and scripts.

    It starts at the kinds ``begin``. One sweep: each rater's kind, an exchange of blocs, share and kind_share, and a
    Metropolis step each for item_mean and log item_sd, whose length adapts until the chain is burnt in. ``nodes`` and
    ``log_weights`` are those of a standard Normal.
    """
    allowed, scales, concentration, log_shares, scripts = prior
    numbers, kind_share, item_logit, script_out = draws
    raters, items = votes.start.size - 1, item_logit.shape[1]
    kind = begin.copy()
    own, script = np.empty((items, 2), dtype=np.int64), np.empty((items, 2), dtype=np.int64)
    count_votes(kind, votes, own, script)
    weights = np.exp(log_weights)
    rates, proposed = np.empty_like(scripts), np.empty_like(scripts)
    mean, sd = 0.0, scales[1]
    fill_table(mean, sd, nodes, weights, rates)
    log_weight = np.full(4, -np.inf)
    gammas = np.zeros(4)
    share_logs, logs = np.empty(log_shares.shape[1]), np.empty(nodes.size)
    log_votes, log_script = np.empty((2, nodes.size)), np.empty((2, nodes.size))
    log_likelihoods(0.0, scales[2], nodes, log_script)
    share, step, other = 0.25, np.full(2, 2.0), np.int64(3)
    now = total_of(rates, own) + log_prior_of(mean, sd, scales[0], scales[1])
    inverse = 1.0 / math.sqrt(items)
    for k in range(1, 4):
        gammas[k] = 1.0 if allowed[k] else 0.0
    for sweep in range(burn + thin * numbers.shape[0]):
        total = gammas.sum()
        log_weight[0] = math.log1p(-share)
        for k in range(1, 4):
            log_weight[k] = math.log(max(share * gammas[k] / total, _TINY)) if allowed[k] else -np.inf
        # In the first sweeps the kinds are fixed, so that the rates converge first.
        if sweep >= burn // 4:
            draw_kinds(rng, kind, log_weight, votes, own, script, rates, scripts)
            other = np.int64(5) - other
            if allowed[other]:
                exchange(rng, kind, other, log_weight, votes, own, script, rates, scripts)
        dishonest = 0
        for k in range(1, 4):
            gammas[k] = 0.0
            if allowed[k]:
                here = np.sum(kind == k)
                dishonest += here
                gammas[k] = max(rng.standard_gamma(concentration + here), _TINY)
        share = draw_share(rng, dishonest, raters - dishonest, log_shares, share_logs)
        now = total_of(rates, own) + log_prior_of(mean, sd, scales[0], scales[1])
        for move in range(2):
            # One at a time: the step in the mean is proportional to sd, and so is symmetric only if sd is fixed.
            leap = step[move] * inverse * rng.standard_normal()
            mean_then = mean + sd * leap if move == 0 else mean
            sd_then = sd * math.exp(leap) if move == 1 else sd
            fill_table(mean_then, sd_then, nodes, weights, proposed)
            then = total_of(proposed, own) + log_prior_of(mean_then, sd_then, scales[0], scales[1])
            accepted = math.log(1.0 - rng.random()) < then - now
            if accepted:
                mean, sd, now = mean_then, sd_then, then
                rates, proposed = proposed, rates
            if sweep < burn:
                # In equilibrium 44 % of the steps are accepted, the optimum in one dimension.
                step[move] *= math.exp(0.112 if accepted else -0.088)
        kept = sweep - burn
        if kept >= 0 and kept % thin == thin - 1:
            s = kept // thin
            numbers[s, 0], numbers[s, 1], numbers[s, 2] = share, mean, sd
            total = gammas.sum()
            for k in range(1, 4):
                kind_share[s, k - 1] = gammas[k] / total
            log_likelihoods(mean, sd, nodes, log_votes)
            for i in range(items):
                item_logit[s, i] = mean + sd * draw_on_grid(rng, own[i], nodes, log_weights, log_votes, logs)
                script_out[s, i] = draw_on_grid(rng, script[i], nodes, log_weights, log_script, logs)
