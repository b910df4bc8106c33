"""Operating characteristics: what a policy does when the rates are known, against forward enumeration."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.beliefs import Beta, Grid, betas, mixtures, noisy
from oracles.family import Case, Item, Oracle, score
from oracles.family import learnable as decides
from oracles.family_cases import families, scored

import seqaudit as sa
from seqaudit.bandits.registry import registered_policies

rates = st.integers(0, 20).map(lambda x: x / 20)


def expected(case: Case, rule, alpha: tuple[float, ...]) -> dict[str, object]:
    """Everything that is reported, from the distribution of the final state."""
    size, ends = len(case.items), Oracle(case).ends(rule, case.label_chances(alpha))
    labels = np.zeros((size, case.labels + 1))
    learnable, payoff, moments = np.zeros(size), 0.0, np.zeros(2)
    for state, chance in ends.items():
        wins = sum(w for _, w in state)
        moments += chance * np.array([wins, wins**2])
        for i, (item, (n, w)) in enumerate(zip(case.items, state, strict=True)):
            tail = item.prior.tail(n, w, item.threshold)
            labels[i, n] += chance
            learnable[i] += chance * decides(case.utility, tail)
            paid = score(case.utility, tail, int(alpha[i] > item.threshold))
            payoff += chance * (item.weight * float(paid) + item.reward * w - case.label_price * item.cost * n)
    return {
        "learnable": learnable,
        "labels_probability": labels,
        "mean_labels": labels @ np.arange(case.labels + 1),
        "payoff": payoff,
        "wins_mean": moments[0],
        "wins_variance": moments[1] - moments[0] ** 2,
    }


@pytest.mark.parametrize("name", ["uncertainty", "audit-index", "exact"])
@settings(max_examples=40)
@given(
    case=families(utility=scored, prior=betas | mixtures() | noisy, batch=False, shrink=1),
    drawn=st.lists(st.tuples(*[rates] * 4), min_size=1, max_size=3),
)
def test_every_characteristic_agrees_with_forward_enumeration(name, case, drawn):
    oracle, size = Oracle(case), len(case.items)
    rule = oracle.optimal_rule() if name == "exact" else oracle.index_rule(name)
    alpha = [row[:size] for row in drawn]
    found = sa.operating_characteristics(case.stated(), registered_policies()[name](), alpha=alpha)
    assert found.sizes["alpha"] == len(alpha)
    assert found.sizes["item"] == size
    np.testing.assert_array_equal(found["rate"].transpose("alpha", "item"), alpha)
    for k, row in enumerate(alpha):
        for key, value in expected(case, rule, row).items():
            got = found[key].isel(alpha=k)
            if key == "labels_probability":
                got = got.transpose("item", "labels").reindex(labels=range(case.labels + 1), fill_value=0.0)
            np.testing.assert_allclose(got, value, atol=1e-10, err_msg=key)


@pytest.mark.smoke
def test_optimal_bandit_at_fixed_rates():
    problem = sa.Problem.bandit(prior=[(1, 1), (1, 1)], horizon=60)
    found = sa.operating_characteristics(problem, sa.Exact(), alpha=[(0.3, 0.5)])
    assert float(found.wins_mean[0]) == pytest.approx(27.667781619675154, rel=1e-12)
    assert float(found.wins_variance[0]) == pytest.approx(23.650456467947, rel=1e-10)
    assert float(found.payoff[0]) == pytest.approx(27.667781619675154, rel=1e-12)
    np.testing.assert_allclose(found.mean_labels.sum("item"), [60], rtol=1e-13)
    np.testing.assert_allclose(found.mean_labels[0].to_numpy() @ [0.3, 0.5], found.wins_mean[0], rtol=1e-13)


GRIDS = (Grid((0.2, 0.5, 0.9), (1.0, 2.0, 1.0)), Grid((0.3, 0.7), (0.25, 0.75)))


@pytest.mark.parametrize("utility", ["accuracy", "asymmetric", "variance", "linear", "none"])
@pytest.mark.parametrize("name", ["round-robin", "kg", "exact"])
def test_average_over_the_prior_is_the_value_of_the_policy(name, utility):
    case = Case((Item(0.5, 1.0, GRIDS[0], 4, 1.0, 0.5), Item(0.6, 2.0, GRIDS[1], None, 1.5, -0.25)), 7.5, utility)
    problem, policy = case.stated(), registered_policies()[name]()
    pairs = list(itertools.product(*(zip(g.points, np.array(g.weights) / sum(g.weights), strict=True) for g in GRIDS)))
    found = sa.operating_characteristics(problem, policy, alpha=[[p for p, _ in pair] for pair in pairs])
    average = np.array([math.prod(share for _, share in pair) for pair in pairs]) @ found.payoff.to_numpy()
    assert average == pytest.approx(sa.evaluate(problem, policy).value, abs=1e-12)


def test_one_rate_for_all_items():
    problem, policy = sa.Problem([0.5, 0.7], 6), sa.KnowledgeGradient()
    shared = sa.operating_characteristics(problem, policy, alpha=[0.2, 0.9, 0.7])
    listed = sa.operating_characteristics(problem, policy, alpha=[(0.2, 0.2), (0.9, 0.9), (0.7, 0.7)])
    assert shared.identical(listed)
    assert shared.sizes["alpha"] == 3


def test_fixed_numbers_of_labels_have_binomial_wins():
    problem = sa.Problem([0.5, 0.7], 6, quota=[([0], 4), ([1], 2)])
    found = sa.operating_characteristics(problem, sa.Uniform(), alpha=[(0.3, 0.6)])
    assert found.labels_probability.sel(labels=4).to_numpy().tolist() == [[pytest.approx(1), 0]]
    assert float(found.wins_mean[0]) == pytest.approx(4 * 0.3 + 2 * 0.6, rel=1e-13)
    assert float(found.wins_variance[0]) == pytest.approx(4 * 0.21 + 2 * 0.24, rel=1e-12)
    # At t = 1/2 from Beta(1, 1) four labels say "learnable" when three or four are wins.
    assert float(found.learnable[0, 0]) == pytest.approx(4 * 0.3**3 * 0.7 + 0.3**4, rel=1e-12)


def test_certain_rates_leave_no_chance():
    case = Case((Item(0.5), Item(0.6, 1.0, Beta(2, 1))), 5)
    found = sa.operating_characteristics(case.stated(), sa.KnowledgeGradient(ties="first"), alpha=[(0, 1), (1, 0)])
    assert set(np.unique(found.learnable)) <= {0.0, 1.0}
    np.testing.assert_allclose(found.wins_mean, [found.mean_labels[0, 1], found.mean_labels[1, 0]])
    np.testing.assert_allclose(found.wins_variance, 0, atol=1e-12)


@pytest.mark.parametrize(
    "alpha",
    [[1.5], [-0.1], [np.nan], [(0.5, 0.5, 0.5)], [[(0.5, 0.5)]], 0.5, [], "half", [(0.5, 2.0)]],
    ids=str,
)
def test_rates_that_cannot_be_are_refused(alpha):
    with pytest.raises(ValueError, match="alpha") as caught:
        sa.operating_characteristics(sa.Problem([0.5, 0.6], 3), sa.RoundRobin(), alpha=alpha)
    assert len(str(caught.value).splitlines()) == 1


def test_callable_utility_has_no_payoff_at_fixed_rates():
    with pytest.raises(ValueError, match=r"callable|custom"):
        sa.operating_characteristics(sa.Problem([0.5], 2, utility=lambda p: p**2), sa.RoundRobin(), alpha=[0.5])


def test_result_names_its_items_and_labels():
    problem = sa.Problem([0.5, 0.6], 3, name=["sky", "sea"])
    found = sa.operating_characteristics(problem, sa.RoundRobin(), alpha=[0.5])
    assert found.item.to_numpy().tolist() == ["sky", "sea"]
    assert found.labels.to_numpy().tolist() == [0, 1, 2, 3]
    np.testing.assert_allclose(found.labels_probability.sum("labels"), 1, rtol=1e-14)
