"""Raters with bias and skill: the PyMC model against a plain sum, the fast method against NUTS, channel."""

import math

import numpy as np
import pytest
from oracles import rater_models as oracle
from scipy.stats import halfnorm, kstest, norm

import seqaudit as sa
from seqaudit.posteriors.kernels.rater_field import ladder, marginals
from seqaudit.posteriors.kernels.rater_moves import move
from seqaudit.posteriors.raters.fast import nested_laplace
from seqaudit.posteriors.raters.fast.nested_laplace import design_of_points
from seqaudit.posteriors.votes.label_set import offsets

MODEL = sa.RaterSkill()
VOTES = MODEL.simulate(
    11,
    sa.Design.balanced(items=16, raters=6, votes_per_item=5),
    parameters={"item_sd": 1.2, "rater_sd": 0.6, "skill_sd": 0.4},
).labels


@pytest.mark.deep
def test_moves_leave_the_joint_distribution_of_parameters_and_votes_alone():
    # Parameters from the prior and votes from these, then moves given the votes (Geweke 2004): still the prior.
    rng = np.random.default_rng(7)
    design, size, scale = sa.Design.balanced(items=5, raters=4, votes_per_item=3), 3000, np.array([1.5, 1.0, 0.5])
    by_rater = np.argsort(design.rater, kind="stable")
    begin, first = offsets(np.bincount(design.item)), offsets(np.bincount(design.rater))
    standard, moved = np.empty((3, size, 4)), 0.0
    for k in range(size):
        truth = MODEL.simulate(rng, design)
        label = truth.labels.labels.astype(np.int64)
        p = truth.truth
        sd = np.array([[p["item_sd"], p["rater_sd"], p["skill_sd"]]])
        field = np.concatenate([p["item_logit"], p["offset"], p["log_skill"], [p["item_mean"]]])[None]
        mean, before = np.array([p["item_mean"]]), field.copy()
        for passes in range(10):
            width = (1.0, 0.3)[passes % 2]
            move(begin, design.item, design.rater, label, by_rater, first, scale, width, rng, mean, sd, field)
        moved += np.mean(field != before) / size
        effects = (field[0, 0] - mean[0], field[0, 5], field[0, 9])
        for kind in range(3):
            sums = (field[0, 5:9].sum(), field[0, 5:9].sum(), field[0, 9:13].sum())
            standard[kind, k] = sd[0, kind] / scale[kind], effects[kind] / sd[0, kind], label.mean(), sums[kind]
    assert moved > 0.85
    assert np.abs(standard[1:, :, 3]).max() < 1e-9
    for kind, variance in enumerate((1.0, 0.75, 0.75)):
        # Kolmogorov and Smirnov, each exceeded by chance once in 10000 times.
        assert kstest(standard[kind, :, 0], halfnorm.cdf).statistic < 2.23 / np.sqrt(size)
        assert kstest(standard[kind, :, 1] / np.sqrt(variance), norm.cdf).statistic < 2.23 / np.sqrt(size)


@pytest.fixture(scope="module")
def fits():
    return oracle.both_fits(MODEL, VOTES, draws=2000, fast=8000, target_accept=0.97)


@pytest.mark.deep
@pytest.mark.parametrize("many", [0, 1000])
def test_log_posterior_is_the_sum_of_the_equations(many, monkeypatch):
    design = sa.Design.of(VOTES)

    def plain(at):
        x, offset, log_skill = at["item_logit"], at["offset"], at["log_skill"]
        eta = [math.exp(log_skill[j]) * x[i] + offset[j] for i, j in zip(design.item, design.rater, strict=True)]
        found = oracle.log_bernoulli(VOTES.labels, [1 / (1 + math.exp(-z)) for z in eta])
        found += oracle.log_normal(at["item_mean"], 0, 1.5) + oracle.log_half_normal(at["item_sd"], 1.5)
        found += oracle.log_half_normal(at["rater_sd"], 1.0) + oracle.log_half_normal(at["skill_sd"], 0.5)
        found += oracle.log_normal(x, at["item_mean"], at["item_sd"])
        return found + oracle.log_zero_sum(offset, at["rater_sd"]) + oracle.log_zero_sum(log_skill, at["skill_sd"])

    def log_scales(at):
        return 16 * np.log(at["item_sd"]) + 5 * np.log(at["rater_sd"]) + 5 * np.log(at["skill_sd"])

    oracle.assert_log_posterior(MODEL, VOTES, many, monkeypatch, plain, log_scales)


@pytest.mark.deep
def test_sampling_converges_and_the_fast_method_agrees(fits):
    sampled, fast = fits
    means = dict.fromkeys(("item_mean", "item_sd", "rater_sd", "skill_sd"), 0.4)
    oracle.assert_fits_agree(sampled, fast, mean=0.015, largest=0.04, means=means, centred=("offset", "log_skill"))


@pytest.mark.parametrize("skill", [1.0, 30.0, 1e4, 1e12])
def test_density_of_an_item_is_its_equation_whatever_the_skills(skill):
    skills, offset = np.array([skill, 0.8, 1.2]), np.array([0.3, -0.5, 0.2])
    rater, label = np.array([0, 1, 2, 0]), np.array([1, 0, 0, 0])
    logs = np.empty(19)
    low, step = ladder(0.4, 0, 4, 0.1, 1.5, rater, label, offset, skills, logs)
    x = low + step * np.arange(19)
    eta = (1 - 2 * label) * (skills[rater] * x[:, None] + offset[rater])
    plain = -0.5 * ((x - 0.1) / 1.5) ** 2 - np.logaddexp(0, eta).sum(axis=1)
    assert logs == pytest.approx(plain, rel=1e-9)


def test_skills_may_vary_more_than_numbers_can_say():
    design = sa.Design.of(VOTES)
    begin = offsets(np.bincount(design.item))
    points = np.array([[1.0, 0.7, skill_sd] for skill_sd in (0.01, 0.5, 5.0, 12.0, 40.0)])
    out = np.empty(len(points))
    votes = (begin, np.ascontiguousarray(design.rater, dtype=np.int64), VOTES.labels.astype(np.int64))
    marginals(points, 1.5, *votes, 6, True, True, np.zeros((len(points), 16 + 2 * 6 + 1)), out)
    assert np.isfinite(out).all()


def test_skilled_raters_are_found_again():
    design = sa.Design.balanced(items=200, raters=30, votes_per_item=15)
    made = MODEL.simulate(5, design, parameters={"item_sd": 1.5, "rater_sd": 0.7, "skill_sd": 0.6})
    oracle.assert_found_again(MODEL, made, ("item_sd", "rater_sd", "skill_sd"), {"log_skill": 0.8, "offset": 0.8})


def test_channel_is_what_fresh_raters_say():
    draws = {"rater_sd": np.array([0.4, 1.2]), "skill_sd": np.array([0.8, 0.2])}
    rate = np.array([[0.1, 0.7], [0.3, 0.95]])

    def log_odds(s, x, rng):
        skill = np.exp(draws["skill_sd"][s] * rng.standard_normal(200_000))
        return skill * x + draws["rater_sd"][s] * rng.standard_normal(200_000)

    oracle.assert_channel_is_what_fresh_raters_say(MODEL, draws, rate, log_odds)


def test_given_skills_are_kept():
    skill = np.array([2.0, 0.5, 1.0, 1.0, 4.0, 0.25])
    truth = MODEL.simulate(3, VOTES, parameters={"skill": skill, "rater_sd": 1.0}).truth
    assert truth["skill"] == pytest.approx(skill)
    assert truth["log_skill"] == pytest.approx(np.log(skill))
    assert truth["rater_sd"] == 1.0


@pytest.mark.deep
def test_errors_of_tails_contain_the_scatter_over_seeds():
    """These votes leave the standard deviations poorly known: few points of one design carry most of the weight."""
    design = sa.Design.balanced(items=30, raters=8, votes_per_item=5, seed=4)
    votes = sa.DawidSkene().simulate(4, design).labels
    fits = [MODEL.fit(votes, method="fast", seed=s) for s in range(4)]
    scatter = np.std([fit.tail(0.5) for fit in fits], axis=0, ddof=1)
    stated = np.mean([fit.tail_error(0.5) for fit in fits], axis=0)
    assert 0.6 < np.sqrt(np.mean((scatter / stated) ** 2)) < 1.5
    assert scatter.max() < 0.06


def test_designs_add_points_where_few_count(monkeypatch):
    def round_(theta, exact):
        return -2.0 * (theta**2).sum(axis=1)

    def diagonal(theta, exact):
        x, y = theta.T
        return -0.5 * ((x + y) ** 2 + ((x - y) / 0.2) ** 2)

    def designs(log_density):
        return [design_of_points(log_density, np.zeros(2), np.random.default_rng(k), 32) for k in range(60)]

    def off(found):
        return np.sqrt(np.mean([(weight @ theta) ** 2 for theta, weight in found]))

    assert {len(weight) for _, weight in designs(round_)} == {32}
    refined = designs(diagonal)
    assert all(abs(weight.sum() - 1.0) < 1e-12 for _, weight in refined)
    monkeypatch.setattr(nested_laplace, "_REFINEMENTS", 0)
    assert off(refined) < 0.7 * off(designs(diagonal))
