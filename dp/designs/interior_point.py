r"""Optimal weights of a few candidates, by a primal-dual interior-point method.

    minimise  Phi(w)   over   0 <= w <= u,   B w <= h,

with Phi a differentiable criterion and few rows of B. With dual variables z of w >= 0, x of w <= u, y of the limits and
slack s = h - B w, Newton's method follows the path on which all complementary products equal mu (Nocedal and Wright
2006, chapter 19):

    -d(w) + B^T y - z + x = 0,    z w = x (u - w) = mu,    y s = mu,    mu -> 0.

Each step solves one system in the weights, and one in the few limits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy

from ...posteriors.foundation.arrays import Floats

__all__ = ["Smooth", "Weights", "WorkingSet"]

# Largest number of Newton steps, and of halvings of a step.
_STEPS, _HALVINGS = 200, 25
# Gain of a candidate, where the uniform design's is about 1, below which it is worth nothing.
_WORTHLESS = 1e-9
# By how much limits may be missed at the end.
_MET = 1e-11
# Share of the way to the nearest bound that a step may take.
_NEAR = 0.995


@dataclass(frozen=True)
class WorkingSet:
    """Candidates whose weights are looked for.

    Attributes
    ----------
    rows : ndarray, shape (m, r)
        Rows a_e.
    before : ndarray, shape (r, r)
        Information M_0 that is there without them.
    limits, levels : ndarray, shape (q, m) and (q,)
        B and h; the first row of B is positive.
    cap : float
        Largest weight u of a candidate; may be infinite.
    """

    rows: Floats
    before: Floats
    limits: Floats
    levels: Floats
    cap: float

    @property
    def capped(self) -> bool:
        """True if weights have a largest value."""
        return bool(np.isfinite(self.cap))

    def information(self, weight: Floats) -> Floats:
        """Information matrix of some weights."""
        return np.asarray(self.before + (self.rows.T * weight) @ self.rows)


@dataclass
class Weights:
    """Weights of some candidates, with dual variables.

    Attributes
    ----------
    weight, excess : ndarray, shape (m,)
        Weights w, and their dual variables z.
    over : ndarray, shape (m,)
        Dual variables x of the largest weights.
    price, slack : ndarray, shape (q,)
        Dual variables y of the limits, and what is left of them.
    """

    weight: Floats
    excess: Floats
    over: Floats
    price: Floats
    slack: Floats


class Smooth:
    """Base of criteria with two derivatives."""

    def value(self, information: Floats) -> float:
        """Criterion at an information matrix; smaller is better.

        Parameters
        ----------
        information : ndarray, shape (r, r)

        Returns
        -------
        float

        Raises
        ------
        LinAlgError
            For a matrix that is not positive definite.
        """
        raise NotImplementedError

    def direction(self, information: Floats) -> Floats:
        """Matrix Y, shape (r, s), for which candidate e has the gain |a_e^T Y|^2."""
        raise NotImplementedError

    def curvature(self, rows: Floats, information: Floats) -> tuple[Floats, Floats]:
        """Gains of candidates with these rows, shape (m,), and the criterion's Hessian in their weights, (m, m)."""
        raise NotImplementedError

    def search(
        self, part: WorkingSet, weight: Floats, price: Floats | None, near: float, goal: float
    ) -> tuple[Weights, Floats]:
        """Weights near the optimum of some candidates.

        Parameters
        ----------
        part : WorkingSet
        weight : ndarray, shape (m,)
            Where to begin: positive, and below the cap. They need not meet the limits.
        price : ndarray, shape (q,), optional
            Prices of the limits to begin with, positive; default: such that no candidate is worth more.
        near : float
            Sum of the complementary products to begin with, as a share of what the weights are worth, if there are
            prices.
        goal : float
            Sum at which to end.

        Returns
        -------
        Weights
        direction : ndarray, shape (r, s)
        """
        gains, hessian = self.curvature(part.rows, part.information(weight))
        now = _begin(part, gains, weight, price, near)
        for _ in range(_STEPS):
            products = _products(part, now)
            total = sum(float(x.sum()) for x in products)
            count = sum(x.size for x in products)
            scale = max(float(np.abs(gains) @ now.weight), np.finfo(float).tiny)
            stray = float(np.abs(_stationarity(part, now, gains)) @ now.weight)
            if total <= goal * scale and stray <= goal * scale and np.abs(_unmet(part, now)).max() <= _MET:
                break
            mu = total / count * (0.1 if stray <= 0.5 * total else 0.5)
            try:
                step = _newton(part, now, gains, hessian, mu)
            except np.linalg.LinAlgError:
                break
            reach = _reach(part, now, step)
            size = _residual(part, now, now, gains, mu)
            for _ in range(_HALVINGS):
                trial = _moved(now, step, reach)
                try:
                    found = self.curvature(part.rows, part.information(trial.weight))
                except np.linalg.LinAlgError:
                    reach *= 0.5
                    continue
                if _residual(part, trial, now, found[0], mu) <= (1.0 - 1e-3 * reach) * size:
                    break
                reach *= 0.5
            else:
                # Rounding allows no further step; the certificate says how near the weights are.
                break
            now, (gains, hessian) = trial, found
        return now, self.direction(part.information(now.weight))


def _begin(part: WorkingSet, gains: Floats, weight: Floats, price: Floats | None, near: float) -> Weights:
    """Dual variables and slack beside some weights, all of them positive."""
    scale = max(float(gains @ weight), _WORTHLESS)
    if price is None:
        most = max(1.1 * float((gains / part.limits[0].clip(min=1e-300)).max()), _WORTHLESS)
        price = np.concatenate([[most], np.full(len(part.levels) - 1, 0.1 * most)])
    least = near * scale / len(weight)
    left = price @ part.limits - gains
    over = np.zeros_like(weight)
    if part.capped:
        over = np.maximum(-left, least / (part.cap - weight))
    excess = np.maximum(left + over, least / weight)
    slack = np.maximum(part.levels - part.limits @ weight, least / price)
    return Weights(weight.copy(), excess, over, price.copy(), slack)


def _stationarity(part: WorkingSet, now: Weights, gains: Floats) -> Floats:
    return np.asarray(now.price @ part.limits - gains - now.excess + now.over)


def _unmet(part: WorkingSet, now: Weights) -> Floats:
    return np.asarray(part.limits @ now.weight + now.slack - part.levels)


def _products(part: WorkingSet, now: Weights) -> list[Floats]:
    found = [now.weight * now.excess, now.slack * now.price]
    return [*found, (part.cap - now.weight) * now.over] if part.capped else found


def _residual(part: WorkingSet, now: Weights, unit: Weights, gains: Floats, mu: float) -> float:
    """Size of what is left of the equations, each times the variable that it belongs to.

    These variables are those before a step: along it, the size falls at first.
    """
    parts = [
        _stationarity(part, now, gains) * unit.weight,
        _unmet(part, now) * unit.price,
        *(x - mu for x in _products(part, now)),
    ]
    return float(np.sqrt(sum(float(x @ x) for x in parts)))


def _newton(part: WorkingSet, now: Weights, gains: Floats, hessian: Floats, mu: float) -> Weights:
    weight, slack, limits = now.weight, now.slack, part.limits
    away = _stationarity(part, now, gains)
    curve = now.excess / weight
    right = -away - (weight * now.excess - mu) / weight
    if part.capped:
        room = part.cap - weight
        curve = curve + now.over / room
        right = right + (room * now.over - mu) / room
    system = hessian.copy()
    diagonal = np.einsum("ii->i", system)
    diagonal += curve + 1e-14 * diagonal.mean()
    factor = scipy.linalg.cho_factor(system, overwrite_a=True)
    solved = scipy.linalg.cho_solve(factor, np.column_stack([right, limits.T]))
    unmet = _unmet(part, now)
    small = limits @ solved[:, 1:] + np.diag(slack / now.price)
    price = np.linalg.solve(small, limits @ solved[:, 0] - (slack * now.price - mu) / now.price + unmet)
    move = solved[:, 0] - solved[:, 1:] @ price
    over = (now.over * move - room * now.over + mu) / room if part.capped else np.zeros_like(move)
    return Weights(
        move,
        (mu - weight * now.excess - now.excess * move) / weight,
        over,
        price,
        -unmet - limits @ move,
    )


def _reach(part: WorkingSet, now: Weights, step: Weights) -> float:
    pairs = [(now.weight, step.weight), (now.excess, step.excess), (now.price, step.price), (now.slack, step.slack)]
    if part.capped:
        pairs += [(part.cap - now.weight, -step.weight), (now.over, step.over)]
    least = 1.0
    for value, change in pairs:
        falling = change < 0.0
        if falling.any():
            least = min(least, _NEAR * float((-value[falling] / change[falling]).min()))
    return least


def _moved(now: Weights, step: Weights, reach: float) -> Weights:
    return Weights(
        now.weight + reach * step.weight,
        now.excess + reach * step.excess,
        now.over + reach * step.over,
        now.price + reach * step.price,
        now.slack + reach * step.slack,
    )
