"""Tolerance of comparisons between numbers that are equal up to rounding.

Other tolerances are defined where they are used: the accuracy of a solver, the slack of a budget, the smallest
difference that a study reports.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .arrays import Bools

__all__ = ["ROUNDING", "above"]

# The same number computed in two ways may differ by a few units of 1e-16, and a sum over many items or labels by more.
# Numbers this close count as equal: a probability exactly at a limit (p = 1/2, p = eps, a share that is just reached)
# must fall on the same side, and equal payoffs must compare equal, however they were computed. For probabilities the
# tolerance is absolute; for payoffs, weights and other sums it is relative to their size.
ROUNDING = 1e-12


def above(value: ArrayLike, bar: ArrayLike) -> Bools:
    """Mask of the rates, means or tails that exceed a bar; one that equals it up to rounding does not.

    Every comparison with a bar uses it, on the side of the truth and on that of the decision, so that a bar of 3/4 and
    one that was computed from log-probabilities part the items alike.

    Examples
    --------
    >>> above([0.75, 0.75 + 1e-15, 0.76], 0.75)
    array([False, False,  True])
    """
    found: Any = np.asarray(value) > np.asarray(bar) + ROUNDING
    return np.asarray(found)
