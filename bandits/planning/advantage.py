"""Policies that compute the advantage of labelling each item over buying no further label, and label the best."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

from ...dp.problem.problem import Problem
from ...posteriors.foundation.arrays import Bools, Floats, Ints
from ..policy import JointPolicy, even_over_finite
from ..scoring import for_distinct

__all__ = ["AdvantagePolicy"]


@dataclass(frozen=True)
class AdvantagePolicy(JointPolicy):
    """A policy that labels an item of largest advantage among its candidates."""

    @abstractmethod
    def values(self, problem: Problem, counts: Ints, wins: Ints, usable: Bools) -> Floats:
        """Advantage of labelling each item over buying no further label.

        Parameters
        ----------
        problem : Problem
        counts, wins : ndarray of int, shape (S, N)
            Labels and wins of each item in S states.
        usable : ndarray of bool, shape (S, N)
            Items that can be labelled now.

        Returns
        -------
        ndarray, shape (S, N)
            In units of payoff; -inf for an item that is not a candidate.
        """

    def action_probabilities(self, problem: Problem, counts: Ints, wins: Ints, usable: Bools) -> Floats:
        """Probabilities, equal over the best items; shape (S, N)."""

        def rule(counts: Ints, wins: Ints, usable: Bools) -> Floats:
            return even_over_finite(self.values(problem, counts, wins, usable), usable, problem, self.ties)

        return for_distinct(rule, counts, wins, usable)
