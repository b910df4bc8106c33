"""Exact values of policies and of the optimum on one problem, without simulation.

The *share* of a policy is the fraction of the possible gain that it earns,

    (value - value of no labels) / (optimum - value of no labels),

and its *regret* is the optimum minus its value. The bounds are in the same table: the gap between the optimum and the
Lagrangian bound is the price of a certificate without an exact solution.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from ...bandits.choice import choose_policies
from ...bandits.policy import Policy
from ...bandits.registry import label
from ...dp.bounds.upper_bound import upper_bound
from ...dp.evaluation.evaluate import evaluate
from ...dp.evaluation.forward import require_evaluation
from ...dp.exact.lattice import Lattice
from ...dp.exact.solve import solve
from ...dp.problem.problem import Problem
from ...posteriors.foundation.kinds import checked
from ...posteriors.foundation.shares import no_gain, share_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["compare", "comparison_rows", "comparison_table"]

Row = dict[str, Any]


@checked
def compare(
    problem: Problem, policies: Sequence[str | Policy] | None = None, *, threads: int | None = None
) -> pd.DataFrame:
    """Exact values of policies, the optimum and the bounds.

    Parameters
    ----------
    problem : Problem
    policies : sequence of names or policies, optional
        Default: every registered one.
    threads : int, optional
        Default: all cores.

    Returns
    -------
    pandas.DataFrame
        Columns ``policy``, ``kind`` ("bound", "optimum", "policy" or "nothing"), ``value``, ``share``, ``regret`` and
        ``seconds``, largest value first. ``attrs["remarks"]`` lists what was left out and why;
        ``attrs["headroom"]`` is the share of the possible gain that ``uniform`` leaves, or None without it.

    Raises
    ------
    ProblemTooLarge
        If the problem is too large to be solved exactly.

    Examples
    --------
    >>> import seqaudit as sa
    >>> table = sa.compare(sa.Problem([0.5, 0.5], budget=10), ["kg", "optimistic-kg"])
    >>> print(table[["policy", "value"]].round(4).to_string(index=False, header=False))
    clairvoyant bound 2.0000
     lagrangian bound 1.7448
              optimum 1.7061
        optimistic-kg 1.7057
                   kg 1.6865
            no labels 1.0000
    """
    jobs, remarks = comparison_rows(problem, policies, threads=threads)
    return comparison_table([job() for _, job in jobs], remarks)


def comparison_rows(
    problem: Problem, policies: Sequence[str | Policy] | None = None, *, threads: int | None = None
) -> tuple[list[tuple[str, Callable[[], Row]]], list[str]]:
    """Name and computation of each row, and remarks: for callers that show progress or store finished rows.

    All input is checked here, before any computation.
    """
    if problem.batch > 1:
        raise ValueError(f"batch is {problem.batch}: compare values policies that choose label by label; see solve")
    Lattice.of(problem).require()
    chosen, remarks = choose_policies(problem, policies, require=partial(require_evaluation, problem))

    def timed(name: str, kind: str, value: Callable[[], float]) -> tuple[str, Callable[[], Row]]:
        def row() -> Row:
            begin = time.perf_counter()
            found = value()
            return {"policy": name, "kind": kind, "value": found, "seconds": time.perf_counter() - begin}

        return name, row

    def rows() -> Iterator[tuple[str, Callable[[], Row]]]:
        yield timed("optimum", "optimum", lambda: solve(problem, threads=threads).value)
        yield timed("lagrangian bound", "bound", lambda: upper_bound(problem, "lagrangian").value)
        try:
            clairvoyant = upper_bound(problem, "clairvoyant").value
            yield timed("clairvoyant bound", "bound", lambda: clairvoyant)
        except ValueError as error:
            remarks.append(f"clairvoyant bound left out: {error}")
        for policy in chosen:
            yield timed(label(policy), "policy", partial(_value, problem, policy, threads))
        yield timed("no labels", "nothing", lambda: problem.prior_value)

    return list(rows()), remarks


def _value(problem: Problem, policy: Policy, threads: int | None) -> float:
    return evaluate(problem, policy, threads=threads).value


def comparison_table(rows: Sequence[Row], remarks: Sequence[str] = ()) -> pd.DataFrame:
    """Table of rows with their shares and regrets."""
    import pandas as pd

    table = pd.DataFrame(list(rows))
    value = table.set_index("policy")["value"]
    gain = value["optimum"] - value["no labels"]
    table["share"] = share_of(table["value"] - value["no labels"], gain, value["optimum"])
    if table["share"].isna().all():
        remarks = [*remarks, no_gain(value["no labels"])]
    table["regret"] = value["optimum"] - table["value"]
    # Values that differ only by rounding keep the order in which they were computed.
    order = table["value"].round(12)
    table = table.assign(_order=order).sort_values("_order", ascending=False, kind="stable").drop(columns="_order")
    rank = table["kind"].map({"bound": 0, "optimum": 1, "policy": 2, "nothing": 3})
    table = table.assign(_rank=rank).sort_values("_rank", kind="stable").drop(columns="_rank")
    table = table[["policy", "kind", "value", "share", "regret", "seconds"]].reset_index(drop=True)
    table.attrs["remarks"] = list(remarks)
    left = [1.0 - x for x in table.loc[table["policy"] == "uniform", "share"] if not math.isnan(x)]
    table.attrs["headroom"] = float(left[0]) if left else None
    return table
