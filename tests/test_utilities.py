"""Terminal utilities: values, convexity, decisions and refusals."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from recursion import CONVEX, UTILITIES

from seqaudit.posteriors import (
    Accuracy,
    Asymmetric,
    Custom,
    Decisive,
    Entropy,
    Linear,
    Utility,
    Variance,
    make_utility,
)
from seqaudit.posteriors.utilities import utility_names

probabilities = st.floats(0, 1)
ALL = [Accuracy(), Asymmetric(), Asymmetric(2.0, 0.5), Variance(), Entropy(), Decisive(), Decisive(0.25), Linear()]


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
        (lambda p: p**2, [0, 1 / 16, 1 / 4, 9 / 16, 1]),
    ],
)
def test_utility_has_its_stated_values(utility, values):
    p = np.array([0, 0.25, 0.5, 0.75, 1])
    h = make_utility(utility)(p)
    assert h.dtype == np.float64
    assert h == pytest.approx(np.array(values), abs=1e-15)
    assert p.tolist() == [0, 0.25, 0.5, 0.75, 1]


@pytest.mark.parametrize("name", list(UTILITIES))
@given(p=st.lists(probabilities, min_size=1, max_size=6))
def test_utility_agrees_with_its_definition(name, p):
    h = make_utility(UTILITIES[name].spec)(np.array([p]))
    assert h.shape == (1, len(p))
    assert h[0] == pytest.approx([float(UTILITIES[name].h(x)) for x in p], abs=1e-14)


@pytest.mark.parametrize("name", CONVEX)
@given(p=probabilities, q=probabilities, share=probabilities)
def test_utility_is_convex(name, p, q, share):
    h = make_utility(UTILITIES[name].spec)
    between, ends = h(np.array([share * p + (1 - share) * q])), h(np.array([p, q]))
    assert between[0] <= share * ends[0] + (1 - share) * ends[1] + 1e-14


def test_decisive_is_not_convex():
    # Half way between certainty and doubt the belief is still decisive.
    h = Decisive(0.1)(np.array([0.0, 0.1, 0.2]))
    assert h.tolist() == [1, 1, 0]
    assert h[1] > (h[0] + h[2]) / 2


@pytest.mark.parametrize("p", [0.1, 0.9, 0.1 + 1e-13, 0.9 - 1e-13, 0.30000000000000004 - 0.2])
def test_belief_on_the_boundary_is_decisive_however_it_was_computed(p):
    assert Decisive(0.1)(np.array([p])).tolist() == [1]


@pytest.mark.parametrize("p", [0.1 + 1e-9, 0.9 - 1e-9])
def test_belief_inside_the_boundary_is_not_decisive(p):
    assert Decisive(0.1)(np.array([p])).tolist() == [0]


@pytest.mark.parametrize("utility", [u for u in ALL if not isinstance(u, Asymmetric)], ids=repr)
def test_item_is_declared_learnable_above_one_half_and_a_tie_decides_not(utility):
    p = np.array([0, 0.4, 0.5 - 1e-15, 0.5, 0.5 + 1e-15, 0.5 + 1e-9, 1])
    assert utility.decide(p).tolist() == [False, False, False, False, False, True, True]


@given(st.floats(0.1, 10), st.floats(0.1, 10), probabilities)
def test_asymmetric_accepts_exactly_where_accepting_pays(gain, loss, p):
    utility = Asymmetric(gain, loss)
    worth = gain * p - loss * (1 - p)
    if abs(worth) > 1e-9:
        assert utility.decide(np.array([p])).tolist() == [worth > 0]
        assert (utility(np.array([p]))[0] > 0) == (worth > 0)
    assert utility.decide(np.array([loss / (gain + loss)])).tolist() == [False]


@pytest.mark.parametrize("utility", ALL, ids=repr)
def test_utility_is_a_value_that_its_description_makes_again(utility):
    again = make_utility(utility.as_dict())
    assert again == utility
    assert hash(again) == hash(utility)
    assert make_utility(utility) is utility


def test_every_name_makes_a_utility_of_that_name():
    assert utility_names() == ("accuracy", "asymmetric", "variance", "entropy", "decisive", "linear")
    assert [make_utility(name).name for name in utility_names()] == list(utility_names())


def test_callable_becomes_a_utility_without_a_description():
    utility = make_utility(np.square)
    assert isinstance(utility, Custom)
    assert utility == Custom(np.square)
    with pytest.raises(ValueError, match="a callable utility cannot be written to TOML; use a named utility"):
        utility.as_dict()


def test_utility_without_a_formula_is_refused():
    with pytest.raises(TypeError, match="Utility must define __call__"):
        Utility()(np.array([0.5]))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("acuracy", "utility is 'acuracy'; allowed: accuracy, asymmetric, .*, linear, or a callable"),
        ({"gain": 2}, "utility is None; allowed: accuracy"),
        ({"name": ["accuracy"]}, r"utility is \['accuracy'\]; allowed: accuracy"),
        (3, "utility is 3; allowed: accuracy"),
        (None, "utility is None; allowed: accuracy"),
        ({"name": "accuracy", "eps": 0.1}, "utility accuracy has no parameter 'eps'; allowed: none"),
        ({"name": "asymmetric", "win": 1}, "utility asymmetric has no parameter 'win'; allowed: gain, loss"),
        ({"name": "asymmetric", "gain": 0}, "utility asymmetric: gain is 0; it must be positive and finite"),
        ({"name": "asymmetric", "loss": "x"}, "utility asymmetric: loss is 'x'; it must be positive and finite"),
        ({"name": "asymmetric", "loss": math.inf}, "utility asymmetric: loss is inf"),
        ({"name": "decisive", "eps": 0.5}, "utility decisive: eps is 0.5; it must lie strictly between 0 and 1/2"),
        ({"name": "decisive", "eps": 0}, "utility decisive: eps is 0; "),
        ({"name": "decisive", "eps": math.nan}, "utility decisive: eps is nan; "),
        (
            lambda p: np.where(p > 0.5, np.nan, p),
            r"utility callable returned nan at p = 0.51; it must be finite on \[0, 1\]",
        ),
        (lambda p: p[0], r"utility callable returned shape \(101,\) for input of shape \(1, 101\)"),
        (lambda p: 1.0, r"utility callable returned shape \(\) for input of shape \(1, 101\)"),
    ],
)
def test_faulty_utility_is_refused(spec, message):
    with pytest.raises(ValueError, match=message):
        make_utility(spec)
