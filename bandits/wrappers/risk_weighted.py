"""Risk weights: labels are bought as if some items had larger weights than in the payoff."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from ...dp.problem.problem import Problem
from ...posteriors.foundation.messages import listed, named, shown
from ...posteriors.foundation.number_arrays import item_labels, number_array, read_numbers
from ...posteriors.foundation.refusals import positive
from .item_data import PerItem, Slices, require_rows
from .wrapper import Wrapper

__all__ = ["RiskWeighted"]


@lru_cache(maxsize=16)
def _reweighted(problem: Problem, risk: PerItem) -> Problem:
    with np.errstate(over="ignore", under="ignore"):
        weight = problem.weight * risk.values
    for i in np.flatnonzero(~np.isfinite(weight) | ((weight == 0.0) & (problem.weight > 0.0))):
        raise ValueError(
            f"risk-weighted: risk of {named(problem.name[i])} is {risk.values[i]}; times its weight, "
            f"{problem.weight[i]}, it is {weight[i]}, which must be positive and finite"
        )
    return problem.replace(weight=weight)


@dataclass(frozen=True)
class RiskWeighted(Wrapper):
    """Label as a base policy does on the problem whose weights are multiplied by a risk.

    Rule: the base is shown weights v_i rho_i in place of v_i. Payoffs, budget and constraints stay as they are, so the
    value is measured on the user's problem, and never exceeds its optimum. Where all rho_i are equal, a base whose
    choices do not depend on the unit of payoff makes the same choices as it does alone. Rewards are not multiplied.

    Parameters
    ----------
    base : Policy or registered name
    risk : array_like, shape (N,), or mapping
        Positive number rho of each item, or of each slice by its label.
    slices : sequence, optional
        With a mapping: the label of each item's slice, None for an item in no slice, whose risk is 1. Only the risk of
        each item is kept, so ``slices`` is None once the policy is made.

    Raises
    ------
    ValueError
        For a risk that is not positive and finite, and slices without a risk or the reverse; on use, for a problem with
        another number of items.

    Examples
    --------
    >>> import seqaudit as sa
    >>> problem = sa.Problem([0.6, 0.6, 0.6], budget=6)
    >>> careful = sa.RiskWeighted("variance-reduction", {"medical": 9}, slices=[None, "medical", None])
    >>> sa.simulate(problem, careful, replications=100, seed=7).labels
    array([0.69, 4.56, 0.75])
    """

    risk: ArrayLike | Mapping[Any, float] | PerItem
    slices: Iterable[Any] | None = None
    name: ClassVar[str] = "risk-weighted"

    def __post_init__(self) -> None:
        super().__post_init__()
        try:
            object.__setattr__(self, "risk", _risk_of_items(self.risk, self.slices))
        except ValueError as error:
            raise ValueError(f"{self.name}: {error}") from None
        object.__setattr__(self, "slices", None)

    def seen(self, problem: Problem) -> Problem:
        """Problem with weights multiplied by the risk."""
        assert isinstance(self.risk, PerItem)
        require_rows(self.name, "risk", self.risk, problem.name)
        return _reweighted(problem, self.risk)


def _risk_of_items(risk: Any, slices: Iterable[Any] | None) -> PerItem:
    if isinstance(risk, PerItem):
        return risk
    if isinstance(risk, Mapping):
        if slices is None:
            raise ValueError("risk is given by slice; slices must hold the label of each item's slice")
        return _risk_of_slices(risk, Slices.of(slices))
    if slices is not None:
        raise ValueError("slices are given; risk must then be a mapping from their labels to numbers")
    given, bad = read_numbers(risk)
    if bad and not given.ndim:
        raise ValueError(f"risk is {shown(risk)}; it must be a positive number for each item, or for each slice")
    labels, given = item_labels(risk), number_array("risk", risk)
    if given.ndim != 1:
        raise ValueError(f"risk has shape {given.shape}; it must be (N,), a number for each item")
    for i in np.flatnonzero(~((given > 0) & np.isfinite(given))):
        raise ValueError(f"risk of item number {i} is {given[i]}; it must be positive and finite")
    return PerItem(given, labels=labels)


def _risk_of_slices(risk: Mapping[Any, Any], slices: Slices) -> PerItem:
    stray = [label for label in risk if label not in slices.names]
    if stray:
        raise ValueError(f"risk names the slice {shown(stray[0])}; there are {listed(slices.names)}")
    out = np.ones(len(slices))
    for label, items in slices:
        if label not in risk:
            raise ValueError(f"slice {shown(label)} has no risk; give it one, 1 to leave its weights as they are")
        out[items] = positive(f"risk of slice {shown(label)}", risk[label])
    return PerItem(out, labels=slices.codes.labels)
