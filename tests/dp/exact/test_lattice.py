"""The lattice against brute-force enumeration, and the refusal of problems that do not fit."""

from __future__ import annotations

import faulthandler
import itertools
import math
import re
import resource
import signal
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.family import Case, Item, Labels
from oracles.family_cases import families

import seqaudit as sa
from seqaudit.dp.exact.lattice import Lattice
from seqaudit.posteriors.foundation import memory

GIB = 2**30


@st.composite
def shapes(draw: st.DrawFn) -> Case:
    """One to four items with caps, at unit costs."""
    caps = draw(st.lists(st.integers(0, 5), min_size=1, max_size=4))
    return Case(tuple(Item(0.5, cap=cap) for cap in caps), draw(st.integers(1, 8)))


cases = shapes() | families(batch=False)


def layers_of(case: Case) -> list[list[Labels]]:
    """Labels that can be bought, by their number, in lexicographic order of all items but the first."""
    layers: list[list[Labels]] = [[] for _ in range(case.labels + 1)]
    for n in case.reachable:
        layers[sum(n)].append(n)
    return [sorted(layer, key=lambda n: n[1:]) for layer in layers]


def block(n: Labels) -> int:
    return math.prod(x + 1 for x in n)


def made(case: Case) -> Lattice:
    return Lattice.of(case.stated())


@pytest.mark.smoke
@given(cases)
def test_layers_list_what_can_be_bought_once_in_the_order_of_their_suffixes(case):
    lattice, layers = made(case), layers_of(case)
    assert lattice.depth == len(layers) - 1
    for m, expected in enumerate(layers):
        layer = lattice.layer(m)
        assert list(map(tuple, layer.composition.tolist())) == expected
        assert layer.size.tolist() == list(map(block, expected))
        assert layer.states == sum(map(block, expected))
        assert lattice.suffix[layer.slot].tolist() == [list(n[1:]) for n in expected]


@given(cases)
def test_counts_agree_with_enumeration(case):
    lattice, layers = made(case), layers_of(case)
    assert lattice.layer_blocks == [len(layer) for layer in layers]
    assert lattice.layer_states == [sum(map(block, layer)) for layer in layers]
    assert lattice.states == sum(lattice.layer_states)


@given(cases)
def test_after_is_the_slot_of_the_labels_with_one_more_and_marks_what_is_available(case):
    lattice = made(case)
    for m, layer in enumerate(map(lattice.layer, range(lattice.depth + 1))):
        for n, after in zip(layer.composition.tolist(), layer.after.tolist(), strict=True):
            available = [d.index(1) for d in case.moves(tuple(n))]
            assert [i for i, slot in enumerate(after) if slot >= 0] == available
            for i in available:
                grown = [k + (i == j) for j, k in enumerate(n)]
                following = lattice.layer(m + 1)
                (found,) = following.composition[following.slot == after[i]].tolist()
                assert found == grown


@given(cases)
def test_blocks_of_one_layer_fit_into_slots_of_their_own_and_read_from_later_ones(case):
    lattice = made(case)
    room = np.diff(lattice.base)
    assert lattice.base[0] == 0
    for m in range(lattice.depth):
        layer = lattice.layer(m)
        assert (np.diff(layer.slot) > 0).all()
        assert (layer.size <= room[layer.slot]).all()
        can = layer.after >= 0
        assert (layer.after[can[:, 0], 0] == layer.slot[can[:, 0]]).all()
        assert ((layer.after > layer.slot[:, None]) | ~can)[:, 1:].all()
    stored = [0] * len(room)
    for n in itertools.chain(*layers_of(case)[:-1]):
        slot = int(lattice.slots_of(np.array([n]))[0])
        stored[slot] = max(stored[slot], block(n))
    if not case.quotas:
        # Quotas are not looked at when slots are made: they may have room to spare.
        assert room.tolist() == stored


@given(cases)
def test_suffixes_are_those_that_the_budget_affords_and_raised_finds_the_next(case):
    lattice = made(case)
    rows = list(map(tuple, lattice.suffix.tolist()))
    cap = lattice.cap.tolist()
    afforded = [
        s
        for s in itertools.product(*(range(k + 1) for k in cap[1:]))
        if case.spent((0, *s)) <= case.purse and sum(s) <= lattice.depth
    ]
    assert rows == afforded
    assert lattice.labels.tolist() == list(map(sum, rows))
    assert lattice.plane.tolist() == list(map(block, rows))
    firsts = [[n for n in range(lattice.depth - sum(s) + 1) if case.spent((n, *s)) <= case.purse] for s in rows]
    assert lattice.first.tolist() == [min(n[-1], cap[0]) for n in firsts]
    for row, raised in zip(rows, lattice.raised.tolist(), strict=True):
        grown = [tuple(k + (i == j) for j, k in enumerate(row)) for i in range(len(row))]
        assert raised == [rows.index(s) if s in rows else -1 for s in grown]


@given(cases)
def test_holds_says_which_suffixes_a_layer_has(case):
    lattice = made(case)
    rows = list(map(tuple, lattice.suffix.tolist()))
    for m, layer in enumerate(layers_of(case)):
        assert lattice.holds(m).tolist() == [s in {n[1:] for n in layer} for s in rows]
    assert not lattice.holds(lattice.depth + 1).any()


@given(cases)
def test_slots_of_finds_known_suffixes_and_no_others(case):
    lattice = made(case)
    rows = list(map(tuple, lattice.suffix.tolist()))
    some = np.array(list(itertools.product(*(range(k + 2) for k in lattice.cap.tolist())))[:2000])
    expected = [rows.index(tuple(n[1:])) if tuple(n[1:]) in rows else -1 for n in some.tolist()]
    assert lattice.slots_of(some).tolist() == expected


@pytest.mark.parametrize(("items", "depth"), [(1, 1), (1, 50), (2, 10), (2, 60), (3, 24), (5, 16), (12, 9), (400, 3)])
def test_states_without_caps_are_a_binomial_coefficient(items, depth):
    lattice = Lattice(np.array([depth] * items), depth)
    assert lattice.states == math.comb(depth + 2 * items, 2 * items)
    assert sum(lattice.layer_blocks) == math.comb(depth + items, items)


def test_counts_are_exact_far_beyond_machine_integers():
    lattice = Lattice(np.array([300] * 40), 300)
    assert lattice.states == math.comb(380, 80) > 2**200
    assert sum(lattice.layer_blocks) == math.comb(340, 40)


@given(cases)
def test_suffixes_are_bounded_before_they_are_listed(case):
    lattice = made(case)
    fewest = lattice._fewest_suffixes()
    assert fewest == len(lattice.suffix) if lattice.plain else fewest <= len(lattice.suffix)


BAD_SHAPES = {
    "cap is []; it must be a list": ([], 2),
    "cap is [[1, 2]]; it must be a list": ([[1, 2]], 2),
    "cap[1] is -1; it must be a whole number, at least 0": ([1, -1], 2),
    "cap[0] is 1.5; it must be a whole number": ([1.5], 2),
    "depth is -1; it must be a whole number": ([1], -1),
    "cost[1] is nan; it must be finite": ([1, 1], 2, [1.0, np.nan]),
    "cost[0] is 0.0; it must be positive": ([1, 1], 2, [0.0, 1.0]),
    "cost has 1 entries and cap has 2": ([1, 1], 2, [1.0]),
    "budget is -1; it must be a finite number": ([1, 1], 2, None, -1),
    "quota[0] is 3; it must be a pair of items and labels": ([1, 1], 2, None, None, [3]),
    "quota[0] items[0] is 2; it must be a whole number from 0 to 1": ([1, 1], 2, None, None, [([2], 1)]),
    "quota[1] labels is -1; it must be": ([1, 1], 2, None, None, [([1], 1), ([1], -1)]),
    "counting its states: 2 items and 1,000,000,000 labels": ([10**9] * 2, 10**9),
}


@pytest.mark.parametrize("fault", BAD_SHAPES)
def test_bad_shapes_are_refused_in_words(fault):
    with pytest.raises(ValueError, match=re.escape(fault)):
        _ = Lattice(*BAD_SHAPES[fault]).states


@pytest.mark.parametrize("cost", [None, np.linspace(1, 2, 40)])
def test_suffixes_that_no_memory_holds_are_refused_at_once(cost):
    lattice = Lattice([50] * 40, 50, cost)
    begin = time.perf_counter()
    for name in ("suffix", "labels", "plane", "first", "base", "widest_slice"):
        with pytest.raises(sa.ProblemTooLarge, match="are available"):
            getattr(lattice, name)
    assert time.perf_counter() - begin < 5


def test_caps_take_out_what_lies_beyond_them():
    # Three items of at most two labels each: 1 + 2 x + 3 x^2 to the third power.
    assert Lattice(np.array([2, 2, 2]), 6).layer_states == [1, 6, 21, 44, 63, 54, 27]
    assert Lattice(np.array([2, 2, 2]), 6).layer_blocks == [1, 3, 6, 7, 6, 3, 1]
    assert Lattice(np.array([9, 2]), 4).layer_states == Lattice(np.array([4, 2]), 4).layer_states


def test_unit_costs_and_empty_quotas_change_no_count():
    plain = Lattice(np.array([4, 3, 5]), 7)
    for other in (
        Lattice(np.array([4, 3, 5]), 7, np.ones(3), 7.0),
        Lattice(np.array([4, 3, 5]), 7, np.full(3, 0.1), 0.7),
        Lattice(np.array([4, 3, 5]), 7, quota=(((0, 1, 2), 0),)),
    ):
        assert other.layer_states == plain.layer_states
        assert other.layer_blocks == plain.layer_blocks
        assert (other.base == plain.base).all()


def test_lattice_of_a_problem_ends_with_its_labels():
    lattice = Lattice.of(sa.Problem([0.5, 0.5], 9, cap=[3, 2]))
    assert (lattice.cap.tolist(), lattice.depth) == ([3, 2], 5)


# Memory.


def peak(work: Callable[[], object]) -> int:
    tracemalloc.start()
    work()
    taken = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return taken


SWEPT = [
    (1, 400, {}),
    (2, 90, {}),
    (3, 30, {}),
    (4, 16, {}),
    (20, 4, {}),
    (60, 2, {}),
    (300, 1, {}),
    (12, 12, {"cap": 1}),
    (3, 120, {"cap": [120, 3, 3]}),
    (3, 20.5, {"cost": [1, 1.5, 0.7]}),
    (3, 24, {"quota": [([0], 5), ([1, 2], 10)]}),
    (4, 12.5, {"cost": [1, 2, 0.7, 1.1], "quota": [([0, 1], 4)]}),
    (12, 6, {"quota": [([0, 1], 2)]}),
]


@pytest.mark.parametrize(("items", "budget", "fields"), SWEPT)
def test_memory_needed_is_at_least_what_is_taken(items, budget, fields):
    problem = sa.Problem(np.linspace(0.3, 0.7, items), budget, **fields)
    lattice, policy = Lattice.of(problem), sa.KnowledgeGradient()
    # The first run of a kernel loads its code, which is no part of the answer.
    sa.evaluate(problem, policy)
    assert peak(lambda: sa.evaluate(problem, policy)) <= lattice.bytes_needed()
    for dtype, threads in itertools.product(("float64", "float32"), (1, 2)):

        def work(dtype: str = dtype, threads: int = threads) -> sa.Solution:
            return sa.solve(problem, reduce=False, dtype=dtype, threads=threads)

        needed = lattice.bytes_needed(np.dtype(dtype).itemsize, threads)
        assert work().bytes == needed
        assert peak(work) <= needed


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_memory_needed_is_close_to_what_is_taken_when_states_dominate(dtype):
    problem = sa.Problem([0.3, 0.5, 0.6, 0.7], 24)

    def work() -> sa.Solution:
        return sa.solve(problem, reduce=False, dtype=dtype)

    assert work().bytes < 1.25 * peak(work)


SMALL = [
    (1, 1, {}),
    (1, 5000, {}),
    (2, 1000, {}),
    (3, 40, {}),
    (12, 12, {"cap": 1}),
    (300, 2, {}),
    (6, 10, {"cap": 0}),
    (3, 20.5, {"cost": [1, 1.5, 0.7]}),
    (3, 24, {"quota": [([0], 5), ([1, 2], 10)]}),
]


@pytest.mark.parametrize("itemsize", [4, 8])
@pytest.mark.parametrize(("items", "budget", "fields"), SMALL)
def test_memory_that_suffices_is_not_refused_and_a_byte_less_is(monkeypatch, items, budget, fields, itemsize):
    problem = sa.Problem([0.5] * items, budget, **fields)
    needed = Lattice.of(problem).bytes_needed(itemsize)
    monkeypatch.setattr(memory, "available_memory", lambda: needed)
    Lattice.of(problem).require(itemsize)
    monkeypatch.setattr(memory, "available_memory", lambda: needed - 1)
    with pytest.raises(sa.ProblemTooLarge):
        Lattice.of(problem).require(itemsize)


@settings(max_examples=50)
@given(cases, st.integers(0, 40))
def test_cheap_bounds_never_refuse_what_fits(case, capped):
    # Items of one label lengthen the list of caps, of which the bounds look at the first few only.
    caps = np.array([*case.caps, *[1] * capped])
    depth = min(sum(caps), 3 if capped > 6 else 6)
    needed = Lattice(caps, depth).bytes_needed()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memory, "available_memory", lambda: needed)
        Lattice(caps, depth).require()


@contextmanager
def guarded(seconds: float, extra: int = GIB) -> Iterator[None]:
    """Fail where work takes more time of the processor, or allocates more memory than ``extra`` bytes.

    Compiled code sees no signals: where it runs for a minute, the process is ended.
    """

    def late(*_: object) -> None:
        raise TimeoutError(f"not refused within {seconds} s")

    limits = resource.getrlimit(resource.RLIMIT_AS)
    now = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    before = signal.signal(signal.SIGPROF, late)
    resource.setrlimit(resource.RLIMIT_AS, (now + extra, limits[1]))
    signal.setitimer(signal.ITIMER_PROF, seconds)
    faulthandler.dump_traceback_later(60, exit=True)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
        signal.setitimer(signal.ITIMER_PROF, 0)
        resource.setrlimit(resource.RLIMIT_AS, limits)
        signal.signal(signal.SIGPROF, before)


_HUGE = [
    (10**5, 10**5, {}),
    (10**5, 10**5, {"cap": 1}),
    (1000, 1000, {}),
    (1000, 1000, {"cap": 1}),
    (10**6, 1, {}),
    (30, 30_000, {}),
    (20, 50_000, {"cap": 2501}),
    (1, 10**9, {}),
    (2, 10**9, {}),
    (10**5, 10, {"cap": 1}),
    (12, 100, {}),
    (40, 40, {"cap": 1}),
    (1000, 1000.5, {"cost": 1.5}),
    (12, 100.5, {"cost": [1, 1.5] * 6}),
    (30, 200, {"quota": [([0, 1], 5)]}),
]
# Alike, items of one label each are no huge problem (see below), and a mixture of prices takes seconds to be found one.
_OTHERWISE = ((1000, 1000, {"cap": 1}), (40, 40, {"cap": 1}), (12, 100.5, {"cost": [1, 1.5] * 6}))
HUGE = [(*x, alike) for x in _HUGE for alike in (False, True) if not (alike and x in _OTHERWISE)]


@pytest.mark.smoke
@pytest.mark.parametrize(("items", "budget", "fields", "alike"), HUGE)
def test_huge_problem_is_refused_at_once_with_its_size_and_a_way_out(items, budget, fields, alike, monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda: 64 * GIB)
    threshold = np.full(items, 0.5) if alike else np.linspace(0.3, 0.7, items)
    problem = sa.Problem(threshold, budget, **fields)
    for work in (
        sa.solve,
        lambda p: sa.solve(p, reduce=False),
        lambda p: sa.solve(p, keep_policy=True),
        lambda p: sa.evaluate(p, sa.KnowledgeGradient()),
        lambda p: sa.operating_characteristics(p, sa.KnowledgeGradient(), [0.5]),
        lambda p: sa.Exact().require(p),
    ):
        begin = time.process_time()
        with (
            guarded(3.0),
            pytest.raises(
                sa.ProblemTooLarge,
                match=r"too large .*: at least [\d.e+]+ states and [\d.e+]+ [GTPE]iB of memory are needed, "
                "64 GiB are available; use simulate .* upper_bound",
            ),
        ):
            work(problem)
        assert time.process_time() - begin < 3.0


def test_problem_that_is_small_up_to_the_order_of_its_items_is_solved_all_the_same(monkeypatch):
    # 3^40 states at the end; with 40 items alike, as many as there can be wins.
    problem = sa.Problem([0.5] * 40, 40, cap=1)
    with pytest.raises(sa.ProblemTooLarge):
        sa.solve(problem, reduce=False)
    solution = sa.solve(problem)
    assert solution.engine == "symmetric"
    assert solution.value == pytest.approx(40 * 0.75, rel=1e-14)


def test_available_memory_is_what_this_machine_could_have():
    assert 2**20 < memory.available_memory() < 2**50
