"""Fast posterior draws of the models with an item's log-odds and a rater's offset and skill.

Given the standard deviations, the log-odds x of the items, the offsets o and log-skills l of the raters and the items'
mean m are a field with Normal prior. ``nested_laplace`` puts points on the standard deviations; at each of them,

- the mode is found by Newton's method with the Fisher information; for l, which enters in a product with x, this
  differs from the curvature, but it is positive definite everywhere,
- the marginal likelihood is Laplace's, multiplied for each item and each rater by a correction: the integral of its
  density, with the other side at the mode, divided by Laplace's value for that integral,
- the raters' side (o, l, m) is drawn from the Gaussian, shifted by one Newton step toward the mode of the density in
  which items are integrated out; each item is drawn from its exact density given that side, which keeps the skewness of
  items with few or unanimous votes.

Means and standard deviations are then redrawn in turn, given the field. The posterior of log-skills is too far from a
Gaussian: in models with skills, each pass therefore includes Metropolis steps over items, offsets and log-skills
(``kernels.rater_moves``), and there are twelve passes where others have four. The remaining error of the draws is that
of so short a chain, started from the approximation.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...foundation.arrays import Floats, Ints
from ...kernels import rater_field as kernels
from ...kernels import rater_moves as moves
from ...votes.design import Design
from ...votes.label_set import offsets
from .nested_laplace import design_of_points, half_normal, points_for, redrawn_mean, redrawn_sd, share_out

__all__ = ["draw_rater_field"]

# Passes without and with skills.
_PASSES, _WIDTHS = (4, 12), (1.0, 0.3)


def draw_rater_field(
    design: Design, label: Ints, scale: Floats, mean_scale: float, rng: np.random.Generator, draws: int
) -> dict[str, NDArray[Any]]:
    """Draws of ``RaterBias`` or, with a third scale, of ``RaterSkill``, except quantities computed from others.

    Parameters
    ----------
    design : Design
    label : ndarray of int64, shape (V,)
    scale : ndarray, shape (2,) or (3,)
        Scales of the half-normal priors of the standard deviations of items, offsets and, where there are three,
        log-skills.
    mean_scale : float
        Standard deviation of the prior of the items' mean.
    rng : numpy.random.Generator
    draws : int
        Number of draws, S.

    Returns
    -------
    dict of str to ndarray
        ``sd``, shape (S, 2) or (S, 3); ``mean``, (S,); ``item``, (S, N); ``offset`` and ``log_skill``, (S, J).
    """
    items, raters, skilled = len(design.items), len(design.raters), len(scale) == 3
    begin = offsets(np.bincount(design.item, minlength=items))
    votes = (begin, np.ascontiguousarray(design.rater, dtype=np.int64), np.ascontiguousarray(label, dtype=np.int64))
    size = items + (len(scale) - 1) * raters + 1
    latest = np.zeros(size)

    def log_posterior(theta: Floats, exact: bool) -> Floats:
        fields, out = np.tile(latest, (len(theta), 1)), np.empty(len(theta))
        kernels.marginals(np.exp(theta), float(mean_scale), *votes, raters, skilled, exact, fields, out)
        latest[:] = fields[0]
        prior = half_normal(theta, scale)
        # At extreme standard deviations skills overflow; the prior density there is negligible.
        out[np.isnan(out) & (prior < -500.0)] = -np.inf
        return out + prior

    theta, weight = design_of_points(log_posterior, np.log(0.6 * scale), rng, points_for(draws))
    count = share_out(weight, draws, rng)
    field, sd = np.empty((draws, size)), np.repeat(np.exp(theta), count, axis=0)
    ends = offsets(count)
    for k in np.flatnonzero(count).tolist():
        normal, uniform = rng.standard_normal((count[k], size - items)), rng.random((count[k], items))
        part = field[ends[k] : ends[k + 1]]
        kernels.sample(
            np.exp(theta[k]), float(mean_scale), *votes, raters, skilled, latest.copy(), normal, uniform, part
        )
    order = rng.permutation(draws)
    field, sd = field[order], sd[order]
    item = field[:, :items]
    effects = field[:, items : items + (len(scale) - 1) * raters].reshape(draws, -1, raters)
    by_rater = np.argsort(design.rater, kind="stable")
    about = (begin, np.array(design.item), *votes[1:], by_rater, offsets(np.bincount(design.rater, minlength=raters)))
    for k in range(_PASSES[skilled]):
        mean = redrawn_mean(item, sd[:, 0], mean_scale, rng)
        if skilled:
            moves.move(*about, scale, _WIDTHS[k % 2], rng, mean, sd, field)
        sd[:, 0] = redrawn_sd(((item - mean[:, None]) ** 2).sum(axis=1), items, scale[0], rng)
        for kind in range(1, len(scale)):
            sd[:, kind] = redrawn_sd((effects[:, kind - 1] ** 2).sum(axis=1), raters - 1, scale[kind], rng)
    spreads = dict(zip(("item_sd", "rater_sd", "skill_sd"), sd.T, strict=False))
    found = {"item_mean": mean, **spreads, "item_logit": item, "offset": field[:, items : items + raters]}
    return found | ({"log_skill": field[:, items + raters : -1]} if skilled else {})
