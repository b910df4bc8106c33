"""Scores of final beliefs, item by item: right decisions, decisive beliefs, and both together.

Let q be the tail probability stated for an item and p the true one (the truth, 0 or 1, where that is known). The item
is decided to be learnable if q exceeds the utility's acceptance level. The scores are

    right            p if decided learnable, else 1-p
    decisive         1{q >= 1-eps or q <= eps}                (Lemma 2026, section 10)
    decisive_right   the product of the two

A share of the weight is the sum of v times one of them, divided by the sum of v.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from .foundation.arrays import Floats
from .utilities import Decisive, Utility

__all__ = ["Scores", "decisions_right", "item_scores"]


class Scores(NamedTuple):
    """Scores of items, arrays of one shape; the module docstring defines them."""

    right: Floats
    decisive: Floats
    decisive_right: Floats


def decisions_right(utility: Utility, stated: Floats, true: ArrayLike) -> Floats:
    """Probability, under the true tail ``true``, that the decision based on ``stated`` is right; elementwise."""
    real = np.asarray(true, dtype=np.float64)
    return np.where(utility.decide(stated), real, 1.0 - real)


def item_scores(utility: Utility, stated: Floats, true: ArrayLike, eps: float) -> Scores:
    """Scores of stated tails, elementwise.

    Parameters
    ----------
    utility : Utility
        Decides, by its acceptance level, which items are declared learnable.
    stated : ndarray
        Stated tail probabilities.
    true : array_like
        True tail probabilities, or truths: 1 or True where the item is learnable. nan where the truth is unknown; the
        scores ``right`` and ``decisive_right`` are then nan too.
    eps : float
        Level at which a belief is decisive.

    Returns
    -------
    Scores

    Examples
    --------
    >>> from seqaudit import Accuracy
    >>> found = item_scores(Accuracy(), np.array([0.99, 0.6, 0.01]), [True, False, True], 0.05)
    >>> found.right, found.decisive, found.decisive_right
    (array([1., 0., 0.]), array([1., 0., 1.]), array([1., 0., 0.]))
    """
    right, decisive = decisions_right(utility, stated, true), Decisive(eps)(stated)
    return Scores(right, decisive, decisive * right)
