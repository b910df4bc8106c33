r"""Thompson sampling for thresholds: draw the truth from the beliefs, and label an item whose decision it contradicts.

A rate drawn from item i's belief lies above the threshold with probability p_i. If the drawn indicator is z, the
present statement about the item loses, compared with stating z,

    r_i(z) = v_i [h(z) - S(p_i, z)] / kappa_i        S(q, z) the payoff of stating q where z is true.

Under accuracy r_i is v_i / kappa_i where the indicator disagrees with the decision and 0 where it agrees, and the rule
labels an item of largest weight whose sampled indicator disagrees. Only the indicator of a drawn rate matters, so r_i
takes two values, and the probability that item i has the largest is a finite sum, computed without drawing. Ties are
shared equally by an integral over a polynomial (``kernels.sampling``): a Gauss rule of at most 64 nodes is exact, to
rounding, for up to 128 tied items.

A sample that disagrees with no decision selects no item, and is drawn again: the probabilities are conditional on some
r_i > 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from threading import local
from typing import ClassVar

import numpy as np

from ...dp.problem.problem import Problem
from ...dp.problem.states import known_states
from ...posteriors.foundation.arrays import Bools, Floats, Ints
from ...posteriors.utilities import Utility
from ..kernels import sampling as _kernels
from ..policy import JointPolicy, refuse_first
from ..state_cache import ItemNumbers

__all__ = ["Thompson", "gauss_rule", "recalled", "sampled_chances"]

# Logarithms that a thread keeps, of 8 bytes each.
_MOST_KEPT = 4_000_000
_KEPT = local()


@lru_cache(maxsize=64)
def gauss_rule(items: int) -> tuple[Floats, Floats]:
    """Nodes and weights on [0, 1] for polynomials of degree ``items - 1``, or for 128 items where there are more."""
    nodes, weights = np.polynomial.legendre.leggauss(min(64, (items + 1) // 2))
    return (nodes + 1.0) / 2.0, weights / 2.0


def recalled(rows: int, items: int, nodes: int) -> _kernels.Recalled:
    """Intermediate results that the kernel keeps for this thread's next question of the same size."""
    places = max(1, min(rows, _MOST_KEPT // (items * nodes)))
    kept: _kernels.Recalled | None = getattr(_KEPT, "recalled", None)
    if kept is None or kept.logs.shape[1:] != (items, nodes) or len(kept.logs) < places:
        value, state = np.full((places, 2 * items), np.nan), np.full((places, items, 2), np.nan)
        order = np.empty((places, 2 * items), dtype=np.int64)
        kept = _KEPT.recalled = _kernels.Recalled(value, order, state, np.empty((places, items, nodes)))
    return kept


@lru_cache(maxsize=4)
def _tails(problem: Problem) -> ItemNumbers:
    def rule(items: Ints, labels: Ints, wins: Ints) -> Floats:
        states = known_states(problem, items, labels.astype(np.float64), wins.astype(np.float64))
        return np.clip(states.tail, 0.0, 1.0)

    return ItemNumbers(rule)


def sampled_chances(problem: Problem, counts: Ints, wins: Ints, usable: Bools) -> Floats:
    """Probability that each item has the largest sampled loss per unit of cost, given that one is positive, (S, N)."""
    p = _tails(problem).at(counts, wins)
    utility = problem.utility
    with np.errstate(all="ignore"):
        if type(utility).score is Utility.score:
            # Callables, say, do not give the payoff of a statement under another truth: a wrong decision costs the
            # weight.
            decided = utility.decide(p)
            won, lost = (~decided).astype(np.float64), decided.astype(np.float64)
        else:
            ones, zeros = np.ones_like(p), np.zeros_like(p)
            won = utility(ones) - utility.score(p, ones)
            lost = utility(zeros) - utility.score(p, zeros)
    # A loss under a truth of probability zero may be infinite, and never occurs.
    won, lost = (np.where(np.isfinite(x), np.maximum(x, 0.0), 0.0) for x in (won, lost))
    price = problem.weight / problem.cost
    swap = lost > won
    high, low = np.where(swap, lost, won) * price, np.where(swap, won, lost) * price
    chance, out = np.where(swap, 1.0 - p, p), np.empty(p.shape)
    able = np.require(usable, np.bool_, ["C", "W"])
    nodes, weights = gauss_rule(problem.size)
    _kernels.largest_of_two_point(
        high, low, chance, able, nodes, weights, recalled(len(p), problem.size, len(nodes)), out
    )
    return out


@dataclass(frozen=True)
class Thompson(JointPolicy):
    """Draw every item's indicator from its belief, and label the item whose decision loses most by it.

    Rule: draw z_i = 1{alpha_i > t_i} from each belief; label an item of largest v_i [h(z_i) - S(p_i, z_i)] / kappa_i,
    where S(q, z) is the payoff of stating q where z is true; draw again where all are zero. Under accuracy: the largest
    weight among the items whose sampled indicator disagrees with the decision. Under a utility without a score, such as
    a callable, a wrong decision costs the weight. Source: Thompson (1933); departures: the sample is scored by its cost
    to the present decision, since labels are not rewards here, and a sample that contradicts no decision is drawn
    again. Its probabilities are a finite sum, exact to rounding where at most 128 items tie.

    Raises
    ------
    ValueError
        For ``ties="first"``.

    Examples
    --------
    >>> import numpy as np
    >>> import seqaudit as sa
    >>> none = np.zeros((1, 2), dtype=int)
    >>> sa.Thompson().scores(sa.Problem([0.5, 0.7], budget=4), none, none).round(6).tolist()
    [[0.653846, 0.346154]]
    """

    name: ClassVar[str] = "thompson"

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_first(self)

    def action_probabilities(self, problem: Problem, counts: Ints, wins: Ints, usable: Bools) -> Floats:
        """Probability of labelling each item, shape (S, N)."""
        return sampled_chances(problem, counts, wins, usable)
