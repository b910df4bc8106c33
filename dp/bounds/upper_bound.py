r"""Upper bounds on what any policy can earn.

*Lagrangian.* Pay lambda for each unit of cost instead of spending from a budget of K. The items then separate, and

    L(lambda) = lambda K + sum_i V_i(lambda),
    V_i(lambda) = max over stopping rules of E[ v_i h(p_i) + r_i * wins - lambda * kappa_i * labels bought ]

is at least the optimum for every lambda >= 0, because a policy for the budget is feasible in the relaxed problem
(Whittle 1988; Hawkins 2003; Adelman and Mersereau 2008). Quotas and batches only restrict the policies further. L is
convex and piecewise linear; its slope is K minus the expected cost of the labels that the stopping rules buy. Its
minimum is found exactly by intersecting tangents from both sides (Kelley's cutting planes in one dimension),
safeguarded by bisection.

*Clairvoyant.* A planner who knows every indicator 1{alpha_i > t_i} earns sum_i v_i [p_i h(1) + (1 - p_i) h(0)], which
no policy can exceed if h lies below the chord from h(0) to h(1).

*Information relaxation.* A planner sees all labels in advance, and pays a penalty for the luck in them; see
``information_relaxation``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ...posteriors.foundation.kinds import checked
from ...posteriors.foundation.progress import Progress, progress_of
from ...posteriors.foundation.refusals import one_of, whole
from ...posteriors.foundation.seeds import Seed
from ..problem.budget import with_slack
from ..problem.problem import Problem
from ..single_item.stopping import require_chord
from .information_relaxation import InformationRelaxation, two_seeds
from .lagrangian_relaxation import Relaxed

__all__ = ["UpperBound", "marginal_price", "money_of", "upper_bound"]

# Largest sum of squared caps at which the stopping problems are solved at price 0, where all labels may be bought.
_SMALL = 1e8
# Steps in which progress is told.
_STEPS = 100


@dataclass(frozen=True)
class UpperBound:
    """Upper bound on the value of every policy, or an unbiased estimate of such a bound.

    A policy whose value reaches it is optimal.

    Attributes
    ----------
    kind : str
        As given to ``upper_bound``.
    value : float
        The bound; if ``standard_error`` is not 0, an unbiased estimate of it.
    price : float or None
        Price of a unit of cost, the label price included; None for the clairvoyant bound. For the Lagrangian bound, the
        optimal price.
    labels : float or None
        Expected cost of the labels that the relaxed problem buys if ties buy nothing; at most the budget. (If ties buy
        and the price is not 0, it is at least the budget.) Lagrangian bound only.
    standard_error : float
        Standard error of ``value``; 0 for a certain bound.
    """

    kind: str
    value: float
    price: float | None = None
    labels: float | None = None
    standard_error: float = 0.0


@checked
def upper_bound(
    problem: Problem,
    kind: Literal["lagrangian", "clairvoyant", "information-relaxation"] = "lagrangian",
    *,
    samples: int = 1000,
    seed: Seed = 7,
    progress: Progress | bool | None = None,
) -> UpperBound:
    """Upper bound on the expected payoff of the optimal policy, and so of every policy.

    Parameters
    ----------
    problem : Problem
    kind : {"lagrangian", "clairvoyant", "information-relaxation"}
        The information relaxation is an estimate: a mean over simulated labels. Its expectation is a bound, but the
        estimate itself can be below the optimum; add two or more standard errors where a bound has to hold. If the
        caps sum to at most 15, all outcomes are enumerated, the bound is certain and its standard error is 0. It is
        tighter than the Lagrangian bound for few items, and takes time in proportion to ``samples``, the budget and the
        sum of the caps.
    samples : int
        Number of simulated outcomes of all labels, at least 2 (information relaxation only).
    seed : int, SeedSequence or Generator
        Seed of the simulation.
    progress : callable or bool, optional
        Called as ``progress(done, total)`` as the search for the best price and the simulation go on; True shows
        progress on standard error.

    Returns
    -------
    UpperBound

    Raises
    ------
    ValueError
        For an unknown kind, the clairvoyant bound with rewards or with a callable utility that rises above its chord,
        and the information relaxation with costs that are not multiples of a common unit of a thousandth or more.
    ProblemTooLarge
        If the items' tables do not fit in memory.

    Examples
    --------
    >>> problem = Problem([0.5, 0.5], budget=4)
    >>> upper_bound(problem, "clairvoyant").value
    2.0
    >>> round(upper_bound(problem).value, 6)
    1.59375
    >>> problem = Problem([0.5, 0.7, 0.9], budget=5)
    >>> for kind in ("clairvoyant", "lagrangian", "information-relaxation"):
    ...     print(kind, round(upper_bound(problem, kind).value, 4))
    clairvoyant 3.0
    lagrangian 2.5749
    information-relaxation 2.5412
    """
    one_of("bound", kind, ("lagrangian", "clairvoyant", "information-relaxation"))
    if kind == "clairvoyant":
        return UpperBound("clairvoyant", _clairvoyant(problem))
    tell = progress_of(progress, "bounding")
    if kind == "lagrangian":
        return _lagrangian(problem, tell)
    return _information(problem, samples, seed, tell)


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


class _Dual:
    """Lagrangian bound L for a budget, with subgradients; the value of buying no label is left out.

    Prices of a unit of cost are totals: the problem's label price ``least``, which is paid, and the dual price above
    it, which is not: L(price) = (price - least) K + sum_i W_i(price).
    """

    def __init__(self, relaxed: Relaxed, budget: float, least: float) -> None:
        self.relaxed, self.budget, self.least = relaxed, budget, least

    def tangent(self, price: float) -> _Tangent:
        """L at a price, with a subgradient: ties buy nothing."""
        worth, spent = self.relaxed.at(price)
        count = self.relaxed.count
        bound = (price - self.least) * self.budget + float(count @ worth)
        return _Tangent(price, bound, self.budget - float(count @ spent))

    def lowest(self, tolerance: float = 0.0, progress: Progress | None = None) -> _Tangent:
        """Tangent at the minimum, or where L is higher by ``tolerance`` at most."""
        highest = max(self.least, 2.0 * self.relaxed.spread / float(self.relaxed.cost.min()) + 1e-300)
        right = self.tangent(highest)
        if float((self.relaxed.cap + 1.0) @ (self.relaxed.cap + 1.0)) <= _SMALL:
            left = self.tangent(self.least)
            if left.slope >= 0:
                return left
        else:
            # At a low price all labels may be bought, which may be far more than can be computed.
            left = self.tangent(max(self.least, 0.25 * highest))
            while left.slope >= 0:
                # As good as zero: prices fall fourfold a step, so it takes 19 of them.
                if left.price <= self.least or left.price < 1e-12 * highest:
                    return left
                right, left = left, self.tangent(max(self.least, 0.25 * left.price))
        return self.between(left, right, tolerance, progress)

    def between(self, left: _Tangent, right: _Tangent, tolerance: float, progress: Progress | None = None) -> _Tangent:
        """Tangent at the minimum of L, to ``tolerance``, between ``left`` of negative slope and ``right`` of none."""
        # Each step intersects the two tangents. L is piecewise linear, so the search ends exactly, when the point of
        # intersection lies on L. Every second step bisects, in case the pieces are many.
        told, widest = 0, 0.0
        for k in range(200):
            price = (right.value - left.value + left.slope * left.price - right.slope * right.price) / (
                left.slope - right.slope
            )
            lowest = left.value + left.slope * (price - left.price)
            best = min(left, right, key=lambda x: x.value)
            within = max(tolerance, 1e-15 * abs(lowest), 1e-300)
            if progress:
                # Digits of the gap between the two, of those that it has to lose.
                gap = max(best.value - lowest, within)
                widest = max(widest, gap)
                share = math.log(widest / gap) / max(math.log(widest / within), 1e-300)
                told = max(told, min(int(share * _STEPS), _STEPS - 1))
                progress(told, _STEPS)
            if best.value - lowest <= within or not left.price < price < right.price:
                break
            if k % 2:
                price = 0.5 * (left.price + right.price)
            middle = self.tangent(price)
            if middle.slope < 0:
                left = middle
            else:
                right = middle
            if middle.slope == 0:
                break
        return min(left, right, key=lambda x: x.value)


def marginal_price(problem: Problem, items: int = 2000, threads: int | None = None) -> float:
    """Price of a unit of cost at which the relaxed problem spends the budget, computed from a sample of the items.

    Parameters
    ----------
    problem : Problem
    items : int
        Size of the sample, at most: items at equal steps in order of their thresholds. With no more items than this,
        the price is that of the Lagrangian bound; otherwise it is close to it. L is a bound at every price.
    threads : int, optional
        Default: all cores. The answer does not depend on it.

    Returns
    -------
    float
        In units of payoff for a unit of cost.

    Examples
    --------
    >>> round(marginal_price(Problem([0.5, 0.7, 0.9], budget=12)), 6)
    0.012187
    """
    step = -(-problem.size // items)
    chosen = np.argsort(problem.threshold, kind="stable")[step // 2 :: step]
    relaxed = Relaxed(problem, np.sort(chosen), threads)
    dual = _Dual(relaxed, money_of(problem) * len(chosen) / problem.size, problem.label_price)
    return dual.lowest(tolerance=1e-6 * float(relaxed.weight @ relaxed.count)).price


def money_of(problem: Problem) -> float:
    """Budget of the relaxed problem: that of the problem with its slack, or the cost of all labels if lower."""
    if problem.unit_costs:
        return float(problem.labels)
    return min(with_slack(problem.budget), float(problem.cap @ problem.cost))


def _lagrangian(problem: Problem, progress: Progress | None = None) -> UpperBound:
    budget = money_of(problem)
    relaxed = Relaxed(problem)
    dual = _Dual(relaxed, budget, problem.label_price)
    best = dual.lowest(progress=progress)
    # At the best price rounding would decide ties, so labels are counted at a slightly higher price.
    above = dual.tangent(best.price + 1e-9 * relaxed.spread / float(relaxed.cost.min()))
    value = float(best.value + problem.prior_value)
    if progress:
        progress(_STEPS, _STEPS)
    return UpperBound("lagrangian", value, float(best.price), float(budget - above.slope))


def _information(problem: Problem, samples: int, seed: Seed, progress: Progress | None) -> UpperBound:
    samples = whole("samples", samples, least=2)
    pilot, main = two_seeds(seed)
    relaxation = InformationRelaxation(problem)
    price = relaxation.best_price(_lagrangian(problem).price or 0.0, samples, pilot)
    value, error = relaxation.mean(price, samples, main, progress)
    return UpperBound("information-relaxation", value, price, standard_error=error)
