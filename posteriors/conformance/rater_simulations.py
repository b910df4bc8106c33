"""Clauses on simulations of a model of raters, and on the log-likelihood of simulated votes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..foundation.arrays import Floats, Ints
from ..votes.design import Design
from ..votes.label_set import LabelSet
from .rater_trial import RaterTrial, as_draws, log_likelihood
from .suite import Broken, expect

__all__ = ["SIMULATION_CLAUSES"]

_REPLICATIONS = 200
_STANDARD_ERRORS = 5.0
_RATE = 0.3
# Given parameters may be converted to log-odds and back, which loses digits near 0 and 1.
_ROUNDING = 1e-6


def _simulate(trial: RaterTrial) -> None:
    labels, design = trial.made.labels, trial.design
    expect(isinstance(labels, LabelSet), f"labels are {labels!r}; expected a LabelSet")
    got = Design.of(labels)
    for name in ("items", "raters", "groups"):
        expect(getattr(got, name) == getattr(design, name), f"{name} are not those of the design; expected these")
    for name in ("item", "rater", "group"):
        expect(np.array_equal(getattr(got, name), getattr(design, name)), f"{name} of votes differ from the design's")
    expect(bool(np.isin(labels.labels, (0, 1)).all()), "votes are not all 0 or 1; expected nothing else")
    trial.expect_parameters(trial.made.truth, "the truth", ())


def _seed(trial: RaterTrial) -> None:
    again = trial.model.simulate(trial.seed, trial.design)
    expect(np.array_equal(again.labels.labels, trial.label), "two votes of the same seed differ; expected equal votes")
    for name, value in trial.made.truth.items():
        same = np.array_equal(np.asarray(again.truth[name]), np.asarray(value))
        expect(same, f"{name} differs with the same seed; expected no source of chance but the seed")


def _parameters(trial: RaterTrial) -> None:
    again = trial.model.simulate(trial.seed + 1, trial.design, parameters=trial.made.truth).truth
    for name, value in trial.made.truth.items():
        same = np.allclose(again[name], value, rtol=_ROUNDING, atol=_ROUNDING)
        expect(same, f"{name} is {again[name]} where {value} was given; expected what was given")


def _rate(trial: RaterTrial) -> None:
    model = trial.model
    for rate in (_RATE, np.full(len(trial.design.items), _RATE)):
        truth = model.simulate(trial.seed, trial.design, rate=rate).truth
        said = {name: np.asarray(truth[name]) for name in model.rate_names if name in truth}
        odds = np.log(_RATE / (1.0 - _RATE))
        kept = any(np.allclose(x, _RATE) or np.allclose(x, odds) for x in said.values())
        expect(
            kept, f"none of {', '.join(said)} is {_RATE} or its log-odds where that rate was given; expected one to be"
        )


def _chances(trial: RaterTrial) -> None:
    sums = np.zeros((_REPLICATIONS, 2))
    for k in range(_REPLICATIONS):
        made = trial.model.simulate(trial.seed + k, trial.design)
        chance = np.asarray(trial.model.chances(made.truth, trial.design), dtype=np.float64)
        shape = (trial.design.size,)
        expect(chance.shape == shape, f"chances have shape {chance.shape}; expected {shape}")
        for v in np.flatnonzero(~((chance >= 0) & (chance <= 1))):
            raise Broken(f"vote {v} has chance {chance[v]}; expected a number from 0 to 1")
        sums[k] = _residuals(made.labels.labels, chance)
    _expect_centred(sums, "chances")


def _residuals(label: NDArray[np.int8], chance: Floats) -> tuple[float, float]:
    """Sum of the votes minus their chances, plain and weighted by the size of the chances."""
    apart = label - chance
    return float(apart.sum()), float(apart @ (chance - 0.5))


def _expect_centred(sums: Floats, what: str) -> None:
    """Fail if averages of sums of independent replications, shape (R, K), differ from 0 by several standard errors."""
    mean, error = sums.mean(axis=0), sums.std(axis=0, ddof=1) / np.sqrt(len(sums))
    for k in np.flatnonzero(np.abs(mean) > _STANDARD_ERRORS * error + 1e-9):
        found = (
            f"simulated votes less their {what} average {mean[k]:.3g} a replication, with standard error {error[k]:.2g}"
        )
        raise Broken(f"{found}; expected 0, within {_STANDARD_ERRORS:g} standard errors")


def _log_likelihood(trial: RaterTrial) -> None:
    design, label = trial.design, trial.label
    draws = as_draws(trial.made.truth)
    found = log_likelihood(trial, draws, design, label)
    for v in range(design.size):
        other = label.copy()
        other[v] = 1 - other[v]
        both = np.exp(found[0, v]) + np.exp(log_likelihood(trial, draws, design, other)[0, v])
        expect(abs(both - 1.0) < 1e-6, f"vote {v} is 0 or 1 with probability {both:.9g}; expected 1")
    sums = np.zeros((_REPLICATIONS, 2))
    for k in range(_REPLICATIONS):
        made = trial.model.simulate(trial.seed + k, design)
        label = made.labels.labels.astype(np.int64)
        chance = np.exp(log_likelihood(trial, as_draws(made.truth), design, label)[0])
        sums[k] = _residuals(made.labels.labels, np.where(label == 1, chance, 1.0 - chance))
    _expect_centred(sums, "probabilities")


def _permuted(
    trial: RaterTrial, items: Ints, raters: Ints, votes: Ints
) -> tuple[Design, Ints, dict[str, NDArray[Any]]]:
    """Design, outcomes and truth with items, raters and votes permuted."""
    design, places = trial.design, {"item": items, "rater": raters, "vote": np.argsort(votes)}
    names = {"item": np.empty(len(items), dtype=object), "rater": np.empty(len(raters), dtype=object)}
    names["item"][items], names["rater"][raters] = design.items, design.raters
    other = replace(
        design,
        item=items[design.item][votes],
        rater=raters[design.rater][votes],
        items=tuple(names["item"]),
        raters=tuple(names["rater"]),
        group=None if design.group is None else design.group[votes],
    )
    truth = {}
    for name, value in trial.made.truth.items():
        moved = np.array(value)
        for axis, dim in enumerate(trial.model.dims[name]):
            if dim in places:
                moved = np.take(moved, np.argsort(places[dim]), axis=axis)
        truth[name] = moved
    return other, trial.label[votes], truth


def _expect_same_chances(trial: RaterTrial, items: Ints, raters: Ints, votes: Ints, what: str) -> None:
    design, label, truth = _permuted(trial, items, raters, votes)
    model = trial.model
    pairs = {
        "chance": (model.chances(truth, design), model.chances(trial.made.truth, trial.design)),
        "log-likelihood": (
            log_likelihood(trial, as_draws(truth), design, label)[0],
            log_likelihood(trial, as_draws(trial.made.truth), trial.design, trial.label)[0],
        ),
    }
    for name, (found, before) in pairs.items():
        wanted = np.asarray(before)[votes]
        for v in np.flatnonzero(np.abs(found - wanted) > 1e-8 * np.maximum(1.0, np.abs(wanted))):
            raise Broken(f"{what}: the {name} of a vote is {found[v]:.9g}; expected {wanted[v]:.9g}, as before")


def _vote_order(trial: RaterTrial) -> None:
    if trial.model.in_order:
        return
    design = trial.design
    votes = np.lexsort((-design.number, design.item))
    same = np.arange(len(design.items)), np.arange(len(design.raters))
    _expect_same_chances(trial, *same, votes, "votes of each item in reverse order")


def _relabelling(trial: RaterTrial) -> None:
    design, rng = trial.design, np.random.default_rng(trial.seed)
    items, raters = rng.permutation(len(design.items)), rng.permutation(len(design.raters))
    votes = np.argsort(items[design.item], kind="stable")
    _expect_same_chances(trial, items, raters, votes, "items and raters in another order")


SIMULATION_CLAUSES: dict[str, Callable[[RaterTrial], None]] = {
    "simulate": _simulate,
    "seed": _seed,
    "parameters": _parameters,
    "rate": _rate,
    "chances": _chances,
    "log-likelihood": _log_likelihood,
    "vote-order": _vote_order,
    "relabelling": _relabelling,
}
