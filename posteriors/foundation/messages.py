"""Text for messages and tables: values quoted at a bounded length, control characters escaped, lists cut.

Names and values come from files and from users, so they can be of any length and hold anything: line breaks that would
look like a further message, or escape sequences that a terminal obeys. Whatever is put into a message or a table goes
through ``shown``, ``listed`` or ``printable``; ``lines_of`` cuts what is left at the end.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from itertools import islice
from typing import Any

import numpy as np

__all__ = [
    "LONGEST_FAULT",
    "LONGEST_LINE",
    "MOST_LINES",
    "and_more",
    "cut",
    "first_line",
    "lines_of",
    "listed",
    "named",
    "plain",
    "printable",
    "raise_faults",
    "shown",
]

# Characters of a printed line, and of the fault in it, behind the name of the command; the largest number of lines.
LONGEST_LINE = 300
LONGEST_FAULT = LONGEST_LINE - len("seqaudit: ")
MOST_LINES = 10
_LONGEST_VALUE = 60
_MOST_LISTED = 10
# Control characters, marks that reverse the direction of text, further line ends, and halves of surrogate pairs, which
# cannot be encoded.
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def plain(value: Any) -> Any:
    """Python number equal to a NumPy number, alone or in an array without dimensions; any other value unchanged."""
    if isinstance(value, np.ma.MaskedArray) or not isinstance(value, (np.generic, np.ndarray)) or value.ndim:
        return value
    found = value.item()
    # The widest NumPy float has no equal Python number: its item is itself.
    return float(found) if isinstance(found, np.floating) else found


def cut(text: str, most: int) -> str:
    """Text of at most ``most`` characters: the start and the end of a longer one, with " ... " between them.

    Examples
    --------
    >>> cut("abcdefghijklmnopqrst", 15)
    'abcdefg ... rst'
    """
    if len(text) <= most:
        return text
    left = most - 5
    tail = left // 3
    return f"{text[: left - tail]} ... {text[len(text) - tail :]}"


def printable(text: str) -> str:
    r"""Text in which characters that a terminal obeys, or that break a line, are escaped.

    Examples
    --------
    >>> print(printable("red \x1b[31m and\na new line"))
    red \x1b[31m and\na new line
    """
    return _UNSEEN.sub(lambda found: ascii(found[0])[1:-1], text)


def shown(value: object, most: int = _LONGEST_VALUE) -> str:
    r"""Value as Python writes it, on one line and at most ``most`` characters long.

    Parameters
    ----------
    value : object
        Any value; a NumPy scalar is written as the Python number equal to it.
    most : int
        Largest number of characters.

    Returns
    -------
    str
        Start and end of a text that is longer. A value that cannot be written is described by its type.

    Examples
    --------
    >>> shown("one\ntwo"), shown(0.5), shown(10**400)
    ("'one\\ntwo'", '0.5', 'a whole number of 401 digits')
    """
    if value is np.ma.masked:
        return "masked"
    value = plain(value)
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 200:
        # Python refuses to write some of these, and nobody reads them.
        return f"a whole number of {_digits(value)} digits"
    if isinstance(value, str):
        # Quoting takes time in proportion to length; only the ends of a long text are seen.
        short = cut(value, most - 2)
        quoted = repr(short)
        while len(quoted) > most and len(short) > 1:
            short = cut(short, max(len(short) * 3 // 4, 6)) if len(short) > 6 else short[:-1]
            quoted = repr(short)
        return printable(quoted)
    try:
        text = repr(value)
    except Exception:
        return f"an object of type {type(value).__name__} that cannot be written"
    return cut(printable(" ".join(text.split("\n"))), most)


def _digits(value: int) -> int:
    """Number of decimal digits of a large whole number."""
    guess = int((abs(value).bit_length() - 1) * 0.30102999566398120)
    return guess + 1 if abs(value) < 10 ** (guess + 1) else guess + 2


def listed(names: Collection[object], most: int = _MOST_LISTED, *, quoted: bool = True) -> str:
    """Names with commas between them: the first ``most``, and the number of the others.

    Examples
    --------
    >>> listed(["a", "b"]), listed(range(1000), 3)
    ("'a', 'b'", '0, 1, 2 and 997 more')
    """
    words = map(shown if quoted else named, names)
    more = len(names) - most
    return ", ".join(islice(words, most)) + (f" and {more:,} more" if more > 0 else "")


def named(name: object) -> str:
    """Name without quotes, on one line and at most 60 characters long.

    Examples
    --------
    >>> named("item 1")
    'item 1'
    """
    return cut(printable(str(name)), _LONGEST_VALUE)


def first_line(error: BaseException) -> str:
    """First line of an error's message, or the name of its type where it has none."""
    return next(iter(str(error).splitlines()), type(error).__name__)


def and_more(more: int, kind: str = "fault") -> list[str]:
    """Line on the number of further faults; none if there are none."""
    return [f"and {more:,} more {kind}{'s' if more > 1 else ''}"] if more > 0 else []


def lines_of(faults: Collection[str], kind: str = "fault", count: int | None = None) -> list[str]:
    """Faults as they are printed: one line of at most 300 characters each, ten of them, then the number of the others.

    ``count`` is the number of all faults, where only the first of them have a text.

    Examples
    --------
    >>> lines_of([f"fault {k}" for k in range(1, 13)])[9:]
    ['fault 10', 'and 2 more faults']
    """
    out = [cut(printable(" ".join(fault.split("\n"))), LONGEST_FAULT) for fault in islice(faults, MOST_LINES)]
    return out + and_more((len(faults) if count is None else count) - len(out), kind)


def raise_faults(faults: Sequence[BaseException]) -> None:
    """Raise the errors that were collected: one ``ValueError`` that lists several of that kind, else the first.

    Examples
    --------
    >>> raise_faults([])
    >>> raise_faults([ValueError("fault 1"), ValueError("fault 2")])
    Traceback (most recent call last):
    ValueError: fault 1
    fault 2
    """
    if len(faults) > 1 and all(isinstance(x, ValueError) for x in faults):
        raise ValueError("\n".join(lines_of([str(x) for x in faults])))
    if faults:
        raise faults[0]
