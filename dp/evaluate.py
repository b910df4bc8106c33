r"""Exact value of a policy: the sweep of backward induction with the policy's choice in place of the maximum.

If in state (n, w) the policy labels item i with probability pi_i(n, w), its value satisfies

    V(n, w) = sum_i pi_i(n, w) [ mu_i V(n + e_i, w + e_i) + (1 - mu_i) V(n + e_i, w) ],

with the same terminal payoff as the optimum: policy evaluation in the sense of Howard (1960), with no simulation. An
*index policy* labels an item of largest index, and an item's index depends on its own labels only, so the sweep needs
one small table an item. A *joint policy* names the set of items it would accept in every state. Where several items
are acceptable the label goes to each with equal probability, or to the first, as the policy says.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from . import _kernels
from .backward import Progress, Solution, stack, stacked_tables, sweep
from .lattice import Lattice, Layer
from .problem import Problem
from .states import ItemStates, states_of_item

__all__ = ["Evaluation", "evaluate"]

Floats = NDArray[np.float64]
Ties = Literal["random", "first"]


@runtime_checkable
class SupportsIndex(Protocol):
    """A policy that labels an item of largest index."""

    ties: Ties

    def index(self, states: ItemStates) -> Floats:
        """Index at each state, elementwise."""

    def index_scale(self, problem: Problem) -> float:
        """Size of the numbers that the index is a difference of: rounding is relative to it."""


@runtime_checkable
class SupportsMasks(Protocol):
    """A policy that knows every acceptable item in every state of the lattice."""

    ties: Ties

    def solution(self, problem: Problem) -> Solution:
        """Solved problem with the policy kept."""


@dataclass(frozen=True)
class Evaluation:
    """Exact value of a policy.

    Attributes
    ----------
    policy : str
        Name of the policy.
    value : float
        Expected payoff.
    prior_value : float
        Payoff of buying no label.
    states : int
        States visited.
    seconds : float
        Wall-clock time.
    """

    policy: str
    value: float
    prior_value: float
    states: int
    seconds: float


def evaluate(
    problem: Problem, policy: Any, *, threads: int | None = None, progress: Progress | None = None
) -> Evaluation:
    """Exact expected payoff of a policy on a problem.

    Parameters
    ----------
    problem : Problem
    policy : index policy or joint policy
        Anything with ``index`` and ``index_scale``, or with ``solution``, and with ``ties``; see
        ``seqaudit.bandits.policy``.
    threads, progress
        As for ``solve``.

    Returns
    -------
    Evaluation

    Raises
    ------
    ProblemTooLarge
        When the lattice does not fit in memory; use ``simulate``.
    TypeError
        For an object that is neither kind of policy, such as a policy's name or class.
    ValueError
        For an index that is not finite somewhere.

    Examples
    --------
    >>> import seqaudit as sa
    >>> round(sa.evaluate(sa.Problem([0.5, 0.5], budget=10), sa.OptimisticKG()).value, 10)
    1.7057291667
    """
    begin = time.perf_counter()
    if isinstance(policy, (str, type)):
        raise TypeError(f"policy is {policy!r}; give a policy such as KnowledgeGradient(), or make_policy(name)")
    lattice = Lattice.of(problem)
    lattice.require()
    name = str(getattr(policy, "name", type(policy).__name__))
    average = bool(getattr(policy, "ties", "random") == "random")
    if isinstance(policy, SupportsMasks):
        masks = policy.solution(problem).masks
        assert masks is not None, "a joint policy keeps its masks"
        choice: list[tuple[Any, ...]] = [(mask,) for mask in masks]
        kernel: Callable[..., None] = _kernels.follow_mask
    elif isinstance(policy, SupportsIndex):
        choice = [(index_tables(problem, policy), float(policy.index_scale(problem)))] * lattice.depth
        kernel = _kernels.follow_index
    else:
        raise TypeError(f"{name} has no exact value: it offers neither an index nor the items it accepts in each state")
    mean, payoff = stacked_tables(problem)

    def step(m: int, first: int, last: int, layer: Layer, after_layer: Layer, after: Floats, out: Floats) -> None:
        where = (first, last, layer.composition, layer.offset, layer.successor, after_layer.offset, after, mean)
        kernel(*where, *choice[m], average, out)

    value = sweep(lattice, payoff, step, threads, progress) if lattice.depth else problem.prior_value
    return Evaluation(name, value, problem.prior_value, lattice.states, time.perf_counter() - begin)


def index_tables(problem: Problem, policy: SupportsIndex) -> Floats:
    """Indices of all items over their label counts, shape (N, width, width)."""
    tables = []
    for i in range(problem.size):
        states = states_of_item(problem, i)
        # The corner w > n holds zeros, of which a formula may make what it likes.
        with np.errstate(all="ignore"):
            table = np.broadcast_to(np.asarray(policy.index(states), dtype=np.float64), states.mean.shape)
        n, w = np.nonzero(np.tri(len(table), dtype=bool) & ~np.isfinite(table))
        if n.size:
            raise ValueError(
                f"{policy}: index of {problem.name[i]} is {table[n[0], w[0]]} after {n[0]} labels and {w[0]} "
                "wins; it must be finite"
            )
        tables.append(table)
    return stack(tables, min(int(problem.cap.max()), problem.labels) + 1)
