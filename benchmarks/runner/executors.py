"""Where the parts of a run are computed: in worker processes of this machine, or on a Dask cluster."""

from __future__ import annotations

import logging
import platform
import warnings
from collections.abc import Callable, Generator, Hashable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from itertools import islice
from typing import TYPE_CHECKING, Any

from ...dp.machine.workers import in_one_thread, in_processes
from ...posteriors.foundation.messages import first_line, shown
from ...posteriors.foundation.plugins import portable
from ...posteriors.foundation.refusals import whole

if TYPE_CHECKING:
    from distributed import Client, Future

__all__ = ["Cluster", "ClusterError", "computed"]

# Parts that are handed in for each thread of the cluster: enough for none to wait, few enough to hold.
_AHEAD = 50
# What results depend on.
_LIBRARIES = ("seqaudit", "numpy", "scipy", "numba", "joblib")
_SECONDS_TO_CONNECT, _SECONDS_FOR_WORKERS, _SECONDS_TO_CLOSE = 10.0, 30.0, 5.0


class ClusterError(ConnectionError):
    """Error for a cluster that cannot be reached, has no workers, or has lost them."""


@dataclass(frozen=True)
class Cluster:
    """A Dask cluster, given in place of a number of worker processes; needs the extra ``cluster``.

    Each part is a task of the cluster. Its workers need the same versions of Python and of the libraries as this
    process, and each should have one thread. Compiled code is made ready once on each machine. Only this process writes
    in the run folder. A part whose worker is lost begins anew on another one.

    Parameters
    ----------
    address : str
        That of the scheduler, such as ``tcp://10.0.0.1:8786``.
    retries : int
        Times that a part begins anew when what its worker needs is lost.

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
        If the cluster cannot be reached, or is lost.
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
        try:
            threads = _require_workers(client, where)
            if before is not None:
                _prepare(client, before)
            with closing(_on_cluster(client, jobs, where, threads)) as runs:
                yield from runs
        except _killed():
            raise ClusterError(
                f"one part has ended the worker processes of {where.address} that it was given to, perhaps for lack of "
                "memory; use fewer of them"
            ) from None
        except _lost():
            raise ClusterError(f"the cluster at {where.address} was lost; start it, and take up the run") from None


def _on_cluster[Name: Hashable, Result](
    client: Client, jobs: Mapping[Name, Callable[[], Result]], where: Cluster, threads: int
) -> Generator[tuple[Name, Result], None, None]:
    from distributed import as_completed

    waiting = iter(jobs.items())
    names: dict[Future, Name] = {}
    ended = as_completed(loop=client.loop, with_results=True, raise_errors=False)

    def hand_in(count: int) -> None:
        with warnings.catch_warnings():
            # Arrays of some megabytes are sent with each job.
            warnings.filterwarnings("ignore", "Sending large graph", UserWarning)
            some = dict(islice(waiting, count))
            futures = client.map(_outcome, list(some.values()), pure=False, retries=where.retries) if some else []
        names.update(zip(futures, some, strict=True))
        ended.update(futures)

    try:
        hand_in(_AHEAD * threads)
        for batch in ended.batches():
            for future, outcome in batch:
                if future.status != "finished":
                    # Raises what is said of a part that no worker could end.
                    future.result()
                result, error = outcome
                if error is not None:
                    raise error
                yield names.pop(future), result
            if len(names) <= _AHEAD * threads / 2:
                hand_in(_AHEAD * threads - len(names))
    finally:
        if names and client.status == "running":
            client.cancel(list(names), force=True)


def _outcome[Result](job: Callable[[], Result]) -> tuple[Result | None, BaseException | None]:
    """Result of a job, or its fault: what fails once would fail in every retry."""
    try:
        return in_one_thread(job), None
    except (Exception, SystemExit) as error:
        return None, portable(error)


@contextmanager
def _client(where: Cluster) -> Iterator[Client]:
    try:
        from distributed import Client
    except ImportError:
        raise ClusterError(
            "clusters need Dask, which is not installed; install seqaudit with its extra: seqaudit[cluster]"
        ) from None

    class OfOneRun(Client):
        def __del__(self) -> None:
            """Nothing is left to close; a client that was never connected would wait for that."""

    # What it says of lost connections, with tracebacks, is told here in one line.
    loggers = [logging.getLogger(name) for name in [*logging.root.manager.loggerDict] if name.startswith("distributed")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        try:
            client = OfOneRun(where.address, timeout=_SECONDS_TO_CONNECT, set_as_default=False)
        except (OSError, ValueError, TypeError) as error:
            raise ClusterError(
                f"no cluster at {shown(where.address)} ({first_line(error)}); start one with: dask scheduler"
            ) from None
        try:
            yield client
        finally:
            with suppress(TimeoutError):
                client.close(timeout=_SECONDS_TO_CLOSE)
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


def _killed() -> type[BaseException]:
    from distributed import KilledWorker

    return KilledWorker


def _lost() -> tuple[type[BaseException], ...]:
    from concurrent.futures import CancelledError

    from distributed.client import FuturesCancelledError
    from distributed.comm import CommClosedError

    return CancelledError, CommClosedError, FuturesCancelledError


def _require_workers(client: Client, where: Cluster) -> int:
    """Threads of the workers, which are there and have the versions of this process."""
    try:
        client.wait_for_workers(1, timeout=_SECONDS_FOR_WORKERS)
    except TimeoutError:
        raise ClusterError(
            f"the cluster at {where.address} has no workers; start some with: dask worker {where.address} --nthreads 1"
        ) from None
    own = _versions(_LIBRARIES)
    try:
        found = client.run(_versions, _LIBRARIES)
    except ImportError as error:
        raise ClusterError(f"a worker of {where.address} cannot import seqaudit: {first_line(error)}") from None
    for worker, versions in found.items():
        for name, here in own.items():
            if versions[name] != here:
                raise ClusterError(
                    f"worker {worker} has {name} {versions[name]}, and this process {here}; results could differ, so "
                    "install the same versions"
                )
    return sum(x["nthreads"] for x in _workers(client).values())


def _workers(client: Client) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = client.scheduler_info(n_workers=-1)["workers"]
    return found


def _versions(libraries: tuple[str, ...]) -> dict[str, str]:
    major, minor, _ = platform.python_version_tuple()
    return {"Python": f"{major}.{minor}"} | {name: version(name) for name in libraries}


def _prepare(client: Client, before: Callable[[], object]) -> None:
    """Call a function on each machine: code that it compiles is found by all workers of the machine."""
    machines: dict[str, list[str]] = {}
    for address, worker in _workers(client).items():
        machines.setdefault(worker["host"], []).append(address)
    ready = [client.submit(before, workers=addresses, pure=False) for addresses in machines.values()]
    for future in ready:
        future.result()
