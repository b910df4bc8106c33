"""Drift: the rates of items change while labels are collected.

    item_mean ~ Normal(0, mean_sd^2),  item_sd ~ HalfNormal(item_sd_scale),  step_sd ~ HalfNormal(step_sd_scale),
    x_i0 = item_mean + item_sd start_i,                 start_i ~ Normal(0, 1),
    x_ik = x_i,k-1 + step_sd walk_v,   k = 1, 2, ...,   walk_v ~ Normal(0, 1) for the item's (k+1)-th vote v,
    the vote is 1 with chance sigma(x_ik).

Decisions are about the present, so the rate of an item is that at its last vote,

    first_rate_i = sigma(x_i0),   rate_i = sigma(x_i,n_i - 1),

and older votes have less weight. ``simulate(rate=...)`` sets ``first_rate``, the start of the walks. Raters are
ignored. Time is counted in votes on the item. ``walk`` has an entry for each vote; those of first votes have no effect.
All effects are in units of their standard deviations (the non-centred form), because a single vote carries little
information about one step.

The fast method is a quadrature. Given step_sd, the chance of an item's outcomes from vote k on, as a function of x_ik,

    A_k(x) = p(y_k | x) E A_{k+1}(x + step_sd z),   z ~ Normal(0, 1),

is computed backwards on a grid of logits from -9 to 9. It does not depend on the other two parameters, which enter only
through p(outcomes) = E A_0(item_mean + item_sd z), so that one pass serves all their values. Their density is tabulated
on a grid of 11 x 11 points around its mode, for each of 8 values of step_sd, chosen to cover the bulk of the posterior.
Draws of (item_mean, item_sd, step_sd) come from splines through that table. Then x_i0 and the steps are drawn forwards,
each from its distribution given the later outcomes (Fruehwirth-Schnatter 1994, Carter and Kohn 1994).
tests/posteriors/test_drift.py checks that the tails are within .01 of a plain recursion on a finer grid, and within
.025 of the No-U-Turn sampler's, beyond the error of the draws.

Sources: J. Durbin and S. J. Koopman (2012), "Time series analysis by state space methods", for non-Gaussian state
spaces; G. Kitagawa (1987) for the recursion on a grid.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import scipy
from numpy.typing import NDArray

from ..foundation.arrays import Floats, Ints
from ..foundation.frozen import check_fields
from ..kernels import drift as kernels
from ..votes.design import Design
from ..votes.label_set import offsets
from .constants import scale
from .dims import dims_of
from .model import Draws, Parameters, RaterModel

if TYPE_CHECKING:
    import pymc as pm

__all__ = ["Drift"]

_REACH, _CELLS, _SIDE, _STEPS, _ROUNDS, _FINE = 9.0, 0.25, 11, 8, 3, 6
# Logarithms of densities further below the largest than this are as good as minus infinity.
_LEAST = 60.0


@dataclass(frozen=True)
class Drift(RaterModel):
    """Rates that follow a random walk on the logit scale, with one step for each further vote on the item.

    Parameters
    ----------
    mean_sd : float
        Standard deviation of the mean of the items' first log-odds.
    item_sd_scale : float
        Scale of the half-Normal prior of the standard deviation of these log-odds.
    step_sd_scale : float
        Scale of the half-Normal prior of a step's standard deviation. By default ten votes move the log-odds by .6 (the
        median of the standard deviation of nine steps).

    References
    ----------
    G. Kitagawa (1987), "Non-Gaussian state-space modeling of nonstationary time series", Journal of the American
    Statistical Association 82.

    Examples
    --------
    >>> from seqaudit import Drift, LabelSet
    >>> votes = LabelSet.from_pools({"fell": [1] * 10 + [0] * 6, "rose": [0] * 6 + [1] * 10, "flat": [1, 0] * 8})
    >>> fit = Drift(step_sd_scale=1).fit(votes, method="fast", seed=7)
    >>> fit.tail(0.5).round(1)
    array([0. , 1. , 0.3])
    """

    mean_sd: float = 1.5
    item_sd_scale: float = 1.5
    step_sd_scale: float = 0.3
    name: ClassVar[str] = "drift"
    dims: ClassVar[dict[str, tuple[str, ...]]] = dims_of(
        "item_mean item_sd step_sd start[item] walk[vote] first_rate[item] rate[item]"
    )
    needs_raters: ClassVar[bool] = False
    in_order: ClassVar[bool] = True
    rate_names: ClassVar[tuple[str, ...]] = ("rate", "first_rate")

    def __post_init__(self) -> None:
        check_fields(self, scale, "mean_sd", "item_sd_scale", "step_sd_scale")

    def coords(self, design: Design) -> dict[str, Any]:
        """Coordinates of all dimensions; votes are numbered from 0."""
        return super().coords(design) | {"vote": list(range(design.size))}

    def draw(self, rng: np.random.Generator, design: Design, given: Parameters) -> Parameters:
        """Parameters drawn from the prior; a given ``rate`` is that of the first vote, unless that is given too."""
        items = len(design.items)
        mean = given.get("item_mean", rng.normal(0.0, self.mean_sd))
        sd = given.get("item_sd", abs(rng.normal(0.0, self.item_sd_scale)))
        step = given.get("step_sd", abs(rng.normal(0.0, self.step_sd_scale)))
        start = np.asarray(given.get("start", rng.normal(size=items)))
        walk = np.asarray(given.get("walk", rng.normal(size=design.size)))
        first = np.asarray(given.get("first_rate", given.get("rate", scipy.special.expit(mean + sd * start))))
        if "rate" in given or "first_rate" in given:
            start = (scipy.special.logit(first) - mean) / sd
        logits = _logits(scipy.special.logit(first)[None], np.array([step]), walk[None], design)[0]
        rate = scipy.special.expit(logits[_bounds(design)[1:] - 1])
        numbers = {"item_mean": mean, "item_sd": sd, "step_sd": step}
        return numbers | {"start": start, "walk": walk, "first_rate": first, "rate": rate}

    def chances(self, parameters: Parameters, design: Design) -> Floats:
        """Rate of each vote's item at the time of the vote."""
        first = scipy.special.logit(np.asarray(parameters["first_rate"]))[None]
        step, walk = np.array([parameters["step_sd"]]), np.asarray(parameters["walk"])[None]
        return np.asarray(scipy.special.expit(_logits(first, step, walk, design)[0]))

    def build(self, design: Design, label: Ints) -> pm.Model:
        """PyMC model of Bernoulli votes along each item's random walk."""
        import pymc as pm
        import pytensor.tensor as pt

        first_vote = _bounds(design)[:-1][design.item]
        with pm.Model(coords=self.coords(design)) as model:
            side = 2.0 * pm.Data("label", self.data(design, label)["label"]) - 1.0
            mean = pm.Normal("item_mean", 0.0, self.mean_sd)
            sd = pm.HalfNormal("item_sd", self.item_sd_scale)
            step = pm.HalfNormal("step_sd", self.step_sd_scale)
            start = pm.Normal("start", dims="item")
            walked = pm.Normal("walk", dims="vote").cumsum()
            logits = (mean + sd * start)[design.item] + step * (walked - walked[first_vote])
            pm.Potential("votes", -pt.softplus(-side * logits).sum())
        return model

    def complete(self, draws: Draws, design: Design, label: Ints, rng: np.random.Generator) -> dict[str, NDArray[Any]]:
        """Rates at the first and the last vote."""
        first = _first(draws)
        logits = _logits(first, draws["step_sd"], draws["walk"], design)
        return {
            "first_rate": scipy.special.expit(first),
            "rate": scipy.special.expit(logits[:, _bounds(design)[1:] - 1]),
        }

    def approximate(self, design: Design, label: Ints, rng: np.random.Generator, draws: int) -> dict[str, NDArray[Any]]:
        """Draws of the three hyperparameters from a table of their density, and then of the walks, forwards."""
        quadrature = _Quadrature(design, label, np.array([self.mean_sd, self.item_sd_scale]))
        low, high = 0.0, 3.5 * self.step_sd_scale
        for _ in range(_ROUNDS):
            edges = np.linspace(low, high, _STEPS + 1)
            steps = (edges[:-1] + edges[1:]) / 2
            tables = [quadrature.table(step) for step in steps]
            # Cells of (item_mean, log item_sd) differ in size between tables.
            logs = np.array(
                [scipy.special.logsumexp(logs) + np.log(abs(np.linalg.det(axes))) for _, axes, logs in tables]
            )
            logs -= 0.5 * (steps / self.step_sd_scale) ** 2
            here = np.flatnonzero(logs > logs.max() - 9.0)
            if here[-1] - here[0] + 3 > 0.6 * _STEPS:
                break
            low, high = edges[max(here[0] - 1, 0)], edges[min(here[-1] + 2, _STEPS)]
        step = np.sort(_between(steps, logs, (low, high), rng, draws))
        which = np.minimum(np.searchsorted(edges, step, side="right") - 1, _STEPS - 1)
        numbers = np.empty((draws, 3))
        for k, (mode, axes, table) in enumerate(tables):
            drawn = which == k
            numbers[drawn, :2] = mode + quadrature.within(table, rng, drawn.sum()) @ axes.T
        numbers[:, 1] = np.exp(numbers[:, 1])
        numbers[:, 2] = step
        start, walk = quadrature.paths(numbers, steps[which], rng)
        # A random order makes successive draws independent.
        order = rng.permutation(draws)
        mean, sd, step = numbers[order].T
        return {"item_mean": mean, "item_sd": sd, "step_sd": step, "start": start[order], "walk": walk[order]}

    def log_likelihood(self, draws: Draws, design: Design, label: Ints) -> Floats:
        """Log-probability of each vote given the item's walk, which is part of the draws."""
        side = np.where(label == 1, 1.0, -1.0)
        return np.asarray(
            scipy.special.log_expit(side * _logits(_first(draws), draws["step_sd"], draws["walk"], design))
        )

    def new_rates(self, draws: Draws, rng: np.random.Generator) -> Floats:
        """Rates at the first vote, drawn from the common distribution."""
        return np.asarray(scipy.special.expit(rng.normal(draws["item_mean"], draws["item_sd"])))


class _Quadrature:
    """Recursion on the grid of logits, for the votes of one fit."""

    def __init__(self, design: Design, label: Ints, scales: Floats) -> None:
        self.label, self.scales = np.array(label, dtype=np.int64), scales
        most = int(np.bincount(design.item).max())
        # Cells are no wider than the smallest difference of logits that the votes on an item can detect.
        cells = int(np.ceil(2.0 * _REACH / min(_CELLS, 1.2 / np.sqrt(most))))
        grid, self.width = np.linspace(-_REACH, _REACH, cells + 1, retstep=True)
        self.rate = scipy.special.expit(grid)
        after, scale = np.empty((design.size, cells + 1)), np.empty(design.size)
        self.outlook = kernels.Outlook(_bounds(design), after, scale, -_REACH, float(1.0 / self.width))
        self.nodes, self.weights = _normal(max(25, int(np.ceil(8.0 * np.sqrt(most)))))
        self.fine, self.masses = _normal(13)
        self.steps = np.linspace(-4.5, 4.5, _SIDE)
        # The search for a table's mode starts at the mode of the table before.
        self.mode, self.rounds = np.array([0.0, 0.0]), 25

    def table(self, step: float) -> tuple[Floats, Floats, Floats]:
        """Density of (item_mean, log item_sd) given step_sd: its mode, its axes and a table of its logs."""
        self._look_back(step)
        axes, logs = np.empty((2, 2)), np.empty((_SIDE, _SIDE))
        about = (self.outlook, self.scales, self.nodes, self.weights)
        kernels.explore(*about, self.steps, np.int64(self.rounds), self.mode, axes, logs)
        self.rounds = 8
        return self.mode.copy(), axes, logs

    def within(self, table: Floats, rng: np.random.Generator, draws: int) -> Floats:
        """Coordinates drawn from a table of log-densities, shape (draws, 2), by a spline between its points."""
        fine = np.linspace(self.steps[0], self.steps[-1], _FINE * (_SIDE - 1) + 1)
        # No spline goes through minus infinity, the logarithm of a density that is too small for a number.
        table = np.maximum(table, table.max() - _LEAST)
        logs = scipy.interpolate.RectBivariateSpline(self.steps, self.steps, table)(fine, fine).reshape(-1)
        chosen = rng.choice(logs.size, size=draws, p=(p := np.exp(logs - logs.max())) / p.sum())
        jitter = rng.uniform(-0.5, 0.5, (draws, 2)) * (fine[1] - fine[0])
        return np.asarray(np.stack([fine[chosen // fine.size], fine[chosen % fine.size]], axis=1) + jitter)

    def paths(self, numbers: Floats, steps: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """``start`` and ``walk`` for each row of (item_mean, item_sd, step_sd); ``steps``, of its table, is sorted."""
        first = self.outlook.start[:-1]
        start, walk = np.empty((len(numbers), first.size)), np.empty((len(numbers), len(self.label)))
        for s, row in enumerate(numbers):
            if s == 0 or steps[s] != steps[s - 1]:
                self._look_back(steps[s])
            walk[s, first] = rng.normal(size=first.size)
            normals = (self.nodes, self.weights, self.fine, self.masses)
            uniform = rng.random(len(self.label))
            kernels.draw_path(self.outlook, row, *normals, uniform, start[s], walk[s])
        return start, walk

    def _look_back(self, step: float) -> None:
        kernel = kernels.step_kernel(float(step), self.width)
        kernels.look_back(self.outlook, self.label, self.rate, kernel)


def _between(nodes: Floats, logs: Floats, ends: tuple[float, float], rng: np.random.Generator, draws: int) -> Floats:
    """Draws from a density on an interval, interpolated from its logs at a few nodes."""
    edges = np.linspace(*ends, _FINE * len(nodes) + 1)
    density = scipy.interpolate.PchipInterpolator(nodes, logs, extrapolate=True)((edges[:-1] + edges[1:]) / 2)
    chosen = rng.choice(density.size, size=draws, p=(p := np.exp(density - density.max())) / p.sum())
    return np.asarray(edges[chosen] + rng.random(draws) * (edges[1] - edges[0]))


def _normal(size: int) -> tuple[Floats, Floats]:
    """Equally spaced points, 3.6 standard deviations to each side, and their Normal weights."""
    nodes = np.linspace(-3.6, 3.6, size)
    weights = np.exp(-0.5 * nodes**2)
    return nodes, weights / weights.sum()


def _bounds(design: Design) -> Ints:
    """Offsets of the items' votes, shape (N + 1,)."""
    return offsets(np.bincount(design.item, minlength=len(design.items)))


def _first(draws: Draws) -> Floats:
    """Log-odds at the first votes, shape (S, N)."""
    return np.asarray(draws["item_mean"][:, None] + draws["item_sd"][:, None] * draws["start"])


def _logits(first: Floats, step: Floats, walk: Floats, design: Design) -> Floats:
    """Log-odds at each vote, shape (S, V)."""
    walked = np.cumsum(walk, axis=1)
    since = walked - walked[:, _bounds(design)[:-1][design.item]]
    return np.asarray(first[:, design.item] + step[:, None] * since)
