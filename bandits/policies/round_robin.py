"""Round robin: equal numbers of labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from ...dp.problem.states import ItemStates
from ..policy import IndexPolicy

__all__ = ["RoundRobin"]


@dataclass(frozen=True)
class RoundRobin(IndexPolicy):
    """Label an item that has the fewest labels.

    Rule: index -n. Source: folklore; the fixed-overlap design of annotation practice. Departure: the order within a
    round is random unless ``ties="first"``, so that a budget that ends within a round favours no item.

    Examples
    --------
    >>> import seqaudit as sa
    >>> problem = sa.Problem([0.5, 0.7], budget=5)
    >>> for ties in ("random", "first"):
    ...     print(sa.expected_labels(problem, sa.RoundRobin(ties=ties)).round(9).tolist())
    [2.5, 2.5]
    [3.0, 2.0]
    """

    name: ClassVar[str] = "round-robin"
    anytime: ClassVar[bool] = True

    def index(self, states: ItemStates) -> Any:
        """Minus the number of labels."""
        return -states.labels
