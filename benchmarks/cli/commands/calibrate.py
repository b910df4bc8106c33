"""``seqaudit calibrate``: simulation-based calibration, and checks of models against votes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ....posteriors.foundation.refusals import probability
from ...runner.csv_text import csv_text
from .. import label_options, options
from ..command import Command
from ..output import print_json, print_remarks, print_table, records, show_progress
from ..report import report

if TYPE_CHECKING:
    import pandas as pd

    from ....posteriors.raters.fit import RaterFit
    from ....posteriors.raters.model import RaterModel
    from ....posteriors.votes.label_set import LabelSet

__all__ = ["calibrate"]


calibrate = typer.Typer(help="Check models of raters: on votes that they draw themselves, or on real ones.")


@calibrate.command(cls=Command)
def sbc(
    model: label_options.ModelsOption = None,
    method: label_options.MethodOption = "nuts",
    replications: Annotated[int, typer.Option(help="Sets of votes to draw and fit.")] = 200,
    items: Annotated[int, typer.Option(help="Items in each set of votes.")] = 20,
    raters: Annotated[int, typer.Option(help="Raters in each set of votes.")] = 8,
    votes: Annotated[int, typer.Option(help="Votes on each item.")] = 5,
    draws: Annotated[int, typer.Option(help="Draws among which each true value is ranked.")] = 63,
    thin: Annotated[int, typer.Option(help="Steps of the chain from one draw to the next.")] = 3,
    tune: Annotated[int, typer.Option(help="Steps of each chain to discard first.")] = 150,
    level: Annotated[float, typer.Option(help="Probability of a false alarm for a correct model.")] = 0.01,
    seed: options.SeedOption = 7,
    jobs: options.JobsOption = -1,
    cluster: options.ClusterOption = None,
    out: options.OutOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """Rank true values among draws from the posterior: uniform if simulator, model and sampler agree."""
    import pandas as pd

    from ....posteriors.raters.registry import rater_model_names
    from ....posteriors.votes.design import Design
    from ...calibration.reliability import chosen_models
    from ...calibration.sbc import checked_study, sbc_parts, uniformity
    from ...calibration.sbc import sbc as run
    from ...figures.calibration import plot_ranks
    from ...runner.folder import RunFolder, file_name
    from ...runner.kept import DATASETS

    chosen = chosen_models(model or rater_model_names())
    settings: dict[str, Any] = {"method": method, "draws": draws, "thin": thin, "tune": tune, "seed": seed}
    designs = {one.title: Design.balanced(items, raters, votes, groups=2 if one.needs_groups else 0) for one in chosen}
    for one in chosen:
        checked_study(one, one, designs[one.title], replications, **settings)
    probability("--level", level)
    inputs = {"models": [repr(one) for one in chosen], "replications": replications} | settings
    inputs |= {"items": items, "raters": raters, "votes": votes}
    folder = RunFolder(out, "calibrate sbc", inputs, options.RATER_LIBRARIES)
    names, tables = list(sbc_parts(replications)), []
    with show_progress("ranking", len(names) * len(chosen)) as advance:
        for one in chosen:
            parts = folder.parts(names, advance, DATASETS, f"{one.title} ")
            result = run(
                one,
                replications=replications,
                design=designs[one.title],
                **settings,
                n_jobs=options.workplace(jobs, cluster),
                finished=parts.finished,
                on_part=parts.keep,
            )
            found = uniformity(result, level)
            found.insert(0, "model", one.title)
            tables.append(found)
            plot_ranks(result, folder.path / f"ranks-{file_name(one.title)}.png", level)
    table = pd.concat(tables, ignore_index=True)
    folder.write("uniformity.csv", csv_text(table))
    with report(folder, "tables, figures, ranks and inputs", silent=as_json):
        print_remarks(folder.notes)
        print_table(
            f"{replications} replications of {items} items, {raters} raters, {votes} votes an item; {method}",
            ["model", "quantity", "p-value", "mean of u", "12 var u", "autocorrelation", f"alarm at {level:g}"],
            [
                [
                    r["model"],
                    r["quantity"],
                    f"{r['p_value']:.2g}",
                    f"{r['mean']:.3f}",
                    f"{r['spread']:.3f}",
                    f"{r['autocorrelation']:z.2f}",
                    "yes" if r["alarm"] else "no",
                ]
                for r in records(table)
            ],
        )
        print(
            "u, the rank as a part of 1, has mean 1/2 and 12 times its variance is 1; "
            "above 1, posteriors are too narrow"
        )
        print()
        print_table(
            "each model",
            ["model", "quantities", "smallest p-value", "of", "alarm below", "alarms"],
            [_least(found, level) for found in tables],
        )
    if as_json:
        print_json(
            {"run": str(folder.path), "inputs": inputs, "remarks": folder.notes, "level": level, "rows": records(table)}
        )


@calibrate.command("labels", cls=Command)
@label_options.with_label_form
def labels(
    labels_file: label_options.LabelsArgument,
    form: dict[str, Any],
    model: label_options.ModelsOption = None,
    items: label_options.ItemsOption = None,
    beta: label_options.BetaOption = None,
    threshold: label_options.ThresholdOption = None,
    share: Annotated[float, typer.Option(help="Share of each item's votes that is held out.")] = 0.3,
    method: label_options.MethodOption = "fast",
    draws: options.DrawsOption = 1000,
    tune: options.TuneOption = 1000,
    chains: label_options.ChainsOption = 4,
    target_accept: options.TargetOption = 0.9,
    bins: Annotated[int, typer.Option(callback=options.at_least(1), help="Bins of the reliability curves.")] = 10,
    seed: options.SeedOption = 7,
    jobs: options.JobsOption = -1,
    out: options.OutOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """Check models against votes: reliability on held-out votes, posterior predictive checks, leave-one-out."""
    import pandas as pd

    from ....posteriors.raters.registry import rater_model_names
    from ...calibration.held_out import hold_out
    from ...calibration.posterior_checks import (
        FEWEST_DRAWS,
        compare_fits,
        leave_one_out,
        predictive_checks,
        predictive_table,
    )
    from ...calibration.reliability import chosen_models, reliability, reliability_table, require_bins
    from ...figures.calibration import plot_checks, plot_reliability
    from ...runner.folder import RunFolder
    from ...runner.kept import kept_fit

    dataset, bar, inputs, remarks = label_options.read_votes(labels_file, items, beta, threshold, form)
    settings = label_options.fit_settings(method, draws, tune, chains, target_accept, seed)
    every = draws * (chains if method == "nuts" else 1)
    if every < FEWEST_DRAWS:
        raise ValueError(f"draws are {every} in all; leave-one-out needs at least {FEWEST_DRAWS}: give more --draws")
    require_bins(dataset, bins)
    kept = hold_out(dataset, share, seed).kept
    chosen = []
    for one in chosen_models(model or rater_model_names()):
        try:
            one.require(dataset)
            one.require(kept)
            chosen.append(one)
        except ValueError as error:
            if model:
                raise
            remarks.append(f"left out: {error}")
    if not chosen:
        raise ValueError(f"no model can be fitted to these votes; {remarks[-1]}")
    inputs |= {"models": [repr(one) for one in chosen], "share": share, "bins": bins} | settings
    folder = RunFolder(out, "calibrate labels", inputs, options.RATER_LIBRARIES)
    cores = None if jobs == -1 else jobs
    checks, crossed = {}, {}
    with show_progress("fitting", 2 * len(chosen)) as advance:

        def kept_part(one: RaterModel, votes: LabelSet, which: str = "kept") -> RaterFit:
            found = kept_fit(folder, f"{one.title} {which}", one, votes, cores=cores, **settings)
            advance(f"{one.title}, {which} votes")
            return found

        drawn = {name: settings[name] for name in ("seed", "method", "draws")}
        result = reliability(dataset, chosen, threshold=bar, share=share, bins=bins, fit=kept_part, **drawn)
        for one in chosen:
            found = kept_part(one, dataset, "all")
            checks[one.title], crossed[one.title] = predictive_checks(found, seed=seed), leave_one_out(found)
    table, loo = reliability_table(result), compare_fits(crossed)
    seen = pd.concat([predictive_table(x).assign(model=name) for name, x in checks.items()], ignore_index=True)
    for name, one_table in (("reliability", table), ("checks", seen), ("loo", loo)):
        folder.write(f"{name}.csv", csv_text(one_table))
    plot_reliability(result, folder.path / "reliability.png", label_options.votes_headline(labels_file, dataset))
    plot_checks(checks, folder.path / "checks.png")
    remarks += folder.notes
    remarks += [
        f"{r['model']}: {r['k_bad']} votes with Pareto k above {r['good_k']:.2f}" for r in records(loo) if r["k_bad"]
    ]
    with report(folder, "tables, figures, fits and inputs", silent=as_json):
        print_remarks(remarks)
        print_table(
            f"{label_options.votes_headline(labels_file, dataset)}; {result.attrs['held_out']} votes held out",
            ["event", "model", "Brier", "gain", "log score", "gain", "calibration error", "by chance"],
            [
                [
                    r["kind"],
                    r["model"],
                    *(
                        cell
                        for score in ("brier", "log_score")
                        for cell in (_error(r, score), _error(r, f"{score}_gain"))
                    ),
                    _error(r, "calibration_error"),
                    f"{r['by_chance']:.4f}",
                ]
                for r in records(table)
            ],
        )
        print()
        print_table(
            "posterior predictive checks",
            ["model", "statistic", "votes", "replicated", "p-value"],
            [
                [
                    r["model"],
                    r["statistic"],
                    f"{r['observed']:.4g}",
                    f"{r['mean']:.4g} ± {r['sd']:.2g}",
                    f"{r['p_value']:.3f}",
                ]
                for r in records(seen)
            ],
        )
        print()
        print_table(
            "leave-one-out",
            ["model", "elpd", "less than the best", "parameters", "weight", "bad k"],
            [
                [
                    r["model"],
                    f"{r['elpd']:.1f} ± {r['se']:.1f}",
                    f"{-r['elpd_diff']:z.1f} ± {r['dse']:.1f}",
                    f"{r['p']:.1f}",
                    f"{r['weight']:.2f}",
                    str(r["k_bad"]),
                ]
                for r in records(loo)
            ],
        )
    if as_json:
        rows = {"reliability": records(table), "checks": records(seen), "loo": records(loo)}
        print_json({"run": str(folder.path), "inputs": inputs, "remarks": remarks} | rows)


def _least(found: pd.DataFrame, level: float) -> list[str]:
    """Table row of a model's quantity with the smallest p-value, with the number of alarms."""
    least = found.iloc[int(found["p_value"].argmin())]
    bound = f"{level / len(found):.2g}"
    return [
        least["model"],
        str(len(found)),
        f"{least['p_value']:.2g}",
        least["quantity"],
        bound,
        str(found["alarm"].sum()),
    ]


def _error(row: dict[str, Any], key: str) -> str:
    return f"{row[key]:z.4f} ± {row[f'{key}_se']:.4f}"
