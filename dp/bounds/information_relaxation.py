r"""Upper bounds by information relaxation: all labels seen in advance, and a penalty for having seen them.

Someone who knows every label that could come chooses how many to buy of each item, and pays for each label bought what
it turned out better than expected, M = sum of [v h + W](next) - E [v h + W](next). Who does not know the labels pays
nothing on average, since M is then a martingale, and has no more choices: so what the one who knows earns on average is
at least the optimum, whatever W is (Brown, Smith and Sun 2010).

Take for W what going on is worth at a price lambda of a unit of cost (see ``stopping``), and let F be what one more
label is. A telescoping sum leaves, on every path,

    payoff - M = L(lambda) - lambda (K - spent) - sum_i loss_i(n_i),
    loss_i(n) = sum over the first n labels of (W_i - F_i)  +  W_i after them,

with L the Lagrangian bound at that price. Every term subtracted is at least zero, so on no path is this above
L(lambda), and a loss is a function of its own item's labels. The best n is that of

    min sum_i loss_i(n_i) + lambda (K - spent),

over the n at which a policy can end: nothing left of its budget buys another label. It is found by a (min, +)
convolution over the items in the common unit of the costs. The bound is the mean over paths, an exact one where all
paths of all items together are few.

The price need not be that of the Lagrangian bound: a higher one makes it dearer to follow luck, and is usually better
where items are few.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ...posteriors.foundation.arrays import Floats, Ints
from ...posteriors.foundation.seeds import Seed, seed_sequence
from ..kernels import information as _kernels
from ..machine.memory import require_memory
from ..machine.workers import cores
from ..problem.budget import common_unit, with_slack
from ..problem.identical import classes
from ..problem.problem import Problem
from ..problem.states import states_of_item
from ..problem.tables import ZERO_GAIN, gains

__all__ = ["InformationRelaxation", "two_seeds"]


# All paths are followed where there are no more, together, than two to this power.
_FEW = 15
# Paths that are drawn together.
_PATHS = 256
# The price is looked for on so many paths, and raised by this factor as long as that helps.
_PILOT = 512
_STEP = 1.25


def two_seeds(seed: Seed) -> tuple[np.random.SeedSequence, np.random.SeedSequence]:
    """Two independent seeds; see ``seed_sequence``."""
    one, two = seed_sequence(seed).spawn(2)
    return one, two


@dataclass(frozen=True)
class _Paths:
    """Wins after 0, 1, .. labels, one array (S, cap + 1) for each item, and the chances of the paths."""

    wins: list[Ints]
    chance: Floats


class InformationRelaxation:
    """The relaxation of one problem, to be solved at any price.

    Parameters
    ----------
    problem : Problem
        Quotas and batches are not looked at: they only narrow what a policy can do.

    Attributes
    ----------
    exact : bool
        Whether all paths can be followed.
    highest : float
        From this price on no label is bought in the relaxed problem.
    """

    def __init__(self, problem: Problem) -> None:
        limit = float(problem.budget) if problem.unit_costs else with_slack(problem.budget)
        units = common_unit(problem.cost, limit)
        if units is None:
            raise ValueError(
                "costs have no common unit, which the information relaxation needs; use the Lagrangian bound, or costs "
                "that are multiples of a thousandth"
            )
        self.size, capacity = units
        self.problem, self.unit = problem, float(problem.cost[0]) / float(self.size[0])
        every = int(problem.cap @ self.size)
        self.capacity = min(capacity, every)
        # A policy ends where what is left buys no label of some item, or where there are no more labels.
        dearest = int(self.size[problem.cap > 0].max(initial=1))
        self.least = every if every <= capacity else max(0, self.capacity - dearest + 1)
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

    def mean(self, price: float, paths: int, seed: np.random.SeedSequence) -> tuple[float, float]:
        """Bound at a price, and its standard error: zero where all paths are followed."""
        idle_worth = []
        for (mean, gain), i in zip(self.tables, self.first, strict=True):
            table = np.zeros_like(gain), np.zeros((len(gain) + 1, len(gain) + 1))
            _kernels.shortfalls(mean, gain, price * float(self.problem.cost[i]), *table)
            idle_worth.append(table)
        start = sum(idle_worth[k][1][0, 0] for k in self.kind.tolist())
        highest = self.problem.prior_value + price * self.unit * self.capacity + float(start)
        if self.exact:
            every = self._every_path
            lost = self._lost(price, idle_worth, iter(every.wins), len(every.chance))
            return highest - float(every.chance @ lost), 0.0
        # Made afresh, so that every price meets the same paths.
        key = seed.spawn_key
        children = [np.random.SeedSequence(seed.entropy, spawn_key=(*key, c)) for c in range(-(-paths // _PATHS))]

        def part(child: np.random.SeedSequence) -> Floats:
            return self._lost(price, idle_worth, self._drawn(child), _PATHS)

        with ThreadPoolExecutor(cores(None)) as pool:
            values = highest - np.concatenate(list(pool.map(part, children)))[:paths]
        return float(values.mean()), float(values.std(ddof=1) / np.sqrt(paths))

    def _lost(self, price: float, tables: list[tuple[Floats, Floats]], wins: Iterator[Ints], paths: int) -> Floats:
        """What the best choice on each path falls short of the Lagrangian bound."""
        best = np.full((paths, self.capacity + 1), np.inf)
        best[:, 0] = 0.0
        most = 0
        for k, size, cap, path in zip(self.kind.tolist(), self.size.tolist(), self.problem.cap, wins, strict=True):
            idle, worth = tables[k]
            _kernels.add_item(idle, worth, path, size, most, best)
            most += size * int(cap)
        left = np.arange(self.capacity - self.least, -1, -1)
        return np.asarray((best[:, self.least :] + price * self.unit * left).min(axis=1))

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
        """Price, from this one on upwards, at which the bound and two standard errors for so many paths are lowest.

        It is looked for on paths drawn for this alone, so that the bound there has no bias.
        """

        def quoted(price: float) -> float:
            value, error = self.mean(price, _PILOT, seed)
            return value + 2.0 * error * float(np.sqrt(_PILOT / paths))

        best, least = price, quoted(price)
        # Below a thousandth of the highest price little changes, and zero cannot be raised by a factor.
        price, worse = max(price * _STEP, 1e-3 * self.highest), 0
        while worse < 3 and price < self.highest:
            found = quoted(price)
            worse = 0 if found < least else worse + 1
            if found < least:
                best, least = price, found
            price *= _STEP
        return best
