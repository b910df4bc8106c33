"""Clauses on what a policy chooses: its probabilities, its choices in simulations, and their value."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import numpy as np

from ...dp.evaluation.choices import SupportsProbabilities, stops_in
from ...dp.evaluation.evaluate import evaluate
from ...dp.exact.lattice import Lattice
from ...dp.exact.solve import solve
from ...dp.problem.availability import Availability
from ...dp.problem.problem import Problem
from ...posteriors.conformance.suite import Broken, expect, expect_no_write
from ...posteriors.foundation.arrays import Ints
from ...posteriors.foundation.plugins import read_only, real_array
from ..policy import Policy
from ..simulation.board import final_values
from ..simulation.seeds import replication_keys
from ..simulation.simulate import PriorNature, spend

__all__ = ["CHOICE_CLAUSES", "PROBABILITY_CLAUSES", "VALUE_CLAUSES", "exact_value"]

_REPLICATIONS = 400
_STANDARD_ERRORS = 4.0
_VALUE_ROUNDING = 1e-10


def _probabilities(policy: SupportsProbabilities, problem: Problem, seed: int) -> None:
    lattice = Lattice.of(problem)
    for m in range(lattice.depth):
        layer = lattice.layer(m)
        goes_on = (layer.after >= 0).any(axis=1)
        for composition, after in zip(layer.composition[goes_on], layer.after[goes_on], strict=True):
            wins = np.indices(composition + 1).reshape(problem.size, -1).T
            counts = np.broadcast_to(composition, wins.shape)
            usable = after >= 0
            may = np.repeat(usable[None, :], len(counts), axis=0)
            shown = [read_only(x) for x in (counts, wins, may)]
            ask = partial(policy.action_probabilities, problem, *shown)
            given = real_array("action_probabilities", expect_no_write("action_probabilities", ask))
            if given.shape != counts.shape:
                raise Broken(f"action_probabilities have shape {given.shape}; expected {counts.shape}")
            # What is given to an item that cannot be labelled is ignored, and the rest is divided by its sum.
            weight = given[:, usable]
            bad = ~np.isfinite(weight).all(axis=1) | (weight < 0).any(axis=1) | ~(weight > 0).any(axis=1)
            for k in np.flatnonzero(bad):
                wanted = "expected finite numbers from 0, and more than 0 for an item that can be labelled"
                where = f"after {composition.tolist()} labels with {wins[k].tolist()} wins"
                raise Broken(f"{where} the probabilities are {given[k].tolist()}; {wanted}")


# Policies are checked one after the other on the same problems.
@lru_cache(maxsize=32)
def _nature(problem: Problem, seed: int, replications: int) -> PriorNature:
    seeds, keys = replication_keys(seed, replications)
    return PriorNature.draw(problem, seeds, keys)


@lru_cache(maxsize=8)
def _best(problem: Problem) -> float:
    return solve(problem).value


class _Witness:
    """Nature, with a record of the items it was asked to label."""

    def __init__(self, problem: Problem, seed: int, replications: int) -> None:
        self.problem, self.rules = problem, Availability(problem)
        self.bought = np.zeros((replications, problem.size), dtype=np.int64)
        self.nature = _nature(problem, seed, replications)
        self.keys = self.nature.keys
        self.items: list[Ints] = []

    def labels(self, rows: Ints, items: Ints, counts: Ints) -> Ints:
        choice = f"choice {len(self.items) + 1} of replication"
        for k in np.flatnonzero((items < 0) | (items >= self.problem.size)):
            raise Broken(f"{choice} {rows[k]} is item number {items[k]}; expected 0 to {self.problem.size - 1}")
        usable = self.rules.items(self.bought[rows])[np.arange(len(rows)), items]
        for k in np.flatnonzero(~usable):
            found = f"{self.problem.name[items[k]]}, after {self.bought[rows[k]].tolist()} labels"
            raise Broken(f"{choice} {rows[k]} is {found}; expected an item that is available")
        self.bought[rows, items] += 1
        self.items.append(np.full(len(self.keys), -1, dtype=np.int64))
        self.items[-1][rows] = items
        return self.nature.labels(rows, items, counts)


def _spend(policy: Policy, problem: Problem, seed: int, replications: int) -> tuple[Ints, Ints, Ints]:
    """Items chosen, shape (labels, R), and the labels and wins of each item at the end, shape (R, N).

    Where a replication has ended, the item is -1.
    """
    witness = _Witness(problem, seed, replications)
    counts, wins = spend(problem, policy, witness, witness.keys)
    ended = [np.full(replications, -1, dtype=np.int64)] * (problem.labels - len(witness.items))
    return np.array(witness.items + ended), counts, wins


def _choice(policy: Policy, problem: Problem, seed: int) -> None:
    _, counts, wins = _spend(policy, problem, seed, 5)
    usable = Availability(problem).items(counts)
    stopped = stops_in(policy, problem, counts, wins, usable, counts)
    for bought, more, stops in zip(counts, usable, stopped, strict=True):
        left = [problem.name[i] for i in np.flatnonzero(more)]
        expect(
            stops or not left,
            f"the end came after {bought.tolist()} labels; expected one of {' or '.join(left)} to follow",
        )


def _seed(policy: Policy, problem: Problem, seed: int) -> None:
    once, again = (_spend(policy, problem, seed, 5)[0] for _ in range(2))
    _expect_same(once, again, "with the same seed", "no source of chance but the seed, and no memory")


def _replications(policy: Policy, problem: Problem, seed: int) -> None:
    few, many = (_spend(policy, problem, seed, r)[0][:, :3] for r in (3, 11))
    _expect_same(few, many, "of 3 and of 11 replications", "scores of each row from that row alone")


def _expect_same(one: Ints, other: Ints, runs: str, wanted: str) -> None:
    for step, r in np.argwhere(one != other):
        found = f"item numbers {one[step, r]} and {other[step, r]} at choice {step + 1} of replication {r}"
        raise Broken(f"two runs {runs} label {found}; expected {wanted}")


def exact_value(policy: Policy, problem: Problem) -> float:
    """Exact value, which the last three clauses check."""
    return evaluate(problem, policy).value


def _optimum(policy: Policy, problem: Problem, seed: int, exact: Callable[[], float]) -> None:
    value, best = exact(), _best(problem)
    expect(value <= best + _VALUE_ROUNDING, f"exact value is {value!r}; expected at most the optimum, {best!r}")


def _prior(policy: Policy, problem: Problem, seed: int, exact: Callable[[], float]) -> None:
    value, least = exact(), problem.prior_value
    expect(value >= least - _VALUE_ROUNDING, f"exact value is {value!r}; expected at least that of no label, {least!r}")


def _simulation(policy: Policy, problem: Problem, seed: int, exact: Callable[[], float]) -> None:
    value = exact()
    _, counts, wins = _spend(policy, problem, seed, _REPLICATIONS)
    values = final_values(problem, counts, wins)
    mean, error = float(values.mean()), float(values.std(ddof=1) / np.sqrt(_REPLICATIONS))
    found = f"simulated mean is {mean:.6g} with standard error {error:.2g}"
    wanted = f"expected the exact value, {value:.6g}, within {_STANDARD_ERRORS:g} of them"
    expect(abs(mean - value) <= _STANDARD_ERRORS * error + _VALUE_ROUNDING, f"{found}; {wanted}")


PROBABILITY_CLAUSES: dict[str, tuple[type, Callable[[Any, Problem, int], None]]] = {
    "probabilities": (SupportsProbabilities, _probabilities)
}
CHOICE_CLAUSES: dict[str, tuple[type, Callable[[Any, Problem, int], None]]] = {
    "choice": (Policy, _choice),
    "seed": (Policy, _seed),
    "replications": (Policy, _replications),
}
# For policies that have an exact value, which is given last.
VALUE_CLAUSES: dict[str, Callable[[Policy, Problem, int, Callable[[], float]], None]] = {
    "optimum": _optimum,
    "prior": _prior,
    "simulation": _simulation,
}
