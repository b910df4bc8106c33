"""Policies by name: the built-in ones and those that other packages register."""

from __future__ import annotations

from dataclasses import fields

from ..dp.evaluation.named import read_names_by
from ..posteriors.foundation.kinds import checked
from ..posteriors.foundation.messages import shown
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
    """Names of all registered policies, built-in ones first.

    Returns
    -------
    tuple of str
        As ``make_policy`` takes them.

    Examples
    --------
    >>> policy_names()[:3]
    ('uniform', 'round-robin', 'uncertainty')
    """
    return POLICIES.names()


@checked
def make_policy(policy: str | Policy) -> Policy:
    """Policy by its registered name, with settings in brackets where they differ from the defaults.

    Parameters
    ----------
    policy : str or Policy
        A name such as ``"kg"``, ``"lookahead(depth=3, leaf=payoff)"`` or ``"rollout(base=lookahead(depth=1))"``. A
        policy is returned as it is.

    Returns
    -------
    Policy

    Raises
    ------
    ValueError
        For an unknown name (the message suggests the nearest known one), an unknown setting, or a refused value.

    Examples
    --------
    >>> make_policy("kg")
    KnowledgeGradient(ties='random')
    >>> make_policy("top-two(leader=0.75)").leader
    0.75
    """
    if not isinstance(policy, (str, Policy)):
        raise ValueError(
            f"policy is {shown(policy)}; allowed: a registered name or a policy such as KnowledgeGradient()"
        )
    if isinstance(policy, Policy) and not isinstance(getattr(policy, "name", None), str):
        raise ValueError(f"policy {type(policy).__name__} has no name; give its class one, as in name = 'mine'")
    return POLICIES.make(policy)


def label(policy: Policy) -> str:
    """Name of a policy in tables, with settings that differ from the defaults, as ``make_policy`` reads it."""
    changed = {}
    for field in fields(policy):
        value = getattr(policy, field.name)
        if value != field.default:
            changed[field.name] = label(value) if isinstance(value, Policy) else value
    return write_name(policy.name, changed)


read_names_by(make_policy)
