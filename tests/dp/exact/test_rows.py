"""Rows of the lattice: vector instructions against the same functions in NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from numba import njit

from seqaudit.dp.kernels import plain_rows, simd

OUT, AT = 40, 5


@njit
def one(out, after, length, shift, size, odds, lift, fresh):
    simd.raise_one(out, AT, after, 3, 11, 0.3, 0.02, length, fresh)


@njit
def run(out, after, length, shift, size, odds, lift, fresh):
    simd.raise_run(out, AT, after, 3, 11, 0.3, 0.02, 20, 26, 0.6, -0.01, length, fresh)


@njit
def row(out, after, length, shift, size, odds, lift, fresh):
    simd.raise_row(out, AT, after, 3, 11, 0.3, 0.02, 17, shift, size, odds, lift, length, fresh)


@njit
def last(out, after, length, shift, size, odds, lift, fresh):
    simd.raise_last(out, AT, after, 17, shift, size, odds, lift, length, fresh)


@njit
def moved(out, after, length, shift, size, odds, lift, fresh):
    simd.move_row(out, AT, after, 17, shift, size, length)


def plain(name, out, after, length, shift, size, odds, lift, fresh):
    a, b = (AT, after, 3, 11, 0.3, 0.02), (17, shift, size, odds, lift, length, fresh)
    match name:
        case "one":
            plain_rows.raise_one(out, *a, length, fresh)
        case "run":
            plain_rows.raise_run(out, *a, 20, 26, 0.6, -0.01, length, fresh)
        case "row":
            plain_rows.raise_row(out, *a, *b)
        case "last":
            plain_rows.raise_last(out, AT, after, *b)
        case "moved":
            plain_rows.move_row(out, AT, after, 17, shift, size, length)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("compiled", [one, run, row, last, moved])
def test_compiled_rows_are_those_of_numpy_at_every_length_and_write_nothing_else(compiled, dtype):
    rng = np.random.default_rng(5)
    after, odds, lift = rng.normal(size=60).astype(dtype), rng.random(24).astype(dtype), rng.random(24).astype(dtype)
    before = rng.normal(size=OUT).astype(dtype)
    for length in range(20):
        for shift in (-3, -1, 0, 2):
            for size in {1, max(length - 2, 1), length + 1, length + 4}:
                for fresh in (0, 1):
                    found, wanted = before.copy(), before.copy()
                    given = (after, length, shift, size, odds[:length], lift[:length], fresh)
                    compiled(found, *given)
                    plain(compiled.__name__, wanted, *given)
                    np.testing.assert_allclose(found, wanted, rtol=4 * np.finfo(dtype).eps, atol=np.finfo(dtype).eps)
                    outside = np.r_[0:AT, AT + length : OUT]
                    assert np.array_equal(found[outside], before[outside])


@njit
def in_place(values, odds, lift, length):
    simd.raise_row(values, 0, values, 0, length, 0.4, 0.1, 30, 0, length + 1, odds, lift, length, 1)


@pytest.mark.parametrize("length", range(1, 20))
def test_row_may_overwrite_the_successors_of_its_first_item(length):
    rng = np.random.default_rng(6)
    values, odds, lift = rng.normal(size=60), rng.random(length), rng.random(length)
    wanted = values.copy()
    plain_rows.raise_row(wanted, 0, values.copy(), 0, length, 0.4, 0.1, 30, 0, length + 1, odds, lift, length, 1)
    in_place(values, odds, lift, length)
    np.testing.assert_allclose(values, wanted, rtol=1e-15, atol=1e-16)


def test_places_without_a_value_stay_below_all_others():
    for compiled in (one, row, last):
        out, after = np.full(OUT, -np.inf), np.full(60, -np.inf)
        compiled(out, after, 7, 0, 8, np.full(7, 0.5), np.zeros(7), 0)
        assert not np.isnan(out[AT : AT + 7]).any()
        assert np.all(out[AT : AT + 7] == -np.inf)
