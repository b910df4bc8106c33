"""Calls of models of raters: what they are given and what they answer is checked, whoever wrote the model."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import wraps
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..beliefs.belief import Belief
from ..foundation.arrays import Floats, Ints
from ..foundation.kinds import require_type
from ..foundation.messages import shown
from ..foundation.number_arrays import whole_array
from ..foundation.plugins import calling, real_array
from ..foundation.refusals import every, whole
from ..foundation.values import new_attributes
from ..votes.design import Design

if TYPE_CHECKING:
    from .model import RaterModel

__all__ = [
    "ChecksVotes",
    "ask_chances",
    "ask_completion",
    "ask_draws",
    "ask_item_beliefs",
    "ask_log_likelihood",
    "ask_new_item",
    "ask_tails",
    "outcomes_of",
]

# Logarithms of probabilities may be above zero by rounding.
_ROUNDED = 1e-9


def outcomes_of(design: Design, label: Any) -> Ints:
    """Outcomes of the votes of a design as an array of int64, shape (V,).

    Raises
    ------
    ValueError
        For anything but one 0 or 1 for each vote.

    Examples
    --------
    >>> outcomes_of(Design.balanced(items=1, raters=2, votes_per_item=2), [1, 2])
    Traceback (most recent call last):
    ValueError: label[1] is 2; it must be a whole number from 0 to 1
    """
    require_type("design", design, Design, "a Design")
    found = whole_array("label", label, 0, 1)
    if found.shape != (design.size,):
        raise ValueError(f"label has shape {found.shape}; it must be ({design.size},), one for each vote")
    return found


class ChecksVotes:
    """Base whose subclasses check the votes that their methods are given: compiled code indexes by them."""

    @classmethod
    def _settle(cls) -> None:
        super()._settle()  # type: ignore[misc]
        for name, method in new_attributes(cls, ChecksVotes).items():
            if name.startswith("_") or not inspect.isfunction(method) or getattr(method, "is_guard", False):
                continue
            order = list(inspect.signature(method).parameters)
            if {"design", "label"} <= set(order) and not getattr(method, "__isabstractmethod__", False):
                setattr(cls, name, _checking(method, order))


def _checking[R](method: Callable[..., R], order: list[str]) -> Callable[..., R]:
    """Method that checks design and label before it runs."""

    @wraps(method)
    def call(*args: Any, **kwargs: Any) -> R:
        given = dict(zip(order, args, strict=False)) | kwargs
        if "design" not in given or "label" not in given:
            return method(*args, **kwargs)
        given["label"] = outcomes_of(given["design"], given["label"])
        if "draws" in given and not isinstance(given["draws"], Mapping):
            whole("draws", given["draws"], least=1)
        return method(given.pop(order[0]), **given)

    call.is_guard = True  # type: ignore[attr-defined]
    return call


def ask_chances(model: RaterModel, parameters: dict[str, Any], design: Design) -> Floats:
    """Chance that each vote is 1, shape (V,).

    Raises
    ------
    ValueError
        For chances of another shape or kind, or outside 0 to 1.
    """
    with calling("rater model", model, "chances"):
        given = model.chances(parameters, design)
    chance = real_array(f"{model.name}: chances", given)
    if chance.shape != (design.size,):
        raise ValueError(f"{model.name}: chances have shape {chance.shape}; it must be ({design.size},)")
    every(f"{model.name}: a chance", chance, (chance >= 0.0) & (chance <= 1.0), "from 0 to 1")
    return chance


def ask_completion(
    model: RaterModel, draws: dict[str, NDArray[Any]], design: Design, label: Ints, rng: np.random.Generator
) -> dict[str, NDArray[Any]]:
    """Draws together with the variables that follow from them, rates among them.

    Raises
    ------
    ValueError
        For what is no mapping, and for rates that are missing or outside 0 to 1.
    """
    with calling("rater model", model, "complete"):
        more = model.complete(draws, design, label, rng)
    require_type(f"{model.name}: what complete returns", more, Mapping, "a mapping from names to draws")
    found = {**draws, **more}
    unknown = [name for name in found if name not in model.dims]
    if unknown:
        raise ValueError(f"{model.name}: complete returns {shown(unknown[0])}; allowed: {', '.join(model.dims)}")
    if "rate" not in found:
        raise ValueError(f"{model.name}: complete returns no 'rate'; it must")
    rate = real_array(f"{model.name}: rates", found["rate"])
    every(f"{model.name}: a rate", rate, (rate >= 0.0) & (rate <= 1.0), "from 0 to 1")
    return found


def ask_draws(
    model: RaterModel, design: Design, label: Ints, rng: np.random.Generator, draws: int
) -> dict[str, NDArray[Any]]:
    """Draws of the fast approximation, arrays of ``draws`` rows by name.

    Raises
    ------
    ValueError
        For what is no mapping of the model's own names, and for draws of another number, or that are no numbers.
    """
    with calling("rater model", model, "approximate"):
        given = model.approximate(design, label, rng, draws)
    require_type(f"{model.name}: what approximate returns", given, Mapping, "a mapping from names to draws")
    found = {}
    for name, values in given.items():
        if name not in model.dims:
            raise ValueError(f"{model.name}: approximate returns {shown(name)}; allowed: {', '.join(model.dims)}")
        found[name] = np.asarray(values)
        told = real_array(f"{model.name}: draws of {name}", values)
        if told.ndim == 0 or len(told) != draws:
            raise ValueError(f"{model.name}: draws of {name} have shape {told.shape}; the first entry must be {draws}")
        every(f"{model.name}: a draw of {name}", told, np.isfinite(told), "finite")
    return found


def ask_tails(model: RaterModel, draws: Mapping[str, NDArray[Any]], design: Design, label: Ints, bar: Floats) -> Floats:
    """Tails of the items under each draw, of the shape of the rates.

    Raises
    ------
    ValueError
        For tails of another shape or kind, or outside 0 to 1.
    """
    with calling("rater model", model, "conditional_tails"):
        given = model.conditional_tails(draws, design, label, bar)
    tails, wanted = real_array(f"{model.name}: conditional tails", given), draws["rate"].shape
    if tails.shape != wanted:
        raise ValueError(f"{model.name}: conditional tails have shape {tails.shape}; it must be {wanted}")
    every(f"{model.name}: a conditional tail", tails, (tails >= 0.0) & (tails <= 1.0), "from 0 to 1")
    return tails


def ask_log_likelihood(model: RaterModel, draws: Mapping[str, NDArray[Any]], design: Design, label: Ints) -> Floats:
    """Log-probability of each vote under each of S draws, shape (S, V).

    Raises
    ------
    ValueError
        For numbers of another shape or kind, or above 0.
    """
    with calling("rater model", model, "log_likelihood"):
        given = model.log_likelihood(draws, design, label)
    logs, wanted = real_array(f"{model.name}: log-likelihoods", given), (len(draws["rate"]), design.size)
    if logs.shape != wanted:
        raise ValueError(f"{model.name}: log-likelihoods have shape {logs.shape}; it must be {wanted}")
    every(f"{model.name}: a log-likelihood", logs, logs <= _ROUNDED, "at most 0")
    return logs


def ask_item_beliefs(
    model: RaterModel, draws: Mapping[str, NDArray[Any]], design: Design, label: Ints, bar: Floats | None, parts: int
) -> list[Belief]:
    """Belief about each item; ``ValueError`` for anything else."""
    with calling("rater model", model, "item_beliefs"):
        given = list(model.item_beliefs(draws, design, label, bar, parts))
    if len(given) != len(design.items):
        raise ValueError(f"{model.name}: item_beliefs returns {len(given)} beliefs for {len(design.items)} items")
    for k, belief in enumerate(given):
        require_type(f"{model.name}: item_beliefs[{k}]", belief, Belief, "a Belief")
    return given


def ask_new_item(model: RaterModel, draws: Mapping[str, NDArray[Any]], rng: np.random.Generator, parts: int) -> Belief:
    """Belief about an item without votes; ``ValueError`` for anything else."""
    with calling("rater model", model, "new_item_belief"):
        given = model.new_item_belief(draws, rng, parts)
    require_type(f"{model.name}: what new_item_belief returns", given, Belief, "a Belief")
    return given
