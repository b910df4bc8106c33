"""The wrong model: a policy and its decisions from one belief, labels and the truth from another."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.beliefs import Beta, Grid, Mixture, Noisy, beliefs, betas, mixtures, noisy
from oracles.family import Case, Item, Oracle
from oracles.family_cases import families, scored

import seqaudit as sa
from seqaudit.bandits.registry import registered_policies

# Tails of exactly 0 or 1 have no entropy score; entropy gets the beliefs that never reach them.
continuous = betas | mixtures() | noisy


@st.composite
def wrong_models(draw: st.DrawFn, utility: st.SearchStrategy[str] = scored, **options):
    """A problem and a nature for each of its items."""
    name = draw(utility)
    belief = continuous if name == "entropy" else beliefs
    case = draw(families(utility=st.just(name), prior=belief, batch=False, shrink=1, **options))
    return case, tuple(draw(belief) for _ in case.items)


def evaluated(case, nature, name="uncertainty", ties="random"):
    return sa.evaluate(case.stated(), registered_policies()[name](ties=ties), nature=[x.stated() for x in nature])


@pytest.mark.parametrize("name", ["uncertainty", "audit-index", "round-robin", "exact"])
@settings(max_examples=50)
@given(drawn=wrong_models())
def test_every_part_of_the_loss_agrees_with_plain_python(name, drawn):
    case, nature = drawn
    oracle, working = Oracle(case, nature), Oracle(case)
    rule = working.optimal_rule() if name == "exact" else working.index_rule(name)
    result = evaluated(case, nature, name)
    assert result.value == pytest.approx(oracle.value_of(rule), abs=1e-10)
    assert result.best_decisions_value == pytest.approx(oracle.value_of(rule, "nature"), abs=1e-10)
    assert result.optimum == pytest.approx(Oracle(restated(case, nature)).optimum()[0], abs=1e-10)


def restated(case: Case, nature) -> Case:
    """The problem of one who knows nature."""
    return replace(case, items=tuple(replace(x, prior=y) for x, y in zip(case.items, nature, strict=True)))


@settings(max_examples=50)
@given(wrong_models())
def test_expected_gains_are_those_of_the_working_model(drawn):
    case, nature = drawn
    rule = Oracle(case).index_rule("kg")
    assert evaluated(case, nature, "kg").value == pytest.approx(Oracle(case, nature).value_of(rule), abs=1e-10)


@settings(max_examples=50)
@given(wrong_models())
def test_loss_is_what_was_asked_wrongly_and_what_was_decided_wrongly(drawn):
    case, nature = drawn
    result = evaluated(case, nature)
    assert result.decided_wrongly == result.best_decisions_value - result.value
    assert result.asked_wrongly == result.optimum - result.best_decisions_value
    assert result.decided_wrongly >= -1e-12
    assert result.asked_wrongly >= -1e-12


@pytest.mark.parametrize("name", ["uncertainty", "exact"])
@settings(max_examples=30)
@given(case=families(utility=scored, prior=continuous, batch=False, shrink=1))
def test_right_model_decides_nothing_wrongly(name, case):
    result = evaluated(case, [x.prior for x in case.items], name)
    plain = sa.evaluate(case.stated(), registered_policies()[name]())
    assert result.value == pytest.approx(plain.value, abs=1e-11)
    assert result.decided_wrongly == pytest.approx(0, abs=1e-11)
    assert result.optimum == pytest.approx(sa.solve(case.stated()).value, abs=1e-11)
    if name == "exact":
        assert result.asked_wrongly == pytest.approx(0, abs=1e-11)


@settings(max_examples=30)
@given(wrong_models(st.sampled_from(("accuracy", "variance", "decisive"))))
def test_one_nature_for_all_items_is_that_nature_for_each(drawn):
    case, nature = drawn
    policy = sa.RoundRobin()
    shared = sa.evaluate(case.stated(), policy, nature=nature[0].stated())
    assert shared.value == sa.evaluate(case.stated(), policy, nature=[nature[0].stated()] * len(nature)).value


@pytest.mark.smoke
def test_wrong_prior_costs_what_a_hand_computation_says():
    # One label at t = 1/2. The working model is sure enough of "learnable" to say so whatever the label; under nature,
    # Beta(1, 2), the tail is 1/4 to begin with.
    problem = sa.Problem([0.5], 1, prior=(9, 1))
    result = sa.evaluate(problem, sa.RoundRobin(), nature=sa.Beta(1, 2))
    assert result.value == pytest.approx(1 / 4, abs=1e-15)
    # After a win (probability 1/3) nature's tail is 1/2, after a loss 1/8: right with probability 1/2 and 7/8.
    assert result.best_decisions_value == pytest.approx(1 / 3 * 1 / 2 + 2 / 3 * 7 / 8, abs=1e-15)
    assert result.optimum == pytest.approx(result.best_decisions_value, abs=1e-15)
    assert (result.asked_wrongly, result.decided_wrongly) == (0, pytest.approx(1 / 2, abs=1e-15))


def test_rewards_count_the_wins_that_nature_gives():
    problem = sa.Problem([0.5, 0.5], 6, utility=None, reward=[1.0, 2.0])
    result = sa.evaluate(problem, sa.RoundRobin(), nature=[sa.Beta(3, 1), sa.Beta(1, 9)])
    assert result.value == pytest.approx(3 * 0.75 + 3 * 2 * 0.1, abs=1e-13)
    assert result.best_decisions_value == result.value


def test_nature_of_a_problem_made_from_log_ratios():
    made = sa.Problem.from_logratio([0.4, -0.7], 0.5, 5, cost=[1, 1.5])
    plain = sa.Problem(made.threshold, 5, cost=[1, 1.5])
    one, other = (sa.evaluate(x, sa.RoundRobin(), nature=sa.Beta(2, 1)) for x in (made, plain))
    assert (one.value, one.optimum) == (other.value, other.optimum)


def test_costs_and_quotas_hold_under_any_nature():
    case = Case(
        (Item(0.5, 1.0, Beta(1, 1), 3, 1.0), Item(0.6, 2.0, Noisy(2, 1, 0.1), None, 2.0, 0.5)),
        6,
        "variance",
        (((1,), 2),),
    )
    nature = (Mixture((1, 1), (1, 4), (4, 1)), Grid((0.3, 0.8), (1, 2)))
    oracle = Oracle(case, nature)
    assert evaluated(case, nature).value == pytest.approx(
        oracle.value_of(Oracle(case).index_rule("uncertainty")), abs=1e-12
    )


@pytest.mark.parametrize(
    "nature",
    [[sa.Beta(1, 1)], [sa.Beta(1, 1)] * 3, [], "beta", 3, [(1, 1), "x"]],
    ids=["one", "three", "none", "a name", "a number", "a string"],
)
def test_nature_that_is_not_a_belief_for_each_item_is_refused(nature):
    with pytest.raises(ValueError, match="nature") as caught:
        sa.evaluate(sa.Problem([0.5, 0.6], 3), sa.RoundRobin(), nature=nature)
    assert len(str(caught.value).splitlines()) == 1


def test_callable_utility_has_no_score_under_another_nature():
    problem = sa.Problem([0.5], 2, utility=lambda p: np.abs(p - 0.3))
    with pytest.raises(ValueError, match="has no score for a tail other than the stated one"):
        sa.evaluate(problem, sa.RoundRobin(), nature=sa.Beta(2, 1))


def test_score_that_is_not_finite_names_the_item():
    problem = sa.Problem([0.5, 0.5], 2, prior=[sa.Beta(1, 1), sa.Grid([0.6, 0.8], [1, 1])], utility="entropy")
    with pytest.raises(ValueError, match="item 2"):
        sa.evaluate(problem, sa.RoundRobin(), nature=sa.Beta(1, 1))


def test_value_without_a_nature_has_no_loss_to_report():
    result = sa.evaluate(sa.Problem([0.5, 0.6], 3), sa.RoundRobin())
    assert result.optimum is None or np.isnan(result.optimum)
