"""Run folders: inputs, versions, seeds and results of one command, from which it can be resumed and recomputed.

    run.json      command, inputs, versions, time of start
    parts/        one file for every finished part of the work, written whole or not at all
    ...           tables and figures, written when all parts are finished

A command with an existing run folder resumes that run if the inputs are equal, and is refused otherwise.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import platform
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from ...dp.machine.files import write_whole
from ...dp.problem.problem import Problem
from .kept import Format, Parts

__all__ = ["RunFolder", "RunFolderError", "file_name", "fingerprint", "problem_as_inputs"]

_RECORDED = ("seqaudit", "numpy", "scipy", "numba", "xarray", "pandas", "joblib")


class RunFolderError(ValueError):
    """Error for a folder that cannot be used with this command and these inputs."""


class RunFolder:
    """Run folder of one command.

    Parameters
    ----------
    path : path or None
        Folder to create or to resume; None for a new one, ``runs/<command>-<time>``.
    command : str
    inputs : dict
        Everything that the results depend on, as values that JSON can represent.
    libraries : sequence of str
        Further libraries whose versions are recorded.

    Raises
    ------
    RunFolderError
        If the folder holds another run, or something other than a run.
    """

    def __init__(
        self, path: str | Path | None, command: str, inputs: dict[str, Any], libraries: Sequence[str] = ()
    ) -> None:
        now = datetime.datetime.now(datetime.UTC)
        self.path = Path(path) if path is not None else _fresh(Path("runs"), f"{command}-{now:%Y%m%d-%H%M%S}")
        wanted = json.loads(json.dumps({"command": command, "inputs": inputs}))
        record = self.path / "run.json"
        if record.exists():
            try:
                found = json.loads(record.read_text(encoding="utf-8"))
            except (json.JSONDecodeError, UnicodeDecodeError):
                raise RunFolderError(f"{record}: not a run record") from None
            if not isinstance(found, dict):
                raise RunFolderError(f"{record}: not a run record")
            for key in ("command", "inputs"):
                if found.get(key) != wanted[key]:
                    raise RunFolderError(
                        f"{self.path} holds another run: {_difference(found.get(key), wanted[key])}; "
                        "give another folder"
                    )
        elif self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())):
            raise RunFolderError(f"{self.path} exists and is not a run folder")
        else:
            (self.path / "parts").mkdir(parents=True, exist_ok=True)
            from importlib.metadata import version

            wanted["versions"] = {name: version(name) for name in (*_RECORDED, *libraries)}
            wanted["versions"]["python"] = platform.python_version()
            wanted["machine"] = {
                "system": platform.platform(),
                "processor": platform.machine(),
                "cores": os.cpu_count(),
            }
            wanted["started"] = now.isoformat(timespec="seconds")
            self.write("run.json", json.dumps(wanted, indent=1))

    def part(self, name: str, suffix: str) -> Path:
        """Path of the file of a named part, finished or not."""
        return self.path / "parts" / (file_name(name) + suffix)

    def parts[Part](
        self, names: Iterable[str], advance: Callable[[str], object], form: Format[Part], of: str = ""
    ) -> Parts[Part]:
        """Finished parts, and a function that stores the others as they end.

        Parameters
        ----------
        names : iterable of str
        advance : callable
            Called with the name of each part that is finished already, and of each that is stored.
        form : Format
            Format of the files.
        of : str
            Prefix of file names, and of the names given to ``advance``.

        Returns
        -------
        Parts
        """
        finished = {}
        for name in names:
            path = self.part(of + name, form.suffix)
            if path.exists():
                finished[name] = form.read(path)
                advance(of + name)

        def keep(name: str, part: Part) -> None:
            form.write(self.part(of + name, form.suffix), part)
            advance(of + name)

        return Parts(finished, keep)

    def write(self, name: str, text: str) -> Path:
        """Write a text file, whole or not at all."""
        return write_whole(self.path / name, text)


def file_name(text: str) -> str:
    """Text with the characters that a file name cannot hold replaced.

    Examples
    --------
    >>> file_name("contaminated(kinds=('random',))")
    'contaminated(kinds=(_random_,))'
    """
    return re.sub(r"[^\w.=,()-]+", "_", text)


def fingerprint(path: str | Path) -> dict[str, str]:
    """Name and SHA-256 digest of an input file, as recorded in a run."""
    with Path(path).open("rb") as stream:
        return {"file": Path(path).name, "sha256": hashlib.file_digest(stream, "sha256").hexdigest()}


def _fresh(parent: Path, name: str) -> Path:
    path, k = parent / name, 2
    while path.exists():
        path, k = parent / f"{name}-{k}", k + 1
    return path


def _difference(found: Any, wanted: Any) -> str:
    if isinstance(found, dict) and isinstance(wanted, dict):
        for key in sorted(found.keys() | wanted.keys()):
            if found.get(key) != wanted.get(key):
                return f"{key} {_difference(found.get(key), wanted.get(key))}"
    if isinstance(found, list) and isinstance(wanted, list):
        for k, (old, new) in enumerate(zip(found, wanted, strict=False)):
            if old != new:
                return f"entry {k + 1} {_difference(old, new)}"
        return f"had {len(found)} entries, now {len(wanted)}"
    return f"was {_short(found)}, now {_short(wanted)}"


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."


def problem_as_inputs(problem: Problem) -> dict[str, Any]:
    """Fields of a problem as plain values, for run records and JSON output."""
    fields = problem.as_dict() | {key: getattr(problem, key).tolist() for key in ("threshold", "log_ratio", "cap")}
    fields |= {"beta": problem.beta, "quota": fields.get("quota", [])}
    order = ("name", "threshold", "log_ratio", "beta", "weight", "prior", "cost", "cap", "quota", "reward", "batch")
    return {key: fields[key] for key in (*order, "budget", "utility")}
