r"""Diverse batches: labels that are bought together go to dissimilar items.

A policy that scores items one by one fills a batch with the items of best score, which may be fifty near-copies of one
item. Here the base chooses the first label of a batch. Later labels go, among the items of best score, to one that is
dissimilar to the items whose outcomes are awaited, y. With x_i the features and s_i the base's scores, candidate i has
quality

    q_i = exp(gamma (s_i - best) / (best - worst)),        best and worst over the candidates,

which does not depend on the scores' origin or unit. Log-linear models of quality have the same form (Kulesza and Taskar
2012, "Determinantal point processes for machine learning", section 4). The candidate chosen has the largest

    k-center:       q_i min_{j in y} |x_i - x_j|
    determinantal:  det L_{y + i} / det L_y  =  q_i^2 (S_ii - S_iy S_yy^-1 S_yi),      L = diag(q) S diag(q),

with S_ij = exp(-|x_i - x_j|^2 / (2 length^2)) + 1e-6 1{i = j}. The first is greedy farthest-first choice (Gonzalez
1985, "Clustering to minimize the maximum intercluster distance"), with weights as in Dyer and Frieze (1985, "A simple
heuristic for the p-centre problem"). The second is the greedy step towards the set of largest determinant (Chen, Zhang
and Zhou 2018, "Fast greedy MAP inference for determinantal point process"). At gamma = 0 the choice among the
candidates depends on the features alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, Literal

import numpy as np
import scipy
from numpy.typing import ArrayLike

from ...dp.evaluation.asking import ask_scale, ask_scores
from ...dp.kernels.dense import TIE
from ...dp.problem.problem import Problem
from ...posteriors.foundation.arrays import Bools, Floats, Ints
from ...posteriors.foundation.messages import shown
from ...posteriors.foundation.number_arrays import item_labels, number_array
from ...posteriors.foundation.refusals import nonnegative, one_of, positive, whole
from ..kernels import diverse as _kernels
from ..policy import JointPolicy, Policy, even_over_best
from ..scoring import chances_of
from .item_data import PerItem, require_rows
from .wrapper import Wrapper

__all__ = ["DiverseBatch", "typical_distance"]


_METHODS = ("k-center", "determinantal")
# Added to the diagonal of the similarities, so that copies of an item can be awaited together.
_RIDGE = 1e-6
# Candidates within this share of the best are tied, since distances and determinants are rounded.
_ALIKE = 1e-9
# Largest feature whose squares can be summed without overflow.
_LARGEST = 1e100
_FEWEST, _A_BATCH = 64, 10
_SAMPLE = 1000


@lru_cache(maxsize=2)
def _scores(base: Policy, problem: Problem, counts: PerItem, wins: PerItem) -> Floats:
    """Scores of the base, kept because a batch asks for the same state many times."""
    return ask_scores(base, problem, counts.values, wins.values)


@lru_cache(maxsize=16)
def typical_distance(features: PerItem) -> float:
    """Median distance between distinct items; of a thousand of them, evenly spaced, where there are more.

    Examples
    --------
    >>> typical_distance(PerItem([[0.0], [0.0], [3.0]]))
    3.0
    """
    rows = features.values
    if len(rows) > _SAMPLE:
        rows = rows[np.linspace(0, len(rows) - 1, _SAMPLE).astype(np.int64)]
    apart = scipy.spatial.distance.pdist(rows)
    apart = apart[apart > 0]
    return float(np.median(apart)) if apart.size else 1.0


@dataclass(frozen=True)
class DiverseBatch(Wrapper):
    """Label as a base policy does, but spread each batch over the items' features.

    Rule: while no outcome is awaited, the base chooses. While some are, as in a batch or between the questions and
    answers of a session, the label goes to one of the base's best items: the one with the best combination of quality
    and distance from the awaited items; see the module's equations. Ties are broken by the base's scores, and then as
    the base breaks them. Distances are Euclidean: scale features comparably first.

    Parameters
    ----------
    base : Policy or registered name
        Any policy; where it has no scores, its probabilities are used.
    features : array_like, shape (N, F)
        Finite numbers, one row for each item.
    method : {"k-center", "determinantal"}
    candidates : int, optional
        Number of items of best score to choose from; those that tie with the last are added. Default: ten times the
        batch, at least 64.
    strength : float
        Weight gamma of the base's scores: the worst candidate's quality is exp(-gamma) times the best one's.
    length : float, optional
        Length scale of similarity, for "determinantal"; default the median distance between distinct items.

    Raises
    ------
    ValueError
        For features that are not finite or not two-dimensional, and settings out of range; on use, for a problem with
        another number of items.

    Examples
    --------
    Items 0 and 1 are copies of each other:

    >>> import seqaudit as sa
    >>> problem = sa.Problem([0.6, 0.6, 0.65], budget=4, batch=2)
    >>> features = [[0.0, 1.0], [0.0, 1.0], [2.0, 0.0]]
    >>> base = sa.VarianceReduction(ties="first")
    >>> for policy in (base, sa.DiverseBatch(base, features)):
    ...     session = sa.Session(problem, policy, seed=7)
    ...     print(sorted([session.ask(), session.ask()]))
    [0, 1]
    [0, 2]
    """

    features: ArrayLike | PerItem
    method: Literal["k-center", "determinantal"] = "k-center"
    candidates: int | None = None
    strength: float = 2.0
    length: float | None = None
    name: ClassVar[str] = "diverse-batch"

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of(f"{self.name}: method", self.method, _METHODS)
        if self.candidates is not None:
            whole(f"{self.name}: candidates", self.candidates, least=1)
        nonnegative(f"{self.name}: strength", self.strength)
        if self.length is not None and self.method != "determinantal":
            raise ValueError(f"{self.name}: length is {shown(self.length)}; only 'determinantal' has one")
        if self.length is not None:
            positive(f"{self.name}: length", self.length)
        object.__setattr__(self, "features", _features_of(self.name, self.features))

    def seen(self, problem: Problem) -> Problem:
        """The problem itself."""
        require_rows(self.name, "features", self._features, problem.name)
        return problem

    def action_probabilities(
        self, problem: Problem, counts: Ints, wins: Ints, usable: Bools, pending: Ints | None = None
    ) -> Floats:
        """Probability of labelling each item, shape (S, N): the base's in states where no outcome is awaited."""
        if pending is None or not pending.any():
            return super().action_probabilities(problem, counts, wins, usable, pending)
        may = self.allowed(problem, counts + pending, usable)
        out = np.empty(counts.shape)
        waits = pending.any(axis=1)
        if not waits.all():
            rest = ~waits
            out[rest] = chances_of(self.based_on, problem, counts[rest], wins[rest], may[rest], pending[rest])
        scores, scale = self._worth(problem, counts, wins, may, pending), ask_scale(self.based_on, problem)
        most = max(_FEWEST, _A_BATCH * problem.batch) if self.candidates is None else int(self.candidates)
        best = np.zeros(counts.shape, dtype=np.bool_)
        for s in np.flatnonzero(waits):
            items = _best_items(scores[s], may[s], most, scale)
            value = self._value(scores[s, items], np.flatnonzero(pending[s]), items, scale)
            best[s, items[value >= value.max() * (1.0 - _ALIKE)]] = True
        out[waits] = even_over_best(scores[waits], best[waits], scale, self.based_on.ties)
        return out

    @property
    def _features(self) -> PerItem:
        assert isinstance(self.features, PerItem)
        return self.features

    def _worth(self, problem: Problem, counts: Ints, wins: Ints, may: Bools, pending: Ints) -> Floats:
        """Scores of the base, or its probabilities where it has no scores."""
        base = self.based_on
        if isinstance(base, JointPolicy) and type(base).scores is JointPolicy.scores:
            return chances_of(base, problem, counts, wins, may, pending)
        return _scores(base, problem, PerItem(counts), PerItem(wins))

    def _value(self, scores: Floats, awaited: Ints, items: Ints, scale: float) -> Floats:
        """Value of each candidate, given the awaited items."""
        best, width = scores.max(), float(np.ptp(scores))
        noise = TIE * max(abs(best), abs(best - width), scale)
        quality = np.exp(self.strength * (scores - best) / width) if width > noise else np.ones(len(scores))
        rows = self._features.values
        apart = scipy.spatial.distance.cdist(rows[items], rows[awaited])
        if self.method == "k-center":
            return np.asarray(quality * apart.min(axis=1))
        length = typical_distance(self._features) if self.length is None else float(self.length)
        among = _similarity(scipy.spatial.distance.cdist(rows[awaited], rows[awaited]), length)
        among[np.diag_indices(len(awaited))] += _RIDGE
        alone = np.empty(len(items))
        _kernels.unexplained(_similarity(apart, length), np.linalg.cholesky(among), alone)
        return np.asarray(quality**2 * np.maximum(alone + _RIDGE, _RIDGE))


def _similarity(apart: Floats, length: float) -> Floats:
    return np.asarray(np.exp(-0.5 * (apart / length) ** 2))


def _best_items(scores: Floats, may: Bools, most: int, scale: float) -> Ints:
    """The ``most`` items of largest score, and those that tie with the last of them."""
    items = np.flatnonzero(may)
    if len(items) <= most:
        return items
    held = scores[items]
    last = float(np.partition(held, len(held) - most)[len(held) - most])
    return items[held >= last - TIE * max(abs(last), scale)]


def _features_of(policy: str, features: Any) -> PerItem:
    held: PerItem = features
    if not isinstance(features, PerItem):
        held = PerItem(number_array(f"{policy}: features", features), labels=item_labels(features))
    if held.values.ndim != 2 or not held.values.size:
        raise ValueError(f"{policy}: features have shape {held.values.shape}; it must be (N, F), a row for each item")
    for i in np.flatnonzero(~np.isfinite(held.values).all(axis=1)):
        raise ValueError(f"{policy}: features of item number {i} are {held.values[i].tolist()}; they must be finite")
    if np.abs(held.values).max() > _LARGEST:
        raise ValueError(f"{policy}: features must lie between -{_LARGEST:g} and {_LARGEST:g}, as they are squared")
    return held
