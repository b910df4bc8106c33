"""High log-ratio first: where the reference is most confident against the winner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from ...dp.problem.states import ItemStates
from ..policy import IndexPolicy

__all__ = ["HighLogRatio"]


@dataclass(frozen=True)
class HighLogRatio(IndexPolicy):
    """Label the item of largest reference log-ratio c.

    Rule: index c. Source: the "high-c heuristic" of Lemma (2026), section 9. It ignores all labels, so without a cap it
    spends the whole budget on one item. Where a problem was given thresholds only, c is logit(t).

    Examples
    --------
    >>> import seqaudit as sa
    >>> sa.expected_labels(sa.Problem([0.5, 0.7], budget=4), sa.HighLogRatio()).tolist()
    [0.0, 4.0]
    """

    name: ClassVar[str] = "high-logratio"
    anytime: ClassVar[bool] = True

    def index(self, states: ItemStates) -> Any:
        """The log-ratio."""
        return states.log_ratio
