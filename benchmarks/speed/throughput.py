"""Large problems: labels per second of the compiled run of an index policy, replays, and certificates.

A run decides, draws and updates, label by label, on one core.

The baseline is an index policy without a data structure: it keeps all scores in an array, takes the largest, draws a
label, and scores that item again. It scans every item for each label, and is timed on the first few labels. A replay
runs in compiled code and label by label on the board, alternately, with the same votes. A certificate is computed in a
fresh process, to measure its memory.
"""

from __future__ import annotations

import json
import statistics
import time
from typing import Any

import numpy as np

from ...bandits.policies.gittins import Gittins
from ...bandits.policies.knowledge_gradient import KnowledgeGradient
from ...bandits.policies.lsa import LSA
from ...bandits.policies.variance_reduction import VarianceReduction
from ...bandits.policy import IndexPolicy
from ...bandits.simulation.certify import certify
from ...bandits.simulation.compiled_run import Run, run_policy
from ...bandits.simulation.seeds import replication_keys
from ...bandits.simulation.simulate import PriorNature, spend
from ...dp.problem.problem import Problem
from ...posteriors.foundation.memory import peak_memory
from ...posteriors.votes.label_set import LabelSet
from ..data.problem_of_labels import problem_of_labels
from ..replay.replay import VotePools
from .apart import answer_apart, question

__all__ = ["POLICIES", "REPLAYED", "large_problem", "measure_certificate", "measure_replay", "measure_throughput"]

Row = dict[str, Any]

# Policies, and the target of each in millions of labels per second.
POLICIES: dict[str, tuple[IndexPolicy, float]] = {
    "variance-reduction": (VarianceReduction(), 5.0),
    "gittins": (Gittins(), 2.0),
}
# Policies that are replayed, and votes on each item.
REPLAYED: dict[str, IndexPolicy] = {
    "variance-reduction": VarianceReduction(),
    "kg": KnowledgeGradient(),
    "lsa": LSA(),
}
_VOTES = 100
# Number of labels on which the baseline is timed.
_SCANNED = 300


def large_problem(items: int, budget: int, seed: int = 7) -> Problem:
    """Problem with thresholds sigma(z), z standard normal, and weights from a Pareto law of shape 2.5 and minimum 1/2.

    Examples
    --------
    >>> large_problem(1000, budget=8000)
    Problem(1000 items, budget 8000, utility accuracy)
    """
    rng = np.random.default_rng(seed)
    threshold = 1.0 / (1.0 + np.exp(-rng.normal(size=items)))
    return Problem(threshold, budget, weight=rng.pareto(2.5, size=items) + 0.5)


def measure_throughput(name: str, items: int, labels: int, runs: int) -> Row:
    """Time the run of a policy; its lookup tables are computed before, and timed separately."""
    policy, target = POLICIES[name]
    problem = large_problem(items, labels)
    seeds, keys = replication_keys(7, runs + 1)
    begin = time.perf_counter()
    start = Run(problem, policy, PriorNature(np.zeros((1, items)), keys).plain(0), keys[0])
    row: Row = {"policy": name, "items": items, "labels": labels, "table_seconds": time.perf_counter() - begin}
    seconds, scan = [], []
    for r in range(runs + 1):
        nature = PriorNature.draw(problem, seeds[r : r + 1], keys[r : r + 1])
        one = start.with_labels(nature.plain(0), keys[r])
        # Processor time, so that other work of the machine does not count.
        begin = time.process_time()
        one.until(labels)
        seconds.append(time.process_time() - begin)
        scan.append(_scan(start.scores[:items].copy(), nature.rate[0], min(labels, _SCANNED)))
    # The first round loads compiled code.
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
    """Seconds per label of the baseline; the time does not depend on an item's next score."""
    rng = np.random.default_rng(7)
    wins = np.zeros(len(scores))
    begin = time.process_time()
    for _ in range(labels):
        i = int(np.argmax(scores))
        wins[i] += rng.random() < rate[i]
        scores[i] *= 0.9
    return (time.process_time() - begin) / labels


def measure_replay(name: str, items: int, budget: int, replications: int, runs: int) -> Row:
    """Time a replay of a policy on drawn votes, in compiled code and on the board, which choose the same labels."""
    policy = REPLAYED[name]
    rng = np.random.default_rng(7)
    rate = rng.random(items)
    pools = {str(i): (rng.random(_VOTES) < rate[i]).astype(int).tolist() for i in range(items)}
    votes = LabelSet.from_pools(pools)
    problem = problem_of_labels(votes, budget)
    seeds, keys = replication_keys(7, replications)
    source = VotePools.shuffle(votes, seeds)
    seconds: dict[Any, list[float]] = {run_policy: [], spend: []}
    found = {}
    for _ in range(runs + 1):
        for way, times in seconds.items():
            begin = time.process_time()
            found[way] = way(problem, policy, source, keys)
            times.append(time.process_time() - begin)
    if not np.array_equal(found[run_policy], found[spend]):
        raise RuntimeError(f"{name}: the compiled replay and the board bought different labels")
    # The first round loads compiled code.
    compiled, board = (statistics.median(times[1:]) for times in seconds.values())
    return {
        "policy": name,
        "items": items,
        "labels": budget,
        "replications": replications,
        "seconds": compiled,
        "runs": seconds[run_policy][1:],
        "board_seconds": board,
        "board_runs": seconds[spend][1:],
        "ratio": compiled / board,
    }


def measure_certificate(items: int, labels: int, replications: int, target: float | None = None) -> Row:
    """Certify ``gittins`` on a large problem, from its construction to the certificate, in a separate process."""
    request = {"items": items, "labels": labels, "replications": replications}
    answer = answer_apart(__name__, request, f"certificate of {items:,} items")
    return request | {"policy": "gittins", "target": target} | answer


def _answer_request() -> None:
    request = question()
    begin = time.perf_counter()
    found = certify(large_problem(request["items"], request["labels"]), "gittins", replications=request["replications"])
    answer = {
        "seconds": time.perf_counter() - begin,
        "peak_bytes": peak_memory(),
        "lower": found.lower,
        "upper": found.upper,
        "gap_percent": 100 * found.gap,
        "error_percent": 100 * found.gap_error,
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    _answer_request()
