"""``seqaudit run``, ``seqaudit status`` and ``seqaudit report``: declared studies, and what is done of them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ....posteriors.foundation.messages import shown
from ....posteriors.foundation.refusals import whole
from ...runner.csv_text import csv_text
from ...runner.finished import FinishedRun
from ...runner.lock import is_worked_in
from .. import options
from ..output import percent, print_json, print_remarks, print_table, records, say, show_progress
from ..report import report as written_report

if TYPE_CHECKING:
    from ...runner.folder import RunFolder
    from ...studies.results import StudyResults
    from ...studies.study import Study

__all__ = ["now_and_then", "report", "run", "status"]

# Rows of the printed table, lines of progress where there is no terminal, and messages of cells that failed.
_MOST_ROWS, _MOST_LINES, _MOST_MESSAGES = 60, 20, 5
_SHARE = 0.9
# Differences that are tested without telling of it.
_MOST_AT_ONCE = 200
# Studies that come with the package, by name.
_SHIPPED = {"": "built_in.toml", "headroom": "headroom.toml"}


def _at_least_one(option: typer.CallbackParam, value: int | None) -> int | None:
    return None if value is None else whole(option.opts[0], value, 1)


MetricOption = Annotated[
    str | None, typer.Option(metavar="NAME", help="Metric of the printed table, or payoff; default: the first.")
]
ReferenceOption = Annotated[
    str | None, typer.Option(metavar="POLICY", help="Policy with which the others are compared; default: round-robin.")
]
RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="Run folder of a study.")]


def run(
    study_file: Annotated[
        Path | None,
        typer.Argument(metavar="[STUDY.toml]", help="Study file, or 'headroom'; default: the built-in study."),
    ] = None,
    policy: options.PolicyOption = None,
    replications: Annotated[
        int | None, typer.Option(callback=_at_least_one, help="Runs of every policy in every environment.")
    ] = None,
    metric: MetricOption = None,
    reference: ReferenceOption = None,
    jobs: options.JobsOption = -1,
    cluster: options.ClusterOption = None,
    out: options.OutOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """Compute the missing cells of a study that is declared in a file, and report it."""
    from ...studies.results import StudyResults
    from ...studies.run_study import compute_cells, missing_jobs, open_study

    study = _read(study_file, policy, replications)
    _require_choice(study, metric, reference)
    with open_study(study, out) as folder:
        missing = missing_jobs(study, folder)
        with show_progress("computing", len(missing)) as advance:
            compute_cells(study, folder, options.workplace(jobs, cluster), now_and_then(advance, len(missing)), missing)
        results = StudyResults.of(folder.path)
        _report(folder, results, metric, reference, as_json, folder.notes)
    if results.failed:
        # The rest is computed and reported; a script sees that something is missing.
        raise typer.Exit(1)


def _read(path: Path | None, policies: Any, replications: int | None) -> Study:
    from ...studies.study_file import read_study

    shipped = _SHIPPED.get("" if path is None else str(path))
    if path is not None and (shipped is None or path.exists()):
        return read_study(path, policies=policies, replications=replications)
    with as_file(files("seqaudit.benchmarks.studies") / str(shipped)) as file:
        return read_study(file, policies=policies, replications=replications)


def _require_choice(study: Study, metric: str | None, reference: str | None) -> None:
    """Refuse what the report could not show, before any work starts."""
    from ...studies.tables import require_metric, require_policy

    require_metric(study.outline, metric)
    require_policy(study.outline, reference)


def now_and_then(advance: Callable[[str | None], object], total: int) -> Callable[[str], None]:
    """Advance the progress, by name for some of the jobs: elsewhere than on a terminal a few lines are enough."""
    every, done = -(-total // _MOST_LINES), 0

    def told(name: str) -> None:
        nonlocal done
        done += 1
        advance(name if done % every == 0 or done == total else None)

    return told


def status(run: RunArgument, as_json: options.JsonOption = False) -> None:
    """Say how many cells of a study are done, have failed, and are missing."""
    from ...studies.results import StudyResults

    results = StudyResults.of(run)
    outline = results.outline
    each = len(outline.settings) * outline.replications
    done = dict.fromkeys((way.name for way in outline.ways), 0)
    for group in results.groups:
        done[group.policy] += len(group.replications)
    found = {
        "study": outline.name,
        "running": is_worked_in(run),
        "cells": outline.size,
        "done": outline.size - len(results.failed) - results.missing,
        "failed": len(results.failed),
        "missing": results.missing,
        "of_earlier_forms": results.others,
    }
    if as_json:
        failed = [{"cell": name, "message": message} for name, message in results.failed]
        print_json({"run": str(run), **found, "runs_done": done, "runs_each": each, "failures": failed})
        return
    say(_headline(results) + ("; a process is computing in it" if found["running"] else ""))
    print_table("", ["policy", "runs done", "of"], [[name, f"{n:,}", f"{each:,}"] for name, n in done.items()])
    say(f"references {len(results.references):,} of {len(outline.settings):,}")
    print_remarks(_remarks(results))


def report(
    run: RunArgument,
    metric: MetricOption = None,
    reference: ReferenceOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """Make the tables and figures of a study anew from its cells, of an unfinished study too."""
    from ...studies.results import StudyResults

    found = FinishedRun.of(run)
    found.store.close()
    _report(found, StudyResults.of(run), metric, reference, as_json)


def _headline(results: StudyResults) -> str:
    outline = results.outline
    done = outline.size - len(results.failed) - results.missing
    return (
        f"{outline.name}: {len(outline.settings):,} environments, {len(outline.ways)} policies, "
        f"{outline.replications:,} replications; {done:,} of {outline.size:,} cells are done"
    )


def _remarks(results: StudyResults) -> list[str]:
    remarks = []
    if results.failed:
        remarks.append(f"{len(results.failed):,} cells failed; run tries them again")
        for message, count in Counter(message for _, message in results.failed).most_common(_MOST_MESSAGES):
            name = next(name for name, said in results.failed if said == message)
            remarks.append(f"failed {count:,} times, first in {shown(name)}: {message}")
    if results.missing:
        remarks.append(f"{results.missing:,} cells are missing; run computes them")
    if results.others:
        remarks.append(f"{results.others:,} cells are of earlier forms of the study, and are left out")
    for name, reference in results.references.items():
        if reference.unsure:
            remarks.append(f"{name}: all votes do not settle the truth of {percent(reference.unsure)} of the weight")
    return remarks


def _report(
    folder: RunFolder | FinishedRun,
    results: StudyResults,
    metric: str | None,
    reference: str | None,
    as_json: bool,
    notes: Sequence[str] = (),
) -> None:
    """Write tables and figures, and print the main ones."""
    from ...figures.study import plot_differences, plot_study
    from ...studies.tables import label_efficiency, require_metric, require_policy, study_differences, study_table

    outline, remarks = results.outline, [*notes, *_remarks(results)]
    chosen, plain = require_metric(outline, metric), require_policy(outline, reference)
    table, needed = study_table(results), label_efficiency(results, _SHARE)
    compared = sum(x.policy != plain for x in results.groups)
    # A few are tested in an instant.
    with show_progress("testing", compared) if compared > _MOST_AT_ONCE else nullcontext(None) as advance:
        apart = study_differences(
            results, chosen, plain, on_row=None if advance is None else now_and_then(advance, compared)
        )
    for name, one in (("study", table), ("differences", apart), ("labels_needed", needed)):
        folder.write(f"{name}.csv", csv_text(one))
    title = f"{outline.name}, {outline.replications:,} replications"
    if len(table):
        plot_study(table, folder.path / "study.png", title)
    if len(apart):
        plot_differences(apart, folder.path / "differences.png", f"{outline.name}: {chosen}, against {plain}")
    rows = records(table.groupby(["environment", "policy"], sort=False).tail(1)) if len(table) else []
    by = {(x["environment"], x["policy"]): x for x in records(apart)}
    labels = {(x["environment"], x["policy"]): x for x in records(needed)}
    with written_report(folder, "tables, figures, cells and inputs", silent=as_json):
        say(_headline(results))
        print_remarks(remarks)
        print_table(
            title,
            ["environment", "policy", chosen, f"against {plain}", "p (Holm)", "gain", "labels to 90 %"],
            [
                [
                    row["environment"],
                    row["policy"],
                    _plus_minus(row[chosen], row[f"{chosen}_se"], 4),
                    *_difference(by.get((row["environment"], row["policy"]))),
                    _gain(row),
                    _count(labels[row["environment"], row["policy"]]["labels"]),
                ]
                for row in rows[:_MOST_ROWS]
            ],
        )
        if len(rows) > _MOST_ROWS:
            print(f"{len(rows) - _MOST_ROWS:,} more rows are in study.csv")
        print("± is one standard error; differences are paired, with 95 % bootstrap intervals; p-values are those of")
        print("permutation tests, corrected over all rows; a gain with > is a share of a bound's, not of the optimum's")
    if as_json:
        fields = {"run": str(folder.path), "study": outline.name, "metric": chosen, "reference": plain}
        lists = {"rows": records(table), "differences": records(apart), "labels_needed": records(needed)}
        print_json(fields | {"remarks": remarks, **lists})


def _plus_minus(mean: float, error: float, digits: int) -> str:
    return f"{mean:.{digits}f}" + (f" ± {error:.{digits}f}" if math.isfinite(error) else "")


def _difference(row: dict[str, Any] | None) -> list[str]:
    if row is None:
        return ["", ""]
    ends = f" [{row['low']:+.4f}, {row['high']:+.4f}]" if math.isfinite(row["low"]) else ""
    return [f"{row['mean']:+.4f}{ends}", f"{row['p_holm']:.4f}" if math.isfinite(row["p_holm"]) else "-"]


def _gain(row: dict[str, Any]) -> str:
    if not math.isfinite(row["gain"]):
        return "-"
    error = f" ± {100 * row['gain_se']:.1f}" if row["gain_se"] > 0.0 else ""
    return f"{'> ' if row['against'] == 'bound' else ''}{100 * row['gain']:.1f}{error} %"


def _count(labels: float) -> str:
    return "-" if math.isnan(labels) else "not reached" if math.isinf(labels) else f"{labels:.1f}"
