"""The structure of one problem under several utilities, side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

from ...dp.problem.problem import Problem
from ...dp.structure.report import Structure
from ...dp.structure.structure import structure
from ...posteriors.foundation.kinds import checked
from ...posteriors.foundation.names import write_name
from ...posteriors.utilities import Asymmetric, Decisive, Utility, make_utility

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["USUAL", "structure_row", "structure_table", "structures", "utility_label"]

# Utilities that are compared by default.
USUAL: tuple[str | Utility, ...] = ("accuracy", Asymmetric(1, 3), "variance", "entropy", Decisive(0.05), "linear")


def utility_label(utility: Utility) -> str:
    """Name and parameters of a utility.

    Examples
    --------
    >>> utility_label(Asymmetric(1, 3))
    'asymmetric(gain=1, loss=3)'
    """
    known: dict[str, Any] = {f.name: getattr(utility, f.name) for f in fields(utility)} if is_dataclass(utility) else {}
    return write_name(utility.name, {name: f"{x:g}" for name, x in known.items() if isinstance(x, (int, float))})


def structures(
    problem: Problem,
    utilities: Sequence[str | dict[str, Any] | Utility | Callable[..., Any] | None] | None = None,
    *,
    exact: bool | None = None,
    threads: int | None = None,
    on_utility: Callable[[str], object] | None = None,
) -> list[Structure]:
    """``structure`` of the same problem under each utility; see ``structure_table``."""
    chosen = [make_utility(x) for x in (USUAL if utilities is None else utilities)]
    if not chosen:
        raise ValueError("utilities is empty; give at least one")
    found = []
    for utility in chosen:
        found.append(structure(problem.replace(utility=utility), exact=exact, threads=threads))
        if on_utility is not None:
            on_utility(utility_label(utility))
    return found


@checked
def structure_table(
    problem: Problem,
    utilities: Sequence[str | dict[str, Any] | Utility | Callable[..., Any] | None] | None = None,
    *,
    exact: bool | None = None,
    threads: int | None = None,
) -> pd.DataFrame:
    """Diminishing returns of labels, and the value of greedy labelling, under several utilities.

    Parameters
    ----------
    problem : Problem
        Its own utility is ignored.
    utilities : sequence, optional
        Names, mappings, utilities or callables; default: ``USUAL``, the named ones.
    exact, threads
        As for ``structure``.

    Returns
    -------
    DataFrame
        A row for each utility. ``rising`` is the share of items for which a later label gains more than the one before,
        ``flat`` the largest number of first labels of an item that gain nothing, ``defect`` the largest concavity
        defect, and ``counterexample`` the smallest one to adaptive submodularity, in words, empty if there is none.

    Examples
    --------
    >>> found = structure_table(Problem([0.5, 0.7], budget=6), ["variance", "linear"])
    >>> found[["utility", "monotone", "submodular", "rising"]].values.tolist()
    [['variance', True, False, 0.0], ['linear', True, True, 0.0]]
    """
    import pandas as pd

    return pd.DataFrame([structure_row(x) for x in structures(problem, utilities, exact=exact, threads=threads)])


def structure_row(found: Structure) -> dict[str, Any]:
    """Row of ``structure_table``."""
    example = found.counterexample()
    return {
        "utility": utility_label(found.problem.utility),
        "monotone": found.monotone,
        "submodular": found.submodular,
        "violation": found.violation,
        "share": found.share,
        "rising": float((found.first_rises > 0).mean()),
        "flat": int(found.flat.max()),
        "defect": float(found.defects.max()),
        "ratio": found.ratio,
        "guarantee": found.guarantee,
        "greedy_share": found.greedy_share,
        "counterexample": "" if example is None else str(example),
    }
