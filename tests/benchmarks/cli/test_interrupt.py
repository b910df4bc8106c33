"""Ctrl-C: long work stops at once and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

import pytest

import seqaudit.benchmarks.cli.main as main_module

# Imports and first calls take longer than all else, so one process makes them and has a child do each long run.
SCRIPT = """
import os, signal, sys
import seqaudit as sa


def work(call, labels, progress):
    exec(call, {{"sa": sa, "labels": labels, "progress": progress}})


calls = {calls!r}
# Numba can lose an interruption while it compiles: what is compiled on first use is compiled before the signal.
for call, few, _ in calls.values():
    work(call, few, None)
for line in sys.stdin:
    name, out, err = line.rstrip("\\n").split("\\t")
    child = os.fork()
    if not child:
        for number, path in ((1, out), (2, err)):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), number)
        # A shell that starts work in the background has children ignore the signal.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        call, _, many = calls[name]
        work(call, many, lambda done, total: print(done, total, flush=True))
        break
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
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


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The process that has all calls compiled, and the folder for temporary files."""
    folder = tmp_path_factory.mktemp("work")
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT.format(calls=CALLS)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=folder,
        # A thread of OpenBLAS would be one too many to fork.
        env=os.environ | {"TMPDIR": str(folder), "OPENBLAS_NUM_THREADS": "1"},
    )
    yield process, folder
    process.stdin.close()
    assert process.wait(timeout=60) == 0
    process.stdout.close()


def interrupted(call: str, server, told: Path) -> float:
    """Seconds from the signal to the end of a process that had begun its long run."""
    process, folder = server
    out, err = told / "out", told / "err"
    process.stdin.write(f"{call}\t{out}\t{err}\n")
    process.stdin.flush()
    child, begun = int(process.stdout.readline()), time.monotonic()
    try:
        while not (out.exists() and out.read_text().endswith("\n")):
            assert time.monotonic() - begun < 60, err.read_text()
            time.sleep(0.01)
        # Into the midst of the longest layer, which is the first.
        time.sleep(0.2)
        sent = time.monotonic()
        os.kill(child, signal.SIGINT)
        status = int(process.stdout.readline())
        took = time.monotonic() - sent
    except BaseException:
        os.kill(child, signal.SIGKILL)
        raise
    done, total = map(int, out.read_text().splitlines()[-1].split())
    assert done < total, "the work was over before the signal came"
    assert status != 0
    assert err.read_text().rstrip().endswith("KeyboardInterrupt")
    assert list(folder.iterdir()) == []
    return took


@pytest.mark.parametrize("call", CALLS)
def test_interrupted_work_stops_within_two_seconds_and_leaves_no_file(call, server, tmp_path_factory):
    # A busy machine may be slow once.
    assert any(interrupted(call, server, tmp_path_factory.mktemp("told")) < 2 for _ in range(2))


def test_interruption_before_a_command_begins_is_one_line(monkeypatch, capsys):
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr(main_module, "naming_plugins", interrupted)
    with pytest.raises(SystemExit) as end:
        main_module.main(["speed"])
    assert end.value.code == 130
    assert capsys.readouterr().err == "seqaudit: interrupted; nothing is kept\n"


def test_interruption_while_the_command_line_is_imported_is_one_line(monkeypatch, capsys):
    class Interrupted:
        def find_spec(self, name, path=None, target=None):
            if name == "seqaudit.benchmarks.cli.main":
                raise KeyboardInterrupt

    monkeypatch.delitem(sys.modules, "seqaudit.benchmarks.cli.main")
    monkeypatch.setattr(sys, "meta_path", [Interrupted(), *sys.meta_path])
    with pytest.raises(SystemExit) as end:
        import_module("seqaudit.__main__").run()
    assert end.value.code == 130
    assert capsys.readouterr().err == "seqaudit: interrupted; nothing is kept\n"
