"""Fits of rater models: draws from the posterior, their diagnostics, and the tails and beliefs that follow from them.

The draws are kept in an ArviZ ``DataTree``: group ``posterior`` with the parameters over (chain, draw),
``sample_stats`` of the sampler, ``observed_data`` with the votes. For S draws of an item's rate,

    tail = mean over draws of P(alpha > t | draw),

where the model knows that probability in closed form, and the share of draws above t otherwise.

A belief that is planned with is a ``Grid``: the draws of alpha in increasing order, cut into K parts of equal size,
each of which becomes a point at its mean, with the mean chance that a fresh rater says 1. A part in which the threshold
lies is cut there, so that the belief has the tail of the draws. Where mean chances fall from one point to the next,
these points share their average (isotonic regression), so that the belief has the predictive chance of the draws too.
"""

from __future__ import annotations

import itertools
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .belief import Belief, count
from .grid import Grid
from .label_set import LabelSet
from .votes import Design

if TYPE_CHECKING:
    import xarray as xr

    from .rater_model import RaterModel

__all__ = ["Diagnostics", "RaterFit", "fit_fast", "fit_nuts", "grid_of_draws", "quiet", "require_settings"]

Floats = NDArray[np.float64]
_PARTS = 64


@dataclass(frozen=True)
class Diagnostics:
    """Whether the chains of a fit agree.

    Attributes
    ----------
    rhat : float
        Largest rank-normalised split R-hat of all parameters (Vehtari et al. 2021), and whose it is.
    bulk, tail : float
        Smallest effective sample sizes, in the bulk and in the tails.
    divergences : int
        Draws whose trajectory diverged.
    worst : str
        Parameter with the largest R-hat.
    """

    rhat: float
    bulk: float
    tail: float
    divergences: int
    worst: str

    @property
    def converged(self) -> bool:
        """R-hat below 1.01, both effective sample sizes above 400, no divergence."""
        return self.rhat < 1.01 and min(self.bulk, self.tail) > 400 and not self.divergences

    def remark(self) -> str | None:
        """What is to be said of chains that have not converged; None of those that have.

        Examples
        --------
        >>> Diagnostics(1.0, 900.0, 700.0, 0, "mean").remark() is None
        True
        >>> Diagnostics(1.02, 900.0, 310.4, 2, "mean").remark().split("; ")[0]
        'the chains have not converged: R-hat 1.020 of mean, 310 effective draws, 2 divergences'
        """
        if self.converged:
            return None
        return (
            f"the chains have not converged: R-hat {self.rhat:.3f} of {self.worst}, {min(self.bulk, self.tail):.0f} "
            f"effective draws, {self.divergences} divergences; R-hat should be below 1.01, effective draws above 400, "
            "with no divergences: more draws after more tuning, or a higher target_accept, may help"
        )


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
        """Number of draws of all chains, S."""
        sizes = self.data["posterior"].sizes
        return int(sizes["chain"] * sizes["draw"])

    @property
    def draws(self) -> dict[str, NDArray[Any]]:
        """Parameters by name, chains laid end to end: arrays of shape (S, ...)."""
        posterior = self.data["posterior"].dataset
        return {str(k): x.values.reshape(-1, *x.shape[2:]) for k, x in posterior.data_vars.items()}

    def diagnostics(self) -> Diagnostics:
        """Convergence of the sampled parameters.

        Raises
        ------
        ValueError
            For a fit that was not sampled.
        """
        import arviz as az

        if self.method != "nuts":
            raise ValueError("method is 'fast', of which there are no diagnostics; they are of the chains of 'nuts'")
        sampled = self.data["posterior"].dataset[self.data.attrs["sampled"].split()]
        rhat, bulk, tail = az.rhat(sampled), az.ess(sampled, method="bulk"), az.ess(sampled, method="tail")
        largest = {str(name): float(rhat[name].max()) for name in sampled.data_vars}
        worst = max(largest, key=lambda name: largest[name])
        smallest = [min(float(x[name].min()) for name in sampled.data_vars) for x in (bulk, tail)]
        diverging = int(self.data["sample_stats"]["diverging"].sum())
        return Diagnostics(largest[worst], smallest[0], smallest[1], diverging, worst)

    def tail(self, threshold: ArrayLike = 0.5, *, group: str | None = None) -> Floats:
        """P(alpha_i > t_i) of each item, and of each group where the rates differ by group.

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
        """Standard error of ``tail`` that comes from having finitely many draws; shape as ``tail``.

        What a fast method adds to it by approximating is not in it; see ``fit_fast``.
        """
        import arviz as az

        tails = self._tails(threshold, group)
        if self.method == "fast" and self.model.fast_is_independent:
            return np.asarray(tails.std(axis=0) / np.sqrt(self.size))
        sizes = self.data["posterior"].sizes
        kept = tails.reshape(sizes["chain"], sizes["draw"], *tails.shape[1:])
        # Where all draws agree, the estimate of the effective sample size is undefined and the error 0.
        found = az.mcse(kept, chain_axis=0, draw_axis=1)
        return np.where(tails.std(axis=0) > 0, found, 0.0)

    def _tails(self, threshold: ArrayLike, group: str | None) -> Floats:
        bar = self._thresholds(threshold)
        draws, design = self.draws, Design.of(self.labels)
        which = None if group is None else self.model.group_index(design, group)
        if draws["rate"].ndim == 3:
            bar = bar[:, None]
        tails = self.model.conditional_tails(draws, design, self.labels.labels.astype(np.int64), bar)
        return tails if which is None else tails[:, :, which]

    def _thresholds(self, threshold: ArrayLike) -> Floats:
        bar = np.asarray(threshold, dtype=np.float64)
        if bar.shape not in ((), (self.labels.n_items,)):
            raise ValueError(
                f"threshold has shape {bar.shape}; it must be a number, or have shape ({self.labels.n_items},)"
            )
        for t in bar.reshape(-1)[~((bar > 0) & (bar < 1)).reshape(-1)]:
            raise ValueError(f"threshold is {t}; it must lie strictly between 0 and 1")
        return np.broadcast_to(bar, self.labels.n_items)

    def beliefs(
        self, threshold: ArrayLike | None = None, *, parts: int = _PARTS, group: str | None = None
    ) -> list[Belief]:
        """Belief about each item after these votes, for ``Problem(prior=...)``.

        The beliefs are marginal: what a future label of one item says about the others is not in them. Where the rates
        differ by group, they are about the population's rate, the groups weighted by their shares among the votes.

        Parameters
        ----------
        threshold : float or array_like, shape (N,), optional
            Thresholds that the beliefs will be used with: they then have exactly the tails of the draws. Beliefs of
            partial-pooling do not look at it: they are mixtures of Betas, whose tails are as near as so many
            components are.
        parts : int
            Points of a grid.
        group : str, optional
            Group whose rates they are about, where the rates differ by group.

        Returns
        -------
        list of Belief, length N
        """
        if count("parts", parts) < 2:
            raise ValueError(f"parts is {parts}; it must be at least 2")
        bar = None if threshold is None else self._thresholds(threshold)
        label = self.labels.labels.astype(np.int64)
        design = Design.of(self.labels)
        return self.model.item_beliefs(self.model.for_group(self.draws, design, group), design, label, bar, parts)

    def new_item(self, *, parts: int = _PARTS, seed: int = 0, group: str | None = None) -> Belief:
        """Belief about an item that nobody has labelled yet: the prior that the votes have taught.

        Parameters
        ----------
        parts : int
            Points of a grid, or components of a mixture.
        seed : int
            For models that draw the rates of new items.
        group : str, optional
            As in ``beliefs``.
        """
        if count("parts", parts) < 2:
            raise ValueError(f"parts is {parts}; it must be at least 2")
        draws = self.model.for_group(self.draws, Design.of(self.labels), group)
        return self.model.new_item_belief(draws, np.random.default_rng(seed), parts)


def grid_of_draws(rate: Floats, chance: Floats, threshold: float | None, parts: int) -> Grid:
    """Belief with the distribution of S draws of a rate, and of the chance that a label is a win."""
    order = np.argsort(rate, kind="stable")
    rates, chances = rate[order], chance[order]
    cuts = np.linspace(0, len(rates), min(parts, len(rates)) + 1).round().astype(np.int64)
    if threshold is not None:
        cuts = np.unique(np.append(cuts, np.searchsorted(rates, threshold, side="right")))
    size = np.diff(cuts)
    points = np.add.reduceat(rates, cuts[:-1]) / size
    heard = np.add.reduceat(chances, cuts[:-1]) / size
    # Means of equal draws may differ in their last digit.
    points, heard = np.clip(points, rates[cuts[:-1]], rates[cuts[1:] - 1]), np.clip(heard, 0.0, 1.0)
    distinct, which = np.unique(points, return_inverse=True)
    weight = np.bincount(which, weights=size)
    mean = np.bincount(which, weights=size * heard) / weight
    if np.array_equal(rate, chance):
        return Grid(tuple(distinct), tuple(weight))
    from scipy.optimize import isotonic_regression

    # A channel does not decrease; the uncertainty about it may make averages do so. Neighbours that fall are pooled,
    # which keeps the belief's mean: the chance that the next label is a win.
    through = isotonic_regression(mean, weights=weight).x
    return Grid(tuple(distinct), tuple(weight), tuple(np.clip(through, 0.0, 1.0)))


def fit_nuts(
    model: RaterModel,
    labels: LabelSet,
    *,
    seed: int,
    draws: int,
    tune: int,
    chains: int,
    cores: int | None,
    sampler: str,
    target_accept: float,
    progress: bool | Callable[[int, int], object],
) -> RaterFit:
    """Fit by the No-U-Turn sampler; see ``RaterModel.fit``."""
    require_settings(
        seed=seed,
        draws=draws,
        tune=tune,
        chains=chains,
        cores=cores,
        sampler=sampler,
        target_accept=target_accept,
    )
    import pymc as pm
    from joblib import cpu_count

    design, label = Design.of(labels), labels.labels.astype(np.int64)
    root = np.random.SeedSequence(seed)
    sampling, completing = root.spawn(2)
    bar, told = (progress, None) if isinstance(progress, bool) else (False, progress)
    steps = itertools.count(1)

    def step(**_: Any) -> None:
        told(next(steps), chains * (tune + draws))  # type: ignore[misc]

    with quiet(bar), model.build(design, label) as built:
        data = pm.sample(
            draws,
            tune=tune,
            chains=chains,
            cores=min(chains, cores or cpu_count()),
            random_seed=sampling.generate_state(chains).tolist(),
            nuts_sampler=sampler,
            backend="numba",
            nuts={"target_accept": target_accept},
            progressbar=bar,
            # PyMC calls nothing back from other samplers.
            callback=step if told and sampler == "pymc" else None,
            compute_convergence_checks=False,
        )
    if data["posterior"].sizes["draw"] < draws:
        # PyMC returns what it has after Ctrl-C.
        raise KeyboardInterrupt
    free = [variable.name for variable in built.free_RVs]
    return _completed(model, labels, data, " ".join(free), "nuts", np.random.default_rng(completing))


def fit_fast(model: RaterModel, labels: LabelSet, *, seed: int, draws: int) -> RaterFit:
    """Fit by the model's fast approximation.

    Draws of contaminated, one-coin and dawid-skene are those of a chain, one after the other. All others are
    independent given the approximation; but those of rater-bias, rater-skill and grouped come from a common design of
    at most 128 points, chosen at random, so that their error has a part that more draws do not lower.
    """
    import arviz as az

    if count("draws", draws) < 4:
        raise ValueError(f"draws is {draws}; it must be at least 4")
    rng = np.random.default_rng(count("seed", seed))
    found = model.approximate(Design.of(labels), labels.labels.astype(np.int64), rng, draws)
    data = az.from_dict({"posterior": {name: x[None] for name, x in found.items()}})
    return _completed(model, labels, data, "", "fast", rng)


def _completed(
    model: RaterModel, labels: LabelSet, data: xr.DataTree, sampled: str, method: str, rng: np.random.Generator
) -> RaterFit:
    """Fit with named dimensions, the variables that follow from the draws, and the votes."""
    import xarray as xr

    design, label = Design.of(labels), labels.labels.astype(np.int64)
    posterior = data["posterior"].dataset
    sizes = posterior.sizes["chain"], posterior.sizes["draw"]
    flat = {str(k): x.values.reshape(-1, *x.shape[2:]) for k, x in posterior.data_vars.items()}
    found: Mapping[str, NDArray[Any]] = flat | model.complete(flat, design, label, rng)
    named = {name: (("chain", "draw", *model.dims[name]), x.reshape(*sizes, *x.shape[1:])) for name, x in found.items()}
    coords = {"chain": posterior["chain"], "draw": posterior["draw"]} | model.coords(design)
    tree = {"posterior": xr.Dataset(named, coords=coords, attrs=posterior.attrs)}
    if "sample_stats" in data.children:
        tree["sample_stats"] = data["sample_stats"].dataset
    votes = {"label": ("vote", label), "item_of": ("vote", design.item), "rater_of": ("vote", design.rater)}
    if design.group is not None:
        votes["group_of"] = ("vote", design.group)
    tree["observed_data"] = xr.Dataset(votes)
    whole = xr.DataTree.from_dict(tree)
    whole.attrs = {"model": model.name, "method": method, "sampled": sampled}
    return RaterFit(model, labels, whole, method)


def require_settings(
    *,
    seed: int,
    draws: int,
    tune: int,
    chains: int,
    cores: int | None = None,
    sampler: str = "pymc",
    target_accept: float = 0.9,
) -> None:
    """Refuse settings of the sampler that are outside their range; see ``RaterModel.fit``."""
    for field, value, least in (("draws", draws, 4), ("tune", tune, 1), ("chains", chains, 1), ("seed", seed, 0)):
        if count(field, value) < least:
            raise ValueError(f"{field} is {value}; it must be at least {least}")
    if cores is not None and count("cores", cores) < 1:
        raise ValueError(f"cores is {cores}; it must be at least 1")
    if not 0 < target_accept < 1:
        raise ValueError(f"target_accept is {target_accept}; it must lie strictly between 0 and 1")
    if sampler not in ("pymc", "nutpie"):
        raise ValueError(f"sampler is {sampler!r}; allowed: pymc, nutpie")
    if sampler == "nutpie":
        from importlib.util import find_spec

        if find_spec("nutpie") is None:
            raise ValueError("sampler is 'nutpie', which is not installed; install it, or use 'pymc'")


@contextmanager
def quiet(progress: bool = False) -> Iterator[None]:
    """Keep PyMC's remarks to itself: what they say is in the diagnostics."""
    logger = logging.getLogger("pymc")
    before = logger.level
    logger.setLevel(logging.INFO if progress else logging.ERROR)
    try:
        with warnings.catch_warnings():
            # PyTensor's and Numba's remarks on compilation.
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)
