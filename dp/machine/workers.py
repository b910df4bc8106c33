"""Threads and worker processes: how many to use, and jobs that stop together."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from joblib import cpu_count

__all__ = ["cores", "run", "workers"]


def cores(threads: int | None) -> int:
    """Threads to use."""
    if threads is not None and (isinstance(threads, bool) or threads < 1):
        raise ValueError(f"threads is {threads!r}; it must be at least 1")
    return threads or len(os.sched_getaffinity(0))


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
    if isinstance(n_jobs, bool) or not isinstance(n_jobs, (int, np.integer)) or not (n_jobs == -1 or n_jobs >= 1):
        raise ValueError(f"the number of workers is {n_jobs!r}; allowed: 1 and more, or -1 for one on each core")
    return max(1, min(cpu_count() if n_jobs == -1 else int(n_jobs), tasks))
