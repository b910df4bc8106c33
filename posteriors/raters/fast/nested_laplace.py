"""Integrated nested Laplace approximation for a few hyperparameters and an approximately Gaussian field.

For standard deviations tau = (tau_1 .. tau_p), a field z and votes y,

    p(tau | y) ~ p(tau) p(y, z* | tau) / p_G(z* | y, tau),

where z* is the mode of p(z | y, tau) and p_G the Gaussian with the curvature at the mode (Rue, Martino and Chopin
2009, eq. 3). The posterior of the field is the mixture of p(z | y, tau) over a design of points tau_k with weights u_k.
The points are chosen on the scale theta = log tau, where a half-normal prior of scale c gives

    log p(theta) = -exp(2 theta) / (2 c^2) + theta + constant.

The mode in theta is found by Newton steps along each axis, with derivatives by finite differences. The design is a
rank-1 lattice with a random shift, mapped through the quantiles of independent proposal distributions around the mode.
Their widths differ on the two sides of the mode, like those of the density. A point's weight is the density divided by
that of the proposal, as in importance sampling, so that the posterior of theta need not be symmetric.

The tails of the proposal determine whether the weights have a finite variance. On the right the density decreases, by
the prior, like exp(-exp(2 theta)), and half a normal distribution covers it. On the left, if the votes are compatible
with an absent effect, the likelihood is constant and the density decreases only like exp(theta). With half a normal
distribution the weights there would be unbounded and without a variance, and a single far point could dominate the
fit. On the left the proposal is therefore half of a Student's t with 3 degrees of freedom, whose power law bounds the
weights. It can place points arbitrarily far out. Points more than 10 log units below the mode are moved to that
distance, to a standard deviation of less than 1/20000 of the mode's, which votes cannot distinguish from 0; the region
below has a share of exp(-10) in the posterior.

Where few points carry most of the weight, the posterior has a shape that the proposal lacks: it is skew, or has tails
along a diagonal. Points are then added from a multivariate Student's t with the weighted mean and covariance of those
found so far, at most three times, and all count as drawn from the mixture of the proposals (adaptive multiple
importance sampling; Cornuet, Marin, Mira and Robert 2012).

Once the field is drawn, its mean and the standard deviations are redrawn from their exact distributions given the field
(``redrawn_mean``, ``redrawn_sd``), the mean and the standard deviation of items in turn. These are steps of a Markov
chain that leaves the exact posterior invariant, so they can only bring the draws closer to it. They also replace the
few standard deviations of the design by a different one for each draw.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np
import scipy

from ...foundation.arrays import Floats, Ints

__all__ = ["design_of_points", "half_normal", "points_for", "redrawn_mean", "redrawn_sd", "share_out"]

_WIDER, _ROUNDS = 1.2, 6
# Share of the points that must count in effect, and how often points are added where fewer do.
_ENOUGH, _REFINEMENTS, _FREEDOM = 0.4, 3, 5.0
# Largest distance of a point below the mode, in log units.
_FARTHEST = 10.0
# Log of the ratio at 0 of the normal density to that of Student's t with 3 degrees of freedom.
_LOG_RATIO = float(np.log(np.pi * np.sqrt(3.0) / 2.0 / np.sqrt(2.0 * np.pi)))


def half_normal(theta: Floats, scale: Floats) -> Floats:
    """Log density of theta = log tau, up to a constant, for half-normal tau; shape (K, p) to (K,)."""
    return np.asarray((theta - 0.5 * (np.exp(theta) / scale) ** 2).sum(axis=-1))


def design_of_points(
    log_posterior: Callable[[Floats, bool], Floats], start: Floats, rng: np.random.Generator, points: int = 32
) -> tuple[Floats, Floats]:
    """Design of points theta and their weights.

    Parameters
    ----------
    log_posterior : callable
        Log density at K points at a time, shape (K, p) to (K,). Its second argument is True if the value must be as
        exact as possible: at the points of the design, but not in the search for the mode.
    start : ndarray, shape (p,)
        Start of the search for the mode.
    rng : numpy.random.Generator
    points : int
        Number of points of a proposal, K.

    Returns
    -------
    (ndarray, ndarray)
        Points, shape (K, p), and weights that sum to 1, shape (K,); up to four times as many where they are needed.

    Examples
    --------
    >>> rng = np.random.default_rng(7)
    >>> at, weight = design_of_points(lambda x, exact: -8 * ((x - 0.5) ** 2).sum(axis=1), np.zeros(2), rng)
    >>> bool(np.all(abs(weight @ at - 0.5) < 0.05))
    True
    """
    p = len(start)
    centre, width = start.copy(), np.full(p, 0.4)
    for _ in range(_ROUNDS):
        star = np.concatenate([np.zeros((1, p)), np.diag(width), -np.diag(width)])
        found = log_posterior(centre + star, False)
        up, down = found[1 : p + 1] - found[0], found[p + 1 :] - found[0]
        slope, curvature = (up - down) / (2 * width), np.maximum(-(up + down) / width**2, 0.25)
        step = np.clip(slope / curvature, -1.0, 1.0)
        left, right = width * np.sqrt(0.5 / np.maximum(-down, 0.05)), width * np.sqrt(0.5 / np.maximum(-up, 0.05))
        settled = np.all(np.abs(step) < 0.25 / np.sqrt(curvature)) and np.all(np.abs(width**2 * curvature - 1) < 0.5)
        centre, width = centre + step, np.clip(1 / np.sqrt(curvature), 0.01, 1.0)
        if settled:
            break
    proposals: list[_Proposal] = [
        _TwoSided(centre, *(_WIDER * np.clip(x, 0.6 * width, 2.5 * width) for x in (left, right)))
    ]
    theta, logs = np.empty((0, p)), np.empty(0)
    while True:
        new = proposals[-1].points(points, rng)
        theta, logs = np.concatenate([theta, new]), np.concatenate([logs, log_posterior(new, True)])
        # All points count as drawn from the mixture of the proposals.
        minus = scipy.special.logsumexp([x.log_density(theta) for x in proposals], axis=0)
        weight = np.exp(logs - minus - (logs - minus).max())
        weight /= weight.sum()
        if 1.0 / (weight**2).sum() >= _ENOUGH * points or len(proposals) > _REFINEMENTS:
            return theta, weight
        mean = weight @ theta
        spread = (weight[:, None] * (theta - mean)).T @ (theta - mean) + np.diag((0.5 * width) ** 2)
        proposals.append(_Student(mean, np.linalg.cholesky(spread), centre - _FARTHEST))


class _Proposal(Protocol):
    """Distribution from which points are taken."""

    def points(self, count: int, rng: np.random.Generator) -> Floats:
        """Points, shape (K, p), evenly spread over the distribution."""

    def log_density(self, theta: Floats) -> Floats:
        """Log density, shape (K, p) to (K,)."""


class _TwoSided(NamedTuple):
    """Independent coordinates: half of a Student's t below the centre, half a Normal above it."""

    centre: Floats
    left: Floats
    right: Floats

    def points(self, count: int, rng: np.random.Generator) -> Floats:
        u = _even(count, len(self.centre), rng)
        # A point lies on either side with probability one half.
        below = u < 0.5
        z = np.where(below, np.maximum(scipy.special.stdtrit(3.0, u), -_FARTHEST / self.left), scipy.special.ndtri(u))
        return np.asarray(self.centre + np.where(below, self.left, self.right) * z)

    def log_density(self, theta: Floats) -> Floats:
        off = theta - self.centre
        below, above = off / self.left, off / self.right
        minus = np.where(
            off < 0,
            np.log(self.left) + _LOG_RATIO + 2.0 * np.log1p(below * below / 3.0),
            np.log(self.right) + 0.5 * above * above,
        )
        return np.asarray(-(minus + 0.5 * np.log(2.0 * np.pi)).sum(axis=1))


class _Student(NamedTuple):
    """Student's t with 5 degrees of freedom, correlated as the points found so far; none below ``least``."""

    mean: Floats
    root: Floats
    least: Floats

    def points(self, count: int, rng: np.random.Generator) -> Floats:
        u = _even(count, len(self.mean) + 1, rng)
        heavy = np.sqrt(_FREEDOM / scipy.special.chdtri(_FREEDOM, u[:, -1]))
        return np.asarray(
            np.maximum(self.mean + heavy[:, None] * (scipy.special.ndtri(u[:, :-1]) @ self.root.T), self.least)
        )

    def log_density(self, theta: Floats) -> Floats:
        p = len(self.mean)
        off = scipy.linalg.solve_triangular(self.root, (theta - self.mean).T, lower=True)
        constant = scipy.special.gammaln(0.5 * (_FREEDOM + p)) - scipy.special.gammaln(0.5 * _FREEDOM)
        constant -= 0.5 * p * np.log(_FREEDOM * np.pi) + np.log(np.diag(self.root)).sum()
        return np.asarray(constant - 0.5 * (_FREEDOM + p) * np.log1p((off**2).sum(axis=0) / _FREEDOM))


def _even(count: int, p: int, rng: np.random.Generator) -> Floats:
    """Points spread evenly over the unit cube, shape (count, p): a lattice with a random shift."""
    return np.clip((rng.random(p) + np.outer(np.arange(count), _lattice(p))) % 1.0, 1e-9, 1 - 1e-9)


def points_for(draws: int) -> int:
    """Number of points of a design for a given number of draws, larger for more draws."""
    return min(128, max(32, draws // 16))


def share_out(weight: Floats, draws: int, rng: np.random.Generator) -> Ints:
    """Number of draws from each point, by systematic sampling; it differs from the point's share by less than one."""
    edges = np.cumsum(weight)
    whole = np.floor(edges / edges[-1] * draws + rng.random()).astype(np.int64)
    return np.asarray(np.diff(whole, prepend=0))


def redrawn_sd(squares: Floats, effects: int, scale: float, rng: np.random.Generator) -> Floats:
    """Standard deviations from their exact distribution given n >= 1 free effects with sums of squares Q, shape (S,).

    Around its mode, v = exp(2 theta), the log density of theta = log tau is

        g(t) = -a (exp(-2 t) - 1 + 2 t) - b (exp(2 t) - 1 - 2 t),    a = Q / (2 v),  b = v / (2 c^2),

    which is concave: exp(g) lies below 1, and below an exponential that touches it on either side. Draws come from this
    envelope by rejection (the method of Devroye 2014).

    Examples
    --------
    >>> sd = redrawn_sd(np.full(4000, 90.0), 10, 50.0, np.random.default_rng(7))
    >>> bool(abs((sd**-2).mean() - 9 / 90) < 0.005)
    True
    """
    squares = np.maximum(squares, 1e-200)
    v = 2.0 * squares / (effects - 1.0 + np.sqrt((effects - 1.0) ** 2 + 4.0 * squares / scale**2))
    # g on the left of the mode equals g on the right with a and b exchanged.
    near = 0.5 * np.stack([v / scale**2, squares / v])
    far = near[::-1]
    # Any point of contact is valid; the envelope is tight if exp(g) there is about 1/e.
    at = np.minimum(np.sqrt(0.5 / near.sum(axis=0)), 0.5 * np.log1p(2.0 / near))
    rate = 2.0 * (near * np.expm1(2.0 * at) - far * np.expm1(-2.0 * at))
    # Point at which the touching exponential equals 1.
    flat = at - _fall(at, near, far) / rate
    area = flat + 1.0 / rate
    t, left = np.empty_like(v), np.arange(v.size)
    while left.size:
        side = (rng.random(left.size) * area[:, left].sum(axis=0) > area[0, left]).astype(np.int64)
        u, beyond = rng.random(left.size) * area[side, left], rng.standard_exponential(left.size)
        inside = u < flat[side, left]
        found = np.where(inside, u, flat[side, left] + beyond / rate[side, left])
        fall = _fall(found, near[side, left], far[side, left])
        taken = fall - np.where(inside, 0.0, beyond) < rng.standard_exponential(left.size)
        t[left[taken]] = np.where(side, -found, found)[taken]
        left = left[~taken]
    return np.asarray(np.sqrt(v) * np.exp(t))


def _fall(t: Floats, near: Floats, far: Floats) -> Floats:
    """Decrease of the log density of ``redrawn_sd`` at distance t > 0 from its mode."""
    return np.asarray(near * (np.expm1(2.0 * t) - 2.0 * t) + far * (np.expm1(-2.0 * t) + 2.0 * t))


def redrawn_mean(x: Floats, sd: Floats, scale: float, rng: np.random.Generator) -> Floats:
    """Means of the items, drawn from their exact distribution given the items, x of shape (S, N)."""
    precision = x.shape[1] / sd**2 + 1.0 / scale**2
    return np.asarray(rng.normal(x.sum(axis=1) / sd**2 / precision, 1.0 / np.sqrt(precision)))


def _lattice(p: int) -> Floats:
    """Steps of the lattice: powers of 1/g with g^(p+1) = g + 1, which fill the cube evenly (Roberts 2018)."""
    g = 2.0
    for _ in range(60):
        g = (1.0 + g) ** (1.0 / (p + 1))
    return np.asarray(g ** -np.arange(1.0, p + 1))
