"""Validation of a problem as a whole: fields checked one by one, then against each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...posteriors.beliefs.sharp import MOST_LOG_ODDS, PARAMETERS
from ...posteriors.foundation.arrays import Bools, Floats, Ints
from ...posteriors.foundation.messages import named, shown
from ...posteriors.foundation.number_arrays import other_order
from ...posteriors.foundation.refusals import nonnegative
from ...posteriors.foundation.tolerances import ROUNDING
from ...posteriors.thresholds import threshold as threshold_of
from ...posteriors.utilities import Accuracy, Custom, Utility, make_utility
from . import checks
from .budget import most_labels, unmet_quota, with_slack
from .checks import ProblemError
from .priors import arranged, beliefs_of

__all__ = ["validated"]


def validated(given: Mapping[str, Any]) -> tuple[dict[str, Any], Ints | None]:
    """Fields of a problem from the keywords of ``Problem``, and caps before the budget cuts them.

    Parameters
    ----------
    given : mapping
        Every keyword of ``Problem``, by name.

    Returns
    -------
    fields : dict
        Read-only arrays and plain values, by field.
    limit : ndarray of int64, shape (N,), or None
        Caps as given; None where none were.

    Raises
    ------
    ProblemError
        With every fault of every field.
    """
    faults = other_order({**given, "prior": arranged(given["prior"])})
    t = checks.vector("threshold", given["threshold"], None, faults, given["name"])
    size = len(t)
    if size == 0 and not faults:
        faults.append("threshold is empty; a problem needs at least one item")
    names = checks.names_of(given["name"], size, faults)

    def refuse(field: str, values: NDArray[Any], ok: Bools, allowed: str) -> None:
        checks.refuse(field, values, ok, allowed, names, faults)

    by_ratio = given["log_ratio"] is not None and given["beta"] is not None
    inside = (t >= 0) & (t <= 1) if by_ratio else (t > 0) & (t < 1)
    refuse("threshold", t, inside, "strictly between 0 and 1")
    v = checks.vector("weight", given["weight"], size, faults, names)
    refuse("weight", v, (v >= 0) & np.isfinite(v), "finite, and at least 0")
    if v.size and not v.any():
        faults.append("weight is 0 for every item; at least one must be positive")
    ab, beliefs = beliefs_of(given["prior"], size, names, faults)
    if ab is not None:
        for column, letter in enumerate("ab"):
            x = ab[:, column]
            refuse(f"prior {letter}", x, (x > 0) & np.isfinite(x), "positive and finite")
            low, high = PARAMETERS
            good = (x >= low) & (x <= high) | ~((x > 0) & np.isfinite(x))
            refuse(f"prior {letter}", x, good, f"from {low:g} to {high:g}")
    beta = given["beta"]
    c = None if given["log_ratio"] is None else checks.vector("log_ratio", given["log_ratio"], size, faults, names)
    if c is not None:
        refuse("log_ratio", c, np.isfinite(c), "finite")
    if c is None or beta is None:
        if (c is None) != (beta is None):
            faults.append("log_ratio and beta go together: threshold = sigma(beta log_ratio)")
    else:
        try:
            implied = threshold_of(c, beta)
        except ValueError as error:
            faults.append(str(error))
        else:
            if not faults and not np.allclose(implied, t, rtol=ROUNDING, atol=0):
                faults.append("threshold differs from sigma(beta log_ratio); use Problem.from_logratio")
            if not faults:
                with np.errstate(over="ignore"):
                    z = float(beta) * c
                refuse("beta times log_ratio", z, np.abs(z) <= MOST_LOG_ODDS, f"at most {MOST_LOG_ODDS:g} in size")
                for name, bar, belief in zip(names, t.tolist(), beliefs or (), strict=False):
                    if bar in (0.0, 1.0) and not belief.takes_bars:
                        told = f"threshold of {named(name)} rounds to {bar:g}"
                        faults.append(f"{told}, which {belief!r} does not take")
    pay = checks.vector("reward", given["reward"], size, faults, names)
    refuse("reward", pay, np.isfinite(pay), "finite")
    try:
        price = nonnegative("label_price", given["label_price"])
    except ValueError as error:
        faults.append(str(error))
        price = 0.0
    kappa = checks.vector("cost", given["cost"], size, faults, names)
    in_range = (kappa >= checks.LEAST_COST) & (kappa <= checks.LARGEST_AMOUNT)
    refuse("cost", kappa, in_range, f"from {checks.LEAST_COST:g} to {checks.LARGEST_AMOUNT:g}")
    kappa = np.where(in_range, kappa, 1.0)
    spend = checks.budget_of(given["budget"], bool(np.all(kappa == 1.0)), faults)
    room = np.floor(np.minimum(with_slack(spend) / kappa, checks.MOST_LABELS)).astype(np.int64)
    limit = None
    if given["cap"] is not None:
        asked = checks.vector("cap", given["cap"], size, faults, names)
        good = np.isfinite(asked) & (asked >= 0) & (np.floor(asked) == asked)
        refuse("cap", asked, good, "a whole number of labels, at least 0")
        limit = np.minimum(np.where(good, asked, 0), checks.MOST_LABELS).astype(np.int64)
        limit.setflags(write=False)
        room = np.minimum(limit, room)
    slices = checks.quota_of(given["quota"], names, faults)
    if not faults:
        faults += unmet_quota(slices, kappa, room, spend)
    lot = checks.whole(given["batch"])
    most = most_labels(kappa, room, spend, () if faults else slices)
    if lot is None or not 1 <= lot <= max(most, 1):
        faults.append(
            f"batch is {shown(given['batch'])}; it must be a whole number from 1 to {max(most, 1)}, "
            "the labels that can be bought"
        )
    try:
        chosen = make_utility(given["utility"])
    except ValueError as error:
        faults.append(str(error))
        chosen = Accuracy()
    if not faults:
        most_paid = _most_paid(v, pay, room, chosen) + price * float(spend)
        if not most_paid <= checks.MOST_PAID:
            faults.append(
                f"payoffs and prices add up to {most_paid:.3g}; they must stay below {checks.MOST_PAID:g}: divide "
                "weight, reward and label_price by one number"
            )
    if faults:
        raise ProblemError(faults)
    if c is None:
        c = np.log(t) - np.log1p(-t)
    for array in (t, v, room, c, kappa, pay) if ab is None else (t, v, room, c, kappa, pay, ab):
        array.setflags(write=False)
    values: dict[str, Any] = {"threshold": t, "budget": spend, "weight": v, "cost": kappa, "reward": pay}
    values |= {"prior": beliefs if ab is None else ab, "cap": room, "quota": slices, "batch": lot, "name": names}
    values |= {"label_price": price, "utility": chosen, "log_ratio": c, "beta": None if beta is None else float(beta)}
    return values, limit


def _most_paid(weight: Floats, reward: Floats, cap: Ints, utility: Utility) -> float:
    """Bound on the size of all payoffs together; a callable utility is tried at some tails."""
    tails = np.linspace(0.0, 1.0, 33) if isinstance(utility, Custom) else np.array([0.0, 0.5, 1.0])
    largest = float(np.abs(utility(tails)).max())
    with np.errstate(over="ignore"):
        return float(weight.sum() * largest + np.abs(reward) @ cap)
