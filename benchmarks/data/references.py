"""References of the items of a label set: several as one, an emulated one, and the side that label 1 stands for.

The reference's log-ratio c = log pi(y_lose) - log pi(y_win) is that of the side of label 0 to the side of label 1.
An ensemble combines the log-probabilities of each side over its members: their mean, or the logarithm of the mean
probability. An emulated reference has

    |c| = spread |x|,   x standard normal,

and speaks for the side that most votes prefer, c < 0 if that is the side of label 1, with a stated probability
(Lemma 2026, section 9).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ...posteriors.foundation.arrays import Floats
from ...posteriors.foundation.messages import listed, shown
from ...posteriors.foundation.names import unknown_name
from ...posteriors.foundation.refusals import nonnegative, probability
from ...posteriors.thresholds import Ensemble, log_ratio
from ...posteriors.votes.label_set import LabelSet

__all__ = ["ENSEMBLES", "emulated_log_ratio", "ensemble_of", "turned_to_majority"]

# Rules by their names in studies.
ENSEMBLES: dict[str, Ensemble] = {"mean-log-probability": "mean-log", "log-mean-probability": "log-mean"}


def ensemble_of(members: Sequence[LabelSet], rule: str) -> LabelSet:
    """Label set of an ensemble of references, with the items that all of them know.

    Parameters
    ----------
    members : sequence of LabelSet
        One label file, read with each of several items files.
    rule : {"mean-log-probability", "log-mean-probability"}

    Returns
    -------
    LabelSet
        With the log-ratios of the ensemble, and the weights of the items files that have them.

    Raises
    ------
    ValueError
        For an unknown rule, a member without log-probabilities, members without a common item, and votes or weights
        that differ.

    Examples
    --------
    >>> from dataclasses import replace
    >>> votes = LabelSet.from_pools({"a": [1, 0]})
    >>> members = [replace(votes, logp_win=[x], logp_lose=[-1.0]) for x in (-1.0, -3.0)]
    >>> for rule in ENSEMBLES:
    ...     print(rule, ensemble_of(members, rule).log_ratio.round(3))
    mean-log-probability [1.]
    log-mean-probability [0.566]
    """
    if rule not in ENSEMBLES:
        raise ValueError(unknown_name("ensemble is {name}; allowed: {known}{hint}", rule, ENSEMBLES))
    for one in members:
        if one.logp_win is None:
            raise ValueError(f"{_file(one)} has no log-probabilities; an ensemble needs logp_win and logp_lose")
    common = frozenset.intersection(*(frozenset(one.items) for one in members))
    if not common:
        raise ValueError(f"no item with labels is in each of the items files {listed([_file(one) for one in members])}")
    parts = [one.subset(np.array([item in common for item in one.items])) for one in members]
    if any(one.items != parts[0].items or not np.array_equal(one.labels, parts[0].labels) for one in parts):
        raise ValueError("the members of the ensemble have different votes; they must be of one label file")
    win, lose = (np.stack([getattr(one, side) for one in parts]) for side in ("logp_win", "logp_lose"))
    return replace(
        parts[0],
        logp_win=None,
        logp_lose=None,
        log_ratio=log_ratio(win, lose, ensemble=ENSEMBLES[rule]),
        weight=_weight(parts),
        source=(*parts[0].source[:1], *(name for one in parts for name in one.source[1:])),
        digests=(*parts[0].digests[:1], *(name for one in parts for name in one.digests[1:])),
        remarks=tuple(dict.fromkeys(remark for one in parts for remark in one.remarks)),
    )


def _file(member: LabelSet) -> str:
    return member.source[-1] if member.source else "a member"


def _weight(parts: Sequence[LabelSet]) -> Floats | None:
    """Weights of the items, which must not depend on the reference."""
    weighted = [one for one in parts if one.weight is not None]
    for one in weighted:
        first = weighted[0]
        assert one.weight is not None
        assert first.weight is not None
        for k in np.flatnonzero(one.weight != first.weight):
            raise ValueError(
                f"weight of item {shown(one.items[k])} is {first.weight[k]:g} in {_file(first)} and {one.weight[k]:g} "
                f"in {_file(one)}; it must be the same in all items files that have it"
            )
    return weighted[0].weight if weighted else None


def turned_to_majority(votes: LabelSet) -> LabelSet:
    """Label set in which label 1 of each item stands for the side that most of its votes prefer.

    Parameters
    ----------
    votes : LabelSet

    Returns
    -------
    LabelSet
        Of items of which fewer than half of the votes are 1, votes and known answers are exchanged, log-probabilities
        change places, c changes its sign, and a threshold t becomes 1 - t. The others, those with a tie too, stay as
        they are, and all votes keep their order.

    Examples
    --------
    >>> turned_to_majority(LabelSet.from_pools({"a": [1, 0, 0], "b": [1, 0]})).labels
    array([0, 1, 1, 1, 0], dtype=int8)
    """
    turn = 2 * votes.wins < votes.counts

    def turned(values: Floats | None, others: Floats | None) -> Floats | None:
        return values if values is None or others is None else np.where(turn, others, values)

    return replace(
        votes,
        labels=votes.labels ^ np.repeat(turn, votes.counts),
        gold=turned(votes.gold, None if votes.gold is None else 1.0 - votes.gold),
        logp_win=turned(votes.logp_win, votes.logp_lose),
        logp_lose=turned(votes.logp_lose, votes.logp_win),
        # 0 stays the 0 without a sign.
        log_ratio=turned(votes.log_ratio, None if votes.log_ratio is None else 0.0 - votes.log_ratio),
        threshold=turned(votes.threshold, None if votes.threshold is None else 1.0 - votes.threshold),
    )


def emulated_log_ratio(votes: LabelSet, agreement: float, spread: float, rng: np.random.Generator) -> Floats:
    """Log-ratios c of an emulated reference.

    Parameters
    ----------
    votes : LabelSet
    agreement : float
        Probability, from 0 to 1, that c speaks for the side that most of an item's votes prefer. Where they tie, each
        side has the probability 1/2.
    spread : float
        Size of c: ``|c| = spread |x|`` with x standard normal.
    rng : numpy.random.Generator
        The same numbers are drawn for all values of `agreement` and `spread`.

    Returns
    -------
    ndarray of float64, shape (N,)

    Raises
    ------
    ValueError
        For an agreement or a spread outside its range.

    Examples
    --------
    >>> votes = LabelSet.from_pools({"a": [1, 1, 0], "b": [0], "c": [1]})
    >>> emulated_log_ratio(votes, 1.0, 2.0, np.random.default_rng(7)).round(2)
    array([-0. ,  0.6 , -0.55])
    """
    probability("agreement", agreement, ends=True)
    nonnegative("spread", spread)
    size = spread * np.abs(rng.standard_normal(votes.n_items))
    chance = rng.random(votes.n_items)
    lead = 2 * votes.wins - votes.counts
    # Of a tie the side of label 1 stands for the majority, with an even chance.
    agrees = chance < np.where(lead == 0, 0.5, agreement)
    return np.where((lead >= 0) == agrees, 0.0 - size, size)
