"""``seqaudit structure``: diminishing returns of labels, and the value of greedy labelling."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ....dp.structure.report import Structure
from ....posteriors.utilities import make_utility
from ...runner.folder import problem_as_inputs
from ..options import JsonOption, ProblemArgument, headline, name_or_table, nothing_kept, read_problem
from ..output import percent, print_json, print_remarks, print_table, records, say, show_progress

__all__ = ["structure"]

_EVERY = "every"


def structure(
    problem_file: ProblemArgument,
    utility: Annotated[
        list[str] | None,
        typer.Option(
            "--utility",
            "-u",
            help="Utility instead of the problem's; repeat for a table. A name, a table such as "
            "'{name=\"asymmetric\", gain=1, loss=3}', or 'every'.",
        ),
    ] = None,
    exact: Annotated[
        bool | None,
        typer.Option("--exact/--no-exact", help="Value greedy and the optimum, or not; default: if it is quick."),
    ] = None,
    figure: Annotated[Path | None, typer.Option(metavar="OUT.png", help="Draw the value of labels.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Check the conditions under which greedy labelling is provably good."""
    from ...comparison.structure_table import USUAL, structure_row, structures, utility_label
    from ...figures.structure import plot_structure

    problem = read_problem(problem_file)
    chosen = [problem.utility]
    if utility:
        asked: list[Any] = []
        for text in utility:
            asked += USUAL if text == _EVERY else [name_or_table("--utility", text)]
        chosen = [make_utility(x) for x in asked]
    names = [utility_label(x) for x in chosen]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"--utility {name} is given {names.count(name)} times")
    if figure is not None and (figure.suffix.lower() != ".png" or not figure.absolute().parent.is_dir()):
        raise ValueError(f"--figure is {figure}; it must be a file name ending in .png, in a folder that exists")
    if exact and problem.batch > 1:
        raise ValueError(f"batch is {problem.batch}; --exact needs a batch of 1")
    with nothing_kept(), show_progress("checking", len(chosen)) as advance:
        found = structures(problem, chosen, exact=exact, on_utility=advance)
    if figure is not None:
        plot_structure(found, figure)
    if as_json:
        rows = [structure_row(x) | {"items": _items(x), "remarks": list(x.remarks)} for x in found]
        print_json({"problem": problem_as_inputs(problem), "remarks": problem.check(), "utilities": rows})
        return
    print_remarks(problem.check())
    if len(found) == 1:
        print(found[0])
    else:
        _print_table(f"{headline(problem).rpartition(', ')[0]}", found)
    if figure is not None:
        print(f"figure: {figure}")


def _items(found: Structure) -> list[dict[str, Any]]:
    """Rows of items with their gain curves."""
    rows = records(found.table())
    for i, row in enumerate(rows):
        row["gains"] = found.curves.of(i).tolist()
    return rows


def _print_table(title: str, found: list[Structure]) -> None:
    from ...comparison.structure_table import structure_row

    rows = [structure_row(x) for x in found]
    print_table(
        title,
        ["utility", "monotone", "submodular", "violation", "of joint states", "curves rise", "flat", "gamma", "greedy"],
        [
            [
                r["utility"],
                "yes" if r["monotone"] else "no",
                "yes" if r["submodular"] else "no",
                f"{r['violation']:.6f}",
                "-" if r["share"] is None else percent(r["share"]),
                percent(r["rising"]),
                str(r["flat"]),
                "-" if r["ratio"] is None else f"{r['ratio']:.4f}",
                "-" if r["greedy_share"] is None else percent(r["greedy_share"]),
            ]
            for r in rows
        ],
    )
    print("curves rise: of that share of items, at some label; greedy: its exact share of the best possible gain")
    print_remarks(list(dict.fromkeys(x for one in found for x in one.remarks)))
    for r in rows:
        if r["counterexample"]:
            say(f"{r['utility']}: {r['counterexample']}")
