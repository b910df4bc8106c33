"""Work in parts: computed in parallel, passed on as each ends, and not computed again once finished."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from contextlib import closing
from typing import Any

from ...dp.machine.workers import in_processes
from ...posteriors.foundation.kinds import require_type
from ...posteriors.foundation.messages import shown

__all__ = ["run_parts"]


def run_parts[Name: Hashable, Part](
    jobs: Mapping[Name, Callable[[], Part]],
    n_jobs: int,
    finished: Mapping[Name, Part] | None = None,
    on_part: Callable[[Name, Part], object] | None = None,
    *,
    kind: type[Any] = object,
    before: Callable[[], object] | None = None,
) -> dict[Name, Part]:
    """Compute the parts that are not finished; all results by name.

    Parameters
    ----------
    jobs, n_jobs
        As for ``in_processes``.
    finished : mapping, optional
        Parts that are not computed again.
    on_part : callable, optional
        Called with name and result as each part ends, so that an interruption loses none that is done.
    kind : type
        Type of a part; a finished one of another type is refused.
    before : callable, optional
        As for ``in_processes``.

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
    left = {name: job for name, job in jobs.items() if name not in parts}
    with closing(in_processes(left, n_jobs, in_order=False, before=before)) as runs:
        for name, part in runs:
            parts[name] = part
            if on_part is not None:
                on_part(name, part)
    return parts
