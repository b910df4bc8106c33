"""Tail probabilities of all items after some labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from ...posteriors.beliefs.asking import ask_tails
from ...posteriors.beliefs.sharp import beta_at, lossy
from ...posteriors.beliefs.tails import tail
from ...posteriors.foundation.arrays import Floats

if TYPE_CHECKING:
    from .problem import Problem

__all__ = ["tails_at"]


def tails_at(problem: Problem, labels: ArrayLike, wins: ArrayLike) -> Floats:
    """Tail probability P(alpha > t) of every item; see ``Problem.tail_at``."""
    n, w = np.asarray(labels, dtype=np.float64), np.asarray(wins, dtype=np.float64)
    t, log_odds = problem.threshold, problem.stated_log_odds
    if isinstance(problem.prior, np.ndarray):
        a, b = problem.prior.T
        if not lossy(a, b, n, t, log_odds).any():
            return tail(a + w, b + (n - w), t)
        return beta_at(a, b, n, w, t, log_odds)[1]
    counts = np.broadcast_arrays(np.asarray(labels, dtype=np.int64), np.asarray(wins, dtype=np.int64))
    return ask_tails(problem.prior, counts[0], counts[1], [problem.bar(i) for i in range(problem.size)])
