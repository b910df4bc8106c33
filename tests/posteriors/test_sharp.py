"""Beliefs with extreme parameters and thresholds, against mpmath."""

from __future__ import annotations

import itertools

import mpmath as mp
import numpy as np
import pytest

import seqaudit as sa
from seqaudit.posteriors.beliefs.sharp import Bar, beta_at

CLOSE = 1e-12
# Parameters, labels and thresholds of the grid; thresholds by number or, as ``Bar``, by log-odds.
SMALL = (1e-300, 1e-16, 1e-3, 0.5, 1.0, 7.5)
LABELS = ((0, 0), (3, 1))
BARS = (1e-300, 1e-3, 0.5, 0.97, Bar(-1e4), Bar(-300.0), Bar(-40.0), Bar(8.0), Bar(40.0), Bar(300.0), Bar(1e4))
LARGE = ((1e8, 3e8), (1e16, 1e16), (3e12, 5.0), (2e15, 7e9))


@pytest.fixture(autouse=True)
def many_digits():
    """Enough to tell 1e-300 from 0 beside 1."""
    with mp.workdps(360):
        yield


def rates(bar):
    """t and 1 - t."""
    if isinstance(bar, Bar):
        return 1 / (1 + mp.exp(-mp.mpf(bar.log_odds))), 1 / (1 + mp.exp(mp.mpf(bar.log_odds)))
    return mp.mpf(bar), 1 - mp.mpf(bar)


def log_beta(x, y):
    return mp.loggamma(x) + mp.loggamma(y) - mp.loggamma(x + y)


def below(x, y, t, u):
    """I_t(x, y) for t at most 1/2: a series of positive terms."""
    term, total, k = mp.mpf(1), mp.mpf(0), 0
    while term > total * mp.mpf(10) ** -340 or k < 5:
        total += term
        term *= (x + y + k) / (x + 1 + k) * t
        k += 1
    return mp.exp(x * mp.log(t) + y * mp.log(u) - log_beta(x, y)) / x * total


def exact(a, b, n, w, bar):
    """Mean, tail and jump."""
    x, y = mp.mpf(a) + w, mp.mpf(b) + (n - w)
    t, u = rates(bar)
    tail = 1 - below(x, y, t, u) if t <= 0.5 else below(y, x, u, t)
    return x / (x + y), tail, mp.exp(x * mp.log(t) + y * mp.log(u) - log_beta(x, y)) * (x + y) / x / y


def agree(found, expected):
    """Relative errors within CLOSE; below the range of floats only smallness is asked for."""
    for value, wanted in zip(found, expected, strict=True):
        assert np.isfinite(value)
        assert abs(mp.mpf(float(value)) - wanted) <= CLOSE * wanted + mp.mpf(10) ** -305


@pytest.mark.parametrize("bar", BARS, ids=lambda x: f"log-odds {x.log_odds:g}" if isinstance(x, Bar) else f"{x:g}")
def test_small_parameters_at_any_threshold_agree_with_mpmath(bar):
    for (a, b), (n, w) in itertools.product(itertools.product(SMALL, SMALL), LABELS):
        agree(sa.Beta(a, b).at(n, w, bar), exact(a, b, n, w, bar))


@pytest.mark.parametrize(("a", "b"), [(1e-300, 1e-300), (1, 1e-16), (0.3, 1e-3), (7.5, 1)])
@pytest.mark.parametrize("bar", [0.5, Bar(300.0), Bar(-40.0)])
def test_every_entry_of_a_table_agrees_with_mpmath(a, b, bar):
    found = sa.Beta(a, b).tables(5, bar)
    for n in range(6):
        for w in range(n + 1):
            agree([part[n, w] for part in found], exact(a, b, n, w, bar))


@pytest.mark.parametrize("steps", [-8.0, -0.5, 0.0, 3.0, 8.0])
@pytest.mark.parametrize(("a", "b"), LARGE)
@pytest.mark.parametrize(("n", "w"), [(0, 0), (3, 1)])
def test_large_parameters_near_their_mean_agree_with_mpmath(a, b, n, w, steps):
    width = (1 / a + 1 / b) ** 0.5
    bar = Bar(float(np.log(a / b) + steps * min(width, 1.0)))
    with mp.workdps(60):
        x, y = mp.mpf(a) + w, mp.mpf(b) + (n - w)
        log_b, start = log_beta(x, y), mp.mpf(bar.log_odds)

        def density(z):
            return mp.exp(-x * mp.log1p(mp.exp(-z)) - y * mp.log1p(mp.exp(z)) - log_b)

        # Log-concave and smooth: the integral beyond the bar, over pieces of a few widths.
        reach = [0, 0.03, 0.1, 0.3, 1, 2, 4, 7, 11, 16, 22, 30, 40, 55, 75, 100, 150, 220, 350, 600]
        sign = 1 if start >= mp.log(x / y) else -1
        ends = [start + sign * k * mp.mpf(width) * mp.mpf("0.7") for k in reach]
        side = sum(
            abs(mp.quad(density, pair, method="gauss-legendre", maxdegree=5)) for pair in itertools.pairwise(ends)
        )
        tail = side if sign > 0 else 1 - side
        agree(sa.Beta(a, b).at(n, w, bar), (x / (x + y), tail, density(start) * (x + y) / x / y))


@pytest.mark.parametrize("size", [1e16, 1e100, 1e300])
def test_one_label_moves_the_tail_of_a_certain_belief_as_it_should(size):
    mean, tail, jump = sa.Beta(size, size).tables(2, 0.5)
    x = mp.mpf(size)
    half = mp.exp(-2 * x * mp.log(2) - log_beta(x, x)) * 2 / x
    assert [tail[0, 0], tail[2, 1], mean[0, 0]] == pytest.approx([0.5] * 3, rel=CLOSE)
    assert jump[0, 0] == pytest.approx(float(half), rel=CLOSE)
    assert tail[1, 1] == pytest.approx(float(0.5 + half / 2), rel=CLOSE)


def test_mixture_with_sharp_and_vague_components_agrees_with_mpmath():
    weights, a, b = (0.5, 0.2, 0.3), (1e-300, 900.0, 2.0), (1e-300, 1500.0, 1e-16)
    belief = sa.BetaMixture(weights, a, b)
    for bar in (0.25, 0.5, Bar(40.0)):
        for n, w in LABELS:
            parts = [exact(*pair, n, w, bar) for pair in zip(a, b, strict=True)]
            mass = [
                mp.mpf(u) * mp.exp(log_beta(mp.mpf(x) + w, mp.mpf(y) + n - w) - log_beta(mp.mpf(x), mp.mpf(y)))
                for u, x, y in zip(weights, a, b, strict=True)
            ]
            mean, tail = (sum(m * part[k] for m, part in zip(mass, parts, strict=True)) / sum(mass) for k in (0, 1))
            agree(belief.at(n, w, bar)[:2], (mean, tail))


BELIEFS = [
    sa.Beta(1e-300, 1e300),
    sa.Beta(1e300, 1e-300),
    sa.Beta(1e300, 1e300),
    sa.BetaMixture([1, 1, 1], [1e-300, 1e300, 1e16], [1e-300, 1e300, 2e16]),
    sa.BetaMixture([1], [1], [1e-300]),
    sa.NoisyBeta(1e-300, 1, 0.1),
    sa.NoisyBeta(1e300, 1e-300, 0.3),
    sa.LogitNormal(0, 1),
    sa.Grid([0.5, 1.0], [1, 1]),
]


@pytest.mark.parametrize("belief", BELIEFS, ids=repr)
@pytest.mark.parametrize("bar", BARS[::2])
def test_every_entry_is_finite_and_the_tail_a_martingale(belief, bar):
    mean, tail, jump = belief.tables(4, bar)
    assert all(np.isfinite(part).all() for part in (mean, tail, jump))
    n, w = np.tril_indices(4)
    m, p = mean[n, w], tail[n, w]
    assert m * tail[n + 1, w + 1] + (1.0 - m) * tail[n + 1, w] == pytest.approx(p, rel=1e-11, abs=1e-300)


@pytest.mark.parametrize("log_odds", [-1e4, -300.0, -40.0, 40.0, 300.0, 1e4])
def test_long_answers_leave_the_labels_to_the_other_item(log_odds):
    problem = sa.Problem.from_logratio([log_odds, 0.0], 1.0, 4)
    assert sa.solve(problem).value == pytest.approx(1.8125, abs=1e-12)
    assert sa.upper_bound(problem).value == pytest.approx(1.8125, abs=1e-12)
    assert sa.allocate(problem).value == pytest.approx(1.8125, abs=1e-12)
    assert sa.Problem.from_dict(problem.as_dict()) == problem


@pytest.mark.parametrize("b", [1e-16, 1e-15])
def test_parameter_lost_beside_the_labels_is_not_lost(b):
    value = sa.solve(sa.Problem([0.5], 20, prior=(1, b))).value
    assert value == pytest.approx(1.0, abs=1e-12)


def test_certain_prior_leaves_the_labels_to_the_other_item():
    value = sa.solve(sa.Problem([0.5, 0.5], 3, prior=[(1e16, 1e16), (1, 1)])).value
    assert value == pytest.approx(1.31250000188063, abs=1e-14)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"prior": (1e-310, 1)}, "prior a of item 1 is 1e-310; it must be from 1e-300 to 1e\\+300"),
        ({"prior": (1, 1e301)}, "prior b of item 1 is 1e\\+301; it must be from"),
        ({"log_ratio": [20.0], "beta": 600.0}, "beta times log_ratio of item 1 is 12000.0; it must be at most 10000"),
        ({"weight": 0.0}, "weight is 0 for every item"),
        ({"weight": -1.0}, "weight of item 1 is -1.0; it must be finite, and at least 0"),
    ],
)
def test_numbers_beyond_the_range_are_refused_by_name(fields, message):
    threshold = [1.0] if "beta" in fields else [0.5]
    with pytest.raises(sa.ProblemError, match=message):
        sa.Problem(threshold, 3, **fields)


def test_thresholds_that_round_to_one_are_told_apart():
    mean, tail, jump = beta_at(1, 1, 0, 0, 1.0, log_odds=np.array([40.0, 300.0]))
    assert tail[0] == pytest.approx(float(mp.exp(-40)), rel=1e-12)
    assert tail[1] == pytest.approx(float(mp.exp(-300)), rel=1e-12)
    assert np.all(jump > 0)
    assert np.all(mean == 0.5)
