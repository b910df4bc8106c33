"""A declared study: its environments, policies, metrics and replications, and the cells that they make."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np

from ...bandits.policy import Policy
from ...bandits.policy_file import file_records
from ...bandits.registry import label
from ...dp.machine.seal import digest
from ...posteriors.foundation.canonical import canonical
from ..metrics.metric import Metric
from .cells import REFERENCE, Environment, label_of, references, runs

__all__ = ["Job", "Plan", "Study"]

# Form of the results of cells; another one means that they are computed again.
_FORM = 1


@dataclass(frozen=True)
class Plan:
    """A cell that a study has.

    Attributes
    ----------
    name : str
    inputs : str
        Everything that determines its result, as JSON.
    """

    name: str
    inputs: str

    @property
    def key(self) -> str:
        """Digest of the inputs."""
        return digest(self.inputs.encode())


@dataclass(frozen=True, eq=False)
class Job:
    """Cells that are computed together: replications of one policy in one environment, or its references.

    Attributes
    ----------
    environment : Environment
    policy : Policy or None
        None for the references.
    plans : dict of int to Plan
        Cells by replication; references have the number -1.
    """

    environment: Environment
    policy: Policy | None
    plans: Mapping[int, Plan]


@dataclass(frozen=True, eq=False)
class Study:
    """A declared study; see ``read_study``.

    Attributes
    ----------
    name : str
    seed : int
    replications : int
    policies : tuple of Policy
    metrics : tuple of Metric
    checkpoints : int
        Evenly spaced numbers of labels, up to all of them, after which metrics are taken.
    environments : tuple of Environment
    """

    name: str
    seed: int
    replications: int
    policies: tuple[Policy, ...]
    metrics: tuple[Metric, ...]
    checkpoints: int
    environments: tuple[Environment, ...]

    def stops(self, environment: Environment) -> list[int]:
        """Numbers of labels after which metrics are taken."""
        most = environment.problem.labels
        return sorted({int(x) for x in np.linspace(0, most, self.checkpoints + 1).round()} - {0})

    def plans(self) -> Iterator[tuple[Environment, Policy | None, int, Plan]]:
        """Yield every cell: its environment, policy and replication, None and -1 for references."""
        for environment in self.environments:
            place = digest(json.dumps(environment.inputs(), sort_keys=True).encode())
            common: dict[str, Any] = {"form": _FORM, "environment": place}
            yield environment, None, -1, _plan(f"{environment.name} | {REFERENCE}", common | {"policy": None})
            common |= {"seed": self.seed, "metrics": self._metrics, "stops": self.stops(environment)}
            for policy in self.policies:
                inputs = common | {"policy": canonical(policy), "files": file_records([policy])}
                for r in range(self.replications):
                    name = f"{environment.name} | {label(policy)} | {r + 1}"
                    yield environment, policy, r, _plan(name, inputs | {"replication": r})

    @cached_property
    def _metrics(self) -> list[str]:
        return [label_of(x) for x in self.metrics]

    def jobs(self, done: set[str], at_once: int) -> dict[str, Job]:
        """Jobs for the cells that are not done, by name; each of at most so many cells."""
        found: dict[str, dict[int, Plan]] = {}
        places: dict[str, tuple[Environment, Policy | None]] = {}
        for environment, policy, r, plan in self.plans():
            if plan.key in done:
                continue
            what = REFERENCE if policy is None else label(policy)
            name = f"{environment.name} | {what} | {max(r, 0) // at_once}"
            found.setdefault(name, {})[r] = plan
            places[name] = environment, policy
        return {name: Job(*places[name], plans) for name, plans in found.items()}

    def work(self, job: Job) -> partial[dict[int, Any]]:
        """Computation of a job, which can be sent to another process."""
        if job.policy is None:
            return partial(_references, job.environment)
        stops, numbers = self.stops(job.environment), list(job.plans)
        return partial(runs, job.environment, job.policy, self.metrics, stops, self.seed, numbers)


def _references(environment: Environment) -> dict[int, Any]:
    return {-1: references(environment)}


def _plan(name: str, inputs: Mapping[str, Any]) -> Plan:
    return Plan(name, json.dumps(inputs, sort_keys=True))


def lines(study: Study) -> Sequence[str]:
    """Lines that say what a study is."""
    cells = sum(1 for _ in study.plans())
    return [
        f"{study.name}: {len(study.environments)} environments, {len(study.policies)} policies, "
        f"{study.replications} replications, {cells} cells"
    ]
