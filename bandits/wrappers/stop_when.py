"""Optional stopping on top of any policy."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Literal

import numpy as np

from ...dp.problem.budget import with_slack
from ...dp.problem.identical import classes
from ...dp.problem.problem import Problem
from ...dp.single_item.paying import fewest_that_pay
from ...posteriors.foundation.arrays import Bools, Ints
from ...posteriors.foundation.memory import require_memory
from ...posteriors.foundation.refusals import one_of, whole
from ..policies.variance_reduction import VarianceReduction
from ..policy import Policy
from .wrapper import Wrapper

__all__ = ["StopWhen"]

# Problems whose tables are kept.
_PROBLEMS = 4


@dataclass(frozen=True)
class StopWhen(Wrapper):
    """Label as the base policy does, and stop buying where no item is worth its labels any more.

    Rules: ``"never"`` stops as the base does, if at all. ``"gain"`` stops where for no item any fixed number of further
    labels, within its cap and the budget left, raises the expected payoff by more than they cost. ``"bound"`` stops
    where the Lagrangian bound on all that can be gained is zero at the label price: where no item is worth labelling
    even if its labels may stop at any time. Without quotas and batches, and with ``most`` as large as the caps, it is
    then optimal to stop, and nowhere else (``dp.single_item.paying``). Stopping is allowed once all quotas are met.

    Parameters
    ----------
    base : Policy or registered name
    rule : {"bound", "gain", "never"}
    most : int
        Largest number of further labels of an item to look ahead.

    Raises
    ------
    ValueError
        For an unknown base or rule, and ``most`` below 1.

    Examples
    --------
    >>> import seqaudit as sa
    >>> problem = sa.Problem([0.5, 0.7], budget=6, label_price=0.04)
    >>> [round(sa.evaluate(problem, x).value, 6) for x in (sa.VarianceReduction(), StopWhen("variance-reduction"))]
    [1.419956, 1.476867]
    >>> round(sa.solve(problem).value, 6)
    1.476867
    """

    base: Policy | str = VarianceReduction()  # noqa: RUF009 - frozen
    rule: Literal["bound", "gain", "never"] = "bound"
    most: int = 64
    name: ClassVar[str] = "stop-when"

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of(f"{self.name}: rule", self.rule, ("bound", "gain", "never"))
        whole(f"{self.name}: most", self.most, least=1)

    def require(self, problem: Problem) -> None:
        """Raise where the base does not apply to the problem, or the tables of all items do not fit in memory."""
        super().require(problem)
        if self.rule != "never":
            _, first = np.unique(classes(problem), return_index=True)
            cells = float(((problem.cap[first] + 1.0) ** 2).sum())
            what = f"{self.name}, with tables of {len(first)} different items"
            require_memory(48.0 * cells, what=what, instead="take smaller caps")

    @property
    def stopping(self) -> bool:
        """True unless the rule is "never" and the base does not stop."""
        return self.rule != "never" or self.based_on.stopping

    def stops(self, problem: Problem, counts: Ints, wins: Ints, usable: Bools) -> Bools:
        """Mask of the states in which the policy buys no further label, shape (S,)."""
        out = super().stops(problem, counts, wins, usable)
        if self.rule == "never":
            return out
        kind, tables = _tables(problem, int(self.most), self.rule == "bound")
        left = (with_slack(problem.budget) - counts @ problem.cost)[:, None]
        labels = np.minimum(problem.cap - counts, np.floor(left / problem.cost))
        pays = np.zeros(counts.shape, dtype=bool)
        for i in range(problem.size):
            needed = tables[kind[i]][counts[:, i], wins[:, i]]
            pays[:, i] = usable[:, i] & (needed > 0) & (needed <= labels[:, i])
        return out | ~pays.any(axis=1)


@lru_cache(maxsize=_PROBLEMS)
def _tables(problem: Problem, most: int, adaptive: bool) -> tuple[Ints, list[Ints]]:
    """Kind of each item, shape (N,), and the table of ``fewest_that_pay`` for each kind."""
    _, first, kind = np.unique(classes(problem), return_index=True, return_inverse=True)
    return kind.reshape(-1), [fewest_that_pay(problem, int(i), most, adaptive=adaptive) for i in first]
