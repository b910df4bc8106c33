"""States of items as an index policy sees them: beliefs and constants, elementwise.

All fields are arrays that broadcast together. They cover the whole triangle of one item's label counts when a policy is
evaluated exactly, the items' current states when it is simulated, and a single state when a session asks for the next
label. An index written as an elementwise formula of these fields therefore serves all three.

With mu the mean, p the tail probability and J the jump, one more label leads to p+ = p + (1-mu) J with probability mu
and to p- = p - mu J otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...posteriors.beliefs.asking import ask_at
from ...posteriors.beliefs.belief import BeliefTables
from ...posteriors.beliefs.sharp import beta_at, lossy
from ...posteriors.foundation.arrays import Floats, Ints
from ...posteriors.foundation.frozen import ReadOnlyCopies
from ...posteriors.foundation.kinds import checked
from ...posteriors.foundation.number_arrays import number_array, require_one_order, require_order_of, whole_array
from ...posteriors.foundation.plugins import read_only
from ...posteriors.foundation.records import EqualByContents
from ...posteriors.foundation.refusals import every, number
from ...posteriors.utilities import Utility
from .bars import bar_of
from .problem import Problem

__all__ = ["ItemStates", "known_states", "states_at", "states_of_item"]

_BELIEFS = ("mean", "tail", "jump")


@dataclass(frozen=True, eq=False)
class ItemStates(EqualByContents, ReadOnlyCopies):
    """Beliefs about items at given label counts; all arrays are read-only and broadcast together.

    Attributes
    ----------
    labels, wins : ndarray
        Labels bought and wins among them.
    mean : ndarray
        Probability that the next label is a win.
    tail : ndarray
        Tail probability P(alpha > t).
    jump : ndarray
        Tail probability after a win minus that after a loss.
    threshold, log_ratio, weight, cost, reward : ndarray
        The item's constants.
    remaining : ndarray
        Budget left, for policies with ``uses_remaining``; the whole budget for all others.
    utility : Utility
        The problem's terminal utility h.
    item : ndarray of int
        Number of the item, for policies that look up its index in a table.
    problem : Problem
    """

    labels: Floats
    wins: Floats
    mean: Floats
    tail: Floats
    jump: Floats
    threshold: Floats
    log_ratio: Floats
    weight: Floats
    cost: Floats
    reward: Floats
    remaining: Floats
    utility: Utility
    item: Ints
    problem: Problem

    if not TYPE_CHECKING:

        def __getattr__(self, name):
            """Beliefs that ``known_states`` left to be computed when they are first asked for."""
            held = self.__dict__
            if name not in _BELIEFS or "problem" not in held:
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            if name == "mean" and (mean := _mean_at(self.problem, self.item, self.labels, self.wins)) is not None:
                held[name] = read_only(mean)
                return held[name]
            found = _belief_at(self.problem, self.item, self.labels, self.wins)
            held.update({key: read_only(np.asarray(value)) for key, value in zip(_BELIEFS, found, strict=True)})
            return held[name]

    def __post_init__(self) -> None:
        # Policies of users see these arrays; some belong to the problem or to the caller.
        held = self.__dict__
        for field, value in held.items():
            if isinstance(value, np.ndarray) and value.flags.writeable:
                held[field] = read_only(value)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape to which the states broadcast."""
        return np.broadcast_shapes(self.item.shape, self.labels.shape, self.wins.shape)

    @property
    def sd(self) -> Floats:
        """Posterior standard deviation of the probability of a win."""
        if isinstance(self.problem.prior, np.ndarray):
            size = self.problem.prior[self.item].sum(axis=-1) + self.labels
            return np.sqrt(self.mean * (1.0 - self.mean) / (size + 1.0))
        # The chance of two wins in a row is the mean square. Where wins exceed labels, any state will do.
        n, w = self.labels + 1.0, np.minimum(self.wins, self.labels) + 1.0
        again = _belief_at(self.problem, self.item, n, w).mean
        return np.sqrt(np.maximum(self.mean * (again - self.mean), 0.0))

    @property
    def tail_after_win(self) -> Floats:
        """P(alpha > t) after one more win."""
        return np.minimum(self.tail + (1.0 - self.mean) * self.jump, 1.0)

    @property
    def tail_after_loss(self) -> Floats:
        """P(alpha > t) after one more loss."""
        return np.maximum(self.tail - self.mean * self.jump, 0.0)

    @property
    def payoff(self) -> Floats:
        """Payoff v h(p) + r w of buying no further label."""
        return self.weight * self.utility(self.tail) + self.reward * self.wins

    @property
    def payoff_after_win(self) -> Floats:
        """Payoff after one more win."""
        return self.weight * self.utility(self.tail_after_win) + self.reward * (self.wins + 1.0)

    @property
    def payoff_after_loss(self) -> Floats:
        """Payoff after one more loss."""
        return self.weight * self.utility(self.tail_after_loss) + self.reward * self.wins

    @property
    def expected_gain(self) -> Floats:
        """Expected rise of the payoff by one more label."""
        mu = self.mean
        return mu * self.payoff_after_win + (1.0 - mu) * self.payoff_after_loss - self.payoff


@checked
def states_of_item(problem: Problem, i: int, remaining: float | None = None) -> ItemStates:
    """States of one item over its triangle of label counts.

    Parameters
    ----------
    problem : Problem
    i : int
        Number of the item.
    remaining : float, optional
        Budget left; default: the whole budget.

    Returns
    -------
    ItemStates
        Arrays of shape (cap + 1, cap + 1), indexed [labels, wins]; entries with more wins than labels mean nothing.

    Examples
    --------
    >>> states = states_of_item(Problem([0.5], budget=2), 0)
    >>> np.where(np.tri(3), states.tail, np.nan)
    array([[0.5  ,   nan,   nan],
           [0.25 , 0.75 ,   nan],
           [0.125, 0.5  , 0.875]])
    """
    mean, p, step = problem.tables(i)
    n = np.arange(len(mean), dtype=np.float64)
    fields = (problem.threshold, problem.log_ratio, problem.weight, problem.cost, problem.reward)
    t, c, v, kappa, r = (np.asarray(x[i]) for x in fields)
    left = np.asarray(float(problem.budget) if remaining is None else number("remaining", remaining))
    here = np.asarray(i, dtype=np.int64)
    return ItemStates(n[:, None], n[None, :], mean, p, step, t, c, v, kappa, r, left, problem.utility, here, problem)


@checked
def states_at(
    problem: Problem, items: Ints, labels: Floats, wins: Floats, remaining: Floats | None = None
) -> ItemStates:
    """States of items at given label counts.

    Parameters
    ----------
    problem : Problem
    items : ndarray of int
        Numbers of the items.
    labels, wins : ndarray
        Labels of each item and wins among them. ``items``, ``labels`` and ``wins`` broadcast together.
    remaining : ndarray, optional
        Budget left; default: the whole budget.

    Returns
    -------
    ItemStates
        Arrays of the broadcast shape.

    Raises
    ------
    ValueError
        For labels or wins that are negative or no whole numbers.

    Examples
    --------
    >>> states = states_at(Problem([0.5, 0.7], budget=9), np.arange(2), np.array([1, 2]), np.array([1, 2]))
    >>> states.tail.round(3), states.expected_gain.round(4)
    (array([0.75 , 0.657]), array([0.    , 0.0758]))
    """
    require_one_order(items=items, labels=labels, wins=wins, remaining=remaining)
    chosen = whole_array("items", items, most=problem.size - 1)
    if chosen.ndim == 1:
        require_order_of([problem.name[i] for i in chosen.tolist()], labels=labels, wins=wins, remaining=remaining)
    n, w = (whole_array(*x).astype(np.float64) for x in (("labels", labels), ("wins", wins)))
    if np.any(w > n):
        raise ValueError("wins are more than labels; they must be at most as many")
    left = None
    if remaining is not None:
        left = number_array("remaining", remaining)
        every("remaining", left, left >= 0.0, "at least 0")
    return known_states(problem, chosen, n, w, left)


def known_states(problem: Problem, items: Ints, n: Floats, w: Floats, remaining: Floats | None = None) -> ItemStates:
    """States as by ``states_at``, of items and label counts that are known to be right, and that do not change.

    Many indices look at none of the beliefs, or at the mean alone: those of Beta priors are computed when they are
    asked for. Other beliefs may be of a user's, whose faults are told at once.
    """
    states = object.__new__(ItemStates)
    states.__dict__.update(
        labels=n,
        wins=w,
        threshold=problem.threshold[items],
        log_ratio=problem.log_ratio[items],
        weight=problem.weight[items],
        cost=problem.cost[items],
        reward=problem.reward[items],
        remaining=np.asarray(float(problem.budget)) if remaining is None else remaining,
        utility=problem.utility,
        item=items,
        problem=problem,
    )
    if not isinstance(problem.prior, np.ndarray):
        states.__dict__.update(zip(_BELIEFS, _belief_at(problem, items, n, w), strict=True))
    states.__post_init__()
    return states


def _mean_at(problem: Problem, items: Ints, n: Floats, w: Floats) -> Floats | None:
    """Means under Beta priors where they come without the tails, as ``_belief_at`` gives them."""
    assert isinstance(problem.prior, np.ndarray)
    a, b = problem.prior[items, 0], problem.prior[items, 1]
    if lossy(a, b, n, problem.threshold[items], problem.stated_log_odds[items]).any():
        return None
    won, lost = a + w, b + (n - w)
    return np.asarray(won / (won + lost))


def _belief_at(problem: Problem, items: Ints, n: Floats, w: Floats) -> BeliefTables:
    t = problem.threshold[items]
    if isinstance(problem.prior, np.ndarray):
        a, b = problem.prior[items, 0], problem.prior[items, 1]
        return BeliefTables(*beta_at(a, b, n, w, t, problem.stated_log_odds[items]))
    which, labels, wins = np.broadcast_arrays(items, n.astype(np.int64), w.astype(np.int64))
    out = BeliefTables(*np.empty((3, *which.shape)))
    for i in np.unique(which):
        here = which == i
        found = ask_at(problem.belief(int(i)), labels[here], wins[here], bar_of(problem, int(i)))
        for table, values in zip(out, found, strict=True):
            table[here] = values
    return out
