r"""Simulated cost of a wrong rater model: raters differ, and the planner ignores it.

Votes come from pools drawn from a model of raters (``benchmarks.stress.pools``). Policies choose labels and decide by
the beliefs of the problem, under which votes on an item are exchangeable. When the budget is spent, there are two ways
to decide:

    as planned       by the problem's beliefs, given labels and wins of each item;
    after the fact   by a model of raters fitted to the votes that the policy bought, with their raters and groups
                     (the model's fast approximation). An item without votes is decided by the fit's rate of new
                     items.

The truth is known, so p is 0 or 1 in every measure of ``benchmarks.stress.measures``, and ``loss`` is the payoff of one
who knows the truth minus the payoff earned, both by decisions alone: rewards of labels count in ``payoff`` and
``claimed_payoff`` but not in ``loss``. If rates differ by group, a decision is about the mean rate over all groups, and
``worst_group`` is the accuracy for the group with the lowest accuracy in that replication: as planned, by the single
decision on an item; after the fact, by a separate decision for each group.

The correctness of an item's decision after its first k votes depends on the pool alone, so ``already_right`` depends
only on the number of its votes that a policy bought.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...bandits.policy import Policy
from ...bandits.registry import label
from ...bandits.simulation.simulate import spend
from ...dp.problem.problem import Problem
from ...posteriors.foundation.arrays import Bools, Floats, Ints
from ...posteriors.foundation.tolerances import above
from ...posteriors.raters.model import RaterModel
from ...posteriors.scores import decisions_right
from .after_the_fact import decide_after
from .measures import high_slice, worths
from .pools import Pools

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["AFTER", "stress_simulated"]


# Measures that are computed again with decisions after the fact.
AFTER = ("accuracy", "claimed_accuracy", "decisive", "decisive_right", "payoff")


def stress_simulated(
    problem: Problem,
    policies: Sequence[Policy],
    pools: Pools,
    keys: NDArray[np.uint64],
    *,
    eps: float = 0.05,
    refit: RaterModel | None = None,
    draws: int = 200,
) -> xr.Dataset:
    """Measures of policies on common pools of votes.

    Parameters
    ----------
    problem : Problem
        Problem by which labels are chosen and decisions made; no cap exceeds the votes of a pool.
    policies : sequence of Policy
    pools : Pools
        Pools of R replications.
    keys : ndarray of uint64, shape (R, 2)
        Philox keys that break ties.
    eps : float
        Level at which a belief is decisive.
    refit : RaterModel, optional
        Model that decides after the fact.
    draws : int
        Number of draws of a fit.

    Returns
    -------
    xarray.Dataset
        The measures of ``benchmarks.stress.measures`` over (policy, replication); with ``refit`` some of them again,
        with names that end in ``_after``; with groups ``worst_group``.

    Examples
    --------
    >>> import seqaudit as sa
    >>> from seqaudit.bandits.simulation.seeds import replication_keys
    >>> from seqaudit.benchmarks.stress.pools import draw_beliefs
    >>> problem = sa.Problem([0.4, 0.6], budget=4, cap=4)
    >>> seeds, keys = replication_keys(7, 50)
    >>> pools = draw_beliefs([sa.Beta(1, 1)] * 2, seeds, votes=4)
    >>> found = stress_simulated(problem, [sa.KnowledgeGradient()], pools, keys)
    >>> found.accuracy.dims, float(found.accuracy.mean())
    (('policy', 'replication'), 0.8)
    """
    import xarray as xr

    truth = above(pools.population, problem.threshold)
    settled = _settled(problem, pools, truth)
    rows = []
    for policy in policies:
        counts, wins = spend(problem, policy, pools, keys)
        row = _scored(problem, problem.tail_at(counts, wins), truth, counts, wins, eps)
        row |= _bought(problem, counts, settled)
        if pools.rate.ndim == 3:
            row["worst_group"] = _worst_group(problem, pools, problem.tail_at(counts, wins)[:, :, None])
        if refit is not None:
            tails, by_group = decide_after(problem, pools, counts, refit, draws)
            found = _scored(problem, tails, truth, counts, wins, eps)
            row |= {f"{name}_after": found[name] for name in (*AFTER, "loss")}
            if pools.rate.ndim == 3:
                row["worst_group_after"] = _worst_group(problem, pools, by_group)
        rows.append(row)
    dims = ("policy", "replication")
    data: dict[str, Any] = {name: (dims, np.stack([row[name] for row in rows])) for name in rows[0]}
    return xr.Dataset(data, coords={"policy": [label(x) for x in policies], "replication": np.arange(len(keys))})


def _scored(problem: Problem, tails: Floats, truth: Bools, counts: Ints, wins: Ints, eps: float) -> dict[str, Floats]:
    """Measures of the final states of R replications, each of shape (R,); the loss is that of the decisions alone."""
    real = truth.T.astype(np.float64)
    out = {name: x.sum(axis=0) for name, x in worths(problem, tails.T, real, eps).items()}
    best = worths(problem, real, real, eps)["payoff"].sum(axis=0)
    out["loss"] = best - out["payoff"]
    earned = (wins * problem.reward - problem.label_price * problem.cost * counts).sum(axis=1)
    return out | {name: out[name] + earned for name in ("payoff", "claimed_payoff")}


def _settled(problem: Problem, pools: Pools, truth: Bools) -> Ints:
    """Number of k < K such that an item's decision is correct after its first k votes, shape (R, N, P + 1) over K."""
    size, items, votes = pools.votes.shape
    out = np.zeros((size, items, votes + 1), dtype=np.int64)
    wins = np.zeros((size, items), dtype=np.int64)
    for k in range(votes):
        stated = problem.tail_at(np.full_like(wins, k), wins)
        out[:, :, k + 1] = out[:, :, k] + (decisions_right(problem.utility, stated, truth) > 0.5)
        wins += pools.votes[:, :, k]
    return out


def _bought(problem: Problem, counts: Ints, settled: Ints) -> dict[str, Floats]:
    high = high_slice(problem)
    already = np.take_along_axis(settled, counts[:, :, None], axis=2)[:, :, 0].sum(axis=1)
    return {
        "already_right": already / np.maximum(counts.sum(axis=1), 1),
        "labels_low": counts[:, ~high].sum(axis=1).astype(np.float64),
        "labels_high": counts[:, high].sum(axis=1).astype(np.float64),
    }


def _worst_group(problem: Problem, pools: Pools, tails: Floats) -> Floats:
    """Smallest accuracy over the groups, shape (R,), of decisions by tails of shape (R, N, 1) or (R, N, G)."""
    real = above(pools.rate, problem.threshold[:, None]).astype(np.float64)
    correct = decisions_right(problem.utility, np.broadcast_to(tails, real.shape), real)
    return np.asarray((correct * problem.weight[:, None]).sum(axis=1).min(axis=1) / problem.weight.sum())
