"""Beliefs as weights of rates: sums over finitely many rates, and integrals over log-odds.

The weight of a rate after some labels is that of the prior times the likelihood of the labels; mean, tail and jump
follow from the sums of the weights above the threshold and of those below it.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from .beliefs import deviance


@njit(cache=True, nogil=True)
def log_likelihood(n, w, win, loss):
    """Log-likelihood of w wins in n labels at the rate ``win`` = 1 - ``loss``, less its largest value over all rates.

    Minus two deviances: what nearly cancels in w log(win) + (n - w) log(loss) is never formed.
    """
    if (win <= 0.0 and w > 0) or (loss <= 0.0 and w < n):
        return -np.inf
    return -deviance(float(w), n * win) - deviance(float(n - w), n * loss)


@njit(cache=True, nogil=True)
def summary(above, below):
    """Mean, tail and jump from the sums of (W, W alpha, W (1 - alpha)) over rates above and not above the threshold.

    With p = 1 - q the tail and m1, m0 the means given either side, Cov(alpha, 1{alpha > t}) = p q (m1 - m0).
    """
    total = above[0] + below[0]
    p = above[0] / total
    q = below[0] / total
    win = (above[1] + below[1]) / total
    loss = (above[2] + below[2]) / total
    if p == 0.0 or q == 0.0 or win == 0.0 or loss == 0.0:
        return win, p, 0.0
    if win < loss:
        apart = above[1] / above[0] - below[1] / below[0]
    else:
        apart = below[2] / below[0] - above[2] / above[0]
    return win, p, max(0.0, p / win * (q / loss) * apart)


@njit(cache=True, nogil=True)
def grid(points, chances, log_weights, labels, wins, t, log_mass, mean, tail, jump):
    """Mean, tail and jump of a belief on finitely many rates, elementwise; ``log_mass`` is room to work in.

    ``chances`` are the probabilities of a win at the rates ``points``.

    Where the labels have probability zero: mean 1/2, the tail of the weights as they are, jump 0.
    """
    above = np.empty(3)
    below = np.empty(3)
    for k in range(labels.size):
        largest = -np.inf
        for m in range(points.size):
            log_mass[m] = log_weights[m] + log_likelihood(labels[k], wins[k], chances[m], 1.0 - chances[m])
            largest = max(largest, log_mass[m])
        reachable = largest > -np.inf
        above[:] = 0.0
        below[:] = 0.0
        for m in range(points.size):
            mass = math.exp(log_mass[m] - largest if reachable else log_weights[m])
            side = above if points[m] > t[k] else below
            side[0] += mass
            side[1] += mass * chances[m]
            side[2] += mass * (1.0 - chances[m])
        mean[k], tail[k], jump[k] = summary(above, below)
        if not reachable:
            mean[k] = 0.5
            jump[k] = 0.0


@njit(cache=True, nogil=True)
def logistic(x):
    """Rate and its complement at log-odds x, each to full relative accuracy."""
    e = math.exp(-abs(x))
    if x >= 0.0:
        return 1.0 / (1.0 + e), e / (1.0 + e)
    return e / (1.0 + e), 1.0 / (1.0 + e)


@njit(cache=True, nogil=True)
def log_density_and_rate(x, location, sd, n, w):
    """Log of a Normal density of the log-odds x times the likelihood of w wins in n labels, up to a constant.

    And the rate and its complement at x.
    """
    z = (x - location) / sd
    win, loss = logistic(x)
    if abs(x) < 600.0:
        return log_likelihood(n, w, win, loss) - 0.5 * z * z, win, loss
    # The smaller of the two rates underflows; its logarithm is -|x|, and the largest log-likelihood is taken off.
    fit = -(n - w if x > 0.0 else w) * abs(x)
    for part in (w, n - w):
        if part > 0:
            fit -= part * math.log(part / n)
    return fit - 0.5 * z * z, win, loss


@njit(cache=True, nogil=True)
def slope_and_curvature(x, location, sd, n, w):
    """First derivative of the log-density in x, and minus the second, which is positive."""
    win, loss = logistic(x)
    return w * loss - (n - w) * win - (x - location) / sd / sd, 1.0 / (sd * sd) + n * win * loss


@njit(cache=True, nogil=True)
def mode(location, sd, n, w):
    """Log-odds at which the density is largest, to a small part of its width, by Newton steps within a bracket."""
    low = location - (n - w) * sd * sd
    high = location + w * sd * sd
    x = min(max(math.log((w + 0.5) / (n - w + 0.5)), low), high)
    for _ in range(200):
        slope, curvature = slope_and_curvature(x, location, sd, n, w)
        step = slope / curvature
        if abs(step) * math.sqrt(curvature) < 1e-6:
            break
        if slope > 0.0:
            low = x
        else:
            high = x
        x += step
        if not low < x < high:
            x = 0.5 * (low + high)
    return x


@njit(cache=True, nogil=True)
def panel_width(x, location, sd, n, w):
    """Length over which the density near x changes by no more than 16 nodes resolve to rounding.

    Some of its own widths, or less where it is steep; and not so long that the poles of the logistic function, the odd
    multiples of pi i, come near. Twice this length still does.
    """
    slope, curvature = slope_and_curvature(x, location, sd, n, w)
    return min(6.0 / math.sqrt(curvature + 0.25 * slope * slope), max(2.0, abs(x)))


@njit(cache=True, nogil=True)
def add_side(start, stop, reference, location, sd, n, w, nodes, node_weights, sums):
    """Add the integrals of (1, alpha, 1 - alpha) times the density from ``start`` towards ``stop`` to ``sums``.

    In panels of Gauss-Legendre nodes, in units of exp(``reference``); it ends where the density, which is log-concave,
    has fallen below exp(-50) of that.
    """
    sign = 1.0 if stop > start else -1.0
    x = start
    while sign * (stop - x) > 0.0:
        width = min(panel_width(x, location, sd, n, w), sign * (stop - x))
        while True:
            far = panel_width(x + sign * width, location, sd, n, w)
            if far >= width:
                break
            width = max(far, 0.5 * width)
        if x + sign * width == x:
            break
        for m in range(nodes.size):
            y = x + sign * width * nodes[m]
            level, win, loss = log_density_and_rate(y, location, sd, n, w)
            mass = width * node_weights[m] * math.exp(level - reference)
            sums[0] += mass
            sums[1] += mass * win
            sums[2] += mass * loss
        x += sign * width
        if log_density_and_rate(x, location, sd, n, w)[0] - reference < -42.0:
            break


@njit(cache=True, nogil=True)
def log_odds(t, out):
    """Fill ``out`` with log(t / (1 - t))."""
    for k in range(t.size):
        out[k] = math.log(t[k] / (1.0 - t[k]))


@njit(cache=True, nogil=True)
def logit_normal(location, sd, labels, wins, bars, nodes, node_weights, mean, tail, jump):
    """Mean, tail and jump of a rate with Normal log-odds, elementwise, by quadrature on either side of the threshold.

    Each side is integrated outwards from where the density is largest on it, so both keep their relative accuracy.
    ``bars`` holds the log-odds of the thresholds.
    """
    above = np.empty(3)
    below = np.empty(3)
    for k in range(labels.size):
        n = labels[k]
        w = wins[k]
        bar = bars[k]
        centre = mode(location, sd, n, w)
        above[:] = 0.0
        below[:] = 0.0
        top = max(centre, bar)
        bottom = min(centre, bar)
        high = log_density_and_rate(top, location, sd, n, w)[0]
        low = log_density_and_rate(bottom, location, sd, n, w)[0]
        largest = max(high, low)
        # A side so far from the other has no weight, and its density, less than rounding there, no end.
        if high - largest > -746.0:
            add_side(top, np.inf, high, location, sd, n, w, nodes, node_weights, above)
        if low - largest > -746.0:
            add_side(bottom, -np.inf, low, location, sd, n, w, nodes, node_weights, below)
        if centre > bar:
            add_side(centre, bar, high, location, sd, n, w, nodes, node_weights, above)
        else:
            add_side(centre, bar, low, location, sd, n, w, nodes, node_weights, below)
        above *= math.exp(high - largest)
        below *= math.exp(low - largest)
        mean[k], tail[k], jump[k] = summary(above, below)
