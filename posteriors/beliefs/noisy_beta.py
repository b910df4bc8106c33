"""Beta beliefs learned from noisy labels: each label is flipped with a fixed probability.

alpha ~ Beta(a, b), and each label is flipped with probability f, independently, so that it is a win with probability

    q(alpha) = (1 - f) alpha + f (1 - alpha).

The likelihood q^w (1-q)^l of w wins and l losses, n = w + l, is a polynomial in alpha and 1 - alpha,

    q^w (1-q)^l = sum_j c_j alpha^j (1-alpha)^(n-j),    sum_j c_j z^j = (f + (1-f) z)^w ((1-f) + f z)^l,

with coefficients c_j > 0: c_j is the probability that j of the n labels were wins before they were flipped. So the
belief is a mixture of Beta(a + j, b + n - j) with weights proportional to c_j B(a + j, b + n - j), a sum of positive
terms without cancellation. The weights of one state come from a recurrence between the ratios of neighbouring c_j, in
O(n) (see ``kernels.beliefs.true_wins``). The mean is that of the label, f + (1 - 2f) E alpha. Tail and threshold are
about alpha itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import scipy
from numpy.typing import ArrayLike

from ..foundation.arrays import Floats
from ..foundation.frozen import check_fields
from ..foundation.refusals import flip_chance, whole
from ..kernels import beliefs as _kernels
from .belief import Belief, BeliefTables, Size, checked_states, generator, rates
from .sharp import bar_words, lossy, lossy_rows, parameter, rule

__all__ = ["NoisyBeta"]


@dataclass(frozen=True)
class NoisyBeta(Belief):
    """Belief alpha ~ Beta(a, b), where each label is flipped with probability ``flip``.

    Parameters
    ----------
    a, b : float
        From 1e-300 to 1e300; parameters before any label.
    flip : float
        Probability that a label is flipped, at least 0 and below 1/2.
    wins, losses : int
        Labels seen so far; 0 in a prior, increased by ``after``.

    Examples
    --------
    A noisy label carries less information, and the mean stays below 1 - flip however many labels are wins:

    >>> noisy, clean = NoisyBeta(1, 1, flip=0.2), NoisyBeta(1, 1, flip=0)
    >>> round(float(noisy.at(4, 4, 0.5).tail), 4), round(float(clean.at(4, 4, 0.5).tail), 4)
    (0.9055, 0.9688)
    >>> round(noisy.after(wins=1000, losses=0).mean, 3)
    0.799
    """

    a: float
    b: float
    flip: float
    wins: int = field(default=0, kw_only=True)
    losses: int = field(default=0, kw_only=True)
    kind: ClassVar[str] = "noisy-beta"
    takes_bars: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_fields(self, parameter, "a", "b")
        check_fields(self, flip_chance, "flip")
        check_fields(self, whole, "wins", "losses")

    def after(self, wins: int, losses: int) -> NoisyBeta:
        """Posterior after more labels: the same prior, with the counts of labels.

        Examples
        --------
        >>> NoisyBeta(1, 1, 0.1).after(wins=2, losses=1)
        NoisyBeta(a=1.0, b=1.0, flip=0.1, wins=2, losses=1)
        """
        won, lost = whole("wins", wins), whole("losses", losses)
        return NoisyBeta(self.a, self.b, self.flip, wins=self.wins + won, losses=self.losses + lost)

    def label_chance(self, alpha: ArrayLike) -> Floats:
        """Probability that a label of an item of true rate alpha is a win, after the flip."""
        rate = rates(alpha)
        return np.asarray((1.0 - self.flip) * rate + self.flip * (1.0 - rate))

    def at(self, labels: ArrayLike, wins: ArrayLike, threshold: ArrayLike) -> BeliefTables:
        """Mean of the label, tail and jump of alpha after some labels, elementwise, in O(labels) each.

        See ``Belief.at``.

        Examples
        --------
        >>> NoisyBeta(1, 1, 0.25).at(1, [0, 1], 0.5).tail
        array([0.375, 0.625])
        """
        shape, n, w, t = checked_states(labels, wins, threshold)
        n, w = n + (self.wins + self.losses), w + self.wins
        log_odds = getattr(threshold, "log_odds", np.nan)
        sharp = bool(lossy(self.a, self.b, n, t, log_odds).any()) or lossy_rows(self.b, int(n.max(initial=0)))
        first = np.zeros(n.size) if sharp else scipy.special.betaincc(self.a, self.b + n, t)
        bars = bar_words(t, np.full(n.size, log_odds)) if sharp else np.empty((0, 7))
        parts = np.empty((3, n.size))
        _kernels.noisy_beta(self.a, self.b, self.flip, n, w, t, first, sharp, bars, *rule, *parts)
        return BeliefTables(*(part.reshape(shape) for part in parts))

    def parts(self) -> list[tuple[float, float, float]]:
        """Components of the posterior, a mixture of Betas.

        Returns
        -------
        list of (float, float, float)
            Weight, a and b of each component, n + 1 of them after n labels.

        Examples
        --------
        >>> NoisyBeta(1, 1, 0.25).after(wins=1, losses=0).parts()
        [(0.25, 1.0, 2.0), (0.75, 2.0, 1.0)]
        """
        n = self.wins + self.losses
        return [(u, self.a + j, self.b + (n - j)) for j, u in enumerate(self._weights().tolist())]

    def _weights(self) -> Floats:
        """Probabilities that 0, 1, .. of the labels seen were wins before they were flipped."""
        n = self.wins + self.losses
        weights = np.empty(n + 1)
        _kernels.true_wins(self.a, self.b, self.flip, n, self.wins, weights)
        return weights

    def draw(self, rng: np.random.Generator, size: Size = None) -> Floats:
        """True rates, drawn independently.

        Examples
        --------
        >>> NoisyBeta(1, 1, 0.1).draw(np.random.default_rng(7), 2).round(3)
        array([0.006, 0.521])
        """
        n = self.wins + self.losses
        if n == 0:
            return np.asarray(generator(rng).beta(self.a, self.b, size))
        before_flip = generator(rng).choice(n + 1, size=size, p=self._weights())
        return np.asarray(rng.beta(self.a + before_flip, self.b + (n - before_flip)))

    def as_dict(self) -> dict[str, Any]:
        """Kind and parameters, as written to TOML, and the counts of labels that are not 0."""
        seen = {"wins": self.wins, "losses": self.losses}
        prior = {"kind": self.kind, "a": self.a, "b": self.b, "flip": self.flip}
        return prior | {name: number for name, number in seen.items() if number}
