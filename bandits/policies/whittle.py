"""Whittle's index: what a label is worth while a limited number of them can be bought."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..kernels import ahead as _kernels
from .ahead import AheadPolicy

__all__ = ["Whittle"]


@dataclass(frozen=True)
class Whittle(AheadPolicy):
    """Label the item whose labels would still be bought at the highest price, if it alone had the budget left.

    Rule: index sup{price of a unit of cost at which one more label is worth buying}, the largest ratio of expected gain
    to expected cost of a rule that buys at least one label of the item, stops at will, and buys at most as many as cap
    and budget left allow; see ``seqaudit.dp.single_item.stopping``. Source: Whittle (1988), "Restless bandits: activity
    allocation in a changing world". Departure: never more than ``most`` labels are looked ahead. Quotas are not looked
    at.

    Examples
    --------
    >>> import numpy as np
    >>> import seqaudit as sa
    >>> problem = sa.Problem([0.7], budget=3)
    >>> losses = np.arange(3).reshape(-1, 1)
    >>> for policy in (sa.Gittins(), sa.Whittle()):
    ...     print(policy.scores(problem, losses, np.zeros_like(losses))[:, 0].round(4).tolist())
    [0.0709, 0.0129, 0.0037]
    [0.0709, 0.0, 0.0]
    """

    name: ClassVar[str] = "whittle"
    uses_remaining: ClassVar[bool] = True
    rule = staticmethod(_kernels.stopping_index)
