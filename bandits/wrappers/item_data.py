"""Users' data on each item as hashable values: numbers, features, and labels of slices.

A policy is a value: it can be compared, hashed, pickled and printed. Arrays cannot be compared or hashed as a whole,
and tuples of a hundred thousand rows are slow. Arrays are therefore kept read-only with a digest of their contents, by
which they are compared.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from ...posteriors.foundation.arrays import Ints
from ...posteriors.foundation.kinds import is_ordered
from ...posteriors.foundation.messages import shown
from ...posteriors.foundation.number_arrays import item_labels, require_order

__all__ = ["PerItem", "Slices", "require_rows"]

_SHOWN = 8


class PerItem:
    """A read-only array with a row for each item; equal to another with the same contents.

    Parameters
    ----------
    values : array_like, shape (N,) or (N, F)
        Copied.
    dtype : dtype, optional
    labels : iterable, optional
        Labels of the rows, as a column of a data frame has them: they may be the names of the items.

    Examples
    --------
    >>> PerItem([1, 2]) == PerItem(np.array([1, 2]))
    True
    >>> PerItem([1.0, 2.0])
    PerItem([1.0, 2.0])
    """

    __slots__ = ("digest", "labels", "values")

    values: NDArray[Any]
    labels: tuple[Any, ...] | None
    digest: str

    def __init__(
        self, values: ArrayLike | PerItem, dtype: DTypeLike | None = None, labels: Iterable[Any] | None = None
    ) -> None:
        array = np.array(values.values if isinstance(values, PerItem) else values, dtype=dtype, order="C")
        # Minus zero becomes zero, so that equal arrays have equal digests.
        array += array.dtype.type(0)
        array.setflags(write=False)
        # Labels that are no texts are numbers of rows.
        found = None if labels is None else tuple(labels)
        found = found if found is not None and all(isinstance(x, str) for x in found) else None
        object.__setattr__(self, "labels", found)
        told = (array.shape, array.dtype.str) if found is None else (array.shape, array.dtype.str, found)
        content = hashlib.blake2b(repr(told).encode(), digest_size=16)
        content.update(array.data if array.size else b"")
        object.__setattr__(self, "values", array)
        object.__setattr__(self, "digest", content.hexdigest())

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{name}: data on items cannot be changed; make new data")

    def __len__(self) -> int:
        return len(self.values)

    def __eq__(self, other: object) -> bool:
        return self.digest == other.digest if isinstance(other, PerItem) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.digest)

    def __reduce__(self) -> tuple[type[PerItem], tuple[Any, ...]]:
        """Pickle by the array; what comes back is read-only too."""
        return type(self), (self.values,) if self.labels is None else (self.values, None, self.labels)

    def __repr__(self) -> str:
        if self.values.size <= _SHOWN:
            return f"PerItem({self.values.tolist()})"
        return f"PerItem(shape={self.values.shape}, digest={self.digest})"


@dataclass(frozen=True)
class Slices:
    """The slice of each item: ``names[codes[i]]``, or none where the code is -1.

    Examples
    --------
    >>> slices = Slices.of(["en", "de", None, "en"])
    >>> slices.names, slices.codes
    (('en', 'de'), PerItem([0, 1, -1, 0]))
    """

    names: tuple[Any, ...]
    codes: PerItem

    @classmethod
    def of(cls, labels: Iterable[Any] | Slices) -> Slices:
        """Slices from the label of each item: anything that can be hashed, None for an item in no slice."""
        if isinstance(labels, Slices):
            return labels
        if not is_ordered(labels):
            raise ValueError(f"slices is {shown(labels)}; it must hold the label of the slice of each item")
        given = labels.tolist() if isinstance(labels, np.ndarray) else list(labels)
        names: dict[Any, int] = {}
        codes = np.empty(len(given), dtype=np.int64)
        for i, label in enumerate(given):
            try:
                # Tables use NaN for a missing value; it does not equal itself.
                if label != label:
                    raise TypeError
                codes[i] = -1 if label is None else names.setdefault(label, len(names))
            except (TypeError, ValueError):
                raise ValueError(
                    f"slices: item number {i} has the label {shown(label)}; it must be a string, a number or another "
                    "value that can be hashed, or None for an item in no slice"
                ) from None
        if not names:
            raise ValueError(f"slices: none of the {len(given)} items is in a slice")
        return cls(tuple(names), PerItem(codes, labels=item_labels(labels)))

    def __len__(self) -> int:
        return len(self.codes)

    def __iter__(self) -> Iterator[tuple[Any, Ints]]:
        """Label and items of each slice."""
        for code, name in enumerate(self.names):
            yield name, np.flatnonzero(self.codes.values == code)


def require_rows(policy: str, field: str, data: PerItem | Slices, names: Sequence[str]) -> None:
    """Raise ``ValueError`` unless a policy's data have one row for each item, in the order of the items' names."""
    if len(data) != len(names):
        raise ValueError(f"{policy}: {field} has {len(data)} rows; it must have one for each of the {len(names)} items")
    labels = data.codes.labels if isinstance(data, Slices) else data.labels
    if labels is not None:
        require_order(f"{policy}: {field}", labels, names)
