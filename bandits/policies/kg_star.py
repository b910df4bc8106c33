"""KG(*): the knowledge gradient of the best number of labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...dp.problem.problem import Problem
from ...posteriors.foundation.arrays import Floats, Ints
from ..kernels import ahead as _kernels
from .ahead import AheadPolicy, affordable

__all__ = ["KGStar"]


@dataclass(frozen=True)
class KGStar(AheadPolicy):
    """Label the item that gains most a label, for the number of labels where that is most.

    Rule: index max over m = 1, .., M of E[payoff after m more labels - payoff] / (m kappa), all m labels bought come
    what may; M is what cap and budget left allow. Source: KG(*) of Frazier and Powell (2010), "Paradoxes in learning
    and the marginal value of information", made for where the knowledge gradient is zero because one label cannot
    change a decision. Departure: M is at most ``most``. Quotas are not looked at.

    Parameters
    ----------
    most : int
        Labels to look ahead at most.

    Examples
    --------
    >>> import seqaudit as sa
    >>> round(sa.evaluate(sa.Problem([0.5, 0.7], budget=4), sa.KGStar()).value, 6)
    1.6112
    """

    name: ClassVar[str] = "kg-star"
    uses_remaining: ClassVar[bool] = True
    rule = staticmethod(_kernels.fixed_look_ahead)

    def ahead(self, problem: Problem, items: Ints, labels: Ints, remaining: Floats) -> Ints:
        """What cap and budget left allow, and at most ``most``."""
        return np.minimum(affordable(problem, items, labels, remaining), self.most)
