"""Available memory, and the error for problems that do not fit in it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from .processors import group_folders

if TYPE_CHECKING:
    import psutil

__all__ = ["ProblemTooLarge", "available_memory", "fits", "how_many_fit", "peak_memory", "require_memory", "too_large"]

# Limit, use, and the part of the use that is given back, in versions 2 and 1 of control groups.
_GROUP_FILES = (
    ("memory.max", "memory.current", "inactive_file"),
    ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)
_STATUS = Path("/proc/self/status")
# Limits of a process by their names in psutil, and what counts towards each.
_PROCESS_LIMITS = {"RLIMIT_AS": "vms", "RLIMIT_DATA": "data"}
# Bytes of such a limit that are left to threads and compiled code, which reserve more than they use.
_THREADS = 1 << 28
_BOUNDED = "use simulate for a policy's value and upper_bound for a bound on the optimum"


class ProblemTooLarge(ValueError):
    """Error of a request that needs too much memory or work; the message says how much, and what to call instead."""


def too_large(what: str, why: str, instead: str) -> ProblemTooLarge:
    """``ProblemTooLarge`` with a message of the usual form.

    Examples
    --------
    >>> print(too_large("a walk", "5 steps, at most 3 are taken", "take fewer"))
    problem too large for a walk: 5 steps, at most 3 are taken; take fewer
    """
    return ProblemTooLarge(f"problem too large for {what}: {why}; {instead}")


def available_memory() -> int:
    """Bytes that can be allocated without swapping, within any limit of this process and of its control groups."""
    import psutil

    return max(0, int(min([psutil.virtual_memory().available, *_left_to_groups(), *_left_to_process(os.getpid())])))


def _left_to_groups() -> Iterator[int]:
    """Bytes left to each control group around this process that has a limit."""
    for folder, most, used, reclaimable in _group_limits():
        try:
            now = int((folder / used).read_text(encoding="ascii"))
            counts = dict(line.split() for line in (folder / "memory.stat").read_text(encoding="ascii").splitlines())
        except (OSError, ValueError):
            continue
        # Files that were read are counted as used, though the system drops them where memory is short.
        yield most - now + int(counts.get(reclaimable, 0))


@cache
def _group_limits() -> tuple[tuple[Path, int, str, str], ...]:
    """Folder and limit of each control group that has one, and the names of what counts towards it."""
    found = []
    for limit, used, reclaimable in _GROUP_FILES:
        for folder in group_folders("memory", limit):
            # Without a limit, version 2 says "max", and version 1 a number that no machine reaches.
            with suppress(OSError, ValueError):
                most = int((folder / limit).read_text(encoding="ascii"))
                if most < 1 << 60:
                    found.append((folder, most, used, reclaimable))
    return tuple(found)


def _left_to_process(identifier: int) -> Iterator[int]:
    """Bytes left to this process under each limit that was set for it, such as that of ``ulimit -v``."""
    import psutil

    process = _process(identifier)
    for name, measure in _PROCESS_LIMITS.items():
        try:
            soft = process.rlimit(getattr(psutil, name))[0]
            if soft != psutil.RLIM_INFINITY:
                yield soft - getattr(process.memory_info(), measure) - _THREADS
        except (AttributeError, OSError, psutil.Error):
            # psutil reads such limits on Linux and FreeBSD only.
            continue


@cache
def _process(identifier: int) -> psutil.Process:
    import psutil

    return psutil.Process(identifier)


def peak_memory() -> int:
    """Largest resident memory of this process so far, in bytes.

    On Linux ``getrusage`` is not usable: its peak can be that of the parent process.

    Examples
    --------
    >>> peak_memory() > 1_000_000
    True
    """
    if _STATUS.exists():
        for line in _STATUS.read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return 1024 * int(line.split()[1])
    import psutil

    # Windows has no ``getrusage``.
    peak = getattr(psutil.Process().memory_info(), "peak_wset", None)
    if peak is not None:
        return int(peak)
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def fits(needed: float, share: float = 1.0) -> bool:
    """True if ``needed`` bytes are available, or fit in a share of what is available."""
    return needed <= share * available_memory()


def how_many_fit(each: float, beside: float = 0.0) -> int:
    """Number of pieces of ``each`` bytes that fit in memory together with ``beside`` bytes for all of them, or 0."""
    return max(0, int((available_memory() - beside) // each))


def require_memory(
    needed: float, states: float | None = None, *, what: str = "an exact solution", instead: str = _BOUNDED
) -> None:
    """Raise ``ProblemTooLarge`` unless ``needed`` bytes are available.

    Parameters
    ----------
    needed : float
        Bytes.
    states : float, optional
        Number of states that need them, at least; for the message.
    what : str
        Noun phrase for the computation that needs them.
    instead : str
        Alternative for the user, as an imperative or a sentence.

    Raises
    ------
    ProblemTooLarge
    """
    available = available_memory()
    if needed > available:
        held = "" if states is None else f"at least {states:.3g} states and "
        raise too_large(what, f"{held}{_size(needed)} of memory are needed, {_size(available)} are available", instead)


def _size(count: float) -> str:
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB", "PiB"):
        if value < 1024:
            return f"{value:.3g} {unit}"
        value /= 1024
    return f"{value:.3g} EiB"
