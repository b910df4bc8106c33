"""``seqaudit design``: which comparisons of responses to buy, all at once, with a certificate."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from ....dp.designs.optimal import OptimalDesign
from ....dp.designs.optimal import design as optimal_design
from ....dp.machine.files import write_whole
from ....posteriors.comparisons.information import pair_rows, policy_information
from ....posteriors.foundation.arrays import Floats, Ints
from ....posteriors.foundation.messages import shown
from ....posteriors.foundation.refusals import one_of, positive
from ...data.responses import Responses, read_responses
from ..options import JsonOption, nothing_kept
from ..output import print_json, print_remarks, print_table, say, show_progress, tell_steps

__all__ = ["design"]

_CRITERIA = ("trace", "A", "D", "E")
# Comparisons that are printed.
_SHOWN = 10
_COLUMNS = ["prompt", "first", "second", "labels", "weight", "score", "reason"]


def design(
    responses_file: Annotated[
        Path, typer.Argument(metavar="RESPONSES.csv", help="Table of prompts, responses and their features.")
    ],
    labels: Annotated[int, typer.Option(min=1, help="Number of comparisons to buy.")],
    to: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the comparisons to buy as CSV.")] = None,
    features: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES", help="Columns that are features, with commas, or an .npy file; default: the rest."
        ),
    ] = None,
    criterion: Annotated[
        str, typer.Option(help="One of trace, A, D and E; trace is the loss of the trained policy.")
    ] = "trace",
    beta: Annotated[float, typer.Option(help="Strength of the regularisation.")] = 1.0,
    prior: Annotated[
        float | None, typer.Option(metavar="PRECISION", help="Precision of each parameter before the labels.")
    ] = None,
    repeat: Annotated[bool, typer.Option("--repeat", help="Let a comparison be bought more than once.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Choose the comparisons of responses to buy, all at once."""
    one_of("--criterion", criterion, _CRITERIA)
    strength = positive("--beta", beta)
    precision = None if prior is None else positive("--prior", prior)
    if to is not None:
        _require_writable(to, responses_file)
    found = read_responses(responses_file, features)
    if not repeat and labels > len(found.pairs):
        raise ValueError(
            f"--labels is {labels}; {responses_file} has {len(found.pairs)} comparisons; buy no more, or --repeat"
        )
    rows = pair_rows(found.features, found.pairs, beta=strength)
    fisher = policy_information(found.features, found.probability, group=found.prompt)
    with nothing_kept(), show_progress("designing", 100) as advance:
        best = optimal_design(
            rows,
            criterion,
            target=fisher if criterion == "trace" else None,
            identified_only=criterion != "trace",
            cap=None if repeat else 1.0 / labels,
            prior=None if precision is None else precision * np.eye(rows.shape[1]),
            labels=None if precision is None else labels,
            feature_names=found.feature_names,
            progress=tell_steps(advance, 100),
        )
    remarks = [*found.remarks]
    if precision is None and labels < best.rank:
        remarks.append(
            f"{labels} labels cannot tell of all {best.rank} directions; say what is known before with --prior"
        )
    counts = best.counts(labels)
    bought = np.flatnonzero(counts)
    score, reason = _reasons(found, rows, fisher, best, counts, criterion, precision)
    order = bought[np.argsort(-score[bought], kind="stable")]
    table: list[list[Any]] = []
    for k in order.tolist():
        first, second = found.pairs[best.index[k]].tolist()
        names = [found.prompt[first], found.response[first], found.response[second]]
        table.append([*names, int(counts[k]), float(best.weight[k]), float(score[k]), reason[k]])
    if to is not None:
        write_whole(to, _as_csv(table))
    if as_json:
        result = {key: getattr(best, key) for key in ("criterion", "value", "bound", "gap", "rank", "passes")}
        more = {"labels": labels, "comparisons": [dict(zip(_COLUMNS, x, strict=True)) for x in table]}
        print_json({"responses": str(responses_file), **result, **more, "remarks": remarks})
        return
    print_remarks(remarks)
    title = f"{len(found.pairs):,} comparisons of {len(found.response):,} responses, {labels:,} labels"
    cells = [[*x[:3], str(x[3]), f"{x[4]:.3g}", f"{x[5]:.3f}", x[6]] for x in table[:_SHOWN]]
    print_table(title, _COLUMNS, cells)
    if len(table) > _SHOWN:
        print(f"and {len(table) - _SHOWN:,} further comparisons")
    print(f"{criterion:<16} {best.value:.8g}, and no design has a better one than {best.bound:.8g}")
    print(f"certificate      another choice could save at most {100 * best.gap:.2g} % of the labels")
    if to is not None:
        say(f"comparisons      {to}")


def _require_writable(to: Path, source: Path) -> None:
    if to.is_dir():
        raise ValueError(f"--to is {shown(str(to))}, which is a folder; name a file in it")
    if not to.absolute().parent.is_dir():
        raise ValueError(f"--to is {shown(str(to))}; there is no folder {shown(str(to.parent))}")
    if to.exists() and source.exists() and to.samefile(source):
        raise ValueError(f"--to is {shown(str(to))}, the file that is read; name another one")


def _reasons(
    found: Responses,
    rows: Floats,
    fisher: Floats,
    best: OptimalDesign,
    counts: Ints,
    criterion: str,
    precision: float | None,
) -> tuple[Floats, list[str]]:
    """Worth of a label of each comparison, in units of the mean of those bought, and what it tells most of."""
    chosen, bought = rows[best.index], counts > 0
    information = (chosen.T * counts) @ chosen
    if precision is not None:
        information = information + precision * np.eye(rows.shape[1])
    inverse = np.linalg.pinv(information, hermitian=True)
    middle = {"trace": fisher, "A": np.eye(rows.shape[1])}.get(criterion)
    turned = inverse if middle is None else inverse @ middle @ inverse
    parts = chosen * (chosen @ turned)
    worth = parts.sum(axis=1)
    names = [f"tells most of {found.feature_names[k]}" for k in parts.argmax(axis=1).tolist()]
    return worth / float((worth * counts)[bought].sum() / counts.sum()), names


def _as_csv(table: list[list[Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows(table)
    return text.getvalue()
