"""Near-copies: the value of diverse batches if items come in groups that the model ignores.

Items of a group have almost the same features and thresholds, and share one rate. The model treats all items as
independent. Each policy spends the budget in batches, under the same rates and labels, and every item is decided in two
ways: by its *own* labels, as in the model, and by the *pooled* labels of its whole group, as one who knows the groups
would decide. Both decisions are judged by the true rates.

By own labels, an item's decision gains from that item's labels alone, whatever the dependence between rates. So it
costs nothing to label ten copies of an item, and gains nothing to pass them over. By pooled labels, the labels of
copies are redundant.

Run as ``python -m seqaudit.benchmarks.comparison.near_copies`` for 2, 4 and 10 batches of 50.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...bandits.choice import choose_policies
from ...bandits.policy import Policy
from ...bandits.registry import label
from ...bandits.simulation.seeds import replication_keys
from ...bandits.simulation.simulate import PriorNature, play
from ...bandits.wrappers.diverse import DiverseBatch
from ...dp.problem.problem import Problem
from ...posteriors.foundation.arrays import Floats, Ints
from ...posteriors.foundation.averages import error_of_average
from ...posteriors.foundation.refusals import whole
from ...posteriors.foundation.seeds import Seed
from ...posteriors.foundation.tolerances import above
from ...posteriors.scores import decisions_right
from ...posteriors.thresholds import threshold

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["NearCopies", "near_copies"]


@dataclass(frozen=True, eq=False)
class NearCopies:
    """A problem whose items come in groups.

    Items of a group share one rate; only ``features`` tell policies which items belong together.

    Attributes
    ----------
    problem : Problem
        A problem with batches, in which items are independent.
    features : ndarray, shape (N, F)
    group : ndarray of int, shape (N,)
    """

    problem: Problem
    features: Floats
    group: Ints

    def compare(self, policies: Sequence[str | Policy], *, replications: int = 100, seed: Seed) -> pd.DataFrame:
        """Simulated decisions of some policies.

        Parameters
        ----------
        policies : sequence of names or policies
        replications : int
            At least 2.
        seed : int, SeedSequence or Generator
            Of rates, labels and ties, the same for every policy.

        Returns
        -------
        pandas.DataFrame
            A row for each policy: ``groups``, the mean number of groups with a label; ``own`` and ``pooled``, the share
            of the weight that is decided correctly by an item's own labels and by those of its group; ``ahead``, the
            difference of ``pooled`` from the first policy's in the same replications; and the standard errors of the
            last three.

        Examples
        --------
        >>> world = near_copies(groups=8, copies=5, batch=4, batches=2, seed=7)
        >>> world.compare(["variance-reduction"], replications=20, seed=7).columns.tolist()
        ['policy', 'groups', 'own', 'own_se', 'pooled', 'pooled_se', 'ahead', 'ahead_se']
        """
        import pandas as pd

        whole("replications", replications, least=2)
        chosen, _ = choose_policies(self.problem, policies)
        seeds, keys = replication_keys(seed, replications)
        drawn = PriorNature.draw(self.problem, seeds, keys).rate
        # The rate of a group is that of its first item.
        _, first = np.unique(self.group, return_index=True)
        rate = np.ascontiguousarray(drawn[:, first[self.group]])
        rows: list[dict[str, Any]] = []
        reference: Floats | None = None
        names = [policy.name for policy in chosen]
        if len(set(names)) < len(names):
            # Data of the items make these long, so they are shown only where names alone do not tell policies apart.
            names = [label(policy) for policy in chosen]
        for policy, name in zip(chosen, names, strict=True):
            counts, wins = play(self.problem, policy, PriorNature(rate, keys), keys)
            by_group, won = self._pooled(counts), self._pooled(wins)
            own = self._right(rate, counts, wins)
            pooled = self._right(rate, by_group[:, self.group], won[:, self.group])
            reference = pooled if reference is None else reference
            row: dict[str, Any] = {"policy": name, "groups": float((by_group > 0).sum(axis=1).mean())}
            for what, values in (("own", own), ("pooled", pooled), ("ahead", pooled - reference)):
                row |= {what: float(values.mean()), f"{what}_se": float(error_of_average(values))}
            rows.append(row)
        return pd.DataFrame(rows)

    def _pooled(self, counts: Ints) -> Ints:
        """Sums over each group, shape (R, groups)."""
        order = np.argsort(self.group, kind="stable")
        begin = np.searchsorted(self.group[order], np.arange(int(self.group.max()) + 1))
        return np.add.reduceat(counts[:, order], begin, axis=1)

    def _right(self, rate: Floats, counts: Ints, wins: Ints) -> Floats:
        """Share of the weight that is decided correctly, shape (R,)."""
        problem = self.problem
        right = decisions_right(problem.utility, problem.tail_at(counts, wins), above(rate, problem.threshold))
        return np.asarray((right * problem.weight).sum(axis=1) / problem.weight.sum())


def near_copies(
    groups: int = 100,
    copies: int = 10,
    *,
    batch: int = 50,
    batches: int = 4,
    dimensions: int = 8,
    spread: float = 0.02,
    seed: int,
) -> NearCopies:
    """Groups of near-copies.

    The features and the log-ratio of a group's centre are standard normal; those of its items differ from them by
    normal noise of standard deviation ``spread``. Thresholds are sigma(log-ratio), priors are flat, weights are 1, and
    items are in random order.

    Parameters
    ----------
    groups, copies : int
        Number of groups, and of items in each.
    batch, batches : int
        Labels in a batch, and number of batches.
    dimensions : int
        Number of features of an item.
    spread : float
        Standard deviation of the noise within groups.
    seed : int

    Returns
    -------
    NearCopies

    Examples
    --------
    >>> near_copies(seed=7).problem
    Problem(1000 items, budget 200, utility accuracy)
    """
    rng = np.random.default_rng(seed)
    group = rng.permutation(np.repeat(np.arange(groups), copies))
    features = rng.standard_normal((groups, dimensions))[group]
    ratio = rng.standard_normal(groups)[group]
    features = features + spread * rng.standard_normal(features.shape)
    ratio = ratio + spread * rng.standard_normal(len(ratio))
    problem = Problem(threshold(ratio, 1.0), batch * batches, batch=batch)
    return NearCopies(problem, features, group.astype(np.int64))


def _print_all(replications: int = 200, seed: int = 7) -> None:
    base = "variance-reduction"
    for batches in (2, 4, 10):
        world = near_copies(batches=batches, seed=seed)
        apart = [DiverseBatch(base, world.features, method) for method in ("k-center", "determinantal")]
        table = world.compare([base, "uniform", *apart], replications=replications, seed=seed)
        table["policy"] = [base, "uniform", *(policy.method for policy in apart)]
        print(f"{batches} batches of {world.problem.batch}, {replications} replications")
        print(table.round(4).to_string(index=False))


if __name__ == "__main__":
    _print_all()
