"""``seqaudit speed``: time the exact engine on this machine."""

from __future__ import annotations

import math
from typing import Annotated, Any

import typer

from ...posteriors.foundation.refusals import number
from .options import JsonOption, nothing_kept
from .output import print_json, print_remarks, print_table, show_progress

__all__ = ["speed"]


def speed(
    runs: Annotated[int, typer.Option(min=1, help="Runs of each case; the median is shown.")] = 5,
    seconds: Annotated[float, typer.Option(min=0, help="Time for the largest problems; 0 leaves them out.")] = 20.0,
    memory: Annotated[float | None, typer.Option(help="GiB for the largest problems; default: all available.")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Default: all processors.")] = None,
    quick: Annotated[bool, typer.Option("--quick", hidden=True)] = False,
    as_json: JsonOption = False,
) -> None:
    """Time the exact engine on this machine, and the same recursion in C."""
    if memory is not None:
        number("--memory", memory, lambda x: 0 < x < math.inf, "a positive number of GiB")
    number("--seconds", seconds, math.isfinite, "finite")
    room = None if memory is None else memory * 2**30
    with nothing_kept():
        from ..speed.dense_baseline import compiled_baseline
        from ..speed.speed import TABLES, machine, speed_parts, speed_tables

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
