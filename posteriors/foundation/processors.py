"""Processors that this process may use, and the limits that its control groups set."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

__all__ = ["group_folders", "processors"]

_GROUPS = Path("/sys/fs/cgroup")
_MEMBERSHIP = Path("/proc/self/cgroup")


@cache
def processors() -> int:
    """Number of processors that this process may use, at least 1; asked of the system once.

    These are the processors that it is bound to, or those of the machine where the system binds none, within the limits
    of its control groups.

    Examples
    --------
    >>> processors() >= 1
    True
    """
    import psutil

    try:
        count = len(psutil.Process().cpu_affinity())
    except (AttributeError, OSError, psutil.Error):
        # macOS binds no process to processors.
        count = os.cpu_count() or 1
    return max(1, min([count, *map(math.ceil, _quotas())]))


def _quotas() -> Iterator[float]:
    """Processors' worth of time that each control group around this process may use, where that is limited."""
    for names in (("cpu.max",), ("cpu.cfs_quota_us", "cpu.cfs_period_us")):
        for folder in group_folders("cpu", names[0]):
            try:
                quota, period = map(float, " ".join((folder / x).read_text(encoding="ascii") for x in names).split())
            except (OSError, ValueError):
                # Not limited: the quota is "max".
                continue
            if quota > 0 and period > 0:
                yield quota / period


def group_folders(controller: str, file: str) -> tuple[Path, ...]:
    """Folders of the control groups that hold this process, innermost first, as far as they have a file.

    Parameters
    ----------
    controller : str
        Name of the controller in version 1 of control groups; in version 2 all have the same folders.
    file : str
        Name of the file.

    Returns
    -------
    tuple of Path
    """
    try:
        lines = _MEMBERSHIP.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return ()
    found: list[Path] = []
    for line in lines:
        _, names, path = line.split(":", 2)
        if names and controller not in names.split(","):
            continue
        root = _GROUPS / controller if names else _GROUPS
        # In a container the path can be that of the machine, where only the root is there.
        inside = Path(path.lstrip("/"))
        found += [root / part for part in (inside, *inside.parents)]
    return tuple(folder for folder in dict.fromkeys(found) if (folder / file).exists())
