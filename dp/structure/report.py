"""Structure report: the properties of a problem, and their text."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ...posteriors.beliefs.asking import ask_at
from ...posteriors.beliefs.beta import Beta
from ...posteriors.foundation.arrays import Floats, Ints
from ...posteriors.foundation.messages import named
from ...posteriors.foundation.notebook import html_table
from ...posteriors.foundation.refusals import whole
from ...posteriors.foundation.tolerances import ROUNDING
from ..problem.bars import bar_of
from ..problem.problem import Problem
from ..single_item.curves import Curves, gain_tables

if TYPE_CHECKING:
    import pandas as pd


__all__ = ["Counterexample", "Structure", "percent", "state_in_words", "structure_report"]

# Largest number of items that are listed.
_LISTED = 20


@dataclass(frozen=True)
class Counterexample:
    """State of an item in which a label gains less than in a later state that can follow it.

    ``print`` shows it as a sentence. One is enough to refute adaptive submodularity.

    Attributes
    ----------
    problem : Problem
    item : int
        Number of the item.
    labels, wins : int
        The state.
    gain : float
        Expected gain of one more label in the state.
    later_labels, later_wins : int
        The later state.
    later_gain : float
        Expected gain of one more label in the later state.
    """

    problem: Problem = field(repr=False)
    item: int
    labels: int
    wins: int
    gain: float
    later_labels: int
    later_wins: int
    later_gain: float

    def __str__(self) -> str:
        problem, i = self.problem, self.item
        return (
            f"{named(problem.name[i])}, t = {problem.threshold[i]:g}: "
            f"{state_in_words(problem, i, self.labels, self.wins)} a label gains {self.gain:.6g}, "
            f"{state_in_words(problem, i, self.later_labels, self.later_wins)} it gains "
            f"{self.later_gain:.6g}"
        )


def structure_report(found: Structure) -> list[str]:
    """Lines of the printed report."""
    problem = found.problem
    lines = [f"{problem.size:,} items, {problem.labels:,} labels, utility {problem.utility.name}"]
    lines += [f"{name:<24}{text}" for name, text in _findings(found)]
    lines += _items(found)
    harmed = np.flatnonzero(found.harms[:, 0] >= 0)
    if len(harmed):
        n, i = min((int(found.harms[i, 0]), int(i)) for i in harmed)
        gain = found.gain(i, n, int(found.harms[i, 1]))
        where = state_in_words(problem, i, n, int(found.harms[i, 1]))
        lines.append(f"harm: {named(problem.name[i])}, {where}: one more label gains {gain:.6g}")
    example = found.counterexample()
    if example is not None:
        lines.append(f"rise: {example}")
    return lines


def _findings(found: Structure) -> list[tuple[str, str]]:
    line = -math.expm1(-1.0)
    rise = f"violated by up to {found.violation:.6g}"
    if found.share is not None:
        rise += f", in {percent(found.share)} of {found.states:,} joint states" if found.states is not None else ""
    rising = f"no: expected gains rise for {int((found.first_rises > 0).sum()):,} of {len(found.flat):,} items"
    earned = "not computed" if found.greedy_value is None else "nothing can be gained"
    if found.greedy_share is not None:
        earned = f"{percent(found.greedy_share)} of the best possible gain; the line of 1 - 1/e is {percent(line)}"
    return [
        ("adaptive monotonicity", "holds" if found.monotone else "violated: a label may do harm"),
        ("adaptive submodularity", "holds" if found.submodular else rise),
        (
            "concave in labels",
            "yes" if found.concave else rising,
        ),
        ("proved of greedy", _proved(found)),
        ("greedy earns", earned),
        *(("note", remark) for remark in found.remarks),
    ]


def _proved(found: Structure) -> str:
    problem = found.problem
    if found.ratio is None:
        return "nothing: labels may do harm"
    if found.guarantee is None:
        why = "labels differ in cost" if np.any(problem.cost != problem.cost[0]) else "there are quotas"
        return f"nothing: {'labels come in batches' if problem.batch > 1 else why}"
    if found.ratio == 0.0:
        return "nothing: gamma = 0"
    return f"at least {percent(found.guarantee)} of the best possible gain (gamma = {found.ratio:.6g})"


def _items(found: Structure) -> list[str]:
    """Lines of the table of items, of which the first 20 are listed."""
    rows = [("item", "flat start", "first rise", "defect", "largest violation", "states violating", "gamma")]
    rows += [
        (
            named(found.problem.name[i]),
            str(found.flat[i]),
            str(found.first_rises[i] or "-"),
            f"{found.defects[i]:.6f}",
            f"{found.violations[i]:.6f}",
            percent(float(found.shares[i])),
            f"{found.ratios[i]:.4g}",
        )
        for i in range(min(found.problem.size, _LISTED))
    ]
    width = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join([row[0].ljust(width[0]), *(x.rjust(k) for x, k in zip(row[1:], width[1:], strict=True))])
        for row in rows
    ]
    left = found.problem.size - _LISTED
    return lines + ([f"and {left:,} more items"] if left > 0 else [])


def state_in_words(problem: Problem, i: int, labels: int, wins: int) -> str:
    """Description of a state of an item: labels, wins, belief and tail probability."""
    belief = problem.belief(i)
    p = float(ask_at(belief, labels, wins, bar_of(problem, i)).tail)
    later = belief.after(wins, labels - wins)
    shown = f"Beta({later.a:g}, {later.b:g}), " if isinstance(later, Beta) else ""
    if labels == 0:
        seen = "no label"
    elif labels == 1:
        seen = "1 label, a win" if wins else "1 label, a loss"
    else:
        seen = f"{labels} labels, {wins} of them {'a win' if wins == 1 else 'wins'}"
    return f"after {seen} ({shown}p = {p:.6g})"


def percent(share: float) -> str:
    """Share as a percentage, for display."""
    return f"{100 * share:.4g} %"


@dataclass(frozen=True, eq=False)
class Structure:
    """Diminishing returns of the labels of a problem's items.

    ``print`` shows it as a report.

    Attributes
    ----------
    problem : Problem
    curves : Curves
        Expected gain of each item after 0, 1, .. labels, up to the largest number that budget, caps and quotas allow;
        ``curves.of(i)``.
    defects : ndarray, shape (N,)
        Concavity defect of each item's curve.
    first_rises : ndarray of int, shape (N,)
        First label whose expected gain is larger than that of the label before; 0 where there is none.
    flat : ndarray of int, shape (N,)
        Number of first labels that leave the expected payoff unchanged; all labels if none changes it.
    violations : ndarray, shape (N,)
        Largest violation of adaptive submodularity, 0 where it holds.
    shares : ndarray, shape (N,)
        Share of the item's states that violate adaptive submodularity.
    ratios : ndarray, shape (N,)
        Adaptive submodularity ratio; 1 where there is no violation.
    harms : ndarray of int, shape (N, 2)
        Labels and wins of the first state in which a label's expected gain is negative; -1 where there is none.
    rises : ndarray of int, shape (N, 4)
        Labels and wins of the smallest counterexample, and of its later state; -1 where there is none.
    states, violating : int or None
        Numbers of joint states in which a label is available, and in which an available label violates adaptive
        submodularity; None if there are too many to count.
    greedy_value, optimal_value : float or None
        Exact values of the greedy policy and of the optimal policy; None if not computed.
    prior_value : float
        Expected payoff of buying no label.
    remarks : tuple of str
        Reasons for missing results, and limits of the guarantee.
    """

    problem: Problem
    curves: Curves = field(repr=False)
    defects: Floats
    first_rises: Ints
    flat: Ints
    violations: Floats
    shares: Floats
    ratios: Floats
    harms: Ints
    rises: Ints
    states: int | None
    violating: int | None
    greedy_value: float | None
    optimal_value: float | None
    prior_value: float
    remarks: tuple[str, ...]

    @property
    def monotone(self) -> bool:
        """True if no label does harm in expectation: adaptive monotonicity."""
        return bool(np.all(self.harms[:, 0] < 0))

    @property
    def submodular(self) -> bool:
        """True if adaptive submodularity holds."""
        return bool(np.all(self.rises[:, 0] < 0))

    @property
    def concave(self) -> bool:
        """True if the expected gain of successive labels never rises, for every item."""
        return bool(np.all(self.first_rises == 0))

    @property
    def violation(self) -> float:
        """Largest violation of adaptive submodularity."""
        return float(self.violations.max())

    @property
    def share(self) -> float | None:
        """Share of joint states in which an available label violates adaptive submodularity; None if not counted."""
        if self.submodular:
            return 0.0
        return None if not self.states or self.violating is None else self.violating / self.states

    @property
    def ratio(self) -> float | None:
        """Adaptive submodularity ratio; None where labels may do harm."""
        return float(self.ratios.min()) if self.monotone else None

    @property
    def guarantee(self) -> float | None:
        """Share of the best possible gain that greedy is proved to earn, 1 - e^-ratio; None if nothing is proved.

        The theorem needs labels that do no harm, cost the same and are bought one at a time, and no quotas.
        """
        plain = bool(np.all(self.problem.cost == self.problem.cost[0])) and not self.problem.quota
        if self.ratio is None or not plain or self.problem.batch > 1:
            return None
        return -math.expm1(-self.ratio)

    @property
    def greedy_share(self) -> float | None:
        """Exact share of the best possible gain that greedy earns; None if unknown or if nothing can be gained."""
        if self.greedy_value is None or self.optimal_value is None:
            return None
        possible = self.optimal_value - self.prior_value
        if possible <= ROUNDING * self.problem.size * self.problem.payoff_scale:
            return None
        return (self.greedy_value - self.prior_value) / possible

    def counterexample(self, i: int | None = None) -> Counterexample | None:
        """Smallest counterexample to adaptive submodularity.

        It has the fewest labels, then the fewest labels between the two states, then the first item.

        Parameters
        ----------
        i : int, optional
            Number of an item; default: all items.

        Returns
        -------
        Counterexample or None
            None if adaptive submodularity holds.

        Examples
        --------
        >>> from seqaudit import structure
        >>> example = structure(Problem([0.5], budget=3)).counterexample()
        >>> example.labels, example.wins, example.later_labels, example.later_wins
        (1, 0, 2, 1)
        >>> round(example.gain, 6), round(example.later_gain, 6)
        (0.0, 0.1875)
        """
        if i is not None:
            whole("item", i, 0, self.problem.size - 1)
        else:
            n, later = self.rises[:, 0], self.rises[:, 2]
            some = np.flatnonzero(n >= 0)
            if not len(some):
                return None
            i = int(some[np.lexsort((later[some] - n[some], n[some]))[0]])
        n, w, later_n, later_w = self.rises[i].tolist()
        if n < 0:
            return None
        gain, later_gain = (self.gain(i, *at) for at in ((n, w), (later_n, later_w)))
        return Counterexample(self.problem, i, n, w, gain, later_n, later_w, later_gain)

    def gain(self, i: int, labels: int, wins: int) -> float:
        """Expected gain of one more label of an item in one of its states.

        Parameters
        ----------
        i : int
            Number of the item.
        labels, wins : int
            Labels of the item, fewer than its cap, and wins among them.

        Returns
        -------
        float
            In units of payoff.

        Raises
        ------
        ValueError
            For an item, labels or wins out of range.

        Examples
        --------
        >>> from seqaudit import structure
        >>> structure(Problem([0.5], budget=3)).gain(0, labels=1, wins=0)
        0.0
        """
        whole("item", i, 0, self.problem.size - 1)
        cap = int(self.problem.cap[i])
        name = named(self.problem.name[i])
        below = f"a whole number, at least 0 and below {cap}, the cap of {name}"
        labels = whole("labels", labels, 0, cap - 1, below)
        wins = whole("wins", wins, 0, labels, f"a whole number from 0 to {labels}, the labels")
        return float(gain_tables(self.problem, np.array([i]))[1][0, labels, wins])

    def table(self) -> pd.DataFrame:
        """Properties of the items as a table.

        Returns
        -------
        pandas.DataFrame
            One row for each item.

        Examples
        --------
        >>> from seqaudit import structure
        >>> found = structure(Problem([0.5, 0.95], budget=20)).table()
        >>> found[["item", "flat", "first_rise"]].values.tolist()
        [['item 1', 0, 3], ['item 2', 12, 13]]
        """
        import pandas as pd

        columns = {
            "item": self.problem.name,
            "cap": self.problem.cap,
            "flat": self.flat,
            "first_rise": self.first_rises,
            "defect": self.defects,
            "monotone": self.harms[:, 0] < 0,
            "violation": self.violations,
            "share": self.shares,
            "ratio": self.ratios,
        }
        return pd.DataFrame(columns)

    def __str__(self) -> str:
        return "\n".join(structure_report(self))

    def __repr__(self) -> str:
        return f"Structure({self.problem!r}, monotone {self.monotone}, submodular {self.submodular})"

    def _repr_html_(self) -> str:
        return html_table(self.__repr__(), self.table())
