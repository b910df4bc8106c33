"""Run folders: inputs, versions, seeds and results of one command, from which it can be resumed and recomputed.

    run.json      command, inputs, versions, time of start
    parts/        one file for every finished part of the work, written whole or not at all
    parts.sha256  digest of each of them, written before the part is there
    ...           tables and figures, written when all parts are finished

A command with an existing run folder resumes that run if the inputs are equal, and is refused otherwise. A part that is
not the one that was written is computed again. Several commands may work in one folder: each file is that of one of
them.
"""

from __future__ import annotations

import datetime
import json
import os
import platform
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ...dp.machine.files import append_line, sweep, write_new, write_whole
from ...dp.machine.reading import Unreadable, read_input, read_json
from ...dp.machine.seal import digest
from ...dp.problem.problem import Problem
from ...posteriors.foundation.refusals import file_path
from .kept import Format, Parts

__all__ = ["RunFolder", "RunFolderError", "file_name", "problem_as_inputs"]

_DIGESTS = "parts.sha256"
# Bytes of a part: as many as any disk holds, so that only what does not end is refused.
_MOST_BYTES = 2**50
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
        self._digests: set[tuple[str, str]] = set()
        wanted = json.loads(json.dumps({"command": command, "inputs": inputs}))
        self.path = (
            file_path("out", path) if path is not None else _fresh(Path("runs"), f"{command}-{now:%Y%m%d-%H%M%S}")
        )
        record = self.path / "run.json"
        if not record.exists():
            _begin(record, wanted | _circumstances(libraries, now))
        found = _read_record(record)
        for key in ("command", "inputs"):
            before, asked = (_identity(x.get(key)) for x in (found, wanted))
            if before != asked:
                difference = _difference(before, asked)
                raise RunFolderError(f"{self.path} holds another run: {difference}; give another folder")
        for folder in (self.path / "parts", self.path):
            if folder.exists() and not folder.is_dir():
                raise RunFolderError(f"{folder} is not a folder, so the run cannot be taken up; give another folder")
            folder.mkdir(exist_ok=True)
            sweep(folder)
            for entry in folder.iterdir():
                if entry.is_symlink():
                    raise RunFolderError(f"{entry} is a link, through which another file would be changed; remove it")

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
        files = self._files([*names], of, form.suffix)
        finished = {}
        for name, file in files.items():
            for part in self._stored(file, form):
                finished[name] = part
                advance(of + name)

        def keep(name: str, part: Part) -> None:
            self._store(files[name], form, part)
            advance(of + name)

        return Parts(finished, keep)

    def _files(self, names: Sequence[str], of: str, suffix: str) -> dict[str, Path]:
        """File of each part; names that would share one, also where case does not count, get different ones."""
        plain = {name: file_name(of + name) for name in names}
        times = Counter(file.casefold() for file in plain.values())
        marked = {name: f"{plain[name]}-{digest(name.encode())[:8]}" for name in names}
        return {
            name: self.path / "parts" / ((marked if times[file.casefold()] > 1 else plain)[name] + suffix)
            for name, file in plain.items()
        }

    def kept[Result](self, path: Path, form: Format[Result], compute: Callable[[], Result]) -> Result:
        """Read a result from a file of the folder if it was stored there; else compute it and store it."""
        for found in self._stored(path, form):
            return found
        result = compute()
        self._store(path, form, result)
        return result

    def _store[Result](self, path: Path, form: Format[Result], result: Result) -> None:
        content = form.store(result)
        line = digest(content), path.relative_to(self.path).as_posix()
        # First, so that a finished part without a digest is none that an interruption left.
        append_line(self.path / _DIGESTS, "  ".join(line))
        self._digests.add(line)
        write_whole(path, content)

    def _stored[Result](self, path: Path, form: Format[Result]) -> Iterable[Result]:
        """Yield the result in a file; none if there is no file, and none but a note if it was changed."""
        if not path.exists():
            return
        try:
            content = read_input(path, _MOST_BYTES)
        except Unreadable as error:
            raise ValueError(f"{path} cannot be read ({error}); remove it, and it is computed again") from None
        line = digest(content), path.relative_to(self.path).as_posix()
        if line not in self._digests:
            # Read again: another command may have added the line.
            self._digests |= _read_digests(self.path / _DIGESTS)
        if line not in self._digests:
            self.notes.append(f"{path} is not as it was written: computed again")
            return
        try:
            yield form.load(content)
        except (ValueError, KeyError, OSError) as error:
            found = " ".join(str(error).split())
            raise ValueError(f"{path} cannot be read ({found}); remove it, and it is computed again") from None

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
    if path.name == "parts" and path.is_dir():
        return all(map(_is_left, path.iterdir()))
    return path.suffix == ".part"


def _circumstances(libraries: Sequence[str], now: datetime.datetime) -> dict[str, Any]:
    """Versions, machine and time."""
    from importlib.metadata import version

    versions = {name: version(name) for name in (*_RECORDED, *libraries)} | {"python": platform.python_version()}
    machine = {"system": platform.platform(), "processor": platform.machine(), "cores": os.cpu_count()}
    return {"versions": versions, "machine": machine, "started": now.isoformat(timespec="seconds")}


def _read_record(record: Path) -> dict[str, Any]:
    try:
        found = read_json(record)
    except ValueError:
        found = None
    if not isinstance(found, dict) or not {"command", "inputs"} <= found.keys():
        raise RunFolderError(f"{record}: not a run record")
    return found


def _read_digests(path: Path) -> set[tuple[str, str]]:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return set()
    return {(hexadecimal, name) for hexadecimal, _, name in (line.partition("  ") for line in text.split("\n"))}


def _identity(inputs: Any) -> Any:
    """Inputs without the names of files whose content is identified by a digest."""
    if isinstance(inputs, dict):
        return {key: _identity(x) for key, x in inputs.items() if not (key == "file" and "sha256" in inputs)}
    return [_identity(x) for x in inputs] if isinstance(inputs, list) else inputs


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
    fields["label_price"] = problem.label_price
    return {key: fields[key] for key in (*order, "budget", "label_price", "utility")}
