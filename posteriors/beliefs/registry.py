"""Beliefs by the name of their kind, as problem files state them."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from .belief import Belief
from .beta import Beta
from .beta_mixture import BetaMixture
from .grid import Grid
from .logit_normal import LogitNormal
from .noisy_beta import NoisyBeta

__all__ = ["belief_kinds", "make_belief"]

_KINDS: dict[str, type[Belief]] = {cls.kind: cls for cls in (Beta, BetaMixture, NoisyBeta, LogitNormal, Grid)}


def belief_kinds() -> tuple[str, ...]:
    """Names of the built-in kinds.

    Examples
    --------
    >>> belief_kinds()[:2]
    ('beta', 'beta-mixture')
    """
    return tuple(_KINDS)


def make_belief(spec: Belief | Mapping[str, Any]) -> Belief:
    """Turn a mapping with a ``kind`` and parameters into a belief; a belief is returned as it is.

    Parameters
    ----------
    spec : Belief or mapping
        What ``as_dict`` of a belief returns: ``kind`` and the parameters of its class.

    Raises
    ------
    ValueError
        For an unknown kind, and an unknown, missing or faulty parameter.

    Examples
    --------
    >>> make_belief({"kind": "noisy-beta", "a": 1, "b": 1, "flip": 0.1})
    NoisyBeta(a=1.0, b=1.0, flip=0.1, wins=0, losses=0)
    """
    if isinstance(spec, Belief):
        return spec
    if not isinstance(spec, Mapping):
        raise ValueError(f"belief is {spec!r}; it must be a belief or a table with its kind and parameters")
    parameters = dict(spec)
    kind = parameters.pop("kind", None)
    if not isinstance(kind, str) or kind not in _KINDS:
        raise ValueError(f"belief kind is {kind!r}; allowed: {', '.join(_KINDS)}")
    allowed = inspect.signature(_KINDS[kind]).parameters
    for key in parameters:
        if key not in allowed:
            raise ValueError(f"belief {kind} has no parameter {key!r}; allowed: {', '.join(allowed)}")
    for key, parameter in allowed.items():
        if key not in parameters and parameter.default is parameter.empty:
            raise ValueError(f"belief {kind} lacks {key!r}; it needs {', '.join(_required(kind))}")
    try:
        return _KINDS[kind](**parameters)
    except ValueError as error:
        raise ValueError(f"belief {kind}: {error}") from None


def _required(kind: str) -> list[str]:
    parameters = inspect.signature(_KINDS[kind]).parameters
    return [key for key, parameter in parameters.items() if parameter.default is parameter.empty]
