"""Designs: the item, the rater, the order and the group of each vote, without its outcome.

Models of raters draw outcomes for a design (``simulate``), and learn from the votes of one (``fit``).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..foundation.arrays import Ints
from ..foundation.kinds import checked
from ..foundation.memory import require_memory
from ..foundation.number_arrays import whole_array
from ..foundation.refusals import whole
from ..foundation.seeds import generator_of
from .columns import names_of
from .label_set import LabelSet, offsets

# Places of raters that are permuted at a time.
_PLACES_AT_ONCE = 1_000_000
# Items, raters or votes on an item of a design that is drawn: beyond, names alone take minutes.
_MOST = 10_000_000

__all__ = ["Design"]


@dataclass(frozen=True, eq=False, repr=False)
class Design:
    """Votes without their outcomes, sorted by item, and within an item by the order in which they are cast.

    Attributes
    ----------
    item, rater : ndarray of int64, shape (V,)
        Item and rater of each vote: indices into ``items`` and ``raters``.
    number : ndarray of int64, shape (V,)
        Number of earlier votes on the same item.
    items, raters : tuple of str
        Names of the items and raters.
    group : ndarray of int64, shape (V,), or None
        Group of the rater in each vote: index into ``groups``.
    groups : tuple of str
        Names of the groups; empty if ``group`` is None.

    Raises
    ------
    ValueError
        For votes that are not sorted by item, fields of unequal lengths, and numbers of items, raters or groups
        without a name.
    """

    item: Ints
    rater: Ints
    items: tuple[str, ...]
    raters: tuple[str, ...]
    group: Ints | None = None
    groups: tuple[str, ...] = ()
    number: Ints = field(init=False)

    def __post_init__(self) -> None:
        for name in ("item", "rater", "group"):
            names = names_of(f"{name}s", getattr(self, f"{name}s"))
            object.__setattr__(self, f"{name}s", names)
            if name == "group" and self.group is None:
                if names:
                    raise ValueError("groups is given without group, the group of each vote")
                continue
            numbers = whole_array(name, getattr(self, name), most=len(names) - 1)
            if numbers.ndim != 1 or len(numbers) != len(self.item):
                raise ValueError(f"{name} has shape {numbers.shape}; it must have one entry for each vote, as item has")
            numbers.setflags(write=False)
            object.__setattr__(self, name, numbers)
        falls = np.flatnonzero(np.diff(self.item) < 0)
        if falls.size:
            k = int(falls[0]) + 1
            raise ValueError(
                f"item[{k}] is {self.item[k]} after {self.item[k - 1]}; votes must be sorted by item, within an item "
                "in the order in which they are cast"
            )
        counts = np.bincount(self.item, minlength=len(self.items))
        number = np.arange(len(self.item)) - np.repeat(offsets(counts)[:-1], counts)
        number.setflags(write=False)
        object.__setattr__(self, "number", number)

    def __repr__(self) -> str:
        return f"Design({len(self.items)} items, {len(self.raters)} raters, {self.size} votes)"

    @property
    def size(self) -> int:
        """Number of votes, V."""
        return len(self.item)

    @classmethod
    @checked
    def of(cls, labels: LabelSet) -> Design:
        """Design of the votes of a label set.

        Parameters
        ----------
        labels : LabelSet
            Votes, of which only item, rater, group and order count.

        Returns
        -------
        Design

        Examples
        --------
        >>> Design.of(LabelSet.from_pools({"a": [1, 0, 1], "b": [0]})).item
        array([0, 0, 0, 1])
        """
        group = None if labels.group is None else labels.group.astype(np.int64)
        item = np.repeat(np.arange(labels.n_items), labels.counts)
        return cls(item, labels.rater.astype(np.int64), labels.items, labels.raters, group, labels.groups)

    @classmethod
    def balanced(
        cls, items: int = 50, raters: int = 20, votes_per_item: int = 10, groups: int = 0, *, seed: int = 0
    ) -> Design:
        """Design in which every item has the same number of votes, from different raters drawn at random.

        Parameters
        ----------
        items, raters, votes_per_item : int
            Numbers of items, raters and votes on each item, at least 1; ``votes_per_item`` is at most ``raters``.
        groups : int
            Number of groups; raters are assigned to them in turn. 0 for no groups.
        seed : int

        Returns
        -------
        Design

        Raises
        ------
        ValueError
            For numbers outside their range.
        ProblemTooLarge
            A ``ValueError``, if the votes take more memory than there is.

        Examples
        --------
        >>> design = Design.balanced(items=3, raters=4, votes_per_item=2, groups=2)
        >>> design, design.groups
        (Design(3 items, 4 raters, 6 votes), ('group 1', 'group 2'))
        """
        sizes = {"items": items, "raters": raters, "votes_per_item": votes_per_item}
        for name, size in sizes.items():
            whole(name, size, 1, _MOST)
        if votes_per_item > raters:
            raise ValueError(f"votes_per_item is {votes_per_item}; with {raters} raters it must be at most {raters}")
        if whole("groups", groups) > raters:
            raise ValueError(f"groups is {groups}; with {raters} raters it must be at most {raters}")
        # Numbers of items and raters, and a name of each item.
        needed = 100.0 * (items + raters + groups) + 32.0 * items * votes_per_item + 16.0 * raters
        what = f"{items:,} items with votes of {raters:,} raters"
        require_memory(needed, what=what, instead="take fewer of them")
        rng = generator_of(seed)
        # The draws are those of a permutation for each item, one after the other.
        at_once = max(1, _PLACES_AT_ONCE // raters)
        drawn = [
            rng.permuted(np.tile(np.arange(raters), (min(at_once, items - k), 1)), axis=1)[:, :votes_per_item]
            for k in range(0, items, at_once)
        ]
        rater = np.concatenate(drawn).reshape(-1)
        names = {key: tuple(f"{key} {k + 1}" for k in range(n)) for key, n in (("item", items), ("rater", raters))}
        group = rater % groups if groups else None
        called = tuple(f"group {k + 1}" for k in range(groups))
        item = np.repeat(np.arange(items), votes_per_item)
        return cls(item, rater, names["item"], names["rater"], group, called)

    def labelled(self, label: Ints) -> LabelSet:
        """Label set of these votes with given outcomes.

        Parameters
        ----------
        label : ndarray of int64, shape (V,)
            Outcomes, 0 or 1.

        Returns
        -------
        LabelSet
        """
        return LabelSet(
            items=self.items,
            labels=whole_array("label", label, 0, 1).astype(np.int8),
            rater=self.rater.astype(np.int32),
            raters=self.raters,
            start=offsets(np.bincount(self.item, minlength=len(self.items))),
            group=None if self.group is None else self.group.astype(np.int32),
            groups=self.groups,
        )
