r"""Natures that differ from the planner's model by one number, the strength; for these every loss is exact.

Labels of an item are exchangeable under all of them, so an item's state remains (labels, wins), and the value of a
policy that plans and decides by another belief is a sum over the lattice (``dp.evaluate``). The problem has prior
Beta(a, b) with mean m = a / (a + b); s is the *strength*.

Faults of the raters: a label is a win with probability q, which differs from the rate alpha to decide on:

    flipped          each label is flipped with probability s                        q = (1 - s) alpha + s (1 - alpha)
    random           a share s of labels is a random answer                          q = (1 - s) alpha + s / 2
    colluding        a share s of labels follows a script: 1 with probability g      q = (1 - s) alpha + s g

Faults of the belief about the items:

    polarised        a share s of the items is one-sided: their rates are Beta(9, 1) with probability m, else Beta(1, 9)
    divided          a share s of the items divides the raters: their rates are Beta(25, 25)
    shifted          the items' mean is sigma(logit m + s), with the same size a + b
    dispersed        the size is (a + b) / s: the working prior is s times too confident
    flat             nature is the problem's prior, the working prior Beta(1 + (1-s)(a-1), 1 + (1-s)(b-1))

At the *right* strength, 0 (for ``dispersed`` 1), nature and working model are equal. In ``flat`` the working model
changes and nature stays; in all others nature changes.

``colluding`` needs integrals of alpha^j (1-alpha)^k over both sides of the threshold, under the prior. They come from
Gauss-Jacobi rules on (0, t) and (t, 1), whose weights contain the factor that may be singular at the end; the remaining
integrand is a polynomial times a power that is analytic there, and 64 nodes on each side give tables to 1e-12 for
thresholds from .02 to .98. The rule is itself a belief: a ``Grid`` of 128 rates.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import scipy

from ...dp.problem.problem import Problem
from ...posteriors.beliefs.belief import Belief
from ...posteriors.beliefs.beta import Beta
from ...posteriors.beliefs.beta_mixture import BetaMixture
from ...posteriors.beliefs.grid import Grid
from ...posteriors.beliefs.noisy_beta import NoisyBeta
from ...posteriors.foundation.kinds import checked
from ...posteriors.foundation.messages import named, shown
from ...posteriors.foundation.names import Registry
from ...posteriors.foundation.refusals import number, refused

__all__ = ["Misbelief", "exchangeable_names", "misbelief", "quadrature"]

_NODES = 64


@dataclass(frozen=True, eq=False)
class Misbelief:
    """Planner whose belief differs from nature.

    Attributes
    ----------
    working : Problem
        The planner's problem, by which labels are chosen and decisions made.
    nature : list of Belief
        True belief about each item.
    """

    working: Problem
    nature: list[Belief]


class Nature:
    """Base of the kinds of nature: the belief about an item at each strength.

    Attributes
    ----------
    name : str
        Registered name.
    strengths : tuple
        Test of a strength, and the allowed strengths in words.
    right : float
        Strength at which nature and working model are equal.
    moves_planner : bool
        True if the belief at a strength is the working model, and nature is the problem's prior.
    """

    name: ClassVar[str]
    strengths: ClassVar[tuple[Callable[[float], Any], str]]
    right: ClassVar[float] = 0.0
    moves_planner: ClassVar[bool] = False

    def belief(self, prior: Beta, threshold: float, strength: float) -> Belief:
        """Belief about an item of that prior."""
        raise TypeError(f"{type(self).__name__} must define belief")


_BELOW_HALF = (lambda s: 0 <= s < 0.5, "at least 0 and below 1/2")
_BELOW_ONE = (lambda s: 0 <= s < 1, "at least 0 and below 1")
_SHARE = (lambda s: 0 <= s <= 1, "from 0 to 1")


@dataclass(frozen=True)
class Flipped(Nature):
    """Labels flipped with a probability."""

    name = "flipped"
    strengths = _BELOW_HALF

    def belief(self, prior: Beta, threshold: float, strength: float) -> Belief:
        """Belief about an item of that prior."""
        return NoisyBeta(prior.a, prior.b, strength)


@dataclass(frozen=True)
class Random(Nature):
    """Labels of which a share is random."""

    name = "random"
    strengths = _BELOW_ONE

    def belief(self, prior: Beta, threshold: float, strength: float) -> Belief:
        """Belief about an item of that prior."""
        return NoisyBeta(prior.a, prior.b, strength / 2.0)


@dataclass(frozen=True)
class Colluding(Nature):
    """Labels of which a share follows a script.

    Parameters
    ----------
    script : float
        Probability that the script says 1, from 0 to 1.
    """

    script: float = 1.0
    name = "colluding"
    strengths = _BELOW_ONE

    def __post_init__(self) -> None:
        object.__setattr__(self, "script", number("script", self.script, *_SHARE))

    def belief(self, prior: Beta, threshold: float, strength: float) -> Belief:
        """Belief about an item of that prior."""
        rule = quadrature(prior, threshold)
        chances = (1.0 - strength) * np.array(rule.points) + strength * self.script
        return Grid(rule.points, rule.weights, tuple(chances.tolist()))


@dataclass(frozen=True)
class Polarised(Nature):
    """Items of which a share is one-sided."""

    name = "polarised"
    strengths = _SHARE

    def belief(self, prior: Beta, threshold: float, strength: float) -> Belief:
        """Belief about an item of that prior."""
        weights = (1.0 - strength, strength * prior.mean, strength * (1.0 - prior.mean))
        return _mixture(weights, (prior.a, 9.0, 1.0), (prior.b, 1.0, 9.0))


@dataclass(frozen=True)
class Divided(Nature):
    """Items of which a share divides the raters."""

    name = "divided"
    strengths = _SHARE

    def belief(self, prior: Beta, threshold: float, strength: float) -> Belief:
        """Belief about an item of that prior."""
        return _mixture((1.0 - strength, strength), (prior.a, 25.0), (prior.b, 25.0))


@dataclass(frozen=True)
class Shifted(Nature):
    """Items with another mean rate."""

    name = "shifted"
    strengths = (lambda s: abs(s) < np.inf, "finite")

    def belief(self, prior: Beta, threshold: float, strength: float) -> Belief:
        """Belief about an item of that prior."""
        size, mean = prior.a + prior.b, float(scipy.special.expit(scipy.special.logit(prior.mean) + strength))
        return Beta(size * mean, size * (1.0 - mean))


@dataclass(frozen=True)
class Dispersed(Nature):
    """Items whose rates vary more, or less."""

    name = "dispersed"
    strengths = (lambda s: 1e-6 <= s <= 1e6, "from 1e-6 to 1e6")
    right = 1.0

    def belief(self, prior: Beta, threshold: float, strength: float) -> Belief:
        """Belief about an item of that prior."""
        return Beta(prior.a / strength, prior.b / strength)


@dataclass(frozen=True)
class Flat(Nature):
    """Planner whose prior is flatter than nature."""

    name = "flat"
    strengths = _SHARE
    moves_planner = True

    def belief(self, prior: Beta, threshold: float, strength: float) -> Belief:
        """Belief of the planner about an item of that prior."""
        return Beta(1.0 + (1.0 - strength) * (prior.a - 1.0), 1.0 + (1.0 - strength) * (prior.b - 1.0))


def _mixture(weights: tuple[float, ...], a: tuple[float, ...], b: tuple[float, ...]) -> Belief:
    kept = [k for k, u in enumerate(weights) if u > 0]
    return BetaMixture(*(tuple(x[k] for k in kept) for x in (weights, a, b)))


NATURES = Registry(Nature, "nature")
NATURES.add_built_in([Flipped, Random, Colluding, Polarised, Divided, Shifted, Dispersed, Flat])


def exchangeable_names() -> tuple[str, ...]:
    """Names of the kinds of nature.

    Examples
    --------
    >>> len(exchangeable_names()), sorted(exchangeable_names())[:3]
    (8, ['colluding', 'dispersed', 'divided'])
    """
    return NATURES.names()


@checked
def misbelief(problem: Problem, kind: str, strength: float, **settings: Any) -> Misbelief:
    """Planner with this problem, and a nature that differs from it by a strength.

    Parameters
    ----------
    problem : Problem
        Problem with Beta priors.
    kind : str
        One of ``exchangeable_names()``, alone or with settings in brackets; see the module's docstring.
    strength : float
    **settings
        ``script``, for ``colluding``: the probability that the script says 1, from 0 to 1; default 1.

    Returns
    -------
    Misbelief

    Raises
    ------
    ValueError
        For an unknown kind or setting, a number out of range, and priors that are not Beta.

    Examples
    --------
    >>> misbelief(Problem([0.5], budget=2, prior=(2, 1)), "random", 0.4).nature
    [NoisyBeta(a=2.0, b=1.0, flip=0.2, wins=0, losses=0)]
    """
    nature = NATURES.make(kind, **settings)
    s = number(nature.name, strength, *nature.strengths)
    if not isinstance(problem.prior, np.ndarray):
        i = next(i for i in range(problem.size) if type(problem.belief(i)) is not Beta)
        raise refused(f"{nature.name}: the prior of {named(problem.name[i])}", problem.belief(i), "be Beta")
    priors = [Beta(a, b) for a, b in problem.prior.tolist()]
    if s == nature.right:
        return Misbelief(problem, list(priors))
    made = []
    for name, x, t in zip(problem.name, priors, problem.threshold.tolist(), strict=True):
        try:
            made.append(nature.belief(x, t, s))
        except ValueError as error:
            raise ValueError(f"{nature.name} is {s:g}, too far from {named(name)}'s {shown(x)}: {error}") from None
    if nature.moves_planner:
        return Misbelief(problem.replace(prior=made), list(priors))
    return Misbelief(problem, made)


def quadrature(prior: Beta, threshold: float) -> Grid:
    """Grid with the moments, up to high order, of a Beta belief on each side of a threshold.

    Examples
    --------
    >>> rule = quadrature(Beta(0.5, 2), 0.3)
    >>> at = (12, [0, 6, 12], 0.3)
    >>> bool(np.allclose(rule.at(*at).tail, Beta(0.5, 2).at(*at).tail, rtol=0, atol=1e-13))
    True
    """
    a, b, t = prior.a, prior.b, threshold
    scale = np.exp(-scipy.special.betaln(a, b))
    # The rule contains the weight x^(a-1) on (0, t), and the weight (1-x)^(b-1) on (t, 1).
    low, low_weight = scipy.special.roots_jacobi(_NODES, 0.0, a - 1.0)
    x = t * (1.0 + low) / 2.0
    below = scale * (t / 2.0) ** a * low_weight * (1.0 - x) ** (b - 1.0)
    high, high_weight = scipy.special.roots_jacobi(_NODES, b - 1.0, 0.0)
    rest = (1.0 - t) * (1.0 - high) / 2.0
    above = scale * ((1.0 - t) / 2.0) ** b * high_weight * (1.0 - rest) ** (a - 1.0)
    points = np.concatenate([x, 1.0 - rest])
    return Grid(tuple(points.tolist()), tuple(np.concatenate([below, above]).tolist()))
