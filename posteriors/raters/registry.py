"""Rater models by name."""

from __future__ import annotations

import inspect
from typing import Any

from ..foundation.names import read_settings, split_name
from .contaminated import Contaminated
from .dawid_skene import DawidSkene
from .drift import Drift
from .grouped import Grouped
from .model import RaterModel
from .one_coin import OneCoin
from .partial_pooling import PartialPooling
from .rater_bias import RaterBias
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

    Parameters
    ----------
    name : str or RaterModel
        Registered name, alone or with constants as in a call: ``dawid-skene(difficulty=True)``. A model is returned as
        it is.
    **constants
        Constants of the model, in place of those in the name.

    Raises
    ------
    ValueError
        For an unknown name or constant, and constants that cannot be read.

    Examples
    --------
    >>> make_rater_model("partial-pooling", size_scale=1)
    PartialPooling(size_location=1.0, size_scale=1.0)
    >>> make_rater_model("contaminated(kinds=('random', 'inverted'))").title
    "contaminated(kinds=('random', 'inverted'))"
    """
    if isinstance(name, RaterModel):
        return name
    registered, inside = split_name(name) if isinstance(name, str) else (name, None)
    if registered not in _MODELS:
        raise ValueError(f"rater model is {registered!r}; allowed: {', '.join(_MODELS)}")
    allowed = list(inspect.signature(_MODELS[registered]).parameters)
    for key in constants:
        if key not in allowed:
            raise ValueError(f"rater model {registered} has no constant {key!r}; allowed: {', '.join(allowed)}")
    return _MODELS[registered](**read_settings(f"rater model {name!r}", inside, allowed) | constants)
