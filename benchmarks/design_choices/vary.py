r"""Comparative statics: optimal value and expected labels as one design choice varies.

Thresholds are t = sigma(beta c). Four things can be varied:

    beta            t = sigma(beta c) for other betas; if a problem has no beta, c is logit(t) and beta is 1;
    temperature     c / T in place of c: a reference that is T times less confident. Only beta c enters, so the optimum
                    at (beta, T) is that at (beta / T, 1);
    offset          c + o in place of c: with a temperature, any affine recalibration of the reference;
    noise           labels flipped with probability eta, NoisyBeta(a, b, eta) in place of Beta(a, b). Rate and
                    threshold are those of labels without noise (Lemma 2026, section 8).

At each value the optimum lies between ``lower`` and ``upper``, which are equal for small problems; ``labels`` are the
expected labels of each item under the prior (``benchmarks.comparison.optimum``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ...bandits.policy import Policy
from ...bandits.registry import label, make_policy
from ...bandits.simulation.certify import USUAL
from ...dp.machine.repeats import require_repeats
from ...dp.problem.problem import Problem
from ...dp.problem.variants import KNOBS, changed, knob_number
from ...posteriors.foundation.kinds import checked
from ...posteriors.foundation.refusals import one_of, whole
from ...posteriors.foundation.seeds import Seed, seed_sequence
from ..comparison.optimum import Optimum, optimum_of
from ..runner.executors import Cluster
from ..runner.parts import run_parts
from ..runner.results import result_of
from ..runner.warm import warm

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

__all__ = ["bounds_of", "checked_settings", "checked_values", "knob_values", "point_name", "vary", "vary_table"]


def knob_values(problem: Problem, knob: str) -> tuple[list[float], list[str]]:
    """Default values of a knob, and a remark on those that the problem does not allow.

    Nine values around that of the problem; for noise, from 0 to 0.4.

    Examples
    --------
    >>> knob_values(Problem([0.5], budget=2), "noise")
    ([0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4], [])
    >>> knob_values(Problem.from_logratio([0.0, 3000.0], 1.0, 2), "beta")[1]
    ['beta 4 left out: beta times log_ratio of item 2 is 12000.0; it must be at most 10000 in size']
    """
    one_of("vary", knob, KNOBS)
    if knob == "noise":
        return [k / 20 for k in range(9)], []
    middle = (problem.beta or 1.0) if knob == "beta" else 1.0
    usual = [k / 2 if knob == "offset" else middle * 2.0 ** (k / 2) for k in range(-4, 5)]
    kept, why = [], []
    for x in usual:
        try:
            changed(problem, knob, x)
            kept.append(x)
        except ValueError as error:
            why.append((x, str(error).splitlines()[0].removeprefix(f"{knob} {x:g}: ")))
    left_out = ", ".join(f"{x:g}" for x, _ in why)
    return kept, [f"{knob} {left_out} left out: {why[0][1]}"] if why else []


def checked_values(problem: Problem, knob: str, values: Sequence[float]) -> dict[str, Problem]:
    """The changed problems by ``point_name``; a ``ValueError`` if a value is not allowed or is repeated."""
    if not values:
        raise ValueError(f"values of {knob} are empty; give at least one")
    points = {point_name(knob, knob_number(knob, x)): changed(problem, knob, x) for x in values}
    if len(points) < len(values):
        raise ValueError(f"values of {knob} are {list(values)}; each may be given once")
    return points


def point_name(knob: str, value: float) -> str:
    """Name of the part that holds one value."""
    return f"{knob}={value!r}"


@checked
def vary(
    problem: Problem,
    knob: str,
    values: Sequence[float] | None = None,
    *,
    exact: bool | None = None,
    policy: str | Policy | None = None,
    replications: int = 8,
    seed: Seed = 7,
    n_jobs: int | Cluster = 1,
    finished: dict[str, xr.Dataset] | None = None,
    on_part: Callable[[str, xr.Dataset], None] | None = None,
) -> xr.Dataset:
    """Optimum and expected labels at several values of one design choice.

    Parameters
    ----------
    problem : Problem
    knob : {"beta", "temperature", "offset", "noise"}
        Design choice that is varied; see the module's docstring.
    values : sequence of float, optional
        Default: ``knob_values``, without those that the problem does not allow.
    exact : bool, optional
        Exact optimum or certificate; default: by the problem's size (``optimum_of``).
    policy : Policy or registered name, optional
        Policy that is simulated if the answer is not exact; default as for ``optimum_of``.
    replications : int
        Number of simulated runs, at least 2, if the answer is not exact.
    seed : int, SeedSequence or Generator
        Rates and labels are the same at every value.
    n_jobs : int or Cluster
        Worker processes, one value each (joblib), -1 for all cores; or a cluster. The answer does not depend on it.
    finished : dict, optional
        Parts computed before, by ``point_name``.
    on_part : callable, optional
        Called with name and result as each part ends.

    Returns
    -------
    xarray.Dataset
        Over the dimension ``value``: ``lower``, ``standard_error`` and ``upper`` of the optimum, ``optimum`` (nan if it
        is not exact), ``prior_value``, ``gain`` (the possible gain: upper minus prior_value) and ``method`` ("exact" or
        "certified"); over (value, item): expected ``labels`` and ``threshold``. ``log_ratio`` and ``weight`` over item
        are those of the given problem; ``attrs["knob"]`` is the design choice, ``attrs["remarks"]`` lists the default
        values that were left out.

    Raises
    ------
    ValueError
        For an unknown knob, values that are empty, repeated or out of range, and settings out of range.
    ProblemTooLarge
        If ``exact`` is True and the problem is too large.

    Examples
    --------
    >>> import seqaudit as sa
    >>> problem = sa.Problem.from_logratio([0.0, 1.0, 2.0], beta=1.0, budget=6)
    >>> found = sa.vary(problem, "beta", [0.25, 1.0, 4.0])
    >>> found.gain.values.round(4)
    array([0.7093, 0.4415, 0.3438])
    >>> found.labels.values.round(2)
    array([[2.  , 2.2 , 1.8 ],
           [3.32, 2.34, 0.34],
           [4.14, 0.93, 0.93]])
    """
    import xarray as xr

    wanted, remarks = knob_values(problem, knob) if values is None else (list(values), [])
    points = checked_values(problem, knob, wanted)
    settings = checked_settings(exact, policy, replications, seed)
    jobs = {
        name: partial(_point, float(x), point, settings)
        for (name, point), x in zip(points.items(), wanted, strict=True)
    }
    parts = run_parts(jobs, n_jobs, finished, on_part, kind=xr.Dataset, before=warm)
    result = xr.concat([parts[name] for name in points], dim="value")
    result["log_ratio"] = ("item", problem.log_ratio, {"description": "reference log-ratio before the change"})
    result["weight"] = ("item", problem.weight)
    result.attrs = {"knob": knob, "policy": policy_of(settings), "remarks": remarks}
    return result


def policy_of(settings: dict[str, Any]) -> str:
    """Label of the policy that is simulated, or the names of those that are where none is asked for."""
    return " or ".join(USUAL) if settings["policy"] is None else label(settings["policy"])


def checked_settings(exact: bool | None, policy: str | Policy | None, replications: int, seed: Seed) -> dict[str, Any]:
    """Settings of ``optimum_of``, the same at every point, checked before any computation."""
    require_repeats("replications", whole("replications", replications, least=2), seconds=1e-6, memory=500)
    # A stream advances when it is drawn from; all points must have the same rates and labels.
    root = seed_sequence(seed)
    return {
        "exact": exact,
        "policy": None if policy is None else make_policy(policy),
        "replications": replications,
        "seed": root,
    }


def _point(value: float, problem: Problem, settings: dict[str, Any]) -> xr.Dataset:
    import xarray as xr

    found = optimum_of(problem, **settings)
    data: dict[str, Any] = {key: ("value", [x]) for key, x in bounds_of(found).items()}
    data["labels"] = (("value", "item"), found.labels[None], {"description": "expected labels"})
    data["threshold"] = (("value", "item"), problem.threshold[None])
    return xr.Dataset(data, coords={"value": [value], "item": list(problem.name)})


def bounds_of(found: Optimum) -> dict[str, Any]:
    """Fields of an optimum as a dict, without its labels."""
    return {
        "lower": found.lower,
        "standard_error": found.standard_error,
        "upper": found.upper,
        "optimum": found.upper if found.method == "exact" else np.nan,
        "prior_value": found.prior_value,
        "gain": found.upper - found.prior_value,
        "method": found.method,
    }


@checked
@result_of("vary", "knob", "value", "labels", "gain")
def vary_table(result: xr.Dataset) -> pd.DataFrame:
    """Table with a row for each value: bounds, possible gain and expected labels of each item.

    Parameters
    ----------
    result : xarray.Dataset
        From ``vary``, with a column of the table for each field over ``value``.

    Returns
    -------
    pandas.DataFrame
        Columns: the design choice by its name, ``lower``, ``standard_error``, ``upper``, ``prior_value``, ``gain``,
        ``method``, and ``labels <item>`` for each item.

    Examples
    --------
    >>> import seqaudit as sa
    >>> problem = sa.Problem.from_logratio([0.0, 1.0, 2.0], beta=1.0, budget=6)
    >>> table = sa.vary_table(sa.vary(problem, "beta", [0.25, 1.0]))
    >>> table[["beta", "gain", "labels item 1"]].round(2).values.tolist()
    [[0.25, 0.71, 2.0], [1.0, 0.44, 3.32]]
    """
    import pandas as pd

    result = result.transpose("value", "item", ...)
    columns: dict[str, Any] = {result.attrs["knob"]: result["value"].values}
    for key in ("lower", "standard_error", "upper", "prior_value", "gain", "method"):
        columns[key] = result[key].values
    for k, name in enumerate(result["item"].values):
        columns[f"labels {name}"] = result["labels"].values[:, k]
    return pd.DataFrame(columns)
