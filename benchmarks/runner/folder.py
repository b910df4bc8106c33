"""Run folders: inputs, versions, seeds and results of one command, from which it can be resumed and recomputed.

    run.json    command, inputs, versions, time of start
    run.sqlite  the store: a row for every finished part of the work
    ...         tables and figures, written when all parts are finished

A command with an existing run folder resumes that run if the inputs are equal, and is refused otherwise. A part that is
not the one that was written is computed again. Several commands may work in one folder: each part, and each file, is
that of one of them.
"""

from __future__ import annotations

import datetime
import json
import os
import platform
import re
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ...dp.machine.files import sweep, write_new, write_whole
from ...dp.machine.reading import read_json
from ...dp.machine.seal import digest
from ...dp.problem.problem import Problem
from ...posteriors.foundation.refusals import file_path
from .kept import Format, Parts
from .parts import seconds_taken
from .store import Cell, Store, StoreError

__all__ = [
    "RunFolder",
    "RunFolderError",
    "difference_of",
    "file_name",
    "inputs_digest",
    "problem_as_inputs",
    "read_record",
]

_LONGEST_NAME = 150
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
        Everything that the results depend on, as values that JSON can represent. Of a file, as a dict with its
        ``file`` and ``sha256``, only the digest is compared: pipes have other names each time.
    libraries : sequence of str
        Further libraries whose versions are recorded.

    Attributes
    ----------
    store : Store
        Finished parts.
    versions : str
        Versions of the libraries with which the run was begun, as JSON.
    notes : list of str
        Parts that were not as they had been written, and are computed again.

    Raises
    ------
    RunFolderError
        If the folder holds another run, or something other than a run.
    """

    def __init__(
        self, path: str | Path | None, command: str, inputs: dict[str, Any], libraries: Sequence[str] = ()
    ) -> None:
        now = datetime.datetime.now(datetime.UTC)
        self.notes: list[str] = []
        wanted = json.loads(json.dumps({"command": command, "inputs": inputs}))
        self.path = (
            file_path("out", path) if path is not None else _fresh(Path("runs"), f"{command}-{now:%Y%m%d-%H%M%S}")
        )
        record = self.path / "run.json"
        if not record.exists():
            _begin(record, wanted | _circumstances(libraries, now))
        found = read_record(record)
        for key in ("command", "inputs"):
            before, asked = (identity(x.get(key)) for x in (found, wanted))
            if before != asked:
                difference = difference_of(before, asked)
                raise RunFolderError(f"{self.path} holds another run: {difference}; give another folder")
        sweep(self.path)
        for entry in self.path.iterdir():
            if entry.is_symlink():
                raise RunFolderError(f"{entry} is a link, through which another file would be changed; remove it")
        if (self.path / "parts").exists():
            raise RunFolderError(
                f"{self.path} was begun by an earlier version of seqaudit, which kept its parts as files; finish the "
                "run with that version, or give another folder"
            )
        self._common = {"command": command, "inputs": inputs_digest(wanted["inputs"])}
        seed = wanted["inputs"].get("seed")
        self._seed = None if seed is None else json.dumps(seed)
        self.versions = json.dumps(found.get("versions", {}))
        try:
            self.store = Store(self.path / "run.sqlite")
        except StoreError as error:
            raise RunFolderError(str(error)) from None

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
            Format of the results.
        of : str
            What the parts are parts of: a prefix of the names in the store, and of those given to ``advance``.

        Returns
        -------
        Parts
        """
        finished = {}
        for name in names:
            for part in self._stored(of + name, form):
                finished[name] = part
                advance(of + name)

        def keep(name: str, part: Part) -> None:
            self._keep(of + name, form, part, seconds_taken())
            advance(of + name)

        return Parts(finished, keep)

    def kept[Result](self, name: str, form: Format[Result], compute: Callable[[], Result]) -> Result:
        """Read a result from the store if it is there; else compute it and store it."""
        for found in self._stored(name, form):
            return found
        begin = time.perf_counter()
        result = compute()
        self._keep(name, form, result, time.perf_counter() - begin)
        return result

    def content[Result](self, name: str, form: Format[Result]) -> bytes:
        """Bytes of a finished part, as they were written.

        Raises
        ------
        KeyError
            If it is not there, or is not as it was written.
        """
        cell, _ = self.store.read(self._cell(name, form).key)
        if cell is None:
            raise KeyError(name)
        return cell.result

    def _cell(self, name: str, form: Format[Any], result: bytes = b"") -> Cell:
        inputs = json.dumps(self._common | {"part": name, "form": form.suffix}, sort_keys=True)
        return Cell(name, inputs, form.suffix, result, self._seed, versions=self.versions)

    def _keep[Result](self, name: str, form: Format[Result], result: Result, seconds: float | None) -> None:
        self.store.write(self._cell(name, form, form.store(result))._replace(seconds=seconds))

    def _stored[Result](self, name: str, form: Format[Result]) -> Iterable[Result]:
        """Yield a result of the store; none if it is not there, and none but a note if it was changed."""
        cell, changed = self.store.read(self._cell(name, form).key)
        if changed:
            self.notes.append(f"{name} in {self.store.path} is not as it was written: computed again")
        if cell is None or cell.status != "done":
            return
        try:
            yield form.load(cell.result)
        except (ValueError, KeyError, OSError) as error:
            found = " ".join(str(error).split())
            self.notes.append(f"{name} in {self.store.path} cannot be read ({found}): computed again")

    def write(self, name: str, content: str | bytes) -> Path:
        """Write a file, whole or not at all."""
        return write_whole(self.path / name, content)


def file_name(text: str) -> str:
    """Text with the characters that a file name cannot hold replaced.

    Examples
    --------
    >>> file_name("contaminated(kinds=('random',))")
    'contaminated(kinds=(_random_,))'
    """
    plain = re.sub(r"[^\w.=,()-]+", "_", text)
    # File systems allow 255 bytes, some of which are needed for the rest of the name.
    return plain if len(plain.encode()) <= _LONGEST_NAME else f"{plain[:40]}-{digest(text.encode())[:8]}"


def _fresh(parent: Path, name: str) -> Path:
    """New folder; of several commands that start in one second each gets its own."""
    path, k = parent / name, 2
    parent.mkdir(parents=True, exist_ok=True)
    while True:
        try:
            path.mkdir()
        except FileExistsError:
            path, k = parent / f"{name}-{k}", k + 1
        else:
            return path


def _begin(record: Path, content: dict[str, Any]) -> None:
    """Write the record of a new run, unless another command is first; the folder is made if it is not there."""
    folder = record.parent
    # A folder that a command left before it wrote its record holds nothing of worth.
    names = {x.name for x in folder.iterdir()} if folder.is_dir() else set()
    left = "run.json" in names or all(_is_left(folder / name) for name in names)
    if folder.is_symlink() and not folder.exists():
        raise RunFolderError(f"{folder} is a link to something that does not exist; give another folder")
    if folder.exists() and not (folder.is_dir() and left):
        raise RunFolderError(f"{folder} exists and is not a run folder")
    made = [x for x in (folder, *folder.parents) if not x.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_new(record, json.dumps(content, indent=1))
    except BaseException:
        for x in made:
            with suppress(OSError):
                x.rmdir()
        raise


def _is_left(path: Path) -> bool:
    return path.suffix == ".part"


def _circumstances(libraries: Sequence[str], now: datetime.datetime) -> dict[str, Any]:
    """Versions, machine and time."""
    from importlib.metadata import version

    versions = {name: version(name) for name in (*_RECORDED, *libraries)} | {"python": platform.python_version()}
    machine = {"system": platform.platform(), "processor": platform.machine(), "cores": os.cpu_count()}
    return {"versions": versions, "machine": machine, "started": now.isoformat(timespec="seconds")}


def read_record(record: Path) -> dict[str, Any]:
    """Record of a run, as ``run.json`` holds it."""
    try:
        found = read_json(record)
    except ValueError:
        found = None
    if not isinstance(found, dict) or not {"command", "inputs"} <= found.keys():
        raise RunFolderError(f"{record}: not a run record")
    return found


def identity(inputs: Any) -> Any:
    """Inputs without the names of files whose content is identified by a digest."""
    if isinstance(inputs, dict):
        return {key: identity(x) for key, x in inputs.items() if not (key == "file" and "sha256" in inputs)}
    return [identity(x) for x in inputs] if isinstance(inputs, list) else inputs


def inputs_digest(inputs: Any) -> str:
    """Digest of the inputs of a run, by which its cells are known."""
    return digest(json.dumps(identity(inputs), sort_keys=True).encode())


def difference_of(found: Any, wanted: Any) -> str:
    """First difference between two values of JSON, in words."""
    if isinstance(found, dict) and isinstance(wanted, dict):
        for key in sorted(found.keys() | wanted.keys()):
            if found.get(key) != wanted.get(key):
                return f"{key} {difference_of(found.get(key), wanted.get(key))}"
    if isinstance(found, list) and isinstance(wanted, list):
        for k, (old, new) in enumerate(zip(found, wanted, strict=False)):
            if old != new:
                return f"entry {k + 1} {difference_of(old, new)}"
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
    fields["label_price"] = problem.label_price
    return {key: fields[key] for key in (*order, "budget", "label_price", "utility")}
