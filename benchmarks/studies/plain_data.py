"""Values of studies as plain data, which a run folder can hold and take up again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...posteriors.foundation.messages import shown

__all__ = ["plain_data"]


def plain_data(field: str, value: Any) -> Any:
    """Value of numbers, texts, lists and tables; NumPy's numbers and arrays become Python's.

    Parameters
    ----------
    field : str
        Name of the field in the error message.
    value : object

    Returns
    -------
    object

    Raises
    ------
    ValueError
        For anything else, such as a function, and for tables whose keys are neither texts nor whole numbers.

    Examples
    --------
    >>> plain_data("budget", [np.int64(3), np.float64(0.5)])
    [3, 0.5]
    >>> plain_data("utility", max)
    Traceback (most recent call last):
    ValueError: utility holds <built-in function max>; allowed: numbers, texts, lists and tables
    """
    if isinstance(value, (np.generic, np.ndarray)):
        value = value.tolist()
    if value is None or isinstance(value, (str, int, float)):
        return value
    if isinstance(value, (list, tuple)):
        return [plain_data(field, x) for x in value]
    if isinstance(value, Mapping):
        keys = [x.item() if isinstance(x, np.generic) else x for x in value]
        for key in keys:
            if not isinstance(key, (str, int)):
                raise ValueError(f"{field} has a key {shown(key)}; it must be a text")
        # As a file holds them; keys of two kinds could not be put in order.
        return {str(key): plain_data(field, x) for key, x in zip(keys, value.values(), strict=True)}
    raise ValueError(f"{field} holds {shown(value)}; allowed: numbers, texts, lists and tables")
