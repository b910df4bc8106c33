"""Fast method for contaminated raters: a Markov chain with rates and scripts summed out.

Given the kinds of all raters, items are independent. On item i, let w_i and l_i be the numbers of votes for 1 and for
0, where votes of honest raters are counted unchanged and those of inverted raters with the opposite outcome, and let
a_i and b_i be the colluders' votes for 1 and for 0. Then

    p(votes | kinds, hyperparameters) = 2^-(votes of random raters) prod_i R(w_i, l_i) G(a_i, b_i),
    R(w, l) = E sigma(x)^w sigma(-x)^l,  x ~ Normal(item_mean, item_sd^2),
    G(a, b) = E sigma(c z)^a sigma(-c z)^b,  z ~ Normal(0, 1),  c = script_scale.

R and G are tabulated by the trapezoid rule, whose error decreases exponentially in the number of nodes (Trefethen and
Weideman 2014). A sweep of the chain draws

    each rater's kind given all other raters' kinds (a collapsed Gibbs sampler: Liu 1994),
    an exchange of the honest bloc with the inverted or the colluding one (Metropolis),
    share and kind_share given the kinds,
    item_mean and log item_sd by a random-walk Metropolis step each, whose length is tuned during burn-in.

Every second sweep is kept; the rates and scripts of a kept draw come from their distributions given the kinds. The
chain starts with kinds of raters drawn from the prior. Its stationary distribution is the exact posterior. The method
is approximate only because it is a chain of a few hundred dependent sweeps.
tests/posteriors/test_contaminated.py compares tails and kind probabilities of a long chain with an exact sum over all
kinds, and checks that tails are within .03 of the No-U-Turn sampler's, beyond the error of the draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...foundation.arrays import Ints
from ...foundation.messages import shown
from ...kernels import contaminated as kernels
from ...votes.design import Design

__all__ = ["arrays_of", "sample_kinds"]

_CODES = ("honest", "random", "inverted", "colluding")
_REACH, _CELLS, _THIN, _BURN = 5.0, 128, 2, 120
# Largest number of votes on an item; beyond it the chances of some outcomes underflow in the tables.
_MOST = 900


def arrays_of(design: Design, label: Ints) -> tuple[Ints, Ints, Ints]:
    """Item, rater and label of each vote, as contiguous arrays for the kernels."""
    item, rater, vote = (np.array(x, dtype=np.int64, order="C") for x in (design.item, design.rater, label))
    return item, rater, vote


def sample_kinds(
    design: Design,
    label: Ints,
    rng: np.random.Generator,
    draws: int,
    *,
    kinds: Sequence[str],
    scales: tuple[float, float, float],
    share: tuple[float, float],
    concentration: float,
) -> dict[str, NDArray[Any]]:
    """Draws of share, kind_share, item_mean, item_sd, item_logit, and of script if raters may collude.

    Parameters
    ----------
    design, label
        Votes.
    rng : Generator
    draws : int
    kinds : sequence of str
        Dishonest kinds of the model.
    scales : tuple of float
        mean_sd, item_sd_scale, script_scale.
    share : tuple of float
        Parameters of the Beta distribution of twice the share.
    concentration : float

    Returns
    -------
    dict of str to ndarray
        The first dimension is the draw.

    Raises
    ------
    ValueError
        For an item with more than 900 votes.

    Examples
    --------
    >>> design = Design.balanced(items=5, raters=4, votes_per_item=3)
    >>> found = sample_kinds(design, np.ones(15, dtype=np.int64), np.random.default_rng(7), 10, kinds=("random",),
    ...                      scales=(1.5, 1.5, 2.5), share=(1.0, 3.0), concentration=1.0)
    >>> found["item_logit"].shape
    (10, 5)
    """
    item, rater, vote = arrays_of(design, label)
    votes = np.bincount(item, minlength=len(design.items))
    most = int(votes.max())
    if most > _MOST:
        raise ValueError(
            f"contaminated: item {shown(design.items[votes.argmax()])} has {most} votes; the fast method takes at most "
            f'{_MOST} on an item: use method="nuts"'
        )
    order = np.argsort(rater, kind="stable")
    start = np.concatenate(([0], np.bincount(rater, minlength=len(design.raters)).cumsum()))
    # Nodes are no further apart than the width of the likelihood of all votes on an item, for item_sd up to about 3.
    nodes = np.linspace(-_REACH, _REACH, max(40, int(np.ceil(12.5 * np.sqrt(most)))))
    weights = np.exp(-0.5 * nodes**2)
    weights /= weights.sum()
    scripts = np.empty((most + 1, most + 1))
    kernels.fill_table(0.0, scales[2], nodes, weights, scripts)
    halves = (np.arange(_CELLS) + 0.5) / _CELLS
    prior = (share[0] - 1.0) * np.log(halves) + (share[1] - 1.0) * np.log1p(-halves)
    log_shares = np.stack([prior, np.log(halves / 2), np.log1p(-halves / 2)])
    allowed = np.array([kind == "honest" or kind in kinds for kind in _CODES])
    votes_of_raters = kernels.Votes(start, item[order], vote[order])
    model = kernels.Prior(allowed, np.array(scales), concentration, log_shares, scripts)
    dishonest = rng.random(len(design.raters)) < 0.5 * rng.beta(*share)
    begin = np.where(dishonest, rng.choice(np.flatnonzero(allowed[1:]) + 1, len(dishonest)), 0).astype(np.int64)
    kept = kernels.ChainDraws(np.empty((draws, 3)), np.empty((draws, 3)), *np.empty((2, draws, len(design.items))))
    kernels.run_chain(
        rng, votes_of_raters, model, begin, nodes, np.log(weights), np.int64(_BURN), np.int64(_THIN), kept
    )
    share_draws, mean, sd = kept.numbers.T
    found = {"share": share_draws, "item_mean": mean, "item_sd": sd, "item_logit": kept.item_logit}
    found["kind_share"] = kept.kind_share[:, allowed[1:]]
    return found | ({"script": kept.script} if "colluding" in kinds else {})
