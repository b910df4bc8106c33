"""Claims on the audit index, allocations and the greedy rule: against rational arithmetic and the exact engine."""

from __future__ import annotations

import itertools
import math
from decimal import Decimal, localcontext
from fractions import Fraction
from functools import cache
from math import comb

import numpy as np
import pytest
import scipy
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from oracles.recursion import exact_belief

import seqaudit as sa
from seqaudit.benchmarks.claims import allocation, greedy, index
from seqaudit.benchmarks.claims.claims import described
from seqaudit.benchmarks.claims.small_cases import Item, Kind, gain, item_of, two_items, vacuous

UTILITIES = {"accuracy": sa.Accuracy(), "variance": sa.Variance(), "entropy": sa.Entropy()}
POLICIES = {
    "greedy": sa.KnowledgeGradient(),
    "audit index": sa.AuditIndex(),
    "variance reduction": sa.VarianceReduction(),
    "two steps": sa.Lookahead(2, "payoff"),
}
GUARANTEE = 1 - math.exp(-1)
# Priors, thresholds and weights beyond those searched.
ITEMS = st.builds(
    Item,
    st.integers(1, 6),
    st.integers(1, 6),
    st.sampled_from([0.1, 0.35, 0.5, 0.6, 9 / 13, 0.9]),
    st.sampled_from([0.5, 1.0, 2.0, 100.0]),
)
RATES = st.fractions(Fraction(1, 50), Fraction(49, 50), max_denominator=50)
PRIORS = st.integers(1, 12)
KINDS: list[Kind] = [(a, s - a, m) for s in (2, 3, 4) for a in range(1, s) for m in range(5)]
WEIGHTS = ((1, 1), (1, 2))


@pytest.fixture(scope="module")
def found():
    groups = (index.index_claims, allocation.allocation_claims, greedy.greedy_claims, greedy.condition_claims)
    return {claim.key: claim for group in groups for claim in group()}


def bar(m: int) -> Fraction:
    """Sigma(m log(3/2))."""
    return Fraction(3**m, 3**m + 2**m)


def accuracy(p: Fraction) -> Fraction:
    return max(p, 1 - p)


def variance(p: Fraction) -> Fraction:
    return -p * (1 - p)


@cache
def payoff(kind: Kind, n: int, w: int, h) -> Fraction:
    a, b, m = kind
    return h(exact_belief(a + w, b + n - w, bar(m)).tail)


def mean(kind: Kind, n: int, w: int) -> Fraction:
    return Fraction(kind[0] + w, kind[0] + kind[1] + n)


@cache
def step(kind: Kind, n: int, w: int, h) -> Fraction:
    """Gain of one label in a state."""
    mu = mean(kind, n, w)
    return mu * payoff(kind, n + 1, w + 1, h) + (1 - mu) * payoff(kind, n + 1, w, h) - payoff(kind, n, w, h)


@cache
def expected(kind: Kind, labels: int, h) -> Fraction:
    """g(n): the gain of n labels, summed over the states in which each of them is given."""
    total, chances = Fraction(0), {0: Fraction(1)}
    for n in range(labels):
        total += sum(x * step(kind, n, w, h) for w, x in chances.items())
        after: dict[int, Fraction] = {}
        for w, x in chances.items():
            for wins, part in ((w + 1, mean(kind, n, w)), (w, 1 - mean(kind, n, w))):
                after[wins] = after.get(wins, Fraction(0)) + x * part
        chances = after
    return total


def scores(rule: str, items, weight, labels: int, state, h) -> list[Fraction]:
    now = [v * step(x, n, w, h) for x, v, (n, w) in zip(items, weight, state, strict=True)]
    match rule:
        case "greedy":
            return now
        case "audit index":
            return [-v * payoff(x, n, w, variance) for x, v, (n, w) in zip(items, weight, state, strict=True)]
        case "variance reduction":
            return [v * step(x, n, w, variance) for x, v, (n, w) in zip(items, weight, state, strict=True)]
    if sum(n for n, _ in state) == labels - 1:
        return now
    found = []
    for i, (n, w) in enumerate(state):
        mu = mean(items[i], n, w)
        after = [
            x * max(weight[i] * step(items[i], n + 1, wins, h), now[1 - i]) for x, wins in ((mu, w + 1), (1 - mu, w))
        ]
        found.append(now[i] + sum(after))
    return found


def worth(rule: str, items, weight, labels: int, h=accuracy, spread=max) -> Fraction:
    """Gain of a rule, with ties broken for the most (``spread`` max) or the least (min), or of the optimum."""

    @cache
    def value(state) -> Fraction:
        if sum(n for n, _ in state) == labels:
            return Fraction(0)
        options = []
        for i, (n, w) in enumerate(state):
            mu = mean(items[i], n, w)
            won, lost = ((*state[:i], (n + 1, w + x), *state[i + 1 :]) for x in (1, 0))
            options.append(weight[i] * step(items[i], n, w, h) + mu * value(won) + (1 - mu) * value(lost))
        if rule == "optimum":
            return max(options)
        ranks = scores(rule, items, weight, labels, state, h)
        return spread(x for x, rank in zip(options, ranks, strict=True) if rank == max(ranks))

    return value(((0, 0),) * len(items))


def pairs(most: int = 4):
    for labels, weight in itertools.product(range(1, most + 1), WEIGHTS):
        chosen = (
            itertools.combinations_with_replacement(KINDS, 2)
            if weight == (1, 1)
            else itertools.product(KINDS, repeat=2)
        )
        for items in chosen:
            yield items, labels, weight


def falls_short(rule, h=accuracy):
    return lambda x, k, v: worth(rule, x, v, k, h) < GUARANTEE * float(worth("optimum", x, v, k, h))


def at_once(items, labels, weight, h) -> tuple[Fraction, Fraction]:
    """Gain of labels added in turn, ties broken for the best, and of the best one-shot allocation."""
    (one, two), (v, u) = items, weight
    totals = [v * expected(one, n, h) + u * expected(two, labels - n, h) for n in range(labels + 1)]
    reached = {0}
    for spent in range(labels):
        after = set()
        for n in reached:
            more = (
                v * (expected(one, n + 1, h) - expected(one, n, h)),
                u * (expected(two, spent - n + 1, h) - expected(two, spent - n, h)),
            )
            after |= {n + 1 - i for i in (0, 1) if more[i] == max(more)}
        reached = after
    return max(totals[n] for n in reached), max(totals)


def in_turn_is_less(h, part=1):
    def fails(items, labels, weight) -> bool:
        turn, best = at_once(items, labels, weight, h)
        return turn < part * best

    return fails


def pulled_back(kind, n, w) -> bool:
    a, b, m = kind
    once, twice = (exact_belief(a + k * w, b + k * (n - w), bar(m)).tail for k in (1, 2))
    return twice < once if Fraction(w, n) > bar(m) else twice > once


def approximate(kind, n, w) -> tuple[Fraction, float]:
    a, b, m = kind[0] + w, kind[1] + n - w, kind[2]
    mu = a / (a + b)
    z = (float(bar(m)) - mu) / math.sqrt(mu * (1 - mu) / (a + b + 1))
    return exact_belief(a, b, bar(m)).tail, math.erfc(z / math.sqrt(2)) / 2


def turned(h):
    def fails(x, y) -> bool:
        before = payoff(y, 0, 0, variance) - payoff(x, 0, 0, variance)
        return before * (step(x, 0, 0, h) - step(y, 0, 0, h)) < 0

    return fails


def rises(h):
    return lambda k, x: expected(x, k, h) - expected(x, k - 1, h) > expected(x, k - 1, h) - expected(x, k - 2, h)


def state_rises(h):
    def fails(n, x, w) -> bool:
        return any(0 <= z < n and step(x, n, w, h) > step(x, n - 1, z, h) for z in (w - 1, w))

    return fails


STATES = [(x, n, w) for n in range(10, 41) for x in KINDS for w in range(n + 1)]
TO_12 = [(a, s - a, m) for s in range(2, 13) for a in range(1, s) for m in range(5)]


@pytest.mark.parametrize(
    ("key", "fails", "cases"),
    [
        (
            "5c",
            pulled_back,
            [(x, n, w) for n in range(1, 7) for x in KINDS for w in range(n + 1) if Fraction(w, n) != bar(x[2])],
        ),
        ("5d1", lambda *x: abs(np.subtract(*map(float, approximate(*x)))) > 0.01, STATES),
        ("5d2", lambda *x: np.prod([2 * float(p) - 1 for p in approximate(*x)]) < 0, STATES),
        ("5g1", turned(accuracy), list(itertools.combinations(KINDS, 2))),
        ("5g2", turned(variance), list(itertools.combinations(KINDS, 2))),
        ("6b1", rises(accuracy), list(itertools.product((2, 3, 4), TO_12))),
        ("6b2", rises(variance), list(itertools.product((2, 3, 4), TO_12))),
        ("6c1", state_rises(accuracy), [(n, x, w) for n in (1, 2, 3) for x in KINDS for w in range(n + 1)]),
        ("6c2", state_rises(variance), [(n, x, w) for n in (1, 2, 3) for x in KINDS for w in range(n + 1)]),
        ("6e1", in_turn_is_less(accuracy), list(pairs())),
        ("6e2", in_turn_is_less(variance), list(pairs())),
        ("7a", in_turn_is_less(accuracy, GUARANTEE), list(pairs())),
        ("7b", falls_short("greedy"), list(pairs())),
        ("7e", falls_short("audit index"), list(pairs())),
        ("7f", falls_short("variance reduction"), list(pairs())),
        (
            "7i1",
            lambda x, k, v: worth("two steps", x, v, k) < worth("greedy", x, v, k, spread=min),
            list(pairs()),
        ),
    ],
)
def test_no_case_before_the_one_shown_fails(found, key, fails, cases):
    """The first failure in the stated order, searched for in exact fractions, with nothing of the package."""
    position = next(k for k, case in enumerate(cases, start=1) if fails(*case))
    assert (found[key].verdict, found[key].searched) == ("FAILS", position)


def problem(case, utility: str = "accuracy") -> sa.Problem:
    made = allocation.made(case["items"], case["weight"])
    return problem_of(made, case["labels"], utility)


def problem_of(items, labels: int, utility: str) -> sa.Problem:
    return sa.Problem(
        [x.t for x in items],
        labels,
        weight=[x.v for x in items],
        prior=[(x.a, x.b) for x in items],
        utility=utility,
    )


def engine_gain(made: sa.Problem, rule: str) -> float:
    return sa.evaluate(made, POLICIES[rule]).value - made.prior_value


@pytest.mark.parametrize(
    ("key", "rule", "utility"),
    [
        ("7b", "greedy", "accuracy"),
        ("7c", "greedy", "variance"),
        ("7e", "audit index", "accuracy"),
        ("7f", "variance reduction", "accuracy"),
    ],
)
def test_rules_fall_short_in_the_exact_engine_too(found, key, rule, utility):
    made = problem(found[key].case, utility)
    attained, best = engine_gain(made, rule), sa.solve(made).value - made.prior_value
    assert attained < GUARANTEE * best
    assert found[key].detail.startswith(
        f"the rule gains {attained:.6f}, the optimum {best:.6f}: a share of {attained / best:.4f}"
    )


@pytest.mark.parametrize(("key", "utility"), [("7i1", "accuracy"), ("7i2", "variance")])
def test_two_steps_lose_in_the_exact_engine_too(found, key, utility):
    made = problem(found[key].case, utility)
    ahead, near = engine_gain(made, "two steps"), engine_gain(made, "greedy")
    assert ahead < near
    assert found[key].detail.startswith(f"two steps ahead gain {ahead:.6f}, the greedy rule {near:.6f}")


def test_shares_of_the_worst_cases_are_those_of_exact_fractions(found):
    # Beta(3, 1) at t = 9/13 beside Beta(1, 2) at t = 1/2 of twice the weight, two labels.
    items, weight = ((3, 1, 2), (1, 2, 0)), (1, 2)
    share = float(worth("greedy", items, weight, 2) / worth("optimum", items, weight, 2))
    assert f"smallest share in all cases {share:.4f}, for Beta(3, 1) with m = 2" in found["7b"].detail
    share = float(1 / worth("optimum", items, weight, 2) * (worth("two steps", items, weight, 2) - share_of_greedy()))
    assert f"largest improvement, as a share of the optimal gain, {share:.4f}" in found["7i1"].detail
    items = ((1, 3, 0), (1, 3, 0))
    lost = 1 - at_once(items, 4, (1, 1), accuracy)[1] / worth("optimum", items, (1, 1), 4)
    assert lost == Fraction(3, 7)
    assert f"largest share of the gain lost at once: {float(lost):.4f}" in found["6a"].detail
    case = found["7c"].case
    attained, best = (
        worth(x, case["items"], [int(v) for v in case["weight"]], case["labels"], variance)
        for x in ("greedy", "optimum")
    )
    assert float(attained / best) < GUARANTEE
    assert f"a share of {float(attained / best):.4f}" in found["7c"].detail


def share_of_greedy() -> Fraction:
    return worth("greedy", ((3, 1, 2), (1, 2, 0)), (1, 2), 2)


@pytest.mark.parametrize("labels", [10, 20, 40])
def test_normal_approximation_errs_as_much_as_is_told(found, labels):
    error = max(abs(np.subtract(*map(float, approximate(x, labels, w)))) for x in KINDS for w in range(labels + 1))
    assert f"{error:.4f} after {labels} labels" in found["5d1"].detail


def test_conditions_are_met_as_often_as_is_told(found):
    def meets(x, labels, h) -> bool:
        falls = all(
            step(x, n, w, h) >= max(step(x, n + 1, w, h), step(x, n + 1, w + 1, h))
            for n in range(labels - 1)
            for w in range(n + 1)
        )
        return falls and step(x, 0, 0, h) > 0

    for name, h in (("accuracy", accuracy), ("variance", variance)):
        counts = [sum(meets(x, labels, h) for x in KINDS) for labels in (2, 3, 4)]
        assert f"{name} {', '.join(map(str, counts))}" in found["7h"].detail


def test_faults_are_as_many_as_is_told(found):
    for key, h in (("6b1", accuracy), ("6b2", variance)):
        gains = [[expected(x, k, h) for k in range(5)] for x in TO_12]
        rising = sum(g[k] - 2 * g[k - 1] + g[k - 2] > 1e-10 for g in gains for k in (2, 3, 4))
        assert f"gains rise by 1e-10 or more in {rising} of {3 * len(TO_12)} cases" in found[key].detail
    for key, h in (("6c1", accuracy), ("6c2", variance)):
        rising = sum(state_rises(h)(n, x, w) for n in (1, 2, 3) for x in KINDS for w in range(n + 1))
        assert f"raises it in {rising} of {9 * len(KINDS)} cases" in found[key].detail
    for key, h in (("5g1", accuracy), ("5g2", variance)):
        count = sum(turned(h)(*x) for x in itertools.combinations(KINDS, 2))
        assert f"turned in {count} of 435 pairs" in found[key].detail


def test_gains_under_entropy_do_not_rise_in_fifty_digits(found):
    """Gains that are small are rounded in the search, and are not here."""

    def entropy(p: Fraction) -> Decimal:
        parts = [Decimal(x.numerator) / Decimal(x.denominator) for x in (p, 1 - p)]
        return sum((x * x.ln() for x in parts), Decimal(0))

    with localcontext() as context:
        context.prec = 50
        for a, b, m in TO_12:
            gains = []
            for labels in range(5):
                # Beta-binomial numbers of wins.
                chances = [
                    Fraction(
                        comb(a + w - 1, w) * comb(b + labels - w - 1, labels - w), comb(a + b + labels - 1, labels)
                    )
                    for w in range(labels + 1)
                ]
                payoffs = [payoff((a, b, m), labels, w, entropy) for w in range(labels + 1)]
                gains.append(
                    sum(Decimal(x.numerator) / x.denominator * y for x, y in zip(chances, payoffs, strict=True))
                )
            more = [after - before for before, after in itertools.pairwise(gains)]
            assert more == sorted(more, reverse=True), (a, b, m)
    assert (found["6b3"].verdict, found["6b3"].searched) == ("HOLDS", 3 * len(TO_12))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    first=ITEMS,
    second=ITEMS,
    labels=st.integers(1, 4),
    rule=st.sampled_from(greedy.RULES),
    utility=st.sampled_from(sorted(UTILITIES)),
)
def test_values_of_rules_are_those_of_the_exact_engine(first, second, labels, rule, utility):
    made = problem_of((first, second), labels, utility)
    least, most = greedy.rule_gain(rule, first, second, labels, UTILITIES[utility])
    slack = 1e-11 * max(first.v, second.v)
    assert least - slack <= engine_gain(made, rule) <= most + slack
    assert most <= two_items(first, second, labels, UTILITIES[utility])[0] + slack
    one_shot = allocation.best_at_once(first, second, labels, UTILITIES[utility])
    assert one_shot == pytest.approx(sa.allocate(made).value - made.prior_value, abs=slack)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(a=PRIORS, b=PRIORS, t=RATES)
def test_tail_is_a_martingale_and_bounds_what_labels_are_worth(a, b, t):
    now, won, lost = (exact_belief(*x, t).tail for x in ((a, b), (a + 1, b), (a, b + 1)))
    assert Fraction(a, a + b) * won + Fraction(b, a + b) * lost == now
    for labels in (1, 3):
        assert gain(Item(a, b, float(t)), labels) <= float(min(now, 1 - now)) + 1e-12


def knowledge_gradient(a: int, b: int, t: Fraction) -> Fraction:
    now, won, lost = (accuracy(exact_belief(*x, t).tail) for x in ((a, b), (a + 1, b), (a, b + 1)))
    return Fraction(a, a + b) * won + Fraction(b, a + b) * lost - now


@settings(max_examples=100, deadline=None, derandomize=True)
@given(a=PRIORS, b=PRIORS, one=RATES, two=RATES)
def test_knowledge_gradient_rises_to_the_median_and_falls_beyond_it(a, b, one, two):
    low, high = sorted((one, two))
    assume(low < high)
    half = Fraction(1, 2)
    below, above = (exact_belief(a, b, t).tail for t in (low, high))
    if above >= half:
        assert knowledge_gradient(a, b, low) <= knowledge_gradient(a, b, high)
    if below <= half:
        assert knowledge_gradient(a, b, low) >= knowledge_gradient(a, b, high)
    median = scipy.special.betaincinv(a, b, 0.5)
    assert abs(median - a / (a + b)) <= math.sqrt(a * b / (a + b + 1)) / (a + b)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(a=PRIORS, b=PRIORS, m=st.integers(0, 6))
def test_second_label_removes_so_many_times_the_variance_of_the_first(a, b, m):
    t, s = bar(m), a + b
    first = expected((a, b, m), 1, variance)
    factor = s * (t**2 / (a + 1) + (1 - t) ** 2 / (b + 1))
    assert expected((a, b, m), 2, variance) - first == factor * first


@settings(max_examples=150, deadline=None, derandomize=True)
@given(first=ITEMS, second=ITEMS, labels=st.integers(2, 4), utility=st.sampled_from(sorted(UTILITIES)))
def test_conditions_give_what_is_proved_of_them(first, second, labels, utility):
    h = UTILITIES[utility]
    two, slack = (first, second), 1e-9 * max(first.v, second.v)
    least = greedy.rule_gain("greedy", first, second, labels, h)[0]
    best = two_items(first, second, labels, h)[0]
    if all(greedy.never_rises(x, labels, h) for x in two):
        assert least >= best - slack
    if all(allocation.concave(x, labels, h) for x in two):
        assert allocation.added_in_turn(*two, labels, h)[0] >= allocation.best_at_once(*two, labels, h) - slack
    if all(allocation.concave(x, 2, h) for x in two):
        # Two labels: the greedy rule keeps two thirds.
        assert greedy.rule_gain("greedy", first, second, 2, h)[0] >= 2 / 3 * two_items(first, second, 2, h)[0] - slack


def halved(function):
    return lambda *args, **more: tuple(0.5 * x for x in function(*args, **more))


@pytest.mark.parametrize(
    ("module", "name", "broken", "judge"),
    [
        (index, "tail", lambda true: lambda a, b, t: true(a, b, t) ** 1.01, index._linear),
        (index, "_first_label", lambda true: lambda a, b, t: t, index._within_a_deviation),
        (index, "gain", lambda true: lambda *x: 2 * true(*x), index._bounded),
        (allocation, "two_items", halved, allocation._in_sequence),
        (greedy, "rule_gain", halved, greedy._where_concave),
        (greedy, "rule_gain", halved, greedy._where_never_rising),
    ],
)
def test_a_broken_value_is_noticed_by_claims_that_hold(monkeypatch, module, name, broken, judge):
    monkeypatch.setattr(module, name, broken(getattr(module, name)))
    claim = judge()
    assert claim.verdict == "FAILS"
    assert described(claim)


def test_broken_gains_are_noticed_by_claims_on_diminishing_returns(monkeypatch):
    """Where the gain of the k-th label is k, nothing diminishes, and nothing is vacuous."""
    monkeypatch.setattr(allocation, "marginal", lambda item, k, utility: float(k))
    verdicts = {claim.key: claim.verdict for claim in allocation._returns()}
    assert verdicts == dict.fromkeys(("6b1", "6b2", "6b3", "6b4"), "FAILS")


def test_labels_added_against_their_gains_are_noticed(monkeypatch):
    """Labels that go where the next gains least are no best allocation, so the claims on them fail."""
    true = allocation.marginal

    def upside_down(item, k, utility):
        return -true(item, k, utility)

    concave = allocation.concave
    monkeypatch.setattr(allocation, "concave", cache(concave))
    # Conditions are judged by the true gains, labels added by the false ones.
    for kind, labels, utility in itertools.product(KINDS, range(1, 5), UTILITIES.values()):
        for weight in (1.0, 2.0):
            allocation.concave(item_of(kind, weight), labels, utility)
    monkeypatch.setattr(allocation, "marginal", upside_down)
    verdicts = {claim.key: claim.verdict for claim in allocation._in_turn()}
    assert verdicts == dict.fromkeys(("6d", "6e1", "6e2", "6e3"), "FAILS")


def test_only_a_claim_that_holds_can_be_vacuous(found):
    assert vacuous(found["6a"]).verdict == "VACUOUS"
    assert vacuous(found["7b"]) == found["7b"]
    assert found["5a"].case == found["6b4"].case == {}
    assert found["5a"].detail.endswith("largest size computed: below 1e-15")


def test_cases_are_told_in_words(found):
    assert described(found["7b"]) == "Beta(1, 1) with m = 2 and Beta(3, 1) with m = 2, labels 2, weight 1 and 1"
    assert described(found["5c"]) == "Beta(1, 3) with m = 1, labels 2, wins 1"
