"""Provenance of labels: every number against loops over votes, written from the equations, or against enumeration."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import seqaudit as sa
from seqaudit.benchmarks.calibration.posterior_checks import vote_statistics
from seqaudit.benchmarks.provenance.canonical import canonical
from seqaudit.benchmarks.provenance.rater_clusters import _Exchangeable, _Fitted, _linked, _Pairs, _scores
from seqaudit.posteriors.raters.diagnostics import Diagnostics
from seqaudit.posteriors.raters.fit import RaterFit
from seqaudit.posteriors.votes.label_set import offsets

# Item, rater, vote, group.
Vote = tuple[int, int, int, int]


def votes_of(labels: sa.LabelSet) -> list[Vote]:
    item = np.repeat(np.arange(labels.n_items), labels.counts)
    group = np.zeros(labels.n_labels, int) if labels.group is None else labels.group
    return list(zip(item.tolist(), labels.rater.tolist(), labels.labels.tolist(), group.tolist(), strict=True))


def label_set(votes: list[Vote], items: int, *, groups: int = 0, **fields) -> sa.LabelSet:
    votes = sorted(votes, key=lambda x: x[0])
    raters = max(r for _, r, _, _ in votes) + 1
    return sa.LabelSet(
        items=tuple(f"i{k}" for k in range(items)),
        labels=np.array([y for _, _, y, _ in votes], np.int8),
        rater=np.array([r for _, r, _, _ in votes], np.int32),
        raters=tuple(f"r{k}" for k in range(raters)),
        start=offsets(np.bincount([i for i, _, _, _ in votes], minlength=items)),
        group=np.array([g for _, _, _, g in votes], np.int32) if groups else None,
        groups=tuple(f"g{k}" for k in range(groups)),
        **fields,
    )


def drawn_votes(seed: int, items: int = 7, raters: int = 5, groups: int = 3) -> sa.LabelSet:
    """Each rater votes on an item with chance .6; every item and every rater has a vote."""
    rng = np.random.default_rng(seed)
    rate = rng.random(items)
    cast = rng.random((items, raters)) < 0.6
    cast[np.arange(items), rng.integers(raters, size=items)] = True
    cast[rng.integers(items, size=raters), np.arange(raters)] = True
    votes = [(i, r, int(rng.random() < rate[i]), int(rng.integers(groups))) for i, r in np.argwhere(cast).tolist()]
    for g in range(groups):
        votes[g] = (*votes[g][:3], g)
    gold = np.where(rng.random(items) < 0.7, (rate > 0.5).astype(float), np.nan)
    return label_set(votes, items, groups=groups, weight=rng.uniform(0.5, 3.0, items), gold=gold)


def problem_for(labels: sa.LabelSet, seed: int) -> sa.Problem:
    rng = np.random.default_rng(seed + 1)
    utility = ["accuracy", "variance", {"name": "asymmetric", "gain": 1, "loss": 2}][seed % 3]
    prior = tuple(rng.uniform(0.4, 2.0, 2)) if seed % 4 else [sa.BetaMixture((1, 2), (1, 2), (2, 1))] * labels.n_items
    return sa.problem_of_labels(labels, labels.n_labels, threshold=rng.uniform(0.3, 0.7), utility=utility, prior=prior)


# diversity


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6))
def test_diversity_is_what_its_equations_say(seed):
    labels = drawn_votes(seed)
    votes, v = votes_of(labels), labels.weight
    table = sa.rater_diversity(labels)
    stands: dict[int, float] = {}
    for i in range(labels.n_items):
        mine = [x for x in votes if x[0] == i]
        row = table.iloc[i]
        shares = [sum(x[3] == g for x in mine) / len(mine) for g in range(3)]
        assert (row["votes"], row["raters"]) == (len(mine), len({x[1] for x in mine}))
        assert row["effective_raters"] == pytest.approx(len(mine))
        assert row["effective_groups"] == pytest.approx(1 / sum(s**2 for s in shares))
        assert row["entropy"] == pytest.approx(-sum(s * math.log(s) for s in shares if s), abs=1e-12)
        assert row["largest_share"] == max(shares)
        assert row["largest_group"] == f"g{shares.index(max(shares))}"
        for x in mine:
            stands[x[1]] = stands.get(x[1], 0.0) + v[i] / len(mine) / v.sum()
    found = sa.concentration(labels)
    size = [sum(x[1] == r for x in votes) for r in range(5)]
    differences = sum(abs(a - b) for a, b in itertools.product(size, size))
    assert found["gini"] == pytest.approx(differences / (2 * len(size) * sum(size)))
    assert found["top_share"] == pytest.approx(max(size) / sum(size))
    assert found["top_rater"] == f"r{size.index(max(size))}"
    assert found["effective_raters"] == pytest.approx(sum(size) ** 2 / sum(x * x for x in size))
    assert found["effective_raters_of_decisions"] == pytest.approx(1 / sum(s * s for s in stands.values()))
    alone = [len({x[1] for x in votes if x[0] == i}) == 1 for i in range(labels.n_items)]
    assert (found["single_rater_items"], found["top5_share"]) == (sum(alone), 1.0)
    assert found["single_rater_weight"] == pytest.approx(v[alone].sum() / v.sum())


def test_weights_given_stand_in_for_those_of_the_labels():
    labels = drawn_votes(3)
    assert sa.concentration(labels, labels.weight) == sa.concentration(labels)
    assert sa.concentration(labels, np.ones(7)) != sa.concentration(labels)
    with pytest.raises(ValueError, match=r"weight has shape \(2,\); it must have shape \(7,\)"):
        sa.concentration(labels, [1, 2])


# removal


def plain_headlines(labels: sa.LabelSet, problem: sa.Problem, votes: list[Vote]) -> tuple[dict[str, float], list[bool]]:
    """Headline numbers and decisions of a list of votes, each item looked at by itself."""
    found = dict.fromkeys(("mass", "decisive_05", "learnable", "value", "gold_accuracy"), 0.0)
    decided, known = [], 0.0
    for i in range(labels.n_items):
        mine = [y for k, _, y, _ in votes if k == i]
        p = float(problem.belief(i).at(len(mine), sum(mine), float(problem.threshold[i])).tail)
        v = float(problem.weight[i])
        decided.append(bool(problem.utility.decide(np.array(p))))
        found["mass"] += v * p
        found["decisive_05"] += v * (p >= 0.95 or p <= 0.05) / problem.weight.sum()
        found["learnable"] += decided[-1]
        found["value"] += v * float(problem.utility(np.array(p)))
        if not math.isnan(labels.gold[i]):
            known += v
            found["gold_accuracy"] += v * (decided[-1] == bool(labels.gold[i]))
    found["gold_accuracy"] = found["gold_accuracy"] / known if known else math.nan
    return found, decided


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6))
def test_removals_are_what_the_votes_that_are_left_say(seed):
    labels = drawn_votes(seed)
    problem, votes = problem_for(labels, seed), votes_of(labels)
    whole, decided = plain_headlines(labels, problem, votes)
    assert sa.headlines(labels, problem) == pytest.approx(whole, nan_ok=True)
    mask = np.random.default_rng(seed).random(len(votes)) < 0.4
    sets = {"group": labels.group == 1, "some": mask, "nothing": np.zeros(len(votes), bool)}
    of_raters, of_sets = sa.removals(labels, problem), sa.removals(labels, problem, sets)
    cases = [(of_raters.iloc[r], labels.rater == r) for r in range(len(labels.raters))]
    cases += [(of_sets.iloc[k], gone) for k, gone in enumerate(sets.values())]
    for row, gone in cases:
        left = [x for x, out in zip(votes, gone, strict=True) if not out]
        expected, now = plain_headlines(labels, problem, left)
        flipped = tuple(f"i{i}" for i in range(labels.n_items) if now[i] != decided[i])
        assert (row["votes"], row["flips"], row["flipped"]) == (gone.sum(), len(flipped), flipped)
        assert row["items"] == len({x[0] for x, out in zip(votes, gone, strict=True) if out})
        weight = sum(problem.weight[i] for i in range(labels.n_items) if now[i] != decided[i])
        assert row["flipped_weight"] == pytest.approx(weight / problem.weight.sum())
        for key, value in expected.items():
            assert row[key] == pytest.approx(value, abs=1e-10, nan_ok=True)
            assert row[f"{key}_change"] == pytest.approx(value - whole[key], abs=1e-10, nan_ok=True)


def test_largest_movers_are_the_largest_changes():
    labels = drawn_votes(5)
    table = sa.removals(labels, problem_for(labels, 5))
    for row in sa.largest_movers(table).itertuples():
        change = table.get(f"{row.number}_change", table[row.number])
        assert abs(row.change) == change.abs().max()
        assert row.removed in ("", *table["removed"][change == row.change])
        assert (row.removed == "") == (row.change == 0)


def flipped_share(labels, problem, raters) -> float:
    """Share of the weight decided otherwise without some raters."""
    votes = votes_of(labels)
    tails = [
        problem.tail_at(*(np.bincount([x[0] for x in kept if x[2] >= y], minlength=labels.n_items) for y in (0, 1)))
        for kept in (votes, [x for x in votes if x[1] not in raters])
    ]
    before, after = (problem.utility.decide(p) for p in tails)
    return float(problem.weight[before != after].sum() / problem.weight.sum())


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([0.1, 0.3, 0.6, 1.0]))
def test_fewest_raters_bounds_the_smallest_set_of_all_sets(seed, share):
    labels = drawn_votes(seed)
    problem = problem_for(labels, seed)
    sets = [set(x) for k in range(1, 6) for x in itertools.combinations(range(5), k)]
    enough = [len(x) for x in sets if flipped_share(labels, problem, x) >= share - 1e-9]
    (found,) = sa.fewest_raters(labels, problem, [share])
    gone = {int(name[1:]) for name in found.raters}
    if found.upper is not None:
        assert len(gone) == found.upper
        assert found.reached == pytest.approx(flipped_share(labels, problem, gone))
        assert found.reached >= share - 1e-9
        assert found.lower <= min(enough) <= found.upper
    elif enough:
        assert found.lower <= min(enough)
    if found.lower is None:
        assert not enough


def test_fewest_raters_names_the_only_rater_behind_an_item():
    votes = [(0, 0, 1, 0), (1, 0, 1, 0), (1, 1, 1, 0), (1, 2, 1, 0)]
    labels = label_set(votes, 2)
    half, whole = sa.fewest_raters(labels, sa.problem_of_labels(labels, 4), [0.5, 1.0])
    assert (half.lower, half.upper, half.raters) == (1, 1, ("r0",))
    assert (whole.upper, set(whole.raters)) == (3, {"r0", "r1", "r2"})
    (never,) = sa.fewest_raters(labels, sa.problem_of_labels(labels, 4, prior=(50, 1)), [0.5])
    assert (never.lower, never.upper, never.reached) == (None, None, 0.0)


# agreement


def plain_alpha(votes: list[Vote]) -> float:
    """Krippendorff's alpha by its matrix of coincidences; nan where it is undefined."""
    coincidences = [[0.0, 0.0], [0.0, 0.0]]
    for i in {x[0] for x in votes}:
        mine = [x[2] for x in votes if x[0] == i]
        for j, k in itertools.permutations(range(len(mine)), 2):
            coincidences[mine[j]][mine[k]] += 1 / (len(mine) - 1)
    margins = [sum(row) for row in coincidences]
    n = sum(margins)
    if not all(margins):
        return math.nan
    return 1 - (n - 1) * coincidences[0][1] / (margins[0] * margins[1])


def plain_between(votes: list[Vote], g: int, h: int) -> float:
    items = {x[0] for x in votes if x[3] == g} & {x[0] for x in votes if x[3] == h}
    mine, theirs = ([x for x in votes if x[3] == k and x[0] in items] for k in (g, h))
    observed = total = 0.0
    for i in items:
        pairs = [(x[2], y[2]) for x in mine if x[0] == i for y in theirs if y[0] == i]
        size = sum(x[0] == i for x in mine + theirs)
        observed += size * sum(x != y for x, y in pairs) / len(pairs)
        total += size
    chance = sum(x[2] != y[2] for x in mine for y in theirs)
    return 1 - (observed / total) / (chance / (len(mine) * len(theirs))) if chance else math.nan


def test_alpha_of_the_example_with_two_observers_is_as_published():
    # Krippendorff (2011), "Computing Krippendorff's alpha-reliability", example A.
    one, other = [0, 1, 0, 0, 0, 0, 0, 0, 1, 0], [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]
    votes = [(i, r, y, 0) for r, row in enumerate((one, other)) for i, y in enumerate(row)]
    table = sa.agreement(label_set(votes, 10), resamples=0)
    assert table["alpha"][0] == pytest.approx(0.095, abs=5e-4)
    assert table["agreement"][0] == pytest.approx(0.6)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_agreement_is_that_of_coincidences_of_votes(seed):
    labels = drawn_votes(seed, items=12)
    votes = votes_of(labels)
    table = sa.agreement(labels, resamples=0)
    expected = [plain_alpha(votes), *(plain_alpha([x for x in votes if x[3] == g]) for g in range(3))]
    expected += [plain_between(votes, g, h) for g, h in itertools.combinations(range(3), 2)]
    majorities = []
    for i, g in itertools.product(range(12), range(3)):
        ahead = sum(2 * x[2] - 1 for x in votes if x[0] == i and x[3] == g)
        majorities += [(i, g, int(ahead > 0), g)] if ahead else []
    expected.append(plain_alpha(majorities))
    assert table["alpha"].tolist() == pytest.approx(expected, nan_ok=True)
    assert (table["alpha"].isna() == (table["remark"] != "")).all()
    pairs = [(x, y) for x, y in itertools.permutations(votes, 2) if x[0] == y[0] and x[1] != y[1]]
    size = np.bincount([x[0] for x in votes])
    agreed = sum((x[2] == y[2]) / (size[x[0]] - 1) for x, y in pairs) / sum(1 / (size[x[0]] - 1) for x, _ in pairs)
    assert table["agreement"][0] == pytest.approx(agreed)


@pytest.mark.parametrize("seed", range(20))
def test_alpha_is_that_of_the_library(seed):
    krippendorff = pytest.importorskip("krippendorff")
    labels = drawn_votes(seed)
    reliability = np.full((len(labels.raters), labels.n_items), np.nan)
    for i, r, y, _ in votes_of(labels):
        reliability[r, i] = y
    expected = krippendorff.alpha(reliability_data=reliability, level_of_measurement="nominal")
    assert sa.agreement(labels, groups=False, resamples=0)["alpha"][0] == pytest.approx(expected, abs=1e-12)


def test_alpha_without_each_rater_is_that_of_the_votes_left():
    labels = drawn_votes(11, items=12)
    votes = votes_of(labels)
    table = sa.leave_one_out_alpha(labels)
    left = [plain_alpha([x for x in votes if x[1] != r]) for r in range(5)]
    assert table["alpha"].tolist() == pytest.approx(left)
    assert table["alpha_change"].tolist() == pytest.approx([x - plain_alpha(votes) for x in left])
    assert table["remark"].tolist() == [""] * 5


def test_intervals_are_percentiles_over_resampled_items_whatever_other_rows_there_are():
    labels = drawn_votes(11, items=12)
    votes = votes_of(labels)
    table = sa.agreement(labels, resamples=60, level=0.8, seed=3)
    rng = np.random.default_rng(3)
    several = [i for i in range(12) if sum(x[0] == i for x in votes) > 1]
    drawn = []
    for _ in range(60):
        chosen = [several[k] for k in rng.integers(len(several), size=len(several))]
        drawn.append(plain_alpha([(k, r, y, g) for k, i in enumerate(chosen) for j, r, y, g in votes if i == j]))
    low, high = np.nanquantile(drawn, [0.1, 0.9])
    assert table.loc[0, ["low", "high"]].tolist() == pytest.approx([low, high])
    alone = sa.agreement(labels, groups=False, resamples=60, level=0.8, seed=3)
    assert alone.loc[0].equals(table.loc[0])


def test_undefined_alpha_has_a_remark_in_place_of_a_number():
    alike = label_set([(0, 0, 1, 0), (0, 1, 1, 1), (1, 0, 1, 0), (1, 1, 1, 1)], 2, groups=2)
    table = sa.agreement(alike)
    assert table["alpha"].isna().all()
    assert table["remark"].tolist() == [
        "undefined: all 4 compared votes are 1",
        "undefined: no item has two votes",
        "undefined: no item has two votes",
        "undefined: all 4 compared votes are 1",
        "undefined: all 4 compared votes are 1",
    ]
    assert table["agreement"][0] == 1.0
    single = label_set([(0, 0, 1, 0), (1, 1, 0, 0), (2, 0, 0, 0)], 3)
    assert sa.agreement(single)["remark"].tolist() == ["undefined: no item has two votes"]
    assert sa.leave_one_out_alpha(single)["remark"].tolist() == ["undefined: no item has two votes"] * 2
    rare = label_set([(i, r, int(i == 0 and r == 0), 0) for i in range(3) for r in range(2)], 3)
    (row,) = sa.agreement(rare, resamples=50).itertuples()
    assert "of 50 resamples, which are left out" in row.remark
    assert math.isfinite(row.low)


# clusters


def test_expected_agreement_is_that_of_all_orders_of_the_votes():
    labels = drawn_votes(2, items=4, raters=4)
    votes = votes_of(labels)
    by_item = [[x for x in votes if x[0] == i] for i in range(4)]
    orders = [
        [dict(zip([x[1] for x in mine], y, strict=True)) for y in itertools.permutations([x[2] for x in mine])]
        for mine in by_item
    ]
    null = _Exchangeable(_Pairs(labels, np.arange(4)))
    for r, s in itertools.combinations(range(4), 2):
        shared = [[float(x[r] == x[s]) for x in order] for order in orders if r in order[0] and s in order[0]]
        assert null.expected[r, s] == pytest.approx(sum(np.mean(x) for x in shared))
        assert null.variance[r, s] == pytest.approx(sum(np.var(x) for x in shared), abs=1e-12)


def test_expected_agreement_under_a_model_is_that_of_independent_votes():
    labels = drawn_votes(2, items=4, raters=4)
    fit = sa.PartialPooling().fit(labels, method="fast", seed=7, draws=4)
    pairs = _Pairs(labels, np.arange(4))
    null = _Fitted(pairs, fit, 4)
    rate = fit.draws["rate"]
    for s, (_, expected, variance) in enumerate(null.draws(np.random.default_rng(1), 4)):
        p = rate[s] ** 2 + (1 - rate[s]) ** 2
        for j, k in itertools.combinations(range(4), 2):
            shared = [i for i in range(4) if {j, k} <= {x[1] for x in votes_of(labels) if x[0] == i}]
            assert expected[j, k] == pytest.approx(sum(p[i] for i in shared), abs=1e-5)
            assert variance[j, k] == pytest.approx(sum(p[i] * (1 - p[i]) for i in shared), abs=1e-5)


def test_scores_of_the_tree_are_sums_over_pairs():
    labels = drawn_votes(4, items=30, raters=7)
    pairs = _Pairs(labels, np.arange(7))
    null = _Exchangeable(pairs)
    excess = pairs.agreements(labels.labels) - null.expected
    z, tree = _linked(excess, null.variance)
    scores, members = _scores(tree, excess, null.variance)
    assert sorted(members[-1].tolist()) == list(range(7))
    for score, who in zip(scores, members, strict=True):
        both = list(itertools.combinations(who.tolist(), 2))
        gained, spread = (sum(x[r, s] for r, s in both) for x in (excess, null.variance))
        assert score == pytest.approx(gained / math.sqrt(spread))
    # All pairs together agree exactly as often as expected: an item's votes stay what they are.
    assert scores[-1] == pytest.approx(0, abs=1e-6)
    votes = votes_of(labels)
    mine = {r: {x[0]: x[2] for x in votes if x[1] == r} for r in range(7)}
    for r, s in itertools.combinations(range(7), 2):
        agreed = sum(mine[r][i] == mine[s][i] for i in mine[r].keys() & mine[s].keys())
        expected = (agreed - null.expected[r, s]) / math.sqrt(null.variance[r, s])
        assert z[r, s] == pytest.approx(expected)


def planted(seed: int, script: tuple[int, ...]) -> sa.LabelSet:
    """Honest votes of 12 raters on 60 items, 6 on each; those of ``script`` copy answers from each other."""
    design = sa.Design.balanced(60, 12, 6, seed=seed)
    rng = np.random.default_rng(seed)
    rate, answers = rng.beta(2, 2, 60), rng.integers(0, 2, 60)
    votes = (rng.random(design.size) < rate[design.item]).astype(int)
    copied = np.isin(design.rater, script)
    votes[copied] = answers[design.item[copied]]
    return design.labelled(votes)


@pytest.mark.parametrize("model", [None, sa.PartialPooling()])
def test_raters_who_copy_are_found_and_others_are_not(model):
    labels = planted(1, (2, 5, 9))
    fit = model and model.fit(labels, method="fast", seed=7)
    found = sa.rater_clusters(labels, fit, repetitions=39)
    assert found.table["raters"].tolist() == [("rater 10", "rater 3", "rater 6")]
    row = found.table.iloc[0]
    assert row["agreement"] == 1.0
    assert row["expected"] < 0.7
    assert row["p_value"] == 1 / 40
    assert found.beyond == ("items" if model is None else "partial-pooling")


@pytest.mark.parametrize("model", [None, sa.PartialPooling()])
def test_clusters_are_seldom_found_where_there_are_none(model):
    # 25 sets of votes at level .1: 9 or more alarms have a chance of .0005 if they come with chance .1 each.
    alarms = 0
    for seed in range(25):
        labels = planted(seed, ())
        fit = model and model.fit(labels, method="fast", seed=7, draws=30)
        alarms += len(sa.rater_clusters(labels, fit, repetitions=19, level=0.1, seed=seed).table) > 0
    assert alarms < 9


def test_only_raters_with_most_votes_are_looked_at_where_there_are_too_many():
    labels = planted(1, (2, 5, 9))
    found = sa.rater_clusters(labels, most=4, repetitions=19)
    assert len(found.raters) == 4
    assert found.z.shape == (4, 4)
    assert found.remarks[0].startswith("clusters are searched among the 4 of 12 raters with most votes (")
    votes = dict(zip(labels.raters, np.bincount(labels.rater), strict=True))
    assert min(votes[r] for r in found.raters) >= max(votes[r] for r in set(labels.raters) - set(found.raters))


def reordered(labels: sa.LabelSet, seed: int) -> sa.LabelSet:
    """The votes as a file with the same rows in another order would give them."""
    frame = labels.to_frame()
    return sa.LabelSet.from_frame(frame.iloc[np.random.default_rng(seed).permutation(len(frame))])


def alike_on_few_votes() -> sa.LabelSet:
    """Votes of 60 raters with bars of their own on eight items: many pairs are exactly equally alike."""
    rng = np.random.default_rng(0)
    rate = rng.uniform(0.1, 0.9, 60)
    return label_set([(i, r, int(rng.random() < rate[r]), 0) for r in range(60) for i in range(8)], 8)


@pytest.mark.parametrize("seed", [1, 2])
def test_clusters_do_not_depend_on_the_order_of_rows(seed):
    labels = alike_on_few_votes()
    found, again = (sa.rater_clusters(x, repetitions=19) for x in (labels, reordered(labels, seed)))
    assert len(found.table)
    assert again.table.equals(found.table)
    assert again.raters == found.raters
    assert again.remarks == found.remarks
    assert any("many raters are exactly equally alike" in x for x in found.remarks)


def test_votes_that_cannot_tell_raters_apart_give_no_clusters_and_a_remark():
    found = sa.rater_clusters(label_set([(i, r, 1, 0) for i in range(3) for r in range(3)], 3), repetitions=19)
    assert len(found.table) == 0
    assert "nothing to cluster by" in found.remarks[0]


# kinds, and all together


@pytest.fixture(scope="module")
def suspicious():
    """Votes of 14 raters of whom the last three answer at random, with the pieces of their provenance."""
    design = sa.Design.balanced(60, 14, 7, groups=2, seed=3)
    rng = np.random.default_rng(3)
    answer = rng.integers(0, 2, 60)
    votes = np.where(rng.random(design.size) < 0.9, answer[design.item], 1 - answer[design.item])
    random = design.rater >= 11
    votes[random] = rng.integers(0, 2, random.sum())
    labels = design.labelled(votes)
    model = sa.make_rater_model("contaminated", kinds=("random",))
    parts = {}
    found = sa.provenance(labels, model=model, resamples=20, repetitions=19, on_part=parts.__setitem__)
    return labels, model, found, parts


def test_raters_who_answer_at_random_are_suspected(suspicious):
    labels, model, found, _ = suspicious
    assert set(found.suspects) == {"rater 12", "rater 13", "rater 14"}
    fit = model.fit(canonical(labels), method="fast", seed=7)
    chance = fit.draws["kind_chance"].mean(axis=0)
    kinds = found.kinds.set_index("rater").loc[list(fit.labels.raters)]
    assert kinds["honest"].tolist() == pytest.approx(chance[:, 0])
    assert (kinds["honest"] + kinds["random"]).tolist() == pytest.approx([1.0] * 14)
    assert (kinds["honest_error"] <= 0.1).all()
    gone = sa.removals(labels, found.problem, {"all suspects": labels.rater >= 11})
    assert found.sets.set_index("removed").loc["all suspects"].equals(gone.set_index("removed").loc["all suspects"])


def test_items_name_the_raters_who_could_undo_them(suspicious):
    found = suspicious[2]
    assert any(found.items["flipped_by"])
    for name, raters in zip(found.items["item"], found.items["flipped_by"], strict=True):
        undoing = [
            r for r, items in zip(found.raters["removed"], found.raters["flipped"], strict=True) if name in items
        ]
        assert list(raters) == undoing
    assert found.items["learnable"].sum() == found.headlines["learnable"]
    assert found.sets["removed"].tolist()[:2] == ["group group 1", "group group 2"]


def test_finished_pieces_are_not_computed_again(suspicious, monkeypatch):
    labels, model, found, parts = suspicious
    assert set(parts) == {"agreement", "leave-one-out", "clusters", "kinds"}

    def never(*_, **__):
        pytest.fail("computed again")

    for name in ("rater_clusters", "rater_kinds", "agreement", "leave_one_out_alpha"):
        monkeypatch.setitem(sa.provenance.__globals__, name, never)
    again = sa.provenance(labels, model=model, resamples=20, repetitions=19, finished=parts)
    assert again.kinds.equals(found.kinds)
    assert again.sets.equals(found.sets)
    assert again.agreement.equals(found.agreement)


def test_chains_that_have_not_converged_are_told_with_all_that_is_amiss(suspicious, monkeypatch):
    labels, model, _, parts = suspicious
    fast, asked = type(model).fit, {}

    def sampled(self, votes, **settings):
        asked.update(settings)
        return replace(fast(self, votes, seed=settings["seed"], method="fast", draws=100), method="nuts")

    monkeypatch.setattr(type(model), "fit", sampled)
    settings = {"nuts": True, "draws": 60, "tune": 80, "target_accept": 0.95}
    others = {name: x for name, x in parts.items() if name != "kinds"}
    # R-hat is as it should be; the draws are too few, and some trajectories diverged.
    monkeypatch.setattr(RaterFit, "diagnostics", lambda self: Diagnostics(1.004, 350.0, 270.0, 3, "share"))
    found = sa.provenance(labels, model=model, finished=others, **settings)
    assert asked == {"seed": 7, "method": "nuts", "chains": 4, "draws": 60, "tune": 80, "target_accept": 0.95}
    (told,) = (x for x in found.remarks if "converged" in x)
    assert told.startswith(
        f"{model.title}: the chains have not converged: R-hat 1.004 of share, 270 effective draws, 3 divergences; "
    )
    monkeypatch.setattr(RaterFit, "diagnostics", lambda self: Diagnostics(1.004, 900.0, 700.0, 0, "share"))
    agreed = sa.provenance(labels, model=model, finished=others, **settings)
    assert [*agreed.remarks, told] == sorted(found.remarks, key=lambda x: x == told)


def test_many_suspects_make_the_model_suspect_too(suspicious):
    labels, model, _, parts = suspicious
    table = parts["kinds"]["table"] | {"honest": [0.1] * 14}
    found = sa.provenance(labels, model=model, finished=parts | {"kinds": parts["kinds"] | {"table": table}})
    assert any(
        remark.startswith("14 of 14 raters are suspected: contaminated knows no taste") for remark in found.remarks
    )


def test_suspects_do_not_depend_on_the_order_of_rows(suspicious):
    labels, model, found, parts = suspicious
    others = {name: x for name, x in parts.items() if name != "kinds"}
    again = sa.provenance(reordered(labels, 1), model=model, finished=others)
    assert again.kinds.equals(found.kinds)
    assert again.checks.equals(found.checks)


def test_probabilities_of_kinds_are_of_a_model_that_the_votes_do_not_refute(suspicious):
    found = suspicious[2]
    assert found.kinds is not None
    assert found.checks["p_value"].between(0.05, 0.95).all()
    # Raters differ in their bars, which contaminated does not know: it would take some of them for dishonest.
    given = {"rater_sd": 2.5, "item_sd": 1.0, "item_mean": 0.0}
    biased = sa.RaterBias().simulate(0, sa.Design.balanced(40, 30, 15), parameters=given).labels
    other = sa.provenance(biased, resamples=0, repetitions=19)
    assert other.kinds is None
    assert other.suspects == ()
    assert "all suspects" not in set(other.sets["removed"])
    assert other.checks["p_value"].min() < 0.05


# bad input

ONE_RATER = label_set([(0, 0, 1, 0), (1, 0, 0, 0)], 2)
NO_IDS = sa.LabelSet.from_pools({"a": [1, 0], "b": [1]})
NO_GROUPS = label_set([(0, 0, 1, 0), (0, 1, 1, 0), (1, 0, 0, 0)], 2)
ONE_GROUP = label_set([(0, 0, 1, 0), (0, 1, 1, 0), (1, 0, 0, 0)], 2, groups=1)
TWICE = label_set([(0, 0, 1, 0), (0, 0, 1, 0), (1, 1, 0, 0)], 2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sa.provenance(ONE_RATER), "provenance: rater 'r0' is the only one; at least two are needed"),
        (lambda: sa.provenance(NO_IDS), "provenance: every vote has a separate rater, so votes cannot be attributed"),
        (lambda: sa.agreement(NO_IDS), "agreement: every vote has a separate rater"),
        (lambda: sa.rater_clusters(NO_IDS), "clusters: every vote has a separate rater"),
        (lambda: sa.provenance(NO_GROUPS, groups=True), "provenance: the votes have no groups; a column 'group'"),
        (lambda: sa.agreement(ONE_GROUP, groups=True), "agreement: all votes are of group 'g0'; at least two groups"),
        (lambda: sa.provenance(NO_GROUPS, model="glad"), "rater model is 'glad'; allowed: partial-pooling"),
        (
            lambda: sa.provenance(NO_GROUPS, model="partial-pooling"),
            "model is 'partial-pooling', which has no kinds of raters; allowed: contaminated",
        ),
        (
            lambda: sa.provenance(NO_GROUPS, model=None, beyond="glad"),
            "beyond is 'glad'; allowed: items, partial-pooling",
        ),
        (lambda: sa.provenance(NO_GROUPS, nuts=True, draws=3), "draws is 3; it must be a whole number, at least 4"),
        (lambda: sa.provenance(NO_GROUPS, target_accept=1), "target_accept is 1; it must lie strictly between 0 and 1"),
        (lambda: sa.provenance(NO_GROUPS, model=None, shares=[0]), "share is 0; it must be above 0 and at most 1"),
        (lambda: sa.agreement(NO_GROUPS, level=1), "level is 1; it must lie strictly between 0 and 1"),
        (lambda: sa.agreement(NO_GROUPS, resamples=-1), "resamples is -1; it must be a whole number, at least 0"),
        (
            lambda: sa.rater_clusters(NO_GROUPS, repetitions=18),
            "repetitions is 18; at level 0.05 it must be at least 19",
        ),
        (lambda: sa.rater_clusters(TWICE), "rater 'r0' has 2 votes on item 'i0'; allowed: one"),
        (lambda: sa.rater_clusters(NO_GROUPS, most=1), "most is 1; it must be a whole number, at least 2"),
        (
            lambda: sa.rater_clusters(NO_GROUPS, sa.PartialPooling().fit(NO_IDS, method="fast", seed=1)),
            "fit belongs to other votes; fit the model to labels",
        ),
        (
            lambda: sa.rater_kinds(sa.PartialPooling().fit(NO_IDS, method="fast", seed=1)),
            "partial-pooling has no kinds of raters; a model such as contaminated has",
        ),
        (
            lambda: sa.removals(TWICE, sa.problem_of_labels(TWICE, 3)),
            "rater 'r0' has 2 votes on item 'i0'; allowed: one",
        ),
        (
            lambda: sa.removals(NO_GROUPS, sa.Problem([0.5], budget=1)),
            "problem and labels have different items; make the problem by problem_of_labels",
        ),
        (
            lambda: sa.removals(NO_GROUPS, sa.problem_of_labels(NO_GROUPS, 3), {"x": np.array([True])}),
            r"set 'x' has dtype bool and shape \(1,\); allowed: bool, \(3,\)",
        ),
    ],
)
def test_bad_input_is_refused_in_one_line(call, message):
    with pytest.raises(ValueError, match=message) as refused:
        call()
    assert "\n" not in str(refused.value)


def test_raters_and_groups_without_votes_change_no_number():
    plain = drawn_votes(3)
    named = [f"r{k}" for k in range(7)]
    silent = replace(
        plain,
        raters=("first", *named[:2], "middle", *named[2:5], "last"),
        rater=np.array([1, 2, 4, 5, 6], np.int32)[plain.rater],
        groups=("empty", *plain.groups, "unused"),
        group=plain.group + 1,
    )
    problem = sa.problem_of_labels(plain, budget=10)
    for name, frame in {"alpha": sa.leave_one_out_alpha, "removal": lambda x: sa.removals(x, problem)}.items():
        found, expected = frame(silent), frame(plain)
        assert found[found["votes"] > 0].reset_index(drop=True).equals(expected), name
        assert len(found) == len(expected) + 3
    assert sa.fewest_raters(silent, problem) == sa.fewest_raters(plain, problem)
    compared = sa.agreement(silent)
    kept = compared[~compared["scope"].str.contains("empty|unused")].reset_index(drop=True)
    assert kept.drop(columns=["low", "high"]).equals(sa.agreement(plain).drop(columns=["low", "high"]))
    found, expected = (vote_statistics(x, x.labels) for x in (silent, plain))
    assert {name: x.tolist() for name, x in found.items()} == {name: x.tolist() for name, x in expected.items()}
    assert sa.provenance(silent).headlines == sa.provenance(plain).headlines


def test_share_of_an_item_without_votes_is_missing():
    votes = sa.LabelSet(
        ("a", "b"), np.array([1, 0], np.int8), np.array([0, 1], np.int32), ("r", "s"), np.array([0, 2, 2])
    )
    np.testing.assert_array_equal(votes.rate, [0.5, np.nan])
