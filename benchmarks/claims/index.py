r"""Claims about the audit index and the value of a label (Lemma 2026, section 5).

With p = P(alpha > t) under Beta(a, b), s = a + b, mu = a / s and D = t^a (1-t)^b / B(a, b), a win makes p into
p + D / a and a loss into p - D / b, so mu p+ + (1 - mu) p- = p: under the linear payoff v p every label is worth 0.
Under accuracy, v max(p, 1-p), the value of a label is the knowledge gradient,

    KG(t) = v max(0, 2 D / s - |2p - 1| x),   x = b / s where p > 1/2, a / s where p < 1/2.

Since dD/dt = D (a - s t) / (t (1-t)) and dp/dt = -D / (t (1-t)), where it is positive its slope is

    2 v D / t  where p > 1/2  (t below the median),      -2 v D / (1-t)  where p < 1/2  (t above the median),

so it is largest where the threshold is the *median*, which is within one standard deviation of the mean. Any number of
labels is worth at most v min(p, 1-p), because accuracy cannot exceed v.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import scipy

from ...posteriors.beliefs.tails import tail
from ...posteriors.foundation.arrays import Floats
from ...posteriors.utilities import Accuracy, Utility, Variance
from .small_cases import (
    KINDS_SEARCHED,
    SURE,
    Claim,
    Kind,
    case_text,
    gain,
    item_of,
    judged,
    kinds,
    one_step,
    priors,
    smallest,
    tables,
    tail_of,
    threshold_at,
    vacuous,
    with_detail,
)

__all__ = ["index_claims"]

_PARTS = 60
_WIDE = "Beta(a, b) with a + b up to 12"
_NEAR = 0.01
_MODERATE = range(10, 41)
_MULTIPLES = (0, 1, 2, 3, 4)


def index_claims() -> Iterator[Claim]:
    """Claims of section 5."""
    yield _linear()
    yield judged(
        "5b",
        "the audit index v p (1-p) is largest at p = 1/2",
        "weights 1 and 2, then p in hundredths",
        ({"weight": v, "p": k / 100} for v, k in itertools.product((1.0, 2.0), range(101))),
        _above_half,
        "p (1-p) = 1/4 - (p - 1/2)^2",
        section=5,
    )
    yield _pushed()
    yield from _normal()
    yield _within_a_deviation()
    yield _bounded()
    yield from _ranks()


def _drift(item: Kind) -> float:
    """Eq. 24 with weight 1, each tail from the incomplete beta function."""
    a, b, m = item
    t, mu = threshold_at(m, 1), a / (a + b)
    won, lost, now = (float(tail(*x, t)) for x in ((a + 1, b), (a, b + 1), (a, b)))
    return mu * won + (1.0 - mu) * lost - now


def _linear() -> Claim:
    cases: list[dict[str, Any]] = [{"item": (a, b, m)} for (a, b), m in itertools.product(priors(12), _MULTIPLES)]
    claim = judged(
        "5a",
        "the marginal value of a label under the linear surrogate v p (eq. 24) is largest where the posterior "
        "straddles the threshold",
        f"{_WIDE}, m from 0 to 4; a case fails if eq. 24 is not 0",
        cases,
        _drifts,
        "eq. 24 is 0 in every state, because p is a martingale: a win adds D/a with probability a/s and a loss takes "
        "D/b with probability b/s",
        section=5,
    )
    # The exact size of rounding differs between machines.
    size = max(abs(_drift(**case)) for case in cases)
    return vacuous(with_detail(claim, f"largest size computed: below 1e{math.ceil(math.log10(max(size, 1e-15)))}"))


def _drifts(item: Kind) -> str | None:
    moved = _drift(item)
    return f"eq. 24 is {moved:.6f}" if abs(moved) > SURE else None


def _above_half(weight: float, p: float) -> str | None:
    at_p, at_half = -weight * Variance()(np.array([p, 0.5]))
    return f"{at_p:.6f} at p, {at_half:.6f} at 1/2" if at_p > at_half + SURE else None


def _pushed() -> Claim:
    cases = (
        {"item": kind, "labels": n, "wins": w}
        for n in range(1, 7)
        for kind in kinds()
        for w in range(n + 1)
        # A rate equal to the threshold is on neither side.
        if abs(w / n - threshold_at(kind[2], 1)) > SURE
    )
    claim = judged(
        "5c",
        "twice as many labels at the same rate of wins raise p if the rate is above t and lower it if it is below",
        f"labels from 1 to 6; {KINDS_SEARCHED}; wins",
        cases,
        _pulled_back,
        "",
        section=5,
    )
    return with_detail(
        claim, "from some number of labels on it is true, since the posterior concentrates at the rate of wins"
    )


def _pulled_back(item: Kind, labels: int, wins: int) -> str | None:
    a, b, m = item
    t = threshold_at(m, 1)
    once, twice = (float(tail(a + k * wins, b + k * (labels - wins), t)) for k in (1, 2))
    above = wins / labels > t
    if (twice < once - SURE) if above else (twice > once + SURE):
        side = "above" if above else "below"
        return (
            f"the rate {wins / labels:.6g} is {side} t = {t:.6g}, but p goes from {once:.6f} after {wins} of {labels} "
            f"to {twice:.6f} after {2 * wins} of {2 * labels}"
        )
    return None


def _normal_tail(a: Floats, b: Floats, t: Floats) -> Floats:
    """1 - Phi((t - m) / s)."""
    m = a / (a + b)
    found: Floats = scipy.special.ndtr((m - t) / np.sqrt(m * (1.0 - m) / (a + b + 1.0)))
    return found


def _normal() -> Iterator[Claim]:
    cases: list[dict[str, Any]] = [
        {"item": kind, "labels": n, "wins": w} for n in _MODERATE for kind in kinds() for w in range(n + 1)
    ]
    order = f"labels from 10 to 40; {KINDS_SEARCHED}; wins"
    near = judged(
        "5d1",
        f"for moderate n the normal approximation of p is within {_NEAR:g} of p",
        order,
        cases,
        _far,
        "",
        section=5,
    )
    worst = ", ".join(f"{_largest_error(n):.4f} after {n} labels" for n in (10, 20, 40))
    yield with_detail(near, f"largest error {worst}")
    yield judged(
        "5d2",
        "for moderate n the normal approximation of p is on the side of 1/2 that p is on",
        order,
        cases,
        _other_side,
        "",
        section=5,
    )


def _both(item: Kind, labels: int, wins: int) -> tuple[float, float]:
    """p, and its normal approximation."""
    a, b, m = item
    one, zero, t = (np.array(x, dtype=np.float64) for x in (a + wins, b + labels - wins, threshold_at(m, 1)))
    return float(tail(one, zero, t)), float(_normal_tail(one, zero, t))


def _largest_error(labels: int) -> float:
    a, b, t = (
        np.array(x, dtype=np.float64)
        for x in zip(
            *((a + w, b + labels - w, threshold_at(m, 1)) for a, b, m in kinds() for w in range(labels + 1)),
            strict=True,
        )
    )
    return float(np.abs(_normal_tail(a, b, t) - tail(a, b, t)).max())


def _far(item: Kind, labels: int, wins: int) -> str | None:
    p, normal = _both(item, labels, wins)
    return f"p is {p:.6f}, its approximation {normal:.6f}" if abs(p - normal) > _NEAR else None


def _other_side(item: Kind, labels: int, wins: int) -> str | None:
    p, normal = _both(item, labels, wins)
    if min(abs(p - 0.5), abs(normal - 0.5)) > SURE and (p > 0.5) != (normal > 0.5):
        return f"p is {p:.6f}, its approximation {normal:.6f}"
    return None


def _first_label(a: int, b: int, t: Floats) -> Floats:
    """Knowledge gradient under accuracy for weight 1."""
    h, mu = Accuracy(), a / (a + b)
    found: Floats = mu * h(tail(a + 1, b, t)) + (1.0 - mu) * h(tail(a, b + 1, t)) - h(tail(a, b, t))
    return found


def _best_distance(a: int, b: int) -> float:
    """Distance of the best threshold from the mean, in standard deviations; the largest if several are best."""
    t: Floats = np.append(np.arange(1, _PARTS) / _PARTS, float(scipy.special.betaincinv(a, b, 0.5)))
    gains = _first_label(a, b, t)
    best = t[gains >= gains.max() - SURE]
    return float(np.abs(best - a / (a + b)).max() * (a + b) / math.sqrt(a * b / (a + b + 1)))


def _within_a_deviation() -> Claim:
    cases: list[dict[str, Any]] = [{"a": a, "b": b} for a, b in priors(12)]
    claim = judged(
        "5e",
        "a single label is worth most (knowledge gradient under accuracy) where the threshold lies within one "
        "posterior standard deviation of the mean",
        f"{_WIDE}, each over thresholds in sixtieths and the median",
        cases,
        _beyond,
        "the knowledge gradient rises with t below the median and falls above it, and a median is within one standard "
        "deviation of the mean",
        section=5,
    )
    least, case = smallest(cases, lambda a, b: -_best_distance(a, b))
    return with_detail(claim, f"farthest in these cases: {-least:.4f} standard deviations, for {case_text(case)}")


def _beyond(a: int, b: int) -> str | None:
    distance = _best_distance(a, b)
    return f"the best threshold is {distance:.6f} standard deviations away" if distance > 1.0 else None


def _bounded() -> Claim:
    cases: list[dict[str, Any]] = [
        {"item": kind, "labels": k, "weight": v} for k, kind, v in itertools.product((1, 2, 3, 4), kinds(), (1.0, 2.0))
    ]
    claim = judged(
        "5f",
        "where p is near 0 or 1 labels are worth little: under accuracy at most v min(p, 1-p)",
        f"labels from 1 to 4; {KINDS_SEARCHED}; weights 1 and 2",
        cases,
        _beyond_all_knowledge,
        "accuracy is at most v, and v max(p, 1-p) without labels",
        section=5,
    )
    most, case = smallest(cases, lambda **case: -_share_of_bound(**case))
    return with_detail(claim, f"largest share of the bound: {-most:.4f}, for {case_text(case)}")


def _share_of_bound(item: Kind, labels: int, weight: float) -> float:
    p = tail_of(item_of(item))
    return gain(item_of(item, weight), labels) / (weight * min(p, 1.0 - p))


def _beyond_all_knowledge(item: Kind, labels: int, weight: float) -> str | None:
    share = _share_of_bound(item, labels, weight)
    return f"{share:.6f} of the bound" if share > 1.0 + SURE else None


def _ranks() -> Iterator[Claim]:
    cases: list[dict[str, Any]] = [{"items": x} for x in itertools.combinations(kinds(), 2)]
    for key, utility, what in (
        ("5g1", Accuracy(), "the knowledge gradient under accuracy"),
        ("5g2", Variance(), "the expected drop of v p (1-p) by one label"),
    ):
        claim = judged(
            key,
            f"of two items, the one with the larger audit index v p (1-p) has the larger value of a label: {what}",
            f"two different items; {KINDS_SEARCHED}; weights 1",
            cases,
            partial(_turned, utility=utility),
            "",
            section=5,
        )
        turned = sum(_turned(**case, utility=utility) is not None for case in cases)
        yield with_detail(claim, f"the order is turned in {turned} of {len(cases)} pairs")


def _turned(items: tuple[Kind, Kind], utility: Utility) -> str | None:
    made = [item_of(kind) for kind in items]
    index = [-tables(x, Variance())[1][0][0] for x in made]
    value = [one_step(x, utility)[0][0] for x in made]
    first, second = index[0] - index[1], value[0] - value[1]
    if min(abs(first), abs(second)) > SURE and first * second < 0:
        return f"audit indices {index[0]:.6f} and {index[1]:.6f}, values {value[0]:.6f} and {value[1]:.6f}"
    return None
