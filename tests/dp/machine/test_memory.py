"""Refusals for size, and which problems are small enough for exact values."""

from __future__ import annotations

import ast
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import seqaudit as sa
from seqaudit.dp.exact.scope import few_states, small_enough
from seqaudit.posteriors.foundation import memory

PACKAGE = Path(sa.__file__).resolve().parent
LARGE = sa.Problem(np.linspace(0.1, 0.9, 40), 400, utility="entropy")


def test_what_is_available_is_read_in_one_place_only():
    found = []
    for path in PACKAGE.rglob("*.py"):
        if "tests" not in path.relative_to(PACKAGE).parts:
            names = {getattr(node, "id", getattr(node, "attr", None)) for node in ast.walk(ast.parse(path.read_text()))}
            found += [path.name] if "available_memory" in names else []
    assert found == ["memory.py"]


def test_memory_that_is_needed_is_compared_with_what_is_available(monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda: 4096)
    assert memory.fits(4096)
    assert not memory.fits(4097)
    assert memory.fits(1024, share=0.25)
    assert not memory.fits(1025, share=0.25)
    assert [memory.how_many_fit(*x) for x in ((1000,), (1000, 100.0), (1000, 5000.0))] == [4, 3, 0]
    memory.require_memory(4096, what="a walk", instead="run")
    with pytest.raises(sa.ProblemTooLarge) as caught:
        memory.require_memory(5120, what="a walk", instead="run")
    assert str(caught.value) == "problem too large for a walk: 5 KiB of memory are needed, 4 KiB are available; run"
    with pytest.raises(sa.ProblemTooLarge, match="for a walk: at least 7 states and 5 KiB of memory are needed, 4 KiB"):
        memory.require_memory(5120, 7, what="a walk", instead="run")


@pytest.mark.parametrize(
    "work",
    [
        sa.solve,
        sa.upper_bound,
        lambda p: sa.upper_bound(p, "information-relaxation", samples=2),
        sa.allocate,
        sa.structure,
        lambda p: sa.certify(p, "uniform", exact=False),
        lambda p: sa.KGStar().require(p),
        lambda p: sa.TreeSearch().require(p),
        lambda p: sa.Lookahead(12, candidates=20).require(p),
    ],
)
def test_every_refusal_says_what_is_too_large_by_how_much_and_what_to_do(work, monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda: 100_000)
    form = r"^problem too large for [^:]+(, with [^:]+)?: [^;]+(needed, .* are available|are evaluated); (use|take) \w+"
    with pytest.raises(sa.ProblemTooLarge, match=form):
        work(LARGE)


@given(st.lists(st.integers(0, 6), min_size=1, max_size=4), st.integers(1, 12), st.integers(0, 2000))
def test_few_states_counts_those_of_the_lattice_without_costs_and_quotas(cap, budget, most):
    problem = sa.Problem(np.full(len(cap), 0.5), budget, cap=cap)
    assert few_states(problem, most) == (sa.Lattice.of(problem).states <= most)
    assert small_enough(problem, states=most) == few_states(problem, most)


def test_states_that_costs_and_quotas_rule_out_are_not_held_against_a_problem():
    priced = sa.Problem([0.5, 0.6, 0.7], 12, cost=[1, 12, 12])
    states = sa.Lattice.of(priced).states
    assert not few_states(priced, states)
    assert small_enough(priced, states=states)
    assert not small_enough(priced, states=states - 1)


def test_problem_is_small_enough_up_to_its_limits(monkeypatch):
    assert small_enough(sa.Problem(np.full(12, 0.5), 2))
    assert not small_enough(sa.Problem(np.full(13, 0.5), 2))
    assert small_enough(sa.Problem(np.full(13, 0.5), 2), items=None)
    assert not small_enough(sa.Problem([0.5, 0.5], 4, batch=2))
    assert small_enough(sa.Problem([0.5], 1998), states=1_999_000)
    assert not small_enough(sa.Problem([0.5], 1999), states=1_999_000)
    monkeypatch.setattr(memory, "available_memory", lambda: 10_000)
    assert not small_enough(sa.Problem([0.5, 0.5], 4))


def test_huge_problems_are_known_at_once_to_be_large():
    begin = time.perf_counter()
    for problem in (
        sa.Problem([0.5], 10**9),
        sa.Problem(np.full(12, 0.5), 10**9),
        sa.Problem(np.full(10**5, 0.5), 10**6),
        sa.Problem([0.5, 0.6], 1e9, cost=[1.0, 1.5]),
    ):
        assert not small_enough(problem, items=None)
    assert time.perf_counter() - begin < 10
