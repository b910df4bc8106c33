r"""Exact optimum by backward induction.

After n_i labels of item i with w_i wins, the state is (n, w). With mu_i(n_i, w_i) the probability that item i's next
label is a win and G(n, w) = sum_i [v_i h(p_i(n_i, w_i)) + r_i w_i] the payoff of stopping there,

    V(n, w) = G(n, w)                                                          if no label is available,
    V(n, w) = max_i  mu_i V(n + e_i, w + e_i) + (1 - mu_i) V(n + e_i, w)       otherwise,

over the items i that can be labelled, with G(n, w) as a further term of the maximum where all quotas are met: at most K
labels are bought (eq. 5 of the source), and G is less the price of those bought. Where no label can lower the expected
payoff (``Problem.may_stop``), that term changes nothing and is left out.

V(0, 0) is the largest expected payoff of any rule for choosing labels. This is
Bellman's equation for the finite-horizon Bayesian bandit of Lemma (2026), eq. 26, with a payoff that depends on
decisions. (DeGroot, 1970, "Optimal Statistical Decisions", is the classical account.) It is solved for U = V - G; see
``sweep``.

An item enters the recursion only through its tables mu and v h(p) + r w, so it holds for any exchangeable belief.

Four engines give the same answer. The *dense* engine visits every state. The *live* engine leaves out states whose
decisions further labels cannot change (``live``). The *symmetric* engine visits states that differ by the order of
identical items once (``symmetric``). The *batches* engine chooses several labels at a time (``batches``).
"""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, overload

import numpy as np
from numpy.typing import ArrayLike

from ...posteriors.foundation.arrays import Floats, Ints
from ...posteriors.foundation.kinds import checked
from ...posteriors.foundation.memory import require_memory
from ...posteriors.foundation.messages import named, shown
from ...posteriors.foundation.number_arrays import require_order_of, whole_array
from ...posteriors.foundation.progress import Progress, progress_of
from ...posteriors.foundation.refusals import one_of
from ..kernels import dense as _kernels
from ..machine.workers import cores
from ..problem.availability import availability_of
from ..problem.budget import quotas_met
from ..problem.problem import Problem
from ..problem.tables import Tables, tables_of
from ..shared.problem import SharedProblem
from ..shared.solve import SharedSolution, solve_shared
from .batches import BatchPolicy, solve_batches
from .engines import REDUCTIONS, plan, reductions_of
from .kept_policy import KeptPolicy, layers_of, policy_bytes, read_policy, room_for, write_policy
from .lattice import Lattice, Layer
from .live import LiveLattice, sweep_live
from .sweep import sweep
from .symmetric import SymmetricLattice, sweep_symmetric
from .two_items import LivePair, pairs_up, sweep_two

__all__ = ["Solution", "load_policy", "require_policy", "solve"]


@dataclass(frozen=True, eq=False)
class Solution:
    """Exact solution of a problem.

    With a kept policy, ``action`` gives the item to label next in any state.

    Attributes
    ----------
    problem : Problem
    value : float
        Expected payoff of the optimal policy.
    prior_value : float
        Expected payoff of buying no label.
    states : int
        Number of states visited.
    seconds : float
        Wall-clock time.
    engine : {"dense", "live", "symmetric", "batches"}
        Engine that solved the problem.
    bytes : int
        Estimated peak memory.
    first_choice : ndarray, shape (N,)
        Expected gain from labelling each item first and choosing optimally afterwards; -inf where it is unavailable or
        was not computed.
    kept : KeptPolicy, BatchPolicy or None
        Policy, if it was kept; for batches, at least the choices at the start.
    """

    problem: Problem
    value: float
    prior_value: float
    states: int
    seconds: float
    engine: str
    bytes: int
    first_choice: Floats = field(repr=False)
    kept: KeptPolicy | BatchPolicy | None = field(repr=False, default=None)

    def optimal_items(self, counts: ArrayLike | None = None, wins: ArrayLike | None = None) -> Ints:
        """All items that an optimal policy may label next in a state; none if it is better to stop.

        Parameters
        ----------
        counts, wins : array_like of int, shape (N,), optional
            Labels of each item and wins among them; default: the start, the only state known without a kept policy.

        Returns
        -------
        ndarray of int
            Numbers of the items, in increasing order.

        Raises
        ------
        ValueError
            For counts that no policy can reach, a state in which no label is available, a state that needs a kept
            policy, or a problem with batches; see ``optimal_batches``.

        Examples
        --------
        >>> solution = solve(Problem([0.5, 0.7], budget=3), keep_policy=True)
        >>> solution.optimal_items([1, 0], [1, 0])
        array([1])
        """
        if self.problem.batch > 1:
            raise ValueError(f"labels are bought {self.problem.batch} at a time: call optimal_batches")
        n, w = self._state(counts, wins)
        if not isinstance(self.kept, KeptPolicy):
            if n.any():
                raise ValueError("the policy was not kept: call solve(problem, keep_policy=True)")
            best = self.first_choice.max()
            if best == -np.inf:
                raise ValueError("no label is available: nothing is left to choose")
            slack = _kernels.TIE * max(abs(best), self.problem.payoff_scale)
            if best < -slack and self._may_stop(n):
                return np.empty(0, dtype=np.int64)
            return np.flatnonzero(self.first_choice >= best - slack)
        items = np.flatnonzero(self.kept.acceptable(n[None, :], w[None, :])[0])
        if not len(items) and not self._may_stop(n):
            raise ValueError(
                f"after {shown(n.tolist())} labels nothing is left to choose, or no policy can buy these labels; "
                "allowed: counts within budget, caps and quotas that leave a label to buy"
            )
        return items

    def _may_stop(self, n: Ints) -> bool:
        """True if a label can be bought after these, and buying none is allowed and can be better."""
        problem = self.problem
        free = problem.may_stop and bool(quotas_met(n[None, :], problem.quota)[0])
        return free and bool(availability_of(problem).items(n[None, :]).any())

    def action(self, counts: ArrayLike | None = None, wins: ArrayLike | None = None) -> int:
        """First optimal item in a state, or -1 if it is better to stop; see ``optimal_items``.

        Parameters
        ----------
        counts, wins : array_like of int, shape (N,), optional
            As for ``optimal_items``.

        Returns
        -------
        int

        Examples
        --------
        >>> solve(Problem([0.5, 0.99], budget=1)).action()
        0
        """
        items = self.optimal_items(counts, wins)
        return int(items[0]) if len(items) else -1

    def optimal_batches(self, counts: ArrayLike | None = None, wins: ArrayLike | None = None) -> Ints:
        """All batches that an optimal policy may buy next; none if it is better to stop.

        Parameters
        ----------
        counts, wins : array_like of int, shape (N,), optional
            As for ``optimal_items``, at the beginning of a batch.

        Returns
        -------
        ndarray of int, shape (batches, N)
            Labels of each item in each optimal batch.

        Examples
        --------
        >>> solve(Problem([0.5, 0.5], budget=4, batch=2)).optimal_batches()
        array([[0, 2],
               [1, 1],
               [2, 0]])
        """
        n, w = self._state(counts, wins)
        if not isinstance(self.kept, BatchPolicy):
            items = self.optimal_items(n, w)
            return np.eye(self.problem.size, dtype=np.int64)[items]
        return self.kept.batches(n, w)

    def save(self, path: str | Path) -> None:
        """Write the kept policy to a new folder in open file formats; see ``docs/exact.md``.

        Parameters
        ----------
        path : str or Path

        Raises
        ------
        ValueError
            Without a kept policy of single labels, or if ``path`` exists.
        """
        if not isinstance(self.kept, KeptPolicy):
            raise ValueError("no policy to save: call solve(problem, keep_policy=True) on a problem without batches")
        about = {key: getattr(self, key) for key in ("value", "prior_value", "seconds", "bytes")}
        write_policy(self.kept, path, about)

    def _state(self, counts: ArrayLike | None, wins: ArrayLike | None) -> tuple[Ints, Ints]:
        size = self.problem.size
        require_order_of(self.problem.name, counts=counts, wins=wins)
        n = np.zeros(size, dtype=np.int64) if counts is None else whole_array("counts", counts, None)
        w = np.zeros(size, dtype=np.int64) if wins is None else whole_array("wins", wins, None)
        if n.shape != (size,) or w.shape != (size,):
            raise ValueError(f"counts and wins must have shape ({size},), found {n.shape} and {w.shape}")
        for i in np.flatnonzero((n < 0) | (n > self.problem.cap) | (w < 0) | (w > n)):
            raise ValueError(
                f"{named(self.problem.name[i])}: {w[i]} wins in {n[i]} labels; allowed: 0 <= wins <= labels "
                f"<= {self.problem.cap[i]}"
            )
        if self.problem.unit_costs and n.sum() >= self.problem.labels:
            raise ValueError(
                f"{n.sum()} labels are bought, the budget allows {self.problem.labels}: nothing is left to choose"
            )
        return n, w


@checked
def load_policy(path: str | Path, problem: Problem | None = None) -> Solution:
    """Solution with its policy, read from a folder that ``Solution.save`` wrote.

    Parameters
    ----------
    path : str or Path
    problem : Problem, optional
        Needed only if the utility is a callable, or the class of it or of a belief is not registered: files cannot hold
        such.

    Returns
    -------
    Solution

    Raises
    ------
    ValueError
        For a damaged folder, or one of another version or another problem.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> solution = solve(Problem([0.5, 0.7], budget=3), keep_policy=True)
    >>> with TemporaryDirectory() as folder:
    ...     solution.save(Path(folder, "policy"))
    ...     load_policy(Path(folder, "policy")).action([1, 0], [1, 0])
    1
    """
    kept, about = read_policy(path, problem)
    first = np.full(kept.problem.size, -np.inf)
    return Solution(
        kept.problem,
        about["value"],
        about["prior_value"],
        kept.live.states,
        about["seconds"],
        "live",
        about["bytes"],
        first,
        kept,
    )


@overload
def solve(
    problem: Problem,
    *,
    keep_policy: bool = ...,
    reduce: bool | Collection[str] = ...,
    dtype: Literal["float64", "float32"] = ...,
    threads: int | None = ...,
    progress: Progress | bool | None = ...,
) -> Solution: ...
@overload
def solve(
    problem: SharedProblem,
    *,
    keep_policy: bool = ...,
    threads: int | None = ...,
    progress: Progress | bool | None = ...,
) -> SharedSolution: ...
@checked
def solve(
    problem: Problem | SharedProblem,
    *,
    keep_policy: bool = False,
    reduce: bool | Collection[str] = True,
    dtype: Literal["float64", "float32"] = "float64",
    threads: int | None = None,
    progress: Progress | bool | None = None,
) -> Solution | SharedSolution:
    """Solve a problem exactly, by backward induction from the last label to the first; see ``docs/exact.md``.

    Parameters
    ----------
    problem : Problem or SharedProblem
    keep_policy : bool
        Keep the optimal items of every state, one bit for each item, so that ``Solution.action`` works in every state.
    reduce : bool or collection of {"dead", "identical"}
        Exact reductions that may be used; they change the answer by rounding only. ``True`` uses those that save time.
        A kept policy uses "dead" only.
    dtype : {"float64", "float32"}
        Number type of stored values. Single precision halves the memory; ``docs/exact.md`` bounds its error.
    threads : int, optional
        Number of threads; default: all cores. The answer does not depend on it.
    progress : callable or bool, optional
        Called as ``progress(states_done, states_in_all)`` after each layer; True shows progress on standard error.

    Returns
    -------
    Solution or SharedSolution

    Raises
    ------
    ProblemTooLarge
        If the lattice does not fit in the memory available; raised before anything is allocated.
    ValueError
        For reductions, a number type or a number of threads that are not allowed.

    Examples
    --------
    >>> round(solve(Problem(threshold=[0.5, 0.5], budget=10)).value, 10)
    1.7060546875
    """
    if isinstance(problem, SharedProblem):
        if reduce is not True or dtype != "float64":
            raise ValueError("reduce and dtype are given, but a SharedProblem has neither; leave them out")
        return solve_shared(problem, keep_policy=keep_policy, threads=threads, progress=progress)
    begin = time.perf_counter()
    number = np.dtype(one_of("dtype", dtype, ("float64", "float32")))
    wanted, told = reductions_of(reduce), progress_of(progress, "solving")
    cores(threads)
    lattice = Lattice.of(problem)
    scale = problem.payoff_scale
    prior = problem.prior_value
    kept: KeptPolicy | BatchPolicy | None = None
    first_choice = np.full(problem.size, -np.inf)
    if problem.batch > 1:
        lattice.require_countable()
        tables = tables_of(problem)
        advantage, kept, states, needed = solve_batches(problem, lattice, tables, keep_policy, scale, number, told)
        engine = "batches"
    else:
        engine, tables, chosen = plan(problem, lattice, wanted, number, keep_policy, scale, threads)
        if isinstance(chosen, LiveLattice):
            needed, states = chosen.bytes_needed(number.itemsize), chosen.states
            require_memory(needed, states)
            actions = room_for(chosen) if keep_policy else None
            needed += policy_bytes(chosen) if keep_policy else 0
            masks = None if actions is None else layers_of(actions, chosen)
            advantage, first_choice = sweep_live(
                chosen, tables, number, threads, told, masks, scale, may_stop=problem.may_stop
            )
            kept = None if actions is None else KeptPolicy(problem, chosen, actions)
        elif isinstance(chosen, LivePair):
            needed, states = chosen.bytes_needed(number.itemsize, threads), chosen.states
            require_memory(needed, states)
            advantage, first_choice = sweep_two(lattice, tables, number, threads, told, chosen)
        elif isinstance(chosen, SymmetricLattice):
            needed, states = chosen.bytes_needed(number.itemsize), chosen.states
            require_memory(needed, states)
            advantage, first_choice = sweep_symmetric(chosen, tables, number, threads, told, may_stop=problem.may_stop)
        else:
            needed, states = lattice.bytes_needed(number.itemsize, threads), lattice.states
            require_memory(needed, states)
            advantage, first_choice = _dense(lattice, tables, number, threads, told, may_stop=problem.may_stop)
    seconds = time.perf_counter() - begin
    return Solution(problem, prior + advantage, prior, states, seconds, engine, needed, first_choice, kept)


def require_policy(problem: Problem) -> None:
    """Raise ``ProblemTooLarge`` unless memory suffices to solve the problem with its policy kept; solves nothing."""
    lattice = Lattice.of(problem)
    _, _, live = plan(problem, lattice, frozenset(REDUCTIONS), np.dtype(np.float64), True, problem.payoff_scale, None)
    if isinstance(live, LiveLattice):
        require_memory(live.bytes_needed() + policy_bytes(live), live.states)


def _dense(
    lattice: Lattice,
    tables: Tables,
    number: np.dtype,
    threads: int | None,
    progress: Progress | None,
    *,
    may_stop: bool,
) -> tuple[float, Floats]:
    """Advantage at the start, and that of labelling each item there, from a sweep over every state."""
    items = len(lattice.cap)
    first_choice = np.full(items, -np.inf)
    if lattice.depth == 0:
        return 0.0, first_choice
    mean, gain = tables.cast(number)
    if pairs_up(lattice, may_stop=may_stop):
        return sweep_two(lattice, tables, number, threads, progress)
    kernel = _kernels.optimal if items == 1 else _kernels.optimal_in_pairs

    def step(m: int, first: int, last: int, layer: Layer, target: Ints, source: Ints, values: Floats) -> None:
        if m == 0:
            for i in np.flatnonzero(source[0] >= 0):
                lost, won = values[source[0, i] : source[0, i] + 2]
                first_choice[i] = lost + tables.mean[i, 0, 0] * (won - lost) + tables.gain[i, 0, 0]
        kernel(first, last, layer.composition, target, source, mean, gain, values)
        if may_stop:
            free = lattice.free(layer.composition)
            _kernels.stop_where_better(first, last, free, target, layer.size, values)

    return sweep(lattice, step, number, threads, progress), first_choice
