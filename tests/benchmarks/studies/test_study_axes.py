"""Axes of one problem beside those of the study, and checkpoints at labels an item."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

import seqaudit as sa
from seqaudit.benchmarks.studies.faults import entry_lines

TEXT = """
policies = ["round-robin"]
replications = 2

[[problem]]
name = "flat"
threshold = [0.5, 0.6, 0.7]
budget = 6

[problem.cross]
utility = ["accuracy", "variance"]

[problem.zip]
labels_per_item = [1, 2]
batch = [1, 3]

[[problem]]
name = "votes"
labels = "votes.csv"
labels_per_item = 1

[problem.cross]
threshold = [0.4, 0.6, 0.7]

[[problem]]
name = "drawn"
generator = "log-ratios"
count = 2

[cross]
prior = [[1, 1], [2, 1]]
"""
VOTES = "item,rater,label\n" + "".join(f"{i},{j},{(i * j + j) % 3 % 2}\n" for i in range(4) for j in range(5))


@pytest.fixture
def read(tmp_path):
    """Function that reads a study with some text replaced."""
    Path(tmp_path, "votes.csv").write_text(VOTES)

    def read(*changes: tuple[str, str], text: str = TEXT, **options) -> sa.Study:
        for old, new in changes:
            assert old in text
            text = text.replace(old, new, 1)
        Path(tmp_path, "study.toml").write_text(text, encoding="utf-8")
        return sa.read_study(tmp_path / "study.toml", **options)

    return read


def test_axes_of_a_problem_are_combined_with_those_of_the_study(read):
    study = read()
    found: dict[str, list[dict]] = {}
    for environment in study.environments:
        found.setdefault(environment.source.name, []).append(dict(environment.axes))
    priors = [[1, 1], [2, 1]]
    together = [{"labels_per_item": n, "batch": b} for n, b in ((1, 1), (2, 3))]
    assert found == {
        "flat": [
            {"prior": p, "utility": u} | both
            for p, u, both in itertools.product(priors, ("accuracy", "variance"), together)
        ],
        "votes": [{"prior": p, "threshold": t} for p, t in itertools.product(priors, (0.4, 0.6, 0.7))],
        "drawn 1": [{"prior": p} for p in priors],
        "drawn 2": [{"prior": p} for p in priors],
    }
    last = study.environments[7]
    assert last.name == "flat, prior=[2, 1], utility=variance, labels_per_item=2, batch=3"
    assert (last.problem.budget, last.problem.batch, last.problem.utility.name) == (6, 3, "variance")
    assert last.problem.prior.tolist() == [[2.0, 1.0]] * 3
    keys = [plan.key for plan in study.outline.plans()]
    assert len(set(keys)) == len(keys) == study.outline.size


def test_axes_of_a_problem_are_those_of_a_study_of_it_alone(read):
    own = 'utility = ["accuracy", "variance"]\n\n[problem.zip]\nlabels_per_item = [1, 2]\nbatch = [1, 3]\n'
    text = TEXT[: TEXT.index('[[problem]]\nname = "votes"')]
    one = read(text=text)
    other = read((f"[problem.cross]\n{own}", f"[cross]\n{own.replace('problem.zip', 'zip')}"), text=text)
    assert one.outline == other.outline


def test_inline_tables_of_axes_are_tables(read):
    text = TEXT[: TEXT.index("[problem.cross]")]
    by_table = read(text=f'{text}[problem.cross]\nutility = ["accuracy"]\nbatch = [1, 2]\n')
    inline = read(text=f'{text}cross = {{utility = ["accuracy"], batch = [1, 2]}}\n')
    assert by_table.outline == inline.outline
    with pytest.raises(sa.StudyError, match="line 10: utilty is not an axis; did you mean utility"):
        read(text=f'{text}cross = {{utilty = ["accuracy"]}}\n')


# Changes of the text, the line of the fault, and what the message says.
FAULTS = [
    ([("utility =", "utilty =")], 11, "utilty is not an axis; did you mean utility?"),
    ([('["accuracy", "variance"]', '"variance"')], 11, "utility is 'variance'; it must be a list of values"),
    ([('["accuracy", "variance"]', "[]")], 11, "utility is []"),
    ([('"variance"]', '"varince"]')], 11, "did you mean 'variance'"),
    ([('"variance"]', '"accuracy"]')], 5, "stands twice"),
    (
        [("batch = [1, 3]", "batch = [1]")],
        13,
        "the lists of [problem.zip] have different lengths (labels_per_item 2, batch",
    ),
    ([("batch = [1, 3]", "batch = [1, -2]")], 15, "batch is -2"),
    (
        [("batch = [1, 3]", 'utility = ["accuracy", "entropy"]')],
        15,
        "utility stands in [problem.cross] and in [problem.zip]; it must stand in one of them",
    ),
    ([("utility =", "prior =")], 11, "prior stands in [cross] and in [problem.cross]; it must stand in one of them"),
    (
        [("[cross]\nprior", "[zip]\nthreshold")],
        31,
        "threshold is no axis of 'flat'; allowed: budget, labels_per_item, ",
    ),
    ([("threshold = [0.4, 0.6, 0.7]", "batch = [1, 2]")], 23, "batch is no axis of 'votes'; allowed: budget, "),
    ([("threshold = [0.4, 0.6, 0.7]", "threshold = [0.4, 1.6]")], 23, "threshold is 1.6"),
    ([("budget = 6", "budget = 6\ncost = {a = 1}")], 5, "cost is {'a': 1}; it must be a number or a list"),
    ([("[problem.cross]\nutility", "[problem.cros]\nutility")], 10, "cros is not a table of axes; did you mean cross?"),
    (
        [("budget = 6\n", "budget = 6\nzip = 3\n"), ("[problem.zip]\nlabels_per_item = [1, 2]\nbatch = [1, 3]", "")],
        9,
        "zip is 3",
    ),
]


@pytest.mark.parametrize(("changes", "line", "said"), FAULTS, ids=lambda x: str(x)[:60])
def test_faults_of_axes_are_told_with_their_line(read, tmp_path, changes, line, said):
    with pytest.raises(sa.StudyError, match=r"^[^\n]+$") as error:
        read(*changes)
    told = str(error.value)
    assert told.startswith(f"{tmp_path / 'study.toml'}, line {line}: ")
    assert said in told


def test_environments_are_counted_with_the_axes_of_each_problem(read):
    prices = [k / 1000 for k in range(1, 30_000)]
    with pytest.raises(sa.StudyError, match=r"the axes make 240,002 environments; at most 100,000 are allowed"):
        read(("utility =", f"label_price = {prices}\nutility ="))
    assert entry_lines(TEXT)["problem 2.cross", "threshold"] == 23


@pytest.mark.parametrize(
    ("checkpoints", "stops"),
    [
        # Halves go to the even number, as those of labels_per_item do; 0.1 of a label is one, and there are six.
        ([0.1, 0.5, 1, 2, 10], [1, 2, 3, 6]),
        ([0.5, 0.51, 1.5], [2, 4]),
        ([1.5, 1.84], [4, 6]),
        ([2], [6]),
        ([1e300], [6]),
        (3, [2, 4, 6]),
        (4, [2, 3, 4, 6]),
    ],
)
def test_checkpoints_stand_at_labels_an_item(checkpoints, stops):
    problem = {"name": "three", "threshold": [0.5, 0.6, 0.7], "budget": 6}
    fields = {"problem": [problem], "policies": ["kg"], "checkpoints": checkpoints, "replications": 1}
    (setting,) = sa.make_study(fields).outline.settings
    assert setting.stops == stops


def test_whole_checkpoints_have_the_keys_of_equal_stops():
    problem = {"name": "three", "threshold": [0.5, 0.6, 0.7], "budget": 6}
    fields = {"problem": [problem], "policies": ["kg"], "replications": 2}
    keys = [
        [plan.key for plan in sa.make_study(fields | {"checkpoints": x}).outline.plans()]
        for x in (2, [1, 2], [1, 1.5, 2])
    ]
    assert keys[0] == keys[1]
    assert len(set(keys[0]) & set(keys[2])) == 2


def test_values_of_the_whole_budget_stand_at_its_end_alone(tmp_path):
    """Exact values are those after all six labels: a study that is not looked at there has none."""
    problem = {"name": "three", "threshold": [0.5, 0.6, 0.7], "budget": 6}
    fields = {"problem": [problem], "policies": ["kg"], "replications": 20, "metrics": ["decision-accuracy"]}
    tables = []
    for name, points in (("short", [0.5, 1]), ("whole", [0.5, 1, 2])):
        tables.append(sa.study_table(sa.run_study(sa.make_study(fields | {"checkpoints": points}), tmp_path / name)))
    assert [x["labels"].tolist() for x in tables] == [[2, 3], [2, 3, 6]]
    assert tables[0]["payoff"].tolist() == tables[1]["payoff"].tolist()[:2]
    value = sa.evaluate(sa.Problem([0.5, 0.6, 0.7], budget=6), "kg").value
    assert tables[1]["payoff"].iloc[-1] == value
    assert tables[1]["payoff_se"].tolist()[:2] == tables[0]["payoff_se"].tolist()
    assert (np.diff(tables[1]["gain"]) > 0).all()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("[]", "checkpoints has 0 entries"),
        ("[1, 1]", "labels an item must ascend"),
        ("[2, 1]", "labels an item must ascend"),
        ("[0, 1]", "each of checkpoints is 0; it must be positive and finite"),
        ("[-1]", "each of checkpoints is -1"),
        ("[nan]", "each of checkpoints is nan"),
        ("[1, inf]", "each of checkpoints is inf"),
        ('["1"]', "each of checkpoints is '1'"),
        ("[true]", "each of checkpoints is True"),
        (str(list(range(1, 1002))), "checkpoints has 1,001 entries; allowed: 1 to 1,000"),
        ('"1"', "checkpoints is '1'"),
    ],
)
def test_checkpoints_that_are_none_are_refused(read, given, said):
    with pytest.raises(sa.StudyError, match=r"study\.toml, line 3: ") as error:
        read(("replications = 2", f"checkpoints = {given}"))
    assert said in str(error.value)
