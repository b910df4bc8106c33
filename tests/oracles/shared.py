"""Problems with a shared parameter a second time: a recursion over the histories of answers, in plain Python.

Histories are not merged, beliefs are renormalised after every answer, and a rule is asked at every history.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

Belief = tuple[float, ...]


class Shared(NamedTuple):
    """Problem: chances by point and query, prior, budget, payoff of a belief, and what labels cost and may number."""

    chance: Sequence[Sequence[float]]
    prior: Belief
    budget: float
    payoff: Callable[[Belief], float]
    cost: Sequence[float]
    cap: Sequence[int]
    price: float = 0.0

    def open(self, counts: tuple[int, ...]) -> list[int]:
        """Queries of which a label can be bought."""
        spent = sum(n * c for n, c in zip(counts, self.cost, strict=True))
        return [
            q for q, c in enumerate(self.cost) if counts[q] < self.cap[q] and spent + c <= self.budget * (1 + 1e-12)
        ]

    def answers(self, belief: Belief, q: int) -> list[tuple[float, int, Belief]]:
        """Chance of each answer, and the belief after it."""
        out = []
        for won in (1, 0):
            joint = [b * (row[q] if won else 1.0 - row[q]) for b, row in zip(belief, self.chance, strict=True)]
            if math.fsum(joint) > 0.0:
                out.append((math.fsum(joint), won, tuple(x / math.fsum(joint) for x in joint)))
        return out


def raised(n: tuple[int, ...], q: int, by: int = 1) -> tuple[int, ...]:
    """Counts with one more of a query."""
    return tuple(x + by * (i == q) for i, x in enumerate(n))


def optimum(problem: Shared, belief: Belief | None = None, counts: tuple[int, ...] | None = None) -> float:
    """Largest expected payoff."""
    belief = problem.prior if belief is None else belief
    counts = (0,) * len(problem.cost) if counts is None else counts
    can = problem.open(counts)
    stop = [problem.payoff(belief)] if problem.price > 0.0 or not can else []
    return max(stop + [bought(problem, belief, counts, q, lambda b, n, w: optimum(problem, b, n)) for q in can])


def bought(problem, belief, counts, q, worth, wins=None) -> float:
    """Expected worth after a label of a query, less its price."""
    wins = counts if wins is None else wins
    after = raised(counts, q)
    total = math.fsum(p * worth(b, after, raised(wins, q, won)) for p, won, b in problem.answers(belief, q))
    return total - problem.price * problem.cost[q]


def value(problem: Shared, rule, belief: Belief | None = None, counts=None, wins=None) -> float:
    """Expected payoff of a rule, which gives the chance of each open query from a belief, counts and wins."""
    nothing = (0,) * len(problem.cost)
    belief, counts, wins = (problem.prior, nothing, nothing) if belief is None else (belief, counts, wins)
    can = problem.open(counts)
    if not can:
        return problem.payoff(belief)
    chances = rule(problem, belief, counts, wins, can)
    return math.fsum(
        p * bought(problem, belief, counts, q, lambda b, n, w: value(problem, rule, b, n, w), wins)
        for q, p in chances.items()
        if p > 0.0
    )
