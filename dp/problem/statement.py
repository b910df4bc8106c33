"""A problem as its author stated it: uncut caps, and either thresholds or log-ratios with beta.

Some fields of a problem are derived from those given: a cap is cut to the labels that the budget buys, and log-ratios
follow from thresholds, or thresholds from log-ratios. A problem with some fields changed is built from the fields that
were given, never from derived ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ...posteriors.foundation.names import unknown_key
from ...posteriors.foundation.number_arrays import other_order
from ...posteriors.thresholds import threshold
from . import checks
from .priors import arranged

if TYPE_CHECKING:
    from .problem import Problem

__all__ = ["by_ratio", "new_fields", "plain", "restated", "statement"]


def statement(problem: Problem) -> dict[str, Any]:
    """Keywords of ``Problem`` as they were given."""
    asked: dict[str, Any] = {field.name: getattr(problem, field.name) for field in fields(problem)}
    asked["cap"] = problem.asked_cap
    if problem.beta is None:
        asked["log_ratio"] = None
    return asked


def plain(problem: Problem) -> dict[str, Any]:
    """Keywords of ``Problem.from_dict`` as they were given: plain numbers, strings, lists and mappings."""
    asked = {key: x.tolist() if isinstance(x, np.ndarray) else x for key, x in statement(problem).items()}
    by_ratio = asked["beta"] is not None
    asked["c"] = asked.pop("log_ratio")
    out = {key: asked[key] for key in ("budget", *(("c", "beta") if by_ratio else ("threshold",)))}
    out["prior"] = asked["prior"] if isinstance(asked["prior"], list) else [x.as_dict() for x in asked["prior"]]
    out |= {key: asked[key] for key in ("weight", "cost", "reward", "cap", "batch") if asked[key] is not None}
    if problem.label_price:
        out["label_price"] = problem.label_price
    out |= {"name": list(problem.name), "utility": problem.utility.as_dict()}
    if problem.quota:
        out["quota"] = [{"items": [problem.name[i] for i in items], "labels": k} for items, k in problem.quota]
    return out


def new_fields(problem: Problem, given: Mapping[str, Any]) -> dict[str, Any]:
    """Fields among those given that differ, as objects, from those of a problem.

    ``dataclasses.replace`` passes all fields, changed or not. A field that is the problem's own object counts as
    unchanged.
    """
    every = {field.name: given[field.name] for field in fields(problem)}
    return {key: value for key, value in every.items() if value is not getattr(problem, key)}


def restated(problem: Problem, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Keywords of a problem with some of them changed; see ``Problem.replace``."""
    asked = statement(problem)
    for key in changes:
        if key not in asked:
            raise TypeError(unknown_key(key, asked, "a field of a problem"))
    if "threshold" in changes:
        asked |= {"log_ratio": None, "beta": None}
    asked |= changes
    ratio, beta = asked["log_ratio"], asked["beta"]
    if "threshold" not in changes and changes.keys() & {"log_ratio", "beta"} and ratio is not None and beta is not None:
        # An invalid beta is left to the constructor, which lists the faults of all fields at once.
        with suppress(ValueError):
            asked["threshold"] = threshold(checks.vector("log_ratio", ratio, problem.size, []), beta)
    return asked


def by_ratio(
    make: Callable[..., object], c: ArrayLike, beta: float, budget: int | float, fields: Mapping[str, Any]
) -> dict[str, Any]:
    """Keywords of a problem with thresholds sigma(beta c); lists the faults of all fields, which ``make`` finds."""
    faults = other_order({"log_ratio": c, **fields, "prior": arranged(fields.get("prior"))})
    ratio = checks.vector("log_ratio", c, None, faults, fields.get("name"))
    try:
        t = threshold(ratio, beta)
    except ValueError as error:
        faults.append(str(error))
    if faults:
        # Valid thresholds take their place, so that the faults of the other fields are listed too.
        try:
            make(np.full(len(ratio), 0.5), budget, **fields)
        except checks.ProblemError as error:
            faults += error.faults
        raise checks.ProblemError(faults)
    return {"threshold": t, "budget": budget, "log_ratio": ratio, "beta": beta, **fields}
