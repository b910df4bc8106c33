r"""Claims about the value and the allocation of labels as thresholds move (Lemma 2026, section 8).

One label of an item of weight v lowers the variance of 1{alpha > t} by v D^2 / (a b) on average, D = t^a (1-t)^b / B(a,
b), which as a function of t peaks at the mean a / (a + b). The knowledge gradient under accuracy is

    v max(0, 2 D / s - |2p - 1| x),   x = b / s where p > 1/2, a / s where p < 1/2,   s = a + b,

which has its kink where p = 1/2, at the *median*, and is larger there than at the mean unless the two are equal.

The paper says that labels are worth most where z = (t - mean) / sd "is near 0"; the test is of z = 0, and the verdict
states how near 0 the best z is in the cases searched.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import scipy

from ...posteriors.beliefs.tails import tail
from ...posteriors.foundation.arrays import Floats
from .small_cases import BETAS, MULTIPLES, SURE, Claim, Item, gain, judged, priors, tail_of, threshold_at, two_items

__all__ = ["label_claims"]

# Thresholds in sixtieths hold the mean of every Beta(a, b) with a + b up to 6.
_PARTS = 60
_LABELS = (1, 2, 3, 4)
_WEIGHTS = (1.5, 2.0)
_SAME = "labels from 1 to 4, the same Beta(a, b) with a + b up to 4, "


def label_claims() -> Iterator[Claim]:
    """Claims d, e, f and g."""
    yield from _at_the_mean()
    yield from _shifts()
    yield from _dear()
    yield from _temperature()


def _at_the_mean() -> Iterator[Claim]:
    order = "Beta(a, b) with a + b up to 6, thresholds in sixtieths"
    pairs = [{"a": a, "b": b} for a, b in priors(6)]
    yield judged(
        "d1",
        "the variance that a label removes, v D^2/(ab), is largest where the threshold is at the mean",
        order,
        pairs,
        _variance_peaks,
        "log D = a log t + b log(1-t) + constant peaks at t = a/(a+b)",
    )
    for key, what, counts, cases in (
        ("d2", "knowledge gradient", (1,), order),
        ("d3", "gain of two or more labels", (2, 3, 4), f"labels 2, 3, 4, then {order}"),
    ):
        searched = [pair | {"labels": k} for k in counts for pair in pairs]
        claim = judged(
            key,
            f"the {what} under accuracy is largest where the threshold is at the mean",
            cases,
            searched,
            _gain_peaks,
            "",
        )
        farthest = max(_best_z(**case) for case in searched)
        near = f"in all cases the best threshold is within {farthest:.4f} standard deviations of the mean"
        yield replace(claim, detail=f"{claim.detail}; {near}")


def _variance_peaks(a: int, b: int) -> str | None:
    t = np.arange(1, _PARTS) / _PARTS
    drop = np.exp(2.0 * (a * np.log(t) + b * np.log1p(-t) - scipy.special.betaln(a, b))) / (a * b)
    mean = a * _PARTS // (a + b) - 1
    return None if drop[mean] >= drop.max() - SURE else f"largest at t = {t[np.argmax(drop)]:g}"


def _gains(a: int, b: int, labels: int) -> Floats:
    """Gains at all thresholds of the grid."""
    return np.array([gain(Item(a, b, k / _PARTS), labels) for k in range(1, _PARTS)])


def _best_z(a: int, b: int, labels: int) -> float:
    """Distance of the best threshold from the mean, in standard deviations; the smallest if several are best."""
    gains = _gains(a, b, labels)
    best = (np.flatnonzero(gains >= gains.max() - SURE) + 1) / _PARTS
    spread = np.sqrt(a * b / (a + b + 1)) / (a + b)
    return float(np.abs(best - a / (a + b)).min() / spread)


def _gain_peaks(a: int, b: int, labels: int) -> str | None:
    gains = _gains(a, b, labels)
    mean, best = a * _PARTS // (a + b) - 1, int(np.argmax(gains))
    if gains[mean] >= gains[best] - SURE:
        return None
    return f"{gains[mean]:.6f} at the mean {Fraction(a, a + b)}, {gains[best]:.6f} at t = {Fraction(best + 1, _PARTS)}"


def _shifts() -> Iterator[Claim]:
    betas = list(itertools.combinations(BETAS, 2))
    yield judged(
        "e1",
        "of two items that differ in weight alone, a larger beta moves labels to the larger weight (c > 0)",
        _SAME + "c = m log(3/2) with m = 1, 2, 3, weights 1.5 or 2 against 1, then two of the betas 1, 2, 3",
        (
            {"labels": k, "a": a, "b": b, "m": (m, m), "weight": (v, 1.0), "betas": pair}
            for k, (a, b), m, v, pair in itertools.product(_LABELS, priors(4), MULTIPLES, _WEIGHTS, betas)
        ),
        _moves_away,
        "",
    )
    yield judged(
        "e2",
        "of two items that differ in c alone, a larger beta moves labels to the larger c > 0",
        _SAME + "m = (2, 1), (3, 1), (3, 2), then two of the betas 1, 2, 3",
        (
            {"labels": k, "a": a, "b": b, "m": m, "weight": (1.0, 1.0), "betas": pair}
            for k, (a, b), m, pair in itertools.product(_LABELS, priors(4), ((2, 1), (3, 1), (3, 2)), betas)
        ),
        _moves_away,
        "",
    )
    yield judged(
        "e3",
        "of two items, a larger beta moves labels to the one with larger weight and larger c > 0",
        _SAME + "m = (2, 1), (3, 1), (3, 2), weights 1.5 or 2 against 1, then two of the betas 1, 2, 3",
        (
            {"labels": k, "a": a, "b": b, "m": m, "weight": (v, 1.0), "betas": pair}
            for k, (a, b), m, v, pair in itertools.product(
                _LABELS, priors(4), ((2, 1), (3, 1), (3, 2)), _WEIGHTS, betas
            )
        ),
        _moves_away,
        "",
    )


def _bought(
    labels: int, a: int, b: int, m: tuple[int, int], weight: tuple[float, float], beta: int
) -> tuple[float, float]:
    """Least and most labels of the first item under optimal policies."""
    one, two = (Item(a, b, threshold_at(x, beta), v) for x, v in zip(m, weight, strict=True))
    return two_items(one, two, labels)[1:]


def _moves_away(
    labels: int, a: int, b: int, m: tuple[int, int], weight: tuple[float, float], betas: tuple[int, int]
) -> str | None:
    before, after = (_bought(labels, a, b, m, weight, beta) for beta in betas)
    # However ties are broken.
    if after[1] < before[0] - SURE:
        return f"labels of the first item: {_between(before)} at beta {betas[0]}, {_between(after)} at beta {betas[1]}"
    return None


def _between(x: tuple[float, float]) -> str:
    return f"{x[0]:.6g}" if x[1] - x[0] < SURE else f"{x[0]:.6g} to {x[1]:.6g}"


def _dear() -> Iterator[Claim]:
    yield judged(
        "f1",
        "the least number of labels, all wins, that makes an item be declared learnable does not fall with t",
        "Beta(a, b) with a + b up to 6, then neighbouring thresholds in sixtieths",
        ({"a": a, "b": b, "k": k} for (a, b), k in itertools.product(priors(6), range(1, _PARTS - 1))),
        _least_rises,
        "after n wins P(alpha > t) falls with t, so where n wins are enough at a larger t they are at a smaller one",
    )
    grid = ((a, b, m) for (a, b), m in itertools.product(priors(4), MULTIPLES))
    yield judged(
        "f2",
        "the gain of labels on one item with c > 0 moves one way with beta",
        "labels from 1 to 4, Beta(a, b) with a + b up to 4, m = 1, 2, 3, betas 1, 2, 3",
        [{"labels": k, "a": a, "b": b, "m": m} for k, (a, b, m) in itertools.product(_LABELS, list(grid))],
        _gain_turns,
        "",
    )
    yield judged(
        "f3",
        "the labels that an item with c > 0 gets beside one with c = 0 move one way with beta",
        "labels from 1 to 4, the same Beta(a, b) with a + b up to 4, m = 1, 2, 3, betas 1, 2, 3",
        [{"labels": k, "a": a, "b": b, "m": m} for k, (a, b), m in itertools.product(_LABELS, priors(4), MULTIPLES)],
        _labels_turn,
        "",
    )


def _least(a: int, b: int, t: float) -> int:
    return next(n for n in itertools.count() if tail(a + n, b, t) > 0.5 + SURE)


def _least_rises(a: int, b: int, k: int) -> str | None:
    low, high = (_least(a, b, x / _PARTS) for x in (k, k + 1))
    return f"{low} labels at t = {k}/60, {high} at t = {k + 1}/60" if high < low else None


def _gain_turns(labels: int, a: int, b: int, m: int) -> str | None:
    gains = [gain(Item(a, b, threshold_at(m, beta)), labels) for beta in BETAS]
    change = np.diff(gains)
    if change.max() > SURE and change.min() < -SURE:
        return "gains " + ", ".join(f"{x:.6f} at beta {beta}" for x, beta in zip(gains, BETAS, strict=True))
    return None


def _labels_turn(labels: int, a: int, b: int, m: int) -> str | None:
    found = [_bought(labels, a, b, (m, 0), (1.0, 1.0), beta) for beta in BETAS]
    up = any(y[0] > x[1] + SURE for x, y in itertools.pairwise(found))
    down = any(y[1] < x[0] - SURE for x, y in itertools.pairwise(found))
    if up and down:
        return "labels " + ", ".join(f"{_between(x)} at beta {beta}" for x, beta in zip(found, BETAS, strict=True))
    return None


def _temperature() -> Iterator[Claim]:
    order = "Beta(a, b) with a + b up to 4, c = m log(3/2) with m = 2, 4, 6, temperature from 1 to 2, beta = 1"
    cases: list[dict[str, Any]] = [{"a": a, "b": b, "m": m} for (a, b), m in itertools.product(priors(4), (2, 4, 6))]
    yield judged(
        "g1",
        "a larger temperature raises P(alpha > t) where c > 0",
        order,
        cases,
        _cooler_is_lower,
        "the threshold falls",
    )
    yield judged(
        "g2",
        "a larger temperature raises the gain of labels where c > 0",
        "labels from 1 to 4, " + order,
        [case | {"labels": k} for k in _LABELS for case in cases],
        _cooler_gains_less,
        "",
    )


def _cooler_is_lower(a: int, b: int, m: int) -> str | None:
    before, after = (tail_of(Item(a, b, threshold_at(k, 1))) for k in (m, m // 2))
    return None if after > before else f"{before:.6f} at temperature 1, {after:.6f} at 2"


def _cooler_gains_less(a: int, b: int, m: int, labels: int) -> str | None:
    before, after = (gain(Item(a, b, threshold_at(k, 1)), labels) for k in (m, m // 2))
    return f"{before:.6f} at temperature 1, {after:.6f} at 2" if after < before - SURE else None
