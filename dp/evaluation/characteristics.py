r"""Operating characteristics of a policy: its decisions, labels and payoff at given true rates of the items.

At fixed rates alpha the states are those of the lattice, and their probabilities follow forward from the start. A state
of probability P in which the policy labels item i with probability pi_i adds P pi_i alpha_i to the state with one more
win of item i, and P pi_i (1 - alpha_i) to the state with one more loss. The items' joint probabilities of labels and
wins at the end give everything else, without simulation. (The term is that of sequential tests: Wald, 1947, "Sequential
Analysis".)
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ...posteriors.beliefs.asking import ask_chance
from ...posteriors.foundation.arrays import Floats
from ...posteriors.foundation.kinds import checked
from ...posteriors.foundation.memory import require_memory
from ...posteriors.foundation.number_arrays import in_dims, number_array, require_order_of
from ...posteriors.foundation.progress import Progress, progress_of
from ...posteriors.foundation.tolerances import above
from ..exact.lattice import Lattice
from ..kernels import policy as _kernels
from ..machine.workers import cores, run
from ..problem.problem import Problem
from ..problem.states import states_of_item
from .choices import check_policy, choices_of, runs_of_blocks
from .forward import chances_reached
from .named import policy_of

if TYPE_CHECKING:
    import xarray

__all__ = ["operating_characteristics"]


@checked
def operating_characteristics(
    problem: Problem,
    policy: Any,
    alpha: ArrayLike,
    *,
    threads: int | None = None,
    progress: Progress | bool | None = None,
) -> xarray.Dataset:
    """Decisions, labels and payoff of a policy at fixed true rates.

    Parameters
    ----------
    problem : Problem
    policy : index policy, joint policy or registered name
        As for ``evaluate``.
    alpha : array_like, shape (A, N) or (A,)
        True rates, from 0 to 1, of each item or one for all items. A noisy channel flips labels drawn at these rates.
    threads, progress
        As for ``solve``.

    Returns
    -------
    xarray.Dataset
        Over the dimensions ``alpha``, ``item`` and ``labels``:

        rate (alpha, item)
            True rates.
        learnable (alpha, item)
            Probability that the item is declared learnable at the end.
        labels_probability (alpha, item, labels)
            Distribution of the number of labels.
        mean_labels (alpha, item)
            Expected number of labels.
        wins_mean, wins_variance (alpha)
            Mean and variance of the number of wins of all items.
        payoff (alpha)
            Expected payoff, with rewards and less the price of the labels, if the truth is 1{alpha > t}.

    Raises
    ------
    ValueError
        For rates outside [0, 1] or of another shape, a problem with batches, or a callable utility.
    ProblemTooLarge
        If two layers with the policy's choices do not fit in memory.

    Examples
    --------
    >>> import seqaudit as sa
    >>> found = sa.operating_characteristics(sa.Problem([0.5, 0.5], 6), sa.OptimisticKG(), alpha=[0.2, 0.8])
    >>> found.learnable.values.round(3)
    array([[0.06 , 0.06 ],
           [0.852, 0.852]])
    """
    rate = _rates(problem, alpha)
    policy, told = policy_of(policy), progress_of(progress, "evaluating")
    check_policy(problem, policy)
    lattice = Lattice.of(problem)
    lattice.require_countable()
    grid, items = rate.shape
    widest = max(x + y for x, y in zip(lattice.layer_states, [*lattice.layer_states[1:], 0], strict=True))
    require_memory(8.0 * widest * (grid + items) + lattice.bytes_needed(), lattice.states)
    choices = choices_of(problem, policy)
    # A noisy channel may lie between a rate and the label.
    chances = np.column_stack([ask_chance(problem.belief(i), rate[:, i]) for i in range(items)])
    width = int(problem.cap.max()) + 1
    # Probability of (labels, wins) of each item at the end, and of the number of wins of all items.
    joint = np.zeros((grid, items, width, width))
    total = np.zeros((grid, lattice.depth + 1))
    now = np.ones((grid, 1))
    layer = lattice.layer(0)
    done = 0
    with ThreadPoolExecutor(cores(threads)) as pool:
        for m in range(lattice.depth + 1):
            if told:
                told(done, lattice.states)
            done += layer.states
            chance = np.zeros((layer.states, items))
            for a, b in runs_of_blocks(layer.size, 0, len(layer.slot) if m < lattice.depth else 0):
                here = slice(int(layer.begin[a]), int(layer.begin[b]))
                reached = np.flatnonzero((now[:, here] > 0.0).any(axis=0))
                if reached.size:
                    chance[here] = chances_reached(choices, layer, a, b, reached, pool, cores(threads))
            for a in range(grid):
                _kernels.collect(layer.composition, layer.begin, chance, now[a], joint[a], total[a])
            if m == lattice.depth:
                break
            following = lattice.layer(m + 1)
            then = np.zeros((grid, following.states))
            spread = partial(_spread, layer.composition, layer.block, layer.begin, chance, following.begin)
            run(pool, [partial(spread, chances[a], now[a], then[a]) for a in range(grid)])
            now, layer = then, following
    if told:
        told(lattice.states, lattice.states)
    return _dataset(problem, rate, joint, total)


def _spread(
    composition: Any, block: Any, begin: Any, chance: Any, then_begin: Any, rate: Any, now: Any, out: Any, stop: Any
) -> None:
    if not stop.is_set():
        _kernels.spread(composition, block, begin, chance, rate, now, then_begin, out)


def _rates(problem: Problem, alpha: ArrayLike) -> Floats:
    alpha = in_dims(alpha, ("alpha", "item"))
    if getattr(alpha, "ndim", 0) == 2 or isinstance(alpha, (list, tuple)):
        require_order_of(problem.name, alpha=alpha)
    rate = number_array("alpha", alpha)
    if rate.ndim == 1:
        rate = np.repeat(rate[:, None], problem.size, axis=1)
    if not rate.size:
        raise ValueError("alpha is empty; give one rate or more")
    if rate.ndim != 2 or rate.shape[1] != problem.size:
        raise ValueError(f"alpha has shape {rate.shape}; it must be (A,) or (A, {problem.size})")
    if not np.all((rate >= 0) & (rate <= 1)):
        raise ValueError(f"alpha holds {rate[~((rate >= 0) & (rate <= 1))][0]}; rates must lie between 0 and 1")
    return rate


def _dataset(problem: Problem, rate: Floats, joint: Floats, total: Floats) -> xarray.Dataset:
    import xarray

    grid, items, width, _ = joint.shape
    learnable, payoff = np.zeros((grid, items)), np.zeros(grid)
    for i in range(items):
        states = states_of_item(problem, i)
        cap = len(states.mean)
        here = joint[:, i, :cap, :cap]
        learnable[:, i] = here[:, problem.utility.decide(states.tail) & np.tri(cap, dtype=bool)].sum(axis=1)
        for a in range(grid):
            truth = np.full_like(states.tail, float(above(rate[a, i], problem.threshold[i])))
            reached = here[a] > 0
            with np.errstate(all="ignore"):
                paid = states.weight * problem.utility.score(states.tail, truth) + states.reward * states.wins
                paid = paid - problem.label_price * states.cost * states.labels
            payoff[a] += (here[a][reached] * np.broadcast_to(paid, here[a].shape)[reached]).sum()
    labels = joint.sum(axis=3)
    wins = np.arange(total.shape[1])
    mean = total @ wins
    return xarray.Dataset(
        {
            "rate": (("alpha", "item"), rate),
            "learnable": (("alpha", "item"), learnable),
            "labels_probability": (("alpha", "item", "labels"), labels),
            "mean_labels": (("alpha", "item"), labels @ np.arange(width)),
            "wins_mean": ("alpha", mean),
            "wins_variance": ("alpha", (total * (wins - mean[:, None]) ** 2).sum(axis=1)),
            "payoff": ("alpha", payoff),
        },
        coords={"item": list(problem.name), "labels": np.arange(width)},
    )
