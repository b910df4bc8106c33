"""Scores of a replay at every checkpoint, against the full pool of votes; ``metrics.offline`` defines them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ...dp.problem.problem import Problem
from ...posteriors.foundation.arrays import Bools, Floats, Ints
from ..metrics.audit import Audit
from ..metrics.metric import Metric
from ..metrics.offline import (
    BelievedWelfare,
    DecisionAccuracy,
    DecisiveMass,
    DecisiveRight,
    OverrideError,
    OverrideMass,
    TailTargeting,
    WelfareError,
)

__all__ = ["METRICS", "Scorer"]


class _Column(NamedTuple):
    """Column of a replay: its metric, and that in words."""

    metric: Metric
    description: str


# With c above 0 and not at least 0: where there is no reference, all c are 0.
_OVERRIDES = TailTargeting(c0=float(np.nextafter(0.0, 1.0)))
METRICS = {
    "decision_accuracy": _Column(DecisionAccuracy(), "share of weight decided as the full pool decides"),
    "believed_mass": _Column(BelievedWelfare(), "sum v p"),
    "mass_error": _Column(WelfareError(), "distance of sum v p from its true value"),
    "decisive_05": _Column(DecisiveMass(), "share of weight with p within .05 of 0 or 1"),
    "decisive_10": _Column(DecisiveMass(0.1), "share of weight with p within .1 of 0 or 1"),
    "decisive_right_05": _Column(DecisiveRight(), "share of weight decisive at .05 and right"),
    "override_mass": _Column(OverrideMass(), "sum v p where c > 0"),
    "override_error": _Column(OverrideError(), "distance of the override mass from its true value"),
    "unresolved_override": _Column(_OVERRIDES, "share of labels on items with c > 0 that are not yet decisive at .05"),
}


@dataclass(frozen=True)
class Scorer:
    """Scores of R replications against a pool's truth.

    Parameters
    ----------
    problem : Problem
    truth : ndarray of bool, shape (N,)
        True if an item's rate over the full pool exceeds its threshold.
    """

    problem: Problem
    truth: Bools

    def __call__(self, counts: Ints, wins: Ints) -> dict[str, Floats]:
        """Metrics of every replication, each of shape (R,), from labels and wins of shape (R, N)."""
        audit = Audit(self.problem, counts, wins, self.truth)
        return {name: column.metric.of(audit) for name, column in METRICS.items()}
