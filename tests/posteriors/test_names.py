"""Objects by name with settings: as written, as refused, and as other packages register them."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import seqaudit as sa
from seqaudit.bandits.registry import POLICIES, label
from seqaudit.benchmarks.comparison.structure_table import utility_label
from seqaudit.benchmarks.metrics.offline import METRICS
from seqaudit.benchmarks.stress.natures import NATURES
from seqaudit.posteriors.beliefs.registry import BELIEFS
from seqaudit.posteriors.foundation.names import (
    Registry,
    nearest_name,
    read_settings,
    split_name,
    unknown_key,
    write_name,
)
from seqaudit.posteriors.raters.registry import RATER_MODELS
from seqaudit.posteriors.utilities import UTILITIES

MODULE = """
from dataclasses import dataclass
import numpy as np
import seqaudit as sa

class Boldest(sa.IndexPolicy):
    name = "boldest"

    def index(self, states):
        return states.mean

@dataclass(frozen=True)
class Known(sa.Belief):
    rate: float
    kind = "known"

    def at(self, labels, wins, threshold):
        shape = np.broadcast_shapes(np.shape(labels), np.shape(wins), np.shape(threshold))
        tail = np.broadcast_to(self.rate > np.asarray(threshold), shape).astype(float)
        return sa.BeliefTables(np.full(shape, self.rate), tail, np.zeros(shape))

    def after(self, wins, losses):
        return self

    def draw(self, rng, size=None):
        return np.full(() if size is None else size, self.rate)

    def as_dict(self):
        return {"kind": self.kind, "rate": self.rate}

@dataclass(frozen=True)
class Pooled(sa.PartialPooling):
    name = "pooled"

@dataclass(frozen=True)
class Squared(sa.Utility):
    scale: float = 1.0
    name = "squared"

    def __call__(self, p):
        return self.scale * p**2

def not_a_class():
    return Boldest()

class Stranger:
    name = kind = "stranger"
"""


@dataclass(frozen=True)
class Case:
    """A registry, a class of its kind in MODULE, a built-in name and where the built-in class is."""

    registry: Registry[Any]
    offered: str
    name: str
    built_in: str
    place: str


CASES = [
    Case(POLICIES, "Boldest", "boldest", "kg", "seqaudit.bandits:KnowledgeGradient"),
    Case(BELIEFS, "Known", "known", "beta", "seqaudit.posteriors:Beta"),
    Case(RATER_MODELS, "Pooled", "pooled", "drift", "seqaudit.posteriors:Drift"),
    Case(UTILITIES, "Squared", "squared", "accuracy", "seqaudit.posteriors:Accuracy"),
]
of_each = pytest.mark.parametrize("case", CASES, ids=[case.registry.called for case in CASES])


def forget() -> None:
    for case in CASES:
        case.registry.forget()


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Install a distribution that registers an entry point; the registries forget it afterwards."""

    def make(registry: Registry[Any], point: str, distribution: str = "seqaudit_extra") -> None:
        (tmp_path / f"{distribution}_module.py").write_text(MODULE)
        info = tmp_path / f"{distribution}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
        written = point.replace("HERE", f"{distribution}_module")
        (info / "entry_points.txt").write_text(f"[{registry.group}]\n{written}\n")
        monkeypatch.syspath_prepend(tmp_path)
        forget()

    yield make
    monkeypatch.undo()
    forget()


# What other packages register.


def test_each_kind_of_thing_has_a_group_of_entry_points():
    assert [case.registry.group for case in CASES] == [
        "seqaudit.policies",
        "seqaudit.beliefs",
        "seqaudit.rater_models",
        "seqaudit.utilities",
    ]


@of_each
def test_what_another_package_offers_comes_after_what_is_built_in(case, install):
    built_in = case.registry.names()
    assert case.name not in built_in
    install(case.registry, f"{case.name} = HERE:{case.offered}")
    assert case.registry.names() == (*built_in, case.name)
    assert case.registry.classes()[case.name].__name__ == case.offered


@of_each
@pytest.mark.parametrize(
    ("module", "reason"),
    [
        ("no_such_module_anywhere", "ModuleNotFoundError: No module named"),
        ("import sys; sys.exit()", "SystemExit: "),
        ("import sys; sys.exit(0)", "SystemExit: 0"),
        ("raise KeyError('x')", "KeyError: 'x'"),
        ("1 +", "SyntaxError: "),
        ("class Thing: pass", "is not a "),
    ],
)
def test_a_package_that_cannot_be_imported_takes_nothing_else_away_and_warns_once(
    case, install, tmp_path, module, reason
):
    place = module
    if " " in module:
        place = "broken_module_of_a_test"
        (tmp_path / f"{place}.py").write_text(module)
    install(case.registry, f"broken = {place}:Thing")
    with pytest.warns(UserWarning, match=f"{case.registry.called} broken = {place}:Thing .*{reason}") as told:
        names = case.registry.names()
    assert case.built_in in names
    assert "broken" not in names
    assert len(told) == 1
    with pytest.raises(ValueError, match=f"{case.registry.called} broken cannot be used: its entry point .*{reason}"):
        case.registry.make("broken")
    sys.modules.pop(place, None)


@of_each
def test_an_entry_point_of_another_name_than_its_class_is_left_out(case, install):
    install(case.registry, f"other = HERE:{case.offered}")
    with pytest.warns(
        UserWarning, match=rf"other = .* refers to a {case.registry.called} of another name, '{case.name}'"
    ):
        assert {"other", case.name}.isdisjoint(case.registry.names())


@of_each
def test_a_built_in_name_cannot_be_taken(case, install):
    built_in = case.registry.classes()[case.built_in]
    install(case.registry, f"{case.built_in} = {case.place}")
    with pytest.warns(UserWarning, match=rf"{case.built_in} = .* has a name that seqaudit.* has too; it is left out"):
        assert case.registry.classes()[case.built_in] is built_in


@of_each
def test_a_name_that_two_packages_claim_is_that_of_neither(case, install):
    install(case.registry, f"{case.name} = HERE:{case.offered}")
    install(case.registry, f"{case.name} = HERE:{case.offered}", distribution="seqaudit_other")
    with pytest.warns(UserWarning, match=rf"{case.name} = .* has a name that seqaudit_.* has too"):
        assert case.name not in case.registry.names()
    with pytest.raises(ValueError, match=f"{case.name} cannot be used: its entry point has a name that seqaudit_"):
        case.registry.make(case.name)


@of_each
@pytest.mark.parametrize("target", ["Stranger", "not_a_class"])
def test_an_entry_point_that_is_no_class_of_the_kind_is_left_out(case, install, target):
    install(case.registry, f"stranger = HERE:{target}")
    with pytest.warns(UserWarning, match=f"stranger = .*{target} is not a {case.registry.base.__name__} class"):
        assert "stranger" not in case.registry.names()


def test_policy_of_another_package_is_valued_and_simulated(install):
    install(POLICIES, "boldest = HERE:Boldest")
    problem = sa.Problem([0.5, 0.7], budget=4)
    # The value that the documentation of ``seqaudit.bandits.policy`` gives for this rule.
    assert sa.evaluate(problem, sa.make_policy("boldest")).value == pytest.approx(1.5339116944444444, rel=1e-14)
    assert sa.simulate(problem, "boldest", replications=2, seed=1).policy == "boldest"


def test_belief_and_utility_of_other_packages_stand_in_problem_files(install, tmp_path):
    install(BELIEFS, "known = HERE:Known")
    install(UTILITIES, "squared = HERE:Squared", distribution="seqaudit_other")
    path = tmp_path / "problem.toml"
    path.write_text(
        'budget = 2\nthreshold = [0.5, 0.6]\nprior = [{kind = "known", rate = 0.7}, {kind = "beta", a = 1, b = 1}]\n'
        '[utility]\nname = "squared"\nscale = 2\n'
    )
    problem = sa.Problem.from_toml(path)
    # The first item's rate is known and above its bar: it pays 2, and labels of it tell nothing.
    one = sa.Problem([0.6], budget=2, utility=lambda p: 2 * p**2)
    assert sa.solve(problem).value == pytest.approx(2.0 + sa.solve(one).value, rel=1e-14)
    problem.to_toml(tmp_path / "copy.toml")
    assert sa.Problem.from_toml(tmp_path / "copy.toml") == problem


def test_rater_model_and_utility_of_other_packages_stand_in_commands(install, tmp_path, capsys):
    from seqaudit.benchmarks.cli.main import main

    install(RATER_MODELS, "pooled = HERE:Pooled")
    install(UTILITIES, "squared = HERE:Squared", distribution="seqaudit_other")
    votes = tmp_path / "votes.csv"
    votes.write_text("item,rater,label\n" + "".join(f"i{k % 7},r{k % 3},{k % 2}\n" for k in range(21)))
    fast = ("--method", "fast", "--draws", "40", "--out", str(tmp_path / "out"))
    with pytest.raises(SystemExit) as stop:
        main(["fit", str(votes), "--model", "pooled(size_scale=2.0)", *fast])
    assert not stop.value.code
    assert "pooled(size_scale=2.0), fast" in capsys.readouterr().out
    problem = tmp_path / "problem.toml"
    problem.write_text("budget = 2\nthreshold = [0.5, 0.6]\n")
    with pytest.raises(SystemExit) as stop:
        main(["structure", str(problem), "-u", "squared(scale=2.0)", "-u", "accuracy"])
    assert not stop.value.code
    assert "squared(scale=2)" in capsys.readouterr().out


# Names with settings.

words = st.from_regex(r"[a-z][a-z_-]{0,9}", fullmatch=True)
plain = st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.booleans(), st.none(), words)
values = st.one_of(plain, st.lists(st.integers(), max_size=3), st.tuples(words, st.floats(0, 1)))
settings = st.dictionaries(st.from_regex(r"[a-z_]{1,9}", fullmatch=True), values, max_size=4)


@given(words, settings)
def test_name_with_settings_is_read_as_it_was_written(name, given_settings):
    read, inside = split_name(write_name(name, given_settings))
    assert read == name
    assert read_settings("thing", inside, list(given_settings)) == given_settings


def test_numbers_without_end_are_read_as_they_are_written():
    given_settings = {"least": -np.inf, "below": np.inf}
    _, inside = split_name(write_name("labels-on-c", given_settings))
    assert read_settings("thing", inside, ["least", "below"]) == given_settings
    metric = METRICS.make("labels-on-c(least=-inf)")
    assert METRICS.make(metric.label) == metric


@given(words, settings, st.sampled_from(["rollout", "explore"]))
def test_name_with_settings_can_be_a_setting(name, given_settings, outer):
    base = write_name(name, given_settings)
    _, inside = split_name(write_name(outer, {"base": base, "share": 0.5}))
    assert read_settings("thing", inside, ["base", "share"]) == {"base": base, "share": 0.5}


policies = st.one_of(
    st.sampled_from(POLICIES.names()).map(sa.make_policy),
    st.builds(sa.TopTwo, leader=st.floats(0.01, 0.99)),
    st.builds(sa.APT, epsilon=st.floats(0, 9), ties=st.sampled_from(["random", "first"])),
)


@given(st.one_of(policies, st.builds(sa.EpsilonAudit, base=policies, epsilon=st.floats(0.01, 0.99))))
def test_label_of_a_policy_makes_an_equal_one(policy):
    assert sa.make_policy(label(policy)) == policy


@given(st.floats(0.1, 9).map(lambda x: float(f"{x:g}")), st.floats(0.1, 9).map(lambda x: float(f"{x:g}")))
def test_label_of_a_utility_makes_an_equal_one(gain, loss):
    utility = sa.Asymmetric(gain, loss)
    assert sa.make_utility(utility_label(utility)) == utility
    assert sa.make_utility({"name": "asymmetric", "gain": gain, "loss": loss}) == utility


@pytest.mark.parametrize("registry", [*(case.registry for case in CASES), NATURES], ids=lambda r: r.called)
def test_registries_refuse_unknown_names_with_the_nearest_and_all_known_ones(registry):
    for name in registry.names():
        with pytest.raises(ValueError, match=rf"{name.upper()}x.*did you mean '{name}'\?") as caught:
            registry.make(f"{name.upper()}x(a=1)")
        told = str(caught.value)
        missing = [known for known in registry.names() if known not in told]
        # A line holds no more: the others are counted.
        assert not missing or " more)" in told
        assert len(told) <= 290


@pytest.mark.parametrize("spec", [["kg"], 3, None, {"kind": None}, {"name": ["kg"], "kind": ["beta"]}])
@of_each
def test_what_is_no_name_is_refused_without_a_guess(case, spec):
    with pytest.raises(ValueError, match=", ".join(case.registry.names()[:2])) as caught:
        case.registry.make(spec)
    assert "did you mean" not in str(caught.value)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: sa.make_policy("lookahead(deph=3)"),
            "setting 'deph' is not known; allowed: depth, leaf, candidates, shortlist, ties",
        ),
        (
            lambda: sa.make_policy("lookahead(depth=3, depth=4)"),
            "'depth' is given twice; allowed: depth, leaf, candidates, shortlist, ties",
        ),
        (lambda: sa.make_utility("accuracy(eps=1)"), "setting 'eps' is not known; allowed: none"),
        (lambda: sa.make_utility({"name": "decisive", "epss": 1}), "decisive has no parameter 'epss'; allowed: eps"),
        (
            lambda: sa.make_belief({"kind": "noisy-beta", "a": 1}),
            r"belief noisy-beta lacks 'b'; it needs a, b, flip \(allowed: a, b, flip, wins, losses\)",
        ),
        (lambda: sa.make_belief({"kind": "beta"}), "belief beta lacks 'a'; it needs a, b$"),
        (lambda: RATER_MODELS.make("drift", name=1), "rater model drift has no constant 'name'; allowed: mean_sd"),
        (
            lambda: sa.make_rater_model(sa.OneCoin(), difficulty=True),
            r"rater model OneCoin\(.*\) is already constructed and takes no difficulty",
        ),
        (
            lambda: sa.make_rater_model("drift(mean_sd=-2)"),
            "^rater model drift: mean_sd is -2; it must be from 0\\.001 to 100",
        ),
        (lambda: sa.make_utility("decisive(eps=2)"), "^utility decisive: eps is 2; it must lie strictly"),
        (lambda: sa.make_policy("apt(epsilon=-1)"), "^apt: epsilon is -1; it must be a finite number, at least 0"),
    ],
)
def test_faulty_settings_are_refused_with_the_allowed_ones(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_settings_beside_a_name_stand_in_place_of_those_in_brackets():
    assert sa.make_rater_model("drift(mean_sd=2.0)", mean_sd=3.0) == sa.Drift(mean_sd=3.0)
    assert UTILITIES.make({"name": "asymmetric", "gain": 2, "loss": 3}, loss=4) == sa.Asymmetric(2, 4)


@of_each
def test_an_object_is_passed_through(case):
    made = {"kg": sa.KnowledgeGradient(), "beta": sa.Beta(1, 2), "drift": sa.Drift(), "accuracy": sa.Accuracy()}
    assert case.registry.make(made[case.built_in]) is made[case.built_in]


def test_nature_with_its_setting_in_brackets_is_that_with_the_setting_beside_it():
    problem = sa.Problem([0.5, 0.6], budget=2)
    beside = sa.misbelief(problem, "colluding", 0.2, script=0.3)
    assert sa.misbelief(problem, "colluding(script=0.3)", 0.2).nature == beside.nature
    assert not np.array_equal(beside.nature[0].chances, sa.misbelief(problem, "colluding", 0.2).nature[0].chances)


# Nearest names.


def test_nearest_name_is_told_whatever_its_case_and_the_spaces_around_it():
    assert nearest_name("rater", ["item", "Rater "]) == "Rater "
    assert nearest_name("ROUND_ROBIN", ["uniform", "round-robin"]) == "round-robin"
    assert nearest_name("zebra", ["item", "rater"]) is None
    assert nearest_name("zebra", ["item", "rater"], cutoff=0.0) == "rater"
    assert nearest_name("zebra", [], cutoff=0.0) is None


def test_unknown_key_is_answered_with_one_only_if_it_is_like_it():
    assert (
        unknown_key("budgit", ["budget", "cap"]) == "budgit is not a key; did you mean budget? (allowed: budget, cap)"
    )
    assert unknown_key("zebra", ["budget", "cap"]) == "zebra is not a key (allowed: budget, cap)"
