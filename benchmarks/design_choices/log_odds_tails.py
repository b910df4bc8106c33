r"""Tails of many beliefs at given log-odds, all at once.

P(alpha > sigma(x)) is needed for x of any size. sigma(x) itself is 1 in floating point from x = 37 on, so for x > 0 a
Beta's tail is computed from the other end,

    P(alpha > sigma(x)) = I_{sigma(-x)}(b, a),

where sigma(-x) has full precision; I is the regularised incomplete beta function. Beyond x = 700, where sigma(-x)
underflows, I is its first term e^(-b x) / (b B(a, b)); the next is smaller by a factor of e^-700. For x < 0 the same
holds of 1 - alpha. At infinity the value is the limit: P(alpha = 1) at plus infinity, P(alpha > 0) at minus infinity.

Beliefs are decomposed: mixtures of Betas, and Betas with label noise, into Betas; grids into points. Beliefs that
cannot be decomposed compute their own tails, one belief at a time: logit-normal beliefs, whose tails beyond |x| = 18
are extended by Normal ones to eight digits, and beliefs of other classes, whose thresholds come no closer to 0 and 1
than floating point allows.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy

from ...posteriors.beliefs.belief import Belief
from ...posteriors.beliefs.beta import Beta
from ...posteriors.beliefs.beta_mixture import BetaMixture
from ...posteriors.beliefs.grid import Grid
from ...posteriors.beliefs.logit_normal import LogitNormal
from ...posteriors.beliefs.noisy_beta import NoisyBeta
from ...posteriors.foundation.arrays import Floats

__all__ = ["Atoms", "beta_tail"]

# Beyond this sigma(-x) is near the smallest floating-point number.
_FAR = 700.0
# Up to this log-odds, 1 - t has eight correct digits.
_NEAR = 18.0
_LEAST, _MOST = np.finfo(np.float64).tiny, np.nextafter(1.0, 0.0)


class Atoms:
    """Decomposed beliefs with weights, for the weighted tail probability at thresholds sigma(x).

    Parameters
    ----------
    weight : ndarray, shape (N,)
    beliefs : sequence of Belief
        One for each weight.

    Examples
    --------
    >>> atoms = Atoms(np.array([0.5, 0.5]), [Beta(1, 1), Grid([0.2, 1.0], [1, 1])])
    >>> atoms.share(np.array([0.0, 0.0])), atoms.share(np.array([-np.inf, np.inf]))
    (0.5, 0.75)
    """

    def __init__(self, weight: Floats, beliefs: Sequence[Belief]) -> None:
        betas: list[tuple[int, float, float, float]] = []
        points: list[tuple[int, float, float]] = []
        self._others: list[tuple[int, float, Belief]] = []
        for i, (v, belief) in enumerate(zip(weight.tolist(), beliefs, strict=True)):
            # Exactly these: a class derived from one may have tails of its own.
            if type(belief) is Beta:
                betas.append((i, v, belief.a, belief.b))
            elif type(belief) is BetaMixture:
                betas += [(i, v * u, a, b) for u, a, b in zip(belief.weights, belief.a, belief.b, strict=True)]
            elif type(belief) is NoisyBeta:
                betas += [(i, v * u, a, b) for u, a, b in belief.parts()]
            elif type(belief) is Grid:
                points += [(i, v * u, rate) for rate, u in zip(belief.points, belief.weights, strict=True)]
            else:
                self._others.append((i, v, belief))
        item, *rest = np.array(betas).reshape(-1, 4).T.copy()
        self._item, (self._weight, self._a, self._b) = item.astype(np.int64), rest
        at, *rest = np.array(points).reshape(-1, 3).T.copy()
        self._at, (self._mass, self._rate) = at.astype(np.int64), rest
        self._log_beta = scipy.special.betaln(self._a, self._b)
        self.count = len(betas) + len(points) + len(self._others)

    def share(self, x: Floats) -> float:
        """Sum of weights times P(alpha > sigma(x)); x of shape (N,)."""
        return self.smooth(x) + self.stepped(x)

    def smooth(self, x: Floats) -> float:
        """Contribution of the Betas to ``share``."""
        return float(self._weight @ beta_tail(self._a, self._b, x[self._item])) if len(self._item) else 0.0

    def stepped(self, x: Floats) -> float:
        """Contribution of all other beliefs to ``share``."""
        at = x[self._at]
        total = float(self._mass[(self._rate > scipy.special.expit(at)) | (self._rate == 1.0)].sum())
        for i, v, belief in self._others:
            total += v * _asked(belief, float(x[i]))
        return total

    def slopes(self, c: Floats, low: Floats, high: Floats) -> tuple[float, float]:
        """Largest and smallest slope of ``smooth`` in beta, with log-odds beta c between ``low`` and ``high``."""
        c, low, high = c[self._item], low[self._item], high[self._item]

        def density(x: Floats) -> Floats:
            return np.asarray(
                np.exp(self._a * scipy.special.log_expit(x) + self._b * scipy.special.log_expit(-x) - self._log_beta)
            )

        # It has one peak, so its maximum is at the peak or the end nearest to it, and its minimum at an end.
        most = density(np.clip(np.log(self._a) - np.log(self._b), low, high))
        least = np.minimum(density(low), density(high))
        pull = -self._weight * c
        steepest = float(np.where(pull > 0, pull * most, pull * least).sum())
        return steepest, float(np.where(pull > 0, pull * least, pull * most).sum())


def beta_tail(a: Floats, b: Floats, x: Floats) -> Floats:
    """P(alpha > sigma(x)) under Beta(a, b), elementwise; x may be infinite.

    Examples
    --------
    >>> beta_tail(np.array([1.0]), np.array([0.1]), np.array([60.0])).item(), float(np.exp(-6))
    (0.0024787521766663..., 0.0024787521766663...)
    """
    far, above = np.abs(x), x >= 0
    # Exponent at the end near the threshold: b at the upper end.
    p, q = np.where(above, b, a), np.where(above, a, b)
    beyond = np.asarray(scipy.special.betainc(p, q, scipy.special.expit(-far)))
    out = far > _FAR
    beyond[out] = np.minimum(1.0, np.exp(-p[out] * far[out] - np.log(p[out]) - scipy.special.betaln(p[out], q[out])))
    return np.where(above, beyond, 1.0 - beyond)


def _asked(belief: Belief, x: float) -> float:
    """P(alpha > sigma(x)) of a belief that is not decomposed."""
    if type(belief) is not LogitNormal:
        return float(belief.at(0, 0, float(np.clip(scipy.special.expit(x), _LEAST, _MOST))).tail)
    if abs(x) <= _NEAR:
        return float(belief.at(0, 0, float(scipy.special.expit(x))).tail)
    # Near the upper end a win's likelihood is 1 and a loss's is e^-x, so the tail is that of a Normal shifted by the
    # losses.
    side = 1.0 if x > 0 else -1.0
    end = float(belief.at(0, 0, float(scipy.special.expit(side * _NEAR))).tail)
    against = belief.losses if x > 0 else belief.wins
    middle = side * belief.logit_mean - against * belief.sd**2
    fall = scipy.special.log_ndtr((middle - np.array([abs(x), _NEAR])) / belief.sd)
    left = (end if x > 0 else 1.0 - end) * float(np.exp(fall[0] - fall[1]))
    return left if x > 0 else 1.0 - left
