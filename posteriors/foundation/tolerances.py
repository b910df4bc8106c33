"""The tolerance of comparisons between numbers that should be equal.

Other tolerances stand where they are used, beside what they are for: the accuracy of a solver, the slack of a budget,
what a study reports as a difference.
"""

from __future__ import annotations

__all__ = ["ROUNDING"]

# Computed in two ways, one number comes out a few units of 1e-16 apart, and a sum over many items or labels more. What
# is that near is the same number: a probability on a bar (p = 1/2, p = eps, a share that is just reached) must fall on
# the same side, and equal payoffs must be equal, however they were computed. Probabilities are compared by this
# difference; payoffs, weights and other sums by this share of their size.
ROUNDING = 1e-12
