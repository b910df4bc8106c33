"""Thresholds: sigma(beta c), its slope, learnability, and the ways to estimate c."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from seqaudit.posteriors.thresholds import largest_learnable_beta, log_ratio, threshold, threshold_slope

ratios = st.floats(-8, 8)
betas = st.floats(0.05, 3)
log_probabilities = st.floats(-40, 0)


@pytest.mark.smoke
@given(ratios, betas)
def test_threshold_is_the_logistic_function_of_beta_c(c, beta):
    assert float(threshold(c, beta)) == pytest.approx(1 / (1 + math.exp(-beta * c)), rel=1e-14)


def test_threshold_keeps_the_shape_of_its_input():
    assert threshold([[0.0, 1.0]], 1.0).shape == threshold_slope([[0.0, 1.0]], 1.0).shape == (1, 2)


@given(ratios, betas)
def test_slope_is_the_derivative_of_the_threshold_in_beta(c, beta):
    # Central difference: truncation below |c|^3 step^2 / 6 < 1e-10 c, rounding below 1e-16 / step.
    step = 1e-6
    difference = (threshold(c, beta + step) - threshold(c, beta - step)) / (2 * step)
    assert float(threshold_slope(c, beta)) == pytest.approx(float(difference), abs=1e-9)


@pytest.mark.parametrize("beta", [0, -1, math.nan, math.inf, "0.1", None])
def test_beta_that_is_not_a_positive_number_is_refused(beta):
    for function in (threshold, threshold_slope):
        with pytest.raises(ValueError, match=r"beta is .*; it must be (positive and finite|a number)"):
            function([1.0], beta)


@given(st.floats(0.05, 8), betas, st.floats(0.01, 0.99))
def test_item_against_the_reference_is_learnable_exactly_below_the_largest_beta(c, beta, rate):
    largest = float(largest_learnable_beta(c, rate))
    assume(abs(beta - largest) > 1e-9)
    assert (rate > threshold(c, beta)) == (beta < largest)
    if rate > 0.5:
        assert largest == pytest.approx(math.log(rate / (1 - rate)) / c, rel=1e-13)


@given(st.floats(-8, 0), st.floats(0.01, 0.99), st.lists(betas, min_size=1, max_size=5))
def test_largest_beta_is_infinite_only_where_every_beta_learns(c, rate, several):
    learnable = [bool(rate > threshold(c, beta)) for beta in several]
    largest = float(largest_learnable_beta(c, rate))
    if largest == math.inf:
        assume(c == 0 or abs(c) > 1e-6)
        assert all(learnable)
    elif largest == 0:
        assert not any(learnable)
    else:
        # The reference agrees but the raters do not: a strong enough pull to the reference helps.
        assert math.isnan(largest)
        assert c < 0
        assert rate < 0.5
        assume(c < -1e-300)
        assert rate > threshold(c, 1.01 * math.log(rate / (1 - rate)) / c)


def test_largest_beta_of_the_smallest_log_ratio():
    assert largest_learnable_beta([5e-324, -5e-324], 0.9).tolist() == [math.inf, math.inf]
    assert np.isnan(largest_learnable_beta(-5e-324, 0.1))


def test_largest_beta_at_the_boundaries():
    c = [2, 2, 2, 0, 0, 0, -1, -1, -1, -0.0]
    rate = [1, 0.5, 0, 1, 0.5, 0, 1, 0.5, 0, 0.9]
    expected = [np.inf, 0, 0, np.inf, 0, 0, np.inf, np.inf, np.nan, np.inf]
    assert largest_learnable_beta(c, rate).tolist() == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize("rate", [-0.1, 1.1, math.nan])
def test_rate_outside_the_unit_interval_is_refused(rate):
    with pytest.raises(ValueError, match="rate must lie between 0 and 1"):
        largest_learnable_beta(1.0, rate)


def test_log_ratio_is_loser_minus_winner():
    assert log_ratio([-4.0, -1.0], [-1.0, -3.0]).tolist() == [3.0, -2.0]


def test_log_ratio_divides_by_lengths_and_temperature():
    c = log_ratio([-12.0, -4.0], [-6.0, -9.0], length_win=[4, 2], length_lose=[3, 6], temperature=0.5)
    assert c.tolist() == [((-6 / 3) - (-12 / 4)) / 0.5, ((-9 / 6) - (-4 / 2)) / 0.5]


members = st.lists(st.tuples(*[log_probabilities] * 4), min_size=1, max_size=4)


@given(members)
def test_mean_log_ensemble_is_a_geometric_mean_of_probabilities(rows):
    win, lose = np.array(rows)[:, :2], np.array(rows)[:, 2:]
    expected = [math.fsum(lose[:, j]) / len(rows) - math.fsum(win[:, j]) / len(rows) for j in (0, 1)]
    assert log_ratio(win, lose) == pytest.approx(expected, abs=1e-12)


@given(members)
def test_log_mean_ensemble_is_the_log_of_a_mean_of_probabilities(rows):
    win, lose = np.array(rows)[:, :2], np.array(rows)[:, 2:]
    mean = [[math.fsum(math.exp(x) for x in side[:, j]) / len(rows) for j in (0, 1)] for side in (win, lose)]
    expected = [math.log(mean[1][j]) - math.log(mean[0][j]) for j in (0, 1)]
    assert log_ratio(win, lose, ensemble="log-mean") == pytest.approx(expected, abs=1e-12)


@given(members)
def test_ensembles_are_combined_before_the_lengths_divide(rows):
    win, lose = np.array(rows)[:, :2], np.array(rows)[:, 2:]
    mean = [[math.fsum(math.exp(x) for x in side[:, j]) / len(rows) for j in (0, 1)] for side in (win, lose)]
    expected = [math.log(mean[1][j]) / (5 + j) - math.log(mean[0][j]) / (2 + j) for j in (0, 1)]
    found = log_ratio(win, lose, length_win=[2, 3], length_lose=[5, 6], ensemble="log-mean")
    assert found == pytest.approx(expected, abs=1e-12)


def test_log_mean_ensemble_survives_probabilities_that_underflow():
    near, far = (log_ratio([[-3.0 - x], [-4.0 - x]], [[-1.0], [-1.0]], ensemble="log-mean") for x in (0.0, 2000.0))
    assert far == pytest.approx(near + 2000.0, rel=1e-14)


@pytest.mark.parametrize("rule", ["mean-log", "log-mean"])
def test_ensemble_of_one_reference_is_that_reference(rule):
    assert log_ratio([[-3.0, -4.0]], [[-1.0, -5.5]], ensemble=rule).tolist() == [2.0, -1.5]


def test_ensemble_rules_differ():
    win, lose = [[-1.0], [-9.0]], [[-2.0], [-2.0]]
    assert abs(log_ratio(win, lose) - log_ratio(win, lose, ensemble="log-mean")) > 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"logp_win": [-1.0, np.nan]}, r"logp_win\[1\] is nan; log-probabilities must be finite"),
        ({"logp_lose": [[-1.0, -1.0], [-np.inf, -1.0]]}, r"logp_lose\[1, 0\] is -inf"),
        ({"temperature": 0}, "temperature is 0; it must be positive and finite"),
        ({"temperature": math.inf}, "temperature is inf; it must be positive and finite"),
        ({"temperature": "hot"}, "temperature is 'hot'; it must be a number"),
        ({"length_win": [1, 2]}, "length normalisation needs both length_win and length_lose"),
        ({"length_lose": [1, 2]}, "length normalisation needs both length_win and length_lose"),
        (
            {"length_win": [1, 0], "length_lose": [1, 1]},
            "length of logp_win: every length must be positive, found 0.0",
        ),
        ({"length_win": [1, 1], "length_lose": [1, np.nan]}, "length of logp_lose: .* found nan"),
        ({"ensemble": "median"}, "ensemble is 'median'; allowed: 'mean-log', 'log-mean'"),
    ],
)
def test_faulty_log_ratio_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        log_ratio(**({"logp_win": [-1.0, -2.0], "logp_lose": [-1.0, -2.0]} | arguments))


def test_a_log_ratio_of_two_numbers_is_a_number():
    found = log_ratio(-1.0, -2.5)
    assert (found.shape, float(found)) == ((), -1.5)
    with pytest.raises(ValueError, match="logp_lose has 2 entries and logp_win has 1"):
        log_ratio(-1.0, [-2.0, -3.0])
