"""Keywords of a problem from the columns of a data frame with a row for each item."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from ...posteriors.foundation.kinds import require_type
from ...posteriors.foundation.messages import listed, shown
from ...posteriors.foundation.names import meant_by
from ...posteriors.foundation.number_arrays import number_array, other_order
from ...posteriors.votes.columns import name_in_cell
from .checks import ProblemError
from .priors import arranged

if TYPE_CHECKING:
    import pandas as pd

    from .problem import Problem

__all__ = ["problem_of_frame"]

_FIELDS = ("threshold", "c", "weight", "cost", "cap", "reward", "name")
_KNOWN = (*_FIELDS, "item", "logp_win", "logp_lose", "a", "b")
# Keywords of a problem that are no columns, and what a column of that name may stand for.
_ELSEWHERE = {"log_ratio": "a column c", "prior": "columns a and b, or the keyword prior"}
_ELSEWHERE |= {name: f"the keyword {name}" for name in ("beta", "label_price", "quota", "budget", "utility", "batch")}
# Columns that speak of priors.
_PRIORS = re.compile(r"\s*(priors?\b.*|prior_.*|.*_prior)\s*", re.IGNORECASE)
# Ways to state thresholds; the keyword of ``Problem.from_dict`` that each gives.
_WAYS = {"threshold": "threshold", "c": "c", "logp_win": "c", "logp_lose": "c"}
# Columns that a keyword replaces, if not just the one of its name.
_REPLACED = {"threshold": tuple(_WAYS), "c": tuple(_WAYS), "prior": ("a", "b"), "name": ("name", "item")}


def problem_of_frame(  # numpydoc ignore=PR01
    cls: type[Problem], /, frame: pd.DataFrame, budget: int | float, **fields: Any
) -> Problem:
    """Problem with an item for each row of a data frame; the class method ``Problem.from_frame``.

    Parameters
    ----------
    frame : pandas.DataFrame
        Columns ``threshold``, or ``c``, or ``logp_win`` and ``logp_lose``; optionally ``weight``, ``cost``, ``cap``,
        ``reward``, ``name`` or ``item``, and Beta parameters ``a`` and ``b``; names may be an index called so. Other
        columns are ignored, except those whose names are close to one of these that is not there, or speak of priors.
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
    import pandas as pd

    require_type("frame", frame, pd.DataFrame, "a pandas DataFrame")
    if "log_ratio" in fields:
        raise ProblemError(["log_ratio is not a keyword of data frames; give log-ratios as c, with beta"])
    if frame.index.name in ("name", "item") and not {"name", "item"} & {*frame.columns, *fields}:
        frame = frame.reset_index()
    found = _columns(frame, {x for field in fields for x in _REPLACED.get(field, (field,))})
    faults = other_order({"data frame": frame, **fields, "prior": arranged(fields.get("prior"))})
    if "c" in found and "beta" not in fields:
        faults.append("data frame: columns of log-ratios need the keyword beta; thresholds are sigma(beta c)")
    if faults:
        raise ProblemError(faults)
    return cls.from_dict(found | {"budget": budget} | fields)


def _columns(frame: pd.DataFrame, replaced: set[str]) -> dict[str, Any]:
    """Keywords of ``Problem.from_dict`` that the columns give, but for those that keywords replace."""
    header = [str(column) for column in frame.columns]
    frame = frame.loc[:, [column not in replaced for column in header]]
    header = [column for column in header if column not in replaced]
    faults = [f"column {x!r} occurs {header.count(x)} times" for x in _KNOWN if header.count(x) > 1]
    for pair in (("logp_win", "logp_lose"), ("a", "b")):
        if sum(column in header for column in pair) == 1:
            faults.append(f"columns {pair[0]!r} and {pair[1]!r} go together")
    unused = [column for column in header if column not in _KNOWN]
    # Columns A and B are those of the texts that are compared.
    for wanted in _KNOWN[:-2]:
        near = None if wanted in header or wanted in replaced else meant_by(wanted, unused)
        if near is not None:
            faults.append(f"column {shown(near)} is not known; is it {wanted!r}?")
    faults += [f"column {x!r} is not known; allowed: {_ELSEWHERE[x]}" for x in unused if x in _ELSEWHERE]
    if not {"a", "prior"} & {*header, *replaced}:
        told = "give its Beta parameters as columns a and b, or the keyword prior"
        faults += [
            f"column {shown(x)} is not known; {told}" for x in unused if x not in _ELSEWHERE and _PRIORS.fullmatch(x)
        ]
    ways = {_WAYS[column]: column for column in header if column in _WAYS}
    if len(ways) > 1:
        faults.append(f"columns {listed(ways.values())} give the thresholds in more than one way; remove one of them")
    if not ways and not replaced.intersection(_WAYS):
        faults.append(
            f"no column gives thresholds: give threshold, c, or logp_win and logp_lose; found: {listed(header)}"
        )
    called = next((x for x in ("name", "item") if header.count(x) == 1), None)
    if called is not None:
        names = [name_in_cell(x) for x in frame[called].tolist()]
        gaps = frame[called].isna().tolist()
        for row in (row for row, name in enumerate(names) if name is None):
            told = "missing" if gaps[row] else shown(frame[called].iloc[row])
            faults.append(f"row {row}: {called} is {told}; allowed: a name that is not blank, or a whole number")
    if faults:
        raise ProblemError([f"data frame: {fault}" for fault in faults])
    found: dict[str, Any] = {column: frame[column] for column in _FIELDS if column in header}
    if "logp_win" in header:
        from ...posteriors.thresholds import log_ratio

        ratio = log_ratio(frame["logp_win"], frame["logp_lose"])
        for k in np.flatnonzero(
            ~np.isclose(number_array("c", found.setdefault("c", ratio)), ratio, rtol=1e-9, atol=1e-9)
        ):
            told = f"c is {shown(frame['c'].iloc[k])}, but logp_lose - logp_win is {ratio[k]:.9g}"
            raise ProblemError([f"data frame: row {k}: {told}; they must be equal, or one of them left out"])
    if "a" in header:
        found["prior"] = frame[["a", "b"]]
    if called is not None:
        found["name"] = names
    return found
