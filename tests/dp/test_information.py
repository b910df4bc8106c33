"""Information relaxation: against the definition of its penalty on every path, and what it promises."""

from __future__ import annotations

import itertools
from fractions import Fraction
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.family import Case, Oracle
from oracles.family_cases import families

import seqaudit as sa
from seqaudit.dp.bounds import information_relaxation as information
from seqaudit.dp.bounds.information_relaxation import InformationRelaxation, two_seeds

SEED, _ = two_seeds(7)


class Told:
    """Someone who knows all labels and pays the penalty, by the definition: payoff less martingale, on every path."""

    def __init__(self, case: Case, price: float) -> None:
        self.case, self.price = case, price
        self.oracle = Oracle(case)
        self.payoff, self.worth = cache(self._payoff), cache(self._worth)

    def _payoff(self, i: int, n: int, w: int) -> float:
        return float(self.oracle._payoff(i, n, w, "working") + self.case.items[i].reward * w)

    def mean(self, i: int, n: int, w: int) -> float:
        return float(self.case.items[i].prior.mean(n, w))

    def _worth(self, i: int, n: int, w: int) -> float:
        """Payoff and W."""
        stop = self.payoff(i, n, w)
        if n == self.case.caps[i]:
            return stop
        mu = self.mean(i, n, w)
        go = mu * self.worth(i, n + 1, w + 1) + (1 - mu) * self.worth(i, n + 1, w)
        return max(stop, go - self.price * float(self.case.items[i].cost))

    def ends(self) -> list[tuple[int, ...]]:
        """Numbers of labels after which the dearest label is too dear, or none is left; all where stopping can pay.

        Whatever a policy ends at is among them. Quotas and batches are not looked at.
        """
        free = Case(self.case.items, self.case.budget, self.case.utility)
        if self.case.stated().may_stop:
            return free.reachable
        dearest = max(
            (Fraction(x.cost) for x, cap in zip(free.items, free.caps, strict=True) if cap), default=Fraction(1)
        )
        ends = [n for n in free.reachable if free.spent(n) + dearest > free.purse or n == free.caps]
        assert all(n in ends for n in free.reachable if not free.moves(n))
        return [free.caps] if free.caps in ends else ends

    def earned(self, i: int, path: tuple[int, ...]) -> list[float]:
        """Payoff less penalty of an item after 0, 1, .. labels of a path."""
        out, surprise, w = [self.payoff(i, 0, 0)], 0.0, 0
        for n, label in enumerate(path):
            mu = self.mean(i, n, w)
            expected = mu * self.worth(i, n + 1, w + 1) + (1 - mu) * self.worth(i, n + 1, w)
            w += label
            surprise += self.worth(i, n + 1, w) - expected
            out.append(self.payoff(i, n + 1, w) - surprise)
        return out

    def value(self) -> float:
        every = []
        for i, cap in enumerate(self.case.caps):
            paths = []
            for path in itertools.product((0, 1), repeat=cap):
                chance, w = 1.0, 0
                for n, label in enumerate(path):
                    mu = self.mean(i, n, w)
                    chance *= mu if label else 1 - mu
                    w += label
                paths.append((chance, self.earned(i, path)))
            every.append(paths)
        ends, total = self.ends(), 0.0
        for paths in itertools.product(*every):
            chance = np.prod([q for q, _ in paths])
            total += chance * max(
                sum(e[k] for (_, e), k in zip(paths, n, strict=True)) - self.case.label_price * self.case.spent(n)
                for n in ends
            )
        return float(total)


def few(case: Case) -> bool:
    return sum(case.caps) <= 9


@settings(max_examples=60)
@given(families(kinds=3, shrink=1).filter(few), st.sampled_from([0.0, 0.01, 0.05, 0.2]))
def test_bound_is_what_someone_earns_who_knows_all_labels_and_pays_for_it(case, price):
    relaxation = InformationRelaxation(case.stated())
    assert relaxation.exact
    found, error = relaxation.mean(price, 2, SEED)
    assert error == 0.0
    assert found == pytest.approx(Told(case, price).value(), rel=1e-10, abs=1e-12)


@pytest.mark.parametrize("fields", [{}, {"utility": "entropy"}, {"reward": 0.3}, {"prior": sa.NoisyBeta(2, 1, 0.1)}])
def test_bound_of_one_item_is_the_optimum_at_any_price(fields):
    # All its labels are bought, so nothing is gained by knowing them.
    problem = sa.Problem([0.6], 9, **fields)
    for price in (0.0, 0.01, 0.3):
        assert InformationRelaxation(problem).mean(price, 2, SEED)[0] == pytest.approx(
            sa.solve(problem).value, abs=1e-13
        )


def test_simulated_bound_agrees_with_the_certain_one(monkeypatch):
    problem = sa.Problem([0.5, 0.62, 0.8], 6, weight=[1, 2, 1.5], cost=[1, 1.5, 2], cap=[6, 4, 3])
    relaxation = InformationRelaxation(problem)
    certain, none = relaxation.mean(0.05, 2, SEED)
    monkeypatch.setattr(information, "_FEW", 5)
    simulated, error = InformationRelaxation(problem).mean(0.05, 20_000, SEED)
    assert none == 0.0 < error
    # A false alarm at four standard errors: 1 in 16,000 seeds.
    assert abs(simulated - certain) < 4 * error


def test_simulated_bound_lies_between_the_optimum_and_the_lagrangian_bound():
    rng = np.random.default_rng(7)
    for _ in range(6):
        problem = sa.Problem(rng.uniform(0.3, 0.9, 3), 9, weight=rng.uniform(0.5, 2, 3))
        best, lagrangian = sa.solve(problem).value, sa.upper_bound(problem).value
        found = sa.upper_bound(problem, "information-relaxation", samples=2000, seed=7)
        assert found.standard_error > 0
        assert best - 4 * found.standard_error < found.value < lagrangian + 4 * found.standard_error


def test_on_no_path_is_it_above_the_lagrangian_bound_at_its_price():
    rng = np.random.default_rng(7)
    problem = sa.Problem(rng.uniform(0.1, 0.9, 12), 40, weight=rng.uniform(0.5, 2, 12))
    relaxation = InformationRelaxation(problem)
    bound = sa.upper_bound(problem)
    for samples in (2, 17, 300):
        value, _ = relaxation.mean(bound.price, samples, SEED)
        assert value <= bound.value + 1e-12


def test_seeds_give_the_same_answer_twice_and_a_generator_moves_on():
    problem = sa.Problem([0.5, 0.7, 0.6], 9)

    def found(seed):
        return sa.upper_bound(problem, "information-relaxation", samples=300, seed=seed)

    root = np.random.SeedSequence(7)
    assert found(7) == found(7) == found(root) == found(root)
    assert found(8) != found(7)
    rng = np.random.default_rng(7)
    assert found(rng) != found(rng)


def test_answers_do_not_depend_on_the_number_of_threads(monkeypatch):
    problem = sa.Problem([0.5, 0.7, 0.6], 9)
    relaxation = InformationRelaxation(problem)
    many = relaxation.mean(0.02, 1000, SEED)
    monkeypatch.setattr(information, "cores", lambda threads: 1)
    assert relaxation.mean(0.02, 1000, SEED) == many


def test_caps_that_leave_the_budget_slack_leave_no_choice():
    problem = sa.Problem([0.5, 0.7, 0.6], 90, cap=[3, 4, 2])
    best = sa.solve(problem).value
    assert sa.upper_bound(problem, "information-relaxation").value == pytest.approx(best, abs=1e-13)
    none = sa.Problem([0.5, 0.7], 3, cap=0)
    assert sa.upper_bound(none, "information-relaxation").value == none.prior_value


@pytest.mark.parametrize("samples", [1, True, 2.5, None])
def test_number_of_samples_that_gives_no_error_is_refused(samples):
    with pytest.raises(ValueError, match=r"samples is .*; it must be a whole number, at least 2"):
        sa.upper_bound(sa.Problem([0.5], 3), "information-relaxation", samples=samples)


@pytest.mark.parametrize("seed", [-1, "seven", 0.5, True])
def test_wrong_seed_is_refused(seed):
    with pytest.raises(ValueError, match=r"seed is .*; it must be a whole number"):
        sa.upper_bound(sa.Problem([0.5], 3), "information-relaxation", seed=seed)


def test_costs_without_a_common_unit_are_refused():
    problem = sa.Problem([0.5, 0.6], 3, cost=[1, np.pi / 3])
    with pytest.raises(ValueError, match="costs have no common unit"):
        sa.upper_bound(problem, "information-relaxation")


def test_tables_that_do_not_fit_are_refused_before_they_are_made():
    with pytest.raises(sa.ProblemTooLarge, match=r"information relaxation: .* [GTP]iB of memory are needed"):
        sa.upper_bound(sa.Problem([0.5] * 10, 10**7), "information-relaxation")
