"""Integrated nested Laplace approximation: a few hyperparameters, and a Gaussian field given each value of them.

For standard deviations tau = (tau_1 .. tau_p), a field z and votes y,

    p(tau | y) ~ p(tau) p(y, z* | tau) / p_G(z* | y, tau),

where z* is the mode of p(z | y, tau) and p_G the Gaussian with the curvature at the mode (Rue, Martino and Chopin
2009, eq. 3). The posterior of the field is then the mixture of p(z | y, tau) over a design of points tau_k with weights
u_k. Points live on the scale theta = log tau, where a half-normal prior of scale c gives

    log p(theta) = -exp(2 theta) / (2 c^2) + theta + constant.

The mode in theta is found by steps of Newton's method along each axis, by differences. The design is a rank-1 lattice
with a random shift, mapped through the quantiles of independent normal distributions around the mode, whose widths
differ on either side of it as the density does; the weights divide by the density of these. A point's weight is then
that of an importance sample, and nothing depends on the posterior of theta being symmetric: where the votes allow an
effect to be absent, log tau has a long tail to the left.

Once the field is drawn, its mean and the standard deviations are drawn anew given the field (``redrawn_mean``,
``redrawn_sd``): steps of a Markov chain that leave the exact posterior as it is, and so can only bring the draws nearer
to it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

__all__ = ["design_of_points", "half_normal", "points_for", "redrawn_mean", "redrawn_sd", "share_out"]

Floats = NDArray[np.float64]
_WIDER, _ROUNDS = 1.2, 6


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
    z = ndtri(np.clip(u, 1e-9, 1 - 1e-9))
    # A point falls on either side with probability one half.
    theta = centre + np.where(z < 0, left, right) * z
    logs = log_posterior(theta, True) + (0.5 * z * z + np.where(z < 0, np.log(left), np.log(right))).sum(axis=1)
    weight = np.exp(logs - logs.max())
    return theta, weight / weight.sum()


def points_for(draws: int) -> int:
    """Points of a design from which so many draws are taken: more draws deserve a finer one."""
    return min(128, max(32, draws // 16))


def share_out(weight: Floats, draws: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """How many of the draws each point gets: systematic sampling, so within one of its share."""
    edges = np.cumsum(weight)
    whole = np.floor(edges / edges[-1] * draws + rng.random()).astype(np.int64)
    return np.asarray(np.diff(whole, prepend=0))


def redrawn_sd(sd: Floats, squares: Floats, effects: int, scale: float, rng: np.random.Generator) -> Floats:
    """Standard deviations after one step of Metropolis and Hastings given their effects, shape (S,).

    Given n free effects with sum of squares Q, the density of v = tau^2 is that of an inverse gamma distribution of
    shape (n - 1) / 2 and scale Q / 2, times exp(-v / (2 c^2)); the first is proposed from, the second decides. Fewer
    than two effects leave nothing to propose from.
    """
    if effects < 2:
        return sd
    proposed = 0.5 * squares / rng.gamma(0.5 * (effects - 1), size=sd.shape)
    taken = np.log1p(-rng.random(sd.shape)) < 0.5 * (sd * sd - proposed) / scale**2
    return np.where(taken, np.sqrt(proposed), sd)


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
