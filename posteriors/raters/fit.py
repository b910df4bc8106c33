"""Fits of rater models: draws from the posterior, their diagnostics, and the tails and beliefs computed from them.

The draws are stored in an ArviZ ``DataTree``: group ``posterior`` with the parameters over (chain, draw),
``sample_stats`` of the sampler, ``observed_data`` with the votes. For S draws of an item's rate,

    tail = mean over draws of P(alpha > t | draw),

if the model has that probability in closed form, and the share of draws above t otherwise.

For planning, a belief is a ``Grid``. The draws of alpha, in increasing order, are cut into K parts of equal size. Each
part becomes a point at its mean, with the mean chance that a fresh rater says 1. A part that contains the threshold is
cut there, so that the belief has the tail of the draws. If the mean chance decreases from one point to the next, these
points get their average (isotonic regression), so that the belief also has the predictive chance of the draws.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..beliefs.belief import Belief
from ..foundation.arrays import Floats
from ..foundation.refusals import whole
from ..votes.checks import checked_thresholds
from ..votes.design import Design
from ..votes.label_set import LabelSet
from .diagnostics import Diagnostics

if TYPE_CHECKING:
    import xarray as xr

    from .model import RaterModel

__all__ = ["RaterFit"]

_PARTS = 64


@dataclass(frozen=True, eq=False, repr=False)
class RaterFit:
    """Posterior of a rater model given votes.

    Attributes
    ----------
    model : RaterModel
    labels : LabelSet
    data : xarray.DataTree
    method : str
        ``"nuts"`` or ``"fast"``.
    """

    model: RaterModel
    labels: LabelSet
    data: xr.DataTree
    method: str

    def __repr__(self) -> str:
        return f"RaterFit({self.model}, {self.labels!r}, {self.method}, {self.size} draws)"

    @property
    def size(self) -> int:
        """Number of draws of all chains together, S."""
        sizes = self.data["posterior"].sizes
        return int(sizes["chain"] * sizes["draw"])

    @property
    def draws(self) -> dict[str, NDArray[Any]]:
        """Parameters by name, with the chains concatenated: arrays of shape (S, ...)."""
        posterior = self.data["posterior"].dataset
        return {str(k): x.values.reshape(-1, *x.shape[2:]) for k, x in posterior.data_vars.items()}

    def diagnostics(self) -> Diagnostics:
        """Convergence of the sampled parameters.

        Returns
        -------
        Diagnostics

        Raises
        ------
        ValueError
            For a fit by the fast method.
        """
        import arviz as az

        if self.method != "nuts":
            raise ValueError("method is 'fast', which has no diagnostics; they describe the chains of method 'nuts'")
        sampled = self.data["posterior"].dataset[self.data.attrs["sampled"].split()]
        rhat, bulk, tail = az.rhat(sampled), az.ess(sampled, method="bulk"), az.ess(sampled, method="tail")
        largest = {str(name): float(rhat[name].max()) for name in sampled.data_vars}
        worst = max(largest, key=lambda name: largest[name])
        smallest = [min(float(x[name].min()) for name in sampled.data_vars) for x in (bulk, tail)]
        diverging = int(self.data["sample_stats"]["diverging"].sum())
        return Diagnostics(largest[worst], smallest[0], smallest[1], diverging, worst)

    def tail(self, threshold: ArrayLike = 0.5, *, group: str | None = None) -> Floats:
        """Tail P(alpha_i > t_i) of each item, and of each group if rates differ by group.

        Parameters
        ----------
        threshold : float or array_like, shape (N,)
            Strictly between 0 and 1.
        group : str, optional
            One of the groups; default: all of them.

        Returns
        -------
        ndarray, shape (N,) or (N, G)
        """
        return np.asarray(self._tails(threshold, group).mean(axis=0))

    def tail_error(self, threshold: ArrayLike = 0.5, *, group: str | None = None) -> Floats:
        """Monte Carlo standard error of ``tail``, from the finite number of draws.

        It does not include the approximation error of a fast method; see ``fit_fast``.

        Parameters
        ----------
        threshold, group
            As in ``tail``.

        Returns
        -------
        ndarray, shape (N,) or (N, G)
        """
        import arviz as az

        tails = self._tails(threshold, group)
        if self.method == "fast" and self.model.fast_is_independent:
            return np.asarray(tails.std(axis=0) / np.sqrt(self.size))
        sizes = self.data["posterior"].sizes
        kept = tails.reshape(sizes["chain"], sizes["draw"], *tails.shape[1:])
        # If all draws agree, the estimate of the effective sample size is undefined, and the error is 0.
        found = az.mcse(kept, chain_axis=0, draw_axis=1)
        return np.where(tails.std(axis=0) > 0, found, 0.0)

    def _tails(self, threshold: ArrayLike, group: str | None) -> Floats:
        bar = checked_thresholds(self.labels, threshold)
        draws, design = self.draws, Design.of(self.labels)
        which = None if group is None else self.model.group_index(design, group)
        if draws["rate"].ndim == 3:
            bar = bar[:, None]
        tails = self.model.conditional_tails(draws, design, self.labels.labels.astype(np.int64), bar)
        return tails if which is None else tails[:, :, which]

    def beliefs(
        self, threshold: ArrayLike | None = None, *, parts: int = _PARTS, group: str | None = None
    ) -> list[Belief]:
        """Belief about each item after these votes, for ``Problem(prior=...)``.

        The beliefs are marginal: they do not contain what a future label of one item reveals about other items. If
        rates differ by group, they are about the population's rate, which weights groups by their shares of the votes.

        Parameters
        ----------
        threshold : float or array_like, shape (N,), optional
            Thresholds of the problem that will use the beliefs; at these the beliefs have exactly the tails of the
            draws. Beliefs of partial-pooling ignore it: they are mixtures of Betas, whose tails are approximate.
        parts : int
            Number of points of a grid, or of components of a mixture.
        group : str, optional
            Group whose rates the beliefs are about, if rates differ by group; default: the population.

        Returns
        -------
        list of Belief, length N
        """
        whole("parts", parts, least=2)
        bar = None if threshold is None else checked_thresholds(self.labels, threshold)
        label = self.labels.labels.astype(np.int64)
        design = Design.of(self.labels)
        return self.model.item_beliefs(self.model.for_group(self.draws, design, group), design, label, bar, parts)

    def new_item(self, *, parts: int = _PARTS, seed: int = 0, group: str | None = None) -> Belief:
        """Belief about an item without votes: the prior learned from the votes on other items.

        Parameters
        ----------
        parts : int
            Number of points of a grid, or of components of a mixture.
        seed : int
            Seed for models that draw the rates of new items.
        group : str, optional
            As in ``beliefs``.

        Returns
        -------
        Belief
        """
        whole("parts", parts, least=2)
        draws = self.model.for_group(self.draws, Design.of(self.labels), group)
        return self.model.new_item_belief(draws, np.random.default_rng(seed), parts)
