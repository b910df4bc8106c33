"""Class models: the common part of the models whose items have a right answer, one-coin and Dawid-Skene.

Item i has an answer z_i of 0 or 1, and alpha_i = z_i: a rater who is never wrong always gives the answer.

    answer_rate ~ Beta(answer_a, answer_b),    z_i ~ Bernoulli(answer_rate).

Rater j votes right with log-odds a_j where the answer is 1 (the logit of the sensitivity) and b_j where it is 0 (of the
specificity). With S_j = (a_j + b_j) / 2, the skill, and L_j = (a_j - b_j) / 2, the lean towards saying 1,

    logit P(right | z_i = 1) = e_i S_j + L_j,    logit P(right | z_i = 0) = e_i S_j - L_j,

where the ease e_i is 1, or, with ``difficulty=True``,

    e_i = exp(-d_i),    d_i ~ Normal(0, difficulty_sd^2),    difficulty_sd ~ HalfNormal(difficulty_scale).

A difficult item removes the effect of skill and leaves that of the lean: votes on it approach those of a rater who does
not look at the item. The product e_i S_j is that of Whitehill et al. (2009). The alternative, to subtract d_i from the
log-odds, is not used: a large d_i would then invert the votes, and (z, d) and (1 - z, 2 S - d) would explain them about
equally well, so that the answer would depend on the prior of d alone. The averages over raters and items are
identified by the means of the skills and by the zero mean of d.

**Identification of the answers.** Exchanging the names of the two answers, with a' = -b and b' = -a, leaves the chances
of all votes unchanged and turns every S_j into -S_j. The mean of the skills is therefore positive in these models:
raters are right more often than not, on average over their population. Single raters may be worse than chance.

**Marginalisation.** The answers are summed out, item by item:

    p(y_i | rest) = answer_rate prod_v p(y_v | z_i = 1) + (1 - answer_rate) prod_v p(y_v | z_i = 0),

and P(z_i = 1 | draw, votes), the ``answer_chance``, is the share of the first term. A tail is its average over the
draws.

**Centring.** A rater's logit s ~ Normal(m, sd^2) is sampled as a part p ~ Normal(w m, sd^(2 w)), from which
s = m + sd^(1 - w) (p - w m): centred for w = 1, non-centred for w = 0 (Papaspiliopoulos, Roberts and Skold 2007). A
rater with n votes has w = n / (n + 20). Difficulties are non-centred.

**The fast method** is a Gibbs sampler (``kernels.gibbs``): from a draw of the population and its raters from the prior,
600 sweeps are discarded, then every fourth is kept. Its draws come from the exact posterior, including the
hyperparameters, so that it differs from NUTS only by the error of finitely many, dependent draws;
tests/posteriors/test_class_models.py checks that the tails of 4000 draws differ by at most .02 on average and .06 at
most.

A. P. Dawid and A. M. Skene (1979), "Maximum likelihood estimation of observer error-rates using the EM algorithm";
J. Whitehill et al. (2009), "Whose vote should count more".
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import scipy
from numpy.typing import NDArray

from ..beliefs.belief import Belief
from ..beliefs.grid import Grid
from ..foundation.arrays import Floats, Ints
from ..foundation.frozen import check_fields
from ..foundation.messages import shown
from ..kernels import answers as _kernels_answers
from ..kernels import gibbs as _kernels_gibbs
from ..votes.design import Design
from ..votes.label_set import offsets
from .constants import scale, shape
from .dims import dims_of
from .model import Draws, Parameters, RaterModel

if TYPE_CHECKING:
    import pymc as pm

__all__ = ["ClassModel", "drawn_logits", "parts", "whole"]

_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(21)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()
_HALF = 20.0
# With few votes, the answer rate and the lean are strongly correlated and need some hundreds of sweeps to converge.
_WARM, _THIN = 600, 4
# Smallest spread of raters, and distance of the answer rate from 0 and 1, at the start of a chain.
_LEAST = 0.05
_OF_DIFFICULTY = dims_of("difficulty_sd difficulty_unit[item] difficulty[item]")


class ClassModel(RaterModel):
    """Base of the models whose items have an answer of 0 or 1."""

    answer_a: float
    answer_b: float
    difficulty: bool
    difficulty_scale: float
    coins: ClassVar[int]
    always: ClassVar[dict[str, tuple[str, ...]]]
    fast_is_independent: ClassVar[bool] = False
    rate_names: ClassVar[tuple[str, ...]] = ("rate", "answer_chance", "answer")

    def _check(self, *scales: str) -> None:
        """Validate the constants and store them as floats."""
        check_fields(self, shape, "answer_a", "answer_b")
        check_fields(self, scale, *scales, "difficulty_scale")
        if not isinstance(self.difficulty, (bool, np.bool_)):
            raise ValueError(f"difficulty is {shown(self.difficulty)}; it must be True or False")

    @property
    def dims(self) -> dict[str, tuple[str, ...]]:  # type: ignore[override]
        """Dimensions of each parameter, with those of ``difficulty`` where items have one."""
        return self.always | _OF_DIFFICULTY if self.difficulty else self.always

    @abstractmethod
    def _draw_raters(self, rng: np.random.Generator, share: Floats, given: Parameters) -> Parameters:
        """Parameters of the population and the raters, drawn from the prior; ``share`` holds each rater's w."""

    @abstractmethod
    def _build_raters(self, share: Floats) -> tuple[Any, Any]:
        """Log-odds of a right vote of each rater, for answer 1 and for answer 0, inside a PyMC model."""

    @abstractmethod
    def _complete_raters(self, draws: Draws, share: Floats) -> dict[str, Floats]:
        """Variables of the raters that follow from the draws."""

    @abstractmethod
    def _scales(self) -> Floats:
        """Scales of the priors of skill, lean, the two standard deviations of raters, and that of difficulties."""

    @abstractmethod
    def _named(self, population: Floats, logits: Floats, share: Floats) -> dict[str, Floats]:
        """Variables of the population and the raters from the arrays of the Gibbs sampler."""

    @abstractmethod
    def _skill_and_lean(self, draws: Draws) -> tuple[Floats, Floats]:
        """S_j and L_j, shape (S, J)."""

    @abstractmethod
    def _fresh(self, draws: Draws, ease: Floats) -> tuple[tuple[Floats, Floats], tuple[Floats, Floats]]:
        """Mean and standard deviation of a fresh rater's log-odds of a right vote, for answers 0 and 1.

        The first axis of ``ease`` and of the returned arrays is the draw.
        """

    def draw(self, rng: np.random.Generator, design: Design, given: Parameters) -> Parameters:
        """Parameters drawn from the prior; a given ``rate`` holds the chances that the answers are 1."""
        items = len(design.items)
        found = {"answer_rate": given.get("answer_rate", rng.beta(self.answer_a, self.answer_b))}
        found |= self._draw_raters(rng, _share(design), given)
        if self.difficulty:
            sd = given.get("difficulty_sd", abs(rng.normal(0.0, self.difficulty_scale)))
            unit = given.get("difficulty_unit", rng.standard_normal(items))
            hard = np.broadcast_to(np.asarray(given.get("difficulty", sd * unit)), items)
            with np.errstate(divide="ignore", invalid="ignore"):
                unit = hard / sd if "difficulty" in given else unit
            found |= {"difficulty_sd": sd, "difficulty_unit": unit, "difficulty": hard}
        chance: Any = given.get("answer_chance", given.get("rate", found["answer_rate"]))
        drawn = rng.random(items) < np.asarray(chance)
        answer = np.broadcast_to(given.get("answer", drawn), items).astype(np.int64)
        found |= {"answer_chance": np.broadcast_to(chance, items).astype(np.float64), "answer": answer}
        return found | {"rate": answer.astype(np.float64)}

    def chances(self, parameters: Parameters, design: Design) -> Floats:
        """Chance of 1 of each vote: its rater's sensitivity on its item, or one minus the specificity."""
        skill, lean = (x[0, design.rater] for x in self._skill_and_lean(_one(parameters)))
        ease = np.exp(-np.asarray(parameters["difficulty"]))[design.item] if self.difficulty else 1.0
        yes = np.asarray(parameters["answer"])[design.item] == 1
        return np.asarray(scipy.special.expit(np.where(yes, ease * skill, -ease * skill) + lean))

    def build(self, design: Design, label: Ints) -> pm.Model:
        """PyMC model of the votes, with the answers summed out."""
        import pymc as pm
        import pytensor.tensor as pt

        items = len(design.items)
        with pm.Model() as model:
            vote = pm.Data("label", self.data(design, label)["label"])
            rate = pm.Beta("answer_rate", self.answer_a, self.answer_b)
            right1, right0 = self._build_raters(_share(design))
            if self.difficulty:
                sd = pm.HalfNormal("difficulty_sd", self.difficulty_scale)
                unit = pm.Normal("difficulty_unit", shape=items)
                skill = pt.exp(-sd * unit)[design.item] * ((right1 + right0) / 2)[design.rater]
                lean = ((right1 - right0) / 2)[design.rater]
                log1 = vote * (skill + lean) - pt.softplus(skill + lean)
                log0 = (1 - vote) * (skill - lean) - pt.softplus(skill - lean)
            else:
                log1 = vote * right1[design.rater] - pt.softplus(right1)[design.rater]
                log0 = (1 - vote) * right0[design.rater] - pt.softplus(right0)[design.rater]
            no, yes = (pt.zeros(items)[design.item].inc(x) for x in (log0, log1))
            pm.Potential("votes", pm.math.logaddexp(pt.log1p(-rate) + no, pt.log(rate) + yes).sum())
        return model

    def complete(self, draws: Draws, design: Design, label: Ints, rng: np.random.Generator) -> dict[str, NDArray[Any]]:
        """Raters, difficulties, chances of the answers, and answers drawn with these chances."""
        found: dict[str, NDArray[Any]] = dict(self._complete_raters(draws, _share(design)))
        if self.difficulty:
            found["difficulty"] = draws["difficulty_sd"][:, None] * draws["difficulty_unit"]
        log0, log1 = self._answer_logs({**draws, **found}, design, label)
        chance = scipy.special.expit(log1 - log0)
        answer = (rng.random(chance.shape) < chance).astype(np.int64)
        return found | {"answer_chance": chance, "answer": answer, "rate": answer.astype(np.float64)}

    def _votes(self, draws: Draws, design: Design, label: Ints) -> tuple[Ints, Ints, Ints, Floats, Floats, Floats]:
        """Common arguments of the kernels."""
        skill, lean = self._skill_and_lean(draws)
        ease = np.exp(-draws["difficulty"]) if self.difficulty else np.ones((len(skill), len(design.items)))
        item, rater, vote = (np.array(x, dtype=np.int64) for x in (design.item, design.rater, label))
        return item, rater, vote, _flat(skill), _flat(lean), _flat(ease)

    def _answer_logs(self, draws: Draws, design: Design, label: Ints) -> tuple[Floats, Floats]:
        """Log P(z_i = 0, votes on i) and log P(z_i = 1, votes on i) under each draw, shape (S, N)."""
        rate = np.asarray(draws["answer_rate"])[:, None]
        log0, log1 = (np.repeat(x, len(design.items), axis=1) for x in (np.log1p(-rate), np.log(rate)))
        _kernels_answers.answer_logs(*self._votes(draws, design, label), log0, log1)
        return log0, log1

    def approximate(self, design: Design, label: Ints, rng: np.random.Generator, draws: int) -> dict[str, NDArray[Any]]:
        """Draws by Gibbs sampling: the sweeps of ``kernels.gibbs``, thinned."""
        items, raters = len(design.items), len(design.raters)
        population, rate = np.empty((draws, 5)), np.empty(draws)
        logits, hard = np.empty((draws, 2, raters)), np.empty((draws, items))
        item, rater, vote = (np.array(x, dtype=np.int64) for x in (design.item, design.rater, label))
        votes = _kernels_gibbs.Votes(
            item,
            rater,
            vote,
            offsets(np.bincount(design.item, minlength=items)),
            np.argsort(design.rater, kind="stable"),
            offsets(np.bincount(design.rater, minlength=raters)),
        )
        answers = np.array([self.answer_a, self.answer_b])
        prior = _kernels_gibbs.Prior(self.coins, self.difficulty, self._scales(), answers)
        _kernels_gibbs.gibbs(
            votes, prior, self._begin(rng, raters), _WARM, _THIN, rng, (population, rate, logits, hard)
        )
        found = {"answer_rate": rate} | self._named(population, logits, _share(design))
        if self.difficulty:
            found |= {"difficulty_sd": population[:, 4], "difficulty_unit": hard / population[:, 4:]}
        return found

    def _begin(self, rng: np.random.Generator, raters: int) -> tuple[Floats, Floats, float]:
        """Start of a chain from the prior: h, the raters' logits and the answer rate of ``kernels.gibbs``."""
        h = rng.normal(0.0, self._scales())
        # Only the lean may be negative; chains of a population without spread would take long to leave it.
        h[[0, 2, 3, 4]] = np.maximum(abs(h[[0, 2, 3, 4]]), _LEAST)
        if self.coins == 1:
            h[1], h[3] = 0.0, h[2]
        unit = rng.standard_normal((self.coins, raters))
        u = np.array([h[0] + h[1], h[0] - h[1]])[:, None] + h[2:4, None] * unit
        return h, u, float(np.clip(rng.beta(self.answer_a, self.answer_b), _LEAST, 1.0 - _LEAST))

    def log_likelihood(self, draws: Draws, design: Design, label: Ints) -> Floats:
        """Log p(votes on the item) - log p(other votes on the item), with the answer summed out."""
        log0, log1 = self._answer_logs(draws, design, label)
        out = np.empty((len(log0), design.size))
        _kernels_answers.vote_given_others(*self._votes(draws, design, label), log0, log1, out)
        return out

    def conditional_tails(self, draws: Draws, design: Design, label: Ints, threshold: Floats) -> Floats:
        """Chance that the answer is 1, for any threshold."""
        return np.asarray(draws["answer_chance"])

    def new_rates(self, draws: Draws, rng: np.random.Generator) -> Floats:
        """Answers of new items."""
        rate = np.asarray(draws["answer_rate"])
        return (rng.random(rate.shape) < rate).astype(np.float64)

    def channel(self, draws: Draws, rate: Floats) -> Floats:
        """Chance of 1 from a fresh rater, on an item of unknown difficulty: linear between the rates 0 and 1."""
        no, yes = self._fresh_chances(draws)
        shape = (-1,) + (1,) * (np.ndim(rate) - 1)
        return no.reshape(shape) + (yes - no).reshape(shape) * rate

    def _fresh_chances(self, draws: Draws) -> tuple[Floats, Floats]:
        """Chance of 1 from a fresh rater on a new item of answer 0, and on one of answer 1, shape (S,)."""
        if not self.difficulty:
            no, yes = self._heard(draws, np.ones((len(draws["answer_rate"]), 1)))
            return no[:, 0], yes[:, 0]
        ease = np.exp(-np.asarray(draws["difficulty_sd"])[:, None] * _NODES)
        no, yes = self._heard(draws, ease)
        return no @ _WEIGHTS, yes @ _WEIGHTS

    def _heard(self, draws: Draws, ease: Floats) -> tuple[Floats, Floats]:
        """Chance of 1 from a fresh rater on items of given ease, for answer 0 and answer 1, shape of ``ease``."""
        found = []
        for mean, sd in self._fresh(draws, ease):
            out = np.empty(ease.size)
            center, spread = (np.array(np.broadcast_to(x, ease.shape), dtype=np.float64) for x in (mean, sd))
            _kernels_answers.heard(center.reshape(-1), spread.reshape(-1), _NODES, _WEIGHTS, out)
            found.append(out.reshape(ease.shape))
        return 1.0 - found[0], found[1]

    def item_beliefs(
        self, draws: Draws, design: Design, label: Ints, threshold: Floats | None, parts: int
    ) -> list[Belief]:
        """Two-point beliefs: rates 0 and 1, and for either the chance that a fresh rater says 1.

        The chances are means over the draws with weights P(z = 0 | draw) and P(z = 1 | draw). So the belief's mean is
        the predictive probability that the next vote is 1.
        """
        chance = np.asarray(draws["answer_chance"])
        ease = np.exp(-draws["difficulty"]) if self.difficulty else np.ones((len(chance), 1))
        no, yes = (np.broadcast_to(x, chance.shape) for x in self._heard(draws, ease))
        return [_two_points(chance[:, i], no[:, i], yes[:, i]) for i in range(chance.shape[1])]

    def new_item_belief(self, draws: Draws, rng: np.random.Generator, parts: int) -> Belief:
        """Two-point belief about the answer of a new item."""
        return _two_points(np.asarray(draws["answer_rate"]), *self._fresh_chances(draws))


def _flat(values: Any) -> Floats:
    return np.ascontiguousarray(values, dtype=np.float64)


def _one(parameters: Parameters) -> dict[str, NDArray[Any]]:
    """Parameters as a single draw."""
    return {name: np.asarray(x)[None] for name, x in parameters.items()}


def _share(design: Design) -> Floats:
    """Each rater's w, the degree of centring of the rater's logits."""
    n = np.bincount(design.rater, minlength=len(design.raters))
    return np.asarray(n / (n + _HALF))


def drawn_logits(
    rng: np.random.Generator, names: tuple[str, str], given: Parameters, mean: float, sd: float, share: Floats
) -> Parameters:
    """Raters' logits and their parts, by name, drawn from Normal(mean, sd^2) unless one of the two is given."""
    value, part = names
    found = rng.normal(mean, sd, share.size)
    if value in given:
        found = np.broadcast_to(np.asarray(given[value], dtype=np.float64), share.size)
    elif part in given:
        found = np.broadcast_to(whole(np.asarray(given[part]), mean, sd, share), share.size)
    # If raters do not differ (sd = 0), their parts are at the mean, and given logits may have no parts.
    with np.errstate(divide="ignore", invalid="ignore"):
        inner = np.where(found == mean, share * mean, parts(found, mean, np.float64(sd), share))
    return {value: found, part: np.broadcast_to(given.get(part, inner), share.size)}


def whole(part: Any, mean: Any, sd: Any, share: Floats) -> Any:
    """Logits of the raters from their parts, as arrays or tensors."""
    return mean + sd ** (1.0 - share) * (part - share * mean)


def parts(value: Floats, mean: Any, sd: Any, share: Floats) -> Floats:
    """Parts from the logits: the inverse of ``whole``."""
    return np.asarray(share * mean + (value - mean) * sd ** (share - 1.0))


def _two_points(chance: Floats, no: Floats, yes: Floats) -> Grid:
    """Belief about an answer, from its chance of being 1 and a fresh rater's chances of 1 under each draw."""
    tail = float(chance.mean())
    low = _weighted(no, 1.0 - chance)
    # A skilled population says 1 more often if the answer is 1, but averages over different draws may be reversed.
    high = _weighted(yes, chance)
    if high < low:
        # This keeps the belief's mean.
        low = high = (1.0 - tail) * low + tail * high
    return Grid((0.0, 1.0), (1.0 - tail, tail), (low, high))


def _weighted(values: Floats, weight: Floats) -> float:
    """Weighted mean, or the plain mean if all weights are 0."""
    total = weight.sum()
    return float(np.clip(weight @ values / total if total > 0 else values.mean(), 0.0, 1.0))
