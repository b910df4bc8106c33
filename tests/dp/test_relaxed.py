"""Items at a fixed price: the band along the kink against tables of all states."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import seqaudit as sa
from seqaudit.dp.bounds.lagrangian_relaxation import Relaxed
from seqaudit.dp.kernels import relaxed as kernels
from seqaudit.dp.problem.tables import gains
from seqaudit.posteriors.utilities import Utility


@dataclass(frozen=True)
class Tabulated(Utility):
    """A utility that does not say where its kink is, so that all states are tabulated."""

    kinked: Utility
    name = "tabulated"

    def __call__(self, p):
        return self.kinked(p)


@st.composite
def items(draw):
    size = draw(st.integers(1, 4))

    def each(values):
        return draw(st.lists(values, min_size=size, max_size=size))

    utility = draw(
        st.sampled_from([sa.Accuracy()]) | st.builds(sa.Asymmetric, gain=st.floats(0.2, 3.0), loss=st.floats(0.2, 3.0))
    )
    fields = {
        "threshold": each(st.sampled_from([0.5, 0.25, 0.9]) | st.floats(0.02, 0.98)),
        "budget": draw(st.integers(1, 60)),
        "weight": each(st.floats(0.3, 3.0)),
        "prior": each(st.tuples(*[st.sampled_from([1.0, 2.0, 30.0]) | st.floats(0.1, 20.0)] * 2)),
        "cap": each(st.integers(1, 40)),
    }
    return utility, fields


@settings(max_examples=150)
@given(items(), st.sampled_from([0.0, 1e-4, 0.003, 0.01, 0.05, 0.2]))
def test_band_along_the_kink_has_the_worth_and_the_labels_of_all_states(case, price):
    utility, fields = case
    band = Relaxed(sa.Problem(utility=utility, **fields), threads=1).at(price)
    table = Relaxed(sa.Problem(utility=Tabulated(utility), **fields), threads=1).at(price)
    np.testing.assert_allclose(band[0], table[0], atol=1e-12, rtol=0)
    if price > 0:
        np.testing.assert_allclose(band[1], table[1], atol=1e-9, rtol=0)


@settings(max_examples=100)
@given(st.floats(0.02, 0.98), st.floats(0.2, 20.0), st.floats(0.2, 20.0), st.floats(0.1, 0.9))
def test_a_label_gains_in_one_state_of_a_row_at_most_and_never_more_than_the_bound(t, a, b, loss):
    utility = sa.Asymmetric(gain=1 - loss, loss=loss)
    _, slope = utility.kink()
    mean, tail, _ = sa.Beta(a, b).tables(40, t)
    gain = gains(mean, utility(tail))
    for n in range(40):
        row = gain[n, : n + 1]
        assert (row > 1e-12).sum() <= 1
        assert row.max() <= kernels.largest_gain(a + b + n, t * (1 - t), slope) + 1e-12


EXTREME_PRIORS = [(1e-6, 1e-6), (1e-3, 1e-3), (1e-3, 1e6), (30.0, 0.05), (1e3, 1.0), (1.0, 1e6), (1e6, 1e6)]


@pytest.mark.parametrize("t", [1e-170, 1e-9, 1e-3, 0.5, 0.999, 1 - 1e-9])
@pytest.mark.parametrize("loss", [1e-3, 1.0, 50.0])
def test_extreme_thresholds_and_priors_have_the_worth_of_all_states_and_are_bounded_by_fewer_rows(t, loss):
    utility, cap = sa.Asymmetric(gain=1.0, loss=loss), 40
    kink, slope = utility.kink()
    for prior in EXTREME_PRIORS:
        problem = sa.Problem([t], cap, prior=prior, utility=utility)
        band, table = (
            Relaxed(problem, threads=1),
            Relaxed(sa.Problem([t], cap, prior=prior, utility=Tabulated(utility)), threads=1),
        )
        largest = [kernels.largest_gain(sum(prior) + n, t * (1 - t), slope) for n in range(cap)]
        mean, tail, _ = sa.Beta(*prior).tables(cap, t)
        gain = gains(mean, utility(tail))
        assert (gain.max(axis=1) <= np.array(largest) * (1 + 1e-9) + 1e-13 * slope).all()
        for price in (0.0, 1e-6 * slope, 0.01 * gain.max(), 0.3 * gain.max()):
            exact = table.at(price)[0][0]
            assert abs(band.at(price)[0][0] - exact) <= 1e-12 * slope
            for room in (1, 10):
                bound = np.zeros((2, 1))
                one = np.ones((4, 1)) * [[prior[0]], [prior[1]], [t], [problem.prior_tail[0]]]
                kernels.relax_items(*one, kink, slope, problem.cap.copy(), np.array([price]), room, *bound)
                assert exact - 1e-12 * slope <= bound[0, 0] <= slope


def test_rare_wins_do_not_take_more_rows():
    for t in (1e-3, 1e-6, 1e-12):
        assert kernels.rows_needed(2.0, t * (1 - t), 2.0, 0.004, 10**6) < kernels.rows_needed(
            2.0, 0.25, 2.0, 0.004, 10**6
        )


def alone(t, lam, room, cap=10**9):
    worth, labels = np.zeros((2, 1))
    one = np.ones(1)
    kernels.relax_items(
        one, one, np.array([t]), np.array([1 - t]), 0.5, 2.0, np.array([cap]), np.array([lam]), room, worth, labels
    )
    return float(worth[0]), float(labels[0])


@pytest.mark.parametrize("t", [0.5, 0.37, 0.08])
def test_rows_that_are_left_out_are_bounded_from_above_and_more_rows_bound_tighter(t):
    lam = 0.004
    exact = alone(t, lam, 10**6)[0]
    assert exact == alone(t, lam, 20_000)[0]
    short = [alone(t, lam, rows)[0] for rows in (10, 40, 160, 640)]
    assert short == sorted(short, reverse=True)
    assert short[-1] >= exact
    assert short[1] > exact
    assert all(worth <= min(t, 1 - t) for worth in short)
    # Without the bound at the end, a cap of as many labels is worth less.
    assert alone(t, lam, 40, cap=40)[0] < exact


@pytest.mark.parametrize("room", [10, 40])
def test_at_no_price_an_item_is_worth_what_the_truth_is(room):
    # Labels without end tell the truth: .5 (1 - .5) of it is not yet known.
    assert alone(0.5, 0.0, room)[0] == pytest.approx(0.5, abs=1e-12)


def test_a_threshold_whose_square_is_zero_is_bounded():
    problem = sa.Problem([1e-170, 0.5], 10)
    assert sa.upper_bound(problem).value == pytest.approx(sa.solve(problem).value, abs=1e-12)


def test_a_prior_far_from_its_kink_starts_below_the_smallest_number():
    # D(1, 3000) at t = .9 is 1e-2995; after some wins it counts.
    problem = sa.Problem([0.9], 40, prior=(1, 3000))
    assert Relaxed(problem).at(1e-6)[0].tolist() == [0.0]


def test_answers_do_not_depend_on_the_number_of_threads():
    rng = np.random.default_rng(7)
    problem = sa.Problem(rng.uniform(0.05, 0.95, 2000), 10_000, weight=rng.uniform(0.5, 4, 2000))
    one, two = (Relaxed(problem, threads=k).at(0.02) for k in (1, 2))
    assert np.array_equal(one, two)
    assert (one[0] > 0).sum() > 1000


def test_bound_of_many_items_lies_above_a_simulated_value_and_is_the_least_of_its_neighbours():
    rng = np.random.default_rng(7)
    problem = sa.Problem(rng.uniform(0.05, 0.95, 300), 3000, weight=rng.uniform(0.5, 4, 300))
    bound = sa.upper_bound(problem)
    found = sa.simulate(problem, "variance-reduction", replications=20, seed=7)
    assert found.mean - 4 * found.standard_error < bound.value
    dual = Relaxed(problem)
    for factor in (0.9, 0.99, 1.01, 1.1):
        price = bound.price * factor
        assert problem.prior_value + price * 3000 + dual.at(price)[0].sum() >= bound.value
