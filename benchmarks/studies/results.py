"""Results of a study as they stand in the store of its run folder, whether or not all cells are done."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...posteriors.foundation.arrays import Floats
from ...posteriors.foundation.shares import share_of
from ..runner.collection import collection_paused
from ..runner.finished import FinishedRun
from .cells import PAYOFF
from .outline import Outline, Plan

__all__ = ["Group", "Reference", "StudyResults"]


@dataclass(frozen=True)
class Reference:
    """Payoffs between which that of a policy lies: that of no labels, and the optimum or, if unknown, a bound.

    Attributes
    ----------
    least : float
    most : float or None
        None where labels do not come from the priors: payoffs then have no bound that a policy could be held against.
    is_exact : bool
        True if ``most`` is the optimum.
    unsure : float or None
        Share of the weight whose truth is not settled by all votes of a pool; None where the truth is drawn.
    """

    least: float
    most: float | None
    is_exact: bool
    unsure: float | None

    def share(self, payoff: Floats) -> Floats:
        """Share of the possible gain, nan where none is possible."""
        if self.most is None:
            return np.full(np.shape(payoff), np.nan)
        return share_of(payoff - self.least, self.most - self.least, max(1.0, abs(self.most)))


@dataclass(frozen=True, eq=False)
class Group:
    """Finished runs of one policy in one environment.

    Attributes
    ----------
    environment, policy : str
    axes : dict
    replications : ndarray of int, shape (R,)
    labels : ndarray of int, shape (S,)
        Checkpoints.
    columns : dict of ndarray, shape (R, S)
        Values of the metrics, of the payoff and of the labels bought.
    seconds : ndarray, shape (R,)
        Seconds of choosing and buying labels.
    value : float or None
        Exact value with the whole budget, where it is known.
    """

    environment: str
    policy: str
    axes: dict[str, Any]
    replications: list[int]
    labels: list[int]
    columns: dict[str, Floats]
    seconds: Floats
    value: float | None

    @property
    def seconds_a_label(self) -> float:
        """Mean seconds of choosing and buying a label; nan if none was bought."""
        bought = float(self.columns["bought"][:, -1].sum())
        return float(self.seconds.sum()) / bought if bought else np.nan


@dataclass(frozen=True, eq=False)
class StudyResults:
    """Cells of a study that are done.

    Attributes
    ----------
    outline : Outline
    groups : list of Group
        In the order of the study; without those of which no run is done.
    references : dict of str to Reference
        By environment, where they are done.
    failed : list of tuple of str
        Name and message of each cell that failed.
    missing : int
        Cells that are neither done nor failed.
    others : int
        Cells of earlier forms of the study, which it does not have any more.
    """

    outline: Outline
    groups: list[Group]
    references: dict[str, Reference]
    failed: list[tuple[str, str]]
    missing: int
    others: int

    @property
    def columns(self) -> list[str]:
        """Payoff and metrics."""
        return [PAYOFF, *self.outline.metrics]

    @classmethod
    def of(cls, run: str | os.PathLike[str]) -> StudyResults:
        """Results in a run folder.

        Parameters
        ----------
        run : path

        Returns
        -------
        StudyResults

        Raises
        ------
        RunFolderError
            For a folder that is not that of a study, and cells that are not as they were written.
        """
        found = FinishedRun.of(run)
        try:
            outline = Outline.read(found.path)
            with collection_paused():
                stored = dict(found.cells())
        finally:
            found.store.close()
        groups: list[Group] = []
        references: dict[str, Reference] = {}
        failed: list[tuple[str, str]] = []
        missing, used = 0, 0
        for plans in _by_policy(outline):
            done: list[tuple[int, dict[str, Any], float]] = []
            value: float | None = None
            for plan in plans:
                cell = stored.get(plan.key)
                if cell is None:
                    missing += 1
                    continue
                used += 1
                if cell.status != "done":
                    failed.append((cell.name, cell.result.decode(errors="replace")))
                elif plan.way is not None and plan.replication < 0:
                    value = json.loads(cell.result)["value"]
                else:
                    done.append((plan.replication, json.loads(cell.result), cell.seconds or 0.0))
            if not done:
                continue
            if plans[0].way is None:
                ((_, found_here, _),) = done
                is_exact = found_here["optimum"] is not None
                references[plans[0].setting.name] = Reference(
                    found_here["prior_value"], found_here["bound"], is_exact, found_here["unsure"]
                )
            else:
                groups.append(_group(plans[0], done, value))
        # What else was judged from the cells of a study has no environment.
        of_studies = sum("environment" in json.loads(cell.inputs) for cell in stored.values())
        return cls(outline, groups, references, failed, missing, of_studies - used)


def _by_policy(outline: Outline) -> Iterator[list[Plan]]:
    """Yield the cells of each policy in each environment, and those of references."""
    some: list[Plan] = []
    for plan in outline.plans():
        if some and (plan.setting, plan.way) != (some[0].setting, some[0].way):
            yield some
            some = []
        some.append(plan)
    if some:
        yield some


def _group(plan: Plan, done: list[tuple[int, dict[str, Any], float]], value: float | None) -> Group:
    assert plan.way is not None
    first = done[0][1]
    columns = {name: np.array([x[name] for _, x, _ in done], dtype=np.float64) for name in first if name != "labels"}
    numbers, seconds = [r for r, _, _ in done], np.array([s for _, _, s in done])
    return Group(plan.setting.name, plan.way.name, plan.setting.axes, numbers, first["labels"], columns, seconds, value)
