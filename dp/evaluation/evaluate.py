r"""Exact value of a policy: backward induction with the policy's choice in place of the maximum.

If the policy labels item i with probability pi_i(n, w) in state (n, w), its value satisfies

    V(n, w) = sum_i pi_i(n, w) [ mu_i V(n + e_i, w + e_i) + (1 - mu_i) V(n + e_i, w) ],

with the same terminal payoff as the optimum. This is policy evaluation in the sense of Howard (1960), without
simulation.

Index policies are evaluated backwards in this way. A joint policy may take long to choose in a state, and reaches few
states. It is evaluated forwards: with P(s) the probability of reaching state s and d_i the gain of a label,

    V - (payoff of no label) = sum_s P(s) sum_i pi_i(s) d_i(s),

a sum over the states that the policy reaches, in each of which it chooses once.

**Under another nature.** The policy chooses labels and decides by the problem's own beliefs, the *working* model.
Labels are drawn with the means of another belief, *nature*, and decisions are paid by nature's tail probabilities. With
S(q, p) the payoff of stating q when p is true, S(p, p) = h(p), the same recursion holds with nature's mu and the
terminal payoff sum_i v_i S(p_i^working, p_i^nature). The loss against a planner who knows nature splits exactly:

    V*(nature) - V  =  [V*(nature) - V_d]  +  [V_d - V],

where V_d is the value of the same choices of labels with decisions by nature's tail probabilities. The first bracket is
the loss from labelling the wrong items, the second the loss from wrong decisions. Neither is negative for decision
utilities and proper scores.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...posteriors.beliefs.belief import Belief
from ...posteriors.foundation.arrays import Floats, Ints
from ...posteriors.foundation.kinds import checked
from ...posteriors.foundation.messages import named, shown
from ...posteriors.foundation.progress import Progress, progress_of
from ..exact.lattice import Lattice, Layer
from ..exact.solve import solve
from ..exact.sweep import sweep
from ..kernels import policy as _kernels
from ..problem.problem import Problem
from ..problem.states import states_of_item
from ..problem.tables import Tables, tables_of
from ..shared.evaluate import evaluate_shared
from ..shared.problem import SharedProblem
from .asking import policy_name
from .choices import Choices, IndexChoices, choices_of
from .evaluation import Evaluation
from .forward import carry_forward, require_evaluation
from .named import policy_of

__all__ = ["evaluate", "natural_problem", "score_tables"]


@checked
def evaluate(
    problem: Problem | SharedProblem,
    policy: Any,
    *,
    nature: Belief | Sequence[Belief] | None = None,
    threads: int | None = None,
    progress: Progress | bool | None = None,
) -> Evaluation:
    """Exact expected payoff of a policy on a problem.

    It is computed from all states that the policy can reach, without simulation.

    Parameters
    ----------
    problem : Problem or SharedProblem
    policy : index policy, joint policy or registered name
        Object with ``index``, ``index_scale`` and ``ties``, or with ``action_probabilities``; see
        ``seqaudit.bandits.policy``. For a ``SharedProblem``, a rule: a function of ``SharedStates`` that returns the
        worth of a label of each query, or an object with ``scores`` or ``probabilities``.
    nature : Belief or sequence of Belief, optional
        True distribution of the items' rates, if it differs from the problem's beliefs; one for all or one for each.
    threads, progress
        As for ``solve``.

    Returns
    -------
    Evaluation

    Raises
    ------
    ProblemTooLarge
        If the lattice does not fit in memory; use ``simulate``.
    TypeError
        For an object that is neither kind of policy, such as a policy's class.
    ValueError
        For an unknown name of a policy, an index that is not finite, invalid probabilities, a problem with batches, a
        nature of the wrong length, or a nature with a utility that does not define a payoff under another truth.

    Examples
    --------
    >>> import seqaudit as sa
    >>> problem = sa.Problem([0.5, 0.5], budget=10)
    >>> round(sa.evaluate(problem, sa.OptimisticKG()).value, 10)
    1.7057291667
    >>> result = sa.evaluate(problem, sa.OptimisticKG(), nature=sa.NoisyBeta(1, 1, flip=0.2))
    >>> round(result.value, 4), round(result.asked_wrongly, 4), round(result.decided_wrongly, 4)
    (1.5169, 0.0005, 0.0)
    """
    if isinstance(problem, SharedProblem):
        if nature is not None:
            raise ValueError("nature is given, but that of a SharedProblem is its prior; allowed: None")
        return evaluate_shared(problem, policy, progress=progress)
    begin = time.perf_counter()
    policy, told = policy_of(policy), progress_of(progress, "evaluating")
    lattice = require_evaluation(problem, policy)
    choices = choices_of(problem, policy)
    best_decisions = optimum = None
    if nature is None:
        prior = problem.prior_value
        value = prior + _advantages(lattice, choices, [tables_of(problem)], threads, told)[0]
    else:
        true = natural_problem(problem, nature)
        working, right = score_tables(problem, true)
        means = [states_of_item(true, i).mean for i in range(problem.size)]
        stated, known = tables_of(true, means, working), tables_of(true, means, right)
        prior = float(stated.payoff[:, 0, 0].sum())
        as_told, as_known = _advantages(lattice, choices, [stated, known], threads, told)
        value, best_decisions = prior + as_told, float(known.payoff[:, 0, 0].sum()) + as_known
        optimum = solve(true, threads=threads).value
    seconds = time.perf_counter() - begin
    return Evaluation(policy_name(policy), value, prior, lattice.states, seconds, best_decisions, optimum)


def natural_problem(problem: Problem, nature: Belief | Sequence[Belief]) -> Problem:
    """Problem of a planner who knows nature: the same problem with nature as its prior."""
    given = [nature] * problem.size if isinstance(nature, Belief) else nature
    if not isinstance(given, Sequence) or not all(isinstance(x, Belief) for x in given):
        raise ValueError(f"nature is {shown(nature)}; it must be a belief, or a list of beliefs")
    if len(given) != problem.size:
        raise ValueError(f"nature has {len(given)} beliefs; it must have one for each of the {problem.size} items")
    return problem.replace(prior=given)


def score_tables(problem: Problem, true: Problem) -> tuple[list[Floats], list[Floats]]:
    """Payoffs of each item under nature, [labels, wins], with decisions by the working model and by nature."""
    working, right = [], []
    for i in range(problem.size):
        stated, states = states_of_item(problem, i).tail, states_of_item(true, i)
        inside = np.tri(len(stated), dtype=bool)
        with np.errstate(all="ignore"):
            scored = true.utility.score(stated, states.tail)
        n, w = np.nonzero(inside & ~np.isfinite(scored))
        if n.size:
            raise ValueError(
                f"{named(problem.name[i])}: after {n[0]} labels with {w[0]} wins the working model is certain and "
                f"nature is not, so the utility {problem.utility.name} pays {scored[n[0], w[0]]}"
            )
        extra = states.reward * states.wins
        working.append(np.where(inside, states.weight * np.where(inside, scored, 0.0) + extra, 0.0))
        right.append(states.payoff)
    return working, right


def _advantages(
    lattice: Lattice,
    choices: Choices,
    tables: Sequence[Tables],
    threads: int | None,
    progress: Progress | None,
) -> list[float]:
    """Advantage at the start under these choices, for the gains of each of ``tables``, whose means are equal."""
    if isinstance(choices, IndexChoices):
        return [follow(lattice, choices, x, threads, progress if k == 0 else None) for k, x in enumerate(tables)]
    asked = carry_forward(lattice, choices, tables[0].mean, threads, progress)
    return [float((asked * x.gain).sum()) for x in tables]


def follow(
    lattice: Lattice,
    choices: IndexChoices,
    tables: Tables,
    threads: int | None = None,
    progress: Progress | None = None,
) -> float:
    """Advantage at the start under an index policy's choices."""
    if lattice.depth == 0:
        return 0.0
    mean, gain = tables.mean, tables.gain

    def step(m: int, first: int, last: int, layer: Layer, target: Ints, source: Ints, values: Floats) -> None:
        index, which = choices.tables(layer)
        where = (first, last, layer.composition, target, source, mean, gain)
        _kernels.follow_index(*where, index, which, choices.scale, choices.average, values)

    return sweep(lattice, step, np.dtype(np.float64), threads, progress)
