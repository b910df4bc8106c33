"""Value against budget: its ends, its bounds, and both ways to get it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

import seqaudit as sa
from seqaudit.bandits.simulation.board import final_values
from seqaudit.bandits.simulation.certify import net_of_chance
from seqaudit.bandits.simulation.seeds import replication_keys
from seqaudit.bandits.simulation.simulate import PriorNature, spend
from seqaudit.benchmarks.comparison.curve import BOUNDS, at_budget, budgets_of, curve_policies
from seqaudit.benchmarks.figures.curve import plot_curve

THRESHOLD = np.random.default_rng(3).uniform(0.2, 0.8, 12)
PLAIN = sa.Problem(THRESHOLD, 60, weight=np.linspace(1, 2, 12))
MIXTURE = sa.BetaMixture([1, 1], [2, 5], [2, 1])
PROBLEMS = {
    "plain": PLAIN,
    "caps": sa.Problem(THRESHOLD, 60, cap=np.arange(12) % 5),
    "costs": sa.Problem(THRESHOLD, 50.5, cost=1 + 0.5 * (np.arange(12) % 3)),
    "quota": sa.Problem(THRESHOLD, 60, quota=[([0, 1], 9)]),
    "batches": sa.Problem(THRESHOLD, 60, batch=7),
    "price": sa.Problem(THRESHOLD, 60, weight=np.linspace(1, 2, 12), label_price=0.002),
    "log-ratios": sa.Problem.from_logratio(
        np.linspace(-1, 1, 12), 0.7, 60, prior=sa.BetaMixture([1, 1], [2, 5], [2, 1])
    ),
}
POLICIES = ["variance-reduction", "whittle", "uniform"]


@pytest.mark.parametrize("asked", [None, 12])
def test_larger_budget_is_not_held_to_what_the_smaller_one_bought(asked):
    assert at_budget(sa.Problem([0.5], 9, cap=asked), 40) == sa.Problem([0.5], 40, cap=asked)


@pytest.mark.parametrize("case", PROBLEMS)
def test_every_point_has_the_mean_of_what_simulate_finds_with_that_budget(case):
    """The control variate has mean zero: 38 comparisons, false-alarm rate 1e-5 each."""
    problem = PROBLEMS[case]
    curve = sa.budget_curve(problem, POLICIES, points=2, replications=150, seed=7)
    assert not curve.exact.isel(budget=slice(1, None)).any()
    for name in POLICIES:
        for budget in curve.budget.values[1:].tolist():
            plain = sa.simulate(at_budget(problem, budget), name, replications=150, seed=7).values
            off = curve.value.sel(policy=name, budget=budget).values - plain
            assert abs(off.mean()) <= 4.5 * off.std(ddof=1) / np.sqrt(len(off)) + 1e-12


@pytest.mark.parametrize("case", PROBLEMS)
def test_curve_begins_with_no_labels_and_no_estimate_is_above_the_bound(case):
    problem = PROBLEMS[case]
    curve = sa.budget_curve(problem, POLICIES, points=4, replications=4, seed=5)
    assert curve.budget.values[0] == 0
    assert np.all(curve.value.isel(budget=0) == problem.prior_value)
    assert curve.bound.values[0] == problem.prior_value
    assert (np.diff(curve.bound) > 0).all() or case in ("caps", "price")
    assert (np.diff(curve.bound) >= -1e-9).all()
    assert (curve.value <= curve.bound + 1e-9).all(), "not even one replication"
    assert (curve.value.mean("replication").isel(budget=-1) > problem.prior_value).all()
    for budget, bound in zip(curve.budget.values[1:].tolist(), curve.bound.values[1:], strict=True):
        assert bound == sa.upper_bound(at_budget(problem, budget)).value


@pytest.mark.parametrize("asked", [0.0, 0.01])
@pytest.mark.parametrize("price", [0.0, 0.01, 0.2])
def test_payoff_net_of_chance_keeps_its_mean_at_any_price(price, asked):
    """False-alarm rate 1e-5."""
    problem = PLAIN.replace(label_price=asked)
    seeds, keys = replication_keys(3, 400)
    nature = PriorNature.draw(problem, seeds, keys)
    counts, wins = spend(problem, sa.KnowledgeGradient(), nature, keys)
    off = net_of_chance(problem, price, counts, nature) - final_values(problem, counts, wins)
    assert abs(off.mean()) <= 4.5 * off.std(ddof=1) / np.sqrt(len(off))


@pytest.mark.parametrize("policy", ["kg", "stop-when(base=kg)"])
def test_simulated_values_pay_for_labels(policy):
    """With two labels of thirteen items, all values are known: each of the first five is worth .25 more, less .1."""
    problem = sa.Problem([0.5] * 5 + [0.7] * 8, 2, label_price=0.1)
    curve = sa.budget_curve(problem, [policy], points=2, replications=4000, seed=7)
    assert not curve.exact.isel(budget=-1).item()
    value = curve.value.isel(policy=0, budget=-1)
    error = float(value.std("replication", ddof=1)) / np.sqrt(4000)
    assert abs(float(value.mean("replication")) - 8.4) <= 4.5 * error + 1e-9
    assert (value <= float(curve.bound.isel(budget=-1)) + 1e-9).all()


@pytest.mark.parametrize("policy", ["kg", "whittle", "thompson", "epsilon-audit", sa.TreeSearch(simulations=2)])
@pytest.mark.parametrize("fields", [{}, {"cost": [1, 2, 1, 1]}, {"quota": [([0, 1], 2)]}, {"utility": "entropy"}])
def test_values_are_exact_where_they_fit(policy, fields):
    problem = sa.Problem([0.3, 0.45, 0.6, 0.7], 4, **fields)
    curve = sa.budget_curve(problem, [policy], points=2, replications=500, seed=7)
    assert curve.exact.all()
    table = sa.curve_table(curve).set_index("kind")
    assert (table["standard_error"] == 0).all()
    for budget, value in zip(curve.budget.values[1:].tolist(), table.loc["policy", "value"].iloc[1:], strict=True):
        assert value == sa.evaluate(at_budget(problem, budget), sa.make_policy(policy)).value
    assert (table.loc["policy", "value"].to_numpy() <= table.loc["optimum", "value"].to_numpy() + 1e-12).all()


def test_policy_that_plans_is_simulated_where_that_asks_it_less_often():
    problem = sa.Problem([0.3, 0.45, 0.6], 8)
    curve = sa.budget_curve(problem, [sa.TreeSearch(simulations=2), "kg"], points=1, replications=2, seed=7)
    assert curve.exact.isel(budget=-1).values.tolist() == [False, True]


@pytest.mark.parametrize(("part", "lost"), [(BOUNDS, "price"), ("kg", "exact")])
def test_part_of_another_version_is_computed_again_with_a_note(part, lost):
    parts, again = {}, []
    first = sa.budget_curve(PLAIN, ["kg", "uniform"], points=2, replications=3, seed=1, on_part=parts.__setitem__)
    old = parts | {part: parts[part].drop_vars(lost) * 2}
    second = sa.budget_curve(
        PLAIN,
        ["kg", "uniform"],
        points=2,
        replications=3,
        seed=1,
        finished=old,
        on_part=lambda name, _: again.append(name),
    )
    assert again == [part]
    assert f"computed again, since another version wrote them: {part}" in second.attrs["remarks"]
    assert first.drop_vars("seconds").equals(second.drop_vars("seconds"))
    assert set(old) == {BOUNDS, "kg", "uniform"}, "the caller's parts are left alone"


def test_optimum_is_exact_where_the_problem_is_small():
    small = sa.Problem([0.5, 0.62, 0.75], 12)
    curve = sa.budget_curve(small, ["kg"], points=3, replications=2, seed=0)
    exact = [small.prior_value, *(sa.solve(at_budget(small, b)).value for b in (4, 8, 12))]
    assert curve.optimum.values.tolist() == exact
    assert (curve.optimum <= curve.bound + 1e-12).all()
    assert np.isnan(sa.budget_curve(PLAIN, ["kg"], points=3, replications=2, seed=0).optimum).all()
    table = sa.curve_table(curve)
    shares = table[table["budget"] == 12].set_index("policy")["share"]
    compared = sa.compare(small, ["kg"]).set_index("policy")["share"]
    assert shares.to_dict() == pytest.approx(compared.drop("clairvoyant bound").to_dict(), rel=1e-12), "one meaning"


def test_answer_does_not_depend_on_workers_and_finished_parts_are_not_computed_again():
    parts = {}
    one = sa.budget_curve(PLAIN, POLICIES, points=3, replications=4, seed=1, on_part=parts.__setitem__)
    two = sa.budget_curve(PLAIN, POLICIES, points=3, replications=4, seed=1, n_jobs=2)
    assert one.drop_vars("seconds").equals(two.drop_vars("seconds"))
    assert parts.keys() == {BOUNDS, *POLICIES}
    again = []
    marked = parts | {"whittle": parts["whittle"].assign(value=parts["whittle"].value + 1)}
    del marked["uniform"]
    third = sa.budget_curve(
        PLAIN, POLICIES, points=3, replications=4, seed=1, finished=marked, on_part=lambda name, _: again.append(name)
    )
    assert again == ["uniform"]
    assert (third.value.sel(policy="whittle") == one.value.sel(policy="whittle") + 1).all()
    assert (third.value.sel(policy="uniform") == one.value.sel(policy="uniform")).all()


def test_policy_that_asks_for_the_budget_left_is_run_for_each_budget():
    @dataclass(frozen=True)
    class Patient(sa.IndexPolicy):
        """Label the first items early and the last ones when little is left."""

        name = "patient"
        uses_remaining = True

        def index(self, states):
            return np.where(states.remaining > 10, -1.0, 1.0) * states.item

    curve = sa.budget_curve(PLAIN, [Patient()], points=3, replications=3, seed=2)
    seeds, keys = replication_keys(2, 3)
    nature = PriorNature.draw(PLAIN, seeds, keys)
    for budget in (20, 40):
        small = at_budget(PLAIN, budget)
        counts, _ = spend(small, Patient(), nature, keys)
        expected = net_of_chance(small, float(curve.price.sel(budget=budget)), counts, nature)
        assert curve.value.sel(policy="patient", budget=budget).values.tolist() == expected.tolist()


def test_what_would_take_too_long_is_left_out_unless_it_is_asked_for():
    large = sa.Problem(np.linspace(0.2, 0.8, 400), 4000)
    budgets, _ = budgets_of(large, 12)
    chosen, remarks = curve_policies(large, None, budgets, 64)
    names = {policy.name for policy in chosen}
    assert names.isdisjoint({"whittle", "kg-star", "lagrangian", "exact"})
    assert {"variance-reduction", "kg", "uniform"} <= names
    for name in ("whittle", "kg-star", "lagrangian", "exact"):
        assert any(remark.startswith(f"{name} left out: ") for remark in remarks)
    assert [policy.name for policy in curve_policies(large, ["whittle"], budgets, 64)[0]] == ["whittle"]
    small = sa.Problem([0.5, 0.62, 0.75], 12)
    chosen, remarks = curve_policies(small, None, [0, 6, 12], 8)
    planning = {name for name in sa.policy_names() if sa.make_policy(name).planning}
    assert {policy.name for policy in chosen} == set(sa.policy_names()) - {"exact"} - planning
    plans = [f"{name} left out: it plans every label, which takes long; ask for it by name" for name in planning]
    assert sorted(remarks) == sorted([*plans, "exact left out: the optimum is a separate curve"])


def test_grid_of_budgets_ends_with_the_problem_s_own():
    assert budgets_of(PLAIN, 4) == ([0, 15, 30, 45, 60], [])
    assert budgets_of(sa.Problem([0.5], 3), 12)[0] == [0, 1, 2, 3]
    assert budgets_of(PROBLEMS["costs"], 2)[0] == [0, 25.25, 50.5]
    kept, (remark,) = budgets_of(PROBLEMS["quota"], 10)
    assert kept == [0, 12, 18, 24, 30, 36, 42, 48, 54, 60]
    assert remark == "budgets 6 to 6 left out: too small for the quotas or a batch"


@pytest.mark.parametrize(
    ("field", "value"), [("points", 0), ("points", 1.5), ("replications", 0), ("replications", True)]
)
def test_bad_numbers_are_refused(field, value):
    with pytest.raises(ValueError, match=rf"{field} is {value}; it must be a whole number, at least 1"):
        sa.budget_curve(PLAIN, ["kg"], seed=0, **{field: value})


def test_table_holds_means_errors_and_shares():
    curve = sa.budget_curve(PLAIN, POLICIES, points=2, replications=5, seed=4)
    table = sa.curve_table(curve).set_index(["policy", "budget"])
    for name in POLICIES:
        values = curve.value.sel(policy=name, budget=30).values
        row = table.loc[(name, 30)]
        assert row["value"] == pytest.approx(values.mean(), rel=1e-14)
        assert row["standard_error"] == pytest.approx(values.std(ddof=1) / np.sqrt(5), rel=1e-12)
        bound = float(curve.bound.sel(budget=30))
        assert np.isnan(row["share"]), "the optimum is not known"
        assert row["share_of_bound"] == pytest.approx(
            (values.mean() - PLAIN.prior_value) / (bound - PLAIN.prior_value), rel=1e-12
        )
    assert table.loc[("lagrangian bound", 60), "share_of_bound"] == 1
    assert np.isnan(table.loc[("uniform", 0), "share_of_bound"])
    assert (table.loc["no labels", "value"] == PLAIN.prior_value).all()
    final = [
        table.loc[(name, 60), "value"] for name in dict.fromkeys(table.index.get_level_values(0)) if name in POLICIES
    ]
    assert final == sorted(final, reverse=True)
    assert np.isnan(sa.curve_table(curve.isel(replication=[0]))["standard_error"]).any()


def looks(figure):
    # A line's style is a word for four patterns of dashes, and "--" for all others.
    return {line.get_label(): (line.get_color(), str(line._unscaled_dash_pattern)) for line in figure.axes[0].lines}


def test_figure_shows_the_table_and_a_policy_keeps_its_look(figures):
    table = sa.curve_table(sa.budget_curve(PLAIN, POLICIES, points=3, replications=5, seed=4))
    plot_curve(table, "figure.png", "title")
    # The order of values upside down: looks must not follow it.
    turned = table.assign(value=-table["value"]).iloc[::-1]
    plot_curve(turned[turned["policy"] != "uniform"], "other.png")
    first, other = figures
    left, right = first.axes
    by_policy = table.set_index(["policy", "budget"])
    for line in left.lines:
        name = line.get_label().replace("Lagrangian", "lagrangian")
        assert line.get_xdata().tolist() == [0, 20, 40, 60]
        assert line.get_ydata().tolist() == by_policy.loc[name, "value"].tolist()
    for line in right.lines[:2]:
        name = line.get_label().replace("Lagrangian", "lagrangian")
        assert line.get_ydata()[1:] == pytest.approx(100 * by_policy.loc[name, "share_of_bound"].to_numpy()[1:])
    assert {line.get_label() for line in left.lines} == {"Lagrangian bound", *POLICIES, "no labels"}
    assert len(left.collections) == len(right.collections) == len(POLICIES)
    assert looks(other).items() <= looks(first).items()
    corners = left.collections[0].get_paths()[0].vertices
    row = by_policy.loc[left.lines[1].get_label()]
    assert corners[:, 1].max() == pytest.approx((row["value"] + row["standard_error"]).max())


def test_all_policies_and_some_others_look_different(figures):
    table = sa.curve_table(sa.budget_curve(sa.Problem([0.5, 0.7], 3), points=2, replications=2, seed=0))
    kg = table[table["policy"] == "kg"]
    plot_curve(pd.concat([table, *(kg.assign(policy=f"other {k}") for k in range(6))]), "figure.png")
    found = looks(figures[0])
    assert len(set(found.values())) == len(found) >= 23


def test_budget_at_which_a_policy_does_not_apply_is_named():
    policy = sa.MinimumCoverage("kg", ["a"] * 10 + ["b"] * 10, 5)
    with pytest.raises(ValueError, match=r"^at a budget of 5 on the curve: minimum-coverage: the minima"):
        sa.budget_curve(sa.Problem(np.linspace(0.3, 0.7, 20), 40), [policy], points=8, seed=1)
