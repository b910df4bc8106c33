"""``seqaudit claims``: claims of the source paper, each with a verdict."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ....posteriors.foundation.names import unknown_name
from ...runner.csv_text import csv_text
from .. import options
from ..output import print_json, print_remarks, print_table, show_progress
from ..report import report as written_report
from .studies import now_and_then

if TYPE_CHECKING:
    from ...claims.run_claims import JudgedClaims

__all__ = ["claims"]

# Papers whose claims are known.
_SOURCES = ("audit-index",)
_PAGE = "claims.md"


def _known(source: str) -> str:
    if source not in _SOURCES:
        raise ValueError(unknown_name("SOURCE is {name}; allowed: {known}{hint}", source, _SOURCES))
    return source


def claims(
    source: Annotated[
        str, typer.Argument(metavar="[SOURCE]", callback=_known, help="Paper whose claims are judged.")
    ] = "audit-index",
    votes: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Folder with the recorded votes that votes.toml names.")
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="With few replications, and without votes on many items.")
    ] = False,
    small_cases: Annotated[bool, typer.Option("--small-cases", help="On small cases alone, which is exact.")] = False,
    jobs: options.JobsOption = -1,
    cluster: options.ClusterOption = None,
    out: options.OutOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """Judge the claims of the source paper on small cases, drawn problems and, if given, recorded votes."""
    from ...claims.page import claims_page
    from ...claims.run_claims import JudgedClaims, claims_study, judge_claims, left_to_do, open_claims
    from ...figures.claims import plot_claims

    if small_cases and (votes is not None or quick):
        raise ValueError(f"--small-cases does not go with {'--quick' if votes is None else '--votes'}")
    study = None if small_cases else claims_study(votes, quick)
    with open_claims(study, out) as folder:
        steps = left_to_do(study, folder)
        with show_progress("judging", steps) as advance:
            failed = judge_claims(study, folder, options.workplace(jobs, cluster), now_and_then(advance, steps))
        if failed:
            print_remarks([f"{failed:,} cells failed, so that policies are not judged; seqaudit status says why"])
            raise typer.Exit(1)
        found = JudgedClaims.of(folder.path)
        given = (" --votes VOTES" if votes is not None else "") + " --quick" * quick + " --small-cases" * small_cases
        page = claims_page(found, None if study is None else study.outline, f"seqaudit claims{given} --out claims")
        folder.write(_PAGE, page)
        rows = _rows(found)
        folder.write("claims.csv", csv_text(_table(rows)))
        plot_claims(found, folder.path / "claims.png")
        with written_report(folder, "page, table, figure, cells and inputs", silent=as_json):
            print_remarks(folder.notes)
            print_table(
                "claims of the source paper",
                ["claim", "on", "verdict", "effect", "for", "against", "cases"],
                [[str(row[key]) for key in _PRINTED] for row in rows],
            )
            print(f"effects in percentage points, or correlations; {_PAGE} says what each claim is and shows its cases")
        if as_json:
            print_json({"run": str(folder.path), "source": source, "rows": rows})


_PRINTED = ("key", "on", "verdict", "effect_text", "supporting", "opposing", "cases")


def _table(rows: list[dict[str, Any]]) -> Any:
    import pandas as pd

    return pd.DataFrame(rows).drop(columns="effect_text")


def _rows(found: JudgedClaims) -> list[dict[str, Any]]:
    """A row for each verdict."""
    from ...claims.page import effect_text
    from ...claims.run_claims import SMALL

    rows = [
        {
            **{key: claim[key] for key in ("key", "section", "statement")},
            "on": SMALL,
            "verdict": claim["verdict"],
            "effect": None,
            "low": None,
            "high": None,
            "effect_text": "",
            "supporting": "",
            "opposing": "",
            "cases": claim["searched"],
            "smallest": claim["case"],
            "cell": claim["cell"],
        }
        for claim in found.small
    ]
    for claim in found.others:
        finding = claim["finding"]
        if finding is not None:
            rows.append(
                {
                    **{key: claim[key] for key in ("key", "section", "statement", "on")},
                    **{key: finding[key] for key in ("verdict", "effect", "low", "high")},
                    "effect_text": effect_text(finding, claim["unit"]),
                    **{key: finding[key] for key in ("supporting", "opposing", "cases")},
                    "smallest": finding["smallest"].get("case", ""),
                    "cell": claim["cell"],
                }
            )
    return sorted(rows, key=lambda row: (row["section"], row["key"], row["on"]))
