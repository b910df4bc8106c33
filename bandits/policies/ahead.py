"""Look-ahead from any state of any item: tables made on demand, and answers that are kept.

A look-ahead of k labels from n labels with w wins needs the item's posterior means and gains after n, .., n + k - 1
labels. Tables are kept for each distinct item, and extended when a state needs more. Answers are kept too, since
simulation, replay and exact evaluation return to the same states. An answer is a function of the state alone: neither
the order of the questions nor the number of threads can change it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np

from ...dp.problem.budget import with_slack
from ...dp.problem.identical import classes
from ...dp.problem.problem import Problem
from ...dp.problem.states import ItemStates
from ...dp.single_item.stopping import label_gains
from ...posteriors.foundation.arrays import Floats, Ints
from ...posteriors.foundation.memory import require_memory
from ...posteriors.foundation.refusals import whole
from ..policy import IndexPolicy
from ..state_cache import MOST_ANSWERS, Memory, state_keys

__all__ = [
    "AheadPolicy",
    "ItemTables",
    "affordable",
    "item_tables",
    "require_tables",
]

Rule = Callable[..., None]

# Spare depth, because the next state of an item has one label more.
_SPARE = 8
# Problems whose tables and answers are kept.
_PROBLEMS = 4
_NEARER = "take a policy that looks less far ahead"


class ItemTables:
    """Means and gains of distinct items, as lower triangles [labels, wins] row after row.

    Attributes
    ----------
    kind : ndarray of int, shape (N,)
        Number of each item's kind; identical items are of one kind.
    cost : ndarray, shape (kinds,)
    """

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.kind = classes(problem)
        _, self._item = np.unique(self.kind, return_index=True)
        self.cost = problem.cost[self._item]
        self._depth = np.zeros(len(self._item), dtype=np.int64)
        self._fits = 0  # depth of a table that is known to fit in memory
        self._tables: list[tuple[Floats, Floats]] = [(np.empty(0), np.empty(0))] * len(self._item)
        # Items with one prior share their means, those of the deepest table that was made.
        self._means: dict[Any, Floats] = {}
        self._lock = threading.Lock()

    def of(self, kind: int, depth: int) -> tuple[Floats, Floats]:
        """Means and gains of at least the first ``depth`` labels.

        Raises
        ------
        ProblemTooLarge
            When they do not fit in memory.
        """
        with self._lock:
            if self._depth[kind] < depth:
                deep = depth + max(depth // 4, _SPARE)
                if deep > self._fits:
                    require_memory(8 * 8.0 * deep**2, what=f"looking {depth} labels ahead", instead=_NEARER)
                    self._fits = deep
                i = int(self._item[kind])
                mean, gain, _ = label_gains(self.problem, i, deep)
                inside = np.tri(deep, dtype=bool)
                belief = self.problem.belief(i)
                means = self._means.get(belief)
                if means is None or means.size < deep * (deep + 1) // 2:
                    means = self._means[belief] = mean[inside]
                self._tables[kind] = means, gain[inside]
                self._depth[kind] = deep
            return self._tables[kind]


@lru_cache(maxsize=_PROBLEMS)
def item_tables(problem: Problem) -> ItemTables:
    """Tables of a problem's items, shared by all policies that look ahead."""
    return ItemTables(problem)


def require_tables(problem: Problem, name: str, labels: int) -> None:
    """Raise ``ProblemTooLarge`` unless tables of ``labels`` labels of all items fit in memory; nothing is computed."""
    kinds = int(classes(problem).max()) + 1
    needed = 16.0 * kinds * (labels + _SPARE) ** 2 / 2
    require_memory(needed, what=f"{name}, with tables of {kinds} different items", instead=_NEARER)


def affordable(problem: Problem, items: Ints, labels: Ints, remaining: Floats) -> Ints:
    """Labels of each item that its cap and the budget left allow, elementwise."""
    # The slack of the whole budget applies to what is left of it.
    left = remaining + (with_slack(problem.budget) - problem.budget)
    room = np.floor(np.maximum(left, 0.0) / problem.cost[items])
    return np.asarray(np.maximum(np.minimum(room, problem.cap[items] - labels), 0.0), dtype=np.int64)


class _Answers:
    """Answers of a rule in the states that were asked for."""

    def __init__(self, problem: Problem, rule: Rule, most: int) -> None:
        self.tables, self.rule, self.most = item_tables(problem), rule, most
        self._known = Memory()
        self._lock = threading.Lock()

    def at(self, items: Ints, labels: Ints, wins: Ints, ahead: Ints) -> Floats:
        """Answer of each state; arrays of one shape."""
        kind = self.tables.kind[items]
        keys = state_keys(kind, labels, wins, ahead, self.most).reshape(-1)
        with self._lock:
            if self._known.used > MOST_ANSWERS:
                self._known = Memory()
            out = self._known.answers(keys, (kind, labels, wins, ahead), self._work_out)
        return out.reshape(labels.shape)

    def _work_out(self, keys: Ints, kind: Ints, labels: Ints, wins: Ints, ahead: Ints) -> None:
        found = np.empty(len(keys))
        # Keys rise with the kind.
        cuts = [0, *(np.flatnonzero(np.diff(kind)) + 1).tolist(), len(keys)]
        for a, b in pairwise(cuts):
            k = int(kind[a])
            mean, gain = self.tables.of(k, int((labels[a:b] + ahead[a:b]).max()))
            self.rule(mean, gain, labels[a:b], wins[a:b], ahead[a:b], float(self.tables.cost[k]), found[a:b])
        self._known.enter(keys, found)


@lru_cache(maxsize=2 * _PROBLEMS)
def _answers(problem: Problem, rule: Rule, most: int) -> _Answers:
    return _Answers(problem, rule, most)


@dataclass(frozen=True)
class AheadPolicy(IndexPolicy):
    """An index policy whose index looks at most ``most`` labels of its item ahead.

    Parameters
    ----------
    most : int
        Largest number of labels to look ahead.

    Raises
    ------
    ValueError
        For ``most`` below 1.
    """

    most: int = 64
    rule: ClassVar[Rule]

    def __post_init__(self) -> None:
        super().__post_init__()
        whole(f"{self.name}: most", self.most, least=1)

    def ahead(self, problem: Problem, items: Ints, labels: Ints, remaining: Floats) -> Ints:
        """Labels to look ahead in each state: what cap and budget left allow, at most ``most``.

        The index is 0 where no label is allowed.
        """
        return np.minimum(affordable(problem, items, labels, remaining), self.most)

    def horizon(self, problem: Problem) -> float:
        """Budget left down to which every item can have ``most`` labels, as far as its cap allows."""
        own = type(self)
        if self.uses_remaining and own.ahead is AheadPolicy.ahead and own.index is AheadPolicy.index:
            return float(self.most * problem.cost.max())
        return super().horizon(problem)

    def index(self, states: ItemStates) -> Any:
        """Index of each state, looked up or computed."""
        given = (states.item, states.labels, states.wins, states.remaining)
        items, labels, wins, left = np.broadcast_arrays(*(np.asarray(x) for x in given))
        return self._at(states.problem, items, labels.astype(np.int64), wins.astype(np.int64), left)

    def scores(self, problem: Problem, counts: Ints, wins: Ints) -> Floats:
        """Index of every item, shape (R, N)."""
        items = np.broadcast_to(np.arange(problem.size), counts.shape)
        left = problem.budget - counts @ problem.cost
        return self._at(problem, items, counts, wins, np.broadcast_to(left[:, None], counts.shape))

    def _at(self, problem: Problem, items: Ints, labels: Ints, wins: Ints, left: Floats) -> Floats:
        ahead = self.ahead(problem, items, labels, left)
        return _answers(problem, type(self).rule, int(self.most)).at(items, labels, wins, ahead)

    def index_scale(self, problem: Problem) -> float:
        """Largest payoff of an item, divided by the least cost of a label."""
        return problem.payoff_scale / float(problem.cost.min())

    def require(self, problem: Problem) -> None:
        """Raise ``ProblemTooLarge`` where the tables of all items do not fit in memory."""
        require_tables(problem, self.name, self._depth(problem))

    def _depth(self, problem: Problem) -> int:
        return min(int(self.most), int(problem.cap.max()))
