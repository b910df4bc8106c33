"""The knowledge gradient: expected gain in payoff from one more label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from ...dp.problem.states import ItemStates
from ..policy import GainPolicy

__all__ = ["KnowledgeGradient"]


@dataclass(frozen=True)
class KnowledgeGradient(GainPolicy):
    """Label the item whose next label raises the expected payoff most.

    Rule: index v [mu h(p+) + (1-mu) h(p-) - h(p)]. Source: Gupta and Miescke (1996); Frazier, Powell and Dayanik
    (2008); Chen, Lin and Zhou (2015) for labelling. One label often cannot change a decision; the index is then zero,
    and ties decide. At t = .95 from Beta(1, 1) this holds for the first twelve labels.

    Examples
    --------
    >>> import numpy as np
    >>> import seqaudit as sa
    >>> wins = np.arange(20).reshape(-1, 1)
    >>> gains = sa.KnowledgeGradient().scores(sa.Problem([0.95], budget=20), wins, wins)
    >>> int(np.argmax(gains[:, 0] > 1e-12))
    12
    """

    name: ClassVar[str] = "kg"
    anytime: ClassVar[bool] = True

    def gain(self, states: ItemStates) -> Any:
        """Expected gain in payoff."""
        return states.expected_gain
