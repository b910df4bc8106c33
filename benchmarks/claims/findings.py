"""Verdict on a claim from runs of policies: paired differences, case by case, and what they say together.

A *case* is one comparison that a claim makes: in one environment, at one number of labels an item, a difference in each
replication, positive where the claim is right. It is *for* or *against* the claim where a t-test of its mean rejects 0
after Holm's correction for all cases of the claim, and open else. The *effect* is the mean over sources of the mean
over the cases of each source; cases of one source share their draws, so that its error is taken between replications.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any

import numpy as np
import scipy

from ...posteriors.foundation.arrays import Floats
from ..studies.comparisons import holm

__all__ = ["FAILS", "HOLDS", "MIXED", "VACUOUS", "Case", "Finding", "judge"]

HOLDS, FAILS, VACUOUS, MIXED = "HOLDS", "FAILS", "VACUOUS", "MIXED"
# Significance of a case after correction, and confidence of intervals.
_LEVEL = 0.05
# Differences up to this are rounding.
_NOTHING = 1e-12


@dataclass(frozen=True, eq=False)
class Case:
    """A comparison.

    Attributes
    ----------
    name : str
        Environment, policy and labels an item.
    source : str
        Name of the source of the problem.
    items : int
    labels : float
        Labels an item.
    apart : ndarray, shape (R,)
        Difference in each replication, positive where the claim is right.
    cells : tuple of str
        Names of the cells of the study from which it comes, without their replications.
    """

    name: str
    source: str
    items: int
    labels: float
    apart: Floats
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Finding:
    """Verdict on a claim from the cases of one kind of source.

    Attributes
    ----------
    verdict : {"HOLDS", "FAILS", "VACUOUS", "MIXED"}
        VACUOUS: nothing differs in any case. HOLDS: the interval of the effect lies above 0, and no case is against the
        claim. FAILS: it lies below 0, or it holds 0 and no case is for the claim. MIXED: else.
    effect, low, high : float
        Effect and the ends of its 95 % interval; nan where there is none.
    supporting, opposing, cases : int
        Numbers of cases for the claim, against it, and in all.
    smallest : dict
        The first case that is not for the claim, by items, then labels: one that is against it, if there is any. Empty
        if the claim holds.
    table : list of dict
        Every case with its mean, interval and corrected p-value, and the cells from which it comes.
    """

    verdict: str
    effect: float
    low: float
    high: float
    supporting: int
    opposing: int
    cases: int
    smallest: dict[str, Any]
    table: list[dict[str, Any]]

    def as_dict(self) -> dict[str, Any]:
        """Contents as JSON holds them: without numbers that are not finite."""
        found = asdict(self)
        return {key: None if isinstance(x, float) and not np.isfinite(x) else x for key, x in found.items()}


def judge(cases: Sequence[Case], *, within: float | None = None, fixed: bool = False) -> Finding | None:
    """Judge a claim by its cases.

    Parameters
    ----------
    cases : sequence of Case
        All with the same number of replications.
    within : float, optional
        For a claim that two things are equal: for it are cases whose interval lies within this of 0; against it those
        whose mean does not, and differs from 0.
    fixed : bool
        True where a difference is a property of the source that no replication changes: its sign alone counts, and the
        interval is that of the mean over sources.

    Returns
    -------
    Finding or None
        None without cases.

    Examples
    --------
    >>> better = [Case("four", "drawn", 4, 1.0, np.array([0.1, 0.2, 0.15, 0.12]), ())]
    >>> found = judge(better)
    >>> found.verdict, round(found.effect, 4)
    ('HOLDS', 0.1425)
    """
    if not cases:
        return None
    ordered = sorted(cases, key=lambda x: (x.items, x.labels, x.name))
    apart = np.array([x.apart for x in ordered])
    mean = apart.mean(axis=1)
    half, p = _tests(apart, fixed)
    effect, width = _effect(ordered, mean, fixed)
    if within is None:
        sure = p <= _LEVEL
        right, wrong = sure & (mean > _NOTHING), sure & (mean < -_NOTHING)
        above, below = effect - width > 0.0, effect + width < 0.0
        if fixed and np.isnan(width):
            above, below = effect > _NOTHING, effect < -_NOTHING
    else:
        right = np.abs(mean) + half <= within
        wrong = (p <= _LEVEL) & (np.abs(mean) > within)
        above, below = abs(effect) + width <= within, abs(effect) - width > within
    verdict = MIXED
    if within is None and float(np.abs(apart).max()) <= _NOTHING:
        verdict = VACUOUS
    elif above and not wrong.any():
        verdict = HOLDS
    elif below or not (above or right.any()):
        verdict = FAILS
    table = [
        {
            "case": x.name,
            "mean": float(m),
            "low": float(m - h),
            "high": float(m + h),
            "p_holm": float(q),
            "cells": x.cells,
        }
        for x, m, h, q in zip(ordered, mean, half, p, strict=True)
    ]
    open_ = ~right & ~wrong
    first = next((np.flatnonzero(x)[0] for x in (wrong, open_) if x.any()), None)
    smallest = {} if verdict == HOLDS or first is None else table[int(first)]
    return Finding(
        verdict,
        effect,
        effect - width,
        effect + width,
        int(right.sum()),
        int(wrong.sum()),
        len(ordered),
        smallest,
        table,
    )


def _tests(apart: Floats, fixed: bool) -> tuple[Floats, Floats]:
    """Half the width of the interval of each mean, and its corrected p-value."""
    size = apart.shape[1]
    if fixed or size < 2:
        return np.zeros(len(apart)), np.where(np.abs(apart.mean(axis=1)) > _NOTHING, 0.0, 1.0) if fixed else np.full(
            len(apart), np.nan
        )
    error = apart.std(axis=1, ddof=1) / np.sqrt(size)
    same = error <= _NOTHING
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.abs(apart.mean(axis=1)) / error
    p = 2.0 * scipy.special.stdtr(size - 1, -ratio)
    # A difference that is the same in each replication is that of a sign test.
    p[same] = np.where(np.abs(apart[same].mean(axis=1)) > _NOTHING, 2.0 ** (1 - size), 1.0)
    return scipy.special.stdtrit(size - 1, 1.0 - _LEVEL / 2.0) * error, holm(p.tolist())


def _effect(cases: Sequence[Case], mean: Floats, fixed: bool) -> tuple[float, float]:
    """Mean over sources, and half the width of its interval."""
    order = sorted(range(len(cases)), key=lambda k: cases[k].source)
    centres, squares, size = [], [], len(cases[0].apart)
    for _, part in groupby(order, key=lambda k: cases[k].source):
        own = list(part)
        centres.append(mean[own].mean())
        together = np.mean([cases[k].apart for k in own], axis=0)
        squares.append(together.var(ddof=1) / size if size > 1 else np.nan)
    count = len(centres)
    if fixed:
        error, freedom = (np.std(centres, ddof=1) / np.sqrt(count) if count > 1 else np.nan), count - 1
    else:
        error, freedom = np.sqrt(np.sum(squares)) / count, size - 1
    width = scipy.special.stdtrit(freedom, 1.0 - _LEVEL / 2.0) * error if freedom > 0 else np.nan
    return float(np.mean(centres)), float(width)
