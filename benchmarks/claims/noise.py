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
from .small_cases import CONVEX, SURE, Claim, Item, gain, judged, marginal, priors, threshold_at, two_items

__all__ = ["noise_claims"]

_FLIPS = (0.0, 0.1, 0.2, 0.3, 0.4)
_MULTIPLES = (0, 1, 2, 3, 4)
_LABELS = (1, 2, 3)
_DECISIVE = (Decisive(0.05), Decisive(0.1), Decisive(0.25))
_ITEMS = "Beta(a, b) with a + b up to 4, t = sigma(m log(3/2)) with m from 0 to 4"
_NOISES = "neighbours among the noises 0, .1, .2, .3, .4"


def _kinds() -> list[tuple[int, int, int]]:
    return [(a, b, m) for (a, b), m in itertools.product(priors(4), _MULTIPLES)]


def _cases(utilities: tuple[Utility, ...], most: int = 2) -> Iterator[dict[str, Any]]:
    """Cases of one item, then of two; then in order of labels, utilities and items."""
    for count in range(1, most + 1):
        items = itertools.combinations_with_replacement(_kinds(), count)
        for k, h, chosen in itertools.product(_LABELS, utilities, list(items)):
            yield {"items": chosen, "labels": k, "utility": h}


def _value(items: tuple[tuple[int, int, int], ...], labels: int, utility: Utility, flip: float) -> float:
    made = [Item(a, b, threshold_at(m, 1), 1.0, flip) for a, b, m in items]
    return gain(made[0], labels, utility) if len(made) == 1 else two_items(*made, labels, utility)[0]


def noise_claims() -> Iterator[Claim]:
    """Claims h, i, k and m."""
    pairs = list(itertools.pairwise(_FLIPS))
    blackwell = "better labels can be turned into worse ones (Blackwell 1953)"
    names = ", ".join(h.name for h in CONVEX)
    for key, kind, utilities in (("h1", f"convex utilities ({names})", CONVEX), ("h2", "decisive", _DECISIVE)):
        spent = "" if utilities is CONVEX else " if the budget is spent"
        yield judged(
            key,
            f"less noise never lowers the optimal value{spent}: {kind}",
            f"one item, then two; labels from 1 to 3; utilities; {_ITEMS}; {_NOISES}",
            (case | {"flips": flips} for case in _cases(utilities) for flips in pairs),
            _noise_helps,
            blackwell,
        )
    one = [{"item": kind, "flips": flips} for kind in _kinds() for flips in pairs]
    yield judged(
        "i1",
        f"less noise never lowers the gain of the first label: convex utilities ({names})",
        f"utilities; {_ITEMS}; {_NOISES}",
        (case | {"label": 1, "utility": h} for h in CONVEX for case in one),
        _label_gains_less,
        blackwell,
    )
    yield judged(
        "i2",
        "less noise never lowers the gain of a later label: accuracy",
        f"second label, third, fourth; {_ITEMS}; {_NOISES}",
        (case | {"label": k, "utility": Accuracy()} for k in (2, 3, 4) for case in one),
        _label_gains_less,
        "",
    )
    two = [{"items": x, "flips": flips} for x in itertools.combinations(_kinds(), 2) for flips in pairs]
    yield judged(
        "i3",
        "less noise never narrows the gap between the gains of the first label on two items: accuracy",
        f"two different items; {_ITEMS}; {_NOISES}",
        two,
        _gap_narrows,
        "",
    )
    yield judged(
        "i4",
        "which of two items gains most by its first label does not depend on noise: accuracy",
        f"two different items; {_ITEMS}; {_NOISES}",
        two,
        _order_turns,
        "",
    )
    yield _fewer_better()
    for key, kind, utilities in (("m1", f"convex utilities ({names})", CONVEX), ("m2", "decisive", _DECISIVE)):
        spent = "" if utilities is CONVEX else " if the budget is spent"
        yield judged(
            key,
            f"one label more never lowers the optimal value{spent}: {kind}",
            f"one item, then two; labels from 1 to 3; utilities; {_ITEMS}",
            _cases(utilities),
            _more_helps,
            "a payoff that is convex in p does not fall in expectation, since p is a martingale (Jensen)",
        )


def _noise_helps(
    items: tuple[tuple[int, int, int], ...], labels: int, utility: Utility, flips: tuple[float, float]
) -> str | None:
    better, worse = (_value(items, labels, utility, flip) for flip in flips)
    return (
        f"gains {better:.6f} with noise {flips[0]:g}, {worse:.6f} with {flips[1]:g}" if better < worse - SURE else None
    )


def _label_gains_less(
    item: tuple[int, int, int], flips: tuple[float, float], label: int, utility: Utility
) -> str | None:
    a, b, m = item
    better, worse = (marginal(Item(a, b, threshold_at(m, 1), 1.0, x), label, utility) for x in flips)
    if better < worse - SURE:
        return f"label {label} gains {better:.6f} with noise {flips[0]:g}, {worse:.6f} with {flips[1]:g}"
    return None


def _firsts(items: tuple[tuple[int, int, int], ...], flip: float) -> list[float]:
    return [gain(Item(a, b, threshold_at(m, 1), 1.0, flip), 1) for a, b, m in items]


def _gap_narrows(items: tuple[tuple[int, int, int], ...], flips: tuple[float, float]) -> str | None:
    better, worse = (_firsts(items, flip) for flip in flips)
    gaps = [abs(x[0] - x[1]) for x in (better, worse)]
    if gaps[0] < gaps[1] - SURE:
        return (
            f"gains {better[0]:.6f} and {better[1]:.6f} with noise {flips[0]:g}, {worse[0]:.6f} and {worse[1]:.6f} "
            f"with {flips[1]:g}"
        )
    return None


def _order_turns(items: tuple[tuple[int, int, int], ...], flips: tuple[float, float]) -> str | None:
    better, worse = (_firsts(items, flip) for flip in flips)
    before, after = better[0] - better[1], worse[0] - worse[1]
    if min(abs(before), abs(after)) > SURE and before * after < 0:
        return (
            f"gains {better[0]:.6f} and {better[1]:.6f} with noise {flips[0]:g}, {worse[0]:.6f} and {worse[1]:.6f} "
            f"with {flips[1]:g}"
        )
    return None


def _more_helps(items: tuple[tuple[int, int, int], ...], labels: int, utility: Utility) -> str | None:
    fewer = _value(items, labels - 1, utility, 0.0) if labels > 1 else 0.0
    more = _value(items, labels, utility, 0.0)
    return f"gains {fewer:.6f} by {labels - 1} labels, {more:.6f} by {labels}" if more < fewer - SURE else None


def _fewer_better() -> Claim:
    """Claim on labels without noise at twice the price, against noisy labels, the noisiest first."""
    worse = _FLIPS[:0:-1]
    cases = (
        {"items": x, "budget": 2 * k, "flip": flip, "utility": Accuracy()}
        for count in (1, 2)
        for k, flip, x in itertools.product(
            (1, 2), worse, list(itertools.combinations_with_replacement(_kinds(), count))
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
        f"one item, then two; budgets of 2 and 4 noisy labels; noise .4, .3, .2, .1; {_ITEMS}; accuracy",
        cases,
        _half_are_less,
        "",
    )
    budgets = ", ".join(str(int(x)) for x in table["budget"].values)
    told = f"break-even cost against noise 0.3, thresholds .5, .6, .75, budgets {budgets}: {ratios}"
    return Claim(
        found.key,
        found.statement,
        found.verdict,
        found.searched,
        found.order,
        found.case,
        f"{found.detail}; {told}" if found.detail else told,
    )


def _half_are_less(items: tuple[tuple[int, int, int], ...], budget: int, flip: float, utility: Utility) -> str | None:
    better, worse = _value(items, budget // 2, utility, 0.0), _value(items, budget, utility, flip)
    if better < worse - SURE:
        return f"{budget // 2} labels without noise gain {better:.6f}, {budget} with noise {flip:g} gain {worse:.6f}"
    return None
