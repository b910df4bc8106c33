r"""Items at a fixed price: the separate stopping problems of the Lagrangian bound, solved in the states that matter.

At a price lambda for a unit of cost, item i is worth its payoff plus W_i(lambda) >= 0, the worth of the right to buy
labels (see ``stopping``). A label with gain d(n, w) <= kappa lambda after which continuing is worth nothing is not
bought. So, backwards from a row n in which continuing is worth nothing, the states of row n - 1 in which it is worth
something are among those with d > kappa lambda and the neighbours, (n - 1, w - 1) and (n - 1, w), of those of row n.

**One kink.** Under ``accuracy`` and ``asymmetric``, h is S max(0, p - c) plus a linear function, and p is a martingale.
So a label gains something only where one outcome moves p across c and the other does not. Tails rise with the wins w,
so this is one state in each row, and W > 0 in a thin band around these states. For a Beta belief a label there gains

    d <= v S mu (1 - mu) J = v S D / s,    D / s <= exp(1 / (12 s)) sqrt(M / (2 pi s)),
    M = max(q min(2, exp(1 / (3 s q))), 4 / (3 s)),    q = t (1 - t),

with s = a + b. (D = (a b / s) times a binomial probability, which Stirling's formula bounds by
sqrt(s / (2 pi a b)) exp(1/(12 s) - s KL(x, t)), x = a / s; with y = |x - t|, x (1 - x) <= q + y, KL is at least
y^2 / (2 (q + y / 3)), Bernstein's inequality, and (q + y) exp(-s y^2 / (q + y / 3)) <= M.) The right side times v S,
G(s), falls with s. The band ends where G <= kappa lambda, and W is computed exactly. If that is beyond the rows
allowed, W in the last row is bounded by the smaller of two bounds. First, all labels together gain at most
B = v S min((1 - c) p, c (1 - p)), the worth of the truth, and each gains at most G. So B needs at least B / G labels,
and W <= B (1 - kappa lambda / G). Second, labels that number m on average gain
(v S / 2) (E|p' - c| - |p - c|) <= (v S / 2) E|p' - p| <= (v S / 2) sqrt(m X), where X = exp(1 / (6 s)) / (2 pi s)
bounds the variance D^2 / (a b) of p after one label. So W <= max_m [(v S / 2) sqrt(m X) - kappa lambda m]
= (v S)^2 X / (16 kappa lambda).

Other utilities and beliefs are solved from tables of all states.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial

import numpy as np

from ...posteriors.beliefs.sharp import beta_at
from ...posteriors.foundation.arrays import Floats, Ints
from ...posteriors.foundation.memory import require_memory
from ...posteriors.foundation.tolerances import ROUNDING
from ..kernels import relaxed as _kernels
from ..kernels import stopping as _kernels_stopping
from ..machine.workers import cores
from ..problem.identical import classes
from ..problem.problem import Problem
from ..problem.states import states_of_item
from ..problem.tables import gains

__all__ = ["ROWS", "Relaxed", "beliefs_at_kink", "one_kink", "price_per_weight"]


# Largest number of labels of an item that is computed exactly; the heaviest items of a large problem may have more.
ROWS = 20_000
# Labels beyond the cap that an index may look ahead.
_FAR = 10_000
# Items that a thread takes at a time.
_ITEMS = 256


def one_kink(problem: Problem) -> tuple[float, float] | None:
    """Place and slope change of the utility's kink, if the band along it determines an item's worth; else None."""
    if isinstance(problem.prior, np.ndarray) and not problem.reward.any():
        kink = problem.utility.kink()
        return kink if kink is None or not problem.sharp.any() or _settled(problem) else None
    return None


@lru_cache(maxsize=8)
def _settled(problem: Problem) -> bool:
    """True if no labels move the tail of a sharp item across the kink."""
    assert isinstance(problem.prior, np.ndarray)
    kink = problem.utility.kink()
    assert kink is not None
    at = np.flatnonzero(problem.sharp)
    n = problem.cap[at] + _FAR
    item = problem.threshold[at], problem.stated_log_odds[at]
    a, b = problem.prior[at].T
    least, most = (beta_at(a, b, n, wins, *item)[1] for wins in (0 * n, n))
    return bool(np.all((least > kink[0] + ROUNDING) | (most < kink[0] - ROUNDING)))


def beliefs_at_kink(problem: Problem, items: Ints | slice) -> tuple[Floats, Floats, Floats, Floats]:
    """Beta parameters, thresholds and tails of items, as the kernels that follow the kink take them.

    A sharp item never comes near the kink (see ``one_kink``), so its labels are worth nothing. Another item of which
    the same is true, and whose numbers the kernels can compute with, takes its place: Beta(1, 1), certain to exceed
    its threshold.
    """
    assert isinstance(problem.prior, np.ndarray)
    a, b = problem.prior[items].T.copy()
    t, p, sharp = problem.threshold[items].copy(), problem.prior_tail[items].copy(), problem.sharp[items]
    a[sharp], b[sharp], t[sharp], p[sharp] = 1.0, 1.0, 1e-100, 1.0
    return a, b, t, p


def price_per_weight(price: float, cost: Floats, weight: Floats) -> Floats:
    """Price of a label of each item for a unit weight; infinite where the weight is 0, since nothing is worth it."""
    with np.errstate(over="ignore"):
        return np.where(weight > 0, price * cost / np.where(weight > 0, weight, 1.0), np.inf)


class Relaxed:
    """Stopping problems of the distinct items of a problem, solvable at any price; identical items share one.

    Parameters
    ----------
    problem : Problem
    items : ndarray of int, optional
        Only these items; default: all.
    threads : int, optional
        Default: all cores. The answers do not depend on it.

    Attributes
    ----------
    first, count : ndarray of int, shape (M,)
        First item and number of items of each class of identical items.
    weight, cost, cap : ndarray, shape (M,)
        Constants of each class.
    spread : float
        Upper bound on the worth of all labels of any one item.
    """

    def __init__(self, problem: Problem, items: Ints | None = None, threads: int | None = None) -> None:
        self.threads = cores(threads)
        chosen = np.arange(problem.size) if items is None else np.asarray(items)
        kinds = classes(problem)[chosen]
        _, first, self.count = np.unique(kinds, return_index=True, return_counts=True)
        self.first = chosen[first]
        self.weight, self.cost = (x[self.first] for x in (problem.weight, problem.cost))
        self.cap = problem.cap[self.first]
        self._kink = one_kink(problem)
        self._tables: list[tuple[Floats, Floats]] = []
        if self._kink is not None:
            self._beliefs = beliefs_at_kink(problem, self.first)
            self.spread = float(self.weight.max()) * self._kink[1]
        else:
            self._tabulate(problem)

    def at(self, price: float) -> tuple[Floats, Floats]:
        """Worth of each class of items at a price, and expected cost of its labels; ties buy nothing; shape (M,)."""
        worth, labels = np.zeros((2, len(self.first)))
        parts = [slice(k, k + _ITEMS) for k in range(0, len(self.first), _ITEMS)]
        solve = partial(self._solve_part, price, worth, labels)
        if self.threads == 1 or len(parts) == 1:
            for part in parts:
                solve(part)
        else:
            with ThreadPoolExecutor(self.threads) as pool:
                list(pool.map(solve, parts))
        return worth, labels * self.cost

    def _solve_part(self, price: float, worth: Floats, labels: Floats, part: slice) -> None:
        if self._kink is None:
            cost = self.cost[part]
            for i, (mean, gain) in enumerate(self._tables[part]):
                row = np.zeros((2, len(mean) + 1))
                found = _kernels_stopping.go_on(mean, gain, price * float(cost[i]), 1.0, *row)
                worth[part.start + i], labels[part.start + i] = found if found[0] > 0 else (0.0, 0.0)
            return
        v = self.weight[part]
        a, b, t, p = (x[part].copy() for x in self._beliefs)
        lam = price_per_weight(price, self.cost[part], v)
        out = np.zeros((2, len(v)))
        _kernels.relax_items(a, b, t, p, *self._kink, self.cap[part].copy(), lam, ROWS, *out)
        worth[part], labels[part] = v * out[0], out[1]

    def _tabulate(self, problem: Problem) -> None:
        needed = 16 * int(((problem.cap[self.first] + 1.0) ** 2).sum())
        what = f"the Lagrangian bound, with tables of {len(self.first)} different items"
        require_memory(needed, what=what, instead="use the clairvoyant bound, or smaller caps")
        self.spread = 0.0
        for i in self.first:
            states = states_of_item(problem, int(i))
            payoff = states.payoff
            inside = payoff[np.tri(len(payoff), dtype=bool)]
            self.spread = max(self.spread, float(inside.max() - inside.min()))
            self._tables.append((states.mean[:-1, :-1].copy(), gains(states.mean, payoff)))
