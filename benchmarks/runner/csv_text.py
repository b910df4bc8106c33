r"""Tables as CSV text that is safe to open in a spreadsheet and to print on a terminal, without loss.

A spreadsheet runs a cell that begins with ``=``, ``+``, ``-`` or ``@`` as a formula, and a terminal obeys escape
sequences. So a text cell that begins so and is no number, or that holds control characters or line breaks, is written
behind an apostrophe, with backslashes doubled and such characters escaped as in Python (``\n``, ``\x1b``). A text that
begins with an apostrophe gets one more. All other texts, and all numbers, are written as they are.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from ...posteriors.foundation.messages import printable

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["csv_text", "guarded", "unguarded"]

# Kinds of columns that hold no text.
_NUMERIC = "biufcmM"
_FORMULA = re.compile(r"[=+\-@].")
_NUMBER = re.compile(r"[+-](\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-](inf|nan)", re.IGNORECASE)
_ESCAPE = re.compile(r"\\(\\|[tnr]|x[0-9a-f]{2}|u[0-9a-f]{4})")
_SHORT = {"\\": "\\", "t": "\t", "n": "\n", "r": "\r"}


def guarded(text: str) -> str:
    r"""Text of a cell as it is written; see the module's docstring.

    Examples
    --------
    >>> [guarded(x) for x in ("item 1", "-1.5", "=HYPERLINK(1)", "'tis", "C:\\new")]
    ['item 1', '-1.5', "'=HYPERLINK(1)", "''tis", 'C:\\new']
    >>> print(guarded("two\nlines"))
    'two\nlines
    """
    formula = _FORMULA.match(text) is not None and _NUMBER.fullmatch(text) is None
    if not (formula or text.startswith("'") or printable(text) != text):
        return text
    return "'" + printable(text.replace("\\", "\\\\"))


def unguarded(cell: str) -> str:
    r"""Text that ``guarded`` wrote as this cell.

    Examples
    --------
    >>> unguarded("'=HYPERLINK(1)"), unguarded("item 1"), unguarded(r"'two\nlines")
    ('=HYPERLINK(1)', 'item 1', 'two\nlines')
    """
    if not cell.startswith("'"):
        return cell
    return _ESCAPE.sub(lambda found: _SHORT.get(found[1]) or chr(int(found[1][1:], 16)), cell[1:])


def csv_text(table: pd.DataFrame) -> str:
    """CSV text of a table, without its index."""
    safe = table.copy(deep=False)
    for k, kind in enumerate(table.dtypes):
        if kind.kind not in _NUMERIC:
            found = table.iloc[:, k].tolist()
            cells = [guarded(x) if isinstance(x, str) else x for x in found]
            # Columns without such cells stay as they are, missing values and all.
            if any(a is not b for a, b in zip(found, cells, strict=True)):
                safe.isetitem(k, np.array([*cells, None], dtype=object)[:-1])
    return safe.to_csv(index=False, header=[guarded(str(name)) for name in table.columns])
