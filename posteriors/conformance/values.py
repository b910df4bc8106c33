"""Clauses for frozen values such as policies, beliefs and models of raters: names, equality, copies, pickles."""

from __future__ import annotations

import copy
import pickle
import re
from collections.abc import Collection
from dataclasses import fields
from typing import Any

from .suite import Broken, expect

__all__ = ["equality", "hashing", "naming", "pickling"]


def naming(value: object, attribute: str) -> None:
    """Check a class attribute, the name, which must be usable in file names and options."""
    name = getattr(value, attribute, None)
    good = isinstance(name, str) and re.fullmatch(r"[a-z][a-z0-9._-]*", name)
    allowed = f"expected a class attribute {attribute} = '...' of lower-case letters, digits and . - _"
    expect(bool(good), f"found {name!r}; {allowed}")


def hashing(value: object, what: str) -> None:
    """Check that a value can be hashed, and that its copy has the same hash."""
    try:
        same = hash(value) == hash(copy.copy(value))
    except TypeError as error:
        raise Broken(f"{error}; expected a frozen dataclass whose fields can be hashed") from None
    expect(same, f"a copy has another hash; expected a frozen dataclass, so that equal {what} have equal hashes")


def equality(value: Any, what: str, derived: Collection[str] = ()) -> None:
    """Check equality with a copy, and that all settings are fields or ``derived`` from them."""
    expect(bool(copy.copy(value) == value), "differs from its copy; expected a frozen dataclass")
    settings = {name for name in getattr(value, "__dict__", {}) if not name.startswith("_")}
    stray = sorted(settings - {field.name for field in fields(value)} - set(derived))
    expect(
        not stray,
        f"{', '.join(stray)}: not a dataclass field, so {what} that differ in it pass for equal; expected a frozen "
        "dataclass with a field for each setting",
    )


def pickling(value: object) -> None:
    """Check equality with the pickled and restored value."""
    try:
        back = pickle.loads(pickle.dumps(value))
    except Exception as error:
        raise Broken(f"{error}; expected a class at the top of a module, with fields that can be pickled") from None
    expect(bool(back == value), "differs from what comes back; expected a frozen dataclass")
