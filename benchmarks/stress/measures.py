r"""What a stress test measures, the same for exact values and for simulated ones.

With q_i the tail probability that the planner *states* at the end, p_i the true one (in simulated runs the truth
itself, 0 or 1), v_i the weight, and the decision "learnable" where q_i says so:

    accuracy           sum v [p if decided learnable, else 1-p] / sum v
    claimed_accuracy   sum v [q if decided learnable, else 1-q] / sum v      what the planner believes that to be
    decisive           sum v 1{q >= 1-eps or q <= eps} / sum v               (Lemma 2026, section 10)
    decisive_right     the part of it whose decision is right
    decisive_low, _high    decisive share of the weight of either slice
    payoff             sum v S(q, p), the score of what is stated where p is true; h(p) where q = p
    claimed_payoff     sum v h(q)
    loss               payoff less than that of one who knows nature (exact); in simulated runs sum v (h(p) - S(q, p)),
                       that of the decisions alone
    already_right      share of the labels that were bought of an item whose decision was right when they were bought

The *high* slice is where the reference has to be overruled, c > 0. Where no item is, or every one, it is those with c
above the median. Two faults have names of their own. *Illusory coverage* is decisive mass that is not true (decisive
less decisive_right), or decisive mass on the low slice beside unresolved weight on the high one. *Chasing noise* is
buying labels that cannot better a decision: those of ``already_right``. Some are the price of not knowing; what counts
is by how much a policy buys more of them than one that asks at random.

All these are sums over items of something that depends on the item's own q and p. Where labels have rewards, these
are added to the two payoffs.
"""

from __future__ import annotations

import numpy as np

from ...dp.problem.problem import Problem
from ...posteriors.foundation.arrays import Bools, Floats
from ...posteriors.foundation.tolerances import ROUNDING
from ...posteriors.scores import decisions_right, item_scores

__all__ = ["high_slice", "worths"]


def high_slice(problem: Problem) -> Bools:
    """Items on which the reference has to be overruled, shape (N,); see the module's docstring.

    Examples
    --------
    >>> high_slice(Problem([0.4, 0.5, 0.6], budget=2)), high_slice(Problem([0.6, 0.7, 0.9], budget=2))
    (array([False, False,  True]), array([False, False,  True]))
    """
    c = problem.log_ratio
    # A threshold of 1/2 has a log-ratio of 0 but for rounding.
    over = c > ROUNDING
    return np.asarray(over if 0 < over.sum() < len(c) else c > np.median(c))


def worths(problem: Problem, stated: Floats, true: Floats, eps: float) -> dict[str, Floats]:
    """What each item adds to each measure at the end, by its tails; arrays of the shape of the tails.

    Parameters
    ----------
    problem : Problem
    stated, true : ndarray, shape (N, ...)
        Tails that the planner states, and true ones.
    eps : float
        Level at which a belief is decisive.

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
