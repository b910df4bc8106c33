r"""Exact optimum by backward induction.

After n_i labels of item i with w_i wins, the state is (n, w). With mu_i(n_i, w_i) the probability that item i's next
label is a win, v_i h(p_i(n_i, w_i)) its payoff and K labels to buy,

    V(n, w) = sum_i v_i h(p_i(n_i, w_i))                                                 when sum_i n_i = K,
    V(n, w) = max_{i: n_i < cap_i}  mu_i V(n + e_i, w + e_i) + (1 - mu_i) V(n + e_i, w)     otherwise,

and V(0, 0) is the largest expected payoff that any rule for choosing labels can earn: Bellman's equation for the
finite-horizon Bayesian bandit of Lemma (2026), eq. 26, with the payoff made to depend on decisions.
(DeGroot, 1970, "Optimal Statistical Decisions", is the classical account.)

The recursion sees an item only through its tables mu and v h(p), so it holds for any exchangeable belief.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _kernels
from .lattice import Lattice, Layer
from .problem import Problem
from .states import states_of_item

__all__ = ["Solution", "solve"]

Floats = NDArray[np.float64]
Masks = NDArray[np.uint64]
Progress = Callable[[int, int], None]

# Below this many states a layer is swept by one thread: handing it out would take longer.
_WORTH_SHARING = 20_000


@dataclass(frozen=True)
class Solution:
    """An exactly solved problem.

    Attributes
    ----------
    value : float
        Expected payoff of the optimal policy.
    prior_value : float
        Payoff of buying no label.
    states : int
        States visited.
    seconds : float
        Wall-clock time.
    """

    problem: Problem
    value: float
    prior_value: float
    states: int
    seconds: float
    root_values: Floats = field(repr=False)
    masks: tuple[Masks, ...] | None = field(repr=False, default=None)
    lattice: Lattice | None = field(repr=False, default=None)
    offsets: tuple[NDArray[np.int64], ...] = field(repr=False, default=())

    def optimal_items(self, counts: ArrayLike | None = None, wins: ArrayLike | None = None) -> NDArray[np.int64]:
        """All items that an optimal policy may label next, at some state or at the start.

        Parameters
        ----------
        counts, wins : array_like of int, shape (N,), optional
            Labels bought of each item and wins among them. Without a kept policy only the start can be asked for.

        Raises
        ------
        ValueError
            For counts that no policy can reach, a finished budget, or a state that needs a kept policy.

        Examples
        --------
        >>> solution = solve(Problem([0.5, 0.7], budget=3), keep_policy=True)
        >>> solution.optimal_items([1, 0], [1, 0])
        array([1])
        """
        size = self.problem.size
        n = np.zeros(size, dtype=np.int64) if counts is None else np.asarray(counts, dtype=np.int64)
        w = np.zeros(size, dtype=np.int64) if wins is None else np.asarray(wins, dtype=np.int64)
        if n.shape != (size,) or w.shape != (size,):
            raise ValueError(f"counts and wins must have shape ({size},), found {n.shape} and {w.shape}")
        for i in np.flatnonzero((n < 0) | (n > self.problem.cap) | (w < 0) | (w > n)):
            raise ValueError(
                f"{self.problem.name[i]}: {w[i]} wins in {n[i]} labels; allowed: 0 <= wins <= labels "
                f"<= {self.problem.cap[i]}"
            )
        spent = int(n.sum())
        if spent >= self.problem.labels:
            raise ValueError(f"{spent} labels are spent of {self.problem.labels}: nothing is left to choose")
        if self.masks is None or self.lattice is None:
            if spent:
                raise ValueError("the policy was not kept: call solve(problem, keep_policy=True)")
            best = self.root_values.max()
            level = best - _kernels.TIE * max(abs(best), self.problem.payoff_scale)
            return np.flatnonzero(self.root_values >= level)
        within = 0
        for labels, won in zip(n.tolist(), w.tolist(), strict=True):
            within = within * (labels + 1) + won
        mask = int(self.masks[spent][self.offsets[spent][self.lattice.rank(n)] + within])
        return np.array([i for i in range(size) if mask >> i & 1], dtype=np.int64)

    def action(self, counts: ArrayLike | None = None, wins: ArrayLike | None = None) -> int:
        """First optimal item at a state (the start by default); see ``optimal_items``.

        Examples
        --------
        >>> solve(Problem([0.5, 0.99], budget=1)).action()
        0
        """
        return int(self.optimal_items(counts, wins)[0])


def stack(tables: Sequence[Floats], width: int) -> Floats:
    """Square tables of different sizes in one array of shape (N, width, width), zero outside."""
    out = np.zeros((len(tables), width, width))
    for i, table in enumerate(tables):
        out[i, : len(table), : len(table)] = table
    return out


def sweep(
    lattice: Lattice,
    payoff: Floats,
    step: Callable[[int, int, int, Layer, Layer, Floats, Floats], None],
    threads: int | None = None,
    progress: Progress | None = None,
) -> float:
    """Backward induction, layer by layer: ``step(m, first, last, layer, after_layer, after, out)`` fills blocks.

    Returns the value at the start. Blocks of a layer are independent, so threads cannot change the answer.
    """
    threads = threads or os.cpu_count() or 1
    total, done = lattice.states, 0
    with ThreadPoolExecutor(threads) as pool:
        layer = lattice.layer(lattice.depth)
        buffer = [np.empty(max(lattice.layer_states[k::2], default=1)) for k in (0, 1)]
        after = buffer[lattice.depth % 2][: layer.states]
        _share(
            pool, threads, layer, lambda f, u: _kernels.terminal(f, u, layer.composition, layer.offset, payoff, after)
        )
        for m in range(lattice.depth - 1, -1, -1):
            done += layer.states
            if progress:
                progress(done, total)
            # Two statements: the layer before last is let go before the next one is made.
            after_layer = layer
            layer = lattice.layer(m)
            out = buffer[m % 2][: layer.states]
            _share(pool, threads, layer, lambda f, u: step(m, f, u, layer, after_layer, after, out))  # noqa: B023
            after = out
    if progress:
        progress(total, total)
    return float(after[0])


def _share(pool: ThreadPoolExecutor, threads: int, layer: Layer, work: Callable[[int, int], None]) -> None:
    """Split a layer's blocks into runs of about equal numbers of states, one for each thread."""
    blocks = len(layer.composition)
    if threads == 1 or layer.states < _WORTH_SHARING:
        work(0, blocks)
        return
    cuts = np.searchsorted(layer.offset, np.linspace(0, layer.states, threads + 1))
    cuts[0], cuts[-1] = 0, blocks
    for job in [pool.submit(work, int(f), int(u)) for f, u in pairwise(cuts)]:
        job.result()


def solve(
    problem: Problem,
    *,
    keep_policy: bool = False,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Solution:
    """Solve a problem exactly.

    Parameters
    ----------
    problem : Problem
    keep_policy : bool
        Keep the optimal items of every state (8 bytes a state), so that ``Solution.action`` answers everywhere.
        At most 64 items.
    threads : int, optional
        Threads to use; default: all cores. The answer does not depend on it.
    progress : callable, optional
        Called as ``progress(states_done, states_in_all)`` after each layer.

    Returns
    -------
    Solution

    Raises
    ------
    ProblemTooLarge
        Before anything is allocated, when the lattice does not fit in the memory available.

    Examples
    --------
    >>> round(solve(Problem(threshold=[0.5, 0.5], budget=10)).value, 10)
    1.7060546875
    """
    begin = time.perf_counter()
    lattice = Lattice.of(problem)
    lattice.require(bytes_kept=8 if keep_policy else 0)
    if keep_policy and problem.size > 64:
        raise ValueError(f"keep_policy holds at most 64 items, the problem has {problem.size}")
    mean, payoff = stacked_tables(problem)
    scale = problem.payoff_scale
    masks = [np.empty(s, dtype=np.uint64) for s in lattice.layer_states[:-1]] if keep_policy else []
    offsets = [np.empty(0, dtype=np.int64)] * len(masks)
    root_values = np.full(problem.size, -np.inf)
    maximise = _kernels.optimal_of_two if problem.size == 2 else _kernels.optimal

    def step(m: int, first: int, last: int, layer: Layer, after_layer: Layer, after: Floats, out: Floats) -> None:
        where = (first, last, layer.composition, layer.offset, layer.successor, after_layer.offset, after, mean)
        maximise(*where, out)
        if keep_policy:
            _kernels.mark_optimal(*where, scale, out, masks[m])
            offsets[m] = layer.offset
        if m == 0:
            for i in np.flatnonzero(layer.successor[0] >= 0):
                at = after_layer.offset[layer.successor[0, i]]
                root_values[i] = after[at] + mean[i, 0, 0] * (after[at + 1] - after[at])

    value = sweep(lattice, payoff, step, threads, progress) if lattice.depth else problem.prior_value
    return Solution(
        problem,
        value,
        problem.prior_value,
        lattice.states,
        time.perf_counter() - begin,
        root_values,
        tuple(masks) if keep_policy else None,
        lattice,
        tuple(offsets),
    )


def stacked_tables(problem: Problem) -> tuple[Floats, Floats]:
    """Means and payoffs of all items, each of shape (N, width, width) with width = 1 + the largest cap."""
    width = min(int(problem.cap.max()), problem.labels) + 1
    items = [states_of_item(problem, i) for i in range(problem.size)]
    return stack([x.mean for x in items], width), stack([x.payoff for x in items], width)
