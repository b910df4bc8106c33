"""Time of the exact engine for a shared parameter, beside the engine for independent items on the same lattice."""

from __future__ import annotations

import itertools
import json
import statistics
import time
from typing import Any

import numpy as np

from ...dp.exact.solve import solve
from ...dp.problem.problem import Problem
from ...dp.shared.payoffs import BestChoice
from ...dp.shared.problem import SharedProblem
from ...posteriors.foundation.memory import peak_memory
from .apart import answer_apart, question

__all__ = ["measure_shared"]

Row = dict[str, Any]

# States a second that the independent engine may have more, and bytes that a problem may take.
_TARGET = 10.0


def measure_shared(budget: int, runs: int, threads: int) -> Row:
    """Comparisons of three responses with three rewards each, in a fresh process.

    Parameters
    ----------
    budget : int
        Number of labels.
    runs : int
        Number of rounds, for medians.
    threads : int

    Returns
    -------
    dict
        ``labels``, ``states``, ``points`` of the parameter, ``seconds``, ``ns_per_state`` and, of three
        independent items with as many labels, ``plain_ns_per_state``, their ``ratio``, its ``target``, ``peak_bytes``.
    """
    return answer_apart(__name__, [budget, runs, threads], f"shared parameter, {budget} labels")


def three_responses(budget: int) -> SharedProblem:
    """Comparisons of three responses, whose rewards are -1, 0 or 1."""
    reward = np.array(list(itertools.product([-1.0, 0.0, 1.0], repeat=3)))
    chance = [[1.0 / (1.0 + np.exp(r[j] - r[i])) for i, j in itertools.combinations(range(3), 2)] for r in reward]
    return SharedProblem(chance, budget, BestChoice(reward))


def _measured(budget: int, runs: int, threads: int) -> Row:
    solve(three_responses(3), threads=threads)
    problem = three_responses(budget)
    shared, states = _median(lambda: solve(problem, threads=threads), runs)
    peak = peak_memory()
    plain = Problem([0.5, 0.6, 0.7], budget)
    solve(Problem([0.5, 0.6, 0.7], 3), reduce=False, threads=threads)
    alone, dense = _median(lambda: solve(plain, reduce=False, threads=threads), runs)
    each, of_plain = 1e9 * shared / states, 1e9 * alone / dense
    return {
        "labels": budget,
        "states": states,
        "points": problem.points,
        "seconds": shared,
        "ns_per_state": each,
        "plain_ns_per_state": of_plain,
        "ratio": each / of_plain,
        "target": _TARGET,
        "peak_bytes": peak,
    }


def _median(work: Any, runs: int) -> tuple[float, int]:
    """Median of the seconds of a solution, and its states."""
    seconds = []
    for _ in range(runs):
        begin = time.perf_counter()
        states = work().states
        seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds), states


if __name__ == "__main__":
    print(json.dumps(_measured(*question())))
