"""The board: random numbers by counter, ties, scores kept up to date, and independent replications."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import seqaudit as sa
from seqaudit.bandits.kernels import choosing as _kernels
from seqaudit.bandits.registry import registered_policies
from seqaudit.bandits.simulation.board import Board
from seqaudit.bandits.simulation.seeds import replication_keys
from seqaudit.dp.machine.workers import workers

WORD = st.integers(0, 2**64 - 1)
INDEX_POLICIES = [cls() for cls in registered_policies().values() if issubclass(cls, sa.IndexPolicy)]


@dataclass(frozen=True)
class Table(sa.Policy):
    """The same given scores in every replication."""

    row: tuple[float, ...] = ()
    scale: float = 0.0
    name = "table"

    def scores(self, problem, counts, wins):
        return np.tile(np.array(self.row), (len(counts), 1))

    def index_scale(self, problem):
        return self.scale


def choices(row, replications=1, *, seed=1, scale=0.0, ties="random", step=0, usable=None, **fields):
    problem = sa.Problem(np.full(len(row), 0.5), 10, **fields)
    _, keys = replication_keys(seed, replications)
    board = Board(problem, Table(ties=ties, row=tuple(row), scale=scale), keys)
    return board.choose(step, None if usable is None else np.array([usable]))


@pytest.mark.smoke
@given(st.tuples(WORD, WORD, WORD, WORD), st.tuples(WORD, WORD))
@settings(max_examples=200)
def test_philox_equals_numpys_word_for_word(counter, key):
    # NumPy adds one to the 256-bit counter before it makes its first block.
    before = (sum(c << 64 * k for k, c in enumerate(counter)) - 1) % 2**256
    theirs = np.random.Philox(
        counter=np.array([before >> 64 * k & (2**64 - 1) for k in range(4)], dtype=np.uint64),
        key=np.array(key, dtype=np.uint64),
    )
    ours = _kernels.philox(*(np.uint64(x) for x in (*counter, *key)))
    assert int(ours) == int(theirs.random_raw())


def uniforms(count: int) -> np.ndarray:
    _, keys = replication_keys(11, 1)
    return np.array([_kernels.uniform(c, 3, _kernels.LABELS, *keys[0]) for c in range(count)])


def test_uniform_numbers_are_uniform_on_the_unit_interval():
    """False-alarm rate 1e-4 for the distribution and 6e-5 for the serial correlation; fixed key."""
    u = uniforms(20_000)
    assert u.min() >= 0.0
    assert u.max() < 1.0
    assert len(np.unique(u)) == len(u)
    assert stats.kstest(u, "uniform").pvalue > 1e-4
    assert abs(np.corrcoef(u[1:], u[:-1])[0, 1]) < 4 / np.sqrt(len(u))


def test_uniform_has_53_random_bits():
    scaled = uniforms(200) * 2.0**53
    assert np.array_equal(scaled, np.floor(scaled))
    assert set(np.mod(scaled, 2)) == {0.0, 1.0}


def test_labels_and_ties_use_different_streams():
    _, keys = replication_keys(2, 1)
    assert _kernels.uniform(0, 0, _kernels.LABELS, *keys[0]) != _kernels.uniform(0, 0, _kernels.TIES, *keys[0])


def test_ties_are_broken_uniformly_among_the_usable_items():
    """Chi-square over replications and over steps, false-alarm rate 1e-4 each; fixed seed."""
    row, cap = [1, 2, 2, 2, 0, 2, 2, 2], [9, 9, 9, 0, 9, 9, 9, 9]
    tied = [1, 2, 5, 6, 7]
    across = choices(row, 20_000, cap=cap)
    along = np.array([choices(row, step=k, cap=cap)[0] for k in range(3000)])
    for chosen in (across, along):
        seen = np.bincount(chosen, minlength=8)
        assert seen[tied].sum() == len(chosen)
        assert stats.chisquare(seen[tied]).pvalue > 1e-4


def test_ties_go_to_the_first_item_when_asked():
    assert choices([1, 2, 2], 50, ties="first").tolist() == [1] * 50
    assert choices([1, 2, 2], 50, ties="first", cap=[9, 0, 9]).tolist() == [2] * 50


@pytest.mark.parametrize(
    ("row", "scale", "tied"),
    [
        ([1.0, 1.0 - 0.9e-12], 0.0, True),
        ([1.0, 1.0 - 1.1e-12], 0.0, False),
        ([-1.0, -1.0 - 0.9e-12], 0.0, True),
        ([-1.0, -1.0 - 1.1e-12], 0.0, False),
        ([1e-9, 1e-9 - 0.9e-12], 0.0, False),
        ([1e-9, 1e-9 - 0.9e-12], 1.0, True),
        ([0.0, -0.9e-12], 1.0, True),
        ([0.0, -1e-300], 0.0, False),
        ([0.0, -1.1e-12], 1.0, False),
        ([3000.0, 3000.0 - 2.9e-9], 1.0, True),
    ],
)
def test_scores_are_equal_within_1e_12_of_the_larger_of_score_and_scale(row, scale, tied):
    """Two hundred fair choices all fall on the first item with probability 6e-61."""
    assert set(choices(row, 200, scale=scale)) == ({0, 1} if tied else {0})


def test_usable_narrows_the_choice_and_minus_one_means_none():
    assert choices([3, 2, 1], usable=[False, True, True]).tolist() == [1]
    assert choices([3, 2, 1], cap=[9, 0, 9], usable=[False, True, True]).tolist() == [2]
    assert choices([3, 2, 1], 4, usable=[False, False, False]).tolist() == [-1] * 4


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ([1.0, np.nan], "table: score of item 2 is nan; it must be finite"),
        ([np.inf, 1.0], "table: score of item 1 is inf; it must be finite"),
    ],
)
def test_score_that_is_not_finite_is_refused(row, message):
    with pytest.raises(ValueError, match=message):
        choices(row, 3)


def test_scores_of_the_wrong_shape_are_refused():
    _, keys = replication_keys(1, 4)
    with pytest.raises(ValueError, match=r"table: scores have shape \(4, 3\); it must be \(4, 2\)"):
        Board(sa.Problem([0.5, 0.5], 3), Table(row=(1.0, 2.0, 3.0)), keys).choose(0)


def test_index_that_stops_being_finite_is_refused_when_it_does():
    class Fragile(sa.VarianceReduction):
        name = "fragile"

        def index(self, states):
            return np.where(states.labels < 2, 1.0, np.inf)

    _, keys = replication_keys(1, 2)
    board = Board(sa.Problem([0.5, 0.5], 3), Fragile(), keys)
    board.record(np.array([0, 1]), np.array([1, 1]), np.array([1, 0]))
    with pytest.raises(ValueError, match="fragile: index of item 2 is inf"):
        board.record(np.array([0, 1]), np.array([0, 1]), np.array([1, 0]))


def test_choose_gives_an_array_of_its_own():
    _, keys = replication_keys(1, 2)
    board = Board(sa.Problem([0.5, 0.5], 3), sa.RoundRobin(ties="first"), keys)
    one = board.choose(0)
    other = board.choose(1, np.array([[False, True]]))
    assert (one.tolist(), other.tolist()) == ([0, 0], [1, 1])


@dataclass(frozen=True)
class FromScratch(sa.Policy):
    """Another policy's scores, computed anew at every step."""

    inner: sa.Policy | None = None
    name = "from-scratch"

    def scores(self, problem, counts, wins):
        return self.inner.scores(problem, counts, wins)

    def index_scale(self, problem):
        return self.inner.index_scale(problem)


@given(data=st.data(), policy=st.sampled_from(INDEX_POLICIES), seed=st.integers(0, 2**32))
@settings(max_examples=60)
def test_scores_kept_up_to_date_equal_scores_from_scratch(data, policy, seed):
    size, replications, budget = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 3)), 8
    unit = st.floats(0.02, 0.98)
    problem = sa.Problem(
        data.draw(st.lists(unit, min_size=size, max_size=size)),
        budget,
        weight=data.draw(st.lists(st.floats(0.1, 10), min_size=size, max_size=size)),
        prior=data.draw(st.lists(st.tuples(st.floats(0.2, 9), st.floats(0.2, 9)), min_size=size, max_size=size)),
    )
    _, keys = replication_keys(seed, replications)
    kept, anew = Board(problem, policy, keys), Board(problem, FromScratch(inner=policy), keys)
    rng = np.random.default_rng(seed)
    for step in range(budget):
        assert np.array_equal(kept.choose(step), anew.choose(step))
        # Any item may be labelled, not only the chosen one, and not every replication need move.
        rows = np.flatnonzero(rng.random(replications) < 0.8)
        items, labels = rng.integers(size, size=rows.size), rng.integers(2, size=rows.size)
        for board in (kept, anew):
            board.record(rows, items, labels)
    assert np.array_equal(kept.choose(budget), anew.choose(budget))
    assert np.array_equal(kept.counts, anew.counts)


def test_record_counts_labels_and_wins_and_closes_items_at_their_cap():
    _, keys = replication_keys(3, 2)
    board = Board(sa.Problem([0.5, 0.5], 4, cap=[1, 2]), sa.RoundRobin(ties="first"), keys)
    board.record(np.array([0, 1]), np.array([0, 1]), np.array([1, 0]))
    assert board.counts.tolist() == [[1, 0], [0, 1]]
    assert board.wins.tolist() == [[1, 0], [0, 0]]
    assert board.choose(1).tolist() == [1, 0]
    board.record(np.array([1]), np.array([1]), np.array([True]))
    assert board.wins.tolist() == [[1, 0], [0, 1]]
    board.record(np.array([1]), np.array([0]), np.array([0]))
    assert board.choose(2).tolist() == [1, -1]


def test_replication_is_the_same_for_any_number_of_them():
    few_seeds, few = replication_keys(7, 3)
    many_seeds, many = replication_keys(7, 10)
    assert np.array_equal(few, many[:3])
    assert [s.spawn_key for s in few_seeds] == [s.spawn_key for s in many_seeds[:3]]


def test_replications_have_distinct_keys_of_their_own():
    seeds, keys = replication_keys(7, 2000)
    assert keys.shape == (2000, 2)
    assert keys.dtype == np.uint64
    assert len(np.unique(keys)) == keys.size
    assert len({s.spawn_key for s in seeds}) == 2000
    assert not np.isin(keys, replication_keys(8, 2000)[1]).any()


def test_seed_sequence_is_not_used_up():
    root = np.random.SeedSequence(5, spawn_key=(3,))
    _, once = replication_keys(root, 4)
    assert root.n_children_spawned == 0
    root.spawn(2)
    assert np.array_equal(once, replication_keys(root, 4)[1])
    assert not np.array_equal(once, replication_keys(np.random.SeedSequence(5), 4)[1])


def test_integer_and_its_seed_sequence_are_the_same_seed():
    for seed in (9, np.int32(9), np.random.SeedSequence(9)):
        assert np.array_equal(replication_keys(seed, 3)[1], replication_keys(9, 3)[1])


def test_generator_is_a_stream_that_moves_on():
    one, other = np.random.default_rng(4), np.random.default_rng(4)
    first = replication_keys(one, 3)[1]
    assert np.array_equal(first, replication_keys(other, 3)[1])
    assert not np.array_equal(first, replication_keys(one, 3)[1])


@pytest.mark.parametrize("seed", [None, 1.5, "7", -1])
def test_anything_else_is_no_seed(seed):
    with pytest.raises(ValueError, match=r"seed is .*; it must (be a whole number|not be negative)"):
        replication_keys(seed, 2)


@pytest.mark.parametrize(("n_jobs", "tasks", "started"), [(1, 5, 1), (2, 5, 2), (999, 3, 3), (4, 0, 1)])
def test_no_more_workers_start_than_there_is_work_for(n_jobs, tasks, started):
    assert workers(n_jobs, tasks) == started


@pytest.mark.parametrize("n_jobs", [0, -7, 1.5, True])
def test_number_of_workers_is_positive_or_minus_one(n_jobs):
    with pytest.raises(ValueError, match=r"the number of workers is .*; it must be a number .* from 1 to 1024, or -1"):
        workers(n_jobs, 3)
