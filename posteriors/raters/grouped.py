"""Grouped: the rate of an item differs by the group of the rater.

    logit alpha_i^(g) = x_i + e_g + u_ig,    rater of group g says 1 of item i with chance alpha_i^(g),
    x_i ~ Normal(item_mean, item_sd^2),   item_mean ~ Normal(0, mean_scale^2),   item_sd ~ HalfNormal(item_scale),
    e = group_scale z,  z standard Normal with sum_g z_g = 0,   group_scale ~ HalfNormal(effect_scale),
    u_ig ~ Normal(0, group_sd^2),         group_sd ~ HalfNormal(deviation_scale).

Tails are computed for each group: P(alpha_i^(g) > t_i | votes). The effects sum to zero, because their mean cannot be
distinguished from item_mean. For a group without votes on an item, the rate is inferred from x_i, e_g and group_sd.

A future label comes from a random member of the population, and a decision about an item as a whole is about the
population's rate,

    alpha_i = sum_g share_g alpha_i^(g),    share_g = share of group g among all votes,

which beliefs describe unless a group is named. Raters have no parameters here: differences between the raters of a
group are noise.

The fast method is the nested Laplace approximation of ``nested_laplace``: Newton's method on the whole field, Laplace's
marginal likelihood times each item's integral over (x_i, u_i1 .. u_iG) divided by Laplace's value for it, and draws of
(e, item_mean) from the Gaussian. Given these, an item's block is drawn from its Gaussian and moved toward its exact
density by Metropolis-Hastings steps. On the 96 votes of tests/posteriors/test_grouped.py its tails at one half are
within .06 of those of NUTS, and within .02 on average.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import scipy
from numpy.typing import NDArray

from ..foundation.arrays import Floats, Ints
from ..foundation.frozen import check_fields
from ..kernels import group_field as kernels
from ..votes.design import Design
from ..votes.label_set import offsets
from .constants import scale
from .dims import dims_of
from .fast.nested_laplace import design_of_points, half_normal, points_for, redrawn_mean, redrawn_sd, share_out
from .log_odds import sum_to_zero
from .model import Draws, Parameters, RaterModel
from .noncentred import normal_effects, zero_sum_effects

if TYPE_CHECKING:
    import pymc as pm

__all__ = ["Grouped"]

_MOVES, _PASSES = 6, 4


@dataclass(frozen=True)
class Grouped(RaterModel):
    """Rates on the logistic scale that differ by group, overall and item by item.

    Parameters
    ----------
    mean_scale : float
        Standard deviation of the prior of the mean log-odds of items.
    item_scale, effect_scale, deviation_scale : float
        Scales of the half-normal priors of the standard deviations of the items' log-odds, of the groups' effects
        (``group_scale``) and of the deviations of an item in a group (``group_sd``).

    References
    ----------
    A. Gelman and J. Hill (2007), "Data Analysis Using Regression and Multilevel/Hierarchical Models", chapter 14.

    Examples
    --------
    >>> from seqaudit import Design, Grouped
    >>> votes = Grouped().simulate(7, Design.balanced(items=20, raters=8, votes_per_item=6, groups=2)).labels
    >>> fit = Grouped().fit(votes, method="fast", seed=7)
    >>> fit.tail(0.5).shape, fit.tail(0.5, group="group 2").shape
    ((20, 2), (20,))
    """

    mean_scale: float = 1.5
    item_scale: float = 1.5
    effect_scale: float = 0.5
    deviation_scale: float = 0.5
    name: ClassVar[str] = "grouped"
    fast_is_independent: ClassVar[bool] = False
    dims: ClassVar[dict[str, tuple[str, ...]]] = dims_of(
        "item_mean item_sd group_scale group_effect[group] group_sd item_logit[item] deviation[item,group] "
        "share[group] rate[item,group]"
    )
    needs_raters: ClassVar[bool] = False
    needs_groups: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_fields(self, scale, "mean_scale", "item_scale", "effect_scale", "deviation_scale")

    def draw(self, rng: np.random.Generator, design: Design, given: Parameters) -> Parameters:
        """Parameters drawn from the prior.

        Given rates of shape (N,) are sigma(x_i), the rates in a group without effect or deviation. Given rates of shape
        (N, G) determine the deviations: their log-odds minus x_i and e_g.
        """
        items, groups = len(design.items), len(_group(self.name, design)[1])
        mean = given.get("item_mean", rng.normal(0.0, self.mean_scale))
        sd = given.get("item_sd", abs(rng.normal(0.0, self.item_scale)))
        scale = given.get("group_scale", abs(rng.normal(0.0, self.effect_scale)))
        group_sd = given.get("group_sd", abs(rng.normal(0.0, self.deviation_scale)))
        x = np.asarray(given.get("item_logit", rng.normal(mean, sd, items)), dtype=np.float64)
        effect = np.asarray(given.get("group_effect", scale * sum_to_zero(rng, groups)), dtype=np.float64)
        deviation = np.asarray(given.get("deviation", rng.normal(0.0, group_sd, (items, groups))), dtype=np.float64)
        rate = np.asarray(given.get("rate", 0.5), dtype=np.float64)
        if rate.ndim == 1:
            x = scipy.special.logit(rate)
        if rate.ndim == 2:
            deviation = scipy.special.logit(rate) - x[:, None] - effect
        return {
            "item_mean": mean,
            "item_sd": sd,
            "group_scale": scale,
            "group_effect": effect,
            "group_sd": group_sd,
            "item_logit": x,
            "deviation": deviation,
            "share": np.asarray(given.get("share", _shares(self.name, design)), dtype=np.float64),
            "rate": rate if rate.ndim == 2 else scipy.special.expit(x[:, None] + effect + deviation),
        }

    def chances(self, parameters: Parameters, design: Design) -> Floats:
        """Rate of each vote's item in the vote's group."""
        return np.asarray(parameters["rate"][design.item, _group(self.name, design)[0]])

    def build(self, design: Design, label: Ints) -> pm.Model:
        """Binomial likelihood of the wins of each item in each group."""
        import pymc as pm
        import pytensor.tensor as pt

        items, groups = len(design.items), len(design.groups)
        cast, won = _cells(design, label)
        with pm.Model() as model:
            wins = pm.Data("wins", won)
            mean = pm.Normal("item_mean", 0.0, self.mean_scale)
            sd = pm.HalfNormal("item_sd", self.item_scale)
            scale = pm.HalfNormal("group_scale", self.effect_scale)
            group_sd = pm.HalfNormal("group_sd", self.deviation_scale)
            x = normal_effects("item_logit", mean, sd, items, design.size)
            # There are few groups, and deviations may be absent: their scales can be near zero for any data.
            effect = zero_sum_effects("group_effect", scale, groups, 0)
            deviation = normal_effects("deviation", 0.0, group_sd, (items, groups), 0)
            z = x[:, None] + effect + deviation
            pm.Potential("votes", (wins * z - cast * pt.softplus(z)).sum())
        return model

    def data(self, design: Design, label: Ints) -> dict[str, Floats]:
        """Wins of each item in each group."""
        return {"wins": _cells(design, label)[1]}

    def complete(self, draws: Draws, design: Design, label: Ints, rng: np.random.Generator) -> dict[str, NDArray[Any]]:
        """Rates computed from their log-odds, and the shares of the groups, which are the same in all draws."""
        z = draws["item_logit"][:, :, None] + draws["group_effect"][:, None, :] + draws["deviation"]
        shares = _shares(self.name, design)
        return {"rate": scipy.special.expit(z), "share": np.tile(shares, (len(z), 1))}

    def approximate(self, design: Design, label: Ints, rng: np.random.Generator, draws: int) -> dict[str, NDArray[Any]]:
        """Draws from the nested Laplace approximation."""
        cast, won = _cells(design, label)
        items, groups = cast.shape
        size = items + items * groups + groups + 1
        scale = np.array([self.item_scale, self.effect_scale, self.deviation_scale])
        latest = np.zeros(size)

        def log_posterior(theta: Floats, exact: bool) -> Floats:
            fields, out = np.tile(latest, (len(theta), 1)), np.empty(len(theta))
            kernels.marginals(np.exp(theta), self.mean_scale, cast, won, exact, fields, out)
            latest[:] = fields[0]
            return out + half_normal(theta, scale)

        theta, weight = design_of_points(log_posterior, np.log(0.6 * scale), rng, points_for(draws))
        count = share_out(weight, draws, rng)
        field, ends = np.empty((draws, size)), offsets(count)
        for k in np.flatnonzero(count).tolist():
            normal = rng.standard_normal((count[k], groups + 1))
            blocks = rng.standard_normal((count[k], items, _MOVES, groups + 1))
            uniform = 1.0 - rng.random((count[k], items, _MOVES))
            part = field[ends[k] : ends[k + 1]]
            kernels.sample(np.exp(theta[k]), self.mean_scale, cast, won, latest.copy(), normal, blocks, uniform, part)
        order = rng.permutation(draws)
        field, sd = field[order], np.exp(np.repeat(theta, count, axis=0)[order])
        x, u, effect = field[:, :items], field[:, items : items + items * groups], field[:, -groups - 1 : -1]
        for _ in range(_PASSES):
            mean = redrawn_mean(x, sd[:, 0], self.mean_scale, rng)
            sd[:, 0] = redrawn_sd(((x - mean[:, None]) ** 2).sum(axis=1), items, scale[0], rng)
        for k, (part, free) in enumerate(((effect, groups - 1), (u, items * groups)), 1):
            sd[:, k] = redrawn_sd((part**2).sum(axis=1), free, scale[k], rng)
        return {
            "item_mean": mean,
            "item_sd": sd[:, 0],
            "group_scale": sd[:, 1],
            "group_effect": effect,
            "group_sd": sd[:, 2],
            "item_logit": x,
            "deviation": u.reshape(draws, items, groups),
        }

    def log_likelihood(self, draws: Draws, design: Design, label: Ints) -> Floats:
        """Log-probability of each vote given its item's rate in its group."""
        x, g = draws["item_logit"][:, design.item], _group(self.name, design)[0]
        z = x + draws["group_effect"][:, g] + draws["deviation"][:, design.item, g]
        return np.asarray(-np.logaddexp(0.0, (1 - 2 * label) * z))

    def new_rates(self, draws: Draws, rng: np.random.Generator) -> Floats:
        """Rates of new items in the population, or in the group chosen by ``for_group``."""
        x = rng.normal(draws["item_mean"], draws["item_sd"])[:, None]
        effect = draws["group_effect"]
        deviation = rng.normal(size=effect.shape) * draws["group_sd"][:, None]
        return np.asarray((scipy.special.expit(x + effect + deviation) * draws["share"]).sum(axis=1))

    def for_group(self, draws: Draws, design: Design, group: str | None) -> Draws:
        """Draws whose rates are those of one group, or of the population."""
        share = draws["share"]
        if group is not None:
            share = np.zeros_like(share)
            share[:, self.group_index(design, group)] = 1.0
        return dict(draws) | {"share": share, "rate": np.einsum("sng,sg->sn", draws["rate"], share)}


def _group(model: str, design: Design) -> tuple[Ints, tuple[str, ...]]:
    """Group of each vote, and the groups' names."""
    if design.group is None:
        raise ValueError(f"{model}: the design has no groups; at least two are needed")
    return design.group, design.groups


def _shares(model: str, design: Design) -> Floats:
    """Share of each group among the votes."""
    group, names = _group(model, design)
    return np.asarray(np.bincount(group, minlength=len(names)) / len(group))


def _cells(design: Design, label: Ints) -> tuple[Floats, Floats]:
    """Votes and wins of each item in each group, shape (N, G)."""
    group, names = _group("grouped", design)
    shape = len(design.items), len(names)
    cell = design.item * shape[1] + group
    size = shape[0] * shape[1]
    cast, won = np.bincount(cell, minlength=size), np.bincount(cell, weights=label, minlength=size)
    return cast.astype(np.float64).reshape(shape), won.reshape(shape)
