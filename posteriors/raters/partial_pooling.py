"""Partial pooling: items' rates come from a common Beta distribution whose parameters are learned.

    mean ~ Uniform(0, 1),  log size ~ Normal(location, scale^2),  a = mean size,  b = (1 - mean) size,
    alpha_i ~ Beta(a, b),  votes on item i independent with chance alpha_i.

Given (a, b) an item's rate is Beta(a + w_i, b + n_i - w_i), so the rates are summed out: the likelihood is
beta-binomial,

    prod_i B(a + w_i, b + n_i - w_i) / B(a, b),

and only two parameters are sampled. Tails and beliefs are averages of Beta tails and Beta beliefs over the draws.
Raters are ignored: this is the model for votes without rater ids.

The fast method is a quadrature: the posterior of (logit mean, log size) is tabulated on a grid of 41 x 41 points, six
standard deviations to each side of its mode, along axes given by its curvature there. A draw is a cell of the grid,
chosen by its probability, and a point distributed uniformly in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import scipy
from numpy.typing import NDArray

from ..beliefs.belief import Belief
from ..beliefs.beta_mixture import BetaMixture
from ..foundation.arrays import Floats, Ints
from ..foundation.frozen import check_fields
from ..votes.design import Design
from .constants import location, scale
from .dims import dims_of
from .model import Draws, Parameters, RaterModel

if TYPE_CHECKING:
    import pymc as pm

__all__ = ["PartialPooling"]

_STEPS, _REACH = 41, 6.0
# Smallest allowed value of given parameters of the Beta distribution.
_LEAST = 1e-12


@dataclass(frozen=True)
class PartialPooling(RaterModel):
    """Rates from a common Beta distribution.

    Parameters
    ----------
    size_location, size_scale : float
        Mean and standard deviation of the logarithm of size = a + b. By default 95 % of sizes lie between .14 and 51.

    References
    ----------
    A. Gelman et al. (2013), "Bayesian Data Analysis", third edition, section 5.3.

    Examples
    --------
    >>> from seqaudit import LabelSet, PartialPooling
    >>> votes = LabelSet.from_pools({"a": [1, 1, 1], "b": [1, 0, 1], "c": [0, 0, 0], "d": [1, 1]})
    >>> fit = PartialPooling().fit(votes, method="fast", seed=7)
    >>> fit.tail(0.5).round(2)
    array([0.95, 0.76, 0.16, 0.92])
    """

    size_location: float = 1.0
    size_scale: float = 1.5
    name: ClassVar[str] = "partial-pooling"
    dims: ClassVar[dict[str, tuple[str, ...]]] = dims_of("mean size a b rate[item]")
    needs_raters: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_fields(self, location, "size_location")
        check_fields(self, scale, "size_scale")

    def limits(self, name: str) -> tuple[float, float] | None:
        """Limits as in all models; the parameters of the Beta distribution are positive."""
        ends = {"mean": (_LEAST, 1.0 - _LEAST), "size": (_LEAST, np.inf), "a": (_LEAST, np.inf), "b": (_LEAST, np.inf)}
        return ends.get(name) or super().limits(name)

    def draw(self, rng: np.random.Generator, design: Design, given: Parameters) -> Parameters:
        """Parameters drawn from the prior; a and b, if given, must be given together and determine mean and size."""
        if ("a" in given) != ("b" in given):
            one, other = "ab" if "a" in given else "ba"
            raise ValueError(f"{one} is given without {other}; give both, or mean and size")
        mean = given.get("mean", rng.random())
        size = given.get("size", np.exp(rng.normal(self.size_location, self.size_scale)))
        a, b = mean * size, (1.0 - mean) * size
        if "a" in given:
            a, b = given["a"], given["b"]
            for name, found in (("mean", a / (a + b)), ("size", a + b)):
                if name in given and not np.isclose(given[name], found, rtol=1e-9, atol=0.0):
                    raise ValueError(f"{name} is {given[name]}; with a = {a} and b = {b} it is {found}")
            mean, size = given.get("mean", a / (a + b)), given.get("size", a + b)
        rate = given.get("rate", rng.beta(a, b, len(design.items)))
        return {"mean": mean, "size": size, "a": a, "b": b, "rate": rate}

    def chances(self, parameters: Parameters, design: Design) -> Floats:
        """Rate of each vote's item."""
        return np.asarray(parameters["rate"][design.item])

    def build(self, design: Design, label: Ints) -> pm.Model:
        """Beta-binomial likelihood of each item's wins."""
        import pymc as pm
        import pytensor.tensor as pt

        n = np.bincount(design.item, minlength=len(design.items)).astype(np.float64)
        with pm.Model() as model:
            wins = pm.Data("wins", self.data(design, label)["wins"])
            mean = pm.Uniform("mean")
            size = pm.LogNormal("size", self.size_location, self.size_scale)
            a, b = mean * size, (1.0 - mean) * size
            whole = pt.gammaln(a) + pt.gammaln(b) - pt.gammaln(a + b)
            parts = pt.gammaln(a + wins) + pt.gammaln(b + n - wins) - pt.gammaln(a + b + n) - whole
            pm.Potential("votes", parts.sum())
        return model

    def data(self, design: Design, label: Ints) -> dict[str, Floats]:
        """Wins of each item."""
        return {"wins": _counts(design, label)[1].astype(np.float64)}

    def complete(self, draws: Draws, design: Design, label: Ints, rng: np.random.Generator) -> dict[str, NDArray[Any]]:
        """Draws of the rates from their Beta distributions."""
        a, b = draws["mean"] * draws["size"], (1.0 - draws["mean"]) * draws["size"]
        n, w = _counts(design, label)
        return {"a": a, "b": b, "rate": rng.beta(a[:, None] + w, b[:, None] + (n - w))}

    def approximate(self, design: Design, label: Ints, rng: np.random.Generator, draws: int) -> dict[str, NDArray[Any]]:
        """Draws of the two parameters from their posterior on a grid."""
        pairs, times = np.unique(np.stack(_counts(design, label)), axis=1, return_counts=True)
        n, w = pairs

        def log_posterior(x: Floats) -> Floats:
            """Log density of (logit mean, log size) at points x, shape (2, ...)."""
            mean, size = scipy.special.expit(x[0])[..., None], np.exp(x[1])[..., None]
            a, b = mean * size, (1.0 - mean) * size
            fit = (times * (scipy.special.betaln(a + w, b + n - w) - scipy.special.betaln(a, b))).sum(axis=-1)
            prior = -0.5 * ((x[1] - self.size_location) / self.size_scale) ** 2
            return np.asarray(fit + prior - np.logaddexp(0, x[0]) - np.logaddexp(0, -x[0]))

        start = np.array([scipy.special.logit((w @ times + 1) / (n @ times + 2)), self.size_location])

        def negative(x: Floats) -> float:
            return -float(log_posterior(x))

        mode = scipy.optimize.minimize(negative, start, method="Nelder-Mead", options={"xatol": 1e-6}).x
        axes = np.linalg.inv(np.linalg.cholesky(_curvature(log_posterior, mode))).T
        steps = np.linspace(-_REACH, _REACH, _STEPS)
        grid = np.stack(np.meshgrid(steps, steps, indexing="ij"))
        logs = log_posterior(mode.reshape(2, 1, 1) + np.tensordot(axes, grid, 1)).reshape(-1)
        chosen = rng.choice(logs.size, size=draws, p=(p := np.exp(logs - logs.max())) / p.sum())
        within = grid.reshape(2, -1)[:, chosen] + rng.uniform(-0.5, 0.5, (2, draws)) * (steps[1] - steps[0])
        x = mode[:, None] + axes @ within
        return {"mean": scipy.special.expit(x[0]), "size": np.exp(x[1])}

    def log_likelihood(self, draws: Draws, design: Design, label: Ints) -> Floats:
        """Log of the beta-binomial chance of each vote, given the other votes on its item."""
        a, b = draws["a"][:, None], draws["b"][:, None]
        n, w = (x[design.item] for x in _counts(design, label))
        agreeing = np.where(label == 1, a + w - 1, b + (n - w) - 1)
        return np.asarray(np.log(agreeing) - np.log(a + b + n - 1))

    def conditional_tails(self, draws: Draws, design: Design, label: Ints, threshold: Floats) -> Floats:
        """Tails of the rates' Beta distributions."""
        a, b = draws["a"][:, None], draws["b"][:, None]
        distinct, which = np.unique(np.stack([*_counts(design, label), threshold]), axis=1, return_inverse=True)
        n, w, t = distinct
        return np.asarray(scipy.special.betaincc(a + w, b + n - w, t))[:, which.reshape(-1)]

    def new_rates(self, draws: Draws, rng: np.random.Generator) -> Floats:
        """Rates from the common distribution."""
        return np.asarray(rng.beta(draws["a"], draws["b"]))

    def item_beliefs(
        self, draws: Draws, design: Design, label: Ints, threshold: Floats | None, parts: int
    ) -> list[Belief]:
        """Mixtures of at most ``parts`` Beta beliefs, whose tails approximate those of the draws."""
        weight, a, b = _components(draws, parts)
        made: dict[tuple[int, int], Belief] = {}
        for pair in zip(*(x.tolist() for x in _counts(design, label)), strict=True):
            n, w = pair
            if pair not in made:
                made[pair] = BetaMixture(tuple(weight), tuple(a + w), tuple(b + n - w))
        return [made[pair] for pair in zip(*(x.tolist() for x in _counts(design, label)), strict=True)]

    def new_item_belief(self, draws: Draws, rng: np.random.Generator, parts: int) -> Belief:
        """Belief about a new item: the common distribution, averaged over the draws of its parameters."""
        weight, a, b = _components(draws, parts)
        return BetaMixture(tuple(weight), tuple(a), tuple(b))


def _counts(design: Design, label: Ints) -> tuple[Ints, Ints]:
    """Votes and wins of each item."""
    size = len(design.items)
    return np.bincount(design.item, minlength=size), np.bincount(design.item[label == 1], minlength=size)


def _curvature(function: Any, at: Floats, step: float = 1e-3) -> Floats:
    """Minus the matrix of second differences of a function of two numbers."""
    e = step * np.eye(2)
    out = np.empty((2, 2))
    for j in range(2):
        for k in range(2):
            corners = [function(at + s * e[j] + r * e[k]) for s in (1, -1) for r in (1, -1)]
            out[j, k] = -(corners[0] - corners[1] - corners[2] + corners[3]) / (4 * step * step)
    return out


def _components(draws: Draws, parts: int) -> tuple[Floats, Floats, Floats]:
    """Weights and Beta parameters of at most ``parts`` components, each the average of a group of similar draws.

    Draws are grouped into strips by size, and each strip into pieces by mean.
    """
    mean, size = draws["mean"], draws["size"]
    strips = max(1, int(np.sqrt(parts)))
    pieces = [
        piece
        for strip in np.array_split(np.argsort(size, kind="stable"), strips)
        for piece in np.array_split(strip[np.argsort(mean[strip], kind="stable")], parts // strips)
        if piece.size
    ]
    weight = np.array([piece.size for piece in pieces], dtype=np.float64)
    m = np.array([mean[piece].mean() for piece in pieces])
    s = np.exp([np.log(size[piece]).mean() for piece in pieces])
    return weight, m * s, (1.0 - m) * s
