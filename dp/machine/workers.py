"""Threads and worker processes: their numbers, jobs that stop together, and named jobs in worker processes."""

from __future__ import annotations

import os
import signal
import threading
import warnings
from collections import deque
from collections.abc import Callable, Generator, Hashable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import closing, contextmanager
from contextvars import ContextVar, copy_context
from types import FrameType

from ...posteriors.foundation.messages import shown
from ...posteriors.foundation.plugins import portable
from ...posteriors.foundation.processors import processors
from ...posteriors.foundation.refusals import whole, whole_or_none
from .parent import ENDING_SIGNALS, end_with

__all__ = ["checked_workers", "cores", "each", "heard", "in_one_thread", "in_processes", "run", "workers"]

# Largest number of threads or workers that can be asked for: more is a slip.
_MOST = 1024
# Worker processes that are started for each processor, at most: any beyond would only take memory from the others.
_EACH = 4

# Folder in memory, and the bytes that must be free in it, for large arrays of jobs.
_SHARED_MEMORY, _ROOM = "/dev/shm", 2e9

# Threads where the caller asks for no number; None for one on each processor.
_SHARE: ContextVar[int | None] = ContextVar("share", default=None)


def cores(threads: int | None) -> int:
    """Number of threads to use: the number asked for, else one for each processor; a worker process uses one."""
    return _SHARE.get() or processors() if threads is None else whole("threads", threads, least=1, most=_MOST)


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


def each[Part](work: Callable[[Part], object], parts: Sequence[Part], threads: int) -> None:
    """Work on each part in threads, during which Ctrl-C is heard, though one part may be a long piece of compiled code.

    After an interruption, or a fault, no further part is begun; those in work are left to end unheeded.

    Examples
    --------
    >>> each(lambda part: part.append("done"), [todo := []], threads=2)
    >>> todo
    ['done']
    """
    left, guard, stop = deque(parts), threading.Lock(), threading.Event()

    def take() -> None:
        while not stop.is_set():
            with guard:
                if not left:
                    return
                part = left.popleft()
            work(part)

    ends = [_begin(take) for _ in range(min(threads, len(parts)))]
    try:
        while True:
            # A wait without limit could not be interrupted on Windows.
            ended, going = wait(ends, timeout=0.5, return_when=FIRST_EXCEPTION)
            for end in ended:
                end.result()
            if not going:
                return
    finally:
        stop.set()


def heard[Result](job: Callable[[], Result]) -> Result:
    """Result of one long piece of compiled code, during which Ctrl-C is heard; see ``each``.

    Examples
    --------
    >>> heard(lambda: 2 + 2)
    4
    """
    found: list[Result] = []
    each(lambda work: found.append(work()), [job], 1)
    return found[0]


def _begin(work: Callable[[], None]) -> Future[None]:
    """End of some work that goes on in a thread, which does not keep the process from ending."""
    end: Future[None] = Future()
    context = copy_context()

    def go() -> None:
        try:
            context.run(work)
        except BaseException as error:
            end.set_exception(error)
        else:
            end.set_result(None)

    threading.Thread(target=go, daemon=True).start()
    return end


def checked_workers(field: str, value: object) -> int:
    """Return a field's value as a number of worker processes.

    Raises
    ------
    ValueError
        For a value that is neither -1 nor a whole number from 1 to 1024.

    Examples
    --------
    >>> checked_workers("--jobs", 0)
    Traceback (most recent call last):
    ValueError: --jobs is 0; it must be a number of worker processes from 1 to 1024, or -1 for all cores
    """
    asked = whole_or_none(value)
    if asked is None or not (asked == -1 or 1 <= asked <= _MOST):
        raise ValueError(
            f"{field} is {shown(value)}; it must be a number of worker processes from 1 to {_MOST}, or -1 for all cores"
        )
    return asked


def workers(n_jobs: int, tasks: int) -> int:
    """Number of worker processes to start: at most one for each task, and four on each core."""
    asked = checked_workers("the number of workers", n_jobs)
    return max(1, min(processors() if asked == -1 else asked, tasks, max(2, processors()) * _EACH))


def in_processes[Name: Hashable, Result](
    jobs: Mapping[Name, Callable[[], Result]],
    n_jobs: int,
    *,
    in_order: bool = True,
    before: Callable[[], object] | None = None,
) -> Generator[tuple[Name, Result], None, None]:
    """Name and result of each job, one by one, computed in worker processes or in this process.

    With one worker, or one job, all work is done in this process. In a worker process, a job that asks for no number of
    threads has one. When a job fails, this process is interrupted, or the generator is closed, the other jobs are
    dropped and their processes end; they also end when this process is killed. When a worker process is killed, the
    jobs without a result are started once more.

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
        If a worker process is killed again.

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
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    if before is not None:
        before()
    names, left = list(jobs), dict(enumerate(jobs.values()))
    for again in (False, True):
        try:
            with closing(_in_workers(left, count, in_order)) as runs:
                for k, result in runs:
                    del left[k]
                    yield names[k], result
        except TerminatedWorkerError:
            if again:
                raise ChildProcessError(
                    f"worker processes were killed twice, with {len(left)} of {len(jobs)} pieces of work to do, "
                    "perhaps for lack of memory; use fewer of them"
                ) from None
        else:
            return


def _in_workers[Result](
    jobs: Mapping[int, Callable[[], Result]], count: int, in_order: bool
) -> Generator[tuple[int, Result], None, None]:
    """Number and result of each job, computed in worker processes."""
    from joblib import Parallel, delayed

    results = "generator" if in_order else "generator_unordered"
    # Workers watch this process from their start on: it may be killed before it has given them a job.
    watch = {"initializer": end_with, "initargs": (os.getpid(),)}
    runs = None
    try:
        with _deaf_to_interruption():
            runs = Parallel(n_jobs=count, return_as=results, temp_folder=_folder_in_memory(), **watch)(
                delayed(_alone)(k, job) for k, job in tuple(jobs.items())
            )
        # An interruption that was held back is raised at the end of the block above.
        while True:
            with _dropped_jobs_unheard():
                run = next(runs, None)
            if run is None:
                return
            yield run
    finally:
        with warnings.catch_warnings():
            # The caller who closes a generator knows that jobs are dropped; joblib warns of it all the same.
            warnings.filterwarnings("ignore", r"\d+ tasks ", UserWarning)
            if runs is not None:
                with _dropped_jobs_unheard():
                    runs.close()


@contextmanager
def _dropped_jobs_unheard() -> Iterator[None]:
    """Let joblib's thread say nothing if it meets a job that was dropped a moment after it was handed in.

    The thread has ended the worker processes before, and would print a traceback of a KeyError.
    """
    before = threading.excepthook

    def hook(fault: threading.ExceptHookArgs) -> None:
        name = "" if fault.thread is None else fault.thread.name
        if (name, fault.exc_type) != ("ExecutorManagerThread", KeyError):
            before(fault)

    threading.excepthook = hook
    try:
        yield
    finally:
        threading.excepthook = before


@contextmanager
def _deaf_to_interruption() -> Iterator[None]:
    """Let processes that are started meanwhile never hear Ctrl-C, which a terminal sends to all of them at once.

    This process ends them, and heeds a signal at the end: processes that lose it while they start, or that are
    interrupted while they load Python, print where they were.
    """
    from multiprocessing import resource_tracker

    from joblib.externals.loky.backend import resource_tracker as another

    # Helpers of Python and of joblib: a start of theirs meanwhile would let the others hear it again.
    resource_tracker.ensure_running()
    another.ensure_running()
    with _signals_put_off():
        if not hasattr(signal, "pthread_sigmask"):
            yield
            return
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _signals_put_off() -> Iterator[None]:
    """Call the handlers of signals that come meanwhile at the end.

    Blocking signals in this thread does not do this: another thread, perhaps of a library, may receive them, and
    Python runs the handler here all the same. A fault that comes with a signal is told only if the handler raises
    nothing: worker processes that the same signal has ended are no news.
    """
    if threading.current_thread() is not threading.main_thread():
        # Handlers run in the main thread alone.
        yield
        return
    handlers = {number: handler for number in ENDING_SIGNALS if callable(handler := signal.getsignal(number))}
    came: list[tuple[int, FrameType | None]] = []
    try:
        for number in handlers:
            signal.signal(number, lambda *of: came.append(of))
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for number, frame in came[:1]:
            try:
                handlers[number](number, frame)
            except BaseException as interruption:
                raise interruption from None


def _folder_in_memory() -> str | None:
    """Folder for the large arrays of jobs, as joblib chooses it; None where it would not be in memory.

    Where joblib is not told, it makes a folder there before it sees to its removal: a signal in between would leave it.
    """
    if "JOBLIB_TEMP_FOLDER" in os.environ or not hasattr(os, "statvfs"):
        return None
    if not os.access(_SHARED_MEMORY, os.W_OK | os.X_OK):
        return None
    room = os.statvfs(_SHARED_MEMORY)
    return _SHARED_MEMORY if room.f_bsize * room.f_bavail > _ROOM else None


def in_one_thread[Result](job: Callable[[], Result]) -> Result:
    """Result of a job that has one thread where it asks for no number of them.

    Examples
    --------
    >>> in_one_thread(lambda: cores(None))
    1
    """
    before = _SHARE.set(1)
    try:
        return job()
    finally:
        _SHARE.reset(before)


def _alone[Result](k: int, job: Callable[[], Result]) -> tuple[int, Result]:
    """Number and result of a job that runs in one thread of a worker process."""
    try:
        return k, in_one_thread(job)
    except (Exception, SystemExit) as error:
        raise portable(error) from None
