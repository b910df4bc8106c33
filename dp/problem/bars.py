"""Thresholds of a problem as its beliefs take them: with their log-odds, where rounding would lose digits."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from ...posteriors.beliefs.belief import Belief
from ...posteriors.beliefs.sharp import Bar, lossy
from ...posteriors.foundation.arrays import Bools, Floats

__all__ = ["Bars"]


class Bars:
    """Part of ``Problem``: its thresholds, and the items whose numbers are extreme."""

    threshold: Floats
    log_ratio: Floats
    beta: float | None
    prior: Floats | tuple[Belief, ...]

    @cached_property
    def stated_log_odds(self) -> Floats:
        """Log-odds beta c of the thresholds that follow from log-ratios, shape (N,); NaN where they were stated."""
        return np.full(len(self.threshold), np.nan) if self.beta is None else self.beta * self.log_ratio

    @cached_property
    def sharp(self) -> Bools:
        """Mask of the items with Beta beliefs that the compiled formulas for many items do not serve, shape (N,).

        Their parameters or thresholds are so extreme that these formulas would lose eight digits and more.
        """
        if not isinstance(self.prior, np.ndarray):
            return np.zeros(len(self.threshold), dtype=np.bool_)
        rounded = (self.threshold > 1.0 - 1e-7) & ~np.isnan(self.stated_log_odds)
        sizes = (self.prior.max(axis=1) > 1e8) | (self.prior.min(axis=1) < 1e-6)
        return np.asarray(sizes | rounded | (self.threshold < 1e-200))

    def bar(self, i: int) -> float:
        """Threshold of an item as its belief takes it: with its log-odds where rounding would lose digits.

        Parameters
        ----------
        i : int
            Number of the item.

        Returns
        -------
        float
        """
        t, log_odds = float(self.threshold[i]), float(self.stated_log_odds[i])
        return Bar(log_odds) if lossy(1.0, 1.0, 0, t, log_odds) and not np.isnan(log_odds) else t
