"""Threads and worker processes: their numbers, jobs that stop together, and named jobs in worker processes."""

from __future__ import annotations

import os
import threading
import time
import warnings
from collections.abc import Callable, Generator, Hashable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from contextvars import ContextVar
from functools import cache

from ...posteriors.foundation.refusals import whole, whole_or_none

__all__ = ["cores", "in_processes", "run", "workers"]

# Threads where the caller asks for no number; None for one on each processor.
_SHARE: ContextVar[int | None] = ContextVar("share", default=None)


def cores(threads: int | None) -> int:
    """Number of threads to use: the number asked for, else one for each processor; a worker process uses one."""
    return _SHARE.get() or len(os.sched_getaffinity(0)) if threads is None else whole("threads", threads, least=1)


def run(pool: ThreadPoolExecutor, jobs: Sequence[Callable[[threading.Event], None]]) -> None:
    """Run jobs in parallel; when one fails, or the user interrupts, the others stop at their next piece of work."""
    stop = threading.Event()
    # This thread runs the first job itself: a thread that sleeps meanwhile has to be woken twice.
    futures: list[Future[None]] = [pool.submit(job, stop) for job in jobs[1:]]
    try:
        jobs[0](stop)
        for future in futures:
            future.result()
    except BaseException:
        stop.set()
        raise


def workers(n_jobs: int, tasks: int) -> int:
    """Number of worker processes to start: at most one for each task."""
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
    """Name and result of each job, one by one, computed in worker processes or in this process.

    With one worker, or one job, all work is done in this process. In a worker process, a job that asks for no number of
    threads has one. When a job fails, this process is interrupted or killed, or the generator is closed, the other jobs
    are dropped and their processes end. When a worker process is killed, the jobs that are not done start once more.

    Parameters
    ----------
    jobs : mapping of callables
        Jobs by name; they and their results must be picklable.
    n_jobs : int
        Worker processes; -1 for one on each core.
    in_order : bool
        Yield results in the order of the jobs; else as the jobs end.
    before : callable, optional
        Called before worker processes start, and not called without them. Compiled code that it caches in files is
        found by all of them.

    Yields
    ------
    name : hashable
    result : object

    Raises
    ------
    ChildProcessError
        If a worker process is killed a second time.

    Examples
    --------
    >>> from functools import partial
    >>> dict(in_processes({"four": partial(pow, 2, 2), "eight": partial(pow, 2, 3)}, n_jobs=1))
    {'four': 4, 'eight': 8}
    """
    count = workers(n_jobs, len(jobs))
    if count == 1:
        for name, job in jobs.items():
            yield name, job()
        return
    from concurrent.futures.process import BrokenProcessPool

    if before is not None:
        before()
    names, left = list(jobs), dict(enumerate(jobs.values()))
    for last in (False, True):
        try:
            with closing(_in_workers(left, count, in_order)) as runs:
                for k, result in runs:
                    del left[k]
                    yield names[k], result
        except BrokenProcessPool:
            if last:
                raise ChildProcessError(
                    f"worker processes were killed twice, with {len(left)} of {len(jobs)} pieces of work to do, by a "
                    "signal or because memory ran out; use fewer of them, or more memory"
                ) from None
        else:
            return


def _in_workers[Result](
    jobs: Mapping[int, Callable[[], Result]], count: int, in_order: bool
) -> Generator[tuple[int, Result], None, None]:
    """Number and result of each job, computed in worker processes."""
    from joblib import Parallel, delayed

    runs = Parallel(n_jobs=count, return_as="generator" if in_order else "generator_unordered")(
        delayed(_alone)(k, job, os.getpid()) for k, job in list(jobs.items())
    )
    try:
        # Not "yield from", which closes them before warnings are caught.
        for found in runs:  # noqa: UP028
            yield found
    finally:
        with warnings.catch_warnings():
            # The caller who closes a generator knows that jobs are dropped; joblib warns of it all the same.
            warnings.filterwarnings("ignore", r"\d+ tasks ", UserWarning)
            runs.close()


def _alone[Result](k: int, job: Callable[[], Result], parent: int) -> tuple[int, Result]:
    """Number and result of a job that runs in one thread, in a process that ends with its parent."""
    _end_with(parent)
    before = _SHARE.set(1)
    try:
        return k, job()
    finally:
        _SHARE.reset(before)


@cache
def _end_with(parent: int) -> None:
    """Have this process end soon after its parent, which may be killed and then tells nobody."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    # On Windows, and behind a server of processes, the parent is not known by its number.
    if os.name == "posix" and os.getppid() == parent:
        threading.Thread(target=watch, daemon=True).start()
