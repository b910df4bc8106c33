"""Dawid-Skene: every item has an answer, and each rater has a sensitivity and a specificity.

    skill ~ HalfNormal(skill_scale),    lean ~ Normal(0, lean_scale^2),
    sensitivity_sd, specificity_sd ~ HalfNormal(spread_scale),
    sensitivity_logit_j ~ Normal(skill + lean, sensitivity_sd^2),
    specificity_logit_j ~ Normal(skill - lean, specificity_sd^2),
    P(1 | answer 1) = sensitivity_j,    P(0 | answer 0) = specificity_j,

with answers, their rate, the difficulties and the fast method as in ``class_model``, which also explains why skill,
half the sum of the two means, is positive: otherwise the two answers could be exchanged. lean, half their difference,
is positive if raters say 1 too readily. With difficulties, sensitivity and specificity are those on an item of
difficulty 0. The model is that of Dawid and Skene (1979) for two answers, with a population of raters (Paun et al.
2018).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import scipy

from ..foundation.arrays import Floats
from .class_model import ClassModel, drawn_logits, parts, whole
from .dims import dims_of
from .model import Draws, Parameters

__all__ = ["DawidSkene"]

_SIDES = (("sensitivity", 1.0), ("specificity", -1.0))


@dataclass(frozen=True)
class DawidSkene(ClassModel):
    """Answers of 0 or 1, and raters who differ in sensitivity and specificity.

    Parameters
    ----------
    difficulty, answer_a, answer_b, difficulty_scale
        As for ``OneCoin``.
    skill_scale, lean_scale : float
        Scales of the half-normal prior of skill and of the normal prior of lean.
    spread_scale : float
        Scale of the half-normal priors of the standard deviations of the two logits among raters.

    References
    ----------
    A. P. Dawid and A. M. Skene (1979), "Maximum likelihood estimation of observer error-rates using the EM algorithm";
    S. Paun et al. (2018), "Comparing Bayesian models of annotation".

    Examples
    --------
    >>> from seqaudit import DawidSkene
    >>> votes = DawidSkene().simulate(7, parameters={"answer_rate": 0.5, "lean": 1.0})
    >>> fit = DawidSkene().fit(votes.labels, method="fast", seed=7)
    >>> bool(fit.draws["lean"].mean() > 0.5)
    True
    """

    difficulty: bool = False
    answer_a: float = 1.0
    answer_b: float = 1.0
    skill_scale: float = 1.5
    lean_scale: float = 1.0
    spread_scale: float = 1.0
    difficulty_scale: float = 1.0
    name: ClassVar[str] = "dawid-skene"
    always: ClassVar[dict[str, tuple[str, ...]]] = dims_of(
        "answer_rate skill lean sensitivity_sd specificity_sd sensitivity_part[rater] specificity_part[rater] "
        "sensitivity[rater] specificity[rater] answer_chance[item] answer[item] rate[item]"
    )
    coins: ClassVar[int] = 2

    def __post_init__(self) -> None:
        self._check("skill_scale", "lean_scale", "spread_scale")

    def _scales(self) -> Floats:
        return np.array(
            [self.skill_scale, self.lean_scale, self.spread_scale, self.spread_scale, self.difficulty_scale]
        )

    def _draw_raters(self, rng: np.random.Generator, share: Floats, given: Parameters) -> Parameters:
        found = {
            "skill": given.get("skill", abs(rng.normal(0.0, self.skill_scale))),
            "lean": given.get("lean", rng.normal(0.0, self.lean_scale)),
        }
        for side, sign in _SIDES:
            mean = found["skill"] + sign * found["lean"]
            sd = given.get(f"{side}_sd", abs(rng.normal(0.0, self.spread_scale)))
            known = {k: given[k] for k in (f"{side}_part",) if k in given}
            if side in given:
                known["logit"] = _logits(given[side])
            raters = drawn_logits(rng, ("logit", f"{side}_part"), known, mean, sd, share)
            found |= {
                f"{side}_sd": sd,
                f"{side}_part": raters[f"{side}_part"],
                side: scipy.special.expit(raters["logit"]),
            }
        return found

    def _build_raters(self, share: Floats) -> tuple[Any, Any]:
        import pymc as pm

        skill = pm.HalfNormal("skill", self.skill_scale)
        lean = pm.Normal("lean", 0.0, self.lean_scale)
        logits = []
        for side, sign in _SIDES:
            mean = skill + sign * lean
            sd = pm.HalfNormal(f"{side}_sd", self.spread_scale)
            logits.append(whole(pm.Normal(f"{side}_part", share * mean, sd**share), mean, sd, share))
        return logits[0], logits[1]

    def _complete_raters(self, draws: Draws, share: Floats) -> dict[str, Floats]:
        found = {}
        for side, sign in _SIDES:
            mean = (draws["skill"] + sign * draws["lean"])[:, None]
            found[side] = scipy.special.expit(whole(draws[f"{side}_part"], mean, draws[f"{side}_sd"][:, None], share))
        return found

    def _named(self, population: Floats, logits: Floats, share: Floats) -> dict[str, Floats]:
        skill, lean = population[:, 0], population[:, 1]
        found = {"skill": skill, "lean": lean}
        for c, (side, sign) in enumerate(_SIDES):
            sd = population[:, 2 + c]
            mean = (skill + sign * lean)[:, None]
            found |= {f"{side}_sd": sd, f"{side}_part": parts(logits[:, c], mean, sd[:, None], share)}
        return found

    def _skill_and_lean(self, draws: Draws) -> tuple[Floats, Floats]:
        a, b = (_logits(draws[side]) for side, _ in _SIDES)
        return (a + b) / 2, (a - b) / 2

    def _fresh(self, draws: Draws, ease: Floats) -> tuple[tuple[Floats, Floats], tuple[Floats, Floats]]:
        skill, lean = (np.asarray(draws[name])[:, None] for name in ("skill", "lean"))
        # For answer 1 the log-odds are (1 + e) / 2 a - (1 - e) / 2 b; for answer 0, a and b are exchanged.
        sd_a, sd_b = (np.asarray(draws[f"{side}_sd"])[:, None] for side, _ in _SIDES)
        near, far = (1.0 + ease) / 2, (1.0 - ease) / 2
        wrong = ease * skill - lean, np.hypot(near * sd_b, far * sd_a)
        return wrong, (ease * skill + lean, np.hypot(near * sd_a, far * sd_b))


def _logits(chance: Any) -> Floats:
    """Logits, kept finite even for raters who are never wrong."""
    return np.asarray(scipy.special.logit(np.clip(chance, 1e-15, 1.0 - 1e-15)))
