"""Entry point of the command line.

Every command checks its input first; on a fault it prints one clear line and exits with status 2. Long computations
show a progress bar on a terminal and plain lines elsewhere, on standard error; results go to standard output.
"""

from __future__ import annotations

import importlib.metadata
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated, NoReturn

import typer

from ...dp.problem.checks import ProblemError
from .allocate import allocate
from .calibrate import calibrate
from .certify import certify
from .compare import compare
from .curve import curve
from .fit import fit
from .interruption import INTERRUPTED, heed_signals, status_of_interruption
from .output import keep_standard_output, let_symbols_fall_back
from .plugins import naming_plugins
from .provenance import provenance
from .replay import replay
from .solve import solve
from .speed import speed
from .statics import statics
from .stress import stress
from .structure import structure
from .survey import survey

__all__ = ["app", "main"]

app = typer.Typer(
    name="seqaudit",
    help="Bayesian sequential design for scarce human labels.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"seqaudit {importlib.metadata.version('seqaudit')}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print it.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error in a plug-in.")] = False,
) -> None:
    """Bayesian sequential design for scarce human labels."""


for _command in (
    compare,
    solve,
    allocate,
    replay,
    speed,
    certify,
    curve,
    survey,
    structure,
    statics,
    fit,
    provenance,
    stress,
):
    app.command()(_command)
app.add_typer(calibrate, name="calibrate")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command; without arguments ``--help``. Bad input gives one line and exit status 2."""
    if arguments is None:
        keep_standard_output()
        let_symbols_fall_back()
        heed_signals()
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        with naming_plugins():
            status = app(args=[x for x in given if x != "--debug"] or ["--help"], standalone_mode=False)
    except typer.TyperException as error:
        _fail(error.format_message())
    except ProblemError as error:
        count = len(error.faults)
        _fail(error.faults[0] + (f" (faults in all: {count})" if count > 1 else ""))
    except (ValueError, OSError, TypeError) as error:
        if "--debug" in given:
            traceback.print_exception(error)
        _fail(str(error))
    except MemoryError as error:
        _fail(f"out of memory{f' ({error})' if str(error) else ''}; take a smaller problem, or fewer worker processes")
    if status == INTERRUPTED:
        print("seqaudit: interrupted; finished parts are kept, and --out with the same folder goes on", file=sys.stderr)
        status = status_of_interruption()
    sys.exit(status if isinstance(status, int) else 0)


def _fail(message: str) -> NoReturn:
    print(f"seqaudit: {' '.join(message.splitlines())}", file=sys.stderr)
    sys.exit(2)
