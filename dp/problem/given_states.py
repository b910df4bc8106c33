"""States that a method of a policy is given: checked before the method runs, since tables are indexed by them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...posteriors.foundation.arrays import Bools, Ints
from ...posteriors.foundation.kinds import require_type
from ...posteriors.foundation.messages import named
from ...posteriors.foundation.number_arrays import require_order_of, whole_array
from ...posteriors.foundation.plugins import read_only
from ..kernels import states as _kernels
from .problem import Problem

__all__ = ["checks_states", "state_arrays", "takes_states"]

_GIVEN = ["self", "problem", "counts", "wins"]


def takes_states(method: object) -> bool:
    """True for a public method whose first arguments are a problem, counts and wins, none of them optional.

    Examples
    --------
    >>> import seqaudit as sa
    >>> takes_states(sa.Lagrangian.prices), takes_states(sa.Lagrangian.require)
    (True, False)
    """
    if not inspect.isfunction(method) or method.__name__.startswith("_"):
        return False
    parameters = list(inspect.signature(method).parameters.values())[: len(_GIVEN)]
    return [x.name for x in parameters] == _GIVEN and all(x.default is x.empty for x in parameters)


def checks_states[R](method: Callable[..., R]) -> Callable[..., R]:
    """Let a method that takes states check them first; see ``takes_states``.

    Parameters
    ----------
    method : callable
        Method of ``problem``, ``counts`` and ``wins``, and perhaps of ``usable`` and ``pending``.

    Returns
    -------
    callable
        Its arrays are read-only, of int64 and bool. It raises ``ValueError`` for arrays of another shape, counts that
        are negative or above a cap, and wins above counts; where it chooses, for a state in which no item is usable.
    """
    chooses = method.__name__ == "action_probabilities"
    rest = list(inspect.signature(method).parameters)[len(_GIVEN) :]

    @wraps(method)
    def call(self: Any, problem: Problem, counts: Any, wins: Any, *args: Any, **kwargs: Any) -> R:
        counts, wins = state_arrays(problem, counts, wins)
        if args or kwargs:
            given = dict(zip(rest, args, strict=False)) | kwargs
            require_order_of(problem.name, usable=given.get("usable"), pending=given.get("pending"))
            if "usable" in given:
                given["usable"] = _usable(given["usable"], counts.shape, chooses)
            if given.get("pending") is not None:
                given["pending"] = _pending(given["pending"], counts.shape)
            if len(given) == len(args) + len(kwargs):
                return method(self, problem, counts, wins, **given)
        return method(self, problem, counts, wins, *args, **kwargs)

    call.is_guard = True  # type: ignore[attr-defined]
    return call


def state_arrays(problem: Problem, counts: Any, wins: Any) -> tuple[Ints, Ints]:
    """Counts and wins of R states as read-only arrays of int64, shape (R, N), checked.

    Parameters
    ----------
    problem : Problem
    counts, wins : array_like of int, shape (R, N)
        Labels and wins of each item in each state.

    Returns
    -------
    counts, wins : ndarray of int64, shape (R, N)

    Raises
    ------
    ValueError
        For another shape, counts that are no whole numbers from 0 to the item's cap, and wins above counts.

    Examples
    --------
    >>> state_arrays(Problem([0.5, 0.7], budget=4), [[1, 0]], [[2, 0]])
    Traceback (most recent call last):
    ValueError: item 1: 2 wins in 1 labels; allowed: 0 <= wins <= labels <= 4
    """
    if not isinstance(problem, Problem):
        require_type("problem", problem, Problem, "a Problem")
    require_order_of(problem.name, counts=counts, wins=wins)
    n, w = _rows("counts", counts, problem.size), _rows("wins", wins, problem.size)
    if n.shape != w.shape:
        raise ValueError(f"counts have shape {n.shape} and wins {w.shape}; the two must be equal")
    bad = _kernels.first_impossible(n, w, _unwritten(problem.cap))
    if bad >= 0:
        r, i = divmod(int(bad), problem.size)
        raise ValueError(
            f"{named(problem.name[i])}: {w[r, i]} wins in {n[r, i]} labels; allowed: 0 <= wins <= labels "
            f"<= {problem.cap[i]}"
        )
    return n, w


def _rows(field: str, given: Any, size: int) -> Ints:
    found = given
    if not (type(given) is np.ndarray and given.dtype == np.int64):
        found = whole_array(field, given, least=None)
    if found.ndim != 2 or found.shape[1] != size:
        raise ValueError(
            f"{field} have shape {found.shape}; it must be (R, {size}), a number for each item in R states"
        )
    return _unwritten(found)


def _unwritten[Kind: np.generic](found: NDArray[Kind]) -> NDArray[Kind]:
    """The array in C order and read-only, for a kernel would be compiled again for another layout."""
    array = np.ascontiguousarray(found)
    return read_only(array) if array.flags.writeable else array


def _usable(given: Any, shape: tuple[int, ...], chooses: bool) -> Bools:
    found = np.asarray(given)
    if found.dtype != np.bool_ or found.shape != shape:
        raise ValueError(f"usable is of type {found.dtype} and shape {found.shape}; it must be bool and {shape}")
    found = _unwritten(found)
    if chooses and _kernels.has_empty_row(found):
        raise ValueError("usable marks no item in one of the states; it must mark at least one in each")
    return found


def _pending(given: Any, shape: tuple[int, ...]) -> Ints:
    found = whole_array("pending", given)
    if found.shape != shape:
        raise ValueError(f"pending has shape {found.shape}; it must be {shape}")
    return _unwritten(found)
