"""Policies by their registered names, for the functions of this floor.

The policies stand on a floor above, which this one cannot import. So the dependency is turned round: the floor that has
the policies hands in the function that reads their names. ``seqaudit.evaluate(problem, "kg")`` loads that floor when it
meets a name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...posteriors.foundation.kinds import WrongKind
from ...posteriors.foundation.messages import shown

__all__ = ["policy_of", "read_names_by"]

_readers: list[Callable[[str], Any]] = []


def read_names_by(reader: Callable[[str], Any]) -> None:
    """Hand in the function that makes a policy of its name; the last one handed in is used."""
    _readers[:] = [reader]


def policy_of(policy: Any) -> Any:
    """Policy of a registered name; any other object unchanged.

    Raises
    ------
    ValueError
        For a name that is not known, and for any name before the floor that has the policies is loaded.
    """
    if isinstance(policy, (bytes, dict, list, set, tuple)):
        raise WrongKind(f"policy is {shown(policy)}; it must be one policy, or the name of one")
    if not isinstance(policy, str):
        return policy
    if not _readers:
        raise WrongKind(f"policy is {shown(policy)}; names of policies are known once seqaudit.bandits is imported")
    return _readers[0](policy)
