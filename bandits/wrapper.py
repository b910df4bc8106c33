"""What policies that wrap another policy share.

A wrapper shows its base a problem, the user's own or one made from it, and does something with what the base answers.
The payoff, the budget and the constraints stay those of the user's problem.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..dp.problem import Problem
from .base import BasedPolicy
from .policy import Bools, Counts, Floats, JointPolicy, chances_of

__all__ = ["Wrapper"]


@dataclass(frozen=True)
class Wrapper(BasedPolicy):
    """A policy around another one.

    Parameters
    ----------
    base : Policy or registered name
    ties : {"random", "first"}, optional
        Default: as the base breaks them. With "first" the base does so too.
    """

    uses_pending: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        self.with_ties_of_base()

    def seen(self, problem: Problem) -> Problem:
        """Problem that the base is shown."""
        return problem

    def allowed(self, problem: Problem, bought: Counts, usable: Bools) -> Bools:
        """Items that the base may label, shape (S, N)."""
        base = self.based_on
        return base.allowed(self.seen(problem), bought, usable) if isinstance(base, JointPolicy) else usable

    def action_probabilities(
        self, problem: Problem, counts: Counts, wins: Counts, usable: Bools, pending: Counts | None = None
    ) -> Floats:
        """Probability of labelling each item, shape (S, N): the base's, among those that may be labelled.

        ``pending`` are labels bought whose outcomes are not known.
        """
        may = self.allowed(problem, counts if pending is None else counts + pending, usable)
        return chances_of(self.based_on, self.seen(problem), counts, wins, may, pending)

    def scores(self, problem: Problem, counts: Counts, wins: Counts) -> Floats:
        """Scores of the base, shape (R, N)."""
        return self.based_on.scores(self.seen(problem), counts, wins)

    def index_scale(self, problem: Problem) -> float:
        """Size of the numbers that a score of the base is a difference of."""
        return self.based_on.index_scale(self.seen(problem))

    def require(self, problem: Problem) -> None:
        """Raise where the wrapper's data do not fit the problem, or its base cannot be had for it."""
        self.based_on.require(self.seen(problem))

    def prepare(self, problem: Problem) -> None:
        """Refuse what cannot be had, and let the base do what takes long."""
        self.require(problem)
        if isinstance(self.based_on, JointPolicy):
            self.based_on.prepare(self.seen(problem))
