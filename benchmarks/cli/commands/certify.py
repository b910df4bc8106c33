"""``seqaudit certify``: gaps between policies and an upper bound on every policy."""

from __future__ import annotations

import json
import math
from functools import partial
from typing import Annotated

import typer

from ....bandits.registry import label
from ....bandits.simulation.certify import Certificate
from ....dp.evaluation.choices import check_policy
from ....dp.exact.lattice import Lattice
from ....posteriors.foundation.shares import no_gain
from ...runner.csv_text import csv_text
from ...runner.folder import problem_as_inputs
from ...runner.kept import Format
from ...runner.parts import run_parts
from ..options import (
    AskedOutOption,
    ExactOption,
    JsonOption,
    PolicyOption,
    ProblemArgument,
    SeedOption,
    at_least,
    files_as_inputs,
    headline,
    nothing_kept,
    parts_of,
    problem_folder,
    read_problem,
)
from ..output import percent, print_json, print_remarks, print_table, show_progress
from ..report import report

__all__ = ["certify"]

_SHOWN = ("policy", "lower", "standard_error", "upper", "gap", "gap_error", "prior_value", "spent", "price")
_CERTIFICATES: Format[Certificate] = Format(
    ".json", lambda content: Certificate(**json.loads(content)), lambda found: json.dumps(vars(found)).encode()
)


def certify(
    problem_file: ProblemArgument,
    policy: PolicyOption = None,
    replications: Annotated[
        int, typer.Option(callback=at_least(2), help="Simulated runs if there is no exact value.")
    ] = 8,
    seed: SeedOption = 7,
    exact: ExactOption = None,
    out: AskedOutOption = None,
    as_json: JsonOption = False,
) -> None:
    """Certify policies by their gap to an upper bound on every policy."""
    import pandas as pd

    from ....bandits.choice import choose_policies
    from ....bandits.simulation.certify import USUAL
    from ....bandits.simulation.certify import certify as certificate

    problem = read_problem(problem_file)
    chosen, remarks = choose_policies(problem, policy, USUAL)
    if exact:
        Lattice.of(problem).require()
        for one in chosen:
            check_policy(problem, one)
    jobs = {
        label(one): partial(certificate, problem, one, replications=replications, seed=seed, exact=exact)
        for one in chosen
    }
    settings = {"replications": replications, "seed": seed, "exact": exact}
    inputs = {"problem": problem_as_inputs(problem), "policies": list(jobs)} | settings | files_as_inputs(policy)
    folder = None if out is None else problem_folder(out, "certify", problem, inputs)
    with nothing_kept(folder), show_progress("certifying", len(chosen)) as advance:
        parts = parts_of(folder, jobs, advance, _CERTIFICATES)
        done = run_parts(jobs, 1, parts.finished, parts.keep)
    found = [done[name] for name in jobs]
    remarks = [*problem.check(), *remarks, *(folder.notes if folder else [])]
    if any(math.isnan(c.gap) for c in found):
        remarks.append(no_gain(problem.prior_value))
    rows = [{key: getattr(c, key) for key in (*_SHOWN, "lower_by", "upper_by", "replications")} for c in found]
    if folder:
        folder.write("certificates.csv", csv_text(pd.DataFrame(rows)))
    with report(folder, "table, parts and inputs", silent=as_json):
        print_remarks(remarks)
        print_table(
            headline(problem),
            ["policy", "lower bound", "±", "upper bound", "gap", "±", "spent"],
            [
                [
                    c.policy,
                    f"{c.lower:.8g}",
                    f"{c.standard_error:.2g}" if c.replications else "exact",
                    f"{c.upper:.8g}",
                    percent(c.gap),
                    percent(c.gap_error) if c.replications else "exact",
                    f"{c.spent:g}",
                ]
                for c in found
            ],
        )
        print(f"with no labels   {problem.prior_value:.8g}; a gap is a share of the possible gain over that")
        for side in ("lower", "upper"):
            ways: dict[str, list[str]] = {}
            for c in found:
                ways.setdefault(getattr(c, f"{side}_by"), []).append(c.policy)
            for way, names in ways.items():
                print(f"{side} bound      {way}" + (f" ({', '.join(names)})" if len(ways) > 1 else ""))
    if as_json:
        print_json({"problem": problem_as_inputs(problem), "seed": seed, "remarks": remarks, "rows": rows})
