"""Diminishing returns: plain Python from the definitions, enumerated realisations, closed forms, and the commands."""

from __future__ import annotations

import itertools
import math
import re
from fractions import Fraction
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from oracles.command_line import caller, tree
from oracles.family import UTILITIES, Case, Item, Oracle, counts_of
from oracles.family_cases import families

import seqaudit as sa
from seqaudit.benchmarks.comparison.structure_table import USUAL
from seqaudit.benchmarks.figures.structure import plot_structure
from seqaudit.dp.exact.lattice import Lattice
from seqaudit.dp.structure import count as structure_count
from seqaudit.dp.structure.scope import slacks

EQUAL = 1e-10
AT_95 = sa.Problem([0.95], budget=20)


class Returns:
    """Gains of one item of a case, from the equations."""

    def __init__(self, case: Case, i: int) -> None:
        self.item, self.h, self.cap = case.items[i], UTILITIES[case.utility].h, max(n[i] for n in case.reachable)
        self.states = [(n, w) for n in range(self.cap) for w in range(n + 1)]

    def payoff(self, n: int, w: int) -> float:
        x = self.item
        return x.weight * float(self.h(x.prior.tail(n, w, x.threshold))) + x.reward * w

    @cache  # noqa: B019 - lives as long as its test
    def gain(self, n: int, w: int) -> float:
        mu = float(self.item.prior.mean(n, w))
        return mu * self.payoff(n + 1, w + 1) + (1 - mu) * self.payoff(n + 1, w) - self.payoff(n, w)

    def ahead(self, n: int, w: int) -> list[tuple[int, int]]:
        return [(m, x) for m, x in self.states if m >= n and w <= x <= w + m - n]

    def rises(self) -> list[tuple[float, int, int, tuple[int, int], tuple[int, int]]]:
        """Every pair of states where a later label gains more: rise, labels, further labels, and the states."""
        pairs = ((s, x) for s in self.states for x in self.ahead(*s))
        return [
            (self.gain(*x) - self.gain(*s), s[0], x[0] - s[0], s, x)
            for s, x in pairs
            if self.gain(*x) > self.gain(*s) + EQUAL
        ]

    def expected(self, labels: int) -> float:
        """Expected payoff after so many labels."""

        def walk(n: int, w: int) -> float:
            if n == labels:
                return self.payoff(n, w)
            mu = float(self.item.prior.mean(n, w))
            return mu * walk(n + 1, w + 1) + (1 - mu) * walk(n + 1, w)

        return walk(0, 0)

    def excess(self, n: int, w: int, ratio: float) -> float:
        """Most that ``ratio`` times the gain of a rule can exceed the gain of a label here times its labels."""
        here = self.gain(n, w)

        @cache
        def going_on(m: int, x: int) -> float:
            mu = float(self.item.prior.mean(m, x))
            now = ratio * self.gain(m, x) - here
            if m + 1 < self.cap:
                now += mu * max(0.0, going_on(m + 1, x + 1)) + (1 - mu) * max(0.0, going_on(m + 1, x))
            return now

        return going_on(n, w)


def distinct(case: Case) -> bool:
    """No rise is so small that rounding decides whether it is one."""
    for i in range(len(case.items)):
        found = Returns(case, i)
        gains = [found.gain(*s) for s in found.states]
        if any(1e-14 < abs(x - y) < EQUAL for x, y in itertools.combinations([0.0, *gains], 2)):
            return False
    return True


@settings(max_examples=50)
@given(families(batch=False, fee=st.just(0.0)))
def test_items_are_described_as_brute_force_describes_them(case):
    assume(distinct(case))
    found = sa.structure(case.stated(), exact=False)
    for i in range(len(case.items)):
        item = Returns(case, i)
        cap = item.cap
        rises = item.rises()
        assert found.violations[i] == pytest.approx(max((x[0] for x in rises), default=0.0), abs=1e-11)
        assert found.shares[i] == len({x[3] for x in rises}) / max(len(item.states), 1)
        harms = [s for s in item.states if item.gain(*s) < -EQUAL]
        assert found.harms[i].tolist() == (list(min(harms)) if harms else [-1, -1])
        if rises:
            _, n, k, (_, w), _ = min(rises, key=lambda x: (x[1], x[2], x[3]))
            n_, w_, later_n, later_w = found.rises[i].tolist()
            assert (n_, later_n - n_, w_) == (n, k, w)
            best = max(item.gain(*x) for x in item.ahead(n, w) if x[0] == n + k)
            assert item.gain(later_n, later_w) == pytest.approx(best, abs=1e-11)
            example = found.counterexample(i)
            assert example.gain == pytest.approx(item.gain(n, w), abs=1e-11)
            assert example.later_gain == pytest.approx(best, abs=1e-11)
        else:
            assert found.rises[i].tolist() == [-1] * 4
        g = [item.expected(n) for n in range(cap + 1)]
        assert found.curves.of(i) == pytest.approx(np.array(g) - g[0], abs=1e-11)
        steps = np.diff(g)
        rising = [n for n in range(1, cap) if steps[n] > steps[n - 1] + EQUAL]
        assert found.first_rises[i] == (rising[0] + 1 if rising else 0)
        changed = [n for n in range(cap + 1) if abs(g[n] - g[0]) > EQUAL]
        assert found.flat[i] == (changed[0] - 1 if changed else cap)
    assert found.submodular == (found.violation == 0)
    assert not found.submodular or found.concave


def test_of_states_with_as_many_labels_the_one_with_the_nearer_rise_is_shown():
    # After a loss the rise is two labels away, after a win one.
    found = sa.structure(sa.Problem([0.3], budget=12, prior=(3, 4), utility=sa.Asymmetric(1, 3)), exact=False)
    assert found.rises[0, :3].tolist() == [1, 1, 2]


def test_what_is_said_of_an_item_does_not_depend_on_the_others():
    alone = sa.structure(sa.Problem([0.45], 40, prior=(1, 5), utility="entropy"), exact=False)
    for heavy in (1.0, 2.0**20, 2.0**40):
        problem = sa.Problem([0.45, 0.45], 40, weight=[1, heavy], prior=(1, 5), utility="entropy")
        found = sa.structure(problem, exact=False)
        assert found.ratios.tolist() == [alone.ratio] * 2
        assert found.flat.tolist() == alone.flat.tolist() * 2


def test_rounding_makes_no_label_harmful():
    prior = (0.028646394146884305, 0.07960910940947359)
    entropy = sa.make_utility("entropy")
    for utility in (entropy, lambda p: entropy(p)):
        found = sa.structure(sa.Problem([0.003276817301707704], 200, prior=prior, utility=utility), exact=False)
        assert found.monotone
        assert found.ratio is not None
    # What is more than rounding is told all the same: a win that costs more than it says.
    assert not sa.structure(sa.Problem([0.5], 3, utility="entropy", reward=-2.0), exact=False).monotone
    assert not sa.structure(sa.Problem([0.95], 3, utility="decisive"), exact=False).monotone


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda found: found.gain(2, 0, 0), "item is 2; it must be a whole number from 0 to 1"),
        (lambda found: found.gain(-1, 0, 0), "item is -1; it must be a whole number from 0 to 1"),
        (lambda found: found.gain(0.5, 0, 0), "item is 0.5"),
        (
            lambda found: found.gain(0, 3, 0),
            "labels is 3; it must be a whole number, at least 0 and below 3, ",
        ),
        (lambda found: found.gain(0, -1, 0), "labels is -1"),
        (lambda found: found.gain(0, 1, 2), "wins is 2; it must be a whole number from 0 to 1, the labels"),
        (lambda found: found.gain(0, 1, -1), "wins is -1"),
        (lambda found: found.counterexample(-1), "item is -1; it must be a whole number from 0 to 1"),
        (lambda found: found.counterexample(2), "item is 2"),
    ],
)
def test_items_and_states_out_of_range_are_refused(call, message):
    found = sa.structure(sa.Problem([0.5, 0.6], 3), exact=False)
    with pytest.raises(ValueError, match=message):
        call(found)


def test_states_that_quotas_rule_out_violate_nothing():
    found = sa.structure(sa.Problem([0.5, 0.9], 3, quota=[([1], 2)]))
    assert found.rises[0].tolist() == [-1] * 4
    assert found.violations[0] == 0
    assert found.ratios[0] == 1
    assert len(found.curves.of(0)) == 2
    # Items 1 and 2 share a quota, and item 2 has one of its own; its labels cost 2.
    apart = sa.Problem([0.5] * 3, 4.0, cost=[1, 2, 1], cap=[3, 3, 3], quota=[([0, 1], 2), ([1], 1)])
    assert [len(x) - 1 for x in map(sa.structure(apart).curves.of, range(3))] == [2, 2, 1]


def test_first_rise_and_flat_start_count_labels_from_one():
    assert sa.structure(sa.Problem([0.5], budget=6)).first_rises.tolist() == [3]
    found = sa.structure(AT_95)
    assert (found.flat.tolist(), found.first_rises.tolist()) == ([12], [13])


@settings(max_examples=50)
@given(families(batch=False, quotas=0, fee=st.just(0.0)))
def test_ratio_is_the_largest_that_no_rule_exceeds(case):
    assume(distinct(case))
    found = sa.structure(case.stated(), exact=False)
    for i, gamma in enumerate(found.ratios.tolist()):
        item = Returns(case, i)
        assert 0 <= gamma <= 1
        assert all(item.excess(n, w, gamma) <= 1e-9 for n, w in item.states) or found.harms[i, 0] >= 0
        if gamma < 1:
            assert any(item.excess(n, w, gamma + 1e-6) > 0 for n, w in item.states)
        assert (gamma == 1) == (found.violations[i] == 0)


@pytest.mark.parametrize("utility", ["entropy", "variance"])
def test_ratio_of_items_is_that_of_joint_policies(utility):
    # The definition: a policy of the whole problem, after any labels, by backward induction over joint states.
    case = Case((Item(0.5), Item(0.7, 0.5)), 3, utility)
    items = [Returns(case, i) for i in range(2)]
    found = sa.structure(case.stated())

    def excess(start, ratio):
        now = [item.gain(*s) if s[0] < item.cap else 0.0 for item, s in zip(items, start, strict=True)]

        @cache
        def best(state, left):
            options = [0.0]
            for i, (item, (n, w)) in enumerate(zip(items, state, strict=True)):
                if left and n < item.cap:
                    mu = float(item.item.prior.mean(n, w))
                    after = [best((*state[:i], (n + 1, w + x), *state[i + 1 :]), left - 1) for x in (0, 1)]
                    options.append(ratio * item.gain(n, w) - now[i] + (1 - mu) * after[0] + mu * after[1])
            return max(options)

        return best(start, 3)

    starts = list(itertools.product([(n, w) for n in range(4) for w in range(n + 1)], repeat=2))
    assert found.ratio < 1
    assert max(excess(s, found.ratio) for s in starts) <= 1e-12
    assert max(excess(s, found.ratio + 1e-6) for s in starts) > 0


@pytest.mark.parametrize("utility", ["accuracy", "variance", "entropy", "decisive", "linear"])
def test_conditions_are_those_of_golovin_and_krause(utility):
    # Elements, realisations and partial realisations spelled out: conditional expectations over all outcomes of labels.
    case = Case((Item(0.5, cap=3), Item(0.7, 2.0, cap=1)), 4, utility)
    found = sa.structure(case.stated())
    elements = [(i, j) for i, cap in enumerate(case.caps) for j in range(cap)]
    items = [Returns(case, i) for i in range(2)]

    def chance(outcomes):
        total = 1.0
        for i, cap in enumerate(case.caps):
            row = [x for (k, _), x in zip(elements, outcomes, strict=True) if k == i]
            total *= float(case.items[i].prior.mass(cap, sum(row)))
        return total

    realisations = {x: chance(x) for x in itertools.product((0, 1), repeat=len(elements))}
    assert sum(realisations.values()) == pytest.approx(1)

    def value(chosen, outcomes):
        total = 0.0
        for i, item in enumerate(items):
            seen = [outcomes[k] for k in chosen if elements[k][0] == i]
            total += item.payoff(len(seen), sum(seen))
        return total

    def benefit(e, partial):
        seen = {k: x for k, x in enumerate(partial) if x is not None}
        alike = {y: q for y, q in realisations.items() if all(y[k] == x for k, x in seen.items())}
        mass = sum(alike.values())
        return sum(q * (value([*seen, e], y) - value(seen, y)) for y, q in alike.items()) / mass

    partials = list(itertools.product((None, 0, 1), repeat=len(elements)))
    table = {(e, x): benefit(e, x) for x in partials for e in range(len(elements)) if x[e] is None}
    rise = max(
        table[e, y] - table[e, x]
        for (e, x), y in itertools.product(table, partials)
        if y[e] is None and all(b == a or a is None for a, b in zip(x, y, strict=True))
    )
    assert found.violation == pytest.approx(max(rise, 0.0), abs=1e-12)
    assert found.monotone == (min(table.values()) > -1e-12)


@settings(max_examples=50)
@given(families(batch=False, fee=st.just(0.0)))
def test_joint_states_are_counted_as_enumerated(case):
    assume(distinct(case))
    found = sa.structure(case.stated(), exact=False)
    items = [Returns(case, i) for i in range(len(case.items))]
    worse = [
        {s: {x for x in item.ahead(*s) if item.gain(*x) > item.gain(*s) + EQUAL} for s in item.states} for item in items
    ]
    can = {n: {d.index(1) for d in case.moves(n)} for n in case.reachable}
    # What further labels of each item may lead to, whatever else is bought.
    later = {
        (n, i): {m[i] for m in can if i in can[m] and all(x >= y for x, y in zip(m, n, strict=True))}
        for n in can
        for i in can[n]
    }
    states = violating = 0
    for state in case.states():
        n = counts_of(state)
        if not can[n]:
            continue
        states += 1
        violating += any(any(x[0] in later[n, i] for x in worse[i][state[i]]) for i in can[n])
    assert (found.states, found.violating) == (states, violating)
    assert found.share == pytest.approx(violating / states if states else 0)


@pytest.mark.parametrize("utility", ["accuracy", "variance"])
def test_products_and_the_walk_through_the_lattice_agree(utility):
    problem = sa.Problem([0.5, 0.7, 0.95, 0.7], budget=16, cap=[16, 4, 16, 4], utility=utility)
    found = sa.structure(problem, exact=False)
    lattice = Lattice.of(problem)
    farthest = int(max(np.diff(found.rises[:, [0, 2]]).max(), 12))
    good = structure_count._good_states(problem, np.arange(4), slacks(problem), farthest)
    assert structure_count._by_walking(lattice, good) == (found.violating, found.states)
    assert found.states == sum(lattice.layer_states[:-1])


@settings(max_examples=25)
@given(families(batch=False, shrink=1, fee=st.just(0.0)))
def test_greedy_and_optimum_are_those_of_the_engine(case):
    problem = case.stated()
    found = sa.structure(problem)
    oracle = Oracle(case)
    assert found.greedy_value == sa.evaluate(problem, sa.KnowledgeGradient()).value
    assert found.optimal_value == sa.solve(problem).value
    if case.utility != "decisive":
        # Beliefs on a boundary are decided by rounding, and ties by them.
        assert found.greedy_value == pytest.approx(float(oracle.value_of(oracle.index_rule("kg"))), abs=1e-10)
    if found.greedy_share is not None:
        assert found.greedy_share <= 1 + 1e-9


@settings(max_examples=50, deadline=None)
@given(
    families(
        batch=False,
        quotas=0,
        cost=st.just("unit"),
        utility=st.sampled_from(("variance", "entropy", "accuracy")),
        reward=st.sampled_from((0.0, 0.25)),
        fee=st.just(0.0),
    )
)
def test_greedy_earns_what_is_proved(case):
    found = sa.structure(case.stated())
    assume(found.greedy_share is not None)
    assert found.guarantee == pytest.approx(1 - math.exp(-found.ratio))
    assert found.greedy_share >= found.guarantee - 1e-9


def test_greedy_goes_by_gain_for_a_unit_of_cost():
    # Item 2 gains 3/8 for 2, item 1 gains 1/4 for 1: greedy begins with item 1, and cannot afford item 2 then.
    problem = sa.Problem([0.5, 0.5], budget=2, weight=[1, 1.5], cost=[1, 2])
    found = sa.structure(problem)
    assert found.greedy_value == pytest.approx(0.5 + 0.75 + 0.25, rel=1e-14)
    assert found.optimal_value == pytest.approx(0.5 + 0.75 + 0.375, rel=1e-14)
    assert found.greedy_value == sa.evaluate(problem, sa.KnowledgeGradient()).value


def test_greedy_may_earn_next_to_nothing_where_nothing_is_proved():
    # Three items of small weight gain at once; the heavy one gains only by its second label.
    problem = sa.Problem([0.5] * 4, budget=3, weight=[0.001] * 3 + [1], prior=[(1, 1)] * 3 + [(2, 1)])
    found = sa.structure(problem)
    assert found.ratio == 0
    assert found.guarantee == 0
    assert found.greedy_share < 0.02


# closed forms


def test_staircase_of_accuracy_at_one_half():
    found = sa.structure(sa.Problem([0.5], budget=6))
    steps = [0.5, 0.75, 0.75, 0.8125, 0.8125, 0.84375, 0.84375]
    assert 0.5 + found.curves.of(0) == pytest.approx(steps, rel=1e-14)
    assert found.defects.tolist() == [0.03125]
    example = found.counterexample()
    assert (example.labels, example.wins, example.later_labels, example.later_wins) == (1, 0, 2, 1)
    assert (example.gain, example.later_gain) == (0.0, pytest.approx(0.1875, rel=1e-14))
    assert found.violation == pytest.approx(0.1875, rel=1e-14)


def test_nothing_gains_before_the_thirteenth_label_at_95():
    found = sa.structure(AT_95)
    # Thirteen wins are the first that make Beta(14, 1) believe: .95^14 < 1/2 < .95^13.
    assert found.curves.of(0)[:13].tolist() == [0.0] * 13
    assert found.curves.of(0)[13] == pytest.approx((1 - 2 * 0.95**14) / 14, rel=1e-12)


def variance_gain(a: int, b: int, t: Fraction) -> Fraction:
    """v D^2 / (a b), D = t^a (1-t)^b / B(a, b)."""
    d = t**a * (1 - t) ** b * a * math.comb(a + b - 1, a)
    return d**2 / (a * b)


@settings(max_examples=100)
@given(st.integers(1, 12), st.integers(1, 12), st.fractions(Fraction(1, 20), Fraction(19, 20), max_denominator=20))
def test_variance_rises_after_a_label_exactly_as_the_ratios_say(a, b, t):
    s, here = a + b, variance_gain(a, b, t)
    won, lost = variance_gain(a + 1, b, t) / here, variance_gain(a, b + 1, t) / here
    assert won == t**2 * s**2 / Fraction(a * (a + 1))
    assert lost == (1 - t) ** 2 * s**2 / Fraction(b * (b + 1))
    expected = s * (t**2 / (a + 1) + (1 - t) ** 2 / (b + 1))
    assert Fraction(a, s) * won + Fraction(b, s) * lost == expected
    # The larger of the two ratios is below 1 only within 1 / s of the mean.
    assert max(won, lost) >= 1 or abs(t - Fraction(a, s)) < Fraction(1, s)
    assume(here > 1e-6)
    found = sa.structure(sa.Problem([float(t)], budget=2, prior=(a, b), utility="variance", weight=1 / float(here)))
    assert found.curves.of(0)[1] == pytest.approx(1, rel=1e-6)
    if min(abs(x - 1) for x in (won, lost, expected)) > 1e-5:
        assert found.submodular == (max(won, lost) < 1)
        assert found.concave == (expected < 1)
        assert found.violation == pytest.approx(max(float(max(won, lost)) - 1, 0), rel=1e-5)


def test_variance_is_neither_submodular_nor_concave():
    found = sa.structure(sa.Problem([0.9], budget=2, prior=(1, 3), utility="variance"))
    assert found.monotone
    assert not found.submodular
    assert found.first_rises.tolist() == [2]
    steps = np.diff(found.curves.of(0))
    assert steps[1] / steps[0] == pytest.approx(4 * (0.9**2 / 2 + 0.1**2 / 4), rel=1e-6)


def test_information_about_two_rates_is_concave_and_still_not_adaptive_submodular():
    # Labels are independent given which of the two it is: each tells less, on average, than the one before.
    found = sa.structure(sa.Problem([0.5], budget=12, prior=sa.Grid([0.2, 0.8], [0.9, 0.1]), utility="entropy"))
    assert found.concave
    assert not found.submodular


def test_decisive_is_not_monotone():
    found = sa.structure(sa.Problem([0.96], budget=3, utility=sa.Decisive(0.05)))
    assert not found.monotone
    assert (found.ratio, found.guarantee) == (None, None)
    assert found.harms.tolist() == [[0, 0]]


def test_linear_holds_with_all_gains_zero():
    found = sa.structure(sa.Problem([0.5, 0.9, 0.3], budget=12, prior=(1.3, 2.7), utility="linear"))
    assert (found.monotone, found.submodular, found.concave, found.ratio) == (True, True, True, 1.0)
    assert found.flat.tolist() == [12] * 3
    assert found.greedy_share is None


def test_states_that_no_labels_lead_to_are_left_out():
    # Either all labels win or all lose: after the first, nothing is left to learn.
    found = sa.structure(sa.Problem([0.5], budget=4, prior=sa.Grid([0, 1], [1, 1])))
    assert (found.states, found.violating, found.submodular) == (1 + 2 + 2 + 2, 0, True)
    assert found.curves.of(0).tolist() == [0, 0.5, 0.5, 0.5, 0.5]


# the rest


def test_identical_items_and_order_and_threads_change_nothing():
    kinds = [(0.5, 1.0), (0.7, 2.0), (0.5, 1.0), (0.95, 1.0), (0.7, 2.0)]
    fields = [
        dict(zip(("threshold", "weight"), map(list, zip(*x, strict=True)), strict=True)) for x in (kinds, kinds[::-1])
    ]
    one, two = (sa.structure(sa.Problem(budget=6, **x), threads=k) for x, k in zip(fields, (1, 2), strict=True))
    for name in ("defects", "first_rises", "flat", "violations", "shares", "ratios", "harms", "rises"):
        assert np.array_equal(getattr(one, name), getattr(two, name)[::-1])
    assert (one.states, one.violating) == (two.states, two.violating)
    alone = sa.structure(sa.Problem([0.95], budget=6))
    assert one.violations[3] == alone.violations[0]


def test_many_items_are_described_as_each_alone():
    rng = np.random.default_rng(7)
    fields = {"threshold": rng.uniform(0.05, 0.95, 3000), "cap": rng.choice([0, 3, 20], 3000)}
    many = sa.structure(sa.Problem(budget=6000, utility="entropy", **fields))
    assert (many.states, many.share, many.greedy_value) == (None, None, None)
    assert len(many.remarks) == 2
    for i in (0, 17, 2999, int(np.argmax(many.violations))):
        cap = int(fields["cap"][i])
        if cap:
            one = sa.structure(sa.Problem([fields["threshold"][i]], budget=cap, utility="entropy"))
            for name in ("defects", "first_rises", "flat", "violations", "shares", "ratios"):
                assert getattr(one, name)[0] == pytest.approx(getattr(many, name)[i], rel=1e-12, abs=1e-14)
        else:
            assert (many.flat[i], many.violations[i], many.ratios[i]) == (0, 0, 1)
    assert len(str(many).splitlines()) < 40


def test_what_limits_the_guarantee_is_said():
    texts = {
        "labels differ in cost": {"cost": [1, 2]},
        "there are quotas": {"quota": [([0], 1)]},
        "labels come in batches": {"batch": 2},
    }
    for text, fields in texts.items():
        found = sa.structure(sa.Problem([0.5, 0.6], budget=4, utility="entropy", **fields))
        assert found.guarantee is None
        assert f"proved of greedy        nothing: {text}\n" in str(found)
    assert "one at a time" in found.remarks[0]


def test_exact_values_are_refused_where_there_are_none(monkeypatch):
    with pytest.raises(ValueError, match=r"batch is 2; exact=True needs a batch of 1"):
        sa.structure(sa.Problem([0.5], budget=4, batch=2), exact=True)
    large = sa.Problem(np.linspace(0.1, 0.9, 20), budget=60, cap=10)
    with pytest.raises(sa.ProblemTooLarge):
        sa.structure(large, exact=True)
    assert sa.structure(large).greedy_value is None
    monkeypatch.setattr("seqaudit.posteriors.foundation.memory.available_memory", lambda: 10_000)
    with pytest.raises(sa.ProblemTooLarge):
        sa.structure(sa.Problem([0.5], budget=500))


# several utilities, the figure and the command

SMALL = 'budget = 8\nthreshold = [0.5, 0.62, 0.95]\nweight = [1.0, 1.5, 2.0]\nname = ["even", "tilted", "hard"]\n'


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run a command in a folder that holds problems."""
    return caller(tmp_path, monkeypatch, capsys, problem=SMALL, batch="budget = 4\nthreshold = [0.5]\nbatch = 2\n")


def test_table_holds_what_structure_says_under_each_utility():
    problem = sa.Problem.from_logratio([0.1, 1.0], beta=0.5, budget=6, cost=[1, 1], name=["a", "b"])
    table = sa.structure_table(problem)
    assert table["utility"].tolist() == [
        *("accuracy", "asymmetric(gain=1, loss=3)", "variance", "entropy", "decisive(eps=0.05)", "linear")
    ]
    for row, utility in zip(table.to_dict("records"), USUAL, strict=True):
        found = sa.structure(sa.Problem.from_logratio([0.1, 1.0], 0.5, 6, name=["a", "b"], utility=utility))
        for key in ("monotone", "submodular", "violation", "share"):
            assert row[key] == getattr(found, key)
        assert row["greedy_share"] == found.greedy_share or (math.isnan(row["greedy_share"]) and not found.greedy_share)
        assert row["rising"] == np.mean(found.first_rises > 0)
        assert row["counterexample"] == ("" if found.submodular else str(found.counterexample()))
    with pytest.raises(ValueError, match="utilities is empty"):
        sa.structure_table(problem, [])
    assert sa.structure_table(problem, [lambda p: p * p]).utility.tolist() == ["custom"]


def test_command_prints_the_report(run):
    outcome = run("structure", "problem.toml")
    problem = sa.Problem.from_toml("problem.toml")
    assert outcome.out == f"note: {problem.check()[0]}\n{sa.structure(problem)}\n"
    assert outcome.err == "checking 1/1: accuracy\n"
    assert tree(Path()).keys() == {"problem.toml", "batch.toml"}
    one = run("structure", "problem.toml", "-u", '{name="decisive", eps=0.05}').out
    text = str(sa.structure(problem.replace(utility=sa.Decisive(0.05))))
    assert one.endswith(text + "\n")
    assert "\nharm: hard, after no label (Beta(1, 1), p = 0.05): one more label gains -" in text


def test_command_prints_a_row_for_each_utility(run):
    outcome = run("structure", "problem.toml", "-u", "every")
    expected = sa.structure_table(sa.Problem.from_toml("problem.toml")).to_dict("records")
    lines = outcome.out.splitlines()
    first = next(k for k, line in enumerate(lines) if line.startswith("utility  "))
    for row, line in zip(expected, lines[first + 1 :], strict=False):
        cells = re.split(r"\s{2,}", line.strip())
        assert cells[:4] == [
            row["utility"],
            *("yes" if row[key] else "no" for key in ("monotone", "submodular")),
            f"{row['violation']:.6f}",
        ]
        if row["counterexample"]:
            assert f"{row['utility']}: {row['counterexample']}" in lines


def test_command_prints_as_json_what_structure_returns(run):
    found = run("structure", "problem.toml", "-u", "variance", "-u", "linear", "--no-exact", "--json").json
    assert [x["utility"] for x in found["utilities"]] == ["variance", "linear"]
    problem = sa.Problem.from_toml("problem.toml").replace(utility="variance")
    expected = sa.structure(problem, exact=False)
    row = found["utilities"][0]
    assert (row["ratio"], row["share"], row["greedy_share"]) == (expected.ratio, expected.share, None)
    for i, item in enumerate(row["items"]):
        assert item["item"] == problem.name[i]
        assert item["gains"] == expected.curves.of(i).tolist()
        assert item["violation"] == expected.violations[i]


def test_figure_shows_curves_majorants_and_first_rises(run, monkeypatch):
    drawn = []
    monkeypatch.setattr(Figure, "savefig", lambda self, path, **_: drawn.append(self))
    outcome = run("structure", "problem.toml", "-u", "accuracy", "-u", "linear", "--figure", "out.png")
    assert outcome.out.endswith("figure: out.png\n")
    (figure,) = drawn
    accuracy, linear = figure.axes
    assert (accuracy.get_title(), linear.get_title()) == ("accuracy", "linear")
    found = sa.structure(sa.Problem.from_toml("problem.toml"))
    lines = iter(accuracy.lines)
    for i in range(3):
        majorant, curve = next(lines), next(lines)
        g = found.curves.of(i)
        assert curve.get_ydata() == pytest.approx(g, abs=1e-11)
        over = np.interp(np.arange(9), majorant.get_xdata(), majorant.get_ydata())
        assert (over - g).max() == pytest.approx(found.defects[i], abs=1e-11)
        if found.first_rises[i]:
            assert next(lines).get_xdata() == [found.first_rises[i]]
    assert next(lines, None) is None
    assert all(not np.any(line.get_ydata()) for line in linear.lines)


def test_figure_is_a_picture(tmp_path):
    path = tmp_path / "out.png"
    plot_structure([sa.structure(AT_95)], path)
    assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


@pytest.mark.parametrize(
    ("expected", "arguments"),
    [
        ("nowhere.toml: No such file", ("nowhere.toml",)),
        ("utility is 'acuracy'; allowed: accuracy, ", ("problem.toml", "-u", "acuracy")),
        ("--utility is '{nme'; allowed: a name, or a table such as", ("problem.toml", "-u", "{nme")),
        ("--utility variance is given 2 times", ("problem.toml", "-u", "every", "-u", "variance")),
        ("--figure is out.pdf; it must be a file name ending in .png", ("problem.toml", "--figure", "out.pdf")),
        ("--figure is no/out.png; it must be", ("problem.toml", "--figure", "no/out.png")),
        ("batch is 2; --exact needs a batch of 1", ("batch.toml", "--exact")),
        ("Missing argument 'PROBLEM.toml'", ()),
    ],
)
def test_bad_input_is_refused_in_one_line_and_leaves_nothing_behind(run, expected, arguments):
    before = tree(Path())
    assert expected in run("structure", *arguments).assert_refused()
    assert tree(Path()) == before
