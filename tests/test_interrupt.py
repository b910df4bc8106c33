"""Ctrl-C: long work stops at once and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SCRIPT = """
import signal
import seqaudit as sa

# A shell that starts work in the background has children ignore the signal.
signal.signal(signal.SIGINT, signal.default_int_handler)


def work(labels, progress):
    {call}


# Numba can lose an interruption while it compiles: what is compiled on first use is compiled before the signal.
work({few}, None)
work({many}, lambda done, total: print(done, total, flush=True))
"""
# With the labels of a short and of a long run; the long one takes ten seconds or more on one core.
CALLS = {
    "dense": ("sa.solve(sa.Problem([0.55, 0.41], labels), reduce=False, threads=1, progress=progress)", 20, 700),
    "costs": ("sa.solve(sa.Problem([0.55, 0.41], labels, cost=[1, 2]), progress=progress)", 20, 700),
    "identical": ("sa.solve(sa.Problem([0.5] * 3, labels), progress=progress)", 40, 130),
    "kept": ("sa.solve(sa.Problem([0.55, 0.41, 0.6], labels), keep_policy=True, progress=progress)", 10, 90),
    "batches": ("sa.solve(sa.Problem([0.5, 0.6, 0.4], labels, batch=5), progress=progress)", 10, 50),
    "index": ("sa.evaluate(sa.Problem([0.55, 0.41], labels), sa.KnowledgeGradient(), progress=progress)", 10, 400),
    "joint": ("sa.evaluate(sa.Problem([0.55, 0.41], labels), sa.Exact(), progress=progress)", 10, 250),
    "rates": (
        "sa.operating_characteristics(sa.Problem([0.55, 0.41], labels), sa.Uniform(), [0.5], progress=progress)",
        10,
        180,
    ),
}


def interrupted(call: str, folder: Path) -> float:
    """Seconds from the signal to the end of a process that had begun its long run."""
    line, few, many = CALLS[call]
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT.format(call=line, few=few, many=many)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env=os.environ | {"TMPDIR": str(folder)},
    )
    try:
        assert process.stdout is not None
        first = process.stdout.readline()
        assert first, process.communicate()[1]
        # Into the midst of the longest layer, which is the first.
        time.sleep(0.2)
        sent = time.monotonic()
        process.send_signal(signal.SIGINT)
        printed, errors = process.communicate(timeout=60)
        took = time.monotonic() - sent
    finally:
        process.kill()
        process.wait()
    done, total = map(int, (first + printed).splitlines()[-1].split())
    assert done < total, "the work was over before the signal came"
    assert process.returncode != 0
    assert errors.rstrip().endswith("KeyboardInterrupt")
    assert list(folder.iterdir()) == []
    return took


@pytest.mark.parametrize("call", CALLS)
def test_interrupted_work_stops_within_two_seconds_and_leaves_no_file(call, tmp_path):
    # A busy machine may be slow once.
    assert interrupted(call, tmp_path) < 2 or interrupted(call, tmp_path) < 2
