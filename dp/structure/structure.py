r"""Diminishing returns of a problem's labels, and the guarantees of greedy labelling.

Write d_i(n, w) for the expected gain of one more label of item i after n labels with w wins (see ``sweep``). The
guarantee of the greedy policy, which buys the label of largest d, needs two conditions:

    adaptive monotonicity     d_i(s) >= 0           in every state s that labels lead to,
    adaptive submodularity    d_i(s') <= d_i(s)     for every state s' that can follow s and leaves a label to buy.

These are the definitions of Golovin and Krause (2011), with the j-th of at most cap_i labels of item i as element
(i, j), the outcomes of the labels as the realisation, and the payoff as f. Their conditional expected benefit of (i, j)
given a partial realisation is d_i in the state of item i that the realisation's labels lead to, since labels of an item
are exchangeable and items are independent. One partial realisation contains another if and only if its state can follow
the other's. So these conditions hold if and only if theirs do. If d rises along a sequence of labels, it rises at one
of them, so comparing states one label apart decides whether there is a violation. The largest violation is

    max over s of max { d_i(s') : s' ahead of s } - d_i(s).

Where both hold and labels cost the same, greedy earns at least 1 - 1/e of the gain that the best policy earns over
buying no label (Golovin and Krause 2011, after Nemhauser, Wolsey and Fisher 1978).

**If they fail**, the *adaptive submodularity ratio* gamma of Fujii and Sakaue (2019) may still give a guarantee. It is
the largest number such that, in every partial realisation, every policy of at most K labels gains at most 1 / gamma
times the sum of the present gains d of the labels that it buys, each weighted by the probability that it is bought. A
policy buys the labels of one item by a stopping rule tau, randomised by the other items. A ratio of sums over items is
at least the smallest ratio of their terms. So, with Delta(tau) the gain of tau,

    gamma = min over i, s, tau of  E[tau] d_i(s) / E Delta_i(tau)  =  min over i, s of  d_i(s) / nu_i(s),

where nu_i(s) = max over tau of E Delta_i(tau) / E[tau] is the index of the item for the labels that it has left (see
``stopping``). gamma is 1 if and only if there is no violation. With monotonicity, greedy earns at least the share
1 - e^-gamma. To see this, let greedy have bought j < K of K labels, with value V_j. Run the best policy after these
labels, reusing their outcomes where it would buy them. It reaches at least its own value V, since further labels do no
harm. It gains at most sum_i E[N_i] nu_i(s_i) <= (K / gamma) max_i d_i(s_i), with N_i the number of labels that it buys
of item i. So V - V_j <= (K / gamma) (V_{j+1} - V_j), and

    V - V_K  <=  (1 - gamma / K)^K (V - V_0)  <=  e^-gamma (V - V_0).

``scope`` states which gains count as equal, and which properties are proved rather than computed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...posteriors.foundation.arrays import Floats, Ints
from ...posteriors.foundation.kinds import checked
from ..evaluation.evaluate import evaluate
from ..exact.lattice import Lattice
from ..exact.scope import small_enough
from ..exact.solve import solve
from ..kernels import structure as _kernels
from ..problem.problem import Problem
from ..single_item.curves import Curves, curves_of
from .count import count_violating
from .greedy import Greedy
from .report import Structure
from .scope import never_harmful, slacks, within_reach

if TYPE_CHECKING:
    pass

__all__ = ["structure"]


# Lattices with at most this number of states are solved by default, which takes seconds.
_EXACT_STATES = 20_000_000


@checked
def structure(problem: Problem, *, exact: bool | None = None, threads: int | None = None) -> Structure:
    """Structure of a problem: the conditions under which greedy labelling has a guarantee, and the gain it earns.

    Parameters
    ----------
    problem : Problem
        Conditions are those of single labels, whatever its batch size.
    exact : bool, optional
        Compute the exact values of the greedy policy and of the optimum; default: if the lattice has at most 20 million
        states.
    threads : int, optional
        Default: all cores. The answer does not depend on it.

    Returns
    -------
    Structure

    Raises
    ------
    ProblemTooLarge
        If the items' tables, or with ``exact`` the lattice, do not fit in memory.
    ValueError
        For a problem with a label price, and if ``exact`` is set for a problem with batches.

    Examples
    --------
    >>> print(structure(Problem([0.5, 0.5], budget=3)))
    2 items, 3 labels, utility accuracy
    adaptive monotonicity   holds
    adaptive submodularity  violated by up to 0.1875, in 26.67 % of 15 joint states
    concave in labels       no: expected gains rise for 2 of 2 items
    proved of greedy        nothing: gamma = 0
    greedy earns            100 % of the best possible gain; the line of 1 - 1/e is 63.21 %
    item    flat start  first rise    defect  largest violation  states violating  gamma
    item 1           0           3  0.031250           0.187500           33.33 %      0
    item 2           0           3  0.031250           0.187500           33.33 %      0
    rise: item 1, t = 0.5: after 1 label, a loss (Beta(1, 2), p = 0.25) a label gains 0, after 2 labels, 1 of them a \
win (Beta(2, 2), p = 0.5) it gains 0.1875
    """
    remarks = []
    if problem.label_price:
        raise ValueError(
            f"label_price is {problem.label_price:g}; the conditions are those of gains before labels are paid: set "
            "it to 0"
        )
    if exact and problem.batch > 1:
        raise ValueError(
            f"batch is {problem.batch}; exact=True needs a batch of 1, as greedy takes one label after the other"
        )
    lattice = Lattice.of(problem)
    if exact:
        lattice.require()
    slack = slacks(problem)
    narrow = within_reach(problem)
    curves, amount, states, harm, rise = _measure(narrow, slack, threads)
    harm[curves.kind[never_harmful(problem)]] = -1
    kind = curves.kind
    rising = np.array([_first_rise(x, s) for x, s in zip(curves.curve, slack[curves.first], strict=True)])
    flat = np.array([_flat(x, s) for x, s in zip(curves.curve, slack[curves.first], strict=True)])
    counted = count_violating(narrow, lattice, curves.first, kind, slack, int(states[:, 2].max()))
    if counted is None:
        remarks.append("there are too many joint states to count those that violate adaptive submodularity")
    if exact is None:
        exact = small_enough(problem, states=_EXACT_STATES, items=None, lattice=lattice)
        if problem.batch > 1:
            remarks.append(f"labels come {problem.batch} at a time; greedy takes one at a time and has no exact value")
        elif not exact:
            remarks.append(
                "the values of greedy and the optimum were not computed: the lattice is large; exact=True computes "
                "them if it fits in memory"
            )
    greedy = best = None
    if exact:
        greedy = evaluate(problem, Greedy(), threads=threads).value
        best = solve(problem, threads=threads).value
    return Structure(
        problem,
        curves,
        curves.defect[kind],
        rising[kind],
        flat[kind],
        amount[kind, 0],
        (states[:, 1] / np.maximum(states[:, 0], 1))[kind],
        amount[kind, 1],
        harm[kind],
        rise[kind],
        None if counted is None else counted[1],
        None if counted is None else counted[0],
        greedy,
        best,
        problem.prior_value,
        tuple(remarks),
    )


def _measure(problem: Problem, slack: Floats, threads: int | None) -> tuple[Curves, Floats, Ints, Ints, Ints]:
    """Curves of all classes, and for each class the amounts, states, harm and rise of ``kernels.structure.measure``."""
    amount = np.tile([0.0, 1.0], (problem.size, 1))
    states = np.zeros((problem.size, 3), dtype=np.int64)
    harm, rise = np.full((problem.size, 2), -1), np.full((problem.size, 4), -1)

    def work(items: Ints, which: Ints, mean: Floats, gain: Floats) -> None:
        some = np.empty((len(which), 2)), np.zeros((len(which), 3), dtype=np.int64)
        where = np.empty((len(which), 2), dtype=np.int64), np.empty((len(which), 4), dtype=np.int64)
        _kernels.measure(mean, gain, slack[items], *some, *where)
        for table, part in zip((amount, states, harm, rise), (*some, *where), strict=True):
            table[which] = part

    return curves_of(problem, threads, work), amount, states, harm, rise


def _first_rise(curve: Floats, slack: float) -> int:
    """First label whose expected gain is larger than that of the one before."""
    rising = np.flatnonzero(np.diff(curve, n=2) > slack)
    return int(rising[0]) + 2 if len(rising) else 0


def _flat(curve: Floats, slack: float) -> int:
    changed = np.flatnonzero(np.abs(curve) > slack)
    return int(changed[0]) - 1 if len(changed) else len(curve) - 1
