"""Base of the metrics: a number for each run of an audit, with the formula by which it is defined and its source."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import ClassVar

import numpy as np

from ...posteriors.foundation.arrays import Floats
from ...posteriors.foundation.messages import shown
from ...posteriors.foundation.names import write_name
from ...posteriors.foundation.plugins import calling, real_array
from ...posteriors.foundation.values import FrozenValue
from .audit import Audit

__all__ = ["Metric", "measured"]


@dataclass(frozen=True)
class Metric(FrozenValue):
    """A metric of the state of an audit.

    Attributes
    ----------
    name : str
        Registered name.
    formula : str
        Definition in the symbols of the registry's docstring.
    source : str
        Author, year and place of the definition.

    Examples
    --------
    >>> from typing import ClassVar
    >>> import seqaudit as sa
    >>> class MeanTail(sa.Metric):
    ...     name: ClassVar[str] = "mean-tail"
    ...     formula: ClassVar[str] = "sum p / N"
    ...     source: ClassVar[str] = "this example"
    ...
    ...     def of(self, audit):
    ...         return audit.tail.mean(axis=1)
    >>> audit = sa.Audit(sa.Problem([0.5, 0.5], budget=2), counts=[[1, 1]], wins=[[1, 0]], truth=[True, False])
    >>> MeanTail().of(audit)
    array([0.5])
    """

    name: ClassVar[str]
    formula: ClassVar[str]
    source: ClassVar[str]

    def of(self, audit: Audit) -> Floats:
        """Value in each run, shape (R,).

        Parameters
        ----------
        audit : Audit

        Returns
        -------
        ndarray of float64, shape (R,)

        Raises
        ------
        TypeError
            If the class does not define it.
        """
        raise TypeError(f"{type(self).__name__} must define of")

    @property
    def label(self) -> str:
        """Name with the settings that are not the default ones."""
        settings = {field.name: field.default for field in fields(self)}
        return write_name(
            self.name, {key: getattr(self, key) for key, usual in settings.items() if getattr(self, key) != usual}
        )


def measured(metric: Metric, audit: Audit) -> Floats:
    """Value of a metric in each run, shape (R,).

    Raises
    ------
    ValueError
        For a metric that returns anything but one finite number for each run.
    """
    with calling("metric", metric, "of"):
        given = metric.of(audit)
    found = real_array(f"metric {metric.name}", given)
    if found.shape != (audit.size,):
        raise ValueError(f"metric {metric.name} has shape {found.shape}; it must be {(audit.size,)}")
    if not np.isfinite(found).all():
        raise ValueError(f"metric {metric.name} is {shown(float(found[~np.isfinite(found)][0]))}; it must be finite")
    return found
