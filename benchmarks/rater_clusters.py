r"""Clusters of raters who agree with each other beyond what the items explain.

If raters were exchangeable on every item, its votes could have been cast by its raters in any order. Under these
permutations two raters r and s with votes on item i agree on it with probability

    pi_i = (w_i (w_i - 1) + l_i (l_i - 1)) / (n_i (n_i - 1)),          l_i = n_i - w_i,

whatever the item's rate is: nothing about it is estimated. Over their common items C they agree A_rs times, with

    E A_rs = sum_C pi_i,     Var A_rs = sum_C pi_i (1 - pi_i),     z_rs = (A_rs - E A_rs) / sqrt(Var A_rs),

exactly. Raters are joined by average linkage on z (Sokal and Michener 1958), and each cluster K of the tree scored by

    T(K) = sum_K (A_rs - E A_rs) / sqrt(sum_K Var A_rs)        over its pairs.

To have looked for clusters at all is paid for: votes are permuted within items, the whole search is repeated, and the
p-value of a cluster is the rank of T(K) among the *largest* scores of these repetitions (Westfall and Young 1993). So the
chance that any cluster is reported where raters are exchangeable is at most the level. Of clusters that contain one
another the one with the largest score is kept.

What a cluster is, a p-value cannot say. Raters who copy from each other form one, and so do raters who share a bias, who
are careful where others guess, or who are of one group. How often a cluster's votes agree with the majority of the
*other* raters tells the careful from the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..posteriors.belief import count
from ..posteriors.label_set import LabelSet
from ..posteriors.rater_checks import require_raters, require_votes

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["RaterClusters", "rater_clusters"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


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
    critical : float
        Score that a cluster must exceed at the level.
    remarks : tuple of str
    """

    table: pd.DataFrame
    raters: tuple[str, ...]
    z: Floats
    critical: float
    remarks: tuple[str, ...]


def rater_clusters(
    labels: LabelSet, *, permutations: int = 199, level: float = 0.05, most: int = 400, seed: int = 7
) -> RaterClusters:
    """Find clusters of raters who agree beyond what the items explain.

    Parameters
    ----------
    labels : LabelSet
    permutations : int
        At least 1 / level - 1.
    level : float
        Chance of any cluster where raters are exchangeable.
    most : int
        Raters that are looked at, at least 2: those with most votes.
    seed : int

    Returns
    -------
    RaterClusters

    Raises
    ------
    ValueError
        For a single rater, votes without rater ids, and settings outside their range.

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
    require_raters("clusters", labels)
    if not 0 < level < 1:
        raise ValueError(f"level is {level}; it must lie strictly between 0 and 1")
    if (count("permutations", permutations) + 1) * level < 1:
        raise ValueError(
            f"permutations is {permutations}; at level {level:g} it must be at least {int(np.ceil(1 / level - 1e-9)) - 1}"
        )
    if count("most", most) < 2:
        raise ValueError(f"most is {most}; it must be at least 2")
    votes = np.bincount(labels.rater, minlength=len(labels.raters))
    chosen = np.sort(np.argsort(-votes, kind="stable")[:most])
    remarks = []
    if len(chosen) < len(votes):
        remarks.append(
            f"clusters are looked for among the {len(chosen)} of {len(votes)} raters with most votes "
            f"({votes[chosen].min()} or more)"
        )
    pairs = _Pairs(labels, chosen)
    if not pairs.variance.any():
        remarks.append("no two raters have a common item on which votes differ: there is nothing to cluster by")
    rng = np.random.default_rng(count("seed", seed))
    z, nodes = pairs.search(labels.labels)
    largest = np.array([_largest(pairs.search(pairs.permuted(rng))[1]) for _ in range(permutations)])
    p_values = [(1 + int((largest >= score - 1e-9).sum())) / (permutations + 1) for score, _ in nodes]
    kept: list[dict[str, Any]] = []
    taken = np.zeros(len(chosen), dtype=bool)
    for score, members, p_value in sorted(
        ((s, m, p) for (s, m), p in zip(nodes, p_values, strict=True) if p <= level), key=lambda x: (-x[0], len(x[1]))
    ):
        if not taken[members].any():
            taken[members] = True
            kept.append({"score": score, "p_value": p_value, **_describe(labels, pairs, members)})
    columns = ["cluster", "raters", "size", "pairs", "agreement", "expected", "score", "p_value", "with_others"]
    if labels.gold is not None:
        columns.append("gold_accuracy")
    rows = [{"cluster": f"cluster {k}", **row} for k, row in enumerate(kept, start=1)]
    # The permuted score that has so many above it, ties included, that a further one would exceed the level.
    allowed = int(np.floor(level * (permutations + 1) + 1e-9)) - 1
    critical = float(np.sort(largest)[::-1][allowed]) if allowed < permutations else -np.inf
    names = tuple(labels.raters[r] for r in chosen)
    return RaterClusters(pd.DataFrame(rows, columns=columns), names, z, critical, tuple(remarks))


def _largest(nodes: list[tuple[float, Ints]]) -> float:
    return max((score for score, _ in nodes), default=0.0)


class _Pairs:
    """Agreement of every two of some raters, and what it is expected to be."""

    def __init__(self, labels: LabelSet, chosen: NDArray[np.intp]) -> None:
        n, w = labels.counts.astype(np.float64), labels.wins.astype(np.float64)
        alike = (w * (w - 1) + (n - w) * (n - w - 1)) / np.maximum(n * (n - 1), 1)
        item = np.repeat(np.arange(labels.n_items), labels.counts)
        place = np.full(len(labels.raters), -1)
        place[chosen] = np.arange(len(chosen))
        # Where all votes of an item are alike, they cannot tell raters apart.
        informs = (n > 1) & (alike < 1)
        column = np.cumsum(informs) - 1
        self.labels, self.item, self.chosen = labels, item, chosen
        self.used = (place[labels.rater] >= 0) & informs[item]
        self.row, self.column = place[labels.rater[self.used]], column[item[self.used]]
        self.shape = len(chosen), int(informs.sum())
        # Whole numbers and their sums are exact in single precision, which is faster.
        self.cast = np.zeros(self.shape, dtype=np.float32)
        self.cast[self.row, self.column] = 1.0
        self.common = (self.cast @ self.cast.T).astype(np.float64)
        pi = alike[informs]
        wide = self.cast.astype(np.float64)
        self.expected, self.variance = (wide * pi) @ wide.T, (wide * (pi * (1 - pi))) @ wide.T
        for matrix in (self.common, self.expected, self.variance):
            np.fill_diagonal(matrix, 0.0)

    def permuted(self, rng: np.random.Generator) -> NDArray[np.int8]:
        """Votes, put into a random order within each item."""
        return self.labels.labels[np.lexsort((rng.random(self.labels.n_labels), self.item))]

    def agreements(self, votes: NDArray[np.int8]) -> Floats:
        """Number of common items on which each two agree, of those where votes differ."""
        signs = np.zeros(self.shape, dtype=np.float32)
        signs[self.row, self.column] = 2.0 * votes[self.used] - 1.0
        agreed = (self.common + (signs @ signs.T)) / 2
        np.fill_diagonal(agreed, 0.0)
        return agreed

    def search(self, votes: NDArray[np.int8]) -> tuple[Floats, list[tuple[float, Ints]]]:
        """Excess agreement in standard deviations, and every cluster of the tree with its score."""
        from scipy.cluster.hierarchy import average
        from scipy.spatial.distance import squareform

        excess, variance = self.agreements(votes) - self.expected, self.variance.copy()
        # By rounding alone an expected agreement may differ from a certain one.
        told = variance > 1e-9
        z = np.divide(excess, np.sqrt(variance), out=np.zeros_like(excess), where=told)
        excess = np.where(told, excess, 0.0)
        # Average linkage only compares distances, so that any constant may be added to make them positive.
        distance = z.max() + 1.0 - z
        np.fill_diagonal(distance, 0.0)
        tree = average(squareform(distance, checks=False))
        size = len(z)
        members: list[Ints | None] = [np.array([r]) for r in range(size)]
        inside = [(0.0, 0.0)] * size
        place = list(range(size))
        nodes = []
        for left, right in tree[:, :2].astype(np.int64).tolist():
            i, j = place[left], place[right]
            gained, spread = (inside[left][k] + inside[right][k] for k in (0, 1))
            gained, spread = gained + float(excess[i, j]), spread + float(variance[i, j])
            for matrix in (excess, variance):
                matrix[i] += matrix[j]
                matrix[:, i] += matrix[:, j]
            both = np.concatenate([members[left], members[right]])  # type: ignore[list-item]
            members[left] = members[right] = None
            members.append(both)
            inside.append((gained, spread))
            place.append(i)
            if spread > 1e-9:
                nodes.append((gained / float(np.sqrt(spread)), both))
        return z, nodes


def _describe(labels: LabelSet, pairs: _Pairs, members: Ints) -> dict[str, Any]:
    """Who a cluster is, and what its votes are like."""
    own = np.sort(members)
    block = np.ix_(own, own)
    common, agreed = pairs.common[block].sum(), pairs.agreements(labels.labels)[block].sum()
    mask = np.isin(labels.rater, pairs.chosen[own])
    item, vote = np.repeat(np.arange(labels.n_items), labels.counts), labels.labels.astype(np.int64)
    rest = [np.bincount(item[~mask & (vote == y)], minlength=labels.n_items) for y in (0, 1)]
    majority = np.sign(rest[1] - rest[0])[item[mask]]
    said = 2 * vote[mask] - 1
    found: dict[str, Any] = {
        "raters": tuple(labels.raters[r] for r in pairs.chosen[own]),
        "size": len(own),
        "pairs": int((pairs.common[block] > 0).sum()) // 2,
        "agreement": float(agreed / common),
        "expected": float(pairs.expected[block].sum() / common),
        "with_others": float((said == majority)[majority != 0].mean()) if majority.any() else np.nan,
    }
    if labels.gold is not None:
        gold = labels.gold[item[mask]]
        known = ~np.isnan(gold)
        found["gold_accuracy"] = float((vote[mask] == gold)[known].mean()) if known.any() else np.nan
    return found
