"""Choice among the exact engines: those that fit in memory, by the time that each is expected to take."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from ...posteriors.foundation.memory import ProblemTooLarge, fits, require_memory
from ...posteriors.foundation.messages import shown
from ..problem.identical import has_identical
from ..problem.problem import Problem
from ..problem.tables import Tables, tables_of
from .lattice import Lattice
from .live import LiveLattice, Ranges
from .symmetric import SymmetricLattice, require_listable
from .two_items import LivePair, pairs_up

__all__ = ["REDUCTIONS", "plan", "reductions_of"]

REDUCTIONS = ("dead", "identical")
# Nanoseconds for each state on two threads, for choosing between engines: dense for 1, 2, 3 and more items, then the
# other engines with their starting times.
_DENSE_COST = (5.0, 0.75, 1.3, 2.4)
_LIVE_COST, _LIVE_START = 2.2, 1.5e7
_PAIR_COST, _PAIR_START = 0.8, 1e6
_SYMMETRIC_COST, _SYMMETRIC_START = 8.0, 1e8


def reductions_of(reduce: bool | Collection[str]) -> frozenset[str]:
    """Names of the reductions that may be used."""
    if isinstance(reduce, bool):
        return frozenset(REDUCTIONS) if reduce else frozenset()
    chosen = [reduce] if isinstance(reduce, str) else sorted(reduce, key=str)
    for name in [x for x in chosen if x not in REDUCTIONS]:
        raise ValueError(f"reduce names {shown(name)}; allowed: True, False, or any of 'dead', 'identical'")
    return frozenset(chosen)


def plan(
    problem: Problem,
    lattice: Lattice,
    wanted: frozenset[str],
    number: np.dtype,
    keep_policy: bool,
    scale: float,
    threads: int | None,
) -> tuple[str, Tables, LiveLattice | LivePair | SymmetricLattice | None]:
    """Engine, tables, and lattice to sweep: of the engines that fit in memory, the one expected to be fastest."""
    too_large = None
    try:
        lattice.require_countable()
        require_memory(lattice.table_bytes(), lattice.states)
        dense_bytes = lattice.bytes_needed(number.itemsize, threads)
    except ProblemTooLarge as error:
        # Whatever makes the problem too large for the engine of identical items, the user is told this.
        too_large = error
        if not fits(lattice.table_bytes()):
            raise
    likely = "identical" in wanted and not keep_policy and has_identical(problem)
    if too_large is not None and not likely:
        raise too_large
    if likely:
        try:
            require_listable(problem, lattice)
        except ProblemTooLarge:
            if too_large is not None:
                raise too_large from None
            likely = False
    tables = tables_of(problem)
    if "dead" in wanted:
        ranges = Ranges.of(tables, scale)
    elif keep_policy or likely:
        ranges = Ranges.whole(problem.size, tables.mean.shape[1])
    best: tuple[str, LiveLattice | LivePair | SymmetricLattice | None] = ("dense", None)
    cost = np.inf
    if too_large is None:
        if fits(dense_bytes):
            cost = _DENSE_COST[min(problem.size, len(_DENSE_COST)) - 1] * lattice.states
        if keep_policy or "dead" in wanted:
            live = LiveLattice(lattice, ranges)
            live_cost = _LIVE_START + _LIVE_COST * live.states
            if keep_policy or (live_cost < cost and fits(live.bytes_needed(number.itemsize))):
                best, cost = ("live", live), live_cost
            if not keep_policy and pairs_up(lattice, may_stop=problem.may_stop):
                pair = LivePair.of(lattice, ranges)
                pair_cost = _PAIR_START + _PAIR_COST * pair.states
                if pair_cost < cost and fits(pair.bytes_needed(number.itemsize, threads)):
                    best, cost = ("live", pair), pair_cost
    if likely:
        try:
            symmetric = SymmetricLattice.of(problem, lattice, ranges)
        except ProblemTooLarge:
            if too_large is not None:
                raise too_large from None
        else:
            symmetric_cost = _SYMMETRIC_START + _SYMMETRIC_COST * symmetric.states * symmetric.actions
            if symmetric_cost < cost and fits(symmetric.bytes_needed(number.itemsize)):
                best = ("symmetric", symmetric)
            elif too_large is not None:
                raise too_large
    return best[0], tables, best[1]
