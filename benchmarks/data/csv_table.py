"""CSV tables; every error names the file, the line and the value.

Reading does not count lines, since a record may span several of them. Only when there is an error does a second pass
find the line number.
"""

from __future__ import annotations

import codecs
import csv
import io
import os
import re
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
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
from ...posteriors.foundation.names import nearest_name
from ...posteriors.votes.rows import RowFaults, codes

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "HEADER",
    "LabelFileError",
    "Table",
    "listed",
    "near_misses",
    "nearest",
    "read_table",
    "show",
    "table_of_frame",
]

HEADER = -1
_CHUNK = 1_024
_SHOWN = 60
# Similarity of a column's name to one that is known, above which it may be meant.
_NEAR = 0.84
_GZIP_MAGIC = b"\x1f\x8b"
# Bytes in which the header is looked for, and what else than commas may separate its fields.
_LONGEST_HEADER = 2**17
_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}


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
    """Columns of a CSV file as text, the bytes in which line numbers are found, and the digest of the file.

    The bytes are None, and the digest is empty, for a data frame.
    """

    path: str
    raw: bytes | None
    header: list[str]
    columns: dict[str, list[str]]
    digest: str = ""
    faults: RowFaults = field(default_factory=RowFaults)

    def fault(self, row: int, what: str) -> LabelFileError:
        """Error that names the file and the line of a row."""
        return LabelFileError(f"{self.path}, {self.places([row])[row]}: {what}")

    def places(self, rows: Sequence[int]) -> dict[int, str]:
        """Names of rows: the lines on which they begin, or their numbers in a data frame."""
        if self.raw is None:
            return {row: "header" if row == HEADER else f"row {row}" for row in rows}
        wanted = set(rows)
        with _long_fields(self.raw):
            starts = islice(enumerate(_start_lines(self.raw), start=HEADER), max(wanted, default=HEADER) + 2)
            return {row: f"line {line}" for row, line in starts if row in wanted}

    def codes(
        self, column: str, parse: Callable[[str], Any], allowed: str, item: Sequence[str] | None = None
    ) -> tuple[NDArray[np.int32], list[Any]]:
        """Number a column's distinct texts, and parse each once; see ``posteriors.votes.rows.codes``."""
        return codes(self.columns[column], column, parse, allowed, self.faults, item)

    def raise_faults(self) -> None:
        """Raise an error that lists the faulty rows, if there are any."""
        if self.faults.count:
            raise LabelFileError(*self.faults.lines(self.places, self.path), count=self.faults.count)

    def missing(self, column: str) -> LabelFileError:
        """Error that names a missing column, and the nearest existing one, or what separates the columns."""
        if self.raw is not None and (other := _other_form(self.raw)):
            return _fault(self.path, 1, other)
        near = nearest([column], self.header)
        return self.fault(HEADER, f"no column {show(column)}{near}; columns found: {listed(self.header)}")


def read_table(path: str | os.PathLike[str], required: Sequence[str], optional: Sequence[str]) -> Table:
    """Read the required and the optional columns of a CSV file, plain or compressed."""
    name = os.fspath(path)
    raw, found = _read_text(name)
    try:
        with _long_fields(raw):
            return replace(_parse_table(name, raw, required, optional), digest=found)
    except csv.Error as error:
        if other := _other_form(raw):
            raise _fault(name, 1, other) from error
        with _long_fields(raw):
            *_, line = _start_lines(raw)
        text = raw.splitlines()[line - 1].decode("utf-8-sig")
        what = f"not valid CSV ({error}): {show(text)}; allowed: quotes that close and are doubled inside a field"
        raise _fault(name, line, what) from error


def table_of_frame(frame: pd.DataFrame, required: Sequence[str], optional: Sequence[str]) -> Table:
    """Columns of a data frame as the texts that a CSV file would hold."""
    header = [str(column) for column in frame.columns]
    table = Table("data frame", None, header, {column: [] for column in (*required, *optional) if column in header})
    _require_columns(table, required)
    for column in table.columns:
        cells = frame[column]
        table.columns[column].extend("" if gap else _text(x) for x, gap in zip(cells, cells.isna(), strict=True))
    if not len(frame):
        raise table.fault(HEADER, f"no rows below the header {listed(header)}; allowed: one row or more")
    return table


def _text(value: Any) -> str:
    found = plain(value)
    return str(int(found)) if isinstance(found, bool) else str(found)


def _parse_table(name: str, raw: bytes, required: Sequence[str], optional: Sequence[str]) -> Table:
    reader = csv.reader(_lines(raw), strict=True)
    header = next(filter(None, reader), None)
    if header is None:
        raise _fault(name, 1, f"the file is empty; allowed: a header with {listed(required)}, then rows")
    table = Table(name, raw, header, {column: [] for column in (*required, *optional) if column in header})
    _require_columns(table, required)
    n_rows = 0
    while chunk := list(islice(reader, _CHUNK)):
        rows = [row for row in chunk if row]
        _require_width(table, rows, n_rows)
        n_rows += len(rows)
        for column, cells in table.columns.items():
            # Most texts occur many times: one copy of each keeps a large file small in memory.
            cells.extend(map(sys.intern, map(itemgetter(header.index(column)), rows)))
    if not n_rows:
        raise table.fault(HEADER, f"no rows after the header {listed(header)}; allowed: one row or more")
    return table


def _require_columns(table: Table, required: Sequence[str]) -> None:
    for column in required:
        if column not in table.header:
            raise table.missing(column)
    for column in table.columns:
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


def _read_text(name: str) -> tuple[bytes, str]:
    """Read and decompress a file whose bytes are UTF-8 text; text, and digest of the file.

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
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = len((raw[: error.start] + b"?").splitlines())
        raise _fault(name, line, _encoding(raw, error.start)) from error
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


def _encoding(raw: bytes, at: int) -> str:
    """Fault of bytes that are not UTF-8 from a position on, with the encoding that they are in most likely."""
    what = f"byte {raw[at]:#04x} is not UTF-8; allowed: text saved as UTF-8"
    if raw.startswith(_GZIP_MAGIC):
        return f"{what} (compressed files are named .gz)"
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return f"{what} (this file is in UTF-16)"
    try:
        around = re.findall(r"\w+", raw[max(at - _SHOWN, 0) : at + _SHOWN].decode("cp1252"))
    except UnicodeDecodeError:
        return what
    word = next((word for word in around if not word.isascii()), "")
    return f"{what} (in Windows-1252 it would be part of {show(word)})" if word else what


def _other_form(raw: bytes) -> str | None:
    """Fault of text that is in another form than fields with commas between them, or None."""
    text = raw[:_LONGEST_HEADER].decode("utf-8-sig", "ignore")
    line = next(filter(str.strip, text.splitlines()), "")
    count = {mark: _fields(line, mark) for mark in (",", *_SEPARATORS)}
    most = max(count, key=count.__getitem__)
    if line.lstrip().startswith(("{", "[{")):
        return f"this is JSON, which begins with {show(line)}; allowed: CSV with a header"
    if count[most] > count[","]:
        return f"{_SEPARATORS[most]} separate the fields; allowed: commas (save the file as CSV with commas)"
    return None


def _fields(line: str, mark: str) -> int:
    return len(next(csv.reader([line], delimiter=mark), []))


@contextmanager
def _long_fields(raw: bytes) -> Iterator[None]:
    """Read fields of any length; the csv module refuses those of more than 131,072 characters unless told otherwise."""
    before = csv.field_size_limit()
    csv.field_size_limit(max(before, len(raw)))
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _lines(raw: bytes) -> io.TextIOWrapper:
    # newline="" leaves line ends inside quoted fields as they are; utf-8-sig skips the mark that spreadsheets write.
    return io.TextIOWrapper(io.BytesIO(raw), encoding="utf-8-sig", newline="")


def _start_lines(raw: bytes) -> Iterator[int]:
    """Yield the line on which each record begins, header first, up to the first record that is not valid CSV."""
    reader = csv.reader(_lines(raw), strict=True)
    while True:
        line = reader.line_num + 1
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield line
            return
        if record:
            yield line


def _fault(name: str, line: int, what: str) -> LabelFileError:
    return LabelFileError(f"{name}, line {line}: {what}")


def near_misses(table: Table, optional: Sequence[str]) -> list[str]:
    """Remarks on columns that are not used, but whose names are close to those of optional columns that are missing."""
    unused = [column for column in table.header if column not in table.columns]
    remarks = []
    for wanted in optional:
        near = None if wanted in table.header else nearest_name(wanted, unused, cutoff=_NEAR)
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
