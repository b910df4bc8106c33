"""Options common to several commands, and reading of problems."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib.resources import as_file, files
from pathlib import Path
from typing import Annotated, Any

import typer

from ...bandits.policy import Policy
from ...bandits.policy_file import file_records, policy_from_file
from ...dp.machine.workers import checked_workers
from ...dp.problem.problem import Problem
from ...dp.problem.toml import parse_toml
from ...posteriors.foundation.messages import raise_faults, shown
from ...posteriors.foundation.refusals import whole
from ..runner.executors import Cluster, require_dask
from ..runner.folder import RunFolder
from ..runner.kept import Format, Parts
from .interruption import status_of_interruption
from .output import only_json

__all__ = [
    "OUT_ON_REQUEST",
    "RATER_LIBRARIES",
    "AskedOutOption",
    "ClusterOption",
    "DrawsOption",
    "ExactOption",
    "JobsOption",
    "JsonOption",
    "OutOption",
    "PolicyOption",
    "ProblemArgument",
    "SeedOption",
    "TargetOption",
    "TuneOption",
    "at_least",
    "files_as_inputs",
    "headline",
    "name_or_table",
    "nothing_kept",
    "parts_of",
    "policy_or_name",
    "problem_folder",
    "read_problem",
    "workplace",
]

# Libraries of the rater models; their versions are recorded if a model is fitted.
RATER_LIBRARIES = ("pymc", "pytensor", "arviz")


def at_least(least: int) -> Callable[[typer.CallbackParam, int], int]:
    """Make a callback that refuses numbers below ``least``."""

    def checked(option: typer.CallbackParam, value: int) -> int:
        return whole(option.opts[0], value, least)

    return checked


def _checked_jobs(jobs: int) -> int:
    return checked_workers("--jobs", jobs)


def _checked_cluster(address: str | None) -> str | None:
    """Address of a cluster, refused before any work, or any folder, is begun where there can be none."""
    if address is not None:
        Cluster(address)
        require_dask()
    return address


def workplace(jobs: int, cluster: str | None) -> int | Cluster:
    """Number of worker processes, or the cluster, that ``--jobs`` and ``--cluster`` stand for."""
    return jobs if cluster is None else Cluster(cluster)


def policy_or_name(text: str) -> str | Policy:
    """Policy from a file, for a text such as ``mine.py:Mine``; any other text unchanged."""
    return policy_from_file(text) or text


def policy_if_any(text: str | None) -> str | Policy | None:
    """``policy_or_name`` of an option that may be left out."""
    return None if text is None else policy_or_name(text)


def _read_policies(given: list[str] | None) -> list[str | Policy] | None:
    if given is None:
        return None
    chosen: list[str | Policy] = []
    faults: list[ValueError] = []
    for text in given:
        try:
            chosen.append(policy_or_name(text))
        except ValueError as error:
            faults.append(error)
    raise_faults(faults)
    return chosen


def _only_json(ctx: typer.Context, wanted: bool) -> bool:
    if wanted:
        ctx.with_resource(only_json())
    return wanted


ProblemArgument = Annotated[Path, typer.Argument(metavar="PROBLEM.toml")]
PolicyOption = Annotated[
    list[str] | None,
    typer.Option(
        "--policy",
        "-p",
        callback=_read_policies,
        help="Policy to include: a name, or FILE.py:Class; repeat for more.",
    ),
]
# For commands that keep nothing without a folder.
OUT_ON_REQUEST = "Run folder, which is resumed if it is unfinished; without it nothing is kept."
AskedOutOption = Annotated[Path | None, typer.Option("--out", "-o", help=OUT_ON_REQUEST)]
OutOption = Annotated[Path | None, typer.Option("--out", "-o", help="Run folder; an unfinished run is resumed.")]
JsonOption = Annotated[
    bool, typer.Option("--json", callback=_only_json, is_eager=True, help="Print JSON instead of a table.")
]
JobsOption = Annotated[int, typer.Option(callback=_checked_jobs, help="Worker processes; -1 for all cores.")]
ClusterOption = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS", callback=_checked_cluster, help="Dask cluster to work on, in place of worker processes."
    ),
]
ExactOption = Annotated[
    bool | None,
    typer.Option("--exact/--no-exact", help="Exact values, or none; default: exact for small problems."),
]
SeedOption = Annotated[int, typer.Option(min=0, help="Seed of all randomness.")]
DrawsOption = Annotated[int, typer.Option(help="Draws to keep, of each chain if a model is sampled.")]
TuneOption = Annotated[int, typer.Option(help="Sampling: draws of each chain to discard first.")]
TargetOption = Annotated[float, typer.Option(help="Sampling: raise it, up to 1, if trajectories diverge.")]


def read_problem(path: Path | None) -> Problem:
    """Problem from a file, or the built-in one."""
    if path is not None:
        return Problem.from_toml(path)
    with as_file(files("seqaudit.benchmarks.comparison") / "built_in.toml") as built_in:
        return Problem.from_toml(built_in)


def files_as_inputs(policies: Iterable[str | Policy] | None) -> dict[str, Any]:
    """Files that policies were read from, for the record of a run; nothing if there are none."""
    files = file_records(policies)
    return {"policy_files": files} if files else {}


def problem_folder(out: Path | None, command: str, problem: Problem, inputs: dict[str, Any]) -> RunFolder:
    """Run folder that also contains the problem as a file."""
    folder = RunFolder(out, command, inputs)
    problem.to_toml(folder.path / "problem.toml")
    return folder


def parts_of[Part](
    folder: RunFolder | None, names: Iterable[str], advance: Callable[[str], object], form: Format[Part]
) -> Parts[Part]:
    """Parts as by ``RunFolder.parts``; without a folder none is finished, and none is kept."""
    if folder is not None:
        return folder.parts(names, advance, form)

    def keep(name: str, _: Part) -> None:
        advance(name)

    return Parts({}, keep)


def headline(problem: Problem) -> str:
    """Short description of a problem."""
    return f"{problem.size} items, {problem.labels} labels, utility {problem.utility.name}"


def name_or_table(option: str, text: str) -> Any:
    """Value of an option that is a name, or an inline TOML table."""
    if not text.startswith("{"):
        return text
    try:
        found = parse_toml(f"x = {text}")
    except ValueError:
        found = {}
    if found.keys() != {"x"}:
        raise ValueError(f'{option} is {shown(text)}; allowed: a name, or a table such as {{name="decisive", eps=0.1}}')
    return found["x"]


@contextmanager
def nothing_kept(folder: RunFolder | None = None) -> Iterator[None]:
    """Report after Ctrl-C that nothing is kept, unlike commands that can be resumed, unless there is a run folder."""
    try:
        yield
    except KeyboardInterrupt:
        if folder is not None:
            raise
        print("seqaudit: interrupted; nothing is kept", file=sys.stderr)
        sys.exit(status_of_interruption())
