"""Tables of a fitted rater model: parameters, items and raters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...posteriors.foundation.arrays import Floats
from ...posteriors.foundation.tolerances import ROUNDING, above
from ...posteriors.raters.fit import RaterFit

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

__all__ = ["gold_accuracy", "item_table", "parameter_table", "rater_table"]


def parameter_table(fit: RaterFit) -> pd.DataFrame:
    """Parameters that belong to no item, rater or vote: mean, standard deviation, and quantiles at 5 and 95 %.

    Parameters
    ----------
    fit : RaterFit
        Of any model, by any method.

    Returns
    -------
    pandas.DataFrame
        A row for each: ``parameter``, ``mean``, ``sd``, ``q05`` and ``q95``.

    Examples
    --------
    >>> from seqaudit import LabelSet, PartialPooling
    >>> votes = LabelSet.from_pools({"a": [1, 1, 1], "b": [1, 0, 1], "c": [0, 0, 0], "d": [1, 1]})
    >>> parameter_table(PartialPooling().fit(votes, method="fast", seed=7))["parameter"].tolist()
    ['mean', 'size', 'a', 'b']
    """
    import pandas as pd

    rows = []
    posterior = fit.posterior
    for name, dims in fit.model.dims.items():
        if {"item", "rater", "vote"} & set(dims):
            continue
        for label, draws in _columns(posterior[name], ("chain", "draw")):
            low, high = np.quantile(draws, [0.05, 0.95])
            # A constant has spread 0, not that of rounding.
            sd = draws.std() if np.ptp(draws) > 0 else 0.0
            values = {"mean": draws.mean(), "sd": sd, "q05": low, "q95": high}
            rows.append({"parameter": f"{name}[{label}]" if label else name} | {k: float(x) for k, x in values.items()})
    return pd.DataFrame(rows, columns=["parameter", "mean", "sd", "q05", "q95"])


def item_table(fit: RaterFit, threshold: ArrayLike = 0.5) -> pd.DataFrame:
    """Votes, tail probability and rate of each item, a row for each; the errors are those of finitely many draws.

    Parameters
    ----------
    fit : RaterFit
    threshold : float or array_like, shape (N,)

    Returns
    -------
    pandas.DataFrame
        Columns ``item``, ``votes``, ``ones``, ``threshold``, ``tail``, ``tail_se``, ``rate``, ``rate_sd`` and, if
        answers are known, ``gold``. If rates differ by group, ``tail``, ``tail_se``, ``rate`` and ``rate_sd`` have a
        column for each group.
    """
    import pandas as pd

    labels = fit.labels
    columns: dict[str, Any] = {
        "item": list(labels.items),
        "votes": labels.counts,
        "ones": labels.wins,
        "threshold": np.broadcast_to(np.asarray(threshold, dtype=np.float64), labels.n_items),
    }
    rate = fit.draws["rate"]
    found = {
        "tail": fit.tail(threshold),
        "tail_se": fit.tail_error(threshold),
        "rate": rate.mean(axis=0),
        "rate_sd": rate.std(axis=0),
    }
    for name, x in found.items():
        if x.ndim == 1:
            columns[name] = x
        else:
            columns |= {f"{name} {group}": x[:, g] for g, group in enumerate(labels.groups)}
    if labels.gold is not None:
        columns["gold"] = labels.gold
    return pd.DataFrame(columns)


def rater_table(fit: RaterFit) -> pd.DataFrame:
    """Votes and parameters of each rater, with mean and standard deviation of every parameter of raters.

    Parameters
    ----------
    fit : RaterFit
        Fit of a model with parameters of raters, such as ``rater-bias``.

    Returns
    -------
    pandas.DataFrame
        A row for each rater: ``rater``, ``votes``, ``ones``, and ``<parameter>`` and ``<parameter>_sd`` for each
        parameter of raters.
    """
    import pandas as pd

    labels = fit.labels
    size = len(labels.raters)
    columns: dict[str, Any] = {
        "rater": list(labels.raters),
        "votes": np.bincount(labels.rater, minlength=size),
        "ones": np.bincount(labels.rater[labels.labels == 1], minlength=size),
    }
    posterior = fit.posterior
    for name, dims in fit.model.dims.items():
        if "rater" in dims and "item" not in dims:
            for label, draws in _columns(posterior[name], ("chain", "draw", "rater")):
                flat = draws.reshape(-1, size)
                called = f"{name}[{label}]" if label else name
                columns |= {called: flat.mean(axis=0), f"{called}_sd": flat.std(axis=0)}
    return pd.DataFrame(columns)


def gold_accuracy(fit: RaterFit) -> dict[str, float] | None:
    """Accuracy on known answers of the decision P(alpha_i > 1/2) > 1/2, and of the majority of votes.

    Parameters
    ----------
    fit : RaterFit

    Returns
    -------
    dict or None
        ``items``, the number of known answers; ``model`` and ``majority``, the two accuracies, where ties count half.
        None if no answer is known.
    """
    gold = fit.labels.gold
    if gold is None or np.isnan(gold).all():
        return None
    known = ~np.isnan(gold)
    tail = fit.tail(0.5)
    p = tail if tail.ndim == 1 else tail.mean(axis=1)
    return {
        "items": float(known.sum()),
        "model": _right(p[known], gold[known]),
        "majority": _right(fit.labels.rate[known], gold[known]),
    }


def _right(p: Floats, gold: Floats) -> float:
    return float(np.where(np.abs(p - 0.5) <= ROUNDING, 0.5, above(p, 0.5) == (gold == 1)).mean())


def _columns(x: xr.DataArray, kept: tuple[str, ...]) -> list[tuple[str, NDArray[Any]]]:
    """Name and draws of each entry over the dimensions other than ``kept``; the draws have the dimensions ``kept``."""
    other = [dim for dim in x.dims if dim not in kept]
    if not other:
        return [("", x.transpose(*kept).values)]
    flat = x.stack(entry=other).transpose(*kept, "entry")
    names = [", ".join(map(str, at)) for at in flat["entry"].values.tolist()]
    return [(name, flat.values[..., k]) for k, name in enumerate(names)]
