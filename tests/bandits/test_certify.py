"""Certificates: the estimate is the policy's value with less noise, and never beats its bound."""

from __future__ import annotations

import numpy as np
import pytest

import seqaudit as sa
from seqaudit.bandits.registry import make_policy
from seqaudit.bandits.simulation.board import final_values
from seqaudit.bandits.simulation.certify import _account
from seqaudit.bandits.simulation.seeds import replication_keys
from seqaudit.bandits.simulation.simulate import PriorNature, spend
from seqaudit.dp.bounds.upper_bound import marginal_price

RNG = np.random.default_rng(11)
SIZE = 16
THRESHOLD = RNG.uniform(0.15, 0.85, SIZE)
WEIGHT = RNG.uniform(0.5, 2.0, SIZE)
COST = RNG.choice([1.0, 1.5, 2.5], SIZE)
CAP = RNG.integers(1, 9, SIZE)
PRIOR = RNG.uniform(0.6, 4.0, (SIZE, 2))
MIXTURE = sa.BetaMixture([3, 1], [2, 9], [2, 1])

# Every kind of problem, each beside a policy of another kind. Beta beliefs under a utility with one kink take one way
# through the accounts, and everything else the other.
CASES: dict[str, tuple[sa.Problem, str]] = {
    "accuracy": (sa.Problem(THRESHOLD, 90, weight=WEIGHT), "variance-reduction"),
    "accuracy, priors": (sa.Problem(THRESHOLD, 90, weight=WEIGHT, prior=PRIOR), "gittins"),
    "asymmetric": (sa.Problem(THRESHOLD, 70, utility=sa.Asymmetric(gain=1, loss=3), prior=PRIOR), "optimistic-kg"),
    "variance": (sa.Problem(THRESHOLD, 50, weight=WEIGHT, utility="variance"), "variance-reduction"),
    "entropy": (sa.Problem(THRESHOLD, 50, utility="entropy", prior=PRIOR), "kg"),
    "mixture": (sa.Problem(THRESHOLD, 50, weight=WEIGHT, prior=MIXTURE), "variance-reduction"),
    "mixture, entropy": (sa.Problem(THRESHOLD, 40, prior=MIXTURE, utility="entropy"), "round-robin"),
    "costs": (sa.Problem(THRESHOLD, 60.5, weight=WEIGHT, cost=COST), "gittins"),
    "caps": (sa.Problem(THRESHOLD, 45, weight=WEIGHT, cap=CAP), "whittle"),
    "all labels": (sa.Problem(THRESHOLD, 300, cap=CAP), "uniform"),
    "quota": (sa.Problem(THRESHOLD, 50, weight=WEIGHT, quota=[([0, 1, 2], 20)]), "variance-reduction"),
    "batches": (sa.Problem(THRESHOLD, 52, weight=WEIGHT, batch=5), "variance-reduction"),
    "everything": (
        sa.Problem(
            THRESHOLD,
            40.0,
            weight=WEIGHT,
            cost=COST,
            cap=CAP,
            quota=[([3, 4], 5)],
            batch=3,
            reward=0.02,
            prior=MIXTURE,
        ),
        "kg",
    ),
}


def runs(problem: sa.Problem, policy: str, replications: int, seed: int):
    """Labels, plain values and nature of a policy's simulated runs: those that a certificate is made from."""
    seeds, keys = replication_keys(seed, replications)
    nature = PriorNature.draw(problem, seeds, keys)
    counts, wins = spend(problem, make_policy(policy), nature, keys)
    return counts, final_values(problem, counts, wins), nature


def estimates(problem: sa.Problem, policy: str, counts: np.ndarray, nature: PriorNature) -> tuple[np.ndarray, float]:
    """Each replication's estimate, and the upper bound, by accounts of pairs of equal replications."""
    found = []
    for r in range(len(counts)):
        twice = PriorNature(nature.rate[[r, r]], nature.keys[[r, r]])
        one = _account(problem, make_policy(policy), marginal_price(problem), counts[[r, r]], twice, 1)
        assert one.standard_error == pytest.approx(0, abs=1e-12)
        found.append(one.lower)
    return np.array(found), one.upper


@pytest.mark.parametrize("case", CASES)
def test_estimate_agrees_with_plain_simulation(case):
    """A false alarm at four standard errors: once in 16,000 for each case."""
    problem, policy = CASES[case]
    found = sa.certify(problem, policy, replications=16, seed=3, exact=False)
    plain = sa.simulate(problem, policy, replications=400, seed=4)
    error = np.hypot(found.standard_error, plain.standard_error)
    assert abs(found.lower - plain.mean) < 4 * error
    assert found.policy == policy
    assert found.replications == 16
    assert found.prior_value == problem.prior_value


@pytest.mark.parametrize("case", CASES)
def test_no_replication_earns_more_than_the_bound_once_luck_is_taken_out(case):
    problem, policy = CASES[case]
    counts, _, nature = runs(problem, policy, 12, seed=5)
    values, upper = estimates(problem, policy, counts, nature)
    assert (values <= upper + 1e-9 * abs(upper)).all()
    whole = sa.certify(problem, policy, replications=12, seed=5, exact=False)
    assert whole.lower == pytest.approx(values.mean(), rel=1e-12)
    assert whole.standard_error == pytest.approx(values.std(ddof=1) / np.sqrt(12), rel=1e-6)
    assert whole.upper == pytest.approx(upper, rel=1e-12)
    assert whole.spent == pytest.approx(float((counts @ problem.cost).mean()), rel=1e-12)


@pytest.mark.parametrize("case", CASES)
def test_bound_is_that_of_upper_bound_or_a_little_above_it(case):
    problem, policy = CASES[case]
    found = sa.certify(problem, policy, replications=2, exact=False)
    best = sa.upper_bound(problem).value
    assert best - 1e-9 * abs(best) <= found.upper <= best + 1e-3 * (best - problem.prior_value)


def test_what_is_taken_out_is_luck_item_by_item():
    """The identity itself, from tables of a single item: payoff less surprises."""
    problem = sa.Problem([0.6], 9, prior=(2, 1), utility="entropy")
    counts, values, nature = runs(problem, "kg", 6, seed=1)
    controlled, upper = estimates(problem, "kg", counts, nature)
    price = sa.certify(problem, "kg", replications=2, exact=False).price
    tables = problem.tables(0)
    payoff = problem.utility(tables.tail)
    worth = np.zeros((11, 11))
    for n in range(8, -1, -1):
        for w in range(n + 1):
            m = tables.mean[n, w]
            ahead = m * (payoff[n + 1, w + 1] + worth[n + 1, w + 1]) + (1 - m) * (payoff[n + 1, w] + worth[n + 1, w])
            worth[n, w] = max(0.0, ahead - payoff[n, w] - price)
    for r in range(6):
        w, luck = 0, 0.0
        for n in range(int(counts[r, 0])):
            m = tables.mean[n, w]
            win, loss = payoff[n + 1, w + 1] + worth[n + 1, w + 1], payoff[n + 1, w] + worth[n + 1, w]
            label = int(nature.labels(np.array([r]), np.array([0]), np.array([n]))[0])
            luck += (win if label else loss) - m * win - (1 - m) * loss
            w += label
        assert controlled[r] == pytest.approx(values[r] - luck, abs=1e-10)
    assert upper == pytest.approx(problem.prior_value + price * 9 + worth[0, 0], abs=1e-10)


@pytest.mark.parametrize("policy", ["variance-reduction", "gittins"])
def test_error_is_much_smaller_than_that_of_plain_simulation(policy):
    problem = sa.Problem(np.random.default_rng(7).uniform(0.1, 0.9, 300), 2400)
    found = sa.certify(problem, policy, replications=24, seed=2)
    plain = sa.simulate(problem, policy, replications=24, seed=2)
    assert found.standard_error < 0.2 * plain.standard_error
    assert found.lower_by.startswith("simulation, 24 replications")
    assert found.upper_by == "Lagrangian bound"
    assert 0 < found.gap < 0.01
    assert found.gap_error == found.standard_error / (found.upper - found.prior_value)


@pytest.mark.parametrize("policy", ["kg", "lagrangian", "exact"])
def test_small_problems_are_certified_exactly(policy):
    problem = sa.Problem([0.55, 0.41, 0.32], 12, weight=[1, 2, 1])
    found = sa.certify(problem, policy)
    value, best = sa.evaluate(problem, make_policy(policy)).value, sa.solve(problem).value
    assert (found.lower, found.upper, found.standard_error, found.replications) == (value, best, 0.0, 0)
    assert (found.lower_by, found.upper_by, found.price) == ("exact evaluation", "exact optimum", None)
    assert found.gap == (best - value) / (best - problem.prior_value)
    assert found.spent == 12
    assert sa.certify(sa.Problem([0.55, 0.41], 12, cap=[2, 3]), policy).spent == 5
    assert sa.certify(problem, policy, exact=False).replications == 8


def test_problems_that_have_no_exact_answer_are_simulated():
    batches = sa.Problem([0.55, 0.41, 0.32], 12, batch=3)
    assert sa.certify(batches, "kg").lower_by.startswith("simulation, 8 replications")
    with pytest.raises(ValueError, match="batch is 3"):
        sa.certify(batches, "kg", exact=True)
    large = sa.Problem(np.full(40, 0.5), 200)
    assert sa.certify(large, "kg", replications=2).replications == 2
    with pytest.raises(sa.ProblemTooLarge):
        sa.certify(sa.Problem(np.full(16, 0.55) + 0.01 * THRESHOLD, 70), "kg", exact=True)


@pytest.mark.parametrize("case", ["accuracy", "mixture"])
def test_answers_do_not_depend_on_threads_and_repeat_for_a_seed(case):
    _, policy = CASES[case]
    given = {"prior": MIXTURE} if case == "mixture" else {}
    # More items than a thread takes at a time.
    problem = sa.Problem(np.linspace(0.1, 0.9, 270), 400, cap=8, **given)
    one, two = (sa.certify(problem, policy, replications=3, seed=9, threads=k) for k in (1, 2))
    assert one == two
    assert sa.certify(problem, policy, replications=3, seed=9) == one
    other = sa.certify(problem, policy, replications=3, seed=10)
    assert other.lower != one.lower


def test_certificate_of_a_problem_without_a_possible_gain_has_no_gap():
    settled = sa.Problem([0.001, 0.999], 3, prior=(50, 50))
    for exact in (True, False):
        found = sa.certify(settled, "kg", exact=exact)
        assert (found.gap, found.gap_error) == (0.0, 0.0)
        assert found.lower == pytest.approx(settled.prior_value, abs=1e-12)


def test_shortfall_without_a_possible_gain_is_no_share():
    found = sa.certify(sa.Problem.bandit([(1, 9), (9, 1)], 6, reward=-1), "uniform")
    assert found.lower < found.upper
    assert np.isnan([found.gap, found.gap_error]).all()
    assert "no policy can gain over buying no label" in str(found)
    assert "%" not in str(found)


def test_certificate_reads_as_a_sentence():
    found = sa.Certificate("kg", 1.5, 0.01, 2.0, 1.0, "simulation", "Lagrangian bound", 0.1, 7.0, 8)
    assert str(found) == (
        "kg earns 1.5 ± 0.01 (simulation); no policy earns more than 2 (Lagrangian bound): "
        "the gap is 50.000% ± 1.000% of the possible gain"
    )


@pytest.mark.parametrize("replications", [1, 0, -3, 2.5, True, "8"])
def test_replications_must_be_two_or_more(replications):
    with pytest.raises(ValueError, match=r"replications is .*; it must be a whole number, at least 2"):
        sa.certify(sa.Problem([0.5, 0.6], 4), "kg", replications=replications)


def test_bad_arguments_are_refused():
    problem = sa.Problem([0.5, 0.6], 4)
    with pytest.raises(ValueError, match="did you mean 'kg'"):
        sa.certify(problem, "kgg")
    with pytest.raises(ValueError, match="seed is -1"):
        sa.certify(problem, "kg", seed=-1, exact=False)
    with pytest.raises(ValueError, match="reward"):
        sa.certify(sa.Problem([0.5, 0.6], 4, reward=0.1), "gittins", exact=False)
