"""Registry of beliefs: classes by the name of their kind, as written in problem files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..foundation.kinds import checked
from ..foundation.messages import shown
from ..foundation.names import Registry
from .belief import Belief
from .beta import Beta
from .beta_mixture import BetaMixture
from .grid import Grid
from .logit_normal import LogitNormal
from .noisy_beta import NoisyBeta

__all__ = ["BELIEFS", "belief_kinds", "make_belief"]

BELIEFS = Registry(
    Belief,  # type: ignore[type-abstract]
    "belief",
    group="seqaudit.beliefs",
    key="kind",
    setting="parameter",
    unknown="{called} kind is {name}; allowed: {known}{hint}",
)
BELIEFS.add_built_in([Beta, BetaMixture, NoisyBeta, LogitNormal, Grid])


def belief_kinds() -> tuple[str, ...]:
    """Names of all registered kinds.

    Examples
    --------
    >>> belief_kinds()[:2]
    ('beta', 'beta-mixture')
    """
    return BELIEFS.names()


@checked
def make_belief(spec: Belief | Mapping[str, Any]) -> Belief:
    """Turn a mapping with a ``kind`` and parameters into a belief; a belief is returned unchanged.

    Parameters
    ----------
    spec : Belief or mapping
        A registered ``kind`` and the parameters of its class, as returned by ``Belief.as_dict``.

    Returns
    -------
    Belief

    Raises
    ------
    ValueError
        For an unknown kind, with the most similar known one, and for an unknown, missing or invalid parameter.

    Examples
    --------
    >>> make_belief({"kind": "noisy-beta", "a": 1, "b": 1, "flip": 0.1})
    NoisyBeta(a=1.0, b=1.0, flip=0.1, wins=0, losses=0)
    """
    if not isinstance(spec, (Belief, Mapping)):
        raise ValueError(f"belief is {shown(spec)}; it must be a belief or a table with its kind and parameters")
    return BELIEFS.make(spec)
