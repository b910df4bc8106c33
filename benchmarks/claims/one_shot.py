"""The best allocation made before any label is seen, as a policy, for comparison with sequential ones."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np

from ...bandits.policy import IndexPolicy
from ...dp.designs.allocation import allocate
from ...dp.problem.problem import Problem
from ...dp.problem.states import ItemStates
from ...posteriors.foundation.arrays import Ints
from ...posteriors.foundation.refusals import whole

__all__ = ["OneShot"]


@dataclass(frozen=True)
class OneShot(IndexPolicy):
    """Buy the labels that ``allocate`` gives each item, whatever their outcomes, in an order that does not matter.

    Rule: index 1 while labels of an item's allocation are left, else 0; what the allocation leaves of the budget is
    spent at random. Source: Lemma (2026), eq. 25. It is meant for the whole budget: on the way it is no good
    allocation.

    Parameters
    ----------
    most : int
        Largest number of labels that the allocation gives one item: its tables grow with the square.

    Examples
    --------
    >>> import seqaudit as sa
    >>> problem = sa.Problem([0.5, 0.9], budget=3)
    >>> sa.allocate(problem).counts.tolist(), sa.expected_labels(problem, OneShot()).round(9).tolist()
    ([3, 0], [3.0, 0.0])
    """

    most: int = 250
    name: ClassVar[str] = "one-shot"

    def __post_init__(self) -> None:
        whole("most", self.most, 1)

    def index(self, states: ItemStates) -> Any:
        """1 while labels of the allocation are left, else 0."""
        return 1.0 * (states.labels < _allocated(states.problem, self.most)[states.item])


@lru_cache(maxsize=8)
def _allocated(problem: Problem, most: int) -> Ints:
    return allocate(problem.replace(cap=np.minimum(problem.cap, most))).counts
