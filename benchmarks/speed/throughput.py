"""Many items: labels a second of the compiled run of an index policy, and certificates of large problems.

A run decides, draws and updates, label by label, on one core.

The baseline is what any index policy can do without a data structure: keep all scores in an array, take the largest,
draw a label, score that item again. It looks at every item for each label, and is timed on the first few labels. A
certificate is made in a fresh process, which shows the memory that it takes.
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import time
from typing import Any

import numpy as np

from ...bandits.policies.gittins import Gittins
from ...bandits.policies.variance_reduction import VarianceReduction
from ...bandits.policy import IndexPolicy
from ...bandits.simulation.certify import certify
from ...bandits.simulation.compiled_run import Run
from ...bandits.simulation.seeds import replication_keys
from ...bandits.simulation.simulate import PriorNature
from ...dp.problem.problem import Problem

__all__ = ["POLICIES", "large_problem", "measure_certificate", "measure_throughput"]

Row = dict[str, Any]

# Policies, and the labels a second, in millions, that each is meant to reach.
POLICIES: dict[str, tuple[IndexPolicy, float]] = {
    "variance-reduction": (VarianceReduction(), 5.0),
    "gittins": (Gittins(), 2.0),
}
# Labels on which the baseline is timed.
_SCANNED = 300


def large_problem(items: int, budget: int, seed: int = 7) -> Problem:
    """Thresholds sigma(z) with standard normal z, weights of a Pareto law of shape 2.5 from 1/2 on.

    Examples
    --------
    >>> large_problem(1000, budget=8000)
    Problem(1000 items, budget 8000, utility accuracy)
    """
    rng = np.random.default_rng(seed)
    threshold = 1.0 / (1.0 + np.exp(-rng.normal(size=items)))
    return Problem(threshold, budget, weight=rng.pareto(2.5, size=items) + 0.5)


def measure_throughput(name: str, items: int, labels: int, runs: int) -> Row:
    """Time the run of a policy; tables that it looks up are made before, and timed apart."""
    policy, target = POLICIES[name]
    problem = large_problem(items, labels)
    seeds, keys = replication_keys(7, runs + 1)
    begin = time.perf_counter()
    start = Run(problem, policy, np.zeros(items), keys[0])
    row: Row = {"policy": name, "items": items, "labels": labels, "table_seconds": time.perf_counter() - begin}
    seconds, scan = [], []
    for r in range(runs + 1):
        rate = PriorNature.draw(problem, seeds[r : r + 1], keys[r : r + 1]).rate[0]
        one = start.with_nature(rate, keys[r])
        # Processor time: what else the machine does is not this run's.
        begin = time.process_time()
        one.until(labels)
        seconds.append(time.process_time() - begin)
        scan.append(_scan(start.scores[:items].copy(), rate, min(labels, _SCANNED)))
    # The first turn loads compiled code.
    best = statistics.median(seconds[1:])
    row |= {
        "seconds": best,
        "runs": seconds[1:],
        "millions": labels / best / 1e6,
        "target": target,
        "ratio": (best / labels) / statistics.median(scan[1:]),
    }
    return row


def _scan(scores: Any, rate: Any, labels: int) -> float:
    """Seconds a label of the baseline; what an item's next score is does not matter for the time."""
    rng = np.random.default_rng(7)
    wins = np.zeros(len(scores))
    begin = time.process_time()
    for _ in range(labels):
        i = int(np.argmax(scores))
        wins[i] += rng.random() < rate[i]
        scores[i] *= 0.9
    return (time.process_time() - begin) / labels


def measure_certificate(items: int, labels: int, replications: int, target: float | None = None) -> Row:
    """Certify ``gittins`` on a large problem, from stating it to the certificate, in a process of its own."""
    request = {"items": items, "labels": labels, "replications": replications}
    # -P: the working folder is not searched for modules, as it is not for the installed command.
    done = subprocess.run(
        [sys.executable, "-P", "-m", __name__], input=json.dumps(request), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"certificate of {items:,} items: {done.stderr.strip()}")
    answer: Row = json.loads(done.stdout)
    return request | {"policy": "gittins", "target": target} | answer


def _answer_request() -> None:
    request = json.load(sys.stdin)
    begin = time.perf_counter()
    found = certify(large_problem(request["items"], request["labels"]), "gittins", replications=request["replications"])
    answer = {
        "seconds": time.perf_counter() - begin,
        # Kilobytes, as Linux counts them.
        "peak_bytes": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
        "lower": found.lower,
        "upper": found.upper,
        "gap_percent": 100 * found.gap,
        "error_percent": 100 * found.gap_error,
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    _answer_request()
