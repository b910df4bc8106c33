"""The table of policies under several utilities, and policies written with their settings."""

from __future__ import annotations

import math

import numpy as np
import pytest

import seqaudit as sa
from seqaudit.bandits.registry import label, make_policy
from seqaudit.benchmarks.comparison.policy_matrix import UTILITIES, decision_seconds, policy_matrix


def test_matrix_holds_the_surveys_of_its_utilities():
    names = ["kg", "lookahead(depth=1, leaf=payoff)", "thompson"]
    told = []
    table, remarks = policy_matrix(
        4, names, ["accuracy", UTILITIES[1]], seed=3, on_problem=lambda name, k: told.append((name, k))
    )
    assert remarks == []
    assert told == [(name, k) for name in ("accuracy", "asymmetric") for k in range(4)]
    for utility in ("accuracy", UTILITIES[1]):
        name = utility if isinstance(utility, str) else utility["name"]
        alone = sa.survey_table(sa.survey(4, names, seed=3, utility=utility)).set_index("policy")
        for row in table.to_dict(orient="records"):
            assert row[f"mean {name}"] == alone.loc[row["policy"], "mean"]
            assert row[f"worst {name}"] == alone.loc[row["policy"], "worst"]
    assert (table[["seconds small", "seconds large"]].to_numpy() > 0).all()
    assert table["mean accuracy"].is_monotonic_decreasing


def test_a_policy_that_cannot_be_had_has_no_time():
    large = sa.Problem(np.linspace(0.3, 0.7, 50), 200)
    assert math.isnan(decision_seconds(large, "lookahead(leaf=kg)"))
    assert decision_seconds(large, "kg") < 1


def test_one_policy_and_one_utility_may_be_given_alone():
    for policy in ("kg", sa.KnowledgeGradient()):
        assert policy_matrix(1, policy, "accuracy")[0]["policy"].tolist() == ["kg"]
    with pytest.raises(ValueError, match="no utility was chosen"):
        policy_matrix(1, "kg", [])


def test_a_utility_given_twice_is_refused():
    with pytest.raises(ValueError, match="utility 'accuracy' is given 2 times"):
        policy_matrix(2, ["kg"], ["accuracy", "accuracy"])


@pytest.mark.parametrize(
    "written",
    [
        "kg",
        "lookahead(depth=3, leaf=payoff)",
        "rollout(base=lookahead(depth=1, leaf=kg-star), runs=8)",
        "epsilon-audit(epsilon=0.2)",
        "whittle(ties=first, most=20)",
    ],
)
def test_label_of_a_policy_is_how_it_is_written(written):
    policy = make_policy(written)
    assert label(policy) == written
    assert make_policy(label(policy)) == policy


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("lookahead(deph=3)", r"setting 'deph' is not known; allowed: depth, leaf, candidates, shortlist, ties"),
        ("lookahead(3)", r"'3' is not a setting; write name=value"),
        ("lookahead(depth=)", r"'depth=' is not a setting"),
        ("lookahead(depth=3, depth=4)", r"setting 'depth' is given twice"),
        ("lookahead(depth=x)", r"depth is 'x'; it must be a whole number"),
        ("lookahed(depth=3)", r"policy 'lookahed' is not known; did you mean 'lookahead'"),
        ("rollout(base=kgs)", r"policy 'kgs' is not known"),
        ("kg(ties={[]:1})", r"kg: ties is '\{\[\]:1\}'"),
        ("lookahead(depth=3", r"policy 'lookahead\(depth=3' is not known"),
    ],
)
def test_settings_that_are_none_are_refused_in_one_line(written, says):
    with pytest.raises(ValueError, match=says) as caught:
        make_policy(written)
    assert len(str(caught.value).splitlines()) == 1
