"""Values at and beyond the ends of what is allowed are refused by name, by one rule for each kind of value."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

import seqaudit as sa
from seqaudit.benchmarks.runner.folder import problem_as_inputs

PROBLEM = sa.Problem([0.5, 0.62, 0.75], 4)
VOTES = sa.LabelSet.from_pools({"a": [1, 0, 1], "b": [0, 1]})
DESIGN = sa.Design.of(VOTES)
BELIEFS = [sa.Beta(1, 1), sa.NoisyBeta(1, 1, 0.1), sa.Grid([0.2, 0.4], [1, 1]), sa.BetaMixture([1, 1], [1, 2], [2, 1])]

REFUSED = {
    "sum of gain and loss": (lambda: sa.Asymmetric(1e308, 1e308), "gain is 1e.308; it must be positive, and at most"),
    "sum of weights": (lambda: sa.Problem([0.5] * 4, 4, weight=1e308), "payoffs and prices add up to inf"),
    "sum of rewards": (lambda: sa.Problem([0.5], 4, reward=-1e308), "payoffs and prices add up to inf"),
    "sum of prices": (lambda: sa.Problem([0.5], 4, label_price=1e308), "payoffs and prices add up to inf"),
    "cost": (lambda: sa.Problem([0.5], 1.0, cost=5e-324), "cost of item 1 is 5e-324; it must be from 1e-100"),
    "budget": (lambda: sa.Problem([0.5], 1e308, cost=0.5), "budget is 1e.308; it must be positive, and at most"),
    "names in no order": (lambda: sa.Problem([0.5, 0.6], 4, name={"a", "b"}), "name is .* it must be a list"),
    "item of a belief": (lambda: PROBLEM.belief(9), "item is 9; it must be a whole number from 0 to 2"),
    "item of tables": (lambda: PROBLEM.tables(-1), "item is -1; it must be a whole number from 0 to 2"),
    "vote on no item": (lambda: sa.Design(*map(np.array, ([5], [0])), ("a",), ("r",)), r"item\[0\] is 5"),
    "vote of no rater": (lambda: sa.Design(*map(np.array, ([0], [-1])), ("a",), ("r",)), r"rater\[0\] is -1"),
    "votes without raters": (lambda: sa.Design(*map(np.array, ([0, 0], [0])), ("a",), ("r",)), "rater has shape"),
    "weights of votes": (lambda: sa.concentration(VOTES, [1, -1]), "weight is -1.0; it must be finite, and at least"),
    "no weight": (lambda: sa.concentration(VOTES, [0, 0]), "weight is 0 for every item"),
    "lengths": (lambda: sa.log_ratio([-1, -2], [-2, -1, -3]), "they must have the same length"),
    "draws": (lambda: sa.PartialPooling().fit(VOTES, seed=1, method="fast").thinned(0), "draws is 0; it must be"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_value_beyond_its_range_is_refused_by_name(name):
    call, message = REFUSED[name]
    with pytest.raises(ValueError, match=message) as refused:
        call()
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("belief", BELIEFS, ids=repr)
@pytest.mark.parametrize("labels", [10**30, 10**400])
def test_labels_beyond_machine_integers_are_refused(belief, labels):
    with pytest.raises(ValueError, match=r"wins is .*; it must be a whole number from 0 to 9223372036854775807"):
        belief.after(labels, 0)


@pytest.mark.parametrize("belief", BELIEFS, ids=repr)
@pytest.mark.parametrize("alpha", [2, -5, float("nan"), [0.5, 1.0000001]])
def test_chances_of_rates_that_are_none_are_refused(belief, alpha):
    with pytest.raises(ValueError, match=r"alpha is .*; it must be from 0 to 1"):
        belief.label_chance(alpha)
    assert np.all(belief.label_chance([0.0, 1.0]) <= 1.0)


@pytest.mark.parametrize("flag", ["no", "", 1, 0, 1.0, [True]])
def test_flag_is_true_or_false(flag):
    calls = (
        lambda: sa.solve(PROBLEM, keep_policy=flag),
        lambda: sa.certify(PROBLEM, exact=flag),
        lambda: sa.structure(PROBLEM, exact=flag),
    )
    for call in calls:
        with pytest.raises(ValueError, match=r"it must be True or False"):
            call()
    assert sa.solve(PROBLEM, keep_policy=np.True_).value == sa.solve(PROBLEM, keep_policy=True).value


@pytest.mark.parametrize("seed", [None, True, 1.5, "1", -1, [1]])
def test_seed_of_simulated_votes_is_a_seed(seed):
    with pytest.raises(ValueError, match=r"seed is .* it must be a whole number"):
        sa.PartialPooling().simulate(seed, DESIGN)
    with pytest.raises(ValueError, match=r"seed is .* it must be a whole number"):
        sa.Design.balanced(3, 2, 1, seed=seed)


@pytest.mark.parametrize(
    ("quota", "message"),
    [
        ({"items": [0], "labels": 1}, r"quota is .*; it must be a list of \(items, labels\), in a file of tables"),
        (5, "quota is 5; it must be a list"),
        ([{"item": [0], "labels": 1}], "quota 1: item is not a key; did you mean items?"),
        ([{"items": [0]}], "quota 1: the key labels is missing"),
        ([([0], 1), {"items": [0], "labels": 1, "cap": [1, 1]}], "quota 2: cap is not a key"),
        ([[[0], 1, 5]], r"quota 1 is .*; it must be a pair \(items, labels\)"),
    ],
)
def test_quota_is_a_list_of_items_and_labels(quota, message):
    with pytest.raises(sa.ProblemError, match=message):
        sa.Problem([0.5, 0.6], 3, quota=quota)


def test_fault_in_a_file_is_put_on_its_line(tmp_path):
    path = tmp_path / "p.toml"
    quotas = "\n[[quota]]\nitems = [0]\nlabels = 1\n\n[[quota]]\nitems = [7]\nlabels = 2\n"
    two = f"threshold = [0.5, 0.6]\nbudget = 3\n{quotas}"
    texts = {two: 8, "name = [\n'budget',\n'b']\nthreshold = [0.5, 0.6]\nbudget = 0\n": 5}
    for text, line in texts.items():
        path.write_text(text)
        with pytest.raises(sa.ProblemError, match=rf"p\.toml, line {line}: "):
            sa.Problem.from_toml(path)
    path.write_bytes(b"\xef\xbb\xbfthreshold = 0.5\nthreshold2 = 1\n")
    with pytest.raises(sa.ProblemError, match=r"p\.toml, line 2: threshold2 is not a key"):
        sa.Problem.from_toml(path)


def test_run_record_and_printed_json_state_the_whole_problem():
    assert set(problem_as_inputs(PROBLEM)) == {field.name for field in fields(sa.Problem)}
    assert problem_as_inputs(PROBLEM.replace(label_price=0.3)) != problem_as_inputs(PROBLEM)


@pytest.mark.parametrize("cost", [[1e-9, 1], [1e-6, 1], [1e-6, 1e-6]])
def test_budget_of_very_many_labels_is_refused_without_counting_states(cost):
    problem = sa.Problem([0.5, 0.6], 3, cost=cost)
    for call in (sa.solve, lambda x: sa.evaluate(x, "kg")):
        with pytest.raises(sa.ProblemTooLarge, match="problem too large"):
            call(problem)
