"""Generators of problems with settings in ranges: thresholds from the reference, and problems without one."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ...dp.problem.problem import Problem
from ...posteriors.foundation.messages import shown
from ...posteriors.foundation.names import unknown_key, unknown_name
from ...posteriors.foundation.refusals import number, whole
from .sources import words_of

__all__ = ["GENERATORS", "drawn_problems"]

# Settings of every generator, and those of log-ratios: the default, a number or a range from which each problem has
# one, and the smallest allowed number.
_NUMBERS: dict[str, tuple[Any, float]] = {
    "items": ([2, 4], 1),
    "labels_per_item": ([2.0, 4.0], 0.0),
    "weight_spread": (0.5, 0.0),
}
_OF_LOG_RATIOS: dict[str, tuple[Any, float]] = {
    "beta": (1.0, 0.0),
    "spread": (1.0, 0.0),
    "shift": (0.0, -np.inf),
}
_OTHERS: dict[str, Any] = {"prior": [1.0, 1.0], "utility": "accuracy"}
_MOST_PROBLEMS, _MOST_ITEMS = 100_000, 10_000_000
GENERATORS = ("log-ratios", "thresholds")


def drawn_problems(name: str, given: Mapping[str, Any], seed: int) -> Iterator[tuple[str, Problem]]:
    """Yield problems that a generator draws, each with its name.

    ``log-ratios`` draws c = shift + spread x with x normal, or of Student's t with three degrees of freedom where
    ``heavy``; ``thresholds`` draws thresholds evenly from 0 to 1. Weights are log-normal.
    """
    kind = given["generator"]
    if kind not in GENERATORS:
        raise ValueError(unknown_name("generator is {name}; allowed: {known}{hint}", kind, GENERATORS))
    ranges = _NUMBERS | (_OF_LOG_RATIOS if kind == GENERATORS[0] else {})
    allowed = ("generator", "count", *ranges, *(["heavy"] if kind == GENERATORS[0] else []), *_OTHERS)
    for key in given:
        if key not in allowed:
            raise ValueError(unknown_key(key, allowed))
    count = whole("count", given.get("count", 1), 1, _MOST_PROBLEMS)
    ends = {key: _ends(key, given.get(key, usual), least) for key, (usual, least) in ranges.items()}
    heavy = given.get("heavy", False)
    if not isinstance(heavy, bool):
        raise ValueError(f"heavy is {shown(heavy)}; it must be true or false")
    others = {key: given.get(key, usual) for key, usual in _OTHERS.items()}
    for k in range(count):
        # The k-th problem does not depend on their number.
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(*words_of(name), k)))
        yield f"{name} {k + 1}", _drawn(rng, kind, ends, heavy, others)


def _ends(field: str, given: Any, least: float) -> tuple[float, float]:
    """Smallest and largest number of a setting."""
    ends = given if isinstance(given, (list, tuple)) else [given, given]
    if len(ends) != 2:
        raise ValueError(f"{field} is {shown(given)}; it must be a number, or a range [least, most]")
    if field == "items":
        low, high = (float(whole(field, x, 1, _MOST_ITEMS)) for x in ends)
    else:
        allowed = "finite" if np.isinf(least) else f"at least {least:g}, and finite"
        low, high = (number(field, x, lambda x: np.isfinite(x) and x >= least, allowed) for x in ends)
    if low > high:
        raise ValueError(f"{field} is {shown(given)}; the range must begin with its smaller end")
    return low, high


def _exp(x: float) -> float:
    """Exponential that is the same on all processors, as NumPy's is not; a weight beyond floats is refused later."""
    try:
        return math.exp(x)
    except OverflowError:
        return math.inf


def _drawn(
    rng: np.random.Generator, kind: str, ends: Mapping[str, tuple[float, float]], heavy: bool, others: dict[str, Any]
) -> Problem:
    def one(field: str) -> float:
        low, high = ends[field]
        return low if low == high else float(rng.uniform(low, high))

    size = int(rng.integers(int(ends["items"][0]), int(ends["items"][1]) + 1))
    budget = max(1, round(one("labels_per_item") * size))
    logs = one("weight_spread") * rng.standard_normal(size)
    fields = {"weight": np.array([_exp(x) for x in logs.tolist()]), **others}
    if kind == "thresholds":
        return Problem(np.clip(rng.random(size), 1e-12, 1.0 - 1e-12), budget, **fields)
    x = rng.standard_t(3, size) if heavy else rng.standard_normal(size)
    return Problem.from_logratio(one("shift") + one("spread") * x, one("beta"), budget, **fields)
