"""Paired comparisons of policies over the replications of a study, with intervals and Holm's correction.

All policies get the same draws in a replication, so their differences are taken pair by pair. The interval of a mean
difference is a bootstrap one (BCa; Efron 1987), its p-value that of the permutation test that exchanges the two
policies within pairs: exact for few pairs, else of 9,999 permutations. Where several policies are compared with one
reference, p-values are corrected by Holm (1979).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy

from ...posteriors.foundation.arrays import Floats
from ...posteriors.foundation.tolerances import ROUNDING

__all__ = ["Difference", "holm", "paired"]

_LEVEL = 0.95
_RESAMPLES = 9999
# SciPy takes statistics within 2e-14 of their size for equal.
_BESIDE = 40.0


class Difference(NamedTuple):
    """Mean difference of two policies.

    Attributes
    ----------
    mean, low, high : float
        Mean of the differences, and the ends of its 95 % interval.
    p : float
        Probability of a difference that is as large in size where the two are exchangeable.
    pairs : int
    """

    mean: float
    low: float
    high: float
    p: float
    pairs: int


def paired(one: Floats, other: Floats, seed: int) -> Difference:
    """Paired difference of two policies.

    Parameters
    ----------
    one, other : ndarray, shape (R,)
        Values of a metric in the same replications.
    seed : int
        Of the bootstrap and of the permutations.

    Returns
    -------
    Difference
        With one pair, or none, the interval and the p-value are nan.

    Examples
    --------
    >>> found = paired(np.array([1.0, 2.0, 4.0, 3.0]), np.array([0.0, 1.5, 3.0, 1.0]), seed=7)
    >>> found.mean, found.p
    (1.125, 0.125)
    """
    one, other = (np.asarray(x, dtype=np.float64) for x in (one, other))
    scale = max(np.abs(one).max(initial=0.0), np.abs(other).max(initial=0.0))
    apart = one - other
    # What is smaller than the rounding of the numbers is no difference.
    apart = np.where(np.abs(apart) <= ROUNDING * scale, 0.0, apart)
    mean = float(apart.mean()) if apart.size else np.nan
    mean = 0.0 if abs(mean) <= ROUNDING * scale else mean
    if apart.size < 2:
        return Difference(mean, np.nan, np.nan, np.nan, apart.size)
    if np.ptp(apart) <= ROUNDING * scale:
        # Equal in every pair: nothing varies.
        return Difference(mean, mean, mean, 1.0 if mean == 0.0 else 2.0 ** (1 - apart.size), apart.size)
    interval = scipy.stats.bootstrap(
        (apart,),
        np.mean,
        confidence_level=_LEVEL,
        n_resamples=_RESAMPLES,
        rng=np.random.default_rng(seed),
        method="BCa",
    ).confidence_interval
    # Means are compared up to a share of the statistic: beside a constant, up to the rounding of the numbers.
    beside = _BESIDE * scale
    test = scipy.stats.permutation_test(
        (apart,),
        lambda x, axis: np.abs(np.mean(x, axis=axis)) + beside,
        permutation_type="samples",
        n_resamples=_RESAMPLES,
        alternative="greater",
        rng=np.random.default_rng(seed),
    )
    return Difference(mean, float(interval.low), float(interval.high), float(test.pvalue), apart.size)


def holm(p: Sequence[float]) -> Floats:
    """P-values corrected for their number (Holm 1979); nan stays nan and does not count.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.06, 0.06]
    """
    given = np.asarray(p, dtype=np.float64)
    out, known = np.full(given.shape, np.nan), np.flatnonzero(~np.isnan(given))
    order = known[np.argsort(given[known], kind="stable")]
    steps = given[order] * np.arange(len(order), 0, -1)
    out[order] = np.minimum(1.0, np.maximum.accumulate(steps)) if len(order) else steps
    return out
