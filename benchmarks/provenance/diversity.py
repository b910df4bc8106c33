r"""Diversity of the raters behind each decision, and concentration of all votes on few raters.

Let item i have n_i votes, n_ir of them by rater r and n_ig by members of group g. With shares s, the *effective number*
is the inverse of Simpson's index and *entropy* is Shannon's,

    effective(s) = 1 / sum s^2,          entropy(s) = - sum s log s,

equal to K and log K if K raters or groups have equal shares (Simpson 1949; Hill 1973). Over all votes,

    share of the top rater(s),   Gini = sum_k (2k - R - 1) m_k / (R sum m)   over raters in increasing order of votes m,

and the effective number of raters of the *decisions*: every item divides its weight v_i among its raters in proportion
to their votes, s_r = sum_i v_i (n_ir / n_i) / sum v. It is smaller than the effective number for the votes if few
raters decide the items of large weight.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...posteriors.foundation.kinds import checked
from ...posteriors.foundation.number_arrays import number_array, require_order_of
from ...posteriors.foundation.refusals import every
from ...posteriors.votes.checks import require_votes
from ...posteriors.votes.label_set import LabelSet

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["concentration", "rater_diversity"]

_TOP = 5


@checked
def rater_diversity(labels: LabelSet) -> pd.DataFrame:
    """Votes, raters and groups behind each item.

    Parameters
    ----------
    labels : LabelSet

    Returns
    -------
    pandas.DataFrame
        A row for each item: ``item``, ``votes``, ``raters`` and ``effective_raters``; if votes have groups also
        ``groups``, ``effective_groups``, ``entropy`` in nats, ``largest_group`` (the first if several are largest) and
        its ``largest_share``.

    Raises
    ------
    ValueError
        For an item without votes.

    Examples
    --------
    >>> import seqaudit as sa
    >>> votes = sa.LabelSet.from_pools({"a": [1, 0, 1], "b": [0]})
    >>> rater_diversity(votes)["effective_raters"].tolist()
    [3.0, 1.0]
    """
    import pandas as pd

    require_votes("diversity", labels)
    raters = _Shares(labels, labels.rater)
    columns: dict[str, Any] = {
        "item": list(labels.items),
        "votes": labels.counts,
        "raters": raters.different,
        "effective_raters": raters.effective,
    }
    if labels.group is not None:
        groups = _Shares(labels, labels.group)
        columns |= {
            "groups": groups.different,
            "effective_groups": groups.effective,
            "entropy": groups.entropy,
            "largest_group": [labels.groups[g] for g in groups.largest],
            "largest_share": groups.largest_share,
        }
    return pd.DataFrame(columns)


class _Shares:
    """Share of each rater or group in the votes on each item."""

    def __init__(self, labels: LabelSet, code: NDArray[np.int32]) -> None:
        size = labels.n_items
        item = np.repeat(np.arange(size), labels.counts)
        kinds = int(code.max()) + 1
        pair, times = np.unique(item * kinds + code, return_counts=True)
        of, who = pair // kinds, pair % kinds
        share = times / labels.counts[of]
        self.of, self.who, self.share = of, who, share
        self.different = np.bincount(of, minlength=size)
        self.effective = 1.0 / np.bincount(of, weights=share**2, minlength=size)
        # The entropy of a single group may be a negative zero.
        self.entropy = np.abs(np.bincount(of, weights=-share * np.log(share), minlength=size))
        first = np.lexsort((who, -share, of))[np.concatenate(([0], np.cumsum(self.different)[:-1]))]
        self.largest, self.largest_share = who[first], share[first]


@checked
def concentration(labels: LabelSet, weight: ArrayLike | None = None) -> dict[str, Any]:
    """Concentration of the votes on few raters.

    Parameters
    ----------
    labels : LabelSet
    weight : array_like, shape (N,), optional
        Weights of the items; default: the label set's, or 1.

    Returns
    -------
    dict
        ``raters`` and ``votes``; ``top_rater``, ``top_share`` and ``top5_share`` of the votes; ``gini``;
        ``effective_raters`` of the votes and ``effective_raters_of_decisions``; ``mean_effective_raters`` of an item,
        by weight; ``single_rater_items`` and ``single_rater_weight``, the number and the share of the weight of items
        with one rater only; with groups also ``votes_of_groups``, ``mean_entropy``, ``single_group_items`` and
        ``single_group_weight``.

    Raises
    ------
    ValueError
        For an item without votes, and weights of the wrong shape, negative, not finite or all 0.

    Examples
    --------
    >>> import seqaudit as sa
    >>> found = concentration(sa.LabelSet.from_pools({"a": [1, 0, 1], "b": [0]}))
    >>> found["effective_raters"], round(found["effective_raters_of_decisions"], 2), found["single_rater_items"]
    (4.0, 3.0, 1)
    """
    require_votes("concentration", labels)
    given = np.ones(labels.n_items) if labels.weight is None else labels.weight
    require_order_of(labels.items, 0, weight=weight)
    v = number_array("weight", given if weight is None else weight)
    if v.shape != (labels.n_items,):
        raise ValueError(f"weight has shape {v.shape}; it must have shape ({labels.n_items},)")
    every("weight", v, (v >= 0) & np.isfinite(v), "finite, and at least 0")
    if not v.any():
        raise ValueError("weight is 0 for every item; at least one must be positive")
    v = v / v.sum()
    votes = np.bincount(labels.rater, minlength=len(labels.raters))
    raters = _Shares(labels, labels.rater)
    stands = np.bincount(raters.who, weights=v[raters.of] * raters.share, minlength=len(labels.raters))
    most = np.sort(votes)[::-1]
    rank = np.arange(1, len(votes) + 1)
    share = votes / votes.sum()
    alone = raters.different == 1
    found: dict[str, Any] = {
        "raters": len(labels.raters),
        "votes": labels.n_labels,
        "top_rater": labels.raters[int(votes.argmax())],
        "top_share": float(most[0] / votes.sum()),
        "top5_share": float(most[:_TOP].sum() / votes.sum()),
        "gini": float((2 * rank - len(votes) - 1) @ most[::-1] / (len(votes) * votes.sum())),
        "effective_raters": float(1.0 / (share @ share)),
        "effective_raters_of_decisions": float(1.0 / (stands @ stands)),
        "mean_effective_raters": float(v @ raters.effective),
        "single_rater_items": int(alone.sum()),
        "single_rater_weight": float(v @ alone),
    }
    if labels.group is not None:
        groups = _Shares(labels, labels.group)
        alone = groups.different == 1
        cast = np.bincount(labels.group, minlength=len(labels.groups))
        found |= {
            "votes_of_groups": dict(zip(labels.groups, cast.tolist(), strict=True)),
            "mean_entropy": float(v @ groups.entropy),
            "single_group_items": int(alone.sum()),
            "single_group_weight": float(v @ alone),
        }
    return found
