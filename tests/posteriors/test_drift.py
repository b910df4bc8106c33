"""Drift: quadrature and sampling against a plain recursion on a finer grid, the model's equations, bad input."""

import math

import numpy as np
import pytest
from scipy.special import expit, logit
from scipy.stats import halfnorm, norm

import seqaudit as sa

VOTES = sa.LabelSet.from_pools({"rose": [0, 0, 1, 1, 1], "fell": [1, 1, 0, 0], "one": [1], "flat": [1, 0, 1]})
DESIGN, LABEL = sa.Design.of(VOTES), VOTES.labels.astype(np.int64)
MODEL = sa.Drift(step_sd_scale=1.0)


def plain_log_joint(p):
    """Log of prior and likelihood, vote by vote, from the model's equations."""
    total = norm.logpdf(p["item_mean"], 0, 1.5) + halfnorm.logpdf(p["item_sd"], 0, 1.5)
    total += halfnorm.logpdf(p["step_sd"], 0, 1.0) + norm.logpdf(p["start"]).sum() + norm.logpdf(p["walk"]).sum()
    v = 0
    for i, n in enumerate(VOTES.counts):
        x = p["item_mean"] + p["item_sd"] * p["start"][i]
        for k in range(n):
            if k:
                x += p["step_sd"] * p["walk"][v]
            total += math.log(expit(x) if LABEL[v] else expit(-x))
            v += 1
    return total


def some_parameters(seed):
    truth = MODEL.simulate(seed, DESIGN).truth
    return {name: np.asarray(truth[name], dtype=float) for name in MODEL.dims}


@pytest.fixture(scope="module")
def built():
    return MODEL.build(DESIGN, LABEL)


@pytest.mark.deep
def test_log_posterior_of_the_sampled_model_is_that_of_the_equations(built):
    density = built.compile_logp(jacobian=False)
    points = [some_parameters(seed) for seed in range(4)]
    found = []
    for p in points:
        values = {name: p[name] for name in ("item_mean", "start", "walk")}
        found.append(density(values | {f"{name}_log__": np.log(p[name]) for name in ("item_sd", "step_sd")}))
    assert found == pytest.approx([plain_log_joint(p) for p in points], rel=1e-9)


def test_votes_are_worth_what_the_joint_density_loses_without_them():
    p = some_parameters(3)
    draws = {name: x[None] for name, x in p.items()}
    found = MODEL.log_likelihood(draws, DESIGN, LABEL)[0]
    for v in range(DESIGN.size):
        flipped = LABEL.copy()
        flipped[v] = 1 - LABEL[v]
        other = MODEL.log_likelihood(draws, DESIGN, flipped)[0]
        assert np.exp(found[v]) + np.exp(other[v]) == pytest.approx(1)
    assert found.sum() == pytest.approx(plain_log_joint(p) - _log_prior(p))


def _log_prior(p):
    total = norm.logpdf(p["item_mean"], 0, 1.5) + halfnorm.logpdf(p["item_sd"], 0, 1.5)
    return total + halfnorm.logpdf(p["step_sd"]) + norm.logpdf(p["start"]).sum() + norm.logpdf(p["walk"]).sum()


def test_completed_draws_have_the_rates_of_the_truth():
    truth = MODEL.simulate(5, DESIGN).truth
    draws = {name: np.asarray(truth[name])[None] for name in ("item_mean", "item_sd", "step_sd", "start", "walk")}
    found = MODEL.complete(draws, DESIGN, LABEL, np.random.default_rng(0))
    for name in ("first_rate", "rate"):
        assert found[name][0] == pytest.approx(truth[name])


def plain_posterior():
    """Tails of first and last rates and mean step_sd: dense transition matrices, a plain sum over hyperparameters."""
    x = np.linspace(-14, 14, 351)
    h = x[1] - x[0]
    m, sd, steps = np.linspace(-5, 5, 31), (np.arange(40) + 0.5) * 0.13, (np.arange(24) + 0.5) * 0.15
    start = norm.pdf(x, m[:, None, None], np.maximum(sd, 0.7 * h)[:, None]) * h
    prior = norm.pdf(m, 0, 1.5)[:, None] * halfnorm.pdf(sd, 0, 1.5)
    total, mean_step, first_tail, tail = 0.0, 0.0, np.zeros(4), np.zeros(4)
    for step in steps:
        move = norm.pdf(x[None, :], x[:, None], max(step, 0.7 * h)) * h
        whole, first, last = [], [], []
        for i in range(4):
            votes = LABEL[VOTES.start[i] : VOTES.start[i + 1]]
            after, above = np.ones(len(x)), (x > logit(0.6)).astype(float)
            for k, y in enumerate(votes[::-1]):
                if k:
                    after, above = move @ after, move @ above
                chance = expit(x) if y else expit(-x)
                after, above = after * chance, above * chance
            whole.append(start @ after)
            first.append(start @ (after * (x > logit(0.6))))
            last.append(start @ above)
        weight = prior * np.prod(whole, axis=0) * halfnorm.pdf(step)
        total += weight.sum()
        mean_step += step * weight.sum()
        first_tail += [(weight * f / w).sum() for f, w in zip(first, whole, strict=True)]
        tail += [(weight * f / w).sum() for f, w in zip(last, whole, strict=True)]
    return first_tail / total, tail / total, mean_step / total


@pytest.mark.deep
def test_quadrature_has_the_tails_of_a_plain_recursion():
    first, last, step = plain_posterior()
    fit = MODEL.fit(VOTES, method="fast", seed=7, draws=20_000)
    # 4.5 standard errors, and the grids of both sides.
    error = 4.5 * 0.5 / math.sqrt(20_000) + 0.01
    assert np.all(np.abs(fit.tail(0.6) - last) < error)
    assert np.all(np.abs((fit.draws["first_rate"] > 0.6).mean(axis=0) - first) < error)
    assert fit.draws["step_sd"].mean() == pytest.approx(step, abs=0.03)


@pytest.mark.deep
def test_sampling_and_quadrature_agree():
    found = MODEL.simulate(2, sa.Design.balanced(12, 12, 8), parameters={"step_sd": 0.5, "item_sd": 1.0})
    sampled = MODEL.fit(found.labels, seed=7, chains=2, draws=500, tune=500, cores=1)
    fast = MODEL.fit(found.labels, seed=7, draws=4000, method="fast")
    assert sampled.diagnostics().rhat < 1.03
    assert np.all(np.abs(sampled.tail(0.5) - fast.tail(0.5)) < 4.5 * sampled.tail_error(0.5) + 0.025)


def test_the_present_counts_more_than_the_past():
    fit = MODEL.fit(VOTES, method="fast", seed=7)
    rose, fell = fit.tail(0.5)[:2]
    first = (fit.draws["first_rate"] > 0.5).mean(axis=0)
    assert rose > first[0] + 0.1
    assert fell < first[1] - 0.1


def test_learned_steps_are_those_that_votes_were_drawn_with():
    design = sa.Design.balanced(60, 20, 20)
    for step in (0.05, 0.6):
        labels = sa.Drift().simulate(4, design, parameters={"step_sd": step, "item_mean": 0.5, "item_sd": 1.0}).labels
        draws = sa.Drift().fit(labels, method="fast", seed=1).draws
        for name, truth in (("step_sd", step), ("item_mean", 0.5), ("item_sd", 1.0)):
            low, high = np.quantile(draws[name], [0.002, 0.998])
            assert low < truth < high


def test_wandering_starts_at_a_given_rate():
    design = sa.Design.balanced(4000, 3, 3)
    found = sa.Drift().simulate(7, design, parameters={"step_sd": 0.4}, rate=0.3)
    assert found.truth["first_rate"] == pytest.approx(0.3)
    moved = logit(found.truth["rate"]) - logit(0.3)
    assert moved.std() == pytest.approx(0.4 * math.sqrt(2), rel=0.06)
    first = found.labels.labels[found.labels.start[:-1]]
    assert first.mean() == pytest.approx(0.3, abs=4 * 0.46 / math.sqrt(4000))
    assert sa.Drift().simulate(7, design, rate=1.0).labels.labels.all()


def test_new_items_have_first_rates():
    fit = MODEL.fit(VOTES, method="fast", seed=7)
    assert fit.new_item().mean == pytest.approx(expit(fit.draws["item_mean"]).mean(), abs=0.05)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sa.Drift(step_sd_scale=0), "step_sd_scale is 0; it must be from 0.001 to 100"),
        (lambda: sa.Drift(mean_sd="wide"), "mean_sd is 'wide'; it must be a number"),
        (lambda: sa.Drift().simulate(1, parameters={"step": 1}), "drift has no parameter 'step'; it has item_mean"),
    ],
)
def test_bad_input_is_refused_in_one_line(call, message):
    with pytest.raises(ValueError, match=message) as refused:
        call()
    assert "\n" not in str(refused.value)
