"""Minimum coverage: every slice of the items gets a minimum of labels, whatever the base policy prefers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import Any, ClassVar, Literal

import numpy as np

from ...dp.problem.availability import Availability
from ...dp.problem.budget import entangled, least_cost, with_slack
from ...dp.problem.problem import Problem
from ...posteriors.foundation.arrays import Bools, Floats, Ints
from ...posteriors.foundation.messages import listed, shown
from ...posteriors.foundation.refusals import one_of, whole
from ..scoring import chances_of
from .item_data import Slices, require_rows
from .wrapper import Wrapper

__all__ = ["MinimumCoverage"]


# Most combinations of unmet minima of quotas that share items; the work for one label grows with them.
_MOST_TANGLED = 1e9


@dataclass(frozen=True, eq=False)
class _Rules:
    """A problem with the slices' minima among its quotas, and the labels that are available under them."""

    problem: Problem
    available: Availability
    slices: tuple[tuple[Any, int], ...]

    def lacking(self, bought: Ints) -> Bools:
        """True for each item in a slice that lacks labels, shape (S, N)."""
        out = np.zeros(bought.shape, dtype=np.bool_)
        for items, least in self.slices:
            short = bought[:, items].sum(axis=1) < least
            out[np.ix_(short, items)] = True
        return out


@lru_cache(maxsize=16)
def _rules(problem: Problem, name: str, slices: Slices, minimum: int | tuple[tuple[Any, int], ...]) -> _Rules:
    require_rows(name, "slices", slices, problem.name)
    asked = dict.fromkeys(slices.names, minimum) if isinstance(minimum, int) else dict(minimum)
    pairs = [(label, items, asked[label]) for label, items in slices if asked.get(label, 0)]
    for label, items, least in pairs:
        room = int(problem.cap[items].sum())
        if least > room:
            raise ValueError(
                f"{name}: slice {shown(label)} needs {least} labels; its items can have {room} between them"
            )
    quota = (*problem.quota, *((tuple(items.tolist()), least) for _, items, least in pairs))
    for part in entangled(quota):
        if len(part) > 1 and prod(quota[q][1] + 1.0 for q in part) > _MOST_TANGLED:
            raise ValueError(
                f"{name}: the minima of the slices cross the problem's quotas in more ways than can be searched "
                "for each label; state smaller minima, or fewer quotas that share items with several slices"
            )
    cost = least_cost(quota, problem.cost, problem.cap) if quota else 0.0
    if cost > with_slack(problem.budget):
        also = " and the problem's quotas" if problem.quota else ""
        if np.isinf(cost):
            raise ValueError(f"{name}: the minima of the slices{also} cannot all be met within the caps")
        raise ValueError(
            f"{name}: the minima of the slices{also} cost at least {cost:g}; the budget is {problem.budget:g}"
        )
    stated = problem.replace(quota=quota, batch=1)
    if problem.batch > 1:
        # Labels reserved for expensive slices may lower the total number that can be bought.
        stated = stated.replace(batch=max(1, min(problem.batch, stated.labels)))
    return _Rules(stated, Availability(stated), tuple((items, least) for _, items, least in pairs))


@dataclass(frozen=True)
class MinimumCoverage(Wrapper):
    """Label as a base policy does, and give every slice of the items a minimum number of labels by the end.

    Rule, with ``when="last"``: the base chooses among the items from which the minima can still be met, as if they were
    quotas of the problem (see ``seqaudit.dp.problem.availability``). The base is therefore free until the budget left
    is just enough for the labels that the slices lack. With ``when="first"`` it chooses among the items of slices that
    lack labels, as long as there are such slices. The base is shown the problem with the minima among its quotas, and
    may stop once they are met. Where unasked labels have used budget that the slices need, the rest goes first to
    slices that lack labels.

    Parameters
    ----------
    base : Policy or registered name
    slices : sequence
        The label of each item's slice; None for an item in no slice.
    minimum : int or mapping
        Number of labels for every slice, or for each slice by its label; slices that a mapping does not name have none.
    when : {"last", "first"}
        Meet the minima as late as possible, or before all other labels.

    Raises
    ------
    ValueError
        For a minimum that is not a whole number or names no slice; on use, for a problem with another number of items,
        or with caps or a budget that do not allow the minima.

    Examples
    --------
    >>> import seqaudit as sa
    >>> problem = sa.Problem([0.6, 0.6, 0.95], budget=6)
    >>> covered = sa.MinimumCoverage("variance-reduction", ["easy", "easy", "hard"], minimum=2)
    >>> sa.simulate(problem, "variance-reduction", replications=100, seed=7).labels
    array([2.87, 3.13, 0.  ])
    >>> sa.simulate(problem, covered, replications=100, seed=7).labels
    array([1.97, 2.03, 2.  ])
    """

    slices: Iterable[Any]
    minimum: int | Mapping[Any, int] | tuple[tuple[Any, int], ...] = 1
    when: Literal["last", "first"] = "last"
    name: ClassVar[str] = "minimum-coverage"

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of(f"{self.name}: when", self.when, ("last", "first"))
        try:
            slices = Slices.of(self.slices)
            object.__setattr__(self, "minimum", _minimum_of(self.minimum, slices))
        except ValueError as error:
            raise ValueError(f"{self.name}: {error}") from None
        object.__setattr__(self, "slices", slices)

    def seen(self, problem: Problem) -> Problem:
        """Problem with the minima among its quotas."""
        return self._rules(problem).problem

    def action_probabilities(
        self, problem: Problem, counts: Ints, wins: Ints, usable: Bools, pending: Ints | None = None
    ) -> Floats:
        """Probability of labelling each item, shape (S, N): the base's, among those that may be labelled."""
        bought = counts if pending is None else counts + pending
        rules, may = self._rules(problem), self.allowed(problem, bought, usable)
        # States from which the minima cannot be met do not exist in the problem with these quotas: show the original.
        lost = ~(usable & rules.available.items(bought)).any(axis=1)
        out = np.empty(counts.shape)
        for rows, stated in ((~lost, rules.problem), (lost, problem)):
            if rows.any():
                more = None if pending is None else pending[rows]
                out[rows] = chances_of(self.based_on, stated, counts[rows], wins[rows], may[rows], more)
        return out

    def allowed(self, problem: Problem, bought: Ints, usable: Bools) -> Bools:
        """Items that may be labelled, shape (S, N): those from which the minima can be met, and then the base's."""
        rules = self._rules(problem)
        may = usable & rules.available.items(bought)
        lost = ~may.any(axis=1, keepdims=True)
        may = np.where(lost, usable, may)
        if self.when == "first" or lost.any():
            short = may & rules.lacking(bought)
            serve = short.any(axis=1, keepdims=True) & (lost | (self.when == "first"))
            may = np.where(serve, short, may)
        return super().allowed(problem, bought, may)

    def must_go_on(self, problem: Problem, bought: Ints, usable: Bools) -> Bools:
        """Mask of the states, shape (S,), in which a slice lacks labels and one of its items can be labelled."""
        short = (usable & self._rules(problem).lacking(bought)).any(axis=1)
        return np.asarray(short | super().must_go_on(problem, bought, usable))

    def _rules(self, problem: Problem) -> _Rules:
        assert isinstance(self.slices, Slices)
        assert isinstance(self.minimum, (int, tuple))
        return _rules(problem, self.name, self.slices, self.minimum)


def _minimum_of(minimum: Any, slices: Slices) -> int | tuple[tuple[Any, int], ...]:
    if not isinstance(minimum, (Mapping, tuple)):
        return whole("minimum", minimum)
    try:
        given = dict(minimum)
    except (TypeError, ValueError):
        raise ValueError(
            f"minimum is {shown(minimum)}; it must be a whole number, or one for each slice by label"
        ) from None
    stray = [label for label in given if label not in slices.names]
    if stray:
        raise ValueError(f"minimum names the slice {shown(stray[0])}; there are {listed(slices.names)}")
    # In the order of the slices, so that equal minima are equal.
    return tuple((x, whole(f"minimum of slice {shown(x)}", given[x])) for x in slices.names if x in given)
