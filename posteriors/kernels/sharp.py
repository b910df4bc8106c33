"""Compiled arithmetic of Beta beliefs with extreme parameters or thresholds: plain arrays in, plain arrays out.

The formulas of ``beliefs`` lose digits where labels are lost beside a parameter (1e16 + 1), where a parameter is lost
beside labels, where products of parameters leave the range of floats, and where the threshold rounds to 0 or 1. Here
parameters are kept apart from labels until their sums are formed in two words, and the threshold is given with its
complement and its log-odds, two words each.

In log-odds z the density of alpha is D(x, y, t(z)) = t^x (1-t)^y / B(x, y), which is log-concave, with its mode at
z = log(x / y). Let k be the distance from the mode. With s = x + y and m = x / s,

    log D(mode + k) - log D(mode) = -x (e^k - 1 - k) - s log1pmx(m (e^k - 1)),    log1pmx(v) = log(1 + v) - v,

which has no cancellation for x <= y; the other case is its mirror image. So only the threshold's distance from the mode
must be known exactly: it is -log1p(delta / (y t)) with delta = x (1-t) - y t from exact products. Both sides of the
threshold are integrated outwards from where the density on them is largest, in panels of Gauss-Legendre nodes, so both
keep their relative accuracy however small they are. Where one of the two rates is below 1e-17 / s the density is an
exponential, and its integral is known.
"""

from __future__ import annotations

import math

from numba import njit

_HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)
_FLAT = 1e-17


@njit(cache=True, nogil=True)
def two_sum(x, y):
    """Sum in two words (Knuth): the rounded sum and its error."""
    total = x + y
    part = total - x
    return total, (x - (total - part)) + (y - part)


@njit(cache=True, nogil=True)
def two_product(x, y):
    """Product in two words (Dekker): the rounded product and its error."""
    product = x * y
    split = 134217729.0 * x
    x_high = split - (split - x)
    x_low = x - x_high
    split = 134217729.0 * y
    y_high = split - (split - y)
    y_low = y - y_high
    return product, ((x_high * y_high - product) + x_high * y_low + x_low * y_high) + x_low * y_low


@njit(cache=True, nogil=True)
def log1pmx(v):
    """Return log(1 + v) - v without cancellation, for v from -1/2 to 1."""
    r = v / (2.0 + v)
    square = r * r
    term = 2.0 * square
    total = 0.0
    j = 3
    while True:
        updated = total + term / j
        if updated == total:
            return r * (total - v)
        total = updated
        term *= square
        j += 2


@njit(cache=True, nogil=True)
def expm1mx(k):
    """Return e^k - 1 - k without cancellation, for k from -1 to 1."""
    term = 0.5 * k * k
    total = 0.0
    j = 3
    while True:
        updated = total + term
        if updated == total:
            return total
        total = updated
        term *= k / j
        j += 1


@njit(cache=True, nogil=True)
def log_ratio(x, y):
    """Return log(x / y), also where the ratio leaves the range of floats."""
    ratio = x / y if y >= 1.0 or x < 1e300 * y else math.inf
    return math.log(ratio) if 1e-290 < ratio < 1e290 else math.log(x) - math.log(y)


@njit(cache=True, nogil=True)
def from_mode(k, x, y):
    """Log-density of the log-odds at distance k from the mode, less that at the mode."""
    if x > y:
        x, y, k = y, x, -k
    s = x + y
    m = x / s
    if abs(k) <= 1.0:
        return -(x * expm1mx(k) + s * log1pmx(m * math.expm1(k)))
    log_m = log_ratio(x, s)
    if k < 0.0 or k + log_m < 0.0:
        if m > 1e-290:
            return x * k - s * math.log1p(m * math.expm1(k))
        # The ratio itself may be too small for a float.
        return x * k - (x * math.expm1(k) if k < 0.0 else s * math.log1p(math.exp(k + log_m)))
    return -(y * k + s * (log_m + math.log1p(y / s * math.exp(-(k + log_m)))))


@njit(cache=True, nogil=True)
def remainder(x):
    """Log Gamma(x) - [(x - 1/2) log x - x + log(2 pi)/2] for x of at least 16."""
    y = 1.0 / x / x
    return (1 / 12 - y * (1 / 360 - y * (1 / 1260 - y * (1 / 1680 - y / 1188)))) / x


@njit(cache=True, nogil=True)
def half_log(x):
    """Log Gamma(x+1) - x log x + x - log(2 pi)/2: log(x) / 2 and what Stirling's formula leaves out."""
    if x < 16.0:
        return math.lgamma(x + 1.0) - x * math.log(x) + x - _HALF_LOG_2PI
    return 0.5 * math.log(x) + remainder(x)


@njit(cache=True, nogil=True)
def distance(x, x_low, y, y_low, bar):
    """Distance in log-odds from the mode log(x / y) to the threshold.

    ``bar`` holds t, 1 - t, the low words of both, the log-odds, log t and log(1 - t).
    """
    t, u, t_low, u_low, log_odds = bar[0], bar[1], bar[2], bar[3], bar[4]
    rough = log_odds - log_ratio(x, y)
    if min(t, u) < 1e-290 or abs(rough) > 600.0:
        return rough
    if max(x, y) > 1e280:
        x *= 2.0**-64
        x_low *= 2.0**-64
        y *= 2.0**-64
        y_low *= 2.0**-64
    if abs(rough) > 0.5:
        # Larger factors with smaller ones: no product leaves the range of floats.
        return -math.log((x / y) * (u / t)) if 1e-290 < x / y < 1e290 else rough
    up, up_low = two_product(x, u)
    down, down_low = two_product(y, t)
    high, low = two_sum(up, -down)
    low += (up_low - down_low) + ((x * u_low - y * t_low) + (x_low * u - y_low * t))
    return -math.log1p((high + low) / down)


@njit(cache=True, nogil=True)
def panel(k, x, y, middle):
    """Length over which the density near k changes by no more than 16 nodes resolve to rounding.

    As in ``weighted_rates.panel_width``. ``middle`` is the mode's log-odds.
    """
    s = x + y
    z = k + middle
    e = math.exp(-abs(z))
    curvature = s * (e / (1.0 + e) / (1.0 + e))
    if k > 0.0:
        # Mirror image, so that the exponential is at most 1.
        x, y = y, x
    slope = x * math.expm1(-abs(k)) * (y / (y + x * math.exp(-abs(k))))
    spread = math.sqrt(curvature + 0.25 * slope * slope) if abs(slope) < 1e150 else 0.5 * abs(slope)
    return min(6.0 / spread if spread > 1e-300 else math.inf, max(2.0, abs(z)))


@njit(cache=True, nogil=True)
def integral(start, stop, top, x, y, nodes, node_weights):
    """Integral of the density from ``start`` outwards to ``stop``, in units of exp(``top``) times that at the mode."""
    sign = 1.0 if stop > start else -1.0
    rate = y if sign > 0.0 else x
    middle = log_ratio(x, y)
    s = x + y
    total = 0.0
    k = start
    while sign * (stop - k) > 0.0:
        z = sign * (k + middle)
        if z > 40.0 and s * math.exp(-z) < _FLAT:
            level = math.exp(from_mode(k, x, y) - top)
            return total - level * math.expm1(-rate * (sign * (stop - k))) / rate
        width = min(panel(k, x, y, middle), sign * (stop - k))
        while True:
            far = panel(k + sign * width, x, y, middle)
            if far >= width:
                break
            width = max(far, 0.5 * width)
        if k + sign * width == k:
            break
        for m in range(nodes.size):
            level = from_mode(k + sign * width * nodes[m], x, y) - top
            total += width * node_weights[m] * math.exp(level)
        k += sign * width
        if from_mode(k, x, y) - top < -42.0:
            break
    return total


@njit(cache=True, nogil=True)
def at_bar(x, y, k, bar):
    """Log-density of the log-odds at the threshold, at distance k from the mode, less that at the mode."""
    s = x + y
    if s < 100.0:
        # The mode may be hundreds away, and the distance from it rounded accordingly.
        return x * (bar[5] - log_ratio(x, s)) + y * (bar[6] - log_ratio(y, s))
    return from_mode(k, x, y)


@njit(cache=True, nogil=True)
def tail(x, y, k, bar, nodes, node_weights):
    """P(alpha > t) of Beta(x, y), where the threshold's log-odds are k from the mode's."""
    top = from_mode(k, x, y)
    level = math.exp(at_bar(x, y, k, bar))
    if k > 0.0:
        above = integral(k, math.inf, top, x, y, nodes, node_weights)
        below = integral(0.0, k, 0.0, x, y, nodes, node_weights)
        below += integral(0.0, -math.inf, 0.0, x, y, nodes, node_weights)
        above *= level
    else:
        below = integral(k, -math.inf, top, x, y, nodes, node_weights)
        above = integral(0.0, k, 0.0, x, y, nodes, node_weights)
        above += integral(0.0, math.inf, 0.0, x, y, nodes, node_weights)
        below *= level
    return above / (above + below)


@njit(cache=True, nogil=True)
def log_jump(x, y, k, bar):
    """Log of the jump D s / (x y) of Beta(x, y), where the threshold's log-odds are k from the mode's."""
    return (half_log(x + y) - half_log(x) - half_log(y) - _HALF_LOG_2PI) + at_bar(x, y, k, bar)


@njit(cache=True, nogil=True)
def place(a, b, wins, losses, bar):
    """Parameters after some labels, and the threshold's distance from the mode of the log-odds."""
    x, x_low = two_sum(a, wins)
    y, y_low = two_sum(b, losses)
    return x, y, distance(x, x_low, y, y_low, bar)


@njit(cache=True, nogil=True)
def states(a, b, wins, losses, bar, nodes, node_weights, mean, tails, jumps):
    """Mean, tail and jump after some labels, elementwise over flat arrays; ``bar`` has a row for each element."""
    for i in range(a.size):
        x, y, k = place(a[i], b[i], wins[i], losses[i], bar[i])
        mean[i] = x / (x + y)
        tails[i] = tail(x, y, k, bar[i], nodes, node_weights)
        jumps[i] = math.exp(min(0.0, log_jump(x, y, k, bar[i])))


@njit(cache=True, nogil=True)
def row(a, b, bar, nodes, node_weights, tails, jumps):
    """Tails and jumps at a + w, b + n - w for w = 0..n; the tail grows along the row, as in ``beliefs.row``."""
    n = tails.size - 1
    p = 0.0
    for w in range(n + 1):
        x, y, k = place(a, b, float(w), float(n - w), bar)
        if w == 0:
            p = tail(x, y, k, bar, nodes, node_weights)
        log_j = log_jump(x, y, k, bar)
        jumps[w] = math.exp(min(0.0, log_j))
        tails[w] = p
        if w < n:
            p = min(1.0, p + math.exp(min(0.0, log_j - bar[6] + math.log(y / (x + y)))))


@njit(cache=True, nogil=True)
def tables(a, b, bar, nodes, node_weights, mean, tails, jumps):
    """Fill the triangles [n, w] of mean, tail and jump after n labels with w wins."""
    for n in range(mean.shape[0]):
        for w in range(n + 1):
            x, y = a + w, b + (n - w)
            mean[n, w] = x / (x + y)
        row(a, b, bar, nodes, node_weights, tails[n, : n + 1], jumps[n, : n + 1])


@njit(cache=True, nogil=True)
def log_rising(a, count, reference):
    """Sum of log((a + i) / reference) over i = 0..count-1, without large logarithms that cancel."""
    total = 0.0
    done = 0
    while done < count and a + done < 16.0:
        total += math.log(a + done) - math.log(reference)
        done += 1
    x, rest = a + done, count - done
    if rest <= 0:
        return total
    v = rest / x
    pmx = log1pmx(v) if v <= 1.0 else math.log1p(v) - v
    # Gamma(x + rest) / Gamma(x) / x^rest by Stirling's formula.
    rise = x * pmx + (rest - 0.5) * math.log1p(v) + (remainder(x + rest) - remainder(x))
    return total + rest * log_ratio(x, reference) + rise


@njit(cache=True, nogil=True)
def log_probabilities(a, b, labels, wins, out):
    """Log-probability of labels under Beta(a, b), less that at the rate (w + 1/2) / (n + 1); elementwise."""
    s = a + b
    for i in range(out.size):
        n, w = labels[i], wins[i]
        r = (w + 0.5) / (n + 1.0)
        out[i] = log_rising(a, w, s * r) + log_rising(b, n - w, s * (1.0 - r)) - log_rising(s, n, s)
