"""Calls of models of raters: what they are given and what they answer is checked, whoever wrote the model."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import wraps
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..foundation.arrays import Floats, Ints
from ..foundation.kinds import require_type
from ..foundation.number_arrays import whole_array
from ..foundation.plugins import calling, real_array
from ..foundation.refusals import every, whole
from ..votes.design import Design

if TYPE_CHECKING:
    from .model import RaterModel

__all__ = ["ChecksVotes", "ask_chances", "ask_completion", "outcomes_of"]


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

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name, method in list(vars(cls).items()):
            if name.startswith("_") or not inspect.isfunction(method):
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
    if "rate" not in found:
        raise ValueError(f"{model.name}: complete returns no 'rate'; it must")
    rate = real_array(f"{model.name}: rates", found["rate"])
    every(f"{model.name}: a rate", rate, (rate >= 0.0) & (rate <= 1.0), "from 0 to 1")
    return found
