"""Exact optimum: agreement with the plain recursion, reference values, and the policy that is kept."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.recursion import CONVEX, TIE, Case, Item, Recursion, cases, problem_of, states, whole_priors

import seqaudit as sa
from seqaudit.dp.exact import engines


@given(cases())
@settings(max_examples=100)
def test_optimum_agrees_with_plain_recursion(case):
    solution, dense = (sa.solve(problem_of(case), reduce=reduce) for reduce in (True, False))
    value = Recursion(case).optimum()[0]
    assert solution.value == pytest.approx(value, abs=1e-10)
    assert dense.value == pytest.approx(value, abs=1e-10)
    assert dense.engine == "dense"
    assert dense.states == sum(1 for m in range(case.labels + 1) for _ in states(case, m))


@settings(max_examples=25)
@given(cases(st.sampled_from(("accuracy", "asymmetric", "variance", "decisive")), whole_priors, shrink=1))
def test_optimum_and_its_ties_agree_with_rational_arithmetic(case):
    # No tolerance at all on this side: items are tied when their values are the same rational number.
    value, items = Recursion(case, exact=True, tie=0 * TIE).optimum()
    solution = sa.solve(problem_of(case), keep_policy=True)
    assert solution.value == pytest.approx(float(value), abs=1e-13, rel=1e-14)
    for state, best in items.items():
        assert solution.optimal_items(*np.transpose(state)).tolist() == best
        assert solution.optimal_batches(*np.transpose(state)).tolist() == np.eye(len(state))[best].tolist()


@given(cases())
@settings(max_examples=100)
def test_kept_policy_is_the_set_of_maximisers_at_every_reachable_state(case):
    solution = sa.solve(problem_of(case), keep_policy=True)
    for state, best in Recursion(case).optimum()[1].items():
        counts, wins = np.transpose(state)
        assert solution.optimal_items(counts, wins).tolist() == best
        assert solution.action(counts, wins) == (best[0] if best else -1)


@pytest.mark.parametrize(
    "case",
    [
        Case((Item(0.5),) * 2, 8),
        Case((Item(0.7),) * 3, 6, "entropy"),
        Case((Item(0.3, a=1, b=2), Item(0.7, a=2, b=1)), 8, "variance"),
        Case((Item(0.5, cap=1),) * 5, 4, "decisive"),
    ],
    ids=["identical", "identical, entropy", "mirrored", "identical, capped"],
)
def test_identical_items_tie_wherever_they_stand_alike(case):
    solution = sa.solve(problem_of(case), keep_policy=True)
    for state, best in Recursion(case).optimum()[1].items():
        assert solution.optimal_items(*np.transpose(state)).tolist() == best
    assert solution.optimal_items().tolist() == list(range(len(case.items)))


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("threshold", "items", "budget", "value"), [(0.5, 2, 10, 1.7060546875), (0.7, 3, 12, 2.5984420438)]
)
def test_optimum_of_reference_problems(threshold, items, budget, value):
    assert sa.solve(sa.Problem([threshold] * items, budget)).value == pytest.approx(value, abs=5e-11)


@pytest.mark.parametrize(("budget", "value"), list(enumerate([0.75, 0.75, 0.8125, 0.8125, 0.84375, 0.84375], start=1)))
def test_one_item_climbs_a_staircase(budget, value):
    solution = sa.solve(sa.Problem([0.5], budget))
    assert (solution.prior_value, solution.value) == pytest.approx((0.5, value), abs=1e-14)


def test_one_item_with_a_high_bar_gains_nothing_from_twelve_labels():
    # After n wins in n labels, probability 1 / (n + 1), P(alpha > .95) = 1 - .95^(n+1): above 1/2 from n = 13 on.
    values = [sa.solve(sa.Problem([0.95], budget)).value for budget in range(1, 14)]
    assert values[:12] == pytest.approx([0.95] * 12, abs=1e-14)
    assert values[12] == pytest.approx(0.95 + (1 - 2 * 0.95**14) / 14, abs=1e-14)


LARGE = [
    Case((Item(0.55, 1.5), Item(0.4, 1, 2, 1)), 60),
    Case((Item(0.55, 1.5), Item(0.4, 1, 2, 1), Item(0.7, 2, 0.5, 0.9, cap=7)), 24),
    Case((Item(0.55, 1.5), Item(0.4, 1, 2, 1), Item(0.7, 2, 0.5, 0.9), Item(0.3, cap=3)), 12),
]


@pytest.mark.parametrize("case", LARGE, ids=["two", "three", "four"])
def test_item_that_cannot_be_labelled_adds_its_payoff_wherever_it_stands(case):
    value, never = sa.solve(problem_of(case)).value, Item(0.6, 3.0, cap=0)
    for k in range(len(case.items) + 1):
        longer = Case((*case.items[:k], never, *case.items[k:]), case.budget)
        assert sa.solve(problem_of(longer)).value == pytest.approx(value + 3 * 0.6, rel=1e-13)


@pytest.mark.parametrize("case", LARGE, ids=["two", "three", "four"])
def test_order_of_the_items_does_not_matter(case):
    values = [sa.solve(problem_of(Case(items, case.budget))).value for items in itertools.permutations(case.items)]
    assert values == pytest.approx([values[0]] * len(values), rel=1e-13)


@given(cases(), st.integers(1, 30))
def test_budget_beyond_the_caps_buys_all_there_is(case, extra):
    caps = [min(cap, 3) for cap in case.caps]
    total = sum(caps)
    if total == 0:
        return
    items = tuple(Item(x.threshold, x.weight, x.a, x.b, cap) for x, cap in zip(case.items, caps, strict=True))
    exact, beyond = (problem_of(Case(items, budget, case.utility)) for budget in (total, total + extra))
    for reduce in (True, False):
        one, other = (sa.solve(problem, reduce=reduce) for problem in (exact, beyond))
        assert (one.value, one.states) == (other.value, other.states)


@pytest.mark.parametrize("utility", CONVEX)
def test_optimum_never_falls_with_the_budget_for_a_convex_utility(utility):
    items = (Item(0.55, 1.0), Item(0.4, 1.5, 2, 1), Item(0.3, 0.5, 0.5, 0.8, cap=2))
    values = [sa.solve(problem_of(Case(items, budget, utility))).value for budget in range(1, 16)]
    assert np.diff(values).min() >= -1e-14
    assert values[0] >= problem_of(Case(items, 1, utility)).prior_value - 1e-14


def test_optimum_does_not_fall_with_the_budget_when_the_utility_is_not_convex():
    # At t = .5 one label makes p 1/4 or 3/4, which is decisive; with probability 1/3 a second one makes it 1/2 again.
    problems = [sa.Problem([0.5], budget, utility=sa.Decisive(0.25)) for budget in (1, 2)]
    assert [sa.solve(problem).value for problem in problems] == [1, 1]
    spending = [sa.evaluate(problem, sa.KnowledgeGradient()).value for problem in problems]
    assert spending == pytest.approx([1, 2 / 3], abs=1e-15)


@pytest.mark.parametrize("ties", ["random", "first"])
@settings(max_examples=50)
@given(case=cases())
def test_following_the_kept_policy_earns_the_optimum(ties, case):
    problem = problem_of(case)
    assert sa.evaluate(problem, sa.Exact(ties=ties)).value == pytest.approx(sa.solve(problem).value, abs=1e-11)


# Layers of up to 118,755 states: enough for them to be shared out.
SHARED = sa.Problem([0.55, 0.41, 0.32], 24, weight=[1.0, 1.5, 2.0], cap=[24, 24, 20])
ALIKE = sa.Problem([0.55, 0.41, 0.55], 24)
WIDE = sa.Problem([0.55, 0.41], 90)


def take(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have an engine taken where it applies, however small the problem."""
    if engine != "dense":
        monkeypatch.setattr(engines, "_DENSE_COST", (np.inf,) * 4)


@pytest.mark.parametrize(
    ("problem", "reduce", "engine"),
    [
        (SHARED, False, "dense"),
        (WIDE, False, "dense"),
        (SHARED, {"dead"}, "live"),
        (ALIKE, {"identical"}, "symmetric"),
    ],
    ids=["dense", "dense, two items", "live", "symmetric"],
)
def test_answer_does_not_depend_on_the_number_of_threads(problem, reduce, engine, monkeypatch):
    take(engine, monkeypatch)
    alone = sa.solve(problem, reduce=reduce, threads=1)
    assert alone.engine == engine
    for threads in (2, 3, 5):
        other = sa.solve(problem, reduce=reduce, threads=threads)
        assert (other.value, other.first_choice.tolist()) == (alone.value, alone.first_choice.tolist())


def test_kept_policy_does_not_depend_on_the_number_of_threads():
    alone, *others = (sa.solve(SHARED, keep_policy=True, threads=threads) for threads in (1, 2, 3))
    assert alone.kept is not None
    for other in others:
        assert other.kept is not None
        assert np.array_equal(other.kept.actions, alone.kept.actions)


@pytest.mark.parametrize("threads", [0, -1, True])
def test_number_of_threads_that_cannot_be_is_refused(threads):
    for work in (sa.solve, lambda p, threads: sa.evaluate(p, sa.KnowledgeGradient(), threads=threads)):
        with pytest.raises(ValueError, match=f"threads is {threads!r}; it must be a whole number from 1 to 1024"):
            work(sa.Problem([0.5], 2), threads=threads)


def test_keeping_the_policy_does_not_change_the_value():
    problem = sa.Problem([0.55, 0.41, 0.32], 10)
    assert sa.solve(problem, keep_policy=True).value == sa.solve(problem).value


@pytest.mark.parametrize(
    ("engine", "fields", "reduce", "layers"),
    [
        ("dense", {"threshold": [0.5, 0.6], "budget": 9, "cap": [9, 4]}, False, 10),
        ("dense", {"threshold": [0.5, 0.6], "budget": 60}, False, 8),
        ("live", {"threshold": [0.5, 0.6, 0.99], "budget": 9}, {"dead"}, 10),
        ("symmetric", {"threshold": [0.5, 0.5, 0.5], "budget": 9}, {"identical"}, 10),
        ("batches", {"threshold": [0.5, 0.6], "budget": 9, "batch": 2}, True, 6),
    ],
)
def test_progress_rises_to_the_number_of_states(engine, fields, reduce, layers, monkeypatch):
    take(engine, monkeypatch)
    reports: list[tuple[int, int]] = []
    solution = sa.solve(sa.Problem(**fields), reduce=reduce, progress=lambda *x: reports.append(x))
    assert solution.engine == engine
    done = [x for x, _ in reports]
    assert done == sorted(done)
    assert len(set(done)) >= layers
    assert {total for _, total in reports} == {solution.states} == {done[-1]}


@given(cases(shrink=1))
def test_first_action_needs_no_kept_policy(case):
    problem = problem_of(case)
    solution = sa.solve(problem)
    if problem.labels == 0:
        with pytest.raises(ValueError, match="0 labels are bought, the budget allows 0: nothing is left to choose"):
            solution.action()
        return
    recursion = Recursion(case)
    best = recursion.optimum()[1][recursion.start]
    assert solution.optimal_items().tolist() == best
    assert solution.action() == solution.action([0] * problem.size, [0] * problem.size) == (best[0] if best else -1)


def test_later_actions_need_a_kept_policy():
    solution = sa.solve(sa.Problem([0.5, 0.6], 4))
    for ask in (solution.action, solution.optimal_batches):
        with pytest.raises(ValueError, match=r"the policy was not kept: call solve\(problem, keep_policy=True\)"):
            ask([1, 0], [0, 0])
    batches = sa.solve(sa.Problem([0.5, 0.6], 4, batch=2))
    assert batches.optimal_batches().sum(axis=1).tolist() == [2] * len(batches.optimal_batches())
    with pytest.raises(ValueError, match=r"the policy was not kept: call solve\(problem, keep_policy=True\)"):
        batches.optimal_batches([1, 1], [0, 0])


@pytest.mark.parametrize(
    ("counts", "wins", "message"),
    [
        ([1], [0], r"must have shape \(2,\), found \(1,\) and \(1,\)"),
        ([1, 0, 0], [0, 0, 0], r"must have shape \(2,\)"),
        ([1, 0], [2, 0], "sky: 2 wins in 1 labels; allowed: 0 <= wins <= labels <= 4"),
        ([1, 0], [-1, 0], "sky: -1 wins in 1 labels"),
        ([-1, 0], [0, 0], "sky: 0 wins in -1 labels"),
        ([0, 3], [0, 0], "sea: 0 wins in 3 labels; allowed: 0 <= wins <= labels <= 2"),
        ([2, 2], [1, 1], "4 labels are bought, the budget allows 4: nothing is left to choose"),
        ([3, 2], [1, 1], "5 labels are bought, the budget allows 4: nothing is left to choose"),
    ],
)
def test_state_that_cannot_be_is_refused(counts, wins, message):
    solution = sa.solve(sa.Problem([0.5, 0.6], 4, cap=[4, 2], name=["sky", "sea"]), keep_policy=True)
    with pytest.raises(ValueError, match=message):
        solution.action(counts, wins)


def test_capped_item_is_never_chosen_again():
    solution = sa.solve(sa.Problem([0.5, 0.5], 5, cap=[5, 1]), keep_policy=True)
    assert solution.optimal_items([2, 1], [1, 1]).tolist() == [0]


@pytest.mark.parametrize("items", [8, 9, 65])
def test_policy_of_any_number_of_items_can_be_kept(items):
    threshold = [0.6, *[0.5] * (items - 2), 0.6]
    solution = sa.solve(sa.Problem(threshold, 2), keep_policy=True)
    # One label gains 1/4 at t = 1/2 and less at t = .6, and a second one of the same item gains nothing.
    inner = list(range(1, items - 1))
    assert solution.optimal_items().tolist() == inner
    counts = np.zeros(items, dtype=int)
    counts[items - 2] = 1
    assert solution.optimal_items(counts, counts).tolist() == inner[:-1]
