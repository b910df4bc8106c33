"""Tables of delimited text and of JSON Lines; every error names the file, the line and the value.

Reading does not count lines, since a record may span several of them. Only when there is an error does a second pass
find the line number.
"""

from __future__ import annotations

import csv
import os
import sys
import zlib
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...dp.machine.reading import Unreadable, read_input, unpacked
from ...dp.machine.seal import digest
from ...posteriors.foundation import messages
from ...posteriors.foundation.messages import plain
from ...posteriors.foundation.names import meant_by, nearest_name
from ...posteriors.votes.rows import RowFaults, codes
from .json_lines import is_json, json_columns, json_lines
from .text_form import SEPARATORS, TextFault, TextForm, as_utf8, find_separator, is_declaration, records, rows_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "HEADER",
    "LabelFileError",
    "Table",
    "Wanted",
    "listed",
    "near_misses",
    "nearest",
    "read_table",
    "show",
    "table_of_frame",
]

HEADER = -1
_CHUNK = 1_024
_GZIP_MAGIC = b"\x1f\x8b"
_ANY = TextForm()


class LabelFileError(ValueError):
    """A label file or items file that cannot be used; the message names file, line, value and what is allowed.

    Attributes
    ----------
    faults : tuple of str
        One sentence for each fault, of which the first ten are told.
    count : int
        Number of all faults.

    Examples
    --------
    >>> from seqaudit.benchmarks.data.csv_table import LabelFileError
    >>> from seqaudit.benchmarks.data.labels import read_labels
    >>> try:
    ...     read_labels("no-such-file.csv")
    ... except LabelFileError as error:
    ...     print(error)
    no-such-file.csv: there is no such file

    """

    def __init__(self, *faults: str, count: int | None = None) -> None:
        self.faults = faults
        self.count = len(faults) if count is None else count
        super().__init__("\n".join([*faults, *messages.and_more(self.count - len(faults))]))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by the faults, so that worker processes can raise it."""
        return partial(type(self), count=self.count), self.faults


@dataclass(frozen=True)
class Table:
    """Columns of a file as text, by field, with the digest of the file and remarks on how it was read.

    ``lines`` gives the line of the header and those on which the rows begin; it is None for a data frame. ``names`` are
    the columns' names in the header, by field.
    """

    path: str
    lines: Callable[[], Generator[int]] | None
    header: list[str]
    columns: dict[str, list[str]]
    names: dict[str, str]
    digest: str = ""
    faults: RowFaults = field(default_factory=RowFaults)
    remarks: list[str] = field(default_factory=list)

    def fault(self, row: int, what: str) -> LabelFileError:
        """Error that names the file and the line of a row."""
        return LabelFileError(f"{self.path}, {self.places([row])[row]}: {what}")

    def places(self, rows: Sequence[int]) -> dict[int, str]:
        """Names of rows: the lines on which they begin, or their numbers in a data frame."""
        if self.lines is None:
            return {row: "header" if row == HEADER else f"row {row}" for row in rows}
        wanted = set(rows)
        with closing(self.lines()) as lines:
            starts = islice(enumerate(lines, start=HEADER), max(wanted, default=HEADER) + 2)
            return {row: f"line {line}" for row, line in starts if row in wanted}

    def codes(
        self,
        column: str,
        parse: Callable[[str], Any],
        allowed: str | Callable[[Sequence[str]], str],
        item: Sequence[str] | None = None,
    ) -> tuple[NDArray[np.int32], list[Any]]:
        """Number a column's distinct texts, and parse each once; see ``posteriors.votes.rows.codes``."""
        return codes(self.columns[column], column, parse, allowed, self.faults, item)

    def raise_faults(self) -> None:
        """Raise an error that lists the faulty rows, if there are any."""
        if self.faults.count:
            raise LabelFileError(*self.faults.lines(self.places, self.path), count=self.faults.count)

    def missing(self, field: str, column: str, more: str = "") -> LabelFileError:
        """Error that names the column that a field lacks, and the nearest existing one."""
        near, use = nearest([column], self.header), "" if column == field else f" for {field}"
        return self.fault(HEADER, f"no column {show(column)}{use}{near}; columns found: {listed(self.header)}{more}")


@dataclass(frozen=True)
class Wanted:
    """Fields that are read from a table, and the columns that hold them where those have other names.

    ``hint`` ends the message on a missing column. With ``rest`` all other columns are read as well, by their own names.
    """

    required: Sequence[str]
    optional: Sequence[str]
    columns: Mapping[str, str] = field(default_factory=dict)
    hint: str = ""
    rest: bool = False

    def names_in(self, header: Sequence[str]) -> dict[str, str]:
        """Columns by their fields, of a table with this header."""
        names = self.names
        taken = {*names.values(), *self.columns.values()}
        return names | {x: x for x in header if self.rest and x not in taken}

    @property
    def names(self) -> dict[str, str]:
        """Columns by their fields; a column that was given another meaning is not the field of its name."""
        taken = set(self.columns.values())
        fields = [x for x in (*self.required, *self.optional) if x in self.columns or x not in taken]
        return {x: self.columns.get(x, x) for x in fields}

    def must(self, field: str) -> bool:
        """True for fields that a table cannot lack."""
        return field in self.required or field in self.columns


def read_table(path: str | os.PathLike[str], wanted: Wanted, form: TextForm = _ANY) -> Table:
    """Read fields of a file of delimited text or JSON Lines, plain or compressed."""
    name = os.fspath(path)
    raw, found = _read_bytes(name)
    try:
        text, remarks = as_utf8(raw, form)
        as_json = is_json(text)
        if as_json and form.separator is not None:
            raise TextFault(1, "the file is JSON Lines, in which nothing separates fields; allowed: no separator")
        table = _json_table(name, text, wanted) if as_json else _delimited(name, text, wanted, form.separator)
    except TextFault as error:
        raise _fault(name, error.line, str(error)) from error
    return replace(table, digest=found, remarks=remarks + table.remarks)


def _json_table(name: str, text: bytes, wanted: Wanted) -> Table:
    faults = RowFaults()
    names = wanted.names
    header, cells, _ = json_columns(text, list(names.values()), faults)
    if wanted.rest:
        names, faults = wanted.names_in(header), RowFaults()
        header, cells, _ = json_columns(text, list(names.values()), faults)

    def lines() -> Generator[int]:
        yield 1
        yield from (line for line, _ in json_lines(text))

    columns = {x: cells[column] for x, column in names.items() if column in cells}
    table = Table(name, lines, header, columns, names, faults=faults, remarks=["it is read as JSON Lines"])
    if not header:
        table.raise_faults()
    _require_columns(table, wanted)
    return table


def _delimited(name: str, text: bytes, wanted: Wanted, separator: str | None) -> Table:
    with _long_fields(text):
        mark = separator or find_separator(text, [x for f, x in wanted.names.items() if wanted.must(f)])
        try:
            return _parse_table(name, text, wanted, mark, stated=separator is not None)
        except csv.Error as error:
            line, _ = list(records(text, mark))[-1]
            broken = text.splitlines()[line - 1].decode("utf-8-sig")
            what = f"not valid CSV ({error}): {show(broken)}; allowed: quotes that close and are doubled inside a field"
            raise _fault(name, line, what + (", or another separator" if separator else "")) from error


def table_of_frame(frame: pd.DataFrame, wanted: Wanted) -> Table:
    """Columns of a data frame as the texts that a CSV file would hold."""
    header = [str(column) for column in frame.columns]
    names = wanted.names_in(header)
    columns: dict[str, list[str]] = {x: [] for x, column in names.items() if column in header}
    table = Table("data frame", None, header, columns, names)
    _require_columns(table, wanted)
    for x in columns:
        cells = frame.iloc[:, header.index(names[x])]
        columns[x].extend("" if gap else _text(cell) for cell, gap in zip(cells, cells.isna(), strict=True))
    if not len(frame):
        raise table.fault(HEADER, f"no rows below the header {listed(header)}; allowed: one row or more")
    return table


def _text(value: Any) -> str:
    return str(plain(value))


def _parse_table(name: str, text: bytes, wanted: Wanted, mark: str, *, stated: bool) -> Table:
    reader = rows_of(text, mark)
    filled = filter(any, reader)
    header = next(filled, None)
    if header is not None and is_declaration(header, mark):
        header = next(filled, None)
    if header is None:
        raise _fault(name, 1, f"the file is empty; allowed: a header with {listed(wanted.required)}, then rows")
    names = wanted.names_in(header)
    columns: dict[str, list[str]] = {x: [] for x, column in names.items() if column in header}
    table = Table(name, partial(_start_lines, text, mark), header, columns, names)
    if mark != "," and not stated:
        table.remarks.append(f"{SEPARATORS[mark]} separate the fields")
    if text[:64].lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"{", b"[")) and not {*wanted.required} <= {*columns}:
        begin = text[:200].decode(errors="ignore").strip()
        told = f"this is JSON, which begins with {show(begin)}"
        raise _fault(name, 1, f"{told}; allowed: CSV with a header, or JSON Lines, one object a line")
    _require_columns(table, wanted)
    places = [(cells, itemgetter(header.index(names[x]))) for x, cells in columns.items()]
    n_rows = n_empty = 0
    while chunk := list(islice(reader, _CHUNK)):
        rows = [row for row in chunk if any(row)]
        if len(rows) < len(chunk):
            n_empty += sum(len(row) > 0 for row in chunk) - len(rows)
        _require_width(table, rows, n_rows)
        n_rows += len(rows)
        for cells, get in places:
            # Most texts occur many times: one copy of each keeps a large file small in memory.
            cells.extend(map(sys.intern, map(get, rows)))
    if not n_rows:
        raise table.fault(HEADER, f"no rows after the header {listed(header)}; allowed: one row or more")
    if n_empty:
        table.remarks.append(f"rows of separators alone are left out: {n_empty}")
    return table


def _require_columns(table: Table, wanted: Wanted) -> None:
    for x, column in table.names.items():
        if column not in table.header and wanted.must(x):
            raise table.missing(x, column, wanted.hint)
    for x in table.columns:
        column = table.names[x]
        times = table.header.count(column)
        if times > 1:
            raise table.fault(HEADER, f"column {show(column)} occurs {times} times; allowed: once")


def _require_width(table: Table, rows: list[list[str]], first: int) -> None:
    """Note rows that are not as wide as the header, and make them so, for the rest of the rows to be checked too."""
    width = len(table.header)
    if set(map(len, rows)) <= {width}:
        return
    wrong = [k for k, row in enumerate(rows) if len(row) != width]
    told = {
        first + k: f"{len(rows[k])} fields in a row that begins with {show(rows[k][0])}"
        for k in wrong[: RowFaults.NAMED]
    }
    table.faults.add(np.array(wrong) + first, lambda row: (told[row], None, f"{width}, as in the header"))
    for k in wrong:
        rows[k] = [*rows[k], *[""] * width][:width]


def _read_bytes(name: str) -> tuple[bytes, str]:
    """Contents of a file, unpacked if it is compressed, and digest of the file.

    A file is read once: a pipe has nothing more to give, and another file may have taken its place.
    """
    try:
        raw = read_input(name)
    except FileNotFoundError as error:
        raise LabelFileError(f"{name}: there is no such file") from error
    except Unreadable as error:
        raise LabelFileError(f"{name}: {error}") from error
    except OSError as error:
        what = f"cannot be read ({error.strerror})"
        raise LabelFileError(f"{name}: {what}; allowed: a readable CSV file, plain or .gz") from error
    found = digest(raw)
    if raw and name.lower().endswith(".gz"):
        raw = _decompress(name, raw)
    return raw, found


def _decompress(name: str, raw: bytes) -> bytes:
    if not raw.startswith(_GZIP_MAGIC):
        raise _fault(name, 1, f"named .gz but begins with {raw[:8]!r}; allowed: gzip data, or a name without .gz")
    try:
        return unpacked(raw)
    except Unreadable as error:
        raise LabelFileError(f"{name}: {error}") from error
    except (EOFError, OSError, zlib.error) as error:
        raise LabelFileError(f"{name}: gzip data cut short or damaged ({error}); allowed: a complete file") from error


@contextmanager
def _long_fields(raw: bytes) -> Iterator[None]:
    """Read fields of any length; the csv module refuses those of more than 131,072 characters unless told otherwise."""
    before = csv.field_size_limit()
    csv.field_size_limit(max(before, len(raw)))
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _start_lines(text: bytes, mark: str) -> Generator[int]:
    """Yield the line on which each record begins, header first, up to the first record that is not valid CSV."""
    with _long_fields(text):
        yield from (line for line, _ in records(text, mark))


def _fault(name: str, line: int, what: str) -> LabelFileError:
    return LabelFileError(f"{name}, line {line}: {what}")


def near_misses(table: Table, optional: Sequence[str]) -> list[str]:
    """Remarks on columns that are not used, but whose names are close to those of optional columns that are missing."""
    used = {table.names[x] for x in table.columns}
    unused = [column for column in table.header if column not in used]
    remarks = []
    for wanted in optional:
        near = None if wanted in table.columns else meant_by(wanted, unused)
        if near is not None:
            remarks.append(f"{table.path}: column {show(near)} is not used; is it {wanted!r}?")
    return remarks


def nearest(wanted: Sequence[str], header: Sequence[str]) -> str:
    """Suggest the column that was probably meant, ignoring case and surrounding spaces."""
    others = [column for column in header if column not in wanted]
    near = next(filter(None, (nearest_name(name, others) for name in wanted)), None)
    return f" (is it {show(near)}?)" if near else ""


def listed(names: Sequence[str]) -> str:
    """Quoted names, separated by commas; of many, the first ten."""
    return messages.listed(names)


def show(text: str) -> str:
    """Quote a value on one line, cut to a readable length."""
    return messages.shown(text)
