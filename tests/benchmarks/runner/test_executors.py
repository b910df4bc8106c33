"""Parts computed on a cluster: the same results, however workers end, and one line where the cluster fails."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from oracles.clusters import LocalCluster
from oracles.command_line import caller
from oracles.stores import part_names

import seqaudit as sa
from seqaudit.bandits.policy_file import policy_from_file
from seqaudit.benchmarks.runner import executors
from seqaudit.benchmarks.runner.executors import Cluster, ClusterError, computed

pytest.importorskip("distributed")

SCENARIOS = """
replications = 4
[policies]
exact = ["round-robin", "kg"]
simulated = ["round-robin"]
[problem]
budget = 4
c = [-0.4, 0.0, 0.5]
beta = 1.0
[[scenario]]
name = "noise"
model = "flipped"
values = [0.0, 0.1, 0.2, 0.3]
[[scenario]]
name = "bias"
model = "rater-bias"
parameter = "rater_sd"
values = [0.0, 1.0, 2.0, 3.0]
raters = 3
votes = 3
draws = 20
"""
# Slow enough for something to happen while parts are in work.
SLOW = """
import time
import seqaudit as sa


class Slow(sa.IndexPolicy):
    name = "slow"

    def index(self, states):
        time.sleep(0.1)
        return -states.labels
"""
# What a command does that has all kernels ready: on each machine this takes seconds, of which other tests take enough.
COMMAND = """
from importlib import import_module
from seqaudit.benchmarks.cli.main import main

import_module("seqaudit.benchmarks.stress.stress")._warm = print
main()
"""
STRESS = ("stress", "scenarios.toml", "-p", "slow.py:Slow", "-p", "round-robin")
# A run that says when its first part has ended.
SCRIPT = """
import sys, time
from functools import partial
from seqaudit.benchmarks.runner.executors import Cluster, ClusterError, computed

try:
    for name, _ in computed({k: partial(time.sleep, 0.2) for k in range(100)}, Cluster(sys.argv[1])):
        print(name, flush=True)
except ClusterError as error:
    print(error)
"""


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A cluster, to which tests must not be unkind beyond killing workers."""
    found = LocalCluster(tmp_path_factory.mktemp("cluster"))
    try:
        yield found
    finally:
        found.close()


@pytest.fixture
def two(shared):
    """The cluster with two workers."""
    shared.ready(2)
    return shared


@pytest.fixture(scope="module")
def lonely(tmp_path_factory):
    """A cluster without workers."""
    found = LocalCluster(tmp_path_factory.mktemp("lonely"))
    try:
        yield found
    finally:
        found.close()


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    (tmp_path / "slow.py").write_text(SLOW)
    return caller(tmp_path, monkeypatch, capsys, scenarios=SCENARIOS)


def tables(folder: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Path(folder).glob("*.csv")}


def slow_jobs(count: int = 12):
    """Jobs that take a moment."""

    def job(k: int) -> float:
        import time

        time.sleep(0.1)
        return k / 7

    return {k: partial(job, k) for k in range(count)}


def message(where: Cluster, jobs=None) -> str:
    with pytest.raises(ClusterError) as error:
        dict(computed(jobs or {1: int, 2: int}, where))
    assert "\n" not in str(error.value)
    return str(error.value)


def test_answers_are_those_of_worker_processes(two, kernels_ready, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("scenarios.toml").write_text(SCENARIOS)
    grid = sa.read_scenarios("scenarios.toml")
    alone, beside, spread = (sa.stress(grid, n_jobs=n) for n in (1, 2, sa.Cluster(two.address)))
    assert alone.keys() == beside.keys() == spread.keys()
    for name, cell in alone.items():
        assert cell.identical(beside[name])
        assert cell.identical(spread[name])


def test_workers_run_the_policy_of_a_file_that_they_never_saw(two, tmp_path):
    file = tmp_path / "own.py"
    file.write_text(SLOW.replace("time.sleep(0.1)", "pass"))
    policies = ["kg", policy_from_file(f"{file}:Slow")]
    file.unlink()
    found = sa.survey(3, policies, n_jobs=Cluster(two.address))
    assert found.identical(sa.survey(3, policies))


def test_parts_of_a_killed_worker_begin_anew_on_another_one(two):
    found = {}
    for name, result in computed(slow_jobs(), Cluster(two.address)):
        if not found:
            two.kill(1)
        found[name] = result
    assert found == {k: k / 7 for k in range(12)}


@pytest.mark.parametrize("kind", [ValueError, SystemExit, OSError])
def test_fault_of_a_job_is_raised_as_it_is_and_the_job_is_not_run_again(two, tmp_path, kind):
    def fail() -> None:
        import uuid

        (tmp_path / uuid.uuid4().hex).touch()
        raise kind("the third cannot be had")

    with pytest.raises(kind, match=r"^the third cannot be had$") as error:
        dict(computed({1: int, 2: int, 3: fail}, Cluster(two.address, retries=5)))
    assert "in fail" in str(error.value.__cause__)
    assert len(list(tmp_path.iterdir())) == 1
    assert dict(computed({1: int, 2: int}, Cluster(two.address))) == {1: 0, 2: 0}


def test_what_a_worker_cannot_read_is_one_line(two):
    class Unreadable:
        def __reduce__(self):
            return __import__, ("no_such_module",)

    job = partial(isinstance, Unreadable(), int)
    assert message(Cluster(two.address, retries=0), {1: job}).endswith(
        "cannot read a part: No module named 'no_such_module'"
    )


def test_preparation_comes_once_on_each_machine_and_before_any_job(two, tmp_path):
    # All of 127.0.0.0/8 is the loopback on Linux alone.
    there = ["127.0.0.1", *(["127.0.0.2"] if sys.platform == "linux" else [])]
    two.add(there[-1])
    two.ready(3)

    def prepare() -> None:
        from distributed import get_worker

        (tmp_path / get_worker().address.split("/")[-1].split(":")[0]).mkdir()

    def job() -> int:
        return len(list(tmp_path.iterdir()))

    found = dict(computed(dict.fromkeys(range(9), job), Cluster(two.address), prepare))
    assert sorted(path.name for path in tmp_path.iterdir()) == there
    assert set(found.values()) == {len(there)}
    with pytest.raises(FileExistsError):
        dict(computed({1: int}, Cluster(two.address), prepare))
    # No job is left, so no machine is asked for.
    assert dict(computed({}, Cluster("tcp://127.0.0.1:1"), prepare)) == {}


@pytest.fixture
def other_numpy(monkeypatch):
    """Another version of NumPy here than on the cluster; the version there."""
    real = executors.version
    monkeypatch.setattr(executors, "version", lambda name: "0.1" if name == "numpy" else real(name))
    executors._versions.cache_clear()
    yield real("numpy")
    executors._versions.cache_clear()


def test_cluster_with_other_versions_is_refused_by_name(two, other_numpy, monkeypatch):
    expected = f"has numpy {other_numpy}, and this process 0.1; install the same versions, or results could differ"
    assert message(Cluster(two.address)) == f"the scheduler {two.address} {expected}"
    own = executors._versions(executors._LIBRARIES)
    monkeypatch.setattr("distributed.Client.run_on_scheduler", lambda *_: own)
    told = message(Cluster(two.address))
    assert told.startswith("worker tcp://127.0.0.")
    assert told.endswith(f" {expected}")


def test_worker_with_other_versions_that_comes_later_is_refused_too(two, monkeypatch):
    monkeypatch.setattr(executors, "_checked_versions", lambda *_: {"numpy": "0.1"})
    told = message(Cluster(two.address))
    assert told.startswith("worker tcp://127.0.0.")
    assert "and this process 0.1" in told


@pytest.fixture
def kernels_ready(monkeypatch):
    """See ``COMMAND``."""
    monkeypatch.setattr(sys.modules["seqaudit.benchmarks.stress.stress"], "_warm", print)


@pytest.fixture
def alone(run, kernels_ready) -> dict[str, bytes]:
    """Tables of the command without a cluster."""
    assert run(*STRESS, "--jobs", 1, "--out", "alone").status == 0
    return tables("alone")


def test_command_whose_worker_is_killed_ends_as_without_a_cluster(two, run, alone):
    killer = threading.Thread(target=lambda: (first_part(Path("killed")), two.kill(1)))
    killer.start()
    done = run(*STRESS, "--cluster", two.address, "--out", "killed")
    killer.join()
    assert done.status == 0, done.err
    assert two.workers[0].returncode == -signal.SIGKILL
    assert tables("killed") == alone
    assert len(alone) == 2


def first_part(folder: Path) -> None:
    """Wait until a run has its first part."""
    for _ in range(3000):
        time.sleep(0.02)
        # The store is there a moment before its table is.
        with suppress(sqlite3.OperationalError):
            if (folder / "run.sqlite").exists() and part_names(folder):
                return
    raise AssertionError("no part has ended within a minute")


@pytest.mark.skipif(os.name == "nt", reason="Windows sends no such signals")
def test_interrupted_command_ends_at_once_and_is_taken_up(two, run, alone):
    words = (*STRESS, "--cluster", two.address, "--out", "cut")
    with subprocess.Popen(
        [sys.executable, "-c", COMMAND, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell that starts work in the background has children ignore the signal.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as command:
        try:
            first_part(Path("cut"))
            command.send_signal(signal.SIGINT)
            out, err = command.communicate(timeout=15)
        finally:
            command.kill()
    assert (command.returncode, out) == (130, "")
    assert err.splitlines()[-1].startswith("seqaudit: interrupted; finished parts are kept")
    assert "Traceback" not in err
    kept = set(part_names(Path("cut")))
    assert 0 < len(kept) < 8
    assert not tables("cut")
    assert run(*words).status == 0
    assert tables("cut") == alone


@pytest.mark.parametrize("address", ["", " ", 3, None, ["tcp://127.0.0.1:8786"]])
def test_what_is_no_text_is_no_address(address):
    with pytest.raises(ValueError, match=r"^address is .*; it must be that of a scheduler, such as tcp://"):
        sa.Cluster(address)


@pytest.mark.parametrize("retries", [-1, 1.5, "2", None])
def test_retries_are_a_whole_number(retries):
    with pytest.raises(ValueError, match="retries"):
        sa.Cluster("tcp://127.0.0.1:8786", retries=retries)


@pytest.mark.parametrize("address", ["nonsense", "tcp://127.0.0.1", "foo://127.0.0.1:1", "tls://127.0.0.1:1", "\0"])
def test_nonsense_is_refused_at_once(address):
    told = message(Cluster(address))
    assert told.startswith(f"no cluster at {address!r} (")
    assert told.endswith("); start one with: dask scheduler")


@pytest.mark.parametrize("greeting", [None, b"", b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_address_without_a_scheduler_is_one_line(monkeypatch, greeting):
    """Nothing listens there, or something that says nothing, or something else."""
    monkeypatch.setattr(executors, "_SECONDS_TO_CONNECT", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        if greeting is None:
            server.close()
        held = []

        def answer() -> None:
            while True:
                try:
                    held.append(server.accept()[0])
                    held[-1].sendall(greeting)
                except OSError:
                    return

        thread = threading.Thread(target=answer)
        thread.start()
        begun = time.monotonic()
        assert message(Cluster(address)).startswith(f"no cluster at '{address}' (")
        assert time.monotonic() - begun < 10
        # Wakes the thread where it waits for a connection.
        if greeting is not None:
            server.shutdown(socket.SHUT_RDWR)
        thread.join()
        for one in held:
            one.close()


def test_cluster_without_workers_is_one_line(lonely, monkeypatch):
    monkeypatch.setattr(executors, "_SECONDS_FOR_WORKERS", 0.2)
    assert message(Cluster(lonely.address)) == (
        f"the cluster at {lonely.address} has no workers; start some with: dask worker {lonely.address} --nthreads 1"
    )


def test_cluster_that_loses_all_workers_is_not_waited_for_without_end(lonely, monkeypatch):
    lonely.ready(1)
    monkeypatch.setattr(executors, "_SECONDS_WITHOUT_WORKERS", 0.5)
    monkeypatch.setattr(executors, "_SECONDS_A_COUNT", 0.1)
    found = computed(slow_jobs(), Cluster(lonely.address))
    next(found)
    lonely.kill(1)
    with pytest.raises(ClusterError, match=r"^the cluster has lost all of its workers, .* take up the run$"):
        list(found)


def test_cluster_that_is_lost_is_one_line_at_once_and_nothing_else(lonely):
    lonely.ready(1)
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT, lonely.address], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as script:
        try:
            assert script.stdout.readline() == "0\n"
            lonely.scheduler.kill()
            out, err = script.communicate(timeout=15)
        finally:
            script.kill()
    assert out.splitlines()[-1] == f"the cluster at {lonely.address} was lost; start it, and take up the run"
    assert (err, script.returncode) == ("", 0)


def test_clusters_without_dask_are_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert message(Cluster("tcp://127.0.0.1:1")).endswith("install seqaudit with its extra: seqaudit[cluster]")


def test_worker_processes_and_a_cluster_are_not_given_together(run):
    told = run(*STRESS, "--jobs", 2, "--cluster", "tcp://127.0.0.1:1").assert_refused()
    assert told == "--jobs has no effect with --cluster; leave it out"


def test_command_without_its_cluster_is_one_line(run, monkeypatch):
    monkeypatch.setattr(executors, "_SECONDS_TO_CONNECT", 0.5)
    done = run(*STRESS, "--cluster", "tcp://127.0.0.1:1", "--out", "kept")
    assert (done.status, done.out) == (2, "")
    assert done.err.splitlines()[-1].startswith("seqaudit: no cluster at 'tcp://127.0.0.1:1' (")
