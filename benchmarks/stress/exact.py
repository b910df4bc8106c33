r"""Exact cost of a wrong model: a planner acquires labels and decides by one belief while another is true.

Each policy is evaluated by one pass over the lattice with nature's labels (``dp.evaluation.passage``). All measures are
expectations over the items' final states: the payoff that the policy earns, the payoff that the working model claims,
and the part of the decisive weight that is decided correctly. The loss against a planner who knows nature,

    loss  =  asked_wrongly  +  decided_wrongly,

splits as in ``dp.evaluate``: the first part remains if decisions on the same labels use nature's tails.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...bandits.policy import Policy
from ...bandits.registry import label
from ...dp.evaluation.evaluate import natural_problem, score_tables
from ...dp.evaluation.passage import passage
from ...dp.exact.solve import solve
from ...dp.problem.problem import Problem
from ...dp.problem.states import states_of_item
from ...posteriors.scores import decisions_right
from .measures import high_slice, worths
from .natures import Misbelief

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["stress_exact"]


def stress_exact(misbelief: Misbelief, policies: Sequence[Policy], *, eps: float = 0.05) -> xr.Dataset:
    """Exact measures of policies if the planner's belief differs from nature.

    Parameters
    ----------
    misbelief : Misbelief
        Working problem and nature.
    policies : sequence of Policy
    eps : float
        Level at which a belief is decisive.

    Returns
    -------
    xarray.Dataset
        The measures of ``benchmarks.stress.measures`` over ``policy``, ``asked_wrongly``, ``decided_wrongly`` and
        ``optimum``, the value of the planner who knows nature.

    Raises
    ------
    ProblemTooLarge
        If the lattice does not fit in memory.
    ValueError
        For a problem with batches, and a utility without a finite score under another truth.

    Examples
    --------
    >>> from seqaudit import KnowledgeGradient, Problem
    >>> from seqaudit.benchmarks.stress.natures import misbelief
    >>> wrong = misbelief(Problem([0.5, 0.7], budget=6), "flipped", 0.2)
    >>> found = stress_exact(wrong, [KnowledgeGradient()])
    >>> found.accuracy.values.round(4), found.claimed_accuracy.values.round(4)
    (array([0.7279]), array([0.7936]))
    """
    import xarray as xr

    problem = misbelief.working
    true = natural_problem(problem, misbelief.nature)
    told, known = (_square(problem, x) for x in score_tables(problem, true))
    stated, real = (_tails(x) for x in (problem, true))
    inside = np.tri(stated.shape[1], dtype=bool)
    tables = {name: np.where(inside, x, 0.0) for name, x in worths(problem, stated, real, eps).items()}
    # This includes rewards of wins, and refuses scores that are not finite.
    tables["payoff"] = told
    wins = np.arange(stated.shape[2])
    price = problem.label_price * problem.cost[:, None, None] * wins[:, None] * inside
    tables["claimed_payoff"] = tables["claimed_payoff"] + problem.reward[:, None, None] * wins * inside - price
    tables["payoff"], known = told - price, known - price
    correct = np.where(inside, decisions_right(problem.utility, stated, real), 0.0)
    high = high_slice(problem)
    optimum = solve(true).value
    rows = []
    for policy in policies:
        walk = passage(problem, policy, nature=misbelief.nature)
        row = {name: float(walk.at_the_end(table)) for name, table in tables.items()}
        best_decisions, labels = float(walk.at_the_end(known)), walk.asked.sum(axis=(1, 2))
        row |= {"labels_low": float(labels[~high].sum()), "labels_high": float(labels[high].sum())}
        row["already_right"] = float(walk.when_asked(correct)) / max(float(labels.sum()), 1e-300)
        row |= {"optimum": optimum, "loss": optimum - row["payoff"]}
        row |= {"asked_wrongly": optimum - best_decisions, "decided_wrongly": best_decisions - row["payoff"]}
        rows.append(row)
    data: dict[str, Any] = {name: ("policy", [row[name] for row in rows]) for name in rows[0]}
    return xr.Dataset(data, coords={"policy": [label(policy) for policy in policies]})


def _square(problem: Problem, tables: Sequence[Any]) -> Any:
    """Tables of all items in one array, zero beyond an item's cap."""
    width = int(problem.cap.max()) + 1
    out = np.zeros((problem.size, width, width))
    for i, table in enumerate(tables):
        size = len(table)
        out[i, :size, :size] = np.where(np.tri(size, dtype=bool), table, 0.0)
    return out


def _tails(problem: Problem) -> Any:
    return _square(problem, [states_of_item(problem, i).tail for i in range(problem.size)])
