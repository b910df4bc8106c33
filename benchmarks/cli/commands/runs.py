"""``seqaudit show`` and ``seqaudit export``: cells of a run with all that determines them, and files of them."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Annotated, Any

import typer

from ....dp.machine.files import write_whole
from ...runner.export import export_run
from ...runner.finished import FinishedRun, require_outside, results_of_json
from ...runner.store import Cell
from ..options import JsonOption
from ..output import print_json, print_table, say

__all__ = ["export", "show"]

# Digits of a key that are shown.
_DIGITS = 10


def show(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder.")],
    cell: Annotated[
        str | None, typer.Argument(metavar="[CELL]", help="Name of a cell, or the first digits of its key.")
    ] = None,
    to: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the cell's result as it was kept.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show the cells of a run, or one cell: what determines it, and its result."""
    if to is not None and cell is None:
        raise ValueError("--to writes the result of a cell; name one")
    found = FinishedRun.of(run)
    if cell is None:
        _show_all(found, as_json)
        return
    one = found.cell(cell)
    if to is not None:
        require_outside(run, to)
        write_whole(to, one.result)
    told = {"command": found.record["command"], "inputs": found.record["inputs"], "cell": one.name, "key": one.key}
    told |= {"determined_by": json.loads(one.inputs), "seed": json.loads(one.seed or "null"), "status": one.status}
    told |= {"seconds": one.seconds, "versions": json.loads(one.versions), "form": one.form}
    if as_json:
        print_json(told | {"result": _plain(one)})
        return
    for key, value in told.items():
        say(f"{key:16} {value if isinstance(value, str) else json.dumps(value)}")
    print()
    for line in _text(one).splitlines():
        say(line)


def _show_all(run: FinishedRun, as_json: bool) -> None:
    rows = [
        {
            "key": key,
            "cell": cell.name,
            "status": cell.status,
            "form": cell.form,
            "bytes": len(cell.result),
            "seconds": cell.seconds,
        }
        for key, cell in run.cells()
    ]
    if as_json:
        print_json({"run": str(run.path), "command": run.record["command"], "cells": rows})
        return
    table = [
        [
            *(str(row[x]) for x in ("cell", "status", "form", "bytes")),
            "-" if row["seconds"] is None else f"{row['seconds']:.3f}",
            str(row["key"])[:_DIGITS],
        ]
        for row in rows
    ]
    title = f"{run.record['command']}, {len(rows)} cells"
    print_table(title, ["cell", "status", "form", "bytes", "seconds", "key"], table)


def _plain(cell: Cell) -> Any:
    """Result as JSON holds such."""
    if cell.status != "done":
        return cell.result.decode(errors="replace")
    if cell.form == ".json":
        return results_of_json([cell])[0]
    return {group: data.to_dict() for group, data in _groups(cell).items()}


def _groups(cell: Cell) -> dict[str, Any]:
    import xarray as xr

    return xr.load_datatree(io.BytesIO(cell.result), engine="h5netcdf").to_dict()


def _text(cell: Cell) -> str:
    """Result as text to read."""
    if cell.status != "done" or cell.form == ".json":
        found = _plain(cell)
        return found if isinstance(found, str) else json.dumps(found, indent=1)
    parts = []
    for group, data in _groups(cell).items():
        if data.data_vars or data.attrs:
            parts.append(f"{group}\n{data}" if group != "/" else str(data))
    return "\n\n".join(parts)


def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder.")],
    to: Annotated[
        Path, typer.Option("--to", "-t", metavar="FILE", help="File to write; it ends in .parquet, .csv or .nc.")
    ],
) -> None:
    """Write the cells of a run as one Parquet, CSV or NetCDF file."""
    say(f"written: {export_run(run, to)}")
