"""Verdict on a claim that one property of the sources goes with a gain: rank correlations over the sources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import scipy

from ...posteriors.foundation.arrays import Floats, Ints
from ..studies.comparisons import holm
from .findings import FAILS, HOLDS, MIXED, Case, Finding

__all__ = ["judge_ranks", "weighted_rank_correlations"]

_LEVEL = 0.05
_RESAMPLES, _SEED = 9_999, 7
# With fewer sources a correlation says nothing.
_LEAST = 5


def judge_ranks(groups: Mapping[str, tuple[Sequence[Case], Sequence[float]]]) -> Finding | None:
    """Judge whether gains rise with a property of the sources.

    Parameters
    ----------
    groups : mapping
        For each case its name, the gain in each environment, and the property of each.

    Returns
    -------
    Finding or None
        A case is a correlation (Spearman), for or against the claim by its corrected p-value. The effect is their mean;
        its interval is of the bootstrap over the sources (percentiles). None with fewer than five environments.

    Examples
    --------
    >>> gains = [Case(f"x{k}", f"x{k}", 4, 1.0, np.array([0.1 * k]), (f"x{k} | kg",)) for k in range(6)]
    >>> found = judge_ranks({"one label": (gains, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0])})
    >>> found.verdict, found.effect
    ('HOLDS', 1.0)
    """
    used = {name: (cases, np.array(x)) for name, (cases, x) in groups.items() if len(cases) >= _LEAST}
    used = {name: (cases, x) for name, (cases, x) in used.items() if np.ptp(x) > 0.0}
    if not used:
        return None
    gains = {name: np.array([case.apart.mean() for case in cases]) for name, (cases, _) in used.items()}
    found = {name: scipy.stats.spearmanr(x, gains[name]) for name, (_, x) in used.items()}
    rho = np.array([float(x.statistic) for x in found.values()])
    p = holm([float(x.pvalue) for x in found.values()])
    sources = sorted({case.source for cases, _ in used.values() for case in cases})
    rng = np.random.default_rng(_SEED)
    places = {source: k for k, source in enumerate(sources)}
    times = rng.multinomial(len(sources), np.full(len(sources), 1.0 / len(sources)), size=_RESAMPLES)
    drawn = np.array(
        [
            weighted_rank_correlations(x, gains[name], times[:, [places[case.source] for case in cases]])
            for name, (cases, x) in used.items()
        ]
    )
    means = [x[~np.isnan(x)].mean() for x in drawn.T if not np.isnan(x).all()] or [np.nan]
    low, high = (float(x) for x in np.quantile(means, [_LEVEL / 2.0, 1.0 - _LEVEL / 2.0]))
    right, wrong = (p <= _LEVEL) & (rho > 0.0), (p <= _LEVEL) & (rho < 0.0)
    effect = float(np.nanmean(rho))
    verdict = MIXED
    if low > 0.0 and not wrong.any():
        verdict = HOLDS
    elif high < 0.0 or not (low > 0.0 or right.any()):
        verdict = FAILS
    table = [
        {"case": name, "mean": float(r), "low": None, "high": None, "p_holm": float(q), "cells": _cells(used[name][0])}
        for name, r, q in zip(used, rho, p, strict=True)
    ]
    first = next((np.flatnonzero(x)[0] for x in (wrong, ~right) if x.any()), None)
    smallest = {} if verdict == HOLDS or first is None else table[int(first)]
    return Finding(verdict, effect, low, high, int(right.sum()), int(wrong.sum()), len(table), smallest, table)


def _cells(cases: Sequence[Case]) -> list[str]:
    return [cell for case in cases for cell in case.cells]


def weighted_rank_correlations(x: Floats, y: Floats, times: Ints) -> Floats:
    """Spearman correlations of samples in which each pair stands a number of times.

    Parameters
    ----------
    x, y : ndarray of shape (n,)
    times : ndarray of int, shape (samples, n)

    Returns
    -------
    ndarray of shape (samples,)
        NaN for a sample in which one of the two does not vary.

    Examples
    --------
    >>> x, y = np.array([1.0, 2.0, 3.0]), np.array([0.3, 0.1, 0.1])
    >>> weighted_rank_correlations(x, y, np.array([[1, 1, 1], [0, 2, 1]])).round(3)
    array([-0.866,    nan])
    """
    one, other = (_ranks(v, times) for v in (x, y))
    size = np.maximum(times.sum(axis=1, keepdims=True), 1)
    one, other = (v - (times * v).sum(axis=1, keepdims=True) / size for v in (one, other))
    square = (times * one**2).sum(axis=1) * (times * other**2).sum(axis=1)
    product = (times * one * other).sum(axis=1)
    out = np.full(len(times), np.nan)
    np.divide(product, np.sqrt(square), out=out, where=square > 0.0)
    return out


def _ranks(x: Floats, times: Ints) -> Floats:
    """Ranks of values that stand a number of times each, ties in the middle of their ranks, for each sample."""
    distinct, place = np.unique(x, return_inverse=True)
    ties = np.zeros((len(times), distinct.size))
    for k, value in enumerate(place):
        ties[:, value] += times[:, k]
    return np.asarray((np.cumsum(ties, axis=1) - (ties - 1.0) / 2.0)[:, place])
