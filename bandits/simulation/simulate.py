"""Simulation: the value of a policy on problems too large to solve.

Each replication draws every item's rate from its prior, and labels from the rates, until no item is available. With
batches, the items of a batch are chosen before any of its outcomes is seen. At the end the expected payoff under the
final beliefs is recorded, not the payoff of the decisions under the drawn rates: by the tower property it has the same
mean and less variance.

The same seed gives the same rates and the same labels to every policy (common random numbers), whatever the number of
workers and the order of the policies. Differences between policies are therefore more precise than the standard errors
of their means suggest.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ...dp.machine.workers import in_processes
from ...dp.problem.problem import Problem
from ...posteriors.beliefs.asking import ask_chance, ask_draw
from ...posteriors.foundation.arrays import Floats, Ints
from ...posteriors.foundation.averages import error_of_average, mean_of
from ...posteriors.foundation.kinds import checked
from ...posteriors.foundation.memory import too_large
from ...posteriors.foundation.records import EqualByContents
from ...posteriors.foundation.refusals import whole
from ...posteriors.foundation.seeds import Seed
from ..kernels import choosing as _kernels
from ..policy import IndexPolicy, Policy
from ..registry import make_policy
from .board import Board, final_values
from .compiled_run import PlainLabels, PlainSource, pays, run_policy, tabled
from .seeds import replication_keys

__all__ = [
    "LabelSource",
    "PriorNature",
    "Simulation",
    "play",
    "replication_parts",
    "require_length",
    "simulate",
    "spend",
]

# Scores, counts and wins of this many (replication, item) pairs are held at a time: about 150 MB.
_PAIRS_AT_ONCE = 4_000_000
# Labels in one run: this many of each item on average, or at least so many in all. They take minutes.
_LABELS_AN_ITEM, _LABELS = 1_000, 10_000_000
_NO_VOTES = np.empty(0, dtype=np.int8)


class LabelSource(Protocol):
    """Source of labels: nature in a simulation, a pool of votes in a replay."""

    def labels(self, rows: Ints, items: Ints, counts: Ints) -> Ints:
        """Label number ``counts`` (from 0) of ``items`` in replications ``rows``."""


class PlayedSource(LabelSource, PlainSource, Protocol):
    """Source of labels for ``play``: both of its ways get the same labels."""


@dataclass(frozen=True)
class PriorNature:
    """Rates drawn from the priors, labels drawn from the rates: ``rate`` is each item's chance of a win."""

    rate: Floats
    keys: NDArray[np.uint64]

    @classmethod
    def draw(cls, problem: Problem, seeds: Sequence[np.random.SeedSequence], keys: NDArray[np.uint64]) -> PriorNature:
        """Rates of every item in every replication."""
        if isinstance(problem.prior, np.ndarray):
            a, b = problem.prior.T
            return cls(np.array([np.random.default_rng(s).beta(a, b) for s in seeds]), keys)
        rate = np.empty((len(seeds), problem.size))
        for r, seed in enumerate(seeds):
            generator = np.random.default_rng(seed)
            for i, belief in enumerate(problem.prior):
                rate[r, i] = ask_chance(belief, ask_draw(belief, generator))
        return cls(rate, keys)

    def labels(self, rows: Ints, items: Ints, counts: Ints) -> Ints:
        """Labels by counter: a function of (replication, item, number) alone."""
        out = np.empty(len(rows), dtype=np.int64)
        _kernels.draw_labels(rows, items, counts, self.rate, self.keys, out)
        return out

    def plain(self, row: int) -> PlainLabels:
        """Rates of a replication, from which the compiled run draws the same labels."""
        return PlainLabels(self.rate[row], _NO_VOTES)


def require_length(problem: Problem) -> None:
    """Raise ``ProblemTooLarge`` where a single run would have so many labels that it takes hours.

    Examples
    --------
    >>> require_length(Problem([0.5, 0.7], budget=10**9))
    Traceback (most recent call last):
    seqaudit.posteriors.foundation.memory.ProblemTooLarge: problem too large for simulation: one run has up to \
1,000,000,000 labels, 10,000,000 are allowed; take a smaller budget or smaller caps
    """
    most = max(_LABELS, _LABELS_AN_ITEM * problem.size)
    if problem.labels > most:
        why = f"one run has up to {problem.labels:,} labels, {most:,} are allowed"
        raise too_large("simulation", why, "take a smaller budget or smaller caps")


def spend(
    problem: Problem,
    policy: Policy,
    source: LabelSource,
    keys: NDArray[np.uint64],
    *,
    stops: Sequence[int] = (),
    observe: Callable[[int, Ints, Ints], None] | None = None,
) -> tuple[Ints, Ints]:
    """Spend the whole budget in R replications side by side; labels and wins of each item, shape (R, N).

    After each number of labels in ``stops``, ``observe(labels_bought, counts, wins)`` is called; it sees the outcomes
    of whole batches, and the final state of replications that ended earlier.
    """
    require_length(problem)
    board = Board(problem, policy, keys)
    marks = {stop for stop in stops if stop <= problem.labels}
    for step in itertools.count():
        if observe and step in marks:
            observe(step, board.counts, board.wins)
        chosen = board.choose(step)
        rows = board.open
        if not rows.size:
            for stop in sorted(marks):
                if observe and stop > step:
                    observe(stop, board.counts, board.wins)
            break
        items = chosen[rows]
        board.spend(rows, items, source.labels(rows, items, board.bought[rows, items]))
    return board.counts, board.wins


def play(
    problem: Problem,
    policy: Policy,
    source: PlayedSource,
    keys: NDArray[np.uint64],
    *,
    stops: Sequence[int] = (),
    observe: Callable[[int, Ints, Ints], None] | None = None,
    threads: int = 1,
    tables: bool = True,
) -> tuple[Ints, Ints]:
    """``spend``, item by item in compiled code where that is faster, with the same choices.

    With ``tables``, many items have their Gittins indices from tables, which may interpolate them; without, every index
    is exact.
    """
    require_length(problem)
    if (tables or not tabled(problem, policy)) and pays(problem, policy, len(keys)):
        assert isinstance(policy, IndexPolicy)
        return run_policy(problem, policy, source, keys, stops=stops, observe=observe, threads=threads)
    return spend(problem, policy, source, keys, stops=stops, observe=observe)


@dataclass(frozen=True, eq=False, repr=False)
class Simulation(EqualByContents):
    """Simulated value of a policy.

    Attributes
    ----------
    policy : str
    values : ndarray, shape (R,)
        Expected payoff under the final beliefs of each replication.
    labels : ndarray, shape (N,)
        Mean number of labels bought of each item.
    """

    policy: str
    values: Floats
    labels: Floats

    @property
    def mean(self) -> float:
        """Estimated value."""
        return float(mean_of(self.values))

    def __repr__(self) -> str:
        return (
            f"Simulation({self.policy}: {self.mean:.6g} ± {self.standard_error:.2g}, {len(self.values)} replications)"
        )

    @property
    def standard_error(self) -> float:
        """Standard error of the mean; ``nan`` for a single replication."""
        return float(error_of_average(self.values))


@checked
def simulate(
    problem: Problem, policy: str | Policy, *, replications: int = 200, seed: Seed, n_jobs: int = 1
) -> Simulation:
    """Simulate a policy.

    Parameters
    ----------
    problem : Problem
        With costs, caps, quotas and batches, if it has any; batches by the rule in ``docs/meaning.md``.
    policy : Policy or registered name
    replications : int
        Independent repetitions, at least 1.
    seed : int, SeedSequence or Generator
        Replication r is the same for any number of replications and workers, and for every policy.
    n_jobs : int
        Worker processes (joblib); -1 for all cores.

    Returns
    -------
    Simulation

    Raises
    ------
    ValueError
        For an unknown policy, no replications, or the policy ``exact`` where labels come in batches.
    ProblemTooLarge
        Where one run has more than a thousand labels an item, and more than ten million.

    Examples
    --------
    >>> import seqaudit as sa
    >>> problem = sa.Problem([0.5, 0.7, 0.9], budget=12)
    >>> result = sa.simulate(problem, "variance-reduction", replications=400, seed=7)
    >>> abs(result.mean - sa.evaluate(problem, sa.VarianceReduction()).value) < 4 * result.standard_error
    True
    """
    chosen = make_policy(policy)
    replications = whole("replications", replications, least=1)
    require_length(problem)
    seeds, keys = replication_keys(seed, replications)
    parts = replication_parts(problem, replications, least=2)
    jobs = {part.start: partial(_part, problem, chosen, seeds[part], keys[part]) for part in parts}
    done = [found for _, found in in_processes(jobs, n_jobs)]
    values = np.concatenate([v for v, _ in done])
    return Simulation(chosen.name, values, np.sum([n for _, n in done], axis=0) / replications)


def replication_parts(problem: Problem, replications: int, least: int = 1) -> list[slice]:
    """Parts of the replications that each fit in memory, at least ``least`` of them where there are enough.

    Examples
    --------
    >>> replication_parts(Problem([0.5, 0.6], budget=3), 5, least=2)
    [slice(0, 3, None), slice(3, 5, None)]
    """
    size = max(1, min(_PAIRS_AT_ONCE // problem.size, -(-replications // least)))
    return [slice(k, min(k + size, replications)) for k in range(0, replications, size)]


def _part(
    problem: Problem, policy: Policy, seeds: Sequence[np.random.SeedSequence], keys: NDArray[np.uint64]
) -> tuple[Floats, Ints]:
    counts, wins = play(problem, policy, PriorNature.draw(problem, seeds, keys), keys)
    return final_values(problem, counts, wins), counts.sum(axis=0)
