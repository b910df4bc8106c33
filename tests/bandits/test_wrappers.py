"""Policies around policies: risk weights, minimum coverage and diverse batches, alone and inside each other."""

from __future__ import annotations

import itertools
import pickle
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.family import Case, Item, Oracle, counts_of
from oracles.family_cases import families

import seqaudit as sa
from seqaudit.bandits.conformance.policies import ConformanceError, check_policy, conformance_problems
from seqaudit.bandits.scoring import chances_of
from seqaudit.bandits.simulation.seeds import replication_keys
from seqaudit.bandits.simulation.simulate import PriorNature, spend
from seqaudit.bandits.wrappers.item_data import PerItem, Slices
from seqaudit.benchmarks.comparison.near_copies import near_copies
from seqaudit.dp.problem.availability import Availability

INDICES = ("kg", "optimistic-kg", "variance-reduction", "audit-index", "round-robin")
BASES = (*INDICES, "uniform", "whittle", "lagrangian", "exact")


def risk_of(size):
    return [0.5 + 1.5 * (i % 3) for i in range(size)]


def slices_of(size):
    return ["even", "odd", None, "odd"][:size]


def features_of(size):
    return [[float(i % 2), 0.3 * i] for i in range(size)]


WRAPPED = {
    "risk": lambda size: sa.RiskWeighted("kg", risk_of(size)),
    "risk-first": lambda size: sa.RiskWeighted("lagrangian", risk_of(size), ties="first"),
    "last": lambda size: sa.MinimumCoverage("kg", slices_of(size), 1),
    "first": lambda size: sa.MinimumCoverage("variance-reduction", slices_of(size), 1, "first"),
    "k-center": lambda size: sa.DiverseBatch("optimistic-kg", features_of(size)),
    "all": lambda size: sa.DiverseBatch(
        sa.MinimumCoverage(sa.RiskWeighted("whittle", risk_of(size)), slices_of(size), 1),
        features_of(size),
        method="determinantal",
    ),
}


@pytest.mark.parametrize("name", WRAPPED)
def test_wrapper_conforms(name):
    for what, problem in conformance_problems().items():
        check_policy(WRAPPED[name](problem.size), problems={what: problem})


def test_conformance_on_problems_of_ones_own():
    with pytest.raises(ConformanceError, match=r"problem 'mine'.*risk has 2 rows; it must have one for each of the 1"):
        check_policy(sa.RiskWeighted("kg", [1, 2]), problems={"mine": sa.Problem([0.5], 2)})


@pytest.mark.parametrize("name", WRAPPED)
def test_session_asks_what_a_simulation_does_and_is_resumed(name, tmp_path):
    problem = sa.Problem([0.5, 0.6, 0.7, 0.4], 12, batch=3)
    policy = WRAPPED[name](4)
    seeds, keys = replication_keys(5, 1)
    nature = PriorNature.draw(problem, seeds, keys)
    counts, wins = spend(problem, policy, nature, keys)
    session = sa.Session(problem, policy, seed=5)
    for _ in range(4):
        items = [session.ask() for _ in range(3)]
        session.save(tmp_path / "saved.json")
        session = sa.Session.load(tmp_path / "saved.json", problem, WRAPPED[name](4))
        for item in items:
            label = nature.labels(np.array([0]), np.array([item]), session.counts[[item]])
            session.tell(item, int(label[0]))
    assert np.array_equal(session.counts, counts[0])
    assert np.array_equal(session.wins, wins[0])


def test_wrapper_replays_and_compares():
    votes = sa.LabelSet.from_pools({"x": [1, 1, 0, 1], "y": [0, 0, 1, 0], "z": [1, 0, 1, 0]})
    policy = sa.MinimumCoverage("kg", ["a", "b", "b"], {"a": 3})
    result = sa.replay(votes, ["kg", policy], budget=6, replications=4, seed=7)
    assert result.sizes["policy"] == 2
    table = sa.compare(sa.Problem([0.5, 0.9, 0.9], 6), ["kg", policy])
    assert table.set_index("kind").loc["optimum", "value"] >= table.query("kind == 'policy'")["value"].max()


def test_ties_are_those_of_the_base_or_of_both():
    assert sa.RiskWeighted(sa.KnowledgeGradient(ties="first"), [1]).ties == "first"
    both = sa.RiskWeighted("kg", [1], ties="first")
    assert both.base == sa.KnowledgeGradient(ties="first")
    assert both == sa.RiskWeighted(sa.KnowledgeGradient(ties="first"), [1.0])
    assert sa.RiskWeighted("kg", [1]).ties == "random"
    assert replace(sa.RiskWeighted("kg", [1]), ties="first") == both


# Risk weights.


def weighted(case: Case, risk) -> Case:
    items = tuple(replace(x, weight=x.weight * r) for x, r in zip(case.items, risk, strict=True))
    return replace(case, items=items)


@settings(max_examples=30)
@given(families(batch=False, shrink=1), st.sampled_from(INDICES), st.sampled_from(("random", "first")))
def test_value_is_that_of_the_reweighted_choices_paid_by_true_weights(case, base, ties):
    risk = risk_of(len(case.items))
    rule = Oracle(weighted(case, risk)).index_rule(base, ties)
    found = sa.evaluate(case.stated(), sa.RiskWeighted(base, risk, ties=ties)).value
    assert found == pytest.approx(Oracle(case).value_of(rule), abs=1e-10)


@settings(max_examples=20)
@given(
    families(batch=False, reward=st.just(0.0), fee=st.just(0.0), shrink=1),
    st.sampled_from(BASES),
    st.sampled_from((0.25, 64.0)),
)
def test_equal_risks_change_nothing(case, base, risk):
    problem = case.stated()
    alone, wrapped = sa.make_policy(base), sa.RiskWeighted(base, [risk] * problem.size)
    if base == "exact":
        assert sa.evaluate(problem, wrapped).value == pytest.approx(sa.solve(problem).value, abs=1e-11)
        return
    for state in case.states():
        counts, wins = np.array(state).T[:, None, :].copy()
        usable = Availability(problem).items(counts)
        if usable.any():
            given = chances_of(alone, problem, counts, wins, usable)
            assert np.array_equal(wrapped.action_probabilities(problem, counts, wins, usable), given)


@settings(max_examples=20)
@given(families(batch=False, shrink=1), st.sampled_from(BASES))
def test_no_risk_earns_more_than_the_optimum(case, base):
    problem = case.stated()
    found = sa.evaluate(problem, sa.RiskWeighted(base, risk_of(problem.size))).value
    assert found <= sa.solve(problem).value + 1e-10


def test_risk_by_slice_is_that_of_its_items():
    by_slice = sa.RiskWeighted("kg", {"a": 2, 7: 3.5}, slices=np.array(["a", 7, None, "a"], dtype=object))
    assert by_slice == sa.RiskWeighted("kg", (2.0, 3.5, 1.0, 2.0))
    assert by_slice.slices is None


# Minimum coverage.

WHEN = st.sampled_from(("last", "first"))


@st.composite
def covered(draw: st.DrawFn, **kinds) -> tuple[Case, list, dict]:
    """A problem, the slices of its items, and minima that can be met."""
    case = draw(families(**kinds))
    labels = [draw(st.sampled_from(("a", "b", None))) for _ in case.items]
    labels[0] = "a"
    target = draw(st.sampled_from(case.reachable))
    slices = {x for x in labels if x}
    room = {x: sum(n for n, y in zip(target, labels, strict=True) if y == x) for x in slices}
    return case, labels, {x: draw(st.integers(0, most)) for x, most in sorted(room.items())}


def quotas(labels, minimum):
    return tuple((tuple(i for i, x in enumerate(labels) if x == slice_), k) for slice_, k in minimum.items())


def meets(counts, labels, minimum):
    return all(sum(n for n, y in zip(counts, labels, strict=True) if y == x) >= k for x, k in minimum.items())


@settings(max_examples=30)
@given(covered(batch=False, shrink=1), st.sampled_from(BASES))
def test_coverage_at_last_is_the_base_under_quotas(drawn, base):
    case, labels, minimum = drawn
    strict = replace(case, quotas=case.quotas + quotas(labels, minimum))
    found = sa.evaluate(case.stated(), sa.MinimumCoverage(base, labels, minimum)).value
    alone = sa.make_policy(base)
    assert found == pytest.approx(sa.evaluate(strict.stated(), alone).value, abs=1e-10)
    assert found <= sa.solve(strict.stated()).value + 1e-10


@settings(max_examples=30)
@given(covered(batch=False, shrink=1), st.sampled_from(INDICES), st.sampled_from(("random", "first")))
def test_coverage_at_first_agrees_with_plain_python(drawn, base, ties):
    case, labels, minimum = drawn
    strict = replace(case, quotas=case.quotas + quotas(labels, minimum))
    oracle = Oracle(strict)

    def rule(state):
        counts = counts_of(state)
        moves = [d.index(1) for d in strict.moves(counts)]
        lacks = {x: k - sum(n for n, y in zip(counts, labels, strict=True) if y == x) for x, k in minimum.items()}
        urgent = [i for i in moves if lacks.get(labels[i], 0) > 0]
        index = {i: oracle.number(oracle.index(base, i, *state[i])) for i in urgent or moves}
        best = max(index.values())
        level = best - 1e-12 * max(abs(best), oracle._index_scale(base))
        tied = [i for i, x in index.items() if x >= level]
        return dict.fromkeys(tied if ties == "random" else tied[:1], 1.0)

    policy = sa.MinimumCoverage(base, labels, minimum, when="first", ties=ties)
    found = sa.evaluate(case.stated(), policy).value
    assert found == pytest.approx(Oracle(case).value_of(rule), abs=1e-10)
    assert found <= sa.solve(strict.stated()).value + 1e-10


@settings(max_examples=25)
@given(
    covered(batch=False, shrink=2), st.sampled_from(("last", "first")), st.sampled_from(("kg", "uniform", "whittle"))
)
def test_every_path_covers_every_slice(drawn, when, base):
    case, labels, minimum = drawn
    problem, policy = case.stated(), sa.MinimumCoverage(base, labels, minimum, when)
    now = {((0, 0),) * problem.size}
    while now:
        later = set()
        for state in now:
            moves = [d.index(1) for d in case.moves(counts_of(state))]
            if not moves:
                assert meets(counts_of(state), labels, minimum)
                continue
            counts, wins = np.array(state).T[:, None, :].copy()
            usable = np.isin(np.arange(problem.size), moves)[None, :]
            for i in np.flatnonzero(policy.action_probabilities(problem, counts, wins, usable)[0]):
                n, w = state[i]
                later |= {(*state[:i], (n + 1, w + x), *state[i + 1 :]) for x in (0, 1)}
        now = later


@settings(max_examples=30)
@given(covered(), WHEN, st.sampled_from(("kg", "uniform", "lagrangian")))
def test_batches_cover_every_slice(drawn, when, base):
    case, labels, minimum = drawn
    problem, policy = case.stated(), sa.MinimumCoverage(base, labels, minimum, when)
    seeds, keys = replication_keys(3, 4)
    counts, _ = spend(problem, policy, PriorNature.draw(problem, seeds, keys), keys)
    for row in counts:
        assert meets(row, labels, minimum)
        assert not case.moves(tuple(row.tolist()))


@pytest.mark.parametrize(("when", "asked"), [("last", [0, 1, 5, 5, 5, 5]), ("first", [5, 5, 5, 5, 0, 1])])
@pytest.mark.parametrize("batch", [1, 6])
def test_questions_that_are_out_count_as_coverage(when, asked, batch):
    # Where only item 5 will do it is asked for again, though its answers are awaited and other items are quiet.
    policy = sa.MinimumCoverage(sa.RoundRobin(ties="first"), ["a"] * 5 + ["b"], {"b": 4}, when)
    session = sa.Session(sa.Problem([0.5] * 6, 6, batch=batch), policy, seed=1)
    assert [session.ask() for _ in range(6)] == asked


def test_awaited_labels_count_in_probabilities_too():
    problem = sa.Problem([0.5, 0.5], 4)
    policy = sa.MinimumCoverage("round-robin", [None, "b"], {"b": 2}, "first")
    start, usable = np.zeros((1, 2), dtype=np.int64), np.ones((1, 2), dtype=bool)
    assert policy.action_probabilities(problem, start, start, usable).tolist() == [[0.0, 1.0]]
    awaited = np.array([[0, 2]])
    assert policy.action_probabilities(problem, start, start, usable, awaited).tolist() == [[0.5, 0.5]]


def test_what_is_left_after_unasked_labels_goes_to_slices_that_lack_some():
    policy = sa.MinimumCoverage("kg", ["a", "a", "b"], {"b": 3})
    session = sa.Session(sa.Problem([0.5, 0.5, 0.99], 4), policy, seed=1)
    for _ in range(2):
        session.tell(0, 1)
    assert [session.ask(), session.ask()] == [2, 2]


def test_minimum_of_all_slices_is_one_number_or_many():
    one, many = (sa.MinimumCoverage("kg", ["a", "b"], x) for x in (2, {"b": 2, "a": 2}))
    problem = sa.Problem([0.6, 0.9], 6)
    assert sa.evaluate(problem, one).value == sa.evaluate(problem, many).value
    assert many == sa.MinimumCoverage("kg", ["a", "b"], {"a": 2, "b": 2})
    assert replace(many, when="first").minimum == many.minimum


def test_wrappers_of_coverage_keep_it():
    problem = sa.Problem([0.5] * 6, 12, batch=4)
    inner = sa.MinimumCoverage("kg", ["a"] * 5 + ["b"], {"b": 4})
    wrappers = (
        sa.RiskWeighted(inner, [9, 9, 9, 9, 9, 1]),
        sa.DiverseBatch(inner, np.zeros((6, 1))),
        sa.MinimumCoverage(inner, ["c", "c", "d", "d", "d", "d"], {"c": 5}),
    )
    for policy in wrappers:
        seeds, keys = replication_keys(3, 20)
        counts, _ = spend(problem, policy, PriorNature.draw(problem, seeds, keys), keys)
        assert counts[:, 5].min() >= 4
    assert counts[:, :2].sum(axis=1).min() >= 5


# Diverse batches.

SIZE, FEATURES = 9, np.random.default_rng(3).normal(size=(9, 2))
PLACES = sa.Problem(np.linspace(0.35, 0.75, SIZE), 40, weight=np.linspace(1, 2, SIZE), batch=4)


def states(rows, seed):
    """States with one awaited label at least, and items that can be labelled."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 4, (rows, SIZE))
    wins = rng.binomial(counts, 0.5)
    pending = rng.integers(0, 3, (rows, SIZE)) * (rng.random((rows, SIZE)) < 0.3)
    pending[:, 0] += ~pending.any(axis=1)
    usable = rng.random((rows, SIZE)) < 0.8
    usable[:, 1] = True
    return counts, wins, usable, pending


def determinant(quality, length, rows, chosen):
    kernel = np.zeros((len(rows), len(rows)))
    for i, j in itertools.product(range(len(rows)), repeat=2):
        kernel[i, j] = np.exp(-np.sum((rows[i] - rows[j]) ** 2) / (2 * length**2)) + 1e-6 * (i == j)
    among = np.outer(quality, quality) * kernel
    return np.linalg.det(among[np.ix_(chosen, chosen)])


@pytest.mark.parametrize("method", ["k-center", "determinantal"])
@pytest.mark.parametrize("strength", [0.0, 2.0])
@pytest.mark.parametrize("candidates", [2, 5, None])
def test_choice_in_a_batch_agrees_with_plain_python(method, strength, candidates):
    base = sa.VarianceReduction(ties="first")
    length = {"length": 0.7} if method == "determinantal" else {}
    policy = sa.DiverseBatch(base, FEATURES, method, candidates, strength, **length)
    counts, wins, usable, pending = states(15, 1)
    chances = policy.action_probabilities(PLACES, counts, wins, usable, pending)
    for s, scores in enumerate(base.scores(PLACES, counts, wins)):
        best = sorted(np.flatnonzero(usable[s]), key=lambda i: -scores[i])[:candidates]
        low, high = scores[best].min(), scores[best].max()
        quality = np.ones(SIZE)
        for i in best:
            quality[i] = np.exp(strength * (scores[i] - high) / (high - low)) if high > low else 1.0
        awaited = list(np.flatnonzero(pending[s]))
        if method == "k-center":
            value = [quality[i] * min(np.linalg.norm(FEATURES[i] - FEATURES[j]) for j in awaited) for i in best]
        else:
            # A label awaited already is one more item, in the same place.
            rows = np.vstack([FEATURES, FEATURES])
            twice = np.concatenate([np.ones(SIZE), quality])
            value = [determinant(twice, 0.7, rows, [*awaited, SIZE + i]) for i in best]
        wanted = best[int(np.argmax(value))]
        if min(abs(x / max(value) - 1) for k, x in enumerate(value) if best[k] != wanted) > 1e-5:
            assert np.array_equal(np.flatnonzero(chances[s]), [wanted])


def test_states_without_awaited_labels_are_the_bases():
    base = sa.KnowledgeGradient()
    policy = sa.DiverseBatch(base, FEATURES)
    counts, wins, usable, pending = states(30, 2)
    pending[::2] = 0
    alone = chances_of(base, PLACES, counts, wins, usable)
    found = policy.action_probabilities(PLACES, counts, wins, usable, pending)
    assert np.array_equal(found[::2], alone[::2])
    assert np.abs(found[1::2] - alone[1::2]).max() > 0.5
    assert np.array_equal(policy.action_probabilities(PLACES, counts, wins, usable), alone)
    # A state is chosen in as it is alone.
    for s in range(30):
        one = slice(s, s + 1)
        assert np.array_equal(
            policy.action_probabilities(PLACES, counts[one], wins[one], usable[one], pending[one]), found[one]
        )


@pytest.mark.parametrize("base", ["kg", "uniform", "lagrangian"])
def test_single_labels_are_the_bases(base):
    problem = sa.Problem([0.5, 0.6, 0.7], 7)
    policy = sa.DiverseBatch(base, features_of(3), method="determinantal")
    assert sa.evaluate(problem, policy).value == pytest.approx(
        sa.evaluate(problem, sa.make_policy(base)).value, abs=1e-12
    )
    one, other = (sa.simulate(problem, x, replications=50, seed=3) for x in (policy, base))
    assert np.array_equal(one.values, other.values)
    assert np.array_equal(one.labels, other.labels)


@pytest.mark.parametrize("method", ["k-center", "determinantal"])
def test_a_batch_holds_no_two_copies_while_another_item_is_to_be_had(method):
    rng = np.random.default_rng(4)
    group = rng.permutation(np.repeat(np.arange(6), 5))
    problem = sa.Problem(np.linspace(0.4, 0.7, 6)[group], 18, batch=6)
    policy = sa.DiverseBatch("variance-reduction", rng.normal(size=(6, 3))[group], method)
    session = sa.Session(problem, policy, seed=1)
    for _ in range(3):
        items = [session.ask() for _ in range(6)]
        assert len(set(group[items].tolist())) == 6
        for item in items:
            session.tell(item, 1)
    session = sa.Session(problem, "variance-reduction", seed=1)
    assert len({int(group[session.ask()]) for _ in range(6)}) < 6


@pytest.mark.parametrize("settings_", [{"candidates": 1}, {"strength": 1e4}])
def test_where_only_scores_count_the_base_chooses(settings_):
    base = sa.VarianceReduction()
    counts, wins, usable, pending = states(60, 5)
    usable &= pending == 0
    rows = usable.any(axis=1)
    counts, wins, usable, pending = (x[rows] for x in (counts, wins, usable, pending))
    policy = sa.DiverseBatch(base, FEATURES, **settings_)
    found = policy.action_probabilities(PLACES, counts, wins, usable, pending)
    assert np.array_equal(found, chances_of(base, PLACES, counts, wins, usable))


@pytest.mark.parametrize("method", ["k-center", "determinantal"])
def test_features_that_are_all_alike_leave_the_choice_to_the_base(method):
    base = sa.VarianceReduction()
    counts, wins, usable, pending = states(30, 6)
    found = sa.DiverseBatch(base, np.ones((SIZE, 3)), method).action_probabilities(
        PLACES, counts, wins, usable, pending
    )
    assert np.array_equal(found, chances_of(base, PLACES, counts, wins, usable))


def test_unit_of_payoff_does_not_matter():
    args = states(30, 7)
    found = [
        sa.DiverseBatch(base, FEATURES).action_probabilities(PLACES, *args)
        for base in ("variance-reduction", sa.RiskWeighted("variance-reduction", [1024.0] * SIZE))
    ]
    assert np.array_equal(*found)


class OnlyProbabilities(sa.Exact):
    """A joint policy with no scores of its own, that likes late items."""

    name = "only-probabilities"

    def action_probabilities(self, problem, counts, wins, usable):
        weight = usable * np.arange(1.0, problem.size + 1)
        return weight / weight.sum(axis=1, keepdims=True)

    scores = sa.JointPolicy.scores


def test_base_without_scores_is_taken_by_its_probabilities():
    counts, wins, usable, pending = states(30, 8)
    policy = sa.DiverseBatch(OnlyProbabilities(), FEATURES, candidates=3)
    found = policy.action_probabilities(PLACES, counts, wins, usable, pending)
    for s in range(30):
        last_three = np.flatnonzero(usable[s])[-3:]
        assert set(np.flatnonzero(found[s])) <= set(last_three)


def test_near_copies_are_decided_better_together_and_worse_alone():
    """Five standard errors of paired differences; fixed seed."""
    world = near_copies(groups=40, copies=8, batch=20, batches=3, seed=7)
    policies_ = ["variance-reduction", sa.DiverseBatch("variance-reduction", world.features)]
    table = world.compare(policies_, replications=60, seed=7)
    assert table.groups[1] > 1.5 * table.groups[0]
    assert table.ahead[1] > 5 * table.ahead_se[1] > 0
    assert table.own[1] < table.own[0]


def test_decisions_on_near_copies_agree_with_plain_python():
    world = near_copies(groups=3, copies=2, batch=2, batches=2, seed=5)
    rng = np.random.default_rng(2)
    counts = rng.integers(0, 5, (4, 6))
    wins = rng.binomial(counts, 0.5)
    rate = rng.random((4, 3))[:, world.group]
    pooled, won = world._pooled(counts), world._pooled(wins)
    found = world._right(rate, pooled[:, world.group], won[:, world.group])
    for r in range(4):
        right = 0
        for i in range(6):
            alike = [j for j in range(6) if world.group[j] == world.group[i]]
            n, w = (int(sum(x[r, j] for j in alike)) for x in (counts, wins))
            tail = (
                Oracle(Case((Item(float(world.problem.threshold[i])),), 1))
                .working[0]
                .tail(n, w, float(world.problem.threshold[i]))
            )
            right += (tail > 0.5) == (rate[r, i] > world.problem.threshold[i])
        assert found[r] == pytest.approx(right / 6)
    with pytest.raises(ValueError, match="replications is 1; it must be a whole number, at least 2"):
        world.compare(["kg"], replications=1, seed=1)


# Data on items, and what is refused.


def test_data_on_items_are_values():
    rows = np.arange(12.0).reshape(6, 2)
    one, other = PerItem(rows), PerItem(rows.copy(order="F"))
    assert one == other
    assert hash(one) == hash(other)
    assert one != PerItem(rows.reshape(4, 3))
    assert one != PerItem(rows.astype(np.int64))
    assert PerItem([0.0]) == PerItem([-0.0])
    rows[0, 0] = 7.0
    assert one == other
    back = pickle.loads(pickle.dumps(one))
    assert back == one
    for held in (one, back):
        with pytest.raises(ValueError, match="read-only"):
            held.values[0, 0] = 1.0
        with pytest.raises(AttributeError, match="cannot be changed"):
            held.values = rows
    assert repr(one) == f"PerItem(shape=(6, 2), digest={one.digest})"


def test_slices_list_their_items():
    slices = Slices.of(["b", None, "a", "b"])
    assert [(name, items.tolist()) for name, items in slices] == [("b", [0, 3]), ("a", [2])]
    assert Slices.of(slices) is slices


TWO = sa.Problem([0.5, 0.6], 3, cap=[1, 3])
REFUSED = [
    (lambda: sa.RiskWeighted("kgg", [1]), r"risk-weighted: base: policy 'kgg' is not known; did you mean 'kg'"),
    (lambda: sa.RiskWeighted(3, [1]), r"risk-weighted: base is 3; allowed"),
    (lambda: sa.RiskWeighted("uniform", [1], ties="first"), r"risk-weighted: base: uniform: ties is 'first'"),
    (lambda: sa.RiskWeighted("kg", [1], ties="last"), r"risk-weighted: ties is 'last'"),
    (lambda: sa.RiskWeighted("kg", [1, -2.0]), r"risk of item number 1 is -2.0; it must be positive and finite"),
    (lambda: sa.RiskWeighted("kg", [np.nan]), r"risk of item number 0 is nan"),
    (lambda: sa.RiskWeighted("kg", [[1.0]]), r"risk has shape \(1, 1\); it must be \(N,\)"),
    (lambda: sa.RiskWeighted("kg", "high"), r"risk is 'high'; it must be a positive number for each item"),
    (lambda: sa.RiskWeighted("kg", {"a": 1}), r"slices must hold the label"),
    (lambda: sa.RiskWeighted("kg", [1], slices=["a"]), r"risk must then be a mapping"),
    (lambda: sa.RiskWeighted("kg", {"a": 1}, ["a", "b"]), r"slice 'b' has no risk"),
    (lambda: sa.RiskWeighted("kg", {"a": 1, "c": 1}, ["a"]), r"risk names the slice 'c'; there are 'a'"),
    (lambda: sa.RiskWeighted("kg", {"a": 0}, ["a"]), r"risk of slice 'a' is 0; it must be positive and finite"),
    (lambda: sa.RiskWeighted("kg", {"a": "x"}, ["a"]), r"risk of slice 'a' is 'x'"),
    (lambda: sa.evaluate(TWO, sa.RiskWeighted("kg", [1])), r"risk has 1 rows; .* one for each of the 2 items"),
    (lambda: sa.MinimumCoverage("kg", "ab"), r"minimum-coverage: slices is 'ab'"),
    (lambda: sa.MinimumCoverage("kg", ["a", []]), r"slices: item number 1 has the label \[\]"),
    (lambda: sa.MinimumCoverage("kg", ["a", float("nan")]), r"slices: item number 1 has the label nan"),
    (lambda: sa.MinimumCoverage("kg", [None, None]), r"none of the 2 items is in a slice"),
    (lambda: sa.MinimumCoverage("kg", ["a"], 1.5), r"minimum is 1.5; it must be a whole number, at least 0"),
    (lambda: sa.MinimumCoverage("kg", ["a"], -1), r"minimum is -1"),
    (lambda: sa.MinimumCoverage("kg", ["a"], (1, 2)), r"minimum is \(1, 2\)"),
    (lambda: sa.MinimumCoverage("kg", ["a"], {"a": True}), r"minimum of slice 'a' is True"),
    (lambda: sa.MinimumCoverage("kg", ["a"], {"b": 1}), r"minimum names the slice 'b'; there are 'a'"),
    (lambda: sa.MinimumCoverage("kg", ["a"], 1, "soon"), r"when is 'soon'; allowed: 'last', 'first'"),
    (lambda: sa.evaluate(TWO, sa.MinimumCoverage("kg", ["a"])), r"slices has 1 rows"),
    (
        lambda: sa.Session(TWO, sa.MinimumCoverage("kg", ["a", "b"], 2), seed=1),
        r"slice 'a' needs 2 labels; its items can have 1 between them",
    ),
    (
        lambda: sa.simulate(TWO, sa.MinimumCoverage("kg", ["a", "b"], {"a": 1, "b": 3}), seed=1),
        r"the minima of the slices cost at least 4; the budget is 3",
    ),
    (
        lambda: sa.evaluate(
            sa.Problem([0.5, 0.6], 3, quota=[([1], 3)]), sa.MinimumCoverage("kg", ["a", "b"], {"a": 1})
        ),
        r"the minima of the slices and the problem's quotas cost at least 4; the budget is 3",
    ),
    (lambda: sa.DiverseBatch("kg", [1.0, 2.0]), r"diverse-batch: features have shape \(2,\); it must be \(N, F\)"),
    (lambda: sa.DiverseBatch("kg", [["x"]]), r"features.* is .*; it must be a number"),
    (lambda: sa.DiverseBatch("kg", [[0.0], [np.inf]]), r"features of item number 1 are \[inf\]; they must be finite"),
    (lambda: sa.DiverseBatch("kg", [[0.0]], "random"), r"method is 'random'; allowed: 'k-center', 'determinantal'"),
    (lambda: sa.DiverseBatch("kg", [[0.0]], candidates=0), r"candidates is 0"),
    (lambda: sa.DiverseBatch("kg", [[0.0]], strength=-1), r"strength is -1; it must be a finite number, at least 0"),
    (lambda: sa.DiverseBatch("kg", [[0.0]], length=1.0), r"length is 1.0; only 'determinantal' has one"),
    (lambda: sa.DiverseBatch("kg", [[0.0]], "determinantal", length=0), r"length is 0; it must be positive and finite"),
    (lambda: sa.evaluate(TWO, sa.DiverseBatch("kg", [[0.0]])), r"features has 1 rows"),
    (
        lambda: sa.DiverseBatch("kg", [[1e200], [-1e200]]),
        "diverse-batch: features must lie between -1e\\+100 and 1e\\+100",
    ),
    (
        lambda: sa.MinimumCoverage("kg", [i % 8 for i in range(60)], 7).require(
            sa.Problem(np.linspace(0.3, 0.8, 60), 200, quota=[(list(range(j, 60, 3)), 20) for j in range(3)])
        ),
        "minimum-coverage: the minima of the slices cross the problem's quotas in more ways",
    ),
]


@pytest.mark.parametrize(("call", "message"), REFUSED)
def test_what_does_not_fit_is_refused_in_one_line(call, message):
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert len(str(caught.value).splitlines()) == 1


def test_a_temperature_near_zero_gives_the_base_without_a_warning():
    problem = sa.Problem([0.5, 0.7], budget=4)
    wanted = sa.evaluate(problem, "audit-index").value
    for temperature in (1e-300, 1e-320, 5e-324):
        assert sa.evaluate(problem, sa.SoftmaxAudit(temperature=temperature)).value == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize(("risk", "product"), [(1e308, "inf"), (1e-308, "0.0")])
def test_a_risk_whose_product_with_the_weight_is_no_weight_is_named(risk, product):
    weight = 1e3 if risk > 1 else 1e-300
    problem = sa.Problem([0.5, 0.7], budget=4, weight=[1.0, weight])
    message = f"risk-weighted: risk of item 2 is {risk}; times its weight, {weight}, it is {product}"
    with pytest.raises(ValueError, match=re.escape(message)):
        sa.simulate(problem, sa.RiskWeighted("kg", [1.0, risk]), seed=7)
