"""Base of the metrics: a number for each run of an audit, with the formula by which it is defined and its source."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
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
    """

    name: ClassVar[str]
    formula: ClassVar[str]
    source: ClassVar[str]

    @abstractmethod
    def of(self, audit: Audit) -> Floats:
        """Value in each run, shape (R,).

        Parameters
        ----------
        audit : Audit

        Returns
        -------
        ndarray of float64, shape (R,)
        """

    @property
    def label(self) -> str:
        """Name with the settings that are not the default ones."""
        settings = {key: field.default for key, field in self.__dataclass_fields__.items()}
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
