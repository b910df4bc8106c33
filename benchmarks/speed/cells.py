"""Time that the runner of studies adds to a cell: many cells that take no time, beside a bare joblib loop of them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from tempfile import TemporaryDirectory
from typing import Any

from joblib import Parallel, delayed

from ..runner.executors import computed
from ..runner.folder import RunFolder
from ..studies.cells import Outcome
from ..studies.outline import Outline, Setting, Way
from ..studies.run_study import keep_cells, tried

__all__ = ["measure_cells"]

# Cells of one job, as of a study.
_AT_ONCE = 25
_TARGET = 1.0


def measure_cells(cells: int, workers: int = 2) -> dict[str, Any]:
    """Milliseconds for a cell, planned, computed and stored, and for one of the loop.

    Parameters
    ----------
    cells : int
    workers : int

    Returns
    -------
    dict
        ``cells``, ``workers``, ``ms_per_cell``, ``loop_ms_per_cell``, ``added_ms`` and its ``target``.
    """
    with TemporaryDirectory() as place:
        folder = RunFolder(f"{place}/run", "run", {})
        begin = time.perf_counter()
        setting = Setting("one", "one", {}, [8], False, {"problem": "one"})
        outline = Outline("speed", 7, cells, ["decision-accuracy"], [Way("kg", False, "kg()", [])], [setting])
        plans = [plan for plan in outline.plans() if plan.replication >= 0]
        parts = {k: {plan.replication: plan for plan in plans[k : k + _AT_ONCE]} for k in range(0, cells, _AT_ONCE)}
        jobs = {k: partial(tried, partial(_nothing, [*part])) for k, part in parts.items()}
        for k, found in computed(jobs, workers):
            keep_cells(folder.store, parts[k], found, folder.versions)
        own = time.perf_counter() - begin
        folder.store.close()
    begin = time.perf_counter()
    Parallel(n_jobs=workers)(delayed(_value)(k) for k in range(cells))
    loop = time.perf_counter() - begin
    each, of_loop = 1e3 * own / cells, 1e3 * loop / cells
    row = {"cells": cells, "workers": workers, "ms_per_cell": each, "loop_ms_per_cell": of_loop}
    return row | {"added_ms": each - of_loop, "target": _TARGET}


def _value(number: int) -> float:
    return number / 7


def _nothing(numbers: Sequence[int]) -> dict[int, Outcome]:
    return {r: Outcome({"labels": [8], "payoff": [_value(r)], "decision-accuracy": [0.5]}, 1e-6) for r in numbers}
