"""Speed and memory of the exact engine on this machine, compared with the same recursion in fast C.

The baseline, ``dense_baseline.c``, visits all C(K + 2N, 2N) states of N items and K labels. It and the engine run
alternately on the same number of threads, so that a slow period of the machine affects both. Medians are compared, and
the best runs too; the first round, in which compiled code is loaded, is not counted. The engine's time is that of the
whole call of ``solve``, including belief tables; the baseline gets its tables ready-made and times only its sweep.
"""

from __future__ import annotations

import importlib.metadata
import math
import platform
import statistics
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from ...bandits.policies.knowledge_gradient import KnowledgeGradient
from ...dp.evaluation.evaluate import evaluate
from ...dp.machine.workers import cores
from .cells import measure_cells
from .dense_baseline import Baseline
from .designs import DESIGNS, QUICK_DESIGNS, measure_design
from .fresh_process import Case, largest, solve_apart, solved
from .peers import PEERS, measure_peer
from .shared_parameter import measure_shared
from .throughput import POLICIES, REPLAYED, measure_certificate, measure_replay, measure_throughput

__all__ = ["TABLES", "machine", "speed_parts", "speed_tables"]

Row = dict[str, Any]

# Columns: header, key of a row, and format.
Column = tuple[str, str, str]

_CASE: list[Column] = [("problem", "case", ""), ("states", "states", ",")]
_MANY: list[Column] = [("items", "items", ","), ("labels", "labels", ",")]


def _beside_baseline(form: str) -> list[Column]:
    return [("engine / C", "ratio", form), ("of best runs", "best_ratio", form), ("target", "target", "g")]


# Title and columns of each table.
TABLES: dict[str, tuple[str, list[Column]]] = {
    "dense": (
        "every state, ns a state",
        [
            *_CASE,
            ("C", "baseline_ns_per_state", ".2f"),
            ("engine", "engine_ns_per_state", ".2f"),
            *_beside_baseline(".2f"),
            ("float32", "float32_ns_per_state", ".2f"),
            ("C MiB", "baseline_bytes", "MiB"),
            ("engine MiB", "engine_bytes", "MiB"),
        ],
    ),
    "reduced": (
        "reductions on, seconds in all",
        [
            *_CASE,
            ("visited", "visited", ","),
            ("C, every state", "baseline_seconds", ".3f"),
            ("engine", "engine_seconds", ".3f"),
            *_beside_baseline(".3f"),
            ("by", "engine", ""),
            ("ns a state visited", "ns_per_visited", ".2f"),
            ("every state, ns", "dense_ns_per_state", ".2f"),
            ("a state / every", "per_state_ratio", ".2f"),
            ("best runs", "best_per_state_ratio", ".2f"),
        ],
    ),
    "evaluation": (
        "exact value of the policy kg",
        [*_CASE, ("seconds", "seconds", ".3f"), ("ns a state", "ns_per_state", ".2f")],
    ),
    "labels": (
        "index policies on many items, one core",
        [
            ("policy", "policy", ""),
            *_MANY,
            ("tables s", "table_seconds", ".2f"),
            ("seconds", "seconds", ".3f"),
            ("million labels a second", "millions", ".2f"),
            ("target", "target", "g"),
            ("label / scan of all items", "ratio", ".4f"),
        ],
    ),
    "replays": (
        "replays of recorded votes, one core",
        [
            ("policy", "policy", ""),
            *_MANY,
            ("runs", "replications", ""),
            ("seconds", "seconds", ".3f"),
            ("label by label", "board_seconds", ".3f"),
            ("compiled / label by label", "ratio", ".3f"),
        ],
    ),
    "certificates": (
        "certificates of gittins",
        [
            *_MANY,
            ("runs", "replications", ""),
            ("seconds", "seconds", ".1f"),
            ("target", "target", "g"),
            ("peak MiB", "peak_bytes", "MiB"),
            ("gap %", "gap_percent", ".4f"),
            ("± %", "error_percent", ".4f"),
        ],
    ),
    "cells": (
        "cells of a study that take no time",
        [
            ("cells", "cells", ","),
            ("workers", "workers", ""),
            ("ms a cell", "ms_per_cell", ".3f"),
            ("bare joblib loop", "loop_ms_per_cell", ".3f"),
            ("added ms", "added_ms", ".3f"),
            ("target", "target", "g"),
        ],
    ),
    "shared": (
        "queries that share one parameter",
        [
            ("labels", "labels", ","),
            ("points", "points", ""),
            ("states", "states", ","),
            ("seconds", "seconds", ".2f"),
            ("ns a state", "ns_per_state", ".1f"),
            ("independent items", "plain_ns_per_state", ".2f"),
            ("ratio", "ratio", ".1f"),
            ("target", "target", "g"),
            ("peak MiB", "peak_bytes", "MiB"),
        ],
    ),
    "designs": (
        "optimal designs, one core, in passes over the candidates",
        [
            ("candidates", "candidates", ","),
            ("features", "features", ""),
            ("a pass, ms", "pass_milliseconds", ".1f"),
            ("seconds", "seconds", ".2f"),
            ("passes", "passes", ".1f"),
            ("target", "target", "g"),
            ("gap", "gap", ".1e"),
            ("support", "support", ","),
            ("peak MiB", "peak_bytes", "MiB"),
            ("multiplicative: gap", "multiplicative_gap", ".1e"),
            ("vertex directions: gap", "vertex_gap", ".1e"),
        ],
    ),
    "largest": (
        "largest problem solved, reductions on",
        [
            *_CASE,
            ("visited", "visited", ","),
            ("seconds", "seconds", ".2f"),
            ("peak MiB", "peak_bytes", "MiB"),
            ("what ends there", "limit", ""),
        ],
    ),
    "peers": (
        "two-armed bandit, other packages",
        [
            ("package", "package", ""),
            ("what it computes", "what", ""),
            ("horizon", "horizon", ""),
            ("states", "states", ","),
            ("value", "value", ".6f"),
            ("set-up s", "build_seconds", ".3f"),
            ("seconds", "seconds", ".3f"),
            ("engine: value", "engine_value", ".6f"),
            ("engine: seconds", "engine_seconds", ".4f"),
        ],
    ),
}

# Relative tolerance for sums over that number of labels in another order.
_AGREEMENT = {"float64": 1e-9, "float32": 1e-3}


_SIX = (0.555, 0.408, 0.316, 0.62, 0.5, 0.7)
_HARD = (0.8, 0.9, 0.2)
# Dense, reduced and evaluated cases, thresholds of the largest problems, horizon of the bandit, most seconds.
_FULL = (
    [Case(_SIX[:2], 400, 1.0), Case(_SIX[:3], 80, 1.15), Case(_SIX[:4], 30, 1.5), Case(_SIX, 14, 1.5)],
    [Case(_SIX[:2], 400, 0.7), Case(_SIX[:3], 80, 0.5), Case(_HARD, 80, 0.2), Case(_SIX[:4], 30, 1.2)],
    [Case(_SIX[:3], 40)],
    [_SIX[:2], _SIX[:3], _SIX[:4], (0.555,) * 10],
    60,
    math.inf,
)
_QUICK = (
    [Case(_SIX[:2], 12, 1.0), Case(_SIX, 3, 1.5)],
    [Case(_HARD, 8, 0.2)],
    [Case(_SIX[:3], 6)],
    [_SIX[:3]],
    6,
    0.2,
)


def speed_parts(
    baseline: Baseline | None,
    *,
    runs: int = 5,
    seconds: float = 20.0,
    memory: float | None = None,
    threads: int | None = None,
    quick: bool = False,
) -> list[tuple[str, str, Callable[[], Row]]]:
    """Table, name and computation of each row, in order of computation.

    Parameters
    ----------
    baseline : Baseline or None
        None leaves out the comparisons with it.
    runs : int
        Number of rounds, for medians.
    seconds : float
        Time limit for the largest problems; 0 leaves them out.
    memory : float, optional
        Memory limit in bytes for these problems; default: the available memory.
    threads : int, optional
        Default: all processors that this process may use.
    quick : bool
        True for tiny problems, to check that everything works.

    Returns
    -------
    list of (str, str, callable)
        Tables are ``dense``, ``reduced``, ``evaluation``, ``labels``, ``replays``, ``certificates``, ``cells``,
        ``shared``, ``designs``, ``largest`` and ``peers``.
    """
    threads = cores(threads)
    # Engine and baseline must use the same number of threads.
    turns = threads if baseline is None or baseline.parallel else 1
    dense, reduced, evaluated, families, horizon, limit = _FULL if not quick else _QUICK
    parts: list[tuple[str, str, Callable[[], Row]]] = [
        *(("dense", case.name, partial(_dense, case, baseline, runs, turns)) for case in dense),
        *(("reduced", f"{case.name}, reduced", partial(_reduced, case, baseline, runs, turns)) for case in reduced),
        *(("evaluation", f"{case.name}, kg", partial(_evaluated, case, runs, threads)) for case in evaluated),
    ]
    items, labels = (3000, 5000) if quick else (100_000, 1_000_000)
    parts += [
        ("labels", f"{policy}, {items:,} items", partial(measure_throughput, policy, items, labels, runs))
        for policy in POLICIES
    ]
    replayed = (300, 500, 2) if quick else (3000, 6000, 5)
    parts += [
        ("replays", f"replay of {policy}, {replayed[0]:,} items", partial(measure_replay, policy, *replayed, runs))
        for policy in REPLAYED
    ]
    certified = [(3000, 5000, 2, None)] if quick else [(100_000, 1_000_000, 8, 60.0), (1_000_000, 4_000_000, 2, None)]
    parts += [
        ("certificates", f"certificate of {size[0]:,} items", partial(measure_certificate, *size)) for size in certified
    ]
    count = 500 if quick else 100_000
    parts.append(("cells", f"{count:,} cells", partial(measure_cells, count)))
    most_labels = 8 if quick else 41
    parts.append(
        ("shared", f"shared parameter, {most_labels} labels", partial(measure_shared, most_labels, runs, threads))
    )
    parts += [
        ("designs", f"design of {size[0]:,} x {size[1]}", partial(measure_design, *size))
        for size in (QUICK_DESIGNS if quick else DESIGNS)
    ]
    most = min(seconds, limit)
    parts += [
        ("largest", f"largest of N={len(family)}", partial(largest, family, most, memory, threads))
        for family in (families if seconds else ())
    ]
    parts += [("peers", peer, partial(measure_peer, peer, horizon, threads)) for peer in PEERS]
    return parts


def machine(baseline: Baseline | None, threads: int | None = None) -> dict[str, str]:
    """Description of the machine and of the software versions."""
    processor = platform.processor() or platform.machine()
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        processor = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), processor)
    versions = [f"{name} {importlib.metadata.version(name)}" for name in ("seqaudit", "numba", "numpy")]
    facts = {
        "processor": processor,
        "threads": str(cores(threads)),
        "versions": ", ".join([f"Python {platform.python_version()}", *versions]),
    }
    if baseline is not None:
        facts["compiler"] = " ".join([f"{baseline.compiler}:", *baseline.flags])
    return facts


def _in_turn(runs: int, *measures: Callable[[], Row]) -> list[list[Row]]:
    """Results of each measure, called alternately; those of the first round are dropped."""
    turns = [[measure() for measure in measures] for _ in range(runs + 1)]
    return [list(results) for results in zip(*turns[1:], strict=True)]


def _median(results: list[Row]) -> float:
    return float(statistics.median(r["seconds"] for r in results))


def _dense(case: Case, baseline: Baseline | None, runs: int, threads: int) -> Row:
    row = _compared(case, baseline, runs, threads, reduce=False)
    (single,) = _in_turn(runs, lambda: solved(case.problem(), reduce=False, dtype="float32", threads=threads))
    _must_agree(case, "float32", row["value"], single[0]["value"])
    row["float32_seconds"] = _median(single)
    row["engine_bytes"] = solve_apart(case, reduce=False, threads=threads).get("solve_bytes")
    for what in ("engine", "float32", *(["baseline"] if baseline is not None else [])):
        row[f"{what}_ns_per_state"] = 1e9 * row[f"{what}_seconds"] / case.states
    return row


def _reduced(case: Case, baseline: Baseline | None, runs: int, threads: int) -> Row:
    row = _compared(case, baseline, runs, threads)
    problem = case.problem()
    reduced, dense = _in_turn(
        runs, lambda: solved(problem, threads=threads), lambda: solved(problem, reduce=False, threads=threads)
    )
    row["engine"] = reduced[0]["engine"]
    row["ns_per_visited"] = 1e9 * _median(reduced) / row["visited"]
    row["dense_ns_per_state"] = 1e9 * _median(dense) / case.states
    row["per_state_ratio"] = row["ns_per_visited"] / row["dense_ns_per_state"]
    best, every = (min(r["seconds"] for r in turns) for turns in (reduced, dense))
    row["best_per_state_ratio"] = (best / row["visited"]) / (every / case.states)
    return row


def _compared(case: Case, baseline: Baseline | None, runs: int, threads: int, **options: Any) -> Row:
    problem = case.problem()
    measures = [lambda: solved(problem, threads=threads, **options)]
    if baseline is not None:
        measures.append(lambda: baseline.solve(problem, threads))
    engine, *others = _in_turn(runs, *measures)
    row = case.row() | {
        "threads": threads,
        "value": engine[0]["value"],
        "visited": engine[0]["states"],
        "engine_seconds": _median(engine),
        "engine_runs": [r["seconds"] for r in engine],
    }
    for dense in others:
        _must_agree(case, "float64", dense[0]["value"], engine[0]["value"])
        row |= {
            "baseline_seconds": _median(dense),
            "baseline_runs": [r["seconds"] for r in dense],
            "baseline_bytes": dense[0]["peak_bytes"],
            "ratio": _median(engine) / _median(dense),
            "best_ratio": min(row["engine_runs"]) / min(r["seconds"] for r in dense),
        }
    return row


def _must_agree(case: Case, dtype: str, expected: float, found: float) -> None:
    if abs(found - expected) > _AGREEMENT[dtype] * max(abs(expected), 1.0):
        raise RuntimeError(f"{case.name}: the value is {expected!r}, and {found!r} was computed in {dtype}")


def _evaluated(case: Case, runs: int, threads: int) -> Row:
    problem = case.problem()

    def once() -> Row:
        begin = time.perf_counter()
        value = evaluate(problem, KnowledgeGradient(), threads=threads).value
        return {"value": value, "seconds": time.perf_counter() - begin}

    (results,) = _in_turn(runs, once)
    return case.row() | {
        "policy": "kg",
        "value": results[0]["value"],
        "seconds": _median(results),
        "ns_per_state": 1e9 * _median(results) / case.states,
    }


def speed_tables(rows: dict[str, list[Row]]) -> list[tuple[str, list[str], list[list[str]]]]:
    """Title, header and cells of each table that is not empty; ``rows`` by table, see ``speed_parts``."""
    shown = []
    for table, (title, columns) in TABLES.items():
        cells = [
            [_cell(row.get(key), form) for _, key, form in columns] for row in rows[table] if row.get("installed", True)
        ]
        if cells:
            shown.append((title, [header for header, _, _ in columns], cells))
    return shown


def _cell(value: Any, form: str) -> str:
    if value is None or value != value:
        return "-"
    return f"{value / 2**20:.0f}" if form == "MiB" else format(value, form)
