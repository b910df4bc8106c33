"""Exact cost of wrong models: identities, plain Python, and natures against their equations."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.beliefs import Beta as PlainBeta
from oracles.beliefs import Mixture, Noisy
from oracles.family import Case, Item, Oracle

import seqaudit as sa
from seqaudit.bandits.registry import registered_policies
from seqaudit.benchmarks.stress.exact import stress_exact
from seqaudit.benchmarks.stress.natures import exchangeable_names, quadrature

POLICIES = ("uniform", "audit-index", "kg", "exact")
# Strengths at which nothing is wrong, where that is not 0.
RIGHT = {"dispersed": 1.0}
STRENGTHS = {
    "flipped": 0.3,
    "random": 0.5,
    "colluding": 0.35,
    "polarised": 0.6,
    "divided": 0.6,
    "shifted": -1.2,
    "dispersed": 3.0,
    "flat": 0.8,
}


def policies(*names):
    return [registered_policies()[name]() for name in names]


@st.composite
def problems(draw):
    size = draw(st.integers(1, 3))
    threshold, weight = st.integers(3, 19).map(lambda x: x / 20), st.integers(1, 8).map(lambda x: x / 4)
    whole = st.integers(1, 4)
    item = st.builds(Item, threshold, weight, st.builds(PlainBeta, whole, whole), st.none() | st.integers(0, 4))
    items = tuple(draw(item) for _ in range(size))
    return Case(items, draw(st.integers(1, 6 - size)), draw(st.sampled_from(("accuracy", "asymmetric", "variance"))))


@settings(max_examples=24)
@given(problems(), st.sampled_from(exchangeable_names()))
def test_right_model_loses_nothing_by_deciding_and_the_optimum_nothing_at_all(case, kind):
    wrong = sa.misbelief(case.stated(), kind, RIGHT.get(kind, 0.0))
    found = stress_exact(wrong, policies(*POLICIES))
    assert abs(found.loss.sel(policy="exact")) < 1e-12
    np.testing.assert_allclose(found.decided_wrongly, 0, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.asked_wrongly, found.optimum - found.payoff, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.claimed_accuracy, found.accuracy, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.claimed_payoff, found.payoff, rtol=0, atol=1e-12)
    # What is decisive is right with probability 1 - eps at least.
    assert np.all(found.decisive_right >= 0.95 * found.decisive - 1e-12)


@settings(max_examples=32)
@given(problems(), st.sampled_from(exchangeable_names()))
def test_who_knows_nature_is_never_beaten_and_the_loss_splits(case, kind):
    wrong = sa.misbelief(case.stated(), kind, STRENGTHS[kind])
    found = stress_exact(wrong, policies(*POLICIES))
    for part in (found.loss, found.asked_wrongly, found.decided_wrongly):
        assert np.all(part >= -1e-12)
    np.testing.assert_allclose(found.asked_wrongly + found.decided_wrongly, found.loss, rtol=0, atol=1e-12)
    for name in ("audit-index", "exact"):
        result = sa.evaluate(wrong.working, policies(name)[0], nature=wrong.nature)
        at = found.sel(policy=name)
        assert float(at.payoff) == pytest.approx(result.value, abs=1e-12)
        assert float(at.asked_wrongly) == pytest.approx(result.asked_wrongly, abs=1e-12)
        assert float(at.optimum) == pytest.approx(result.optimum, abs=1e-12)


def plain_nature(kind, prior, strength):
    """The same nature from its equation, as tests/oracles/beliefs.py has it."""
    mean = prior.a / (prior.a + prior.b)
    if kind == "flipped":
        return Noisy(prior.a, prior.b, strength)
    if kind == "random":
        return Noisy(prior.a, prior.b, strength / 2)
    if kind == "polarised":
        weights = (1 - strength, strength * mean, strength * (1 - mean))
        return Mixture(weights, (prior.a, 9, 1), (prior.b, 1, 9))
    if kind == "divided":
        return Mixture((1 - strength, strength), (prior.a, 25), (prior.b, 25))
    if kind == "shifted":
        moved = 1 / (1 + math.exp(-math.log(mean / (1 - mean)) - strength))
        return PlainBeta((prior.a + prior.b) * moved, (prior.a + prior.b) * (1 - moved))
    return PlainBeta(prior.a / strength, prior.b / strength)


@pytest.mark.parametrize("kind", ["flipped", "random", "polarised", "divided", "shifted", "dispersed"])
@pytest.mark.parametrize("eps", [0.05, 0.2])
def test_every_measure_agrees_with_plain_python(kind, eps):
    case = Case(
        (Item(0.4, 1.0, PlainBeta(1, 1)), Item(0.55, 2.0, PlainBeta(3, 1), 3), Item(0.7, 0.5, PlainBeta(2, 1))), 5
    )
    nature = tuple(plain_nature(kind, x.prior, STRENGTHS[kind]) for x in case.items)
    found = stress_exact(sa.misbelief(case.stated(), kind, STRENGTHS[kind]), policies("audit-index"), eps=eps)
    expected = plain_measures(case, nature, Oracle(case).index_rule("audit-index"), eps)
    for name, value in expected.items():
        assert float(found[name].item()) == pytest.approx(value, abs=1e-11), name


def plain_measures(case, nature, rule, eps):
    """Measures summed over every path. Thresholds above 1/2 make the high slice."""
    oracle, total = Oracle(case, nature), sum(x.weight for x in case.items)
    high = [x.threshold > 0.5 for x in case.items]
    names = "accuracy claimed_accuracy decisive decisive_right decisive_low decisive_high labels_low labels_high"
    out = dict.fromkeys((*names.split(), "already_right", "payoff", "claimed_payoff"), 0.0)

    def tails(i, at):
        item = case.items[i]
        stated, true = (float(x.tail(*at, item.threshold)) for x in (item.prior, nature[i]))
        return stated, true if stated > 0.5 + 1e-12 else 1 - true

    for state, chance, shares in oracle.visits(rule):
        for i, p in shares.items():
            out["labels_high" if high[i] else "labels_low"] += chance * float(p)
            out["already_right"] += chance * float(p) * tails(i, state[i])[1] / case.labels
        for i, at in enumerate(() if shares else state):
            stated, correct = tails(i, at)
            sure = min(stated, 1 - stated) <= eps
            weight = chance * case.items[i].weight
            out["accuracy"] += weight / total * correct
            out["claimed_accuracy"] += weight / total * max(stated, 1 - stated)
            out["payoff"] += weight * correct
            out["claimed_payoff"] += weight * max(stated, 1 - stated)
            out["decisive"] += weight / total * sure
            out["decisive_right"] += weight / total * sure * correct
            side = sum(x.weight for x, h in zip(case.items, high, strict=True) if h == high[i])
            out["decisive_high" if high[i] else "decisive_low"] += weight / side * sure
    return out


def colluding_mass(a, b, s, g, n, w, t):
    """P(one order of n labels with w wins, alpha > t), expanded into Betas: alpha is a win unless the script speaks."""
    win, loss = Fraction(s) * Fraction(g), Fraction(s) * (1 - Fraction(g))
    # q = (1 - loss) alpha + win (1 - alpha), and 1 - q = loss alpha + (1 - win) (1 - alpha).
    return sum(
        math.comb(w, i) * (1 - loss) ** i * win ** (w - i)
        * math.comb(n - w, j) * loss**j * (1 - win) ** (n - w - j)
        * PlainBeta(a, b).mass(n, i + j, t)
        for i in range(w + 1)
        for j in range(n - w + 1)
    )  # fmt: skip


@pytest.mark.parametrize(("script", "t"), [(1.0, 0.5), (0.0, 0.8), (0.3, 0.1)])
def test_colluding_labels_have_the_tails_of_their_expansion_into_betas(script, t):
    (belief,) = sa.misbelief(sa.Problem([t], 2, prior=(2, 3)), "colluding", 0.35, script=script).nature
    for n, w in ((0, 0), (1, 1), (6, 2), (12, 12), (15, 7)):
        whole = colluding_mass(2, 3, 0.35, script, n, w, None)
        tail = colluding_mass(2, 3, 0.35, script, n, w, t) / whole
        mean = colluding_mass(2, 3, 0.35, script, n + 1, w + 1, None) / whole
        at = belief.at(n, w, t)
        assert float(at.tail) == pytest.approx(float(tail), abs=1e-12)
        assert float(at.mean) == pytest.approx(float(mean), abs=1e-12)


@settings(max_examples=30)
@given(st.floats(0.3, 30), st.floats(0.3, 30), st.floats(0.02, 0.98))
def test_quadrature_has_the_tables_of_the_beta(a, b, t):
    rule, prior = quadrature(sa.Beta(a, b), t), sa.Beta(a, b)
    for mine, exact in zip(rule.tables(16, t)[:2], prior.tables(16, t)[:2], strict=True):
        np.testing.assert_allclose(mine, exact, rtol=0, atol=2e-12)


def test_script_that_tosses_a_coin_is_an_answer_at_random():
    problem = sa.Problem([0.45, 0.6], 6, prior=[(2, 1), (1, 1)])
    toss, random = (
        stress_exact(sa.misbelief(problem, kind, 0.4, **settings), policies("kg", "exact"))
        for kind, settings in (("colluding", {"script": 0.5}), ("random", {}))
    )
    for name in random.data_vars:
        np.testing.assert_allclose(toss[name], random[name], rtol=0, atol=1e-12)


def test_flat_prior_changes_the_planner_and_not_nature():
    problem = sa.Problem([0.45, 0.6], 6, prior=[(4, 1), (2, 3)])
    wrong = sa.misbelief(problem, "flat", 0.5)
    assert wrong.working.prior.tolist() == [[2.5, 1.0], [1.5, 2.0]]
    assert wrong.nature == [sa.Beta(4, 1), sa.Beta(2, 3)]
    assert float(stress_exact(wrong, policies("exact")).optimum.item()) == pytest.approx(
        sa.solve(problem).value, abs=1e-12
    )


def test_wins_pay_in_what_is_earned_and_in_what_is_claimed():
    problem = sa.Problem([0.5, 0.6], 4, reward=[0.5, 0.0], prior=(2, 1))
    found = stress_exact(sa.misbelief(problem, "flipped", 0.0), policies("kg"))
    assert float(found.payoff.item()) == pytest.approx(sa.evaluate(problem, sa.KnowledgeGradient()).value, abs=1e-12)
    assert float(found.claimed_payoff.item()) == pytest.approx(float(found.payoff.item()), abs=1e-12)


def test_slices_without_items_say_nothing():
    found = stress_exact(sa.misbelief(sa.Problem([0.5, 0.5], 3), "flipped", 0.2), policies("kg"))
    assert np.isnan(found.decisive_high.item())
    assert found.labels_high.item() == 0


@pytest.mark.parametrize(
    ("arguments", "settings", "message"),
    [
        (("tired", 0.1), {}, "nature is 'tired'; allowed: flipped, random"),
        (("flipped", 0.5), {}, "flipped is 0.5; it must be at least 0 and below 1/2"),
        (("random", -0.1), {}, "random is -0.1; it must be at least 0 and below 1"),
        (("dispersed", 0.0), {}, "dispersed is 0.0; it must be from 1e-6 to 1e6"),
        (("shifted", math.inf), {}, "shifted is inf; it must be finite"),
        (("flat", True), {}, "flat is True; it must be a number"),
        (("colluding", 0.2), {"script": 2}, "script is 2; it must be from 0 to 1"),
        (("flipped", 0.2), {"script": 1}, "flipped has no setting 'script'; allowed: none"),
    ],
)
def test_bad_natures_are_refused_in_one_line(arguments, settings, message):
    with pytest.raises(ValueError, match=message) as refused:
        sa.misbelief(sa.Problem([0.5], 2), *arguments, **settings)
    assert "\n" not in str(refused.value)


def test_priors_must_be_beta():
    problem = sa.Problem([0.5, 0.6], 2, prior=[sa.Beta(1, 1), sa.NoisyBeta(1, 1, 0.1)])
    with pytest.raises(ValueError, match=r"the prior of item 2 is NoisyBeta.*; it must be Beta"):
        sa.misbelief(problem, "flipped", 0.1)
