"""The suite accepts every registered policy, and each of its clauses catches a policy that breaks it."""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

import seqaudit as sa
from seqaudit.bandits.conformance import choices
from seqaudit.bandits.conformance import policies as conformance
from seqaudit.bandits.conformance.policies import ConformanceError, check_policy, conformance_problems
from seqaudit.bandits.registry import registered_policies
from seqaudit.dp.exact.lattice import Lattice
from seqaudit.posteriors.conformance import suite


def every_policy() -> dict[str, sa.Policy]:
    policies: dict[str, sa.Policy] = {}
    for name, cls in registered_policies().items():
        policies[name] = cls()
        try:
            policies[f"{name}-first"] = cls(ties="first")
        except ValueError:
            assert name in ("uniform", "thompson", "top-two", "softmax-audit"), "all others can break ties by order"
    return policies


@pytest.mark.parametrize("case", sa.policy_cases(every_policy()))
def test_registered_policies_conform(case):
    case()


@pytest.mark.smoke
@pytest.mark.parametrize("seed", [0, 1])
def test_verdict_on_a_good_policy_does_not_hang_on_the_seed(seed):
    check_policy(sa.KnowledgeGradient(), seed=seed)


@dataclass(frozen=True)
class Fewest(sa.Policy):
    """Neither index nor probabilities: no exact value."""

    name = "fewest"

    def scores(self, problem, counts, wins):
        return -counts.astype(float)


@pytest.mark.parametrize(
    "problems", [[sa.Problem([0.5], 2)], {}, {"one": None}, {"one": "two"}, 3, sa.Problem([0.5], 2), "capped"]
)
def test_problems_that_are_no_mapping_of_problems_are_refused(problems):
    with pytest.raises(
        ValueError, match=r"problems is .*; it must be a mapping( of one or more names to problems| or None)$"
    ):
        check_policy(sa.Uniform(), problems=problems)


def test_policy_without_exact_value_is_tried_for_the_rest():
    with pytest.raises(TypeError, match="no exact value"):
        sa.evaluate(sa.Problem([0.5], 2), Fewest())
    check_policy(Fewest())


@dataclass(frozen=True)
class Broken(sa.IndexPolicy):
    """The one-line index policies below."""

    name = "broken"

    def index(self, states):
        return states.mean


class NoName(sa.IndexPolicy):
    def index(self, states):
        return states.mean


class Shouting(Broken):
    name = "Broken"


class Blank(Broken):
    name = ""


class NotAFileName(Broken):
    name = "my policy/../x"


@dataclass(frozen=True)
class FunctionField(Broken):
    transform: Callable[[Any], Any] = abs


class NegativeScale(Broken):
    def index_scale(self, problem):
        return -1.0


class NanScale(Broken):
    def index_scale(self, problem):
        return float("nan")


class SeesTheBudget(sa.IndexPolicy):
    name = "sees-the-budget"
    anytime = True

    def index(self, states):
        return states.remaining + 0.0 * states.labels


class NanIndex(Broken):
    def index(self, states):
        return np.where(states.labels == 3, np.nan, states.mean)


class LogIndex(Broken):
    def index(self, states):
        return np.log(states.wins)


class ShortIndex(Broken):
    def index(self, states):
        return states.mean.reshape(-1)[:-1]


class Raises(Broken):
    def index(self, states):
        raise KeyError("a message\nof two lines")


class Mutates(Broken):
    def index(self, states):
        np.multiply(states.tail, 0.5, out=states.tail)
        return states.tail


class Share(Broken):
    def index(self, states):
        return states.mean / np.sum(states.mean)


class Position(Broken):
    def index(self, states):
        return states.mean + 1e-6 * np.arange(states.mean.shape[-1])


class Length(Broken):
    def index(self, states):
        return states.mean / (1.0 if states.mean.size == 1 else 2.0)


class TableOnly(Broken):
    def index(self, states):
        return states.mean + (states.mean.ndim == 2)


class ScoresOtherThanIndex(Broken):
    def index(self, states):
        return super().index(states)

    def scores(self, problem, counts, wins):
        return super().scores(problem, counts, wins) * np.array([[1.0] * (problem.size - 1) + [2.0]])


class SpendsCounts(Fewest):
    def scores(self, problem, counts, wins):
        counts += 1
        return -counts.astype(float)


class SpendsWins(Fewest):
    def scores(self, problem, counts, wins):
        wins[...] = 0
        return -counts.astype(float)


class FlatScores(Fewest):
    def scores(self, problem, counts, wins):
        return -counts.sum(axis=0).astype(float)


class WideScores(Fewest):
    def scores(self, problem, counts, wins):
        return np.zeros((len(counts), problem.size + 1))


class InfiniteScores(Fewest):
    def scores(self, problem, counts, wins):
        return np.where(counts > 0, -np.inf, 0.0)


class LostInItsOwnStates(Fewest):
    """Labels the last item only, and has no score for it once it has four labels."""

    def scores(self, problem, counts, wins):
        scores = np.zeros(counts.shape)
        scores[:, -1] = np.where(counts[:, -1] < 4, 1.0, np.nan)
        return scores


class IgnoresSeed(Fewest):
    def scores(self, problem, counts, wins):
        return np.random.random(counts.shape)  # noqa: NPY002


class LooksAcross(Fewest):
    """Labels the item that has the fewest labels in all replications together."""

    def scores(self, problem, counts, wins):
        return np.broadcast_to(-counts.sum(axis=0).astype(float), counts.shape)


class LabelsNothing(sa.Exact):
    name = "labels-nothing"

    def action_probabilities(self, problem, counts, wins, usable):
        return np.zeros(counts.shape)


class LabelsEverything(sa.Exact):
    """Weights, for items that cannot be labelled too: the others are divided by their sum."""

    name = "labels-everything"

    def action_probabilities(self, problem, counts, wins, usable):
        return np.where(usable, 3.0, np.nan)


class LabelsTheUnusable(sa.Exact):
    name = "labels-the-unusable"

    def action_probabilities(self, problem, counts, wins, usable):
        return np.where(usable.all(axis=1, keepdims=True), 1.0, ~usable)


class OpensEverything(sa.Exact):
    name = "opens-everything"

    def action_probabilities(self, problem, counts, wins, usable):
        usable[:] = True
        return super().action_probabilities(problem, counts, wins, usable)


class LabelsLessThanNothing(sa.Exact):
    name = "labels-less-than-nothing"

    def action_probabilities(self, problem, counts, wins, usable):
        given = super().action_probabilities(problem, counts, wins, usable)
        given[given == 1.0] = 2.0
        given[:, 0] -= given.sum(axis=1) - 1.0
        return given


class VoidAfterWin(sa.Exact):
    name = "void-after-win"

    def action_probabilities(self, problem, counts, wins, usable):
        given = super().action_probabilities(problem, counts, wins, usable)
        return np.where(wins.sum(axis=1, keepdims=True) == 1, np.nan, given)


class FlatProbabilities(sa.Exact):
    name = "flat-probabilities"

    def action_probabilities(self, problem, counts, wins, usable):
        return super().action_probabilities(problem, counts, wins, usable)[0]


class WorstInSimulation(sa.Exact):
    name = "worst-in-simulation"

    def action_probabilities(self, problem, counts, wins, usable):
        given = super().action_probabilities(problem, counts, wins, usable)
        worst = np.where(given > 0, 1e-9, 1.0) * usable
        return worst / worst.sum(axis=1, keepdims=True) if len(counts) > 300 else given


BROKEN = [
    ("name", NoName(), r"found None"),
    ("name", Shouting(), r"found 'Broken'; expected .* lower-case"),
    ("name", Blank(), r"found ''"),
    ("name", NotAFileName(), r"found 'my policy/\.\./x'"),
    ("pickle", FunctionField(transform=lambda x: x), r"expected a class at the top of a module"),
    ("index-scale", NegativeScale(), r"found -1\.0"),
    ("index-scale", NanScale(), r"found nan"),
    ("index", NanIndex(), r"'unequal', item 1 after 3 labels and 0 wins: index is nan; expected a finite"),
    ("index", LogIndex(), r"item 1 after 0 labels and 0 wins: index is -inf"),
    ("index", ShortIndex(), r"shape \(83,\); expected .* shape \(84,\)"),
    ("index", Raises(), r"raised KeyError: 'a message\\nof two lines'; expected no error"),
    ("states", Mutates(), r"index writes into an array"),
    (
        "elementwise",
        Share(),
        r"item 1 after 0 labels and 0 wins: index is .* among 84 states and .* in one item's table",
    ),
    ("elementwise", Position(), r"in reverse order"),
    ("elementwise", Length(), r"index is 0\.25 among 84 states and 0\.5 alone"),
    ("elementwise", TableOnly(), r"in one item's table"),
    ("anytime", SeesTheBudget(), r"index is 3 with a budget of 3 and 6 with 6; expected one value"),
    ("counts", SpendsCounts(), r"scores writes into an array"),
    ("counts", SpendsWins(), r"scores writes into an array"),
    ("scores", FlatScores(), r"shape \(3,\); expected \(replications, items\) = \(1, 3\)"),
    ("scores", WideScores(), r"shape \(1, 4\); expected .* \(1, 3\)"),
    ("scores", InfiniteScores(), r"score is -inf"),
    ("scores-index", ScoresOtherThanIndex(), r"item 3 after 0 labels and 0 wins: score is 1 and index is 0\.5"),
    (
        "probabilities",
        LabelsNothing(),
        r"after \[0, 0, 0\] labels with \[0, 0, 0\] wins the .* are \[0\.0, 0\.0, 0\.0\]; expected .* more than 0",
    ),
    ("probabilities", LabelsTheUnusable(), r"'capped', after .* \[0\.0, 1\.0, 0\.0, 0\.0\]; expected .* more than 0"),
    ("probabilities", OpensEverything(), r"action_probabilities writes into an array"),
    ("probabilities", LabelsLessThanNothing(), r"probabilities are \[-1\.0, .*; expected finite numbers from 0"),
    ("probabilities", VoidAfterWin(), r"after \[1, 0, 0\] labels with \[1, 0, 0\] wins the .* \[nan, nan, nan\]"),
    ("probabilities", FlatProbabilities(), r"action_probabilities have shape \(3,\); expected \(1, 3\)"),
    ("choice", LostInItsOwnStates(), r"raised ValueError: fewest: score of item 3 is nan"),
    ("seed", IgnoresSeed(), r"two runs with the same seed label item numbers \d and \d at choice \d of replication \d"),
    ("replications", LooksAcross(), r"two runs of 3 and of 11 replications .* that row alone"),
    ("simulation", WorstInSimulation(), r"simulated mean is .* with standard error .* expected the exact value"),
]

# The one item of a problem is soon in the state where the policy is lost.
ALSO = {
    LostInItsOwnStates: {"scores"},
}


@pytest.mark.parametrize(("clause", "policy", "says"), BROKEN, ids=[f"{c}-{type(p).__name__}" for c, p, _ in BROKEN])
def test_broken_policy_is_caught_by_its_clause(clause, policy, says):
    with pytest.raises(ConformanceError) as caught:
        check_policy(policy)
    faults = dict(fault.split(": ", 1) for fault in caught.value.faults)
    assert re.search(says, faults.pop(clause)), caught.value
    assert set(faults) == ALSO.get(type(policy), set()), caught.value
    assert str(caught.value).count("\n") == len(faults)


@pytest.mark.parametrize(("clause", "value"), [("optimum", 1e9), ("prior", -1e9)])
def test_impossible_exact_value_is_caught(clause, value, monkeypatch):
    wrong = sa.evaluate(sa.Problem([0.5], 1), sa.Uniform())
    monkeypatch.setattr(choices, "evaluate", lambda problem, policy: replace(wrong, value=value))
    with pytest.raises(ConformanceError, match=f"^{clause}: problem 'unequal', exact value is {value!r}; expected at"):
        check_policy(sa.Uniform())


@pytest.mark.parametrize(("clause", "attribute"), [("optimum", "value"), ("prior", "prior_value")])
def test_rounding_passes_and_more_does_not(clause, attribute):
    sign = 1.0 if clause == "optimum" else -1.0
    problem = sa.Problem([0.5, 0.7], 3)
    for excess, kept in ((0.9e-10, True), (1.1e-10, False)):
        value = getattr(sa.solve(problem), attribute) + sign * excess
        with nullcontext() if kept else pytest.raises(suite.Broken):
            choices.VALUE_CLAUSES[clause](sa.Uniform(), problem, 7, lambda x=value: x)


def test_every_documented_clause_is_shown_to_fail():
    documented = set(re.findall(r"^([a-z-]+)  +\S", conformance.__doc__, flags=re.MULTILINE))
    assert documented == {clause for clause, _, _ in BROKEN} | {"optimum", "prior"}


@pytest.mark.parametrize("policy", [sa.KnowledgeGradient, "kg", None])
def test_only_an_instance_can_be_tried(policy):
    with pytest.raises(ConformanceError, match="expected an instance of a subclass of"):
        check_policy(policy)


def test_independent_faults_are_reported_together():
    class Both(Shouting):
        def index(self, states):
            return states.mean * np.nan

    with pytest.raises(ConformanceError) as caught:
        check_policy(Both())
    assert [fault.split(":")[0] for fault in caught.value.faults] == ["name", "pickle", "index"]


def test_cases_name_the_policy_and_the_clause_and_try_that_clause_alone():
    cases = {case.__name__: case for case in sa.policy_cases([NanIndex(), Fewest(), Fewest()])}
    clauses = {case.clause for case in cases.values() if case.subject == "broken"}
    assert {"name", "index", "scores-index", "simulation"} <= clauses
    assert {case.subject for case in cases.values()} == {"broken", "fewest", "fewest 2"}
    assert "fewest-index" not in cases
    cases["broken-states"]()
    with pytest.raises(ConformanceError, match=r"^index: problem 'unequal', item 1 after 3 labels and 0 wins: index"):
        cases["broken-index"]()


def test_weights_that_do_not_sum_to_one_conform():
    check_policy(LabelsEverything())


def test_a_clause_is_tried_on_every_problem():
    (case,) = (case for case in sa.policy_cases([LabelsTheUnusable()]) if case.clause == "probabilities")
    with pytest.raises(ConformanceError, match=r"^probabilities: problem 'capped', after"):
        case()


def test_error_is_an_assertion_error_and_survives_pickling():
    error = ConformanceError("a: one", "b: two")
    assert isinstance(error, AssertionError)
    again = pickle.loads(pickle.dumps(error))
    assert again.faults == ("a: one", "b: two")
    assert str(again) == "a: one\nb: two"


def test_trial_problems_cover_what_they_are_for():
    problems = conformance_problems()
    unequal, capped, symmetric, single, variance, priced = problems.values()
    assert len(set(unequal.weight)) == unequal.size
    assert 0 in capped.cap
    assert any(0 < cap < capped.labels for cap in capped.cap)
    assert sa.solve(symmetric).optimal_items().size == symmetric.size
    assert single.size == 1
    assert single.labels < single.budget
    assert variance.utility.name == "variance"
    assert variance.beta is not None
    assert len(set(priced.cost)) == priced.size
    # The quota costs something, and runs differ in length.
    free = sa.Problem(priced.threshold, 5, weight=priced.weight, cost=priced.cost, cap=priced.cap)
    assert sa.solve(free).value > sa.solve(priced).value + 1e-6
    lattice = Lattice.of(priced)
    last = [int((layer.after < 0).all(axis=1).sum()) for layer in map(lattice.layer, range(lattice.depth + 1))]
    assert sum(count > 0 for count in last) > 1
    # Each must leave room for a choice to matter, or the clauses on values would pass whatever a policy did.
    for problem in (unequal, capped, symmetric, variance, priced):
        assert sa.solve(problem).value > sa.evaluate(problem, sa.HighLogRatio(ties="first")).value + 1e-6
