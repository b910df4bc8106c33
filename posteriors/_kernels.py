"""Compiled Beta arithmetic: plain arrays in, plain arrays out.

Write ``D(a, b, t) = t^a (1-t)^b / B(a, b)``. With ``s = a + b``,

    D = (a b / s) * binomial density of a successes in s trials at rate t,

extended to real a and b, and the binomial density is evaluated by Loader's saddle-point expansion
(C. Loader, 2000, "Fast and accurate computation of binomial probabilities"): the large, nearly
cancelling terms of ``a log t + b log(1-t) - log B(a, b)`` are replaced by Stirling remainders and
deviances, which are small when D is not.
"""

from __future__ import annotations

import math

from numba import njit

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
def tables(a, b, t, first_column, mean, tail, jump):
    """Fill the triangles [n, w] of mean, tail and jump at the parameters x = a + w, y = b + n - w.

    The mean is x/s and the jump D s / (x y), with s = x + y. Along a row the tail grows by positive terms,

        p(x + 1, y - 1) = p(x, y) + D / (x (1 - t)),

    so it keeps its relative accuracy, however small it is; ``first_column`` holds p(a, b + n).
    """
    log_miss = math.log1p(-t)
    for n in range(mean.shape[0]):
        s = a + b + n
        p = first_column[n]
        for w in range(n + 1):
            x = a + w
            y = b + n - w
            log_d = log_step_scalar(x, y, t)
            mean[n, w] = x / s
            jump[n, w] = math.exp(log_d) * (s / (x * y))
            tail[n, w] = p
            p = min(1.0, p + math.exp(log_d - log_miss) / x)
