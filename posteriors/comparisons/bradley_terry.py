r"""Fits of a shared parameter to comparisons: maximum likelihood and maximum a posteriori.

With x_e = beta (phi_i - phi_j), w_e wins of the first item in n_e labels, and a normal prior of precision Lambda around
0, the log-posterior

    sum_e w_e u_e - n_e log(1 + exp(u_e)) - theta^T Lambda theta / 2,      u_e = x_e . theta + offset_e,

is concave, and Newton's method finds its maximum. Without a prior there is none if the labels are *separated*: if a
direction theta has w_e > 0 only where x_e . theta >= 0, and losses only where x_e . theta <= 0, without all being 0
(Albert and Anderson 1984). The likelihood then rises along it for ever. That is found out by linear programming.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy
from numpy.typing import ArrayLike

from ..foundation.arrays import Floats
from ..foundation.kinds import checked
from ..foundation.number_arrays import number_array, whole_array
from ..foundation.records import EqualByContents
from ..foundation.refusals import positive
from .information import checked_pairs, feature_array, label_information

__all__ = ["ComparisonFit", "fit_comparisons"]

_STEPS, _HALVINGS = 100, 40
# Decrement of Newton's method at which the maximum is found; the largest margin that raises no suspicion of separation.
_FOUND, _FAR = 1e-20, 15.0
# Slope at which a maximum was missed, as a share of what labels may add to it.
_LEVEL = 1e-9
# Singular values below this share of the largest are of directions of which no comparison tells.
_FLAT = 1e-10


@dataclass(frozen=True, eq=False)
class ComparisonFit(EqualByContents):
    """Parameter fitted to comparisons.

    Attributes
    ----------
    theta : ndarray, shape (d,)
        Estimate; 0 in directions of which neither comparisons nor prior tell.
    precision : ndarray, shape (d, d)
        Information of the labels and of the prior at the estimate: the inverse of the Laplace approximation's
        covariance.
    log_likelihood : float
        Of the labels, in the order in which they came.
    separated : bool
        True if the likelihood has no maximum. The estimate is then not defined, and nan.
    steps : int
        Number of Newton steps.
    """

    theta: Floats
    precision: Floats
    log_likelihood: float
    separated: bool
    steps: int

    def __repr__(self) -> str:
        if self.separated:
            return f"ComparisonFit({len(self.theta)} features, separated: the likelihood has no maximum)"
        return f"ComparisonFit({len(self.theta)} features, log-likelihood {self.log_likelihood:.6g})"


@checked
def fit_comparisons(
    features: ArrayLike,
    pairs: ArrayLike,
    wins: ArrayLike,
    labels: ArrayLike = 1,
    *,
    beta: float = 1.0,
    offset: ArrayLike = 0.0,
    prior: ArrayLike | float | None = None,
) -> ComparisonFit:
    """Fit the parameter that all comparisons share.

    Parameters
    ----------
    features : array_like, shape (k, d)
        Features of the items; unit vectors for a reward of each item's own.
    pairs : array_like of int, shape (n, 2)
        Two different items of each comparison, by number.
    wins : array_like of int, shape (n,)
        Labels of each comparison that the first item won.
    labels : int or array_like of int, shape (n,)
        Labels of each comparison.
    beta : float
        Factor of the features' differences in the log-odds of a win.
    offset : float or array_like, shape (n,)
        Part of the log-odds that is known.
    prior : float or array_like, shape (d, d), optional
        Precision of a normal prior around 0, or of each feature's; default: none, for maximum likelihood.

    Returns
    -------
    ComparisonFit

    Raises
    ------
    ValueError
        For wins that are not from 0 to the number of labels, a prior that is not symmetric and positive semidefinite,
        and arguments of the wrong shape.

    Examples
    --------
    The first item won 3 of 4 comparisons: its reward is larger by log 3, half of it on either side of the mean.

    >>> fit_comparisons([[1, 0], [0, 1]], [[0, 1]], [3], [4]).theta.round(4)
    array([ 0.5493, -0.5493])
    >>> fit_comparisons([[1, 0], [0, 1]], [[0, 1]], [4], [4])
    ComparisonFit(2 features, separated: the likelihood has no maximum)
    """
    items = feature_array(features)
    chosen = checked_pairs(pairs, len(items))
    size, width = len(chosen), items.shape[1]
    won, n = _column("wins", whole_array("wins", wins), size), _column("labels", whole_array("labels", labels), size)
    for e in np.flatnonzero(won > n)[:1]:
        raise ValueError(f"wins[{e}] is {won[e]}; it must be at most its number of labels, {n[e]}")
    known = _column("offset", number_array("offset", offset), size)
    if not np.isfinite(known).all():
        raise ValueError("offset has entries that are not finite")
    held = _precision(prior, width)
    x = positive("beta", beta) * (items[chosen[:, 0]] - items[chosen[:, 1]])
    x, won, n, known = x[n > 0], won[n > 0].astype(np.float64), n[n > 0].astype(np.float64), known[n > 0]
    basis = _told(x, held)
    inside = (x @ basis, won, n, known, basis.T @ held @ basis)
    theta, steps, missed = _newton(*inside, _start(*inside))
    far = float(np.abs(x @ (basis @ theta) + known).max(initial=0.0)) > _FAR
    if (missed or far) and _separated(x, won, n, held):
        return ComparisonFit(np.full(width, np.nan), np.full((width, width), np.nan), 0.0, True, steps)
    if missed:
        theta, more, missed = _newton(*inside, _over_plains(*inside, theta))
        steps += more
    if missed:
        raise ValueError("no maximum of the likelihood was found; choose other units of features, or a prior")
    theta = basis @ theta
    u = x @ theta + known
    precision = held + (x.T * (n * label_information(u))) @ x
    return ComparisonFit(theta, np.asarray(precision), float(won @ u - n @ np.logaddexp(0.0, u)), False, steps)


def _column(field: str, array: np.ndarray, size: int) -> np.ndarray:
    if array.ndim == 0:
        return np.full(size, array[()])
    if array.shape != (size,):
        raise ValueError(f"{field} has shape {array.shape}; it must be one number or a list of {size}")
    return array


def _precision(prior: ArrayLike | float | None, width: int) -> Floats:
    if prior is None:
        return np.zeros((width, width))
    array = number_array("prior", prior)
    if not np.isfinite(array).all():
        raise ValueError("prior has entries that are not finite")
    if array.ndim == 0:
        array = float(array) * np.eye(width)
    if array.shape != (width, width):
        raise ValueError(
            f"prior has shape {array.shape}; it must be one number or a matrix of shape ({width}, {width})"
        )
    size = max(float(np.abs(array).max()), np.finfo(float).tiny)
    if np.abs(array - array.T).max() > 1e-9 * size or np.linalg.eigvalsh(array)[0] < -1e-9 * size:
        raise ValueError("prior is not symmetric and positive semidefinite")
    return np.asarray((array + array.T) / 2.0)


def _told(x: Floats, held: Floats) -> Floats:
    """Orthonormal basis of the directions of which comparisons or prior tell."""
    values, vectors = np.linalg.eigh(held)
    rows = np.vstack([x, (vectors * np.sqrt(values.clip(min=0.0))).T])
    _, sizes, directions = np.linalg.svd(rows, full_matrices=False)
    return np.asarray(directions[sizes > _FLAT * max(float(sizes.max(initial=0.0)), np.finfo(float).tiny)].T)


def _start(x: Floats, won: Floats, n: Floats, known: Floats, held: Floats) -> Floats:
    """Parameter with margins near 0, whatever is known of them: far from there the curvature vanishes."""
    return np.asarray(np.linalg.lstsq(x, -known)[0]) if known.any() and x.size else np.zeros(x.shape[1])


def _height(theta: Floats, x: Floats, won: Floats, n: Floats, known: Floats, held: Floats) -> float:
    u = x @ theta + known
    return float(won @ u - n @ np.logaddexp(0.0, u) - 0.5 * theta @ held @ theta)


def _slope(theta: Floats, x: Floats, won: Floats, n: Floats, known: Floats, held: Floats) -> Floats:
    return np.asarray(x.T @ (won - n * scipy.special.expit(x @ theta + known)) - held @ theta)


def _curve(theta: Floats, x: Floats, won: Floats, n: Floats, known: Floats, held: Floats) -> Floats:
    return np.asarray(held + (x.T * (n * label_information(x @ theta + known))) @ x)


def _newton(x: Floats, won: Floats, n: Floats, known: Floats, held: Floats, theta: Floats) -> tuple[Floats, int, bool]:
    """Maximum of the log-posterior, the number of steps, and True if it was missed."""
    of = (x, won, n, known, held)
    now, steps = _height(theta, *of), 0
    while steps < _STEPS:
        steps += 1
        rise = _slope(theta, *of)
        try:
            step = scipy.linalg.solve(_curve(theta, *of), rise, assume_a="pos")
        except (np.linalg.LinAlgError, scipy.linalg.LinAlgWarning):
            break
        gain = float(rise @ step)
        if gain <= _FOUND * max(abs(now), 1.0):
            break
        reach = 1.0
        for _ in range(_HALVINGS):
            if (then := _height(theta + reach * step, *of)) >= now + 1e-4 * reach * gain:
                break
            reach *= 0.5
        else:
            break
        theta, now = theta + reach * step, then
    size = float(n @ np.abs(x).sum(axis=1)) + float(np.abs(held @ theta).sum())
    return theta, steps, bool(np.abs(_slope(theta, *of)).max(initial=0.0) > _LEVEL * size)


def _over_plains(x: Floats, won: Floats, n: Floats, known: Floats, held: Floats, theta: Floats) -> Floats:
    """Parameter near the maximum, from one where the log-posterior is straight and Newton's step has no length."""
    minimize: Any = scipy.optimize.minimize
    found = minimize(
        lambda at: -_height(at, x, won, n, known, held),
        theta,
        jac=lambda at: -_slope(at, x, won, n, known, held),
        hess=lambda at: _curve(at, x, won, n, known, held),
        method="trust-exact",
        options={"max_trust_radius": 1e12, "maxiter": 2000},
    )
    return np.asarray(found.x)


def _separated(x: Floats, won: Floats, n: Floats, held: Floats) -> bool:
    """True if the log-posterior rises for ever along some direction."""
    scaled = x / np.maximum(np.abs(x).max(axis=1, keepdims=True), np.finfo(float).tiny)
    always, never = won == n, won == 0.0
    mixed = ~always & ~never
    # Of all directions that no label speaks against, and that the prior does not hold, the one that most speak for.
    sign = np.where(always, 1.0, -1.0)[~mixed]
    toward = sign[:, None] * scaled[~mixed]
    values, vectors = np.linalg.eigh(held)
    holding = vectors[:, values > _FLAT * max(float(values.max(initial=0.0)), np.finfo(float).tiny)].T
    fixed = np.vstack([scaled[mixed], holding])
    found = scipy.optimize.linprog(
        -toward.sum(axis=0),
        A_ub=-toward if len(toward) else None,
        b_ub=np.zeros(len(toward)) if len(toward) else None,
        A_eq=fixed if len(fixed) else None,
        b_eq=np.zeros(len(fixed)) if len(fixed) else None,
        bounds=(-1.0, 1.0),
        method="highs",
    )
    return bool(found.status == 0 and float(found.fun or 0.0) < -1e-7)
