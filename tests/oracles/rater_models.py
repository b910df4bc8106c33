"""What the tests of rater models share: log densities of PyMC models, both fits of votes, and how they differ."""

from __future__ import annotations

import math

import numpy as np
import pytest

import seqaudit as sa
from seqaudit.posteriors.raters import noncentred


def log_densities(model, points: int = 3, seed: int = 7):
    """At random points: values of the sampled variables, log density, and log Jacobian of PyMC's transforms."""
    variables = model.free_RVs
    values = model.compile_fn(model.replace_rvs_by_values(variables), mode="FAST_COMPILE")
    plain = model.compile_logp(jacobian=False, mode="FAST_COMPILE")
    moved = model.compile_logp(jacobian=True, mode="FAST_COMPILE")
    rng = np.random.default_rng(seed)
    for _ in range(points):
        point = {name: rng.normal(0.0, 0.7, np.shape(x)) for name, x in model.initial_point().items()}
        found = {variable.name: x for variable, x in zip(variables, values(point), strict=True)}
        # The log transforms of the standard deviations are not part of what is checked.
        logs = sum(float(x) for name, x in point.items() if name.endswith("_log__"))
        yield found, float(plain(point)), float(moved(point)) - float(plain(point)) - logs


def log_normal(x, mean, sd):
    """Log density of a Normal."""
    return float(np.sum(-0.5 * ((x - mean) / sd) ** 2 - np.log(sd) - 0.5 * np.log(2 * np.pi)))


def log_half_normal(x, scale):
    """Log density of a half-normal."""
    return float(np.log(2) + log_normal(x, 0.0, scale))


def log_zero_sum(x, sd):
    """Log density of Normals that sum to zero, on the plane where they do."""
    assert abs(np.sum(x)) < 1e-9
    return log_normal(x, 0.0, sd) + 0.5 * np.log(2 * np.pi) + np.log(sd)


def log_bernoulli(label, chance):
    """Log-probability of votes."""
    return float(sum(np.log(p if y else 1 - p) for y, p in zip(label, chance, strict=True)))


def tails_apart(one, other, threshold=0.5):
    """Mean and largest absolute difference between the tails of two fits."""
    apart = np.abs(one.tail(threshold) - other.tail(threshold))
    return float(apart.mean()), float(apart.max())


def assert_log_posterior(model, votes, many, monkeypatch, plain, log_scales):
    """Compare PyMC's log density with ``plain(values)``, effects centred (``many`` is 0) or in units of their scales.

    ``log_scales(values)`` is the logarithm of the Jacobian of the second form.
    """
    monkeypatch.setattr(noncentred, "MANY_VOTES", many)
    for at, found, jacobian in log_densities(model.build(sa.Design.of(votes), votes.labels.astype(np.int64))):
        assert found == pytest.approx(plain(at), abs=1e-6)
        assert jacobian == pytest.approx(log_scales(at) if many else 0.0, abs=1e-6)


def both_fits(model, votes, *, draws, fast, **settings):
    """Two chains of the sampler, and so many draws of the fast method."""
    sampled = model.fit(votes, seed=7, draws=draws, tune=500, chains=2, cores=1, **settings)
    return sampled, model.fit(votes, seed=7, method="fast", draws=fast)


def assert_fits_agree(sampled, fast, *, mean, largest, means, centred):
    """Converged chains, tails that differ by less than ``mean`` on average and ``largest`` anywhere, means alike.

    ``means`` maps parameters to how many standard deviations the means of draws may be apart; what is ``centred`` sums
    to zero over its last axis.
    """
    found = sampled.diagnostics()
    assert found.rhat < 1.02
    assert found.divergences == 0
    apart = tails_apart(fast, sampled)
    assert apart[0] < mean
    assert apart[1] < largest
    for name, within in means.items():
        expected = sampled.draws[name]
        assert fast.draws[name].mean() == pytest.approx(expected.mean(), abs=within * expected.std()), name
    for name in centred:
        assert np.abs(fast.draws[name].sum(axis=1)).max() < 1e-9, name


def assert_found_again(model, made, population, correlated):
    """Fit simulated votes and compare with the truth.

    Means of ``population`` lie within four standard deviations of it; the means of parameters in ``correlated``
    correlate with it by more than the number there.
    """
    draws = model.fit(made.labels, seed=7, method="fast", draws=400).draws
    for name in population:
        assert abs(draws[name].mean() - made.truth[name]) < 4 * max(draws[name].std(), 0.1), name
    for name, least in correlated.items():
        assert np.corrcoef(draws[name].mean(axis=0), made.truth[name])[0, 1] > least, name


def assert_channel_is_what_fresh_raters_say(model, draws, rate, log_odds):
    """Compare ``channel`` with shares of 1 among many raters; ``log_odds(s, x, rng)`` draws theirs under draw s."""
    rng = np.random.default_rng(7)
    found = model.channel(draws, rate)
    for s, i in np.ndindex(*rate.shape):
        heard = 1 / (1 + np.exp(-log_odds(s, math.log(rate[s, i] / (1 - rate[s, i])), rng)))
        # 4.5 standard errors; four numbers.
        assert found[s, i] == pytest.approx(heard.mean(), abs=4.5 * heard.std() / math.sqrt(len(heard)))
