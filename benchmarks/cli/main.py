"""Entry point of the command line.

Every command checks its input first; for each fault it prints one clear line, and it exits with status 2. Long
computations show a progress bar on a terminal and plain lines elsewhere, on standard error; results go to standard
output.
"""

from __future__ import annotations

import importlib.metadata
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated, Any, NoReturn

import typer
import typer.core

from ...posteriors.foundation.messages import first_line
from .command import Command
from .commands.allocate import allocate
from .commands.calibrate import calibrate
from .commands.certify import certify
from .commands.claims import claims
from .commands.compare import compare
from .commands.curve import curve
from .commands.design import design
from .commands.fit import fit
from .commands.provenance import provenance
from .commands.replay import replay
from .commands.runs import export, show
from .commands.solve import solve
from .commands.speed import speed
from .commands.statics import statics
from .commands.stress import stress
from .commands.structure import structure
from .commands.studies import report, run, status
from .commands.survey import survey
from .failures import failure_lines, wants_traceback
from .interruption import INTERRUPTED, heed_signals, no_longer_interrupt, status_of_interruption
from .options import OUT_ON_REQUEST
from .output import keep_standard_output, let_symbols_fall_back
from .plugins import naming_plugins

__all__ = ["app", "main"]


class _Commands(typer.core.TyperGroup):
    """Commands for which a file that ends too early is an error, not an interruption by the user."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command of a context."""
        try:
            return super().invoke(ctx)
        except EOFError as error:
            raise ValueError(f"a file ends too early: {first_line(error)}") from error


app = typer.Typer(
    name="seqaudit",
    cls=_Commands,
    help="Bayesian sequential design for scarce human labels.",
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
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
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Bayesian sequential design for scarce human labels."""


for _command in (
    compare,
    solve,
    allocate,
    design,
    replay,
    speed,
    certify,
    curve,
    survey,
    structure,
    statics,
    claims,
    fit,
    provenance,
    stress,
    run,
    status,
    report,
    show,
    export,
):
    app.command(cls=Command)(_command)
app.add_typer(calibrate, name="calibrate")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command; without arguments ``--help``. Each fault gives one line, and the exit status is 2."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = wants_traceback(given)
    try:
        if arguments is None:
            keep_standard_output()
            let_symbols_fall_back()
            heed_signals()
        with naming_plugins():
            status = app(args=given or ["--help"], standalone_mode=False)
    except KeyboardInterrupt:
        # While the commands are put together; typer hears of one that comes later.
        status = INTERRUPTED
    except Exception as error:
        _fail(error, debug)
    if status == INTERRUPTED:
        kept = "finished parts are kept, and --out with the same folder goes on"
        print(f"seqaudit: interrupted; {kept if _keeps(given) else 'nothing is kept'}", file=sys.stderr)
        status = status_of_interruption()
    status = _flushed(status)
    no_longer_interrupt()
    sys.exit(status if isinstance(status, int) else 0)


def _flushed(status: Any) -> Any:
    """Status of a command once its output is written: 2 if it cannot be, unless nobody reads it any more."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        pass
    except OSError as error:
        print(f"seqaudit: standard output: {error.strerror}", file=sys.stderr)
        status = 2
    else:
        return status
    # What is left would fail again as the process ends.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return status


def _fail(error: Exception, debug: bool) -> NoReturn:
    if debug:
        traceback.print_exception(error)
    for line in failure_lines(error):
        print(f"seqaudit: {line}", file=sys.stderr)
    no_longer_interrupt()
    sys.exit(_flushed(2))


def _keeps(arguments: Sequence[str]) -> bool:
    """True if the command named in the arguments has a run folder: always, or on request and one is given."""
    command: Any = typer.main.get_command(app)
    for word in arguments:
        command = getattr(command, "commands", {}).get(word, command)
    asked = any(word.startswith(("-o", "--out")) for word in arguments)
    return any("--out" in option.opts and (asked or option.help != OUT_ON_REQUEST) for option in command.params)
