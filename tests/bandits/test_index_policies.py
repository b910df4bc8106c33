"""Policies that look ahead, against plain recursions and the tables of dp.stopping; thresholding rules by formula."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import seqaudit as sa
from seqaudit.bandits.choice import choose_policies
from seqaudit.bandits.policies import ahead, lagrangian
from seqaudit.dp.problem.availability import Availability
from seqaudit.dp.single_item.stopping import label_gains

BELIEFS = (sa.Beta(1, 1), sa.Beta(2.5, 0.5), sa.NoisyBeta(1, 2, 0.2), sa.Grid([0.2, 0.6, 0.9], [1, 2, 1]))
UTILITIES = ("accuracy", "variance", sa.Asymmetric(1, 3), sa.Decisive(0.2))
AHEAD = (sa.KGStar, sa.Gittins, sa.Whittle)


@st.composite
def problems(draw, utilities=UTILITIES, most_items=3, most_budget=6):
    """Problems with unequal costs, caps, beliefs of several kinds and identical items."""
    items = draw(st.integers(1, most_items))

    def each(*values):
        return [draw(st.sampled_from(values)) for _ in range(items)]

    return sa.Problem(
        each(0.5, 0.37, 0.8),
        draw(st.integers(1, most_budget)),
        prior=each(*BELIEFS),
        weight=each(1.0, 2.5),
        cost=each(1.0, 0.5, 0.3),
        cap=each(2, 4, 30),
        utility=draw(st.sampled_from(utilities)),
    )


@st.composite
def visited(draw, **fields):
    """A problem and a state in which its budget is not overspent."""
    problem = draw(problems(**fields))
    counts = np.zeros(problem.size, dtype=np.int64)
    for i in draw(st.lists(st.integers(0, problem.size - 1), max_size=5)):
        if problem.cost[i] <= problem.budget - counts @ problem.cost and counts[i] < problem.cap[i]:
            counts[i] += 1
    return problem, counts, np.array([draw(st.integers(0, int(n))) for n in counts])


def labels_left(problem, counts, i):
    """Labels that cap and budget allow, counted one by one."""
    left, more = problem.budget - counts @ problem.cost, 0
    while counts[i] + more < problem.cap[i] and (more + 1) * problem.cost[i] <= left + 1e-9 * problem.budget:
        more += 1
    return more


class Plain:
    """One item, from the belief itself, state by state."""

    def __init__(self, problem, i):
        self.belief, self.t = problem.belief(i), float(problem.threshold[i])
        self.v, self.h, self.cost = float(problem.weight[i]), problem.utility, float(problem.cost[i])
        self.mean = cache(lambda n, w: float(self.belief.at(n, w, self.t).mean))
        self.payoff = cache(lambda n, w: self.v * float(self.h(np.asarray(self.belief.at(n, w, self.t).tail))))

    def after(self, m, n, w):
        """Expected payoff after m more labels."""
        if m == 0:
            return self.payoff(n, w)
        mu = self.mean(n, w)
        return mu * self.after(m - 1, n + 1, w + 1) + (1 - mu) * self.after(m - 1, n + 1, w)

    def advantage(self, k, n, w, price):
        """Worth of one more label at a price of a unit of cost, at most k of them, and the expected cost of buying."""

        @cache
        def more(k, n, w):
            mu = self.mean(n, w)
            up, down = self.payoff(n + 1, w + 1), self.payoff(n + 1, w)
            worth, spent = mu * up + (1 - mu) * down - self.payoff(n, w) - price * self.cost, self.cost
            for q, x in ((mu, 1), (1 - mu, 0)) if k > 1 else ():
                later, cost = more(k - 1, n + 1, w + x)
                if later > 0:
                    worth, spent = worth + q * later, spent + q * cost
            return worth, spent

        return more(k, n, w)


def scored(policy, problem, counts, wins):
    """Each item with its labels, wins, labels that may be looked ahead, and score."""
    scores = policy.scores(problem, counts[None], wins[None])[0].tolist()
    for i, (n, w) in enumerate(zip(counts.tolist(), wins.tolist(), strict=True)):
        yield i, n, w, min(labels_left(problem, counts, i), policy.most), scores[i]


@settings(max_examples=120)
@given(visited(), st.integers(1, 5))
def test_kg_star_is_the_best_gain_a_label_of_any_number_of_labels(case, most):
    for i, n, w, left, score in scored(sa.KGStar(most), *case):
        item = Plain(case[0], i)
        gains = [(item.after(m, n, w) - item.payoff(n, w)) / (m * item.cost) for m in range(1, left + 1)]
        assert score == pytest.approx(max(gains, default=0.0), abs=1e-12)


@settings(max_examples=120)
@given(visited(), st.integers(1, 6))
def test_whittle_is_the_index_of_the_labels_that_are_left(case, most):
    for i, n, w, left, score in scored(sa.Whittle(most), *case):
        if left:
            table = sa.whittle_index(case[0], i, n + left)
            assert score == pytest.approx(table.index[n, w], abs=1e-12)
            # At the index one more label is worth nothing.
            assert Plain(case[0], i).advantage(left, n, w, score)[0] == pytest.approx(0.0, abs=1e-12)
        else:
            assert score == 0.0


@given(visited())
def test_with_one_label_to_look_at_all_are_the_knowledge_gradient(case):
    problem, counts, wins = case
    gradient = sa.KnowledgeGradient().scores(problem, counts[None], wins[None])[0]
    left = np.array([labels_left(problem, counts, i) for i in range(problem.size)])
    for policy in (sa.KGStar(1), sa.Whittle(1)):
        scores = policy.scores(problem, counts[None], wins[None])[0]
        assert scores == pytest.approx(np.where(left > 0, gradient, 0.0), abs=1e-12)
    assert sa.Gittins(1).scores(problem, counts[None], wins[None])[0] == pytest.approx(gradient, abs=1e-12)


@settings(max_examples=60)
@given(visited(), st.integers(1, 9))
def test_gittins_is_the_index_of_labels_without_end(case, most):
    problem, counts, wins = case
    scores = sa.Gittins(most).scores(problem, counts[None], wins[None])[0]
    deep = sa.Gittins().scores(problem, counts[None], wins[None])[0]
    for i, (n, w) in enumerate(zip(counts.tolist(), wins.tolist(), strict=True)):
        assert scores[i] == pytest.approx(sa.gittins_index(problem, i, n + 1, depth=n + most).index[n, w], abs=1e-12)
        whole = sa.gittins_index(problem, i, n + 1, depth=n + 64)
        assert deep[i] == pytest.approx(whole.index[n, w], abs=1e-12)


def test_labels_that_cannot_be_had_raise_gittins_but_not_whittle():
    """At threshold .95 from Beta(1, 1) thirteen wins in a row change the decision."""
    counts = wins = np.zeros((1, 1), dtype=np.int64)
    budgets = [sa.Problem([0.95], budget) for budget in (1, 13, 20, 60)]
    whittle = [float(sa.Whittle().scores(problem, counts, wins)[0, 0]) for problem in budgets]
    gittins = [float(sa.Gittins().scores(problem, counts, wins)[0, 0]) for problem in budgets]
    assert whittle[0] == 0.0
    assert np.all(np.diff(whittle) > 0)
    assert len(set(gittins)) == 1
    assert gittins[0] > whittle[-1]


def test_ten_labels_at_a_tenth_can_be_had_for_one():
    """Six labels of thirteen are bought, all of them wins; only seven more wins would change the decision."""
    problem = sa.Problem([0.95], 1.3, cost=[0.1])
    counts, wins = np.array([[6]]), np.array([[6]])
    assert (problem.budget - counts @ problem.cost)[0] < 7 * problem.cost[0]
    found = float(sa.Whittle().scores(problem, counts, wins)[0, 0])
    assert found == pytest.approx(sa.whittle_index(problem, 0).index[6, 6], rel=1e-12)
    assert found > 0


@pytest.mark.parametrize("cls", AHEAD)
def test_answers_do_not_depend_on_what_was_asked_before(cls, monkeypatch):
    rng = np.random.default_rng(5)
    fields = {"threshold": rng.uniform(0.2, 0.9, 300), "budget": 40, "prior": rng.uniform(0.5, 3.0, (300, 2))}
    counts = rng.integers(0, 4, (20, 300)) * (rng.random((20, 300)) < 0.04)
    wins = rng.binomial(counts, 0.6)
    at_once = cls(8).scores(sa.Problem(**fields), counts, wins)
    one_by_one = sa.Problem(**fields)
    for r in rng.permutation(20):
        assert np.array_equal(cls(8).scores(one_by_one, counts[r : r + 1], wins[r : r + 1])[0], at_once[r])
    # Thousands of states were remembered by then, and then forgotten at every step.
    assert np.array_equal(cls(8).scores(one_by_one, counts, wins), at_once)
    monkeypatch.setattr(ahead, "MOST_ANSWERS", 10)
    for r in range(5):
        assert np.array_equal(cls(8).scores(one_by_one, counts[r : r + 1], wins[r : r + 1])[0], at_once[r])


def dual_of(problem, counts, wins, most):
    """Price -> dual function of what is left and the expected cost of what it buys, by recursion."""
    plain = [Plain(problem, i) for i in range(problem.size)]
    left = [min(labels_left(problem, counts, i), most) for i in range(problem.size)]

    @cache
    def dual(price):
        value, spent = price * (problem.budget - counts @ problem.cost), 0.0
        for i, item in enumerate(plain):
            if left[i]:
                worth, cost = item.advantage(left[i], int(counts[i]), int(wins[i]), price)
                value, spent = value + max(worth, 0.0), spent + (cost if worth > 0 else 0.0)
        return value, spent

    return dual


@settings(max_examples=50)
@given(visited(), st.integers(1, 5))
def test_lagrangian_price_minimises_the_dual_and_scores_are_advantages_there(case, most):
    problem, counts, wins = case
    policy = sa.Lagrangian(most)
    price = float(policy.prices(problem, counts[None], wins[None])[0])
    scores = policy.scores(problem, counts[None], wins[None])[0]
    dual = dual_of(problem, counts, wins, most)
    least = dual(price)[0]
    grid = np.concatenate([np.linspace(0.0, 2.0, 41), price + np.array([-1e-3, -1e-6, 1e-6, 1e-3])])
    assert least <= min(dual(x)[0] for x in grid[grid >= 0]) + 1e-12
    left = problem.budget - counts @ problem.cost
    # It is the least such price: a little below it, more than the budget would be spent.
    assert dual(price + 1e-9)[1] <= left + 1e-8
    if price > 1e-9:
        assert dual(price - 1e-9)[1] > left
    for i in range(problem.size):
        more = min(labels_left(problem, counts, i), most)
        n, w = int(counts[i]), int(wins[i])
        wanted = Plain(problem, i).advantage(more, n, w, price)[0] / problem.cost[i] if more else 0.0
        assert scores[i] == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize(
    "problem",
    [
        sa.Problem([0.55, 0.41, 0.32], 12, weight=[1.0, 2.0, 1.5]),
        sa.Problem([0.5] * 6, 20),
        sa.Problem([0.55, 0.8], 5.5, cost=[0.5, 1.25], utility="variance"),
    ],
)
def test_lagrangian_price_at_the_start_gives_the_lagrangian_bound(problem):
    start = np.zeros((1, problem.size), dtype=np.int64)
    price = float(sa.Lagrangian().prices(problem, start, start)[0])
    value = problem.prior_value + price * problem.budget
    for i in range(problem.size):
        mean, gain, _ = label_gains(problem, i, int(problem.cap[i]))
        value += sa.solve_stopping(mean, gain, cost=float(problem.cost[i])).worth(price)
    assert value == pytest.approx(sa.upper_bound(problem).value, rel=1e-9)


def test_lagrangian_prices_do_not_depend_on_what_is_remembered(monkeypatch):
    rng = np.random.default_rng(2)
    fields = {"threshold": rng.uniform(0.2, 0.9, 60), "budget": 50}
    counts = rng.integers(0, 4, (40, 60)) * (rng.random((40, 60)) < 0.2)
    wins = rng.binomial(counts, 0.6)
    kept = sa.Lagrangian(12)
    whole = sa.Problem(**fields)
    scores, prices = kept.scores(whole, counts, wins), kept.prices(whole, counts, wins)
    assert len(set(prices.tolist())) > 10
    monkeypatch.setattr(lagrangian, "_MOST_BYTES", 1)
    monkeypatch.setattr(lagrangian, "_PAIRS_AT_ONCE", 100)
    forgetful = sa.Problem(**fields)
    assert np.array_equal(kept.scores(forgetful, counts, wins), scores)
    assert np.array_equal(kept.prices(forgetful, counts[::-1].copy(), wins[::-1].copy()), prices[::-1])


@settings(max_examples=40)
@given(problems(most_budget=4))
def test_no_policy_that_looks_ahead_beats_the_optimum(problem):
    best = sa.solve(problem).value
    for cls in (*AHEAD, sa.Lagrangian):
        for ties in ("random", "first"):
            assert sa.evaluate(problem, cls(ties=ties)).value <= best + 1e-12


@pytest.mark.parametrize("cls", [*AHEAD, sa.Lagrangian])
def test_policies_that_look_ahead_come_close_to_the_optimum(cls):
    problem = sa.Problem([0.95, 0.9, 0.6], 14)
    best, prior = sa.solve(problem).value, problem.prior_value
    shares = {p.name: (sa.evaluate(problem, p).value - prior) / (best - prior) for p in (cls(), sa.KnowledgeGradient())}
    assert shares[cls.name] > 0.97
    assert shares[cls.name] > shares["kg"]


@pytest.mark.parametrize("ties", ["random", "first"])
def test_lagrangian_policy_buys_what_quotas_still_ask_for(ties):
    problem = sa.Problem([0.5, 0.9, 0.6], 6, cost=[1.0, 1.5, 0.5], quota=[([1], 2), ([0, 2], 2)], cap=[4, 3, 2])
    policy = sa.Lagrangian(ties=ties)
    value = sa.evaluate(problem, policy).value
    assert problem.prior_value < value <= sa.solve(problem).value + 1e-12
    # The first and the third item are free to be labelled only while the second's two labels can be paid for.
    counts, wins = np.array([[3, 0, 0], [1, 0, 1]]), np.array([[1, 0, 0], [0, 0, 1]])
    given = policy.action_probabilities(problem, counts, wins, Availability(problem).items(counts))
    assert given[0].tolist() == [0.0, 1.0, 0.0]
    assert given[1].sum() == 1.0


def test_identical_items_at_the_margin_are_drawn_evenly():
    problem = sa.Problem([0.5, 0.9, 0.5, 0.5], 6)
    start = np.zeros((1, 4), dtype=np.int64)
    state = problem, start, start, np.ones((1, 4), dtype=bool)
    assert sa.Lagrangian().action_probabilities(*state)[0] == pytest.approx([1 / 3, 0, 1 / 3, 1 / 3])
    assert sa.Lagrangian(ties="first").action_probabilities(*state)[0].tolist() == [1.0, 0, 0, 0]


@given(st.data())
def test_thresholding_rules_follow_their_formulas(data):
    t, n = data.draw(st.sampled_from([0.5, 0.3, 0.85])), data.draw(st.integers(1, 30))
    w = data.draw(st.integers(0, n))
    epsilon, alpha = data.draw(st.sampled_from([0.0, 0.1])), data.draw(st.sampled_from([2.0, 0.05]))
    states = sa.states_at(sa.Problem([t], 50, weight=3.0), np.array([0]), np.array([n]), np.array([w]))
    share = abs(w / n - t)
    assert sa.APT(epsilon).index(states) == pytest.approx(-(n**0.5) * (share + epsilon), rel=1e-14, abs=1e-15)
    assert sa.LSA(alpha).index(states) == pytest.approx(-(alpha * n * share**2 + np.log(n) / 2), rel=1e-14, abs=1e-15)


@pytest.mark.parametrize("policy", [sa.APT(), sa.APT(0.2), sa.LSA(), sa.LSA(30.0)])
def test_thresholding_rules_label_every_item_once_at_first(policy):
    session = sa.Session(sa.Problem([0.5, 0.6, 0.7, 0.2], 9), policy, seed=1)
    first = [session.ask() for _ in range(4)]
    assert sorted(first) == [0, 1, 2, 3]
    for bought, item in enumerate(first):
        session.tell(item, bought % 2)
    again = sa.Session(sa.Problem([0.5, 0.6, 0.7, 0.2], 9), policy, seed=1)
    for bought in range(4):
        again.tell(again.ask(), bought % 2)
    assert again.counts.tolist() == [1, 1, 1, 1]


@pytest.mark.parametrize("cls", [*AHEAD, sa.Lagrangian])
@pytest.mark.parametrize("wrong", [0, -3, 2.0, True, None, "8"])
def test_labels_to_look_ahead_are_a_whole_number(cls, wrong):
    with pytest.raises(ValueError, match=f"{cls.name}: most is {wrong!r}; it must be a whole number, at least"):
        cls(wrong)


@pytest.mark.parametrize("wrong", [-0.1, np.inf, np.nan, True, "0", None])
def test_settings_of_thresholding_rules_are_checked(wrong):
    with pytest.raises(ValueError, match=f"apt: epsilon is {wrong!r}; it must be a (finite )?number"):
        sa.APT(wrong)
    with pytest.raises(ValueError, match=f"lsa: alpha is {wrong!r}; it must be (positive and finite|a number)"):
        sa.LSA(wrong)
    with pytest.raises(ValueError, match="lsa: alpha is 0; it must be positive"):
        sa.LSA(0)


@pytest.mark.parametrize(
    ("problem", "says"),
    [
        (sa.Problem.bandit(prior=[(1, 1), (2, 1)], horizon=4), "reward of item 1 is 1.0; without a limit on labels"),
        (sa.Problem([0.5, 0.6], 4, utility=np.sqrt), "utility rises above its chord"),
    ],
    ids=["reward", "concave"],
)
def test_gittins_refuses_what_has_no_index_without_a_limit(problem, says):
    for refused in (
        lambda: sa.evaluate(problem, sa.Gittins()),
        lambda: sa.Gittins().require(problem),
        lambda: sa.compare(problem, ["gittins", "uniform"]),
        lambda: choose_policies(problem, [sa.Gittins()]),
    ):
        with pytest.raises(ValueError, match=says):
            refused()
    table = sa.compare(problem)
    assert "gittins" not in set(table["policy"])
    assert {"kg-star", "whittle", "lagrangian"} <= set(table["policy"])
    assert any(remark.startswith("gittins left out: ") and says in remark for remark in table.attrs["remarks"])


@pytest.mark.parametrize("cls", [*AHEAD, sa.Lagrangian])
def test_policies_that_look_ahead_are_left_out_where_their_tables_do_not_fit(cls, monkeypatch):
    # With another utility Gittins's index would need no tables.
    problem = sa.Problem([0.5, 0.6, 0.7], 40, utility="entropy")
    cls().require(problem)
    monkeypatch.setattr("seqaudit.posteriors.foundation.memory.available_memory", lambda: 1000)
    with pytest.raises(sa.ProblemTooLarge, match=f"{cls.name}, with tables of 3 different items: "):
        cls().require(problem)
    start = np.zeros((1, 3), dtype=np.int64)
    with pytest.raises(sa.ProblemTooLarge, match=r"looking \d+ labels ahead: "):
        cls().scores(problem, start, start)
