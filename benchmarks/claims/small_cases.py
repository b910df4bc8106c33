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

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
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
    "KINDS_SEARCHED",
    "MULTIPLES",
    "SURE",
    "UNIT",
    "Claim",
    "Item",
    "Kind",
    "case_text",
    "first_failure",
    "gain",
    "item_of",
    "judged",
    "kinds",
    "marginal",
    "one_step",
    "priors",
    "smallest",
    "tables",
    "tail_of",
    "threshold_at",
    "two_items",
    "vacuous",
    "with_detail",
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

# (a, b, m) of an item with the prior Beta(a, b) and the threshold sigma(m log(3/2)).
Kind = tuple[int, int, int]
KINDS_SEARCHED = "Beta(a, b) with a + b up to 4, t = sigma(m log(3/2)) with m from 0 to 4"


@dataclass(frozen=True)
class Claim:
    """Verdict on a claim.

    Cases are searched in a fixed order, so the first failing case is always the same.

    Attributes
    ----------
    key : str
        Letter of the claim, with a number where it has parts; claims of sections other than 8 begin with the section.
    statement : str
    verdict : {"HOLDS", "FAILS", "VACUOUS"}
        HOLDS: true in every case searched. FAILS: false in ``case``, the first in order. VACUOUS: true, but of a
        quantity that is always 0 or constant, so that the claim says nothing.
    searched : int
        Number of cases searched, including the failing one.
    order : str
        Description of the cases and of their order.
    case : dict
        The failing case; empty if there is none.
    detail : str
        Numbers of the failing case, or why the claim holds everywhere, and the size of what it is about.
    section : int
        Section of the source paper (Lemma 2026).
    """

    key: str
    statement: str
    verdict: str
    searched: int
    order: str
    case: dict[str, Any]
    detail: str
    section: int = 8


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
    key: str,
    statement: str,
    order: str,
    cases: Iterable[dict[str, Any]],
    fault: Callable[..., str | None],
    why: str,
    section: int = 8,
) -> Claim:
    """Search the cases and judge the claim; ``why`` is the reason given with a claim that holds.

    A claim that holds without a reason has only not been seen to fail.
    """
    case, found, searched = first_failure(cases, fault)
    if not searched:
        raise ValueError(f"claim {key}: there is no case to search")
    verdict = "HOLDS" if found is None else "FAILS"
    detail = (why or _UNPROVED) if found is None else found
    return Claim(key, statement, verdict, searched, order, case, detail, section)


def vacuous(claim: Claim) -> Claim:
    """The claim with the verdict VACUOUS if it holds; one that fails stays as it is.

    Examples
    --------
    >>> claim = judged("x", "0 times n is 0", "n = 1, 2", [{"n": 1}, {"n": 2}], lambda n: None, "0 n = 0")
    >>> vacuous(claim).verdict
    'VACUOUS'
    """
    return replace(claim, verdict="VACUOUS") if claim.verdict == "HOLDS" else claim


def with_detail(claim: Claim, told: str) -> Claim:
    """The claim with more detail."""
    return replace(claim, detail=f"{claim.detail}; {told}")


def smallest(cases: Iterable[dict[str, Any]], value: Callable[..., float]) -> tuple[float, dict[str, Any]]:
    """Smallest value over all cases, and the first case that has it.

    Examples
    --------
    >>> smallest([{"n": 3}, {"n": 1}, {"n": -1}], lambda n: n * n)
    (1, {'n': 1})
    """
    best, found = float("inf"), {}
    for case in cases:
        x = value(**case)
        if x < best - SURE:
            best, found = x, case
    return best, found


def case_text(case: dict[str, Any]) -> str:
    """A case in one line.

    Examples
    --------
    >>> case_text({"items": ((1, 1, 0), (1, 2, 4)), "labels": 2})
    'Beta(1, 1) with m = 0 and Beta(1, 2) with m = 4, labels 2'
    """
    case = dict(case)
    parts = []
    if "a" in case:
        parts.append(f"Beta({case.pop('a')}, {case.pop('b')})")
    for key, value in case.items():
        if key in ("item", "items"):
            chosen = [value] if key == "item" else value
            parts.append(" and ".join(f"Beta({a}, {b}) with m = {m}" for a, b, m in chosen))
        elif isinstance(value, Utility):
            parts.append(" ".join(str(x) for x in value.as_dict().values()))
        elif isinstance(value, tuple):
            parts.append(f"{key} {' and '.join(f'{x:g}' for x in value)}")
        else:
            parts.append(f"{key} {value:g}")
    return ", ".join(parts)


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


def kinds(most: int = 4) -> list[Kind]:
    """Items (a, b, m) with a + b up to ``most`` and m from 0 to 4; as given, those that ``KINDS_SEARCHED`` tells of.

    Examples
    --------
    >>> kinds()[:2], len(kinds())
    ([(1, 1, 0), (1, 1, 1)], 30)
    """
    return [(a, b, m) for (a, b), m in itertools.product(priors(most), range(5))]


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


def item_of(kind: Kind, weight: float = 1.0, flip: float = 0.0) -> Item:
    """Item of a kind."""
    a, b, m = kind
    return Item(a, b, threshold_at(m, 1), weight, flip)


def _belief(item: Item) -> Beta | NoisyBeta:
    return NoisyBeta(item.a, item.b, item.flip) if item.flip else Beta(item.a, item.b)


def tail_of(item: Item) -> float:
    """P(alpha > t) before any label."""
    return float(_belief(item).at(0, 0, item.t).tail)


@lru_cache(maxsize=4096)
def tables(item: Item, utility: Utility) -> tuple[list[list[float]], list[list[float]]]:
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
    mean, payoff = tables(item, Accuracy() if utility is None else utility)
    value = payoff[labels]
    for n in range(labels - 1, -1, -1):
        value = [m * value[w + 1] + (1.0 - m) * value[w] for w, m in enumerate(mean[n][: n + 1])]
    return float(value[0] - payoff[0][0])


def marginal(item: Item, label: int, utility: Utility | None = None) -> float:
    """Gain of the k-th label."""
    return gain(item, label, utility) - gain(item, label - 1, utility)


@lru_cache(maxsize=4096)
def one_step(item: Item, utility: Utility) -> list[list[float]]:
    """Gain of one label in every state of an item, indexed [labels][wins].

    Examples
    --------
    >>> one_step(Item(1, 1, 0.5), Variance())[0]
    [0.0625]
    """
    mean, payoff = tables(item, utility)
    return [
        [m * payoff[n + 1][w + 1] + (1.0 - m) * payoff[n + 1][w] - payoff[n][w] for w, m in enumerate(mean[n][: n + 1])]
        for n in range(_MOST)
    ]


@lru_cache(maxsize=65536)
def two_items(first: Item, second: Item, labels: int, utility: Utility | None = None) -> tuple[float, float, float]:
    """Optimal gain of a number of labels, and the fewest and most that optimal policies spend on the first item.

    Examples
    --------
    >>> two_items(Item(1, 1, 0.5), Item(1, 1, 0.5, v=2.0), 1)
    (0.5, 0.0, 0.0)
    """
    h = Accuracy() if utility is None else utility
    (mean, payoff), (mean_2, payoff_2) = tables(first, h), tables(second, h)
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
