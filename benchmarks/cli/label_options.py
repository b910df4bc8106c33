"""Options and settings of the commands that read label files."""

from __future__ import annotations

import csv
import inspect
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .options import name_or_table

if TYPE_CHECKING:
    from ...posteriors.foundation.arrays import Floats
    from ...posteriors.raters.fit import RaterFit
    from ...posteriors.votes.label_set import LabelSet

__all__ = [
    "BetaOption",
    "ChainsOption",
    "ColumnsOption",
    "EncodingOption",
    "ItemsOption",
    "LabelsArgument",
    "LabelsOption",
    "MethodOption",
    "ModelOption",
    "ModelsOption",
    "PriorOption",
    "RepeatedOption",
    "SeparatorOption",
    "StrictOption",
    "ThresholdOption",
    "UtilityOption",
    "diagnosed",
    "fit_settings",
    "label_form",
    "read_label_file",
    "read_votes",
    "require_draws",
    "rules_of",
    "votes_headline",
    "with_label_form",
]

LabelsArgument = Annotated[Path, typer.Argument(metavar="LABELS.csv[.gz]")]

ItemsOption = Annotated[Path | None, typer.Option(help="Items file: log-probabilities, log-ratios or thresholds.")]

ColumnsOption = Annotated[
    str | None, typer.Option(help="Columns with other names, as in item=Input.id,rater=WorkerId,label=Answer.choice.")
]

LabelsOption = Annotated[
    str | None, typer.Option("--labels", help="Meaning of labels: 0, 1, half or drop, as in A=1,B=0,tie=half.")
]

RepeatedOption = Annotated[
    str, typer.Option(help="Vote that counts if a rater labels an item several times: refuse, first or last.")
]

SeparatorOption = Annotated[
    str | None, typer.Option(help="Separator of the label file's fields: comma, semicolon, tab or bar; else found.")
]

EncodingOption = Annotated[str | None, typer.Option(help="Encoding of the label file, such as cp1252; else found.")]

BetaOption = Annotated[float | None, typer.Option(help="Thresholds are sigma(beta c); default 1.")]

ThresholdOption = Annotated[float | None, typer.Option(help="One threshold for all items, without an items file.")]

PriorOption = Annotated[tuple[float, float], typer.Option(metavar="A,B", help="Beta prior of every item.")]

UtilityOption = Annotated[
    str, typer.Option(help="Terminal utility: a name, or '{name=\"asymmetric\", gain=1, loss=3}'.")
]

StrictOption = Annotated[bool, typer.Option("--strict", help="Refuse items that the items file lacks.")]

_NAMED = "by its name, or by name and constants, as in 'dawid-skene(difficulty=True)'"

ModelOption = Annotated[str, typer.Option("--model", "-m", help=f"Model {_NAMED}.")]

ModelsOption = Annotated[list[str] | None, typer.Option("--model", "-m", help=f"Model {_NAMED}; repeat for more.")]

ChainsOption = Annotated[int, typer.Option(help="Independent chains.")]

MethodOption = Annotated[str, typer.Option(help="nuts, or fast for the models' own approximations.")]


def label_form(
    columns: ColumnsOption = None,
    labels: LabelsOption = None,
    repeated: RepeatedOption = "refuse",
    separator: SeparatorOption = None,
    encoding: EncodingOption = None,
) -> dict[str, Any]:
    """Form of a label file, as ``read_labels`` takes it."""
    return {
        "columns": None if columns is None else _pairs("--columns", columns, "item=Input.id,rater=WorkerId"),
        "labels": None if labels is None else _pairs("--labels", labels, "A=1,B=0,tie=half"),
        "repeated": repeated,
        "separator": separator,
        "encoding": encoding,
    }


def with_label_form(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the parameters of ``label_form``, after ``items``, in the place of its parameter ``form``."""
    options = inspect.signature(label_form, eval_str=True).parameters
    own = inspect.signature(command, eval_str=True)
    shown: list[inspect.Parameter] = []
    for parameter in own.parameters.values():
        if parameter.name != "form":
            shown.append(parameter)
        if parameter.name == "items":
            shown += options.values()

    @wraps(command)
    def run(**given: Any) -> None:
        command(form=label_form(**{name: given.pop(name) for name in options}), **given)

    # What Typer makes options of.
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in shown}
    vars(run)["__signature__"] = own.replace(parameters=shown)
    return run


def _pairs(option: str, text: str, example: str) -> dict[str, Any]:
    """Names on the left of equals signs and what is on the right; a part with a comma is quoted as in CSV."""
    from ...posteriors.foundation.messages import shown

    out: dict[str, Any] = {}
    # A field's name has no equals sign and a vote has none; columns and labels may.
    from_left = option == "--columns"
    try:
        parts = next(csv.reader([text], skipinitialspace=True), [])
    except csv.Error:
        # A line break outside quotes.
        parts = [text]
    for part in parts or [""] * from_left:
        left, equals, right = part.partition("=") if from_left else part.rpartition("=")
        left, right = left.strip(), right if from_left else right.strip()
        if not equals or not right:
            raise ValueError(f"{option}: {shown(part)} is not of the form name=value; allowed: such as {example}")
        if left in out:
            raise ValueError(f"{option}: {shown(left)} is given twice; allowed: once")
        out[left] = int(right) if right in ("0", "1") and not from_left else right
    return out


def read_label_file(
    labels_file: Path, items: Path | None, form: Mapping[str, Any], *, strict: bool = False
) -> tuple[LabelSet, dict[str, Any], list[str]]:
    """Votes, record of their files for the run folder, and remarks."""
    from ...posteriors.votes.mapping import VoteMapping
    from ..data.labels import read_labels
    from ..data.text_form import TextForm

    dataset = read_labels(labels_file, items, strict=strict, **form)
    read: list[dict[str, Any]] = [
        {"file": Path(name).name, "sha256": found} for name, found in zip(dataset.source, dataset.digests, strict=True)
    ]
    stated = TextForm.of(form["separator"], form["encoding"])
    read[0] |= VoteMapping.of(form["columns"], form["labels"], form["repeated"]).record() | stated.record()
    inputs = {"labels": read[0], "items": read[1] if items else None}
    remarks = [f"{dataset.dropped} items have labels but no row in {items}: left out"] if dataset.dropped else []
    if dataset.unlabelled:
        remarks.append(f"{dataset.unlabelled} items in {items} have no labels: left out")
    remarks += dataset.remarks
    return dataset, inputs, remarks


def read_votes(
    labels_file: Path, items: Path | None, beta: float | None, threshold: float | None, form: Mapping[str, Any]
) -> tuple[LabelSet, Floats, dict[str, Any], list[str]]:
    """Votes, thresholds, record of both for the run folder, and remarks."""
    from ..data.problem_of_labels import problem_of_labels

    dataset, inputs, remarks = read_label_file(labels_file, items, form)
    bar = problem_of_labels(dataset, 1, beta=beta, threshold=threshold).threshold
    return dataset, bar, inputs | {"beta": beta, "threshold": threshold}, remarks


def rules_of(beta: float | None, threshold: float | None, prior: tuple[float, float], utility: str) -> dict[str, Any]:
    """Rules of the decisions, as ``problem_of_labels`` takes them."""
    utility = name_or_table("--utility", utility)
    return {"beta": beta, "threshold": threshold, "prior": prior, "utility": utility}


def fit_settings(method: str, draws: int, tune: int, chains: int, target_accept: float, seed: int) -> dict[str, Any]:
    """Settings of ``RaterModel.fit``, checked before a folder is created."""
    from ...posteriors.foundation.refusals import one_of
    from ...posteriors.raters.sampling import SamplerSettings

    one_of("--method", method, ("nuts", "fast"))
    SamplerSettings(seed, draws, tune, chains, target_accept)
    require_draws(draws, tune, chains)
    settings = {"draws": draws, "tune": tune, "chains": chains, "target_accept": target_accept, "seed": seed}
    return {"method": method} | settings


def require_draws(draws: int, tune: int, chains: int) -> None:
    """Refuse more draws or chains than could ever be computed, or kept."""
    from ...dp.machine.repeats import require_repeats

    require_repeats("chains", chains, seconds=1e-2)
    require_repeats("draws", draws * chains, seconds=1e-7, memory=16)
    require_repeats("discarded draws", tune * chains, seconds=1e-7)


def votes_headline(labels_file: Path, dataset: LabelSet) -> str:
    """Describe a label file in a few words."""
    return f"{labels_file.name}: {dataset.n_items} items, {len(dataset.raters)} raters, {dataset.n_labels} votes"


def diagnosed(found: RaterFit, remarks: list[str]) -> dict[str, Any] | None:
    """Diagnostics of a sampled fit; a remark is added if the chains of any fit disagree."""
    told = found.remark()
    if told is not None:
        remarks.append(told)
    if found.method != "nuts":
        return None
    diagnostics = found.diagnostics()
    return vars(diagnostics) | {"converged": diagnostics.converged}
