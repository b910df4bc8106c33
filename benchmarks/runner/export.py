"""Cells of a run as one table, and tables as Parquet, CSV or NetCDF files.

A cell whose result is JSON gives a row: its entries are columns, named ``policy`` or, within another entry,
``value.mean``. A cell whose result is a dataset gives a row for each number: ``variable``, the place along each
dimension and ``value``. Every row has the name of the ``cell``, its ``key``, ``status`` and ``cell_seconds``; an entry
of one of these names stands in ``result.<name>``, and a dimension of one of these names, or called ``variable`` or
``value``, in ``at.<name>``.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import batched, chain, groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...dp.machine.files import write_whole
from ...posteriors.foundation.kinds import checked
from ...posteriors.foundation.messages import shown
from ...posteriors.foundation.refusals import file_path
from .collection import collection_paused
from .csv_text import csv_text
from .finished import FinishedRun, require_outside, results_of_json
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
        with collection_paused():
            parts = [*_parts(found.cells())]
    finally:
        found.store.close()
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(_HEAD))


def _parts(cells: Iterable[tuple[str, Cell]]) -> Iterator[pd.DataFrame]:
    """Yield tables of some cells each, in their order; cells come behind their keys."""
    for is_dataset, some in groupby(cells, lambda x: x[1].status == _DONE and x[1].form != ".json"):
        if is_dataset:
            yield from chain.from_iterable(map(_numbers, some))
        else:
            yield from map(_rows, batched(some, _AT_A_TIME))


def _rows(keyed: Sequence[tuple[str, Cell]]) -> pd.DataFrame:
    """Table with a row for each cell whose result is JSON, or that failed."""
    import pandas as pd

    keys, cells = zip(*keyed, strict=True)
    found = iter(results_of_json([cell for cell in cells if cell.status == _DONE]))
    rows = [
        _flat(next(found)) if cell.status == _DONE else {"message": cell.result.decode(errors="replace")}
        for cell in cells
    ]
    table = pd.DataFrame(rows, index=range(len(rows)))
    table.columns = [f"result.{name}" if name in _HEAD else name for name in table.columns]
    heads = (
        [cell.name for cell in cells],
        list(keys),
        [cell.status for cell in cells],
        [cell.seconds for cell in cells],
    )
    for k, (name, values) in enumerate(zip(_HEAD, heads, strict=True)):
        table.insert(k, name, values)
    return table


def _flat(entries: Any) -> dict[str, Any]:
    if isinstance(entries, dict) and {*map(type, entries.values())}.isdisjoint((dict, list)):
        return entries
    return dict(_entries(entries, "")) if isinstance(entries, (dict, list)) else {"value": entries}


def _entries(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Entries of mappings and lists, by the names of the ways to them."""
    if not isinstance(value, (dict, list)):
        yield name, value
        return
    for key, x in value.items() if isinstance(value, dict) else enumerate(value):
        yield from _entries(x, f"{name}.{key}" if name else str(key))


def _numbers(keyed: tuple[str, Cell]) -> Iterator[pd.DataFrame]:
    """Yield the numbers of a dataset, or of the groups of a tree of them, a table for each variable."""
    import pandas as pd
    import xarray as xr

    key, cell = keyed
    for group, data in xr.load_datatree(io.BytesIO(cell.result), engine="h5netcdf").to_dict().items():
        for name, x in data.data_vars.items():
            label = f"{group.strip('/')}.{name}" if group.strip("/") else str(name)
            columns: dict[str, Any] = {
                head: _same(value, x.size)
                for head, value in zip(_HEAD, (cell.name, key, cell.status, cell.seconds), strict=True)
            }
            columns["variable"] = _same(label, x.size)
            for k, d in enumerate(x.dims):
                places = x[d].values if d in x.coords else np.arange(x.sizes[d])
                shape = [-1 if j == k else 1 for j in range(x.ndim)]
                at = f"at.{d}" if d in _HEAD or d in ("variable", "value") else str(d)
                columns[at] = np.broadcast_to(places.reshape(shape), x.shape).ravel()
            yield pd.DataFrame(columns | {"value": x.values.ravel()})


def _same(value: Any, size: int) -> NDArray[Any]:
    """One value in all rows; texts are held once."""
    return np.full(size, value, dtype=np.float64 if isinstance(value, float) else object)


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
        # Pandas' own texts are texts, or missing.
        if column.dtype == object or (pd.api.types.is_string_dtype(column) and column.hasnans):
            found = column.tolist()
            if {*map(type, found)} != {str}:
                told = ["" if x is None or x != x else x if isinstance(x, str) else json.dumps(x) for x in found]
                column = pd.Series(np.array(told, dtype=object), index=table.index)
        columns[str(name)] = column
    return pd.DataFrame(columns)


def _csv(table: pd.DataFrame) -> Iterator[bytes]:
    """Yield the lines of some rows at a time: the text takes many times the memory of the table."""
    for begin in range(0, max(1, len(table)), _AT_A_TIME):
        text = csv_text(table.iloc[begin : begin + _AT_A_TIME])
        yield (text if begin == 0 else text.partition("\n")[2]).encode()


_FORMATS: Mapping[str, Callable[[pd.DataFrame], bytes | Iterable[bytes]]] = {
    ".parquet": _parquet,
    ".csv": _csv,
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
        For another ending, a file in the run folder, and where pyarrow is needed and not there.
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
    require_outside(run, path)
    return write_whole(path, written(run_table(run)))
