"""Choices of a policy in every state of a layer, for index policies and joint policies.

An *index policy* labels an item of largest index. An item's index depends on its own belief, and for some policies on
the budget left, so one small table for each item is enough. A *joint policy* gives the probability of labelling each
item from the labels and wins of all items. Such a policy chooses at random, or it plans and divides the probability
evenly among the items that it finds equally good.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np

from ...posteriors.foundation.arrays import Bools, Floats, Ints
from ...posteriors.foundation.kinds import WrongKind
from ...posteriors.foundation.messages import shown
from ..exact.lattice import Layer
from ..kernels import policy as _kernels
from ..problem.budget import quotas_met
from ..problem.problem import Problem
from ..problem.states import ItemStates, states_of_item
from .asking import (
    ask_allowed,
    ask_index,
    ask_probabilities,
    ask_scale,
    ask_stops,
    ask_to_go_on,
    ask_to_prepare,
    policy_name,
)

__all__ = [
    "AT_ONCE",
    "Choices",
    "IndexChoices",
    "JointChoices",
    "SupportsIndex",
    "SupportsProbabilities",
    "check_policy",
    "choices_of",
    "runs_of_blocks",
    "stops_in",
]

Ties = Literal["random", "first"]

# What policies offer; those with scores alone can be simulated.
_OFFERS = ("index", "action_probabilities", "scores")
# States in one call of a joint policy.
AT_ONCE = 100_000


@runtime_checkable
class SupportsIndex(Protocol):
    """A policy that labels an item of largest index."""

    ties: Ties

    def index(self, states: ItemStates) -> Floats:
        """Index at each state, elementwise."""

    def index_scale(self, problem: Problem) -> float:
        """Size of the numbers whose difference is the index; its rounding errors are relative to it."""


@runtime_checkable
class SupportsProbabilities(Protocol):
    """A policy that gives the probability of labelling each item."""

    def action_probabilities(self, problem: Problem, counts: Ints, wins: Ints, usable: Bools) -> Floats:
        """Probabilities in S states; all arrays have shape (S, N), and ``usable`` marks the items that are available.

        They are weights: those of unavailable items are ignored, and the others are divided by their sum. The arrays
        are read-only.
        """


class IndexChoices:
    """Choices of an index policy."""

    def __init__(self, problem: Problem, policy: SupportsIndex) -> None:
        self.problem, self.policy = problem, policy
        self.scale = ask_scale(policy, problem)
        self.average = policy.ties == "random"
        self.uses_remaining = bool(getattr(policy, "uses_remaining", False))
        self._states = [states_of_item(problem, i) for i in range(problem.size)]
        self._fixed = None if self.uses_remaining else self._tables(None)[None]
        self._last: tuple[Layer, tuple[Floats, Ints]] | None = None

    def tables(self, layer: Layer) -> tuple[Floats, Ints]:
        """Index tables (T, N, width, width), and the number of the table of each block, (C,)."""
        if self._fixed is not None:
            return self._fixed, np.zeros(len(layer.slot), dtype=np.int64)
        found = self._last
        if found is None or found[0] is not layer:
            left = self.problem.budget - layer.composition @ self.problem.cost
            # Equal amounts may differ by the rounding of their sums.
            rounded = np.round(left / self.problem.budget, 12)
            _, some, which = np.unique(rounded, return_index=True, return_inverse=True)
            made = np.stack([self._tables(float(x)) for x in left[some]]), which.reshape(-1)
            # Threads that call at the same time each make the same tables.
            found = self._last = layer, made
        return found[1]

    def chances(self, layer: Layer, first: int, last: int, begin: Ints, out: Floats) -> None:
        """Probability of labelling each item in blocks first..last, the rows of block c from ``begin[c]`` on."""
        index, which = self.tables(layer)
        composition, after = layer.composition, layer.after
        _kernels.choose_index(first, last, composition, after, index, which, self.scale, self.average, begin, out)

    def _tables(self, remaining: float | None) -> Floats:
        """Indices of all items over their label counts, shape (N, width, width)."""
        problem = self.problem
        width = int(problem.cap.max()) + 1
        out = np.zeros((problem.size, width, width))
        for i, states in enumerate(self._states):
            if remaining is not None:
                states = replace(states, remaining=np.asarray(remaining))
            # Entries with w > n hold zeros, where a formula may divide by zero.
            with np.errstate(all="ignore"):
                table = ask_index(self.policy, states, np.tri(len(states.mean), dtype=bool))
            out[i, : len(table), : len(table)] = table
        return out


class JointChoices:
    """Choices of a policy that gives probabilities."""

    def __init__(self, problem: Problem, policy: SupportsProbabilities) -> None:
        self.problem, self.policy = problem, policy
        # Slow preparations are made once, here, and not by the threads of the sweep.
        ask_to_prepare(policy, problem)

    def chances(self, layer: Layer, first: int, last: int, begin: Ints, out: Floats) -> None:
        """Probability of labelling each item in blocks first..last, the rows of block c from ``begin[c]`` on."""
        for a, b in runs_of_blocks(layer.size, first, last):
            rows = slice(int(begin[a]), int(begin[b]))
            out[rows] = self.at(*self.states(layer, a, b))

    @staticmethod
    def states(layer: Layer, first: int, last: int) -> tuple[Ints, Ints, Bools]:
        """Labels, wins and availability in every state of blocks first..last, each of shape (S, N)."""
        size = layer.size[first:last]
        counts = np.repeat(layer.composition[first:last], size, axis=0)
        wins = np.empty_like(counts)
        _kernels.list_wins(layer.composition[first:last], wins)
        return counts, wins, np.repeat(layer.after[first:last] >= 0, size, axis=0)

    def at(self, counts: Ints, wins: Ints, usable: Bools) -> Floats:
        """Probability of labelling each item in some states, (S, N); zero where no item is available or it stops."""
        goes_on = usable.any(axis=1)
        out = np.zeros(counts.shape)
        if goes_on.any():
            goes_on &= ~stops_in(self.policy, self.problem, counts, wins, usable, counts)
        if not goes_on.any():
            return out
        if not goes_on.all():
            counts, wins, usable = counts[goes_on], wins[goes_on], usable[goes_on]
        usable = ask_allowed(self.policy, self.problem, counts, usable)
        weights = ask_probabilities(self.policy, self.problem, counts, wins, usable)
        out[goes_on] = weights / weights.sum(axis=1)[:, None]
        return out


Choices = IndexChoices | JointChoices


def check_policy(problem: Problem, policy: Any) -> None:
    """Raise unless the policy is an index policy or a joint policy, and the problem has no batches."""
    if isinstance(policy, type) or not any(hasattr(policy, name) for name in _OFFERS):
        raise WrongKind(f"policy is {shown(policy)}; it must be a policy such as KnowledgeGradient(), or its name")
    if problem.batch > 1:
        raise ValueError(
            f"batch is {problem.batch}: policies have no exact value where outcomes come in batches; simulate "
            "estimates it, and solve gives the optimum"
        )
    if not isinstance(policy, (SupportsProbabilities, SupportsIndex)):
        offers = "it offers neither an index nor probabilities of labelling each item"
        raise TypeError(f"{policy_name(policy)} has no exact value: {offers}")


def stops_in(policy: Any, problem: Problem, counts: Ints, wins: Ints, usable: Bools, bought: Ints) -> Bools:
    """Mask of the states, (S,), in which a policy buys no further label, and may do so after ``bought``.

    It may where all quotas are met, those of the problem and the policy's own.
    """
    stops = ask_stops(policy, problem, counts, wins, usable) & quotas_met(bought, problem.quota)
    if stops.any() and hasattr(policy, "must_go_on"):
        stops &= ~ask_to_go_on(policy, problem, bought, usable)
    return np.asarray(stops)


def choices_of(problem: Problem, policy: Any) -> Choices:
    """Choices of a policy that passes ``check_policy``."""
    if isinstance(policy, SupportsProbabilities):
        return JointChoices(problem, policy)
    return IndexChoices(problem, policy)


def runs_of_blocks(size: Ints, first: int, last: int) -> Iterator[tuple[int, int]]:
    """Runs of blocks with about ``AT_ONCE`` states."""
    a = first
    while a < last:
        b = a + 1
        states = int(size[a])
        while b < last and states + int(size[b]) <= AT_ONCE:
            states += int(size[b])
            b += 1
        yield a, b
        a = b
