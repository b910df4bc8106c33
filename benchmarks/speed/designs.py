"""Time of optimal designs in units of a pass, the matrix products that value every candidate once, on one core.

Each is measured in a fresh process whose linear algebra has one thread. Beside it stand two simple methods, given as
long: the multiplicative algorithm (Silvey, Titterington and Torsney 1978) and vertex directions with the best step
(Fedorov 1972), which is the method of Frank and Wolfe.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy

from ...dp.designs.candidates import AllPairs
from ...dp.designs.optimal import design
from ...posteriors.foundation.arrays import Floats
from ...posteriors.foundation.memory import peak_memory
from .apart import answer_apart, question

__all__ = ["DESIGNS", "QUICK_DESIGNS", "measure_design"]

Row = dict[str, Any]

# Candidates or items, features, tolerance, whether all pairs of items are the candidates, and most passes.
DESIGNS = [
    (200_000, 32, 1e-6, False, 60),
    (30_000, 32, 1e-5, True, 20),
    (200_000, 128, 1e-3, False, 300),
]
QUICK_DESIGNS = [(2_000, 8, 1e-6, False, None), (300, 8, 1e-6, True, None)]
_BLOCK, _ITEMS, _OTHERS = 8192, 256, 2048


def measure_design(size: int, width: int, tolerance: float, pairs: bool, target: float | None) -> Row:
    """A-optimal design of candidates with normal features, in a fresh process.

    Parameters
    ----------
    size, width : int
        Number of candidates, or of items all of whose pairs are candidates, and of features.
    tolerance : float
        Gap at which to end.
    pairs : bool
    target : float or None
        Largest number of passes that it may take as long as.

    Returns
    -------
    dict
        ``candidates``, ``features``, ``pass_milliseconds``, ``seconds``, ``passes`` in time, ``searched``, the
        number of passes made, ``gap``, ``support``, ``peak_bytes``, ``multiplicative_gap`` and ``vertex_gap``.

    Raises
    ------
    RuntimeError
        If the process fails.
    """
    request = [size, width, tolerance, pairs]
    return answer_apart(__name__, request, f"design of {size:,} x {width}", threads=1) | {"target": target}


def _measured(size: int, width: int, tolerance: float, pairs: bool) -> Row:
    rng = np.random.default_rng(7)
    features = rng.standard_normal((size, width))
    direction = rng.standard_normal((width, width))
    # The smaller case loads what is imported late.
    design(features[: 8 * width], "A")
    each = min(_seconds(lambda: (_pair_pass if pairs else _row_pass)(features, direction)) for _ in range(3))
    begin = time.perf_counter()
    found = design(AllPairs(features) if pairs else features, "A", tolerance=tolerance)
    seconds = time.perf_counter() - begin
    row: Row = {
        "candidates": size * (size - 1) // 2 if pairs else size,
        "features": width,
        "pass_milliseconds": 1e3 * each,
        "seconds": seconds,
        "passes": seconds / each,
        "searched": found.passes,
        "gap": found.gap,
        "support": len(found.index),
        "peak_bytes": peak_memory(),
    }
    if not pairs:
        row["multiplicative_gap"] = _multiplicative(features, seconds)
        row["vertex_gap"] = _vertex_directions(features, seconds)
    return row


def _seconds(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def _row_pass(rows: Floats, direction: Floats) -> Floats:
    worth = np.empty(len(rows))
    for k in range(0, len(rows), _BLOCK):
        moved = rows[k : k + _BLOCK] @ direction
        np.einsum("es,es->e", moved, moved, out=worth[k : k + _BLOCK])
    return worth


def _pair_pass(items: Floats, direction: Floats) -> None:
    moved = items @ direction
    for i in range(0, len(items), _ITEMS):
        for j in range(i, len(items), _OTHERS):
            moved[i : i + _ITEMS] @ moved[j : j + _OTHERS].T


def _multiplicative(rows: Floats, seconds: float) -> float:
    """Gap of the multiplicative algorithm after so many seconds."""
    weight = np.full(len(rows), 1.0 / len(rows))
    begin = time.perf_counter()
    while True:
        inverse = np.linalg.inv((rows.T * weight) @ rows)
        worth = _row_pass(rows, inverse)
        value = float(np.trace(inverse))
        if time.perf_counter() - begin > seconds:
            return 1.0 - value / float(worth.max())
        weight *= np.sqrt(worth / value)
        weight /= weight.sum()


def _vertex_directions(rows: Floats, seconds: float) -> float:
    """Gap of vertex directions after so many seconds; a step updates all values of candidates by rank one."""
    inverse = np.linalg.inv(rows.T @ rows / len(rows))
    moved = rows @ inverse
    worth = np.einsum("ed,ed->e", moved, moved)
    begin = time.perf_counter()
    while True:
        value, best = float(np.trace(inverse)), int(worth.argmax())
        if time.perf_counter() - begin > seconds:
            return 1.0 - value / float(worth[best])
        row, gain = rows[best], float(worth[best])
        own = float(row @ inverse @ row)

        def after(step: float, value: float = value, gain: float = gain, own: float = own) -> float:
            ratio = step / (1.0 - step)
            return (value - ratio * gain / (1.0 + ratio * own)) / (1.0 - step)

        step = float(scipy.optimize.minimize_scalar(after, bounds=(0.0, 0.5), method="bounded").x)
        ratio = step / (1.0 - step)
        turned = inverse @ row
        along = rows @ turned
        # |a^T N|^2 for N = (M^{-1} - c u u^T) / (1 - step), with u = M^{-1} a_best.
        c = ratio / (1.0 + ratio * own)
        across = rows @ (inverse @ turned)
        worth += c * along * (c * float(turned @ turned) * along - 2.0 * across)
        worth /= (1.0 - step) ** 2
        inverse = (inverse - c * np.outer(turned, turned)) / (1.0 - step)


if __name__ == "__main__":
    print(json.dumps(_measured(*question())))
