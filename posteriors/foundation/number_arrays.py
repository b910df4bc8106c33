"""Arrays of numbers, from whatever holds them: lists, NumPy and masked arrays, and columns of data frames.

One rule holds for every entry: a Python or NumPy number of any width is a number; True, False, text such as "3",
complex numbers, dates and missing values (None, NaT, NA, masked entries) are not. A refusal names the entry's place.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arrays import Bools, Floats, Ints
from .kinds import is_ordered
from .messages import shown
from .refusals import real_or_none, refused

__all__ = [
    "Place",
    "in_dims",
    "item_labels",
    "mixed_orders",
    "number_array",
    "numbers",
    "other_order",
    "place_name",
    "read_numbers",
    "require_one_order",
    "require_order",
    "require_order_of",
    "whole_array",
]

Place = tuple[int, ...]

_NUMBERS = "iuf"
# Types without labels, which most members of lists are.
_BARE = {int, float, str, bool, type(None), list, tuple, np.ndarray, np.float64, np.int64}
_TOO_LARGE = 2.0**63


def read_numbers(values: Any) -> tuple[NDArray[Any], list[tuple[Place, str]]]:
    """Numbers as an array, and the entries that are not numbers.

    Parameters
    ----------
    values : object
        A number, or numbers in any container that NumPy reads.

    Returns
    -------
    array : ndarray of integers or floats
        New, or the caller's own array; 0 in place of entries that are not numbers.
    faults : list of (tuple of int, str)
        Place and text of each entry that is not a number. Values that are no array of one shape have a single fault, at
        the place ``()``.

    Examples
    --------
    >>> read_numbers([1, "2", None])
    (array([1., 0., 0.]), [((1,), "'2'"), ((2,), 'None')])
    """
    masked: list[tuple[Place, str]] = []
    try:
        if isinstance(values, (list, tuple)):
            # NumPy would make one type of all entries, and so take True for 1 beside a number.
            plain = all(type(x) is np.ndarray and x.dtype.kind in _NUMBERS for x in values)
            make = np.ma.array if any(isinstance(x, np.ma.MaskedArray) for x in values) else np.array
            array = make(values, dtype=None if plain else object)
        else:
            array = np.asanyarray(values)
        if isinstance(array, np.ma.MaskedArray):
            masked = [(place, "masked") for place in _places(np.ma.getmaskarray(array))]
            array = np.where(np.ma.getmaskarray(array), 0, array.data) if masked else array.data
        array = np.asarray(array)
    except (TypeError, ValueError, RuntimeError):
        return np.zeros(()), [((), shown(values))]
    if array.dtype.kind in _NUMBERS:
        return array, masked
    if array.ndim == 0 and array.dtype == object:
        array = np.empty((), dtype=object)
        array[()] = values
    found, faults = _by_entry(array)
    return found, sorted(masked + faults)


def _by_entry(array: NDArray[Any]) -> tuple[NDArray[Any], list[tuple[Place, str]]]:
    """Numbers of an array of any type, and the places and texts of the entries that are not numbers."""
    types = set(map(type, array.flat))
    if types <= {float, int}:
        try:
            return array.astype(np.int64 if types == {int} else np.float64), []
        except OverflowError:
            pass
    out, faults = np.zeros(array.shape), []
    for place in np.ndindex(array.shape):
        entry = array[place]
        number = real_or_none(entry)
        if number is None:
            # A missing date has no plain form but None.
            # A span of time passes for a number by its type.
            dated = isinstance(entry, (np.datetime64, np.timedelta64))
            text = str(entry) if dated else shown(entry)
            too_large = isinstance(entry, Real) and not (dated or isinstance(entry, (bool, np.bool_)))
            faults.append((place, f"{text}, beyond 1.8e308" if too_large else text))
        else:
            out[place] = number
    return out, faults


def other_order(fields: Mapping[str, Any]) -> list[str]:
    """Faults of columns that belong together, but whose rows are labelled differently.

    Entries of arrays go by position, so columns of another order, or of other rows, would go to the wrong items.

    Parameters
    ----------
    fields : mapping
        Values by name: columns and frames of pandas and arrays of xarray; those without row labels are passed over, but
        not a ``name``, or ``items``, in another order than labels that are these names.

    Returns
    -------
    list of str
        A sentence for each column that does not have the labels of the first one.

    Examples
    --------
    >>> import pandas as pd
    >>> other_order({"threshold": pd.Series([0.5], index=["sky"]), "weight": pd.Series([2], index=["sea"])})
    ["weight[0] is labelled 'sea', threshold[0] 'sky'; entries go by position: ..."]
    """
    called = "name" if "name" in fields else "items"
    mixed = [fault for field, value in fields.items() if (fault := mixed_orders(field, value)) is not None]
    if mixed:
        return mixed
    of_rows = {field: item_labels(value, 0) for field, value in fields.items() if field != "name"}
    labelled = {field: labels for field, labels in of_rows.items() if labels is not None}
    names: Any = fields.get(called)
    given = labelled and called not in labelled and isinstance(names, Collection) and is_ordered(names)
    # Names in another order than labels that are these names.
    if given and _are_in_other_order([*next(iter(labelled.values()))], [*names]):
        labelled[called] = [*names]
    faults = []
    first, *others = labelled or [""]
    for field in others:
        wanted, found = labelled[first], labelled[field]
        # Lengths are compared elsewhere.
        if wanted is found or len(wanted) != len(found) or getattr(wanted, "equals", bool)(found):
            continue
        for k, (x, y) in enumerate(zip(wanted, found, strict=True)):
            # A missing label equals another one.
            if x != y and not (x != x and y != y):
                faults.append(_of_labels(field, k, y, first, x))
                break
    return faults


def _of_labels(field: str, k: int, found: Any, other: str, wanted: Any) -> str:
    return (
        f"{field}[{k}] is labelled {shown(found)}, {other}[{k}] {shown(wanted)}; entries go by position: give both in "
        "one order, or without labels"
    )


def _are_in_other_order(labels: list[Any], names: list[Any]) -> bool:
    """True for labels that are these names, in another order."""
    texts = all(isinstance(x, str) for x in [*labels, *names])
    return texts and labels != names and sorted(labels) == sorted(names)


def require_order_of(names: Sequence[str], axis: int = -1, **fields: Any) -> dict[str, Any]:
    """Fields as they are, unless their labels differ, or those along an axis are the items' names in another order.

    Parameters
    ----------
    names : sequence of str
        Names of a problem's items.
    axis : int
        Axis of the items, 0 or -1.
    **fields
        Values by name: columns and frames of pandas and arrays of xarray; others are passed over.

    Returns
    -------
    dict

    Raises
    ------
    ValueError
        With the place of the first label that differs; see ``other_order``.

    Examples
    --------
    >>> import pandas as pd
    >>> require_order_of(("sky", "sea"), counts=pd.Series([1, 0], index=["sea", "sky"]))
    Traceback (most recent call last):
    ValueError: counts[0] is labelled 'sea', name[0] 'sky'; entries go by position: give both in one order, or ...
    """
    for field, value in require_one_order(**fields).items():
        labels = item_labels(value, axis)
        if labels is not None:
            require_order(field, labels, names)
    return fields


def require_order(field: str, labels: Iterable[Any], names: Sequence[str]) -> None:
    """Raise for labels of a field's entries that are the names of the items in another order.

    Examples
    --------
    >>> require_order("risk", ["sea", "sky"], ("sea", "sky"))
    """
    if _are_in_other_order(found := [*labels], [*names]):
        k = next(k for k, (x, y) in enumerate(zip(found, names, strict=True)) if x != y)
        raise ValueError(_of_labels(field, k, found[k], "name", names[k]))


def item_labels(value: Any, axis: int = 0) -> Any:
    """Labels along the first or the last axis, 0 or -1, of a column or frame of pandas or an array of xarray; or None.

    Of a list of such, the last axis is that of its members.

    Examples
    --------
    >>> import pandas as pd
    >>> [*item_labels(pd.Series([1, 0], index=["sea", "sky"]))], item_labels([1, 0])
    (['sea', 'sky'], None)
    """
    if isinstance(value, (list, tuple)):
        return next((labels for _, labels in _labelled(value)), None) if axis else None
    if hasattr(value, "to_numpy") and hasattr(getattr(value, "index", None), "equals"):
        return value.columns if axis and value.ndim == 2 else value.index
    dims, indexes = getattr(value, "dims", None), getattr(value, "indexes", None)
    return indexes.get(dims[axis]) if dims and isinstance(dims, tuple) and isinstance(indexes, Mapping) else None


def _labelled(values: Collection[Any]) -> list[tuple[int, Any]]:
    """Number and labels, along their last axis, of the members of a list that have such."""
    if {*map(type, values)} <= _BARE:
        return []
    found = ((k, item_labels(x, -1)) for k, x in enumerate(values) if type(x) not in _BARE)
    return [(k, labels) for k, labels in found if labels is not None]


def mixed_orders(field: str, value: Any) -> str | None:
    """Fault of a list whose members are labelled by the same texts in different orders; None without.

    Examples
    --------
    >>> import pandas as pd
    >>> mixed_orders("alpha", [pd.Series([1, 0], index=["sea", "sky"]), pd.Series([1, 0], index=["sky", "sea"])])
    "alpha[1][0] is labelled 'sky', alpha[0][0] 'sea'; entries go by position: ..."
    """
    found = _labelled(value) if isinstance(value, (list, tuple)) else []
    for k, labels in found[1:]:
        first, wanted = found[0]
        if _are_in_other_order([*labels], [*wanted]):
            at = next(i for i, (x, y) in enumerate(zip(labels, wanted, strict=True)) if x != y)
            return _of_labels(f"{field}[{k}]", at, labels[at], f"{field}[{first}]", wanted[at])
    return None


def in_dims(value: Any, dims: tuple[str, ...]) -> Any:
    """Array of xarray with the dimensions of these names in this order; anything else as it is.

    Examples
    --------
    >>> import numpy as np
    >>> import xarray as xr
    >>> in_dims(xr.DataArray(np.zeros((2, 3)), dims=("item", "alpha")), ("alpha", "item")).shape
    (3, 2)
    """
    found = getattr(value, "dims", None)
    mixed = isinstance(found, tuple) and found != dims and sorted(map(str, found)) == sorted(dims)
    return value.transpose(*dims) if mixed else value


def require_one_order(**fields: Any) -> dict[str, Any]:
    """Fields as they are, unless their rows have labels in different orders; see ``other_order``."""
    for fault in other_order(fields):
        raise ValueError(fault)
    return fields


def _places(mask: NDArray[np.bool_]) -> list[Place]:
    return [tuple(map(int, place)) for place in np.argwhere(mask)]


def place_name(field: str, place: Place) -> str:
    """Name of an entry in messages: the field, and the place in brackets.

    Examples
    --------
    >>> place_name("weight", (2,)), place_name("prior", (0, 1)), place_name("beta", ())
    ('weight[2]', 'prior[0, 1]', 'beta')
    """
    return f"{field}[{', '.join(map(str, place))}]" if place else field


def number_array(field: str, values: Any) -> Floats:
    """Return a field's values as a new array of floats.

    Parameters
    ----------
    field : str
        Name of the field in the error message.
    values : object
        A number, or numbers in any container that NumPy reads; nan and the infinities are allowed.

    Returns
    -------
    ndarray of float64
        Of the shape of `values`; a single number has shape ().

    Raises
    ------
    ValueError
        For the first entry that is not a number; the message has its place.

    Examples
    --------
    >>> number_array("weight", [1, np.float32(0.5)])
    array([1. , 0.5])
    >>> number_array("weight", [1.0, True])
    Traceback (most recent call last):
    ValueError: weight[1] is True; it must be a number
    """
    fault = mixed_orders(field, values)
    if fault is not None:
        raise ValueError(fault)
    array, faults = read_numbers(values)
    for place, text in faults[:1]:
        allowed = "a number" if place or np.isscalar(values) else "a number or an array of numbers"
        raise ValueError(f"{place_name(field, place)} is {text}; it must be {allowed}")
    with np.errstate(over="ignore"):
        # Minus zero becomes zero, so that equal fields are stored alike.
        return np.array(array, dtype=np.float64) + 0.0


def whole_array(field: str, values: Any, least: int | None = 0, most: int | None = None) -> Ints:
    """Return a field's values as a new array of whole numbers; floats such as 4.0 pass, and 1.9 is refused.

    Parameters
    ----------
    field : str
        Name of the field in the error message.
    values : object
        A number, or numbers in any container that NumPy reads.
    least, most : int or None
        Smallest and largest allowed value; None for no limit.

    Returns
    -------
    ndarray of int64

    Raises
    ------
    ValueError
        For the first entry that is not a whole number within the limits.

    Examples
    --------
    >>> whole_array("counts", [3.0, 1.9])
    Traceback (most recent call last):
    ValueError: counts[1] is 1.9; it must be a whole number, at least 0
    """
    fault = mixed_orders(field, values)
    if fault is not None:
        raise ValueError(fault)
    array, faults = read_numbers(values)
    if faults:
        number_array(field, values)
    with np.errstate(invalid="ignore"):
        good = np.ones(array.shape, dtype=np.bool_)
        if array.dtype.kind != "i":
            good &= (array == np.floor(array)) & (np.abs(array.astype(np.float64)) < _TOO_LARGE)
        if least is not None:
            good &= array >= least
        if most is not None:
            good &= array <= most
    for place in _places(~good)[:1]:
        limit = "" if least is None else f", at least {least}" if most is None else f" from {least} to {most}"
        allowed = f"a whole number{limit}"
        raise refused(place_name(field, place), array[place], f"be {allowed}")
    return np.array(array, dtype=np.int64)


def numbers(
    field: str, values: Any, within: Callable[[Floats], Bools] | None = None, allowed: str = "finite"
) -> tuple[float, ...]:
    """Return a field's values as a tuple of one or more finite floats, all of them in the allowed range if given."""
    array, faults = read_numbers(values)
    if array.ndim != 1 or not array.size:
        raise refused(field, values, "be a list of at least one number")
    found = array.astype(np.float64) if not faults else number_array(field, values)
    for k in np.flatnonzero(~np.isfinite(found)):
        raise refused(f"{field}[{k}]", found[k], "be finite")
    for k in np.flatnonzero(~within(found)) if within else ():
        raise refused(f"{field}[{k}]", found[k], f"be {allowed}")
    return tuple(found.tolist())
