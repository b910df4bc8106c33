"""Compiled arithmetic of Beta beliefs and of mixtures of these: plain arrays in, plain arrays out.

Write ``D(a, b, t) = t^a (1-t)^b / B(a, b)``. With ``s = a + b``,

    D = (a b / s) * binomial density of a successes in s trials at rate t,

extended to real a and b, and the binomial density is evaluated by Loader's saddle-point expansion
(C. Loader, 2000, "Fast and accurate computation of binomial probabilities"): the large, nearly
cancelling terms of ``a log t + b log(1-t) - log B(a, b)`` are replaced by Stirling remainders and
deviances, which are small when D is not.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from .sharp import row as sharp_row

_HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)


@njit(cache=True, nogil=True)
def stirling_remainder(x):
    """Log Gamma(x+1) - [(x + 1/2) log x - x + log(2 pi)/2]: what Stirling's formula leaves out."""
    if x < 16.0:
        return math.lgamma(x + 1.0) - (x + 0.5) * math.log(x) + x - _HALF_LOG_2PI
    y = 1.0 / (x * x)
    return (1 / 12 - y * (1 / 360 - y * (1 / 1260 - y * (1 / 1680 - y / 1188)))) / x


@njit(cache=True, nogil=True)
def deviance(x, mean):
    """Return x log(x/mean) + mean - x, without cancellation where x is near the mean (Loader 2000)."""
    if x == 0.0:
        return mean
    difference = x - mean
    if abs(difference) < 0.1 * (x + mean):
        v = difference / (x + mean)
        total = difference * v
        term = 2.0 * x * v
        v *= v
        j = 1
        while True:
            term *= v
            updated = total + term / (2 * j + 1)
            if updated == total:
                return total
            total = updated
            j += 1
    return x * math.log(x / mean) - difference


@njit(cache=True, nogil=True)
def log_step_scalar(a, b, t):
    """Log D(a, b, t)."""
    s = a + b
    return (
        0.5 * math.log(a * b / (2.0 * math.pi * s))
        + (stirling_remainder(s) - stirling_remainder(a) - stirling_remainder(b))
        - (deviance(a, s * t) + deviance(b, s * (1.0 - t)))
    )


@njit(cache=True, nogil=True)
def update_scalar(tail, log_step, a, b, t, win):
    """One label at Beta(a, b): new (tail, log D), in constant time.

    A win: p + D/a and D t s / a. A loss: p - D/b and D (1-t) s / b.
    """
    s = a + b
    if win:
        return min(1.0, tail + math.exp(log_step) / a), log_step + math.log(t * (s / a))
    return max(0.0, tail - math.exp(log_step) / b), log_step + math.log((1.0 - t) * (s / b))


@njit(cache=True, nogil=True)
def log_step(a, b, t, out):
    """Fill ``out`` with log D, elementwise over flat arrays."""
    for k in range(out.size):
        out[k] = log_step_scalar(a[k], b[k], t[k])


@njit(cache=True, nogil=True)
def update(tail, log_d, a, b, t, win):
    """One label an element, in place, over flat arrays."""
    for k in range(tail.size):
        tail[k], log_d[k] = update_scalar(tail[k], log_d[k], a[k], b[k], t[k], win[k])


@njit(cache=True, nogil=True)
def follow(tail, log_d, a, b, t, labels, out):
    """Tail after each of a run of labels of one item: the constant-time update, iterated."""
    for k in range(labels.size):
        tail, log_d = update_scalar(tail, log_d, a, b, t, labels[k])
        a += labels[k]
        b += 1 - labels[k]
        out[k] = tail


@njit(cache=True, nogil=True)
def row(a, b, t, p, tail, jump):
    """Tails and jumps at x = a + w, y = b + n - w for w = 0..n, from the tail p at (a, b + n).

    The jump is D s / (x y), with s = x + y. Along a row the tail grows by positive terms,

        p(x + 1, y - 1) = p(x, y) + D / (x (1 - t)),

    so it keeps its relative accuracy, however small it is.
    """
    n = tail.size - 1
    s = a + b + n
    log_miss = math.log1p(-t)
    for w in range(n + 1):
        x = a + w
        y = b + n - w
        log_d = log_step_scalar(x, y, t)
        jump[w] = math.exp(log_d) * (s / (x * y))
        tail[w] = p
        p = min(1.0, p + math.exp(log_d - log_miss) / x)


@njit(cache=True, nogil=True)
def tables(a, b, t, first_column, mean, tail, jump):
    """Fill the triangles [n, w] of mean, tail and jump at (a + w, b + n - w); ``first_column`` holds p(a, b + n)."""
    for n in range(mean.shape[0]):
        for w in range(n + 1):
            mean[n, w] = (a + w) / (a + b + n)
        row(a, b, t, first_column[n], tail[n, : n + 1], jump[n, : n + 1])


@njit(cache=True, nogil=True)
def true_wins(a, b, flip, n, w, weight):
    """Fill ``weight[j]``, j = 0..n, with P(j of n labels were wins before they were flipped | w are wins now).

    With f = flip and g = 1 - f the posterior is Beta(a + j, b + n - j) with probability proportional to

        c_j B(a + j, b + n - j),    sum_j c_j z^j = (f + g z)^w (g + f z)^(n - w).

    The logarithmic derivative of the generating function gives a recurrence for c, and for r_j = c_(j+1) / c_j

        (j + 1) r_j = e_j + (n - j + 1) / r_(j-1),    e_j = (g/f) (w - j) + (f/g) (n - w - j).

    e_j falls with j. While it is not negative the recurrence runs upwards from r_0 = e_0, and from the other end
    downwards to where it is: both ways it only ever adds positive numbers. The products of the ratios are kept as
    weight * 2^(500 block), since a deep valley may lie between two peaks.
    """
    # A flip as rare as this is never the better explanation.
    if flip < 1e-100 or n == 0:
        weight[: n + 1] = 0.0
        weight[w] = 1.0
        return
    keep = 1.0 - flip
    up = keep / flip
    down = flip / keep
    ratio = 0.0
    start = n
    for j in range(n):
        e = up * (w - j) + down * (n - w - j)
        if e < 0.0:
            start = j
            break
        ratio = (e + (n - j + 1) / ratio) / (j + 1) if j > 0 else e
        weight[j] = ratio
    inverse = 0.0
    for j in range(n, start, -1):
        e = up * (w - j) + down * (n - w - j)
        inverse = ((j + 1) / inverse - e) / (n - j + 1) if j < n else -e
        weight[j - 1] = 1.0 / inverse

    # First pass: the largest product's block; second pass: the weights, relative to it.
    block = 0
    peak = 0
    for second in range(2):
        mass = 1.0
        block = 0
        total = 0.0
        for j in range(n + 1):
            if second:
                ratio = weight[j]
                weight[j] = math.ldexp(mass, 500 * (block - peak)) if block > peak - 3 else 0.0
                total += weight[j]
            else:
                ratio = weight[j]
                peak = max(peak, block)
            if j < n:
                # No factor leaves the range of floats within one step.
                odds = (a + j) / (b + (n - j - 1))
                pieces = 1
                if not 1e-150 <= odds <= 1e150:
                    odds = math.sqrt(math.sqrt(odds))
                    pieces = 4
                for piece in range(pieces + 1):
                    factor = odds if piece else ratio
                    mass *= min(max(factor, 1e-150), 1e150)
                    if mass > 2.0**250:
                        mass *= 2.0**-500
                        block += 1
                    elif mass < 2.0**-250:
                        mass *= 2.0**500
                        block -= 1
    for j in range(n + 1):
        weight[j] /= total


@njit(cache=True, nogil=True)
def noisy_beta(a, b, flip, labels, wins, t, first, sharp, bar, nodes, node_weights, mean, tail, jump):
    """Mean, tail and jump of flipped labels, elementwise; ``first`` holds the Beta tails p(a, b + labels).

    Where ``sharp``, rows come from ``kernels.sharp`` instead, at the threshold ``bar``.

    The belief is a mixture of Betas with weights W_j, means m_j and tails p_j. With m and p their averages,

        Cov(alpha, 1{alpha > t}) = sum_j W_j [m_j (1 - m_j) J_j + (m_j - m) (p_j - p)],

    and the label's covariance is 1 - 2 flip times as large. Neighbouring elements of one row share its tails.
    """
    slope = 1.0 - 2.0 * flip
    most = 0
    for k in range(labels.size):
        most = max(most, labels[k])
    weight, row_tail, row_jump = np.empty(most + 1), np.empty(most + 1), np.empty(most + 1)
    last_n = -1
    last_t = 0.0
    for k in range(labels.size):
        n = labels[k]
        if n != last_n or t[k] != last_t:
            if sharp:
                sharp_row(a, b, bar[k], nodes, node_weights, row_tail[: n + 1], row_jump[: n + 1])
            else:
                row(a, b, t[k], first[k], row_tail[: n + 1], row_jump[: n + 1])
            last_n = n
            last_t = t[k]
        true_wins(a, b, flip, n, wins[k], weight)
        s = a + b + n
        win = 0.0
        loss = 0.0
        p = 0.0
        for j in range(n + 1):
            win += weight[j] * ((a + j) / s)
            loss += weight[j] * ((b + (n - j)) / s)
            p += weight[j] * row_tail[j]
        covariance = 0.0
        for j in range(n + 1):
            x = (a + j) / s
            y = (b + (n - j)) / s
            covariance += weight[j] * (x * y * row_jump[j] + (x - win) * (row_tail[j] - p))
        mean[k] = flip + slope * win
        tail[k] = min(1.0, p)
        jump[k] = max(0.0, slope * covariance / (mean[k] * (flip + slope * loss)))
