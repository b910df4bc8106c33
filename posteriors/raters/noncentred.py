"""Non-centred Normal effects: the sampler moves them in units of their standard deviation.

If votes carry little information about the effects u ~ Normal(mu, tau^2), a sampler is inefficient in u: at small tau
all effects must be close together, a funnel that no step size suits. z = (u - mu) / tau has no funnel
(Papaspiliopoulos, Roberts and Skold 2007). If every effect has many votes, the opposite holds: the votes determine u,
and tau and z are strongly correlated.

Here z is a transform of u and not a separate variable, so that the model, its draws and their diagnostics contain only
u. The Jacobian of u = mu + tau z is tau for each effect. For effects that sum to zero it is tau^(K - 1), because z is
mapped to K - 1 free numbers by an isometry.
"""

from __future__ import annotations

from typing import Any

__all__ = ["MANY_VOTES", "normal_effects", "zero_sum_effects"]

# Average number of votes for each effect from which the effects are sampled in the centred form.
MANY_VOTES = 40


def normal_effects(name: str, mean: Any, sd: Any, shape: int | tuple[int, ...], votes: int, start: Any = None) -> Any:
    """PyMC variable of independent Normal effects, centred or not depending on the total number of votes.

    Chains start at ``start`` if it is given.
    """
    import pymc as pm

    effects = shape if isinstance(shape, int) else shape[0] * shape[1]
    if votes >= MANY_VOTES * effects:
        return pm.Normal(name, mean, sd, shape=shape, initval=start)
    return pm.Normal(name, mean, sd, shape=shape, initval=start, default_transform=_standard())


def zero_sum_effects(name: str, sd: Any, size: int, votes: int) -> Any:
    """PyMC variable of Normal effects that sum to zero, centred or not depending on the total number of votes."""
    import pymc as pm

    if votes >= MANY_VOTES * size:
        return pm.ZeroSumNormal(name, sd, shape=size)
    return pm.ZeroSumNormal(name, sd, shape=size, default_transform=_standard_zero_sum())


def _standard() -> Any:
    import pytensor.tensor as pt
    from pymc.logprob.transforms import Transform

    class Standard(Transform):  # type: ignore[misc]
        name = "standard"

        def forward(self, value: Any, rng: Any, size: Any, mean: Any, sd: Any) -> Any:
            return (value - mean) / sd

        def backward(self, value: Any, rng: Any, size: Any, mean: Any, sd: Any) -> Any:
            return mean + sd * value

        def log_jac_det(self, value: Any, rng: Any, size: Any, mean: Any, sd: Any) -> Any:
            return 0.0 * value + pt.log(sd)

    return Standard()


def _standard_zero_sum() -> Any:
    import pytensor.tensor as pt
    from pymc.distributions.transforms import ZeroSumTransform

    class StandardZeroSum(ZeroSumTransform):  # type: ignore[misc]
        name = "standard_zero_sum"

        def forward(self, value: Any, rng: Any, size: Any, sd: Any, shape: Any) -> Any:
            return super().forward(value / sd)

        def backward(self, value: Any, rng: Any, size: Any, sd: Any, shape: Any) -> Any:
            return sd * super().backward(value)

        def log_jac_det(self, value: Any, rng: Any, size: Any, sd: Any, shape: Any) -> Any:
            return value.shape[-1] * pt.log(sd).sum()

    return StandardZeroSum([-1])
