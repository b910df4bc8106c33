"""Scenario of a stress test, and a grid of scenarios: problem, policies, and the nature that gives the votes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...bandits.policy import Policy
from ...bandits.registry import label, make_policy
from ...dp.problem.problem import Problem
from ...posteriors.foundation.kinds import WrongKind, is_ordered, require_type
from ...posteriors.foundation.messages import shown
from ...posteriors.foundation.number_arrays import numbers
from ...posteriors.foundation.refusals import one_of, whole
from ...posteriors.raters.model import RaterModel
from ..runner.folder import problem_as_inputs
from .natures import NATURES, misbelief
from .pools import Pools, draw_beliefs, draw_raters

__all__ = ["Scenario", "StressGrid"]


@dataclass(frozen=True, eq=False)
class Scenario:
    """Scenario of a stress test: one nature at several strengths.

    Attributes
    ----------
    name : str
    kind : {"exact", "simulated"}
    model : str
        Name of the nature or of the model of raters.
    values : tuple of float
        Strengths, the mildest first.
    problem : Problem
        Problem by which labels are chosen and decisions made; in simulated scenarios no cap exceeds ``votes``.
    policies : tuple of Policy
        Policies or their names, including ``uniform``.
    eps : float
        Level at which a belief is decisive.
    settings : dict
        ``script``, for an exchangeable nature that has one.
    nature : RaterModel, optional
        Model of raters, in simulated scenarios that have one.
    parameter : str
        Parameter of ``nature`` that is the strength.
    fixed : dict
        Fixed parameters of ``nature``.
    votes, groups, draws : int
        Votes in the pool of each item, groups of raters, and draws of a fit.
    raters : int, optional
        Number of raters; None for a different rater for each vote.
    refit : RaterModel, optional
        Model that decides after the fact.

    Raises
    ------
    ValueError
        For another kind, an unknown nature, strengths that are no numbers, and policies without ``uniform``.
    """

    name: str
    kind: str
    model: str
    values: tuple[float, ...]
    problem: Problem
    policies: tuple[Policy, ...]
    eps: float = 0.05
    settings: dict[str, float] = field(default_factory=dict)
    nature: RaterModel | None = None
    parameter: str = ""
    fixed: dict[str, Any] = field(default_factory=dict)
    votes: int = 12
    raters: int | None = None
    groups: int = 0
    refit: RaterModel | None = None
    draws: int = 200

    def __post_init__(self) -> None:
        one_of("kind", self.kind, ("exact", "simulated"))
        require_type("problem", self.problem, Problem, "a Problem")
        for name, model in (("nature", self.nature), ("refit", self.refit)):
            require_type(name, model, (RaterModel, type(None)), "a RaterModel or None")
        if self.nature is None:
            one_of("model", self.model, NATURES.known())
        object.__setattr__(self, "values", numbers("values", self.values))
        if not is_ordered(self.policies):
            raise WrongKind(f"policies is {shown(self.policies)}; it must be a sequence of policies or their names")
        object.__setattr__(self, "policies", tuple(map(make_policy, self.policies)))
        if "uniform" not in map(label, self.policies):
            raise ValueError("policies has no 'uniform', with which the others are compared; include it")

    @property
    def strength(self) -> str:
        """Name of the quantity that is the strength."""
        return self.parameter or self.model

    def working(self, strength: float) -> Problem:
        """Planner's problem at one strength, which differs from ``problem`` if the nature is ``flat``.

        Parameters
        ----------
        strength : float

        Returns
        -------
        Problem
        """
        if self.nature is not None:
            # A model of raters changes only nature, and the priors need not be Beta.
            return self.problem
        return misbelief(self.problem, self.model, strength, **self.settings).working

    def pools(self, strength: float, seeds: Sequence[np.random.SeedSequence]) -> Pools:
        """Pools of votes at one strength.

        Parameters
        ----------
        strength : float
        seeds : sequence of SeedSequence, length R
            Seed of each replication.

        Returns
        -------
        Pools
        """
        if self.nature is None:
            wrong = misbelief(self.problem, self.model, strength, **self.settings)
            return draw_beliefs(wrong.nature, seeds, votes=self.votes)
        given = self.fixed | {self.parameter: strength}
        return draw_raters(
            self.problem, self.nature, given, seeds, votes=self.votes, raters=self.raters, groups=self.groups
        )

    def as_inputs(self) -> dict[str, Any]:
        """Fields on which the results depend, as plain values.

        Returns
        -------
        dict
            Values that JSON can represent.
        """
        plain = {key: getattr(self, key) for key in ("name", "kind", "model", "parameter", "eps", "settings")}
        plain |= {"values": list(self.values), "policies": [label(x) for x in self.policies]}
        if self.kind == "simulated":
            plain |= {key: getattr(self, key) for key in ("votes", "raters", "groups", "draws", "fixed")}
            plain |= {"nature": repr(self.nature), "refit": None if self.refit is None else repr(self.refit)}
        return plain | {"problem": problem_as_inputs(self.problem)}


@dataclass(frozen=True, eq=False)
class StressGrid:
    """Scenarios of a stress test, with common settings.

    Attributes
    ----------
    scenarios : tuple of Scenario
    replications : int
        Number of replications of simulated scenarios.
    seed : int
        Seed of simulated scenarios.

    Raises
    ------
    ValueError
        For anything but scenarios, and numbers out of range.
    """

    scenarios: tuple[Scenario, ...]
    replications: int
    seed: int

    def __post_init__(self) -> None:
        if not is_ordered(self.scenarios) or not all(isinstance(one, Scenario) for one in self.scenarios):
            raise WrongKind(f"scenarios is {shown(self.scenarios)}; it must be a sequence of Scenario objects")
        object.__setattr__(self, "scenarios", tuple(self.scenarios))
        whole("replications", self.replications, least=1)
        whole("seed", self.seed)

    @property
    def cells(self) -> dict[str, tuple[Scenario, float]]:
        """Scenario and strength of each cell, by name."""
        return {f"{one.name}={x!r}": (one, x) for one in self.scenarios for x in one.values}

    def as_inputs(self) -> dict[str, Any]:
        """Fields on which the results depend, as plain values.

        Returns
        -------
        dict
            Values that JSON can represent.
        """
        scenarios = [one.as_inputs() for one in self.scenarios]
        return {"replications": self.replications, "seed": self.seed, "scenarios": scenarios}
