"""What policies that wrap another policy share.

A wrapper shows its base a problem, the user's own or one made from it, and does something with what the base answers.
The payoff, the budget and the constraints stay those of the user's problem.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from ..dp.problem import Problem
from .policy import Bools, Counts, Floats, JointPolicy, Policy, chances_of
from .registry import make_policy

__all__ = ["Wrapper"]


@dataclass(frozen=True)
class Wrapper(JointPolicy):
    """A policy around another one.

    Parameters
    ----------
    base : Policy or registered name
    ties : {"random", "first"}, optional
        Default: as the base breaks them. With "first" the base does so too.
    """

    base: Policy | str
    uses_pending: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        try:
            base = make_policy(self.base)
            if self.ties == "first" != base.ties:
                base = replace(base, ties="first")
        except ValueError as error:
            raise ValueError(f"{self.name}: base: {error}") from None
        object.__setattr__(self, "base", base)
        object.__setattr__(self, "ties", base.ties)

    @property
    def policy(self) -> Policy:
        """The base, which is a policy once the wrapper is made."""
        assert isinstance(self.base, Policy)
        return self.base

    def seen(self, problem: Problem) -> Problem:
        """Problem that the base is shown."""
        return problem

    def allowed(self, problem: Problem, bought: Counts, usable: Bools) -> Bools:
        """Items that the base may label, shape (S, N)."""
        base = self.policy
        return base.allowed(self.seen(problem), bought, usable) if isinstance(base, JointPolicy) else usable

    def action_probabilities(
        self, problem: Problem, counts: Counts, wins: Counts, usable: Bools, pending: Counts | None = None
    ) -> Floats:
        """Probability of labelling each item, shape (S, N): the base's, among those that may be labelled.

        ``pending`` are labels bought whose outcomes are not known.
        """
        may = self.allowed(problem, counts if pending is None else counts + pending, usable)
        return chances_of(self.policy, self.seen(problem), counts, wins, may, pending)

    def scores(self, problem: Problem, counts: Counts, wins: Counts) -> Floats:
        """Scores of the base, shape (R, N)."""
        return self.policy.scores(self.seen(problem), counts, wins)

    def index_scale(self, problem: Problem) -> float:
        """Size of the numbers that a score of the base is a difference of."""
        return self.policy.index_scale(self.seen(problem))

    def require(self, problem: Problem) -> None:
        """Raise where the wrapper's data do not fit the problem, or its base cannot be had for it."""
        self.policy.require(self.seen(problem))

    def prepare(self, problem: Problem) -> None:
        """Refuse what cannot be had, and let the base do what takes long."""
        self.require(problem)
        if isinstance(self.policy, JointPolicy):
            self.policy.prepare(self.seen(problem))
