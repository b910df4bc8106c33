r"""Simulation-based calibration of models of raters.

Draw parameters theta from the prior and votes y given theta, and fit the model to y. Then theta and the draws from the
posterior given y have the same distribution, so the rank of any quantity of theta among its values in L independent
draws is uniform on {0, ..., L} (Cook, Gelman and Rubin 2006; Talts et al. 2018). Ties are broken at random. Over many
replications, ranks that are not uniform show that prior, simulator, density or sampler is wrong: mostly low ranks, that
the posterior is too high; ranks near both ends, that it is too narrow; ranks in the middle, that it is too wide.

Quantities are all scalar parameters; the first and last element of each vector and its mean; and the log-likelihood of
the votes, which reveals faults that parameters alone do not, such as a posterior equal to its prior (Modrak et al.
2023). Variables named ``..._chance`` are probabilities of discrete parameters given the votes. For the true parameters
they are indicators, which have another distribution, so they are left out; the discrete parameters themselves are
ranked.

Each rank becomes u = (rank + Uniform(0, 1)) / (L + 1), uniform on (0, 1) exactly. Each quantity's u are tested by
ArviZ's pointwise order statistics, combined by the Cauchy combination test; Bonferroni's correction bounds the
probability of a false alarm for any of Q quantities. Draws of a chain are dependent: they are thinned, and their
remaining autocorrelation is reported.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ...dp.machine.repeats import require_repeats
from ...posteriors.foundation.arrays import Floats, Ints
from ...posteriors.foundation.kinds import checked
from ...posteriors.foundation.refusals import one_of, probability, whole
from ...posteriors.raters.compiled import RaterSampler
from ...posteriors.raters.model import RaterModel
from ...posteriors.raters.registry import make_rater_model
from ...posteriors.votes.design import Design
from ..runner.executors import Cluster
from ..runner.parts import run_parts
from ..runner.results import result_of

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

__all__ = ["LOG_LIKELIHOOD", "checked_study", "sbc", "sbc_parts", "uniformity"]

LOG_LIKELIHOOD = "log-likelihood"
# Replications of a part, the most that an interruption loses per worker.
_PART = 10
# Ending of the names of variables that are not parameters.
_CHANCE = "_chance"
# Spread below this is rounding, relative to the size of the values; for the mean of a vector, relative to the size of
# its entries, which may sum to zero.
_CONSTANT = 1e-9
# Numbers of the random streams of a whole study, apart from those of its replications.
_PILOT = 2**31


@checked
def sbc(
    model: str | RaterModel,
    *,
    fitted: str | RaterModel | None = None,
    replications: int = 200,
    method: str = "nuts",
    design: Design | None = None,
    draws: int = 63,
    thin: int = 3,
    tune: int = 150,
    seed: int = 7,
    n_jobs: int | Cluster = 1,
    finished: dict[str, xr.Dataset] | None = None,
    on_part: Callable[[str, xr.Dataset], None] | None = None,
) -> xr.Dataset:
    """Ranks of true values among draws from the posterior, over replications of simulated votes.

    Parameters
    ----------
    model : RaterModel or registered name
        Model from which parameters and votes are drawn.
    fitted : RaterModel or registered name, optional
        Model that is fitted, if it is another one with the same parameters; default: `model`.
    replications : int
    method : {"nuts", "fast"}
        Method of fitting; see ``RaterModel.fit``.
    design : Design, optional
        Rater and item of each vote; default: 5 votes on each of 20 items, by 8 raters.
    draws : int
        Number L of draws among which the true value is ranked.
    thin, tune : int
        Steps of the chain from one of these draws to the next, and steps discarded before; for ``method="nuts"``.
    seed : int
    n_jobs, finished, on_part
        As for ``vary``; parts are named by ``sbc_parts``.

    Returns
    -------
    xarray.Dataset
        Over the dimensions (replication, quantity): ``rank``, from 0 to L; ``pit``, the rank spread evenly over its
        part of (0, 1); ``true``, the true value; and ``autocorrelation`` of successive draws. Quantities that are
        constant in the model are left out, such as the mean of effects that sum to zero.

    Raises
    ------
    ValueError
        For an unknown model or method, numbers outside their range, and a design that the model cannot be fitted to.

    Examples
    --------
    >>> from seqaudit.benchmarks.calibration.sbc import sbc, uniformity
    >>> found = sbc("partial-pooling", replications=20, method="fast")
    >>> found.sizes["replication"], [str(name) for name in found["quantity"].values][:3]
    (20, ['mean', 'size', 'a'])
    >>> bool(uniformity(found)["alarm"].any())
    False
    """
    import xarray as xr

    drawn = make_rater_model(model)
    other = drawn if fitted is None else make_rater_model(fitted)
    votes = design or Design.balanced(20, 8, 5, groups=2 if drawn.needs_groups else 0)
    settings: dict[str, Any] = {"method": method, "draws": draws, "thin": thin, "tune": tune, "seed": seed}
    checked_study(drawn, other, votes, replications, **settings)
    jobs = {name: partial(_part, drawn, other, votes, part, settings) for name, part in sbc_parts(replications).items()}
    parts = run_parts(jobs, n_jobs, finished, on_part, kind=xr.Dataset)
    whole = xr.concat([parts[name] for name in jobs], dim="replication")
    varies = (whole["spread"] > _CONSTANT).any("replication")
    whole = whole.isel(quantity=np.flatnonzero(varies.values)).drop_vars("spread")
    whole.attrs = {"model": drawn.name, "fitted": other.name, "votes": repr(votes), **settings}
    return whole


def checked_study(
    drawn: RaterModel,
    fitted: RaterModel,
    design: Design,
    replications: int,
    *,
    method: str,
    draws: int,
    thin: int,
    tune: int,
    seed: int,
) -> None:
    """Check settings, and that the model can be fitted to the design; see ``sbc``."""
    for field, value, least in (
        ("replications", replications, 2),
        ("draws", draws, 4),
        ("thin", thin, 1),
        ("tune", tune, 1),
        ("seed", seed, 0),
    ):
        whole(field, value, least)
    one_of("method", method, ("nuts", "fast"))
    require_repeats("replications", replications, seconds=1e-4, memory=16)
    require_repeats("draws of all replications", replications * draws * thin, seconds=1e-8)
    if set(fitted.dims) != set(drawn.dims):
        raise ValueError(f"{fitted.name} cannot be fitted in place of {drawn.name}: their parameters differ")
    fitted.require(design.labelled(np.zeros(design.size, dtype=np.int64)))


def sbc_parts(replications: int) -> dict[str, range]:
    """Replications of each part, by name.

    Examples
    --------
    >>> list(sbc_parts(25))
    ['replications 0-9', 'replications 10-19', 'replications 20-24']
    """
    starts = range(0, replications, _PART)
    parts = [range(k, min(k + _PART, replications)) for k in starts]
    return {f"replications {part[0]}-{part[-1]}": part for part in parts}


@checked
@result_of("sbc", "pit", "quantity")
def uniformity(result: xr.Dataset, level: float = 0.01) -> pd.DataFrame:
    """Test of the uniformity of ranks, for each quantity.

    Parameters
    ----------
    result : xarray.Dataset
        From ``sbc``.
    level : float
        Probability that a correct model raises at least one alarm, strictly between 0 and 1. The tests are approximate
        and keep to it within a factor of 1.5.

    Returns
    -------
    pandas.DataFrame
        One row for each ``quantity``: ``p_value``; ``mean`` of u, 1/2 if ranks are uniform; ``spread``, 12 times the
        variance of u: above 1 if posteriors are too narrow, below 1 if they are too wide; mean ``autocorrelation`` of
        successive draws; and ``alarm``, True if the p-value is below ``level`` divided by the number of quantities.

    Raises
    ------
    ValueError
        For a level that does not lie strictly between 0 and 1.

    Examples
    --------
    >>> from seqaudit import sbc, uniformity
    >>> found = uniformity(sbc("partial-pooling", replications=20, method="fast"))
    >>> found[["quantity", "alarm"]].head(3).values.tolist()
    [['mean', False], ['size', False], ['a', False]]
    """
    import arviz as az  # noqa: F401  # Registers the accessor.
    import pandas as pd

    probability("level", level)
    p_value, _, _ = result["pit"].azstats.uniformity_test(dim="replication")
    u = result["pit"].values
    return pd.DataFrame(
        {
            "quantity": [str(name) for name in result["quantity"].values],
            "p_value": p_value.values,
            "mean": u.mean(axis=0),
            "spread": 12.0 * u.var(axis=0),
            "autocorrelation": np.nanmean(result["autocorrelation"].values, axis=0),
            "alarm": p_value.values < level / u.shape[1],
        }
    )


def _part(
    drawn: RaterModel, fitted: RaterModel, design: Design, replications: range, settings: dict[str, Any]
) -> xr.Dataset:
    import xarray as xr

    rows = [_replication(drawn, fitted, design, k, settings) for k in replications]
    columns = {
        key: (("replication", "quantity"), np.array([row[key] for row in rows]))
        for key in ("rank", "pit", "true", "autocorrelation", "spread")
    }
    return xr.Dataset(columns, coords={"replication": list(replications), "quantity": rows[0]["name"]})


def _replication(
    drawn: RaterModel, fitted: RaterModel, design: Design, k: int, settings: dict[str, Any]
) -> dict[str, Any]:
    root = np.random.SeedSequence(settings["seed"], spawn_key=(k,))
    simulating, fitting, breaking = root.spawn(3)
    votes = drawn.simulate(simulating, design)
    label = votes.labels.labels.astype(np.int64)
    if settings["method"] == "fast":
        seed = int(fitting.generate_state(1)[0])
        draws = fitted.fit(votes.labels, seed=seed, method="fast", draws=settings["draws"]).draws
    else:
        sampler = _sampler(drawn, fitted, design, settings["seed"])
        steps = {key: settings[key] for key in ("draws", "thin", "tune")}
        draws = sampler.run(label, np.random.default_rng(fitting), **steps)
    true, _ = _quantities(fitted, design, label, {name: np.asarray(votes.truth[name])[None] for name in fitted.dims})
    found, sizes = _quantities(fitted, design, label, draws)
    names = list(true)
    t, x = np.concatenate([true[name] for name in names]), np.stack([found[name] for name in names], axis=1)
    rng = np.random.default_rng(breaking)
    rank = (x < t).sum(axis=0) + rng.integers(0, (x == t).sum(axis=0) + 1)
    both = np.vstack([t, x])
    finite = np.where(np.isfinite(both), both, 0.0)
    size = np.maximum(np.abs(finite).max(axis=0), [sizes.get(name, 0.0) for name in names])
    spread = np.ptp(finite, axis=0) / np.maximum(size, 1e-300)
    pit = (rank + rng.random(len(names))) / (len(x) + 1)
    return {"name": names, "rank": rank, "pit": pit, "true": t, "autocorrelation": _next(x), "spread": spread}


def _quantities(
    model: RaterModel, design: Design, label: Ints, draws: dict[str, Any]
) -> tuple[dict[str, Floats], dict[str, float]]:
    """Quantities to rank, each of shape (S,), from draws of all parameters; and for means, the size of the entries."""
    out: dict[str, Floats] = {}
    sizes: dict[str, float] = {}
    for name, dims in model.dims.items():
        if name.endswith(_CHANCE):
            continue
        x = np.asarray(draws[name], dtype=np.float64)
        if not dims:
            out[name] = x
            continue
        flat = x.reshape(len(x), -1)
        for k in sorted({0, flat.shape[1] - 1}):
            out[f"{name}[{k}]"] = flat[:, k]
        if flat.shape[1] > 2:
            out[f"mean {name}"] = flat.mean(axis=1)
            sizes[f"mean {name}"] = float(np.abs(flat[np.isfinite(flat)]).max(initial=0.0))
    size = len(next(iter(out.values())))
    chances = np.stack([model.chances({name: draws[name][s] for name in model.dims}, design) for s in range(size)])
    with np.errstate(divide="ignore"):
        # A rate may round to 0 or 1.
        out[LOG_LIKELIHOOD] = np.log(np.where(label == 1, chances, 1.0 - chances)).sum(axis=1)
    return out, sizes


def _next(x: Floats) -> Floats:
    """Correlation of successive entries of each column; nan if a column is constant or not finite."""
    with np.errstate(invalid="ignore", divide="ignore"):
        centred = x - x.mean(axis=0)
        return np.asarray((centred[1:] * centred[:-1]).mean(axis=0) / (centred**2).mean(axis=0))


_KEPT: dict[Any, RaterSampler] = {}


def _sampler(drawn: RaterModel, fitted: RaterModel, design: Design, seed: int) -> RaterSampler:
    """Model compiled for the design; the last one is cached within a process, from part to part."""
    group = None if design.group is None else design.group.tobytes()
    key = (drawn, fitted, design.item.tobytes(), design.rater.tobytes(), group, len(design.raters), seed)
    if key not in _KEPT:
        _KEPT.clear()
        simulating, sampling = np.random.SeedSequence(seed, spawn_key=(_PILOT,)).spawn(2)
        label = drawn.simulate(simulating, design).labels.labels.astype(np.int64)
        _KEPT[key] = RaterSampler(fitted, design, label, seed=sampling)
    return _KEPT[key]
