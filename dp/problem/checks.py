"""Validation of a problem's fields: all faults are collected before any work starts.

Each function converts one field to an array or object, and adds a sentence to ``faults`` for every value that is not
allowed. A faulty field is replaced by a valid one, so that the other fields are checked too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...posteriors.foundation.arrays import Bools, Floats
from ...posteriors.foundation.kinds import require_type
from ...posteriors.foundation.messages import lines_of, listed, named, shown
from ...posteriors.foundation.names import unknown_key
from ...posteriors.foundation.number_arrays import read_numbers
from ...posteriors.foundation.refusals import real_or_none, whole_or_none
from .budget import Quota

__all__ = [
    "LARGEST_AMOUNT",
    "LEAST_COST",
    "MOST_LABELS",
    "MOST_PAID",
    "ProblemError",
    "budget_of",
    "floats",
    "names_of",
    "quota_of",
    "refuse",
    "refuse_for_bandits",
    "require_keywords",
    "vector",
    "whole",
]

# Far beyond any real budget, and small enough for the sum of all caps to be a machine integer.
MOST_LABELS = 10**9
_QUOTA_KEYS = ("items", "labels")
# Costs and budgets have room for ratios and sums. All payoffs together are a number.
LEAST_COST, LARGEST_AMOUNT, MOST_PAID = 1e-100, 1e200, 1e305


def whole(value: Any) -> int | None:
    """Value as a whole number, or None; floats such as 4.0 pass, since problem files may hold them."""
    return whole_or_none(value, floats=True)


def vector(field: str, values: ArrayLike, size: int | None, faults: list[str], name: Any = None) -> Floats:
    """Copy of the values as a float vector; with ``size``, a scalar is repeated.

    ``name`` are the items' names as they were given.
    """
    stand_in = np.full(1, 0.5) if size is None else np.ones(size)
    found, bad = read_numbers(values)
    if found.ndim == 0 and bad:
        faults.append(f"{field} is {bad[0][1]}; it must be a number or a list of numbers")
        return stand_in
    array = floats(found)
    if size is not None and array.ndim == 0:
        array = np.full(size, float(array))
    if array.ndim != 1 or (size is not None and len(array) != size):
        wanted = "a list of numbers" if size is None else f"one number or a list of {size}"
        faults.append(f"{field} has shape {array.shape}; it must be {wanted}")
        return stand_in
    names = names_of(name, len(array), []) if bad else ()
    for (i,), text in bad:
        faults.append(f"{field} of {named(names[i])} is {text}; it must be a number")
        array[i] = stand_in[0]
    return array


def floats(numbers: NDArray[Any]) -> Floats:
    """Copy as floats; a number beyond them becomes infinite, and is refused as such."""
    with np.errstate(over="ignore"):
        # Minus zero becomes zero, so that equal problems have equal digests.
        return np.array(numbers, dtype=np.float64) + 0.0


def refuse(field: str, values: NDArray[Any], ok: Bools, allowed: str, names: Sequence[str], faults: list[str]) -> None:
    """Add a fault for each item whose value is not ok."""
    for i in np.flatnonzero(~ok).tolist():
        faults.append(f"{field} of {named(names[i])} is {values[i]}; it must be {allowed}")


def names_of(name: Sequence[str] | None, size: int, faults: list[str]) -> tuple[str, ...]:
    """Names of the items: those given, or "item 1", "item 2", ..."""
    default = tuple(f"item {i + 1}" for i in range(size))
    if name is None:
        return default
    names = tuple(name) if isinstance(name, Iterable) and not isinstance(name, (str, Set)) else ()
    if not all(isinstance(x, str) and x.strip() for x in names) or (not names and size):
        faults.append(f"name is {shown(name)}; it must be a list of strings that are not blank")
        return default
    names = tuple(map(str, names))
    for bad in filter(_cannot_be_written, names):
        faults.append(f"name {shown(bad)} holds half a character; it must be text that a file can hold")
    if len(names) != size:
        faults.append(f"name has {len(names)} entries; it must have one for each of the {size} items")
        return default
    if len(set(names)) != size:
        twice, times = Counter(names).most_common(1)[0]
        faults.append(f"name {shown(twice)} occurs {times} times; names must be unique")
    return names


def _cannot_be_written(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return True
    return False


def require_keywords(fields: Any) -> None:
    """Raise unless a mapping has the keywords that every problem needs."""
    require_type("fields", fields, Mapping, "a mapping from keywords of a problem to their values")
    needed = ("c", "beta", "budget") if "c" in fields else ("threshold", "budget")
    missing = [name for name in needed if name not in fields]
    if missing:
        raise ProblemError([f"{name} is missing; a problem needs {listed(needed)}" for name in missing])


def refuse_for_bandits(fields: Mapping[str, Any]) -> None:
    """Raise for keywords that a classical bandit has no use for: nothing is paid at the end."""
    for name in ("threshold", "log_ratio", "beta", "utility", "budget"):
        if name in fields:
            raise ProblemError([f"{name} is not for a bandit: it pays for wins alone, and horizon is its budget"])


def _pair(k: int, given: Any, faults: list[str]) -> tuple[Any, Any] | None:
    """Items and labels of the k-th quota, stated as a table or as a pair."""
    if isinstance(given, tuple) and hasattr(given, "_asdict"):
        # A named tuple goes by its names, if it has these.
        named_fields = given._asdict()
        given = named_fields if {*_QUOTA_KEYS} & {*named_fields} else given
    if isinstance(given, Mapping):
        wrong = [unknown_key(key, _QUOTA_KEYS) for key in given if key not in _QUOTA_KEYS]
        wrong += [f"the key {key} is missing" for key in _QUOTA_KEYS if key not in given]
        faults += [f"quota {k}: {one}" for one in wrong]
        return None if wrong else (given["items"], given["labels"])
    found = list(given) if isinstance(given, Iterable) and not isinstance(given, str) else []
    if len(found) != len(_QUOTA_KEYS):
        faults.append(f"quota {k} is {shown(given)}; it must be a pair (items, labels)")
        return None
    return found[0], found[1]


def quota_of(quota: Any, names: Sequence[str], faults: list[str]) -> Quota:
    """Slices as sorted item numbers, each with its least number of labels; items are given by number or name."""
    if quota is None:
        return ()
    number = {name: i for i, name in enumerate(names)}
    out = []
    if isinstance(quota, (str, Mapping)) or not isinstance(quota, Iterable):
        faults.append(f"quota is {shown(quota)}; it must be a list of (items, labels), in a file of tables [[quota]]")
        return ()
    for k, given in enumerate(quota, start=1):
        pair = _pair(k, given, faults)
        if pair is None:
            continue
        items, labels = pair
        least = whole(labels)
        if least is None or not 0 <= least <= MOST_LABELS:
            faults.append(
                f"quota {k}: labels is {shown(labels)}; it must be a whole number, at least 0 and at most 10**9"
            )
            continue
        members = [items] if isinstance(items, (str, int, np.integer)) else items
        if not isinstance(members, Iterable):
            faults.append(f"quota {k}: items is {shown(items)}; it must be a list of names or numbers of items")
            continue
        chosen = set()
        for x in members:
            i = number.get(x) if isinstance(x, str) else whole(x)
            if i is None or not 0 <= i < len(names):
                allowed = f"a name or a number from 0 to {len(names) - 1}"
                faults.append(f"quota {k}: {shown(x)} is not an item; it must be {allowed}")
            else:
                chosen.add(i)
        out.append((tuple(sorted(chosen)), least))
    return tuple(out)


class ProblemError(ValueError):
    """Error of an invalid problem: ``faults`` lists everything that is wrong with it.

    Attributes
    ----------
    faults : sequence of str
        One sentence for each fault; kept as a tuple. The message shows the first ten.

    Examples
    --------
    >>> import seqaudit as sa
    >>> try:
    ...     sa.Problem([0.5, 1.5], budget=0)
    ... except sa.ProblemError as error:
    ...     for fault in error.faults:
    ...         print(fault)
    threshold of item 2 is 1.5; it must be strictly between 0 and 1
    budget is 0; it must be a whole number of labels, at least 1 and at most 10**9
    """

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(lines_of(self.faults)))

    def __reduce__(self) -> tuple[type[ProblemError], tuple[tuple[str, ...]]]:
        """Pickle by the faults, so that worker processes can raise it."""
        return type(self), (self.faults,)


def budget_of(budget: Any, unit_costs: bool, faults: list[str]) -> int | float:
    """Budget as given, or a fault: a whole number of labels where each costs 1, else any positive number."""
    count = whole(budget)
    if unit_costs:
        if count is None or not 1 <= count <= MOST_LABELS:
            faults.append(
                f"budget is {shown(budget)}; it must be a whole number of labels, at least 1 and at most 10**9"
            )
            return 1
        return count
    if count is None:
        amount = real_or_none(budget)
        if amount is None or not 0 < amount <= LARGEST_AMOUNT:
            faults.append(f"budget is {shown(budget)}; it must be positive, and at most {LARGEST_AMOUNT:g}")
            return 1
        return amount
    if not 0 < count <= LARGEST_AMOUNT:
        faults.append(f"budget is {shown(budget)}; it must be positive, and at most {LARGEST_AMOUNT:g}")
        return 1
    return count
