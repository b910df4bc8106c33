"""States that are given to the methods of policies: what is no state is refused by every one of them."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass

import numpy as np
import pytest

import seqaudit as sa
from seqaudit.dp.problem.given_states import state_arrays, takes_states

PROBLEM = sa.Problem([0.5, 0.7, 0.6], budget=6, cap=[6, 4, 5])
POLICIES = [
    *map(sa.make_policy, sa.policy_names()),
    sa.RiskWeighted("kg", [1, 2, 3]),
    sa.MinimumCoverage("lagrangian", ["x", "x", "y"], 1),
    sa.DiverseBatch("kg", [[0.0], [1.0], [3.0]]),
    sa.StopWhen("kg-star"),
]
METHODS = [
    pytest.param(getattr(policy, name), id=f"{policy.name}-{name}")
    for policy in POLICIES
    for name, _ in inspect.getmembers(type(policy), takes_states)
]
every_method = pytest.mark.parametrize("method", METHODS)
COUNTS, WINS = np.array([[1, 0, 2], [0, 0, 0]]), np.array([[1, 0, 0], [0, 0, 0]])
SMALL = "allowed: 0 <= wins <= labels <= "
IMPOSSIBLE = {
    "negative counts": ([[-1, 0, 0]], [[0, 0, 0]], f"item 1: 0 wins in -1 labels; {SMALL}6"),
    "far below zero": ([[0, -(10**12), 0]], [[0, 0, 0]], f"item 2: 0 wins in -1000000000000 labels; {SMALL}4"),
    "negative wins": ([[2, 0, 0]], [[-(10**7), 0, 0]], f"item 1: -10000000 wins in 2 labels; {SMALL}6"),
    "too many wins": ([[1, 0, 0]], [[2, 0, 0]], f"item 1: 2 wins in 1 labels; {SMALL}6"),
    "far too many wins": ([[0, 0, 1]], [[0, 0, 10**9]], f"item 3: 1000000000 wins in 1 labels; {SMALL}5"),
    "above the cap": ([[0, 5, 0]], [[0, 0, 0]], f"item 2: 0 wins in 5 labels; {SMALL}4"),
    "in the second state": ([[0, 0, 0], [0, 0, 6]], [[0, 0, 0], [0, 0, 0]], f"item 3: 0 wins in 6 labels; {SMALL}5"),
    "halves": ([[0.5, 0, 0]], [[0, 0, 0]], "counts[0, 0] is 0.5; it must be a whole number"),
    "text": ([["a", 0, 0]], [[0, 0, 0]], "counts[0, 0] is 'a'; it must be a number"),
    "one state alone": ([0, 0, 0], [0, 0, 0], "counts have shape (3,); it must be (R, 3)"),
    "too few items": ([[0, 0]], [[0, 0]], "counts have shape (1, 2); it must be (R, 3)"),
    "wins of other states": ([[0, 0, 0]], [[0, 0, 0]] * 2, "counts have shape (1, 3) and wins (2, 3)"),
}


def others(method, states: int) -> dict:
    return {"usable": np.ones((states, 3), dtype=bool)} if "usable" in inspect.signature(method).parameters else {}


def test_all_methods_that_take_states_are_found():
    names = {x.id.rpartition("-")[2] for x in METHODS}
    assert names == {"scores", "action_probabilities", "stops", "prices", "bounds", "values", "estimates"}


@every_method
@pytest.mark.parametrize("case", IMPOSSIBLE)
def test_what_is_no_state_is_refused(method, case):
    counts, wins, message = IMPOSSIBLE[case]
    for given in ((counts, wins), (np.array(counts), np.array(wins))):
        # NumPy makes text of numbers beside text.
        start = "counts" if case == "text" else message
        with pytest.raises(ValueError, match=f"^{re.escape(start)}"):
            method(PROBLEM, *given, **others(method, len(counts)))


@every_method
def test_answers_do_not_depend_on_the_container(method):
    more = others(method, 2)
    wanted = method(PROBLEM, COUNTS, WINS, **more)
    for kind in (np.asfortranarray, lambda x: x.astype(np.int32), lambda x: x.astype(np.float64), np.ndarray.tolist):
        np.testing.assert_array_equal(method(PROBLEM, kind(COUNTS), kind(WINS), **more), wanted)


@every_method
def test_other_arguments_are_checked(method):
    with pytest.raises(TypeError, match="problem is 3; it must be a Problem"):
        method(3, COUNTS, WINS, **others(method, 2))
    if "usable" in inspect.signature(method).parameters:
        for bad in (np.ones((2, 2), dtype=bool), np.ones((2, 3)), np.ones(3, dtype=bool)):
            with pytest.raises(ValueError, match="usable is of type"):
                method(PROBLEM, COUNTS, WINS, bad)
    if "pending" in inspect.signature(method).parameters:
        for bad in ([[1, 0, 0]], [[-1, 0, 0], [0, 0, 0]], [["a", 0, 0], [0, 0, 0]]):
            with pytest.raises(ValueError, match="pending"):
                method(PROBLEM, COUNTS, WINS, np.ones((2, 3), dtype=bool), bad)


@pytest.mark.parametrize("policy", [x for x in POLICIES if isinstance(x, sa.JointPolicy)], ids=lambda x: x.name)
def test_a_choice_needs_a_usable_item(policy):
    with pytest.raises(ValueError, match="usable marks no item in one of the states"):
        policy.action_probabilities(PROBLEM, COUNTS, WINS, np.array([[True, True, True], [False, False, False]]))


@pytest.mark.parametrize("name", ["kg-star", "whittle", "lagrangian", "thompson", "epsilon-audit", "lookahead"])
def test_what_is_refused_leaves_no_trace_in_later_answers(name):
    policy, fresh = sa.make_policy(name), PROBLEM.replace()
    wanted = sa.make_policy(name).scores(fresh.replace(budget=6), COUNTS, WINS)
    for counts, wins, _ in IMPOSSIBLE.values():
        with pytest.raises(ValueError, match=r"counts|labels"):
            policy.scores(fresh, counts, wins)
    np.testing.assert_array_equal(policy.scores(fresh, COUNTS, WINS), wanted)


@dataclass(frozen=True)
class Mine(sa.Policy):
    """A policy of a user that indexes by what it is given."""

    name = "mine"

    def scores(self, problem, counts, wins):
        """Entries of a table."""
        assert counts.dtype == wins.dtype == np.int64
        assert not counts.flags.writeable
        assert not wins.flags.writeable
        return np.arange(100.0)[counts - wins]

    def _inner(self, problem, counts, wins):
        return counts


def test_methods_of_a_users_policy_are_given_states_only():
    assert Mine().scores(PROBLEM, [[3, 1, 0]], [[1, 1, 0]]).tolist() == [[2.0, 0.0, 0.0]]
    with pytest.raises(ValueError, match="item 1: 3 wins in 1 labels"):
        Mine().scores(PROBLEM, [[1, 0, 0]], [[3, 0, 0]])
    assert Mine()._inner(PROBLEM, 1, 2) == 1


def test_an_index_of_states_made_by_hand_is_that_of_no_label_where_they_are_impossible():
    states = sa.dp.states_at(PROBLEM, np.arange(3), np.ones(3), np.ones(3))
    wins = np.array([-(10**9), 1.0, 2.0])
    changed = type(states)(**{**{k: getattr(states, k) for k in states.__dataclass_fields__}, "wins": wins})
    index = sa.make_policy("kg-star").index(changed)
    assert index[0] == index[2] == 0.0
    assert index[1] == sa.make_policy("kg-star").index(states)[1]


def test_arrays_are_not_copied_without_need():
    counts, wins = state_arrays(PROBLEM, COUNTS, WINS)
    assert np.shares_memory(counts, COUNTS)
    assert np.shares_memory(wins, WINS)
