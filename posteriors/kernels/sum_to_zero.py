"""Gaussian effects that sum to zero: of precision S, with sums held at zero by conditioning.

With k = S^-1 a for a constraint a'z = 0, a Gaussian draw z becomes z - k (a'z) / (a'k), and a'k multiplies the
determinant (Rue and Held 2005, section 2.3.3). Constraint c holds the sum of entries c K .. (c + 1) K - 1, K being the
number of effects of a kind; entries after these are free. S = L L'.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def solve_lower(lower, z):
    """Replace z by L^-1 z."""
    for i in range(z.size):
        total = z[i]
        for k in range(i):
            total -= lower[i, k] * z[k]
        z[i] = total / lower[i, i]


@njit(cache=True, nogil=True)
def solve_upper(lower, z):
    """Replace z by L'^-1 z."""
    for i in range(z.size - 1, -1, -1):
        z[i] /= lower[i, i]
        for k in range(i):
            z[k] -= lower[i, k] * z[i]


@njit(cache=True, nogil=True)
def constraints(lower, size, kinds):
    """Vectors k of the constraints, each given those before it, and their a'k; ``size`` is K."""
    n = lower.shape[0]
    along = np.zeros((kinds, n))
    variance = np.empty(kinds)
    for c in range(kinds):
        along[c, c * size : (c + 1) * size] = 1.0
        solve_lower(lower, along[c])
        solve_upper(lower, along[c])
        for b in range(c):
            along[c] -= along[b] * (along[b, c * size : (c + 1) * size].sum() / variance[b])
        variance[c] = along[c, c * size : (c + 1) * size].sum()
    return along, variance


@njit(cache=True, nogil=True)
def constrain(z, along, variance, size):
    """Replace z by what is left of it when each kind of effect must sum to zero."""
    for c in range(variance.size):
        z -= along[c] * (z[c * size : (c + 1) * size].sum() / variance[c])


@njit(cache=True, nogil=True)
def solve_constrained(schur, right, size, kinds, change):
    """Fill ``change`` with the solution of S change = right under the constraints; L and the constraints."""
    lower = np.linalg.cholesky(schur)
    along, variance = constraints(lower, size, kinds)
    change[:] = right
    solve_lower(lower, change)
    solve_upper(lower, change)
    constrain(change, along, variance, size)
    return lower, along, variance


@njit(cache=True, nogil=True)
def plus_log_determinant(total, lower):
    """``total`` plus the log-determinant of S."""
    for k in range(lower.shape[0]):
        total += 2.0 * math.log(lower[k, k])
    return total
