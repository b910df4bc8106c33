"""Payoffs of utilities that users define: what such a utility is shown, and checks of what it returns."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from .foundation.arrays import Bools, Floats
from .foundation.kinds import WrongKind
from .foundation.messages import shown
from .foundation.plugins import calling, read_only, source_of, wrote_into
from .foundation.refusals import number
from .foundation.values import names_of_fields, new_attributes

__all__ = ["called", "checked_payoffs", "settle", "try_payoffs"]

# Tail probabilities at which a callable is tried: evenly spaced ones first, then values where logarithms and
# differences lose accuracy. Only the first fault is reported.
# Relative difference that is more than the rounding of a vectorised function.
_SAME = 1e-9
_EVEN = 101
# Rounding of differences of numbers of the size of probabilities.
_SMALL = 1e-15
# Distances, in evenly spaced probabilities, at which convexity is tried: what is small nearby may be large further on.
_STRIDES = (1, 2, 5, 10, 25, 50)
_PROBES = np.concatenate([np.linspace(0.0, 1.0, _EVEN), [5e-324, 1e-300, 1e-16, 0.5 - 1e-16, 1.0 - 1.2e-16]]).reshape(
    2, 53
)


def called(utility: Any) -> str:
    """Name of a utility in messages."""
    return f"utility {getattr(utility, 'called', getattr(utility, 'name', type(utility).__name__))}"


def checked_payoffs(what: str, returned: Any, tails: Floats, *, losses: bool = False) -> Floats:
    """Payoffs that a plugged-in object returned for some tail probabilities, a copy.

    Parameters
    ----------
    what : str
        The object, as messages name it.
    returned : object
    tails : ndarray
        Tail probabilities that it was called with.
    losses : bool
        Allow payoffs of minus infinity.

    Returns
    -------
    ndarray of float64, shape of ``tails``

    Raises
    ------
    ValueError
        For anything but an array of finite real numbers of the same shape.
    """
    try:
        value = np.asarray(returned)
    except ValueError:
        value = np.asarray(None)
    if value.shape != tails.shape and value.dtype != object:
        raise ValueError(f"{what} returned shape {value.shape} for input of shape {tails.shape}")
    if not hasattr(returned, "__array__") or value.dtype.kind not in "biuf" or np.ma.is_masked(returned):
        raise ValueError(
            f"{what} returned {type(returned).__name__} of type {value.dtype}; it must return an array of real numbers"
        )
    bad = ~np.isfinite(value)
    if losses:
        bad &= value != -np.inf
    if bad.any():
        raise ValueError(f"{what} returned {value[bad][0]} at p = {tails[bad][0]:g}; it must be finite on [0, 1]")
    # A copy: the object may return its argument, or an array that it keeps.
    return np.array(value, dtype=np.float64)


def _must_equal(utility: Any, together: Floats, again: Floats) -> None:
    apart = np.abs(again - together) > _SAME * max(1.0, float(np.abs(together).max()))
    if apart.any():
        p, one, other = (x[apart][0] for x in (_PROBES, together, again))
        raise ValueError(
            f"{called(utility)} returned {one:g} at p = {p:g}, and {other:g} there within another array; "
            "it must take each probability by itself"
        )


def _require_true_claims(utility: Any, payoffs: Floats) -> None:
    """Raise unless a utility is convex, and has the kink, as it says; bounds, indices and stopping go by it."""
    if not isinstance(utility.convex, (bool, np.bool_)):
        raise ValueError(f"convex of {called(utility)} is {shown(utility.convex)}; it must be True or False")
    p, h = _PROBES.flat[:_EVEN], payoffs.flat[:_EVEN]
    spread = float(np.ptp(h))
    # A formula in single or half precision has the rounding of that: of its sums where it returns such numbers, and of
    # what it adds to a constant where they were widened.
    with np.errstate(over="ignore"):
        unit = next(np.finfo(x).eps for x in (np.float16, np.float32, np.float64) if np.array_equal(h.astype(x), h))
    own = 8.0 * _precision(utility) * float(np.abs(h).max())
    rounding = max(max(_SAME, 4.0 * float(unit)) * spread, own, _SMALL)
    for stride in _STRIDES if utility.convex else ():
        above = h[stride:-stride] - (h[: -2 * stride] + h[2 * stride :]) / 2.0
        k = int(np.argmax(above))
        if above[k] > rounding:
            low, middle, high = k, k + stride, k + 2 * stride
            raise ValueError(
                f"{called(utility)} says that it is convex, and pays {h[middle]:.6g} at p = {p[middle]:g}, more than "
                f"the mean of {h[low]:.6g} at {p[low]:g} and {h[high]:.6g} at {p[high]:g}; leave out convex = True"
            )
    kink = utility.kink()
    if kink is None:
        return
    place, slope = kink
    straight = h - slope * np.maximum(0.0, p - place)
    off = np.abs(straight - straight[0] - (straight[-1] - straight[0]) * p)
    if off.max() > max(rounding, max(_SAME, 4.0 * float(unit)) * slope):
        raise ValueError(
            f"{called(utility)} says by its kink that it is {slope:g} max(0, p - {place:g}) plus a linear function, "
            f"and pays {h[np.argmax(off)]:.6g} at p = {p[np.argmax(off)]:g}, {off.max():.6g} away from that; correct "
            "the kink, or let it be None"
        )


def _precision(utility: Any) -> float:
    """Rounding of the numbers that a utility returns, before they are widened."""
    method = type(utility).__call__
    returned = np.asarray(_bound(getattr(method, "__wrapped__", method), utility)(read_only(_PROBES)))
    return float(np.finfo(returned.dtype).eps) if returned.dtype.kind == "f" else float(np.finfo(np.float64).eps)


def try_payoffs(utility: Any) -> None:
    """Raise ``ValueError`` unless a utility of a user returns payoffs for the tail probabilities of a trial."""
    if not callable(function := getattr(utility, "function", utility)):
        raise WrongKind(f"function is {shown(function)}; it must be callable")
    try:
        together = utility(_PROBES)
        # Among others of its own value, and in another order: each payoff must depend on its own probability only.
        alone = np.array([utility(np.full(_PROBES.shape, p)).flat[0] for p in _PROBES.flat]).reshape(_PROBES.shape)
        _must_equal(utility, together, alone)
        _must_equal(utility, together, np.flip(utility(np.flip(_PROBES))))
        _require_true_claims(utility, together)
    except Exception as error:
        source = source_of(error)
        if source is None:
            raise
        what = called(utility)
        if wrote_into(error):
            raise ValueError(f"{what} changes its argument; it must not modify it ({source})") from error
        raised = f"{what} raised {type(error).__name__}: {error}"
        raise ValueError(f"{raised}, for an array of shape {_PROBES.shape} ({source})") from error


def _bound(method: Any, utility: Any) -> Callable[..., Any]:
    """Attribute of the class of a utility as Python calls it: a static method, say, is not given the object."""
    get = getattr(type(method), "__get__", None)
    found: Callable[..., Any] = method if get is None else get(method, utility, type(utility))
    return found


def _payoffs(method: Callable[..., Any]) -> Callable[..., Floats]:
    @wraps(method)
    def guarded(self: Any, p: Floats) -> Floats:
        seen = read_only(np.asarray(p, dtype=np.float64))
        with calling("utility", getattr(self, "function", self), ""):
            returned = _bound(method, self)(seen)
        return checked_payoffs(called(self), returned, seen)

    return guarded


def _scores(method: Callable[..., Any]) -> Callable[..., Floats]:
    @wraps(method)
    def guarded(self: Any, stated: Floats, p: Floats) -> Floats:
        seen = [read_only(np.asarray(x, dtype=np.float64)) for x in (stated, p)]
        with calling("utility", self, "score"):
            returned = _bound(method, self)(*seen)
        return checked_payoffs(f"score of {called(self)}", returned, np.broadcast_arrays(*seen)[0], losses=True)

    return guarded


def _decisions(method: Callable[..., Any]) -> Callable[..., Bools]:
    @wraps(method)
    def guarded(self: Any, p: Floats) -> Bools:
        seen = read_only(np.asarray(p, dtype=np.float64))
        with calling("utility", self, "decide"):
            returned = np.asarray(_bound(method, self)(seen))
        if returned.dtype != np.bool_ or returned.shape != seen.shape:
            found = f"type {returned.dtype} and shape {returned.shape}"
            raise ValueError(f"decide of {called(self)} returned {found}; it must be bool of shape {seen.shape}")
        return returned.copy()

    return guarded


def _limit(method: Callable[..., Any]) -> Callable[..., float]:
    @wraps(method)
    def guarded(self: Any) -> float:
        with calling("utility", self, "accept_above"):
            found = _bound(method, self)()
        return number(f"accept_above of {called(self)}", found, lambda x: 0 <= x <= 1, "from 0 to 1")

    return guarded


def _kink(method: Callable[..., Any]) -> Callable[..., tuple[float, float] | None]:
    @wraps(method)
    def guarded(self: Any) -> tuple[float, float] | None:
        with calling("utility", self, "kink"):
            found = _bound(method, self)()
        if found is None:
            return None
        if not isinstance(found, tuple) or len(found) != 2:
            raise ValueError(f"kink of {called(self)} is of type {type(found).__name__}; it must be None or a pair")
        what = f"kink of {called(self)}"
        place = number(what, found[0], lambda x: 0 <= x <= 1, "from 0 to 1")
        return place, number(what, found[1], lambda x: 0 < x < np.inf, "positive and finite")

    return guarded


# The methods of a utility that the engine calls, each with what wraps it in the classes of users.
_GUARDED: dict[str, Callable[[Callable[..., Any]], Callable[..., Any]]] = {
    "__call__": _payoffs,
    "score": _scores,
    "decide": _decisions,
    "accept_above": _limit,
    "kink": _kink,
}
# Attributes that no payoff depends on.
_OF_DECISIONS = {
    "decide",
    "accept_above",
    "kink",
    "_settle",
    "_check",
    "convex",
    "name",
    "called",
    "_trusted",
    "_abc_impl",
}


def settle(cls: Any, base: Any, *, guarded: bool) -> None:
    """Let what utilities above a class say of their payoffs hold for those payoffs alone, and guard its methods.

    Parameters
    ----------
    cls : type
    base : type
        Base of all utilities.
    guarded : bool
        Check what the methods of the class return.
    """
    new = new_attributes(cls, base)
    if "__call__" in new and "score" not in new:
        cls.score = base.score
    told = {key for key, x in new.items() if hasattr(x, "__get__") and (key[:2] != "__" or key == "__call__")}
    # Constants of the classes above; what is said holds for all values of their fields.
    told |= {
        key for key in new if key[:2] != "__" and any(hasattr(kind, key) for kind in cls.__bases__)
    } - names_of_fields(cls)
    if told - _OF_DECISIONS:
        # A payoff may call any other method, and depend on any constant.
        for name in {"kink", "convex"} - new.keys():
            setattr(cls, name, vars(base)[name])
    for method in _GUARDED.keys() & new.keys() if guarded else ():
        if not getattr(new[method], "is_guard", False) and new[method] is not vars(base)[method]:
            call: Any = _GUARDED[method](new[method])
            call.is_guard = True
            setattr(cls, method, call)
