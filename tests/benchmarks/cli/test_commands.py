"""Command line: what is printed, what a run folder keeps, how a run is taken up again, and how bad input is refused."""

from __future__ import annotations

import importlib.metadata
import json
import math
import re
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pandas as pd
import pytest
import xarray as xr
from matplotlib.figure import Figure
from oracles.command_line import Outcome, caller, tree
from oracles.stores import forget_part, part_names, stored_part, stored_parts

import seqaudit as sa
from seqaudit.bandits.policies.round_robin import RoundRobin
from seqaudit.benchmarks.replay.replay import replay_table
from seqaudit.benchmarks.runner import warm
from seqaudit.benchmarks.runner.folder import RunFolder
from seqaudit.benchmarks.runner.kept import DATASETS, JSON
from seqaudit.dp.exact.lattice import Lattice
from seqaudit.posteriors.foundation.memory import available_memory

PROBLEM = 'budget = 5\nthreshold = [0.5, 0.62, 0.75]\nweight = [1.0, 1.5, 2.0]\nname = ["even", "tilted", "hard"]\n'
VOTES = "item,rater,label\n" + "".join(
    f"{item},{rater},{label}\n"
    for item, labels in {"a": "1101", "b": "001", "c": "11010", "d": "00"}.items()
    for rater, label in enumerate(labels)
)
ITEMS = "item,logp_win,logp_lose,slice\na,-3,-2,long\nb,-1,-2,short\nc,-4,-2,long\ne,-4,-2,short\n"
SAVE_FIGURE = Figure.savefig
SEQAUDIT = Path(sys.executable).with_name("seqaudit")
REPLAY = ("replay", "votes.csv", "--budget", 6, "--jobs", 1)


def untimed(rows: list[dict]) -> list[dict]:
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run a command in a folder that holds a problem and label files. Figures, tested elsewhere, are left empty."""
    call = caller(tmp_path, monkeypatch, capsys)
    Path("problem.toml").write_text(PROBLEM)
    Path("votes.csv").write_text(VOTES)
    Path("items.csv").write_text(ITEMS)

    return call


@pytest.fixture
def interrupt():
    """Let Ctrl-C come when round robin is asked, until this is undone."""

    def stop(self, states):
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RoundRobin, "index", stop)
        # It calls every policy, to have the kernels compiled.
        patch.setattr(warm, "warm", lambda: None)
        yield patch


# compare


@pytest.mark.smoke
def test_compare_prints_the_comparison_of_the_problem_in_the_file(run):
    outcome = run("compare", "problem.toml", "-p", "kg", "-p", "round-robin", "--out", "run")
    assert outcome.status == 0
    expected = sa.compare(sa.Problem.from_toml("problem.toml"), ["kg", "round-robin"])
    rows = outcome.table()
    assert [row["policy"] for row in rows] == list(expected["policy"])
    assert [row["value"] for row in rows] == [f"{value:.10f}" for value in expected["value"]]
    shares = [float(row["share of possible gain"].removesuffix(" %")) for row in rows]
    assert shares == pytest.approx(list(100 * expected["share"]), abs=5.1e-4)
    regrets = {row["policy"]: row["regret"] for row in rows if "bound" not in row["policy"]}
    assert regrets["optimum"] == "0.0000000"
    assert float(regrets["kg"]) == pytest.approx(expected.set_index("policy").loc["kg", "regret"], abs=5.1e-8)
    assert outcome.out.splitlines()[0].strip() == "3 items, 5 labels, utility accuracy"
    assert outcome.out.splitlines()[-1] == "table, figure and inputs: run"


def test_package_runs_as_a_module():
    found = subprocess.run([sys.executable, "-m", "seqaudit", "--version"], capture_output=True, text=True, check=True)
    assert found.stdout == f"seqaudit {importlib.metadata.version('seqaudit')}\n"
    assert found.stderr == ""


def test_compare_without_a_file_uses_the_built_in_problem(run):
    # The README has the whole table.
    outcome = run("compare", "-p", "kg", "-p", "exact")
    assert outcome.status == 0
    policies = {row["policy"] for row in outcome.table()}
    assert policies == {"clairvoyant bound", "lagrangian bound", "optimum", "no labels", "kg", "exact"}
    (folder,) = Path("runs").iterdir()
    assert outcome.out.splitlines()[-1] == f"table, figure and inputs: {folder}"
    assert {path.name for path in folder.iterdir()} >= {"run.json", "problem.toml", "comparison.csv", "comparison.png"}
    # Progress goes to standard error, a line for each step.
    lines = outcome.err.splitlines()
    assert all(re.fullmatch(rf"comparing \d+/{len(lines)}: .+", line) for line in lines)
    assert {line.split(": ")[1] for line in lines} >= policies


def test_compare_prints_as_json_what_it_prints_as_a_table(run):
    shown = run("compare", "problem.toml", "--out", "shown").table()
    found = run("compare", "problem.toml", "--out", "printed", "--json").json
    assert found["run"] == "printed"
    assert found["problem"]["name"] == ["even", "tilted", "hard"]
    assert found["remarks"] == []
    policies = {"clairvoyant bound", "lagrangian bound", "optimum", "no labels", *sa.policy_names()}
    assert {row["policy"] for row in shown} == policies
    assert [(row["policy"], f"{row['value']:.10f}", f"{100 * row['share']:.3f} %") for row in found["rows"]] == [
        (row["policy"], row["value"], row["share of possible gain"]) for row in shown
    ]
    kept = pd.read_csv("printed/comparison.csv").to_dict(orient="records")
    assert kept == [pytest.approx(row) for row in found["rows"]]


def test_comparison_is_made_again_from_its_folder(run):
    first = run("compare", "problem.toml", "--out", "first", "--json").json
    again = run("compare", "first/problem.toml", "--out", "again", "--json").json
    assert untimed(again["rows"]) == untimed(first["rows"])
    record = json.loads(Path("first/run.json").read_text())
    assert record["inputs"]["problem"] == first["problem"]
    assert record["inputs"]["problem"]["weight"] == [1.0, 1.5, 2.0]


def test_share_that_is_not_a_number_is_null_in_json_and_a_dash_in_the_table(run):
    Path("linear.toml").write_text('budget = 4\nthreshold = [0.3, 0.6]\nutility = "linear"\n')
    found = run("compare", "linear.toml", "--out", "run", "--json").json
    assert all(row["share"] is None for row in found["rows"])
    assert [said.split(",")[0].split(":")[0] for said in found["remarks"]] == [
        "utility linear",
        "no policy can gain over buying no label",
    ]
    outcome = run("compare", "linear.toml", "--out", "run")
    assert outcome.out.startswith("note: utility linear: every policy has the same value")
    assert all(row["share of possible gain"] == "-" for row in outcome.table())


def test_regret_that_is_only_rounding_has_no_sign(run):
    command = ("compare", "problem.toml", "-p", "kg", "--out", "run")
    run(*command)
    best = json.loads(stored_part("run", "optimum"))["value"]
    folder = RunFolder(
        "run", **{key: json.loads(Path("run/run.json").read_text())[key] for key in ("command", "inputs")}
    )
    row = json.loads(stored_part("run", "kg")) | {"value": math.nextafter(best, 9)}
    folder.parts(["kg"], lambda _: None, JSON).keep("kg", row)
    regrets = {row["policy"]: row["regret"] for row in run(*command).table() if "bound" not in row["policy"]}
    assert regrets["kg"] == regrets["optimum"] == "0.0000000"


def test_compare_takes_up_what_is_finished(run, monkeypatch):
    first = run("compare", "problem.toml", "--out", "run", "--json").json
    evaluated = []
    monkeypatch.setattr(
        sys.modules["seqaudit.benchmarks.comparison.compare"],
        "evaluate",
        lambda problem, policy, **k: evaluated.append(policy.name) or sa.evaluate(problem, policy, **k),
    )
    forget_part("run", "kg")
    again = run("compare", "problem.toml", "--out", "run", "--json").json
    assert evaluated == ["kg"]
    assert untimed(again["rows"]) == untimed(first["rows"])


# solve


def test_solve_prints_value_first_label_and_states(run):
    outcome = run("solve", "problem.toml")
    solution = sa.solve(sa.Problem.from_toml("problem.toml"))
    lines = dict(re.split(r"\s{2,}", line, maxsplit=1) for line in outcome.out.splitlines())
    assert outcome.status == 0
    assert outcome.err == ""
    assert lines["optimal value"] == f"{solution.value:.12g}"
    assert lines["with no labels"] == f"{solution.prior_value:.12g}"
    assert lines["label first"] == " or ".join(["even", "tilted", "hard"][i] for i in solution.optimal_items())
    assert re.fullmatch(rf"{solution.states:,} in \d+\.\d\d s \({solution.engine}\)", lines["states"])
    found = run("solve", "problem.toml", "--json").json
    assert (found["value"], found["prior_value"], found["states"]) == (
        solution.value,
        solution.prior_value,
        solution.states,
    )
    assert found["engine"] == solution.engine
    assert " or ".join(found["first"]) == lines["label first"]
    assert not Path("runs").exists()


def test_solve_says_where_there_is_nothing_to_label(run):
    Path("none.toml").write_text("budget = 2\nthreshold = [0.5]\ncap = [0]\n")
    outcome = run("solve", "none.toml")
    assert outcome.status == 0
    assert "note: budget 2: the caps allow only 0 labels" in outcome.out
    assert re.search(r"label first +nothing", outcome.out)
    assert run("solve", "none.toml", "--json").json["first"] == []


# allocate


def test_allocate_prints_the_labels_of_each_item_and_what_shows_how_good_they_are(run):
    outcome = run("allocate", "problem.toml")
    problem = sa.Problem.from_toml("problem.toml")
    expected = sa.allocate(problem)
    assert (outcome.status, outcome.err) == (0, "")
    table = dict(re.findall(r"^ *(even|tilted|hard) +(\d+) ", outcome.out, re.MULTILINE))
    bought = {name: str(k) for name, k in zip(problem.name, expected.counts, strict=True) if k}
    assert table == bought
    assert f"value            {expected.value:.12g} ({expected.method}; " in outcome.out
    adaptive = sa.upper_bound(problem).value - expected.value
    assert f"adaptivity       worth at most {adaptive:.6g}\n" in outcome.out
    found = run("allocate", "problem.toml", "--json").json
    assert found["counts"] == expected.counts.tolist()
    assert found["defect"] == expected.defect.tolist()
    assert (found["value"], found["upper"], found["price"]) == (expected.value, expected.upper, expected.price)
    assert found["sequential_bound"] == sa.upper_bound(problem).value
    assert not Path("runs").exists()


def test_allocate_names_the_price_of_every_quota(run):
    Path("quota.toml").write_text("budget = 6\nthreshold = [0.5, 0.6]\n[[quota]]\nitems = [1]\nlabels = 5\n")
    outcome = run("allocate", "quota.toml")
    expected = sa.allocate(sa.Problem([0.5, 0.6], 6, quota=[([1], 5)]))
    assert expected.quota_prices[0] > 0
    assert f"quota 1          costs {expected.quota_prices[0]:.6g} a label\n" in outcome.out
    assert run("allocate", "quota.toml", "--json").json["quota_prices"] == list(expected.quota_prices)


def test_allocate_refuses_a_file_that_is_not_there(run):
    assert run("allocate", "nowhere.toml").assert_refused().startswith("nowhere.toml: No such file")


WHOLE = """budget = 4.5
threshold = [0.5, 0.6]
name = ["sky", "sea"]
cost = [1, 1.5]
reward = 0.25
utility = "none"
batch = 2
prior = {kind = "noisy-beta", a = 1, b = 1, flip = 0.1}

[[quota]]
items = ["sea"]
labels = 1
"""


def test_solve_names_batches_by_their_labels(run):
    Path("whole.toml").write_text(WHOLE)
    outcome = run("solve", "whole.toml")
    assert (outcome.status, outcome.err) == (0, "")
    solution = sa.solve(sa.Problem.from_toml("whole.toml"))
    names = {(2, 0): "2 sky", (1, 1): "1 sky + 1 sea", (0, 2): "2 sea"}
    expected = [names[tuple(batch)] for batch in solution.optimal_batches().tolist()]
    found = run("solve", "whole.toml", "--json").json
    assert found["first"] == expected
    assert found["value"] == solution.value
    assert found["engine"] == "batches"
    assert re.search(rf"label first +{re.escape(' or '.join(expected))}\n", outcome.out)
    assert found["problem"]["quota"] == [{"items": ["sea"], "labels": 1}]
    assert found["problem"]["prior"] == [{"kind": "noisy-beta", "a": 1.0, "b": 1.0, "flip": 0.1}] * 2


def test_compare_takes_costs_quotas_and_rewards(run):
    Path("whole.toml").write_text(WHOLE.replace("batch = 2\n", ""))
    found = run("compare", "whole.toml", "-p", "kg", "--out", "run", "--json").json
    problem = sa.Problem.from_toml("whole.toml")
    value = {row["policy"]: row["value"] for row in found["rows"]}
    assert value["optimum"] == sa.solve(problem).value
    assert value["kg"] == sa.evaluate(problem, sa.KnowledgeGradient()).value
    assert sa.Problem.from_toml("run/problem.toml") == problem


def test_solve_saves_the_policy_to_a_folder(run):
    outcome = run("solve", "problem.toml", "--save-policy", "policy")
    assert outcome.status == 0
    assert outcome.out.splitlines()[-1].split() == ["policy", "policy"]
    problem = sa.Problem.from_toml("problem.toml")
    loaded, kept = sa.load_policy("policy"), sa.solve(problem, keep_policy=True)
    assert loaded.problem == problem
    assert loaded.value == kept.value
    assert loaded.optimal_items([1, 0, 0], [1, 0, 0]).tolist() == kept.optimal_items([1, 0, 0], [1, 0, 0]).tolist()
    before = tree(Path())
    line = run("solve", "problem.toml", "--save-policy", "policy").assert_refused()
    assert line == "policy exists; give the path of a new folder"
    assert tree(Path()) == before


def test_policy_of_batches_cannot_be_saved(run):
    Path("whole.toml").write_text(WHOLE)
    refused(run, "needs labels bought one at a time", "solve", "whole.toml", "--save-policy", "policy")
    assert not Path("policy").exists()


# replay


def test_replay_prints_what_replay_returns(run):
    outcome = run(*REPLAY, "--out", "run", "-p", "kg", "-p", "round-robin", "--seeds", 4, "--seed", 3)
    assert outcome.status == 0
    result = sa.replay(sa.read_labels("votes.csv"), ["kg", "round-robin"], budget=6, seed=3, replications=4)
    expected = replay_table(result).to_dict(orient="records")
    for row, there in zip(outcome.table(), expected, strict=True):
        assert row["policy"] == there["policy"]
        for column, key, digits in (
            ("decided right", "decision_accuracy", 4),
            ("against round-robin", "versus", 4),
            ("decisive .05", "decisive_05", 4),
            ("mass error", "mass_error", 1),
        ):
            assert row[column] == f"{there[key]:.{digits}f} ± {there[f'{key}_se']:.{digits}f}"
    lines = outcome.out.splitlines()
    assert lines[0].strip() == "votes.csv: 4 items, 6 of 14 votes, 4 shuffles, utility accuracy"
    assert lines[-2].startswith(f"by all votes: mass {result.attrs['true_mass']:.1f}, ")
    assert lines[-1] == "table, figure, curves and inputs: run"
    assert outcome.err.splitlines() == ["replaying 1/2: kg", "replaying 2/2: round-robin"]
    for name in ("kg", "round-robin"):
        part = DATASETS.load(stored_part("run", name))
        xr.testing.assert_equal(part.drop_vars("seconds"), result.sel(policy=[name]).drop_vars("seconds"))


def test_replay_prints_as_json_what_it_prints_as_a_table(run):
    shown = run(*REPLAY, "--items", "items.csv", "--out", "shown").table()
    found = run(*REPLAY, "--items", "items.csv", "--out", "printed", "--json").json
    rows = found["rows"]
    assert {row["policy"] for row in rows} == {x for x in sa.policy_names() if not sa.make_policy(x).planning}
    columns = {"policy": "{policy}", "override mass": "{override_mass:.1f} ± {override_mass_se:.1f}"}
    columns |= {"decided right": "{decision_accuracy:.4f} ± {decision_accuracy_se:.4f}"}
    columns |= {"labels long": "{labels_long:.0f}", "labels short": "{labels_short:.0f}"}
    for row, there in zip(shown, rows, strict=True):
        assert {column: row[column] for column in columns} == {c: text.format(**there) for c, text in columns.items()}
    assert found["inputs"]["seed"] == 7
    kept = pd.read_csv("printed/replay.csv").to_dict(orient="records")
    assert kept == [pytest.approx(row) for row in rows]


def test_replay_draws_its_figure(run, monkeypatch):
    monkeypatch.setattr(Figure, "savefig", SAVE_FIGURE)
    run(*REPLAY, "-p", "kg", "--out", "run")
    assert Path("run/replay.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_replay_of_one_shuffle_has_no_standard_errors(run):
    outcome = run(*REPLAY, "--seeds", 1, "-p", "kg", "--out", "run")
    assert outcome.status == 0
    assert re.fullmatch(r"\d\.\d{4}", outcome.table()[0]["decided right"])
    assert "against round-robin" not in outcome.out
    rows = run(*REPLAY, "--seeds", 1, "-p", "kg", "--out", "run", "--json").json["rows"]
    assert rows[0]["decision_accuracy_se"] is None


def test_replay_records_inputs_seed_and_what_the_files_held(run):
    options = ["--beta", 2, "--utility", "entropy", "--prior", 2, 3, "-p", "kg", "-p", "exact"]
    run(*REPLAY, "--items", "items.csv", *options, "--out", "run")
    record = json.loads(Path("run/run.json").read_text())
    inputs = record["inputs"]
    assert record["command"] == "replay"
    assert (inputs["seed"], inputs["budget"], inputs["replications"], inputs["beta"]) == (7, 6, 5, 2.0)
    assert (inputs["prior"], inputs["utility"], inputs["threshold"]) == ([2.0, 3.0], "entropy", None)
    assert inputs["policies"] == ["kg", "exact"]
    assert inputs["labels"]["file"] == "votes.csv"
    assert len(inputs["items"]["sha256"]) == 64
    assert record["versions"]["seqaudit"]


def test_options_of_replay_reach_the_replay(run):
    options = ["--items", "items.csv", "--beta", 2, "--utility", "decisive", "--prior", 2, 3, "-p", "optimistic-kg"]
    rows = run(*REPLAY, *options, "--seeds", 3, "--seed", 11, "--out", "run", "--json").json["rows"]
    result = sa.replay(
        sa.read_labels("votes.csv", "items.csv"),
        ["optimistic-kg"],
        budget=6,
        seed=11,
        replications=3,
        beta=2.0,
        utility="decisive",
        prior=(2.0, 3.0),
    )
    assert untimed(rows) == untimed(replay_table(result).to_dict(orient="records"))
    rows = run(*REPLAY, "--threshold", 0.7, "-p", "kg", "--seeds", 2, "--out", "other", "--json").json["rows"]
    result = sa.replay(sa.read_labels("votes.csv"), ["kg"], budget=6, seed=7, replications=2, threshold=0.7)
    assert untimed(rows) == untimed(replay_table(result).to_dict(orient="records"))


def test_same_command_gives_the_same_results(run):
    command = [*REPLAY, "-p", "uniform", "-p", "kg", "-p", "exact"]
    first, second = (run(*command, "--out", name, "--json").json for name in ("first", "second"))
    assert untimed(second["rows"]) == untimed(first["rows"])
    for name in part_names("first"):
        datasets = [DATASETS.load(stored_part(folder, name)) for folder in ("first", "second")]
        xr.testing.assert_identical(*(data.drop_vars("seconds") for data in datasets))


def test_replay_recomputes_only_the_part_that_is_missing(run, monkeypatch):
    command = [*REPLAY, "-p", "uniform", "-p", "kg", "-p", "round-robin", "--out", "run", "--json"]
    first = run(*command).json
    before = stored_parts("run")
    forget_part("run", "kg")
    module = sys.modules["seqaudit.benchmarks.replay.replay"]
    honest, replayed = module._replay_one, []
    monkeypatch.setattr(
        module, "_replay_one", lambda p, policy, *a: replayed.append(policy.name) or honest(p, policy, *a)
    )
    again = run(*command).json
    assert replayed == ["kg"]
    assert untimed(again["rows"]) == untimed(first["rows"])
    assert {key: value for key, value in again.items() if key != "rows"} == {
        key: value for key, value in first.items() if key != "rows"
    }
    after = stored_parts("run")
    assert after.keys() == before.keys()
    assert {name for name in after if after[name] != before[name]} <= {"kg"}


def test_interrupted_replay_goes_on_where_it_stopped(run, interrupt):
    names = ["kg", "round-robin", "uniform"]
    command = [*REPLAY, *(x for name in names for x in ("-p", name))]
    stopped = run(*command, "--out", "run")
    assert (stopped.status, stopped.out) == (130, "")
    *progress, last = stopped.err.splitlines()
    assert progress == ["replaying 1/3: kg"]
    assert last.startswith("seqaudit: interrupted; finished parts are kept")
    assert part_names("run") == {"kg"}
    assert not Path("run/replay.csv").exists()
    interrupt.undo()
    whole, resumed = (run(*command, "--out", name, "--json").json for name in ("whole", "run"))
    assert untimed(resumed["rows"]) == untimed(whole["rows"])


def test_interrupted_compare_goes_on_where_it_stopped(run, interrupt):
    stopped = run("compare", "problem.toml", "-p", "kg", "-p", "round-robin", "--out", "run")
    assert (stopped.status, stopped.out) == (130, "")
    assert [line for line in stopped.err.splitlines() if not line.startswith("comparing ")] == [
        "seqaudit: interrupted; finished parts are kept, and --out with the same folder goes on"
    ]
    assert "kg" in part_names("run")
    assert "round-robin" not in part_names("run")
    interrupt.undo()
    whole, resumed = (
        run("compare", "problem.toml", "-p", "kg", "-p", "round-robin", "--out", name, "--json").json
        for name in ("whole", "run")
    )
    assert untimed(resumed["rows"]) == untimed(whole["rows"])


def test_interrupted_solve_says_so(run, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules["seqaudit.benchmarks.cli.commands.solve"], "solve_problem", stop)
    outcome = run("solve", "problem.toml")
    assert (outcome.status, outcome.out) == (130, "")
    (line,) = outcome.err.splitlines()
    assert line.startswith("seqaudit: interrupted")


def test_folder_of_another_run_is_refused_and_left_alone(run):
    run(*REPLAY, "-p", "kg", "--out", "run")
    before = tree(Path("run"))
    changed = run(*REPLAY, "-p", "kg", "--seed", 8, "--out", "run")
    assert changed.assert_refused() == "run holds another run: seed was 7, now 8; give another folder"
    assert 'policies entry 1 was "kg", now "uniform"' in run(*REPLAY, "-p", "uniform", "--out", "run").assert_refused()
    assert 'was "replay", now "compare"' in run("compare", "problem.toml", "--out", "run").assert_refused()
    Path("votes.csv").write_text(VOTES.replace("d,1,0", "d,1,1"))
    assert "labels sha256 was" in run(*REPLAY, "-p", "kg", "--out", "run").assert_refused()
    assert tree(Path("run")) == before
    assert "exists and is not a run folder" in run("compare", "problem.toml", "--out", ".").assert_refused()


def test_items_without_rows_are_counted_in_one_note(run):
    outcome = run(*REPLAY, "--items", "items.csv", "-p", "kg", "--out", "run")
    assert outcome.status == 0
    notes = [line for line in outcome.out.splitlines() if line.startswith("note: ")]
    assert notes == [
        "note: 1 items have labels but no row in items.csv: left out",
        "note: 1 items in items.csv have no labels: left out",
    ]
    found = run(*REPLAY, "--items", "items.csv", "-p", "kg", "--out", "run", "--json").json
    assert [f"note: {remark}" for remark in found["remarks"]] == notes


def test_strict_refuses_items_without_rows(run):
    Path("items.csv").write_text(ITEMS + "d,-1,-1,short\n")
    assert run(*REPLAY, "--items", "items.csv", "-p", "kg", "--strict", "--out", "run").status == 0
    Path("items.csv").write_text(ITEMS)
    before = tree(Path())
    line = run(*REPLAY, "--items", "items.csv", "-p", "kg", "--strict", "--out", "other").assert_refused()
    assert line == (
        "votes.csv, line 14: item 'd' has no row in items.csv; without a row: 1 of 4 items; allowed: none when strict"
    )
    assert tree(Path()) == before


def test_names_are_printed_as_they_are_and_not_as_markup(run):
    Path("items.csv").write_text(ITEMS.replace("long", "[/x]").replace("short", "[red] :smile:"))
    outcome = run(*REPLAY, "--items", "items.csv", "-p", "kg", "--out", "run")
    assert outcome.status == 0
    assert "labels [/x]" in outcome.out
    assert "labels [red] :smile:" in outcome.out
    Path("[bold]votes.csv").write_text(VOTES)
    outcome = run("replay", "[bold]votes.csv", "--budget", 3, "--jobs", 1, "-p", "kg", "--out", "other")
    assert outcome.out.startswith("[bold]votes.csv: 4 items, ")


def test_narrow_terminal_shows_a_bar_and_never_cuts_a_number(run, monkeypatch):
    command = [*REPLAY, "--items", "items.csv", "-p", "kg", "-p", "round-robin", "--out", "run"]
    plain = run(*command)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "40")
    outcome = run(*command)
    assert "replaying 1/" not in outcome.err
    assert "━" in outcome.err
    colourless = Outcome(0, re.sub(r"\x1b\[[0-9;]*m", "", outcome.out), "")
    assert colourless.table() == plain.table()


# bad input

TOO_LARGE = "budget = 140\nthreshold = [0.5, 0.6, 0.7, 0.4, 0.2, 0.1, 0.8, 0.9]\n"
BAD_VOTES = {
    "no column 'label'": "item,rater,vote\na,r,1\n",
    "label of item 'a' is '2'; allowed: 0 or 1": "item,rater,label\na,r,1\na,s,2\n",
    "label of item 'b' is 'nan'; allowed: 0 or 1": "item,rater,label\na,r,1\nb,r,nan\n",
    "rater 'r' has already labelled item 'a' on line 2": "item,rater,label\na,r,1\na,r,0\n",
    "the file is empty": "",
    "no rows after the header": "item,rater,label\n",
    "2 fields in a row that begins with 'a'; allowed: 3": "item,rater,label\na,r\n",
}
BAD_ITEMS = {
    "weight of item 'b' is 'nan'": "item,c,weight\na,1,1\nb,1,nan\n",
    "threshold of item 'b' is '0'": "item,threshold\na,0.5\nb,0\n",
    "threshold of item 'a' is '1.0'": "item,threshold\na,1.0\n",
    "c of item 'a' is 'inf'": "item,c\na,inf\n",
    "no column says where the thresholds lie": "item,weight\na,1\n",
    "item 'a' has a row already on line 2": "item,c\na,1\na,2\n",
}
BAD_PROBLEMS = {
    "not valid TOML": "budget = 5\nthreshold = [0.5\n",
    "budget is 0; it must be a whole number": "budget = 0\nthreshold = [0.5]\n",
    "threshold of item 1 is 0.0": "budget = 5\nthreshold = [0.0, 0.5]\n",
    "threshold of item 2 is 1.0": "budget = 5\nthreshold = [0.5, 1]\n",
    "weight of item 1 is nan": "budget = 5\nthreshold = [0.5]\nweight = [nan]\n",
    "utility is 'acuracy'; allowed: accuracy, ": 'budget = 5\nthreshold = [0.5]\nutility = "acuracy"\n',
    "the key budget is missing": "threshold = [0.5]\n",
    "thresholds is not a key; did you mean threshold?": "budget = 5\nthresholds = [0.5]\n",
    "give the thresholds once": "budget = 5\nbeta = 1\n",
    "problem too large for an exact solution: at least ": TOO_LARGE,
}
BAD_ARGUMENTS = {
    "policy 'kq' is not known; did you mean 'kg'?": (*REPLAY, "-p", "kq"),
    "policy 'round-robbin' is not known; did you mean 'round-robin'?": (
        "compare",
        "problem.toml",
        "-p",
        "round-robbin",
    ),
    "policy 'kg' is given 2 times": ("compare", "problem.toml", "-p", "kg", "-p", "kg"),
    "nowhere.toml: No such file": ("compare", "nowhere.toml"),
    "nowhere.csv: there is no such file": ("replay", "nowhere.csv", "--budget", 3),
    "nothing.csv: there is no such file": (*REPLAY, "--items", "nothing.csv"),
    "budget is 0; it must be a whole number": ("replay", "votes.csv", "--budget", 0),
    "budget is 15, but the pools hold 14 votes": ("replay", "votes.csv", "--budget", 15),
    "threshold is 0.0; it must lie strictly between 0 and 1": (*REPLAY, "--threshold", 0),
    "threshold is 1.0; it must lie strictly between 0 and 1": (*REPLAY, "--threshold", 1),
    "threshold is nan; it must lie strictly between 0 and 1": (*REPLAY, "--threshold", "nan"),
    "'--threshold': must be a number": (*REPLAY, "--threshold", "half"),
    "--prior is '1,1,1'; it must be of the form A,B": (*REPLAY, "--prior", "1,1,1"),
    "'--seeds': must be a whole number": (*REPLAY, "--seeds", 2.5),
    "votes.csv/policy cannot be written: votes.csv is not a folder": (
        "solve",
        "problem.toml",
        "--save-policy",
        "votes.csv/policy",
    ),
    "beta is 0": (*REPLAY, "--items", "items.csv", "--beta", 0),
    "beta is given, but there are no log-ratios": (*REPLAY, "--beta", 1),
    "the items file has log-ratios: use beta": (*REPLAY, "--items", "items.csv", "--threshold", 0.5),
    "prior b of a is 0.0": (*REPLAY, "--prior", 1, 0),
    "utility is 'acuracy'; allowed: accuracy, ": (*REPLAY, "--utility", "acuracy"),
    "--seeds is 0; it must be a whole number, at least 1": (*REPLAY, "--seeds", 0),
    "--jobs is 0": ("replay", "votes.csv", "--budget", 3, "--jobs", 0),
    "--jobs is -7": ("replay", "votes.csv", "--budget", 3, "--jobs", -7),
    "--utility is '{nme'; allowed: a name, or a table such as": (*REPLAY, "--utility", "{nme"),
    "'--seed'": (*REPLAY, "--seed", -1),
    "'--budget'": ("replay", "votes.csv", "--budget", "many"),
    "Missing option '--budget'": ("replay", "votes.csv"),
    "Missing argument 'LABELS.csv[.gz]'": ("replay", "--budget", 3),
    "Missing argument 'PROBLEM.toml'": ("solve",),
    "No such option: --bugdet": ("replay", "votes.csv", "--bugdet", 3),
    "No such option: --frobnicate": ("compare", "--frobnicate"),
    "unexpected extra argument": ("solve", "problem.toml", "problem.toml"),
    "No such command 'comapre'": ("comapre",),
}


def refused(run, expected: str, *arguments) -> None:
    before = tree(Path())
    begin = time.perf_counter()
    assert expected in run(*arguments).assert_refused()
    assert time.perf_counter() - begin < 5
    assert tree(Path()) == before, "no run folder is left behind"
    if arguments[0] in ("compare", "replay"):
        assert expected in run(*arguments, "--out", "run").assert_refused()
        assert tree(Path()) == before


@pytest.mark.parametrize("expected", BAD_VOTES)
def test_bad_label_file_is_refused_in_one_line(run, expected):
    Path("votes.csv").write_text(BAD_VOTES[expected])
    refused(run, expected, "replay", "votes.csv", "--budget", 1)


@pytest.mark.parametrize("expected", BAD_ITEMS)
def test_bad_items_file_is_refused_in_one_line(run, expected):
    Path("items.csv").write_text(BAD_ITEMS[expected])
    refused(run, expected, *REPLAY, "--items", "items.csv")


@pytest.mark.parametrize("expected", BAD_PROBLEMS)
def test_bad_problem_file_is_refused_in_one_line(run, expected):
    Path("problem.toml").write_text(BAD_PROBLEMS[expected])
    refused(run, expected, "compare", "problem.toml")
    refused(run, expected, "solve", "problem.toml")


@pytest.mark.parametrize("expected", BAD_ARGUMENTS)
def test_bad_arguments_are_refused_in_one_line(run, expected):
    refused(run, expected, *BAD_ARGUMENTS[expected])


def test_problem_called_too_large_is_so_by_a_factor_of_a_million(run):
    Path("problem.toml").write_text(TOO_LARGE)
    lattice = Lattice.of(sa.Problem.from_toml("problem.toml"))
    assert 8 * max(lattice.layer_states) > 1e6 * available_memory()


def test_exact_policy_on_too_large_a_data_set_is_refused_before_the_replay(run):
    rows = "".join(f"i{i},r{r},{(i + r) % 2}\n" for i in range(100) for r in range(20))
    Path("votes.csv").write_text("item,rater,label\n" + rows)
    refused(run, "problem too large", "replay", "votes.csv", "--budget", 1500, "-p", "exact")


def test_each_fault_is_one_line(run):
    Path("votes.csv").write_text('item,rater,label\n"two\nlines",r,1\nb,r,0\n')
    must = "it must be positive and finite"
    assert run("replay", "votes.csv", "--budget", 1, "--prior", "0,1").faults() == [
        rf"prior a of two\nlines is 0.0; {must}",
        f"prior a of b is 0.0; {must}",
    ]


COMMANDS = ("compare", "solve", "allocate", "replay", "certify", "curve", "survey")


@pytest.mark.parametrize("arguments", [(), ("--help",), *((name, "--help") for name in COMMANDS)])
def test_help_goes_to_standard_output(run, arguments):
    outcome = run(*arguments)
    assert (outcome.status, outcome.err) == (0, "")
    assert outcome.out.lstrip().startswith("Usage: ")


# real processes


def test_installed_command_keeps_standard_output_for_the_result(run):
    done = subprocess.run(
        [SEQAUDIT, "compare", "problem.toml", "--json"], capture_output=True, text=True, timeout=120, check=True
    )
    found = {row["policy"]: row["value"] for row in json.loads(done.stdout)["rows"]}
    expected = sa.compare(sa.Problem.from_toml("problem.toml"))
    assert found == dict(zip(expected["policy"], expected["value"], strict=True))
    assert all(line.startswith("comparing ") for line in done.stderr.splitlines())
    (figure,) = Path("runs").glob("compare-*/comparison.png")
    assert figure.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_what_a_solver_prints_does_not_get_into_the_result(run):
    # HiGHS has something to say while it allocates this.
    Path("loud.toml").write_text(
        "budget = 38\ncap = 3\n"
        "threshold = [0.2043, 0.7853, 0.4878, 0.5642, 0.9062, 0.3289, 0.9236, 0.1077, 0.2249, 0.0857, 0.246, 0.7056, "
        "0.7515]\nweight = [0.643, 0.577, 0.617, 0.847, 1.725, 1.067, 0.712, 3.574, 0.603, 1.037, 0.823, 0.785, 2.664]"
        "\ncost = [0.5, 0.5, 2.0, 0.5, 0.5, 0.5, 0.5, 0.5, 3.0, 0.5, 2.0, 3.0, 1.0]\n"
        "[[quota]]\nitems = [1]\nlabels = 0\n"
    )
    done = subprocess.run(
        [SEQAUDIT, "allocate", "loud.toml", "--json"], capture_output=True, text=True, timeout=120, check=True
    )
    assert json.loads(done.stdout)["counts"] == sa.allocate(sa.Problem.from_toml("loud.toml")).counts.tolist()
    shown = subprocess.run([SEQAUDIT, "--version"], capture_output=True, text=True, timeout=120, check=True)
    assert (shown.stdout, shown.stderr) == (f"seqaudit {importlib.metadata.version('seqaudit')}\n", "")


def test_installed_command_refuses_bad_input_without_a_traceback(run):
    done = subprocess.run(
        [SEQAUDIT, "compare", "nowhere.toml"], capture_output=True, text=True, timeout=120, check=False
    )
    assert Outcome(done.returncode, done.stdout, done.stderr).assert_refused().startswith("nowhere.toml: No such file")
    assert not Path("runs").exists()


def test_installed_command_keeps_what_is_finished_when_it_is_interrupted(run):
    rows = "".join(f"i{i},r{r},{int(r % 10 < i % 10)}\n" for i in range(300) for r in range(20))
    Path("votes.csv").write_text("item,rater,label\n" + rows)
    command = ["replay", "votes.csv", "--budget", "5000", "--jobs", "1", "--seeds", "10", "--out", "run"]
    # A shell that starts work in the background has children ignore the signal.
    heed = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([SEQAUDIT, *command], text=True, preexec_fn=heed, **pipes) as process:
        first = re.fullmatch(r"replaying 1/\d+: (.+)\n", process.stderr.readline())
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=120)
    assert (process.returncode, out) == (130, "")
    assert err.splitlines()[-1].startswith("seqaudit: interrupted")
    assert "Traceback" not in err
    assert first[1] in part_names("run")
    assert not any(name.endswith(".part") for name in tree(Path("run")))


def test_version_is_that_of_the_package(run):
    assert run("--version").out == f"seqaudit {importlib.metadata.version('seqaudit')}\n"


def test_utility_may_be_a_table_with_its_parameters(run):
    rows = run(*REPLAY, "-p", "kg", "--utility", '{name="asymmetric", gain=1, loss=3}', "--json").json["rows"]
    utility = sa.Asymmetric(gain=1, loss=3)
    result = sa.replay(sa.read_labels("votes.csv"), ["kg"], budget=6, seed=7, utility=utility)
    assert untimed(rows) == untimed([dict(row.items()) for row in replay_table(result).to_dict("records")])


def test_replay_says_what_no_labels_would_decide(run):
    result = sa.replay(sa.read_labels("votes.csv"), ["kg"], budget=6, seed=7)
    accuracy = float(result["decision_accuracy"].isel(labels=0).mean())
    assert f"\nwith no labels: decided right {accuracy:.4f}, " in run(*REPLAY, "-p", "kg").out
