"""Anytime parameter-free thresholding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ...dp.problem.problem import Problem
from ...dp.problem.states import ItemStates
from ...posteriors.foundation.refusals import nonnegative
from ..policy import IndexPolicy

__all__ = ["APT"]


@dataclass(frozen=True)
class APT(IndexPolicy):
    """Label the item whose share of wins is closest to its threshold for the labels it has.

    Rule: index -sqrt(n) (|w / n - t| + epsilon) after n labels with w wins, and 1 after none, as the published rule
    begins with one label of each item. Source: the algorithm APT of Locatelli, Gutzeit and Carpentier (2016), "An
    optimal algorithm for the thresholding bandit problem". As published it ignores prior, weight, cost and utility, and
    takes every label at face value. Departure: ties are broken at random.

    Parameters
    ----------
    epsilon : float
        Precision: items closer to their threshold than this may be decided either way; at least 0.

    Raises
    ------
    ValueError
        For a negative ``epsilon``.

    Examples
    --------
    >>> import numpy as np
    >>> import seqaudit as sa
    >>> problem = sa.Problem([0.5, 0.7], budget=8)
    >>> sa.APT().scores(problem, np.array([[4, 4]]), np.array([[3, 3]])).round(6).tolist()
    [[-0.5, -0.1]]
    """

    epsilon: float = 0.0
    name: ClassVar[str] = "apt"
    anytime: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        nonnegative(f"{self.name}: epsilon", self.epsilon)

    def index(self, states: ItemStates) -> Any:
        """Minus the distance to the threshold, times the square root of the labels."""
        distance = np.abs(states.wins / np.maximum(states.labels, 1.0) - states.threshold)
        return np.where(states.labels == 0, 1.0, -np.sqrt(states.labels) * (distance + self.epsilon))

    def index_scale(self, problem: Problem) -> float:
        """One: an index is a difference of rates, which are at most 1."""
        return 1.0
