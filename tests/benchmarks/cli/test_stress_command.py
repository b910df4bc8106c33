"""Command stress: what is printed and kept, interruption and resumption, workers, and refusals."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.figure import Figure
from oracles.command_line import caller, tree
from oracles.stores import part_names

import seqaudit as sa

SAVE_FIGURE = Figure.savefig
SCENARIOS = """
replications = 5
[policies]
exact = ["round-robin", "exact"]
simulated = ["round-robin"]
[problem]
budget = 4
c = [-0.4, 0.0, 0.5]
beta = 1.0
prior = [2, 1]
[[scenario]]
name = "noise"
model = "flipped"
values = [0.0, 0.3]
[[scenario]]
name = "bias"
model = "rater-bias"
parameter = "rater_sd"
values = [0.0, 2.0]
raters = 3
votes = 3
draws = 20
"""
STRESS = ("stress", "scenarios.toml", "--jobs", 1)
CELLS = ("noise=0.0", "noise=0.3", "bias=0.0", "bias=2.0")


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    return caller(tmp_path, monkeypatch, capsys, scenarios=SCENARIOS)


def cells(line: str) -> list[str]:
    return re.split(r"\s{2,}", line.strip())


def test_table_is_that_of_stress_and_everything_is_kept(run):
    outcome = run(*STRESS, "--out", "kept")
    assert outcome.status == 0, outcome.err
    table = sa.stress_table(sa.stress(sa.read_scenarios("scenarios.toml")))
    kept = pd.read_csv("kept/stress.csv")
    pd.testing.assert_frame_equal(kept, table, check_exact=False, rtol=1e-14)
    lines = outcome.out.splitlines()
    first = next(k for k, line in enumerate(lines) if line.startswith("noise (exact), by flipped"))
    assert cells(lines[first + 1]) == [
        "policy",
        "0",
        "0.3",
        "slope",
        "asked wrongly",
        "decided wrongly",
        "already right",
    ]
    slopes = sa.stress_slopes(table)
    expected = slopes[slopes["scenario"] == "noise"]
    for line, policy, slope in zip(lines[first + 2 : first + 5], expected["policy"], expected["slope"], strict=True):
        part = table[(table["scenario"] == "noise") & (table["policy"] == policy)]
        last = [f"{part[key].iloc[-1]:z.3f}" for key in ("asked_wrongly", "decided_wrongly", "already_right")]
        assert cells(line) == [policy, *(f"{x:z.4f}" for x in part["loss"]), f"{slope:z.4g}", *last]
    assert any(line.startswith("bias (simulated), by rater_sd") for line in lines)
    assert any(line.startswith("deciding after the fact") for line in lines)
    names = {path for path, content in tree(Path("kept")).items() if content is not None}
    assert part_names("kept") == set(CELLS)
    shown = {"report.txt", "stress.csv", "slopes.csv", "loss.png", "accuracy.png"}
    assert names == shown | {"run.json", "run.sqlite"}
    assert outcome.err.splitlines() == [f"stressing {k}/4: {name}" for k, name in enumerate(CELLS, 1)]


def test_policies_that_earn_less_than_uniform_are_told(run):
    outcome = run(*STRESS, "--out", "kept")
    worse = sa.worse_than_uniform(pd.read_csv("kept/stress.csv"))
    lines = outcome.out.splitlines()
    if worse.empty:
        assert "no policy earns less than uniform" in lines
        return
    first = next(k for k, line in enumerate(lines) if line.startswith("policies that earn less than uniform"))
    told = {tuple(cells(line)[:2]) for line in lines[first + 2 :] if len(cells(line)) == 4}
    assert told == set(zip(worse["scenario"], worse["policy"], strict=True))


def test_interrupted_run_loses_no_finished_cell_and_goes_on(run, monkeypatch):
    whole = run(*STRESS, "--out", "whole", "--json").json
    module = sys.modules["seqaudit.benchmarks.stress.stress"]
    with monkeypatch.context() as patch:
        patch.setattr(module, "stress_simulated", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        stopped = run(*STRESS, "--out", "kept")
    assert (stopped.status, stopped.out) == (130, "")
    assert stopped.err.splitlines()[-1].startswith("seqaudit: interrupted; finished parts are kept")
    assert part_names("kept") == {"noise=0.0", "noise=0.3"}
    assert not Path("kept/stress.csv").exists()
    with monkeypatch.context() as patch:
        patch.setattr(module, "stress_exact", lambda *_, **__: pytest.fail("the exact cells are there"))
        again = run(*STRESS, "--out", "kept", "--json").json
    assert again["rows"] == whole["rows"]
    assert again["slopes"] == whole["slopes"]


def test_answer_does_not_depend_on_the_number_of_workers(run, monkeypatch):
    # Nothing is compiled beforehand: that would take longer than the work.
    for name in ("warm", "warm_raters"):
        monkeypatch.setattr(sys.modules["seqaudit.benchmarks.stress.stress"], name, lambda: None)
    one = run(*STRESS, "--out", "one", "--json").json
    two = run("stress", "scenarios.toml", "--jobs", 2, "--out", "two", "--json").json
    assert one["rows"] == two["rows"]


def test_figures_are_drawn(run, monkeypatch):
    monkeypatch.setattr(Figure, "savefig", SAVE_FIGURE)
    assert run(*STRESS, "-p", "kg", "--out", "kept").status == 0
    for name in ("loss", "accuracy"):
        assert Path(f"kept/{name}.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_options_are_inputs_of_the_run(run):
    assert run(*STRESS, "--out", "kept").status == 0
    for option in (("--replications", 6), ("--seed", 8), ("-p", "kg")):
        assert run(*STRESS, *option, "--out", "kept").assert_refused().startswith("kept holds another run")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("none.toml",), "none.toml: No such file"),
        (("scenarios.toml", "--jobs", 0), "--jobs is 0; it must be a number of worker processes"),
        (("scenarios.toml", "--replications", 1), "scenarios.toml: replications is 1; it must be a whole number"),
        (("scenarios.toml", "--seed", -1), "scenarios.toml: seed is -1; it must be a whole number, at least 0"),
        (("scenarios.toml", "-p", "kgg"), "scenarios.toml: scenario 'noise': policy 'kgg' is not known"),
        (("faulty.toml",), "faulty.toml: scenario 'noise', value 0.5: flipped is 0.5; it must be at least 0"),
    ],
)
def test_bad_input_is_refused_before_a_folder_is_made(run, arguments, message):
    Path("faulty.toml").write_text(SCENARIOS.replace("0.0, 0.3", "0.0, 0.5"))
    assert run("stress", *arguments).assert_refused().startswith(message)
    assert not Path("runs").exists()
