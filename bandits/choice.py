"""Policies that a comparison is made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..dp.problem.problem import Problem
from .policy import Policy
from .registry import label, make_policy, policy_names

__all__ = ["choose_policies"]


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
