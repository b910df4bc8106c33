"""Beta beliefs about one item's preference rate.

A belief about an item is whatever yields three triangular tables for n = 0..n_max labels of which w are wins:

    mean[n, w]   probability that the next label is a win,
    tail[n, w]   P(alpha > threshold),
    jump[n, w]   tail after a win minus tail after a loss.

For Beta(a, b) they are (a+w)/(a+b+n), 1 - I_t(a+w, b+n-w) and D s/(a b) at the current parameters. The planner sees
nothing but these tables, so any exchangeable binary belief can take Beta's place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincc

from . import _kernels

__all__ = ["BeliefTables", "Beta"]

Floats = NDArray[np.float64]


class BeliefTables(NamedTuple):
    """Belief over the triangle of label counts; arrays of shape (n_max + 1, n_max + 1), zero where w > n."""

    mean: Floats
    tail: Floats
    jump: Floats


@dataclass(frozen=True)
class Beta:
    """Belief alpha ~ Beta(a, b).

    Parameters
    ----------
    a, b : float
        Positive and finite; prior wins and losses.

    Examples
    --------
    >>> Beta(1, 1).after(wins=2, losses=1)
    Beta(a=3.0, b=2.0)
    """

    a: float
    b: float

    def __post_init__(self) -> None:
        for name in ("a", "b"):
            value = float(getattr(self, name))
            if not (np.isfinite(value) and value > 0):
                raise ValueError(f"{name} is {value}; it must be positive and finite")
            object.__setattr__(self, name, value)

    @property
    def mean(self) -> float:
        """Probability that the next label is a win."""
        return self.a / (self.a + self.b)

    def after(self, wins: int, losses: int) -> Beta:
        """Belief after some labels."""
        return Beta(self.a + wins, self.b + losses)

    def tables(self, n_max: int, threshold: float) -> BeliefTables:
        """Mean, tail and jump for up to ``n_max`` labels: one incomplete beta function for each number of labels.

        Parameters
        ----------
        n_max : int
            Largest number of labels, at least 0.
        threshold : float
            Bar that the rate must clear, strictly between 0 and 1.

        Returns
        -------
        BeliefTables
            Three arrays of shape (n_max + 1, n_max + 1), indexed [labels, wins].

        Examples
        --------
        >>> Beta(1, 1).tables(1, 0.5).tail
        array([[0.5 , 0.  ],
               [0.25, 0.75]])
        """
        if not 0 < threshold < 1:
            raise ValueError(f"threshold is {threshold}; it must lie strictly between 0 and 1")
        shape = (n_max + 1, n_max + 1)
        mean, tail, jump = np.zeros(shape), np.zeros(shape), np.zeros(shape)
        first_column = betaincc(self.a, self.b + np.arange(n_max + 1), threshold)
        _kernels.tables(self.a, self.b, float(threshold), first_column, mean, tail, jump)
        return BeliefTables(mean, tail, jump)
