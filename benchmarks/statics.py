r"""Comparative statics: how the optimum and what it buys move with one design choice.

Thresholds are t = sigma(beta c). Four things can be varied:

    beta            t = sigma(beta c) for other betas; where a problem has none, c is logit(t) and beta 1;
    temperature     c / T in place of c: a reference that is T times less confident. Only beta c enters, so the optimum
                    at (beta, T) is that at (beta / T, 1);
    offset          c + o in place of c: with a temperature, any affine recalibration of the reference;
    noise           labels turned over with probability eta, NoisyBeta(a, b, eta) in place of Beta(a, b). Rate and
                    threshold are those of labels without noise (Lemma 2026, section 8).

At each value the optimum lies between ``lower`` and ``upper``, which are equal where the problem is small, and
``labels`` says where its labels go, in expectation under the prior (``benchmarks.optimum``).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray

from ..bandits.board import Seed, replication_keys, workers
from ..bandits.policy import Policy
from ..bandits.registry import make_policy
from ..dp.problem import Problem, ProblemError
from ..posteriors.belief import Belief
from ..posteriors.beta import Beta
from ..posteriors.noisy import NoisyBeta
from ..posteriors.thresholds import threshold
from .optimum import Optimum, optimum_of
from .warm import warm

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

__all__ = [
    "KNOBS",
    "bounds_of",
    "changed",
    "checked_number",
    "checked_settings",
    "checked_values",
    "knob_values",
    "point_name",
    "run_parts",
    "vary",
    "vary_table",
    "with_noise",
]

Floats = NDArray[np.float64]
KNOBS = ("beta", "temperature", "offset", "noise")


def with_noise(problem: Problem, flip: float) -> Problem:
    """The problem where labels are turned over with probability ``flip``; priors must be Beta or noisy Beta.

    Examples
    --------
    >>> with_noise(Problem([0.5], budget=2), 0.2).belief(0)
    NoisyBeta(a=1.0, b=1.0, flip=0.2, wins=0, losses=0)
    """
    beliefs: list[Belief] = []
    for i in range(problem.size):
        belief = problem.belief(i)
        if not isinstance(belief, (Beta, NoisyBeta)) or (isinstance(belief, NoisyBeta) and belief.wins + belief.losses):
            raise ValueError(
                f"noise: the prior of {problem.name[i]} is {belief}; only a Beta or noisy Beta prior without labels "
                "can have its noise changed"
            )
        # Without noise the two are one, and Beta is the faster.
        noisy = NoisyBeta(belief.a, belief.b, flip)
        beliefs.append(noisy if noisy.flip else Beta(belief.a, belief.b))
    return replace(problem, prior=tuple(beliefs), **_as_given(problem))


def _as_given(problem: Problem) -> dict[str, Any]:
    """What ``replace`` must be told: caps as they were given, and no log-ratios that were derived from thresholds."""
    return {"cap": problem.asked_cap} | ({"log_ratio": None} if problem.beta is None else {})


def changed(problem: Problem, knob: str, value: float) -> Problem:
    """The problem with another beta, temperature, offset or noise.

    Parameters
    ----------
    problem : Problem
    knob : {"beta", "temperature", "offset", "noise"}
    value : float

    Raises
    ------
    ValueError
        For an unknown knob, a value that it or the problem does not take, or priors that noise cannot be put on.

    Examples
    --------
    >>> problem = Problem.from_logratio([0.0, 2.0], beta=1.0, budget=5)
    >>> changed(problem, "temperature", 2.0).threshold.round(3)
    array([0.5  , 0.731])
    >>> changed(problem, "beta", 0.5).threshold.round(3)
    array([0.5  , 0.731])
    """
    if knob not in KNOBS:
        raise ValueError(f"vary is {knob!r}; allowed: {', '.join(map(repr, KNOBS))}")
    x = _number(knob, value)
    if knob == "noise":
        return with_noise(problem, x)
    beta = 1.0 if problem.beta is None else problem.beta
    c = problem.log_ratio
    with np.errstate(over="ignore"):
        if knob == "beta":
            beta = x
        elif knob == "temperature":
            c = c / x
        else:
            c = c + x
    try:
        if not np.isfinite(c).all():
            i = int(np.flatnonzero(~np.isfinite(c))[0])
            raise ProblemError([f"log_ratio of {problem.name[i]} would be {c[i]}; it must be finite"])
        return replace(problem, **_as_given(problem) | {"threshold": threshold(c, beta), "log_ratio": c, "beta": beta})
    except ProblemError as error:
        raise ProblemError([f"{knob} {x:g}: {fault}" for fault in error.faults]) from None


def _number(knob: str, value: Any) -> float:
    if knob == "noise":
        return checked_number(knob, value, lambda x: 0 <= x < 0.5, "at least 0 and below 1/2")
    if knob == "offset":
        return checked_number(knob, value, np.isfinite, "finite")
    return checked_number(knob, value, lambda x: 0 < x < np.inf, "positive and finite")


def checked_number(field: str, value: Any, within: Callable[[float], Any], allowed: str) -> float:
    """Return a value as a float; a ``ValueError`` where it is not a number within its range."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Real) or not within(float(value)):
        raise ValueError(f"{field} is {value!r}; it must be {allowed}")
    return float(value)


def knob_values(problem: Problem, knob: str) -> tuple[list[float], list[str]]:
    """Values that are looked at where none are given, and a remark on those that the problem does not take.

    Nine around the problem's own, or noise up to 0.4.

    Examples
    --------
    >>> knob_values(Problem([0.5], budget=2), "noise")
    ([0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4], [])
    >>> knob_values(Problem.from_logratio([0.0, 10.0], 1.0, 2), "beta")[1]
    ['beta 4 left out: threshold of item 2 is 1.0; it must be strictly between 0 and 1']
    """
    if knob not in KNOBS:
        raise ValueError(f"vary is {knob!r}; allowed: {', '.join(map(repr, KNOBS))}")
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
    """The changed problems by ``point_name``; a ``ValueError`` where a value will not do, or is there twice."""
    if not values:
        raise ValueError(f"values of {knob} are empty; give at least one")
    points = {point_name(knob, _number(knob, x)): changed(problem, knob, x) for x in values}
    if len(points) < len(values):
        raise ValueError(f"values of {knob} are {list(values)}; each may be given once")
    return points


def point_name(knob: str, value: float) -> str:
    """Name of the part that holds one value."""
    return f"{knob}={value!r}"


def vary(
    problem: Problem,
    knob: str,
    values: Sequence[float] | None = None,
    *,
    exact: bool | None = None,
    policy: str | Policy = "gittins",
    replications: int = 8,
    seed: Seed = 0,
    n_jobs: int = 1,
    finished: dict[str, xr.Dataset] | None = None,
    on_part: Callable[[str, xr.Dataset], None] | None = None,
) -> xr.Dataset:
    """Optimum and expected labels at several values of one design choice.

    Parameters
    ----------
    problem : Problem
    knob : {"beta", "temperature", "offset", "noise"}
        What is varied; see the module's docstring.
    values : sequence of float, optional
        Default: ``knob_values``, but for those that the problem does not take.
    exact : bool, optional
        Exact optimum or certificate; default: by the problem's size (``optimum_of``).
    policy : Policy or registered name
        What is simulated where the answer is not exact.
    replications : int
        Simulated runs, at least 2, where the answer is not exact.
    seed : int, SeedSequence or Generator
        The same rates and labels are met at every value.
    n_jobs : int
        Worker processes, one value each (joblib); -1 for all cores. The answer does not depend on it.
    finished : dict, optional
        Parts that need not be computed again, by ``point_name``.
    on_part : callable, optional
        Called with name and result as each part ends.

    Returns
    -------
    xarray.Dataset
        Over the dimension ``value``: ``lower``, ``standard_error`` and ``upper`` of the optimum, ``optimum`` (nan where
        it is not exact), ``prior_value``, ``gain`` (the possible gain: upper less prior_value) and ``method`` ("exact"
        or "certified"); over (value, item): expected ``labels`` and ``threshold``. ``log_ratio`` and ``weight`` over
        item are the problem's own; ``attrs["knob"]`` is what was varied, ``attrs["remarks"]`` says which of the usual
        values were left out.

    Raises
    ------
    ValueError
        For an unknown knob, values that are empty, repeated or out of range, and settings that are.
    ProblemTooLarge
        Where ``exact`` is asked of too large a problem.

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
    jobs = {name: (_point, float(x), point, settings) for (name, point), x in zip(points.items(), wanted, strict=True)}
    parts = run_parts(jobs, n_jobs, finished, on_part)
    result = xr.concat([parts[name] for name in points], dim="value")
    result["log_ratio"] = ("item", problem.log_ratio, {"description": "reference log-ratio before the change"})
    result["weight"] = ("item", problem.weight)
    result.attrs = {"knob": knob, "policy": settings["policy"].name, "remarks": remarks}
    return result


def checked_settings(exact: bool | None, policy: str | Policy, replications: int, seed: Seed) -> dict[str, Any]:
    """Settings of ``optimum_of``, the same at every point; what is wrong with them is said before any work."""
    if isinstance(replications, bool) or not isinstance(replications, (int, np.integer)) or replications < 2:
        raise ValueError(f"replications is {replications!r}; it must be a whole number, at least 2")
    # A stream moves on when it is drawn from: all points are to meet the same rates and labels.
    root = int(seed.integers(2**63)) if isinstance(seed, np.random.Generator) else seed
    replication_keys(root, 1)
    return {"exact": exact, "policy": make_policy(policy), "replications": replications, "seed": root}


def run_parts(
    jobs: dict[str, tuple[Any, ...]],
    n_jobs: int,
    finished: dict[str, xr.Dataset] | None,
    on_part: Callable[[str, xr.Dataset], None] | None,
) -> dict[str, xr.Dataset]:
    """Parts by name, each a function and its arguments; the finished ones are taken as they are.

    The function is told last how many threads it may use.
    """
    parts = dict(finished or {})
    left = {name: job for name, job in jobs.items() if name not in parts}
    count = workers(n_jobs, max(len(left), 1))
    if count > 1:
        # Worker processes then find everything compiled.
        warm()
    threads = 1 if count > 1 else None
    # Each part is handed over when it is done, so that an interruption loses none that is.
    runs = Parallel(n_jobs=count, return_as="generator_unordered")(
        delayed(_named)(name, job, threads) for name, job in left.items()
    )
    with warnings.catch_warnings(), closing(runs):
        # When Ctrl-C closes the runs, joblib has remarks on those that it drops.
        warnings.filterwarnings("ignore", r"\d+ tasks ", UserWarning)
        for name, part in runs:
            parts[name] = part
            if on_part:
                on_part(name, part)
    return parts


def _named(name: str, job: tuple[Any, ...], threads: int | None) -> tuple[str, xr.Dataset]:
    return name, job[0](*job[1:], threads)


def _point(value: float, problem: Problem, settings: dict[str, Any], threads: int | None) -> xr.Dataset:
    import xarray as xr

    found = optimum_of(problem, **settings, threads=threads)
    data: dict[str, Any] = {key: ("value", [x]) for key, x in bounds_of(found).items()}
    data["labels"] = (("value", "item"), found.labels[None], {"description": "expected labels"})
    data["threshold"] = (("value", "item"), problem.threshold[None])
    return xr.Dataset(data, coords={"value": [value], "item": list(problem.name)})


def bounds_of(found: Optimum) -> dict[str, Any]:
    """What is recorded of an optimum, but for its labels."""
    return {
        "lower": found.lower,
        "standard_error": found.standard_error,
        "upper": found.upper,
        "optimum": found.upper if found.method == "exact" else np.nan,
        "prior_value": found.prior_value,
        "gain": found.upper - found.prior_value,
        "method": found.method,
    }


def vary_table(result: xr.Dataset) -> pd.DataFrame:
    """One row a value: bounds, possible gain and expected labels of each item.

    Parameters
    ----------
    result : xarray.Dataset
        From ``vary``.

    Returns
    -------
    pandas.DataFrame
        Columns: what was varied, ``lower``, ``standard_error``, ``upper``, ``prior_value``, ``gain``, ``method``, and
        ``labels <item>`` for each item.
    """
    import pandas as pd

    columns: dict[str, Any] = {result.attrs["knob"]: result["value"].values}
    for key in ("lower", "standard_error", "upper", "prior_value", "gain", "method"):
        columns[key] = result[key].values
    for k, name in enumerate(result["item"].values):
        columns[f"labels {name}"] = result["labels"].values[:, k]
    return pd.DataFrame(columns)
