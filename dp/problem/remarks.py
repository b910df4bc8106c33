"""Remarks on features of a valid problem that its author may not intend."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...posteriors.foundation.messages import named
from ...posteriors.utilities import Accuracy, Asymmetric, Linear, NoPayoff

if TYPE_CHECKING:
    from .problem import Problem

__all__ = ["remarks_on"]


def remarks_on(problem: Problem) -> list[str]:
    """Remarks on a problem; see ``Problem.check``."""
    remarks = []
    utility = problem.utility
    if isinstance(utility, Linear) and not problem.reward.any():
        remarks.append("utility linear: every policy has the same value, because p is a martingale")
    if isinstance(utility, NoPayoff) and not problem.reward.any():
        remarks.append("utility none and no reward: nothing is ever paid")
    if problem.unit_costs and problem.labels < problem.budget:
        remarks.append(f"budget {problem.budget}: the caps allow only {problem.labels} labels")
    for i in np.flatnonzero(problem.cap == 0):
        remarks.append(f"{named(problem.name[i])}: cap is 0, it can never be labelled")
    if isinstance(utility, (Accuracy, Asymmetric)):
        best, worst = problem.tail_at(problem.cap, problem.cap), problem.tail_at(problem.cap, np.zeros(problem.size))
        dead = utility.decide(best) == utility.decide(worst)
        for i in np.flatnonzero(dead & (problem.cap > 0) & (problem.reward == 0)):
            remarks.append(
                f"{named(problem.name[i])}: no sequence of {problem.cap[i]} labels can change its decision; "
                "labels on it are wasted"
            )
    return remarks
