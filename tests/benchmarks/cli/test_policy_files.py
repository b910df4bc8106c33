"""Policies from Python files on the command line: run in worker processes, recorded by digest, refused in one line."""

from __future__ import annotations

import hashlib
import json
import pickle
import sys
from pathlib import Path

import pytest
from oracles.command_line import caller

import seqaudit as sa
from seqaudit.bandits import policy_imports
from seqaudit.bandits.policy_file import file_records, policy_from_file

MINE = '''
from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import seqaudit as sa


@lru_cache
def sign():
    return -1.0


@dataclass(frozen=True)
class Mine(sa.IndexPolicy):
    """Fewest labels first, `x` times over."""

    x: float = 1.0
    name: ClassVar[str] = "mine"

    def __post_init__(self):
        super().__post_init__()
        if self.x <= 0:
            raise ValueError("x must be positive")

    def index(self, states):
        if self.x == 13:
            raise KeyError("unlucky")
        return sign() * self.x * states.labels


class Unfinished(sa.IndexPolicy):
    name = "unfinished"


class Nameless(Mine):
    name = "has spaces"


class Taken(Mine):
    name = "kg"


mine = sa.EpsilonAudit(base=Mine())
other = 7
'''
PROBLEM = "budget = 3\nthreshold = [0.5, 0.6]\n"
VOTES = "item,rater,label\n" + "".join(f"{item},{rater},{rater % 2}\n" for item in "ab" for rater in range(4))


def line_of(text: str) -> int:
    return next(k for k, line in enumerate(MINE.splitlines(), 1) if text in line)


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    call = caller(tmp_path, monkeypatch, capsys, problem=PROBLEM)
    Path("mine.py").write_text(MINE)
    Path("votes.csv").write_text(VOTES)
    return call


def test_a_policy_of_a_file_earns_what_the_same_policy_of_the_package_does(run):
    words = ["-p", "mine.py:Mine", "-p", "mine.py:Mine(x=2)", "-p", "mine.py:mine", "-p", "round-robin"]
    rows = run("compare", "problem.toml", *words, "--json").json["rows"]
    value = {row["policy"]: row["value"] for row in rows}
    assert value["mine"] == value["mine(x=2)"] == value["round-robin"]
    assert value["epsilon-audit(base=mine)"] < value["mine"]


def test_what_a_policy_prints_does_not_reach_the_json(run):
    Path("mine.py").write_text(
        MINE.replace("        if self.x == 13:", "        print('here')\n        if self.x == 13:")
    )
    with Path("mine.py").open("a") as file:
        file.write("print('read')\n")
    asked = [run(*x.split(), "-p", "mine.py:Mine", "--json") for x in ("compare problem.toml", COMMANDS["replay"])]
    assert all(x.json and "here" in x.err for x in asked)
    # The file is read once.
    assert "read" in asked[0].err
    assert "here" in run("certify", "problem.toml", "-p", "mine.py:Mine", "--no-exact").out


def test_worker_processes_run_a_policy_of_a_file(run):
    words = ["-p", "mine.py:Mine", "-p", "mine.py:mine", "-p", "round-robin"]
    alone, shared = (
        run("replay", "votes.csv", "--budget", 3, *words, "--jobs", jobs, "--json").json["rows"] for jobs in (1, 2)
    )
    measured = [[{k: v for k, v in row.items() if k != "seconds"} for row in rows] for rows in (alone, shared)]
    assert measured[0] == measured[1]


COMMANDS = {
    "compare": "compare problem.toml",
    "curve": "curve problem.toml --points 1 --jobs 1",
    "replay": "replay votes.csv --budget 2 --jobs 1",
    "stress": "stress scenarios.toml --jobs 1",
    "statics": "statics problem.toml --vary noise --values 0.1 --no-exact --jobs 1",
}
SCENARIOS = PROBLEM.replace("budget", "[problem]\nbudget") + (
    '[[scenario]]\nname = "biased"\nkind = "exact"\nmodel = "flipped"\nvalues = [0.1]\n'
)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_run_records_the_file_of_a_policy_and_is_not_resumed_with_another(command, run):
    Path("scenarios.toml").write_text(SCENARIOS)
    words = [*COMMANDS[command].split(), "-p", "mine.py:Mine", "--out", "run"]
    assert run(*words).status == 0
    digest = hashlib.sha256(MINE.encode()).hexdigest()
    recorded = json.loads(Path("run/run.json").read_text())["inputs"]
    assert recorded["policy_files"] == [{"file": "mine.py", "sha256": digest}]
    assert run(*words).status == 0
    Path("copy.py").write_text(MINE)
    assert run(*("copy.py:Mine" if x == "mine.py:Mine" else x for x in words)).status == 0
    Path("mine.py").write_text(f"{MINE}\n")
    assert run(*words).faults()[0].startswith("run holds another run: policy_files entry 1 sha256 was ")


def test_a_run_is_not_resumed_with_another_module_beside_the_file_of_its_policy(run, monkeypatch):
    name = "module_beside_a_policy"
    monkeypatch.syspath_prepend(Path.cwd())
    text = MINE.replace("import sys\n", f"import {name}\n").replace("return -1.0", f"return {name}.SIGN")
    Path("mine.py").write_text(text)
    words = ["compare", "problem.toml", "-p", "mine.py:Mine", "--out", "run"]
    for sign, status in (("-1.0", 0), ("-1.0", 0), ("1.00", 2)):
        Path(f"{name}.py").write_text(f"SIGN = {sign}\n")
        # Another process would read it afresh.
        for module in (name, *(x for x in sys.modules if x.startswith("file:"))):
            sys.modules.pop(module, None)
        policy_imports._seen.clear()
        found = run(*words)
        assert found.status == status
    assert found.faults()[0].startswith("run holds another run: policy_files entry 1 imports entry 1 sha256 was ")
    recorded = json.loads(Path("run/run.json").read_text())["inputs"]["policy_files"][0]
    digest = hashlib.sha256(b"SIGN = -1.0\n").hexdigest()
    assert recorded["imports"] == [{"file": f"{name}.py", "sha256": digest}]


LAZY = """
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import seqaudit as sa


class Lazy{of}(sa.IndexPolicy):
    name = "lazy-{of}"

    def index(self, states):
        import {module}

        return {module}.SIGN * states.labels + 0.0
"""


def lazy(folder, module, sign="-1.0", of="one"):
    """Policy file in a folder that imports a module when the policy is asked, and that module."""
    Path(folder).mkdir(exist_ok=True)
    Path(folder, "lazy.py").write_text(LAZY.replace("{of}", of).replace("{module}", module))
    Path(folder, f"{module}.py").write_text(f"SIGN = {sign}\n")
    return f"{folder}/lazy.py:Lazy{of}"


@pytest.fixture
def own_path():
    before = list(sys.path)
    yield
    sys.path[:] = before


@pytest.mark.parametrize("linked", ["nothing", "file", "module"])
def test_modules_that_methods_import_and_links_are_recorded(linked, run, own_path):
    module = f"late_beside_{linked}"
    name = lazy("one", module)
    if linked != "nothing":
        part = {"file": "lazy.py", "module": f"{module}.py"}[linked]
        Path("far").mkdir()
        Path("one", part).rename(Path("far", part))
        Path("one", part).symlink_to(Path("far", part).absolute())
    assert run("compare", "problem.toml", "-p", name, "--out", "run").status == 0
    recorded = json.loads(Path("run/run.json").read_text())["inputs"]["policy_files"][0]
    digest = hashlib.sha256(b"SIGN = -1.0\n").hexdigest()
    assert recorded["imports"] == [{"file": f"{module}.py", "sha256": digest}]


def test_a_file_does_not_get_the_module_of_another_one(run, own_path):
    first, second = (lazy(folder, "common_beside", sign, folder) for folder, sign in (("one", "-1.0"), ("two", "1.00")))
    told = run("compare", "problem.toml", "-p", first, "-p", second).assert_refused()
    assert told.startswith("two/lazy.py: imports common_beside, a name that ")
    assert told.endswith("common_beside.py' has for another file of policies; give one of the two another name")


VIA_PATH = """
import importlib
import os
import sys

sys.path.{how}os.path.join(os.path.dirname(os.path.realpath(__file__)), "lib"))
import seqaudit as sa

{statement}


class Mine(sa.IndexPolicy):
    name = "mine-{folder}"

    def index(self, states):
        return SIGN * (states.item + 1.0 + 0 * states.labels)
"""


@pytest.mark.parametrize("how", ["insert(0, ", "append("])
@pytest.mark.parametrize("statement", ["from {module} import SIGN", "SIGN = importlib.import_module('{module}').SIGN"])
def test_a_file_does_not_get_a_module_that_another_one_put_on_the_path(how, statement, run, own_path):
    module = f"on_path_{len(how)}_{len(statement)}"
    for folder, sign in (("one", 1.0), ("two", -1.0)):
        Path(folder, "lib").mkdir(parents=True)
        Path(folder, "lib", f"{module}.py").write_text(f"SIGN = {sign}\n")
        text = VIA_PATH.replace("{how}", how).replace("{statement}", statement.replace("{module}", module))
        Path(folder, "mine.py").write_text(text.replace("{folder}", folder))
    told = run("compare", "problem.toml", "-p", "one/mine.py:Mine", "-p", "two/mine.py:Mine").assert_refused()
    assert told.startswith(f"two/mine.py: imports {module}, a name that ")
    for name in [name for name in sys.modules if name == module or name.startswith("file:")]:
        del sys.modules[name]
    policy_imports._claimed.clear()
    assert run("compare", "problem.toml", "-p", "one/mine.py:Mine", "--out", "run").status == 0
    recorded = json.loads(Path("run/run.json").read_text())["inputs"]["policy_files"][0]
    assert [x["file"] for x in recorded["imports"]] == [f"lib/{module}.py"]


@pytest.mark.parametrize("statement", ["from . import late", "from .late import SIGN", "from ..late import SIGN"])
def test_modules_that_packages_import_from_themselves_are_recorded(statement, run, own_path):
    package = Path("one", f"relative_{len(statement)}")
    inner = package / "inner" if ".." in statement else package
    name = lazy("one", "unused_beside")
    inner.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "late.py").write_text("SIGN = 1.0\n")
    (inner / "__init__.py").write_text(f"SIGN = 1.0\ndef sign():\n    {statement}\n")
    dotted = ".".join(inner.relative_to("one").parts)
    Path("one", "lazy.py").write_text(LAZY.replace("{of}", "one").replace("{module}", dotted))
    assert run("compare", "problem.toml", "-p", name, "--out", "run").status == 0
    recorded = json.loads(Path("run/run.json").read_text())["inputs"]["policy_files"][0]
    assert f"{package.name}/late.py" in [x["file"] for x in recorded["imports"]]


def test_libraries_below_the_folder_of_a_file_are_not_its_modules():
    above = Path(json.__file__).resolve().parents[2] / "mine.py"
    assert policy_imports.imports_of(str(above), b"import json, numpy, seqaudit", []) == []


def test_an_object_of_a_class_from_elsewhere_has_no_registered_name_either(run, own_path):
    Path("elsewhere_beside.py").write_text(
        "import seqaudit as sa\nclass Far(sa.IndexPolicy):\n    name = 'kg'\n    def index(self, states):\n"
        "        return -states.labels + 0.0\n"
    )
    Path("object.py").write_text(
        "import os, sys\nsys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))\n"
        "from elsewhere_beside import Far\nfar = Far()\n"
    )
    told = run("compare", "problem.toml", "-p", "object.py:far").assert_refused()
    assert told == "object.py: the name of Far is 'kg', which is that of a registered policy; give it another one"


def test_json_of_a_command_after_one_that_was_refused_is_printed(run):
    refused = run("compare", "problem.toml", "-p", "mine.py:Other", "--json")
    assert (refused.status, refused.out) == (2, "")
    assert run("compare", "problem.toml", "-p", "kg", "--json").json["rows"]


REFUSED = {
    "mine.py:Mine(x=-1)": f"mine.py, line {line_of('raise ValueError')}: policy mine: x must be positive",
    "mine.py:Mine(y=1)": "setting 'y' is not known; allowed: x, ties",
    "mine.py:mine(x=1)": "mine.py: a policy that is already constructed takes no settings '(x=1)'",
    "mine.py:other": "'other' is not a policy class or a policy; the file offers: Mine, ",
    "mine.py:IndexPolicy": "'IndexPolicy' is not a policy class or a policy; the file offers: ",
    "mine.py:None": "'None' is not a policy class or a policy; ",
    "mine.py": "mine.py: no class or policy is named; the file offers: ",
    "mine.py:": "mine.py: no class or policy is named; the file offers: ",
    "mine.py:Unfinished": "Can't instantiate abstract class Unfinished",
    "mine.py:Nameless": "mine.py: the name of Nameless is 'has spaces'; allowed: ",
    "mine.py:Taken": "mine.py: the name of Taken is 'kg', which is that of a registered policy; ",
    "none.py:Mine": "none.py: No such file or directory",
    "folder.py:Mine": "folder.py: this is a directory; ",
}


@pytest.mark.parametrize("written", REFUSED)
def test_a_policy_that_a_file_does_not_give_is_refused_in_one_line(written, run):
    Path("folder.py").mkdir()
    faults = run("certify", "problem.toml", "-p", written).faults()
    assert len(faults) == 1
    assert REFUSED[written] in faults[0]


BROKEN = {
    "import sys\nsys.exit(0)\n": "broken.py, line 2: called sys.exit(0)",
    "x = 1\nx = {}['a']\n": "broken.py, line 2: KeyError: 'a'",
    "x = 1\n\nx = = 2\n": "broken.py, line 3: invalid syntax",
    "import no_such_module_anywhere\n": "broken.py, line 1: ModuleNotFoundError: No module named 'no_such_module_any",
    "raise ValueError('a\\x1b[31m\\nb')\n": "broken.py, line 1: a\\x1b[31m",
    "x = '\0'\n": "broken.py",
    "x = 'ä'\n".encode("latin-1"): "broken.py",
}


@pytest.mark.parametrize("text", BROKEN)
def test_a_file_that_cannot_be_run_is_refused_in_one_line_with_its_line(text, run):
    Path("broken.py").write_bytes(text if isinstance(text, bytes) else text.encode())
    faults = run("certify", "problem.toml", "-p", "broken.py:Mine").faults()
    assert len(faults) == 1
    assert faults[0].startswith(BROKEN[text])


def test_an_error_of_a_policy_at_work_is_one_line_with_its_file_and_line(run):
    found = run("certify", "problem.toml", "-p", "mine.py:Mine(x=13)")
    assert found.status == 2
    told = [line for line in found.err.splitlines() if line.startswith("seqaudit: ")]
    line = line_of("raise KeyError")
    assert told == [
        f"seqaudit: policy file:mine.py:Mine.index (mine.py, line {line}) raised KeyError: 'unlucky'; "
        "--debug shows the traceback"
    ]


def test_a_name_in_a_scenario_file_runs_no_file(run):
    text = "from pathlib import Path\nPath('was_run').touch()\n" + MINE
    Path("mine.py").write_text(text)
    Path("scenarios.toml").write_text(f'policies = ["mine.py:Mine"]\n{SCENARIOS}')
    assert "policy 'mine.py:Mine' is not known" in run("stress", "scenarios.toml").faults()[0]
    assert not Path("was_run").exists()


def test_a_pickled_policy_is_that_of_the_text_that_was_read(run):
    policy = policy_from_file("mine.py:Mine(x=3)")
    pickled = pickle.dumps(policy)
    Path("mine.py").write_text("")
    assert pickle.loads(pickled) == policy
    assert sa.make_policy(policy) is policy
    assert file_records([policy, "kg", policy]) == [
        {"file": "mine.py", "sha256": hashlib.sha256(MINE.encode()).hexdigest()}
    ]


def test_long_texts_that_name_no_file_are_told_at_once():
    # A search that tried every part of the text at every length would not end.
    for text in (" " * 10**6, ".py " * 10**5 + "(", "a.py:" + " " * 10**6 + "1"):
        assert policy_from_file(text) is None


@pytest.mark.parametrize("file", ["a (1).py", "dir (2)/mine.py", "x.py.d/y (x=1).py", "(.py"])
def test_a_path_may_have_brackets(run, file):
    Path(file).parent.mkdir(exist_ok=True)
    Path(file).write_text(MINE)
    for text, title in ((f"{file}:Mine", "mine"), (f"{file}:Mine(x=2)", "mine(x=2)")):
        rows = run("compare", "problem.toml", "-p", text, "--json").json["rows"]
        assert title in [row["policy"] for row in rows]


def test_a_policy_with_the_name_of_another_row_is_refused(run):
    Path("mine.py").write_text(MINE.replace('"mine"', '"optimum"'))
    for command in ("compare", "curve"):
        told = run(*COMMANDS[command].split(), "-p", "mine.py:Mine").assert_refused()
        assert told.startswith("policy 'optimum' has the name of another row of the tables")


@pytest.mark.parametrize("raised", ["GeneratorExit('x')", "StopIteration", "StopAsyncIteration"])
def test_what_ends_a_generator_is_a_fault_of_a_policy(run, raised):
    Path("mine.py").write_text(MINE.replace("        if self.x == 13:", f"        raise {raised}\n        if True:"))
    asked = run("compare", "problem.toml", "-p", "mine.py:Mine")
    assert asked.status == 2
    told = [line for line in asked.err.splitlines() if line.startswith("seqaudit: ")]
    assert len(told) == 1
    assert "Mine.index (mine.py, line 30) raised" in told[0]
    assert raised.partition("(")[0] in told[0]


ANYHOW = """
import importlib
import os
import sys
from importlib import import_module as im

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import seqaudit as sa

get = importlib.import_module
NAME = "{module}"


def sign():
    {statement}
    return SIGN

{early}

class Mine{folder}(sa.IndexPolicy):
    name = "mine-{folder}"

    def index(self, states):
        return sign() * states.labels + 0.0 * states.item
"""
WAYS = {
    "folder": "from {module}.sub import SIGN",
    "sub": "from {module} import sub; SIGN = sub.SIGN",
    "alias": "SIGN = im('{module}.sub').SIGN",
    "assigned": "SIGN = get('{module}.sub').SIGN",
    "annotated": "load: object = importlib.import_module; SIGN = load('{module}.sub').SIGN",
    "walrus": "SIGN = (load := im)('{module}.sub').SIGN; SIGN = load('{module}.sub').SIGN",
    "keyword": "SIGN = importlib.import_module(name='{module}.sub').SIGN",
    "sum": "SIGN = importlib.import_module('{module}' + '.sub').SIGN",
    "constant": "SIGN = importlib.import_module(NAME + '.sub').SIGN",
    "formatted": "SIGN = __import__(f'{NAME}.sub', fromlist=['SIGN']).SIGN",
    "relative": "SIGN = importlib.import_module('.sub', NAME).SIGN",
}


def anyhow(folder, module, statement, sign, when):
    """Policy file in a folder that imports, one way or another, a module from a folder without __init__.py."""
    Path(folder, module).mkdir(parents=True)
    Path(folder, module, "sub.py").write_text(f"SIGN = {sign}\n")
    text = ANYHOW.replace("{statement}", statement).replace("{module}", module).replace("{folder}", folder)
    Path(folder, "mine.py").write_text(text.replace("{early}", "sign()" if when == "early" else ""))
    return f"{folder}/mine.py:Mine{folder}"


@pytest.mark.parametrize("when", ["early", "late"])
@pytest.mark.parametrize("way", WAYS)
def test_modules_are_recorded_and_told_apart_whatever_way_they_are_imported(way, when, run, own_path):
    module = f"way_{way}_{when}"
    one, two = (anyhow(x, module, WAYS[way], sign, when) for x, sign in (("one", 1.0), ("two", -1.0)))
    assert run("compare", "problem.toml", "-p", one, "--out", "run").status == 0
    recorded = json.loads(Path("run/run.json").read_text())["inputs"]["policy_files"][0]
    assert [x["file"] for x in recorded["imports"]] == [f"{module}/sub.py"]
    told = run("compare", "problem.toml", "-p", one, "-p", two).assert_refused()
    assert told.startswith(f"two/mine.py: imports {module}.sub, a name that ")


def test_a_file_that_computes_names_does_not_get_the_module_of_another_one(run, own_path):
    statement = "SIGN = [importlib.import_module(name).SIGN for name in ['{module}.sub']][0]"
    one, two = (anyhow(x, "way_computed", statement, sign, "early") for x, sign in (("one", 1.0), ("two", -1.0)))
    assert run("compare", "problem.toml", "-p", one).status == 0
    told = run("compare", "problem.toml", "-p", one, "-p", two).assert_refused()
    assert told.startswith("two/mine.py: imports modules by computed names, and way_computed.sub is one that ")


@pytest.mark.parametrize("name", ["random", "joblib", "colorsys", "statistics", "h5netcdf"])
def test_no_module_beside_a_policy_has_the_name_of_a_library(name, run, own_path):
    policy = lazy("one", name)
    told = run("compare", "problem.toml", "-p", policy).assert_refused()
    assert told == f"one/lazy.py: imports {name}, a name that a library has; give '{name}.py' another name"


BESIDE = """
import importlib
import sys
{first}
import seqaudit as sa
import time, math


class Beside(sa.IndexPolicy):
    name = "beside"

    def index(self, states):
        {late}
        return states.tail + 0.0 * math.pi
"""


@pytest.mark.parametrize("first", ["", "sys.path.append(None)", "sys.path.append(b'sub')", "sys.modules[3] = sys"])
@pytest.mark.parametrize(
    "late", ["", "importlib.import_module(str(1)) if 0 else 0", "importlib.import_module('y' * 300) if 0 else 0"]
)
def test_what_python_passes_over_is_passed_over(first, late, run, own_path):
    before = dict(sys.modules)
    for name in ("time", "math", "random", "calendar", "typer"):
        Path(f"{name}.py").write_text("raise RuntimeError")
    Path("beside.py").write_text(
        BESIDE.replace("{first}", first).replace("{late}", late.replace("'y' * 300", repr("y" * 300)))
    )
    try:
        assert run("certify", "problem.toml", "-p", "beside.py:Beside").status == 0
    finally:
        for name in sys.modules.keys() - before.keys():
            if not isinstance(name, str):
                del sys.modules[name]


@pytest.mark.parametrize("order", [1, -1])
def test_a_file_that_another_one_imports_does_not_import_itself(order, run, own_path):
    one, two = (f"{x}_of_two{'_again' if order < 0 else ''}" for x in ("one", "two"))
    for name, text in {one: f"from {two} import Two\n", two: ""}.items():
        cls = name.partition("_")[0].capitalize()
        head = "import os, sys\nsys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))\nimport seqaudit as sa\n"
        body = f"class {cls}(sa.IndexPolicy):\n    name = '{cls.lower()}'\n    def index(self, s): return s.tail\n"
        Path(f"{name}.py").write_text(head + text + body)
    words = [f"{one}.py:One", f"{two}.py:Two"][::order]
    assert run("compare", "problem.toml", "-p", words[0], "-p", words[1], "--out", "run").status == 0
    recorded = json.loads(Path("run/run.json").read_text())["inputs"]["policy_files"]
    found = {x["file"]: [y["file"] for y in x.get("imports", [])] for x in recorded}
    assert found == {f"{one}.py": [f"{two}.py"], f"{two}.py": []}
