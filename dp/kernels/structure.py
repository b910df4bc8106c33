"""Compiled parts of the structure report: plain arrays in, plain arrays out.

``gain[n, w]`` is the expected gain of one more label after n labels with w wins, ``mean[n, w]`` the probability that it
is a win. A state lies *ahead* of another if it can follow it, or is that state itself. Gains within ``slack`` tie.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from .stopping import go_on


@njit(cache=True, nogil=True)
def leads_to(mean, ahead, n, w):
    """True if labels lead to a state, given the states before it."""
    won = w > 0 and ahead[n - 1, w - 1] > -np.inf and mean[n - 1, w - 1] > 0.0
    lost = w < n and ahead[n - 1, w] > -np.inf and mean[n - 1, w] < 1.0
    return won or lost


@njit(cache=True, nogil=True)
def look_ahead(mean, gain, ahead, best):
    """Gains with minus infinity where no labels lead, into ``ahead``; the largest gain ahead, into ``best``."""
    rows = mean.shape[0]
    ahead[:] = -np.inf
    ahead[0, 0] = gain[0, 0]
    for n in range(1, rows):
        for w in range(n + 1):
            if leads_to(mean, ahead, n, w):
                ahead[n, w] = gain[n, w]
    best[:] = ahead
    for n in range(rows - 2, -1, -1):
        for w in range(n + 1):
            best[n, w] = max(ahead[n, w], best[n + 1, w], best[n + 1, w + 1])


@njit(cache=True, nogil=True)
def fewest_labels(gain, ahead, best, slack, distance):
    """Fewest labels from each state to one that gains more, into ``distance``; 0 where there is none.

    ``ahead`` is overwritten: after k rounds it holds the largest gain just k labels on.
    """
    rows = gain.shape[0]
    distance[:] = 0
    todo = 0
    for n in range(rows):
        for w in range(n + 1):
            if ahead[n, w] > -np.inf and best[n, w] > gain[n, w] + slack:
                distance[n, w] = -1
                todo += 1
    k = 0
    while todo > 0:
        k += 1
        for n in range(rows - k):
            for w in range(n + 1):
                ahead[n, w] = max(ahead[n + 1, w], ahead[n + 1, w + 1])
                if distance[n, w] < 0 and ahead[n, w] > gain[n, w] + slack:
                    distance[n, w] = k
                    todo -= 1


@njit(cache=True, nogil=True)
def least_ratio(mean, gain, best, distance, slack):
    """Smallest ratio of a label's gain to the state's index, the largest gain per label of a stopping rule.

    No rule gains more per label than the largest gain ahead. So states are visited in increasing order of the ratio to
    that gain, as long as it is below the smallest ratio found. Newton's method finds the index of a state; see
    ``structure``.
    """
    rows = gain.shape[0]
    count = 0
    for n in range(rows):
        for w in range(n + 1):
            if distance[n, w] > 0:
                if gain[n, w] <= slack:
                    return 0.0
                count += 1
    at = np.empty((count, 2), dtype=np.int64)
    bound = np.empty(count)
    count = 0
    for n in range(rows):
        for w in range(n + 1):
            if distance[n, w] > 0:
                at[count, 0] = n
                at[count, 1] = w
                bound[count] = gain[n, w] / best[n, w]
                count += 1
    ratio = 1.0
    nothing = np.empty(rows + 1)
    spent = np.empty(rows + 1)
    for j in np.argsort(bound):
        if bound[j] >= ratio:
            break
        n, w = at[j]
        left = rows - n
        chance = mean[n:, w : w + left].copy()
        worth = gain[n:, w : w + left].copy()
        price = gain[n, w] / ratio
        while True:
            nothing[:] = 0.0
            spent[:] = 0.0
            value, labels = go_on(chance, worth, price, 1.0, nothing, spent)
            better = price + value / labels
            # Rounding may move the price up and down by its last digits.
            if not better > price * (1.0 + 1e-15):
                break
            price = better
        ratio = min(ratio, gain[n, w] / price)
    return ratio


@njit(cache=True, nogil=True)
def measure(mean, gain, slack, amount, states, harm, rise):
    """Amounts, states, harm and rise of the structure report, for items stacked along the first axis.

    ``amount[i]`` is (largest rise ahead, smallest ratio), ``states[i]`` (states, those with a larger gain ahead, most
    labels to it).
    ``harm[i]`` is the first state of a negative gain, ``rise[i]`` the first state with a larger gain ahead and the
    first such state ahead: labels and wins, minus 1 where there is none.
    """
    rows = mean.shape[1]
    ahead = np.empty((rows, rows))
    best = np.empty((rows, rows))
    distance = np.empty((rows, rows), dtype=np.int64)
    harm[:] = -1
    rise[:] = -1
    for i in range(mean.shape[0]):
        look_ahead(mean[i], gain[i], ahead, best)
        largest = 0.0
        for n in range(rows):
            for w in range(n + 1):
                if ahead[n, w] == -np.inf:
                    continue
                states[i, 0] += 1
                if gain[i, n, w] < -slack[i] and harm[i, 0] < 0:
                    harm[i, 0] = n
                    harm[i, 1] = w
                if best[n, w] > gain[i, n, w] + slack[i]:
                    states[i, 1] += 1
                    largest = max(largest, best[n, w] - gain[i, n, w])
        amount[i, 0] = largest
        amount[i, 1] = 1.0
        if states[i, 1] == 0:
            continue
        fewest_labels(gain[i], ahead, best, slack[i], distance)
        states[i, 2] = distance.max()
        amount[i, 1] = least_ratio(mean[i], gain[i], best, distance, slack[i])
        look_ahead(mean[i], gain[i], ahead, best)
        point_out(gain[i], ahead, distance, rise[i])


@njit(cache=True, nogil=True)
def point_out(gain, ahead, distance, rise):
    """Counterexample with the fewest labels, then the fewest further labels, fewest wins and largest later gain."""
    for n in range(gain.shape[0]):
        for w in range(n + 1):
            if distance[n, w] > 0 and (rise[0] < 0 or distance[n, w] < distance[rise[0], rise[1]]):
                rise[0] = n
                rise[1] = w
        if rise[0] >= 0:
            break
    n, w = rise[0], rise[1]
    k = distance[n, w]
    rise[2] = n + k
    rise[3] = w
    for x in range(w, w + k + 1):
        if ahead[n + k, x] > ahead[n + k, rise[3]]:
            rise[3] = x


@njit(cache=True, nogil=True)
def count_good(mean, gain, slack, out):
    """Count states: ``out[n, r]`` states of n labels have no larger gain ahead within fewer than r further labels.

    ``out`` has a row for every number of labels, the last of which leaves none to buy, and a column for r = 0, 1, ..
    """
    rows = gain.shape[0]
    ahead = np.empty((rows, rows))
    best = np.empty((rows, rows))
    distance = np.empty((rows, rows), dtype=np.int64)
    look_ahead(mean, gain, ahead, best)
    out[:] = 0
    for w in range(rows + 1):
        out[rows] += leads_to(mean, ahead, rows, w)
    for n in range(rows):
        for w in range(n + 1):
            out[n] += ahead[n, w] > -np.inf
    fewest_labels(gain, ahead, best, slack, distance)
    for n in range(rows):
        for w in range(n + 1):
            if distance[n, w] > 0:
                out[n, distance[n, w] + 1 :] -= 1
