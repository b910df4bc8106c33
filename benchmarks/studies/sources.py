"""Sources of the problems of a study: what all have, and problems that are stated, in a file or by a generator.

A source gives a problem for each combination of a study's axes, and the truth and the labels of each replication. They
are keyed by the study's seed, the name of a problem or the files of recorded votes, the replication and their role: the
same for all policies, and for all values of the axes, whatever the order and the place of the work.
"""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ...bandits.simulation.simulate import PriorNature
from ...dp.machine.seal import digest
from ...dp.problem.problem import Problem
from ...posteriors.beliefs.asking import ask_chance, ask_draw
from ...posteriors.beliefs.belief import Belief
from ...posteriors.foundation.arrays import Bools
from ...posteriors.foundation.canonical import canonical
from ...posteriors.foundation.kinds import require_type
from ...posteriors.foundation.messages import first_line, shown
from ...posteriors.foundation.refusals import positive
from ...posteriors.foundation.tolerances import above
from ...posteriors.votes.label_set import LabelSet
from ..replay.replay import VotePools
from ..runner.folder import identity, problem_as_inputs
from ..stress.natures import misbelief

__all__ = ["BOTH_BUDGETS", "PRIOR", "REFERENCE", "TRUTH", "Case", "Draws", "Source", "Stated", "budget_of", "words_of"]

# Roles of draws.
TRUTH, KEYS, REFERENCE = 0, 1, 2
BOTH_BUDGETS = "budget and labels_per_item are given; allowed: one of them"
# Nature that the problem's priors describe.
PRIOR = "prior"


def words_of(text: str) -> tuple[int, ...]:
    """Digest of a text as eight words of 32 bits, for the keys of random draws.

    Examples
    --------
    >>> len(words_of("flat")), words_of("flat") == words_of("flat")
    (8, True)
    """
    found = digest(text.encode())
    return tuple(int(found[k : k + 8], 16) for k in range(0, 64, 8))


@dataclass(frozen=True, eq=False)
class Case:
    """Problem of a source with the values of the axes.

    Attributes
    ----------
    problem : Problem
        Problem by which labels are chosen and decisions made.
    nature : list of Belief, optional
        True belief about each item, where it is another one.
    votes : LabelSet, optional
        Recorded votes that are the labels, where they are not drawn.
    """

    problem: Problem
    nature: Sequence[Belief] | None = None
    votes: LabelSet | None = None

    @property
    def is_believed(self) -> bool:
        """True if labels come from the priors, so that payoffs lie below the optimum on average."""
        return self.nature is None and self.votes is None


@dataclass(frozen=True, eq=False)
class Draws:
    """Truth and labels of some replications of one problem.

    Attributes
    ----------
    truth : ndarray of bool, shape (R, N)
        True if an item's rate is above its threshold.
    labels : PriorNature or VotePools
        Labels as they are bought.
    keys : ndarray of uint64, shape (R, 2)
        Keys of the policy's own draws.
    """

    truth: Bools
    labels: PriorNature | VotePools
    keys: NDArray[np.uint64]


@dataclass(frozen=True, eq=False)
class Source:
    """Source of problems.

    Attributes
    ----------
    name : str
        Name in tables.
    AXES : tuple of str
        Axes that a source of this kind may have.
    """

    AXES: ClassVar[tuple[str, ...]] = ()

    name: str

    @abstractmethod
    def inputs(self) -> dict[str, Any]:
        """Everything that determines the source, but for axes, as JSON holds it."""

    @abstractmethod
    def case(self, axes: Mapping[str, Any]) -> Case:
        """Problem with the values of the axes."""

    @abstractmethod
    def draws(self, case: Case, seed: int, replications: Sequence[int]) -> Draws:
        """Draws of some replications for a problem of this source."""

    def axes_as_inputs(self, axes: Mapping[str, Any]) -> dict[str, Any]:
        """Everything that the values of the axes stand for, as JSON holds it."""
        return dict(axes)

    def require_use(self, combinations: Sequence[Mapping[str, Any]]) -> None:
        """Require that each setting of the source counts for some combination of the values of the axes."""
        return

    def unsure(self, case: Case) -> float | None:
        """Share of the weight whose truth is not settled by the votes; None where the truth is drawn."""
        return None

    def stream(self) -> Any:
        """Key of the draws, beside the seed, the replication and their role, as JSON holds it."""
        return identity(self.inputs())

    @cached_property
    def _words(self) -> tuple[int, ...]:
        return words_of(json.dumps(self.stream(), sort_keys=True))

    def _seeds(self, seed: int, replications: Sequence[int], role: int) -> list[np.random.SeedSequence]:
        return [np.random.SeedSequence(seed, spawn_key=(*self._words, r, role)) for r in replications]

    def _keys(self, seed: int, replications: Sequence[int]) -> NDArray[np.uint64]:
        found = [x.generate_state(2, np.uint64) for x in self._seeds(seed, replications, KEYS)]
        return np.array(found, dtype=np.uint64).reshape(len(replications), 2)


@dataclass(frozen=True, eq=False)
class Stated(Source):
    """A problem that is stated, or that a generator has drawn; rates are drawn from its priors, or from a nature's."""

    AXES = (
        "budget",
        "labels_per_item",
        "beta",
        "utility",
        "label_price",
        "batch",
        "weight",
        "cost",
        "reward",
        "prior",
        "nature",
    )

    given: Problem

    def inputs(self) -> dict[str, Any]:
        """Name and fields of the problem."""
        prior = json.loads(canonical(self.given.prior))
        return {"name": self.name, "problem": problem_as_inputs(self.given), "prior": prior}

    def stream(self) -> Any:
        """Name of the problem: processors differ in the last bits of its numbers, and must draw alike."""
        return {"name": self.name}

    def case(self, axes: Mapping[str, Any]) -> Case:
        """Problem with the values of the axes.

        ``labels_per_item`` is a budget of so many times its items, and ``nature`` a kind of nature and its strength.
        """
        changes = dict(axes)
        nature = changes.pop("nature", PRIOR)
        if "labels_per_item" in changes:
            if "budget" in changes:
                raise ValueError(BOTH_BUDGETS)
            changes["budget"] = budget_of(changes.pop("labels_per_item"), self.given.size)
        problem = self.given.replace(**changes) if changes else self.given
        if nature == PRIOR:
            return Case(problem)
        require_type("nature", nature, Mapping, "'prior', or a table with name and strength")
        settings = dict(nature)
        for key in ("name", "strength"):
            if key not in settings:
                raise ValueError(f"nature has no {key}; give its name and its strength")
        try:
            found = misbelief(problem, settings.pop("name"), settings.pop("strength"), **settings)
        except (ValueError, TypeError) as error:
            raise ValueError(f"nature: {first_line(error)}") from None
        believed = found.working is problem and all(x == problem.belief(i) for i, x in enumerate(found.nature))
        return Case(found.working, None if believed else found.nature)

    def draws(self, case: Case, seed: int, replications: Sequence[int]) -> Draws:
        """Rates from the priors, or from nature, and labels from the rates."""
        problem, keys = case.problem, self._keys(seed, replications)
        seeds = self._seeds(seed, replications, TRUTH)
        if case.nature is None and isinstance(problem.prior, np.ndarray):
            plain = PriorNature.draw(problem, seeds, keys)
            return Draws(above(plain.rate, problem.threshold), plain, keys)
        rate = np.empty((len(replications), problem.size))
        chance = np.empty_like(rate)
        beliefs = case.nature or [problem.belief(i) for i in range(problem.size)]
        for r, one in enumerate(seeds):
            generator = np.random.default_rng(one)
            for i, belief in enumerate(beliefs):
                rate[r, i] = ask_draw(belief, generator)
                chance[r, i] = ask_chance(belief, rate[r, i])
        # Decisions are about rates, which raters' faults keep the labels from showing.
        return Draws(above(rate, problem.threshold), PriorNature(chance, keys), keys)


def budget_of(each: Any, items: int) -> int:
    """Budget of so many labels an item, at least 1.

    Examples
    --------
    >>> budget_of(1.5, items=4)
    6
    """
    most = positive("labels_per_item", each) * items
    if most > 2**53:
        raise ValueError(f"labels_per_item is {shown(each)}; it must give a budget of at most 2^53 labels")
    return max(1, round(most))
