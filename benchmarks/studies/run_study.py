"""Computation of the missing cells of a study in its run folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ...posteriors.foundation.kinds import checked, require_type
from ...posteriors.foundation.messages import first_line
from ...posteriors.foundation.plugins import source_of
from ..runner.executors import Cluster, computed
from ..runner.folder import RunFolder
from ..runner.lock import alone_in
from ..runner.store import Cell, Store, stores_closed
from ..runner.warm import warm
from .cells import Outcome
from .outline import Plan
from .study import Job, Study, jobs_of, work_of

__all__ = ["compute_cells", "keep_cells", "missing_jobs", "open_study", "run_study", "tried"]


@dataclass(frozen=True)
class _Failure:
    """Message of a job that failed."""

    message: str


@checked
def run_study(study: Study, out: str | Path | None = None, *, n_jobs: int | Cluster = 1) -> Path:
    """Compute the cells of a study that its run folder does not have.

    Parameters
    ----------
    study : Study
        From ``read_study`` or ``make_study``.
    out : path, optional
        Run folder, which is made, or taken up; default: a new one, ``runs/run-<time>``. A study that has grown is taken
        up too: only its new cells are computed.
    n_jobs : int or Cluster
        Worker processes, -1 for all cores; or a cluster. The results do not depend on it.

    Returns
    -------
    Path
        The run folder. Cells that failed are there with their message, and are tried again the next time.

    Raises
    ------
    RunFolderError
        If the folder holds another study, or another process works in it.

    Examples
    --------
    >>> import seqaudit as sa
    >>> from tempfile import TemporaryDirectory
    >>> fields = {"policies": ["kg", "uniform"], "replications": 4}
    >>> problem = {"name": "small", "threshold": [0.5, 0.7], "budget": 4}
    >>> study = sa.make_study(fields | {"problem": [problem], "cross": {"utility": ["accuracy", "variance"]}})
    >>> study
    Study(study: 2 environments, 2 policies, 4 replications, 22 cells)
    >>> with TemporaryDirectory() as folder:
    ...     table = sa.study_table(sa.run_study(study, f"{folder}/run"))
    >>> table["environment"].unique().tolist()
    ['small, utility=accuracy', 'small, utility=variance']
    """
    require_type("study", study, Study, "a Study")
    with stores_closed(), open_study(study, out) as folder:
        compute_cells(study, folder, n_jobs)
    return folder.path


@contextmanager
def open_study(study: Study, out: str | Path | None) -> Iterator[RunFolder]:
    """Run folder of a study, begun or taken up, in which no other process works meanwhile."""
    folder = RunFolder(out, "run", {"study": study.name, "seed": study.seed})
    with alone_in(folder.path):
        study.outline.write(folder.path)
        yield folder


def missing_jobs(study: Study, folder: RunFolder) -> dict[str, Job]:
    """Jobs for the cells of a study that its folder does not have as they were written."""
    done, changed = folder.store.done()
    if changed:
        folder.notes.append(
            f"{changed:,} cells in {folder.store.path} were not as they had been written: computed again"
        )
    return jobs_of(study, done)


def compute_cells(
    study: Study,
    folder: RunFolder,
    n_jobs: int | Cluster,
    on_job: Callable[[str], object] = lambda name: None,
    jobs: dict[str, Job] | None = None,
) -> int:
    """Compute the missing cells of a study in its folder; number of those that failed.

    Parameters
    ----------
    study : Study
    folder : RunFolder
    n_jobs : int or Cluster
    on_job : callable
        Called with the name of each job as it ends.
    jobs : dict, optional
        The jobs to do; default: those of the missing cells.

    Returns
    -------
    int
    """
    store, failed = folder.store, 0
    missing = missing_jobs(study, folder) if jobs is None else jobs
    work = {name: partial(tried, work_of(study, job)) for name, job in missing.items()}
    with closing(computed(work, n_jobs, warm)) as runs:
        for name, found in runs:
            failed += keep_cells(store, missing[name].plans, found, folder.versions)
            on_job(name)
    return failed


def keep_cells(store: Store, plans: Mapping[int, Plan], found: dict[int, Outcome] | _Failure, versions: str) -> int:
    """Write the cells that were computed together, by their numbers; number of those that failed."""
    if isinstance(found, _Failure):
        said = found.message.encode()
        cells = [Cell(plan.name, plan.inputs, ".txt", said, status="failed") for plan in plans.values()]
    else:
        cells = [
            Cell(plan.name, plan.inputs, ".json", json.dumps(found[r].result).encode(), seconds=found[r].seconds)
            for r, plan in plans.items()
        ]
    store.write_all([cell._replace(versions=versions) for cell in cells])
    return len(cells) if isinstance(found, _Failure) else 0


def tried(work: Callable[[], dict[int, Outcome]]) -> dict[int, Outcome] | _Failure:
    """Results of a job, or why it failed."""
    try:
        return work()
    except (Exception, SystemExit) as error:
        where = source_of(error)
        return _Failure(f"{type(error).__name__}: {first_line(error)}" + (f" ({where})" if where else ""))
