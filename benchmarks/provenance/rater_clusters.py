r"""Clusters of raters who agree with each other beyond what is explained, by the items or by a model of raters.

Two raters r and s agree on A_rs of their common items. What would be expected comes from one of two *nulls*.

*Exchangeable raters.* If raters were alike on every item, its votes could have been cast by its raters in any order.
Under these permutations two raters agree on item i, with w_i votes 1 and l_i votes 0 of n_i, with probability

    pi_i = (w_i (w_i - 1) + l_i (l_i - 1)) / (n_i (n_i - 1)),    E A_rs = sum pi_i,    Var A_rs = sum pi_i (1 - pi_i),

whatever the item's rate is: nothing is estimated. Careful raters among careless ones, and lenient ones among strict
ones, agree beyond this.

*A fitted model.* Given a draw from the posterior of a model of raters votes are independent, rater r's on item i being
1 with chance q_ri; with m = 2 q - 1,

    E A_rs = sum (1 + m_ri m_si) / 2,    Var A_rs = sum (1 - m_ri^2 m_si^2) / 4.

What a rater's bias or skill explains, if the model knows of them, is then no sign of anything: this is the residual
dependence of Yen (1984), judged under draws of the parameters (Sinharay, Johnson and Stern 2006).

Under either, z_rs = (A_rs - E A_rs) / sqrt(Var A_rs). Raters are joined by average linkage on z (Sokal and Michener
1958), and each cluster K of the tree is scored by

    T(K) = sum_K (A_rs - E A_rs) / sqrt(sum_K Var A_rs)        over its pairs.

To have looked for clusters at all is paid for: votes are drawn from the null, the whole search is repeated, and the
p-value of K says how often T(K) is below the *largest* score of a repetition (Westfall and Young 1993). For
exchangeable raters the chance of any cluster is at most the level. With a model each repetition has a draw of its own,
under which both scores are taken (Gelman, Meng and Stern 1996); on votes from the model one draw alone would give a
p-value that is uniform, and averages over draws are rarely too small. Of clusters that contain one another the one with
the smallest p-value, and among equals the largest score, is kept.

What a cluster is, a p-value cannot say: raters who copy from each other, who are one person, who share a view of the
items, or of a text that the model knows nothing of. How often their votes agree with the majority of the *other* raters
helps to tell.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...posteriors.foundation.arrays import Floats, Ints
from ...posteriors.foundation.refusals import probability, whole
from ...posteriors.raters.fit import RaterFit
from ...posteriors.votes.checks import require_one_vote, require_rater_ids, require_votes
from ...posteriors.votes.design import Design
from ...posteriors.votes.label_set import LabelSet

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["RaterClusters", "rater_clusters"]

# Above this share of votes cast, products of full matrices are faster.
_DENSE = 0.2
# Draws whose mean says what a model expects, for the tree and for what is shown.
_DRAWS = 40


@dataclass(frozen=True, eq=False)
class RaterClusters:
    """Clusters of raters, and what they were found by.

    Attributes
    ----------
    table : pandas.DataFrame
        A row for each cluster, most striking first: ``cluster``, ``raters`` (names), ``size``, ``pairs`` with common
        items, ``agreement`` of these pairs and what was ``expected``, ``score`` T, ``p_value``, ``with_others`` (share
        of votes that agree with the majority of the other raters, ties left out) and, with gold answers,
        ``gold_accuracy`` of the votes.
    raters : tuple of str
        All who were looked at.
    z : ndarray, shape (R, R)
        Excess agreement of each two, in standard deviations; 0 where nothing can be said.
    beyond : str
        What agreement was expected by: ``items``, or the name of a model.
    remarks : tuple of str
    """

    table: pd.DataFrame
    raters: tuple[str, ...]
    z: Floats
    beyond: str
    remarks: tuple[str, ...]


def rater_clusters(
    labels: LabelSet,
    fit: RaterFit | None = None,
    *,
    repetitions: int = 199,
    level: float = 0.05,
    most: int = 400,
    seed: int = 7,
) -> RaterClusters:
    """Find clusters of raters who agree beyond what is explained.

    A cluster is no proof of anything: raters who copy and raters who share a view look alike.

    Parameters
    ----------
    labels : LabelSet
    fit : RaterFit, optional
        Model of raters fitted to these votes, beyond which raters must agree; default: exchangeable raters.
    repetitions : int
        Of the search under the null, at least 1 / level - 1.
    level : float
        Largest p-value of a cluster.
    most : int
        Raters that are looked at, at least 2: those with most votes.
    seed : int

    Returns
    -------
    RaterClusters

    Raises
    ------
    ValueError
        For a single rater, votes without rater ids, a fit to other votes, and settings outside their range.

    Examples
    --------
    >>> from seqaudit import Design
    >>> design = Design.balanced(items=60, raters=8, votes_per_item=8, seed=7)
    >>> votes = np.random.default_rng(7).integers(0, 2, design.size)
    >>> votes[design.rater == 5] = votes[design.rater == 2]
    >>> rater_clusters(design.labelled(votes)).table["raters"].tolist()
    [('rater 3', 'rater 6')]
    """
    import pandas as pd

    require_votes("clusters", labels)
    require_rater_ids("clusters", labels)
    require_one_vote(labels)
    probability("level", level)
    if (whole("repetitions", repetitions) + 1) * level < 1:
        least = int(np.ceil(1 / level - 1e-9)) - 1
        raise ValueError(f"repetitions is {repetitions}; at level {level:g} it must be at least {least}")
    whole("most", most, least=2)
    if fit is not None and fit.labels is not labels:
        raise ValueError("fit is of other votes than the labels; fit the model to these")
    rng = np.random.default_rng(whole("seed", seed))
    votes = np.bincount(labels.rater, minlength=len(labels.raters))
    chosen = np.sort(np.argsort(-votes, kind="stable")[:most])
    remarks = []
    if len(chosen) < len(votes):
        remarks.append(
            f"clusters are looked for among the {len(chosen)} of {len(votes)} raters with most votes "
            f"({votes[chosen].min()} or more)"
        )
    pairs = _Pairs(labels, chosen)
    null = _Exchangeable(pairs) if fit is None else _Fitted(pairs, fit, repetitions)
    if not null.variance.any():
        remarks.append("no two raters have a common item that could tell them apart: there is nothing to cluster by")
    agreed = pairs.agreements(labels.labels)
    z, tree = _linked(agreed - null.expected, null.variance)
    scores, members = _scores(tree, agreed - null.expected, null.variance)
    below = np.zeros(len(scores))
    for drawn, expected, variance in null.draws(rng, repetitions):
        gained = pairs.agreements(drawn) - expected
        largest = _scores(_linked(gained, variance)[1], gained, variance)[0].max()
        mine = scores if fit is None else _scores(tree, agreed - expected, variance)[0]
        below += mine <= largest + 1e-9
    p_values = (1 + below) / (repetitions + 1)
    rows: list[dict[str, Any]] = []
    taken = np.zeros(len(chosen), dtype=bool)
    for k in np.lexsort((-scores, p_values)):
        if p_values[k] <= level and scores[k] > 0 and not taken[members[k]].any():
            taken[members[k]] = True
            found = {"cluster": f"cluster {len(rows) + 1}", **_describe(labels, pairs, null.expected, members[k])}
            rows.append(found | {"score": float(scores[k]), "p_value": float(p_values[k])})
    columns = ["cluster", "raters", "size", "pairs", "agreement", "expected", "score", "p_value", "with_others"]
    if labels.gold is not None:
        columns.append("gold_accuracy")
    names = tuple(labels.raters[r] for r in chosen)
    beyond = "items" if fit is None else fit.model.name
    return RaterClusters(pd.DataFrame(rows, columns=columns), names, z, beyond, tuple(remarks))


class _Pairs:
    """Who of some raters has cast which votes, and on how many items each two of them did."""

    def __init__(self, labels: LabelSet, chosen: NDArray[np.intp]) -> None:
        self.labels, self.chosen = labels, chosen
        self.item = np.repeat(np.arange(labels.n_items), labels.counts)
        place = np.full(len(labels.raters), -1)
        place[chosen] = np.arange(len(chosen))
        self.used = place[labels.rater] >= 0
        self.row, self.column = place[labels.rater[self.used]], self.item[self.used]
        self.common = self.products(np.ones(labels.n_labels, dtype=np.float32))

    def products(self, values: NDArray[Any]) -> Floats:
        """Sum over common items of the product of each two raters' values; ``values`` has shape (V,)."""
        from scipy.sparse import csr_array

        votes = csr_array((values[self.used], (self.row, self.column)), shape=(len(self.chosen), self.labels.n_items))
        if votes.nnz > _DENSE * votes.shape[0] * votes.shape[1]:
            wide = votes.toarray()
            found = (wide @ wide.T).astype(np.float64)
        else:
            found = (votes @ votes.T).toarray().astype(np.float64)
        np.fill_diagonal(found, 0.0)
        return np.asarray(found)

    def agreements(self, votes: NDArray[np.int8]) -> Floats:
        """Number of common items on which each two agree."""
        # Whole numbers and their sums are exact in single precision, which is faster.
        return (self.common + self.products(2.0 * votes.astype(np.float32) - 1.0)) / 2


class _Exchangeable:
    """Votes of an item in any order."""

    def __init__(self, pairs: _Pairs) -> None:
        labels = pairs.labels
        n, w = labels.counts.astype(np.float64), labels.wins.astype(np.float64)
        pi = ((w * (w - 1) + (n - w) * (n - w - 1)) / np.maximum(n * (n - 1), 1))[pairs.item]
        self.pairs = pairs
        self.expected, self.variance = pairs.products(np.sqrt(pi)), pairs.products(np.sqrt(pi * (1 - pi)))

    def draws(self, rng: np.random.Generator, size: int) -> Iterator[tuple[NDArray[np.int8], Floats, Floats]]:
        """Votes in random order, with what is expected of agreements and their variances."""
        labels = self.pairs.labels
        for _ in range(size):
            order = np.lexsort((rng.random(labels.n_labels), self.pairs.item))
            yield labels.labels[order], self.expected, self.variance


class _Fitted:
    """Votes as a model of raters has them."""

    def __init__(self, pairs: _Pairs, fit: RaterFit, size: int) -> None:
        self.pairs, self.fit, self.drawn = pairs, fit, fit.draws
        self.design = Design.of(pairs.labels)
        self.which = np.linspace(0, fit.size - 1, size).round().astype(np.int64)
        some = self.which[:: -(-size // _DRAWS)]
        self.expected, self.variance = np.mean([self._moments(self._chances(s)) for s in some], axis=0)

    def draws(self, rng: np.random.Generator, size: int) -> Iterator[tuple[NDArray[np.int8], Floats, Floats]]:
        """Votes from the model, one draw of its parameters after the other."""
        for s in self.which:
            chance = self._chances(s)
            yield (rng.random(len(chance)) < chance).astype(np.int8), *self._moments(chance)

    def _chances(self, s: np.int64) -> Floats:
        return np.asarray(self.fit.model.chances({name: x[s] for name, x in self.drawn.items()}, self.design))

    def _moments(self, chance: Floats) -> tuple[Floats, Floats]:
        """Expected agreements and their variances."""
        m, common = (2.0 * chance - 1.0).astype(np.float32), self.pairs.common
        return (common + self.pairs.products(m)) / 2, np.maximum(common - self.pairs.products(m * m), 0.0) / 4


def _linked(excess: Floats, variance: Floats) -> tuple[Floats, Floats]:
    """Excess agreement in standard deviations, and the tree of clusters as SciPy writes it."""
    from scipy.cluster.hierarchy import average
    from scipy.spatial.distance import squareform

    # By rounding alone an expected agreement may differ from a certain one.
    z = np.divide(excess, np.sqrt(variance), out=np.zeros_like(excess), where=variance > 1e-9)
    # Average linkage only compares distances, so that a constant may be added to make them positive.
    distance = z.max() + 1.0 - z
    np.fill_diagonal(distance, 0.0)
    return z, average(squareform(distance, checks=False))


def _scores(tree: Floats, excess: Floats, variance: Floats) -> tuple[Floats, list[Ints]]:
    """Score of every cluster of the tree, and its members."""
    from scipy.cluster.hierarchy import leaves_list

    size = len(excess)
    # Laid side by side as in a drawing of the tree, the members of each cluster follow one another.
    order = leaves_list(tree).astype(np.int64)
    first = np.empty(2 * size - 1, dtype=np.int64)
    first[order] = np.arange(size)
    for node, (left, right) in enumerate(tree[:, :2].astype(np.int64).tolist(), start=size):
        first[node] = min(first[left], first[right])
    begin, end = first[size:], first[size:] + tree[:, 3].astype(np.int64)
    sums = np.zeros((2, size + 1, size + 1))
    for k, matrix in enumerate((np.where(variance > 1e-9, excess, 0.0), variance)):
        sums[k, 1:, 1:] = matrix[np.ix_(order, order)].cumsum(axis=0).cumsum(axis=1)
    # Every pair is there twice, as (r, s) and as (s, r).
    blocks = sums[:, end, end] - sums[:, begin, end] - sums[:, end, begin] + sums[:, begin, begin]
    gained, spread = blocks / 2
    scores = np.divide(gained, np.sqrt(np.maximum(spread, 1e-9)), out=np.zeros(size - 1), where=spread > 1e-8)
    return scores, [order[i:j] for i, j in zip(begin.tolist(), end.tolist(), strict=True)]


def _describe(labels: LabelSet, pairs: _Pairs, expected: Floats, members: Ints) -> dict[str, Any]:
    """Who a cluster is, and what its votes are like."""
    own = np.sort(members)
    block = np.ix_(own, own)
    common, agreed = pairs.common[block].sum(), pairs.agreements(labels.labels)[block].sum()
    mask = np.isin(labels.rater, pairs.chosen[own])
    vote = labels.labels.astype(np.int64)
    rest = [np.bincount(pairs.item[~mask & (vote == y)], minlength=labels.n_items) for y in (0, 1)]
    majority = np.sign(rest[1] - rest[0])[pairs.item[mask]]
    said = 2 * vote[mask] - 1
    found: dict[str, Any] = {
        "raters": tuple(labels.raters[r] for r in pairs.chosen[own]),
        "size": len(own),
        "pairs": int((pairs.common[block] > 0).sum()) // 2,
        "agreement": float(agreed / common),
        "expected": float(expected[block].sum() / common),
        "with_others": float((said == majority)[majority != 0].mean()) if majority.any() else np.nan,
    }
    if labels.gold is not None:
        gold = labels.gold[pairs.item[mask]]
        known = ~np.isnan(gold)
        found["gold_accuracy"] = float((vote[mask] == gold)[known].mean()) if known.any() else np.nan
    return found
