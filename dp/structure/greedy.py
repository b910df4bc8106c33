"""The greedy policy, which buys the label of largest expected gain.

It is the policy whose guarantees ``structure`` checks. Among the registered policies it is the knowledge gradient.
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
    """Policy that labels an item of largest expected gain from one label for each unit of cost.

    Examples
    --------
    >>> from seqaudit import evaluate
    >>> round(evaluate(Problem([0.5, 0.7], budget=4), Greedy()).value, 6)
    1.595575
    """

    ties: Literal["random", "first"] = "random"
    name: ClassVar[str] = "greedy"

    def index(self, states: ItemStates) -> Floats:
        """Expected gain for each unit of cost."""
        return states.expected_gain / states.cost

    def index_scale(self, problem: Problem) -> float:
        """Largest payoff of an item divided by the smallest cost."""
        return problem.payoff_scale / float(problem.cost.min())
