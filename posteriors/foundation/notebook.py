"""Results as HTML, for notebooks."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["html_table"]

# Rows and columns that are shown; of more, the first and the last.
_ROWS, _COLUMNS = 60, 20


def html_table(title: object, table: pd.DataFrame, *, index: bool = False) -> str:
    """HTML of a title and a table; nothing in either is taken for HTML.

    Parameters
    ----------
    title : object
        Its text, of one line.
    table : DataFrame
    index : bool
        True to show the names of the rows.

    Returns
    -------
    str

    Examples
    --------
    >>> import pandas as pd
    >>> text = html_table("a < b", pd.DataFrame({"item": ["<script>"]}))
    >>> text.partition("<table")[0], "<td>&lt;script&gt;</td>" in text
    ('<p>a &lt; b</p>', True)
    """
    shown = table.to_html(max_rows=_ROWS, max_cols=_COLUMNS, index=index, border=0, escape=True, na_rep="-")
    return f"<p>{html.escape(str(title))}</p>{shown}"
