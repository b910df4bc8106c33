"""Exact values of policies, as ``evaluate`` finds them."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Evaluation"]


@dataclass(frozen=True)
class Evaluation:
    """Exact value of a policy.

    Attributes
    ----------
    policy : str
        Name of the policy.
    value : float
        Expected payoff.
    prior_value, states, seconds
        As in ``Solution``.
    best_decisions_value : float, optional
        With a ``nature``: value of the same choices of labels with decisions by nature's tail probabilities.
    optimum : float, optional
        With a ``nature``: value of the optimal policy of a planner who knows nature.
    """

    policy: str
    value: float
    prior_value: float
    states: int
    seconds: float
    best_decisions_value: float | None = None
    optimum: float | None = None

    @property
    def decided_wrongly(self) -> float | None:
        """Loss from deciding by the working model; None without a ``nature``."""
        return None if self.best_decisions_value is None else self.best_decisions_value - self.value

    @property
    def asked_wrongly(self) -> float | None:
        """Loss from choosing labels by the working model; None without a ``nature``."""
        if self.best_decisions_value is None or self.optimum is None:
            return None
        return self.optimum - self.best_decisions_value
