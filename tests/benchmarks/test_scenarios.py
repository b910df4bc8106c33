"""Scenarios from files, and the tables that follow from a grid: refusals, slopes, shares, differences."""

from __future__ import annotations

import copy
import math
import sys

import numpy as np
import pandas as pd
import pytest

import seqaudit as sa
from seqaudit.bandits.simulation.seeds import replication_keys
from seqaudit.benchmarks.stress.pools import draw_beliefs
from seqaudit.benchmarks.stress.simulated import stress_simulated
from seqaudit.benchmarks.stress.stress import stress

FIELDS = {
    "seed": 3,
    "replications": 6,
    "policies": {"exact": ["kg", "exact"], "simulated": ["kg"]},
    "problem": {"budget": 4, "threshold": [0.5, 0.6], "prior": [2, 1]},
    "problems": {"many": {"budget": 20, "c": [-1.0, 0.0, 0.5, 1.0], "beta": 1.0, "prior": [2, 1]}},
    "scenario": [
        {"name": "noise", "model": "flipped", "values": [0, 0.2, 0.4]},
        {"name": "noise, simulated", "kind": "simulated", "model": "flipped", "values": [0.2], "votes": 3},
        {
            "name": "bias",
            "model": "rater-bias",
            "parameter": "rater_sd",
            "values": [0.0, 1.0],
            "problem": "many",
            "raters": 8,
            "votes": 6,
            "draws": 20,
        },
    ],
}


def changed(**scenario):
    """The fields with another first scenario alone; a value of None takes a key away."""
    fields = copy.deepcopy(FIELDS)
    first = fields["scenario"][0] | scenario
    fields["scenario"] = [{key: x for key, x in first.items() if x is not None}]
    return fields


def on_raters(**scenario):
    return changed(**(FIELDS["scenario"][2] | scenario))


@pytest.fixture(scope="module")
def result():
    return stress(sa.make_scenarios(FIELDS))


def test_cells_are_scenarios_at_their_strengths(result):
    assert list(result) == ["noise=0.0", "noise=0.2", "noise=0.4", "noise, simulated=0.2", "bias=0.0", "bias=1.0"]
    grid = sa.make_scenarios(FIELDS)
    assert [one.kind for one in grid.scenarios] == ["exact", "simulated", "simulated"]
    assert [[x.name for x in one.policies] for one in grid.scenarios] == [
        ["uniform", "kg", "exact"],
        ["uniform", "kg"],
        ["uniform", "kg"],
    ]
    assert grid.scenarios[1].problem.cap.tolist() == [3, 3]
    assert grid.scenarios[2].refit.name == "rater-bias"


def test_table_has_means_errors_and_paired_differences(result):
    table = sa.stress_table(result)
    assert len(table) == 3 * 3 + 2 + 2 * 2
    part = result["bias=1.0"]
    row = table[(table["scenario"] == "bias") & (table["strength"] == 1.0) & (table["policy"] == "kg")].iloc[0]
    values = part["accuracy"].sel(policy="kg").values
    assert row["accuracy"] == pytest.approx(values.mean(), abs=1e-15)
    assert row["accuracy_se"] == pytest.approx(values.std(ddof=1) / math.sqrt(6), abs=1e-15)
    ahead = (part["payoff"].sel(policy="kg") - part["payoff"].sel(policy="uniform")).values
    assert (row["versus_uniform"], row["versus_uniform_se"]) == pytest.approx(
        (ahead.mean(), ahead.std(ddof=1) / math.sqrt(6)), abs=1e-15
    )
    right, held = (part[key].sel(policy="kg").values.sum() for key in ("decisive_right", "decisive"))
    assert row["true_share"] == pytest.approx(right / held, abs=1e-14)
    exact = table[(table["scenario"] == "noise") & (table["policy"] == "exact")]
    assert exact["loss"].iloc[0] == pytest.approx(0, abs=1e-12)
    assert (exact["loss_se"] == 0).all()
    assert exact["accuracy_after"].isna().all()


def test_flat_planner_asks_and_decides_by_a_flat_prior_in_simulated_cells_too():
    fields = changed(name="flat", kind="simulated", model="flat", values=[0.0, 1.0], votes=4)
    grid = sa.make_scenarios(fields | {"replications": 200})
    found = stress(grid)
    one = grid.scenarios[0]
    assert one.working(0.0) == one.problem
    assert one.working(1.0).prior.tolist() == [[1, 1], [1, 1]]
    seeds, keys = replication_keys(3, 200)
    pools = draw_beliefs([sa.Beta(2, 1)] * 2, seeds, votes=4)
    for strength, prior in ((0.0, (2, 1)), (1.0, (1, 1))):
        planner = sa.Problem([0.5, 0.6], 4, prior=prior, cap=4)
        expected = stress_simulated(planner, one.policies, pools, keys)
        for name in expected.data_vars:
            np.testing.assert_allclose(found[f"flat={strength}"][name], expected[name], rtol=0, atol=1e-12)
    assert abs(found["flat=0.0"]["claimed_accuracy"] - found["flat=1.0"]["claimed_accuracy"]).values.max() > 0.01


@pytest.mark.parametrize(("refit", "warmed"), [(True, 1), (False, 0)])
def test_kernels_of_rater_models_are_compiled_beforehand_only_for_fits(monkeypatch, refit, warmed):
    module, calls = sys.modules["seqaudit.benchmarks.stress.stress"], []
    monkeypatch.setattr(module, "warm_raters", lambda: calls.append(1))
    monkeypatch.setattr(module, "warm", lambda: None)
    monkeypatch.setattr(module, "run_parts", lambda jobs, *_, before, **more: before() or dict.fromkeys(jobs))
    stress(sa.make_scenarios(on_raters(refit=refit)), n_jobs=2)
    assert len(calls) == warmed


def test_parameters_that_are_given_may_be_one_number_for_all():
    one = sa.make_scenarios(on_raters(fixed={"offset": 0.5, "item_mean": 1})).scenarios[0]
    assert one.fixed == {"offset": 0.5, "item_mean": 1}
    fresh = sa.make_scenarios(on_raters(fixed={"offset": 0.5}, raters="fresh")).scenarios[0]
    assert fresh.fixed == {"offset": 0.5}


def test_names_may_be_as_long_as_those_of_files():
    assert sa.make_scenarios(changed(name="n" * 100)).scenarios[0].name == "n" * 100


def test_slope_is_that_of_the_least_squares_line(result):
    table = sa.stress_table(result)
    slopes = sa.stress_slopes(table).set_index(["scenario", "policy"])
    for scenario in ("noise", "bias"):
        for policy in ("uniform", "kg"):
            part = table[(table["scenario"] == scenario) & (table["policy"] == policy)]
            line = np.polyfit(part["strength"], part["loss"], 1)[0]
            assert slopes.loc[(scenario, policy), "slope"] == pytest.approx(line, abs=1e-12)
    # One strength has no slope.
    assert "noise, simulated" not in slopes.index.get_level_values(0)
    own = sa.stress_slopes(table)
    own = own[own["scenario"] == "noise"]["slope"].to_numpy()
    assert np.all(np.diff(own) <= 0)


def test_strengths_that_fall_have_slopes_by_their_distance():
    table = pd.DataFrame(
        {"scenario": "s", "policy": "kg", "strength": [1.0, 0.5, 0.25], "loss": [0.0, 1.0, 1.5]}, index=range(3)
    )
    assert sa.stress_slopes(table)["slope"].tolist() == [pytest.approx(2.0)]


def test_worse_than_uniform_means_by_two_errors_or_by_more_than_rounding():
    table = pd.DataFrame(
        {
            "policy": ["a", "b", "c", "d", "e"],
            "versus_uniform": [-1.0, -1.0, -1e-14, -1e-3, 1.0],
            "versus_uniform_se": [0.4, 0.6, 0.0, 0.0, 0.1],
            "payoff": [3.0] * 5,
        }
    )
    assert sa.worse_than_uniform(table)["policy"].tolist() == ["a", "d"]


def test_options_take_the_place_of_the_file():
    grid = sa.make_scenarios(FIELDS, policies=["gittins"], replications=9, seed=4)
    assert (grid.replications, grid.seed) == (9, 4)
    assert {tuple(x.name for x in one.policies) for one in grid.scenarios} == {("uniform", "gittins")}


def test_built_in_scenarios_can_be_had_and_begin_with_the_right_model():
    grid = sa.built_in_scenarios()
    exact = [one for one in grid.scenarios if one.kind == "exact"]
    assert exact
    for one in exact:
        wrong = sa.misbelief(one.problem, one.model, one.values[0], **one.settings)
        assert [wrong.working.belief(i) for i in range(wrong.working.size)] == wrong.nature
        assert "exact" in [x.name for x in one.policies]


def test_problem_may_lie_in_a_file(tmp_path):
    problem = sa.Problem([0.5, 0.6], 3, prior=(2, 1))
    problem.to_toml(tmp_path / "mine.toml")
    text = (
        '[problem]\nfile = "mine.toml"\n[[scenario]]\nname = "a"\nmodel = "flat"\nvalues = [0, 1]\npolicies = ["kg"]\n'
    )
    (tmp_path / "scenarios.toml").write_text(text)
    assert sa.read_scenarios(tmp_path / "scenarios.toml").scenarios[0].problem == problem


NOT_THERE = {"scenario": []}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (FIELDS | {"sead": 1}, "sead is not a key; did you mean seed?"),
        (FIELDS | {"seed": -1}, "seed is -1; it must be a whole number, at least 0"),
        (FIELDS | {"replications": 1}, "replications is 1; it must be a whole number, at least 2"),
        (FIELDS | {"replications": "many"}, "replications is 'many'; it must be a whole number"),
        (FIELDS | {"problems": 3}, "problems is 3; it must be tables"),
        (FIELDS | {"problem": "x.toml"}, "problem is 'x.toml'; it must be a table"),
        (FIELDS | {"problem": {"budget": 4}}, "problem: give the thresholds once"),
        (FIELDS | {"problem": {"budget": 0, "threshold": [0.5]}}, "problem: budget is 0"),
        (FIELDS | {"problem": {"file": "none.toml"}}, "none.toml: No such file"),
        (FIELDS | NOT_THERE, r"there is no \[\[scenario\]\]; give at least one"),
        (FIELDS | {"scenario": FIELDS["scenario"][:1] * 2}, "scenario 'noise' is given 2 times"),
        (changed(name="a/b"), "scenario 1: name is 'a/b'; it must be letters"),
        (changed(name=None), "scenario 1: name is None"),
        (changed(name="n" * 101), "scenario 1: name is 'n* ... n*'; it must be letters, .*, at most 100 bytes of them"),
        (changed(name="\u4e00" * 34), "at most 100 bytes of them"),
        (changed(model="glad"), "scenario 'noise': model is 'glad'; allowed: flipped, .*rater-bias"),
        (changed(model="rater-biass"), "scenario 'noise': model is 'rater-biass'"),
        (changed(kind="both"), "kind is 'both'; with model flipped it must be exact or simulated"),
        (changed(wait=1), "scenario 'noise': wait is not a key"),
        (changed(values=None), "values is None; it must be a list of 1 to 100 numbers"),
        (changed(values=[0, "x"]), r"values\[1\] is 'x'; it must be a number"),
        (changed(values=[0, 0.2, 0.1]), r"values is \[0, 0.2, 0.1\]; they must rise or fall, the mildest first"),
        (changed(values=[0, 0.7]), "scenario 'noise', value 0.7: flipped is 0.7; it must be at least 0 and below 1/2"),
        (changed(script=1), "value 0: nature flipped has no setting 'script'"),
        (changed(raters=5), "raters does not go with model flipped"),
        (changed(votes=5), "votes does not go with kind exact"),
        (changed(eps=0.5), "eps is 0.5; it must lie strictly between 0 and 1/2"),
        (changed(problem=["many"]), r"problem is \['many'\]; \[problems.NAME\] there are: many"),
        (
            changed(model="dispersed", values=[1, 1e307]),
            r"scenario 'noise', value 1e\+307: dispersed is 1e\+307; it must be from 1e-6 to 1e6",
        ),
        (changed(problem="few"), r"problem is 'few'; \[problems.NAME\] there are: many"),
        (changed(policies="kg"), "policies is 'kg'; it must be a list of names"),
        (changed(policies={"exakt": ["kg"]}), "policies: exakt is not a key; did you mean exact?"),
        (changed(policies=["kgg"]), "policy 'kgg' is not known"),
        (changed(policies=["kg", "kg"]), "policy 'kg' is given 2 times"),
        (on_raters(kind="exact"), "kind is 'exact'; with model rater-bias it must be simulated"),
        (on_raters(script=1.0), "script does not go with model rater-bias"),
        (on_raters(parameter=None), "parameter is None; the numbers of rater-bias are item_mean, item_sd, rater_sd"),
        (on_raters(parameter="offset"), "parameter is 'offset'; the numbers of rater-bias are"),
        (on_raters(fixed={"skill": 1}), "fixed names 'skill'; allowed: item_mean"),
        (on_raters(fixed={"rate": 0.5}), "fixed names 'rate'; allowed: item_mean, item_sd, item_logit, offset$"),
        (on_raters(fixed={"offset": [1, 2]}), r"offset has shape \(2,\); it must be a number or of shape \(8,\)"),
        (
            on_raters(fixed={"item_logit": [1, 2, 3, 4]}),
            "rate is given, and item_logit in parameters too; give one",
        ),
        (on_raters(fixed={"item_mean": [1, 2]}), r"item_mean has shape \(2,\); it must be a number"),
        (on_raters(fixed={"item_mean": "abc"}), "item_mean is 'abc'; it must be a number"),
        (on_raters(fixed={"offset": [1, math.nan] * 4}), "offset has nan; it must be numbers"),
        (on_raters(fixed={"offset": [[1], [1, 2]]}), r"offset\[0\] is .*; it must be a number"),
        (on_raters(fixed={"item_sd": -1}), "item_sd has -1; it must be at least 0 and finite"),
        (on_raters(values=[0, -1]), "scenario 'bias', value -1: rater_sd has -1; it must be at least 0 and finite"),
        (
            on_raters(model="grouped", parameter="group_sd", fixed={"group_effect": [0.1] * 3}),
            r"group_effect has shape \(3,\); it must be a number or of shape \(2,\)",
        ),
        (
            on_raters(model="contaminated", parameter="share", values=[0.2], fixed={"kind_share": 0.5}),
            "kind_share sums to 1.5; it must sum to 1",
        ),
        (on_raters(constants={"name": "x"}), "rater model rater-bias has no constant 'name'"),
        (on_raters(fixed=3), "fixed is 3; it must be a table"),
        (on_raters(constants={"x": 1}), "rater model rater-bias has no constant 'x'"),
        (on_raters(raters=5), "raters is 5; it must be at least the votes on an item, or 'fresh'"),
        (on_raters(raters="few"), "raters is 'few'; it must be at least"),
        (on_raters(raters="fresh", refit=True), "refit is rater-bias, which learns from raters with several votes"),
        (on_raters(raters=30), "20 labels are too few for 30 raters and 4 items"),
        (
            # Three labels of the dear items are all that the budget has room for, twelve of the cheap ones and more.
            on_raters(problem=None, raters=12)
            | {"problem": {"budget": 30, "threshold": [0.3, 0.5, 0.6, 0.7], "cost": [1, 1, 10, 10]}},
            "refit is rater-bias, .*; 3 labels are too few for 12 raters and 4 items",
        ),
        (on_raters(refit="glad"), "rater model is 'glad'"),
        (on_raters(refit=1.5), "refit is 1.5; it must be true, false or the name"),
        (on_raters(draws=2), "draws is 2; it must be a whole number, at least 4"),
        (on_raters(model="grouped", parameter="group_sd", groups=1), "groups is 1; it must be a whole number, at"),
        (
            FIELDS | {"problem": FIELDS["problem"] | {"batch": 2}},
            "scenario 'noise': batch is 2",
        ),
        (
            on_raters(problem=None) | {"problem": {"budget": 12, "threshold": [0.5, 0.6], "utility": "entropy"}},
            "utility entropy has no finite score where the truth is known",
        ),
        (
            FIELDS | {"problem": {"budget": 400, "threshold": [0.5] * 9}},
            "scenario 'noise': .*states",
        ),
    ],
)
def test_bad_scenarios_are_refused_in_one_line_that_names_them(fields, message):
    with pytest.raises(ValueError, match=message) as refused:
        sa.make_scenarios(fields)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [(None, "No such file"), ("a = [", "not valid TOML"), ("seed = 1\n", r"there is no \[\[scenario\]\]")],
)
def test_files_that_cannot_be_read_are_refused_by_name(tmp_path, text, message):
    path = tmp_path / "mine.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ValueError, match=f"mine.toml: .*{message}"):
        sa.read_scenarios(path)
