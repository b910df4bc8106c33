"""Posterior probabilities of each rater's kind (honest, random, inverted, colluding), by a model with kinds of raters.

A fit of such a model has ``kind_chance``, the chance of each kind given a draw of the parameters and the rater's votes.
Its mean over draws is the posterior probability. The standard error is that of a mean of dependent draws (Vehtari et
al. 2021), so it is valid for chains too. It measures the error of finitely many draws, not the error of a wrong model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...posteriors.foundation.kinds import checked
from ...posteriors.raters.diagnostics import error_of_mean
from ...posteriors.raters.fit import RaterFit

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["HONEST", "rater_kinds"]

HONEST = "honest"


@checked
def rater_kinds(fit: RaterFit) -> pd.DataFrame:
    """Posterior probability of each kind for each rater, least honest first.

    Parameters
    ----------
    fit : RaterFit
        Fit of a model with kinds of raters.

    Returns
    -------
    pandas.DataFrame
        Columns ``rater``, ``votes``, and for each kind its probability and, as ``<kind>_error``, the standard error
        from finitely many draws.

    Raises
    ------
    ValueError
        For a fit of a model without kinds of raters; ``contaminated`` has them.

    Examples
    --------
    >>> from seqaudit import Design, make_rater_model
    >>> model = make_rater_model("contaminated", kinds=("random",))
    >>> votes = model.simulate(7, Design.balanced(60, 12, 8), parameters={"share": 0.3, "item_sd": 3.0})
    >>> rater_kinds(model.fit(votes.labels, method="fast", seed=7)).columns.tolist()
    ['rater', 'votes', 'honest', 'honest_error', 'random', 'random_error']
    """
    import pandas as pd

    posterior = fit.posterior
    if "kind_chance" not in posterior:
        raise ValueError(f"{fit.model.name} has no kinds of raters; a model such as contaminated has")
    chance = posterior["kind_chance"]
    kinds = [str(kind) for kind in chance[chance.dims[-1]].values]
    labels = fit.labels
    columns: dict[str, Any] = {
        "rater": list(labels.raters),
        "votes": np.bincount(labels.rater, minlength=len(labels.raters)),
    }
    for k, kind in enumerate(kinds):
        draws = chance.values[..., k]
        columns[kind] = draws.mean(axis=(0, 1))
        columns[f"{kind}_error"] = error_of_mean(draws)
    return pd.DataFrame(columns).sort_values(HONEST, kind="stable", ignore_index=True)
