"""Exploration on top of any policy: some labels are random, the others follow the policy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...dp.evaluation.asking import ask_allowed, ask_scale, ask_stops
from ...dp.problem.problem import Problem
from ...posteriors.foundation.arrays import Bools, Floats, Ints
from ...posteriors.foundation.messages import shown
from ...posteriors.foundation.refusals import positive, probability
from ...posteriors.foundation.tolerances import ROUNDING
from ..policies.audit_index import AuditIndex
from ..policy import JointPolicy, Policy, refuse_first
from ..scoring import chances_of, scores_of
from .based import BasedPolicy

__all__ = ["EpsilonAudit", "SoftmaxAudit"]


@dataclass(frozen=True)
class EpsilonAudit(BasedPolicy):
    """Label a random item with probability ``epsilon``, and otherwise the item that the base policy labels.

    Rule: probability epsilon / (number of items that can be labelled) + (1 - epsilon) pi_i, with pi_i the base's
    probability. Source: epsilon-greedy (Sutton and Barto 1998), an exploration budget over an index.

    Parameters
    ----------
    base : Policy or registered name
    epsilon : float
        Share of labels spent on exploration, from 0 to 1.

    Raises
    ------
    ValueError
        For an unknown base, and an ``epsilon`` outside 0 to 1.

    Examples
    --------
    >>> import seqaudit as sa
    >>> round(sa.evaluate(sa.Problem([0.5, 0.7], budget=4), sa.EpsilonAudit()).value, 10)
    1.6040585705
    """

    base: Policy | str = AuditIndex()  # noqa: RUF009 - frozen
    epsilon: float = 0.1
    name: ClassVar[str] = "epsilon-audit"
    uses_pending: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        self.with_ties_of_base()
        probability(f"{self.name}: epsilon", self.epsilon, ends=True)

    def allowed(self, problem: Problem, bought: Ints, usable: Bools) -> Bools:
        """Items that the base may label, shape (S, N)."""
        return ask_allowed(self.based_on, problem, bought, usable)

    def action_probabilities(
        self, problem: Problem, counts: Ints, wins: Ints, usable: Bools, pending: Ints | None = None
    ) -> Floats:
        """Probability of labelling each item, shape (S, N); none for items that the base may not label."""
        may = self.allowed(problem, counts if pending is None else counts + pending, usable)
        even = may / may.sum(axis=1, keepdims=True)
        chosen = chances_of(self.based_on, problem, counts, wins, may, pending)
        return np.asarray(self.epsilon * even + (1.0 - self.epsilon) * chosen)

    @property
    def stopping(self) -> bool:
        """True if the base may stop."""
        return self.based_on.stopping

    def stops(self, problem: Problem, counts: Ints, wins: Ints, usable: Bools) -> Bools:
        """Mask of the states in which the base stops, shape (S,)."""
        return ask_stops(self.based_on, problem, counts, wins, usable)


@dataclass(frozen=True)
class SoftmaxAudit(BasedPolicy):
    """Label items with probabilities that rise with the base policy's score.

    Rule: probability proportional to exp(s_i / (temperature max_j |s_j|)) over the items that can be labelled, s_i the
    base's score. The temperature is relative to the largest score, so that the amount of exploration depends neither on
    the unit of the weights nor on the decrease of scores as labels come in. Source: Boltzmann exploration (Sutton and
    Barto 1998); the relative temperature is ours.

    Parameters
    ----------
    base : Policy or registered name
        A policy with scores; a joint policy has probabilities instead, and is refused.
    temperature : float
        Positive; the limit 0 gives the base policy, and large values give uniform sampling.

    Raises
    ------
    ValueError
        For a base that is unknown or a joint policy, a ``temperature`` that is not positive, and ``ties="first"``.

    Examples
    --------
    >>> import seqaudit as sa
    >>> problem = sa.Problem([0.5, 0.7], budget=4)
    >>> {x: round(sa.evaluate(problem, sa.SoftmaxAudit(temperature=x)).value, 6) for x in (1e-3, 0.1, 1e3)}
    {0.001: 1.6112, 0.1: 1.600721, 1000.0: 1.536463}
    """

    base: Policy | str = AuditIndex()  # noqa: RUF009 - frozen
    temperature: float = 0.1
    name: ClassVar[str] = "softmax-audit"

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_first(self)
        positive(f"{self.name}: temperature", self.temperature)
        if isinstance(self.base, JointPolicy):
            raise ValueError(
                f"{self.name}: base is {shown(self.base)}, which has no scores; allowed: a policy with an index"
            )

    def action_probabilities(self, problem: Problem, counts: Ints, wins: Ints, usable: Bools) -> Floats:
        """Probability of labelling each item, shape (S, N)."""
        scores = np.where(usable, scores_of(self.based_on, problem, counts, wins), 0.0)
        largest = np.abs(scores).max(axis=1, keepdims=True)
        # Where all scores are zero, or too small to be told from rounding, all items count alike.
        told = largest > ROUNDING * ask_scale(self.based_on, problem)
        level = np.where(told, scores / np.where(largest > 0.0, largest, 1.0), 0.0)
        level = np.where(usable, level - np.where(usable, level, -np.inf).max(axis=1, keepdims=True), -np.inf)
        with np.errstate(over="ignore"):
            mass = np.exp(level / self.temperature)
        return np.asarray(mass / mass.sum(axis=1, keepdims=True))
