"""Compiled arithmetic of beliefs: plain arrays in, plain arrays out.

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
                for factor in (ratio, (a + j) / (b + (n - j - 1))):
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
def noisy_beta(a, b, flip, labels, wins, t, first, weight, row_tail, row_jump, mean, tail, jump):
    """Mean, tail and jump of flipped labels, elementwise; ``first`` holds the Beta tails p(a, b + labels).

    The belief is a mixture of Betas with weights W_j, means m_j and tails p_j. With m and p their averages,

        Cov(alpha, 1{alpha > t}) = sum_j W_j [m_j (1 - m_j) J_j + (m_j - m) (p_j - p)],

    and the label's covariance is 1 - 2 flip times as large. Neighbouring elements of one row share its tails.
    """
    slope = 1.0 - 2.0 * flip
    last_n = -1
    last_t = 0.0
    for k in range(labels.size):
        n = labels[k]
        if n != last_n or t[k] != last_t:
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
def logit_normal(location, sd, labels, wins, t, nodes, node_weights, mean, tail, jump):
    """Mean, tail and jump of a rate with Normal log-odds, elementwise, by quadrature on either side of the threshold.

    Each side is integrated outwards from where the density is largest on it, so both keep their relative accuracy.
    """
    above = np.empty(3)
    below = np.empty(3)
    for k in range(labels.size):
        n = labels[k]
        w = wins[k]
        bar = math.log(t[k] / (1.0 - t[k]))
        centre = mode(location, sd, n, w)
        above[:] = 0.0
        below[:] = 0.0
        top = max(centre, bar)
        bottom = min(centre, bar)
        high = log_density_and_rate(top, location, sd, n, w)[0]
        low = log_density_and_rate(bottom, location, sd, n, w)[0]
        add_side(top, np.inf, high, location, sd, n, w, nodes, node_weights, above)
        add_side(bottom, -np.inf, low, location, sd, n, w, nodes, node_weights, below)
        if centre > bar:
            add_side(centre, bar, high, location, sd, n, w, nodes, node_weights, above)
        else:
            add_side(centre, bar, low, location, sd, n, w, nodes, node_weights, below)
        largest = max(high, low)
        above *= math.exp(high - largest)
        below *= math.exp(low - largest)
        mean[k], tail[k], jump[k] = summary(above, below)
