"""The structure report in words."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ..posteriors.beta import Beta
from .problem import Problem

if TYPE_CHECKING:
    from .structure import Structure

__all__ = ["Counterexample", "percent", "state_in_words", "structure_report"]

# Items that are listed.
_LISTED = 20


@dataclass(frozen=True)
class Counterexample:
    """A state in which a label gains less than in one that can follow on it.

    Attributes
    ----------
    item : int
    labels, wins : int
        The state.
    gain : float
        Expected gain of one more label there.
    later_labels, later_wins, later_gain
        The same of the later state.
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
            f"{problem.name[i]}, t = {problem.threshold[i]:g}: {state_in_words(problem, i, self.labels, self.wins)} a "
            f"label gains {self.gain:.6g}, {state_in_words(problem, i, self.later_labels, self.later_wins)} it gains "
            f"{self.later_gain:.6g}"
        )


def structure_report(found: Structure) -> list[str]:
    """Lines of the report on a problem."""
    problem = found.problem
    lines = [f"{problem.size:,} items, {problem.labels:,} labels, utility {problem.utility.name}"]
    lines += [f"{name:<24}{text}" for name, text in _findings(found)]
    lines += _items(found)
    harmed = np.flatnonzero(found.harms[:, 0] >= 0)
    if len(harmed):
        n, i = min((int(found.harms[i, 0]), int(i)) for i in harmed)
        gain = found.gain(i, n, int(found.harms[i, 1]))
        where = state_in_words(problem, i, n, int(found.harms[i, 1]))
        lines.append(f"harm: {problem.name[i]}, {where}: one more label gains {gain:.6g}")
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
    """A line for each item, of the first of them."""
    rows = [("item", "flat start", "first rise", "defect", "largest violation", "states violating", "gamma")]
    rows += [
        (
            found.problem.name[i],
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
    """A state of an item: labels, wins, belief and tail."""
    belief = problem.belief(i)
    p = float(belief.at(labels, wins, float(problem.threshold[i])).tail)
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
    """A share as it is shown."""
    return f"{100 * share:.4g} %"
