r"""Single-item stopping problems: the worth of labels of one item, for every price.

Labels of one item are bought at a price of lambda for a unit of cost, and buying may stop at any time. With d(n, w) the
gain of a label (see ``sweep``), kappa its cost and beta a discount factor, the right to continue is worth

    W(n, w) = max(0, F(n, w)),   F = d - kappa lambda + beta [mu W(n + 1, w + 1) + (1 - mu) W(n + 1, w)],

and W = 0 after the last label. The *index* of a state is the price at which one more label is worth nothing, F = 0. It
is the largest ratio of expected gain to expected cost among rules that buy at least one label. Without a limit on
labels it is the index of Gittins (1979), with at most k more labels that of Whittle (1988).

As a function of the price, W is convex, piecewise linear, and zero from the index on: a sum of *hinges*,

    W(lambda) = sum_j q_j max(0, x_j - lambda),    x_1 > x_2 > ..,    x_1 the index.

The x_j are the possible values of the smallest index met so far (the prevailing charge of Weber, 1992), and q_j is the
expected cost of the labels bought while it has that value. The hinges of a state follow from those of its two
successors. With their hinges weighted by beta mu and beta (1 - mu), merged and sorted by falling price, let

    A_k = d + sum_{j <= k} q_j x_j,      B_k = kappa + sum_{j <= k} q_j,

so that F = A_k - B_k lambda between x_{k+1} and x_k. The index is A_k / B_k for the first k for which that is not below
x_{k+1}. A new hinge there, of weight B_k, replaces the first k hinges, and the others stay. One pass backwards gives
the indices of all states, exact up to rounding, without bisection or a grid of prices.

For a single state, Newton's method gives the same index. F at some price is A - B lambda for the best rule there, and
the rule's ratio A / B is the next price. Prices rise until a rule is optimal at its own ratio (Dinkelbach 1967).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy

from ...posteriors.beliefs.asking import ask_tables
from ...posteriors.foundation.arrays import Floats, Ints
from ...posteriors.foundation.kinds import checked
from ...posteriors.foundation.memory import require_memory
from ...posteriors.foundation.messages import named, shown
from ...posteriors.foundation.notebook import html_table
from ...posteriors.foundation.number_arrays import number_array, whole_array
from ...posteriors.foundation.records import EqualByContents
from ...posteriors.foundation.refusals import every, number, positive, whole
from ...posteriors.foundation.tolerances import ROUNDING
from ..kernels import stopping as _kernels
from ..problem.bars import bar_of
from ..problem.problem import Problem
from ..problem.tables import ZERO_GAIN, gains

__all__ = [
    "IndexTable",
    "Stopping",
    "gittins_bernoulli",
    "gittins_index",
    "label_gains",
    "require_chord",
    "require_unlimited",
    "solve_stopping",
    "whittle_index",
]

Hinges = tuple[Ints, Floats, Floats]
_HINGES = ("begin", "price", "weight")


@dataclass(frozen=True, eq=False)
class Stopping(EqualByContents):
    """Solution of a single-item stopping problem for every price.

    Attributes
    ----------
    index : ndarray, shape (k, k)
        Index after n labels with w wins; NaN where w > n.
    price, weight : ndarray, shape (J,)
        Hinges at the start, by falling price: continuing is worth ``sum(weight * max(0, price - lambda))``.
    """

    index: Floats
    price: Floats
    weight: Floats

    def worth(self, price: float) -> float:
        """Worth of the right to buy labels, at the start.

        Parameters
        ----------
        price : float
            Price of a unit of cost.

        Returns
        -------
        float
            In units of payoff.
        """
        return float(self.weight @ np.maximum(self.price - number("price", price), 0.0))

    def spent(self, price: float) -> float:
        """Expected cost of the labels that an optimal rule buys, one that stops where it is indifferent.

        Parameters
        ----------
        price
            As for ``worth``.

        Returns
        -------
        float
            In units of cost.
        """
        return float(self.weight[self.price > number("price", price)].sum())


@dataclass(frozen=True, eq=False)
class IndexTable(EqualByContents):
    """Indices of one item.

    Attributes
    ----------
    index : ndarray, shape (k, k)
        As in ``Stopping``.
    error : float
        Largest error: an index may be too low by at most this, and is never too high.
    depth : int
        Number of labels looked ahead from the start; looking further ahead can only raise an index.
    """

    index: Floats
    error: float
    depth: int

    def __repr__(self) -> str:
        return f"IndexTable(up to {len(self.index) - 1} labels, depth {self.depth}, error {self.error:.2g})"

    def _repr_html_(self) -> str:
        import pandas as pd

        table = pd.DataFrame(self.index).rename_axis(index="labels", columns="wins")
        return html_table(self.__repr__(), table, index=True)


@checked
def solve_stopping(
    mean: Floats, gain: Floats, *, cost: float = 1.0, discount: float = 1.0, ending: Hinges | None = None
) -> Stopping:
    """Solve a stopping problem of at most k labels for every price.

    Parameters
    ----------
    mean, gain : ndarray, shape (k, k)
        Probability that the next label is a win, and its expected gain, after n labels with w wins.
    cost : float
        Cost of a label; positive.
    discount : float
        Factor by which each further label counts less, above 0 and at most 1.
    ending : (begin, price, weight), optional
        Hinges of the worth after k labels, as in ``Stopping``: those for w wins are begin[w], .., begin[w + 1] - 1,
        with ``begin`` of length k + 2. Default: worth 0.

    Returns
    -------
    Stopping

    Raises
    ------
    ProblemTooLarge
        If the hinges of a row of states do not fit in memory.
    ValueError
        For tables that are not square and of equal shape, hinges that are none, or a cost or discount out of range.

    Examples
    --------
    Three more plays of an arm whose rate has a uniform prior:

    >>> n, w = np.indices((3, 3))
    >>> mean = (1 + w) / (2 + n)
    >>> round(float(solve_stopping(mean, gain=mean).index[0, 0]), 6)
    0.590909
    """
    mean, gain = number_array("mean", mean), number_array("gain", gain)
    labels = len(mean) if mean.ndim else 0
    if not labels or not mean.shape == gain.shape == (labels, labels):
        raise ValueError(f"mean has shape {mean.shape} and gain {gain.shape}; both must be square, of the same shape")
    used = np.tri(labels, dtype=bool)
    every("mean", mean[used], (mean[used] >= 0.0) & (mean[used] <= 1.0), "from 0 to 1")
    every("gain", gain[used], np.isfinite(gain[used]), "finite")
    price_of_one = positive("cost", cost)
    factor = number("discount", discount, lambda x: 0 < x <= 1, "above 0 and at most 1")
    index = np.full((labels, labels), np.nan)
    nothing = np.zeros(labels + 2, dtype=np.int64), np.empty(0), np.empty(0)
    begin, price, weight = nothing if ending is None else _hinges(ending, labels)
    for n in range(labels - 1, -1, -1):
        room = 2 * len(price) + n + 1
        require_memory(16.0 * (room + len(price)), what=f"indices of {labels} labels", instead="take a smaller cap")
        row = np.empty(n + 2, dtype=np.int64), np.empty(room), np.empty(room)
        # Copies: for read-only arrays the kernel would be compiled once more.
        one = np.array(mean[n, : n + 1], dtype=np.float64), np.array(gain[n, : n + 1], dtype=np.float64)
        _kernels.mix_hinges(*one, price_of_one, factor, begin, price, weight, *row)
        begin, (price, weight) = row[0], (x[: row[0][-1]].copy() for x in row[1:])
        index[n, : n + 1] = price[begin[:-1]]
    return Stopping(index, price, weight)


def _hinges(given: Any, labels: int) -> Hinges:
    """Hinges of the worth after that many labels, as new arrays, for a kernel reads them without a check."""
    if not isinstance(given, Sequence) or len(given) != len(_HINGES):
        raise ValueError(f"ending is {shown(given)}; it must be three arrays: {', '.join(_HINGES)}")
    begin = whole_array("begin of ending", given[0])
    price, weight = (number_array(f"{name} of ending", x) for name, x in zip(_HINGES[1:], given[1:], strict=True))
    if begin.shape != (labels + 2,) or price.ndim != 1 or weight.shape != price.shape:
        raise ValueError(
            f"ending has begin, price and weight of shapes {begin.shape}, {price.shape} and {weight.shape}; they must "
            f"be ({labels + 2},), (J,) and (J,)"
        )
    if begin[0] != 0 or begin[-1] != len(price) or (np.diff(begin) < 0).any():
        raise ValueError(f"begin of ending must rise from 0 to the number of hinges, {len(price)}")
    every("price of ending", price, np.isfinite(price), "finite")
    every("weight of ending", weight, np.isfinite(weight) & (weight >= 0.0), "finite and at least 0")
    rising = np.append(np.diff(price) > 0.0, False)
    rising[begin[1:-1][(begin[1:-1] > 0) & (begin[1:-1] < len(price))] - 1] = False
    if rising.any():
        raise ValueError("price of ending rises among the hinges of one state; prices must fall")
    return begin, price, weight


@checked
def whittle_index(problem: Problem, i: int, labels: int | None = None) -> IndexTable:
    """Whittle index of an item with a limited number of labels, in every state.

    It is the price of a unit of cost at which buying another label and stopping are equally good.

    Parameters
    ----------
    problem : Problem
    i : int
        Number of the item.
    labels : int, optional
        Limit on its labels, at most its cap; default: its cap. After n labels, ``labels`` - n remain.

    Returns
    -------
    IndexTable
        Its ``error`` is 0, and ``depth`` is the limit.

    Raises
    ------
    ValueError
        For an item or a number of labels out of range.

    Examples
    --------
    >>> whittle_index(Problem([0.5], budget=2), 0).index.round(4)
    array([[0.25,  nan],
           [0.  , 0.  ]])
    """
    whole("item", i, 0, problem.size - 1)
    cap = int(problem.cap[i])
    labels = cap if labels is None else labels
    whole("labels", labels, 1, cap, f"from 1 to the cap of {named(problem.name[i])}, {cap}")
    mean, gain, _ = label_gains(problem, i, labels)
    return IndexTable(solve_stopping(mean, gain, cost=float(problem.cost[i])).index, 0.0, labels)


@checked
def gittins_index(problem: Problem, i: int, labels: int | None = None, depth: int | None = None) -> IndexTable:
    """Gittins index of an item without a limit on labels, in every state.

    Indices are computed twice: without labels beyond some depth, and with the truth for the price of one label at that
    depth, which is worth more than any labels. The difference bounds the error. It is largest in the last rows of the
    table, where a decision is nearly certain, so that further labels are worth little and it takes many to change it.

    Parameters
    ----------
    problem : Problem
        Its caps and its budget are ignored, except for the default of ``labels``.
    i : int
        Number of the item.
    labels : int, optional
        The table covers fewer labels than this; default: the item's cap.
    depth : int, optional
        Largest number of labels in all; default: 4 ``labels`` + 64.

    Returns
    -------
    IndexTable
        Indices are too low by at most ``error``, and never too high.

    Raises
    ------
    ValueError
        For an item with a reward, whose labels never lose their worth, and for a utility that rises above its chord,
        under which knowing the truth may not pay.

    Examples
    --------
    >>> found = gittins_index(Problem([0.5], budget=3), 0)
    >>> found.index.round(4)
    array([[0.25  ,    nan,    nan],
           [0.0469, 0.0469,    nan],
           [0.0164, 0.1875, 0.0164]])
    """
    whole("item", i, 0, problem.size - 1)
    _require_no_reward(problem, i)
    labels = int(problem.cap[i]) if labels is None else labels
    whole("labels", labels, least=1)
    depth = 4 * labels + 64 if depth is None else depth
    whole("depth", depth, labels, allowed=f"a whole number, at least the labels of the table, {labels}")
    require_chord(problem)
    cost = float(problem.cost[i])
    what = f"an index table with up to {depth} labels"
    require_memory(100.0 * (depth + 2.0) ** 2, what=what, instead="take a smaller labels or depth")
    mean, gain, tail = label_gains(problem, i, depth)
    low = solve_stopping(mean, gain, cost=cost).index[:labels, :labels]
    ends = problem.utility(np.array([0.0, 1.0]))
    told = problem.weight[i] * (tail * ends[1] + (1.0 - tail) * ends[0] - problem.utility(tail))
    ending = np.arange(depth + 2), np.maximum(told, 0.0) / cost, np.full(depth + 1, cost)
    high = solve_stopping(mean, gain, cost=cost, ending=ending).index[:labels, :labels]
    return IndexTable(low, max(float(np.nanmax(high - low)), 0.0), depth)


def require_unlimited(problem: Problem) -> None:
    """Raise ``ValueError`` unless ``gittins_index`` is defined for every item."""
    for i in np.flatnonzero(problem.reward):
        _require_no_reward(problem, int(i))
    require_chord(problem)


def _require_no_reward(problem: Problem, i: int) -> None:
    if problem.reward[i] != 0:
        raise ValueError(
            f"reward of {named(problem.name[i])} is {problem.reward[i]}; without a limit on labels it must be 0"
        )


def require_chord(problem: Problem) -> None:
    """Raise ``ValueError`` unless h lies below its chord from h(0) to h(1), so that nothing beats knowing the truth."""
    grid = np.linspace(0.0, 1.0, 1001)
    h = problem.utility(grid)
    chord = grid * h[-1] + (1.0 - grid) * h[0]
    if np.any(h > chord + ROUNDING * max(1.0, float(np.abs(h).max()))):
        worst = grid[int(np.argmax(h - chord))]
        raise ValueError(
            f"utility rises above its chord at p = {worst:g}: knowing the truth would not pay, and the "
            "clairvoyant bound does not hold"
        )


def label_gains(problem: Problem, i: int, labels: int) -> tuple[Floats, Floats, Floats]:
    """Means and gains of an item's first ``labels`` labels, whatever its cap, and its tail probabilities after them."""
    mean, tail, _ = ask_tables(problem.belief(i), labels, bar_of(problem, i))
    payoff = problem.weight[i] * problem.utility(tail) + problem.reward[i] * np.arange(labels + 1.0)
    return mean[:-1, :-1], gains(mean, payoff, ZERO_GAIN * problem.payoff_scale), tail[-1]


@checked
def gittins_bernoulli(a: float, b: float, discount: float, plays: int | None = None, tolerance: float = 1e-9) -> float:
    """Gittins index of a Bernoulli arm whose rate has a Beta(a, b) belief and whose wins pay 1.

    Parameters
    ----------
    a, b : float
        Parameters of the belief; positive.
    discount : float
        Factor by which each further play counts less: above 0, below 1 without a limit on plays, at most 1 with one.
    plays : int, optional
        Number of plays left; default: no limit.
    tolerance : float
        Largest error allowed without a limit on plays. The index lies between that of an arm that keeps its mean from
        some depth on and that of an arm whose rate is revealed there; the depth grows until they agree to this.

    Returns
    -------
    float
        Index in units of a win, from 0 to 1.

    Raises
    ------
    ValueError
        For parameters out of range.

    Examples
    --------
    >>> round(gittins_bernoulli(1, 1, discount=0.9), 4)
    0.7029
    >>> round(gittins_bernoulli(1, 1, discount=1, plays=5), 6)
    0.635714
    """
    a, b, discount = number("a", a), number("b", b), number("discount", discount)
    if not (a > 0 and b > 0 and np.isfinite(a + b)):
        raise ValueError(f"a is {a:g} and b is {b:g}; they must be positive and finite")
    if not (0 < discount <= 1) or (plays is None and discount == 1):
        raise ValueError(
            f"discount is {discount}; it must be above 0 and at most 1, and below 1 without a limit on plays"
        )
    number("tolerance", tolerance, lambda x: x > 0, "positive")
    if plays is not None:
        return _bernoulli(a, b, discount, whole("plays", plays, least=1), "nothing")
    depth = 32
    while True:
        low, high = (_bernoulli(a, b, discount, depth, after) for after in ("mean", "told"))
        if high - low <= tolerance:
            return low
        # The difference shrinks by little more than the discount at each play: half of the plays that this takes are
        # a depth that will surely be needed.
        least = 0.5 * np.log((high - low) / tolerance) / -np.log(discount)
        depth *= 2
        _require_plays(max(depth, float(least)))


def _require_plays(plays: float) -> None:
    what = f"an index of {plays:.0f} plays"
    require_memory(16.0 * plays**2, what=what, instead="take a larger tolerance or a smaller discount")


def _bernoulli(a: float, b: float, discount: float, plays: int, after: str) -> float:
    """Index of an arm played at most ``plays`` times, after which each play pays nothing, its mean, or its rate."""
    _require_plays(plays)
    n, w = np.arange(plays)[:, None], np.arange(plays)[None, :]
    mean = (a + w) / (a + b + n)
    wins = a + np.arange(plays + 1)
    losses = a + b + plays - wins
    rate = wins / (wins + losses)
    price, forever = float(mean[0, 0]), 0.0 if after == "nothing" else 1.0 / (1.0 - discount)
    while True:
        if after == "told":
            # E max(0, rate - price), and the probability that the rate is above the price.
            above = scipy.special.betaincc(wins, losses, price)
            worth = rate * scipy.special.betaincc(wins + 1.0, losses, price) - price * above
        else:
            above = np.where(rate > price, 1.0, 0.0)
            worth = np.maximum(rate - price, 0.0)
        value, labels = _kernels.go_on(mean, mean, price, float(discount), forever * worth, forever * above)
        better = price + value / labels
        # Rounding may move the price up and down by its last digit.
        if not better > price * (1.0 + 4e-16):
            return price
        price = better
