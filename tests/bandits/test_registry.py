"""Policies by name: the built-in ones and unknown names."""

from __future__ import annotations

import pytest

import seqaudit as sa
from seqaudit.bandits.registry import label, registered_policies


def test_every_built_in_policy_is_made_by_its_name():
    for name in sa.policy_names():
        policy = sa.make_policy(name)
        assert policy.name == name
        assert policy == registered_policies()[name]()


def test_built_in_names_are_those_of_the_design():
    myopic = "uniform round-robin uncertainty high-logratio audit-index linear-gain kg optimistic-kg variance-reduction"
    others = "kg-star gittins whittle lagrangian apt lsa exact"
    assert {*myopic.split(), *others.split()} <= set(sa.policy_names())


def test_policy_object_is_passed_through():
    policy = sa.KnowledgeGradient(ties="first")
    assert sa.make_policy(policy) is policy


@pytest.mark.parametrize(
    ("wrong", "nearest"),
    [("kq", "kg"), ("variance-reducton", "variance-reduction"), ("round_robin", "round-robin"), ("Exact", "exact")],
)
def test_unknown_name_is_answered_with_the_nearest_known_one(wrong, nearest):
    with pytest.raises(ValueError, match=f"policy '{wrong}' is not known; did you mean '{nearest}'\\?") as caught:
        sa.make_policy(wrong)
    # The first names are listed, as many as a line holds, and the others counted.
    assert all(name in str(caught.value) for name in sa.policy_names()[:15])
    assert " more)" in str(caught.value)


@pytest.mark.parametrize("wrong", ["", "zzzzzz"])
def test_a_name_that_resembles_none_is_refused_too(wrong):
    with pytest.raises(ValueError, match="is not known; did you mean '"):
        sa.make_policy(wrong)


@pytest.mark.parametrize("wrong", [sa.KnowledgeGradient, 3, None])
def test_what_is_neither_name_nor_policy_is_refused(wrong):
    with pytest.raises(ValueError, match=r"allowed: a registered name or a policy such as KnowledgeGradient\(\)"):
        sa.make_policy(wrong)


def test_a_stopping_rule_is_taken_by_name_and_not_among_all_policies():
    policy = sa.make_policy("stop-when(base=kg, rule=gain)")
    assert policy == sa.StopWhen("kg", "gain")
    assert sa.make_policy(label(policy)) == policy
    assert "stop-when" not in sa.policy_names()
    problem = sa.Problem([0.5, 0.7], budget=6, label_price=0.04)
    rows = sa.compare(problem, ["stop-when", "variance-reduction"]).set_index("policy")["value"]
    assert rows["stop-when"] > rows["variance-reduction"]
    assert "stop-when" not in sa.compare(problem)["policy"].tolist()
    with pytest.raises(ValueError, match="did you mean 'stop-when'"):
        sa.make_policy("stop_when")
