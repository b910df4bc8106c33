"""Outline of a study: the cells that it has, told by plain data alone, as it stands in a run folder."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, NamedTuple

from ...dp.machine.files import write_whole
from ...dp.machine.reading import read_json
from ...dp.machine.seal import digest, seal_is_whole, sealed
from ...posteriors.foundation.messages import shown
from ..runner.folder import RunFolderError, difference_of, identity
from .cells import EXACT, REFERENCE

__all__ = ["STUDY_FILE", "Outline", "Plan", "Setting", "Way"]

# Form of the results of cells; another one means that they are computed again.
_FORM = 1
# File of the outline in a run folder.
STUDY_FILE = "study.json"


class Setting(NamedTuple):
    """An environment: its name, source and axes, the numbers of labels at which it is looked at, and all inputs.

    Where it ``is_solved``, policies have exact values.
    """

    name: str
    source: str
    axes: dict[str, Any]
    stops: list[int]
    is_solved: bool
    inputs: dict[str, Any]


class Way(NamedTuple):
    """A policy: its name with settings, whether it has exact values, what determines it, and its files."""

    name: str
    is_exact: bool
    canonical: str
    files: list[dict[str, Any]]


@dataclass(frozen=True)
class Plan:
    """A cell that a study has.

    Attributes
    ----------
    setting : Setting
    way : Way or None
        None for the references of the environment.
    replication : int
        -1 for the references, and for the exact value of a policy.
    inputs : str
        Everything that determines the result, as JSON.
    """

    setting: Setting
    way: Way | None
    replication: int
    inputs: str

    @property
    def name(self) -> str:
        """Name of the cell."""
        if self.way is None:
            return f"{self.setting.name} | {REFERENCE}"
        return f"{self.setting.name} | {self.way.name} | {EXACT if self.replication < 0 else self.replication + 1}"

    @property
    def key(self) -> str:
        """Digest of the inputs."""
        return digest(self.inputs.encode())


@dataclass(frozen=True)
class Outline:
    """Cells of a study, told by plain data.

    Attributes
    ----------
    name : str
    seed, replications : int
    metrics : list of str
    ways : list of Way
    settings : list of Setting
    codes : list of str
        What determines each metric, if some are not built in.
    """

    name: str
    seed: int
    replications: int
    metrics: list[str]
    ways: list[Way]
    settings: list[Setting]
    codes: list[str] = field(default_factory=list)

    @property
    def size(self) -> int:
        """Number of cells."""
        exact = sum(x.is_solved for x in self.settings) * sum(x.is_exact for x in self.ways)
        return len(self.settings) * (1 + len(self.ways) * self.replications) + exact

    def plans(self) -> Iterator[Plan]:
        """Yield every cell, environment by environment."""
        for setting in self.settings:
            content = json.dumps(identity(setting.inputs), sort_keys=True)
            common: dict[str, Any] = {"form": _FORM, "environment": digest(content.encode())}
            yield Plan(setting, None, -1, _text(common | {"policy": None}))
            draws: dict[str, Any] = {"seed": self.seed, "metrics": self.metrics, "stops": setting.stops}
            draws |= {"codes": self.codes} if self.codes else {}
            for way in self.ways:
                inputs = common | {"policy": way.canonical, "files": [x["sha256"] for x in way.files]}
                if setting.is_solved and way.is_exact:
                    yield Plan(setting, way, -1, _text(inputs | {"value": EXACT}))
                inputs |= draws
                for r in range(self.replications):
                    yield Plan(setting, way, r, _text(inputs | {"replication": r}))

    def write(self, folder: Path) -> None:
        """Write the outline in a run folder, in place of that of an earlier form of the study.

        Raises
        ------
        RunFolderError
            If an environment of a name, or a policy, is another one than it was.
        """
        if (folder / STUDY_FILE).exists():
            before = Outline.read(folder)
            _require_same(folder, "problem", *({x.name: x.inputs for x in one.settings} for one in (before, self)))
            _require_same(folder, "metric", *(dict(zip(x.metrics, x.codes, strict=False)) for x in (before, self)))
            _require_same(folder, "policy", *({x.name: list(x[2:]) for x in one.ways} for one in (before, self)))
        write_whole(folder / STUDY_FILE, json.dumps(sealed(json.loads(json.dumps(asdict(self)))), indent=1))

    @classmethod
    def read(cls, folder: Path) -> Outline:
        """Outline that stands in a run folder.

        Raises
        ------
        RunFolderError
            If there is none, or it is not as it was written.
        """
        file = folder / STUDY_FILE
        if not file.exists():
            raise RunFolderError(f"{folder} is not the run folder of a study: it has no {STUDY_FILE}")
        try:
            found = read_json(file)
        except ValueError:
            found = None
        if not isinstance(found, dict) or not seal_is_whole(found):
            raise RunFolderError(f"{file} is not as it was written; remove it, and run the study again")
        parts = {"ways": [Way(*x) for x in found["ways"]], "settings": [Setting(*x) for x in found["settings"]]}
        return cls(**{x.name: found[x.name] for x in fields(cls) if x.name in found} | parts)


def _text(inputs: Mapping[str, Any]) -> str:
    return json.dumps(inputs, sort_keys=True)


def _require_same(folder: Path, what: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Require that things of one name are the same as before: a study may grow, and may not change."""
    for name, found in now.items():
        known, asked = (identity(json.loads(json.dumps(x))) for x in (before.get(name, found), found))
        if known != asked:
            raise RunFolderError(
                f"{folder} holds another {what} {shown(name)}: {difference_of(known, asked)}; give another folder, or "
                "another name"
            )
