"""Equality of frozen records that hold arrays."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np

__all__ = ["EqualByContents", "same_value"]


def same_value(one: Any, two: Any) -> bool:
    """True for equal values; arrays are equal with equal shapes and entries, nan in the same places.

    Examples
    --------
    >>> same_value(np.array([1.0, np.nan]), np.array([1.0, np.nan])), same_value(np.zeros(2), 0.0)
    (True, False)
    """
    if isinstance(one, np.ndarray) or isinstance(two, np.ndarray):
        if type(one) is not type(two) or one.shape != two.shape:
            return False
        floats = one.dtype.kind == two.dtype.kind == "f"
        return bool(np.array_equal(one, two, equal_nan=floats))
    return bool(one == two)


class EqualByContents:
    """Base of frozen records that hold arrays: those of one class with equal fields are equal.

    Arrays have no single truth value, so the comparison that a dataclass generates could only raise. Such records
    cannot be hashed, like the arrays in them.
    """

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(same_value(getattr(self, f.name), getattr(other, f.name)) for f in fields(self))  # type: ignore[arg-type]
