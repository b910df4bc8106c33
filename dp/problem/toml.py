"""Problems as TOML files.

Required keys: ``budget`` and either ``threshold`` or both ``c`` and ``beta``. Optional: ``weight``, ``prior`` (pairs,
or tables with ``kind`` and parameters), ``utility`` (a name or a table with ``name`` and parameters), ``cost``,
``cap``, ``[[quota]]`` tables with ``items`` and ``labels``, ``batch``, ``reward``, ``label_price``, ``name``. They mean
what the keywords of ``Problem`` and ``Problem.from_logratio`` mean.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tomli_w

from ...posteriors.beliefs.registry import make_belief
from ...posteriors.foundation.names import unknown_key
from ...posteriors.utilities import make_utility
from ..machine.files import write_whole
from ..machine.reading import Unreadable, read_input
from .checks import ProblemError

if TYPE_CHECKING:
    from .problem import Problem

# Bytes of a file: many times the largest problem that can be solved or simulated.
_MOST_BYTES = 64 * 2**20
# A key with its value, or the head of a table; not a text in a list of several lines. No part is tried at more than one
# length, or a line of spaces would take time that grows as the square of its length.
_KEY = re.compile(r"""\s*+(\[{0,2}+)\s*+["']?(\w++)["']?\s*+[=.\]]""")
_PLAIN = ("budget", "threshold", "c", "beta", "weight", "prior", "utility")
_KEYS = (*_PLAIN, "cost", "cap", "quota", "batch", "reward", "label_price", "name")


def read_toml(path: Path) -> tuple[str, dict[str, Any]]:
    """Text of a TOML file, and the table that it holds.

    Raises
    ------
    ProblemError
        For a file that cannot be read, and one that is not TOML; the message names it.
    """
    try:
        text = read_input(path, _MOST_BYTES).decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise ProblemError([f"{path}: not a UTF-8 text file"]) from None
    except OSError as error:
        raise ProblemError([f"{path}: {error.strerror or error}"]) from None
    except Unreadable as error:
        raise ProblemError([f"{path}: {error}"]) from None
    try:
        return text, parse_toml(text)
    except ValueError as error:
        raise ProblemError([f"{path}: not valid TOML: {error}"]) from None


def parse_toml(text: str) -> dict[str, Any]:
    """Table that a TOML text holds.

    Raises
    ------
    ValueError
        For text that is not TOML, or that is nested, or has a number, beyond what can be read.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise
    except RecursionError:
        raise ValueError("its lists or tables are nested too deeply") from None
    except ValueError:
        # The only other refusal is Python's, of whole numbers with thousands of digits.
        raise ValueError(f"a whole number has more than {sys.get_int_max_str_digits()} digits") from None


def read_fields(path: Path) -> tuple[dict[str, Any], Callable[[str], str]]:
    """Keywords for ``Problem``, and a function that puts the file's name and line before a fault."""
    text, fields = read_toml(path)
    lines = _key_lines(text)

    def where(fault: str) -> str:
        field = "c" if fault.startswith(("log_ratio", "threshold")) and "c" in fields else re.split(r"\W", fault)[0]
        one = re.match(r"quota \d+", fault)
        field = one[0] if one and one[0] in lines else field
        line = f", line {lines[field]}" if field in lines else ""
        return f"{path}{line}: {fault}"

    faults = faults_of(fields)
    if faults:
        raise ProblemError([where(fault) for fault in faults])
    return fields, where


def _key_lines(text: str) -> dict[str, int]:
    """Line on which each key, or table, stands first, and that of each quota; one step for each line of the text."""
    found: dict[str, int] = {}
    tables = 0
    for number, line in enumerate(text.split("\n"), start=1):
        if key := _KEY.match(line):
            found.setdefault(key[2], number)
            if key[1] == "[[" and key[2] == "quota":
                tables += 1
                found[f"quota {tables}"] = number
    return found


def faults_of(fields: dict[str, Any]) -> list[str]:
    """Faults in the keys of a problem that is stated as a table; values are not checked."""
    faults = []
    for key in fields:
        if key not in _KEYS:
            faults.append(unknown_key(key, _KEYS))
    if "budget" not in fields:
        faults.append("the key budget is missing")
    if ("threshold" in fields) == ("c" in fields):
        faults.append("give the thresholds once: either threshold, or c and beta")
    elif ("c" in fields) != ("beta" in fields):
        faults.append("c and beta go together: threshold = sigma(beta c)")
    return faults


def write_problem(problem: Problem, path: Path) -> None:
    """Write a problem file, whole or not at all."""
    require_registered(problem)
    write_whole(path, tomli_w.dumps(problem.as_dict()))


def require_registered(problem: Problem) -> None:
    """Raise an error for a utility or a belief that could not be read again, as its class has no registered name."""
    stated = problem.as_dict().get("utility")
    try:
        if stated is not None:
            make_utility(stated)
        if not isinstance(problem.prior, np.ndarray):
            for belief in {type(x): x for x in problem.prior}.values():
                make_belief(belief.as_dict())
    except ValueError as error:
        raise ProblemError([f"the problem could not be read again: {error}"]) from None
