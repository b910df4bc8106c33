"""Gittins indices of many items for the compiled run, from tables that items share.

Where there are few kinds of items, each has its own table. Otherwise items of about equal weight and equal prior share
tables at nodes, quantiles of their thresholds, between which the index is interpolated. Tables end after ``ROWS``
labels; for the few items that get more, the index is computed at each state.

Indices are computed only above a floor. It lies below the price at which the relaxed problem spends the budget, since
labels of lower index are not bought. If no item is above the floor, the run continues without tables, as it does from
the start where tables would be too many or too deep.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ...dp.bounds.lagrangian_relaxation import beliefs_at_kink
from ...dp.bounds.upper_bound import marginal_price
from ...dp.problem.problem import Problem
from ...dp.single_item.index_tables import band_tables
from ...posteriors.foundation.arrays import Floats

__all__ = ["AHEAD", "ROWS", "IndexBook", "book_of"]


# Labels that a table covers, labels up to which it looks ahead, and look-ahead from states beyond it.
ROWS, DEPTH, AHEAD = 256, 576, 96
# Hinges within this share of each other are merged.
MERGE = 0.01
# Most nodes for items of one prior whose weights differ by at most a factor of two.
_NODES = 256
# Share of the relaxed problem's price at which tables end.
FLOOR = 0.6
# Most labels for each item, as beyond it the floor is low and the bands are long; and most tables.
_MOST_LABELS, _MOST_TABLES = 100, 20_000


class TooManyTables(Exception):
    """More tables would be needed than are made."""


class IndexBook:
    """Tables for the items of a problem as they are before any label.

    Parameters
    ----------
    problem : Problem
        With Beta beliefs, a utility with one kink and no rewards.
    floor : float
        Index per unit of cost below which none is computed.
    nodes : int
        Largest number of tables for one prior and weights within a factor of two.

    Attributes
    ----------
    floor : float
    tables : BandTables
    table : ndarray of int, shape (N,)
        First of the two tables of each item.
    between : ndarray, shape (N,)
        Weight of the second one; zero where an item has its own table.
    """

    def __init__(self, problem: Problem, floor: float, nodes: int = _NODES) -> None:
        self.floor = floor
        factor = problem.weight / problem.cost
        a, b, threshold, _ = beliefs_at_kink(problem, slice(None))
        prior = np.column_stack([a, b])
        octave = np.full(problem.size, -1.0)
        some = factor > 0
        octave[some] = np.floor(np.log2(factor[some] / factor[some].min()))
        groups = np.unique(np.column_stack([prior, octave]), axis=0, return_inverse=True)[1].reshape(-1)
        self.table = np.zeros(problem.size, dtype=np.int64)
        self.between = np.zeros(problem.size)
        made: list[tuple[Floats, Floats, float]] = []
        begin = 0
        order = np.argsort(groups, kind="stable")
        for members in np.split(order, np.flatnonzero(np.diff(groups[order])) + 1):
            t = threshold[members]
            known = np.unique(t)
            node = known
            if len(known) > nodes:
                node = np.unique(np.quantile(known, np.linspace(0.0, 1.0, nodes)))
                at = np.clip(np.searchsorted(node, t, side="right") - 1, 0, len(node) - 2)
                self.between[members] = (t - node[at]) / (node[at + 1] - node[at])
            else:
                at = np.searchsorted(node, t)
            self.table[members] = begin + at
            lowest_index = floor / float(factor[members].max()) if factor[members[0]] > 0 else np.inf
            made.append((node, prior[members[0]], lowest_index))
            begin += len(node)
        if begin > _MOST_TABLES:
            raise TooManyTables
        size = [len(node) for node, _, _ in made]
        priors = np.repeat(np.array([x for _, x, _ in made]), size, axis=0)
        lowest = np.repeat([x for _, _, x in made], size)
        self.kink = problem.utility.kink()
        assert self.kink is not None
        self.tables = band_tables(
            priors[:, 0].copy(),
            priors[:, 1].copy(),
            np.concatenate([node for node, _, _ in made]),
            self.kink,
            lowest,
            rows=ROWS,
            depth=np.full(begin, min(DEPTH, int(problem.cap.max()) + AHEAD)),
            merge=MERGE,
        )


@lru_cache(maxsize=1)
def book_of(problem: Problem) -> IndexBook | None:
    """Tables for a problem, with the floor for its budget; None where they do not suit it."""
    if problem.labels > _MOST_LABELS * problem.size:
        return None
    price = marginal_price(problem)
    # Where the budget buys everything that is worth something, the price is zero, and no floor is below it.
    if price == 0:
        return None
    try:
        return IndexBook(problem, FLOOR * price)
    except TooManyTables:
        return None
