"""``seqaudit fit``: fit a model of raters to votes."""

from __future__ import annotations

from typing import Any

from ...runner.csv_text import csv_text
from .. import label_options, options
from ..output import print_json, print_remarks, print_table, records, show_progress, tell_steps
from ..report import report

__all__ = ["fit"]

# Number of steps in which the progress of sampling is shown.
_SHOWN = 20


@label_options.with_label_form
def fit(
    labels_file: label_options.LabelsArgument,
    form: dict[str, Any],
    model: label_options.ModelOption = "partial-pooling",
    items: label_options.ItemsOption = None,
    beta: label_options.BetaOption = None,
    threshold: label_options.ThresholdOption = None,
    method: label_options.MethodOption = "nuts",
    draws: options.DrawsOption = 1000,
    tune: options.TuneOption = 1000,
    chains: label_options.ChainsOption = 4,
    target_accept: options.TargetOption = 0.9,
    seed: options.SeedOption = 7,
    jobs: options.JobsOption = -1,
    out: options.OutOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """Fit a model of raters to votes, and report its beliefs about each item."""
    from ....posteriors.raters.registry import make_rater_model
    from ...calibration.fit_tables import gold_accuracy, item_table, parameter_table, rater_table
    from ...runner.folder import RunFolder
    from ...runner.kept import fits, kept_fit

    dataset, bar, inputs, remarks = label_options.read_votes(labels_file, items, beta, threshold, form)
    chosen = make_rater_model(model)
    settings = label_options.fit_settings(method, draws, tune, chains, target_accept, seed)
    chosen.require(dataset)
    folder = RunFolder(out, "fit", inputs | {"model": repr(chosen)} | settings, options.RATER_LIBRARIES)
    cores = None if jobs == -1 else jobs
    with show_progress("fitting", _SHOWN) as advance:
        progress = tell_steps(advance, _SHOWN, chosen.title)
        found = kept_fit(folder, "fit", chosen, dataset, cores=cores, progress=progress, **settings)
    parameters, of_items, accuracy = parameter_table(found), item_table(found, bar), gold_accuracy(found)
    folder.write("fit.nc", folder.content("fit", fits(chosen, dataset)))
    folder.write("items.csv", csv_text(of_items))
    folder.write("raters.csv", csv_text(rater_table(found)))
    remarks += folder.notes
    convergence = label_options.diagnosed(found, remarks)
    with report(folder, "fit, items, raters and inputs", silent=as_json):
        print_remarks(remarks)
        print_table(
            label_options.votes_headline(labels_file, dataset),
            ["parameter", "mean", "sd", "5 %", "95 %"],
            [[r["parameter"], *(f"{r[key]:.4g}" for key in ("mean", "sd", "q05", "q95"))] for r in records(parameters)],
        )
        print(f"{chosen.title}, {method}, {found.size} draws")
        if convergence:
            print(
                f"chains: R-hat at most {convergence['rhat']:.4f} ({convergence['worst']}), effective draws at least "
                f"{convergence['bulk']:.0f} in the bulk and {convergence['tail']:.0f} in the tails, "
                f"{convergence['divergences']} divergences"
            )
        if accuracy:
            print(
                f"known answers: model right on {accuracy['model']:.4f}, majority on {accuracy['majority']:.4f}, of "
                f"{accuracy['items']:.0f} items"
            )
    if as_json:
        told = {"diagnostics": convergence, "parameters": records(parameters), "accuracy": accuracy}
        head = {"run": str(folder.path), "inputs": inputs | {"model": repr(chosen)} | settings, "remarks": remarks}
        print_json(head | told | {"items": records(of_items)})
