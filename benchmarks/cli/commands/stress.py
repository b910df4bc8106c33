"""``seqaudit stress``: cost of a wrong model to each policy."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...runner.csv_text import csv_text
from ..options import ClusterOption, JobsOption, JsonOption, OutOption, PolicyOption, files_as_inputs, workplace
from ..output import print_json, print_remarks, print_table, records, show_progress
from ..report import report

if TYPE_CHECKING:
    import pandas as pd

    from ...stress.scenario import Scenario, StressGrid

__all__ = ["stress"]


_MEANING = """\
losses: against one who knows nature (exact), or the truth (simulated, ± one standard error); the columns
after the slope are of the last strength: the parts of the loss, and labels of items decided right already"""


def stress(
    scenarios: Annotated[
        Path | None, typer.Argument(metavar="[SCENARIOS.toml]", help="Default: the built-in ones.")
    ] = None,
    policy: PolicyOption = None,
    replications: Annotated[
        int | None, typer.Option(help="Simulated runs of each cell; default: as in the file.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of all randomness; default: as in the file.")] = None,
    jobs: JobsOption = -1,
    cluster: ClusterOption = None,
    out: OutOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure the cost of choosing labels and deciding by one model while another is true."""
    from ...figures.stress import plot_stress
    from ...runner.folder import RunFolder
    from ...runner.kept import DATASETS
    from ...stress.scenario_file import built_in_scenarios, read_scenarios
    from ...stress.stress import stress as run
    from ...stress.stress import stress_slopes, stress_table, worse_than_uniform

    options: dict[str, Any] = {"policies": policy, "replications": replications, "seed": seed}
    grid = built_in_scenarios(**options) if scenarios is None else read_scenarios(scenarios, **options)
    names = list(grid.cells)
    inputs = grid.as_inputs() | files_as_inputs(policy)
    folder = RunFolder(out, "stress", inputs)
    with show_progress("stressing", len(names)) as advance:
        parts = folder.parts(names, advance, DATASETS)
        found = run(grid, n_jobs=workplace(jobs, cluster), finished=parts.finished, on_part=parts.keep)
    table = stress_table(found)
    slopes, worse = stress_slopes(table), worse_than_uniform(table)
    folder.write("stress.csv", csv_text(table))
    folder.write("slopes.csv", csv_text(slopes))
    plot_stress(table, folder.path / "loss.png", folder.path / "accuracy.png")
    with report(folder, "tables, figures, cells and inputs", silent=as_json):
        print_remarks(folder.notes)
        print(_MEANING)
        print()
        for one in grid.scenarios:
            _print_losses(one, table, slopes)
            print()
        _print_settled(grid, table)
        _print_after(grid, table)
        _print_groups(grid, table)
        _print_worse(worse)
    if as_json:
        rows = {"rows": records(table), "slopes": records(slopes), "worse_than_uniform": records(worse)}
        print_json({"run": str(folder.path), "inputs": inputs, "remarks": folder.notes} | rows)


def _at(table: pd.DataFrame, one: Scenario, value: float, policy: str) -> dict[str, Any]:
    rows = table[(table["scenario"] == one.name) & (table["strength"] == value) & (table["policy"] == policy)]
    return records(rows)[0]


def _names(one: Scenario) -> list[str]:
    from ....bandits.registry import label

    return [label(x) for x in one.policies]


def _cell(row: dict[str, Any], key: str, digits: int = 4) -> str:
    value, error = row.get(key, math.nan), row.get(f"{key}_se", 0.0)
    if value is None or math.isnan(value):
        return "-"
    return f"{value:z.{digits}f}" + (f" ± {error:.{digits}f}" if error > 0 else "")


def _print_losses(one: Scenario, table: pd.DataFrame, slopes: pd.DataFrame) -> None:
    """Print the losses of one scenario, with the policy that degrades fastest first."""
    own = slopes[slopes["scenario"] == one.name]
    slope = dict(zip(own["policy"], own["slope"], strict=True))
    digits = 4 if one.kind == "exact" else 2
    # Parts of the last loss, if they are known, and the share of labels on items decided correctly already.
    parts = {"asked wrongly": "asked_wrongly", "decided wrongly": "decided_wrongly"} if one.kind == "exact" else {}
    parts |= {"already right": "already_right"}
    rows = []
    for name in sorted(_names(one), key=lambda name: -slope.get(name, 0.0)):
        losses = [_cell(_at(table, one, x, name), "loss", digits) for x in one.values]
        last = _at(table, one, one.values[-1], name)
        shown = f"{slope[name]:z.4g}" if name in slope else "-"
        rows.append([name, *losses, shown, *(f"{last[key]:z.3f}" for key in parts.values())])
    header = ["policy", *(f"{x:g}" for x in one.values), "slope", *parts]
    print_table(f"{one.name} ({one.kind}), by {one.strength}", header, rows)


def _print_settled(grid: StressGrid, table: pd.DataFrame) -> None:
    """Print the decisive share of the weight at the last strength of each scenario, and how much of it is correct."""
    rows = []
    for one in grid.scenarios:
        last = one.values[-1]
        found = [(name, _at(table, one, last, name)) for name in _names(one)]
        told = [(name, row) for name, row in found if not math.isnan(row["true_share"])]
        if not told:
            rows.append([one.name, f"{last:g}", "nothing is decisive", "", "", "", ""])
            continue
        name, worst = min(told, key=lambda x: float(x[1]["true_share"]))
        gap, skewed = max((row["decisive_low"] - row["decisive_high"], name) for name, row in found)
        rows.append(
            [
                one.name,
                f"{last:g}",
                f"{worst['decisive']:.3f}",
                _cell(worst, "true_share", 3),
                name,
                f"{worst['claimed_accuracy'] - worst['accuracy']:z.3f}",
                "-" if math.isnan(gap) else f"{gap:z.3f} ({skewed})",
            ]
        )
    print_table(
        "decisive weight at the last strength, for the policy with the smallest correct share of it",
        ["scenario", "strength", "decisive", "of it right", "policy", "accuracy overstated", "low less high slice"],
        rows,
    )
    print(
        "of it right should be at least 1 - eps; last column: largest decisive share of the low slice less the high one"
    )
    print()


def _print_after(grid: StressGrid, table: pd.DataFrame) -> None:
    """Print accuracy as planned and after the fact, for scenarios with a model that decides after the fact."""
    rows = []
    for one in grid.scenarios:
        if one.refit is None:
            continue
        for x in (one.values[0], one.values[-1]):
            for name in _names(one):
                row = _at(table, one, x, name)
                cells = [_cell(row, key, 3) for key in ("accuracy", "accuracy_after", "true_share", "true_share_after")]
                rows.append([one.name, f"{x:g}", name, *cells])
    if not rows:
        return
    print_table(
        "deciding after the fact by a model of raters, on the votes that each policy bought",
        ["scenario", "strength", "policy", "accuracy", "after the fact", "decisive and right", "after the fact"],
        rows,
    )
    print()


def _print_groups(grid: StressGrid, table: pd.DataFrame) -> None:
    """Print accuracy for the worst group, for scenarios where rates differ by group."""
    rows = []
    for one in grid.scenarios:
        for x in (one.values[0], one.values[-1]):
            for name in _names(one):
                row = _at(table, one, x, name)
                if not math.isnan(row.get("worst_group", math.nan)):
                    cells = [_cell(row, key, 3) for key in ("accuracy", "worst_group", "worst_group_after")]
                    rows.append([one.name, f"{x:g}", name, *cells])
    if not rows:
        return
    print_table(
        "accuracy for the worst group: of one decision an item, and of a decision for each group after the fact",
        ["scenario", "strength", "policy", "over all groups", "worst group", "after the fact"],
        rows,
    )
    print()


def _print_worse(worse: pd.DataFrame) -> None:
    if worse.empty:
        print("no policy earns less than uniform")
        return
    print_table(
        "policies that earn less than uniform",
        ["scenario", "policy", "strengths", "largest difference"],
        [
            [
                str(scenario),
                str(policy),
                ", ".join(f"{x:g}" for x in part["strength"]),
                _cell(records(part.nsmallest(1, "versus_uniform"))[0], "versus_uniform"),
            ]
            for (scenario, policy), part in worse.groupby(["scenario", "policy"], sort=False)
        ],
    )
    print()
