"""Tree search: exact where it closes the gap, bounded where it does not, and a function of the state alone."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from scipy.special import betainc

import seqaudit as sa
from seqaudit.bandits.conformance.policies import check_policy
from seqaudit.bandits.planning.tree_search import TreeSearch
from seqaudit.bandits.policies.lagrangian import hinges_of
from seqaudit.dp.exact.lattice import Lattice
from seqaudit.dp.problem.availability import Availability

UTILITIES = ["accuracy", sa.Asymmetric(1, 3), "variance", "entropy", sa.Decisive(0.25)]


def random_problem(seed, utility="accuracy", *, constrained=False, quota=False):
    """Two or three items and three to six labels; with costs, caps, rewards and a quota if asked for."""
    rng = np.random.default_rng([seed, 5])
    size = int(rng.integers(2, 4))
    fields = {"weight": rng.uniform(0.5, 2, size), "utility": utility, "prior": rng.uniform(0.5, 4, (size, 2))}
    if constrained:
        fields |= {"cost": rng.choice([0.5, 0.7, 1.5], size), "cap": rng.integers(1, 5, size)}
        fields |= {"reward": rng.uniform(0, 0.1, size)}
    if quota:
        fields |= {"quota": [([0], 1)]}
    return sa.Problem(rng.uniform(0.1, 0.9, size), int(rng.integers(3, 7)), **fields)


def payoffs_by_recursion(problem):
    """Expected final payoff of each item as the first label, the best ones after it, from the equations alone."""
    size = problem.size

    @cache
    def payoff(i, n, w):
        a, b = problem.prior[i]
        p = betainc(b + n - w, a + w, 1 - problem.threshold[i])
        return float(problem.weight[i] * problem.utility(np.array([p]))[0] + problem.reward[i] * w)

    def free(state):
        spent = sum(problem.cost[i] * n for i, (n, _) in enumerate(state))
        return [
            i
            for i, (n, _) in enumerate(state)
            if n < problem.cap[i] and spent + problem.cost[i] <= problem.budget * (1 + 1e-9)
        ]

    def of_item(state, i):
        n, w = state[i]
        mean = (problem.prior[i][0] + w) / (problem.prior[i].sum() + n)
        win, loss = ((*state[:i], (n + 1, w + won), *state[i + 1 :]) for won in (1, 0))
        return mean * value(win) + (1 - mean) * value(loss)

    @cache
    def value(state):
        if not free(state):
            return sum(payoff(i, *state[i]) for i in range(size))
        return max(of_item(state, i) for i in free(state))

    start = ((0, 0),) * size
    return np.array([of_item(start, i) if i in free(start) else np.nan for i in range(size)])


def states_of(problem, rng, number):
    """Labels, wins and availability of some states where a label can be had."""
    rules = Availability(problem)
    counts = np.zeros((number, problem.size), dtype=np.int64)
    for row in counts:
        for _ in range(int(rng.integers(0, 4))):
            after = row.copy()
            after[rng.choice(np.flatnonzero(rules.items(row[None])[0]))] += 1
            if rules.items(after[None]).any():
                row[:] = after
    return counts, rng.binomial(counts, 0.5), rules.items(counts)


@pytest.mark.parametrize("constrained", [False, True])
@pytest.mark.parametrize("utility", UTILITIES, ids=str)
def test_bounds_of_every_item_hold_and_meet_at_the_optimum(utility, constrained):
    for seed in range(12):
        problem = random_problem(seed, utility, constrained=constrained)
        payoffs = payoffs_by_recursion(problem)
        best = np.nanmax(payoffs)
        # The search is among policies that spend the budget.
        assert problem.may_stop or sa.solve(problem).value == pytest.approx(best, abs=1e-10)
        before = np.inf
        for simulations in (1, 4, 20, 4000):
            found = TreeSearch(simulations=simulations).search(problem)
            assert (np.isnan(found.item_upper) == np.isnan(payoffs)).all()
            assert (np.nan_to_num(found.item_upper - payoffs) >= -1e-10).all()
            assert (np.nan_to_num(found.item_lower - payoffs) <= 1e-10).all()
            assert found.upper >= best - 1e-10
            assert found.lower <= best + 1e-10
            assert best - payoffs[found.item] <= found.gap + 1e-10
            assert not found.solved or payoffs[found.item] == pytest.approx(best, abs=1e-10)
            assert found.upper - found.lower <= before + 1e-12
            before = found.upper - found.lower
        assert found.solved
        assert found.upper == pytest.approx(best, abs=1e-10)
        assert found.lower == pytest.approx(best, abs=1e-10)


@pytest.mark.parametrize("utility", UTILITIES, ids=str)
def test_policy_is_optimal_where_simulations_suffice(utility):
    for seed in range(8):
        problem = random_problem(seed, utility, constrained=seed % 2 == 1)
        for ties in ("random", "first"):
            value = sa.evaluate(problem, TreeSearch(simulations=4000, ties=ties)).value
            assert value == pytest.approx(np.nanmax(payoffs_by_recursion(problem)), abs=1e-10)


def test_looking_few_labels_ahead_is_the_problem_with_that_cap():
    problem = sa.Problem([0.55, 0.41, 0.7], 7, weight=[1, 2, 1.5], utility="variance")
    found = TreeSearch(most=2).search(problem)
    assert (
        found.upper
        == found.lower
        == pytest.approx(
            sa.solve(sa.Problem([0.55, 0.41, 0.7], 7, weight=[1, 2, 1.5], utility="variance", cap=2)).value, abs=1e-10
        )
    )


def test_upper_bound_begins_at_the_lagrangian_bound():
    for seed in range(10):
        problem = random_problem(seed, constrained=seed % 2 == 1)
        bound = sa.upper_bound(problem).value
        left_out = TreeSearch(simulations=50, candidates=1).search(problem)
        assert left_out.upper == pytest.approx(bound, abs=1e-8)
        assert left_out.lower <= sa.solve(problem).value <= left_out.upper + 1e-10
        assert TreeSearch(simulations=1).search(problem).upper <= bound + 1e-8


def test_worth_from_hinges_is_that_of_backward_induction():
    problem = random_problem(3, "entropy", constrained=True)
    counts = np.array([[1, 0, 0][: problem.size]])
    wins, items, prices = counts.copy(), np.arange(problem.size), np.array([0.0, 0.01, 0.05, 0.3])
    left = problem.budget - float((counts @ problem.cost)[0])
    expected = np.zeros(4)
    for i in items:
        mean, tail, _ = problem.tables(int(i))
        payoff = problem.weight[i] * problem.utility(tail) + problem.reward[i] * np.arange(len(tail))
        top = counts[0, i] + min(problem.cap[i] - counts[0, i], int((left + 1e-9) / problem.cost[i]))
        for k, price in enumerate(prices):
            value = payoff[top].copy()
            for n in range(top - 1, counts[0, i] - 1, -1):
                go_on = mean[n, : n + 1] * value[1 : n + 2] + (1 - mean[n, : n + 1]) * value[: n + 1]
                value = np.maximum(payoff[n, : n + 1], go_on - price * problem.cost[i])
            expected[k] += value[wins[0, i]] - payoff[counts[0, i], wins[0, i]]
    assert hinges_of(problem, 32).worth(counts, wins, items, prices) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("leaf", ["bound", "rollout"])
def test_decision_depends_on_the_state_alone(leaf):
    problem = sa.Problem([0.55, 0.41, 0.32], 8, weight=[1, 2, 1], cap=[9, 3, 9])
    policy = TreeSearch(simulations=60, leaf=leaf)
    states = states_of(problem, np.random.default_rng(4), 25)
    together = policy.action_probabilities(problem, *states)
    order = np.random.default_rng(5).permutation(25)
    assert np.array_equal(policy.action_probabilities(problem, *(x[order] for x in states)), together[order])
    hinges_of.cache_clear()
    alone = [policy.action_probabilities(problem, *(x[s : s + 1] for x in states))[0] for s in range(25)]
    assert np.array_equal(np.array(alone), together)
    assert sa.evaluate(problem, policy, threads=1).value == sa.evaluate(problem, policy, threads=2).value


def test_seed_matters_to_runs_only():
    problem = sa.Problem([0.55, 0.41, 0.32], 12, weight=[1, 2, 1])
    for leaf in ("bound", "rollout"):
        one, same, other = (TreeSearch(simulations=60, leaf=leaf, seed=seed).search(problem) for seed in (1, 1, 2))
        assert np.array_equal(one.values, same.values)
        assert np.array_equal(one.values, other.values) == (leaf == "bound")


@pytest.mark.parametrize("leaf", ["bound", "rollout"])
def test_only_usable_items_are_labelled(leaf):
    rng = np.random.default_rng(9)
    for seed in range(6):
        problem = random_problem(seed, constrained=True, quota=True)
        counts, wins, usable = states_of(problem, rng, 10)
        usable &= rng.random(usable.shape) < 0.7
        rows = usable.any(axis=1)
        for policy in (TreeSearch(simulations=20, leaf=leaf), TreeSearch(simulations=20, leaf=leaf, candidates=1)):
            chances = policy.action_probabilities(problem, counts[rows], wins[rows], usable[rows])
            assert (chances[~usable[rows]] == 0).all()
            assert chances.sum(axis=1) == pytest.approx(1.0)


@pytest.mark.parametrize("leaf", ["bound", "rollout"])
def test_states_that_several_orders_lead_to_are_one_node(leaf):
    problem = sa.Problem([0.55, 0.41, 0.32], 6, weight=[1, 2, 1], utility="variance")
    found = TreeSearch(simulations=30_000, leaf=leaf).search(problem)
    assert found.nodes <= Lattice.of(problem).states
    assert found.visits.sum() > (0 if leaf == "bound" else Lattice.of(problem).states)


def test_alike_items_tie_whether_candidates_or_not():
    problem = sa.Problem([0.5, 0.5, 0.5, 0.5], 6)
    none = np.zeros((1, 4), dtype=np.int64)
    for candidates in (1, 2, 16):
        policy = TreeSearch(simulations=50, candidates=candidates)
        assert policy.action_probabilities(problem, none, none, np.ones((1, 4), dtype=bool))[0].tolist() == [0.25] * 4
        usable = np.array([[False, True, True, False]])
        assert policy.action_probabilities(problem, none, none, usable)[0].tolist() == [0, 0.5, 0.5, 0]


def test_what_the_tree_does_not_know_is_not_claimed():
    quota = TreeSearch().search(sa.Problem([0.5, 0.7], 4, quota=[([1], 3)]))
    assert (quota.lower, quota.gap, quota.solved) == (-np.inf, np.inf, False)
    assert quota.upper >= sa.solve(sa.Problem([0.5, 0.7], 4, quota=[([1], 3)])).value
    batch = TreeSearch().search(sa.Problem([0.5, 0.7], 4, batch=2))
    assert not batch.solved
    assert batch.upper >= sa.solve(sa.Problem([0.5, 0.7], 4, batch=2)).value
    few = TreeSearch(candidates=1).search(sa.Problem([0.5, 0.7], 4, utility=sa.Decisive(0.25)))
    assert few.lower == -np.inf
    runs = TreeSearch(leaf="rollout").search(sa.Problem([0.5, 0.7], 4))
    assert (runs.lower, runs.solved) == (-np.inf, False)


def test_mean_of_runs_is_near_the_value_of_going_on():
    problem = sa.Problem([0.55, 0.41, 0.32], 8, weight=[1, 2, 1], utility="variance")
    found = TreeSearch(leaf="rollout", simulations=20_000).search(problem)
    best = sa.solve(problem).value
    # Mean returns count trials of inferior items too, so they stay below the optimum.
    assert best - 0.02 * (best - problem.prior_value) < found.values[found.item] < best + 1e-9


@pytest.mark.parametrize("utility", [*UTILITIES[:4], sa.Decisive(0.05)], ids=str)
def test_policy_earns_nearly_all_of_the_optimal_gain(utility):
    problem = sa.Problem([0.55, 0.41, 0.7], 9, weight=[1, 2, 1.5], utility=utility)
    best, nothing = np.nanmax(payoffs_by_recursion(problem)), problem.prior_value
    policies = [sa.Lagrangian(), TreeSearch(simulations=250), TreeSearch(simulations=250, leaf="rollout")]
    lagrangian, bound, rollout = ((sa.evaluate(problem, x).value - nothing) / (best - nothing) for x in policies)
    assert bound >= max(0.995, lagrangian - 1e-3)
    assert rollout >= 0.97
    assert max(bound, rollout, lagrangian) <= 1 + 1e-9


@pytest.mark.parametrize(
    "policy",
    [TreeSearch(simulations=30), TreeSearch(simulations=30, ties="first"), TreeSearch(simulations=15, leaf="rollout")],
    ids=str,
)
def test_policy_conforms(policy):
    check_policy(policy)


def test_simulation_of_many_items_with_costs_quotas_and_batches_runs():
    rng = np.random.default_rng(2)
    cost = rng.choice([1.0, 1.5], 40)
    problem = sa.Problem(rng.uniform(0.2, 0.8, 40), 20, cost=cost, quota=[([3, 4], 2)], batch=3)
    for leaf in ("bound", "rollout"):
        found = sa.simulate(problem, TreeSearch(simulations=30, leaf=leaf), replications=3, seed=1)
        assert np.isfinite(found.mean)


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"simulations": 0}, "simulations is 0; it must be a whole number, at least 1"),
        ({"candidates": 1.5}, "candidates is 1.5; it must be a whole number, at least 1"),
        ({"seed": -1}, "seed is -1; it must be a whole number, at least 0"),
        ({"exploration": -0.1}, "exploration is -0.1; it must be a finite number, at least 0"),
        ({"leaf": "payoff"}, "leaf is 'payoff'; allowed: 'bound', 'rollout'"),
        ({"most": 0}, "most is 0; it must be a whole number, at least 1"),
    ],
)
def test_settings_that_mean_nothing_are_refused(fields, fault):
    with pytest.raises(ValueError, match=fault):
        TreeSearch(**fields)


def test_states_that_cannot_be_searched_are_refused():
    problem = sa.Problem([0.5, 0.7], 3)
    with pytest.raises(ValueError, match=r"must have shape \(2,\), found \(3,\) and \(2,\)"):
        TreeSearch().search(problem, [0, 0, 0], [0, 0])
    with pytest.raises(ValueError, match="item 1: 2 wins in 1 labels"):
        TreeSearch().search(problem, [1, 0], [2, 0])
    with pytest.raises(ValueError, match="nothing is left to choose"):
        TreeSearch().search(problem, [2, 1], [0, 0])
    with pytest.raises(sa.ProblemTooLarge, match="a tree of 1000000000000 simulations among 2 candidates: "):
        TreeSearch(simulations=10**12).search(problem)


def test_a_state_without_a_choice_is_refused_in_one_line():
    problem = sa.Problem([0.5, 0.6], budget=4)
    full = np.array([[2, 2]])
    with pytest.raises(ValueError, match=r"after \[2, 2\] labels nothing is left to choose: no label can be bought"):
        sa.TreeSearch().action_probabilities(problem, full, full, np.ones((1, 2), dtype=bool))
