"""Costs, caps, quotas, batches, rewards and beliefs of every kind: optimum and policies against plain Python."""

from __future__ import annotations

import itertools
import math
import pickle
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import recursion
from oracles.beliefs import Beta, Grid, LogitNormal, Mixture, Noisy, beliefs, exact_beliefs, grids
from oracles.family import Case, Item, Oracle, arrays
from oracles.family_cases import families
from scipy.integrate import quad
from scipy.stats import beta, betabinom

import seqaudit as sa
from seqaudit.bandits.registry import registered_policies

thresholds = st.integers(3, 19).map(lambda x: x / 20)


# The oracle against itself and against closed forms.


@given(exact_beliefs, st.integers(0, 5), thresholds)
def test_plain_beliefs_obey_the_chain_rule_and_the_martingale_exactly(belief, n, threshold):
    orders = itertools.product((0, 1), repeat=n)
    assert sum(belief.mass(n, sum(order)) for order in orders) == 1
    for w in range(n + 1):
        chance, wins = 1, 0
        for k in range(n):
            label = int(k < w)
            mu = belief.mean(k, wins)
            chance *= mu if label else 1 - mu
            wins += label
        assert chance == belief.mass(n, w)
        mu, up, down = belief.mean(n, w), belief.tail(n + 1, w + 1, threshold), belief.tail(n + 1, w, threshold)
        assert mu * up + (1 - mu) * down == belief.tail(n, w, threshold)


@pytest.mark.parametrize("threshold", [0.3, 0.62])
@pytest.mark.parametrize(("n", "w"), [(0, 0), (3, 1), (6, 6)])
def test_plain_beliefs_agree_with_integrals_over_the_rate(n, w, threshold):
    def ratio(likelihood, low):
        parts = [quad(likelihood, start, 1, points=[0.1, 0.5, 0.9])[0] for start in (low, 0)]
        return parts[0] / parts[1]

    def density(x):
        return 0.7 * beta.pdf(x, 2, 1) + 0.3 * beta.pdf(x, 1.5, 4)

    def noisy(x):
        q = 0.9 * x + 0.1 * (1 - x)
        return beta.pdf(x, 2, 3) * q**w * (1 - q) ** (n - w)

    mixture = ratio(lambda x: density(x) * x**w * (1 - x) ** (n - w), threshold)
    assert Mixture((0.7, 0.3), (2, 1.5), (1, 4)).tail(n, w, threshold) == pytest.approx(mixture, rel=1e-8)
    assert float(Noisy(2, 3, 0.1).tail(n, w, threshold)) == pytest.approx(ratio(noisy, threshold), rel=1e-8)
    rates = 1 / (1 + np.exp(-(0.4 + 1.3 * np.linspace(-9, 9, 200_001))))
    weight = np.exp(-(np.linspace(-9, 9, 200_001) ** 2) / 2) * rates**w * (1 - rates) ** (n - w)
    fine = weight[rates > threshold].sum() / weight.sum()
    assert LogitNormal(0.4, 1.3).tail(n, w, threshold) == pytest.approx(fine, rel=1e-4)
    assert LogitNormal(0.4, 1.3).mean(n, w) == pytest.approx((weight * rates).sum() / weight.sum(), rel=1e-8)


@settings(max_examples=30)
@given(recursion.cases(shrink=1))
def test_plain_family_without_its_features_is_the_plain_recursion(case):
    items = tuple(Item(x.threshold, x.weight, Beta(x.a, x.b), x.cap) for x in case.items)
    oracle, plain = Oracle(Case(items, case.budget, case.utility)), recursion.Recursion(case)
    value, best = plain.optimum()
    assert oracle.optimum()[0] == pytest.approx(value, abs=1e-12)
    assert {s: sorted(d.index(1) for d in moves) for s, moves in oracle.optimum()[1].items()} == best
    for policy in ("kg", "uncertainty"):
        assert oracle.value_of(oracle.index_rule(policy)) == pytest.approx(plain.value_of(policy), abs=1e-12)


@settings(max_examples=30)
@given(families(prior=st.builds(Beta, st.integers(1, 4), st.integers(1, 4)), quotas=0, batch=False))
def test_plain_one_shot_optimum_is_the_best_allocation(case):
    if case.labels == 0:
        return

    def worth(item, n):
        a, b = item.prior.a, item.prior.b
        wins = np.arange(n + 1)
        p = beta.sf(item.threshold, a + wins, b + n - wins)
        pays = item.weight * np.array([float(recursion.UTILITIES["variance"].h(x)) for x in p]) + item.reward * wins
        return betabinom.pmf(wins, n, a, b) @ pays - case.label_price * item.cost * n

    # Whatever can be bought in one batch and leaves nothing to buy; or nothing at all.
    last = [(0,) * len(case.items), *(n for n in case.reachable if not case.moves(n))]
    best = max(sum(worth(item, k) for item, k in zip(case.items, n, strict=True)) for n in last)
    whole = Case(case.items, case.budget, "variance", (), case.labels, case.label_price)
    assert Oracle(whole).optimum()[0] == pytest.approx(best, abs=1e-12)


# The package against the oracle.


@settings(max_examples=200)
@given(families())
def test_optimum_of_any_problem_agrees_with_plain_python(case):
    oracle, solution = Oracle(case), sa.solve(case.stated())
    value, best = oracle.optimum()
    assert solution.value == pytest.approx(value, abs=1e-10)
    assert solution.prior_value == pytest.approx(float(oracle.value_at_once()), abs=1e-12)
    if case.labels:
        assert sorted(map(tuple, solution.optimal_batches().tolist())) == sorted(best[oracle.start])


@given(families())
def test_number_of_labels_is_the_largest_that_can_be_bought(case):
    problem = case.stated()
    assert problem.labels == case.labels
    assert problem.cap.tolist() == list(case.caps)


@settings(max_examples=60)
@given(
    families(
        utility=st.sampled_from(("accuracy", "asymmetric", "variance", "linear", "none")),
        prior=exact_beliefs,
        shrink=1,
    )
)
def test_optimum_of_any_problem_agrees_with_rational_arithmetic(case):
    assert sa.solve(case.stated()).value == pytest.approx(float(Oracle(case, exact=True).optimum()[0]), abs=1e-13)


@settings(max_examples=100)
@given(families(batch=False))
def test_kept_policy_of_any_sequential_problem_is_the_set_of_maximisers(case):
    solution = sa.solve(case.stated(), keep_policy=True)
    for state, best in Oracle(case).optimum()[1].items():
        assert solution.optimal_items(*arrays(state)).tolist() == sorted(d.index(1) for d in best)
        assert solution.action(*arrays(state)) == min((d.index(1) for d in best), default=-1)


@settings(max_examples=60)
@given(families(batch=False, prior=st.builds(Beta, st.integers(1, 3), st.integers(1, 3))))
def test_dense_solution_visits_the_labels_that_the_quotas_allow(case):
    assert sa.solve(case.stated(), reduce=False).states == sum(1 for _ in case.states())


NAMES = ("round-robin", "uncertainty", "high-logratio", "audit-index", "linear-gain")
RULES = [(name, ties) for name in (*NAMES, "exact") for ties in ("random", "first")]


def value_of(problem: sa.Problem, name: str, ties: str) -> float:
    return sa.evaluate(problem, registered_policies()[name](ties=ties)).value


@pytest.mark.parametrize(("name", "ties"), [("uniform", "random"), *RULES])
@settings(max_examples=25)
@given(case=families(batch=False))
def test_value_of_a_policy_on_any_sequential_problem_agrees_with_plain_python(name, ties, case):
    oracle = Oracle(case)
    rule = oracle.optimal_rule(ties) if name == "exact" else oracle.index_rule(name, ties)
    assert value_of(case.stated(), name, ties) == pytest.approx(oracle.value_of(rule), abs=1e-10)


@pytest.mark.parametrize("name", ["kg", "optimistic-kg", "variance-reduction"])
@settings(max_examples=50)
@given(case=families(batch=False))
def test_gains_in_payoff_are_compared_per_unit_of_cost(name, case):
    oracle = Oracle(case)
    assert value_of(case.stated(), name, "random") == pytest.approx(oracle.value_of(oracle.index_rule(name)), abs=1e-10)


@settings(max_examples=60)
@given(families(batch=False))
def test_no_policy_beats_the_optimum_of_any_problem(case):
    problem = case.stated()
    best = sa.solve(problem).value
    for name in ("kg", "uncertainty", "round-robin"):
        assert value_of(problem, name, "random") <= best + 1e-12
    assert value_of(problem, "exact", "random") == pytest.approx(best, abs=1e-11)


# Beliefs.


@given(beliefs | grids(st.integers(0, 20).map(lambda x: x / 20)), thresholds, st.integers(0, 6))
def test_belief_tables_agree_with_plain_python(belief, threshold, most):
    mean, tail, jump = belief.stated().tables(most, threshold)
    for n, w in np.argwhere(np.tri(most + 1)).tolist():
        if belief.mass(n, w) == 0:
            continue
        assert mean[n, w] == pytest.approx(float(belief.mean(n, w)), abs=1e-12)
        assert tail[n, w] == pytest.approx(float(belief.tail(n, w, threshold)), abs=1e-12)
        if 0 < belief.mean(n, w) < 1:
            up, down = belief.tail(n + 1, w + 1, threshold), belief.tail(n + 1, w, threshold)
            assert jump[n, w] == pytest.approx(float(up - down), abs=1e-12)
    assert not any(np.triu(table, 1).any() for table in (mean, tail, jump))


@settings(max_examples=5)
@given(families(prior=st.sampled_from((LogitNormal(0.3, 0.8), LogitNormal(-1.0, 2.0))), shrink=1))
def test_optimum_under_logit_normal_beliefs_agrees_with_numerical_integration(case):
    assert sa.solve(case.stated()).value == pytest.approx(Oracle(case).optimum()[0], abs=1e-7)


@settings(max_examples=50)
@given(families(prior=grids(st.sampled_from((0.0, 0.25, 0.6, 1.0)))))
def test_rates_of_zero_and_one_leave_out_what_cannot_happen(case):
    assert sa.solve(case.stated()).value == pytest.approx(Oracle(case).optimum()[0], abs=1e-10)


@settings(max_examples=30)
@given(families(prior=st.builds(Beta, st.integers(1, 4), st.integers(1, 4))))
def test_beliefs_that_amount_to_a_beta_belief_have_its_value(case):
    value = sa.solve(case.stated()).value
    pairs = [(x.prior.a, x.prior.b) for x in case.items]
    for same in (
        [sa.BetaMixture([0.3, 0.7], [a, a], [b, b]) for a, b in pairs],
        [sa.NoisyBeta(a, b, 0.0) for a, b in pairs],
        [sa.Beta(a, b) if i % 2 else sa.NoisyBeta(a, b, 0) for i, (a, b) in enumerate(pairs)],
    ):
        assert sa.solve(case.stated(prior=same)).value == pytest.approx(value, abs=1e-12)


def test_one_belief_stands_for_every_item():
    belief = sa.BetaMixture([1, 2], [1, 5], [4, 2])
    shared, listed = (sa.Problem([0.5, 0.7], 6, prior=prior) for prior in (belief, [belief, belief]))
    assert shared == listed
    assert sa.solve(shared).value == sa.solve(listed).value


# Rewards.


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("prior", "horizon", "value", "rel"),
    [
        ([(1, 1), (1, 1)], 60, 38.562343246635564, 1e-12),
        ([(1, 1), (1, 1), (1, 1)], 10, 6.409642857143, 1e-12),
        ([(2, 1)], 25, 25 * 2 / 3, 1e-12),
    ],
)
def test_value_of_the_classical_bandit(prior, horizon, value, rel):
    problem = sa.Problem.bandit(prior=prior, horizon=horizon)
    assert sa.solve(problem).value == pytest.approx(value, rel=rel)
    assert sa.evaluate(problem, sa.Exact()).value == pytest.approx(value, rel=rel)


def test_bandit_is_a_problem_with_rewards_and_no_terminal_payoff():
    bandit = sa.Problem.bandit(prior=[(1, 1), (2, 3)], horizon=7, reward=2.0)
    stated = sa.Problem([0.5, 0.5], 7, prior=[(1, 1), (2, 3)], utility=None, reward=2.0)
    assert bandit == stated
    assert bandit.utility.name == "none"
    assert sa.Problem.bandit([(1, 1)] * 2, 7) == sa.Problem.bandit([sa.Beta(1, 1)] * 2, horizon=7, reward=[1.0, 1.0])
    assert sa.solve(stated).value == pytest.approx(2 * sa.solve(sa.Problem.bandit([(1, 1), (2, 3)], 7)).value)


@settings(max_examples=30)
@given(families(utility=st.just("linear"), count=st.just(1), reward=st.sampled_from((0.0, 0.25)), fee=st.just(0.0)))
def test_wins_of_a_single_item_pay_their_expected_number(case):
    (item,) = case.items
    expected = item.weight * item.prior.tail(0, 0, item.threshold) + item.reward * case.labels * item.prior.mean(0, 0)
    assert sa.solve(case.stated()).value == pytest.approx(float(expected), abs=1e-12)


@settings(max_examples=30)
@given(families(utility=st.just("none"), reward=st.just(0.0), fee=st.just(0.0)))
def test_nothing_to_earn_is_worth_nothing(case):
    assert sa.solve(case.stated()).value == 0


# Costs.


@settings(max_examples=30)
@given(families(), st.sampled_from((0.5, 2.0, 8.0)))
def test_only_the_ratio_of_costs_and_budget_matters(case, factor):
    dearer = tuple(Item(x.threshold, x.weight, x.prior, x.cap, x.cost * factor, x.reward) for x in case.items)
    budget = case.budget * factor
    scaled = replace(case, items=dearer, budget=int(budget) if float(budget).is_integer() else budget)
    scaled = replace(scaled, label_price=case.label_price / factor)
    if all(x.cost == 1 for x in dearer) and not float(budget).is_integer():
        return
    assert sa.solve(scaled.stated()).value == sa.solve(case.stated()).value


@pytest.mark.parametrize(("cost", "budget"), [(0.1, 0.7), (0.1, 0.1 * 7), (1 / 3, 7 / 3), (0.7, 4.9), (1e-3, 7e-3)])
def test_rounding_of_costs_loses_no_label(cost, budget):
    problem = sa.Problem([0.55, 0.4], budget, cost=cost)
    assert problem.labels == 7
    assert problem.cap.tolist() == [7, 7]
    assert sa.solve(problem).value == pytest.approx(sa.solve(sa.Problem([0.55, 0.4], 7)).value, rel=1e-13)


def test_item_dearer_than_the_budget_is_never_labelled():
    problem = sa.Problem([0.5, 0.5], 3, cost=[1, 4])
    assert (problem.labels, problem.cap.tolist()) == (3, [3, 0])
    assert sa.solve(problem).value == pytest.approx(sa.solve(sa.Problem([0.5], 3)).value + 0.5)


def test_tiny_and_huge_costs_are_as_good_as_others():
    plain = sa.Problem([0.5, 0.6], 4.5, cost=[0.5, 1], quota=[([1], 2)])
    for factor in (2.0**-60, 2.0**60):
        problem = sa.Problem([0.5, 0.6], 4.5 * factor, cost=[0.5 * factor, factor], quota=[([1], 2)])
        assert sa.solve(problem).value == sa.solve(plain).value
        assert sa.evaluate(problem, sa.RoundRobin()).value == sa.evaluate(plain, sa.RoundRobin()).value


# Quotas.


def test_quota_that_fixes_every_label_leaves_no_choice():
    problem = sa.Problem([0.5, 0.6, 0.7], 6, quota=[([0], 1), ([1], 3), ([2], 2)])
    pays = [sa.solve(sa.Problem([t], k)).value for t, k in ((0.5, 1), (0.6, 3), (0.7, 2))]
    assert sa.solve(problem).value == pytest.approx(math.fsum(pays), abs=1e-13)


def test_quota_names_items_by_name_or_number():
    by_name = sa.Problem([0.5, 0.6], 6, name=["sky", "sea"], quota=[(["sky"], 4), (["sea", "sky"], 5)])
    by_number = sa.Problem([0.5, 0.6], 6, name=["sky", "sea"], quota=[([0], 4), ([1, 0], 5)])
    assert by_name == by_number
    assert sa.solve(by_name).value == sa.solve(by_number).value


def test_quota_that_is_met_anyway_changes_nothing():
    free, bound = sa.Problem([0.5, 0.6], 6), sa.Problem([0.5, 0.6], 6, quota=[([0, 1], 6), ([0], 0)])
    assert sa.solve(free).value == sa.solve(bound).value


def test_quota_saves_the_budget_for_the_dear_item():
    # Four units: after two labels of item 1 the second label of item 2, at two units, could not be had.
    problem = sa.Problem([0.5, 0.5], 4, cost=[1, 2], quota=[([1], 1)])
    solution = sa.solve(problem, keep_policy=True)
    assert problem.labels == 3
    assert solution.optimal_items([2, 0], [1, 0]).tolist() == [1]
    with pytest.raises(ValueError, match=r"\[3, 0\]"):
        solution.optimal_items([3, 0], [1, 0])


def test_budget_that_is_short_by_a_hair_is_short():
    # Three labels of item 1 leave a ten-millionth too little for one of item 2.
    problem = sa.Problem([0.5, 0.6], 4, cost=[1.0000001, 1], quota=[([0], 3)])
    assert problem.labels == 3
    assert sa.solve(problem).value == pytest.approx(sa.solve(sa.Problem([0.5], 3)).value + 0.6, abs=1e-12)


# Batches.


@settings(max_examples=40)
@given(families(cost=st.just("unit"), quotas=0))
def test_no_batch_beats_one_label_at_a_time(case):
    one = sa.solve(case.stated(batch=1)).value
    assert sa.solve(case.stated()).value <= one + 1e-12


def test_one_batch_of_everything_is_the_best_fixed_allocation():
    problem = sa.Problem([0.5, 0.62, 0.7], 7, prior=[(1, 1), (2, 1), (1, 2)], weight=[1, 2, 1.5], batch=7)

    def worth(t, a, b, n):
        wins = np.arange(n + 1)
        p = beta.sf(t, a + wins, b + n - wins)
        return betabinom.pmf(wins, n, a, b) @ np.maximum(p, 1 - p)

    best = max(
        worth(0.5, 1, 1, n) + 2 * worth(0.62, 2, 1, m) + 1.5 * worth(0.7, 1, 2, 7 - n - m)
        for n in range(8)
        for m in range(8 - n)
    )
    assert sa.solve(problem).value == pytest.approx(best, abs=1e-12)


def test_last_batch_may_be_short():
    # Seven labels in batches of three: the last batch holds one.
    case = Case((Item(0.5), Item(0.6, 2.0)), 7, batch=3)
    assert sa.solve(case.stated()).value == pytest.approx(Oracle(case).optimum()[0], abs=1e-12)


@pytest.mark.parametrize("policy", [sa.KnowledgeGradient(), sa.Exact(), sa.Uniform()], ids=lambda x: x.name)
def test_policies_that_choose_label_by_label_have_no_value_in_batches(policy):
    problem = sa.Problem([0.5, 0.6], 4, batch=2)
    for work in (sa.evaluate, lambda *x: sa.operating_characteristics(*x, alpha=[0.5])):
        with pytest.raises(ValueError, match="batch") as caught:
            work(problem, policy)
        assert len(str(caught.value).splitlines()) == 1


# Larger problems, where layers are shared out and swept in pieces: against other orders, threads and reductions.

LARGE = {
    "costs": Case((Item(0.55, 1.5, cost=1.5), Item(0.4, cost=1), Item(0.7, 2, Beta(2, 1), cost=2.25)), 45),
    "caps": Case((Item(0.55, 1.5, cap=9), Item(0.4, cap=30), Item(0.7, 2, Beta(2, 1), cap=14)), 40),
    "quotas": Case((Item(0.55), Item(0.4, 2), Item(0.7), Item(0.6)), 17, "variance", (((0, 1), 9), ((1, 2), 8))),
    "everything": Case(
        (
            Item(0.5, 1, Mixture((1, 2), (1, 3), (2, 1)), 20, 0.5, 0.1),
            Item(0.6, 2, Noisy(1, 1, 0.1), None, 1.0, -0.05),
            Item(0.55, 1, Grid((0.2, 0.5, 0.6, 0.8), (1, 1, 1, 1)), 12, 0.75),
        ),
        15.5,
        "asymmetric",
        (((0, 2), 9), ((1,), 3)),
    ),
    "two items": Case((Item(0.55, 1.5, Beta(2, 1)), Item(0.4)), 90, "entropy"),
    "two items, costs": Case((Item(0.55, 1.5, cost=0.7, reward=0.02), Item(0.4, cost=1.1)), 50),
}


@pytest.mark.parametrize("name", LARGE)
def test_threads_reductions_and_order_of_the_items_do_not_change_the_value(name):
    case = LARGE[name]
    problem = case.stated()
    value = sa.solve(problem, threads=1, reduce=False).value
    for threads in (2, 3):
        assert sa.solve(problem, threads=threads, reduce=False).value == value
    assert sa.solve(problem).value == pytest.approx(value, rel=1e-13)
    never = Item(0.6, 3.0, cap=0)
    for order in itertools.islice(itertools.permutations(range(len(case.items))), 1, 6, 2):
        number = {i: k for k, i in enumerate(order)}
        quotas = tuple((tuple(sorted(number[i] for i in items)), least) for items, least in case.quotas)
        turned = Case(tuple(case.items[i] for i in order), case.budget, case.utility, quotas)
        assert sa.solve(turned.stated(), reduce=False).value == pytest.approx(value, rel=1e-13)
        longer = Case((*turned.items, never), case.budget, case.utility, quotas)
        alone = sa.Problem([0.6], 1, weight=3.0, utility=problem.utility).prior_value
        assert sa.solve(longer.stated(), reduce=False).value == pytest.approx(value + alone, rel=1e-13)


@pytest.mark.parametrize("name", [x for x in LARGE if x != "two items"])
def test_exact_policy_of_larger_problems_earns_their_optimum(name):
    problem = LARGE[name].stated()
    value = sa.solve(problem).value
    assert sa.evaluate(problem, sa.Exact()).value == pytest.approx(value, rel=1e-12)
    for policy in (sa.KnowledgeGradient(), sa.Uniform()):
        alone = sa.evaluate(problem, policy, threads=1).value
        assert alone <= value + 1e-12
        assert sa.evaluate(problem, policy, threads=3).value == alone


# Refusals and files.


def faults_of(**changes) -> tuple[str, ...]:
    with pytest.raises(sa.ProblemError) as caught:
        sa.Problem(**({"threshold": [0.5, 0.5], "budget": 4, "name": ["sky", "sea"]} | changes))
    return caught.value.faults


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"quota": [([0], 5)]}, "quota"),
        ({"quota": [([0], 3), ([1], 2)]}, "quota"),
        ({"quota": [([0], 3)], "cap": [2, 4]}, "quota"),
        ({"quota": [([1], 2)], "cost": [1, 2.5]}, "quota"),
        ({"quota": [(["sun"], 1)]}, "sun"),
        ({"quota": [([2], 1)]}, "quota"),
        ({"quota": [([-1], 1)]}, "quota"),
        ({"quota": [([0], -1)]}, "quota"),
        ({"quota": [([0], 1.5)]}, "quota"),
        ({"quota": [([0], math.nan)]}, "quota"),
        ({"quota": [([0], "one")]}, "quota"),
        ({"quota": [([], 1)]}, "quota"),
        ({"quota": [3]}, "quota"),
        ({"quota": 3}, "quota"),
        ({"quota": [(None, 1)]}, "quota"),
        ({"quota": [([0.5], 1)]}, "quota"),
        ({"cost": [0, 1]}, "cost of sky"),
        ({"cost": [1, -1]}, "cost of sea"),
        ({"cost": [1, math.nan]}, "cost of sea"),
        ({"cost": [math.inf, 1]}, "cost of sky"),
        ({"cost": [1, 2, 3]}, "cost"),
        ({"cost": "dear"}, "cost"),
        ({"reward": [1, math.inf]}, "reward of sea"),
        ({"reward": [1, 2, 3]}, "reward"),
        ({"batch": 0}, "batch"),
        ({"batch": -1}, "batch"),
        ({"batch": 5}, "batch"),
        ({"batch": 3, "cap": 1}, "batch"),
        ({"batch": 1.5}, "batch"),
        ({"batch": "all"}, "batch"),
        ({"batch": math.nan}, "batch"),
        ({"budget": 2.5}, "budget"),
        ({"budget": 0.0, "cost": [1, 2]}, "budget"),
        ({"budget": -1, "cost": [1, 2]}, "budget"),
        ({"budget": math.inf, "cost": [1, 2]}, "budget"),
        ({"budget": math.nan, "cost": [1, 2]}, "budget"),
        ({"utility": "nothing"}, "utility"),
        ({"utility": lambda p: np.where(p > 0.5, np.nan, p)}, "utility"),
        ({"utility": lambda p: p[:, :1]}, "utility"),
    ],
)
def test_each_fault_of_a_problem_is_one_clear_line(changes, word):
    (fault,) = faults_of(**changes)
    assert len(fault.splitlines()) == 1
    assert word in fault


def test_faults_of_several_fields_are_named_at_once():
    faults = faults_of(cost=[1, 0], reward=[math.nan, 1], batch=0, quota=[(["sun"], 1)])
    assert [f.split()[0].rstrip(":") for f in sorted(faults)] == ["batch", "cost", "quota", "reward"]


FULL = Case(
    (
        Item(0.5, 1.0, Beta(1, 2), 3, 1.5, 0.25),
        Item(0.6, 2.0, Mixture((1.0, 3.0), (1, 4), (2, 1.5)), None, 0.5, -1.0),
        Item(0.4, 1.0, Noisy(2, 1, 0.1), None, 1.0, 0.0),
        Item(0.7, 1.0, Grid((0.2, 0.5, 0.9), (1.0, 2.0, 1.0)), None, 1.0, 0.0),
        Item(0.7, 1.0, LogitNormal(0.2, 1.5), 2, 2.0, 0.0),
    ),
    5.25,
    "none",
    (((0, 2), 1), ((1,), 2)),
    3,
)


@pytest.mark.smoke
def test_every_field_survives_a_file(tmp_path):
    problem = FULL.stated()
    problem.to_toml(tmp_path / "problem.toml")
    again = sa.Problem.from_toml(tmp_path / "problem.toml")
    assert again == problem
    assert hash(again) == hash(problem)
    assert again.digest() == problem.digest()
    assert pickle.loads(pickle.dumps(problem)) == problem


def test_problem_made_from_log_ratios_survives_a_file(tmp_path):
    problem = sa.Problem.from_logratio([0.4, -0.7], 0.5, 4.5, cost=[0.5, 1], batch=2, quota=[([0], 1)], utility=None)
    problem.to_toml(tmp_path / "problem.toml")
    assert sa.Problem.from_toml(tmp_path / "problem.toml") == problem


@settings(max_examples=40)
@given(case=families(utility=st.sampled_from(("accuracy", "asymmetric", "none"))))
def test_any_problem_survives_a_file(case, tmp_path_factory):
    path = tmp_path_factory.mktemp("files") / "problem.toml"
    problem = case.stated()
    problem.to_toml(path)
    assert sa.Problem.from_toml(path) == problem


@pytest.mark.parametrize(
    "changes",
    [
        {"cost": [1, 2]},
        {"reward": [0, 1]},
        {"batch": 2},
        {"quota": [([0], 1)]},
        {"quota": [([0], 2)]},
        {"utility": None},
        {"prior": sa.NoisyBeta(1, 1, 0.1) if hasattr(sa, "NoisyBeta") else None},
    ],
)
def test_every_field_tells_problems_apart(changes):
    plain = {"threshold": [0.5, 0.5], "budget": 4}
    one, other = sa.Problem(**plain), sa.Problem(**(plain | changes))
    assert one != other
    assert one.digest() != other.digest()


FILE = """budget = 4
threshold = [0.5, 0.6]
name = ["sky", "sea"]
cost = [1, {cost}]
reward = [0.5, {reward}]
batch = {batch}
utility = "none"
prior = {prior}

[[quota]]
items = ["sky", "{item}"]
labels = {labels}
"""
GOOD = {"cost": 2, "reward": 1.0, "batch": 2, "item": "sea", "labels": 2}
GOOD |= {"prior": '[{kind = "beta-mixture", weights = [1, 2], a = [1, 3], b = [2, 1]}, {kind = "beta", a = 1, b = 2}]'}


def read(tmp_path, **changes):
    path = tmp_path / "problem.toml"
    path.write_text(FILE.format(**(GOOD | changes)))
    return sa.Problem.from_toml(path)


def test_file_means_what_the_keywords_mean(tmp_path):
    assert read(tmp_path) == sa.Problem(
        [0.5, 0.6],
        4,
        name=["sky", "sea"],
        cost=[1, 2],
        reward=[0.5, 1.0],
        batch=2,
        utility=None,
        prior=[sa.BetaMixture([1, 2], [1, 3], [2, 1]), sa.Beta(1, 2)],
        quota=[(["sky", "sea"], 2)],
    )


@pytest.mark.parametrize(
    ("changes", "line", "word"),
    [
        ({"cost": -1}, 4, "cost of sea"),
        ({"reward": "nan"}, 5, "reward of sea"),
        ({"batch": 9}, 6, "batch"),
        ({"prior": '{kind = "gamma", a = 1, b = 1}'}, 8, "gamma"),
        ({"prior": '{kind = "beta-mixture", weights = [1], a = [0], b = [1]}'}, 8, "prior"),
        ({"item": "sun"}, 10, "sun"),
        ({"labels": -2}, 10, "quota"),
        ({"labels": 50}, 10, "quota"),
    ],
)
def test_fault_in_a_file_names_file_line_and_reason(tmp_path, changes, line, word):
    with pytest.raises(sa.ProblemError) as caught:
        read(tmp_path, **changes)
    (fault,) = caught.value.faults
    assert fault.startswith(f"{tmp_path / 'problem.toml'}, line {line}: ")
    assert word in fault
