"""Printed tables and notes are kept in run folders; commands that keep nothing by themselves have one on request."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from oracles.command_line import caller, tree
from oracles.stores import forget_part, stored_parts

PROBLEM = "budget = 3\nthreshold = [0.5, 0.6]\n"
RATERS = ("ann", "Ann", "bob", "cid")
VOTES = "item,rater,label\n" + "".join(f"{x},{rater},{k % 2}\n" for x in "ab" for k, rater in enumerate(RATERS))
SCENARIOS = (
    f'policies = ["kg"]\n[problem]\n{PROBLEM}[[scenario]]\nname = "noise"\nmodel = "flipped"\nvalues = [0.0, 0.1]\n'
)

COMMANDS = {
    "compare": "compare problem.toml -p kg",
    "curve": "curve problem.toml -p kg --points 2 --jobs 1",
    "replay": "replay votes.csv --budget 2 -p kg --jobs 1",
    "stress": "stress scenarios.toml --jobs 1",
    "statics": "statics problem.toml --vary noise --values 0,0.1 --jobs 1",
    "protocols": "statics problem.toml --vary protocol --points 2 --jobs 1",
    "provenance": "provenance votes.csv --model none --resamples 50 --repetitions 50",
    "certify": "certify problem.toml -p kg",
    "survey": "survey --problems 2 -p kg --jobs 1",
    "matrix": "survey --problems 1 -p kg --utility accuracy --utility entropy --jobs 1",
}
ON_REQUEST = {name: COMMANDS[name] for name in ("certify", "survey", "matrix")}


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    call = caller(tmp_path, monkeypatch, capsys, problem=PROBLEM, scenarios=SCENARIOS)
    Path("votes.csv").write_text(VOTES)
    return call


def plain(text: str) -> list[str]:
    return [line.rstrip() for line in text.splitlines()]


@pytest.mark.parametrize("command", COMMANDS)
def test_what_a_command_prints_is_kept_as_text_and_json_changes_nothing_of_it(command, run):
    words = (*COMMANDS[command].split(), "--out", "run")
    printed = plain(run(*words).out)
    kept = plain(Path("run/report.txt").read_text(encoding="utf-8"))
    assert kept == printed[:-1]
    assert printed[-1].endswith(" and inputs: run")
    if "votes.csv" in words:
        assert any(line.startswith("note: ") and "Ann" in line for line in kept)
    Path("run/report.txt").unlink()
    assert run(*words, "--json").json
    assert plain(Path("run/report.txt").read_text(encoding="utf-8")) == kept


@pytest.mark.parametrize("command", ON_REQUEST)
def test_a_run_on_request_is_resumed_and_prints_the_same(command, run):
    words = ON_REQUEST[command].split()
    alone = plain(run(*words).out)
    assert not Path("runs").exists()
    first = run(*words, "--out", "run").out
    if command != "matrix":
        # There the last columns are times.
        assert plain(first)[:-1] == alone
    before = tree(Path("run"))
    assert any(name.endswith(".csv") for name in before)
    record = json.loads(Path("run/run.json").read_text())
    assert record["command"] == words[0]
    assert {"seed", "policies"} <= record["inputs"].keys()
    parts = stored_parts("run")
    gone = min(parts)
    forget_part("run", gone)
    assert run(*words, "--out", "run").out == first
    assert tree(Path("run")).keys() == before.keys()
    assert stored_parts("run").keys() == parts.keys()
    assert {name for name, x in stored_parts("run").items() if x != parts[name]} <= {gone}
    (fault,) = run(*words, "--seed", 8, "--out", "run").faults()
    assert fault == "run holds another run: seed was 7, now 8; give another folder"


@pytest.mark.parametrize(("out", "kept"), [((), False), (("--out", "run"), True), (("-orun",), True)])
@pytest.mark.parametrize("command", ON_REQUEST)
def test_an_interrupted_run_promises_to_go_on_only_if_it_has_a_folder(command, out, kept, run, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    study = {"certify": "cli.commands.certify.run_parts", "survey": "comparison.survey.run_parts"}
    monkeypatch.setattr(f"seqaudit.benchmarks.{study.get(command, study['survey'])}", interrupt)
    outcome = run(*ON_REQUEST[command].split(), *out)
    assert (outcome.status, outcome.out) == (130, "")
    assert ("finished parts are kept" in outcome.err) == kept
    assert ("nothing is kept" in outcome.err) != kept
