"""Problems as TOML files.

Required keys: ``budget`` and either ``threshold`` or both ``c`` and ``beta``. Optional: ``weight``, ``prior`` (pairs,
or tables with ``kind`` and parameters), ``utility`` (a name or a table with ``name`` and parameters), ``cost``,
``cap``, ``[[quota]]`` tables with ``items`` and ``labels``, ``batch``, ``reward``, ``label_price``, ``name``. They mean
what the keywords of ``Problem`` and ``Problem.from_logratio`` mean.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tomli_w

from ...posteriors.foundation.names import unknown_key
from ..machine.files import write_whole
from .checks import ProblemError

if TYPE_CHECKING:
    from .problem import Problem

_PLAIN = ("budget", "threshold", "c", "beta", "weight", "prior", "utility")
_KEYS = (*_PLAIN, "cost", "cap", "quota", "batch", "reward", "label_price", "name")


def read_fields(path: Path) -> tuple[dict[str, Any], Callable[[str], str]]:
    """Keywords for ``Problem``, and a function that puts the file's name and line before a fault."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ProblemError([f"{path}: {error.strerror or error}"]) from None
    except UnicodeDecodeError:
        raise ProblemError([f"{path}: not a UTF-8 text file"]) from None
    try:
        fields = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ProblemError([f"{path}: not valid TOML: {error}"]) from None

    def where(fault: str) -> str:
        field = "c" if fault.startswith(("log_ratio", "threshold")) and "c" in fields else re.split(r"\W", fault)[0]
        match = re.search(rf"^\s*\[{{0,2}}\s*{re.escape(field)}\b", text, flags=re.MULTILINE)
        line = f", line {text.count(chr(10), 0, match.end()) + 1}" if match else ""
        return f"{path}{line}: {fault}"

    faults = faults_of(fields)
    if faults:
        raise ProblemError([where(fault) for fault in faults])
    return fields, where


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
    write_whole(path, tomli_w.dumps(problem.as_dict()))
