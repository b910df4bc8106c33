"""The optimal policy of a small problem."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np

from ...dp.exact.kept_policy import KeptPolicy
from ...dp.exact.solve import Solution, require_policy, solve
from ...dp.problem.problem import Problem
from ...posteriors.foundation.arrays import Bools, Floats, Ints
from ..policy import JointPolicy, even_over_best

__all__ = ["Exact"]


@lru_cache(maxsize=1)
def _solved(problem: Problem) -> Solution:
    return solve(problem, keep_policy=True)


@dataclass(frozen=True)
class Exact(JointPolicy):
    """Label an item that attains the maximum in Bellman's equation.

    Rule: score 1 for every optimal item, 0 for the others. Source: backward induction, ``seqaudit.dp.exact.solve``.
    Small problems only: the optimal items of every live state are kept, one bit for each item.

    Examples
    --------
    >>> import seqaudit as sa
    >>> problem, policy = sa.Problem([0.5, 0.5], budget=10), sa.Exact()
    >>> round(policy.solution(problem).value, 10), round(sa.evaluate(problem, policy).value, 10)
    (1.7060546875, 1.7060546875)
    """

    name: ClassVar[str] = "exact"

    def require(self, problem: Problem) -> None:
        """Raise ``ProblemTooLarge`` unless the problem can be solved with its policy kept.

        Raises ``ValueError`` for a problem with batches of several labels.
        """
        if problem.batch > 1:
            raise ValueError(
                f"batch is {problem.batch}: exact chooses label by label; solve(problem, keep_policy=True) has the "
                "optimal batches"
            )
        require_policy(problem)

    def prepare(self, problem: Problem) -> None:
        """Solve the problem."""
        _solved(problem)

    def solution(self, problem: Problem) -> Solution:
        """Solution of the problem, with its policy kept.

        Parameters
        ----------
        problem : Problem
            The last one is remembered.

        Returns
        -------
        Solution
        """
        return _solved(problem)

    def action_probabilities(self, problem: Problem, counts: Ints, wins: Ints, usable: Bools) -> Floats:
        """Probabilities, equal over the optimal items that can be labelled, or one for the first; shape (S, N).

        Where no optimal item can be labelled, as while its answer is outstanding, they are equal over the others.
        """
        return even_over_best(self.scores(problem, counts, wins), usable, 0.0, self.ties)

    def stops(self, problem: Problem, counts: Ints, wins: Ints, usable: Bools) -> Bools:
        """Mask of the states in which it is better to stop, shape (S,)."""
        if not problem.may_stop:
            return super().stops(problem, counts, wins, usable)
        return ~self.scores(problem, counts, wins).any(axis=1)

    def scores(self, problem: Problem, counts: Ints, wins: Ints) -> Floats:
        """One for the optimal items, zero for the others, shape (R, N)."""
        kept = self.solution(problem).kept
        assert isinstance(kept, KeptPolicy), "solved with single labels and a kept policy"
        out = np.zeros(counts.shape)
        spent = counts.sum(axis=1)
        for labels in np.unique(spent):
            rows = spent == labels
            out[rows] = kept.acceptable(counts[rows], wins[rows])
        return out
