"""Provenance of labels: dependence of the decisions on raters, groups and clusters.

Each part has its own module: the number of raters behind each item (``diversity``), headline numbers without some of
the votes (``removal``), the smallest number of raters who can change decisions (``fewest_raters``), agreement of raters
(``agreement``), clusters of raters who agree more than is explained (``rater_clusters``), and raters who may be
dishonest (``rater_kinds``). This module combines them: clusters and suspects, found by the last two, are removed by the
second.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ...dp.machine.repeats import require_repeats
from ...dp.problem.problem import Problem
from ...posteriors.foundation.arrays import Bools
from ...posteriors.foundation.kinds import checked, require_type
from ...posteriors.foundation.messages import shown
from ...posteriors.foundation.names import split_name, unknown_name
from ...posteriors.foundation.refusals import whole
from ...posteriors.raters.model import RaterModel
from ...posteriors.raters.registry import make_rater_model, rater_model_names
from ...posteriors.raters.sampling import SamplerSettings
from ...posteriors.utilities import Utility
from ...posteriors.votes.checks import require_groups, require_rater_ids, require_votes
from ...posteriors.votes.label_set import LabelSet
from ..calibration.posterior_checks import predictive_checks, predictive_table
from ..data.problem_of_labels import problem_of_labels
from .agreement import agreement, leave_one_out_alpha
from .canonical import canonical
from .diversity import concentration, rater_diversity
from .fewest_raters import FewestRaters, fewest_raters
from .rater_clusters import rater_clusters
from .rater_kinds import HONEST, rater_kinds
from .removal import headlines, largest_movers, removals

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ITEMS_ONLY", "PARTS", "Provenance", "checked_provenance", "provenance", "require_repetitions"]

# Names of the slow parts.
PARTS = ("agreement", "leave-one-out", "clusters", "kinds")
# Name of the null hypothesis of clusters if no model is fitted.
ITEMS_ONLY = "items"
# A rater is suspected if the probability of being honest is below this.
_SUSPECTED = 0.5
# Chains of the sampler.
_CHAINS = 4
# A model is refuted by a posterior predictive p-value nearer than this to 0 or 1. Of the votes that it draws itself,
# far fewer than one in ten sets refute it, because these p-values concentrate around 1/2.
_TAIL = 0.05
# If more than this share of the raters is suspected, a remark doubts the model.
_MANY = 0.25


@dataclass(frozen=True, eq=False)
class Provenance:
    """Dependence of the decisions of a label set on its raters.

    Tables have a row for each item, rater, set of votes or comparison; a cell with several names is a tuple.

    Attributes
    ----------
    labels : LabelSet
    problem : Problem
        Problem that the votes decide.
    concentration : dict
        From ``concentration``.
    headlines : dict
        Headline numbers of all votes.
    items : pandas.DataFrame
        ``rater_diversity`` of each item, its ``tail``, True if it is ``learnable``, and ``flipped_by``: the raters each
        of whose removal alone flips this decision.
    raters : pandas.DataFrame
        ``removals`` of each rater, and alpha without the rater.
    sets : pandas.DataFrame
        ``removals`` of each group, each cluster, and all suspects together.
    movers : pandas.DataFrame
        ``largest_movers`` among the raters.
    fewest : list of FewestRaters
    agreement, clusters : pandas.DataFrame
        From ``agreement`` and ``rater_clusters``.
    beyond : str
        Null hypothesis of clusters: ``items``, or the name of a model.
    kinds : pandas.DataFrame or None
        From ``rater_kinds``; None if no model was chosen, and if the votes refute it.
    checks : pandas.DataFrame or None
        Posterior predictive checks of that model, from ``predictive_table``; None if no model was chosen. The votes
        refute it if a p-value is below .05 or above .95: its probabilities are then not about these raters.
    suspects : tuple of str
        Raters with a probability of being honest below one half.
    remarks : tuple of str
    """

    labels: LabelSet
    problem: Problem
    concentration: dict[str, Any]
    headlines: dict[str, float]
    items: pd.DataFrame
    raters: pd.DataFrame
    sets: pd.DataFrame
    movers: pd.DataFrame
    fewest: list[FewestRaters]
    agreement: pd.DataFrame
    clusters: pd.DataFrame
    beyond: str
    kinds: pd.DataFrame | None
    checks: pd.DataFrame | None
    suspects: tuple[str, ...]
    remarks: tuple[str, ...]


def checked_provenance(
    labels: LabelSet, *, groups: bool | None, model: str | RaterModel | None, beyond: str | RaterModel
) -> tuple[bool, RaterModel | None, RaterModel | None]:
    """Check the choices of a trace: True if groups are compared, the model with kinds, and the null model of clusters.

    Raises
    ------
    ValueError
        For a single rater, votes without rater ids, ``groups`` if there are none, and unknown models.
    """
    require_votes("provenance", labels)
    require_rater_ids("provenance", labels)
    if groups:
        require_groups("provenance", labels)
    kinds = None if model is None else make_rater_model(model)
    if kinds is not None:
        if "kind_chance" not in kinds.dims:
            raise ValueError(f"model is {shown(kinds.name)}, which has no kinds of raters; allowed: {_with_kinds()}")
        kinds.require(labels)
    if isinstance(beyond, str) and split_name(beyond)[0] not in (ITEMS_ONLY, *rater_model_names()):
        known = (ITEMS_ONLY, *rater_model_names())
        raise ValueError(unknown_name("beyond is {name}; allowed: {known}{hint}", beyond, known))
    explaining = None if beyond == ITEMS_ONLY else make_rater_model(beyond)
    if explaining is not None:
        explaining.require(labels)
    return groups or (groups is None and len(labels.groups) > 1), kinds, explaining


def _with_kinds() -> str:
    return (
        ", ".join(x for x in rater_model_names() if "kind_chance" in make_rater_model(x).dims) or "none is registered"
    )


@checked
def provenance(
    labels: LabelSet,
    *,
    beta: float | None = None,
    threshold: float | None = None,
    prior: ArrayLike = (1.0, 1.0),
    utility: str | dict[str, Any] | Utility = "accuracy",
    groups: bool | None = None,
    model: str | RaterModel | None = "contaminated",
    nuts: bool = False,
    draws: int = 1000,
    tune: int = 1000,
    target_accept: float = 0.9,
    beyond: str | RaterModel = ITEMS_ONLY,
    shares: Sequence[float] = (0.01, 0.05, 0.1),
    resamples: int = 1000,
    repetitions: int = 199,
    seed: int = 7,
    finished: Mapping[str, Any] | None = None,
    on_part: Callable[[str, Any], None] | None = None,
) -> Provenance:
    """Trace decisions to the raters behind them.

    Parameters
    ----------
    labels : LabelSet
        Votes with rater ids.
    beta, threshold, prior, utility
        See ``problem_of_labels``.
    groups : bool, optional
        True to compare groups; default: if there are two or more.
    model : str, RaterModel or None
        Model with kinds of raters, for their posterior probabilities; None to leave them out.
    nuts : bool
        True to sample ``model``; False for its fast approximation.
    draws, tune, target_accept
        Settings of its fit, see ``RaterModel.fit``; the fast approximation uses ``draws`` only.
    beyond : str or RaterModel
        Null hypothesis beyond which a cluster must agree: exchangeable raters (``items``), or a fitted model.
    shares : sequence of float
        Shares of the weight for ``fewest_raters``.
    resamples : int
        Number of resamples of items, for the intervals of alpha.
    repetitions : int
        Number of repetitions of the search for clusters, for their p-values.
    seed : int
    finished : mapping, optional
        Parts computed before, by name, as passed to ``on_part``.
    on_part : callable, optional
        Called with the name and the result of each slow part, as values that JSON can represent.

    Returns
    -------
    Provenance

    Raises
    ------
    ValueError
        For votes that ``agreement`` refuses, unknown models, and settings out of range.

    Examples
    --------
    >>> from seqaudit import Design
    >>> design = Design.balanced(items=40, raters=8, votes_per_item=5, seed=7)
    >>> votes = design.labelled(np.random.default_rng(7).integers(0, 2, design.size))
    >>> found = provenance(votes, model=None, resamples=0, repetitions=19)
    >>> found.movers[["number", "removed"]].iloc[0].tolist(), [x.upper for x in found.fewest]
    (['mass', 'rater 3'], [1, 1, 1])
    """
    sampling: dict[str, Any] = {"draws": draws, "tune": tune, "target_accept": target_accept}
    SamplerSettings(seed=seed, chains=_CHAINS, **sampling)
    by_group, kinds_model, explaining = checked_provenance(labels, groups=groups, model=model, beyond=beyond)
    require_repetitions(resamples, repetitions)
    settings = _Settings(
        problem_of_labels(labels, labels.n_labels, beta=beta, threshold=threshold, prior=prior, utility=utility),
        by_group=by_group,
        kinds=kinds_model,
        explaining=explaining,
        sampling={"method": "nuts" if nuts else "fast", "chains": _CHAINS, "seed": seed} | sampling,
        shares=tuple(shares),
        resamples=resamples,
        repetitions=repetitions,
        seed=seed,
    )
    return _traced(labels, settings, dict(finished or {}), on_part)


def require_repetitions(resamples: int, repetitions: int) -> None:
    """Refuse more resamples, or repetitions of the search for clusters, than could ever be computed."""
    require_repeats("resamples", whole("resamples", resamples), seconds=1e-5, memory=32)
    require_repeats("repetitions", whole("repetitions", repetitions), seconds=1e-5, memory=8)


@dataclass(frozen=True)
class _Settings:
    """Checked settings of a trace; problem and models fit the votes.

    Attributes
    ----------
    problem : Problem
        Problem that the votes decide.
    by_group : bool
        True if groups are compared.
    kinds, explaining : RaterModel, optional
        The model with kinds of raters, and the null model of clusters.
    sampling : dict
        Settings for the fit of ``kinds``.
    shares, resamples, repetitions, seed
        As for ``provenance``.
    """

    problem: Problem
    by_group: bool
    kinds: RaterModel | None
    explaining: RaterModel | None
    sampling: dict[str, Any]
    shares: tuple[float, ...]
    resamples: int
    repetitions: int
    seed: int


def _traced(
    labels: LabelSet, settings: _Settings, parts: dict[str, Any], on_part: Callable[[str, Any], None] | None
) -> Provenance:
    """Compute the findings; ``parts`` holds the slow parts that are known already."""
    import pandas as pd

    problem = settings.problem
    for name, part in parts.items():
        require_type(f"finished[{shown(name)}]", part, Mapping, "what was reported of this part")
    # The quick parts check their input before the slow ones begin.
    fewest = fewest_raters(labels, problem, settings.shares)
    alone = removals(labels, problem)
    compute = dict(zip(PARTS, (_agreement, _without_each, _clusters, _kinds), strict=True))
    for name in PARTS if settings.kinds is not None else PARTS[:-1]:
        if name not in parts:
            parts[name] = compute[name](labels, settings)
            if on_part:
                on_part(name, parts[name])
    without = pd.DataFrame(parts["leave-one-out"])
    clusters = pd.DataFrame(parts["clusters"]["table"])
    clusters["raters"] = clusters["raters"].map(tuple)
    chosen = None if settings.kinds is None else parts["kinds"]
    checks = None if chosen is None else pd.DataFrame(chosen["checks"])
    kinds = None if chosen is None or chosen["table"] is None else pd.DataFrame(chosen["table"])
    suspects = () if kinds is None else tuple(kinds["rater"][kinds[HONEST] < _SUSPECTED])
    told = [*parts["clusters"]["remarks"], *([] if chosen is None else chosen["remarks"])]
    return Provenance(
        labels=labels,
        problem=problem,
        concentration=concentration(labels, problem.weight),
        headlines=headlines(labels, problem),
        items=_items(labels, problem, alone),
        raters=alone.assign(alpha=without["alpha"], alpha_change=without["alpha_change"]),
        sets=removals(labels, problem, _sets(labels, settings.by_group, clusters, suspects)),
        movers=largest_movers(alone),
        fewest=fewest,
        agreement=pd.DataFrame(parts["agreement"]),
        clusters=clusters,
        beyond=ITEMS_ONLY if settings.explaining is None else settings.explaining.title,
        kinds=kinds,
        checks=checks,
        suspects=suspects,
        remarks=(*told, *_remarks(labels, settings, len(clusters), len(suspects))),
    )


def _agreement(labels: LabelSet, settings: _Settings) -> Any:
    found = agreement(labels, groups=settings.by_group, resamples=settings.resamples, seed=settings.seed)
    return found.to_dict(orient="list")


def _without_each(labels: LabelSet, _: _Settings) -> Any:
    return leave_one_out_alpha(labels).to_dict(orient="list")


def _clusters(labels: LabelSet, settings: _Settings) -> Any:
    model = settings.explaining
    labels = canonical(labels, within=model is None or not model.in_order)
    fit = None if model is None else model.fit(labels, seed=settings.seed, method="fast")
    found = rater_clusters(labels, fit, repetitions=settings.repetitions, seed=settings.seed)
    return {"table": found.table.to_dict(orient="list"), "remarks": list(found.remarks)}


def _kinds(labels: LabelSet, settings: _Settings) -> Any:
    assert settings.kinds is not None
    model = settings.kinds
    fit = model.fit(canonical(labels, within=not model.in_order), **settings.sampling)
    said = fit.remark()
    remarks = [] if said is None else [f"{model.title}: {said}"]
    checks = predictive_table(predictive_checks(fit, seed=settings.seed))
    refuted = ((checks["p_value"] - 0.5).abs() > 0.5 - _TAIL).any()
    table = None if refuted else rater_kinds(fit).to_dict(orient="list")
    return {"table": table, "checks": checks.to_dict(orient="list"), "remarks": remarks}


def _remarks(labels: LabelSet, settings: _Settings, clusters: int, suspects: int) -> list[str]:
    """Remarks on the findings, given the numbers of clusters and of suspects."""
    remarks = []
    if clusters and settings.explaining is None:
        remarks.append(
            "clusters beyond the items alone may be of raters alike in skill or bias; 'beyond' can name a model that "
            "knows of these"
        )
    if settings.kinds is not None and suspects > _MANY * len(labels.raters):
        remarks.append(
            f"{suspects} of {len(labels.raters)} raters are suspected: {settings.kinds.name} knows no taste, bias "
            "or skill, and where honest raters differ in these it takes some for dishonest"
        )
    if labels.gold is not None and np.isnan(labels.gold).any():
        remarks.append(f"gold is known of {int((~np.isnan(labels.gold)).sum())} of {labels.n_items} items")
    return remarks


def _items(labels: LabelSet, problem: Problem, alone: pd.DataFrame) -> pd.DataFrame:
    """Diversity and decision of each item, and the raters who can flip it."""
    p = problem.tail_at(labels.counts, labels.wins)
    undone: dict[str, list[str]] = {name: [] for name in labels.items}
    for rater, flipped in zip(alone["removed"], alone["flipped"], strict=True):
        for name in flipped:
            undone[name].append(rater)
    table = rater_diversity(labels).assign(tail=p, learnable=problem.utility.decide(p))
    table["flipped_by"] = [tuple(undone[name]) for name in labels.items]
    return table


def _sets(labels: LabelSet, by_group: bool, clusters: pd.DataFrame, suspects: Sequence[str]) -> dict[str, Bools]:
    """Votes of each group and each cluster, and of all suspects."""
    sets: dict[str, Bools] = {}
    if by_group and labels.group is not None:
        sets |= {f"group {name}": labels.group == g for g, name in enumerate(labels.groups)}
    number = {name: r for r, name in enumerate(labels.raters)}
    for name, raters in zip(clusters["cluster"], clusters["raters"], strict=True):
        sets[name] = np.isin(labels.rater, [number[r] for r in raters])
    if suspects:
        sets["all suspects"] = np.isin(labels.rater, [number[r] for r in suspects])
    return sets
