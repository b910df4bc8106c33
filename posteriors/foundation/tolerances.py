"""Tolerance of comparisons between numbers that are equal up to rounding.

Other tolerances are defined where they are used: the accuracy of a solver, the slack of a budget, the smallest
difference that a study reports.
"""

from __future__ import annotations

__all__ = ["ROUNDING"]

# The same number computed in two ways may differ by a few units of 1e-16, and a sum over many items or labels by more.
# Numbers this close count as equal: a probability exactly at a limit (p = 1/2, p = eps, a share that is just reached)
# must fall on the same side, and equal payoffs must compare equal, however they were computed. For probabilities the
# tolerance is absolute; for payoffs, weights and other sums it is relative to their size.
ROUNDING = 1e-12
