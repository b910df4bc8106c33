"""``seqaudit replay``: spend a budget on real votes with every policy."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ....dp.machine.repeats import require_repeats
from ...runner.csv_text import csv_text
from .. import label_options
from ..options import (
    ClusterOption,
    JobsOption,
    JsonOption,
    OutOption,
    PolicyOption,
    SeedOption,
    at_least,
    files_as_inputs,
    workplace,
)
from ..output import print_json, print_remarks, print_table, records, show_progress
from ..report import report

__all__ = ["replay"]


@label_options.with_label_form
def replay(
    labels_file: label_options.LabelsArgument,
    form: dict[str, Any],
    budget: Annotated[int, typer.Option(help="Votes that each policy buys.")],
    items: label_options.ItemsOption = None,
    beta: label_options.BetaOption = None,
    threshold: label_options.ThresholdOption = None,
    prior: label_options.PriorOption = (1.0, 1.0),
    utility: label_options.UtilityOption = "accuracy",
    policy: PolicyOption = None,
    replications: Annotated[
        int, typer.Option("--seeds", callback=at_least(1), help="Independent shuffles of the pools.")
    ] = 5,
    seed: SeedOption = 7,
    strict: label_options.StrictOption = False,
    jobs: JobsOption = -1,
    cluster: ClusterOption = None,
    out: OutOption = None,
    as_json: JsonOption = False,
) -> None:
    """Spend a budget on real votes with every policy, and score the decisions against all votes."""
    from ....bandits.choice import choose_policies
    from ....bandits.registry import label
    from ...data.problem_of_labels import problem_of_labels
    from ...figures.replay import plot_replay
    from ...replay.replay import replay as run
    from ...replay.replay import replay_table
    from ...runner.folder import RunFolder
    from ...runner.kept import DATASETS

    dataset, files, remarks = label_options.read_label_file(labels_file, items, form, strict=strict)
    settings = label_options.rules_of(beta, threshold, prior, utility)
    problem = problem_of_labels(dataset, budget, **settings)
    chosen, _ = choose_policies(problem, policy, planning=False)
    names = [label(p) for p in chosen]
    run_settings: dict[str, Any] = {"budget": budget, "replications": replications, "seed": seed}
    inputs = settings | files | run_settings | {"policies": names} | files_as_inputs(policy)
    require_repeats("shuffles", replications, seconds=1e-6, memory=500)
    folder = RunFolder(out, "replay", inputs)
    with show_progress("replaying", len(names)) as advance:
        parts = folder.parts(names, advance, DATASETS)
        result = run(
            dataset,
            policy,
            n_jobs=workplace(jobs, cluster),
            finished=parts.finished,
            on_policy=parts.keep,
            **run_settings,
            **settings,
        )
    remarks += [*result.attrs["remarks"], *folder.notes]
    table = replay_table(result)
    folder.write("replay.csv", csv_text(table))
    title = (
        f"{labels_file.name}: {problem.size} items, {problem.labels} of {dataset.n_labels} votes, "
        f"{replications} shuffles, utility {problem.utility.name}"
    )
    plot_replay(result, folder.path / "replay.png", title)
    truth = {k: result.attrs[k] for k in ("true_mass", "true_override_mass", "total_weight")}
    with report(folder, "table, figure, curves and inputs", silent=as_json):
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
            f"by all votes: mass {truth['true_mass']:.1f}, override mass {truth['true_override_mass']:.1f} of total "
            f"weight {truth['total_weight']:.1f}; ± is one standard error over shuffles"
        )
    if as_json:
        print_json({"run": str(folder.path), "inputs": inputs, "remarks": remarks, **truth, "rows": records(table)})
