"""Policies that draw by their own probabilities, and indices that see what is left of the budget."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.family import Oracle
from oracles.family_cases import families, scored
from oracles.recursion import CONVEX

import seqaudit as sa
from seqaudit.dp.problem.states import ItemStates


def weight_of(seed, i, n, w):
    """Weights from 0 to 4 with no pattern in them; plain numbers or arrays."""
    return (7 * n + 11 * w + 5 * i + 3 * n * w + seed) % 5


@dataclass(frozen=True)
class Drawn:
    """Weights by item and state, plus one for the item whose turn it is, so that no row is empty."""

    seed: int = 0
    name: ClassVar[str] = "drawn"

    def action_probabilities(self, problem, counts, wins, usable):
        assert counts.shape == wins.shape == (len(counts), problem.size)
        assert counts.dtype.kind == wins.dtype.kind == "i"
        weight = weight_of(self.seed, np.arange(problem.size), counts, wins) + 1.0
        # Whatever stands at an item that cannot be labelled is ignored.
        return weight / weight.sum(axis=1, keepdims=True)

    def rule(self, state):
        return {i: weight_of(self.seed, i, n, w) + 1 for i, (n, w) in enumerate(state)}


@settings(max_examples=80)
@given(families(batch=False), st.integers(0, 4))
def test_value_of_a_randomised_policy_agrees_with_plain_python(case, seed):
    policy = Drawn(seed)
    assert sa.evaluate(case.stated(), policy).value == pytest.approx(Oracle(case).value_of(policy.rule), abs=1e-10)


@dataclass(frozen=True)
class OneHot:
    """All mass on some items: those of the optimum."""

    solution_of: Any
    name: ClassVar[str] = "one-hot"

    def action_probabilities(self, problem, counts, wins, usable):
        out = np.zeros(counts.shape)
        for s in range(len(counts)):
            if problem.size and len(items := self.items(counts[s], wins[s])):
                out[s, items] = 0.125
        return out

    def items(self, counts, wins):
        return self.solution_of.optimal_items(counts, wins)


@settings(max_examples=30)
@given(families(batch=False, shrink=1, utility=st.sampled_from(CONVEX), reward=st.just(0.25), fee=st.just(0.0)))
def test_mass_on_the_optimal_items_earns_the_optimum(case):
    problem = case.stated()
    solution = sa.solve(problem, keep_policy=True)
    assert sa.evaluate(problem, OneHot(solution)).value == pytest.approx(solution.value, abs=1e-11)


@settings(max_examples=30)
@given(families(batch=False))
def test_even_probabilities_are_uniform_sampling(case):
    class Even:
        name = "even"

        def action_probabilities(self, problem, counts, wins, usable):
            return np.full(counts.shape, 1 / problem.size)

    problem = case.stated()
    assert sa.evaluate(problem, Even()).value == pytest.approx(sa.evaluate(problem, sa.Uniform()).value, abs=1e-12)


@settings(max_examples=30)
@given(families(utility=scored, batch=False, shrink=1), st.integers(0, 4))
def test_randomised_policy_has_operating_characteristics(case, seed):
    policy, alpha = Drawn(seed), tuple((0.2, 0.5, 0.75, 0.9)[: len(case.items)])
    if case.utility == "entropy":
        return
    ends = Oracle(case).ends(policy.rule, case.label_chances(alpha))
    wins = [(sum(w for _, w in state), chance) for state, chance in ends.items()]
    mean = sum(x * chance for x, chance in wins)
    found = sa.operating_characteristics(case.stated(), policy, alpha=[alpha])
    assert float(found.wins_mean[0]) == pytest.approx(mean, abs=1e-10)
    assert float(found.wins_variance[0]) == pytest.approx(sum(x * x * c for x, c in wins) - mean**2, abs=1e-10)


@dataclass(frozen=True)
class Faulty:
    """Probabilities that are wrong after the first win of item 1."""

    row: tuple[float, ...]
    name: ClassVar[str] = "faulty"

    def action_probabilities(self, problem, counts, wins, usable):
        return np.where(wins[:, :1] == 1, np.array(self.row), np.full(counts.shape, 0.5))


@pytest.mark.parametrize("row", [(0.0, 0.0), (np.nan, 1.0), (-0.5, 1.5), (np.inf, 1.0)], ids=str)
def test_probabilities_that_choose_nothing_are_refused_with_the_state(row):
    with pytest.raises(ValueError, match=r"faulty.*1") as caught:
        sa.evaluate(sa.Problem([0.5, 0.6], 4), Faulty(row))
    assert len(str(caught.value).splitlines()) == 1


def test_mass_on_an_item_that_ran_out_chooses_nothing():
    class Stubborn:
        name = "stubborn"

        def action_probabilities(self, problem, counts, wins, usable):
            return np.broadcast_to([1.0, 0.0], counts.shape)

    assert sa.evaluate(sa.Problem([0.5, 0.6], 2), Stubborn()).value > 1.3
    with pytest.raises(ValueError, match="stubborn"):
        sa.evaluate(sa.Problem([0.5, 0.6], 3, cap=[2, 3]), Stubborn())


def test_probabilities_of_the_wrong_shape_are_refused():
    class Flat:
        name = "flat"

        def action_probabilities(self, problem, counts, wins, usable):
            return np.ones(len(counts))

    with pytest.raises(ValueError, match=r"flat.*shape"):
        sa.evaluate(sa.Problem([0.5, 0.6], 2), Flat())


# What is left of the budget.


@dataclass(frozen=True)
class Late(sa.IndexPolicy):
    """Where much is left, the item of fewest labels; then the one whose mean is nearest to what is left."""

    name: ClassVar[str] = "late"
    uses_remaining: ClassVar[bool] = True

    def index(self, states: ItemStates) -> Any:
        return np.where(states.remaining > 2.25, -states.labels, -abs(states.mean - 0.3 * states.remaining))


def late(oracle):
    def index(i, n, w, left):
        mean = float(oracle.working[i].mean(n, w))
        return float(-n) if left > 2.25 else -abs(mean - 0.3 * float(left))

    return index


@pytest.mark.parametrize("ties", ["random", "first"])
@settings(max_examples=80)
@given(case=families(batch=False))
def test_index_that_uses_the_remaining_budget_agrees_with_plain_python(ties, case):
    oracle = Oracle(case)
    rule = oracle.index_rule(late(oracle), ties)
    assert sa.evaluate(case.stated(), Late(ties=ties)).value == pytest.approx(oracle.value_of(rule), abs=1e-10)


@dataclass(frozen=True)
class Blind(sa.IndexPolicy):
    """An index that asks for the remaining budget without saying so sees the whole of it."""

    name: ClassVar[str] = "blind"

    def index(self, states: ItemStates) -> Any:
        assert np.all(np.asarray(states.remaining) == 3.5)
        return states.mean - 0 * states.remaining


def test_remaining_budget_is_the_whole_one_for_an_index_that_does_not_use_it():
    problem = sa.Problem([0.5, 0.6], 3.5, cost=[0.5, 1])
    assert sa.evaluate(problem, Blind()).value <= sa.solve(problem).value


@dataclass(frozen=True)
class Share(sa.IndexPolicy):
    """Fewest labels while more than half of the budget is left, then the largest mean."""

    name: ClassVar[str] = "share"
    uses_remaining: ClassVar[bool] = True
    budget: float = 1.0

    def index(self, states: ItemStates) -> Any:
        return np.where(states.remaining > 0.55 * self.budget, -states.labels, states.mean)


def test_remaining_budget_is_exact_in_any_unit():
    plain = sa.evaluate(sa.Problem([0.5, 0.6], 4.5, cost=[0.5, 1]), Share(budget=4.5)).value
    for factor in (2.0**-60, 2.0**60):
        problem = sa.Problem([0.5, 0.6], 4.5 * factor, cost=[0.5 * factor, factor])
        assert sa.evaluate(problem, Share(budget=4.5 * factor)).value == plain


@settings(max_examples=20)
@given(families(utility=scored, batch=False, shrink=1))
def test_remaining_budget_counts_in_operating_characteristics(case):
    if case.utility == "entropy":
        return
    oracle, alpha = Oracle(case), tuple((0.2, 0.5, 0.75, 0.9)[: len(case.items)])
    ends = oracle.ends(oracle.index_rule(late(oracle)), case.label_chances(alpha))
    found = sa.operating_characteristics(case.stated(), Late(), alpha=[alpha])
    expected = np.zeros(len(alpha))
    for state, chance in ends.items():
        expected += chance * np.array([n for n, _ in state])
    np.testing.assert_allclose(found.mean_labels[0], expected, atol=1e-10)


def test_a_joint_policy_is_asked_only_about_states_that_it_comes_to():
    class Narrow:
        name = "narrow"

        def action_probabilities(self, problem, counts, wins, usable):
            # It labels the first item as long as it can, so no state with another order of labels is reached.
            assert np.all((counts[:, 1] == 0) | (counts[:, 0] == 2))
            return np.where(counts[:, :1] < 2, [[1.0, 0.0]], [[0.0, 1.0]])

    problem = sa.Problem([0.5, 0.6], 4, cap=[2, 4])
    found = sa.operating_characteristics(problem, Narrow(), alpha=[0.5])
    assert found.mean_labels.values[0] == pytest.approx([2.0, 2.0])
    assert sa.expected_labels(problem, Narrow()) == pytest.approx([2.0, 2.0])
    assert sa.evaluate(problem, Narrow()).value > problem.prior_value
