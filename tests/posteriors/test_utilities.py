"""Terminal utilities: values, convexity, decisions and refusals."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.recursion import CONVEX, UTILITIES

import seqaudit as sa
from seqaudit.posteriors.utilities import utility_names

probabilities = st.floats(0, 1)
ALL = [
    sa.Accuracy(),
    sa.Asymmetric(),
    sa.Asymmetric(2.0, 0.5),
    sa.Variance(),
    sa.Entropy(),
    sa.Decisive(),
    sa.Decisive(0.25),
    sa.Linear(),
    sa.NoPayoff(),
]


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("utility", "values"),
    [
        ("accuracy", [1, 0.75, 0.5, 0.75, 1]),
        ("asymmetric", [0, 0, 0, 0.5, 1]),
        ({"name": "asymmetric", "gain": 2, "loss": 4}, [0, 0, 0, 0.5, 2]),
        ("variance", [0, -3 / 16, -1 / 4, -3 / 16, 0]),
        ("entropy", [0, 0.25 * math.log(0.25) + 0.75 * math.log(0.75), -math.log(2), -0.5623351446188083, 0]),
        ("decisive", [1, 0, 0, 0, 1]),
        ({"name": "decisive", "eps": 0.25}, [1, 1, 0, 1, 1]),
        ("linear", [0, 0.25, 0.5, 0.75, 1]),
        ("none", [0, 0, 0, 0, 0]),
        (None, [0, 0, 0, 0, 0]),
        (lambda p: p**2, [0, 1 / 16, 1 / 4, 9 / 16, 1]),
    ],
)
def test_utility_has_its_stated_values(utility, values):
    p = np.array([0, 0.25, 0.5, 0.75, 1])
    h = sa.make_utility(utility)(p)
    assert h.dtype == np.float64
    assert h == pytest.approx(np.array(values), abs=1e-15)
    assert p.tolist() == [0, 0.25, 0.5, 0.75, 1]


@pytest.mark.parametrize("name", list(UTILITIES))
@given(p=st.lists(probabilities, min_size=1, max_size=6))
def test_utility_agrees_with_its_definition(name, p):
    h = sa.make_utility(UTILITIES[name].spec)(np.array([p]))
    assert h.shape == (1, len(p))
    assert h[0] == pytest.approx([float(UTILITIES[name].h(x)) for x in p], abs=1e-14)


@pytest.mark.parametrize("name", CONVEX)
@given(p=probabilities, q=probabilities, share=probabilities)
def test_utility_is_convex(name, p, q, share):
    h = sa.make_utility(UTILITIES[name].spec)
    between, ends = h(np.array([share * p + (1 - share) * q])), h(np.array([p, q]))
    assert between[0] <= share * ends[0] + (1 - share) * ends[1] + 1e-14


def test_decisive_is_not_convex():
    # Half way between certainty and doubt the belief is still decisive.
    h = sa.Decisive(0.1)(np.array([0.0, 0.1, 0.2]))
    assert h.tolist() == [1, 1, 0]
    assert h[1] > (h[0] + h[2]) / 2


@pytest.mark.parametrize("p", [0.1, 0.9, 0.1 + 1e-13, 0.9 - 1e-13, 0.30000000000000004 - 0.2])
def test_belief_on_the_boundary_is_decisive_however_it_was_computed(p):
    assert sa.Decisive(0.1)(np.array([p])).tolist() == [1]


@pytest.mark.parametrize("p", [0.1 + 1e-9, 0.9 - 1e-9])
def test_belief_inside_the_boundary_is_not_decisive(p):
    assert sa.Decisive(0.1)(np.array([p])).tolist() == [0]


@pytest.mark.parametrize("utility", [u for u in ALL if not isinstance(u, sa.Asymmetric)], ids=repr)
def test_item_is_declared_learnable_above_one_half_and_a_tie_decides_not(utility):
    p = np.array([0, 0.4, 0.5 - 1e-15, 0.5, 0.5 + 1e-15, 0.5 + 1e-9, 1])
    assert utility.decide(p).tolist() == [False, False, False, False, False, True, True]


@given(st.floats(0.1, 10), st.floats(0.1, 10), probabilities)
def test_asymmetric_accepts_exactly_where_accepting_pays(gain, loss, p):
    utility = sa.Asymmetric(gain, loss)
    worth = gain * p - loss * (1 - p)
    if abs(worth) > 1e-9:
        assert utility.decide(np.array([p])).tolist() == [worth > 0]
        assert (utility(np.array([p]))[0] > 0) == (worth > 0)
    assert utility.decide(np.array([loss / (gain + loss)])).tolist() == [False]


@pytest.mark.parametrize("utility", ALL, ids=repr)
def test_utility_is_a_value_that_its_description_makes_again(utility):
    again = sa.make_utility(utility.as_dict())
    assert again == utility
    assert hash(again) == hash(utility)
    assert sa.make_utility(utility) is utility


def test_every_name_makes_a_utility_of_that_name():
    assert utility_names() == ("accuracy", "asymmetric", "variance", "entropy", "decisive", "linear", "none")
    assert [sa.make_utility(name).name for name in utility_names()] == list(utility_names())


def test_callable_becomes_a_utility_without_a_description():
    utility = sa.make_utility(np.square)
    assert isinstance(utility, sa.Custom)
    assert utility == sa.Custom(np.square)
    with pytest.raises(ValueError, match="a callable utility cannot be written to TOML; use a named utility"):
        utility.as_dict()


def test_utility_without_a_formula_is_refused():
    with pytest.raises(TypeError, match="Utility must define __call__"):
        sa.Utility()(np.array([0.5]))


def doubled_in_place(p):
    p *= 2
    return p


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("acuracy", "utility is 'acuracy'; allowed: accuracy, asymmetric, .*, linear, none, or a callable"),
        ({"gain": 2}, r"utility \{'gain': 2\} has no name; allowed: accuracy"),
        ({"name": None}, "utility is None; allowed: accuracy"),
        ({"name": ["accuracy"]}, r"utility is \['accuracy'\]; allowed: accuracy"),
        (3, "utility is 3; allowed: accuracy"),
        ("None", "utility is 'None'; allowed: accuracy"),
        ({"name": "accuracy", "eps": 0.1}, "utility accuracy has no parameter 'eps'; allowed: none"),
        ({"name": "asymmetric", "win": 1}, "utility asymmetric has no parameter 'win'; allowed: gain, loss"),
        ({"name": "asymmetric", "gain": 0}, r"utility asymmetric: gain is 0; it must be positive, and at most 1e\+100"),
        ({"name": "asymmetric", "loss": "x"}, "utility asymmetric: loss is 'x'; it must be a number"),
        ({"name": "asymmetric", "loss": math.inf}, "utility asymmetric: loss is inf"),
        ({"name": "decisive", "eps": 0.5}, "utility decisive: eps is 0.5; it must lie strictly between 0 and 1/2"),
        ({"name": "decisive", "eps": 0}, "utility decisive: eps is 0; "),
        ({"name": "decisive", "eps": math.nan}, "utility decisive: eps is nan; "),
        (
            lambda p: np.where(p > 0.5, np.nan, p),
            r"utility callable returned nan at p = 0.51; it must be finite on \[0, 1\]",
        ),
        (lambda p: np.where((p > 0) & (p < 1e-12), -np.inf, p), "utility callable returned -inf at p = 4.94066e-324; "),
        (lambda p: p[0], r"utility callable returned shape \(53,\) for input of shape \(2, 53\)"),
        (lambda p: p[:1], r"utility callable returned shape \(1, 53\) for input of shape \(2, 53\)"),
        (lambda p: 1.0, r"utility callable returned shape \(\) for input of shape \(2, 53\)"),
        (lambda p: [0.5, 1], r"utility callable returned shape \(2,\) for input of shape \(2, 53\)"),
        (
            lambda p: p.tolist(),
            "utility callable returned list of type float64; it must return an array of real numbers",
        ),
        (lambda p: [[1], [1, 2]], "utility callable returned list of type object; it must return an array"),
        (lambda p: None, "utility callable returned NoneType of type object; it must return an array"),
        (lambda p: p + 0j, "utility callable returned ndarray of type complex128; it must return an array of real"),
        (
            lambda p: 1 / 0,
            r"utility callable raised ZeroDivisionError: division by zero, for an array of shape \(2, 53",
        ),
        (lambda p: max(p, 1 - p), "utility callable raised ValueError: The truth value of an array"),
        (doubled_in_place, "utility callable changes its argument; it must not modify it"),
    ],
)
def test_faulty_utility_is_refused(spec, message):
    with pytest.raises(ValueError, match=message):
        sa.make_utility(spec)


@pytest.mark.parametrize("p", [0.123, math.nan])
def test_callable_that_fails_later_is_refused_then(p):
    utility = sa.make_utility(lambda p: np.where(p == 0.123, np.nan, p))
    assert utility(np.array([0.2, 0.124])).tolist() == [0.2, 0.124]
    with pytest.raises(ValueError, match=f"utility callable returned nan at p = {p}; it must be finite"):
        utility(np.array([[0.2, p]]))


def test_payoffs_of_a_callable_are_floats_of_their_own():
    kept = np.ones(3)
    for function in (lambda p: p, lambda p: kept if p.shape == (3,) else np.ones_like(p), lambda p: p > 0.5):
        p = np.array([0.2, 0.6, 0.7])
        h = sa.make_utility(function)(p)
        assert h.dtype == np.float64
        h[:] = -1
        assert (p.tolist(), kept.tolist()) == ([0.2, 0.6, 0.7], [1, 1, 1])


# What a statement is worth where the truth has another probability.

SCORED = [utility for utility in ALL if not isinstance(utility, sa.Decisive)]


@pytest.mark.parametrize("utility", ALL, ids=repr)
@given(p=probabilities)
def test_statement_of_the_truth_is_worth_the_utility(utility, p):
    stated = np.array([p])
    assert utility.score(stated, stated) == pytest.approx(utility(stated), abs=3e-12)


@pytest.mark.parametrize("utility", SCORED, ids=repr)
@given(stated=st.floats(1e-9, 1 - 1e-9), p=probabilities)
def test_worth_of_a_statement_is_the_mean_over_learnable_and_not(utility, stated, p):
    no, yes, mixed = (float(utility.score(np.array(stated), np.array(x))) for x in (0.0, 1.0, p))
    assert mixed == pytest.approx((1 - p) * no + p * yes, abs=1e-14)


@pytest.mark.parametrize("utility", SCORED, ids=repr)
@given(stated=probabilities, p=probabilities)
def test_no_statement_is_worth_more_than_the_truth(utility, stated, p):
    truth = np.array([p])
    assert utility.score(np.array([stated]), truth)[0] <= utility(truth)[0] + 1e-11


@pytest.mark.parametrize(
    ("utility", "stated", "p", "worth"),
    [
        ("accuracy", [0.8, 0.5, 0.2], 0.3, [0.3, 0.7, 0.7]),
        ({"name": "asymmetric", "gain": 1, "loss": 3}, [0.8, 0.75, 0.2], 0.5, [-1, 0, 0]),
        ("variance", [1, 0.5, 0], 0.25, [-0.75, -0.25, -0.25]),
        ("entropy", [0.5, 0.25], 0.75, [math.log(0.5), 0.75 * math.log(0.25) + 0.25 * math.log(0.75)]),
        ("entropy", [0, 1, 0.5], [0, 1, 0], [0, 0, math.log(0.5)]),
        ("entropy", [0, 1], [0.5, 0.9], [-math.inf, -math.inf]),
        ("decisive", [0.01, 0.99, 0.01, 0.05, 0.5], [0.02, 0.97, 0.99, 0.06, 0.5], [1, 1, 0, 0, 0]),
        ("linear", [0.1, 0.9], 0.3, [0.3, 0.3]),
        ("none", [0.1, 0.9], 0.3, [0, 0]),
    ],
)
def test_statement_has_its_stated_worth(utility, stated, p, worth):
    score = sa.make_utility(utility).score(np.array(stated), np.array(p))
    assert score.dtype == np.float64
    assert score == pytest.approx(np.array(worth), abs=1e-15)


@pytest.mark.parametrize("utility", ALL, ids=repr)
def test_statements_and_truths_broadcast(utility):
    stated, p = np.array([[0.2], [0.7], [0.9]]), np.array([0.1, 0.6])
    table = utility.score(stated, p)
    assert table.shape == (3, 2)
    for i, j in np.ndindex(3, 2):
        assert table[i, j] == utility.score(stated[i], p[j : j + 1])[0]


@pytest.mark.parametrize("utility", [sa.Custom(np.square), type("Own", (sa.Utility,), {"name": "own"})()])
def test_utility_without_a_decision_is_not_scored(utility):
    with pytest.raises(ValueError, match=f"utility {utility.name} has no score for a tail other than the stated one"):
        utility.score(np.array([0.5]), np.array([0.5]))
