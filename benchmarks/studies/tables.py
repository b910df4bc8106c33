"""Tables of a study: means with standard errors, paired differences, and labels needed for a share of the gain."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...posteriors.foundation.arrays import Floats
from ...posteriors.foundation.averages import error_of_average, mean_of
from ...posteriors.foundation.kinds import checked
from ...posteriors.foundation.messages import printable, shown
from ...posteriors.foundation.names import unknown_name
from ...posteriors.foundation.refusals import probability, whole
from ..metrics.metric import Metric
from .cells import PAYOFF
from .comparisons import Difference, holm, paired
from .outline import Outline
from .results import Group, Reference, StudyResults

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "label_efficiency",
    "require_columns",
    "require_metric",
    "require_policy",
    "study_differences",
    "study_table",
]

_RESAMPLES = 999
# With which others are compared, where nothing is said, if a study has it.
_PLAIN = ("round-robin", "uniform")
_RANDOM = "uniform"
# Columns of tables that are no metrics.
_COLUMNS = (
    *("environment", "policy", "labels", "replications", "bought", PAYOFF, "gain", "regret", "against"),
    *("seconds_a_label", "seconds_ratio"),
)


def _results_of(run: str | os.PathLike[str] | StudyResults) -> StudyResults:
    """Results in a run folder, or these results."""
    return run if isinstance(run, StudyResults) else StudyResults.of(run)


@checked
def study_table(run: str | os.PathLike[str] | StudyResults) -> pd.DataFrame:
    """Means over the replications of a study, at every checkpoint.

    Parameters
    ----------
    run : path or StudyResults
        Run folder of a study, finished or not.

    Returns
    -------
    pandas.DataFrame
        A row for each environment, policy and checkpoint: ``environment``, the axes, ``policy``, ``labels``,
        ``replications``, and the mean of ``bought``, of ``payoff`` and of every metric, each with its standard error in
        ``<name>_se``. The payoff with the whole budget is exact, with an error of 0, where it is known. ``gain`` is the
        share of the possible gain in payoff, over no labels, with the whole budget ``against`` the optimum or, where
        that is not known, a bound, so that it is too small; ``regret`` is the payoff that is missing. They are nan
        where labels do not come from the priors. ``seconds_a_label`` is the time of choosing and buying one, and
        ``seconds_ratio`` that time as a multiple of that of ``uniform``, if the study has it.

    Raises
    ------
    RunFolderError
        For a folder that is not that of a study, and cells that are not as they were written.

    Examples
    --------
    >>> import seqaudit as sa
    >>> from tempfile import TemporaryDirectory
    >>> problem = {"name": "small", "threshold": [0.5, 0.7], "budget": 4}
    >>> study = sa.make_study({"policies": ["kg", "uniform"], "replications": 4, "problem": [problem]})
    >>> with TemporaryDirectory() as folder:
    ...     table = sa.study_table(sa.run_study(study, f"{folder}/run"))
    >>> table[["policy", "labels", "gain", "gain_se"]].round(3).values.tolist()
    [['kg', 4, 0.962, 0.0], ['uniform', 4, 0.818, 0.0]]
    """
    import pandas as pd

    results = _results_of(run)
    random = {x.environment: x.seconds_a_label for x in results.groups if x.policy == _RANDOM}
    rows: list[dict[str, Any]] = []
    for group in results.groups:
        mean = {name: mean_of(x, axis=0) for name, x in group.columns.items()}
        error = {name: error_of_average(x, axis=0) for name, x in group.columns.items()}
        gain = results.references.get(group.environment)
        if group.value is not None:
            # Without an error of sampling.
            mean[PAYOFF][-1], error[PAYOFF][-1] = group.value, 0.0
        share, wrong, regret = _shares(gain, mean[PAYOFF], error[PAYOFF])
        each = group.seconds_a_label
        for k, labels in enumerate(group.labels):
            row: dict[str, Any] = {"environment": group.environment, **{f"axis.{x}": y for x, y in _axes(group)}}
            row |= {"policy": group.policy, "labels": labels, "replications": len(group.replications)}
            for name in ("bought", *results.columns):
                row |= {name: mean[name][k], f"{name}_se": error[name][k]}
            row |= {"gain": share[k], "gain_se": wrong[k], "regret": regret[k]}
            row |= {"against": None if gain is None or gain.most is None else ("bound", "optimum")[gain.is_exact]}
            row |= {"seconds_a_label": each}
            rows.append(row | {"seconds_ratio": each / (random.get(group.environment) or np.nan)})
    return pd.DataFrame(rows)


def _axes(group: Group) -> list[tuple[str, Any]]:
    """Axes with values that a table holds."""
    return [(key, x if isinstance(x, (int, float, str)) else repr(x)) for key, x in group.axes.items()]


def _shares(gain: Reference | None, mean: Floats, error: Floats) -> tuple[Floats, Floats, Floats]:
    """Share of the possible gain, its standard error, and the regret; nan without references."""
    if gain is None or gain.most is None:
        nothing = np.full(mean.shape, np.nan)
        return nothing, nothing, nothing
    # The share is linear in the payoff.
    return gain.share(mean), gain.share(gain.least + error), gain.most - mean


def require_columns(metrics: Sequence[Metric]) -> None:
    """Require that each metric has a column of its own in tables.

    Raises
    ------
    ValueError
        For a metric without a name, two that are called alike, and one called like a column that tables have anyway.
    """
    taken = {*_COLUMNS, *(f"{x}_se" for x in _COLUMNS)}
    for metric in metrics:
        name = getattr(metric, "name", None)
        if not isinstance(name, str) or not name.strip() or printable(name) != name or name.startswith("axis."):
            raise ValueError(f"metrics has {shown(metric)}, whose name is {shown(name)}; it must be a text")
        for column in (metric.label, f"{metric.label}_se"):
            if column in taken:
                raise ValueError(
                    f"metrics has {shown(metric.label)}, and tables have a column {shown(column)} already; give it "
                    "another name"
                )
            taken.add(column)


def require_metric(outline: Outline, metric: str | None) -> str:
    """Return a metric of a study, the first one for None; refuse any other."""
    known = [*outline.metrics, PAYOFF]
    if metric is not None and metric not in known:
        raise ValueError(unknown_name("metric is {name}; the study has: {known}{hint}", metric, known))
    return known[0] if metric is None else metric


def require_policy(outline: Outline, reference: str | None) -> str:
    """Return a policy of a study; refuse any other. For None it is round-robin, or uniform, or the first one."""
    names = [way.name for way in outline.ways]
    if reference is not None and reference not in names:
        raise ValueError(unknown_name("reference is {name}; the study has: {known}{hint}", reference, names))
    return next((x for x in _PLAIN if x in names), names[0]) if reference is None else reference


@checked
def study_differences(
    run: str | os.PathLike[str] | StudyResults,
    metric: str | None = None,
    reference: str | None = None,
    checkpoint: int = -1,
    on_row: Callable[[str], object] | None = None,
) -> pd.DataFrame:
    """Paired differences of the policies of a study from one of them.

    Parameters
    ----------
    run : path or StudyResults
        Run folder of a study, finished or not.
    metric : str, optional
        A metric of the study with its settings, or ``payoff``; default: the first metric.
    reference : str, optional
        Policy with which the others are compared; default: ``round-robin`` or ``uniform``, else the first of the study.
    checkpoint : int
        Number of the checkpoint from 0, or from the end if negative; default: the last.
    on_row : callable, optional
        Called with environment and policy as each difference is tested.

    Returns
    -------
    pandas.DataFrame
        ``environment``, ``policy``, ``mean`` difference, ``low`` and ``high`` ends of its 95 % interval (BCa
        bootstrap), ``p`` of the permutation test, ``pairs``, and ``p_holm``, corrected over all rows.

    Raises
    ------
    ValueError
        For a metric, policy or checkpoint that the study does not have.

    Examples
    --------
    >>> import seqaudit as sa
    >>> from tempfile import TemporaryDirectory
    >>> problem = {"name": "small", "threshold": [0.5, 0.7], "budget": 4}
    >>> study = sa.make_study({"policies": ["kg", "uniform"], "replications": 4, "problem": [problem]})
    >>> with TemporaryDirectory() as folder:
    ...     table = sa.study_differences(sa.run_study(study, f"{folder}/run"), "payoff")
    >>> table[["policy", "mean", "pairs"]].round(3).values.tolist()
    [['kg', 0.052, 4]]
    """
    import pandas as pd

    results = _results_of(run)
    metric, plain = require_metric(results.outline, metric), require_policy(results.outline, reference)
    _require_checkpoint(results, checkpoint)
    of_reference = {x.environment: _by_replication(x, metric, checkpoint) for x in results.groups if x.policy == plain}
    rows: list[dict[str, Any]] = []
    for group in results.groups:
        if group.policy == plain or group.environment not in of_reference:
            continue
        other, own = of_reference[group.environment], _by_replication(group, metric, checkpoint)
        both = sorted(own.keys() & other.keys())
        first, second = (np.array([x[r] for r in both]) for x in (own, other))
        found = paired(first, second, results.outline.seed)
        rows.append({"environment": group.environment, "policy": group.policy, **found._asdict()})
        if on_row is not None:
            on_row(f"{group.environment}, {group.policy}")
    table = pd.DataFrame(rows, columns=["environment", "policy", *Difference._fields])
    table["p_holm"] = holm(table["p"].tolist())
    return table


def _require_checkpoint(results: StudyResults, checkpoint: int) -> None:
    fewest = min(len(x.stops) for x in results.outline.settings)
    whole("checkpoint", checkpoint, -fewest, fewest - 1)


def _by_replication(group: Group, metric: str, checkpoint: int) -> dict[int, float]:
    return dict(zip(group.replications, group.columns[metric][:, checkpoint].tolist(), strict=True))


@checked
def label_efficiency(run: str | os.PathLike[str] | StudyResults, share: float = 0.9) -> pd.DataFrame:
    """Labels that policies of a study need to reach a share of the possible gain in payoff.

    The mean payoff over the replications is drawn as lines between no labels and the checkpoints, so more checkpoints
    make it finer; the gain is that of the whole budget, by the optimum or, if unknown, a bound.

    Parameters
    ----------
    run : path or StudyResults
        Run folder of a study, finished or not.
    share : float
        Above 0 and below 1.

    Returns
    -------
    pandas.DataFrame
        ``environment``, ``policy``, ``labels``, and ``low`` and ``high`` ends of their 95 % interval (percentile
        bootstrap over the replications). inf where the share is not reached with the whole budget; nan where no gain
        is possible, or the references are not done.

    Examples
    --------
    >>> import seqaudit as sa
    >>> from tempfile import TemporaryDirectory
    >>> problem = {"name": "small", "threshold": [0.5, 0.7], "budget": 4}
    >>> study = sa.make_study({"policies": ["kg", "uniform"], "replications": 4, "problem": [problem]})
    >>> with TemporaryDirectory() as folder:
    ...     table = sa.label_efficiency(sa.run_study(study, f"{folder}/run"), share=0.5)
    >>> table[["policy", "labels"]].round(2).values.tolist()
    [['kg', 2.08], ['uniform', 2.44]]
    """
    import pandas as pd

    results = _results_of(run)
    probability("share", share)
    rows: list[dict[str, Any]] = []
    for group in results.groups:
        gain = results.references.get(group.environment)
        found, low, high = (np.nan,) * 3
        if gain is not None and np.isfinite(gain.share(np.zeros(1))).all():
            payoff = group.columns[PAYOFF].copy()
            if group.value is not None:
                payoff[:, -1] = group.value
            found = float(_labels_for(gain, group.labels, payoff.mean(axis=0)[None], share)[0])
            if len(payoff) > 1:
                rng = np.random.default_rng(results.outline.seed)
                drawn = rng.multinomial(len(payoff), np.full(len(payoff), 1.0 / len(payoff)), _RESAMPLES)
                ends = np.sort(_labels_for(gain, group.labels, drawn @ payoff / len(payoff), share))
                low, high = (float(ends[k]) for k in (int(0.025 * _RESAMPLES), int(0.975 * _RESAMPLES)))
        rows.append({"environment": group.environment, "policy": group.policy, "labels": found})
        rows[-1] |= {"low": low, "high": high}
    return pd.DataFrame(rows, columns=["environment", "policy", "labels", "low", "high"])


def _labels_for(gain: Reference, labels: Sequence[int], payoff: Floats, share: float) -> Floats:
    """Labels after which each of some mean payoffs, shape (B, S), first reaches a share of the gain, shape (B,)."""
    at = np.array([0, *labels], dtype=np.float64)
    shares = np.concatenate([np.zeros((len(payoff), 1)), gain.share(payoff)], axis=1)
    reached = shares >= share - 1e-12
    k = reached.argmax(axis=1)
    rows = np.arange(len(payoff))
    before, after = shares[rows, np.maximum(k - 1, 0)], shares[rows, k]
    with np.errstate(invalid="ignore", divide="ignore"):
        part = (share - before) / (after - before)
    found = at[np.maximum(k - 1, 0)] + np.clip(part, 0.0, 1.0) * (at[k] - at[np.maximum(k - 1, 0)])
    return np.where(reached.any(axis=1), found, np.inf)
