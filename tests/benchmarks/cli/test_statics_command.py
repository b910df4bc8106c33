"""Command statics: what is printed, kept and taken up again, and how bad input is refused."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest
from oracles.command_line import caller, tree
from oracles.stores import forget_part, part_names

import seqaudit as sa

PROBLEM = 'budget = 6\nc = [0.0, 1.0, -0.5]\nbeta = 1.0\nweight = [1.0, 1.5, 1.0]\nname = ["even", "against", "for"]\n'
QUOTA = 'budget = 6\nthreshold = [0.5, 0.6]\nquota = [{items = ["item 1"], labels = 1}]\n'
LARGE = f"budget = 40\nthreshold = {[round(0.3 + 0.02 * i, 2) for i in range(20)]}\n"
VARY = ("statics", "problem.toml", "--vary", "beta", "--values", "0.5,1,2", "--jobs", 1)


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run a command in a folder that holds problems."""
    return caller(tmp_path, monkeypatch, capsys, problem=PROBLEM, quota=QUOTA, large=LARGE)


def cells(line: str) -> list[str]:
    return re.split(r"\s{2,}", line.strip())


def test_vary_prints_and_keeps_what_vary_returns(run):
    outcome = run(*VARY, "--target", 0.45, "--out", "kept")
    assert outcome.status == 0, outcome.err
    problem = sa.Problem.from_toml("problem.toml")
    found = sa.vary(problem, "beta", [0.5, 1.0, 2.0])
    lines = outcome.out.splitlines()
    assert cells(lines[0]) == ["3 items, 6 labels, utility accuracy"]
    assert cells(lines[1]) == [
        "beta",
        "no labels",
        "optimum",
        "possible gain",
        "labels even",
        "labels against",
        "labels for",
    ]
    for line, k in zip(lines[2:5], range(3), strict=True):
        at = found.isel(value=k)
        numbers = [f"{float(at[key]):.6g}" for key in ("value", "prior_value", "optimum", "gain")]
        assert cells(line) == numbers + [f"{x:.3f}" for x in at.labels.values]
    largest = sa.largest_beta(problem.log_ratio, 0.45, weight=problem.weight)
    assert f"largest beta with 45 % of the weight learnable: {largest.value:.8g}"[:-1] in outcome.out
    # What is printed is reached, and what is printed as the bound is one, digit by digit.
    value, upper = re.search(r"learnable: (\S+), and none above (\S+)", outcome.out).groups()
    assert Decimal(value) <= Decimal(largest.value)
    assert Decimal(upper) >= Decimal(largest.upper)
    assert Decimal(upper) - Decimal(value) < Decimal("2e-9")
    table = pd.read_csv("kept/statics.csv")
    assert table["upper"].tolist() == pytest.approx(found.upper.values.tolist(), rel=1e-15)
    files = {path for path, content in tree(Path("kept")).items() if content is not None}
    assert part_names("kept") == {f"beta={x}" for x in ("0.5", "1.0", "2.0")}
    assert files == {
        "problem.toml",
        "run.json",
        "run.sqlite",
        "report.txt",
        "share.png",
        "statics.csv",
        "statics.png",
    }


def test_run_is_taken_up_again_where_it_was_left(run):
    assert run(*VARY, "--out", "kept").status == 0
    first = tree(Path("kept"))
    forget_part("kept", "beta=1.0")
    again = run(*VARY, "--out", "kept")
    assert again.err.splitlines() == ["solving 1/3: beta=0.5", "solving 2/3: beta=2.0", "solving 3/3: beta=1.0"]
    assert tree(Path("kept"))["statics.csv"] == first["statics.csv"]
    refused = run("statics", "problem.toml", "--vary", "noise", "--values", "0.1", "--out", "kept").assert_refused()
    assert refused.startswith("kept holds another run")


def test_json_holds_rows_and_the_largest_beta(run):
    found = run(*VARY, "--target", 0.0, "--json", "--out", "kept").json
    assert [row["beta"] for row in found["rows"]] == [0.5, 1.0, 2.0]
    assert {row["method"] for row in found["rows"]} == {"exact"}
    assert found["largest_beta"]["value"] is None
    assert found["inputs"]["vary"] == "beta"
    assert found["run"] == "kept"


def test_large_problem_is_certified(run):
    options = ("--values", "1", "--jobs", 1, "--replications", 2, "-p", "variance-reduction", "--out", "kept")
    outcome = run("statics", "large.toml", "--vary", "temperature", *options)
    header = cells(outcome.out.splitlines()[1])
    assert header[:6] == ["temperature", "no labels", "lower bound", "±", "upper bound", "possible gain"]
    assert len(header) == 11
    certificate = sa.certify(sa.Problem.from_toml("large.toml"), "variance-reduction", replications=2, seed=7)
    row = cells(outcome.out.splitlines()[2])
    assert row[2:5] == [f"{certificate.lower:.6g}", f"{certificate.standard_error:.2g}", f"{certificate.upper:.6g}"]


def test_protocols_are_compared_and_broken_even(run):
    options = ("--protocol", "0.3,1", "--protocol", "0.05,2", "--points", 3, "--jobs", 1)
    outcome = run("statics", "problem.toml", "--vary", "protocol", *options, "--out", "kept")
    assert outcome.status == 0, outcome.err
    problem = sa.Problem.from_toml("problem.toml")
    found = sa.protocols(problem, [(0.3, 1), (0.05, 2)], points=3)
    lines = outcome.out.splitlines()
    for k, line in enumerate(lines[2:5], start=1):
        at = found.isel(budget=k)
        assert cells(line) == [f"{2 * k}", *(f"{x:.6f}" for x in at.gain.values), str(at.winner.values)]
    costs = sa.break_even(problem, [0.0, 0.05], baseline=0.3, points=3)
    first = next(k for k, line in enumerate(lines) if line.startswith("noise "))
    for k, line in enumerate(lines[first + 1 : first + 3]):
        pairs = zip(costs.cost_ratio.values[k], costs.labels_needed.values[k], strict=True)
        assert cells(line) == [f"{float(costs.flip[k]):g}", *(f"{ratio:.4g} ({n})" for ratio, n in pairs)]
    # All parts are there: nothing is solved again, and the tables are the same.
    before = tree(Path("kept"))
    assert len(part_names("kept")) == 3
    again = run("statics", "problem.toml", "--vary", "protocol", *options, "--out", "kept", "--json").json
    assert tree(Path("kept"))["break-even.csv"] == before["break-even.csv"]
    assert [row["labels_needed"] for row in again["break_even"]] == costs.labels_needed.values.ravel().tolist()


def test_break_even_that_cannot_be_had_is_remarked(run):
    Path("costs.toml").write_text("budget = 6\nthreshold = [0.5, 0.6]\ncost = [1, 2]\n")
    outcome = run("statics", "costs.toml", "--vary", "protocol", "--points", 2, "--jobs", 1, "--out", "kept")
    assert outcome.status == 0, outcome.err
    assert "note: break-even costs left out: break_even: labels of the problem must cost 1" in outcome.out
    assert not Path("kept/break-even.csv").exists()


def test_break_even_is_left_out_where_wins_pay(run):
    Path("pays.toml").write_text("budget = 6\nthreshold = [0.5, 0.5]\nprior = [[1, 4], [1, 4]]\nreward = [1.0, 1.0]\n")
    options = ("--protocol", "0.3,1", "--protocol", "0.1,2", "--points", 2, "--jobs", 1, "--out", "kept")
    outcome = run("statics", "pays.toml", "--vary", "protocol", *options)
    assert outcome.status == 0, outcome.err
    assert "note: break-even costs left out: break_even: reward of item 1 is 1; it must be 0" in outcome.out
    assert "largest cost of a label" not in outcome.out
    assert not Path("kept/break-even.csv").exists()


def test_protocols_that_differ_in_late_digits_or_caps_are_other_runs(run):
    options = ("--vary", "protocol", "--protocol", "0.3,1", "--points", 1, "--jobs", 1, "--out", "kept")
    assert run("statics", "problem.toml", *options, "--protocol", "0.1,0.3333333").status == 0
    other = run("statics", "problem.toml", *options, "--protocol", "0.1,0.33333334").assert_refused()
    assert other.startswith("kept holds another run: protocols entry 2")
    Path("capped.toml").write_text(PROBLEM + "cap = [6, 6, 6]\n")
    capped = run("statics", "capped.toml", *options, "--protocol", "0.1,0.3333333").assert_refused()
    assert capped.startswith("kept holds another run: asked_cap was null, now [6, 6, 6]")


def test_budgets_that_buy_no_label_have_rows(run):
    Path("dear.toml").write_text("budget = 8\nthreshold = [0.5]\ncost = [2]\n")
    options = ("--protocol", "0.3,0.5", "--protocol", "0.1,1", "--jobs", 1, "--out", "kept")
    outcome = run("statics", "dear.toml", "--vary", "protocol", *options)
    assert outcome.status == 0, outcome.err
    assert pd.read_csv("kept/statics.csv")["bought"].tolist()[:3] == [0, 0, 1]


def test_usual_values_that_the_problem_does_not_take_are_remarked(run):
    Path("far.toml").write_text("budget = 3\nc = [0.0, 3000.0]\nbeta = 1.0\n")
    outcome = run("statics", "far.toml", "--vary", "beta", "--jobs", 1, "--out", "kept")
    assert outcome.status == 0, outcome.err
    assert "note: beta 4 left out: beta times log_ratio of item 2 is 12000.0" in outcome.out
    assert len(pd.read_csv("kept/statics.csv")) == 8


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "PROBLEM.toml is missing; give a problem and --vary"),
        (("problem.toml",), "--vary is None; allowed: beta, temperature, offset, noise, protocol"),
        (("problem.toml", "--vary", "gamma"), "--vary is 'gamma'; allowed"),
        (("problem.toml", "--vary", "beta", "--values", "1,x"), "--values is '1,x'; give numbers with commas"),
        (("problem.toml", "--vary", "beta", "--values", "0"), "beta is 0.0; it must be positive and finite"),
        (("problem.toml", "--vary", "beta", "--protocol", "0.1,1"), "--protocol does not go with --vary beta"),
        (("problem.toml", "--vary", "noise", "--target", 0.5), "--target does not go with --vary noise"),
        (("problem.toml", "--vary", "beta", "--target", 2), "target is 2.0; it must be a share of the weight"),
        (("problem.toml", "--vary", "beta", "--jobs", 0), "--jobs is 0; it must be a number of worker processes"),
        (("problem.toml", "--vary", "beta", "--replications", 1), "replications is 1; it must be a whole number"),
        (("problem.toml", "--vary", "protocol", "--protocol", "0.1"), "--protocol is '0.1'; give NOISE,COST"),
        (("problem.toml", "--vary", "protocol", "--protocol", "0.1,1"), "protocols are ['noise 0.1 at cost 1']"),
        (("quota.toml", "--vary", "protocol"), "protocols: the problem has quotas"),
        (("problem.toml", "--vary", "protocol", "--values", "1"), "--values does not go with --vary protocol"),
        (
            ("problem.toml", "--vary", "beta", "--values", "1,1"),
            "values of beta are [1.0, 1.0]; each may be",
        ),
        (("problem.toml", "--vary", "beta", "-p", "nope"), "policy 'nope' "),
        (("problem.toml", "--vary", "protocol", "--replications", 1), "replications is 1; it must be a whole number"),
        (("problem.toml", "--vary", "protocol", "-p", "nope"), "policy 'nope' "),
        (("problem.toml", "--vary", "protocol", "--points", 0), "points is 0; it must be a whole number, at least 1"),
        (("problem.toml", "--vary", "beta", "--points", 12), "--points does not go with --vary beta"),
        (("problem.toml", "--vary", "beta", "--values", "1,1e5"), "beta 100000: beta times log_ratio of "),
    ],
)
def test_bad_input_is_refused_before_a_folder_is_made(run, arguments, message):
    assert run("statics", *arguments).assert_refused().startswith(message)
    assert not Path("runs").exists()


def test_a_temperature_beyond_what_a_figure_can_show_is_refused(run):
    told = run("statics", "problem.toml", "--vary", "temperature", "--values", "1e308").assert_refused()
    assert told.startswith("temperature is 1e+308; it must be at most 1e+300")
