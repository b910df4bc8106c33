"""Generators of problems with settings in ranges: thresholds from the reference, and problems without one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ...dp.problem.problem import Problem
from ...posteriors.foundation.messages import shown
from ...posteriors.foundation.names import unknown_key, unknown_name
from ...posteriors.foundation.refusals import number, whole
from ...posteriors.thresholds import threshold
from .sources import words_of

__all__ = ["GENERATORS", "drawn_problems"]

# Settings of the generators, with their defaults: a number, or a range from which it is drawn for each problem.
_SETTINGS: dict[str, Any] = {
    "items": [2, 4],
    "labels_per_item": [2.0, 4.0],
    "beta": 1.0,
    "spread": 1.0,
    "shift": 0.0,
    "heavy": False,
    "weight_spread": 0.5,
    "prior": [1.0, 1.0],
    "utility": "accuracy",
}
GENERATORS = ("log-ratios", "thresholds")


def drawn_problems(name: str, given: Mapping[str, Any], seed: int) -> Iterator[tuple[str, Problem]]:
    """Yield problems that a generator draws, each with its name.

    ``log-ratios`` draws c = shift + spread x with x normal, or of Student's t with three degrees of freedom where
    ``heavy``; ``thresholds`` draws thresholds evenly from 0 to 1. Weights are log-normal.
    """
    kind = given["generator"]
    if kind not in GENERATORS:
        raise ValueError(unknown_name("generator is {name}; allowed: {known}{hint}", kind, GENERATORS))
    allowed = ("generator", "count", *_SETTINGS)
    for key in given:
        if key not in allowed:
            raise ValueError(unknown_key(key, allowed))
    count = whole("count", given.get("count", 1), 1)
    settings = _SETTINGS | {key: given[key] for key in _SETTINGS if key in given}
    for k in range(count):
        # The k-th problem does not depend on their number.
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(*words_of(name), k)))
        yield f"{name} {k + 1}", _drawn(rng, kind, settings)


def _drawn(rng: np.random.Generator, kind: str, settings: Mapping[str, Any]) -> Problem:
    size = int(_one(rng, "items", settings["items"], is_whole=True))
    budget = max(1, round(_one(rng, "labels_per_item", settings["labels_per_item"]) * size))
    weight = np.exp(_one(rng, "weight_spread", settings["weight_spread"]) * rng.standard_normal(size))
    fields = {"weight": weight, "prior": settings["prior"], "utility": settings["utility"]}
    if kind == "thresholds":
        return Problem(np.clip(rng.random(size), 1e-12, 1.0 - 1e-12), budget, **fields)
    x = rng.standard_t(3, size) if settings["heavy"] is True else rng.standard_normal(size)
    c = _one(rng, "shift", settings["shift"]) + _one(rng, "spread", settings["spread"]) * x
    beta = _one(rng, "beta", settings["beta"])
    threshold(c, beta)
    return Problem.from_logratio(c, beta, budget, **fields)


def _one(rng: np.random.Generator, field: str, given: Any, *, is_whole: bool = False) -> float:
    """Number, or one drawn evenly from a range."""
    ends = given if isinstance(given, list) else [given, given]
    if len(ends) != 2:
        raise ValueError(f"{field} is {shown(given)}; it must be a number, or a range [least, most]")
    if is_whole:
        fewest, most = (whole(field, x, 1) for x in ends)
        return int(rng.integers(fewest, most + 1))
    low, high = (number(field, x, np.isfinite, "finite") for x in ends)
    return low if low == high else float(rng.uniform(low, high))
