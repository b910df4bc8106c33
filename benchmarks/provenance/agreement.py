r"""Agreement of raters: Krippendorff's alpha, within groups, between groups, and without each rater.

Item i has n_i votes, w_i of them 1; only items with two votes or more carry information on agreement. Every vote is
compared with the other votes on its item,

    D_o = sum_i n_i d_i / sum_i n_i,     d_i = 2 w_i (n_i - w_i) / (n_i (n_i - 1)),
    alpha = 1 - D_o / D_e,               D_e = 2 m_0 m_1 / (m (m - 1))

with m_0 and m_1 the numbers of 0s and 1s among these votes, m = m_0 + m_1 (Krippendorff 2011). *Agreement* is
1 - D_o: the chance that a vote agrees with another one on its item.

Between groups g and h, over items with votes of both, each vote is compared with those of the other group,

    D_o = sum_i (n_ig + n_ih) d_i / sum_i (n_ig + n_ih),     d_i = q_ig (1 - q_ih) + q_ih (1 - q_ig),
    alpha = 1 - D_o / D_e,                                   D_e = Q_g (1 - Q_h) + Q_h (1 - Q_g)

with q the shares of 1s on an item, and Q those over all these items: the cross-replication kappa of Wong, Paritosh and
Aroyo (2021). If two groups differ only by chance, it equals alpha within each. The row of *majorities* is
Krippendorff's alpha with each group as one rater, who votes as the majority of its members; a tied group abstains.

Intervals are percentiles over resamples of items (Efron 1979). Raters are not resampled, so an interval covers
variation over items, with the same raters.

Alpha is undefined if no item has two votes, or if all the compared votes are equal: chance alone then explains full
agreement. Such a row has no number, only a remark.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from ...posteriors.foundation.arrays import Bools, Ints
from ...posteriors.foundation.kinds import checked
from ...posteriors.foundation.refusals import probability, whole
from ...posteriors.votes.checks import require_groups, require_rater_ids, require_votes
from ...posteriors.votes.label_set import LabelSet

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["agreement", "leave_one_out_alpha"]


@checked
def agreement(
    labels: LabelSet, *, groups: bool | None = None, resamples: int = 1000, level: float = 0.95, seed: int = 7
) -> pd.DataFrame:
    """Krippendorff's alpha and percent agreement of all votes, within each group and between groups.

    Parameters
    ----------
    labels : LabelSet
    groups : bool, optional
        True to compare groups; default: if there are two or more.
    resamples : int
        Number of resamples of items, for the intervals; 0 for no intervals.
    level : float
        Coverage of the intervals.
    seed : int

    Returns
    -------
    pandas.DataFrame
        Rows ``all``, ``within`` a group, ``between`` two groups and ``majorities`` of groups (column ``kind``, names in
        ``scope``): ``items`` and ``votes`` that could be compared, ``agreement``, ``alpha``, ends ``low`` and ``high``
        of its interval, and ``remark``, the reason if a number is missing.

    Raises
    ------
    ValueError
        For a single rater, votes without rater ids, ``groups`` if there are none, and settings out of range.

    Examples
    --------
    >>> from seqaudit import Design
    >>> design = Design.balanced(items=4, raters=3, votes_per_item=3)
    >>> votes = design.labelled(np.array([1, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0]))
    >>> agreement(votes, resamples=0)[["items", "agreement", "alpha"]].round(3).to_dict("records")
    [{'items': 4, 'agreement': 0.833, 'alpha': 0.686}]
    """
    import pandas as pd

    require_votes("agreement", labels)
    require_rater_ids("agreement", labels)
    if groups:
        require_groups("agreement", labels)
    probability("level", level)
    chosen = _Resampling(whole("resamples", resamples), level, whole("seed", seed))
    rows = [chosen.row("all", "all votes", _counts(labels), _within, _why_within)]
    if groups or (groups is None and len(labels.groups) > 1):
        assert labels.group is not None
        of = [_counts(labels, labels.group == g) for g in range(len(labels.groups))]
        for name, counts in zip(labels.groups, of, strict=True):
            rows.append(chosen.row("within", name, counts, _within, _why_within))
        for g, h in combinations(range(len(of)), 2):
            scope = f"{labels.groups[g]} and {labels.groups[h]}"
            rows.append(chosen.row("between", scope, np.hstack([of[g], of[h]]), _between, _why_between))
        # A tied or absent group votes neither 0 nor 1.
        votes = np.stack([np.stack([x[:, 0] > x[:, 1], x[:, 1] > x[:, 0]], axis=1) for x in of]).sum(axis=0)
        rows.append(chosen.row("majorities", "majorities of groups", votes, _within, _why_within))
    return pd.DataFrame(rows)


@checked
def leave_one_out_alpha(labels: LabelSet) -> pd.DataFrame:
    """Krippendorff's alpha without each rater.

    Parameters
    ----------
    labels : LabelSet
        Votes of at least two raters.

    Returns
    -------
    pandas.DataFrame
        Columns ``rater``, ``votes``, ``alpha`` without the rater, ``alpha_change`` from alpha of all votes, and
        ``remark``, the reason if a number is missing. If alpha is larger without a rater, that rater agrees less than
        the others.

    Raises
    ------
    ValueError
        For a single rater, and votes without rater ids.

    Examples
    --------
    >>> from seqaudit import Design
    >>> design = Design.balanced(items=4, raters=3, votes_per_item=3)
    >>> votes = design.labelled(np.array([1, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0]))
    >>> leave_one_out_alpha(votes)["alpha"].round(3).tolist()
    [0.533, 1.0, 0.533]
    """
    import pandas as pd

    require_votes("agreement", labels)
    require_rater_ids("agreement", labels)
    counts = _counts(labels)
    item = np.repeat(np.arange(labels.n_items), labels.counts)
    label = labels.labels.astype(np.int64)
    order = np.argsort(labels.rater, kind="stable")
    pieces = np.split(order, np.cumsum(np.bincount(labels.rater, minlength=len(labels.raters)))[:-1])
    whole = _within(counts)[0]
    rows = []
    for name, votes in zip(labels.raters, pieces, strict=True):
        np.subtract.at(counts, (item[votes], label[votes]), 1)
        found = _within(counts)[0]
        rows.append(
            {
                "rater": name,
                "votes": len(votes),
                "alpha": found,
                "alpha_change": found - whole,
                "remark": _why_within(counts) if math.isnan(found) else "",
            }
        )
        np.add.at(counts, (item[votes], label[votes]), 1)
    return pd.DataFrame(rows)


def _counts(labels: LabelSet, mask: Bools | None = None) -> Ints:
    """Numbers of votes 0 and 1 on each item, shape (N, 2), among all votes or those of a mask."""
    which: Any = slice(None) if mask is None else mask
    code = 2 * np.repeat(np.arange(labels.n_items), labels.counts)[which] + labels.labels[which]
    return np.bincount(code, minlength=2 * labels.n_items).reshape(-1, 2)


def _within(counts: Ints) -> tuple[float, float]:
    """Alpha and agreement of counts of 0 and 1; nan if undefined."""
    compared = counts[counts.sum(axis=1) > 1]
    if not len(compared):
        return math.nan, math.nan
    n = compared.sum(axis=1)
    disagreement = float((2 * compared.prod(axis=1) / (n - 1)).sum() / n.sum())
    if not compared.any(axis=0).all():
        return math.nan, 1.0 - disagreement
    zeros, ones = compared.sum(axis=0).tolist()
    expected = 2 * zeros * ones / ((zeros + ones) * (zeros + ones - 1))
    return 1.0 - disagreement / expected, 1.0 - disagreement


def _between(counts: Ints) -> tuple[float, float]:
    """Cross-replication kappa and agreement of counts of 0 and 1 in two groups, shape (N, 4)."""
    one, other = (x[_in_both(counts)] for x in (counts[:, :2], counts[:, 2:]))
    if not len(one):
        return math.nan, math.nan
    sizes = one.sum(axis=1), other.sum(axis=1)
    q, r = one[:, 1] / sizes[0], other[:, 1] / sizes[1]
    both = sizes[0] + sizes[1]
    observed = float(both @ (q * (1 - r) + r * (1 - q)) / both.sum())
    q_all, r_all = one[:, 1].sum() / one.sum(), other[:, 1].sum() / other.sum()
    expected = float(q_all * (1 - r_all) + r_all * (1 - q_all))
    return 1.0 - observed / expected if expected > 0 else math.nan, 1.0 - observed


def _in_both(counts: Ints) -> Bools:
    return (counts[:, :2].sum(axis=1) > 0) & (counts[:, 2:].sum(axis=1) > 0)


def _why_within(counts: Ints) -> str:
    compared = counts[counts.sum(axis=1) > 1]
    if not len(compared):
        return "undefined: no item has two votes"
    return f"undefined: all {compared.sum()} compared votes are {int(compared[:, 1].any())}"


def _why_between(counts: Ints) -> str:
    compared = counts[_in_both(counts)]
    if not len(compared):
        return "undefined: no item has votes of both"
    return f"undefined: all {compared.sum()} compared votes are {int(compared[:, 1].any())}"


@dataclass(frozen=True)
class _Resampling:
    """Settings of the bootstrap intervals."""

    resamples: int
    level: float
    seed: int

    def row(
        self,
        kind: str,
        scope: str,
        counts: Ints,
        measure: Callable[[Ints], tuple[float, float]],
        why: Callable[[Ints], str],
    ) -> dict[str, Any]:
        """Row of an estimate with its interval."""
        used = _in_both(counts) if kind == "between" else counts.sum(axis=1) > 1
        compared = counts[used]
        found, agreed = measure(compared)
        low = high = math.nan
        remark = why(counts) if math.isnan(found) else ""
        if self.resamples and not remark:
            # Each row uses the same seed, so its interval does not depend on the other rows.
            rng = np.random.default_rng(self.seed)
            drawn = np.array(
                [measure(compared[rng.integers(len(compared), size=len(compared))])[0] for _ in range(self.resamples)]
            )
            lost = int(np.isnan(drawn).sum())
            if lost:
                remark = f"undefined in {lost} of {self.resamples} resamples, which are left out of the interval"
            if lost < self.resamples:
                tails = (0.5 - self.level / 2, 0.5 + self.level / 2)
                low, high = np.quantile(drawn[~np.isnan(drawn)], tails).tolist()
        return {
            "kind": kind,
            "scope": scope,
            "items": int(used.sum()),
            "votes": int(compared.sum()),
            "agreement": agreed,
            "alpha": found,
            "low": low,
            "high": high,
            "remark": remark,
        }
