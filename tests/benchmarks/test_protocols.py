"""Protocols: the optimum at a price of labels, and the break-even cost against a search through all whole numbers."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import seqaudit as sa
from seqaudit.benchmarks.design_choices.protocols import under
from seqaudit.benchmarks.figures.design_choices import plot_break_even, plot_protocols
from seqaudit.dp.problem.variants import changed

PROBLEM = sa.Problem([0.5, 0.62, 0.75], 9, weight=[1.0, 1.0, 2.0])


def value(problem: sa.Problem, flip: float, labels: int) -> float:
    """Optimum of so many labels of a noise, stated afresh."""
    if labels == 0:
        return problem.prior_value
    prior = [sa.NoisyBeta(a, b, flip) for a, b in problem.prior]
    return sa.solve(
        sa.Problem(problem.threshold, labels, weight=problem.weight, prior=prior, utility=problem.utility)
    ).value


def test_a_protocol_buys_whole_labels():
    found = sa.protocols(PROBLEM, [(0.3, 1), sa.Protocol(0.05, 2.5)], points=9)
    assert found.budget.values.tolist() == list(range(10))
    assert found.bought.values.tolist() == [list(range(10)), [0, 0, 0, 1, 1, 2, 2, 2, 3, 3]]
    for k, flip in enumerate((0.3, 0.05)):
        for j, labels in enumerate(found.bought.values[k]):
            assert float(found.optimum[k, j]) == pytest.approx(value(PROBLEM, flip, int(labels)), abs=1e-12)
    lower = found.lower.values
    wanted = ["tie" if abs(x - y) < 1e-9 else str(found.protocol.values[int(y > x)]) for x, y in lower.T]
    assert found.winner.values.tolist() == wanted
    assert set(wanted) == {"tie", "noise 0.3 at cost 1", "noise 0.05 at cost 2.5"}
    table = sa.protocols_table(found)
    assert len(table) == 20
    assert table["upper"].tolist() == found.upper.values.ravel().tolist()


def test_cheap_labels_are_not_held_back_by_caps_that_the_budget_had_set():
    free = under(PROBLEM, sa.Protocol(0.1, 0.5))
    assert (free.labels, free.cap.tolist()) == (18, [18, 18, 18])
    capped = sa.Problem([0.5, 0.6], 9, cap=[2, 9])
    assert under(capped, sa.Protocol(0.1, 0.5)).cap.tolist() == [2, 9]
    dear = sa.Problem([0.5, 0.6], 9.0, cost=[1, 2])
    assert under(dear, sa.Protocol(0.1, 2)).cost.tolist() == [2, 4]
    assert under(dear, sa.Protocol(0.1, 2), 4.0).labels == 2


def test_caps_that_were_given_hold_cheap_labels_back_whatever_the_budget(tmp_path):
    given, free = sa.Problem([0.5], 9, cap=12), sa.Problem([0.5], 9)
    assert given == free
    assert given.digest() == free.digest()
    for problem, most in ((given, 12), (free, 90)):
        problem.to_toml(tmp_path / "problem.toml")
        again = sa.Problem.from_toml(tmp_path / "problem.toml")
        turned = sa.Problem.from_dict(changed(problem, "beta", 1.0).as_dict())
        for one in (problem, again, turned, pickle.loads(pickle.dumps(problem))):
            assert under(one, sa.Protocol(0.1, 0.1)).labels == most
    choices = [(0.3, 0.5), (0.1, 1)]
    assert sa.protocols(given, choices, points=3).bought.values.tolist() == [[0, 6, 12, 12], [0, 3, 6, 9]]
    assert sa.protocols(free, choices, points=3).bought.values.tolist() == [[0, 6, 12, 18], [0, 3, 6, 9]]
    (tmp_path / "capped.toml").write_text("threshold = [0.5]\nbudget = 9\ncap = [9]\n")
    assert under(sa.Problem.from_toml(tmp_path / "capped.toml"), sa.Protocol(0.1, 0.5)).labels == 9


def test_budgets_that_buy_no_label_are_worth_no_label():
    # Half of a cost of 2 is 1, and budgets below 1 are no whole number of such labels.
    problem = sa.Problem([0.5], 8, cost=2)
    found = sa.protocols(problem, [(0.3, 0.5), (0.1, 1)])
    assert found.bought.values.tolist() == [np.floor(found.budget / x).values.tolist() for x in (1, 2)]
    assert found.bought.values[0, 1] == 0
    assert found.gain.values[0, :2].tolist() == [0, 0]
    assert found.method.values[0, 1] == "exact"
    assert float(found.optimum[0, 3]) == pytest.approx(value(problem, 0.3, 2), abs=1e-12)


def test_names_of_protocols_keep_every_digit():
    close = [sa.Protocol(0.1, 1 / 3), sa.Protocol(0.1, 0.333333), sa.Protocol(0.1 + 2**-56, 1)]
    assert [str(x) for x in close] == [
        "noise 0.1 at cost 0.3333333333333333",
        "noise 0.1 at cost 0.333333",
        "noise 0.10000000000000002 at cost 1",
    ]
    assert sa.protocols(PROBLEM, close, points=1).protocol.values.tolist() == [str(x) for x in close]


def test_simulated_protocols_are_undecided_unless_the_bounds_are_apart():
    many = sa.Problem(np.linspace(0.35, 0.65, 14), 28)
    same = sa.protocols(many, [(0.2, 1), (0.2, 1.01)], points=1, policy="variance-reduction", replications=2)
    assert same.method.values[:, 1].tolist() == ["certified", "certified"]
    assert same.winner.values.tolist() == ["tie", "undecided"]
    apart = sa.protocols(many, [(0.0, 1), (0.4, 1)], points=1, policy="variance-reduction", replications=2)
    assert apart.winner.values[1] == "noise 0 at cost 1"


def test_answer_does_not_depend_on_workers_and_finished_parts_are_kept():
    parts = {}
    choices = [(0.3, 1), (0.1, 2)]
    one = sa.protocols(PROBLEM, choices, points=3, on_part=parts.__setitem__)
    assert one.equals(sa.protocols(PROBLEM, choices, points=3, n_jobs=2))
    assert list(parts) == ["noise 0.3 at cost 1", "noise 0.1 at cost 2"]
    again = []
    kept = {"noise 0.1 at cost 2": parts["noise 0.1 at cost 2"]}
    two = sa.protocols(PROBLEM, choices, points=3, finished=kept, on_part=lambda name, _: again.append(name))
    assert again == ["noise 0.3 at cost 1"]
    assert one.equals(two)


@settings(max_examples=5, deadline=None, derandomize=True)
@given(
    thresholds=st.lists(st.integers(3, 9).map(lambda x: x / 10), min_size=1, max_size=2),
    utility=st.sampled_from(["accuracy", "variance", "entropy"]),
    baseline=st.sampled_from([0.2, 0.4]),
)
def test_break_even_is_the_first_whole_number_that_is_enough(thresholds, utility, baseline):
    problem = sa.Problem(thresholds, 6, utility=utility)
    found = sa.break_even(problem, [0.0, 0.1, baseline], baseline=baseline, points=6)
    for k, flip in enumerate(found.flip.values.tolist()):
        for j, budget in enumerate(found.budget.values.tolist()):
            enough = value(problem, baseline, budget) - 1e-11
            first = next(m for m in range(budget + 1) if value(problem, flip, m) >= enough)
            assert int(found.labels_needed[k, j]) == first
            assert float(found.cost_ratio[k, j]) == (budget / first if first else np.inf)


def test_better_labels_are_worth_their_cost_up_to_the_break_even_and_not_beyond():
    costs = sa.break_even(PROBLEM, [0.05], baseline=0.3, points=1)
    ratio = float(costs.cost_ratio[0, 0])
    assert 1 < ratio < np.inf
    worse = float(costs.value[0])
    at, beyond = (sa.solve(under(PROBLEM, sa.Protocol(0.05, x))).value for x in (ratio, ratio * 1.001))
    assert at >= worse - 1e-12
    assert beyond < worse
    table = sa.break_even_table(costs)
    assert table["cost_ratio"].tolist() == [ratio]


def test_labels_that_gain_nothing_are_never_worth_more():
    # Nothing that two labels say changes this decision.
    found = sa.break_even(sa.Problem([0.99], 2), [0.1], baseline=0.3, points=1)
    assert found.labels_needed.values.tolist() == [[0]]
    assert np.isinf(found.cost_ratio).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sa.Protocol(0.5, 1), "flip of a protocol is 0.5; it must be at least 0 and below 1/2"),
        (lambda: sa.Protocol(0.1, 0), "cost of a protocol is 0; it must be positive and finite"),
        (lambda: sa.protocols(PROBLEM, [(0.1, 1)]), "give at least two different ones"),
        (lambda: sa.protocols(PROBLEM, [(0.1, 1), (0.1, 1.0)]), "give at least two different ones"),
        (
            lambda: sa.protocols(sa.Problem([0.5, 0.6], 4, batch=2), [(0.1, 1), (0.2, 1)]),
            "protocols: the problem has batches",
        ),
        (
            lambda: sa.break_even(sa.Problem([0.5], 4, quota=[([0], 1)]), [0.1], baseline=0.2),
            "break_even: the problem has quotas",
        ),
        (
            lambda: sa.break_even(sa.Problem([0.5], 4, cost=2), [0.1], baseline=0.2),
            "break_even: labels of the problem must cost 1",
        ),
        (
            lambda: sa.break_even(sa.Problem([0.5], 4, utility="decisive"), [0.1], baseline=0.2),
            "under the utility decisive more labels can be worse",
        ),
        (
            lambda: sa.break_even(sa.Problem([0.5, 0.5], 6, prior=(1, 4), reward=1.0), [0.0], baseline=0.3, points=2),
            "break_even: reward of item 1 is 1; it must be 0",
        ),
        (lambda: sa.break_even(PROBLEM, [0.3], baseline=0.2), "none above the baseline of 0.2"),
        (lambda: sa.break_even(PROBLEM, [], baseline=0.2), r"flips are \[\]"),
        (lambda: sa.break_even(PROBLEM, [0.1, 0.1], baseline=0.2), "give different ones"),
        (
            lambda: sa.protocols(sa.Problem([0.5], 2, prior=sa.LogitNormal(0, 1)), [(0.1, 1), (0.2, 1)]),
            "noise: the prior of item 1",
        ),
    ],
)
def test_bad_input_is_refused_in_a_line(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_figures_show_what_was_found(figures):
    found = sa.protocols(PROBLEM, [(0.3, 1), (0.05, 3)], points=3)
    plot_protocols(found, "figure.png", "title")
    for line, row in zip(figures[0].axes[0].lines, found.gain.values, strict=True):
        assert line.get_xdata().tolist() == [0, 3, 6, 9]
        assert line.get_ydata().tolist() == row.tolist()
        assert line.get_drawstyle() == "default"
    # With every whole budget there, lines are steps.
    plot_protocols(sa.protocols(PROBLEM, [(0.3, 1), (0.05, 3)], points=9), "figure.png")
    assert {line.get_drawstyle() for line in figures.pop().axes[0].lines} == {"steps-post"}
    costs = sa.break_even(sa.Problem([0.9], 4), [0.0, 0.1], baseline=0.3, points=4)
    assert np.isinf(costs.cost_ratio).any()
    plot_break_even(costs, "figure.png")
    for line, row in zip(figures[1].axes[0].lines, costs.cost_ratio.values, strict=False):
        assert line.get_ydata() == pytest.approx(np.where(np.isinf(row), np.nan, row), nan_ok=True)
