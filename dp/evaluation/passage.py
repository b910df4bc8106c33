r"""What becomes of each item under a policy, exactly: where its labels are bought, and where it ends.

A policy is followed forwards from the start (``dp.forward``), with labels from the problem's own beliefs or from
another nature. What is kept of every item i is

    asked_i(n, w)    expected number of labels of item i that are bought when it has n labels and w wins,
    ended_i(n, w)    probability that item i has n labels and w wins at the end.

One follows from the other: item i comes to (n, w) from (n - 1, w - 1) by a win and from (n - 1, w) by a loss, and what
comes and is not asked again ends there. With mu nature's mean,

    ended_i(n, w) = 1{n = 0} + mu_i(n-1, w-1) asked_i(n-1, w-1) + (1 - mu_i(n-1, w)) asked_i(n-1, w) - asked_i(n, w).

So the expectation of every sum over items of a function of the item's own final state is a sum over these tables. Any
number of them costs one walk, whatever they are: payoffs, what the working model *claims* about them, probabilities of
being right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ...posteriors.beliefs.belief import Belief
from ...posteriors.foundation.arrays import Floats
from ..exact.sweep import Progress
from ..problem.problem import Problem
from ..problem.tables import tables_of
from .choices import choices_of
from .evaluate import natural_problem
from .forward import carry_forward, require_forward

__all__ = ["Passage", "expected_final", "passage"]


@dataclass(frozen=True, eq=False, repr=False)
class Passage:
    """Where an item's labels are bought, and where it ends; arrays of shape (N, width, width), [item, labels, wins].

    Attributes
    ----------
    asked : ndarray
        Expected number of labels that are bought in each state of the item.
    ended : ndarray
        Probability of each state of the item at the end; sums to one for each item.
    """

    asked: Floats
    ended: Floats

    def at_the_end(self, tables: ArrayLike) -> Floats:
        """Expected sum over items of a table at the end; ``tables`` of shape (..., N, width, width)."""
        return _expected(self.ended, tables)

    def when_asked(self, tables: ArrayLike) -> Floats:
        """Expected sum over labels of a table at the item's state when the label is bought."""
        return _expected(self.asked, tables)


def _expected(weight: Floats, tables: ArrayLike) -> Floats:
    given = np.asarray(tables, dtype=np.float64)
    if given.shape[-3:] != weight.shape:
        raise ValueError(f"tables have shape {given.shape}; the last three dimensions must be {weight.shape}")
    # Tables may hold anything, nan included, where an item never comes.
    return np.asarray((np.where(weight != 0.0, given, 0.0) * weight).sum(axis=(-3, -2, -1)))


def passage(
    problem: Problem,
    policy: Any,
    *,
    nature: Belief | Sequence[Belief] | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Passage:
    """Follow a policy on a problem, and record each item's states.

    Anything that adds up over labels, or over items at the end, is a sum over what is recorded.

    Parameters
    ----------
    problem : Problem
    policy : index policy or joint policy
        As for ``evaluate``.
    nature : Belief or sequence of Belief, optional
        Where labels come from, if not from the problem's own beliefs.
    threads, progress
        As for ``solve``.

    Returns
    -------
    Passage

    Raises
    ------
    ProblemTooLarge, TypeError
        As for ``expected_labels``.
    ValueError
        For a problem with batches, or a nature of the wrong length.

    Examples
    --------
    >>> import seqaudit as sa
    >>> found = passage(sa.Problem([0.5, 0.7], budget=3), sa.KnowledgeGradient())
    >>> found.asked.sum(axis=(1, 2)).round(4), found.ended[0].sum(axis=1).round(4)
    (array([1.25, 1.75]), array([0.  , 0.75, 0.25, 0.  ]))
    """
    lattice = require_forward(problem, policy)
    true = problem if nature is None else natural_problem(problem, nature)
    mean = tables_of(true).mean
    asked = carry_forward(lattice, choices_of(problem, policy), mean, threads, progress)
    won = asked * mean
    ended = -asked
    ended[:, 0, 0] += 1.0
    ended[:, 1:, 1:] += won[:, :-1, :-1]
    ended[:, 1:, :] += (asked - won)[:, :-1, :]
    # What is left of a difference of equal numbers is rounding.
    return Passage(asked, np.where(np.abs(ended) < 1e-15, 0.0, ended))


def expected_final(
    problem: Problem,
    policy: Any,
    tables: ArrayLike,
    *,
    nature: Belief | Sequence[Belief] | None = None,
    threads: int | None = None,
) -> Floats:
    """Exact expectation of sums over items of what each item's final state is worth.

    Parameters
    ----------
    problem, policy
        As for ``passage``.
    tables : array_like, shape (..., N, width, width)
        Worth of item i after n labels and w wins, [item, labels, wins]; width is the largest cap and one.
    nature, threads
        As for ``passage``.

    Returns
    -------
    ndarray, shape (...)

    Examples
    --------
    Expected labels of the first item, and the probability that it has won at least once:

    >>> import numpy as np
    >>> import seqaudit as sa
    >>> labels, won = np.zeros((2, 2, 4, 4))
    >>> labels[0], won[0, :, 1:] = np.arange(4)[:, None], 1
    >>> expected_final(sa.Problem([0.5, 0.7], budget=3), sa.KnowledgeGradient(), [labels, won]).round(4)
    array([1.25  , 0.5417])
    """
    width = int(problem.cap.max()) + 1
    given = np.asarray(tables, dtype=np.float64)
    if given.shape[-3:] != (problem.size, width, width):
        allowed = (problem.size, width, width)
        raise ValueError(f"tables have shape {given.shape}; the last three dimensions must be {allowed}")
    return passage(problem, policy, nature=nature, threads=threads).at_the_end(given)
