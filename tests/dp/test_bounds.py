"""Upper bounds: validity, and agreement with a plain stopping recursion minimised over prices."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.recursion import CONVEX, UTILITIES, Case, Item, belief, cases, problem_of, relaxed, relaxed_item

import seqaudit as sa

SLACK = 1e-12


def lowest(case: Case) -> float:
    """Minimum of the convex L over prices: a grid, made finer where L is lowest until it is 1e-11 of a payoff wide."""
    low, high = 0.0, 2 * max(x.weight for x in case.items) * UTILITIES[case.utility].largest
    while high - low > 1e-11:
        grid = np.linspace(low, high, 9)
        k = int(np.argmin([relaxed(case, price)[0] for price in grid]))
        low, high = grid[max(k - 1, 0)], grid[min(k + 1, 8)]
    return relaxed(case, low)[0]


@pytest.mark.smoke
@settings(max_examples=400)
@given(cases())
def test_no_bound_is_below_the_optimum(case):
    problem = problem_of(case)
    best = sa.solve(problem).value
    scale = SLACK * max(1.0, abs(best))
    assert sa.upper_bound(problem, "lagrangian").value >= best - scale
    if case.utility != "callable":
        assert sa.upper_bound(problem, "clairvoyant").value >= best - scale


@settings(max_examples=25)
@given(cases())
def test_lagrangian_bound_is_the_minimum_over_prices(case):
    assert sa.upper_bound(problem_of(case)).value == pytest.approx(lowest(case), abs=1e-9)


@settings(max_examples=150)
@given(cases())
def test_bound_is_the_relaxed_value_at_its_price_and_no_nearby_price_is_better(case):
    bound = sa.upper_bound(problem_of(case))
    assert bound.kind == "lagrangian"
    assert bound.price is not None
    assert bound.price >= 0
    assert relaxed(case, bound.price)[0] == pytest.approx(bound.value, abs=1e-11)
    for price in (bound.price * 0.99, bound.price * 1.01, bound.price + 1e-3):
        assert relaxed(case, price)[0] >= bound.value - 1e-11


@settings(max_examples=150)
@given(cases())
def test_price_and_labels_are_complementary(case):
    # Buying at no tie stays within the budget. A positive price is paid for a budget that binds: buying at every tie
    # reaches it.
    bound = sa.upper_bound(problem_of(case))
    assert bound.price is not None
    assert bound.labels is not None
    assert -1e-9 <= bound.labels <= case.labels + 1e-9
    assert bound.labels == pytest.approx(relaxed(case, bound.price + 1e-9)[1], abs=1e-6)
    if bound.price > 1e-8:
        assert relaxed(case, bound.price, ties_buy=True)[1] >= case.labels - 1e-6


def test_price_is_zero_when_the_caps_leave_the_budget_slack():
    bound = sa.upper_bound(sa.Problem([0.5, 0.5], 10, cap=1))
    assert (bound.value, bound.price, bound.labels) == (1.5, 0.0, 2.0)


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("threshold", "value", "accuracy"),
    [(0.5, 0.796875, 1e-12), (0.7, 0.838073, 5e-7), (0.7, 83.80729904761904 / 100, 1e-12)],
)
def test_bound_an_item_with_two_labels_an_item(threshold, value, accuracy):
    for items in (100, 200):
        bound = sa.upper_bound(sa.Problem([threshold] * items, 2 * items))
        assert bound.value / items == pytest.approx(value, abs=accuracy)


def test_identical_items_share_one_stopping_problem():
    # The bound of k copies with k times the budget is k times the bound of one, each item's labels being limited alike.
    parts = Case((Item(0.6, 1.5, cap=6), Item(0.35, 1.0, 2, 1, cap=6)), 7)
    many = Case(parts.items * 50, 350)
    assert sa.upper_bound(problem_of(many)).value == pytest.approx(
        50 * sa.upper_bound(problem_of(parts)).value, rel=1e-13
    )


@pytest.mark.parametrize("change", [{"threshold": 0.35}, {"weight": 2.0}, {"a": 3}, {"b": 2}, {"cap": 1}], ids=str)
def test_items_that_differ_in_one_thing_are_not_taken_for_identical(change):
    twin = Item(0.6, 1.0, 1, 1, 5)
    case = Case((twin, replace(twin, **change)), 6)
    assert sa.upper_bound(problem_of(case)).value == pytest.approx(lowest(case), abs=1e-9)


def test_bound_is_tight_for_one_item_that_must_be_labelled_to_the_end():
    # One label is worth .25 and is bought at any price below that.
    assert sa.upper_bound(sa.Problem([0.5], 1)).value == pytest.approx(0.75, abs=1e-15)


@given(cases(st.just("linear")))
def test_both_bounds_are_the_prior_value_under_the_linear_utility(case):
    problem = problem_of(case)
    for kind in ("lagrangian", "clairvoyant"):
        assert sa.upper_bound(problem, kind).value == pytest.approx(problem.prior_value, rel=1e-13)


@given(cases(st.sampled_from([x for x in CONVEX if x != "callable"] + ["decisive"])))
def test_clairvoyant_bound_is_the_payoff_of_knowing_every_indicator(case):
    h = UTILITIES[case.utility].h
    known = 0.0
    for item in case.items:
        p = float(belief(item, 0, 0).tail)
        known += item.weight * (p * float(h(1)) + (1 - p) * float(h(0)))
    bound = sa.upper_bound(problem_of(case), "clairvoyant")
    assert bound.value == pytest.approx(known, rel=1e-13, abs=1e-14)
    assert (bound.kind, bound.price, bound.labels) == ("clairvoyant", None, None)


def test_clairvoyant_bound_of_a_convex_callable_is_given():
    problem = sa.Problem([0.5, 0.5], 3, utility=lambda p: (p - 0.5) ** 2)
    assert sa.upper_bound(problem, "clairvoyant").value == pytest.approx(0.5, abs=1e-15)


@pytest.mark.parametrize(
    ("concave", "worst"), [(lambda p: p * (1 - p), "0.5"), (np.sqrt, "0.25"), (lambda p: np.minimum(p, 0.2), "0.2")]
)
def test_clairvoyant_bound_of_a_callable_above_its_chord_is_refused(concave, worst):
    problem = sa.Problem([0.5], 3, utility=concave)
    with pytest.raises(ValueError, match=f"utility rises above its chord at p = {worst}: .* bound does not hold"):
        sa.upper_bound(problem, "clairvoyant")
    assert sa.upper_bound(problem, "lagrangian").value >= sa.solve(problem).value - SLACK


def test_unknown_bound_is_refused():
    with pytest.raises(
        ValueError, match="bound is 'magic'; allowed: 'lagrangian', 'clairvoyant', 'information-relaxation'"
    ):
        sa.upper_bound(sa.Problem([0.5], 3), "magic")


def test_tables_that_do_not_fit_are_refused_before_they_are_made():
    with pytest.raises(sa.ProblemTooLarge, match=r"1 different items: .* GiB .* use the clairvoyant bound"):
        sa.upper_bound(sa.Problem([0.5] * 1000, 10**8, utility="entropy"))


def test_stopping_rule_of_one_item_by_hand():
    # Beta(1, 1), t = .5, two labels: the first is worth .25, the second nothing; so none is bought above .25.
    case = Case((Item(0.5),), 2)
    for price, labels in ((0.0, 1.0), (0.2, 1.0), (0.26, 0.0)):
        value, bought = relaxed_item(case, 0, price, ties_buy=False)
        assert (value, bought) == (max(0.5, 0.75 - price), labels)


@pytest.mark.parametrize("kind", ["lagrangian", "information-relaxation"])
def test_progress_of_a_bound_rises_to_its_end_and_changes_nothing(kind):
    problem = sa.Problem(np.linspace(0.2, 0.8, 12), budget=40)
    seen: list[tuple[int, int]] = []
    found = sa.upper_bound(problem, kind, progress=lambda *step: seen.append(step))
    assert found == sa.upper_bound(problem, kind)
    done, totals = zip(*seen, strict=True)
    assert list(done) == sorted(done)
    assert set(totals) == {done[-1]}
    assert len(seen) > 3
