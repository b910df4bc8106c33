"""Metrics of studies: each recomputed in plain Python from its formula, and what other packages may plug in."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
import scipy
from hypothesis import given, settings
from hypothesis import strategies as st

import seqaudit as sa
from seqaudit.benchmarks.metrics.metric import Metric, measured
from seqaudit.benchmarks.metrics.offline import METRICS
from seqaudit.benchmarks.metrics.pool_rates import is_unsure, wilson

# By items: weight v, log-ratio c, labels n, believed tail p, truth z and decision d.
DEFINITIONS = {
    "believed-welfare": lambda xs: sum(v * p for v, c, n, p, z, d in xs),
    "oracle-welfare": lambda xs: sum(v for v, c, n, p, z, d in xs if z),
    "welfare-error": lambda xs: abs(sum(v * (p - z) for v, c, n, p, z, d in xs)),
    "decision-accuracy": lambda xs: _share(xs, lambda v, c, n, p, z, d: d == z),
    "decisive-mass": lambda xs: _share(xs, lambda v, c, n, p, z, d: _sure(p, 0.05)),
    "decisive-mass(eps=0.2)": lambda xs: _share(xs, lambda v, c, n, p, z, d: _sure(p, 0.2)),
    "decisive-on-c": lambda xs: _share([x for x in xs if x[1] >= 0], lambda v, c, n, p, z, d: _sure(p, 0.05)),
    "decisive-on-c(least=-inf, below=0.5, eps=0.2)": lambda xs: _share(
        [x for x in xs if x[1] < 0.5], lambda v, c, n, p, z, d: _sure(p, 0.2)
    ),
    "decisive-on-c(least=5.0)": lambda xs: 0.0,
    "decisive-right": lambda xs: _share(xs, lambda v, c, n, p, z, d: _sure(p, 0.05) and d == z),
    "override-mass": lambda xs: sum(v * p for v, c, n, p, z, d in xs if c > 0),
    "oracle-override-mass": lambda xs: sum(v for v, c, n, p, z, d in xs if c > 0 and z),
    "override-error": lambda xs: abs(sum(v * (p - z) for v, c, n, p, z, d in xs if c > 0)),
    "tail-targeting": lambda xs: _labels(xs, lambda v, c, n, p, z, d: c >= 0 and not _sure(p, 0.05)),
    "tail-targeting(c0=1.0, eps=0.1)": lambda xs: _labels(xs, lambda v, c, n, p, z, d: c >= 1 and not _sure(p, 0.1)),
    "labels-on-c": lambda xs: _labels(xs, lambda v, c, n, p, z, d: c >= 0),
    "labels-on-c(least=-1.0, below=1.0)": lambda xs: _labels(xs, lambda v, c, n, p, z, d: -1 <= c < 1),
}
C = (0.6, -0.8, 0.0, 2.0, 1.0, -1.0)
PROBLEM = sa.Problem.from_logratio(C, 1.0, 60, weight=[1.0, 2.0, 0.5, 1.5, 3.0, 0.7])


def _share(items, chosen) -> float:
    return sum(x[0] for x in items if chosen(*x)) / sum(x[0] for x in items)


def _labels(items, chosen) -> float:
    return sum(x[2] for x in items if chosen(*x)) / max(1, sum(x[2] for x in items))


def _sure(p: float, eps: float) -> bool:
    return p <= eps or p >= 1 - eps


def test_every_metric_has_a_definition_here():
    assert {name.partition("(")[0] for name in DEFINITIONS} == set(sa.metric_names())
    for cls in METRICS.classes().values():
        assert cls.formula
        assert cls.source


@given(data=st.data(), truth=st.lists(st.booleans(), min_size=6, max_size=6))
@settings(max_examples=60)
def test_metrics_agree_with_their_definitions(data, truth):
    counts = np.array(data.draw(st.lists(st.integers(0, 20), min_size=6, max_size=6)))
    wins = np.array([data.draw(st.integers(0, int(n))) for n in counts])
    audit = sa.Audit(PROBLEM, counts[None], wins[None], np.array(truth))
    tail = [
        float(scipy.stats.beta.sf(t, 1 + w, 1 + n - w)) for t, n, w in zip(PROBLEM.threshold, counts, wins, strict=True)
    ]
    items = list(
        zip(PROBLEM.weight.tolist(), C, counts.tolist(), tail, truth, [p > 0.5 + 1e-12 for p in tail], strict=True)
    )
    for name, definition in DEFINITIONS.items():
        assert measured(METRICS.make(name), audit) == pytest.approx([definition(items)], rel=1e-9, abs=1e-12), name


def test_labels_by_c_add_up():
    audit = sa.Audit(PROBLEM, np.array([[3, 1, 4, 1, 5, 9]]), np.array([[1, 1, 2, 0, 5, 4]]), np.array([True] * 6))
    ends = (-np.inf, -0.9, 0.0, 0.7, 1.5, np.inf)
    parts = [METRICS.make("labels-on-c", least=a, below=b).of(audit) for a, b in itertools.pairwise(ends)]
    assert np.sum(parts, axis=0) == pytest.approx([1.0])


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("decisive-mass(eps=0.5)", "decisive-mass: eps is 0.5"),
        ("decisive-mass(eps=nan)", "decisive-mass: eps is 'nan'"),
        ("tail-targeting(c0=inf)", "tail-targeting: c0 is inf"),
        ("labels-on-c(least=1, below=1)", "labels-on-c: least is 1 and below 1"),
        ("labels-on-c(least=nan)", "labels-on-c: least is 'nan'"),
        ("decisive-mas", "did you mean 'decisive-mass'"),
        ("override-mass(eps=.1)", "override-mass"),
    ],
)
def test_wrong_settings_are_refused(name, said):
    with pytest.raises(ValueError, match=r"^[^\n]+$") as error:
        METRICS.make(name)
    assert said in str(error.value)


@dataclasses.dataclass(frozen=True)
class Own(Metric):
    """A metric that returns what it is made of."""

    given: object = None
    name = "own"
    formula = source = "this test"

    def of(self, audit):
        return [float("nan")] if self.given == "nan" else eval(str(self.given), {"np": np, "audit": audit})


AUDIT = sa.Audit(PROBLEM, np.zeros((2, 6), int), np.zeros((2, 6), int), np.array([True] * 6))


@pytest.mark.parametrize(
    ("given_back", "said"),
    [
        ("[1.0]", r"metric own has shape \(1,\); it must be \(2,\)"),
        ("[1.0, np.inf]", "metric own is inf; it must be finite"),
        ("[1.0, 1j]", "metric own is of type complex128"),
        ("['a', 'b']", "metric own is of type"),
        ("None", "metric own is of type"),
    ],
)
def test_what_a_metric_of_others_returns_is_checked(given_back, said):
    with pytest.raises(ValueError, match=said):
        measured(Own(given_back), AUDIT)


@pytest.mark.parametrize("array", ["counts", "wins", "truth", "tail", "override", "weight"])
def test_a_metric_cannot_write_into_the_audit(array):
    with pytest.raises(ValueError, match="read-only"):
        measured(Own(f"audit.{array}.__setitem__(0, 1)"), AUDIT)


def test_a_class_without_the_method_says_so():
    class Empty(Metric):
        name = "empty"

    with pytest.raises(TypeError, match=r"^Empty must define of$"):
        Empty().of(AUDIT)


@given(st.integers(0, 60), st.integers(0, 60), st.sampled_from([0.5, 0.9, 0.95, 0.999]))
@settings(max_examples=80)
def test_wilson_intervals_are_those_of_scipy(a, b, level):
    if a + b == 0:
        assert [x.tolist() for x in wilson(np.array([0]), np.array([0]))] == [[0.0], [1.0]]
        return
    low, high = wilson(np.array([a]), np.array([a + b]), level)
    wanted = scipy.stats.binomtest(a, a + b).proportion_ci(level, method="wilson")
    assert (low[0], high[0]) == pytest.approx(tuple(wanted), abs=1e-12)
    assert low[0] <= a / (a + b) <= high[0]


def test_truth_is_unsure_where_the_interval_holds_the_threshold():
    found = is_unsure(np.array([9, 9, 50, 0]), np.array([10, 10, 100, 0]), np.array([0.5, 0.7, 0.7, 0.2]))
    assert found.tolist() == [False, True, False, True]
