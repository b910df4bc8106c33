"""Problems from data frames, equality of results, and the standard deviation of beliefs."""

from __future__ import annotations

import copy
import dataclasses
import inspect

import numpy as np
import pandas as pd
import pytest

import seqaudit as sa
from seqaudit.posteriors.foundation.records import EqualByContents

ITEMS = pd.DataFrame(
    {"item": ["sky", "sea"], "threshold": [0.5, 0.7], "weight": [1, 2], "cost": [1.0, 2.0], "cap": [3, 4], "note": "x"}
)
MADE = {
    "simulate": lambda p, seed: sa.simulate(p, "kg", seed=seed, replications=4),
    "allocate": lambda p, seed: sa.allocate(p.replace(budget=3 + seed)),
    "whittle": lambda p, seed: sa.whittle_index(p, seed % 2),
    "gittins": lambda p, seed: sa.gittins_index(p, seed % 2, labels=3, depth=9),
    "stopping": lambda p, seed: sa.solve_stopping([[0.5]], [[0.1 * (1 + seed)]]),
    "states": lambda p, seed: sa.states_of_item(p, seed % 2),
}


def test_a_problem_of_a_frame_is_that_of_its_columns():
    made = sa.Problem.from_frame(ITEMS, 9)
    columns = {key: ITEMS[key].tolist() for key in ("weight", "cost", "cap")}
    assert made == sa.Problem([0.5, 0.7], 9, name=["sky", "sea"], **columns)
    ratios = pd.DataFrame({"c": [0.0, 2.0], "a": [1, 2], "b": [3, 4]})
    assert sa.Problem.from_frame(ratios, 5, beta=1.0) == sa.Problem.from_logratio(
        [0.0, 2.0], 1.0, 5, prior=[(1, 3), (2, 4)]
    )
    logs = pd.DataFrame({"logp_win": [-2.0, -1.0], "logp_lose": [-1.0, -4.0]})
    assert sa.Problem.from_frame(logs, 5, beta=0.5) == sa.Problem.from_logratio([1.0, -3.0], 0.5, 5)
    assert sa.Problem.from_frame(ITEMS, 9, weight=1.0).weight.tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    "kinds", [{"threshold": "Float64"}, {"weight": "Int8"}, {"cap": "object"}, {"item": "category"}]
)
def test_columns_of_any_type_make_the_same_problem(kinds):
    assert sa.Problem.from_frame(ITEMS.astype(kinds), 9) == sa.Problem.from_frame(ITEMS, 9)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (None, "frame is None; it must be a pandas DataFrame"),
        (ITEMS.rename(columns={"weight": "Weight"}), "column 'Weight' is not known; is it 'weight'"),
        (ITEMS.drop(columns="threshold"), "no column gives thresholds"),
        (ITEMS.assign(a=1.0), "columns 'a' and 'b' go together"),
        (ITEMS.assign(threshold=["0.5", "0.7"]), "threshold of sky is '0.5'; it must be a number"),
        (
            ITEMS.assign(weight=pd.array([1, pd.NA], dtype="Int64")),
            "weight of sea is nan; it must be finite, and at least 0",
        ),
        (ITEMS.assign(item=["sky", None]), "data frame: row 1: item is missing; allowed: a name that is not blank"),
        (ITEMS.assign(name=[pd.NA, float("nan")]), "row 0: name is missing.*\ndata frame: row 1: name is missing"),
        (ITEMS.assign(item=["sky", " "]), "row 1: item is ' '; allowed: a name that is not blank, or a whole number"),
        (ITEMS.assign(item=[1.0, 1.5]), "row 1: item is 1.5; allowed: a name that is not blank, or a whole number"),
        (ITEMS.assign(item=[True, 2]), "row 0: item is True; allowed: a name that is not blank, or a whole number"),
    ],
)
def test_frames_that_are_no_problem_are_refused(frame, message):
    with pytest.raises(ValueError, match=message):
        sa.Problem.from_frame(frame, 9)


@pytest.mark.parametrize(
    ("columns", "fields"),
    [
        ({"item": ["sky", None]}, {"name": ["sky", "sea"]}),
        ({"name": ["sky", None], "item": ["sky", " "]}, {"name": ["sky", "sea"]}),
        ({"a": [1, 2]}, {"prior": (1, 1)}),
        ({"a": [1, 2], "b": [0, -1]}, {"prior": (1, 1)}),
        ({"Weight": [3, 4]}, {"weight": [1, 2]}),
        ({"c": [1, 2]}, {"threshold": [0.5, 0.7]}),
        ({"logp_win": [1, 2]}, {"threshold": [0.5, 0.7]}),
    ],
)
def test_keywords_replace_columns_whatever_these_hold(columns, fields):
    plain = sa.Problem([0.5, 0.7], 4, name=["sky", "sea"], weight=[1, 2])
    frame = pd.DataFrame({"item": ["sky", "sea"], "threshold": [0.5, 0.7]}).assign(**columns)
    assert sa.Problem.from_frame(frame, 4, **({"weight": [1, 2]} | fields)) == plain


def test_columns_that_occur_twice_can_be_replaced():
    frame = pd.DataFrame([[0.5, 1, 2], [0.7, 1, 2]], columns=["threshold", "weight", "weight"])
    assert sa.Problem.from_frame(frame, 4, weight=[1, 2]) == sa.Problem([0.5, 0.7], 4, weight=[1, 2])
    with pytest.raises(ValueError, match="log_ratio is not a keyword of data frames; give log-ratios as c, with beta"):
        sa.Problem.from_frame(frame, 4, weight=1, log_ratio=[1, 2], beta=1)


def test_whole_numbers_that_are_held_as_floats_are_names():
    frame = pd.DataFrame({"item": [1.0, 2.0], "threshold": [0.5, 0.7]})
    assert sa.Problem.from_frame(frame, 4).name == ("1", "2")


SLIPS = {"wieght": "weight", "weigth": "weight", "weihgt": "weight", "cots": "cost", "csot": "cost", "cpa": "cap"}
SLIPS |= {
    "C": "c",
    " LogP_Win": "logp_win",
    "rewrad": "reward",
    "reawrd": "reward",
    "weights": "weight",
    "Item": "item",
    "items": "item",
}


@pytest.mark.parametrize("slip", SLIPS)
def test_columns_that_were_probably_meant_are_refused(slip):
    with pytest.raises(ValueError, match=f"column '{slip}' is not known; is it '{SLIPS[slip]}'"):
        sa.Problem.from_frame(pd.DataFrame({"threshold": [0.3, 0.4], slip: [2, 3]}), 4)


@pytest.mark.parametrize("name", ["log_ratio", "prior", "beta", "label_price", "quota", "budget", "utility", "batch"])
def test_keywords_that_are_no_columns_are_refused_as_columns(name):
    with pytest.raises(ValueError, match=f"column '{name}' is not known; allowed: "):
        sa.Problem.from_frame(pd.DataFrame({"threshold": [0.3, 0.4], name: [2, 3]}), 4)


@pytest.mark.parametrize("name", ["A", "B", "cat", "text", "worth"])
def test_columns_of_other_names_are_ignored(name):
    frame = pd.DataFrame({"threshold": [0.3, 0.4], name: ["x", "y"]})
    assert sa.Problem.from_frame(frame, 4) == sa.Problem([0.3, 0.4], 4)


LOGS = pd.DataFrame({"logp_win": [-1.0, -1.0], "logp_lose": [-5.0, -2.0]})


@pytest.mark.parametrize(
    ("frame", "fields", "message"),
    [
        (
            LOGS.assign(c=[-4.0, 0.0]),
            {"beta": 1.0},
            "row 1: c is 0.0, but logp_lose - logp_win is -1; they must be equal",
        ),
        (LOGS.assign(threshold=0.5), {"beta": 1.0}, "'threshold' give the thresholds in more than one way"),
        (LOGS, {}, "log-ratios need the keyword beta"),
        (LOGS.assign(logp_win=0.5), {"beta": 1.0}, r"logp_win\[0\] is 0.5; log-probabilities are at most 0"),
    ],
)
def test_thresholds_are_stated_in_one_way(frame, fields, message):
    with pytest.raises(ValueError, match=message):
        sa.Problem.from_frame(frame, 4, **fields)


def test_thresholds_in_keywords_replace_the_columns_that_state_them():
    stated = sa.Problem([0.2, 0.3], 4)
    for frame in (LOGS, LOGS.assign(threshold=0.5), pd.DataFrame({"c": [0.0, 5.0]})):
        assert sa.Problem.from_frame(frame, 4, threshold=[0.2, 0.3]) == stated
        ratios = sa.Problem.from_frame(frame, 4, c=[1.0, 2.0], beta=1.0)
        assert ratios == sa.Problem.from_logratio([1.0, 2.0], 1.0, 4)
    both = LOGS.assign(c=[-4.0, -1.0])
    assert sa.Problem.from_frame(both, 4, beta=1.0) == sa.Problem.from_logratio([-4.0, -1.0], 1.0, 4)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: sa.Problem.from_dict([1]), r"fields is \[1\]; it must be a mapping"),
        (lambda: sa.Problem.from_dict({"budget": 3}), "threshold is missing; a problem needs 'threshold', 'budget'"),
        (lambda: sa.Problem.from_dict({"c": [0.0], "budget": 3}), "beta is missing; a problem needs 'c', 'beta'"),
        (lambda: sa.Problem.bandit([(1, 1)], 3, utility="accuracy"), "utility is not for a bandit"),
        (lambda: sa.Problem.bandit([(1, 1)], 3, threshold=0.4), "threshold is not for a bandit"),
    ],
)
def test_keywords_that_are_missing_or_have_no_use_are_named(make, message):
    with pytest.raises((TypeError, ValueError), match=message) as caught:
        make()
    assert caught.type.__module__.startswith("seqaudit.")


@pytest.mark.parametrize("name", MADE)
def test_results_with_equal_contents_are_equal_and_others_are_not(name):
    problem = sa.Problem([0.5, 0.7], 4)
    one, two, other = (MADE[name](problem, seed) for seed in (0, 0, 1))
    assert one == two == copy.deepcopy(one)
    assert one != other
    assert one != "something else"
    with pytest.raises(TypeError, match="unhashable"):
        hash(one)


def test_no_public_record_with_arrays_compares_by_the_truth_of_an_array():
    for name in sa.__all__:
        record = getattr(sa, name)
        if inspect.isclass(record) and dataclasses.is_dataclass(record) and record.__eq__ is not object.__eq__:
            held = [f.name for f in dataclasses.fields(record) if "Floats" in str(f.type) or "Ints" in str(f.type)]
            by_contents = issubclass(record, EqualByContents) or record is sa.Problem
            assert by_contents or not [key for key in held if "Callable" not in str(record.__annotations__[key])], name


@pytest.mark.parametrize(
    "prior",
    [sa.Beta(2, 3), sa.BetaMixture([0.3, 0.7], [1, 4], [2, 2]), sa.NoisyBeta(2, 3, 0.2), sa.LogitNormal(0.3, 1)],
)
def test_sd_is_the_standard_deviation_of_the_chance_of_a_win(prior):
    """Against draws from the posterior: 6 standard errors, false-alarm rate below 1e-7."""
    problem = sa.Problem([0.5, 0.6], 4, prior=[prior, sa.Beta(1, 1)])
    plain = sa.Problem([0.5, 0.6], 4, prior=[(2, 3), (1, 1)])
    rng, size = np.random.default_rng(7), 200_000
    for n, w in ((0, 0), (3, 1), (4, 4)):
        states = sa.states_at(problem, np.array([0, 1]), np.array([n, n]), np.array([w, w]))
        chance = prior.after(w, n - w).draw(rng, size)
        chance = prior.label_chance(chance)
        spread = np.sqrt(np.mean((chance - chance.mean()) ** 4) / size) / (2 * chance.std())
        assert abs(states.sd[0] - chance.std()) < 6 * spread
        assert states.sd[1] == pytest.approx(np.sqrt((1 + w) * (1 + n - w) / ((n + 2) ** 2 * (n + 3))), rel=1e-10)
        same = sa.states_at(plain, np.array([1]), np.array([n]), np.array([w]))
        assert same.sd[0] == pytest.approx(states.sd[1], rel=1e-10)
    for which in (problem, plain):
        table = sa.states_of_item(which, 0)
        assert table.sd.shape == table.mean.shape
        assert np.isfinite(table.sd[np.tri(len(table.mean), dtype=bool)]).all()
