"""The problem statement: items, thresholds, weights, beliefs, budget and terminal utility.

A problem is validated when it is made, immutable, and holds no solver state. Item i has an unknown rate alpha_i with a
prior, a threshold t_i, a weight v_i, a cost kappa_i of a label and a cap on its labels. Labels are bought, one at a
time or in batches, until the budget affords no further one or, once all quotas are met, until the policy stops. Then
item i pays v_i h(p_i) and r_i for each of its wins, less the label price for each unit of cost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import InitVar, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from ...posteriors.beliefs.asking import ask_tables
from ...posteriors.beliefs.belief import Belief, BeliefTables
from ...posteriors.beliefs.beta import Beta
from ...posteriors.foundation.arrays import Floats, Ints
from ...posteriors.foundation.frozen import ReadOnlyCopies
from ...posteriors.foundation.number_arrays import require_order_of, whole_array
from ...posteriors.foundation.refusals import file_path, whole
from ...posteriors.utilities import Utility
from .bars import bar_of, log_odds_of, sharp_items, tails_at
from .budget import Quota, most_labels
from .checks import ProblemError, refuse_for_bandits, require_keywords
from .digest import digest_of
from .frame import problem_of_frame
from .priors import arms_of
from .remarks import remarks_on
from .statement import by_ratio, new_fields, plain, restated
from .toml import read_fields, write_problem
from .validation import validated

__all__ = ["Problem"]

# ``dataclasses.replace`` passes the constructor the problem itself beside the fields: it shows which fields are new.
_ITSELF = property(lambda self: self)


@dataclass(frozen=True, eq=False, init=False)
class Problem(ReadOnlyCopies):
    """A finite-budget sequential labelling problem.

    Parameters
    ----------
    threshold : array_like, shape (N,)
        Threshold t that each item's rate is compared with; inside (0, 1). From a log-ratio it may round to 1.
    budget : int or float
        Largest total cost of the labels. Where every label costs 1, a whole number, at least 1.
    weight : float or array_like, shape (N,)
        Importance v of each item; finite, at least 0, and positive for at least one item.
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
    label_price : float
        What a unit of the labels' cost takes from the payoff, beside the budget; at least 0.
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
    label_price: float
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
        label_price: float = 0.0,
        name: Sequence[str] | None = None,
        log_ratio: ArrayLike | None = None,
        beta: float | None = None,
        _of: Problem | None = None,
    ) -> None:
        if _of is not None:
            Problem.__init__(self, **restated(_of, new_fields(_of, locals())))
            return
        stated = {"threshold": threshold, "budget": budget, "weight": weight, "prior": prior, "utility": utility}
        stated |= {"cost": cost, "cap": cap, "quota": quota, "batch": batch, "reward": reward, "name": name}
        values, limit = validated(stated | {"label_price": label_price, "log_ratio": log_ratio, "beta": beta})
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

        Returns
        -------
        Problem

        Raises
        ------
        ProblemError
            For priors without a length, and for all that ``Problem`` refuses.

        Examples
        --------
        >>> from seqaudit import solve
        >>> round(solve(Problem.bandit(prior=[(1, 1), (1, 1)], horizon=60)).value, 10)
        38.5623432466
        """
        refuse_for_bandits(fields)
        arms = arms_of(prior)
        return cls(np.full(len(arms), 0.5), horizon, prior=arms, utility=None, reward=reward, **fields)

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
            As for ``Problem``, but for ``threshold``, ``log_ratio`` and ``beta``.

        Returns
        -------
        Problem

        Raises
        ------
        ProblemError
            For log-ratios or a beta outside their range, and for all that ``Problem`` refuses.

        Examples
        --------
        >>> Problem.from_logratio([0.0, 2.0], beta=1.0, budget=5).threshold.round(3)
        array([0.5  , 0.881])
        """
        return cls(**by_ratio(cls, c, beta, budget, fields))

    @classmethod
    def from_toml(cls, path: str | Path) -> Self:
        """Read a problem from a TOML file; see ``docs/problem-files.md`` for the keys.

        Parameters
        ----------
        path : str or Path

        Returns
        -------
        Problem

        Raises
        ------
        ProblemError
            For a file that cannot be read and for every fault in it, with the file's name and, where known, the line.
        """
        fields, where = read_fields(file_path("path", path))
        try:
            return cls.from_dict(fields)
        except ProblemError as error:
            raise ProblemError([where(fault) for fault in error.faults]) from None

    from_frame = classmethod(problem_of_frame)

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> Self:
        """Problem from keywords: those of ``from_logratio`` if ``c`` is among them, else those of ``Problem``.

        Parameters
        ----------
        fields : dict
            As returned by ``as_dict``.

        Returns
        -------
        Problem
        """
        require_keywords(fields)
        return cls.from_logratio(**fields) if "c" in fields else cls(**fields)

    def as_dict(self) -> dict[str, Any]:
        """Keywords that make an equal problem, as plain numbers, strings, lists and mappings.

        Returns
        -------
        dict of str, as ``from_dict`` takes

        Raises
        ------
        ValueError
            For a callable utility, which has no plain form.
        """
        return plain(self)

    def replace(self, **changes: Any) -> Self:
        """Copy of the problem with some fields changed.

        Other fields keep the values that were given: caps are those before the budget cut them, and a problem stated by
        log-ratios and beta keeps both, so that a new ``beta`` or ``log_ratio`` changes the thresholds; a new
        ``threshold`` drops them. The number of items stays. ``copy.replace`` and ``dataclasses.replace`` agree, except
        that the latter takes the problem's own arrays for unchanged fields.

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
        """Write the problem to a TOML file, from which ``from_toml`` reads an equal one.

        Parameters
        ----------
        path : str or Path
            The file appears whole or not at all.
        """
        write_problem(self, file_path("path", path))

    @property
    def asked_cap(self) -> Ints | None:
        """Caps as given, before the budget cut them, shape (N,), which ``replace`` keeps; None where none were given.

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
        """Largest number of labels that can be bought."""
        return most_labels(self.cost, self.cap, self.budget, self.quota)

    @property
    def unit_costs(self) -> bool:
        """True if every label costs 1."""
        return bool(np.all(self.cost == 1.0))

    @property
    def may_stop(self) -> bool:
        """True if buying no further label can be worth more than buying one.

        It is False where the utility is convex in the tail probability, no win costs anything and labels have no price.
        The tail probability is a martingale, so that no label lowers the expected payoff then (Jensen).
        """
        return self.label_price > 0 or bool((self.reward < 0).any()) or not self.utility.convex

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

    stated_log_odds = cached_property(log_odds_of)
    sharp = cached_property(sharp_items)

    def belief(self, i: int) -> Belief:
        """Prior belief about an item.

        Parameters
        ----------
        i : int
            Number of the item.

        Returns
        -------
        Belief
        """
        prior = self.prior[whole("item", i, 0, self.size - 1)]
        return Beta(*prior) if isinstance(prior, np.ndarray) else prior

    def tables(self, i: int) -> BeliefTables:
        """Belief tables of an item for 0 to ``cap[i]`` labels.

        Parameters
        ----------
        i : int
            Number of the item, from 0.

        Returns
        -------
        BeliefTables
            Arrays of shape (cap[i] + 1, cap[i] + 1), indexed [labels, wins].
        """
        return ask_tables(self.belief(i), int(self.cap[i]), bar_of(self, i))

    def tail_at(self, labels: ArrayLike, wins: ArrayLike) -> Floats:
        """Tail probability P(alpha > t) of every item after some labels.

        Parameters
        ----------
        labels, wins : array_like of int, shape (..., N)

        Returns
        -------
        ndarray, shape (..., N)
        """
        given = require_order_of(self.name, labels=labels, wins=wins)
        return tails_at(self, *(whole_array(*x) for x in given.items()))

    def check(self) -> list[str]:
        """Remarks on features of the problem that its author may not intend; an empty list where there are none.

        Returns
        -------
        list of str

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
        """SHA-256 hash, the same for equal problems in every process; a callable utility enters by its payoffs.

        Returns
        -------
        str of 64 hexadecimal digits
        """
        return digest_of(self)

    def __hash__(self) -> int:
        return hash((self.budget, self.utility, self.name, self.threshold.tobytes(), self.weight.tobytes()))
