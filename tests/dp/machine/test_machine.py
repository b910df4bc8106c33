"""Memory and processors that this process may use, on systems that say more or less about them."""

from __future__ import annotations

import os
import subprocess
import sys

import psutil
import pytest

import seqaudit as sa
from seqaudit.dp.machine import workers
from seqaudit.posteriors.foundation import memory
from seqaudit.posteriors.foundation import processors as found
from seqaudit.posteriors.foundation.memory import available_memory, peak_memory
from seqaudit.posteriors.foundation.processors import group_folders, processors

GIB = 2**30


@pytest.fixture(autouse=True)
def forget():
    """Have the system asked anew, before each test and after it."""
    for asked in (processors, memory._group_limits):
        asked.cache_clear()
    yield
    for asked in (processors, memory._group_limits):
        asked.cache_clear()


@pytest.fixture
def groups(tmp_path, monkeypatch):
    """Write the files of control groups, and the line that says which group this process is in."""

    def write(membership: str, files: dict[str, str]) -> None:
        (tmp_path / "membership").write_text(membership)
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)

    monkeypatch.setattr(found, "_GROUPS", tmp_path)
    monkeypatch.setattr(found, "_MEMBERSHIP", tmp_path / "membership")
    return write


def lacking(monkeypatch, *names: str) -> None:
    """Take away what a system does not have."""
    for name in names:
        owner = {"os": os, "process": psutil.Process}[name.split(".")[0]]
        monkeypatch.delattr(owner, name.split(".")[1], raising=False)


SYSTEMS = {
    "linux": (),
    "macos": ("os.sched_getaffinity", "process.cpu_affinity", "process.rlimit"),
    "windows": ("os.sched_getaffinity", "os.sysconf", "os.getuid", "os.getloadavg", "process.rlimit"),
}


@pytest.mark.smoke
@pytest.mark.parametrize("system", SYSTEMS)
def test_engine_runs_where_the_system_says_little(system, monkeypatch):
    lacking(monkeypatch, *SYSTEMS[system])
    if system != "linux":
        monkeypatch.setattr(memory.sys, "platform", {"macos": "darwin", "windows": "win32"}[system])
        monkeypatch.setitem(sys.modules, "resource", None)
        monkeypatch.setattr(found, "_MEMBERSHIP", found.Path("/nowhere"))
    problem = sa.Problem([0.5, 0.6, 0.7], 4)
    assert processors() >= 1
    assert available_memory() > 0
    assert sa.solve(problem).value == pytest.approx(sa.evaluate(problem, sa.Exact()).value, rel=1e-12)
    assert sa.upper_bound(problem).value >= sa.solve(problem).value >= sa.allocate(problem).value - 1e-12
    assert sa.certify(problem, "kg").gap >= 0
    assert len(sa.compare(problem, ["kg"])) >= 2


def test_processors_are_those_that_the_process_is_bound_to(monkeypatch, groups):
    monkeypatch.setattr(psutil.Process, "cpu_affinity", lambda self: [3, 5, 6])
    assert processors() == 3
    monkeypatch.delattr(psutil.Process, "cpu_affinity")
    processors.cache_clear()
    assert processors() == os.cpu_count()


@pytest.mark.parametrize(
    ("membership", "files", "expected"),
    [
        ("0::/\n", {"cpu.max": "max 100000\n"}, 8),
        ("0::/\n", {"cpu.max": "150000 100000\n"}, 2),
        ("0::/a/b\n", {"cpu.max": "400000 100000\n", "a/cpu.max": "300000 100000\n", "a/b/cpu.max": "max 100000\n"}, 3),
        ("0::/gone\n", {"cpu.max": "10000 100000\n"}, 1),
        ("4:cpu,cpuacct:/a\n", {"cpu/a/cpu.cfs_quota_us": "200000\n", "cpu/a/cpu.cfs_period_us": "100000\n"}, 2),
        ("4:cpu:/\n0::/\n", {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 8),
        ("4:memory:/\n", {"cpu/cpu.cfs_quota_us": "100000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 8),
        ("0::/\n", {"cpu.max": "nonsense\n"}, 8),
    ],
)
def test_processors_are_no_more_than_control_groups_allow(membership, files, expected, groups, monkeypatch):
    monkeypatch.setattr(psutil.Process, "cpu_affinity", lambda self: list(range(8)))
    groups(membership, files)
    assert processors() == expected


STAT = "anon 5\ninactive_file 1073741824\ntotal_inactive_file 536870912\n"


@pytest.mark.parametrize(
    ("membership", "files", "expected"),
    [
        ("0::/\n", {"memory.max": "max\n", "memory.current": f"{GIB}\n", "memory.stat": STAT}, 64),
        ("0::/\n", {"memory.max": f"{4 * GIB}\n", "memory.current": f"{3 * GIB}\n", "memory.stat": STAT}, 2),
        ("0::/\n", {"memory.max": f"{4 * GIB}\n", "memory.current": f"{6 * GIB}\n", "memory.stat": "anon 5\n"}, 0),
        (
            "4:memory:/a\n",
            {
                "memory/a/memory.limit_in_bytes": f"{4 * GIB}\n",
                "memory/a/memory.usage_in_bytes": f"{3 * GIB}\n",
                "memory/a/memory.stat": STAT,
                "memory/memory.limit_in_bytes": "9223372036854771712\n",
            },
            1.5,
        ),
        ("0::/\n", {"memory.max": f"{GIB}\n"}, 64),
    ],
)
def test_memory_is_no_more_than_control_groups_leave(membership, files, expected, groups, monkeypatch):
    monkeypatch.setattr(memory, "_left_to_process", lambda _: ())
    monkeypatch.setattr(psutil, "virtual_memory", lambda: type("Memory", (), {"available": 64 * GIB}))
    groups(membership, files)
    assert available_memory() == expected * GIB


def test_groups_without_the_file_are_left_out(groups, tmp_path):
    groups("0::/a/b\n", {"memory.max": "max", "a/other": ""})
    assert group_folders("memory", "memory.max") == (tmp_path,)
    (tmp_path / "membership").unlink()
    assert group_folders("memory", "memory.max") == ()


LIMITED = """
import resource, sys
import seqaudit as sa
sa.solve(sa.Problem([0.5, 0.6], 4))
import psutil
now = psutil.Process().memory_info().vms
resource.setrlimit(resource.RLIMIT_AS, (now + int(sys.argv[1]), resource.RLIM_INFINITY))
from seqaudit.posteriors.foundation.memory import available_memory
print(available_memory())
try:
    sa.solve(sa.Problem([0.5, 0.6, 0.7, 0.8], 90))
except sa.ProblemTooLarge as error:
    print(error)
"""


@pytest.mark.skipif(not hasattr(psutil.Process, "rlimit"), reason="the system has no limits that psutil reads")
def test_limit_on_address_space_is_a_refusal_and_no_memory_error():
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(2**29)], capture_output=True, text=True, timeout=120, check=True
    )
    left, refusal = done.stdout.splitlines()
    assert 0 < int(left) <= 2**29
    assert refusal.startswith("problem too large for an exact solution")


def test_peak_of_memory_is_known_everywhere(monkeypatch):
    here = peak_memory()
    assert here > 2**24
    monkeypatch.setattr(memory, "_STATUS", found.Path("/nowhere"))
    assert peak_memory() > 2**24
    monkeypatch.setattr(psutil.Process, "memory_info", lambda self: type("Info", (), {"peak_wset": 12345}))
    assert peak_memory() == 12345


@pytest.mark.parametrize("asked", [0, 1025, 10**6, 10**30, 2.0, True])
def test_numbers_of_threads_and_workers_have_one_bound(asked):
    with pytest.raises(ValueError, match=r"threads is .*; it must be a whole number from 1 to 1024"):
        workers.cores(asked)
    with pytest.raises(ValueError, match=r"the number of workers is .*; it must be .* from 1 to 1024, or -1"):
        workers.workers(asked, 5)
    assert workers.cores(1024) == 1024


def test_processes_are_at_most_four_on_each_core(monkeypatch):
    monkeypatch.setattr(workers, "processors", lambda: 3)
    assert workers.workers(1024, 10**6) == 12
    assert workers.workers(-1, 10**6) == 3
    assert workers.workers(7, 10**6) == 7
