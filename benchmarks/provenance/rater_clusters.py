r"""Clusters of raters who agree with each other more than the items, or a model of raters, explain.

Two raters r and s agree on A_rs of their common items. Its expectation comes from one of two null hypotheses.

*Exchangeable raters.* If raters were alike on every item, all assignments of an item's votes to its raters would be
equally likely. Under these permutations two raters agree on item i, with w_i votes 1 and l_i votes 0 of n_i, with
probability

    pi_i = (w_i (w_i - 1) + l_i (l_i - 1)) / (n_i (n_i - 1)),    E A_rs = sum pi_i,    Var A_rs = sum pi_i (1 - pi_i),

whatever the item's rate: nothing is estimated. Careful raters among careless ones, and lenient ones among strict ones,
agree more than this.

*A fitted model.* Given a draw from the posterior of a model of raters votes are independent, rater r's on item i being
1 with chance q_ri; with m = 2 q - 1,

    E A_rs = sum (1 + m_ri m_si) / 2,    Var A_rs = sum (1 - m_ri^2 m_si^2) / 4.

Agreement that comes from raters' bias or skill, if the model has them, is then expected: what remains is the residual
dependence of Yen (1984), judged under draws of the parameters (Sinharay, Johnson and Stern 2006).

Under either null, z_rs = (A_rs - E A_rs) / sqrt(Var A_rs). Raters are joined by average linkage on z (Sokal and
Michener 1958), and each cluster K of the tree is scored by

    T(K) = sum_K (A_rs - E A_rs) / sqrt(sum_K Var A_rs)        over its pairs.

P-values correct for the search: votes are drawn from the null, the whole search is repeated, and the p-value of K is (1
+ number of repetitions whose *largest* score is at least T(K)) / (1 + number of repetitions) (Westfall and Young 1993).
For exchangeable raters the probability of finding any cluster under the null is at most the level. With a model, each
repetition uses a separate draw of the parameters, under which both scores are computed (Gelman, Meng and Stern 1996).
For votes from the model, a single draw would give a uniform p-value, and averages over draws are rarely too small. Of
nested clusters only the one with the smallest p-value is kept, and among equals the one with the largest score.

Where raters have few votes many pairs are exactly equally alike, and the tree depends on the order in which they are
joined. Raters are therefore joined in the order of their names, whatever the order of the votes, and the tree of the
reversed order is compared: a remark names clusters that it does not contain.

A p-value does not say what a cluster is: raters who copy from each other, one person under several names, raters who
share a view of the items, or of a text that the model does not contain. The share of their votes that agree with the
majority of the *other* raters helps to tell.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy
from numpy.typing import NDArray

from ...posteriors.foundation.arrays import Floats, Ints
from ...posteriors.foundation.kinds import checked
from ...posteriors.foundation.messages import named
from ...posteriors.foundation.refusals import probability, whole
from ...posteriors.raters.fit import RaterFit
from ...posteriors.votes.checks import require_one_vote, require_rater_ids, require_votes
from ...posteriors.votes.design import Design
from ...posteriors.votes.label_set import LabelSet
from .canonical import canonical

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["RaterClusters", "rater_clusters"]

# If more than this share of all rater-item pairs has votes, products of dense matrices are faster.
_DENSE = 0.2
# Draws over which a model's expectation is averaged, for the tree and for the table.
_DRAWS = 40


@dataclass(frozen=True, eq=False)
class RaterClusters:
    """Clusters of raters, and the agreement of all pairs.

    Attributes
    ----------
    table : pandas.DataFrame
        A row for each cluster, most significant first: ``cluster``, ``raters`` (names), ``size``, ``pairs`` with common
        items, ``agreement`` of these pairs and the ``expected`` one, ``score`` T, ``p_value``, ``with_others`` (share
        of votes that agree with the majority of the other raters, ties left out) and, with gold answers,
        ``gold_accuracy`` of the votes.
    raters : tuple of str
        Raters among whom clusters were searched.
    z : ndarray, shape (R, R)
        Excess agreement of each pair, in standard deviations; 0 if a pair gives no information.
    beyond : str
        Null hypothesis: ``items``, or the name of a model.
    remarks : tuple of str
    """

    table: pd.DataFrame
    raters: tuple[str, ...]
    z: Floats
    beyond: str
    remarks: tuple[str, ...]


@checked
def rater_clusters(
    labels: LabelSet,
    fit: RaterFit | None = None,
    *,
    repetitions: int = 199,
    level: float = 0.05,
    most: int = 400,
    seed: int = 7,
) -> RaterClusters:
    """Find clusters of raters who agree more than is explained.

    A cluster proves nothing about its cause: raters who copy and raters who share a view look alike. Without a fit, the
    order of the votes does not matter.

    Parameters
    ----------
    labels : LabelSet
    fit : RaterFit, optional
        Model of raters fitted to these votes, as the null hypothesis; default: exchangeable raters.
    repetitions : int
        Number of repetitions of the search under the null, at least 1 / level - 1.
    level : float
        Largest p-value of a cluster.
    most : int
        Largest number of raters to search among, at least 2: those with most votes.
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
        raise ValueError("fit belongs to other votes; fit the model to labels")
    rng = np.random.default_rng(whole("seed", seed))
    if fit is None:
        labels = canonical(labels)
    votes = np.bincount(labels.rater, minlength=len(labels.raters))
    by_name = np.array(sorted(range(len(votes)), key=labels.raters.__getitem__))
    frequent = np.sort(np.argsort(-votes[by_name], kind="stable")[:most])
    chosen = by_name[frequent]
    remarks = []
    if len(chosen) < len(votes):
        remarks.append(
            f"clusters are searched among the {len(chosen)} of {len(votes)} raters with most votes "
            f"({votes[chosen].min()} or more)"
        )
    pairs = _Pairs(labels, chosen)
    null = _Exchangeable(pairs) if fit is None else _Fitted(pairs, fit, repetitions)
    if not null.variance.any():
        remarks.append("no two raters have a common item that could distinguish them: there is nothing to cluster by")
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
    # The tree in which equally alike raters are joined in the reversed order.
    backwards = np.ix_(range(len(chosen))[::-1], range(len(chosen))[::-1])
    excess = agreed - null.expected
    reverse = excess[backwards], null.variance[backwards]
    others = _scores(_linked(*reverse)[1], *reverse)[1]
    firm = {frozenset((len(chosen) - 1 - x).tolist()) for x in others}
    rows: list[dict[str, Any]] = []
    loose = []
    taken = np.zeros(len(chosen), dtype=bool)
    for k in np.lexsort((-scores, p_values)):
        if p_values[k] <= level and scores[k] > 0 and not taken[members[k]].any():
            taken[members[k]] = True
            found = {"cluster": f"cluster {len(rows) + 1}", **_describe(labels, pairs, null.expected, members[k])}
            rows.append(found | {"score": float(scores[k]), "p_value": float(p_values[k])})
            if frozenset(members[k].tolist()) not in firm:
                loose.append(found["cluster"])
    if loose:
        remarks.append(
            f"{named(', '.join(loose))}: many raters are exactly equally alike, and by another order of joining them "
            "the members would be others; that some raters agree beyond what is explained is found, not who they are"
        )
    columns = ["cluster", "raters", "size", "pairs", "agreement", "expected", "score", "p_value", "with_others"]
    if labels.gold is not None:
        columns.append("gold_accuracy")
    names = tuple(labels.raters[r] for r in chosen)
    beyond = "items" if fit is None else fit.model.name
    return RaterClusters(pd.DataFrame(rows, columns=columns), names, z, beyond, tuple(remarks))


class _Pairs:
    """Votes of the chosen raters, and number of common items of each pair."""

    def __init__(self, labels: LabelSet, chosen: NDArray[np.intp]) -> None:
        self.labels, self.chosen = labels, chosen
        self.item = np.repeat(np.arange(labels.n_items), labels.counts)
        place = np.full(len(labels.raters), -1)
        place[chosen] = np.arange(len(chosen))
        self.used = place[labels.rater] >= 0
        self.row, self.column = place[labels.rater[self.used]], self.item[self.used]
        self.common = self.products(np.ones(labels.n_labels, dtype=np.float32))

    def products(self, values: NDArray[Any]) -> Floats:
        """Sum over common items of the product of both raters' values, for each pair; ``values`` has shape (V,)."""
        votes = scipy.sparse.csr_array(
            (values[self.used], (self.row, self.column)), shape=(len(self.chosen), self.labels.n_items)
        )
        if votes.nnz > _DENSE * votes.shape[0] * votes.shape[1]:
            wide = votes.toarray()
            found = (wide @ wide.T).astype(np.float64)
        else:
            found = (votes @ votes.T).toarray().astype(np.float64)
        np.fill_diagonal(found, 0.0)
        return np.asarray(found)

    def agreements(self, votes: NDArray[np.int8]) -> Floats:
        """Number of common items on which each pair agrees."""
        # Whole numbers and their sums are exact in single precision, which is faster.
        return (self.common + self.products(2.0 * votes.astype(np.float32) - 1.0)) / 2


class _Exchangeable:
    """Null of exchangeable raters: an item's votes in random order."""

    def __init__(self, pairs: _Pairs) -> None:
        labels = pairs.labels
        n, w = labels.counts.astype(np.float64), labels.wins.astype(np.float64)
        pi = ((w * (w - 1) + (n - w) * (n - w - 1)) / np.maximum(n * (n - 1), 1))[pairs.item]
        self.pairs = pairs
        self.expected, self.variance = pairs.products(np.sqrt(pi)), pairs.products(np.sqrt(pi * (1 - pi)))

    def draws(self, rng: np.random.Generator, size: int) -> Iterator[tuple[NDArray[np.int8], Floats, Floats]]:
        """Votes in random order, with the expectations and variances of agreements."""
        labels = self.pairs.labels
        for _ in range(size):
            order = np.lexsort((rng.random(labels.n_labels), self.pairs.item))
            yield labels.labels[order], self.expected, self.variance


class _Fitted:
    """Null of a fitted model of raters."""

    def __init__(self, pairs: _Pairs, fit: RaterFit, size: int) -> None:
        self.pairs, self.fit, self.drawn = pairs, fit, fit.draws
        self.design = Design.of(pairs.labels)
        self.which = np.linspace(0, fit.size - 1, size).round().astype(np.int64)
        some = self.which[:: -(-size // _DRAWS)]
        self.expected, self.variance = np.mean([self._moments(self._chances(s)) for s in some], axis=0)

    def draws(self, rng: np.random.Generator, size: int) -> Iterator[tuple[NDArray[np.int8], Floats, Floats]]:
        """Votes from the model, one set for each parameter draw, with expectations and variances of agreements."""
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
    # An expected agreement may differ from a certain one by rounding alone.
    z = np.divide(excess, np.sqrt(variance), out=np.zeros_like(excess), where=variance > 1e-9)
    # Average linkage only compares distances, so a constant may be added to make them positive.
    distance = z.max() + 1.0 - z
    np.fill_diagonal(distance, 0.0)
    return z, scipy.cluster.hierarchy.average(scipy.spatial.distance.squareform(distance, checks=False))


def _scores(tree: Floats, excess: Floats, variance: Floats) -> tuple[Floats, list[Ints]]:
    """Score of every cluster of the tree, and its members."""
    size = len(excess)
    # In the order of the tree's leaves, the members of each cluster are consecutive.
    order = scipy.cluster.hierarchy.leaves_list(tree).astype(np.int64)
    first = np.empty(2 * size - 1, dtype=np.int64)
    first[order] = np.arange(size)
    for node, (left, right) in enumerate(tree[:, :2].astype(np.int64).tolist(), start=size):
        first[node] = min(first[left], first[right])
    begin, end = first[size:], first[size:] + tree[:, 3].astype(np.int64)
    sums = np.zeros((2, size + 1, size + 1))
    for k, matrix in enumerate((np.where(variance > 1e-9, excess, 0.0), variance)):
        sums[k, 1:, 1:] = matrix[np.ix_(order, order)].cumsum(axis=0).cumsum(axis=1)
    # Every pair occurs twice, as (r, s) and as (s, r).
    blocks = sums[:, end, end] - sums[:, begin, end] - sums[:, end, begin] + sums[:, begin, begin]
    gained, spread = blocks / 2
    scores = np.divide(gained, np.sqrt(np.maximum(spread, 1e-9)), out=np.zeros(size - 1), where=spread > 1e-8)
    return scores, [order[i:j] for i, j in zip(begin.tolist(), end.tolist(), strict=True)]


def _describe(labels: LabelSet, pairs: _Pairs, expected: Floats, members: Ints) -> dict[str, Any]:
    """Members of a cluster and statistics of their votes."""
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
