"""The largest beta that keeps a share of the weight learnable, against closed forms and dense grids."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, log_expit
from scipy.stats import beta as beta_law

import seqaudit as sa
from seqaudit.benchmarks.design_choices import largest_beta as coverage
from seqaudit.benchmarks.figures.design_choices import plot_share


def share(c, beta, weight, prior):
    """S(beta) at one or many betas, from the equation and another library's tail."""
    c, weight = np.asarray(c, dtype=float), np.asarray(weight, dtype=float)
    a, b = np.asarray(prior, dtype=float).T
    return (weight * beta_law.sf(expit(np.multiply.outer(beta, c)), a, b)).sum(axis=-1) / weight.sum()


@pytest.mark.parametrize("c", [0.3, 1.0, 4.0])
@pytest.mark.parametrize("target", [0.05, 0.25, 0.4])
def test_one_item_against_the_reference_has_a_closed_form(c, target):
    # P(alpha > t) = 1 - t under Beta(1, 1).
    found = sa.largest_beta([c], target)
    exact = np.log((1 - target) / target) / c
    assert found.value <= exact <= found.upper
    assert found.upper - found.value <= 1e-9 * max(found.upper, 1 / c)
    assert found.share == pytest.approx(target, abs=1e-8)
    assert found.limit == 0


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    items=st.lists(
        st.tuples(
            st.integers(-30, 30).map(lambda x: x / 10),
            st.integers(1, 4),
            st.integers(1, 8),
            st.integers(1, 8),
        ),
        min_size=1,
        max_size=5,
    ),
    target=st.integers(1, 99).map(lambda x: x / 100 + 1e-3),
)
def test_target_is_reached_there_and_nowhere_beyond(items, target):
    c, weight, a, b = map(list, zip(*items, strict=True))
    prior = list(zip(a, b, strict=True))
    found = sa.largest_beta(c, min(target, 1.0), weight=weight, prior=prior)
    grid = np.concatenate([np.geomspace(1e-6, 1e4, 400), np.linspace(0.0, 20.0, 400)])
    reached = grid[share(c, grid, weight, prior) >= found.target + 1e-11].tolist()
    if np.isinf(found.value):
        assert found.limit >= found.target - 1e-12
        assert share(c, 1e5, weight, prior) == pytest.approx(found.limit, abs=1e-9)
    elif np.isnan(found.value):
        assert all(x <= found.upper for x in reached) if found.upper == found.upper else not reached
    else:
        assert share(c, found.value, weight, prior) >= found.target - 1e-11
        assert max(reached, default=0.0) <= found.upper
        assert found.upper - found.value <= 1e-9 * max(found.upper, 1 / np.abs(c).max())


def test_the_largest_of_several_crossings_is_found():
    # One item falls at once, one rises, and one falls slowly: the share dips below the target and comes back.
    c, weight, prior = [5.0, -1.0, 0.1], [1.0, 1.0, 1.0], [(6, 2), (2, 2), (40, 4)]
    target = 0.6
    signs = share(c, np.linspace(0, 60, 3000), weight, prior) >= target
    assert np.count_nonzero(np.diff(signs)) == 3
    found = sa.largest_beta(c, target, weight=weight, prior=prior)
    last = np.linspace(0, 60, 3000)[np.flatnonzero(signs)[-1]]
    assert last <= found.upper <= last + 60 / 2999
    assert share(c, found.value, weight, prior) == pytest.approx(target, abs=1e-8)


def test_the_limit_decides_whether_there_is_an_end():
    c, weight = [-1.0, 2.0, 0.0], [2.0, 1.0, 1.0]
    # c < 0 is learnable in the end, c > 0 is not, c = 0 stays what it was.
    assert sa.learnable_share(c, np.inf, weight=weight) == pytest.approx((2 + 0.5) / 4)
    assert np.isinf(sa.largest_beta(c, 0.625, weight=weight).value)
    assert np.isfinite(sa.largest_beta([-1.0, 2.0, 0.0], 0.76, weight=weight, prior=(9, 1)).value)
    assert np.isinf(sa.largest_beta([-1.0, -3.0], 1.0).value)
    assert np.isinf(sa.largest_beta([1.0], 0.0).value)
    for found in (sa.largest_beta([1.0, 2.0], 0.6), sa.largest_beta([0.0, 0.0], 0.6)):
        assert np.isnan(found.value)
        assert np.isnan(found.upper)
        assert np.isnan(found.share)


def test_labels_so_far_are_the_posterior():
    by_counts = sa.largest_beta([1.0, -0.5], 0.6, prior=(2, 1), counts=[10, 4], wins=[8, 1])
    by_prior = sa.largest_beta([1.0, -0.5], 0.6, prior=[(10, 3), (3, 4)])
    assert by_counts == by_prior
    assert np.isfinite(by_counts.value)


def test_other_beliefs_have_an_answer_too():
    noisy = sa.NoisyBeta(1, 1, flip=0.0)
    counts = {"counts": [6, 3], "wins": [5, 3]}
    plain = sa.largest_beta([1.0, 2.0], 0.6, **counts)
    same = sa.largest_beta([1.0, 2.0], 0.6, prior=noisy, **counts)
    assert same.value == pytest.approx(plain.value, abs=1e-8)
    # Rates .2 and .8: the tail is a step, and the threshold passes .8 at beta = logit(.8).
    steps = sa.largest_beta([1.0], 0.3, prior=sa.Grid((0.2, 0.8), (1, 1)))
    assert steps.value <= np.log(4.0) <= steps.upper + 1e-12
    assert steps.share == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("c", "target", "prior", "value"),
    [
        # An atom at 0 or at 1, or at a rate, stays where it is.
        ([-1.0], 0.9, sa.Grid([0, 0.5], [1, 1]), np.nan),
        ([-1.0], 0.5, sa.Grid([0, 0.5], [1, 1]), np.inf),
        ([1.0], 0.5, sa.Grid([0.5, 1], [1, 1]), np.inf),
        ([1.0], 0.51, sa.Grid([0.8, 1], [1, 1]), np.log(4.0)),
        # P(alpha > sigma(x)) under Beta(1, b) is (1 + e^x)^-b.
        ([1.0], 0.02, (1, 0.1), np.log(0.02**-10 - 1)),
        ([1.0], 0.3, (1, 1e-4), -np.log(0.3) * 1e4),
        ([2.0], 0.25, sa.NoisyBeta(1, 0.1, 0.2), np.log(0.25**-10 - 1) / 2),
        ([1.0], 0.25, sa.BetaMixture([1.0], [1.0], [0.1]), np.log(0.25**-10 - 1)),
        # Log-odds are Normal.
        ([1.0], 0.25, sa.LogitNormal(50.0, 2.0), 50 + 2 * 0.6744897501960817),
    ],
)
def test_mass_near_or_at_the_ends_is_counted(c, target, prior, value):
    found = sa.largest_beta(c, target, prior=prior)
    if np.isfinite(value):
        assert found.value == pytest.approx(value, rel=2e-9)
        assert found.value <= found.upper
    else:
        assert found.value == pytest.approx(value, nan_ok=True)
        assert found.upper == pytest.approx(value, nan_ok=True)


def test_limits_are_the_mass_at_the_ends():
    ends = sa.Grid([0, 0.4, 1], [1, 2, 1])
    assert sa.learnable_share([-1.0], [0.0, 5.0, 800.0, np.inf], prior=ends).tolist() == [0.25, 0.75, 0.75, 0.75]
    assert sa.learnable_share([1.0], [0.0, 5.0, 800.0, np.inf], prior=ends).tolist() == [0.25] * 4
    # Labels that the belief does not allow for.
    with pytest.raises(ValueError, match="counts and wins of item 1: 1 wins and 1 losses have probability zero"):
        sa.learnable_share([1.0], 1.0, prior=sa.Grid([0, 1], [1, 1]), counts=[2], wins=[1])


def test_tails_far_out_have_a_closed_form():
    x = np.array([1.0, 36.0, 37.0, 40.0, 60.0, 699.0, 701.0, 5000.0])
    exact = np.exp(-0.001 * np.logaddexp(0.0, x))
    assert sa.learnable_share([1.0], x, prior=(1, 0.001)) == pytest.approx(exact, rel=1e-12)
    assert sa.learnable_share([-1.0], x, prior=(0.001, 1)) == pytest.approx(1 - exact, abs=1e-13)
    assert sa.learnable_share([1.0], np.inf, prior=(1, 0.001)) == 0


@pytest.mark.parametrize(
    "prior",
    [
        sa.NoisyBeta(2, 1, 0.2),
        sa.BetaMixture([3, 1], [9, 2], [1, 3]),
        sa.Grid([0.1, 0.5, 0.9], [1, 2, 3]),
        sa.LogitNormal(0.5, 1.5),
    ],
)
def test_tails_are_those_of_the_beliefs(prior):
    c, counts, wins = np.array([1.0, -0.7, 0.0]), np.array([5, 9, 3]), np.array([4, 2, 2])
    for beta in (0.0, 0.5, 3.0, 12.0):
        tails = [float(prior.at(n, w, expit(beta * x)).tail) for n, w, x in zip(counts, wins, c, strict=True)]
        found = sa.learnable_share(c, beta, prior=prior, counts=counts, wins=wins)
        assert float(found) == pytest.approx(np.mean(tails), abs=1e-12)


def test_logit_normal_tail_far_out_is_its_integral():
    prior = sa.LogitNormal(22.0, 3.0)
    y = np.linspace(-20, 80, 2_000_001)
    log_density = -((y - 22.0) ** 2) / 18 + 2 * log_expit(y) + log_expit(-y)
    density = np.exp(log_density - log_density.max())
    for x in (10.0, 18.0, 19.0, 25.0):
        exact = density[y > x].sum() / density.sum()
        found = sa.learnable_share([1.0], x, prior=prior, counts=[3], wins=[2])
        assert float(found) == pytest.approx(exact, abs=1e-5)


@pytest.mark.parametrize(("work", "fewest", "most"), [(1, 40, 100_000), (50_000_000, 1, 40)])
def test_search_that_runs_out_of_intervals_has_an_honest_bracket(monkeypatch, work, fewest, most):
    for name, value in (("_WORK", work), ("_FEWEST", fewest), ("_INTERVALS", most)):
        monkeypatch.setattr(coverage, name, value)
    c, prior, target = [5.0, -1.0, 0.1], [(6, 2), (2, 2), (40, 4)], 0.6
    found = sa.largest_beta(c, target, prior=prior)
    assert found.intervals > 40
    assert found.upper - found.value > 1e-6
    grid = np.linspace(0, 60, 30_001)
    reached = grid[share(c, grid, [1, 1, 1], prior) >= target]
    assert found.value <= reached.max() + 60 / 30_000
    assert reached.max() <= found.upper
    assert found.share >= target - 1e-12


def test_share_that_stays_near_the_target_has_an_honest_bracket():
    # Equal and opposite items: the share is 1/2 everywhere, a hair below the target.
    found = sa.largest_beta([1.0, -1.0], 0.5 + 1e-6)
    assert np.isnan(found.value)
    assert np.isnan(found.upper)
    assert np.isinf(sa.largest_beta([1.0, -1.0], 0.5).value)


def test_share_at_no_pull_is_that_of_an_even_bar():
    c = [1.0, -2.0, 0.0]
    prior = [(2, 1), (1, 3), (4, 4)]
    found = sa.learnable_share(c, [0.0, 0.7, 3.0], prior=prior)
    assert found == pytest.approx(share(c, [0.0, 0.7, 3.0], [1, 1, 1], prior), abs=1e-14)


@pytest.mark.parametrize(
    ("arguments", "settings", "message"),
    [
        (([1.0], 1.5), {}, "target is 1.5; it must be a share of the weight, from 0 to 1"),
        (([1.0], True), {}, "target is True"),
        (([1.0], 0.5), {"tolerance": 0}, "tolerance is 0; it must be at least 1e-15 and below 1"),
        (([], 0.5), {}, "c is empty"),
        (([np.inf], 0.5), {}, "c of item 1 is inf; it must be finite, and 0 or at least 1e-200 in size"),
        (([1.0], 0.5), {"weight": 0}, "weight is 0 for every item; give one of them a positive weight"),
        (([1.0], 0.5), {"weight": -1}, "weight of item 1 is -1.0; it must be finite and at least 0"),
        (([1.0], 0.5), {"prior": (0, 1)}, "prior a of item 1 is 0.0; it must be positive and finite"),
        (([1.0], 0.5), {"counts": [1.5]}, "counts of item 1 is 1.5; it must be a whole number of labels"),
        (([1.0], 0.5), {"counts": [1], "wins": [2]}, "wins of item 1 is 2.0; it must be a whole number from 0"),
    ],
)
def test_bad_input_is_refused_in_a_line(arguments, settings, message):
    with pytest.raises(ValueError, match=message):
        sa.largest_beta(*arguments, **settings)


def test_betas_of_a_share_are_not_negative():
    with pytest.raises(ValueError, match=r"beta is -1.0; it must be at least 0"):
        sa.learnable_share([1.0], [1.0, -1.0])


def test_figure_marks_the_largest_beta(figures):
    found = sa.largest_beta([1.0, -0.3], 0.55, prior=(5, 2))
    grid = np.linspace(0, 5, 11)
    plot_share(grid, sa.learnable_share([1.0, -0.3], grid, prior=(5, 2)), found, "figure.png", "title")
    lines = {line.get_label(): line for line in figures[0].axes[0].lines}
    assert lines["target"].get_ydata()[0] == pytest.approx(55)
    point = lines[f"largest beta, {found.value:.4g}"]
    assert list(point.get_xdata()) == [found.value]
    assert lines["learnable"].get_ydata() == pytest.approx(100 * share([1.0, -0.3], grid, [1, 1], [(5, 2)] * 2))
