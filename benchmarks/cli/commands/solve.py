"""``seqaudit solve``: the exact optimum of a small problem."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ....dp.exact.solve import Solution
from ....dp.exact.solve import solve as solve_problem
from ....dp.machine.files import new_folder
from ....dp.problem.problem import Problem
from ....posteriors.foundation.messages import cut
from ...runner.folder import problem_as_inputs
from ..options import JsonOption, ProblemArgument, headline, nothing_kept, read_problem
from ..output import print_json, print_remarks, say, show_progress, tell_steps

__all__ = ["solve"]


def solve(
    problem_file: ProblemArgument,
    save_policy: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write the optimal policy to a new folder.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Solve a small problem exactly."""
    problem = read_problem(problem_file)
    if save_policy is not None:
        new_folder("--save-policy", save_policy)
        if problem.batch > 1:
            raise ValueError(
                f"--save-policy needs labels bought one at a time; {problem_file} has batch = {problem.batch}"
            )
    with nothing_kept(), show_progress("solving", 100) as advance:
        solution = solve_problem(problem, keep_policy=save_policy is not None, progress=tell_steps(advance, 100))
    best = _first_choice(problem, solution)
    if save_policy is not None:
        solution.save(save_policy)
    if as_json:
        print_json(
            {
                "problem": problem_as_inputs(problem),
                "value": solution.value,
                "prior_value": solution.prior_value,
                "states": solution.states,
                "engine": solution.engine,
                "seconds": solution.seconds,
                "first": best,
                "remarks": problem.check(),
            }
        )
        return
    print_remarks(problem.check())
    print(f"problem          {headline(problem)}")
    print(f"optimal value    {solution.value:.12g}")
    print(f"with no labels   {solution.prior_value:.12g}")
    say(f"label first      {' or '.join(cut(x, 200) for x in best) or 'nothing'}")
    print(f"states           {solution.states:,} in {solution.seconds:.2f} s ({solution.engine})")
    if save_policy is not None:
        print(f"policy           {save_policy}")


def _first_choice(problem: Problem, solution: Solution) -> list[str]:
    """Optimal first choices: items, or batches as numbers of labels of each item."""
    if not problem.labels:
        return []
    if problem.batch == 1:
        return [problem.name[i] for i in solution.optimal_items()]
    return [
        " + ".join(f"{labels} {name}" for name, labels in zip(problem.name, batch, strict=True) if labels)
        for batch in solution.optimal_batches().tolist()
    ]
