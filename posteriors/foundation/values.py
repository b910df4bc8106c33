"""Frozen values: objects of which everything is known by their class and the fields of their dataclass.

Policies, utilities, beliefs and models of raters are such values. What was computed for one is remembered for equal
ones, and saved work is taken up with an equal one, so a setting that equality does not see would give the numbers of
another object. Rather than being compared, such settings are refused when the object is made.
"""

from __future__ import annotations

import inspect
import random
from abc import ABC, ABCMeta
from collections.abc import Iterator, MutableMapping, MutableSequence, MutableSet
from dataclasses import field, fields, make_dataclass
from decimal import Decimal
from functools import cache, cached_property
from types import MemberDescriptorType
from typing import TYPE_CHECKING, Any, Generic, NamedTuple

import numpy as np

from .kinds import WrongKind
from .messages import listed, shown

__all__ = ["FrozenValue", "line_of", "names_of_fields", "new_attributes"]

_PLAIN = frozenset({bool, float, int, str, type(None)})


_PLAIN_BASES = frozenset({object, ABC, Generic})
# Also where a class of them has a hash: what they hold, or give next, changes while objects hold them.
_CHANGING = (
    *(MutableSequence, MutableSet, MutableMapping, Iterator),
    *(np.random.Generator, np.random.RandomState, np.random.BitGenerator, np.random.SeedSequence, random.Random),
)


class _ValueType(ABCMeta):
    """Type of the classes of frozen values: it looks at each object once, when it is complete."""

    if not TYPE_CHECKING:
        # Calls have the types of the class's own __init__.
        def __call__(cls, *args: Any, **kwargs: Any) -> Any:
            made = super().__call__(*args, **kwargs)
            _require_fields_only(made)
            made._check()
            return made

    @property
    def __signature__(cls) -> inspect.Signature:
        """Arguments of the class, without the object that they make."""
        of_init = inspect.signature(cls.__init__)  # type: ignore[misc]
        return of_init.replace(parameters=list(of_init.parameters.values())[1:], return_annotation=cls)


class FrozenValue(metaclass=_ValueType):
    """Base of frozen dataclasses whose fields are all that tells an object from others of its class.

    A subclass need not be a dataclass itself as long as it adds no settings. What is computed from the fields may be
    kept by a ``cached_property``.

    Raises
    ------
    WrongKind
        A ``TypeError`` and ``ValueError``, when an object is made that holds attributes other than its fields, or a
        field that is compared and cannot be hashed.

    Examples
    --------
    >>> class Doubled(FrozenValue):
    ...     def __init__(self, by):
    ...         self.by = by
    >>> try:
    ...     Doubled(2)
    ... except ValueError as error:
    ...     print(error)  # doctest: +ELLIPSIS
    Doubled: 'by' is not a field, so objects that differ in it could not be told apart; write ...
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # The base of a family says what holds for the classes below it.
        if "_settle" in vars(cls):
            super(cls, cls)._settle()  # type: ignore[misc]
        else:
            cls._settle()

    @classmethod
    def _settle(cls) -> None:
        """Let what a class above says of its methods hold for those methods alone, and guard new methods.

        It is done when the class is made, and once more with its first object: until then a decorator, a base class or
        a worker process that builds the class anew may have set attributes.
        """
        if not _is_own(cls):
            _require_like_above(cls)

    def _check(self) -> None:
        """Check an object whose fields are set, whether or not its class calls ``__post_init__`` of the one above."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "__orig_class__":
            # Generic classes try to note their arguments, and do without.
            raise AttributeError(name)
        raise WrongKind(_stray(self, [name]))


def line_of(cls: type, name: str) -> int:
    """Place, in the order in which Python looks for attributes, of the class that has one; past the end if none has.

    Examples
    --------
    >>> line_of(bool, "__and__"), line_of(bool, "real"), line_of(bool, "gain")
    (0, 1, 3)
    """
    return next((k for k, kind in enumerate(cls.__mro__) if name in vars(kind)), len(cls.__mro__))


def new_attributes(cls: type, family: type) -> dict[str, Any]:
    """Attributes that a new class of a family has in itself or from classes beside the family, by their names.

    Examples
    --------
    >>> class Sized:
    ...     def size(self):
    ...         return 3
    >>> class Values(FrozenValue):
    ...     def spread(self):
    ...         return 1.0
    >>> class Mine(Sized, Values):
    ...     def mean(self):
    ...         return 0.5
    >>> sorted(name for name in new_attributes(Mine, Values) if name[0] != "_")
    ['mean', 'size']
    """
    found: dict[str, Any] = {}
    for kind in reversed(cls.__mro__):
        if kind is cls or not (issubclass(kind, family) or kind in (*_PLAIN_BASES, FrozenValue)):
            found |= vars(kind)
        else:
            for name in vars(kind):
                found.pop(name, None)
    return found


def _require_like_above(cls: type) -> None:
    """Require that a flag stands in place of a flag, a property of a property, and what can be called of a method.

    Python would take a method in place of a flag for one that is set, whatever it returns.
    """
    settings = names_of_fields(cls)
    for name, new in new_attributes(cls, FrozenValue).items():
        of_above = [vars(kind)[name] for kind in cls.__mro__ if name in vars(kind) and _is_own(kind)]
        if not of_above or name in settings or name[:2] == "__":
            continue
        above, computed = of_above[0], isinstance(new, (property, cached_property))
        if isinstance(above, bool) and not (isinstance(new, (bool, np.bool_)) or computed):
            wanted = "True or False, or a property"
        elif isinstance(above, property) and not computed and inspect.isroutine(new):
            wanted = "a property, with @property above it"
        elif inspect.isfunction(above) and (computed or not (callable(new) or hasattr(new, "__get__"))):
            wanted = "a method"
        else:
            continue
        found = "a property" if computed else "a method" if inspect.isroutine(new) else shown(new)
        raise WrongKind(f"{cls.__name__}: {name} is {found}; it must be {wanted}")


def names_of_fields(cls: Any) -> set[str]:
    """Names of the fields of a dataclass, and of a class that is about to become one those of the class above.

    Examples
    --------
    >>> names_of_fields(_Form), names_of_fields(FrozenValue)
    (set(), set())
    """
    return {x.name for x in fields(cls)} if hasattr(cls, "__dataclass_fields__") else set()


class _Form(NamedTuple):
    """Attributes that objects of a class may hold.

    Attributes
    ----------
    fault : str or None
        Reason for which objects of the class could be taken for others.
    known : frozenset of str
        Fields, and properties that are computed once and kept.
    kept : frozenset of str
        Those properties, in the classes of users: an object that has just been made holds none of them.
    slots : tuple of str
        Places for attributes that are no fields.
    fields : tuple of (str, bool)
        Names of the fields, and whether objects are hashed by them.
    """

    fault: str | None
    known: frozenset[str]
    kept: frozenset[str]
    slots: tuple[str, ...]
    fields: tuple[tuple[str, bool], ...]


@cache
def _form_of(cls: Any) -> _Form:
    if not _is_own(cls):
        cls._settle()
    every = {name for kind in cls.__mro__ for name in vars(kind)}
    kept = {name for name in every if isinstance(inspect.getattr_static(cls, name), cached_property)}
    known = frozenset({x.name for x in fields(cls)} | kept)
    slots = (name for kind in cls.__mro__ for name, x in vars(kind).items() if isinstance(x, MemberDescriptorType))
    compared = tuple((x.name, x.hash is not False) for x in fields(cls))
    early = frozenset() if _is_own(cls) else frozenset(kept)
    return _Form(_fault_of(cls), known, early, tuple(name for name in slots if name not in known), compared)


def _fault_of(cls: type) -> str | None:
    """Reason for which objects of a class could be taken for others, by their fields or by their name; None if none."""
    for key in ("name", "kind"):
        owner = next((kind for kind in cls.__mro__ if key in vars(kind)), cls)
        if _is_own(owner) and not _is_own(cls):
            return (
                f"it goes by the {key} of {owner.__name__}, {shown(vars(owner)[key])}; give it one of its own, as in "
                f"{key} = 'mine'"
            )
    for one in fields(cls):
        if not one.compare:
            return (
                f"field {one.name} is not compared, so objects that differ in it could not be told apart; leave out "
                "compare=False, and keep what is computed from other fields by a cached_property"
            )
        own = [kind for kind in cls.__mro__ if _is_own(kind) and one.name not in names_of_fields(kind)]
        if any(inspect.isfunction(vars(kind).get(one.name)) for kind in own):
            return f"field {one.name} has the name of a method; give it another one"
    for name in ("__eq__", "__hash__"):
        kind = next(kind for kind in cls.__mro__ if name in vars(kind))
        if not _is_generated(kind, name):
            return f"{kind.__name__} defines {name}; leave equality and hashes to @dataclass(frozen=True)"
        if {x.name for x in fields(kind)} != {x.name for x in fields(cls)}:
            return f"objects are compared by the fields of {kind.__name__} alone; leave out eq=False"
    return None


def _is_generated(kind: type, name: str) -> bool:
    """True if a method is the one that a dataclass writes for the fields of a class."""
    if "__dataclass_params__" not in vars(kind):
        return False
    parts = [(x.name, Any, field(hash=x.hash)) for x in fields(kind)]
    codes = [getattr(vars(x).get(name), "__code__", None) for x in (kind, make_dataclass("Like", parts, frozen=True))]
    told = {None if x is None else (x.co_code, x.co_names, x.co_consts) for x in codes}
    return None not in told and len(told) == 1


def _is_own(cls: type) -> bool:
    return cls.__module__.partition(".")[0] == __name__.partition(".")[0]


def _require_fields_only(made: FrozenValue) -> None:
    cls = type(made)
    form = _form_of(cls)
    if form.fault is not None:
        raise WrongKind(f"{cls.__name__}: {form.fault}")
    held = getattr(made, "__dict__", {}).keys()
    if not held <= form.known:
        raise WrongKind(_stray(made, sorted(held - form.known)))
    if not form.kept.isdisjoint(held):
        raise WrongKind(
            f"{cls.__name__}: {listed(sorted(form.kept & held))}, a cached_property, has a value before the object is "
            "complete, which need not be the one that it computes; make it a field, or leave it until it is asked for"
        )
    slots = [name for name in form.slots if hasattr(made, name)]
    if slots:
        raise WrongKind(_stray(made, slots))
    for name, hashed in form.fields:
        value = getattr(made, name)
        if type(value) in _PLAIN:
            if value == 0.0 and type(value) is float:
                object.__setattr__(made, name, 0.0)
            continue
        if type(value) is np.ndarray and not value.ndim:
            value = value.item()
        value = _acting_alike(value)
        if value is not getattr(made, name):
            object.__setattr__(made, name, value)
        if not _is_one_value(value, hashed):
            raise WrongKind(
                f"{cls.__name__}: field {name} is {shown(value)}, of type {type(value).__name__}, "
                "which can change or cannot be hashed; hold a number, a text, or a tuple of such"
            )


def _acting_alike(value: Any) -> Any:
    """Value, or an equal one that acts like all that equal it.

    Minus zero equals zero, and NumPy's small integers and half precision equal Python's numbers, but they need not give
    the same results.
    """
    if isinstance(value, (np.number, np.bool_, np.str_)):
        value = value.item()
    if isinstance(value, (float, np.floating)):
        return abs(value) if value == 0.0 else value
    if isinstance(value, Decimal):
        return abs(value) if value.is_zero() else value
    if isinstance(value, tuple) and (type(value) is tuple or hasattr(value, "_make")):
        parts = tuple(map(_acting_alike, value))
        same = all(x is y for x, y in zip(parts, value, strict=True))
        return value if same else parts if type(value) is tuple else type(value)._make(parts)  # type: ignore[attr-defined]
    return value


def _is_one_value(value: Any, hashed: bool) -> bool:
    # Arrays of some libraries can be hashed, but are compared entry by entry. Polynomials, say, can be made arrays.
    if not hashed and callable(value):
        return not isinstance(value, _CHANGING)
    if hasattr(value, "__array__") and not isinstance(value, (np.generic, type)):
        return False
    if isinstance(value, _CHANGING):
        return False
    try:
        return not hashed or hash(value) is not None
    except TypeError:
        return False


def _stray(made: Any, names: list[str]) -> str:
    more = "s" if len(names) > 1 else ""
    return (
        f"{type(made).__name__}: {listed(names)} {'are' if more else 'is'} not {'' if more else 'a '}field{more}, so "
        f"objects that differ in {'them' if more else 'it'} could not be told apart; write @dataclass(frozen=True) "
        f"above the class, and {names[0]}: type within it"
    )
