"""Each policy against its formula by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.special import betaln, logit

import seqaudit as sa
from seqaudit.bandits.registry import registered_policies

SHAPE = st.floats(0.2, 40.0)
BAR = st.floats(0.02, 0.98)
WEIGHT = st.floats(0.1, 10.0)


def index(policy, threshold, labels, wins, *, weight=1.0, prior=(1.0, 1.0), utility="accuracy"):
    """Index of one item after some labels, as a person would ask for it."""
    problem = sa.Problem([threshold], 50, weight=weight, prior=prior, utility=utility)
    states = sa.states_at(problem, np.array([0]), np.array([float(labels)]), np.array([float(wins)]))
    return float(np.broadcast_to(policy.index(states), (1,))[0])


# At threshold 1/2: Beta(1, 1) has p = 1/2 and outcomes 3/4, 1/4; Beta(2, 1) has p = 3/4, mean 2/3, outcomes 7/8, 1/2;
# Beta(1, 2) mirrors it. At threshold .8: Beta(2, 1) has p = .36 and outcomes 1 - .512 = .488, 1 - 1.92 + 1.024 = .104.
BY_HAND = [
    (sa.Uniform(), 0.5, 3, 1, 0.0),
    (sa.RoundRobin(), 0.5, 0, 0, 0.0),
    (sa.RoundRobin(), 0.5, 7, 3, -7.0),
    (sa.UncertaintySampling(), 0.5, 0, 0, 0.25),
    (sa.UncertaintySampling(), 0.8, 1, 1, 2 / 9),
    (sa.HighLogRatio(), 0.5, 4, 2, 0.0),
    (sa.HighLogRatio(), 0.8, 4, 2, np.log(4.0)),
    (sa.AuditIndex(), 0.5, 0, 0, 2 * 0.25),
    (sa.AuditIndex(), 0.5, 1, 0, 2 * 0.1875),
    (sa.AuditIndex(), 0.8, 1, 1, 2 * 0.36 * 0.64),
    (sa.KnowledgeGradient(), 0.5, 0, 0, 2 * 0.25),
    (sa.KnowledgeGradient(), 0.5, 1, 1, 0.0),
    (sa.KnowledgeGradient(), 0.5, 1, 0, 0.0),
    (sa.KnowledgeGradient(), 0.8, 1, 1, 0.0),
    (sa.OptimisticKG(), 0.5, 0, 0, 2 * 0.25),
    (sa.OptimisticKG(), 0.5, 1, 1, 2 * 0.125),
    (sa.OptimisticKG(), 0.5, 1, 0, 2 * 0.125),
    (sa.OptimisticKG(), 0.8, 1, 1, 2 * (0.896 - 0.64)),
    (sa.VarianceReduction(), 0.5, 0, 0, 2 * (0.25 - 0.1875)),
    (sa.VarianceReduction(), 0.5, 1, 1, 2 * (0.1875 - (2 / 3 * 7 / 64 + 1 / 3 * 1 / 4))),
    (sa.VarianceReduction(), 0.8, 1, 1, 2 * (0.36 * 0.64 - (2 / 3 * 0.488 * 0.512 + 1 / 3 * 0.104 * 0.896))),
    # After one win and t = 1/2, two losses (1/6) end at P(Beta(2, 3) > 1/2) = 5/16. KG(*) pays for both; a rule that
    # stops buys the second label only after a loss (1/3), and then gains 3/16 with either outcome.
    (sa.KGStar(), 0.5, 0, 0, 2 * 0.25),
    (sa.KGStar(), 0.5, 1, 1, 2 * 1 / 6 * (11 / 16 - 5 / 16) / 2),
    (sa.Gittins(), 0.5, 0, 0, 2 * 0.25),
    (sa.Gittins(), 0.5, 1, 1, 2 * (1 / 3 * 3 / 16) / (4 / 3)),
    (sa.Whittle(), 0.5, 0, 0, 2 * 0.25),
    (sa.Whittle(), 0.5, 1, 0, 2 * (1 / 3 * 3 / 16) / (4 / 3)),
    (sa.Whittle(most=1), 0.5, 1, 0, 0.0),
    (sa.APT(), 0.5, 0, 0, 1.0),
    (sa.APT(epsilon=0.5), 0.5, 4, 1, -2 * (0.25 + 0.5)),
    (sa.LSA(), 0.5, 0, 0, 1.0),
    (sa.LSA(alpha=3.0), 0.5, 4, 1, -(3 * 4 * 0.25**2 + np.log(4) / 2)),
    (sa.LinearGain(), 0.5, 0, 0, 0.0),
    (sa.LinearGain(), 0.8, 1, 1, 0.0),
]


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("policy", "threshold", "labels", "wins", "expected"),
    BY_HAND,
    ids=[f"{p.name}-{t}-{n}-{w}" for p, t, n, w, _ in BY_HAND],
)
def test_index_equals_the_formula_worked_by_hand(policy, threshold, labels, wins, expected):
    """An item of weight 2 with a uniform prior."""
    assert index(policy, threshold, labels, wins, weight=2.0) == pytest.approx(expected, rel=1e-12, abs=1e-14)


def test_every_index_policy_is_worked_by_hand():
    indexed = {name for name, cls in registered_policies().items() if issubclass(cls, sa.IndexPolicy)}
    built_in = {name for name in indexed if registered_policies()[name].__module__.startswith("seqaudit.")}
    assert {policy.name for policy, *_ in BY_HAND} == built_in


@given(t=BAR, a=SHAPE, b=SHAPE, v=WEIGHT)
def test_variance_reduction_is_v_d_squared_over_ab(t, a, b, v):
    d = np.exp(a * np.log(t) + b * np.log1p(-t) - betaln(a, b))
    found = index(sa.VarianceReduction(), t, 0, 0, weight=v, prior=(a, b))
    assert found == pytest.approx(v * d**2 / (a * b), rel=1e-9, abs=1e-300)
    assert found > 0


@given(t=BAR, a=SHAPE, b=SHAPE, v=WEIGHT)
def test_variance_reduction_is_the_expected_fall_of_the_audit_index(t, a, b, v):
    now = index(sa.AuditIndex(), t, 0, 0, weight=v, prior=(a, b))
    win = index(sa.AuditIndex(), t, 1, 1, weight=v, prior=(a, b))
    loss = index(sa.AuditIndex(), t, 1, 0, weight=v, prior=(a, b))
    fall = now - (a * win + b * loss) / (a + b)
    assert index(sa.VarianceReduction(), t, 0, 0, weight=v, prior=(a, b)) == pytest.approx(fall, abs=1e-13 * v)


@pytest.mark.parametrize("utility", ["accuracy", "variance", "entropy", {"name": "asymmetric", "gain": 1, "loss": 3}])
@given(t=BAR, a=SHAPE, b=SHAPE, v=WEIGHT)
def test_gains_are_those_of_the_payoffs_one_label_on(utility, t, a, b, v):
    h = sa.make_utility(utility)
    now, win, loss = (v * h(stats.beta(a + x, b + y).sf(t)) for x, y in ((0, 0), (1, 0), (0, 1)))
    of = {"weight": v, "prior": (a, b), "utility": utility}
    mean = a / (a + b)
    near = {"rel": 1e-9, "abs": 1e-12 * v}
    assert index(sa.KnowledgeGradient(), t, 0, 0, **of) == pytest.approx(mean * win + (1 - mean) * loss - now, **near)
    assert index(sa.OptimisticKG(), t, 0, 0, **of) == pytest.approx(max(win, loss) - now, **near)
    assert index(sa.KnowledgeGradient(), t, 0, 0, **of) >= -1e-12 * v


def test_knowledge_gradient_at_one_half_is_a_staircase():
    values = [sa.evaluate(sa.Problem([0.5], budget), sa.KnowledgeGradient()).value for budget in (1, 2, 3, 4, 5)]
    assert values == pytest.approx([0.75, 0.75, 0.8125, 0.8125, 0.84375], rel=1e-14)


def test_knowledge_gradient_at_095_is_zero_until_twelve_wins_in_a_row():
    """P(alpha > .95) passes 1/2 only with the thirteenth win: 1 - .95^13 < 1/2 < 1 - .95^14."""
    states = sa.states_of_item(sa.Problem([0.95], budget=13), 0)
    n, w = np.tril_indices(14)
    gain = sa.KnowledgeGradient().index(states)[n, w]
    assert np.abs(gain[n < 12]).max() < 1e-14
    first = (n == 12) & (w == 12)
    assert gain[first] == pytest.approx([13 / 14 * (1 - 2 * 0.95**14)], rel=1e-12)
    assert np.abs(gain[(n == 12) & (w < 12)]).max() < 1e-14
    values = [sa.evaluate(sa.Problem([0.95], budget), sa.KnowledgeGradient()).value for budget in (1, 12, 13)]
    assert values == pytest.approx([0.95, 0.95, 0.95 + (1 - 2 * 0.95**14) / 14], rel=1e-13)


def test_where_no_label_helps_the_knowledge_gradient_is_uniform_sampling():
    problem = sa.Problem([0.95, 0.95, 0.95], 12)
    assert sa.evaluate(problem, sa.KnowledgeGradient()).value == pytest.approx(problem.prior_value, rel=1e-14)
    assert sa.evaluate(problem, sa.OptimisticKG()).value == pytest.approx(problem.prior_value, rel=1e-14)
    one, other = (sa.simulate(problem, policy, replications=200, seed=4).labels for policy in ("kg", "uniform"))
    assert np.array_equal(one, other)
    first = sa.simulate(problem, sa.KnowledgeGradient(ties="first"), replications=5, seed=4).labels
    assert first.tolist() == [12, 0, 0]


@given(t=BAR, a=SHAPE, b=SHAPE, v=WEIGHT)
def test_linear_gain_is_zero_but_for_rounding(t, a, b, v):
    problem = sa.Problem([t], 30, weight=v, prior=(a, b))
    table = sa.LinearGain().index(sa.states_of_item(problem, 0))[np.tril_indices(31)]
    assert np.abs(table).max() < 1e-14 * v
    assert sa.LinearGain().index_scale(problem) == v


@given(
    t=st.lists(BAR, min_size=1, max_size=3),
    v=st.lists(WEIGHT, min_size=3, max_size=3),
    prior=st.lists(st.tuples(SHAPE, SHAPE), min_size=3, max_size=3),
    budget=st.integers(1, 6),
)
def test_linear_gain_is_uniform_sampling(t, v, prior, budget):
    problem = sa.Problem(t, budget, weight=v[: len(t)], prior=prior[: len(t)])
    assert sa.evaluate(problem, sa.LinearGain()).value == sa.evaluate(problem, sa.Uniform()).value


def test_linear_gain_with_ties_to_the_first_labels_the_first_item_for_ever():
    problem = sa.Problem([0.5, 0.6, 0.7], 9)
    assert sa.simulate(problem, sa.LinearGain(ties="first"), replications=5, seed=1).labels.tolist() == [9, 0, 0]


@pytest.mark.parametrize("ties", ["random", "first"])
def test_round_robin_gives_equal_counts(ties):
    problem = sa.Problem([0.5, 0.6, 0.7], 11)
    session = sa.Session(problem, sa.RoundRobin(ties=ties), seed=3)
    for bought in range(11):
        item = session.ask()
        if ties == "first":
            assert item == bought % 3
        session.tell(item, bought % 2)
        assert np.ptp(session.counts) <= 1
    assert sorted(session.counts) == [3, 4, 4]


def test_round_robin_with_random_ties_favours_nobody():
    """Chi-square of who gets the one label left over, false-alarm rate 1e-4; fixed seed."""
    labels = sa.simulate(sa.Problem([0.5, 0.6, 0.7], 4), sa.RoundRobin(), replications=900, seed=3).labels
    assert stats.chisquare((labels - 1) * 900).pvalue > 1e-4


def test_high_logratio_labels_the_largest_log_ratio():
    problem = sa.Problem.from_logratio([-1.0, 2.0, 0.5], 0.3, 6)
    labels = sa.simulate(problem, "high-logratio", replications=4, seed=1).labels
    assert labels.tolist() == [0, 6, 0]
    capped = sa.Problem.from_logratio([-1.0, 2.0, 0.5], 0.3, 6, cap=[9, 2, 3])
    assert sa.simulate(capped, "high-logratio", replications=4, seed=1).labels.tolist() == [1, 2, 3]


def test_high_logratio_without_log_ratios_uses_the_logit_of_the_threshold():
    problem = sa.Problem([0.4, 0.9, 0.6], 6)
    states = sa.states_at(problem, np.arange(3), np.zeros(3), np.zeros(3))
    assert sa.HighLogRatio().index(states) == pytest.approx(logit([0.4, 0.9, 0.6]), rel=1e-14)
    assert sa.simulate(problem, "high-logratio", replications=4, seed=1).labels.tolist() == [0, 6, 0]


def test_uncertainty_sampling_knows_neither_threshold_nor_weight():
    one = index(sa.UncertaintySampling(), 0.5, 3, 2, prior=(2, 5))
    assert one == pytest.approx(0.4 * 0.6, rel=1e-14)
    assert index(sa.UncertaintySampling(), 0.9, 3, 2, prior=(2, 5), weight=7.0) == one


def test_exact_policy_earns_the_optimum():
    for problem in (sa.Problem([0.55, 0.41, 0.8], 7, weight=[1, 2, 1]), sa.Problem([0.5, 0.5], 6, cap=[2, 5])):
        best = sa.solve(problem).value
        for ties in ("random", "first"):
            assert sa.evaluate(problem, sa.Exact(ties=ties)).value == pytest.approx(best, rel=1e-13)


def test_exact_policy_scores_the_optimal_items():
    problem = sa.Problem([0.5, 0.7, 0.5], 4)
    counts, wins = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0]]), np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]])
    solution = sa.solve(problem, keep_policy=True)
    scores = sa.Exact().scores(problem, counts, wins)
    for row, n, w in zip(scores, counts, wins, strict=True):
        assert np.flatnonzero(row).tolist() == solution.optimal_items(n, w).tolist()
        assert set(row) <= {0.0, 1.0}


def test_scale_of_a_gain_is_the_largest_payoff_of_an_item():
    problem = sa.Problem([0.5, 0.6], 5, weight=[1.0, 3.0], utility={"name": "asymmetric", "gain": 2.0, "loss": 1.0})
    assert sa.KnowledgeGradient().index_scale(problem) == 6.0
    assert sa.OptimisticKG().index_scale(problem) == 6.0
    assert sa.VarianceReduction().index_scale(problem) == 0.0


def test_uniform_refuses_ties_by_order():
    with pytest.raises(ValueError, match="uniform: ties is 'first'; uniform sampling breaks its ties at random"):
        sa.Uniform(ties="first")


@pytest.mark.parametrize("cls", [cls for cls in registered_policies().values() if cls is not sa.Uniform])
def test_ties_are_random_or_first(cls):
    assert cls().ties == "random"
    with pytest.raises(ValueError, match=f"{cls.name}: ties is 'last'; allowed: 'random', 'first'"):
        cls(ties="last")


def test_policies_are_values():
    assert sa.KnowledgeGradient() == sa.KnowledgeGradient(ties="random")
    assert sa.KnowledgeGradient() != sa.KnowledgeGradient(ties="first")
    assert sa.KnowledgeGradient() != sa.OptimisticKG()
    with pytest.raises(AttributeError):
        sa.KnowledgeGradient().ties = "first"
