"""The command line.

Every command checks its input first and, on a fault, prints one clear line and exits with status 2. Long work shows a
progress bar on a terminal and plain lines elsewhere, on standard error; results go to standard output.
"""

from __future__ import annotations

import importlib.metadata
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from ..dp.allocation import allocate as allocate_labels
from ..dp.atomic import write_whole
from ..dp.backward import Solution
from ..dp.backward import solve as solve_problem
from ..dp.bounds import upper_bound
from ..dp.problem import Problem, ProblemError
from . import cli_provenance, cli_raters, cli_statics, cli_stress, cli_structure, cli_studies
from .cli_common import (
    INTERRUPTED,
    JsonOption,
    OutOption,
    PolicyOption,
    headline,
    inline_table,
    nothing_kept,
    problem_as_inputs,
    read_problem,
)
from .output import (
    keep_standard_output,
    percent,
    print_json,
    print_remarks,
    print_table,
    records,
    show_progress,
)

__all__ = ["app", "main"]

app = typer.Typer(
    name="seqaudit",
    help="Bayesian sequential design for scarce human labels.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"seqaudit {importlib.metadata.version('seqaudit')}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print it.")
    ] = False,
) -> None:
    """Bayesian sequential design for scarce human labels."""


@app.command()
def compare(
    problem_file: Annotated[
        Path | None, typer.Argument(metavar="[PROBLEM.toml]", help="Default: a built-in one.")
    ] = None,
    policy: PolicyOption = None,
    out: OutOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare policies with the exact optimum of a small problem."""
    from .compare import comparison_rows, comparison_table
    from .plots import plot_comparison
    from .runs import RunFolder
    from .warm import warm

    problem = read_problem(problem_file)
    rows, remarks = comparison_rows(problem, policy)
    names = [name for name, _ in rows]
    folder = RunFolder(out, "compare", {"problem": problem_as_inputs(problem), "rows": names})
    problem.to_toml(folder.path / "problem.toml")
    done = []
    with show_progress("comparing", len(rows) + 1) as advance:
        # Compiled now, so that the seconds in the table are not the compiler's; later runs find the compiled code.
        warm()
        advance("kernels ready")
        for name, compute in rows:
            part = folder.part(name, ".json")
            if not part.exists():
                write_whole(part, json.dumps(compute()))
            done.append(json.loads(part.read_text(encoding="utf-8")))
            advance(name)
    table = comparison_table(done, remarks)
    folder.write("comparison.csv", table.to_csv(index=False))
    plot_comparison(table, folder.path / "comparison.png", headline(problem))
    if as_json:
        print_json(
            {
                "run": str(folder.path),
                "problem": problem_as_inputs(problem),
                "remarks": [*problem.check(), *remarks],
                "rows": records(table),
            }
        )
        return
    print_remarks([*problem.check(), *remarks])
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
    print(f"table, figure and inputs: {folder.path}")


@app.command()
def solve(
    problem_file: Annotated[Path, typer.Argument(metavar="PROBLEM.toml")],
    save_policy: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Keep the optimal policy, and write it to a new folder.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Solve a small problem exactly."""
    problem = read_problem(problem_file)
    if save_policy is not None and save_policy.exists():
        raise ValueError(f"{save_policy} exists; a policy is written to a new folder")
    with show_progress("solving", 100) as advance:
        shown = 0

        def progress(states: int, total: int) -> None:
            nonlocal shown
            while shown < 100 * states // total:
                shown += 1
                advance(None)

        solution = solve_problem(problem, keep_policy=save_policy is not None, progress=progress)
    best = _first_choice(problem, solution)
    if save_policy is not None:
        solution.save(save_policy)
    if as_json:
        print_json(
            {
                "problem": problem_as_inputs(problem),
                "value": solution.value,
                "prior_value": solution.prior_value,
                "states": solution.states,
                "engine": solution.engine,
                "seconds": solution.seconds,
                "first": best,
                "remarks": problem.check(),
            }
        )
        return
    print_remarks(problem.check())
    print(f"problem          {headline(problem)}")
    print(f"optimal value    {solution.value:.12g}")
    print(f"with no labels   {solution.prior_value:.12g}")
    print(f"label first      {' or '.join(best) or 'nothing'}")
    print(f"states           {solution.states:,} in {solution.seconds:.2f} s ({solution.engine})")
    if save_policy is not None:
        print(f"policy           {save_policy}")


@app.command()
def allocate(
    problem_file: Annotated[Path, typer.Argument(metavar="PROBLEM.toml")],
    as_json: JsonOption = False,
) -> None:
    """Allocate the budget before any label is seen."""
    problem = read_problem(problem_file)
    found = allocate_labels(problem)
    bound = upper_bound(problem).value
    if as_json:
        shown = ("value", "prior_value", "upper", "price", "quota_prices", "kkt_residual", "method")
        print_json(
            {
                "problem": problem_as_inputs(problem),
                **{key: getattr(found, key) for key in shown},
                "sequential_bound": bound,
                "counts": found.counts.tolist(),
                "defect": found.defect.tolist(),
                "remarks": problem.check(),
            }
        )
        return
    print_remarks(problem.check())
    print_table(
        headline(problem),
        ["item", "labels", "cost", "concavity defect"],
        [
            [name, str(labels), f"{labels * cost:g}", f"{defect:.6f}"]
            for name, labels, cost, defect in zip(
                problem.name, found.counts.tolist(), problem.cost.tolist(), found.defect.tolist(), strict=True
            )
            if labels
        ],
    )
    print(f"value            {found.value:.12g} ({found.method}; no allocation exceeds {found.upper:.12g})")
    print(f"with no labels   {found.prior_value:.12g}")
    print(f"adaptivity       worth at most {max(bound - found.value, 0.0):.6g}")
    print(f"shadow price     {found.price:.6g} a unit of cost")
    for k, price in enumerate(found.quota_prices, start=1):
        print(f"quota {k:<11}costs {price:.6g} a label")
    print(f"KKT residual     {found.kkt_residual:.3g}")


@app.command()
def replay(
    labels_file: Annotated[Path, typer.Argument(metavar="LABELS.csv[.gz]")],
    budget: Annotated[int, typer.Option(help="Votes that each policy buys.")],
    items: Annotated[Path | None, typer.Option(help="Items file: log-probabilities, log-ratios or thresholds.")] = None,
    beta: Annotated[float | None, typer.Option(help="Thresholds are sigma(beta c); default 1.")] = None,
    threshold: Annotated[float | None, typer.Option(help="One threshold for all items, without an items file.")] = None,
    prior: Annotated[tuple[float, float], typer.Option(help="Beta prior of every item.")] = (1.0, 1.0),
    utility: Annotated[
        str, typer.Option(help="Terminal utility: a name, or '{name=\"asymmetric\", gain=1, loss=3}'.")
    ] = "accuracy",
    policy: PolicyOption = None,
    replications: Annotated[int, typer.Option("--seeds", help="Independent shuffles of the pools.")] = 5,
    seed: Annotated[int, typer.Option(min=0, help="Root of all randomness.")] = 7,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse items that the items file lacks.")] = False,
    jobs: Annotated[int, typer.Option(help="Worker processes; -1 for all cores.")] = -1,
    out: OutOption = None,
    as_json: JsonOption = False,
) -> None:
    """Spend a budget on real votes with every policy, and score the decisions against all votes."""
    import xarray as xr

    from .choice import choose_policies, label
    from .labels import read_labels
    from .plots import plot_replay
    from .replay import problem_of_labels, replay_table
    from .replay import replay as run
    from .runs import RunFolder, fingerprint

    dataset = read_labels(labels_file, items, strict=strict)
    settings: dict[str, Any] = {
        "beta": beta,
        "threshold": threshold,
        "prior": prior,
        "utility": inline_table("--utility", utility) if utility.startswith("{") else utility,
    }
    problem = problem_of_labels(dataset, budget, **settings)
    chosen, _ = choose_policies(problem, policy, planning=False)
    if replications < 1:
        raise ValueError(f"--seeds is {replications}; it must be at least 1")
    if jobs < -1 or jobs == 0:
        raise ValueError(f"--jobs is {jobs}; it must be a number of worker processes, or -1 for all cores")
    names = [label(p) for p in chosen]
    inputs = settings | {
        "labels": fingerprint(labels_file),
        "items": fingerprint(items) if items else None,
        "budget": budget,
        "replications": replications,
        "seed": seed,
        "policies": names,
    }
    folder = RunFolder(out, "replay", inputs)
    remarks = [f"{dataset.dropped} items have labels but no row in {items}: left out"] if dataset.dropped else []
    if dataset.unlabelled:
        remarks.append(f"{dataset.unlabelled} items in {items} have no labels: left out")
    with show_progress("replaying", len(names)) as advance:
        finished = {}
        for name in names:
            if folder.part(name, ".nc").exists():
                finished[name] = xr.load_dataset(folder.part(name, ".nc"), engine="h5netcdf")
                advance(name)

        def keep(name: str, part: xr.Dataset) -> None:
            write_whole(folder.part(name, ".nc"), lambda scratch: part.to_netcdf(scratch, engine="h5netcdf"))
            advance(name)

        result = run(
            dataset,
            policy,
            budget=budget,
            seed=seed,
            replications=replications,
            n_jobs=jobs,
            finished=finished,
            on_policy=keep,
            **settings,
        )
    remarks += result.attrs["remarks"]
    table = replay_table(result)
    folder.write("replay.csv", table.to_csv(index=False))
    title = (
        f"{labels_file.name}: {problem.size} items, {problem.labels} of {dataset.n_labels} votes, "
        f"{replications} shuffles, utility {problem.utility.name}"
    )
    plot_replay(result, folder.path / "replay.png", title)
    truth = {k: result.attrs[k] for k in ("true_mass", "true_override_mass", "total_weight")}
    if as_json:
        print_json({"run": str(folder.path), "inputs": inputs, "remarks": remarks, **truth, "rows": records(table)})
        return
    print_remarks(remarks)
    many = replications > 1

    def pm(r: dict[str, Any], key: str, digits: int) -> str:
        error = r.get(f"{key}_se")
        return f"{r[key]:.{digits}f}" + (f" ± {error:.{digits}f}" if many and error is not None else "")

    slices = [str(s) for s in result["slice"].values]
    shown = slices if 1 < len(slices) <= 4 else []
    versus = "versus" in table
    print_table(
        title,
        [
            "policy",
            "decided right",
            *(["against round-robin"] if versus else []),
            "decisive .05",
            "decisive .1",
            "mass error",
            "override mass",
            *(f"labels {s}" for s in shown),
            "seconds",
        ],
        [
            [
                r["policy"],
                pm(r, "decision_accuracy", 4),
                *([pm(r, "versus", 4)] if versus else []),
                pm(r, "decisive_05", 4),
                pm(r, "decisive_10", 4),
                pm(r, "mass_error", 1),
                pm(r, "override_mass", 1),
                *(f"{r[f'labels_{s}']:.0f}" for s in shown),
                f"{r['seconds']:.1f}",
            ]
            for r in records(table)
        ],
    )
    nothing = result.isel(labels=0, policy=0, replication=0)
    print(
        f"with no labels: decided right {float(nothing['decision_accuracy']):.4f}, decisive .05 "
        f"{float(nothing['decisive_05']):.4f}, mass error {float(nothing['mass_error']):.1f}, override mass "
        f"{float(nothing['override_mass']):.1f}"
    )
    print(
        f"by all votes: mass {truth['true_mass']:.1f}, override mass {truth['true_override_mass']:.1f} of total weight "
        f"{truth['total_weight']:.1f}; ± is one standard error over shuffles"
    )
    print(f"table, figure, curves and inputs: {folder.path}")


@app.command()
def speed(
    runs: Annotated[int, typer.Option(min=1, help="Runs of each, of which the median is shown.")] = 5,
    seconds: Annotated[float, typer.Option(min=0, help="Time for the largest problems; 0 leaves them out.")] = 20.0,
    memory: Annotated[float | None, typer.Option(help="GiB for the largest problems; default: what there is.")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Default: all processors.")] = None,
    quick: Annotated[bool, typer.Option("--quick", hidden=True)] = False,
    as_json: JsonOption = False,
) -> None:
    """Time the exact engine on this machine, beside the same recursion in C."""
    if memory is not None and not 0 < memory < math.inf:
        raise ValueError(f"--memory is {memory:g}; it must be a positive number of GiB")
    if not math.isfinite(seconds):
        raise ValueError(f"--seconds is {seconds:g}; it must be finite")
    room = None if memory is None else memory * 2**30
    with nothing_kept():
        from .dense_baseline import compiled_baseline
        from .speed import TABLES, machine, speed_parts, speed_tables

        rows: dict[str, list[dict[str, Any]]] = {table: [] for table in TABLES}
        with compiled_baseline() as (baseline, remarks):
            parts = speed_parts(baseline, runs=runs, seconds=seconds, memory=room, threads=threads, quick=quick)
            with show_progress("measuring", len(parts)) as advance:
                for table, name, compute in parts:
                    rows[table].append(compute())
                    advance(name)
            settings = machine(baseline, threads)
    remarks += [f"{r['peer']} is not installed: not measured" for r in rows["peers"] if not r["installed"]]
    if as_json:
        print_json({"machine": settings, "runs": runs, "remarks": remarks, **rows})
        return
    print_remarks(remarks)
    for key, value in settings.items():
        print(f"{key:9} {value}")
    for title, header, cells in speed_tables(rows):
        print()
        print_table(title, header, cells)


_STUDIES = (cli_studies.certify, cli_studies.curve, cli_studies.survey)
_RATERS = (cli_raters.fit, cli_provenance.provenance, cli_stress.stress)
for _command in (*_STUDIES, cli_structure.structure, cli_statics.statics, *_RATERS):
    app.command()(_command)
app.add_typer(cli_raters.calibrate, name="calibrate")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command; on bad input one line and exit status 2. Without arguments it is ``--help``."""
    if arguments is None:
        keep_standard_output()
    try:
        status = app(args=list(sys.argv[1:] if arguments is None else arguments) or ["--help"], standalone_mode=False)
    except typer.TyperException as error:
        _fail(error.format_message())
    except ProblemError as error:
        count = len(error.faults)
        _fail(error.faults[0] + (f" (faults in all: {count})" if count > 1 else ""))
    except (ValueError, OSError, TypeError) as error:
        _fail(str(error))
    if status == INTERRUPTED:
        print("seqaudit: interrupted; finished parts are kept, and --out with the same folder goes on", file=sys.stderr)
    sys.exit(status if isinstance(status, int) else 0)


def _fail(message: str) -> NoReturn:
    print(f"seqaudit: {' '.join(message.splitlines())}", file=sys.stderr)
    sys.exit(2)


def _first_choice(problem: Problem, solution: Solution) -> list[str]:
    """What an optimal policy may label first: items, or batches as numbers of labels of each item."""
    if not problem.labels:
        return []
    if problem.batch == 1:
        return [problem.name[i] for i in solution.optimal_items()]
    return [
        " + ".join(f"{labels} {name}" for name, labels in zip(problem.name, batch, strict=True) if labels)
        for batch in solution.optimal_batches().tolist()
    ]
