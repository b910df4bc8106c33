"""Policies: rules that choose the item to label next.

A policy gives every item a *score* at the current beliefs, and the next label goes to an item of largest score among
those that can still be labelled. Equal scores are ties, which are broken uniformly at random unless the policy has
``ties="first"``. Two scores are equal when they differ by at most 1e-12 of the larger one or of the policy's
``index_scale``, whichever is larger: an index that is a difference of payoffs carries their rounding errors, and these
must not decide.

An ``IndexPolicy`` scores each item from that item's belief, by an elementwise formula of ``ItemStates``, and from the
budget left where the class has ``uses_remaining = True``. A ``JointPolicy`` gives the probability of labelling each
item, from the beliefs about all items: it may draw, plan, or weigh one item against another. Both can be evaluated
exactly, simulated, replayed, and used in a session. An example of an index policy:

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

``seqaudit.bandits.conformance.policies.check_policy(Boldest())`` checks that it keeps the contract. A package registers
its policies through the entry-point group ``seqaudit.policies``.
"""

from __future__ import annotations

import inspect
from abc import abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np

from ..dp.evaluation.asking import ask_index, ask_probabilities
from ..dp.kernels.dense import TIE
from ..dp.problem.availability import availability_of
from ..dp.problem.given_states import checks_states, takes_states
from ..dp.problem.problem import Problem
from ..dp.problem.states import ItemStates, known_states
from ..posteriors.foundation.arrays import Bools, Floats, Ints
from ..posteriors.foundation.messages import shown
from ..posteriors.foundation.refusals import one_of
from ..posteriors.foundation.values import FrozenValue, line_of, names_of_fields, new_attributes

__all__ = ["GainPolicy", "IndexPolicy", "JointPolicy", "Policy", "even_over_best", "even_over_finite", "refuse_first"]


# Methods that only policies of some kind are asked for, and the base of that kind.
# Attributes that no index depends on.
_OF_NO_INDEX = {"_abc_impl", "name", "planning"}
_KINDS = {"index": "IndexPolicy"} | dict.fromkeys(("action_probabilities", "allowed", "stops"), "JointPolicy")


@dataclass(frozen=True)
class Policy(FrozenValue):
    """A rule for choosing the next item.

    A class with ``planning = True`` takes milliseconds or more to choose a label. Studies that choose many labels leave
    such policies out unless they are asked for by name.

    Parameters
    ----------
    ties : {"random", "first"}
        Draw uniformly among equal scores, or take the first item.

    Raises
    ------
    ValueError
        For another value of ``ties``.

    Examples
    --------
    >>> import numpy as np
    >>> import seqaudit as sa
    >>> class Leader(sa.Policy):
    ...     '''Label the item with the largest share of the wins so far.'''
    ...     name = "leader"
    ...     def scores(self, problem, counts, wins):
    ...         return (wins + 1) / (wins.sum(axis=1, keepdims=True) + problem.size)
    >>> Leader().scores(sa.Problem([0.5, 0.7], budget=4), np.array([[1, 1]]), np.array([[1, 0]])).round(3).tolist()
    [[0.667, 0.333]]
    """

    ties: Literal["random", "first"] = field(default="random", kw_only=True)
    name: ClassVar[str]
    planning: ClassVar[bool] = False

    @classmethod
    def _settle(cls) -> None:
        """Let every method that takes states check them: tables, and what is remembered, are indexed by them."""
        super()._settle()
        bases = {kind.__name__ for kind in cls.__mro__}
        for method, base in _KINDS.items():
            if hasattr(cls, method) and base not in bases:
                # One part of the package would ask for it, another one for the scores.
                raise TypeError(f"{cls.__name__} has {method}, which is for classes that derive from {base}")
        for method, defined in new_attributes(cls, Policy).items():
            if takes_states(defined) and not (hasattr(defined, "is_guard") or hasattr(defined, "__isabstractmethod__")):
                setattr(cls, method, checks_states(defined))

    @property
    def stopping(self) -> bool:
        """True if the policy may stop before the budget is spent; see ``JointPolicy.stops``."""
        return False

    def __post_init__(self) -> None:
        self._check()

    def _check(self) -> None:
        # A missing name is reported by the conformance suite.
        one_of(f"{getattr(self, 'name', type(self).__name__)}: ties", self.ties, ("random", "first"))

    @abstractmethod
    def scores(self, problem: Problem, counts: Ints, wins: Ints) -> Floats:
        """Score of every item.

        Parameters
        ----------
        problem : Problem
        counts, wins : ndarray of int, shape (R, N)
            Labels and wins of each item in each of R independent replications; read-only.

        Returns
        -------
        ndarray, shape (R, N)
            The larger a score, the sooner the item is labelled.
        """

    def index_scale(self, problem: Problem) -> float:
        """Magnitude of the terms whose difference a score is; 0 where a score is not a difference.

        Parameters
        ----------
        problem : Problem

        Returns
        -------
        float
            In the units of the scores.
        """
        return 0.0

    def require(self, problem: Problem) -> None:
        """Raise where the policy does not apply to a problem; nothing is computed.

        Parameters
        ----------
        problem : Problem

        Raises
        ------
        ValueError
            Where the policy does not handle this kind of problem.
        ProblemTooLarge
            Where the problem is too large for the policy.
        """


@dataclass(frozen=True)
class IndexPolicy(Policy):
    """A policy whose score of an item depends on that item's belief, and on the budget left if ``uses_remaining``.

    A class with ``anytime = True`` says that its index depends on neither the budget nor the caps. Then one run through
    a large budget passes the ends of the runs through smaller ones, and ``budget_curve`` needs no others.
    """

    uses_remaining: ClassVar[bool] = False
    anytime: ClassVar[bool] = False

    @classmethod
    def _settle(cls) -> None:
        """Let the scores follow the index: exact values ask for the one, simulations for the other.

        A class may have a faster way to its scores. It holds for the index beside it, not for one in a class below. Nor
        does what a class says of its index hold for a class below that has a method of its own.
        """
        super()._settle()
        new = new_attributes(cls, Policy)
        told = {key for key in new if key[:2] != "__"} - names_of_fields(cls) - _OF_NO_INDEX
        if "anytime" not in new and any(
            hasattr(kind, key) or callable(new[key]) for key in told for kind in cls.__bases__
        ):
            cls.anytime = False
        of_scores, of_index = line_of(cls, "scores"), line_of(cls, "index")
        if of_scores < of_index and cls.scores is not IndexPolicy.scores:
            raise TypeError(
                f"{cls.__name__} has scores of its own, but no index; the scores of an index policy are its indices: "
                "define index, or derive from JointPolicy"
            )
        if of_index < of_scores:
            cls.scores = IndexPolicy.scores  # type: ignore[method-assign]

    @abstractmethod
    def index(self, states: ItemStates) -> Any:
        """Index at each state, elementwise.

        Parameters
        ----------
        states : ItemStates

        Returns
        -------
        float or ndarray
            Broadcasts to the states' shape.
        """

    def horizon(self, problem: Problem) -> float:
        """Budget left down to which the index does not depend on it, so that one label changes one index.

        Parameters
        ----------
        problem : Problem

        Returns
        -------
        float
            Zero for an index that never depends on it, infinite for one that always may.
        """
        return np.inf if self.uses_remaining else 0.0

    def scores(self, problem: Problem, counts: Ints, wins: Ints) -> Floats:
        """Index of every item, shape (R, N)."""
        items = np.broadcast_to(np.arange(problem.size), counts.shape)
        # Summed row by row: the rounding of a matrix product may depend on the other rows.
        left = problem.budget - (counts * problem.cost).sum(axis=1) if self.uses_remaining else None
        states = known_states(
            problem,
            items,
            counts.astype(np.float64),
            wins.astype(np.float64),
            None if left is None else np.broadcast_to(left[:, None], counts.shape),
        )
        return ask_index(self, states)


@dataclass(frozen=True)
class GainPolicy(IndexPolicy):
    """An index policy whose index is a gain in payoff per unit of cost.

    A gain is a difference of payoffs, so payoffs set the scale of its rounding errors.
    """

    @abstractmethod
    def gain(self, states: ItemStates) -> Any:
        """Gain from one label at each state, elementwise."""

    def index(self, states: ItemStates) -> Any:
        """Gain from one label, divided by its cost."""
        return self.gain(states) / states.cost

    def index_scale(self, problem: Problem) -> float:
        """Largest payoff of an item, divided by the least cost of a label."""
        return problem.payoff_scale / float(problem.cost.min())


@dataclass(frozen=True)
class JointPolicy(Policy):
    """A policy that gives the probability of labelling each item, from the state of all items.

    It draws, plans, or wraps another policy. With ``uses_pending = True`` its ``action_probabilities`` also takes
    ``pending``, shape (S, N): the number of labels of each item that were bought in the present batch, or asked for,
    and whose outcomes the policy has not seen. It is None where every outcome is known. All arrays are read-only.
    """

    uses_pending: ClassVar[bool] = False

    @classmethod
    def _settle(cls) -> None:
        """Let a class that defines ``stops`` be one that may stop, whatever the class above says of its own.

        So with outstanding labels, which the probabilities of a class take or do not take.
        """
        super()._settle()
        if line_of(cls, "stops") < line_of(cls, "stopping"):
            cls.stopping = JointPolicy.stopping  # type: ignore[method-assign]
        if line_of(cls, "action_probabilities") < line_of(cls, "uses_pending"):
            taken = inspect.signature(cls.action_probabilities).parameters
            cls.uses_pending = "pending" in taken or any(x.kind is x.VAR_KEYWORD for x in taken.values())

    @abstractmethod
    def action_probabilities(self, problem: Problem, counts: Ints, wins: Ints, usable: Bools) -> Floats:
        """Probability of labelling each item in each of S unrelated states.

        Parameters
        ----------
        problem : Problem
        counts, wins : ndarray of int, shape (S, N)
        usable : ndarray of bool, shape (S, N)
            Items that can be labelled now; at least one in each state.

        Returns
        -------
        ndarray, shape (S, N)
            Finite and not negative, and positive for some usable item. These are weights: those of items that are not
            usable are ignored, and the others are divided by their sum.
        """

    def allowed(self, problem: Problem, bought: Ints, usable: Bools) -> Bools:
        """Items that the policy may label, among those that can be labelled; by default all of them.

        A policy that leaves an item out also gives it probability zero. Among the items allowed, simulations and
        sessions pass over those with an outstanding label as long as another one is left.

        Parameters
        ----------
        problem : Problem
        bought : ndarray of int, shape (S, N)
            Labels of each item, outstanding ones included.
        usable : ndarray of bool, shape (S, N)
            Items that can be labelled.

        Returns
        -------
        ndarray of bool, shape (S, N)
            At least one item in each state where one is usable, and none elsewhere.
        """
        return usable

    @property
    def stopping(self) -> bool:
        """True if the class defines ``stops``."""
        return type(self).stops is not JointPolicy.stops

    def stops(self, problem: Problem, counts: Ints, wins: Ints, usable: Bools) -> Bools:
        """Mask of the states in which the policy buys no further label; by default none.

        It counts only where all quotas are met, and, with batches, at the beginning of a batch.

        Parameters
        ----------
        problem : Problem
        counts, wins : ndarray of int, shape (S, N)
        usable : ndarray of bool, shape (S, N)
            As for ``action_probabilities``.

        Returns
        -------
        ndarray of bool, shape (S,)
        """
        return np.zeros(len(counts), dtype=bool)

    def prepare(self, problem: Problem) -> None:
        """Do the slow work that a problem needs once, before threads ask for probabilities.

        Parameters
        ----------
        problem : Problem
        """

    def scores(self, problem: Problem, counts: Ints, wins: Ints) -> Floats:
        """Probability of labelling each item now, shape (R, N); zero where nothing can be labelled."""
        usable = availability_of(problem).items(counts)
        goes_on = usable.any(axis=1)
        out = np.zeros(counts.shape)
        if goes_on.any():
            weights = ask_probabilities(self, problem, counts[goes_on], wins[goes_on], usable[goes_on])
            out[goes_on] = weights / weights.sum(axis=1, keepdims=True)
        return out


def even_over_best(scores: Floats, usable: Bools, scale: float, ties: str) -> Floats:
    """Probabilities, equal over the usable items that tie for the largest score, or one for the first; shape (S, N)."""
    held = np.where(usable, scores, -np.inf)
    best = held.max(axis=1, keepdims=True)
    tied = usable & (held >= best - TIE * np.maximum(np.abs(best), scale))
    if ties == "first":
        tied &= np.cumsum(tied, axis=1) == 1
    return np.asarray(tied / tied.sum(axis=1, keepdims=True), dtype=np.float64)


def refuse_first(policy: Policy) -> None:
    """Raise where a policy that draws its item is asked to take the first of tied ones."""
    if policy.ties != "random":
        raise ValueError(
            f"{policy.name}: ties is {shown(policy.ties)}; allowed: 'random', since it draws among tied items"
        )


def even_over_finite(values: Floats, usable: Bools, problem: Problem, ties: str) -> Floats:
    """Probabilities, equal over the usable items of largest value, or over all usable ones where no value is known."""
    told = usable & np.isfinite(values)
    told = np.where(told.any(axis=1, keepdims=True), told, usable)
    return even_over_best(np.where(np.isfinite(values), values, 0.0), told, problem.payoff_scale, ties)
