"""Threads and worker processes: how many to use, jobs that stop together, and named jobs in worker processes."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Callable, Generator, Hashable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import ContextVar

from ...posteriors.foundation.refusals import whole, whole_or_none

__all__ = ["cores", "in_processes", "run", "workers"]

# Threads of what asks for no number of them; None for one on each processor.
_SHARE: ContextVar[int | None] = ContextVar("share", default=None)


def cores(threads: int | None) -> int:
    """Threads to use: as many as are asked for, else one on each processor, or one alone in a worker process."""
    return _SHARE.get() or len(os.sched_getaffinity(0)) if threads is None else whole("threads", threads, least=1)


def run(pool: ThreadPoolExecutor, jobs: Sequence[Callable[[threading.Event], None]]) -> None:
    """Run jobs side by side; when one fails, or the user interrupts, the others stop at their next piece."""
    stop = threading.Event()
    # The first job is this thread's own: a thread that sleeps meanwhile has to be woken twice.
    futures: list[Future[None]] = [pool.submit(job, stop) for job in jobs[1:]]
    try:
        jobs[0](stop)
        for future in futures:
            future.result()
    except BaseException:
        stop.set()
        raise


def workers(n_jobs: int, tasks: int) -> int:
    """Worker processes to start: never more than there is work for."""
    asked = whole_or_none(n_jobs)
    if asked is None or not (asked == -1 or asked >= 1):
        raise ValueError(f"the number of workers is {n_jobs!r}; allowed: 1 and more, or -1 for one on each core")
    if asked == -1:
        from joblib import cpu_count

        asked = cpu_count()
    return max(1, min(asked, tasks))


def in_processes[Name: Hashable, Result](
    jobs: Mapping[Name, Callable[[], Result]],
    n_jobs: int,
    *,
    in_order: bool = True,
    before: Callable[[], object] | None = None,
) -> Generator[tuple[Name, Result], None, None]:
    """Name and result of each job, handed over one by one, from worker processes or from this one.

    With one worker, or one job, all is done in this process; else a job has one thread where it asks for no number.
    When a job fails, when this process is interrupted, and when the generator is closed, the other jobs are dropped
    and their processes end.

    Parameters
    ----------
    jobs : mapping of callables
        By name; what they are made of, and what they return, must be picklable.
    n_jobs : int
        Worker processes; -1 for one on each core.
    in_order : bool
        Hand results over in the order of the jobs; else as they end.
    before : callable, optional
        Called before worker processes start, and not where there are none: compiled code that is kept in files now is
        found there by all of them.

    Examples
    --------
    >>> from functools import partial
    >>> dict(in_processes({"four": partial(pow, 2, 2), "eight": partial(pow, 2, 3)}, n_jobs=1))
    {'four': 4, 'eight': 8}
    """
    from joblib import Parallel, delayed

    count = workers(n_jobs, len(jobs))
    if count == 1:
        for name, job in jobs.items():
            yield name, job()
        return
    if before is not None:
        before()
    names = list(jobs)
    runs = Parallel(n_jobs=count, return_as="generator" if in_order else "generator_unordered")(
        delayed(_alone)(k, job) for k, job in enumerate(jobs.values())
    )
    try:
        for k, result in runs:
            yield names[k], result
    finally:
        with warnings.catch_warnings():
            # Those who close a generator know that jobs are dropped; joblib remarks on it all the same.
            warnings.filterwarnings("ignore", r"\d+ tasks ", UserWarning)
            runs.close()


def _alone[Result](k: int, job: Callable[[], Result]) -> tuple[int, Result]:
    """Number and result of a job that has one thread."""
    before = _SHARE.set(1)
    try:
        return k, job()
    finally:
        _SHARE.reset(before)
