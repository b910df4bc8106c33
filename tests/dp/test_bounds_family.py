"""No bound lies below the optimum: 1250 tiny problems of the whole family, from fixed seeds.

They have all utilities, beliefs of every kind, extreme priors among them, unequal costs, caps, quotas, batches and
rewards. The information relaxation is taken over all paths, so that nothing is left to chance.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import seqaudit as sa
from seqaudit.dp.bounds.information_relaxation import InformationRelaxation, two_seeds

CONVEX = ("accuracy", sa.Asymmetric(1.5, 0.5), "variance", "entropy", "linear", None, lambda p: np.abs(p - 0.3))
# A label can do harm under these; under the last one, knowing the truth too.
OTHER = (sa.Decisive(0.25), lambda p: p * (1 - p))
SEED, _ = two_seeds(7)


def random_belief(rng):
    a, b = (float(x) for x in rng.choice([0.05, 0.5, 1, 2, 3.7, 30], 2))
    match rng.integers(8):
        case 0:
            return sa.BetaMixture((0.3, 0.7), (a, 1), (b, 4))
        case 1:
            return sa.NoisyBeta(max(a, 0.5), max(b, 0.5), flip=float(rng.choice([0.05, 0.3])))
        case 2:
            return sa.Grid((0.1, 0.45, 0.8), (0.2, 0.5, 0.3))
        case 3 if rng.random() < 0.2:
            return sa.LogitNormal(float(rng.normal()), float(rng.uniform(0.3, 2)))
    return sa.Beta(a, b)


def random_problem(rng):
    size = int(rng.integers(1, 5))
    most = int(rng.integers(1, {1: 10, 2: 7, 3: 5, 4: 4}[size]))
    unit = rng.random() < 1 / 3
    cost = np.ones(size) if unit else rng.choice([[0.5, 1, 1.5, 2], [1 / 3, 2 / 3, 1, 0.1]][rng.integers(2)], size)
    fields = {
        "threshold": rng.choice([0.5, 0.25, 0.9, rng.uniform(0.01, 0.99)], size),
        "budget": most if unit else float(most * cost.min() + rng.choice([0, 0.3]) * cost.min()),
        "weight": rng.choice([0.25, 1, 3], size),
        "utility": (CONVEX + OTHER)[rng.integers(len(CONVEX + OTHER))],
        "cost": cost,
    }
    if rng.random() < 0.5:
        fields["prior"] = [random_belief(rng) for _ in range(size)]
    else:
        fields["prior"] = rng.choice([0.05, 0.5, 1, 2, 3.7, 30], (size, 2))
    if rng.random() < 0.4:
        fields["cap"] = rng.integers(0, most + 1, size)
    if rng.random() < 0.3:
        fields["reward"] = rng.choice([0, -0.5, 0.25], size)
    if rng.random() < 0.3:
        slices = [rng.choice(size, size=int(rng.integers(1, size + 1)), replace=False) for _ in range(2)]
        fields["quota"] = [(x.tolist(), int(rng.integers(1, 3))) for x in slices[: int(rng.integers(1, 3))]]
    if rng.random() < 0.3:
        fields["batch"] = int(rng.integers(1, 4))
    try:
        return sa.Problem(**fields)
    except sa.ProblemError:
        # Quotas that cannot be met, or batches of more labels than can be bought.
        return None


@pytest.mark.parametrize("seed", range(5))
def test_no_bound_of_any_problem_is_below_the_optimum(seed):
    rng = np.random.default_rng([7, seed])
    stated = (x for x in (random_problem(rng) for _ in itertools.count()) if x is not None)
    for problem in itertools.islice(stated, 250):
        best = sa.solve(problem, threads=1).value
        slack = 1e-12 * max(1.0, abs(best))
        lagrangian = sa.upper_bound(problem)
        assert lagrangian.value >= best - slack, problem
        relaxation = InformationRelaxation(problem)
        assert relaxation.exact
        for price in (lagrangian.price, relaxation.highest * rng.random()):
            assert relaxation.mean(price, 2, SEED)[0] >= best - slack, (problem, price)
        assert relaxation.mean(lagrangian.price, 2, SEED)[0] <= lagrangian.value + slack, problem
        if not problem.reward.any() and problem.utility.name != "custom":
            assert sa.upper_bound(problem, "clairvoyant").value >= best - slack, problem
