"""``seqaudit export``: the cells of a run as one file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..runner.export import export_run
from .output import say

__all__ = ["export"]


def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder.")],
    to: Annotated[
        Path, typer.Option("--to", "-t", metavar="FILE", help="File to write; it ends in .parquet, .csv or .nc.")
    ],
) -> None:
    """Write the cells of a run as one Parquet, CSV or NetCDF file."""
    say(f"written: {export_run(run, to)}")
