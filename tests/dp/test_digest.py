"""Digests of problems: the same for equal problems whatever types they came in, and different for different ones."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import seqaudit as sa
from seqaudit.posteriors.foundation.canonical import canonical


def problem(**changes):
    return sa.Problem([0.5, 0.6], **({"budget": 8} | changes))


class Cubic(sa.Utility):
    """A utility of another package, which cannot be written down."""

    name = "cubic"

    def __call__(self, p):
        return p**3


EQUAL = {
    "names": [{"name": x} for x in (["a", "b"], ("a", "b"), np.array(["a", "b"]), np.array(["a", "b"], dtype=object))],
    "budget": [{"budget": x} for x in (8, 8.0, np.int64(8), np.float32(8))],
    "budget under costs": [{"budget": x, "cost": [1, 2]} for x in (8, 8.0, np.int16(8))],
    "parameters of a utility": [
        {"utility": x}
        for x in (
            sa.Asymmetric(1, 3),
            sa.Asymmetric(1.0, 3.0),
            sa.Asymmetric(np.float64(1), 3),
            {"name": "asymmetric", "gain": 1, "loss": 3},
            "asymmetric(gain=1, loss=3.0)",
        )
    ],
    "weights": [{"weight": x} for x in (1, 1.0, [1, 1], (1.0, 1), np.ones(2, np.float32), np.ones(2, ">f8"))],
    "priors": [{"prior": x} for x in ((1, 2), [[1, 2]] * 2, sa.Beta(1, 2), [sa.Beta(1.0, 2)] * 2, np.array([1, 2]))],
    "mixtures": [
        {"prior": x}
        for x in (
            sa.BetaMixture((1, 1), (1, 2), (2, 1)),
            sa.BetaMixture([1.0, 1.0], np.array([1, 2]), np.array([2.0, 1.0])),
            [{"kind": "beta-mixture", "weights": [1, 1], "a": [1, 2], "b": [2, 1]}] * 2,
        )
    ],
    "minus zero": [{"reward": x} for x in (0, 0.0, -0.0, [0.0, -0.0])],
    "quotas": [
        {"quota": x} for x in ([([1], 2)], [(np.array([1]), np.int64(2))], ({"items": ["item 2"], "labels": 2},))
    ],
    "batches": [{"batch": x} for x in (2, np.int8(2), 2.0)],
    "caps": [{"cap": x} for x in (8, [8, 8], [9, 100], np.array([8.0, 8.0]), None)],
    "callables": [{"utility": x} for x in (lambda p: 2 * p**2, lambda p: 2 * p * p, lambda p: p**2 + p * p)],
}


@pytest.mark.parametrize("kind", EQUAL)
def test_equal_problems_have_equal_digests(kind):
    assert len({problem(**changes).digest() for changes in EQUAL[kind]}) == 1
    assert len(problem(**EQUAL[kind][0]).digest()) == 64


def test_a_digest_survives_a_file_and_a_process(tmp_path):
    one = problem(name=np.array(["a", "b"]), utility=sa.Asymmetric(1, 3), prior=sa.NoisyBeta(1, 1, 0.1), cost=[1, 2])
    one.to_toml(tmp_path / "problem.toml")
    code = "import sys, seqaudit as sa; print(sa.Problem.from_toml(sys.argv[1]).digest())"
    command = [sys.executable, "-c", code, str(tmp_path / "problem.toml")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == one.digest()


def test_a_digest_is_the_one_that_it_was():
    """A new digest needs a new version: without one, saved policies and sessions are refused."""
    one = problem(weight=[1, 2], utility=sa.Asymmetric(1, 3), prior=[sa.Beta(1, 2), sa.Grid((0.2, 0.8), (1, 1))])
    assert one.digest() == "5c4589e323cb02955709311347bceecbc92b063b847d78483becec238656d362"
    assert (
        sa.Problem.from_logratio([0.0, 1.0], 0.5, 6, quota=[([0], 1)]).digest()
        == "1b7121e6fa541ea0ba1b0b1b0452011ca5c6a622d91ff2f7f9fc5537e7217dd3"
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"name": ["a", "b"]},
        {"name": ["1", "2"]},
        {"utility": sa.Asymmetric(1, 3)},
        {"utility": sa.Asymmetric(3, 1)},
        {"utility": sa.Decisive(0.05)},
        {"utility": sa.Decisive(np.nextafter(0.05, 1))},
        {"utility": Cubic()},
        {"utility": lambda p: p},
        {"utility": lambda p: p**2},
        {"utility": lambda p: p**2 + 1e-6},
        {"utility": lambda p: (p > 0.95).astype(float)},
        {"utility": lambda p: (p > 0.9503).astype(float)},
        {"threshold": [0.5, np.nextafter(0.6, 1)]},
        {"prior": (1, 1 + 1e-15)},
        {"prior": sa.BetaMixture((1, 1), (1, 2), (2, 1))},
        {"prior": sa.BetaMixture((1, 1), (2, 1), (1, 2))},
        {"reward": 1e-300},
        {"cap": [8, 7]},
        {"budget": 9},
        {"batch": 4},
        {"label_price": 1e-300},
        {"quota": [([0], 1)]},
        {"quota": [([0], 1), ([1], 1)]},
        {"quota": [([0, 1], 1)]},
    ],
)
def test_a_small_difference_changes_the_digest(changes):
    others = [problem(), problem(utility="linear"), problem(quota=[([1], 1)]), problem(utility=lambda p: p**2 + 1e-3)]
    threshold = changes.pop("threshold", None)
    one = problem(**changes) if threshold is None else problem().replace(threshold=threshold)
    assert one.digest() not in {other.digest() for other in others}


def test_differences_among_small_differences_show():
    told = [(lambda p, c=c: (p > c).astype(float)) for c in (0.5, 0.5001, 0.9, 0.9502, 0.9503, 0.99)]
    many = sa.Problem(np.linspace(0.3, 0.7, 9), 40)
    assert len({many.replace(utility=x).digest() for x in told}) == len(told)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, "1"),
        (b"ab", (97, 98)),
        (0, None),
        ("", None),
        ([1, 2], [12]),
        ([[1], 2], [1, [2]]),
        ({"a": 1}, {"b": 1}),
        ({"1": 1}, {1: 1}),
        (2**53 + 1, 2.0**53),
        ("0x1.0000000000000p+0", 1.0),
        (sa.Beta(1, 2), sa.Beta(2, 1)),
        (sa.KnowledgeGradient(), sa.KnowledgeGradient(ties="first")),
        (sa.Accuracy(), sa.Entropy()),
    ],
)
def test_canonical_texts_tell_values_apart(one, other):
    assert canonical(one) != canonical(other)


@pytest.mark.parametrize(
    "values",
    [
        (1, 1.0, np.float32(1), np.uint8(1)),
        (True, np.True_),
        ("a", np.str_("a")),
        ([1, 2], (1.0, 2), np.array([1, 2]), range(1, 3)),
        (-0.0, 0),
        ({"a": 1, "b": 2}, {"b": 2.0, "a": 1}),
        (sa.Lookahead(depth=2), sa.Lookahead(depth=np.int64(2))),
    ],
)
def test_canonical_texts_of_equal_values_are_equal(values):
    assert len(set(map(canonical, values))) == 1
