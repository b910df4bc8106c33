"""Problems with a shared parameter against a recursion over histories, and against independent items."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import shared as oracle

import seqaudit as sa

BEST = "best"


@st.composite
def problems(draw, labels=4):
    """A problem, and the same in plain Python."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    points, queries = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    chance = rng.uniform(size=(points, queries))
    if draw(st.booleans()):
        chance = chance.round(1)
    weights = rng.integers(0, 4, size=points).astype(float)
    weights[rng.integers(points)] += 1.0
    budget = draw(st.integers(2, labels))
    cost = rng.choice([0.5, 1.0, 1.5], size=queries) if draw(st.booleans()) else np.ones(queries)
    cap = rng.integers(1, 4, size=queries)
    price = draw(st.sampled_from([0.0, 0.0, 0.02]))
    options = draw(st.integers(1, 3))
    table = rng.normal(size=(points, options))
    group = rng.integers(0, 2, size=options).tolist()
    kind = draw(st.sampled_from(["best", "regularised", "threshold", "callable"]))
    payoff, plain = payoffs(kind, rng, table, group)
    prior = tuple(float(x) for x in weights / weights.sum())
    problem = sa.SharedProblem(chance, budget, payoff, weights=weights, cost=cost, cap=cap, label_price=price)
    limits = [min(int(k), budget) if c == 1.0 else int(k) for k, c in zip(cap, cost, strict=True)]
    return problem, oracle.Shared(chance.tolist(), prior, budget, plain, cost.tolist(), limits, price)


def payoffs(kind, rng, table, group):
    """A payoff, and the same in plain Python."""
    rows, options = table.tolist(), range(table.shape[1])

    def mean(belief, m):
        return math.fsum(b * row[m] for b, row in zip(belief, rows, strict=True))

    together = {k: [m for m in options if group[m] == k] for k in set(group)}
    if kind == "best":
        return sa.BestChoice(table, group), lambda b: sum(max(mean(b, m) for m in some) for some in together.values())
    if kind == "regularised":
        reference = np.empty(len(group))
        for some in together.values():
            reference[some] = rng.dirichlet(np.ones(len(some)))
        reference = np.maximum(reference, 1e-3)
        for some in together.values():
            reference[some] /= reference[some].sum()
        return sa.RegularisedChoice(table, reference, 0.7, group), lambda b: sum(
            0.7 * math.log(math.fsum(reference[m] * math.exp(mean(b, m) / 0.7) for m in some))
            for some in together.values()
        )
    if kind == "threshold":
        bars, weight = rng.normal(size=len(group)), rng.uniform(size=len(group))

        def decided(b):
            tails = [math.fsum(x for x, row in zip(b, rows, strict=True) if row[m] > bars[m]) for m in options]
            return math.fsum(v * max(p, 1.0 - p) for v, p in zip(weight, tails, strict=True))

        return sa.ThresholdDecisions(table, bars, weight), decided
    return (lambda belief: (belief**2).sum(axis=1)), lambda b: math.fsum(x * x for x in b)


def kg(states):
    """Chance of a query, as a score that is not the same at all points."""
    return states.chance * np.arange(1, states.chance.shape[1] + 1)


def plain_kg(problem, belief, counts, wins, can):
    scores = {q: (q + 1) * math.fsum(b * row[q] for b, row in zip(belief, problem.chance, strict=True)) for q in can}
    best = max(scores.values())
    ties = [q for q, x in scores.items() if x >= best - 1e-12 * max(1.0, abs(best))]
    return {q: 1.0 / len(ties) for q in ties}


class Uneven:
    """Randomised rule that looks at labels and wins."""

    name = "uneven"

    def probabilities(self, states):
        weight = (1.0 + states.counts + 2.0 * states.wins) * states.available
        return weight / weight.sum(axis=1, keepdims=True)


def plain_uneven(problem, belief, counts, wins, can):
    weight = {q: 1.0 + counts[q] + 2.0 * wins[q] for q in can}
    return {q: x / sum(weight.values()) for q, x in weight.items()}


@given(pair=problems())
@settings(max_examples=100)
def test_optimum_and_rules_are_those_of_the_recursion_over_histories(pair):
    problem, plain = pair
    solution = sa.solve(problem, keep_policy=True)
    assert solution.value == pytest.approx(oracle.optimum(plain), abs=1e-10)
    assert sa.solve(problem).value == solution.value
    assert solution.prior_value == pytest.approx(plain.payoff(plain.prior), abs=1e-12)
    for rule, other in ((kg, plain_kg), (Uneven(), plain_uneven)):
        found = sa.evaluate(problem, rule)
        assert found.value == pytest.approx(oracle.value(plain, other), abs=1e-10)
        assert found.value <= solution.value + 1e-12


def product_problem(problem, points):
    """A problem of independent items as one whose parameter is the vector of all rates, each on a few points."""
    grids = [sa.Grid(tuple(x), tuple(p)) for x, p in points]
    items = sa.Problem(**problem, prior=grids)
    axes = np.meshgrid(*[np.array(x) for x, _ in points], indexing="ij")
    weight = math.prod(np.meshgrid(*[np.array(p) for _, p in points], indexing="ij"))
    rates = np.column_stack([x.ravel() for x in axes])
    payoff = sa.ThresholdDecisions(rates, items.threshold, items.weight)
    fields = {"cost": items.cost, "cap": items.cap, "label_price": items.label_price}
    return items, sa.SharedProblem(rates, items.budget, payoff, weights=weight.ravel(), **fields)


@given(seed=st.integers(0, 2**32))
@settings(max_examples=25)
def test_with_independent_rates_it_is_the_problem_of_independent_items(seed):
    rng = np.random.default_rng(seed)
    size = int(rng.integers(1, 4))
    points = [(np.sort(rng.uniform(0.05, 0.95, 3)).round(3).tolist(), rng.dirichlet(np.ones(3)).tolist())] * size
    points = [(x, rng.dirichlet(np.ones(3)).tolist()) for x, _ in points]
    cost = [1.0] * size if rng.random() < 0.5 else rng.choice([1.0, 1.5], size).tolist()
    price = float(rng.choice([0.0, 0.01]))
    stated = {"threshold": rng.uniform(0.2, 0.8, size).round(4).tolist(), "weight": rng.uniform(0.5, 2, size).tolist()}
    stated |= {"budget": 5, "cost": cost, "cap": rng.integers(1, 5, size).tolist(), "label_price": price}
    items, shared = product_problem(stated, points)
    whole, joint = sa.solve(items, keep_policy=True), sa.solve(shared, keep_policy=True)
    assert joint.value == pytest.approx(whole.value, abs=1e-12)
    assert joint.states == sa.solve(items, reduce=False).states
    start = np.zeros(size, dtype=int)
    assert joint.optimal_queries().tolist() == whole.optimal_items(start, start).tolist()
    if shared.labels > size:
        n = np.eye(size, dtype=int)[0]
        assert joint.optimal_queries(n, n).tolist() == whole.optimal_items(n, n).tolist()


@given(pair=problems(labels=2))
@settings(max_examples=40)
def test_the_gain_of_a_label_is_the_rise_of_the_expected_payoff(pair):
    problem, plain = pair
    found = []

    def look(states):
        found.append(states)
        return states.gain

    sa.evaluate(problem, look)
    for states in found:
        for belief, gains, chances in zip(states.belief.tolist(), states.gain, states.chance, strict=True):
            if not any(belief):
                continue
            for q in range(problem.queries):
                answers = plain.answers(tuple(belief), q)
                after = math.fsum(p * plain.payoff(b) for p, _, b in answers)
                assert gains[q] == pytest.approx(after - plain.payoff(tuple(belief)), abs=1e-12)
                assert chances[q] == pytest.approx(math.fsum(p for p, won, _ in answers if won), abs=1e-12)


@given(pair=problems(labels=5))
@settings(max_examples=25)
def test_the_kept_policy_earns_the_optimum(pair):
    problem, _ = pair
    solution = sa.solve(problem, keep_policy=True)

    class Kept:
        name = "kept"

        def scores(self, states):
            rows = zip(states.counts, states.wins, strict=True)
            best = [solution.optimal_queries(n, w) for n, w in rows]
            return np.array([[0.0 if q in found else -1.0 for q in range(problem.queries)] for found in best])

        def stops(self, states):
            rows = zip(states.counts, states.wins, strict=True)
            return np.array([not len(solution.optimal_queries(n, w)) for n, w in rows])

    assert sa.evaluate(problem, Kept()).value == pytest.approx(solution.value, abs=1e-11)


@given(pair=problems(labels=4), seed=st.integers(0, 2**32))
@settings(max_examples=40)
def test_what_changes_nothing_changes_nothing(pair, seed):
    problem, _ = pair
    rng = np.random.default_rng(seed)
    value = sa.solve(problem).value
    fields = {"cost": problem.cost, "cap": problem.cap, "label_price": problem.label_price}
    order = rng.permutation(problem.queries)
    moved = {k: x if k == "label_price" else x[order] for k, x in fields.items()}
    again = sa.SharedProblem(problem.chance[:, order], problem.budget, problem.payoff, weights=problem.weights, **moved)
    assert sa.solve(again).value == pytest.approx(value, abs=1e-12)
    assert sa.solve(problem, threads=2).value == value
    # A query that says nothing, and a point without weight.
    blind = np.column_stack([problem.chance, np.full(problem.points, 0.3)])
    more = {k: x if k == "label_price" else np.append(x, 1) for k, x in fields.items()}
    if problem.label_price == 0.0 and np.all(problem.cost == 1.0):
        wider = sa.SharedProblem(blind, problem.budget, problem.payoff, weights=problem.weights, **more)
        assert sa.solve(wider).value >= value - 1e-12
    richer = sa.SharedProblem(
        problem.chance, 2 * problem.budget, problem.payoff, weights=problem.weights, **(fields | {"cap": None})
    )
    assert sa.solve(richer).value >= value - 1e-12


def test_mirrored_answers_change_nothing():
    rng = np.random.default_rng(3)
    chance, table = rng.uniform(size=(5, 2)), rng.normal(size=(5, 3))
    one, other = (sa.SharedProblem(x, 6, sa.BestChoice(table)) for x in (chance, 1.0 - chance))
    assert sa.solve(one).value == pytest.approx(sa.solve(other).value, abs=1e-12)


def test_one_hundred_labels_of_a_query_are_a_binomial_sum():
    chance = np.array([[0.3], [0.6], [0.62]])
    table = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.5]])
    weights = np.array([0.5, 0.2, 0.3])
    for labels in (1, 100, 900):
        problem = sa.SharedProblem(chance, labels, sa.BestChoice(table), weights=weights)
        wins = np.arange(labels + 1)
        joint = weights * np.exp(log_binomial(labels, wins)[:, None] + wins[:, None] * np.log(chance[:, 0])
                                 + (labels - wins)[:, None] * np.log(1.0 - chance[:, 0]))  # fmt: skip
        assert sa.solve(problem).value == pytest.approx((joint @ table).max(axis=1).sum(), rel=1e-11)


def log_binomial(n, k):
    from scipy.special import gammaln

    return gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)


def test_regularised_choice_is_the_value_of_the_best_policy_near_the_reference():
    rng = np.random.default_rng(5)
    table, reference, beta = rng.normal(size=(4, 3)), rng.dirichlet(np.ones(3)), 0.4
    belief = rng.dirichlet(np.ones(4))
    mean = belief @ table
    best = reference * np.exp(mean / beta)
    best /= best.sum()
    value = best @ mean - beta * (best @ np.log(best / reference))
    assert sa.RegularisedChoice(table, reference, beta).of(belief[None, :])[0] == pytest.approx(value)
    for _ in range(20):
        other = rng.dirichlet(np.ones(3))
        assert other @ mean - beta * (other @ np.log(other / reference)) <= value + 1e-12


def small(**fields):
    stated = {"chance": [[0.9, 0.5], [0.2, 0.5]], "budget": 3, "payoff": sa.BestChoice([[1.0, 0.0], [0.0, 1.0]])}
    return sa.SharedProblem(**(stated | fields))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"chance": [0.5, 0.5]}, "chance has shape (2,); it must have a row for each point"),
        ({"chance": [[0.5, 1.2], [0.5, 0.5]]}, "chance[0, 1] is 1.2; it must be from 0 to 1"),
        ({"chance": [[0.5, np.nan], [0.5, 0.5]]}, "chance[0, 1] is nan; it must be from 0 to 1"),
        ({"chance": [[0.5], [0.5, 0.5]]}, "chance[0] is [0.5]; it must be a number"),
        ({"weights": [0.0, 0.0]}, "weights sum to 0"),
        ({"weights": [1.0, -1.0]}, "weights[1] is -1.0; it must be at least 0 and finite"),
        ({"weights": [1.0]}, "weights has shape (1,); it must be a list of 2"),
        ({"budget": 0}, "budget is 0; it must be a whole number, at least 1"),
        ({"budget": 1.5}, "budget is 1.5; it must be a whole number, at least 1"),
        ({"budget": 1, "cost": [1.5, 2.0]}, "budget 1 buys no label; the cheapest costs 1.5"),
        ({"cap": [0, 0]}, "budget 3 buys no label"),
        ({"budget": 5000}, "budget 5000 buys more than 1000 labels"),
        ({"cost": [1.0, 0.0]}, "cost of query 2 is 0.0; it must be positive and finite"),
        ({"cost": [1.0, 1.0, 1.0]}, "cost has shape (3,); it must be one number or a list of 2"),
        ({"cap": [1, -1]}, "cap[1] is -1"),
        ({"label_price": -1}, "label_price is -1; it must be"),
        ({"name": ["a", "a"]}, "name has 1 different entries; it must have"),
        ({"name": "ab"}, "name is 'ab'; it must be a list of strings"),
        ({"payoff": sa.BestChoice([[1.0]])}, "payoff is for 1 points; it must be for the 2 rows of chance"),
        ({"payoff": "best"}, "payoff is 'best'; it must be a payoff, such as BestChoice"),
        ({"payoff": sa.BestChoice}, "it must be a payoff, such as BestChoice"),
        ({"payoff": lambda belief: -(belief**2).sum(axis=1)}, "is not convex"),
        ({"payoff": lambda belief: belief}, "returned shape (66, 2) for 66 beliefs"),
        ({"payoff": lambda belief: np.full(len(belief), np.nan)}, "returned nan; it must be finite"),
    ],
)
def test_what_is_no_problem_is_refused(fields, message):
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        small(**fields)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: sa.BestChoice([1.0]), "reward has shape (1,)"),
        (lambda: sa.BestChoice([[1.0, np.inf]]), "reward[0, 1] is inf; it must be finite"),
        (lambda: sa.BestChoice([[1.0, 2.0]], group=[0]), "group has 1 entries; it must have one for each of the 2"),
        (lambda: sa.BestChoice([[1.0]], group=[None]), "group[0] is None; it must be a whole number or a text"),
        (lambda: sa.RegularisedChoice([[1.0, 2.0]], [0.5, 0.6], 1.0), "reference of group 1 sums to 1.1"),
        (lambda: sa.RegularisedChoice([[1.0, 2.0]], [1.0, 0.0], 1.0), "reference[1] is 0.0; it must be positive"),
        (lambda: sa.RegularisedChoice([[1.0]], [1.0], 0.0), "beta is 0"),
        (lambda: sa.ThresholdDecisions([[0.5]], 0.5, -1.0), "weight[0] is -1.0; it must be at least 0"),
        (lambda: sa.ThresholdDecisions([[0.5]], [0.5, 0.5]), "threshold has shape (2,)"),
    ],
)
def test_what_is_no_payoff_is_refused(make, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        make()


class Rule:
    def __init__(self, **methods):
        self.__dict__.update(methods)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("kg", "rule is 'kg'; it must be an object with scores"),
        (Rule, "it must be an object with scores"),
        (Rule(scores=kg, probabilities=kg), "it must be an object with scores"),
        (lambda states: np.zeros(3), "returned shape (3,) for"),
        (lambda states: states.chance * np.nan, "returned nan; it must return numbers"),
        (
            Rule(probabilities=lambda states: states.chance * 0.0),
            "chances of the queries that can be bought, with sum 1",
        ),
        (Rule(probabilities=lambda states: np.tile([2.0, -1.0], (len(states), 1))), "with sum 1"),
        (Rule(scores=kg, stops=lambda states: 1), "stops returned 1; it must return a mask of"),
    ],
)
def test_what_is_no_rule_is_refused(rule, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        sa.evaluate(small(), rule)


def test_a_rule_cannot_write_into_what_it_is_shown():
    def spoils(states):
        states.belief[:] = 0.0

    with pytest.raises(ValueError, match="read-only"):
        sa.evaluate(small(), spoils)


def test_options_that_it_does_not_have_are_refused_and_states_are_checked():
    with pytest.raises(ValueError, match="a SharedProblem has neither"):
        sa.solve(small(), dtype="float32")
    with pytest.raises(ValueError, match="that of a SharedProblem is its prior"):
        sa.evaluate(small(), kg, nature=sa.Beta(1, 1))
    solution = sa.solve(small())
    with pytest.raises(ValueError, match="the policy was not kept"):
        solution.optimal_queries([1, 0], [1, 0])
    assert solution.action() == 0
    with pytest.raises(ValueError, match="nothing is left to choose"):
        sa.solve(small(), keep_policy=True).optimal_queries([3, 0], [1, 0])
    with pytest.raises(ValueError, match="query 1: 2 wins in 1 labels"):
        solution.optimal_queries([1, 0], [2, 0])
    with pytest.raises(ValueError, match="no point of the parameter allows these wins"):
        small(chance=[[1.0, 0.5], [1.0, 0.5]]).belief([1, 0], [0, 0])


def test_too_large_is_said_before_memory_is_taken():
    with pytest.raises(sa.ProblemTooLarge):
        sa.solve(sa.SharedProblem(np.full((2, 12), 0.5), 60, sa.BestChoice([[1.0, 0.0], [0.0, 1.0]])))


def test_progress_is_told():
    told = []
    sa.solve(small(), progress=lambda done, total: told.append((done, total)))
    assert told[-1][0] == told[-1][1] == 35
    sa.evaluate(small(), kg, progress=lambda done, total: told.append((done, total)))
    assert told[-1][0] == 35
