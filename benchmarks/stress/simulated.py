r"""What a wrong rater model costs, simulated: raters who are not alike, and a planner who does not know it.

Votes come from pools that a model of raters has drawn (``benchmarks.pools``). Policies ask and decide by the problem's
own beliefs, for which votes on an item are exchangeable. When the budget is spent there are two ways to decide:

    as planned       by the problem's beliefs, given labels and wins of each item;
    after the fact   by a model of raters fitted to the very votes that the policy bought, with their raters and groups
                     (the model's fast approximation). An item without votes is decided by what the fit says of new
                     items.

The truth is known, so p is 0 or 1 in every measure of ``stress_measures``, and ``loss`` is the payoff of one who knows
it, less what was earned, both by decisions alone: rewards of labels are in ``payoff`` and ``claimed_payoff`` and not in
``loss``. Where rates differ by group, a decision is about the rate over all groups alike, and ``worst_group`` is the
accuracy for the group for which it is lowest in that replication: of the item's one decision as planned, and of a
decision for each group of its own after the fact.

Whether an item's decision is right after its first k votes depends on the pool alone, so ``already_right`` needs only
to know how many of its votes a policy bought.
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
from ...posteriors.raters.model import RaterModel
from ...posteriors.scores import decisions_right
from .after_the_fact import decide_after
from .measures import high_slice, worths
from .pools import Pools

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["AFTER", "stress_simulated"]


# Measures that are taken again with decisions after the fact.
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
    """Measures of policies on the same pools.

    Parameters
    ----------
    problem : Problem
        What is asked and decided by; no cap above the votes of a pool.
    policies : sequence of Policy
    pools : Pools
        R replications.
    keys : ndarray of uint64, shape (R, 2)
        Philox keys that break ties.
    eps : float
        Level at which a belief is decisive.
    refit : RaterModel, optional
        What decides after the fact.
    draws : int
        Draws of a fit.

    Returns
    -------
    xarray.Dataset
        The measures of ``stress_measures`` over (policy, replication); with ``refit`` some of them with ``_after`` at
        the end of their names; with groups ``worst_group``.

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

    truth = pools.population > problem.threshold
    settled = _settled(problem, pools, truth)
    rows = []
    for policy in policies:
        counts, wins = spend(problem, policy, pools, keys)
        row = _scored(problem, problem.tail_at(counts, wins), truth, wins, eps)
        row |= _bought(problem, counts, settled)
        if pools.rate.ndim == 3:
            row["worst_group"] = _worst_group(problem, pools, problem.tail_at(counts, wins)[:, :, None])
        if refit is not None:
            tails, by_group = decide_after(problem, pools, counts, refit, draws)
            found = _scored(problem, tails, truth, wins, eps)
            row |= {f"{name}_after": found[name] for name in (*AFTER, "loss")}
            if pools.rate.ndim == 3:
                row["worst_group_after"] = _worst_group(problem, pools, by_group)
        rows.append(row)
    dims = ("policy", "replication")
    data: dict[str, Any] = {name: (dims, np.stack([row[name] for row in rows])) for name in rows[0]}
    return xr.Dataset(data, coords={"policy": [label(x) for x in policies], "replication": np.arange(len(keys))})


def _scored(problem: Problem, tails: Floats, truth: Bools, wins: Ints, eps: float) -> dict[str, Floats]:
    """Measures of the final states of R replications, shape (R,); the loss is that of the decisions alone."""
    real = truth.T.astype(np.float64)
    out = {name: x.sum(axis=0) for name, x in worths(problem, tails.T, real, eps).items()}
    best = worths(problem, real, real, eps)["payoff"].sum(axis=0)
    out["loss"] = best - out["payoff"]
    rewards = (wins * problem.reward).sum(axis=1)
    return out | {name: out[name] + rewards for name in ("payoff", "claimed_payoff")}


def _settled(problem: Problem, pools: Pools, truth: Bools) -> Ints:
    """Number of k < K after whose first k votes an item's decision is right, shape (R, N, P + 1) over K."""
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
    """Smallest accuracy of a group, shape (R,), of decisions by tails of shape (R, N, 1) or (R, N, G)."""
    real = (pools.rate > problem.threshold[:, None]).astype(np.float64)
    correct = decisions_right(problem.utility, np.broadcast_to(tails, real.shape), real)
    return np.asarray((correct * problem.weight[:, None]).sum(axis=1).min(axis=1) / problem.weight.sum())
