"""A problem with some of its fields changed."""

from __future__ import annotations

from typing import Any

from .problem import Problem

__all__ = ["restated"]


def restated(problem: Problem, **changes: Any) -> Problem:
    """Problem that is like another but for some fields, validated anew.

    Parameters
    ----------
    problem : Problem
    **changes
        Keywords of ``Problem``.

    Examples
    --------
    >>> restated(Problem([0.5, 0.7], budget=4), weight=[1, 3]).weight
    array([1., 3.])
    """
    fields = {key: getattr(problem, key) for key in problem.__dataclass_fields__} | changes
    if problem.beta is None:
        # What a problem holds then is made from its thresholds.
        fields["log_ratio"] = None
    return Problem(**fields)
