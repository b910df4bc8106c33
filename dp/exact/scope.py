"""Size limits below which problems are solved exactly by default."""

from __future__ import annotations

from ...posteriors.foundation.memory import ProblemTooLarge, fits
from ..problem.problem import Problem
from .lattice import Lattice

__all__ = ["few_states", "small_enough"]


def small_enough(
    problem: Problem, *, states: int = 2_000_000, items: int | None = 12, lattice: Lattice | None = None
) -> bool:
    """True if a problem is small enough to be solved exactly by default.

    Labels must be bought one at a time, and a sweep of the lattice must fit in the memory available.

    Parameters
    ----------
    problem : Problem
    states : int
        Largest number of states of the lattice; the default takes about a second.
    items : int, optional
        Largest number of items; None for any number.
    lattice : Lattice, optional
        Lattice of the problem, if the caller has it.

    Returns
    -------
    bool

    Examples
    --------
    >>> small_enough(Problem([0.5, 0.6], budget=20)), small_enough(Problem([0.5, 0.6], budget=200))
    (True, False)
    >>> small_enough(Problem([0.5, 0.6], budget=20, batch=2))
    False
    """
    if problem.batch > 1 or (items is not None and problem.size > items):
        return False
    lattice = Lattice.of(problem) if lattice is None else lattice
    if lattice.plain and not few_states(problem, states):
        return False
    try:
        # Costs and quotas may rule out most states.
        lattice.require_countable()
        return lattice.least_states <= states and lattice.states <= states and fits(lattice.bytes_needed())
    except ProblemTooLarge:
        return False


def few_states(problem: Problem, most: int) -> bool:
    """True if a problem would have at most ``most`` states even at the lowest of its costs and without quotas.

    Such states are counted without enumeration, and the answer is the same on every machine.

    Examples
    --------
    >>> few_states(Problem([0.5, 0.6], budget=2), 15), few_states(Problem([0.5, 0.6], budget=2), 14)
    (True, False)
    """
    labels = problem.labels
    # One item with this number of labels has fewer states than all items.
    if (labels + 1) * (labels + 2) // 2 > most:
        return False
    cap = problem.cap[problem.cap > 0]
    if not cap.size:
        return True
    # The first items alone are counted first, since the number for all may be very large.
    for count in (1, 2, 4, 8, 16, 32, len(cap)):
        part = cap[:count]
        if Lattice(part, min(labels, int(part.sum()))).states > most:
            return False
    return True
