"""Tables of studies: means by hand from the cells, paired comparisons, Holm's correction, and labels for a share."""

from __future__ import annotations

import itertools
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import scipy
from hypothesis import given, settings
from hypothesis import strategies as st

import seqaudit as sa
from seqaudit.benchmarks.studies.comparisons import holm, paired
from seqaudit.benchmarks.studies.outline import Outline, Setting, Way
from seqaudit.benchmarks.studies.results import Group, Reference, StudyResults

FIELDS = {
    "replications": 12,
    "checkpoints": 3,
    "policies": ["kg", "uniform", "round-robin"],
    "metrics": ["decision-accuracy", "override-mass"],
    "problem": [{"name": "one", "c": [0.5, -1.0, 1.0], "beta": 1.0, "budget": 6}],
    "cross": {"utility": ["accuracy", "variance"]},
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return sa.run_study(sa.make_study(FIELDS), tmp_path_factory.mktemp("study") / "run")


def stored(run) -> dict[str, tuple[dict, float]]:
    with closing(sqlite3.connect(Path(run, "run.sqlite"))) as store:
        return {name: (json.loads(x), s) for name, x, s in store.execute("SELECT name, result, seconds FROM cells")}


def test_means_and_errors_are_those_of_the_cells(run):
    cells, table = stored(run), sa.study_table(run)
    assert table[["environment", "policy", "labels"]].values.tolist() == [
        [f"one, utility={u}", policy, labels]
        for u in ("accuracy", "variance")
        for policy in FIELDS["policies"]
        for labels in (2, 4, 6)
    ]
    assert table["axis.utility"].tolist() == ["accuracy"] * 9 + ["variance"] * 9
    for row in table.to_dict("records"):
        runs = [cells[f"{row['environment']} | {row['policy']} | {r + 1}"][0] for r in range(12)]
        k = runs[0]["labels"].index(row["labels"])
        for name in ("bought", "payoff", "decision-accuracy", "override-mass"):
            values = [x[name][k] for x in runs]
            if name == "payoff" and k == 2:
                exact = cells[f"{row['environment']} | {row['policy']} | exact"][0]["value"]
                assert (row[name], row[f"{name}_se"]) == (exact, 0.0)
                continue
            assert row[name] == pytest.approx(np.mean(values), rel=1e-12)
            assert row[f"{name}_se"] == pytest.approx(np.std(values, ddof=1) / np.sqrt(12), abs=1e-12)
        reference = cells[f"{row['environment']} | reference"][0]
        possible = reference["optimum"] - reference["prior_value"]
        assert row["gain"] == pytest.approx((row["payoff"] - reference["prior_value"]) / possible, rel=1e-12)
        assert row["gain_se"] == pytest.approx(row["payoff_se"] / possible, rel=1e-9, abs=1e-15)
        assert row["regret"] == pytest.approx(reference["optimum"] - row["payoff"], abs=1e-12)
        assert row["against"] == "optimum"
        assert row["gain"] <= 1 + 1e-12 or row["labels"] < 6


def test_seconds_are_those_of_the_cells_and_their_ratio_is_to_uniform(run):
    cells, table = stored(run), sa.study_table(run)
    for (environment, policy), part in table.groupby(["environment", "policy"]):
        each = {p: sum(cells[f"{environment} | {p} | {r + 1}"][1] for r in range(12)) / 72 for p in (policy, "uniform")}
        assert part["seconds_a_label"].unique() == pytest.approx([each[policy]])
        assert part["seconds_ratio"].unique() == pytest.approx([each[policy] / each["uniform"]])


def test_differences_are_paired(run):
    cells = stored(run)
    table = sa.study_differences(run, "override-mass", "uniform", checkpoint=1)
    assert table[["environment", "policy"]].values.tolist() == [
        [f"one, utility={u}", p] for u in ("accuracy", "variance") for p in ("kg", "round-robin")
    ]
    for row in table.to_dict("records"):
        one, other = (
            np.array([cells[f"{row['environment']} | {p} | {r + 1}"][0]["override-mass"][1] for r in range(12)])
            for p in (row["policy"], "uniform")
        )
        assert row["mean"] == pytest.approx((one - other).mean(), abs=1e-14)
        assert (row["low"], row["high"], row["p"]) == paired(one, other, 7)[1:4]
    assert table["p_holm"].tolist() == holm(table["p"].tolist()).tolist()
    assert sa.study_differences(run)["policy"].unique().tolist() == ["kg", "uniform"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("override-mas",), "did you mean 'override-mass'"),
        (("payof",), "did you mean 'payoff'"),
        (("payoff", "round-robn"), "did you mean 'round-robin'"),
        (("payoff", "gittins"), "reference is 'gittins'; the study has: kg, uniform, round-robin"),
        (("payoff", "kg", 3), "checkpoint is 3"),
        (("payoff", "kg", -4), "checkpoint is -4"),
    ],
)
def test_what_a_study_does_not_have_is_refused(run, arguments, said):
    with pytest.raises(ValueError, match=r"^[^\n]+$") as error:
        sa.study_differences(run, *arguments)
    assert said in str(error.value)


def test_folders_of_other_runs_are_refused(tmp_path):
    with pytest.raises(sa.RunFolderError, match=r"is not a run folder: it has no run\.json"):
        sa.study_table(tmp_path)
    with pytest.raises(TypeError, match="run is 3"):
        sa.study_table(3)


def exact_p(apart) -> float:
    """Share of the exchanges within pairs whose mean is as far on one side, doubled, as of a permutation test."""
    means = [np.mean(np.array(signs) * apart) for signs in itertools.product((1, -1), repeat=len(apart))]
    mean, gamma = np.mean(apart), 1e-14 * max(1.0, abs(np.mean(apart)))
    less = np.mean([m <= mean + gamma for m in means])
    greater = np.mean([m >= mean - gamma for m in means])
    return min(1.0, 2 * min(less, greater))


@given(st.lists(st.integers(-4, 4), min_size=2, max_size=8))
@settings(max_examples=60, deadline=None)
def test_p_values_of_few_pairs_are_exact(apart):
    found = paired(np.array(apart, float), np.zeros(len(apart)), 7)
    assert found.p == pytest.approx(exact_p(np.array(apart, float)), abs=1e-12)
    assert found.pairs == len(apart)
    assert found.mean == pytest.approx(np.mean(apart))
    assert found.low <= found.mean + 1e-12
    assert found.high >= found.mean - 1e-12


def test_intervals_cover_as_often_as_they_say():
    """Skewed differences, 200 times: the interval holds the mean in about 95 % of them."""
    rng = np.random.default_rng(3)
    held = 0
    for k in range(200):
        apart = rng.exponential(1.0, 40) - 1.0
        found = paired(apart, np.zeros(40), k)
        held += found.low <= 0.0 <= found.high
    # The 99.99 % range of a share of .93, which is what BCa reaches with 40 skewed pairs.
    assert scipy.stats.binomtest(held, 200, 0.93).pvalue > 1e-4


@pytest.mark.parametrize(("size", "p"), [(0, np.nan), (1, np.nan)])
def test_one_pair_has_no_interval(size, p):
    found = paired(np.ones(size), np.zeros(size), 7)
    assert np.isnan([found.low, found.high, found.p]).all()


def test_equal_differences_have_an_interval_without_width():
    assert paired(np.full(5, 3.0), np.full(5, 1.0), 7) == (2.0, 2.0, 2.0, 2.0**-4, 5)
    assert paired(np.full(5, 3.0), np.full(5, 3.0), 7) == (0.0, 0.0, 0.0, 1.0, 5)


@given(st.lists(st.one_of(st.floats(0, 1), st.just(float("nan"))), max_size=12))
def test_holm_is_the_plain_rule(given_):
    known = sorted((p, k) for k, p in enumerate(given_) if p == p)
    wanted = [float("nan")] * len(given_)
    largest = 0.0
    for rank, (p, k) in enumerate(known):
        largest = max(largest, min(1.0, p * (len(known) - rank)))
        wanted[k] = largest
    assert holm(given_).tolist() == pytest.approx(wanted, nan_ok=True)


def results(payoffs, labels, least=0.0, most=1.0, value=None) -> StudyResults:
    """Results of one policy in one environment, with payoffs of shape (R, S)."""
    setting = Setting("one", "one", {}, list(labels), False, {})
    outline = Outline("study", 7, len(payoffs), ["decision-accuracy"], [Way("kg", True, "", [])], [setting])
    payoff = np.array(payoffs, dtype=float)
    group = Group("one", "kg", {}, list(range(len(payoff))), list(labels), {"payoff": payoff}, np.ones(1), value)
    return StudyResults(outline, [group], {"one": Reference(least, most, True, None)}, [], 0, 0)


@pytest.mark.parametrize(
    ("payoff", "share", "labels"),
    [
        ([0.5, 0.75, 1.0], 0.5, 10.0),
        ([0.5, 0.75, 1.0], 0.25, 5.0),
        ([0.5, 0.75, 1.0], 0.9, 26.0),
        ([0.5, 0.75, 0.8], 0.9, np.inf),
        ([0.8, 0.4, 0.9], 0.8, 10.0),
        ([-0.2, 0.2, 0.6], 0.1, 17.5),
    ],
)
def test_labels_for_a_share_are_read_off_the_curve(payoff, share, labels):
    table = sa.label_efficiency(results([payoff] * 3, (10, 20, 30)), share)
    assert table[["labels", "low", "high"]].values.tolist() == [[pytest.approx(labels)] * 3]


def test_labels_for_a_share_have_the_interval_of_a_bootstrap():
    rng = np.random.default_rng(5)
    payoffs = np.linspace(0.3, 0.9, 3) + rng.normal(0, 0.05, (200, 1))
    (row,) = sa.label_efficiency(results(payoffs, (10, 20, 30)), 0.6).to_dict("records")
    # The mean curve is 0.3 + 0.03 (n - 10) + e with e of deviation .05 / sqrt 200.
    half = 1.96 * 0.05 / np.sqrt(200) / 0.03
    assert row["labels"] == pytest.approx(20 - (payoffs.mean() - 0.6) / 0.03, abs=1e-9)
    assert (row["high"] - row["low"]) / 2 == pytest.approx(half, rel=0.15)


def test_exact_values_stand_in_for_the_last_checkpoint():
    found = results([[0.5, 0.7]], (10, 20), value=0.9)
    assert sa.label_efficiency(found, 0.7)["labels"].tolist() == [pytest.approx(15.0)]
    assert sa.label_efficiency(results([[0.5, 0.7]], (10, 20)), 0.75)["labels"].tolist() == [np.inf]


@pytest.mark.parametrize("most", [0.0, None])
def test_without_a_possible_gain_there_is_no_share(most):
    found = sa.label_efficiency(results([[0.0, 0.0]], (1, 2), most=most))
    assert found[["labels", "low", "high"]].isna().all(axis=None)


@pytest.mark.parametrize("share", [0.0, 1.0, np.nan, "half", None])
def test_shares_lie_between_0_and_1(run, share):
    with pytest.raises(ValueError, match="share"):
        sa.label_efficiency(run, share)
