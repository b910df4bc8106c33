r"""Value against budget: each policy's value at a grid of budgets, between the value of no labels and the upper bound.

Let all labels have the same price and be bought one at a time, without quotas. A policy that depends on neither budget
nor caps then passes, while it spends a large budget, exactly the states in which it would have ended with smaller ones,
so one run gives the whole curve. Other policies, and other problems, are run once for each budget, with the same rates
and labels.

At each budget B the values lie between

    V_0 = sum_i v_i h(p_i)    and    L(B) = min over lambda of lambda B + sum_i V_i(lambda),

the value of no labels and the Lagrangian bound (``dp.bounds``). L is concave in B: its slope is the price of a label.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...bandits.choice import choose_policies
from ...bandits.policy import IndexPolicy, Policy
from ...bandits.registry import label
from ...bandits.simulation.board import final_values
from ...bandits.simulation.seeds import replication_keys
from ...bandits.simulation.simulate import PriorNature, replication_parts, spend
from ...dp.bounds.upper_bound import upper_bound
from ...dp.exact.scope import small_enough
from ...dp.exact.solve import solve
from ...dp.problem.checks import ProblemError
from ...dp.problem.problem import Problem
from ...posteriors.foundation.arrays import Floats, Ints
from ...posteriors.foundation.kinds import checked
from ...posteriors.foundation.refusals import whole
from ...posteriors.foundation.seeds import Seed
from ...posteriors.foundation.tolerances import ROUNDING
from ..runner.parts import run_parts

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

__all__ = ["BOUNDS", "at_budget", "budget_curve", "budgets_of", "curve_policies", "curve_table"]

# Name of the part that holds the bounds and the optimum.
BOUNDS = "bounds"
# Most scores for a policy to take part by default: about half a minute of a lookahead policy.
_MOST_SCORES = 10_000_000


def budgets_of(problem: Problem, points: int) -> tuple[list[float], list[str]]:
    """Grid of budgets from 0 to that of the problem, and remarks.

    Parameters
    ----------
    problem : Problem
    points : int
        Number of budgets above 0, at least 1. If labels cost 1, budgets are rounded, and there may be fewer.

    Returns
    -------
    budgets : list of float
    remarks : list of str
        Budgets that were left out, and why.
    """
    whole("points", points, least=1)
    grid = np.linspace(0.0, problem.budget, points + 1)
    if problem.unit_costs:
        grid = np.unique(grid.round())
    kept, dropped = [], []
    for budget in grid.tolist():
        try:
            if budget:
                at_budget(problem, budget)
            kept.append(budget)
        except ProblemError:
            dropped.append(budget)
    remarks = []
    if dropped:
        remarks.append(f"budgets {dropped[0]:g} to {dropped[-1]:g} left out: too small for the quotas or a batch")
    return kept, remarks


def at_budget(problem: Problem, budget: float) -> Problem:
    """The same problem with another budget, a whole number if labels cost 1."""
    return problem.replace(budget=int(budget) if problem.unit_costs else budget)


def curve_policies(
    problem: Problem, policies: Sequence[str | Policy] | None, budgets: Sequence[float], replications: int
) -> tuple[list[Policy], list[str]]:
    """Policies that take part, and a remark on each that is left out; a policy asked for by name is never left out."""
    chosen, remarks = choose_policies(problem, policies, planning=False)
    if policies is not None:
        return chosen, remarks
    kept = []
    for policy in chosen:
        scores = 0 if _on_the_way(problem, policy) else problem.size * replications * _labels_in_all(problem, budgets)
        if policy.name == "exact":
            remarks.append(
                "exact left out: the optimum is a separate curve"
                if small_enough(problem)
                else "exact left out: the problem is too large to be solved at every budget"
            )
        elif scores > _MOST_SCORES:
            remarks.append(
                f"{policy.name} left out: it needs a separate run at every budget, with {scores:.1e} scores; "
                "name it to include it"
            )
        else:
            kept.append(policy)
    return kept, remarks


def _labels_in_all(problem: Problem, budgets: Sequence[float]) -> int:
    return sum(at_budget(problem, b).labels for b in budgets if b)


def _on_the_way(problem: Problem, policy: Policy) -> bool:
    """True if a run through the whole budget passes the final states of the runs through smaller ones."""
    blind = isinstance(policy, IndexPolicy) and not policy.uses_remaining
    return blind and problem.unit_costs and not problem.quota and problem.batch == 1


@checked
def budget_curve(
    problem: Problem,
    policies: Sequence[str | Policy] | None = None,
    *,
    points: int = 12,
    replications: int = 64,
    seed: Seed,
    n_jobs: int = 1,
    finished: dict[str, xr.Dataset] | None = None,
    on_part: Callable[[str, xr.Dataset], None] | None = None,
) -> xr.Dataset:
    """Values of policies at a grid of budgets, by simulation, with bounds.

    Parameters
    ----------
    problem : Problem
        Its budget is the largest of the grid.
    policies : sequence of names or policies, optional
        Default: every registered one except ``exact`` and those that would take too long.
    points : int
        Number of budgets above 0, evenly spaced up to that of the problem.
    replications : int
        Simulated runs of each policy at each budget, with common random numbers.
    seed : int, SeedSequence or Generator
    n_jobs, finished, on_part
        As for ``vary``; a worker takes one policy at a time. Parts are named after the policies; the bounds are the
        part ``BOUNDS``.

    Returns
    -------
    xarray.Dataset
        ``value`` over (policy, budget, replication), ``seconds`` over policy; ``bound`` over budget, and ``optimum``,
        which is ``nan`` if the problem is too large to be solved. ``attrs`` holds ``prior_value`` and ``remarks``.

    Raises
    ------
    ValueError
        For unknown policies, and for points or replications below 1.

    Examples
    --------
    >>> import seqaudit as sa
    >>> curve = sa.budget_curve(sa.Problem([0.55, 0.41, 0.32], budget=12), ["kg"], points=3, seed=7)
    >>> curve.budget.values.tolist(), curve.optimum.values.round(3).tolist()
    ([0.0, 4.0, 8.0, 12.0], [1.82, 2.322, 2.476, 2.563])
    """
    import xarray as xr

    whole("replications", replications, least=1)
    budgets, remarks = budgets_of(problem, points)
    chosen, more = curve_policies(problem, policies, budgets, replications)
    seeds, keys = replication_keys(seed, replications)
    jobs = {BOUNDS: partial(_bounds, problem, budgets)}
    jobs |= {label(policy): partial(_curve_of, problem, policy, budgets, seeds, keys) for policy in chosen}
    parts = run_parts(jobs, n_jobs, finished, on_part)
    result = xr.concat([parts[label(policy)] for policy in chosen], dim="policy").merge(parts[BOUNDS])
    result.attrs = {"prior_value": problem.prior_value, "remarks": [*remarks, *more]}
    return result


def _bounds(problem: Problem, budgets: Sequence[float]) -> xr.Dataset:
    import xarray as xr

    bound, optimum = np.full((2, len(budgets)), problem.prior_value)
    exact = small_enough(problem)
    for j, budget in enumerate(budgets):
        if budget:
            small = at_budget(problem, budget)
            bound[j] = upper_bound(small).value
            optimum[j] = solve(small).value if exact else np.nan
    if not exact:
        optimum[:] = np.nan
    data = {
        "bound": ("budget", bound, {"description": "Lagrangian upper bound"}),
        "optimum": ("budget", optimum, {"description": "exact optimum"}),
    }
    return xr.Dataset(data, coords={"budget": budgets})


def _curve_of(
    problem: Problem,
    policy: Policy,
    budgets: Sequence[float],
    seeds: Sequence[np.random.SeedSequence],
    keys: NDArray[np.uint64],
) -> xr.Dataset:
    import xarray as xr

    begin = time.perf_counter()
    values = np.empty((len(budgets), len(keys)))
    run = _observed if _on_the_way(problem, policy) else _afresh
    for part in replication_parts(problem, len(keys)):
        nature = PriorNature.draw(problem, seeds[part], keys[part])
        values[:, part] = run(problem, policy, budgets, nature, keys[part])
    data: dict[str, Any] = {
        "value": (
            ("policy", "budget", "replication"),
            values[None],
            {"description": "expected payoff under the final beliefs"},
        ),
        "seconds": (
            "policy",
            [time.perf_counter() - begin],
            {"description": "wall-clock seconds for all budgets and replications"},
        ),
    }
    return xr.Dataset(data, coords={"policy": [label(policy)], "budget": budgets, "replication": np.arange(len(keys))})


def _observed(
    problem: Problem, policy: Policy, budgets: Sequence[float], nature: PriorNature, keys: NDArray[np.uint64]
) -> Floats:
    """Values at all budgets from one run, shape (budgets, replications)."""
    seen: dict[int, Floats] = {}

    def observe(step: int, counts: Ints, wins: Ints) -> None:
        seen[step] = final_values(problem, counts, wins)

    # Caps may allow fewer labels than the budget would buy.
    stops = [min(int(b), problem.labels) for b in budgets]
    spend(problem, policy, nature, keys, stops=stops, observe=observe)
    return np.array([seen[stop] for stop in stops])


def _afresh(
    problem: Problem, policy: Policy, budgets: Sequence[float], nature: PriorNature, keys: NDArray[np.uint64]
) -> Floats:
    """Values at all budgets, each from a separate run; shape (budgets, replications)."""
    values = np.full((len(budgets), len(keys)), problem.prior_value)
    for j, budget in enumerate(budgets):
        if budget:
            small = at_budget(problem, budget)
            values[j] = final_values(small, *spend(small, policy, nature, keys))
    return values


@checked
def curve_table(result: xr.Dataset) -> pd.DataFrame:
    """Means and standard errors at every budget, policies in order of their value at the largest one.

    Parameters
    ----------
    result : xarray.Dataset
        From ``budget_curve``: values over policy, budget and replication.

    Returns
    -------
    pandas.DataFrame
        Columns ``policy``, ``kind`` ("bound", "optimum", "policy" or "nothing"), ``budget``, ``value``,
        ``standard_error`` (0 for exact values) and ``share``, the fraction of the gain that the bound allows.

    Examples
    --------
    >>> import seqaudit as sa
    >>> curve = sa.budget_curve(sa.Problem([0.55, 0.41, 0.32], budget=12), ["kg"], points=3, seed=7)
    >>> table = sa.curve_table(curve)
    >>> table.loc[table["budget"] == 12, ["policy", "value"]].round(3).values.tolist()
    [['lagrangian bound', 2.61], ['optimum', 2.563], ['kg', 2.514], ['no labels', 1.82]]
    """
    import pandas as pd

    count = result.sizes["replication"]
    nothing, bound = result.attrs["prior_value"], result["bound"].values
    mean = result["value"].mean("replication")
    spread = result["value"].std("replication", ddof=1) if count > 1 else mean * np.nan
    error = spread / np.sqrt(count)
    zero = np.zeros(len(bound))
    rows = [("lagrangian bound", "bound", bound, zero)]
    if np.isfinite(result["optimum"].values).all():
        rows.append(("optimum", "optimum", result["optimum"].values, zero))
    for k in np.argsort(-mean.isel(budget=-1).values, kind="stable"):
        rows.append((str(result["policy"].values[k]), "policy", mean.values[k], error.values[k]))
    rows.append(("no labels", "nothing", np.full(len(bound), nothing), zero))
    possible = bound - nothing
    possible = np.where(possible > ROUNDING * np.maximum(1.0, np.abs(bound)), possible, np.nan)
    frames = [
        pd.DataFrame(
            {
                "policy": name,
                "kind": kind,
                "budget": result["budget"].values,
                "value": value,
                "standard_error": wrong,
                "share": (value - nothing) / possible,
            }
        )
        for name, kind, value, wrong in rows
    ]
    return pd.concat(frames, ignore_index=True)
