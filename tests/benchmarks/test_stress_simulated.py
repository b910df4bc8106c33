"""Simulated cost of wrong models: against exact values, against plain loops, and against the fits themselves."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import norm

import seqaudit as sa
from seqaudit.bandits.registry import registered_policies
from seqaudit.bandits.simulation.seeds import replication_keys
from seqaudit.bandits.simulation.simulate import spend
from seqaudit.benchmarks.stress.after_the_fact import decide_after, fast_draws
from seqaudit.benchmarks.stress.exact import stress_exact
from seqaudit.benchmarks.stress.pools import Pools, draw_beliefs, draw_raters
from seqaudit.benchmarks.stress.simulated import stress_simulated
from seqaudit.posteriors.raters.registry import make_rater_model
from seqaudit.posteriors.votes.design import Design

PROBLEM = sa.Problem([0.4, 0.55, 0.7], 7, weight=[1, 2, 1], prior=[(1, 1), (3, 1), (2, 1)], cap=5)
SMALL = sa.Problem([0.35, 0.5, 0.6, 0.7], 14, prior=(2, 1), cap=6)
MEASURES = (
    *("accuracy", "claimed_accuracy", "decisive", "decisive_right", "decisive_low", "decisive_high"),
    *("already_right", "labels_low", "labels_high", "payoff", "claimed_payoff"),
)


def policies(*names):
    return [registered_policies()[name]() for name in names]


def assert_agree(simulated, exact, errors=4.0):
    """Within so many standard errors, for every measure; 4 of them mean a false alarm in 16,000."""
    for name in MEASURES:
        values = simulated[name].values
        error = values.std(axis=1, ddof=1) / math.sqrt(values.shape[1])
        # Where a measure is the same in nearly every run, its error is not known to better than one run in all.
        miss = np.abs(values.mean(axis=1) - exact[name].values)
        assert np.all(miss <= errors * error + 2.0 / values.shape[1]), name


@pytest.mark.deep
@pytest.mark.parametrize(
    ("kind", "strength", "settings"),
    [
        ("flipped", 0.25, {}),
        ("polarised", 0.5, {}),
        ("colluding", 0.3, {"script": 1.0}),
        ("dispersed", 4.0, {}),
        # Here the planner is wrong, and nature is as the problem says.
        ("flat", 1.0, {}),
    ],
)
def test_simulated_measures_agree_with_exact_ones(kind, strength, settings):
    wrong = sa.misbelief(PROBLEM, kind, strength, **settings)
    chosen = policies("kg", "uncertainty")
    seeds, keys = replication_keys(7, 2500)
    pools = draw_beliefs(wrong.nature, seeds, votes=5)
    assert_agree(stress_simulated(wrong.working, chosen, pools, keys), stress_exact(wrong, chosen))


@pytest.mark.deep
def test_random_answers_of_raters_of_their_own_are_the_exact_nature():
    # Each vote is by another rater, who answers at random with the share: labels through a channel.
    chosen = policies("kg", "uncertainty")
    seeds, keys = replication_keys(7, 2500)
    model = make_rater_model("contaminated", kinds=("random",))
    pools = draw_raters(PROBLEM, model, {"share": 0.4}, seeds, votes=5, raters=None)
    exact = stress_exact(sa.misbelief(PROBLEM, "random", 0.4), chosen)
    assert_agree(stress_simulated(PROBLEM, chosen, pools, keys), exact)


@pytest.mark.deep
@pytest.mark.parametrize("raters", [5, None])
def test_raters_who_are_all_alike_are_the_right_model(raters):
    # Partial pooling with given rates: nothing but independent votes, whoever they come from.
    chosen = policies("kg", "exact")
    seeds, keys = replication_keys(7, 2500)
    pools = draw_raters(PROBLEM, sa.PartialPooling(), {}, seeds, votes=5, raters=raters)
    exact = stress_exact(sa.misbelief(PROBLEM, "flipped", 0.0), chosen)
    assert_agree(stress_simulated(PROBLEM, chosen, pools, keys), exact)


def test_measures_are_those_of_plain_loops():
    problem, eps = SMALL, 0.15
    seeds, keys = replication_keys(3, 12)
    pools = draw_beliefs([sa.Beta(2, 1)] * 4, seeds, votes=6)
    (policy,) = policies("uncertainty")
    found = stress_simulated(problem, [policy], pools, keys, eps=eps)
    counts, wins = spend(problem, policy, pools, keys)
    for r in range(12):
        out = dict.fromkeys((*MEASURES, "loss"), 0.0)
        for i, t in enumerate(problem.threshold):
            truth = pools.rate[r, i] > t
            tails = [
                float(sa.Beta(2, 1).after(w, k - w).at(0, 0, t).tail)
                for k in range(counts[r, i] + 1)
                for w in [int(pools.votes[r, i, :k].sum())]
            ]
            assert wins[r, i] == pools.votes[r, i, : counts[r, i]].sum()
            last, high = tails[-1], t > 0.5
            correct, sure = (last > 0.5) == truth, min(last, 1 - last) <= eps
            out["accuracy"] += correct / 4
            out["claimed_accuracy"] += max(last, 1 - last) / 4
            out["decisive"] += sure / 4
            out["decisive_right"] += (sure and correct) / 4
            out["decisive_high" if high else "decisive_low"] += sure / 2
            out["labels_high" if high else "labels_low"] += counts[r, i]
            out["already_right"] += sum((p > 0.5) == truth for p in tails[:-1]) / 14
            out["payoff"] += correct
            out["claimed_payoff"] += max(last, 1 - last)
            out["loss"] += not correct
        for name, value in out.items():
            assert float(found[name][0, r]) == pytest.approx(value, abs=1e-12), name


def test_rewards_are_in_the_payoff_and_not_in_the_loss():
    seeds, keys = replication_keys(3, 12)
    pools = draw_beliefs([sa.Beta(2, 1)] * 4, seeds, votes=6)
    paid = sa.Problem([0.35, 0.5, 0.6, 0.7], 14, prior=(2, 1), cap=6, reward=0.5)
    # Round-robin asks the same whatever is paid.
    without, found = (stress_simulated(one, policies("round-robin"), pools, keys) for one in (SMALL, paid))
    np.testing.assert_array_equal(found.loss, without.loss)
    wins = spend(paid, policies("round-robin")[0], pools, keys)[1].sum(axis=1)
    for name in ("payoff", "claimed_payoff"):
        np.testing.assert_allclose((found[name] - without[name])[0], 0.5 * wins, rtol=0, atol=1e-12)


def test_runs_do_not_depend_on_how_many_there_are_or_on_other_policies():
    model = make_rater_model("partial-pooling")

    def measured(size, *names):
        seeds, keys = replication_keys(7, size)
        pools = draw_raters(SMALL, model, {}, seeds, votes=6, raters=9)
        return stress_simulated(SMALL, policies(*names), pools, keys, refit=model, draws=20)

    few, many = measured(4, "kg"), measured(6, "uniform", "kg")
    for name in few.data_vars:
        np.testing.assert_array_equal(few[name].sel(policy="kg"), many[name].sel(policy="kg")[:4])


def test_rates_and_raters_are_the_same_at_every_strength_and_for_every_model():
    seeds, _ = replication_keys(7, 3)
    model = make_rater_model("rater-bias")
    mild, harsh = (draw_raters(SMALL, model, {"rater_sd": x}, seeds, votes=6, raters=9) for x in (0.0, 2.0))
    plain = draw_raters(SMALL, make_rater_model("partial-pooling"), {}, seeds, votes=6, raters=9)
    np.testing.assert_allclose(mild.rate, harsh.rate, rtol=1e-12)
    np.testing.assert_allclose(mild.rate, plain.rate, rtol=1e-12)
    assert [x.rater.tolist() for x in mild.designs] == [x.rater.tolist() for x in plain.designs]
    assert not np.array_equal(mild.votes, harsh.votes)


def test_decisions_after_the_fact_are_those_of_the_fit():
    seeds, _ = replication_keys(7, 2)
    model = make_rater_model("partial-pooling")
    pools = draw_raters(SMALL, model, {}, seeds, votes=6, raters=9)
    counts = np.array([[6, 3, 1, 4], [5, 0, 6, 3]])
    tails, by_group = decide_after(SMALL, pools, counts, model, 50)
    assert by_group.size == 0
    whole = model.fit(pools.bought(0, counts[0]), seed=0, method="fast", draws=50)
    np.testing.assert_allclose(tails[0], whole.tail(SMALL.threshold), rtol=1e-12)
    some = [0, 2, 3]
    part = model.fit(pools.bought(1, counts[1]), seed=1, method="fast", draws=50)
    np.testing.assert_allclose(tails[1, some], part.tail(SMALL.threshold[some]), rtol=1e-12)
    # An item that nobody voted on is like a new one.
    a, b = part.draws["a"], part.draws["b"]
    shares = np.array([sa.Beta(x, y).at(0, 0, 0.5).tail for x, y in zip(a, b, strict=True)])
    assert tails[1, 1] == pytest.approx(shares.mean(), abs=4 * 0.5 / math.sqrt(50))


def test_items_without_votes_are_decided_group_by_group_after_the_fact():
    # Two groups far apart, of whom the first casts three votes in four: the share of votes is not that of decisions.
    problem = sa.Problem(np.full(8, 0.5), 28, cap=4)
    item, size = np.repeat(np.arange(8), 4), 4000
    rater = np.tile([0, 2, 4, 1], 8)
    names = [tuple(f"{key} {k + 1}" for k in range(n)) for key, n in (("item", 8), ("rater", 5), ("group", 2))]
    design = Design(item, rater, names[0], names[1], rater % 2, names[2])
    votes = np.where(rater % 2, 0, 1).reshape(1, 8, 4)
    pools = Pools(votes.astype(np.int8), np.full((1, 8, 2), 0.5), [design])
    counts, model = np.array([[4] * 7 + [0]]), sa.make_rater_model("grouped", effect_scale=2.0)
    tails, by_group = decide_after(problem, pools, counts, model, size)
    x = fast_draws(model, pools.bought(0, counts[0]), seed=0, draws=size)
    # A normal distribution for the log-odds of either group.
    sd = np.hypot(x["item_sd"], x["group_sd"])[:, None]
    chance = norm.cdf((x["item_mean"][:, None] + x["group_effect"]) / sd)
    error = 4 * 0.5 / math.sqrt(size)
    assert by_group[0, 7] == pytest.approx(chance.mean(axis=0), abs=error)
    assert by_group[0, 7, 0] - by_group[0, 7, 1] > 0.5
    # Over both groups alike: the mean of two logistic rates, ten new items a draw.
    rng = np.random.default_rng(5)
    about = (x["item_mean"] + x["item_sd"] * rng.standard_normal((10, size)))[:, :, None] + x["group_effect"]
    rates = expit(about + x["group_sd"][:, None] * rng.standard_normal((10, size, 2)))
    assert tails[0, 7] == pytest.approx((rates.mean(axis=2) > 0.5).mean(), abs=1.2 * error)
    # A model without groups says the same of every group.
    tails, by_group = decide_after(problem, pools, counts, sa.PartialPooling(), 50)
    np.testing.assert_array_equal(by_group[0], np.repeat(tails[0][:, None], 2, axis=1))


def test_votes_bought_are_the_first_of_each_pool_with_their_raters():
    seeds, _ = replication_keys(7, 1)
    model = make_rater_model("grouped")
    pools = draw_raters(SMALL, model, {}, seeds, votes=6, raters=9, groups=3)
    counts = np.array([2, 0, 6, 3])
    labels = pools.bought(0, counts)
    rater = pools.designs[0].rater.reshape(4, 6)
    names = [f"rater {j + 1}" for i in (0, 2, 3) for j in rater[i, : counts[i]]]
    assert [labels.raters[j] for j in labels.rater] == names
    assert labels.labels.tolist() == [int(x) for i in (0, 2, 3) for x in pools.votes[0, i, : counts[i]]]
    assert labels.items == ("item 1", "item 3", "item 4")
    assert labels.counts.tolist() == [2, 6, 3]
    assert labels.group.tolist() == [int(j) % 3 for i in (0, 2, 3) for j in rater[i, : counts[i]]]


def test_groups_are_judged_one_by_one_and_the_worst_is_told():
    # Two items, two groups that disagree on the first: its one decision is wrong for one of them.
    problem = sa.Problem([0.5, 0.5], 4, weight=[3, 1], cap=2)
    rate = np.array([[[0.9, 0.2], [0.8, 0.7]]])
    pools = Pools(np.ones((1, 2, 2), dtype=np.int8), rate)
    _, keys = replication_keys(7, 1)
    found = stress_simulated(problem, policies("round-robin"), pools, keys)
    # The mean of .9 and .2 is above the bar, and so both items are decided right for all together.
    assert found.accuracy.item() == 1.0
    assert found.worst_group.item() == 0.25


def test_group_decisions_after_the_fact_help_the_worst_group():
    problem = sa.Problem(np.full(12, 0.5), 96, prior=(2, 2), cap=12)
    model = make_rater_model("grouped")
    seeds, keys = replication_keys(7, 60)
    given = {"group_scale": 2.5, "group_sd": 0.1}
    pools = draw_raters(problem, model, given, seeds, votes=12, raters=24, groups=2)
    found = stress_simulated(problem, policies("round-robin"), pools, keys, refit=model, draws=100)
    gain = (found.worst_group_after - found.worst_group).values[0]
    assert gain.mean() > 4 * gain.std(ddof=1) / math.sqrt(60)


def test_biased_raters_make_the_planner_claim_too_much():
    problem = sa.Problem(np.linspace(0.3, 0.7, 12), 60, prior=(1, 1), cap=8)
    model = make_rater_model("rater-bias")
    seeds, keys = replication_keys(7, 150)

    def overstated(sd):
        pools = draw_raters(problem, model, {"rater_sd": sd}, seeds, votes=8, raters=12)
        found = stress_simulated(problem, policies("kg"), pools, keys)
        return (found.claimed_accuracy - found.accuracy).values[0]

    honest, biased = overstated(0.0), overstated(2.5)
    assert abs(honest.mean()) < 4 * honest.std(ddof=1) / math.sqrt(150)
    worse = biased - honest
    assert worse.mean() > 4 * worse.std(ddof=1) / math.sqrt(150)
