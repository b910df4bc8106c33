"""All claims of the source paper, judged in one run folder: on small cases, on drawn problems and on recorded votes."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cache, partial
from importlib.resources import files
from pathlib import Path
from typing import Any

from ...dp.machine.seal import digest
from ..runner.executors import Cluster, computed
from ..runner.finished import FinishedRun
from ..runner.folder import RunFolder, RunFolderError
from ..runner.lock import alone_in
from ..runner.store import Cell
from ..runner.warm import warm
from ..studies.outline import STUDY_FILE, Outline
from ..studies.results import StudyResults
from ..studies.run_study import compute_cells, missing_jobs, open_study
from ..studies.study import Study
from ..studies.study_file import make_study
from .claims import CLAIM_GROUPS, described
from .evidence import Evidence
from .one_shot import OneShot
from .policy_claims import policy_claims

__all__ = ["DRAWN", "SMALL", "VOTES", "JudgedClaims", "claims_study", "judge_claims", "left_to_do", "open_claims"]

# What claims are judged on, as the names of the cells say.
SMALL, DRAWN, VOTES = "small cases", "drawn problems", "votes"
_FORM = 1
_QUICK_REPLICATIONS = 3


def claims_study(votes: Path | None = None, quick: bool = False) -> Study:
    """Study that the claims on policies are judged by.

    Parameters
    ----------
    votes : Path, optional
        Folder with the label files and items files that ``votes.toml`` and ``large_votes.toml`` name; default: drawn
        problems alone.
    quick : bool
        With fewer replications, and without votes on many items.

    Returns
    -------
    Study

    Raises
    ------
    StudyError
        For a file that is not there, or cannot be read.
    """
    fields = _read("synthetic.toml")
    if votes is not None:
        for name in ("votes.toml", *([] if quick else ["large_votes.toml"])):
            fields["problem"] += _read(name)["problem"]
    fields["policies"] = [*fields["policies"], OneShot()]
    repeats = _QUICK_REPLICATIONS if quick else None
    return make_study(fields, folder="." if votes is None else votes, replications=repeats)


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads(files("seqaudit.benchmarks.claims").joinpath(name).read_text())


@cache
def _code() -> str:
    """Digest of the modules by which claims are judged: those of another version are judged again."""
    modules = sorted(
        (x for x in files("seqaudit.benchmarks.claims").iterdir() if x.name.endswith(".py")), key=lambda x: x.name
    )
    return digest(b"".join(x.read_bytes() for x in modules))


@dataclass(frozen=True)
class JudgedClaims:
    """Claims as they were judged in a run folder.

    Attributes
    ----------
    small : list of dict
        Claims judged on small cases, each with the name of its ``cell``.
    others : list of dict
        Claims on policies, each with its ``cell``, what it was judged ``on``, and its ``finding``, which is None where
        the sources have no such case.
    """

    small: list[dict[str, Any]]
    others: list[dict[str, Any]]

    @classmethod
    def of(cls, run: str | Path) -> JudgedClaims:
        """Claims in a run folder.

        Raises
        ------
        RunFolderError
            For a folder in which no claims were judged.
        """
        found = FinishedRun.of(run)
        cells = digest_of_cells(Outline.read(found.path)) if (found.path / STUDY_FILE).exists() else None
        small: dict[str, list[dict[str, Any]]] = {}
        others: dict[str, dict[str, Any]] = {}
        try:
            for _, cell in found.cells():
                inputs = json.loads(cell.inputs)
                if inputs.get("code") != _code():
                    continue
                if "claims" in inputs:
                    small[cell.name] = [x | {"cell": cell.name} for x in json.loads(cell.result)]
                elif "claim" in inputs and inputs["cells"] == cells:
                    others[cell.name] = json.loads(cell.result) | {"cell": cell.name}
        finally:
            found.store.close()
        if not small:
            raise RunFolderError(f"{run} holds no claims that this version judged; seqaudit claims judges them")
        listed = sorted((x for some in small.values() for x in some), key=lambda x: (x["section"], x["key"]))
        return cls(listed, sorted(others.values(), key=lambda x: (x["section"], x["key"], x["on"])))


@contextmanager
def open_claims(study: Study | None, out: Path | None) -> Iterator[RunFolder]:
    """Run folder of the claims, begun or taken up: that of the study, or of small cases alone."""
    if study is not None:
        with open_study(study, out) as folder:
            yield folder
        return
    folder = RunFolder(out, "claims", {"on": SMALL})
    with alone_in(folder.path):
        yield folder


def left_to_do(study: Study | None, folder: RunFolder) -> int:
    """Number of steps of which ``judge_claims`` tells."""
    own = 0 if study is None else len(missing_jobs(study, folder)) + 1
    return own + len(_groups_left(folder))


def judge_claims(
    study: Study | None,
    folder: RunFolder,
    n_jobs: int | Cluster = 1,
    on_step: Callable[[str], object] = lambda name: None,
) -> int:
    """Judge all claims in a run folder; what is there already is not computed again.

    Parameters
    ----------
    study : Study or None
        From ``claims_study``; None to judge on small cases alone.
    folder : RunFolder
    n_jobs : int or Cluster
        As for ``run_study``.
    on_step : callable
        Called with the name of each part of the work that ends.

    Returns
    -------
    int
        Number of cells of the study that failed; claims on policies are judged only if there is none.
    """
    groups = _groups_left(folder)
    with closing(computed({name: partial(_judged, name) for name in groups}, n_jobs, warm)) as runs:
        for name, found in runs:
            _replace(folder, _cell(name, groups[name], found, folder.versions))
            on_step(name)
    if study is None:
        return 0
    failed = compute_cells(study, folder, n_jobs, on_step)
    if not failed:
        for cell in _findings(study, folder):
            _replace(folder, cell)
        on_step("verdicts")
    return failed


def _replace(folder: RunFolder, cell: Cell) -> None:
    """Write a verdict in place of that of another version, or of another form of the study."""
    folder.store.forget(cell.name)
    folder.store.write(cell)


def digest_of_cells(outline: Outline) -> str:
    """Digest of the keys of all cells of a study."""
    return digest(json.dumps([plan.key for plan in outline.plans()]).encode())


def _groups_left(folder: RunFolder) -> dict[str, str]:
    """Inputs of the groups of claims on small cases that are not judged yet, by name of the cell."""
    done, _ = folder.store.done()
    inputs = {
        f"{SMALL}, {name}": json.dumps({"form": _FORM, "claims": name, "code": _code()}, sort_keys=True)
        for name in CLAIM_GROUPS
    }
    return {name: x for name, x in inputs.items() if digest(x.encode()) not in done}


def _judged(name: str) -> list[dict[str, Any]]:
    """Claims of a group as JSON holds them."""
    claims = CLAIM_GROUPS[name.removeprefix(f"{SMALL}, ")]()
    return [{**{k: x for k, x in vars(one).items() if k != "case"}, "case": described(one)} for one in claims]


def _cell(name: str, inputs: str, found: Any, versions: str) -> Cell:
    return Cell(name, inputs, ".json", json.dumps(found).encode(), versions=versions)


def _findings(study: Study, folder: RunFolder) -> Iterator[Cell]:
    """Yield the cells of the claims on policies that are not judged yet."""
    done, _ = folder.store.done()
    cells = digest_of_cells(study.outline)
    evidence: dict[str, Evidence] = {}
    for one in policy_claims():
        for on in (DRAWN, VOTES):
            common = {"form": _FORM, "claim": one.key, "on": on, "cells": cells, "code": _code()}
            inputs = json.dumps(common, sort_keys=True)
            if digest(inputs.encode()) in done:
                continue
            if not evidence:
                results = StudyResults.of(folder.path)
                evidence = {x: Evidence.of(study, results, from_pools=x == VOTES) for x in (DRAWN, VOTES)}
            finding = one.judged(evidence[on])
            told = {"key": one.key, "section": one.section, "statement": one.statement, "measure": one.measure}
            told |= {"unit": one.unit, "on": on, "finding": None if finding is None else finding.as_dict()}
            yield _cell(f"claim {one.key}, {on}", inputs, told, folder.versions)
