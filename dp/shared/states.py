"""States of a problem with a shared parameter, many at once, as rules are shown them and payoffs need them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ...posteriors.foundation.arrays import Bools, Floats, Ints
from ..exact.lattice import Layer
from ..kernels import shared as _kernels
from .problem import SharedProblem

__all__ = ["Powers", "SharedStates", "parts"]

# Numbers of the beliefs that are held at once: few enough for fast memory.
_AT_ONCE = 200_000


@dataclass(frozen=True, eq=False)
class SharedStates:
    """Some states of a problem, of the same number of labels.

    Attributes
    ----------
    problem : SharedProblem
    counts, wins : ndarray of int, shape (S, Q)
    belief : ndarray, shape (S, G)
        Belief over the points of the parameter; zeros where no point allows the wins.
    available : ndarray of bool, shape (S, Q)
        Queries of which a label can be bought.
    chance : ndarray, shape (S, Q)
        Chance that the next label of each query is a win.
    gain : ndarray, shape (S, Q)
        Expected rise of the payoff by the next label of each query, before its price.
    """

    problem: SharedProblem
    counts: Ints
    wins: Ints
    belief: Floats
    available: Bools

    def __len__(self) -> int:
        return len(self.counts)

    @cached_property
    def chance(self) -> Floats:
        """Chance that the next label of each query is a win, shape (S, Q)."""
        return np.asarray(self.belief @ self.problem.chance)

    @cached_property
    def gain(self) -> Floats:
        """Expected rise of the payoff by the next label of each query, shape (S, Q): the knowledge gradient."""
        payoff = self.problem.payoff
        found = np.empty(self.counts.shape)
        for q, chance in enumerate(self.problem.chance.T):
            found[:, q] = payoff.of(self.belief * chance) + payoff.of(self.belief * (1.0 - chance))
        return found - payoff.of(np.array(self.belief))[:, None]


class Powers:
    """Chances of wins and losses in a row of each query, at each point.

    Attributes
    ----------
    won, lost : ndarray, shape (Q, labels + 1, G)
        Times two for each label.
    """

    def __init__(self, problem: SharedProblem) -> None:
        times = np.arange(int(problem.cap.max()) + 1)[:, None]
        self.prior = np.array(problem.weights)
        self.won = np.array([(2.0 * p) ** times for p in problem.chance.T])
        self.lost = np.array([(2.0 * (1.0 - p)) ** times for p in problem.chance.T])

    def weights(self, layer: Layer, first: int, last: int) -> Floats:
        """Weights of the points in some states of a layer: their probabilities times those of the answers so far."""
        out = np.empty((last - first, self.prior.size))
        _kernels.weights(first, last, layer.composition, layer.begin, self.prior, self.won, self.lost, out)
        return out

    @staticmethod
    def bytes_needed(problem: SharedProblem, states: int) -> int:
        """Memory of the powers, and of the beliefs that are held at once of so many states."""
        held = 2 * problem.queries * (int(problem.cap.max()) + 1) * problem.points
        return 8 * (held + 6 * min(max(_AT_ONCE, problem.points), states * problem.points))


def parts(problem: SharedProblem, states: int) -> Iterator[tuple[int, int]]:
    """Yield ranges of so many states whose beliefs are held at once."""
    step = max(1, _AT_ONCE // problem.points)
    for first in range(0, states, step):
        yield first, min(states, first + step)
