"""Options that several commands share, and the problem that they read."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import as_file, files
from pathlib import Path
from typing import Annotated, Any

import typer

from ...dp.problem.problem import Problem

__all__ = [
    "INTERRUPTED",
    "RATER_LIBRARIES",
    "DrawsOption",
    "JsonOption",
    "OutOption",
    "PolicyOption",
    "SeedOption",
    "TargetOption",
    "TuneOption",
    "headline",
    "inline_table",
    "nothing_kept",
    "read_problem",
]

# What typer returns after Ctrl-C.
INTERRUPTED = 130
# What models of raters stand on; their versions are recorded where one is fitted.
RATER_LIBRARIES = ("pymc", "pytensor", "arviz")

PolicyOption = Annotated[list[str] | None, typer.Option("--policy", "-p", help="Policy to include; repeat for more.")]
OutOption = Annotated[Path | None, typer.Option("--out", "-o", help="Run folder; an unfinished one is taken up again.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
SeedOption = Annotated[int, typer.Option(min=0, help="Root of all randomness.")]
DrawsOption = Annotated[int, typer.Option(help="Draws that are kept, of each chain where a model is sampled.")]
TuneOption = Annotated[int, typer.Option(help="Sampling: draws that each chain throws away before.")]
TargetOption = Annotated[float, typer.Option(help="Sampling: higher where trajectories diverge, up to 1.")]


def read_problem(path: Path | None) -> Problem:
    """Problem of a file, or the built-in one."""
    if path is not None:
        return Problem.from_toml(path)
    with as_file(files("seqaudit.benchmarks.comparison") / "built_in.toml") as built_in:
        return Problem.from_toml(built_in)


def headline(problem: Problem) -> str:
    """A problem in a few words."""
    return f"{problem.size} items, {problem.labels} labels, utility {problem.utility.name}"


def inline_table(option: str, text: str) -> Any:
    """Value of an option that is an inline TOML table."""
    try:
        return tomllib.loads(f"x = {text}")["x"]
    except tomllib.TOMLDecodeError:
        raise ValueError(
            f'{option} is {text!r}; allowed: a name, or a table such as {{name="decisive", eps=0.1}}'
        ) from None


@contextmanager
def nothing_kept() -> Iterator[None]:
    """Say so after Ctrl-C, in place of what commands say that can be taken up again."""
    try:
        yield
    except KeyboardInterrupt:
        print("seqaudit: interrupted; nothing is kept", file=sys.stderr)
        sys.exit(INTERRUPTED)
