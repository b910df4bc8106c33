r"""Upper bounds by information relaxation: all labels are seen in advance, and a penalty is paid for seeing them.

A *clairvoyant* knows every label that could be drawn, chooses the number of labels of each item, and pays for each
label bought the amount by which it turned out better than expected, M = sum of [v h + W](next) - E [v h + W](next). A
policy that does not know the labels pays nothing on average, since M is then a martingale, and has no more choices than
the clairvoyant. So the clairvoyant's mean payoff is at least the optimum, for every W (Brown, Smith and Sun 2010).

Let W be the worth of continuing at a price lambda for a unit of cost (see ``stopping``), and F the worth of buying one
more label and then continuing. A telescoping sum leaves, on every path,

    payoff - M = L(lambda) - lambda (K - spent) - sum_i loss_i(n_i),
    loss_i(n) = sum over the first n labels of (W_i - F_i)  +  W_i after them,

with L the Lagrangian bound at that price. Every term subtracted is at least zero, so no path exceeds L(lambda), and
each loss depends on the labels of one item only. The best n solves

    min sum_i loss_i(n_i) + lambda (K - spent),

over the n at which a policy can end: those after which the rest of the budget buys no label of some item, or no label
is left; where stopping can be better, every n. A label price p is part of lambda in W and F, and is paid: lambda - p
takes the place of lambda in front of K and K - spent. It is found by a (min, +) convolution over the items in the
common unit of the costs. The bound is the mean over paths; it is exact where all paths of all items together are few
enough to enumerate.

The price need not be that of the Lagrangian bound. A higher price makes following lucky labels more expensive, and is
usually better for few items.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ...posteriors.foundation.arrays import Floats, Ints
from ...posteriors.foundation.averages import error_of_average, mean_of
from ...posteriors.foundation.memory import require_memory
from ...posteriors.foundation.progress import Progress
from ...posteriors.foundation.seeds import Seed, seed_sequence
from ..kernels import information as _kernels
from ..machine.workers import cores
from ..problem.budget import common_unit, with_slack
from ..problem.identical import classes
from ..problem.problem import Problem
from ..problem.states import states_of_item
from ..problem.tables import ZERO_GAIN, gains

__all__ = ["InformationRelaxation", "two_seeds"]


# All paths are enumerated if there are at most two to this power.
_FEW = 15
# Paths that are drawn together.
_PATHS = 256
# The price is searched on ``_PILOT`` paths, and raised by the factor ``_STEP`` as long as that helps.
_PILOT = 512
_STEP = 1.25


def two_seeds(seed: Seed) -> tuple[np.random.SeedSequence, np.random.SeedSequence]:
    """Two independent seeds; see ``seed_sequence``."""
    one, two = seed_sequence(seed).spawn(2)
    return one, two


@dataclass(frozen=True)
class _Paths:
    """Wins after 0, 1, .. labels, an array (S, cap + 1) for each item, and the probabilities of the paths, (S,)."""

    wins: list[Ints]
    chance: Floats


class InformationRelaxation:
    """Information relaxation of a problem, solvable at any price.

    Parameters
    ----------
    problem : Problem
        Quotas and batches are ignored: they only restrict the policies, so the bound holds with them too.

    Attributes
    ----------
    exact : bool
        True if all paths are few enough to enumerate.
    highest : float
        Price from which on the relaxed problem buys no label.

    Raises
    ------
    ValueError
        For costs without a common unit.
    ProblemTooLarge
        If the relaxation does not fit in memory.
    """

    def __init__(self, problem: Problem) -> None:
        limit = float(problem.budget) if problem.unit_costs else with_slack(problem.budget)
        units = common_unit(problem.cost, limit)
        if units is None:
            raise ValueError(
                "costs have no common unit, which the information relaxation needs; use the Lagrangian bound, or "
                "costs that are multiples of a thousandth"
            )
        self.size, capacity = units
        self.problem, self.unit = problem, float(problem.cost[0]) / float(self.size[0])
        every = int(problem.cap @ self.size)
        self.capacity = min(capacity, every)
        # A policy that spends ends where the rest of the budget buys no label of some item, or where no label is left.
        dearest = int(self.size[problem.cap > 0].max(initial=1))
        self.least = every if every <= capacity else max(0, self.capacity - dearest + 1)
        if problem.may_stop:
            self.least = 0
        self.kind = classes(problem)
        _, self.first = np.unique(self.kind, return_index=True)
        self.exact = int(problem.cap.sum()) <= _FEW
        self._require_memory()
        self.tables = []
        for i in self.first:
            states = states_of_item(problem, int(i))
            gain = gains(states.mean, states.payoff, ZERO_GAIN * problem.payoff_scale)
            self.tables.append((states.mean[:-1, :-1].copy(), gain))
        self.highest = max(
            (float(g.max()) / problem.cost[i] for (_, g), i in zip(self.tables, self.first, strict=True) if g.size),
            default=0.0,
        )

    def _require_memory(self) -> None:
        cap = self.problem.cap
        paths = 2**_FEW if self.exact else _PATHS * cores(None)
        wins = float(cap.sum() + len(cap)) if self.exact else 2.0 * (float(cap.max()) + 1.0)
        needed = 32.0 * float(((cap[self.first] + 1.0) ** 2).sum()) + 8.0 * paths * (self.capacity + 1.0 + wins)
        require_memory(needed, what="the information relaxation", instead="use the Lagrangian bound")

    def mean(
        self, price: float, paths: int, seed: np.random.SeedSequence, progress: Progress | None = None
    ) -> tuple[float, float]:
        """Bound at a price and its standard error, which is 0 if all paths are enumerated."""
        idle_worth = []
        for (mean, gain), i in zip(self.tables, self.first, strict=True):
            table = np.zeros_like(gain), np.zeros((len(gain) + 1, len(gain) + 1))
            _kernels.shortfalls(mean, gain, price * float(self.problem.cost[i]), *table)
            idle_worth.append(table)
        start = sum(idle_worth[k][1][0, 0] for k in self.kind.tolist())
        unspent = price - self.problem.label_price
        highest = self.problem.prior_value + unspent * self.unit * self.capacity + float(start)
        if self.exact:
            every = self._every_path
            lost = self._lost(price, idle_worth, iter(every.wins), len(every.chance))
            return highest - float(every.chance @ lost), 0.0
        # New generators from the same seeds, so that every price meets the same paths.
        key = seed.spawn_key
        children = [np.random.SeedSequence(seed.entropy, spawn_key=(*key, c)) for c in range(-(-paths // _PATHS))]

        def part(child: np.random.SeedSequence) -> Floats:
            return self._lost(price, idle_worth, self._drawn(child), _PATHS)

        losses = []
        with ThreadPoolExecutor(cores(None)) as pool:
            for found in pool.map(part, children):
                losses.append(found)
                if progress:
                    progress(len(losses), len(children))
        values = highest - np.concatenate(losses)[:paths]
        return float(mean_of(values)), float(error_of_average(values))

    def _lost(self, price: float, tables: list[tuple[Floats, Floats]], wins: Iterator[Ints], paths: int) -> Floats:
        """Difference between the Lagrangian bound and the best choice on each path, shape (S,)."""
        best = np.full((paths, self.capacity + 1), np.inf)
        best[:, 0] = 0.0
        most = 0
        for k, size, cap, path in zip(self.kind.tolist(), self.size.tolist(), self.problem.cap, wins, strict=True):
            idle, worth = tables[k]
            _kernels.add_item(idle, worth, path, size, most, best)
            most += size * int(cap)
        left = np.arange(self.capacity - self.least, -1, -1)
        unspent = price - self.problem.label_price
        return np.asarray((best[:, self.least :] + unspent * self.unit * left).min(axis=1))

    def _drawn(self, child: np.random.SeedSequence) -> Iterator[Ints]:
        rng = np.random.default_rng(child)
        for k in self.kind.tolist():
            mean = self.tables[k][0]
            wins = np.zeros((_PATHS, len(mean) + 1), dtype=np.int64)
            _kernels.walk(mean, rng.random((_PATHS, len(mean))), wins)
            yield wins

    @cached_property
    def _every_path(self) -> _Paths:
        bits = int(self.problem.cap.sum())
        labels = (np.arange(2**bits)[:, None] >> np.arange(bits)) & 1
        chance, wins, at = np.ones(2**bits), [], 0
        for k, cap in zip(self.kind.tolist(), self.problem.cap.tolist(), strict=True):
            path = np.zeros((2**bits, cap + 1), dtype=np.int64)
            np.cumsum(labels[:, at : at + cap], axis=1, out=path[:, 1:])
            up = self.tables[k][0][np.arange(cap), path[:, :cap]]
            chance *= np.where(labels[:, at : at + cap], up, 1.0 - up).prod(axis=1)
            wins.append(path)
            at += cap
        return _Paths(wins, chance)

    def best_price(self, price: float, paths: int, seed: np.random.SeedSequence) -> float:
        """Price, at least the given one, at which the bound plus two standard errors for ``paths`` paths is lowest.

        The search uses separate paths, so that the bound at this price has no bias.
        """

        def quoted(price: float) -> float:
            value, error = self.mean(price, _PILOT, seed)
            return value + 2.0 * error * float(np.sqrt(_PILOT / paths))

        best, least = price, quoted(price)
        # Prices below a thousandth of the highest differ little, and a factor does not raise a price of zero.
        price, worse = max(price * _STEP, 1e-3 * self.highest), 0
        while worse < 3 and price < self.highest:
            found = quoted(price)
            worse = 0 if found < least else worse + 1
            if found < least:
                best, least = price, found
            price *= _STEP
        return best
