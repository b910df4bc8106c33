"""Mixtures of Beta beliefs: items of several sorts, where the sort of an item is unknown.

With weights u_k and components Beta(a_k, b_k), the weights after w wins and l losses are

    W_k  proportional to  u_k B(a_k + w, b_k + l) / B(a_k, b_k),

the marginal likelihoods of the labels under each component (Diaconis and Ylvisaker 1985). For any rate r,

    B(a + w, b + l) / B(a, b) = r^w (1-r)^l D(a, b, r) / D(a + w, b + l, r),    D = r^a (1-r)^b / B(a, b),

where the factor r^w (1-r)^l is common to all components. At r = (w + 1/2) / (n + 1) the logarithms of the other factors
are small for every component that matters, so no large log-gamma values are subtracted. With m_k, p_k and J_k the mean,
tail and jump of component k, and m and p the averages over the weights W_k, the mean is m, the tail is p, and

    jump = sum_k W_k [m_k (1 - m_k) J_k + (m_k - m) (p_k - p)] / (m (1 - m)).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from ..foundation.arrays import Floats, Ints
from ..foundation.number_arrays import numbers, require_one_order
from ..foundation.refusals import same_length, whole
from .belief import Belief, BeliefTables, Size, checked_range, checked_states, generator, shares, triangle
from .beta import Beta
from .sharp import PARAMETERS, Bar, log_weights
from .tails import log_step

__all__ = ["BetaMixture"]

# Largest parameter at which the logarithm of D is rounded by less than 1e-12.
_SHARP = 1e3


@dataclass(frozen=True)
class BetaMixture(Belief):
    """Belief alpha ~ Beta(a_k, b_k) with probability proportional to weights_k.

    Parameters
    ----------
    weights : sequence of float
        Positive; they are divided by their sum.
    a, b : sequence of float
        From 1e-300 to 1e300, one pair for each weight.

    References
    ----------
    P. Diaconis and D. Ylvisaker (1985), "Quantifying prior opinion", Bayesian Statistics 2.

    Examples
    --------
    Three items in four are easy for the raters and one is a coin flip; after four wins an item is almost surely easy:

    >>> prior = BetaMixture(weights=[3, 1], a=[9, 50], b=[1, 50])
    >>> prior.mean
    0.8
    >>> np.round(prior.after(wins=4, losses=0).weights, 3)
    array([0.969, 0.031])
    """

    weights: tuple[float, ...]
    a: tuple[float, ...]
    b: tuple[float, ...]
    kind: ClassVar[str] = "beta-mixture"
    takes_bars: ClassVar[bool] = True

    def __post_init__(self) -> None:
        low, high = PARAMETERS
        require_one_order(weights=self.weights, a=self.a, b=self.b)
        for name in ("weights", "a", "b"):
            values = numbers(name, getattr(self, name), lambda x: x > 0, "positive and finite")
            object.__setattr__(self, name, values)
        for name in ("a", "b"):
            numbers(name, getattr(self, name), lambda x: (x >= low) & (x <= high), f"from {low:g} to {high:g}")
        same_length(weights=self.weights, a=self.a, b=self.b)
        object.__setattr__(self, "weights", shares("weights", self.weights))

    @property
    def components(self) -> tuple[Beta, ...]:
        """The Beta beliefs."""
        return tuple(Beta(a, b) for a, b in zip(self.a, self.b, strict=True))

    @property
    def _parts(self) -> list[tuple[float, float, float]]:
        """Weight, a and b of each component."""
        return list(zip(self.weights, self.a, self.b, strict=True))

    @property
    def _sharp(self) -> bool:
        """True if a component is so sharp, or so vague, that log D of its parameters is rounded too coarsely."""
        return max(self.a + self.b) > _SHARP or min(self.a + self.b) < 1.0 / _SHARP

    def _weights_at(self, n: Ints, w: Ints) -> Floats:
        """Weights of the components after the labels, shape (K, ...)."""
        if self._sharp:
            logs = np.array([np.log(u) + log_weights(a, b, n, w) for u, a, b in self._parts])
        else:
            rate = (w + 0.5) / (n + 1.0)
            logs = np.array([
                np.log(u) + log_step(a, b, rate) - log_step(a + w, b + (n - w), rate) for u, a, b in self._parts
            ])  # fmt: skip
        weights = np.exp(logs - logs.max(axis=0))
        return np.asarray(weights / weights.sum(axis=0))

    def _mixed(self, n: Ints, w: Ints, parts: list[BeliefTables]) -> BeliefTables:
        """Mean, tail and jump of the mixture, elementwise, from those of the components."""
        weights = self._weights_at(n, w)
        means, tails, jumps = (np.array(x) for x in zip(*parts, strict=True))
        misses = [(b + (n - w)) / (a + b + n) for _, a, b in self._parts] if self._sharp else 1.0 - means
        mean, miss = (weights * means).sum(axis=0), (weights * misses).sum(axis=0)
        tail = np.minimum(1.0, (weights * tails).sum(axis=0))
        within = (weights * means * misses * jumps).sum(axis=0)
        between = (weights * (means - mean) * (tails - tail)).sum(axis=0)
        spread = mean * miss
        # Where both rates cannot be told from 0 and 1 no label surprises, and the components' own jumps are left.
        told = np.where(spread > 0.0, np.maximum(0.0, within + between), (weights * jumps).sum(axis=0))
        return BeliefTables(mean, tail, told / np.where(spread > 0.0, spread, 1.0))

    def at(self, labels: ArrayLike, wins: ArrayLike, threshold: ArrayLike) -> BeliefTables:
        """Mean, tail and jump after some labels, elementwise; see ``Belief.at``.

        Examples
        --------
        >>> BetaMixture([0.5, 0.5], [1, 9], [1, 1]).at(2, [0, 1, 2], 0.5).tail.round(4)
        array([0.1686, 0.6627, 0.9635])
        """
        shape, n, w, t = checked_states(labels, wins, threshold)
        bar = threshold if isinstance(threshold, Bar) else t
        mixed = self._mixed(n, w, [component.at(n, w, bar) for component in self.components])
        return BeliefTables(*(part.reshape(shape) for part in mixed))

    def tables(self, n_max: int, threshold: float) -> BeliefTables:
        """Mean, tail and jump for up to ``n_max`` labels, from the tables of the components; see ``Belief.tables``.

        Examples
        --------
        >>> BetaMixture([0.5, 0.5], [1, 9], [1, 1]).tables(1, 0.5).mean.round(4)
        array([[0.7   , 0.    ],
               [0.4141, 0.8225]])
        """
        size, bar = checked_range(n_max, threshold)
        state = np.tril_indices(size)
        parts = [component.tables(n_max, bar) for component in self.components]
        return triangle(size, self._mixed(*state, [BeliefTables(*(table[state] for table in part)) for part in parts]))

    def after(self, wins: int, losses: int) -> BetaMixture:
        """Posterior after more labels; a component whose weight underflows is dropped.

        Examples
        --------
        >>> later = BetaMixture([0.5, 0.5], [1, 3], [1, 1]).after(wins=1, losses=0)
        >>> np.round(later.weights, 12), later.a, later.b
        (array([0.4, 0.6]), (2.0, 4.0), (1.0, 1.0))
        """
        won, lost = whole("wins", wins), whole("losses", losses)
        if won == lost == 0:
            return self
        weights = self._weights_at(np.array(won + lost), np.array(won))
        kept = [k for k in range(len(weights)) if weights[k] > 0]
        a, b = tuple(self.a[k] + won for k in kept), tuple(self.b[k] + lost for k in kept)
        return BetaMixture(tuple(float(weights[k]) for k in kept), a, b)

    def draw(self, rng: np.random.Generator, size: Size = None) -> Floats:
        """True rates, drawn independently.

        Examples
        --------
        >>> BetaMixture([0.5, 0.5], [1, 90], [90, 1]).draw(np.random.default_rng(7), 3).round(2)
        array([0.96, 0.99, 1.  ])
        """
        chosen = generator(rng).choice(len(self.weights), size=size, p=self.weights)
        return np.asarray(rng.beta(np.array(self.a)[chosen], np.array(self.b)[chosen]))

    def as_dict(self) -> dict[str, Any]:
        """Kind and parameters, as written to TOML."""
        return {"kind": self.kind, "weights": list(self.weights), "a": list(self.a), "b": list(self.b)}
