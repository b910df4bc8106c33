"""Tools of the models with additive log-odds: sum-to-zero effects and the chance of a fresh rater's vote."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

from ..foundation.arrays import Floats

__all__ = ["add_votes", "along", "fresh_chance", "sum_to_zero"]

_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(24)

_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()


def sum_to_zero(rng: np.random.Generator, size: int) -> Floats:
    """Standard Normal draws minus their mean, distributed as standard Normals conditional on a sum of zero."""
    z = rng.standard_normal(size)
    return np.asarray(z - z.mean())


def along(values: NDArray[Any], rate: Floats) -> Floats:
    """One value for each draw, reshaped to broadcast with ``rate``, shape (S, ...)."""
    return np.asarray(values, dtype=np.float64).reshape(-1, *[1] * (rate.ndim - 1))


def fresh_chance(x: Floats, sd: Floats) -> Floats:
    """E sigma(x + sd Z), by Gauss-Hermite quadrature."""
    total = np.zeros(np.broadcast_shapes(x.shape, sd.shape))
    for z, weight in zip(_NODES, _WEIGHTS, strict=True):
        total += weight * scipy.special.expit(x + sd * z)
    return total


def add_votes(votes: Any, eta: Any) -> None:
    """Add the likelihood of 0/1 votes with log-odds eta to the current PyMC model."""
    import pymc as pm
    import pytensor.tensor as pt

    pm.Potential("votes", (votes * eta - pt.softplus(eta)).sum())
