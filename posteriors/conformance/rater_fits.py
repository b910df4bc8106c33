"""Clauses on fits of a model of raters: draws, tails, beliefs, and refused arguments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from ..beliefs.asking import ask_at
from ..beliefs.belief import Belief
from ..beliefs.grid import Grid
from ..foundation.arrays import Floats
from ..raters.fit import RaterFit
from ..votes.design import Design
from ..votes.label_set import LabelSet
from .beliefs import check_belief
from .rater_trial import RaterTrial, log_likelihood
from .suite import Broken, ConformanceError, expect, expect_refusal

__all__ = ["FIT_CLAUSES", "NUTS_CLAUSES"]

_THRESHOLDS = (0.2, 0.5, 0.8)
# The tails of a mixture of Betas approximate those of the draws, to an accuracy set by the number of components.
_LOOSE, _EXACT = 0.05, 1e-9
_PARTS = 8


def _fit(trial: RaterTrial) -> None:
    fit = trial.fit
    expect(isinstance(fit, RaterFit), f"fit returned {fit!r}; expected a RaterFit")
    trial.expect_parameters(fit.draws, "the draws", (fit.size,))
    rate = fit.draws["rate"]
    for x in rate[(rate < 0) | (rate > 1)].reshape(-1)[:1]:
        raise Broken(f"rate of the draws has {x}; expected numbers from 0 to 1")
    log_likelihood(trial, fit.draws, trial.design, trial.label)


def _fit_seed(trial: RaterTrial) -> None:
    labels = trial.made.labels
    renamed = replace(
        labels,
        items=tuple(f"n{k}" for k in range(labels.n_items)),
        raters=tuple(f"m{k}" for k in range(len(labels.raters))),
    )
    for what, votes in (("with the same seed", labels), ("for other names of items and raters", renamed)):
        again = trial.model.fit(votes, method="fast", seed=trial.seed, draws=trial.fit.size)
        for name, draws in trial.fit.draws.items():
            expect(np.array_equal(again.draws[name], draws), f"draws of {name} differ {what}; expected the same draws")


def _tail(trial: RaterTrial) -> None:
    shape = trial.fit.draws["rate"].shape[1:]
    tails = np.stack([trial.fit.tail(threshold) for threshold in _THRESHOLDS])
    expect(tails.shape[1:] == shape, f"tails have shape {tails.shape[1:]}; expected {shape}")
    for x in tails[~((tails >= 0) & (tails <= 1))].reshape(-1)[:1]:
        raise Broken(f"a tail is {x}; expected numbers from 0 to 1")
    for k, *place in np.argwhere(np.diff(tails, axis=0) > _EXACT):
        pair = (
            f"{tails[(k, *place)]:.6g} at {_THRESHOLDS[k]:g} and {tails[(k + 1, *place)]:.6g} at {_THRESHOLDS[k + 1]:g}"
        )
        raise Broken(f"the tail of item number {place[0]} is {pair}; expected it not to rise")
    error = np.asarray(trial.fit.tail_error(0.5))
    expect(error.shape == shape, f"tail_error has shape {error.shape}; expected {shape}")
    expect(bool((np.isfinite(error) & (error >= 0)).all()), "tail_error is not finite and at least 0 everywhere")


def _votes(trial: RaterTrial) -> None:
    # All raters agree that odd items are 1, so that no rater is classified as inverted.
    design = trial.design
    label = design.item % 2
    found: list[float] = []
    for vote in (0, 1):
        label = np.where(design.item == 0, vote, label)
        fit = trial.model.fit(design.labelled(label), method="fast", seed=trial.seed, draws=trial.fit.size)
        found.append(float(np.mean(fit.tail(0.5)[0])))
    told = f"the tail of an item is {found[0]:.6g} when all call it 0 and {found[1]:.6g} when all call it 1"
    expect(found[0] < found[1], f"{told}; expected it to rise")


def _channel(trial: RaterTrial) -> None:
    draws = trial.model.for_group(trial.fit.draws, trial.design, trial.groups[0])
    rate = np.tile(np.linspace(0.02, 0.98, 9), (trial.fit.size, 1))
    heard = np.asarray(trial.model.channel(draws, rate), dtype=np.float64)
    expect(heard.shape == rate.shape, f"channel has shape {heard.shape}; expected {rate.shape}")
    for s, k in np.argwhere(~((heard >= 0) & (heard <= 1))):
        raise Broken(f"channel of rate {rate[s, k]:g} is {heard[s, k]} under draw {s}; expected a number from 0 to 1")
    # In single draws raters may be wrong more often than not; planning uses the average over draws.
    average = heard.mean(axis=0)
    for k in np.flatnonzero(np.diff(average) < -_EXACT):
        fall = f"{average[k]:.6g} for rate {rate[0, k]:g} and {average[k + 1]:.6g} for {rate[0, k + 1]:g}"
        raise Broken(f"channel averages {fall}; expected it not to fall")


def _expect_belief(belief: Belief, what: str, seed: int) -> None:
    try:
        check_belief(belief, seed=seed)
    except ConformanceError as error:
        raise Broken(f"{what}: {error.faults[0]}") from None


def _beliefs(trial: RaterTrial) -> None:
    items = len(trial.design.items)
    threshold = np.linspace(0.3, 0.7, items)
    for group in trial.groups:
        found = trial.fit.beliefs(threshold, parts=_PARTS, group=group)
        _expect_belief(found[0], "the belief about item number 0", trial.seed)
        _expect_tails(found, threshold, trial.fit.tail(threshold, group=group))
    trial.fit.beliefs(parts=_PARTS)


def _expect_tails(beliefs: list[Belief], threshold: Floats, tail: Floats) -> None:
    for i, belief in enumerate(beliefs):
        mine, off = (
            float(ask_at(belief, 0, 0, float(threshold[i])).tail),
            _EXACT if isinstance(belief, Grid) else _LOOSE,
        )
        told = f"the belief about item number {i} has tail {mine:.6g}; expected that of the draws, {tail[i]:.6g}"
        expect(abs(mine - float(tail[i])) <= off, f"{told}, within {off:g}")


def _new_item(trial: RaterTrial) -> None:
    for group in dict.fromkeys((None, *trial.groups)):
        draws = trial.model.for_group(trial.fit.draws, trial.design, group)
        rate = np.asarray(trial.model.new_rates(draws, np.random.default_rng(trial.seed)))
        expect(rate.shape == (trial.fit.size,), f"new_rates have shape {rate.shape}; expected ({trial.fit.size},)")
        for x in rate[~((rate >= 0) & (rate <= 1))][:1]:
            raise Broken(f"new_rates have {x}; expected numbers from 0 to 1")
        _expect_belief(trial.fit.new_item(parts=_PARTS, group=group), "the belief about a new item", trial.seed)


def _refusals(trial: RaterTrial) -> None:
    model, design, labels, fit = trial.model, trial.design, trial.made.labels, trial.fit
    simulate = partial(model.simulate, trial.seed, design)
    wrong: dict[str, Callable[[], object]] = {
        "a parameter that the model has not": partial(simulate, parameters={"no such parameter": 1.0})
    }
    for name, dims in model.dims.items():
        shaped = np.full((3,) * (len(dims) + 1), 0.5)
        for what, value in (("of another shape", shaped), ("of text", "much")):
            wrong[f"{name} {what}"] = partial(simulate, parameters={name: value})
        if name.endswith(("_sd", "_scale")):
            for bad in (-0.1, np.inf, np.nan):
                wrong[f"{name}={bad}"] = partial(simulate, parameters={name: bad})
        if name in model.rate_names:
            given = {name: trial.made.truth[name]}
            wrong[f"rates that are given twice, as {name} too"] = partial(simulate, parameters=given, rate=0.5)
    for rate in (1.5, -0.1, np.nan, [0.5] * (len(design.items) - 1)):
        wrong[f"rate={rate}"] = partial(simulate, rate=rate)
    fitted = partial(model.fit, seed=trial.seed, method="fast")
    unlabelled = replace(design, items=(*design.items, "without votes")).labelled(trial.label)
    wrong |= {
        "fit to an item without votes": partial(fitted, unlabelled),
        "fit by an unknown method": partial(model.fit, labels, seed=trial.seed, method="guess"),
        "fit with seed=-1": partial(model.fit, labels, seed=-1, method="fast"),
        "fit with draws=2": partial(fitted, labels, draws=2),
        "tail of threshold 1": partial(fit.tail, 1.0),
        "tail of thresholds of other items": partial(fit.tail, [0.5] * (len(design.items) + 1)),
        "tail of an unknown group": partial(fit.tail, group="no such group"),
        "beliefs in one part": partial(fit.beliefs, parts=1),
        "beliefs of an unknown group": partial(fit.beliefs, group="no such group"),
        "belief about a new item in one part": partial(fit.new_item, parts=1),
        "belief about a new item of an unknown group": partial(fit.new_item, group="no such group"),
    }
    if model.needs_raters:
        wrong["fit to votes of raters with one vote each"] = partial(fitted, _without_raters(labels))
        wrong["fit to votes of one rater"] = partial(fitted, _of_one_rater(design, labels))
    if model.needs_groups:
        plain = replace(design, group=None, groups=())
        wrong["simulate without groups"] = partial(model.simulate, trial.seed, plain)
        wrong["fit without groups"] = partial(fitted, plain.labelled(trial.label))
    for what, call in wrong.items():
        expect_refusal(what, call)


def _without_raters(labels: LabelSet) -> LabelSet:
    size = labels.n_labels
    raters = tuple(f"rater {k + 1}" for k in range(size))
    return replace(labels, rater=np.arange(size, dtype=np.int32), raters=raters)


def _of_one_rater(design: Design, labels: LabelSet) -> LabelSet:
    return replace(labels, rater=np.zeros(design.size, dtype=np.int32), raters=labels.raters[:1])


def _nuts(trial: RaterTrial) -> None:
    labels = trial.made.labels
    sampled = trial.model.fit(labels, seed=trial.seed, draws=400, tune=400, chains=2, cores=1, target_accept=0.95)
    trial.expect_parameters(sampled.draws, "the sampler's draws", (sampled.size,))
    found = sampled.diagnostics()
    # The chains are short.
    expect(found.rhat < 1.1, f"R-hat of {found.worst} is {found.rhat:.3f}; expected less than 1.1")
    one, other = sampled.tail(0.5), trial.fit.tail(0.5)
    allowed = 4.5 * np.hypot(sampled.tail_error(0.5), trial.fit.tail_error(0.5)) + _LOOSE
    for place in np.argwhere(np.abs(one - other) > allowed):
        pair = f"{one[tuple(place)]:.3f} by the sampler and {other[tuple(place)]:.3f} by the fast method"
        raise Broken(f"the tail of item number {place[0]} is {pair}; expected less of a difference")


FIT_CLAUSES: dict[str, Callable[[RaterTrial], None]] = {
    "fit": _fit,
    "fit-seed": _fit_seed,
    "tail": _tail,
    "votes": _votes,
    "channel": _channel,
    "beliefs": _beliefs,
    "new-item": _new_item,
    "refusals": _refusals,
}
NUTS_CLAUSES: dict[str, Callable[[RaterTrial], None]] = {"nuts": _nuts}
