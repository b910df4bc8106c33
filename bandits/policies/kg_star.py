"""KG(*): the knowledge gradient of the best number of labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..kernels import ahead as _kernels
from .ahead import AheadPolicy

__all__ = ["KGStar"]


@dataclass(frozen=True)
class KGStar(AheadPolicy):
    """Label the item with the largest gain per label, at the best number of labels for each item.

    Rule: index max over m = 1, .., M of E[payoff after m more labels - payoff] / (m kappa), where all m labels are
    bought whatever their outcomes; M is the number that cap and budget left allow. Source: KG(*) of Frazier and Powell
    (2010), "Paradoxes in learning and the marginal value of information", for cases where the knowledge gradient is
    zero because one label cannot change a decision. Departure: M is at most ``most``. Quotas are ignored.

    Examples
    --------
    >>> import numpy as np
    >>> import seqaudit as sa
    >>> problem, none = sa.Problem([0.95], budget=20), np.array([[0]])
    >>> [bool(policy.scores(problem, none, none)[0, 0] > 1e-9) for policy in (sa.KnowledgeGradient(), sa.KGStar())]
    [False, True]
    """

    name: ClassVar[str] = "kg-star"
    uses_remaining: ClassVar[bool] = True
    rule = staticmethod(_kernels.fixed_look_ahead)
