"""Validation of field values: each function returns the value in its plain type, or raises an error.

Every error is a ``ValueError`` that reads "FIELD is VALUE; it must ..." or, for a choice between words, "FIELD is
VALUE; allowed: ...". A number is a Python or NumPy number of any width, alone or in an array without dimensions; True,
False, text such as "3" and missing values are not numbers. ``number_arrays`` holds arrays to the same rule.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sized
from decimal import Decimal
from fractions import Fraction
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arrays import Bools
from .kinds import require_type
from .messages import listed, plain, shown

__all__ = [
    "every",
    "file_path",
    "flip_chance",
    "is_number",
    "nonnegative",
    "number",
    "number_of_text",
    "one_of",
    "positive",
    "probabilities",
    "probability",
    "real_or_none",
    "refused",
    "same_length",
    "vote_or_none",
    "whole",
    "whole_or_none",
]

# Largest whole number that an array holds.
_LARGEST = 2**63 - 1


def refused(field: str, value: Any, must: str) -> ValueError:
    """Error that reads "FIELD is VALUE; it must ..."."""
    return ValueError(f"{field} is {shown(value)}; it must {must}")


def real_or_none(value: Any) -> float | None:
    """Value as a float if it is a number that a float holds, else None."""
    found = plain(value)
    if isinstance(found, (bool, np.bool_)) or not isinstance(found, (Real, Decimal)):
        return None
    try:
        return float(found)
    except (OverflowError, ValueError):
        return None


def _real(field: str, value: Any) -> float:
    x = real_or_none(value)
    if x is None:
        too_large = isinstance(value, Real) and not isinstance(value, (bool, np.bool_))
        raise refused(field, value, "be a number below 1.8e308 in size" if too_large else "be a number")
    return x


def number(field: str, value: Any, within: Callable[[float], Any] | None = None, allowed: str = "a number") -> float:
    """Return a field's value as a float.

    Parameters
    ----------
    field : str
        Name of the field in the error message.
    value : object
    within : callable, optional
        Returns True for the allowed numbers; default: all numbers, including nan and the infinities.
    allowed : str
        Description of the numbers that ``within`` allows, to follow "it must be".

    Returns
    -------
    float

    Raises
    ------
    ValueError
        For a value that is not a number, or a number that is not allowed.

    Examples
    --------
    >>> number("flip", 0.7, lambda x: 0 <= x < 0.5, "at least 0 and below 1/2")
    Traceback (most recent call last):
    ValueError: flip is 0.7; it must be at least 0 and below 1/2
    """
    x = _real(field, value)
    if within is not None and not within(x):
        raise refused(field, value, f"be {allowed}")
    return x


def positive(field: str, value: Any) -> float:
    """Return a field's value as a positive, finite float."""
    return number(field, value, lambda x: 0 < x < np.inf, "positive and finite")


def nonnegative(field: str, value: Any) -> float:
    """Return a field's value as a finite float, at least 0."""
    return number(field, value, lambda x: 0 <= x < np.inf, "a finite number, at least 0")


def probability(field: str, value: Any, *, most: Fraction | int = 1, ends: bool = False) -> float:
    """Return a field's value as a float between 0 and ``most``; with ``ends``, 0 and ``most`` are allowed too."""
    x = _real(field, value)
    if not (0 <= x <= most if ends else 0 < x < most):
        raise refused(field, value, f"be a number from 0 to {most}" if ends else f"lie strictly between 0 and {most}")
    return x


def flip_chance(field: str, value: Any) -> float:
    """Return the probability that a label is flipped as a float: at least 0 and below 1/2."""
    return number(field, value, lambda x: 0 <= x < 0.5, "at least 0 and below 1/2")


def whole_or_none(value: Any, *, floats: bool = False) -> int | None:
    """Value as an int if it is a whole number, else None; with ``floats``, 4.0 counts as one."""
    value = plain(value)
    if isinstance(value, (bool, np.bool_)):
        return None
    if isinstance(value, Integral):
        return int(value)
    if not floats or not isinstance(value, (Real, Decimal)):
        return None
    try:
        number = int(value)  # type: ignore[arg-type]
    except (ValueError, OverflowError):
        return None
    return number if number == value else None


def vote_or_none(value: Any) -> int | None:
    """Vote as 0 or 1, else None; True and 1.0 are votes of 1."""
    if isinstance(value, (bool, np.bool_)):
        return int(value)
    found = whole_or_none(value, floats=True)
    return found if found in (0, 1) else None


def whole(field: str, value: Any, least: int = 0, most: int | None = None, allowed: str | None = None) -> int:
    """Return a field's value as a whole number from ``least`` to ``most``.

    Parameters
    ----------
    field : str
        Name of the field in the error message.
    value : object
        Python or NumPy integer; 4.0 is refused.
    least, most : int
        Smallest and largest allowed value; by default the largest is that of a machine integer, 2**63 - 1.
    allowed : str, optional
        Description of the allowed values, to follow "it must be".

    Returns
    -------
    int

    Raises
    ------
    ValueError
        For a value that is not a whole number within the limits.

    Examples
    --------
    >>> whole("depth", 0, least=1)
    Traceback (most recent call last):
    ValueError: depth is 0; it must be a whole number, at least 1
    """
    n = whole_or_none(value)
    if n is None or n < least or n > (_LARGEST if most is None else most):
        beyond = most is None and n is not None and n > _LARGEST
        range_of = (
            f" from {least} to {_LARGEST if beyond else most}" if beyond or most is not None else f", at least {least}"
        )
        raise refused(field, value, f"be {allowed or 'a whole number' + range_of}")
    return n


def one_of(field: str, value: Any, allowed: Collection[str]) -> str:
    """Return a field's value if it is one of the allowed words.

    Examples
    --------
    >>> one_of("ties", "last", ("random", "first"))
    Traceback (most recent call last):
    ValueError: ties is 'last'; allowed: 'random', 'first'
    """
    if not isinstance(value, str) or value not in allowed:
        raise ValueError(f"{field} is {shown(value)}; allowed: {listed(allowed)}")
    return value


def file_path(field: str, value: Any) -> Path:
    """Return a field's value as the path of a file or folder.

    Raises
    ------
    WrongKind
        For a value that is neither text nor a path.
    ValueError
        For a path that no system can hold.

    Examples
    --------
    >>> file_path("path", None)
    Traceback (most recent call last):
    seqaudit.posteriors.foundation.kinds.WrongKind: path is None; it must be text or a path
    """
    require_type(field, value, (str, os.PathLike), "text or a path")
    text = os.fspath(value)
    try:
        holds = isinstance(text, str) and text and b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        holds = False
    if not holds:
        raise refused(field, value, "be text that can name a file: not empty, with no character of code 0")
    return Path(text)


def number_of_text(text: str) -> float | None:
    """Number that a text is in plain digits; None for any other text.

    Python alone reads digits of other scripts, and underscores between digits, which are rather slips.

    Examples
    --------
    >>> number_of_text(" -1.5e-3"), number_of_text("1_5"), number_of_text("0,5")
    (-0.0015, None, None)
    """
    if not text.isascii() or "_" in text:
        return None
    try:
        return float(text)
    except ValueError:
        return None


def is_number(text: str) -> bool:
    """True for text that is a number in plain digits, or the name of one that is none."""
    return number_of_text(text) is not None


def every(field: str, values: NDArray[Any], ok: Bools, allowed: str) -> None:
    """Raise an error for the first value of an array where ``ok``, an array of the same shape, is False."""
    if not np.all(ok):
        raise refused(field, values[~ok][0], f"be {allowed}")


def probabilities(field: str, values: NDArray[Any]) -> None:
    """Raise an error for the first value of an array that is not strictly between 0 and 1."""
    inside = (values > 0) & (values < 1)
    if not np.all(inside):
        probability(field, values[~inside][0])


def same_length(**fields: Sized) -> None:
    """Raise an error unless all fields have the same length."""
    (first, values), *rest = fields.items()
    for field, others in rest:
        if len(others) != len(values):
            raise ValueError(
                f"{field} has {len(others)} entries and {first} has {len(values)}; they must have the same length"
            )
