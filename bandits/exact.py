"""The optimum as a policy."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np

from ..dp.backward import Solution, solve
from ..dp.problem import Problem
from .policy import Counts, Floats, Policy

__all__ = ["Exact"]


@lru_cache(maxsize=1)
def _solved(problem: Problem) -> Solution:
    return solve(problem, keep_policy=True)


@dataclass(frozen=True)
class Exact(Policy):
    """Label an item that attains the maximum in Bellman's equation.

    Rule: score 1 for every optimal item, 0 for the others. Source: backward induction, ``seqaudit.dp.backward``. Small
    problems only: the optimal items of every state are kept, 8 bytes a state.

    Examples
    --------
    >>> import seqaudit as sa
    >>> round(sa.evaluate(sa.Problem([0.5, 0.5], budget=10), sa.Exact()).value, 10)
    1.7060546875
    """

    name: ClassVar[str] = "exact"

    def solution(self, problem: Problem) -> Solution:
        """Solved problem with the policy kept."""
        return _solved(problem)

    def scores(self, problem: Problem, counts: Counts, wins: Counts) -> Floats:
        """One for the optimal items, zero for the others, shape (R, N)."""
        solution = self.solution(problem)
        out = np.zeros(counts.shape)
        for r in range(len(counts)):
            out[r, solution.optimal_items(counts[r], wins[r])] = 1.0
        return out
