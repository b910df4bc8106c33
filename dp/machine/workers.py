"""Threads and worker processes: how many to use, and jobs that stop together."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from joblib import cpu_count

from ...posteriors.foundation.refusals import whole, whole_or_none

__all__ = ["cores", "run", "workers"]


def cores(threads: int | None) -> int:
    """Threads to use."""
    return len(os.sched_getaffinity(0)) if threads is None else whole("threads", threads, least=1)


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
    return max(1, min(cpu_count() if asked == -1 else asked, tasks))
