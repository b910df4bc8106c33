"""Memory: what is available, and the refusal of what does not fit."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["ProblemTooLarge", "available_memory", "require_memory"]


class ProblemTooLarge(ValueError):
    """The lattice does not fit in memory; the message says by how much and what to call instead."""


def available_memory() -> int:
    """Bytes that can be taken without swapping: what the system reports, within any control-group limit."""
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


def require_memory(needed: float, states: float) -> None:
    """Raise ``ProblemTooLarge`` unless ``needed`` bytes are available."""
    available = available_memory()
    if needed > available:
        raise ProblemTooLarge(
            f"problem too large for an exact solution: at least {states:.3g} states and {_size(needed)} of "
            f"memory are needed, {_size(available)} are available; use simulate for a policy's value and "
            "upper_bound for what the optimum cannot exceed"
        )


def _size(count: float) -> str:
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB", "PiB"):
        if value < 1024:
            return f"{value:.3g} {unit}"
        value /= 1024
    return f"{value:.3g} EiB"
