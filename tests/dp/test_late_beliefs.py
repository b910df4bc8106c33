"""Beliefs of states that are computed when they are asked for: those that all at once gives, bit for bit."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import seqaudit as sa
from seqaudit.dp.problem.states import _belief_at, known_states
from seqaudit.posteriors.beliefs.sharp import words

# Ordinary thresholds, and some that need more digits than a float has.
C = (0.0, 1.0, -2.0, 45.0, 7.5, -30.0)
PROBLEM = sa.Problem.from_logratio(C, 1.0, 60, prior=[(1, 1), (0.5, 2.0), (3, 1), (1, 1), (2, 2), (1e5, 3e5)])


@given(data=st.data())
@settings(max_examples=60)
def test_late_beliefs_are_those_computed_at_once(data):
    items = np.array(data.draw(st.lists(st.integers(0, 5), min_size=1, max_size=5)))
    n = np.array([data.draw(st.integers(0, 9)) for _ in items], dtype=float)
    w = np.array([data.draw(st.integers(0, int(x))) for x in n], dtype=float)
    mean, tail, jump = _belief_at(PROBLEM, items, n, w)
    first = data.draw(st.sampled_from(["mean", "tail", "jump"]))
    states = known_states(PROBLEM, items, n, w)
    assert "tail" not in vars(states)
    getattr(states, first)
    for name, wanted in (("mean", mean), ("tail", tail), ("jump", jump)):
        found = getattr(states, name)
        assert np.array_equal(found, wanted), name
        assert not found.flags.writeable


def test_an_index_of_the_mean_does_not_compute_the_tails():
    states = known_states(PROBLEM, np.arange(3), np.ones(3), np.ones(3))
    sa.UncertaintySampling().index(states)
    assert "mean" in vars(states)
    assert "tail" not in vars(states)
    assert states.shape == (3,)
    # The fourth needs the exact arithmetic, which gives all of them together.
    sharp = known_states(PROBLEM, np.array([3]), np.ones(1), np.ones(1))
    sa.UncertaintySampling().index(sharp)
    assert "tail" in vars(sharp)


def test_copies_keep_late_beliefs_and_compare_equal():
    states = known_states(PROBLEM, np.arange(6), np.full(6, 2.0), np.ones(6))
    for other in (pickle.loads(pickle.dumps(states)), copy.deepcopy(states), copy.copy(states)):
        assert other == states
        assert not other.tail.flags.writeable
    with pytest.raises(AttributeError, match="no attribute 'tails'"):
        states.tails  # noqa: B018


def test_beliefs_of_a_users_own_are_asked_at_once():
    mixture = sa.BetaMixture((0.5, 0.5), (1, 3), (2, 1))
    problem = sa.Problem([0.5, 0.6], budget=4, prior=[mixture, sa.Beta(1, 1)])
    assert "tail" in vars(known_states(problem, np.arange(2), np.ones(2), np.ones(2)))


def test_many_extreme_thresholds_keep_their_words():
    words.cache_clear()
    for _ in range(2):
        for k in range(6000):
            words(1.0, 50.0 + k / 100.0)
    assert words.cache_info().misses == 6000
