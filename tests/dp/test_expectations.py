"""Expectations along a policy: against every path in plain Python, and against exact values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.beliefs import beliefs
from oracles.family import Oracle
from oracles.family_cases import families

import seqaudit as sa
from seqaudit.bandits.registry import registered_policies


@st.composite
def followed(draw):
    """A problem, a nature for each of its items or none, and a policy with its rule in plain Python."""
    case = draw(families(utility=st.just("accuracy"), batch=False, shrink=1))
    nature = draw(st.none() | st.tuples(*[beliefs] * len(case.items)))
    name = draw(st.sampled_from(("uncertainty", "round-robin", "audit-index", "exact")))
    rule = Oracle(case).optimal_rule() if name == "exact" else Oracle(case).index_rule(name)
    return case, nature, registered_policies()[name](), rule


def plain(case, nature, rule):
    """Expected labels, and probabilities at the end, of each item by its labels and wins: every path by itself."""
    oracle = Oracle(case, nature)
    width = max(case.caps) + 1
    asked, ended = np.zeros((2, len(case.items), width, width))
    for state, chance, shares in oracle.visits(rule):
        for i, p in shares.items():
            asked[i][state[i]] += chance * float(p)
        for i, at in enumerate(() if shares else state):
            ended[i][at] += chance
    return asked, ended


@settings(max_examples=60)
@given(followed())
def test_labels_and_ends_of_each_item_are_those_of_every_path(drawn):
    case, nature, policy, rule = drawn
    found = sa.passage(case.stated(), policy, nature=None if nature is None else [x.stated() for x in nature])
    asked, ended = plain(case, nature, rule)
    np.testing.assert_allclose(found.asked, asked, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.ended, ended, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.ended.sum(axis=(1, 2)), 1.0, rtol=0, atol=1e-12)


@settings(max_examples=30)
@given(followed())
def test_payoffs_at_the_end_add_up_to_the_value(drawn):
    case, nature, policy, _ = drawn
    problem, given_nature = case.stated(), None if nature is None else [x.stated() for x in nature]
    true = problem if nature is None else sa.Problem(**(case_fields(problem) | {"prior": given_nature}))
    width = int(problem.cap.max()) + 1
    told, known = np.zeros((2, problem.size, width, width))
    for i in range(problem.size):
        said, states = sa.states_of_item(problem, i).tail, sa.states_of_item(true, i)
        size = len(said)
        extra = states.reward * states.wins - problem.label_price * states.cost * states.labels
        told[i, :size, :size] = states.weight * problem.utility.score(said, states.tail) + extra
        known[i, :size, :size] = states.weight * problem.utility(states.tail) + extra
    value, best = sa.expected_final(problem, policy, [told, known], nature=given_nature)
    result = sa.evaluate(problem, policy, nature=given_nature)
    assert value == pytest.approx(result.value, abs=1e-12)
    assert best == pytest.approx(result.value if nature is None else result.best_decisions_value, abs=1e-12)


def case_fields(problem):
    return {key: getattr(problem, key) for key in ("threshold", "weight", "budget", "cap", "cost", "quota", "reward")}


def test_answer_does_not_depend_on_threads():
    problem = sa.Problem([0.5, 0.6, 0.7], 9, prior=(2, 1))
    one, two = (sa.passage(problem, sa.Exact(), threads=k) for k in (1, 2))
    np.testing.assert_array_equal(one.asked, two.asked)


def test_nothing_is_worth_something_where_an_item_never_comes():
    found = sa.passage(sa.Problem([0.5, 0.6], 2), sa.RoundRobin())
    tables = np.where(found.ended > 0, 1.0, np.nan)
    assert float(found.at_the_end(tables)) == pytest.approx(2.0, abs=1e-14)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda p: sa.expected_final(p, sa.Uniform(), np.zeros((2, 3, 4))),
            r"tables have shape \(2, 3, 4\); .*2, 4, 4",
        ),
        (lambda p: sa.passage(p, sa.Uniform()).when_asked([1.0]), r"tables have shape \(1,\)"),
        (lambda p: sa.passage(p, sa.Uniform(), nature=[sa.Beta(1, 1)]), "nature has 1 beliefs"),
        (lambda p: sa.passage(sa.Problem([0.5, 0.6], 4, batch=2), sa.Uniform()), "batch is 2"),
    ],
)
def test_bad_input_is_refused_in_one_line(call, message):
    with pytest.raises(ValueError, match=message) as refused:
        call(sa.Problem([0.5, 0.7], 3))
    assert "\n" not in str(refused.value)
