"""Raters with a bias: the PyMC model against a plain sum, the fast method against NUTS, channel."""

import math

import numpy as np
import pytest
from oracles import rater_models as oracle

import seqaudit as sa
from seqaudit.posteriors.raters.fast.nested_laplace import redrawn_sd

MODEL = sa.RaterBias()
VOTES = MODEL.simulate(
    11, sa.Design.balanced(items=12, raters=6, votes_per_item=5), parameters={"item_sd": 1.2, "rater_sd": 0.8}
).labels


def sigma(x):
    return 1 / (1 + math.exp(-x))


@pytest.fixture(scope="module")
def fits():
    return oracle.both_fits(MODEL, VOTES, draws=2000, fast=8000)


@pytest.mark.deep
@pytest.mark.parametrize("many", [0, 1000])
def test_log_posterior_is_the_sum_of_the_equations(many, monkeypatch):
    design = sa.Design.of(VOTES)

    def plain(at):
        x, offset = at["item_logit"], at["offset"]
        chance = [sigma(x[i] + offset[j]) for i, j in zip(design.item, design.rater, strict=True)]
        found = oracle.log_bernoulli(VOTES.labels, chance) + oracle.log_normal(at["item_mean"], 0, 1.5)
        found += oracle.log_half_normal(at["item_sd"], 1.5) + oracle.log_half_normal(at["rater_sd"], 1.0)
        found += oracle.log_normal(x, at["item_mean"], at["item_sd"])
        return found + oracle.log_zero_sum(offset, at["rater_sd"])

    def log_scales(at):
        return 12 * np.log(at["item_sd"]) + 5 * np.log(at["rater_sd"])

    oracle.assert_log_posterior(MODEL, VOTES, many, monkeypatch, plain, log_scales)


@pytest.mark.deep
def test_sampling_converges_and_the_fast_method_agrees(fits):
    sampled, fast = fits
    means = dict.fromkeys(("item_mean", "item_sd", "rater_sd"), 0.3)
    oracle.assert_fits_agree(sampled, fast, mean=0.02, largest=0.05, means=means, centred=("offset",))
    for name in means:
        assert fast.draws[name].std() == pytest.approx(sampled.draws[name].std(), rel=0.3)


def test_parameters_are_found_again():
    design = sa.Design.balanced(items=200, raters=30, votes_per_item=15)
    made = MODEL.simulate(5, design, parameters={"item_mean": 0.5, "item_sd": 1.5, "rater_sd": 1.0})
    oracle.assert_found_again(MODEL, made, ("item_mean", "item_sd", "rater_sd"), {"item_logit": 0.85, "offset": 0.9})


def test_channel_is_what_fresh_raters_say():
    sd = np.array([0.4, 1.5])
    rate = np.array([[0.1, 0.7], [0.3, 0.95]])
    oracle.assert_channel_is_what_fresh_raters_say(
        MODEL, {"rater_sd": sd}, rate, lambda s, x, rng: x + sd[s] * rng.standard_normal(200_000)
    )


def test_given_rates_and_parameters_are_kept():
    rate = np.linspace(0.1, 0.9, 12)
    truth = MODEL.simulate(3, VOTES, rate=rate, parameters={"rater_sd": 2.0}).truth
    assert truth["rate"] == pytest.approx(rate)
    assert truth["item_logit"] == pytest.approx(np.log(rate / (1 - rate)))
    assert truth["rater_sd"] == 2.0
    assert truth["offset"].sum() == pytest.approx(0.0, abs=1e-12)


def test_fresh_rater_of_the_channel_is_not_a_rater_who_is_added_before_voting():
    # Two raters say 1 of all of five items; draws from the prior are weighed with the likelihood.
    rng, size = np.random.default_rng(7), 200_000
    sd = np.abs(rng.standard_normal((2, size, 1))) * [[[1.5]], [[1.0]]]
    x = 1.5 * rng.standard_normal((size, 1)) + sd[0] * rng.standard_normal((size, 5))
    heard = []
    for raters in (2, 3):
        z = rng.standard_normal((size, raters))
        offset = sd[1] * (z - z.mean(axis=1, keepdims=True))
        weight = (1 / (1 + np.exp(-(x[:, :, None] + offset[:, None, :2])))).prod(axis=(1, 2))
        said = 1 / (1 + np.exp(-x[:, 0] - offset[:, -1]))
        if raters == 2:
            said = MODEL.channel({"rater_sd": sd[1, :, 0]}, 1 / (1 + np.exp(-x[:, 0])))
        heard.append(float(weight @ said / weight.sum()))
    assert heard == pytest.approx([0.88, 0.84], abs=0.005)


def test_fast_fits_of_few_votes_are_near_the_exact_tails_whatever_the_seed():
    # Nine votes allow both standard deviations to be 0: the design must cover a tail like exp(theta) on the left.
    item, rater = np.array([0, 0, 0, 1, 1, 2, 2, 2, 3]), np.array([0, 1, 2, 0, 1, 1, 2, 0, 2])
    label = np.array([1, 1, 0, 0, 0, 1, 1, 1, 0])
    votes = sa.Design(item, rater, tuple("abcd"), tuple("xyz")).labelled(label)
    fits = [MODEL.fit(votes, method="fast", seed=seed, draws=2000) for seed in range(20)]
    tails = np.array([fit.tail(0.5) for fit in fits])
    error = np.sqrt(np.mean([fit.tail_error(0.5) ** 2 for fit in fits], axis=0))
    assert np.all(tails.std(axis=0, ddof=1) < 2.5 * error)
    # The exact tails, by weighing draws from the prior with the likelihood.
    rng, size = np.random.default_rng(7), 200_000
    sd = np.abs(rng.standard_normal((2, size, 1))) * [[[1.5]], [[1.0]]]
    x = 1.5 * rng.standard_normal((size, 1)) + sd[0] * rng.standard_normal((size, 4))
    z = rng.standard_normal((size, 3))
    chance = 1 / (1 + np.exp(-(x[:, item] + (sd[1] * (z - z.mean(axis=1, keepdims=True)))[:, rater])))
    weight = np.where(label == 1, chance, 1 - chance).prod(axis=1)
    assert weight.sum() ** 2 / (weight**2).sum() > 5_000
    assert tails.mean(axis=0) == pytest.approx(weight @ (x > 0) / weight.sum(), abs=0.015)


@pytest.mark.parametrize(("free", "squares", "scale"), [(1, 1e-4, 1.0), (1, 9.0, 0.5), (2, 0.3, 1.0), (29, 40.0, 1.5)])
def test_standard_deviations_are_redrawn_from_their_exact_distribution(free, squares, scale):
    sd = np.sort(redrawn_sd(np.full(40_000, squares), free, scale, np.random.default_rng(7)))
    theta = np.linspace(np.log(sd[0]) - 2, np.log(sd[-1]) + 2, 20_001)
    density = np.exp((1 - free) * theta - squares / 2 * np.exp(-2 * theta) - np.exp(2 * theta) / (2 * scale**2))
    below = np.cumsum(density) / density.sum()
    apart = np.abs(np.interp(np.log(sd), theta, below) - (np.arange(40_000) + 0.5) / 40_000).max()
    # Kolmogorov and Smirnov: exceeded by chance once in 10000 times.
    assert apart < 2.23 / np.sqrt(40_000)
