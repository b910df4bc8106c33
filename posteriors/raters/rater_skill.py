"""Rater skill: raters with a bias and a skill, as in two-parameter item response models.

    logit P(rater j says 1 of item i) = d_j x_i + o_j,    alpha_i = sigma(x_i),
    d_j = exp(l_j),  l = skill_sd z,  o = rater_sd z',  z and z' standard Normal that sum to zero over the raters,
    x_i ~ Normal(item_mean, item_sd^2),    skill_sd ~ HalfNormal(skill_scale),    the rest as in ``rater_bias``.

Votes of a skilled rater depend more strongly on the item's log-odds. In the alternative parametrisation d_j (x_i - c_j)
a rater without skill, d near 0, would say 1 with chance one half; here the chance is sigma(o_j), so that the model can
represent a rater who always says the same.

The construction fixes a sign and a scale. The sign: without d_j > 0, (x, d) and (-x, -d) would be equivalent. The
scale: x and 1/d could be multiplied by a common factor; so the geometric mean of the raters' skills is 1, and alpha_i
is the rate at which a rater of usual skill and average bias says 1. A fresh rater has an independent skill and offset,

    q(alpha) = E sigma(exp(skill_sd Z') logit(alpha) + rater_sd Z),

by Gauss-Hermite quadrature, 12 x 24 points. The model is the two-parameter logistic model of Birnbaum (1968), with
raters instead of questions. The fast method is that of ``rater_field``. On the 80 votes of
tests/posteriors/test_rater_skill.py its tails at one half are within .04 of those of NUTS, and within .015 on average.
It starts from a Gaussian approximation of the log-skills, and moves them toward the exact posterior by twelve passes
of Metropolis steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import scipy
from numpy.typing import NDArray

from ..foundation.arrays import Floats, Ints
from ..foundation.frozen import check_fields
from ..votes.design import Design
from .constants import log_scale
from .dims import dims_of
from .log_odds import along, fresh_chance, sum_to_zero
from .model import Draws, Parameters
from .noncentred import zero_sum_effects
from .rater_bias import RaterBias

__all__ = ["RaterSkill"]

_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(12)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()
# Smallest positive skill, so that logarithms are finite.
_LEAST = float(np.finfo(np.float64).tiny)


@dataclass(frozen=True)
class RaterSkill(RaterBias):
    """Rates on the logistic scale, and raters who differ in bias and in skill.

    Parameters
    ----------
    mean_scale : float
        Standard deviation of the prior of the mean log-odds of items.
    item_scale, rater_scale, skill_scale : float
        Scales of the half-normal priors of the standard deviations of the items' log-odds, of the raters' offsets and
        of the raters' log-skills.

    References
    ----------
    A. Birnbaum (1968), "Some latent trait models and their use in inferring an examinee's ability", in F. M. Lord and
    M. R. Novick, "Statistical Theories of Mental Test Scores".

    Examples
    --------
    >>> from seqaudit import Design, RaterSkill
    >>> votes = RaterSkill().simulate(7, Design.balanced(items=20, raters=8, votes_per_item=5), rate=[0.9] * 20).labels
    >>> fit = RaterSkill().fit(votes, method="fast", seed=7)
    >>> bool(fit.tail(0.5).mean() > 0.9)
    True
    """

    skill_scale: float = 0.5
    name: ClassVar[str] = "rater-skill"
    dims: ClassVar[dict[str, tuple[str, ...]]] = RaterBias.dims | dims_of("skill_sd log_skill[rater] skill[rater]")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_fields(self, log_scale, "skill_scale")

    def limits(self, name: str) -> tuple[float, float] | None:
        """Limits as in all models; skills are positive."""
        return (_LEAST, np.inf) if name == "skill" else super().limits(name)

    def draw(self, rng: np.random.Generator, design: Design, given: Parameters) -> Parameters:
        """Parameters drawn from the prior; given rates and skills determine the log-odds and log-skills."""
        found = super().draw(rng, design, given)
        sd = given.get("skill_sd", abs(rng.normal(0.0, self.skill_scale)))
        log_skill = np.asarray(given.get("log_skill", sd * sum_to_zero(rng, len(design.raters))), dtype=np.float64)
        skill = np.asarray(given.get("skill", np.exp(log_skill)), dtype=np.float64)
        return found | {"skill_sd": sd, "log_skill": np.log(skill) if "skill" in given else log_skill, "skill": skill}

    def vote_logits(self, parameters: Parameters | Draws, design: Design) -> Floats:
        """Log-odds of each vote, shape (V,) or (S, V)."""
        skill, x = parameters["skill"][..., design.rater], parameters["item_logit"][..., design.item]
        return np.asarray(skill * x + parameters["offset"][..., design.rater])

    def build_logits(self, design: Design) -> Any:
        """Log-odds of each vote, in the PyMC model of the context."""
        import pymc as pm
        import pytensor.tensor as pt

        x, offset = self.build_field(design)
        skill_sd = pm.HalfNormal("skill_sd", self.skill_scale)
        skill = pt.exp(zero_sum_effects("log_skill", skill_sd, len(design.raters), design.size))
        return skill[design.rater] * x[design.item] + offset[design.rater]

    def complete(self, draws: Draws, design: Design, label: Ints, rng: np.random.Generator) -> dict[str, NDArray[Any]]:
        """Rates and skills computed from their log-odds and logarithms."""
        return super().complete(draws, design, label, rng) | {"skill": np.exp(draws["log_skill"])}

    def scales(self) -> Floats:
        """Scales of the half-normal priors of the standard deviations: items, offsets, log-skills."""
        return np.append(super().scales(), self.skill_scale)

    def channel(self, draws: Draws, rate: Floats) -> Floats:
        """Chance of 1 from a rater with a fresh offset and a fresh skill."""
        x = scipy.special.logit(rate)
        skill_sd, rater_sd = along(draws["skill_sd"], rate), along(draws["rater_sd"], rate)
        total = np.zeros(rate.shape)
        for z, weight in zip(_NODES, _WEIGHTS, strict=True):
            total += weight * fresh_chance(np.exp(skill_sd * z) * x, rater_sd)
        return total
