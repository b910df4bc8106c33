"""Variance reduction: the expected decrease of the audit index by one label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from ...dp.problem.states import ItemStates
from ..policy import IndexPolicy

__all__ = ["VarianceReduction"]


@dataclass(frozen=True)
class VarianceReduction(IndexPolicy):
    """Label the item whose next label lowers the weighted variance of its indicator most.

    Rule: index v mu (1-mu) (p+ - p-)^2, the expected decrease of v p (1-p), since p is a martingale. For a Beta belief
    this is v D^2 / (a b) with D = t^a (1-t)^b / B(a, b): closed form, constant time, positive everywhere and free of
    cancellation. Source: the one-step look-ahead on the loss of Lemma (2026), eq. 22, in place of that paper's eq. 24,
    which is zero.

    Examples
    --------
    >>> import numpy as np
    >>> import seqaudit as sa
    >>> t, none = 0.7, np.array([[0]])
    >>> index = sa.VarianceReduction().scores(sa.Problem([t], budget=1), none, none)
    >>> bool(np.isclose(index[0, 0], (t * (1 - t)) ** 2, rtol=1e-12))
    True
    """

    name: ClassVar[str] = "variance-reduction"
    anytime: ClassVar[bool] = True

    def index(self, states: ItemStates) -> Any:
        """Expected decrease of the weighted variance, per unit of cost."""
        return states.weight * states.mean * (1.0 - states.mean) * states.jump**2 / states.cost
