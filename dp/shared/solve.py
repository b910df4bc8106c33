r"""Exact optimum of problems with a shared parameter, by backward induction over labels and wins.

Let Z(n, w) be the probability of the answers in the order in which they came, and h the payoff of the belief after
them. For the values *times Z*, Bellman's equation has no chances left, since Z times the chance of a win is the Z that
follows it:

    W(n, w) = Z h                                                    if no label is available,
    W(n, w) = max_q  W(n + e_q, w + e_q) + W(n + e_q, w) - c_q Z     otherwise,

with c_q the price of a label of query q, and Z h as a further term of the maximum where labels have a price. So beliefs
are needed only where buying ends. Values are stored times 2^labels: each is then a mean of two, neither too large nor
too small for floats.

The states are those of independent items; two layers of them are in memory.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from ...posteriors.foundation.arrays import Bools, Floats, Ints
from ...posteriors.foundation.memory import require_memory
from ...posteriors.foundation.progress import Progress, progress_of
from ..exact.lattice import Layer
from ..exact.sweep import pieces
from ..kernels import shared as _kernels
from ..machine.workers import cores, run
from .problem import SharedProblem
from .states import Powers, parts

__all__ = ["SharedSolution", "bytes_needed", "fees", "payoffs", "solve_shared"]

# A layer with fewer states is swept by one thread.
_WORTH_SHARING = 200_000


@dataclass(frozen=True, eq=False)
class KeptQueries:
    """Optimal queries of every state: a mark for each, of which bit q % 8 of byte q // 8 is query q."""

    layers: list[Layer]
    marks: list[np.ndarray]

    @cached_property
    def _places(self) -> list[dict[tuple[int, ...], int]]:
        return [{tuple(n): c for c, n in enumerate(layer.composition.tolist())} for layer in self.layers]

    def queries(self, n: Ints, w: Ints) -> Bools | None:
        """Mask of the optimal queries in a state; None for one that is not in the lattice."""
        m = int(n.sum())
        block = self._places[m].get(tuple(n.tolist())) if m < len(self.layers) else None
        if block is None:
            return None
        at = int(self.layers[m].begin[block]) + int(np.ravel_multi_index(w.tolist(), (n + 1).tolist()))
        return np.unpackbits(self.marks[m][at], bitorder="little")[: len(n)].astype(bool)


@dataclass(frozen=True, eq=False)
class SharedSolution:
    """Exact solution of a problem with a shared parameter.

    Attributes
    ----------
    problem : SharedProblem
    value : float
        Expected payoff of the optimal policy, less what its labels cost.
    prior_value : float
        Payoff of buying no label.
    states : int
        Number of states visited.
    seconds : float
    bytes : int
        Estimated peak memory.
    first_choice : ndarray, shape (Q,)
        Expected gain from a label of each query first and choosing optimally afterwards; -inf where none can be bought.
    kept : KeptQueries or None
        Policy, if it was kept.
    """

    problem: SharedProblem
    value: float
    prior_value: float
    states: int
    seconds: float
    bytes: int
    first_choice: Floats = field(repr=False)
    kept: KeptQueries | None = field(repr=False, default=None)

    def optimal_queries(self, counts: ArrayLike | None = None, wins: ArrayLike | None = None) -> Ints:
        """All queries that an optimal policy may label next in a state; none if it is better to stop.

        Parameters
        ----------
        counts, wins : array_like of int, shape (Q,), optional
            Labels of each query and wins among them; default: the start, the only state known without a kept policy.

        Returns
        -------
        ndarray of int
            Numbers of the queries, in increasing order.

        Raises
        ------
        ValueError
            For counts that the budget does not allow, and a state that needs a kept policy.

        Examples
        --------
        >>> from seqaudit import BestChoice, SharedProblem, solve
        >>> problem = SharedProblem([[0.9, 0.5], [0.2, 0.5]], budget=3, payoff=BestChoice([[1.0, 0.0], [0.0, 1.0]]))
        >>> solve(problem, keep_policy=True).optimal_queries([1, 0], [1, 0])
        array([0])
        """
        nothing = np.zeros(self.problem.queries, dtype=np.int64)
        n, w = self.problem.checked_state(nothing if counts is None else counts, nothing if wins is None else wins)
        if self.kept is None:
            if n.any():
                raise ValueError("the policy was not kept: call solve(problem, keep_policy=True)")
            best = self.first_choice.max()
            slack = _kernels.TIE * max(abs(self.value), self.problem.payoff.scale())
            if best < -slack and self.problem.label_price > 0.0:
                return np.empty(0, dtype=np.int64)
            return np.flatnonzero(self.first_choice >= best - slack)
        found = self.kept.queries(n, w)
        if found is None:
            raise ValueError(f"after {n.tolist()} labels the budget buys no further one: nothing is left to choose")
        return np.flatnonzero(found)

    def action(self, counts: ArrayLike | None = None, wins: ArrayLike | None = None) -> int:
        """First optimal query in a state, or -1 if it is better to stop; see ``optimal_queries``.

        Parameters
        ----------
        counts, wins : array_like of int, shape (Q,), optional

        Returns
        -------
        int
        """
        found = self.optimal_queries(counts, wins)
        return int(found[0]) if len(found) else -1


def fees(problem: SharedProblem) -> Floats:
    """Amount that a label of each query takes from the payoff, shape (Q,)."""
    return np.asarray(problem.label_price * problem.cost)


def payoffs(problem: SharedProblem, powers: Powers, layer: Layer, mask: Bools, out: Floats, mass: Floats) -> None:
    """Write payoffs and masses of the states in blocks of a mask."""
    for c in np.flatnonzero(mask & ~np.append(False, mask[:-1])):
        # Blocks that follow one another go together.
        rest = np.flatnonzero(~mask[c:])
        end = c + int(rest[0]) if rest.size else len(mask)
        begin, last = int(layer.begin[c]), int(layer.begin[end])
        for first, stop in parts(problem, last - begin):
            weights = powers.weights(layer, begin + first, begin + stop)
            out[begin + first : begin + stop] = problem.payoff.of(weights)
            if mass.size:
                mass[begin + first : begin + stop] = weights.sum(axis=1)


def bytes_needed(problem: SharedProblem, *, keep_policy: bool = False) -> int:
    """Peak memory of a sweep: two layers of values, and of masses where they are needed, beliefs, indices and marks."""
    lattice = problem.lattice
    lattice.require_countable()
    sizes = lattice.layer_states
    two = max(a + b for a, b in pairwise([*sizes, 0]))
    arrays = 2 if keep_policy or problem.label_price > 0.0 else 1
    marks = _mark_bytes(problem) * sum(sizes) if keep_policy else 0
    blocks = sum(lattice.layer_blocks) if keep_policy else 2 * max(lattice.layer_blocks)
    index = 8 * (4 * problem.queries + 4) * blocks + 60 * len(lattice.labels)
    return 8 * arrays * two + Powers.bytes_needed(problem, max(sizes)) + marks + index


def _mark_bytes(problem: SharedProblem) -> int:
    return -(-problem.queries // 8)


def solve_shared(
    problem: SharedProblem,
    *,
    keep_policy: bool = False,
    threads: int | None = None,
    progress: Progress | bool | None = None,
) -> SharedSolution:
    """Solve a problem with a shared parameter exactly; see ``solve``."""
    begin = time.perf_counter()
    told = progress_of(progress, "solving")
    count = cores(threads)
    needed = bytes_needed(problem, keep_policy=keep_policy)
    lattice = problem.lattice
    require_memory(needed, lattice.states)
    powers, fee, scale = Powers(problem), fees(problem), problem.payoff.scale()
    priced = problem.label_price > 0.0
    following, later = np.zeros(1, dtype=np.int64), np.empty(0)
    mass = later_mass = np.empty(0)
    kept: list[tuple[Layer, np.ndarray]] = []
    done, first_choice = 0, np.full(problem.queries, -np.inf)
    with ThreadPoolExecutor(count) as pool:
        for m in range(lattice.depth, -1, -1):
            if told:
                told(done, lattice.states)
            layer = lattice.layer(m)
            ends = ~(layer.block >= 0).any(axis=1)
            values = np.full(layer.states, -np.inf)
            if keep_policy or priced:
                mass = np.empty(layer.states)
            payoffs(problem, powers, layer, np.full(len(ends), True) if priced else ends, values, mass)
            if mass.size and not priced and m < lattice.depth:
                shares = (layer.composition, layer.block, layer.begin, following, later_mass, mass)
                _kernels.masses(0, len(ends), *shares)
            if m < lattice.depth:
                rest = (layer.composition, layer.block, layer.begin, following, later, fee)
                _shared_out(pool, count, layer, partial(_best, rest, mass if priced else np.empty(0), values))
                if m == 0:
                    first_choice = _first(layer, following, later, fee) - problem.prior_value
                if keep_policy:
                    marks = np.zeros((layer.states, _mark_bytes(problem)), dtype=np.uint8)
                    _kernels.mark(0, len(ends), *rest, mass, scale, values, marks)
                    kept.append((layer, marks))
            done += layer.states
            following, later, later_mass = layer.begin, values, mass
    if told:
        told(done, lattice.states)
    policy = KeptQueries([x for x, _ in kept[::-1]], [x for _, x in kept[::-1]]) if keep_policy else None
    seconds = time.perf_counter() - begin
    return SharedSolution(
        problem, float(later[0]), problem.prior_value, lattice.states, seconds, needed, first_choice, policy
    )


def _best(
    rest: tuple[Ints, Ints, Ints, Ints, Floats, Floats], mass: Floats, values: Floats, first: int, last: int
) -> None:
    _kernels.best(first, last, *rest, mass, values)


def _shared_out(pool: ThreadPoolExecutor, count: int, layer: Layer, work: Callable[[int, int], None]) -> None:
    """Work on the blocks of a layer in threads; blocks are independent, so their number does not change the answer."""
    blocks = len(layer.slot)
    cuts = [0, blocks]
    if count > 1 and layer.states >= _WORTH_SHARING:
        cuts[1:1] = np.searchsorted(layer.begin, layer.states * np.arange(1, count) / count).tolist()

    def job(first: int, last: int, stop: threading.Event) -> None:
        for a, b in pieces(layer.begin, first, last):
            if not stop.is_set():
                work(a, b)

    run(pool, [partial(job, a, b) for a, b in pairwise(cuts) if a < b])


def _first(layer: Layer, following: Ints, later: Floats, fee: Floats) -> Floats:
    """Value of a label of each query at the start, -inf where none can be bought."""
    at = [int(following[b]) if b >= 0 else -1 for b in layer.block[0]]
    return np.array([0.5 * (later[a] + later[a + 1]) - fee[q] if a >= 0 else -np.inf for q, a in enumerate(at)])
