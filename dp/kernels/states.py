"""Compiled checks of the states that a policy is given."""

from __future__ import annotations

from numba import njit


@njit(cache=True, nogil=True)
def first_impossible(counts, wins, cap):
    """Place in row order of the first entry without 0 <= wins <= counts <= cap; -1 if there is none."""
    for r in range(counts.shape[0]):
        for i in range(counts.shape[1]):
            if not 0 <= wins[r, i] <= counts[r, i] <= cap[i]:
                return r * counts.shape[1] + i
    return -1


@njit(cache=True, nogil=True)
def has_empty_row(marks):
    """True where some row has no mark."""
    for r in range(marks.shape[0]):
        found = False
        for i in range(marks.shape[1]):
            if marks[r, i]:
                found = True
                break
        if not found:
            return True
    return False
