"""Runs of studies: only missing cells, the same on any number of workers and in any order, and what can go wrong."""

from __future__ import annotations

import json
import math
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from oracles.clusters import LocalCluster

import seqaudit as sa
from seqaudit.benchmarks.runner.lock import alone_in
from seqaudit.benchmarks.studies.cells import Environment, runs
from seqaudit.benchmarks.studies.generators import drawn_problems
from seqaudit.benchmarks.studies.label_pools import LabelPools
from seqaudit.benchmarks.studies.run_study import compute_cells, missing_jobs, open_study
from seqaudit.benchmarks.studies.sources import Stated, words_of

FIELDS = {
    "name": "small",
    "seed": 5,
    "replications": 30,
    "checkpoints": 2,
    "policies": ["kg", "round-robin", "thompson"],
    "metrics": ["decision-accuracy", "decisive-mass(eps=0.1)"],
    "problem": [
        {"name": "one", "threshold": [0.5, 0.6, 0.7], "budget": 6},
        {"name": "two", "c": [0.5, -1.0], "beta": 1.0, "budget": 5, "prior": [2, 1]},
    ],
    "cross": {"utility": ["accuracy", "variance"]},
}
VOTES = "item,rater,label\n" + "".join(f"{i},{j},{(i * j + j) % 3 % 2}\n" for i in range(4) for j in range(5))
FAILING = """
import seqaudit as sa


class Failing(sa.IndexPolicy):
    name = "failing"

    def index(self, states):
        if states.labels.max() > 1:
            raise ArithmeticError("no more than\\none label")
        return -states.labels
"""


def study(**changes) -> sa.Study:
    return sa.make_study(FIELDS | changes)


def cells(folder) -> dict[str, tuple]:
    """Cells of a run folder without the time that they took."""
    with closing(sqlite3.connect(Path(folder, "run.sqlite"))) as store:
        rows = store.execute("SELECT key, name, inputs, status, form, result FROM cells").fetchall()
    return {row[0]: row[1:] for row in rows}


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """Cells of the study by one process."""
    return cells(sa.run_study(study(), tmp_path_factory.mktemp("reference") / "run"))


def test_cells_are_those_of_the_outline(reference):
    outline = study().outline
    assert {plan.key: plan.name for plan in outline.plans()} == {key: row[0] for key, row in reference.items()}
    assert outline.size == len(reference) == 4 * (1 + 3 * 30) + 4 * 3
    assert len({row[0] for row in reference.values()}) == len(reference)


@pytest.mark.parametrize("jobs", [2, 3])
def test_workers_do_not_matter(reference, tmp_path, jobs):
    assert cells(sa.run_study(study(), tmp_path / "run", n_jobs=jobs)) == reference


def test_order_and_company_do_not_matter(reference, tmp_path):
    """Every policy and problem alone, backwards, with other replications at once: each cell is the same."""
    for policy in reversed(FIELDS["policies"]):
        for problem in reversed(FIELDS["problem"]):
            one = study(policies=[policy], problem=[problem], replications=7)
            for key, row in cells(sa.run_study(one, tmp_path / f"{policy} {problem['name']}")).items():
                assert reference[key] == row
    environment = study().environments[0]
    alone = runs(environment, sa.KnowledgeGradient(), study().metrics, [3, 6], 5, [17])
    together = runs(environment, sa.KnowledgeGradient(), study().metrics, [3, 6], 5, [3, 17, 5])
    assert alone[17].result == together[17].result


def test_only_missing_cells_are_computed(reference, tmp_path):
    folder = sa.run_study(study(replications=10, policies=["kg"]), tmp_path / "run")
    before = cells(folder)
    asked: list[str] = []
    with open_study(study(), folder) as run:
        compute_cells(study(), run, 1, asked.append)
        assert not missing_jobs(study(), run)
    # The rest of kg's runs, two parts of each other policy, and exact values of these.
    assert len(asked) == 4 * (2 + 2 * 2) + 8
    assert not any(name.endswith(("reference", "kg | exact")) for name in asked)
    assert cells(folder) == reference
    assert before.items() <= reference.items()


def test_a_study_may_shrink_and_the_rest_is_left_out(tmp_path):
    folder = sa.run_study(study(replications=4), tmp_path / "run")
    everything = cells(folder)
    sa.run_study(study(replications=2, policies=["kg"], cross={}), folder)
    results = sa.StudyResults.of(folder)
    assert (results.outline.size, results.missing) == (2 * (1 + 2) + 2, 0)
    assert everything.items() < cells(folder).items()
    assert results.others == len(everything)


def test_draws_are_shared_by_policies_and_axes_and_differ_otherwise():
    environments = {x.name: x for x in study().environments}
    one = environments["one, utility=accuracy"]
    draws = one.source.draws(one.case, 5, range(40))
    other_axis = environments["one, utility=variance"]
    assert np.array_equal(draws.labels.rate, other_axis.source.draws(other_axis.case, 5, range(40)).labels.rate)
    for seed, name in ((6, "one, utility=accuracy"), (5, "two, utility=accuracy")):
        other = environments[name]
        assert not np.isin(other.source.draws(other.case, seed, range(40)).labels.rate, draws.labels.rate).any()
    assert len(np.unique(draws.labels.rate)) == 120
    later = one.source.draws(one.case, 5, [39, 7])
    assert np.array_equal(later.labels.rate, draws.labels.rate[[39, 7]])
    assert np.array_equal(later.keys, draws.keys[[39, 7]])


def test_payoffs_have_the_exact_value_as_mean_and_exact_cells_are_it(tmp_path):
    one = study(replications=400, policies=["kg", "uniform"], metrics=["decision-accuracy"])
    results = sa.StudyResults.of(sa.run_study(one, tmp_path / "run"))
    environments = {x.name: x for x in one.environments}
    assert len(results.groups) == 8
    for group in results.groups:
        problem = environments[group.environment].problem
        value = sa.evaluate(problem, sa.make_policy(group.policy)).value
        assert group.value == value
        payoff = group.columns["payoff"][:, -1]
        assert abs(payoff.mean() - value) < 4 * payoff.std(ddof=1) / 20 + 1e-12
        reference = results.references[group.environment]
        assert (reference.least, reference.most) == (problem.prior_value, sa.solve(problem).value)
        # Net of chance far less varies than by chance.
        simulated = sa.simulate(problem, group.policy, replications=400, seed=1).values
        assert payoff.std() < 0.8 * simulated.std()
        if problem.utility.name == "accuracy":
            # Decisions by the posterior are right as often as it says: the metric has the payoff as its mean.
            right = group.columns["decision-accuracy"][:, -1] * problem.weight.sum()
            assert abs(right.mean() - value) < 4 * right.std(ddof=1) / 20


def test_large_problems_are_held_against_the_bound(tmp_path):
    problem = {"name": "large", "threshold": np.linspace(0.3, 0.8, 30).tolist(), "budget": 60}
    one = study(problem=[problem], replications=6, policies=["kg"], cross={})
    results = sa.StudyResults.of(sa.run_study(one, tmp_path / "run"))
    (reference,) = results.references.values()
    assert not reference.is_exact
    assert reference.most == pytest.approx(sa.upper_bound(one.environments[0].problem).value, abs=0)
    (group,) = results.groups
    assert group.value is None
    assert (group.columns["payoff"] <= reference.most + 1e-9).all()


def test_natures_move_the_truth_and_not_the_planner(tmp_path):
    natures = ["prior", {"name": "flipped", "strength": 0.0}, {"name": "flipped", "strength": 0.4}]
    natures += [{"name": "shifted", "strength": 2.0}, {"name": "flat", "strength": 1.0}]
    problem = {"name": "one", "threshold": [0.5, 0.6, 0.7, 0.4], "budget": 24, "prior": [3, 2]}
    fields = {"replications": 300, "policies": ["round-robin"], "metrics": ["decision-accuracy", "oracle-welfare"]}
    one = study(problem=[problem], cross={"nature": natures}, **fields)
    right, wins, references = {}, {}, {}
    folder = sa.run_study(one, tmp_path / "run")
    results = sa.StudyResults.of(folder)
    for group in results.groups:
        right[group.environment.partition("nature=")[2]] = group.columns["decision-accuracy"][:, -1].mean()
        wins[group.environment.partition("nature=")[2]] = group.columns["oracle-welfare"][:, -1].mean()
    references = {name.partition("nature=")[2]: x.most for name, x in results.references.items()}
    flipped, shifted, flat = "flipped(strength=0.4)", "shifted(strength=2.0)", "flat(strength=1.0)"
    assert right["prior"] == right["flipped(strength=0.0)"]
    # Truth is that of the rates, not of the labels: with labels that are almost noise it is as before.
    assert wins[flipped] == pytest.approx(wins["prior"], abs=0.3)
    assert right[flipped] < right["prior"] - 0.1
    assert wins[shifted] > wins["prior"] + 0.5
    assert 0 < right["prior"] - right[flat] < 0.1
    assert references["prior"] is not None
    assert references[flipped] is references[shifted] is references[flat] is None
    by_flat = next(x for x in one.environments if x.name.endswith(flat)).problem
    assert by_flat.prior.tolist() == [[1.0, 1.0]] * 4


def test_noisy_priors_have_the_truth_of_their_rates():
    problem = sa.Problem([0.5], budget=4, prior=[sa.NoisyBeta(8, 2, 0.45)])
    source = Stated("noisy", problem)
    draws = source.draws(source.case({}), 3, range(400))
    # P(alpha > 1/2) is .98, and labels are nearly even.
    assert draws.truth.mean() > 0.95
    assert np.abs(draws.labels.rate - 0.5).max() <= 0.05 + 1e-12


def test_draws_go_by_a_problems_name_and_not_by_the_last_bits_of_its_numbers():
    """Processors differ in the last bits, as of exponentials."""

    def draws(name: str, weight: float):
        source = Stated(name, sa.Problem([0.5, 0.7], budget=4, weight=[1.0, weight]))
        found = source.draws(source.case({}), 3, range(5))
        return found.labels.rate.tolist(), found.keys.tolist()

    assert draws("one", 2.0) == draws("one", np.nextafter(2.0, 3.0)) != draws("two", 2.0)


def test_generated_weights_are_exponentials_of_the_standard_library():
    table = {"generator": "log-ratios", "items": 500, "labels_per_item": 2, "weight_spread": 1.5}
    ((_, problem),) = drawn_problems("p", table, seed=7)
    rng = np.random.default_rng(np.random.SeedSequence(7, spawn_key=(*words_of("p"), 0)))
    rng.integers(500, 501)
    assert problem.weight.tolist() == [math.exp(x) for x in (1.5 * rng.standard_normal(500)).tolist()]


def test_pools_are_bought_without_replacement_and_scored_by_all_votes(tmp_path):
    Path(tmp_path, "votes.csv").write_text(VOTES)
    votes = sa.read_labels(tmp_path / "votes.csv")
    problem = {"name": "pool", "labels": str(tmp_path / "votes.csv"), "labels_per_item": 5}
    metrics = ["decision-accuracy", "welfare-error", "oracle-welfare"]
    one = study(problem=[problem], replications=3, policies=["kg", "uniform"], metrics=metrics, cross={})
    results = sa.StudyResults.of(sa.run_study(one, tmp_path / "run"))
    tail = one.environments[0].problem.tail_at(votes.counts[None], votes.wins[None])[0]
    truth = votes.rate > 0.5 + 1e-12
    for group in results.groups:
        # With all votes bought nothing is left to chance.
        assert group.columns["bought"][:, -1].tolist() == [20.0] * 3
        found = {name: set(group.columns[name][:, -1]) for name in metrics}
        assert found["oracle-welfare"] == {float(truth.sum())}
        assert found["decision-accuracy"] == {np.mean((tail > 0.5 + 1e-12) == truth)}
        assert len(found["welfare-error"]) == 1
    (reference,) = results.references.values()
    assert reference.most is None
    assert 0 < reference.unsure <= 1
    source = one.environments[0].source
    assert isinstance(source, LabelPools)
    assert sorted(source.draws(one.environments[0].case, 1, [0]).labels.votes[0, :5].tolist()) == sorted(
        votes.labels[:5].tolist()
    )


def test_replay_buys_what_a_study_buys(tmp_path):
    """Same pools and policy: means agree within their errors though draws are keyed otherwise."""
    Path(tmp_path, "votes.csv").write_text(VOTES)
    votes = sa.read_labels(tmp_path / "votes.csv")
    replayed = sa.replay(votes, ["kg"], budget=8, seed=1, replications=400)["decision_accuracy"].values[0, :, -1]
    problem = {"name": "pool", "labels": str(tmp_path / "votes.csv"), "budget": 8}
    one = study(problem=[problem], replications=400, policies=["kg"], metrics=["decision-accuracy"], cross={})
    (group,) = sa.StudyResults.of(sa.run_study(one, tmp_path / "run")).groups
    found = group.columns["decision-accuracy"][:, -1]
    assert abs(found.mean() - replayed.mean()) < 4 * np.hypot(found.std(), replayed.std()) / 20 + 1e-12


def test_a_failing_cell_is_recorded_and_tried_again(tmp_path):
    mine = tmp_path / "mine.py"
    mine.write_text(FAILING)
    one = study(policies=["kg", f"{mine}:Failing"], replications=3)
    folder = sa.run_study(one, tmp_path / "run", n_jobs=2)
    results = sa.StudyResults.of(folder)
    failed = [name for name, _ in results.failed]
    assert len(failed) == 4 * 3 + 4
    assert all(" | failing | " in name for name in failed)
    for _, message in results.failed:
        assert message.startswith("ArithmeticError: no more than (policy ")
        assert "Failing.index" in message
        assert "\n" not in message
    assert {group.policy for group in results.groups} == {"kg"}
    assert len([row for row in cells(folder).values() if row[2] == "done"]) == one.outline.size - 16
    table = sa.run_table(folder)
    assert table["status"].value_counts().to_dict() == {"done": one.outline.size - 16, "failed": 16}
    with open_study(one, folder) as run:
        missing = missing_jobs(one, run)
    assert {name.split(" | ")[1] for name in missing} == {"failing"}
    with open_study(one, folder) as run:
        assert compute_cells(one, run, 1) == 16


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"seed": 6}, "seed was 5, now 6"),
        ({"name": "other"}, 'study was "small", now "other"'),
        (
            {"problem": [{"name": "one", "threshold": [0.5, 0.6, 0.8], "budget": 6}]},
            "holds another problem 'one, utility=accuracy': source problem log_ratio entry 3 was 0.847",
        ),
        ({"policies": ["kg(utility=variance)"]}, ""),
    ],
)
def test_a_folder_of_another_study_is_refused_and_stays(tmp_path, changes, said):
    folder = sa.run_study(study(replications=2), tmp_path / "run")
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "run.lock"}
    if not said:
        with pytest.raises(sa.StudyError):
            study(**changes)
        return
    with pytest.raises(sa.RunFolderError, match=r"^[^\n]+$") as error:
        sa.run_study(study(**changes), folder)
    assert said in str(error.value)
    assert "give another folder" in str(error.value)
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "run.lock"} == before


def test_a_policy_of_a_name_with_another_formula_is_refused(tmp_path):
    mine = tmp_path / "mine.py"
    text = "import seqaudit as sa\n\n\nclass Mine(sa.IndexPolicy):\n    name = 'mine'\n\n    def index(self, states):\n"
    mine.write_text(f"{text}        return -states.labels\n")
    folder = sa.run_study(study(policies=[f"{mine}:Mine"], replications=2), tmp_path / "run")
    mine.write_text(f"{text}        return states.labels\n")
    with pytest.raises(sa.RunFolderError, match="holds another policy 'mine'"):
        sa.run_study(study(policies=[f"{mine}:Mine"], replications=2), folder)


def test_a_label_file_that_changed_is_told_and_loses_nothing(tmp_path):
    votes = tmp_path / "votes.csv"
    votes.write_text(VOTES)
    fields = {"problem": [{"name": "pool", "labels": str(votes), "budget": 4}], "cross": {}, "replications": 2}
    folder = sa.run_study(study(**fields), tmp_path / "run")
    before = cells(folder)
    votes.write_text(VOTES.replace("0,1,1", "0,1,0"))
    with pytest.raises(sa.RunFolderError, match=r"holds another problem 'pool': source labels labels sha256 was"):
        sa.run_study(study(**fields), folder)
    assert cells(folder) == before
    moved = tmp_path / "moved.csv"
    moved.write_text(VOTES)
    again = fields | {"problem": [{"name": "pool", "labels": str(moved), "budget": 4}]}
    assert cells(sa.run_study(study(**again), folder)) == before


def test_a_second_process_is_refused_while_one_works(tmp_path):
    folder = sa.run_study(study(replications=2), tmp_path / "run")
    code = f"""
import sys
from pathlib import Path
from seqaudit.benchmarks.runner.lock import alone_in

with alone_in(Path({str(folder)!r})):
    print("held", flush=True)
    sys.stdin.read()
"""
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"held\n"
        outline = (folder / "study.json").read_bytes()
        with pytest.raises(sa.RunFolderError, match=r"is being worked in by another process; wait until it has ended$"):
            sa.run_study(study(replications=3), folder)
        assert (folder / "study.json").read_bytes() == outline
        assert sa.StudyResults.of(folder).missing == 0
        other.send_signal(signal.SIGKILL)
        other.wait()
    sa.run_study(study(replications=3), folder)
    with alone_in(folder):
        pass


def _run_in_process(folder: Path, *, jobs: int = 1, limit: int | None = None) -> subprocess.Popen[str]:
    code = "import json, sys, seqaudit as sa; "
    code += "fields, out, jobs = json.loads(sys.argv[1]); sa.run_study(sa.make_study(fields), out, n_jobs=jobs)"

    def limited() -> None:
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    command = [sys.executable, "-c", code, json.dumps([FIELDS, str(folder), jobs])]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=limited, start_new_session=True)


def test_killed_runs_end_as_one_that_was_not_killed(reference, tmp_path):
    folder = tmp_path / "run"
    rng = np.random.default_rng(11)
    for kill in range(4):
        wanted = int(rng.integers(0, 90 * (kill + 1)))
        with _run_in_process(folder, jobs=1 + kill % 2) as process:
            while process.poll() is None and (len(cells(folder)) if (folder / "study.json").exists() else -1) < wanted:
                time.sleep(0.002)
            os.killpg(process.pid, signal.SIGKILL)
        assert cells(folder).items() <= reference.items()
    assert cells(sa.run_study(study(), folder)) == reference


@pytest.mark.parametrize("limit", [6_000, 60_000, 200_000])
def test_a_full_disk_is_one_line_and_loses_nothing(reference, tmp_path, limit):
    folder = tmp_path / "run"
    with _run_in_process(folder, limit=limit) as process:
        told = process.stderr.read().splitlines()
    assert process.returncode == 1
    assert "OSError" in told[-1]
    assert str(folder) in told[-1]
    assert cells(sa.run_study(study(), folder)) == reference


def test_a_damaged_cell_is_refused_by_reports_and_computed_again(reference, tmp_path):
    folder = sa.run_study(study(), tmp_path / "run")
    with closing(sqlite3.connect(folder / "run.sqlite")) as store, store:
        name = "one, utility=accuracy | kg | 3"
        store.execute("UPDATE cells SET result = replace(result, '1.0', '0.0') WHERE name = ?", (name,))
    with pytest.raises(sa.RunFolderError, match="is not as it was written"):
        sa.StudyResults.of(folder)
    assert cells(sa.run_study(study(), folder)) == reference


def test_an_outline_that_was_changed_is_refused(tmp_path):
    folder = sa.run_study(study(replications=2), tmp_path / "run")
    file = folder / "study.json"
    file.write_text(file.read_text().replace('"replications": 2', '"replications": 1'))
    with pytest.raises(sa.RunFolderError, match=r"study\.json is not as it was written"):
        sa.StudyResults.of(folder)
    with pytest.raises(sa.RunFolderError, match=r"study\.json is not as it was written"):
        sa.run_study(study(replications=2), folder)
    file.unlink()
    sa.run_study(study(replications=2), folder)
    file.unlink()
    with pytest.raises(sa.RunFolderError, match=r"has no study\.json"):
        sa.StudyResults.of(folder)


def test_environments_tell_their_axes():
    source = Stated("one", sa.Problem([0.5], budget=1))
    nature = {"name": "flipped", "strength": 0.1}
    told = Environment(source, {"utility": "variance", "beta": 0.5, "nature": nature, "prior": [1, 2]}).name
    assert told == "one, utility=variance, beta=0.5, nature=flipped(strength=0.1), prior=[1, 2]"


def test_a_cluster_that_loses_a_worker_gives_the_same_cells(reference, tmp_path):
    pytest.importorskip("distributed")
    cluster = LocalCluster(tmp_path)
    ended: list[str] = []

    def on_job(name: str) -> None:
        ended.append(name)
        if len(ended) == 5:
            cluster.kill(1)

    try:
        cluster.ready(2)
        with open_study(study(), tmp_path / "run") as run:
            assert compute_cells(study(), run, sa.Cluster(cluster.address), on_job) == 0
    finally:
        cluster.close()
    assert len(ended) == 4 * (1 + 3 * 2) + 4 * 3
    assert cells(tmp_path / "run") == reference
