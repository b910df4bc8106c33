r"""Claims about thresholds as functions of beta, the log-ratio and noise (Lemma 2026, section 8).

t = sigma(beta c), so dt/dbeta = c t (1 - t) and dt/dc = beta t (1 - t). In x = beta c the second is largest at x = 0;
the first, for a given beta, is x sigma(x) (1 - sigma(x)) / beta, which is 0 at x = 0 and largest where its derivative
vanishes, x tanh(x / 2) = 1.

Under noise eta the observed rate is eta + (1 - 2 eta) alpha. It exceeds t where alpha exceeds (t - eta) / (1 - 2 eta),
which rises with eta if t > 1/2, is constant if t = 1/2, and falls if t < 1/2. The paper says that less noise raises the
chance to clear t "on genuinely learnable points", that is given alpha > t.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import scipy

from ...posteriors.beliefs.tails import tail
from ...posteriors.foundation.tolerances import ROUNDING
from ...posteriors.thresholds import largest_learnable_beta, threshold, threshold_slope
from .small_cases import UNIT, Claim, judged, priors, threshold_at

__all__ = ["steepest", "threshold_claims"]

_SIGNED = (-3, -2, -1, 0, 1, 2, 3)
_FLIPS = (0.0, 0.1, 0.2, 0.3, 0.4)


def steepest() -> float:
    """The x = beta c > 0 at which the threshold is most sensitive to beta, over c: x tanh(x / 2) = 1.

    Examples
    --------
    >>> round(steepest(), 6)
    1.543405
    """
    return float(scipy.optimize.brentq(lambda x: x * np.tanh(0.5 * x) - 1.0, 1.0, 2.0, xtol=1e-14))


def threshold_claims() -> Iterator[Claim]:
    """Claims a, b, c, j and l."""
    signed = "c = m log(3/2) with m from -3 to 3, then beta = 1, 2, 3"
    pairs = [{"m": m, "beta": beta} for m, beta in itertools.product(_SIGNED, (1, 2, 3))]
    yield judged("a", "dt/dbeta = c t (1-t) and dt/dc = beta t (1-t)", signed, pairs, _slopes, "derivatives of sigma")
    yield judged(
        "b",
        "as beta grows t rises to 1 where c > 0 and falls to 0 where c < 0",
        signed.replace("3, then", "3 but not 0, then"),
        [pair for pair in pairs if pair["m"]],
        _polarises,
        "sigma(x) rises from 0 to 1 with x, and beta c goes to plus or minus infinity with beta",
    )
    many = "beta = 1, 2, 3, each over c = m log(3/2) / 10 with m from -40 to 40"
    at_beta: list[dict[str, Any]] = [{"beta": beta} for beta in (1, 2, 3)]
    yield judged("c1", "dt/dc is largest over c at beta c = 0", many, at_beta, _steep_in_c, "t (1-t) peaks at t = 1/2")
    yield judged("c2", "dt/dbeta is largest over c at beta c = 0", many, at_beta, _steep_in_beta, "")
    yield judged(
        "c3",
        "for a given c, dt/dbeta is largest in size as beta goes to 0",
        "m from 1 to 3, betas of a grid from 0 to 40 in steps of 1/100",
        [{"m": m} for m in (1, 2, 3)],
        _falling,
        "for a given c it is c t (1-t), and t (1-t) falls as t leaves 1/2",
    )
    noise = [
        {"a": a, "b": b, "t": t, "flip": flip, "less": less}
        for (a, b), t, (less, flip) in itertools.product(
            priors(6), [k / 10 for k in range(1, 10)], itertools.combinations(_FLIPS, 2)
        )
    ]
    order = "Beta(a, b) with a + b up to 6, then t in tenths, then two of the noises 0, .1, .2, .3, .4"
    low = [case for case in noise if case["t"] < 0.5]
    clears = "less noise never lowers the chance that the observed rate clears t"
    yield judged(
        "j1",
        f"{clears}, t >= 1/2",
        order,
        [case for case in noise if case["t"] >= 0.5],
        _clears,
        "(t - eta) / (1 - 2 eta) does not fall with eta where t >= 1/2",
    )
    yield judged(
        "j2",
        f"{clears}, t < 1/2, given that the rate without noise does",
        order,
        low,
        _clears_given_learnable,
        "where t < 1/2 noise draws rates above t to 1/2, which is above t: the chance is 1 with any noise",
    )
    yield judged("j3", f"{clears}, t < 1/2, whatever the rate without noise", order, low, _clears, "")
    rates = [
        {"m": m, "beta": beta, "rate": k / 20} for m, beta, k in itertools.product((1, 2, 3), (1, 2, 3), range(21))
    ]
    yield judged(
        "l",
        "where c > 0 an item of rate alpha is learnable if and only if beta < logit(alpha) / c",
        "m from 1 to 3, beta = 1, 2, 3, then rates in twentieths",
        # On the boundary rounding would decide.
        [case for case in rates if abs(case["rate"] - threshold_at(int(case["m"]), int(case["beta"]))) > ROUNDING],
        _learnable,
        "sigma is increasing: alpha > sigma(beta c) and logit(alpha) > beta c are one",
    )


def _slopes(m: int, beta: int) -> str | None:
    c, step = m * UNIT, 1e-5
    t = threshold_at(m, beta)
    by_beta = (scipy.special.expit((beta + step) * c) - scipy.special.expit((beta - step) * c)) / (2.0 * step)
    by_c = (scipy.special.expit(beta * (c + step)) - scipy.special.expit(beta * (c - step))) / (2.0 * step)
    if abs(by_beta - c * t * (1 - t)) > 1e-8 or abs(by_c - beta * t * (1 - t)) > 1e-8:
        return f"differences {by_beta:.9g} and {by_c:.9g}"
    return None


def _polarises(m: int, beta: int) -> str | None:
    c = m * UNIT
    now, then = threshold(c, beta), threshold(c, beta + 1)
    far = threshold(c, 40.0 / abs(c))
    if (then - now) * m <= 0 or abs(far - (m > 0)) > 1e-15:
        return f"t = {now:.6g} at beta {beta}, {then:.6g} at {beta + 1}, {far:.6g} far out"
    return None


def _steep_in_c(beta: int) -> str | None:
    c = UNIT * np.arange(-40, 41) / 10.0
    t = threshold(c, beta)
    slope = beta * t * (1.0 - t)
    k = int(np.argmax(slope))
    return None if c[k] == 0 else f"largest at beta c = {beta * c[k]:.4g}"


def _steep_in_beta(beta: int) -> str | None:
    # Symmetric in c: one side is enough.
    c = UNIT * np.arange(41) / 10.0
    slope = np.abs(threshold_slope(c, beta))
    best = steepest()
    peak = abs(float(threshold_slope(best / beta, beta)))
    if slope[0] >= slope.max():
        return None
    if peak < slope.max() - 1e-15:
        raise ArithmeticError(f"x tanh(x/2) = 1 is no maximum: {peak} < {slope.max()}")
    return f"at c = 0 it is {slope[0]:g}; it is largest, {peak:.6f}, at beta c = ±{best:.6f}, where x tanh(x/2) = 1"


def _falling(m: int) -> str | None:
    c = m * UNIT
    x = c * np.arange(4001) / 100.0
    # 1 - t is written as sigma(-x) to avoid cancellation.
    fallen = np.diff(c * scipy.special.expit(x) * scipy.special.expit(-x))
    return None if (fallen < 0).all() else f"rises at beta = {np.argmax(fallen >= 0) / 100:g}"


def _clears(a: int, b: int, t: float, flip: float, less: float) -> str | None:
    more_noise, less_noise = (_observed(a, b, t, x) for x in (flip, less))
    if less_noise < more_noise - ROUNDING:
        return f"{more_noise:.6f} with noise {flip:g}, {less_noise:.6f} with noise {less:g}"
    return None


def _clears_given_learnable(a: int, b: int, t: float, flip: float, less: float) -> str | None:
    learnable = float(tail(a, b, t))
    more_noise, less_noise = (_observed(a, b, t, x, least=t) / learnable for x in (flip, less))
    if less_noise < more_noise - ROUNDING:
        return f"{more_noise:.6f} with noise {flip:g}, {less_noise:.6f} with noise {less:g}"
    return None


def _observed(a: int, b: int, t: float, flip: float, least: float = 0.0) -> float:
    """P(flip + (1 - 2 flip) alpha > t and alpha > least)."""
    clean = max((t - flip) / (1.0 - 2.0 * flip), least)
    if clean >= 1.0:
        return 0.0
    return 1.0 if clean <= 0.0 else float(tail(a, b, clean))


def _learnable(m: int, beta: int, rate: float) -> str | None:
    bound = float(largest_learnable_beta(m * UNIT, rate))
    return None if (rate > threshold_at(m, beta)) == (beta < bound) else f"logit(alpha) / c = {bound:.6g}"
