"""Beta beliefs: the conjugate kind, of which other kinds are mixtures.

After w wins in n labels the belief is Beta(a + w, b + n - w). At its current parameters, written (a, b) again, and with
s = a + b,

    mean = a / s,    tail = 1 - I_t(a, b),    jump = D s / (a b),    D = t^a (1-t)^b / B(a, b).

The planner uses only these numbers, so any other exchangeable belief about binary labels can replace the Beta.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import scipy
from numpy.typing import ArrayLike

from ..foundation.arrays import Floats
from ..foundation.frozen import check_fields
from ..foundation.refusals import whole
from ..kernels import beliefs as _kernels
from ..kernels import sharp as _sharp
from .belief import Belief, BeliefTables, Size, checked_range, checked_states, generator
from .sharp import beta_at, lossy, lossy_rows, parameter, rule, words

__all__ = ["Beta"]


@dataclass(frozen=True)
class Beta(Belief):
    """Belief alpha ~ Beta(a, b).

    Parameters
    ----------
    a, b : float
        From 1e-300 to 1e300; prior wins and losses.

    Examples
    --------
    >>> Beta(1, 1).after(wins=2, losses=1)
    Beta(a=3.0, b=2.0)
    """

    a: float
    b: float
    kind: ClassVar[str] = "beta"
    takes_bars: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_fields(self, parameter, "a", "b")

    @property
    def mean(self) -> float:
        """Probability that the next label is a win."""
        return self.a / (self.a + self.b)

    def after(self, wins: int, losses: int) -> Beta:
        """Posterior after more labels."""
        return Beta(self.a + whole("wins", wins), self.b + whole("losses", losses))

    def at(self, labels: ArrayLike, wins: ArrayLike, threshold: ArrayLike) -> BeliefTables:
        """Mean, tail and jump after some labels, elementwise; see ``Belief.at``.

        Examples
        --------
        >>> Beta(1, 1).at([0, 1_000_000], [0, 500_000], 0.5).tail
        array([0.5, 0.5])
        """
        shape, n, w, t = checked_states(labels, wins, threshold)
        parts = beta_at(self.a, self.b, n, w, t, getattr(threshold, "log_odds", np.nan))
        return BeliefTables(*(part.reshape(shape) for part in parts))

    def tables(self, n_max: int, threshold: float) -> BeliefTables:
        """Mean, tail and jump for up to ``n_max`` labels, with one incomplete beta function for each number of labels.

        See ``Belief.tables``.

        Examples
        --------
        >>> Beta(1, 1).tables(1, 0.5).tail
        array([[0.5 , 0.  ],
               [0.25, 0.75]])
        """
        size, bar = checked_range(n_max, threshold)
        mean, tail, jump = np.zeros((3, size, size))
        log_odds = getattr(bar, "log_odds", np.nan)
        if lossy(self.a, self.b, n_max, bar, log_odds) or lossy_rows(self.b, n_max):
            _sharp.tables(self.a, self.b, np.array(words(float(bar), log_odds)), *rule, mean, tail, jump)
            return BeliefTables(mean, tail, jump)
        first_column = scipy.special.betaincc(self.a, self.b + np.arange(size), bar)
        _kernels.tables(self.a, self.b, float(bar), first_column, mean, tail, jump)
        return BeliefTables(mean, tail, jump)

    def draw(self, rng: np.random.Generator, size: Size = None) -> Floats:
        """True rates, drawn independently.

        Examples
        --------
        >>> Beta(1, 1).draw(np.random.default_rng(7), 2).round(3)
        array([0.006, 0.521])
        """
        return np.asarray(generator(rng).beta(self.a, self.b, size))

    def as_dict(self) -> dict[str, Any]:
        """Kind and parameters, as written to TOML."""
        return {"kind": self.kind, "a": self.a, "b": self.b}
