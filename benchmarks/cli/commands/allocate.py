"""``seqaudit allocate``: the best allocation of a budget before any label is seen."""

from __future__ import annotations

from ....dp.bounds.upper_bound import upper_bound
from ....dp.designs.allocation import allocate as allocate_labels
from ...runner.folder import problem_as_inputs
from ..options import JsonOption, ProblemArgument, headline, nothing_kept, read_problem
from ..output import print_json, print_remarks, print_table

__all__ = ["allocate"]


def allocate(
    problem_file: ProblemArgument,
    as_json: JsonOption = False,
) -> None:
    """Allocate the budget before any label is seen."""
    problem = read_problem(problem_file)
    with nothing_kept():
        found = allocate_labels(problem)
        bound = upper_bound(problem).value
    if as_json:
        shown = ("value", "prior_value", "upper", "price", "quota_prices", "kkt_residual", "method")
        print_json(
            {
                "problem": problem_as_inputs(problem),
                **{key: getattr(found, key) for key in shown},
                "sequential_bound": bound,
                "counts": found.counts.tolist(),
                "defect": found.defect.tolist(),
                "remarks": problem.check(),
            }
        )
        return
    print_remarks(problem.check())
    print_table(
        headline(problem),
        ["item", "labels", "cost", "concavity defect"],
        [
            [name, str(labels), f"{labels * cost:g}", f"{defect:.6f}"]
            for name, labels, cost, defect in zip(
                problem.name, found.counts.tolist(), problem.cost.tolist(), found.defect.tolist(), strict=True
            )
            if labels
        ],
    )
    print(f"value            {found.value:.12g} ({found.method}; no allocation exceeds {found.upper:.12g})")
    print(f"with no labels   {found.prior_value:.12g}")
    print(f"adaptivity       worth at most {max(bound - found.value, 0.0):.6g}")
    print(f"shadow price     {found.price:.6g} a unit of cost")
    for k, price in enumerate(found.quota_prices, start=1):
        print(f"quota {k:<11}costs {price:.6g} a label")
    print(f"KKT residual     {found.kkt_residual:.3g}")
