"""Whittle index: the highest price at which a label is worth buying, with a limited number of labels to come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..kernels import ahead as _kernels
from .ahead import AheadPolicy

__all__ = ["Whittle"]


@dataclass(frozen=True)
class Whittle(AheadPolicy):
    """Label the item whose next label is worth the highest price, if the item alone had the budget left.

    Rule: index sup{price of a unit of cost at which one more label is worth buying}. It is the largest ratio of
    expected gain to expected cost over all rules that buy at least one label of the item, may stop at any time, and
    stay within cap and budget left; see ``seqaudit.dp.single_item.stopping``. Source: Whittle (1988), "Restless
    bandits: activity allocation in a changing world". Departure: the look-ahead is at most ``most`` labels. Quotas are
    ignored.

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
