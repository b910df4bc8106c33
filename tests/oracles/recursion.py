"""The exact engine a second time, in plain Python and from the equations alone: what its answers are checked against.

A state is a tuple of (labels, wins), one pair for each item. With mu_i = (a_i + w_i) / (a_i + b_i + n_i) and
p_i = P(alpha_i > t_i) under Beta(a_i + w_i, b_i + n_i - w_i),

    V(s) = sum_i v_i h(p_i)                                                        when no more is bought,
    V(s) = mu_i V(s with a win of i) + (1 - mu_i) V(s with a loss of i)              otherwise,

where i is the item of largest right-hand side (the optimum) or of largest index (a policy); items within 1e-12 of the
largest, relative to it or to the size of what the index is a difference of, are tied. Policies spend the budget; the
optimum also stops where that is worth more.

Beliefs with whole a and b are exact rational numbers, P(alpha > t) = P(Binomial(a + b - 1, t) <= a - 1). Nothing here
comes from the package but its name for a problem, in ``problem_of``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, cached_property
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st
from scipy.special import betainc

from seqaudit import Problem

Number = Any  # float or Fraction
State = tuple[tuple[int, int], ...]
TIE = Fraction(1, 10**12)


@dataclass(frozen=True)
class Item:
    """One item; whole ``a`` and ``b`` are handled exactly."""

    threshold: float
    weight: float = 1.0
    a: float = 1
    b: float = 1
    cap: int | None = None

    @property
    def whole(self) -> bool:
        return float(self.a).is_integer() and float(self.b).is_integer()


@dataclass(frozen=True)
class Case:
    """A problem, as the tests draw it."""

    items: tuple[Item, ...]
    budget: int
    utility: str = "accuracy"

    @cached_property
    def caps(self) -> tuple[int, ...]:
        return tuple(self.budget if x.cap is None else min(x.cap, self.budget) for x in self.items)

    @cached_property
    def labels(self) -> int:
        return min(self.budget, sum(self.caps))


class Belief(NamedTuple):
    """``tail`` = P(alpha > t), ``rest`` = P(alpha < t), ``step`` = t^a (1-t)^b / B(a, b)."""

    mean: Number
    tail: Number
    rest: Number
    step: Number


@cache
def belief(item: Item, n: int, w: int) -> Belief:
    """Belief about an item after n labels with w wins."""
    if item.whole:
        return exact_belief(int(item.a) + w, int(item.b) + n - w, Fraction(item.threshold))
    a, b, t = item.a + w, item.b + (n - w), item.threshold
    log_step = a * math.log(t) + b * math.log1p(-t) + math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    return Belief(a / (a + b), float(betainc(b, a, 1.0 - t)), float(betainc(a, b, t)), math.exp(log_step))


@cache
def exact_belief(a: int, b: int, t: Fraction) -> Belief:
    """Belief Beta(a, b) in rational arithmetic."""
    trials = a + b - 1
    tail = sum(math.comb(trials, j) * t**j * (1 - t) ** (trials - j) for j in range(a))
    return Belief(Fraction(a, a + b), tail, 1 - tail, exact_step(a, b, t))


def exact_step(a: int, b: int, t: Fraction) -> Fraction:
    """t^a (1-t)^b / B(a, b)."""
    return a * math.comb(a + b - 1, a) * t**a * (1 - t) ** b


class Utility(NamedTuple):
    """h, the largest |h| on [0, 1], and what the package calls it."""

    h: Callable[[Number], Number]
    largest: float
    spec: Any


def _entropy(p: Number) -> float:
    x = float(p)
    return x * math.log(x) + (1 - x) * math.log1p(-x) if 0 < x < 1 else 0.0


def _decisive(p: Number) -> int:
    slack = 0 if isinstance(p, Fraction) else 1e-12
    return int(min(p, 1 - p) <= Fraction(1, 4) + slack)


UTILITIES = {
    "accuracy": Utility(lambda p: max(p, 1 - p), 1.0, "accuracy"),
    "asymmetric": Utility(
        lambda p: max(0, Fraction(3, 2) * p - Fraction(1, 2) * (1 - p)),
        1.5,
        {"name": "asymmetric", "gain": 1.5, "loss": 0.5},
    ),
    "variance": Utility(lambda p: -p * (1 - p), 0.25, "variance"),
    "entropy": Utility(_entropy, math.log(2), "entropy"),
    "decisive": Utility(_decisive, 1.0, {"name": "decisive", "eps": 0.25}),
    "linear": Utility(lambda p: p, 1.0, "linear"),
    "callable": Utility(lambda p: abs(p - Fraction(3, 10)), 0.7, lambda p: np.abs(p - 0.3)),
}
CONVEX = tuple(name for name in UTILITIES if name != "decisive")


def problem_of(case: Case) -> Problem:
    """The same case, stated to the package."""
    return Problem(
        threshold=[x.threshold for x in case.items],
        weight=[x.weight for x in case.items],
        prior=[(x.a, x.b) for x in case.items],
        cap=case.caps,
        budget=case.budget,
        utility=UTILITIES[case.utility].spec,
    )


def with_label(state: State, i: int, label: int) -> State:
    """State after one more label of item i."""
    n, w = state[i]
    return (*state[:i], (n + 1, w + label), *state[i + 1 :])


def plain_index(policy: str, threshold: float, n: int, mu: Number) -> Number:
    """Index of the policies that know no tail: after n labels, at a posterior mean ``mu``."""
    match policy:
        case "round-robin":
            return -n
        case "uncertainty":
            return mu * (1 - mu)
        case "high-logratio":
            return math.log(threshold / (1 - threshold))
    return 0


class Recursion:
    """Values of one case.

    ``exact`` keeps everything rational (whole priors, rational utilities only); ``tie`` is the relative tolerance.
    """

    def __init__(self, case: Case, *, exact: bool = False, tie: Fraction = TIE) -> None:
        self.case, self.number, self.tie = case, Fraction if exact else float, tie
        self.start: State = ((0, 0),) * len(case.items)
        self._payoff_scale = max(x.weight for x in case.items) * UTILITIES[case.utility].largest
        self._mean, self._payoff = [
            [cache(lambda n, w, i=i, f=f: self.number(f(i, n, w))) for i in range(len(case.items))]
            for f in (lambda i, n, w: belief(case.items[i], n, w).mean, self.payoff)
        ]

    def payoff(self, i: int, n: int, w: int) -> Number:
        """v h(p) of item i after n labels with w wins."""
        return self._worth(i, belief(self.case.items[i], n, w).tail)

    def _worth(self, i: int, p: Number) -> Number:
        return Fraction(self.case.items[i].weight) * UTILITIES[self.case.utility].h(p)

    def index(self, policy: str, i: int, n: int, w: int) -> Number:
        """Index of item i under a named policy."""
        item = self.case.items[i]
        v = Fraction(item.weight)
        mu, p, rest, step = belief(item, n, w)
        up, down = belief(item, n + 1, w + 1).tail, belief(item, n + 1, w).tail
        match policy:
            case "uniform" | "round-robin" | "uncertainty" | "high-logratio":
                return plain_index(policy, item.threshold, n, mu)
            case "audit-index":
                return v * p * rest
            case "linear-gain":
                return v * (mu * up + (1 - mu) * down - p)
            case "kg":
                return mu * self._worth(i, up) + (1 - mu) * self._worth(i, down) - self._worth(i, p)
            case "optimistic-kg":
                return max(self._worth(i, up), self._worth(i, down)) - self._worth(i, p)
            case "variance-reduction" if item.whole:
                return v * (p * (1 - p) - mu * up * (1 - up) - (1 - mu) * down * (1 - down))
            case "variance-reduction":
                return v * step**2 / ((item.a + w) * (item.b + n - w))
            case "apt" | "lsa" if n == 0:
                return 1
            case "apt":
                return -math.sqrt(n) * float(abs(Fraction(w, n) - Fraction(item.threshold)))
            case "lsa":
                return -(2 * n * float(Fraction(w, n) - Fraction(item.threshold)) ** 2 + math.log(n) / 2)
        raise ValueError(policy)

    def _index_scale(self, policy: str) -> float:
        if policy in ("kg", "optimistic-kg"):
            return self._payoff_scale
        if policy in ("apt", "lsa"):
            return 1.0
        return max(x.weight for x in self.case.items) if policy == "linear-gain" else 0.0

    def open_items(self, state: State) -> list[int]:
        """Items that can be labelled next."""
        if sum(n for n, _ in state) == self.case.labels:
            return []
        return [i for i, (n, _) in enumerate(state) if n < self.case.caps[i]]

    def _tied(self, scores: dict[int, Number], scale: float) -> list[int]:
        best = max(scores.values())
        level = best - self.number(self.tie) * max(abs(best), self.number(scale))
        return [i for i, score in scores.items() if score >= level]

    def _label_value(self, value: Callable[[State], Number], state: State, i: int) -> Number:
        mu = self._mean[i](*state[i])
        return mu * value(with_label(state, i, 1)) + (1 - mu) * value(with_label(state, i, 0))

    def _terminal(self, state: State) -> Number:
        return sum(self._payoff[i](*state[i]) for i in range(len(state)))

    def optimum(self) -> tuple[Number, dict[State, list[int]]]:
        """Optimal value at the start, and the optimal items, if any, of every state where a label can be bought."""
        items: dict[State, list[int]] = {}

        @cache
        def value(state: State) -> Number:
            scores = {i: self._label_value(value, state, i) for i in self.open_items(state)}
            if not scores:
                return self._terminal(state)
            stop = self._terminal(state)
            tied = self._tied(scores | {-1: stop}, self._payoff_scale)
            items[state] = [i for i in tied if i >= 0]
            return max(stop, *scores.values())

        return value(self.start), items

    def value_of(self, policy: str, ties: str = "random") -> Number:
        """Value of a named policy at the start."""
        scale = self._index_scale(policy)
        index = [cache(lambda n, w, i=i: self.number(self.index(policy, i, n, w))) for i in range(len(self.start))]
        best_items = self.optimum()[1] if policy == "exact" else {}

        @cache
        def value(state: State) -> Number:
            usable = self.open_items(state)
            if not usable:
                return self._terminal(state)
            if policy == "exact":
                chosen = best_items[state]
            else:
                chosen = self._tied({i: index[i](*state[i]) for i in usable}, scale)
            if not chosen:
                return self._terminal(state)
            if ties == "first":
                chosen = chosen[:1]
            return sum(self._label_value(value, state, i) for i in chosen) / len(chosen)

        return value(self.start)


def relaxed_item(case: Case, i: int, price: float, *, ties_buy: bool) -> tuple[float, float]:
    """Best expected payoff less what labels cost, for one item at a price a label, and the labels bought.

    Within 1e-9 a label that is worth its price is a tie.
    """
    recursion, item = Recursion(case), case.items[i]
    margin = -1e-9 if ties_buy else 1e-9

    @cache
    def best(n: int, w: int) -> tuple[float, float]:
        stop = float(recursion.payoff(i, n, w))
        if n == case.caps[i]:
            return stop, 0.0
        mu = float(belief(item, n, w).mean)
        (up, more), (down, fewer) = best(n + 1, w + 1), best(n + 1, w)
        go = mu * up + (1 - mu) * down - price
        labels = 1 + mu * more + (1 - mu) * fewer
        return max(stop, go), labels if go > stop + margin else 0.0

    return best(0, 0)


def relaxed(case: Case, price: float, *, ties_buy: bool = False) -> tuple[float, float]:
    """Lagrangian L(price) and the labels bought in it."""
    parts = [relaxed_item(case, i, price, ties_buy=ties_buy) for i in range(len(case.items))]
    return price * case.labels + sum(value for value, _ in parts), sum(labels for _, labels in parts)


def states(case: Case, labels: int) -> Iterator[State]:
    """All states with so many labels."""

    def extend(head: State, rest: int) -> Iterator[State]:
        i = len(head)
        if i == len(case.items):
            if rest == 0:
                yield head
            return
        for n in range(min(rest, case.caps[i]) + 1):
            for w in range(n + 1):
                yield from extend((*head, (n, w)), rest - n)

    return extend((), labels)


utility_names = st.sampled_from(tuple(UTILITIES))
whole_priors = st.tuples(st.integers(1, 4), st.integers(1, 4))
real_priors = st.tuples(*[st.integers(50, 600).map(lambda x: x / 100)] * 2)


@st.composite
def cases(
    draw: st.DrawFn,
    utility: st.SearchStrategy[str] = utility_names,
    prior: st.SearchStrategy[tuple[float, float]] = whole_priors | real_priors,
    shrink: int = 0,
) -> Case:
    """Small problems of 1 to 5 items, many with identical items; ``shrink`` labels fewer than usual."""
    count = draw(st.integers(1, 5))
    budget = draw(st.integers(1, {1: 10, 2: 8, 3: 6, 4: 5, 5: 4}[count] - shrink))
    cap = st.none() | st.integers(0, budget)
    threshold, weight = st.integers(15, 85).map(lambda x: x / 100), st.integers(1, 8).map(lambda x: x / 4)
    kinds = [Item(draw(threshold), draw(weight), *draw(prior), draw(cap)) for _ in range(draw(st.integers(1, count)))]
    return Case(tuple(draw(st.sampled_from(kinds)) for _ in range(count)), budget, draw(utility))
