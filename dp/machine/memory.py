"""Available memory, and the error for problems that do not fit in it."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["ProblemTooLarge", "available_memory", "fits", "how_many_fit", "require_memory", "too_large"]

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
    """Bytes that can be allocated without swapping, as the system reports them, within any control-group limit."""
    free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        for line in meminfo.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                free = int(line.split()[1]) * 1024
    limit, used = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")
    if limit.exists() and used.exists() and limit.read_text().strip().isdigit():
        free = min(free, int(limit.read_text()) - int(used.read_text()))
    return max(free, 0)


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
