"""The board: labels and wins so far, and the policy's scores, kept up to date label by label.

Simulation, replay and the ask/tell session all choose and record through this class, so that a policy, a budget and a
batch mean the same in each. R independent replications run side by side. For an index policy one label changes one
score, and only that one is computed again; a policy whose index has come to depend on the budget left, and any other
policy, scores the whole state again. A joint policy is asked for its probabilities at each question, and an item is
drawn from them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...dp.evaluation.asking import ask_allowed, ask_index, ask_probabilities, ask_scale, ask_scores
from ...dp.evaluation.choices import stops_in
from ...dp.problem.availability import Availability
from ...dp.problem.problem import Problem
from ...dp.problem.states import known_states
from ...posteriors.foundation.arrays import Bools, Floats, Ints
from ..kernels import choosing as _kernels
from ..policy import IndexPolicy, JointPolicy, Policy

__all__ = ["Board", "final_values"]


class Board:
    """State of R replications of one policy on one problem.

    A label is *bought* when its question is asked, and *entered* when its outcome is known. The labels bought determine
    which items can still be labelled. The policy sees the outcomes entered before the present batch began; items with a
    label whose outcome it does not see are passed over as long as another item can be labelled.

    Parameters
    ----------
    problem : Problem
    policy : Policy
    keys : ndarray of uint64, shape (R, 2)
        Philox keys that break ties.
    start : tuple of ndarray of int, shape (R, N), optional
        Labels bought and entered before the start, and wins among them; default none.

    Attributes
    ----------
    counts, wins : ndarray of int, shape (R, N)
        Labels entered, and wins among them.
    bought : ndarray of int, shape (R, N)
        Labels bought.
    open : ndarray of int
        Replications in which a label can be bought and the policy has not stopped, in order.
    rules : Availability
    """

    def __init__(
        self, problem: Problem, policy: Policy, keys: NDArray[np.uint64], start: tuple[Ints, Ints] | None = None
    ) -> None:
        policy.require(problem)
        self.problem, self.policy, self.keys = problem, policy, keys
        shape = (len(keys), problem.size)
        if start is None:
            self.counts, self.wins = np.zeros((2, *shape), dtype=np.int64)
        else:
            self.counts, self.wins = start[0].copy(), start[1].copy()
        self.bought = self.counts.copy()
        self.rules = Availability(problem)
        # Before the first label all rows are alike.
        first, copies = (self.counts[:1], len(keys)) if start is None else (self.counts, 1)
        self._usable = np.repeat(self.rules.items(first), copies, axis=0)
        self.open = np.flatnonzero(self._usable.any(axis=1))
        # With unit costs and no quotas, only caps and the number of labels matter, and a label changes one item.
        self._most = problem.labels if problem.unit_costs and not problem.quota else None
        self._rounds = 0 if start is None else problem.labels
        self._stopped = np.zeros(len(keys), dtype=bool)
        self._questions = 0  # still to be asked in the present batch
        self._unseen = np.zeros(shape, dtype=np.int64)  # bought, with an outcome that the policy has not seen
        self._unseen_labels = 0
        self._late: list[tuple[Ints, Ints]] = []  # entered since the present batch began
        self._outstanding: list[tuple[Ints, Ints, NDArray[Any]]] = []  # to be entered with the rest of their batch
        self._scale = ask_scale(policy, problem)
        self._out = np.empty(len(keys), dtype=np.int64)
        self._index = policy if isinstance(policy, IndexPolicy) else None
        self._horizon = policy.horizon(problem) if isinstance(policy, IndexPolicy) else 0.0
        self._left = problem.budget - (self.counts * problem.cost).sum(axis=1)
        self._joint = policy if isinstance(policy, JointPolicy) else None
        self._shown = self.counts, self.wins
        self._scores = np.empty((0, 0))
        self._leave_horizon()
        if self._index is not None:
            self._scores = np.repeat(self._all_scores(first, self.wins[: len(first)]), copies, axis=0)

    def choose(self, step: int, usable: Bools | None = None) -> Ints:
        """Next item of each replication, shape (R,); -1 where nothing can be labelled or the policy stops.

        ``step`` numbers the choice, for the random number that breaks a tie. ``usable`` restricts the items further.
        """
        if not self._questions:
            self._begin_batch()
            if self._joint is not None and self._joint.stopping:
                self._stop(self._joint)
        allowed = self._usable if usable is None else self._usable & usable
        if self._joint is not None:
            allowed = ask_allowed(self._joint, self.problem, self.bought, allowed) & ~self._stopped[:, None]
        if self._unseen_labels:
            quiet = allowed & (self._unseen == 0)
            allowed = np.where(quiet.any(axis=1, keepdims=True), quiet, allowed)
        if self._joint is not None:
            self._draw(self._joint, allowed, step)
            return self._out.copy()
        first = self.policy.ties == "first"
        _kernels.choose(self._scores, allowed, self._scale, first, step, self.keys, self._out)
        return self._out.copy()

    def ask(self, rows: Ints, items: Ints) -> None:
        """Buy the next label of the batch in each of ``rows``; its outcome is outstanding."""
        if not self._questions:
            self._questions = self.problem.batch
        self._questions -= 1
        at = self._at(rows, items)
        self._buy(rows, items, at)
        self._hide(at)

    def enter(self, rows: Ints, items: Ints, labels: NDArray[Any]) -> None:
        """Enter the outcome of a label that was bought, in each of ``rows``; a row may occur once."""
        at = self._at(rows, items)
        self._count(at, labels)
        if self._questions:
            self._late.append((items, at))
        else:
            self._see(items, at)

    def record(self, rows: Ints, items: Ints, labels: NDArray[Any]) -> None:
        """Buy one label in each of ``rows`` and enter its outcome at once; a row may occur once."""
        at = self._at(rows, items)
        self._buy(rows, items, at)
        self._count(at, labels)
        if self._questions:
            self._hide(at)
            self._late.append((items, at))
        else:
            self._score(items, at)

    def spend(self, rows: Ints, items: Ints, labels: NDArray[Any]) -> None:
        """Buy one label in each of ``rows``, with an outcome that the policy sees when its batch is complete."""
        if self.problem.batch == 1:
            self.record(rows, items, labels)
            return
        self.ask(rows, items)
        self._outstanding.append((rows, items, labels))
        if len(self._outstanding) == self.problem.batch or not self.open.size:
            for outcome in self._outstanding:
                self.enter(*outcome)
            self._outstanding.clear()

    def _at(self, rows: Ints, items: Ints) -> Ints:
        # Positions in the flattened array: NumPy is several times slower with pairs of indices.
        return rows * self.problem.size + items

    def _buy(self, rows: Ints, items: Ints, at: Ints) -> None:
        bought = self.bought.reshape(-1)
        bought[at] += 1
        self._rounds += 1
        if self._most is None:
            self._usable[rows] = self.rules.items(self.bought[rows])
        else:
            self._usable.reshape(-1)[at] = bought[at] < self.problem.cap[items]
            if self._rounds < self._most:
                return
            self._usable[rows[self.bought[rows].sum(axis=1) >= self._most]] = False
        self.open = self.open[self._usable[self.open].any(axis=1)]

    def _count(self, at: Ints, labels: NDArray[Any]) -> None:
        self.counts.reshape(-1)[at] += 1
        self.wins.reshape(-1)[at] += labels.astype(np.int64)
        row, item = np.divmod(at, self.problem.size)
        self._left[row] -= self.problem.cost[item]

    def _stop(self, policy: JointPolicy) -> None:
        """Close the replications in which the policy buys no further label, for now: an outcome may open them again."""
        rows = np.flatnonzero(self._usable.any(axis=1))
        counts, wins = (x[rows] for x in self._shown)
        stops = stops_in(policy, self.problem, counts, wins, self._usable[rows], self.bought[rows])
        self._stopped[:] = False
        self._stopped[rows[stops]] = True
        self.open = rows[~stops]

    def _begin_batch(self) -> None:
        for items, at in self._late:
            self._see(items, at)
        self._late.clear()
        self._leave_horizon()
        if self._index is not None:
            return
        if self._joint is not None:
            self._shown = self.counts.copy(), self.wins.copy()
            return
        if len(self.open) == len(self.counts):
            self._scores = self._all_scores(self.counts, self.wins)
            return
        # Finished replications have no next item, and a policy need not have a score there.
        self._scores = np.zeros(self.counts.shape)
        if self.open.size:
            self._scores[self.open] = self._all_scores(self.counts[self.open], self.wins[self.open])

    def _leave_horizon(self) -> None:
        """Score the whole state from now on, where the index has come to depend on the budget left."""
        if self._left.min(initial=np.inf) < self._horizon:
            self._index = None

    def _hide(self, at: Ints) -> None:
        self._unseen.reshape(-1)[at] += 1
        self._unseen_labels += len(at)

    def _see(self, items: Ints, at: Ints) -> None:
        self._unseen.reshape(-1)[at] -= 1
        self._unseen_labels -= len(at)
        self._score(items, at)

    def _draw(self, policy: JointPolicy, allowed: Bools, step: int) -> None:
        """Draw an item of each replication from a policy's probabilities."""
        self._out[:] = -1
        rows = np.flatnonzero(allowed.any(axis=1))
        if not rows.size:
            return
        counts, wins = (x[rows] for x in self._shown)
        pending = self._unseen[rows] if self._unseen_labels else None
        chances = ask_probabilities(policy, self.problem, counts, wins, allowed[rows], pending)
        _kernels.draw_items(chances, step, rows, self.keys, self._out)

    def _score(self, items: Ints, at: Ints) -> None:
        if self._index is not None:
            n, w = (x.reshape(-1)[at].astype(np.float64) for x in (self.counts, self.wins))
            states = known_states(self.problem, items, n, w)
            self._scores.reshape(-1)[at] = ask_index(self._index, states)

    def _all_scores(self, counts: Ints, wins: Ints) -> Floats:
        return ask_scores(self.policy, self.problem, counts, wins)


def final_values(problem: Problem, counts: Ints, wins: Ints) -> Floats:
    """Expected payoff under the final beliefs, less the price of the labels, shape (R,)."""
    paid = problem.weight * problem.utility(problem.tail_at(counts, wins)) + problem.reward * wins
    if problem.label_price:
        paid = paid - problem.label_price * problem.cost * counts
    # Summed row by row: the rounding of a matrix product may depend on the other rows.
    return np.asarray(paid.sum(axis=1))
