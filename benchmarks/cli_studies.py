"""Commands that say how good policies are: certificates, value against budget, and the survey of small problems."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..dp.atomic import write_whole
from ..dp.choices import check_policy
from ..dp.lattice import Lattice
from .cli_common import (
    JsonOption,
    OutOption,
    PolicyOption,
    headline,
    inline_table,
    nothing_kept,
    problem_as_inputs,
    read_problem,
)
from .output import percent, print_json, print_remarks, print_table, records, show_progress

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["certify", "curve", "survey"]

# What is certified where no policy is asked for: the best that is fast, and the best in closed form.
_CERTIFIED = ("gittins", "variance-reduction")
_SHOWN = ("policy", "lower", "standard_error", "upper", "gap", "gap_error", "prior_value", "spent", "price")
# Columns of budgets that are printed of a curve.
_COLUMNS = 4

ProblemArgument = Annotated[Path, typer.Argument(metavar="PROBLEM.toml")]


def certify(
    problem_file: ProblemArgument,
    policy: PolicyOption = None,
    replications: Annotated[int, typer.Option(help="Simulated runs where there is no exact value.")] = 8,
    seed: Annotated[int, typer.Option(min=0, help="Root of all randomness.")] = 0,
    exact: Annotated[
        bool | None,
        typer.Option("--exact/--no-exact", help="Exact values, or none; default: where the problem is small."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Certify how far policies are from the best that any policy could do."""
    from ..bandits.certify import certify as certificate
    from .choice import choose_policies

    problem = read_problem(problem_file)
    chosen, remarks = choose_policies(problem, policy, _CERTIFIED)
    if replications < 2:
        raise ValueError(f"--replications is {replications}; it must be at least 2")
    if exact:
        Lattice.of(problem).require()
        for one in chosen:
            check_policy(problem, one)
    remarks = [*problem.check(), *remarks]
    found = []
    with nothing_kept(), show_progress("certifying", len(chosen)) as advance:
        for one in chosen:
            found.append(certificate(problem, one, replications=replications, seed=seed, exact=exact))
            advance(one.name)
    if as_json:
        rows = [{key: getattr(c, key) for key in (*_SHOWN, "lower_by", "upper_by", "replications")} for c in found]
        print_json({"problem": problem_as_inputs(problem), "seed": seed, "remarks": remarks, "rows": rows})
        return
    print_remarks(remarks)
    print_table(
        headline(problem),
        ["policy", "lower bound", "±", "upper bound", "gap", "±", "spent"],
        [
            [
                c.policy,
                f"{c.lower:.8g}",
                f"{c.standard_error:.2g}" if c.replications else "exact",
                f"{c.upper:.8g}",
                percent(c.gap),
                percent(c.gap_error) if c.replications else "exact",
                f"{c.spent:g}",
            ]
            for c in found
        ],
    )
    print(f"with no labels   {problem.prior_value:.8g}; a gap is a share of the possible gain over that")
    for side in ("lower", "upper"):
        ways: dict[str, list[str]] = {}
        for c in found:
            ways.setdefault(getattr(c, f"{side}_by"), []).append(c.policy)
        for way, names in ways.items():
            print(f"{side} bound      {way}" + (f" ({', '.join(names)})" if len(ways) > 1 else ""))


def curve(
    problem_file: ProblemArgument,
    policy: PolicyOption = None,
    points: Annotated[int, typer.Option(help="Budgets above 0, up to the problem's own.")] = 12,
    replications: Annotated[int, typer.Option(help="Simulated runs at each budget.")] = 64,
    seed: Annotated[int, typer.Option(min=0, help="Root of all randomness.")] = 7,
    jobs: Annotated[int, typer.Option(help="Worker processes; -1 for all cores.")] = -1,
    out: OutOption = None,
    as_json: JsonOption = False,
) -> None:
    """Simulate what policies earn at smaller budgets, beside the upper bound."""
    import xarray as xr

    from .choice import label
    from .curve import BOUNDS, budget_curve, budgets_of, curve_policies, curve_table
    from .plots import plot_curve
    from .runs import RunFolder

    problem = read_problem(problem_file)
    for option, value in (("points", points), ("replications", replications)):
        if value < 1:
            raise ValueError(f"--{option} is {value}; it must be at least 1")
    if jobs < -1 or jobs == 0:
        raise ValueError(f"--jobs is {jobs}; it must be a number of worker processes, or -1 for all cores")
    budgets, _ = budgets_of(problem, points)
    chosen, _ = curve_policies(problem, policy, budgets, replications)
    names = [label(one) for one in chosen]
    inputs = {
        "problem": problem_as_inputs(problem),
        "policies": names,
        "budgets": budgets,
        "replications": replications,
        "seed": seed,
    }
    folder = RunFolder(out, "curve", inputs)
    problem.to_toml(folder.path / "problem.toml")
    with show_progress("simulating", len(names) + 1) as advance:
        finished = {}
        for name in (BOUNDS, *names):
            if folder.part(name, ".nc").exists():
                finished[name] = xr.load_dataset(folder.part(name, ".nc"), engine="h5netcdf")
                advance(name)

        def keep(name: str, part: xr.Dataset) -> None:
            write_whole(folder.part(name, ".nc"), lambda scratch: part.to_netcdf(scratch, engine="h5netcdf"))
            advance(name)

        result = budget_curve(
            problem,
            policy,
            points=points,
            replications=replications,
            seed=seed,
            n_jobs=jobs,
            finished=finished,
            on_part=keep,
        )
    remarks = [*problem.check(), *result.attrs["remarks"]]
    table = curve_table(result)
    folder.write("curve.csv", table.to_csv(index=False))
    title = f"{headline(problem)}, {replications} replications"
    plot_curve(table, folder.path / "curve.png", title)
    rows = records(table)
    if as_json:
        print_json({"run": str(folder.path), "inputs": inputs, "remarks": remarks, "rows": rows})
        return
    print_remarks(remarks)
    last = len(budgets) - 1
    shown = sorted({round(last * k / _COLUMNS) for k in range(1, _COLUMNS + 1)} - {0})
    by_policy: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by_policy.setdefault(row["policy"], []).append(row)

    def cell(row: dict[str, Any]) -> str:
        with_error = row["kind"] == "policy" and math.isfinite(row["standard_error"])
        return f"{row['value']:.4f}" + (f" ± {row['standard_error']:.4f}" if with_error else "")

    print_table(
        title,
        ["policy", *(f"budget {budgets[j]:g}" for j in shown), "share of possible gain"],
        [[name, *(cell(at[j]) for j in shown), percent(at[-1]["share"])] for name, at in by_policy.items()],
    )
    print(f"table, figure, replications and inputs: {folder.path}")


def survey(
    problems: Annotated[int, typer.Option(help="Problems to draw.")] = 200,
    policy: PolicyOption = None,
    seed: Annotated[int, typer.Option(min=0, help="Root of all randomness.")] = 7,
    utility: Annotated[
        list[str] | None,
        typer.Option(
            help="Terminal utility: a name, or '{name=\"asymmetric\", gain=1, loss=3}'. Give several for a table "
            "of all, with the time of a decision; 'all' stands for five."
        ),
    ] = None,
    jobs: Annotated[int, typer.Option(help="Worker processes; -1 for all cores.")] = -1,
    as_json: JsonOption = False,
) -> None:
    """Value policies exactly on small problems drawn at random."""
    from .matrix import UTILITIES
    from .survey import survey as run
    from .survey import survey_table

    if problems < 1:
        raise ValueError(f"--problems is {problems}; it must be at least 1")
    if jobs < -1 or jobs == 0:
        raise ValueError(f"--jobs is {jobs}; it must be a number of worker processes, or -1 for all cores")
    several = [inline_table("--utility", u) if u.startswith("{") else u for u in utility or ["accuracy"]]
    if several == ["all"]:
        several = list(UTILITIES)
    if len(several) > 1:
        _matrix(problems, policy, several, seed, jobs, as_json)
        return
    wanted = several[0]
    # On a terminal the bar moves with every problem; elsewhere a line now and then is enough.
    every = -(-problems // 10)
    with nothing_kept(), show_progress("surveying", problems) as advance:
        result = run(
            problems,
            policy,
            seed=seed,
            utility=wanted,
            n_jobs=jobs,
            on_problem=lambda k: advance(f"problem {k + 1}" if (k + 1) % every == 0 else None),
        )
    rows = records(survey_table(result))
    remarks = result.attrs["remarks"]
    if as_json:
        settings = {"problems": problems, "seed": seed, "utility": wanted}
        shares = {str(name): result["share"].sel(policy=name).values.tolist() for name in result["policy"].values}
        print_json({**settings, "remarks": remarks, "rows": rows, "shares": shares})
        return
    print_remarks(remarks)
    print_table(
        f"{problems} problems, utility {wanted if isinstance(wanted, str) else wanted['name']}",
        ["policy", "mean share", "worst share", "optimal"],
        [[r["policy"], percent(r["mean"]), percent(r["worst"]), f"{100 * r['optimal']:.1f} %"] for r in rows],
    )
    print("a share is of the optimal gain over no labels; optimal: in that part of the problems, to 1e-9")


def _matrix(
    problems: int,
    policies: list[str] | None,
    utilities: list[str | dict[str, Any]],
    seed: int,
    jobs: int,
    as_json: bool,
) -> None:
    """Print shares under several utilities, and the time of a decision."""
    from ..posteriors.utilities import make_utility
    from .matrix import policy_matrix

    names = [make_utility(u).name for u in utilities]
    every = -(-problems // 2)
    with nothing_kept(), show_progress("surveying", problems * len(names)) as advance:
        table, remarks = policy_matrix(
            problems,
            policies,
            utilities,
            seed=seed,
            n_jobs=jobs,
            on_problem=lambda name, k: advance(f"{name}: problem {k + 1}" if (k + 1) % every == 0 else None),
        )
    rows = records(table)
    if as_json:
        print_json({"problems": problems, "seed": seed, "utilities": utilities, "remarks": remarks, "rows": rows})
        return
    print_remarks(remarks)
    print_table(
        f"{problems} problems for each utility: mean and worst share of the optimal gain, microseconds a decision",
        ["policy", *names, "2-4 items", "50 items"],
        [
            [
                r["policy"],
                *(f"{_share(r[f'mean {name}'], 2)} / {_share(r[f'worst {name}'], 1)}" for name in names),
                *(_microseconds(r[f"seconds {size}"]) for size in ("small", "large")),
            ]
            for r in rows
        ],
    )
    print(
        "a share is in percent of the optimal gain over no labels; a decision is timed on one core, tables made before"
    )


def _share(value: float | None, digits: int) -> str:
    return "-" if value is None or math.isnan(value) else f"{100 * value:z.{digits}f}"


def _microseconds(seconds: float | None) -> str:
    return "-" if seconds is None or math.isnan(seconds) else f"{1e6 * seconds:,.0f}"
