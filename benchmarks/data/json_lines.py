"""JSON Lines: one object a line, read as the rows of a table whose columns are the keys."""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ...posteriors.foundation.messages import shown
from ...posteriors.votes.rows import RowFaults

__all__ = ["is_json", "json_columns", "json_lines"]

_BLANK = b"\xef\xbb\xbf \t\r\n"
# Halves of surrogate pairs, which escapes can write and no file can hold.
_HALF = re.compile("[\ud800-\udfff]")
_ROW = "one object a line, each key once"


def is_json(raw: bytes) -> bool:
    """True if the first line that is not blank looks like a JSON object as a whole."""
    if not raw[:64].lstrip(_BLANK).startswith(b"{"):
        return False
    _, line = next(json_lines(raw), (1, b""))
    line = line.strip()
    return line[1:].lstrip().startswith((b'"', b"}")) and line.endswith(b"}")


def json_lines(raw: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield number and text of each line that is not blank."""
    for number, line in enumerate(io.BytesIO(raw.removeprefix(b"\xef\xbb\xbf")), 1):
        if line.strip():
            yield number, line


def json_columns(raw: bytes, wanted: Sequence[str], faults: RowFaults) -> tuple[list[str], dict[str, list[str]], int]:
    """Header, cells of the wanted columns and number of rows.

    Parameters
    ----------
    raw : bytes
    wanted : sequence of str
    faults : RowFaults
        Receives a fault for each line that is no object, or has a list or an object in a wanted column.

    Returns
    -------
    header : list of str
        Keys of all objects, in order of first appearance.
    columns : dict of str to list of str
        Texts of the wanted columns that there are, blank where an object lacks the key or has null.
    n_rows : int
    """
    header: dict[str, None] = {}
    columns: dict[str, list[str]] = {column: [] for column in wanted}
    faulty: dict[int, str] = {}
    row = -1
    for row, (_, line) in enumerate(json_lines(raw)):
        found = _parsed(line)
        if isinstance(found, str):
            faulty[row] = found
            found = {}
        header.update(dict.fromkeys(found))
        for column, cells in columns.items():
            text = _text(found.get(column))
            if text is None:
                faulty[row] = f"{column} is {shown(found[column])}, which is neither text nor a number"
            cells.append(sys.intern(text or ""))
    if faulty:
        what: Callable[[int], tuple[str, int | None, str]] = lambda k: (faulty[k], None, _ROW)  # noqa: E731
        faults.add(np.array(list(faulty)), what)
    return list(header), {column: cells for column, cells in columns.items() if column in header}, row + 1


def _parsed(line: bytes) -> dict[str, Any] | str:
    """Object on a line, or the fault of the line."""
    try:
        # Numbers stay as they are written: names are not changed, and long ones are told apart.
        found = json.loads(
            line, object_pairs_hook=_once, parse_float=_Number, parse_int=_Number, parse_constant=_constant
        )
    except RecursionError:
        return "the line is nested too deeply"
    except ValueError as error:
        if isinstance(error, _NotAllowed):
            return str(error)
        return f"the line is no JSON object: {shown(line[:200].decode(errors='replace').strip())}"
    if not isinstance(found, dict):
        return f"the line is no JSON object: {shown(line[:200].decode(errors='replace').strip())}"
    return found


class _Number(str):
    """Number as it is written."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


class _NotAllowed(ValueError):
    """Error for what the JSON module reads and a line cannot hold."""


def _constant(name: str) -> str:
    if name == "NaN":
        # Names called nan are noted, and labels called so are refused.
        return "nan"
    raise _NotAllowed(f"the line holds {name}, which is no JSON")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise _NotAllowed(f"key {shown(next(key for key in keys if keys.count(key) > 1))} is given twice")
    return found


def _text(value: Any) -> str | None:
    """Text of a cell: that of a CSV file, true and false as JSON writes them; None for all that has no such text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (dict, list)) or (isinstance(value, str) and _HALF.search(value)):
        return None
    return str(value)
