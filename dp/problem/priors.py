"""Priors of a problem: Beta parameters or belief objects for its items, from whatever holds them.

Parameters that have names, as the columns of a data frame, the fields of a structured array or of a named tuple, and
the labels of a column have, go by these; all others by position. Items may stand side by side, as columns.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ...posteriors.beliefs.belief import Belief
from ...posteriors.beliefs.beta import Beta
from ...posteriors.beliefs.registry import make_belief
from ...posteriors.foundation.arrays import Floats
from ...posteriors.foundation.messages import listed, named, shown
from ...posteriors.foundation.number_arrays import item_labels, other_order, read_numbers
from ...posteriors.foundation.refusals import real_or_none
from .checks import ProblemError, floats

__all__ = ["arms_of", "arranged", "beliefs_of"]

# Names of an index, or a dimension, of items.
_OF_ITEMS = ("item", "name")
_PAIRS = (["a", "b"], ["alpha", "beta"])


def beliefs_of(
    prior: Any, size: int, names: Sequence[str], faults: list[str]
) -> tuple[Floats | None, tuple[Belief, ...] | None]:
    """Beta parameters of shape (N, 2) where every belief is a Beta, or else one belief object for each item."""
    stand_in = np.ones((size, 2))
    if _order(names) is not None and _order(getattr(prior, "columns", ())) is None and _has_rows(prior, names):
        faults.append("prior has rows a and b, which are items too; name its columns a and b")
        return stand_in, None
    for step in (_arranged, _entries):
        prior, fault = step(prior)
        if fault is not None:
            faults.append(fault)
            return stand_in, None
    single = isinstance(prior, (Belief, Mapping))
    if single or (isinstance(prior, Sequence) and any(isinstance(x, (Belief, Mapping)) for x in prior)):
        given = [prior] if single else list(prior)
        if not all(isinstance(x, (Belief, Mapping)) for x in given):
            faults.append("prior mixes pairs with beliefs of other forms; give pairs only, or beliefs or tables only")
            return stand_in, None
        if not single and len(given) != size:
            faults.append(f"prior has {len(given)} beliefs; it must have one, or one for each of the {size} items")
            return stand_in, None
        beliefs = []
        for k, x in enumerate(given):
            try:
                beliefs.append(make_belief(x if isinstance(x, Belief) else dict(x)))
            except (TypeError, ValueError, OverflowError) as error:
                of = "" if single else f" of {named(names[k])}"
                faults.append(f"prior{of}: {error}")
        if len(beliefs) != len(given):
            return stand_in, None
        if single:
            beliefs *= size
        # A class derived from Beta may have other numbers.
        if not all(type(x) is Beta for x in beliefs):
            return None, tuple(beliefs)
        prior = [(x.a, x.b) for x in beliefs if isinstance(x, Beta)]
    found, bad = read_numbers(prior)
    if bad and found.shape not in ((2,), (size, 2)):
        faults.append(f"prior is {shown(prior)}; it must be a pair (a, b), a list of pairs, or belief objects")
        return stand_in, None
    array = floats(found)
    for place, text in bad:
        of = f" of {named(names[place[0]])}" if len(place) == 2 else ""
        faults.append(f"prior {'ab'[place[-1]]}{of} is {text}; it must be a number")
        array[place] = 1.0
    if array.shape == (2,):
        array = np.tile(array, (size, 1))
    if array.shape != (size, 2):
        faults.append(f"prior has shape {array.shape}; it must be a pair (a, b) or one pair for each of {size} items")
        return stand_in, None
    return array, None


def _has_rows(prior: Any, names: Sequence[str]) -> bool:
    """True for a frame whose rows are labelled by these names, and by nothing else."""
    index = getattr(prior, "index", None)
    if getattr(prior, "ndim", 0) != 2 or index is None or index.name in _OF_ITEMS:
        return False
    return sorted(map(str, index)) == sorted(names)


def arranged(prior: Any) -> Any:
    """Prior with a row for each item, labelled as they are, and a before b; anything else as it is.

    Examples
    --------
    >>> import pandas as pd
    >>> arranged(pd.DataFrame([[1, 2], [3, 4]], index=["b", "a"], columns=["sky", "sea"]))
         a  b
    sky  3  1
    sea  4  2
    """
    return _arranged(prior)[0]


def arms_of(prior: Any) -> Any:
    """Priors of the arms of a bandit, of which there are as many.

    Examples
    --------
    >>> arms_of([(1, 1), (2, 1)])
    [(1, 1), (2, 1)]
    """
    arms = arranged(prior)
    if getattr(arms, "shape", None) == ():
        arms = None
    if not isinstance(arms, Collection) or isinstance(arms, Mapping) or any(real_or_none(x) is not None for x in arms):
        raise ProblemError([f"prior is {shown(prior)}; a bandit needs one prior, a pair or a belief, for each arm"])
    return arms


def _arranged(prior: Any) -> tuple[Any, str | None]:
    """Prior in order, and a fault where its parameters have other names."""
    if hasattr(prior, "dims") and hasattr(prior, "to_pandas") and 0 < getattr(prior, "ndim", 0) <= 2:
        prior = prior.to_numpy() if prior.dtype.names else prior.to_pandas()
    names = getattr(getattr(prior, "dtype", None), "names", None)
    if names:
        order = _order(names)
        return (prior, _of_names(names)) if order is None else (_columns(prior, [names[k] for k in order]), None)
    if not (hasattr(prior, "to_numpy") and hasattr(getattr(prior, "index", None), "equals")):
        fields = getattr(prior, "_fields", None)
        if isinstance(prior, tuple) and fields is not None and len(prior) == 2:
            return _pair_in_order(prior, fields)
        return _pairs_in_order(prior) if isinstance(prior, (list, tuple)) else (prior, None)
    if prior.ndim == 1:
        of_pairs = prior.dtype == object and any(isinstance(x, (Belief, Mapping)) or np.ndim(x) for x in prior)
        if of_pairs and _order(prior.index) is not None and all(np.shape(x) == (2,) for x in prior):
            return prior, "prior is labelled a and b, which may be items too; give a list of pairs, or a data frame"
        of_items = of_pairs and (_order(prior.index) is None or any(not np.ndim(x) for x in prior))
        return (prior, None) if of_items else _pair_in_order(prior.to_numpy(), prior.index)
    order = _order(prior.columns)
    if order is None and _order(prior.index) is not None and prior.index.name not in _OF_ITEMS:
        # Items stand side by side.
        prior = prior.T
        order = _order(prior.columns)
    if order is not None:
        return prior.iloc[:, order], None
    return prior, _of_names(prior.columns) if _words(prior.columns) else None


def _pair_in_order(values: Any, names: Iterable[Any]) -> tuple[Any, str | None]:
    """The parameters of one belief in order, by their names."""
    order = _order(names)
    if order is not None:
        if any(np.ndim(values[k]) for k in order):
            # Columns of one number for each item: beside each other they are rows, as in a frame.
            return _side_by_side([values[k] for k in order])
        return np.array([values[k] for k in order], dtype=object), None
    return values, _of_names(names) if _words(names) else None


def _side_by_side(columns: list[Any]) -> tuple[Any, str | None]:
    sizes = [np.shape(x) for x in columns]
    if len(sizes[0]) != 1 or sizes[0] != sizes[1]:
        told = " and ".join(map(str, sizes))
        return columns, f"prior has a and b of shapes {told}; they must be numbers, or hold one for each item"
    fault = next(iter(other_order({"prior a": columns[0], "prior b": columns[1]})), None)
    labels = item_labels(columns[0])
    if fault is not None or labels is None:
        return list(zip(*columns, strict=True)), fault
    import pandas as pd

    # Labelled as they are.
    return pd.DataFrame({name: np.asarray(x) for name, x in zip("ab", columns, strict=True)}, index=labels), None


def _pairs_in_order(prior: Any) -> tuple[Any, str | None]:
    """List of pairs, with those in order that have names: named tuples, and rows of pandas and xarray."""
    if {*map(type, prior)} <= {list, tuple, float, int}:
        return prior, None
    found = [(x, None) if isinstance(x, (Belief, Mapping)) else _arranged(x) for x in prior]
    faults = [fault for _, fault in found if fault is not None]
    return (prior, faults[0]) if faults else ([pair for pair, _ in found], None)


def _entries(prior: Any) -> tuple[Any, str | None]:
    """Prior as a list where it is a column or an array of beliefs, tables or pairs."""
    if getattr(prior, "dtype", None) is np.dtype(object) and getattr(prior, "ndim", 0) == 1:
        entries = list(prior)
        if any(isinstance(x, (Belief, Mapping)) or np.ndim(x) for x in entries):
            return _pairs_in_order(entries)
    return prior, None


def _columns(prior: Any, names: Sequence[str]) -> Any:
    """Fields of a structured array side by side; where it is masked, so are they."""
    stack = np.ma.stack if isinstance(prior, np.ma.MaskedArray) else np.stack
    return stack([prior[name] for name in names], axis=-1)


def _of_names(names: Iterable[Any]) -> str:
    return f"prior has the columns {listed([*names])}; they must be a and b"


def _words(names: Iterable[Any]) -> list[str]:
    """Names that are texts, in small letters; of several levels the last. Named tuples number fields without a name."""
    last = [x[-1] if isinstance(x, tuple) and x else x for x in names]
    return [x.strip().lower() for x in last if isinstance(x, str) and not (x[:1] == "_" and x[1:].isdigit())]


def _order(names: Iterable[Any]) -> list[int] | None:
    """Order in which these are the parameters of a Beta belief; None if they are not."""
    words = _words(names)
    if sorted(words) not in _PAIRS or len([*names]) != len(words):
        return None
    return sorted(range(len(words)), key=words.__getitem__)
