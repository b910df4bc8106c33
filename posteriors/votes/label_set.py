"""Label sets: votes on items, read from files or given in Python.

Votes are stored in compressed sparse row form: one flat array of labels, sorted by item, and an array of offsets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import compress
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from ..foundation.arrays import Bools, Floats, Ints
from ..foundation.kinds import require_type
from ..foundation.messages import shown
from .columns import checked_columns, item_name, pool_votes

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LabelSet", "offsets"]


# Arrays have no single truth value, so a generated __eq__ could only raise: label sets compare by identity.
@dataclass(frozen=True, eq=False, repr=False)
class LabelSet:
    """Votes on N items, in compressed sparse row form, with thresholds, weights and other data of the items.

    The votes on item i are ``labels[start[i]:start[i + 1]]``, in file order.

    Attributes
    ----------
    items : tuple of str, length N
        Item names, in order of first appearance in the label file.
    labels : ndarray of int8, shape (n_labels,)
        Votes, 0 or 1.
    rater : ndarray of int32, shape (n_labels,)
        Rater of each vote: index into `raters`.
    raters : tuple of str
        Rater names; of a file, in order of first appearance. Raters without votes can be among those of a label set
        that is made by hand.
    start : ndarray of int64, shape (N + 1,)
        Offsets of the items' votes.
    group : ndarray of int32, shape (n_labels,), or None
        Group of each vote: index into `groups`. None if the file has no such column.
    groups : tuple of str
        Group names, in order of first appearance; empty if `group` is None.
    gold : ndarray of float64, shape (N,), or None
        Known answer, 0 or 1, NaN where it is blank. None if the file has no such column.
    logp_win, logp_lose : ndarray of float64, shape (N,), or None
        Reference log-probabilities (natural logarithm) of the side that label 1 prefers, and of the other side.
    log_ratio : ndarray of float64, shape (N,), or None
        c = logp_lose - logp_win, or the items file's column ``c``.
    threshold : ndarray of float64, shape (N,), or None
        Thresholds stated in the items file; None if it gives log-probabilities or log-ratios.
    weight : ndarray of float64, shape (N,), or None
        Weights; None if the items file has no such column.
    slice : tuple of str, length N, or None
        Slice of the data to which the item belongs; None if the items file has no such column.
    source : tuple of str
        The files that were read: label file, then items file if there was one.
    dropped : int
        Number of items that have labels but no row in the items file; they are left out.
    unlabelled : int
        Number of items that have a row in the items file but no labels; they are left out.
    digests : tuple of str
        SHA-256 digest of the bytes that were read of each file in `source`, in hexadecimal.
    remarks : tuple of str
        How the file was read where that is not plain, rows that were left out, columns that may have been meant
        although they were not used, and names that are easily mistaken.

    Raises
    ------
    ValueError
        For columns that do not fit together, or hold a value that is not allowed.

    Examples
    --------
    >>> import numpy as np
    >>> from seqaudit import LabelSet
    >>> votes = LabelSet(items=("a", "b"), labels=np.array([1, 0, 1], np.int8), rater=np.array([0, 1, 0], np.int32),
    ...                  raters=("ann", "bob"), start=np.array([0, 2, 3]))
    >>> votes.n_items, votes.n_labels, votes.rate
    (2, 3, array([0.5, 1. ]))

    """

    items: tuple[str, ...]
    labels: NDArray[np.int8]
    rater: NDArray[np.int32]
    raters: tuple[str, ...]
    start: Ints
    group: NDArray[np.int32] | None = None
    groups: tuple[str, ...] = ()
    gold: Floats | None = None
    logp_win: Floats | None = None
    logp_lose: Floats | None = None
    log_ratio: Floats | None = None
    threshold: Floats | None = None
    weight: Floats | None = None
    slice: tuple[str, ...] | None = None
    source: tuple[str, ...] = ()
    dropped: int = 0
    unlabelled: int = 0
    digests: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        checked = checked_columns({field.name: getattr(self, field.name) for field in fields(self)})
        for field, value in checked.items():
            object.__setattr__(self, field, value)

    @classmethod
    def from_pools(cls, pools: Mapping[Any, Sequence[int]]) -> Self:
        """Label set of given votes, each from a separate rater.

        Parameters
        ----------
        pools : mapping of names to sequences of 0 and 1
            Votes on each item, one or more. A whole number is a name too, in its decimal form.

        Returns
        -------
        LabelSet

        Raises
        ------
        ValueError
            For an item without a name or without votes, two items of one name, or a vote that is not 0 or 1.

        Examples
        --------
        >>> from seqaudit import LabelSet
        >>> LabelSet.from_pools({"a": [1, 0, 1], "b": [0]}).wins
        array([2, 0])

        """
        require_type("pools", pools, Mapping, "a mapping from items to their votes")
        found = {item_name(item): pool_votes(item, votes) for item, votes in pools.items()}
        if len(found) < len(pools):
            twice = next(item for item in pools if not isinstance(item, str) and str(item) in pools)
            raise ValueError(f"items {shown(twice)} and {shown(str(twice))} have one name; names must be unique")
        labels = np.concatenate([np.empty(0, np.int8), *found.values()])
        return cls(
            items=tuple(found),
            labels=labels,
            rater=np.arange(len(labels), dtype=np.int32),
            raters=tuple(f"rater {k + 1}" for k in range(len(labels))),
            start=offsets(np.array([len(votes) for votes in found.values()], dtype=np.int64)),
        )

    @classmethod
    def from_frame(
        cls,
        frame: pd.DataFrame,
        *,
        columns: Mapping[str, str] | None = None,
        labels: Mapping[Any, Any] | None = None,
        repeated: str = "refuse",
    ) -> LabelSet:
        """Label set of a data frame with a row for each vote.

        Parameters
        ----------
        frame : pandas.DataFrame
            Columns ``item``, ``rater`` and ``label`` (0 or 1), optionally ``group`` and ``gold``. Of the columns of an
            items file, ``threshold``, ``c``, ``logp_win`` and ``logp_lose``, ``weight`` and ``slice`` may be there too,
            with one value for each item. Names are text or whole numbers. Columns may be of any type that holds such
            values; further columns are ignored.
        columns : mapping of str to str, optional
            Columns that have other names: ``{"item": "Input.id", "rater": "WorkerId"}``.
        labels : mapping, optional
            0, 1, "half" or "drop" for each label: ``{"A": 1, "B": 0, "tie": "half"}``. Rows of "drop" are left out.
            Of those of "half" on an item, half are wins and half are losses, and an odd one is left out. Known answers
            are read alike, and are unknown where they are neither 0 nor 1.
        repeated : {"refuse", "first", "last"}, default "refuse"
            The vote that counts if a rater labels an item several times.

        Returns
        -------
        LabelSet

        Raises
        ------
        WrongKind
            For anything but a data frame.
        ValueError
            For a missing column, a mapping that contradicts itself, and for rows that are not allowed: the first ten
            are named, and all are counted.

        Examples
        --------
        >>> import pandas as pd
        >>> from seqaudit import LabelSet
        >>> frame = pd.DataFrame({"item": ["a", "a", "b"], "rater": ["ann", "bob", "ann"], "label": [1, 0, 1]})
        >>> LabelSet.from_frame(frame).rate
        array([0.5, 1. ])

        """
        import pandas as pd

        from .frames import labels_of_frame

        require_type("frame", frame, pd.DataFrame, "a pandas DataFrame")
        return labels_of_frame(frame, columns, labels, repeated)

    def to_frame(self) -> pd.DataFrame:
        """Data frame with a row for each vote, item by item, from which ``from_frame`` makes the same votes.

        Its raters and groups are then in the order of these rows, and those without a vote are not among them.

        Returns
        -------
        pandas.DataFrame
            Columns ``item``, ``rater`` and ``label``, and those of the optional data that there are.

        Examples
        --------
        >>> from seqaudit import LabelSet
        >>> LabelSet.from_pools({"a": [1, 0]}).to_frame()
          item    rater  label
        0    a  rater 1      1
        1    a  rater 2      0

        """
        from .frames import frame_of_labels

        return frame_of_labels(self)

    def __repr__(self) -> str:
        return f"LabelSet({self.n_items} items, {self.n_labels} votes, {len(self.raters)} raters)"

    @property
    def n_items(self) -> int:
        """Number of items, N."""
        return len(self.items)

    @property
    def n_labels(self) -> int:
        """Number of votes on all items together."""
        return len(self.labels)

    @property
    def counts(self) -> Ints:
        """Votes per item: ndarray of int64, shape (N,)."""
        return np.diff(self.start)

    @property
    def wins(self) -> Ints:
        """Votes of 1 per item: ndarray of int64, shape (N,)."""
        running = np.concatenate(([0], np.cumsum(self.labels, dtype=np.int64)))
        return np.diff(running[self.start])

    @property
    def rate(self) -> Floats:
        """Share of votes of 1 per item, NaN without votes: ndarray of float64, shape (N,)."""
        count = self.counts
        return np.where(count > 0, self.wins / np.maximum(count, 1), np.nan)

    def subset(self, mask: Bools) -> LabelSet:
        """Return the label set of some of the items.

        Raters and groups without a vote on these items are left out too, so codes may change, but names and their
        order do not. `source`, `digests`, `dropped` and `unlabelled` still describe the files that were read.

        Parameters
        ----------
        mask : ndarray of bool, shape (N,)
            True for the items to keep.

        Returns
        -------
        LabelSet
            The kept items, in the same order.

        Raises
        ------
        ValueError
            If `mask` is not a boolean array of shape (N,).

        Examples
        --------
        >>> import numpy as np
        >>> from seqaudit import LabelSet
        >>> votes = LabelSet(items=("a", "b"), labels=np.array([1, 0], np.int8), rater=np.array([0, 1], np.int32),
        ...                  raters=("ann", "bob"), start=np.array([0, 1, 2]))
        >>> votes.subset(votes.rate < 0.5).raters
        ('bob',)

        """
        mask = np.asarray(mask)
        if mask.dtype != np.bool_ or mask.shape != (self.n_items,):
            raise ValueError(f"mask has dtype {mask.dtype} and shape {mask.shape}; allowed: bool, ({self.n_items},)")
        votes = np.repeat(mask, self.counts)
        rater, raters = _compact(self.rater[votes], self.raters)
        group, groups = (None, ()) if self.group is None else _compact(self.group[votes], self.groups)

        def kept(values: Floats | None) -> Floats | None:
            return None if values is None else values[mask]

        return replace(
            self,
            items=tuple(compress(self.items, mask)),
            labels=self.labels[votes],
            rater=rater,
            raters=raters,
            start=offsets(self.counts[mask]),
            group=group,
            groups=groups,
            gold=kept(self.gold),
            logp_win=kept(self.logp_win),
            logp_lose=kept(self.logp_lose),
            log_ratio=kept(self.log_ratio),
            threshold=kept(self.threshold),
            weight=kept(self.weight),
            slice=None if self.slice is None else tuple(compress(self.slice, mask)),
        )


def _compact(code: NDArray[np.int32], names: tuple[str, ...]) -> tuple[NDArray[np.int32], tuple[str, ...]]:
    used, compact = np.unique(code, return_inverse=True)
    return compact.astype(np.int32), tuple(names[k] for k in used)


def offsets(counts: Ints) -> Ints:
    """Offsets of the items' votes, shape (N + 1,): cumulative sums of the counts, starting at 0."""
    return np.concatenate((np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)))
