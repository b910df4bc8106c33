"""Replay: policies spend a budget on recorded human votes.

Every item has a pool of votes. A label of item i is a vote drawn from its pool without replacement, so the size of the
pool is the item's cap; the policy never sees votes that it did not buy. Decisions are scored against the full pools
(``seqaudit.benchmarks.replay.scores``). A replication shuffles every pool once; all policies then get the same votes in
the same order, so differences between policies have far smaller errors than the value of each.

Raters are anonymous draws: a replay measures a policy under real preference rates and real thresholds, not under real
raters' biases.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...bandits.choice import choose_policies
from ...bandits.policy import Policy
from ...bandits.registry import label
from ...bandits.simulation.compiled_run import PlainLabels
from ...bandits.simulation.seeds import replication_keys
from ...bandits.simulation.simulate import play
from ...dp.problem.problem import Problem
from ...posteriors.foundation.arrays import Bools, Floats, Ints
from ...posteriors.foundation.averages import error_of_average
from ...posteriors.foundation.kinds import checked
from ...posteriors.foundation.refusals import whole
from ...posteriors.foundation.seeds import Seed
from ...posteriors.foundation.tolerances import above
from ...posteriors.utilities import Utility
from ...posteriors.votes.checks import require_votes
from ...posteriors.votes.label_set import LabelSet
from ..data.problem_of_labels import problem_of_labels
from ..runner.executors import Cluster
from ..runner.parts import run_parts
from ..runner.results import result_of
from .scores import METRICS, Scorer

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

__all__ = ["replay", "replay_table"]

_CHECKPOINTS = 30


@dataclass(frozen=True)
class VotePools:
    """Shuffled pools of votes; ``votes`` has shape (R, V), and those of item i begin at ``start[i]``."""

    votes: NDArray[np.int8]
    start: Ints

    @classmethod
    def shuffle(cls, dataset: LabelSet, seeds: Sequence[np.random.SeedSequence]) -> VotePools:
        """Shuffle the votes of every item once for each seed."""
        item = np.repeat(np.arange(dataset.n_items), dataset.counts)
        votes = np.empty((len(seeds), dataset.n_labels), dtype=np.int8)
        for r, seed in enumerate(seeds):
            order = np.lexsort((np.random.default_rng(seed).random(dataset.n_labels), item))
            votes[r] = dataset.labels[order]
        return cls(votes, dataset.start)

    def labels(self, rows: Ints, items: Ints, counts: Ints) -> Ints:
        """Vote number ``counts`` of ``items`` in replications ``rows``."""
        return np.asarray(self.votes[rows, self.start[items] + counts], dtype=np.int64)

    def plain(self, row: int) -> PlainLabels:
        """Votes of a replication, and where those of each item begin."""
        return PlainLabels(self.start[:-1].astype(np.float64), self.votes[row])


@checked
def replay(
    dataset: LabelSet,
    policies: Sequence[str | Policy] | None = None,
    *,
    budget: int,
    seed: Seed,
    replications: int = 5,
    beta: float | None = None,
    threshold: float | None = None,
    prior: ArrayLike = (1.0, 1.0),
    utility: str | dict[str, Any] | Utility = "accuracy",
    n_jobs: int | Cluster = 1,
    finished: dict[str, xr.Dataset] | None = None,
    on_policy: Callable[[str, xr.Dataset], None] | None = None,
) -> xr.Dataset:
    """Replay policies on recorded votes.

    Votes are bought from pools that are shuffled alike for all policies, and decisions are scored against those by all
    votes.

    Parameters
    ----------
    dataset : LabelSet
        From ``read_labels``.
    policies : sequence of names or policies, optional
        Default: every registered one that the problem's size allows.
    budget : int
        Number of votes that each policy buys.
    seed : int, SeedSequence or Generator
        Seed of the shuffles and of the breaking of ties.
    replications : int
        Number of independent shuffles.
    beta, threshold, prior, utility
        See ``problem_of_labels``.
    n_jobs : int or Cluster
        As for ``vary``; a worker takes one policy at a time.
    finished : dict, optional
        Results of policies that were run before, by name.
    on_policy : callable, optional
        Called with name and result as each policy ends.

    Returns
    -------
    xarray.Dataset
        Metrics over (policy, replication, labels), ``labels_bought`` over (policy, replication, labels, slice), and
        ``seconds`` over policy. ``attrs`` holds the true masses and remarks.

    Raises
    ------
    ValueError
        For unknown policies, settings out of range, and anything that ``problem_of_labels`` refuses.

    Examples
    --------
    >>> import seqaudit as sa
    >>> votes = sa.LabelSet.from_pools({"x": [1, 1, 0, 1], "y": [0, 0, 1, 0], "z": [1, 0, 1, 0]})
    >>> result = sa.replay(votes, ["kg", "round-robin"], budget=6, seed=7)
    >>> result["decision_accuracy"].dims
    ('policy', 'replication', 'labels')
    """
    import xarray as xr

    whole("replications", replications, least=1)
    require_votes("replay", dataset)
    problem = problem_of_labels(dataset, budget, beta=beta, threshold=threshold, prior=prior, utility=utility)
    chosen, remarks = choose_policies(problem, policies, planning=False)
    seeds, keys = replication_keys(seed, replications)
    pools = VotePools.shuffle(dataset, seeds)
    truth = above(dataset.rate, problem.threshold)
    jobs = {label(p): partial(_replay_one, problem, p, pools, keys, truth, dataset.slice) for p in chosen}
    parts = run_parts(jobs, n_jobs, finished, on_policy, kind=xr.Dataset)
    result = xr.concat([parts[name] for name in jobs], dim="policy")
    override = above(problem.log_ratio, 0.0)
    result.attrs = {
        "items": problem.size,
        "votes": dataset.n_labels,
        "true_mass": float(truth @ problem.weight),
        "true_override_mass": float(truth @ (problem.weight * override)),
        "total_weight": float(problem.weight.sum()),
        "remarks": remarks,
    }
    return result


def _replay_one(
    problem: Problem,
    policy: Policy,
    pools: VotePools,
    keys: NDArray[np.uint64],
    truth: Bools,
    slices: tuple[str, ...] | None,
) -> xr.Dataset:
    import xarray as xr

    score = Scorer(problem, truth)
    names = sorted(set(slices)) if slices else ["all"]
    member = np.array([[s == name for name in names] for s in slices]) if slices else np.ones((problem.size, 1), bool)
    stops = np.unique(np.linspace(0, problem.labels, _CHECKPOINTS + 1).round().astype(int))
    metrics: dict[str, list[Floats]] = {name: [] for name in METRICS}
    by_slice = []

    def observe(step: int, counts: Ints, wins: Ints) -> None:
        for name, values in score(counts, wins).items():
            metrics[name].append(values)
        by_slice.append(counts @ member)

    begin = time.perf_counter()
    play(problem, policy, pools, keys, stops=stops.tolist(), observe=observe, tables=False)
    seconds = time.perf_counter() - begin
    dims = ("replication", "labels")
    data: dict[str, Any] = {
        name: (dims, np.stack(values, axis=1), {"description": METRICS[name].description})
        for name, values in metrics.items()
    }
    data["labels_bought"] = ((*dims, "slice"), np.stack(by_slice, axis=1), {"description": "labels bought by slice"})
    data["seconds"] = ((), seconds, {"description": "wall-clock seconds for all replications"})
    found = xr.Dataset(data, coords={"replication": np.arange(len(keys)), "labels": stops, "slice": names})
    return found.expand_dims(policy=[label(policy)])


@checked
@result_of("replay", "decision_accuracy", "labels_bought", "seconds", "slice")
def replay_table(result: xr.Dataset, reference: str = "round-robin") -> pd.DataFrame:
    """Means and standard errors at the full budget, best decision accuracy first.

    Parameters
    ----------
    result : xarray.Dataset
        From ``replay``.
    reference : str
        Policy with which the decision accuracy of the others is compared, replication by replication; ignored if
        absent.

    Returns
    -------
    pandas.DataFrame
        One row for each policy: the mean of each metric and, as ``<metric>_se``, its standard error; ``versus`` and
        ``versus_se``, the paired difference in decision accuracy from the reference and its standard error.

    Examples
    --------
    >>> import seqaudit as sa
    >>> votes = sa.LabelSet.from_pools({"x": [1, 1, 0, 1], "y": [0, 0, 1, 0], "z": [1, 0, 1, 0]})
    >>> table = sa.replay_table(sa.replay(votes, ["kg", "round-robin"], budget=6, seed=7))
    >>> table[["policy", "decision_accuracy", "versus"]].round(3).values.tolist()
    [['kg', 0.667, 0.067], ['round-robin', 0.6, 0.0]]
    """
    import pandas as pd

    final = result.isel(labels=-1)

    def error(x: xr.DataArray) -> Floats:
        return np.asarray(x.reduce(error_of_average, "replication"))

    columns: dict[str, Any] = {"policy": [str(name) for name in result["policy"].values]}
    for name in METRICS:
        columns[name] = np.asarray(final[name].mean("replication"))
        columns[f"{name}_se"] = error(final[name])
    if reference in columns["policy"]:
        ahead = final["decision_accuracy"] - final["decision_accuracy"].sel(policy=reference)
        columns["versus"] = np.asarray(ahead.mean("replication"))
        columns["versus_se"] = error(ahead)
    for name in result["slice"].values:
        columns[f"labels_{name}"] = np.asarray(final["labels_bought"].sel(slice=name).mean("replication"))
    columns["seconds"] = np.asarray(result["seconds"])
    return pd.DataFrame(columns).sort_values("decision_accuracy", ascending=False, kind="stable", ignore_index=True)
