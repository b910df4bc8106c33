"""Commands with packages that register policies, beliefs and utilities which fail: one line that names the package."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest
from joblib.externals.loky import get_reusable_executor
from oracles.command_line import caller

from seqaudit.bandits.registry import POLICIES
from seqaudit.posteriors.beliefs.registry import BELIEFS
from seqaudit.posteriors.utilities import UTILITIES

MODULE = """
import sys
from dataclasses import dataclass
import seqaudit as sa


@dataclass(frozen=True)
class Raises(sa.IndexPolicy):
    name = "raises"

    def index(self, states):
        raise KeyError("first\\nsecond")


@dataclass(frozen=True)
class Exits(sa.IndexPolicy):
    name = "exits"

    def index(self, states):
        sys.exit(0)


@dataclass(frozen=True)
class Writes(sa.JointPolicy):
    name = "writes"

    def action_probabilities(self, problem, counts, wins, usable):
        usable[:] = True
        return usable * 1.0


@dataclass(frozen=True)
class Wrong(sa.JointPolicy):
    name = "wrong"

    def action_probabilities(self, problem, counts, wins, usable):
        return counts - 1.0


@dataclass(frozen=True)
class Unmade(sa.AuditIndex):
    name = "unmade"

    def __post_init__(self):
        raise ZeroDivisionError("while it is made")


@dataclass(frozen=True)
class Unfit(sa.AuditIndex):
    name = "unfit"

    def require(self, problem):
        raise RuntimeError("not for this one")


class Odd(Exception):
    def __init__(self, one, other):
        super().__init__(f"{one}{other}")


@dataclass(frozen=True)
class Rare(sa.AuditIndex):
    name = "rare"

    def index(self, states):
        raise Odd("a", "b")


@dataclass(frozen=True)
class Late(sa.Utility):
    name = "late"

    def __call__(self, p):
        if p.shape != (2, 53):
            raise OSError("too late")
        return p * 1.0


class Empty(sa.Beta):
    kind = "empty"

    def tables(self, n_max, threshold):
        raise NotImplementedError
"""
POINTS = """
[seqaudit.policies]
raises = plugged_in_module:Raises
exits = plugged_in_module:Exits
writes = plugged_in_module:Writes
wrong = plugged_in_module:Wrong
unmade = plugged_in_module:Unmade
unfit = plugged_in_module:Unfit
rare = plugged_in_module:Rare
[seqaudit.utilities]
late = plugged_in_module:Late
[seqaudit.beliefs]
empty = plugged_in_module:Empty
"""
BROKEN = """
[seqaudit.policies]
gone = no_such_module_anywhere:Gone
stops = plugged_in_stop:Stops
"""
VOTES = "item,rater,label\n" + "".join(f"{item},{rater},{rater % 2}\n" for item in "ab" for rater in range(4))
PROBLEM = "budget = 3\nthreshold = [0.5, 0.6]\n"


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run a command in a folder with problems and votes, where packages that fail are installed."""

    def install(points: str):
        for name, text in (("plugged_in_module", MODULE), ("plugged_in_stop", "import sys\nsys.exit(0)\n")):
            (tmp_path / f"{name}.py").write_text(text)
        info = tmp_path / "plugged_in-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plugged-in\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(points)
        monkeypatch.syspath_prepend(tmp_path)
        # Worker processes look there too, if they begin after this.
        get_reusable_executor().shutdown(wait=True)
        monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
        importlib.invalidate_caches()
        forget()
        Path("votes.csv").write_text(VOTES)
        return call

    call = caller(
        tmp_path,
        monkeypatch,
        capsys,
        problem=PROBLEM,
        utility=PROBLEM + 'utility = "late"\n',
        belief=PROBLEM + 'prior = {kind = "empty", a = 1, b = 1}\n',
    )
    yield install
    monkeypatch.undo()
    sys.modules.pop("plugged_in_module", None)
    forget()


def forget() -> None:
    for registry in (POLICIES, BELIEFS, UTILITIES):
        registry.forget()


# Command, what the line says of the object and of the error, and the statement that failed.
CASES = {
    "raises": (
        "certify problem.toml -p raises",
        "policy {m}:Raises.index",
        "raised KeyError: 'first",
        "raise Key",
    ),
    "exits": ("certify problem.toml -p exits", "policy {m}:Exits.index", "called sys.exit(0)", "sys.exit(0)"),
    "writes": ("certify problem.toml -p writes", "policy {m}:Writes.action_probabilities", "read-only", "usable[:]"),
    "unmade": (
        "certify problem.toml -p unmade",
        "policy {m}:Unmade",
        "while it is made",
        "raise Zero",
    ),
    "unfit": ("certify problem.toml -p unfit", "{m}:Unfit.require", "RuntimeError: not for this one", "raise Runtime"),
    "compare": ("compare problem.toml -p exits", "policy {m}:Exits.index", "called sys.exit(0)", "sys.exit(0)"),
    "workers": ("replay votes.csv --budget 2 -p rare -p kg --jobs 2", "policy {m}:Rare.index", "Odd: ab", "raise Odd"),
    "utility": ("solve utility.toml", "utility {m}:Late", "raised OSError: too late", "raise OSError"),
    "belief": ("solve belief.toml", "belief {m}:Empty.tables", "raised NotImplementedError: ", "raise NotImpl"),
}


def line_of(statement: str) -> int:
    """Number of the line of the module that begins with a statement."""
    return next(k for k, line in enumerate(MODULE.splitlines(), 1) if line.lstrip().startswith(statement))


@pytest.mark.parametrize("case", CASES)
def test_an_error_of_a_plug_in_is_one_line_that_names_it_and_its_line(case, run):
    command, source, says, statement = CASES[case]
    found = run(POINTS)(*command.split())
    assert found.status == 2
    told = [text for text in found.err.splitlines() if text.startswith("seqaudit: ")]
    assert told == [found.err.splitlines()[-1]]
    assert told[0].startswith(f"seqaudit: {source.format(m='plugged_in_module')} (")
    assert f"plugged_in_module.py, line {line_of(statement)}) " in told[0]
    assert says in told[0]
    assert told[0].endswith("; --debug shows the traceback")
    assert "Traceback" not in found.err


@pytest.mark.parametrize("place", [0, 2, 4])
def test_debug_shows_the_traceback(place, run):
    words = ["compare", "problem.toml", "-p", "raises"]
    found = run(POINTS)(*words[:place], "--debug", *words[place:])
    assert found.status == 2
    assert f'plugged_in_module.py", line {line_of("raise Key")}, in index' in found.err
    assert found.err.splitlines()[-1].startswith("seqaudit: policy plugged_in_module:Raises.index")


def test_what_a_plug_in_returns_is_refused_by_its_name(run):
    found = run(POINTS)("certify", "problem.toml", "-p", "wrong")
    assert found.status == 2
    assert found.err.splitlines()[-1].startswith("seqaudit: wrong: after labels [0, 0] with wins [0, 0] the prob")


def test_a_plug_in_that_nobody_asked_for_is_left_out_where_it_fails_before_the_work(run):
    points = "[seqaudit.policies]\nunmade = plugged_in_module:Unmade\nunfit = plugged_in_module:Unfit\n"
    found = run(points)("compare", "problem.toml", "--json")
    assert found.status == 0
    assert {"unmade", "unfit"}.isdisjoint(row["policy"] for row in found.json["rows"])
    told = " ".join(found.json["remarks"])
    assert "unmade left out: policy plugged_in_module:Unmade" in told
    assert "unfit left out: " in told
    assert "raised RuntimeError: not for this one" in told


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("command", ["solve problem.toml", "certify problem.toml -p kg"])
def test_a_package_that_cannot_be_imported_is_one_note_and_commands_work(command, run):
    found = run(BROKEN)(*command.split())
    assert found.status == 0
    notes = [line for line in found.err.splitlines() if "left out" in line]
    assert len(notes) == (0 if command.startswith("solve") else 2)
    for note, name in zip(notes, ("gone", "stops"), strict=False):
        assert note.startswith(f"note: policy {name} = ")
        assert " cannot be imported: " in note


@pytest.mark.filterwarnings("default")
def test_a_package_that_cannot_be_imported_is_refused_where_it_is_asked_for(run):
    found = run(BROKEN)("certify", "problem.toml", "-p", "stops")
    assert found.status == 2
    assert found.err.splitlines()[-1] == (
        "seqaudit: policy stops cannot be used: its entry point cannot be imported: SystemExit: 0"
    )
