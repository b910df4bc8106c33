r"""Value against budget: each policy's value at a grid of budgets, between the value of no labels and the upper bound.

Let all labels have the same price and be bought one at a time, without quotas. A policy that depends on neither budget
nor caps then passes, while it spends a large budget, exactly the states in which it would have ended with smaller ones,
so one run gives the whole curve. Other policies, and other problems, are run once for each budget, with the same rates
and labels.

At each budget B the values lie between

    V_0 = sum_i v_i h(p_i)    and    L(B) = min over lambda of lambda B + sum_i V_i(lambda),

the value of no labels and the Lagrangian bound (``dp.bounds``). L is concave in B: its slope is the price of a label.

Values are exact where they fit. Elsewhere they are means over simulated runs, each with the relaxed problem at the
bound's own price as control variate (``bandits.simulation.certify``), so that none of them is above the bound.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...bandits.choice import choose_policies
from ...bandits.policy import IndexPolicy, Policy
from ...bandits.registry import label
from ...bandits.simulation.certify import exact_fits, net_of_chance, require_account
from ...bandits.simulation.seeds import replication_keys
from ...bandits.simulation.simulate import PriorNature, play, replication_parts
from ...dp.bounds.upper_bound import upper_bound
from ...dp.evaluation.evaluate import evaluate
from ...dp.exact.scope import small_enough
from ...dp.exact.solve import solve
from ...dp.machine.repeats import require_repeats
from ...dp.problem.checks import ProblemError
from ...dp.problem.problem import Problem
from ...posteriors.foundation.arrays import Floats, Ints
from ...posteriors.foundation.averages import error_of_average, mean_of
from ...posteriors.foundation.kinds import checked
from ...posteriors.foundation.refusals import whole
from ...posteriors.foundation.seeds import Seed
from ...posteriors.foundation.shares import no_gain, share_of
from ..runner.executors import Cluster
from ..runner.parts import run_parts
from ..runner.results import result_of

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
    if problem.unit_costs:
        # More points than labels give each number of labels once, all the same.
        points = min(points, problem.labels)
    require_repeats("budgets", points, seconds=1e-6, memory=64)
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
    require_repeats("replications", replications, seconds=1e-6, memory=500)
    chosen, remarks = choose_policies(problem, policies, planning=False)
    if policies is not None:
        return chosen, remarks
    kept = []
    for policy in chosen:
        simulated = not (_on_the_way(problem, policy) or _exact(problem, policy, replications))
        scores = problem.size * replications * _labels_in_all(problem, budgets) if simulated else 0
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
    blind = isinstance(policy, IndexPolicy) and policy.anytime and not policy.uses_remaining
    return blind and problem.unit_costs and not problem.quota and problem.batch == 1


def _exact(problem: Problem, policy: Policy, replications: int) -> bool:
    """True if a policy is evaluated exactly; one that plans every label, only if that asks it no more often."""
    asked = replications * problem.labels
    return exact_fits(problem, policy) and (not policy.planning or small_enough(problem, states=asked))


@checked
def budget_curve(
    problem: Problem,
    policies: Sequence[str | Policy] | None = None,
    *,
    points: int = 12,
    replications: int = 64,
    seed: Seed,
    n_jobs: int | Cluster = 1,
    finished: dict[str, xr.Dataset] | None = None,
    on_part: Callable[[str, xr.Dataset], None] | None = None,
) -> xr.Dataset:
    """Values of policies at a grid of budgets, with bounds: exact where they fit, else simulated.

    They show what further labels would be worth, and how far each policy is from the best at every budget.

    Parameters
    ----------
    problem : Problem
        Its budget is the largest of the grid.
    policies : sequence of names or policies, optional
        Default: every registered one except ``exact`` and those that would take too long.
    points : int
        Number of budgets above 0, evenly spaced up to that of the problem.
    replications : int
        Simulated runs of each policy at each budget, with common random numbers, where values are not exact.
    seed : int, SeedSequence or Generator
    n_jobs, finished, on_part
        As for ``vary``; a worker takes one policy at a time. Parts are named after the policies; the bounds are the
        part ``BOUNDS``.

    Returns
    -------
    xarray.Dataset
        ``value`` over (policy, budget, replication), net of chance, and the same in every replication where ``exact``,
        over (policy, budget), is True; ``seconds`` over policy; ``bound`` and its ``price`` of a unit of cost over
        budget, and ``optimum``, which is ``nan`` if the problem is too large to be solved. ``attrs`` holds
        ``prior_value`` and ``remarks``.

    Raises
    ------
    ValueError
        For unknown policies, and for points or replications below 1; ``ProblemTooLarge`` where an item's tables, for
        the control variate, do not fit in memory.

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
    for policy, budget in product(chosen, filter(None, budgets)):
        try:
            policy.require(at_budget(problem, budget))
        except ValueError as error:
            raise ValueError(f"at a budget of {budget:g} on the curve: {error}") from None
    exact = {label(policy): _exact(problem, policy, replications) for policy in chosen}
    if not all(exact.values()):
        require_account(problem)
    finished, old = _of_this_form(finished or {})
    seeds, keys = replication_keys(seed, replications)
    bounds = run_parts({BOUNDS: partial(_bounds, problem, budgets)}, 1, finished, on_part, kind=xr.Dataset)[BOUNDS]
    prices = bounds["price"].values.tolist()
    jobs = {
        name: partial(_curve_of, problem, policy, budgets, prices, seeds, keys, is_exact)
        for policy, (name, is_exact) in zip(chosen, exact.items(), strict=True)
    }
    parts = run_parts(jobs, n_jobs, finished, on_part, kind=xr.Dataset)
    result = xr.concat([parts[name] for name in jobs], dim="policy").merge(bounds)
    result.attrs = {"prior_value": problem.prior_value, "remarks": [*remarks, *more, *old]}
    return result


def _of_this_form(finished: dict[str, xr.Dataset]) -> tuple[dict[str, xr.Dataset], list[str]]:
    """Finished parts that can be taken up, and a remark on those that another version wrote."""
    import xarray as xr

    kept = {
        name: part
        for name, part in finished.items()
        # What is no dataset at all is refused later.
        if not isinstance(part, xr.Dataset) or ("price" if name == BOUNDS else "exact") in part
    }
    again = [name for name in finished if name not in kept]
    return kept, [f"computed again, since another version wrote them: {', '.join(again)}"] if again else []


def _bounds(problem: Problem, budgets: Sequence[float]) -> xr.Dataset:
    import xarray as xr

    bound, optimum = np.full((2, len(budgets)), problem.prior_value)
    price = np.zeros(len(budgets))
    exact = small_enough(problem)
    for j, budget in enumerate(budgets):
        if budget:
            small = at_budget(problem, budget)
            found = upper_bound(small)
            bound[j], price[j] = found.value, found.price
            optimum[j] = solve(small).value if exact else np.nan
    if not exact:
        optimum[:] = np.nan
    data = {
        "bound": ("budget", bound, {"description": "Lagrangian upper bound"}),
        "price": ("budget", price, {"description": "price of a unit of cost in the bound; 0 without a budget"}),
        "optimum": ("budget", optimum, {"description": "exact optimum"}),
    }
    return xr.Dataset(data, coords={"budget": budgets})


def _curve_of(
    problem: Problem,
    policy: Policy,
    budgets: Sequence[float],
    prices: Sequence[float],
    seeds: Sequence[np.random.SeedSequence],
    keys: NDArray[np.uint64],
    exact: bool,
) -> xr.Dataset:
    import xarray as xr

    begin = time.perf_counter()
    values = np.full((len(budgets), len(keys)), problem.prior_value)
    # Without a budget nothing is left to chance.
    bought = [j for j, budget in enumerate(budgets) if budget]
    points = [(at_budget(problem, budgets[j]), prices[j]) for j in bought]
    if exact and bought:
        values[bought] = [[evaluate(small, policy).value] for small, _ in points]
    elif bought:
        run = _observed if _on_the_way(problem, policy) else _afresh
        for part in replication_parts(problem, len(keys)):
            nature = PriorNature.draw(problem, seeds[part], keys[part])
            values[bought, part] = run(problem, policy, points, nature)
    data: dict[str, Any] = {
        "value": (
            ("policy", "budget", "replication"),
            values[None],
            {"description": "expected payoff: exact, or that of one replication net of chance"},
        ),
        "exact": (
            ("policy", "budget"),
            [[exact or not budget for budget in budgets]],
            {"description": "the value is exact, and the same in every replication"},
        ),
        "seconds": (
            "policy",
            [time.perf_counter() - begin],
            {"description": "wall-clock seconds for all budgets and replications"},
        ),
    }
    return xr.Dataset(data, coords={"policy": [label(policy)], "budget": budgets, "replication": np.arange(len(keys))})


Points = Sequence[tuple[Problem, float]]


def _observed(problem: Problem, policy: Policy, points: Points, nature: PriorNature) -> Floats:
    """Values of the problems with their prices from one run, shape (problems, replications)."""
    seen: dict[int, Ints] = {}

    def observe(step: int, counts: Ints, _: Ints) -> None:
        seen[step] = counts.astype(np.int32)

    # Caps may allow fewer labels than the budget would buy.
    stops = [small.labels for small, _ in points]
    play(problem, policy, nature, nature.keys, stops=stops, observe=observe, tables=False)
    ends = [seen[stop].astype(np.int64) for stop in stops]
    return np.array([net_of_chance(*point, counts, nature) for point, counts in zip(points, ends, strict=True)])


def _afresh(problem: Problem, policy: Policy, points: Points, nature: PriorNature) -> Floats:
    """Values of the problems with their prices, each from a separate run; shape (problems, replications)."""
    runs = (play(small, policy, nature, nature.keys, tables=False)[0] for small, _ in points)
    return np.array([net_of_chance(*point, counts, nature) for point, counts in zip(points, runs, strict=True)])


@checked
@result_of("budget_curve", "value", "exact", "bound", "optimum", "prior_value")
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
        ``standard_error`` (0 for exact values), ``share``, the fraction of the optimum's gain at that budget as in
        ``compare`` (``nan`` where the optimum is not known), and ``share_of_bound``, that of the bound's gain. Shares
        are NaN where there is no gain, and ``attrs["remarks"]`` says so where there is none at any budget.

    Examples
    --------
    >>> import seqaudit as sa
    >>> curve = sa.budget_curve(sa.Problem([0.55, 0.41, 0.32], budget=12), ["kg"], points=3, seed=7)
    >>> table = sa.curve_table(curve)
    >>> table.loc[table["budget"] == 12, ["policy", "value"]].round(3).values.tolist()
    [['lagrangian bound', 2.61], ['optimum', 2.563], ['kg', 2.535], ['no labels', 1.82]]
    """
    import pandas as pd

    result = result.transpose("policy", "budget", ...)
    nothing, bound, optimum = result.attrs["prior_value"], result["bound"].values, result["optimum"].values
    exact = result["exact"]
    first = result["value"].isel(replication=0)
    # A mean of equal values, and their deviation from it, would be exact but for rounding.
    mean = first.where(exact, result["value"].reduce(mean_of, "replication"))
    error = result["value"].reduce(error_of_average, "replication").where(~exact, 0.0)
    zero = np.zeros(len(bound))
    rows = [("lagrangian bound", "bound", bound, zero)]
    if np.isfinite(optimum).all():
        rows.append(("optimum", "optimum", optimum, zero))
    for k in np.argsort(-mean.isel(budget=-1).values, kind="stable"):
        rows.append((str(result["policy"].values[k]), "policy", mean.values[k], error.values[k]))
    rows.append(("no labels", "nothing", np.full(len(bound), nothing), zero))
    frames = [
        pd.DataFrame(
            {
                "policy": name,
                "kind": kind,
                "budget": result["budget"].values,
                "value": value,
                "standard_error": wrong,
                "share": share_of(value - nothing, optimum - nothing, np.maximum(1.0, np.abs(optimum))),
                "share_of_bound": share_of(value - nothing, bound - nothing, np.maximum(1.0, np.abs(bound))),
            }
        )
        for name, kind, value, wrong in rows
    ]
    table = pd.concat(frames, ignore_index=True)
    table.attrs["remarks"] = [no_gain(nothing)] if table["share_of_bound"].isna().all() else []
    return table
