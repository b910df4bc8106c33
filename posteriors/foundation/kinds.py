"""Objects of the wrong kind, such as None where a problem is wanted, refused by one rule before work starts.

``checked`` reads the kinds from a function's own annotations, so that they are written once. Numbers, arrays, policies,
beliefs, utilities and models of raters are left to their converters, which also take other forms of them.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import wraps
from typing import Any, get_origin

import numpy as np

from .messages import shown

__all__ = ["WrongKind", "checked", "is_ordered", "require_type"]

# Kinds that have a converter, by which they are refused.
_CONVERTED = {"Any", "ArrayLike", "Belief", "Bools", "Ensemble", "Floats", "Ints", "Literal", "NDArray", "Policy"}
_CONVERTED |= {"Progress", "RaterModel", "Seed", "Utility", "float", "int"}
# An argument may be any object of these where an annotation names the stricter kind on the left.
_WIDER = {"Sequence": Iterable, "Iterable": Iterable, "list": Iterable, "tuple": Iterable, "Path": os.PathLike}
_WIDER |= {"dict": Mapping, "Mapping": Mapping}
_WORDS = {
    "Callable": "a function",
    "Collection": "a collection",
    "Iterable": "a sequence",
    "Mapping": "a mapping",
    "None": "None",
    "Path": "a path",
    "PathLike": "a path",
    "Sequence": "a sequence",
    "bool": "True or False",
    "dict": "a mapping",
    "list": "a list",
    "str": "text",
    "tuple": "a sequence",
}
# Libraries that are imported where they are used. An object of one of them exists only once it is imported.
_LATE = {"pd": "pandas", "xr": "xarray", "xarray": "xarray"}


class WrongKind(TypeError, ValueError):
    """Error of an argument that is not the kind of object that is wanted.

    It is a ``TypeError``, as Python raises, and a ``ValueError``, like every other refusal of the package.
    """


def require_type(field: str, value: Any, kind: type | tuple[type, ...], wanted: str) -> None:
    """Raise unless an argument is an object of the kind that is wanted.

    Parameters
    ----------
    field : str
        Name of the argument in the error message.
    value : object
    kind : type or tuple of type
    wanted : str
        Words for the kind, to follow "it must be".

    Raises
    ------
    WrongKind
        A ``TypeError`` and ``ValueError`` that says what was found and what is wanted.

    Examples
    --------
    >>> try:
    ...     require_type("pools", None, dict, "a mapping")
    ... except ValueError as error:
    ...     print(error)
    pools is None; it must be a mapping
    """
    if not isinstance(value, kind):
        raise WrongKind(f"{field} is {shown(value)}; it must be {wanted}")


def is_ordered(value: Any) -> bool:
    """True for an object that gives its members in an order of its own, which a set does not.

    A text is a sequence of letters, but never one of names or numbers.

    Examples
    --------
    >>> is_ordered(["kg"]), is_ordered({"kg"}), is_ordered("kg")
    (True, False, False)
    """
    return isinstance(value, Iterable) and not isinstance(value, (str, bytes, set, frozenset))


def checked[**P, R](function: Callable[P, R]) -> Callable[P, R]:
    """Decorate a function to refuse arguments that are not of the kinds that its annotations name.

    Parameters
    ----------
    function : callable

    Returns
    -------
    callable
        Raises ``WrongKind`` for the first argument of a wrong kind, and calls the function otherwise.

    Examples
    --------
    >>> @checked
    ... def names(table: dict[str, int]) -> list[str]:
    ...     return list(table)
    >>> try:
    ...     names(None)
    ... except TypeError as error:
    ...     print(error)
    table is None; it must be a mapping
    """
    positions = list(inspect.signature(function).parameters)
    wanted: dict[str, _Kinds] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        kinds = _Kinds.of(parameter, function)
        if kinds is not None:
            wanted[name] = kinds

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        for name, value in zip(positions, args, strict=False):
            if name in wanted:
                wanted[name].require(name, value)
        for name, value in kwargs.items():
            if name in wanted:
                wanted[name].require(name, value)
        return function(*args, **kwargs)

    return call


class _Kinds:
    """Kinds of objects that an argument may be: dotted names, and the module in which they are defined or imported."""

    def __init__(self, names: list[str], module: str) -> None:
        self.names, self.module = names, module

    @classmethod
    def of(cls, parameter: inspect.Parameter, function: Callable[..., Any]) -> _Kinds | None:
        """Kinds that a parameter's annotation names; None where a converter refuses what is wrong."""
        text = parameter.annotation
        if not isinstance(text, str) or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            return None
        names = list(_members(ast.parse(text, mode="eval").body))
        if _CONVERTED.intersection(names) or "str | Policy" in text:
            return None
        return cls(names, function.__module__)

    def require(self, field: str, value: Any) -> None:
        """Raise unless a value is of one of the kinds."""
        if not any(self._holds(name, value) for name in self.names):
            words = list(dict.fromkeys(map(_words, self.names)))
            raise WrongKind(f"{field} is {shown(value)}; it must be {' or '.join(words)}")

    def _holds(self, name: str, value: Any) -> bool:
        if name == "None":
            return value is None
        first, _, last = name.rpartition(".")
        if last == "Callable":
            return callable(value)
        if name == "bool":
            return isinstance(value, (bool, np.bool_))
        if last in _WIDER:
            return is_ordered(value) if _WIDER[last] is Iterable else isinstance(value, _WIDER[last])
        if first in _LATE and _LATE[first] not in sys.modules:
            return False
        here = vars(sys.modules[_LATE.get(first, self.module)])
        if first and first not in _LATE:
            here = vars(here[first])
        kind = here[last] if last in here else getattr(builtins, last)
        # An alias such as ``Pair = tuple[int, int]`` stands for the type before the brackets.
        return isinstance(value, get_origin(kind) or kind)


def _members(node: ast.expr) -> Iterator[str]:
    """Dotted names of the members of a union, without what is in brackets behind them."""
    if isinstance(node, ast.BinOp):
        yield from _members(node.left)
        yield from _members(node.right)
    elif isinstance(node, ast.Subscript):
        yield from _members(node.value)
    else:
        yield ast.unparse(node)


def _words(name: str) -> str:
    """Words for a kind.

    Examples
    --------
    >>> _words("Problem"), _words("xr.Dataset"), _words("dict")
    ('a Problem', 'an xarray Dataset', 'a mapping')
    """
    first, _, last = name.rpartition(".")
    called = f"{_LATE[first]} {last}" if first in _LATE else last
    return _WORDS.get(last, f"{'an' if called[0].lower() in 'aeioux' else 'a'} {called}")
