"""At most K labels: stopping in the optimum, in policies, in bounds and in allocations."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.family import Case, Item, Oracle, arrays, counts_of
from oracles.family_cases import families

import seqaudit as sa
from seqaudit.bandits.simulation.seeds import replication_keys
from seqaudit.bandits.simulation.simulate import PriorNature, spend
from seqaudit.dp.single_item.paying import fewest_that_pay

STOPPING = [
    Case((Item(0.04),), 3, "decisive"),
    Case((Item(0.5), Item(0.7)), 5, label_price=0.04),
    Case((Item(0.5, reward=-0.125), Item(0.6)), 5),
    Case((Item(0.5), Item(0.6), Item(0.7)), 4, "variance", (((0, 1), 2),), label_price=0.0625),
    Case((Item(0.5, cost=1.5), Item(0.6), Item(0.6)), 4.5, "entropy", label_price=0.05),
]


@pytest.mark.smoke
def test_a_decisive_item_is_left_alone():
    problem = sa.Problem([0.04], 3, utility=sa.Decisive(0.05))
    solution = sa.solve(problem, keep_policy=True)
    assert solution.value == 1.0
    assert solution.action() == -1
    assert solution.optimal_items().size == 0
    three = sa.Problem([0.05, 0.5, 0.95], 8, utility=sa.Decisive(0.05))
    assert sa.solve(three).value == pytest.approx(2.542857142857143, abs=1e-14)


def test_labels_that_are_never_worth_their_price_are_not_bought():
    problem = sa.Problem([0.5, 0.6], 4, label_price=1.0)
    assert sa.solve(problem).value == problem.prior_value == sa.upper_bound(problem).value == sa.allocate(problem).value
    forced = problem.replace(quota=[([0], 2)])
    assert sa.solve(forced).value == pytest.approx(sa.solve(sa.Problem([0.5], 2)).value + 0.6 - 2.0)


@pytest.mark.parametrize("case", STOPPING, ids=range(len(STOPPING)))
@pytest.mark.parametrize("reduce", [False, "dead", "identical", True])
def test_every_engine_stops_alike(case, reduce):
    solution = sa.solve(case.stated(), reduce=reduce)
    assert solution.value == pytest.approx(Oracle(case).optimum()[0], abs=1e-12)
    single = sa.solve(case.stated(), dtype="float32", reduce=reduce)
    assert single.value == pytest.approx(solution.value, abs=1e-5)


@pytest.mark.parametrize("utility", ["accuracy", "asymmetric", "variance", "entropy", "linear"])
def test_stopping_cannot_matter_where_no_label_does_harm(utility):
    problem = sa.Problem([0.5, 0.7], 4, utility=utility, reward=[0.0, 0.5])
    assert not problem.may_stop
    assert problem.replace(label_price=0.1).may_stop
    assert problem.replace(reward=[0.0, -0.5]).may_stop
    assert problem.replace(utility=sa.Decisive(0.1)).may_stop
    assert problem.replace(utility=lambda p: -abs(p - 0.5)).may_stop


@settings(max_examples=60)
@given(families(batch=False))
def test_one_allocation_for_all_is_never_above_the_optimum(case):
    problem = case.stated()
    assert sa.allocate(problem).value <= sa.solve(problem).value + 1e-11


@settings(max_examples=40)
@given(families(batch=False, shrink=1))
def test_bounds_are_never_below_the_optimum(case):
    problem = case.stated()
    best = sa.solve(problem).value
    assert sa.upper_bound(problem).value >= best - 1e-11
    if problem.cap.sum() <= 8 and problem.unit_costs:
        bound = sa.upper_bound(problem, "information-relaxation")
        assert bound.standard_error == 0
        assert bound.value >= best - 1e-11


def further(case: Case, state, i: int) -> int:
    """Labels of item i that cap and budget still allow."""
    n = counts_of(state)
    left = int((case.purse - case.spent(n)) // case.items[i].cost)
    return min(case.caps[i] - n[i], left)


def worths(case: Case, *, adaptive: bool):
    """Worth of m further labels of an item alone, by plain recursion."""
    oracle = Oracle(case)

    @cache
    def worth(i: int, n: int, w: int, m: int) -> float:
        if m == 0:
            return 0.0
        item, mu = case.items[i], float(case.items[i].prior.mean(n, w))
        now, up, down = (oracle._payoff(i, *at, "working") for at in ((n, w), (n + 1, w + 1), (n + 1, w)))
        gain = mu * (up + item.reward) + (1 - mu) * down - now - case.label_price * item.cost
        value = gain + mu * worth(i, n + 1, w + 1, m - 1) + (1 - mu) * worth(i, n + 1, w, m - 1)
        return max(value, 0.0) if adaptive else value

    return worth


def stop_rule(case: Case, rule: str):
    """States in which a rule stops: no item is worth any of its further labels."""
    worth = worths(case, adaptive=rule == "bound")

    def stops(state) -> bool:
        if rule == "never" or not case.met(counts_of(state)):
            return False
        return all(
            worth(i, *state[i], m) <= 1e-12
            for d in case.moves(counts_of(state))
            for i in [d.index(1)]
            for m in range(1, further(case, state, i) + 1)
        )

    return stops


@pytest.mark.parametrize("rule", ["never", "gain", "bound"])
@pytest.mark.parametrize("name", ["kg", "variance-reduction", "uniform"])
@settings(max_examples=12)
@given(case=families(batch=False, shrink=1))
def test_value_of_a_policy_that_stops_agrees_with_plain_python(name, rule, case):
    oracle, stops = Oracle(case), stop_rule(case, rule)
    chosen = oracle.index_rule(name)
    expected = oracle.value_of(lambda state: {} if stops(state) else chosen(state))
    policy = sa.StopWhen(name, rule)
    assert sa.evaluate(case.stated(), policy).value == pytest.approx(float(expected), abs=1e-10)
    found = sa.passage(case.stated(), policy)
    assert found.ended.sum(axis=(1, 2)) == pytest.approx(1.0)


@settings(max_examples=40)
@given(families(batch=False, quotas=0, shrink=1))
def test_it_is_optimal_to_stop_exactly_where_no_item_alone_is_worth_a_label(case):
    oracle, stops = Oracle(case), stop_rule(case, "bound")
    (value, best), optimal = oracle.optimum(), oracle.optimal_rule()
    stopping = oracle.value_of(lambda state: {} if stops(state) else optimal(state))
    assert stopping == pytest.approx(value, abs=1e-11)
    for state, items in best.items():
        counts, wins = (np.asarray(x)[None, :] for x in arrays(state))
        usable = np.array([[any(d[i] for d in case.moves(counts_of(state))) for i in range(len(state))]])
        said = bool(sa.StopWhen("uniform").stops(case.stated(), counts, wins, usable)[0])
        assert said == stops(state)
        assert said or items, "buying goes on where an item is worth a label"


@pytest.mark.parametrize("case", STOPPING, ids=range(len(STOPPING)))
def test_exact_policy_stops_where_the_optimum_does(case):
    problem = case.stated()
    assert sa.evaluate(problem, sa.Exact()).value == pytest.approx(sa.solve(problem).value, abs=1e-12)
    mean = sa.simulate(problem, sa.Exact(), replications=2000, seed=7)
    assert abs(mean.mean - sa.solve(problem).value) <= 4.5 * mean.standard_error + 1e-12


@pytest.mark.parametrize("adaptive", [False, True])
def test_fewest_labels_that_pay_agree_with_plain_recursion(adaptive):
    case = Case((Item(0.7),), 8, label_price=0.01)
    worth = worths(case, adaptive=adaptive)
    found = fewest_that_pay(case.stated(), 0, 8, adaptive=adaptive)
    for n in range(9):
        for w in range(n + 1):
            paying = [m for m in range(1, 9 - n) if worth(0, n, w, m) > 1e-12]
            assert found[n, w] == (paying[0] if paying else 0)


@pytest.mark.parametrize("rule", ["gain", "bound"])
def test_policies_that_stop_conform(rule):
    sa.check_policy(sa.StopWhen("variance-reduction", rule))


def test_batches_stop_between_batches_and_not_within():
    problem = sa.Problem([0.5, 0.6], 4, batch=2, label_price=0.05)
    case = Case((Item(0.5), Item(0.6)), 4, batch=2, label_price=0.05)
    solution = sa.solve(problem, keep_policy=True)
    assert solution.value == pytest.approx(Oracle(case).optimum()[0], abs=1e-12)
    seeds, keys = replication_keys(7, 200)
    counts, _ = spend(problem, sa.StopWhen("kg"), PriorNature.draw(problem, seeds, keys), keys)
    assert set(counts.sum(axis=1).tolist()) == {2, 4}


def test_operating_characteristics_count_what_ends_early():
    problem = sa.Problem([0.5, 0.7], 6, label_price=0.04)
    found = sa.operating_characteristics(problem, sa.StopWhen("kg"), alpha=[0.2, 0.8])
    assert found.labels_probability.sum("labels").values == pytest.approx(1.0)
    assert float(found.mean_labels.sum("item").max()) < 6


def test_session_says_that_its_policy_stops():
    problem = sa.Problem([0.5, 0.7], 6, label_price=0.2)
    session = sa.Session(problem, sa.StopWhen("kg"), seed=7)
    session.tell(session.ask(), 1)
    with pytest.raises(sa.BudgetSpent, match=r"^stop-when buys no further label: 1 entered$"):
        session.ask()
    assert session.stopped
    assert session.remaining == 5


@pytest.mark.parametrize("answer", [True, np.array([1]), np.array([True, False, True])], ids=str)
def test_what_a_policy_says_of_stopping_is_checked(answer):
    class Says:
        name = "says"

        def action_probabilities(self, problem, counts, wins, usable):
            return usable / usable.sum(axis=1, keepdims=True)

        def stops(self, problem, counts, wins, usable):
            return answer

    with pytest.raises(ValueError, match=r"^says: stops has shape .* and type .*; it must be \(1,\) and bool$"):
        sa.evaluate(sa.Problem([0.5], 2), Says())


def test_a_label_price_is_the_least_price_of_the_bound_however_many_labels(monkeypatch):
    # Above this size the price is sought from above, so that not all labels need be bought.
    problem = sa.Problem([0.5, 0.6, 0.7], 12, label_price=0.01)
    sought = sa.upper_bound(problem)
    monkeypatch.setattr("seqaudit.dp.bounds.upper_bound._SMALL", 0.0)
    found = sa.upper_bound(problem)
    assert found.value == pytest.approx(sought.value, abs=1e-12)
    assert found.price >= 0.01


@pytest.mark.parametrize("price", [-0.1, float("nan"), float("inf"), "free", True])
def test_a_price_is_a_number_that_is_not_negative(price):
    with pytest.raises(sa.ProblemError, match="label_price"):
        sa.Problem([0.5], 2, label_price=price)


def test_a_price_is_kept_in_files_and_copies(tmp_path):
    problem = sa.Problem([0.5, 0.7], 6, label_price=0.04, cost=[1, 2])
    problem.to_toml(tmp_path / "problem.toml")
    assert sa.Problem.from_toml(tmp_path / "problem.toml") == problem
    assert problem.replace(budget=9).label_price == 0.04
    assert problem.digest() != problem.replace(label_price=0.05).digest()
    assert problem != problem.replace(label_price=0.05)


@settings(max_examples=20)
@given(families(batch=False, fee=st.just(0.0)), st.sampled_from((0.5, 2.0)))
def test_price_and_payoffs_have_one_unit(case, factor):
    priced = case.stated(label_price=0.05)
    scaled = priced.replace(
        weight=priced.weight * factor, reward=priced.reward * factor, label_price=priced.label_price * factor
    )
    assert sa.solve(scaled).value == pytest.approx(factor * sa.solve(priced).value, rel=1e-12, abs=1e-13)


def test_a_utility_with_another_payoff_is_not_taken_for_convex():
    class Dip(sa.Accuracy):
        name = "dip"

        def __call__(self, p):
            return -np.abs(p - 0.5)

    assert not sa.Problem([0.5], 2).may_stop
    assert sa.Problem([0.5], 2, utility=Dip()).may_stop
