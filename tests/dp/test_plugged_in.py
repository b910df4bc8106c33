"""Beliefs and utilities that users plug in: shown arrays that cannot be written, and checked before their use."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

import seqaudit as sa
from seqaudit.posteriors.foundation.plugins import portable, source_of


@dataclass(frozen=True)
class Strange(sa.Beta):
    """A Beta belief of which a test changes one method."""

    method: str = ""
    change: Callable = lambda answer, *arguments: answer
    kind = "strange"

    def __init__(self, method, change):
        super().__init__(1.0, 1.0)
        object.__setattr__(self, "method", method)
        object.__setattr__(self, "change", change)

    def _changed(self, method, answer, *arguments):
        return self.change(answer, *arguments) if method == self.method else answer

    def at(self, labels, wins, threshold):
        return self._changed("at", super().at(labels, wins, threshold), labels, wins, threshold)

    def tables(self, n_max, threshold):
        return self._changed("tables", super().tables(n_max, threshold))

    def draw(self, rng, size=None):
        return self._changed("draw", super().draw(rng, size))

    def label_chance(self, alpha):
        return self._changed("label_chance", super().label_chance(alpha), alpha)


def problem(belief: sa.Belief) -> sa.Problem:
    return sa.Problem([0.5, 0.6], budget=3, prior=belief)


# Doors, by the method of a belief that they call.
DOORS = {
    "tables": {
        "solve": sa.solve,
        "bound": sa.upper_bound,
        "evaluate": lambda p: sa.evaluate(p, sa.Uniform()),
        "allocate": sa.allocate,
        "kg-star": lambda p: sa.simulate(p, "kg-star", replications=2, seed=7),
    },
    "at": {
        "prior": lambda p: p.prior_value,
        "simulate": lambda p: sa.simulate(p, "kg", replications=2, seed=7),
        "session": lambda p: sa.Session(p, "kg", seed=7).tail,
        "rollout": lambda p: sa.simulate(p.replace(batch=3), sa.Rollout("uniform", runs=2), replications=2, seed=7),
    },
    "draw": {"simulate": lambda p: sa.simulate(p, "uniform", replications=2, seed=7)},
    "label_chance": {
        "simulate": lambda p: sa.simulate(p, "uniform", replications=2, seed=7),
        "characteristics": lambda p: sa.operating_characteristics(p, sa.Uniform(), alpha=[0.6]),
    },
}
CASES = [(method, door) for method, doors in DOORS.items() for door in doors]
TRIPLES = {
    "nan": (
        lambda x, *_: x._replace(tail=x.tail * np.nan),
        "tail of (at|tables) is nan; it must be a number",
    ),
    "above": (
        lambda x, *_: x._replace(mean=x.mean + 1.5),
        "mean of (at|tables) is .*; it must be a number from 0",
    ),
    "below": (lambda x, *_: x._replace(jump=x.jump - 2), "jump of (at|tables) is .*; it must be a number from -1 to 1"),
    "shape": (lambda x, *_: x._replace(tail=np.ones(17)), r"tail of (at|tables) has shape \(17,\)"),
    "complex": (lambda x, *_: x._replace(tail=x.tail * 1j), "tail of (at|tables) is of type complex128"),
    "masked": (lambda x, *_: x._replace(tail=np.ma.masked_array(x.tail, True)), "has masked entries"),
    "pair": (lambda x, *_: x[:2], "(at|tables) returned tuple; it must be mean, tail and jump"),
    "nothing": (lambda x, *_: None, "(at|tables) returned NoneType"),
}
NUMBERS = {
    "nan": (lambda x, *_: x * np.nan, "is nan; it must be a number from 0 to 1"),
    "above": (lambda x, *_: x + 1.5, "it must be a number from 0 to 1"),
    "shape": (lambda x, *_: np.ones(17) / 2, r"has shape \(17,\)"),
    "text": (lambda x, *_: "half", "is of type <U4"),
}


@pytest.mark.parametrize(("method", "door"), CASES)
def test_numbers_of_a_belief_that_are_none_are_refused_before_their_use(method, door):
    for change, message in (TRIPLES if method in ("at", "tables") else NUMBERS).values():
        with pytest.raises(ValueError, match=f"belief strange: .*{message}"):
            DOORS[method][door](problem(Strange(method, change)))


@pytest.mark.parametrize(("method", "door"), CASES)
def test_an_error_of_a_belief_is_passed_on_with_a_note(method, door):
    def fail(*_):
        raise LookupError("no such state")

    with pytest.raises(LookupError, match="no such state") as caught:
        DOORS[method][door](problem(Strange(method, fail)))
    place = rf"belief {re.escape(__name__)}:Strange\.{method} \(.*test_plugged_in\.py, line \d+\)$"
    assert re.match(place, source_of(caught.value))


@pytest.mark.parametrize("door", DOORS["at"])
@pytest.mark.parametrize("which", [0, 1])
def test_belief_that_writes_into_its_arguments_gets_an_error(door, which):
    def write(answer, *arguments):
        arguments[which][...] = 0
        return answer

    with pytest.raises(ValueError, match="read-only"):
        DOORS["at"][door](problem(Strange("at", write)))


def test_a_class_derived_from_beta_is_not_taken_for_beta():
    surer = Strange("tables", lambda x, *_: x._replace(tail=x.tail**2))
    assert sa.solve(problem(surer)).value != sa.solve(problem(sa.Beta(1, 1))).value
    assert sa.solve(problem(Strange("", None))).value == pytest.approx(
        sa.solve(problem(sa.Beta(1, 1))).value, rel=1e-13
    )


# Utilities.


@dataclass(frozen=True)
class Payoff(sa.Utility):
    """A utility that fails, as a test says, for all but the arrays of the trial when it is made."""

    change: Callable = lambda h, p: h
    name = "payoff"

    def __call__(self, p):
        return np.maximum(p, 1 - p) if p.shape == (2, 53) else self.change(np.maximum(p, 1 - p), p)

    def score(self, stated, p):
        return self.change(np.where(stated > 0.5, p, 1 - p), p)

    def decide(self, p):
        return self.change(p > 0.5, p)


PAYS = {
    "prior": lambda p: p.prior_value,
    "solve": sa.solve,
    "bound": sa.upper_bound,
    "allocate": sa.allocate,
    "evaluate": lambda p: sa.evaluate(p, sa.KnowledgeGradient()),
    "nature": lambda p: sa.evaluate(p, sa.Uniform(), nature=sa.NoisyBeta(1, 1, 0.1)),
    "simulate": lambda p: sa.simulate(p, "thompson", replications=2, seed=7),
    "decide": lambda p: sa.Session(p, "uniform", seed=7).decisions(),
}


@pytest.mark.parametrize("door", PAYS)
def test_payoffs_that_are_none_are_refused_before_their_use(door):
    changes: dict[str, Callable] = {
        "shape": lambda h, p: np.ones(17),
        "type": lambda h, p: h * 1j,
        "none": lambda h, p: None,
        "text": lambda h, p: np.full(p.shape, "much"),
    }
    if door != "decide":
        changes["nan"] = lambda h, p: h * np.nan
    for change in changes.values():
        with pytest.raises(ValueError, match="utility payoff returned "):
            PAYS[door](sa.Problem([0.5, 0.6], budget=3, utility=Payoff(change)))


@pytest.mark.parametrize("door", PAYS)
def test_an_error_of_a_utility_is_passed_on_with_a_note(door):
    def fail(h, p):
        raise LookupError("no such payoff")

    def write(h, p):
        p[...] = 0
        return h

    for change, kind, says in ((fail, LookupError, "no such payoff"), (write, ValueError, "read-only")):
        with pytest.raises(kind, match=says) as caught:
            PAYS[door](sa.Problem([0.5, 0.6], budget=3, utility=Payoff(change)))
        assert re.match(rf"utility {re.escape(__name__)}:Payoff.*line \d+\)$", source_of(caught.value))


def test_a_sound_utility_of_a_user_pays_as_the_built_in_one_does():
    for door in ("solve", "evaluate", "nature", "simulate"):
        mine, built_in = (PAYS[door](sa.Problem([0.5, 0.6], budget=3, utility=u)) for u in (Payoff(), "accuracy"))
        for name in ("value", "mean"):
            if hasattr(built_in, name):
                assert getattr(mine, name) == pytest.approx(getattr(built_in, name), rel=1e-14)


@dataclass(frozen=True)
class Squared(sa.Accuracy):
    """A class derived from a built-in one, with another payoff."""

    name = "squared"

    def __call__(self, p):
        return np.maximum(p, 1 - p) ** 2


def test_a_class_with_another_payoff_does_not_inherit_what_is_said_of_the_old_one():
    mine = sa.Problem([0.5, 0.7], budget=8, utility=Squared())
    plain = sa.Problem([0.5, 0.7], budget=8, utility=lambda p: np.maximum(p, 1 - p) ** 2)
    assert Squared().kink() is None
    assert sa.upper_bound(mine).value == pytest.approx(sa.upper_bound(plain).value, rel=1e-12)
    assert sa.upper_bound(mine).value >= sa.solve(mine).value == pytest.approx(sa.solve(plain).value, rel=1e-12)
    with pytest.raises(ValueError, match="has no score"):
        sa.evaluate(mine, sa.Uniform(), nature=sa.NoisyBeta(1, 1, 0.1))


class Nameless(sa.Utility):
    """A utility without a name."""

    def __call__(self, p):
        return p * 1.0


@dataclass(frozen=True)
class Limited(sa.Accuracy):
    """An accuracy with another limit or kink."""

    name = "limited"

    limit: object = 0.5
    bend: object = (0.5, 2.0)

    def accept_above(self):
        return self.limit

    def kink(self):
        return self.bend


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (sa.Utility(), "utility is of the class Utility, which lacks a name or a __call__"),
        (Nameless(), "utility is of the class Nameless, which lacks a name or a __call__"),
        (sa.Accuracy, r"utility is the class Accuracy; give an object of it, such as Accuracy\(\)"),
        (Payoff, r"utility is the class Payoff; give an object of it"),
        (sa.Utility, "utility is the class Utility; give an object"),
        (dict, "utility is the class dict; give an object"),
    ],
)
def test_what_is_no_utility_is_refused_in_one_line(spec, message):
    for door in (sa.make_utility, lambda x: sa.Problem([0.5], budget=1, utility=x)):
        with pytest.raises(ValueError, match=message) as caught:
            door(spec)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("utility", "call", "message"),
    [
        (Limited(limit=2.0), lambda u: u.decide(np.zeros(2)), "accept_above of utility limited is 2.0"),
        (Limited(limit=np.nan), lambda u: u.accept_above(), "accept_above of utility limited is nan"),
        (Limited(limit="half"), lambda u: u.accept_above(), "accept_above of utility limited is 'half'"),
        (Limited(bend=3), lambda u: u.kink(), "kink of utility limited is of type int; it must be None or a pair"),
        (
            Limited(bend=(0.5, np.inf)),
            lambda u: u.kink(),
            "kink of utility limited is inf; it must be positive and finite",
        ),
        (Limited(bend=(-1, 2)), lambda u: u.kink(), "kink of utility limited is -1; it must be from 0 to 1"),
    ],
)
def test_limits_and_kinks_that_are_none_are_refused(utility, call, message):
    with pytest.raises(ValueError, match=message):
        call(utility)


def test_a_callable_that_fails_after_its_trial_passes_its_error_on():
    def late(p):
        if p.shape != (2, 53):
            raise LookupError("late")
        return p * 1.0

    with pytest.raises(LookupError, match="late") as caught:
        sa.solve(sa.Problem([0.5], budget=1, utility=late))
    assert source_of(caught.value).startswith(f"utility {__name__}:")


class TwoArguments(Exception):
    """An error that cannot be restored from its message, nor from what it holds."""

    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")
        self.held = threading.Lock()


def test_an_error_leaves_a_worker_process_with_its_note():
    for error, kept in ((KeyError("x"), True), (TwoArguments(1, 2), False), (SystemExit(3), True)):
        error.add_note("raised in policy mine:Mine.index")
        back = portable(error)
        assert (back is error) == kept
        assert source_of(back) == "policy mine:Mine.index"
        if not kept:
            assert str(back) == "TwoArguments: 1 and 2"
