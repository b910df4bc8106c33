"""The suite accepts every kind of belief, and each of its clauses catches a belief that breaks it."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pytest
from oracles.beliefs import SAMPLES

import seqaudit as sa
from seqaudit.posteriors.beliefs.belief import checked_states
from seqaudit.posteriors.beliefs.registry import belief_kinds
from seqaudit.posteriors.conformance import beliefs as conformance

ALL = [*SAMPLES, sa.Grid([0, 0.4, 1], [2, 1, 1]), sa.Grid([0, 1], [1, 3]), sa.Grid([0.4], [1])]


def test_all_kinds_are_tried():
    assert {belief.kind for belief in ALL} == set(belief_kinds())


@pytest.mark.parametrize("case", sa.belief_cases(ALL))
def test_built_in_beliefs_conform(case):
    case()


@pytest.mark.smoke
@pytest.mark.parametrize("belief", [ALL[0], ALL[-3]], ids=repr)
def test_verdict_on_a_good_belief_does_not_hang_on_the_seed(belief):
    for seed in range(8):
        sa.check_belief(belief, seed=seed)


class Broken(sa.Beta):
    """The beliefs below are of a kind of their own, like Beta but for one thing; ``changed`` changes all numbers."""

    kind = "broken"
    mean = sa.Belief.mean

    def changed(self, labels, wins, threshold, found):
        return found

    def at(self, labels, wins, threshold):
        return sa.BeliefTables(*self.changed(labels, wins, threshold, super().at(labels, wins, threshold)))

    def tables(self, n_max, threshold):
        return sa.Belief.tables(self, n_max, threshold)

    def after(self, wins, losses):
        later = super().after(wins, losses)
        return type(self)(later.a, later.b)


def test_what_the_broken_beliefs_derive_from_conforms():
    sa.check_belief(Broken(1, 1))


class NoKind(Broken):
    kind = None


def in_a_function():
    class Local(Broken):
        pass

    return Local(1, 1)


class Unlike(Broken):
    def as_dict(self):
        return {"kind": "broken", "a": self.a, "b": self.b + 1}


class ArraysInDict(Broken):
    def as_dict(self):
        return super().as_dict() | {"a": np.float64(self.a)}


class OtherKindInDict(Broken):
    def as_dict(self):
        return super().as_dict() | {"kind": "gamma"}


class Flat(Broken):
    def changed(self, labels, wins, threshold, found):
        return [x.reshape(-1) for x in found]


class Whole(Broken):
    def changed(self, labels, wins, threshold, found):
        return [np.asarray(x, dtype=np.float32) for x in found]


class NanForMany(Broken):
    def changed(self, labels, wins, threshold, found):
        return [np.where(np.asarray(labels) > 9999, np.nan, x) for x in found]


class MeanAboveOne(Broken):
    def changed(self, labels, wins, threshold, found):
        return found.mean + 1e-3 * (np.asarray(labels) == wins), found.tail, found.jump


class LooksAcross(Broken):
    def changed(self, labels, wins, threshold, found):
        return found.mean, found.tail * (1 - 1e-6 * (np.size(found.tail) > 1)), found.jump


class Position(Broken):
    def changed(self, labels, wins, threshold, found):
        shift = np.arange(np.size(found.tail)).reshape(np.shape(found.tail))
        return found.mean, found.tail * (1 - 1e-6 * shift / 1000), found.jump


class SpendsLabels(Broken):
    def changed(self, labels, wins, threshold, found):
        if np.ndim(labels):
            labels[...] = 0
        return found


class WantsToWrite(Broken):
    def changed(self, labels, wins, threshold, found):
        if isinstance(labels, np.ndarray) and not labels.flags.writeable:
            raise TypeError("no matching signature")
        return found


class NoZeros(Broken):
    def tables(self, n_max, threshold):
        mean, tail, jump = super().tables(n_max, threshold)
        return sa.BeliefTables(mean, np.where(tail == 0, 0.5, tail), jump)


class OldTables(Broken):
    def tables(self, n_max, threshold):
        mean, tail, jump = super().tables(n_max, threshold)
        return sa.BeliefTables(mean, tail, jump * 1.001)


class MeanOfItsOwn(Broken):
    @property
    def mean(self):
        return 0.5 + 0.1 * self.a


class Sticky(Broken):
    """Means halfway to one half: no martingale."""

    def changed(self, labels, wins, threshold, found):
        share = 1.0 / (2.0 + np.asarray(labels))
        return (1 - share) * found.mean + share / 2, found.tail, found.jump


class Squared(Broken):
    def changed(self, labels, wins, threshold, found):
        return found.mean, found.tail**2, found.jump


class HalfJump(Broken):
    def changed(self, labels, wins, threshold, found):
        return found.mean, found.tail, found.jump / 2


class Backwards(Broken):
    """Tails of the other side."""

    def changed(self, labels, wins, threshold, found):
        return found.mean, 1 - found.tail, -found.jump


class RisesWithThreshold(Broken):
    """The tail at the mirrored threshold: a martingale, higher with more wins, but for the wrong bar."""

    def at(self, labels, wins, threshold):
        return sa.Beta(self.a, self.b).at(labels, wins, 1 - np.asarray(threshold))


class Forgets(Broken):
    def after(self, wins, losses):
        later = super().after(wins, losses)
        return type(self)(later.a, self.b) if wins else later


class BecomesBeta(Broken):
    def after(self, wins, losses):
        return self if wins == losses == 0 else sa.Beta(self.a, self.b).after(wins, losses)


class ChanceAboveOne(Broken):
    def label_chance(self, alpha):
        return np.array(alpha) * 1.01


class ChanceFalls(Broken):
    def label_chance(self, alpha):
        return 1 - np.array(alpha)


class ChanceInPlace(Broken):
    def label_chance(self, alpha):
        alpha *= 1.0 - 1e-6
        return alpha


class FlatDraws(Broken):
    def draw(self, rng, size=None):
        return np.atleast_1d(super().draw(rng, size)).reshape(-1)


class IgnoresGenerator(Broken):
    def draw(self, rng, size=None):
        return np.random.random(size)  # noqa: NPY002


class DrawsOdds(Broken):
    def draw(self, rng, size=None):
        alpha = super().draw(rng, size)
        return alpha / (1 - alpha)


class DrawsThePrior(Broken):
    def draw(self, rng, size=None):
        return rng.beta(1.0, 1.0, size)


class DrawsTheMean(Broken):
    def draw(self, rng, size=None):
        return rng.choice([self.mean - 1e-3, self.mean + 1e-3], size)


class TakesAnything(Broken):
    def at(self, labels, wins, threshold):
        labels, wins, threshold = np.broadcast_arrays(labels, wins, threshold)
        n = np.maximum(labels, 0).astype(int)
        bar = np.nan_to_num(np.clip(threshold, 1e-9, 1 - 1e-9), nan=0.5)
        return super().at(n, np.clip(wins, 0, n).astype(int), bar)


class TakesAnyTable(Broken):
    def tables(self, n_max, threshold):
        return super().tables(max(n_max, 0), threshold)


class TakesAnyLabels(Broken):
    def after(self, wins, losses):
        return super().after(max(wins, 0), max(losses, 0))


class RefusesWithAKeyError(Broken):
    def after(self, wins, losses):
        if wins < 0:
            raise KeyError(wins)
        return super().after(wins, losses)


BROKEN = [
    ("kind", NoKind(1, 1), r"found None; expected a class attribute kind"),
    ("pickle", in_a_function(), r"; expected a class at the top of a module"),
    ("description", Unlike(1, 1), r"makes .*b=2\.0\); expected an equal belief"),
    ("description", ArraysInDict(1, 1), r"a has np\.float64\(1\.0\) of type float64; expected plain numbers"),
    ("description", OtherKindInDict(1, 1), r"kind is 'gamma'; expected 'broken'"),
    ("shapes", Flat(1, 1), r"mean has shape \(1,\); expected \(\)"),
    ("shapes", Whole(1, 1), r"mean is of type float32; expected float64"),
    ("arguments", SpendsLabels(1, 1), r"at changed labels"),
    ("arguments", WantsToWrite(1, 1), r"read-only arrays: raised TypeError: no matching signature"),
    ("range", NanForMany(1, 1), r"after 10000 labels and 1 wins, .*: mean is nan"),
    ("range", MeanAboveOne(1000, 1e-3), r"mean is 1\.0009.*; expected a number from 0 to 1"),
    ("elementwise", LooksAcross(1, 1), r"tail is 0\.3999996 among 15 states and 0\.4 alone"),
    ("elementwise", Position(1, 1), r"tail is .* among 15 states and .* alone"),
    ("tables", NoZeros(1, 1), r"tail is not 0 where wins exceed labels"),
    ("tables", OldTables(1, 1), r"after 0 labels and 0 wins, .*: the table of jump has .*; expected the value from at"),
    ("mean", MeanOfItsOwn(1, 1), r"mean is 0\.6; expected that of at without labels, 0\.5"),
    ("mean", Sticky(3, 1), r"the next means average .*; expected the mean"),
    ("tail", Squared(1, 1), r"after 0 labels and 0 wins, threshold 0\.05: the next tails average .*, 0\.9025"),
    ("jump", HalfJump(1, 1), r"jump is .*; expected the tail after a win less that after a loss"),
    ("wins", Backwards(1, 1), r"after 1 labels and 0 wins, .* with one more win; expected it not to fall"),
    ("threshold", RisesWithThreshold(1, 1), r"threshold 0\.02: tail is 0\.02, and 0\.04 for threshold 0\.04"),
    ("after", Forgets(1, 1), r"mean of after\(wins=3, losses=2\) is .*; expected the value in the prior's tables"),
    ("after", BecomesBeta(1, 1), r"after\(wins=3, losses=2\) is Beta\(a=4\.0, b=3\.0\); expected a belief of the same"),
    ("label-chance", ChanceAboveOne(1, 1), r"label_chance of 1 is 1\.01; expected a number from 0 to 1"),
    ("label-chance", ChanceFalls(1, 1), r"label_chance of 0 and a higher rate is 1 and then 0\.95; expected no fall"),
    ("label-chance", ChanceInPlace(1, 1), r"label_chance changed the rates"),
    ("draws", FlatDraws(1, 1), r"draws for size None have shape \(1,\); expected \(\)"),
    ("draws", IgnoresGenerator(1, 1), r"draws of the same generator differ"),
    ("draws", DrawsOdds(5, 1), r"expected rates from 0 to 1"),
    ("sample", DrawsThePrior(1, 1), r"after 3 wins and 1 loss, label_chance averages .*, within 5 standard errors"),
    ("sample", DrawsTheMean(1, 1), r"rate > 0\.3 averages 1 over 4000 draws; expected 0\.7"),
    ("refusals", TakesAnything(1, 1), r"at\(labels=\[3, -1\], .*: was accepted; expected a ValueError"),
    ("refusals", TakesAnyTable(1, 1), r"tables\(-1, threshold=0\.5\): was accepted"),
    ("refusals", TakesAnyLabels(1, 1), r"after\(wins=-1, losses=0\): was accepted"),
    ("refusals", RefusesWithAKeyError(1, 1), r"after\(wins=-1, losses=0\): raised KeyError: -1; expected a ValueError"),
]
# What has no kind cannot be described by it.
ALSO = {
    NoKind: {"description"},
}


@pytest.mark.parametrize(("clause", "belief", "says"), BROKEN, ids=[f"{c}-{type(b).__name__}" for c, b, _ in BROKEN])
def test_broken_belief_is_caught_by_its_clause(clause, belief, says):
    with pytest.raises(sa.ConformanceError) as caught:
        sa.check_belief(belief)
    faults = dict(fault.split(": ", 1) for fault in caught.value.faults)
    assert re.search(says, faults.pop(clause)), caught.value
    assert set(faults) == ALSO.get(type(belief), set()), caught.value
    assert str(caught.value).count("\n") == len(faults)


def test_every_documented_clause_is_shown_to_fail():
    documented = re.findall(r"^([a-z-]+)  +\S", conformance.__doc__, flags=re.MULTILINE)
    assert documented == list(dict.fromkeys(clause for clause, _, _ in BROKEN))
    assert documented == [case.clause for case in sa.belief_cases([sa.Beta(1, 1)])]


@pytest.mark.parametrize("belief", [sa.Beta, "beta", None])
def test_only_an_instance_can_be_tried(belief):
    with pytest.raises(sa.ConformanceError, match=r"expected an instance of a subclass of Belief"):
        sa.check_belief(belief)


@dataclass(frozen=True)
class Known(sa.Belief):
    """A kind of its own, which the registry does not know."""

    rate: float
    kind = "known"

    def at(self, labels, wins, threshold):
        shape, _, _, bar = checked_states(labels, wins, threshold)
        tail = (self.rate > bar).astype(float).reshape(shape)
        return sa.BeliefTables(np.full(shape, self.rate), tail, np.zeros(shape))

    def after(self, wins, losses):
        self.at(wins + losses, wins, 0.5)
        return self

    def draw(self, rng, size=None):
        return np.full(() if size is None else size, self.rate)

    def as_dict(self):
        return {"kind": self.kind, "rate": self.rate}


def test_kinds_of_ones_own_can_be_tried():
    sa.check_belief(Known(0.7))
    (case,) = (case for case in sa.belief_cases({"sure": Known(1.0)}) if case.clause == "sample")
    assert case.__name__ == "sure-sample"
    case()
