"""Sequential design problem for the items of a label set."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ...dp.problem.problem import Problem
from ...posteriors.foundation.kinds import checked
from ...posteriors.foundation.refusals import probability
from ...posteriors.utilities import Utility
from ...posteriors.votes.label_set import LabelSet

__all__ = ["problem_of_labels"]


@checked
def problem_of_labels(
    dataset: LabelSet,
    budget: int,
    *,
    beta: float | None = None,
    threshold: float | None = None,
    prior: ArrayLike = (1.0, 1.0),
    utility: str | dict[str, Any] | Utility = "accuracy",
) -> Problem:
    """Sequential design problem for the items of a label set, each with its number of votes as its cap.

    Parameters
    ----------
    dataset : LabelSet
    budget : int
        Number of labels, at most the number of votes in `dataset`.
    beta : float, optional
        Strength that turns the items file's log-ratios c into thresholds, sigma(beta c); default 1 if it has
        log-ratios.
    threshold : float, optional
        One threshold for all items; default 1/2 (the majority) if the items file has neither log-ratios nor thresholds.
    prior, utility
        As for ``Problem``.

    Returns
    -------
    Problem
        Names and weights of its items are those of `dataset`; without weights each is 1.

    Raises
    ------
    ValueError
        For a budget above the number of votes, beta without log-ratios, or a second source of thresholds.

    Examples
    --------
    >>> import seqaudit as sa
    >>> votes = sa.LabelSet.from_pools({"a": [1, 1, 0], "b": [0]})
    >>> problem = sa.problem_of_labels(votes, budget=3)
    >>> problem.threshold, problem.cap
    (array([0.5, 0.5]), array([3, 1]))
    """
    if isinstance(budget, Real) and budget > dataset.n_labels:
        raise ValueError(
            f"budget is {budget}, but the pools hold {dataset.n_labels} votes in all; allowed: 1 to {dataset.n_labels}"
        )
    if threshold is not None:
        threshold = probability("threshold", threshold)
    fields: dict[str, Any] = {
        "budget": budget,
        "prior": prior,
        "utility": utility,
        "cap": dataset.counts,
        "name": dataset.items,
        "weight": 1.0 if dataset.weight is None else dataset.weight,
    }
    log_ratio = dataset.log_ratio
    if log_ratio is None and dataset.logp_win is not None and dataset.logp_lose is not None:
        log_ratio = dataset.logp_lose - dataset.logp_win
    if log_ratio is not None:
        if threshold is not None:
            raise ValueError("threshold is given, but the items file has log-ratios: use beta")
        return Problem.from_logratio(log_ratio, 1.0 if beta is None else beta, **fields)
    if beta is not None:
        raise ValueError(
            "beta is given, but there are no log-ratios; an items file with logp_win and logp_lose, or c, has them"
        )
    if dataset.threshold is not None:
        if threshold is not None:
            raise ValueError("threshold is given, but the items file has thresholds already")
        return Problem(dataset.threshold, **fields)
    return Problem(np.full(dataset.n_items, 0.5 if threshold is None else threshold), **fields)
