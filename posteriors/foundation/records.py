"""Equality of frozen records that hold arrays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import cache, cached_property
from inspect import getattr_static
from operator import attrgetter
from typing import Any

import numpy as np

__all__ = ["EqualByContents", "EqualBySettings", "same_value", "settings_of"]


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


def settings_of(record: Any) -> dict[str, Any]:
    """Settings that tell a record from others of its class: fields that are compared, and attributes beside fields.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> settings_of(SimpleNamespace(depth=2))
    {'depth': 2}
    """
    stated = fields(record) if is_dataclass(record) else ()
    found = {field.name: getattr(record, field.name) for field in stated if field.compare}
    names = {field.name for field in stated}
    for name, value in getattr(record, "__dict__", {}).items():
        # What is computed once and kept says nothing new.
        if name not in names and not isinstance(getattr_static(type(record), name, None), cached_property):
            found[name] = value
    return found


class EqualBySettings:
    """Base of classes that others derive from: instances of one class with equal settings are equal.

    The comparison that a dataclass generates knows the fields of that class. In a class below, which need not be a
    dataclass, it would take two instances with other attributes for one.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Compare all settings wherever fields would be compared."""
        super().__init_subclass__(**kwargs)
        above = next(kind for kind in cls.__mro__ if "__eq__" in vars(kind))
        if above is not cls and "__dataclass_params__" in vars(above):
            cls.__eq__ = _equal_settings  # type: ignore[method-assign]
            cls.__hash__ = _hash_of_settings  # type: ignore[method-assign]


def _equal_settings(self: Any, other: object) -> bool:
    if type(other) is not type(self):
        return NotImplemented  # type: ignore[no-any-return]
    if other is self:
        return True
    mine, others = settings_of(self), settings_of(other)
    return mine.keys() == others.keys() and all(_is_same(x, others[key]) for key, x in mine.items())


def _is_same(one: Any, two: Any) -> bool:
    if one is two:
        return True
    several = any(isinstance(x, np.ndarray) and x.ndim for x in (one, two))
    return same_value(one, two) if several else bool(one == two)


def _hash_of_settings(self: Any) -> int:
    # Attributes that are no fields need not be hashable.
    return hash(_compared(type(self))(self))  # type: ignore[arg-type]


@cache
def _compared(kind: Any) -> Callable[[Any], Any]:
    """Function that returns the fields of a dataclass that are compared: policies are hashed for every label."""
    return attrgetter("__class__", *(field.name for field in fields(kind) if field.compare))


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
