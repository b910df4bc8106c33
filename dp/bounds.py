r"""Upper bounds on what any policy can earn.

*Lagrangian.* Pay lambda for each unit of cost instead of spending from a budget of K. The items then come apart, and

    L(lambda) = lambda K + sum_i V_i(lambda),
    V_i(lambda) = max over stopping rules of E[ v_i h(p_i) + r_i * wins - lambda * kappa_i * labels bought ]

is at least the optimum for every lambda >= 0, because a policy for the budget is feasible in the relaxed problem
(Whittle 1988; Hawkins 2003; Adelman and Mersereau 2008). Quotas and batches only narrow what a policy can do. L is
convex and piecewise linear; a slope is K minus the expected cost of the labels that the stopping rules buy. Its
minimum is found exactly by intersecting tangents from both sides (Kelley's cutting planes in one dimension),
safeguarded by bisection.

*Clairvoyant.* Someone who is told every indicator 1{alpha_i > t_i} earns sum_i v_i [p_i h(1) + (1 - p_i) h(0)], which
no policy can beat as long as h lies below the chord from h(0) to h(1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from . import _kernels_stopping as _kernels
from .budget import with_slack
from .identical import classes
from .lattice import ProblemTooLarge, available_memory
from .problem import Problem
from .states import states_of_item
from .stopping import require_chord
from .sweep import gains

__all__ = ["UpperBound", "upper_bound"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class UpperBound:
    """An upper bound on the value of every policy.

    Attributes
    ----------
    kind : str
    value : float
    price : float or None
        Best price of a unit of cost (Lagrangian only).
    labels : float or None
        Cost of the labels that the relaxed problem buys in expectation when a tie buys nothing: at most the budget.
        When ties buy, and the price is not zero, at least the budget.
    """

    kind: str
    value: float
    price: float | None = None
    labels: float | None = None


def upper_bound(problem: Problem, kind: Literal["lagrangian", "clairvoyant"] = "lagrangian") -> UpperBound:
    """Bound the optimum from above.

    Parameters
    ----------
    problem : Problem
    kind : {"lagrangian", "clairvoyant"}

    Returns
    -------
    UpperBound

    Raises
    ------
    ValueError
        For an unknown kind, or the clairvoyant bound of a callable utility that rises above its chord.
    ProblemTooLarge
        When the items' tables do not fit in memory.

    Examples
    --------
    >>> problem = Problem([0.5, 0.5], budget=4)
    >>> upper_bound(problem, "clairvoyant").value
    2.0
    >>> round(upper_bound(problem).value, 6)
    1.59375
    """
    if kind == "clairvoyant":
        return UpperBound("clairvoyant", _clairvoyant(problem))
    if kind == "lagrangian":
        return _lagrangian(problem)
    raise ValueError(f"bound is {kind!r}; allowed: 'lagrangian', 'clairvoyant'")


def _clairvoyant(problem: Problem) -> float:
    if problem.reward.any():
        raise ValueError("there are rewards, which depend on the rates themselves: the clairvoyant bound does not hold")
    require_chord(problem)
    h = problem.utility(np.array([0.0, 1.0]))
    p = problem.prior_tail
    return float(problem.weight @ (p * h[-1] + (1.0 - p) * h[0]))


@dataclass(frozen=True)
class _Tangent:
    """L(price) and its slope there."""

    price: float
    value: float
    slope: float


def _lagrangian(problem: Problem) -> UpperBound:
    kinds = _Kinds(problem)
    most = float(problem.cap @ problem.cost)
    budget = float(problem.labels) if problem.unit_costs else min(with_slack(problem.budget), most)
    left = kinds.tangent(0.0, budget)
    if left.slope >= 0:
        return kinds.bound(left, budget)
    # A label is worth at most the spread of its item's payoffs: at a higher price nothing is bought.
    right = kinds.tangent(2.0 * kinds.spread / float(kinds.cost.min()) + 1e-300, budget)
    # Each step meets the tangents of a slope below and a slope above zero. L is piecewise linear, so it stops exactly,
    # when the meeting point lies on L; every second step bisects, lest the pieces be too many.
    for k in range(200):
        price = (right.value - left.value + left.slope * left.price - right.slope * right.price) / (
            left.slope - right.slope
        )
        lowest = left.value + left.slope * (price - left.price)
        best = min(left, right, key=lambda x: x.value)
        if best.value - lowest <= 1e-15 * max(abs(lowest), 1e-300) or not left.price < price < right.price:
            break
        if k % 2:
            price = 0.5 * (left.price + right.price)
        middle = kinds.tangent(price, budget)
        if middle.slope < 0:
            left = middle
        else:
            right = middle
        if middle.slope == 0:
            break
    return kinds.bound(min(left, right, key=lambda x: x.value), budget)


class _Kinds:
    """Distinct items with their multiplicities: identical items share one stopping problem."""

    def __init__(self, problem: Problem) -> None:
        _, first, self.count = np.unique(classes(problem), return_index=True, return_counts=True)
        self.cost = problem.cost[first]
        needed = 16 * int(((problem.cap[first] + 1.0) ** 2).sum())
        if needed > available_memory():
            raise ProblemTooLarge(
                f"problem too large for the Lagrangian bound: {len(first)} different items need {needed / 2**30:.3g} "
                f"GiB for their tables, {available_memory() / 2**30:.3g} GiB are available; use the clairvoyant bound"
            )
        self.prior_value = problem.prior_value
        self.tables = []
        self.spread = 0.0
        for i in first:
            states = states_of_item(problem, int(i))
            payoff = states.payoff
            inside = payoff[np.tri(len(payoff), dtype=bool)]
            self.spread = max(self.spread, float(inside.max() - inside.min()))
            self.tables.append((states.mean[:-1, :-1].copy(), gains(states.mean, payoff)))

    def tangent(self, price: float, budget: float) -> _Tangent:
        """L at a price, with a subgradient."""
        value, bought = price * budget + self.prior_value, 0.0
        for count, cost, (mean, gain) in zip(self.count, self.cost, self.tables, strict=True):
            worth, labels = _kernels.go_on(mean, gain, price * cost, 1.0, *np.zeros((2, len(mean) + 1)))
            if worth > 0:
                value += count * worth
                bought += count * labels * cost
        return _Tangent(price, value, budget - bought)

    def bound(self, best: _Tangent, budget: float) -> UpperBound:
        """The answer. At the best price itself rounding would decide ties, so labels are counted a little above it."""
        above = self.tangent(best.price + 1e-9 * self.spread / float(self.cost.min()), budget)
        return UpperBound("lagrangian", float(best.value), float(best.price), float(budget - above.slope))
