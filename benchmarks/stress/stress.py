r"""Stress test over a grid of scenarios, with its tables.

Each cell, one scenario at one strength, is computed separately: exactly (``stress_exact``) or by simulation
(``stress_simulated``). In the table the share of decisive mass with correct decisions,

    true_share = decisive_right / decisive,

should be at least 1 - eps, since that is the planner's meaning of "decisive". ``versus_uniform`` is the payoff minus
that of the policy ``uniform`` in the same runs. The *slope* of a policy in a scenario is that of the least-squares line
through its losses as a function of the distance of the strength from the first one,

    slope = sum (x - mean x) (loss - mean loss) / sum (x - mean x)^2,        x = |strength - first strength|.

In exact cells the loss is relative to a planner who knows nature, in simulated ones to one who knows the truth; slopes
are comparable within a scenario only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ...bandits.simulation.seeds import replication_keys
from ...posteriors.foundation.arrays import Floats
from ...posteriors.foundation.averages import error_of_average, mean_of
from ...posteriors.foundation.kinds import checked
from ...posteriors.foundation.messages import shown
from ..runner.executors import Cluster
from ..runner.parts import run_parts
from ..runner.results import require_result, table_of
from ..runner.warm import warm, warm_raters
from .exact import stress_exact
from .natures import misbelief
from .scenario import Scenario, StressGrid
from .simulated import stress_simulated

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

__all__ = ["REFERENCE", "stress", "stress_slopes", "stress_table", "worse_than_uniform"]

# Reference policy of the differences.
REFERENCE = "uniform"
# Standard errors by which a policy must be behind to be called worse.
_ERRORS = 2.0
# Differences of exact values that are below this share of the payoffs are not reported: well above rounding.
_UNTOLD = 1e-9


@checked
def stress(
    grid: StressGrid,
    *,
    n_jobs: int | Cluster = 1,
    finished: Mapping[str, xr.Dataset] | None = None,
    on_part: Callable[[str, xr.Dataset], None] | None = None,
) -> dict[str, xr.Dataset]:
    """Compute every cell of a grid of scenarios.

    Parameters
    ----------
    grid : StressGrid
        From ``read_scenarios`` or ``make_scenarios``.
    n_jobs : int or Cluster
        Worker processes, one cell each (joblib), -1 for all cores; or a cluster. The answer does not depend on it.
    finished : mapping, optional
        Cells computed before, by name.
    on_part : callable, optional
        Called with name and result as each cell ends.

    Returns
    -------
    dict of xarray.Dataset
        Measures of each cell, by the names in ``grid.cells``; see ``stress_exact`` and ``stress_simulated``. ``attrs``
        hold scenario, kind and strength.

    Examples
    --------
    >>> import seqaudit as sa
    >>> grid = sa.make_scenarios({"problem": {"budget": 4, "threshold": [0.5, 0.6]}, "policies": ["kg", "exact"],
    ...                           "scenario": [{"name": "noise", "model": "flipped", "values": [0, 0.2]}]})
    >>> found = sa.stress(grid)
    >>> found["noise=0.0"].loss.sel(policy="exact").item() < 1e-12, found["noise=0.2"].loss.values.round(4)
    (True, array([0.043 , 0.0177, 0.    ]))
    """
    import xarray as xr

    replication_keys(grid.seed, grid.replications)
    jobs = {name: partial(_cell, one, x, grid.replications, grid.seed) for name, (one, x) in grid.cells.items()}
    left = [one for name, (one, _) in grid.cells.items() if name not in (finished or {})]
    parts = run_parts(jobs, n_jobs, finished, on_part, kind=xr.Dataset, before=partial(_warm, left))
    return {name: parts[name] for name in jobs}


def _warm(scenarios: Iterable[Scenario]) -> None:
    warm()
    # Only fits need compiled code of the rater models: pools are drawn without it.
    if any(one.refit is not None for one in scenarios):
        warm_raters()


def _cell(one: Scenario, strength: float, replications: int, seed: int) -> xr.Dataset:
    if one.kind == "exact":
        wrong = misbelief(one.problem, one.model, strength, **one.settings)
        found = stress_exact(wrong, one.policies, eps=one.eps)
    else:
        # The same seeds in every cell, so that rates and raters are the same.
        seeds, keys = replication_keys(seed, replications)
        pools = one.pools(strength, seeds)
        # If the nature is ``flat``, the strength changes the planner's problem and not the pools.
        working = one.working(strength)
        found = stress_simulated(working, one.policies, pools, keys, eps=one.eps, refit=one.refit, draws=one.draws)
    found.attrs = {"scenario": one.name, "kind": one.kind, "strength": strength, "eps": one.eps}
    return found


@checked
def stress_table(result: Mapping[str, xr.Dataset]) -> pd.DataFrame:
    """Table of a stress test with a row for each policy in each cell.

    Parameters
    ----------
    result : mapping of xarray.Dataset
        From ``stress``.

    Returns
    -------
    pandas.DataFrame
        ``scenario``, ``kind``, ``strength``, ``eps``, ``policy``; every measure with its standard error under
        ``<measure>_se`` (0 if it is exact); ``true_share``, ``true_share_after`` and ``versus_uniform`` with theirs.
        Measures that a cell does not have are nan.

    Examples
    --------
    >>> import seqaudit as sa
    >>> grid = sa.make_scenarios({"problem": {"budget": 4, "threshold": [0.5, 0.6]}, "policies": ["kg"],
    ...                           "scenario": [{"name": "noise", "model": "flipped", "values": [0, 0.2]}]})
    >>> sa.stress_table(sa.stress(grid))[["strength", "policy", "loss"]].round(3).values.tolist()
    [[0.0, 'uniform', 0.061], [0.0, 'kg', 0.024], [0.2, 'uniform', 0.043], [0.2, 'kg', 0.018]]
    """
    import pandas as pd

    rows = []
    for cell, part in result.items():
        require_result(f"result[{shown(cell)}]", part, "stress", ("payoff", "policy", "scenario", "kind", "strength"))
        reference = part["payoff"].sel(policy=REFERENCE)
        for name in part["policy"].values:
            at = part.sel(policy=name)
            row: dict[str, Any] = {key: part.attrs[key] for key in ("scenario", "kind", "strength", "eps")}
            row["policy"] = str(name)
            columns = {str(key): at[key].values for key in part.data_vars}
            columns["versus_uniform"] = (at["payoff"] - reference).values
            for key, values in columns.items():
                row[key], row[f"{key}_se"] = _mean(values)
            for end in ("", "_after"):
                if f"decisive{end}" in columns:
                    share = _ratio(columns[f"decisive_right{end}"], columns[f"decisive{end}"])
                    row[f"true_share{end}"], row[f"true_share{end}_se"] = share
            rows.append(row)
    return pd.DataFrame(rows)


def _mean(values: Floats) -> tuple[float, float]:
    if values.ndim == 0:
        return float(values), 0.0
    return float(mean_of(values)), float(error_of_average(values))


def _ratio(part: Floats, whole: Floats) -> tuple[float, float]:
    """Ratio of two means, and its standard error to first order."""
    below = float(np.mean(whole))
    if below <= 0:
        return float("nan"), float("nan")
    share = float(np.mean(part)) / below
    if part.ndim == 0:
        return share, 0.0
    return share, float(np.std(part - share * whole, ddof=1) / np.sqrt(len(part)) / below)


@checked
@table_of("stress_table", "scenario", "policy", "strength", "loss")
def stress_slopes(table: pd.DataFrame) -> pd.DataFrame:
    """Slope of each policy's loss against the strength, steepest first within each scenario.

    Parameters
    ----------
    table : pandas.DataFrame
        From ``stress_table``; scenarios with one strength are left out.

    Returns
    -------
    pandas.DataFrame
        Columns ``scenario``, ``policy``, ``slope`` and, with decisions after the fact, ``slope_after``.

    Examples
    --------
    >>> import seqaudit as sa
    >>> grid = sa.make_scenarios({"problem": {"budget": 4, "threshold": [0.5, 0.6]}, "policies": ["kg"],
    ...                           "scenario": [{"name": "noise", "model": "flipped", "values": [0, 0.2]}]})
    >>> sa.stress_slopes(sa.stress_table(sa.stress(grid)))[["policy", "slope"]].round(3).values.tolist()
    [['kg', -0.033], ['uniform', -0.092]]
    """
    import pandas as pd

    rows = []
    for (scenario, policy), part in table.groupby(["scenario", "policy"], sort=False):
        x = (part["strength"] - part["strength"].iloc[0]).abs().to_numpy()
        if len(x) < 2:
            continue
        row: dict[str, Any] = {"scenario": scenario, "policy": policy, "slope": _slope(x, part["loss"].to_numpy())}
        if "loss_after" in part:
            row["slope_after"] = _slope(x, part["loss_after"].to_numpy())
        rows.append(row)
    if not rows:
        return pd.DataFrame(columns=["scenario", "policy", "slope"])
    order = {name: k for k, name in enumerate(dict.fromkeys(table["scenario"]))}
    slopes = pd.DataFrame(rows)
    keys = slopes["scenario"].map(order)
    return slopes.iloc[np.lexsort((-slopes["slope"].to_numpy(), keys.to_numpy()))].reset_index(drop=True)


def _slope(x: Floats, y: Floats) -> float:
    centred = x - x.mean()
    return float(centred @ (y - y.mean()) / (centred @ centred))


@checked
@table_of("stress_table", "versus_uniform", "versus_uniform_se", "payoff")
def worse_than_uniform(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of policies that earn less than ``uniform``: by two standard errors, or if exact by more than rounding.

    Parameters
    ----------
    table : pandas.DataFrame
        From ``stress_table``.

    Returns
    -------
    pandas.DataFrame
        Those rows of `table`, in its order and numbered anew; none if no policy is worse.

    Examples
    --------
    >>> import seqaudit as sa
    >>> grid = sa.make_scenarios({"problem": {"budget": 4, "threshold": [0.5, 0.6]}, "policies": ["kg"],
    ...                           "scenario": [{"name": "noise", "model": "flipped", "values": [0, 0.2]}]})
    >>> len(sa.worse_than_uniform(sa.stress_table(sa.stress(grid))))
    0
    """
    least = np.maximum(_ERRORS * table["versus_uniform_se"], _UNTOLD * table["payoff"].abs())
    return table[table["versus_uniform"] < -least].reset_index(drop=True)
