"""Cells of a run as one table, and tables as Parquet, CSV or NetCDF files.

A cell whose result is JSON gives a row: its entries are columns, named ``policy`` or, within another entry,
``value.mean``. A cell whose result is a dataset gives a row for each number: ``variable``, the place along each
dimension and ``value``. Every row has the name of the ``cell``, its ``key``, ``status`` and ``cell_seconds``; an entry
of one of these names stands in ``result.<name>``.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import batched
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...dp.machine.files import write_whole
from ...posteriors.foundation.kinds import checked
from ...posteriors.foundation.messages import shown
from ...posteriors.foundation.refusals import file_path
from .csv_text import csv_text
from .finished import FinishedRun
from .kept import DATASETS
from .store import Cell

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["export_run", "run_table"]

_DONE = "done"
# Rows that are held as mappings, which take many times the memory of a table, at once.
_AT_A_TIME = 50_000
_HEAD = {"cell": 0, "key": 1, "status": 2, "cell_seconds": 3}.keys()


@checked
def run_table(run: str | os.PathLike[str]) -> pd.DataFrame:
    """Table of the cells of a run, in the order in which they were finished.

    Parameters
    ----------
    run : path
        Run folder.

    Returns
    -------
    pandas.DataFrame
        See the module's docstring. Of a cell that failed, ``message`` says why.

    Raises
    ------
    RunFolderError
        For a folder that is not that of a run, and cells that are not as they were written.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from seqaudit.benchmarks.runner.folder import RunFolder
    >>> from seqaudit.benchmarks.runner.kept import JSON
    >>> with TemporaryDirectory() as folder:
    ...     begun = RunFolder(f"{folder}/run", "compare", {})
    ...     _ = begun.kept("kg", JSON, lambda: {"policy": "kg", "value": 1.5})
    ...     begun.store.close()
    ...     run_table(f"{folder}/run")[["cell", "status", "policy", "value"]].values.tolist()
    [['kg', 'done', 'kg', 1.5]]
    """
    import pandas as pd

    found = FinishedRun.of(run)
    try:
        rows = (row for cell in found.cells() for row in _rows(cell))
        parts = [pd.DataFrame(some) for some in batched(rows, _AT_A_TIME)]
    finally:
        found.store.close()
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(_HEAD))


def _rows(cell: Cell) -> Iterator[dict[str, Any]]:
    head = dict(zip(_HEAD, (cell.name, cell.key, cell.status, cell.seconds), strict=True))
    if cell.status != _DONE:
        found: Iterable[dict[str, Any]] = [{"message": cell.result.decode(errors="replace")}]
    elif cell.form == ".json":
        entries = json.loads(cell.result)
        found = [_flat(entries) if isinstance(entries, (dict, list)) else {"value": entries}]
    else:
        found = _numbers(cell.result)
    for row in found:
        if _HEAD.isdisjoint(row):
            yield head | row
        else:
            yield head | {f"result.{name}" if name in _HEAD else name: x for name, x in row.items()}


def _flat(entries: Any) -> dict[str, Any]:
    nested = not isinstance(entries, dict) or any(isinstance(x, (dict, list)) for x in entries.values())
    return dict(_entries(entries, "")) if nested else entries


def _entries(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Entries of mappings and lists, by the names of the ways to them."""
    if not isinstance(value, (dict, list)):
        yield name, value
        return
    for key, x in value.items() if isinstance(value, dict) else enumerate(value):
        yield from _entries(x, f"{name}.{key}" if name else str(key))


def _numbers(content: bytes) -> Iterator[dict[str, Any]]:
    """Numbers of a dataset, or of the groups of a tree of them."""
    import xarray as xr

    for group, data in xr.load_datatree(io.BytesIO(content), engine="h5netcdf").to_dict().items():
        for name, x in data.data_vars.items():
            label = f"{group.strip('/')}.{name}" if group.strip("/") else str(name)
            places = [x[d].values.tolist() if d in x.coords else list(range(x.sizes[d])) for d in x.dims]
            for place, value in zip(np.ndindex(x.shape), x.values.ravel().tolist(), strict=True):
                at = {str(d): places[k][place[k]] for k, d in enumerate(x.dims)}
                yield {"variable": label} | at | {"value": value}


def _parquet(table: pd.DataFrame) -> bytes:
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        raise ValueError(
            "Parquet needs pyarrow, which is not installed; install seqaudit with its extra, seqaudit[parquet], or "
            "export to .csv or .nc"
        ) from None
    held = io.BytesIO()
    _of_one_type(table).to_parquet(held, index=False)
    return held.getvalue()


def _netcdf(table: pd.DataFrame) -> bytes:
    import xarray as xr

    columns = {str(name): ("row", _of_one_type(table)[name].to_numpy()) for name in table.columns}
    return DATASETS.store(xr.Dataset(columns))


def _of_one_type(table: pd.DataFrame) -> pd.DataFrame:
    """Table whose columns hold one type each: those of several, such as numbers and texts, as texts."""
    import pandas as pd

    columns = {}
    for name in table.columns:
        column = table[name]
        if column.dtype == object or pd.api.types.is_string_dtype(column):
            told = ["" if x is None or x != x else x if isinstance(x, str) else json.dumps(x) for x in column.tolist()]
            column = pd.Series(np.array(told, dtype=object), index=table.index)
        columns[str(name)] = column
    return pd.DataFrame(columns)


_FORMATS: Mapping[str, Callable[[pd.DataFrame], bytes]] = {
    ".parquet": _parquet,
    ".csv": lambda table: csv_text(table).encode(),
    ".nc": _netcdf,
}


@checked
def export_run(run: str | os.PathLike[str], to: str | os.PathLike[str]) -> Path:
    """Write the table of a run as a file, whole or not at all.

    Parameters
    ----------
    run : path
        Run folder.
    to : path
        File whose name ends in ``.parquet``, ``.csv`` or ``.nc``, for Parquet (which needs pyarrow), CSV and NetCDF.
        A file that is there is replaced.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ValueError
        For another ending, and where pyarrow is needed and not there.
    RunFolderError
        As by ``run_table``.

    Examples
    --------
    >>> export_run("runs/first", "first.xlsx")
    Traceback (most recent call last):
    ValueError: to is 'first.xlsx'; its name must end in .parquet, .csv or .nc
    """
    path = file_path("to", to)
    written = _FORMATS.get(path.suffix.lower())
    if written is None:
        raise ValueError(f"to is {shown(str(path))}; its name must end in .parquet, .csv or .nc")
    return write_whole(path, written(run_table(run)))
