"""Exact values of policies: agreement with the plain recursion, the linear utility, refusals, compile hygiene."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from fractions import Fraction
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.recursion import UTILITIES, Case, Item, Recursion, cases, problem_of, whole_priors

import seqaudit as sa
from seqaudit.bandits import kernels as bandit_kernels
from seqaudit.bandits.registry import registered_policies
from seqaudit.dp import kernels as dp_kernels
from seqaudit.dp.problem.states import ItemStates
from seqaudit.posteriors import kernels as posterior_kernels
from seqaudit.posteriors.beliefs import tails

NAMES = (
    "uniform",
    "round-robin",
    "uncertainty",
    "high-logratio",
    "audit-index",
    "linear-gain",
    "kg",
    "optimistic-kg",
    "variance-reduction",
    "apt",
    "lsa",
    "exact",
)
RULES = [(name, ties) for name in NAMES for ties in ("random", "first") if (name, ties) != ("uniform", "first")]


def exact_value(problem: sa.Problem, name: str, ties: str = "random", threads: int | None = None) -> float:
    return sa.evaluate(problem, registered_policies()[name](ties=ties), threads=threads).value


@pytest.mark.parametrize(("name", "ties"), RULES)
@given(case=cases())
def test_value_of_every_policy_agrees_with_plain_recursion(name, ties, case):
    assert exact_value(problem_of(case), name, ties) == pytest.approx(Recursion(case).value_of(name, ties), abs=1e-10)


@pytest.mark.parametrize(("name", "ties"), RULES)
@settings(max_examples=12)
@given(case=cases(st.sampled_from(("accuracy", "asymmetric", "variance", "decisive")), whole_priors, shrink=1))
def test_value_of_every_policy_agrees_with_rational_arithmetic(name, ties, case):
    value = Recursion(case, exact=True).value_of(name, ties)
    assert isinstance(value, (Fraction, int))
    assert exact_value(problem_of(case), name, ties) == pytest.approx(float(value), abs=1e-13, rel=1e-14)


TWINS = Case((Item(0.5),) * 3, 6)
MIRRORED = Case((Item(0.3, a=1, b=2), Item(0.7, a=2, b=1), Item(0.5)), 6)
NESTED = Case((Item(0.5, cap=2), Item(0.5), Item(0.5, cap=1)), 6)


@pytest.mark.parametrize(("name", "ties"), RULES)
@pytest.mark.parametrize("utility", ["accuracy", "variance", "entropy", "decisive"])
@pytest.mark.parametrize("case", [TWINS, MIRRORED, NESTED], ids=["identical", "mirrored", "capped twins"])
def test_true_ties_are_recognised_on_symmetric_problems(case, utility, name, ties):
    case = Case(case.items, case.budget, utility)
    assert exact_value(problem_of(case), name, ties) == pytest.approx(Recursion(case).value_of(name, ties), abs=1e-13)


def test_random_and_first_ties_differ_where_a_tie_matters():
    # At t = .5 the first label of either item gains .25; a second label of the same item gains nothing.
    case = Case((Item(0.5), Item(0.5)), 10)
    random, first = (exact_value(problem_of(case), "kg", ties) for ties in ("random", "first"))
    assert first == float(Recursion(case, exact=True).value_of("kg", "first")) == 1.626953125
    assert random == pytest.approx(float(Recursion(case, exact=True).value_of("kg", "random")), abs=1e-14)
    assert random > first + 0.01


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("threshold", "items", "budget", "name", "ties", "value"),
    [
        (0.5, 2, 10, "exact", "random", 1.7060546875),
        (0.5, 2, 10, "kg", "first", 1.6269531250),
        (0.5, 2, 10, "optimistic-kg", "random", 1.7057291667),
        (0.7, 3, 12, "exact", "random", 2.5984420438),
        (0.7, 3, 12, "optimistic-kg", "random", 2.5856487123),
    ],
)
def test_values_of_reference_problems(threshold, items, budget, name, ties, value):
    assert exact_value(sa.Problem([threshold] * items, budget), name, ties) == pytest.approx(value, abs=5e-11)


@pytest.mark.smoke
@pytest.mark.parametrize(("name", "ties"), RULES)
def test_every_policy_has_the_prior_value_under_the_linear_utility(name, ties):
    problem = sa.Problem(
        [0.55, 0.41, 0.72],
        12,
        weight=[1.0, 2.5, 0.3],
        prior=[(1, 1), (0.7, 2.2), (3, 1)],
        cap=[12, 6, 3],
        utility="linear",
    )
    assert exact_value(problem, name, ties) == pytest.approx(problem.prior_value, rel=1e-12)


@settings(max_examples=30)
@given(cases(st.just("linear")))
def test_no_policy_can_beat_or_miss_the_prior_value_under_the_linear_utility(case):
    problem = problem_of(case)
    values = [exact_value(problem, name) for name in NAMES]
    assert values == pytest.approx([problem.prior_value] * len(NAMES), rel=1e-12)


@given(cases())
def test_no_policy_beats_the_optimum(case):
    problem = problem_of(case)
    best = sa.solve(problem).value
    for name in NAMES:
        assert exact_value(problem, name) <= best + 1e-12


@pytest.mark.parametrize("name", ["kg", "variance-reduction", "uniform", "exact"])
def test_value_does_not_depend_on_the_number_of_threads(name):
    problem = sa.Problem([0.55, 0.41, 0.32], 24, weight=[1.0, 1.5, 2.0])
    alone = exact_value(problem, name, threads=1)
    assert all(exact_value(problem, name, threads=threads) == alone for threads in (2, 3))


def test_evaluation_reports_policy_states_and_prior_value():
    problem = sa.Problem([0.5, 0.6], 5)
    progress: list[tuple[int, int]] = []
    result = sa.evaluate(problem, sa.KnowledgeGradient(), progress=lambda *x: progress.append(x))
    assert (result.policy, result.states, result.prior_value) == ("kg", 126, problem.prior_value)
    assert progress[-1] == (126, 126)
    assert result.seconds > 0


def test_policy_without_labels_to_buy_is_worth_the_prior():
    problem = sa.Problem([0.3, 0.6], 5, cap=0)
    assert exact_value(problem, "kg") == exact_value(problem, "exact") == problem.prior_value


@dataclass(frozen=True)
class Wrong(sa.IndexPolicy):
    """An index that is not a number after the second win of two."""

    name: ClassVar[str] = "wrong"

    def index(self, states: ItemStates) -> Any:
        return np.where(states.wins == 2, np.nan, states.mean)


def test_index_that_is_not_finite_is_refused_with_the_item_and_state():
    problem = sa.Problem([0.5, 0.6], 3, name=["sky", "sea"])
    with pytest.raises(ValueError, match="index of sky is nan after 2 labels and 2 wins; it must be finite"):
        sa.evaluate(problem, Wrong())


def test_index_may_be_void_where_no_state_is():
    # Entries with more wins than labels do not exist; an index need not be finite there.
    class Void(Wrong):
        def index(self, states):
            return np.where(states.wins > states.labels, np.nan, states.mean)

    problem = sa.Problem([0.5, 0.6], 3)
    assert sa.evaluate(problem, Void()).value <= sa.solve(problem).value


def test_object_that_is_no_policy_is_refused():
    with pytest.raises(TypeError, match="it must be a policy such as"):
        sa.evaluate(sa.Problem([0.5], 2), object())


def test_every_kernel_is_compiled_for_one_signature_only():
    frozen = np.array([0.25, 0.75])
    frozen.setflags(write=False)
    for x in (0.5, [0.5], frozen, frozen[::-1], frozen[:, None]):
        tails.tail(1, 2, x)
        tails.jump(x, 2, 0.5)
        tails.log_step(1.5, x, x)
        tails.update(x, tails.log_step(1, 2, x), 1, 2, x, 1)
    for labels in ([1, 0], np.array([True, False]), np.round(frozen), frozen > 0.5, np.array([1, 0, 1, 0])[::2]):
        tails.follow_labels(1, 1, 0.5, labels)
    problem = sa.Problem([0.5, 0.7, 0.6], 4, cap=[4, 3, 1])
    tails.jump(problem.prior[:, 0], problem.prior[:, 1], problem.threshold)
    family = {"cost": [1, 0.5, 1], "quota": [([0, 1], 1)], "reward": 0.1, "prior": sa.NoisyBeta(1, 1, 0.1)}
    for fields in ({}, {"utility": UTILITIES["callable"].spec}, family):
        problem = sa.Problem([0.5, 0.7, 0.5], 4, **({"cap": [4, 3, 1]} | fields))
        for name in sa.policy_names():
            if name != "gittins" or not problem.reward.any():
                exact_value(problem, name)
        sa.solve(problem, keep_policy=True).optimal_items([1, 0, 0], [1, 0, 0])
        for reduce, dtype in itertools.product((True, False, {"dead"}, {"identical"}), ("float64", "float32")):
            for small in (problem, sa.Problem([0.5, 0.5, 0.5], 4), sa.Problem([0.5, 0.5], 40), sa.Problem([0.5], 4)):
                sa.solve(small, reduce=reduce, dtype=dtype)
        if problem.utility.name == "accuracy":
            sa.evaluate(problem, sa.Uniform(), nature=sa.Beta(2, 1))
            for policy in (sa.KnowledgeGradient(), sa.Exact()):
                sa.operating_characteristics(problem, policy, alpha=[0.5])
        sa.upper_bound(problem)
        for few in (problem, sa.Problem([0.5, 0.7], 20)):
            sa.upper_bound(few, "information-relaxation", samples=2)
        sa.whittle_index(problem, 2)
        sa.allocate(problem)
        sa.structure(problem)
    for name in ("kg", "whittle", "gittins", "lagrangian", "thompson"):
        sa.simulate(sa.Problem([0.5, 0.7], 4), name, replications=3, seed=1)
    for leaf, candidates in itertools.product(("bound", "rollout"), (1, 16)):
        policy = sa.TreeSearch(simulations=5, leaf=leaf, candidates=candidates)
        for few in (sa.Problem([0.5, 0.7], 4), sa.Problem([0.5, 0.7, 0.6], 4, cost=[1, 1.5, 1], quota=[([0], 1)])):
            sa.simulate(few, policy, replications=2, seed=1)
            policy.search(few)
    start = np.zeros((2, 60), dtype=np.int64)
    for policy in (sa.Rollout("kg", runs=2, candidates=2), sa.Lookahead(2, candidates=3), sa.Lookahead(1, "payoff")):
        large = sa.Problem(np.linspace(0.3, 0.7, 60), 30)
        policy.action_probabilities(large, start, start, np.ones(start.shape, dtype=bool))
    for features in ([[0.0], [1.0]], np.asfortranarray([[0.0, 2.0], [1.0, 0.0]])):
        apart = sa.DiverseBatch("kg", features, method="determinantal")
        sa.simulate(sa.Problem([0.5, 0.7], 4, batch=2), apart, replications=3, seed=1)
    sa.Session(sa.Problem([0.5, 0.7], 4), "kg", seed=0).tell(0, 1)
    many = np.linspace(0.3, 0.7, 2001)
    for name, utility in itertools.product(("kg", "variance-reduction", "gittins"), ("accuracy", "variance")):
        sa.certify(sa.Problem(many, 2100, cap=2, utility=utility), name, replications=2, seed=1)
    sa.allocate(sa.Problem([0.5, 0.7], 4))
    sa.structure(sa.Problem([0.5, 0.7], 4, utility="variance"))
    sa.gittins_index(sa.Problem([0.5], 2), 0)
    sa.gittins_bernoulli(1, 1, 1, plays=2)
    sa.gittins_bernoulli(1, 1, 0.5)
    for model in (sa.RaterBias(), sa.RaterSkill(), sa.Grouped()):
        votes = model.simulate(0, sa.Design.balanced(items=3, raters=4, votes_per_item=2, groups=2)).labels
        model.fit(votes, seed=0, method="fast", draws=4)
    votes = sa.Design.balanced(items=3, raters=3, votes_per_item=2)
    for model in (sa.OneCoin(), sa.OneCoin(difficulty=True), sa.DawidSkene(), sa.DawidSkene(difficulty=True)):
        fit = model.fit(model.simulate(1, votes).labels, method="fast", seed=1, draws=4)
        fit.beliefs()
        model.log_likelihood(fit.draws, votes, fit.labels.labels.astype(np.int64))
    sa.expected_labels(sa.Problem([0.5, 0.7], 4), sa.KnowledgeGradient())
    votes = sa.Design.balanced(items=4, raters=3, votes_per_item=2)
    for model in (sa.Drift(), sa.Contaminated(), sa.Contaminated(kinds=["random"])):
        found = model.simulate(1, votes).labels
        for few in (found, found.subset(found.rate < 2)):
            model.fit(few, method="fast", seed=1, draws=4)
    packages = (posterior_kernels, dp_kernels, bandit_kernels)
    names = [f"{package.__name__}.{module.name}" for package in packages for module in iter_modules(package.__path__)]
    assert len(names) > 25
    for module in map(import_module, names):
        kernels = {name: kernel for name, kernel in vars(module).items() if hasattr(kernel, "signatures")}
        # Values may be stored in either of two widths.
        for single in (False, True):
            # Where a kernel calls another, a literal has a type of its own; it is cached with the caller.
            compiled = {
                name: {re.sub(r"Literal\[int\]\(-?\d+\)", "int64", str(x)) for x in kernel.signatures}
                for name, kernel in kernels.items()
                if name != "longer"  # grows arrays of two kinds
            }
            compiled = {name: {x for x in found if ("float32" in x) == single} for name, found in compiled.items()}
            assert {name: found for name, found in compiled.items() if len(found) > 1} == {}


@pytest.mark.parametrize("wrong", [3, None, sa.KnowledgeGradient])
def test_a_class_or_a_number_is_not_a_policy(wrong):
    with pytest.raises(TypeError, match=r"it must be a policy such as KnowledgeGradient\(\), or its name"):
        sa.evaluate(sa.Problem([0.5], budget=2), wrong)
