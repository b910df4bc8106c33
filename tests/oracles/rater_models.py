"""What the tests of rater models share: log densities of PyMC models at chosen points, and how two fits differ."""

from __future__ import annotations

import numpy as np


def log_densities(model, points: int = 3, seed: int = 7):
    """At random points: values of the sampled variables, log density, and log Jacobian of PyMC's transforms."""
    variables = model.free_RVs
    values = model.compile_fn(model.replace_rvs_by_values(variables), mode="FAST_COMPILE")
    plain = model.compile_logp(jacobian=False, mode="FAST_COMPILE")
    moved = model.compile_logp(jacobian=True, mode="FAST_COMPILE")
    rng = np.random.default_rng(seed)
    for _ in range(points):
        point = {name: rng.normal(0.0, 0.7, np.shape(x)) for name, x in model.initial_point().items()}
        found = {variable.name: x for variable, x in zip(variables, values(point), strict=True)}
        # The log transforms of the standard deviations are not part of what is checked.
        logs = sum(float(x) for name, x in point.items() if name.endswith("_log__"))
        yield found, float(plain(point)), float(moved(point)) - float(plain(point)) - logs


def log_normal(x, mean, sd):
    """Log density of a Normal."""
    return float(np.sum(-0.5 * ((x - mean) / sd) ** 2 - np.log(sd) - 0.5 * np.log(2 * np.pi)))


def log_half_normal(x, scale):
    """Log density of a half-normal."""
    return float(np.log(2) + log_normal(x, 0.0, scale))


def log_zero_sum(x, sd):
    """Log density of Normals that sum to zero, on the plane where they do."""
    assert abs(np.sum(x)) < 1e-9
    return log_normal(x, 0.0, sd) + 0.5 * np.log(2 * np.pi) + np.log(sd)


def log_bernoulli(label, chance):
    """Log-probability of votes."""
    return float(sum(np.log(p if y else 1 - p) for y, p in zip(label, chance, strict=True)))


def tails_apart(one, other, threshold=0.5):
    """Mean and largest absolute difference between the tails of two fits."""
    apart = np.abs(one.tail(threshold) - other.tail(threshold))
    return float(apart.mean()), float(apart.max())
