"""Rows of the lattice without compiled code: the functions of ``simd`` in NumPy, for when Numba is told not to compile.

As there, all is read before anything is written, and of two values that are not in order the first is taken.
"""

from __future__ import annotations

from functools import reduce

import numpy as np

__all__ = ["move_row", "raise_last", "raise_one", "raise_row", "raise_run"]


def raise_one(out, at, after, down, up, m, g, length, fresh):
    """``simd.raise_one``."""
    _write(out, at, length, fresh, [_value(_run(after, down, length), _run(after, up, length), m, g)])


def raise_run(out, at, after, down, up, m, g, low, high, p, h, length, fresh):
    """``simd.raise_run``."""
    values = [
        _value(_run(after, x, length), _run(after, y, length), *z) for x, y, *z in ((down, up, m, g), (low, high, p, h))
    ]
    _write(out, at, length, fresh, values)


def raise_row(out, at, after, down, up, m, g, row, shift, size, odds, lift, length, fresh):
    """``simd.raise_row``."""
    first = _value(_run(after, down, length), _run(after, up, length), m, g)
    _write(out, at, length, fresh, [first, _last(after, row, shift, size, odds, lift, length)])


def raise_last(out, at, after, row, shift, size, odds, lift, length, fresh):
    """``simd.raise_last``."""
    _write(out, at, length, fresh, [_last(after, row, shift, size, odds, lift, length)])


def move_row(out, at, after, row, shift, size, length):
    """``simd.move_row``."""
    _write(out, at, length, True, [_extended(after, row, shift, size, length)])


def _last(after, row, shift, size, odds, lift, length):
    lost, won = (_extended(after, row, x, size, length) for x in (shift, shift + 1))
    return _value(lost, won, odds[:length], lift[:length])


def _run(after, place, length):
    return after[place : place + length]


def _extended(after, row, shift, size, length):
    return after[row + np.clip(shift + np.arange(length), 0, size - 1)]


def _value(low, high, chance, rise):
    # Places without a value hold minus infinity.
    with np.errstate(invalid="ignore"):
        return low + chance * (high - low) + rise


def _larger(x, y):
    return np.where(y > x, y, x)


def _write(out, at, length, fresh, values):
    before = np.full(length, -np.inf) if fresh else out[at : at + length]
    out[at : at + length] = reduce(_larger, [before, *values])
