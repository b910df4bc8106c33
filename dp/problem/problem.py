"""The problem statement: items, thresholds, weights, beliefs, budget and terminal utility.

A problem is validated when it is made, immutable, and holds no solver state. Item i has an unknown rate alpha_i with a
prior, a threshold t_i, a weight v_i, a price kappa_i of a label and a cap on its labels. Labels are bought, one at a
time or in batches, until the budget affords no further one; then item i pays v_i h(p_i) and r_i for each of its wins.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import InitVar, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...posteriors.beliefs.belief import Belief, BeliefTables
from ...posteriors.beliefs.beta import Beta
from ...posteriors.beliefs.tails import tail
from ...posteriors.foundation.arrays import Bools, Floats, Ints
from ...posteriors.foundation.tolerances import ROUNDING
from ...posteriors.thresholds import threshold as threshold_of
from ...posteriors.utilities import Accuracy, Utility, make_utility
from . import checks
from .budget import Quota, most_labels, unmet_quota, with_slack
from .checks import ProblemError
from .remarks import remarks_on
from .statement import fingerprint, new_fields, plain, restated
from .toml import read_fields, write_problem

__all__ = ["Problem"]

# Far beyond any real budget, and small enough for the sum of all caps to be a machine integer.
_MOST_LABELS = 10**9
# ``dataclasses.replace`` passes the constructor the problem itself beside the fields: it shows which fields are new.
_ITSELF = property(lambda self: self)


@dataclass(frozen=True, eq=False, init=False)
class Problem:
    """A finite-budget sequential labelling problem.

    Parameters
    ----------
    threshold : array_like, shape (N,)
        Threshold t that each item's rate is compared with; strictly between 0 and 1.
    budget : int or float
        Largest total cost of the labels. Where every label costs 1, a whole number, at least 1.
    weight : float or array_like, shape (N,)
        Importance v of each item; positive and finite.
    prior : pair, array_like of shape (N, 2), Belief, or sequence of Belief
        Beta parameters or belief objects, shared or per item.
    utility : str, mapping, Utility, callable or None
        Terminal utility h of the tail probability; None for no terminal payoff.
    cost : float or array_like, shape (N,)
        Price kappa of a label of each item; positive and finite. Sums within 1e-9 of the budget are affordable.
    cap : int or array_like of int, shape (N,), optional
        Largest number of labels of each item; default: limited by the budget only.
    quota : sequence of (items, labels), optional
        Each slice of items, given by number or name, must get at least that number of labels in all. Slices may
        overlap.
    batch : int
        Number of labels chosen together: their outcomes are seen once the whole batch is bought.
    reward : float or array_like, shape (N,)
        Payment for each win of an item.
    name : sequence of str, optional
        Items' names, used in messages and tables; default "item 1", "item 2", ...
    log_ratio, beta : array_like of shape (N,) and float, optional
        Reference log-ratios c and the beta that turned them into thresholds; set by ``from_logratio``.

    Attributes
    ----------
    threshold, weight, cost, reward, log_ratio : ndarray, shape (N,)
        Read-only; ``log_ratio`` is logit(threshold) where none was given, the log-ratio at beta = 1.
    prior : ndarray, shape (N, 2), or tuple of Belief
        Beta parameters where all beliefs are Beta.
    cap : ndarray of int, shape (N,)
        At most the labels that the budget buys of the item alone.
    quota : tuple of (tuple of int, int)

    Raises
    ------
    ProblemError
        A ``ValueError`` that lists every fault at once, each with the item's name.

    Examples
    --------
    >>> problem = Problem(threshold=[0.55, 0.41, 0.32], budget=60)
    >>> problem
    Problem(3 items, budget 60, utility accuracy)
    >>> Problem([0.5, 0.7], budget=9, cost=[1, 2.5], quota=[([1], 2)], batch=2).labels
    6
    """

    threshold: Floats
    budget: int | float
    weight: Floats
    prior: Floats | tuple[Belief, ...]
    utility: Utility
    cost: Floats
    cap: Ints
    quota: Quota
    batch: int
    reward: Floats
    name: tuple[str, ...]
    log_ratio: Floats
    beta: float | None
    _of: InitVar[Problem | None] = _ITSELF

    def __init__(
        self,
        threshold: ArrayLike,
        budget: int | float,
        *,
        weight: ArrayLike = 1.0,
        prior: ArrayLike | Belief | Sequence[Belief] = (1.0, 1.0),
        utility: str | dict[str, Any] | Utility | Callable[[Floats], Floats] | None = "accuracy",
        cost: ArrayLike = 1.0,
        cap: ArrayLike | None = None,
        quota: Sequence[Any] | None = None,
        batch: int = 1,
        reward: ArrayLike = 0.0,
        name: Sequence[str] | None = None,
        log_ratio: ArrayLike | None = None,
        beta: float | None = None,
        _of: Problem | None = None,
    ) -> None:
        if _of is not None:
            Problem.__init__(self, **restated(_of, new_fields(_of, locals())))
            return
        faults: list[str] = []
        t = checks.vector("threshold", threshold, None, faults)
        size = len(t)
        if size == 0 and not faults:
            faults.append("threshold is empty; a problem needs at least one item")
        names = checks.names_of(name, size, faults)

        def refuse(field: str, values: NDArray[Any], ok: Bools, allowed: str) -> None:
            checks.refuse(field, values, ok, allowed, names, faults)

        refuse("threshold", t, (t > 0) & (t < 1), "strictly between 0 and 1")
        v = checks.vector("weight", weight, size, faults)
        refuse("weight", v, (v > 0) & np.isfinite(v), "positive and finite")
        ab, beliefs = checks.beliefs_of(prior, size, faults)
        if ab is not None:
            for column, letter in enumerate("ab"):
                x = ab[:, column]
                refuse(f"prior {letter}", x, (x > 0) & np.isfinite(x), "positive and finite")
        c = None if log_ratio is None else checks.vector("log_ratio", log_ratio, size, faults)
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
        pay = checks.vector("reward", reward, size, faults)
        refuse("reward", pay, np.isfinite(pay), "finite")
        kappa = checks.vector("cost", cost, size, faults)
        refuse("cost", kappa, (kappa > 0) & np.isfinite(kappa), "positive and finite")
        kappa = np.where((kappa > 0) & np.isfinite(kappa), kappa, 1.0)
        spend = _budget(budget, bool(np.all(kappa == 1.0)), faults)
        room = np.floor(np.minimum(with_slack(spend) / kappa, _MOST_LABELS)).astype(np.int64)
        limit = None
        if cap is not None:
            asked = checks.vector("cap", cap, size, faults)
            good = np.isfinite(asked) & (asked >= 0) & (np.floor(asked) == asked)
            refuse("cap", asked, good, "a whole number of labels, at least 0")
            limit = np.minimum(np.where(good, asked, 0), _MOST_LABELS).astype(np.int64)
            limit.setflags(write=False)
            room = np.minimum(limit, room)
        slices = checks.quota_of(quota, names, faults)
        if not faults:
            faults += unmet_quota(slices, kappa, room, spend)
        lot = checks.whole(batch)
        most = most_labels(kappa, room, spend, () if faults else slices)
        if lot is None or not 1 <= lot <= max(most, 1):
            faults.append(
                f"batch is {batch!r}; it must be a whole number from 1 to {max(most, 1)}, the labels that can be bought"
            )
        try:
            chosen = make_utility(utility)
        except ValueError as error:
            faults.append(str(error))
            chosen = Accuracy()
        if faults:
            raise ProblemError(faults)
        if c is None:
            c = np.log(t) - np.log1p(-t)
        for array in (t, v, room, c, kappa, pay) if ab is None else (t, v, room, c, kappa, pay, ab):
            array.setflags(write=False)
        values: dict[str, Any] = {"threshold": t, "budget": spend, "weight": v, "cost": kappa, "reward": pay}
        values |= {"prior": beliefs if ab is None else ab, "cap": room, "quota": slices, "batch": lot, "name": names}
        values |= {"utility": chosen, "log_ratio": c, "beta": None if beta is None else float(beta)}
        for key, value in values.items():
            object.__setattr__(self, key, value)
        # No field: problems that allow the same labels are equal, whether a cap or the budget is what limits them.
        object.__setattr__(self, "_asked_cap", limit)

    @classmethod
    def bandit(cls, prior: Any, horizon: int, *, reward: ArrayLike = 1.0, **fields: Any) -> Self:
        """Classical Bernoulli bandit: ``horizon`` pulls of arms, each win paid when it happens.

        Parameters
        ----------
        prior : sequence of pairs or of Belief
            One for each arm.
        horizon : int
            Number of pulls.
        reward : float or array_like, shape (N,)
            Payment for a win of each arm.
        **fields
            Other keywords of ``Problem``.

        Examples
        --------
        >>> from seqaudit import solve
        >>> round(solve(Problem.bandit(prior=[(1, 1), (1, 1)], horizon=60)).value, 10)
        38.5623432466
        """
        try:
            arms = len(prior)
        except TypeError:
            raise ProblemError([f"prior is {prior!r}; a bandit needs one prior for each arm"]) from None
        # Nothing is paid at the end, so the threshold does not matter.
        return cls(np.full(arms, 0.5), horizon, prior=prior, utility=None, reward=reward, **fields)

    @classmethod
    def from_logratio(cls, c: ArrayLike, beta: float, budget: int, **fields: Any) -> Self:
        """Problem with thresholds t = sigma(beta c).

        Parameters
        ----------
        c : array_like, shape (N,)
            Reference log-ratios, log pi_ref(y_lose) - log pi_ref(y_win).
        beta : float
            Positive.
        budget : int or float
            As for ``Problem``.
        **fields
            Other keywords of ``Problem``.

        Examples
        --------
        >>> Problem.from_logratio([0.0, 2.0], beta=1.0, budget=5).threshold.round(3)
        array([0.5  , 0.881])
        """
        faults: list[str] = []
        ratio = checks.vector("log_ratio", c, None, faults)
        try:
            t = threshold_of(ratio, beta)
        except ValueError as error:
            faults.append(str(error))
        if faults:
            # Valid thresholds take their place, so that the faults of the other fields are listed too.
            try:
                cls(np.full(len(ratio), 0.5), budget, **fields)
            except ProblemError as error:
                faults += error.faults
            raise ProblemError(faults)
        return cls(t, budget, log_ratio=ratio, beta=beta, **fields)

    @classmethod
    def from_toml(cls, path: str | Path) -> Self:
        """Read a problem from a TOML file; see ``docs/problem-files.md`` for the keys."""
        fields, where = read_fields(Path(path))
        try:
            return cls.from_dict(fields)
        except ProblemError as error:
            raise ProblemError([where(fault) for fault in error.faults]) from None

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> Self:
        """Problem from keywords: those of ``from_logratio`` if ``c`` is among them, else those of ``Problem``."""
        return cls.from_logratio(**fields) if "c" in fields else cls(**fields)

    def as_dict(self) -> dict[str, Any]:
        """Keywords that make an equal problem, as plain numbers, strings, lists and mappings.

        Raises
        ------
        ValueError
            For a callable utility, which has no plain form.
        """
        return plain(self)

    def replace(self, **changes: Any) -> Self:
        """Copy of the problem with some fields changed.

        All other fields keep the values that were given: caps are those before the budget cut them, and a problem
        stated by log-ratios and beta keeps both, so that a new ``beta`` or ``log_ratio`` changes the thresholds. A new
        ``threshold`` drops them. ``copy.replace`` and ``dataclasses.replace`` do the same.

        Parameters
        ----------
        **changes
            Keywords of ``Problem``.

        Returns
        -------
        Problem

        Raises
        ------
        TypeError
            For a keyword that ``Problem`` does not have.
        ProblemError
            For an invalid result; lists every fault, such as a batch or a quota that the budget no longer affords.

        Examples
        --------
        >>> problem = Problem.from_logratio([0.0, 2.0], beta=1.0, budget=9, cap=12)
        >>> problem.replace(budget=40).cap
        array([12, 12])
        >>> problem.replace(beta=0.5).threshold.round(3)
        array([0.5  , 0.731])
        """
        return type(self)(**restated(self, changes))

    __replace__ = replace

    def to_toml(self, path: str | Path) -> None:
        """Write the problem to a TOML file, from which ``from_toml`` reads an equal one."""
        write_problem(self, Path(path))

    @property
    def asked_cap(self) -> Ints | None:
        """Caps as they were given, before the budget cut them, shape (N,); None where none were given.

        ``replace`` keeps them, so that they apply again when labels become cheaper or the budget larger.

        Examples
        --------
        >>> problem = Problem([0.5], budget=9, cap=12)
        >>> problem.cap, problem.asked_cap, Problem([0.5], budget=9).asked_cap
        (array([9]), array([12]), None)
        """
        limit: Ints | None = self.__dict__.get("_asked_cap")
        return limit

    @property
    def size(self) -> int:
        """Number of items."""
        return len(self.threshold)

    @property
    def labels(self) -> int:
        """Largest number of labels that can be bought; with unit costs, the exact number that is bought."""
        return most_labels(self.cost, self.cap, self.budget, self.quota)

    @property
    def unit_costs(self) -> bool:
        """True if every label costs 1."""
        return bool(np.all(self.cost == 1.0))

    @property
    def prior_tail(self) -> Floats:
        """Tail probability P(alpha > t) of each item before any label, shape (N,)."""
        return self.tail_at(np.zeros(self.size), np.zeros(self.size))

    @cached_property
    def prior_value(self) -> float:
        """Expected payoff of buying no label."""
        return float(self.weight @ self.utility(self.prior_tail))

    @property
    def payoff_scale(self) -> float:
        """Largest absolute payoff of one item; rounding errors of payoffs are relative to it."""
        paid = float(self.weight.max() * np.abs(self.utility(np.linspace(0.0, 1.0, 1001))).max())
        return paid + float((np.abs(self.reward) * self.cap).max())

    def belief(self, i: int) -> Belief:
        """Prior belief about item ``i``."""
        return Beta(*self.prior[i]) if isinstance(self.prior, np.ndarray) else self.prior[i]

    def tables(self, i: int) -> BeliefTables:
        """Belief tables of item ``i`` for 0 to ``cap[i]`` labels, arrays indexed [labels, wins]."""
        return self.belief(i).tables(int(self.cap[i]), float(self.threshold[i]))

    def tail_at(self, labels: ArrayLike, wins: ArrayLike) -> Floats:
        """Tail probability P(alpha > t) of every item, shape (..., N), from labels and wins of that shape."""
        n, w = np.asarray(labels, dtype=np.float64), np.asarray(wins, dtype=np.float64)
        if isinstance(self.prior, np.ndarray):
            a, b = self.prior.T
            return tail(a + w, b + (n - w), self.threshold)
        counts = np.broadcast_arrays(np.asarray(labels, dtype=np.int64), np.asarray(wins, dtype=np.int64))
        out = np.empty(counts[0].shape)
        for i in range(self.size):
            out[..., i] = self.belief(i).at(counts[0][..., i], counts[1][..., i], float(self.threshold[i])).tail
        return out

    def check(self) -> list[str]:
        """Remarks on features of the problem that its author may not intend; an empty list where there are none.

        Examples
        --------
        >>> Problem([0.5, 0.999], budget=4).check()
        ['item 2: no sequence of 4 labels can change its decision; labels on it are wasted']
        """
        return remarks_on(self)

    def __repr__(self) -> str:
        return f"Problem({self.size} items, budget {self.budget}, utility {self.utility.name})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Problem):
            return NotImplemented
        return all(
            np.array_equal(x, y) if isinstance(x, np.ndarray) else type(x) is type(y) and x == y
            for x, y in ((getattr(self, field.name), getattr(other, field.name)) for field in fields(self))
        )

    def digest(self) -> str:
        """SHA-256 hash of the problem, the same in every process; a callable utility enters by its name."""
        return fingerprint(self)

    def __hash__(self) -> int:
        return hash((self.budget, self.utility, self.name, self.threshold.tobytes(), self.weight.tobytes()))


def _budget(budget: Any, unit_costs: bool, faults: list[str]) -> int | float:
    """Budget as given, or a fault: a whole number of labels where each costs 1, else any positive number."""
    count = checks.whole(budget)
    if unit_costs:
        if count is None or not 1 <= count <= _MOST_LABELS:
            faults.append(f"budget is {budget!r}; it must be a whole number of labels, at least 1 and at most 10**9")
            return 1
        return count
    if count is None:
        try:
            amount = float(budget) if not isinstance(budget, (bool, str)) else float("nan")
        except (TypeError, ValueError):
            amount = float("nan")
        if not (np.isfinite(amount) and amount > 0):
            faults.append(f"budget is {budget!r}; it must be positive and finite")
            return 1
        return amount
    if count <= 0:
        faults.append(f"budget is {budget!r}; it must be positive and finite")
        return 1
    return count
