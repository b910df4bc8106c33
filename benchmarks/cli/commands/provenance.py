"""``seqaudit provenance``: the raters behind the decisions."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ....posteriors.foundation.messages import named
from ....posteriors.foundation.refusals import number
from ....posteriors.raters.sampling import SamplerSettings
from ...provenance.provenance import ITEMS_ONLY, PARTS, Provenance, checked_provenance, require_repetitions
from ...provenance.provenance import provenance as trace
from ...provenance.removal import HEADLINES
from ...runner.csv_text import csv_text
from .. import label_options
from ..options import RATER_LIBRARIES, DrawsOption, JsonOption, OutOption, SeedOption, TargetOption, TuneOption
from ..output import percent, print_json, print_remarks, print_table, records, say, show_progress
from ..report import report

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["provenance"]

# Largest numbers of printed rows of raters, and of names in a cell.
_ROWS, _NAMES = 6, 4
_NO_MODEL = "none"
_SHARES = (0.01, 0.05, 0.1)


@label_options.with_label_form
def provenance(
    labels_file: label_options.LabelsArgument,
    form: dict[str, Any],
    items: label_options.ItemsOption = None,
    beta: label_options.BetaOption = None,
    threshold: label_options.ThresholdOption = None,
    prior: label_options.PriorOption = (1.0, 1.0),
    utility: label_options.UtilityOption = "accuracy",
    groups: Annotated[
        bool | None,
        typer.Option("--groups/--no-groups", help="Compare groups, or not; default: if there are two or more."),
    ] = None,
    model: Annotated[
        str, typer.Option(help="Model whose probabilities of raters' kinds are listed, or 'none'.")
    ] = "contaminated",
    nuts: Annotated[
        bool, typer.Option("--nuts", help="Sample that model instead of using its fast approximation.")
    ] = False,
    draws: DrawsOption = 1000,
    tune: TuneOption = 1000,
    target_accept: TargetOption = 0.9,
    beyond: Annotated[str, typer.Option(help="Null hypothesis of clusters: 'items', or a model to fit.")] = ITEMS_ONLY,
    share: Annotated[
        list[float] | None, typer.Option(help="Share of the weight that raters are to flip; repeat for more.")
    ] = None,
    resamples: Annotated[int, typer.Option(min=0, help="Resamples of items, for the intervals of alpha.")] = 1000,
    repetitions: Annotated[int, typer.Option(min=19, help="Searches under the null, for p-values of clusters.")] = 199,
    seed: SeedOption = 7,
    strict: label_options.StrictOption = False,
    out: OutOption = None,
    as_json: JsonOption = False,
) -> None:
    """Trace decisions to the raters behind them, and recompute them without some of the raters."""
    from ...data.problem_of_labels import problem_of_labels
    from ...figures.provenance import plot_provenance
    from ...runner.folder import RunFolder
    from ...runner.kept import JSON

    dataset, files, remarks = label_options.read_label_file(labels_file, items, form, strict=strict)
    settings = label_options.rules_of(beta, threshold, prior, utility)
    wanted = None if model == _NO_MODEL else model
    if nuts and wanted is None:
        raise ValueError("--nuts samples a model, but --model is 'none'")
    shares = share or list(_SHARES)
    for x in shares:
        number("--share", x, lambda y: 0 < y <= 1, "above 0 and at most 1")
        if shares.count(x) > 1:
            raise ValueError(f"--share {x:g} is given {shares.count(x)} times; allowed: once")
    sampling: dict[str, Any] = {"draws": draws, "tune": tune, "target_accept": target_accept}
    SamplerSettings(seed=seed, chains=1, **sampling)
    label_options.require_draws(draws, tune, chains=1)
    require_repetitions(resamples, repetitions)
    problem = problem_of_labels(dataset, dataset.n_labels, **settings)
    by_group, _, _ = checked_provenance(dataset, groups=groups, model=wanted, beyond=beyond)
    settings |= {"groups": by_group, "model": wanted, "nuts": nuts, "beyond": beyond, "shares": shares}
    settings |= sampling | {"resamples": resamples, "repetitions": repetitions, "seed": seed}
    folder = RunFolder(out, "provenance", settings | files, RATER_LIBRARIES)
    names = [name for name in PARTS if wanted is not None or name != "kinds"]
    with show_progress("tracing", len(names)) as advance:
        parts = folder.parts(names, advance, JSON)
        found = trace(dataset, finished=parts.finished, on_part=parts.keep, **settings)
    title = (
        f"{labels_file.name}: {problem.size} items, {dataset.n_labels} votes, {len(dataset.raters)} raters, "
        f"utility {problem.utility.name}"
    )
    for name, table in _tables(found).items():
        folder.write(f"{name}.csv", csv_text(table))
    plot_provenance(found, folder.path / "provenance.png", title)
    remarks += [*found.remarks, *folder.notes]
    with report(folder, "tables, figure and inputs", silent=as_json):
        print_remarks(remarks)
        _print(found, title)
    if as_json:
        print_json({"run": str(folder.path), "inputs": settings | files, "remarks": remarks, **_plain(found)})


def _tables(found: Provenance) -> dict[str, Any]:
    """Tables by name; names in a cell are separated by semicolons."""
    tables = {
        "items": found.items,
        "raters": found.raters,
        "sets": found.sets,
        "agreement": found.agreement,
        "clusters": found.clusters,
    }
    if found.kinds is not None:
        tables["kinds"] = found.kinds
    if found.checks is not None:
        tables["checks"] = found.checks
    lists = ("flipped", "flipped_by", "raters")
    return {
        name: table.assign(
            # In the table of items the column of that name is a number.
            **{
                key: table[key].map("; ".join)
                for key in lists
                if key in table and (key != "raters" or name == "clusters")
            }
        )
        for name, table in tables.items()
    }


def _plain(found: Provenance) -> dict[str, Any]:
    """All findings as plain values, for JSON."""
    shown = {name: records(getattr(found, name)) for name in ("items", "raters", "sets", "movers", "agreement")}
    fewest = [{key: getattr(x, key) for key in ("share", "lower", "upper", "raters", "reached")} for x in found.fewest]
    return {
        "concentration": found.concentration,
        "headlines": found.headlines,
        **shown,
        "fewest": fewest,
        "clusters": records(found.clusters),
        "kinds": None if found.kinds is None else records(found.kinds),
        "checks": None if found.checks is None else records(found.checks),
        "suspects": found.suspects,
    }


def _print(found: Provenance, title: str) -> None:
    c = found.concentration
    say(title)
    say(
        f"votes             top rater {percent(c['top_share'])} ({named(c['top_rater'])}), "
        f"top five {percent(c['top5_share'])}, Gini {c['gini']:.3f}"
    )
    say(
        f"effective raters  {c['effective_raters']:.1f} of {c['raters']} by votes, "
        f"{c['effective_raters_of_decisions']:.1f} by weight decided, {c['mean_effective_raters']:.1f} behind an item"
    )
    say(f"on one rater      {c['single_rater_items']} items, {percent(c['single_rater_weight'])} of the weight")
    if "single_group_items" in c:
        say(f"on one group      {c['single_group_items']} items, {percent(c['single_group_weight'])} of the weight")
    print()
    _print_removals(found)
    for x in found.fewest:
        say(f"to flip {percent(x.share)} of the weight: {_bounds(x)}")
    print()
    print_table(
        "agreement",
        ["votes compared", "items", "votes", "agreement", "alpha", "95 % interval"],
        [
            [
                r["scope"] if r["kind"] != "between" else f"between {r['scope']}",
                str(r["items"]),
                str(r["votes"]),
                _number(r["agreement"], 4),
                _number(r["alpha"], 4),
                f"{r['low']:.4f} to {r['high']:.4f}" if math.isfinite(r["low"]) else "-",
            ]
            for r in records(found.agreement)
        ],
    )
    for r in records(found.agreement):
        if r["remark"]:
            say(f"note: {named(r['scope'])}: {r['remark']}")
    known = found.raters[found.raters["alpha"].notna()].sort_values("alpha", kind="stable")
    if len(known):
        ends = [f"{r['alpha']:.4f} without {named(r['removed'])}" for r in records(known.iloc[[0, -1]])]
        say(f"alpha without one rater: {' to '.join(ends)}")
    if len(known) < len(found.raters):
        say(f"note: alpha is undefined without any one of {len(found.raters) - len(known)} raters")
    print()
    _print_suspects(found)


def _print_removals(found: Provenance) -> None:
    """Print headline numbers of all votes, without the most influential raters, and without sets of votes."""
    keys = list(found.headlines)
    size = found.raters["mass_change"].abs()
    order = found.raters.assign(size=size).sort_values(["flipped_weight", "size"], ascending=False, kind="stable")
    rows = records(order[:_ROWS]) + records(found.sets)

    def cell(key: str, value: float) -> str:
        if key == "learnable":
            return f"{value:.0f}"
        return _number(value, 4 if key in ("decisive_05", "gold_accuracy") else 2)

    print_table(
        "without one rater (those who flip most), one group or one cluster",
        [
            "without",
            "votes",
            *(key.replace("_", " ").replace(" 05", " .05") for key in keys),
            "flips",
            "weight",
            "items",
        ],
        [
            ["nobody", "", *(cell(key, found.headlines[key]) for key in keys), "", "", ""],
            *(
                [
                    r["removed"],
                    str(r["votes"]),
                    *(cell(key, r[key]) for key in keys),
                    str(r["flips"]),
                    percent(r["flipped_weight"]),
                    _names(r["flipped"]),
                ]
                for r in rows
            ),
        ],
    )
    print("flips: items decided otherwise, and their share of the weight")
    for r in records(found.movers):
        if r["number"] in HEADLINES and r["removed"]:
            say(f"largest change of {r['number']}: {r['change']:+.4f} without {named(r['removed'])}")


def _print_suspects(found: Provenance) -> None:
    told = "the items explain" if found.beyond == ITEMS_ONLY else f"model {found.beyond} explains"
    if len(found.clusters):
        gold = "gold_accuracy" in found.clusters
        print_table(
            f"clusters of raters who agree beyond what {told}",
            [
                "cluster",
                "size",
                "agreement",
                "expected",
                "score",
                "p",
                "with others",
                *(["gold"] if gold else []),
                "who",
            ],
            [
                [
                    r["cluster"],
                    str(r["size"]),
                    f"{r['agreement']:.4f}",
                    f"{r['expected']:.4f}",
                    f"{r['score']:.1f}",
                    f"{r['p_value']:.3f}",
                    _number(r["with_others"], 4),
                    *([_number(r["gold_accuracy"], 4)] if gold else []),
                    _names(r["raters"]),
                ]
                for r in records(found.clusters)
            ],
        )
    else:
        say(f"no cluster of raters agrees beyond what {told}")
    if found.checks is None:
        return
    _print_verdict(found, found.checks)
    if found.kinds is None:
        return
    if not found.suspects:
        print("no rater is less likely honest than not")
        return
    kinds = [str(name).removesuffix("_error") for name in found.kinds if str(name).endswith("_error")]
    flipped = dict(zip(found.raters["removed"], found.raters["flipped_weight"], strict=True))
    print_table(
        f"suspects: {len(found.suspects)} raters less likely honest than not",
        ["rater", "votes", *kinds, "flips of the weight"],
        [
            [
                r["rater"],
                str(r["votes"]),
                *(f"{r[kind]:.3f} ± {r[f'{kind}_error']:.3f}" for kind in kinds),
                percent(flipped[r["rater"]]),
            ]
            for r in records(found.kinds)[: min(2 * _ROWS, len(found.suspects))]
        ],
    )


def _print_verdict(found: Provenance, told_by: pd.DataFrame) -> None:
    """Print the posterior predictive check that decides whether probabilities of kinds are shown."""
    checks = records(told_by)
    worst = max(checks, key=lambda r: abs(r["p_value"] - 0.5))
    told = (
        f"{worst['statistic']} {worst['observed']:.4g}, replicated {worst['mean']:.4g} ± {worst['sd']:.2g}, "
        f"p {worst['p_value']:.3f}"
    )
    if found.kinds is None:
        say(f"kinds of raters: none are named, because these votes refute the model ({told})")
    else:
        say(f"kinds of raters: the votes do not refute the model (nearest to it: {told})")


def _bounds(x: Any) -> str:
    if x.lower is None:
        return f"cannot be done, all raters together do not suffice (greedy removal: {percent(x.reached)})"
    if x.upper is None:
        return f"at least {x.lower} raters; greedy removal flips {percent(x.reached)} at most"
    if x.lower == x.upper:
        return f"{x.upper} {'rater' if x.upper == 1 else 'raters'} ({_names(x.raters)})"
    return f"{x.lower} to {x.upper} raters (the latter found greedily: {_names(x.raters)})"


def _number(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if math.isfinite(value) else "-"


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(map(named, names[:_NAMES])) + (f" and {len(names) - _NAMES} more" if len(names) > _NAMES else "")
