"""Fits of rater models: draws from the posterior, their diagnostics, and the tails and beliefs computed from them.

The draws are stored in an ArviZ ``DataTree``: group ``posterior`` with the parameters over (chain, draw),
``sample_stats`` of the sampler, ``observed_data`` with the votes, and ``log_likelihood`` with the log-probability of
each vote under each draw, computed at the first use. For S draws of an item's rate,

    tail = mean over draws of P(alpha > t | draw),

if the model has that probability in closed form, and the share of draws above t otherwise.

For planning, a belief is a ``Grid``. The draws of alpha, in increasing order, are cut into K parts of equal size. Each
part becomes a point at its mean, with the mean chance that a fresh rater says 1. A part that contains the threshold is
cut there, so that the belief has the tail of the draws. If the mean chance decreases from one point to the next, these
points get their average (isotonic regression), so that the belief also has the predictive chance of the draws.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..beliefs.belief import Belief
from ..foundation.arrays import Floats
from ..foundation.messages import shown
from ..foundation.refusals import one_of, whole
from ..foundation.seeds import Seed, generator_of
from ..votes.checks import checked_thresholds
from ..votes.design import Design
from ..votes.label_set import LabelSet
from .asking import ask_item_beliefs, ask_log_likelihood, ask_new_item, ask_tails
from .diagnostics import Diagnostics, disagreement, error_of_mean

if TYPE_CHECKING:
    import xarray as xr

    from .model import RaterModel

__all__ = ["RaterFit"]

_PARTS = 64
# Largest numbers of log-probabilities, draws times votes: of those that ``data`` adds unasked (40 MB), and of all (160
# MB). Thirty draws are always allowed: leave-one-out needs that many.
_UNASKED, _ENTRIES, _LEAST = 5e6, 2e7, 30


@dataclass(frozen=True, eq=False, repr=False)
class RaterFit:
    """Posterior of a rater model given votes.

    Attributes
    ----------
    model : RaterModel
    labels : LabelSet
    sampled : xarray.DataTree
        Draws, statistics of the sampler and votes: ``data`` without the log-likelihood.
    method : str
        ``"nuts"`` or ``"fast"``.

    Raises
    ------
    ValueError
        For labels that are not the votes among the draws.
    """

    model: RaterModel
    labels: LabelSet
    sampled: xr.DataTree
    method: str

    def __post_init__(self) -> None:
        one_of("method", self.method, ("nuts", "fast"))
        missing = [name for name in self.model.dims if name not in self.sampled["posterior"].dataset]
        if missing:
            raise ValueError(
                f"sampled has no {shown(missing[0])}, which {self.model.name} has; fit this model to the votes"
            )
        found, votes = self.sampled["observed_data"].dataset, Design.of(self.labels)
        same = np.array_equal(found["label"], self.labels.labels) and np.array_equal(found["item_of"], votes.item)
        if not (same and np.array_equal(found["rater_of"], votes.rater)):
            raise ValueError("labels are not the votes of the fit; fit the model to them")

    def __repr__(self) -> str:
        return f"RaterFit({self.model}, {self.labels!r}, {self.method}, {self.size} draws)"

    @property
    def size(self) -> int:
        """Number of draws of all chains together, S."""
        sizes = self.posterior.sizes
        return int(sizes["chain"] * sizes["draw"])

    @property
    def posterior(self) -> xr.Dataset:
        """Parameters by name, over the dimensions chain and draw."""
        return self.sampled["posterior"].dataset

    @property
    def draws(self) -> dict[str, NDArray[Any]]:
        """Parameters by name, with the chains concatenated: arrays of shape (S, ...)."""
        return {str(k): x.values.reshape(-1, *x.shape[2:]) for k, x in self.posterior.data_vars.items()}

    def thinned(self, draws: int) -> dict[str, NDArray[Any]]:
        """At most ``draws`` draws of all parameters, evenly spread over the chains.

        Parameters
        ----------
        draws : int
            At least 1.

        Returns
        -------
        dict of str to ndarray
        """
        size = min(whole("draws", draws, least=1), self.size)
        which = np.unique(np.linspace(0, self.size - 1, size).round().astype(np.int64))
        return {name: x[which] for name, x in self.draws.items()}

    @property
    def most_draws(self) -> int:
        """Largest number of draws of which log-probabilities of all votes are computed: 2e7 by votes, at least 30."""
        return max(_LEAST, int(_ENTRIES // max(self.labels.n_labels, 1)))

    @cached_property
    def data(self) -> xr.DataTree:
        """Draws, statistics of the sampler, votes, and the group ``log_likelihood``, for ArviZ.

        Log-probabilities are computed at the first use. Where draws times votes exceed 5e6 the group is missing; see
        ``log_likelihood``.
        """
        if "log_likelihood" in self.sampled.children or self.size * self.labels.n_labels > _UNASKED:
            return self.sampled
        return self.log_likelihood()

    def log_likelihood(self, draws: int | None = None) -> xr.DataTree:
        """Log-probability of each vote under each draw, beside the draws, for functions of ArviZ such as ``az.loo``.

        Parameters
        ----------
        draws : int, optional
            Largest number of draws, evenly spread over the chains, which then count as a single one; default: all
            draws, in their chains.

        Returns
        -------
        xarray.DataTree
            Groups of ``data``; ``log_likelihood`` has the variable ``label`` over chain, draw and vote. Where a model
            sums out rates or answers, it is conditional on the other votes; see ``RaterModel.log_likelihood``.

        Raises
        ------
        ValueError
            For draws times votes above 2e7, 160 MB; with at most 30 draws there is no limit.

        Examples
        --------
        >>> import arviz as az
        >>> from seqaudit import LabelSet, PartialPooling
        >>> votes = LabelSet.from_pools({"a": [1, 1, 1], "b": [1, 0, 1], "c": [0, 0, 0], "d": [1, 1]})
        >>> fit = PartialPooling().fit(votes, method="fast", seed=7)
        >>> dict(fit.log_likelihood(draws=50)["log_likelihood"].sizes)
        {'chain': 1, 'draw': 50, 'vote': 11}
        >>> int(az.loo(fit.data).n_data_points)
        11
        """
        import xarray as xr

        size = self.size if draws is None else min(whole("draws", draws, least=1), self.size)
        if size > self.most_draws:
            raise ValueError(
                f"{size} draws of {self.labels.n_labels} votes need {8e-6 * size * self.labels.n_labels:.0f} MB of "
                f"log-probabilities; at most {8e-6 * _ENTRIES:.0f} are taken: give draws={self.most_draws} or fewer"
            )
        tree: dict[str, xr.Dataset] = {str(name): group.to_dataset() for name, group in self.sampled.children.items()}
        if size < self.size:
            kept = self.thinned(size)
            over = {name: ("chain", "draw", *x.dims[2:]) for name, x in self.posterior.data_vars.items()}
            coords = {k: x for k, x in self.posterior.coords.items() if k not in ("chain", "draw")}
            tree["posterior"] = xr.Dataset({k: (over[k], x[None]) for k, x in kept.items()}, coords=coords)
            tree.pop("sample_stats", None)
        else:
            kept = self.draws
        told = ask_log_likelihood(self.model, kept, Design.of(self.labels), self.labels.labels.astype(np.int64))
        sizes = tree["posterior"].sizes
        logs = told.reshape(sizes["chain"], sizes["draw"], -1)
        own = {k: x for k, x in tree["posterior"].coords.items() if k in ("chain", "draw")}
        tree["log_likelihood"] = xr.Dataset({"label": (("chain", "draw", "vote"), logs)}, coords=own)
        found = xr.DataTree.from_dict(tree)
        found.attrs = dict(self.sampled.attrs)
        return found

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
        sampled = self.posterior[self.sampled.attrs["sampled"].split()]
        rhat, bulk, tail = az.rhat(sampled), az.ess(sampled, method="bulk"), az.ess(sampled, method="tail")
        largest = {str(name): float(rhat[name].max()) for name in sampled.data_vars}
        worst = max(largest, key=lambda name: largest[name])
        smallest = [min(float(x[name].min()) for name in sampled.data_vars) for x in (bulk, tail)]
        diverging = int(self.sampled["sample_stats"]["diverging"].sum())
        return Diagnostics(largest[worst], smallest[0], smallest[1], diverging, worst)

    def remark(self) -> str | None:
        """Warning about chains that have not converged, or that found different modes.

        Returns
        -------
        str or None
            None for chains that agree, and for draws that are independent.
        """
        if self.method == "nuts":
            return self.diagnostics().remark()
        found = self.posterior
        chances = [k for k in self.model.dims if self.model.limits(k) == (0.0, 1.0) and found[k].dtype.kind == "f"]
        return disagreement(found[chances])

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

        It includes the differences between chains that found different modes, but not the approximation error of a fast
        method; see ``fit_fast``.

        Parameters
        ----------
        threshold, group
            As in ``tail``.

        Returns
        -------
        ndarray, shape (N,) or (N, G)
            One error for each number of ``tail``.
        """
        tails = self._tails(threshold, group)
        if self.method == "fast" and self.model.fast_is_independent:
            return np.asarray(tails.std(axis=0) / np.sqrt(self.size))
        sizes = self.posterior.sizes
        return error_of_mean(tails.reshape(sizes["chain"], sizes["draw"], *tails.shape[1:]))

    def _tails(self, threshold: ArrayLike, group: str | None) -> Floats:
        bar = checked_thresholds(self.labels, threshold)
        draws, design = self.draws, Design.of(self.labels)
        which = None if group is None else self.model.group_index(design, group)
        if draws["rate"].ndim == 3:
            bar = bar[:, None]
        tails = ask_tails(self.model, draws, design, self.labels.labels.astype(np.int64), bar)
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
        draws = self.model.for_group(self.draws, design, group)
        return ask_item_beliefs(self.model, draws, design, label, bar, parts)

    def new_item(self, *, parts: int = _PARTS, seed: Seed = 0, group: str | None = None) -> Belief:
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
        return ask_new_item(self.model, draws, generator_of(seed), parts)
