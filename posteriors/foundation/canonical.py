"""Canonical texts of values: equal values have equal texts, in every process and whatever their types.

1, 1.0, True and ``np.float32(1)`` are equal, and so are lists, tuples and arrays of equal entries, and records of one
class with equal fields. Functions within others, and what classes hold beside their fields, enter by what they are made
of, so that those of one name are told apart.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import sys
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import fields, is_dataclass
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from numbers import Integral, Real
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

__all__ = ["canonical"]

_FIXED = (str, bytes, Real, Decimal, tuple, frozenset, type)
_OWN = __name__.partition(".")[0]
# Beginning of the names of modules that files of policies are read into.
_OF_FILE = "file:"


def canonical(value: Any) -> str:
    """Canonical text of a value.

    Parameters
    ----------
    value : object
        Numbers, texts, None, and mappings, sequences, sets, arrays, functions and dataclass instances of such; other
        objects enter by what they are pickled as, and those that cannot be pickled by their ``repr``.

    Returns
    -------
    str

    Examples
    --------
    >>> canonical({"gain": 1, "loss": np.float64(3)}) == canonical({"loss": 3, "gain": True})
    True
    >>> canonical((1, 2)) == canonical(np.array([1.0, 2.0]))
    True
    >>> print(canonical([1, "1", 0.5]))
    ["0x1.0000000000000p+0","'1","0x1.0000000000000p-1"]
    """
    return _text(value, ())


def _plain(value: Any, within: tuple[int, ...]) -> Any:
    """Value as JSON knows such; ``within`` are the addresses of the objects that it is part of."""
    if value is None:
        return None
    # Numbers are written as texts, so texts are marked.
    if isinstance(value, str):
        return f"'{value}"
    if isinstance(value, (np.datetime64, np.timedelta64)):
        return _made_of(value, within)
    if isinstance(value, (Real, Decimal, np.bool_)):
        return _number(value)
    if isinstance(value, (bytes, bytearray)):
        return {"bytes": value.hex()}
    if id(value) in within:
        return {"within": within.index(id(value))}
    inner = (*within, id(value))
    if isinstance(value, np.ndarray):
        return [_plain(x, inner) for x in value.tolist()] if value.ndim else _plain(value.item(), inner)
    if isinstance(value, Mapping):
        return {_text(key, inner): _plain(x, inner) for key, x in value.items()}
    if isinstance(value, Sequence):
        return [_plain(x, inner) for x in value]
    if isinstance(value, Set):
        return {"set": sorted(_text(x, inner) for x in value)}
    if isinstance(value, Enum):
        return {"enum": [f"{type(value).__module__}.{type(value).__qualname__}", value.name]}
    if isinstance(value, (type, ModuleType)):
        return {"repr": repr(value)}
    if isinstance(value, FunctionType):
        return _function(value, inner)
    if isinstance(value, MethodType):
        return {"method": [_plain(x, inner) for x in (value.__func__, value.__self__)]}
    if is_dataclass(value):
        compared = (field.name for field in fields(value) if field.compare)
        plain: dict[str, Any] = {
            type(value).__qualname__: {name: _plain(getattr(value, name), inner) for name in compared}
        }
        beside = _beside_fields(type(value), inner)
        home = type(value).__module__
        # A script has another name for its module where it is imported; files of policies have none but their path.
        if home.partition(".")[0] not in (_OWN, "__main__") and not home.startswith(_OF_FILE):
            plain["module"] = home
        return plain | {"class": beside} if beside else plain
    return _made_of(value, inner)


def _text(value: Any, within: tuple[int, ...]) -> str:
    return json.dumps(_plain(value, within), sort_keys=True, separators=(",", ":"))


def _number(value: Any) -> str:
    if type(value) is float:
        # Most numbers are: what follows gives the same text more slowly. Minus zero is zero.
        return (value + 0.0).hex()
    try:
        exact = Fraction(int(value)) if isinstance(value, (Integral, np.bool_)) else Fraction(*value.as_integer_ratio())
        near = float(exact)
    except (OverflowError, ValueError):
        # Not finite, or a whole number above all floating-point ones.
        return str(int(value)) if isinstance(value, Integral) else float(value).hex()
    return (near + 0.0).hex() if Fraction(near) == exact else str(exact)


def _function(function: FunctionType, within: tuple[int, ...]) -> Any:
    """Name of a function that has a place in a module; parts of any other one."""
    found: Any = sys.modules.get(function.__module__ or "")
    for part in function.__qualname__.split("."):
        found = getattr(found, part, None)
    name = f"{function.__module__}.{function.__qualname__}"
    return {"function": name} if found is function else {name: [*_code(function.__code__), *_bound(function, within)]}


def _code(code: CodeType) -> list[str]:
    told = repr((code.co_code.hex(), code.co_names, [_constant(x) for x in code.co_consts]))
    return [hashlib.sha256(told.encode()).hexdigest()]


def _constant(value: Any) -> Any:
    """Constant of a function, with sets, whose order differs between processes, in order."""
    if isinstance(value, CodeType):
        return _code(value)
    if isinstance(value, frozenset):
        return sorted(map(repr, map(_constant, value)))
    return [_constant(x) for x in value] if isinstance(value, tuple) else repr(value)


def _bound(function: FunctionType, within: tuple[int, ...]) -> list[Any]:
    """Values that a function has from the one around it, and its defaults."""
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=False)
    held: list[Any] = []
    for name, cell in cells:
        # The cell of ``super()`` tells nothing; one may be empty still.
        if name != "__class__":
            try:
                held.append([name, _plain(cell.cell_contents, within)])
            except ValueError:
                continue
    defaults = [function.__defaults__, function.__kwdefaults__]
    return held + ([_plain(defaults, within)] if any(defaults) else [])


def _beside_fields(cls: type, within: tuple[int, ...]) -> dict[str, Any]:
    """Values that the classes of users hold beside fields, and that their methods have from a function around them."""
    found: dict[str, Any] = {}
    named = {field.name for field in fields(cls)}
    for kind in reversed(cls.__mro__):
        if kind.__module__.partition(".")[0] in (_OWN, "builtins", "abc", "typing"):
            continue
        is_local = "<locals>" in kind.__qualname__ or kind.__module__.startswith(_OF_FILE)
        for name, x in vars(kind).items():
            if name in named or name == "_abc_impl" or (name[:2] == "__" and name != "__call__"):
                continue
            # A private one that can change is likely to be a cache.
            kept = name[:1] == "_" and not isinstance(x, (*_FIXED, FunctionType)) and not hasattr(x, "__get__")
            told = None if kept else _of_attribute(x, is_local, within)
            if told:
                found[name] = told
    return found


def _of_attribute(value: Any, is_local: bool, within: tuple[int, ...]) -> Any:
    """Values that an attribute of a class is made of; code too for a class that no module holds under its name."""
    inner = value
    for name in ("func", "fget", "__func__", "__wrapped__"):
        if hasattr(value, "__get__") and getattr(inner, name, None) is not None:
            inner = inspect.unwrap(getattr(inner, name))
    if isinstance(inner, FunctionType):
        settings = [getattr(value, name, None) for name in ("args", "keywords")]
        code = _code(inner.__code__) if is_local else []
        return [*code, *_bound(inner, within), *([_plain(settings, within)] if any(settings) else [])]
    if hasattr(value, "__get__"):
        return None
    told = _plain(value, within)
    # Of locks and the like there is nothing to tell.
    return None if isinstance(told, dict) and told.keys() == {"repr"} and not isinstance(value, type) else told


def _made_of(value: Any, within: tuple[int, ...]) -> Any:
    # Functions that a cache or a compiler stands before.
    inner = getattr(value, "__wrapped__", getattr(value, "py_func", None))
    if isinstance(inner, FunctionType):
        return {"around": [f"{type(value).__module__}.{type(value).__qualname__}", _plain(inner, within)]}
    try:
        made = value.__reduce_ex__(4)
    except Exception:
        # Its repr may have its address: it is equal to nothing in another process.
        return {"repr": repr(value)}
    if isinstance(made, str):
        return {"global": f"{type(value).__module__}.{made}"}
    maker, arguments, *rest = made
    # State, entries of a sequence, and entries of a mapping.
    parts = [list(x) if isinstance(x, Iterable) and not isinstance(x, (Mapping, Sequence)) else x for x in rest[:3]]
    called = f"{getattr(maker, '__module__', '')}.{getattr(maker, '__qualname__', '')}"
    return {called: [_plain(x, within) for x in (arguments, *parts)]}
