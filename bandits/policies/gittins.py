"""Gittins index: the highest price at which a label is worth buying, with unlimited labels to come."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np

from ...dp.bounds.lagrangian_relaxation import one_kink
from ...dp.kernels import kinked_index as _kernels_index
from ...dp.problem.problem import Problem
from ...dp.single_item.stopping import require_unlimited
from ...posteriors.beliefs.tails import tail
from ...posteriors.foundation.arrays import Floats, Ints
from ..kernels import ahead as _kernels
from .ahead import AheadPolicy

__all__ = ["Gittins"]


@lru_cache(maxsize=8)
def _require_unlimited(problem: Problem) -> None:
    require_unlimited(problem)


@dataclass(frozen=True)
class Gittins(AheadPolicy):
    """Label the item whose next label is worth the highest price, with unlimited labels to come.

    Rule: index sup{price of a unit of cost at which one more label is worth buying}. It is the largest ratio of
    expected gain to expected cost over all rules that buy at least one label of the item and may stop at any time; caps
    and budget are ignored. Source: Gittins (1979), "Bandit processes and dynamic allocation indices", without discount.
    Departure: such rules buy at most ``most`` labels, which can only make an index too low; ``seqaudit.gittins_index``
    looks as far ahead as asked, and bounds its error. Simulations of 200 items and more, with Beta beliefs, a utility
    with one kink and ``most`` from 64 to 96, take the index from tables that look at least 96 labels ahead. Where many
    items share a prior, it is interpolated between thresholds; a test bounds the mean error by .4 %. The policy applies
    to items without rewards, and to utilities that never rise above their chord.

    Parameters
    ----------
    most : int
        Labels to look ahead.

    Examples
    --------
    >>> import numpy as np
    >>> import seqaudit as sa
    >>> problem, none = sa.Problem([0.9], budget=4), np.array([[0]])
    >>> [round(float(sa.Gittins(most).scores(problem, none, none)[0, 0]), 6) for most in (1, 8, 64)]
    [0.0, 0.009205, 0.012453]
    """

    name: ClassVar[str] = "gittins"
    anytime: ClassVar[bool] = True
    rule = staticmethod(_kernels.stopping_index)

    def ahead(self, problem: Problem, items: Ints, labels: Ints, remaining: Floats) -> Ints:
        """Look-ahead of ``most`` labels in every state."""
        _require_unlimited(problem)
        return np.full(labels.shape, self.most, dtype=np.int64)

    def require(self, problem: Problem) -> None:
        """Raise ``ValueError`` for rewards and utilities above their chord; ``ProblemTooLarge`` for too many items."""
        try:
            require_unlimited(problem)
        except ValueError as error:
            raise ValueError(f"{self.name}: {error}") from None
        if one_kink(problem) is None:
            super().require(problem)

    def _at(self, problem: Problem, items: Ints, labels: Ints, wins: Ints, left: Floats) -> Floats:
        kink = one_kink(problem)
        if kink is None:
            return super()._at(problem, items, labels, wins, left)
        # With one kink, neither tables nor kept answers are needed.
        assert isinstance(problem.prior, np.ndarray)
        out = np.zeros(labels.shape)
        # The labels of a sharp item are worth nothing: see ``one_kink``.
        real = (wins <= labels) & ~problem.sharp[items]
        i, won = items[real], wins[real]
        a, b = problem.prior[i, 0] + won, problem.prior[i, 1] + (labels[real] - won)
        t, found = problem.threshold[i], np.empty(len(i))
        _kernels_index.indices_ahead(a, b, t, tail(a, b, t), *kink, int(self.most), found)
        out[real] = found * problem.weight[i] / problem.cost[i]
        return out

    def _depth(self, problem: Problem) -> int:
        return int(self.most)
