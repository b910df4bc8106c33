r"""Claims about the greedy rule and its conditions (Lemma 2026, section 7).

Write d_i for the gain of one label of item i in its present state. A policy's expected gain is the expected sum of the
d_i that it takes, and a label of one item changes the state of that item alone. Rules label an item of largest score:

    greedy               d_i (eq. 29; under accuracy the knowledge gradient)
    audit index          v p (1-p) (eq. 22)
    variance reduction   expected drop of v p (1-p) by one label
    two steps            gain of a label of i and then of the better label, or d_i if one label is left

Their values are exact. Where scores are tied the least and the most over all ways to break ties are kept, and a claim
fails only if it does with the most.

If d_i never rises, from any state to the next, the greedy rule is not only within 1 - 1/e of the optimum (Golovin and
Krause 2011, theorem 5.2) but optimal: whatever the answers, the gains along each item's labels are in falling order, a
policy takes the first few of each, and the greedy rule takes the K largest of all.

If only the expected gains of labels do not rise (each g_i concave), two labels keep 2/3: a policy that starts with i
attains at most d_i + E d_i' + G <= 2 d_i + G, where d_i' is the gain of a second label of i and G >= d_i the largest
gain of one label; the greedy rule attains at least G + d_i, and (G + d_i) / (G + 2 d_i) >= 2/3.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from typing import Any

from ...posteriors.utilities import Accuracy, Entropy, Utility, Variance
from .allocation import (
    PAIRS,
    added_in_turn,
    best_at_once,
    both_concave,
    made,
    pairs,
    share_in_turn,
    with_smallest,
)
from .small_cases import (
    SURE,
    Claim,
    Item,
    Kind,
    case_text,
    item_of,
    judged,
    kinds,
    one_step,
    smallest,
    tables,
    two_items,
    with_detail,
)

__all__ = ["RULES", "condition_claims", "greedy_claims", "never_rises", "rule_gain"]

RULES = ("greedy", "audit index", "variance reduction", "two steps")
GUARANTEE = 1.0 - math.exp(-1.0)
_MOST_OF = "attains 1 - 1/e of the"
_UTILITIES: tuple[Utility, ...] = (Accuracy(), Variance(), Entropy())
# The larger weight of a pair in the search that goes on where small weights show no fault.
_HEAVY = tuple((250.0 * k, 1.0) for k in range(1, 5))
_HEAVIER = "; then labels 2 and 3, weights 250, 500, 750 and 1000 against 1, the same items"

# Scores of labels of the first item and of the second, in the state (labels, wins, labels, wins).
Scores = Callable[[int, int, int, int], tuple[float, float]]


def _apart(one: list[list[float]], two: list[list[float]]) -> Scores:
    """Scores that depend on the state of the item alone."""
    return lambda n, w, k, z: (one[n][w], two[k][z])


def _index(item: Item) -> list[list[float]]:
    return [[-x for x in row] for row in tables(item, Variance())[1]]


def _two_steps(first: Item, second: Item, labels: int, utility: Utility) -> Scores:
    one, two = one_step(first, utility), one_step(second, utility)
    mean, mean_2 = tables(first, utility)[0], tables(second, utility)[0]

    def scores(n: int, w: int, k: int, z: int) -> tuple[float, float]:
        x, y = one[n][w], two[k][z]
        if n + k == labels - 1:
            return x, y
        m, m_2 = mean[n][w], mean_2[k][z]
        return (
            x + m * max(one[n + 1][w + 1], y) + (1.0 - m) * max(one[n + 1][w], y),
            y + m_2 * max(two[k + 1][z + 1], x) + (1.0 - m_2) * max(two[k + 1][z], x),
        )

    return scores


@lru_cache(maxsize=65536)
def rule_gain(rule: str, first: Item, second: Item, labels: int, utility: Utility) -> tuple[float, float]:
    """Least and most that a rule gains by a number of labels, over all ways to break ties.

    Parameters
    ----------
    rule : str
        One of ``RULES``.
    first, second : Item
    labels : int
    utility : Utility
        Payoff, to which the greedy rule and that of two steps refer too.

    Returns
    -------
    tuple of float

    Examples
    --------
    >>> one, two = Item(1, 1, 0.5), Item(1, 1, 0.5, v=2.0)
    >>> rule_gain("greedy", one, two, 1, Accuracy())
    (0.5, 0.5)
    """
    if rule == "two steps":
        scores = _two_steps(first, second, labels, utility)
    elif rule == "audit index":
        scores = _apart(_index(first), _index(second))
    else:
        aim = {"greedy": utility, "variance reduction": Variance()}[rule]
        scores = _apart(one_step(first, aim), one_step(second, aim))
    (mean, payoff), (mean_2, payoff_2) = tables(first, utility), tables(second, utility)
    found: dict[tuple[int, int, int, int], tuple[float, float]] = {}
    for n in range(labels + 1):
        for w, z in itertools.product(range(n + 1), range(labels - n + 1)):
            found[n, w, labels - n, z] = (payoff[n][w] + payoff_2[labels - n][z],) * 2
    for spent in range(labels - 1, -1, -1):
        for n in range(spent + 1):
            k = spent - n
            for w, z in itertools.product(range(n + 1), range(k + 1)):
                x, y = scores(n, w, k, z)
                tied = []
                if x >= y - SURE:
                    tied.append(_mixed(mean[n][w], found[n + 1, w + 1, k, z], found[n + 1, w, k, z]))
                if y >= x - SURE:
                    tied.append(_mixed(mean_2[k][z], found[n, w, k + 1, z + 1], found[n, w, k + 1, z]))
                found[n, w, k, z] = min(least for least, _ in tied), max(most for _, most in tied)
    least, most = found[0, 0, 0, 0]
    start = payoff[0][0] + payoff_2[0][0]
    return least - start, most - start


def _mixed(m: float, won: tuple[float, float], lost: tuple[float, float]) -> tuple[float, float]:
    return m * won[0] + (1.0 - m) * lost[0], m * won[1] + (1.0 - m) * lost[1]


def _share(
    items: tuple[Kind, Kind],
    labels: int,
    weight: tuple[float, float],
    utility: Utility,
    rule: str = "greedy",
    lucky: bool = True,
) -> float:
    """Share of the optimal gain that a rule attains."""
    one, two = made(items, weight)
    best = two_items(one, two, labels, utility)[0]
    return rule_gain(rule, one, two, labels, utility)[lucky] / best if best > SURE else 1.0


def _attains_less(
    items: tuple[Kind, Kind],
    labels: int,
    weight: tuple[float, float],
    utility: Utility,
    rule: str = "greedy",
    lucky: bool = True,
) -> str | None:
    one, two = made(items, weight)
    best, attained = two_items(one, two, labels, utility)[0], rule_gain(rule, one, two, labels, utility)[lucky]
    if attained < GUARANTEE * best - SURE:
        return f"the rule gains {attained:.6f}, the optimum {best:.6f}: a share of {max(attained, 0.0) / best:.4f}"
    return None


def greedy_claims() -> Iterator[Claim]:
    """Claims of section 7 on guarantees without conditions."""
    at_once = judged(
        "7a",
        f"labels added one at a time where the next gains most: their one-shot allocation {_MOST_OF} best one-shot "
        "gain: accuracy",
        PAIRS,
        pairs(),
        _turn_attains_less,
        "",
        section=7,
    )
    yield with_smallest(at_once, pairs(), partial(share_in_turn, utility=Accuracy()))
    for key, rule, utility in (
        ("7b", "greedy", Accuracy()),
        ("7c", "greedy", Variance()),
        ("7d", "greedy", Entropy()),
        ("7e", "audit index", Accuracy()),
        ("7f", "variance reduction", Accuracy()),
    ):
        wide = key in ("7c", "7d")

        def cases(wide: bool = wide) -> Iterator[dict[str, Any]]:
            yield from pairs()
            if wide:
                yield from pairs((2, 3), _HEAVY)

        claim = judged(
            key,
            f"the {rule} rule {_MOST_OF} optimal sequential gain: {utility.name}",
            PAIRS + (_HEAVIER if wide else ""),
            cases(),
            partial(_attains_less, utility=utility, rule=rule),
            "for two labels at least 2/3, since no item's gains are seen to rise (6b3, 7g); for more no reason is known"
            if utility == Entropy()
            else "",
            section=7,
        )
        yield with_smallest(claim, cases(), partial(_share, utility=utility, rule=rule))


def _turn_attains_less(items: tuple[Kind, Kind], labels: int, weight: tuple[float, float]) -> str | None:
    one, two = made(items, weight)
    best, attained = best_at_once(one, two, labels, Accuracy()), added_in_turn(one, two, labels, Accuracy())[1]
    if attained < GUARANTEE * best - SURE:
        return f"{attained:.6f} in turn, {best:.6f} at best: a share of {attained / best:.4f}"
    return None


def condition_claims() -> Iterator[Claim]:
    """Claims of section 7 on guarantees under conditions, and on looking ahead."""
    yield _where_concave()
    yield _where_never_rising()
    yield from _two_steps_ahead()


def _under(condition: Callable[..., bool]) -> list[dict[str, Any]]:
    """Cases of all utilities in which something can be gained and the condition is met."""
    return [
        case
        for utility, pair in itertools.product(_UTILITIES, pairs((2, 3, 4)))
        if condition(**(case := pair | {"utility": utility}))
        and two_items(*made(pair["items"], pair["weight"]), pair["labels"], utility)[0] > SURE
    ]


_CONDITIONED = f"utilities accuracy, variance, entropy; {PAIRS.replace('from 1', 'from 2')}, of which"


def _where_concave() -> Claim:
    cases = _under(both_concave)
    claim = judged(
        "7g",
        f"where no item's expected gains rise (each g_i concave), the greedy rule {_MOST_OF} optimal sequential gain",
        f"{_CONDITIONED} something can be gained and the expected gains of neither item rise",
        cases,
        _attains_less,
        "for two labels at least 2/3, by proof; for more no reason is known",
        section=7,
    )
    return with_smallest(claim, cases, _share)


def never_rises(item: Item, labels: int, utility: Utility) -> bool:
    """True if no answer raises the gain of a label, in any state with at most so many labels after it.

    Examples
    --------
    >>> [never_rises(Item(1, 1, 0.5), k, Variance()) for k in (2, 3)]
    [True, False]
    """
    value = one_step(item, utility)
    return all(
        value[n][w] >= max(value[n + 1][w], value[n + 1][w + 1]) - SURE for n in range(labels - 1) for w in range(n + 1)
    )


def _neither_rises(items: tuple[Kind, Kind], labels: int, weight: tuple[float, float], utility: Utility) -> bool:
    return all(never_rises(item, labels, utility) for item in made(items, weight))


def _where_never_rising() -> Claim:
    cases = _under(_neither_rises)
    claim = judged(
        "7h",
        "where no answer raises the value of a label of any item (adaptive submodularity), the greedy rule "
        f"{_MOST_OF} optimal sequential gain, however ties are broken",
        f"{_CONDITIONED} something can be gained and no answer raises the value of a label of either item",
        cases,
        partial(_attains_less, lucky=False),
        "it is then even optimal, since the gains along each item's labels are in falling order and it takes the "
        "largest of all; the guarantee is that of Golovin and Krause 2011, theorem 5.2",
        section=7,
    )
    counts = "; ".join(
        f"{utility.name} " + ", ".join(str(_count_never_rising(k, utility)) for k in (2, 3, 4))
        for utility in _UTILITIES
    )
    told = f"items, of {len(kinds())}, that meet it with 2, 3 and 4 labels and gain by the first: {counts}"
    return with_detail(with_smallest(claim, cases, partial(_share, lucky=False)), told)


def _count_never_rising(labels: int, utility: Utility) -> int:
    found = (item_of(kind) for kind in kinds())
    return sum(never_rises(x, labels, utility) and one_step(x, utility)[0][0] > SURE for x in found)


def _two_steps_ahead() -> Iterator[Claim]:
    for key, utility in (("7i1", Accuracy()), ("7i2", Variance())):
        claim = judged(
            key,
            f"looking two labels ahead is never worth less than the greedy rule: {utility.name}",
            PAIRS,
            pairs(),
            partial(_ahead_is_less, utility=utility),
            "",
            section=7,
        )
        for what, better, other in (("improvement", "two steps", "greedy"), ("loss", "greedy", "two steps")):
            less, case = smallest(pairs(), partial(_shortfall, utility=utility, rule=other, other=better))
            told = f"largest {what}, as a share of the optimal gain, {-less:.4f}"
            claim = with_detail(claim, f"{told}, for {case_text(case)}")
        yield claim


def _shortfall(
    items: tuple[Kind, Kind], labels: int, weight: tuple[float, float], utility: Utility, rule: str, other: str
) -> float:
    """Share of the optimal gain that a rule attains less that of another; 0 unless less however ties are broken."""
    one, two = made(items, weight)
    best = two_items(one, two, labels, utility)[0]
    more = rule_gain(rule, one, two, labels, utility)[1] - rule_gain(other, one, two, labels, utility)[0]
    return min(more / best, 0.0) if best > SURE else 0.0


def _ahead_is_less(items: tuple[Kind, Kind], labels: int, weight: tuple[float, float], utility: Utility) -> str | None:
    one, two = made(items, weight)
    ahead, greedy = (rule_gain(rule, one, two, labels, utility) for rule in ("two steps", "greedy"))
    if ahead[1] < greedy[0] - SURE:
        return f"two steps ahead gain {ahead[1]:.6f}, the greedy rule {greedy[0]:.6f}"
    return None
