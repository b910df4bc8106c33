r"""Metrics of the state of an audit.

Of item i let v_i be the weight, c_i the log-ratio of the reference, n_i the labels bought so far, p_i the believed
probability that its rate exceeds its threshold, and z_i = 1 if it does. The item is decided to be learnable, d_i = 1,
if p_i is above the acceptance level of the utility. Sums are over items.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

import numpy as np

from ...posteriors.foundation.arrays import Bools, Floats
from ...posteriors.foundation.names import Registry
from ...posteriors.foundation.refusals import number, probability
from ...posteriors.scores import decisions_right
from ...posteriors.utilities import Decisive
from .audit import Audit
from .metric import Metric

__all__ = [
    "METRICS",
    "BelievedWelfare",
    "DecisionAccuracy",
    "DecisiveMass",
    "DecisiveOnC",
    "DecisiveRight",
    "LabelsOnC",
    "OracleOverrideMass",
    "OracleWelfare",
    "OverrideError",
    "OverrideMass",
    "TailTargeting",
    "WelfareError",
    "metric_names",
]

_SECTION = "Lemma (2026), section 9"


def _share(part: Floats, audit: Audit) -> Floats:
    """Weighted share of the items of which something is true, or in part true, shape (R,)."""
    return _weighed(part, audit.weight) / audit.weight.sum()


def _weighed(part: Floats | Bools, weight: Floats) -> Floats:
    """Weighted sum over the items, run by run: the rounding of a matrix product may depend on the other runs."""
    return np.asarray((part * weight).sum(axis=-1))


def _constant(value: Floats, audit: Audit) -> Floats:
    """One value for every run, or those of the runs."""
    return np.broadcast_to(np.asarray(value, dtype=np.float64), (audit.size,)).copy()


def _share_of_labels(members: Bools, audit: Audit) -> Floats:
    """Share of the labels so far that went to these items, shape (R,); 0 where none were bought."""
    return np.asarray((audit.counts * members).sum(axis=1) / np.maximum(audit.counts.sum(axis=1), 1))


def _require_range(metric: DecisiveOnC | LabelsOnC) -> None:
    """Require a range of log-ratios, which may be without ends."""
    for field in ("least", "below"):
        number(f"{metric.name}: {field}", getattr(metric, field), lambda x: x == x, "a number")
    if not metric.least < metric.below:
        raise ValueError(f"{metric.name}: least is {metric.least} and below {metric.below}; least must be smaller")


def _between(metric: DecisiveOnC | LabelsOnC, audit: Audit) -> Bools:
    """Items with log-ratios in the range of a metric, shape (N,)."""
    c = audit.problem.log_ratio
    return np.asarray((c >= metric.least) & (c < metric.below))


@dataclass(frozen=True)
class BelievedWelfare(Metric):
    """Weight that is believed to be learnable: the posterior welfare objective."""

    name: ClassVar[str] = "believed-welfare"
    formula: ClassVar[str] = "sum v p"
    source: ClassVar[str] = _SECTION

    def of(self, audit: Audit) -> Floats:
        """Value in each run."""
        return _weighed(audit.tail, audit.weight)


@dataclass(frozen=True)
class OracleWelfare(Metric):
    """Weight that is in truth learnable."""

    name: ClassVar[str] = "oracle-welfare"
    formula: ClassVar[str] = "sum v z"
    source: ClassVar[str] = _SECTION

    def of(self, audit: Audit) -> Floats:
        """Value in each run."""
        return _constant(_weighed(audit.truth, audit.weight), audit)


@dataclass(frozen=True)
class WelfareError(Metric):
    """Distance of the believed welfare from the true one."""

    name: ClassVar[str] = "welfare-error"
    formula: ClassVar[str] = "|sum v p - sum v z|"
    source: ClassVar[str] = _SECTION

    def of(self, audit: Audit) -> Floats:
        """Value in each run."""
        return np.abs(_weighed(audit.tail, audit.weight) - _weighed(audit.truth, audit.weight))


@dataclass(frozen=True)
class DecisionAccuracy(Metric):
    """Share of the weight that is decided as the truth is."""

    name: ClassVar[str] = "decision-accuracy"
    formula: ClassVar[str] = "sum v 1{d = z} / sum v"
    source: ClassVar[str] = _SECTION

    def of(self, audit: Audit) -> Floats:
        """Value in each run."""
        return _share(decisions_right(audit.problem.utility, audit.tail, audit.truth), audit)


@dataclass(frozen=True)
class DecisiveMass(Metric):
    """Share of the weight whose beliefs are decisive.

    Parameters
    ----------
    eps : float
        Strictly between 0 and 1/2.
    """

    eps: float = 0.05
    name: ClassVar[str] = "decisive-mass"
    formula: ClassVar[str] = "sum v 1{p >= 1 - eps or p <= eps} / sum v"
    source: ClassVar[str] = "Lemma (2026), section 9, ConfMass"

    def __post_init__(self) -> None:
        probability(f"{self.name}: eps", self.eps, most=Fraction(1, 2))

    def of(self, audit: Audit) -> Floats:
        """Value in each run."""
        return _share(Decisive(self.eps)(audit.tail), audit)


@dataclass(frozen=True)
class DecisiveOnC(Metric):
    """Share of the weight with log-ratios in a range whose beliefs are decisive.

    Decisive mass on small log-ratios beside open beliefs on large ones is illusory coverage.

    Parameters
    ----------
    least, below : float
        The range, its end not included.
    eps : float
        Strictly between 0 and 1/2.
    """

    least: float = 0.0
    below: float = np.inf
    eps: float = 0.05
    name: ClassVar[str] = "decisive-on-c"
    formula: ClassVar[str] = "sum v 1{least <= c < below, p >= 1 - eps or p <= eps} / sum v 1{least <= c < below}"
    source: ClassVar[str] = "Lemma (2026), section 10"

    def __post_init__(self) -> None:
        _require_range(self)
        probability(f"{self.name}: eps", self.eps, most=Fraction(1, 2))

    def of(self, audit: Audit) -> Floats:
        """Value in each run; 0 where there is no such item."""
        weight = audit.weight * _between(self, audit)
        return _weighed(Decisive(self.eps)(audit.tail), weight) / (weight.sum() or 1.0)


@dataclass(frozen=True)
class DecisiveRight(DecisiveMass):
    """Part of the decisive mass whose decisions are right; the rest of it is illusory coverage."""

    name: ClassVar[str] = "decisive-right"
    formula: ClassVar[str] = "sum v 1{p >= 1 - eps or p <= eps} 1{d = z} / sum v"
    source: ClassVar[str] = "Lemma (2026), section 10"

    def of(self, audit: Audit) -> Floats:
        """Value in each run."""
        right = decisions_right(audit.problem.utility, audit.tail, audit.truth)
        return _share(Decisive(self.eps)(audit.tail) * right, audit)


@dataclass(frozen=True)
class OverrideMass(Metric):
    """Believed weight on which the reference is overruled: the expected correction mass."""

    name: ClassVar[str] = "override-mass"
    formula: ClassVar[str] = "sum v 1{c > 0} p"
    source: ClassVar[str] = "Lemma (2026), sections 9 and 10, ECM"

    def of(self, audit: Audit) -> Floats:
        """Value in each run."""
        return _weighed(audit.tail, audit.weight * audit.override)


@dataclass(frozen=True)
class OracleOverrideMass(Metric):
    """Weight on which the reference should in truth be overruled."""

    name: ClassVar[str] = "oracle-override-mass"
    formula: ClassVar[str] = "sum v 1{c > 0} z"
    source: ClassVar[str] = _SECTION

    def of(self, audit: Audit) -> Floats:
        """Value in each run."""
        return _constant(_weighed(audit.truth, audit.weight * audit.override), audit)


@dataclass(frozen=True)
class OverrideError(Metric):
    """Distance of the override mass from its true value."""

    name: ClassVar[str] = "override-error"
    formula: ClassVar[str] = "|sum v 1{c > 0} (p - z)|"
    source: ClassVar[str] = _SECTION

    def of(self, audit: Audit) -> Floats:
        """Value in each run."""
        return np.abs(_weighed(audit.tail - audit.truth, audit.weight * audit.override))


@dataclass(frozen=True)
class TailTargeting(Metric):
    """Share of the labels on items on which the reference is confident and the belief is open.

    Parameters
    ----------
    c0 : float
        Least log-ratio.
    eps : float
        Strictly between 0 and 1/2.
    """

    c0: float = 0.0
    eps: float = 0.05
    name: ClassVar[str] = "tail-targeting"
    formula: ClassVar[str] = "sum n 1{c >= c0, eps < p < 1 - eps} / sum n"
    source: ClassVar[str] = _SECTION

    def __post_init__(self) -> None:
        number(f"{self.name}: c0", self.c0, np.isfinite, "finite")
        probability(f"{self.name}: eps", self.eps, most=Fraction(1, 2))

    def of(self, audit: Audit) -> Floats:
        """Value in each run."""
        # The belief is that of now, not of the time when a label was bought.
        return _share_of_labels((audit.problem.log_ratio >= self.c0) & (Decisive(self.eps)(audit.tail) == 0), audit)


@dataclass(frozen=True)
class LabelsOnC(Metric):
    """Share of the labels on items with log-ratios in a range: a bar of their histogram.

    Parameters
    ----------
    least, below : float
        The range, its end not included.
    """

    least: float = 0.0
    below: float = np.inf
    name: ClassVar[str] = "labels-on-c"
    formula: ClassVar[str] = "sum n 1{least <= c < below} / sum n"
    source: ClassVar[str] = _SECTION

    def __post_init__(self) -> None:
        _require_range(self)

    def of(self, audit: Audit) -> Floats:
        """Value in each run."""
        return _share_of_labels(_between(self, audit), audit)


METRICS = Registry(Metric, "metric", group="seqaudit.metrics", unknown="metric is {name}; allowed: {known}{hint}")
METRICS.add_built_in(
    [
        BelievedWelfare,
        OracleWelfare,
        WelfareError,
        DecisionAccuracy,
        DecisiveMass,
        DecisiveOnC,
        DecisiveRight,
        OverrideMass,
        OracleOverrideMass,
        OverrideError,
        TailTargeting,
        LabelsOnC,
    ]
)


def metric_names() -> tuple[str, ...]:
    """Names of the metrics of a study, those that other packages register among them.

    Returns
    -------
    tuple of str

    Examples
    --------
    >>> [name for name in metric_names() if name.startswith("decisive")]
    ['decisive-mass', 'decisive-on-c', 'decisive-right']
    """
    return METRICS.names()
