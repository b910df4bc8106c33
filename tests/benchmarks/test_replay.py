"""Replay: votes are drawn without replacement, unseen ones stay unseen, and the scores are those of the full pools."""

from __future__ import annotations

import copy
import gc
import importlib
import math
import os
from dataclasses import replace
from pathlib import Path

import hypothesis
import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import seqaudit as sa
from seqaudit.bandits.simulation.compiled_run import can_run, tabled
from seqaudit.bandits.simulation.seeds import replication_keys
from seqaudit.benchmarks.data.problem_of_labels import problem_of_labels
from seqaudit.benchmarks.replay.replay import VotePools, replay_table
from seqaudit.benchmarks.replay.scores import METRICS

# The package re-exports the function under the module's name.
module = importlib.import_module("seqaudit.benchmarks.replay.replay")
simulation = importlib.import_module("seqaudit.bandits.simulation.simulate")

POLICIES = [name for name in sa.policy_names() if not sa.make_policy(name).planning]
POOLS = {
    "a": [1, 1, 0, 1, 0, 1, 1],
    "b": [0, 0, 1, 0],
    "c": [1],
    "d": [1, 0, 0, 1, 1, 0, 1, 0, 1],
    "e": [0, 0],
    "f": [1, 1, 1, 0, 1, 1],
}
VOTES = sa.LabelSet.from_pools(POOLS)
RICH = replace(
    VOTES,
    log_ratio=np.array([0.4, -1.0, 0.9, 0.0, -0.3, 1.5]),
    weight=np.array([1.0, 2.0, 0.5, 1.5, 1.0, 3.0]),
    slice=("x", "y", "x", "z", "y", "x"),
)
TRUTH_FREE = ["believed_mass", "decisive_05", "decisive_10", "override_mass", "unresolved_override", "labels_bought"]


class Ledger:
    """Every vote that was bought: (replication, item, number) -> vote; and the items in the order of purchase."""

    def __init__(self, monkeypatch):
        self.seen: dict[tuple[int, int, int], int] = {}
        self.items: list[list[int]] = []
        honest = VotePools.labels

        def labels(pools, rows, items, counts):
            votes = honest(pools, rows, items, counts)
            for key, vote in zip(zip(rows.tolist(), items.tolist(), counts.tolist(), strict=True), votes, strict=True):
                assert key not in self.seen, "no vote is bought twice"
                self.seen[key] = int(vote)
            self.items.append(items.tolist())
            return votes

        monkeypatch.setattr(VotePools, "labels", labels)

    def bought(self, replication: int, item: int) -> list[int]:
        """Votes on an item, in the order of its pool."""
        keys = sorted(key for key in self.seen if key[:2] == (replication, item))
        assert [key[2] for key in keys] == list(range(len(keys)))
        return [self.seen[key] for key in keys]


@pytest.fixture
def ledger_of():
    """Replay one policy and return what it bought."""

    def buy(policy, dataset=RICH, **settings):
        with pytest.MonkeyPatch.context() as patch:
            # A compiled run asks for no single vote.
            patch.setattr(simulation, "pays", lambda *_: False)
            ledger = Ledger(patch)
            sa.replay(dataset, [policy], **settings)
        return ledger

    return buy


def without_seconds(result: xr.Dataset) -> xr.Dataset:
    return result.drop_vars("seconds")


def shuffled_pools(dataset, seed: int, replications: int) -> list[list[list[int]]]:
    """Votes of each item in each replication, in the order in which they can be bought."""
    pools = VotePools.shuffle(dataset, replication_keys(seed, replications)[0])
    return [[row[s:e].tolist() for s, e in zip(dataset.start, dataset.start[1:], strict=False)] for row in pools.votes]


@pytest.mark.parametrize("name", POLICIES)
def test_labels_by_slice_add_up_to_the_labels_bought_at_each_checkpoint(name, ledger_of):
    result = sa.replay(RICH, [name], budget=9, seed=7, replications=3)
    bought = result["labels_bought"].sel(policy=name)
    assert list(result["slice"].values) == ["x", "y", "z"]
    assert list(result["labels"].values) == list(range(10))
    assert (bought.sum("slice") == result["labels"]).all()
    ledger = ledger_of(name, budget=9, seed=7, replications=3)
    for r in range(3):
        counts = dict.fromkeys("xyz", 0)
        for step, items in enumerate(ledger.items):
            assert [int(bought.sel(replication=r, labels=step, slice=s)) for s in "xyz"] == list(counts.values())
            counts[RICH.slice[items[r]]] += 1


def test_data_without_slices_has_one():
    result = sa.replay(VOTES, ["kg"], budget=5, seed=7, replications=2)
    assert list(result["slice"].values) == ["all"]
    assert result["labels_bought"].values[0, :, :, 0].tolist() == [[0, 1, 2, 3, 4, 5]] * 2


@given(budget=st.integers(1, 29))
def test_checkpoints_run_from_nothing_to_the_budget(budget):
    result = sa.replay(VOTES, ["round-robin"], budget=budget, seed=7, replications=1)
    assert list(result["labels"].values) == list(range(budget + 1))


@pytest.mark.parametrize("budget", [30, 31, 100, 500])
def test_thirty_steps_are_enough_for_any_budget(budget):
    dataset = sa.LabelSet.from_pools({str(i): [i % 2] * 50 for i in range(10)})
    stops = sa.replay(dataset, ["round-robin"], budget=budget, seed=7, replications=1)["labels"].values
    assert (stops[0], stops[-1], len(stops)) == (0, budget, 31)
    assert np.ptp(np.diff(stops)) <= 1


@pytest.mark.parametrize("name", POLICIES)
def test_pool_is_drawn_without_replacement(name, ledger_of):
    ledger = ledger_of(name, budget=20, seed=7, replications=3)
    for r in range(3):
        votes = [ledger.bought(r, i) for i in range(6)]
        assert sum(map(len, votes)) == 20
        for bought, pool in zip(votes, POOLS.values(), strict=True):
            assert len(bought) <= len(pool)
            assert sum(bought) <= sum(pool)
            assert len(bought) - sum(bought) <= len(pool) - sum(pool)


@pytest.mark.parametrize("name", ["uniform", "kg", "variance-reduction"])
def test_full_budget_buys_exactly_the_pools(name, ledger_of):
    assert VOTES.n_labels == 29
    ledger = ledger_of(name, budget=29, seed=7, replications=3)
    for r in range(3):
        for i, pool in enumerate(POOLS.values()):
            assert sorted(ledger.bought(r, i)) == sorted(pool)


def test_full_budget_leaves_nothing_for_policies_to_differ_in():
    names = [name for name in POLICIES if name != "exact"]
    result = sa.replay(RICH, names, budget=29, seed=7, replications=3)
    problem = problem_of_labels(RICH, 29)
    p = stats.beta(1 + RICH.wins, 1 + RICH.counts - RICH.wins).sf(problem.threshold)
    truth = RICH.wins / RICH.counts > problem.threshold
    expected = {
        "believed_mass": RICH.weight @ p,
        "mass_error": abs(RICH.weight @ (p - truth)),
        "decision_accuracy": RICH.weight @ ((p > 0.5) == truth) / RICH.weight.sum(),
    }
    for name in METRICS:
        first, last = result[name].isel(labels=0), result[name].isel(labels=-1)
        assert np.ptp(first.values) == 0
        assert np.ptp(last.values) == 0
        if name in expected:
            assert last.values[0, 0] == pytest.approx(expected[name], rel=1e-9)
    assert (result["labels_bought"].isel(labels=-1).values == [14, 6, 9]).all()


def numbered(dataset):
    """Data set with the number of each vote in place of the vote, to trace where it goes."""
    out = copy.copy(dataset)
    object.__setattr__(out, "labels", np.arange(dataset.n_labels, dtype=np.int8))
    return out


@pytest.mark.smoke
@pytest.mark.parametrize("name", POLICIES)
def test_votes_that_were_not_bought_are_never_seen(name, ledger_of):
    """Turn every vote that was not bought into its opposite: the policy buys the same votes and believes the same."""
    settings = {"budget": 10, "seed": 11, "replications": 1}
    before = ledger_of(name, **settings)
    # Where each vote of the file ends up: a shuffle does not look at the votes.
    position = shuffled_pools(numbered(RICH), 11, 1)[0]
    kept = [position[i][j] for _, i, j in before.seen]
    flipped = 1 - RICH.labels
    flipped[kept] = RICH.labels[kept]
    other = replace(RICH, labels=flipped.astype(np.int8))
    assert (other.labels != RICH.labels).sum() == 19
    assert (other.rate != RICH.rate).any()
    after = ledger_of(name, other, **settings)
    assert after.items == before.items
    assert after.seen == before.seen
    one, two = (sa.replay(d, [name], **settings) for d in (RICH, other))
    xr.testing.assert_equal(one[TRUTH_FREE], two[TRUTH_FREE])
    # The scores, on the other hand, are taken against the full pools.
    scores = [metric for metric in METRICS if metric not in TRUTH_FREE]
    assert not one[scores].equals(two[scores])


def test_bought_votes_on_the_other_hand_are_seen(ledger_of):
    first = ledger_of("variance-reduction", budget=10, seed=11, replications=1)
    flipped = replace(RICH, labels=(1 - RICH.labels).astype(np.int8))
    second = ledger_of("variance-reduction", flipped, budget=10, seed=11, replications=1)
    assert first.items[0] == second.items[0]
    assert first.items != second.items


def test_policies_meet_the_same_votes_in_the_same_order(ledger_of):
    ledgers = {name: ledger_of(name, budget=12, seed=7, replications=20).seen for name in POLICIES}
    pools = shuffled_pools(RICH, 7, 20)
    for seen in ledgers.values():
        assert all(pools[r][i][j] == vote for (r, i, j), vote in seen.items())
    assert len({frozenset(seen) for seen in ledgers.values()}) > 5, "the policies differ"
    assert len(frozenset.intersection(*map(frozenset, ledgers.values()))) > 5


def test_shuffle_keeps_every_pool_and_differs_between_replications():
    pools = shuffled_pools(VOTES, 3, 10)
    for row in pools:
        assert [sorted(votes) for votes in row] == [sorted(pool) for pool in POOLS.values()]
    assert len({str(row) for row in pools}) == 10


def test_every_order_of_a_pool_is_equally_likely():
    """Chi-square over the 24 orders of a pool of four, and across two items: false-alarm rate 1e-4 each."""
    dataset = numbered(sa.LabelSet.from_pools({"a": [0] * 4, "b": [0] * 4}))
    pools = VotePools.shuffle(dataset, replication_keys(5, 4800)[0]).votes
    assert (np.sort(pools[:, :4]) == np.arange(4)).all()
    _, orders = np.unique(pools[:, :4], axis=0, return_counts=True)
    assert len(orders) == 24
    assert stats.chisquare(orders).pvalue > 1e-4
    table = np.zeros((4, 4))
    np.add.at(table, (pools[:, 0], pools[:, 4] - 4), 1)
    assert stats.chi2_contingency(table).pvalue > 1e-4


def plain_replay(pools, thresholds, weights, budget, score):
    """One replication in plain Python; labels go to the first item of largest score. Labels and wins at every step."""
    n, w = [0] * len(pools), [0] * len(pools)
    states = [(tuple(n), tuple(w))]
    for _ in range(budget):
        scores = {i: score(n[i], w[i], thresholds[i], weights[i]) for i in range(len(pools)) if n[i] < len(pools[i])}
        best = max(scores.values())
        i = min(i for i, x in scores.items() if x >= best - 1e-12 * abs(best))
        w[i] += pools[i][n[i]]
        n[i] += 1
        states.append((tuple(n), tuple(w)))
    return states


def tail(n: int, w: int, t: float) -> float:
    """P(alpha > t) after w wins in n labels from Beta(1, 1), as a binomial sum."""
    return sum(math.comb(n + 1, j) * t**j * (1 - t) ** (n + 1 - j) for j in range(w + 1))


def fewest_labels(n, w, t, v):
    return -n


def variance_of_indicator(n, w, t, v):
    return v * tail(n, w, t) * (1 - tail(n, w, t))


def squared_jump(n, w, t, v):
    """v D^2 / (a b) with D = t^a (1-t)^b / B(a, b)."""
    a, b = 1 + w, 1 + n - w
    d = t**a * (1 - t) ** b * math.factorial(n + 1) / (math.factorial(w) * math.factorial(n - w))
    return v * d * d / (a * b)


@pytest.mark.parametrize(
    ("policy", "score"),
    [
        (sa.RoundRobin(ties="first"), fewest_labels),
        (sa.AuditIndex(ties="first"), variance_of_indicator),
        (sa.VarianceReduction(ties="first"), squared_jump),
    ],
)
def test_replay_agrees_with_plain_python(policy, score):
    weights = RICH.weight.tolist()
    thresholds = [1 / (1 + math.exp(-0.7 * c)) for c in RICH.log_ratio]
    truth = [sum(pool) / len(pool) > t for pool, t in zip(POOLS.values(), thresholds, strict=True)]
    result = sa.replay(RICH, [policy], budget=15, seed=7, replications=4, beta=0.7).isel(policy=0)
    for r, pools in enumerate(shuffled_pools(RICH, 7, 4)):
        for step, (n, w) in enumerate(plain_replay(pools, thresholds, weights, 15, score)):
            p = [tail(*x) for x in zip(n, w, thresholds, strict=True)]
            right = [(x > 0.5) == y for x, y in zip(p, truth, strict=True)]
            found = result.sel(replication=r, labels=step)
            assert found["labels_bought"].values.tolist() == [n[0] + n[2] + n[5], n[1] + n[4], n[3]]
            assert float(found["believed_mass"]) == pytest.approx(sum(map(math.prod, zip(weights, p, strict=True))))
            assert float(found["decision_accuracy"]) == pytest.approx(
                sum(v for v, x in zip(weights, right, strict=True) if x) / sum(weights)
            )


COMPILED = [name for name in POLICIES if can_run(problem_of_labels(VOTES, 5), sa.make_policy(name))]


@hypothesis.settings(max_examples=3)
@given(data=st.data(), seed=st.integers(0, 10**6))
@pytest.mark.parametrize("name", COMPILED)
def test_compiled_replay_and_board_agree_to_the_last_bit(name, data, seed):
    size = data.draw(st.integers(1, 30))
    rng = np.random.default_rng(seed)
    pools = {str(i): rng.integers(0, 2, rng.integers(1, 12)).tolist() for i in range(size)}
    dataset = replace(sa.LabelSet.from_pools(pools), weight=rng.choice([0.5, 1.0, 3.0], size))
    policy = sa.make_policy(name)
    if data.draw(st.booleans()) and name != "uniform":
        policy = replace(policy, ties="first")
    budget = data.draw(st.integers(1, dataset.n_labels))
    found = []
    for compiled in (False, True):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(simulation, "pays", lambda *_, compiled=compiled: compiled)
            found.append(sa.replay(dataset, [policy], budget=budget, seed=seed, replications=3))
    xr.testing.assert_identical(*map(without_seconds, found))


def test_replay_of_many_items_takes_exact_gittins_indices(monkeypatch):
    """Where a simulation would interpolate them between tables."""
    rng = np.random.default_rng(3)
    dataset = sa.LabelSet.from_pools({str(i): rng.integers(0, 2, 5).tolist() for i in range(250)})
    problem = problem_of_labels(dataset, 300, threshold=0.6)
    assert tabled(problem, sa.Gittins())
    monkeypatch.setattr(simulation, "run_policy", lambda *_, **__: pytest.fail("tables"))
    sa.replay(dataset, ["gittins"], budget=300, seed=7, replications=1, threshold=0.6)


def test_answer_does_not_depend_on_the_number_of_workers():
    names = ["uniform", "variance-reduction", "kg", "exact"]
    alone, shared = (sa.replay(RICH, names, budget=8, seed=7, replications=3, n_jobs=jobs) for jobs in (1, 2))
    xr.testing.assert_identical(without_seconds(alone), without_seconds(shared))


def test_interruption_passes_through_the_workers_without_remarks(recwarn):
    def stop(name, part):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sa.replay(RICH, ["uniform", "kg", "round-robin"], budget=8, seed=7, n_jobs=2, on_policy=stop)
    gc.collect()
    assert [str(warning.message) for warning in recwarn] == []


def test_answer_does_not_depend_on_which_other_policies_take_part_or_on_their_order():
    together = without_seconds(sa.replay(RICH, POLICIES, budget=8, seed=7, replications=3))
    assert list(together["policy"].values) == POLICIES
    backwards = without_seconds(sa.replay(RICH, POLICIES[::-1], budget=8, seed=7, replications=3))
    xr.testing.assert_identical(backwards.sel(policy=POLICIES), together)
    for name in ("uniform", "kg"):
        single = without_seconds(sa.replay(RICH, [sa.make_policy(name)], budget=8, seed=7, replications=3))
        xr.testing.assert_identical(single, together.sel(policy=[name]))


def test_default_is_every_registered_policy_but_those_that_plan():
    result = sa.replay(VOTES, budget=3, seed=7, replications=1)
    assert list(result["policy"].values) == POLICIES
    left_out = {remark.split(" ", 1)[0] for remark in result.attrs["remarks"]}
    assert left_out == set(sa.policy_names()) - set(POLICIES)


def test_exact_policy_is_left_out_of_the_default_where_the_problem_is_too_large():
    dataset = sa.LabelSet.from_pools({str(i): [0, 1] for i in range(70)})
    result = sa.replay(dataset, budget=60, seed=7, replications=1)
    assert "exact" not in result["policy"]
    *planning, remark = result.attrs["remarks"]
    assert remark.startswith("exact left out: problem too large")
    assert all("left out: it plans every label" in x for x in planning)
    with pytest.raises(sa.ProblemTooLarge):
        sa.replay(dataset, ["exact"], budget=60, seed=7, replications=1)
    assert "exact" in sa.replay(dataset, budget=2, seed=7, replications=1)["policy"]


def test_same_seed_gives_the_same_replay_and_another_seed_another():
    def run(seed, replications=4):
        return without_seconds(sa.replay(RICH, ["uniform", "kg"], budget=9, seed=seed, replications=replications))

    base = run(7)
    xr.testing.assert_identical(run(7), base)
    root = np.random.SeedSequence(7)
    xr.testing.assert_identical(run(root), base)
    xr.testing.assert_identical(run(root), base)
    assert not run(8).equals(base)
    stream = np.random.default_rng(7)
    first = run(stream)
    assert not run(stream).equals(first), "a Generator moves on"
    xr.testing.assert_identical(run(np.random.default_rng(7)), first)
    xr.testing.assert_identical(run(7, replications=2), base.isel(replication=[0, 1]))
    with pytest.raises(ValueError, match="seed is None; it must be a whole number"):
        run(None)


@pytest.mark.parametrize("budget", [30, 10**12, np.int64(30)])
def test_budget_above_the_pools_is_refused(budget):
    message = f"budget is {budget}, but the pools hold 29 votes in all"
    with pytest.raises(ValueError, match=message):
        sa.replay(VOTES, ["kg"], budget=budget, seed=7)
    with pytest.raises(ValueError, match=message):
        problem_of_labels(VOTES, budget)


@pytest.mark.parametrize("budget", [0, -1, 2.5, "6", None])
def test_budget_that_is_no_number_of_labels_is_refused(budget):
    with pytest.raises(ValueError, match=r"budget is .*; it must be a whole number of labels, at least 1"):
        sa.replay(VOTES, ["kg"], budget=budget, seed=7)


@pytest.mark.parametrize("replications", [0, -2])
def test_no_replications_are_refused(replications):
    with pytest.raises(ValueError, match=f"replications is {replications}; it must be a whole number, at least 1"):
        sa.replay(VOTES, ["kg"], budget=3, seed=7, replications=replications)


@pytest.mark.parametrize(
    ("dataset", "settings", "message"),
    [
        (VOTES, {"beta": 1.0}, "beta is given, but there are no log-ratios"),
        (replace(VOTES, threshold=np.full(6, 0.5)), {"beta": 1.0}, "beta is given, but there are no log-ratios"),
        (RICH, {"threshold": 0.5}, "threshold is given, but the items file has log-ratios: use beta"),
        (replace(VOTES, threshold=np.full(6, 0.4)), {"threshold": 0.5}, "the items file has thresholds already"),
        (VOTES, {"threshold": 1.0}, "threshold is 1.0; it must lie strictly between 0 and 1"),
        (RICH, {"beta": 0.0}, "beta is 0"),
        (VOTES, {"utility": "acuracy"}, "utility is 'acuracy'; allowed: accuracy, "),
        (VOTES, {"prior": (0, 1)}, "prior a of a is 0.0"),
    ],
)
def test_settings_that_do_not_fit_the_data_are_refused(dataset, settings, message):
    with pytest.raises(ValueError, match=message):
        sa.replay(dataset, ["kg"], budget=3, seed=7, **settings)


def test_unknown_policy_is_answered_with_the_nearest_known_one():
    with pytest.raises(ValueError, match="policy 'round' is not known; did you mean 'round-robin'"):
        sa.replay(VOTES, ["round"], budget=3, seed=7)


def test_thresholds_come_from_log_ratios_or_the_file_or_the_caller_or_are_the_majority():
    def thresholds(dataset, **settings):
        return problem_of_labels(dataset, 3, **settings).threshold.tolist()

    assert thresholds(VOTES) == [0.5] * 6
    assert thresholds(VOTES, threshold=0.7) == [0.7] * 6
    own = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    assert thresholds(replace(VOTES, threshold=np.array(own))) == own
    for beta, settings in ((1.0, {}), (2.5, {"beta": 2.5})):
        expected = [1 / (1 + math.exp(-beta * c)) for c in RICH.log_ratio]
        assert thresholds(RICH, **settings) == pytest.approx(expected, rel=1e-12)


def test_problem_of_a_label_set_has_its_pools_names_and_weights():
    problem = problem_of_labels(RICH, 5, prior=(2, 3), utility="entropy")
    assert problem.name == tuple("abcdef")
    assert problem.cap.tolist() == [5, 4, 1, 5, 2, 5]
    assert problem.weight.tolist() == RICH.weight.tolist()
    assert problem.prior.tolist() == [[2, 3]] * 6
    assert problem.utility == sa.Entropy()
    assert problem.log_ratio.tolist() == RICH.log_ratio.tolist()
    assert problem_of_labels(VOTES, 5).weight.tolist() == [1.0] * 6


def test_rate_that_meets_its_threshold_exactly_does_not_clear_it():
    dataset = sa.LabelSet.from_pools({"half": [1, 0], "more": [1, 1, 0], "less": [0, 1, 0]})
    result = sa.replay(dataset, ["kg"], budget=8, seed=7, replications=1)
    assert result.attrs["true_mass"] == 1.0
    # p = 1/2 of the first item decides "not", as its truth is.
    assert result["decision_accuracy"].isel(labels=-1).values.item() == 1.0


def test_true_masses_are_those_of_the_full_pools():
    # Thresholds .599, .269, .711, .5, .426, .818 against rates .714, .25, 1, .556, 0, .833.
    attrs = sa.replay(RICH, ["kg"], budget=3, seed=7, replications=1).attrs
    assert attrs["true_mass"] == pytest.approx(1.0 + 0.5 + 1.5 + 3.0)
    assert attrs["true_override_mass"] == pytest.approx(1.0 + 0.5 + 3.0)
    assert attrs["total_weight"] == pytest.approx(9.0)
    assert (attrs["items"], attrs["votes"]) == (6, 29)


def test_weights_steer_both_choices_and_scores(ledger_of):
    heavy = replace(RICH, weight=np.array([1.0, 1.0, 1.0, 1000.0, 1.0, 1.0]))
    ledger = ledger_of("audit-index", heavy, budget=5, seed=7, replications=3)
    assert ledger.items == [[3] * 3] * 5
    result = sa.replay(heavy, ["audit-index"], budget=5, seed=7, replications=3)
    accuracy = result["decision_accuracy"].values
    assert set((accuracy > 0.5).ravel()) == {False, True}
    assert ((accuracy < 0.01) | (accuracy > 0.99)).all()


def test_asymmetric_utility_decides_at_its_break_even_tail_in_a_replay():
    utility = sa.Asymmetric(gain=1.0, loss=19.0)
    result = sa.replay(VOTES, ["kg"], budget=29, seed=7, replications=1, utility=utility)
    p = stats.beta(1 + VOTES.wins, 1 + VOTES.counts - VOTES.wins).sf(0.5)
    truth = VOTES.rate > 0.5
    expected = {bar: float(((p > bar) == truth).mean()) for bar in (0.5, 0.95)}
    assert expected[0.5] != expected[0.95]
    assert float(result["decision_accuracy"].isel(labels=-1).squeeze()) == pytest.approx(expected[0.95])
    as_table = sa.replay(
        VOTES, ["kg"], budget=29, seed=7, replications=1, utility={"name": "asymmetric", "gain": 1.0, "loss": 19.0}
    )
    xr.testing.assert_identical(without_seconds(as_table), without_seconds(result))


def test_decisive_utility_steers_choices():
    def run(utility):
        return sa.replay(RICH, ["optimistic-kg"], budget=9, seed=7, replications=5, utility=utility)

    accuracy, decisive, wide = run("accuracy"), run("decisive"), run(sa.Decisive(0.2))
    assert not decisive["labels_bought"].equals(accuracy["labels_bought"])
    assert not decisive["labels_bought"].equals(wide["labels_bought"])
    # With nothing bought yet, beliefs and the decisions at p = 1/2 are the same.
    for name in METRICS:
        assert decisive[name].isel(labels=0).equals(accuracy[name].isel(labels=0))


def test_each_policy_is_reported_as_it_ends():
    reported = []
    names = ["uniform", "kg", "round-robin"]
    result = sa.replay(
        RICH, names, budget=5, seed=7, replications=2, on_policy=lambda name, part: reported.append((name, part))
    )
    assert [name for name, _ in reported] == names
    for name, part in reported:
        xr.testing.assert_equal(part, result.sel(policy=[name]))


def test_finished_policies_are_not_run_again(monkeypatch):
    names = ["uniform", "kg", "round-robin"]
    whole = sa.replay(RICH, names, budget=5, seed=7, replications=2)
    finished = {name: whole.sel(policy=[name]) for name in ("uniform", "round-robin")}
    finished["exact"] = whole.sel(policy=["kg"])
    run, reported = [], []
    honest = module._replay_one
    monkeypatch.setattr(module, "_replay_one", lambda p, policy, *a: run.append(policy.name) or honest(p, policy, *a))
    again = sa.replay(
        RICH,
        names,
        budget=5,
        seed=7,
        replications=2,
        finished=finished,
        on_policy=lambda name, _: reported.append(name),
    )
    assert run == reported == ["kg"]
    xr.testing.assert_identical(without_seconds(again), without_seconds(whole))
    assert again["seconds"].sel(policy="uniform") == whole["seconds"].sel(policy="uniform")
    assert sorted(finished) == ["exact", "round-robin", "uniform"], "the caller's results are left alone"


def test_nothing_to_run_is_no_obstacle():
    whole = sa.replay(RICH, ["uniform", "kg"], budget=5, seed=7, replications=2)
    finished = {name: whole.sel(policy=[name]) for name in ("uniform", "kg")}
    xr.testing.assert_identical(
        sa.replay(RICH, ["uniform", "kg"], budget=5, seed=7, replications=2, finished=finished), whole
    )


def test_policy_in_two_settings_is_replayed_under_two_labels():
    result = sa.replay(RICH, ["kg", sa.KnowledgeGradient(ties="first")], budget=9, seed=7, replications=3)
    assert list(result["policy"].values) == ["kg", "kg(ties=first)"]
    assert not np.array_equal(*result["labels_bought"].values)


def test_table_holds_means_and_standard_errors_at_the_full_budget():
    names = ["uniform", "round-robin", "kg", "variance-reduction"]
    result = sa.replay(RICH, names, budget=9, seed=7, replications=6)
    table = replay_table(result)
    assert sorted(table["policy"]) == sorted(names)
    assert (np.diff(table["decision_accuracy"]) <= 0).all()
    reference = result["decision_accuracy"].sel(policy="round-robin").values[:, -1]
    assert len(set(table["decision_accuracy"])) > 1
    for row in table.itertuples(index=False):
        for name in METRICS:
            values = result[name].sel(policy=row.policy).values[:, -1]
            assert getattr(row, name) == pytest.approx(values.mean(), rel=1e-12)
            assert getattr(row, f"{name}_se") == pytest.approx(stats.sem(values), rel=1e-12)
        ahead = result["decision_accuracy"].sel(policy=row.policy).values[:, -1] - reference
        assert row.versus == pytest.approx(ahead.mean(), rel=1e-12, abs=1e-15)
        assert row.versus_se == pytest.approx(stats.sem(ahead), rel=1e-12, abs=1e-15)
        bought = result["labels_bought"].sel(policy=row.policy).values[:, -1].mean(axis=0)
        assert [row.labels_x, row.labels_y, row.labels_z] == pytest.approx(bought.tolist())
        assert row.seconds == float(result["seconds"].sel(policy=row.policy))


def test_table_of_one_replication_has_no_standard_errors():
    table = replay_table(sa.replay(RICH, ["kg", "round-robin"], budget=5, seed=7, replications=1))
    assert table[[*(f"{name}_se" for name in METRICS), "versus_se"]].isna().all(axis=None)
    assert table[list(METRICS)].notna().all(axis=None)


def test_table_compares_with_the_reference_if_it_is_there():
    result = sa.replay(RICH, ["kg", "uniform"], budget=5, seed=7, replications=3)
    assert "versus" not in replay_table(result)
    versus = replay_table(result, reference="uniform").set_index("policy")["versus"]
    assert versus["uniform"] == 0
    ahead = result["decision_accuracy"].isel(labels=-1).mean("replication")
    assert versus["kg"] == pytest.approx(float(ahead.sel(policy="kg") - ahead.sel(policy="uniform")), abs=1e-15)


def test_variance_reduction_beats_round_robin_on_chaosnli():
    """On real votes, in decision accuracy, by more than two standard errors, paired and unpaired; fixed seed."""
    folder = Path(os.environ.get("SEQAUDIT_DATA", ""))
    files = [folder / "chaosnli_nli.csv.gz", folder / "chaosnli_items_roberta.csv.gz"]
    if "SEQAUDIT_DATA" not in os.environ or not all(file.is_file() for file in files):
        pytest.skip("SEQAUDIT_DATA names no folder that holds ChaosNLI")
    result = sa.replay(
        sa.read_labels(*files), ["variance-reduction", "round-robin"], budget=6000, seed=7, replications=5, beta=1.0
    )
    rows = replay_table(result).set_index("policy")
    ours, theirs = rows.loc["variance-reduction"], rows.loc["round-robin"]
    assert ours["versus"] > 2 * ours["versus_se"] > 0
    gain = ours["decision_accuracy"] - theirs["decision_accuracy"]
    assert gain > 2 * math.hypot(ours["decision_accuracy_se"], theirs["decision_accuracy_se"]) > 0
