r"""Thresholds: the preference rate that a comparison must exceed to be learnable.

A reference-conditioned optimiser (DPO, or RLHF with a KL penalty) of strength beta ranks the preferred
output first exactly when the preference rate alpha satisfies

    alpha > t = sigma(beta c),   c = log pi_ref(y_lose) - log pi_ref(y_win),

so that ``dt/dbeta = c t (1 - t)``, and for c > 0 an item of rate alpha is learnable iff
``beta < logit(alpha) / c`` (Chen et al. 2024; Lemma 2026, eqs. 12-18).

The log-ratio c is estimated from a language model's log-probabilities. Long outputs have low probability
regardless of quality, so the log-probabilities can be normalised by length. A reference may be over-confident,
so c can be divided by a temperature. Several references can be combined, by the mean of their log-probabilities
(a geometric mean of probabilities) or by the log of their mean probability (a mixture).
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import scipy
from numpy.typing import ArrayLike

from .foundation.arrays import Floats
from .foundation.kinds import checked
from .foundation.messages import listed
from .foundation.number_arrays import number_array, require_one_order
from .foundation.refusals import one_of, positive, same_length

__all__ = ["LARGEST_LOG", "largest_learnable_beta", "log_ratio", "threshold", "threshold_slope"]

Ensemble = Literal["mean-log", "log-mean"]
# Largest log-probability: 0, but for rounding.
LARGEST_LOG = 1e-9


def _combine(logp: ArrayLike, length: ArrayLike | None, ensemble: Ensemble, field: str) -> Floats:
    values = number_array(field, logp)
    if not np.all(np.isfinite(values)):
        where = tuple(int(k) for k in np.argwhere(~np.isfinite(values))[0])
        raise ValueError(f"{field}[{listed(where)}] is {values[where]}; log-probabilities must be finite")
    if np.any(values > LARGEST_LOG):
        where = tuple(int(k) for k in np.argwhere(values > LARGEST_LOG)[0])
        raise ValueError(f"{field}[{listed(where)}] is {values[where]}; log-probabilities are at most 0")
    if values.ndim > 1:
        if ensemble == "mean-log":
            values = values.mean(axis=0)
        else:
            values = scipy.special.logsumexp(values, axis=0) - np.log(len(values))
    if length is not None:
        tokens = number_array(f"length of {field}", length)
        if not np.all(tokens > 0):
            raise ValueError(f"length of {field}: every length must be positive, found {tokens[~(tokens > 0)].flat[0]}")
        values = values / tokens
    return np.asarray(values, dtype=np.float64)


@checked
def log_ratio(
    logp_win: ArrayLike,
    logp_lose: ArrayLike,
    *,
    length_win: ArrayLike | None = None,
    length_lose: ArrayLike | None = None,
    temperature: float = 1.0,
    ensemble: Ensemble = "mean-log",
) -> Floats:
    """Reference log-ratio c = log pi_ref(y_lose) - log pi_ref(y_win).

    Parameters
    ----------
    logp_win, logp_lose : array_like, shape (N,) or (M, N)
        Natural-log probabilities of the output that label 1 prefers and of the other output. With shape
        (M, N), row m holds those of member m of an ensemble of references.
    length_win, length_lose : array_like, shape (N,), optional
        Number of tokens in each output, by which its log-probability is divided; give both or neither.
    temperature : float
        Positive; c is divided by it. A value above 1 damps an over-confident reference.
    ensemble : {"mean-log", "log-mean"}
        Mean of the members' log-probabilities, or log of their mean probability. Members are combined
        before the division by length, because a length belongs to an output and not to a reference.

    Returns
    -------
    ndarray, shape (N,)

    Raises
    ------
    ValueError
        For a log-probability that is not finite or above 0, a length or temperature that is not positive, one
        length without the other, or an unknown ensemble rule.

    Examples
    --------
    >>> log_ratio([-4.0, -1.0], [-1.0, -4.0], temperature=2.0)
    array([ 1.5, -1.5])
    """
    one_of("ensemble", ensemble, ("mean-log", "log-mean"))
    heat = positive("temperature", temperature)
    if (length_win is None) != (length_lose is None):
        raise ValueError("length normalisation needs both length_win and length_lose")
    win = _combine(logp_win, length_win, ensemble, "logp_win")
    lose = _combine(logp_lose, length_lose, ensemble, "logp_lose")
    if win.ndim or lose.ndim:
        same_length(logp_win=np.atleast_1d(win), logp_lose=np.atleast_1d(lose))
    names = ("logp_win", "logp_lose", "length_win", "length_lose")
    given: list[Any] = [logp_win, logp_lose, length_win, length_lose]
    # Of an ensemble the rows are models, and the columns items.
    by_item = [x.T if getattr(x, "ndim", 0) == 2 else x for x in given]
    require_one_order(**dict(zip(names, by_item, strict=True)))
    return np.asarray((lose - win) / heat)


@checked
def threshold(log_ratio: ArrayLike, beta: float) -> Floats:
    """Learnability threshold t = sigma(beta c).

    Parameters
    ----------
    log_ratio : array_like
        Reference log-ratio c, any shape.
    beta : float
        Strength of the pull towards the reference; positive.

    Returns
    -------
    ndarray of float64, shape of ``log_ratio``

    Examples
    --------
    >>> threshold([0.0, 2.0], beta=1.0).round(4)
    array([0.5   , 0.8808])
    """
    strength = positive("beta", beta)
    ratio = number_array("log_ratio", log_ratio)
    # A product beyond floating point is infinite, and its threshold 0 or 1.
    with np.errstate(over="ignore"):
        return np.asarray(scipy.special.expit(strength * ratio))


@checked
def threshold_slope(log_ratio: ArrayLike, beta: float) -> Floats:
    """Derivative of the threshold in beta, c t (1 - t).

    Parameters
    ----------
    log_ratio, beta
        As for ``threshold``.

    Returns
    -------
    ndarray of float64, shape of ``log_ratio``
        Change of the threshold per unit of beta.

    Examples
    --------
    >>> threshold_slope([0.0, 2.0], beta=1.0).round(4)
    array([0.   , 0.21])
    """
    t = threshold(log_ratio, beta)
    return np.asarray(number_array("log_ratio", log_ratio) * t * (1.0 - t))


@checked
def largest_learnable_beta(log_ratio: ArrayLike, rate: ArrayLike) -> Floats:
    """Supremum of the betas at which an item of known rate is learnable: logit(rate) / c for c > 0.

    For c > 0 and rate <= 1/2 the item is learnable at no beta, and the result is 0. For c = 0 the threshold is
    1/2 at every beta; the result is ``inf`` if rate > 1/2 and 0 otherwise. For c < 0 the reference already prefers
    the output of label 1. Then the result is ``inf`` if rate >= 1/2, and ``nan`` if rate < 1/2, where the item is
    learnable only at large betas, so that the learnable set is not an interval from 0.

    Parameters
    ----------
    log_ratio : array_like
        Reference log-ratio c.
    rate : array_like
        True rate of label 1, from 0 to 1; broadcasts with ``log_ratio``.

    Returns
    -------
    ndarray of float64
        Betas, 0, ``inf`` or ``nan``, of the broadcast shape.

    Raises
    ------
    ValueError
        For a rate that is not between 0 and 1.

    Examples
    --------
    >>> largest_learnable_beta([2.0, -1.0], [0.9, 0.6]).round(4)
    array([1.0986,    inf])
    """
    require_one_order(log_ratio=log_ratio, rate=rate)
    c, alpha = np.broadcast_arrays(number_array("log_ratio", log_ratio), number_array("rate", rate))
    if not np.all((alpha >= 0) & (alpha <= 1)):
        raise ValueError("rate must lie between 0 and 1")
    agree = np.where((c < 0) & (alpha >= 0.5), np.inf, np.nan)
    # For a log-ratio near zero the division may overflow to infinity.
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        against = np.where(alpha > 0.5, scipy.special.logit(alpha) / np.abs(c), 0.0)
    return np.asarray(np.where(c >= 0, against, agree))
