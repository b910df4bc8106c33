"""Common part of the policies that wrap another policy.

A wrapper shows its base the user's problem or one derived from it, and may change the base's answers. The payoff, the
budget and the constraints stay those of the user's problem.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ...dp.evaluation.asking import ask_allowed, ask_scale, ask_scores, ask_stops, ask_to_prepare
from ...dp.problem.problem import Problem
from ...posteriors.foundation.arrays import Bools, Floats, Ints
from ..scoring import chances_of
from .based import BasedPolicy

__all__ = ["Wrapper"]


@dataclass(frozen=True)
class Wrapper(BasedPolicy):
    """A policy around another one.

    Parameters
    ----------
    base : Policy or registered name
    ties : {"random", "first"}, optional
        Default: that of the base. With "first", the base takes the first too.
    """

    uses_pending: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        self.with_ties_of_base()

    def seen(self, problem: Problem) -> Problem:
        """Problem that the base is shown."""
        return problem

    def allowed(self, problem: Problem, bought: Ints, usable: Bools) -> Bools:
        """Items that the base may label, shape (S, N)."""
        return ask_allowed(self.based_on, self.seen(problem), bought, usable)

    def action_probabilities(
        self, problem: Problem, counts: Ints, wins: Ints, usable: Bools, pending: Ints | None = None
    ) -> Floats:
        """Probability of labelling each item, shape (S, N): the base's, among those that may be labelled.

        ``pending`` counts labels bought whose outcomes are not known.
        """
        may = self.allowed(problem, counts if pending is None else counts + pending, usable)
        return chances_of(self.based_on, self.seen(problem), counts, wins, may, pending)

    @property
    def stopping(self) -> bool:
        """True if the base may stop."""
        return self.based_on.stopping

    def stops(self, problem: Problem, counts: Ints, wins: Ints, usable: Bools) -> Bools:
        """Mask of the states in which the base stops, shape (S,)."""
        return ask_stops(self.based_on, self.seen(problem), counts, wins, usable)

    def scores(self, problem: Problem, counts: Ints, wins: Ints) -> Floats:
        """Scores of the base, shape (R, N)."""
        return ask_scores(self.based_on, self.seen(problem), counts, wins)

    def index_scale(self, problem: Problem) -> float:
        """Magnitude of the terms whose difference a score of the base is."""
        return ask_scale(self.based_on, self.seen(problem))

    def require(self, problem: Problem) -> None:
        """Raise where the wrapper's data do not fit the problem, or its base does not apply to it."""
        self.based_on.require(self.seen(problem))

    def prepare(self, problem: Problem) -> None:
        """Refuse a problem that the policy does not apply to, and prepare the base."""
        self.require(problem)
        ask_to_prepare(self.based_on, self.seen(problem))
