"""Beliefs about one item a second time: everything from the probability of a sequence of labels.

With m(n, w) the probability that n labels come in one given order of w wins and n - w losses, and m(n, w; alpha > t)
the probability that they do and the item's rate is above its threshold,

    mean(n, w) = m(n + 1, w + 1) / m(n, w),        tail(n, w) = m(n, w; alpha > t) / m(n, w).

Whole Beta parameters make all of it rational numbers, kept exact; other numbers are floats; the logit-normal belief is
integrated numerically. Nothing here comes from the package but its names for the beliefs, in ``stated``.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import betainc

import seqaudit as sa

Number = Any  # float or Fraction


class Belief(ABC):
    """Belief about one item before any label."""

    @abstractmethod
    def mass(self, n: int, w: int, above: float | None = None) -> Number:
        """Probability of one order of n labels with w wins, together with alpha > ``above``."""

    @abstractmethod
    def stated(self) -> Any:
        """The same belief, stated to the package."""

    def mean(self, n: int, w: int) -> Number:
        """Probability that the next label is a win."""
        return _mean(self, n, w)

    def tail(self, n: int, w: int, threshold: float) -> Number:
        """P(alpha > threshold)."""
        return _tail(self, n, w, threshold)


@cache
def _mean(belief: Belief, n: int, w: int) -> Number:
    return _mass(belief, n + 1, w + 1, None) / _mass(belief, n, w, None)


@cache
def _tail(belief: Belief, n: int, w: int, threshold: float) -> Number:
    return _mass(belief, n, w, threshold) / _mass(belief, n, w, None)


@cache
def _mass(belief: Belief, n: int, w: int, above: float | None) -> Number:
    return belief.mass(n, w, above)


def _shares(weights: tuple[float, ...]) -> list[Fraction]:
    exact = [Fraction(x) for x in weights]
    return [x / sum(exact) for x in exact]


def _urn(start: Number, steps: int) -> Number:
    """start (start + 1) ... (start + steps - 1)."""
    return math.prod((start + k for k in range(steps)), start=Fraction(1))


@dataclass(frozen=True)
class Beta(Belief):
    """A label is a win in proportion to the wins so far, as from Polya's urn."""

    a: float = 1
    b: float = 1

    def mass(self, n: int, w: int, above: float | None = None) -> Number:
        whole = float(self.a).is_integer() and float(self.b).is_integer()
        a, b = (int(self.a), int(self.b)) if whole else (self.a, self.b)
        order = _urn(a, w) * _urn(b, n - w) / _urn(a + b, n)
        if above is None:
            return order
        a, b = a + w, b + n - w
        if not whole:
            return order * float(betainc(b, a, 1.0 - above))
        t, trials = Fraction(above), a + b - 1
        return order * sum(math.comb(trials, j) * t**j * (1 - t) ** (trials - j) for j in range(a))

    def stated(self) -> Any:
        return sa.Beta(self.a, self.b)


@dataclass(frozen=True)
class Mixture(Belief):
    """One of several Beta beliefs, and nobody knows which."""

    weights: tuple[float, ...]
    a: tuple[float, ...]
    b: tuple[float, ...]

    def mass(self, n: int, w: int, above: float | None = None) -> Number:
        parts = zip(_shares(self.weights), self.a, self.b, strict=True)
        return sum(share * _mass(Beta(a, b), n, w, above) for share, a, b in parts)

    def stated(self) -> Any:
        return sa.BetaMixture(self.weights, self.a, self.b)


@dataclass(frozen=True)
class Noisy(Belief):
    """Every label of rate alpha ~ Beta(a, b) is turned over with probability ``flip``: sum over what it was before."""

    a: float
    b: float
    flip: float

    def mass(self, n: int, w: int, above: float | None = None) -> Number:
        flip, clean = Fraction(self.flip), Beta(self.a, self.b)
        return sum(
            math.comb(w, kept) * (1 - flip) ** kept * flip ** (w - kept)
            * math.comb(n - w, turned) * flip**turned * (1 - flip) ** (n - w - turned)
            * _mass(clean, n, kept + turned, above)
            for kept in range(w + 1)
            for turned in range(n - w + 1)
        )  # fmt: skip

    def stated(self) -> Any:
        return sa.NoisyBeta(self.a, self.b, self.flip)


@dataclass(frozen=True)
class Grid(Belief):
    """Finitely many possible rates."""

    points: tuple[float, ...]
    weights: tuple[float, ...]
    chances: tuple[float, ...] | None = None

    def mass(self, n: int, w: int, above: float | None = None) -> Number:
        heard = (Fraction(q) for q in self.chances or self.points)
        rates = zip(self.points, heard, _shares(self.weights), strict=True)
        return sum(s * q**w * (1 - q) ** (n - w) for p, q, s in rates if above is None or p > above)

    def stated(self) -> Any:
        return sa.Grid(self.points, self.weights, self.chances)


@dataclass(frozen=True)
class LogitNormal(Belief):
    """logit(alpha) ~ Normal(mean, sd)."""

    location: float
    sd: float

    def mass(self, n: int, w: int, above: float | None = None) -> Number:
        def density(z: float) -> float:
            x = self.location + self.sd * z
            # log of the logistic function, without overflow on either side.
            win, loss = (min(y, 0.0) - math.log1p(math.exp(-abs(y))) for y in (x, -x))
            return math.exp(w * win + (n - w) * loss - z * z / 2) / math.sqrt(2 * math.pi)

        lowest = -12.0 if above is None else (math.log(above / (1 - above)) - self.location) / self.sd
        cuts = [lowest, *(x for x in (-3.0, 0.0, 3.0) if x > lowest), max(12.0, lowest)]
        return sum(quad(density, low, high, epsabs=1e-14, epsrel=1e-12)[0] for low, high in pairwise(cuts))

    def stated(self) -> Any:
        return sa.LogitNormal(self.location, self.sd)


parameters = st.integers(1, 4)
real_parameters = st.integers(50, 600).map(lambda x: x / 100)
shares = st.integers(1, 8).map(lambda x: x / 4)
points = st.integers(1, 19).map(lambda x: x / 20)
whole_betas = st.builds(Beta, parameters, parameters)
betas = whole_betas | st.builds(Beta, real_parameters, real_parameters)
noisy = st.builds(Noisy, parameters, parameters, st.sampled_from((0.0, 0.05, 0.25, 0.4)))


@st.composite
def mixtures(draw: st.DrawFn, number: st.SearchStrategy[float] = real_parameters) -> Mixture:
    count = draw(st.integers(1, 3))
    return Mixture(*(draw(st.tuples(*[values] * count)) for values in (shares, number, number)))


@st.composite
def grids(draw: st.DrawFn, point: st.SearchStrategy[float] = points) -> Grid:
    rates = tuple(sorted(draw(st.sets(point, min_size=1, max_size=4))))
    heard = st.tuples(*[points] * len(rates)).map(lambda x: tuple(sorted(x)))
    return Grid(rates, draw(st.tuples(*[shares] * len(rates))), draw(st.none() | heard))


exact_beliefs = whole_betas | noisy | grids() | mixtures(parameters)
beliefs = exact_beliefs | betas | mixtures()


# Beliefs of every kind, to try what all of them share.
SAMPLES = [
    sa.Beta(1, 1),
    sa.Beta(0.3, 5),
    sa.BetaMixture([3, 1], [9, 50], [1, 50]),
    sa.BetaMixture([0.2, 0.3, 0.5], [0.01, 500, 2], [300, 3, 2]),
    sa.NoisyBeta(1, 1, 0),
    sa.NoisyBeta(2, 3, 0.1),
    sa.NoisyBeta(0.05, 0.05, 0.3),
    sa.NoisyBeta(1, 30, 0.01).after(wins=4, losses=1),
    sa.LogitNormal(0, 1),
    sa.LogitNormal(-2, 3),
    sa.LogitNormal(1, 0.05),
    sa.LogitNormal(0, 40),
    sa.LogitNormal(0.5, 2).after(wins=2, losses=7),
    sa.Grid([0.2, 0.5, 0.9], [1, 2, 1]),
    sa.Grid(np.linspace(0, 1, 41), np.ones(41)),
    sa.Grid([0, 0.4, 1], [2, 1, 1], chances=[0.15, 0.5, 0.8]),
]
