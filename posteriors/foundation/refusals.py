"""Values of fields, returned in their plain type or refused with the field's name."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral, Real
from typing import Any

import numpy as np

__all__ = ["checked_number", "count", "number", "numbers", "positive", "same_length"]


def checked_number(field: str, value: Any, within: Callable[[float], Any], allowed: str) -> float:
    """Return a value as a float; a ``ValueError`` where it is not a number within its range."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Real) or not within(float(value)):
        raise ValueError(f"{field} is {value!r}; it must be {allowed}")
    return float(value)


def number(field: str, value: Any) -> float:
    """Return a field's value as a float; a ``ValueError`` where it is no real number."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Real):
        raise ValueError(f"{field} is {value!r}; it must be a number")
    return float(value)


def positive(field: str, value: Any) -> float:
    """Return a field's value as a positive, finite float."""
    x = number(field, value)
    if not (np.isfinite(x) and x > 0):
        raise ValueError(f"{field} is {x}; it must be positive and finite")
    return x


def numbers(field: str, values: Any) -> tuple[float, ...]:
    """Return a field's values as a tuple of at least one finite float."""
    try:
        array = np.asarray(values)
        if array.dtype.kind not in "iuf" or array.ndim != 1 or not array.size:
            raise ValueError
    except ValueError:
        raise ValueError(f"{field} is {values!r}; it must be a list of at least one number") from None
    for k in np.flatnonzero(~np.isfinite(array)):
        raise ValueError(f"{field}[{k}] is {array[k]}; it must be finite")
    return tuple(float(x) for x in array)


def same_length(**fields: tuple[float, ...]) -> None:
    """Refuse fields that are not of one length."""
    (first, values), *rest = fields.items()
    for field, others in rest:
        if len(others) != len(values):
            raise ValueError(
                f"{field} has {len(others)} entries and {first} has {len(values)}; they must have the same length"
            )


def count(field: str, value: Any) -> int:
    """Return a field's value as a whole number, at least 0."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Integral) or value < 0:
        raise ValueError(f"{field} is {value!r}; it must be a whole number, at least 0")
    return int(value)
