"""Named jobs in worker processes: their order, what they may use, and how they end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import psutil
import pytest
from joblib.externals.loky.process_executor import TerminatedWorkerError

from seqaudit.dp.machine.workers import _signals_put_off, cores, each, heard, in_one_thread, in_processes

# Worker processes cannot import this module: what they are to run is defined within the tests.
SLOW = """
import os, pathlib, time
from functools import partial
from seqaudit.dp.machine.workers import in_processes


def job(k):
    pathlib.Path(f"{k}").write_text(str(os.getpid()))
    time.sleep(60)


print(dict(in_processes({k: partial(job, k) for k in range(8)}, n_jobs=2)))
"""

# joblib's thread that hands jobs over finds them late, when all of them have been dropped.
TARDY = """
import time
from joblib.externals.loky.process_executor import _ExecutorManagerThread as Thread

hand_over, wait = Thread.add_call_item_to_queue, Thread.wait_result_broken_or_wakeup
Thread.add_call_item_to_queue = lambda thread: hand_over(thread) if thread.__dict__.setdefault("woken") else None


def late(thread):
    thread.woken = True
    time.sleep(1.0)
    return wait(thread)


Thread.wait_result_broken_or_wakeup = late
"""
# Another way to ask a program to end.
TERMINATED = "import signal\nsignal.signal(signal.SIGTERM, signal.default_int_handler)\n"


def wait_for(path: Path) -> str:
    begun = time.monotonic()
    while not (path.exists() and path.read_text()):
        assert time.monotonic() - begun < 60
        time.sleep(0.01)
    return path.read_text()


def ended(process: int) -> bool:
    """Whether a process ends within some seconds."""
    begun = time.monotonic()
    while time.monotonic() - begun < 20:
        try:
            state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False


def waiting(folder: Path):
    """Two jobs, of which the first waits for a file."""

    def job(name: str) -> str:
        if name == "first":
            import time
            from pathlib import Path

            while not Path(folder, "go").exists():
                time.sleep(0.01)
        return name.upper()

    return {name: partial(job, name) for name in ("first", "second")}


@pytest.mark.parametrize("n_jobs", [1, 2, 5, -1])
def test_answers_do_not_depend_on_the_number_of_workers(n_jobs):
    jobs = {f"2 to the {k}": partial(pow, 2, k) for k in range(7)}
    expected = {f"2 to the {k}": 2**k for k in range(7)}
    assert list(in_processes(jobs, n_jobs)) == list(expected.items())
    assert dict(in_processes(jobs, n_jobs, in_order=False)) == expected
    assert list(in_processes({}, n_jobs)) == []


def test_results_come_as_they_end_or_in_the_order_of_the_jobs(tmp_path):
    runs = in_processes(waiting(tmp_path), 2, in_order=False)
    assert next(runs) == ("second", "SECOND")
    (tmp_path / "go").touch()
    assert list(runs) == [("first", "FIRST")]
    (tmp_path / "go").unlink()

    def told() -> str:
        (tmp_path / "go").touch()
        return "SECOND"

    ordered = in_processes(waiting(tmp_path) | {"second": told}, 2)
    assert list(ordered) == [("first", "FIRST"), ("second", "SECOND")]


def test_one_worker_is_this_process_and_takes_up_a_job_when_it_is_asked():
    done = []
    jobs = {k: partial(lambda k: done.append(k) or os.getpid(), k) for k in range(3)}
    runs = in_processes(jobs, 1, before=lambda: pytest.fail("there are no worker processes"))
    assert next(runs) == (0, os.getpid())
    assert done == [0]
    assert [k for k, _ in runs] == done[1:] == [1, 2]
    # A single job needs no worker process either.
    assert dict(in_processes({"only": os.getpid}, 4)) == {"only": os.getpid()}


def test_job_beside_others_has_one_thread_where_it_asks_for_no_number():
    every = cores(None)
    jobs = {asked: partial(cores, asked) for asked in (None, 1, 3)}
    assert dict(in_processes(jobs, 2)) == {None: 1, 1: 1, 3: 3}
    assert dict(in_processes(jobs, 1)) == {None: every, 1: 1, 3: 3}
    assert cores(None) == every


def test_job_that_is_given_one_thread_has_more_where_it_asks_for_them_and_leaves_the_others_as_they_were():
    every = cores(None)
    assert in_one_thread(partial(cores, None)) == 1
    assert in_one_thread(partial(in_one_thread, partial(cores, 3))) == cores(3)
    with pytest.raises(ZeroDivisionError):
        in_one_thread(partial(divmod, 1, 0))
    assert cores(None) == every


def test_preparation_comes_once_and_before_any_job(tmp_path):
    calls = []

    def job() -> bool:
        return (tmp_path / "ready").exists()

    runs = in_processes(dict.fromkeys("abc", job), 2, before=lambda: calls.append((tmp_path / "ready").touch()))
    assert calls == []
    assert dict(runs) == dict.fromkeys("abc", True)
    assert len(calls) == 1


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_fault_of_a_job_is_raised_as_it_is_and_the_next_jobs_run(n_jobs):
    def fail() -> None:
        raise ValueError("the third cannot be had")

    runs = in_processes({1: partial(int, 1), 2: partial(int, 2), 3: fail}, n_jobs)
    with pytest.raises(ValueError, match="the third cannot be had"):
        list(runs)
    assert list(runs) == []
    assert dict(in_processes({1: partial(int, 1), 2: partial(int, 2)}, n_jobs)) == {1: 1, 2: 2}


def test_closing_drops_the_other_jobs_and_ends_their_processes_without_a_remark(tmp_path, recwarn):
    def job(k: int) -> int:
        import os
        import time

        (tmp_path / f"{k}").write_text(str(os.getpid()))
        if k:
            time.sleep(60)
        return k

    runs = in_processes({k: partial(job, k) for k in range(6)}, 2, in_order=False)
    assert next(runs) == (0, 0)
    processes = [int(wait_for(tmp_path / f"{k}")) for k in (1, 2)]
    runs.close()
    assert all(map(ended, processes))
    assert not (tmp_path / "5").exists()
    assert [str(warning.message) for warning in recwarn] == []


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_workers_end_with_a_parent_that_is_killed(tmp_path, how):
    # A process that was started by nohup hands it on that SIGHUP is ignored.
    code = f"import signal\nif {int(how)} != signal.SIGKILL: signal.signal({int(how)}, signal.SIG_DFL)\n{SLOW}"
    with subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, stderr=subprocess.DEVNULL) as script:
        try:
            processes = [int(wait_for(tmp_path / f"{k}")) for k in (0, 1)]
            script.send_signal(how)
            script.wait(timeout=60)
        finally:
            script.kill()
    assert all(map(ended, processes))
    assert not (tmp_path / "7").exists()
    # What it shared with them is named after it, and goes with the last of them.
    assert all(map(gone, Path("/dev/shm").glob(f"*[-_]{script.pid}[-_]*")))


def test_interruption_ends_the_worker_processes(tmp_path):
    script = subprocess.Popen(
        [sys.executable, "-c", SLOW],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell that starts work in the background has children ignore the signal.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    try:
        processes = [int(wait_for(tmp_path / f"{k}")) for k in (0, 1)]
        script.send_signal(signal.SIGINT)
        out, err = script.communicate(timeout=60)
    finally:
        script.kill()
    assert all(map(ended, processes))
    assert (script.returncode, out) == (-signal.SIGINT, "")
    assert err.rstrip().endswith("KeyboardInterrupt")
    assert "tasks" not in err
    assert not (tmp_path / "7").exists()


def killing(folder: Path, times: int):
    """Jobs of which one kills its process, so often in all."""

    def job(k: int) -> int:
        import os
        import signal
        from pathlib import Path

        done = len(list(Path(folder).glob("killed*")))
        if k == 2 and done < times:
            Path(folder, f"killed{done}").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return 10 * k

    return {k: partial(job, k) for k in range(5)}


@pytest.mark.parametrize("in_order", [True, False])
def test_jobs_of_a_killed_worker_are_started_once_more(in_order, tmp_path):
    found = list(in_processes(killing(tmp_path, 1), 2, in_order=in_order))
    assert sorted(found) == [(k, 10 * k) for k in range(5)]
    assert not in_order or found == sorted(found)
    assert len(list(tmp_path.iterdir())) == 1


def test_worker_killed_twice_is_one_line_and_results_before_it_are_had(tmp_path):
    def job(k: int) -> int:
        import os
        import signal
        import time
        from pathlib import Path

        if k == 2:
            while not Path(tmp_path, "had1").exists():
                time.sleep(0.01)
            os.kill(os.getpid(), signal.SIGKILL)
        return k

    def all_of(runs) -> None:
        for name, result in runs:
            Path(tmp_path, f"had{name}").write_text(str(result))

    with pytest.raises(
        ChildProcessError, match=r"^worker processes were killed twice, with [1-3] of 5 .*; use fewer of them$"
    ):
        all_of(in_processes({k: partial(job, k) for k in range(5)}, 2))
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"had0": "0", "had1": "1"}
    assert dict(in_processes({1: partial(int, 1), 2: partial(int, 2)}, 2)) == {1: 1, 2: 2}


@contextmanager
def starting(folder: Path, later: float, code: str = SLOW):
    """Process whose worker processes start, so many seconds ago, and all processes that it has started."""
    with subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=folder,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as script:
        parent = psutil.Process(script.pid)
        while len(parent.children(recursive=True)) < 3:
            assert script.poll() is None
        time.sleep(later)
        yield script, parent.children(recursive=True)


@pytest.mark.parametrize("later", [0.0, 0.4])
def test_worker_processes_that_start_end_when_this_one_is_killed(later, tmp_path):
    with starting(tmp_path, later) as (script, started):
        script.kill()
    assert all(ended(child.pid) for child in started)
    assert all(map(gone, Path("/dev/shm").glob(f"*[-_]{script.pid}[-_]*")))


@pytest.mark.parametrize(
    ("code", "later", "how"),
    [
        (SLOW, 0.0, signal.SIGINT),
        (SLOW, 0.4, signal.SIGINT),
        (TARDY + SLOW, 0.0, signal.SIGINT),
        (TERMINATED + SLOW, 0.0, signal.SIGTERM),
    ],
)
def test_worker_processes_that_start_say_nothing_of_an_interruption(code, later, how, tmp_path):
    with starting(tmp_path, later, code) as (script, started):
        os.killpg(script.pid, how)
        said = script.communicate(timeout=60)[1]
    assert said.count("Traceback") == said.count("KeyboardInterrupt") == 1
    assert all(ended(child.pid) for child in started)


def test_interruption_put_off_is_told_without_the_fault_that_came_with_it():
    def end_all() -> None:
        with _signals_put_off():
            signal.raise_signal(signal.SIGINT)
            raise TerminatedWorkerError("ended by the same signal")

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt) as told:
            end_all()
        said = "".join(traceback.format_exception(told.value))
        assert said.count("Traceback") == 1
        assert "TerminatedWorkerError:" not in said
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        signal.signal(signal.SIGINT, lambda *_: None)
        with pytest.raises(TerminatedWorkerError, match="by the same signal"):
            end_all()
    finally:
        signal.signal(signal.SIGINT, before)


def gone(path: Path) -> bool:
    """Whether a file goes within some seconds."""
    begun = time.monotonic()
    while path.exists() and time.monotonic() - begun < 20:
        time.sleep(0.02)
    return not path.exists()


def test_fault_of_a_part_ends_the_work_and_no_further_part_is_begun():
    begun = []

    def work(part: int) -> None:
        begun.append(part)
        if part == 1:
            raise ValueError("part 1 cannot be had")

    with pytest.raises(ValueError, match="part 1 cannot be had"):
        each(work, range(100), 1)
    assert begun == [0, 1]
    each(begun.append, [], 3)
    each(begun.append, [7, 8, 9], 2)
    assert sorted(begun[2:]) == [7, 8, 9]


def test_threads_of_a_job_are_those_of_the_caller():
    assert dict(in_processes({1: partial(heard, partial(cores, None)), 2: int}, 2)) == {1: 1, 2: 0}


def test_long_compiled_code_does_not_keep_an_interruption_waiting():
    release, inside = threading.Event(), threading.Event()

    def stuck() -> None:
        inside.set()
        release.wait(60)

    def interrupt() -> None:
        inside.wait(60)
        signal.raise_signal(signal.SIGINT) if os.name == "nt" else os.kill(os.getpid(), signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        threading.Thread(target=interrupt).start()
        with pytest.raises(KeyboardInterrupt):
            heard(stuck)
        assert not release.is_set()
    finally:
        release.set()
        signal.signal(signal.SIGINT, before)
