"""Tail probabilities of all items of a problem after some labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...posteriors.beliefs.tails import tail
from ...posteriors.foundation.arrays import Floats, Ints

if TYPE_CHECKING:
    from .problem import Problem

__all__ = ["tails_at"]


def tails_at(problem: Problem, labels: Ints, wins: Ints) -> Floats:
    """Tail probability of every item; see ``Problem.tail_at``."""
    if isinstance(problem.prior, np.ndarray):
        a, b = problem.prior.T
        return tail(a + wins, b + (labels - wins), problem.threshold)
    n, w = np.broadcast_arrays(labels, wins)
    out = np.empty(n.shape)
    for i in range(problem.size):
        out[..., i] = problem.belief(i).at(n[..., i], w[..., i], float(problem.threshold[i])).tail
    return out
