"""Whittle's index: what a label is worth while a limited number of them can be bought."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...dp.problem.problem import Problem
from ...posteriors.foundation.arrays import Floats, Ints
from ..kernels import ahead as _kernels
from .ahead import AheadPolicy, affordable

__all__ = ["Whittle"]


@dataclass(frozen=True)
class Whittle(AheadPolicy):
    """Label the item whose labels would still be bought at the highest price, if it alone had the budget left.

    Rule: index sup{price of a unit of cost at which one more label is worth buying}, the largest ratio of expected gain
    to expected cost of a rule that buys at least one label of the item, stops at will, and buys at most as many as cap
    and budget left allow; see ``seqaudit.dp.single_item.stopping``. Source: Whittle (1988), "Restless bandits: activity
    allocation in a changing world". Departure: never more than ``most`` labels are looked ahead. Quotas are not looked
    at.

    Parameters
    ----------
    most : int
        Labels to look ahead at most.

    Examples
    --------
    >>> import seqaudit as sa
    >>> round(sa.evaluate(sa.Problem([0.5, 0.7], budget=4), sa.Whittle()).value, 6)
    1.6112
    """

    name: ClassVar[str] = "whittle"
    uses_remaining: ClassVar[bool] = True
    rule = staticmethod(_kernels.stopping_index)

    def ahead(self, problem: Problem, items: Ints, labels: Ints, remaining: Floats) -> Ints:
        """What cap and budget left allow, and at most ``most``."""
        return np.minimum(affordable(problem, items, labels, remaining), self.most)
