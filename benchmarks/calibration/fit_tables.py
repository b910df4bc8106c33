"""What a fit of a rater model says, as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...posteriors.foundation.arrays import Floats
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

    Examples
    --------
    >>> from seqaudit import LabelSet, PartialPooling
    >>> votes = LabelSet.from_pools({"a": [1, 1, 1], "b": [1, 0, 1], "c": [0, 0, 0], "d": [1, 1]})
    >>> parameter_table(PartialPooling().fit(votes, method="fast", seed=7))["parameter"].tolist()
    ['mean', 'size', 'a', 'b']
    """
    import pandas as pd

    rows = []
    posterior = fit.data["posterior"].dataset
    for name, dims in fit.model.dims.items():
        if {"item", "rater", "vote"} & set(dims):
            continue
        for label, draws in _columns(posterior[name], ("chain", "draw")):
            low, high = np.quantile(draws, [0.05, 0.95])
            # What does not vary has no spread, not that of rounding.
            sd = draws.std() if np.ptp(draws) > 0 else 0.0
            values = {"mean": draws.mean(), "sd": sd, "q05": low, "q95": high}
            rows.append({"parameter": f"{name}[{label}]" if label else name} | {k: float(x) for k, x in values.items()})
    return pd.DataFrame(rows, columns=["parameter", "mean", "sd", "q05", "q95"])


def item_table(fit: RaterFit, threshold: ArrayLike = 0.5) -> pd.DataFrame:
    """One row an item: votes, tail probability with the standard error of finitely many draws, mean and sd of the rate.

    Parameters
    ----------
    fit : RaterFit
    threshold : float or array_like, shape (N,)

    Returns
    -------
    pandas.DataFrame
        Columns ``item``, ``votes``, ``ones``, ``threshold``, ``tail``, ``tail_se``, ``rate``, ``rate_sd`` and, where
        answers are known, ``gold``; the four of the model have a column for each group where rates differ by group.
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
    """One row a rater: votes, ones, and mean and sd of each parameter that raters have.

    Parameters
    ----------
    fit : RaterFit
    """
    import pandas as pd

    labels = fit.labels
    size = len(labels.raters)
    columns: dict[str, Any] = {
        "rater": list(labels.raters),
        "votes": np.bincount(labels.rater, minlength=size),
        "ones": np.bincount(labels.rater[labels.labels == 1], minlength=size),
    }
    posterior = fit.data["posterior"].dataset
    for name, dims in fit.model.dims.items():
        if "rater" in dims and "item" not in dims:
            for label, draws in _columns(posterior[name], ("chain", "draw", "rater")):
                flat = draws.reshape(-1, size)
                called = f"{name}[{label}]" if label else name
                columns |= {called: flat.mean(axis=0), f"{called}_sd": flat.std(axis=0)}
    return pd.DataFrame(columns)


def gold_accuracy(fit: RaterFit) -> dict[str, float] | None:
    """Share of known answers that are 1 just where P(alpha_i > 1/2) > 1/2, beside that of the majority of votes.

    Parameters
    ----------
    fit : RaterFit

    Returns
    -------
    dict or None
        ``items``, the number of known answers; ``model`` and ``majority``, in which ties count half. None where no
        answer is known.
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
    return float(np.where(p == 0.5, 0.5, (p > 0.5) == (gold == 1)).mean())


def _columns(x: xr.DataArray, kept: tuple[str, ...]) -> list[tuple[str, NDArray[Any]]]:
    """Draws of each entry over the other dimensions, with its name; those that are kept come first."""
    other = [dim for dim in x.dims if dim not in kept]
    if not other:
        return [("", x.transpose(*kept).values)]
    flat = x.stack(entry=other).transpose(*kept, "entry")
    names = [", ".join(map(str, at)) for at in flat["entry"].values.tolist()]
    return [(name, flat.values[..., k]) for k, name in enumerate(names)]
