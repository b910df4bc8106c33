r"""Reliability of fitted models: events of predicted probability p should happen in a share p of the cases.

A model is fitted to some of each item's votes and predicts the others. There are four kinds of events:

    vote       a held-out vote is 1;
    verdict    the share of 1 among an item's held-out votes is above its threshold t: predicted by votes drawn from
               the model, so that a small number of held-out votes causes no bias;
    tail       the same event, predicted by p_i = P(alpha_i > t | kept votes). With few held-out votes this *looks*
               overconfident even for a perfect model; with many it approaches a test of p_i;
    gold       the item's known answer is 1, predicted by p_i, if answers are known.

For predictions p_k of outcomes y_k, k = 1..n (Brier 1950; Good 1952; Naeini, Cooper and Hauskrecht 2015):

    Brier score                   (1/n) sum (p_k - y_k)^2
    log score                     (1/n) sum log of the probability given to the outcome; natural logarithm
    expected calibration error    sum over bins b of |sum over k in b of (p_k - y_k)| / n

with bins of about equal numbers of predictions. The last is above 0 by chance even for perfect predictions;
``by_chance`` is its mean over outcomes drawn from the model itself. Standard errors are those of a bootstrap over
items, since votes on one item share its rate.

All models are compared with the working model: independent items with rates Beta(1, 1), and independent votes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

from ...dp.machine.repeats import require_repeats
from ...posteriors.foundation.arrays import Floats, Ints
from ...posteriors.foundation.kinds import checked, require_type
from ...posteriors.foundation.refusals import whole
from ...posteriors.foundation.tolerances import above
from ...posteriors.raters.fit import RaterFit
from ...posteriors.raters.model import RaterModel
from ...posteriors.raters.registry import make_rater_model
from ...posteriors.votes.checks import checked_thresholds
from ...posteriors.votes.label_set import LabelSet
from ..runner.results import result_of
from .held_out import HeldOut, hold_out, predicted

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

__all__ = ["WORKING", "chosen_models", "reliability", "reliability_table", "require_bins", "scores"]

WORKING = "Beta(1, 1)"
SCORES = ("brier", "log_score", "calibration_error")
_BOOTSTRAP = 400
# Bins that are allowed whatever the number of votes.
_MOST_BINS = 1000
# Outcomes that are drawn for the calibration error by chance.
_BY_CHANCE = 200


@checked
def reliability(
    labels: LabelSet,
    models: Sequence[str | RaterModel] = ("partial-pooling",),
    *,
    threshold: ArrayLike = 0.5,
    share: float = 0.3,
    seed: int = 7,
    method: str = "fast",
    draws: int = 1000,
    bins: int = 10,
    fit: Callable[[RaterModel, LabelSet], RaterFit] | None = None,
) -> xr.Dataset:
    """Reliability of models' predictions of held-out votes, compared with the working model Beta(1, 1).

    Parameters
    ----------
    labels : LabelSet
    models : sequence of RaterModel or registered name
    threshold : float or array_like, shape (N,)
    share : float
        Share of each item's votes that is held out.
    seed : int
    method : {"nuts", "fast"}
        Method of fitting; see ``RaterModel.fit``.
    draws : int
        Number of draws over which predictions are averaged.
    bins : int
        Number of bins of the reliability curve.
    fit : callable, optional
        Function of model and votes that replaces ``RaterModel.fit``.

    Returns
    -------
    xarray.Dataset
        Over (model, kind, measure): ``score`` and ``score_se``; ``gain`` over the working model, positive if the model
        is better, and its paired ``gain_se``. Over (model, kind): ``number`` of predictions, and ``by_chance``, the
        calibration error expected by chance under the model. Over (model, kind, bin): ``count``, ``predicted``,
        ``observed`` and ``observed_se``; nan in empty bins.

    Raises
    ------
    ValueError
        For votes that a model cannot be fitted to, and settings outside their range.

    Examples
    --------
    >>> from seqaudit import Design, PartialPooling
    >>> votes = PartialPooling().simulate(7, Design.balanced(200, 20, 4), parameters={"mean": 0.5, "size": 1.0})
    >>> found = reliability(votes.labels, seed=7)
    >>> float(found["gain"].sel(model="partial-pooling", kind="vote", measure="brier").round(3))
    0.002
    """
    import xarray as xr

    chosen = chosen_models(models)
    for field, value, least in (("draws", draws, 4), ("bins", bins, 1), ("seed", seed, 0)):
        whole(field, value, least)
    require_bins(labels, bins)
    parts = hold_out(labels, share, seed)
    for model in chosen:
        model.require(parts.kept)
    bar = checked_thresholds(labels, threshold)
    sequence = np.random.SeedSequence(seed)
    resampling, *streams = sequence.spawn(len(chosen) + 2)
    items = np.random.default_rng(resampling)
    weights = items.multinomial(labels.n_items, np.full(labels.n_items, 1 / labels.n_items), _BOOTSTRAP)
    fitted = fit or (lambda model, votes: model.fit(votes, seed=seed, method=method, draws=draws))
    rows = [_scored(_working(parts, bar, draws, np.random.default_rng(streams[0])), parts, labels, bar, weights, bins)]
    for model, stream in zip(chosen, streams[1:], strict=True):
        found = fitted(model, parts.kept)
        require_type("what fit returns", found, RaterFit, "a RaterFit")
        if found.labels is not parts.kept:
            raise ValueError(f"fit: the fit of {model.title} is one to other votes than those it was given")
        guess = _Guess(predicted(found, parts, draws), found.tail(bar), np.random.default_rng(stream))
        rows.append(_scored(guess, parts, labels, bar, weights, bins))
    scored = xr.concat(rows, dim="model").assign_coords(model=[WORKING, *(model.title for model in chosen)])
    replicas = scored["replicas"]
    gain = (scored["score"] - scored["score"].isel(model=0)) * scored["sign"]
    spread = (replicas - replicas.isel(model=0)).std("bootstrap", ddof=1)
    scored = scored.assign(gain=gain, gain_se=spread, score_se=replicas.std("bootstrap", ddof=1))
    scored = scored.drop_vars(["replicas", "sign"])
    scored.attrs = {"share": share, "seed": seed, "method": method, "held_out": len(parts.held)}
    return scored


@checked
@result_of("reliability", "predicted", "score", "gain", "by_chance")
def reliability_table(result: xr.Dataset) -> pd.DataFrame:
    """Table of reliability with a row for each kind of event and model.

    Parameters
    ----------
    result : xarray.Dataset
        From ``reliability``; the working model is its first.

    Returns
    -------
    pandas.DataFrame
            Columns ``kind``, ``model`` and ``number`` of predictions; each score, ``<score>_se``, and for Brier and log
            score ``<score>_gain`` and ``<score>_gain_se``; ``by_chance``.

    Examples
    --------
    >>> from seqaudit import Design, PartialPooling, reliability, reliability_table
    >>> votes = PartialPooling().simulate(7, Design.balanced(50, 10, 4), parameters={"mean": 0.5, "size": 1.0})
    >>> table = reliability_table(reliability(votes.labels, seed=7))
    >>> table.loc[table["kind"] == "vote", ["model", "number"]].values.tolist()
    [['Beta(1, 1)', 50], ['partial-pooling', 50]]
    """
    import pandas as pd

    rows = []
    for kind in result["kind"].values:
        for model in result["model"].values:
            one = result.sel(model=model, kind=kind)
            row: dict[str, Any] = {"kind": str(kind), "model": str(model), "number": int(one["number"])}
            for score in SCORES:
                at = one.sel(measure=score)
                row |= {score: float(at["score"]), f"{score}_se": float(at["score_se"])}
                if score != "calibration_error":
                    row |= {f"{score}_gain": float(at["gain"]), f"{score}_gain_se": float(at["gain_se"])}
            rows.append(row | {"by_chance": float(one["by_chance"])})
    return pd.DataFrame(rows)


def require_bins(labels: LabelSet, bins: int) -> None:
    """Refuse many more bins than there are votes to put into them, and more than memory holds."""
    whole("bins", bins, 1, max(labels.n_labels, _MOST_BINS))
    require_repeats("bins", bins, seconds=0.0, memory=8.0 * (labels.n_items + _BOOTSTRAP))


def chosen_models(models: Sequence[str | RaterModel]) -> list[RaterModel]:
    """Models from names; a ``ValueError`` if there are none, or one is repeated."""
    chosen = [make_rater_model(model) for model in models]
    names = [model.title for model in chosen]
    if not names or len(set(names)) < len(names):
        raise ValueError(f"models are {', '.join(names) or 'none'}; give one or more, each once")
    return chosen


def scores(p: Floats, y: Floats, bin_of: Ints) -> Floats:
    """Brier score, log score and expected calibration error; ``bin_of`` is the bin of each prediction.

    Examples
    --------
    >>> scores(np.array([0.5, 0.5, 0.9, 0.9]), np.array([1.0, 0.0, 1.0, 1.0]), np.array([0, 0, 1, 1])).round(4)
    array([ 0.13  , -0.3993,  0.05  ])
    """
    error = np.abs(np.bincount(bin_of, weights=p - y)).sum() / len(p)
    return np.array([((p - y) ** 2).mean(), np.log(np.where(y == 1, p, 1 - p)).mean(), error])


class _Guess:
    """Predictions of a model for the held-out votes."""

    def __init__(self, chance: Floats, tail: Floats, rng: np.random.Generator) -> None:
        # If rates differ by group, p_i is averaged over the groups.
        self.chance, self.rng = chance, rng
        self.tail = tail if tail.ndim == 1 else tail.mean(axis=1)


def _working(parts: HeldOut, bar: Floats, draws: int, rng: np.random.Generator) -> _Guess:
    a, b = 1.0 + parts.kept.wins, 1.0 + parts.kept.counts - parts.kept.wins
    return _Guess(
        rng.beta(a, b, (draws, len(a)))[:, parts.item],
        np.asarray(scipy.special.betaincc(a, b, bar), dtype=np.float64),
        rng,
    )


def _scored(
    guess: _Guess, parts: HeldOut, labels: LabelSet, bar: Floats, weights: NDArray[Any], bins: int
) -> xr.Dataset:
    """Scores of one model on all kinds of events."""
    import xarray as xr

    first = np.flatnonzero(np.diff(parts.item, prepend=-1))
    seen, number = parts.item[first], np.diff(np.append(first, len(parts.item)))
    votes = (guess.rng.random(guess.chance.shape) < guess.chance).astype(np.float64)
    shares = np.add.reduceat(votes, first, axis=1) / number
    majority = above(shares, bar[seen]).astype(np.float64)
    # Draws are stored chain after chain, so the first ones would be those of one chain.
    spread = np.linspace(0, len(votes) - 1, min(_BY_CHANCE, len(votes))).round().astype(np.int64)
    verdict = above(np.add.reduceat(parts.label, first) / number, bar[seen]).astype(np.float64)
    # Finitely many draws cannot tell a small probability from 0.
    least = 1.0 / (2.0 * len(votes) + 2.0)

    def drawn(p: Floats) -> Floats:
        return (guess.rng.random((_BY_CHANCE, len(p))) < p).astype(np.float64)

    events: dict[str, tuple[Floats, Floats, Ints, Floats]] = {
        "vote": (guess.chance.mean(axis=0), parts.label.astype(np.float64), parts.item, votes[spread]),
        "verdict": (majority.mean(axis=0), verdict, seen, majority[spread]),
        "tail": (guess.tail[seen], verdict, seen, drawn(guess.tail[seen])),
    }
    if labels.gold is not None and (answered := np.flatnonzero(~np.isnan(labels.gold))).size:
        p = guess.tail[answered]
        events["gold"] = (p, labels.gold[answered], answered, drawn(p))
    made = [
        _judged(np.clip(p, least, 1 - least), y, item, replicas, weights, bins)
        for p, y, item, replicas in events.values()
    ]
    return xr.concat(made, dim="kind").assign_coords(kind=list(events))


def _judged(p: Floats, y: Floats, item: Ints, drawn: Floats, weights: NDArray[Any], bins: int) -> xr.Dataset:
    import xarray as xr

    # Equal predictions share a bin.
    edges = np.unique(np.quantile(p, np.linspace(0, 1, bins + 1)[1:-1]))
    bin_of = np.searchsorted(edges, p, side="left")
    size = weights.shape[1]
    brier, log = (p - y) ** 2, np.log(np.where(y == 1, p, 1 - p))
    sums = [np.bincount(item, weights=x, minlength=size) for x in (np.ones_like(p), brier, log)]
    total, resampled_brier, resampled_log = (weights @ x for x in sums)
    cell = item * bins + bin_of

    def by_bin(x: Floats) -> Floats:
        """Sums over each bin in each bootstrap sample, shape (R, B)."""
        return np.asarray(weights @ np.bincount(cell, weights=x, minlength=size * bins).reshape(size, bins))

    counted, happened, missed = by_bin(np.ones_like(p)), by_bin(y), by_bin(p - y)
    with np.errstate(invalid="ignore", divide="ignore"):
        # A small sample may have no prediction, or none in a bin.
        replicas = np.stack([resampled_brier, resampled_log, np.abs(missed).sum(axis=1)], axis=1) / total[:, None]
        observed = happened / counted
        number = np.bincount(bin_of, minlength=bins).astype(np.float64)
        means = [np.bincount(bin_of, weights=x, minlength=bins) / number for x in (p, y)]
    spread = np.full(bins, np.nan)
    for b in np.flatnonzero(number):
        mine = observed[np.isfinite(observed[:, b]), b]
        spread[b] = mine.std(ddof=1) if mine.size > 1 else np.nan
    return xr.Dataset(
        {
            "score": ("measure", scores(p, y, bin_of)),
            "sign": ("measure", [-1.0, 1.0, -1.0]),
            "replicas": (("bootstrap", "measure"), replicas),
            "number": ((), len(p)),
            "by_chance": ((), float(np.mean([scores(p, rep, bin_of)[2] for rep in drawn]))),
            "count": ("bin", number),
            "predicted": ("bin", means[0]),
            "observed": ("bin", means[1]),
            "observed_se": ("bin", spread),
        },
        coords={"measure": list(SCORES)},
    )
