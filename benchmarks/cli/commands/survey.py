"""``seqaudit survey``: exact values of policies on small problems drawn at random."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from ....bandits.registry import label
from ...runner.csv_text import csv_text
from ...runner.executors import Cluster
from ...runner.folder import RunFolder
from ..options import (
    AskedOutOption,
    ClusterOption,
    JobsOption,
    JsonOption,
    PolicyOption,
    SeedOption,
    at_least,
    files_as_inputs,
    name_or_table,
    nothing_kept,
    parts_of,
    workplace,
)
from ..output import percent, print_json, print_remarks, print_table, records, show_progress
from ..report import report

__all__ = ["survey"]


def survey(
    problems: Annotated[int, typer.Option(callback=at_least(1), help="Problems to draw.")] = 200,
    policy: PolicyOption = None,
    seed: SeedOption = 7,
    utility: Annotated[
        list[str] | None,
        typer.Option(
            help="Terminal utility: a name, or '{name=\"asymmetric\", gain=1, loss=3}'. Give several for a table "
            "of all, with the time of a decision; 'all' stands for five."
        ),
    ] = None,
    jobs: JobsOption = -1,
    cluster: ClusterOption = None,
    out: AskedOutOption = None,
    as_json: JsonOption = False,
) -> None:
    """Value policies exactly on small problems drawn at random."""
    from ...comparison.policy_matrix import UTILITIES
    from ...comparison.survey import survey as run
    from ...comparison.survey import survey_parts, survey_policies, survey_table
    from ...runner.kept import JSON

    several = [name_or_table("--utility", u) for u in utility or ["accuracy"]]
    if "all" in several:
        several = [*UTILITIES, *(one for one in several if one != "all" and one not in UTILITIES)]
    if len(several) > 1:
        _matrix(problems, policy, several, seed, workplace(jobs, cluster), out, as_json)
        return
    wanted = several[0]
    chosen = [label(one) for one in survey_policies(policy, wanted)[0]]
    settings: dict[str, Any] = {"problems": problems, "seed": seed, "utility": wanted}
    names = survey_parts(problems)
    folder = _folder(out, settings | {"policies": chosen} | files_as_inputs(policy))
    with nothing_kept(folder), show_progress("surveying", problems) as advance:
        parts = parts_of(folder, names, _occasionally(advance, problems, 10), JSON)
        result = run(
            policies=policy, n_jobs=workplace(jobs, cluster), finished=parts.finished, on_part=parts.keep, **settings
        )
    table = survey_table(result)
    rows = records(table)
    remarks = [*result.attrs["remarks"], *(folder.notes if folder else [])]
    if folder:
        folder.write("survey.csv", csv_text(table))
        folder.write("shares.csv", csv_text(result["share"].to_series().unstack("policy").reset_index()))
    with report(folder, "tables, parts and inputs", silent=as_json):
        print_remarks(remarks)
        print_table(
            f"{problems} problems, utility {wanted if isinstance(wanted, str) else wanted['name']}",
            ["policy", "mean share", "worst share", "optimal"],
            [[r["policy"], percent(r["mean"]), percent(r["worst"]), f"{100 * r['optimal']:.1f} %"] for r in rows],
        )
        print("a share is of the optimal gain over no labels; optimal: in that part of the problems, to 1e-9")
    if as_json:
        shares = {str(name): result["share"].sel(policy=name).values.tolist() for name in result["policy"].values}
        print_json({**settings, "remarks": remarks, "rows": rows, "shares": shares})


def _folder(out: Path | None, inputs: dict[str, Any]) -> RunFolder | None:
    return None if out is None else RunFolder(out, "survey", inputs)


def _occasionally(advance: Callable[[str | None], object], problems: int, shown: int) -> Callable[[str], None]:
    """Advance the progress, by name for some of the problems: elsewhere than on a terminal a few lines are enough."""
    every = -(-problems // shown)

    def told(name: str) -> None:
        number = name.rpartition(" ")[2]
        advance(None if number.isdigit() and int(number) % every else name)

    return told


def _matrix(
    problems: int,
    policies: list[str] | None,
    utilities: list[str | dict[str, Any]],
    seed: int,
    where: int | Cluster,
    out: Path | None,
    as_json: bool,
) -> None:
    """Print shares under several utilities, and the time for a decision."""
    from ....posteriors.utilities import make_utility
    from ...comparison.policy_matrix import matrix_parts, policy_matrix
    from ...comparison.survey import survey_policies
    from ...runner.kept import JSON

    made = [make_utility(u) for u in utilities]
    names = [utility.name for utility in made]
    chosen = {one.name: [label(x) for x in survey_policies(policies, one, planning=True)[0]] for one in made}
    settings: dict[str, Any] = {"problems": problems, "seed": seed, "utilities": utilities}
    of_parts = matrix_parts(problems, utilities)
    folder = _folder(out, settings | {"policies": chosen} | files_as_inputs(policies))
    with nothing_kept(folder), show_progress("surveying", problems * len(names) + 1) as advance:
        parts = parts_of(folder, of_parts, _occasionally(advance, problems, 2), JSON)
        table, remarks = policy_matrix(
            problems,
            policies,
            utilities,
            seed=seed,
            n_jobs=where,
            finished=parts.finished,
            on_part=parts.keep,
        )
    rows = records(table)
    if folder:
        remarks = [*remarks, *folder.notes]
        folder.write("survey.csv", csv_text(table))
    with report(folder, "table, parts and inputs", silent=as_json):
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
        print("a share is in percent of the optimal gain over no labels;", end=" ")
        print("a decision is timed on one core, tables made before")
    if as_json:
        print_json({**settings, "remarks": remarks, "rows": rows})


def _share(value: float | None, digits: int) -> str:
    return "-" if value is None or math.isnan(value) else f"{100 * value:z.{digits}f}"


def _microseconds(seconds: float | None) -> str:
    return "-" if seconds is None or math.isnan(seconds) else f"{1e6 * seconds:,.0f}"
