r"""Largest beta (strength of the pull towards the reference) at which a given share of the weight is learnable.

The share of the weight that is learnable at beta, under the current beliefs, is

    S(beta) = sum_i v_i P(alpha_i > sigma(beta c_i)) / sum_i v_i

(Lemma 2026, section 8). The terms of items with c > 0 fall with beta and those of items with c < 0 rise, so S need not
be monotone: the betas at which it reaches a target may form many intervals. The search finds the *largest* such beta.
For beta between l and u, whatever the beliefs,

    S <= sum over c > 0 of v P(alpha > sigma(l c))  +  sum over c <= 0 of v P(alpha > sigma(u c)),

divided by the same sum. For Beta beliefs the slope is known too: S' is the sum of -v c D divided by that of v, with D =
t^a (1-t)^b / B(a, b), which has a single peak at t = a / (a + b); its range between l and u bounds how far S can rise
from either end. The same holds for mixtures of Betas, including noisy ones. An interval whose bound is below the target
contains no answer and is dropped; one whose right end reaches the target ends the search; any other is halved, the
right half first. The answer is certain: the target is reached at ``value``, and at no beta above ``upper``. (Branch and
bound; Horst and Tuy 1996, "Global Optimization".)

As beta grows P(alpha > sigma(beta c)) tends to P(alpha = 1) where c > 0, to P(alpha > 0) where c < 0, and is P(alpha >
1/2) where c = 0; under beliefs with a density the first two limits are 0 and 1. These limits give the share at
infinity; if it reaches the target, the answer is infinite. The limit at beta = 0 is sum_i v_i P(alpha_i > 1/2) / sum_i
v_i.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ...dp.problem import checks
from ...dp.problem.checks import ProblemError
from ...dp.problem.priors import arranged, beliefs_of
from ...posteriors.beliefs.belief import Belief
from ...posteriors.beliefs.beta import Beta
from ...posteriors.foundation.arrays import Floats
from ...posteriors.foundation.kinds import checked
from ...posteriors.foundation.messages import named
from ...posteriors.foundation.number_arrays import number_array, other_order
from ...posteriors.foundation.refusals import every, number
from ...posteriors.foundation.tolerances import ROUNDING
from .log_odds_tails import Atoms

__all__ = ["LargestBeta", "largest_beta", "learnable_share"]

_LEAST = 1e-200
# Intervals examined before the search stops narrowing: fewer if each takes long.
_INTERVALS, _FEWEST, _WORK = 100_000, 1_000, 50_000_000
# Largest finite beta that is searched.
_FARTHEST = 1e300


@dataclass(frozen=True)
class LargestBeta:
    """Largest beta at which a share of the weight is learnable.

    The exact one lies between ``value`` and ``upper``.

    Attributes
    ----------
    value : float
        A beta at which the target is reached; infinite if the limit reaches it, ``nan`` if none was found.
    upper : float
        The target is reached at no beta above this; ``nan`` if it is certainly reached at no beta at all.
    share : float
        Share of the weight that is learnable at ``value``.
    target : float
    limit : float
        Share in the limit of infinite beta.
    intervals : int
        Number of intervals examined.
    """

    value: float
    upper: float
    share: float
    target: float
    limit: float
    intervals: int


class _Share:
    """Share of the weight as a function of beta; the beliefs are checked once."""

    def __init__(
        self,
        c: ArrayLike,
        weight: ArrayLike,
        prior: ArrayLike | Belief | Sequence[Belief],
        counts: ArrayLike | None,
        wins: ArrayLike | None,
    ) -> None:
        faults = other_order({"c": c, "weight": weight, "prior": arranged(prior), "counts": counts, "wins": wins})
        self.c = checks.vector("c", c, None, faults)
        size = len(self.c)
        if size == 0 and not faults:
            faults.append("c is empty; give at least one item")
        names = checks.names_of(None, size, faults)
        # Smaller ones would need betas too large for floating point.
        fine = np.isfinite(self.c) & ((self.c == 0) | (np.abs(self.c) >= _LEAST))
        checks.refuse("c", self.c, fine, f"finite, and 0 or at least {_LEAST:g} in size", names, faults)
        v = checks.vector("weight", weight, size, faults)
        checks.refuse("weight", v, (v >= 0) & np.isfinite(v), "finite and at least 0", names, faults)
        if not faults and not v.any():
            faults.append("weight is 0 for every item; give one of them a positive weight")
        ab, beliefs = beliefs_of(prior, size, names, faults)
        if ab is not None:
            good = np.isfinite(ab) & (ab > 0)
            for k, letter in enumerate("ab"):
                checks.refuse(f"prior {letter}", ab[:, k], good[:, k], "positive and finite", names, faults)
        n = checks.vector("counts", 0 if counts is None else counts, size, faults)
        w = checks.vector("wins", 0 if wins is None else wins, size, faults)
        whole = (n >= 0) & (n <= checks.MOST_LABELS) & (np.floor(n) == n)
        checks.refuse("counts", n, whole, "a whole number of labels, at least 0 and at most 10**9", names, faults)
        within = np.isfinite(w) & (w >= 0) & (np.floor(w) == w) & (w <= n)
        checks.refuse("wins", w, within, "a whole number from 0 to the item's count", names, faults)
        if faults:
            raise ProblemError(faults)
        given = [Beta(*x) for x in ab.tolist()] if ab is not None else beliefs
        assert given is not None
        later = []
        for i, (belief, won, seen) in enumerate(
            zip(given, w.astype(int).tolist(), n.astype(int).tolist(), strict=True)
        ):
            try:
                later.append(belief.after(won, seen - won))
            except ValueError as error:
                faults.append(f"counts and wins of {named(names[i])}: {error}")
        if faults:
            raise ProblemError(faults)
        self.atoms = Atoms(v / v.sum(), later)

    def between(self, low: float, high: float) -> float:
        """Upper bound on the share between two betas; the share itself if they are equal."""
        with np.errstate(invalid="ignore"):
            x = np.where(self.c > 0, low, high) * self.c
        # At infinity the limits: sigma is 0, 1/2 or 1, depending on the sign of c.
        return self.atoms.share(np.where(self.c == 0, 0.0, x))

    def along(self, low: float, high: float) -> float:
        """Upper bound between two betas: from the slopes for beliefs with a density, as ``between`` for others."""
        with np.errstate(over="ignore"):
            ends = np.sort(np.stack([low * self.c, high * self.c]), axis=0)
        steepest, flattest = self.atoms.slopes(self.c, *ends)
        width = high - low
        smooth = [self.atoms.smooth(x * self.c) for x in (low, high)]
        rise = min(smooth[0] + max(steepest, 0.0) * width, smooth[1] + max(-flattest, 0.0) * width)
        return rise + self.between(low, high) - self.atoms.smooth(np.where(self.c > 0, low, high) * self.c)


@checked
def learnable_share(
    c: ArrayLike,
    beta: ArrayLike,
    *,
    weight: ArrayLike = 1.0,
    prior: ArrayLike | Belief | Sequence[Belief] = (1.0, 1.0),
    counts: ArrayLike | None = None,
    wins: ArrayLike | None = None,
) -> Floats:
    """Share of the weight that is learnable, S(beta).

    Parameters
    ----------
    c : array_like, shape (N,)
    beta : array_like
        Values from 0 to infinity, of any shape.
    weight, prior, counts, wins
        As for ``largest_beta``.

    Returns
    -------
    ndarray
        Share at each beta, from 0 to 1, of the shape of `beta`.

    Raises
    ------
    ValueError
        For values out of range.

    Examples
    --------
    >>> learnable_share([-1.0, 2.0], [0.0, 1.0, np.inf]).round(4)
    array([0.5   , 0.4251, 0.5   ])
    """
    share = _Share(c, weight, prior, counts, wins)
    betas = number_array("beta", beta)
    every("beta", betas, betas >= 0, "at least 0")
    return np.array([share.between(x, x) for x in betas.ravel().tolist()]).reshape(betas.shape)


@checked
def largest_beta(
    c: ArrayLike,
    target: float,
    *,
    weight: ArrayLike = 1.0,
    prior: ArrayLike | Belief | Sequence[Belief] = (1.0, 1.0),
    counts: ArrayLike | None = None,
    wins: ArrayLike | None = None,
    tolerance: float = 1e-9,
) -> LargestBeta:
    """Largest beta at which a target share of the weight is learnable.

    Parameters
    ----------
    c : array_like, shape (N,)
        Reference log-ratios.
    target : float
        Share of the weight, from 0 to 1.
    weight : float or array_like, shape (N,)
        Positive and finite.
    prior : pair, array_like of shape (N, 2), Belief, or sequence of Belief
        As for ``Problem``.
    counts, wins : array_like of int, shape (N,), optional
        Labels so far and wins among them; default: none.
    tolerance : float
        ``upper`` exceeds ``value`` by at most this fraction of ``value`` or of 1 / max |c|, whichever is more. The
        search stops earlier after 100,000 intervals or 50 million tails (but at least 1,000 intervals), if the share is
        close to the target over a wide range; then the two are further apart, and both are still correct.

    Returns
    -------
    LargestBeta

    Raises
    ------
    ValueError
        For values out of range.

    Examples
    --------
    One item opposed by the reference, with 20 wins in 30 labels, and one favoured by it, without labels:

    >>> found = largest_beta([1.0, -1.0], 0.55, counts=[30, 0], wins=[20, 0])
    >>> round(found.value, 6), round(found.share, 6), found.limit
    (0.733068, 0.55, 0.5)
    """
    goal = number("target", target, lambda x: 0 <= x <= 1, "a share of the weight, from 0 to 1")
    number("tolerance", tolerance, lambda x: 1e-15 <= x < 1, "at least 1e-15 and below 1")
    share = _Share(c, weight, prior, counts, wins)
    level = goal - ROUNDING
    limit = share.between(np.inf, np.inf)

    def found(value: float, upper: float, intervals: int) -> LargestBeta:
        at = share.between(value, value) if value == value else np.nan
        return LargestBeta(value, upper, at, goal, limit, intervals)

    if limit >= level:
        return found(np.inf, np.inf, 0)
    if not share.c.any():
        return found(np.nan, np.nan, 0)
    unit = 1.0 / float(np.abs(share.c).max())
    # Shares tend to their limit, so such a beta exists. Beyond it the bound up to infinity is below the target.
    high, looked = unit, 1
    while high < _FARTHEST and share.between(high, np.inf) >= level:
        high = min(2.0 * high, _FARTHEST)
        looked += 1
    most = max(_FEWEST, min(_INTERVALS, _WORK // share.atoms.count))
    # Nothing is known beyond the largest beta searched.
    stack, upper = [(0.0, high)], np.inf if high >= _FARTHEST else np.nan
    while stack:
        low, high = stack.pop()
        looked += 1
        if share.between(low, high) < level or share.along(low, high) < level:
            continue
        if high - low > tolerance * max(high, unit) and looked <= most:
            middle = 0.5 * (low + high)
            stack += [(low, middle), (middle, high)]
            continue
        # Too narrow to halve: the target may be reached inside, but nowhere to the right of the first such interval.
        upper = high if np.isnan(upper) else upper
        if share.between(low, low) >= level:
            return found(low, upper, looked)
    return found(np.nan, upper, looked)
