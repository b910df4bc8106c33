r"""Claims about one-shot and sequential allocations and about diminishing returns (Lemma 2026, section 6).

g(n) is the expected payoff of an item after n labels, less that of none. Of K labels for two items the best one-shot
allocation gains max over n of g_1(n) + g_2(K - n). Adding labels one at a time where the next gains most reaches one
allocation, or several if gains are tied.

For the variance payoff -p (1-p) one label of an item with the prior Beta(a, b), s = a + b, gains v D^2 / (a b), D =
t^a (1-t)^b / B(a, b), and the second in expectation

    s (t^2 / (a + 1) + (1-t)^2 / (b + 1))

times as much, which exceeds 1 where a win is rare and the threshold high, or the reverse.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from ...posteriors.utilities import Accuracy, Entropy, Linear, Utility, Variance
from .small_cases import (
    KINDS_SEARCHED,
    SURE,
    Claim,
    Item,
    Kind,
    case_text,
    gain,
    item_of,
    judged,
    kinds,
    marginal,
    one_step,
    smallest,
    two_items,
    vacuous,
    with_detail,
)

__all__ = [
    "PAIRS",
    "added_in_turn",
    "allocation_claims",
    "best_at_once",
    "both_concave",
    "concave",
    "made",
    "pairs",
    "share_in_turn",
    "with_smallest",
]

PAIRS = f"two items, since one leaves no choice; labels from 1 to 4; weights 1 and 1, then 1 and 2; {KINDS_SEARCHED}"
_WEIGHTS = ((1.0, 1.0), (1.0, 2.0))
_LABELS = (1, 2, 3, 4)


def pairs(
    labels: Iterable[int] = _LABELS, weights: Iterable[tuple[float, float]] = _WEIGHTS
) -> Iterator[dict[str, Any]]:
    """Cases of two items in order of labels, weights and items."""
    for k, (v, u) in itertools.product(labels, weights):
        # Items of one weight are interchangeable.
        two = itertools.combinations_with_replacement(kinds(), 2) if v == u else itertools.product(kinds(), repeat=2)
        for items in two:
            yield {"items": items, "labels": k, "weight": (v, u)}


def made(items: tuple[Kind, Kind], weight: tuple[float, float]) -> tuple[Item, Item]:
    """The two items of a case."""
    return item_of(items[0], weight[0]), item_of(items[1], weight[1])


def concave(item: Item, labels: int, utility: Utility) -> bool:
    """True if no label up to this number gains more than the one before."""
    gains = [marginal(item, k, utility) for k in range(1, labels + 1)]
    return all(after <= before + SURE for before, after in itertools.pairwise(gains))


def best_at_once(first: Item, second: Item, labels: int, utility: Utility) -> float:
    """Gain of the best one-shot allocation.

    Examples
    --------
    >>> one = Item(1, 1, 0.5)
    >>> best_at_once(one, one, 2, Accuracy())
    0.5
    """
    return max(gain(first, n, utility) + gain(second, labels - n, utility) for n in range(labels + 1))


def added_in_turn(first: Item, second: Item, labels: int, utility: Utility) -> tuple[float, float]:
    """Least and most that labels gain, added one at a time where the next gains most, over all ways to break ties.

    Examples
    --------
    >>> one = Item(1, 1, 0.5)
    >>> added_in_turn(one, one, 2, Accuracy())
    (0.5, 0.5)
    """
    reached = {0}
    for spent in range(labels):
        after = set()
        for n in reached:
            one, two = marginal(first, n + 1, utility), marginal(second, spent - n + 1, utility)
            if one >= two - SURE:
                after.add(n + 1)
            if two >= one - SURE:
                after.add(n)
        reached = after
    gains = [gain(first, n, utility) + gain(second, labels - n, utility) for n in reached]
    return min(gains), max(gains)


def allocation_claims() -> Iterator[Claim]:
    """Claims of section 6."""
    yield _in_sequence()
    yield from _returns()
    yield from _states()
    yield from _in_turn()


def _in_sequence() -> Claim:
    claim = judged(
        "6a",
        "the best sequential policy is worth at least the best one-shot allocation: accuracy",
        PAIRS,
        pairs(),
        _sequence_is_less,
        "a one-shot allocation is a policy that ignores answers",
        section=6,
    )
    share, case = smallest(pairs(), _share_at_once)
    return with_detail(claim, f"largest share of the gain lost at once: {1 - share:.4f}, for {case_text(case)}")


def _share_at_once(items: tuple[Kind, Kind], labels: int, weight: tuple[float, float]) -> float:
    one, two = made(items, weight)
    best = two_items(one, two, labels)[0]
    return best_at_once(one, two, labels, Accuracy()) / best if best > SURE else 1.0


def _sequence_is_less(items: tuple[Kind, Kind], labels: int, weight: tuple[float, float]) -> str | None:
    one, two = made(items, weight)
    best, at_once = two_items(one, two, labels)[0], best_at_once(one, two, labels, Accuracy())
    return f"{best:.6f} in sequence, {at_once:.6f} at once" if best < at_once - SURE else None


def _returns() -> Iterator[Claim]:
    cases: list[dict[str, Any]] = [{"item": kind, "labels": k} for k, kind in itertools.product((2, 3, 4), kinds(12))]
    for key, utility in (("6b1", Accuracy()), ("6b2", Variance()), ("6b3", Entropy()), ("6b4", Linear())):
        claim = judged(
            key,
            f"a label more gains no more than the one before it: {utility.name}",
            f"one item; second label, third, fourth; {KINDS_SEARCHED.replace('up to 4', 'up to 12')}",
            cases,
            partial(_returns_rise, utility=utility),
            "every label gains 0, because p is a martingale" if utility == Linear() else "",
            section=6,
        )
        if utility == Linear():
            yield vacuous(claim)
        elif claim.verdict == "HOLDS":
            yield claim
        else:
            rising = sum(_returns_rise(**case, utility=utility) is not None for case in cases)
            yield with_detail(claim, f"gains rise by 1e-10 or more in {rising} of {len(cases)} cases")


def _returns_rise(item: Kind, labels: int, utility: Utility) -> str | None:
    before, after = (marginal(item_of(item), k, utility) for k in (labels - 1, labels))
    if after > before + SURE:
        return f"label {labels - 1} gains {before:.6f}, label {labels} {after:.6f}"
    return None


def _states() -> Iterator[Claim]:
    cases: list[dict[str, Any]] = [
        {"item": kind, "labels": n, "wins": w} for n in (1, 2, 3) for kind in kinds() for w in range(n + 1)
    ]
    for key, utility in (("6c1", Accuracy()), ("6c2", Variance()), ("6c3", Entropy())):
        claim = judged(
            key,
            f"the value of a label, given what has been seen, does not rise as labels come in: {utility.name}",
            f"one item; labels from 1 to 3; {KINDS_SEARCHED}; wins",
            cases,
            partial(_state_rises, utility=utility),
            "",
            section=6,
        )
        rising = sum(_state_rises(**case, utility=utility) is not None for case in cases)
        yield with_detail(claim, f"the last answer raises it in {rising} of {len(cases)} cases")


def _state_rises(item: Kind, labels: int, wins: int, utility: Utility) -> str | None:
    """Compare the value of a label with that before the last answer, be that answer a win or a loss."""
    value = one_step(item_of(item), utility)
    for last, before in (("win", wins - 1), ("loss", wins)):
        if 0 <= before < labels and value[labels][wins] > value[labels - 1][before] + SURE:
            return f"a label is worth {value[labels - 1][before]:.6f}, after a {last} {value[labels][wins]:.6f}"
    return None


def _in_turn() -> Iterator[Claim]:
    def under(utility: Utility) -> Iterator[dict[str, Any]]:
        return (case | {"utility": utility} for case in pairs())

    yield judged(
        "6d",
        "where no item's gains rise, labels added one at a time where the next gains most are a best one-shot "
        "allocation, however ties are broken: accuracy, variance, entropy",
        f"utilities; {PAIRS}, of which both items have gains that do not rise",
        (case for h in (Accuracy(), Variance(), Entropy()) for case in under(h) if both_concave(**case)),
        _turn_is_less,
        "exchange: the gains of each item are in falling order, so labels added in turn take the largest of all",
        section=6,
    )
    for key, utility in (("6e1", Accuracy()), ("6e2", Variance()), ("6e3", Entropy())):
        claim = judged(
            key,
            "labels added one at a time where the next gains most are a best one-shot allocation, for all items: "
            f"{utility.name}",
            PAIRS,
            under(utility),
            partial(_turn_is_less, lucky=True),
            "in the cases searched no item's gains rise (6b3), and where none do this is so (6d)"
            if utility == Entropy()
            else "",
            section=6,
        )
        yield with_smallest(claim, pairs(), partial(share_in_turn, utility=utility))


def with_smallest(claim: Claim, cases: Iterable[dict[str, Any]], share: Callable[..., float]) -> Claim:
    """The claim with the smallest share in all cases added to its detail, and the case if that is below 1."""
    least, case = smallest(cases, share)
    # Rounding can leave a share of nothing a little below 0.
    told = f"smallest share in all cases {max(least, 0.0):.4f}"
    return with_detail(claim, f"{told}, for {case_text(case)}" if least < 1.0 - SURE else told)


def both_concave(items: tuple[Kind, Kind], labels: int, weight: tuple[float, float], utility: Utility) -> bool:
    """True if the gains of neither item rise."""
    return all(concave(item, labels, utility) for item in made(items, weight))


def share_in_turn(items: tuple[Kind, Kind], labels: int, weight: tuple[float, float], utility: Utility) -> float:
    """Share of the best one-shot gain that labels added in turn attain, with ties broken for the best."""
    one, two = made(items, weight)
    best = best_at_once(one, two, labels, utility)
    return added_in_turn(one, two, labels, utility)[1] / best if best > SURE else 1.0


def _turn_is_less(
    items: tuple[Kind, Kind], labels: int, weight: tuple[float, float], utility: Utility, lucky: bool = False
) -> str | None:
    one, two = made(items, weight)
    best, attained = best_at_once(one, two, labels, utility), added_in_turn(one, two, labels, utility)[lucky]
    if attained < best - SURE:
        return f"{attained:.6f} in turn, {best:.6f} at best: a share of {attained / best:.4f}"
    return None
