"""Items that can be bought next: against plain Python, the exact engine's lattice, and exact covers by enumeration."""

from __future__ import annotations

import itertools
import math
import time

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from oracles.family import Case, Item, plus, units
from oracles.family_cases import families

import seqaudit as sa
from seqaudit.dp.exact.lattice import Lattice
from seqaudit.dp.problem.availability import Availability
from seqaudit.dp.problem.budget import cheapest_cover, entangled, further_labels, least_cost

# Each quota overlaps another; the middle item is in all three.
TANGLED = Case(
    (Item(0.5, cost=1, cap=2), Item(0.6, cost=2.5), Item(0.4, cost=1.5, cap=2), Item(0.7, cost=0.5)),
    9,
    quotas=(((0, 1), 2), ((1, 2), 3), ((1, 3), 2)),
)
SHORT_BY_A_HAIR = Case((Item(0.5, cost=1.0000001), Item(0.6, cost=1)), 4, quotas=(((0,), 3),))
# The same with quotas that overlap: a solver of integer programmes would let the difference pass.
OVERLAPPING_HAIR = Case((Item(0.5, cost=1.0000001), Item(0.6, cost=1)), 4, quotas=(((0,), 3), ((0, 1), 3)))
SAVED_FOR_ONE = Case((Item(0.5), Item(0.5, cost=2)), 4, quotas=(((1,), 1),))


def tangled() -> st.SearchStrategy[Case]:
    """Cases of which many have quotas that overlap."""
    return families(batch=False, quotas=4, count=st.integers(2, 4))


@pytest.mark.smoke
@settings(max_examples=200)
@given(families(batch=False) | tangled())
@example(TANGLED)
@example(SHORT_BY_A_HAIR)
@example(OVERLAPPING_HAIR)
@example(SAVED_FOR_ONE)
def test_available_items_are_those_of_plain_python_in_every_state(case):
    problem = case.stated()
    bought = np.array(case.reachable, dtype=np.int64)
    expected = [[case.can(plus(tuple(n), one)) for one in units(len(n))] for n in bought.tolist()]
    rules = Availability(problem)
    assert rules.items(bought).tolist() == expected
    # A row's answer does not depend on the rows beside it.
    assert rules.items(bought[-1:]).tolist() == expected[-1:]


@settings(max_examples=100)
@given(families(batch=False) | tangled())
@example(TANGLED)
def test_available_items_are_those_of_the_exact_engine(case):
    problem = case.stated()
    lattice, rules = Lattice.of(problem), Availability(problem)
    for m in range(lattice.depth + 1):
        layer = lattice.layer(m)
        assert np.array_equal(rules.items(layer.composition), layer.after >= 0)


@settings(max_examples=100)
@given(families(batch=False) | tangled())
@example(TANGLED)
def test_labels_still_to_be_had_are_those_of_the_longest_way_to_go_on(case):
    problem = case.stated()
    rules = Availability(problem)

    def longest(n):
        return max((1 + longest(plus(n, one)) for one in units(len(n)) if case.can(plus(n, one))), default=0)

    for n in case.reachable[:: max(1, len(case.reachable) // 20)]:
        assert rules.labels(np.array(n)) == longest(n)


def test_nothing_is_available_where_quotas_can_no_longer_be_met():
    for case, n in ((SAVED_FOR_ONE, [3, 0]), (TANGLED, [2, 0, 0, 12])):
        rules = Availability(case.stated())
        assert not case.can(tuple(n))
        assert not rules.items(np.array([n])).any()
        assert rules.labels(np.array(n)) == 0


def test_spent_budget_is_the_sum_of_costs():
    assert Availability(TANGLED.stated()).spent(np.array([1, 2, 0, 3])) == 7.5


COVERS = st.integers(1, 3).flatmap(
    lambda quotas: st.tuples(
        st.tuples(*[st.integers(0, 4)] * quotas),
        st.lists(
            st.tuples(
                st.sets(st.integers(0, quotas - 1), min_size=1).map(lambda x: tuple(sorted(x))),
                st.lists(st.integers(1, 9).map(lambda x: x / 4), max_size=4).map(lambda x: tuple(sorted(x))),
            ),
            max_size=4,
        ).map(tuple),
    )
)


@settings(max_examples=300)
@given(COVERS)
def test_cheapest_cover_is_the_cheapest_of_all(given_cover):
    unmet, kinds = given_cover
    best = math.inf
    for taken in itertools.product(*(range(len(prices) + 1) for _, prices in kinds)):
        covered = [
            sum(x for x, (quotas, _) in zip(taken, kinds, strict=True) if q in quotas) for q in range(len(unmet))
        ]
        if all(c >= u for c, u in zip(covered, unmet, strict=True)):
            best = min(best, sum(sum(prices[:x]) for x, (_, prices) in zip(taken, kinds, strict=True)))
    assert cheapest_cover(unmet, kinds) == best


def test_reserve_of_all_quotas_is_their_least_cost():
    problem = TANGLED.stated()
    (tangle,) = Availability(problem)._tangles
    reserve = tangle.reserve(np.zeros(4, dtype=np.int64))
    assert reserve == pytest.approx(least_cost(problem.quota, problem.cost, problem.cap), rel=1e-12)


def test_quotas_are_grouped_by_chains_of_shared_items():
    quota = (((0, 1), 1), ((4,), 1), ((2, 3), 1), ((1, 2), 1), ((5, 4), 2), ((6,), 1))
    assert entangled(quota) == [[0, 2, 3], [1, 4], [5]]
    assert entangled(()) == []


def test_further_labels_go_to_the_cheapest_but_for_the_quotas():
    cost, cap = np.array([1.0, 2.0]), np.array([9, 9])
    assert further_labels(np.array([1, 0]), cost, cap, 7.0) == 6
    assert further_labels(np.array([1, 0]), cost, cap, 7.0, (((1,), 2),)) == 4
    assert further_labels(np.array([1, 2]), cost, cap, 7.0, (((1,), 2),)) == 2
    # Three labels at 0.3 and one at 0.1 are more than 1 by rounding only.
    tenths = np.array([0.1, 0.3])
    assert further_labels(np.array([0, 3]), tenths, np.array([10, 3]), 1.0) == 1


def test_check_is_affordable_for_thousands_of_items():
    """A thousand replications' checks take a second at most; it is a few hundredths here."""
    rng = np.random.default_rng(3)
    size = 3000
    slices = [(range(k, size, 4), 300) for k in range(3)]
    problem = sa.Problem(np.full(size, 0.5), 4000, cost=rng.uniform(0.5, 2, size), cap=5, quota=slices)
    rules = Availability(problem)
    bought = rng.integers(0, 2, (1000, size)) * rng.integers(0, 2, (1000, 1))
    rules.items(bought[:2])
    begin = time.perf_counter()
    found = rules.items(bought)
    assert time.perf_counter() - begin < 1
    assert found.any(axis=1).all()
