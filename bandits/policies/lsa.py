"""The logarithmic-sample algorithm for thresholding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ...dp.problem.problem import Problem
from ...dp.problem.states import ItemStates
from ...posteriors.foundation.refusals import positive
from ..policy import IndexPolicy

__all__ = ["LSA"]


@dataclass(frozen=True)
class LSA(IndexPolicy):
    """Label the item with the least evidence that its share of wins is on one side of its threshold.

    Rule: index -(alpha n (w / n - t)^2 + ln(n) / 2) after n labels with w wins, and 1 after none, so that every item is
    labelled once at first. Source: the logarithmic-sample algorithm LSA of Tao, Blanco, Peng and Zhou (2019),
    "Thresholding bandit with optimal aggregate regret". As published it ignores prior, weight, cost and utility.
    Departure: the default of ``alpha`` is ours, not the authors': with 2, minus the index is the exponent of
    Hoeffding's bound exp(-2 n (w / n - t)^2) / sqrt(n).

    Parameters
    ----------
    alpha : float
        Weight of the distance term relative to the term in the number of labels; positive.

    Raises
    ------
    ValueError
        For an ``alpha`` that is not positive.

    Examples
    --------
    >>> import seqaudit as sa
    >>> problem = sa.Problem([0.5, 0.7], budget=4)
    >>> {alpha: round(sa.evaluate(problem, sa.LSA(alpha)).value, 6) for alpha in (0.1, 2.0)}
    {0.1: 1.554667, 2.0: 1.585917}
    """

    alpha: float = 2.0
    name: ClassVar[str] = "lsa"
    anytime: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        positive(f"{self.name}: alpha", self.alpha)

    def index(self, states: ItemStates) -> Any:
        """Minus the evidence."""
        n = np.maximum(states.labels, 1.0)
        evidence = self.alpha * n * (states.wins / n - states.threshold) ** 2 + 0.5 * np.log(n)
        return np.where(states.labels == 0, 1.0, -evidence)

    def index_scale(self, problem: Problem) -> float:
        """One: an index is made of differences of rates, which are at most 1."""
        return 1.0
