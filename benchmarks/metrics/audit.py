"""State of an audit: labels bought and won of every item in some runs, and the truth by which they are scored."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ...dp.problem.problem import Problem
from ...posteriors.foundation.arrays import Bools, Floats, Ints
from ...posteriors.foundation.kinds import require_type
from ...posteriors.foundation.messages import shown
from ...posteriors.foundation.number_arrays import whole_array
from ...posteriors.foundation.plugins import read_only
from ...posteriors.foundation.tolerances import above

__all__ = ["Audit"]


@dataclass(frozen=True, eq=False)
class Audit:
    """State of R runs of one problem. All arrays are read-only.

    Parameters
    ----------
    problem : Problem
    counts, wins : ndarray of int, shape (R, N)
        Labels and wins of each item.
    truth : ndarray of bool, shape (N,) or (R, N)
        True if an item's rate is above its threshold.

    Raises
    ------
    ValueError
        For arrays of other shapes or kinds, and wins that are more than labels.

    Examples
    --------
    >>> import seqaudit as sa
    >>> audit = sa.Audit(sa.Problem([0.5, 0.5], budget=2), counts=[[1, 1]], wins=[[1, 0]], truth=[True, False])
    >>> audit.tail
    array([[0.75, 0.25]])
    """

    problem: Problem
    counts: Ints
    wins: Ints
    truth: Bools

    def __post_init__(self) -> None:
        require_type("problem", self.problem, Problem, "a Problem")
        size = self.problem.size
        for field in ("counts", "wins"):
            array = np.asarray(getattr(self, field))
            if array.dtype.kind not in "iu":
                array = whole_array(field, getattr(self, field))
            if array.ndim != 2 or array.shape[1] != size:
                raise ValueError(f"{field} has shape {array.shape}; it must be (runs, {size})")
            object.__setattr__(self, field, read_only(array))
        if self.counts.shape != self.wins.shape:
            raise ValueError(f"counts has shape {self.counts.shape} and wins {self.wins.shape}; they must be equal")
        if self.counts.size and ((self.wins < 0) | (self.wins > self.counts)).any():
            raise ValueError("wins are negative or more than labels; they must be from 0 to counts")
        truth = np.asarray(self.truth)
        if truth.dtype != np.bool_ or truth.shape not in ((size,), self.counts.shape):
            wanted = f"True or False for each of the {size} items, or for each in each run"
            raise ValueError(f"truth is {shown(self.truth)}; it must be {wanted}")
        object.__setattr__(self, "truth", read_only(truth))

    @cached_property
    def tail(self) -> Floats:
        """Believed probability that the rate of each item is above its threshold, shape (R, N)."""
        return read_only(self.problem.tail_at(self.counts, self.wins))

    @cached_property
    def override(self) -> Bools:
        """Items on which the reference must be overruled, c > 0, shape (N,)."""
        return read_only(above(self.problem.log_ratio, 0.0))

    @property
    def weight(self) -> Floats:
        """Weights of the items, shape (N,)."""
        return self.problem.weight

    @property
    def size(self) -> int:
        """Number of runs."""
        return len(self.counts)
