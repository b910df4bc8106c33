r"""Headline numbers without a rater, a group or any other set of votes.

Under Beta(a_i, b_i) priors item i's belief after n_i votes, w_i of them 1, is Beta(a_i + w_i, b_i + n_i - w_i), with
tail p_i. Removing d_i votes, e_i of them 1, leaves Beta(a_i + w_i - e_i, b_i + n_i - d_i - (w_i - e_i)). Only items of
the removed votes change, so removing each rater in turn needs no more tails than there are votes, and every answer is
exact.

The numbers are, with weights v,

    mass             sum v p
    decisive_05      sum v 1{p >= .95 or p <= .05} / sum v
    learnable        number of items decided "learnable"
    value            sum v h(p)
    gold_accuracy    sum v 1{decision = gold} / sum v       over items whose gold answer is known

and an item *flips* if its decision differs from that of all votes. An item that loses all its votes is decided by its
prior. Beliefs about raters' biases are not used: the question is how much depends on whom, not who is right.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from ...dp.problem.bars import bar_of
from ...dp.problem.problem import Problem
from ...posteriors.beliefs.asking import ask_at
from ...posteriors.beliefs.tails import tail
from ...posteriors.foundation.arrays import Bools, Floats, Ints
from ...posteriors.foundation.kinds import checked
from ...posteriors.foundation.messages import shown
from ...posteriors.scores import item_scores
from ...posteriors.votes.checks import require_one_vote
from ...posteriors.votes.label_set import LabelSet
from ..runner.results import table_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["HEADLINES", "Standing", "headlines", "largest_movers", "removals"]


HEADLINES = {
    "mass": "sum v p",
    "decisive_05": "share of weight with p within .05 of 0 or 1",
    "learnable": "items decided learnable",
    "value": "sum v h(p)",
    "gold_accuracy": "share of weight, of items with gold, decided as gold says",
}


@dataclass(frozen=True, eq=False)
class Standing:
    """Votes as counts, and the problem that they decide.

    The contribution of each item to each number is stored, so removing votes needs work on their items only.

    Attributes
    ----------
    labels : LabelSet
    problem : Problem
        Problem with the label set's items.
    """

    labels: LabelSet
    problem: Problem

    @classmethod
    def of(cls, labels: LabelSet, problem: Problem) -> Self:
        """Check that the two have the same items, and that no rater has two votes on an item.

        Raises
        ------
        ValueError
            If the items differ, or a rater has two votes on an item.
        """
        if problem.name != labels.items:
            raise ValueError("problem and labels have different items; make the problem by problem_of_labels")
        require_one_vote(labels)
        return cls(labels, problem)

    @cached_property
    def item(self) -> Ints:
        """Item of each vote."""
        return np.repeat(np.arange(self.labels.n_items), self.labels.counts)

    @cached_property
    def label(self) -> Ints:
        """Votes, 0 or 1."""
        return self.labels.labels.astype(np.int64)

    @cached_property
    def p(self) -> Floats:
        """Tail probability of each item by all votes."""
        return self.tails(np.arange(self.labels.n_items), self.labels.counts, self.labels.wins)

    @cached_property
    def decided(self) -> Bools:
        """True for each item that all votes decide as "learnable"."""
        return self.problem.utility.decide(self.p)

    def tails(self, item: Ints, n: Ints, w: Ints) -> Floats:
        """P(alpha > t) of the given items after ``n`` votes, ``w`` of them 1."""
        problem = self.problem
        if isinstance(problem.prior, np.ndarray):
            a, b = problem.prior[item].T
            return tail(a + w, b + (n - w), problem.threshold[item])
        asked, back = np.unique(np.stack([item, n, w]), axis=1, return_inverse=True)
        found = [ask_at(problem.belief(i), m, k, bar_of(problem, i)).tail for i, m, k in asked.T.tolist()]
        return np.array([float(x) for x in found])[back.reshape(-1)]

    def numbers(self, p: Floats, item: Ints | None = None) -> dict[str, Floats]:
        """Contribution of each item to each number, before division by a total."""
        which: Any = slice(None) if item is None else item
        v = self.problem.weight[which]
        gold = np.nan if self.labels.gold is None else self.labels.gold[which]
        scores = item_scores(self.problem.utility, p, gold, 0.05)
        found = {
            "mass": v * p,
            "decisive_05": v * scores.decisive,
            "learnable": self.problem.utility.decide(p).astype(np.float64),
            "value": v * self.problem.utility(p),
        }
        if self.labels.gold is not None:
            found["gold_accuracy"] = np.where(np.isnan(gold), 0.0, v * scores.right)
        return found

    @cached_property
    def totals(self) -> dict[str, float]:
        """Divisor of the sum of each number."""
        v = self.problem.weight
        totals = {"mass": 1.0, "decisive_05": float(v.sum()), "learnable": 1.0, "value": 1.0}
        if self.labels.gold is not None:
            # Without gold answers the accuracy is undefined: 0 / nan.
            totals["gold_accuracy"] = float(v[~np.isnan(self.labels.gold)].sum()) or np.nan
        return totals


@checked
def headlines(labels: LabelSet, problem: Problem) -> dict[str, float]:
    """Headline numbers by all votes.

    Parameters
    ----------
    labels : LabelSet
    problem : Problem
        From ``problem_of_labels``.

    Returns
    -------
    dict
        ``mass``, ``decisive_05``, ``learnable``, ``value`` and, with gold answers, ``gold_accuracy``.

    Examples
    --------
    >>> import seqaudit as sa
    >>> votes = sa.LabelSet.from_pools({"a": [1, 1], "b": [0]})
    >>> headlines(votes, sa.problem_of_labels(votes, 3))
    {'mass': 1.125, 'decisive_05': 0.0, 'learnable': 1.0, 'value': 1.625}
    """
    return _headlines(Standing.of(labels, problem))


def _headlines(standing: Standing) -> dict[str, float]:
    return {key: float(x.sum() / standing.totals[key]) for key, x in standing.numbers(standing.p).items()}


@checked
def removals(labels: LabelSet, problem: Problem, sets: Mapping[str, Bools] | None = None) -> pd.DataFrame:
    """Headline numbers without each rater, or without each of some sets of votes.

    Parameters
    ----------
    labels : LabelSet
    problem : Problem
        From ``problem_of_labels``.
    sets : mapping of str to ndarray of bool, shape (V,), optional
        Masks of votes to remove together, by name; they may overlap. Default: the votes of each rater.

    Returns
    -------
    pandas.DataFrame
        A row for each set: ``removed``, the name of the set, its ``votes`` and ``items``; each headline number and its
        change (``<number>_change``); ``flips``, the number of items whose decision changes, ``flipped_weight``, their
        share of the weight, and ``flipped``, their names.

    Raises
    ------
    ValueError
        For a problem with other items, two votes of a rater on an item, or a set of the wrong shape.

    Examples
    --------
    >>> from seqaudit import LabelSet, problem_of_labels
    >>> votes = LabelSet(items=("a", "b"), labels=np.array([1, 1, 1], np.int8), rater=np.array([0, 1, 0], np.int32),
    ...                  raters=("ann", "bob"), start=np.array([0, 2, 3]))
    >>> removals(votes, problem_of_labels(votes, 3))[["removed", "mass", "flipped"]].to_dict("records")
    [{'removed': 'ann', 'mass': 1.25, 'flipped': ('b',)}, {'removed': 'bob', 'mass': 1.5, 'flipped': ()}]
    """
    standing = Standing.of(labels, problem)
    if sets is None:
        return _without(standing, labels.rater.astype(np.int64), np.arange(labels.n_labels), labels.raters)
    masks = [np.asarray(mask) for mask in sets.values()]
    for name, mask in zip(sets, masks, strict=True):
        if mask.dtype != np.bool_ or mask.shape != (labels.n_labels,):
            raise ValueError(
                f"set {shown(name)} has dtype {mask.dtype} and shape {mask.shape}; allowed: bool, ({labels.n_labels},)"
            )
    gone = [np.flatnonzero(mask) for mask in masks]
    part = np.repeat(np.arange(len(gone)), [len(x) for x in gone])
    return _without(standing, part, np.concatenate([np.empty(0, np.int64), *gone]), tuple(sets))


def _without(standing: Standing, part: Ints, vote: Ints, names: tuple[str, ...]) -> pd.DataFrame:
    """Headline numbers without the votes of each part; vote ``vote[k]`` belongs to part ``part[k]``."""
    import pandas as pd

    labels, problem = standing.labels, standing.problem
    size = labels.n_items
    pair, back = np.unique(part * size + standing.item[vote], return_inverse=True)
    of, item = pair // size, pair % size
    n = labels.counts[item] - np.bincount(back, minlength=len(pair))
    w = labels.wins[item] - np.bincount(back[standing.label[vote] == 1], minlength=len(pair))
    p = standing.tails(item, n, w)
    before, after = standing.numbers(standing.p[item], item), standing.numbers(p, item)
    flips = problem.utility.decide(p) != standing.decided[item]

    def by_set(weights: NDArray[Any]) -> Floats:
        return np.bincount(of, weights=weights, minlength=len(names))

    columns: dict[str, Any] = {
        "removed": list(names),
        "votes": np.bincount(part, minlength=len(names)),
        "items": np.bincount(of, minlength=len(names)),
    }
    for key, now in _headlines(standing).items():
        change = by_set(after[key] - before[key]) / standing.totals[key]
        columns |= {key: now + change, f"{key}_change": change}
    columns["flips"] = by_set(flips).astype(np.int64)
    columns["flipped_weight"] = by_set(flips * problem.weight[item]) / problem.weight.sum()
    called: list[list[str]] = [[] for _ in names]
    for s, i in zip(of[flips].tolist(), item[flips].tolist(), strict=True):
        called[s].append(labels.items[i])
    columns["flipped"] = [tuple(x) for x in called]
    return pd.DataFrame(columns)


@checked
@table_of("removals", "removed", "flipped_weight")
def largest_movers(table: pd.DataFrame) -> pd.DataFrame:
    """Removal that changes each headline number, and the flipped weight, most; the first of equals.

    Parameters
    ----------
    table : pandas.DataFrame
        From ``removals``, with at least one row.

    Returns
    -------
    pandas.DataFrame
        Columns ``number``, ``removed``, ``change`` and ``value`` after the removal; ``removed`` is empty if no removal
        changes the number. ``flipped_weight`` is 0 with all votes, so its change equals its value.

    Examples
    --------
    >>> from seqaudit import LabelSet, largest_movers, problem_of_labels, removals
    >>> votes = LabelSet(items=("a", "b"), labels=np.array([1, 1, 1], np.int8), rater=np.array([0, 1, 0], np.int32),
    ...                  raters=("ann", "bob"), start=np.array([0, 2, 3]))
    >>> table = largest_movers(removals(votes, problem_of_labels(votes, 3)))
    >>> table[["number", "removed"]].values.tolist()
    [['mass', 'ann'], ['decisive_05', ''], ['learnable', 'ann'], ['value', 'ann'], ['flipped_weight', 'ann']]
    """
    import pandas as pd

    rows = []
    for key in (*HEADLINES, "flipped_weight"):
        change = table.get(key if key == "flipped_weight" else f"{key}_change")
        if change is None or not change.notna().any():
            continue
        row = int(change.abs().to_numpy().argmax())
        rows.append(
            {
                "number": key,
                "removed": str(table["removed"].iloc[row]) if change.iloc[row] else "",
                "change": float(change.iloc[row]),
                "value": float(table[key].iloc[row]),
            }
        )
    return pd.DataFrame(rows)
