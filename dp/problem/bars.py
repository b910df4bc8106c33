"""Thresholds as beliefs take them, and the items whose numbers are extreme."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from ...posteriors.beliefs.asking import ask_tails
from ...posteriors.beliefs.sharp import Bar, beta_at, lossy
from ...posteriors.beliefs.tails import tail
from ...posteriors.foundation.arrays import Bools, Floats

if TYPE_CHECKING:
    from .problem import Problem

__all__ = ["bar_of", "log_odds_of", "sharp_items", "tails_at"]


def bar_of(problem: Problem, i: int) -> float:
    """Threshold of an item: with its log-odds, as a ``Bar``, where rounding would lose digits."""
    t, log_odds = float(problem.threshold[i]), float(problem.stated_log_odds[i])
    return Bar(log_odds) if not np.isnan(log_odds) and lossy(1.0, 1.0, 0, t, log_odds) else t


def log_odds_of(problem: Problem) -> Floats:
    """Log-odds beta c of the thresholds that follow from log-ratios, shape (N,); NaN where they were stated."""
    return np.full(problem.size, np.nan) if problem.beta is None else problem.beta * problem.log_ratio


def sharp_items(problem: Problem) -> Bools:
    """Mask of the items with Beta beliefs that the compiled formulas for many items do not serve, shape (N,).

    Their parameters or thresholds are so extreme that these formulas would lose eight digits and more.
    """
    if not isinstance(problem.prior, np.ndarray):
        return np.zeros(problem.size, dtype=np.bool_)
    rounded = (problem.threshold > 1.0 - 1e-7) & ~np.isnan(problem.stated_log_odds)
    sizes = (problem.prior.max(axis=1) > 1e8) | (problem.prior.min(axis=1) < 1e-6)
    return np.asarray(sizes | rounded | (problem.threshold < 1e-200))


def tails_at(problem: Problem, labels: ArrayLike, wins: ArrayLike) -> Floats:
    """Tail probability of every item after some labels; see ``Problem.tail_at``."""
    n, w = np.asarray(labels, dtype=np.float64), np.asarray(wins, dtype=np.float64)
    if np.any(w > n):
        raise ValueError("wins are more than labels; they must be at most as many")
    if isinstance(problem.prior, np.ndarray):
        a, b = problem.prior.T
        if not lossy(a, b, n, problem.threshold, problem.stated_log_odds).any():
            return tail(a + w, b + (n - w), problem.threshold)
        return beta_at(a, b, n, w, problem.threshold, problem.stated_log_odds)[1]
    counts = np.broadcast_arrays(np.asarray(labels, dtype=np.int64), np.asarray(wins, dtype=np.int64))
    return ask_tails(problem.prior, counts[0], counts[1], [bar_of(problem, i) for i in range(problem.size)])
