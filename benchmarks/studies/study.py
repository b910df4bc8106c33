"""A declared study: its environments, policies, metrics and replications."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np

from ...bandits.policy import Policy
from ...bandits.policy_file import file_records
from ...bandits.registry import label
from ...bandits.simulation.simulate import replication_parts
from ...dp.evaluation.choices import SupportsIndex, SupportsProbabilities
from ...dp.problem.problem import Problem
from ...posteriors.foundation.canonical import canonical
from ..metrics.metric import Metric
from ..metrics.offline import METRICS
from .cells import EXACT, REFERENCE, Environment, Outcome, exact_value, references, runs
from .outline import Outline, Plan, Setting, Way

__all__ = ["Job", "Study", "jobs_of", "work_of"]

# Replications that one job computes: side by side they take less time, and a part that is lost is not much.
_AT_ONCE = 25


@dataclass(frozen=True, eq=False)
class Job:
    """Cells that are computed together: replications of one policy in one environment, its value, or the references.

    Attributes
    ----------
    environment : Environment
    policy : Policy or None
        None for the references.
    plans : dict of int to Plan
        Cells by replication; references and exact values have the number -1.
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
        Seed of all draws; with it come the names of the sources, the replication and the role of a draw.
    replications : int
        Runs of every policy in every environment.
    policies : tuple of Policy
    metrics : tuple of Metric
    checkpoints : int or tuple of float
        Number of evenly spaced numbers of labels, up to all of them, after which metrics are taken; or the labels an
        item after which they are.
    environments : tuple of Environment
        Problems, each with one combination of the values of the axes.
    """

    name: str
    seed: int
    replications: int
    policies: tuple[Policy, ...]
    metrics: tuple[Metric, ...]
    checkpoints: int | tuple[float, ...]
    environments: tuple[Environment, ...]

    @cached_property
    def outline(self) -> Outline:
        """Cells of the study, told by plain data."""
        ways = [Way(label(x), _is_exact(x), canonical(x), file_records([x])) for x in self.policies]
        settings = [self._setting(x) for x in self.environments]
        labels = [x.label for x in self.metrics]
        own = any(type(x) not in METRICS.built_in for x in self.metrics)
        codes = [canonical(x) for x in self.metrics] if own else []
        return Outline(self.name, self.seed, self.replications, labels, ways, settings, codes)

    def _setting(self, environment: Environment) -> Setting:
        problem, stops = environment.problem, self._stops(environment.problem)
        # Exact values are those of the whole budget, and tables put them at the last checkpoint.
        is_solved = environment.is_solved and stops[-1] == problem.labels
        name, axes = environment.name, dict(environment.axes)
        return Setting(name, environment.source.name, axes, stops, is_solved, environment.inputs())

    def _stops(self, problem: Problem) -> list[int]:
        """Numbers of labels after which metrics are taken."""
        most = problem.labels
        if isinstance(self.checkpoints, int):
            return sorted({int(x) for x in np.linspace(0, most, self.checkpoints + 1).round()} - {0})
        return sorted({max(1, round(min(x * problem.size, most))) for x in self.checkpoints})

    def __repr__(self) -> str:
        told = f"{len(self.environments)} environments, {len(self.policies)} policies, {self.replications} replications"
        return f"Study({self.name}: {told}, {self.outline.size:,} cells)"


def jobs_of(study: Study, done: set[str]) -> dict[str, Job]:
    """Jobs for the cells of a study that are not done, by name."""
    policies = {label(x): x for x in study.policies}
    environments = {x.name: x for x in study.environments}
    parts = {
        name: len(range(study.replications)[replication_parts(x.problem, _AT_ONCE)[0]])
        for name, x in environments.items()
    }
    found: dict[str, dict[int, Plan]] = {}
    for plan in study.outline.plans():
        if plan.key not in done:
            at = plan.setting.name
            part = EXACT if plan.replication < 0 else f"part {plan.replication // parts[at] + 1}"
            what = REFERENCE if plan.way is None else f"{plan.way.name} | {part}"
            found.setdefault(f"{at} | {what}", {})[plan.replication] = plan
    jobs = {}
    for name, plans in found.items():
        one = next(iter(plans.values()))
        policy = None if one.way is None else policies[one.way.name]
        jobs[name] = Job(environments[one.setting.name], policy, plans)
    return jobs


def work_of(study: Study, job: Job) -> partial[dict[int, Outcome]]:
    """Computation of a job, which can be sent to another process."""
    if job.policy is None:
        return partial(references, job.environment)
    if -1 in job.plans:
        return partial(exact_value, job.environment, job.policy)
    stops = next(iter(job.plans.values())).setting.stops
    return partial(runs, job.environment, job.policy, study.metrics, stops, study.seed, [*job.plans])


def _is_exact(policy: Policy) -> bool:
    """True if a policy has an exact value that takes little more time than the optimum."""
    return isinstance(policy, (SupportsIndex, SupportsProbabilities)) and not policy.planning
