"""Metrics of a replay: each one recomputed in plain Python, from the definition, with another formula for the tail."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import seqaudit as sa
from seqaudit.benchmarks.replay.scores import METRICS, Scorer


@dataclass(frozen=True)
class Item:
    """Numbers of one item in one replication that a metric needs."""

    p: float
    weight: float
    truth: bool
    log_ratio: float
    labels: int
    decided: bool


def binomial_tail(a: int, b: int, t: float) -> float:
    """P(Beta(a, b) > t) for whole a and b: fewer than a successes in a + b - 1 trials of probability t."""
    m = a + b - 1
    return sum(math.comb(m, j) * t**j * (1 - t) ** (m - j) for j in range(a))


def decisive(item: Item, eps: float) -> bool:
    return item.p <= eps or item.p >= 1 - eps


def share(items: list[Item], chosen) -> float:
    return sum(x.weight for x in items if chosen(x)) / sum(x.weight for x in items)


def mass(items: list[Item], amount) -> float:
    return sum(x.weight * amount(x) for x in items)


DEFINITIONS = {
    "decision_accuracy": lambda xs: share(xs, lambda x: x.decided == x.truth),
    "believed_mass": lambda xs: mass(xs, lambda x: x.p),
    "mass_error": lambda xs: abs(mass(xs, lambda x: x.p - x.truth)),
    "decisive_05": lambda xs: share(xs, lambda x: decisive(x, 0.05)),
    "decisive_10": lambda xs: share(xs, lambda x: decisive(x, 0.1)),
    "decisive_right_05": lambda xs: share(xs, lambda x: decisive(x, 0.05) and x.decided == x.truth),
    "override_mass": lambda xs: mass(xs, lambda x: x.p if x.log_ratio > 0 else 0),
    "override_error": lambda xs: abs(mass(xs, lambda x: x.p - x.truth if x.log_ratio > 0 else 0)),
    "unresolved_override": lambda xs: (
        sum(x.labels for x in xs if x.log_ratio > 0 and not decisive(x, 0.05)) / max(sum(x.labels for x in xs), 1)
    ),
}

# c > 0, c < 0, c = 0, c > 0, c > 0: the reference is overruled on the first and the last two.
PROBLEM = sa.Problem.from_logratio(
    [0.6, -0.8, 0.0, 2.0, 1.0],
    1.0,
    60,
    weight=[1.0, 2.0, 0.5, 1.5, 3.0],
    prior=[(1, 1), (2, 1), (1, 1), (3, 1), (1, 2)],
)
TRUTH = np.array([True, True, False, False, True])
COUNTS = np.array([[7, 4, 1, 2, 0], [9, 8, 2, 3, 2], [6, 8, 0, 8, 1]])
WINS = np.array([[1, 4, 0, 2, 0], [8, 8, 0, 0, 2], [2, 0, 0, 0, 1]])


def recomputed(problem: sa.Problem, truth, counts, wins, accept_above: float = 0.5) -> dict[str, list[float]]:
    out: dict[str, list[float]] = {name: [] for name in METRICS}
    for n, w in zip(counts.tolist(), wins.tolist(), strict=True):
        items = []
        for i in range(problem.size):
            a, b = problem.prior[i].astype(int).tolist()
            p = binomial_tail(a + w[i], b + n[i] - w[i], float(problem.threshold[i]))
            decided = p > accept_above + 1e-12
            items.append(
                Item(p, float(problem.weight[i]), bool(truth[i]), float(problem.log_ratio[i]), n[i], bool(decided))
            )
        for name, definition in DEFINITIONS.items():
            out[name].append(definition(items))
    return out


def test_every_metric_has_a_definition_here():
    assert METRICS.keys() == DEFINITIONS.keys()
    assert Scorer(PROBLEM, TRUTH)(COUNTS, WINS).keys() == METRICS.keys()


@pytest.mark.smoke
@pytest.mark.parametrize("name", METRICS)
def test_metric_agrees_with_its_definition(name):
    found = Scorer(PROBLEM, TRUTH)(COUNTS, WINS)[name]
    assert found.shape == (3,)
    assert found == pytest.approx(recomputed(PROBLEM, TRUTH, COUNTS, WINS)[name], rel=1e-12)


def test_example_tells_the_metrics_and_the_replications_apart():
    """Otherwise agreement would show little."""
    found = np.array(list(Scorer(PROBLEM, TRUTH)(COUNTS, WINS).values())).round(9)
    assert all(len(set(values)) == 3 for values in found)
    assert len(np.unique(found, axis=0)) == len(METRICS)
    assert (found > 0).all()


@given(
    data=st.data(),
    truth=st.lists(st.booleans(), min_size=5, max_size=5),
    utility=st.sampled_from(["accuracy", "entropy", {"name": "asymmetric", "gain": 1.0, "loss": 4.0}]),
)
@settings(max_examples=60)
def test_metrics_agree_with_their_definitions_anywhere(data, truth, utility):
    counts = np.array(data.draw(st.lists(st.integers(0, 25), min_size=5, max_size=5)))
    wins = np.array([data.draw(st.integers(0, int(n))) for n in counts])
    problem = sa.Problem.from_logratio(
        PROBLEM.log_ratio, 1.0, 60, weight=PROBLEM.weight, prior=PROBLEM.prior, utility=utility
    )
    found = Scorer(problem, np.array(truth))(counts[None], wins[None])
    expected = recomputed(problem, truth, counts[None], wins[None], 0.8 if isinstance(utility, dict) else 0.5)
    for name, values in expected.items():
        assert found[name] == pytest.approx(values, rel=1e-9, abs=1e-12), name


def test_asymmetric_utility_decides_at_its_break_even_tail():
    """One win from Beta(1, 1) at t = 1/2 gives p = 3/4: accepted when a loss costs less than three gains."""
    counts, wins, truth = np.array([[1]]), np.array([[1]]), np.array([True])
    for loss, accepted in ((2.9, 1.0), (3.0, 0.0), (3.1, 0.0)):
        problem = sa.Problem([0.5], 1, utility=sa.Asymmetric(gain=1.0, loss=loss))
        assert Scorer(problem, truth)(counts, wins)["decision_accuracy"] == [accepted]


def test_tie_decides_not_learnable():
    counts = wins = np.array([[0]])
    problem = sa.Problem([0.5], 1)
    assert Scorer(problem, np.array([False]))(counts, wins)["decision_accuracy"] == [1.0]
    assert Scorer(problem, np.array([True]))(counts, wins)["decision_accuracy"] == [0.0]


@pytest.mark.parametrize(("threshold", "expected"), [(0.95, [1, 1]), (0.05, [1, 1]), (0.9, [0, 1]), (0.85, [0, 0])])
def test_belief_exactly_on_the_bar_is_decisive(threshold, expected):
    """From Beta(1, 1), p = 1 - t."""
    found = Scorer(sa.Problem([threshold], 1), np.array([True]))(np.array([[0]]), np.array([[0]]))
    assert [found["decisive_05"][0], found["decisive_10"][0]] == expected


def test_reference_that_is_even_is_not_overruled():
    problem = sa.Problem([0.5, 0.5], 1)
    found = Scorer(problem, np.array([True, False]))(np.array([[1, 0]]), np.array([[1, 0]]))
    assert [found[name][0] for name in ("override_mass", "override_error", "unresolved_override")] == [0, 0, 0]


def test_no_labels_are_no_unresolved_labels():
    zero = np.zeros((2, 5), dtype=np.int64)
    assert Scorer(PROBLEM, TRUTH)(zero, zero)["unresolved_override"].tolist() == [0, 0]


def test_unanimous_large_pools_are_known_for_certain():
    counts = np.full((1, 5), 4000)
    found = Scorer(PROBLEM, TRUTH)(counts, counts * TRUTH)
    for name in ("decision_accuracy", "decisive_05", "decisive_10", "decisive_right_05"):
        assert found[name][0] == pytest.approx(1.0, rel=1e-12)
    for name in ("mass_error", "override_error", "unresolved_override"):
        assert found[name][0] == pytest.approx(0.0, abs=1e-12)
    assert found["believed_mass"][0] == pytest.approx(6.0, rel=1e-12)
    assert found["override_mass"][0] == pytest.approx(4.0, rel=1e-12)
