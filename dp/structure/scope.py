"""What the structure report looks at: which states can be reached, which gains are equal, and what is proved.

Gains count as equal that differ by at most 1e-12 of the item's largest payoff, or by four times what the rounding of
a tail changes in a payoff, whichever is more: under ``entropy``, whose slope is log(p / (1-p)), that is 3e-12. It is
above their rounding, and costs the guarantees as much for each label. Where h is convex and a win's reward is not
negative, monotonicity is proved (p is a martingale; Jensen) and is not looked for in gains that are rounded.

Under quotas an item may never get the labels that its cap allows. States beyond do not count.
"""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from ...posteriors.foundation.arrays import Bools, Floats
from ...posteriors.foundation.tolerances import ROUNDING
from ...posteriors.utilities import Accuracy, Asymmetric, Entropy, Linear, NoPayoff, Utility, Variance
from ..problem.budget import most_of_each
from ..problem.problem import Problem

__all__ = ["never_harmful", "slacks", "within_reach"]


# What rounding of tails reaches, and the change of h that is a jump and no rounding.
_TAIL, _JUMP = 2.5e-14, 1e-9
_CONVEX = (Accuracy, Asymmetric, Variance, Entropy, Linear, NoPayoff)


def never_harmful(problem: Problem) -> Bools:
    """Whether it is proved of each item that no label of it does harm in expectation, shape (N,).

    Examples
    --------
    >>> never_harmful(Problem([0.5, 0.5], budget=2, reward=[0.0, -1.0]))
    array([ True, False])
    """
    return (problem.reward >= 0) & isinstance(problem.utility, _CONVEX)


def within_reach(problem: Problem) -> Problem:
    """The problem with caps that leave each item the labels that it can get when all quotas are met."""
    if not problem.quota:
        return problem
    most = most_of_each(problem.quota, problem.cost, problem.cap, problem.budget)
    return problem.replace(cap=most)


def slacks(problem: Problem) -> Floats:
    """What counts as equal among gains of each item."""
    largest = float(np.abs(problem.utility(np.linspace(0.0, 1.0, 1001))).max())
    paid = ROUNDING * (problem.weight * largest + np.abs(problem.reward) * problem.cap)
    return np.maximum(paid, 4.0 * _rounding(problem.utility) * problem.weight)


def _rounding(utility: Utility) -> float:
    """Most that rounding of a tail changes in h, jumps left out: which side of one a tail is on is decided by h."""
    p = expit(np.linspace(-40.0, 40.0, 1601))
    change = np.abs(utility(np.minimum(p + _TAIL, 1.0)) - utility(p))
    change = np.append(change, np.abs(utility(np.maximum(p - _TAIL, 0.0)) - utility(p)))
    return float(change[change <= _JUMP].max(initial=0.0))
