"""Pools of votes drawn from a model of raters, or from a nature whose labels are exchangeable.

In replication r every item's rate is drawn from the problem's priors, and then the whole pool at once: the raters of
each item, their order and their votes. A policy that buys the k-th label of an item gets the k-th vote of the item's
pool. So all policies get the same votes in the same order, and differences between policies have far smaller errors
than the value of each. The rates and the raters of a replication are the same for every model and strength.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...dp.problem.problem import Problem
from ...posteriors.beliefs.asking import ask_chance, ask_draw
from ...posteriors.beliefs.belief import Belief
from ...posteriors.foundation.arrays import Floats, Ints
from ...posteriors.raters.model import RaterModel
from ...posteriors.votes.design import Design
from ...posteriors.votes.label_set import LabelSet, offsets

__all__ = ["Pools", "draw_beliefs", "draw_raters"]


@dataclass(frozen=True, eq=False)
class Pools:
    """Pools of R replications: N items, P votes on each.

    Attributes
    ----------
    votes : ndarray of int8, shape (R, N, P)
    rate : ndarray, shape (R, N) or (R, N, G)
        Rates to decide on; by group if the rates differ by group.
    designs : sequence of Design, length R
        Rater and item of each vote; empty if the votes have no raters.
    """

    votes: NDArray[np.int8]
    rate: Floats
    designs: Sequence[Design] = ()

    @property
    def population(self) -> Floats:
        """Rate of each item, averaged over all groups with equal weight, shape (R, N)."""
        return self.rate if self.rate.ndim == 2 else np.asarray(self.rate.mean(axis=2))

    def labels(self, rows: Ints, items: Ints, counts: Ints) -> Ints:
        """Vote number ``counts`` of ``items`` in replications ``rows``."""
        return np.asarray(self.votes[rows, items, counts], dtype=np.int64)

    def bought(self, r: int, counts: Ints) -> LabelSet:
        """First ``counts`` votes, shape (N,), of each item in replication r; items without votes are left out."""
        design, votes = self.designs[r], self.votes[r]
        kept = np.flatnonzero(counts)
        first = np.arange(votes.shape[1]) < counts[:, None]
        used, rater = np.unique(design.rater.reshape(votes.shape)[first], return_inverse=True)
        group = None if design.group is None else design.group.reshape(votes.shape)[first].astype(np.int32)
        return LabelSet(
            items=tuple(design.items[i] for i in kept),
            labels=votes[first],
            rater=rater.astype(np.int32),
            raters=tuple(design.raters[j] for j in used),
            start=offsets(counts[kept]),
            group=group,
            groups=design.groups,
        )


def draw_raters(
    problem: Problem,
    model: RaterModel,
    parameters: dict[str, Any],
    seeds: Sequence[np.random.SeedSequence],
    *,
    votes: int,
    raters: int | None,
    groups: int = 0,
) -> Pools:
    """Pools from a model of raters.

    Parameters
    ----------
    problem : Problem
        Problem from whose priors the items' rates are drawn.
    model : RaterModel
    parameters : dict
        Fixed parameters of the model; the others are drawn anew in each replication.
    seeds : sequence of SeedSequence, length R
    votes : int
        Number of votes on each item, by different raters.
    raters : int, optional
        Number of raters; None for a different rater for each vote.
    groups : int
        Number of groups, to which raters are assigned in turn; 0 for none.

    Returns
    -------
    Pools

    Examples
    --------
    >>> from seqaudit import make_rater_model
    >>> seeds = np.random.SeedSequence(7).spawn(3)
    >>> model = make_rater_model("partial-pooling")
    >>> pools = draw_raters(Problem([0.5, 0.7], 4), model, {}, seeds, votes=4, raters=6)
    >>> pools.votes.shape, pools.bought(0, np.array([2, 3]))
    ((3, 2, 4), LabelSet(2 items, 5 votes, 4 raters))
    """
    drawn, rates, designs = [], [], []
    fresh = _own_raters(problem.size, votes, groups) if raters is None else None
    for seed in seeds:
        for_rates, for_design, for_votes = _children(seed)
        alpha = _rates([problem.belief(i) for i in range(problem.size)], for_rates)
        if fresh is None:
            assert raters is not None
            number = int(for_design.generate_state(1)[0])
            design = Design.balanced(problem.size, raters, votes, groups, seed=number)
        else:
            design = fresh
        found = model.simulate(for_votes, design, parameters=parameters, rate=alpha)
        drawn.append(found.labels.labels.reshape(problem.size, votes))
        rates.append(np.asarray(found.truth["rate"], dtype=np.float64))
        designs.append(design)
    return Pools(np.array(drawn), np.array(rates), designs)


def draw_beliefs(nature: Sequence[Belief], seeds: Sequence[np.random.SeedSequence], *, votes: int) -> Pools:
    """Pools from beliefs about the items: rates, and labels that are independent given the rates.

    Examples
    --------
    >>> from seqaudit import NoisyBeta
    >>> draw_beliefs([NoisyBeta(1, 1, 0.1)] * 2, np.random.SeedSequence(7).spawn(3), votes=4).votes.shape
    (3, 2, 4)
    """
    drawn, rates = [], []
    for seed in seeds:
        for_rates, _, for_votes = _children(seed)
        alpha = _rates(nature, for_rates)
        chance = np.array([ask_chance(belief, x) for belief, x in zip(nature, alpha, strict=True)])
        drawn.append(np.random.default_rng(for_votes).random((len(nature), votes)) < chance[:, None])
        rates.append(alpha)
    return Pools(np.array(drawn, dtype=np.int8), np.array(rates))


def _children(seed: np.random.SeedSequence) -> list[np.random.SeedSequence]:
    """Seeds of the rates, the design and the votes of a replication; repeated calls give the same ones."""
    return np.random.SeedSequence(entropy=seed.entropy, spawn_key=seed.spawn_key).spawn(3)


def _rates(beliefs: Sequence[Belief], seed: np.random.SeedSequence) -> Floats:
    rng = np.random.default_rng(seed)
    return np.array([float(ask_draw(belief, rng)) for belief in beliefs])


def _own_raters(items: int, votes: int, groups: int) -> Design:
    """Design in which every vote has a different rater."""
    size = items * votes
    rater = np.arange(size)
    return Design(
        np.repeat(np.arange(items), votes),
        rater,
        tuple(f"item {i + 1}" for i in range(items)),
        tuple(f"rater {j + 1}" for j in range(size)),
        rater % groups if groups else None,
        tuple(f"group {g + 1}" for g in range(groups)),
    )
