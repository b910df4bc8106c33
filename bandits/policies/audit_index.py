"""The audit index: the weighted variance of the learnability indicator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from ...dp.problem.states import ItemStates
from ..policy import IndexPolicy

__all__ = ["AuditIndex"]


@dataclass(frozen=True)
class AuditIndex(IndexPolicy):
    """Label the item whose learnability indicator has the largest weighted variance.

    Rule: index v p (1 - p), p = P(alpha > t). Source: Lemma (2026), eq. 22. It measures how uncertain the decision is,
    not how informative a label would be: the policy keeps returning to an item whose rate lies at its threshold.
    ``VarianceReduction`` is the expected decrease of this index.

    Examples
    --------
    >>> import numpy as np
    >>> import seqaudit as sa
    >>> on_its_threshold, never_labelled = sa.Problem([0.5, 0.9], budget=40), np.array([[10, 0]])
    >>> sa.AuditIndex().scores(on_its_threshold, 2 * never_labelled, never_labelled).round(6).tolist()
    [[0.25, 0.09]]
    """

    name: ClassVar[str] = "audit-index"
    anytime: ClassVar[bool] = True

    def index(self, states: ItemStates) -> Any:
        """Weighted variance of the indicator."""
        return states.weight * states.tail * (1.0 - states.tail)
