"""Objects used in unusual ways: sets for lists, results turned about, copies, models that answer nonsense."""

from __future__ import annotations

import copy
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import seqaudit as sa

PROBLEM = sa.Problem([0.55, 0.4, 0.6], 6)
VOTES = sa.LabelSet.from_pools({"a": [1, 0, 1], "b": [0, 1, 1], "c": [1, 1, 1]})
RATERS = {"labels": [1, 0], "rater": [0, 1], "start": [0, 2]}


@pytest.mark.parametrize(
    ("field", "use"),
    [
        ("raters", lambda: sa.LabelSet(items=("x",), raters={"ann", "bob"}, **RATERS)),
        ("items", lambda: sa.LabelSet(items={"x"}, raters=("ann", "bob"), **RATERS)),
        ("slice", lambda: sa.LabelSet(items=("x",), raters=("ann", "bob"), slice=frozenset({"s"}), **RATERS)),
        ("slices", lambda: sa.RiskWeighted("kg", {"a": 9.0, "b": 1.0}, slices={"a", "b"})),
        ("slices", lambda: sa.MinimumCoverage("kg", slices={"a", "b"}, minimum=1)),
        ("policies", lambda: sa.replay(VOTES, {"kg", "uniform"}, budget=3, seed=1)),
        ("choices", lambda: sa.protocols(PROBLEM, {(0.3, 1), (0.05, 3)})),
        ("raters", lambda: sa.Design([0, 0], [0, 1], ("x",), {"r", "s"})),
    ],
)
def test_sets_have_no_order_and_are_refused_where_one_counts(field, use):
    with pytest.raises(ValueError, match=rf"\b{field} is (frozenset\(|\{{)"):
        use()


def test_tables_do_not_depend_on_the_order_of_dimensions():
    for study, table in (
        (sa.budget_curve(PROBLEM, ["kg", "whittle", "uniform", "apt"], points=3, seed=1), sa.curve_table),
        (sa.vary(PROBLEM, "noise", [0.0, 0.2]), sa.vary_table),
        (sa.survey(3, ["kg", "whittle"], seed=1), sa.survey_table),
        (sa.replay(VOTES, ["kg", "uniform"], budget=4, seed=1), sa.replay_table),
        (sa.reliability(VOTES, seed=1, draws=40), sa.reliability_table),
    ):
        pd.testing.assert_frame_equal(table(study.transpose(*reversed(list(study.dims)))), table(study))


def test_result_with_a_single_policy_left_is_told_how_to_keep_it():
    found = sa.replay(VOTES, ["kg", "uniform"], budget=4, seed=1)
    with pytest.raises(ValueError, match=re.escape("as in .sel(policy=['kg'])")):
        sa.replay_table(found.sel(policy="kg"))
    assert len(sa.replay_table(found.sel(policy=["kg"]))) == 1


@pytest.mark.parametrize("field", ["weight", "reward", "label_price"])
def test_minus_zero_is_zero(field):
    one, other = (sa.Problem([0.5, 0.6], 3, **{field: x if field == "label_price" else [x, 1.0]}) for x in (0.0, -0.0))
    assert one == other
    assert hash(one) == hash(other)
    assert one.digest() == other.digest()


def test_what_a_label_set_or_a_design_holds_cannot_be_changed():
    for array in (VOTES.labels, VOTES.start, VOTES.rater, sa.Design.of(VOTES).rater):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
    assert replace(VOTES, labels=1 - VOTES.labels).wins.tolist() == (VOTES.counts - VOTES.wins).tolist()


@pytest.mark.parametrize("base", [sa.StopWhen("kg"), sa.StopWhen("variance-reduction")])
def test_exploration_stops_where_its_base_does(base):
    problem = sa.Problem([0.5, 0.6], 6, label_price=0.05)
    plain = sa.evaluate(problem, base)
    never = sa.evaluate(problem, sa.EpsilonAudit(base, epsilon=0.0))
    assert never.value == pytest.approx(plain.value, abs=1e-13)
    assert sa.evaluate(problem, sa.EpsilonAudit(base, epsilon=0.3)).value < plain.value


@settings(max_examples=25)
@given(
    threshold=st.lists(st.floats(0.2, 0.8), min_size=1, max_size=3),
    budget=st.integers(1, 5),
    price=st.sampled_from([0.01, 0.05, 0.2]),
    base=st.sampled_from(["kg", "variance-reduction", "uniform"]),
)
def test_rollout_of_a_policy_that_stops_may_stop_and_is_never_below_it(threshold, budget, price, base):
    problem = sa.Problem(threshold, budget, label_price=price)
    stopping = sa.StopWhen(base)
    value, best = sa.evaluate(problem, sa.Rollout(stopping)).value, sa.solve(problem).value
    assert sa.evaluate(problem, stopping).value - 1e-12 <= value <= best + 1e-12
    assert sa.evaluate(problem, sa.Rollout(sa.StopWhen(sa.Exact()))).value == pytest.approx(best, abs=1e-12)


def test_policies_say_whether_they_may_stop():
    may = [sa.StopWhen("kg"), sa.Exact(), sa.Rollout(sa.StopWhen("kg")), sa.EpsilonAudit(sa.StopWhen("kg"))]
    assert all(policy.stopping for policy in may)
    never = [sa.StopWhen("kg", rule="never"), sa.Rollout("kg"), sa.EpsilonAudit("kg"), sa.KnowledgeGradient()]
    assert not any(policy.stopping for policy in never)
    problem = sa.Problem([0.5, 0.6], 4, label_price=0.07)
    policy = sa.Rollout(sa.StopWhen("kg"))
    found = sa.simulate(problem, policy, replications=400, seed=1)
    assert abs(found.mean - sa.evaluate(problem, policy).value) < 4 * found.standard_error
    assert found.labels.sum() < 4


def test_copy_of_a_session_asks_as_the_session_does(tmp_path):
    for seed in range(6):
        session = sa.Session(sa.Problem([0.5] * 6, 6), "uniform", seed=seed)
        session.ask()
        other = copy.copy(session)
        assert session.ask() == other.ask()
        session.save(tmp_path / "s.json")
        assert sa.Session.load(tmp_path / "s.json", session.problem, "uniform").outstanding.sum() == 2


def test_session_says_that_caps_and_not_the_budget_end_it():
    session = sa.Session(sa.Problem([0.5, 0.62], 6, cap=1), "kg", seed=1)
    for item in (0, 1):
        session.tell(item, 1)
    with pytest.raises(sa.BudgetSpent, match="as many labels as their caps allow: 2 entered"):
        session.ask()


def test_where_nothing_can_be_bought_every_study_says_so_in_numbers():
    dear = sa.Problem([0.5, 0.6], 1, cost=2)
    for name in ("rollout", "kg", "exact", "tree-search"):
        assert sa.evaluate(dear, name).value == pytest.approx(dear.prior_value)
    capped = sa.Problem([0.5, 0.6], 5, cap=0)
    assert sa.evaluate(capped, "kg").value == pytest.approx(capped.prior_value)
    assert "none above 1.1, gap 0.000%" in repr(sa.certify(capped, "kg"))
    assert "monotone True, submodular True" in repr(sa.structure(capped))
    assert sa.vary(capped, "noise", [0.0, 0.2])["gain"].values.tolist() == [0.0, 0.0]


class Nameless(sa.IndexPolicy):
    def index(self, states):
        return states.tail


def test_policy_without_a_name_is_told_to_have_one():
    with pytest.raises(ValueError, match="policy Nameless has no name; give its class one"):
        sa.simulate(PROBLEM, Nameless(), seed=1)


class Derived(sa.Beta):
    kind = "derived"


def test_belief_derived_from_beta_is_none_that_can_be_shifted():
    problem = sa.Problem([0.5], 4, prior=Derived(1, 1))
    with pytest.raises(ValueError, match=r"shifted: the prior of item 1 is Derived\(.*; it must be Beta"):
        sa.misbelief(problem, "shifted", 0.3)


def test_strength_that_no_belief_can_hold_is_named():
    with pytest.raises(ValueError, match=r"shifted is 800, too far from item 1's Beta\(a=1\.0, b=1\.0\)"):
        sa.misbelief(sa.Problem([0.5], 4), "shifted", 800)


def test_messages_about_long_beliefs_are_short():
    long = sa.Problem([0.5], 4, prior=sa.Grid(np.linspace(0.01, 0.99, 300), np.ones(300)))
    for use in (lambda: sa.with_noise(long, 0.1), lambda: sa.misbelief(long, "shifted", 0.1)):
        with pytest.raises(ValueError, match="item 1 is Grid") as caught:
            use()
        assert len(str(caught.value)) < 300


def scenario(**changes) -> sa.Scenario:
    given = {"name": "s", "kind": "exact", "model": "flipped", "values": (0.0, 0.2), "problem": PROBLEM}
    return sa.Scenario(**(given | {"policies": ("uniform", "kg")} | changes))


def test_scenario_takes_names_of_policies():
    assert [x.name for x in scenario().policies] == ["uniform", "kg"]
    assert len(sa.stress_table(sa.stress(sa.StressGrid([scenario()], 2, 7)))) == 4


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"policies": ("kg",)}, "policies has no 'uniform'"),
        ({"policies": {"kg", "uniform"}}, "policies is {"),
        ({"policies": ("uniform", "kgg")}, "kgg"),
        ({"kind": "zzz"}, "kind is 'zzz'; allowed: 'exact', 'simulated'"),
        ({"model": "flippd"}, "model is 'flippd'; allowed: "),
        ({"values": "0.1"}, "values is '0.1'"),
        ({"problem": None}, "problem is None; it must be a Problem"),
        ({"refit": "drift"}, "refit is 'drift'; it must be a RaterModel or None"),
    ],
)
def test_scenario_that_cannot_be_run_is_refused_at_once(changes, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        scenario(**changes)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (([0, 0], [0, 1], None, ("x", "y")), "items is None"),
        (([0, 0], None, ("a",), ("x", "y")), "rater is None"),
        (([0, 0], [0, 1], ("a", "a"), ("x", "y")), "item 'a' occurs 2 times"),
        (([0, 0], [0], ("a",), ("x", "y")), "rater has shape (1,)"),
        (([0, 0], [0, 1], ("a",), ("x", "y"), None, ("g",)), "groups is given without group"),
    ],
)
def test_design_that_is_none_is_refused(fields, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        sa.Design(*fields)


def plugged_in(**methods) -> sa.RaterFit:
    model = type("Mine", (sa.PartialPooling,), {"name": "mine"} | methods)()
    return model.fit(VOTES, method="fast", seed=1, draws=50)


PLAIN = sa.PartialPooling


@pytest.mark.parametrize(
    ("methods", "ask", "said"),
    [
        (
            {"conditional_tails": lambda s, *a: 2 + 0 * PLAIN.conditional_tails(s, *a)},
            lambda fit: fit.tail(0.5),
            "a conditional tail is 2.0; it must be from 0 to 1",
        ),
        ({"conditional_tails": lambda s, *a: [0.5]}, lambda fit: fit.tail(0.5), "conditional tails have shape (1,)"),
        ({"item_beliefs": lambda s, *a: ["x"] * 3}, lambda fit: fit.beliefs(), "item_beliefs[0] is 'x'"),
        ({"item_beliefs": lambda s, *a: []}, lambda fit: fit.beliefs(), "returns 0 beliefs for 3 items"),
        ({"new_item_belief": lambda s, *a: None}, lambda fit: fit.new_item(), "new_item_belief returns is None"),
        (
            {"log_likelihood": lambda s, *a: 3 + 0 * PLAIN.log_likelihood(s, *a)},
            lambda fit: fit.log_likelihood(),
            "a log-likelihood is 3.0; it must be at most 0",
        ),
        (
            {"log_likelihood": lambda s, *a: np.nan * PLAIN.log_likelihood(s, *a)},
            lambda fit: fit.log_likelihood(),
            "a log-likelihood is nan",
        ),
    ],
)
def test_answers_of_a_rater_model_are_checked(methods, ask, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        ask(plugged_in(**methods))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda draws: None, "what approximate returns is None"),
        (lambda draws: draws | {"zzz": draws["mean"]}, "approximate returns 'zzz'; allowed: mean, size"),
        (
            lambda draws: {k: x[:3] for k, x in draws.items()},
            "draws of mean have shape (3,); the first entry must be 50",
        ),
        (lambda draws: draws | {"mean": np.nan * draws["mean"]}, "a draw of mean is nan"),
    ],
)
def test_draws_of_a_rater_model_are_checked(change, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        plugged_in(approximate=lambda s, *a: change(PLAIN.approximate(s, *a)))


def test_fit_of_another_model_or_method_is_refused():
    fit = sa.PartialPooling().fit(VOTES, method="fast", seed=1, draws=20)
    with pytest.raises(ValueError, match="sampled has no 'answer_rate', which dawid-skene has"):
        sa.RaterFit(sa.DawidSkene(), VOTES, fit.sampled, "fast")
    with pytest.raises(ValueError, match="method is 'zzz'"):
        sa.RaterFit(sa.PartialPooling(), VOTES, fit.sampled, "zzz")


def test_fits_to_different_votes_are_not_compared():
    others = replace(VOTES, labels=1 - VOTES.labels)
    one, other = (
        sa.leave_one_out(sa.PartialPooling().fit(x, method="fast", seed=1, draws=60)) for x in (VOTES, others)
    )
    assert len(sa.compare_fits({"one": one, "again": one})) == 2
    with pytest.raises(ValueError, match="fits to different votes"):
        sa.compare_fits({"one": one, "other": other})


def test_reliability_scores_only_fits_to_the_votes_that_were_kept():
    def cheating(model, votes):
        return sa.PartialPooling().fit(VOTES, method="fast", seed=1, draws=20)

    with pytest.raises(ValueError, match="is one to other votes than those it was given"):
        sa.reliability(VOTES, fit=cheating, draws=20)
    with pytest.raises(ValueError, match="what fit returns is None; it must be a RaterFit"):
        sa.reliability(VOTES, fit=lambda model, votes: None, draws=20)
    with pytest.raises(ValueError, match="bins is 100000; it must be a whole number from 1 to 1000"):
        sa.reliability(VOTES, bins=100_000)


def test_item_without_votes_is_named_where_its_votes_are_the_truth():
    some = sa.LabelSet(("a", "b"), [1, 0], [0, 1], ("r", "s"), [0, 2, 2])
    for use in (lambda: sa.replay(some, ["kg"], budget=1, seed=1), lambda: sa.reliability(some)):
        with pytest.raises(ValueError, match="item 'b' has no labels"):
            use()


MOST = {("rater-skill", "skill_scale"): 20.0, ("contaminated", "script_scale"): 1e4}


@pytest.mark.parametrize("least", [True, False])
@pytest.mark.parametrize(
    "model", ["rater-bias", "rater-skill", "partial-pooling", "one-coin", "dawid-skene", "drift", "contaminated"]
)
def test_constants_of_rater_models_have_ends_at_which_fits_are_made(model, least):
    few = sa.LabelSet(("a", "b", "c"), [1, 0, 1, 1, 0, 0, 1], [0, 1, 0, 1, 2, 2, 0], ("r", "s", "t"), [0, 2, 5, 7])
    made = sa.make_rater_model(model)
    scales = [name for name in vars(made) if name.endswith(("_scale", "_sd"))]
    for name in scales:
        end = 1e-3 if least else MOST.get((model, name), 100.0)
        fit = replace(made, **{name: end}).fit(few, method="fast", seed=1, draws=8)
        assert np.isfinite(fit.tail(0.5)).all(), name
        with pytest.raises(ValueError, match=rf"^{name} is .*; it must be from 0\.001 to "):
            replace(made, **{name: end * (0.5 if least else 2.0)})


def test_drift_is_fitted_where_its_density_falls_below_all_numbers():
    rng = np.random.default_rng(9)
    pools = {str(i): (rng.random(200) < rng.random()).astype(int).tolist() for i in range(4)}
    tails = sa.Drift().fit(sa.LabelSet.from_pools(pools), method="fast", seed=1, draws=200).tail(0.5)
    last = [np.mean(votes[-40:]) for votes in pools.values()]
    assert ((tails > 0.5) == (np.array(last) > 0.5)).all()


def test_log_probabilities_of_a_label_set_made_by_hand_give_its_log_ratios():
    logs = {"logp_win": np.array([-1.0, -2.0, -3.0]), "logp_lose": np.array([-2.0, -1.0, -3.0])}
    found = sa.problem_of_labels(replace(VOTES, **logs), 3, beta=0.5)
    assert found.log_ratio.tolist() == [-1.0, 1.0, 0.0]


def test_parts_of_a_trace_that_are_none_are_refused():
    votes = replace(VOTES, rater=np.array([0, 1, 2] * 3, np.int32), raters=("r", "s", "t"))
    reported: dict[str, object] = {}
    sa.provenance(votes, threshold=0.5, on_part=reported.__setitem__)
    with pytest.raises(ValueError, match=r"finished\['.*'\] is 3; it must be what was reported of this part"):
        sa.provenance(votes, threshold=0.5, finished=dict.fromkeys(reported, 3))
