"""Comparative statics: expected labels against a plain recursion, what is varied, certificates beside exact values."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.recursion import Case, Item, Recursion, cases, problem_of, with_label

import seqaudit as sa
from seqaudit.benchmarks.comparison.optimum import optimum_of
from seqaudit.benchmarks.design_choices.vary import knob_values, point_name
from seqaudit.benchmarks.figures.design_choices import label_groups, plot_vary
from seqaudit.dp.problem.variants import KNOBS, changed

PROBLEM = sa.Problem.from_logratio([0.0, 1.0, -0.5], 1.0, 6, weight=[1.0, 1.5, 1.0], prior=[(1, 1), (2, 1), (1, 1)])
SETTINGS = {"max_examples": 25, "deadline": None, "derandomize": True}


def labels_by_recursion(case: Case, policy: str) -> list[float]:
    """Expected labels from the equations: one more than after the label, averaged over equally good items."""
    recursion = Recursion(case)
    best = recursion.optimum()[1]
    scale = recursion._index_scale(policy)

    @cache
    def labels(state) -> tuple[float, ...]:
        usable = recursion.open_items(state)
        if not usable:
            return (0.0,) * len(state)
        if policy == "exact":
            chosen = best[state]
        else:
            scores = {i: float(recursion.index(policy, i, *state[i])) for i in usable}
            chosen = recursion._tied(scores, scale)
        total = np.zeros(len(state))
        for i in chosen:
            mu = recursion._mean[i](*state[i])
            total += mu * np.array(labels(with_label(state, i, 1))) + (1 - mu) * np.array(
                labels(with_label(state, i, 0))
            )
            total[i] += 1.0
        return tuple(total / len(chosen))

    return list(labels(recursion.start))


@settings(**SETTINGS)
@given(case=cases(shrink=0))
def test_expected_labels_are_those_of_a_plain_recursion(case):
    problem = problem_of(case)
    for policy in ("exact", "kg", "round-robin"):
        found = sa.expected_labels(problem, sa.make_policy(policy))
        assert found == pytest.approx(labels_by_recursion(case, policy), abs=1e-9)
        assert found.sum() == pytest.approx(problem.labels, rel=1e-12)


def test_expected_labels_are_those_of_simulations():
    noisy = sa.Problem([0.5, 0.62, 0.7], 9, prior=sa.NoisyBeta(2, 1, flip=0.2), cost=[1, 2, 1.5])
    policy = sa.make_policy("variance-reduction")
    simulated = sa.simulate(noisy, policy, replications=20_000, seed=3).labels
    # Labels of an item lie within 9 of each other: five standard errors are at most 5 * 4.5 / sqrt(20000).
    assert sa.expected_labels(noisy, policy) == pytest.approx(simulated, abs=0.16)


def test_small_problems_are_exact_and_large_ones_certified():
    exact = optimum_of(PROBLEM)
    assert (exact.method, exact.lower, exact.upper, exact.standard_error) == (
        "exact",
        sa.solve(PROBLEM).value,
        sa.solve(PROBLEM).value,
        0.0,
    )
    many = sa.Problem(np.linspace(0.3, 0.7, 20), 60)
    assert optimum_of(many, replications=2).method == "certified"
    assert optimum_of(sa.Problem([0.5, 0.6], 4, batch=2), policy="kg", replications=2).method == "certified"


def test_certified_bounds_hold_the_optimum():
    certified = optimum_of(PROBLEM, exact=False, replications=200, seed=1)
    best = sa.solve(PROBLEM).value
    certificate = sa.certify(PROBLEM, "gittins", exact=False, replications=200, seed=1)
    assert (certified.lower, certified.upper) == (certificate.lower, certificate.upper)
    assert certified.lower - 4 * certified.standard_error <= best <= certified.upper + 1e-12
    assert certified.labels.tolist() == sa.simulate(PROBLEM, "gittins", replications=200, seed=1).labels.tolist()


@settings(**SETTINGS)
@given(
    c=st.lists(st.integers(-20, 20).map(lambda x: x / 10), min_size=1, max_size=3),
    beta=st.sampled_from([0.5, 1.0, 2.0]),
    temperature=st.sampled_from([0.25, 0.5, 3.0]),
)
def test_only_beta_times_c_matters(c, beta, temperature):
    problem = sa.Problem.from_logratio(c, beta, 4)
    hot = changed(problem, "temperature", temperature)
    weak = changed(problem, "beta", beta / temperature)
    assert hot.threshold == pytest.approx(weak.threshold, rel=1e-14)
    one, two = optimum_of(hot), optimum_of(weak)
    assert one.upper == pytest.approx(two.upper, rel=1e-12)
    assert one.labels == pytest.approx(two.labels, abs=1e-9)


def test_each_knob_turns_what_it_says():
    t = PROBLEM.threshold
    logit = np.log(t / (1 - t))
    for knob, value, wanted in (
        ("beta", 2.0, 2 * logit),
        ("temperature", 4.0, logit / 4),
        ("offset", 0.5, logit + 0.5),
    ):
        found = changed(PROBLEM, knob, value).threshold
        assert np.log(found / (1 - found)) == pytest.approx(wanted, abs=1e-12)
    bare = sa.Problem([0.6, 0.3], 4)
    assert changed(bare, "beta", 1.0).threshold == pytest.approx(bare.threshold, rel=1e-14)
    noisy = changed(PROBLEM, "noise", 0.2)
    assert [noisy.belief(i) for i in range(3)] == [
        sa.NoisyBeta(1, 1, 0.2),
        sa.NoisyBeta(2, 1, 0.2),
        sa.NoisyBeta(1, 1, 0.2),
    ]
    assert noisy.beta == 1.0
    assert changed(noisy, "noise", 0.0) == PROBLEM
    assert changed(sa.with_noise(bare, 0.1), "noise", 0.0).threshold.tolist() == bare.threshold.tolist()


def test_vary_holds_what_is_solved_at_each_value():
    found = sa.vary(PROBLEM, "beta", [2.0, 0.5])
    assert found.value.values.tolist() == [2.0, 0.5]
    for x in (2.0, 0.5):
        at, problem = found.sel(value=x), changed(PROBLEM, "beta", x)
        best = sa.solve(problem).value
        assert float(at.lower) == float(at.upper) == float(at.optimum) == best
        assert float(at.prior_value) == problem.prior_value
        assert float(at.gain) == best - problem.prior_value
        assert at.labels.values.tolist() == sa.expected_labels(problem, sa.Exact()).tolist()
        assert at.threshold.values.tolist() == problem.threshold.tolist()
    table = sa.vary_table(found)
    assert table["beta"].tolist() == [2.0, 0.5]
    assert table["labels item 2"].tolist() == found.labels.values[:, 1].tolist()
    certified = sa.vary(PROBLEM, "beta", [2.0], exact=False, replications=3)
    assert np.isnan(certified.optimum).all()
    assert certified.method.values.tolist() == ["certified"]


def test_less_noise_is_worth_more_and_no_noise_is_the_problem_itself():
    found = sa.vary(PROBLEM, "noise", [0.0, 0.1, 0.2, 0.3])
    assert (np.diff(found.optimum) < 0).all()
    assert float(found.optimum[0]) == sa.solve(PROBLEM).value
    # The first look costs nothing: what is known before a label does not depend on noise.
    assert np.ptp(found.prior_value.values) < 1e-12


def test_answer_does_not_depend_on_workers_and_finished_parts_are_kept():
    parts = {}
    settings = {"exact": False, "replications": 3, "seed": np.random.SeedSequence(5)}
    one = sa.vary(PROBLEM, "temperature", [1.0, 2.0], **settings, on_part=parts.__setitem__)
    two = sa.vary(PROBLEM, "temperature", [1.0, 2.0], **settings, n_jobs=2)
    assert one.equals(two)
    names = [point_name("temperature", x) for x in (1.0, 2.0)]
    assert list(parts) == names
    marked = {names[0]: parts[names[0]].assign(upper=parts[names[0]].upper + 1)}
    again = []
    third = sa.vary(
        PROBLEM,
        "temperature",
        [1.0, 2.0],
        **settings,
        finished=marked,
        on_part=lambda name, _: again.append(name),
    )
    assert again == names[1:]
    assert (third.upper - one.upper).values.tolist() == [1.0, 0.0]
    drawn = sa.vary(PROBLEM, "beta", [1.0, 2.0], exact=False, replications=3, seed=np.random.default_rng(1))
    assert drawn.sizes["value"] == 2


@pytest.mark.parametrize(
    ("arguments", "settings", "message"),
    [
        (("gamma", [1]), {}, "vary is 'gamma'; allowed: 'beta', 'temperature', 'offset', 'noise'"),
        (("beta", []), {}, "values of beta are empty"),
        (("beta", [0]), {}, "beta is 0; it must be positive and finite"),
        (("beta", [True]), {}, "beta is True; it must be a number"),
        (("temperature", [np.inf]), {}, "temperature is inf; it must be positive and finite"),
        (("offset", [np.nan]), {}, "offset is nan; it must be finite"),
        (("noise", [0.5]), {}, "noise is 0.5; it must be at least 0 and below 1/2"),
        (("noise", ["x"]), {}, "noise is 'x'; it must be a number"),
        (("beta", [1, 1.0]), {}, r"values of beta are \[1, 1.0\]; each may be given once"),
        (("beta", [1]), {"replications": 1}, "replications is 1; it must be a whole number, at least 2"),
        (("beta", [1]), {"policy": "best"}, "best"),
        (("beta", [1]), {"seed": -1}, "seed is -1; it must be a whole number, at least 0"),
        (("beta", [1]), {"n_jobs": 0}, "the number of workers is 0"),
    ],
)
def test_bad_input_is_refused_in_a_line(arguments, settings, message):
    with pytest.raises(ValueError, match=message):
        sa.vary(PROBLEM, *arguments, **settings)


def test_noise_needs_beta_priors():
    for prior in (sa.LogitNormal(0, 1), sa.NoisyBeta(1, 1, 0.1, wins=1, losses=0)):
        with pytest.raises(ValueError, match="noise: the prior of item 1 is"):
            sa.vary(sa.Problem([0.5], 2, prior=[prior]), "noise", [0.1])


def test_usual_values_lie_around_the_problem_s_own():
    assert knob_values(changed(PROBLEM, "beta", 3.0), "beta")[0][4] == 3.0
    for knob in KNOBS:
        values, remarks = knob_values(PROBLEM, knob)
        assert remarks == []
        assert values == sorted(values)
        for x in values:
            changed(PROBLEM, knob, x)
    assert sa.vary(sa.Problem([0.5], 1), "offset").value.values.tolist() == knob_values(PROBLEM, "offset")[0]
    with pytest.raises(ValueError, match="vary is 'x'"):
        knob_values(PROBLEM, "x")


def test_figure_shows_what_was_found_in_order(figures):
    found = sa.vary(PROBLEM, "beta", [2.0, 0.5])
    plot_vary(found, "figure.png", "title")
    value, gain, labels = figures[0].axes
    assert [line.get_label() for line in value.lines] == ["optimum", "no labels"]
    assert value.lines[0].get_xdata().tolist() == [0.5, 2.0]
    assert value.lines[0].get_ydata().tolist() == found.optimum.values[::-1].tolist()
    assert gain.lines[0].get_ydata().tolist() == found.gain.values[::-1].tolist()
    assert [line.get_label() for line in labels.lines] == list(PROBLEM.name)
    for line, column in zip(labels.lines, found.labels.values.T, strict=True):
        assert line.get_ydata().tolist() == column[::-1].tolist()
    certified = sa.vary(PROBLEM, "offset", [0.0, 1.0], exact=False, replications=3)
    plot_vary(certified, "figure.png")
    value, gain, _ = figures[1].axes
    assert value.lines[0].get_ydata().tolist() == certified.upper.values.tolist()
    assert gain.lines[1].get_ydata() == pytest.approx((certified.lower - certified.prior_value).values)
    assert len(value.collections) == len(gain.collections) == 1


def test_many_items_are_shown_in_groups_of_neighbouring_log_ratios():
    c = np.array([0.3, -1.0, 2.0, 0.1, -0.2, 1.0, 0.0, 0.5, -2.0, 1.5])
    found = sa.vary(sa.Problem.from_logratio(c, 1.0, 10), "beta", [1.0], exact=False, policy="kg", replications=2)
    groups = label_groups(found)
    assert [name for name, _ in groups] == ["c -2 to -1", "c -0.2 to 0", "c 0.1 to 0.3", "c 0.5 to 1", "c 1.5 to 2"]
    labels = found.labels.values[0]
    assert groups[0][1].tolist() == [labels[[1, 8]].mean()]
    assert sum(2 * mean[0] for _, mean in groups) == pytest.approx(10)


def test_item_of_the_plain_recursion_is_labelled_as_by_hand():
    # One label: the heavier item gains more.
    case = Case((Item(0.5, 1.0), Item(0.5, 2.0)), 1)
    assert labels_by_recursion(case, "exact") == [0.0, 1.0]
    assert sa.expected_labels(problem_of(case), sa.Exact()).tolist() == [0.0, 1.0]


def test_usual_values_that_a_problem_does_not_take_are_left_out():
    far = sa.Problem.from_logratio([0.0, 3000.0], 1.0, 3)
    found = sa.vary(far, "beta")
    assert found.value.values.tolist() == [2.0 ** (k / 2) for k in range(-4, 4)]
    (remark,) = found.attrs["remarks"]
    assert remark == "beta 4 left out: beta times log_ratio of item 2 is 12000.0; it must be at most 10000 in size"
    # A prior that noise cannot be put on is refused at every noise, and is told.
    with pytest.raises(ValueError, match="noise: the prior of item 1"):
        sa.vary(sa.Problem([0.5], 2, prior=sa.LogitNormal(0, 1)), "noise")


@pytest.mark.parametrize(
    ("knob", "value", "message"),
    [
        ("beta", 4.0, "^beta 4: beta times log_ratio of item 2 is 12000.0; it must be at most 10000 in size$"),
        ("offset", 1e5, "^offset 100000: beta times log_ratio of item 1 is 100000.0; it must be at most"),
        ("temperature", 1e-320, "^temperature .*e-321: log_ratio of item 2 would be inf; it must be finite$"),
    ],
)
def test_values_that_a_problem_does_not_take_are_named(knob, value, message):
    far = sa.Problem.from_logratio([0.0, 3000.0], 1.0, 6)
    with pytest.raises(ValueError, match=message):
        changed(far, knob, value)
    with pytest.raises(ValueError, match=message):
        sa.vary(far, knob, [value])
