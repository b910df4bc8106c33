"""Integrated nested Laplace approximation: a few hyperparameters, and a Gaussian field given each value of them.

For standard deviations tau = (tau_1 .. tau_p), a field z and votes y,

    p(tau | y) ~ p(tau) p(y, z* | tau) / p_G(z* | y, tau),

where z* is the mode of p(z | y, tau) and p_G the Gaussian with the curvature at the mode (Rue, Martino and Chopin
2009, eq. 3). The posterior of the field is then the mixture of p(z | y, tau) over a design of points tau_k with weights
u_k. Points live on the scale theta = log tau, where a half-normal prior of scale c gives

    log p(theta) = -exp(2 theta) / (2 c^2) + theta + constant.

The mode in theta is found by steps of Newton's method along each axis, by differences. The design is a rank-1 lattice
with a random shift, mapped through the quantiles of independent distributions around the mode, whose widths differ on
either side of it as the density does; the weights divide by the density of these. A point's weight is then that of an
importance sample, and nothing depends on the posterior of theta being symmetric.

The tails decide whether such weights have a variance. On the right the prior ends the density like exp(-exp(2 theta)),
and half a normal distribution covers it. On the left, where the votes allow an effect to be absent, the likelihood is
constant and the density falls only like exp(theta): over half a normal one the weights would be unbounded, without a
variance, and now and then a single far point would carry the fit. On the left the proposal is therefore half of a
Student's t with 3 degrees of freedom, whose power law bounds the weights. It has points at distances without limit
too; those more than 10 log units below the mode are put there, at a standard deviation of less than 1/20000 of the
mode's, which votes do not tell from 0: what lies below has a share of exp(-10) in the posterior.

Once the field is drawn, its mean and the standard deviations are drawn anew from their exact distributions given the
field (``redrawn_mean``, ``redrawn_sd``), the mean and the standard deviation of items in turn. These are steps of a
Markov chain that leave the exact posterior as it is, and so can only bring the draws nearer to it; and the standard
deviations, of which the design has but few, become as many as the draws.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import ndtri, stdtrit

from ...foundation.arrays import Floats, Ints

__all__ = ["design_of_points", "half_normal", "points_for", "redrawn_mean", "redrawn_sd", "share_out"]

_WIDER, _ROUNDS = 1.2, 6
# How far below the mode points may lie, in log units.
_FARTHEST = 10.0
# Log of the density of the normal distribution at 0 over that of Student's t with 3 degrees of freedom.
_LOG_RATIO = float(np.log(np.pi * np.sqrt(3.0) / 2.0 / np.sqrt(2.0 * np.pi)))


def half_normal(theta: Floats, scale: Floats) -> Floats:
    """Log density of theta = log tau, up to a constant, for half-normal tau; shape (K, p) to (K,)."""
    return np.asarray((theta - 0.5 * (np.exp(theta) / scale) ** 2).sum(axis=-1))


def design_of_points(
    log_posterior: Callable[[Floats, bool], Floats], start: Floats, rng: np.random.Generator, points: int = 32
) -> tuple[Floats, Floats]:
    """Points theta, shape (K, p), and their weights, which sum to 1.

    Parameters
    ----------
    log_posterior : callable
        Log density at K points at a time, shape (K, p) to (K,). Told last whether it must be as exact as it can be: at
        the points of the design, not in the search for the mode.
    start : ndarray, shape (p,)
        Where the search for the mode begins.
    rng : numpy.random.Generator
    points : int

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
    left, right = (_WIDER * np.clip(x, 0.6 * width, 2.5 * width) for x in (left, right))
    u = (rng.random(p) + np.outer(np.arange(points), _lattice(p))) % 1.0
    u = np.clip(u, 1e-9, 1 - 1e-9)
    # A point falls on either side with probability one half.
    below = u < 0.5
    z = np.where(below, np.maximum(stdtrit(3.0, u), -_FARTHEST / left), ndtri(u))
    minus = np.where(below, np.log(left) + _LOG_RATIO + 2.0 * np.log1p(z * z / 3.0), np.log(right) + 0.5 * z * z)
    theta = centre + np.where(below, left, right) * z
    logs = log_posterior(theta, True) + minus.sum(axis=1)
    weight = np.exp(logs - logs.max())
    return theta, weight / weight.sum()


def points_for(draws: int) -> int:
    """Points of a design from which so many draws are taken: more draws deserve a finer one."""
    return min(128, max(32, draws // 16))


def share_out(weight: Floats, draws: int, rng: np.random.Generator) -> Ints:
    """How many of the draws each point gets: systematic sampling, so within one of its share."""
    edges = np.cumsum(weight)
    whole = np.floor(edges / edges[-1] * draws + rng.random()).astype(np.int64)
    return np.asarray(np.diff(whole, prepend=0))


def redrawn_sd(squares: Floats, effects: int, scale: float, rng: np.random.Generator) -> Floats:
    """Standard deviations from their exact distribution given n >= 1 free effects with sums of squares Q, shape (S,).

    Around its mode, v = exp(2 theta), the log density of theta = log tau is

        g(t) = -a (exp(-2 t) - 1 + 2 t) - b (exp(2 t) - 1 - 2 t),    a = Q / (2 v),  b = v / (2 c^2),

    which is concave: exp(g) lies below 1, and below an exponential that touches it on either side. Draws from this
    envelope are rejected until all are taken (the way of Devroye 2014).

    Examples
    --------
    >>> sd = redrawn_sd(np.full(4000, 90.0), 10, 50.0, np.random.default_rng(7))
    >>> bool(abs((sd**-2).mean() - 9 / 90) < 0.005)
    True
    """
    squares = np.maximum(squares, 1e-200)
    v = 2.0 * squares / (effects - 1.0 + np.sqrt((effects - 1.0) ** 2 + 4.0 * squares / scale**2))
    # On the left of the mode, g is what it is on the right with a and b exchanged.
    near = 0.5 * np.stack([v / scale**2, squares / v])
    far = near[::-1]
    # Any place to touch at is right; the envelope is tight where exp(g) is about 1/e.
    at = np.minimum(np.sqrt(0.5 / near.sum(axis=0)), 0.5 * np.log1p(2.0 / near))
    rate = 2.0 * (near * np.expm1(2.0 * at) - far * np.expm1(-2.0 * at))
    # Where the exponential that touches there is 1.
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
    """How far the log density of ``redrawn_sd`` has fallen at distance t > 0 from its mode."""
    return np.asarray(near * (np.expm1(2.0 * t) - 2.0 * t) + far * (np.expm1(-2.0 * t) + 2.0 * t))


def redrawn_mean(x: Floats, sd: Floats, scale: float, rng: np.random.Generator) -> Floats:
    """Means of items from their exact distribution given the items, x of shape (S, N)."""
    precision = x.shape[1] / sd**2 + 1.0 / scale**2
    return np.asarray(rng.normal(x.sum(axis=1) / sd**2 / precision, 1.0 / np.sqrt(precision)))


def _lattice(p: int) -> Floats:
    """Steps of the lattice: powers of 1/g with g^(p+1) = g + 1, which fill the cube evenly (Roberts 2018)."""
    g = 2.0
    for _ in range(60):
        g = (1.0 + g) ** (1.0 / (p + 1))
    return np.asarray(g ** -np.arange(1.0, p + 1))
