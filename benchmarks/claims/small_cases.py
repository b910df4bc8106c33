r"""Small cases in a fixed order, and their exact values, for the search of counterexamples to claims.

A case has one or two items, each with a prior Beta(a, b), a threshold, a weight and label noise. Log-ratios are whole
multiples m of log(3/2) and betas are whole, so that t = sigma(beta c) = 3^k / (3^k + 2^k), k = beta m, is a rational
number and a case can be checked by hand.

With mu the mean and g = v h(p) the payoff of an item, k labels of one item are worth

    E g after k labels = V(0, 0),   V(n, w) = mu V(n + 1, w + 1) + (1 - mu) V(n + 1, w),   V(k, w) = g(k, w),

and for two items V is the larger of the two right-hand sides. If both are equal, an optimal policy may label either
item, so only the smallest and the largest number of labels that optimal policies buy of the first item are determined.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from ...posteriors.beliefs.beta import Beta
from ...posteriors.beliefs.noisy_beta import NoisyBeta
from ...posteriors.foundation.tolerances import ROUNDING
from ...posteriors.utilities import Accuracy, Asymmetric, Entropy, Utility, Variance

__all__ = [
    "BETAS",
    "CONVEX",
    "MULTIPLES",
    "SURE",
    "UNIT",
    "Claim",
    "Item",
    "first_failure",
    "gain",
    "judged",
    "marginal",
    "priors",
    "tail_of",
    "threshold_at",
    "two_items",
]

UNIT = float(np.log(1.5))
MULTIPLES = (1, 2, 3)
BETAS = (1, 2, 3)
CONVEX: tuple[Utility, ...] = (Accuracy(), Asymmetric(gain=1.0, loss=3.0), Variance(), Entropy())
# Differences below this are rounding, and those above are not: in these cases none is close to it.
SURE = 1e-10
_UNPROVED = "in the cases searched; no reason is known why it should beyond them"
# Largest number of labels in the tables of an item.
_MOST = 6


@dataclass(frozen=True)
class Claim:
    """Verdict on a claim.

    Cases are searched in a fixed order, so the first failing case is always the same.

    Attributes
    ----------
    key : str
        Letter of the claim, with a number where it has parts.
    statement : str
    verdict : {"HOLDS", "FAILS"}
        HOLDS: true in every case searched. FAILS: false in ``case``, the first in order.
    searched : int
        Number of cases searched, including the failing one.
    order : str
        Description of the cases and of their order.
    case : dict
        The failing case; empty if the claim holds.
    detail : str
        Numbers of the failing case, or why the claim holds everywhere.
    """

    key: str
    statement: str
    verdict: str
    searched: int
    order: str
    case: dict[str, Any]
    detail: str


def first_failure(
    cases: Iterable[dict[str, Any]], fault: Callable[..., str | None]
) -> tuple[dict[str, Any], str | None, int]:
    """First case with a fault, the fault, and the number of cases searched."""
    searched = 0
    for case in cases:
        searched += 1
        found = fault(**case)
        if found is not None:
            return case, found, searched
    return {}, None, searched


def judged(
    key: str, statement: str, order: str, cases: Iterable[dict[str, Any]], fault: Callable[..., str | None], why: str
) -> Claim:
    """Search the cases and judge the claim; ``why`` is the reason given with a claim that holds.

    A claim that holds without a reason has only not been seen to fail.
    """
    case, found, searched = first_failure(cases, fault)
    if not searched:
        raise ValueError(f"claim {key}: there is no case to search")
    verdict = "HOLDS" if found is None else "FAILS"
    return Claim(key, statement, verdict, searched, order, case, (why or _UNPROVED) if found is None else found)


def priors(most: int) -> Iterator[tuple[int, int]]:
    """Pairs (a, b) of whole numbers with a + b up to ``most``, in order of a + b, then of a.

    Examples
    --------
    >>> list(priors(3))
    [(1, 1), (1, 2), (2, 1)]
    """
    for total in range(2, most + 1):
        for a in range(1, total):
            yield a, total - a


def threshold_at(multiple: int, beta: int) -> float:
    """Sigma(beta c) for c = multiple log(3/2), from whole numbers.

    Examples
    --------
    >>> threshold_at(1, 1), threshold_at(-1, 1), threshold_at(0, 3)
    (0.6, 0.4, 0.5)
    """
    k = multiple * beta
    three, two = int(3 ** abs(k)), int(2 ** abs(k))
    return (three if k >= 0 else two) / (three + two)


@dataclass(frozen=True)
class Item:
    """One item of a case."""

    a: int
    b: int
    t: float
    v: float = 1.0
    flip: float = 0.0


def _belief(item: Item) -> Beta | NoisyBeta:
    return NoisyBeta(item.a, item.b, item.flip) if item.flip else Beta(item.a, item.b)


def tail_of(item: Item) -> float:
    """P(alpha > t) before any label."""
    return float(_belief(item).at(0, 0, item.t).tail)


@lru_cache(maxsize=4096)
def _tables(item: Item, utility: Utility) -> tuple[list[list[float]], list[list[float]]]:
    """Means and payoffs of an item, indexed [labels][wins]."""
    found = _belief(item).tables(_MOST, item.t)
    # Entries with wins > labels are void and never read.
    payoff = item.v * utility(found.tail)
    return found.mean.tolist(), payoff.tolist()


@lru_cache(maxsize=65536)
def gain(item: Item, labels: int, utility: Utility | None = None) -> float:
    """Expected payoff after a number of labels of one item, minus that of no labels.

    Examples
    --------
    >>> [round(gain(Item(1, 1, 0.5), k), 6) for k in range(4)]
    [0.0, 0.25, 0.25, 0.3125]
    """
    mean, payoff = _tables(item, Accuracy() if utility is None else utility)
    value = payoff[labels]
    for n in range(labels - 1, -1, -1):
        value = [m * value[w + 1] + (1.0 - m) * value[w] for w, m in enumerate(mean[n][: n + 1])]
    return float(value[0] - payoff[0][0])


def marginal(item: Item, label: int, utility: Utility | None = None) -> float:
    """Gain of the k-th label."""
    return gain(item, label, utility) - gain(item, label - 1, utility)


@lru_cache(maxsize=65536)
def two_items(first: Item, second: Item, labels: int, utility: Utility | None = None) -> tuple[float, float, float]:
    """Optimal gain of a number of labels, and the fewest and most that optimal policies spend on the first item.

    Examples
    --------
    >>> two_items(Item(1, 1, 0.5), Item(1, 1, 0.5, v=2.0), 1)
    (0.5, 0.0, 0.0)
    """
    h = Accuracy() if utility is None else utility
    (mean, payoff), (mean_2, payoff_2) = _tables(first, h), _tables(second, h)
    scale = max(first.v, second.v)
    found: dict[tuple[int, int, int, int], tuple[float, float, float]] = {}
    for n in range(labels + 1):
        for w in range(n + 1):
            for z in range(labels - n + 1):
                found[n, w, labels - n, z] = payoff[n][w] + payoff_2[labels - n][z], 0.0, 0.0
    for spent in range(labels - 1, -1, -1):
        for n in range(spent + 1):
            k = spent - n
            for w in range(n + 1):
                for z in range(k + 1):
                    one = _mixed(mean[n][w], found[n + 1, w + 1, k, z], found[n + 1, w, k, z], 1.0)
                    two = _mixed(mean_2[k][z], found[n, w, k + 1, z + 1], found[n, w, k + 1, z], 0.0)
                    if one[0] > two[0] + ROUNDING * scale:
                        best = one
                    elif two[0] > one[0] + ROUNDING * scale:
                        best = two
                    else:
                        best = max(one[0], two[0]), min(one[1], two[1]), max(one[2], two[2])
                    found[n, w, k, z] = best
    value, least, most = found[0, 0, 0, 0]
    return value - payoff[0][0] - payoff_2[0][0], least, most


def _mixed(
    m: float, won: tuple[float, float, float], lost: tuple[float, float, float], bought: float
) -> tuple[float, float, float]:
    return (
        m * won[0] + (1.0 - m) * lost[0],
        bought + m * won[1] + (1.0 - m) * lost[1],
        bought + m * won[2] + (1.0 - m) * lost[2],
    )
