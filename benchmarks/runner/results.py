"""Results of studies as arguments of tables and figures: datasets and tables of other studies are refused."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from typing import Any

from ...posteriors.foundation.kinds import require_type
from ...posteriors.foundation.messages import listed, shown

__all__ = ["require_result", "result_of", "table_of"]


def require_result(name: str, result: object, study: str, fields: tuple[str, ...]) -> None:
    """Raise unless a dataset has the fields of a study's result.

    Parameters
    ----------
    name : str
        Name of the argument.
    result : object
    study : str
        Function that returns such results.
    fields : tuple of str
        Variables, coordinates and attributes that the result must have.

    Raises
    ------
    TypeError
        For anything but a dataset.
    ValueError
        For a dataset without one of the fields, or with a single place left of one of its dimensions.
    """
    import xarray as xr

    require_type(name, result, xr.Dataset, f"the xarray.Dataset of {study}")
    assert isinstance(result, xr.Dataset)
    missing = [field for field in fields if field not in result.variables and field not in result.attrs]
    if missing:
        raise ValueError(f"{name} has no {listed(missing)}; it must be what {study} returned")
    for field, coordinate in result.coords.items():
        if coordinate.ndim == 0:
            one = shown(coordinate.item())
            raise ValueError(f"{name} has a single {field} left; keep it in a list, as in .sel({field}=[{one}])")


def result_of[**P, R](study: str, *fields: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let a function of a study's result refuse other datasets.

    Parameters
    ----------
    study : str
        Function that returns such results.
    *fields : str
        Variables, coordinates and attributes that the first argument must have.

    Returns
    -------
    callable
        Decorator; see ``require_result``.

    Examples
    --------
    >>> import xarray as xr
    >>> @result_of("budget_curve", "bound")
    ... def largest(result):
    ...     return float(result["bound"].max())
    >>> largest(xr.Dataset({"share": 1.0}))
    Traceback (most recent call last):
    ValueError: result has no 'bound'; it must be what budget_curve returned
    """
    return _checking("result", partial(require_result, "result", study=study, fields=fields))


def table_of[**P, R](study: str, *columns: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let a function of a study's table refuse tables without these columns.

    Parameters
    ----------
    study : str
        Function that returns such tables.
    *columns : str
        Columns that the first argument, a data frame, must have.

    Returns
    -------
    callable
        Decorator.

    Examples
    --------
    >>> import pandas as pd
    >>> @table_of("stress_table", "loss")
    ... def largest(table):
    ...     return float(table["loss"].max())
    >>> largest(pd.DataFrame({"gain": [1.0]}))
    Traceback (most recent call last):
    ValueError: table has no column 'loss'; it must be what stress_table returned
    """

    def require(table: object) -> None:
        import pandas as pd

        require_type("table", table, pd.DataFrame, f"the pandas.DataFrame of {study}")
        assert isinstance(table, pd.DataFrame)
        missing = [column for column in columns if column not in table]
        if missing:
            raise ValueError(f"table has no column {listed(missing)}; it must be what {study} returned")

    return _checking("table", require)


def _checking[**P, R](name: str, require: Callable[[Any], object]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorator that checks the first argument of a function, which has that name."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            if args or name in kwargs:
                require(args[0] if args else kwargs[name])
            return function(*args, **kwargs)

        return call

    return decorate
