"""Work in parts: computed in parallel, passed on as each ends, and not computed again once finished."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Mapping
from contextlib import closing
from contextvars import ContextVar
from functools import partial
from typing import Any

from ...posteriors.foundation.kinds import require_type
from ...posteriors.foundation.messages import shown
from .executors import Cluster, computed

__all__ = ["run_parts", "seconds_taken"]

_SECONDS: ContextVar[float | None] = ContextVar("seconds", default=None)


def run_parts[Name: Hashable, Part](
    jobs: Mapping[Name, Callable[[], Part]],
    n_jobs: int | Cluster,
    finished: Mapping[Name, Part] | None = None,
    on_part: Callable[[Name, Part], object] | None = None,
    *,
    kind: type[Any] = object,
    before: Callable[[], object] | None = None,
) -> dict[Name, Part]:
    """Compute the parts that are not finished; all results by name.

    Parameters
    ----------
    jobs : mapping of callables
    n_jobs : int or Cluster
        Worker processes, -1 for all cores; or a cluster. See ``executors.computed``.
    finished : mapping, optional
        Parts that are not computed again.
    on_part : callable, optional
        Called with name and result as each part ends, so that an interruption loses none that is done.
    kind : type
        Type of a part; a finished one of another type is refused.
    before : callable, optional
        Called once on each machine before work starts.

    Returns
    -------
    dict
        Parts by name: the finished ones, then the others in the order in which they ended.

    Examples
    --------
    >>> from functools import partial
    >>> run_parts({"two": partial(pow, 2, 1), "four": partial(pow, 2, 2)}, 1, {"two": 2}, print)
    four 4
    {'two': 2, 'four': 4}
    """
    parts = dict(finished or {})
    for name, part in parts.items():
        require_type(f"finished[{shown(name)}]", part, kind, f"a result of type {kind.__name__}")
    left = {name: partial(_timed, job) for name, job in jobs.items() if name not in parts}
    with closing(computed(left, n_jobs, before)) as runs:
        for name, (part, seconds) in runs:
            parts[name] = part
            if on_part is not None:
                before_it = _SECONDS.set(seconds)
                try:
                    on_part(name, part)
                finally:
                    _SECONDS.reset(before_it)
    return parts


def seconds_taken() -> float | None:
    """Seconds that the part took with which ``on_part`` is being called; None outside of such calls."""
    return _SECONDS.get()


def _timed[Part](job: Callable[[], Part]) -> tuple[Part, float]:
    begin = time.perf_counter()
    return job(), time.perf_counter() - begin
