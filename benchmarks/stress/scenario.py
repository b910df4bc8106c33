"""A scenario of a stress test, and a grid of them: what is worked on, and where its votes come from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...bandits.policy import Policy
from ...bandits.registry import label
from ...dp.problem.problem import Problem
from ...posteriors.raters.model import RaterModel
from ..runner.folder import problem_as_inputs
from .natures import misbelief
from .pools import Pools, draw_beliefs, draw_raters

__all__ = ["Scenario", "StressGrid"]


@dataclass(frozen=True, eq=False)
class Scenario:
    """One nature at several strengths.

    Attributes
    ----------
    name : str
    kind : {"exact", "simulated"}
    model : str
        Name of the nature or of the model of raters.
    values : tuple of float
        Strengths, the mildest first.
    problem : Problem
        What is asked and decided by; where simulated, no cap is above ``votes``.
    policies : tuple of Policy
        ``uniform`` is among them.
    eps : float
    settings : dict
        ``script``, for an exchangeable nature that has one.
    nature : RaterModel, optional
        The model of raters, if it is one.
    parameter : str
        Its strength.
    fixed : dict
        Its parameters that are given.
    votes, groups, draws : int
    raters : int, optional
        None for a rater of its own for each vote.
    refit : RaterModel, optional
        What decides after the fact.
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

    @property
    def strength(self) -> str:
        """What the strength is."""
        return self.parameter or self.model

    def working(self, strength: float) -> Problem:
        """The problem as the planner states it at one strength: another one where the nature is ``flat``."""
        if self.nature is not None:
            # Raters are a matter of nature alone, and the priors need not be Beta.
            return self.problem
        return misbelief(self.problem, self.model, strength, **self.settings).working

    def pools(self, strength: float, seeds: Sequence[np.random.SeedSequence]) -> Pools:
        """Pools of votes at one strength."""
        if self.nature is None:
            wrong = misbelief(self.problem, self.model, strength, **self.settings)
            return draw_beliefs(wrong.nature, seeds, votes=self.votes)
        given = self.fixed | {self.parameter: strength}
        return draw_raters(
            self.problem, self.nature, given, seeds, votes=self.votes, raters=self.raters, groups=self.groups
        )

    def as_inputs(self) -> dict[str, Any]:
        """All that the results depend on, as plain values."""
        plain = {key: getattr(self, key) for key in ("name", "kind", "model", "parameter", "eps", "settings")}
        plain |= {"values": list(self.values), "policies": [label(x) for x in self.policies]}
        if self.kind == "simulated":
            plain |= {key: getattr(self, key) for key in ("votes", "raters", "groups", "draws", "fixed")}
            plain |= {"nature": repr(self.nature), "refit": None if self.refit is None else repr(self.refit)}
        return plain | {"problem": problem_as_inputs(self.problem)}


@dataclass(frozen=True, eq=False)
class StressGrid:
    """Scenarios with what is common to them.

    Attributes
    ----------
    scenarios : tuple of Scenario
    replications : int
        Of simulated scenarios.
    seed : int
        Root of their randomness.
    """

    scenarios: tuple[Scenario, ...]
    replications: int
    seed: int

    @property
    def cells(self) -> dict[str, tuple[Scenario, float]]:
        """Scenario and strength of each cell, by name."""
        return {f"{one.name}={x!r}": (one, x) for one in self.scenarios for x in one.values}

    def as_inputs(self) -> dict[str, Any]:
        """All that the results depend on, as plain values."""
        scenarios = [one.as_inputs() for one in self.scenarios]
        return {"replications": self.replications, "seed": self.seed, "scenarios": scenarios}
