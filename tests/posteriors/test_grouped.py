"""Rates that differ by group: the PyMC model against a plain sum, the fast method against NUTS, groups, bad input."""

import math

import numpy as np
import pytest
from oracles import rater_models as oracle

import seqaudit as sa

MODEL = sa.Grouped()
DESIGN = sa.Design.balanced(items=12, raters=9, votes_per_item=8, groups=3)
VOTES = MODEL.simulate(11, DESIGN, parameters={"item_sd": 1.2, "group_scale": 0.6, "group_sd": 0.5}).labels


@pytest.fixture(scope="module")
def fits():
    return oracle.both_fits(MODEL, VOTES, draws=1000, fast=4000, target_accept=0.95)


@pytest.mark.deep
@pytest.mark.parametrize("many", [0, 1000])
def test_log_posterior_is_the_sum_of_the_equations(many, monkeypatch):
    def plain(at):
        x, e, u = at["item_logit"], at["group_effect"], at["deviation"]
        votes = zip(DESIGN.item, DESIGN.group, strict=True)
        found = oracle.log_bernoulli(VOTES.labels, [1 / (1 + math.exp(-(x[i] + e[g] + u[i, g]))) for i, g in votes])
        found += oracle.log_normal(at["item_mean"], 0, 1.5) + oracle.log_half_normal(at["item_sd"], 1.5)
        found += oracle.log_half_normal(at["group_scale"], 0.5) + oracle.log_half_normal(at["group_sd"], 0.5)
        found += oracle.log_normal(x, at["item_mean"], at["item_sd"]) + oracle.log_zero_sum(e, at["group_scale"])
        return found + oracle.log_normal(u, 0, at["group_sd"])

    def log_scales(at):
        return 36 * np.log(at["group_sd"]) + 2 * np.log(at["group_scale"]) + 12 * np.log(at["item_sd"])

    oracle.assert_log_posterior(MODEL, VOTES, many, monkeypatch, plain, log_scales)


@pytest.mark.deep
def test_sampling_converges_and_the_fast_method_agrees(fits):
    sampled, fast = fits
    means = dict.fromkeys(("item_mean", "item_sd", "group_scale", "group_sd"), 0.35)
    oracle.assert_fits_agree(sampled, fast, mean=0.02, largest=0.06, means=means, centred=("group_effect",))


def test_effects_are_found_again():
    design = sa.Design.balanced(items=300, raters=30, votes_per_item=24, groups=3)
    effect = np.array([0.6, 0.0, -0.6])
    made = MODEL.simulate(5, design, parameters={"item_sd": 1.2, "group_effect": effect, "group_sd": 0.4})
    fit = MODEL.fit(made.labels, seed=7, method="fast", draws=400)
    draws = fit.draws
    assert draws["group_effect"].mean(axis=0) == pytest.approx(effect, abs=0.2)
    for name, truth in (("item_sd", 1.2), ("group_sd", 0.4)):
        assert abs(draws[name].mean() - truth) < 4 * max(draws[name].std(), 0.05)
    assert np.mean((fit.tail(0.5) > 0.5) == (made.truth["rate"] > 0.5)) > 0.85


def test_a_group_is_a_column_and_the_population_an_average(fits):
    _, fast = fits
    assert fast.tail(0.4).shape == (12, 3)
    assert np.array_equal(fast.tail(0.4, group="group 2"), fast.tail(0.4)[:, 1])
    share = np.bincount(DESIGN.group) / DESIGN.size
    mean = (fast.draws["rate"] @ share).mean(axis=0)
    assert [belief.mean for belief in fast.beliefs()] == pytest.approx(mean, abs=1e-9)
    one = [belief.mean for belief in fast.beliefs(group="group 3")]
    assert one == pytest.approx(fast.draws["rate"][:, :, 2].mean(axis=0), abs=1e-9)
    new = [fast.new_item(group=name).mean for name in VOTES.groups]
    effect = fast.draws["group_effect"].mean(axis=0)
    assert np.argmax(new) == np.argmax(effect)
    assert min(new) < fast.new_item().mean < max(new)


def test_given_rates_are_those_of_a_group_without_effect():
    rate = np.linspace(0.1, 0.9, 12)
    truth = MODEL.simulate(3, DESIGN, rate=rate, parameters={"group_sd": 1e-9, "group_effect": np.zeros(3)}).truth
    assert truth["rate"] == pytest.approx(np.repeat(rate[:, None], 3, axis=1), abs=1e-6)
    cells = np.random.default_rng(7).uniform(0.1, 0.9, (12, 3))
    truth = MODEL.simulate(3, DESIGN, parameters={"rate": cells}).truth
    z = truth["item_logit"][:, None] + truth["group_effect"] + truth["deviation"]
    assert 1 / (1 + np.exp(-z)) == pytest.approx(cells)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda fit: fit.tail(0.5, group="men"), "group is 'men'; allowed: 'group 1', 'group 2', 'group 3'"),
        (lambda fit: fit.beliefs(group="men"), "group is 'men'; allowed: 'group 1', 'group 2', 'group 3'"),
        (lambda fit: fit.new_item(group=""), "group is ''; allowed: 'group 1', 'group 2', 'group 3'"),
        (lambda fit: MODEL.simulate(1, sa.Design.balanced()), "grouped: the design has no groups; at least two"),
        (
            lambda fit: sa.PartialPooling().fit(VOTES, seed=1, method="fast").tail(group="group 1"),
            "group is 'group 1'; partial-pooling has no groups: leave it out",
        ),
        (
            lambda fit: sa.PartialPooling().fit(VOTES, seed=1, method="fast").beliefs(group="group 1"),
            "group is 'group 1'; partial-pooling has no groups: leave it out",
        ),
    ],
)
def test_bad_input_is_refused_in_one_line(call, message, fits):
    with pytest.raises(ValueError, match=message) as refused:
        call(fits[1])
    assert "\n" not in str(refused.value)
