"""Where the problems of a study come from: stated in the study, files of problems, label files, and generators.

A source gives a problem for each combination of a study's axes, and the truth and the labels of each replication. They
are keyed by the study's seed, the source, the replication and their role: the same for all policies, and for all
values of the axes, whatever the order and the place of the work.
"""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...bandits.simulation.simulate import PlayedSource, PriorNature
from ...dp.machine.seal import digest
from ...dp.problem.problem import Problem
from ...posteriors.foundation.arrays import Bools
from ...posteriors.foundation.canonical import canonical
from ...posteriors.foundation.tolerances import above
from ...posteriors.votes.label_set import LabelSet
from ..data.problem_of_labels import problem_of_labels
from ..replay.replay import VotePools
from ..runner.folder import identity, problem_as_inputs

__all__ = ["Draws", "LabelPools", "Source", "Stated", "words_of"]

# Roles of draws.
_TRUTH, _KEYS = 0, 1


def words_of(text: str) -> tuple[int, ...]:
    """Digest of a text as four words of 32 bits, for the keys of random draws.

    Examples
    --------
    >>> len(words_of("flat")), words_of("flat") == words_of("flat")
    (4, True)
    """
    found = digest(text.encode())
    return tuple(int(found[k : k + 8], 16) for k in range(0, 32, 8))


@dataclass(frozen=True, eq=False)
class Draws:
    """Truth and labels of some replications of one problem.

    Attributes
    ----------
    truth : ndarray of bool, shape (R, N)
        True if an item's rate is above its threshold.
    labels : PlayedSource
        Labels as they are bought.
    keys : ndarray of uint64, shape (R, 2)
        Keys of the policy's own draws.
    """

    truth: Bools
    labels: PlayedSource
    keys: NDArray[np.uint64]


@dataclass(frozen=True, eq=False)
class Source:
    """Source of problems.

    Attributes
    ----------
    name : str
        Name in tables.
    """

    name: str

    @abstractmethod
    def inputs(self) -> dict[str, Any]:
        """Everything that determines the source, but for axes, as JSON holds it."""

    @abstractmethod
    def problem(self, axes: Mapping[str, Any]) -> Problem:
        """Problem with the values of the axes."""

    @abstractmethod
    def draws(self, problem: Problem, seed: int, replications: Sequence[int]) -> Draws:
        """Draws of some replications for a problem of this source."""

    @cached_property
    def _words(self) -> tuple[int, ...]:
        return words_of(json.dumps(identity(self.inputs()), sort_keys=True))

    def _seeds(self, seed: int, replications: Sequence[int], role: int) -> list[np.random.SeedSequence]:
        return [np.random.SeedSequence(seed, spawn_key=(*self._words, r, role)) for r in replications]

    def _keys(self, seed: int, replications: Sequence[int]) -> NDArray[np.uint64]:
        found = [x.generate_state(2, np.uint64) for x in self._seeds(seed, replications, _KEYS)]
        return np.array(found, dtype=np.uint64).reshape(len(replications), 2)


@dataclass(frozen=True, eq=False)
class Stated(Source):
    """A problem that is stated, or that a generator has drawn: rates are drawn from its priors, labels from the rates."""

    given: Problem

    def inputs(self) -> dict[str, Any]:
        """Fields of the problem."""
        return {"problem": problem_as_inputs(self.given), "prior": json.loads(canonical(self.given.prior))}

    def problem(self, axes: Mapping[str, Any]) -> Problem:
        """Problem with the values of the axes; ``labels_per_item`` is a budget of so many times its items."""
        changes = dict(axes)
        if "labels_per_item" in changes:
            changes["budget"] = max(1, round(changes.pop("labels_per_item") * self.given.size))
        return self.given.replace(**changes) if changes else self.given

    def draws(self, problem: Problem, seed: int, replications: Sequence[int]) -> Draws:
        """Rates from the priors, labels from the rates."""
        keys = self._keys(seed, replications)
        nature = PriorNature.draw(problem, self._seeds(seed, replications, _TRUTH), keys)
        return Draws(above(nature.rate, problem.threshold), nature, keys)


@dataclass(frozen=True, eq=False)
class LabelPools(Source):
    """Recorded votes, bought without replacement; the truth is the share of wins among all votes of an item.

    Attributes
    ----------
    votes : LabelSet
    files : dict
        Records of the files that hold the votes.
    settings : dict
        Keywords of ``problem_of_labels`` that are no axes.
    """

    votes: LabelSet
    files: Mapping[str, Any]
    settings: Mapping[str, Any]

    def inputs(self) -> dict[str, Any]:
        """Digests of the files, and the settings."""
        return {"labels": dict(self.files), "settings": dict(self.settings)}

    def problem(self, axes: Mapping[str, Any]) -> Problem:
        """Problem of the items, with the values of the axes."""
        changes = {**self.settings, **axes}
        if "labels_per_item" in changes:
            changes["budget"] = max(1, round(changes.pop("labels_per_item") * self.votes.n_items))
        return problem_of_labels(self.votes, changes.pop("budget"), **changes)

    def draws(self, problem: Problem, seed: int, replications: Sequence[int]) -> Draws:
        """Shuffled pools."""
        pools = VotePools.shuffle(self.votes, self._seeds(seed, replications, _TRUTH))
        truth = np.broadcast_to(above(self.votes.rate, problem.threshold), (len(replications), problem.size))
        return Draws(truth, pools, self._keys(seed, replications))
