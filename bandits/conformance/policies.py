"""Conformance suite for policies: checks of the contract, for authors in this package and in others.

A policy that passes behaves the same wherever it is used: its exact value, its simulated value, its replay on real
labels and its questions in a session agree. No test framework is needed:

>>> import seqaudit as sa
>>> sa.check_policy(sa.VarianceReduction())

No output means success. Otherwise ``ConformanceError`` has one line for each clause that failed: the clause, the
problem and the state where it failed, the value found and the value expected. The clauses, in the order in which they
are checked:

=================  ====================================================================================================
name               lower-case letters, digits, dots, hyphens and underscores, a letter first
pickle             equals what comes back from ``pickle``, as worker processes need it
index-scale        a finite number, at least 0
states             ``index`` leaves the arrays it is shown as they were
index              one finite number for each state
elementwise        the index of a state is the same among others, in another order, in one item's table, and alone
anytime            the index of a class that says so is the same with half the budget
probabilities      a joint policy leaves arrays alone and gives weights, which are divided by their sum: finite, from 0,
                   and more than 0 for some item that can be labelled; weights of other items are ignored
counts             ``scores`` leaves ``counts`` and ``wins`` as they were
scores             shape (R, N), finite
scores-index       the scores of a policy with an index are its index
choice             labels go to available items, until none is available or the policy stops
seed               the same seed gives the same choices
replications       replication r makes the same choices beside any number of others
optimum            the exact value is not above the optimum
prior              the exact value is not below that of buying nothing, as every utility here is convex
simulation         the simulated mean is within four standard errors of the exact value
=================  ====================================================================================================

The last three are for policies that have an exact value: those with an index, and joint policies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache, partial
from typing import Any

from ...dp.evaluation.choices import SupportsIndex, SupportsProbabilities
from ...dp.problem.problem import Problem
from ...posteriors.conformance.suite import Case, ConformanceError, Scene, Test, cases_of, check
from ...posteriors.conformance.values import naming, pickling
from ...posteriors.foundation.kinds import checked
from ...posteriors.foundation.plugins import text_of
from ..policy import Policy
from .choices import CHOICE_CLAUSES, PROBABILITY_CLAUSES, VALUE_CLAUSES, exact_value
from .indices import INDEX_CLAUSES, SCORE_CLAUSES
from .problems import conformance_problems

__all__ = ["ConformanceError", "check_policy", "conformance_problems", "policy_cases"]


@checked
def check_policy(policy: Policy, *, seed: int = 7, problems: Mapping[str, Problem] | None = None) -> None:
    """Check a policy against every clause of the contract.

    Each clause is checked on the problems of ``conformance_problems``, or on those given. On one problem the checks end
    at the first clause that fails, because later ones depend on it; each clause is reported once, for the first problem
    where it fails.

    Parameters
    ----------
    policy : Policy
        A policy, not its class. With neither an index nor probabilities it has no exact value, and only the other
        clauses are checked.
    seed : int
        Seed of the simulations. A policy that keeps the contract fails the clause ``simulation`` by chance for about 4
        seeds in 10,000 (four standard errors on each of six problems); with the same seed the verdict is always the
        same.
    problems : mapping of str to Problem, optional
        Small problems by name, for a policy that holds data on each item and so fits problems of one size: some of
        ``conformance_problems``, or your own. The clause ``prior`` requires convex utilities.

    Raises
    ------
    ConformanceError
        An ``AssertionError`` with one line for each clause that failed.
    ValueError
        For ``problems`` that are not a mapping of names to problems.

    Examples
    --------
    An index that depends on other items fails:

    >>> import seqaudit as sa
    >>> class Share(sa.AuditIndex):
    ...     name = "share"
    ...     def index(self, states):
    ...         index = states.weight * states.tail * (1 - states.tail)
    ...         return index / index.sum()
    >>> try:
    ...     sa.check_policy(Share())
    ... except sa.ConformanceError as error:
    ...     print(error.faults[-1])  # doctest: +ELLIPSIS
    elementwise: problem 'unequal', item 1 after 0 labels and 0 wins: index is ... among 84 states and ... in one ...
    """
    check(_scenes(policy, seed, problems))


@checked
def policy_cases(
    policies: Mapping[str, Policy] | Iterable[Policy],
    *,
    seed: int = 7,
    problems: Mapping[str, Problem] | None = None,
) -> list[Case]:
    """One callable for each clause of each policy, for parametrised tests.

    Parameters
    ----------
    policies : mapping of str to Policy, or iterable of Policy
        Policies, by the names to use for the tests; default: the names of the policies.
    seed, problems
        As in ``check_policy``.

    Returns
    -------
    list of Case
        Each with its ``subject`` and ``clause``, which make up its ``__name__``. A call checks that clause on all
        problems and raises ``ConformanceError`` where it fails; a clause that depends on a broken one may fail with it.

    Examples
    --------
    >>> import seqaudit as sa
    >>> cases = sa.policy_cases([sa.VarianceReduction(), sa.Exact()])
    >>> cases[0], cases[-1]
    (Case(variance-reduction-name), Case(exact-simulation))
    >>> cases[0]()
    """
    return cases_of(
        policies, lambda policy: str(getattr(policy, "name", policy)), partial(_scenes, seed=seed, problems=problems)
    )


def _scenes(policy: Policy, seed: int, problems: Mapping[str, Problem] | None) -> list[Scene]:
    """The policy by itself, and on each of the problems."""
    if not isinstance(policy, Policy):
        raise ConformanceError(
            f"policy: found {text_of(policy)}; expected an instance of a subclass of seqaudit.Policy"
        )
    given = conformance_problems() if problems is None else problems
    if not isinstance(given, Mapping) or not given or not all(isinstance(x, Problem) for x in given.values()):
        raise ValueError(f"problems is {text_of(problems)}; it must be a mapping of one or more names to problems")
    scenes = [Scene("", {clause: partial(test, policy) for clause, test in _OF_ITSELF.items()}, ends_at_fault=False)]
    for name, problem in given.items():
        tests: dict[str, Test] = {
            clause: partial(test_on, policy, problem, seed)
            for clause, (kind, test_on) in _ON_A_PROBLEM.items()
            if isinstance(policy, kind)
        }
        if isinstance(policy, (SupportsIndex, SupportsProbabilities)):
            # Computed at most once for each problem.
            value = cache(partial(exact_value, policy, problem))
            tests |= {
                clause: partial(test_on, policy, problem, seed, value) for clause, test_on in VALUE_CLAUSES.items()
            }
        scenes.append(Scene(f"problem {name!r}, ", tests))
    return scenes


_OF_ITSELF: dict[str, Callable[[Policy], None]] = {
    "name": partial(naming, attribute="name"),
    "pickle": pickling,
}
_ON_A_PROBLEM: dict[str, tuple[type, Callable[[Any, Problem, int], None]]] = (
    INDEX_CLAUSES | PROBABILITY_CLAUSES | SCORE_CLAUSES | CHOICE_CLAUSES
)
