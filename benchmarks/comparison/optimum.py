r"""Optimal value of a problem and its expected labels: exact for small problems, certified for large ones.

Exact: backward induction gives the value and the optimal items of every state, and a forward pass from the start gives
the probability of each state. A state of probability P in which item i is labelled with probability pi_i passes P pi_i
mu_i(n_i, w_i) on to the state with one more win and P pi_i (1 - mu_i(n_i, w_i)) to that with one more loss, where mu_i
is the mean under the *prior* and the labels so far. So item i is labelled

    E labels_i = sum over states of P pi_i

times. Items that are equally good are labelled with equal probability.

Certified: the lower bound is a policy's simulated value, with its standard error; the upper bound is the Lagrangian one
(``bandits.certify``); labels are the means of that policy in the same simulated runs.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ...bandits.choice import choose_policies
from ...bandits.policies.exact import Exact
from ...bandits.policy import Policy
from ...bandits.simulation.certify import USUAL, certify
from ...bandits.simulation.simulate import simulate
from ...dp.evaluation.forward import expected_labels
from ...dp.exact.scope import small_enough
from ...dp.problem.problem import Problem
from ...posteriors.foundation.arrays import Floats
from ...posteriors.foundation.seeds import Seed

__all__ = ["Optimum", "optimum_of"]


@dataclass(frozen=True, eq=False)
class Optimum:
    """Optimal value, or bounds on it, and the expected labels.

    If a problem is too large to be solved, a simulated policy takes the place of the optimal one.

    Attributes
    ----------
    prior_value : float
        Value of buying no label.
    lower, standard_error, upper : float
        The optimum, 0 and the optimum if ``method`` is "exact"; else a policy's value, its standard error and an upper
        bound on every policy's value.
    labels : ndarray, shape (N,)
        Expected labels of each item under the optimal policy or the simulated one.
    method : {"exact", "certified"}
    """

    prior_value: float
    lower: float
    standard_error: float
    upper: float
    labels: Floats = field(repr=False)
    method: str


def optimum_of(
    problem: Problem,
    *,
    exact: bool | None = None,
    policy: str | Policy | None = None,
    replications: int = 8,
    seed: Seed = 7,
) -> Optimum:
    """Find the optimal value and the expected labels of each item, exactly or between bounds.

    Parameters
    ----------
    problem : Problem
    exact : bool, optional
        Default: True if there are at most 12 items and two million states, and labels are bought one at a time.
    policy : Policy or registered name, optional
        Policy that is simulated if the answer is not exact; default "gittins", or "variance-reduction" where that one
        does not apply.
    replications : int
        Simulated runs, at least 2.
    seed : int or SeedSequence
        Seed of the simulation.

    Returns
    -------
    Optimum

    Raises
    ------
    ProblemTooLarge
        If ``exact`` is True and the problem is too large.
    ValueError
        For unknown policies, and for ``exact`` with batches.

    Examples
    --------
    >>> found = optimum_of(Problem([0.5, 0.5, 0.9], budget=6))
    >>> found.method, round(found.lower, 6), found.labels.round(3)
    ('exact', 2.525, array([2.727, 2.727, 0.546]))
    """
    if exact is None:
        exact = small_enough(problem)
    if exact:
        best = Exact()
        best.require(problem)
        value = best.solution(problem).value
        labels = expected_labels(problem, best)
        return Optimum(problem.prior_value, value, 0.0, value, labels, "exact")
    if policy is None:
        policy = choose_policies(problem, None, USUAL)[0][0]
    found = certify(problem, policy, replications=replications, seed=seed, exact=False)
    # The same seed gives the same runs as in the certificate.
    labels = simulate(problem, policy, replications=replications, seed=seed).labels
    return Optimum(problem.prior_value, found.lower, found.standard_error, found.upper, labels, "certified")
