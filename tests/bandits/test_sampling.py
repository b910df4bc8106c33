"""Policies that draw: their probabilities against plain enumeration, and draws against probabilities."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import seqaudit as sa
from seqaudit.bandits.kernels import sampling as kernels
from seqaudit.bandits.policies.thompson import gauss_rule, recalled, sampled_chances
from seqaudit.bandits.scoring import scores_of
from seqaudit.dp.problem.availability import Availability

SAMPLING = [sa.Thompson(), sa.TopTwo(), sa.EpsilonAudit(), sa.SoftmaxAudit()]
NAMES = [policy.name for policy in SAMPLING]


def largest_by_enumeration(high, low, chance):
    """Probabilities of being the largest positive number, over all 2^N outcomes in exact arithmetic."""
    out = [Fraction(0)] * len(high)
    for outcome in itertools.product((0, 1), repeat=len(high)):
        numbers = [h if z else x for h, x, z in zip(high, low, outcome, strict=True)]
        probability = Fraction(1)
        for q, z in zip(chance, outcome, strict=True):
            probability *= Fraction(q) if z else 1 - Fraction(q)
        best = max(numbers)
        if best > 0:
            tied = [i for i, x in enumerate(numbers) if x == best]
            for i in tied:
                out[i] += probability / len(tied)
    total = sum(out)
    return [float(x / total) for x in out] if total else None


levels = st.sampled_from([0.0, 0.25, 0.5, 1.0, 3.0])
numbers = st.tuples(levels, levels, st.sampled_from([0.0, 1e-30, 0.1, 0.25, 0.5, 0.9, 1.0]))


@settings(max_examples=150)
@given(st.lists(numbers, min_size=1, max_size=7))
def test_probability_of_the_largest_number_agrees_with_enumeration(rows):
    high = np.array([[max(x, y) for x, y, _ in rows]])
    low = np.array([[min(x, y) for x, y, _ in rows]])
    chance = np.array([[q for _, _, q in rows]])
    out = np.empty(high.shape)
    nodes, weights = gauss_rule(len(rows))
    able, kept = np.ones(high.shape, dtype=bool), recalled(*high.shape, len(nodes))
    kernels.largest_of_two_point(high, low, chance, able, nodes, weights, kept, out)
    expected = largest_by_enumeration(high[0].tolist(), low[0].tolist(), chance[0].tolist())
    assert out[0] == pytest.approx([1 / len(rows)] * len(rows) if expected is None else expected, abs=1e-13, rel=1e-12)


def test_many_items_that_tie_are_even():
    n = 2000
    problem = sa.Problem(np.full(n, 0.7), n)
    start = np.zeros((1, n), dtype=np.int64)
    given = sampled_chances(problem, start, start, np.ones((1, n), dtype=bool))
    assert given[0] == pytest.approx(np.full(n, 1 / n), rel=1e-9)


def test_thompson_draws_the_items_whose_sampled_indicator_costs_most():
    problem = sa.Problem(
        [0.55, 0.41, 0.8], 6, weight=[1.0, 2.5, 0.5], cost=[1.0, 2.0, 0.5], prior=[(1, 1), (2, 3), (1, 4)]
    )
    counts, wins = np.array([[2, 1, 0]]), np.array([[1, 0, 0]])
    p = problem.tail_at(counts, wins)[0]
    rng = np.random.default_rng(5)
    tally, draws = np.zeros(3), 0
    rates = [
        rng.beta(a + w, b + n - w, 200_000) for (a, b), n, w in zip(problem.prior, counts[0], wins[0], strict=True)
    ]
    sampled = np.stack([x > t for x, t in zip(rates, problem.threshold, strict=True)], axis=1)
    loss = np.where(sampled != (p > 0.5), problem.weight / problem.cost, 0.0)
    for row in loss[(loss > 0).any(axis=1)]:
        best = row == row.max()
        tally += best / best.sum()
        draws += 1
    found = sa.Thompson().action_probabilities(problem, counts, wins, np.ones((1, 3), dtype=bool))[0]
    error = np.sqrt(found * (1 - found) / draws)
    assert np.all(np.abs(tally / draws - found) < 4 * error)


@pytest.mark.parametrize(
    "utility", ["variance", "entropy", {"name": "asymmetric", "gain": 1, "loss": 3}, {"name": "decisive", "eps": 0.05}]
)
def test_sampled_losses_are_the_utility_s_own(utility):
    problem = sa.Problem([0.55, 0.41, 0.8], 6, weight=[1.0, 2.5, 0.5], utility=utility)
    counts, wins = np.array([[2, 1, 0]]), np.array([[1, 1, 0]])
    p, h = problem.tail_at(counts, wins)[0], problem.utility
    losses = []
    for z in (1.0, 0.0):
        losses.append(problem.weight * (h(np.full(3, z)) - h.score(p, np.full(3, z))))
    high, low = np.maximum(*losses), np.minimum(*losses)
    chance = np.where(losses[0] >= losses[1], p, 1 - p)
    expected = largest_by_enumeration(high.tolist(), low.tolist(), chance.tolist())
    found = sampled_chances(problem, counts, wins, np.ones((1, 3), dtype=bool))[0]
    assert found == pytest.approx(expected, rel=1e-12)


def test_under_a_callable_a_wrong_decision_costs_the_weight():
    fields = {"threshold": [0.55, 0.41, 0.8], "budget": 6, "weight": [1.0, 2.5, 0.5]}
    start, usable = np.zeros((1, 3), dtype=np.int64), np.ones((1, 3), dtype=bool)
    plain = sampled_chances(sa.Problem(**fields), start, start, usable)
    own = sampled_chances(sa.Problem(**fields, utility=lambda p: np.maximum(p, 1 - p)), start, start, usable)
    assert own == pytest.approx(plain, rel=1e-14)


@given(st.lists(st.integers(0, 5), min_size=2, max_size=5).filter(any), st.floats(0, 1))
def test_top_two_agrees_with_its_own_story(mass, leader):
    chance = np.array([mass], dtype=float) / sum(mass)
    out = np.empty(chance.shape)
    kernels.top_two(chance, leader, out)
    expected = np.zeros(len(mass))
    for i, first in enumerate(chance[0]):
        challengers = np.where(np.arange(len(mass)) == i, 0.0, chance[0])
        if challengers.sum() == 0:
            expected[i] += first
        else:
            expected[i] += leader * first
            expected += (1 - leader) * first * challengers / challengers.sum()
    assert out[0] == pytest.approx(expected, abs=1e-14)
    assert out.sum() == pytest.approx(1)


def test_top_two_without_a_challenger_is_thompson_sampling():
    problem = sa.Problem([0.5, 0.7, 0.4], 6, weight=[1, 2, 1])
    assert sa.evaluate(problem, sa.TopTwo(leader=1.0)).value == pytest.approx(sa.evaluate(problem, sa.Thompson()).value)


@pytest.mark.parametrize("base", ["kg", "audit-index", "lagrangian"])
def test_exploration_ends_in_the_base_and_in_uniform_sampling(base):
    problem = sa.Problem([0.5, 0.7, 0.4], 5, weight=[1, 2, 1])
    plain, even = (sa.evaluate(problem, sa.make_policy(name)).value for name in (base, "uniform"))
    assert sa.evaluate(problem, sa.EpsilonAudit(base, epsilon=0.0)).value == pytest.approx(plain, abs=1e-13)
    assert sa.evaluate(problem, sa.EpsilonAudit(base, epsilon=1.0)).value == pytest.approx(even, abs=1e-13)
    if base != "lagrangian":
        assert sa.evaluate(problem, sa.SoftmaxAudit(base, temperature=1e9)).value == pytest.approx(even, abs=1e-7)
        assert sa.evaluate(problem, sa.SoftmaxAudit(base, temperature=1e-9)).value == pytest.approx(plain, abs=1e-7)


def test_softmax_does_not_depend_on_the_unit_of_weight():
    fields = {"threshold": [0.5, 0.7, 0.4], "budget": 5}
    one, other = (
        sa.evaluate(sa.Problem(**fields, weight=u * np.array([1.0, 2.0, 1.0])), sa.SoftmaxAudit()).value / u
        for u in (1.0, 2.0**40)
    )
    assert one == pytest.approx(other, rel=1e-13)


@pytest.mark.parametrize("policy", SAMPLING, ids=NAMES)
def test_draws_in_a_simulation_follow_the_probabilities(policy):
    # Four standard errors: by chance false in about 3 of 100,000 comparisons; 12 are made.
    problem = sa.Problem([0.55, 0.41, 0.8], 1, weight=[1.0, 2.5, 0.5])
    start = np.zeros((1, 3), dtype=np.int64)
    chance = policy.action_probabilities(problem, start, start, np.ones((1, 3), dtype=bool))[0]
    found = sa.simulate(problem, policy, replications=4000, seed=11).labels
    assert np.all(np.abs(found - chance) <= 4 * np.sqrt(chance * (1 - chance) / 4000) + 1e-12)


@pytest.mark.parametrize("policy", SAMPLING, ids=NAMES)
def test_sampling_keeps_to_what_can_be_labelled(policy):
    problem = sa.Problem([0.55, 0.41, 0.8], 5, cost=[1, 1.5, 0.75], cap=[2, 2, 1], quota=[([1], 1)])
    rules = Availability(problem)
    counts = np.array([[0, 0, 0], [2, 0, 1], [1, 1, 1], [2, 1, 0]])
    usable = rules.items(counts)
    given = policy.action_probabilities(problem, counts, counts // 2, usable)
    assert np.all(given[~usable] == 0)
    assert given.sum(axis=1) == pytest.approx(np.ones(4))


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: sa.TopTwo(leader=1.5), "leader is 1.5; it must be a number from 0 to 1"),
        (lambda: sa.EpsilonAudit(epsilon=-0.1), "epsilon is -0.1"),
        (lambda: sa.EpsilonAudit(base=3), "base is 3; allowed: a policy or a registered name"),
        (lambda: sa.EpsilonAudit(base="kgg"), "did you mean 'kg'"),
        (lambda: sa.SoftmaxAudit(temperature=0), "temperature is 0; it must be positive and finite"),
        (lambda: sa.SoftmaxAudit(base="thompson"), "has no scores"),
        (lambda: sa.Thompson(ties="first"), "allowed: 'random', since it draws among tied items"),
        (lambda: sa.TopTwo(ties="first"), "it draws"),
        (lambda: sa.SoftmaxAudit(ties="first"), "it draws"),
    ],
)
def test_wrong_settings_are_refused(make, says):
    with pytest.raises(ValueError, match=says):
        make()


@given(st.lists(st.floats(-40, 0), min_size=3, max_size=5), st.floats(0, 1))
def test_top_two_keeps_its_digits_beside_a_leader_that_is_almost_certain(logs, leader):
    mass = np.exp(np.array(logs)) * np.r_[1e-8, np.ones(len(logs) - 1), 1e-8][: len(logs)]
    chance = (mass / mass.sum())[None]
    out = np.empty(chance.shape)
    kernels.top_two(chance, leader, out)
    exact = [Fraction(float(x)) for x in chance[0]]
    total = sum(exact)
    expected = [
        q * (Fraction(leader) + (1 - Fraction(leader)) * sum(p / (total - p) for j, p in enumerate(exact) if j != i))
        for i, q in enumerate(exact)
    ]
    assert out[0] == pytest.approx([float(x) for x in expected], rel=1e-12)


def test_exploration_around_a_wrapper_keeps_its_rules():
    problem = sa.Problem([0.5] * 6, 12, batch=4)
    covered = sa.MinimumCoverage("kg", ["a"] * 5 + ["b"], {"b": 4})
    for epsilon in (0.0, 0.5, 1.0):
        policy = sa.EpsilonAudit(covered, epsilon=epsilon)
        for seed in range(20):
            assert sa.simulate(problem, policy, replications=1, seed=seed).labels[5] >= 4
    apart = sa.DiverseBatch("kg", [[0.0], [0.01], [1.0], [5.0]])
    for policy in (apart, sa.EpsilonAudit(apart, epsilon=0.0)):
        session = sa.Session(sa.Problem([0.5, 0.5, 0.5, 0.5], 4, batch=2), policy, seed=3)
        assert abs(session.ask() - session.ask()) >= 2


def test_exploration_takes_the_first_of_what_ties_in_its_base():
    problem = sa.Problem([0.5, 0.5], 3)
    start = np.zeros((1, 2), dtype=np.int64)
    policy = sa.EpsilonAudit("kg", epsilon=0.0, ties="first")
    assert policy.action_probabilities(problem, start, start, np.ones((1, 2), dtype=bool))[0].tolist() == [1.0, 0.0]


def test_remembered_numbers_of_different_items_do_not_meet():
    problem = sa.Problem([0.5, 0.5], 10**6)
    counts, wins = np.array([[370_727, 0]]), np.array([[37_108, 0]])
    assert (
        scores_of(sa.AuditIndex(), problem, counts, wins).tolist()
        == sa.AuditIndex().scores(problem, counts, wins).tolist()
    )
