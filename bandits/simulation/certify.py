r"""Certificates: bounds on the distance between the value of a policy and the optimum.

The upper bound is the Lagrangian one, L(lambda) = lambda K + sum_i V_i(lambda) (see ``dp.bounds``). The lower bound is
the policy's own value: exact where the problem is small, otherwise simulated, with the relaxed problem as control
variate. Let W_i(n, w) be the worth of continuing with item i at the price lambda, and F_i(n, w) = d_i(n, w) - kappa_i
lambda + E W_i(next) that of one more label. Whatever W is, the sum of its martingale differences over the labels
bought, M = sum [v h + W](next) - E [v h + W](next), has mean zero, and

    payoff - M = L(lambda) - lambda (K - spent) - sum over labels (W_i - F_i) - sum_i W_i(end).

Chance is left in the choices alone. Every term subtracted is at least zero, and shows where the policy falls short of
the bound: budget not spent, labels that the relaxed problem would not buy, and items left although further labels were
worth their price. (Summation by parts of the martingale: Brown, Smith and Sun, 2010, use the same penalties for upper
bounds.)
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from ...dp.bounds.lagrangian_relaxation import ROWS, beliefs_at_kink, one_kink, price_per_weight
from ...dp.bounds.upper_bound import marginal_price, money_of
from ...dp.evaluation.choices import SupportsIndex, SupportsProbabilities
from ...dp.evaluation.evaluate import evaluate
from ...dp.evaluation.forward import expected_labels
from ...dp.exact.scope import small_enough
from ...dp.exact.solve import solve
from ...dp.machine.workers import cores
from ...dp.problem.problem import Problem
from ...dp.problem.states import states_of_item
from ...dp.problem.tables import ZERO_GAIN, gains
from ...posteriors.foundation.arrays import Floats, Ints
from ...posteriors.foundation.averages import error_of_average, mean_of
from ...posteriors.foundation.kinds import checked
from ...posteriors.foundation.memory import require_memory
from ...posteriors.foundation.notebook import html_table
from ...posteriors.foundation.refusals import whole
from ...posteriors.foundation.seeds import Seed
from ...posteriors.foundation.shares import no_gain, share_of
from ...posteriors.foundation.tolerances import ROUNDING
from ..kernels import certify as _kernels
from ..policy import Policy
from ..registry import label, make_policy
from .seeds import replication_keys
from .simulate import PriorNature, play, require_length

__all__ = ["USUAL", "Certificate", "certify", "exact_fits", "net_of_chance", "require_account"]


# Items that a thread takes at a time.
_ITEMS = 256
# The price is refined while the bound may still fall by more than this share of the possible gain.
_WORTH_ANOTHER = 1e-4

# Policies that are certified where none is named: the best fast one, and the best in closed form.
USUAL = ("gittins", "variance-reduction")


@dataclass(frozen=True)
class Certificate:
    """Value of a policy, and an upper bound on the value of every policy.

    ``gap`` is their difference, as a share of the possible gain.

    Attributes
    ----------
    policy : str
    lower : float
        Value of the policy, or an unbiased estimate of it.
    standard_error : float
        Standard error of ``lower``; 0 where it is exact.
    upper : float
        Bound on the value of every policy.
    prior_value : float
        Value of buying no label.
    lower_by, upper_by : str
        Methods by which the two were computed.
    price : float or None
        Price of a unit of cost in the Lagrangian bound.
    spent : float
        Mean cost of the labels bought; where the value is exact, the most that can be spent.
    replications : int
        Number of simulated runs; 0 where the value is exact.
    """

    policy: str
    lower: float
    standard_error: float
    upper: float
    prior_value: float
    lower_by: str
    upper_by: str
    price: float | None
    spent: float
    replications: int

    @property
    def gap(self) -> float:
        """Largest possible shortfall, as a share of the possible gain ``upper - prior_value``.

        NaN where no gain is possible, unless the bounds are equal: then the gap is 0.
        """
        shortfall = self.upper - self.lower
        share = float(share_of(shortfall, self.upper - self.prior_value, self._scale))
        return 0.0 if np.isnan(share) and abs(shortfall) <= ROUNDING * self._scale else share

    @property
    def gap_error(self) -> float:
        """Standard error of ``gap``; NaN where no gain is possible, unless the value is exact."""
        share = float(share_of(self.standard_error, self.upper - self.prior_value, self._scale))
        return 0.0 if self.standard_error == 0.0 and not np.isnan(self.gap) else share

    @property
    def _scale(self) -> float:
        return max(1.0, abs(self.upper))

    def __repr__(self) -> str:
        error = f" ± {self.standard_error:.2g}" if self.replications else ""
        return f"Certificate({self.policy}: {self.lower:.6g}{error}, none above {self.upper:.6g}, gap {self.gap:.3%})"

    def _repr_html_(self) -> str:
        import pandas as pd

        shown = ("policy", "lower", "standard_error", "upper", "gap", "gap_error", "spent", "lower_by", "upper_by")
        return html_table(f"Certificate of {self.policy}", pd.DataFrame([{key: getattr(self, key) for key in shown}]))

    def __str__(self) -> str:
        gap = f"the gap is {self.gap:.3%} ± {self.gap_error:.3%} of the possible gain"
        if np.isnan(self.gap):
            gap = f"it falls short by at most {self.upper - self.lower:.6g}; {no_gain(self.prior_value)}"
        return (
            f"{self.policy} earns {self.lower:.6g} ± {self.standard_error:.2g} ({self.lower_by}); no policy earns more "
            f"than {self.upper:.6g} ({self.upper_by}): {gap}"
        )


@checked
def certify(
    problem: Problem,
    policy: str | Policy = "gittins",
    *,
    replications: int = 8,
    seed: Seed = 7,
    exact: bool | None = None,
    threads: int | None = None,
) -> Certificate:
    """Certify how far a policy is from optimal.

    Parameters
    ----------
    problem : Problem
        With costs, caps, quotas and batches, if it has any; the bound ignores quotas and batches.
    policy : Policy or registered name
    replications : int
        Simulated runs, at least 2. Few are enough, since the control variate removes most of the noise.
    seed : int, SeedSequence or Generator
        Seed of the simulation.
    exact : bool, optional
        Evaluate the policy exactly and compare it with the optimum; default: where the lattice is small.
    threads : int, optional
        Number of threads; default: all cores. The results do not depend on it.

    Returns
    -------
    Certificate

    Raises
    ------
    ValueError
        For unknown policies and settings, and where ``exact`` is asked of a policy without an exact value.
    ProblemTooLarge
        Where ``exact`` is asked of too large a problem, or the items' tables do not fit in memory.

    Examples
    --------
    >>> import seqaudit as sa
    >>> found = sa.certify(sa.Problem([0.55, 0.41, 0.32], budget=12), "variance-reduction")
    >>> found.lower_by, found.upper_by, round(found.gap, 4)
    ('exact evaluation', 'exact optimum', 0.0068)
    >>> rng = np.random.default_rng(7)
    >>> many = sa.Problem(rng.uniform(0.1, 0.9, 1000), budget=8000)
    >>> found = sa.certify(many, "variance-reduction", replications=4)
    >>> found.gap < 0.01
    True
    """
    chosen = make_policy(policy)
    replications = whole("replications", replications, least=2)
    if exact is None:
        exact = exact_fits(problem, chosen)
    if exact:
        value = evaluate(problem, chosen, threads=threads)
        best = solve(problem, threads=threads)
        return Certificate(
            label(chosen),
            value.value,
            0.0,
            best.value,
            problem.prior_value,
            "exact evaluation",
            "exact optimum",
            None,
            # Caps, costs and the policy may leave a part unspent. A sum of chances ends in rounding errors.
            float(f"{expected_labels(problem, chosen, threads=threads) @ problem.cost:.12g}"),
            0,
        )
    seeds, keys = replication_keys(seed, replications)
    nature = PriorNature.draw(problem, seeds, keys)
    # First the checks that may refuse the policy or its tables.
    chosen.require(problem)
    require_account(problem, threads)
    price = marginal_price(problem, threads=threads)
    counts, _ = play(problem, chosen, nature, keys, threads=cores(threads))
    return _account(problem, chosen, price, counts, nature, threads)


def exact_fits(problem: Problem, policy: Policy) -> bool:
    """True if a policy has an exact value, on a problem small enough to be evaluated by default."""
    return isinstance(policy, (SupportsIndex, SupportsProbabilities)) and small_enough(problem)


def require_account(problem: Problem, threads: int | None = None) -> None:
    """Raise ``ProblemTooLarge`` unless runs end in time, and an item's tables fit in memory in each thread.

    The tables are those of the control variate.
    """
    require_length(problem)
    if one_kink(problem) is None:
        needed = 64.0 * cores(threads) * (float(problem.cap.max()) + 2.0) ** 2
        what = f"a certificate, with tables of an item with a cap of {int(problem.cap.max())}"
        require_memory(needed, what=what, instead="take smaller caps")


def net_of_chance(
    problem: Problem, price: float, counts: Ints, nature: PriorNature, *, threads: int | None = None
) -> Floats:
    """Payoff of each replication, less what its labels cost and the control variate at a price; shape (R,).

    It has the mean of the net payoff. At the price of the Lagrangian bound none is above that bound, but for rounding.

    Parameters
    ----------
    problem : Problem
    price : float
        Price of a unit of cost in the relaxed problem, at least ``problem.label_price``, which is part of it.
    counts : ndarray of int, shape (R, N)
        Labels of each item at the end of each replication.
    nature : PriorNature
        Rates and labels of the replications.
    threads : int, optional
        Default: all cores. The answer does not depend on it.

    Returns
    -------
    ndarray, shape (R,)
    """
    return _net(problem, _Books(problem, counts, nature, threads).at(price)[2], counts)


def _net(problem: Problem, credit: Floats, counts: Ints) -> Floats:
    """Net payoffs of replications with these credits of the relaxed problem."""
    return problem.prior_value + credit - problem.label_price * (counts @ problem.cost)


def _account(
    problem: Problem, policy: Policy, price: float, counts: Ints, nature: PriorNature, threads: int | None
) -> Certificate:
    money = money_of(problem)
    books = _Books(problem, counts, nature, threads)
    best, credit = (np.inf, price), np.zeros(len(counts))
    for _ in range(4):
        worth, spent, credit_there = books.at(price)
        upper = (price - problem.label_price) * money + worth
        if upper < best[0]:
            best, credit = (upper, price), credit_there
        # To first order spending is inversely proportional to the price: the bound may fall by half of this product.
        over = (spent - money) / money if money > 0 else 0.0
        if price == problem.label_price or abs(over) * abs(over) * price * money <= 2.0 * _WORTH_ANOTHER * worth:
            break
        price = max(problem.label_price, price * max(0.5, min(2.0, 1.0 + over)))
    upper, price = best
    values = _net(problem, credit, counts)
    return Certificate(
        label(policy),
        float(mean_of(values)),
        float(error_of_average(values)),
        problem.prior_value + upper,
        problem.prior_value,
        f"simulation, {len(values)} replications, controlled by the relaxed problem",
        "Lagrangian bound",
        price,
        float((counts @ problem.cost).mean()),
        len(values),
    )


class _Books:
    """Accounts of all items at a price."""

    def __init__(self, problem: Problem, counts: Ints, nature: PriorNature, threads: int | None) -> None:
        self.problem, self.nature, self.threads = problem, nature, cores(threads)
        self.counts, self.rate = counts.T.copy(), nature.rate.T.copy()
        self.kink = one_kink(problem)
        if self.kink is not None:
            self.beliefs = beliefs_at_kink(problem, slice(None))

    def at(self, price: float) -> tuple[float, float, Floats]:
        """Worth and expected cost of all items in the relaxed problem, and each replication's gain net of chance."""
        size, replications = self.counts.shape
        worth, spent, credit = np.zeros(size), np.zeros(size), np.zeros((size, replications))
        parts = [slice(k, min(k + _ITEMS, size)) for k in range(0, size, _ITEMS)]

        def solve_part(part: slice) -> None:
            (self._tabled if self.kink is None else self._along)(price, part, worth, spent, credit)

        if self.threads > 1 and len(parts) > 1:
            with ThreadPoolExecutor(self.threads) as pool:
                list(pool.map(solve_part, parts))
        else:
            for part in parts:
                solve_part(part)
        v, cost = self.problem.weight, self.problem.cost
        if self.kink is None:
            return float(worth.sum()), float(spent @ cost), credit.sum(axis=0)
        return float(v @ worth), float(spent @ cost), np.asarray((v[:, None] * credit).sum(axis=0))

    def _along(self, price: float, part: slice, worth: Floats, spent: Floats, credit: Floats) -> None:
        problem = self.problem
        assert self.kink is not None
        a, b, t, p = (x[part].copy() for x in self.beliefs)
        lam = price_per_weight(price, problem.cost[part], problem.weight[part])
        items = _kernels.Items(
            np.arange(part.start, part.stop),
            a,
            b,
            t,
            p,
            problem.cap[part].copy(),
            lam,
            *self.kink,
        )
        runs = _kernels.Replications(self.counts[part], self.rate[part], self.nature.keys)
        _kernels.account(items, runs, ROWS, worth[part], spent[part], credit[part])

    def _tabled(self, price: float, part: slice, worth: Floats, spent: Floats, credit: Floats) -> None:
        problem = self.problem
        for i in range(part.start, part.stop):
            states = states_of_item(problem, i)
            gain = gains(states.mean, states.payoff, ZERO_GAIN * problem.payoff_scale)
            worth[i], spent[i] = _kernels.account_table(
                i,
                states.mean[:-1, :-1].copy(),
                gain,
                price * float(problem.cost[i]),
                self.counts[i],
                self.rate[i],
                self.nature.keys,
                credit[i],
            )
