"""Beta beliefs and their tables."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from fractions import Fraction
from math import comb

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from seqaudit.posteriors import Beta

parameters = st.floats(1e-3, 1e3)
bars = st.floats(1e-6, 1 - 1e-6)


@given(parameters, parameters, bars, st.integers(0, 12))
def test_tables_are_those_of_the_updated_beta_distributions(a, b, t, n_max):
    mean, tail, jump = Beta(a, b).tables(n_max, t)
    n, w = np.tril_indices(n_max + 1)
    assert mean.shape == tail.shape == jump.shape == (n_max + 1, n_max + 1)
    assert mean[n, w] == pytest.approx((a + w) / (a + b + n), rel=1e-15)
    sf = scipy.stats.beta.sf
    assert tail[n, w] == pytest.approx(sf(t, a + w, b + n - w), rel=1e-10, abs=1e-300)
    apart = sf(t, a + w + 1, b + n - w) - sf(t, a + w, b + n - w + 1)
    assert jump[n, w] == pytest.approx(apart, abs=1e-13)


@given(parameters, parameters, bars)
def test_tables_are_zero_where_no_state_is(a, b, t):
    n, w = np.triu_indices(6, 1)
    assert all(not table[n, w].any() for table in Beta(a, b).tables(5, t))


@given(parameters, parameters, bars)
def test_jump_leads_from_each_tail_to_the_next(a, b, t):
    mean, tail, jump = Beta(a, b).tables(8, t)
    n, w = np.tril_indices(8)
    assert tail[n, w] + (1 - mean[n, w]) * jump[n, w] == pytest.approx(tail[n + 1, w + 1], abs=1e-13)
    assert tail[n, w] - mean[n, w] * jump[n, w] == pytest.approx(tail[n + 1, w], abs=1e-13)


@given(parameters, parameters, bars)
def test_tail_rises_with_a_win_and_falls_with_a_loss(a, b, t):
    tail = Beta(a, b).tables(8, t).tail
    n, w = np.tril_indices(8)
    assert (tail[n + 1, w + 1] >= tail[n, w] - 1e-14).all()
    assert (tail[n + 1, w] <= tail[n, w] + 1e-14).all()


@given(parameters, parameters, bars, st.integers(0, 9))
def test_tables_of_a_later_belief_are_the_rest_of_the_tables(a, b, t, start):
    wins = start // 2
    whole = Beta(a, b).tables(12, t)
    later = Beta(a, b).after(wins=wins, losses=start - wins).tables(12 - start, t)
    n, w = np.tril_indices(13 - start)
    for table, rest in zip(whole, later, strict=True):
        assert table[start + n, wins + w] == pytest.approx(rest[n, w], rel=1e-10, abs=1e-15)


@given(parameters, parameters, bars)
def test_states_one_by_one_are_those_of_the_tables(a, b, t):
    n, w = np.tril_indices(10)
    for table, values in zip(Beta(a, b).tables(9, t), Beta(a, b).at(n, w, t), strict=True):
        assert values == pytest.approx(table[n, w], rel=1e-10, abs=1e-15)


def test_states_with_a_million_labels_need_no_tables():
    mean, tail, jump = Beta(1, 1).at(1_000_000, [0, 499_000, 500_000, 1_000_000], 0.5)
    assert mean == pytest.approx(np.array([1, 499_001, 500_001, 1_000_001]) / 1_000_002, rel=1e-15)
    assert tail == pytest.approx(np.array([0, scipy.stats.norm.sf(2), 0.5, 1]), abs=1e-4)
    # The jump at the middle is the Beta density's height there over the number of labels.
    assert jump[2] == pytest.approx(scipy.stats.beta.pdf(0.5, 500_001, 500_001) / 1_000_002, rel=1e-9)


def expected_accuracy(belief: Beta, t: float, n_max: int) -> list[float]:
    """E max(p, 1 - p) after 0..n_max labels, by pushing the probability of each win count forward through the means."""
    mean, tail, _ = belief.tables(n_max, t)
    probability, out = np.array([1.0]), []
    for n in range(n_max + 1):
        p = tail[n, : n + 1]
        out.append(float(probability @ np.maximum(p, 1 - p)))
        mu = mean[n, : n + 1]
        probability = np.append(probability * (1 - mu), 0) + np.append(0, probability * mu)
    return out


@pytest.mark.smoke
def test_accuracy_climbs_a_staircase_at_one_half():
    steps = expected_accuracy(Beta(1, 1), 0.5, 6)
    assert steps == pytest.approx([0.5, 0.75, 0.75, 0.8125, 0.8125, 0.84375, 0.84375], abs=1e-14)


def test_accuracy_is_flat_for_twelve_labels_at_a_high_bar():
    steps = expected_accuracy(Beta(1, 1), 0.95, 13)
    assert steps[:13] == pytest.approx([0.95] * 13, abs=1e-14)
    assert steps[13] > 0.95 + 1e-3


@given(parameters, parameters)
def test_mean_and_later_belief_follow_the_counts(a, b):
    assert Beta(a, b).mean == pytest.approx(a / (a + b), rel=1e-15)
    assert Beta(a, b).after(wins=3, losses=2) == Beta(a + 3, b + 2)
    assert Beta(a, b).after(wins=0, losses=0) == Beta(a, b)


def test_beta_is_a_frozen_value():
    belief = Beta(np.int64(1), 2)
    assert belief == Beta(1.0, 2.0)
    assert hash(belief) == hash(Beta(1.0, 2.0))
    with pytest.raises(FrozenInstanceError):
        belief.a = 3.0


@pytest.mark.parametrize(("a", "b", "message"), [(0, 1, "a is 0"), (1, -1, "b is -1"), (1, np.nan, "b is nan")])
def test_parameters_outside_their_range_are_refused(a, b, message):
    with pytest.raises(ValueError, match=f"{message}; it must be positive and finite"):
        Beta(a, b)


@pytest.mark.parametrize("threshold", [0, 1, -0.5, np.nan])
def test_threshold_outside_the_unit_interval_is_refused(threshold):
    with pytest.raises(ValueError, match=f"threshold is {threshold}; it must lie strictly between 0 and 1"):
        Beta(1, 1).tables(3, threshold)


def test_tails_are_exact_rationals_to_rounding_at_whole_parameters():
    # P(alpha > t) for Beta(a, b) is the probability of fewer than a successes in a + b - 1 trials at rate t; .9 as the
    # float that it is. Where terms nearly cancel, library routines lose four digits here.
    t = 0.9
    tail = Beta(1, 7).tables(200, t).tail
    x = Fraction(t)
    for n, w in ((200, 180), (188, 176), (187, 170), (120, 60), (200, 200)):
        a, b = 1 + w, 7 + n - w
        exact = sum(comb(a + b - 1, k) * x**k * (1 - x) ** (a + b - 1 - k) for k in range(a))
        assert tail[n, w] == pytest.approx(float(exact), rel=2e-14)
