"""The whole family of problems in plain Python: costs, caps, quotas, batches, rewards, beliefs, and a wrong model.

A state is a tuple of (labels, wins), one pair for each item. Labels n can be bought when some n' >= n within the caps
and the budget meets every quota. With r_i the reward of a win and P the chain rule over single labels,

    V(s) = sum_i v_i h(p_i)                                       when no further label can be bought,
    V(s) = max_d sum_outcomes P(outcome) [sum_i r_i (wins of i in it) + V(s after it)] - price of d      otherwise,

over the batches d: as many labels as a batch holds, or fewer when after d none can be bought; and over stopping, worth
sum_i v_i h(p_i), where every quota is met. So rewards are paid when they happen, and so are prices. A *rule* gives
every item a probability in a state, or none to any to stop there, and takes the place of the maximum. Under a *nature*,
labels and the truth p come from nature's beliefs, while the rule and the decisions follow the problem's.
"""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, cached_property
from typing import Any

import numpy as np
from oracles.beliefs import Belief, Beta, Number
from oracles.recursion import TIE, State, Utility, plain_index
from oracles.recursion import UTILITIES as TERMINAL

import seqaudit as sa

Labels = tuple[int, ...]
Rule = Callable[[State], Mapping[int, Number]]

UTILITIES = TERMINAL | {
    # Exact arithmetic on rates such as .3 is a rounding away from a boundary that floats stand on.
    "decisive": TERMINAL["decisive"]._replace(h=lambda p: score("decisive", p, p)),
    "none": Utility(lambda p: 0, 0.0, None),
}
FLAT = Beta(1, 1)
SLACK = Fraction(1, 10**9)
CLOSE = 1e-12  # A tail within this of a boundary is on it.


@dataclass(frozen=True)
class Item:
    """One item."""

    threshold: float
    weight: float = 1.0
    prior: Belief = FLAT
    cap: int | None = None
    cost: float = 1
    reward: float = 0.0


@dataclass(frozen=True)
class Case:
    """A problem; a quota is (items, minimum)."""

    items: tuple[Item, ...]
    budget: float
    utility: str = "accuracy"
    quotas: tuple[tuple[tuple[int, ...], int], ...] = ()
    batch: int = 1
    label_price: float = 0.0

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash((self.items, self.budget, self.utility, self.quotas, self.batch, self.label_price))

    def stated(self, **changes: Any) -> sa.Problem:
        """The same problem, stated to the package."""
        columns = {key: [getattr(x, key) for x in self.items] for key in ("threshold", "weight", "cost", "reward")}
        caps = {} if all(x.cap is None for x in self.items) else {"cap": self.caps}
        rest = {"budget": self.budget, "utility": UTILITIES[self.utility].spec, "quota": self.quotas}
        rest["label_price"] = self.label_price
        prior = {"prior": [x.prior.stated() for x in self.items], "batch": self.batch}
        return sa.Problem(**(columns | caps | rest | prior | changes))

    @cached_property
    def purse(self) -> Fraction:
        return Fraction(self.budget) * (1 + SLACK)

    @cached_property
    def _whole(self) -> tuple[tuple[int, ...], int]:
        """Costs, and what can be spent, as multiples of a unit of which all costs are whole multiples."""
        costs = [Fraction(x.cost) for x in self.items]
        unit = math.lcm(*(x.denominator for x in costs))
        return tuple(int(x * unit) for x in costs), math.floor(self.purse * unit)

    @cached_property
    def caps(self) -> Labels:
        costs, purse = self._whole
        most = [purse // cost for cost in costs]
        return tuple(m if x.cap is None else min(x.cap, m) for x, m in zip(self.items, most, strict=True))

    def label_chances(self, alpha: Sequence[float]) -> tuple[float, ...]:
        """Chances that a label is a win at these rates: labels may be turned over, or come through a channel."""
        chances = []
        for item, a in zip(self.items, alpha, strict=True):
            heard = getattr(item.prior, "chances", None)
            flip = getattr(item.prior, "flip", 0.0)
            chances.append(a + flip * (1 - 2 * a) if heard is None else float(np.interp(a, item.prior.points, heard)))
        return tuple(chances)

    def spent(self, n: Labels) -> Fraction:
        return sum((Fraction(x.cost) * k for x, k in zip(self.items, n, strict=True)), Fraction(0))

    def affords(self, n: Labels) -> bool:
        costs, purse = self._whole
        return sum(map(operator.mul, costs, n)) <= purse

    def met(self, n: Labels) -> bool:
        """True where labels n meet every quota, so that buying may stop."""
        return all(sum(n[i] for i in items) >= minimum for items, minimum in self.quotas)

    def can(self, n: Labels) -> bool:
        """True where labels n can be bought: some way to go on, or to stop here, meets every quota."""
        return _can(self, n)

    def moves(self, n: Labels) -> list[Labels]:
        """Batches that can be bought next."""
        return _moves(self, n)

    @cached_property
    def reachable(self) -> list[Labels]:
        """All labels that can be bought."""
        return [n for n in itertools.product(*(range(cap + 1) for cap in self.caps)) if self.can(n)]

    @cached_property
    def labels(self) -> int:
        return max(map(sum, self.reachable))

    def states(self) -> Iterator[State]:
        """All states in which labels can be bought or the end has come."""
        for n in self.reachable:
            for w in itertools.product(*(range(k + 1) for k in n)):
                yield tuple(zip(n, w, strict=True))


def plus(n: Labels, d: Labels) -> Labels:
    return tuple(x + y for x, y in zip(n, d, strict=True))


@cache
def _can(case: Case, n: Labels) -> bool:
    if not case.affords(n) or any(k > cap for k, cap in zip(n, case.caps, strict=True)):
        return False
    return case.met(n) or any(_can(case, plus(n, one)) for one in units(len(n)))


@cache
def _moves(case: Case, n: Labels) -> list[Labels]:
    singles = [one for one in units(len(n)) if case.can(plus(n, one))]
    if case.batch == 1:
        return singles
    batches = [d for d in itertools.product(range(case.batch + 1), repeat=len(n)) if 0 < sum(d) <= case.batch]
    return [
        d
        for d in batches
        if case.can(plus(n, d))
        and (sum(d) == case.batch or not any(case.can(plus(plus(n, d), one)) for one in units(len(n))))
    ]


@cache
def units(size: int) -> list[Labels]:
    return [tuple(int(i == j) for j in range(size)) for i in range(size)]


def accept_above(utility: str) -> Number:
    """Tail above which an item is declared learnable."""
    return Fraction(1, 4) if utility == "asymmetric" else Fraction(1, 2)


def learnable(utility: str, tail: Number) -> bool:
    return bool(tail > accept_above(utility) + Fraction(CLOSE))


def score(utility: str, believed: Number, p: Number) -> Number:
    """Payoff of what one decides when one believes in a tail of ``believed`` and the tail is p."""
    says = learnable(utility, believed)
    match utility:
        case "accuracy":
            return p if says else 1 - p
        case "asymmetric":
            return Fraction(3, 2) * p - Fraction(1, 2) * (1 - p) if says else 0
        case "variance":
            return -(p * (1 - believed) ** 2 + (1 - p) * believed**2)
        case "entropy":
            yes, no = (math.log(x) if x > 0 else -math.inf for x in (believed, 1 - believed))
            return (p * yes if p else 0) + ((1 - p) * no if 1 - p else 0)
        case "linear":
            return p
        case "decisive":
            low, high = Fraction(1, 4) + Fraction(CLOSE), Fraction(3, 4) - Fraction(CLOSE)
            return int((believed <= low and p <= low) or (believed >= high and p >= high))
        case "none":
            return 0
    raise ValueError(utility)


class Oracle:
    """Values of one case.

    ``exact`` keeps everything rational; ``decisions`` says whose tail decides at the end, "working" or "nature".
    """

    def __init__(self, case: Case, nature: tuple[Belief, ...] | None = None, *, exact: bool = False) -> None:
        self.case, self.number = case, Fraction if exact else float
        self.working = tuple(x.prior for x in case.items)
        self.nature = self.working if nature is None else nature
        self.start: State = ((0, 0),) * len(case.items)
        self.scale = max(x.weight for x in case.items) * UTILITIES[case.utility].largest
        self._outcomes = cache(self._outcomes_of)
        self._payoff = cache(self._payoff_of)

    def _payoff_of(self, i: int, n: int, w: int, decisions: str) -> Number:
        item, utility = self.case.items[i], self.case.utility
        truth = self.nature[i].tail(n, w, item.threshold)
        if self.nature is self.working or decisions == "nature":
            return self.number(Fraction(item.weight) * UTILITIES[utility].h(truth))
        return self.number(Fraction(item.weight) * score(utility, self.working[i].tail(n, w, item.threshold), truth))

    def _outcomes_of(self, i: int, n: int, w: int, d: int) -> list[tuple[int, Number]]:
        """Wins among the next d labels of item i, with their probabilities: every sequence, by the chain rule."""
        total: dict[int, Number] = {}
        for sequence in itertools.product((0, 1), repeat=d):
            chance, wins = self.number(1), w
            for k, label in enumerate(sequence):
                if chance == 0:
                    break
                mu = self.number(self.nature[i].mean(n + k, wins))
                chance *= mu if label else 1 - mu
                wins += label
            if chance:
                total[sum(sequence)] = total.get(sum(sequence), 0) + chance
        return list(total.items())

    def _after(self, state: State, d: Labels) -> Iterator[tuple[Number, Number, State]]:
        """Chance, reward and next state of every outcome of a batch."""
        parts = [self._outcomes(i, *state[i], k) for i, k in enumerate(d)]
        for outcome in itertools.product(*parts):
            chance = math.prod(q for _, q in outcome)
            earned = sum(self.number(x.reward) * k for x, (k, _) in zip(self.case.items, outcome, strict=True) if k)
            earned -= self.number(self.case.label_price) * self.number(self.case.spent(d))
            after = ((n + k, w + x) for (n, w), k, (x, _) in zip(state, d, outcome, strict=True))
            yield chance, earned, tuple(after)

    def _expected(self, value: Callable[[State], Number], state: State, d: Labels) -> Number:
        return sum(chance * (earned + value(after)) for chance, earned, after in self._after(state, d))

    def _terminal(self, state: State, decisions: str = "working") -> Number:
        return sum(self._payoff(i, *x, decisions) for i, x in enumerate(state))

    def value_at_once(self) -> Number:
        """Payoff of buying no label."""
        return self._terminal(self.start)

    def optimum(self) -> tuple[Number, dict[State, list[Labels]]]:
        """Optimal value at the start, and the optimal batches of every state that can come about."""
        best_of: dict[State, list[Labels]] = {}

        @cache
        def value(state: State) -> Number:
            moves = self.case.moves(counts_of(state))
            if not moves:
                return self._terminal(state)
            worth = {d: self._expected(value, state, d) for d in moves}
            best = max([*worth.values(), *([self._terminal(state)] if self.case.met(counts_of(state)) else [])])
            best_of[state] = [d for d in moves if worth[d] >= best - self.number(TIE) * max(abs(best), 1)]
            return best

        return value(self.start), best_of

    def value_of(self, rule: Rule, decisions: str = "working") -> Number:
        """Expected payoff of a rule for choosing single labels."""

        @cache
        def value(state: State) -> Number:
            if not self.case.moves(counts_of(state)):
                return self._terminal(state, decisions)
            steps = units(len(state))
            shares = self.shares(rule, state)
            if not shares:
                return self._terminal(state, decisions)
            return sum(p * self._expected(value, state, steps[i]) for i, p in shares.items())

        return value(self.start)

    def shares(self, rule: Rule, state: State) -> dict[int, Number]:
        """The rule's probabilities over the items that can be labelled; they sum to 1, or there are none: it stops."""
        usable = [d.index(1) for d in self.case.moves(counts_of(state))]
        weights = rule(state)
        mass = {i: weights[i] for i in usable if weights.get(i, 0)}
        assert mass or self.case.met(counts_of(state))
        return {i: x / sum(mass.values()) for i, x in mass.items()}

    def optimal_rule(self, ties: str = "random") -> Rule:
        """The optimum under the working beliefs, as a rule."""
        best = Oracle(self.case).optimum()[1]

        def rule(state: State) -> dict[int, Number]:
            items = sorted(d.index(1) for d in best[state])
            return dict.fromkeys(items if ties == "random" else items[:1], self.number(1))

        return rule

    def index_rule(self, policy: str | Callable[..., Number], ties: str = "random") -> Rule:
        """An index policy as a rule: a name, or a function of (item, n, w, remaining budget)."""
        table = cache(lambda i, n, w: self.number(self.index(policy, i, n, w)))

        def index(i: int, n: int, w: int, left: Fraction) -> Number:
            return table(i, n, w) if isinstance(policy, str) else policy(i, n, w, left)

        def rule(state: State) -> dict[int, Number]:
            n = counts_of(state)
            left = Fraction(self.case.budget) - self.case.spent(n)
            scores = {d.index(1): index(d.index(1), *state[d.index(1)], left) for d in self.case.moves(n)}
            best = max(scores.values())
            level = best - self.number(TIE) * max(abs(best), self.number(self._index_scale(policy)))
            tied = sorted(i for i, x in scores.items() if x >= level)
            return dict.fromkeys(tied if ties == "random" else tied[:1], self.number(1))

        return rule

    def _index_scale(self, policy: str | Callable[..., Number]) -> float:
        if policy in ("kg", "optimistic-kg"):
            return self.scale
        return max(x.weight for x in self.case.items) if policy == "linear-gain" else 0.0

    def index(self, policy: str, i: int, n: int, w: int) -> Number:
        """Index of item i under a named policy, from the working beliefs; gains in payoff are per unit of cost."""
        item = self.case.items[i]
        v, cost, h = Fraction(item.weight), Fraction(item.cost), UTILITIES[self.case.utility].h
        pays = Fraction(item.reward)
        mu = item.prior.mean(n, w)
        p, up, down = (item.prior.tail(*at, item.threshold) for at in ((n, w), (n + 1, w + 1), (n + 1, w)))
        match policy:
            case "uniform" | "linear-gain" | "round-robin" | "uncertainty" | "high-logratio":
                return plain_index(policy, item.threshold, n, mu)
            case "audit-index":
                return v * p * (1 - p)
            case "kg":
                return (mu * (v * h(up) + pays) + (1 - mu) * v * h(down) - v * h(p)) / cost
            case "optimistic-kg":
                return (max(v * h(up) + pays, v * h(down)) - v * h(p)) / cost
            case "variance-reduction":
                return v * mu * (1 - mu) * (up - down) ** 2 / cost
        raise ValueError(policy)

    def visits(
        self, rule: Rule, rates: Sequence[float] | None = None
    ) -> Iterator[tuple[State, float, dict[int, Number]]]:
        """Every state that a rule comes to, its probability, and shares of the items labelled there: none at an end.

        Labels come from nature's beliefs, or from known rates.
        """
        now = {self.start: 1.0}
        while now:
            later: dict[State, float] = {}
            for state, chance in now.items():
                shares = self.shares(rule, state) if self.case.moves(counts_of(state)) else {}
                yield state, chance, shares
                for i, p in shares.items():
                    n, w = state[i]
                    rate = float(self.nature[i].mean(n, w)) if rates is None else rates[i]
                    for label, q in ((1, rate), (0, 1 - rate)):
                        after = (*state[:i], (n + 1, w + label), *state[i + 1 :])
                        later[after] = later.get(after, 0.0) + chance * float(p) * q
            now = {state: chance for state, chance in later.items() if chance}

    def ends(self, rule: Rule, rates: tuple[float, ...]) -> dict[State, float]:
        """Probability of every final state when the items' rates are known and a rule chooses, step by step."""
        return {state: chance for state, chance, shares in self.visits(rule, rates) if not shares}


def counts_of(state: State) -> Labels:
    return tuple(n for n, _ in state)


def arrays(state: State) -> tuple[Any, Any]:
    """Labels and wins of a state, as the package takes them."""
    counts, wins = np.transpose(state)
    return counts, wins
