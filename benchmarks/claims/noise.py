r"""Claims about the noise of labels and about the budget (Lemma 2026, section 8).

A label flipped with probability eta is a garbling of one flipped with a smaller probability: flipping the better label
once more gives the worse one. So for any payoff that is convex in the belief the better labels are worth at least as
much, in every problem without rewards (Blackwell 1953), because the payoff must depend on the truth alone. ``decisive``
is not convex.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from ...dp.problem.problem import Problem
from ...posteriors.utilities import Accuracy, Decisive, Utility
from ..design_choices.protocols import break_even
from .small_cases import (
    CONVEX,
    KINDS_SEARCHED,
    SURE,
    Claim,
    Kind,
    gain,
    item_of,
    judged,
    kinds,
    marginal,
    two_items,
    with_detail,
)

__all__ = ["budget_claims", "noise_claims"]

_FLIPS = (0.0, 0.1, 0.2, 0.3, 0.4)
_LABELS = (1, 2, 3)
_DECISIVE = (Decisive(0.05), Decisive(0.1), Decisive(0.25))
_NOISES = "neighbours among the noises 0, .1, .2, .3, .4"


def _cases(utilities: tuple[Utility, ...], most: int = 2) -> Iterator[dict[str, Any]]:
    """Cases of one item, then of two; then in order of labels, utilities and items."""
    for count in range(1, most + 1):
        items = itertools.combinations_with_replacement(kinds(), count)
        for k, h, chosen in itertools.product(_LABELS, utilities, list(items)):
            yield {"items": chosen, "labels": k, "utility": h}


def _value(items: tuple[Kind, ...], labels: int, utility: Utility, flip: float) -> float:
    made = [item_of(kind, flip=flip) for kind in items]
    return gain(made[0], labels, utility) if len(made) == 1 else two_items(*made, labels, utility)[0]


def noise_claims() -> Iterator[Claim]:
    """Claims h, i and m."""
    pairs = list(itertools.pairwise(_FLIPS))
    blackwell = "better labels can be turned into worse ones (Blackwell 1953)"
    names = ", ".join(h.name for h in CONVEX)
    for key, kind, utilities in (("h1", f"convex utilities ({names})", CONVEX), ("h2", "decisive", _DECISIVE)):
        spent = "" if utilities is CONVEX else " if the budget is spent"
        yield judged(
            key,
            f"less noise never lowers the optimal value{spent}: {kind}",
            f"one item, then two; labels from 1 to 3; utilities; {KINDS_SEARCHED}; {_NOISES}",
            (case | {"flips": flips} for case in _cases(utilities) for flips in pairs),
            _noise_helps,
            blackwell,
        )
    one = [{"item": kind, "flips": flips} for kind in kinds() for flips in pairs]
    yield judged(
        "i1",
        f"less noise never lowers the gain of the first label: convex utilities ({names})",
        f"utilities; {KINDS_SEARCHED}; {_NOISES}",
        (case | {"label": 1, "utility": h} for h in CONVEX for case in one),
        _label_gains_less,
        blackwell,
    )
    yield judged(
        "i2",
        "less noise never lowers the gain of a later label: accuracy",
        f"second label, third, fourth; {KINDS_SEARCHED}; {_NOISES}",
        (case | {"label": k, "utility": Accuracy()} for k in (2, 3, 4) for case in one),
        _label_gains_less,
        "",
    )
    two = [{"items": x, "flips": flips} for x in itertools.combinations(kinds(), 2) for flips in pairs]
    yield judged(
        "i3",
        "less noise never narrows the gap between the gains of the first label on two items: accuracy",
        f"two different items; {KINDS_SEARCHED}; {_NOISES}",
        two,
        _gap_narrows,
        "",
    )
    yield judged(
        "i4",
        "which of two items gains most by its first label does not depend on noise: accuracy",
        f"two different items; {KINDS_SEARCHED}; {_NOISES}",
        two,
        _order_turns,
        "",
    )
    for key, kind, utilities in (("m1", f"convex utilities ({names})", CONVEX), ("m2", "decisive", _DECISIVE)):
        spent = "" if utilities is CONVEX else " if the budget is spent"
        yield judged(
            key,
            f"one label more never lowers the optimal value{spent}: {kind}",
            f"one item, then two; labels from 1 to 3; utilities; {KINDS_SEARCHED}",
            _cases(utilities),
            _more_helps,
            "a payoff that is convex in p does not fall in expectation, since p is a martingale (Jensen)",
        )


def _noise_helps(items: tuple[Kind, ...], labels: int, utility: Utility, flips: tuple[float, float]) -> str | None:
    better, worse = (_value(items, labels, utility, flip) for flip in flips)
    return (
        f"gains {better:.6f} with noise {flips[0]:g}, {worse:.6f} with {flips[1]:g}" if better < worse - SURE else None
    )


def _label_gains_less(item: Kind, flips: tuple[float, float], label: int, utility: Utility) -> str | None:
    better, worse = (marginal(item_of(item, flip=x), label, utility) for x in flips)
    if better < worse - SURE:
        return f"label {label} gains {better:.6f} with noise {flips[0]:g}, {worse:.6f} with {flips[1]:g}"
    return None


def _firsts(items: tuple[Kind, ...], flip: float) -> list[float]:
    return [gain(item_of(kind, flip=flip), 1) for kind in items]


def _gap_narrows(items: tuple[Kind, ...], flips: tuple[float, float]) -> str | None:
    better, worse = (_firsts(items, flip) for flip in flips)
    gaps = [abs(x[0] - x[1]) for x in (better, worse)]
    if gaps[0] < gaps[1] - SURE:
        return (
            f"gains {better[0]:.6f} and {better[1]:.6f} with noise {flips[0]:g}, {worse[0]:.6f} and {worse[1]:.6f} "
            f"with {flips[1]:g}"
        )
    return None


def _order_turns(items: tuple[Kind, ...], flips: tuple[float, float]) -> str | None:
    better, worse = (_firsts(items, flip) for flip in flips)
    before, after = better[0] - better[1], worse[0] - worse[1]
    if min(abs(before), abs(after)) > SURE and before * after < 0:
        return (
            f"gains {better[0]:.6f} and {better[1]:.6f} with noise {flips[0]:g}, {worse[0]:.6f} and {worse[1]:.6f} "
            f"with {flips[1]:g}"
        )
    return None


def _more_helps(items: tuple[Kind, ...], labels: int, utility: Utility) -> str | None:
    fewer = _value(items, labels - 1, utility, 0.0) if labels > 1 else 0.0
    more = _value(items, labels, utility, 0.0)
    return f"gains {fewer:.6f} by {labels - 1} labels, {more:.6f} by {labels}" if more < fewer - SURE else None


def budget_claims() -> Iterator[Claim]:
    """Claim k, on labels without noise at twice the price, against noisy labels, the noisiest first."""
    worse = _FLIPS[:0:-1]
    cases = (
        {"items": x, "budget": 2 * k, "flip": flip, "utility": Accuracy()}
        for count in (1, 2)
        for k, flip, x in itertools.product(
            (1, 2), worse, list(itertools.combinations_with_replacement(kinds(), count))
        )
    )
    problem = Problem([0.5, 0.6, 0.75], budget=12)
    table = break_even(problem, [0.0, 0.1, 0.2], baseline=0.3, points=3, threads=1)
    ratios = "; ".join(
        f"noise {float(flip):g}: " + ", ".join(f"{x:.4g}" for x in row.values)
        for flip, row in zip(table["flip"].values, table["cost_ratio"], strict=True)
    )
    found = judged(
        "k",
        "half as many labels without noise are worth at least as much as noisy ones",
        f"one item, then two; budgets of 2 and 4 noisy labels; noise .4, .3, .2, .1; {KINDS_SEARCHED}; accuracy",
        cases,
        _half_are_less,
        "",
    )
    budgets = ", ".join(str(int(x)) for x in table["budget"].values)
    yield with_detail(found, f"break-even cost against noise 0.3, thresholds .5, .6, .75, budgets {budgets}: {ratios}")


def _half_are_less(items: tuple[Kind, ...], budget: int, flip: float, utility: Utility) -> str | None:
    better, worse = _value(items, budget // 2, utility, 0.0), _value(items, budget, utility, flip)
    if better < worse - SURE:
        return f"{budget // 2} labels without noise gain {better:.6f}, {budget} with noise {flip:g} gain {worse:.6f}"
    return None
