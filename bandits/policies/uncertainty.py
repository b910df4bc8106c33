"""Uncertainty sampling: the label that is hardest to predict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from ...dp.problem.states import ItemStates
from ..policy import IndexPolicy

__all__ = ["UncertaintySampling"]


@dataclass(frozen=True)
class UncertaintySampling(IndexPolicy):
    """Label the item whose next label is the most uncertain.

    Rule: index mu (1 - mu), mu the posterior mean. Source: Lewis and Gale (1994), as the "uncertainty-only" baseline of
    Lemma (2026), section 9. It ignores threshold and weight, and keeps returning to an item whose raters truly
    disagree.

    Examples
    --------
    >>> import numpy as np
    >>> import seqaudit as sa
    >>> problem = sa.Problem([0.5, 0.7], budget=100)
    >>> counts, wins = np.array([[18, 38]]), np.array([[13, 19]])
    >>> sa.UncertaintySampling().scores(problem, counts, wins).round(6).tolist()
    [[0.21, 0.25]]
    """

    name: ClassVar[str] = "uncertainty"
    anytime: ClassVar[bool] = True

    def index(self, states: ItemStates) -> Any:
        """Predictive variance of the next label."""
        return states.mean * (1.0 - states.mean)
