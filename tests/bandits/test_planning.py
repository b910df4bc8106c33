"""Planning policies: what is exact about them, what is estimated, and what they may not do."""

from __future__ import annotations

import time
from functools import cache

import numpy as np
import pytest

import seqaudit as sa
from seqaudit.bandits.planning.lookahead import values_fit
from seqaudit.bandits.planning.rollout import state_seeds
from seqaudit.dp.evaluation.state_values import PolicyValues
from seqaudit.dp.problem.availability import Availability
from seqaudit.dp.problem.states import states_of_item

UTILITIES = ["accuracy", sa.Asymmetric(1, 3), "variance", "entropy", sa.Decisive(0.05)]
BASES = ["uniform", "audit-index", "kg", "whittle", "lagrangian", "thompson"]


def random_problem(seed, utility="accuracy", *, constrained=False):
    """Two or three items and three to six labels; with costs, caps and a quota if asked for."""
    rng = np.random.default_rng([seed, 77])
    size = int(rng.integers(2, 4))
    fields = {
        "threshold": rng.uniform(0.1, 0.9, size),
        "budget": int(rng.integers(3, 7)),
        "weight": rng.uniform(0.5, 2, size),
        "utility": utility,
    }
    if rng.random() < 0.5:
        fields["prior"] = rng.uniform(0.5, 4, (size, 2))
    if constrained:
        fields |= {"cost": rng.choice([0.5, 1.0, 1.5], size), "cap": rng.integers(1, 5, size), "quota": [([0], 1)]}
    return sa.Problem(**fields)


def start(problem):
    """Labels, wins and availability before the first label."""
    none = np.zeros((1, problem.size), dtype=np.int64)
    return none, none, Availability(problem).items(none)


def planned(problem, depth, leaf):
    """Advantages of all items at the start, by plain recursion; ``leaf(counts, wins)`` values the last states."""
    rules = Availability(problem)
    tables = [states_of_item(problem, i) for i in range(problem.size)]
    means, payoffs = [x.mean for x in tables], [np.broadcast_to(x.payoff, x.mean.shape) for x in tables]

    @cache
    def of_item(i, n, w, d):
        mean = means[i][n[i], w[i]]
        more = tuple(x + (k == i) for k, x in enumerate(n))
        won = tuple(x + (k == i) for k, x in enumerate(w))
        after_win, after_loss = payoffs[i][more[i], won[i]], payoffs[i][more[i], w[i]]
        gain = mean * after_win + (1 - mean) * after_loss - payoffs[i][n[i], w[i]]
        return gain + mean * worth(more, won, d - 1) + (1 - mean) * worth(more, w, d - 1)

    @cache
    def worth(n, w, d):
        free = np.flatnonzero(rules.items(np.array([n]))[0])
        if not free.size:
            return 0.0
        return leaf(n, w) if d == 0 else max(of_item(int(i), n, w, d) for i in free)

    nothing = (0,) * problem.size
    free = rules.items(np.array([nothing]))[0]
    return np.array([of_item(i, nothing, nothing, depth) if free[i] else -np.inf for i in range(problem.size)])


@pytest.mark.parametrize("constrained", [False, True])
@pytest.mark.parametrize("utility", UTILITIES, ids=str)
def test_rollout_is_never_below_its_base_and_full_lookahead_is_the_optimum(utility, constrained):
    for seed in range(50 if not constrained else 20):
        problem = random_problem(seed, utility, constrained=constrained)
        best = sa.solve(problem).value
        full = sa.evaluate(problem, sa.Lookahead(problem.labels)).value
        # It spends the budget, which is optimal where no label does harm.
        assert full <= best + 1e-12 if problem.may_stop else full == pytest.approx(best, abs=1e-12)
        base = BASES[seed % len(BASES)]
        below = sa.evaluate(problem, sa.make_policy(base)).value
        assert below - 1e-12 <= sa.evaluate(problem, sa.Rollout(base)).value <= best + 1e-12


@pytest.mark.parametrize("leaf", ["payoff", "bound", "kg"])
@pytest.mark.parametrize("constrained", [False, True])
def test_lookahead_agrees_with_plain_recursion(leaf, constrained):
    for seed in range(12):
        problem = random_problem(seed, UTILITIES[seed % 5], constrained=constrained)
        if leaf == "kg":
            values = PolicyValues(problem, sa.KnowledgeGradient())
        for depth in (1, 2, 3):

            def worth(n, w, problem=problem, depth=depth):
                n, w = np.array([n]), np.array([w])
                if leaf == "bound":
                    return float(sa.Lagrangian().bounds(problem, n, w)[0])
                return float(values.at(n, w)[0]) if leaf == "kg" else 0.0  # noqa: B023

            found = sa.Lookahead(depth, leaf).values(problem, *start(problem))[0]
            assert found == pytest.approx(planned(problem, depth, worth), abs=1e-12)


def test_lagrangian_bounds_are_bounds_and_agree_with_the_bound_of_the_problem():
    for seed in range(20):
        problem = random_problem(seed, UTILITIES[seed % 5])
        none, _, _ = start(problem)
        bound = sa.Lagrangian().bounds(problem, none, none)[0]
        assert bound == pytest.approx(sa.upper_bound(problem).value - problem.prior_value, abs=1e-9)
        assert bound >= sa.solve(problem).value - problem.prior_value - 1e-12


@pytest.mark.parametrize("name", ["kg", "uniform", "lagrangian", "thompson"])
@pytest.mark.parametrize("constrained", [False, True])
def test_values_in_every_state_are_those_of_the_problem_that_is_left(name, constrained):
    problem = random_problem(3, constrained=constrained)
    policy = sa.make_policy(name)
    values = PolicyValues(problem, policy)
    none, _, usable = start(problem)
    whole = sa.evaluate(problem, policy).value - problem.prior_value
    assert values.at(none, none)[0] == pytest.approx(whole, abs=1e-13)
    of_labels = values.of_labels(none, none, usable)
    chosen = policy.action_probabilities(problem, none, none, usable) if name in ("lagrangian", "thompson") else None
    if chosen is not None:
        assert (chosen * np.where(usable, of_labels, 0)).sum() == pytest.approx(whole, abs=1e-13)
    if not constrained:
        # After a win of the first item the prior is another, and one label is spent.
        prior = np.array(problem.prior, dtype=float)
        prior[0, 0] += 1
        fields = {"threshold": problem.threshold, "weight": problem.weight, "prior": prior}
        rest = sa.Problem(**fields, budget=problem.budget - 1, utility=problem.utility)
        one = np.eye(1, problem.size, dtype=np.int64)
        assert values.at(one, one)[0] == pytest.approx(sa.evaluate(rest, policy).value - rest.prior_value, abs=1e-12)


def test_values_outside_the_problem_are_refused():
    values = PolicyValues(sa.Problem([0.5, 0.6], 3, cap=[1, 3]), sa.Uniform())
    for counts in ([[2, 0]], [[1, 3]], [[0, 9]]):
        with pytest.raises(ValueError, match=r"outside the problem|0 wins in . labels; allowed: 0 <= wins"):
            values.at(np.array(counts), np.zeros((1, 2), dtype=np.int64))


def test_candidates_are_the_best_of_the_shortlist():
    problem = sa.Problem(np.linspace(0.2, 0.9, 12), 30, weight=np.linspace(1, 2, 12))
    policy = sa.Lookahead(2, "payoff", candidates=3)
    found = policy.values(problem, *start(problem))[0]
    scores = sa.VarianceReduction().scores(problem, *start(problem)[:2])[0]
    assert set(np.flatnonzero(np.isfinite(found))) == set(np.argsort(-scores)[:3])
    few = sa.Problem(problem.threshold[np.isfinite(found)], 30, weight=problem.weight[np.isfinite(found)])
    assert found[np.isfinite(found)] == pytest.approx(sa.Lookahead(2, "payoff").values(few, *start(few))[0], abs=1e-14)


def test_simulated_rollout_estimates_the_exact_values(monkeypatch):
    # Four standard errors of the difference from the best candidate: false by chance for about 1 in 2,500 seeds.
    prior = [sa.Beta(1, 1), sa.NoisyBeta(1, 1, 0.1), sa.Beta(2, 1)]
    problem = sa.Problem([0.5, 0.7, 0.6], 8, cost=[1, 1, 1.5], prior=prior)
    policy = sa.Rollout("kg-star", runs=4000)
    exact = policy.values(problem, *start(problem))[0]
    values, errors = (x[0] for x in policy.estimates(problem, *start(problem)))
    best = int(np.argmax(values))
    apart = (values - values[best]) - (exact - exact[best])
    assert np.all(np.abs(apart) <= 4 * errors)
    assert values == pytest.approx(exact, abs=0.02)
    monkeypatch.setattr("seqaudit.bandits.planning.rollout.values_fit", lambda problem: False)
    assert policy.values(problem, *start(problem))[0].tolist() == values.tolist()


def test_simulated_rollout_beats_its_base_and_does_not_depend_on_company(monkeypatch):
    monkeypatch.setattr("seqaudit.bandits.planning.rollout.values_fit", lambda problem: False)
    problem = sa.Problem([0.5, 0.7, 0.4], 6)
    policy = sa.Rollout("uncertainty", runs=64)
    share = [
        (sa.evaluate(problem, p).value - problem.prior_value) / (sa.solve(problem).value - problem.prior_value)
        for p in (sa.UncertaintySampling(), policy)
    ]
    assert share[1] > share[0] + 0.05
    counts = np.array([[1, 0, 1], [0, 0, 0], [2, 1, 0]])
    wins = np.array([[1, 0, 0], [0, 0, 0], [1, 1, 0]])
    usable = np.ones(counts.shape, dtype=bool)
    together = policy.values(problem, counts, wins, usable)
    for s in (2, 0, 1):
        alone = policy.values(problem, counts[s : s + 1], wins[s : s + 1], usable[s : s + 1])
        assert alone[0].tolist() == together[s].tolist()
    other = sa.Rollout("uncertainty", runs=64, seed=1).values(problem, counts, wins, usable)
    assert not np.array_equal(other, together)


def test_runs_of_two_candidates_meet_the_same_chance():
    keys = state_seeds(3, np.array([1, 0]), np.array([0, 0]), 5)
    assert keys.tolist() == state_seeds(3, np.array([1, 0]), np.array([0, 0]), 8)[:5].tolist()
    assert keys.tolist() != state_seeds(3, np.array([0, 1]), np.array([0, 0]), 5).tolist()
    # Two items that are copies of each other, one label left: the runs differ in nothing but whose label it is.
    problem = sa.Problem([0.5, 0.5], 1)
    _, errors = sa.Rollout("kg", runs=50).estimates(problem, *start(problem))
    assert np.nanmin(errors) == 0.0
    assert np.isfinite(errors).all()


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: sa.Lookahead(0), "depth is 0; it must be a whole number, at least 1"),
        (lambda: sa.Lookahead(candidates=1.5), "candidates is 1.5"),
        (lambda: sa.Lookahead(leaf="boundd"), "leaf is 'boundd'; allowed: 'payoff', 'bound', a policy"),
        (lambda: sa.Lookahead(leaf=3), "leaf is 3"),
        (lambda: sa.Rollout("kgg"), "did you mean 'kg'"),
        (lambda: sa.Rollout(runs=0), "runs is 0"),
        (lambda: sa.Rollout(seed=-1), "seed is -1; it must be a whole number, at least 0"),
    ],
)
def test_wrong_settings_are_refused(make, says):
    with pytest.raises(ValueError, match=says):
        make()


def test_too_much_planning_is_refused_before_any_work():
    large = sa.Problem(np.linspace(0.2, 0.8, 200), 500)
    with pytest.raises(sa.ProblemTooLarge, match="take a smaller depth or fewer candidates"):
        sa.Lookahead(12, candidates=20).require(large)
    with pytest.raises(sa.ProblemTooLarge, match="take leaf='payoff' or leaf='bound'"):
        sa.Lookahead(1, "kg").require(large)
    sa.Lookahead(2).require(large)
    sa.Rollout().require(large)


def test_planning_policies_work_in_sessions_with_answers_outstanding():
    problem = sa.Problem(np.linspace(0.2, 0.8, 6), 8, cost=[1, 1, 2, 1, 1, 1], batch=1)
    for policy in (sa.Lookahead(2, "bound"), sa.Rollout(runs=4), sa.Thompson()):
        session = sa.Session(problem, policy, seed=3)
        first, second = session.ask(), session.ask()
        assert first != second
        session.tell(second, 1)
        session.tell(first, 0)
        while session.remaining:
            session.tell(session.ask(), 1)
        assert session.budget_left < 1


def test_whether_values_fit_is_known_at_once_and_the_same_everywhere(monkeypatch):
    dear = sa.Problem(np.linspace(0.3, 0.7, 40), 20, cost=np.r_[10.0, np.ones(39)])
    tied = sa.Problem(np.linspace(0.3, 0.7, 50), 40, cost=np.r_[np.ones(25), np.full(25, 2.0)], quota=[([0, 30], 3)])
    for problem in (dear, tied, sa.Problem([0.5], 100_000), sa.Problem(np.linspace(0.2, 0.8, 100_000), 1_000_000)):
        begin = time.perf_counter()
        assert not values_fit(problem)
        sa.Rollout("kg").require(problem)
        with pytest.raises(sa.ProblemTooLarge, match="take leaf='payoff' or leaf='bound'"):
            sa.Lookahead(1, "kg").require(problem)
        # Enumerating suffixes would take tens of seconds.
        assert time.perf_counter() - begin < 10
    small = sa.Problem([0.5, 0.6, 0.7], 9, cost=[1, 2, 1], quota=[([0], 1)])
    with monkeypatch.context() as patch:
        patch.setattr("seqaudit.posteriors.foundation.memory.available_memory", lambda: 0)
        values_fit.cache_clear()
        assert values_fit(small)
    assert sa.simulate(dear, sa.Rollout("kg", runs=2, candidates=2), replications=1, seed=1).labels.sum() > 10


@pytest.mark.parametrize("make", [sa.Lookahead, sa.Rollout])
def test_a_shortlist_that_cannot_be_had_is_refused_before_any_work(make):
    large = sa.Problem(np.linspace(0.2, 0.8, 60), 300)
    with pytest.raises(sa.ProblemTooLarge):
        make(shortlist="exact").require(large)
    with pytest.raises(ValueError, match="batch is 2"):
        make(shortlist="exact").require(sa.Problem(np.linspace(0.2, 0.8, 12), 6, batch=2))
    make(shortlist="exact").require(sa.Problem([0.5, 0.6], 6))


@pytest.mark.deep
def test_simulated_rollout_runs_its_base_in_batches():
    for batch in (1, 4, 8):
        problem = sa.Problem([0.5, 0.6, 0.7], 8, batch=batch)
        policy = sa.Rollout("kg-star", runs=3000)
        best = policy.estimates(problem, *start(problem))[0].max()
        base = sa.simulate(problem, "kg-star", replications=3000, seed=5)
        # The best first label is not worse than the base's, and in one batch not much better. Four standard errors.
        gained = base.mean - problem.prior_value
        assert gained - 6 * base.standard_error < best < gained + 6 * base.standard_error + 0.03


def test_states_without_any_value_are_shared_out_evenly():
    covered = sa.MinimumCoverage("lookahead", ["a", "a", "b"], {"b": 3})
    for base in ("lookahead", "rollout", "tree-search(simulations=20)", "lagrangian", "thompson", "kg"):
        covered = sa.MinimumCoverage(base, ["a", "a", "b"], {"b": 3})
        session = sa.Session(sa.Problem([0.5, 0.5, 0.99], 4), covered, seed=1)
        session.tell(0, 1)
        session.tell(0, 1)
        assert [session.ask(), session.ask()] == [2, 2]
        problem = sa.Problem([0.5, 0.6, 0.9], 4)
        best = sa.solve(problem).value
        for around in (sa.EpsilonAudit(covered), sa.Rollout(covered)):
            assert problem.prior_value <= sa.evaluate(problem, around).value <= best + 1e-12
