"""``seqaudit survey``: exact values of policies on small problems drawn at random."""

from __future__ import annotations

import math
from typing import Annotated, Any

import typer

from .options import (
    JobsOption,
    JsonOption,
    PolicyOption,
    SeedOption,
    at_least,
    name_or_table,
    nothing_kept,
)
from .output import percent, print_json, print_remarks, print_table, records, show_progress

__all__ = ["survey"]


def survey(
    problems: Annotated[int, typer.Option(callback=at_least(1), help="Problems to draw.")] = 200,
    policy: PolicyOption = None,
    seed: SeedOption = 7,
    utility: Annotated[
        list[str] | None,
        typer.Option(
            help="Terminal utility: a name, or '{name=\"asymmetric\", gain=1, loss=3}'. Give several for a table "
            "of all, with the time of a decision; 'all' stands for five."
        ),
    ] = None,
    jobs: JobsOption = -1,
    as_json: JsonOption = False,
) -> None:
    """Value policies exactly on small problems drawn at random."""
    from ..comparison.policy_matrix import UTILITIES
    from ..comparison.survey import survey as run
    from ..comparison.survey import survey_table

    several = [name_or_table("--utility", u) for u in utility or ["accuracy"]]
    if several == ["all"]:
        several = list(UTILITIES)
    if len(several) > 1:
        _matrix(problems, policy, several, seed, jobs, as_json)
        return
    wanted = several[0]
    # On a terminal the bar moves with every problem; elsewhere an occasional line is enough.
    every = -(-problems // 10)
    with nothing_kept(), show_progress("surveying", problems) as advance:
        result = run(
            problems,
            policy,
            seed=seed,
            utility=wanted,
            n_jobs=jobs,
            on_problem=lambda k: advance(f"problem {k + 1}" if (k + 1) % every == 0 else None),
        )
    rows = records(survey_table(result))
    remarks = result.attrs["remarks"]
    if as_json:
        settings = {"problems": problems, "seed": seed, "utility": wanted}
        shares = {str(name): result["share"].sel(policy=name).values.tolist() for name in result["policy"].values}
        print_json({**settings, "remarks": remarks, "rows": rows, "shares": shares})
        return
    print_remarks(remarks)
    print_table(
        f"{problems} problems, utility {wanted if isinstance(wanted, str) else wanted['name']}",
        ["policy", "mean share", "worst share", "optimal"],
        [[r["policy"], percent(r["mean"]), percent(r["worst"]), f"{100 * r['optimal']:.1f} %"] for r in rows],
    )
    print("a share is of the optimal gain over no labels; optimal: in that part of the problems, to 1e-9")


def _matrix(
    problems: int,
    policies: list[str] | None,
    utilities: list[str | dict[str, Any]],
    seed: int,
    jobs: int,
    as_json: bool,
) -> None:
    """Print shares under several utilities, and the time for a decision."""
    from ...posteriors.utilities import make_utility
    from ..comparison.policy_matrix import policy_matrix

    names = [make_utility(u).name for u in utilities]
    every = -(-problems // 2)
    with nothing_kept(), show_progress("surveying", problems * len(names)) as advance:
        table, remarks = policy_matrix(
            problems,
            policies,
            utilities,
            seed=seed,
            n_jobs=jobs,
            on_problem=lambda name, k: advance(f"{name}: problem {k + 1}" if (k + 1) % every == 0 else None),
        )
    rows = records(table)
    if as_json:
        print_json({"problems": problems, "seed": seed, "utilities": utilities, "remarks": remarks, "rows": rows})
        return
    print_remarks(remarks)
    print_table(
        f"{problems} problems for each utility: mean and worst share of the optimal gain, microseconds a decision",
        ["policy", *names, "2-4 items", "50 items"],
        [
            [
                r["policy"],
                *(f"{_share(r[f'mean {name}'], 2)} / {_share(r[f'worst {name}'], 1)}" for name in names),
                *(_microseconds(r[f"seconds {size}"]) for size in ("small", "large")),
            ]
            for r in rows
        ],
    )
    print(
        "a share is in percent of the optimal gain over no labels; a decision is timed on one core, tables made before"
    )


def _share(value: float | None, digits: int) -> str:
    return "-" if value is None or math.isnan(value) else f"{100 * value:z.{digits}f}"


def _microseconds(seconds: float | None) -> str:
    return "-" if seconds is None or math.isnan(seconds) else f"{1e6 * seconds:,.0f}"
