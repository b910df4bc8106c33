r"""Beta tail probabilities and their constant-time updates.

For alpha ~ Beta(a, b) and a threshold t, with s = a + b and mu = a / s,

    p(a, b) = P(alpha > t) = 1 - I_t(a, b),      D(a, b) = t^a (1-t)^b / B(a, b),
    one win:   p+ = p + D/a,   D+ = D t s / a,
    one loss:  p- = p - D/b,   D- = D (1-t) s / b,

which are the recurrences of the regularised incomplete beta function (DLMF 8.17.20 and 8.17.21). The distance
``J = p+ - p- = D s / (a b)`` is called the *jump*. It gives the tail after either outcome, p+ = p + (1-mu) J and
p- = p - mu J, so the tail is a martingale, mu p+ + (1-mu) p- = p, and one label lowers p(1-p) by

    mu (1-mu) J^2 = D^2 / (a b)     in expectation.

The logarithm of D is stored, because D itself can underflow in one state of a sequence and be needed in a later one. An
update adds or subtracts only the change of p, so its absolute error is of the order of rounding; ``tail`` computes p
afresh and removes the accumulated error.
"""

from __future__ import annotations

import numpy as np
import scipy
from numpy.typing import ArrayLike

from ..foundation.arrays import Floats
from ..foundation.refusals import every, probabilities
from ..kernels import beliefs as _kernels

__all__ = ["follow_labels", "jump", "log_step", "tail", "update"]


def _flat(*arrays: ArrayLike) -> tuple[tuple[int, ...], tuple[Floats, ...]]:
    """Broadcast to float64 and flatten; copies, since a kernel would be compiled a second time for read-only arrays."""
    broadcast = np.broadcast_arrays(*(np.asarray(x, dtype=np.float64) for x in arrays))
    return broadcast[0].shape, tuple(np.array(x, order="C").reshape(-1) for x in broadcast)


def _check(a: Floats, b: Floats, t: Floats) -> None:
    for name, values in (("a", a), ("b", b)):
        every(name, values, (values > 0) & np.isfinite(values), "positive and finite")
    probabilities("t", t)


def tail(a: ArrayLike, b: ArrayLike, t: ArrayLike) -> Floats:
    """P(alpha > t) for alpha ~ Beta(a, b), from the incomplete beta function.

    Parameters
    ----------
    a, b, t : array_like
        Broadcast together; a, b > 0 and 0 < t < 1.

    Returns
    -------
    ndarray of float64
        Tail probabilities, of the broadcast shape.

    Examples
    --------
    >>> float(tail(2, 1, 0.5))
    0.75
    """
    shape, (x, y, z) = _flat(a, b, t)
    _check(x, y, z)
    return np.asarray(scipy.special.betaincc(x, y, z)).reshape(shape)


def log_step(a: ArrayLike, b: ArrayLike, t: ArrayLike) -> Floats:
    """Log D(a, b) = a log t + b log(1-t) - log B(a, b), accurate for a and b of any size where D is not negligible.

    Examples
    --------
    >>> float(np.exp(log_step(2, 1, 0.5)))
    0.25
    """
    shape, (x, y, z) = _flat(a, b, t)
    _check(x, y, z)
    out = np.empty(x.size)
    _kernels.log_step(x, y, z, out)
    return out.reshape(shape)


def jump(a: ArrayLike, b: ArrayLike, t: ArrayLike) -> Floats:
    """Distance J = D s / (a b) between the tail after a win and the tail after a loss.

    Examples
    --------
    >>> round(float(jump(1, 1, 0.5)), 12)
    0.5
    """
    x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    return np.asarray(np.exp(log_step(x, y, t)) * ((x + y) / (x * y)))


def update(
    p: ArrayLike, log_d: ArrayLike, a: ArrayLike, b: ArrayLike, t: ArrayLike, win: ArrayLike
) -> tuple[Floats, Floats]:
    """Tail and log D after one label at Beta(a, b), in constant time.

    Parameters
    ----------
    p, log_d : array_like
        ``tail(a, b, t)`` and ``log_step(a, b, t)``, computed directly or by earlier updates.
    a, b, t : array_like
        Parameters *before* the label.
    win : array_like of 0 and 1
        The label.

    Returns
    -------
    (ndarray, ndarray)
        The same two quantities after the label.

    Examples
    --------
    >>> p, log_d = update(0.5, log_step(1, 1, 0.5), 1, 1, 0.5, 1)
    >>> float(p), float(tail(2, 1, 0.5))
    (0.75, 0.75)
    """
    shape, (p_, d_, x, y, z, label) = _flat(p, log_d, a, b, t, win)
    _check(x, y, z)
    _kernels.update(p_, d_, x, y, z, label)
    return p_.reshape(shape), d_.reshape(shape)


def follow_labels(a: float, b: float, t: float, labels: ArrayLike) -> Floats:
    """Tail after each of a sequence of labels, starting at Beta(a, b).

    It costs one incomplete beta function and a constant-time update for each label.

    Examples
    --------
    >>> follow_labels(1, 1, 0.5, [1, 0, 1]).round(4)
    array([0.75  , 0.5   , 0.6875])
    """
    run = np.array(labels, dtype=np.float64, ndmin=1)
    if run.ndim != 1 or not np.all((run == 0) | (run == 1)):
        raise ValueError("labels must be a sequence of zeros and ones")
    out = np.empty(run.size)
    _kernels.follow(float(tail(a, b, t)), float(log_step(a, b, t)), float(a), float(b), float(t), run, out)
    return out
