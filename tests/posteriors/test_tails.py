"""Beta tails: constant-time updates against the incomplete beta function, the density and rational arithmetic."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from oracles.recursion import exact_belief, exact_step
from scipy.special import betaincc

from seqaudit.posteriors.beliefs import tails


def beliefs(size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """a and b from 1e-3 to 1e6; t from 1e-12 to 1 - 1e-12, one half anywhere, the other where the belief is."""
    rng = np.random.default_rng(20)
    a, b = 10 ** rng.uniform(-3, 6, (2, size))
    t = 10 ** rng.uniform(-12, np.log10(0.5), size)
    t = np.where(rng.random(size) < 0.5, t, 1 - t)
    mean = a / (a + b)
    near = mean + np.sqrt(mean * (1 - mean) / (a + b + 1)) * rng.normal(size=size)
    t = np.where(rng.random(size) < 0.5, t, np.clip(near, 1e-12, 1 - 1e-12))
    corners = np.meshgrid([1e-3, 0.5, 1.0, 1e3, 1e6], [1e-3, 0.5, 1.0, 1e3, 1e6], [1e-12, 1e-3, 0.5, 1 - 1e-12])
    return tuple(np.concatenate([x, c.ravel()]) for x, c in zip((a, b, t), corners, strict=True))


A, B, T = beliefs(20_000)
P, LOG_D = tails.tail(A, B, T), tails.log_step(A, B, T)
whole = st.integers(1, 60)
bars = st.integers(1, 999).map(lambda x: x / 1000)


def test_parameters_broadcast_together():
    a, t = np.array([[1.0], [2.0]]), np.array([0.2, 0.5, 0.8])
    expected = [[0.8, 0.5, 0.2], [0.96, 0.75, 0.36]]
    assert tails.tail(a, 1, t) == pytest.approx(np.array(expected), rel=1e-15)
    assert tails.jump(a, 1, t).shape == tails.update(0.5, 0.0, a, 1, t, 1)[0].shape == (2, 3)
    assert tails.tail(1, 1, 0.5).shape == ()


def test_tail_jump_and_step_are_finite_over_the_whole_range():
    assert ((P >= 0) & (P <= 1)).all()
    assert np.isfinite(LOG_D).all()
    jump = tails.jump(A, B, T)
    assert ((jump >= 0) & (jump <= 1 + 1e-12)).all()


@pytest.mark.smoke
@pytest.mark.parametrize("win", [0, 1])
def test_update_gives_the_incomplete_beta_function_of_the_next_belief(win):
    p, log_d = tails.update(P, LOG_D, A, B, T, win)
    assert np.abs(p - betaincc(A + win, B + 1 - win, T)).max() < 1e-13
    assert ((p >= 0) & (p <= 1)).all()
    expected = tails.log_step(A + win, B + 1 - win, T)
    assert (np.abs(log_d - expected) <= 1e-12 * np.maximum(1, np.abs(expected))).all()


def test_step_is_the_density_times_its_variance_factor():
    # D = t (1 - t) f(t); to 2e-11 while it is above 1e-290, to 2e-12 while it is above 1e-12.
    density = scipy.stats.beta.pdf(T, A, B) * T * (1 - T)
    for smallest, accuracy in ((1e-290, 2e-11), (1e-12, 2e-12)):
        large = density > smallest
        assert large.mean() > 0.4
        assert np.abs(np.exp(LOG_D[large]) / density[large] - 1).max() < accuracy


def test_tail_is_a_martingale_over_the_whole_range():
    mean = A / (A + B)
    win, loss = (tails.update(P, LOG_D, A, B, T, label)[0] for label in (1, 0))
    assert np.abs(mean * win + (1 - mean) * loss - P).max() < 1e-15


def test_variance_of_the_next_tail_is_d_squared_over_a_b():
    # With the outcomes' tails from the incomplete beta function, which rounds by about 1e-14 here.
    mean = A / (A + B)
    variance = mean * (betaincc(A + 1, B, T) - P) ** 2 + (1 - mean) * (betaincc(A, B + 1, T) - P) ** 2
    assert np.abs(variance - np.exp(2 * LOG_D - np.log(A) - np.log(B))).max() < 1e-14


def test_jump_is_the_distance_between_the_two_outcomes():
    assert np.abs(tails.jump(A, B, T) - (betaincc(A + 1, B, T) - betaincc(A, B + 1, T))).max() < 1e-13


@given(whole, whole, bars)
def test_tail_of_whole_parameters_is_a_binomial_sum(a, b, t):
    exact = exact_belief(a, b, Fraction(t))
    assert float(tails.tail(a, b, t)) == pytest.approx(float(exact.tail), rel=1e-12, abs=1e-300)


@given(whole, whole, bars)
def test_step_of_whole_parameters_is_exact_to_rounding(a, b, t):
    exact = exact_belief(a, b, Fraction(t)).step
    assert float(tails.log_step(a, b, t)) == pytest.approx(math.log(exact), rel=1e-13, abs=1e-13)


@given(st.integers(1000, 4000), st.integers(1000, 4000), st.floats(-3, 3))
def test_step_of_large_whole_parameters_is_exact_near_the_mean(a, b, deviations):
    # Here a log t + b log(1 - t) - log B is a difference of numbers in the thousands.
    s = a + b
    t = Fraction(round(4096 * (a / s + deviations * math.sqrt(a * b / s**3))), 4096)
    assert float(np.exp(tails.log_step(a, b, float(t)))) == pytest.approx(float(exact_step(a, b, t)), rel=2e-13)


@given(whole, whole, bars, st.booleans())
def test_update_agrees_with_rational_arithmetic(a, b, t, win):
    before, after = (exact_belief(a + k * win, b + k * (not win), Fraction(t)) for k in (0, 1))
    p, log_d = tails.update(float(before.tail), math.log(before.step), a, b, t, win)
    assert float(p) == pytest.approx(float(after.tail), abs=4e-16)
    assert float(log_d) == pytest.approx(math.log(after.step), rel=1e-14, abs=1e-14)


@given(whole, whole, bars)
def test_expected_fall_of_the_variance_is_exact_to_rounding(a, b, t):
    x = Fraction(t)
    now, up, down = exact_belief(a, b, x), exact_belief(a + 1, b, x).tail, exact_belief(a, b + 1, x).tail
    fall = now.tail * now.rest - now.mean * up * (1 - up) - (1 - now.mean) * down * (1 - down)
    mean = a / (a + b)
    assert mean * (1 - mean) * float(tails.jump(a, b, t)) ** 2 == pytest.approx(float(fall), rel=1e-12, abs=1e-300)


@pytest.mark.parametrize(
    ("a", "b", "t", "rate"),
    [
        (1, 1, 0.5, 0.5),
        (1, 1, 0.7, 0.7),
        (0.5, 2, 0.3, 0.31),
        (30, 70, 0.3, 0.3),
        (1, 1, 0.01, 0.01),
        (1, 1, 0.99, 0.99),
        (1e-3, 1e-3, 0.5, 0.5),
        (1e6, 1e6, 0.5, 0.5),
        (1, 1, 0.9, 0.5),
        (1, 1, 1e-12, 0.001),
        (1, 1, 0.5, 1.0),
        (1, 1, 0.5, 0.0),
    ],
)
def test_drift_over_ten_thousand_labels_stays_below_1e_11(a, b, t, rate):
    labels = np.random.default_rng(7).random(10_000) < rate
    wins, bought = np.cumsum(labels), np.arange(1, 10_001)
    followed = tails.follow_labels(a, b, t, labels)
    assert np.abs(followed - betaincc(a + wins, b + bought - wins, t)).max() < 1e-11
    assert ((followed >= 0) & (followed <= 1)).all()


@given(st.lists(st.integers(0, 1), max_size=30), st.floats(0.1, 9), st.floats(0.1, 9), bars)
def test_followed_labels_are_iterated_updates(labels, a, b, t):
    p, log_d = tails.tail(a, b, t), tails.log_step(a, b, t)
    expected = []
    for label in labels:
        p, log_d = tails.update(p, log_d, a, b, t, label)
        a, b = a + label, b + 1 - label
        expected.append(float(p))
    first = (a - sum(labels), b - len(labels) + sum(labels))
    assert tails.follow_labels(*first, t, labels) == pytest.approx(expected, abs=1e-13)


@given(st.integers(0, 10_000), st.integers(0, 10_000), st.permutations([1] * 5 + [0] * 5))
def test_order_of_labels_does_not_matter(a, b, labels):
    a, b = 1 + a / 100, 1 + b / 100
    t = a / (a + b)
    last = tails.follow_labels(a, b, t, labels)[-1]
    assert last == pytest.approx(tails.follow_labels(a, b, t, sorted(labels))[-1], abs=1e-14)


def test_update_leaves_its_arguments_alone():
    p, log_d = np.array([0.5]), np.array([tails.log_step(1, 1, 0.5)])
    before = (p.copy(), log_d.copy())
    tails.update(p, log_d, 1, 1, 0.5, 1)
    assert (p, log_d) == before


@pytest.mark.parametrize("function", [tails.tail, tails.log_step, tails.jump])
@pytest.mark.parametrize(
    ("a", "b", "t", "message"),
    [
        (0, 1, 0.5, "a is 0.0; it must be positive and finite"),
        (1, [1, -2], 0.5, "b is -2.0; it must be positive and finite"),
        (np.inf, 1, 0.5, "a is inf; it must be positive and finite"),
        (1, np.nan, 0.5, "b is nan; it must be positive and finite"),
        (1, 1, 0, "t is 0.0; it must lie strictly between 0 and 1"),
        (1, 1, 1, "t is 1.0; it must lie strictly between 0 and 1"),
        (1, 1, [0.5, np.nan], "t is nan; it must lie strictly between 0 and 1"),
    ],
)
def test_parameters_outside_their_range_are_refused(function, a, b, t, message):
    with pytest.raises(ValueError, match=message):
        function(a, b, t)


@pytest.mark.parametrize("labels", [[0, 2], [0.5], [np.nan], [[0, 1], [1, 0]]])
def test_labels_that_are_not_a_run_of_zeros_and_ones_are_refused(labels):
    with pytest.raises(ValueError, match="labels must be a sequence of zeros and ones"):
        tails.follow_labels(1, 1, 0.5, labels)
