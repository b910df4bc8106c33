"""Beliefs of every kind: tables against second formulations, closed forms and quadrature, and what all kinds share."""

from __future__ import annotations

import itertools
import math
from dataclasses import FrozenInstanceError
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import beliefs as second
from scipy.integrate import quad
from scipy.special import betainc, expit, log_expit, logit

import seqaudit.posteriors.kernels.beliefs as kernels
from seqaudit.posteriors import Beta, BetaMixture, Grid, LogitNormal, NoisyBeta, make_belief
from seqaudit.posteriors.kernels import weighted_rates

every = pytest.mark.parametrize("belief", second.SAMPLES, ids=repr)
bars = st.floats(0.02, 0.98)
positive = st.floats(0.05, 50)
flips = st.floats(1e-6, 0.49)
triangle = np.tril_indices


# What the numbers are: second formulations.


@pytest.mark.smoke
@given(second.beliefs, bars, st.integers(0, 5))
def test_tables_are_shares_of_the_probability_of_the_labels(belief, t, n_max):
    mean, tail, jump = belief.stated().tables(n_max, t)
    for n, w in itertools.combinations_with_replacement(range(n_max, -1, -1), 2):
        assert mean[n, w] == pytest.approx(float(belief.mean(n, w)), abs=1e-14)
        assert tail[n, w] == pytest.approx(float(belief.tail(n, w, t)), abs=1e-13)
        apart = belief.tail(n + 1, w + 1, t) - belief.tail(n + 1, w, t)
        assert jump[n, w] == pytest.approx(float(apart), abs=1e-12)


@given(positive, positive, bars, st.integers(1, 3))
def test_mixture_of_equal_components_is_their_beta(a, b, t, copies):
    mixture = BetaMixture(range(1, copies + 1), [a] * copies, [b] * copies)
    for mine, beta in zip(mixture.tables(12, t), Beta(a, b).tables(12, t), strict=True):
        assert mine == pytest.approx(beta, abs=1e-14)


@given(positive, positive, bars)
def test_labels_that_are_never_flipped_give_the_beta_belief(a, b, t):
    beta = Beta(a, b).tables(12, t)
    for flip in (0, 1e-150, 1e-17):
        for mine, clean in zip(NoisyBeta(a, b, flip).tables(12, t), beta, strict=True):
            assert mine == pytest.approx(clean, abs=1e-13)


@pytest.mark.parametrize(
    "belief",
    [
        second.Mixture((3, 1), (9, 50), (1, 50)),
        second.Mixture((0.25, 0.25, 0.5), (1, 40, 3), (30, 2, 3)),
        second.Grid((0.25, 0.5, 0.59375, 0.75, 1.0), (1, 2, 1, 3, 1)),
    ],
    ids=repr,
)
def test_numbers_for_200_labels_are_exact_rationals_to_rounding(belief):
    t = 0.59375
    tables = belief.stated().tables(200, t)
    for n, w in [(50, 31), (200, 0), (200, 100), (200, 119), (200, 199)]:
        exact = float(belief.mean(n, w)), float(belief.tail(n, w, t))
        assert (tables.mean[n, w], tables.tail[n, w]) == pytest.approx(exact, abs=1e-13)
        one = belief.stated().at(n, w, t)
        assert (float(one.mean), float(one.tail)) == pytest.approx(exact, abs=1e-13)


@pytest.mark.parametrize(("a", "b"), [(2, 3), (1, 1), (6.5, 2)])
def test_fine_grid_approaches_the_beta_belief(a, b):
    # Cells whose edges include the threshold; the midpoint rule's error falls with the square of their width.
    errors = []
    for cells in (200, 400):
        points = (np.arange(cells) + 0.5) / cells
        grid = Grid(points, points ** (a - 1) * (1 - points) ** (b - 1))
        pairs = zip(grid.tables(20, 0.6), Beta(a, b).tables(20, 0.6), strict=True)
        errors.append(max(np.abs(mine - beta).max() for mine, beta in pairs))
    assert errors[0] < 3e-3
    assert errors[1] < 0.3 * errors[0]


@given(flips, bars)
def test_flipped_labels_of_a_uniform_rate_are_a_truncated_beta(flip, t):
    # The chance q of a win is uniform between flip and 1 - flip.
    n, w = np.array([(0, 0), (1, 1), (30, 3), (60, 30), (400, 180)]).T
    mean, tail, _ = NoisyBeta(1, 1, flip).at(n, w, t)
    low, high, bar = (betainc(w + 1, n - w + 1, x) for x in (flip, 1 - flip, (1 - flip) * t + flip * (1 - t)))
    more = betainc(w + 2, n - w + 1, 1 - flip) - betainc(w + 2, n - w + 1, flip)
    known = high - low > 0.01
    assert tail[known] == pytest.approx(((high - bar) / (high - low))[known], abs=1e-11)
    assert mean[known] == pytest.approx(((w + 1) / (n + 2) * more / (high - low))[known], abs=1e-11)


def exact_true_wins(a: float, b: float, flip: float, n: int, w: int) -> list[float]:
    """P(j of n labels were wins before they were flipped | w are now), by the convolution of two binomials.

    Over the common denominators everything is a whole number.
    """
    f = Fraction(flip)
    turned, kept = f.numerator, f.denominator - f.numerator
    one = math.lcm(Fraction(a).denominator, Fraction(b).denominator)
    a_, b_ = int(Fraction(a) * one), int(Fraction(b) * one)

    def binomial(size: int, win: int, loss: int) -> list[int]:
        return [math.comb(size, i) * win**i * loss ** (size - i) for i in range(size + 1)]

    def urn(start: int) -> list[int]:
        return list(itertools.accumulate(range(n), lambda x, k: x * (start + k * one), initial=1))

    wins, losses = binomial(w, kept, turned), binomial(n - w, turned, kept)
    order = [x * y for x, y in zip(urn(a_), reversed(urn(b_)), strict=True)]
    masses = [
        order[j] * sum(wins[i] * losses[j - i] for i in range(max(0, j - n + w), min(w, j) + 1)) for j in range(n + 1)
    ]
    total = sum(masses)
    return [mass / total for mass in masses]


@given(
    st.integers(1, 30).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))),
    st.sampled_from((0.015625, 1.0, 40.0, 4096.0)),
    st.sampled_from((0.015625, 1.0, 40.0, 4096.0)),
    st.sampled_from((1e-90, 1e-6, 0.03, 0.25, 0.4999)),
)
def test_true_wins_have_their_exact_probabilities(state, a, b, flip):
    n, w = state
    weight = np.empty(n + 1)
    kernels.true_wins(a, b, flip, n, w, weight)
    # Weights far below the others may underflow.
    assert weight == pytest.approx(np.array(exact_true_wins(a, b, flip, n, w)), rel=1e-13, abs=2.0**-800)


@pytest.mark.parametrize(("a", "b", "flip"), [(1, 1, 0.125), (2, 9, 0.03125), (30, 1, 0.4375)])
def test_flipped_labels_are_exact_rationals_to_rounding(a, b, flip):
    t = 0.59375
    tables = NoisyBeta(a, b, flip).tables(200, t)
    for n, w in [(10, 3), (200, 0), (200, 100), (200, 119), (200, 200)]:
        weights, trials = exact_true_wins(a, b, flip, n, w), a + b + n - 1
        binomial = [math.comb(trials, i) * Fraction(t) ** i * (1 - Fraction(t)) ** (trials - i) for i in range(a + n)]
        below = [float(x) for x in itertools.accumulate(binomial)][a - 1 :]
        tail = math.fsum(x * y for x, y in zip(weights, below, strict=True))
        rate = math.fsum(x * (a + j) / (a + b + n) for j, x in enumerate(weights))
        exact = (1 - flip) * rate + flip * (1 - rate), tail
        assert (tables.mean[n, w], tables.tail[n, w]) == pytest.approx(exact, abs=1e-13)


def test_true_wins_on_both_sides_of_a_deep_valley():
    # Half of 300 labels are wins, 3 in 32 are flipped, and the rate is almost surely nearly 0 or nearly 1.
    weight, a, flip = np.empty(301), 2.0**-332, 3 / 32
    kernels.true_wins(a, a, flip, 300, 150, weight)
    assert weight[0] > 0.49
    assert weight[300] > 0.49
    assert weight[1:300].min() < 1e-99
    assert weight == pytest.approx(np.array(exact_true_wins(a, a, flip, 300, 150)), rel=1e-12, abs=1e-300)


def integrals(belief: LogitNormal, n: int, w: int, t: float) -> tuple[float, float]:
    """Mean and tail after labels, by adaptive quadrature over pieces around the mode."""
    m, sd, bar = belief.logit_mean, belief.sd, float(logit(t))

    def log_density(x: float) -> float:
        return float(w * log_expit(x) + (n - w) * log_expit(-x) - ((x - m) / sd) ** 2 / 2)

    low, high = m - (n - w) * sd**2, m + w * sd**2
    for _ in range(100):
        mode = (low + high) / 2
        rising = w * expit(-mode) - (n - w) * expit(mode) > (mode - m) / sd**2
        low, high = (mode, high) if rising else (low, mode)
    width = 1 / math.sqrt(1 / sd**2 + n * expit(mode) * expit(-mode))
    top = log_density(mode)
    far = [k * width for k in (-40, -20, -10, -6, -3, -1, 0, 1, 3, 6, 10, 20, 40)]
    cuts = sorted({bar, *(mode + x for x in far)})
    total = above = wins = 0.0
    for start, stop in itertools.pairwise(cuts):
        mass, share = (
            quad(lambda x, f=f: math.exp(log_density(x) - top) * f(x), start, stop, epsabs=0, epsrel=1e-13, limit=200)[
                0
            ]
            for f in (lambda x: 1.0, lambda x: float(expit(x)))
        )
        total, wins, above = total + mass, wins + share, above + mass * (start >= bar)
    return wins / total, above / total


@pytest.mark.filterwarnings("ignore::scipy.integrate.IntegrationWarning")
@pytest.mark.parametrize(("mean", "sd"), [(0, 1), (-3, 0.02), (1, 0.3), (4, 2), (-1, 15)])
def test_logit_normal_agrees_with_adaptive_quadrature_for_up_to_200_labels(mean, sd):
    belief = LogitNormal(mean, sd)
    for n, w, t in [(0, 0, 0.3), (1, 0, 0.5), (7, 7, 0.9), (40, 3, 0.05), (200, 0, 0.001), (200, 130, 0.66)]:
        got = belief.at(n, w, t)
        assert (float(got.mean), float(got.tail)) == pytest.approx(integrals(belief, n, w, t), abs=1e-13)


def test_logit_normal_tail_without_labels_is_the_normal_tail():
    t = np.array([1e-6, 0.02, 0.5, 0.7, 1 - 1e-6])
    for mean, sd in [(0, 1), (-3, 0.4), (2, 12)]:
        z = (mean - logit(t)) / sd
        normal = [0.5 * math.erfc(-x / math.sqrt(2)) for x in z]
        assert LogitNormal(mean, sd).at(0, 0, t).tail == pytest.approx(np.array(normal), rel=1e-12, abs=1e-290)


def test_small_tails_keep_their_relative_accuracy():
    # Two to the minus 200, and its neighbours: all labels of a uniform rate lost.
    t, n = 0.5, 199
    exact = 0.5**200
    assert float(BetaMixture([1, 2], [1, 1], [1, 1]).tables(n, t).tail[n, 0]) == pytest.approx(exact, rel=1e-12)
    assert float(NoisyBeta(1, 1, 0).at(n, 0, t).tail) == pytest.approx(exact, rel=1e-12)
    low, high = (LogitNormal(0, 1).at(2 * n, w, t) for w in (0, 2 * n))
    assert 0 < float(low.tail) < 1e-100
    assert float(high.tail) == 1
    assert float(low.jump) == pytest.approx(float(high.jump), rel=1e-9)


# What all kinds share, beyond what the conformance suite asks of every belief.


@every
@pytest.mark.parametrize("t", [0.05, 0.6, 0.99])
def test_tail_is_a_martingale_and_jump_leads_to_the_next(belief, t):
    mean, tail, jump = belief.tables(100, t)
    n, w = triangle(100)
    mu, p, up, down = mean[n, w], tail[n, w], tail[n + 1, w + 1], tail[n + 1, w]
    if isinstance(belief, Grid) and 0 in belief.points:
        mu, p, up, down = (x[(w > 0) & (w < n)] for x in (mu, p, up, down))
        n, w = (x[(w > 0) & (w < n)] for x in (n, w))
    assert mu * up + (1 - mu) * down == pytest.approx(p, abs=1e-12)
    assert p + (1 - mu) * jump[n, w] == pytest.approx(up, abs=1e-12)
    assert p - mu * jump[n, w] == pytest.approx(down, abs=1e-12)


# Beyond the conformance suite, which allows for beliefs of other makers: more labels, more draws, less rounding.


@every
def test_states_one_by_one_are_those_of_the_tables(belief):
    n, w = triangle(31)
    for t in (0.2, 0.7):
        for table, values in zip(belief.tables(30, t), belief.at(n, w, t), strict=True):
            assert values == pytest.approx(table[n, w], rel=1e-9, abs=1e-13)


@every
@pytest.mark.parametrize(("wins", "losses"), [(3, 2), (1, 5)])
def test_tables_of_a_later_belief_are_the_rest_of_the_tables(belief, wins, losses):
    start, whole = wins + losses, belief.tables(20, 0.6)
    later = belief.after(wins=wins, losses=losses)
    n, w = triangle(21 - start)
    for table, rest in zip(whole, later.tables(20 - start, 0.6), strict=True):
        assert table[start + n, wins + w] == pytest.approx(rest[n, w], rel=1e-9, abs=1e-13)
    assert later.mean == pytest.approx(whole.mean[start, wins], abs=1e-13)


@every
def test_draws_have_the_belief_s_mean_and_tail(belief):
    # Within five standard errors: a false alarm in about one of 900 000 comparisons.
    for current in (belief, belief.after(wins=3, losses=1)):
        alpha = current.draw(np.random.default_rng(11), 20_000)
        chance = current.label_chance(alpha)
        assert abs(chance.mean() - current.mean) < 5 * chance.std() / math.sqrt(len(alpha))
        for t in (0.3, 0.55, 0.8):
            p = float(current.at(0, 0, t).tail)
            assert abs((alpha > t).mean() - p) <= 5 * math.sqrt(p * (1 - p) / len(alpha)) + 1e-9


@pytest.mark.parametrize(
    "belief", [Beta(1, 1), LogitNormal(0, 2), NoisyBeta(1, 1, 0.1), Grid([0.3, 0.58, 0.7], [1] * 3)]
)
def test_many_labels_settle_the_rate(belief):
    got = belief.at(20_000, 12_000, [0.55, 0.65])
    assert got.tail == pytest.approx(np.array([1, 0]), abs=1e-7)
    assert got.mean == pytest.approx(np.full(2, 0.58 if isinstance(belief, Grid) else 0.6), abs=1e-4)


def test_only_flips_and_channels_part_the_label_from_the_rate():
    alpha = np.array([0, 0.3, 1])
    assert NoisyBeta(1, 1, 0.2).label_chance(alpha) == pytest.approx(np.array([0.2, 0.38, 0.8]), abs=1e-15)
    assert Grid([0, 0.4, 1], [1, 1, 1], [0.1, 0.5, 0.5]).label_chance(alpha) == pytest.approx(
        [0.1, 0.4, 0.5], abs=1e-15
    )
    for belief in second.SAMPLES:
        if not isinstance(belief, NoisyBeta) and getattr(belief, "chances", None) is None:
            assert belief.label_chance(alpha).tolist() == alpha.tolist()


# Values.


@every
def test_belief_is_a_frozen_value_that_its_printed_form_makes_again(belief):
    assert make_belief(belief) is belief
    assert eval(repr(belief)) == belief
    assert belief != belief.after(wins=1, losses=0)
    with pytest.raises(FrozenInstanceError):
        belief.kind = "other"


def test_weights_are_divided_by_their_sum_once():
    mixture = BetaMixture(np.array([1, 2]), (1, 2), [3.0, 4.0])
    assert mixture == BetaMixture([1 / 3, 2 / 3], [1, 2], [3, 4])
    assert mixture.weights == (1 / 3, 2 / 3)
    assert Grid([0.1, 0.2], [1e308, 1e308]).weights == (0.5, 0.5)
    odd = BetaMixture(*np.random.default_rng(0).uniform(0.1, 1, (3, 999)))
    assert BetaMixture(odd.weights, odd.a, odd.b) == odd


def test_component_without_weight_left_is_dropped():
    later = BetaMixture([0.5, 0.5], [1, 1e6], [1e6, 1]).after(wins=500, losses=0)
    assert later == BetaMixture([1], [1e6 + 500], [1])


# Labels that cannot happen.


def test_labels_that_cannot_happen_have_the_stated_convention():
    belief = Grid([0, 0.4, 1], [1, 0, 3])
    mean, tail, jump = belief.tables(3, 0.5)
    assert mean[2].tolist() == [0, 0.5, 1, 0]
    assert tail[2] == pytest.approx(np.array([0, 0.75, 1, 0]), abs=1e-15)
    assert (mean[0, 0], tail[0, 0], jump[0, 0]) == pytest.approx((0.75, 0.75, 1), abs=1e-15)
    assert not jump[1:].any()
    with pytest.raises(ValueError, match=r"1 wins and 1 losses have probability zero under Grid\(points"):
        belief.after(wins=1, losses=1)


def test_rates_of_zero_and_one_drop_out_when_they_are_refuted():
    whole, inner = Grid([0, 0.4, 0.7, 1], [1, 2, 3, 4]), Grid([0.4, 0.7], [2, 3])
    assert whole.after(wins=2, losses=1).weights[::3] == (0, 0)
    n, w = np.array([2, 5, 9]), np.array([1, 1, 8])
    for mine, other in zip(whole.at(n, w, 0.5), inner.at(n, w, 0.5), strict=True):
        assert mine == pytest.approx(other, abs=1e-15)


def test_rate_at_the_threshold_is_not_above_it():
    assert Grid([0.25, 0.5, 0.75], [1, 1, 2]).at(0, 0, [0.25, 0.5, 0.75]).tail.tolist() == [0.75, 0.5, 0]


# Refusals.


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Beta("1", 1), "a is '1'; it must be a number"),
        (lambda: Beta(1, None), "b is None; it must be a number"),
        (lambda: Beta(True, 1), "a is True; it must be a number"),
        (lambda: BetaMixture([], [], []), r"weights is \[\]; it must be a list of at least one number"),
        (lambda: BetaMixture(1, [1], [1]), "weights is 1; it must be a list of at least one number"),
        (lambda: BetaMixture([[1]], [1], [1]), r"weights is \[\[1\]\]; it must be a list"),
        (lambda: BetaMixture([1], ["x"], [1]), r"a\[0\] is 'x'; it must be a number"),
        (lambda: BetaMixture([1], [1], [[1], [1, 2]]), r"b\[0\] is \[1\]; it must be a number"),
        (lambda: BetaMixture([1, 0], [1, 1], [1, 1]), r"weights\[1\] is 0.0; it must be positive and finite"),
        (lambda: BetaMixture([1], [-1], [1]), r"a\[0\] is -1.0; it must be positive and finite"),
        (lambda: BetaMixture([1, 1], [1, 1], [1, np.nan]), r"b\[1\] is nan; it must be finite"),
        (
            lambda: BetaMixture([1, 1], [1, 1, 1], [1, 1]),
            "a has 3 entries and weights has 2; they must have the same length",
        ),
        (lambda: NoisyBeta(0, 1, 0.1), "a is 0; it must be positive and finite"),
        (lambda: NoisyBeta(1, 1, 0.5), "flip is 0.5; it must be at least 0 and below 1/2"),
        (lambda: NoisyBeta(1, 1, -0.1), "flip is -0.1; it must be at least 0"),
        (lambda: NoisyBeta(1, 1, np.nan), "flip is nan; it must be at least 0"),
        (lambda: NoisyBeta(1, 1, 0.1, wins=-1), "wins is -1; it must be a whole number, at least 0"),
        (lambda: LogitNormal(np.inf, 1), r"mean is inf; it must be between -1e\+06 and 1e\+06"),
        (lambda: LogitNormal(0, 0), r"sd is 0; it must be between 1e-06 and 1e\+06"),
        (lambda: LogitNormal(0, np.nan), "sd is nan; it must be between"),
        (lambda: LogitNormal(0, 1, losses=0.5), "losses is 0.5; it must be a whole number, at least 0"),
        (lambda: Grid([0.5, 0.5], [1, 1]), r"points\[1\] is 0.5 after 0.5; the points must be strictly increasing"),
        (lambda: Grid([0.5, 1.1], [1, 1]), r"points\[1\] is 1.1; it must be a number from 0 to 1"),
        (lambda: Grid([0.5], [1, 1]), "weights has 2 entries and points has 1; they must have the same length"),
        (lambda: Grid([0.2, 0.5], [1, -1]), r"weights\[1\] is -1.0; it must be a finite number, at least 0"),
        (lambda: Grid([0.2, 0.5], [1, 1], [0.2]), "chances has 1 entries and points has 2; they must have the same"),
        (lambda: Grid([0.2, 0.5], [1, 1], [0.2, 1.5]), r"chances\[1\] is 1.5; it must be a number from 0 to 1"),
        (lambda: Grid([0.2, 0.5], [1, 1], [0.6, 0.5]), r"chances\[1\] is 0.5 after 0.6; the chances must not decrease"),
        (lambda: Grid([0.2, 0.5], [0, 0]), "weights are all zero; at least one must be positive"),
        (
            lambda: make_belief({"a": 1}),
            r"belief \{'a': 1\} has no kind; allowed: beta, beta-mixture, noisy-beta, logit-normal, grid",
        ),
        (lambda: make_belief({"kind": "betta"}), "belief kind is 'betta'; allowed: beta, "),
        (lambda: make_belief("beta"), "belief is 'beta'; it must be a belief or a table"),
        (lambda: make_belief({"kind": "beta", "a": 1, "c": 1}), "belief beta has no parameter 'c'; allowed: a, b"),
        (
            lambda: make_belief({"kind": "noisy-beta", "a": 1, "b": 1}),
            "belief noisy-beta lacks 'flip'; it needs a, b, flip",
        ),
        (
            lambda: make_belief({"kind": "beta", "a": 1, "b": 0}),
            "belief beta: b is 0; it must be positive and finite",
        ),
    ],
)
def test_faulty_belief_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("labels", "wins", "threshold", "message"),
    [
        ([3, -1], 0, 0.5, "labels is -1; it must be at least 0"),
        (3, [1, 4], 0.5, "wins is 4; it must be at least 0 and at most the number of labels"),
        (3, -2, 0.5, "wins is -2; it must be at least 0"),
        (3.5, 1, 0.5, "labels are of type float64; they must be whole numbers"),
        (3, 1, [0.5, 1.0], "threshold is 1.0; it must lie strictly between 0 and 1"),
        (3, 1, np.nan, "threshold is nan; it must lie strictly between 0 and 1"),
        (3, 1, "x", "threshold are of type <U1; they must be numbers"),
    ],
)
def test_states_outside_their_range_are_refused(labels, wins, threshold, message):
    with pytest.raises(ValueError, match=message):
        Beta(1, 1).at(labels, wins, threshold)


def test_tables_and_labels_outside_their_range_are_refused():
    belief = NoisyBeta(1, 1, 0.1)
    for threshold in (0, 1, np.nan):
        with pytest.raises(ValueError, match=f"threshold is {threshold}; it must lie strictly between 0 and 1"):
            belief.tables(3, threshold)
    with pytest.raises(ValueError, match="n_max is -1; it must be a whole number, at least 0"):
        belief.tables(-1, 0.5)
    with pytest.raises(ValueError, match="losses is -1; it must be a whole number, at least 0"):
        belief.after(wins=0, losses=-1)


def test_kernels_are_compiled_for_one_signature_each():
    for belief in second.SAMPLES:
        belief.tables(np.int32(2), np.float32(0.5))
        belief.at(np.array([2, 3], dtype=np.int16), np.uint8(1), np.float32(0.25))
        belief.at([[2, 3]], 1, 0.5)
        belief.after(wins=1, losses=np.int64(1)).draw(np.random.default_rng(0), 2)
    found = (vars(kernels) | vars(weighted_rates)).items()
    compiled = {name: kernel.signatures for name, kernel in found if hasattr(kernel, "signatures")}
    assert len(compiled) > 15
    assert {name: found for name, found in compiled.items() if len(found) > 1} == {}
