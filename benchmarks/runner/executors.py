"""Where the parts of a run are computed: in worker processes of this machine, or on a Dask cluster."""

from __future__ import annotations

import logging
import platform
import time
import traceback
import warnings
from collections.abc import Callable, Generator, Hashable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import cache, partial
from importlib.metadata import version
from itertools import islice
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ...dp.machine.workers import in_one_thread, in_processes
from ...posteriors.foundation.messages import first_line, shown
from ...posteriors.foundation.plugins import portable
from ...posteriors.foundation.refusals import whole

if TYPE_CHECKING:
    from distributed import Client, Future, as_completed

__all__ = ["Cluster", "ClusterError", "computed", "require_dask"]

# Parts that are handed in for each thread of the cluster: enough for none to wait, few enough to hold.
_AHEAD = 50
# What results depend on, and the two that have to understand each other.
_LIBRARIES = ("seqaudit", "numpy", "scipy", "numba", "pymc", "pytensor", "dask", "distributed")
_SECONDS_TO_CONNECT, _SECONDS_FOR_WORKERS, _SECONDS_TO_CLOSE = 10.0, 30.0, 5.0
# A worker that ended may be started again: how long a cluster may have none while parts are in work.
_SECONDS_WITHOUT_WORKERS = 60.0
# How often is looked for results, and, where none come, for workers.
_SECONDS_A_LOOK, _SECONDS_A_COUNT = 0.01, 2.0


class ClusterError(ConnectionError):
    """Error for a cluster that cannot be reached, cannot do the work, or is lost."""


@dataclass(frozen=True)
class Cluster:
    """A Dask cluster, given in place of a number of worker processes; needs the extra ``cluster``.

    Each part is a task of the cluster. The scheduler and the workers need the same versions of Python and of the
    libraries as this process, and each worker should have one thread. Compiled code is made ready once on each machine.
    Only this process writes in the run folder. A part whose worker is lost begins anew on another one.

    Parameters
    ----------
    address : str
        That of the scheduler, such as ``tcp://10.0.0.1:8786``.
    retries : int
        Times that a part is given out anew where a worker cannot read it, or cannot send its result. A part that fails
        is not.

    Raises
    ------
    ValueError
        For an address that is not text, or empty.

    Examples
    --------
    >>> import seqaudit as sa
    >>> sa.Cluster("tcp://10.0.0.1:8786")
    Cluster(address='tcp://10.0.0.1:8786', retries=2)
    """

    address: str
    retries: int = 2

    def __post_init__(self) -> None:
        if not isinstance(self.address, str) or not self.address.strip():
            raise ValueError(
                f"address is {shown(self.address)}; it must be that of a scheduler, such as tcp://10.0.0.1:8786"
            )
        object.__setattr__(self, "retries", whole("retries", self.retries, least=0, most=100))


def require_dask() -> None:
    """Raise ``ClusterError`` where Dask is not installed."""
    try:
        import distributed  # noqa: F401
    except ImportError:
        raise ClusterError(
            "clusters need Dask, which is not installed; install seqaudit with its extra: seqaudit[cluster]"
        ) from None


def computed[Name: Hashable, Result](
    jobs: Mapping[Name, Callable[[], Result]],
    where: int | Cluster,
    before: Callable[[], object] | None = None,
) -> Generator[tuple[Name, Result], None, None]:
    """Name and result of each job as it ends.

    Parameters
    ----------
    jobs : mapping of callables
        Jobs by name; they and their results must be picklable.
    where : int or Cluster
        Number of worker processes, -1 for one on each core; or a cluster.
    before : callable, optional
        Called once on each machine, before a worker of it gets a job; not called where all jobs run in this process.

    Yields
    ------
    name : hashable
    result : object

    Raises
    ------
    ClusterError
        If the cluster cannot be reached, cannot do the work, or is lost.
    ChildProcessError
        If a worker process is killed twice.

    Examples
    --------
    >>> from functools import partial
    >>> dict(computed({"four": partial(pow, 2, 2), "eight": partial(pow, 2, 3)}, 1))
    {'four': 4, 'eight': 8}
    """
    if not isinstance(where, Cluster):
        yield from in_processes(jobs, where, in_order=False, before=before)
        return
    if not jobs:
        return
    with _client(where) as client:
        with _told(where):
            own = _checked_versions(client, where)
        if before is not None:
            for _, ready in _told_of(where, _on_machines(client, before, own)):
                ready.had()
        with closing(_told_of(where, _on_cluster(client, jobs, where, own))) as ended:
            for name, outcome in ended:
                yield name, outcome.had()


@dataclass(frozen=True)
class _Outcome[Result]:
    """Result of a job, or its fault: to Dask a job never fails, or it would be tried again."""

    result: Result | None = None
    error: BaseException | None = None
    trace: str = ""

    def had(self) -> Any:
        """Return the result; raise the fault."""
        if self.error is not None:
            raise self.error from _RemoteTraceback(self.trace)
        return self.result


class _RemoteTraceback(Exception):
    """Where a worker raised an error; the name is that of Python's own."""


def _outcome[Result](own: dict[str, str], job: Callable[[], Result]) -> _Outcome[Result]:
    """Outcome of a job on a worker, which may have come to the cluster after the others were looked at."""
    from distributed import get_worker

    try:
        _require_same(f"worker {get_worker().address}", _versions(_LIBRARIES), own)
        return _Outcome(in_one_thread(job))
    except (Exception, SystemExit) as error:
        return _Outcome(error=portable(error), trace="".join(traceback.format_exception(error)))


def _on_cluster[Name: Hashable](
    client: Client, jobs: Mapping[Name, Callable[[], object]], where: Cluster, own: dict[str, str]
) -> Generator[tuple[Name, _Outcome[Any]], None, None]:
    """Name and outcome of each job as it ends."""
    waiting, enough = iter(jobs.items()), 0

    def more(at_work: int) -> dict[Future, Name]:
        nonlocal enough
        if at_work > enough / 2:
            return {}
        # Workers may have come since.
        enough = _AHEAD * max(1, sum(client.nthreads().values()))
        some = dict(islice(waiting, enough - at_work))
        if not some:
            return {}
        with warnings.catch_warnings():
            # Arrays of some megabytes are sent with each job.
            warnings.filterwarnings("ignore", "Sending large graph", UserWarning)
            run = partial(_outcome, own)
            futures = client.map(run, list(some.values()), pure=False, retries=where.retries)
        return dict(zip(futures, some, strict=True))

    return _as_they_end(client, more)


def _on_machines(
    client: Client, before: Callable[[], object], own: dict[str, str]
) -> Generator[tuple[str, _Outcome[Any]], None, None]:
    """Outcome of a function on each machine: code that it compiles is found by all workers of the machine."""
    asked: set[str] = set()

    def more(_: int) -> dict[Future, str]:
        machines: dict[str, list[str]] = {}
        for address in client.nthreads():
            machines.setdefault(str(urlsplit(address).hostname), []).append(address)
        # Workers that end meanwhile come back under other addresses: any may then stand in.
        run = partial(client.submit, _outcome, own, before, pure=False, allow_other_workers=True)
        new = {run(workers=addresses): machine for machine, addresses in machines.items() if machine not in asked}
        asked.update(new.values())
        return new

    return _as_they_end(client, more)


def _as_they_end[Name](
    client: Client, more: Callable[[int], dict[Future, Name]]
) -> Generator[tuple[Name, _Outcome[Any]], None, None]:
    """Name and outcome of each task as it ends; ``more`` hands in tasks, told how many are at work."""
    from distributed import as_completed

    names: dict[Future, Name] = {}
    ended = as_completed(loop=client.loop, with_results=True, raise_errors=False)
    try:
        while True:
            new = more(len(names))
            names |= new
            ended.update(list(new))
            if not names:
                return
            for future, found in _next_batch(client, ended):
                if isinstance(found, BaseException):
                    raise found
                if not isinstance(found, _Outcome):
                    # Kind, error and traceback of what Dask met.
                    raise found[1]
                yield names.pop(future), found
    finally:
        if names and client.status == "running":
            client.cancel(list(names), force=True)


def _next_batch(client: Client, ended: as_completed) -> list[tuple[Future, Any]]:
    """Tasks that have ended since the last batch, at least one: without workers none would ever end."""
    seen = counted = time.monotonic()
    while not (batch := ended.next_batch(block=False)):
        time.sleep(_SECONDS_A_LOOK)
        now = time.monotonic()
        if now - counted > _SECONDS_A_COUNT:
            counted = now
            if client.nthreads():
                seen = now
            elif now - seen > _SECONDS_WITHOUT_WORKERS:
                raise ClusterError(
                    f"the cluster has lost all of its workers, and had none for {_SECONDS_WITHOUT_WORKERS:g} seconds; "
                    "start some, and take up the run"
                )
    found: list[tuple[Future, Any]] = batch
    return found


@contextmanager
def _client(where: Cluster) -> Iterator[Client]:
    require_dask()
    from distributed import Client
    from distributed.versions import VersionMismatchWarning

    class OfOneRun(Client):  # type: ignore[misc]
        def start(self, **settings: Any) -> None:
            """Connect; Dask itself would wait without end for a greeting of what is no scheduler."""
            super().start(**settings, callback_timeout=_SECONDS_TO_CONNECT + 1.0)

        def __del__(self) -> None:
            """Nothing is left to close; a client that was never connected would wait for that."""

    with _unheard(), warnings.catch_warnings():
        # Told here in one line.
        warnings.simplefilter("ignore", VersionMismatchWarning)
        try:
            client = OfOneRun(where.address, timeout=_SECONDS_TO_CONNECT, set_as_default=False)
        except (OSError, ValueError, TypeError, ImportError, RuntimeError, MemoryError) as error:
            # The first bytes of a message say how long it is: those of another kind are taken for any number.
            strange = isinstance(error, MemoryError) or not str(error)
            why = "what listens there does not answer as a scheduler" if strange else first_line(error)
            raise ClusterError(
                f"no cluster at {shown(where.address)} ({why}); start one with: dask scheduler"
            ) from None
    with _unheard():
        try:
            yield client
        finally:
            with suppress(TimeoutError):
                client.close(timeout=_SECONDS_TO_CLOSE)


@contextmanager
def _unheard() -> Iterator[None]:
    """Let Dask say nothing of lost connections, with tracebacks: they are told here in one line."""
    loggers = [logging.getLogger(name) for name in [*logging.root.manager.loggerDict] if name.startswith("distributed")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


def _told_of[Found](where: Cluster, runs: Generator[Found, None, None]) -> Generator[Found, None, None]:
    """Yield what another generator does; errors of Dask in it are told in one line, and no others."""
    with closing(runs):
        while True:
            with _told(where):
                found = next(runs, None)
            if found is None:
                return
            yield found


@contextmanager
def _told(where: Cluster) -> Iterator[None]:
    """Errors of Dask told in one line."""
    from concurrent.futures import CancelledError

    from distributed import KilledWorker
    from distributed.client import ClosedClientError

    try:
        yield
    except ClusterError:
        raise
    except KilledWorker:
        raise ClusterError(
            f"one part has ended the worker processes of {where.address} that it was given to, perhaps for lack of "
            "memory; use fewer of them"
        ) from None
    except (CancelledError, ClosedClientError, OSError):
        raise ClusterError(f"the cluster at {where.address} was lost; start it, and take up the run") from None
    except Exception as error:
        # The scheduler's own words name no module; those of what it met do.
        met = error.__cause__ or error
        raise ClusterError(f"the cluster at {where.address} cannot read a part: {first_line(met)}") from error


def _checked_versions(client: Client, where: Cluster) -> dict[str, str]:
    """Versions of this process, which the scheduler and all workers have; there is one worker at least."""
    try:
        client.wait_for_workers(1, timeout=_SECONDS_FOR_WORKERS)
    except TimeoutError:
        raise ClusterError(
            f"the cluster at {where.address} has no workers; start some with: dask worker {where.address} --nthreads 1"
        ) from None
    own = _versions(_LIBRARIES)
    try:
        # The scheduler reads jobs too.
        there = {f"the scheduler {where.address}": client.run_on_scheduler(_versions, _LIBRARIES)}
        there |= {f"worker {worker}": found for worker, found in client.run(_versions, _LIBRARIES).items()}
    except (ImportError, AttributeError) as error:
        raise ClusterError(
            f"the scheduler or a worker of {where.address} has no such seqaudit: {first_line(error)}"
        ) from None
    for name, found in there.items():
        _require_same(name, found, own)
    return own


def _require_same(name: str, there: dict[str, str], own: dict[str, str]) -> None:
    for library, here in own.items():
        if there.get(library) != here:
            raise ClusterError(
                f"{name} has {library} {there.get(library)}, and this process {here}; install the same versions, or "
                "results could differ"
            )


@cache
def _versions(libraries: tuple[str, ...]) -> dict[str, str]:
    major, minor, _ = platform.python_version_tuple()
    return {"Python": f"{major}.{minor}"} | {name: version(name) for name in libraries}
