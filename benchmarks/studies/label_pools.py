"""Label files as sources of problems: recorded votes with a reference from items files, or an emulated one.

All that tells of the reference may be an axis: the items files, how several are combined, the side that label 1 stands
for, and the quality of an emulated reference. None of it is part of the keys of the draws, so that for values with
the same items each replication has the same votes in the same order.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ...posteriors.foundation.messages import first_line, shown
from ...posteriors.foundation.names import unknown_key, unknown_name
from ...posteriors.foundation.refusals import file_path, nonnegative, probability
from ...posteriors.foundation.tolerances import above
from ...posteriors.votes.label_set import LabelSet
from ..data.labels import LabelFile
from ..data.problem_of_labels import problem_of_labels
from ..data.references import ENSEMBLES, emulated_log_ratio, ensemble_of, turned_to_majority
from ..metrics.pool_rates import is_unsure
from ..replay.replay import VotePools
from .sources import BOTH_BUDGETS, REFERENCE, TRUTH, Case, Draws, Source, budget_of

__all__ = ["OF_REFERENCES", "LabelFiles", "LabelPools", "plain_setting"]

# Settings that tell of the reference.
OF_REFERENCES = ("items", "ensemble", "orientation", "reference")
_GIVEN, _MAJORITY = "given", "majority"
_WORDS = {"ensemble": tuple(ENSEMBLES), "orientation": (_GIVEN, _MAJORITY)}
_OF_EMULATED = ("agreement", "spread")


def plain_setting(key: str, value: Any) -> Any:
    """Setting that tells of the reference, in plain form; the files of ``items`` are not read.

    Raises
    ------
    ValueError, TypeError
        For a value that is not allowed.

    Examples
    --------
    >>> plain_setting("reference", {"agreement": 1, "spread": 2})
    {'agreement': 1.0, 'spread': 2.0}
    >>> plain_setting("orientation", "major")
    Traceback (most recent call last):
    ValueError: orientation is 'major'; allowed: given, majority; did you mean 'majority'?
    """
    if key == "items":
        if not isinstance(value, (list, tuple)):
            return os.fspath(_path(value))
        found = [os.fspath(_path(x)) for x in value]
        if len(found) < 2:
            raise ValueError(f"items is {shown(value)}; it must be a file, or a list of two or more files")
        if len(set(found)) < len(found):
            raise ValueError(f"items is {shown(value)}; its files must differ")
        return found
    if key in _WORDS:
        if not isinstance(value, str) or value not in _WORDS[key]:
            raise ValueError(unknown_name(f"{key} is {{name}}; allowed: {{known}}{{hint}}", value, _WORDS[key]))
        return value
    if not isinstance(value, Mapping):
        raise ValueError(f"reference is {shown(value)}; it must be a table with agreement and spread")
    for given in value:
        if given not in _OF_EMULATED:
            raise ValueError(f"reference: {unknown_key(given, _OF_EMULATED)}")
    for needed in _OF_EMULATED:
        if needed not in value:
            raise ValueError(f"reference has no {needed}; give agreement and spread")
    return {
        "agreement": probability("agreement of reference", value["agreement"], ends=True),
        "spread": nonnegative("spread of reference", value["spread"]),
    }


def _path(value: Any) -> Path:
    return file_path("items", value)


@dataclass(frozen=True, eq=False)
class LabelFiles:
    """A label file and the items files beside it, each read once, when it is first used.

    Attributes
    ----------
    labels : Path
    folder : Path
        Folder to which the names of items files are relative.
    form : dict
        Keywords of ``read_labels``.
    """

    labels: Path
    folder: Path
    form: Mapping[str, Any]
    _read: dict[str | None, LabelSet] = field(default_factory=dict, repr=False)

    @cached_property
    def _file(self) -> LabelFile:
        return LabelFile.read(self.labels, **{key: x for key, x in self.form.items() if key != "strict"})

    def __getstate__(self) -> dict[str, Any]:
        """State for other processes, which have the votes of their own case and need no others."""
        return {key: x for key, x in self.__dict__.items() if key != "_file"} | {"_read": {}}

    def votes(self, items: str | None = None) -> LabelSet:
        """Votes with what an items file tells of the items.

        Parameters
        ----------
        items : str, optional

        Returns
        -------
        LabelSet

        Raises
        ------
        LabelFileError
            For files that cannot be used; see ``read_labels``.
        """
        if items not in self._read:
            beside = None if items is None else self.folder / items
            self._read[items] = self._file.with_items(beside, strict=self.form.get("strict", False))
        return self._read[items]

    def records(self, items: str | Sequence[str] | None) -> dict[str, Any]:
        """Names and digests of the label file, and of one or several items files, as JSON holds them."""
        if items is None or isinstance(items, str):
            digests = self.votes(items).digests
            found: dict[str, Any] = {"labels": {"file": self.labels.name, "sha256": digests[0]}}
            return found if items is None else found | {"items": _record(items, digests[1])}
        digests = self.votes(items[0]).digests
        beside = [_record(x, self.votes(x).digests[1]) for x in items]
        return {"labels": {"file": self.labels.name, "sha256": digests[0]}, "items": beside}


def _record(path: str, sha256: str) -> dict[str, str]:
    return {"file": Path(path).name, "sha256": sha256}


@dataclass(frozen=True, eq=False)
class LabelPools(Source):
    """Recorded votes, bought without replacement; the truth is the share of wins among all votes of an item.

    Attributes
    ----------
    files : LabelFiles
    records : dict
        Records of the files that hold the votes, and of those of the source's own reference.
    settings : dict
        Settings of the reference, and keywords of ``problem_of_labels``; axes stand in for them.
    seed : int
        Seed of an emulated reference.
    """

    AXES = ("budget", "labels_per_item", "beta", "threshold", "utility", "prior", *OF_REFERENCES)

    files: LabelFiles
    records: Mapping[str, Any]
    settings: Mapping[str, Any]
    seed: int

    @classmethod
    def of(cls, name: str, files: LabelFiles, settings: Mapping[str, Any], seed: int) -> LabelPools:
        """Source of a label file, which is read, with the items files that it has for all values of the axes."""
        return cls(name, files, files.records(settings.get("items")) | {"form": files.form}, settings, seed)

    def inputs(self) -> dict[str, Any]:
        """Digests of the files, and the settings."""
        others = {key: x for key, x in self.settings.items() if key != "items"}
        return {"labels": dict(self.records), "settings": self.axes_as_inputs(others)}

    def axes_as_inputs(self, axes: Mapping[str, Any]) -> dict[str, Any]:
        """Values of the axes, with the digests of items files and the seed of an emulated reference."""
        found = dict(axes)
        if "items" in axes:
            found["items"] = self.files.records(axes["items"])["items"]
        if "reference" in axes:
            found["reference"] = axes["reference"] | {"seed": self.seed}
        return found

    def require_use(self, combinations: Sequence[Mapping[str, Any]]) -> None:
        """Require a list of items files somewhere if there is a rule for ensembles."""
        if "ensemble" in self.settings and not any(isinstance(self._all(x).get("items"), list) for x in combinations):
            raise ValueError("ensemble is given, but items is no list of files")

    def _all(self, axes: Mapping[str, Any]) -> dict[str, Any]:
        return {**self.settings, **axes}

    def case(self, axes: Mapping[str, Any]) -> Case:
        """Problem of the items, with the values of the axes."""
        votes = self._votes(axes)
        changes = {key: x for key, x in self._all(axes).items() if key not in OF_REFERENCES}
        if "labels_per_item" in changes:
            # An axis stands in for what the source says.
            if {"budget", "labels_per_item"} <= axes.keys() or {"budget", "labels_per_item"} <= self.settings.keys():
                raise ValueError(BOTH_BUDGETS)
            if "budget" in axes:
                del changes["labels_per_item"]
        if "labels_per_item" in changes:
            changes["budget"] = budget_of(changes.pop("labels_per_item"), votes.n_items)
        if "budget" not in changes:
            raise ValueError("budget is missing; give budget or labels_per_item")
        return Case(problem_of_labels(votes, changes.pop("budget"), **changes), votes=votes)

    def _votes(self, axes: Mapping[str, Any]) -> LabelSet:
        """Votes with the reference that the settings and axes describe."""
        given = self._all(axes)
        items, ensemble, orientation, reference = (given.get(key) for key in OF_REFERENCES)
        for other in ("items", "threshold"):
            if reference is not None and other in given:
                raise ValueError(f"reference and {other} are given; allowed: one of them")
        if isinstance(items, list):
            if ensemble is None:
                rules = " or ".join(ENSEMBLES)
                raise ValueError(f"items is a list of files, and ensemble is missing; give {rules}")
            votes = ensemble_of([self._read(x, axes) for x in items], ensemble)
        else:
            # A rule of the source itself waits for those values of an axis that are lists.
            if ensemble is not None and ("ensemble" in axes or "items" not in axes):
                raise ValueError("ensemble is given, but items is no list of files")
            votes = self._read(items, axes)
        if reference is not None:
            (seed,) = self._seeds(self.seed, [0], REFERENCE)
            votes = replace(votes, log_ratio=emulated_log_ratio(votes, **reference, rng=np.random.default_rng(seed)))
        return turned_to_majority(votes) if orientation == _MAJORITY else votes

    def _read(self, items: str | None, axes: Mapping[str, Any]) -> LabelSet:
        try:
            return self.files.votes(items)
        except (ValueError, OSError) as error:
            # Of the files that axes name, the axis is told, whose line the fault then has.
            raise ValueError(f"items: {first_line(error)}" if "items" in axes else first_line(error)) from None

    def draws(self, case: Case, seed: int, replications: Sequence[int]) -> Draws:
        """Shuffled pools."""
        assert case.votes is not None
        pools = VotePools.shuffle(case.votes, self._seeds(seed, replications, TRUTH))
        truth = np.broadcast_to(above(case.votes.rate, case.problem.threshold), (len(replications), case.problem.size))
        return Draws(truth, pools, self._keys(seed, replications))

    def unsure(self, case: Case) -> float | None:
        """Share of the weight of items whose threshold lies in the Wilson interval of their rate."""
        assert case.votes is not None
        unsure = is_unsure(case.votes.wins, case.votes.counts, case.problem.threshold)
        return float(unsure @ case.problem.weight / case.problem.weight.sum())
