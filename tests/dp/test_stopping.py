"""Single-item stopping: published indices, a plain recursion with bisection, and the identities between the forms."""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import seqaudit as sa
from seqaudit.dp import gittins_bernoulli, gittins_index, solve_stopping, whittle_index

PUBLISHED = [
    (1, 1, 0.9, 0.7029),
    (2, 1, 0.9, 0.8001),
    (1, 2, 0.9, 0.5001),
    (3, 1, 0.9, 0.8452),
    (2, 2, 0.9, 0.6346),
    (3, 3, 0.9, 0.6010),
    (10, 2, 0.9, 0.8695),
    (1, 1, 0.99, 0.8699),
]
PLAYS = [(1, 0.5), (2, 0.555556), (3, 0.590909), (5, 0.635714), (10, 0.698074), (20, 0.757560)]


def plain(mean, gain, cost, discount, price, n=0, w=0):
    """Worth of one more label after n with w wins, and the discounted cost of what it leads to buy, by recursion."""

    @cache
    def more(n: int, w: int) -> tuple[float, float]:
        value, spent = float(gain[n][w]) - cost * price, cost
        if n + 1 < len(gain):
            for q, x in ((float(mean[n][w]), 1), (1 - float(mean[n][w]), 0)):
                later, cost_later = more(n + 1, w + x)
                if later > 0:
                    value += discount * q * later
                    spent += discount * q * cost_later
        return value, spent

    return more(n, w)


def bisected(mean, gain, cost, discount, n, w):
    """Price at which one more label is worth nothing."""
    size = 1 + np.abs(np.asarray(gain)).max() / cost
    low, high = -size, size
    while high - low > 1e-11:
        middle = (low + high) / 2
        low, high = (middle, high) if plain(mean, gain, cost, discount, middle, n, w)[0] > 0 else (low, middle)
    return (low + high) / 2


@st.composite
def stated(draw):
    """Tables of chances and gains with many ties among the gains, a cost and a discount."""
    k = draw(st.integers(1, 5))
    eighths = [
        draw(st.lists(st.integers(low, high), min_size=k * k, max_size=k * k)) for low, high in ((0, 8), (-2, 6))
    ]
    mean, gain = (np.array(x).reshape(k, k) / 8 for x in eighths)
    return mean, gain, draw(st.sampled_from([1.0, 0.5, 3.0])), draw(st.sampled_from([1.0, 0.9, 0.3]))


beliefs = st.sampled_from(
    [
        sa.Beta(1, 1),
        sa.Beta(2.5, 0.5),
        sa.NoisyBeta(1, 2, 0.2),
        sa.BetaMixture([0.3, 0.7], [1, 9], [4, 2]),
        sa.Grid([0.2, 0.6, 0.9], [1, 2, 1]),
        sa.LogitNormal(0.3, 1.0),
    ]
)


@st.composite
def single_items(draw, rewards=(0.0, 0.1)):
    """Problems of one item."""
    return sa.Problem(
        [draw(st.sampled_from([0.5, 0.37, 0.8]))],
        draw(st.integers(1, 7)),
        prior=[draw(beliefs)],
        weight=draw(st.sampled_from([1.0, 2.5])),
        cost=[draw(st.sampled_from([1.0, 0.5]))],
        reward=draw(st.sampled_from(rewards)),
        utility=draw(st.sampled_from(["accuracy", "variance", "entropy", sa.Asymmetric(1, 3), sa.Decisive(0.2)])),
    )


def item_tables(problem, labels):
    """Means and gains of one item, from its payoffs, state by state."""
    mean, tail, _ = problem.belief(0).tables(labels, float(problem.threshold[0]))

    def payoff(n: int, w: int) -> float:
        return float(problem.weight[0] * problem.utility(np.array(tail[n, w])) + problem.reward[0] * w)

    gain = [
        [
            mean[n, w] * payoff(n + 1, w + 1) + (1 - mean[n, w]) * payoff(n + 1, w) - payoff(n, w) if w <= n else 0.0
            for w in range(labels)
        ]
        for n in range(labels)
    ]
    return mean, gain


@pytest.mark.smoke
@pytest.mark.parametrize(("a", "b", "discount", "published"), PUBLISHED)
def test_discounted_index_of_a_bernoulli_arm_is_the_published_one(a, b, discount, published):
    assert gittins_bernoulli(a, b, discount) == pytest.approx(published, abs=5e-5)


@pytest.mark.parametrize(("plays", "known"), PLAYS)
def test_undiscounted_index_with_some_plays_left(plays, known):
    assert gittins_bernoulli(1, 1, discount=1, plays=plays) == pytest.approx(known, abs=5e-7)


@pytest.mark.parametrize("discount", [1.0, 0.9, 0.5])
@pytest.mark.parametrize("prior", [(1, 1), (0.5, 3), (7, 2.25)])
def test_both_methods_agree_on_an_arm(prior, discount):
    a, b = prior
    n, w = np.indices((25, 25))
    mean = (a + w) / (a + b + n)
    table = solve_stopping(mean, mean, discount=discount)
    assert table.index[0, 0] == pytest.approx(gittins_bernoulli(a, b, discount, plays=25), rel=1e-13)
    later = gittins_bernoulli(a + 3, b + 4, discount, plays=25 - 7)
    assert table.index[7, 3] == pytest.approx(later, rel=1e-13)


def test_more_plays_approach_the_index_without_a_limit_from_below():
    found = [gittins_bernoulli(1, 1, 0.9, plays=k) for k in (1, 2, 5, 20, 80, 300)]
    assert found == sorted(found)
    assert found[-1] == pytest.approx(gittins_bernoulli(1, 1, 0.9), abs=2e-9)


@settings(max_examples=150)
@given(stated())
def test_indices_of_any_tables_are_those_of_bisection(case):
    mean, gain, cost, discount = case
    found = solve_stopping(mean, gain, cost=cost, discount=discount)
    for n in range(len(mean)):
        for w in range(len(mean)):
            if w > n:
                assert np.isnan(found.index[n, w])
            else:
                assert found.index[n, w] == pytest.approx(bisected(mean, gain, cost, discount, n, w), abs=1e-9)


@settings(max_examples=150)
@given(stated(), st.integers(-20, 20).map(lambda x: x / 17))
def test_worth_and_spending_at_any_price_are_those_of_the_recursion(case, price):
    mean, gain, cost, discount = case
    found = solve_stopping(mean, gain, cost=cost, discount=discount)
    value, spent = plain(mean, gain, cost, discount, price)
    assert found.worth(price) == pytest.approx(max(value, 0.0), abs=1e-12)
    if np.abs(found.price - price).min() > 1e-9:
        assert found.spent(price) == pytest.approx(spent if value > 0 else 0.0, abs=1e-12)
    assert (np.diff(found.price) < 0).all()
    assert (found.weight > 0).all()
    assert found.price[0] == found.index[0, 0]


@settings(max_examples=80)
@given(single_items(), st.data())
def test_whittle_index_of_any_item_is_that_of_bisection(problem, data):
    labels = data.draw(st.integers(1, int(problem.cap[0])))
    found = whittle_index(problem, 0, labels)
    mean, gain = item_tables(problem, labels)
    cost = float(problem.cost[0])
    assert (found.error, found.depth, found.index.shape) == (0.0, labels, (labels, labels))
    for n in range(labels):
        for w in range(n + 1):
            assert found.index[n, w] == pytest.approx(bisected(mean, gain, cost, 1.0, n, w), abs=1e-9)
    last = [gain[-1][w] / cost for w in range(labels)]
    assert found.index[-1] == pytest.approx(last, abs=1e-13)


@settings(max_examples=30)
@given(single_items(rewards=(0.0,)))
def test_gittins_index_rises_with_the_depth_and_stays_within_its_error(problem):
    if problem.utility.name == "decisive":
        return
    shallow, deep = (gittins_index(problem, 0, labels=4, depth=k) for k in (8, 40))
    inside = np.tri(4, dtype=bool)
    assert np.array_equal(np.isnan(shallow.index), ~inside)
    rise = (deep.index - shallow.index)[inside]
    assert rise.min() >= -1e-13
    assert rise.max() <= shallow.error + 1e-13
    assert deep.error <= shallow.error + 1e-13
    mean, gain = item_tables(problem, 8)
    assert shallow.index[3, 1] == pytest.approx(bisected(mean, gain, float(problem.cost[0]), 1.0, 3, 1), abs=1e-9)


def test_flat_start_takes_thirteen_labels():
    # At a threshold of .95 no twelve labels can change the decision, and thirteen wins do.
    problem = sa.Problem([0.95], 30)
    assert whittle_index(problem, 0, 12).index[0, 0] == 0.0
    thirteenth = whittle_index(problem, 0, 13).index
    assert 0 < thirteenth[0, 0] < thirteenth[12, 12]


@pytest.mark.parametrize(("threshold", "bound"), [(0.5, 0.796875), (0.7, 0.838073)])
def test_lowest_relaxed_value_at_two_labels_an_item(threshold, bound):
    problem = sa.Problem([threshold], 20)
    mean, gain = item_tables(problem, 20)
    found = solve_stopping(mean[:-1, :-1], np.array(gain))
    relaxed = [2 * price + problem.prior_value + found.worth(price) for price in found.price if price >= 0]
    assert min(relaxed) == pytest.approx(bound, abs=5e-7)
    many = sa.Problem([threshold] * 50, 100, cap=20)
    assert sa.upper_bound(many).value / 50 == pytest.approx(min(relaxed), abs=1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p: whittle_index(p, 0, 0), r"labels is 0; it must be from 1 to the cap of item 1, 5"),
        (lambda p: whittle_index(p, 0, 6), r"labels is 6; it must be from 1 to the cap of item 1, 5"),
        (lambda p: whittle_index(p, 0, 2.5), r"labels is 2.5; it must be from 1 to the cap of item 1, 5"),
        (lambda p: whittle_index(p, -1), r"item is -1; it must be a whole number from 0 to 0"),
        (lambda p: gittins_index(p, 7), r"item is 7; it must be a whole number from 0 to 0"),
        (lambda p: solve_stopping([[0.5, 0.5]], [[0.1, 0.2]]), r"mean has shape \(1, 2\) and gain \(1, 2\); both"),
        (lambda p: solve_stopping([[0.5]], [[0.1]], cost=0), r"cost is 0; it must be positive and finite"),
        (lambda p: gittins_index(p, 0, 0), r"labels is 0; it must be a whole number, at least 1"),
        (
            lambda p: gittins_index(p, 0, 3, depth=2),
            r"depth is 2; it must be a whole number, at least the labels of the table, 3",
        ),
        (lambda p: gittins_index(sa.Problem([0.5], 5, reward=0.1), 0), r"reward of item 1 is 0.1; without a limit"),
        (
            lambda p: gittins_index(sa.Problem([0.5], 5, utility=lambda q: q * (1 - q)), 0),
            r"utility rises above its chord at p = 0.5",
        ),
        (lambda p: gittins_bernoulli(0, 1, 0.9), r"a is 0 and b is 1; they must be positive and finite"),
        (lambda p: gittins_bernoulli(1, 1, 1.0), r"discount is 1.0; it must be above 0 and at most 1, and below 1"),
        (lambda p: gittins_bernoulli(1, 1, 0.0, plays=3), r"discount is 0.0; it must be above 0"),
        (lambda p: gittins_bernoulli(1, 1, 0.9, plays=0), r"plays is 0; it must be a whole number, at least 1"),
        (lambda p: gittins_bernoulli(1, 1, 0.9, tolerance=0), r"tolerance is 0; it must be positive"),
    ],
)
def test_what_makes_no_sense_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(sa.Problem([0.5], 5))


def test_hinges_that_do_not_fit_are_refused(monkeypatch):
    monkeypatch.setattr("seqaudit.posteriors.foundation.memory.available_memory", lambda: 10_000)
    mean = np.full((200, 200), 0.5)
    gain = np.random.default_rng(0).random((200, 200))
    with pytest.raises(sa.ProblemTooLarge):
        solve_stopping(mean, gain)


HALF = np.full((3, 3), 0.5)
NO_ENDINGS = {
    "of another length": (([0, 1], [0.3], [1.0]), "shapes (2,), (1,) and (1,); they must be (5,), (J,) and (J,)"),
    "weights missing": (([0, 1, 2, 3, 4], [0.3, 0.2, 0.1, 0.05], [1.0]), "shapes (5,), (4,) and (1,)"),
    "far beyond the hinges": (([0, 1, 2, 3, 10**9], [0.3], [1.0]), "must rise from 0 to the number of hinges, 1"),
    "far before them": (([-(10**12), 0, 0, 0, 1], [0.3], [1.0]), "begin of ending[0] is -1000000000000"),
    "falling": (([0, 1, 0, 1, 1], [0.3], [1.0]), "must rise from 0"),
    "not whole": (([0, 0.5, 1, 1, 1], [0.3], [1.0]), "begin of ending[1] is 0.5; it must be a whole number"),
    "no price": (([0, 0, 0, 1, 1], [np.nan], [1.0]), "price of ending is nan; it must be finite"),
    "negative weight": (([0, 0, 0, 1, 1], [0.3], [-1.0]), "weight of ending is -1.0; it must be finite and at least 0"),
    "prices that rise": (([0, 2, 2, 2, 2], [0.1, 0.3], [1.0, 1.0]), "price of ending rises among the hinges"),
    "a pair": (([0, 1], [0.3]), "it must be three arrays: begin, price, weight"),
    "a number": (3, "ending is 3; it must be "),
}


@pytest.mark.parametrize("case", NO_ENDINGS)
def test_an_ending_that_is_none_is_refused_before_compiled_code_reads_it(case):
    ending, message = NO_ENDINGS[case]
    with pytest.raises((ValueError, TypeError), match=re.escape(message)):
        sa.solve_stopping(HALF, HALF, ending=ending)


def test_prices_of_an_ending_may_rise_from_one_state_to_the_next():
    rising = ([0, 1, 2, 3, 4], [0.05, 0.1, 0.2, 0.3], np.ones(4))
    found = sa.solve_stopping(HALF, HALF, ending=rising)
    kinds = (np.array(rising[0], dtype=">i8"), np.array(rising[1], dtype=">f8"), tuple(rising[2]))
    assert found == sa.solve_stopping(HALF, HALF, ending=kinds)


@pytest.mark.parametrize("price", ["a", None, [0.1, 0.2]])
def test_worth_is_of_one_price(price):
    found = sa.solve_stopping(HALF, HALF)
    for ask in (found.worth, found.spent):
        with pytest.raises(ValueError, match=r"price is .*; it must be a number"):
            ask(price)


def test_an_index_of_fractions_is_that_of_the_same_numbers():
    assert sa.gittins_bernoulli(Fraction(1, 2), Decimal("0.25"), 0.5) == sa.gittins_bernoulli(0.5, 0.25, 0.5)
