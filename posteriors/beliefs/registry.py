"""Beliefs by the name of their kind, as problem files state them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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


def make_belief(spec: Belief | Mapping[str, Any]) -> Belief:
    """Turn a mapping with a ``kind`` and parameters into a belief; a belief is returned as it is.

    Parameters
    ----------
    spec : Belief or mapping
        What ``as_dict`` of a belief returns: ``kind``, a registered one, and the parameters of its class.

    Raises
    ------
    ValueError
        For an unknown kind, with the nearest known one, and an unknown, missing or faulty parameter.

    Examples
    --------
    >>> make_belief({"kind": "noisy-beta", "a": 1, "b": 1, "flip": 0.1})
    NoisyBeta(a=1.0, b=1.0, flip=0.1, wins=0, losses=0)
    """
    if not isinstance(spec, (Belief, Mapping)):
        raise ValueError(f"belief is {spec!r}; it must be a belief or a table with its kind and parameters")
    return BELIEFS.make(spec)
