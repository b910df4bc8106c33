"""Simulation: right on average, the same for every number of workers, and common random numbers across policies."""

from __future__ import annotations

import importlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.policies import Endgame
from scipy import stats

import seqaudit as sa
from seqaudit.bandits.registry import registered_policies
from seqaudit.bandits.simulation.board import final_values
from seqaudit.bandits.simulation.seeds import replication_keys
from seqaudit.bandits.simulation.simulate import PriorNature, require_length, simulate, spend
from seqaudit.dp.evaluation.choices import SupportsIndex, SupportsProbabilities

POLICIES = list(registered_policies())
VALUED = [name for name in POLICIES if isinstance(sa.make_policy(name), (SupportsIndex, SupportsProbabilities))]
PROBLEM = sa.Problem([0.55, 0.41, 0.8], 8, weight=[1.0, 2.0, 0.5], prior=[(1, 1), (2, 3), (0.5, 0.5)])
BELIEFS = sa.Problem(
    [0.55, 0.41, 0.6, 0.5],
    7,
    prior=[
        sa.BetaMixture([3, 1], [9, 2], [1, 2]),
        sa.NoisyBeta(2, 1, 0.2),
        sa.LogitNormal(0.5, 1.0),
        sa.Grid([0.3, 0.5, 0.9], [1, 2, 1]),
    ],
    reward=[0.1, 0.2, 0.0, -0.1],
    cap=[7, 7, 4, 3],
)
BANDIT = sa.Problem.bandit([(1, 1), (2, 1)], horizon=8)
CAPPED = sa.Problem([0.5, 0.6, 0.7, 0.3], 7, cap=[2, 0, 4, 3], utility="entropy")


class Record:
    """Nature, with every label it gave: (replication, item, number) -> label."""

    def __init__(self, problem, seed, replications):
        seeds, self.keys = replication_keys(seed, replications)
        self.nature = PriorNature.draw(problem, seeds, self.keys)
        self.seen = {}
        self.order = []

    def labels(self, rows, items, counts):
        labels = self.nature.labels(rows, items, counts)
        for r, i, j, label in zip(rows, items, counts, labels, strict=True):
            assert (r, i, j) not in self.seen, "no label is bought twice"
            self.seen[r, i, j] = label
        self.order.append(items.copy())
        return labels


def test_policy_that_looks_at_the_budget_left_is_simulated_as_it_is_valued():
    """Four standard errors, false-alarm rate 6e-5; fixed seed."""
    result = sa.simulate(PROBLEM, Endgame(), replications=1000, seed=3)
    assert abs(result.mean - sa.evaluate(PROBLEM, Endgame()).value) < 4 * result.standard_error
    # Round robin until four units are left, then one of the items most labelled.
    assert sorted(sa.simulate(PROBLEM, Endgame(), replications=1, seed=3).labels.tolist()) == [1, 1, 6]
    session = sa.Session(PROBLEM, Endgame(), seed=3)
    for _ in range(8):
        session.tell(session.ask(), 1)
    assert sorted(session.counts.tolist()) == [1, 1, 6]


@pytest.mark.deep
@pytest.mark.parametrize(
    "problem", [PROBLEM, CAPPED, BELIEFS, BANDIT], ids=["unequal", "capped", "beliefs and rewards", "bandit"]
)
@pytest.mark.parametrize("name", VALUED)
def test_simulated_mean_agrees_with_the_exact_value(name, problem):
    """Four standard errors: false-alarm rate 6e-5 for each policy and problem; fixed seed."""
    if name == "gittins" and problem.reward.any():
        with pytest.raises(ValueError, match="reward of item 1 is"):
            sa.simulate(problem, name, replications=1000, seed=3)
        return
    result = sa.simulate(problem, name, replications=1000, seed=3)
    exact = sa.evaluate(problem, sa.make_policy(name)).value
    assert result.policy == name
    assert result.standard_error < 0.03 * abs(exact)
    assert abs(result.mean - exact) < 4 * result.standard_error


def test_answer_does_not_depend_on_workers_or_on_the_order_of_policies():
    names = ["variance-reduction", "uniform", "exact"]
    alone = {name: simulate(PROBLEM, name, replications=9, seed=5) for name in names}
    for name in reversed(names):
        shared = simulate(PROBLEM, name, replications=9, seed=5, n_jobs=2)
        assert np.array_equal(shared.values, alone[name].values)
        assert np.array_equal(shared.labels, alone[name].labels)


@pytest.mark.parametrize("name", POLICIES)
def test_replication_is_the_same_beside_any_number_of_others(name, monkeypatch):
    many = simulate(PROBLEM, name, replications=13, seed=5).values
    assert np.array_equal(simulate(PROBLEM, name, replications=4, seed=5).values, many[:4])
    # However memory forces the replications to be cut into parts.
    module = importlib.import_module("seqaudit.bandits.simulation.simulate")
    monkeypatch.setattr(module, "_PAIRS_AT_ONCE", 2 * PROBLEM.size)
    assert np.array_equal(simulate(PROBLEM, name, replications=13, seed=5).values, many)


@pytest.mark.smoke
def test_policies_that_label_the_same_item_see_the_same_labels():
    records = []
    for name in ("variance-reduction", "round-robin", "high-logratio"):
        record = Record(PROBLEM, 5, 60)
        spend(PROBLEM, sa.make_policy(name), record, record.keys)
        records.append(record)
    first, second, third = (record.seen for record in records)
    for one, other in ((first, second), (second, third)):
        common = one.keys() & other.keys()
        assert len(common) > 100
        assert len(one) > len(common), "the policies differ"
        assert {one[key] for key in common} == {0, 1}
        assert all(one[key] == other[key] for key in common)
    assert not np.array_equal(records[0].order, records[1].order)


def test_rates_are_the_same_for_every_policy_and_make_differences_sharper():
    one, other = (simulate(PROBLEM, name, replications=300, seed=5) for name in ("variance-reduction", "round-robin"))
    difference = (one.values - other.values).std(ddof=1)
    assert difference < 0.9 * np.hypot(one.values.std(ddof=1), other.values.std(ddof=1))


def test_rates_follow_the_prior():
    """Kolmogorov-Smirnov, false-alarm rate 1e-4 for each item; fixed seed."""
    priors = [(1, 1), (2, 5), (0.5, 0.5), (30, 3)]
    problem = sa.Problem([0.5] * 4, 3, prior=priors)
    seeds, keys = replication_keys(12, 3000)
    rate = PriorNature.draw(problem, seeds, keys).rate
    assert rate.shape == (3000, 4)
    for i, (a, b) in enumerate(priors):
        assert stats.kstest(rate[:, i], stats.beta(a, b).cdf).pvalue > 1e-4
    assert np.abs(np.corrcoef(rate.T)[np.triu_indices(4, 1)]).max() < 4 / np.sqrt(3000)


def test_chance_of_a_win_follows_beliefs_of_every_kind():
    """Kolmogorov-Smirnov and four standard errors, false-alarm rates 1e-4 and 6e-5 for each item; fixed seed."""
    seeds, keys = replication_keys(12, 3000)
    rate = PriorNature.draw(BELIEFS, seeds, keys).rate
    assert rate.shape == (3000, 4)
    assert stats.kstest(rate[:, 1], lambda q: stats.beta(2, 1).cdf((q - 0.2) / 0.6)).pvalue > 1e-4
    assert stats.kstest(rate[:, 2], lambda q: stats.norm(0.5, 1.0).cdf(np.log(q) - np.log1p(-q))).pvalue > 1e-4
    assert set(rate[:, 3].tolist()) == {0.3, 0.5, 0.9}
    for i, belief in enumerate(BELIEFS.prior):
        assert abs(rate[:, i].mean() - belief.mean) < 4 * rate[:, i].std() / np.sqrt(3000)


def test_labels_follow_the_rates():
    """Binomial counts and independence of successive labels, four standard errors: false-alarm rate 6e-5 each."""
    _, keys = replication_keys(12, 2000)
    rate = np.tile([0.0, 0.2, 0.7, 1.0], (2000, 1))
    nature = PriorNature(rate, keys)
    rows = np.arange(2000)
    labels = np.array([[nature.labels(rows, np.full(2000, i), np.full(2000, j)) for j in (0, 1)] for i in range(4)])
    assert set(np.unique(labels)) == {0, 1}
    assert (labels[0] == 0).all()
    assert (labels[3] == 1).all()
    for i, p in ((1, 0.2), (2, 0.7)):
        assert abs(labels[i].mean() - p) < 4 * np.sqrt(p * (1 - p) / 4000)
        assert abs(np.corrcoef(labels[i])[0, 1]) < 4 / np.sqrt(2000)
    assert abs(np.corrcoef(labels[1, 0], labels[2, 0])[0, 1]) < 4 / np.sqrt(2000)


@given(
    cap=st.lists(st.integers(0, 4), min_size=1, max_size=4),
    budget=st.integers(1, 9),
    name=st.sampled_from([name for name in POLICIES if name != "exact"]),
    seed=st.integers(0, 10**6),
)
@settings(max_examples=60)
def test_labels_add_up_to_the_budget_and_respect_caps(cap, budget, name, seed):
    problem = sa.Problem(np.linspace(0.2, 0.8, len(cap)), budget, cap=cap)
    record = Record(problem, seed, 3)
    counts, wins = spend(problem, sa.make_policy(name), record, record.keys)
    assert (counts.sum(axis=1) == min(budget, sum(cap))).all()
    assert (counts <= cap).all()
    # What was bought is what was counted: labels 0, 1, ... of each item in turn.
    for r in range(3):
        for i in range(len(cap)):
            bought = [label for (row, item, _), label in record.seen.items() if (row, item) == (r, i)]
            assert len(bought) == counts[r, i]
            assert sum(bought) == wins[r, i]
            assert {j for row, item, j in record.seen if (row, item) == (r, i)} == set(range(counts[r, i]))


def test_observer_sees_the_state_at_each_stop():
    record = Record(PROBLEM, 1, 4)
    stops = {}

    def observe(bought, counts, wins):
        stops[bought] = (counts.copy(), wins.copy())

    counts, wins = spend(PROBLEM, sa.RoundRobin(), record, record.keys, stops=(0, 3, 8), observe=observe)
    assert list(stops) == [0, 3, 8]
    for bought, (n, w) in stops.items():
        assert (n.sum(axis=1) == bought).all()
        assert (w <= n).all()
    assert (stops[3][0] == 1).all()
    assert np.array_equal(stops[8][0], counts)
    assert np.array_equal(stops[8][1], wins)


def test_mean_labels_are_those_bought():
    record = Record(CAPPED, 9, 25)
    counts, wins = spend(CAPPED, sa.UncertaintySampling(), record, record.keys)
    result = simulate(CAPPED, "uncertainty", replications=25, seed=9)
    assert result.labels == pytest.approx(counts.mean(axis=0), rel=1e-14)
    assert result.labels.sum() == pytest.approx(7, rel=1e-14)
    assert np.array_equal(result.values, final_values(CAPPED, counts, wins))


def test_final_value_is_the_expected_payoff_under_the_final_beliefs():
    counts, wins = np.array([[3, 0, 5]]), np.array([[1, 0, 5]])
    tails = [stats.beta(2, 3).sf(0.55), stats.beta(2, 3).sf(0.41), stats.beta(5.5, 0.5).sf(0.8)]
    expected = sum(v * max(p, 1 - p) for v, p in zip([1.0, 2.0, 0.5], tails, strict=True))
    assert final_values(PROBLEM, counts, wins) == pytest.approx([expected], rel=1e-12)
    rewarded = sa.Problem([0.55, 0.41, 0.8], 8, reward=[1.0, -2.0, 0.5], utility=None)
    assert final_values(rewarded, counts, wins) == pytest.approx([3.5], rel=1e-14)


def test_standard_error_is_that_of_the_mean():
    result = simulate(PROBLEM, "kg", replications=50, seed=2)
    assert result.mean == np.mean(result.values)
    assert result.standard_error == pytest.approx(stats.sem(result.values), rel=1e-14)


@pytest.mark.deep
def test_standard_error_covers_the_exact_value_as_it_should():
    """Sum of squared z over 60 seeds is chi-square but for small-sample tails: two-sided false-alarm rate 1e-4."""
    exact = sa.evaluate(PROBLEM, sa.VarianceReduction()).value
    runs = [simulate(PROBLEM, "variance-reduction", replications=100, seed=seed) for seed in range(60)]
    total = sum(((run.mean - exact) / run.standard_error) ** 2 for run in runs)
    assert stats.chi2(60).ppf(5e-5) < total < stats.chi2(60).ppf(1 - 5e-5)


def test_single_replication_has_no_standard_error():
    result = simulate(PROBLEM, "kg", replications=1, seed=2)
    assert result.values.shape == (1,)
    assert np.isnan(result.standard_error)
    assert np.isfinite(result.mean)


@pytest.mark.parametrize("replications", [0, -3])
def test_no_replications_are_refused(replications):
    with pytest.raises(ValueError, match=f"replications is {replications}; it must be a whole number, at least 1"):
        simulate(PROBLEM, "kg", replications=replications, seed=2)


def test_unknown_policy_is_refused_before_any_work():
    with pytest.raises(ValueError, match="did you mean 'kg'"):
        simulate(PROBLEM, "kq", seed=2)


def test_seed_is_an_integer_a_seed_sequence_or_a_generator():
    def values(seed):
        return simulate(PROBLEM, "uniform", replications=5, seed=seed).values

    root = np.random.SeedSequence(4)
    assert np.array_equal(values(4), values(root))
    assert np.array_equal(values(root), values(root)), "a SeedSequence is not used up"
    assert not np.array_equal(values(4), values(5))
    assert not np.array_equal(values(root), values(root.spawn(1)[0]))
    stream, again = np.random.default_rng(4), np.random.default_rng(4)
    first = values(stream)
    assert np.array_equal(first, values(again))
    assert not np.array_equal(first, values(stream)), "a Generator moves on"
    with pytest.raises(ValueError, match="seed is None; it must be a whole number, at least 0, a SeedSequence or"):
        values(None)


def test_large_problem_needs_no_lattice():
    problem = sa.Problem(np.linspace(0.2, 0.8, 400), 500)
    with pytest.raises(sa.ProblemTooLarge):
        sa.solve(problem)
    result = simulate(problem, "variance-reduction", replications=4, seed=1)
    assert result.labels.sum() == pytest.approx(500, rel=1e-12)
    assert result.mean > problem.prior_value


def test_more_replications_than_memory_holds_are_refused_at_once():
    with pytest.raises(ValueError, match=r"replications is 1000000000000; \d+ fit in the memory available"):
        sa.simulate(sa.Problem([0.5], budget=2), "kg", replications=10**12, seed=7)


LONG = sa.Problem([0.5, 0.7], budget=10**9)


@pytest.mark.parametrize(
    "run",
    [
        lambda: sa.simulate(LONG, "kg", seed=7),
        lambda: sa.certify(LONG),
        lambda: sa.budget_curve(LONG, ["kg"], points=2, seed=7),
        lambda: sa.vary(sa.Problem.from_logratio([0.0, 1.0], beta=1.0, budget=10**9), "beta", [0.5, 1.0]),
    ],
    ids=["simulate", "certify", "budget_curve", "vary"],
)
def test_runs_that_would_take_hours_are_refused_at_once(run):
    with pytest.raises(sa.ProblemTooLarge, match="one run has up to 1,000,000,000 labels, 10,000,000 are allowed"):
        run()


def test_many_items_may_have_a_thousand_labels_each():
    require_length(sa.Problem(np.full(20_000, 0.5), budget=20_000_000))
    with pytest.raises(sa.ProblemTooLarge):
        require_length(sa.Problem(np.full(20_000, 0.5), budget=20_000_001))


def test_payoffs_near_the_largest_number_have_means_and_errors():
    small, large = (sa.Problem([0.5, 0.6], budget=4, weight=[x, x]) for x in (1.0, 2.0**900))
    for ask in (
        lambda problem: sa.simulate(problem, "kg", replications=50, seed=7),
        lambda problem: sa.certify(problem, "kg", exact=False),
    ):
        assert ask(large).standard_error == pytest.approx(2.0**900 * ask(small).standard_error, rel=1e-12)
