"""Keywords of a problem from the columns of a data frame with a row for each item."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...posteriors.foundation.kinds import require_type
from ...posteriors.foundation.messages import listed, shown
from ...posteriors.foundation.names import nearest_name
from ...posteriors.foundation.number_arrays import other_order
from .checks import ProblemError

if TYPE_CHECKING:
    import pandas as pd

    from .problem import Problem

__all__ = ["problem_of_frame"]

_FIELDS = ("threshold", "c", "weight", "cost", "cap", "reward", "name")
_KNOWN = (*_FIELDS, "item", "logp_win", "logp_lose", "a", "b")
_NEAR = 0.84


def problem_of_frame(  # numpydoc ignore=PR01
    cls: type[Problem], /, frame: pd.DataFrame, budget: int | float, **fields: Any
) -> Problem:
    """Problem with an item for each row of a data frame; the class method ``Problem.from_frame``.

    Parameters
    ----------
    frame : pandas.DataFrame
        Columns ``threshold``, or ``c``, or ``logp_win`` and ``logp_lose``; optionally ``weight``, ``cost``, ``cap``,
        ``reward``, ``name`` or ``item``, and Beta parameters ``a`` and ``b``. Other columns are ignored, except those
        whose names are close to one of these.
    budget : int or float
        As for ``Problem``.
    **fields
        Other keywords, ``beta`` among them where there are log-ratios; they replace columns.

    Returns
    -------
    Problem
        Its items are in the order of the rows.

    Raises
    ------
    ProblemError
        For columns that are missing, given twice or misspelt, and for all that ``Problem`` refuses.

    Examples
    --------
    >>> import pandas as pd
    >>> import seqaudit as sa
    >>> frame = pd.DataFrame({"item": ["sky", "sea"], "threshold": [0.5, 0.7], "weight": [1, 2]})
    >>> sa.Problem.from_frame(frame, budget=9).name
    ('sky', 'sea')
    """
    found = _columns(frame)
    faults = other_order({"data frame": frame, **fields})
    if faults:
        raise ProblemError(faults)
    return cls.from_dict(found | {"budget": budget} | fields)


def _columns(frame: pd.DataFrame) -> dict[str, Any]:
    """Keywords of ``Problem.from_dict`` that the columns give."""
    import pandas as pd

    require_type("frame", frame, pd.DataFrame, "a pandas DataFrame")
    header = [str(column) for column in frame.columns]
    faults = [f"column {x!r} occurs {header.count(x)} times" for x in _KNOWN if header.count(x) > 1]
    for pair in (("logp_win", "logp_lose"), ("a", "b")):
        if sum(column in header for column in pair) == 1:
            faults.append(f"columns {pair[0]!r} and {pair[1]!r} go together")
    unused = [column for column in header if column not in _KNOWN]
    for wanted in _FIELDS:
        near = None if wanted in header else nearest_name(wanted, unused, cutoff=_NEAR)
        if near is not None:
            faults.append(f"column {shown(near)} is not known; is it {wanted!r}?")
    if not {"threshold", "c", "logp_win"} & set(header):
        faults.append(
            f"no column gives thresholds: give threshold, c, or logp_win and logp_lose; found: {listed(header)}"
        )
    called = next((x for x in ("name", "item") if header.count(x) == 1), None)
    if called is not None:
        missing = [k for k, x in enumerate(frame[called].isna().tolist()) if x]
        faults += [f"row {k}: {called} is missing; allowed: a name that is not blank" for k in missing]
    if faults:
        raise ProblemError([f"data frame: {fault}" for fault in faults])
    found: dict[str, Any] = {column: frame[column] for column in _FIELDS if column in header}
    if "logp_win" in header and "c" not in found:
        from ...posteriors.thresholds import log_ratio

        found["c"] = log_ratio(frame["logp_win"], frame["logp_lose"])
    if "a" in header:
        found["prior"] = frame[["a", "b"]]
    if called is not None:
        found["name"] = [name if isinstance(name, str) else str(name) for name in frame[called]]
    return found
