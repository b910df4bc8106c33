"""Decisions after the fact, by a model of raters fitted to the votes that each of many runs bought.

A stress test fits the same model to thousands of small sets of votes. ``decide_after`` gives the same tails as
``RaterModel.fit(..., method="fast")`` and ``RaterFit.tail``, without the labelled arrays of a fit, which would take
longer than the fit itself. Where the draws of a model are dependent they come from a single chain: over thousands of
sets its starts average out.
"""

from __future__ import annotations

import numpy as np

from ...dp.problem.problem import Problem
from ...posteriors.foundation.arrays import Floats, Ints
from ...posteriors.foundation.tolerances import above
from ...posteriors.raters.asking import ask_completion, ask_draws, ask_tails
from ...posteriors.raters.model import Draws, RaterModel
from ...posteriors.votes.design import Design
from ...posteriors.votes.label_set import LabelSet
from .pools import Pools

__all__ = ["decide_after", "fast_draws"]


def fast_draws(model: RaterModel, labels: LabelSet, *, seed: int, draws: int) -> Draws:
    """Draws of parameters by name: those of one start of ``model.fit(labels, seed=seed, method="fast", draws=draws)``.

    Examples
    --------
    >>> from seqaudit import PartialPooling
    >>> votes = LabelSet.from_pools({"a": [1, 1, 1], "b": [1, 0, 1]})
    >>> fit = PartialPooling().fit(votes, seed=7, method="fast", draws=10)
    >>> bool(np.array_equal(fast_draws(PartialPooling(), votes, seed=7, draws=10)["rate"], fit.draws["rate"]))
    True
    """
    model.require(labels)
    design, label, rng = Design.of(labels), labels.labels.astype(np.int64), np.random.default_rng(seed)
    return ask_completion(model, ask_draws(model, design, label, rng, draws), design, label, rng)


def decide_after(problem: Problem, pools: Pools, counts: Ints, model: RaterModel, draws: int) -> tuple[Floats, Floats]:
    """Tail probabilities by fits to the votes that were bought.

    Parameters
    ----------
    problem : Problem
    pools : Pools
        Pools of R replications.
    counts : ndarray of int, shape (R, N)
        Number of votes bought of each item.
    model : RaterModel
    draws : int
        Draws of each fit.

    Returns
    -------
    tails : ndarray, shape (R, N)
        Tail of each item's rate, averaged over all groups with equal weight.
    by_group : ndarray, shape (R, N, G)
        Tail of each group's rate; empty if the rates do not differ by group.
    """
    tails = np.empty(counts.shape)
    grouped = pools.rate.ndim == 3
    by_group = np.empty(pools.rate.shape if grouped else (0, 0, 0))
    for r, row in enumerate(counts):
        labels = pools.bought(r, row)
        drawn = fast_draws(model, labels, seed=r, draws=draws)
        some, bar = row > 0, problem.threshold
        if not some.all():
            new = _new_rates(model, drawn, Design.of(labels), r)
            tails[r, ~some] = above(new.mean(axis=1)[:, None], bar[~some]).mean(axis=0)
        at = bar[some][:, None] if drawn["rate"].ndim == 3 else bar[some]
        found = ask_tails(model, drawn, Design.of(labels), labels.labels.astype(np.int64), at).mean(axis=0)
        # The groups' rates are averaged draw by draw: the tail of the mean is not the mean of the tails.
        tails[r, some] = found if found.ndim == 1 else above(drawn["rate"].mean(axis=2), bar[some]).mean(axis=0)
        if grouped:
            if not some.all():
                # A model without groups has one column of rates, which applies to every group.
                by_group[r, ~some] = above(new[:, None, :], bar[~some, None]).mean(axis=0)
            by_group[r, some] = found if found.ndim == 2 else found[:, None]
    return tails, by_group


def _new_rates(model: RaterModel, drawn: Draws, design: Design, seed: int) -> Floats:
    """Rates of a new item under each draw, shape (S, G), or (S, 1) if they do not differ by group."""
    if "group" not in model.dims["rate"]:
        return model.new_rates(drawn, np.random.default_rng(seed))[:, None]
    # The same seed for each group, so that the rates of a draw belong to the same item.
    groups = [model.for_group(drawn, design, name) for name in design.groups]
    return np.stack([model.new_rates(x, np.random.default_rng(seed)) for x in groups], axis=1)
