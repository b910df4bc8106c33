"""Rates of pools of votes with their Wilson intervals, by which the truth of an item may be unsure (Wilson 1927)."""

from __future__ import annotations

import numpy as np
import scipy

from ...posteriors.foundation.arrays import Bools, Floats, Ints

__all__ = ["is_unsure", "wilson"]

_LEVEL = 0.95


def wilson(wins: Ints, counts: Ints, level: float = _LEVEL) -> tuple[Floats, Floats]:
    """Ends of the Wilson intervals of rates, elementwise; 0 and 1 without votes.

    Parameters
    ----------
    wins, counts : ndarray of int
    level : float
        Probability with which an interval holds the rate.

    Returns
    -------
    low, high : ndarray of float64

    Examples
    --------
    >>> low, high = wilson(np.array([8]), np.array([10]))
    >>> low.round(3), high.round(3)
    (array([0.49]), array([0.943]))
    """
    n = np.maximum(counts, 1)
    z = float(scipy.special.ndtri(0.5 + level / 2.0))
    rate, part = wins / n, z * z / n
    middle = (rate + part / 2.0) / (1.0 + part)
    half = np.sqrt(part * (rate * (1.0 - rate) + part / 4.0)) / (1.0 + part)
    # At the ends of the range rounding would leave the rate itself outside.
    low, high = np.where(wins > 0, middle - half, 0.0), np.where(wins < n, middle + half, 1.0)
    return np.where(counts > 0, low, 0.0), np.where(counts > 0, high, 1.0)


def is_unsure(wins: Ints, counts: Ints, threshold: Floats) -> Bools:
    """True for items whose threshold lies in the 95 % interval of their rate: the votes do not settle the truth."""
    low, high = wilson(wins, counts)
    return (low <= threshold) & (threshold <= high)
