"""One-shot allocation: brute force over every allocation, the exact engine with one batch, and the conditions shown."""

from __future__ import annotations

import itertools
from functools import cache

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import seqaudit as sa

convex = ("accuracy", "variance", "entropy", sa.Asymmetric(1, 3))
every = (*convex, sa.Decisive(0.2), "linear")
priors = st.sampled_from([(1, 1), (0.5, 2), (3, 1), sa.NoisyBeta(1, 2, 0.2), sa.Grid([0.2, 0.6, 0.9], [1, 2, 1])])


@st.composite
def problems(draw, constraints=True, utilities=every):
    """Problems of few items; with constraints, of every kind."""
    size = draw(st.integers(1, 3))

    def each(values):
        return [draw(st.sampled_from(values)) for _ in range(size)]

    beliefs = [draw(priors) for _ in range(size)]
    fields = {
        "weight": each([1.0, 2.5]),
        "prior": [sa.Beta(*x) if isinstance(x, tuple) else x for x in beliefs],
        "utility": draw(st.sampled_from(utilities)),
        "reward": draw(st.sampled_from([0.0, 0.0, 0.05])),
    }
    budget = draw(st.integers(1, 6))
    if constraints:
        fields["cost"] = each(draw(st.sampled_from([[1.0], [1.0, 0.5, 2.0], [1.0, 2**0.5, 0.3]])))
        fields["cap"] = each([1, 3, 6])
        slices = draw(st.lists(st.tuples(st.sets(st.integers(0, size - 1), min_size=1), st.integers(0, 3)), max_size=2))
        fields["quota"] = [(sorted(items), least) for items, least in slices]
    try:
        return sa.Problem(each([0.5, 0.37, 0.8]), budget, **fields)
    except sa.ProblemError:
        assume(False)


def payoff_after(problem, i, labels):
    """Expected payoff of an item after so many labels, by recursion over its states."""
    mean, tail, _ = problem.belief(i).tables(labels, float(problem.threshold[i]))

    @cache
    def expected(n: int, w: int) -> float:
        if n == labels:
            return float(problem.weight[i] * problem.utility(np.array(tail[n, w])) + problem.reward[i] * w)
        mu = float(mean[n, w])
        return mu * expected(n + 1, w + 1) + (1 - mu) * expected(n + 1, w)

    return expected(0, 0)


def allocations(problem):
    """Every allocation that the budget, the caps and the quotas allow."""
    for counts in itertools.product(*(range(int(k) + 1) for k in problem.cap)):
        n = np.array(counts)
        if n @ problem.cost <= problem.budget * (1 + 1e-9) and all(
            n[list(items)].sum() >= least for items, least in problem.quota
        ):
            yield counts


@pytest.mark.smoke
@settings(max_examples=200)
@given(problems())
def test_allocation_is_the_best_of_all(problem):
    worth = [[payoff_after(problem, i, n) for n in range(int(problem.cap[i]) + 1)] for i in range(problem.size)]
    values = {n: sum(row[k] for row, k in zip(worth, n, strict=True)) for n in allocations(problem)}
    found = sa.allocate(problem)
    counts = tuple(found.counts.tolist())
    assert counts in values
    assert found.value == pytest.approx(values[counts], abs=1e-12)
    assert found.value == pytest.approx(max(values.values()), abs=1e-10)
    assert found.prior_value == pytest.approx(problem.prior_value, abs=1e-15)


@settings(max_examples=200)
@given(problems())
def test_prices_bound_every_allocation_and_losses_account_for_the_gap(problem):
    found = sa.allocate(problem)
    assert found.price >= 0
    assert all(x >= 0 for x in found.quota_prices)
    upper, losses = found.price * problem.budget, []
    for i, n in enumerate(found.counts.tolist()):
        each = found.price * problem.cost[i]
        each -= sum(x for x, (items, _) in zip(found.quota_prices, problem.quota, strict=True) if i in items)
        net = [payoff_after(problem, i, k) - each * k for k in range(int(problem.cap[i]) + 1)]
        upper += max(net)
        losses.append(max(net) - net[n])
    upper -= sum(x * least for x, (_, least) in zip(found.quota_prices, problem.quota, strict=True))
    assert found.upper >= found.value
    assert found.upper == pytest.approx(max(upper, found.value), abs=1e-8)
    assert found.kkt_residual == pytest.approx(max(losses), abs=1e-11)


@settings(max_examples=80)
@given(problems(constraints=False, utilities=convex))
def test_allocation_is_the_optimum_of_a_single_batch(problem):
    assume(not problem.reward.any())
    batch = sa.Problem(
        problem.threshold,
        problem.budget,
        weight=problem.weight,
        prior=list(map(problem.belief, range(problem.size))),
        utility=problem.utility,
        batch=problem.labels,
    )
    found = sa.allocate(problem)
    assert found.value == pytest.approx(sa.solve(batch).value, abs=1e-12)
    assert found.value <= sa.solve(problem).value + 1e-12
    assert found.value <= sa.upper_bound(problem).value + 1e-12


@settings(max_examples=60)
@given(problems())
def test_concavity_defect_is_the_largest_gap_below_a_chord(problem):
    found = sa.allocate(problem)
    for i in range(problem.size):
        g = [payoff_after(problem, i, n) for n in range(int(problem.cap[i]) + 1)]
        gaps = [
            ((c - b) * g[a] + (b - a) * g[c]) / (c - a) - g[b] for a, b, c in itertools.combinations(range(len(g)), 3)
        ]
        assert found.defect[i] == pytest.approx(max([0.0, *gaps]), abs=1e-12)


def test_staircase_of_accuracy():
    # At t = 1/2 a second label is worth nothing without a third: 1/2, 3/4, 3/4, 13/16.
    found = sa.allocate(sa.Problem([0.5], budget=4))
    assert (found.counts.tolist(), found.value) == ([3], 0.8125)
    assert found.defect.tolist() == [0.03125]


def test_flat_start_is_bought_whole_or_not_at_all():
    few, enough = (sa.allocate(sa.Problem([0.95], budget=k)) for k in (12, 13))
    assert few.counts.tolist() == [0]
    assert enough.counts.tolist() == [13]
    assert few.price == 0


@pytest.mark.parametrize("utility", ["variance", "entropy"])
def test_concave_curves_at_equal_costs_need_only_greed(utility):
    found = sa.allocate(sa.Problem([0.5, 0.4, 0.7], budget=20, utility=utility, weight=[1, 2, 3]))
    assert found.method == "greedy"
    assert found.counts.sum() == 20
    assert found.defect == pytest.approx([0, 0, 0], abs=1e-15)
    assert found.kkt_residual == pytest.approx(0, abs=1e-15)
    assert found.upper == pytest.approx(found.value, abs=1e-13)


@pytest.mark.parametrize("seed", range(12))
def test_programme_and_knapsack_agree(seed):
    rng = np.random.default_rng(seed)
    thresholds, cost = 1 / (1 + np.exp(-rng.normal(size=12))), rng.choice([1.0, 1.5, 2.0], 12)
    fields = {"cost": cost, "cap": 12, "weight": rng.random(12) + 0.5}
    plain = sa.allocate(sa.Problem(thresholds, budget=30, **fields))
    idle = sa.allocate(sa.Problem(thresholds, budget=30, **fields, quota=[([0, 1], 0)]))
    assert plain.method in ("greedy", "knapsack")
    assert idle.method == "programme"
    assert plain.value == pytest.approx(idle.value, abs=1e-10)
    # Prices may differ, where a majorant's piece ends just where the budget does; the bounds may not.
    assert plain.upper == pytest.approx(idle.upper, abs=1e-7)


def test_nothing_is_bought_where_labels_change_nothing():
    found = sa.allocate(sa.Problem([0.5, 0.7], budget=5, utility="linear"))
    assert found.counts.tolist() == [0, 0]
    assert (found.price, found.method) == (0.0, "greedy")


def test_tables_that_do_not_fit_are_refused(monkeypatch):
    problem = sa.Problem([0.5], budget=500)
    monkeypatch.setattr("seqaudit.posteriors.foundation.memory.available_memory", lambda: 10_000)
    with pytest.raises(sa.ProblemTooLarge):
        sa.allocate(problem)


@pytest.mark.parametrize("unit", [1.0, 3.0, 1e9, 1e19, 1e150])
def test_costs_of_any_unit_are_those_of_one(unit):
    plain, scaled = (sa.Problem([0.55, 0.41, 0.6], budget=7 * x, cost=[x, 2 * x, 2 * x]) for x in (1.0, unit))
    wanted, found = sa.allocate(plain), sa.allocate(scaled)
    assert (found.value, found.counts.tolist()) == (pytest.approx(wanted.value, rel=1e-12), wanted.counts.tolist())
    bounds = [sa.upper_bound(x, "information-relaxation").value for x in (plain, scaled)]
    assert bounds[1] == pytest.approx(bounds[0], rel=1e-9)
