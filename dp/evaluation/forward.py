r"""Forward evaluation of a policy from the start, with labels drawn from the prior.

A state of probability P in which the policy labels item i with probability pi_i adds P pi_i mu_i to the state with one
more win of item i, and P pi_i (1 - mu_i) to the state with one more loss. So, with d_i the expected gain of a label,

    V - (payoff of no label) = sum_s P(s) sum_i pi_i(s) d_i(s),         E labels_i = sum_s P(s) pi_i(s).

A joint policy may take long to choose in a state, and reaches few states. It is called once for each state that it
reaches, and for no other.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np

from ...posteriors.foundation.arrays import Floats, Ints
from ...posteriors.foundation.kinds import checked
from ...posteriors.foundation.memory import require_memory
from ...posteriors.foundation.progress import Progress
from ..exact.lattice import Lattice, Layer
from ..kernels import policy as _kernels
from ..machine.workers import cores
from ..problem.problem import Problem
from ..problem.tables import tables_of
from .choices import (
    AT_ONCE,
    Choices,
    IndexChoices,
    JointChoices,
    SupportsProbabilities,
    check_policy,
    choices_of,
    runs_of_blocks,
)
from .named import policy_of

__all__ = ["carry_forward", "chances_reached", "expected_labels", "require_evaluation", "require_forward"]


# Smallest number of states that one thread is given.
_A_THREAD = 8


def _require_forward(lattice: Lattice) -> None:
    """Raise unless two layers of probabilities and the choices in the states of some blocks fit in memory."""
    items, widest = len(lattice.cap), max(map(sum, pairwise([*lattice.layer_states, 0])))
    # The largest block is that in which the labels are divided evenly among the items.
    asked = min(widest, max((lattice.depth / items + 1.0) ** items, AT_ONCE))
    require_memory(8.0 * (widest + (4 * items + 2) * asked) + lattice.bytes_needed(), lattice.states)


def require_evaluation(problem: Problem, policy: Any) -> Lattice:
    """Lattice of a problem on which a policy can be evaluated; raises as ``evaluate`` does, and computes nothing."""
    check_policy(problem, policy)
    lattice = Lattice.of(problem)
    lattice.require()
    if isinstance(policy, SupportsProbabilities):
        _require_forward(lattice)
    return lattice


@checked
def expected_labels(problem: Problem, policy: Any, *, threads: int | None = None) -> Floats:
    """Exact expected number of labels of each item under a policy, with rates drawn from the prior.

    Parameters
    ----------
    problem : Problem
    policy : index policy, joint policy or registered name
        As for ``evaluate``.
    threads : int, optional
        Default: all cores. The answer does not depend on it.

    Returns
    -------
    ndarray, shape (N,)

    Raises
    ------
    ProblemTooLarge
        If two layers with the policy's choices do not fit in memory.
    TypeError
        For an object that is neither kind of policy.
    ValueError
        For a problem with batches.

    Examples
    --------
    >>> from seqaudit import KnowledgeGradient
    >>> expected_labels(Problem([0.5, 0.7], budget=3), KnowledgeGradient()).round(4)
    array([1.25, 1.75])
    """
    policy = policy_of(policy)
    lattice = require_forward(problem, policy)
    asked = carry_forward(lattice, choices_of(problem, policy), tables_of(problem).mean, threads)
    return np.asarray(asked.sum(axis=(1, 2)))


def require_forward(problem: Problem, policy: Any) -> Lattice:
    """Lattice of a problem on which a policy can be evaluated forwards; raises otherwise, and computes nothing."""
    check_policy(problem, policy)
    lattice = Lattice.of(problem)
    lattice.require_countable()
    _require_forward(lattice)
    return lattice


def carry_forward(
    lattice: Lattice, choices: Choices, mean: Floats, threads: int | None = None, progress: Progress | None = None
) -> Floats:
    """Expected number of labels bought in each state of each item, of the shape of ``mean``, (N, width, width)."""
    count, asked = cores(threads), np.zeros_like(mean)
    now, layer, done = np.ones(1), lattice.layer(0), 0
    with ThreadPoolExecutor(count) as pool:
        for m in range(lattice.depth):
            if progress:
                progress(done, lattice.states)
            following = lattice.layer(m + 1)
            then = np.zeros(following.states)
            for a, b in runs_of_blocks(layer.size, 0, len(layer.slot)):
                reached = np.flatnonzero(now[layer.begin[a] : layer.begin[b]] > 0.0)
                if not reached.size:
                    continue
                chance = chances_reached(choices, layer, a, b, reached, pool, count)
                where = (layer.composition, layer.block, layer.begin, chance, mean)
                _kernels.carry(a, b, *where, now, following.begin, asked, then)
            done += layer.states
            now, layer = then, following
    if progress:
        progress(lattice.states, lattice.states)
    return asked


def chances_reached(
    choices: Choices, layer: Layer, first: int, last: int, reached: Ints, pool: ThreadPoolExecutor, threads: int
) -> Floats:
    """Choices in the states of blocks first..last, shape (states, N).

    A joint policy is called, by several threads, in the states that are reached; its other rows are zero.
    """
    out = np.zeros((int(layer.begin[last] - layer.begin[first]), layer.composition.shape[1]))
    if isinstance(choices, IndexChoices):
        choices.chances(layer, first, last, layer.begin - layer.begin[first], out)
        return out
    joint: JointChoices = choices
    counts, wins, usable = joint.states(layer, first, last)
    parts = np.array_split(reached, max(1, min(threads, len(reached) // _A_THREAD)))
    asked = pool.map(lambda rows: joint.at(counts[rows], wins[rows], usable[rows]), parts)
    out[reached] = np.concatenate(list(asked))
    return out
