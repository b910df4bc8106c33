"""Limits of designs: prices, a ceiling, caps and quotas of groups, read from a user's arguments."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy
from numpy.typing import ArrayLike

from ...posteriors.foundation.arrays import Bools, Floats, Ints
from ...posteriors.foundation.kinds import WrongKind
from ...posteriors.foundation.messages import shown
from ...posteriors.foundation.number_arrays import number_array
from ...posteriors.foundation.refusals import number, positive, refused
from .candidates import AllPairs, Candidates, StoredRows
from .column_generation import Limits

__all__ = ["Allowed", "allowed"]

NO_ROOM = "no design meets all limits on prices, groups and caps; loosen one of them"


@dataclass(frozen=True)
class Allowed:
    """Candidates, and which weights of theirs are allowed.

    Attributes
    ----------
    pool : Candidates
        Rows for a unit of what the weights sum to: labels, or money.
    limits : Limits
    unit : ndarray, shape (n,), or None
        Prices by which weights are divided to have labels.
    number : ndarray of int, or None
        Numbers of the candidates in the pool, where limits leave no label to the others.
    """

    pool: Candidates
    limits: Limits
    unit: Floats | None = None
    number: Ints | None = None

    def needed(self, count: int) -> Ints:
        """Candidates that help to meet the limits: for each, those of the smallest charges."""
        cheap = [np.argsort(x, kind="stable")[:count] for x in self.limits.charges]
        # Together with a limit on the price, the cheapest of each group.
        if len(cheap) > 1:
            first, *others = self.limits.charges
            cheap += [np.lexsort((first, x))[:count] for x in others]
        return np.unique(np.concatenate(cheap)) if cheap else np.empty(0, dtype=np.int64)


def allowed(
    pool: StoredRows | AllPairs,
    price: ArrayLike | None,
    ceiling: float | None,
    cap: float | None,
    group: Iterable[Hashable] | None,
    least: Mapping[Any, float] | None,
    most: Mapping[Any, float] | None,
) -> Allowed:
    """Candidates and limits; see ``design`` for the arguments.

    Parameters
    ----------
    pool : StoredRows or AllPairs
    price, ceiling, cap, group, least, most
        See ``design``.

    Returns
    -------
    Allowed

    Raises
    ------
    ValueError
        For limits that no design meets, and arguments of the wrong shape or range.

    Examples
    --------
    >>> rows = StoredRows(np.eye(2))
    >>> allowed(rows, [1.0, 3.0], 0.5, None, None, None, None)
    Traceback (most recent call last):
    ValueError: ceiling is 0.5; it must be at least the lowest price, 1
    """
    if isinstance(pool, AllPairs):
        given = {"price": price, "ceiling": ceiling, "cap": cap, "group": group, "least": least, "most": most}
        for field, value in given.items():
            if value is not None:
                raise ValueError(f"{field} is for stored candidates; AllPairs takes no limits")
        return Allowed(pool, Limits())
    size = pool.size
    prices = _prices(price, size)
    share = np.inf if cap is None else number("cap", cap, lambda x: 0.0 < x <= 1.0, "above 0 and at most 1")
    if share * size < 1.0 - 1e-12:
        raise ValueError(f"cap is {cap}; {size} candidates need at least 1 / {size}, {1 / size:.6g}")
    charges: list[Floats] = []
    if ceiling is not None:
        charges.append(_over(positive("ceiling", ceiling), prices, share))
    of_groups, usable = _groups(group, least, most, size)
    charges += of_groups
    if ceiling is not None and prices is not None and ceiling <= prices.min():
        usable &= prices <= prices.min()
    if prices is not None and ceiling is None:
        if np.isfinite(share) or of_groups:
            raise ValueError(
                "price with cap or group needs a ceiling: shares of labels are limited for a number of labels"
            )
        return Allowed(StoredRows(pool.array / np.sqrt(prices)[:, None]), Limits(), prices)
    if len(charges) > 1 or (charges and np.isfinite(share)):
        _require_room(charges, share, size)
    share = share if share < 1.0 else np.inf
    if usable.all():
        return Allowed(pool, Limits(tuple(charges), share))
    # Limits that leave a share of 0 or 1 have no room in between, for which the search would look.
    left = np.flatnonzero(usable)
    if share * len(left) < 1.0 - 1e-12:
        raise ValueError(NO_ROOM)
    kept = [x[left] for x in charges if (x[left] > 0.0).any()]
    return Allowed(StoredRows(pool.array[left]), Limits(tuple(kept), share), None, left)


def _prices(price: ArrayLike | None, size: int) -> Floats | None:
    if price is None:
        return None
    prices = number_array("price", price)
    if prices.shape != (size,):
        raise ValueError(f"price has shape {prices.shape}; it must be a list of {size}, one for each candidate")
    for e in np.flatnonzero(~((prices > 0.0) & np.isfinite(prices)))[:1]:
        raise refused(f"price[{e}]", prices[e], "be positive and finite")
    return prices


def _over(ceiling: float, prices: Floats | None, share: float) -> Floats:
    """Cost of a label of each candidate beyond the ceiling, in units of the largest."""
    if prices is None:
        raise ValueError("ceiling needs price, the price of a label of each candidate")
    if ceiling < prices.min():
        raise ValueError(f"ceiling is {ceiling:g}; it must be at least the lowest price, {prices.min():g}")
    over = prices - ceiling
    return np.asarray(over / max(float(np.abs(over).max()), np.finfo(float).tiny))


def _groups(
    group: Iterable[Hashable] | None, least: Mapping[Any, float] | None, most: Mapping[Any, float] | None, size: int
) -> tuple[list[Floats], Bools]:
    """Charges of the shares of groups, and the candidates to which they leave labels."""
    usable = np.ones(size, dtype=bool)
    if group is None:
        if least is not None or most is not None:
            raise ValueError("least and most need group, the group of each candidate")
        return [], usable
    if isinstance(group, str) or not isinstance(group, Iterable):
        raise WrongKind(f"group is {shown(group)}; it must be a list of the candidates' groups")
    given = [x.item() if isinstance(x, np.generic) else x for x in group]
    if len(given) != size:
        raise ValueError(f"group has {len(given)} entries; it must have one for each of the {size} candidates")
    members: dict[Any, list[int]] = {}
    for e, x in enumerate(given):
        try:
            members.setdefault(x, []).append(e)
        except TypeError:
            raise WrongKind(f"group[{e}] is {shown(x)}; it must be hashable, such as a text or a number") from None
    lows, highs = _shares("least", least, members), _shares("most", most, members)
    if sum(lows.values()) > 1.0 + 1e-12:
        raise ValueError(f"least sums to {sum(lows.values()):g}; shares of the labels must sum to at most 1")
    if set(highs) == set(members) and sum(highs.values()) < 1.0 - 1e-12:
        raise ValueError(f"most sums to {sum(highs.values()):g} over all groups; it must sum to at least 1")
    charges = []
    for x in members:
        low, high = lows.get(x, 0.0), highs.get(x, 1.0)
        if low > high:
            raise ValueError(f"least of group {shown(x)} is {low:g}, and most {high:g}; least must not be above most")
        inside = np.zeros(size)
        inside[members[x]] = 1.0
        if high == 0.0 or (low == 0.0 and sum(lows.values()) >= 1.0 - 1e-12):
            usable[members[x]] = False
        if low > 0.0:
            charges.append(low - inside)
        if high < 1.0:
            charges.append(inside - high)
    return charges, usable


def _shares(field: str, shares: Mapping[Any, float] | None, members: Mapping[Any, list[int]]) -> dict[Any, float]:
    if shares is None:
        return {}
    if not isinstance(shares, Mapping):
        raise WrongKind(f"{field} is {shown(shares)}; it must be a mapping of groups to shares")
    for x in shares:
        if x not in members:
            raise ValueError(f"{field} names the group {shown(x)}, which no candidate has")
    return {
        x: number(f"{field} of group {shown(x)}", y, lambda s: 0.0 <= s <= 1.0, "from 0 to 1")
        for x, y in shares.items()
    }


def _require_room(charges: list[Floats], share: float, size: int) -> None:
    """Raise unless a design meets all limits."""
    found = scipy.optimize.linprog(
        np.zeros(size),
        A_ub=np.vstack(charges),
        b_ub=np.full(len(charges), 1e-9),
        A_eq=np.ones((1, size)),
        b_eq=[1.0],
        bounds=(0.0, min(share, 1.0)),
        method="highs",
    )
    if found.status == 2:
        raise ValueError(NO_ROOM)
