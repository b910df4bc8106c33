"""Numbers that users bring: every door takes those of NumPy and of data frames, and names the place of what is none."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest

import seqaudit as sa
from seqaudit.posteriors.foundation import number_arrays, refusals
from seqaudit.posteriors.foundation.tolerances import above

HALVES = {
    "float16": np.float16(0.5),
    "float32": np.float32(0.5),
    "float64": np.float64(0.5),
    "longdouble": np.longdouble(0.5),
    "array": np.array(0.5),
    "fraction": Fraction(1, 2),
    "decimal": Decimal("0.5"),
}
TWOS = [np.int8(2), np.uint8(2), np.int16(2), np.uint32(2), np.int64(2), np.uint64(2), np.array(2), 2]
NO_NUMBERS = {
    "text": "0.5",
    "bytes": b"0.5",
    "NumPy text": np.str_("0.5"),
    "True": True,
    "NumPy True": np.True_,
    "None": None,
    "NA": pd.NA,
    "NaT": pd.NaT,
    "date": np.datetime64("2020-01-01"),
    "missing date": np.datetime64("NaT", "D"),
    "complex": 0.5 + 0j,
    "masked": np.ma.masked,
    "list": [0.5],
    "set": {0.5},
    "object": object(),
}
COLUMNS = {
    "list": list,
    "tuple": tuple,
    "float32": lambda x: np.array(x, dtype=np.float32),
    "objects": lambda x: np.array(x, dtype=object),
    "unmasked": lambda x: np.ma.masked_array(x, mask=False),
    "series": pd.Series,
    "index": pd.Index,
    "nullable": lambda x: pd.Series(x, dtype="Float64"),
    "categorical": lambda x: pd.Series(x).astype("category"),
    "extension": lambda x: pd.array(x, dtype="Float64"),
    "scalars": lambda x: [np.float64(v) for v in x],
}
DOORS = {
    "threshold": lambda x: sa.Problem(x, 4).threshold,
    "weight": lambda x: sa.Problem([0.5, 0.5], 4, weight=x).weight,
    "cost": lambda x: sa.Problem([0.5, 0.5], 4, cost=x).cost,
    "reward": lambda x: sa.Problem([0.5, 0.5], 4, reward=x).reward,
    "prior": lambda x: sa.Problem([0.5, 0.5], 4, prior=x).prior[0],
    "log_ratio": lambda x: sa.Problem.from_logratio(x, 1.0, 4).log_ratio,
    "ratio of thresholds": lambda x: np.log(sa.threshold(x, 1.0) / (1 - sa.threshold(x, 1.0))),
    "grid": lambda x: np.array(sa.Grid(x, [0.5, 0.5]).points),
    "risk": lambda x: sa.RiskWeighted("kg", x).risk.values,
    "label set": lambda x: sa.LabelSet(("a", "b"), [1, 0], [0, 1], ("r", "s"), [0, 1, 2], weight=x).weight,
}


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("door", DOORS)
def test_numbers_of_every_container_come_in_at_every_door(door, column):
    np.testing.assert_allclose(DOORS[door](COLUMNS[column]([0.25, 0.5])), [0.25, 0.5], rtol=1e-15)


@pytest.mark.parametrize("fault", NO_NUMBERS)
@pytest.mark.parametrize("door", DOORS)
def test_what_is_no_number_is_refused_at_every_door_with_its_place(door, fault):
    with pytest.raises(ValueError, match=r"item 2|\[1\]|prior b") as refused:
        DOORS[door]([0.25, NO_NUMBERS[fault]])
    assert "must be a number" in str(refused.value)
    with pytest.raises(ValueError, match=r"item 1|\[0\]|prior a"):
        DOORS[door]([NO_NUMBERS[fault], 0.25])


@pytest.mark.parametrize("door", DOORS)
def test_entries_that_are_masked_are_refused_and_not_unmasked(door):
    values = np.ma.masked_array([0.25, 0.5], mask=[False, True])
    with pytest.raises(ValueError, match="is masked; it must be a number"):
        DOORS[door](values)


@pytest.mark.parametrize("name", HALVES)
def test_a_number_of_any_type_is_the_python_number_that_it_equals(name):
    half = HALVES[name]
    assert refusals.number("x", half) == 0.5
    assert type(refusals.number("x", half)) is float
    assert sa.Beta(half, 1) == sa.Beta(0.5, 1)
    assert sa.TopTwo(leader=half).leader == 0.5
    assert sa.threshold([1.0], half) == sa.threshold([1.0], 0.5)
    assert number_arrays.number_array("x", [half]).tolist() == [0.5]


@pytest.mark.parametrize("utility", [lambda x: sa.Decisive(x / 4), lambda x: sa.Asymmetric(x, x)])
@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64, np.longdouble])
def test_parameters_of_utilities_are_taken_as_python_numbers(utility, kind):
    assert utility(kind(0.5)) == utility(0.5)
    assert {type(x) for x in vars(utility(kind(0.5))).values()} <= {float}


@pytest.mark.parametrize("two", TWOS, ids=lambda x: type(x).__name__ + str(getattr(x, "dtype", "")))
def test_whole_numbers_of_any_type_are_taken_as_one(two):
    problem = sa.Problem([0.5, 0.5], two, cap=two, quota=[([0], 1)], batch=two)
    assert problem == sa.Problem([0.5, 0.5], 2, cap=2, quota=[([0], 1)], batch=2)
    assert sa.KGStar(most=two) == sa.KGStar(most=2)


@pytest.mark.parametrize("fault", sorted(set(NO_NUMBERS) - {"list", "set", "object", "True", "NumPy True"}))
@pytest.mark.parametrize(
    "setting",
    [
        lambda x: sa.Decisive(x),
        lambda x: sa.Asymmetric(x, 1),
        lambda x: sa.Beta(x, 1),
        lambda x: sa.TopTwo(leader=x),
        lambda x: sa.KGStar(most=x),
        lambda x: sa.Problem([0.5], x),
        lambda x: sa.Problem([0.5], x, cost=2),
        lambda x: sa.Problem([0.5], 4, batch=x),
        lambda x: sa.Problem([0.5], 4, quota=[([0], x)]),
        lambda x: sa.Problem.from_logratio([0.5], x, 4),
        lambda x: sa.upper_bound(sa.Problem([0.5], 4), "information-relaxation", samples=x),
        lambda x: sa.simulate(sa.Problem([0.5], 4), "kg", seed=1, replications=x),
        lambda x: sa.whittle_index(sa.Problem([0.5], 4), x),
        lambda x: sa.Session(sa.Problem([0.5], 4), "kg", seed=1).tell(0, x),
        lambda x: sa.solve_stopping([[0.5]], [[0.1]], cost=x),
    ],
)
def test_what_is_no_number_is_refused_as_a_setting(setting, fault):
    with pytest.raises(ValueError, match=r" is .*; (it must|allowed)"):
        setting(NO_NUMBERS[fault])


@pytest.mark.parametrize("counts", [[1.9, 0], [np.nan, 0], [np.inf, 0], ["1", 0], [True, 0], [-1, 0], [1e300, 0]])
def test_counts_that_are_not_whole_are_refused_and_not_cut(counts):
    problem = sa.Problem([0.5, 0.7], 4)
    for ask in (
        lambda x: problem.tail_at(x, [0, 0]),
        lambda x: problem.replace(prior=[sa.NoisyBeta(1, 1, 0.1)] * 2).tail_at(x, [0, 0]),
        lambda x: sa.solve(problem, keep_policy=True).action(x, [0, 0]),
        lambda x: sa.solve(problem, keep_policy=True).action([1, 0], x),
        lambda x: sa.largest_beta([1.0, 2.0], 0.5, counts=x),
    ):
        with pytest.raises(
            ValueError,
            match=r"(counts|labels|wins)(\[0\]| of item 1) is .*; it must be a|^item 1: .* wins in .* labels; allowed",
        ):
            ask(counts)
    assert problem.tail_at([1.0, 0.0], [0, 0]).tolist() == problem.tail_at([1, 0], [0, 0]).tolist()


def test_a_number_beyond_floats_is_refused():
    with pytest.raises(ValueError, match=r"^x\[1\] is a whole number of 401 digits"):
        number_arrays.number_array("x", [1, 10**400])


def test_values_that_are_no_array_are_refused_as_a_whole():
    for values in ({1: 2}, {0.5}, (x for x in [0.5]), None, "0.5", object()):
        with pytest.raises(ValueError, match=r"^x is .*; it must be a number"):
            number_arrays.number_array("x", values)


@pytest.mark.parametrize("bar", [0.1, 0.25, 0.3, 0.5, 0.7, 0.75, 0.9])
def test_a_rate_at_the_bar_is_not_above_it_however_the_bar_was_computed(bar):
    ratio = np.log(bar) - np.log1p(-bar)
    for computed in (bar, float(sa.threshold(ratio, 1.0)), 1.0 - (1.0 - bar), float(np.float64(bar) * 3 / 3)):
        assert not above(bar, computed)
        assert not above(computed, bar)
        assert above(bar + 1e-9, computed)


def test_bars_stated_as_thresholds_and_as_log_probabilities_part_the_items_alike():
    votes = sa.LabelSet.from_pools({"a": [1, 1, 1, 0], "b": [0, 0, 0, 1]})
    logs = np.log([[0.25, 0.75], [0.75, 0.25]])
    found = []
    for columns in ({"threshold": [0.75, 0.25]}, {"log_ratio": sa.log_ratio(*logs)}):
        told = sa.LabelSet(votes.items, votes.labels, votes.rater, votes.raters, votes.start, **columns)
        result = sa.replay(told, ["round-robin"], budget=4, seed=1, replications=2)
        found.append((result.attrs["true_mass"], result["decision_accuracy"].values.tolist()))
    assert found[0] == found[1]
    assert found[0][0] == 0.0


@pytest.mark.parametrize(
    ("pools", "message"),
    [
        ({"a": [1, pd.NA]}, r"vote 2 on item 'a' is <NA>; allowed: 0 or 1"),
        ({"a": [1, None]}, r"vote 2 on item 'a' is None; allowed: 0 or 1"),
        ({"a": ["1"]}, r"vote 1 on item 'a' is '1'; allowed: 0 or 1"),
        ({"a": [0.5]}, r"vote 1 on item 'a' is 0.5; allowed: 0 or 1"),
        ({"a": [np.nan]}, r"vote 1 on item 'a' is nan; allowed: 0 or 1"),
        ({"a": np.ma.masked_array([1, 0], [False, True])}, r"vote 2 on item 'a' is masked; allowed: 0 or 1"),
        ({"a": 1}, r"votes on item 'a' are 1; they must be a list of 0 and 1"),
        ({"a": []}, r"item 'a' has no votes"),
        ({" ": [1]}, r"the name of an item is ' '; it must be text that is not blank, or a whole number"),
        ({None: [1]}, r"the name of an item is None"),
        ({np.nan: [1]}, r"the name of an item is nan"),
        ({1: [1], "1": [0]}, r"items 1 and '1' have one name"),
        ([1, 0], r"pools is \[1, 0\]; it must be a mapping"),
    ],
)
def test_pools_that_are_no_votes_are_refused(pools, message):
    with pytest.raises(ValueError, match=message):
        sa.LabelSet.from_pools(pools)


@pytest.mark.parametrize(
    "votes", [[True, False], np.array([True, False]), [1.0, 0.0], pd.Series([1, 0], dtype="Int64")]
)
def test_votes_of_any_type_that_equal_0_and_1_are_taken(votes):
    assert sa.LabelSet.from_pools({"a": votes}).labels.tolist() == [1, 0]


def test_whole_numbers_are_names_that_can_be_replayed():
    named = {7: [1, 0, 1], np.int64(8): [0, 0, 1]}
    votes = sa.LabelSet.from_pools(named)
    assert votes.items == ("7", "8")
    text = sa.LabelSet.from_pools({str(item): pool for item, pool in named.items()})
    first, second = (sa.replay(x, ["kg"], budget=4, seed=1, replications=2) for x in (votes, text))
    assert first.decision_accuracy.equals(second.decision_accuracy)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": [1, 2]}, r"labels\[1\] is 2; it must be a whole number from 0 to 1"),
        ({"rater": [0, 5]}, r"rater\[1\] is 5; it must be a whole number from 0 to 1"),
        ({"start": [0, 1]}, r"start has shape \(2,\)"),
        ({"start": [0, 3, 2]}, r"start must rise from 0 to the number of labels, 2"),
        ({"items": ("a", 2)}, r"items is \('a', 2\); it must be a list of strings"),
        ({"weight": [1.0]}, r"weight has shape \(1,\); it must be \(2,\)"),
        ({"slice": ("x",)}, r"slice has 1 entries"),
        ({"group": [0, 1], "groups": ("g",)}, r"group\[1\] is 1; it must be a whole number from 0 to 0"),
    ],
)
def test_columns_of_a_label_set_that_do_not_fit_together_are_refused(changes, message):
    columns = {"items": ("a", "b"), "labels": [1, 0], "rater": [0, 1], "raters": ("r", "s"), "start": [0, 1, 2]}
    with pytest.raises(ValueError, match=message):
        sa.LabelSet(**columns | changes)


def test_spans_of_time_are_no_numbers():
    with pytest.raises(ValueError, match=r"x\[0\] is 1 seconds; it must be a number"):
        number_arrays.number_array("x", np.array([1, 2], dtype="m8[s]"))
