"""The lattice against brute-force enumeration, and the refusal of problems that do not fit."""

from __future__ import annotations

import itertools
import math
import time
import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import seqaudit as sa
from seqaudit.dp import lattice as lattice_module
from seqaudit.dp.lattice import Lattice

Composition = tuple[int, ...]


@st.composite
def shapes(draw: st.DrawFn) -> tuple[list[int], int]:
    """Caps of one to four items, and a depth within their sum."""
    caps = draw(st.lists(st.integers(0, 5), min_size=1, max_size=4))
    return caps, draw(st.integers(0, min(sum(caps), 8)))


def compositions(caps: list[int], total: int) -> list[Composition]:
    """All of them, in lexicographic order: the order of ``itertools.product``."""
    return [n for n in itertools.product(*(range(cap + 1) for cap in caps)) if sum(n) == total]


def block(n: Composition) -> int:
    return math.prod(x + 1 for x in n)


def made(caps: list[int], depth: int) -> Lattice:
    return Lattice(np.array(caps), depth)


@pytest.mark.smoke
@given(shapes())
def test_layers_list_every_composition_once_in_lexicographic_order(shape):
    caps, depth = shape
    lattice = made(caps, depth)
    for m in range(depth + 1):
        expected = compositions(caps, m)
        layer = lattice.layer(m)
        assert list(map(tuple, layer.composition.tolist())) == expected
        assert np.diff(layer.offset).tolist() == [block(n) for n in expected]
        assert layer.offset[0] == 0


@given(shapes())
def test_counts_agree_with_enumeration(shape):
    caps, depth = shape
    lattice = made(caps, depth)
    layers = [compositions(caps, m) for m in range(depth + 1)]
    assert lattice.layer_blocks == [len(layer) for layer in layers]
    assert lattice.layer_states == [sum(map(block, layer)) for layer in layers]
    assert lattice.states == sum(lattice.layer_states)
    assert [lattice.layer(m).states for m in range(depth + 1)] == lattice.layer_states


@pytest.mark.parametrize(("items", "depth"), [(1, 1), (1, 50), (2, 10), (2, 60), (3, 24), (5, 16), (12, 9), (400, 3)])
def test_states_without_caps_are_a_binomial_coefficient(items, depth):
    lattice = made([depth] * items, depth)
    assert lattice.states == math.comb(depth + 2 * items, 2 * items)
    assert sum(lattice.layer_blocks) == math.comb(depth + items, items)
    assert sa.solve(sa.Problem([0.5, 0.6], 10)).states == math.comb(14, 4)


def test_cap_beyond_the_depth_changes_nothing():
    assert made([9, 2], 4).layer_states == made([4, 2], 4).layer_states


@given(shapes())
def test_rank_is_the_position_in_the_layer(shape):
    caps, depth = shape
    lattice = made(caps, depth)
    for m in range(depth + 1):
        ranks = [lattice.rank(np.array(n)) for n in compositions(caps, m)]
        assert ranks == list(range(len(ranks)))


@given(shapes())
def test_successor_is_the_block_with_one_more_label(shape):
    caps, depth = shape
    lattice = made(caps, depth)
    for m in range(depth):
        after = compositions(caps, m + 1)
        for n, successor in zip(compositions(caps, m), lattice.layer(m).successor.tolist(), strict=True):
            for i, found in enumerate(successor):
                grown = (*n[:i], n[i] + 1, *n[i + 1 :])
                assert found == (after.index(grown) if n[i] < caps[i] else -1)
    assert (lattice.layer(depth).successor == -1).all()


def test_lattice_of_a_problem_ends_with_its_labels():
    lattice = Lattice.of(sa.Problem([0.5, 0.5], 9, cap=[3, 2]))
    assert (lattice.cap.tolist(), lattice.depth) == ([3, 2], 5)


def peak(work: Callable[[], object]) -> int:
    tracemalloc.start()
    work()
    taken = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return taken


@pytest.mark.parametrize(
    ("items", "budget", "cap"),
    [
        (1, 400, None),
        (2, 90, None),
        (3, 30, None),
        (4, 16, None),
        (20, 4, None),
        (60, 2, None),
        (300, 1, None),
        (12, 12, 1),
        (3, 120, [120, 3, 3]),
    ],
)
def test_memory_needed_is_at_least_what_is_taken(items, budget, cap):
    problem = sa.Problem(np.linspace(0.3, 0.7, items), budget, cap=cap)
    lattice = Lattice.of(problem)
    # The first run of a kernel loads its code, which is no part of the answer.
    sa.solve(problem, keep_policy=True) if items <= 64 else sa.solve(problem)
    sa.evaluate(problem, sa.KnowledgeGradient())
    assert peak(lambda: sa.solve(problem)) <= lattice.bytes_needed()
    assert peak(lambda: sa.evaluate(problem, sa.KnowledgeGradient())) <= lattice.bytes_needed()
    if items <= 64:
        assert peak(lambda: sa.solve(problem, keep_policy=True)) <= lattice.bytes_needed(8)


def test_memory_needed_is_close_to_what_is_taken_when_states_dominate():
    problem = sa.Problem([0.3, 0.5, 0.6, 0.7], 20)
    sa.solve(problem)
    assert Lattice.of(problem).bytes_needed() < 1.2 * peak(lambda: sa.solve(problem))


@pytest.mark.parametrize("kept", [0, 8])
@pytest.mark.parametrize(
    ("items", "budget", "cap"),
    [(1, 1, None), (1, 5000, None), (2, 1000, None), (3, 40, None), (40, 40, 1), (300, 2, None), (6, 10, 0)],
)
def test_memory_that_suffices_is_not_refused_and_a_byte_less_is(monkeypatch, items, budget, cap, kept):
    lattice = Lattice.of(sa.Problem([0.5] * items, budget, cap=cap))
    needed = lattice.bytes_needed(kept)
    monkeypatch.setattr(lattice_module, "available_memory", lambda: needed)
    lattice.require(kept)
    monkeypatch.setattr(lattice_module, "available_memory", lambda: needed - 1)
    with pytest.raises(sa.ProblemTooLarge):
        lattice.require(kept)


@given(shapes(), st.integers(0, 40))
def test_cheap_bounds_never_exceed_the_exact_counts(shape, more):
    caps = [*shape[0], *[1] * more]
    lattice = made(caps, shape[1])
    states, needed = lattice._at_least(10**12)
    assert states <= lattice.states
    assert needed <= lattice.bytes_needed()


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("items", "budget", "cap"),
    [
        (10**5, 10**5, None),
        (10**5, 10**5, 1),
        (1000, 1000, None),
        (1000, 1000, 1),
        (10**6, 1, None),
        (30, 30_000, None),
        (20, 50_000, 2501),
        (1, 10**9, None),
        (2, 10**9, None),
        (10**5, 10, 1),
    ],
)
def test_huge_problem_is_refused_at_once_with_its_size_and_a_way_out(items, budget, cap, monkeypatch):
    monkeypatch.setattr(lattice_module, "available_memory", lambda: 64 * 2**30)
    problem = sa.Problem(np.full(items, 0.5), budget, cap=cap)
    for work in (sa.solve, lambda p: sa.evaluate(p, sa.KnowledgeGradient())):
        begin = time.perf_counter()
        with pytest.raises(
            sa.ProblemTooLarge,
            match=r"too large .*: at least [\d.e+]+ states and [\d.]+ [GTPE]iB of memory are needed, "
            "64 GiB are available; use simulate .* upper_bound",
        ):
            work(problem)
        assert time.perf_counter() - begin < 1.0


def test_available_memory_is_what_this_machine_could_have():
    assert 2**20 < lattice_module.available_memory() < 2**50
