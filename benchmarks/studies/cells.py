"""Cells of a study: the runs of a policy on a problem, one for each replication, and the references of the problem."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...bandits.policy import Policy
from ...bandits.registry import label
from ...bandits.simulation.board import final_values
from ...bandits.simulation.simulate import play
from ...dp.bounds.upper_bound import upper_bound
from ...dp.exact.scope import small_enough
from ...dp.exact.solve import solve
from ...dp.problem.problem import Problem
from ...posteriors.foundation.arrays import Floats, Ints
from ..metrics.audit import Audit
from ..metrics.metric import Metric
from .sources import Source

__all__ = ["REFERENCE", "Environment", "references", "runs"]

# Name of the cell of the optimum and the bound, in place of a policy.
REFERENCE = "reference"


@dataclass(frozen=True, eq=False)
class Environment:
    """A source with the values of the axes.

    Attributes
    ----------
    source : Source
    axes : dict
        Value of each axis.
    """

    source: Source
    axes: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Name of the source with the values of the axes."""
        told = [f"{key}={_short(x)}" for key, x in self.axes.items()]
        return ", ".join([self.source.name, *told])

    @property
    def problem(self) -> Problem:
        """Problem of the environment."""
        return self.source.problem(self.axes)

    def inputs(self) -> dict[str, Any]:
        """Everything that determines the environment, as JSON holds it."""
        return {"source": self.source.inputs(), "axes": dict(self.axes)}


def _short(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def references(environment: Environment) -> dict[str, float | None]:
    """Value of buying no label, of the optimum where it can be computed, and the least bound that is known."""
    problem = environment.problem
    best = solve(problem, threads=1).value if small_enough(problem) else None
    bound = best if best is not None else upper_bound(problem, "lagrangian").value
    return {"prior_value": problem.prior_value, "optimum": best, "bound": float(bound)}


def runs(
    environment: Environment,
    policy: Policy,
    metrics: Sequence[Metric],
    stops: Sequence[int],
    seed: int,
    replications: Sequence[int],
) -> dict[int, dict[str, Any]]:
    """Metrics of some replications of a policy, by their numbers.

    Parameters
    ----------
    environment : Environment
    policy : Policy
    metrics : sequence of Metric
    stops : sequence of int
        Numbers of labels after which the metrics are taken.
    seed : int
    replications : sequence of int

    Returns
    -------
    dict
        For each replication ``labels``, the values of each metric and of the ``payoff`` at these, and the ``seconds``
        that choosing a label took on average.
    """
    problem = environment.problem
    draws = environment.source.draws(problem, seed, replications)
    found: dict[str, list[Floats]] = {label_of(x): [] for x in metrics} | {"payoff": []}
    spent = 0.0

    def observe(step: int, counts: Ints, wins: Ints) -> None:
        nonlocal spent
        begin = time.perf_counter()
        audit = Audit(problem, counts, wins, draws.truth)
        for metric in metrics:
            found[label_of(metric)].append(metric.of(audit))
        found["payoff"].append(final_values(problem, counts, wins))
        spent += time.perf_counter() - begin

    begin = time.perf_counter()
    counts, _ = play(problem, policy, draws.labels, draws.keys, stops=stops, observe=observe, tables=False)
    seconds = (time.perf_counter() - begin - spent) / max(1, int(counts.sum()))
    columns = {name: np.stack(values, axis=1) for name, values in found.items()}
    return {
        r: {"labels": list(stops), **{name: x[k].tolist() for name, x in columns.items()}, "seconds": seconds}
        for k, r in enumerate(replications)
    }


def label_of(metric: Metric) -> str:
    """Name of a metric with the settings that differ from their defaults."""
    return label(metric)  # type: ignore[arg-type]
