"""Rater models by name."""

from __future__ import annotations

import inspect
from typing import Any

from .contaminated import Contaminated
from .dawid_skene import DawidSkene
from .drift import Drift
from .grouped import Grouped
from .one_coin import OneCoin
from .partial_pooling import PartialPooling
from .rater_bias import RaterBias
from .rater_model import RaterModel
from .rater_skill import RaterSkill

__all__ = ["make_rater_model", "rater_model_names"]

_MODELS: dict[str, type[RaterModel]] = {
    cls.name: cls for cls in (PartialPooling, RaterBias, RaterSkill, Grouped, Contaminated, Drift, OneCoin, DawidSkene)
}


def rater_model_names() -> tuple[str, ...]:
    """Names of the models.

    Examples
    --------
    >>> rater_model_names()[0]
    'partial-pooling'
    """
    return tuple(_MODELS)


def make_rater_model(name: str | RaterModel, **constants: Any) -> RaterModel:
    """Model of that name, with constants of its priors where they are not the usual ones.

    Raises
    ------
    ValueError
        For an unknown name or constant.

    Examples
    --------
    >>> make_rater_model("partial-pooling", size_scale=1)
    PartialPooling(size_location=1.0, size_scale=1.0)
    """
    if isinstance(name, RaterModel):
        return name
    if name not in _MODELS:
        raise ValueError(f"rater model is {name!r}; allowed: {', '.join(_MODELS)}")
    allowed = inspect.signature(_MODELS[name]).parameters
    for key in constants:
        if key not in allowed:
            raise ValueError(f"rater model {name} has no constant {key!r}; allowed: {', '.join(allowed) or 'none'}")
    return _MODELS[name](**constants)
