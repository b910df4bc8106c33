"""What a belief about one item's rate offers, whatever its kind.

An item has a true rate alpha, and each of its labels is a win with probability q(alpha), independently given alpha.
After n labels with w wins a belief about alpha with threshold t is summed up in three numbers,

    mean = E q(alpha)                      probability that the next label is a win,
    tail = P(alpha > t),
    jump = tail after a win - tail after a loss = Cov(q(alpha), 1{alpha > t}) / (mean (1 - mean)).

The last equation is Bayes' rule: the tail after a win is E[q 1{alpha > t}] / mean. So, with p the tail and J the jump,
p + (1 - mean) J and p - mean J are the two next tails, and the tail is a martingale under every belief.

The planner sees nothing but tables of these numbers. For every kind but ``NoisyBeta``, and a
``Grid`` with chances, q(alpha) = alpha.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike

from ..foundation.arrays import Floats, Ints
from ..foundation.refusals import every, probabilities, probability, whole

__all__ = ["Belief", "BeliefTables", "Size", "checked_range", "checked_states", "shares", "triangle"]

Size = int | Sequence[int] | None


class BeliefTables(NamedTuple):
    """Mean, tail and jump: over the triangle [labels, wins], zero where wins > labels, or elementwise."""

    mean: Floats
    tail: Floats
    jump: Floats


class Belief(ABC):
    """Base of the beliefs: frozen values that say what is believed about one item's true rate alpha.

    A kind of its own defines ``at``, ``after``, ``draw`` and ``as_dict``; ``tables`` then follows.
    """

    kind: ClassVar[str]

    @abstractmethod
    def at(self, labels: ArrayLike, wins: ArrayLike, threshold: ArrayLike) -> BeliefTables:
        """Mean, tail and jump after some labels, elementwise.

        Parameters
        ----------
        labels, wins : array_like of int
            Labels seen and wins among them, 0 <= wins <= labels.
        threshold : array_like
            Bar that the rate must clear, strictly between 0 and 1. All three broadcast together.

        Returns
        -------
        BeliefTables
            Three arrays of the common shape.

        Raises
        ------
        ValueError
            For counts or thresholds outside their range.
        """

    @abstractmethod
    def after(self, wins: int, losses: int) -> Self:
        """Belief of the same kind after some labels."""

    @abstractmethod
    def draw(self, rng: np.random.Generator, size: Size = None) -> Floats:
        """True rates alpha, drawn independently from this belief."""

    @abstractmethod
    def as_dict(self) -> dict[str, Any]:
        """Kind and parameters, as written to TOML; ``make_belief`` makes an equal belief of them."""

    @property
    def mean(self) -> float:
        """Probability that the next label is a win."""
        return float(self.at(0, 0, 0.5).mean)

    def label_chance(self, alpha: ArrayLike) -> Floats:
        """Probability q(alpha) that a label of an item of true rate alpha is a win."""
        return np.array(alpha, dtype=np.float64)

    def tables(self, n_max: int, threshold: float) -> BeliefTables:
        """Mean, tail and jump for up to ``n_max`` labels.

        Parameters
        ----------
        n_max : int
            Largest number of labels, at least 0.
        threshold : float
            Bar that the rate must clear, strictly between 0 and 1.

        Returns
        -------
        BeliefTables
            Three arrays of shape (n_max + 1, n_max + 1), indexed [labels, wins], zero where wins > labels.

        Raises
        ------
        ValueError
            For ``n_max`` or ``threshold`` outside its range.
        """
        size, bar = checked_range(n_max, threshold)
        return triangle(size, self.at(*np.tril_indices(size), bar))


def triangle(size: int, values: BeliefTables) -> BeliefTables:
    """Tables of that side from their values in the states of ``numpy.tril_indices``, zero elsewhere."""
    filled = BeliefTables(*np.zeros((3, size, size)))
    for table, part in zip(filled, values, strict=True):
        table[np.tril_indices(size)] = part
    return filled


def shares(field: str, values: tuple[float, ...]) -> tuple[float, ...]:
    """Divide by the sum, unless it is 1 already: what was divided once is left as it is."""
    largest = max(values)
    if largest <= 0:
        raise ValueError(f"{field} are all zero; at least one must be positive")
    total = math.fsum(x / largest for x in values)
    return values if abs(total * largest - 1.0) <= 1e-15 else tuple(x / largest / total for x in values)


def checked_range(n_max: int, threshold: float) -> tuple[int, float]:
    """Side of the tables for ``n_max`` labels, and the threshold."""
    return whole("n_max", n_max) + 1, probability("threshold", threshold)


def checked_states(
    labels: ArrayLike, wins: ArrayLike, threshold: ArrayLike
) -> tuple[tuple[int, ...], Ints, Ints, Floats]:
    """Common shape, and flat writable copies: read-only arrays would compile the kernels once more."""
    given = [np.asarray(labels), np.asarray(wins), np.asarray(threshold)]
    for field, values, kinds, allowed in (
        ("labels", given[0], "iu", "whole numbers"),
        ("wins", given[1], "iu", "whole numbers"),
        ("threshold", given[2], "iuf", "numbers"),
    ):
        if values.dtype.kind not in kinds:
            raise ValueError(f"{field} are of type {values.dtype}; they must be {allowed}")
    n, w, t = (np.array(x, order="C").reshape(-1) for x in np.broadcast_arrays(*given))
    shape = np.broadcast_shapes(*(x.shape for x in given))
    every("labels", n, n >= 0, "at least 0")
    every("wins", w, (w >= 0) & (w <= n), "at least 0 and at most the number of labels")
    probabilities("threshold", t)
    return shape, n.astype(np.int64), w.astype(np.int64), t.astype(np.float64)
