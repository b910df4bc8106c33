"""Survey of small problems: exact shares of the optimal gain that policies earn on problems drawn at random.

A problem has 2 to 4 items and 6 to 14 labels. Its thresholds are uniform, or sigma(x) of a standard normal x; its
weights are log-normal with a scale of 1/2; in one problem of three the priors are Beta(a, b) with a and b uniform
between 1/2 and 5, in the others Beta(1, 1). A problem in which labels gain almost nothing says nothing about policies
and is drawn again. All values are exact, by ``solve`` and ``evaluate``; nothing is simulated.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ...bandits.choice import choose_policies
from ...bandits.policy import Policy
from ...bandits.registry import label, registered_policies
from ...dp.evaluation.choices import SupportsIndex, SupportsProbabilities
from ...dp.evaluation.evaluate import evaluate
from ...dp.exact.solve import solve
from ...dp.machine.repeats import require_repeats
from ...dp.problem.problem import Problem
from ...posteriors.foundation.kinds import checked
from ...posteriors.foundation.refusals import whole
from ...posteriors.foundation.seeds import seed_sequence
from ...posteriors.foundation.shares import share_of
from ...posteriors.utilities import Utility, make_utility
from ..runner.executors import Cluster
from ..runner.parts import run_parts
from ..runner.results import result_of
from ..runner.warm import warm

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

__all__ = ["Shares", "draw_problem", "survey", "survey_parts", "survey_policies", "survey_table"]

# Items and labels of a problem, gain of its optimum, and share of each policy.
type Shares = Sequence[Any]

# A problem whose labels gain less than this per unit of weight is drawn again.
_LEAST_GAIN = 1e-5
# A policy counts as optimal if its share is this close to 1.
_OPTIMAL = 1e-9


def draw_problem(
    seed: int | np.random.SeedSequence, utility: str | dict[str, Any] | Utility = "accuracy"
) -> tuple[Problem, float]:
    """Draw a small problem; return it and its optimal value.

    Examples
    --------
    >>> problem, best = draw_problem(7)
    >>> problem, best > problem.prior_value
    (Problem(4 items, budget 11, utility accuracy), True)
    """
    generator = np.random.default_rng(seed)
    for _ in range(100):
        size = int(generator.integers(2, 5))
        budget = int(generator.integers(6, 15))
        uniform = generator.random() < 0.5
        t = generator.random(size) if uniform else 1.0 / (1.0 + np.exp(-generator.standard_normal(size)))
        weight = np.exp(0.5 * generator.standard_normal(size))
        prior = generator.uniform(0.5, 5.0, (size, 2)) if generator.random() < 1 / 3 else np.ones((size, 2))
        # A uniform draw may be exactly 0.
        problem = Problem(np.clip(t, 1e-12, 1.0 - 1e-12), budget, weight=weight, prior=prior, utility=utility)
        best = solve(problem, threads=1).value
        if best - problem.prior_value > _LEAST_GAIN * weight.sum():
            return problem, best
    raise ValueError(f"utility {make_utility(utility).name}: labels gain nothing in a hundred problems")


def survey_parts(problems: int) -> list[str]:
    """Names of the parts of a survey, one for each problem; too many are refused.

    Examples
    --------
    >>> survey_parts(2)
    ['problem 1', 'problem 2']
    """
    require_repeats("problems", whole("problems", problems, least=1), seconds=1e-4, memory=64)
    return [f"problem {k + 1}" for k in range(problems)]


@checked
def survey(
    problems: int = 200,
    policies: Sequence[str | Policy] | None = None,
    *,
    seed: int | np.random.SeedSequence = 7,
    utility: str | dict[str, Any] | Utility = "accuracy",
    planning: bool = False,
    n_jobs: int | Cluster = 1,
    on_problem: Callable[[int], None] | None = None,
    finished: Mapping[str, Shares] | None = None,
    on_part: Callable[[str, Shares], object] | None = None,
) -> xr.Dataset:
    """Exact shares of the optimal gain on problems drawn at random.

    Parameters
    ----------
    problems : int
        Number of problems, at least 1. The k-th problem does not depend on it.
    policies : sequence of names or policies, optional
        Default: every registered one that has an exact value, except ``exact``, whose share is always 1.
    seed : int or SeedSequence
    utility : str, dict or Utility
        Terminal utility of all problems.
    planning : bool
        True to include policies that plan at every label in the default.
    n_jobs : int or Cluster
        Worker processes (joblib), -1 for all cores; or a cluster. The answer does not depend on it.
    on_problem : callable, optional
        Called with its number as each problem ends.
    finished : mapping, optional
        Parts of an earlier call with the same arguments, by name: see ``survey_parts``. They are not computed again.
    on_part : callable, optional
        Called with name and result as each part ends.

    Returns
    -------
    xarray.Dataset
        ``share`` over (problem, policy): value less that of no labels, as a share of the optimum's; ``gain`` of the
        optimum, ``items`` and ``labels`` over problem. ``attrs["remarks"]`` lists what was left out and why.

    Raises
    ------
    ValueError
        For an unknown utility or policy, a policy without an exact value, and fewer than one problem.

    Examples
    --------
    >>> import seqaudit as sa
    >>> found = sa.survey(6, ["kg", "whittle"], seed=7)
    >>> bool((found.share <= 1 + 1e-9).all())
    True
    """
    import xarray as xr

    numbers = {name: k for k, name in enumerate(survey_parts(problems))}
    seed = seed_sequence(seed)
    utility = make_utility(utility)
    chosen, remarks = survey_policies(policies, utility, planning)
    seeds = seed.spawn(problems)
    jobs = {name: partial(_shares, seeds[k], utility, chosen) for name, k in numbers.items()}

    def ended(name: str, part: Shares) -> None:
        if on_part is not None:
            on_part(name, part)
        if on_problem is not None:
            on_problem(numbers[name])

    rows = run_parts(jobs, n_jobs, finished, ended, kind=Sequence, before=warm)
    items, labels, gain, share = zip(*(rows[name] for name in jobs), strict=True)
    data: dict[str, Any] = {
        "share": (("problem", "policy"), np.array(share), {"description": "share of the optimal gain"}),
        "gain": ("problem", np.array(gain), {"description": "optimum less the value of no labels"}),
        "items": ("problem", np.array(items)),
        "labels": ("problem", np.array(labels)),
    }
    coords = {"problem": np.arange(problems), "policy": [label(policy) for policy in chosen]}
    return xr.Dataset(data, coords=coords, attrs={"remarks": remarks})


def survey_policies(
    policies: Sequence[str | Policy] | None, utility: str | dict[str, Any] | Utility, planning: bool = False
) -> tuple[list[Policy], list[str]]:
    """Policies that a survey evaluates, and a remark on each that is left out; see ``survey``.

    Examples
    --------
    >>> survey_policies(["kg"], "accuracy")
    ([KnowledgeGradient(ties='random')], [])
    """
    # One problem is enough for the check: policies refuse utilities and sizes, and all problems are small.
    some = Problem([0.5, 0.5, 0.5, 0.5], 14, utility=utility)
    # Refuses a utility under which labels gain nothing.
    draw_problem(0, utility)
    usual, remarks = [], []
    for name, policy in registered_policies().items():
        if not (hasattr(policy, "index") or hasattr(policy, "action_probabilities")):
            remarks.append(f"{name} left out: it has no exact value")
        elif name != "exact":
            usual.append(name)
    chosen, more = choose_policies(some, policies, usual, planning=planning)
    for one in chosen:
        if not isinstance(one, (SupportsIndex, SupportsProbabilities)):
            raise ValueError(f"{one.name} has no exact value")
    return chosen, [*remarks, *more] if policies is None else more


def _shares(seed: np.random.SeedSequence, utility: Utility, policies: Sequence[Policy]) -> Shares:
    problem, best = draw_problem(seed, utility)
    gain = best - problem.prior_value
    values = [evaluate(problem, policy, threads=1).value for policy in policies]
    return problem.size, problem.labels, gain, share_of(np.array(values) - problem.prior_value, gain, best).tolist()


@checked
@result_of("survey", "share", "policy", "problem")
def survey_table(result: xr.Dataset) -> pd.DataFrame:
    """Mean and worst share of each policy, and the share of problems where it is optimal, best mean first.

    Parameters
    ----------
    result : xarray.Dataset
        From ``survey``: shares of the possible gain over policy and problem.

    Returns
    -------
    pandas.DataFrame
        Columns ``policy``, ``mean``, ``worst`` and ``optimal``, the share of problems in which the policy earns all of
        the optimal gain, to 1e-9.

    Examples
    --------
    >>> import seqaudit as sa
    >>> sa.survey_table(sa.survey(6, ["kg", "whittle"], seed=7)).round(3).values.tolist()
    [['whittle', 0.994, 0.983, 0.167], ['kg', 0.735, 0.456, 0.0]]
    """
    import pandas as pd

    share = result["share"]
    columns = {
        "policy": [str(name) for name in result["policy"].values],
        "mean": share.mean("problem").values,
        "worst": share.min("problem").values,
        "optimal": (share >= 1.0 - _OPTIMAL).mean("problem").values,
    }
    return pd.DataFrame(columns).sort_values("mean", ascending=False, kind="stable", ignore_index=True)
