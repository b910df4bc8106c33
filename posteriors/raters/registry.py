"""Rater models by name."""

from __future__ import annotations

from typing import Any

from ..foundation.names import Registry
from .contaminated import Contaminated
from .dawid_skene import DawidSkene
from .drift import Drift
from .grouped import Grouped
from .model import RaterModel
from .one_coin import OneCoin
from .partial_pooling import PartialPooling
from .rater_bias import RaterBias
from .rater_skill import RaterSkill

__all__ = ["RATER_MODELS", "make_rater_model", "rater_model_names"]

RATER_MODELS = Registry(
    RaterModel,  # type: ignore[type-abstract]
    "rater model",
    group="seqaudit.rater_models",
    setting="constant",
)
RATER_MODELS.add_built_in([PartialPooling, RaterBias, RaterSkill, Grouped, Contaminated, Drift, OneCoin, DawidSkene])


def rater_model_names() -> tuple[str, ...]:
    """Names of all registered models.

    Examples
    --------
    >>> rater_model_names()[0]
    'partial-pooling'
    """
    return RATER_MODELS.names()


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
        For an unknown name, with the nearest known one; for an unknown constant, and constants that cannot be read; and
        for constants of a model that is made already.

    Examples
    --------
    >>> make_rater_model("partial-pooling", size_scale=1)
    PartialPooling(size_location=1.0, size_scale=1.0)
    >>> make_rater_model("contaminated(kinds=('random', 'inverted'))").title
    "contaminated(kinds=('random', 'inverted'))"
    """
    return RATER_MODELS.make(name, **constants)
