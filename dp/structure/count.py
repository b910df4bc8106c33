r"""Number of joint states in which an available label violates adaptive submodularity.

The *distance* of a state of item i is the least number of labels of the item that lead to a state in which a label
gains more. If r labels of the item are available one after another, the item violates adaptive submodularity where its
distance is at most r - 1, so that a label is left in the later state too. The *room* r depends on the budget, caps and
quotas, and on the labels of all items, but not on wins.

With unit costs and without quotas, r is the number of labels left, K - m after m of K labels; the distances account for
caps. If c_i(n, r) states of item i have n labels and do not violate,

    states without violation  =  sum_{m < K}  coefficient of x^m in  prod_i sum_n c_i(n, K - m) x^n,

in exact integers. Otherwise all compositions of the lattice are visited, last layer first: r is 0 where no label of
item i is available, and otherwise one more than after that label.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ...posteriors.foundation.arrays import Floats, Ints
from ...posteriors.foundation.memory import ProblemTooLarge
from ..exact.lattice import Lattice
from ..kernels import structure as _kernels
from ..problem.problem import Problem
from ..single_item.curves import of_each_class

__all__ = ["count_violating"]


# Largest work for products of polynomials, in nanoseconds or so.
_MOST_WORK = 5e9
# Largest number of compositions, times items, that are visited: some ten seconds.
_MOST_ENTRIES = 100_000_000


def count_violating(
    problem: Problem, lattice: Lattice, first: Ints, kind: Ints, slack: Floats, farthest: int
) -> tuple[int, int] | None:
    """Numbers of joint states in which an available label violates, and in which a label is available.

    Parameters
    ----------
    problem : Problem
    lattice : Lattice
        Lattice of the problem.
    first, kind : ndarray of int, shapes (classes,) and (N,)
        First item of each class of identical items, and class of each item.
    slack : ndarray, shape (N,)
        Differences of gains up to this count as zero.
    farthest : int
        Largest distance of any state; 0 if no state has one.

    Returns
    -------
    tuple of int, or None
        None if there are too many states to count.
    """
    if lattice.plain:
        if _work(problem, lattice, farthest) > _MOST_WORK:
            return None
    else:
        try:
            lattice.require()
        except ProblemTooLarge:
            return None
        if sum(lattice.layer_blocks) * problem.size > _MOST_ENTRIES:
            return None
    good = _good_states(problem, first, slack, farthest)
    if lattice.plain:
        return _by_products(lattice.depth, [good[k] for k in kind], farthest)
    return _by_walking(lattice, [good[k] for k in kind])


def _good_states(problem: Problem, first: Ints, slack: Floats, farthest: int) -> list[Ints]:
    """For each class, the number of states that do not violate, [labels, room]; larger rooms are like the last."""
    out = [np.ones((1, farthest + 2), dtype=np.int64)] * len(first)

    def work(items: Ints, which: Ints, mean: Floats, gain: Floats) -> None:
        for j, k in enumerate(which.tolist()):
            out[k] = np.empty((mean.shape[1] + 1, farthest + 2), dtype=np.int64)
            _kernels.count_good(mean[j], gain[j], slack[items[j]], out[k])

    of_each_class(problem, first, work)
    return out


def _bits(cap: Ints) -> float:
    """Number of bits that can hold every coefficient of the product."""
    cap = cap.astype(np.float64)
    return float(np.log2((cap + 1.0) * (cap + 2.0) / 2.0).sum()) + 1.0


def _work(problem: Problem, lattice: Lattice, farthest: int) -> float:
    """Rough time of the products in nanoseconds, from the numbers of digits under Karatsuba's method."""
    digits = _bits(lattice.cap) / 30.0
    short = np.minimum(lattice.cap + 1.0, lattice.depth) * digits
    return float((farthest + 2.0) * (lattice.depth * digits) * (short**0.6).sum())


def _by_products(depth: int, good: Sequence[Ints], farthest: int) -> tuple[int, int]:
    bits = math.ceil(_bits(np.array([len(x) - 1 for x in good], dtype=np.int64)))
    total = sum(_product(good, 0, bits, depth))
    free = 0
    for room in range(1, min(farthest, depth - 1) + 1):
        free += _product(good, room, bits, depth - room + 1)[depth - room]
    # With more room than this, every violation is within reach.
    free += sum(_product(good, farthest + 1, bits, max(depth - farthest, 0)))
    return total - free, total


def _product(good: Sequence[Ints], room: int, bits: int, count: int) -> list[int]:
    """First ``count`` coefficients of the product of the items' polynomials, computed on large integers."""
    if count == 0:
        return []
    mask = (1 << bits * count) - 1
    product = 1
    for table in good:
        factor = sum(int(c) << bits * n for n, c in enumerate(table[:count, room]))
        product = product * factor & mask
    part = (1 << bits) - 1
    return [product >> bits * m & part for m in range(count)]


def _by_walking(lattice: Lattice, good: Sequence[Ints]) -> tuple[int, int]:
    items, width, rooms = len(good), max(len(x) for x in good), good[0].shape[1]
    table = np.zeros((items, width, rooms), dtype=np.int64)
    for i, states in enumerate(good):
        table[i, : len(states)] = states
    each = np.arange(items)
    violating = total = 0
    later = np.zeros((0, items), dtype=np.int64)
    for m in range(lattice.depth, -1, -1):
        layer = lattice.layer(m)
        # Where a label is not available, the next block is -1: the row appended last.
        after = np.vstack([later, np.full(items, -1)])[layer.block, each]
        room = np.where(layer.block >= 0, after + 1, 0)
        some = (room > 0).any(axis=1)
        states = table[each, layer.composition, 0].prod(axis=1)
        free = table[each, layer.composition, np.minimum(room, rooms - 1)].prod(axis=1)
        total += int(states[some].sum())
        violating += int((states - free)[some].sum())
        later = room
    return violating, total
