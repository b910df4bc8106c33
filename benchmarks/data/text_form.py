"""Forms of text files: the encoding of their characters and what separates their fields, found or stated.

A form is taken without being stated only where the text leaves no doubt about it.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ...posteriors.foundation.messages import listed, shown
from ...posteriors.foundation.names import unknown_name

__all__ = ["SEPARATORS", "TextFault", "TextForm", "as_utf8", "find_separator", "is_declaration", "records", "rows_of"]

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
_WORDS = {"comma": ",", "semicolon": ";", "tab": "\t", "bar": "|", r"\t": "\t"} | {mark: mark for mark in SEPARATORS}
_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
# Python's names of encodings of text; its codecs do more than that.
_ENCODINGS = re.compile(r"utf-(8|8-sig|16|16-le|16-be|32|32-le|32-be)|ascii|iso8859-\d+|cp\d+|koi8-\w+|mac-\w+|gb\w+")
_EAST_ASIAN = re.compile(r"shift_jis\w*|euc_\w+|big5\w*|johab")
_COMMON = ("utf-8", "utf-16", "cp1252", "latin-1", "cp1250", "cp1251", "mac-roman", "shift_jis", "gb18030")
_GZIP_MAGIC = b"\x1f\x8b"
# Files that are no text, by their first bytes.
_OTHERS = {
    b"PK\x03\x04": "a spreadsheet or a ZIP archive; allowed: text, such as a sheet saved as CSV",
    b"\xd0\xcf\x11\xe0": "a spreadsheet; allowed: text, such as a sheet saved as CSV",
    b"PAR1": "a Parquet file; allowed: text, or in Python a data frame",
    b"BZh": "compressed by bzip2; allowed: text, plain or compressed by gzip",
    b"\xfd7zXZ": "compressed by xz; allowed: text, plain or compressed by gzip",
    b"(\xb5/\xfd": "compressed by zstd; allowed: text, plain or compressed by gzip",
}
_SHOWN = 60
# Bytes in which the header is looked for to find the separator.
_LONGEST_HEADER = 2**20
# Signs of Windows-1252 that occur in text of Western languages without letters beside them.
_SIGNS = frozenset("\u2018\u2019\u201c\u201d\u2013\u2014\u2026\u20ac\xa0\xab\xbb\xbf\xa1\xa7\xb0\xb7")


class TextFault(ValueError):
    """Error for bytes that are not text of the form that is wanted, with the line of the first of them."""

    def __init__(self, line: int, what: str) -> None:
        super().__init__(what)
        self.line = line


@dataclass(frozen=True)
class TextForm:
    """Separator and encoding as they are stated; None for those that are to be found.

    ``otherwise`` is the encoding of text that is not UTF-8.

    Examples
    --------
    >>> form = TextForm.of("semicolon", "Latin-1")
    >>> form.separator, form.encoding
    (';', 'iso8859-1')
    """

    separator: str | None = None
    encoding: str | None = None
    otherwise: str | None = None

    @classmethod
    def of(cls, separator: str | None = None, encoding: str | None = None) -> TextForm:
        """Form from a separator or its name, and any of Python's names of an encoding of text."""
        if separator is not None:
            if separator not in _WORDS:
                words = [word for word in _WORDS if word.isalpha()]
                raise ValueError(f"separator is {shown(separator)}; allowed: {listed(words)}, or the sign itself")
            separator = _WORDS[separator]
        return cls(separator, None if encoding is None else _codec(encoding))

    def record(self) -> dict[str, str]:
        """Separator and encoding that are stated, for the record of a run."""
        stated = {"separator": self.separator, "encoding": self.encoding}
        return {key: value for key, value in stated.items() if value is not None}


def _codec(encoding: str) -> str:
    try:
        name = codecs.lookup(encoding).name
    except (LookupError, ValueError):
        name = ""
    if not (_ENCODINGS.fullmatch(name) or _EAST_ASIAN.fullmatch(name)):
        raise ValueError(unknown_name("encoding is {name}; allowed: {known} and others{hint}", encoding, _COMMON))
    return name


def as_utf8(raw: bytes, form: TextForm) -> tuple[bytes, list[str]]:
    r"""Text as UTF-8, and remarks on its encoding if that was found and is another.

    Parameters
    ----------
    raw : bytes
    form : TextForm

    Returns
    -------
    text : bytes
    remarks : list of str

    Raises
    ------
    TextFault
        For bytes that are not text in the stated encoding, or without it, where several encodings are possible.

    Examples
    --------
    >>> as_utf8("caf\xe9".encode("cp1252"), TextForm())[1]
    ["it is not UTF-8 and is read as Windows-1252, as in 'caf\xe9'; if that is wrong, state the encoding"]
    >>> as_utf8("a,b".encode("utf-16"), TextForm())
    (b'a,b', ['it is read as UTF-16'])
    """
    for magic, what in _OTHERS.items():
        if raw.startswith(magic):
            raise TextFault(1, f"this is {what}")
    if form.encoding is not None:
        return _recoded(raw, form.encoding), []
    found = next((name for mark, name in _MARKS.items() if raw.startswith(mark)), None) or _unmarked(raw)
    if found is not None:
        return _recoded(raw, found), [f"it is read as {found.upper()}"]
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError as error:
        if form.otherwise is not None:
            return _recoded(raw, form.otherwise), []
        word = _western(raw)
        if word is None:
            raise _undecided(raw, error.start) from None
        told = f"it is not UTF-8 and is read as Windows-1252, as in {shown(word)}; if that is wrong, state the encoding"
        return _recoded(raw, "cp1252"), [told]
    return raw, []


def _unmarked(raw: bytes) -> str | None:
    """UTF-16 without a mark at its start, told by the empty half of each of its first characters."""
    start = raw[:8]
    if len(start) == 8 and all(start[::2]) and not any(start[1::2]):
        return "utf-16-le"
    return "utf-16-be" if len(start) == 8 and all(start[1::2]) and not any(start[::2]) else None


def _recoded(raw: bytes, encoding: str) -> bytes:
    try:
        return raw.decode(encoding).encode()
    except UnicodeDecodeError as error:
        text = raw[: error.start].decode(encoding, "ignore")
        line = len((text + "?").splitlines())
        what = f"byte {raw[error.start]:#04x} is not {encoding.upper()}"
        raise TextFault(line, f"{what}; allowed: text in that encoding, or another encoding") from None


def _western(raw: bytes) -> str | None:
    """A word with an accent, if the bytes can hardly be anything but Windows-1252 or Latin-1; else None.

    In each word with accented letters at least half of the letters are plain, and none is one that other encodings
    have at the places that Latin-1 leaves free.
    """
    try:
        text = raw.decode("cp1252")
    except UnicodeDecodeError:
        return None
    found = ""
    for word in {match[0] for match in re.finditer(r"\w+|[^\w\x00-\x7f]+", text)}:
        accented = [letter for letter in word if not letter.isascii()]
        if not accented or all(letter in _SIGNS for letter in accented):
            continue
        known = all("\xc0" <= letter <= "\xff" and letter.isalpha() for letter in accented)
        if not known or 2 * len(accented) > sum(letter.isalpha() for letter in word):
            return None
        found = min(found or word, word)
    return found


def _undecided(raw: bytes, at: int) -> TextFault:
    """Fault of bytes that are not UTF-8 from a position on."""
    line = len((raw[:at] + b"?").splitlines())
    what = f"byte {raw[at]:#04x} is not UTF-8; allowed: text saved as UTF-8"
    if raw.startswith(_GZIP_MAGIC):
        return TextFault(line, f"{what} (compressed files are named .gz)")
    what += ", or its encoding stated, such as encoding=cp1252"
    around = re.findall(r"\w+", raw[max(at - _SHOWN, 0) : at + _SHOWN].decode("cp1252", "replace"))
    word = next((word for word in around if not word.isascii()), "")
    return TextFault(line, f"{what} (which makes it part of {shown(word)})" if word else what)


def rows_of(raw: bytes, separator: str) -> Iterator[list[str]]:
    """Records of delimited text as the csv module reads them, empty ones included."""
    return csv.reader(_lines(raw), strict=True, delimiter=separator)


def _lines(raw: bytes) -> io.TextIOWrapper:
    # newline="" leaves line ends inside quoted fields as they are; utf-8-sig skips the mark that spreadsheets write.
    return io.TextIOWrapper(io.BytesIO(raw), encoding="utf-8-sig", newline="")


def is_declaration(record: Sequence[str], separator: str) -> bool:
    """True for the line by which spreadsheets state the separator of what follows, such as ``sep=;``."""
    return separator.join(record).lower() == f"sep={separator}"


def records(raw: bytes, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Yield line and fields of each record that has any; the last is an empty one where text is not valid CSV."""
    reader = csv.reader(_lines(raw), strict=True, delimiter=separator)
    first = True
    while True:
        line = reader.line_num + 1
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield line, []
            return
        if any(record) and not (first and is_declaration(record, separator)):
            yield line, record
        first = first and not any(record)


def find_separator(raw: bytes, wanted: Sequence[str]) -> str:
    """Separator under which the header holds all columns that are wanted; the likeliest one, if there is none.

    Raises
    ------
    TextFault
        If several separators fit.
    """
    headers = {}
    start = raw[:_LONGEST_HEADER]
    for mark in SEPARATORS:
        line, headers[mark] = next(records(start, mark), (1, []))
    fit = [mark for mark, header in headers.items() if set(wanted) <= set(header)]
    # A header of one column is the same under all.
    fit = [mark for k, mark in enumerate(fit) if headers[mark] not in [headers[other] for other in fit[:k]]]
    if len(fit) > 1:
        words = " or ".join(SEPARATORS[mark] for mark in fit)
        raise TextFault(line, f"{words} may separate the fields; allowed: one of them, or the separator stated")
    return fit[0] if fit else max(headers, key=lambda mark: len(headers[mark]))
