"""Problems small enough for exact values: what is computed for every state unless asked otherwise."""

from __future__ import annotations

from ..machine.memory import ProblemTooLarge, fits
from ..problem.problem import Problem
from .lattice import Lattice

__all__ = ["few_states", "small_enough"]


def small_enough(
    problem: Problem, *, states: int = 2_000_000, items: int | None = 12, lattice: Lattice | None = None
) -> bool:
    """Whether a problem is solved exactly unless asked otherwise.

    It is where labels are bought one at a time, there are at most ``items`` items, its lattice has at most ``states``
    states, and a sweep of them fits in the memory available.

    Parameters
    ----------
    problem : Problem
    states : int
        Default: as many as are swept in a second or so.
    items : int, optional
        None for any number.
    lattice : Lattice, optional
        Of the problem, where it is at hand.

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
        # Costs and quotas may leave few states of many.
        lattice.require_countable()
        return lattice.states <= states and fits(lattice.bytes_needed())
    except ProblemTooLarge:
        return False


def few_states(problem: Problem, most: int) -> bool:
    """Whether a problem has at most so many states however its labels are priced; the same on every machine.

    States are counted as if all labels cost the least and there were no quotas, which takes no enumeration.

    Examples
    --------
    >>> few_states(Problem([0.5, 0.6], budget=2), 15), few_states(Problem([0.5, 0.6], budget=2), 14)
    (True, False)
    """
    labels = problem.labels
    # However many the items are, so many labels of one item have fewer states.
    if (labels + 1) * (labels + 2) // 2 > most:
        return False
    cap = problem.cap[problem.cap > 0]
    # A part of the items first, as the whole number may be very large.
    for count in (1, 2, 4, 8, 16, 32, len(cap)):
        part = cap[:count]
        if Lattice(part, min(labels, int(part.sum()))).states > most:
            return False
    return True
