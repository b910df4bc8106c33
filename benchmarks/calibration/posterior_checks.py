r"""Posterior predictive checks of a fitted model, and comparison of models by leave-one-out.

*Posterior predictive checks* (Rubin 1984; Gelman, Meng and Stern 1996). For each draw of all parameters, replicated
votes are drawn for the same items and raters, and their statistics T are compared with those of the observed votes:

    share of 1              of all votes;
    variance of items       of items' shares of 1;
    variance of raters      of raters' shares of 1, of raters with two votes or more;
    agreement               chance that two votes on the same item, drawn at random among all such pairs, are equal.

The posterior predictive p-value is P(T(replicated) > T(votes)) + P(equal) / 2. Under the model it is not uniform but
concentrated around 1/2, since the fit uses the votes; so a value near 0 or 1 is strong evidence against the model.

*Leave-one-out*: the expected log predictive density of a vote, by Pareto-smoothed importance sampling (Vehtari, Gelman
and Gabry 2017), with the number of votes whose Pareto k is too large to be trusted. A vote whose log-probability is the
same in most draws, such as that of a rater who certainly votes at random, has a tail of weights without a Pareto fit;
normal noise of standard deviation 1e-4 is therefore added to all log-probabilities, which changes an elpd of V votes by
S draws by about 1e-4 sqrt(V / S). Models are compared by differences, whose standard errors treat the votes as a
sample.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...dp.machine.seal import digest
from ...posteriors.foundation.arrays import Floats, Ints
from ...posteriors.foundation.kinds import checked, require_type
from ...posteriors.foundation.messages import shown
from ...posteriors.foundation.refusals import whole
from ...posteriors.foundation.tolerances import ROUNDING
from ...posteriors.raters.fit import RaterFit
from ...posteriors.votes.design import Design
from ...posteriors.votes.label_set import LabelSet, offsets

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

__all__ = ["FEWEST_DRAWS", "compare_fits", "leave_one_out", "predictive_checks", "predictive_table", "vote_statistics"]

# Standard deviation of the noise added to log-probabilities. With much smaller noise the library fits a tail, but
# single draws that differ from the others by only 1e-5 look extreme in it: k then exceeds 3 although nothing is wrong.
_JITTER = 1e-4
# Draws for leave-one-out: a Pareto distribution is fitted to a fifth of them, and needs five values.
FEWEST_DRAWS = 30


def vote_statistics(labels: LabelSet, votes: NDArray[Any]) -> dict[str, Floats]:
    """Statistics T of votes cast by a label set's raters on its items.

    Parameters
    ----------
    labels : LabelSet
        Rater and item of each vote; its own outcomes are ignored.
    votes : ndarray, shape (V,) or (S, V)

    Returns
    -------
    dict of str to ndarray, shape () or (S,)
        Statistics by name; nan if no rater, or no item, has two votes.

    Examples
    --------
    >>> labels = LabelSet.from_pools({"a": [1, 1, 0], "b": [0, 0]})
    >>> {name: float(x.round(3)) for name, x in vote_statistics(labels, labels.labels).items()}
    {'share of 1': 0.4, 'variance of items': 0.111, 'variance of raters': nan, 'agreement': 0.5}
    """
    y = np.atleast_2d(np.asarray(votes, dtype=np.float64))
    n = labels.counts.astype(np.float64)
    wins = _sums(y, labels.start)
    order = np.argsort(labels.rater, kind="stable")
    many = np.bincount(labels.rater, minlength=len(labels.raters))
    of_rater = _sums(y[:, order], offsets(many))
    judged = many > 1
    pairs = (n * (n - 1)).sum()
    same = (wins * (wins - 1) + (n - wins) * (n - wins - 1)).sum(axis=1)
    none = np.full(len(y), np.nan)
    found = {
        "share of 1": y.mean(axis=1),
        "variance of items": (wins / n).var(axis=1),
        "variance of raters": (of_rater[:, judged] / many[judged]).var(axis=1) if judged.any() else none,
        "agreement": same / pairs if pairs else none,
    }
    return {name: x if np.ndim(votes) == 2 else x[0] for name, x in found.items()}


def _sums(values: Floats, start: Ints) -> Floats:
    """Sums of whole numbers, shape (S, V), from each offset to the next one; 0 between equal ones."""
    running = np.concatenate([np.zeros((len(values), 1)), np.cumsum(values, axis=1)], axis=1)
    return np.diff(running[:, start], axis=1)


@checked
def predictive_checks(fit: RaterFit, *, seed: int = 7, draws: int = 400) -> xr.DataTree:
    """Statistics of replicated votes, and of the votes that the model was fitted to.

    Parameters
    ----------
    fit : RaterFit
    seed : int
    draws : int
        Draws of the parameters, one replication each; fewer if draws times votes would exceed 2e7.

    Returns
    -------
    xarray.DataTree
        Groups ``posterior_predictive`` and ``observed_data`` in the layout of ArviZ, with a variable for each statistic
        that is defined for the votes.

    Raises
    ------
    ValueError
        For `seed` or `draws` out of range.

    Examples
    --------
    >>> from seqaudit import PartialPooling
    >>> votes = LabelSet.from_pools({"a": [1, 1, 1], "b": [1, 0, 1], "c": [0, 0, 0], "d": [1, 1]})
    >>> fit = PartialPooling().fit(votes, method="fast", seed=7)
    >>> predictive_table(predictive_checks(fit, seed=7))[["statistic", "observed"]].round(3)
               statistic  observed
    0         share of 1     0.636
    1  variance of items     0.167
    2          agreement     0.800
    """
    import xarray as xr

    whole("draws", draws, least=1)
    labels, design = fit.labels, Design.of(fit.labels)
    kept = fit.thinned(min(draws, fit.most_draws))
    size = len(kept["rate"])
    rng = np.random.default_rng(seed)
    votes = np.empty((size, design.size), dtype=np.int8)
    for s in range(size):
        votes[s] = rng.random(design.size) < fit.model.chances({name: x[s] for name, x in kept.items()}, design)
    seen = {name: x for name, x in vote_statistics(labels, labels.labels).items() if np.isfinite(x)}
    drawn = vote_statistics(labels, votes)
    # ArviZ reduces a statistic over the votes: here over the single number that it is.
    replicated = {name: (("chain", "draw", "votes"), drawn[name][None, :, None]) for name in seen}
    observed = {name: (("votes",), np.array([x])) for name, x in seen.items()}
    tree = {"posterior_predictive": xr.Dataset(replicated), "observed_data": xr.Dataset(observed)}
    return xr.DataTree.from_dict(tree)


@checked
def predictive_table(checks: xr.DataTree) -> pd.DataFrame:
    """Table of posterior predictive checks with a row for each statistic.

    Parameters
    ----------
    checks : xarray.DataTree
        From ``predictive_checks``, of one model.

    Returns
    -------
    pandas.DataFrame
        Columns ``statistic``, ``observed`` (of the votes), ``mean`` and ``sd`` over replications, and ``p_value``.

    Examples
    --------
    >>> from seqaudit import LabelSet, PartialPooling, predictive_checks, predictive_table
    >>> votes = LabelSet.from_pools({"a": [1, 1, 1], "b": [1, 0, 1], "c": [0, 0, 0], "d": [1, 1]})
    >>> checks = predictive_checks(PartialPooling().fit(votes, method="fast", seed=7), seed=7)
    >>> predictive_table(checks)[["statistic", "observed", "mean"]].round(2).values.tolist()
    [['share of 1', 0.64, 0.62], ['variance of items', 0.17, 0.12], ['agreement', 0.8, 0.72]]
    """
    import pandas as pd

    rows = []
    votes = checks["observed_data"].dataset
    for name, values in checks["posterior_predictive"].dataset.data_vars.items():
        drawn, seen = values.values.reshape(-1), float(votes[name].values[0])
        near = np.isclose(drawn, seen, rtol=ROUNDING, atol=1e-15)
        p = float(((drawn > seen) & ~near).mean() + 0.5 * near.mean())
        rows.append({"statistic": str(name), "observed": seen, "mean": drawn.mean(), "sd": drawn.std(), "p_value": p})
    return pd.DataFrame(rows)


@checked
def leave_one_out(fit: RaterFit, draws: int = 4000) -> Any:
    """Leave-one-out cross-validation of a fit over its votes.

    Parameters
    ----------
    fit : RaterFit
    draws : int
        Largest number of draws, at least 30; fewer are used if draws times votes would exceed 2e7.

    Returns
    -------
    arviz ELPDData
        Expected log predictive density, with pointwise values and Pareto k.

    Raises
    ------
    ValueError
        For fewer than 30 draws.

    Examples
    --------
    >>> from seqaudit import PartialPooling
    >>> votes = LabelSet.from_pools({"a": [1, 1, 1], "b": [1, 0, 1], "c": [0, 0, 0], "d": [1, 1]})
    >>> found = leave_one_out(PartialPooling().fit(votes, method="fast", seed=7))
    >>> int(found.n_data_points), bool(found.elpd < 0)
    (11, True)
    """
    import arviz as az
    import xarray as xr

    if min(fit.size, whole("draws", draws)) < FEWEST_DRAWS:
        raise ValueError(
            f"draws is {min(fit.size, draws)}; leave-one-out needs at least {FEWEST_DRAWS}, of all chains together"
        )
    tree = fit.log_likelihood(min(draws, fit.most_draws))
    logs = tree["log_likelihood"].to_dataset()
    told = logs["label"]
    noise = np.random.default_rng(0).standard_normal((told[..., 0].size, told.sizes["vote"]))
    tree["log_likelihood"] = xr.DataTree(logs.assign(label=told + _JITTER * noise.reshape(told.shape)))
    with warnings.catch_warnings():
        # Large Pareto k are counted in the table instead.
        warnings.simplefilter("ignore")
        found = az.loo(tree, pointwise=True, reff=_efficiency(fit))
    # Told by ``compare_fits``, which compares fits to one set of votes only.
    found.votes = _votes_of(fit.labels)
    return found


def _votes_of(labels: LabelSet) -> str:
    """Digest of a label set's votes: item, rater and label of each."""
    raters = [labels.raters[r] for r in labels.rater]
    return digest(repr((labels.items, labels.start.tolist(), raters, labels.labels.tolist())).encode())


@checked
def compare_fits(found: dict[str, Any]) -> pd.DataFrame:
    """Comparison of several models by leave-one-out, the best first.

    Parameters
    ----------
    found : dict
        Results of ``leave_one_out`` by model's name.

    Returns
    -------
    pandas.DataFrame
        ``elpd`` and its standard error ``se``; the difference from the best model ``elpd_diff`` and its standard error
        ``dse``; effective number of parameters ``p``; stacking ``weight`` (Yao et al. 2018); ``k_bad``, the number of
        votes with a Pareto k above ``good_k``.

    Raises
    ------
    ValueError
        If there are no fits.
    TypeError
        For anything but results of ``leave_one_out``.

    Examples
    --------
    >>> from seqaudit import LabelSet, PartialPooling, compare_fits, leave_one_out
    >>> votes = LabelSet.from_pools({"a": [1, 1, 1], "b": [1, 0, 1], "c": [0, 0, 0], "d": [1, 1]})
    >>> fit = PartialPooling().fit(votes, method="fast", seed=7)
    >>> compare_fits({"partial pooling": leave_one_out(fit)})[["model", "elpd_diff", "weight"]].values.tolist()
    [['partial pooling', 0.0, 1.0]]
    """
    import arviz as az
    import pandas as pd

    if not found:
        raise ValueError("there are no fits to compare")
    require_type("found", found, Mapping, "a mapping from names to results of leave_one_out")
    for name, x in found.items():
        if not hasattr(x, "pareto_k") or not hasattr(x, "elpd"):
            raise TypeError(f"found[{shown(name)}] is of type {type(x).__name__}; it must be a result of leave_one_out")
    if len({(getattr(x, "votes", None), int(x.n_data_points)) for x in found.values()}) > 1:
        raise ValueError("found holds fits to different votes; fits are compared by the same ones")
    bad = {name: int((x.pareto_k > x.good_k).sum()) for name, x in found.items()}
    if len(found) == 1:
        ((name, x),) = found.items()
        table = pd.DataFrame(
            {"elpd": [x.elpd], "p": [x.p], "elpd_diff": [0.0], "weight": [1.0], "se": [x.se], "dse": [0.0]}, [name]
        )
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            table = az.compare(found, round_to="none")
    table = table[["elpd", "se", "elpd_diff", "dse", "p", "weight"]].astype(np.float64)
    table.index.name = "model"
    table["k_bad"] = [bad[str(name)] for name in table.index]
    table["good_k"] = [float(found[str(name)].good_k) for name in table.index]
    return table.reset_index()


def _efficiency(fit: RaterFit) -> float:
    """Effective sample size of the rates, relative to the number of draws."""
    import arviz as az

    if fit.method == "fast" and fit.model.fast_is_independent:
        return 1.0
    rate = fit.posterior[["rate"]]
    # Rates whose draws are all equal have no effective sample size.
    sizes = az.ess(rate, method="mean")["rate"].values
    finite = sizes[np.isfinite(sizes)]
    return float(min(1.0, finite.mean() / fit.size)) if finite.size else 1.0
