"""``seqaudit run``, ``status`` and ``report``."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from oracles.command_line import caller
from oracles.stores import forget_part, part_names

import seqaudit as sa
from seqaudit.benchmarks.cli.commands import studies
from seqaudit.benchmarks.runner.lock import alone_in

STUDY = """
replications = 6
checkpoints = 2
policies = ["kg", "round-robin", "uniform"]
metrics = ["decision-accuracy", "decisive-mass(eps=0.1)"]
[[problem]]
name = "one"
threshold = [0.5, 0.6, 0.7]
budget = 6
[cross]
utility = ["accuracy", "variance"]
"""
FAILING = """
import seqaudit as sa


class Failing(sa.IndexPolicy):
    name = "failing"

    def index(self, states):
        raise ArithmeticError("no")
"""


@pytest.fixture
def call(tmp_path, monkeypatch, capsys):
    return caller(tmp_path, monkeypatch, capsys, study=STUDY)


def test_run_prints_means_differences_and_gains(call):
    done = call("run", "study.toml", "--out", "runs/a", "--jobs", 1)
    assert done.status == 0
    assert "study: 2 environments, 3 policies, 6 replications; 44 of 44 cells are done" in done.out
    rows = done.table("environment")
    assert [(row["environment"], row["policy"]) for row in rows[:6]] == [
        (f"one, utility={u}", p) for u in ("accuracy", "variance") for p in ("kg", "round-robin", "uniform")
    ]
    table = sa.study_table("runs/a").groupby(["environment", "policy"], sort=False).tail(1)
    for row, found in zip(rows, table.to_dict("records"), strict=False):
        mean, error = row["decision-accuracy"].split(" ± ")
        assert (float(mean), float(error)) == pytest.approx(
            (found["decision-accuracy"], found["decision-accuracy_se"]), abs=5e-5
        )
    assert rows[0]["gain"] == f"{100 * table['gain'].iloc[0]:.1f} %"
    assert {path.name for path in Path("runs/a").iterdir()} == {
        *("run.json", "run.sqlite", "run.lock", "study.json", "report.txt"),
        *("study.csv", "differences.csv", "labels_needed.csv", "study.png", "differences.png"),
    }
    assert pd.read_csv("runs/a/study.csv").shape == (12, 19)


def test_report_is_made_again_from_the_cells(call):
    call("run", "study.toml", "--out", "a", "--jobs", 1)
    before = {path.name: path.read_bytes() for path in Path("a").glob("*.csv")}
    text = Path("a/report.txt").read_text()
    for path in [*Path("a").glob("*.csv"), Path("a/report.txt")]:
        path.unlink()
    done = call("report", "a")
    assert done.status == 0
    assert {path.name: path.read_bytes() for path in Path("a").glob("*.csv")} == before
    assert Path("a/report.txt").read_text() == text
    other = call("report", "a", "--metric", "payoff", "--reference", "uniform")
    assert "against uniform" in other.out
    assert "payoff" in other.table("environment")[0]


def test_unfinished_studies_have_a_status_and_a_report(call):
    call("run", "study.toml", "--out", "a", "--jobs", 1)
    for name in sorted(part_names("a"))[::3]:
        forget_part("a", name)
    left = len(part_names("a"))
    status = call("status", "a")
    assert f"{left} of 44 cells are done" in status.out
    assert f"note: {44 - left} cells are missing; run computes them" in status.out
    found = call("status", "a", "--json").json
    assert (found["cells"], found["done"], found["failed"], found["missing"]) == (44, left, 0, 44 - left)
    assert sum(found["runs_done"].values()) + 2 + 6 >= left
    assert call("report", "a").status == 0
    again = call("run", "study.toml", "--out", "a", "--jobs", 1)
    assert "44 of 44 cells are done" in again.out


def test_the_status_says_whether_a_process_is_computing(call):
    call("run", "study.toml", "--out", "a", "--jobs", 1)
    kept = Path("a/run.sqlite").read_bytes()
    assert call("status", "a", "--json").json["running"] is False
    with alone_in(Path("a")):
        assert call("status", "a", "--json").json["running"] is True
        assert "; a process is computing in it" in call("status", "a").out
    assert "a process" not in call("status", "a").out
    # A folder that was copied without its lock, or whose lock is no database, is not being worked in.
    Path("a/run.lock").write_bytes(b"no database at all, and longer than a hundred bytes" * 4)
    assert call("status", "a", "--json").json["running"] is False
    Path("a/run.lock").unlink()
    assert call("status", "a", "--json").json["running"] is False
    assert Path("a/run.sqlite").read_bytes() == kept


def test_many_differences_are_told_as_they_are_tested(call, monkeypatch):
    call("run", "study.toml", "--out", "a", "--jobs", 1)
    assert "testing" not in call("report", "a").err
    monkeypatch.setattr(studies, "_MOST_AT_ONCE", 3)
    told = call("report", "a").err.splitlines()
    assert told == [
        f"testing {k}/4: one, utility={u}, {p}"
        for k, (u, p) in enumerate([(u, p) for u in ("accuracy", "variance") for p in ("kg", "uniform")], start=1)
    ]


def test_a_study_grows_in_its_folder(call):
    call("run", "study.toml", "--out", "a", "--jobs", 1, "--replications", 2)
    assert len(part_names("a")) == 2 * (1 + 3 * 2) + 6
    done = call("run", "study.toml", "--out", "a", "--jobs", 1, "-p", "kg", "-p", "gittins")
    assert "2 policies, 6 replications; 30 of 30 cells are done" in done.out
    assert "note: 12 cells are of earlier forms of the study, and are left out" in done.out


def test_json_has_all_rows(call):
    found = call("run", "study.toml", "--out", "a", "--jobs", 1, "--json").json
    table = sa.study_table("a")
    assert len(found["rows"]) == len(table) == 12
    assert found["rows"][3]["payoff"] == table["payoff"].iloc[3]
    assert (found["metric"], found["reference"]) == ("decision-accuracy", "round-robin")
    assert len(found["differences"]) == 4
    assert len(found["labels_needed"]) == 6
    assert call("report", "a", "--json").json == found


def test_failing_cells_are_told_and_the_status_is_1(call):
    Path("mine.py").write_text(FAILING)
    done = call("run", "study.toml", "-p", "kg", "-p", "mine.py:Failing", "--out", "a", "--jobs", 1)
    assert done.status == 1
    assert "note: 14 cells failed; run tries them again" in done.out
    assert "ArithmeticError: no (policy" in done.out
    assert [row["policy"] for row in done.table("environment")[:2]] == ["kg", "kg"]
    status = call("status", "a")
    assert "failing" in status.out
    failures = call("status", "a", "--json").json["failures"]
    assert len(failures) == 14
    shown = call("show", "a", failures[0]["cell"])
    assert "ArithmeticError: no" in shown.out


def test_every_number_can_be_traced_to_a_cell(call):
    call("run", "study.toml", "--out", "a", "--jobs", 1)
    shown = call("show", "a", "one, utility=variance | kg | 3", "--json").json
    assert shown["determined_by"]["replication"] == 2
    environments = {x[0]: x for x in json.loads(Path("a/study.json").read_text())["settings"]}
    assert set(environments) == {"one, utility=accuracy", "one, utility=variance"}
    assert shown["determined_by"]["seed"] == 7
    assert shown["result"]["labels"] == [3, 6]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run", "none.toml"), "none.toml: No such file or directory"),
        (("run", "study.toml", "--metric", "decisive-mass"), "metric is 'decisive-mass'; the study has:"),
        (("run", "study.toml", "--reference", "kgg"), "did you mean 'kg'"),
        (("run", "study.toml", "--replications", "0"), "--replications is 0"),
        (("run", "study.toml", "-p", "kgg"), "did you mean 'kg'"),
        (("run", "study.toml", "--cluster", "x", "--jobs", "2"), "--jobs has no effect with --cluster"),
        (("status", "none"), "none is not a run folder"),
        (("report", "none"), "none is not a run folder"),
        (("report", "study.toml"), "study.toml is not a run folder"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_is_written(call, arguments, said):
    told = call(*arguments, *(["--out", "a"] if arguments[0] == "run" else [])).assert_refused()
    assert said in told
    assert {path.name for path in Path().iterdir()} == {"study.toml"}


def test_folders_of_other_commands_are_refused(call):
    Path("p.toml").write_text("budget = 2\nthreshold = [0.5]\n")
    call("curve", "p.toml", "--out", "c", "--jobs", 1)
    for command in ("status", "report"):
        assert "c is not the run folder of a study: it has no study.json" in call(command, "c").assert_refused()
    told = call("run", "study.toml", "--out", "c", "--jobs", 1).assert_refused()
    assert 'c holds another run: was "curve", now "run"; give another folder' in told


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root writes everywhere")
def test_a_read_only_folder_is_one_line(call):
    call("run", "study.toml", "--out", "a", "--jobs", 1)
    Path("a").chmod(0o555)
    try:
        assert "a" in call("report", "a").assert_refused()
        assert call("status", "a").status == 0
    finally:
        Path("a").chmod(0o755)


def test_the_built_in_study_runs(call):
    done = call("run", "--replications", 1, "--out", "a", "--jobs", 1)
    assert done.status == 0
    assert "built in: 6 environments, 7 policies, 1 replications" in done.out
    table = sa.study_table("a")
    assert np.isfinite(table["gain"]).all()
    assert "nan" not in done.out
    shutil.rmtree("a")
