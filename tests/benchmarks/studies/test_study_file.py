"""Study files: what they declare, and every fault with its file, its line and the nearest valid word."""

from __future__ import annotations

import gzip
import itertools
from pathlib import Path

import numpy as np
import pytest

import seqaudit as sa

TEXT = """
seed = 3
replications = 4
checkpoints = 2
policies = ["kg", "round-robin"]
metrics = ["decision-accuracy", "decisive-mass(eps=0.1)"]

[[problem]]
name = "flat"
threshold = [0.5, 0.6, 0.7]
budget = 6

[[problem]]
name = "drawn"
generator = "log-ratios"
count = 3
items = [3, 6]

[cross]
utility = ["accuracy", "variance"]

[zip]
labels_per_item = [1, 2]
batch = [1, 2]
"""
VOTES = "item,rater,label\n" + "".join(f"{i},{j},{(i * j + j) % 3 % 2}\n" for i in range(4) for j in range(5))


@pytest.fixture
def read(tmp_path):
    """Function that reads a study with some text replaced."""

    def read(*changes: tuple[str, str], text: str = TEXT, **options) -> sa.Study:
        for old, new in changes:
            assert old in text
            text = text.replace(old, new, 1)
        Path(tmp_path, "study.toml").write_text(text, encoding="utf-8")
        return sa.read_study(tmp_path / "study.toml", **options)

    return read


def test_axes_are_crossed_and_zipped(read):
    study = read()
    assert (study.name, study.seed, study.replications) == ("study", 3, 4)
    names = ["flat", "drawn 1", "drawn 2", "drawn 3"]
    axes = [(u, n, n) for u in ("accuracy", "variance") for n in (1, 2)]
    found = [(x.source.name, x.axes["utility"], x.axes["labels_per_item"], x.axes["batch"]) for x in study.environments]
    assert found == [(name, *x) for name, x in itertools.product(names, axes)]
    for environment in study.environments:
        problem = environment.problem
        assert problem.budget == environment.axes["batch"] * problem.size
        assert problem.batch == environment.axes["batch"]
        assert problem.utility.name == environment.axes["utility"]
    assert {x.name for x in study.environments} == {plan.setting.name for plan in study.outline.plans()}
    assert study.outline.size == len({plan.key for plan in study.outline.plans()}) == len(list(study.outline.plans()))


def test_options_stand_in_for_entries(read):
    study = read(policies=["variance-reduction"], replications=7, seed=9)
    assert ([p.name for p in study.policies], study.replications, study.seed) == (["variance-reduction"], 7, 9)


def test_generated_problems_depend_on_seed_and_name_and_not_on_their_number(read):
    def problems(study):
        return {x.source.name: x.problem for x in study.environments if not x.axes.get("batch", 1) > 1}

    few, many = problems(read()), problems(read(("count = 3", "count = 5")))
    assert {name: many[name] for name in few} == few
    assert problems(read(seed=4))["drawn 1"] != few["drawn 1"]
    assert problems(read(('name = "drawn"', 'name = "other"')))["other 1"] != few["drawn 1"]
    assert all(3 <= few[f"drawn {k}"].size <= 6 for k in (1, 2, 3))


def test_settings_of_generators(read):
    fixed = "items = 5\nlabels_per_item = 3\nbeta = 2.0\nspread = 0\nshift = 1.5\nweight_spread = 0\nprior = [2, 1]"
    problem = (
        read(("items = [3, 6]", fixed), ("[zip]\nlabels_per_item = [1, 2]\nbatch = [1, 2]\n", ""))
        .environments[-1]
        .problem
    )
    assert (problem.size, problem.budget, problem.beta) == (5, 15, 2.0)
    assert problem.log_ratio.tolist() == [1.5] * 5
    assert problem.weight.tolist() == [1.0] * 5
    assert problem.prior.tolist() == [[2.0, 1.0]] * 5
    heavy = read(("items = [3, 6]", "items = 60\nheavy = true\nlabels_per_item = 1"), ("count = 3", "count = 40"))
    normal = read(("items = [3, 6]", "items = 60\nlabels_per_item = 1"), ("count = 3", "count = 40"))
    largest = [max(np.abs(x.problem.log_ratio).max() for x in s.environments[4:]) for s in (heavy, normal)]
    assert largest[0] > 8 > largest[1]


def test_problem_files_and_label_files_are_relative_to_the_study(read, tmp_path, monkeypatch):
    Path(tmp_path, "one.toml").write_text("budget = 4\nthreshold = [0.5, 0.9]\n")
    Path(tmp_path, "votes.csv").write_text(VOTES)
    Path(tmp_path, "more.jsonl.gz").write_bytes(gzip.compress(b'{"item": "a", "rater": "x", "label": 1}\n'))
    Path(tmp_path, "items.csv").write_text("item,c,weight\n0,1.0,2\n1,0.5,1\n2,-1,1\n3,0,1\n")
    Path(tmp_path, "mine.py").write_text(
        "import seqaudit as sa\n\n\nclass Mine(sa.KnowledgeGradient):\n    name = 'mine'\n"
    )
    text = """
policies = ["mine.py:Mine"]
[[problem]]
name = "a file"
file = "one.toml"
[[problem]]
name = "votes"
labels = "votes.csv"
items = "items.csv"
budget = 5
beta = 2.0
[[problem]]
name = "gz"
labels = "more.jsonl.gz"
labels_per_item = 1
"""
    monkeypatch.chdir("/")
    study = read(text=text)
    first, votes, packed = (x.problem for x in study.environments)
    assert first == sa.Problem([0.5, 0.9], budget=4)
    assert votes.cap.tolist() == [5] * 4
    assert votes.log_ratio.tolist() == [1.0, 0.5, -1.0, 0.0]
    assert (votes.budget, votes.beta, packed.budget) == (5, 2.0, 1)
    assert study.policies[0].name == "mine"
    assert len(study.metrics) == len(sa.metric_names())


def test_mapped_columns_and_labels(read, tmp_path):
    Path(tmp_path, "votes.csv").write_text("unit;who;said\na;x;yes\na;y;no\nb;x;yes\n")
    text = """
policies = ["kg"]
[[problem]]
name = "votes"
labels = "votes.csv"
columns = {item = "unit", rater = "who", label = "said"}
map = {yes = 1, no = 0}
separator = ";"
budget = 2
"""
    (environment,) = read(text=text).environments
    assert environment.case.votes.wins.tolist() == [1, 1]


def test_python_gives_what_a_file_gives(read):
    fields = {
        "name": "study",
        "seed": 3,
        "replications": 4,
        "checkpoints": 2,
        "policies": ["kg", sa.RoundRobin()],
        "metrics": ("decision-accuracy", "decisive-mass(eps=0.1)"),
        "problem": [
            {"name": "flat", "problem": sa.Problem([0.5, 0.6, 0.7], budget=6)},
            {"name": "drawn", "generator": "log-ratios", "count": 3, "items": [3, 6]},
        ],
        "cross": {"utility": ("accuracy", "variance")},
        "zip": {"labels_per_item": [1, 2], "batch": [1, 2]},
    }
    assert sa.make_study(fields).outline == read().outline


# Changes of the text, the line of the fault, and what the message says.
FAULTS = [
    ([('name = "flat"', 'nme = "flat"')], 9, "a [[problem]] has no name; did you mean it by nme?"),
    ([('name = "flat"\n', "")], 8, "a [[problem]] has no name"),
    ([('name = "flat"', 'name = "a|b"')], 9, "name is 'a|b'"),
    ([('name = "flat"', 'name = "drawn 2"')], 14, "name 'drawn 2' is given twice"),
    ([('name = "drawn"', "name = 3")], 14, "name is 3"),
    ([('"kg",', '"kgg",')], 5, "did you mean 'kg'"),
    ([('"kg",', '"kg", "kg",')], 5, "policy 'kg' is given 2 times"),
    ([('["kg", "round-robin"]', '"kg"')], 5, "policies is 'kg'"),
    ([('["kg", "round-robin"]', "[]")], 5, "policies is []"),
    ([('["kg", "round-robin"]', "[3]")], 5, "policies has 3"),
    ([('["kg", "round-robin"]', '["exact"]'), ("batch = [1, 2]", "batch = [1, 3]")], 5, "exact"),
    ([("decisive-mass", "decisve-mass")], 6, "did you mean 'decisive-mass'"),
    ([("eps=0.1", "eps=0.7")], 6, "decisive-mass: eps is 0.7"),
    ([("eps=0.1", "ebs=0.1")], 6, "ebs"),
    ([('"decision-accuracy"', '"decisive-mass(eps=0.1)"')], 6, "metrics names one of them twice"),
    ([("replications = 4", "replications = 0")], 3, "replications is 0"),
    ([("replications = 4", "replications = true")], 3, "replications is True"),
    ([("seed = 3", "seed = -1")], 2, "seed is -1"),
    ([("checkpoints = 2", "checkpoints = 1.5")], 4, "checkpoints is 1.5"),
    ([("checkpoints = 2", "checkpoints = 1001")], 4, "checkpoints is 1001"),
    ([("replications = 4", "replications = 1000000000000")], 3, "at most 10,000,000 are allowed"),
    (
        [("[cross]", f"[cross]\nlabel_price = {[k / 1000 for k in range(1, 50_000)]}")],
        19,
        "environments; at most 100,000",
    ),
    ([("replications = 4", "replicatons = 4")], 3, "did you mean replications"),
    ([("budget = 6", "budgt = 6")], 11, "did you mean budget"),
    ([("budget = 6", "budget = -6")], 8, "budget is -6"),
    ([("[0.5, 0.6, 0.7]", "[0.5, 1.6, 0.7]")], 8, "threshold"),
    ([('"log-ratios"', '"log-ratio"')], 13, "did you mean 'log-ratios'"),
    ([("items = [3, 6]", "itms = [3, 6]")], 13, "did you mean items"),
    ([("items = [3, 6]", "items = [6, 3]")], 13, "items is [6, 3]"),
    ([("items = [3, 6]", "items = [3, 6, 9]")], 13, "items is [3, 6, 9]"),
    ([("items = [3, 6]", "items = 0")], 13, "items is 0"),
    ([("items = [3, 6]", 'heavy = "yes"')], 13, "heavy is 'yes'"),
    ([("items = [3, 6]", "spread = -1")], 13, "spread is -1"),
    ([("count = 3", "count = 0")], 13, "count is 0"),
    ([("[cross]", "[cros]")], 19, "did you mean cross"),
    ([("utility =", "utilty =")], 20, "did you mean utility"),
    ([('"variance"]', '"varince"]')], 20, "did you mean 'variance'"),
    ([('["accuracy", "variance"]', '"variance"')], 20, "utility is 'variance'; it must be a list of values"),
    ([('["accuracy", "variance"]', "[]")], 20, "utility is []"),
    ([('"variance"]', '"accuracy"]')], 8, "stands twice"),
    ([("[cross]", "[cross]\nbatch = [1]")], 25, "batch stands in [cross] and in [zip]"),
    ([("batch = [1, 2]", "batch = [1]")], 22, "different lengths (labels_per_item 2, batch 1)"),
    ([("batch = [1, 2]", "batch = [1, -2]")], 24, "batch is -2"),
    ([("batch = [1, 2]", "budget = [1, 2]")], 23, "budget and labels_per_item are given"),
    ([("items = [3, 6]", "weight_spread = inf")], 13, "weight_spread is inf"),
    ([('"log-ratios"', '"thresholds"\nbeta = 2')], 13, "beta is not a key"),
    ([("items = [3, 6]", 'beta = "2"')], 13, "beta is '2'"),
    ([("items = [3, 6]", "prior = [0, 1]")], 13, "prior"),
    ([("items = [3, 6]", 'utility = "accurcy"')], 13, "did you mean 'accuracy'"),
    ([("count = 3", "count = 1000000")], 13, "count is 1000000"),
    ([("items = [3, 6]", "items = 10000000000")], 13, "items is 10000000000"),
    ([("labels_per_item = [1, 2]", "labels_per_item = [1, -2]")], 23, "labels_per_item is -2"),
    ([("labels_per_item = [1, 2]", "labels_per_item = [1, nan]")], 23, "labels_per_item is nan"),
    ([("labels_per_item = [1, 2]", "labels_per_item = [1, 1e300]")], 23, "labels_per_item is 1e+300"),
    ([("[cross]", "[cross]\nbeta = [1, 2]")], 20, "beta"),
    ([("[cross]", '[cross]\nnature = ["prio"]')], 20, "nature is 'prio'"),
    ([("[cross]", '[cross]\nnature = [{name = "flipped"}]')], 20, "nature has no strength"),
    ([("[cross]", '[cross]\nnature = [{name = "fliped", strength = 0.1}]')], 20, "did you mean 'flipped'"),
    ([("[cross]", '[cross]\nnature = [{name = "flipped", strength = 0.6}]')], 20, "flipped is 0.6"),
    ([("[cross]", '[cross]\nnature = [{name = "flipped", strength = 0.1, script = 1}]')], 20, "script"),
    ([("[cross]", "cross = 3\n[crossed]")], None, "cross"),
    ([("budget = 6", "file = 3")], 10, "threshold is not a key"),
    ([("threshold = [0.5, 0.6, 0.7]\nbudget = 6", 'file = "none.toml"')], 8, "none.toml"),
    ([("threshold = [0.5, 0.6, 0.7]\nbudget = 6", 'labels = "none.csv"')], 8, "none.csv"),
    ([("threshold = [0.5, 0.6, 0.7]\nbudget = 6", "labels = 3")], 8, "labels is 3"),
    ([("threshold = [0.5, 0.6, 0.7]\nbudget = 6", 'labels = "votes.csv"')], 23, "batch is no axis of 'flat'"),
    (
        [("threshold = [0.5, 0.6, 0.7]\nbudget = 6", 'labels = "votes.csv"\nbeta = 1'), ("batch = [1, 2]\n", "")],
        8,
        "beta is given, but there are no log-ratios",
    ),
    ([("seed = 3", "seed = ")], None, "not valid TOML"),
]


@pytest.mark.parametrize(("changes", "line", "said"), FAULTS, ids=lambda x: str(x)[:60])
def test_faults_are_told_with_their_line(read, tmp_path, changes, line, said):
    Path(tmp_path, "votes.csv").write_text(VOTES)
    with pytest.raises(sa.StudyError, match=r"^[^\n]+$") as error:
        read(*changes)
    told = str(error.value)
    assert told.startswith(f"{tmp_path / 'study.toml'}" + (f", line {line}: " if line else ""))
    assert said in told
    # What was asked for, and not the name of the file, is what takes room.
    assert len(told) - len(str(tmp_path)) < 400


def test_label_pools_need_a_budget_and_have_few_axes(read, tmp_path):
    Path(tmp_path, "votes.csv").write_text(VOTES)
    text = 'policies = ["kg"]\n[[problem]]\nname = "v"\nlabels = "votes.csv"\n'
    with pytest.raises(sa.StudyError, match="line 2: budget is missing; give budget or labels_per_item"):
        read(text=text)
    with pytest.raises(sa.StudyError, match="line 6: label_price is no axis of 'v'; allowed: budget, labels_per_item"):
        read(text=f"{text}[cross]\nlabel_price = [0.1]\n")
    with pytest.raises(sa.StudyError, match="line 2: budget and labels_per_item are given"):
        read(text=f"{text}budget = 3\nlabels_per_item = 1\n")
    with pytest.raises(sa.StudyError, match="line 6: v, budget=99: budget is 99, but the pools hold 20 votes"):
        read(text=f"{text}[cross]\nbudget = [99]\n")


@pytest.mark.parametrize("given_", [None, 3, [], {"policies": ["kg"]}, {"policies": ["kg"], "problem": [3]}])
def test_what_is_no_study_is_refused(given_):
    with pytest.raises((sa.StudyError, TypeError), match=r"^[^\n]+$"):
        sa.make_study(given_)


def test_files_that_cannot_be_read_are_refused(tmp_path):
    with pytest.raises(sa.StudyError, match=r"none\.toml: No such file"):
        sa.read_study(tmp_path / "none.toml")
    with pytest.raises(sa.StudyError, match="this is a directory"):
        sa.read_study(tmp_path)
    Path(tmp_path, "bad.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(sa.StudyError, match="not a UTF-8 text file"):
        sa.read_study(tmp_path / "bad.toml")
