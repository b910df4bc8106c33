"""Policies by name: the built-in ones and those that other packages register.

A package registers a policy class in its own metadata, in the entry-point group ``seqaudit.policies``:

    [project.entry-points."seqaudit.policies"]
    boldest = "my_package:Boldest"
"""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Callable, Sequence
from dataclasses import fields
from functools import cache
from importlib.metadata import entry_points

from ..dp.problem.problem import Problem
from ..posteriors.foundation.names import read_settings, split_name
from .policy import Policy

__all__ = ["add_built_in", "choose_policies", "label", "make_policy", "policy_names", "registered_policies"]

GROUP = "seqaudit.policies"
_BUILT_IN: list[type[Policy]] = []


def add_built_in(policies: Sequence[type[Policy]]) -> None:
    """Make policies known by their names, before those of other packages."""
    _BUILT_IN.extend(policies)


@cache
def registered_policies() -> dict[str, type[Policy]]:
    """Policy classes by name, built-in ones first.

    Raises
    ------
    TypeError
        When an entry point offers something that is not a policy class.
    ValueError
        When two packages claim one name, or an entry point's name is not its policy's.

    Examples
    --------
    >>> registered_policies()["kg"].__name__
    'KnowledgeGradient'
    """
    found: dict[str, type[Policy]] = {cls.name: cls for cls in _BUILT_IN}
    for entry in sorted(entry_points(group=GROUP), key=lambda e: e.name):
        try:
            cls = entry.load()
        except ImportError as error:
            # One broken package must not take everybody's policies away.
            warnings.warn(f"policy {entry.name} = {entry.value} cannot be imported: {error}", stacklevel=2)
            continue
        if not (isinstance(cls, type) and issubclass(cls, Policy)):
            raise TypeError(f"entry point {entry.name} = {entry.value} in {GROUP} is not a Policy class")
        if getattr(cls, "name", None) != entry.name:
            raise ValueError(f"entry point {entry.name} = {entry.value} in {GROUP} offers a policy of another name")
        if entry.name in found:
            raise ValueError(f"policy name {entry.name!r} is claimed by {found[entry.name]} and by {cls}")
        found[entry.name] = cls
    return found


def policy_names() -> tuple[str, ...]:
    """Names of all registered policies.

    Examples
    --------
    >>> policy_names()[0]
    'uniform'
    """
    return tuple(registered_policies())


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
    if isinstance(policy, Policy):
        return policy
    if not isinstance(policy, str):
        raise ValueError(f"policy is {policy!r}; allowed: a registered name or a policy such as KnowledgeGradient()")
    known = registered_policies()
    name, inside = split_name(policy)
    if name not in known:
        near = difflib.get_close_matches(name, known, 1, cutoff=0.0)[0]
        raise ValueError(f"policy {name!r} is not known; did you mean {near!r}? (known: {', '.join(known)})")
    allowed = [field.name for field in fields(known[name]) if field.init]
    return known[name](**read_settings(f"policy {policy!r}", inside, allowed))


def choose_policies(
    problem: Problem,
    policies: Sequence[str | Policy] | None,
    usual: Sequence[str] | None = None,
    *,
    planning: bool = True,
    require: Callable[[Policy], object] = lambda policy: None,
) -> tuple[list[Policy], list[str]]:
    """Policies to compare, and a line on each that was left out.

    Parameters
    ----------
    problem : Problem
    policies : sequence of names or policies, optional
        Default: every registered one, without those that cannot be had for the problem: it is too large for them, or of
        a kind that they are not made for. A policy that is asked for is never left out: if it cannot be had, that is
        an error.
    usual : sequence of names, optional
        What stands for every registered one where no policy is asked for.
    planning : bool
        Whether policies that plan every label are among them.
    require : callable, optional
        Raises for a policy that cannot be had for what is to be done with it.

    Raises
    ------
    ValueError
        For an unknown or repeated name, an empty choice, or a policy that was asked for and cannot be had;
        ``ProblemTooLarge`` where that is for the problem's size.
    """
    if policies is None:
        asked: Sequence[str | Policy] = policy_names() if usual is None else usual
    else:
        asked = [policies] if isinstance(policies, (str, Policy)) else policies
    chosen = [make_policy(p) for p in asked]
    if not chosen:
        raise ValueError(f"no policy was chosen; known: {', '.join(policy_names())}")
    labels = [label(p) for p in chosen]
    for name in labels:
        if labels.count(name) > 1:
            raise ValueError(f"policy {name!r} is given {labels.count(name)} times")
    kept, remarks = [], []
    for policy in chosen:
        if policies is None and policy.planning and not planning:
            remarks.append(f"{policy.name} left out: it plans every label, which takes long; ask for it by name")
            continue
        try:
            policy.require(problem)
            require(policy)
            kept.append(policy)
        except (ValueError, TypeError) as error:
            if policies is not None:
                raise
            remarks.append(f"{policy.name} left out: {error}")
    return kept, remarks


def label(policy: Policy) -> str:
    """Name of a policy in tables, with its settings where they are not the usual ones, as ``make_policy`` reads it."""
    changed = []
    for field in fields(policy):
        value = getattr(policy, field.name)
        if value != field.default:
            changed.append(f"{field.name}={label(value) if isinstance(value, Policy) else value}")
    return f"{policy.name}({', '.join(changed)})" if changed else policy.name
