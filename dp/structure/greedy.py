"""The greedy policy: the label that gains most in expectation.

It is the policy whose guarantees ``structure`` checks, and the knowledge gradient among the policies (``kg``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from ...posteriors.foundation.arrays import Floats
from ..problem.problem import Problem
from ..problem.states import ItemStates

__all__ = ["Greedy"]


@dataclass(frozen=True)
class Greedy:
    """Label an item of largest expected gain by one label, for a unit of cost.

    Examples
    --------
    >>> from seqaudit import evaluate
    >>> round(evaluate(Problem([0.5, 0.7], budget=4), Greedy()).value, 6)
    1.595575
    """

    ties: Literal["random", "first"] = "random"
    name: ClassVar[str] = "greedy"

    def index(self, states: ItemStates) -> Floats:
        """Expected gain for a unit of cost."""
        return states.expected_gain / states.cost

    def index_scale(self, problem: Problem) -> float:
        """Largest payoff of an item, for the cheapest label."""
        return problem.payoff_scale / float(problem.cost.min())
