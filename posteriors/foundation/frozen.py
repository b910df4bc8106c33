"""Fields of frozen records: checked once the record is made, and arrays that stay read-only in its copies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["ReadOnlyCopies", "check_fields"]


class ReadOnlyCopies:
    """Base of frozen records whose arrays are read-only.

    NumPy makes the arrays of a copied or unpickled object writeable; those of such a record become read-only again.

    Examples
    --------
    >>> import copy
    >>> from seqaudit import Problem
    >>> copy.deepcopy(Problem([0.5], budget=2)).threshold.flags.writeable
    False
    """

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore the fields."""
        for value in state.values():
            _freeze(value)
        self.__dict__.update(state)


def _freeze(value: Any) -> None:
    if isinstance(value, np.ndarray):
        value.setflags(write=False)
    elif isinstance(value, tuple):
        for part in value:
            _freeze(part)


def check_fields(record: Any, check: Callable[[str, Any], Any], *fields: str) -> None:
    """Replace fields by what ``check(field, value)`` returns for them; it refuses values by raising."""
    for field in fields:
        object.__setattr__(record, field, check(field, getattr(record, field)))
