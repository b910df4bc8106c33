r"""Number of further labels of an item with which buying them pays.

With d(n, w) the gain of a label net of its price, m further labels of an item are worth

    A_m(n, w) = d(n, w) + mu A_{m-1}(n + 1, w + 1) + (1 - mu) A_{m-1}(n + 1, w)          if all m are bought,
    W_m(n, w) = max(0, d(n, w) + mu W_{m-1}(n + 1, w + 1) + (1 - mu) W_{m-1}(n + 1, w))   if buying may stop before,

with A_0 = W_0 = 0. W_m does not fall with m.

**When to stop.** Let U(s) be the advantage of the best policy over buying nothing in state s, and m_i the further
labels of item i that cap and budget allow there. Then max_i W_i(m_i) <= U(s) <= sum_i W_i(m_i): labelling item i alone
is a policy, and the items share only the budget. So where there are no quotas or batches, it is optimal to stop exactly
where every W_i(m_i) is zero.
"""

from __future__ import annotations

import numpy as np

from ...posteriors.foundation.arrays import Ints
from ..kernels import stopping as _kernels
from ..kernels.dense import TIE
from ..problem.problem import Problem
from ..problem.states import states_of_item
from ..problem.tables import ZERO_GAIN, gains, net_of_price

__all__ = ["fewest_that_pay"]


def fewest_that_pay(problem: Problem, i: int, most: int, *, adaptive: bool) -> Ints:
    """Fewest further labels with which an item is worth more than nothing, in each of its states.

    Parameters
    ----------
    problem : Problem
    i : int
        Number of the item.
    most : int
        Largest number of labels to look ahead.
    adaptive : bool
        True if buying may stop before the last of these labels.

    Returns
    -------
    ndarray of int, shape (cap + 1, cap + 1)
        Indexed [labels, wins]; 0 where no number of further labels pays.

    Examples
    --------
    >>> fewest_that_pay(Problem([0.5], budget=3, label_price=0.1), 0, 3, adaptive=True)
    array([[1, 0, 0, 0],
           [0, 0, 0, 0],
           [0, 1, 0, 0],
           [0, 0, 0, 0]])
    """
    states = states_of_item(problem, i)
    scale = problem.payoff_scale
    gain = net_of_price(gains(states.mean, states.payoff, ZERO_GAIN * scale), problem, i)
    out = np.zeros(states.mean.shape, dtype=np.int64)
    _kernels.fewest_that_pay(states.mean, gain, min(most, len(gain)), adaptive, TIE * scale, out)
    return out
