"""The optimistic knowledge gradient: the better of the next label's two outcomes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ...dp.problem.states import ItemStates
from ..policy import GainPolicy

__all__ = ["OptimisticKG"]


@dataclass(frozen=True)
class OptimisticKG(GainPolicy):
    """Label the item whose next label could raise the payoff most.

    Rule: index v [max(h(p+), h(p-)) - h(p)]. Source: Chen, Lin and Zhou (2015): unlike the knowledge gradient
    it is positive wherever either outcome helps, which makes it consistent.

    Examples
    --------
    >>> import seqaudit as sa
    >>> problem = sa.Problem([0.95, 0.9], budget=10)
    >>> for policy in (sa.KnowledgeGradient(), sa.OptimisticKG()):
    ...     print(policy.name, round(sa.evaluate(problem, policy).value - problem.prior_value, 6))
    kg 0.009578
    optimistic-kg 0.030264
    """

    name: ClassVar[str] = "optimistic-kg"
    anytime: ClassVar[bool] = True

    def gain(self, states: ItemStates) -> Any:
        """Gain in payoff at the better outcome."""
        return np.maximum(states.payoff_after_win, states.payoff_after_loss) - states.payoff
