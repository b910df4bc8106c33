r"""Problems whose queries all speak of one unknown parameter.

The parameter theta is one of G points, with a prior over them. A label of query q is a win with chance P_q(theta), as
when comparisons of responses all tell of one reward. After labels n with wins w, the belief is

    b_g  proportional to  prior_g  prod_q P_q(g)^w_q (1 - P_q(g))^(n_q - w_q),

and once the labels are bought the payoff is a convex function of it. Items of ``Problem`` are the special case in which
each query has a rate of its own, independent of the others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ...posteriors.foundation.arrays import Floats, Ints
from ...posteriors.foundation.frozen import ReadOnlyCopies
from ...posteriors.foundation.kinds import WrongKind
from ...posteriors.foundation.messages import named, shown
from ...posteriors.foundation.number_arrays import number_array, place_name, whole_array
from ...posteriors.foundation.refusals import nonnegative, positive, refused, whole
from ..exact.lattice import Lattice
from ..problem.budget import most_labels, with_slack
from .payoffs import BeliefPayoff, CallablePayoff

__all__ = ["MOST_LABELS", "SharedProblem"]

# Values are stored times 2^labels, which is finite so far.
MOST_LABELS = 1000


@dataclass(frozen=True, eq=False, init=False)
class SharedProblem(ReadOnlyCopies):
    """Sequential problem of Q queries whose chances of a win depend on one parameter with G points.

    Parameters
    ----------
    chance : array_like, shape (G, Q)
        Chance that a label of each query is a win, at each point; from 0 to 1.
    budget : int or float
        Largest total cost of the labels; a whole number where every label costs 1.
    payoff : BeliefPayoff or callable
        ``BestChoice``, ``RegularisedChoice``, ``ThresholdDecisions``, or a convex function of beliefs, of shape (S, G),
        that returns their payoffs, of shape (S,).
    weights : array_like, shape (G,), optional
        Prior weights of the points, at least 0, whose sum need not be 1; default: all equal.
    cost : float or array_like, shape (Q,)
        Price of a label of each query; positive.
    cap : int or array_like of int, shape (Q,), optional
        Largest number of labels of each query.
    label_price : float
        What a unit of cost takes from the payoff, beside the budget. Where it is 0, no label lowers the expected payoff
        and all are bought.
    name : sequence of str, optional
        Queries' names; default "query 1", "query 2", ...

    Attributes
    ----------
    chance, weights, cost : ndarray
        Read-only; ``weights`` sum to 1.
    cap : ndarray of int, shape (Q,)

    Raises
    ------
    ValueError
        For an array of another shape, chances outside [0, 1], weights that are negative or sum to 0, a budget below the
        price of every label, and payoffs for another number of points.

    Examples
    --------
    >>> from seqaudit import BestChoice
    >>> problem = SharedProblem([[0.9, 0.5], [0.2, 0.5]], budget=3, payoff=BestChoice([[1.0, 0.0], [0.0, 1.0]]))
    >>> problem
    SharedProblem(2 queries, 2 points, budget 3, best choice)
    >>> problem.belief([1, 0], [1, 0]).round(4)
    array([0.8182, 0.1818])
    """

    chance: Floats
    weights: Floats
    budget: int | float
    payoff: BeliefPayoff
    cost: Floats
    cap: Ints
    label_price: float
    name: tuple[str, ...]

    def __init__(
        self,
        chance: ArrayLike,
        budget: int | float,
        payoff: BeliefPayoff | Callable[[Floats], Any],
        *,
        weights: ArrayLike | None = None,
        cost: ArrayLike = 1.0,
        cap: ArrayLike | None = None,
        label_price: float = 0.0,
        name: Sequence[str] | None = None,
    ) -> None:
        chances = number_array("chance", chance)
        if chances.ndim != 2 or not chances.size:
            raise ValueError(
                f"chance has shape {chances.shape}; it must have a row for each point and a column for each query"
            )
        for place in np.argwhere(~((chances >= 0.0) & (chances <= 1.0)))[:1].tolist():
            raise refused(place_name("chance", tuple(place)), chances[tuple(place)], "be from 0 to 1")
        points, queries = chances.shape
        names = _names(name, queries)
        costs = _for_each("cost", cost, names, number_array)
        for q in np.flatnonzero(~((costs > 0.0) & np.isfinite(costs)))[:1]:
            raise ValueError(f"cost of {named(names[q])} is {costs[q]}; it must be positive and finite")
        limit = whole("budget", budget, 1) if np.all(costs == 1.0) else positive("budget", budget)
        most = np.floor(with_slack(limit) / costs).clip(max=MOST_LABELS + 1).astype(np.int64)
        caps = most
        if cap is not None:
            caps = np.minimum(most, _for_each("cap", cap, names, whole_array))
        if not caps.any():
            raise ValueError(f"budget {budget} buys no label; the cheapest costs {costs.min():g}, and caps may be 0")
        fields = {
            "chance": chances,
            "weights": _prior(weights, points),
            "budget": limit,
            "payoff": _payoff(payoff, points),
            "cost": costs,
            "cap": caps,
            "label_price": nonnegative("label_price", label_price),
            "name": names,
        }
        for key, value in fields.items():
            if isinstance(value, np.ndarray):
                value.setflags(write=False)
            object.__setattr__(self, key, value)
        if self.labels > MOST_LABELS:
            raise ValueError(f"budget {budget} buys more than {MOST_LABELS} labels; it must buy at most so many")

    @property
    def points(self) -> int:
        """Number of points of the parameter."""
        return len(self.chance)

    @property
    def queries(self) -> int:
        """Number of queries."""
        return len(self.name)

    @cached_property
    def labels(self) -> int:
        """Largest number of labels that can be bought."""
        return most_labels(self.cost, self.cap, float(self.budget))

    @cached_property
    def lattice(self) -> Lattice:
        """Lattice of the labels of the queries."""
        return Lattice(self.cap, self.labels, self.cost, float(self.budget))

    @cached_property
    def prior_value(self) -> float:
        """Payoff of buying no label."""
        return float(self.payoff.of(self.weights[None, :])[0])

    def belief(self, counts: ArrayLike, wins: ArrayLike) -> Floats:
        """Belief over the points after some labels.

        Parameters
        ----------
        counts, wins : array_like of int, shape (Q,)
            Labels of each query, and wins among them.

        Returns
        -------
        ndarray, shape (G,)

        Raises
        ------
        ValueError
            For counts that are no labels of these queries, and wins that no point allows.
        """
        n, w = self.checked_state(counts, wins)
        with np.errstate(divide="ignore"):
            logs = np.log(self.weights) + _log_powers(self.chance, w) + _log_powers(1.0 - self.chance, n - w)
        if logs.max() == -np.inf:
            raise ValueError("no point of the parameter allows these wins; all have probability 0")
        found = np.exp(logs - logs.max())
        return np.asarray(found / found.sum())

    def checked_state(self, counts: ArrayLike, wins: ArrayLike) -> tuple[Ints, Ints]:
        """Labels and wins of a state as arrays.

        Parameters
        ----------
        counts, wins : array_like of int, shape (Q,)

        Returns
        -------
        (ndarray, ndarray)

        Raises
        ------
        ValueError
            For anything but labels within the caps and wins within the labels.
        """
        n, w = whole_array("counts", counts), whole_array("wins", wins)
        if n.shape != (self.queries,) or w.shape != (self.queries,):
            raise ValueError(f"counts and wins must have shape ({self.queries},), found {n.shape} and {w.shape}")
        for q in np.flatnonzero((n > self.cap) | (w > n))[:1]:
            raise ValueError(
                f"{named(self.name[q])}: {w[q]} wins in {n[q]} labels; allowed: 0 <= wins <= labels <= {self.cap[q]}"
            )
        return n, w

    def __repr__(self) -> str:
        what = getattr(self.payoff, "called", self.payoff.name)
        return f"SharedProblem({self.queries} queries, {self.points} points, budget {self.budget}, {what})"


def _log_powers(chance: Floats, times: Ints) -> Floats:
    """Logarithm of the product of powers, where 0^0 is 1."""
    used = times > 0
    return np.asarray(np.log(chance[:, used]) @ times[used])


def _for_each(field: str, values: Any, names: Sequence[str], read: Callable[..., Any]) -> Any:
    array = read(field, values)
    if array.ndim == 0:
        return np.full(len(names), array[()])
    if array.shape != (len(names),):
        raise ValueError(f"{field} has shape {array.shape}; it must be one number or a list of {len(names)}")
    return array


def _names(name: Sequence[str] | None, queries: int) -> tuple[str, ...]:
    if name is None:
        return tuple(f"query {q + 1}" for q in range(queries))
    if (
        isinstance(name, str)
        or not isinstance(name, Sequence)
        or not all(isinstance(x, str) and x.strip() for x in name)
    ):
        raise WrongKind(f"name is {shown(name)}; it must be a list of strings that are not blank")
    if len(name) != queries or len(set(name)) != queries:
        raise ValueError(
            f"name has {len(set(name))} different entries; it must have one for each of the {queries} queries"
        )
    return tuple(name)


def _prior(weights: ArrayLike | None, points: int) -> Floats:
    if weights is None:
        return np.full(points, 1.0 / points)
    array = number_array("weights", weights)
    if array.shape != (points,):
        raise ValueError(f"weights has shape {array.shape}; it must be a list of {points}, one for each row of chance")
    for g in np.flatnonzero(~((array >= 0.0) & np.isfinite(array)))[:1]:
        raise refused(f"weights[{g}]", array[g], "be at least 0 and finite")
    if not array.any():
        raise ValueError("weights sum to 0; at least one point must have a positive weight")
    # The largest first, since a sum may be beyond floats.
    array = array / array.max()
    return np.asarray(array / array.sum())


def _payoff(payoff: Any, points: int) -> BeliefPayoff:
    if not isinstance(payoff, BeliefPayoff):
        if isinstance(payoff, type) or not callable(payoff):
            raise WrongKind(
                f"payoff is {shown(payoff)}; it must be a payoff, such as BestChoice, or a function of beliefs"
            )
        return CallablePayoff(payoff, points)
    if payoff.points not in (None, points):
        raise ValueError(f"payoff is for {payoff.points} points; it must be for the {points} rows of chance")
    return payoff
