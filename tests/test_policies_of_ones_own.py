"""Policies, beliefs and utilities of one's own, and wrappers around wrappers: one value everywhere."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, fields
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
        (lambda: sa.log_ratio(pd.Series([-1.5, -2.0], X), pd.Series([-1, -2], Y)), r"logp_lose\[0\] is labelled 'y'"),
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


@dataclass(frozen=True)
class Spread(sa.IndexPolicy):
    by: float
    name = "spread"

    def index(self, states):
        return self.by * states.labels + 0.0


WRAPPERS = {
    "risk-weighted": lambda base: sa.RiskWeighted(base, [1] * 4),
    "rollout": sa.Rollout,
    "epsilon-audit": sa.EpsilonAudit,
    "softmax-audit": sa.SoftmaxAudit,
    "stop-when": sa.StopWhen,
    "lookahead": lambda base: sa.Lookahead(1, base),
    "minimum-coverage": lambda base: sa.MinimumCoverage(base, list("aabb"), 1),
}


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_policies_with_other_settings_are_not_taken_for_each_other(wrapper):
    problem = sa.Problem([0.55, 0.41, 0.32, 0.7], 6, weight=[1, 2, 1, 1])
    found = {by: sa.evaluate(problem, WRAPPERS[wrapper](Spread(by))).value for by in (1.0, -1.0, 1.0)}
    # Nothing is remembered of a problem that only differs in its name.
    again = problem.replace(name=list("wxyz"))
    assert found == {by: sa.evaluate(again, WRAPPERS[wrapper](Spread(by))).value for by in (-1.0, 1.0)}
    assert found[1.0] != found[-1.0]


@dataclass(frozen=True)
class Tilted(sa.Accuracy):
    by: float
    name = "tilted"

    def __call__(self, p):
        return np.maximum(p, 1.0 - p) * self.by


@dataclass(frozen=True)
class Lifted(sa.Beta):
    by: float
    kind = "lifted"

    def at(self, labels, wins, threshold):
        return sa.Beta(self.a + self.by, self.b).at(labels, wins, threshold)


@pytest.mark.parametrize(
    "fields",
    [lambda by: {"utility": Tilted(by)}, lambda by: {"prior": Lifted(1.0, 1.0, by)}],
    ids=["utility", "belief"],
)
def test_settings_of_derived_utilities_and_beliefs_count_everywhere(fields, tmp_path):
    low, high = (sa.Problem([0.5, 0.7], 4, **fields(by)) for by in (1.0, 2.0))
    assert low != high
    assert low.digest() != high.digest()
    for policy in ("whittle", "lagrangian", "lookahead"):
        assert sa.evaluate(low, policy).value != pytest.approx(sa.evaluate(high, policy).value, abs=1e-3)
    with pytest.raises(ValueError, match="could not be read again"):
        low.to_toml(tmp_path / "problem.toml")
    session = sa.Session(low, "kg", seed=1)
    session.save(tmp_path / "s.json")
    with pytest.raises(ValueError, match="problem"):
        sa.Session.load(tmp_path / "s.json", high, "kg")


def test_formulas_of_classes_of_one_name_have_digests_of_their_own():
    def utility(power):
        class Power(sa.Utility):
            name = "power"

            def __call__(self, p):
                return p**power

        return Power()

    def belief(rise):
        class Risen(sa.Beta):
            kind = "risen"

            def at(self, labels, wins, threshold):
                return sa.Beta(self.a + rise, self.b).at(labels, wins, threshold)

        return Risen(1, 1)

    for key, make in (("utility", utility), ("prior", belief)):
        one, same, other = (sa.Problem([0.5, 0.7], 4, **{key: make(x)}) for x in (2.0, 2.0, 3.0))
        assert one.digest() == same.digest() != other.digest()


@pytest.mark.parametrize(
    ("base", "door"),
    [
        (sa.KnowledgeGradient, lambda cls: sa.simulate(PROBLEM, cls(), seed=1, replications=2)),
        (sa.KnowledgeGradient, lambda cls: sa.compare(PROBLEM, [cls()])),
        (sa.KnowledgeGradient, lambda cls: sa.Session(PROBLEM, cls(), seed=1)),
        (sa.KnowledgeGradient, lambda cls: sa.StopWhen(cls())),
        (sa.Accuracy, lambda cls: sa.Problem([0.5], 3, utility=cls())),
        (sa.Beta, lambda cls: sa.Problem([0.5], 3, prior=cls(1, 1))),
        (sa.Beta, lambda cls: sa.learnable_share([1.0], [0.5], prior=cls(1, 1))),
        (sa.PartialPooling, lambda cls: sa.make_rater_model(cls())),
    ],
)
def test_class_that_goes_by_the_name_of_a_built_in_one_is_refused(base, door):
    mine = type("Mine", (base,), {})
    with pytest.raises(
        ValueError, match=f"Mine: it goes by the (name|kind) of {base.__name__}, .*; give it one of its"
    ):
        door(mine)
    key = "kind" if base is sa.Beta else "name"
    mine = type("Mine", (base,), {key: getattr(base, key)})
    with pytest.raises(ValueError, match=f"class Mine has the .*, which is that of {base.__name__}; give Mine one"):
        door(mine)


@dataclass(frozen=True)
class ByScore(sa.IndexPolicy):
    score: object
    name = "by-score"

    def index(self, states):
        return np.asarray(self.score)[states.item] + 0.0


@pytest.mark.parametrize(
    "score",
    [np.arange(3), [1, 2, 3], pd.Series([1, 2, 3]), np.ma.array([1, 2, 3], mask=[0, 0, 1]), {"a": 1}, (1, [2])],
    ids=lambda x: type(x).__name__,
)
def test_fields_that_cannot_be_compared_as_a_whole_are_refused(score):
    with pytest.raises(ValueError, match=r"ByScore: field score is .*; hold a number, a text, or a tuple of such"):
        ByScore(score)


def test_tuples_are_fields_everywhere(tmp_path):
    policy, other = ByScore((1, 3, 2)), ByScore((3, 1, 2))
    assert sa.certify(PROBLEM, policy).policy == "by-score(score=(1, 3, 2))"
    for wrap in (sa.StopWhen, sa.Rollout, sa.EpsilonAudit):
        assert sa.evaluate(PROBLEM, wrap(policy)).value != sa.evaluate(PROBLEM, wrap(other)).value
    session = sa.Session(PROBLEM, policy, seed=1)
    session.save(tmp_path / "s.json")
    assert sa.Session.load(tmp_path / "s.json", PROBLEM, ByScore((1, 3, 2))).policy == policy
    with pytest.raises(ValueError, match="policy"):
        sa.Session.load(tmp_path / "s.json", PROBLEM, other)


class OfTheBudget(sa.IndexPolicy):
    name = "of-the-budget"

    def index(self, states):
        return np.where(states.remaining > 20, -states.labels, states.threshold) + 0.0


class OfTheProblem(OfTheBudget):
    name = "of-the-problem"

    def index(self, states):
        return np.where(states.problem.budget > 20, -states.labels, states.threshold) + 0.0


class OfTheCaps(OfTheBudget):
    name = "of-the-caps"

    def index(self, states):
        return np.where(states.problem.cap[states.item] > 20, -states.labels, states.threshold) + 0.0


class GainOfTheBudget(sa.KnowledgeGradient):
    name = "gain-of-the-budget"

    def gain(self, states):
        return np.where(states.problem.budget > 20, -states.labels, states.threshold) + 0.0


@pytest.mark.parametrize("kind", [OfTheBudget, OfTheProblem, OfTheCaps, GainOfTheBudget])
def test_simulated_curves_of_an_index_that_sees_the_budget_are_what_simulations_find(kind):
    problem = sa.Problem(np.linspace(0.3, 0.8, 20), 40)
    curve = sa.budget_curve(problem, [kind()], points=2, seed=1, replications=100)
    for budget in (20, 40):
        run = sa.simulate(problem.replace(budget=budget), kind(), seed=1, replications=100)
        found = curve.value.sel(policy=kind.name, budget=budget).values
        error = run.standard_error + found.std(ddof=1) / 10
        assert abs(found.mean() - run.mean) < 4 * error


def test_what_a_class_says_of_its_index_does_not_hold_for_another_one():
    class Renamed(sa.KnowledgeGradient):
        name = "renamed"

    assert sa.KnowledgeGradient.anytime
    assert Renamed.anytime
    assert not GainOfTheBudget.anytime
    assert not sa.Whittle.anytime


@pytest.mark.parametrize("seen", [lambda x: x.remaining, lambda x: x.problem.budget, lambda x: x.problem.cap[x.item]])
def test_index_that_is_said_not_to_see_the_budget_and_does_breaks_the_contract(seen):
    class Claiming(sa.IndexPolicy):
        name = "claiming"
        anytime = True

        def index(self, states):
            return seen(states) + 0.0 * states.labels

    with pytest.raises(sa.ConformanceError) as caught:
        sa.check_policy(Claiming())
    assert any("anytime" in fault for fault in caught.value.faults)


@pytest.mark.parametrize(
    "belief",
    [sa.Beta(1, 1), sa.BetaMixture([1.0], [1.0], [1.0]), sa.NoisyBeta(1, 1, 0.1), sa.Grid([0.2, 0.6], [1, 1])],
    ids=lambda x: x.kind,
)
def test_tables_and_means_of_a_derived_belief_follow_its_own_formula(belief):
    class Risen(type(belief)):
        kind = "risen"

        def at(self, labels, wins, threshold):
            return sa.Beta(3, 1).at(labels, wins, threshold)

    risen = Risen(**{field.name: getattr(belief, field.name) for field in fields(belief)})
    mine, plain = (sa.Problem([0.5, 0.6, 0.7], 5, prior=prior) for prior in (risen, (3, 1)))
    assert risen.mean == 0.75
    assert sa.solve(mine).value == pytest.approx(sa.solve(plain).value, abs=1e-12)
    assert sa.evaluate(mine, "kg").value == pytest.approx(sa.evaluate(plain, "kg").value, abs=1e-12)
    assert sa.upper_bound(mine).value == pytest.approx(sa.upper_bound(plain).value, rel=1e-9)


def _all(self, problem, *of):
    return np.ones(problem.size)


@pytest.mark.parametrize(
    ("base", "methods", "wanted"),
    [
        (sa.KnowledgeGradient, {"action_probabilities": _all}, "has action_probabilities, which is for .* JointPolicy"),
        (sa.KnowledgeGradient, {"stops": _all}, "has stops, which is for classes that derive from JointPolicy"),
        (sa.KnowledgeGradient, {"allowed": _all}, "has allowed, which is for classes that derive from JointPolicy"),
        (sa.Policy, {"scores": _all, "action_probabilities": _all}, "has action_probabilities, which is for .* Joint"),
        (sa.Policy, {"scores": _all, "index": _all}, "has index, which is for classes that derive from IndexPolicy"),
    ],
)
def test_methods_that_one_part_would_ask_for_and_another_not_are_refused(base, methods, wanted):
    with pytest.raises(TypeError, match=f"Mine {wanted}"):
        type("Mine", (base,), {"name": "mine"} | methods)


@pytest.mark.parametrize(
    "base",
    [
        (sa.RiskWeighted, "kg", [1, 1, 1]),
        (sa.EpsilonAudit, "kg"),
        (sa.SoftmaxAudit, "kg"),
        (sa.MinimumCoverage, "kg", list("aab"), 0),
        (sa.Rollout, "kg"),
        (sa.StopWhen, "kg", "never"),
    ],
    ids=lambda x: x[0].__name__,
)
def test_stops_of_a_class_derived_from_a_wrapper_counts_everywhere(base):
    def stops(self, problem, counts, wins, usable):
        return counts.sum(axis=1) >= 3

    policy = type("Brief", (base[0],), {"name": "brief", "stops": stops})(*base[1:])
    assert sa.expected_labels(PROBLEM, policy).sum() == pytest.approx(3)
    found = sa.simulate(PROBLEM, policy, seed=1, replications=400)
    assert found.labels.sum() == pytest.approx(3)
    assert abs(found.mean - sa.evaluate(PROBLEM, policy).value) < 4.5 * found.standard_error
    session = sa.Session(PROBLEM, policy, seed=1)
    for _ in range(3):
        session.tell(session.ask(), 1)
    with pytest.raises(sa.BudgetSpent, match="brief buys no further label"):
        session.ask()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (lambda p: 1e6 + 0.02 * np.maximum(p, 1 - p), lambda p: 1e6 - 0.02 * np.maximum(p, 1 - p)),
        (lambda p: 1e-50 * np.maximum(p, 1 - p), lambda p: 1e-50 * p * p),
        (lambda p: 1e60 * (1 + np.maximum(p, 1 - p)), lambda p: 1e60 * (1 + p * p)),
        (lambda p: 1e-50 * p, lambda p: 2e-50 * p),
        (lambda p: p + 0.0, lambda p: p + 1.0),
        (lambda p: np.zeros(p.shape), lambda p: np.ones(p.shape)),
    ],
)
def test_payoffs_of_any_unit_have_digests_of_their_own(one, other):
    assert sa.Problem([0.5, 0.7], 4, utility=one).digest() != sa.Problem([0.5, 0.7], 4, utility=other).digest()


@pytest.mark.parametrize("names", [("b", "a"), ("B", "A"), ("beta", "alpha")])
def test_parameters_with_names_go_by_their_names(names):
    frame = pd.DataFrame([[1.0, 5.0], [2.0, 7.0]], columns=names)
    assert sa.Problem([0.5, 0.6], 4, prior=frame).prior.tolist() == [[5.0, 1.0], [7.0, 2.0]]
    assert sa.Problem([0.5, 0.6], 4, prior=frame.iloc[0]).prior.tolist() == [[5.0, 1.0]] * 2
    assert sa.Problem([0.5, 0.6], 4, prior=frame[[names[1], names[0]]]).prior.tolist() == [[5.0, 1.0], [7.0, 2.0]]


def test_parameters_of_other_names_are_refused():
    with pytest.raises(ValueError, match="prior has the columns 'wins', 'losses'; they must be a and b"):
        sa.Problem([0.5, 0.6], 4, prior=pd.DataFrame([[1.0, 5.0]] * 2, columns=["wins", "losses"]))


@pytest.mark.parametrize(
    "make",
    [
        lambda: sa.largest_learnable_beta(pd.Series([1.0, 2.0], X), pd.Series([0.9, 0.8], Y)),
        lambda: sa.log_ratio(
            [-1.0, -2.0], pd.Series([-2.0, -1.0], X), length_win=pd.Series([3, 4], Y), length_lose=[1, 2]
        ),
        lambda: sa.Grid(pd.Series([0.2, 0.8], X), pd.Series([1.0, 2.0], Y)),
        lambda: sa.BetaMixture(pd.Series([0.2, 0.8], X), pd.Series([1.0, 2.0], Y), [1.0, 1.0]),
        lambda: sa.Problem([0.5, 0.6], 4).tail_at(pd.Series([1, 2], X), pd.Series([0, 1], Y)),
        lambda: sa.states_at(sa.Problem([0.5, 0.6], 4), np.arange(2), pd.Series([1, 2], X), pd.Series([0, 1], Y)),
    ],
)
def test_columns_in_another_order_are_refused_at_every_door(make):
    with pytest.raises(ValueError, match=r"is labelled 'y'.*give both in one order, or without labels"):
        make()


def test_cells_that_are_no_names_are_refused():
    for column in ("item", "rater"):
        frame = pd.DataFrame({"item": ["a", "b"], "rater": ["x", "y"], "label": [1, 0]}).astype({column: object})
        frame.at[0, column] = ["x"]
        with pytest.raises(ValueError, match=f"row 0: {column} .*is .*'x'.*; allowed: a name that is not blank"):
            sa.LabelSet.from_frame(frame)


def test_a_session_that_has_stopped_is_stopped_when_it_is_loaded(tmp_path):
    problem = sa.Problem([0.5, 0.35], 2, label_price=0.2, utility="linear")
    session = sa.Session(problem, "exact", seed=1)
    for _ in range(2):
        with pytest.raises(sa.BudgetSpent):
            session.ask()
    session.save(tmp_path / "s.json")
    assert session.stopped
    assert sa.Session.load(tmp_path / "s.json", problem, "exact").stopped
