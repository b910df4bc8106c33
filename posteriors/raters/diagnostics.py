"""Convergence diagnostics of the chains of a fit, and standard errors of averages over their draws."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..foundation.arrays import Floats

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Diagnostics", "disagreement", "error_of_mean"]

# Chains of a fast fit disagree about a chance if R-hat and the standard error between chains are above these.
_RHAT, _APART = 1.2, 0.05
# Number of chains from which on the variance of their means is known well enough.
_MANY = 8


@dataclass(frozen=True)
class Diagnostics:
    """Convergence diagnostics of the chains of a fit.

    Of all parameters the worst counts; ``converged`` says whether that one is good enough.

    Attributes
    ----------
    rhat : float
        Largest rank-normalised split R-hat of all parameters (Vehtari et al. 2021).
    bulk, tail : float
        Smallest effective sample sizes of all parameters, in the bulk and in the tails.
    divergences : int
        Number of draws whose trajectory diverged.
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
        """True if R-hat is below 1.01, both effective sample sizes are above 400 and no trajectory diverged."""
        return self.rhat < 1.01 and min(self.bulk, self.tail) > 400 and not self.divergences

    def remark(self) -> str | None:
        """Warning about chains that have not converged.

        Returns
        -------
        str or None
            None for chains that have converged.

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


def error_of_mean(draws: Floats) -> Floats:
    """Monte Carlo standard error of the mean of draws, from their effective number.

    Chains that disagree have a small effective number, so that the error contains the differences between chains. Short
    chains overestimate it if they seldom move from one mode to another; with eight chains or more, the error is at
    least the one that their means have as independent estimates.

    Parameters
    ----------
    draws : ndarray, shape (chains, draws, ...)

    Returns
    -------
    ndarray, shape (...)
        0 where all draws are equal.

    Examples
    --------
    >>> draws = np.zeros((8, 50, 2))
    >>> draws[4:, :, 1] = 1.0
    >>> error_of_mean(draws).round(2).tolist()
    [0.0, 0.19]
    """
    import arviz as az

    error: Floats = np.zeros(draws.shape[2:])
    # Where all draws agree the library's estimate is undefined.
    moving = draws.std(axis=(0, 1)) > 0
    if moving.any():
        error[moving] = az.mcse(draws[..., moving], chain_axis=0, draw_axis=1)
    if len(draws) < _MANY:
        return error
    between: Floats = draws.mean(axis=1).std(axis=0, ddof=1) / np.sqrt(len(draws))
    return np.maximum(error, between)


def disagreement(chances: xr.Dataset) -> str | None:
    """Remark about chains that found different modes: those of a fast fit, whose draws are few and dependent.

    Parameters
    ----------
    chances : xarray.Dataset
        Chances over the dimensions chain and draw, and at most others.

    Returns
    -------
    str or None
        None if no two chains disagree by more than the length of such chains explains.

    Examples
    --------
    >>> import xarray as xr
    >>> draws = np.random.default_rng(7).uniform(0.0, 0.1, (8, 50, 3))
    >>> draws[:3, :, 1] += 0.9
    >>> told = disagreement(xr.Dataset({"answer_chance": (("chain", "draw", "item"), draws)}))
    >>> told.split(":")[0]
    'the 8 chains of the fast method disagree about 1 of 3 items (answer_chance, R-hat 1.68)'
    """
    import arviz as az

    chains, worst, told = chances.sizes["chain"], 0.0, None
    if chains < 2:
        return None
    for name, values in chances.data_vars.items():
        draws = values.values.reshape(*values.shape[:2], -1)
        error = draws.mean(axis=1).std(axis=0, ddof=1) / np.sqrt(chains)
        apart = error > _APART
        if not apart.any():
            continue
        rhat = np.ones(error.size)
        # Chains without any spread of their own have an infinite R-hat.
        with np.errstate(divide="ignore", invalid="ignore"):
            rhat[apart] = az.rhat(draws[:, :, apart], chain_axis=0, draw_axis=1)
        rhat = np.nan_to_num(rhat, nan=np.inf)
        apart &= rhat > _RHAT
        if not apart.any() or error[apart].max() <= worst:
            continue
        worst, largest = float(error[apart].max()), float(rhat[apart].max())
        called = f"R-hat {largest:.2f}" if largest < 100 else "R-hat above 100"
        what, size = str(name), values.shape[2:]
        if size:
            number = int(apart.reshape(size[0], -1).any(axis=1).sum())
            what, called = f"{number} of {size[0]} {values.dims[2]}s", f"{name}, {called}"
        told = (
            f"the {chains} chains of the fast method disagree about {what} ({called}): they are too short, and more "
            "draws help, or the posterior has several modes, and averages are shares of chains rather than "
            "probabilities; standard errors contain the differences between chains"
        )
    return told
