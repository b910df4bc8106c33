"""Computation of the missing cells of a study, and how much of it is done."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

from ...posteriors.foundation.messages import first_line
from ..runner.executors import Cluster, computed
from ..runner.store import Cell, Store
from ..runner.warm import warm
from .study import Study

__all__ = ["Failure", "run_study"]

# Replications that one job computes: side by side they take less time, and a part that is lost is not much.
_AT_ONCE = 25


class Failure(str):
    """Message of a job that failed."""

    __slots__ = ()


def run_study(
    study: Study,
    store: Store,
    *,
    n_jobs: int | Cluster = 1,
    versions: str = "{}",
    on_cells: Callable[[str, int], object] = lambda name, count: None,
) -> int:
    """Compute the cells of a study that a store does not have; number of those that failed.

    Parameters
    ----------
    study : Study
    store : Store
    n_jobs : int or Cluster
        Worker processes, -1 for all cores; or a cluster. The results do not depend on it.
    versions : str
        Versions of libraries, as JSON, that are recorded with the cells.
    on_cells : callable
        Called with the name of each job as it ends, and the number of its cells.

    Returns
    -------
    int
    """
    jobs = study.jobs(store.done(), _AT_ONCE)
    failed = 0
    work = {name: partial(_tried, study.work(job)) for name, job in jobs.items()}
    for name, (results, seconds) in computed(work, n_jobs, warm):
        job = jobs[name]
        cells = []
        for number, plan in job.plans.items():
            if isinstance(results, Failure):
                cells.append(Cell(plan.name, plan.inputs, ".txt", results.encode(), status="failed"))
            else:
                cells.append(Cell(plan.name, plan.inputs, ".json", json.dumps(results[number]).encode()))
        seed = None if job.policy is None else json.dumps(study.seed)
        each = seconds / len(cells)
        store.write_all([cell._replace(seed=seed, versions=versions, seconds=each) for cell in cells])
        failed += len(cells) if isinstance(results, Failure) else 0
        on_cells(name, len(cells))
    return failed


def _tried(work: Callable[[], dict[int, Any]]) -> tuple[dict[int, Any] | Failure, float]:
    """Results of a job, or why it failed, and its seconds."""
    import time

    begin = time.perf_counter()
    try:
        found: dict[int, Any] | Failure = work()
    except (Exception, SystemExit) as error:
        found = Failure(f"{type(error).__name__}: {first_line(error)}")
    return found, time.perf_counter() - begin
