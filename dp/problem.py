"""The problem statement: items, thresholds, weights, beliefs, budget and terminal utility.

A problem is a value: validated when it is made, frozen, and free of any solver's state. Item i has an unknown rate
alpha_i with a Beta prior, a threshold t_i, a weight v_i and a number of labels that can be had. Exactly ``budget``
labels are bought, one at a time (fewer only if every item's labels run out); then item i pays v_i h(p_i).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..posteriors.beta import BeliefTables, Beta
from ..posteriors.tails import tail
from ..posteriors.thresholds import threshold as threshold_of
from ..posteriors.utilities import Accuracy, Asymmetric, Custom, Linear, Utility, make_utility

__all__ = ["Problem", "ProblemError"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_SHOWN = 20
# Far beyond any real budget, and small enough for the sum of all caps to be a machine integer.
_MOST_LABELS = 10**9


class ProblemError(ValueError):
    """A problem that cannot be stated; ``faults`` lists everything that is wrong with it."""

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        more = len(faults) - _SHOWN
        super().__init__("\n".join(faults[:_SHOWN]) + (f"\nand {more} more faults" if more > 0 else ""))

    def __reduce__(self) -> tuple[type[ProblemError], tuple[tuple[str, ...]]]:
        """Pickle by the faults, so that worker processes can raise it."""
        return type(self), (self.faults,)


@dataclass(frozen=True, eq=False, init=False)
class Problem:
    """A finite-budget sequential labelling problem.

    Parameters
    ----------
    threshold : array_like, shape (N,)
        Bar t that each item's rate must clear; strictly between 0 and 1.
    budget : int
        Labels to buy, at least 1.
    weight : float or array_like, shape (N,)
        Importance v of each item; positive and finite.
    prior : pair, array_like of shape (N, 2), Beta, or sequence of Beta
        Beta parameters, shared or per item.
    utility : str, mapping, Utility or callable
        Terminal utility h of the tail probability.
    cap : int or array_like of int, shape (N,), optional
        Labels that can be had for each item; default: no limit but the budget.
    name : sequence of str, optional
        Items' names, used in messages and tables; default "item 1", "item 2", ...
    log_ratio, beta : array_like of shape (N,) and float, optional
        Reference log-ratios c and the strength that turned them into thresholds; set by ``from_logratio``.

    Attributes
    ----------
    threshold, weight, log_ratio : ndarray, shape (N,)
        Read-only; ``log_ratio`` is logit(threshold) where none was given, the log-ratio at beta = 1.
    prior : ndarray, shape (N, 2)
    cap : ndarray of int, shape (N,)
        Never above the budget.

    Raises
    ------
    ProblemError
        A ``ValueError`` that lists every fault at once, each with the item's name.

    Examples
    --------
    >>> problem = Problem(threshold=[0.55, 0.41, 0.32], budget=60)
    >>> problem
    Problem(3 items, budget 60, utility accuracy)
    """

    threshold: Floats
    budget: int
    weight: Floats
    prior: Floats
    utility: Utility
    cap: Ints
    name: tuple[str, ...]
    log_ratio: Floats
    beta: float | None

    def __init__(
        self,
        threshold: ArrayLike,
        budget: int,
        *,
        weight: ArrayLike = 1.0,
        prior: ArrayLike | Beta | Sequence[Beta] = (1.0, 1.0),
        utility: str | dict[str, Any] | Utility | Callable[[Floats], Floats] = "accuracy",
        cap: ArrayLike | None = None,
        name: Sequence[str] | None = None,
        log_ratio: ArrayLike | None = None,
        beta: float | None = None,
    ) -> None:
        faults: list[str] = []
        t = _vector("threshold", threshold, None, faults)
        size = len(t)
        if size == 0 and not faults:
            faults.append("threshold is empty; a problem needs at least one item")
        names = _names(name, size, faults)

        def refuse(field: str, values: NDArray[Any], ok: NDArray[np.bool_], allowed: str) -> None:
            for i in np.flatnonzero(~ok):
                faults.append(f"{field} of {names[i]} is {values[i]}; it must be {allowed}")

        refuse("threshold", t, (t > 0) & (t < 1), "strictly between 0 and 1")
        v = _vector("weight", weight, size, faults)
        refuse("weight", v, (v > 0) & np.isfinite(v), "positive and finite")
        ab = _prior(prior, size, faults)
        for column, letter in enumerate("ab"):
            x = ab[:, column]
            refuse(f"prior {letter}", x, (x > 0) & np.isfinite(x), "positive and finite")
        c = None if log_ratio is None else _vector("log_ratio", log_ratio, size, faults)
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
                if not faults and not np.allclose(implied, t, rtol=1e-12, atol=0):
                    faults.append("threshold differs from sigma(beta log_ratio); use Problem.from_logratio")
        whole = _whole(budget)
        if whole is None or not 1 <= whole <= _MOST_LABELS:
            faults.append(f"budget is {budget!r}; it must be a whole number of labels, at least 1 and at most 10**9")
            whole = 1
        room = np.full(size, whole, dtype=np.int64)
        if cap is not None:
            asked = _vector("cap", cap, size, faults)
            good = np.isfinite(asked) & (asked >= 0) & (np.floor(asked) == asked)
            refuse("cap", asked, good, "a whole number of labels, at least 0")
            room = np.minimum(np.where(good, asked, 0), whole).astype(np.int64)
        try:
            chosen = make_utility(utility)
        except ValueError as error:
            faults.append(str(error))
            chosen = Accuracy()
        if faults:
            raise ProblemError(faults)
        if c is None:
            c = np.log(t) - np.log1p(-t)
        for array in (t, v, ab, room, c):
            array.setflags(write=False)
        values = {"threshold": t, "budget": whole, "weight": v, "prior": ab, "utility": chosen}
        values |= {"cap": room, "name": names, "log_ratio": c, "beta": None if beta is None else float(beta)}
        for key, value in values.items():
            object.__setattr__(self, key, value)

    @classmethod
    def from_logratio(cls, c: ArrayLike, beta: float, budget: int, **fields: Any) -> Self:
        """Problem with thresholds t = sigma(beta c).

        Parameters
        ----------
        c : array_like, shape (N,)
            Reference log-ratios, log pi_ref(y_lose) - log pi_ref(y_win).
        beta : float
            Positive.
        budget : int
            Labels to buy.
        **fields
            The other keywords of ``Problem``.

        Examples
        --------
        >>> Problem.from_logratio([0.0, 2.0], beta=1.0, budget=5).threshold.round(3)
        array([0.5  , 0.881])
        """
        faults: list[str] = []
        ratio = _vector("log_ratio", c, None, faults)
        try:
            t = threshold_of(ratio, beta)
        except ValueError as error:
            faults.append(str(error))
        if faults:
            # A stand-in for the thresholds, so that the other fields' faults are named as well.
            try:
                cls(np.full(len(ratio), 0.5), budget, **fields)
            except ProblemError as error:
                faults += error.faults
            raise ProblemError(faults)
        return cls(t, budget, log_ratio=ratio, beta=beta, **fields)

    @classmethod
    def from_toml(cls, path: str | Path) -> Self:
        """Read a problem from a TOML file; see ``docs/problem-files.md`` for the keys."""
        from .problem_file import read_fields

        fields, where = read_fields(Path(path))
        make = cls.from_logratio if "c" in fields else cls
        try:
            return make(**fields)
        except ProblemError as error:
            raise ProblemError([where(fault) for fault in error.faults]) from None

    def to_toml(self, path: str | Path) -> None:
        """Write the problem so that ``from_toml`` gives back an equal one."""
        from .problem_file import write_problem

        write_problem(self, Path(path))

    @property
    def size(self) -> int:
        """Number of items."""
        return len(self.threshold)

    @property
    def labels(self) -> int:
        """Labels that will be bought: the budget, or all there are if that is less."""
        return min(self.budget, int(self.cap.sum()))

    @property
    def prior_tail(self) -> Floats:
        """P(alpha > t) of each item before any label, shape (N,)."""
        return tail(self.prior[:, 0], self.prior[:, 1], self.threshold)

    @property
    def prior_value(self) -> float:
        """Value of buying no label at all."""
        return float(self.weight @ self.utility(self.prior_tail))

    @property
    def payoff_scale(self) -> float:
        """Largest payoff in absolute value that one item can have: the unit of rounding in payoffs."""
        return float(self.weight.max() * np.abs(self.utility(np.linspace(0.0, 1.0, 1001))).max())

    def tables(self, i: int) -> BeliefTables:
        """Belief tables of item ``i`` for up to ``cap[i]`` labels."""
        a, b = self.prior[i]
        return Beta(a, b).tables(int(self.cap[i]), float(self.threshold[i]))

    def check(self) -> list[str]:
        """Remarks on a valid problem: what in it will surprise. An empty list means nothing will.

        Examples
        --------
        >>> Problem([0.5, 0.999], budget=4).check()
        ['item 2: no sequence of 4 labels can change its decision; labels on it are wasted']
        """
        remarks = []
        if isinstance(self.utility, Linear):
            remarks.append("utility linear: every policy has the same value, because p is a martingale")
        if self.labels < self.budget:
            remarks.append(f"budget {self.budget}: only {self.labels} labels can be had under the caps")
        for i in np.flatnonzero(self.cap == 0):
            remarks.append(f"{self.name[i]}: cap is 0, it can never be labelled")
        if isinstance(self.utility, (Accuracy, Asymmetric)):
            a, b = self.prior.T
            best, worst = tail(a + self.cap, b, self.threshold), tail(a, b + self.cap, self.threshold)
            dead = self.utility.decide(best) == self.utility.decide(worst)
            for i in np.flatnonzero(dead & (self.cap > 0)):
                remarks.append(
                    f"{self.name[i]}: no sequence of {self.cap[i]} labels can change its decision; "
                    "labels on it are wasted"
                )
        return remarks

    def __repr__(self) -> str:
        return f"Problem({self.size} items, budget {self.budget}, utility {self.utility.name})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Problem):
            return NotImplemented
        same = (self.budget, self.utility, self.name, self.beta)
        return same == (other.budget, other.utility, other.name, other.beta) and all(
            np.array_equal(getattr(self, field), getattr(other, field))
            for field in ("threshold", "weight", "prior", "cap", "log_ratio")
        )

    def digest(self) -> str:
        """Return a fingerprint of the problem, the same in every process; a callable utility enters by its name."""
        content = hashlib.sha256(repr((self.budget, self.name, self.beta, self.utility.name)).encode())
        for array in (self.threshold, self.weight, self.prior, self.cap, self.log_ratio):
            content.update(array.tobytes())
        if not isinstance(self.utility, Custom):
            content.update(repr(self.utility).encode())
        return content.hexdigest()

    def __hash__(self) -> int:
        return hash((self.budget, self.utility, self.name, self.threshold.tobytes(), self.weight.tobytes()))


def _whole(value: Any) -> int | None:
    if isinstance(value, (bool, str)) or value is None:
        return None
    try:
        return int(value) if int(value) == value else None
    except (TypeError, ValueError, OverflowError):
        return None


def _vector(field: str, values: ArrayLike, size: int | None, faults: list[str]) -> Floats:
    """Copy to a float vector; with ``size``, a scalar is repeated. A faulty one is replaced by one that passes."""
    stand_in = np.full(1, 0.5) if size is None else np.ones(size)
    try:
        array = np.array(values, dtype=np.float64)
    except (TypeError, ValueError):
        faults.append(f"{field} is {values!r}; it must be a number or a list of numbers")
        return stand_in
    if size is not None and array.ndim == 0:
        array = np.full(size, float(array))
    if array.ndim != 1 or (size is not None and len(array) != size):
        wanted = "a list of numbers" if size is None else f"one number or a list of {size}"
        faults.append(f"{field} has shape {array.shape}; it must be {wanted}")
        return stand_in
    return array


def _names(name: Sequence[str] | None, size: int, faults: list[str]) -> tuple[str, ...]:
    default = tuple(f"item {i + 1}" for i in range(size))
    if name is None:
        return default
    names = tuple(name) if isinstance(name, Iterable) and not isinstance(name, str) else ()
    if not all(isinstance(x, str) and x for x in names) or (not names and size):
        faults.append(f"name is {name!r}; it must be a list of non-empty strings")
        return default
    if len(names) != size:
        faults.append(f"name has {len(names)} entries; it must have one for each of the {size} items")
        return default
    if len(set(names)) != size:
        twice = next(x for x in names if names.count(x) > 1)
        faults.append(f"name {twice!r} occurs {names.count(twice)} times; names must be unique")
    return names


def _prior(prior: ArrayLike | Beta | Sequence[Beta], size: int, faults: list[str]) -> Floats:
    stand_in = np.ones((size, 2))
    if isinstance(prior, Beta):
        prior = (prior.a, prior.b)
    elif isinstance(prior, Sequence) and any(isinstance(x, Beta) for x in prior):
        if not all(isinstance(x, Beta) for x in prior):
            faults.append("prior mixes Beta objects with other values; give Beta objects only, or pairs only")
            return stand_in
        prior = [(x.a, x.b) for x in prior if isinstance(x, Beta)]
    try:
        array = np.array(prior, dtype=np.float64)
    except (TypeError, ValueError):
        faults.append(f"prior is {prior!r}; it must be a pair (a, b), a list of pairs, or Beta objects")
        return stand_in
    if array.shape == (2,):
        array = np.tile(array, (size, 1))
    if array.shape != (size, 2):
        faults.append(f"prior has shape {array.shape}; it must be a pair (a, b) or one pair for each of {size} items")
        return stand_in
    return array
