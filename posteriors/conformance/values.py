"""Clauses for frozen values such as policies, beliefs and models of raters: names and pickles."""

from __future__ import annotations

import pickle
import re

from .suite import Broken, expect

__all__ = ["naming", "pickling"]


def naming(value: object, attribute: str) -> None:
    """Check a class attribute, the name, which must be usable in file names and options."""
    name = getattr(value, attribute, None)
    good = isinstance(name, str) and re.fullmatch(r"[a-z][a-z0-9._-]*", name)
    allowed = f"expected a class attribute {attribute} = '...' of lower-case letters, digits and . - _"
    expect(bool(good), f"found {name!r}; {allowed}")


def pickling(value: object) -> None:
    """Check equality with the pickled and restored value."""
    try:
        back = pickle.loads(pickle.dumps(value))
    except Exception as error:
        raise Broken(f"{error}; expected a class at the top of a module, with fields that can be pickled") from None
    expect(bool(back == value), "differs from what comes back; expected a frozen dataclass")
