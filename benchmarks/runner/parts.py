"""Work in parts: computed side by side, kept as each ends, taken up again after an interruption."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from contextlib import closing
from typing import TYPE_CHECKING, Any

from joblib import Parallel, delayed

from ...dp.machine.files import write_whole
from ...dp.machine.workers import workers
from .folder import RunFolder
from .warm import warm

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["finished_parts", "part_keeper", "run_parts"]


def run_parts(
    jobs: dict[str, tuple[Any, ...]],
    n_jobs: int,
    finished: dict[str, xr.Dataset] | None,
    on_part: Callable[[str, xr.Dataset], None] | None,
) -> dict[str, xr.Dataset]:
    """Parts by name, each a function and its arguments; the finished ones are taken as they are.

    The function is told last how many threads it may use.
    """
    parts = dict(finished or {})
    left = {name: job for name, job in jobs.items() if name not in parts}
    count = workers(n_jobs, max(len(left), 1))
    if count > 1:
        # Worker processes then find everything compiled.
        warm()
    threads = 1 if count > 1 else None
    # Each part is handed over when it is done, so that an interruption loses none that is.
    runs = Parallel(n_jobs=count, return_as="generator_unordered")(
        delayed(_named)(name, job, threads) for name, job in left.items()
    )
    with warnings.catch_warnings(), closing(runs):
        # When Ctrl-C closes the runs, joblib has remarks on those that it drops.
        warnings.filterwarnings("ignore", r"\d+ tasks ", UserWarning)
        for name, part in runs:
            parts[name] = part
            if on_part:
                on_part(name, part)
    return parts


def _named(name: str, job: tuple[Any, ...], threads: int | None) -> tuple[str, xr.Dataset]:
    return name, job[0](*job[1:], threads)


def finished_parts(
    folder: RunFolder, names: Iterable[str], advance: Callable[[str], object], of: str = ""
) -> dict[str, xr.Dataset]:
    """Parts of those names, in files whose names begin with ``of``, that are there already; ``advance`` is told."""
    import xarray as xr

    found = {}
    for name in names:
        if folder.part(of + name, ".nc").exists():
            found[name] = xr.load_dataset(folder.part(of + name, ".nc"), engine="h5netcdf")
            advance(of + name)
    return found


def part_keeper(folder: RunFolder, advance: Callable[[str], object], of: str = "") -> Callable[[str, xr.Dataset], None]:
    """Make a function that writes a part, whole or not at all, and tells ``advance`` of it; for ``finished_parts``."""

    def keep(name: str, part: xr.Dataset) -> None:
        write_whole(folder.part(of + name, ".nc"), lambda scratch: part.to_netcdf(scratch, engine="h5netcdf"))
        advance(of + name)

    return keep
