"""Choice of the policies that a comparison covers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..dp.problem.problem import Problem
from ..posteriors.foundation.kinds import WrongKind, is_ordered
from ..posteriors.foundation.messages import listed, raise_faults, shown
from ..posteriors.foundation.plugins import source_of
from .policy import Policy
from .registry import label, make_policy, policy_names

__all__ = ["choose_policies"]

# Policies that a message lists.
_MOST_NAMES = 12
# Rows of tables beside those of policies.
_ROWS = ("optimum", "no labels", "lagrangian bound", "clairvoyant bound", "bounds")


def choose_policies(
    problem: Problem,
    policies: Sequence[str | Policy] | None,
    usual: Sequence[str] | None = None,
    *,
    planning: bool = True,
    require: Callable[[Policy], object] = lambda policy: None,
) -> tuple[list[Policy], list[str]]:
    """Policies to compare, and one remark on each that is left out.

    Parameters
    ----------
    problem : Problem
    policies : sequence of names or policies, optional
        Default: every registered policy that applies to the problem; one that does not handle its size or kind is left
        out. A policy that is asked for is never left out: if it does not apply, that is an error.
    usual : sequence of names, optional
        Names that replace every registered one as the default.
    planning : bool
        Include policies that plan every label in the default.
    require : callable, optional
        Called with each policy; raises ``ValueError`` or ``TypeError`` for one that the comparison cannot use.

    Returns
    -------
    policies : list of Policy
    remarks : list of str
        Reason why a policy is left out, one for each.

    Raises
    ------
    ValueError
        For an unknown or repeated name, an empty choice, or a policy that was asked for and does not apply;
        ``ProblemTooLarge`` where the problem is too large for it.
    """
    if policies is None:
        asked: Sequence[str | Policy] = policy_names() if usual is None else usual
    else:
        asked = [policies] if isinstance(policies, (str, Policy)) else policies
        if not is_ordered(asked):
            raise WrongKind(f"policies is {shown(asked)}; it must be a sequence of policies or their names")
    chosen, remarks = [], []
    faults: list[Exception | SystemExit] = []
    for p in asked:
        try:
            chosen.append(make_policy(p))
        except (Exception, SystemExit) as error:
            faults.append(error)
            remarks.append(f"{p} left out: {_said(error)}")
    if policies is not None:
        raise_faults(faults)
    if not chosen:
        raise ValueError(f"no policy was chosen; known: {listed(policy_names(), _MOST_NAMES, quoted=False)}")
    labels = [label(p) for p in chosen]
    for name in labels:
        if name in _ROWS:
            raise ValueError(f"policy {shown(name)} has the name of another row of the tables; give it another one")
        if labels.count(name) > 1:
            same = [p for p, x in zip(chosen, labels, strict=True) if x == name]
            unlike = any(p != same[0] for p in same)
            more = ", for policies that are not equal; give their classes different names" if unlike else ""
            raise ValueError(f"policy {shown(name)} is given {len(same)} times{more}")
    kept = []
    for policy in chosen:
        if policies is None and policy.planning and not planning:
            remarks.append(f"{policy.name} left out: it plans every label, which takes long; ask for it by name")
            continue
        try:
            policy.require(problem)
            require(policy)
            kept.append(policy)
        except (Exception, SystemExit) as error:
            # A policy of another package may raise anything.
            if policies is not None:
                raise
            remarks.append(f"{policy.name} left out: {_said(error)}")
    return kept, remarks


def _said(error: BaseException) -> str:
    """Message of an error, with its type where a policy of another package raised it."""
    if isinstance(error, (ValueError, TypeError)):
        return str(error)
    return f"{source_of(error) or 'its check'} raised {type(error).__name__}: {error}"
