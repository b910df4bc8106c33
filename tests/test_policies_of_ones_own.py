"""Policies, beliefs and utilities of one's own, and wrappers around wrappers: one value everywhere."""

from __future__ import annotations

from contextlib import suppress
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest

import seqaudit as sa
from seqaudit.benchmarks.design_choices.vary import vary

PROBLEM = sa.Problem([0.55, 0.41, 0.32], budget=8)
PRICED = sa.Problem([0.6, 0.3], budget=6, label_price=0.2)
SLICES = (["a", "b"], 2)


def covered(base, **fields):
    return sa.MinimumCoverage(base, *SLICES, **fields)


@pytest.mark.parametrize(
    "policy",
    [
        covered(sa.StopWhen("kg")),
        covered(sa.StopWhen("kg"), when="first"),
        sa.StopWhen(covered("kg")),
        covered(sa.EpsilonAudit(sa.StopWhen("kg"), 0.2)),
        sa.EpsilonAudit(covered(sa.StopWhen("kg")), 0.2),
        sa.RiskWeighted(covered(sa.RiskWeighted(sa.StopWhen("kg"), [1, 1])), [1, 1]),
    ],
)
def test_no_policy_stops_before_the_minima_within_or_around_it_are_met(policy):
    plain = sa.solve(PRICED).value
    quota = PRICED.replace(quota=[([0], 2), ([1], 2)])
    value = sa.evaluate(PRICED, policy).value
    assert value <= sa.solve(quota).value + 1e-12 < plain
    counts = sa.expected_final(PRICED, policy, np.stack([[np.tile(np.arange(7) < 2, (7, 1)).T] * 2]).astype(float))
    assert counts[0] == 0, "an item ends with fewer than two labels"
    for k in range(5):
        session = sa.Session(PRICED, policy, seed=k)
        with suppress(sa.BudgetSpent):
            for _ in range(7):
                session.tell(session.ask(), 1)
        assert (session.counts >= 2).all()


def test_stopping_within_coverage_is_that_of_the_problem_with_these_quotas():
    quota = PRICED.replace(quota=[([0], 2), ([1], 2)])
    expected = sa.evaluate(quota, sa.StopWhen("kg")).value
    assert sa.evaluate(PRICED, covered(sa.StopWhen("kg"))).value == pytest.approx(expected, abs=1e-12)
    assert sa.evaluate(PRICED, covered(sa.Exact())).value == pytest.approx(sa.solve(quota).value, abs=1e-12)


class _Turns:
    """In turn, as round-robin."""

    name: ClassVar[str] = "turns"

    def index(self, states):
        return -states.labels + 0.0


@pytest.mark.parametrize("base", [sa.Whittle, sa.KGStar, sa.Gittins, sa.VarianceReduction, sa.AuditIndex])
def test_index_of_a_derived_class_counts_wherever_scores_do(base):
    policy = type("Turns", (_Turns, base), {})()
    expected = sa.evaluate(PROBLEM, sa.RoundRobin(ties="random")).value
    assert sa.evaluate(PROBLEM, policy).value == pytest.approx(expected, abs=1e-12)
    found = sa.simulate(PROBLEM, policy, seed=1, replications=2000)
    assert abs(found.mean - expected) <= 4.5 * found.standard_error
    assert (found.labels > 2.6).all()
    for wrapper in (sa.EpsilonAudit, sa.RiskWeighted):
        data = 0.0 if wrapper is sa.EpsilonAudit else [1, 1, 1]
        assert sa.evaluate(PROBLEM, wrapper(policy, data)).value == pytest.approx(expected, abs=1e-12)


def test_scores_without_an_index_are_refused_when_the_class_is_made():
    with pytest.raises(TypeError, match="Mine has scores of its own, but no index"):
        type("Mine", (sa.Whittle,), {"scores": lambda self, problem, counts, wins: counts + 0.0})


def test_items_that_a_policy_does_not_allow_have_no_chance_anywhere():
    class First(sa.JointPolicy):
        name = "first"

        def action_probabilities(self, problem, counts, wins, usable):
            return np.ones(counts.shape)

        def allowed(self, problem, bought, usable):
            return usable & np.array([True, False, False])

    assert sa.expected_labels(PROBLEM, First()).tolist() == [8.0, 0.0, 0.0]
    assert sa.simulate(PROBLEM, First(), seed=1, replications=10).labels.tolist() == [8.0, 0.0, 0.0]


def _derived(base, *arguments):
    class Raised(base):
        """As Beta(5, 1), whatever it was made of."""

        kind = f"raised-{base.__name__}".lower()

        def at(self, labels, wins, threshold):
            return sa.Beta(5, 1).at(labels, wins, threshold)

        def after(self, wins, losses):
            assert not wins
            assert not losses
            return self

    return Raised(*arguments)


@pytest.mark.parametrize(
    "belief",
    [
        _derived(sa.Beta, 1, 1),
        _derived(sa.BetaMixture, [1.0], [1.0], [1.0]),
        _derived(sa.NoisyBeta, 1.0, 1.0, 0.1),
        _derived(sa.LogitNormal, 0.0, 1.0),
        _derived(sa.Grid, [0.2, 0.6], [1.0, 1.0]),
    ],
    ids=lambda x: x.kind,
)
def test_tails_of_a_derived_belief_are_its_own_in_searches_over_beta(belief):
    expected = sa.learnable_share([1.0, -0.5], [0.3, 1.0], prior=sa.Beta(5, 1))
    np.testing.assert_allclose(sa.learnable_share([1.0, -0.5], [0.3, 1.0], prior=belief), expected, rtol=1e-9)
    found = sa.largest_beta([1.0], 0.6, prior=belief)
    assert found.value == pytest.approx(sa.largest_beta([1.0], 0.6, prior=sa.Beta(5, 1)).value, rel=1e-5)


def _counting():
    calls = [0.0]

    def utility(p):
        calls[0] += 1.0
        return np.zeros(p.shape) + calls[0]

    return utility


@pytest.mark.parametrize(
    "utility",
    [lambda p: p / (p.max() + 1), lambda p: p - p.mean(), np.sort, np.cumsum, _counting()],
)
def test_utility_that_mixes_its_entries_is_refused(utility):
    def shaped(p):
        return np.asarray(utility(p), dtype=float).reshape(p.shape)

    with pytest.raises(ValueError, match="within another array; it must take each probability by itself"):
        sa.Problem([0.5, 0.6], 3, utility=shaped)


X, Y = pd.Index(["x", "y"]), pd.Index(["y", "x"])


@pytest.mark.parametrize(
    ("make", "fault"),
    [
        (lambda: sa.Problem(pd.Series([0.5, 0.6], X), 3, weight=pd.Series([1, 2], Y)), r"weight\[0\] is labelled 'y'"),
        (lambda: sa.Problem(pd.Series([0.5, 0.6], X), 3, cost=pd.Series([1, 2])), r"cost\[0\] is labelled 0"),
        (
            lambda: sa.Problem.from_logratio(pd.Series([0.5, 0.6], X), 1.0, 3, reward=pd.Series([1, 2], Y)),
            r"reward\[0\] is labelled 'y', log_ratio\[0\] 'x'",
        ),
        (
            lambda: sa.Problem.from_frame(
                pd.DataFrame({"threshold": [0.5, 0.6]}, X), budget=3, weight=pd.Series([1, 2], Y)
            ),
            r"weight\[0\] is labelled 'y', data frame\[0\] 'x'",
        ),
        (lambda: sa.log_ratio(pd.Series([0.5, 0.6], X), pd.Series([1, 2], Y)), r"logp_lose\[0\] is labelled 'y'"),
        (lambda: sa.learnable_share(pd.Series([0.5, 0.6], X), [1.0], weight=pd.Series([1, 2], Y)), r"weight\[0\]"),
    ],
)
def test_columns_in_another_order_are_refused(make, fault):
    with pytest.raises(ValueError, match=fault):
        make()


def test_columns_in_one_order_are_taken():
    frame = pd.DataFrame({"t": [0.5, 0.6], "v": [1, 2], "a": [1, 2], "b": [2, 1]}, index=Y)
    found = sa.Problem(frame.t, 3, weight=frame.v, prior=frame[["a", "b"]], cost=[1, 2])
    assert found == sa.Problem([0.5, 0.6], 3, weight=[1, 2], prior=[(1, 2), (2, 1)], cost=[1, 2])


def test_table_without_a_number_in_a_state_that_can_be_reached_is_refused():
    tables = np.zeros((3, 9, 9))
    tables[:, np.triu_indices(9, 1)[0], np.triu_indices(9, 1)[1]] = np.nan
    assert sa.expected_final(PROBLEM, "kg", tables) == 0.0
    tables[1, 2, 1] = np.nan
    with pytest.raises(ValueError, match="are nan after 2 labels and 1 wins, where the item can end"):
        sa.expected_final(PROBLEM, "kg", tables)


def test_policies_are_told_apart_by_their_settings():
    kg = [sa.certify(PROBLEM, x).policy for x in ("kg", "kg(ties=first)", sa.StopWhen("kg", rule="gain"))]
    assert kg == ["kg", "kg(ties=first)", "stop-when(base=kg, rule=gain)"]


@pytest.mark.parametrize(
    ("problem", "policy"),
    [(PRICED, "stop-when(base=kg)"), (PROBLEM.replace(cost=3.0), "kg"), (PROBLEM.replace(cap=[1, 2, 1]), "kg")],
)
def test_certificate_states_what_is_spent(problem, policy):
    found = sa.certify(problem, policy)
    assert found.lower_by == "exact evaluation"
    assert found.spent == pytest.approx(sa.expected_labels(problem, policy) @ problem.cost, abs=1e-12)
    sampled = sa.certify(problem, policy, exact=False, replications=500, seed=3)
    assert sampled.spent == pytest.approx(found.spent, abs=0.4)


@pytest.mark.parametrize("batch", [1, 2])
def test_statics_of_a_problem_with_rewards_take_a_policy_that_applies(batch):
    problem = sa.Problem.from_logratio([0.2, 0.5], 1.0, 4, reward=[0.1, 0], batch=batch)
    found = vary(problem, "beta", [0.5, 1.0], exact=False if batch == 1 else None, replications=4, seed=1)
    assert np.isfinite(found["lower"]).all()
    with pytest.raises(ValueError, match="gittins: reward of item 1 is"):
        vary(problem, "beta", [0.5, 1.0], exact=False if batch == 1 else None, policy="gittins", replications=4, seed=1)
