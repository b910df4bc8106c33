"""Calls of models of raters whose answers are checked, whoever wrote the model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..foundation.arrays import Floats, Ints
from ..foundation.kinds import require_type
from ..foundation.plugins import calling, real_array
from ..foundation.refusals import every
from ..votes.design import Design

if TYPE_CHECKING:
    from .model import RaterModel

__all__ = ["ask_chances", "ask_completion"]


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
