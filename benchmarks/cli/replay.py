"""``seqaudit replay``: spend a budget on real votes with every policy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ...dp.machine.files import write_whole
from ...posteriors.foundation.refusals import whole
from .options import JsonOption, OutOption, PolicyOption, inline_table
from .output import print_json, print_remarks, print_table, records, show_progress

__all__ = ["replay"]


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

    from ...bandits.choice import choose_policies
    from ...bandits.registry import label
    from ..data.labels import read_labels
    from ..data.problem_of_labels import problem_of_labels
    from ..figures.replay import plot_replay
    from ..replay.replay import replay as run
    from ..replay.replay import replay_table
    from ..runner.folder import RunFolder, fingerprint

    dataset = read_labels(labels_file, items, strict=strict)
    settings: dict[str, Any] = {
        "beta": beta,
        "threshold": threshold,
        "prior": prior,
        "utility": inline_table("--utility", utility) if utility.startswith("{") else utility,
    }
    problem = problem_of_labels(dataset, budget, **settings)
    chosen, _ = choose_policies(problem, policy, planning=False)
    whole("--seeds", replications, least=1)
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
