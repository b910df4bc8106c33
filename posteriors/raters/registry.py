"""Registry of the rater models, by name."""

from __future__ import annotations

from typing import Any

from ..foundation.kinds import checked
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

    Returns
    -------
    tuple of str
        As ``make_rater_model`` takes them, built-in ones first.

    Examples
    --------
    >>> rater_model_names()[:2]
    ('partial-pooling', 'rater-bias')
    """
    return RATER_MODELS.names()


@checked
def make_rater_model(name: str | RaterModel, **constants: Any) -> RaterModel:
    """Rater model of a given name, with given constants of its priors; other constants have their default values.

    Parameters
    ----------
    name : str or RaterModel
        Registered name, alone or with constants as in a call: ``dawid-skene(difficulty=True)``. A model is returned
        unchanged.
    **constants
        Constants of the model; they replace those in the name.

    Returns
    -------
    RaterModel

    Raises
    ------
    ValueError
        For an unknown name, with the most similar known one; for an unknown constant, and constants that cannot be
        parsed; and for constants beside an existing model.

    Examples
    --------
    >>> make_rater_model("partial-pooling", size_scale=1)
    PartialPooling(size_location=1.0, size_scale=1.0)
    >>> make_rater_model("contaminated(kinds=('random', 'inverted'))").title
    "contaminated(kinds=('random', 'inverted'))"
    """
    return RATER_MODELS.make(name, **constants)
