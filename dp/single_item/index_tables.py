"""Tables of the Gittins index for many items, restricted to the states whose index exceeds a floor.

The index of item i is v_i / kappa_i times that of an item of weight 1 and cost 1 with the same belief and threshold, so
one table serves all weights and costs. For a Beta belief and a utility with one kink, the states with an index above
some floor form a thin band (see ``lagrangian_relaxation``). Only these are computed, from their hinges (see
``stopping``). They are exact except for the limit on the number of labels looked ahead.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import scipy

from ...posteriors.foundation.arrays import Floats, Ints
from ..kernels import kinked_index as _kernels
from ..machine.workers import cores

__all__ = ["BandTables", "band_tables"]


# Tables that a thread computes at a time.
_TABLES = 16


@dataclass(frozen=True)
class BandTables:
    """Indices of T items for fewer than ``rows`` labels, at weight 1 and cost 1.

    A row covers the wins at which an index is above the floor. Rows are stored end to end.

    Attributes
    ----------
    rows : int
        Number of rows of each item: row n is for n labels.
    first : ndarray of int, shape (T * rows,)
        Number of wins of each row's first entry.
    begin : ndarray of int, shape (T * rows + 1,)
        Offset of each row in ``value``.
    value : ndarray
        Indices; zero where they are not above the floor, as is every index outside the rows.
    """

    rows: int
    first: Ints
    begin: Ints
    value: Floats

    def index(self, table: int, labels: int, wins: int) -> float:
        """Index in one state of the item with this number of a table."""
        at = table * self.rows + labels
        j = wins - int(self.first[at])
        inside = 0 <= j < self.begin[at + 1] - self.begin[at]
        return float(self.value[self.begin[at] + j]) if inside else 0.0


def band_tables(
    a: Floats,
    b: Floats,
    threshold: Floats,
    kink: tuple[float, float],
    floor: Floats,
    *,
    rows: int,
    depth: Ints,
    merge: float = 0.0,
    threads: int | None = None,
) -> BandTables:
    """Tables of the Gittins index for Beta beliefs and a utility with one kink.

    Parameters
    ----------
    a, b, threshold : ndarray, shape (T,)
        Parameters of the beliefs before any label, and thresholds.
    kink : (place, slope change)
        Kink of the utility: ``Utility.kink``.
    floor : ndarray, shape (T,)
        Positive; indices that are not above it count as zero.
    rows : int
        Tables cover fewer labels than this.
    depth : ndarray of int, shape (T,)
        Largest number of labels in all. Later ones are ignored, so an index may be too low, and is never too high.
    merge : float
        Hinges within this share of each other are merged. This is faster, and changes an index by a small part of that
        share.
    threads : int, optional
        Default: all cores. The answers do not depend on it.

    Returns
    -------
    BandTables

    Examples
    --------
    >>> one = np.ones(1)
    >>> found = band_tables(one, one, one / 2, (0.5, 2.0), one / 1000, rows=3, depth=np.array([64]))
    >>> [round(found.index(0, 2, w), 4) for w in (0, 1, 2)]
    [0.0164, 0.1875, 0.0164]
    """
    tail = scipy.special.betaincc(a, b, threshold)
    size = len(a)
    parts = [slice(k, min(k + _TABLES, size)) for k in range(0, size, _TABLES)]

    def make(part: slice) -> tuple[Ints, Ints, Floats]:
        count = part.stop - part.start
        first = np.zeros(count * rows, dtype=np.int64)
        begin = np.zeros(count * rows + 1, dtype=np.int64)
        x, y, t, p = (np.array(values[part], dtype=np.float64) for values in (a, b, threshold, tail))
        limits = np.array(floor[part]), np.array(depth[part], dtype=np.int64)
        value = _kernels.band_indices(x, y, t, p, *kink, *limits, rows, float(merge), first, begin)
        return first, begin, value

    if len(parts) > 1 and cores(threads) > 1:
        with ThreadPoolExecutor(cores(threads)) as pool:
            made = list(pool.map(make, parts))
    else:
        made = [make(part) for part in parts]
    shift = np.cumsum([0, *(len(value) for _, _, value in made)])
    begins = [begin[:-1] + by for (_, begin, _), by in zip(made, shift[:-1], strict=True)]
    return BandTables(
        rows,
        np.concatenate([x for x, _, _ in made]),
        np.concatenate([*begins, shift[-1:]]),
        np.concatenate([x for _, _, x in made]),
    )
