"""Verdicts from cases: t-tests, Holm's correction and effects by formulas of their own, and each verdict in turn."""

from __future__ import annotations

import numpy as np
import pytest
import scipy
from hypothesis import given, settings
from hypothesis import strategies as st

from seqaudit.benchmarks.claims.findings import Case, judge
from seqaudit.benchmarks.claims.rank_claims import judge_ranks, weighted_rank_correlations

RNG = np.random.default_rng(5)


def case(apart, source="one", items=4, labels=1.0, name="") -> Case:
    return Case(
        name or f"{source} {labels}", source, items, labels, np.asarray(apart, dtype=float), (f"{source} | kg",)
    )


def noisy(mean: float, size: int = 12, spread: float = 0.1) -> np.ndarray:
    return mean + spread * RNG.standard_normal(size)


@given(data=st.data())
@settings(max_examples=40)
def test_cases_and_effect_agree_with_scipy(data):
    size = data.draw(st.integers(3, 8))
    values = st.lists(st.floats(-2, 2, allow_subnormal=False), min_size=size, max_size=size)
    cases = [
        case([x + 0.01 * k for k, x in enumerate(data.draw(values))], source, items=k + 1, labels=labels)
        for k, source in enumerate("ab")
        for labels in (1.0, 2.0)
    ]
    found = judge(cases)
    tests = [scipy.stats.ttest_1samp(x.apart, 0.0) for x in cases]
    raw = np.array([t.pvalue for t in tests])
    order = np.argsort(raw)
    holm = np.empty(4)
    holm[order] = np.minimum(1.0, np.maximum.accumulate(raw[order] * np.arange(4, 0, -1)))
    for row, test, x, p in zip(found.table, tests, cases, holm, strict=True):
        if np.ptp(x.apart) < 1e-6:
            continue
        ends = test.confidence_interval()
        assert (row["low"], row["high"]) == pytest.approx((ends.low, ends.high), rel=1e-6, abs=1e-9)
        assert row["p_holm"] == pytest.approx(p, rel=1e-6, abs=1e-12)
    by_source = [np.mean([x.apart for x in cases if x.source == s], axis=0) for s in "ab"]
    assert found.effect == pytest.approx(np.mean(by_source))
    error = np.sqrt(sum(x.var(ddof=1) / size for x in by_source)) / 2
    assert found.high - found.effect == pytest.approx(scipy.stats.t.ppf(0.975, size - 1) * error)


def test_a_claim_holds_fails_is_mixed_or_vacuous():
    right, wrong, nothing = noisy(1.0), noisy(-1.0), noisy(0.0, spread=1.0)
    assert judge([case(right), case(right, labels=2.0)]).verdict == "HOLDS"
    assert judge([case(wrong)]).verdict == "FAILS"
    assert judge([case(nothing - nothing.mean())]).verdict == "FAILS"
    assert judge([case(2 * right), case(wrong, labels=2.0)]).verdict == "MIXED"
    assert judge([case(np.zeros(5)), case(np.zeros(5), "other")]).verdict == "VACUOUS"
    assert judge([]) is None


def test_the_smallest_case_is_the_first_against_else_the_first_open_one():
    open_ = np.array([1.0, -1.0, 0.5, -0.5])
    wrong, right = [-1.0, -1.1, -0.9, -1.05], [3.0, 3.1, 2.9, 3.05]
    cases = [
        case(wrong, "large", 90),
        case(open_, "small", 3),
        case(wrong, "medium", 10),
        case(right, "medium", 10, 2.0),
    ]
    assert judge(cases).smallest["case"] == "medium 1.0"
    assert judge([x for x in cases if x.source == "small"]).smallest["case"] == "small 1.0"
    assert judge([cases[3]]).smallest == {}
    assert [row["case"] for row in judge(cases).table] == ["small 1.0", "medium 1.0", "medium 2.0", "large 1.0"]


def test_equal_things_are_equal_within_a_band():
    near, far = [0.001, -0.001, 0.002, -0.002], [0.2, 0.21, 0.19, 0.2]
    assert judge([case(near)], within=0.01).verdict == "HOLDS"
    assert judge([case(far)], within=0.01).verdict == "FAILS"
    assert judge([case(near), case(far, "other")], within=0.01).opposing == 1
    wide = [0.5, -0.5, 0.4, -0.4]
    assert judge([case(wide)], within=0.01).verdict == "FAILS"


def test_properties_of_sources_count_by_their_sign():
    some = [case([0.3] * 4, "a"), case([0.5] * 4, "b"), case([0.4] * 4, "c")]
    found = judge(some, fixed=True)
    assert (found.verdict, found.supporting) == ("HOLDS", 3)
    half = scipy.stats.t.ppf(0.975, 2) * 0.1 / np.sqrt(3)
    assert (found.low, found.high) == pytest.approx((0.4 - half, 0.4 + half))
    assert judge([*some, case([-0.01] * 4, "d", items=2)], fixed=True).smallest["case"] == "d 1.0"
    alone = judge([case([0.3] * 4)], fixed=True)
    assert (alone.verdict, alone.as_dict()["low"]) == ("HOLDS", None)


@given(data=st.data())
@settings(max_examples=40)
def test_correlations_of_resampled_pairs_are_those_of_scipy_for_the_pairs_written_out(data):
    size = data.draw(st.integers(2, 8))
    x, y = (np.array(data.draw(st.lists(st.integers(0, 3), min_size=size, max_size=size))) / 7.0 for _ in "xy")
    times = np.array(data.draw(st.lists(st.integers(0, 3), min_size=size, max_size=size)))
    (found,) = weighted_rank_correlations(x, y, times[None, :])
    one, other = np.repeat(x, times), np.repeat(y, times)
    if times.sum() == 0 or np.ptp(one) == 0.0 or np.ptp(other) == 0.0:
        assert np.isnan(found)
    else:
        assert found == pytest.approx(scipy.stats.spearmanr(one, other).statistic)


@pytest.mark.parametrize(("sign", "verdict"), [(1.0, "HOLDS"), (-1.0, "FAILS")])
def test_correlations_are_those_of_scipy(sign, verdict):
    level = np.arange(8.0)
    gains = [case(noisy(sign * x, spread=0.5), f"s{k}") for k, x in enumerate(level)]
    found = judge_ranks({"one": (gains, level.tolist())})
    rho = scipy.stats.spearmanr(level, [x.apart.mean() for x in gains]).statistic
    assert found.effect == pytest.approx(rho)
    assert found.low <= rho <= found.high
    assert found.verdict == verdict
    assert judge_ranks({"one": (gains[:4], level[:4].tolist())}) is None
    assert judge_ranks({"one": (gains, [1.0] * 8)}) is None
