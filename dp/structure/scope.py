"""Scope of the structure report: reachable states, gains that count as equal, and properties that are proved.

Gains count as equal if they differ by at most 1e-12 of the item's largest payoff, or by four times the change in payoff
that the rounding of a tail probability causes, whichever is more. Under ``entropy``, whose slope is log(p / (1-p)),
that is 3e-12. This slack is above the rounding of gains, and weakens the guarantees by as much for each label. If h is
convex and no win has a negative reward, monotonicity is proved (p is a martingale; Jensen), and rounded gains are not
tested for it.

Under quotas an item may never get the labels that its cap allows. States with more labels do not count.
"""

from __future__ import annotations

import numpy as np
import scipy

from ...posteriors.foundation.arrays import Bools, Floats
from ...posteriors.foundation.tolerances import ROUNDING
from ...posteriors.utilities import Utility
from ..problem.budget import most_of_each
from ..problem.problem import Problem

__all__ = ["never_harmful", "slacks", "within_reach"]


# Largest rounding error of tail probabilities, and the change of h above which it is a jump and not rounding.
_TAIL, _JUMP = 2.5e-14, 1e-9


def never_harmful(problem: Problem) -> Bools:
    """Mask of the items of which it is proved that no label does harm in expectation, shape (N,).

    Examples
    --------
    >>> never_harmful(Problem([0.5, 0.5], budget=2, reward=[0.0, -1.0]))
    array([ True, False])
    """
    return (problem.reward >= 0) & (problem.utility.convex and problem.label_price == 0)


def within_reach(problem: Problem) -> Problem:
    """Problem with each cap reduced to the number of labels that the item can get if all quotas are met."""
    if not problem.quota:
        return problem
    most = most_of_each(problem.quota, problem.cost, problem.cap, problem.budget)
    return problem.replace(cap=most)


def slacks(problem: Problem) -> Floats:
    """Difference up to which gains of each item count as equal, shape (N,)."""
    largest = float(np.abs(problem.utility(np.linspace(0.0, 1.0, 1001))).max())
    paid = ROUNDING * (problem.weight * largest + np.abs(problem.reward) * problem.cap)
    return np.maximum(paid, 4.0 * _rounding(problem.utility) * problem.weight)


def _rounding(utility: Utility) -> float:
    """Largest change of h by the rounding of a tail probability, jumps excluded: h itself places a tail at a jump."""
    p = scipy.special.expit(np.linspace(-40.0, 40.0, 1601))
    change = np.abs(utility(np.minimum(p + _TAIL, 1.0)) - utility(p))
    change = np.append(change, np.abs(utility(np.maximum(p - _TAIL, 0.0)) - utility(p)))
    return float(change[change <= _JUMP].max(initial=0.0))
