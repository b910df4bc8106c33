"""Clauses on the numbers that a policy gives to items: indices of their states, and scores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...dp.evaluation.choices import SupportsIndex
from ...dp.problem.availability import Availability
from ...dp.problem.problem import Problem
from ...dp.problem.states import ItemStates, states_at, states_of_item
from ...posteriors.conformance.suite import Broken, expect, expect_no_write
from ...posteriors.foundation.arrays import Floats, Ints
from ...posteriors.foundation.plugins import read_only, real_array
from ..policy import Policy

__all__ = ["INDEX_CLAUSES", "SCORE_CLAUSES"]

# The whole table and a single state compute the jump by different exponential functions, about an ulp apart.
_RELATIVE, _OF_SCALE = 1e-9, 1e-12


def _index_scale(policy: Policy, problem: Problem, seed: int) -> None:
    scale = float(policy.index_scale(problem))
    expect(bool(np.isfinite(scale)) and scale >= 0, f"found {scale}; expected a finite number, at least 0")


def _all_states(problem: Problem) -> tuple[Ints, Ints, Ints]:
    """Item, labels and wins of every state of every item."""
    triangles = [np.tril_indices(int(cap) + 1) for cap in problem.cap]
    items = np.repeat(np.arange(problem.size), [len(n) for n, _ in triangles])
    return items, np.concatenate([n for n, _ in triangles]), np.concatenate([w for _, w in triangles])


def _at(problem: Problem, items: Ints, n: Ints, w: Ints) -> ItemStates:
    return states_at(problem, items, n.astype(np.float64), w.astype(np.float64))


def _say(problem: Problem, item: int, labels: int, wins: int) -> str:
    return f"{problem.name[item]} after {labels} labels and {wins} wins"


def _index_at(policy: SupportsIndex, states: ItemStates) -> Floats:
    """Index at each state, in the states' shape."""
    # States outside the triangle of an item's table do not exist: index values and warnings there are ignored.
    with np.errstate(all="ignore"):
        found = real_array("index", policy.index(states))
    try:
        return np.broadcast_to(found, states.mean.shape)
    except ValueError:
        wanted = f"expected one number for each of the states, which have shape {states.mean.shape}"
        raise Broken(f"index has shape {found.shape}; {wanted}") from None


def _index_in_tables(policy: SupportsIndex, problem: Problem) -> Floats:
    """Index of every state, computed from the whole table of each item."""
    tables = (_index_at(policy, states_of_item(problem, i)) for i in range(problem.size))
    return np.concatenate([table[np.tril_indices(len(table))] for table in tables])


def _index(policy: SupportsIndex, problem: Problem, seed: int) -> None:
    items, n, w = _all_states(problem)
    for values in (_index_at(policy, _at(problem, items, n, w)), _index_in_tables(policy, problem)):
        for k in np.flatnonzero(~np.isfinite(values)):
            raise Broken(f"{_say(problem, items[k], n[k], w[k])}: index is {values[k]}; expected a finite number")


def _states(policy: SupportsIndex, problem: Problem, seed: int) -> None:
    for states in (_at(problem, *_all_states(problem)), states_of_item(problem, 0)):
        try:
            with np.errstate(all="ignore"):
                expect_no_write("index", partial(policy.index, states))
        except Broken:
            raise
        except Exception:
            # The next clause tells of it.
            return


def _elementwise(policy: Any, problem: Problem, seed: int) -> None:
    items, n, w = _all_states(problem)
    among = _index_at(policy, _at(problem, items, n, w))
    alone = [_index_at(policy, _at(problem, *(x[k, None] for x in (items, n, w))))[0] for k in range(len(items))]
    others = {
        "in reverse order": _index_at(policy, _at(problem, items[::-1], n[::-1], w[::-1]))[::-1],
        "in one item's table": _index_in_tables(policy, problem),
        "alone": np.array(alone),
    }
    for how, values in others.items():
        for k in np.flatnonzero(_differ(policy, problem, values, among)):
            found = f"index is {among[k]:.9g} among {len(items)} states and {values[k]:.9g} {how}"
            raise Broken(f"{_say(problem, items[k], n[k], w[k])}: {found}; expected a function of that state alone")


def _differ(policy: Policy, problem: Problem, one: Floats, other: Floats) -> NDArray[np.bool_]:
    size = max(float(policy.index_scale(problem)), float(np.abs(other).max()))
    return ~np.isclose(one, other, rtol=_RELATIVE, atol=_OF_SCALE * size)


def _reachable(problem: Problem, seed: int) -> tuple[Ints, Ints]:
    """The start and some states reached from it, in which a label can still be bought; shape (R, N)."""
    rng, rules = np.random.default_rng(seed), Availability(problem)
    counts = np.zeros((problem.labels, problem.size), dtype=np.int64)
    for r in range(len(counts)):
        for _ in range(r):
            after = counts[r : r + 1].copy()
            after[0, rng.choice(np.flatnonzero(rules.items(after)[0]))] += 1
            if not rules.items(after).any():
                break
            counts[r] = after
    return counts, rng.binomial(counts, 0.5)


def _scores_at(policy: Policy, problem: Problem, counts: Ints, wins: Ints) -> Floats:
    return real_array("scores", policy.scores(problem, read_only(counts), read_only(wins)))


def _counts(policy: Policy, problem: Problem, seed: int) -> None:
    counts, wins = _reachable(problem, seed)
    expect_no_write("scores", partial(policy.scores, problem, read_only(counts), read_only(wins)))


def _scores(policy: Policy, problem: Problem, seed: int) -> None:
    counts, wins = _reachable(problem, seed)
    for rows in (1, len(counts)):
        scores = _scores_at(policy, problem, counts[:rows], wins[:rows])
        wanted = (rows, problem.size)
        expect(scores.shape == wanted, f"scores have shape {scores.shape}; expected (replications, items) = {wanted}")
        for r, i in np.argwhere(~np.isfinite(scores)):
            where = _say(problem, i, counts[r, i], wins[r, i])
            raise Broken(f"{where}: score is {scores[r, i]}; expected a finite number")


def _scores_index(policy: Any, problem: Problem, seed: int) -> None:
    counts, wins = _reachable(problem, seed)
    scores = _scores_at(policy, problem, counts, wins)
    # An index that looks at the budget left sees what is left in each state.
    left = np.broadcast_to(problem.budget - (counts * problem.cost).sum(axis=1, keepdims=True), counts.shape)
    states = _at(problem, np.arange(problem.size), counts, wins)
    if getattr(policy, "uses_remaining", False):
        states = replace(states, remaining=left)
    index = _index_at(policy, states)
    for r, i in np.argwhere(_differ(policy, problem, scores, index)):
        found = f"score is {scores[r, i]:.9g} and index is {index[r, i]:.9g}"
        raise Broken(f"{_say(problem, i, counts[r, i], wins[r, i])}: {found}; expected them to be equal")


def _anytime(policy: Any, problem: Problem, seed: int) -> None:
    if not getattr(policy, "anytime", False):
        return
    try:
        small = problem.replace(budget=max(problem.budget // 2, 1))
    except ValueError:
        # Its quotas need the whole budget.
        return
    items, n, w = _all_states(small)
    found, wanted = (_index_at(policy, _at(x, items, n, w)) for x in (small, problem))
    for k in np.flatnonzero(_differ(policy, problem, found, wanted)):
        told = f"index is {found[k]:.9g} with a budget of {small.budget:g} and {wanted[k]:.9g} with {problem.budget:g}"
        raise Broken(f"{_say(problem, items[k], n[k], w[k])}: {told}; expected one value, since the class is anytime")


INDEX_CLAUSES: dict[str, tuple[type, Callable[[Any, Problem, int], None]]] = {
    "index-scale": (Policy, _index_scale),
    "states": (SupportsIndex, _states),
    "index": (SupportsIndex, _index),
    "elementwise": (SupportsIndex, _elementwise),
    "anytime": (SupportsIndex, _anytime),
}
SCORE_CLAUSES: dict[str, tuple[type, Callable[[Any, Problem, int], None]]] = {
    "counts": (Policy, _counts),
    "scores": (Policy, _scores),
    "scores-index": (SupportsIndex, _scores_index),
}
