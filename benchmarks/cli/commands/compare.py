"""``seqaudit compare``: policies and the exact optimum of a small problem."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ...runner.csv_text import csv_text
from ...runner.folder import problem_as_inputs
from ..options import JsonOption, OutOption, PolicyOption, files_as_inputs, headline, problem_folder, read_problem
from ..output import percent, print_json, print_remarks, print_table, records, show_progress
from ..report import report

__all__ = ["compare"]


def compare(
    problem_file: Annotated[
        Path | None, typer.Argument(metavar="[PROBLEM.toml]", help="Default: a built-in one.")
    ] = None,
    policy: PolicyOption = None,
    out: OutOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare policies with the exact optimum of a small problem."""
    from ...comparison.compare import comparison_rows, comparison_table
    from ...figures.comparison import plot_comparison
    from ...runner.kept import JSON
    from ...runner.parts import run_parts
    from ...runner.warm import warm

    problem = read_problem(problem_file)
    rows, remarks = comparison_rows(problem, policy)
    names = [name for name, _ in rows]
    inputs = {"problem": problem_as_inputs(problem), "rows": names} | files_as_inputs(policy)
    folder = problem_folder(out, "compare", problem, inputs)
    with show_progress("comparing", len(rows) + 1) as advance:
        # Compile first, so that the seconds in the table do not include compilation; later runs find the compiled code.
        warm()
        advance("kernels ready")
        parts = folder.parts(names, advance, JSON)
        done = run_parts(dict(rows), 1, parts.finished, parts.keep)
    remarks = [*remarks, *folder.notes]
    table = comparison_table([done[name] for name in names], remarks)
    folder.write("comparison.csv", csv_text(table))
    plot_comparison(table, folder.path / "comparison.png", headline(problem))
    with report(folder, "table, figure and inputs", silent=as_json):
        print_remarks([*problem.check(), *table.attrs["remarks"]])
        print_table(
            headline(problem),
            ["policy", "value", "share of possible gain", "regret", "seconds"],
            [
                [
                    r["policy"],
                    f"{r['value']:.10f}",
                    percent(r["share"]),
                    "" if r["kind"] == "bound" else f"{r['regret']:z.7f}",
                    f"{r['seconds']:.2f}",
                ]
                for r in records(table)
            ],
        )
        if table.attrs["headroom"] is not None:
            print(f"headroom: uniform selection leaves {percent(table.attrs['headroom'])} of the possible gain")
    if as_json:
        print_json(
            {
                "run": str(folder.path),
                "problem": problem_as_inputs(problem),
                "remarks": [*problem.check(), *table.attrs["remarks"]],
                "headroom": table.attrs["headroom"],
                "rows": records(table),
            }
        )
