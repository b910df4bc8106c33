"""Policies by name: the built-in ones and those that other packages register.

A package registers a policy class in its own metadata, in the entry-point group ``seqaudit.policies``:

    [project.entry-points."seqaudit.policies"]
    boldest = "my_package:Boldest"
"""

from __future__ import annotations

import difflib
import warnings
from dataclasses import fields
from functools import cache
from importlib.metadata import entry_points

from ..posteriors.settings import read_settings, split_name
from .apt import APT
from .audit_index import AuditIndex
from .exact import Exact
from .exploring import EpsilonAudit, SoftmaxAudit
from .gittins import Gittins
from .high_logratio import HighLogRatio
from .kg_star import KGStar
from .knowledge_gradient import KnowledgeGradient
from .lagrangian import Lagrangian
from .linear_gain import LinearGain
from .lookahead import Lookahead
from .lsa import LSA
from .optimistic_kg import OptimisticKG
from .policy import Policy
from .rollout import Rollout
from .round_robin import RoundRobin
from .thompson import Thompson
from .top_two import TopTwo
from .tree_search import TreeSearch
from .uncertainty import UncertaintySampling
from .uniform import Uniform
from .variance_reduction import VarianceReduction
from .whittle import Whittle

__all__ = ["make_policy", "policy_names", "registered_policies"]

GROUP = "seqaudit.policies"
_BUILT_IN: tuple[type[Policy], ...] = (
    Uniform,
    RoundRobin,
    UncertaintySampling,
    HighLogRatio,
    AuditIndex,
    LinearGain,
    KnowledgeGradient,
    OptimisticKG,
    VarianceReduction,
    KGStar,
    Gittins,
    Whittle,
    Lagrangian,
    APT,
    LSA,
    Thompson,
    TopTwo,
    EpsilonAudit,
    SoftmaxAudit,
    Lookahead,
    Rollout,
    TreeSearch,
    Exact,
)


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
