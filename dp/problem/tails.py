"""Tail probabilities of all items after some labels."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ...posteriors.beliefs.asking import ask_tails
from ...posteriors.beliefs.belief import Belief
from ...posteriors.beliefs.tails import tail
from ...posteriors.foundation.arrays import Floats

__all__ = ["tails_at"]


def tails_at(prior: Floats | tuple[Belief, ...], threshold: Floats, labels: ArrayLike, wins: ArrayLike) -> Floats:
    """Tail probability P(alpha > t) of every item; see ``Problem.tail_at``."""
    n, w = np.asarray(labels, dtype=np.float64), np.asarray(wins, dtype=np.float64)
    if isinstance(prior, np.ndarray):
        a, b = prior.T
        return tail(a + w, b + (n - w), threshold)
    counts = np.broadcast_arrays(np.asarray(labels, dtype=np.int64), np.asarray(wins, dtype=np.int64))
    return ask_tails(prior, counts[0], counts[1], threshold)
