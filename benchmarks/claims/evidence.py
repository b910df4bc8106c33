"""Runs of policies as claims compare them: differences of policies, and of these differences between environments."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ...dp.problem.problem import Problem
from ...posteriors.foundation.arrays import Floats
from ...posteriors.foundation.tolerances import above
from ..studies.cells import Environment
from ..studies.results import Group, StudyResults
from ..studies.study import Study
from .findings import Case

__all__ = ["IN_WEIGHT", "Evidence", "Place", "apart", "contrast", "difference_of_policies", "pairs_of"]

# Metrics in units of weight, which are divided by that of all items.
IN_WEIGHT = ("believed-welfare", "oracle-welfare", "welfare-error", "override-mass", "oracle-override-mass")


@dataclass(frozen=True, eq=False)
class Place:
    """An environment with its runs.

    Attributes
    ----------
    environment : Environment
    runs : dict of str to Group
        Runs of each policy.
    """

    environment: Environment
    runs: dict[str, Group]

    @property
    def name(self) -> str:
        """Name of the environment."""
        return self.environment.name

    @property
    def source(self) -> str:
        """Name of the source of the problem."""
        return self.environment.source.name

    @property
    def beta(self) -> float | None:
        """Strength of the reference."""
        found = self.environment.axes.get("beta")
        return None if found is None else float(found)

    @property
    def problem(self) -> Problem:
        """Problem by which labels are chosen."""
        return self.environment.problem

    @property
    def is_misled(self) -> bool:
        """True if rates, or labels, come from others than the beliefs."""
        return self.environment.case.nature is not None

    @cached_property
    def weight(self) -> float:
        """Weight of all items."""
        return float(self.problem.weight.sum())

    @cached_property
    def override_share(self) -> float:
        """Share of the weight on which the reference must be overruled."""
        return float(self.problem.weight @ above(self.problem.log_ratio, 0.0)) / self.weight

    def at(self, labels: float) -> int | None:
        """Number of the checkpoint after so many labels an item; None if there is none."""
        stop = max(1, round(labels * self.problem.size))
        stops = next(iter(self.runs.values())).labels
        return stops.index(stop) if stop in stops else None

    def values(self, policy: str, metric: str, labels: float) -> Floats | None:
        """Metric of each replication after so many labels an item, as a share where it is a weight, shape (R,)."""
        k = self.at(labels)
        if k is None or policy not in self.runs:
            return None
        found = self.runs[policy].columns[metric][:, k]
        return found / self.weight if metric in IN_WEIGHT else found


@dataclass(frozen=True, eq=False)
class Evidence:
    """Environments of a study of one kind, in order.

    Attributes
    ----------
    places : list of Place
    from_pools : bool
        True where labels are recorded votes.
    """

    places: list[Place]
    from_pools: bool

    @classmethod
    def of(cls, study: Study, results: StudyResults, from_pools: bool) -> Evidence:
        """Environments whose labels are recorded votes, or the others."""
        runs: dict[str, dict[str, Group]] = {}
        for group in results.groups:
            runs.setdefault(group.environment, {})[group.policy] = group
        return cls(
            [
                Place(x, runs[x.name])
                for x in study.environments
                if (x.case.votes is not None) == from_pools and x.name in runs
            ],
            from_pools,
        )

    def plain(self, beta: Iterable[float] | None = None) -> list[Place]:
        """Environments in which the beliefs are those of nature, or votes are recorded, with these strengths."""
        wanted = None if beta is None else set(beta)
        return [x for x in self.places if not x.is_misled and (wanted is None or x.beta in wanted)]


def apart(
    places: Sequence[Place],
    budgets: Sequence[float],
    difference: Callable[[Place, float], Floats | None],
    policies: Sequence[str],
) -> list[Case]:
    """Cases of a difference in each environment at each number of labels an item, where it exists."""
    return [
        Case(
            f"{place.name}, {_each(labels)}",
            place.source,
            place.problem.size,
            labels,
            found,
            tuple(f"{place.name} | {policy}" for policy in policies),
        )
        for place in places
        for labels in budgets
        if (found := difference(place, labels)) is not None
    ]


def contrast(
    pairs: Sequence[tuple[Place, Place]],
    budgets: Sequence[float],
    difference: Callable[[Place, float], Floats | None],
    policies: Sequence[str],
) -> list[Case]:
    """Cases of how much larger a difference is in the second environment of each pair."""
    cases = []
    for first, second in pairs:
        for labels in budgets:
            before, after = difference(first, labels), difference(second, labels)
            if before is not None and after is not None:
                cases.append(
                    Case(
                        f"{first.name} to {second.name}, {_each(labels)}",
                        second.source,
                        max(first.problem.size, second.problem.size),
                        labels,
                        after - before,
                        tuple(f"{x.name} | {policy}" for x in (first, second) for policy in policies),
                    )
                )
    return cases


def pairs_of(places: Sequence[Place], axis: str, values: Sequence[Any] | None = None) -> list[tuple[Place, Place]]:
    """Pairs of environments that differ in neighbouring values of one axis alone.

    ``values`` restricts and orders them; without it they are taken in the order of the study.
    """
    groups: dict[str, list[Place]] = {}
    for place in places:
        axes = dict(place.environment.axes)
        value = axes.pop(axis, None)
        if value is not None and (values is None or value in values):
            groups.setdefault(f"{place.source} {axes}", []).append(place)
    found: list[tuple[Place, Place]] = []
    for group in groups.values():
        if values is not None:
            group.sort(key=lambda x: values.index(x.environment.axes[axis]))
        found += itertools.pairwise(group)
    return found


def difference_of_policies(
    policy: str, reference: str, metric: str, sign: float = 1.0
) -> Callable[[Place, float], Floats | None]:
    """Difference of a metric between a policy and another one, turned with ``sign`` -1."""

    def found(place: Place, labels: float) -> Floats | None:
        one, other = (place.values(x, metric, labels) for x in (policy, reference))
        return None if one is None or other is None else np.asarray(sign * (one - other))

    return found


def _each(labels: float) -> str:
    return f"{labels:g} label{'s' * (labels != 1)} an item"
