"""Clauses for frozen values such as policies, beliefs and models of raters: names, equality, copies, pickles."""

from __future__ import annotations

import copy
import pickle
import re
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


def equality(value: Any) -> None:
    """Check equality with a copy."""
    expect(bool(copy.copy(value) == value), "differs from its copy; expected a frozen dataclass")


def pickling(value: object) -> None:
    """Check equality with the pickled and restored value."""
    try:
        back = pickle.loads(pickle.dumps(value))
    except Exception as error:
        raise Broken(f"{error}; expected a class at the top of a module, with fields that can be pickled") from None
    expect(bool(back == value), "differs from what comes back; expected a frozen dataclass")
