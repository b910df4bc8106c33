"""Relations between the values of a problem and of one derived from it, with ordinary and extreme items.

``pytest tests/dp/test_metamorphic.py --hypothesis-profile=many`` tries 500 problems for each relation.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import seqaudit as sa

problems_each = settings(max_examples=settings.default.max_examples // 2)

LOG_ODDS = (-300.0, -40.0, -2.0, -0.75, 0.0, 0.5, 1.25, 9.0, 40.0, 300.0)
PRIORS = ((1, 1), (1, 1), (2, 3), (0.5, 0.5), (30, 20), (1, 1e-16), (1e-300, 1), (1e16, 1e16), (1e300, 1e-300))
CONVEX = ("accuracy", {"name": "asymmetric", "gain": 1, "loss": 3}, "variance", "entropy")
SYMMETRIC = ("accuracy", "variance", "entropy")


@st.composite
def problems(draw, utilities=CONVEX, costs=(1.0, 2.0, 1.5)):
    size = draw(st.integers(1, 3))

    def column(values):
        return [draw(st.sampled_from(values)) for _ in range(size)]

    fields = {
        "weight": column((0.25, 1.0, 3.0, 1e-8)),
        "prior": column(PRIORS),
        "cost": column(costs),
        "utility": draw(st.sampled_from(utilities)),
    }
    return sa.Problem.from_logratio(column(LOG_ODDS), 1.0, draw(st.integers(2, 5)), **fields)


def values_of(problem):
    """The four values that relations are about."""
    return np.array([
        sa.solve(problem).value,
        sa.evaluate(problem, sa.VarianceReduction()).value,
        sa.upper_bound(problem).value,
        sa.allocate(problem).value,
    ])  # fmt: skip


def same(found, expected):
    assert found == pytest.approx(expected, rel=1e-11, abs=1e-11)


def stated(problem, order=None, **changes):
    """The problem with its items in another order, some fields changed, or items added."""
    items = np.arange(problem.size) if order is None else np.array(order)
    fields = {"weight": problem.weight[items], "prior": problem.prior[items], "cost": problem.cost[items]}
    fields |= {"c": problem.log_ratio[items], "beta": 1.0, "budget": problem.budget, "utility": problem.utility}
    return sa.Problem.from_logratio(**(fields | changes))


@problems_each
@given(problems(), st.sampled_from(LOG_ODDS), st.sampled_from(PRIORS), st.sampled_from((1.0, 1.5)))
def test_item_of_weight_zero_changes_no_value(problem, log_odds, prior, cost):
    more = stated(
        problem,
        c=[*problem.log_ratio, log_odds],
        weight=[*problem.weight, 0.0],
        prior=[*problem.prior.tolist(), prior],
        cost=[*problem.cost, cost],
    )
    # Where no label is worth anything a policy may label any item; the optimum may not lose by it.
    best = [0, 2, 3]
    same(values_of(more)[best], values_of(problem)[best])


@problems_each
@given(problems())
def test_doubled_weights_double_every_value(problem):
    same(values_of(problem.replace(weight=2.0 * problem.weight)), 2.0 * values_of(problem))


@problems_each
@given(problems(costs=(1.0,)), st.integers(1, 2))
def test_more_budget_lowers_no_value(problem, more):
    before = values_of(problem)
    assert np.all(values_of(problem.replace(budget=problem.budget + more)) >= before - 1e-11)


@problems_each
@given(problems(), st.randoms(use_true_random=False))
def test_order_of_items_changes_no_value(problem, random):
    order = list(range(problem.size))
    random.shuffle(order)
    same(values_of(stated(problem, order)), values_of(problem))


@problems_each
@given(problems(), st.data())
def test_merging_equal_items_changes_no_value(problem, data):
    twin = data.draw(st.integers(0, problem.size - 1))
    equal = stated(problem, [*range(problem.size), twin])
    weight = equal.weight.copy()
    weight[-1] = np.nextafter(weight[-1], np.inf)
    same(values_of(equal), values_of(equal.replace(weight=weight)))


@problems_each
@given(problems(SYMMETRIC))
def test_mirrored_problem_has_the_same_values(problem):
    same(values_of(stated(problem, c=-problem.log_ratio, prior=problem.prior[:, ::-1])), values_of(problem))


@problems_each
@given(problems(), st.sampled_from((2.0, 0.5, 0.1, 3.0)))
def test_scaled_costs_and_budget_change_no_value(problem, scale):
    scaled = problem.replace(cost=scale * problem.cost, budget=scale * problem.budget)
    same(values_of(scaled), values_of(problem))
