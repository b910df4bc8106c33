"""Policies by name: the built-in ones, unknown names, and what other packages register."""

from __future__ import annotations

import pytest

import seqaudit as sa
from seqaudit.bandits.registry import GROUP, registered_policies

MODULE = """
import seqaudit as sa

class Boldest(sa.IndexPolicy):
    name = "boldest"

    def index(self, states):
        return states.mean

def not_a_class():
    return Boldest()

class NotAPolicy:
    name = "not-a-policy"
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Install a distribution that registers the entry points given; the registry forgets them afterwards."""

    def make(*points: str, distribution: str = "seqaudit_extra") -> None:
        (tmp_path / f"{distribution}_policies.py").write_text(MODULE)
        info = tmp_path / f"{distribution}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
        lines = (point.replace("HERE", f"{distribution}_policies") for point in points)
        (info / "entry_points.txt").write_text(f"[{GROUP}]\n" + "\n".join(lines) + "\n")
        monkeypatch.syspath_prepend(tmp_path)
        registered_policies.cache_clear()

    yield make
    monkeypatch.undo()
    registered_policies.cache_clear()


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
    assert all(name in str(caught.value) for name in sa.policy_names())


@pytest.mark.parametrize("wrong", ["", "zzzzzz"])
def test_a_name_that_resembles_none_is_refused_too(wrong):
    with pytest.raises(ValueError, match="is not known; did you mean '"):
        sa.make_policy(wrong)


@pytest.mark.parametrize("wrong", [sa.KnowledgeGradient, 3, None])
def test_what_is_neither_name_nor_policy_is_refused(wrong):
    with pytest.raises(ValueError, match=r"allowed: a registered name or a policy such as KnowledgeGradient\(\)"):
        sa.make_policy(wrong)


def test_a_package_that_cannot_be_imported_leaves_the_other_policies(install):
    install("broken = no_such_module_anywhere:Policy")
    with pytest.warns(UserWarning, match="policy broken = no_such_module_anywhere:Policy cannot be imported"):
        assert "kg" in sa.policy_names()
    assert "broken" not in sa.policy_names()


def test_an_entry_point_of_another_name_than_its_policy_is_refused(install):
    install("bold = HERE:Boldest")
    with pytest.raises(ValueError, match=r"entry point bold = .* offers a policy of another name"):
        sa.policy_names()


def test_policy_of_another_package_is_found_and_used(install):
    assert "boldest" not in sa.policy_names()
    install("boldest = HERE:Boldest")
    assert sa.policy_names()[-1] == "boldest"
    problem = sa.Problem([0.5, 0.7], budget=4)
    # The value that the documentation of ``seqaudit.bandits.policy`` gives for this rule.
    assert sa.evaluate(problem, sa.make_policy("boldest")).value == pytest.approx(1.5339116944444444, rel=1e-14)
    assert sa.simulate(problem, "boldest", replications=2, seed=1).policy == "boldest"


def test_name_of_a_built_in_policy_cannot_be_taken(install):
    install("kg = seqaudit.bandits:KnowledgeGradient")
    with pytest.raises(ValueError, match=r"policy name 'kg' is claimed by .*KnowledgeGradient.* and by .*KnowledgeGr"):
        sa.policy_names()


def test_two_packages_cannot_claim_one_name(install):
    install("boldest = HERE:Boldest")
    install("boldest = HERE:Boldest", distribution="seqaudit_other")
    with pytest.raises(ValueError, match=r"'boldest' is claimed by .*seqaudit_.*Boldest.* and by .*seqaudit_.*Boldest"):
        sa.make_policy("kg")


@pytest.mark.parametrize("target", ["HERE:NotAPolicy", "HERE:not_a_class"])
def test_entry_point_that_is_no_policy_class_is_refused(install, target):
    install(f"odd = {target}")
    with pytest.raises(TypeError, match=rf"entry point odd = .*{target[5:]} in {GROUP} is not a Policy class"):
        sa.policy_names()
