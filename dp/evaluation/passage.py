r"""Exact passage of each item under a policy: the states in which its labels are bought, and those in which it ends.

A policy is evaluated forwards from the start (``forward``), with labels drawn from the problem's own beliefs or from
another nature. Two tables are kept for every item i:

    asked_i(n, w)    expected number of labels of item i that are bought when it has n labels and w wins,
    ended_i(n, w)    probability that item i has n labels and w wins at the end.

The second follows from the first: item i reaches (n, w) from (n - 1, w - 1) by a win and from (n - 1, w) by a loss, and
it ends there if no further label of it is bought. With mu nature's mean,

    ended_i(n, w) = 1{n = 0} + mu_i(n-1, w-1) asked_i(n-1, w-1) + (1 - mu_i(n-1, w)) asked_i(n-1, w) - asked_i(n, w).

So for every function of an item's final state, the expectation of its sum over items is a sum over these tables. One
forward evaluation serves any number of such functions: payoffs, the payoffs that the working model *claims*,
probabilities of a right decision.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ...posteriors.beliefs.belief import Belief
from ...posteriors.foundation.arrays import Floats
from ...posteriors.foundation.kinds import checked
from ...posteriors.foundation.messages import named
from ...posteriors.foundation.number_arrays import in_dims, number_array, require_order_of
from ...posteriors.foundation.progress import Progress, progress_of
from ..problem.problem import Problem
from ..problem.tables import tables_of
from .choices import choices_of
from .evaluate import natural_problem
from .forward import carry_forward, require_forward
from .named import policy_of

__all__ = ["Passage", "expected_final", "passage"]

_OF_TABLES = ("item", "labels", "wins")


@dataclass(frozen=True, eq=False, repr=False)
class Passage:
    """States of each item in which its labels are bought, and states in which it ends.

    Attributes
    ----------
    asked : ndarray, shape (N, width, width)
        Expected number of labels that are bought in each state of an item, [item, labels, wins].
    ended : ndarray, shape (N, width, width)
        Probability of each state of an item at the end; sums to one for each item.
    """

    asked: Floats
    ended: Floats

    def at_the_end(self, tables: ArrayLike) -> Floats:
        """Expected sum, over items, of a table's entry at the item's final state.

        Parameters
        ----------
        tables : array_like, shape (..., N, width, width)
            Tables indexed [item, labels, wins].

        Returns
        -------
        ndarray, shape (...)
        """
        return _expected(self.ended, tables)

    def when_asked(self, tables: ArrayLike) -> Floats:
        """Expected sum, over labels, of a table's entry at the item's state when the label is bought.

        Parameters
        ----------
        tables
            As for ``at_the_end``.

        Returns
        -------
        ndarray, shape (...)
        """
        return _expected(self.asked, tables)


def _expected(weight: Floats, tables: ArrayLike) -> Floats:
    given = number_array("tables", tables)
    if given.shape[-3:] != weight.shape:
        raise ValueError(f"tables have shape {given.shape}; the last three dimensions must be {weight.shape}")
    # Tables may hold anything, nan included, in states that an item never reaches.
    return np.asarray((np.where(weight != 0.0, given, 0.0) * weight).sum(axis=(-3, -2, -1)))


@checked
def passage(
    problem: Problem,
    policy: Any,
    *,
    nature: Belief | Sequence[Belief] | None = None,
    threads: int | None = None,
    progress: Progress | bool | None = None,
) -> Passage:
    """Expected labels bought in each state of each item under a policy, and the item's final distribution.

    The expectation of any sum over labels, or over items at the end, follows from these tables.

    Parameters
    ----------
    problem : Problem
    policy : index policy, joint policy or registered name
        As for ``evaluate``.
    nature : Belief or sequence of Belief, optional
        Distribution that labels are drawn from, if it differs from the problem's beliefs.
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
    policy, told = policy_of(policy), progress_of(progress, "evaluating")
    lattice = require_forward(problem, policy)
    true = problem if nature is None else natural_problem(problem, nature)
    mean = tables_of(true).mean
    asked = carry_forward(lattice, choices_of(problem, policy), mean, threads, told)
    won = asked * mean
    ended = -asked
    ended[:, 0, 0] += 1.0
    ended[:, 1:, 1:] += won[:, :-1, :-1]
    ended[:, 1:, :] += (asked - won)[:, :-1, :]
    # A difference of equal numbers leaves rounding errors.
    return Passage(asked, np.where(np.abs(ended) < 1e-15, 0.0, ended))


@checked
def expected_final(
    problem: Problem,
    policy: Any,
    tables: ArrayLike,
    *,
    nature: Belief | Sequence[Belief] | None = None,
    threads: int | None = None,
) -> Floats:
    """Exact expectation of a sum over items of a function of each item's final state.

    Parameters
    ----------
    problem, policy
        As for ``passage``.
    tables : array_like, shape (..., N, width, width)
        Values of the function after n labels and w wins, [item, labels, wins]; width is the largest cap plus one.
    nature, threads
        As for ``passage``.

    Returns
    -------
    ndarray, shape (...)

    Raises
    ------
    ProblemTooLarge, TypeError
        As for ``passage``.
    ValueError
        As for ``passage``, and for tables of another shape, or with nan in a state in which an item can end.

    Examples
    --------
    Expected labels of the first item, and the probability that it has at least one win:

    >>> import numpy as np
    >>> import seqaudit as sa
    >>> labels, won = np.zeros((2, 2, 4, 4))
    >>> labels[0], won[0, :, 1:] = np.arange(4)[:, None], 1
    >>> expected_final(sa.Problem([0.5, 0.7], budget=3), sa.KnowledgeGradient(), [labels, won]).round(4)
    array([1.25  , 0.5417])
    """
    width = int(problem.cap.max()) + 1
    tables = in_dims(tables, _OF_TABLES)
    if getattr(tables, "ndim", 0) == len(_OF_TABLES):
        require_order_of(problem.name, 0, tables=tables)
    given = number_array("tables", tables)
    if given.shape[-3:] != (problem.size, width, width):
        allowed = (problem.size, width, width)
        raise ValueError(f"tables have shape {given.shape}; the last three dimensions must be {allowed}")
    found = passage(problem, policy, nature=nature, threads=threads)
    missing = np.argwhere(np.isnan(given) & (found.ended != 0.0))
    if missing.size:
        i, n, w = missing[0][-3:]
        where = f"{named(problem.name[i])} are nan after {n} labels and {w} wins"
        raise ValueError(f"tables of {where}, where the item can end")
    return found.at_the_end(given)
