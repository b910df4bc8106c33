"""Policies that are built on another policy, their base."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ...dp.problem.problem import Problem
from ...posteriors.foundation.messages import shown
from ..policy import JointPolicy, Policy
from ..registry import make_policy

__all__ = ["BasedPolicy", "as_base"]


def as_base(name: str, base: object) -> Policy:
    """Base of the policy called ``name``, given as a policy or by its registered name.

    Raises
    ------
    ValueError
        For anything else, or an unknown name.
    """
    if isinstance(base, Policy):
        return base
    if not isinstance(base, str):
        raise ValueError(f"{name}: base is {shown(base)}; allowed: a policy or a registered name")
    try:
        return make_policy(base)
    except ValueError as error:
        raise ValueError(f"{name}: base: {error}") from None


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

    def require(self, problem: Problem) -> None:
        """Raise where the base policy does not apply."""
        self.based_on.require(problem)

    def prepare(self, problem: Problem) -> None:
        """Prepare the base policy."""
        if isinstance(self.base, JointPolicy):
            self.base.prepare(problem)
