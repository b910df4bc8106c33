"""Objects that users plug in: what they are shown cannot be written, and what they return is checked before its use."""

from __future__ import annotations

import copy
import pickle
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import seqaudit as sa
from seqaudit.dp.evaluation.state_values import PolicyValues
from seqaudit.dp.problem.states import states_at
from seqaudit.posteriors.foundation.plugins import source_of

PROBLEM = sa.Problem([0.5, 0.6, 0.7], budget=4, cap=[4, 1, 2])
BATCHES = PROBLEM.replace(batch=2)
ROOT = Path(sa.__file__).parent


@dataclass(frozen=True)
class Weights(sa.JointPolicy):
    """A joint policy whose answers a test gives."""

    answer: Callable = lambda counts, wins, usable: usable * 1.0
    name = "weights"

    def action_probabilities(self, problem, counts, wins, usable):
        return self.answer(counts, wins, usable)


@dataclass(frozen=True)
class Allows(sa.JointPolicy):
    """A joint policy that allows what a test says."""

    answer: Callable = lambda bought, usable: usable
    name = "allows"

    def action_probabilities(self, problem, counts, wins, usable):
        return usable * 1.0

    def allowed(self, problem, bought, usable):
        return self.answer(bought, usable)


@dataclass(frozen=True)
class Index(sa.IndexPolicy):
    """An index policy whose answers a test gives."""

    answer: Callable = lambda states: states.tail
    name = "index"

    def index(self, states):
        return self.answer(states)


@dataclass(frozen=True)
class Scores(sa.Policy):
    """A policy whose scores a test gives."""

    answer: Callable = lambda counts, wins: -counts
    name = "scores"

    def scores(self, problem, counts, wins):
        return self.answer(counts, wins)


def ask_all(problem: sa.Problem, policy: sa.Policy) -> None:
    session = sa.Session(problem, policy, seed=7)
    session.tell(session.ask(), 1)
    session.ask()


DOORS = {
    "evaluate": lambda policy: sa.evaluate(PROBLEM, policy),
    "nature": lambda policy: sa.evaluate(PROBLEM, policy, nature=sa.NoisyBeta(1, 1, 0.1)),
    "passage": lambda policy: sa.passage(PROBLEM, policy),
    "expected_labels": lambda policy: sa.expected_labels(PROBLEM, policy),
    "characteristics": lambda policy: sa.operating_characteristics(PROBLEM, policy, alpha=[0.6]),
    "values": lambda policy: PolicyValues(PROBLEM, policy),
    "simulate": lambda policy: sa.simulate(PROBLEM, policy, replications=3, seed=7),
    "batches": lambda policy: sa.simulate(BATCHES, policy, replications=3, seed=7),
    "session": lambda policy: ask_all(PROBLEM, policy),
    "session-batches": lambda policy: ask_all(BATCHES, policy),
    "certify": lambda policy: sa.certify(PROBLEM, policy, replications=3, seed=7, exact=False),
    "rollout": lambda policy: sa.simulate(BATCHES, sa.Rollout(policy, runs=2, candidates=2), replications=2, seed=7),
    "lookahead": lambda policy: sa.evaluate(PROBLEM, sa.Lookahead(1, "payoff", 2, shortlist=policy)),
    "wrapper": lambda policy: sa.evaluate(PROBLEM, sa.EpsilonAudit(policy)),
    "coverage": lambda policy: sa.evaluate(PROBLEM, sa.MinimumCoverage(policy, slices=[0, 1, 1], minimum=1)),
    "diverse": lambda policy: sa.simulate(
        BATCHES, sa.DiverseBatch(policy, [[0.0], [1.0], [3.0]]), replications=2, seed=7
    ),
}
SAMPLED = {"simulate", "batches", "session", "session-batches", "rollout", "lookahead", "diverse", "certify"}


def overwrite(array):
    array[...] = 1
    return array * 1.0


WRITERS = {
    "usable": Weights(lambda counts, wins, usable: overwrite(usable)),
    "counts": Weights(lambda counts, wins, usable: overwrite(counts)),
    "wins": Weights(lambda counts, wins, usable: overwrite(wins)),
    "bought": Allows(lambda bought, usable: overwrite(bought) > 0),
    "may": Allows(lambda bought, usable: overwrite(usable) > 0),
    "tail": Index(lambda states: overwrite(states.tail)),
    "labels": Index(lambda states: overwrite(states.labels)),
    "item": Index(lambda states: overwrite(states.item)),
    "threshold": Index(lambda states: overwrite(states.problem.threshold)),
    "in-place": Index(lambda states: np.multiply(states.mean, 2.0, out=states.mean)),
    "scored": Scores(lambda counts, wins: overwrite(counts)),
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("written", WRITERS)
def test_policy_that_writes_into_what_it_is_shown_gets_an_error_that_names_it(door, written):
    policy = WRITERS[written]
    if isinstance(policy, Scores) and door not in SAMPLED:
        pytest.skip("a policy with scores alone has no exact value")
    if isinstance(policy, Allows) and door not in {"simulate", "batches", "session", "wrapper", "coverage", "certify"}:
        pytest.skip("nothing is outstanding, so nothing asks what is allowed")
    with pytest.raises(ValueError, match="read-only") as caught:
        DOORS[door](policy)
    assert source_of(caught.value).startswith(f"policy {__name__}:{type(policy).__name__}.")
    assert re.search(r"test_plugins\.py, line \d+\)$", source_of(caught.value))


# Each answer, and what is said of it.
BAD_WEIGHTS = {
    "shape": (lambda c, w, u: np.ones(3), r"probabilities have shape \(3,\); it must be \(\d+, 3\)"),
    "wide": (lambda c, w, u: np.ones((len(c), 4)), r"probabilities have shape"),
    "scalar": (lambda c, w, u: 1.0, r"probabilities have shape \(\)"),
    "nan": (lambda c, w, u: np.where(u, np.nan, 0), "they must be finite"),
    "inf": (lambda c, w, u: np.where(u, np.inf, 0), "they must be finite"),
    "overflow": (lambda c, w, u: np.where(u, 1e308, 0), "they must be finite"),
    "negative": (lambda c, w, u: np.where(u, -1.0, 0), "not negative"),
    "zero": (lambda c, w, u: ~u, "more than zero for some item"),
    "complex": (lambda c, w, u: u * (1 + 0j), "is of type complex128; it must be real"),
    "text": (lambda c, w, u: np.full(c.shape, "1"), "is of type <U1; it must be real"),
    "object": (lambda c, w, u: np.full(c.shape, None), "is of type object; it must be real"),
    "ragged": (lambda c, w, u: [[1.0], [1.0, 2.0]], "must be an array of real numbers"),
    "nothing": (lambda c, w, u: None, "is of type object; it must be real"),
    "masked": (lambda c, w, u: np.ma.masked_array(np.ones(c.shape), True), "has masked entries"),
}


@pytest.mark.parametrize("door", ["evaluate", "passage", "simulate", "session", "wrapper", "batches"])
@pytest.mark.parametrize("kind", BAD_WEIGHTS)
def test_weights_that_are_none_are_refused_before_their_use(door, kind):
    answer, message = BAD_WEIGHTS[kind]
    with pytest.raises(ValueError, match=f"weights: .*{message}"):
        DOORS[door](Weights(answer))


@pytest.mark.parametrize("door", ["evaluate", "expected_labels", "simulate", "session", "coverage", "batches"])
@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda s: np.ones((7, 5, 3)), "index has shape"),
        (lambda s: s.tail * np.nan, r"index of item 1 is nan after 0 labels and 0 wins; it must be finite"),
        (lambda s: s.tail - np.inf, "index of item 1 is -inf"),
        (lambda s: s.tail * 1j, "index is of type complex128"),
        (lambda s: None, "index is of type object"),
        (lambda s: "high", "index is of type <U4"),
        (lambda s: np.ma.masked_array(s.tail, True), "index has masked entries"),
    ],
)
def test_index_that_is_none_is_refused_before_its_use(door, answer, message):
    with pytest.raises(ValueError, match=f"index: {message}"):
        DOORS[door](Index(answer))


@pytest.mark.parametrize("door", sorted(SAMPLED - {"certify"}))
@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda c, w: np.ones(2), "scores have shape"),
        (lambda c, w: c.T * 1.0 if c.shape[0] != c.shape[1] else c[:, :1], "scores have shape"),
        (lambda c, w: c * np.inf if c.any() else c + np.nan, "score of item 1 is nan"),
        (lambda c, w: c * 1j, "scores is of type complex128"),
        (lambda c, w: None, "scores is of type object"),
    ],
)
def test_scores_that_are_none_are_refused_before_their_use(door, answer, message):
    with pytest.raises(ValueError, match=f"scores: {message}"):
        DOORS[door](Scores(answer))


@pytest.mark.parametrize("door", ["simulate", "session", "batches"])
@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda b, u: u[:, :2], r"allowed has shape \(\d, 2\) and type bool"),
        (lambda b, u: u * 1, "and type int64"),
        (lambda b, u: None, "and type object"),
        (lambda b, u: ~u, "it allows no item"),
        (lambda b, u: np.zeros_like(u), "it allows no item"),
    ],
)
def test_allowed_items_that_are_none_are_refused_before_their_use(door, answer, message):
    with pytest.raises(ValueError, match=f"allows: .*{message}"):
        DOORS[door](Allows(answer))


def test_items_that_cannot_be_labelled_are_not_allowed_by_saying_so():
    everything = Allows(lambda bought, usable: np.ones_like(usable))
    assert sa.simulate(PROBLEM, everything, replications=20, seed=7).labels.tolist() == (
        sa.simulate(PROBLEM, Allows(), replications=20, seed=7).labels.tolist()
    )


@pytest.mark.parametrize("scale", [np.nan, -1.0, np.inf, [1.0], 1j])
def test_scale_that_is_none_is_refused(scale):
    class Scaled(sa.AuditIndex):
        name = "scaled"

        def index_scale(self, problem):
            return scale

    for door in ("evaluate", "simulate", "session"):
        with pytest.raises(ValueError, match="scaled: index_scale is"):
            DOORS[door](Scaled())


@pytest.mark.parametrize("door", ["evaluate", "passage", "values", "simulate", "session", "wrapper"])
def test_weights_mean_the_same_as_the_probabilities_that_they_are_proportional_to(door):
    def shares(counts, wins, usable):
        return np.where(usable, (1.0 + wins) / (1.0 + wins).sum(axis=1, keepdims=True), 0.0)

    def weights(counts, wins, usable):
        return np.where(usable, 3.0 * (1.0 + wins), np.nan)

    if door == "session":
        for policy in (Weights(shares), Weights(weights)):
            sa.Session(PROBLEM, policy, seed=7).ask()
        return
    one, other = (DOORS[door](Weights(answer)) for answer in (shares, weights))
    for name in ("value", "asked", "mean"):
        if hasattr(one, name):
            assert np.allclose(getattr(one, name), getattr(other, name), rtol=1e-13, atol=0)
    start = np.zeros((1, 3), dtype=np.int64)
    assert Weights(weights).scores(PROBLEM, start, start).sum() == pytest.approx(1.0, abs=1e-15)


def test_weights_conform():
    class Proportional(sa.Exact):
        name = "proportional"

        def action_probabilities(self, problem, counts, wins, usable):
            return 5.0 * super().action_probabilities(problem, counts, wins, usable) + 2.0 * ~usable

    with pytest.raises(sa.ConformanceError) as caught:
        sa.check_policy(Proportional())
    assert [fault.split(":")[0] for fault in caught.value.faults] == ["pickle"], "a class of a function"


# What they raise.


@dataclass(frozen=True)
class Fails(sa.AuditIndex):
    """A policy of another package that raises, in the method and with the error of a test."""

    where: str = "index"
    error: BaseException | None = None
    name = "fails"

    def index(self, states):
        if self.where == "index":
            raise self.error
        return super().index(states)

    def index_scale(self, problem):
        if self.where == "index_scale":
            raise self.error
        return super().index_scale(problem)


@pytest.mark.parametrize("where", ["index", "index_scale"])
@pytest.mark.parametrize("error", [KeyError("why"), ZeroDivisionError(), SystemExit(0), RuntimeError("a\nb")])
@pytest.mark.parametrize("door", ["evaluate", "simulate", "session", "wrapper"])
def test_an_error_of_a_policy_is_passed_on_with_a_note(where, error, door):
    if hasattr(error, "__notes__"):
        del error.__notes__
    with pytest.raises(type(error)) as caught:
        DOORS[door](Fails(where=where, error=error))
    assert caught.value is error
    assert len(error.__notes__) == 1
    place = rf"raised in policy {re.escape(__name__)}:Fails\.{where} \(.*test_plugins\.py, line \d+\)$"
    assert re.match(place, error.__notes__[0])


def test_errors_of_the_package_itself_and_interrupts_get_no_note():
    with pytest.raises(sa.ProblemTooLarge) as caught:
        sa.evaluate(sa.Problem([0.5] * 40, budget=4000), sa.KnowledgeGradient())
    assert source_of(caught.value) is None
    error = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        sa.evaluate(PROBLEM, Fails(error=error))
    assert source_of(error) is None


@dataclass(frozen=True)
class Unspeakable(sa.AuditIndex):
    """A policy whose repr fails."""

    name = "unspeakable"

    def __repr__(self):
        raise RuntimeError("no words")


class Mute:
    """An object without words."""

    def __repr__(self):
        raise RuntimeError("no words")


def test_an_object_whose_repr_fails_does_not_break_what_is_said_of_it():
    assert sa.compare(PROBLEM, [Unspeakable(), "kg"]) is not None
    for check in (sa.check_policy, sa.check_belief, sa.check_rater_model):
        with pytest.raises(sa.ConformanceError, match="found <Mute, whose repr raises RuntimeError>; expected"):
            check(Mute())
    for cases in (sa.policy_cases, sa.belief_cases, sa.rater_model_cases):
        for wrong in ([None], [Mute()], {"x": 3}):
            with pytest.raises(sa.ConformanceError, match="expected an instance of a subclass of"):
                cases(wrong)
        with pytest.raises(ValueError, match="is 3; it must be a mapping or a sequence"):
            cases(3)


# Copies.


def arrays(record) -> dict[str, np.ndarray]:
    return {name: value for name, value in vars(record).items() if isinstance(value, np.ndarray)}


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
@pytest.mark.parametrize(
    "record",
    [
        PROBLEM,
        sa.Problem.from_logratio([0.1, 2.0], 0.5, 7, cost=[1, 2], prior=[(1, 2), (3, 4)], quota=[([0], 1)]),
        sa.Problem([0.5], 3, prior=sa.NoisyBeta(1, 1, 0.1)),
        states_at(PROBLEM, np.arange(3), np.zeros(3), np.zeros(3)),
    ],
)
def test_arrays_of_a_copy_are_read_only_as_those_of_the_original(record, copied):
    again = copied(record)
    assert set(arrays(again)) == set(arrays(record)) != set()
    for name, value in arrays(again).items():
        assert not value.flags.writeable, name
        assert np.array_equal(value, arrays(record)[name], equal_nan=True)
    if isinstance(record, sa.Problem):
        assert again == record
        assert again.digest() == record.digest()


def test_states_do_not_make_the_callers_arrays_read_only():
    counts, wins = np.ones(3), np.zeros(3)
    states = states_at(PROBLEM, np.arange(3), counts, wins)
    assert counts.flags.writeable
    assert not any(value.flags.writeable for value in arrays(states).values())


# Settings.


@pytest.mark.parametrize(
    ("make", "setting"),
    [
        (lambda x: sa.Lookahead(leaf=x), "leaf"),
        (lambda x: sa.Lookahead(shortlist=x), "shortlist"),
        (lambda x: sa.Rollout(base=x), "base"),
        (lambda x: sa.Rollout(shortlist=x), "shortlist"),
        (lambda x: sa.EpsilonAudit(base=x), "base"),
    ],
)
def test_the_setting_that_is_wrong_is_named(make, setting):
    for wrong in (3, "kgg"):
        with pytest.raises(ValueError, match=rf"^[a-z-]+: {setting}( is |: )") as caught:
            make(wrong)
        assert not re.search(rf": (?!{setting})(base|leaf|shortlist)( is |: )", str(caught.value))


def test_policies_within_policies_have_a_limit_that_is_said_in_one_line():
    policy: sa.Policy = sa.KnowledgeGradient()
    for _ in range(18):
        policy = sa.Rollout(policy)
    for base in (sa.Rollout(policy), sa.EpsilonAudit(policy)):
        with pytest.raises(ValueError, match=r"rollout: base has policies within policies; .* at most 20 levels$"):
            sa.Rollout(base)
    for text in ("rollout(base=" * 200 + "kg" + ")" * 200, "rollout(shortlist=" * 30 + "kg" + ")" * 30):
        with pytest.raises(ValueError, match="at most 20 levels"):
            sa.make_policy(text)


# One place for each kind of object.


def test_policies_and_beliefs_are_called_in_one_place():
    """Elsewhere a call would show them arrays that can be written, and use what they return unchecked."""
    calls = re.compile(
        r"\.(action_probabilities|prepare)\(|\b(policy|base|based_on|shortlist)\.(scores|index|allowed)\("
    )
    own = {"dp/evaluation/asking.py", "bandits/conformance/choices.py", "bandits/conformance/indices.py"}
    asked = re.compile(r"\bbelief(\([^()]*(\([^()]*\))?[^()]*\))?\.(at|tables|draw|label_chance)\(")
    free = {"posteriors/beliefs/asking.py", "posteriors/conformance/beliefs.py", "benchmarks/runner/warm.py"}
    for path in ROOT.rglob("*.py"):
        name = path.relative_to(ROOT).as_posix()
        if name.startswith(("tests/", "docs/", "build/")) or "/kernels/" in name:
            continue
        examples = (">>> ", "... ")
        lines = [x for x in path.read_text(encoding="utf-8").splitlines() if not x.lstrip().startswith(examples)]
        for line in lines:
            assert name in own or "super()" in line or not calls.search(line), f"{name}: {line}"
            assert name in free or "design_choices" in name or not asked.search(line), f"{name}: {line}"


@pytest.mark.parametrize("size", [1.0, 1e-300, 1e-320, 5e-324])
def test_weights_of_any_size_are_the_same_probabilities(size):
    problem = sa.Problem([0.55, 0.41, 0.32], budget=6)
    policy = Weights(lambda counts, wins, usable: usable * size)
    assert sa.evaluate(problem, policy).value == pytest.approx(sa.evaluate(problem, "uniform").value, abs=1e-12)
    found, wanted = (sa.simulate(problem, x, replications=50, seed=7).labels for x in (policy, Weights()))
    assert found.tolist() == wanted.tolist()
