"""Rater bias: the log-odds of an item's rate are shifted by an offset of the rater.

    logit P(rater j says 1 of item i) = x_i + o_j,        alpha_i = sigma(x_i),
    x_i ~ Normal(item_mean, item_sd^2),    o = rater_sd z,  z standard Normal with sum_j z_j = 0,
    item_mean ~ Normal(0, mean_scale^2),   item_sd ~ HalfNormal(item_scale),   rater_sd ~ HalfNormal(rater_scale).

Without the constraint, only the priors would distinguish item_mean from the mean of the offsets, and the posterior
would have a ridge on which samplers mix slowly. So the offsets of the raters in the data sum to zero: they are
independent Normals minus their mean, and alpha_i is the rate at which a rater of average bias says 1. A fresh rater has
an independent offset, so that

    q(alpha) = E sigma(logit(alpha) + rater_sd Z),  Z ~ Normal(0, 1),

which is nearer to one half than alpha (Gauss-Hermite quadrature with 24 points). This definition of a fresh rater
differs from a rater in the data who has not voted yet: offsets sum to zero over the raters in the data, so one more
rater changes the others' offsets. After two raters have said 1 of all of 5 items, the channel predicts a 1 with chance
.88; a third rater in the data, who has not voted, says it with chance .84 (tests/posteriors/test_rater_bias.py).

This is the one-parameter item response model of Rasch (1960), with the opposite sign of the rater's parameter. The fast
method is that of ``rater_field``. On the 60 votes of tests/posteriors/test_rater_bias.py its tails at one half are
within .05 of those of NUTS, and within .02 on average.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import scipy
from numpy.typing import NDArray

from ..foundation.arrays import Floats, Ints
from ..foundation.frozen import check_fields
from ..votes.design import Design
from .constants import scale
from .dims import dims_of
from .fast.rater_field import draw_rater_field
from .log_odds import add_votes, along, fresh_chance, sum_to_zero
from .model import Draws, Parameters, RaterModel
from .noncentred import normal_effects, zero_sum_effects

if TYPE_CHECKING:
    import pymc as pm

__all__ = ["RaterBias"]


@dataclass(frozen=True)
class RaterBias(RaterModel):
    """Rates on the logistic scale, and raters who say 1 too often or too rarely.

    Parameters
    ----------
    mean_scale : float
        Standard deviation of the prior of the mean log-odds of items.
    item_scale, rater_scale : float
        Scales of the half-normal priors of the standard deviations of the items' log-odds and of the raters' offsets.

    References
    ----------
    G. Rasch (1960), "Probabilistic Models for Some Intelligence and Attainment Tests".

    Examples
    --------
    >>> from seqaudit import Design, RaterBias
    >>> votes = RaterBias().simulate(7, Design.balanced(items=20, raters=8, votes_per_item=5), rate=[0.8] * 20).labels
    >>> fit = RaterBias().fit(votes, method="fast", seed=7)
    >>> bool(fit.tail(0.5).mean() > 0.9)
    True
    """

    mean_scale: float = 1.5
    item_scale: float = 1.5
    rater_scale: float = 1.0
    name: ClassVar[str] = "rater-bias"
    fast_is_independent: ClassVar[bool] = False
    dims: ClassVar[dict[str, tuple[str, ...]]] = dims_of(
        "item_mean item_sd rater_sd item_logit[item] offset[rater] rate[item]"
    )

    def __post_init__(self) -> None:
        check_fields(self, scale, "mean_scale", "item_scale", "rater_scale")

    def draw(self, rng: np.random.Generator, design: Design, given: Parameters) -> Parameters:
        """Parameters drawn from the prior; given rates determine the items' log-odds."""
        mean = given.get("item_mean", rng.normal(0.0, self.mean_scale))
        sd = given.get("item_sd", abs(rng.normal(0.0, self.item_scale)))
        rater_sd = given.get("rater_sd", abs(rng.normal(0.0, self.rater_scale)))
        x = np.asarray(given.get("item_logit", rng.normal(mean, sd, len(design.items))), dtype=np.float64)
        offset = np.asarray(given.get("offset", rater_sd * sum_to_zero(rng, len(design.raters))), dtype=np.float64)
        rate = np.asarray(given.get("rate", scipy.special.expit(x)), dtype=np.float64)
        return {
            "item_mean": mean,
            "item_sd": sd,
            "rater_sd": rater_sd,
            "item_logit": scipy.special.logit(rate) if "rate" in given else x,
            "offset": offset,
            "rate": rate,
        }

    def chances(self, parameters: Parameters, design: Design) -> Floats:
        """Chance of 1 of each vote, computed from its log-odds."""
        return np.asarray(scipy.special.expit(self.vote_logits(parameters, design)))

    def vote_logits(self, parameters: Parameters | Draws, design: Design) -> Floats:
        """Log-odds of each vote.

        Parameters
        ----------
        parameters : dict
            Parameters, or draws of them, by name.
        design : Design

        Returns
        -------
        ndarray, shape (V,) for parameters, (S, V) for draws
        """
        return np.asarray(parameters["item_logit"][..., design.item] + parameters["offset"][..., design.rater])

    def build(self, design: Design, label: Ints) -> pm.Model:
        """PyMC model of Bernoulli votes, given log-odds and offsets."""
        import pymc as pm

        with pm.Model() as model:
            add_votes(pm.Data("label", self.data(design, label)["label"]), self.build_logits(design))
        return model

    def build_logits(self, design: Design) -> Any:
        """Log-odds of each vote, in the PyMC model at hand."""
        x, offset = self.build_field(design)
        return x[design.item] + offset[design.rater]

    def build_field(self, design: Design) -> tuple[Any, Any]:
        """Variables of the items' log-odds and the raters' offsets, added to the current PyMC model.

        Parameters
        ----------
        design : Design

        Returns
        -------
        (TensorVariable, TensorVariable)
            Log-odds, shape (N,), and offsets, shape (J,).
        """
        import pymc as pm

        mean = pm.Normal("item_mean", 0.0, self.mean_scale)
        sd = pm.HalfNormal("item_sd", self.item_scale)
        rater_sd = pm.HalfNormal("rater_sd", self.rater_scale)
        x = normal_effects("item_logit", mean, sd, len(design.items), design.size)
        return x, zero_sum_effects("offset", rater_sd, len(design.raters), design.size)

    def complete(self, draws: Draws, design: Design, label: Ints, rng: np.random.Generator) -> dict[str, NDArray[Any]]:
        """Rates computed from their log-odds."""
        return {"rate": scipy.special.expit(draws["item_logit"])}

    def approximate(self, design: Design, label: Ints, rng: np.random.Generator, draws: int) -> dict[str, NDArray[Any]]:
        """Draws from the nested Laplace approximation."""
        return draw_rater_field(design, label, self.scales(), self.mean_scale, rng, draws)

    def scales(self) -> Floats:
        """Scales of the half-normal priors of the standard deviations, items first."""
        return np.array([self.item_scale, self.rater_scale])

    def log_likelihood(self, draws: Draws, design: Design, label: Ints) -> Floats:
        """Log-probability of each vote given its item and rater."""
        return np.asarray(-np.logaddexp(0.0, (1 - 2 * label) * self.vote_logits(draws, design)))

    def new_rates(self, draws: Draws, rng: np.random.Generator) -> Floats:
        """Rates drawn from the items' distribution."""
        return np.asarray(scipy.special.expit(rng.normal(draws["item_mean"], draws["item_sd"])))

    def channel(self, draws: Draws, rate: Floats) -> Floats:
        """Chance of 1 from a rater with a fresh offset."""
        return fresh_chance(scipy.special.logit(rate), along(draws["rater_sd"], rate))
