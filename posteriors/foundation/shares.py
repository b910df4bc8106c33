"""Shares of a possible gain: one rule for certificates, tables and figures."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .arrays import Floats
from .tolerances import ROUNDING

__all__ = ["no_gain", "share_of"]


def share_of(part: ArrayLike, possible: ArrayLike, scale: ArrayLike) -> Floats:
    """Part as a share of what is possible, elementwise; NaN where nothing is.

    Parameters
    ----------
    part, possible : array_like
        Amounts of one unit.
    scale : array_like
        Size of the numbers whose difference ``possible`` is: a difference that is only rounding is none.

    Returns
    -------
    ndarray of float64

    Examples
    --------
    >>> share_of([1.0, 1.0], [4.0, -2.0], 4.0)
    array([0.25,  nan])
    """
    whole = np.asarray(possible, dtype=np.float64)
    some = whole > ROUNDING * np.abs(scale)
    return np.where(some, np.asarray(part, dtype=np.float64) / np.where(some, whole, 1.0), np.nan)


def no_gain(prior_value: float) -> str:
    """Reason why there is no share: a sentence without its full stop."""
    return (
        f"no policy can gain over buying no label, worth {prior_value:.6g}, so there is no share of the possible gain"
    )
