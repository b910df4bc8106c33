r"""Candidates for a label: stored rows, or all pairs of many items, which are never stored.

The search for an optimal design asks three things of its candidates: the span of their rows a_e, single rows, and a
*pass*: which candidates are worth more than they cost, |a_e^T Y|^2 - charge_e > 0, and by how much at most. A pass over
n stored rows takes n r s multiplications for a matrix Y of shape (r, s). All pairs of k items with rows a_ij = f (x_i -
x_j) take k^2 s, as |a_ij^T Y|^2 = |g_i - g_j|^2 with g_i = f x_i^T Y; items are taken in the order of their distance
from the mean m, so that the pass ends where |g_i - m| + |g_j - m| is too small for any further pair.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import scipy
from numpy.typing import ArrayLike

from ...posteriors.comparisons.information import feature_array
from ...posteriors.foundation.arrays import Floats, Ints
from ...posteriors.foundation.refusals import positive

__all__ = ["AllPairs", "Candidates", "Found", "StoredRows"]

# Rows of a block in a pass, and items of a block of pairs: few enough for the fastest memory.
_BLOCK, _ITEMS, _OTHERS = 8192, 256, 2048


@dataclass(frozen=True)
class Found:
    """Candidates that are worth more than they cost.

    Attributes
    ----------
    index : ndarray of int, shape (c,)
        The most valuable ones, best first.
    worth : ndarray, shape (c,)
        What they are worth beyond their charge.
    most : float
        Largest worth beyond its charge of any candidate; may be negative.
    total : float
        Sum of what all candidates are worth beyond their charges, where that is positive.
    """

    index: Ints
    worth: Floats
    most: float
    total: float


class Candidates(Protocol):
    """Things that can be labelled.

    Attributes
    ----------
    size, width : int
        Number of candidates, and of entries of a row.
    """

    size: int
    width: int

    def root(self) -> Floats:
        """Triangular matrix R with R^T R the information of the uniform design."""

    def rows(self, index: Ints) -> Floats:
        """Rows of some candidates."""

    def spread(self, count: int) -> Ints:
        """Some candidates from everywhere."""

    def worthwhile(self, direction: Floats, charge: Floats | float, count: int) -> Found:
        """The best candidates by worth beyond a charge."""


class StoredRows:
    """Candidates with a row each.

    Parameters
    ----------
    array : ndarray, shape (n, d)
    """

    def __init__(self, array: Floats) -> None:
        self.array = array
        self.size, self.width = array.shape

    def root(self) -> Floats:
        """Triangular matrix R with R^T R the information of the uniform design."""
        blocks = (self.array[k : k + _BLOCK] for k in range(0, self.size, _BLOCK))
        return np.asarray(_triangle(blocks) / np.sqrt(self.size))

    def rows(self, index: Ints) -> Floats:
        """Rows of some candidates."""
        return self.array[index]

    def spread(self, count: int) -> Ints:
        """Some candidates from everywhere."""
        return np.unique(np.linspace(0, self.size - 1, min(count, self.size)).astype(np.int64))

    def worthwhile(self, direction: Floats, charge: Floats | float, count: int) -> Found:
        """The best candidates by worth beyond a charge."""
        worth = np.empty(self.size)
        for k in range(0, self.size, _BLOCK):
            moved = self.array[k : k + _BLOCK] @ direction
            np.einsum("es,es->e", moved, moved, out=worth[k : k + _BLOCK])
        worth -= charge
        index = _largest(worth, count)
        index = index[worth[index] > 0.0]
        return Found(index, worth[index], float(worth.max()), float(worth.clip(min=0.0).sum()))


class AllPairs:
    """All pairs i < j of items, as candidates for a comparison; pair (i, j) of k items has the number i k + j.

    Parameters
    ----------
    features : array_like, shape (k, d)
        Features of the items.
    beta : float
        A comparison of i and j is won with chance sigma(beta (x_i - x_j) . theta). Margins are near 0, where the
        information of a comparison has the root beta / 2 times the difference of the features.

    Raises
    ------
    ValueError
        For anything but finite features of at least two items, or a beta that is not positive.

    Examples
    --------
    >>> AllPairs([[0.0, 1.0], [1.0, 0.0], [2.0, 2.0]])
    AllPairs(3 items, 2 features)
    """

    def __init__(self, features: ArrayLike, beta: float = 1.0) -> None:
        items = feature_array(features)
        if len(items) < 2:
            raise ValueError("features has 1 row; there must be two items or more")
        self.items = 0.5 * positive("beta", beta) * items
        self.count, self.width = items.shape
        self.size = self.count * (self.count - 1) // 2

    def __repr__(self) -> str:
        return f"AllPairs({self.count} items, {self.width} features)"

    def root(self) -> Floats:
        """Triangular root of the information of the uniform design.

        Returns
        -------
        ndarray, shape (d, d)
            R, with R^T R that information.
        """
        # Summed over all pairs, (x_i - x_j)(x_i - x_j)^T is k times the scatter of the items about their mean.
        centred = self.items - self.items.mean(axis=0)
        blocks = (centred[k : k + _BLOCK] for k in range(0, self.count, _BLOCK))
        return np.asarray(_triangle(blocks) * np.sqrt(self.count / self.size))

    def rows(self, index: Ints) -> Floats:
        """Rows of some pairs.

        Parameters
        ----------
        index : ndarray of int, shape (m,)
            Numbers of the pairs.

        Returns
        -------
        ndarray, shape (m, d)
        """
        first, second = np.divmod(index, self.count)
        return np.asarray(self.items[first] - self.items[second])

    def spread(self, count: int) -> Ints:
        """Some pairs from everywhere.

        Parameters
        ----------
        count : int

        Returns
        -------
        ndarray of int
            Their numbers; at most `count`.
        """
        chosen = np.unique(np.linspace(0, self.count - 1, min(count + 1, self.count)).astype(np.int64))
        return np.asarray(chosen[:-1] * self.count + chosen[1:])

    def worthwhile(self, direction: Floats, charge: Floats | float, count: int) -> Found:
        """Most valuable pairs, in one pass.

        Parameters
        ----------
        direction : ndarray, shape (d, s)
            Matrix Y; pair (i, j) is worth |a_ij^T Y|^2.
        charge : float
            What a pair must be worth more than.
        count : int
            Largest number of pairs to find.

        Returns
        -------
        Found
        """
        moved = self.items @ direction
        moved -= moved.mean(axis=0)
        squares = np.einsum("is,is->i", moved, moved)
        order = np.argsort(-squares, kind="stable")
        moved, squares, length = moved[order], squares[order], np.sqrt(squares[order])
        ones = np.ones(self.count)
        left, right = np.column_stack([-2.0 * moved, squares, ones]), np.column_stack([moved, ones, squares]).T
        best, pairs, bar, most = np.empty(0), np.empty(0, dtype=np.int64), float(charge), -np.inf
        for i in range(0, self.count, _ITEMS):
            for j in range(i, self.count, _OTHERS):
                # Smaller pairs cannot reach the bar, nor be the largest of all.
                if length[i] + length[j] <= np.sqrt(max(min(bar, most), 0.0)):
                    break
                worth = left[i : i + _ITEMS] @ right[:, j : j + _OTHERS]
                most = max(most, float(worth.max()))
                if most <= bar:
                    continue
                place = np.flatnonzero(worth > bar)
                if not place.size:
                    continue
                a, b = np.divmod(place, worth.shape[1])
                ahead = a + i < b + j
                best = np.concatenate([best, worth.ravel()[place[ahead]]])
                pairs = np.concatenate([pairs, (a[ahead] + i) * self.count + b[ahead] + j])
                if best.size > 4 * count:
                    kept = _largest(best, count)
                    best, pairs = best[kept], pairs[kept]
                    bar = float(best[-1])
            if 2.0 * length[i] <= np.sqrt(max(min(bar, most), 0.0)):
                break
        kept = _largest(best, count)
        first, second = order[pairs[kept] // self.count], order[pairs[kept] % self.count]
        index = np.minimum(first, second) * self.count + np.maximum(first, second)
        worth = best[kept] - float(charge)
        return Found(index, worth, most - float(charge), np.nan)


def _triangle(blocks: Iterable[Floats]) -> Floats:
    """Triangular factor of stacked blocks of rows, found block by block."""
    found: Floats | None = None
    for block in blocks:
        stacked = block if found is None else np.vstack([found, block])
        found = np.asarray(scipy.linalg.qr(stacked, mode="r", check_finite=False)[0][: stacked.shape[1]])
    assert found is not None
    return found


def _largest(values: Floats, count: int) -> Ints:
    """Places of the largest values, largest first; equal ones in their order."""
    if values.size > count:
        bar = np.partition(values, values.size - count)[values.size - count]
        above, equal = np.flatnonzero(values > bar), np.flatnonzero(values == bar)
        places = np.sort(np.concatenate([above, equal[: count - above.size]]))
    else:
        places = np.arange(values.size)
    return np.asarray(places[np.argsort(-values[places], kind="stable")])
