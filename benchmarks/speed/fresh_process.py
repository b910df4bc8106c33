"""Problems to be timed, and their solution in a separate process, to measure its memory.

Memory that a process used before can hide what it needs later, so each solution gets a fresh process. Its memory is the
peak of resident memory minus the memory held once the compiled code was loaded.
"""

from __future__ import annotations

import json
import math
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...dp.exact.solve import solve
from ...dp.problem.problem import Problem
from ...posteriors.foundation.memory import ProblemTooLarge, peak_memory
from .apart import ask_apart, question

__all__ = ["Case", "largest", "solve_apart", "solved"]

Row = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """Problem that is timed, and the fraction of the baseline's time that the engine may take."""

    threshold: tuple[float, ...]
    budget: int
    target: float = math.nan

    @property
    def items(self) -> int:
        """Number of items."""
        return len(self.threshold)

    @property
    def name(self) -> str:
        """Description of the case: items, labels and, if they are few, thresholds."""
        if self.items > 1 and len(set(self.threshold)) == 1:
            return f"N={self.items} K={self.budget}, all t={self.threshold[0]:g}"
        shown = ", ".join(f"{t:g}" for t in self.threshold)
        return f"N={self.items} K={self.budget}" + (f", t={shown}" if self.items <= 4 else "")

    @property
    def states(self) -> int:
        """Number of states of the dense lattice."""
        return math.comb(self.budget + 2 * self.items, 2 * self.items)

    def row(self) -> Row:
        """Columns that identify the case in a table."""
        return {
            "case": self.name,
            "threshold": list(self.threshold),
            "budget": self.budget,
            "states": self.states,
            "target": self.target,
        }

    def problem(self) -> Problem:
        """Problem of the case, with uniform priors, equal weights and accuracy as the utility."""
        return Problem(self.threshold, self.budget)


def solved(problem: Problem, **options: Any) -> Row:
    """Solve a problem once; value, engine, states visited and seconds."""
    begin = time.perf_counter()
    solution = solve(problem, **options)
    seconds = time.perf_counter() - begin
    return {"value": solution.value, "engine": solution.engine, "states": solution.states, "seconds": seconds}


def solve_apart(case: Case, *, patience: float | None = None, **options: Any) -> Row:
    """Solve a problem in a fresh process.

    Returns
    -------
    dict
        ``value``, ``states`` visited, ``seconds``, ``peak_bytes`` of the process and ``solve_bytes``, the part used by
        the solution; or ``refused``, the reason: too much memory, or more than ``patience`` seconds.
    """
    request = {"threshold": case.threshold, "budget": case.budget, "options": options}
    try:
        done = ask_apart(__name__, request, patience=patience)
    except subprocess.TimeoutExpired:
        return {"refused": "time"}
    if done.returncode:
        # The system kills a process that runs out of memory; any other failure is a defect.
        if done.returncode < 0:
            return {"refused": "memory"}
        raise RuntimeError(f"{case.name}: {done.stderr.strip()}")
    answer: Row = json.loads(done.stdout)
    return answer


def _answer_request() -> None:
    request = question()
    case, options = Case(tuple(request["threshold"]), request["budget"]), request["options"]
    problem = case.problem()
    # Compiled code is loaded first, by a problem with enough states to take the same paths.
    less = 1
    while less < case.budget and Case(case.threshold, less).states < 1e5:
        less += 1
    solve(Case(case.threshold, less).problem(), **options)
    before = _reset_peak()
    try:
        answer = solved(problem, **options)
    except ProblemTooLarge:
        answer = {"refused": "memory"}
    else:
        answer["peak_bytes"] = peak_memory()
        answer["solve_bytes"] = answer["peak_bytes"] - before
    print(json.dumps(answer))


def _reset_peak() -> int:
    """Reset the peak to the memory held now, if the system supports it, and return it."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return peak_memory()


def largest(threshold: tuple[float, ...], seconds: float, memory: float | None, threads: int) -> Row:
    """Largest budget found whose problem is solved within ``seconds`` and ``memory`` bytes.

    Each budget tried is solved in a separate process. The next one is predicted: seconds grow like a power of the dense
    lattice's states, and bytes like a power of the states in a layer; the exponent lies between 1 and the estimate from
    the last two solutions. After a budget that is too large, two smaller ones are tried, and more only while none is
    small enough.
    """
    budget, more = 1, 2
    while Case(threshold, 2 * budget).states < 1e6:
        budget *= 2
    best = Case(threshold, 0).row() | {"visited": None, "seconds": None, "peak_bytes": None}
    too_large: Row | None = None
    power = 1.0
    while budget > 1.03 * best["budget"] and (more >= 0 or not best["budget"]):
        case = Case(threshold, budget)
        found = solve_apart(case, patience=2 * seconds + 60, threads=threads) | {"budget": budget}
        reason = found.get("refused")
        if reason is None and found["seconds"] > seconds:
            reason = "time"
        if reason is None and memory is not None and found["peak_bytes"] > memory:
            reason = "memory"
        if reason is None:
            if best["budget"]:
                grown = math.log(found["seconds"] / best["seconds"]) / math.log(case.states / best["states"])
                power = (1.0 + min(max(grown, 0.0), 1.0)) / 2
            best = case.row() | {
                "value": found["value"],
                "visited": found["states"],
                "seconds": found["seconds"],
                "peak_bytes": found["peak_bytes"],
            }
        else:
            too_large, limit = found, reason
        if too_large is not None:
            more -= 1
            share = 0.5
            if best["budget"] and limit == "time" and "seconds" in too_large:
                share = math.log(0.95 * seconds / best["seconds"]) / math.log(too_large["seconds"] / best["seconds"])
            between = max(best["budget"], 1) ** (1 - share) * too_large["budget"] ** share
            budget = min(int(between), too_large["budget"] - 1)
            continue
        time_left, room = 0.95 * seconds / found["seconds"], math.inf
        if memory is not None:
            others = found["peak_bytes"] - found["solve_bytes"]
            room = 0.95 * (memory - others) / max(found["solve_bytes"], 1)
        for budget in range(best["budget"], 2 * best["budget"] + 1):
            growth = Case(threshold, budget + 1).states / case.states
            limit = "memory" if (growth * case.budget / (budget + 1)) ** power > room else "time"
            if limit == "memory" or growth**power > time_left:
                break
    return best | {"limit": limit}


if __name__ == "__main__":
    _answer_request()
