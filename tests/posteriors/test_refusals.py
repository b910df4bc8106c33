"""Refusals of values: one rule for what is a number, a whole number, a probability or a word, and one for seeds."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqaudit.posteriors.foundation import number_arrays, refusals
from seqaudit.posteriors.foundation.seeds import seed_sequence

INTEGERS = st.integers() | st.integers(-(2**31), 2**31 - 1).flatmap(
    lambda n: st.sampled_from([np.int32(n), np.int64(n), np.uint64(abs(n))])
)
FLOATS = st.floats() | st.floats(width=32).flatmap(lambda x: st.sampled_from([np.float32(x), np.float64(x)]))
NO_NUMBERS = (
    st.booleans()
    | st.sampled_from([np.True_, np.False_, None, (), [1], np.array([1.0, 2.0]), 1j, b"1"])
    | st.text()
    | st.integers().map(str)
)
ANY = INTEGERS | FLOATS | st.fractions() | NO_NUMBERS


def is_number(value):
    """Numbers as a reader would list them, apart from the predicate of the module."""
    return type(value) in (int, float, Fraction, np.int32, np.int64, np.uint64, np.float32, np.float64)


def is_whole(value):
    return type(value) in (int, np.int32, np.int64, np.uint64)


def fits(value):
    """Whether float() holds the value."""
    return -(2**1023) < value < 2**1023 if isinstance(value, (int, Fraction)) else True


RULES = {
    "number": (refusals.number, lambda x: True, "a number"),
    "positive": (refusals.positive, lambda x: 0 < x < math.inf, "positive and finite"),
    "nonnegative": (refusals.nonnegative, lambda x: 0 <= x < math.inf, "a finite number, at least 0"),
    "probability": (refusals.probability, lambda x: 0 < x < 1, "lie strictly between 0 and 1"),
    "with ends": (
        lambda field, x: refusals.probability(field, x, ends=True),
        lambda x: 0 <= x <= 1,
        "a number from 0 to 1",
    ),
    "below half": (
        lambda field, x: refusals.probability(field, x, most=Fraction(1, 2)),
        lambda x: 0 < x < 0.5,
        "lie strictly between 0 and 1/2",
    ),
}


@pytest.mark.parametrize("rule", RULES)
@given(value=ANY)
def test_numbers_in_range_come_back_as_floats_and_all_else_is_refused(rule, value):
    check, within, allowed = RULES[rule]
    if is_number(value) and fits(value) and within(float(value)):
        found = check("x", value)
        assert type(found) is float
        assert found == float(value) or math.isnan(found)
        return
    with pytest.raises(ValueError, match=r"^x is (.|\n)*; it must ") as refused:
        check("x", value)
    told = allowed if is_number(value) and fits(value) else "be a number"
    assert told in str(refused.value)


@given(value=ANY, least=st.integers(-3, 5), room=st.none() | st.integers(0, 10))
def test_whole_numbers_in_range_come_back_as_integers_and_all_else_is_refused(value, least, room):
    most = None if room is None else least + room
    if is_whole(value) and least <= int(value) <= (math.inf if most is None else most):
        found = refusals.whole("n", value, least, most)
        assert type(found) is int
        assert found == value
        return
    with pytest.raises(ValueError, match=r"^n is ") as refused:
        refusals.whole("n", value, least, most)
    told = f", at least {least}" if most is None else f" from {least} to {most}"
    assert str(refused.value).endswith(f"; it must be a whole number{told}")


@given(ANY)
def test_a_whole_number_with_a_point_is_one_only_where_that_is_asked_for(value):
    strict, loose = refusals.whole_or_none(value), refusals.whole_or_none(value, floats=True)
    assert strict == (int(value) if is_whole(value) else None)
    integral = is_number(value) and math.isfinite(value) and value == math.floor(value)
    assert loose == (int(value) if integral else None)


@pytest.mark.parametrize("value", [4.0, np.float64(4), Fraction(4)])
def test_four_is_four_in_any_spelling_but_text(value):
    assert refusals.whole_or_none(value, floats=True) == 4
    assert refusals.whole_or_none("4", floats=True) is None


def test_refusals_show_numpy_scalars_as_plain_numbers():
    with pytest.raises(ValueError, match=r"^x is -1\.5; it must be positive and finite$"):
        refusals.positive("x", np.float64(-1.5))
    with pytest.raises(ValueError, match=r"^n is 3; it must be a whole number from 0 to 2$"):
        refusals.whole("n", np.int64(3), 0, 2)
    with pytest.raises(ValueError, match=r"^n is True; it must be a whole number, at least 0$"):
        refusals.whole("n", np.True_)


@given(ANY)
def test_only_the_words_themselves_are_allowed(value):
    words = ("random", "first")
    if isinstance(value, str) and value in words:
        assert refusals.one_of("ties", value, words) == value
        return
    with pytest.raises(ValueError, match=r"(?s)^ties is .*; allowed: 'random', 'first'$"):
        refusals.one_of("ties", value, words)


def test_every_word_that_is_allowed_comes_back():
    assert [refusals.one_of("ties", word, ("random", "first")) for word in ("random", "first")] == ["random", "first"]


@given(st.lists(st.floats(), min_size=1, max_size=5))
def test_an_array_is_refused_by_its_first_faulty_value(values):
    array = np.array(values)
    bad = [x for x in values if not 0 < x < 1]
    if not bad:
        refusals.probabilities("t", array)
        refusals.every("t", array, (array > 0) & (array < 1), "a rate")
        return
    with pytest.raises(ValueError, match=r"^t is ") as refused:
        refusals.probabilities("t", array)
    assert str(refused.value) == f"t is {bad[0]!r}; it must lie strictly between 0 and 1"
    with pytest.raises(ValueError, match=r"^t is ") as refused:
        refusals.every("t", array, (array > 0) & (array < 1), "a rate")
    assert str(refused.value) == f"t is {bad[0]!r}; it must be a rate"


@pytest.mark.parametrize("value", [-1, True, np.False_, 1.0, "7", None, np.random.default_rng])
def test_what_is_no_seed_is_refused(value):
    with pytest.raises(ValueError, match=r"^seed is .*; it must be a whole number, at least 0, a SeedSequence or"):
        seed_sequence(value)


def test_a_sequence_gives_the_same_children_twice_and_a_generator_moves_on():
    root = np.random.SeedSequence(7, spawn_key=(3,), pool_size=8)
    one, two = (seed_sequence(root).spawn(2)[1].generate_state(2).tolist() for _ in range(2))
    assert one == two == np.random.SeedSequence(7, spawn_key=(3,), pool_size=8).spawn(2)[1].generate_state(2).tolist()
    assert root.n_children_spawned == 0
    stream = np.random.default_rng(7)
    assert seed_sequence(stream).entropy != seed_sequence(stream).entropy


@pytest.mark.parametrize("seed", [0, 7, np.int64(7), 2**80])
def test_a_whole_number_is_the_entropy_of_its_sequence(seed):
    assert seed_sequence(seed).entropy == seed


@given(st.lists(st.floats(-2.0, 2.0) | st.sampled_from([math.nan, math.inf]), min_size=1, max_size=5))
def test_a_list_is_refused_by_the_place_of_its_first_value_that_is_not_finite_then_out_of_range(values):
    infinite = [k for k, x in enumerate(values) if not math.isfinite(x)]
    outside = [k for k, x in enumerate(values) if not x >= 0]
    if not infinite and not outside:
        assert number_arrays.numbers("w", np.array(values), lambda x: x >= 0, "at least 0") == tuple(values)
        return
    with pytest.raises(ValueError, match=r"^w\[") as refused:
        number_arrays.numbers("w", values, lambda x: x >= 0, "at least 0")
    k, allowed = (infinite[0], "finite") if infinite else (outside[0], "at least 0")
    assert str(refused.value) == f"w[{k}] is {values[k]!r}; it must be {allowed}"


@pytest.mark.parametrize("values", [[], 1, "12", [[1.0]], None])
def test_what_is_no_list_of_numbers_is_refused(values):
    with pytest.raises(ValueError, match=r"^w is .*; it must be a list of at least one number$"):
        number_arrays.numbers("w", values)


@pytest.mark.parametrize("values", [["x"], [True], [[1], [1, 2]], [1.0, None]])
def test_a_list_names_the_place_of_what_is_no_number(values):
    with pytest.raises(ValueError, match=r"^w\[[01]\] is .*; it must be a number$"):
        number_arrays.numbers("w", values)
