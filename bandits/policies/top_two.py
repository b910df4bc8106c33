"""Top-two sampling: the item that Thompson sampling selects, or the next different one that it selects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...dp.problem.problem import Problem
from ...posteriors.foundation.arrays import Bools, Floats, Ints
from ...posteriors.foundation.refusals import probability
from ..kernels import sampling as _kernels
from ..policy import JointPolicy, refuse_first
from .thompson import sampled_chances

__all__ = ["TopTwo"]


@dataclass(frozen=True)
class TopTwo(JointPolicy):
    """Thompson sampling that labels a challenger half of the time, so that it does not settle on one item.

    Rule: the leader is the item that ``thompson`` draws. With probability ``leader`` it is labelled; otherwise samples
    are drawn until one selects another item, the challenger, which is labelled. With pi_i the probability that Thompson
    sampling labels item i,

        psi_i = pi_i [leader + (1 - leader) sum_{j != i} pi_j / (1 - pi_j)].

    Source: Russo (2016), "Simple Bayesian algorithms for best arm identification". Departure: there a sample selects
    the best arm, here the item whose sampled indicator costs its decision most.

    Parameters
    ----------
    leader : float
        Probability of labelling the leader, from 0 to 1.

    Raises
    ------
    ValueError
        For ``ties="first"``, and a probability outside 0 to 1.

    Examples
    --------
    >>> import seqaudit as sa
    >>> problem = sa.Problem([0.5, 0.7], budget=4)
    >>> always, mixed = (sa.evaluate(problem, sa.TopTwo(leader)).value for leader in (1.0, 0.5))
    >>> round(always - sa.evaluate(problem, sa.Thompson()).value, 10), round(mixed, 10)
    (0.0, 1.536442)
    """

    leader: float = 0.5
    name: ClassVar[str] = "top-two"

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_first(self)
        probability(f"{self.name}: leader", self.leader, ends=True)

    def action_probabilities(self, problem: Problem, counts: Ints, wins: Ints, usable: Bools) -> Floats:
        """Probability of labelling each item, shape (S, N)."""
        chance = sampled_chances(problem, counts, wins, usable)
        out = np.empty(chance.shape)
        _kernels.top_two(chance, float(self.leader), out)
        return out
