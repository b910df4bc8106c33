"""Commands certify, curve and survey: what is printed, kept and taken up again, and how bad input is refused."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.figure import Figure
from oracles.command_line import caller, tree
from oracles.stores import forget_part, part_names, stored_parts

import seqaudit as sa
from seqaudit.bandits.policies.round_robin import RoundRobin

PROBLEM = 'budget = 8\nthreshold = [0.5, 0.62, 0.75]\nweight = [1.0, 1.5, 2.0]\nname = ["even", "tilted", "hard"]\n'
LARGE = f"budget = 60\nthreshold = {[round(0.3 + 0.02 * i, 2) for i in range(20)]}\n"
REWARD = "budget = 4\nthreshold = [0.5, 0.6]\nreward = 0.1\n"
CURVE = ("curve", "problem.toml", "--points", 4, "--replications", 6, "--jobs", 1)
SAVE_FIGURE = Figure.savefig


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run a command in a folder that holds problems."""
    return caller(tmp_path, monkeypatch, capsys, problem=PROBLEM, large=LARGE, reward=REWARD)


# certify


def test_certify_prints_exact_certificates_of_a_small_problem(run):
    outcome = run("certify", "problem.toml")
    assert outcome.status == 0
    problem = sa.Problem.from_toml("problem.toml")
    best = sa.solve(problem).value
    rows = outcome.table()[:2]
    assert [row["policy"] for row in rows] == ["gittins", "variance-reduction"]
    for row in rows:
        value = sa.evaluate(problem, sa.make_policy(row["policy"])).value
        assert row["lower bound"] == f"{value:.8g}"
        assert row["upper bound"] == f"{best:.8g}"
        assert row["gap"] == f"{100 * (best - value) / (best - problem.prior_value):z.3f} %"
        assert row["spent"] == "8"
    assert "\nlower bound      exact evaluation\nupper bound      exact optimum\n" in outcome.out
    assert outcome.err.splitlines() == ["certifying 1/2: gittins", "certifying 2/2: variance-reduction"]
    assert not Path("runs").exists()


def test_certify_prints_as_json_what_certify_returns(run):
    options = ("-p", "kg", "-p", "round-robin", "--replications", 4, "--seed", 5, "--no-exact", "--json")
    found = run("certify", "problem.toml", *options).json
    problem = sa.Problem.from_toml("problem.toml")
    for row, name in zip(found["rows"], ["kg", "round-robin"], strict=True):
        expected = sa.certify(problem, name, replications=4, seed=5, exact=False)
        assert row.pop("gap") == expected.gap
        assert row.pop("gap_error") == expected.gap_error
        assert row == {key: getattr(expected, key) for key in row}
        assert row.keys() == set(expected.__dataclass_fields__)
    assert found["problem"]["name"] == ["even", "tilted", "hard"]
    assert (found["seed"], found["remarks"]) == (5, [])


def test_certify_says_how_each_bound_was_got(run, monkeypatch):
    outcome = run("certify", "large.toml", "-p", "kg", "--replications", 3)
    (row, *_) = outcome.table()
    expected = sa.certify(sa.Problem.from_toml("large.toml"), "kg", replications=3)
    assert row["lower bound"] == f"{expected.lower:.8g}"
    assert row["±"] == f"{100 * expected.gap_error:.3f} %"  # the second column of that name
    assert row["spent"] == "60"
    assert "\nlower bound      simulation, 3 replications, controlled by the relaxed problem\n" in outcome.out
    assert "\nupper bound      Lagrangian bound\n" in outcome.out


def test_certify_leaves_out_by_itself_what_the_problem_does_not_allow(run):
    outcome = run("certify", "reward.toml")
    assert outcome.status == 0
    assert outcome.out.startswith("note: gittins left out: ")
    assert outcome.table()[0]["policy"] == "variance-reduction"


# curve


def test_curve_prints_and_keeps_what_budget_curve_returns(run):
    outcome = run(*CURVE, "-p", "kg", "-p", "whittle", "--out", "run")
    assert outcome.status == 0
    problem = sa.Problem.from_toml("problem.toml")
    result = sa.budget_curve(problem, ["kg", "whittle"], points=4, replications=6, seed=7)
    expected = sa.curve_table(result)
    pd.testing.assert_frame_equal(pd.read_csv("run/curve.csv"), expected)
    rows = {row["policy"]: row for row in outcome.table()}
    assert list(rows) == list(dict.fromkeys(expected["policy"]))
    at = expected.set_index(["policy", "budget"])
    for name in rows:
        assert rows[name]["budget 8"] == f"{at.loc[(name, 8), 'value']:.4f}"
        assert rows[name]["share of possible gain"] == f"{100 * at.loc[(name, 8), 'share']:.3f} %"
    assert outcome.out.splitlines()[0].strip() == "3 items, 8 labels, utility accuracy, exact values"
    assert outcome.out.splitlines()[-1] == "table, figure, replications and inputs: run"
    assert outcome.err.splitlines() == [f"computing {k}/3: {x}" for k, x in enumerate(("bounds", "kg", "whittle"), 1)]
    assert tree(Path("run")).keys() == {
        "run.json",
        "problem.toml",
        "curve.csv",
        "curve.png",
        "run.sqlite",
        "report.txt",
    }
    assert part_names("run") == {"bounds", "kg", "whittle"}
    record = json.loads(Path("run/run.json").read_text())
    assert record["command"] == "curve"
    assert record["inputs"]["budgets"] == [0.0, 2.0, 4.0, 6.0, 8.0]
    found = run(*CURVE, "-p", "kg", "-p", "whittle", "--out", "run", "--json").json
    assert [row["value"] for row in found["rows"]] == list(expected["value"])


def test_simulated_curve_prints_errors_and_shares_of_the_bound(run):
    outcome = run("curve", "large.toml", "--points", 2, "--replications", 3, "--jobs", 1, "-p", "kg", "--out", "run")
    result = sa.budget_curve(sa.Problem.from_toml("large.toml"), ["kg"], points=2, replications=3, seed=7)
    at = sa.curve_table(result).set_index(["policy", "budget"])
    rows = {row["policy"]: row for row in outcome.table()}
    for budget in result.budget.values[1:]:
        value, error = at.loc[("kg", budget), ["value", "standard_error"]]
        assert rows["kg"][f"budget {budget:g}"] == f"{value:.4f} ± {error:.4f}"
    assert rows["kg"]["share of the bound's gain"] == f"{100 * at.loc[('kg', budget), 'share_of_bound']:.3f} %"
    assert rows["lagrangian bound"]["share of the bound's gain"] == "100.000 %"
    assert "±" not in rows["lagrangian bound"][f"budget {budget:g}"]
    assert outcome.out.splitlines()[0].strip().endswith(", utility accuracy, 3 replications")


def test_curve_draws_its_figure(run, monkeypatch):
    monkeypatch.setattr(Figure, "savefig", SAVE_FIGURE)
    run(*CURVE, "-p", "kg", "--out", "run")
    assert Path("run/curve.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_curve_recomputes_only_what_is_missing(run, monkeypatch):
    command = (*CURVE, "-p", "kg", "-p", "uniform", "--out", "run", "--json")
    first = run(*command).json
    before = stored_parts("run")
    forget_part("run", "kg")
    module = sys.modules["seqaudit.benchmarks.comparison.curve"]
    honest, simulated = module._curve_of, []
    monkeypatch.setattr(
        module, "_curve_of", lambda p, policy, *a: simulated.append(policy.name) or honest(p, policy, *a)
    )
    monkeypatch.setattr(module, "_bounds", lambda *_: pytest.fail("the bounds are there"))
    assert run(*command).json == first
    assert simulated == ["kg"]
    assert stored_parts("run").keys() == before.keys()


def test_interrupted_curve_goes_on_where_it_stopped(run, monkeypatch):
    command = (*CURVE, "-p", "kg", "-p", "round-robin", "-p", "uniform")
    whole = run(*command, "--out", "whole", "--json").json
    with monkeypatch.context() as patch:
        patch.setattr(RoundRobin, "index", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        stopped = run(*command, "--out", "run")
    assert (stopped.status, stopped.out) == (130, "")
    assert stopped.err.splitlines()[-1].startswith("seqaudit: interrupted; finished parts are kept")
    assert part_names("run") == {"bounds", "kg"}
    assert not Path("run/curve.csv").exists()
    assert run(*command, "--out", "run", "--json").json["rows"] == whole["rows"]


def test_curve_refuses_the_folder_of_another_run(run):
    run(*CURVE, "-p", "kg", "--out", "run")
    before = tree(Path("run"))
    line = run(*CURVE, "-p", "kg", "--seed", 8, "--out", "run").assert_refused()
    assert line == "run holds another run: seed was 7, now 8; give another folder"
    line = run("curve", "problem.toml", "-p", "kg", "--points", 3, "--replications", 6, "--out", "run").assert_refused()
    assert line.startswith("run holds another run: budgets ")
    assert tree(Path("run")) == before


# survey


def test_survey_prints_what_survey_returns(run):
    options = ("--problems", 5, "--seed", 3, "--jobs", 1, "-p", "kg", "-p", "whittle")
    outcome = run("survey", *options)
    assert outcome.status == 0
    result = sa.survey(5, ["kg", "whittle"], seed=3)
    expected = sa.survey_table(result).to_dict(orient="records")
    for row, there in zip(outcome.table(), expected, strict=True):
        assert row == {
            "policy": there["policy"],
            "mean share": f"{100 * there['mean']:.3f} %",
            "worst share": f"{100 * there['worst']:z.3f} %",
            "optimal": f"{100 * there['optimal']:.1f} %",
        }
    lines = outcome.err.splitlines()
    assert lines[-1] == "surveying 5/5: problem 5"
    assert all(re.fullmatch(r"surveying \d/5: problem \d", line) for line in lines)
    found = run("survey", *options, "--json").json
    assert found["rows"] == expected
    assert found["shares"] == {name: result.share.sel(policy=name).values.tolist() for name in ("kg", "whittle")}
    assert (found["problems"], found["seed"], found["utility"], found["remarks"]) == (5, 3, "accuracy", [])
    assert not Path("runs").exists()


def test_utility_of_a_survey_may_be_a_table(run):
    text = '{name="asymmetric", gain=1, loss=3}'
    found = run("survey", "--problems", 2, "--jobs", 1, "-p", "kg", "--utility", text, "--json").json
    result = sa.survey(2, ["kg"], utility=sa.Asymmetric(gain=1, loss=3))
    assert found["shares"]["kg"] == result.share.sel(policy="kg").values.tolist()


@pytest.mark.parametrize("command", [("certify", "problem.toml"), ("survey", "--jobs", "1")])
def test_interrupted_command_without_a_run_folder_says_that_nothing_is_kept(run, monkeypatch, command):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules[f"seqaudit.benchmarks.cli.commands.{command[0]}"], "show_progress", stop)
    outcome = run(*command)
    assert (outcome.status, outcome.out, outcome.err) == (130, "", "seqaudit: interrupted; nothing is kept\n")


# bad input

BAD = {
    "nowhere.toml: No such file": [("certify", "nowhere.toml"), ("curve", "nowhere.toml")],
    "policy 'kq' is not known; did you mean 'kg'?": [
        ("certify", "problem.toml", "-p", "kq"),
        (*CURVE, "-p", "kq"),
        ("survey", "-p", "kq"),
    ],
    "policy 'kg' is given 2 times": [
        ("certify", "problem.toml", "-p", "kg", "-p", "kg"),
        (*CURVE, "-p", "kg", "-p", "kg"),
        ("survey", "-p", "kg", "-p", "kg"),
    ],
    "--replications is 1; it must be a whole number, at least 2": [("certify", "problem.toml", "--replications", 1)],
    "--replications is 0; it must be a whole number, at least 1": [("curve", "problem.toml", "--replications", 0)],
    "--points is 0; it must be a whole number, at least 1": [("curve", "problem.toml", "--points", 0)],
    "--problems is 0; it must be a whole number, at least 1": [("survey", "--problems", 0)],
    "--jobs is 0": [("curve", "problem.toml", "--jobs", 0), ("survey", "--jobs", 0)],
    "--jobs is -2": [("curve", "problem.toml", "--jobs", -2), ("survey", "--jobs", -2)],
    "problem too large for an exact solution": [
        ("certify", "large.toml", "--exact"),
        (*CURVE[:1], "large.toml", "-p", "exact"),
    ],
    "reward": [("certify", "reward.toml", "-p", "gittins"), ("curve", "reward.toml", "-p", "gittins")],
    "utility is 'acuracy'; allowed: accuracy, ": [("survey", "--utility", "acuracy")],
    "--utility is '{nme'; allowed: a name, or a table such as": [("survey", "--utility", "{nme")],
    "utility linear: labels gain nothing": [("survey", "--utility", "linear", "--jobs", 1)],
    "Missing argument 'PROBLEM.toml'": [("certify",), ("curve",)],
    "'--seed'": [("certify", "problem.toml", "--seed", -1), (*CURVE, "--seed", -1), ("survey", "--seed", -1)],
    "No such option: --exactly": [("certify", "problem.toml", "--exactly")],
}


@pytest.mark.parametrize(("expected", "command"), [(text, command) for text in BAD for command in BAD[text]])
def test_bad_input_is_refused_in_one_line_and_leaves_nothing_behind(run, expected, command):
    before = tree(Path())
    assert expected in run(*command).assert_refused()
    assert tree(Path()) == before


def test_survey_of_several_utilities_prints_shares_and_times(run):
    text = run("survey", "--problems", "2", "--utility", "all", "-p", "kg", "-p", "lookahead(depth=1)").out
    for word in ("accuracy", "asymmetric", "variance", "entropy", "decisive", "50 items", "lookahead(depth=1)"):
        assert word in text
    few = ("survey", "--problems", "2", "-p", "kg", "--utility", "accuracy", "--utility", "variance")
    found = run(*few, "--json").json
    assert [row["policy"] for row in found["rows"]] == ["kg"]
    assert found["utilities"] == ["accuracy", "variance"]


@pytest.mark.parametrize("more", [[], ["--utility", "all"]])
def test_a_survey_that_is_too_large_leaves_no_folder(tmp_path, monkeypatch, capsys, more):
    call = caller(tmp_path, monkeypatch, capsys)
    told = call("survey", "--problems", 10**9, "-p", "kg", "--out", "big", *more).assert_refused()
    assert "too large" in told
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "command", ["curve p.toml", "survey --problems 2", "statics p.toml --vary beta", "run", "stress"]
)
def test_a_missing_dask_is_told_before_any_folder_is_made(tmp_path, monkeypatch, capsys, command):
    monkeypatch.setitem(sys.modules, "distributed", None)
    call = caller(tmp_path, monkeypatch, capsys, p="budget = 2\nthreshold = [0.5]\n")
    told = call(*command.split(), "--cluster", "tcp://127.0.0.1:1", "--out", "left").assert_refused()
    assert told.startswith("clusters need Dask, which is not installed; install seqaudit with its extra")
    assert {path.name for path in tmp_path.iterdir()} == {"p.toml"}
