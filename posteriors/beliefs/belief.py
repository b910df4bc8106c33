"""Contract of all beliefs about one item's rate: mean, tail and jump in every state.

An item has a true rate alpha. Given alpha, its labels are independent, and each is a win with probability q(alpha).
After n labels with w wins, a belief about alpha with threshold t is summarised by three numbers,

    mean = E q(alpha)                      probability that the next label is a win,
    tail = P(alpha > t),
    jump = tail after a win - tail after a loss = Cov(q(alpha), 1{alpha > t}) / (mean (1 - mean)).

The last equation is Bayes' rule: the tail after a win is E[q 1{alpha > t}] / mean. So, with tail p and jump J, the tail
is p + (1 - mean) J after a win and p - mean J after a loss, and it is a martingale under every belief.

The planner uses only tables of these numbers. q(alpha) = alpha for every kind except ``NoisyBeta`` and a ``Grid`` with
chances.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike

from ..foundation.arrays import Floats, Ints
from ..foundation.kinds import require_type
from ..foundation.memory import require_memory
from ..foundation.refusals import every, probabilities, probability, whole
from ..foundation.values import FrozenValue, line_of
from .sharp import Bar

__all__ = ["Belief", "BeliefTables", "Size", "checked_range", "checked_states", "generator", "shares", "triangle"]

# Side of tables that fit in the memory of any machine.
_SMALL = 1000
Size = int | Sequence[int] | None


class BeliefTables(NamedTuple):
    """Mean, tail and jump, three arrays of one shape.

    They are elementwise, or tables [labels, wins] that are zero where wins > labels.
    """

    mean: Floats
    tail: Floats
    jump: Floats


@dataclass(frozen=True)
class Belief(FrozenValue):
    """Base of the beliefs: frozen values, each a distribution of one item's true rate alpha.

    A subclass defines ``at``, ``after``, ``draw`` and ``as_dict``. ``tables`` and ``mean`` are computed from ``at``.
    """

    kind: ClassVar[str]
    #: True for beliefs that take a ``Bar`` where the threshold rounds to 0 or 1.
    takes_bars: ClassVar[bool] = False

    @classmethod
    def _settle(cls) -> None:
        """Let tables and means follow ``at``: faster ways of the class above hold for its own ``at`` alone."""
        super()._settle()
        for name in ("mean", "tables", "takes_bars"):
            if line_of(cls, "at") < line_of(cls, name):
                setattr(cls, name, vars(Belief)[name])

    @abstractmethod
    def at(self, labels: ArrayLike, wins: ArrayLike, threshold: ArrayLike) -> BeliefTables:
        """Mean, tail and jump after some labels, elementwise.

        Parameters
        ----------
        labels, wins : array_like of int
            Labels seen and wins among them, 0 <= wins <= labels.
        threshold : array_like
            Threshold that the rate must exceed, strictly between 0 and 1. The three arguments broadcast together.

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
        """Posterior after more labels: a belief of the same kind.

        Parameters
        ----------
        wins, losses : int
            Numbers of new labels, at least 0.

        Returns
        -------
        Belief
        """

    @abstractmethod
    def draw(self, rng: np.random.Generator, size: Size = None) -> Floats:
        """True rates alpha, drawn independently from this belief.

        Parameters
        ----------
        rng : numpy.random.Generator
        size : int or sequence of int, optional
            Shape of the draws; default: a single one.

        Returns
        -------
        ndarray of float64, shape ``size``
        """

    @abstractmethod
    def as_dict(self) -> dict[str, Any]:
        """Kind and parameters, as written to TOML; ``make_belief`` turns them into an equal belief."""

    @property
    def mean(self) -> float:
        """Probability that the next label is a win."""
        return float(self.at(0, 0, 0.5).mean)

    def label_chance(self, alpha: ArrayLike) -> Floats:
        """Probability q(alpha) that a label of an item of true rate alpha is a win.

        Parameters
        ----------
        alpha : array_like
            Rates from 0 to 1, any shape.

        Returns
        -------
        ndarray of float64, shape of ``alpha``

        Raises
        ------
        ValueError
            For a rate outside its range.
        """
        return rates(alpha)

    def tables(self, n_max: int, threshold: float) -> BeliefTables:
        """Mean, tail and jump for up to ``n_max`` labels.

        Parameters
        ----------
        n_max : int
            Largest number of labels, at least 0.
        threshold : float
            Threshold that the rate must exceed, strictly between 0 and 1.

        Returns
        -------
        BeliefTables
            Three arrays of shape (n_max + 1, n_max + 1), indexed [labels, wins], zero where wins > labels.

        Raises
        ------
        ValueError
            For ``n_max`` or ``threshold`` outside its range.
        ProblemTooLarge
            A ``ValueError``, if the tables take more memory than there is.
        """
        size, bar = checked_range(n_max, threshold)
        return triangle(size, self.at(*np.tril_indices(size), bar))


def generator(rng: np.random.Generator) -> np.random.Generator:
    """Source of random numbers; what is none, such as a seed, is refused."""
    require_type("rng", rng, np.random.Generator, "a numpy.random.Generator")
    return rng


def triangle(size: int, values: BeliefTables) -> BeliefTables:
    """Tables of that side from their values in the states of ``numpy.tril_indices``, zero elsewhere."""
    filled = BeliefTables(*np.zeros((3, size, size)))
    for table, part in zip(filled, values, strict=True):
        table[np.tril_indices(size)] = part
    return filled


def shares(field: str, values: tuple[float, ...]) -> tuple[float, ...]:
    """Normalise to a sum of 1; values that already sum to 1 are returned unchanged."""
    largest = max(values)
    if largest <= 0:
        raise ValueError(f"{field} are all zero; at least one must be positive")
    total = math.fsum(x / largest for x in values)
    return values if abs(total * largest - 1.0) <= 1e-15 else tuple(x / largest / total for x in values)


def rates(alpha: ArrayLike) -> Floats:
    """Rates as a new array; one outside 0 to 1 is refused."""
    found = np.array(alpha, dtype=np.float64)
    every("alpha", found, (found >= 0.0) & (found <= 1.0), "from 0 to 1")
    return found


def checked_range(n_max: int, threshold: float) -> tuple[int, float]:
    """Side of the tables for ``n_max`` labels, and the threshold, both validated."""
    bar = threshold if isinstance(threshold, Bar) else probability("threshold", threshold)
    size = whole("n_max", n_max) + 1
    # Three tables, and under some kinds as much again while they are made.
    if size > _SMALL:
        require_memory(48.0 * size**2, what=f"tables of {n_max} labels", instead="take fewer labels")
    return size, bar


def checked_states(
    labels: ArrayLike, wins: ArrayLike, threshold: ArrayLike
) -> tuple[tuple[int, ...], Ints, Ints, Floats]:
    """Common shape, and flat writable copies; a kernel would be compiled a second time for read-only arrays."""
    given = [np.asarray(labels), np.asarray(wins), np.asarray(threshold)]
    for field, values, kinds, allowed in (
        ("labels", given[0], "iu", "whole numbers"),
        ("wins", given[1], "iu", "whole numbers"),
        ("threshold", given[2], "iuf", "numbers"),
    ):
        if values.dtype.kind not in kinds:
            raise ValueError(f"{field} are of type {values.dtype}; they must be {allowed}")
    try:
        shape = np.broadcast_shapes(*(x.shape for x in given))
    except ValueError:
        shapes = ", ".join(str(x.shape) for x in given)
        raise ValueError(f"labels, wins and threshold have shapes {shapes}; they must broadcast together") from None
    n, w, t = (np.array(x, order="C").reshape(-1) for x in np.broadcast_arrays(*given))
    every("labels", n, n >= 0, "at least 0")
    every("wins", w, (w >= 0) & (w <= n), "at least 0 and at most the number of labels")
    if not isinstance(threshold, Bar):
        probabilities("threshold", t)
    return shape, n.astype(np.int64), w.astype(np.int64), t.astype(np.float64)
