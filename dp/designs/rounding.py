r"""Whole numbers of labels near the weights of a design.

*Efficient rounding* (Pukelsheim and Rieder 1992) gives n_e = ceil((n - l / 2) w_e) labels to each of l candidates, and
adds or takes single labels until they sum to n: to the candidate of least n_e / w_e, or from that of largest (n_e - 1)
/ w_e. No other rounding has a larger least n_e / (n w_e), which bounds the loss under every criterion.
"""

from __future__ import annotations

import numpy as np

from ...posteriors.foundation.arrays import Floats, Ints
from ...posteriors.foundation.refusals import whole

__all__ = ["rounded"]


def rounded(weight: Floats, labels: int, most: int | None = None) -> Ints:
    """Numbers of labels by efficient rounding.

    Parameters
    ----------
    weight : ndarray, shape (l,)
        Positive, with sum 1.
    labels : int
        Sum of the numbers.
    most : int, optional
        Largest number of labels of a candidate, where repeats are limited. Candidates of least weight then go without
        a label if there are too many.

    Returns
    -------
    ndarray of int, shape (l,)

    Raises
    ------
    ValueError
        For fewer labels than candidates, without such a limit, and for more than the limit allows.

    Examples
    --------
    >>> rounded(np.array([0.5, 0.3, 0.2]), 7)
    array([3, 2, 2])
    """
    n, size = whole("labels", labels, 1), len(weight)
    if most is None and n < size:
        raise ValueError(
            f"labels is {n}; it must be at least {size}, one for each candidate of the design: limit its repeats with "
            "cap = 1 / labels, or say what is known before with prior"
        )
    if most is not None and n > size * most:
        raise ValueError(f"labels is {n}; the {size} candidates of the design take at most {size * most}")
    limit = n if most is None else most
    if most is not None and n < size:
        chosen = np.argsort(-weight, kind="stable")[:n]
        counts = np.zeros(size, dtype=np.int64)
        counts[chosen] = rounded(weight[chosen] / weight[chosen].sum(), n, most)
        return counts
    counts = np.ceil((n - size / 2.0) * weight - 1e-9).astype(np.int64).clip(1, limit)
    while (total := int(counts.sum())) != n:
        if total < n:
            counts[np.where(counts < limit, counts / weight, np.inf).argmin()] += 1
        else:
            counts[np.where(counts > 1, (counts - 1) / weight, -np.inf).argmax()] -= 1
    return counts
