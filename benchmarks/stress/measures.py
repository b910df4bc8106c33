r"""Measures of a stress test, the same for exact values and for simulated ones.

Let q_i be the tail probability that the planner *states* at the end, p_i the true one (in simulated runs the truth
itself, 0 or 1), v_i the weight, and let q_i determine the decision "learnable" or not:

    accuracy           sum v [p if decided learnable, else 1-p] / sum v
    claimed_accuracy   sum v [q if decided learnable, else 1-q] / sum v      the planner's belief about accuracy
    decisive           sum v 1{q >= 1-eps or q <= eps} / sum v               (Lemma 2026, section 10)
    decisive_right     the part of it whose decision is correct
    decisive_low, _high    decisive share of the weight of each slice
    payoff             sum v S(q, p), the score of stating q if p is true; h(p) if q = p
    claimed_payoff     sum v h(q)
    loss               payoff of a planner who knows nature minus payoff (exact); in simulated runs
                       sum v (h(p) - S(q, p)), the loss of the decisions alone
    already_right      share of the labels that were bought of an item whose decision was already correct

The *high* slice contains the items on which the reference must be overruled, c > 0. If these are none or all of the
items, it contains those with c above the median. Two faults have names. *Illusory coverage* is decisive mass with wrong
decisions (decisive minus decisive_right), or decisive mass on the low slice while weight on the high one is unresolved.
*Chasing noise* is buying labels that cannot improve a decision: those of ``already_right``. Some such labels are
unavoidable; what matters is how many more of them a policy buys than one that chooses at random.

All these are sums over items of terms that depend on the item's own q and p. If labels have rewards, these are added to
the two payoffs.
"""

from __future__ import annotations

import numpy as np

from ...dp.problem.problem import Problem
from ...posteriors.foundation.arrays import Bools, Floats
from ...posteriors.foundation.tolerances import above
from ...posteriors.scores import decisions_right, item_scores

__all__ = ["high_slice", "worths"]


def high_slice(problem: Problem) -> Bools:
    """Mask of items on which the reference must be overruled, shape (N,); see the module's docstring.

    Examples
    --------
    >>> high_slice(Problem([0.4, 0.5, 0.6], budget=2)), high_slice(Problem([0.6, 0.7, 0.9], budget=2))
    (array([False, False,  True]), array([False, False,  True]))
    """
    c = problem.log_ratio
    # A threshold of 1/2 has a log-ratio of 0 up to rounding.
    over = above(c, 0.0)
    return np.asarray(over if 0 < over.sum() < len(c) else c > np.median(c))


def worths(problem: Problem, stated: Floats, true: Floats, eps: float) -> dict[str, Floats]:
    """Contribution of each item to each measure at the end, as a function of its tails.

    Parameters
    ----------
    problem : Problem
    stated, true : ndarray, shape (N, ...)
        Tails that the planner states, and true ones.
    eps : float
        Level at which a belief is decisive.

    Returns
    -------
    dict of str to ndarray, shape (N, ...)
        Contributions by the name of the measure.

    Examples
    --------
    >>> found = worths(Problem([0.5, 0.7], 3), np.array([0.99, 0.6]), np.array([1.0, 0.0]), 0.05)
    >>> {name: float(x.sum()) for name, x in found.items() if name in ("accuracy", "decisive", "decisive_right")}
    {'accuracy': 0.5, 'decisive': 0.5, 'decisive_right': 0.5}
    """
    shape = (problem.size,) + (1,) * (stated.ndim - 1)
    weight, high = problem.weight, high_slice(problem)

    def share(members: Bools | None) -> Floats:
        part = weight if members is None else weight * members
        return (part / part.sum() if part.any() else np.full(problem.size, np.nan)).reshape(shape)

    whole, scores = share(None), item_scores(problem.utility, stated, true, eps)
    with np.errstate(all="ignore"):
        paid = weight.reshape(shape) * problem.utility.score(stated, true)
    return {
        "accuracy": whole * scores.right,
        "claimed_accuracy": whole * decisions_right(problem.utility, stated, stated),
        "decisive": whole * scores.decisive,
        "decisive_right": whole * scores.decisive_right,
        "decisive_low": share(~high) * scores.decisive,
        "decisive_high": share(high) * scores.decisive,
        "payoff": paid,
        "claimed_payoff": weight.reshape(shape) * problem.utility(stated),
    }
