"""``seqaudit curve``: values of policies at smaller budgets."""

from __future__ import annotations

import math
from typing import Annotated, Any

import typer

from ...runner.csv_text import csv_text
from ...runner.folder import problem_as_inputs
from .. import options
from ..options import at_least
from ..output import evenly, percent, print_json, print_remarks, print_table, records, show_progress
from ..report import report

__all__ = ["curve"]

# Largest number of budgets in the printed table.
_COLUMNS = 4


def curve(
    problem_file: options.ProblemArgument,
    policy: options.PolicyOption = None,
    points: Annotated[int, typer.Option(callback=at_least(1), help="Budgets above 0, up to the problem's own.")] = 12,
    replications: Annotated[int, typer.Option(callback=at_least(1), help="Simulated runs at each budget.")] = 64,
    seed: options.SeedOption = 7,
    jobs: options.JobsOption = -1,
    cluster: options.ClusterOption = None,
    out: options.OutOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """Compute the values of policies at smaller budgets, exactly or by simulation, and the upper bound."""
    from ....bandits.registry import label
    from ...comparison.curve import BOUNDS, budget_curve, budgets_of, curve_policies, curve_table
    from ...figures.curve import plot_curve
    from ...runner.kept import DATASETS

    problem = options.read_problem(problem_file)
    budgets, _ = budgets_of(problem, points)
    chosen, _ = curve_policies(problem, policy, budgets, replications)
    names = [label(one) for one in chosen]
    simulation: dict[str, Any] = {"replications": replications, "seed": seed}
    inputs = {"problem": problem_as_inputs(problem), "policies": names, "budgets": budgets, **simulation}
    inputs |= options.files_as_inputs(policy)
    folder = options.problem_folder(out, "curve", problem, inputs)
    with show_progress("computing", len(names) + 1) as advance:
        parts = folder.parts((BOUNDS, *names), advance, DATASETS)
        result = budget_curve(
            problem,
            policy,
            points=points,
            n_jobs=options.workplace(jobs, cluster),
            finished=parts.finished,
            on_part=parts.keep,
            **simulation,
        )
    table = curve_table(result)
    remarks = [*problem.check(), *result.attrs["remarks"], *table.attrs["remarks"], *folder.notes]
    folder.write("curve.csv", csv_text(table))
    simulated = (table["standard_error"] != 0).any()
    title = f"{options.headline(problem)}, " + (f"{replications} replications" if simulated else "exact values")
    plot_curve(table, folder.path / "curve.png", title)
    rows = records(table)
    with report(folder, "table, figure, replications and inputs", silent=as_json):
        print_remarks(remarks)
        shown = evenly(len(budgets) - 1, _COLUMNS)
        by_policy: dict[str, list[dict[str, Any]]] = {}
        for row in rows:
            by_policy.setdefault(row["policy"], []).append(row)

        def cell(row: dict[str, Any]) -> str:
            with_error = row["standard_error"] != 0 and math.isfinite(row["standard_error"])
            return f"{row['value']:.4f}" + (f" ± {row['standard_error']:.4f}" if with_error else "")

        known = "optimum" in by_policy
        share, of = ("share", "share of possible gain") if known else ("share_of_bound", "share of the bound's gain")
        print_table(
            title,
            ["policy", *(f"budget {budgets[j]:g}" for j in shown), of],
            [[name, *(cell(at[j]) for j in shown), percent(at[-1][share])] for name, at in by_policy.items()],
        )
    if as_json:
        print_json({"run": str(folder.path), "inputs": inputs, "remarks": remarks, "rows": rows})
