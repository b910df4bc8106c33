"""``seqaudit statics``: comparative statics of the optimum in design choices."""

from __future__ import annotations

import math
from decimal import ROUND_CEILING, ROUND_FLOOR, Context
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ....bandits.policy import Policy
from ....bandits.registry import label
from ....dp.problem.problem import Problem
from ....posteriors.foundation.memory import ProblemTooLarge
from ....posteriors.foundation.messages import shown
from ....posteriors.foundation.refusals import number_of_text
from ...runner.csv_text import csv_text
from ...runner.executors import Cluster
from ...runner.folder import problem_as_inputs
from ..options import (
    ClusterOption,
    ExactOption,
    JobsOption,
    JsonOption,
    OutOption,
    SeedOption,
    files_as_inputs,
    headline,
    policy_if_any,
    problem_folder,
    read_problem,
    workplace,
)
from ..output import evenly, print_json, print_remarks, print_table, records, show_progress
from ..report import report

if TYPE_CHECKING:
    import xarray as xr

    from ...design_choices.largest_beta import LargestBeta
    from ...runner.folder import RunFolder

__all__ = ["statics"]

# Name of the part with the break-even costs.
_BREAK_EVEN = "break-even"
_ALLOWED = ("beta", "temperature", "offset", "noise", "protocol")
# Many crowd labels, fewer trained raters, few experts.
_USUAL = ((0.3, 1.0), (0.15, 2.0), (0.05, 4.0))
# Largest number of budgets in the printed table.
_ROWS = 6


def statics(
    ctx: typer.Context,
    problem_file: Annotated[Path | None, typer.Argument(metavar="[PROBLEM.toml]")] = None,
    what: Annotated[str | None, typer.Option("--vary", help=f"One of {', '.join(_ALLOWED)}.")] = None,
    values: Annotated[str | None, typer.Option(help="Values, separated by commas.")] = None,
    protocol: Annotated[
        list[str] | None, typer.Option(help="NOISE,COST of a label, for --vary protocol; repeat for more.")
    ] = None,
    target: Annotated[
        float | None, typer.Option(help="Share of the weight to keep learnable, for --vary beta.")
    ] = None,
    points: Annotated[int, typer.Option(help="Budgets above 0, for --vary protocol.")] = 12,
    policy: Annotated[
        str | None,
        typer.Option(
            "--policy",
            "-p",
            callback=policy_if_any,
            help="Policy to simulate if not exact: a name, or FILE.py:Class. Default: gittins, or variance-reduction.",
        ),
    ] = None,
    replications: Annotated[int, typer.Option(help="Simulated runs if there is no exact value.")] = 8,
    seed: SeedOption = 7,
    exact: ExactOption = None,
    jobs: JobsOption = -1,
    cluster: ClusterOption = None,
    out: OutOption = None,
    as_json: JsonOption = False,
) -> None:
    """Vary a design choice, and show the optimum and its expected labels."""
    from ...design_choices.vary import checked_settings

    if problem_file is None or what not in _ALLOWED:
        raise ValueError(
            f"--vary is {shown(what)}; allowed: {', '.join(_ALLOWED)}"
            if problem_file is not None
            else "PROBLEM.toml is missing; give a problem and --vary"
        )
    for option, where in (
        ("values", what != "protocol"),
        ("protocol", what == "protocol"),
        ("points", what == "protocol"),
        ("target", what == "beta"),
    ):
        if _given(ctx, option) and not where:
            raise ValueError(f"--{option} does not go with --vary {what}")
    if exact and _given(ctx, "policy"):
        raise ValueError("--policy has no effect with --exact; leave it out")
    problem = read_problem(problem_file)
    if exact and problem.batch > 1:
        raise ValueError(f"--exact does not go with batch = {problem.batch}: batches have no exact value; leave it out")
    settings: dict[str, Any] = {"policy": policy, "replications": replications, "seed": seed, "exact": exact}
    checked_settings(**settings)
    if what == "protocol":
        _protocols(problem, protocol, points, settings, workplace(jobs, cluster), out, as_json)
    else:
        _vary(problem, what, values, target, settings, workplace(jobs, cluster), out, as_json)


def _recorded(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings as plain values, with the file of the policy if it was read from one."""
    policy = settings["policy"]
    name = label(policy) if isinstance(policy, Policy) else policy
    return settings | {"policy": name} | files_as_inputs([] if policy is None else [policy])


def _given(ctx: typer.Context, option: str) -> bool:
    """True for an option given on the command line, even with its default value."""
    source = ctx.get_parameter_source(option)
    return source is not None and source.name == "COMMANDLINE"


def _numbers(option: str, text: str) -> list[float]:
    found = [number_of_text(x) for x in text.split(",")]
    told = [x for x in found if x is not None]
    if len(told) < len(found):
        raise ValueError(f"{option} is {shown(text)}; give numbers with commas between them")
    return told


def _vary(
    problem: Problem,
    knob: str,
    values: str | None,
    target: float | None,
    settings: dict[str, Any],
    where: int | Cluster,
    out: Path | None,
    as_json: bool,
) -> None:
    from ...design_choices.largest_beta import largest_beta
    from ...design_choices.vary import checked_values, knob_values, vary, vary_table
    from ...figures.design_choices import label_groups, plot_vary
    from ...runner.kept import DATASETS

    wanted, remarks = knob_values(problem, knob) if values is None else (_numbers("--values", values), [])
    remarks = problem.check() + remarks
    # Values are checked before a folder is created.
    names = list(checked_values(problem, knob, wanted))
    found = None if target is None else largest_beta(problem.log_ratio, target, **_beliefs(problem))
    inputs = {"problem": problem_as_inputs(problem), "vary": knob, "values": wanted, "target": target}
    inputs |= _recorded(settings)
    folder = problem_folder(out, "statics", problem, inputs)
    with show_progress("solving", len(names)) as advance:
        parts = folder.parts(names, advance, DATASETS)
        result = vary(problem, knob, wanted, **settings, n_jobs=where, finished=parts.finished, on_part=parts.keep)
    remarks = [*remarks, *folder.notes]
    table = vary_table(result)
    folder.write("statics.csv", csv_text(table))
    plot_vary(result, folder.path / "statics.png", headline(problem))
    if found is not None:
        _draw_share(problem, found, folder)
    with report(folder, "table, figure, parts and inputs", silent=as_json):
        print_remarks(remarks)
        exact = bool((result["method"] == "exact").all())
        groups = label_groups(result)
        print_table(
            headline(problem),
            [
                knob,
                "no labels",
                *(["optimum"] if exact else ["lower bound", "±", "upper bound"]),
                "possible gain",
                *(f"labels {name}" for name, _ in groups),
            ],
            [
                [
                    f"{row[knob]:.6g}",
                    f"{row['prior_value']:.6g}",
                    *([f"{row['upper']:.6g}"] if exact else _bounds(row)),
                    f"{row['gain']:.6g}",
                    *(f"{bought[k]:.3f}" for _, bought in groups),
                ]
                for k, row in enumerate(records(table))
            ],
        )
        if found is not None:
            print(_told(found))
    if as_json:
        extra = {} if found is None else {"largest_beta": vars(found)}
        print_json({"run": str(folder.path), "inputs": inputs, "remarks": remarks, "rows": records(table)} | extra)


def _bounds(row: dict[str, Any]) -> list[str]:
    error = "exact" if row["method"] == "exact" else f"{row['standard_error']:.2g}"
    return [f"{row['lower']:.6g}", error, f"{row['upper']:.6g}"]


def _beliefs(problem: Problem) -> dict[str, Any]:
    return {"weight": problem.weight, "prior": problem.prior}


def _told(found: LargestBeta) -> str:
    of = f"{100 * found.target:g} % of the weight learnable"
    if math.isnan(found.value):
        return f"largest beta with {of}: none" + (
            ""
            if math.isnan(found.upper)
            else f" was found, and there is none above {_rounded(found.upper, ROUND_CEILING)}"
        )
    if math.isinf(found.value):
        return f"largest beta with {of}: infinite; {100 * found.limit:.4g} % remain learnable as beta grows"
    value, upper = _rounded(found.value, ROUND_FLOOR), _rounded(found.upper, ROUND_CEILING)
    return f"largest beta with {of}: {value}, and none above {upper}"


def _rounded(x: float, way: str) -> str:
    """Ten digits, rounded down or up, so that a printed bound is still a bound."""
    return f"{float(Context(prec=10, rounding=way).create_decimal(x)):.10g}"


def _draw_share(problem: Problem, found: LargestBeta, folder: RunFolder) -> None:
    import numpy as np

    from ...design_choices.largest_beta import learnable_share
    from ...figures.design_choices import plot_share

    steepest = float(np.abs(problem.log_ratio).max())
    far = 8.0 / steepest if steepest > 0 else 1.0
    if np.isfinite(found.value):
        far = max(far, 1.25 * found.value)
    grid = np.linspace(0.0, far, 201)
    share = learnable_share(problem.log_ratio, grid, **_beliefs(problem))
    plot_share(grid, share, found, folder.path / "share.png", headline(problem))


def _protocols(
    problem: Problem,
    given: list[str] | None,
    points: int,
    settings: dict[str, Any],
    where: int | Cluster,
    out: Path | None,
    as_json: bool,
) -> None:
    from ...comparison.curve import budgets_of
    from ...design_choices.protocols import (
        Protocol,
        affords,
        break_even_table,
        protocols,
        protocols_table,
        require_protocols,
        under,
    )
    from ...figures.design_choices import plot_break_even, plot_protocols
    from ...runner.kept import DATASETS

    pairs = _USUAL if given is None else [_numbers("--protocol", text) for text in given]
    for pair in pairs:
        if len(pair) != 2:
            raise ValueError(f"--protocol is {','.join(f'{x:g}' for x in pair)!r}; give NOISE,COST")
    chosen = [Protocol(*pair) for pair in pairs]
    names = require_protocols(problem, chosen)
    for one in chosen:
        if affords(problem, one, problem.budget):
            under(problem, one)
    budgets, _ = budgets_of(problem, points)
    inputs = {"problem": problem_as_inputs(problem), "vary": "protocol", "budgets": budgets, "protocols": names}
    # A given cap limits cheap labels even if it equals the budget; without caps only the budget does.
    inputs |= _recorded(settings) | {"asked_cap": None if problem.asked_cap is None else problem.asked_cap.tolist()}
    folder = problem_folder(out, "statics", problem, inputs)
    with show_progress("solving", len(names) + 1) as advance:
        parts = folder.parts([*names, _BREAK_EVEN], advance, DATASETS)
        table_of_costs, remarks = parts.finished.pop(_BREAK_EVEN, None), problem.check()
        result = protocols(
            problem, chosen, points=points, **settings, n_jobs=where, finished=parts.finished, on_part=parts.keep
        )
        if table_of_costs is None:
            table_of_costs, why = _costs(problem, chosen, points)
            remarks += why
            if table_of_costs is None:
                advance(None)
            else:
                parts.keep(_BREAK_EVEN, table_of_costs)
    remarks = [*remarks, *folder.notes]
    table = protocols_table(result)
    folder.write("statics.csv", csv_text(table))
    plot_protocols(result, folder.path / "statics.png", headline(problem))
    costs: list[dict[str, Any]] = []
    if table_of_costs is not None:
        even = break_even_table(table_of_costs)
        costs = records(even)
        folder.write("break-even.csv", csv_text(even))
        plot_break_even(table_of_costs, folder.path / "break-even.png", headline(problem))
    with report(folder, "tables, figures, parts and inputs", silent=as_json):
        print_remarks(remarks)
        shown = evenly(len(budgets) - 1, _ROWS)
        _print_protocols(problem, result, shown)
        if table_of_costs is not None:
            print()
            _print_costs(table_of_costs, [j - 1 for j in shown])
    if as_json:
        print_json(
            {
                "run": str(folder.path),
                "inputs": inputs,
                "remarks": remarks,
                "rows": records(table),
                "break_even": costs,
            }
        )


def _costs(problem: Problem, chosen: list[Any], points: int) -> tuple[xr.Dataset | None, list[str]]:
    """Break-even costs against the noisiest protocol, or None and a remark if they do not exist."""
    from ...design_choices.protocols import break_even

    worst = max(one.flip for one in chosen)
    better = sorted({0.0, *(one.flip for one in chosen)} - {worst})
    if not better:
        return None, ["break-even costs left out: the protocols have no noise"]
    try:
        return break_even(problem, better, baseline=worst, points=points), []
    except (ValueError, ProblemTooLarge) as error:
        return None, [f"break-even costs left out: {error}"]


def _print_protocols(problem: Problem, result: xr.Dataset, shown: list[int]) -> None:
    rows = []
    for j in shown:
        at = result.isel(budget=j)
        cells = []
        for k in range(result.sizes["protocol"]):
            one = at.isel(protocol=k)
            exact = str(one["method"].values) == "exact"
            low, high = (float(one[key]) - float(one["prior_value"]) for key in ("lower", "upper"))
            cells.append(f"{high:.6f}" if exact else f"{low:.4f} to {high:.4f}")
        rows.append([f"{float(at['budget']):g}", *cells, str(at["winner"].values)])
    header = ["budget", *(f"gain, {name}" for name in result["protocol"].values), "best"]
    print_table(headline(problem), header, rows)


def _print_costs(costs: xr.Dataset, shown: list[int]) -> None:
    budgets = costs["budget"].values
    print_table(
        f"break-even cost of a label, against noise {costs.attrs['baseline']:g} at cost 1",
        ["noise", *(f"budget {budgets[j]:g}" for j in shown)],
        [
            [f"{float(flip):g}", *(f"{row[j]:.4g} ({n[j]})" for j in shown)]
            for flip, row, n in zip(
                costs["flip"].values, costs["cost_ratio"].values, costs["labels_needed"].values, strict=True
            )
        ],
    )
    print("in brackets: number of labels that are worth at least the whole budget of the noisier ones")
