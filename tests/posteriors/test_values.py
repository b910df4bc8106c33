"""Frozen values: nothing is in them but fields that can be compared, so equal ones are the same in every use."""

from __future__ import annotations

import copy
import inspect
import pickle
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pytest

import seqaudit as sa
from seqaudit.posteriors.foundation.values import FrozenValue


class Plain(sa.IndexPolicy):
    name = "plain"

    def __init__(self, by):
        self.by = by

    def index(self, states):
        return self.by * states.labels


class Behind(Plain):
    def __init__(self, by):
        object.__setattr__(self, "by", by)


class Slotted(Behind):
    __slots__ = ("by",)


class PrivatelySlotted(Plain):
    __slots__ = ("__by",)

    def __init__(self, by):
        object.__setattr__(self, "_PrivatelySlotted__by", by)


@dataclass(frozen=True)
class FieldBelowPlain(Behind):
    more: int = 0

    def __init__(self, by):
        object.__setattr__(self, "by", by)


class OnUtility(sa.Utility):
    name = "on-utility"

    def __init__(self, by):
        self.by = by


class OnBelief(sa.Beta):
    kind = "on-belief"

    def __init__(self, by):
        super().__init__(1, 1)
        object.__setattr__(self, "by", by)


class OnModel(sa.PartialPooling):
    name = "on-model"

    def __init__(self, by):
        object.__setattr__(self, "by", by)


@pytest.mark.parametrize(
    "cls", [Plain, Behind, Slotted, PrivatelySlotted, FieldBelowPlain, OnUtility, OnBelief, OnModel]
)
def test_attributes_that_are_no_fields_are_refused_when_the_first_object_is_made(cls):
    with pytest.raises(ValueError, match=f"{cls.__name__}: '.*by' is not a field, .*; write @dataclass"):
        cls(2.0)


def test_attributes_cannot_be_set_later():
    policy = sa.KnowledgeGradient()
    with pytest.raises(AttributeError):
        policy.ties = "first"

    class Remembering(sa.KnowledgeGradient):
        name = "remembering"

        def gain(self, states):
            self.last = states
            return super().gain(states)

    with pytest.raises(ValueError, match="Remembering: 'last' is not a field"):
        sa.evaluate(sa.Problem([0.5], 2), Remembering())


def test_equality_of_ones_own_is_refused():
    class Compared(sa.KnowledgeGradient):
        name = "compared"

        def __eq__(self, other):
            return True

    with pytest.raises(ValueError, match="Compared: Compared defines __eq__; leave equality and hashes to @dataclass"):
        Compared()


@dataclass(frozen=True)
class Kept(FrozenValue):
    by: object

    @cached_property
    def twice(self):
        return 2 * self.by


class KeptFromTheStart(Kept):
    def __post_init__(self):
        assert self.twice == 2 * self.by


@dataclass(frozen=True, slots=True)
class WithSlots(FrozenValue):
    by: object


@pytest.mark.parametrize("cls", [Kept, KeptFromTheStart, WithSlots])
@pytest.mark.parametrize("by", [2, np.float64(2.0), np.array(2)])
def test_values_are_equal_by_their_fields(cls, by):
    one = cls(by)
    assert one == cls(2)
    assert hash(one) == hash(cls(2))
    assert one != cls(3)
    for again in (copy.copy(one), copy.deepcopy(one), pickle.loads(pickle.dumps(one)), replace(one)):
        assert again == one
        assert again.by == 2


@pytest.mark.parametrize("by", [np.zeros(1), np.ma.masked, [1], {1}, ((1, [2]),), np.zeros((0,))])
def test_fields_that_have_no_hash_or_several_values_are_refused(by):
    with pytest.raises(ValueError, match="Kept: field by is"):
        Kept(by)


@dataclass(frozen=True)
class NotCompared(FrozenValue):
    by: object = field(default=1.0, compare=False)


@dataclass(frozen=True, eq=False)
class NotComparedByItsOwn(Kept):
    more: float = 1.0


class HashedOtherwise(Kept):
    def __hash__(self):
        return 1


@pytest.mark.parametrize(
    ("cls", "told"),
    [
        (NotCompared, "field by is not compared, .* leave out compare=False"),
        (NotComparedByItsOwn, "objects are compared by the fields of Kept alone; leave out eq=False"),
        (HashedOtherwise, "HashedOtherwise defines __hash__"),
    ],
)
def test_classes_whose_objects_are_compared_by_less_than_all_fields_are_refused(cls, told):
    with pytest.raises(ValueError, match=f"{cls.__name__}: {told}"):
        cls(2)


def test_minus_zero_is_zero():
    assert str(Kept(-0.0).by) == "0.0"


def test_array_without_dimensions_is_the_number_in_it():
    assert type(Kept(np.array(2)).by) is int


@pytest.mark.parametrize("cls", [sa.TopTwo, sa.Asymmetric, sa.Beta, sa.DawidSkene, Kept])
def test_signatures_are_those_of_the_classes(cls):
    stated = [name for name in inspect.signature(cls.__init__).parameters if name != "self"]
    assert list(inspect.signature(cls).parameters) == stated
