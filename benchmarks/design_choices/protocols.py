r"""Labelling protocols: fewer accurate labels against more noisy ones.

A protocol is a pair (eta, kappa): a label is flipped with probability eta and costs kappa times its cost in the
problem. If all labels cost the same, a budget B buys floor(B / kappa) labels. Let V_eta(m) be the optimal value of m
labels with noise eta.

*Break-even.* The number of labels is whole, so V_eta(floor(B / kappa)) is a step function of kappa, and in general no
cost makes two protocols exactly equal in value. Instead, the smallest number of better labels that are worth at least
as much as B worse ones is

    m*(eta, B) = min {m : V_eta(m) >= V_eta0(B)},

and B / m* is the break-even cost: the largest cost of a better label, in units of a worse one, at which the better
labels are still worth at least as much. V_eta(m) does not fall with m if the utility is convex, and m* <= B by
Blackwell's theorem (1953), since noisier labels are a garbling of better ones; so m* is found by bisection over whole
numbers. The theorem holds for payoffs that depend on the truth alone. A reward for each win depends on the label, and
noise changes the number of wins, so with rewards there is no break-even cost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ...bandits.policy import Policy
from ...dp.exact.solve import solve
from ...dp.problem.budget import with_slack
from ...dp.problem.problem import Problem
from ...dp.problem.variants import with_noise
from ...posteriors.foundation.kinds import checked
from ...posteriors.foundation.messages import listed, named, shown
from ...posteriors.foundation.refusals import flip_chance, positive
from ...posteriors.foundation.seeds import Seed
from ...posteriors.foundation.tolerances import ROUNDING
from ..comparison.curve import at_budget, budgets_of
from ..comparison.optimum import Optimum, optimum_of
from ..runner.executors import Cluster
from ..runner.parts import run_parts
from ..runner.results import result_of
from ..runner.warm import warm
from .vary import bounds_of, checked_settings, policy_of

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

__all__ = [
    "Protocol",
    "affords",
    "break_even",
    "break_even_table",
    "protocols",
    "protocols_table",
    "require_protocols",
    "under",
]


@dataclass(frozen=True)
class Protocol:
    """Noise and cost of a label.

    Parameters
    ----------
    flip : float
        Probability that a label is flipped; at least 0 and below 1/2.
    cost : float
        Cost of a label, as a multiple of its cost in the problem; positive.

    Examples
    --------
    >>> print(Protocol(flip=0.3, cost=1))
    noise 0.3 at cost 1
    """

    flip: float
    cost: float

    def __post_init__(self) -> None:
        flip = flip_chance("flip of a protocol", self.flip)
        cost = positive("cost of a protocol", self.cost)
        object.__setattr__(self, "flip", flip)
        object.__setattr__(self, "cost", cost)

    def __str__(self) -> str:
        # Names identify protocols, so no digit may be lost.
        return f"noise {_exactly(self.flip)} at cost {_exactly(self.cost)}"


def _exactly(x: float) -> str:
    """A number in six digits if these are exact, else in all of its digits."""
    return f"{x:g}" if float(f"{x:g}") == x else repr(x)


def _protocol(k: int, given: Any) -> Protocol:
    """Protocol of a pair, or of what has its two numbers by name: a mapping, a named tuple, a row of a data frame."""
    if isinstance(given, Protocol):
        return given
    names = getattr(given, "_fields", None) or getattr(getattr(given, "dtype", None), "names", None)
    by_name = dict(zip(names, given, strict=True)) if names else given
    if hasattr(given, "to_dict") and hasattr(given, "index"):
        by_name = given.to_dict()
    if isinstance(by_name, Mapping) and {"flip", "cost"} & {*by_name}:
        if {*by_name} != {"flip", "cost"}:
            raise ValueError(f"choices[{k}] has {listed([*by_name])}; it must have flip and cost")
        return Protocol(**by_name)
    found = list(given) if isinstance(given, Iterable) and not isinstance(given, (str, Mapping)) else []
    if len(found) != 2:
        raise ValueError(f"choices[{k}] is {shown(given)}; it must be a Protocol, or a pair (flip, cost)")
    return Protocol(*found)


def under(problem: Problem, protocol: Protocol, budget: float | None = None) -> Problem:
    """The problem with labels from a protocol, and optionally another budget.

    Caps are those that the problem was given; without caps, only the budget limits labels.

    Raises
    ------
    ValueError
        If labels then cost 1 and the budget buys none; see ``affords``.

    Examples
    --------
    >>> under(Problem([0.5, 0.6], budget=9), Protocol(flip=0.1, cost=2)).labels
    4
    """
    noisy = with_noise(problem, protocol.flip)
    cost = problem.cost * protocol.cost
    spend = float(problem.budget if budget is None else budget)
    if np.all(cost == 1.0):
        spend = int(np.floor(with_slack(spend)))
    return noisy.replace(cost=cost, budget=spend)


def affords(problem: Problem, protocol: Protocol, budget: float) -> bool:
    """True if a budget buys at least one label of a protocol.

    Examples
    --------
    >>> affords(Problem([0.5], budget=8), Protocol(flip=0.1, cost=2), 1.0)
    False
    """
    return float((problem.cost * protocol.cost).min()) <= with_slack(budget)


@checked
def protocols(
    problem: Problem,
    choices: Sequence[Protocol | tuple[float, float]],
    *,
    points: int = 12,
    exact: bool | None = None,
    policy: str | Policy | None = None,
    replications: int = 8,
    seed: Seed = 7,
    n_jobs: int | Cluster = 1,
    finished: dict[str, xr.Dataset] | None = None,
    on_part: Callable[[str, xr.Dataset], None] | None = None,
) -> xr.Dataset:
    """Optimum under several protocols at a grid of budgets, and the best protocol at each.

    Parameters
    ----------
    problem : Problem
        Problem without quotas and batches; its budget is the largest of the grid.
    choices : sequence of Protocol or of (flip, cost)
        At least two.
    points : int
        Number of budgets above 0, evenly spaced up to that of the problem; rounded if its labels cost 1.
    exact, policy, replications, seed, n_jobs, finished, on_part
        As for ``vary``; a worker takes one protocol at a time, and parts are named after the protocols.

    Returns
    -------
    xarray.Dataset
        Over (protocol, budget): ``lower``, ``standard_error``, ``upper``, ``optimum``, ``prior_value``, ``gain`` and
        ``method`` as for ``vary``, and ``bought``, the largest number of labels that the budget buys. Over budget:
        ``winner``, the name of the protocol of largest value; "tie" if two differ by rounding only; "undecided" if the
        best lower bound minus two standard errors does not exceed the upper bounds of all others. ``flip`` and ``cost``
        over protocol.

    Raises
    ------
    ValueError
        For fewer than two protocols, a repeated protocol, quotas or batches, and priors that are not Beta.

    Examples
    --------
    >>> import seqaudit as sa
    >>> problem = sa.Problem([0.5, 0.62, 0.75], budget=12)
    >>> found = sa.protocols(problem, [(0.3, 1), (0.05, 3)], points=4)
    >>> found.winner.values.tolist()
    ['tie', 'noise 0.05 at cost 3', 'noise 0.05 at cost 3', 'noise 0.05 at cost 3', 'noise 0.05 at cost 3']
    """
    import xarray as xr

    chosen = [_protocol(k, x) for k, x in enumerate(choices)]
    names = require_protocols(problem, chosen)
    budgets, _ = budgets_of(problem, points)
    settings = checked_settings(exact, policy, replications, seed)
    problems = [{b: under(problem, x, b) for b in budgets if affords(problem, x, b)} for x in chosen]
    jobs = {
        name: partial(_row, name, problem, made, budgets, settings) for name, made in zip(names, problems, strict=True)
    }
    parts = run_parts(jobs, n_jobs, finished, on_part, kind=xr.Dataset, before=warm)
    result = xr.concat([parts[name] for name in names], dim="protocol")
    result["flip"] = ("protocol", [x.flip for x in chosen])
    result["cost"] = ("protocol", [x.cost for x in chosen])
    result["winner"] = ("budget", [_winner(result.isel(budget=j), problem) for j in range(len(budgets))])
    result.attrs = {"policy": policy_of(settings)}
    return result


def require_protocols(problem: Problem, chosen: Sequence[Protocol]) -> list[str]:
    """Names of the protocols; a ``ValueError`` if the protocols or the problem are not allowed."""
    names = [str(x) for x in chosen]
    if len(chosen) < 2 or len(set(names)) < len(names):
        raise ValueError(f"protocols are {names}; give at least two different ones")
    _require_plain(problem, "protocols")
    return names


def _require_plain(problem: Problem, what: str) -> None:
    if problem.quota or problem.batch > 1:
        raise ValueError(f"{what}: the problem has {'quotas' if problem.quota else 'batches'}, which do not scale")


def _row(
    name: str,
    problem: Problem,
    made: dict[float, Problem],
    budgets: Sequence[float],
    settings: dict[str, Any],
) -> xr.Dataset:
    import xarray as xr

    nothing = Optimum(
        problem.prior_value, problem.prior_value, 0.0, problem.prior_value, np.zeros(problem.size), "exact"
    )
    found, bought = [], []
    for budget in budgets:
        labels = made[budget].labels if budget in made else 0
        found.append(optimum_of(made[budget], **settings) if labels else nothing)
        bought.append(labels)
    rows = [bounds_of(x) for x in found]
    data: dict[str, Any] = {key: (("protocol", "budget"), [[row[key] for row in rows]]) for key in rows[0]}
    data["bought"] = (("protocol", "budget"), [bought])
    return xr.Dataset(data, coords={"protocol": [name], "budget": list(budgets)})


def _winner(at: xr.Dataset, problem: Problem) -> str:
    lower, error, upper = (at[key].values for key in ("lower", "standard_error", "upper"))
    best = int(np.argmax(lower))
    others = np.delete(upper, best)
    slack = ROUNDING * problem.size * problem.payoff_scale
    if lower[best] - 2.0 * error[best] > others.max() + slack:
        return str(at["protocol"].values[best])
    return "tie" if bool(np.all(at["method"].values == "exact")) else "undecided"


@checked
@result_of("protocols", "flip", "bought", "optimum", "winner")
def protocols_table(result: xr.Dataset) -> pd.DataFrame:
    """Table of protocols with a row for each protocol and budget.

    Parameters
    ----------
    result : xarray.Dataset
        From ``protocols``, over protocol and budget.

    Returns
    -------
    pandas.DataFrame
        Columns ``protocol``, ``flip``, ``cost``, ``budget``, ``bought``, ``lower``, ``standard_error``, ``upper``,
        ``prior_value``, ``gain``, ``method`` and ``winner``.

    Examples
    --------
    >>> import seqaudit as sa
    >>> found = sa.protocols(sa.Problem([0.5, 0.62, 0.75], budget=12), [(0.3, 1), (0.05, 3)], points=1)
    >>> sa.protocols_table(found)[["flip", "budget", "bought", "gain"]].round(3).values.tolist()
    [[0.3, 0.0, 0.0, 0.0], [0.3, 12.0, 12.0, 0.306], [0.05, 0.0, 0.0, 0.0], [0.05, 12.0, 4.0, 0.421]]
    """
    table = result.drop_vars("optimum").to_dataframe(dim_order=["protocol", "budget"]).reset_index()
    columns = ["protocol", "flip", "cost", "budget", "bought", "lower", "standard_error", "upper", "prior_value"]
    return table[[*columns, "gain", "method", "winner"]]


@checked
def break_even(
    problem: Problem, flips: Sequence[float], *, baseline: float, points: int = 12, threads: int | None = None
) -> xr.Dataset:
    """Exact break-even costs of better labels, by noise and budget.

    Parameters
    ----------
    problem : Problem
        Problem with labels of cost 1, without quotas and batches, small enough for ``solve``. Its budget, in labels of
        the baseline, is the largest of the grid.
    flips : sequence of float
        Noise of the better labels, at most the baseline.
    baseline : float
        Noise of the worse labels, which cost 1.
    points : int
        Number of budgets, evenly spaced up to that of the problem, in whole labels.
    threads : int, optional
        As for ``solve``.

    Returns
    -------
    xarray.Dataset
        Over (flip, budget): ``labels_needed``, the smallest number of better labels that are worth at least as much as
        the whole budget of worse ones, and ``cost_ratio``, the budget divided by it, which is infinite if no label is
        needed. Over budget: ``value``, the optimal value with the worse labels. ``attrs["baseline"]`` is their noise.

    Raises
    ------
    ValueError
        For noise above the baseline or out of range, costs other than 1, rewards, quotas, batches, or a utility under
        which more labels can be worse (decisive, callables).
    ProblemTooLarge
        If the problem is too large to be solved exactly.

    Examples
    --------
    >>> import seqaudit as sa
    >>> found = sa.break_even(sa.Problem([0.5, 0.62, 0.75], budget=12), [0.0, 0.2], baseline=0.3, points=3)
    >>> found.labels_needed.values.tolist(), found.cost_ratio.values.tolist()
    ([[1, 1, 2], [2, 4, 6]], [[4.0, 8.0, 6.0], [2.0, 2.0, 2.0]])
    """
    import xarray as xr

    _require_plain(problem, "break_even")
    if not problem.unit_costs:
        raise ValueError("break_even: labels of the problem must cost 1; the costs of protocols are relative to that")
    if problem.reward.any():
        i = int(np.flatnonzero(problem.reward)[0])
        raise ValueError(
            f"break_even: reward of {named(problem.name[i])} is {problem.reward[i]:g}; it must be 0: what a win pays "
            "depends on the label, and better labels need not be worth more; use protocols"
        )
    if not problem.utility.convex:
        raise ValueError(
            f"break_even: under the utility {problem.utility.name} more labels can be worse, so there is no break-even "
            "cost; use protocols"
        )
    worse = Protocol(baseline, 1).flip
    better = [Protocol(x, 1).flip for x in flips]
    if not better or max(better) > worse or len(set(better)) < len(better):
        raise ValueError(f"flips are {list(flips)}; give different ones, none above the baseline of {worse:g}")
    budgets = [int(b) for b in budgets_of(problem, points)[0] if b]
    slack = ROUNDING * problem.size * problem.payoff_scale
    known: dict[tuple[float, int], float] = {}

    def value(flip: float, labels: int) -> float:
        if labels == 0:
            return problem.prior_value
        if (flip, labels) not in known:
            known[flip, labels] = solve(at_budget(with_noise(problem, flip), labels), threads=threads).value
        return known[flip, labels]

    needed = np.zeros((len(better), len(budgets)), dtype=np.int64)
    for k, flip in enumerate(better):
        low = 0
        for j, budget in enumerate(budgets):
            # More of the worse labels are worth more, so at least as many better labels are needed as before.
            enough = value(worse, budget) - slack
            high = budget
            while low < high:
                middle = (low + high) // 2
                if value(flip, middle) >= enough:
                    high = middle
                else:
                    low = middle + 1
            needed[k, j] = low
    with np.errstate(divide="ignore"):
        ratio = np.array(budgets) / needed
    data = {
        "labels_needed": (("flip", "budget"), needed),
        "cost_ratio": (("flip", "budget"), ratio),
        "value": ("budget", [value(worse, b) for b in budgets]),
    }
    return xr.Dataset(data, coords={"flip": better, "budget": budgets}, attrs={"baseline": worse})


@checked
@result_of("break_even", "labels_needed", "cost_ratio", "value", "baseline")
def break_even_table(result: xr.Dataset) -> pd.DataFrame:
    """Table of break-even costs with a row for each noise and budget.

    Parameters
    ----------
    result : xarray.Dataset
        From ``break_even``.

    Returns
    -------
    pandas.DataFrame
        Columns ``flip``, ``budget``, ``labels_needed``, ``cost_ratio`` and ``value``.

    Examples
    --------
    >>> import seqaudit as sa
    >>> found = sa.break_even(sa.Problem([0.5, 0.62, 0.75], budget=12), [0.2], baseline=0.3, points=3)
    >>> sa.break_even_table(found)[["flip", "budget", "labels_needed", "cost_ratio"]].values.tolist()
    [[0.2, 4.0, 2.0, 2.0], [0.2, 8.0, 4.0, 2.0], [0.2, 12.0, 6.0, 2.0]]
    """
    table = result.to_dataframe(dim_order=["flip", "budget"]).reset_index()
    return table[["flip", "budget", "labels_needed", "cost_ratio", "value"]]
