"""Fits of models of raters, by PyMC's sampler or by the fast approximation of the model."""

from __future__ import annotations

import itertools
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..foundation.memory import require_memory
from ..foundation.processors import processors
from ..foundation.progress import Progress, progress_of
from ..foundation.refusals import one_of, probability, whole
from ..votes.design import Design
from ..votes.label_set import LabelSet
from .asking import ask_completion, ask_draws
from .fit import RaterFit

if TYPE_CHECKING:
    import xarray as xr

    from .model import RaterModel

__all__ = ["SamplerSettings", "fit_fast", "fit_nuts", "quiet"]


# What PyMC says after Ctrl-C where there are no draws yet.
_NO_DRAWS = ("No traces to slice.", "Not enough samples to build a trace.")
# Chains of a fast fit whose draws are dependent, and the shortest of several: none has fewer draws than there are
# chains. Of two modes that starts reach equally often, eight chains miss one in 1 of 128 fits.
_STARTS, _SHORTEST = 8, 8


@dataclass(frozen=True)
class SamplerSettings:
    """Settings of the No-U-Turn sampler, validated; see ``RaterModel.fit``."""

    seed: int
    draws: int
    tune: int
    chains: int
    target_accept: float = 0.9
    cores: int | None = None
    sampler: str = "pymc"

    def __post_init__(self) -> None:
        for field, least in (("draws", 4), ("tune", 1), ("chains", 1), ("seed", 0)):
            whole(field, getattr(self, field), least)
        if self.cores is not None:
            whole("cores", self.cores, least=1)
        probability("target_accept", self.target_accept)
        one_of("sampler", self.sampler, ("pymc", "nutpie"))
        if self.sampler == "nutpie":
            from importlib.util import find_spec

            if find_spec("nutpie") is None:
                raise ValueError("sampler is 'nutpie', which is not installed; install it, or use 'pymc'")


def fit_nuts(model: RaterModel, labels: LabelSet, settings: SamplerSettings, progress: Progress | bool) -> RaterFit:
    """Fit by the No-U-Turn sampler; see ``RaterModel.fit``."""
    import pymc as pm

    design, label = Design.of(labels), labels.labels.astype(np.int64)
    root = np.random.SeedSequence(settings.seed)
    sampling, completing = root.spawn(2)
    bar = progress is True
    told = progress_of(False if bar else progress, "fitting")
    steps = itertools.count(1)

    def step(**_: Any) -> None:
        told(next(steps), settings.chains * (settings.tune + settings.draws))  # type: ignore[misc]

    with quiet(bar), model.build(design, label) as built:
        try:
            data = pm.sample(
                settings.draws,
                tune=settings.tune,
                chains=settings.chains,
                cores=min(settings.chains, settings.cores or processors()),
                random_seed=sampling.generate_state(settings.chains).tolist(),
                nuts_sampler=settings.sampler,
                backend="numba",
                nuts={"target_accept": settings.target_accept},
                progressbar=bar,
                # PyMC supports the callback only with its own sampler.
                callback=step if told and settings.sampler == "pymc" else None,
                compute_convergence_checks=False,
            )
        except ValueError as error:
            if str(error) in _NO_DRAWS:
                raise KeyboardInterrupt from None
            raise
    if data["posterior"].sizes["chain"] < settings.chains or data["posterior"].sizes["draw"] < settings.draws:
        # After Ctrl-C PyMC returns the draws made so far.
        raise KeyboardInterrupt
    free = [variable.name for variable in built.free_RVs]
    return _completed(model, labels, data, " ".join(free), "nuts", np.random.default_rng(completing))


def fit_fast(model: RaterModel, labels: LabelSet, *, seed: int, draws: int) -> RaterFit:
    """Fit by the model's fast approximation.

    Draws of contaminated, one-coin and dawid-skene are those of eight chains with starts of their own, of equal length:
    their number is rounded up to a multiple of eight. A chain that does not leave the first mode that it finds would
    take this mode for the whole posterior; several chains disagree then, and ``RaterFit.remark`` says so. Below 64
    draws chains are fewer, each of at least eight if there are as many. Draws of rater-bias, rater-skill and grouped
    are eight sets, each with a random design of its own of at least 32 points: draws of one set share the error of its
    design, and the differences between the sets tell how large it is. Draws of all other models are independent given
    the approximation.
    """
    import arviz as az

    whole("draws", draws, least=4)
    # Rates, and what is computed with them, of each draw.
    require_memory(24.0 * draws * labels.n_items, what=f"{draws:,} draws", instead="take fewer of them")
    rng = np.random.default_rng(whole("seed", seed))
    design, label = Design.of(labels), labels.labels.astype(np.int64)
    chains = 1 if model.fast_is_independent else max(1, min(_STARTS, draws // _SHORTEST))
    own = rng.spawn(chains) if chains > 1 else [rng]
    found = [ask_draws(model, design, label, one, -(-draws // chains)) for one in own]
    data = az.from_dict({"posterior": {name: np.stack([x[name] for x in found]) for name in found[0]}})
    return _completed(model, labels, data, "", "fast", rng)


def _completed(
    model: RaterModel, labels: LabelSet, data: xr.DataTree, sampled: str, method: str, rng: np.random.Generator
) -> RaterFit:
    """Fit with named dimensions, the variables computed from the draws, and the votes."""
    import xarray as xr

    design, label = Design.of(labels), labels.labels.astype(np.int64)
    posterior = data["posterior"].dataset
    sizes = posterior.sizes["chain"], posterior.sizes["draw"]
    flat = {str(k): x.values.reshape(-1, *x.shape[2:]) for k, x in posterior.data_vars.items()}
    found = ask_completion(model, flat, design, label, rng)
    # In the order in which a file holds them: sums of a fit that is read back then round as those of the fit itself.
    plain = {name: np.ascontiguousarray(x).reshape(*sizes, *x.shape[1:]) for name, x in found.items()}
    named = {name: (("chain", "draw", *model.dims[name]), x) for name, x in plain.items()}
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


@contextmanager
def quiet(progress: bool = False) -> Iterator[None]:
    """Silence PyMC's log messages and warnings, which the diagnostics make redundant, and leave no temporary files."""
    logger = logging.getLogger("pymc")
    before = logger.level
    logger.setLevel(logging.INFO if progress else logging.ERROR)
    try:
        with warnings.catch_warnings():
            # Warnings of PyTensor and Numba about compilation.
            warnings.simplefilter("ignore")
            with _sources_in_cache():
                yield
    finally:
        logger.setLevel(before)


@contextmanager
def _sources_in_cache() -> Iterator[None]:
    """Let PyTensor keep the sources it generates with its compiled code, where it also removes old ones.

    By default it writes a temporary file for each compiled function, and never removes it.
    """
    from pytensor.configdefaults import config

    place = Path(config.compiledir) / "generated"
    # Older versions have no such setting.
    if getattr(config, "generated_src_dir", None) != "" or not os.access(place.parent, os.W_OK):
        yield
        return
    with config.change_flags(generated_src_dir=str(place)):
        yield
