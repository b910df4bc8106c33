"""Canonical texts of values: equal values have equal texts, in every process and whatever their types.

1, 1.0 and ``np.float32(1)`` are equal, and so are lists, tuples and arrays of equal entries, and records of one class
with equal fields.
"""

from __future__ import annotations

import hashlib
import json
import pickle
from collections.abc import Mapping, Sequence, Set
from dataclasses import fields, is_dataclass
from enum import Enum
from numbers import Integral, Real
from typing import Any

import numpy as np

__all__ = ["canonical"]


def canonical(value: Any) -> str:
    """Canonical text of a value.

    Parameters
    ----------
    value : object
        Numbers, texts, None, and mappings, sequences, sets, arrays and dataclass instances of such; other objects enter
        by their ``repr`` and a digest of their pickle, since a ``repr`` need not tell all.

    Returns
    -------
    str

    Examples
    --------
    >>> canonical({"gain": 1, "loss": np.float64(3)}) == canonical({"loss": 3, "gain": 1.0})
    True
    >>> canonical((1, 2)) == canonical(np.array([1.0, 2.0]))
    True
    >>> print(canonical([1, "1", True]))
    ["0x1.0000000000000p+0","'1",true]
    """
    return json.dumps(_plain(value), sort_keys=True, separators=(",", ":"))


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, (bool, np.bool_)):
        return value if value is None else bool(value)
    # Numbers are written as texts, so texts are marked.
    if isinstance(value, str):
        return f"'{value}"
    if isinstance(value, Integral):
        whole = int(value)
        return float(whole).hex() if abs(whole) <= 2**53 else str(whole)
    if isinstance(value, Real):
        # Minus zero is zero.
        return (float(value) + 0.0).hex()
    if isinstance(value, np.ndarray):
        return [_plain(x) for x in value.tolist()] if value.ndim else _plain(value.item())
    if isinstance(value, Mapping):
        return {canonical(key): _plain(x) for key, x in value.items()}
    if isinstance(value, Sequence):
        return [_plain(x) for x in value]
    if isinstance(value, Set):
        return {"set": sorted(map(canonical, value))}
    if is_dataclass(value) and not isinstance(value, type):
        compared = (field.name for field in fields(value) if field.compare)
        return {type(value).__qualname__: {name: _plain(getattr(value, name)) for name in compared}}
    return {"repr": repr(value)} | _pickled(value)


def _pickled(value: Any) -> dict[str, str]:
    if isinstance(value, (type, Enum)):
        return {}
    try:
        return {"pickle": hashlib.sha256(pickle.dumps(value, protocol=4)).hexdigest()}
    except Exception:
        # Its repr then has its address, as that of a function within another one.
        return {}
