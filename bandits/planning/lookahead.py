r"""Lookahead: the exact expectation over the next few labels, and an estimated value of the last state.

From a state s with budget for more labels,

    L_0(s) = leaf(s),      L_d(s) = max_i d_i(s) + mu_i L_{d-1}(s, win of i) + (1 - mu_i) L_{d-1}(s, loss of i),

and the score of item i is the term under the maximum, with d = ``depth``. States that several orders of labels lead to
are merged: d labels of M items lead to C(d + 2M, 2M) states, not (2M)^d. With a depth as large as the budget this is
backward induction.

Where ``depth`` labels cannot change the decision on an item, a leaf of zero sees nothing to gain. The choice then rests
on the leaf: the value of continuing with a policy, or the Lagrangian bound on all that can be gained.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import comb
from typing import ClassVar

import numpy as np

from ...dp.evaluation.asking import ask_to_prepare
from ...dp.evaluation.state_values import PolicyValues, values_bytes
from ...dp.exact.lattice import Lattice
from ...dp.exact.scope import few_states
from ...dp.kernels import policy as _kernels_policy
from ...dp.problem.availability import availability_of
from ...dp.problem.problem import Problem
from ...posteriors.foundation.arrays import Bools, Floats, Ints
from ...posteriors.foundation.memory import require_memory, too_large
from ...posteriors.foundation.messages import LONGEST_FAULT, cut, shown
from ...posteriors.foundation.refusals import whole
from ..kernels import lookahead as _kernels
from ..policies.ahead import item_tables
from ..policies.lagrangian import Lagrangian
from ..policies.variance_reduction import VarianceReduction
from ..policy import Policy
from ..scoring import scores_of
from ..wrappers.based import as_base
from .advantage import AdvantagePolicy

__all__ = ["Lookahead", "best_candidates", "policy_values", "require_shortlist", "require_values", "values_fit"]


# States ahead that are evaluated together, and the largest number of them for one decision.
_AT_ONCE = 2_000_000
_MOST_STATES = 20_000_000
# The values of a policy are kept in problems of at most this number of states: 160 MB, about a second.
_MOST_VALUES = 20_000_000


@lru_cache(maxsize=4)
def policy_values(problem: Problem, policy: Policy) -> PolicyValues:
    """Values of a policy in every state, kept for the last few problems."""
    ask_to_prepare(policy, problem)
    return PolicyValues(problem, policy)


@lru_cache(maxsize=16)
def values_fit(problem: Problem) -> bool:
    """True if a problem is small enough to keep the values of a policy in every state; the same on every machine."""
    return problem.batch == 1 and few_states(problem, _MOST_VALUES)


def require_values(problem: Problem) -> None:
    """Raise ``ProblemTooLarge`` unless the values of a policy in every state fit in memory; nothing is computed."""
    lattice = Lattice.of(problem)
    require_memory(values_bytes(lattice), lattice.states)


def require_shortlist(shortlist: Policy | str | None, candidates: int, problem: Problem) -> None:
    """Raise where the policy that chooses the candidates does not apply, unless all items are candidates."""
    if isinstance(shortlist, Policy) and problem.size > candidates:
        shortlist.require(problem)


def best_candidates(
    shortlist: Policy, most: int, problem: Problem, counts: Ints, wins: Ints, usable: Bools
) -> tuple[Ints, Bools]:
    """The ``most`` usable items of largest score in each state, (S, M), and which of them are usable; in item order."""
    if problem.size <= most:
        items = np.broadcast_to(np.arange(problem.size), counts.shape)
        return items.astype(np.int64), usable
    scores = np.where(usable, scores_of(shortlist, problem, counts, wins), -np.inf)
    items = np.sort(np.argsort(-scores, axis=1, kind="stable")[:, :most], axis=1)
    return items, np.take_along_axis(usable, items, axis=1)


class _Ahead:
    """States up to ``depth`` labels ahead of any state, for M candidates: blocks, layer after layer."""

    def __init__(self, candidates: int, depth: int) -> None:
        lattice = Lattice(np.full(candidates, depth, dtype=np.int64), depth)
        found = [lattice.layer(m) for m in range(depth + 1)]
        self.layers = np.cumsum([0, *(len(x.slot) for x in found)], dtype=np.int64)
        self.composition = np.concatenate([x.composition for x in found])
        beyond = np.concatenate([self.layers[1:-1], [0]])
        self.after = np.concatenate(
            [np.where(x.block >= 0, x.block + b, np.int64(-1)) for x, b in zip(found, beyond, strict=True)]
        )
        self.begin = np.cumsum([0, *np.concatenate([x.size for x in found])], dtype=np.int64)
        self.inner = int(self.layers[depth])
        last = found[-1]
        self.leaf_block = np.repeat(np.arange(len(last.slot)), last.size)
        self.leaf_wins = np.empty((last.states, candidates), dtype=np.int64)
        _kernels_policy.list_wins(last.composition, self.leaf_wins)
        self.leaf_labels = np.repeat(last.composition, last.size, axis=0)

    def reached(self, usable: Bools) -> Bools:
        """Blocks of the last layer that labels can lead to, (R, blocks), from the usable items of each inner block."""
        out = np.zeros((len(usable), len(self.composition)), dtype=bool)
        out[:, 0] = True
        for c in range(self.inner):
            for i, then in enumerate(self.after[c].tolist()):
                if then >= 0:
                    out[:, then] |= out[:, c] & usable[:, c, i]
        return out[:, self.inner :]


@lru_cache(maxsize=16)
def _ahead(candidates: int, depth: int) -> _Ahead:
    return _Ahead(candidates, depth)


@dataclass(frozen=True)
class Lookahead(AdvantagePolicy):
    """Label the item that is best when the next ``depth`` labels are planned exactly.

    Rule: the score is the expected payoff when the item is labelled and the best items get the rest of the ``depth``
    labels, with the leaf's value after them. It spends the whole budget; where stopping does not pay, a depth that
    reaches the end of the budget gives the optimum. Source: limited lookahead (Pearl 1984); with a base policy at the
    leaves, rollout (Bertsekas, Tsitsiklis and Wu 1997); the bound at the leaves is optimistic, as in Hawkins (2003).
    Departure: in problems of more than ``candidates`` items, only those of largest score by ``shortlist`` are
    considered.

    Parameters
    ----------
    depth : int
        Number of labels that are planned, at least 1.
    leaf : {"bound", "payoff"}, Policy or registered name
        Value of the last state beyond its payoff. For "bound", the Lagrangian bound on the gain from the budget left,
        by at most 32 further labels of an item. For "payoff", zero. For a policy, its exact gain from there on, where
        its values in every state can be kept.
    candidates : int
        Largest number of items that are considered.
    shortlist : Policy or registered name
        Policy whose scores choose the candidates.

    Raises
    ------
    ValueError
        For a depth or number of candidates below 1, and an unknown leaf or shortlist.

    Examples
    --------
    >>> import seqaudit as sa
    >>> problem = sa.Problem([0.5, 0.7], budget=4)
    >>> values = [sa.evaluate(problem, sa.Lookahead(depth, "payoff")).value for depth in (1, 2, 4)]
    >>> [round(x, 6) for x in values], round(sa.solve(problem).value, 6)
    ([1.595575, 1.603388, 1.6112], 1.6112)
    """

    depth: int = 2
    leaf: str | Policy = "bound"
    candidates: int = 8
    shortlist: Policy | str = VarianceReduction()  # noqa: RUF009 - frozen
    name: ClassVar[str] = "lookahead"
    planning: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        for field in ("depth", "candidates"):
            whole(f"{self.name}: {field}", getattr(self, field), least=1)
        object.__setattr__(self, "shortlist", as_base(self.name, self.shortlist, "shortlist"))
        if self.leaf not in ("payoff", "bound"):
            try:
                object.__setattr__(self, "leaf", as_base(self.name, self.leaf, "leaf"))
            except ValueError as error:
                given = f"leaf is {shown(self.leaf)}; allowed: 'payoff', 'bound', a policy or a registered name"
                raise ValueError(cut(f"{self.name}: {given} ({error})", LONGEST_FAULT)) from None

    def require(self, problem: Problem) -> None:
        """Raise ``ProblemTooLarge`` where too many states lie ahead, or a policy's values cannot be kept."""
        candidates, depth = min(int(self.candidates), problem.size), min(int(self.depth), problem.labels)
        states = comb(depth + 2 * candidates, depth)
        if states > _MOST_STATES:
            raise too_large(
                f"{self.name}, with {depth} labels of {candidates} candidates",
                f"they lead to {states:.3g} states, at most {_MOST_STATES:.3g} are evaluated",
                "take a smaller depth or fewer candidates",
            )
        require_shortlist(self.shortlist, candidates, problem)
        if self.leaf == "bound":
            Lagrangian().require(problem)
        if isinstance(self.leaf, Policy):
            self.leaf.require(problem)
            if not values_fit(problem):
                raise too_large(
                    f"{self.name}, with the values of {self.leaf.name} in every state",
                    f"they are kept for at most {_MOST_VALUES:.3g} states, and without batches",
                    "take leaf='payoff' or leaf='bound'",
                )
            require_values(problem)

    def prepare(self, problem: Problem) -> None:
        """Compute the values of the leaf's policy, and prepare the policy that chooses the candidates."""
        if isinstance(self.leaf, Policy):
            policy_values(problem, self.leaf)
        if problem.size > self.candidates:
            ask_to_prepare(self.shortlist, problem)

    def values(self, problem: Problem, counts: Ints, wins: Ints, usable: Bools) -> Floats:
        """Advantage of labelling each item, L_d less the present payoff; see ``AdvantagePolicy``."""
        assert isinstance(self.shortlist, Policy), "__post_init__ makes it a policy"
        items, open_now = best_candidates(self.shortlist, int(self.candidates), problem, counts, wins, usable)
        left = problem.budget - counts @ problem.cost
        rules = availability_of(problem)
        labels = np.maximum(np.floor((left + (rules.limit - problem.budget)) / problem.cost.min()), 1.0)
        depth = np.minimum(labels, int(self.depth)).astype(np.int64)
        out = np.full(counts.shape, -np.inf)
        for d in np.unique(depth):
            ahead = _ahead(items.shape[1], int(d))
            rows = np.flatnonzero(depth == d)
            held = int(ahead.begin[-1]) + (ahead.inner * problem.size if problem.quota else 0)
            step = max(1, _AT_ONCE // held)
            for a in range(0, len(rows), step):
                some = rows[a : a + step]
                found = self._plan(problem, ahead, int(d), items[some], counts[some], wins[some], open_now[some])
                out[some[:, None], items[some]] = found
        return out

    def _plan(
        self, problem: Problem, ahead: _Ahead, depth: int, items: Ints, counts: Ints, wins: Ints, open_now: Bools
    ) -> Floats:
        """Advantage of labelling each candidate, (R, M)."""
        mean, gain = _tables_ahead(problem, items, counts, wins, depth)
        usable = _usable_ahead(problem, ahead, items, counts)
        usable[:, 0] &= open_now
        leaf = np.zeros((len(items), len(ahead.leaf_block)))
        if self.leaf != "payoff":
            rows, states = np.nonzero(ahead.reached(usable)[:, ahead.leaf_block])
            step = _AT_ONCE // problem.size + 1
            for a in range(0, len(rows), step):
                row, state = rows[a : a + step], states[a : a + step]
                n, w = counts[row], wins[row]
                at = (np.arange(len(row))[:, None], items[row])
                n[at] += ahead.leaf_labels[state]
                w[at] += ahead.leaf_wins[state]
                leaf[row, state] = self._leaf(problem, n, w)
        out = np.empty(items.shape)
        blocks = (ahead.layers, ahead.composition, ahead.after, ahead.begin)
        _kernels.expectimax(*blocks, mean, gain, usable, leaf, out)
        return out

    def _leaf(self, problem: Problem, counts: Ints, wins: Ints) -> Floats:
        if isinstance(self.leaf, Policy):
            return policy_values(problem, self.leaf).at(counts, wins)
        return Lagrangian().bounds(problem, counts, wins)


def _tables_ahead(problem: Problem, items: Ints, counts: Ints, wins: Ints, depth: int) -> tuple[Floats, Floats]:
    """Means and gains of each candidate over its next labels and wins, (R, M, depth, depth)."""
    tables = item_tables(problem)
    n, w = (np.take_along_axis(x, items, axis=1) for x in (counts, wins))
    more, won = np.tril_indices(depth)
    mean, gain = np.zeros((2, *items.shape, depth, depth))
    kind = tables.kind[items]
    for k in np.unique(kind):
        row, place = np.nonzero(kind == k)
        at_n, at_w = n[row, place][:, None] + more, w[row, place][:, None] + won
        means, gains = tables.of(int(k), int(at_n.max()) + 1)
        entry = at_n * (at_n + 1) // 2 + at_w
        mean[row[:, None], place[:, None], more, won] = means[entry]
        gain[row[:, None], place[:, None], more, won] = gains[entry]
    return mean, gain


def _usable_ahead(problem: Problem, ahead: _Ahead, items: Ints, counts: Ints) -> Bools:
    """Candidates that can be labelled in each block before the last layer, (R, blocks, M)."""
    rules, inner = availability_of(problem), ahead.composition[: ahead.inner]
    if problem.quota:
        after = np.repeat(counts[:, None, :], len(inner), axis=1)
        np.put_along_axis(after, items[:, None, :], np.take_along_axis(after, items[:, None, :], 2) + inner, 2)
        found = rules.items(after.reshape(-1, problem.size)).reshape(after.shape)
        return np.take_along_axis(found, items[:, None, :], axis=2)
    cost, spent = problem.cost[items], counts @ problem.cost
    room = problem.cap[items] - np.take_along_axis(counts, items, axis=1)
    total = spent[:, None] + cost @ inner.T
    return np.asarray((inner < room[:, None, :]) & (total[:, :, None] + cost[:, None, :] <= rules.limit))
