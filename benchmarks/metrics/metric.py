"""Base of the metrics: a number for each run of an audit, with the formula by which it is defined and its source."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from ...posteriors.foundation.arrays import Floats
from ...posteriors.foundation.values import FrozenValue
from .audit import Audit

__all__ = ["Metric"]


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
