"""The compiled run of index policies: the same choices as the board, and tables that are what they stand for."""

from __future__ import annotations

import importlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import seqaudit as sa
from seqaudit.bandits.kernels import run as kernels
from seqaudit.bandits.policy import IndexPolicy
from seqaudit.bandits.registry import registered_policies
from seqaudit.bandits.simulation import compiled_run as run
from seqaudit.bandits.simulation import gittins_tables as index_book
from seqaudit.bandits.simulation.compiled_run import can_run, run_policy
from seqaudit.bandits.simulation.seeds import replication_keys
from seqaudit.bandits.simulation.simulate import PriorNature, spend
from seqaudit.dp.single_item.index_tables import band_tables
from seqaudit.dp.single_item.stopping import label_gains, solve_stopping

INDEXED = [
    name for name, cls in registered_policies().items() if issubclass(cls, IndexPolicy) and not cls.uses_remaining
]


def nature(problem, seed, replications):
    seeds, keys = replication_keys(seed, replications)
    return PriorNature.draw(problem, seeds, keys), keys


@st.composite
def problems(draw):
    size = draw(st.integers(1, 30))
    few = draw(st.booleans())
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    fields = {"threshold": rng.choice([0.5, 0.3, 0.7], size) if few else rng.uniform(0.05, 0.95, size)}
    fields["weight"] = 1.0 if few else rng.uniform(0.5, 3, size)
    fields["prior"] = draw(st.sampled_from([(1, 1), (0.3, 4.0), sa.BetaMixture((0.5, 0.5), (1, 3), (2, 1))]))
    # Tails of mixtures take long.
    fields["budget"] = draw(st.integers(1, 300 if isinstance(fields["prior"], tuple) else 60))
    if draw(st.booleans()):
        fields["cap"] = rng.integers(1, 40, size)
    if draw(st.booleans()):
        fields["cost"] = rng.choice([0.5, 1.0, 2.5], size) if few else rng.uniform(0.5, 3, size)
        fields["budget"] += 3
    return sa.Problem(**fields)


@pytest.mark.parametrize("name", INDEXED)
@settings(max_examples=6)
@given(problem=problems(), ties=st.sampled_from(["random", "first"]), seed=st.integers(0, 10**6))
def test_run_makes_the_choices_of_the_board(name, problem, ties, seed):
    policy = sa.make_policy(name) if name == "uniform" else registered_policies()[name](ties=ties)
    source, keys = nature(problem, seed, 3)
    assert can_run(problem, policy)
    board = spend(problem, policy, source, keys)
    alone = run_policy(problem, policy, source, keys)
    assert np.array_equal(board, alone)


@settings(max_examples=30)
@given(problems(), st.sampled_from(["variance-reduction", "kg"]), st.integers(0, 10**6))
def test_run_shows_the_same_states_on_the_way(problem, name, seed):
    policy = sa.make_policy(name)
    source, keys = nature(problem, seed, 2)
    stops = sorted({0, problem.labels // 3, problem.labels})
    seen = {}
    for play in (
        lambda **how: spend(problem, policy, source, keys, **how),
        lambda **how: run_policy(problem, policy, source, keys, **how),
    ):
        play(stops=stops, observe=lambda step, n, w: seen.setdefault(step, []).append((n.copy(), w.copy())))
    for step in stops:
        # The board does not stop again once every replication is through.
        assert len(seen[step]) in (1, 2)
        assert all(np.array_equal(seen[step][0], x) for x in seen[step])
    assert any(len(x) == 2 for x in seen.values())


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 40), st.sampled_from([-np.inf, 0.0, 1.0, 1.0 + 1e-13, 2.0, -3.0])), min_size=1)
)
@pytest.mark.parametrize("scale", [0.0, 2.0])
def test_tournament_names_the_tied_items_in_their_order(scale, moves):
    size = 41
    scores = np.full(64, -np.inf)
    tree = np.empty((16, 2), dtype=np.int64)
    kernels.build(scores, tree, scale)
    plain = np.full(size, -np.inf)
    for item, score in moves:
        plain[item] = score
        kernels.place(scores, tree, item, score, scale)
        best = plain.max()
        tied = np.flatnonzero(plain >= best - 1e-12 * max(abs(best), scale)) if best > -np.inf else []
        assert kernels.search(scores, tree, -1, scale) == len(tied)
        for pick, wanted in enumerate(tied):
            assert kernels.search(scores, tree, pick, scale) == wanted


def test_simulation_is_the_same_whichever_way_it_is_run(monkeypatch):
    module = importlib.import_module("seqaudit.bandits.simulation.simulate")
    problem = sa.Problem(np.linspace(0.2, 0.8, 50), 400, weight=np.linspace(1, 2, 50))
    found = []
    for answer in (True, False):
        monkeypatch.setattr(module, "pays", lambda *_, answer=answer: answer)
        found.append(sa.simulate(problem, "variance-reduction", replications=20, seed=7))
    assert np.array_equal(found[0].values, found[1].values)
    assert np.array_equal(found[0].labels, found[1].labels)


def test_quotas_batches_and_looks_at_the_budget_are_left_to_the_board():
    plain = sa.Problem([0.5, 0.6], 4)
    assert can_run(plain, sa.KnowledgeGradient())
    assert not can_run(sa.Problem([0.5, 0.6], 4, quota=[([0], 1)]), sa.KnowledgeGradient())
    assert not can_run(sa.Problem([0.5, 0.6], 4, batch=2), sa.KnowledgeGradient())
    assert not can_run(plain, sa.Whittle())
    assert not can_run(plain, sa.Exact())


def test_score_that_is_not_finite_is_refused_by_name():
    class Broken(IndexPolicy):
        name = "broken"

        def index(self, states):
            return np.where(states.labels > 2, np.nan, -states.labels)

    problem = sa.Problem([0.5, 0.6], 8, name=["left", "right"])
    source, keys = nature(problem, 0, 1)
    with pytest.raises(ValueError, match=r"broken: index of (left|right) is nan after .*; it must be finite"):
        run_policy(problem, Broken(), source, keys)


# Tables of the Gittins index.


@pytest.mark.parametrize("utility", [sa.Accuracy(), sa.Asymmetric(gain=1, loss=3)], ids=lambda u: u.name)
@pytest.mark.parametrize(("t", "a", "b"), [(0.5, 1, 1), (0.37, 1, 1), (0.8, 2.5, 0.7), (0.05, 3, 3)])
def test_band_tables_hold_the_indices_above_their_floor(t, a, b, utility):
    depth, rows, floor = 120, 30, 0.002
    mean, gain, _ = label_gains(sa.Problem([t], depth, prior=(a, b), utility=utility), 0, depth)
    wanted = solve_stopping(mean, gain).index
    one = np.ones(1)
    found = band_tables(
        a * one, b * one, t * one, utility.kink(), floor * one, rows=rows, depth=np.array([depth]), threads=1
    )
    above = 0
    for n in range(rows):
        for w in range(n + 1):
            exact = wanted[n, w] if wanted[n, w] > floor else 0.0
            above += exact > 0
            assert found.index(0, n, w) == pytest.approx(exact, abs=1e-12)
    assert above > 5


def test_merged_hinges_change_an_index_little():
    """Tables of large simulations merge them: a part in 500 at most, in 50,000 on average."""
    rng = np.random.default_rng(7)
    t = rng.uniform(0.02, 0.98, 40)
    one = np.ones(40)
    how = {"rows": index_book.ROWS, "depth": np.full(40, index_book.DEPTH)}
    exact, merged = (
        band_tables(one, one, t, (0.5, 2.0), 0.002 * one, merge=merge, **how).value for merge in (0.0, index_book.MERGE)
    )
    inside = exact > 0
    off = np.abs(merged - exact)[inside] / exact[inside]
    assert 0 < off.max() < 2e-3
    assert off.mean() < 2e-5


def test_tables_do_not_depend_on_threads():
    rng = np.random.default_rng(7)
    t, one = rng.uniform(0.02, 0.98, 50), np.ones(50)
    found = [
        band_tables(one, one, t, (0.5, 2.0), 0.01 * one, rows=20, depth=np.full(50, 40), threads=k) for k in (1, 2)
    ]
    for name in ("first", "begin", "value"):
        assert np.array_equal(getattr(found[0], name), getattr(found[1], name))


def test_interpolated_index_is_close_to_the_index():
    """The claim of docs/certificates.md, over the states of the first forty labels."""
    rng = np.random.default_rng(7)
    size = 3000
    problem = sa.Problem(rng.uniform(0.05, 0.95, size), 30_000, weight=rng.uniform(1.0, 1.9, size))
    book = index_book.IndexBook(problem, floor=0.004)
    assert (book.between > 0).mean() > 0.9
    off = []
    for i in rng.choice(size, 40, replace=False):
        one = np.ones(1)
        v = problem.weight[i]
        floor = book.floor / problem.weight.max() * one
        exact = band_tables(
            one, one, problem.threshold[i] * one, (0.5, 2.0), floor, rows=40, depth=np.array([index_book.DEPTH])
        )
        table, between = int(book.table[i]), book.between[i]
        for n in range(40):
            for w in range(n + 1):
                wanted = exact.index(0, n, w)
                # Near the floor one of the nodes may have none.
                if v * wanted > 1.5 * book.floor:
                    x, y = (book.tables.index(table + k, n, w) for k in (0, 1))
                    off.append(abs(x + between * (y - x) - wanted) / wanted)
    assert len(off) > 2000
    assert np.mean(off) < 4e-3
    assert np.quantile(off, 0.99) < 0.05


@settings(max_examples=60)
@given(st.floats(0.05, 0.95), st.integers(0, 30), st.data())
def test_index_beyond_a_table_is_that_of_the_stopping_problem(t, n, data):
    w = data.draw(st.integers(0, n))
    ahead = 40
    mean, gain, _ = label_gains(sa.Problem([t], ahead, prior=(1 + w, 1 + n - w)), 0, ahead)
    wanted = solve_stopping(mean, gain).index[0, 0]
    problem = sa.Problem([t], 1)
    room, places = np.zeros((4, ahead + 2)), np.zeros((4, ahead + 2), dtype=np.int64)
    row = np.zeros((1, 8))
    row[0, [kernels.FACTOR, kernels.X, kernels.Y]] = 1.0, w, n - w
    belief = np.array([[1.0, 1.0, t, problem.prior_tail[0]]])
    for guess in (0.0, 0.5 * wanted, 2.0 * wanted):
        settings_ = np.array([0.5, 2.0, ahead, 0.0, 1e-5])
        found = kernels.score_ahead(row, 0, belief, settings_, guess, room, places)
        assert found == pytest.approx(wanted if wanted > 1e-5 else 0.0, rel=1e-6, abs=1e-13)


def test_large_simulation_of_gittins_is_as_good_as_its_index(monkeypatch):
    rng = np.random.default_rng(7)
    problem = sa.Problem(rng.uniform(0.05, 0.95, 600), 6000, weight=rng.uniform(0.5, 4, 600))
    exact = sa.certify(problem, "gittins", replications=6, seed=3)
    monkeypatch.setattr(run, "TABLED", 600)
    index_book.book_of.cache_clear()
    tables = sa.certify(problem, "gittins", replications=6, seed=3)
    assert tables.upper == exact.upper
    assert tables.gap == pytest.approx(exact.gap, abs=4 * np.hypot(tables.gap_error, exact.gap_error) + 1e-4)
    assert tables.gap < 0.004


@pytest.mark.parametrize("floor", [8.0, 1.5])
def test_run_goes_on_without_tables_when_no_index_is_above_their_floor(monkeypatch, floor):
    monkeypatch.setattr(run, "TABLED", 20)
    monkeypatch.setattr(index_book, "FLOOR", floor)
    index_book.book_of.cache_clear()
    problem = sa.Problem(np.linspace(0.3, 0.7, 20), 300)
    source, keys = nature(problem, 5, 2)
    found = run_policy(problem, sa.Gittins(), source, keys)
    index_book.book_of.cache_clear()
    assert (found[0].sum(axis=1) == 300).all()
    if floor == 8.0:
        # From the first label on, so that nothing is interpolated or cut.
        assert np.array_equal(found, spend(problem, sa.Gittins(), source, keys))


@pytest.mark.parametrize("fields", [{"budget": 4000, "cap": 20}, {"budget": 30_000}])
def test_budget_that_buys_nearly_everything_needs_no_tables(fields):
    problem = sa.Problem(np.linspace(0.1, 0.9, 200), **fields)
    assert index_book.book_of(problem) is None
    source, keys = nature(sa.Problem(np.linspace(0.1, 0.9, 200), 400, cap=20), 5, 1)
    plain = sa.Problem(np.linspace(0.1, 0.9, 200), 4000, cap=20)
    if "cap" in fields:
        counts, _ = run_policy(plain, sa.Gittins(), source, keys)
        assert (counts == 20).all()


def test_index_of_a_subclass_is_its_own():
    class Mine(sa.VarianceReduction):
        name = "mine"

        def index(self, states):
            return states.threshold

    problem = sa.Problem([0.2, 0.9, 0.5], 30)
    source, keys = nature(problem, 1, 3)
    counts, _ = run_policy(problem, Mine(), source, keys)
    assert (counts == [0, 30, 0]).all()


def test_guess_that_is_the_index_does_not_keep_the_search_from_ending():
    p = sa.Problem([0.55], 1, prior=(150, 110)).prior_tail[0]
    belief = np.array([[150.0, 110.0, 0.55, p]])
    room, places = np.zeros((4, 98)), np.zeros((4, 98), dtype=np.int64)
    row = np.zeros((1, 8))
    row[0, kernels.FACTOR] = 1.0
    how = np.array([0.5, 2.0, 96, 0.0, 1e-9])
    first = kernels.score_ahead(row, 0, belief, how, 0.0, room, places)
    assert kernels.score_ahead(row, 0, belief, how, first, room, places) == pytest.approx(first, rel=1e-6)


def test_scores_that_overflow_are_refused():
    problem = sa.Problem([0.2, 0.9], 3e-8, weight=1e300, cost=1e-9)
    keys = np.zeros((1, 2), dtype=np.uint64)
    with np.errstate(over="ignore"), pytest.raises(ValueError, match="variance-reduction: score of item 1 is inf"):
        run_policy(problem, sa.VarianceReduction(), PriorNature(np.full((1, 2), 0.5), keys), keys)


def test_answers_depend_neither_on_threads_nor_on_what_ran_before():
    rng = np.random.default_rng(7)
    problem = sa.Problem(rng.uniform(0.05, 0.95, 300), 2000, weight=rng.uniform(0.5, 4, 300))
    source, keys = nature(problem, 5, 3)
    policies = ["gittins", "variance-reduction", "kg"]
    first = [run_policy(problem, sa.make_policy(name), source, keys) for name in policies]
    index_book.book_of.cache_clear()
    other = [run_policy(problem, sa.make_policy(name), source, keys, threads=2) for name in reversed(policies)]
    for one, two in zip(first, reversed(other), strict=True):
        assert np.array_equal(one, two)
    assert not np.array_equal(first[0], first[1])
    values = [sa.simulate(problem, "gittins", replications=6, seed=3, n_jobs=jobs).values for jobs in (1, 2)]
    assert np.array_equal(*values)


@pytest.mark.parametrize("name", ["kg", "uncertainty", "gittins"])
def test_item_that_has_become_too_dear_does_not_come_back(name, monkeypatch):
    """Neither with the items whose windows are refilled, nor when tables are given up."""
    monkeypatch.setattr(run, "TABLED", 12)
    monkeypatch.setattr(run, "_WINDOW_STATES", 12)
    monkeypatch.setattr(index_book, "FLOOR", 8.0)
    index_book.book_of.cache_clear()
    cost = np.array([7.0, 1.0, 0.25] * 4)
    problem = sa.Problem(np.linspace(0.45, 0.55, 12), 150, cost=cost)
    source, keys = nature(problem, 3, 40)
    found = run_policy(problem, sa.make_policy(name), source, keys)
    index_book.book_of.cache_clear()
    assert (found[0] @ cost <= 150 * (1 + 1e-9)).all()
    assert np.array_equal(found, spend(problem, sa.make_policy(name), source, keys))
