"""Runs as they stand in their folders, to be looked at, exported and reported; the cells are not changed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...dp.machine.files import write_whole
from ...posteriors.foundation.messages import first_line, listed, shown
from ...posteriors.foundation.names import nearest_name
from ...posteriors.foundation.refusals import file_path
from .folder import RunFolderError, inputs_digest, read_record
from .store import Cell, Store, StoreError

__all__ = ["FinishedRun", "require_outside", "results_of_json"]


def require_outside(run: str | os.PathLike[str], to: Path) -> None:
    """Raise for a file that would be written over those of a run.

    Raises
    ------
    RunFolderError
        For one in the run folder.
    """
    folder = Path(os.path.realpath(file_path("run", run)))
    if Path(os.path.realpath(to)).is_relative_to(folder):
        raise RunFolderError(f"to is {shown(str(to))}, in the run folder, whose files stay as they are; give another")


def results_of_json(cells: Sequence[Cell]) -> list[Any]:
    """Results of cells of the form ``.json``.

    Raises
    ------
    RunFolderError
        For one that is not JSON.
    """
    try:
        # Together they take half the time.
        found: list[Any] = json.loads(b"[" + b",".join([cell.result for cell in cells]) + b"]")
        if len(found) == len(cells):
            return found
    except ValueError:
        pass
    found = []
    for cell in cells:
        try:
            found.append(json.loads(cell.result))
        except ValueError as error:
            raise RunFolderError(f"cell {shown(cell.name)} holds no JSON: {first_line(error)}") from None
    return found


@dataclass(frozen=True, eq=False)
class FinishedRun:
    """Run in a folder, whether or not all of its parts are finished.

    Attributes
    ----------
    path : Path
    record : dict
        What ``run.json`` holds.
    store : Store
    """

    path: Path
    record: dict[str, Any]
    store: Store

    @classmethod
    def of(cls, path: str | os.PathLike[str]) -> FinishedRun:
        """Run of a folder.

        Raises
        ------
        RunFolderError
            If the folder is not that of a run, or its store cannot be read.
        """
        folder = file_path("run", path)
        if not (folder / "run.json").is_file():
            raise RunFolderError(f"{folder} is not a run folder: it has no run.json")
        record = read_record(folder / "run.json")
        if not (folder / "run.sqlite").exists():
            raise RunFolderError(f"{folder} holds no finished parts: it has no run.sqlite")
        if not isinstance(record["command"], str) or not isinstance(record["inputs"], dict):
            raise RunFolderError(f"{folder / 'run.json'}: not a run record")
        try:
            return cls(folder, record, Store(folder / "run.sqlite", changing=False))
        except StoreError as error:
            raise RunFolderError(str(error)) from None

    def cells(self) -> Iterator[tuple[str, Cell]]:
        """Yield the keys and the cells in the order in which they were finished.

        Raises
        ------
        RunFolderError
            For one that is not as it was written.
        """
        try:
            for k, (key, cell) in enumerate(self.store.cells(), start=1):
                if cell is None:
                    raise RunFolderError(
                        f"{self.store.path}: row {k} is not as it was written; the command that wrote it computes it "
                        "again"
                    )
                if k == 1:
                    self._require_own(cell)
                yield key, cell
        except StoreError as error:
            raise RunFolderError(str(error)) from None

    def _require_own(self, cell: Cell) -> None:
        """Raise for a record that is not that of the run whose cells these are."""
        inputs = json.loads(cell.inputs)
        said = {"command": self.record["command"], "inputs": inputs_digest(self.record["inputs"])}
        if any(inputs.get(key, x) != x for key, x in said.items()):
            raise RunFolderError(f"{self.path / 'run.json'} is not the record of the run that {self.store.path} holds")

    def write(self, name: str, content: str | bytes) -> Path:
        """Write a file that is made from the cells, whole or not at all."""
        return write_whole(self.path / name, content)

    def cell(self, called: str) -> Cell:
        """Cell of a name, or of the first digits of a key.

        Raises
        ------
        RunFolderError
            If there is none, or more than one.
        """
        found = self.store.keys(called)
        if len(found) > 1:
            raise RunFolderError(
                f"{self.path}: {shown(called)} stands for {len(found)} cells, "
                f"{listed([name for _, name in found], 5)}; give more digits of a key"
            )
        if not found:
            names = self.store.names()
            near = nearest_name(called, names)
            hint = "" if near is None else f"; did you mean {shown(near)}?"
            raise RunFolderError(f"{self.path} has no cell {shown(called)}{hint} ({len(names)} cells; show lists them)")
        cell, _ = self.store.read(found[0][0])
        if cell is not None:
            self._require_own(cell)
        if cell is None:
            raise RunFolderError(
                f"{shown(found[0][1])} in {self.store.path} is not as it was written; the command that wrote it "
                "computes it again"
            )
        return cell
