"""The source paper's marginal value, which is identically zero."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from ...dp.problem.problem import Problem
from ...dp.problem.states import ItemStates
from ..policy import IndexPolicy

__all__ = ["LinearGain"]


@dataclass(frozen=True)
class LinearGain(IndexPolicy):
    """Label the item of largest expected gain in v p, which is zero everywhere and so no working index.

    Rule: index v (mu p+ + (1-mu) p- - p). Source: Lemma (2026), eqs. 24-29. Since p is the conditional expectation of
    the indicator 1{alpha > t}, it is a martingale: mu p+ + (1-mu) p- = p exactly, and every item ties in every state.
    In floating point the difference is rounding noise, and its argmax is arbitrary. Departure from the source: the
    noise is recognised as a tie, so the rule is uniform sampling under random ties, and always labels the first item
    under ``ties="first"``. It is included so that the published rule can be compared; ``VarianceReduction`` repairs it.

    Examples
    --------
    >>> import seqaudit as sa
    >>> problem = sa.Problem([0.5, 0.7], budget=4)
    >>> sa.evaluate(problem, sa.LinearGain()).value == sa.evaluate(problem, sa.Uniform()).value
    True
    """

    name: ClassVar[str] = "linear-gain"
    anytime: ClassVar[bool] = True

    def index(self, states: ItemStates) -> Any:
        """Expected gain in v p: zero, up to rounding."""
        p = states.mean * states.tail_after_win + (1.0 - states.mean) * states.tail_after_loss
        return states.weight * (p - states.tail)

    def index_scale(self, problem: Problem) -> float:
        """Largest weight: the size of the terms that cancel."""
        return float(problem.weight.max())
