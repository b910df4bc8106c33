"""Policies that are built on another policy, their base."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ...dp.evaluation.asking import ask_to_prepare
from ...dp.problem.problem import Problem
from ...posteriors.foundation.arrays import Bools, Ints
from ...posteriors.foundation.messages import shown
from ..policy import JointPolicy, Policy
from ..registry import make_policy

__all__ = ["BasedPolicy", "as_base"]


# Each level calls the one below it in every state; Python itself gives up at some hundreds.
_MOST_LEVELS = 20


def as_base(name: str, base: object, setting: str = "base") -> Policy:
    """Policy that a setting of the policy called ``name`` gives, as a policy or by its registered name.

    Raises
    ------
    ValueError
        For anything else, an unknown name, or policies within policies to more than 20 levels.
    """
    if not isinstance(base, (str, Policy)):
        raise ValueError(f"{name}: {setting} is {shown(base)}; allowed: a policy or a registered name")
    if (base.count("(") if isinstance(base, str) else _levels(base)) >= _MOST_LEVELS:
        raise ValueError(f"{name}: {setting} has policies within policies; allowed: at most {_MOST_LEVELS} levels")
    try:
        return make_policy(base)
    except ValueError as error:
        raise ValueError(f"{name}: {setting}: {error}") from None


def _levels(policy: Policy) -> int:
    """Number of policies that stand within each other, the outermost included."""
    return 1 + max((_levels(x) for x in vars(policy).values() if isinstance(x, Policy)), default=0)


@dataclass(frozen=True)
class BasedPolicy(JointPolicy):
    """A joint policy that is built on another policy, which may be given by its registered name."""

    base: Policy | str

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "base", as_base(self.name, self.base))

    @property
    def based_on(self) -> Policy:
        """The base as a policy."""
        assert isinstance(self.base, Policy), "__post_init__ makes it a policy"
        return self.base

    def with_ties_of_base(self) -> None:
        """Break ties as the base does; with ``ties="first"``, make the base take the first too."""
        base = self.based_on
        if self.ties == "first" != base.ties:
            try:
                base = replace(base, ties="first")
            except ValueError as error:
                raise ValueError(f"{self.name}: base: {error}") from None
        object.__setattr__(self, "base", base)
        object.__setattr__(self, "ties", base.ties)

    def must_go_on(self, problem: Problem, bought: Ints, usable: Bools) -> Bools:
        """Mask of the states in which minima of the policy's own are not met and can be, shape (S,): the base's."""
        if isinstance(self.based_on, BasedPolicy):
            return self.based_on.must_go_on(problem, bought, usable)
        return np.zeros(len(bought), dtype=bool)

    def require(self, problem: Problem) -> None:
        """Raise where the base policy does not apply."""
        self.based_on.require(problem)

    def prepare(self, problem: Problem) -> None:
        """Prepare the base policy."""
        ask_to_prepare(self.based_on, problem)
