"""Names with settings in brackets, such as ``lookahead(depth=3, leaf=payoff)``."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from typing import Any

__all__ = ["read_settings", "split_name"]


def split_name(text: str) -> tuple[str, str | None]:
    """Name, and what stands in brackets behind it, or None.

    Examples
    --------
    >>> split_name("dawid-skene(difficulty=True)"), split_name("kg")
    (('dawid-skene', 'difficulty=True'), ('kg', None))
    """
    written = re.fullmatch(r"\s*([^\s()]+)\s*\((.*)\)\s*", text, re.DOTALL)
    return (written.group(1), written.group(2)) if written else (text, None)


def read_settings(what: str, inside: str | None, allowed: Sequence[str]) -> dict[str, Any]:
    """Settings as written between brackets: numbers, words, or names with brackets of their own.

    Parameters
    ----------
    what : str
        Begins the message of an error.
    inside : str or None
        What stands between the brackets; None for no brackets.
    allowed : sequence of str
        Names of settings.

    Raises
    ------
    ValueError
        For what is no setting, and for settings that are not allowed or given twice.

    Examples
    --------
    >>> read_settings("policy", "depth=3, leaf=payoff", ["depth", "leaf"])
    {'depth': 3, 'leaf': 'payoff'}
    """
    out: dict[str, Any] = {}
    for part in [] if inside is None else _apart(inside):
        key, equals, value = (x.strip() for x in part.partition("="))
        if not equals or not value:
            raise ValueError(f"{what}: {part.strip()!r} is no setting; write name=value")
        if key not in allowed or key in out:
            fault = "is given twice" if key in out else f"is not known; allowed: {', '.join(allowed)}"
            raise ValueError(f"{what}: setting {key!r} {fault}")
        try:
            out[key] = ast.literal_eval(value)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            out[key] = value
    return out


def _apart(text: str) -> list[str]:
    """Parts between commas that stand in no brackets."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return parts if text.strip() else []
