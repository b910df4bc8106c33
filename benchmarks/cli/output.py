"""Output of the commands: tables, JSON and notes on standard output, progress on standard error."""

from __future__ import annotations

import codecs
import io
import json
import math
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING, Any, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from ...posteriors.foundation.messages import cut, lines_of, named, printable

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "evenly",
    "keep_standard_output",
    "let_symbols_fall_back",
    "only_json",
    "percent",
    "print_json",
    "print_remarks",
    "print_table",
    "records",
    "say",
    "show_progress",
    "tell_steps",
]

# Far beyond any number, which must not be cut.
_LONGEST_CELL = 120


# Where JSON goes while standard output is kept for it.
_json_output: TextIO | None = None
# Symbols that are printed, for streams that cannot hold them.
_PLAIN = {"±": "+/-"}


@contextmanager
def show_progress(what: str, total: int) -> Iterator[Callable[[str | None], None]]:
    """Progress bar on a terminal, a line for each named step elsewhere."""
    console = Console(stderr=True)
    if not console.is_terminal:
        count = 0

        def line(name: str | None) -> None:
            nonlocal count
            count += 1
            if name is not None:
                print(f"{what} {count}/{total}: {printable(name)}", file=sys.stderr, flush=True)

        yield line
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda name: bar.update(task, advance=1, description=f"{what} {named(name or '')}".strip())


def tell_steps(
    advance: Callable[[str | None], object], shown: int, what: str | None = None
) -> Callable[[int, int], None]:
    """Make a callback that takes the steps done and the total, and advances the progress in a given number of parts."""
    told = 0

    def step(done: int, steps: int) -> None:
        nonlocal told
        while told < shown * done // steps:
            told += 1
            advance(None if what is None else f"{what}, {done} of {steps} steps")

    return step


def evenly(last: int, count: int) -> list[int]:
    """A few evenly spaced numbers from 1 to the last: the rows or columns to print of many.

    Examples
    --------
    >>> evenly(12, 4), evenly(2, 4)
    ([3, 6, 9, 12], [1, 2])
    """
    return sorted({round(last * k / count) for k in range(1, count + 1)} - {0})


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of a table as dicts by column."""
    return [{str(k): v for k, v in row.items()} for row in table.to_dict(orient="records")]


def percent(share: float) -> str:
    """Text of a share in percent."""
    return "-" if math.isnan(share) else f"{100 * share:z.3f} %"


@contextmanager
def only_json() -> Iterator[None]:
    """Keep standard output for ``print_json``; what plugged-in code prints goes to standard error."""
    global _json_output
    _json_output = sys.stdout
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        _json_output = None


def print_json(value: dict[str, Any]) -> None:
    """Print an object; numbers that are not finite become null."""

    def plain(x: Any) -> Any:
        if isinstance(x, dict):
            return {k: plain(v) for k, v in x.items()}
        if isinstance(x, (list, tuple)):
            return [plain(v) for v in x]
        return None if isinstance(x, float) and not math.isfinite(x) else x

    print(json.dumps(plain(value), indent=1, allow_nan=False), file=_json_output or sys.stdout)


def print_remarks(remarks: Sequence[str]) -> None:
    """Print remarks, one line each."""
    for line in lines_of(remarks, "note"):
        print(f"note: {line}")


def say(text: str) -> None:
    """Print a line of results that holds names from files; none of them can break it, or reach the terminal as code."""
    print(printable(text))


def print_table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table with its first column left-aligned and the others right-aligned."""
    # A truncated cell would be a wrong number, so a table wider than the terminal runs over its edge.
    console = Console(width=1000, markup=False, emoji=False)
    table = Table(title=printable(title), title_justify="left", box=None, pad_edge=False, padding=(0, 2))
    for k, name in enumerate(header):
        table.add_column(cut(printable(name), _LONGEST_CELL), justify="left" if k == 0 else "right", no_wrap=True)
    for row in rows:
        table.add_row(*(cut(printable(cell), _LONGEST_CELL) for cell in row))
    console.print(table)


def keep_standard_output() -> None:
    """Reserve standard output for Python: output of compiled libraries, such as HiGHS, goes to standard error."""
    old = sys.stdout
    try:
        kept = os.dup(1)
        os.dup2(2, 1)
    except OSError:
        # One of the two is closed, so there is nothing to separate.
        return
    sys.stdout = os.fdopen(kept, "w", encoding=old.encoding, errors=old.errors, buffering=1 if old.isatty() else -1)


def let_symbols_fall_back() -> None:
    """Have output that cannot hold a character show another in its place, so that no answer is lost for it.

    Symbols of the package become ASCII; characters of names become escapes, as in a Python string.
    """
    codecs.register_error("seqaudit.plain", _plain)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="seqaudit.plain")


def _plain(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    symbol, after = error.object[error.start], error.start + 1
    if symbol in _PLAIN:
        return _PLAIN[symbol], after
    return codecs.backslashreplace_errors(
        UnicodeEncodeError(error.encoding, error.object, error.start, after, error.reason)
    )
