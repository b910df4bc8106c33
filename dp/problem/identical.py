"""Classes of identical items: items that differ in their names only."""

from __future__ import annotations

import numpy as np

from ...posteriors.foundation.arrays import Ints
from .problem import Problem

__all__ = ["classes", "has_identical"]


def classes(problem: Problem) -> Ints:
    """Class of identical items that each item belongs to, shape (N,), numbered from 0.

    Examples
    --------
    >>> classes(Problem([0.7, 0.5, 0.7], budget=3)).tolist()
    [1, 0, 1]
    """
    # Thresholds that round to 0 or 1 differ in their log-odds.
    rounded = (problem.threshold == 0.0) | (problem.threshold == 1.0)
    fields = [problem.threshold, np.where(rounded, problem.stated_log_odds, 0.0)]
    fields += [problem.weight, problem.cost, problem.reward, problem.cap]
    if isinstance(problem.prior, np.ndarray):
        fields += list(problem.prior.T)
    else:
        known = {belief: k for k, belief in enumerate(dict.fromkeys(problem.prior))}
        fields.append(np.array([known[belief] for belief in problem.prior]))
    for items, _ in problem.quota:
        member = np.zeros(problem.size)
        member[list(items)] = 1.0
        fields.append(member)
    return np.asarray(np.unique(np.column_stack(fields), axis=0, return_inverse=True)[1]).reshape(-1)


def has_identical(problem: Problem) -> bool:
    """True if some items are identical.

    Examples
    --------
    >>> has_identical(Problem([0.7, 0.5], budget=3))
    False
    """
    return bool(classes(problem).max() + 1 < problem.size)
