"""Studies declared in Python: metrics of one's own, values of NumPy, and what is refused before a folder is made."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

import seqaudit as sa
from seqaudit.benchmarks.claims.one_shot import OneShot
from seqaudit.benchmarks.data.references import emulated_log_ratio
from seqaudit.benchmarks.studies.comparisons import paired

SMALL = {
    "replications": 2,
    "checkpoints": 2,
    "policies": ["kg"],
    "problem": [{"name": "a", "threshold": [0.5, 0.7], "budget": 6}],
}
VOTES = {"name": "v", "labels": "votes.csv", "budget": 3}


def metric(called, value):
    @dataclass(frozen=True)
    class Mine(sa.Metric):
        name: ClassVar[str] = called
        formula: ClassVar[str] = "v"
        source: ClassVar[str] = "this test"

        def of(self, audit):
            return audit.tail[:, 0] * 0 + value

    return Mine()


class MeanTail(sa.Metric):
    name: ClassVar[str] = "mean-tail"
    formula: ClassVar[str] = "sum p / N"
    source: ClassVar[str] = "this test"

    def of(self, audit):
        return audit.tail.mean(axis=1)


@pytest.fixture
def votes(tmp_path):
    rows = "".join(f"{i},{r},{(i + r) % 2}\n" for i in range(3) for r in range(4))
    Path(tmp_path, "votes.csv").write_text("item,rater,label\n" + rows)
    Path(tmp_path, "items.csv").write_text("item,c\n0,-1\n1,0.5\n")
    return tmp_path


def test_a_metric_without_settings_has_its_name_for_a_label(tmp_path):
    assert MeanTail().label == "mean-tail"
    run = sa.run_study(sa.make_study(SMALL | {"metrics": [MeanTail()]}), tmp_path / "run")
    assert "mean-tail" in sa.study_table(run)
    assert len(sa.study_differences(run, "mean-tail", reference="kg")) == 0


@pytest.mark.parametrize(
    "name",
    ["payoff", "payoff_se", "bought", "gain", "gain_se", "regret", "environment", "policy", "replications", "labels",
     "against", "seconds_a_label", "seconds_ratio", "", " ", 3, None, "axis.beta", "two\nlines"],
)  # fmt: skip
def test_a_metric_called_like_a_column_or_nothing_is_refused(name):
    with pytest.raises(sa.StudyError, match="metrics has"):
        sa.make_study(SMALL | {"metrics": [metric(name, 42.0)]})


def test_metrics_that_are_called_alike_are_refused():
    for some in ([metric("mine", 1.0), metric("mine", 2.0)], [metric("a", 1.0), metric("a_se", 2.0)]):
        with pytest.raises(sa.StudyError, match=r"tables have a column '.*' already; give it another name"):
            sa.make_study(SMALL | {"metrics": some})
    with pytest.raises(sa.StudyError, match="whose name is None; it must be a text"):
        sa.make_study(SMALL | {"metrics": [sa.Metric()]})


def test_a_metric_that_changed_is_another_one(tmp_path):
    sa.run_study(sa.make_study(SMALL | {"metrics": [metric("mine", 1.0)]}), tmp_path / "run")
    grown = SMALL | {"replications": 4}
    with pytest.raises(sa.RunFolderError, match="holds another metric 'mine'"):
        sa.run_study(sa.make_study(grown | {"metrics": [metric("mine", 2.0)]}), tmp_path / "run")
    again = sa.run_study(sa.make_study(grown | {"metrics": [metric("mine", 1.0)]}), tmp_path / "run")
    assert set(sa.study_table(again)["mine"]) == {1.0}


def test_a_problem_of_which_no_label_can_be_bought_is_refused_by_name():
    for fields in ({"cost": 7}, {"cap": 0}):
        with pytest.raises(sa.StudyError, match="budget, cost and cap allow no label"):
            sa.make_study(SMALL | {"problem": [SMALL["problem"][0] | fields]})
    with pytest.raises(sa.StudyError, match=r"a, cost=7: budget, cost and cap allow no label"):
        sa.make_study(SMALL | {"checkpoints": [1], "cross": {"cost": [1, 7]}})


@pytest.mark.parametrize(
    ("given_", "plain"),
    [
        ({"budget": [np.int64(3), np.int64(4)]}, {"budget": [3, 4]}),
        ({"budget": list(np.arange(3, 5))}, {"budget": [3, 4]}),
        ({"weight": [np.array([1, 2]), 1]}, {"weight": [[1, 2], 1]}),
        ({"prior": [np.array([1.0, 2.0])]}, {"prior": [[1.0, 2.0]]}),
        (
            {"utility": [{"name": "asymmetric", "loss": np.float32(3)}]},
            {"utility": [{"name": "asymmetric", "loss": 3.0}]},
        ),
        ({"nature": [{"name": "flipped", "strength": np.float32(0.25)}]},
         {"nature": [{"name": "flipped", "strength": 0.25}]}),
    ],
)  # fmt: skip
def test_axes_may_hold_values_of_numpy(given_, plain):
    keys = [[plan.key for plan in sa.make_study(SMALL | {"cross": cross}).outline.plans()] for cross in (given_, plain)]
    assert keys[0] == keys[1]


@pytest.mark.parametrize(
    "axis", [{"utility": [sa.Accuracy()]}, {"prior": [sa.Beta(1, 1)]}, {"budget": [Decimal(3)]}, {"utility": [max]}]
)
def test_axes_hold_plain_data_alone(axis):
    (key,) = axis
    with pytest.raises(sa.StudyError, match=f"{key} holds .*; allowed: numbers, texts, lists and tables"):
        sa.make_study(SMALL | {"cross": axis})


@pytest.mark.parametrize(
    ("changes", "plain"),
    [
        ({"budget": np.int64(3)}, {}),
        ({"prior": np.array([2.0, 1.0])}, {"prior": [2.0, 1.0]}),
        ({"threshold": np.float32(0.25)}, {"threshold": 0.25}),
        ({"map": {1: np.int64(1), "0": 0}}, {"map": {"1": 1, "0": 0}}),
        ({"map": {np.int64(1): 1, np.int64(0): 0}}, {"map": {"1": 1, "0": 0}}),
    ],
)
def test_votes_may_have_settings_of_numpy(votes, changes, plain):
    found = [
        sa.study_table(sa.run_study(sa.make_study(SMALL | {"problem": [VOTES | x]}, folder=votes), votes / f"{k}"))
        for k, x in enumerate((changes, plain))
    ]
    assert found[0].drop(columns=["seconds_a_label"]).equals(found[1].drop(columns=["seconds_a_label"]))


@pytest.mark.parametrize("changes", [{"utility": sa.Accuracy()}, {"prior": sa.Beta(2, 1)}, {"budget": Decimal(3)}])
def test_votes_have_settings_of_plain_data_alone(votes, changes):
    (key,) = changes
    with pytest.raises(sa.StudyError, match=f"{key} holds .*; allowed: numbers, texts, lists and tables"):
        sa.make_study(SMALL | {"problem": [VOTES | changes]}, folder=votes)


def test_strict_refuses_items_without_a_row(votes):
    pool = VOTES | {"items": "items.csv"}
    study = sa.make_study(SMALL | {"problem": [pool | {"strict": False}]}, folder=votes)
    assert study.environments[0].problem.size == 2
    with pytest.raises(sa.StudyError, match=r"item '2' has no row in .*items\.csv"):
        sa.make_study(SMALL | {"problem": [pool | {"strict": True}]}, folder=votes)
    with pytest.raises(sa.StudyError, match="strict is 'yes'; it must be true or false"):
        sa.make_study(SMALL | {"problem": [pool | {"strict": "yes"}]}, folder=votes)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({3: 1}, "3 is a key that is no text"),
        ({"cross": {3: [1]}}, "3 is"),
        ({"problem": {"name": "a"}}, "problem is .*; it must be a list of tables"),
        ({"problem": [sa.Problem([0.5], budget=2)]}, "problem is .*; it must be a list of tables"),
    ],
)
def test_what_is_no_table_is_refused_in_one_line(changes, said):
    with pytest.raises(sa.StudyError, match=said):
        sa.make_study(SMALL | changes)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"truth": [2, 0]}, "truth is"),
        ({"truth": ["a", "b"]}, "truth is"),
        ({"truth": [True]}, "truth is"),
        ({"counts": [1, 1]}, "counts has shape"),
        ({"counts": [[1]], "wins": [[1]]}, "counts has shape"),
        ({"wins": [[1, 0], [1, 0]]}, "they must be equal"),
        ({"wins": [[2, 0]]}, "wins are negative or more than labels"),
        ({"wins": [[0.5, 0]]}, "wins"),
        ({"problem": 3}, "problem is 3; it must be a Problem"),
    ],
)
def test_an_audit_is_checked(fields, said):
    right = {"problem": sa.Problem([0.5, 0.5], budget=2), "counts": [[1, 1]], "wins": [[1, 0]], "truth": [True, False]}
    with pytest.raises(ValueError, match=said):
        sa.Audit(**(right | fields))


@pytest.mark.parametrize("axis", [{"beta": [1, 1.0]}, {"prior": [[1, 2], [1.0, 2.0]]}])
def test_equal_values_of_an_axis_are_refused(axis):
    problem = {"name": "a", "c": [0.5, -1.0], "beta": 1.0, "budget": 4}
    with pytest.raises(sa.StudyError, match="stands twice; names and values of axes must differ"):
        sa.make_study(SMALL | {"problem": [problem], "cross": axis})


def test_cells_do_not_depend_on_those_beside_them(tmp_path):
    rng = np.random.default_rng(2)
    problem = {"name": "a", "c": rng.normal(size=7).tolist(), "beta": 1.0, "budget": 9}
    fields = SMALL | {"problem": [problem | {"weight": rng.uniform(1, 3, 7).tolist()}]}
    for r in range(1, 9):
        grown = sa.run_study(sa.make_study(fields | {"replications": r}), tmp_path / "grown")
    whole = sa.run_study(sa.make_study(fields | {"replications": 8}), tmp_path / "whole")
    tables = [sa.run_table(x).drop(columns="cell_seconds").sort_values("cell") for x in (grown, whole)]
    one, other = (x.reset_index(drop=True) for x in tables)
    assert one.equals(other[one.columns])


@pytest.mark.parametrize(
    ("one", "other", "p"),
    [
        ([1, 5, 2, 1, 1, 5, 5, 0], [1, 4, 2, 2, 1, 5, 4, 1], 1.0),
        ([1, 1, 1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1, 1, 1 + 1e-15], 1.0),
        ([3, 3, 3, 3], [1, 1, 1, 1], 0.125),
        ([1, 2, 3], [0, 0, 7], 1.0),
    ],
)
def test_what_is_equal_but_for_rounding_is_equal(one, other, p):
    scale = 1.0 / 5.0
    assert paired(np.array(one) * scale, np.array(other) * scale, 7).p == pytest.approx(p)
    assert paired(1e9 * np.array(one) * scale, 1e9 * np.array(other) * scale, 7).p == pytest.approx(p)


def test_inner_settings_are_checked():
    votes = sa.LabelSet.from_pools({"a": [1, 1, 0]})
    for agreement, spread in ((np.nan, 1.0), (2.0, 1.0), (0.5, -1.0)):
        with pytest.raises(ValueError, match=r"agreement|spread"):
            emulated_log_ratio(votes, agreement, spread, np.random.default_rng(1))
    for most in ("x", -1, 0, 1.5, True):
        with pytest.raises(ValueError, match="most is"):
            OneShot(most=most)
