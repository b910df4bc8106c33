"""Compiled availability check: plain arrays in, plain arrays out."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def available(bought, cost, cap, limit, reserved, group, least, member, begin, left, out):
    """Mark the items that can be bought at labels ``bought`` (R, N); ``left`` (R,) is what no quota needs.

    Item i belongs to slice ``group[i]``, or to none (-1). Slice q asks for ``least[q]`` labels of the items
    ``member[begin[q]:begin[q + 1]]``, cheapest first. ``reserved`` (R,) is set aside for other quotas.
    """
    dearest = np.zeros(least.size)
    for r in range(bought.shape[0]):
        # Summed afresh, from the first item on: a state is the same however it was reached.
        needed = reserved[r]
        for i in range(cost.size):
            needed += cost[i] * bought[r, i]
        for q in range(least.size):
            unmet = least[q]
            for k in range(begin[q], begin[q + 1]):
                unmet -= bought[r, member[k]]
            dearest[q] = 0.0
            for k in range(begin[q], begin[q + 1]):
                if unmet <= 0:
                    break
                i = member[k]
                taken = min(unmet, cap[i] - bought[r, i])
                if taken > 0:
                    needed += cost[i] * taken
                    dearest[q] = cost[i]
                    unmet -= taken
            if unmet > 0:
                needed = np.inf
        left[r] = limit - needed
        for i in range(cost.size):
            saved = dearest[group[i]] if group[i] >= 0 else 0.0
            out[r, i] = bought[r, i] < cap[i] and max(cost[i] - saved, 0.0) <= left[r]
