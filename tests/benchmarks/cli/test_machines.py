"""Commands on machines that allow little: terminals without symbols, folders that cannot be written, no compiler."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import seqaudit as sa
from seqaudit.benchmarks.cli import main as cli
from seqaudit.benchmarks.cli.commands import solve as solve_command
from seqaudit.benchmarks.cli.output import let_symbols_fall_back

PACKAGE = Path(sa.__file__).resolve().parent
PROBLEM = 'budget = 3\nthreshold = [0.5, 0.62]\nname = ["café", "β"]\n'


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("problem.toml").write_text(PROBLEM, encoding="utf-8")
    return tmp_path


def python(*arguments: str, **variables: str) -> subprocess.CompletedProcess[bytes]:
    """Python with these environment variables."""
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, timeout=300, check=False, env=os.environ | variables
    )


@pytest.mark.parametrize(
    ("encoding", "shown"), [("ascii", "1 +/- 2 caf\\xe9 \\u03b2"), ("latin-1", "1 ± 2 café \\u03b2")]
)
def test_symbols_that_a_stream_cannot_hold_are_written_in_others(encoding, shown, monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    let_symbols_fall_back()
    print("1 ± 2 café β", flush=True)
    assert stream.buffer.getvalue().decode(encoding).rstrip() == shown
    print("\udcc3", flush=True)
    assert stream.buffer.getvalue().decode(encoding).rstrip().endswith("\\udcc3")


COMMANDS = """
from seqaudit.benchmarks.cli.main import main
from seqaudit.benchmarks.cli.output import let_symbols_fall_back

let_symbols_fall_back()
for command in ("certify problem.toml -p kg", "allocate problem.toml", "solve ä.toml"):
    try:
        main(command.split())
    except SystemExit as end:
        print(end.code, flush=True)
"""


def test_terminal_without_symbols_and_breadth_loses_no_answer():
    done = python("-c", COMMANDS, PYTHONIOENCODING="ascii:strict", PYTHONUTF8="0", TERM="dumb", COLUMNS="3")
    lines = done.stdout.decode("ascii").splitlines()
    assert lines[1].split() == ["policy", "lower", "bound", "+/-", "upper", "bound", "gap", "+/-", "spent"]
    assert lines[2].split()[:3] == ["kg", "1.544448", "exact"]
    assert [line.split()[0] for line in lines if line.startswith(("caf", "\\u"))] == [r"caf\xe9", r"\u03b2"]
    assert [line for line in lines if line in ("0", "2")] == ["0", "0", "2"]
    assert done.stderr.decode("ascii").splitlines()[-1] == r"seqaudit: \xe4.toml: No such file or directory"


# The command waits, and hears the signal or not: Python does not, while compiled code is at work.
WAITING = """
import sys, time
from seqaudit.benchmarks.cli import interruption, main
from seqaudit.benchmarks.cli.commands import solve


def wait(*_, **__):
    print("ready", file=sys.stderr, flush=True)
    while True:
        try:
            while True:
                time.sleep(0.01)
        except KeyboardInterrupt:
            if hears:
                raise


hears = sys.argv.pop(1) == "heard"
interruption._PATIENCE = 60 if hears else 0.3
solve.solve_problem = wait
main.main()
"""
SIGNALS = [name for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


@pytest.mark.skipif(os.name == "nt", reason="Windows sends no such signals")
@pytest.mark.parametrize("where", ["heard", "unheard"])
@pytest.mark.parametrize("name", SIGNALS)
def test_signal_ends_a_command_with_its_own_status(name, where):
    number = getattr(signal, name)
    with subprocess.Popen(
        [sys.executable, "-c", WAITING, where, "solve", "problem.toml"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell that starts work in the background has children ignore the signal.
        preexec_fn=lambda: [signal.signal(x, signal.SIG_DFL) for x in (signal.SIGINT, number)],
    ) as process:
        assert process.stderr.readline() == "ready\n"
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (128 + number, "")
    assert err.startswith("seqaudit: interrupted")
    assert len(err.splitlines()) == 1


def test_interruption_that_compiled_code_cannot_pass_on_is_made_again():
    code = """
import ctypes, signal, time
from seqaudit.benchmarks.cli.interruption import heed_signals

heed_signals()
called_back = ctypes.CFUNCTYPE(None)(lambda: signal.raise_signal(signal.SIGTERM))
try:
    called_back()
    time.sleep(60)
except KeyboardInterrupt:
    print("heard")


class HalfDone:
    def __del__(self):
        raise ValueError("not closed")


HalfDone()
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=50)
    assert (run.stdout, run.stderr, run.returncode) == ("heard\n", "", 0)


def test_signal_that_was_ignored_from_the_start_stays_ignored():
    code = "import signal, sys; from seqaudit.benchmarks.cli.interruption import heed_signals; heed_signals(); "
    code += "signal.raise_signal(signal.SIGTERM); print('there')"
    ignored = "import signal, runpy, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    assert python("-c", ignored + code).stdout == b"there\n"


def test_signal_to_a_command_that_is_done_changes_nothing():
    code = """
import signal
from seqaudit.benchmarks.cli.interruption import heed_signals, no_longer_interrupt

heed_signals()
no_longer_interrupt()
signal.raise_signal(signal.SIGTERM)
print("done")
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=50)
    assert (run.stdout, run.stderr, run.returncode) == ("done\n", "", 0)


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (MemoryError(), "seqaudit: out of memory; take a smaller problem"),
        (MemoryError("Unable to allocate 7 GiB"), "seqaudit: out of memory (Unable to allocate 7 GiB); take"),
    ],
)
def test_lack_of_memory_is_one_line(error, shown, monkeypatch, capsys):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(solve_command, "solve_problem", fail)
    with pytest.raises(SystemExit, match="2"):
        cli.main(["solve", "problem.toml"])
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(shown)


@pytest.mark.parametrize("command", [("speed", "--threads"), ("survey", "--jobs")])
def test_a_million_workers_are_refused_at_once(command, capsys):
    with pytest.raises(SystemExit, match="2"):
        cli.main([*command, "1000000"])
    (line,) = capsys.readouterr().err.splitlines()
    assert "1000000; it must be a" in line
    assert "from 1 to 1024" in line


@pytest.fixture
def unwritable(folder):
    """Copy of the package in which no kernel can be cached, whoever runs it."""
    copy = folder / "path" / "seqaudit"
    for floor in ("posteriors", "dp", "bandits", "benchmarks"):
        shutil.copytree(PACKAGE / floor, copy / floor, ignore=shutil.ignore_patterns("__pycache__"))
        (copy / floor / "kernels").mkdir(exist_ok=True)
        (copy / floor / "kernels" / "__pycache__").touch()
    for name in ("__init__.py", "__main__.py"):
        shutil.copy(PACKAGE / name, copy)
    # No folder can be made in a home that is a file.
    (folder / "home").touch()
    home = str(folder / "home")
    paths = [str(copy.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    variables = dict.fromkeys(("NUMBA_CACHE_DIR", "PYTHONDONTWRITEBYTECODE"), "")
    variables |= {"HOME": home, "XDG_CACHE_HOME": home, "LOCALAPPDATA": home, "PYTHONPATH": os.pathsep.join(paths)}
    return variables | {"TMPDIR": str(folder / "temporary"), "MPLCONFIGDIR": str(folder)}


SMALL = "import seqaudit as sa; print(sa.threshold(1.0, 0.5).round(4), sa.Beta(1, 1).tables(1, 0.5).tail[1])"
IMPORT = "import seqaudit as sa; sa.Beta"


def test_compiled_code_goes_where_it_can_be_written(unwritable, folder):
    (folder / "temporary").mkdir()
    first = python("-P", "-c", SMALL, **unwritable)
    assert first.stdout == b"0.6225 [0.25 0.75]\n", first.stderr
    (note,) = first.stderr.decode().splitlines()
    (place,) = (folder / "temporary").iterdir()
    assert note.startswith(f"note: compiled code is kept in {place}: ")
    assert any(place.rglob("*.nbi"))
    assert os.name == "nt" or place.stat().st_mode & 0o077 == 0
    # A folder that others can write to could hold their code.
    if os.name == "posix":
        place.chmod(0o777)
        again = python("-P", "-c", IMPORT, **unwritable).stderr.decode()
        assert again.startswith("note: compiled code is kept in ")
        assert str(place) + ":" not in again
        assert list((folder / "temporary").iterdir()) == [place]
    chosen = python("-P", "-c", IMPORT, **(unwritable | {"NUMBA_CACHE_DIR": str(folder / "chosen")}))
    assert (chosen.returncode, chosen.stderr) == (0, b"")


def test_compiled_code_is_not_kept_where_nothing_can_be_written(unwritable):
    code = "import tempfile; tempfile.gettempdir = lambda: '/dev/null'; "
    done = python("-P", "-c", code + SMALL, **unwritable)
    assert done.stdout == b"0.6225 [0.25 0.75]\n", done.stderr
    assert done.stderr.startswith(b"note: compiled code is not kept: ")
    assert len(done.stderr.splitlines()) == 1


PLAIN = """
thresholds = [0.5, 0.62, 0.7, 0.8]
for items in (1, 2, 3, 4):
    for name, more in {"dense": {"reduce": False}, "reduced": {}, "kept": {"keep_policy": True}}.items():
        found[f"{name} {items}"] = sa.solve(sa.Problem(thresholds[:items], 3), **more).value
problem = sa.Problem(thresholds[:2], 4)
found["single"] = sa.solve(sa.Problem(thresholds[:3], 4), reduce=False, dtype="float32").value
found["identical"] = sa.solve(sa.Problem([0.5] * 3, 4)).value
found["cost"] = sa.solve(sa.Problem(thresholds[:3], 4, cost=[1, 2, 1], reward=0.25)).value
found["batch"] = sa.solve(sa.Problem(thresholds[:2], 4, batch=2)).value
found["evaluate"] = sa.evaluate(problem, sa.KnowledgeGradient()).value
found["bound"] = sa.upper_bound(problem).value
found["certify"] = sa.certify(problem, "thompson", replications=3, exact=False).lower
found["allocate"] = sa.allocate(problem).value
found["structure"] = sa.structure(problem).greedy_value
found["compare"] = list(sa.compare(problem, ["kg", "whittle", "lookahead"])["value"])
found["simulate"] = sa.simulate(problem, "top-two", replications=4, seed=1).mean
found["gittins"] = sa.gittins_bernoulli(1, 1, discount=0.9, plays=5)
found["beliefs"] = [x.tables(2, 0.5).tail[2, 1] for x in (sa.NoisyBeta(1, 1, flip=0.1), sa.Grid((0.2, 0.8), (1, 1)))]
"""


def test_small_problems_have_the_same_answers_without_compilation():
    expected: dict = {}
    exec(PLAIN, {"sa": sa, "found": expected})
    code = f"import json, sys, seqaudit as sa\nfound = {{}}{PLAIN}json.dump(found, sys.stdout)"
    plain = python("-c", code, NUMBA_DISABLE_JIT="1")
    assert (plain.returncode, plain.stderr) == (0, b"")
    for name, value in json.loads(plain.stdout).items():
        assert value == pytest.approx(expected[name], rel=1e-6 if name == "single" else 1e-12), name
