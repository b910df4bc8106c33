r"""Rollout: one label chosen as if a base policy chose all later ones.

With U_b(s) the value of continuing with the base policy b,

    Q_b(s, i) = d_i(s) + mu_i U_b(s, win of i) + (1 - mu_i) U_b(s, loss of i),

and the rollout policy labels an item of largest Q_b: one step of policy improvement (Howard 1960; for sequential
problems Bertsekas, Tsitsiklis and Wu 1997). Where U_b is exact, the rollout policy is nowhere worse than its base.

U_b is exact where the values of all states can be kept (``Lookahead`` of depth 1 with the base at its leaves).
Otherwise Q_b is estimated from runs to the end of the budget. Runs of different candidates share their random numbers:
the j-th label of an item is a win where the same number is below the predictive probability under the belief at that
point, and ties are broken by the same numbers. Most of the noise therefore cancels from the differences between
candidates. The value of a run is the expected payoff under its final beliefs, not the payoff under a drawn truth.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ...dp.problem.bars import bar_of
from ...dp.problem.problem import Problem
from ...posteriors.beliefs.asking import ask_at
from ...posteriors.beliefs.belief import Belief
from ...posteriors.foundation.arrays import Bools, Floats, Ints
from ...posteriors.foundation.refusals import whole
from ...posteriors.foundation.tolerances import ROUNDING
from ..kernels import choosing as _kernels
from ..policies.kg_star import KGStar
from ..policy import Policy
from ..simulation.board import Board, final_values
from ..wrappers.based import BasedPolicy, as_base
from .advantage import AdvantagePolicy
from .lookahead import best_candidates, policy_values, require_shortlist, require_values, values_fit

__all__ = ["Rollout", "state_seeds"]


# (run, item) pairs that are simulated side by side.
_PAIRS_AT_ONCE = 2_000_000


def state_seeds(seed: int, counts: Ints, wins: Ints, number: int) -> NDArray[np.uint64]:
    """Philox keys (number, 2) that depend on the seed and on one state alone."""
    state = hashlib.blake2b(np.concatenate([counts, wins]).astype("<i8").tobytes(), digest_size=16).digest()
    root = np.random.SeedSequence([int(seed), int.from_bytes(state, "little")])
    return np.asarray(root.generate_state(2 * number, np.uint64), dtype=np.uint64).reshape(number, 2)


@dataclass(frozen=True)
class Rollout(BasedPolicy, AdvantagePolicy):
    """Label the item after which the base policy does best.

    Rule: the largest Q_b(s, i), the expected payoff when item i is labelled and the base policy b spends the rest of
    the budget; none, if b may stop and no label has a larger one than stopping. Exact on problems of at most 20,000,000
    states without batches; elsewhere estimated by simulated runs with common random numbers, as if the label began a
    batch. Source: Bertsekas, Tsitsiklis and Wu (1997), "Rollout algorithms for combinatorial optimization". Departure:
    where runs are simulated, only the ``candidates`` items of largest score by ``shortlist`` are tried.

    Parameters
    ----------
    base : Policy or registered name
    runs : int
        Simulated runs for each candidate, where values are not exact.
    candidates : int
        Largest number of items that are tried, where values are not exact.
    shortlist : Policy or registered name, optional
        Policy whose scores choose the candidates; default: the base.
    seed : int
        Seed of the runs. The same state always gets the same runs.

    Raises
    ------
    ValueError
        For settings out of range, and an unknown base or shortlist.

    Examples
    --------
    >>> import seqaudit as sa
    >>> problem = sa.Problem([0.5, 0.7, 0.4], budget=6)
    >>> [round(sa.evaluate(problem, x).value, 6) for x in (sa.OptimisticKG(), sa.Rollout("optimistic-kg"))]
    [2.400483, 2.410536]
    >>> round(sa.solve(problem).value, 6)
    2.420299
    """

    base: Policy | str = KGStar()  # noqa: RUF009 - frozen
    runs: int = 32
    candidates: int = 8
    shortlist: Policy | str | None = None
    seed: int = 0
    name: ClassVar[str] = "rollout"
    planning: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        for field, least in (("runs", 1), ("candidates", 1), ("seed", 0)):
            whole(f"{self.name}: {field}", getattr(self, field), least)
        if self.shortlist is not None:
            object.__setattr__(self, "shortlist", as_base(self.name, self.shortlist, "shortlist"))

    def require(self, problem: Problem) -> None:
        """Raise where the base policy does not apply, or its values do not fit in memory."""
        super().require(problem)
        if values_fit(problem):
            require_values(problem)
        else:
            require_shortlist(self.shortlist, int(self.candidates), problem)

    def prepare(self, problem: Problem) -> None:
        """Compute the values of the base policy where they can be kept; otherwise prepare the base."""
        if values_fit(problem):
            policy_values(problem, self.based_on)
        else:
            super().prepare(problem)

    @property
    def stopping(self) -> bool:
        """True if the base may stop: then stopping is one of the choices."""
        return self.based_on.stopping

    def stops(self, problem: Problem, counts: Ints, wins: Ints, usable: Bools) -> Bools:
        """Mask of the states in which no label has an advantage, shape (S,); none if the base does not stop."""
        out = super().stops(problem, counts, wins, usable)
        if not self.stopping or not problem.may_stop:
            return out
        best = np.where(usable, self.values(problem, counts, wins, usable), -np.inf).max(axis=1)
        return out | (best <= ROUNDING * problem.payoff_scale)

    def values(self, problem: Problem, counts: Ints, wins: Ints, usable: Bools) -> Floats:
        """Advantage Q_b of labelling each item; see ``AdvantagePolicy``."""
        if values_fit(problem):
            return policy_values(problem, self.based_on).of_labels(counts, wins, usable)
        return self.estimates(problem, counts, wins, usable)[0]

    def estimates(self, problem: Problem, counts: Ints, wins: Ints, usable: Bools) -> tuple[Floats, Floats]:
        """Simulated advantages Q_b and their standard errors.

        Parameters
        ----------
        problem, counts, wins, usable
            As for ``values``.

        Returns
        -------
        values : ndarray, shape (S, N)
            Advantages in units of payoff; -inf for an item that is not a candidate.
        errors : ndarray, shape (S, N)
            Standard error of each difference from the best candidate's value; NaN where there is none.
        """
        shortlist = self.base if self.shortlist is None else self.shortlist
        assert isinstance(shortlist, Policy), "__post_init__ makes it a policy"
        values = np.full(counts.shape, -np.inf)
        errors = np.full(counts.shape, np.nan)
        for s in range(len(counts)):
            here = slice(s, s + 1)
            items, fit = best_candidates(
                shortlist, int(self.candidates), problem, counts[here], wins[here], usable[here]
            )
            tried = items[0][fit[0]]
            runs = self._runs(problem, counts[s], wins[s], tried)
            mean = runs.mean(axis=1)
            values[s, tried] = mean
            if runs.shape[1] > 1:
                apart = runs - runs[np.argmax(mean)]
                errors[s, tried] = apart.std(axis=1, ddof=1) / np.sqrt(runs.shape[1])
        return values, errors

    def _runs(self, problem: Problem, counts: Ints, wins: Ints, tried: Ints) -> Floats:
        """Gain of each run over the present payoff, shape (candidates, runs)."""
        count = int(self.runs)
        keys = state_seeds(self.seed, counts, wins, count)
        now = float(final_values(problem, counts[None], wins[None])[0])
        out = np.empty((len(tried), count))
        step = max(1, _PAIRS_AT_ONCE // (problem.size * count))
        for a in range(0, len(tried), step):
            some = tried[a : a + step]
            rows = len(some) * count
            start = np.tile(counts, (rows, 1)), np.tile(wins, (rows, 1))
            board = Board(problem, self.based_on, np.tile(keys, (len(some), 1)), start)
            _finish(problem, board, np.repeat(some, count), int(counts.sum()))
            out[a : a + step] = final_values(problem, board.counts, board.wins).reshape(-1, count) - now
        return out


def _finish(problem: Problem, board: Board, first: Ints, step: int) -> None:
    """Label ``first`` in each row, then spend the budget with the board's policy.

    With batches, ``first`` begins a batch.
    """
    rows, items = np.arange(len(first)), first
    # These include outcomes that the policy has not seen yet, since labels of one item depend on each other.
    counts, wins = board.counts.copy(), board.wins.copy()
    board.choose(step)
    while rows.size:
        n, w = counts[rows, items], wins[rows, items]
        labels = np.empty(len(rows), dtype=np.int64)
        _kernels.draw_predicted(rows, items, n, _chance_of_win(problem, items, n, w), board.keys, labels)
        counts[rows, items] += 1
        wins[rows, items] += labels
        board.spend(rows, items, labels)
        step += 1
        chosen = board.choose(step)
        rows = board.open
        items = chosen[rows]


def _chance_of_win(problem: Problem, items: Ints, labels: Ints, wins: Ints) -> Floats:
    if isinstance(problem.prior, np.ndarray):
        a, b = problem.prior[items].T
        return np.asarray((a + wins) / (a + b + labels))
    out = np.empty(len(items))
    for i in np.unique(items):
        rows = items == i
        belief: Belief = problem.belief(int(i))
        out[rows] = ask_at(belief, labels[rows], wins[rows], bar_of(problem, int(i))).mean
    return out
