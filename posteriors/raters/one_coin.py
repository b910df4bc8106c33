"""One coin: every item has an answer, and each rater is right with one probability, the same for both answers.

    skill_mean ~ HalfNormal(skill_scale),    skill_sd ~ HalfNormal(spread_scale),
    skill_j ~ Normal(skill_mean, skill_sd^2),    P(vote of j is right) = logistic(skill_j e_i),

with answers, their rate, the ease e_i and the fast method as in ``class_model``, which also explains why skill_mean is
positive: otherwise the two answers could be exchanged. Votes of a rater of negative skill count for the opposite
answer. The model cannot represent a lean towards 0 that all raters share: it then infers that most answers are 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..foundation.arrays import Floats
from .class_model import ClassModel, drawn_logits, parts, whole
from .dims import dims_of
from .model import Draws, Parameters

__all__ = ["OneCoin"]


@dataclass(frozen=True)
class OneCoin(ClassModel):
    """Answers of 0 or 1, and raters of different skill.

    Parameters
    ----------
    difficulty : bool
        True if items differ in difficulty.
    answer_a, answer_b : float
        Beta prior of the share of items whose answer is 1.
    skill_scale : float
        Scale of the half-normal prior of the raters' mean log-odds of a right vote.
    spread_scale : float
        Scale of the half-normal prior of the standard deviation of these log-odds among raters.
    difficulty_scale : float
        Scale of the half-normal prior of the standard deviation of the difficulties.

    Examples
    --------
    >>> from seqaudit import OneCoin
    >>> votes = OneCoin().simulate(7, parameters={"skill_mean": 1.5, "skill_sd": 0.5})
    >>> fit = OneCoin().fit(votes.labels, method="fast", seed=7)
    >>> round(float(((fit.tail(0.5) > 0.5) == votes.truth["answer"]).mean()), 2)
    1.0
    """

    difficulty: bool = False
    answer_a: float = 1.0
    answer_b: float = 1.0
    skill_scale: float = 1.5
    spread_scale: float = 1.0
    difficulty_scale: float = 1.0
    name: ClassVar[str] = "one-coin"
    always: ClassVar[dict[str, tuple[str, ...]]] = dims_of(
        "answer_rate skill_mean skill_sd skill_part[rater] skill[rater] answer_chance[item] answer[item] rate[item]"
    )
    coins: ClassVar[int] = 1

    def __post_init__(self) -> None:
        self._check("skill_scale", "spread_scale")

    def _scales(self) -> Floats:
        return np.array([self.skill_scale, 1.0, self.spread_scale, self.spread_scale, self.difficulty_scale])

    def _draw_raters(self, rng: np.random.Generator, share: Floats, given: Parameters) -> Parameters:
        mean = given.get("skill_mean", abs(rng.normal(0.0, self.skill_scale)))
        sd = given.get("skill_sd", abs(rng.normal(0.0, self.spread_scale)))
        raters = drawn_logits(rng, ("skill", "skill_part"), given, mean, sd, share)
        return {"skill_mean": mean, "skill_sd": sd} | raters

    def _build_raters(self, share: Floats) -> tuple[Any, Any]:
        import pymc as pm

        mean = pm.HalfNormal("skill_mean", self.skill_scale)
        sd = pm.HalfNormal("skill_sd", self.spread_scale)
        skill = whole(pm.Normal("skill_part", share * mean, sd**share), mean, sd, share)
        return skill, skill

    def _complete_raters(self, draws: Draws, share: Floats) -> dict[str, Floats]:
        mean, sd = draws["skill_mean"][:, None], draws["skill_sd"][:, None]
        return {"skill": whole(draws["skill_part"], mean, sd, share)}

    def _named(self, population: Floats, logits: Floats, share: Floats) -> dict[str, Floats]:
        mean, sd = population[:, 0], population[:, 2]
        return {
            "skill_mean": mean,
            "skill_sd": sd,
            "skill_part": parts(logits[:, 0], mean[:, None], sd[:, None], share),
        }

    def _skill_and_lean(self, draws: Draws) -> tuple[Floats, Floats]:
        skill = np.asarray(draws["skill"], dtype=np.float64)
        return skill, np.zeros_like(skill)

    def _fresh(self, draws: Draws, ease: Floats) -> tuple[tuple[Floats, Floats], tuple[Floats, Floats]]:
        right = ease * np.asarray(draws["skill_mean"])[:, None], ease * np.asarray(draws["skill_sd"])[:, None]
        return right, right
