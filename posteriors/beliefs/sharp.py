r"""Beta beliefs with extreme parameters or thresholds, and thresholds that keep their log-odds.

The formulas of ``tails`` are fast, and exact to about 1e-13, for ordinary states. They lose digits where labels are
lost beside a parameter or a parameter beside labels, and a threshold sigma(beta c) rounds to 1 from beta c = 37 on.
``lossy`` says where; there ``kernels.sharp`` takes their place. Parameters may be from 1e-300 to 1e300 and log-odds of
thresholds up to 1e4 in size.
"""

from __future__ import annotations

import decimal
from functools import lru_cache

import numpy as np
import scipy
from numpy.typing import ArrayLike

from ..foundation.arrays import Bools, Floats
from ..foundation.refusals import number
from ..kernels import sharp as _kernels
from . import tails

__all__ = [
    "MOST_LOG_ODDS",
    "PARAMETERS",
    "Bar",
    "bar_words",
    "beta_at",
    "log_weights",
    "lossy",
    "lossy_rows",
    "parameter",
    "rule",
    "words",
]

# Smallest and largest parameter of a Beta, and largest log-odds of a threshold in size.
PARAMETERS = (1e-300, 1e300)
MOST_LOG_ODDS = 1e4
# Below this sum of parameters and labels the rounding of the ordinary formulas stays below 1e-12.
_MOST = 3e5
# Thresholds outside these lose digits when they are rounded to floats, or in the incomplete beta function.
_LOW, _HIGH = 1e-10, 0.999
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(16)
rule = ((1.0 + _NODES) / 2.0, _WEIGHTS / 2.0)


class Bar(float):
    """Threshold that keeps its log-odds: a float, rounded to 0 or 1 where these are large, with ``log_odds`` beside it.

    Parameters
    ----------
    log_odds : float
        Log-odds of the threshold, at most 1e4 in size.

    Examples
    --------
    >>> Bar(300.0), Bar(300.0).log_odds
    (1.0, 300.0)
    """

    log_odds: float

    def __new__(cls, log_odds: float) -> Bar:
        """Threshold of given log-odds."""
        x = number("log_odds", log_odds, lambda x: abs(x) <= MOST_LOG_ODDS, f"at most {MOST_LOG_ODDS:g} in size")
        bar = super().__new__(cls, scipy.special.expit(x))
        bar.log_odds = x
        return bar

    def __reduce__(self) -> tuple[type[Bar], tuple[float]]:
        """Pickle by the log-odds."""
        return type(self), (self.log_odds,)


def parameter(field: str, value: object) -> float:
    """Return a parameter of a Beta distribution as a float within the range that can be computed with."""
    x = number(field, value, lambda x: 0 < x < np.inf, "positive and finite")
    low, high = PARAMETERS
    return number(field, x, lambda x: low <= x <= high, f"from {low:g} to {high:g}")


def lossy(a: ArrayLike, b: ArrayLike, labels: ArrayLike, threshold: ArrayLike, log_odds: ArrayLike = np.nan) -> Bools:
    """Mask of the states that need the arithmetic of ``kernels.sharp``, elementwise; for ``tables`` see ``lossy_rows``.

    ``a`` and ``b`` are the parameters before any label; ``log_odds`` is NaN where the threshold itself was stated.
    """
    x, y, n, t = (np.asarray(v, dtype=np.float64) for v in (a, b, labels, threshold))
    small, large = np.minimum(x, y), np.maximum(x, y)
    rounded = (t > _HIGH) & ~np.isnan(log_odds)
    return np.asarray((large + n > _MOST) | (small < 1e-100) | (t < _LOW) | rounded)


def lossy_rows(b: ArrayLike, n_max: int) -> Bools:
    """Mask of the b that are lost when labels are added and taken off again, as along the rows of a table."""
    y = np.asarray(b, dtype=np.float64)
    return np.asarray(np.abs(y + n_max - n_max - y) > 1e-13 * y)


# As many distinct thresholds as the items of a large problem have: each takes about 0.1 ms, at every look at its state.
@lru_cache(maxsize=1 << 18)
def words(threshold: float, log_odds: float) -> tuple[float, ...]:
    """Threshold t and 1 - t, the low words of both, the log-odds, log t and log(1 - t), as the kernels take them.

    ``log_odds`` is NaN where t itself was stated; then t is exact, and otherwise the log-odds are.
    """
    if np.isnan(log_odds):
        t, u = threshold, 1.0 - threshold
        high, low = float(np.log(t)), float(np.log1p(-t))
        return t, u, 0.0, (1.0 - u) - t, high - low, high, low
    with decimal.localcontext(prec=60, Emin=-(10**6), Emax=10**6):
        odds = decimal.Decimal(log_odds).exp()
        parts = odds / (1 + odds), 1 / (1 + odds)
        high_words = [float(x) for x in parts]
        low_words = [float(x - decimal.Decimal(y)) for x, y in zip(parts, high_words, strict=True)]
        logs = [float(x.ln()) for x in parts]
    return (*high_words, *low_words, log_odds, *logs)


def bar_words(threshold: Floats, log_odds: Floats) -> Floats:
    """Words of flat arrays of thresholds, shape (size, 7)."""
    pairs = np.column_stack([threshold, log_odds])
    distinct, which = np.unique(pairs, axis=0, return_inverse=True)
    return np.array([words(t, x) for t, x in distinct.tolist()]).reshape(-1, 7)[which.reshape(-1)]


def beta_at(
    a: ArrayLike,
    b: ArrayLike,
    labels: ArrayLike,
    wins: ArrayLike,
    threshold: ArrayLike,
    log_odds: ArrayLike = np.nan,
) -> tuple[Floats, Floats, Floats]:
    """Mean, tail and jump of Beta beliefs after some labels, elementwise.

    Parameters
    ----------
    a, b : array_like
        Parameters before any label.
    labels, wins : array_like
        Labels and wins among them.
    threshold, log_odds : array_like
        Thresholds, and their log-odds where these were stated, else NaN. All arguments broadcast together.

    Returns
    -------
    mean, tail, jump : ndarray

    Examples
    --------
    >>> [float(x) for x in beta_at(1, 1, 2, 1, 1.0, log_odds=40.0)]
    [0.5, 5.414...e-35, 1.082...e-34]
    """
    x, y, n, w, t, z = (
        np.array(v, dtype=np.float64) for v in np.broadcast_arrays(a, b, labels, wins, threshold, log_odds)
    )
    care = lossy(x, y, n, t, z)
    if not care.any():
        x, y = x + w, y + (n - w)
        return x / (x + y), tails.tail(x, y, t), tails.jump(x, y, t)
    parts = np.empty((3, *x.shape))
    plain = ~care
    if plain.any():
        parts[:, plain] = beta_at(x[plain], y[plain], n[plain], w[plain], t[plain])
    found = np.empty((3, int(care.sum())))
    bars = bar_words(t[care], z[care])
    _kernels.states(x[care], y[care], w[care], n[care] - w[care], bars, *rule, *found)
    parts[:, care] = found
    return parts[0], parts[1], parts[2]


def log_weights(a: float, b: float, labels: ArrayLike, wins: ArrayLike) -> Floats:
    """Log-probability of labels in a given order under Beta(a, b), less that at the rate (w + 1/2) / (n + 1)."""
    n, w = (np.array(x, dtype=np.float64) for x in np.broadcast_arrays(labels, wins))
    out = np.empty(n.size)
    _kernels.log_probabilities(a, b, n.reshape(-1), w.reshape(-1), out)
    return out.reshape(n.shape)
