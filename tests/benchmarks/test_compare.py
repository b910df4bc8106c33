"""Comparison: values are those of the exact engine, shares and order follow from them, and nothing starts in vain."""

from __future__ import annotations

import importlib
import math
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

import numpy as np
import pytest

import seqaudit as sa
from seqaudit.bandits.choice import choose_policies
from seqaudit.bandits.registry import label
from seqaudit.dp.exact import lattice
from seqaudit.posteriors.foundation import memory

# The package re-exports the function under the module's name.
module = importlib.import_module("seqaudit.benchmarks.comparison.compare")

PROBLEM = sa.Problem([0.5, 0.62, 0.75], 7, weight=[1.0, 1.5, 2.0], prior=[(1, 1), (1, 1), (2, 1)])
KINDS = ["bound", "optimum", "policy", "nothing"]


@dataclass(frozen=True)
class Margin(sa.IndexPolicy):
    """A policy of somebody else's, with a setting that has no default."""

    width: float = 0.0
    shape: str = "flat"
    name: ClassVar[str] = "margin"

    def index(self, states):
        return -np.abs(states.tail - 0.5 - self.width)


@dataclass(frozen=True, kw_only=True)
class Demanding(sa.IndexPolicy):
    """A policy that cannot be made without a value."""

    power: int
    name: ClassVar[str] = "demanding"

    def index(self, states):
        return (states.tail * (1.0 - states.tail)) ** self.power


def values_of(table) -> dict[str, float]:
    return dict(zip(table["policy"], table["value"], strict=True))


@pytest.fixture(scope="module")
def table():
    return sa.compare(PROBLEM)


@pytest.fixture
def no_work(monkeypatch):
    """Let every computation fail."""

    def refuse(*_, **__):
        raise AssertionError("work was started")

    for name in ("solve", "evaluate", "upper_bound"):
        monkeypatch.setattr(module, name, refuse)


@pytest.mark.smoke
def test_values_are_those_of_solve_evaluate_and_the_bounds(table):
    solution = sa.solve(PROBLEM)
    expected = {name: sa.evaluate(PROBLEM, sa.make_policy(name)).value for name in sa.policy_names()}
    expected |= {
        "optimum": solution.value,
        "no labels": solution.prior_value,
        "lagrangian bound": sa.upper_bound(PROBLEM, "lagrangian").value,
        "clairvoyant bound": sa.upper_bound(PROBLEM, "clairvoyant").value,
    }
    assert values_of(table) == expected
    assert list(table.columns) == ["policy", "kind", "value", "share", "regret", "seconds"]
    assert (table["seconds"] >= 0).all()
    assert table.attrs["remarks"] == []


@pytest.mark.parametrize(("budget", "value"), [(1, "3/4"), (2, "3/4"), (3, "13/16"), (4, "13/16"), (5, "27/32")])
def test_single_item_climbs_the_staircase_of_beta_binomial_values(budget, value):
    """At t = 1/2 from Beta(1, 1), E max(p, 1-p) after m labels: there is only one item, so every policy earns it."""
    found = sa.compare(sa.Problem([0.5], budget), ["uniform", "variance-reduction"])
    exact = sum(
        max(tail, 1 - tail) / (budget + 1)
        for w in range(budget + 1)
        for tail in [Fraction(sum(math.comb(budget + 1, j) for j in range(w + 1)), 2 ** (budget + 1))]
    )
    assert exact == Fraction(value)
    found = found.set_index("policy")
    for name in ("optimum", "uniform", "variance-reduction", "lagrangian bound"):
        assert found.loc[name, "value"] == pytest.approx(float(exact), rel=1e-13)
        assert found.loc[name, "share"] == pytest.approx(1.0, rel=1e-12)


def test_shares_and_regrets_follow_from_the_values(table):
    value = values_of(table)
    best, nothing = value["optimum"], value["no labels"]
    for row in table.itertuples():
        assert row.share == pytest.approx((row.value - nothing) / (best - nothing), rel=1e-12, abs=1e-15)
        assert row.regret == pytest.approx(best - row.value, rel=1e-12, abs=1e-15)


def test_optimum_has_share_one_and_no_labels_share_zero(table):
    rows = table.set_index("policy")
    assert rows.loc["optimum", "share"] == 1.0
    assert rows.loc["optimum", "regret"] == 0.0
    assert rows.loc["no labels", "share"] == 0.0
    assert rows.loc["exact", "share"] == pytest.approx(1.0, rel=1e-12)


def test_headroom_is_what_uniform_selection_leaves(table):
    found = sa.evaluate(PROBLEM, sa.Uniform()).value
    nothing, best = PROBLEM.prior_value, sa.solve(PROBLEM).value
    assert table.attrs["headroom"] == pytest.approx((best - found) / (best - nothing), abs=1e-12)
    assert sa.compare(PROBLEM, ["kg"]).attrs["headroom"] is None


def test_bounds_lie_above_the_optimum_and_the_optimum_above_all_policies(table):
    value = values_of(table)
    assert value["clairvoyant bound"] > value["lagrangian bound"] > value["optimum"]
    policies = [value[name] for name in sa.policy_names() if name != "exact"]
    # Accuracy is convex in the tail: labels cannot do harm.
    assert all(value["optimum"] + 1e-12 >= x >= value["no labels"] - 1e-12 for x in policies)
    assert min(policies) < value["optimum"] - 0.01


def test_kinds_stand_in_order_and_the_largest_value_first_within_each(table):
    ranks = [KINDS.index(kind) for kind in table["kind"]]
    assert ranks == sorted(ranks)
    assert list(table["kind"].unique()) == KINDS
    for _, part in table.groupby("kind"):
        assert (np.diff(part["value"]) <= 1e-12).all()
    assert list(table.index) == list(range(len(table)))


def test_values_that_differ_by_rounding_keep_the_order_of_the_request():
    def rows(*policies):
        ends = [("optimum", "optimum", 2.0), ("no labels", "nothing", 1.0)]
        values = [*ends, *((name, "policy", value) for name, value in policies)]
        return [{"policy": name, "kind": kind, "value": value, "seconds": 0.0} for name, kind, value in values]

    policies = [("better", 1.5), ("tied", 1.2), ("tied too", np.nextafter(1.2, 2)), ("worse", 1.1)]
    for order in (policies, policies[::-1]):
        found = module.comparison_table(rows(*order))
        expected = sorted(order, key=lambda row: -round(row[1], 9))
        assert list(found["policy"]) == ["optimum", *(name for name, _ in expected), "no labels"]


def test_linear_utility_has_no_gain_to_share():
    found = sa.compare(sa.Problem([0.3, 0.6, 0.8], 5, weight=[0.1, 0.7, 1.3], utility="linear"))
    assert found["share"].isna().all()
    assert (found["regret"].abs() < 1e-12).all()
    assert len(found) == len(sa.policy_names()) + 4


def test_utility_that_punishes_knowledge_has_no_gain_to_share_and_no_clairvoyant_bound():
    problem = sa.Problem([0.4, 0.6], 3, utility=np.sqrt)
    found = sa.compare(problem, ["kg", "uniform"])
    remark, reason = found.attrs["remarks"]
    assert remark.startswith("clairvoyant bound left out: utility rises above its chord at p = ")
    assert reason.startswith("no policy can gain over buying no label")
    value = values_of(found)
    assert "clairvoyant bound" not in value
    assert value["lagrangian bound"] >= value["optimum"] > value["uniform"]
    assert value["no labels"] == value["optimum"]
    assert found["share"].isna().all()


def test_callable_below_its_chord_has_a_clairvoyant_bound():
    found = sa.compare(sa.Problem([0.4, 0.6], 3, utility=lambda p: p**2), ["kg"])
    # h(1) = 1 and h(0) = 0: the sum of the prior tails, 1 - t from Beta(1, 1).
    assert values_of(found)["clairvoyant bound"] == pytest.approx(1.0, rel=1e-12)
    assert found.attrs["remarks"] == []


@pytest.mark.parametrize("utility", ["asymmetric", "variance", "entropy", "decisive"])
def test_every_named_utility_can_be_compared(utility):
    problem = sa.Problem([0.4, 0.6], 6, utility=utility)
    found = sa.compare(problem, ["variance-reduction", "round-robin"]).set_index("policy")
    assert found.loc["optimum", "value"] == sa.solve(problem).value
    assert found.loc["no labels", "value"] == problem.prior_value
    assert (found.loc[["clairvoyant bound", "lagrangian bound"], "share"] >= 1 - 1e-12).all()
    assert (found.loc[["variance-reduction", "round-robin"], "share"] <= 1 + 1e-12).all()


def test_answer_does_not_depend_on_threads(table):
    alone = sa.compare(PROBLEM, threads=1)
    assert values_of(alone) == values_of(table)


def test_items_that_run_out_of_labels_are_no_obstacle():
    problem = sa.Problem([0.4, 0.6], 9, cap=[3, 0])
    found = values_of(sa.compare(problem))
    single = sa.evaluate(sa.Problem([0.4], 3), sa.Uniform()).value + 0.6
    for name in ("optimum", *sa.policy_names()):
        assert found[name] == pytest.approx(single, rel=1e-12)


def test_only_the_policies_asked_for_are_compared():
    found = sa.compare(PROBLEM, ["kg", sa.Uniform()])
    assert sorted(found.loc[found["kind"] == "policy", "policy"]) == ["kg", "uniform"]


def test_settings_that_are_not_the_usual_ones_stand_in_the_label():
    assert label(sa.KnowledgeGradient()) == "kg"
    assert label(sa.KnowledgeGradient(ties="first")) == "kg(ties=first)"
    assert label(Margin(width=0.2)) == "margin(width=0.2)"
    assert label(Margin(ties="first", shape="bent")) == "margin(ties=first, shape=bent)"
    assert label(Demanding(power=2)) == "demanding(power=2)"


def test_one_policy_in_two_settings_is_compared_with_itself():
    policies = [sa.LinearGain(), sa.LinearGain(ties="first"), Margin(width=0.1), Margin(), Demanding(power=1)]
    found = values_of(sa.compare(PROBLEM, policies))
    for policy in policies:
        assert found[label(policy)] == sa.evaluate(PROBLEM, policy).value
    assert found["linear-gain"] != found["linear-gain(ties=first)"]
    assert found["margin"] != found["margin(width=0.1)"]


@pytest.mark.usefixtures("no_work")
@pytest.mark.parametrize(
    ("policies", "message"),
    [
        (["kq"], "policy 'kq' is not known; did you mean 'kg'"),
        (["uniform", "optimistic"], "policy 'optimistic' is not known; did you mean 'optimistic-kg'"),
        (["kg", sa.KnowledgeGradient()], "policy 'kg' is given 2 times"),
        ([], "no policy was chosen; known: uniform, "),
    ],
)
def test_choice_that_makes_no_sense_is_refused_before_any_work(policies, message):
    with pytest.raises(ValueError, match=message):
        sa.compare(PROBLEM, policies)


@pytest.mark.usefixtures("no_work")
def test_problem_too_large_is_refused_before_any_work():
    message = r"states and .*B of memory are needed, .*B are available; use simulate"
    with pytest.raises(sa.ProblemTooLarge, match=message):
        sa.compare(sa.Problem(np.linspace(0.2, 0.8, 12), 200))


@pytest.fixture
def room_for_the_sweep_only(monkeypatch):
    """Let there be memory for the optimum's value, and none for its policy."""
    needed = lattice.Lattice.of(PROBLEM).bytes_needed()
    monkeypatch.setattr(memory, "available_memory", lambda: needed)


@pytest.mark.usefixtures("no_work", "room_for_the_sweep_only")
def test_policy_that_was_asked_for_is_not_left_out_in_silence():
    with pytest.raises(sa.ProblemTooLarge, match="problem too large for an exact solution: at least "):
        sa.compare(PROBLEM, ["kg", "exact"])


@pytest.mark.usefixtures("room_for_the_sweep_only")
def test_exact_policy_is_left_out_of_the_default_where_there_is_no_room_for_it():
    found = sa.compare(PROBLEM)
    remarks = found.attrs["remarks"]
    assert all(" left out: problem too large for " in remark for remark in remarks)
    assert any(x.startswith("exact left out: problem too large for an exact solution: at least ") for x in remarks)
    # Nor is there room for the states that a joint policy comes to, and what it says of them.
    assert {remark.split(" ", 1)[0] for remark in remarks} >= {"exact", "lagrangian", "thompson", "rollout"}
    assert "exact" not in set(found["policy"])
    assert {"kg", "optimum"} <= set(found["policy"])


def test_exact_policy_is_compared_whatever_the_number_of_items():
    found = sa.compare(sa.Problem(np.linspace(0.2, 0.8, 70), 1), ["exact"])
    assert found.attrs["remarks"] == []
    assert found.set_index("policy").loc["exact", "share"] == pytest.approx(1.0, rel=1e-9)


@pytest.mark.usefixtures("no_work")
def test_problem_with_batches_is_refused_before_any_work():
    with pytest.raises(ValueError, match="batch is 2: compare values policies that choose label by label; see solve"):
        sa.compare(sa.Problem([0.5, 0.6], 4, batch=2), ["kg"])


WHOLE = {
    "cost": [1, 1.5, 0.5],
    "reward": [0.1, 0, -0.05],
    "prior": [sa.NoisyBeta(1, 1, 0.1), sa.Beta(1, 1), sa.Beta(2, 1)],
}


@pytest.mark.parametrize("fields", [WHOLE, {"quota": [([0], 2), ([1, 2], 3)]}, WHOLE | {"quota": [([0, 1], 3)]}])
def test_problems_of_the_whole_family_are_compared(fields):
    problem = sa.Problem([0.5, 0.62, 0.75], 7, **fields)
    found = sa.compare(problem, ["kg", "variance-reduction", "exact"])
    value = values_of(found)
    assert value["optimum"] == sa.solve(problem).value
    assert value["kg"] == sa.evaluate(problem, sa.KnowledgeGradient()).value
    assert value["exact"] == pytest.approx(value["optimum"], rel=1e-12)
    assert value["lagrangian bound"] >= value["optimum"] - 1e-9
    remarks = found.attrs["remarks"]
    if "reward" in fields:
        assert remarks == [
            "clairvoyant bound left out: there are rewards, which depend on the rates themselves: the clairvoyant "
            "bound does not hold"
        ]
    else:
        assert remarks == []
        assert value["clairvoyant bound"] >= value["optimum"]


def test_rows_are_computed_when_they_are_called_for(monkeypatch):
    calls = []
    honest = module.evaluate
    monkeypatch.setattr(module, "evaluate", lambda p, policy, **k: calls.append(policy.name) or honest(p, policy, **k))
    rows, remarks = module.comparison_rows(PROBLEM, ["kg", "uniform"])
    assert [name for name, _ in rows] == [
        "optimum", "lagrangian bound", "clairvoyant bound", "kg", "uniform", "no labels",
    ]  # fmt: skip
    assert (calls, remarks) == ([], [])
    row = dict(rows)["uniform"]()
    assert calls == ["uniform"]
    assert (row["policy"], row["kind"]) == ("uniform", "policy")
    assert row["value"] == sa.evaluate(PROBLEM, sa.Uniform()).value


def test_choice_of_nothing_in_particular_is_every_registered_policy():
    chosen, remarks = choose_policies(PROBLEM, None)
    assert [policy.name for policy in chosen] == list(sa.policy_names())
    assert remarks == []


def test_one_name_stands_for_a_list_of_one():
    table = sa.compare(sa.Problem([0.5, 0.7], budget=3), "kg")
    assert list(table.loc[table["kind"] == "policy", "policy"]) == ["kg"]
