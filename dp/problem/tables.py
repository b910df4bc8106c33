"""Tables of means, gains and payoffs that the sweeps of backward induction read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...posteriors.foundation.arrays import Floats, Ints
from .problem import Problem
from .states import states_of_item

__all__ = ["ZERO_GAIN", "Tables", "gains", "net_of_price", "tables_of"]

# A gain below this share of the largest payoff counts as zero: it is rounding, or too small to be added to a payoff.
ZERO_GAIN = 2e-15


@dataclass(frozen=True)
class Tables:
    """Means, gains and payoffs of all items, arrays of shape (N, width, width) indexed [item, labels, wins].

    Gains are net of the price of the label; payoffs are those before labels are paid.
    """

    mean: Floats
    gain: Floats
    payoff: Floats

    def cast(self, dtype: np.dtype) -> tuple[Floats, Floats]:
        """Means and gains in a kernel's number type."""
        return self.mean.astype(dtype, copy=False), self.gain.astype(dtype, copy=False)


def tables_of(
    problem: Problem, means: Sequence[Floats] | None = None, payoffs: Sequence[Floats] | None = None
) -> Tables:
    """Tables of a problem, or tables with the given means and payoffs: a square array [labels, wins] for each item."""
    if means is None or payoffs is None:
        states = [states_of_item(problem, i) for i in range(problem.size)]
        means, payoffs = [x.mean for x in states], [x.payoff for x in states]
    width = int(problem.cap.max()) + 1
    mean, gain, payoff = np.zeros((3, problem.size, width, width))
    for i, (m, g) in enumerate(zip(means, payoffs, strict=True)):
        cap = len(m) - 1
        inside = np.tri(cap + 1, dtype=bool)
        mean[i, : cap + 1, : cap + 1] = np.where(inside, m, 0.0)
        payoff[i, : cap + 1, : cap + 1] = np.where(inside, g, 0.0)
        rise = gains(mean[i, : cap + 1, : cap + 1], payoff[i, : cap + 1, : cap + 1])
        gain[i, :cap, :cap] = net_of_price(rise, problem, i)
    return Tables(mean, gain, payoff)


def net_of_price(gain: Floats, problem: Problem, items: int | Ints) -> Floats:
    """Gains less the price of a label, from tables [.., labels, wins]; zero stays where wins > labels."""
    if problem.label_price == 0:
        return gain
    paid = problem.label_price * problem.cost[items]
    return np.asarray(gain - np.asarray(paid)[..., None, None] * np.tri(gain.shape[-1]))


def gains(mean: Floats, payoff: Floats, zero: float | Floats = 0.0) -> Floats:
    """Gain of each label, from square tables [.., labels, wins] of one more row; zero where wins > labels.

    Gains of at most ``zero`` in absolute value count as zero.
    """
    now, chance = payoff[..., :-1, :-1], mean[..., :-1, :-1]
    rise = chance * (payoff[..., 1:, 1:] - now) + (1.0 - chance) * (payoff[..., 1:, :-1] - now)
    return np.where(np.tri(now.shape[-1], dtype=bool) & (np.abs(rise) > zero), rise, 0.0)
