"""What a policy is.

A policy answers one question: which item gets the next label? It gives every item a *score* at the current belief, and
the label goes to an item of largest score among those that can still be labelled; equal scores are tied, and ties are
broken uniformly at random unless the policy says ``ties="first"``. Two scores are equal when they differ by at most
1e-12 of the larger one or of the policy's ``index_scale``, whichever is more: an index that is a difference of payoffs
carries their rounding errors, and noise must not decide.

An ``IndexPolicy`` scores each item from that item's own belief, by an elementwise formula of ``ItemStates``, and from
the budget left where the class says ``uses_remaining = True``. A ``JointPolicy`` gives the probability of labelling
each item, from the beliefs about all: it may draw, plan, or weigh one item against another. Both can be valued exactly,
simulated, replayed and asked. Write an index policy so:

>>> from dataclasses import dataclass
>>> @dataclass(frozen=True)
... class Boldest(IndexPolicy):
...     '''Label the item whose posterior mean is largest.'''
...     name = "boldest"
...     def index(self, states):
...         return states.mean
>>> import seqaudit as sa
>>> round(sa.evaluate(sa.Problem([0.5, 0.7], budget=4), Boldest()).value, 10)
1.5339116944

and let ``seqaudit.bandits.conformance.policies.check_policy(Boldest())`` try it. A package offers its policies to
others through the entry-point group ``seqaudit.policies``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np

from ..dp.kernels.dense import TIE
from ..dp.problem.availability import availability_of
from ..dp.problem.problem import Problem
from ..dp.problem.states import ItemStates, states_at
from ..posteriors.foundation.arrays import Bools, Floats, Ints
from ..posteriors.foundation.refusals import one_of

__all__ = ["GainPolicy", "IndexPolicy", "JointPolicy", "Policy", "even_over_best", "even_over_finite", "refuse_first"]


@dataclass(frozen=True)
class Policy(ABC):
    """A rule for choosing the next item.

    A class that says ``planning = True`` takes milliseconds or more for a label. Studies that ask for many labels leave
    such policies out unless they are asked for by name.

    Parameters
    ----------
    ties : {"random", "first"}
        What to do with equal scores.
    """

    ties: Literal["random", "first"] = field(default="random", kw_only=True)
    name: ClassVar[str]
    planning: ClassVar[bool] = False

    def __post_init__(self) -> None:
        # A class that lacks a name is the conformance suite's to tell.
        one_of(f"{getattr(self, 'name', type(self).__name__)}: ties", self.ties, ("random", "first"))

    @abstractmethod
    def scores(self, problem: Problem, counts: Ints, wins: Ints) -> Floats:
        """Score of every item.

        Parameters
        ----------
        problem : Problem
        counts, wins : ndarray of int, shape (R, N)
            Labels and wins of each item in each of R independent replications.

        Returns
        -------
        ndarray, shape (R, N)
        """

    def index_scale(self, problem: Problem) -> float:
        """Size of the numbers that a score is a difference of; 0 when it is not a difference."""
        return 0.0

    def require(self, problem: Problem) -> None:  # noqa: B027 - most policies can be had for every problem
        """Raise ``ValueError`` where the policy cannot be had for a problem, ``ProblemTooLarge`` for its size.

        Nothing is computed.
        """


@dataclass(frozen=True)
class IndexPolicy(Policy):
    """A policy whose score of an item depends on that item's belief, and on the budget left if it says so."""

    uses_remaining: ClassVar[bool] = False

    @abstractmethod
    def index(self, states: ItemStates) -> Any:
        """Index at each state, elementwise; anything that broadcasts to the states' shape."""

    def scores(self, problem: Problem, counts: Ints, wins: Ints) -> Floats:
        """Index of every item, shape (R, N)."""
        items = np.broadcast_to(np.arange(problem.size), counts.shape)
        # Summed row by row: a matrix product may round a row otherwise among others.
        left = problem.budget - (counts * problem.cost).sum(axis=1) if self.uses_remaining else None
        states = states_at(
            problem,
            items,
            counts.astype(np.float64),
            wins.astype(np.float64),
            None if left is None else np.broadcast_to(left[:, None], counts.shape),
        )
        return np.broadcast_to(np.asarray(self.index(states), dtype=np.float64), counts.shape)


@dataclass(frozen=True)
class GainPolicy(IndexPolicy):
    """An index policy whose index is a gain in payoff, for one unit of cost.

    A gain is a difference of payoffs, so payoffs set the scale of its rounding.
    """

    @abstractmethod
    def gain(self, states: ItemStates) -> Any:
        """Gain by one label at each state, elementwise."""

    def index(self, states: ItemStates) -> Any:
        """Gain by one label, divided by what the label costs."""
        return self.gain(states) / states.cost

    def index_scale(self, problem: Problem) -> float:
        """Largest payoff of an item, for the cheapest label."""
        return problem.payoff_scale / float(problem.cost.min())


@dataclass(frozen=True)
class JointPolicy(Policy):
    """A policy that gives the probability of labelling each item, from the state of all items.

    It draws, plans, or wraps another policy. Where the class says ``uses_pending = True`` it is also shown the labels
    that were bought in the present batch, or asked for, and whose outcomes it has not seen: an argument ``pending``,
    shape (S, N), which is None where every outcome is known.
    """

    uses_pending: ClassVar[bool] = False

    @abstractmethod
    def action_probabilities(self, problem: Problem, counts: Ints, wins: Ints, usable: Bools) -> Floats:
        """Probability of labelling each item in S states that need not have anything to do with each other.

        Parameters
        ----------
        problem : Problem
        counts, wins : ndarray of int, shape (S, N)
        usable : ndarray of bool, shape (S, N)
            Items that can be labelled now, one at least in each state.

        Returns
        -------
        ndarray, shape (S, N)
            Sums to one over the usable items, and is zero elsewhere.
        """

    def allowed(self, problem: Problem, bought: Ints, usable: Bools) -> Bools:
        """Items that the policy may label among those that can be, shape (S, N): all, unless it keeps rules of its own.

        At labels ``bought``, outstanding ones included. None where none is usable; elsewhere one at least. Items of
        which a label is outstanding are passed over among these. A policy that leaves some out gives them no
        probability either.
        """
        return usable

    def prepare(self, problem: Problem) -> None:
        """Do what takes long and is needed once for a problem, before threads ask."""

    def scores(self, problem: Problem, counts: Ints, wins: Ints) -> Floats:
        """Probability of labelling each item now, shape (R, N); zero where nothing can be labelled."""
        usable = availability_of(problem).items(counts)
        goes_on = usable.any(axis=1)
        out = np.zeros(counts.shape)
        if goes_on.any():
            out[goes_on] = self.action_probabilities(problem, counts[goes_on], wins[goes_on], usable[goes_on])
        return out


def even_over_best(scores: Floats, usable: Bools, scale: float, ties: str) -> Floats:
    """Probabilities, even over the usable items that tie for the largest score, or one for the first; shape (S, N)."""
    held = np.where(usable, scores, -np.inf)
    best = held.max(axis=1, keepdims=True)
    tied = usable & (held >= best - TIE * np.maximum(np.abs(best), scale))
    if ties == "first":
        tied &= np.cumsum(tied, axis=1) == 1
    return np.asarray(tied / tied.sum(axis=1, keepdims=True), dtype=np.float64)


def refuse_first(policy: Policy) -> None:
    """Raise where a policy that draws is told to take the first of what ties."""
    if policy.ties != "random":
        raise ValueError(f"{policy.name}: ties is {policy.ties!r}; it draws, and shares ties out evenly: 'random'")


def even_over_finite(values: Floats, usable: Bools, problem: Problem, ties: str) -> Floats:
    """Probabilities, even over the usable items of largest value; over all of them where no value is known."""
    told = usable & np.isfinite(values)
    told = np.where(told.any(axis=1, keepdims=True), told, usable)
    return even_over_best(np.where(np.isfinite(values), values, 0.0), told, problem.payoff_scale, ties)
