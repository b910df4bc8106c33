"""``seqaudit speed``: time the exact engine on this machine."""

from __future__ import annotations

import math
from typing import Annotated, Any

import typer

from ....posteriors.foundation.refusals import number
from ...runner.csv_text import csv_text
from ...runner.folder import RunFolder
from ..options import AskedOutOption, JsonOption, nothing_kept, parts_of
from ..output import print_json, print_remarks, print_table, show_progress
from ..report import report

__all__ = ["speed"]


def speed(
    runs: Annotated[int, typer.Option(min=1, help="Runs of each case; the median is shown.")] = 5,
    seconds: Annotated[float, typer.Option(min=0, help="Time for the largest problems; 0 leaves them out.")] = 20.0,
    memory: Annotated[float | None, typer.Option(help="GiB for the largest problems; default: all available.")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Default: all processors.")] = None,
    quick: Annotated[bool, typer.Option("--quick", hidden=True)] = False,
    out: AskedOutOption = None,
    as_json: JsonOption = False,
) -> None:
    """Time the exact engine on this machine, and the same recursion in C."""
    if memory is not None:
        number("--memory", memory, lambda x: 0 < x < math.inf, "a positive number of GiB")
    number("--seconds", seconds, math.isfinite, "finite")
    room = None if memory is None else memory * 2**30
    inputs = {"runs": runs, "seconds": seconds, "memory": memory, "threads": threads, "quick": quick}
    folder = None if out is None else RunFolder(out, "speed", inputs)
    with nothing_kept(folder):
        import pandas as pd

        from ...runner.kept import JSON
        from ...runner.parts import run_parts
        from ...speed.dense_baseline import compiled_baseline
        from ...speed.speed import TABLES, machine, speed_parts, speed_tables

        with compiled_baseline() as (baseline, remarks):
            measures = speed_parts(baseline, runs=runs, seconds=seconds, memory=room, threads=threads, quick=quick)
            jobs = {name: compute for _, name, compute in measures}
            with show_progress("measuring", len(jobs)) as advance:
                parts = parts_of(folder, jobs, advance, JSON)
                done = run_parts(jobs, 1, parts.finished, parts.keep)
            settings = machine(baseline, threads)
        rows: dict[str, list[dict[str, Any]]] = {
            table: [done[name] for of, name, _ in measures if of == table] for table in TABLES
        }
    remarks += [f"{r['peer']} is not installed: not measured" for r in rows["peers"] if not r["installed"]]
    if folder:
        remarks += folder.notes
        for table, found in rows.items():
            if found:
                folder.write(f"{table}.csv", csv_text(pd.DataFrame(found)))
    with report(folder, "tables, parts and inputs", silent=as_json):
        print_remarks(remarks)
        for key, value in settings.items():
            print(f"{key:9} {value}")
        for title, header, cells in speed_tables(rows):
            print()
            print_table(title, header, cells)
    if as_json:
        print_json({"machine": settings, "runs": runs, "remarks": remarks, **rows})
