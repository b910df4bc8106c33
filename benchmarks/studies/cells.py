"""Cells of a study: the runs of a policy on a problem, one for each replication, and the references of the problem."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import numpy as np

from ...bandits.policy import Policy
from ...bandits.simulation.board import final_values
from ...bandits.simulation.certify import net_of_chance
from ...bandits.simulation.simulate import play
from ...dp.bounds.upper_bound import upper_bound
from ...dp.evaluation.evaluate import evaluate
from ...dp.exact.scope import small_enough
from ...dp.exact.solve import solve
from ...dp.problem.problem import Problem
from ...posteriors.foundation.arrays import Floats, Ints
from ..metrics.audit import Audit
from ..metrics.metric import Metric, measured
from ..replay.replay import VotePools
from .sources import Case, Draws, Source

__all__ = ["EXACT", "PAYOFF", "REFERENCE", "Environment", "Outcome", "exact_value", "references", "runs"]

# Name of the cell of the optimum and the bound, in place of a policy.
REFERENCE = "reference"
# Name of the cell of the exact value of a policy, in place of a replication.
EXACT = "exact"
# Column of the expected payoff under the beliefs at a checkpoint, beside the metrics.
PAYOFF = "payoff"
# Labels of one item up to which the tables of the control variate take little memory.
_MOST_OF_ONE_ITEM = 2000


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

    @cached_property
    def case(self) -> Case:
        """Problem of the environment, and nature."""
        return self.source.case(self.axes)

    @property
    def problem(self) -> Problem:
        """Problem of the environment."""
        return self.case.problem

    @cached_property
    def is_solved(self) -> bool:
        """True if the optimum is known, and payoffs lie below it on average."""
        return self.case.is_believed and small_enough(self.problem)

    def inputs(self) -> dict[str, Any]:
        """Everything that determines the environment, as JSON holds it."""
        return {"source": self.source.inputs(), "axes": self.source.axes_as_inputs(self.axes)}


def _short(value: Any) -> str:
    if isinstance(value, Mapping):
        rest = ", ".join(f"{key}={_short(x)}" for key, x in value.items() if key != "name")
        return f"{value.get('name', '')}({rest})"
    return value if isinstance(value, str) else json.dumps(value)


class Outcome(NamedTuple):
    """Result of a cell, and the seconds that it took, which are no part of the result."""

    result: dict[str, Any]
    seconds: float


def references(environment: Environment) -> dict[int, Outcome]:
    """Value of no label, of the optimum where it can be computed, the least bound, and the share of unsure truth."""
    begin = time.perf_counter()
    problem = environment.problem
    found = {"prior_value": problem.prior_value, "optimum": None, "bound": None}
    if environment.is_solved:
        found["optimum"] = found["bound"] = solve(problem, threads=1).value
    elif environment.case.is_believed:
        found["bound"] = float(upper_bound(problem).value)
    found["unsure"] = environment.source.unsure(environment.case)
    return {-1: Outcome(found, time.perf_counter() - begin)}


def exact_value(environment: Environment, policy: Policy) -> dict[int, Outcome]:
    """Exact value of a policy, where it can be computed."""
    begin = time.perf_counter()
    value = evaluate(environment.problem, policy, threads=1).value
    return {-1: Outcome({"value": value}, time.perf_counter() - begin)}


def runs(
    environment: Environment,
    policy: Policy,
    metrics: Sequence[Metric],
    stops: Sequence[int],
    seed: int,
    replications: Sequence[int],
) -> dict[int, Outcome]:
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
        For each replication ``labels``, the labels ``bought`` by then, the expected ``payoff`` under the beliefs, net
        of chance where labels come from the priors, and the values of each metric.
        Its seconds are those of choosing and buying labels, side by side with the other replications.
    """
    problem = environment.problem
    draws = environment.source.draws(environment.case, seed, replications)
    found: dict[str, list[Floats]] = {"bought": [], PAYOFF: [], **{x.label: [] for x in metrics}}
    payoffs = _payoffs(environment, draws, stops)
    spent = 0.0

    def observe(step: int, counts: Ints, wins: Ints) -> None:
        nonlocal spent
        begin = time.perf_counter()
        audit = Audit(problem, counts, wins, draws.truth)
        found["bought"].append(counts.sum(axis=1, dtype=np.float64))
        found[PAYOFF].append(payoffs(step, counts, wins))
        for metric in metrics:
            found[metric.label].append(measured(metric, audit))
        spent += time.perf_counter() - begin

    begin = time.perf_counter()
    play(problem, policy, draws.labels, draws.keys, stops=stops, observe=observe, tables=False)
    seconds = (time.perf_counter() - begin - spent) / len(replications)
    columns = {name: np.stack(values, axis=1) for name, values in found.items()}
    return {
        r: Outcome({"labels": list(stops), **{name: x[k].tolist() for name, x in columns.items()}}, seconds)
        for k, r in enumerate(replications)
    }


def _payoffs(environment: Environment, draws: Draws, stops: Sequence[int]) -> Callable[[int, Ints, Ints], Floats]:
    """Expected payoffs after some labels: net of chance, which leaves little of their variance, where that is possible.

    The control variate is the relaxed problem at the price of the bound at so many labels.
    """
    problem, nature = environment.problem, draws.labels
    if not environment.case.is_believed or isinstance(nature, VotePools) or problem.cap.max() > _MOST_OF_ONE_ITEM:
        return lambda step, counts, wins: final_values(problem, counts, wins)
    prices = {stop: _price(problem, stop) for stop in stops}
    return lambda step, counts, wins: net_of_chance(problem, prices[step], counts, nature, threads=1)


# The policies of an environment need the same prices, one after the other.
@lru_cache(maxsize=64)
def _price(problem: Problem, labels: int) -> float:
    """Price of a unit of cost in the bound where about so many labels are bought."""
    plain = problem.unit_costs and not problem.quota and problem.batch == 1
    price = upper_bound(problem.replace(budget=labels) if plain and labels < problem.labels else problem).price
    assert price is not None
    return price
