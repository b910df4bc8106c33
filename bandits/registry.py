"""Policies by name: the built-in ones and those that other packages register."""

from __future__ import annotations

from dataclasses import fields

from ..posteriors.foundation.names import Registry, write_name
from .policy import Policy

__all__ = ["POLICIES", "label", "make_policy", "policy_names", "registered_policies"]

POLICIES = Registry(
    Policy,  # type: ignore[type-abstract]
    "policy",
    group="seqaudit.policies",
    unknown="{called} {name} is not known{hint} (known: {known})",
)


def registered_policies() -> dict[str, type[Policy]]:
    """Policy classes by name, built-in ones first; see ``Registry.classes``.

    Examples
    --------
    >>> registered_policies()["kg"].__name__
    'KnowledgeGradient'
    """
    return POLICIES.classes()


def policy_names() -> tuple[str, ...]:
    """Names of all registered policies.

    Examples
    --------
    >>> policy_names()[0]
    'uniform'
    """
    return POLICIES.names()


def make_policy(policy: str | Policy) -> Policy:
    """Policy of a registered name, with settings in brackets if they are not the usual ones.

    Parameters
    ----------
    policy : str or Policy
        Such as ``"kg"``, ``"lookahead(depth=3, leaf=payoff)"`` or ``"rollout(base=lookahead(depth=1))"``. A policy is
        passed through.

    Raises
    ------
    ValueError
        For an unknown name, with the nearest known one, and for a setting that the policy does not have or take.

    Examples
    --------
    >>> make_policy("kg")
    KnowledgeGradient(ties='random')
    >>> make_policy("top-two(leader=0.75)").leader
    0.75
    """
    if not isinstance(policy, (str, Policy)):
        raise ValueError(f"policy is {policy!r}; allowed: a registered name or a policy such as KnowledgeGradient()")
    return POLICIES.make(policy)


def label(policy: Policy) -> str:
    """Name of a policy in tables, with its settings where they are not the usual ones, as ``make_policy`` reads it."""
    changed = {}
    for field in fields(policy):
        value = getattr(policy, field.name)
        if value != field.default:
            changed[field.name] = label(value) if isinstance(value, Policy) else value
    return write_name(policy.name, changed)
