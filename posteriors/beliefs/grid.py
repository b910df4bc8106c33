"""Beliefs on finitely many rates: simple hypotheses, or a histogram that approximates any prior.

Rate alpha_k has weight u_k, and a label of an item of rate alpha_k is a win with probability q_k. After w wins and l
losses the weights W_k are proportional to u_k q_k^w (1 - q_k)^l, and all three numbers are finite sums:

    mean = sum_k W_k q_k,    tail = sum of W_k over alpha_k > t,
    jump = p (1 - p) (m1 - m0) / (mean (1 - mean)),

where p is the tail, m1 the mean given alpha > t, and m0 the mean given alpha <= t. A rate equal to the threshold does
not exceed it. q_k = alpha_k unless ``chances`` are given. These describe labels that pass through a channel: raters of
known sensitivity and specificity (alpha is 0 or 1), or a pool of raters of whom a share answers at random.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import scipy
from numpy.typing import ArrayLike

from ..foundation.arrays import Bools, Floats
from ..foundation.messages import shown
from ..foundation.number_arrays import numbers, require_one_order
from ..foundation.refusals import same_length, whole
from ..kernels import weighted_rates as _kernels
from .belief import Belief, BeliefTables, Size, checked_states, generator, rates, shares

__all__ = ["Grid", "grid_of_draws"]


def _rates(x: Floats) -> Bools:
    return (x >= 0) & (x <= 1)


@dataclass(frozen=True, repr=False)
class Grid(Belief):
    """Belief that alpha is one of finitely many rates.

    Rates of 0 and 1 are allowed. If every rate of positive weight is 0 or 1, some sequences of labels have probability
    zero, and the posterior after them is undefined. For such states ``at`` and ``tables`` return, by convention, mean
    1/2, the tail without labels and jump 0, and ``after`` raises. The jump is 0 wherever one of the two possible next
    labels has probability zero.

    Parameters
    ----------
    points : sequence of float
        Rates from 0 to 1, strictly increasing.
    weights : sequence of float
        Their probabilities: at least 0 and not all 0; they are divided by their sum.
    chances : sequence of float, optional
        Chance that a label is a win at each of the points, from 0 to 1, not decreasing; default: the points themselves.

    Raises
    ------
    ValueError
        For empty lists, lists of different lengths, values outside their range, points that do not increase strictly,
        and chances that decrease.

    Examples
    --------
    An item on which nearly all raters agree, or one that divides them:

    >>> prior = Grid(points=[0.5, 0.95], weights=[1, 1])
    >>> prior.mean
    0.725
    >>> np.round(prior.after(wins=4, losses=0).weights, 3)
    array([0.071, 0.929])

    A yes-or-no answer, and raters who say 1 on 9 of 10 items whose answer is yes and 0 on 7 of 10 whose answer is no:

    >>> answer = Grid(points=[0, 1], weights=[1, 1], chances=[0.3, 0.9])
    >>> round(float(answer.at(3, 3, 0.5).tail), 3)
    0.964
    """

    points: tuple[float, ...]
    weights: tuple[float, ...]
    chances: tuple[float, ...] | None = None
    kind: ClassVar[str] = "grid"
    takes_bars: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require_one_order(points=self.points, weights=self.weights, chances=self.chances)
        points = numbers("points", self.points, _rates, "a number from 0 to 1")
        weights = numbers("weights", self.weights, lambda x: x >= 0, "a finite number, at least 0")
        same_length(points=points, weights=weights)
        for k, x in enumerate(points):
            if k and x <= points[k - 1]:
                raise ValueError(f"points[{k}] is {x} after {points[k - 1]}; the points must be strictly increasing")
        object.__setattr__(self, "points", points)
        object.__setattr__(self, "weights", shares("weights", weights))
        if self.chances is None:
            return
        chances = numbers("chances", self.chances, _rates, "a number from 0 to 1")
        same_length(points=points, chances=chances)
        for k, x in enumerate(chances):
            if k and x < chances[k - 1]:
                raise ValueError(f"chances[{k}] is {x} after {chances[k - 1]}; the chances must not decrease")
        object.__setattr__(self, "chances", chances)

    def __repr__(self) -> str:
        through = "" if self.chances is None else f", chances={self.chances}"
        return f"Grid(points={self.points}, weights={self.weights}{through})"

    @property
    def _chances(self) -> tuple[float, ...]:
        return self.points if self.chances is None else self.chances

    def label_chance(self, alpha: ArrayLike) -> Floats:
        """Probability that a label of an item of rate alpha is a win; linear between the points.

        Examples
        --------
        >>> Grid([0, 1], [1, 1], chances=[0.3, 0.9]).label_chance([0, 0.5, 1])
        array([0.3, 0.6, 0.9])
        """
        rate = rates(alpha)
        return rate if self.chances is None else np.asarray(np.interp(rate, self.points, self.chances))

    def _log_weights(self) -> Floats:
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(self.weights))

    def after(self, wins: int, losses: int) -> Grid:
        """Posterior on the same points after more labels.

        Raises
        ------
        ValueError
            For labels of probability zero.

        Examples
        --------
        >>> np.round(Grid([0.2, 0.8], [0.5, 0.5]).after(wins=1, losses=0).weights, 12)
        array([0.2, 0.8])
        """
        won, lost = whole("wins", wins), whole("losses", losses)
        if won == lost == 0:
            return self
        fits = [_kernels.log_likelihood(won + lost, won, q, 1.0 - q) for q in self._chances]
        logs = self._log_weights() + fits
        if logs.max() == -np.inf:
            raise ValueError(f"{won} wins and {lost} losses have probability zero under {shown(self)}")
        weights = np.exp(logs - logs.max())
        return Grid(self.points, tuple(float(x) for x in weights), self.chances)

    def at(self, labels: ArrayLike, wins: ArrayLike, threshold: ArrayLike) -> BeliefTables:
        """Mean, tail and jump after some labels, elementwise, by finite sums; see ``Belief.at``.

        Examples
        --------
        >>> Grid([0.2, 0.5, 0.8], [1, 1, 1]).at(1, [0, 1], 0.5).tail.round(4)
        array([0.1333, 0.5333])
        """
        shape, n, w, t = checked_states(labels, wins, threshold)
        # No point lies between a threshold that rounds to 1 and 1 itself.
        t = np.minimum(t, np.nextafter(1.0, 0.0))
        parts = np.empty((3, n.size))
        log_weights = self._log_weights()
        _kernels.grid(
            np.array(self.points), np.array(self._chances), log_weights, n, w, t, np.empty_like(log_weights), *parts
        )
        return BeliefTables(*(part.reshape(shape) for part in parts))

    def draw(self, rng: np.random.Generator, size: Size = None) -> Floats:
        """True rates, drawn independently.

        Examples
        --------
        >>> Grid([0.2, 0.8], [0.5, 0.5]).draw(np.random.default_rng(7), 3)
        array([0.8, 0.8, 0.8])
        """
        return np.asarray(generator(rng).choice(np.array(self.points), size=size, p=self.weights))

    def as_dict(self) -> dict[str, Any]:
        """Kind and parameters, as written to TOML."""
        given = {"kind": self.kind, "points": list(self.points), "weights": list(self.weights)}
        return given if self.chances is None else given | {"chances": list(self.chances)}


def grid_of_draws(rate: Floats, chance: Floats, threshold: float | None, parts: int) -> Grid:
    """Grid belief from S joint draws of a rate and of the chance that a label is a win, of about ``parts`` points.

    With a threshold, the belief's tail there is exactly the share of draws above it.
    """
    order = np.argsort(rate, kind="stable")
    rates, chances = rate[order], chance[order]
    cuts = np.linspace(0, len(rates), min(parts, len(rates)) + 1).round().astype(np.int64)
    if threshold is not None:
        cuts = np.unique(np.append(cuts, np.searchsorted(rates, threshold, side="right")))
    size = np.diff(cuts)
    points = np.add.reduceat(rates, cuts[:-1]) / size
    heard = np.add.reduceat(chances, cuts[:-1]) / size
    # Means of equal draws may differ from these in their last digit.
    points, heard = np.clip(points, rates[cuts[:-1]], rates[cuts[1:] - 1]), np.clip(heard, 0.0, 1.0)
    distinct, which = np.unique(points, return_inverse=True)
    weight = np.bincount(which, weights=size)
    mean = np.bincount(which, weights=size * heard) / weight
    if np.array_equal(rate, chance):
        return Grid(tuple(distinct), tuple(weight))

    # The channel never decreases in the rate, but averages over uncertain channels may. Neighbouring points whose
    # chances decrease are pooled; this keeps the belief's mean, the chance that the next label is a win.
    through = scipy.optimize.isotonic_regression(mean, weights=weight).x
    return Grid(tuple(distinct), tuple(weight), tuple(np.clip(through, 0.0, 1.0)))
