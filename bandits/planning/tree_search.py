r"""Tree search: coming labels are planned where it matters, one state of belief at a time.

From a state s of all items the planner chooses an item i, and its label is a win with the known probability mu_i. The
tree of choices and outcomes therefore has values

    U(s) = max_i Q(s, i),    Q(s, i) = d_i(s) + mu_i U(s, win of i) + (1 - mu_i) U(s, loss of i),

the advantage of Bellman's equation. A *simulation* descends from the present state, adds one state, estimates its
value, and carries the estimate back along its path. States that several orders of labels lead to are one node. Other
paths to that node take up its new value when a simulation next follows them.

**On bounds** (``leaf="bound"``). With W_i(s_i; lambda) the worth of the option to buy labels of item i at price lambda
per unit of cost, stopping at any time,

    upper(s) = min_k  lambda_k R + sum_i W_i(s_i; lambda_k),        lower(s) = sum_i m_i(s_i),

with R the budget left in s. The first is the Lagrangian bound (Hawkins 2003; Adelman and Mersereau 2008) at the best
price of a grid, set once around the root's dual price; a label changes one term at each price. The second is the least
that any further labels of each item can gain, zero under convex utilities. Both bounds are carried through Bellman's
equation with the exact chances. This is best-first search on admissible bounds, as in AO* (Nilsson 1980), LAO* (Hansen
and Zilberstein 2001) and BRTDP (McMahan, Likhachev and Gordon 2005): below the root a simulation follows the item of
largest upper bound, and the outcome with the larger product of its probability and the distance between its bounds
(Smith and Simmons 2004). At the root it takes the item that maximises

    upper(i) + c g sqrt(n) / (N (1 + n_i)),

where g is the distance between the root's bounds and n_i of n simulations began with item i, one of N: the bonus of
PUCT (Rosin 2011; Silver et al. 2017) with an even prior. When the bounds meet, the value is exact. When the lower bound
of one item is above the upper bounds of all others, the choice is proved optimal.

Otherwise the upper bounds of the items that were searched have fallen to those of the items that were not, and hardly
tell them apart. The item is then one of largest

    (upper(i) + lower(i)) / 2 + (g / g_0)^2 (d_i - lambda* kappa_i + E W_i(next; lambda*)),

with g_0 the distance before the search and lambda* the root's dual price: the less the search has narrowed the
distance, the more the score of the Lagrangian policy counts.

**On runs** (``leaf="rollout"``). Monte-Carlo tree search (Kocsis and Szepesvari 2006) with PUCT: the value of a new
state is estimated by a simulated run of an index policy to the end of the budget, and nodes keep mean returns. The
index is the price at which a label is worth nothing, Whittle's (1988), interpolated in the grid of prices; half of the
prior is proportional to it, and half is uniform. Returns are measured against the bound at lambda*: along any path the
gains sum in expectation to the root's bound less the losses W_i - (d_i - lambda* kappa_i + E W_i) of the labels chosen,
and less the part of the bound that is unrealised when the budget is spent. Counting losses instead of gains removes
noise that does not depend on the choices.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from ...dp.problem.availability import availability_of
from ...dp.problem.problem import Problem
from ...dp.problem.states import known_states
from ...posteriors.foundation.arrays import Bools, Floats, Ints
from ...posteriors.foundation.memory import require_memory
from ...posteriors.foundation.messages import named, shown
from ...posteriors.foundation.refusals import nonnegative, one_of, whole
from ..kernels import tree as _kernels
from ..kernels import tree_runs as _runs
from ..policies.ahead import require_tables
from ..policies.lagrangian import hinges_of
from ..policy import JointPolicy, even_over_best
from ..scoring import for_distinct
from .rollout import state_seeds
from .tree_root import AT_ROOT, Root, root_of, rounding

__all__ = ["Search", "TreeSearch"]


# Bytes of a node, and of each candidate in it.
_BYTES_A_NODE, _BYTES_A_CANDIDATE = 160, 72


@dataclass(frozen=True, eq=False)
class Search:
    """Values and bounds that a tree search found in one state.

    Payoffs are final ones, after the budget is spent.

    Attributes
    ----------
    item : int
        First of the items that may be labelled next.
    values : ndarray, shape (N,)
        Estimated final payoff when an item is labelled next: the midpoint of its bounds, or the mean of its runs. NaN
        for an item that was not searched.
    item_upper, item_lower : ndarray, shape (N,)
        Bounds on that payoff when all later labels are chosen optimally; NaN where there are none.
    upper, lower : float
        Bounds on the final payoff of an optimal continuation, see ``TreeSearch.search``.
    visits : ndarray of int, shape (N,)
        Simulations that began with each item.
    solved : bool
        True if labelling ``item`` is certain to be optimal.
    nodes : int
        States in the tree.
    """

    item: int
    values: Floats
    item_upper: Floats
    item_lower: Floats
    upper: float
    lower: float
    visits: Ints
    solved: bool
    nodes: int

    @property
    def gap(self) -> float:
        """Largest possible loss of labelling ``item`` against the best choice; infinite where there is no bound."""
        least = float(self.item_lower[self.item])
        return self.upper - least if np.isfinite(least) else float("inf")


@dataclass(frozen=True)
class _Found:
    """Advantages that a search found, by candidate; ``merit`` decides. ``bound`` is the Lagrangian bound."""

    merit: Floats
    values: Floats
    upper: Floats
    lower: Floats
    visits: Ints
    nodes: int
    bound: float


@dataclass(frozen=True)
class TreeSearch(JointPolicy):
    """Label the item that a tree search over the coming labels finds best.

    Rule: the search evaluates ``simulations`` states of the tree of choices and outcomes from the present state on; a
    state that several orders of labels lead to is evaluated once. ``leaf="bound"`` searches between an upper and a
    lower bound and finds the optimum where it closes the gap, often long before the last simulation; ``leaf="rollout"``
    is Monte-Carlo tree search with simulated runs. Source: Kocsis and Szepesvari (2006), "Bandit based Monte-Carlo
    planning"; Rosin (2011), "Multi-armed bandits with episode context"; McMahan, Likhachev and Gordon (2005), "Bounded
    real-time dynamic programming"; see the module's equations. Departures: bounds in place of mean returns, unless
    ``leaf="rollout"``. Within the tree only the ``candidates`` items of largest score by the Lagrangian policy are
    labelled, each at most ``most`` more times; the others count in the bound. The tree respects budget, costs and caps.
    Quotas are respected at its root only, and batches are ignored.

    Parameters
    ----------
    simulations : int
        Number of states to evaluate for one decision.
    candidates : int
        Largest number of items to choose among.
    exploration : float
        Weight c of the bonus for items that were tried less; at least 0.
    leaf : {"bound", "rollout"}
        Estimate of a new state's value: its bounds, or a simulated run.
    most : int
        Largest number of further labels of an item to look ahead.
    seed : int
        Seed of the simulated runs. The same state always gets the same runs; bounds involve no chance.

    Raises
    ------
    ValueError
        For settings out of range.

    Examples
    --------
    >>> import seqaudit as sa
    >>> problem = sa.Problem([0.55, 0.41, 0.32], budget=8)
    >>> found = [sa.evaluate(problem, policy).value for policy in (sa.Lagrangian(), TreeSearch(simulations=500))]
    >>> [round(value, 5) for value in (*found, sa.solve(problem).value)]
    [2.47461, 2.47614, 2.47614]
    """

    simulations: int = 2000
    candidates: int = 16
    exploration: float = 0.5
    leaf: Literal["bound", "rollout"] = "bound"
    most: int = 32
    seed: int = 0
    name: ClassVar[str] = "tree-search"
    planning: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        for field, least in (("simulations", 1), ("candidates", 1), ("most", 1), ("seed", 0)):
            whole(f"{self.name}: {field}", getattr(self, field), least)
        nonnegative(f"{self.name}: exploration", self.exploration)
        one_of(f"{self.name}: leaf", self.leaf, ("bound", "rollout"))

    def require(self, problem: Problem) -> None:
        """Raise ``ProblemTooLarge`` where the tree, or the tables of all items, do not fit in memory."""
        require_tables(problem, self.name, min(int(self.most), int(problem.cap.max())))
        room = min(int(self.candidates), problem.size)
        needed = int(self.simulations) * (_BYTES_A_NODE + _BYTES_A_CANDIDATE * room)
        what = f"{self.name}, with a tree of {self.simulations} simulations among {room} candidates"
        require_memory(needed, what=what, instead="take fewer of them")

    def action_probabilities(self, problem: Problem, counts: Ints, wins: Ints, usable: Bools) -> Floats:
        """Probabilities, equal over the best items; shape (S, N)."""

        def rule(counts: Ints, wins: Ints, usable: Bools) -> Floats:
            # One state at a time, since the rounding of a matrix product may depend on the other rows.
            merit = [self._judge(problem, *state, exact=False)[0] for state in zip(counts, wins, usable, strict=True)]
            scores = np.array(merit).reshape(counts.shape)
            return even_over_best(scores, usable & np.isfinite(scores), problem.payoff_scale, self.ties)

        return for_distinct(rule, counts, wins, usable)

    def search(self, problem: Problem, counts: Ints | None = None, wins: Ints | None = None) -> Search:
        """Search one state, by default the start, until its bounds meet or the simulations are spent.

        Bounds are those of policies that spend the budget. With ``leaf="bound"`` they hold for the problem in which no
        item gets more than ``most`` further labels.
        Where there are more items than candidates, ``upper`` is the Lagrangian bound, and there is a lower bound under
        convex utilities only. Under quotas or batches there is no lower bound. With ``leaf="rollout"``, ``upper`` is
        the Lagrangian bound, and there is no lower bound.

        Parameters
        ----------
        problem : Problem
        counts, wins : array_like of int, shape (N,), optional
            Labels and wins of each item; default none.

        Returns
        -------
        Search

        Raises
        ------
        ValueError
            For counts of the wrong shape, wins above labels, and a state where no label can be bought.

        Examples
        --------
        >>> import seqaudit as sa
        >>> problem = sa.Problem([0.5, 0.7, 0.4], budget=6)
        >>> found = TreeSearch().search(problem)
        >>> found.item in sa.solve(problem).optimal_items(), found.solved, round(found.upper - found.lower, 9)
        (True, True, 0.0)
        """
        self.require(problem)
        n, w = (np.zeros(problem.size) if x is None else np.asarray(x) for x in (counts, wins))
        if n.shape != (problem.size,) or w.shape != (problem.size,):
            raise ValueError(f"counts and wins must have shape ({problem.size},), found {n.shape} and {w.shape}")
        n, w = n.astype(np.int64), w.astype(np.int64)
        for i in np.flatnonzero((w < 0) | (w > n) | (n > problem.cap)):
            raise ValueError(
                f"{named(problem.name[i])}: {w[i]} wins in {n[i]} labels; allowed: 0 <= wins <= labels "
                f"<= {problem.cap[i]}"
            )
        usable = availability_of(problem).items(n[None, :])[0]
        if not usable.any():
            raise ValueError(f"after {shown(n.tolist())} labels nothing is left to choose: no label can be bought")
        return self._told(problem, n, w, usable, *self._judge(problem, n, w, usable, exact=True))

    def _judge(
        self, problem: Problem, counts: Ints, wins: Ints, usable: Bools, exact: bool
    ) -> tuple[Floats, Root, _Found]:
        """Merit of every item, (N,), -inf where it has none, with the root and the search that it comes from."""
        root = root_of(problem, counts, wins, usable, int(self.candidates), int(self.most))
        if self.leaf == "bound":
            found = self._search_bounds(problem, root, counts, wins, exact)
        else:
            found = self._search_runs(problem, root, counts, wins)
        return np.where(usable, root.spread(found.merit, -np.inf), -np.inf), root, found

    def _told(
        self, problem: Problem, counts: Ints, wins: Ints, usable: Bools, merit: Floats, root: Root, found: _Found
    ) -> Search:
        """Result of a search, with the bounds that are valid."""
        fit = np.isfinite(merit)
        item = int(np.argmax(even_over_best(merit[None, :], fit[None, :], problem.payoff_scale, "first")[0]))
        places = np.arange(problem.size)
        now = float(known_states(problem, places, counts.astype(np.float64), wins.astype(np.float64)).payoff.sum())
        given = (root.spread(x, np.nan) for x in (found.values, found.upper, found.lower))
        values, upper, lower = (now + np.where(usable, x, np.nan) for x in given)
        top, visits = now + found.bound, np.zeros(problem.size, dtype=np.int64)
        visits[root.items] = found.visits
        whole = not len(root.outside)
        tight = rounding(problem)
        # The tree knows neither labels that quotas require nor batches.
        free = problem.batch == 1 and not problem.quota
        if self.leaf == "rollout" or not free or (not whole and not problem.utility.convex):
            lower = np.full(problem.size, np.nan)
        if self.leaf == "bound" and whole:
            top = float(np.nanmax(upper))
        else:
            upper = np.where(np.isnan(values), np.nan, top)
        known = bool(np.isfinite(lower).any())
        least = float(np.nanmax(lower)) if known else -np.inf
        solved = whole and known and bool(lower[item] >= np.nanmax(np.delete(upper, item), initial=-np.inf) - 2 * tight)
        solved |= known and top - float(lower[item]) <= 2 * tight
        return Search(item, values, upper, lower, top, least, visits, solved, found.nodes)

    def _search_bounds(self, problem: Problem, root: Root, counts: Ints, wins: Ints, exact: bool) -> _Found:
        outside = np.zeros(len(root.prices))
        if len(root.outside):
            hinges = hinges_of(problem, int(self.most))
            outside = hinges.worth(counts[None, :], wins[None, :], root.outside, root.prices)
        upper, lower = np.empty((2, len(root.items)))
        visits = np.empty(len(root.items), dtype=np.int64)
        nodes, before, spread = _kernels.search_bounds(
            root.mean,
            root.gain,
            root.worth,
            root.least,
            root.ahead,
            root.cost,
            root.last_twin,
            root.first,
            root.money,
            root.prices,
            outside,
            float(problem.cost[root.outside].min(initial=np.inf)),
            int(self.simulations),
            float(self.exploration),
            rounding(problem),
            exact,
            upper,
            lower,
            visits,
        )
        middle = 0.5 * (upper + lower)
        share = spread / before if before > 0 else 0.0
        merit = middle + share**2 * root.score
        tight = rounding(problem)
        rivals = upper >= lower.max() - tight
        if np.count_nonzero(rivals) == 1 or (upper[rivals] - lower[rivals]).max() <= tight:
            # The choice is settled; for the other items only bounds are known.
            merit = np.where(rivals, lower, -np.inf)
        bound = float((outside + root.prices * root.money + root.worth[:, 0].sum(axis=0)).min())
        open_now = upper > -np.inf
        middle, upper, lower = (np.where(open_now, x, np.nan) for x in (middle, upper, lower))
        return _Found(merit, middle, upper, lower, visits, nodes, bound)

    def _search_runs(self, problem: Problem, root: Root, counts: Ints, wins: Ints) -> _Found:
        index, loss = np.zeros((2, *root.mean.shape))
        for c in range(len(root.items)):
            kappa, deep = float(root.cost[c]), int(root.ahead[c])
            tables = root.mean[c], root.gain[c], root.worth[c]
            _runs.index_table(*tables, deep, kappa, root.prices, AT_ROOT, index[c], loss[c])
        mean = np.empty(len(root.items))
        visits = np.empty(len(root.items), dtype=np.int64)
        price = float(root.prices[AT_ROOT])
        key = state_seeds(int(self.seed), counts, wins, 1)[0]
        nodes = _runs.search_runs(
            root.mean,
            root.worth,
            index,
            loss,
            root.ahead,
            root.cost,
            root.last_twin,
            root.first,
            root.money,
            AT_ROOT,
            price,
            len(root.outside) > 0,
            int(self.simulations),
            float(self.exploration),
            key[0],
            key[1],
            mean,
            visits,
        )
        bound = price * root.money + float(root.worth[:, 0, AT_ROOT].sum())
        if len(root.outside):
            hinges = hinges_of(problem, int(self.most))
            bound += float(hinges.worth(counts[None, :], wins[None, :], root.outside, root.prices)[AT_ROOT])
        nothing = np.full(len(mean), np.nan)
        # Most visits; among equal numbers, the larger mean.
        merit = np.where(visits == visits.max(), bound + mean, -np.inf)
        return _Found(merit, np.where(visits > 0, bound + mean, np.nan), nothing, nothing, visits, nodes, bound)
