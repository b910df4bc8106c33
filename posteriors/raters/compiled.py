"""Sampler of a rater model that is compiled once for a design and reused for any outcomes of that design.

``pymc.sample`` derives and compiles the gradient of each model anew, which for small sets of votes takes longer than
the sampling. Here the model is built once; other outcomes of the same design enter through ``RaterModel.data``, and the
No-U-Turn step of PyMC (Hoffman and Gelman 2014) is called in a plain loop.

The mass matrix consists of posterior variances on the unconstrained scale. A long pilot run on outcomes of the same
design estimates them; each run starts from these estimates and tunes little more than its step size. As by PyMC's
default, a chain starts at the model's initial point, moved by Uniform(-1, 1) in each coordinate.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..foundation.arrays import Floats, Ints
from ..votes.design import Design
from .sampling import quiet

if TYPE_CHECKING:
    from .model import RaterModel

__all__ = ["RaterSampler"]

# PyMC's default: half the gradients of 0.9, and chains are short.
_TARGET = 0.8
_PILOT_TUNE, _PILOT_DRAWS = 350, 150
# Weight of the pilot's variances, in draws, relative to those of a run's tuning.
_WEIGHT = 20


class RaterSampler:
    """Single chains of a rater model's posterior, for any outcomes of one design.

    Parameters
    ----------
    model : RaterModel
    design : Design
    label : ndarray of int64, shape (V,)
        Outcomes of the pilot run.
    seed : int or SeedSequence
        Seed of the pilot run.

    Examples
    --------
    >>> import numpy as np
    >>> from seqaudit import Design, PartialPooling
    >>> model, design = PartialPooling(), Design.balanced(items=4, raters=3, votes_per_item=3)
    >>> label = np.array([1, 1, 1, 0, 1, 1, 0, 0, 0, 1, 0, 1])
    >>> sampler = RaterSampler(model, design, label, seed=7)
    >>> draws = sampler.run(label, np.random.default_rng(7), draws=40, thin=2, tune=100)
    >>> {name: x.shape for name, x in draws.items()}
    {'mean': (40,), 'size': (40,), 'a': (40,), 'b': (40,), 'rate': (40, 4)}
    """

    def __init__(self, model: RaterModel, design: Design, label: Ints, *, seed: int | np.random.SeedSequence) -> None:
        from pymc.blocking import DictToArrayBijection
        from pymc.initial_point import make_initial_point_fn

        self.model, self.design = model, design
        with quiet(), model.build(design, label) as built:
            self._built = built
            self._logp: Any = built.logp_dlogp_function(ravel_inputs=True, mode="NUMBA")
            # Points are always arrays of doubles, so checks at each of thousands of calls are skipped.
            self._logp._pytensor_function.trust_input = True
            kept = [*built.free_RVs, *built.deterministics]
            self._names = [x.name for x in kept]
            # For transformed variables the names of the values differ from those of the variables.
            self._natural: Any = built.compile_fn(
                built.replace_rvs_by_values(kept), inputs=built.value_vars, mode="NUMBA", on_unused_input="ignore"
            )
            # ``initial_point`` compiles this at each call. The initial point may depend on the votes, which change.
            self._initial = make_initial_point_fn(model=built)
            self._start = DictToArrayBijection.map(self._initial(0))
        self._middle, self._variance = np.zeros(self.size), np.ones(self.size)
        pilot = np.random.default_rng(seed)
        found = np.array(self._chain(label, pilot, _PILOT_DRAWS, 1, _PILOT_TUNE, weight=1))
        self._middle, self._variance = found.mean(axis=0), found.var(axis=0) + 1e-12

    @property
    def size(self) -> int:
        """Number of coordinates that are sampled."""
        return int(self._start.data.size)

    def run(self, label: Ints, rng: np.random.Generator, *, draws: int, thin: int, tune: int) -> dict[str, Any]:
        """Draws of all variables given outcomes, every ``thin``-th of a chain.

        Parameters
        ----------
        label : ndarray of int64, shape (V,)
        rng : Generator
        draws, thin, tune : int
            Number of draws kept, of steps from one to the next, and of tuning steps discarded before the first.

        Returns
        -------
        dict of str to ndarray, shape (draws, ...)
        """
        from pymc.blocking import DictToArrayBijection, RaveledVars

        shapes = self._start.point_map_info
        points = self._chain(label, rng, draws, thin, tune, weight=_WEIGHT)
        found = [self._natural(DictToArrayBijection.rmap(RaveledVars(q, shapes))) for q in points]
        flat = {name: np.array([x[k] for x in found]) for k, name in enumerate(self._names)}
        return flat | self.model.complete(flat, self.design, label, rng)

    def _chain(
        self, label: Ints, rng: np.random.Generator, draws: int, thin: int, tune: int, *, weight: int
    ) -> list[Floats]:
        """Positions on the unconstrained scale."""
        import pymc as pm
        from pymc.blocking import DictToArrayBijection, RaveledVars
        from pymc.step_methods.hmc.quadpotential import QuadPotentialDiagAdapt

        with self._built:
            pm.set_data(self.model.data(self.design, label))
            point = self._initial(0)
            step = pm.NUTS(
                model=self._built,
                logp_dlogp_func=self._logp,
                initial_point=point,
                target_accept=_TARGET,
                potential=QuadPotentialDiagAdapt(self.size, self._middle, self._variance, weight, rng=rng.spawn(1)[0]),
                rng=rng.spawn(1)[0],
            )
        jitter = rng.uniform(-1.0, 1.0, self.size)
        at = RaveledVars(DictToArrayBijection.map(point).data + jitter, self._start.point_map_info)
        kept = []
        with quiet():
            for _ in range(tune):
                at, _ = step.astep(at)
            step.stop_tuning()
            for k in range(1, draws * thin + 1):
                at, _ = step.astep(at)
                if k % thin == 0:
                    kept.append(at.data.copy())
        return kept
