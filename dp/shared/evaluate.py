"""Exact values of rules for problems with a shared parameter.

A *rule* has ``scores(states)``, the worth of a label of each query, of shape (S, Q), of which it buys the largest, ties
at random; or ``probabilities(states)``, the chances with which it buys each, whose rows sum to 1. A function counts as
``scores``. Queries that cannot be bought are never taken, whatever their score. A rule may have ``stops(states)``, the
mask of the states in which it buys nothing more.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from ...posteriors.foundation.arrays import Bools, Floats
from ...posteriors.foundation.kinds import WrongKind
from ...posteriors.foundation.memory import require_memory
from ...posteriors.foundation.messages import shown
from ...posteriors.foundation.plugins import calling, read_only, real_array
from ...posteriors.foundation.progress import Progress, progress_of
from ...posteriors.foundation.tolerances import ROUNDING
from ..evaluation.evaluation import Evaluation
from ..exact.lattice import Layer
from ..kernels import shared as _kernels
from .problem import SharedProblem
from .solve import bytes_needed, fees, payoffs
from .states import Powers, SharedStates, parts

__all__ = ["choice_chances", "evaluate_shared"]

# Rows of probabilities may sum to 1 up to this.
_SLACK = 1e-9


def evaluate_shared(problem: SharedProblem, rule: Any, *, progress: Progress | bool | None = None) -> Evaluation:
    """Exact expected payoff of a rule on a problem with a shared parameter; see ``evaluate``."""
    begin = time.perf_counter()
    told = progress_of(progress, "evaluating")
    _require_rule(rule)
    lattice = problem.lattice
    # Masses are needed as with a price.
    require_memory(2 * bytes_needed(problem), lattice.states)
    powers, fee = Powers(problem), fees(problem)
    following, later = np.zeros(1, dtype=np.int64), np.empty(0)
    done = 0
    for m in range(lattice.depth, -1, -1):
        if told:
            told(done, lattice.states)
        layer = lattice.layer(m)
        values, nothing = np.zeros(layer.states), np.empty(0)
        can = layer.block >= 0
        ends = ~can.any(axis=1)
        payoffs(problem, powers, layer, ends, values, nothing)
        if not ends.all():
            _follow(problem, rule, powers, layer, can, following, later, fee, values)
        done += layer.states
        following, later = layer.begin, values
    if told:
        told(done, lattice.states)
    name = str(getattr(rule, "name", getattr(rule, "__name__", type(rule).__name__)))
    return Evaluation(name, float(later[0]), problem.prior_value, lattice.states, time.perf_counter() - begin)


def _follow(
    problem: SharedProblem,
    rule: Any,
    powers: Powers,
    layer: Layer,
    can: Bools,
    following: np.ndarray,
    later: Floats,
    fee: Floats,
    values: Floats,
) -> None:
    """Write the values of the states in which the rule chooses."""
    queries = problem.queries
    for first, last in parts(problem, layer.states):
        counts, wins = np.empty((2, last - first, queries), dtype=np.int64)
        _kernels.places(first, last, layer.composition, layer.begin, counts, wins)
        weights = powers.weights(layer, first, last)
        mass = weights.sum(axis=1)
        block = np.searchsorted(layer.begin, np.arange(first, last), side="right") - 1
        available = can[block]
        belief = np.divide(weights, mass[:, None], out=np.zeros_like(weights), where=mass[:, None] > 0.0)
        chooses = available.any(axis=1)
        some = [read_only(x[chooses]) for x in (counts, wins, belief, available)]
        states = SharedStates(problem, *some)
        chance = np.zeros((last - first, queries))
        chance[chooses] = choice_chances(rule, states)
        stopped = chooses & (chance.sum(axis=1) == 0.0)
        part = values[first:last]
        if stopped.any():
            part[stopped] = problem.payoff.of(np.ascontiguousarray(weights[stopped]))
        _kernels.mixed(
            first, counts, wins, layer.composition, layer.begin, layer.block, following, later, chance, fee, mass, part
        )


def _require_rule(rule: Any) -> None:
    known = [name for name in ("scores", "probabilities") if callable(getattr(rule, name, None))]
    if isinstance(rule, type) or len(known) > 1 or not (known or callable(rule)):
        raise WrongKind(
            f"rule is {shown(rule)}; it must be an object with scores or with probabilities, or a function of states"
        )


def choice_chances(rule: Any, states: SharedStates) -> Floats:
    """Chances with which a rule buys a label of each query, shape (S, Q); zeros in all of a row where it stops.

    Raises
    ------
    ValueError
        For anything but finite scores, or minus infinity, or probabilities of queries that can be bought with sum 1.
    """
    shape = (len(states), states.problem.queries)
    name = str(getattr(rule, "name", getattr(rule, "__name__", type(rule).__name__)))
    method = next((x for x in ("scores", "probabilities") if callable(getattr(rule, x, None))), "")
    with calling("rule", rule, method):
        returned = (getattr(rule, method) if method else rule)(states)
    found = real_array(f"rule {name}", returned)
    if found.shape != shape:
        raise ValueError(f"rule {name} returned shape {found.shape} for {shape[0]} states; it must be {shape}")
    odd = np.isnan(found) | (found == np.inf)
    if odd.any():
        raise ValueError(f"rule {name} returned {found[odd][0]}; it must return numbers")
    if method == "probabilities":
        wrong = (found < 0.0).any(axis=1) | (~states.available & (found != 0.0)).any(axis=1)
        wrong |= ~(np.abs(found.sum(axis=1) - 1.0) <= _SLACK)
        if wrong.any():
            raise ValueError(
                f"rule {name} returned {shown(found[wrong][0].tolist())}; it must return chances of the queries that "
                "can be bought, with sum 1"
            )
    else:
        best = np.where(states.available, found, -np.inf)
        top = best.max(axis=1, keepdims=True)
        # Where all scores are minus infinity, all queries that can be bought are as good.
        level = np.where(np.isfinite(top), top - ROUNDING * np.maximum(1.0, np.abs(top)), -np.inf)
        found = ((best >= level) & states.available).astype(np.float64)
        found /= found.sum(axis=1, keepdims=True)
    if callable(getattr(rule, "stops", None)):
        with calling("rule", rule, "stops"):
            stops = np.asarray(rule.stops(states))
        if stops.shape != shape[:1] or stops.dtype != np.bool_:
            raise ValueError(f"rule {name}: stops returned {shown(stops)}; it must return a mask of {shape[0]} states")
        found[stops] = 0.0
    return found
