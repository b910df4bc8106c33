"""Costs, quotas and batches: simulation and sessions mean by them what the exact engine means."""

from __future__ import annotations

import importlib
import itertools
import math
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from oracles.beliefs import Beta, Noisy
from oracles.family import Case, Item, Oracle, counts_of, plus, units
from oracles.family_cases import families
from oracles.policies import Endgame, assert_go_on_alike
from oracles.recursion import TIE

import seqaudit as sa
from seqaudit.bandits.registry import registered_policies
from seqaudit.bandits.simulation.board import Board, final_values
from seqaudit.bandits.simulation.seeds import replication_keys
from seqaudit.bandits.simulation.simulate import PriorNature, simulate, spend
from seqaudit.dp.evaluation.choices import SupportsIndex, SupportsProbabilities
from seqaudit.dp.problem.availability import Availability

POLICIES = list(registered_policies())
VALUED = [name for name in POLICIES if isinstance(sa.make_policy(name), (SupportsIndex, SupportsProbabilities))]
INDEXED = [name for name in POLICIES if isinstance(sa.make_policy(name), SupportsIndex)]

PRICED = sa.Problem(
    [0.55, 0.41, 0.8], 8, cost=[1, 1.5, 0.7], weight=[1.0, 2.0, 0.5], prior=[(1, 1), (2, 3), (0.5, 0.5)]
)
DISJOINT = sa.Problem(
    [0.55, 0.41, 0.6, 0.5],
    7,
    cost=[1, 2, 1.5, 0.75],
    cap=[3, 9, 9, 4],
    quota=[([0, 1], 3), ([2], 1)],
    utility="variance",
)
OVERLAPPING = sa.Problem(
    [0.55, 0.41, 0.6, 0.5],
    6.5,
    cost=[1, 2, 1.5, 0.75],
    cap=[2, 9, 2, 9],
    quota=[([0, 1], 2), ([1, 2], 2)],
    reward=[0.1, 0.0, -0.1, 0.0],
)
EQUAL_PRICES = sa.Problem([0.55, 0.41, 0.6], 7, quota=[([0], 3), ([1, 2], 2)], prior=sa.NoisyBeta(1, 1, 0.1))
ALL = {"costs": PRICED, "disjoint quotas": DISJOINT, "overlapping quotas": OVERLAPPING, "unit costs": EQUAL_PRICES}

# A batch of two items of unlike cost, whose last batch may be short; quotas; more labels at once than there are items.
BATCHES = {
    "pairs": Case((Item(0.55), Item(0.41, 2.0, Beta(2, 3)), Item(0.7)), 5, batch=2),
    "triples of two": Case((Item(0.55), Item(0.6, 1.5)), 6, "variance", batch=3),
    "costs": Case((Item(0.55, cost=1), Item(0.45, 2.0, cost=1.5), Item(0.6, cost=0.5, cap=3)), 5.2, batch=3),
    "quotas": Case(
        (Item(0.55, reward=0.1), Item(0.45, 2.0, Noisy(1, 1, 0.1)), Item(0.6, cost=1.5)),
        6,
        quotas=(((0, 1), 2), ((1, 2), 2)),
        batch=2,
    ),
    "all at once": Case((Item(0.55), Item(0.41, 2.0), Item(0.7)), 4, batch=4),
}


@dataclass(frozen=True)
class Leader(sa.Policy):
    """A policy that looks at all items."""

    name: ClassVar[str] = "leader"

    def scores(self, problem, counts, wins):
        return (wins + 1) / (wins.sum(axis=1, keepdims=True) + problem.size)


@dataclass(frozen=True)
class Watchful(sa.Policy):
    """Equal scores; refuses to be asked at a state where nothing can be bought."""

    name: ClassVar[str] = "watchful"

    def scores(self, problem, counts, wins):
        assert Availability(problem).items(counts).any(axis=1).all()
        return np.zeros(counts.shape)


class Record:
    """Nature, with every label it gave, and the state before each."""

    def __init__(self, problem, seed, replications):
        seeds, self.keys = replication_keys(seed, replications)
        self.nature = PriorNature.draw(problem, seeds, self.keys)
        self.seen = {}
        self.items = [[] for _ in seeds]

    def labels(self, rows, items, counts):
        labels = self.nature.labels(rows, items, counts)
        for r, i, j, label in zip(rows.tolist(), items.tolist(), counts.tolist(), labels.tolist(), strict=True):
            assert (r, i, j) not in self.seen, "no label is bought twice"
            self.seen[r, i, j] = label
            self.items[r].append(i)
        return labels


def batch_value(case: Case, index) -> float:
    """Value of an index policy whose items of a batch are chosen one after the other, by what was known before it.

    An item that the batch holds already is passed over as long as another one can be had. ``index(i, n, w, left)``.
    """
    oracle = Oracle(case)

    def endings(state, d, chance):
        """Batches that can come of d, with their probabilities."""
        n = plus(counts_of(state), d)
        usable = [k for k, one in enumerate(units(len(n))) if case.can(plus(n, one))]
        if sum(d) == case.batch or not usable:
            yield d, chance
            return
        usable = [i for i in usable if d[i] == 0] or usable
        left = float(case.budget - case.spent(counts_of(state)))
        scores = {i: float(index(i, *state[i], left)) for i in usable}
        best = max(scores.values())
        tied = [i for i in usable if scores[i] >= best - TIE * max(abs(best), 1.0)]
        for i in tied:
            yield from endings(state, plus(d, units(len(n))[i]), chance / len(tied))

    @cache
    def value(state):
        nothing = (0,) * len(state)
        found = list(endings(state, nothing, 1.0))
        if found == [(nothing, 1.0)]:
            return float(oracle._terminal(state))
        return math.fsum(chance * float(oracle._expected(value, state, d)) for d, chance in found)

    return value(oracle.start)


# Costs and quotas, one label at a time.


def takes(name, problem):
    """True where a policy can be had for a problem: Gittins's index takes no rewards and no utility above its chord."""
    try:
        sa.make_policy(name).require(problem)
    except ValueError:
        assert name == "gittins"
        return False
    return True


@pytest.mark.smoke
@pytest.mark.parametrize("problem", ALL.values(), ids=ALL)
@pytest.mark.parametrize("name", VALUED)
def test_simulated_mean_agrees_with_the_exact_value(name, problem):
    """Four standard errors: false-alarm rate 6e-5 for each policy and problem; fixed seed."""
    if not takes(name, problem):
        pytest.skip("this policy takes no rewards")
    result = simulate(problem, name, replications=1000, seed=3)
    exact = sa.evaluate(problem, sa.make_policy(name)).value
    assert result.standard_error < 0.1 * abs(exact)
    assert abs(result.mean - exact) < 4 * result.standard_error


@pytest.mark.parametrize("problem", ALL.values(), ids=ALL)
def test_policy_that_looks_at_the_budget_left_is_simulated_as_it_is_valued(problem):
    """Four standard errors, false-alarm rate 6e-5; fixed seed."""
    result = simulate(problem, Endgame(3.1), replications=1000, seed=3)
    assert abs(result.mean - sa.evaluate(problem, Endgame(3.1)).value) < 4 * result.standard_error


@settings(max_examples=60)
@given(families(batch=False), st.sampled_from(INDEXED), st.integers(0, 10**6))
def test_every_replication_buys_available_items_until_none_is_left(case, name, seed):
    problem = case.stated()
    assume(takes(name, problem))
    record = Record(problem, seed, 3)
    counts, wins = spend(problem, sa.make_policy(name), record, record.keys)
    for r in range(3):
        n = (0,) * len(case.items)
        for i in record.items[r]:
            n = plus(n, units(len(n))[i])
            assert case.can(n)
        assert not case.moves(n)
        assert counts[r].tolist() == list(n)
        for i, k in enumerate(n):
            assert wins[r, i] == sum(record.seen[r, i, j] for j in range(k))


def test_replications_end_when_they_can_buy_no_more_and_are_left_alone():
    problem = sa.Problem([0.5, 0.6], 6, cost=[1, 2.5])
    record = Record(problem, 4, 40)
    counts, _ = spend(problem, Watchful(), record, record.keys)
    assert {tuple(n) for n in counts.tolist()} == {(6, 0), (3, 1), (1, 2)}
    # What the observer sees of a finished replication does not change any more.
    seen = {}
    again = Record(problem, 4, 40)
    spend(problem, Watchful(), again, again.keys, stops=range(9), observe=lambda m, n, _: seen.update({m: n.copy()}))
    assert list(seen) == list(range(7))
    assert np.array_equal(seen[6], counts)
    for m, n in seen.items():
        assert np.array_equal(n.sum(axis=1), np.minimum(m, counts.sum(axis=1)))


def test_common_random_numbers_hold_with_costs_and_quotas():
    records = []
    for name in ("variance-reduction", "round-robin"):
        record = Record(DISJOINT, 5, 60)
        spend(DISJOINT, sa.make_policy(name), record, record.keys)
        records.append(record.seen)
    one, other = records
    common = one.keys() & other.keys()
    assert len(common) > 100
    assert all(one[key] == other[key] for key in common)
    assert one.keys() != other.keys()


LARGE = {
    "disjoint": {"quota": [(range(20), 12), (range(20, 30), 9)]},
    "overlapping": {"quota": [(range(20), 12), (range(10, 30), 15)]},
    "batches": {"quota": [(range(20), 12)], "batch": 7},
}


@pytest.mark.parametrize("fields", LARGE.values(), ids=LARGE)
@pytest.mark.parametrize("policy", [sa.VarianceReduction(), Leader(), Endgame(3.1)], ids=lambda x: x.name)
def test_answer_does_not_depend_on_workers_or_on_the_number_of_replications(policy, fields, monkeypatch):
    costs = np.random.default_rng(2).uniform(0.5, 3, 40)
    problem = sa.Problem(np.linspace(0.3, 0.7, 40), 45, cost=costs, cap=3, **fields)
    many = simulate(problem, policy, replications=13, seed=5)
    if policy.name in POLICIES:  # worker processes cannot import a policy of this file
        assert np.array_equal(simulate(problem, policy, replications=13, seed=5, n_jobs=2).values, many.values)
    assert np.array_equal(simulate(problem, policy, replications=4, seed=5).values, many.values[:4])
    module = importlib.import_module("seqaudit.bandits.simulation.simulate")
    monkeypatch.setattr(module, "_PAIRS_AT_ONCE", 2 * problem.size)
    cut = simulate(problem, policy, replications=13, seed=5)
    assert np.array_equal(cut.values, many.values)
    assert np.array_equal(cut.labels, many.labels)
    assert len(np.unique(many.values)) > 5


def test_large_problem_meets_its_quotas_within_the_budget():
    rng = np.random.default_rng(1)
    costs = rng.uniform(0.5, 2, 800)
    slices = [(range(0, 800, 4), 150), (range(1, 800, 4), 150), (range(2, 800, 8), 40)]
    problem = sa.Problem(np.linspace(0.2, 0.8, 800), 500, cost=costs, quota=slices, batch=20)
    record = Record(problem, 1, 3)
    counts, _ = spend(problem, sa.VarianceReduction(), record, record.keys)
    assert (counts @ costs <= 500 * (1 + 1e-9)).all()
    assert (counts @ costs > 500 - costs.min()).all()
    for items, least in slices:
        assert (counts[:, list(items)].sum(axis=1) >= least).all()


# Batches.


@pytest.mark.parametrize("case", BATCHES.values(), ids=BATCHES)
@pytest.mark.parametrize("name", ["variance-reduction", "uncertainty", "audit-index", "round-robin", "uniform"])
def test_simulated_mean_of_batches_agrees_with_enumeration(name, case):
    """Four standard errors: false-alarm rate 6e-5 for each policy and problem; fixed seed."""
    oracle = Oracle(case)
    exact = batch_value(case, lambda i, n, w, left: oracle.index(name, i, n, w))
    result = simulate(case.stated(), name, replications=1500, seed=3)
    assert abs(result.mean - exact) < 4 * result.standard_error + 1e-12


@pytest.mark.parametrize("case", BATCHES.values(), ids=BATCHES)
def test_budget_left_in_a_batch_is_what_was_left_before_it(case):
    """Four standard errors: false-alarm rate 6e-5; fixed seed."""

    def index(i, n, w, left):
        prior = case.items[i].prior
        return -n if left > 3.1 else n + 0.1 * float(prior.mean(n, w))

    result = simulate(case.stated(), Endgame(3.1), replications=1500, seed=3)
    assert abs(result.mean - batch_value(case, index)) < 4 * result.standard_error + 1e-12


def test_rule_for_batches_of_one_is_the_rule_for_single_labels():
    case = Case((Item(0.55, cost=1), Item(0.45, 2.0, cost=1.5), Item(0.6, cost=0.5, cap=3)), 5.2)
    oracle = Oracle(case)
    value = batch_value(case, lambda i, n, w, left: oracle.index("variance-reduction", i, n, w))
    assert value == pytest.approx(sa.evaluate(case.stated(), sa.VarianceReduction()).value, abs=1e-10)


def test_no_policy_in_batches_beats_the_best_batches():
    case = BATCHES["quotas"]
    best = sa.solve(case.stated()).value
    oracle = Oracle(case)
    for name in ("variance-reduction", "kg", "uncertainty"):
        assert batch_value(case, lambda i, n, w, left, name=name: oracle.index(name, i, n, w)) <= best + 1e-10


@settings(max_examples=60)
@given(families(), st.sampled_from(INDEXED), st.integers(0, 10**6))
def test_batches_are_those_that_the_exact_engine_knows(case, name, seed):
    problem = case.stated()
    assume(takes(name, problem))
    record = Record(problem, seed, 2)
    spend(problem, sa.make_policy(name), record, record.keys)
    for items in record.items:
        n = (0,) * len(case.items)
        for batch in itertools.batched(items, case.batch):
            d = tuple(batch.count(i) for i in range(len(n)))
            assert d in case.moves(n)
            n = plus(n, d)
        assert not case.moves(n)


def test_item_of_a_batch_is_passed_over_while_another_can_be_had():
    problem = sa.Problem([0.5, 0.5, 0.9], 12, batch=4, cap=[9, 9, 1])
    record = Record(problem, 2, 20)
    spend(problem, sa.HighLogRatio(), record, record.keys)
    for items in record.items:
        # The dearest threshold first, then each of the others, then any of those; later batches take two of each.
        assert items[0] == 2
        assert sorted(items[1:3]) == [0, 1]
        assert sorted(items[4:6]) == [0, 1]


@pytest.mark.parametrize("what", [lambda p: sa.simulate(p, "exact", seed=1), lambda p: sa.Session(p, "exact", seed=1)])
def test_exact_policy_refuses_batches(what):
    with pytest.raises(ValueError, match="batch is 2: exact chooses label by label; solve"):
        what(sa.Problem([0.5, 0.6], 4, batch=2))


# Sessions.


def answers(problem, seed, policy):
    """Items of replication 0 of a simulation, and the labels it saw."""
    record = Record(problem, seed, 1)
    spend(problem, policy, record, record.keys)
    return record.items[0], record


SESSIONS = ALL | {f"batches, {name}": case.stated() for name, case in BATCHES.items()}


@pytest.mark.smoke
@pytest.mark.parametrize("problem", SESSIONS.values(), ids=SESSIONS)
@pytest.mark.parametrize("policy", [sa.VarianceReduction(), sa.Uniform(), Leader(), Endgame(3.1)], ids=lambda x: x.name)
@pytest.mark.parametrize("late", [False, True], ids=["at once", "at the end of the batch"])
def test_session_asks_what_the_simulation_chooses(policy, problem, late):
    items, record = answers(problem, 11, policy)
    session = sa.Session(problem, policy, seed=11)
    out, number = [], [0] * problem.size
    for item in items:
        assert session.remaining >= 1
        assert session.ask() == item
        out.append((item, record.seen[0, item, number[item]]))
        number[item] += 1
        if not late or len(out) == problem.batch:
            for told in reversed(out):
                session.tell(*told)
            out.clear()
    assert session.remaining == 0
    with pytest.raises(sa.BudgetSpent):
        session.ask()
    for told in out:
        session.tell(*told)
    assert session.outstanding.sum() == 0
    end = Record(problem, 11, 1)
    counts, wins = spend(problem, policy, end, end.keys)
    assert np.array_equal(session.counts, counts[0])
    assert np.array_equal(session.wins, wins[0])
    assert final_values(problem, counts, wins) == simulate(problem, policy, replications=1, seed=11).values


def test_answers_within_a_batch_are_entered_and_steer_from_the_next_batch_on():
    problem = sa.Problem([0.5, 0.5, 0.5], 12, batch=3)
    one, other = (sa.Session(problem, "variance-reduction", seed=1) for _ in range(2))
    first, second = [one.ask()], [other.ask()]
    for _ in range(4):  # an item that was asked, one that was not: told of all at once
        one.tell(first[0], 1)
    assert one.counts[first[0]] == 4
    assert one.tail[first[0]] > 0.9
    first += [one.ask(), one.ask()]
    second += [other.ask(), other.ask()]
    assert first == second
    assert sorted(first) == [0, 1, 2]
    for item in first[1:]:
        one.tell(item, 1)
    # After four wins the first item has less to gain than any other.
    assert first[0] not in [one.ask(), one.ask()]


def test_remaining_counts_questions_and_budget_left_money():
    problem = sa.Problem([0.5, 0.6], 4, cost=[1, 1.5], quota=[([1], 1)])
    session = sa.Session(problem, sa.HighLogRatio(), seed=1)
    assert (session.remaining, session.budget_left) == (3, 4.0)
    assert session.ask() == 1
    assert (session.remaining, session.budget_left) == (2, 2.5)
    session.tell(1, 1)
    assert (session.remaining, session.budget_left) == (2, 2.5)
    session.tell(0, 1)
    assert (session.remaining, session.budget_left) == (1, 1.5)
    session.tell(1, 0)
    assert (session.remaining, session.budget_left) == (0, 0.0)
    plain = sa.Session(sa.Problem([0.5, 0.6], 4, cap=[1, 2]), "kg", seed=1)
    assert (plain.remaining, plain.budget_left) == (3, 4.0)


@settings(max_examples=60)
@given(families(), st.integers(0, 10**6))
def test_session_ends_when_nothing_remains_and_meets_every_quota(case, seed):
    problem = case.stated()
    session = sa.Session(problem, "uncertainty", seed=seed)
    rng = np.random.default_rng(seed)
    while session.remaining:
        item = session.ask()
        if rng.random() < 0.6:
            session.tell(item, int(rng.integers(2)))
    with pytest.raises(sa.BudgetSpent):
        session.ask()
    for item in np.repeat(np.arange(problem.size), session.outstanding):
        session.tell(int(item), 1)
    assert not case.moves(tuple(session.counts.tolist()))
    assert case.can(tuple(session.counts.tolist()))
    for items, least in case.quotas:
        assert session.counts[list(items)].sum() >= least


def test_answer_that_cannot_be_paid_for_is_refused():
    session = sa.Session(sa.Problem([0.5, 0.6], 4, cost=[1, 2.5], name=["sky", "sea"]), "kg", seed=1)
    session.tell(1, 1)
    with pytest.raises(sa.BudgetSpent, match=r"a label for sea costs 2.5; 1.5 is left of the budget$"):
        session.tell(1, 1)
    session.tell(0, 1)
    with pytest.raises(sa.BudgetSpent, match="the budget of 4 is spent; a label for sky is one too many"):
        session.tell(0, 1)
    with pytest.raises(sa.BudgetSpent, match="the budget of 4 is spent: 2 entered, 0 outstanding"):
        session.ask()
    assert session.counts.tolist() == [1, 1]


def test_answer_that_leaves_a_quota_unmet_is_refused():
    session = sa.Session(sa.Problem([0.5, 0.6], 4, quota=[([1], 2)], name=["sky", "sea"]), "kg", seed=1)
    session.tell(0, 1)
    session.tell(0, 1)
    with pytest.raises(sa.BudgetSpent, match="a label for sky costs 1; 2 is left of the budget, which the quotas need"):
        session.tell(0, 1)
    capped = sa.Session(sa.Problem([0.5, 0.6], 4, cap=[1, 4], quota=[([1], 2)], name=["sky", "sea"]), "kg", seed=1)
    capped.tell(0, 1)
    with pytest.raises(ValueError, match="sky has its 1 labels already"):
        capped.tell(0, 1)


def test_questions_out_count_towards_budget_and_quotas():
    problem = sa.Problem([0.9, 0.5], 4, cost=[2, 1], quota=[([1], 2)])
    session = sa.Session(problem, sa.HighLogRatio(), seed=1)
    assert [session.ask() for _ in range(3)] == [0, 1, 1]
    with pytest.raises(sa.BudgetSpent, match="0 entered, 3 outstanding"):
        session.ask()


@settings(max_examples=40)
@given(case=families(), name=st.sampled_from(INDEXED), seed=st.integers(0, 2**40), data=st.data())
def test_saved_session_goes_on_exactly_where_it_was_left(case, name, seed, data, tmp_path_factory):
    path = tmp_path_factory.mktemp("session") / "s.json"
    problem = case.stated()
    assume(takes(name, problem))
    asked, out = sa.Session(problem, name, seed=seed), []
    for _ in range(data.draw(st.integers(0, 6))):
        if data.draw(st.booleans()) and asked.remaining:
            out.append(asked.ask())
        elif out:
            asked.tell(out.pop(data.draw(st.integers(0, len(out) - 1))), data.draw(st.integers(0, 1)))
    asked.save(path)
    again = sa.Session.load(path, problem, name)
    assert_go_on_alike(asked, again)


def test_session_on_another_batch_or_cost_is_refused(tmp_path):
    problem = sa.Problem([0.5, 0.6], 4, cost=[1, 2])
    sa.Session(problem, "kg", seed=1).save(tmp_path / "s.json")
    for other in (sa.Problem([0.5, 0.6], 4, cost=[1, 2], batch=2), sa.Problem([0.5, 0.6], 4, cost=[1, 1.5])):
        with pytest.raises(ValueError, match="a session on another problem"):
            sa.Session.load(tmp_path / "s.json", other, "kg")


# The board.


def test_board_offers_what_is_available_after_what_was_bought():
    problem = sa.Problem([0.5, 0.6, 0.7], 5, cost=[1, 2, 1], quota=[([1], 1)])
    _, keys = replication_keys(1, 2)
    board = Board(problem, sa.HighLogRatio(), keys)
    assert board.choose(0).tolist() == [2, 2]
    for _ in range(3):
        board.record(np.array([0]), np.array([2]), np.array([1]))
    assert board.choose(3).tolist() == [1, 2]
    board.ask(np.array([0]), np.array([1]))
    assert board.choose(4).tolist() == [-1, 2]
    assert board.open.tolist() == [1]
    assert board.counts[0].tolist() == [0, 0, 3]
    assert board.bought[0].tolist() == [0, 1, 3]
    board.enter(np.array([0]), np.array([1]), np.array([1]))
    assert board.counts[0].tolist() == [0, 1, 3]
    assert board.wins[0].tolist() == [0, 1, 3]
