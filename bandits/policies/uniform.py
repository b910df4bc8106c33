"""Uniform sampling: the next item is drawn at random."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ...dp.problem.states import ItemStates
from ...posteriors.foundation.messages import shown
from ..policy import IndexPolicy

__all__ = ["Uniform"]


@dataclass(frozen=True)
class Uniform(IndexPolicy):
    """Label an item drawn uniformly among those that can be labelled.

    Rule: every index is zero, and the tie is broken at random. Source: the baseline of Lemma (2026), section 9.

    Raises
    ------
    ValueError
        For ``ties="first"``, which would always label the first item.

    Examples
    --------
    >>> import seqaudit as sa
    >>> round(sa.evaluate(sa.Problem([0.5, 0.7], budget=4), sa.Uniform()).value, 6)
    1.536442
    """

    name: ClassVar[str] = "uniform"
    anytime: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.ties != "random":
            raise ValueError(f"uniform: ties is {shown(self.ties)}; uniform sampling breaks its ties at random")

    def index(self, states: ItemStates) -> float:
        """Zero everywhere."""
        return 0.0
