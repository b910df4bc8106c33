"""Averages over replications, and their standard errors, of numbers of any size."""

from __future__ import annotations

import numpy as np

from .arrays import Floats

__all__ = ["error_of_average", "mean_of"]

# Squares of larger numbers, and sums of a few of them, are no numbers.
_LARGE = 1e140


def mean_of(values: Floats, axis: int | None = None) -> Floats:
    """Mean over all values, or along an axis.

    Examples
    --------
    >>> float(mean_of(np.array([1.5e308, 1.5e308])))
    1.5e+308
    """
    unit = _unit(values)
    return np.asarray((values / unit).mean(axis=axis) * unit)


def error_of_average(values: Floats, axis: int | None = None) -> Floats:
    """Standard error of the mean, from the spread of the values; NaN for a single one.

    Parameters
    ----------
    values : ndarray
        Independent replications, all together or along the axis.
    axis : int, optional

    Returns
    -------
    ndarray

    Examples
    --------
    >>> float(error_of_average(np.array([1e200, 3e200])) / 1e200)
    1.0
    >>> float(error_of_average(np.array([1.0])))
    nan
    """
    count = values.size if axis is None else values.shape[axis]
    unit = _unit(values)
    if count < 2:
        return np.full_like(mean_of(values, axis), np.nan)
    return np.asarray((values / unit).std(axis=axis, ddof=1) / np.sqrt(count) * unit)


def _unit(values: Floats) -> float:
    """Power of two by which values are divided; 1 but for values beyond any usual size."""
    largest = float(np.abs(values).max(initial=0.0))
    return float(np.ldexp(0.5, np.frexp(largest)[1])) if _LARGE < largest < np.inf else 1.0
