"""Every policy under several utilities: its share of the optimal gain, and its time for a decision.

Shares are those of ``survey``: exact, on problems drawn at random. The time of a decision is the time to choose the
next item and to update on its label, on one processor core, without compilation and without what a policy prepares once
for a problem. It is the median over the first labels of a small problem of the survey and of one with 50 items and 200
labels.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ...bandits.policy import Policy
from ...bandits.registry import label, make_policy
from ...bandits.simulation.board import Board
from ...bandits.simulation.seeds import replication_keys
from ...dp.evaluation.asking import ask_to_prepare
from ...dp.problem.problem import Problem
from ...posteriors.foundation.messages import named, shown
from ...posteriors.utilities import Utility, make_utility
from ..runner.executors import Cluster
from ..speed.throughput import large_problem
from .survey import draw_problem, survey, survey_parts, survey_table

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["UTILITIES", "decision_seconds", "matrix_parts", "policy_matrix"]

# The utilities of the documentation's table.
UTILITIES: tuple[dict[str, Any], ...] = (
    {"name": "accuracy"},
    {"name": "asymmetric", "gain": 1.0, "loss": 3.0},
    {"name": "variance"},
    {"name": "entropy"},
    {"name": "decisive", "eps": 0.05},
)
# A policy is timed for at most this number of labels and of seconds.
_DECISIONS, _SECONDS = 40, 2.0
_ITEMS, _LABELS = 50, 200
# Name of the part with the times.
_TIMES = "times of decisions"


def decision_seconds(problem: Problem, policy: str | Policy, *, seed: int = 7) -> float:
    """Median seconds of a policy for one label at the beginning of a problem; NaN if the policy refuses the problem.

    Examples
    --------
    >>> decision_seconds(Problem([0.5, 0.7], budget=4), "kg") < 1
    True
    """
    chosen = make_policy(policy)
    try:
        chosen.require(problem)
    except ValueError:
        return float("nan")
    ask_to_prepare(chosen, problem)
    rng = np.random.default_rng(seed)
    taken: list[float] = []
    # The first round compiles and fills caches; the second has other labels.
    for _ in range(2):
        board = Board(problem, chosen, replication_keys(seed, 1)[1])
        taken.clear()
        while board.open.size and len(taken) < _DECISIONS and sum(taken) < _SECONDS:
            begin = time.perf_counter()
            item = board.choose(len(taken))
            won = rng.random(1) < 0.6
            board.record(np.zeros(1, dtype=np.int64), item, won.astype(np.int64))
            taken.append(time.perf_counter() - begin)
    return float(np.median(taken)) if taken else float("nan")


def matrix_parts(problems: int, utilities: Sequence[str | dict[str, Any] | Utility]) -> list[str]:
    """Names of the parts of ``policy_matrix``: one for each utility and problem, and one for all times.

    Examples
    --------
    >>> matrix_parts(1, ["accuracy", "entropy"])
    ['accuracy, problem 1', 'entropy, problem 1', 'times of decisions']
    """
    names = [name for utility in utilities for name in _named(problems, make_utility(utility).name).values()]
    return [*names, _TIMES]


def _named(problems: int, utility: str) -> dict[str, str]:
    """Names of the parts of the survey under one utility, by their names in that survey."""
    return {name: f"{utility}, {name}" for name in survey_parts(problems)}


def _under(keep: Callable[[str, Any], object], whole: dict[str, str], name: str, part: Any) -> None:
    """Keep a part of a survey under its whole name."""
    keep(whole[name], part)


def policy_matrix(
    problems: int = 100,
    policies: Sequence[str | Policy] | None = None,
    utilities: Sequence[str | dict[str, Any] | Utility] = UTILITIES,
    *,
    seed: int = 7,
    n_jobs: int | Cluster = 1,
    on_problem: Callable[[str, int], None] | None = None,
    finished: Mapping[str, Any] | None = None,
    on_part: Callable[[str, Any], object] | None = None,
) -> tuple[pd.DataFrame, list[str]]:
    """Mean and worst share of the optimal gain of each policy under each utility, and seconds for a decision.

    Parameters
    ----------
    problems : int
        Number of problems drawn for each utility, as by ``survey``.
    policies : sequence of names or policies, optional
        Default: every registered one except ``exact``, whose share is always 1.
    utilities : sequence of str, dict or Utility
    seed : int
    n_jobs : int or Cluster
        Worker processes of the survey; decisions are timed afterwards, in one process.
    on_problem : callable, optional
        Called with the utility's name and the number of the problem, as each ends.
    finished, on_part
        As for ``survey``; parts are named by ``matrix_parts``.

    Returns
    -------
    pandas.DataFrame
        Columns ``policy``; ``mean <utility>`` and ``worst <utility>`` for each utility; ``seconds small`` and ``seconds
        large``, on 2 to 4 items and on 50. Best mean under the first utility first. Shares are NaN if a policy does not
        support a utility.
    list of str
        Remarks on what was left out, and why.

    Raises
    ------
    ValueError
        As for ``survey``, and for a utility that is given twice.

    Examples
    --------
    >>> table, _ = policy_matrix(3, ["kg", "whittle"], ["accuracy", "variance"])
    >>> [column for column in table if "seconds" not in column]
    ['policy', 'mean accuracy', 'worst accuracy', 'mean variance', 'worst variance']
    """
    import pandas as pd

    given = [utilities] if isinstance(utilities, (str, dict, Utility)) else list(utilities)
    made = [make_utility(u) for u in given]
    if not made:
        raise ValueError("no utility was chosen")
    if isinstance(policies, (str, Policy)):
        policies = [policies]
    names = [utility.name for utility in made]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"utility {shown(name)} is given {names.count(name)} times")
    done = dict(finished or {})
    keep = on_part or (lambda name, part: None)
    remarks: list[str] = []
    parts = []
    for utility in made:
        whole = _named(problems, utility.name)
        found = survey(
            problems,
            policies,
            seed=seed,
            utility=utility,
            planning=True,
            n_jobs=n_jobs,
            on_problem=None if on_problem is None else partial(on_problem, utility.name),
            finished={name: done[whole[name]] for name in whole if whole[name] in done},
            on_part=partial(_under, keep, whole),
        )
        remarks += [f"{utility.name}: {remark}" for remark in found.attrs["remarks"]]
        table = survey_table(found).set_index("policy")[["mean", "worst"]]
        parts.append(table.rename(columns={c: f"{c} {utility.name}" for c in ("mean", "worst")}))
    table = pd.concat(parts, axis=1).rename_axis("policy").reset_index()
    small, large = draw_problem(seed, made[0])[0], large_problem(_ITEMS, _LABELS)
    chosen = {label(p): p for p in map(make_policy, policies or table["policy"])}
    if _TIMES not in done:
        taken = [[decision_seconds(one, chosen[name]) for name in table["policy"]] for one in (small, large)]
        done[_TIMES] = taken
        keep(_TIMES, taken)
    table["seconds small"], table["seconds large"] = done[_TIMES]
    return table.sort_values(f"mean {named(names[0])}", ascending=False, kind="stable", ignore_index=True), remarks
