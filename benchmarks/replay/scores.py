"""Scores of a replay at every checkpoint, against the full pool of votes.

Let p_i be the tail probability after the labels bought, v_i the weight, and truth_i = 1 if the share of wins among
*all* votes of item i exceeds its threshold:

    decision_accuracy    sum v 1{decision = truth} / sum v
    believed_mass        sum v p                                          (Lemma 2026, section 9)
    mass_error           |sum v p - sum v truth|
    decisive_05, _10     sum v 1{p >= 1-eps or p <= eps} / sum v          eps = .05, .1
    decisive_right_05    the part of decisive_05 whose decision equals the truth
    override_mass        sum v 1{c > 0} p                                 the reference is overruled
    override_error       |sum v 1{c > 0} (p - truth)|
    unresolved_override  share of the labels so far that went to items with c > 0 and p in (.05, .95)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...dp.problem.problem import Problem
from ...posteriors.foundation.arrays import Bools, Floats, Ints
from ...posteriors.scores import item_scores

__all__ = ["METRICS", "Scorer"]


METRICS = {
    "decision_accuracy": "share of weight decided as the full pool decides",
    "believed_mass": "sum v p",
    "mass_error": "distance of sum v p from its true value",
    "decisive_05": "share of weight with p within .05 of 0 or 1",
    "decisive_10": "share of weight with p within .1 of 0 or 1",
    "decisive_right_05": "share of weight decisive at .05 and right",
    "override_mass": "sum v p where c > 0",
    "override_error": "distance of the override mass from its true value",
    "unresolved_override": "share of labels on items with c > 0 that are not yet decisive at .05",
}


@dataclass(frozen=True)
class Scorer:
    """Scores of R replications against a pool's truth.

    Parameters
    ----------
    problem : Problem
    truth : ndarray of bool, shape (N,)
        True if an item's rate over the full pool exceeds its threshold.
    """

    problem: Problem
    truth: Bools

    def __call__(self, counts: Ints, wins: Ints) -> dict[str, Floats]:
        """Metrics of every replication, each of shape (R,), from labels and wins of shape (R, N)."""
        problem, v, truth = self.problem, self.problem.weight, self.truth
        p = problem.tail_at(counts, wins)
        total = v.sum()
        at_05, at_10 = (item_scores(problem.utility, p, truth, eps) for eps in (0.05, 0.1))
        override = problem.log_ratio > 0
        bought = counts.sum(axis=1)
        open_override = (counts * (override & (at_05.decisive == 0))).sum(axis=1)
        return {
            "decision_accuracy": at_05.right @ v / total,
            "believed_mass": p @ v,
            "mass_error": np.abs(p @ v - truth @ v),
            "decisive_05": at_05.decisive @ v / total,
            "decisive_10": at_10.decisive @ v / total,
            "decisive_right_05": at_05.decisive_right @ v / total,
            "override_mass": p @ (v * override),
            "override_error": np.abs((p - truth) @ (v * override)),
            "unresolved_override": open_override / np.maximum(bought, 1),
        }
