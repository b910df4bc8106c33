"""Compiled inner loop of diverse batches."""

from __future__ import annotations

from numba import njit


@njit(cache=True, nogil=True)
def unexplained(similar, factor, out):
    """1 - k S^-1 k for each row k of ``similar``, by forward substitution; ``factor`` is the Cholesky factor of S."""
    items, awaited = similar.shape
    for i in range(items):
        left = 1.0
        for j in range(awaited):
            x = similar[i, j]
            for k in range(j):
                x -= factor[j, k] * similar[i, k]
            x /= factor[j, j]
            similar[i, j] = x
            left -= x * x
        out[i] = left
