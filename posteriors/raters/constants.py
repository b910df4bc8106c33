"""Ranges of the constants of rater models, within which every fit is computed with care.

On the log-odds scale a standard deviation of a thousandth is none, and one of a hundred makes every rate 0 or 1.
"""

from __future__ import annotations

from typing import Any

from ..foundation.refusals import number

__all__ = ["location", "log_scale", "scale", "shape"]


def scale(field: str, value: Any, most: float = 100.0) -> float:
    """Return a standard deviation, or the scale of one, as a float.

    Examples
    --------
    >>> scale("item_scale", 1e-9)
    Traceback (most recent call last):
    ValueError: item_scale is 1e-09; it must be from 0.001 to 100
    """
    return number(field, value, lambda x: 1e-3 <= x <= most, f"from 0.001 to {most:g}")


def log_scale(field: str, value: Any) -> float:
    """Return a standard deviation of logarithms, or the scale of one, as a float."""
    return scale(field, value, 20.0)


def shape(field: str, value: Any) -> float:
    """Return a parameter of a Beta or Dirichlet distribution as a float."""
    return number(field, value, lambda x: 1e-3 <= x <= 1e6, "from 0.001 to 1000000")


def location(field: str, value: Any) -> float:
    """Return a mean of logarithms as a float."""
    return number(field, value, lambda x: -20.0 <= x <= 20.0, "from -20 to 20")
