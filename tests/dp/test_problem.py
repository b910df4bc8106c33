"""The problem statement: faults, immutability, equality, files and remarks."""

from __future__ import annotations

import copy
import math
from dataclasses import FrozenInstanceError
from dataclasses import replace as dataclass_replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.recursion import cases, problem_of

import seqaudit as sa
from seqaudit.posteriors import utilities
from seqaudit.posteriors.beliefs import registry as kinds

NAMES = ", ".join(utilities.utility_names())
KEYS = "budget, threshold, c, beta, weight, prior, utility, cost, cap, quota, batch, reward, label_price, name"


def faults_of(*arguments, **keywords) -> tuple[str, ...]:
    with pytest.raises(sa.ProblemError) as caught:
        sa.Problem(*arguments, **keywords)
    assert isinstance(caught.value, ValueError)
    return caught.value.faults


@pytest.mark.smoke
def test_every_fault_is_named_at_once_with_its_item():
    assert faults_of(
        threshold=[0.5, 1.0, 0.0],
        budget=0,
        weight=[1.0, math.nan, -1.0],
        prior=[(1, 1), (0, 1), (1, math.inf)],
        cap=[1, -1, 2.5],
        utility={"name": "decisive", "eps": 0.7},
        name=["sky", "sea", "sun"],
        log_ratio=[0.0, math.inf, 1.0],
    ) == (
        "threshold of sea is 1.0; it must be strictly between 0 and 1",
        "threshold of sun is 0.0; it must be strictly between 0 and 1",
        "weight of sea is nan; it must be finite, and at least 0",
        "weight of sun is -1.0; it must be finite, and at least 0",
        "prior a of sea is 0.0; it must be positive and finite",
        "prior b of sun is inf; it must be positive and finite",
        "log_ratio of sea is inf; it must be finite",
        "log_ratio and beta go together: threshold = sigma(beta log_ratio)",
        "budget is 0; it must be a whole number of labels, at least 1 and at most 10**9",
        "cap of sea is -1.0; it must be a whole number of labels, at least 0",
        "cap of sun is 2.5; it must be a whole number of labels, at least 0",
        "utility decisive: eps is 0.7; it must lie strictly between 0 and 1/2",
    )


@pytest.mark.parametrize("budget", [0, -1, 2.5, True, "x", "3", None, math.nan, math.inf, [3], 10**9 + 1, 10**30])
def test_budget_that_is_no_whole_number_of_labels_is_refused(budget):
    (fault,) = faults_of([0.5], budget)
    assert fault == f"budget is {budget!r}; it must be a whole number of labels, at least 1 and at most 10**9"


@pytest.mark.parametrize("budget", [3, 3.0, np.int32(3), np.float64(3)])
def test_whole_budget_of_any_type_becomes_an_int(budget):
    for cost in (1, 1.0, 2.5):
        problem = sa.Problem([0.5], budget, cost=cost)
        assert problem.budget == 3
        assert type(problem.budget) is int


@pytest.mark.parametrize("budget", [0, 0.0, -1, True, "x", "3", None, math.nan, math.inf, -math.inf, [3]])
def test_budget_that_buys_nothing_at_any_cost_is_refused(budget):
    assert faults_of([0.5], budget, cost=2) == (f"budget is {budget!r}; it must be positive, and at most 1e+200",)


def test_budget_need_not_be_whole_where_costs_differ():
    problem = sa.Problem([0.5, 0.6], 2.5, cost=[1, 0.5])
    assert (problem.budget, problem.labels) == (2.5, 5)
    assert type(problem.budget) is float
    assert problem == sa.Problem([0.5, 0.6], np.float32(2.5), cost=[1, 0.5])


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        ({"threshold": []}, "threshold is empty; a problem needs at least one item"),
        ({"threshold": 0.5}, "threshold has shape (); it must be a list of numbers"),
        ({"threshold": [[0.5]]}, "threshold has shape (1, 1); it must be a list of numbers"),
        ({"threshold": "high"}, "threshold is 'high'; it must be a number or a list of numbers"),
        ({"threshold": [0.5, math.nan]}, "threshold of item 2 is nan; it must be strictly between 0 and 1"),
        ({"weight": [1, 2, 3]}, "weight has shape (3,); it must be one number or a list of 2"),
        ({"weight": "heavy"}, "weight is 'heavy'; it must be a number or a list of numbers"),
        ({"weight": [0, 0]}, "weight is 0 for every item; at least one must be positive"),
        ({"weight": [math.inf, 1]}, "weight of item 1 is inf; it must be finite, and at least 0"),
        ({"cap": [1]}, "cap has shape (1,); it must be one number or a list of 2"),
        ({"cap": [1, math.nan]}, "cap of item 2 is nan; it must be a whole number of labels, at least 0"),
        ({"prior": (1, 1, 1)}, "prior has shape (3,); it must be a pair (a, b) or one pair for each of 2 items"),
        ({"prior": [(1, 1)]}, "prior has shape (1, 2); it must be a pair (a, b) or one pair for each of 2 items"),
        ({"prior": "flat"}, "prior is 'flat'; it must be a pair (a, b), a list of pairs, or belief objects"),
        ({"prior": [(1, 1), (1, -2)]}, "prior b of item 2 is -2.0; it must be positive and finite"),
        (
            {"prior": [sa.Beta(1, 1), (1, 1)]},
            "prior mixes pairs with beliefs of other forms; give pairs only, or beliefs or tables only",
        ),
        ({"name": ["sky", "sky"]}, "name 'sky' occurs 2 times; names must be unique"),
        ({"name": ["sky"]}, "name has 1 entries; it must have one for each of the 2 items"),
        ({"name": ["sky", ""]}, "name is ['sky', '']; it must be a list of strings that are not blank"),
        ({"name": "sky"}, "name is 'sky'; it must be a list of strings that are not blank"),
        ({"name": 5}, "name is 5; it must be a list of strings that are not blank"),
        ({"beta": 1.0}, "log_ratio and beta go together: threshold = sigma(beta log_ratio)"),
        ({"beta": 0, "log_ratio": [0.0, 0.0]}, "beta is 0; it must be positive and finite"),
        ({"beta": "x", "log_ratio": [0.0, 0.0]}, "beta is 'x'; it must be a number"),
        (
            {"beta": 1.0, "log_ratio": [0.0, 1.0]},
            "threshold differs from sigma(beta log_ratio); use Problem.from_logratio",
        ),
        (
            {"utility": "acuracy"},
            f"utility is 'acuracy'; allowed: {NAMES}, or a callable; did you mean 'accuracy'?",
        ),
        ({"prior": [sa.Beta(1, 1)] * 3}, "prior has 3 beliefs; it must have one, or one for each of the 2 items"),
        (
            {"prior": {"kind": "betta"}},
            f"prior: belief kind is 'betta'; allowed: {', '.join(kinds.belief_kinds())}; did you mean 'beta'?",
        ),
        ({"cost": [1, 0]}, "cost of item 2 is 0.0; it must be from 1e-100 to 1e+200"),
        ({"cost": [2, 1], "budget": -1}, "budget is -1; it must be positive, and at most 1e+200"),
        ({"cost": 2, "budget": "4"}, "budget is '4'; it must be positive, and at most 1e+200"),
        ({"reward": [math.nan, 1]}, "reward of item 1 is nan; it must be finite"),
        ({"batch": 4}, "batch is 4; it must be a whole number from 1 to 3, the labels that can be bought"),
        ({"batch": 3, "cap": 1}, "batch is 3; it must be a whole number from 1 to 2, the labels that can be bought"),
        ({"batch": True}, "batch is True; it must be a whole number from 1 to 3, the labels that can be bought"),
        ({"quota": 3}, "quota is 3; it must be a list of (items, labels), in a file of tables [[quota]]"),
        ({"quota": [([0], 1.5)]}, "quota 1: labels is 1.5; it must be a whole number, at least 0 and at most 10**9"),
        (
            {"quota": [([0], 1), (["sun"], 1)]},
            "quota 2: 'sun' is not an item; it must be a name or a number from 0 to 1",
        ),
        (
            {"quota": [([0], 3), ([1], 3)], "cap": [4, 2]},
            "quota 2: its items need 3 labels; their caps and the budget allow 2",
        ),
        (
            {"quota": [([0], 1), ([1], 1)], "cost": [1.5, 2]},
            "quota: meeting all of them costs at least 3.5, the budget is 3",
        ),
    ],
)
def test_single_fault_is_the_only_one_named(arguments, fault):
    assert faults_of(**({"threshold": [0.5, 0.5], "budget": 3} | arguments)) == (fault,)


def test_message_shows_ten_faults_and_counts_the_rest():
    with pytest.raises(sa.ProblemError) as caught:
        sa.Problem([2.0] * 50, 1)
    lines = str(caught.value).splitlines()
    assert len(caught.value.faults) == 50
    assert lines[:10] == list(caught.value.faults[:10])
    assert lines[10:] == ["and 40 more faults"]


@pytest.mark.parametrize(
    ("c", "beta", "keywords", "faults"),
    [
        ([0.0], -1, {}, ["beta is -1; it must be positive and finite"]),
        (["a"], 1, {}, ["log_ratio of item 1 is 'a'; it must be a number"]),
        ([[0.0]], 1, {}, ["log_ratio has shape (1, 1); it must be a list of numbers"]),
        ([12000.0], 1, {}, ["beta times log_ratio of item 1 is 12000.0; it must be at most 10000 in size"]),
        (
            [0.0, 1.0],
            0,
            {"weight": [1, -2], "name": ["sky", "sea"]},
            ["beta is 0; it must be positive and finite", "weight of sea is -2.0; it must be finite, and at least 0"],
        ),
    ],
)
def test_faulty_log_ratios_are_refused_together_with_other_faults(c, beta, keywords, faults):
    with pytest.raises(sa.ProblemError) as caught:
        sa.Problem.from_logratio(c, beta, 3, **keywords)
    assert list(caught.value.faults) == faults


@given(st.lists(st.floats(-8, 8), min_size=1, max_size=4), st.floats(0.05, 3))
def test_thresholds_from_log_ratios_are_sigma_of_beta_c(c, beta):
    problem = sa.Problem.from_logratio(c, beta, 3)
    assert problem.threshold == pytest.approx([1 / (1 + math.exp(-beta * x)) for x in c], rel=1e-14)
    assert problem.log_ratio.tolist() == c
    assert problem.beta == beta


@given(st.lists(st.floats(1e-9, 1 - 1e-9), min_size=1, max_size=4))
def test_log_ratio_of_plain_thresholds_is_their_logit(t):
    problem = sa.Problem(t, 3)
    assert problem.log_ratio == pytest.approx([math.log(x) - math.log1p(-x) for x in t], rel=1e-14, abs=1e-15)
    assert problem.beta is None


def test_one_number_stands_for_all_items():
    problem = sa.Problem([0.5, 0.6], 7, weight=2, prior=(3, 4), cap=5)
    assert problem.weight.tolist() == [2, 2]
    assert problem.prior.tolist() == [[3, 4], [3, 4]]
    assert problem.cap.tolist() == [5, 5]
    assert problem.name == ("item 1", "item 2")
    assert problem == sa.Problem([0.5, 0.6], 7, weight=[2, 2], prior=sa.Beta(3, 4), cap=[5, 5])
    assert problem == sa.Problem([0.5, 0.6], 7, weight=2, prior=[sa.Beta(3, 4), sa.Beta(3, 4)], cap=5)


def test_caps_never_exceed_the_budget_and_bound_the_labels():
    assert sa.Problem([0.5, 0.6], 7).cap.tolist() == [7, 7]
    assert sa.Problem([0.5, 0.6], 7, cap=[9, 2]).cap.tolist() == [7, 2]
    assert [sa.Problem([0.5, 0.6], budget, cap=[3, 2]).labels for budget in (4, 5, 6)] == [4, 5, 5]
    assert sa.Problem([0.5] * 1000, 10**9).labels == 10**9
    assert sa.Problem([0.5, 0.6], 7, cost=[2, 3]).cap.tolist() == [3, 2]
    assert sa.Problem([0.5, 0.6], 7, cost=[2, 3], cap=[2, 9]).cap.tolist() == [2, 2]
    assert sa.Problem([0.5, 0.6], 7, cost=[2, 3]).labels == 3


def test_prior_value_is_the_weighted_payoff_of_the_prior_tails():
    problem = sa.Problem([0.2, 0.5], 3, weight=[2, 3], prior=[(1, 1), (2, 1)])
    assert problem.prior_tail == pytest.approx([0.8, 0.75], rel=1e-15)
    assert problem.prior_value == pytest.approx(2 * 0.8 + 3 * 0.75, rel=1e-15)


def test_payoff_scale_is_the_largest_payoff_of_an_item():
    for utility, largest in (("accuracy", 1), ("variance", 0.25), ({"name": "asymmetric", "gain": 3}, 3)):
        assert sa.Problem([0.5, 0.5], 3, weight=[2, 0.5], utility=utility).payoff_scale == 2 * largest
    # Three wins of the second item pay six.
    assert sa.Problem([0.5, 0.5], 3, weight=[2, 0.5], reward=[1, -2]).payoff_scale == 2 + 6
    assert sa.Problem([0.5, 0.5], 3, utility=None, reward=[1, -2], cap=[3, 1]).payoff_scale == 3


@pytest.mark.parametrize("field", ["budget", "threshold", "weight", "utility", "extra"])
def test_problem_is_frozen(field):
    with pytest.raises(FrozenInstanceError):
        setattr(sa.Problem([0.5], 3), field, 1)


@pytest.mark.parametrize("field", ["threshold", "weight", "prior", "cap", "log_ratio", "cost", "reward"])
def test_arrays_are_read_only_copies(field):
    given_arrays = {
        "threshold": np.array([0.5, 0.5]),
        "weight": np.array([1.0, 2.0]),
        "prior": np.array([[1.0, 1.0], [2.0, 2.0]]),
        "cap": np.array([1, 2]),
        "log_ratio": np.array([0.0, 0.0]),
        "cost": np.array([1.0, 0.5]),
        "reward": np.array([0.0, 1.0]),
    }
    problem = sa.Problem(budget=2, beta=1.0, **given_arrays)
    kept = getattr(problem, field)
    before = kept.tolist()
    given_arrays[field][0] = 7
    assert kept.tolist() == before
    with pytest.raises(ValueError, match="read-only"):
        kept[0] = 7


FIELDS = {
    "threshold": [0.5, 0.5],
    "budget": 3,
    "weight": [1.0, 2.0],
    "prior": [(1, 1), (2, 1)],
    "utility": "accuracy",
    "cap": [3, 2],
    "name": ["sky", "sea"],
    "log_ratio": [0.0, 0.0],
    "beta": 1.0,
}


@pytest.mark.parametrize(
    "change",
    [
        {"threshold": [0.5, 0.6], "log_ratio": None, "beta": None},
        {"budget": 4},
        {"weight": [1.0, 2.1]},
        {"prior": [(1, 1), (2, 2)]},
        {"utility": "variance"},
        {"cap": [3, 1]},
        {"name": ["sky", "sun"]},
        {"log_ratio": None, "beta": None},
        {"beta": 2.0},
    ],
    ids=lambda change: next(iter(change)),
)
def test_problems_are_equal_exactly_when_all_fields_are(change):
    problem, same, other = sa.Problem(**FIELDS), sa.Problem(**FIELDS), sa.Problem(**FIELDS | change)
    assert problem == same
    assert hash(problem) == hash(same)
    assert problem != other
    assert {problem: 1}[same] == 1


def test_problem_equals_nothing_but_problems():
    assert sa.Problem([0.5], 3) != 3
    assert repr(sa.Problem([0.5], 3, utility="entropy")) == "Problem(1 items, budget 3, utility entropy)"


@given(cases())
def test_tables_of_an_item_reach_its_cap(case):
    problem = problem_of(case)
    for i in range(problem.size):
        belief = sa.Beta(*problem.prior[i])
        for mine, direct in zip(
            problem.tables(i), belief.tables(int(problem.cap[i]), problem.threshold[i]), strict=True
        ):
            assert np.array_equal(mine, direct)


positive = st.floats(1e-6, 1e6)
named_utilities = st.one_of(
    st.sampled_from(utilities.utility_names()),
    st.builds(lambda x, y: {"name": "asymmetric", "gain": x, "loss": y}, positive, positive | st.integers(1, 9)),
    st.builds(lambda x: {"name": "decisive", "eps": x}, st.floats(1e-6, 0.499)),
)


@st.composite
def problems(draw: st.DrawFn) -> sa.Problem:
    size = draw(st.integers(1, 4))

    def each(values: st.SearchStrategy, **keywords: bool) -> list:
        return draw(st.lists(values, min_size=size, max_size=size, **keywords))

    fields = {
        "budget": draw(st.integers(1, 10**9)),
        "weight": each(positive),
        "prior": each(st.tuples(positive, positive)),
        "utility": draw(named_utilities),
        "cap": draw(st.none()) or each(st.integers(0, 10**9)),
        "name": draw(st.none() | st.just(each(st.text(min_size=1), unique=True))),
    }
    if draw(st.booleans()):
        return sa.Problem(each(st.floats(1e-300, 1 - 1e-15)), **fields)
    return sa.Problem.from_logratio(each(st.floats(-10, 10)), draw(st.floats(1e-3, 3)), **fields)


CHANGES = {
    "budget": st.integers(1, 10**9),
    "weight": positive,
    "prior": st.tuples(positive, positive),
    "utility": named_utilities,
    "cost": st.floats(0.25, 4),
    "cap": st.none() | st.integers(0, 10**9),
    "quota": st.just([([0], 0)]),
    "reward": st.floats(-1, 1),
    "name": st.just(["a", "b", "c", "d"]),
}
BY_THRESHOLD, BY_RATIO = (
    {"threshold": st.floats(0.01, 0.99)},
    {"beta": st.floats(1e-3, 3), "log_ratio": st.floats(-9, 9)},
)


def asked(problem: sa.Problem, field: str):
    return problem.asked_cap if field == "cap" else getattr(problem, field)


def same(problem: sa.Problem, other: sa.Problem) -> bool:
    one, two = problem.asked_cap, other.asked_cap
    return problem == other and (one is two if one is None or two is None else np.array_equal(one, two))


@given(problem=problems(), data=st.data())
def test_a_field_replaced_and_put_back_gives_the_same_problem(problem, data):
    fields = CHANGES | (BY_THRESHOLD if problem.beta is None else BY_RATIO)
    field = data.draw(st.sampled_from(sorted(fields)))
    new = data.draw(fields[field])
    if field == "name":
        new = new[: problem.size]
    elif field in ("threshold", "log_ratio"):
        new = [new] * problem.size
    other = problem.replace(**{field: new})
    assert same(other.replace(**{field: asked(problem, field)}), problem)
    assert same(dataclass_replace(problem, **{field: new}), other)
    assert same(problem.__replace__(**{field: new}), other)
    if hasattr(copy, "replace"):
        assert same(copy.replace(problem, **{field: new}), other)


@given(problem=problems(), budget=st.integers(1, 10**9))
def test_replaced_budget_is_that_of_a_problem_stated_anew(problem, budget):
    assert same(problem.replace(), problem)
    assert same(dataclass_replace(problem), problem)
    assert same(problem.replace(budget=budget), sa.Problem.from_dict(problem.as_dict() | {"budget": budget}))


def test_caps_that_a_budget_cut_come_back_with_a_larger_one():
    small = sa.Problem([0.5, 0.6], budget=9, cap=12)
    assert small.replace(budget=40).cap.tolist() == [12, 12]
    assert dataclass_replace(small, budget=40).cap.tolist() == [12, 12]
    assert dataclass_replace(small, budget=40, cap=None).cap.tolist() == [40, 40]
    assert small.replace(weight=2.0).replace(utility="variance").replace(budget=40).cap.tolist() == [12, 12]
    assert sa.with_noise(small, 0.1).replace(budget=40).cap.tolist() == [12, 12]


@pytest.mark.parametrize("replace", [dataclass_replace, sa.Problem.replace])
def test_thresholds_follow_log_ratios_until_they_are_given(replace):
    stated = sa.Problem.from_logratio([0.0, 2.0], beta=1.0, budget=5)
    assert replace(stated, beta=0.5) == sa.Problem.from_logratio([0.0, 2.0], beta=0.5, budget=5)
    assert replace(stated, log_ratio=[1.0, 2.0]) == sa.Problem.from_logratio([1.0, 2.0], beta=1.0, budget=5)
    plain = replace(stated, threshold=[0.3, 0.4])
    assert plain == sa.Problem([0.3, 0.4], budget=5)
    assert replace(plain, threshold=[0.5, 0.4]).log_ratio == pytest.approx([0.0, math.log(2 / 3)])
    assert replace(plain, log_ratio=[0.0, 2.0], beta=1.0) == stated
    by_threshold = replace(stated, log_ratio=None, beta=None)
    assert by_threshold.beta is None
    assert np.array_equal(by_threshold.threshold, stated.threshold)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        (
            {"budgit": 3},
            TypeError,
            r"^budgit is not a field of a problem; did you mean budget\? \(allowed: threshold, ",
        ),
        ({"budget": 1}, sa.ProblemError, "^batch is 2; it must be a whole number from 1 to 1, the labels that can be"),
        (
            {"beta": -1.0, "weight": 0.0},
            sa.ProblemError,
            "weight is 0 for every item;(.|\n)*beta is -1.0; it must be positive",
        ),
        ({"beta": None}, sa.ProblemError, "^log_ratio and beta go together"),
        ({"log_ratio": [1.0]}, sa.ProblemError, r"^log_ratio has shape \(1,\); it must be one number or a list of 2"),
        ({"cap": 0, "quota": [(["sky"], 1)], "batch": 1}, sa.ProblemError, "quota"),
    ],
    ids=lambda x: ",".join(x) if isinstance(x, dict) else None,
)
def test_faulty_change_is_refused_with_its_reason(changes, error, message):
    problem = sa.Problem.from_logratio([0.0, 2.0], beta=1.0, budget=5, batch=2, name=["sky", "sea"])
    with pytest.raises(error, match=message):
        problem.replace(**changes)


@given(problem=problems())
def test_problem_survives_its_file(problem, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "problem.toml"
    problem.to_toml(path)
    again = sa.Problem.from_toml(path)
    assert again == problem
    assert hash(again) == hash(problem)
    assert again.utility == problem.utility
    assert not path.with_name("problem.toml.part").exists()


def written(folder: Path, text: str) -> Path:
    path = folder / "problem.toml"
    path.write_text(text, encoding="utf-8")
    return path


def file_faults(path: Path) -> list[str]:
    with pytest.raises(sa.ProblemError) as caught:
        sa.Problem.from_toml(path)
    return list(caught.value.faults)


def test_keys_of_a_file_are_the_keywords_of_a_problem(tmp_path):
    path = written(
        tmp_path,
        'budget = 6\nthreshold = [0.5, 0.25]\nweight = 2\nprior = [1, 3]\ncap = 4\nname = ["sky", "sea"]\n'
        '[utility]\nname = "asymmetric"\nloss = 3\n',
    )
    assert sa.Problem.from_toml(path) == sa.Problem(
        [0.5, 0.25], 6, weight=2, prior=(1, 3), cap=4, name=["sky", "sea"], utility=sa.Asymmetric(loss=3)
    )
    path = written(tmp_path, "c = [0, 2.5]\nbeta = 0.5\nbudget = 6\n")
    assert sa.Problem.from_toml(str(path)) == sa.Problem.from_logratio([0, 2.5], 0.5, 6)


def test_fault_in_a_file_is_named_with_its_line(tmp_path):
    path = written(
        tmp_path,
        "# several faults\nbudget = 0\n\nthreshold = [0.5, 1.5]\n  weight = [\n  1, -1]\nprior = 1\n"
        'name = ["sky", "sea"]\n\n[utility]\nname = "decisive"\neps = 2\n',
    )
    assert file_faults(path) == [
        f"{path}, line 4: threshold of sea is 1.5; it must be strictly between 0 and 1",
        f"{path}, line 5: weight of sea is -1.0; it must be finite, and at least 0",
        f"{path}, line 7: prior has shape (); it must be a pair (a, b) or one pair for each of 2 items",
        f"{path}, line 2: budget is 0; it must be a whole number of labels, at least 1 and at most 10**9",
        f"{path}, line 10: utility decisive: eps is 2; it must lie strictly between 0 and 1/2",
    ]


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        (
            "budget = 3\nthresold = [0.5]\n",
            [
                f", line 2: thresold is not a key; did you mean threshold? (allowed: {KEYS})",
                ": give the thresholds once: either threshold, or c and beta",
            ],
        ),
        (
            "threshold = [0.5]\nzebra = 1\nbudgit = 2\n",
            [
                f", line 2: zebra is not a key (allowed: {KEYS})",
                f", line 3: budgit is not a key; did you mean budget? (allowed: {KEYS})",
                ": the key budget is missing",
            ],
        ),
        ("budget = 3\n", [": give the thresholds once: either threshold, or c and beta"]),
        (
            "budget = 3\nthreshold = [0.5]\nc = [0.0]\nbeta = 1\n",
            [": give the thresholds once: either threshold, or c and beta"],
        ),
        ("budget = 3\nc = [0.0]\n", [", line 2: c and beta go together: threshold = sigma(beta c)"]),
        ("budget = 3\nthreshold = [0.5]\nbeta = 1\n", [": c and beta go together: threshold = sigma(beta c)"]),
        ("c = [0.0]\nbeta = 0\nbudget = 3\n", [", line 2: beta is 0; it must be positive and finite"]),
        ('beta = "x"\nc = [0.0]\nbudget = 3\n', [", line 1: beta is 'x'; it must be a number"]),
        (
            "beta = 1\nbudget = 3\nc = [nan]\n",
            [
                ", line 3: threshold of item 1 is nan; it must be strictly between 0 and 1",
                ", line 3: log_ratio of item 1 is nan; it must be finite",
            ],
        ),
        ("beta = 1\nbudget = 3\nc = 'x'\n", [", line 3: log_ratio is 'x'; it must be a number or a list of numbers"]),
        (
            "budget = 3\nname = 4\nthreshold = [0.5]\n",
            [", line 2: name is 4; it must be a list of strings that are not blank"],
        ),
        ("budget = 3\nthreshold = [0.5\n", [": not valid TOML: "]),
    ],
)
def test_faulty_file_is_refused_with_file_line_and_the_nearest_key(tmp_path, text, faults):
    path = written(tmp_path, text)
    found = file_faults(path)
    assert len(found) == len(faults)
    for message, expected in zip(found, faults, strict=True):
        assert message.startswith(f"{path}{expected}")


def test_file_that_cannot_be_read_is_refused(tmp_path):
    missing = tmp_path / "none.toml"
    assert file_faults(missing) == [f"{missing}: No such file or directory"]
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    assert file_faults(tmp_path / "binary.toml") == [f"{tmp_path / 'binary.toml'}: not a UTF-8 text file"]


def test_callable_utility_is_not_written_and_spoils_no_file(tmp_path):
    path = written(tmp_path, "untouched")
    with pytest.raises(ValueError, match="a callable utility cannot be written to TOML"):
        sa.Problem([0.5], 3, utility=np.square).to_toml(path)
    assert [x.name for x in tmp_path.iterdir()] == ["problem.toml"]
    assert path.read_text() == "untouched"


@pytest.mark.parametrize(
    ("arguments", "remarks"),
    [
        ({}, []),
        ({"utility": "linear"}, ["utility linear: every policy has the same value, because p is a martingale"]),
        ({"cap": [2, 1]}, ["budget 4: the caps allow only 3 labels"]),
        ({"cap": [4, 0]}, ["item 2: cap is 0, it can never be labelled"]),
        ({"cost": [1, 5]}, ["item 2: cap is 0, it can never be labelled"]),
        ({"cost": [1, 1.5], "cap": [2, 1]}, []),
        ({"utility": None}, ["utility none and no reward: nothing is ever paid"]),
        ({"utility": None, "reward": [0, 1]}, []),
        ({"utility": "linear", "reward": 0.1}, []),
        ({"threshold": [0.5, 0.999], "reward": [0, 1]}, []),
        (
            {"threshold": [0.5, 0.9], "cost": [1, 1.5]},
            ["item 2: no sequence of 2 labels can change its decision; labels on it are wasted"],
        ),
        (
            {"threshold": [0.5, 0.999], "name": ["sky", "sea"]},
            ["sea: no sequence of 4 labels can change its decision; labels on it are wasted"],
        ),
        ({"threshold": [0.5, 0.999], "utility": "variance"}, []),
        (
            {"utility": {"name": "asymmetric", "gain": 1, "loss": 100}},
            [f"item {i}: no sequence of 4 labels can change its decision; labels on it are wasted" for i in (1, 2)],
        ),
    ],
)
def test_check_remarks_on_what_will_surprise(arguments, remarks):
    assert sa.Problem(**({"threshold": [0.5, 0.6], "budget": 4} | arguments)).check() == remarks


@given(cases(st.sampled_from(("accuracy", "asymmetric"))))
def test_item_is_called_dead_exactly_when_every_reachable_decision_is_the_same(case):
    problem = problem_of(case)
    dead = {remark.split(":")[0] for remark in problem.check() if "no sequence" in remark}
    for i, name in enumerate(problem.name):
        tail = problem.tables(i).tail[np.tril_indices(problem.cap[i] + 1)]
        same = len(set(problem.utility.decide(tail).tolist())) == 1
        assert (name in dead) == (same and problem.cap[i] > 0)


def test_payoffs_of_a_callable_are_bounded_as_those_of_others():
    with pytest.raises(ValueError, match=r"payoffs and prices add up to .*; they must stay below"):
        sa.Problem([0.5, 0.6], budget=4, weight=[1e10, 1], utility=lambda p: 1e300 * p * p)
    assert sa.Problem([0.5], budget=4, weight=1e10, utility=lambda p: 1e290 * p * p).prior_value == 2.5e299
