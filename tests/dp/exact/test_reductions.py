"""Reductions of the lattice, dead and identical items, change the number of states only; single precision."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.beliefs import Beta
from oracles.family import Case, Item, Oracle, arrays, counts_of
from oracles.family_cases import families

import seqaudit as sa
from seqaudit.dp.exact import engines

REDUCTIONS = (True, {"dead"}, {"identical"}, ["dead", "identical"])
FORCED = (("live", {"dead"}), ("live", True), ("pair", True), ("symmetric", {"identical"}), ("symmetric", True))
STARTS = {"live": "_LIVE_START", "pair": "_PAIR_START", "symmetric": "_SYMMETRIC_START"}


def agree(value: float, other: float) -> bool:
    return abs(value - other) <= 1e-12 * max(1.0, abs(value))


@contextmanager
def forced(engine: str) -> Iterator[None]:
    """Have ``solve`` take an engine wherever it applies, however long it would take."""
    prices = {"_DENSE_COST": (math.inf,) * 4} | {start: math.inf for name, start in STARTS.items() if name != engine}
    with pytest.MonkeyPatch.context() as patch:
        for name, price in prices.items():
            patch.setattr(engines, name, price)
        yield


def reduced(problem: sa.Problem, dense: sa.Solution) -> Iterator[sa.Solution]:
    """The problem solved with every reduction, and the same value asserted."""
    for engine, reduce in (*((None, x) for x in REDUCTIONS), *FORCED):
        with nullcontext() if engine is None else forced(engine):
            solution = sa.solve(problem, reduce=reduce)
        assert agree(dense.value, solution.value)
        assert problem.labels == 0 or solution.optimal_batches().tolist() == dense.optimal_batches().tolist()
        yield solution


@settings(max_examples=60)
@given(families())
def test_no_reduction_changes_the_value_of_any_problem(case):
    problem = case.stated()
    dense = sa.solve(problem, reduce=False)
    for solution in reduced(problem, dense):
        assert solution.states <= dense.states or solution.engine != "dense"


@settings(max_examples=30)
@given(families(count=st.integers(3, 6), kinds=2, batch=False, shrink=-2))
def test_no_reduction_changes_the_value_of_problems_with_many_identical_items(case):
    problem = case.stated()
    engines = {solution.engine for solution in reduced(problem, sa.solve(problem, reduce=False))}
    assert "symmetric" in engines or case.quotas or not problem.labels


@settings(max_examples=40)
@given(families(batch=False), st.randoms(use_true_random=False))
def test_no_reduction_changes_the_optimal_items_anywhere(case, random):
    problem = case.stated()
    dense = sa.solve(problem, reduce=False, keep_policy=True)
    states = [x for x in case.states() if case.moves(counts_of(x))]
    for reduce in REDUCTIONS:
        solution = sa.solve(problem, reduce=reduce, keep_policy=True)
        assert agree(dense.value, solution.value)
        for state in random.sample(states, min(len(states), 25)):
            assert solution.optimal_items(*arrays(state)).tolist() == dense.optimal_items(*arrays(state)).tolist()


@settings(max_examples=60)
@given(
    st.lists(st.floats(0.02, 0.98), min_size=2, max_size=2),
    st.lists(st.floats(0.3, 6), min_size=4, max_size=4),
    st.integers(2, 40),
    st.sampled_from(["accuracy", "asymmetric", "variance"]),
    st.integers(1, 3),
)
def test_live_parts_of_two_items_are_as_good_as_every_state(threshold, prior, budget, utility, threads):
    problem = sa.Problem(threshold, budget, prior=np.reshape(prior, (2, 2)), utility=utility)
    dense = sa.solve(problem, reduce=False)
    with forced("pair"):
        live = sa.solve(problem, reduce={"dead"}, threads=threads)
    assert live.engine == "live"
    assert live.states <= dense.states
    assert agree(dense.value, live.value)
    assert live.first_choice == pytest.approx(dense.first_choice, abs=1e-12)


def test_live_parts_of_two_items_with_many_labels():
    # Shared between threads, whose parts are mended between layers.
    problem = sa.Problem([0.555, 0.408], budget=150)
    dense = sa.solve(problem, reduce=False)
    with forced("pair"):
        values = {sa.solve(problem, threads=threads).value for threads in (1, 2, 3)}
    assert len(values) == 1
    assert agree(dense.value, values.pop())


# Two or three classes of identical items, which quotas and caps may tell apart.
CLASSES = {
    "three alike": Case((Item(0.5),) * 3, 9),
    "two and two": Case((Item(0.5), Item(0.7, 2.0), Item(0.5), Item(0.7, 2.0)), 6),
    "three classes": Case((Item(0.5), Item(0.6, prior=Beta(2, 1)), Item(0.5), Item(0.3), Item(0.3)), 5, "variance"),
    "one capped": Case((Item(0.5), Item(0.5, cap=2), Item(0.5)), 8, "entropy"),
    "costs": Case((Item(0.5, cost=1.5), Item(0.4, cost=1.5), Item(0.5, cost=1.5), Item(0.5, cost=1)), 7.5),
    "rewards": Case((Item(0.5, reward=0.2), Item(0.5, reward=0.2), Item(0.5)), 7, "none"),
    "a quota apart": Case((Item(0.5),) * 3, 8, quotas=(((0,), 3), ((1, 2), 2))),
    "a quota across": Case((Item(0.5, cost=0.5),) * 3 + (Item(0.6),), 3.5, "decisive", (((0, 3), 2),)),
    "batches": Case((Item(0.5), Item(0.5), Item(0.7), Item(0.7)), 6, batch=2),
    "dead among them": Case((Item(0.5), Item(0.95, prior=Beta(1, 3)), Item(0.5), Item(0.95, prior=Beta(1, 3))), 7),
    "dead, rewarded": Case((Item(0.5, reward=0.1), Item(0.95, reward=0.1), Item(0.95, reward=0.1)), 7),
    "dead, with a quota": Case((Item(0.5), Item(0.6), Item(0.99, cap=4)), 8, "asymmetric", (((2,), 3),)),
    "all dead": Case((Item(0.99), Item(0.98, cap=2)), 8),
    "dead, not convex": Case((Item(0.99), Item(0.5), Item(0.45, 2.0)), 8, "decisive"),
}


@pytest.mark.smoke
@pytest.mark.parametrize("name", CLASSES)
def test_reductions_agree_with_the_dense_sweep_on_chosen_problems(name):
    case = CLASSES[name]
    problem = case.stated()
    list(reduced(problem, sa.solve(problem, reduce=False)))
    if case.batch > 1:
        return
    dense = sa.solve(problem, reduce=False, keep_policy=True)
    for reduce in REDUCTIONS:
        solution = sa.solve(problem, reduce=reduce, keep_policy=True)
        for state in [x for x in case.states() if case.moves(counts_of(x))][::7]:
            assert solution.optimal_items(*arrays(state)).tolist() == dense.optimal_items(*arrays(state)).tolist()


@pytest.mark.parametrize(
    ("problem", "engine", "fewer"),
    [
        (sa.Problem([0.5] * 2, 40), "symmetric", 1.8),
        (sa.Problem([0.5] * 3, 16), "symmetric", 4.0),
        (sa.Problem([0.5, 0.5, 0.7, 0.7], 10), "symmetric", 2.5),
        (sa.Problem([0.5, 0.6, 0.99], 20), "live", 1.5),
        (sa.Problem([0.555, 0.408], 100), "live", 1.8),
        (sa.Problem([0.5, 0.5, 0.99], 20), "symmetric", 3.0),
    ],
    ids=["two alike", "three alike", "two pairs", "a dead item", "items that die on the way", "both"],
)
def test_reduction_visits_fewer_states(problem, engine, fewer):
    dense = sa.solve(problem, reduce=False)
    with forced(engine):
        solution = sa.solve(problem)
    assert agree(dense.value, solution.value)
    assert (dense.engine, solution.engine) == ("dense", engine)
    assert dense.states == math.comb(problem.budget + 2 * problem.size, 2 * problem.size)
    assert solution.states * fewer <= dense.states


def test_reductions_are_chosen_where_they_save_most():
    assert sa.solve(sa.Problem([0.5] * 4, 14)).engine == "dense"
    problem = sa.Problem([0.5] * 4, 36)
    assert sa.solve(problem).states * 10 < sa.Lattice.of(problem).states


def test_identical_items_are_found_only_where_nothing_tells_them_apart():
    alike = {"threshold": [0.5, 0.5], "budget": 6}
    for change in (
        {"weight": [1, 2]},
        {"cost": [1, 2]},
        {"reward": [0, 1]},
        {"cap": [6, 5]},
        {"quota": [([0], 1)]},
        {"prior": [sa.Beta(1, 1), sa.Beta(1, 2)]},
        {"prior": [sa.NoisyBeta(1, 1, 0.1), sa.NoisyBeta(1, 1, 0.2)]},
        {"threshold": [0.5, 0.6]},
    ):
        with forced("symmetric"):
            assert sa.solve(sa.Problem(**(alike | change)), reduce={"identical"}).engine != "symmetric"
    for change in ({}, {"name": ["sky", "sea"]}, {"quota": [([0, 1], 2)]}, {"prior": [sa.NoisyBeta(1, 1, 0.1)] * 2}):
        with forced("symmetric"):
            assert sa.solve(sa.Problem(**(alike | change)), reduce={"identical"}).engine == "symmetric"


def test_rewards_keep_an_item_alive():
    # No label can change the decision on item 2, but its wins pay.
    case = Case((Item(0.5), Item(0.99, reward=1.0)), 8)
    dense = sa.solve(case.stated(), reduce=False)
    assert dense.value > sa.solve(sa.Problem([0.5, 0.99], 8)).value + 3
    assert len(list(reduced(case.stated(), dense))) == len(REDUCTIONS) + len(FORCED)


@pytest.mark.parametrize("reduce", ["everything", {"dead", "same"}, {"Dead"}, 3, [None]])
def test_unknown_reduction_is_refused(reduce):
    with pytest.raises(ValueError, match=r"reduce.*(dead|identical|must be True or False or a collection)"):
        sa.solve(sa.Problem([0.5], 2), reduce=reduce)


# Single precision.


def tolerance(case: Case) -> float:
    """Half a unit in the last place of the largest number that can appear, for each layer, item and rounding in it."""
    largest = sum(x.weight for x in case.items) * 1.5 + case.labels * max(abs(x.reward) for x in case.items)
    return 4 * (case.labels + len(case.items) + 1) * 2.0**-24 * max(largest, 1.0)


@settings(max_examples=100)
@given(families())
def test_single_precision_stays_within_its_rounding(case):
    problem = case.stated()
    value = sa.solve(problem).value
    for reduce in (True, False):
        single = sa.solve(problem, dtype="float32", reduce=reduce).value
        assert abs(single - value) <= tolerance(case)


@settings(max_examples=30)
@given(families(batch=False))
def test_policy_kept_in_single_precision_earns_the_optimum_within_its_rounding(case):
    solution = sa.solve(case.stated(), dtype="float32", keep_policy=True)
    value = Oracle(case).value_of(lambda state: dict.fromkeys(solution.optimal_items(*arrays(state)).tolist(), 1))
    assert value == pytest.approx(sa.solve(case.stated()).value, abs=2 * tolerance(case))


@pytest.mark.smoke
@pytest.mark.parametrize("utility", ["accuracy", "entropy", "variance"])
def test_single_precision_is_close_over_a_long_budget(utility):
    problem = sa.Problem([0.555, 0.408, 0.7], 24, utility=utility)
    value, single = (sa.solve(problem, dtype=dtype).value for dtype in ("float64", "float32"))
    assert single != value
    assert single == pytest.approx(value, rel=1e-5)


@pytest.mark.parametrize("dtype", ["float16", "double", 32, None, np.float16])
def test_unknown_number_type_is_refused(dtype):
    with pytest.raises(ValueError, match=r"dtype.*float64.*float32|dtype.*float32.*float64"):
        sa.solve(sa.Problem([0.5], 2), dtype=dtype)
